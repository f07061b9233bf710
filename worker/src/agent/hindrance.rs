//! Hindrances: what a worker tells the coordinator of a job that it cannot run. The job goes back,
//! and the worker goes on with other jobs.

use crate::activation::ActivationError;
use crate::executor::ExecuteError;
use crate::nrp::TrainError;
use miette::Diagnostic;
use nrp_proto::wire::Hindrance;
use std::error::Error;
use std::io::{self, ErrorKind};
use std::iter::successors;

/// The error with its causes, and every hint on what to do about it.
pub(super) fn of(error: &ExecuteError) -> Hindrance {
    Hindrance {
        reason: reason(error),
        hint: hints(error).join("; "),
        machine: is_of_machine(error),
        of_trials: is_of_trials(error),
    }
}

/// Whether the machine is the likely cause, so that other jobs would meet it too: a cache or a disk
/// that cannot be written.
pub(super) fn is_of_machine(error: &ExecuteError) -> bool {
    let is_full = |cause: &(dyn Error + 'static)| {
        let kind = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        matches!(
            kind,
            Some(
                ErrorKind::StorageFull
                    | ErrorKind::QuotaExceeded
                    | ErrorKind::ReadOnlyFilesystem
                    | ErrorKind::StaleNetworkFileHandle
            )
        )
    };
    matches!(
        error,
        ExecuteError::Activation(ActivationError::Write { .. })
    ) || causes(error).any(is_full)
}

/// Whether other trials on the same activations may be run: they may need less memory.
fn is_of_trials(error: &ExecuteError) -> bool {
    matches!(
        error,
        ExecuteError::Train {
            source: TrainError::OutOfMemory { .. },
            ..
        }
    )
}

fn causes(error: &ExecuteError) -> impl Iterator<Item = &(dyn Error + 'static)> {
    successors(Some(error as &(dyn Error + 'static)), |&cause| {
        cause.source()
    })
}

fn reason(error: &ExecuteError) -> String {
    let mut words: Vec<String> = Vec::new();
    for cause in causes(error) {
        let cause = cause.to_string();
        if words.last() != Some(&cause) {
            words.push(cause);
        }
    }
    words.join(": ")
}

fn hints(error: &ExecuteError) -> Vec<String> {
    let parts = successors(Some(error as &dyn Diagnostic), |&part| {
        part.diagnostic_source()
    });
    let mut hints = Vec::new();
    for hint in parts.filter_map(|part| part.help()) {
        let hint = hint.to_string();
        if !hints.contains(&hint) {
            hints.push(hint);
        }
    }
    hints
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hindrance_says_why_with_its_causes_and_what_to_do() {
        let hindrance = of(&ExecuteError::Train {
            layers: "fc1".to_owned(),
            source: TrainError::OutOfMemory {
                reason: "one trial needs 9 GB, and 8 GB are free".to_owned(),
            },
        });
        assert_eq!(
            hindrance.reason,
            "NRP networks on fc1 cannot be trained here: not enough memory to train: one \
             trial needs 9 GB, and 8 GB are free"
        );
        assert!(hindrance.hint.contains("more memory"), "{}", hindrance.hint);
        assert!(
            !hindrance.machine && hindrance.of_trials,
            "other trials may need less"
        );
    }

    #[test]
    fn a_cache_that_cannot_be_written_may_hinder_every_job_of_the_machine() {
        let write = |kind| {
            ExecuteError::Activation(ActivationError::Write {
                path: "/cache/x.part".into(),
                source: io::Error::from(kind),
            })
        };
        assert!(of(&write(ErrorKind::StorageFull)).machine);
        assert!(of(&write(ErrorKind::NotFound)).machine);
        let read = ExecuteError::Activation(ActivationError::Read {
            path: "/cache/x.act".into(),
            source: io::Error::from(ErrorKind::NotFound),
        });
        assert!(!of(&read).machine);
        assert!(of(&read).reason.contains("/cache/x.act"));
    }
}
