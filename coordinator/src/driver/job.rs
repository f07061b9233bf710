//! Jobs as workers get them: a grant together with its sweep's files and, from the index, its trials.

use super::caller::Reply;
use crate::scheduler::{Grant, GroupId, Refusal, TrialId};
use crate::store::{Index, IndexError};
use nrp_proto::wire::{Cell, Job, SweepSpec, TrialSpec};
use std::sync::Arc;

/// Most layers that a job names for the sake of other trials.
const ANN_LAYERS_MAX: usize = 64;

/// The answer to a worker that has nothing to do: a job, or none for now.
pub(crate) type Leased = Result<Option<Job>, LeaseError>;

/// Why a worker gets no job.
#[derive(Debug)]
pub(crate) enum LeaseError {
    Refused(Refusal),
    Index(IndexError),
}

/// Sends a job to the worker that asked for it, once its lease is durable. Calls `take_back` if the job cannot
/// be read or the worker no longer waits.
pub(super) fn hand_out(
    grant: Grant,
    sweep: Arc<SweepSpec>,
    reply: Reply<Leased>,
    take_back: impl FnOnce() + Send + 'static,
) -> impl FnOnce(&Index) + Send + 'static {
    move |index| {
        let job = job(index, &grant, &sweep);
        let failed = job.is_err();
        let unsent = reply
            .send(job.map(Some).map_err(LeaseError::Index))
            .is_err();
        if failed || unsent {
            take_back();
        }
    }
}

fn job(index: &Index, grant: &Grant, sweep: &SweepSpec) -> Result<Job, IndexError> {
    let group = match grant.trials.first() {
        Some(first) => cell(index, *first)?.0,
        None => return Err(IndexError::missing("trial of job", grant.lease.job.0)),
    };
    let mut cells = Vec::with_capacity(grant.trials.len());
    for id in &grant.trials {
        let (of, values) = cell(index, *id)?;
        if of != group {
            return Err(IndexError::new(format!(
                "trial {id} is not of its job's group"
            )));
        }
        cells.push(Cell {
            id: id.to_string(),
            values: Some(values),
        });
    }
    let shared = index.shared(group)?;
    let mut ann_layers = Vec::new();
    for id in &grant.along {
        let (of, _) = cell(index, *id)?;
        for layer in index.shared(of)?.layers {
            if !ann_layers.contains(&layer) && ann_layers.len() < ANN_LAYERS_MAX {
                ann_layers.push(layer);
            }
        }
    }
    let entry = sweep.anns.iter().find(|entry| entry.ann == shared.ann);
    let entry = entry.ok_or_else(|| IndexError::missing("ANN of sweep", grant.sweep))?;
    Ok(Job {
        id: grant.lease.job.0,
        fence: grant.lease.fence.0,
        weights: entry.weights.clone(),
        weights_key: entry.weights_key.clone(),
        files: sweep.files.clone(),
        data_dir: sweep.data_dir.clone(),
        shared: Some(shared),
        cells,
        ann_layers,
        activations: grant.activations.to_string(),
        rungs: grant.rungs.clone(),
        reached_sparsity: entry.reached_sparsity,
    })
}

/// A trial's job group, and its cell of the grid.
fn cell(index: &Index, id: TrialId) -> Result<(GroupId, TrialSpec), IndexError> {
    let cell = index.cell(id)?;
    cell.ok_or_else(|| IndexError::missing("trial", id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheduler::LANES_MAX;
    use nrp_proto::wire::{AnnSpec, SplitSpec, TrainingSpec};
    use nrp_proto::{MESSAGE_BYTES_MAX, Message, SWEEP_BYTES_MAX};

    /// A name as long as the sweep's check lets it be.
    fn longest_name() -> String {
        "l".repeat(256)
    }

    #[test]
    fn the_largest_job_fits_a_message() {
        let name = longest_name;
        let shared = TrialSpec {
            ann: Some(AnnSpec {
                name: name(),
                weights_digest: name(),
                preprocessing: name(),
                sparsity: 0.815,
                pruning: name(),
            }),
            recordings_digest: name(),
            region: name(),
            split: Some(SplitSpec {
                stratify: name(),
                ..SplitSpec::default()
            }),
            layers: vec![name(); 64],
            training: Some(TrainingSpec {
                projection: name(),
                ..TrainingSpec::default()
            }),
            ..TrialSpec::default()
        };
        let values = TrialSpec {
            l1: Some(u32::MAX),
            l2: Some(u32::MAX),
            depth: 3,
            learning_rate: 1e-4,
            weight_decay: 1e-4,
            dropout: 0.5,
            seed: u64::MAX,
            linear_path: "ridge".to_owned(),
            ensemble: u32::MAX,
            ..TrialSpec::default()
        };
        let cell = Cell {
            id: "f".repeat(32),
            values: Some(values),
        };
        let bytes = shared.encoded_len();
        let job = Job {
            id: u64::MAX,
            fence: u64::MAX,
            weights: "w".repeat(4_096),
            data_dir: "d".repeat(4_096),
            shared: Some(shared),
            cells: vec![cell; LANES_MAX],
            ann_layers: vec![name(); ANN_LAYERS_MAX],
            activations: "a".repeat(16),
            rungs: (1..=100).collect(),
            ..Job::default()
        };
        assert!(
            job.encoded_len() < MESSAGE_BYTES_MAX / 16,
            "{}",
            job.encoded_len()
        );
        // With the shared part in each of its trials it would be several messages' size.
        assert!(bytes * LANES_MAX > 4 * MESSAGE_BYTES_MAX, "{bytes}");
        // No shared part is larger than its sweep, whatever it has that is not bounded by itself.
        assert!(job.encoded_len() + SWEEP_BYTES_MAX < MESSAGE_BYTES_MAX);
    }
}
