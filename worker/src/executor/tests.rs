use super::*;
use crate::activation::{CacheConfig, Dtype};
use crate::resolve;
use nrp_proto::sweep::SweepFile;
use nrp_proto::wire::{Activity, Cell, Job, Outcome, outcome};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

const SWEEP: &str = r#"
name = "small"
[recordings]
assembly = "simulated"
regions = ["V4"]
[[ann]]
name = "mobilenet"
weights = "random:1"
layer_sets = [["global_average_pooling2d"]]
[grid]
l1 = [4]
l2 = [4]
learning_rate = [1e-3, 3e-3, 1e-2]
[training]
max_epochs = 3
"#;

/// Panics at an outcome's first report, or when told what is done.
struct Panicking {
    /// Panics at the next sign of activity, once.
    at_activity: AtomicBool,
    outcomes: Mutex<Vec<(String, Outcome)>>,
}

impl Control for Panicking {
    fn on_activity(&self, _: Activity) {
        assert!(
            !self.at_activity.swap(false, Ordering::Relaxed),
            "nothing can be drawn"
        );
    }

    fn on_rung(&self, trial: &str, _: u32, _: f64) -> bool {
        assert_ne!(trial, "1", "no answer");
        true
    }

    fn on_outcome(&self, trial: &str, outcome: Outcome) {
        let mut outcomes = self.outcomes.lock().expect("no holder panics");
        outcomes.push((trial.to_owned(), outcome));
    }

    fn stopped(&self) -> bool {
        false
    }

    fn wanted(&self, _: &str) -> bool {
        true
    }
}

/// The small sweep as one job.
pub(super) fn small_job() -> Job {
    let mut spec = SweepFile::parse(SWEEP).expect("parses").to_spec();
    let asked = resolve::Asked::default();
    let device = crate::device::open("flex").expect("a processor");
    resolve::resolve(&mut spec, Path::new("."), &device, asked).expect("resolves");
    let trials = spec.trials().expect("a grid");
    let cells = trials.iter().enumerate().map(|(number, trial)| Cell {
        id: number.to_string(),
        values: Some(trial.cell()),
    });
    Job {
        files: spec.files.clone(),
        weights: "random:1".to_owned(),
        cells: cells.collect(),
        shared: Some(trials[0].without_cell()),
        rungs: vec![2],
        ..Job::default()
    }
}

/// The small sweep as one job, and an executor with an empty cache.
fn small() -> (Executor, Job, tempfile::TempDir) {
    let device = crate::device::open("flex").expect("a processor");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let cache = Cache::open(CacheConfig {
        directory: folder.path().to_owned(),
        dtype: Dtype::F32,
        budget_bytes: None,
    });
    let executor = Executor::new(device, "flex".to_owned(), None, cache.expect("a cache"));
    (executor, small_job(), folder)
}

#[test]
fn a_panic_ends_its_trial_or_its_job_and_never_the_executor() {
    let (mut executor, job, _folder) = small();
    let control = Panicking {
        at_activity: AtomicBool::new(true),
        outcomes: Mutex::default(),
    };
    let error = executor.run(&job, &control).expect_err("hindered");
    insta::assert_snapshot!(error, @"the job ended in a panic: nothing can be drawn");
    assert!(control.outcomes.lock().expect("whole").is_empty());

    // The same executor goes on; the second trial panics at its rung, and the others are scored.
    executor.run(&job, &control).expect("is not hindered");
    let mut outcomes = control.outcomes.into_inner().expect("whole");
    outcomes.sort_by(|(a, _), (b, _)| a.cmp(b));
    assert_eq!(outcomes.len(), 3);
    for (trial, outcome) in outcomes {
        match (trial.as_str(), outcome.result.expect("one")) {
            ("1", outcome::Result::Failure(failure)) => {
                assert!(!failure.r#final, "it may be this machine's");
                assert!(
                    failure.reason.contains(
                        "the trial ended in a panic: assertion `left != right` failed: no answer"
                    ),
                    "{}",
                    failure.reason
                );
            }
            ("0" | "2", outcome::Result::Scores(scores)) => assert_eq!(scores.sites_left_out, 0),
            (trial, other) => panic!("trial {trial}: {other:?}"),
        }
    }
}

#[test]
fn a_layer_that_another_sweep_wants_and_nobody_has_hinders_no_job() {
    let (mut executor, mut job, _folder) = small();
    job.rungs.clear();
    job.ann_layers = vec!["conv_pw_99_relu".to_owned()];
    let control = Panicking {
        at_activity: AtomicBool::new(false),
        outcomes: Mutex::default(),
    };
    executor.run(&job, &control).expect("is not hindered");
    assert_eq!(control.outcomes.into_inner().expect("whole").len(), 3);
}
