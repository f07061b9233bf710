//! Refusals: what is wrong is said, with what to do.

use super::world::{hint, scores, start, submission, sweep};
use nrp_proto::CONTRACT;
use nrp_proto::wire::*;
use tonic::Code;

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_not_there_is_said_with_what_is() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut world = start(dir.path()).await;
    assert_eq!(
        world.status("").await.expect_err("none").code(),
        Code::NotFound
    );
    world.submit(sweep("v4-mobilenet", "0")).await;
    let status = world.status("v4-mobilnet").await.expect_err("unknown");
    assert_eq!(status.code(), Code::NotFound);
    assert_eq!(status.message(), "unknown sweep `v4-mobilnet`");
    assert!(hint(&status).starts_with("did you mean `v4-mobilenet`?"));

    let request = TrialsRequest {
        state: 99,
        ..TrialsRequest::default()
    };
    let status = world.sweeps.trials(request).await.expect_err("unknown");
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(status.message(), "unknown state of a trial 99 on the wire");
    assert!(hint(&status).starts_with("run the same version"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_that_is_too_large_is_refused_with_its_count() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut world = start(dir.path()).await;
    let mut large = sweep("large", "0");
    large.grid.as_mut().expect("a grid").seed = (0..600_000).collect();
    let request = SubmitRequest {
        sweep: Some(large),
        priority: None,
    };
    let status = world.sweeps.submit(request).await.expect_err("too large");
    assert_eq!(
        status.message(),
        "sweep `large` has 1200000 cells; the limit is 1000000"
    );
    assert!(hint(&status).starts_with("shorten an axis"));

    // However large: counted, not expanded. Some of its cells can be drawn all the same.
    let mut huge = sweep("huge", "0");
    let grid = huge.grid.as_mut().expect("a grid");
    grid.l1 = (1..=1_000).collect();
    grid.l2 = (1..=1_000).collect();
    grid.seed = (0..500).collect();
    let status = world.sweeps.submit(submission(&huge)).await;
    assert_eq!(
        status.expect_err("too large").message(),
        "sweep `huge` has 1000000000 cells; the limit is 1000000"
    );
    let random = |trials| RandomSearch { trials, seed: 1 };
    huge.random = Some(random(1_000_001));
    let status = world.sweeps.submit(submission(&huge)).await;
    assert_eq!(
        status.expect_err("too many").message(),
        "the sweep file has a mistake\n  `search.trials` = 1000001: must be 1 to 1000000"
    );
    huge.random = Some(random(300));
    assert_eq!(world.submit(huge).await.trials, 300);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_hears_what_is_wrong_and_what_to_do() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut world = start(dir.path()).await;
    world.submit(sweep("v4-mobilenet", "0")).await;
    let request = LeaseRequest {
        worker: "w".to_owned(),
        instance: "1".to_owned(),
        ..LeaseRequest::default()
    };
    let status = world
        .workers
        .lease(request)
        .await
        .expect_err("not registered");
    assert_eq!(status.code(), Code::NotFound, "it registers and asks again");
    let request = RegisterRequest {
        worker: "w".to_owned(),
        contract: CONTRACT + 1,
        ..RegisterRequest::default()
    };
    let status = world
        .workers
        .register(request)
        .await
        .expect_err("another version");
    assert_eq!(
        status.message(),
        format!(
            "worker `w` speaks contract {}, this coordinator {CONTRACT}",
            CONTRACT + 1
        )
    );
    world.register("1").await;
    let job = world.lease("1").await.expect("a job");
    let status = world
        .report(&job, 0, scores(f64::NAN))
        .await
        .expect_err("not finite");
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(
        status.message(),
        "the validation loss is NaN, not a finite number"
    );
}
