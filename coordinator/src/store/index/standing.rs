//! Standings: what a row's ranking says of a finished trial, enough to filter and tabulate by, so
//! that no trial is read that is not shown.

use super::{keys, message};
use crate::scheduler::TrialId;
use crate::store::IndexError;
use nrp_proto::Message;
use nrp_proto::wire::{AnnSpec, Scores, SplitSpec, TrainingSpec, TrialRecord, TrialSpec};

/// A finished trial in its row.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Standing {
    pub(super) trial: TrialId,
    /// The journal entry with whose batch it came.
    pub(super) seq: u64,
    /// Of the trial, what the rows do not share: its axes, and the scores that are compared.
    record: TrialRecord,
}

impl Standing {
    /// What is kept of a trial, from what its group shares and its record; none where it has no
    /// scores.
    pub(super) fn of(
        trial: TrialId,
        seq: u64,
        shared: &TrialSpec,
        record: &TrialRecord,
    ) -> Option<Self> {
        let (cell, scores) = (record.spec.as_ref()?, record.scores.as_ref()?);
        // Name, weights and region are the row's.
        let own = TrialSpec {
            ann: shared.ann.as_ref().map(|ann| AnnSpec {
                sparsity: ann.sparsity,
                ..AnnSpec::default()
            }),
            layers: shared.layers.clone(),
            split: Some(SplitSpec {
                number: shared.split_number(),
                ..SplitSpec::default()
            }),
            training: Some(TrainingSpec {
                projection: shared.projection().to_owned(),
                ..TrainingSpec::default()
            }),
            model: shared.model.clone(),
            ..TrialSpec::default()
        };
        let spec = own.with_cell(cell);
        let scores = Scores {
            nrp_error: scores.nrp_error,
            validation_mse: scores.validation_mse,
            parameters: scores.parameters,
            ..Scores::default()
        };
        Some(Self {
            trial,
            seq,
            record: TrialRecord {
                spec: Some(spec),
                scores: Some(scores),
                ..TrialRecord::default()
            },
        })
    }

    /// From a ranking's key and value.
    pub(super) fn read(key: &[u8], value: &[u8]) -> Result<Self, IndexError> {
        let short = || IndexError::new("a ranked trial in it is too short");
        let trial = keys::last_trial(key).ok_or_else(short)?;
        let (seq, record) = value.split_first_chunk().ok_or_else(short)?;
        let record: TrialRecord = message(record)?;
        match record.scores {
            None => Err(IndexError::new(format!(
                "ranked trial {trial} has no scores"
            ))),
            Some(_) => Ok(Self {
                trial,
                seq: u64::from_be_bytes(*seq),
                record,
            }),
        }
    }

    /// As a ranking's value.
    pub(super) fn value(&self) -> Vec<u8> {
        let mut value = Vec::with_capacity(8 + self.record.encoded_len());
        value.extend(self.seq.to_be_bytes());
        self.record
            .encode(&mut value)
            .expect("a vector takes any record");
        value
    }

    /// The trial, as far as it is known here.
    pub(super) fn record(&self) -> &TrialRecord {
        &self.record
    }

    pub(super) fn scores(&self) -> &Scores {
        let scores = self.record.scores.as_ref();
        scores.expect("only what has scores is ranked")
    }
}
