//! Standings: what a row's ranking knows about a finished trial. It is enough for filters and
//! tables, so that only trials that are shown are read.

use super::{keys, message};
use crate::scheduler::TrialId;
use crate::store::IndexError;
use nrp_proto::Message;
use nrp_proto::wire::{AnnSpec, Scores, SplitSpec, TrainingSpec, TrialRecord, TrialSpec};

/// A finished trial in the ranking of its row.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Standing {
    pub(super) trial: TrialId,
    /// The last journal entry of the batch that added the trial.
    pub(super) seq: u64,
    /// The part of the trial that a row's trials do not share: its axes, and the scores that are
    /// compared.
    record: TrialRecord,
}

impl Standing {
    /// Builds the standing of a trial from its group's shared content and its record; `None` for a
    /// trial without scores.
    pub(super) fn of(
        trial: TrialId,
        seq: u64,
        shared: &TrialSpec,
        record: &TrialRecord,
    ) -> Option<Self> {
        let (cell, scores) = (record.spec.as_ref()?, record.scores.as_ref()?);
        // Name, weights and region belong to the row.
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
            similarity: scores.similarity,
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

    /// Decodes the key and the value of a ranking.
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

    /// Encodes the standing as the value of a ranking.
    pub(super) fn value(&self) -> Vec<u8> {
        let mut value = Vec::with_capacity(8 + self.record.encoded_len());
        value.extend(self.seq.to_be_bytes());
        self.record
            .encode(&mut value)
            .expect("a vector takes any record");
        value
    }

    /// The trial, as far as the standing knows it.
    pub(super) fn record(&self) -> &TrialRecord {
        &self.record
    }

    pub(super) fn scores(&self) -> &Scores {
        let scores = self.record.scores.as_ref();
        scores.expect("only what has scores is ranked")
    }
}
