//! Questions to the index, each answered from neighbouring keys.

use super::records::Packed;
use super::{Index, keys, message};
use crate::scheduler::{GroupId, RowId, SweepId, TrialId};
use crate::store::IndexError;
use nrp_proto::wire::{Details, TrialRecord, TrialSpec};

/// How many pairs are read at once: at first, and at most.
const SCAN_PAIRS_FIRST: usize = 16;
const SCAN_PAIRS_MAX: usize = 1_024;

/// A row of `best`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub(crate) id: RowId,
    /// One trial of the row, which shows what all of them share.
    pub(crate) example: TrialSpec,
}

impl Index {
    /// A trial with its outcome; its state is one of [`super::recorded`].
    pub(crate) fn trial(&self, trial: TrialId) -> Result<Option<TrialRecord>, IndexError> {
        let Some(packed) = self.packed(trial)? else {
            return Ok(None);
        };
        let shared = self.groups.shared(packed.group, |key| self.map.get(key))?;
        Ok(Some(packed.unpack(trial, &shared)))
    }

    /// A trial's job group, and its cell of the grid alone.
    pub(crate) fn cell(&self, trial: TrialId) -> Result<Option<(GroupId, TrialSpec)>, IndexError> {
        let packed = self.packed(trial)?;
        Ok(packed.and_then(|packed| Some((packed.group, packed.record.spec?))))
    }

    fn packed(&self, trial: TrialId) -> Result<Option<Packed>, IndexError> {
        match self.map.get(&keys::trial(trial))? {
            Some(bytes) => Packed::read(trial, &bytes).map(Some),
            None => self.sweeps.untouched(&*self.map, trial),
        }
    }

    /// What the trials of a job group share: a trial without its cell.
    pub(crate) fn shared(&self, group: GroupId) -> Result<TrialSpec, IndexError> {
        let shared = self.groups.shared(group, |key| self.map.get(key))?;
        Ok(shared.spec.clone())
    }

    /// The details of a trial's scores, or `None` for a trial without scores or recorded without
    /// details.
    pub(crate) fn details(&self, trial: TrialId) -> Result<Option<Details>, IndexError> {
        let bytes = self.map.get(&keys::details(trial))?;
        bytes.map(|bytes| message(&bytes)).transpose()
    }

    /// A stretch of a sweep's trials, counted from 0, or `None` after the last.
    pub(crate) fn stretch(
        &self,
        sweep: SweepId,
        number: u32,
    ) -> Result<Option<Vec<TrialId>>, IndexError> {
        let bytes = self.map.get(&keys::stretch(sweep, number))?;
        Ok(bytes.map(|bytes| trials_in(&bytes).collect()))
    }

    /// The rows of one sweep's trials, or of all trials, sorted by ANN, weights, model (NRP
    /// networks first), split, group and region.
    pub(crate) fn rows(&self, sweep: Option<SweepId>) -> Result<Vec<Row>, IndexError> {
        let mut rows = Vec::new();
        match sweep {
            None => self.walk(keys::ROWS, |key, value| {
                let id = RowId(keys::last_u64(key).ok_or_else(|| IndexError::new("a short key"))?);
                let example = message(value)?;
                rows.push(Row { id, example });
                Ok(true)
            })?,
            Some(sweep) => self.walk(&keys::sweep_rows(sweep), |key, _| {
                let id = RowId(keys::last_u64(key).ok_or_else(|| IndexError::new("a short key"))?);
                if let Some(example) = self.map.get(&keys::row(id))? {
                    let example = message(&example)?;
                    rows.push(Row { id, example });
                }
                Ok(true)
            })?,
        }
        rows.sort_by_cached_key(|row| {
            let example = &row.example;
            let ann = example.ann.clone().unwrap_or_default();
            let (model, region) = (example.model.clone(), example.region.clone());
            let (split, group) = (example.split_number(), example.comparable_group());
            (ann.name, ann.weights_digest, model, split, group, region)
        });
        Ok(rows)
    }

    /// The numbers of trials, and of trials with an outcome, as counted when they came. `verify`
    /// checks that every record exists.
    pub(crate) fn totals(&self) -> Result<(u64, u64), IndexError> {
        let Some(bytes) = self.map.get(keys::TOTALS)? else {
            return Ok((0, 0));
        };
        let [known, closed] = bytes.as_chunks::<8>().0 else {
            return Err(IndexError::new("its totals have the wrong length"));
        };
        Ok((u64::from_be_bytes(*known), u64::from_be_bytes(*closed)))
    }

    /// Visits the pairs under a prefix, in order, as long as `visit` returns true.
    pub(super) fn walk(
        &self,
        prefix: &[u8],
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<bool, IndexError>,
    ) -> Result<(), IndexError> {
        let mut after: Option<Vec<u8>> = None;
        // The first pairs answer most questions.
        let mut limit = SCAN_PAIRS_FIRST;
        loop {
            let pairs = self.map.scan(prefix, after.as_deref(), limit)?;
            limit = SCAN_PAIRS_MAX.min(limit * 4);
            for (key, value) in &pairs {
                if !visit(key, value)? {
                    return Ok(());
                }
            }
            match pairs.into_iter().next_back() {
                Some((key, _)) => after = Some(key),
                None => return Ok(()),
            }
        }
    }
}

/// The trials of a stretch.
pub(super) fn trials_in(stretch: &[u8]) -> impl Iterator<Item = TrialId> + '_ {
    let ids = stretch.as_chunks::<16>().0.iter();
    ids.map(|bytes| TrialId(u128::from_be_bytes(*bytes)))
}
