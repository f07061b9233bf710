//! The limit on trials without an outcome, over all sweeps.

use super::world::{World, config, hint, start_with, submission, sweep, word};
use nrp_proto::state::SweepState;
use nrp_proto::wire::{CancelRequest, ListRequest, SweepSpec};
use std::path::Path;
use tonic::{Code, Status};

async fn start(dir: &Path, open_trials_max: u64) -> World {
    let mut config = config(dir);
    config.open_trials_max = open_trials_max;
    start_with(config).await
}

/// Why a sweep is not taken.
async fn refused(world: &mut World, spec: &SweepSpec) -> Status {
    let submitted = world.sweeps.submit(submission(spec)).await;
    submitted.expect_err("is refused")
}

async fn sweeps(world: &mut World) -> Vec<String> {
    let list = world.sweeps.list(ListRequest::default()).await;
    let sweeps = list.expect("is answered").into_inner().sweeps;
    sweeps.into_iter().map(|sweep| sweep.name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn open_trials_of_all_sweeps_are_limited_and_a_sweep_beyond_is_refused_by_name() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut world = start(dir.path(), 6).await;
    let first = sweep("a", "0, 1");
    let second = sweep("b", "2, 3");
    assert_eq!(world.submit(first.clone()).await.trials, 4);
    let status = refused(&mut world, &second).await;
    assert_eq!(
        (status.code(), status.message()),
        (
            Code::ResourceExhausted,
            "sweep `b` is refused: it adds 4 trials to 4 that have no outcome yet, and the limit is 6"
        )
    );
    assert!(
        hint(&status).contains("--max-open-trials"),
        "{}",
        hint(&status)
    );
    assert_eq!(sweeps(&mut world).await, ["a"], "nothing is left of it");

    // What is known adds nothing, what fits is taken, and the limit itself is allowed.
    assert!(world.submit(first.clone()).await.resumed);
    assert_eq!(world.submit(sweep("shares", "0, 1, 2")).await.trials, 6);
    refused(&mut world, &second).await;
    world.finish_all().await;
    assert_eq!(world.submit(second.clone()).await.trials, 4);

    // Cancelled trials may be taken up again, and count.
    let cancel = CancelRequest {
        sweep: "b".to_owned(),
    };
    world.sweeps.cancel(cancel).await.expect("is cancelled");
    let status = refused(&mut world, &sweep("c", "4, 5, 6")).await;
    assert!(
        status.message().contains("adds 6 trials to 2 "),
        "{}",
        status.message()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lower_limit_takes_up_what_is_open_and_refuses_more() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut world = start(dir.path(), 8).await;
    world.submit(sweep("a", "0, 1, 2, 3")).await;
    drop(world);
    let mut world = start(dir.path(), 2).await;
    let status = world.status("a").await.expect("is there");
    assert_eq!(
        (word::<SweepState>(status.state), status.trials),
        ("running", 8)
    );
    assert_eq!(world.submit(sweep("part", "0")).await.trials, 2);
    assert!(world.submit(sweep("a", "0, 1, 2, 3")).await.resumed);
    let status = refused(&mut world, &sweep("b", "4")).await;
    assert_eq!(status.code(), Code::ResourceExhausted);
    world.finish_all().await;
    assert_eq!(world.submit(sweep("b", "4")).await.trials, 2);
}
