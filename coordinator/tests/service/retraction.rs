//! What is reported must be possible, and what is wrong all the same can be taken back.

use super::world::{World, hint, scores, start, sweep, word};
use nrp_proto::state::{self, SweepState, TrialState};
use nrp_proto::wire::{outcome::Result::Scores as Scored, *};
use nrp_proto::{Message, wire};
use tonic::{Code, Status};

/// A report as worker `w`, under a lease.
fn report(lease: LeaseRef, trial: &str, outcome: Outcome) -> Report {
    Report {
        worker: "w".to_owned(),
        instance: "1".to_owned(),
        lease: Some(lease),
        trial: trial.to_owned(),
        outcome: Some(outcome),
    }
}

fn lease(job: &Job) -> LeaseRef {
    LeaseRef {
        job: job.id,
        fence: job.fence,
    }
}

/// Scores that differ from possible ones by an edit.
fn edited(edit: impl FnOnce(&mut wire::Scores)) -> Outcome {
    let mut outcome = scores(0.5);
    match &mut outcome.result {
        Some(Scored(scores)) => edit(scores),
        other => panic!("{other:?}"),
    }
    outcome
}

async fn reported(world: &mut World, report: Report) -> (String, String) {
    let mut verdicts = world.report_all(vec![report]).await.expect("is answered");
    let Verdict { kind, reason } = verdicts.remove(0);
    (word::<state::Verdict>(kind).to_owned(), reason)
}

async fn retract(world: &mut World, trials: &[&str], reason: &str) -> Result<RetractReply, Status> {
    let request = RetractRequest {
        trials: trials.iter().map(|trial| (*trial).to_owned()).collect(),
        reason: reason.to_owned(),
    };
    let reply = world.sweeps.retract(request).await?;
    Ok(reply.into_inner())
}

#[tokio::test(flavor = "multi_thread")]
async fn outcomes_that_cannot_be_or_were_not_leased_are_refused_with_the_reason() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut world = start(dir.path()).await;
    let mut spec = sweep("a", "0, 1");
    spec.training.as_mut().expect("a protocol").max_epochs = 12;
    spec.sites = vec![RegionSites {
        region: "V4".to_owned(),
        names: vec!["one".to_owned(), "two".to_owned()],
        ceilings: Vec::new(),
        ..RegionSites::default()
    }];
    world.submit(spec).await;
    world.register("1").await;
    let job = world.lease("1").await.expect("a job");
    let trial = job.cells[0].id.clone();
    let region = job.shared.clone().expect("a trial").region;
    assert_eq!(region, "V4");
    for (outcome, told) in [
        (edited(|of| of.nrp_error = -0.1), "the NRP-error is -0.1"),
        (
            edited(|of| of.pearson_median = Some(1.5)),
            "the median Pearson r is 1.5; the most possible is 1",
        ),
        (
            edited(|of| of.r2_mean = Some(1.5)),
            "the mean R2 is 1.5; the most possible is 1",
        ),
        (
            edited(|of| of.epochs = 13),
            "it was trained for 13 epochs; the sweep's limit is 12",
        ),
        (edited(|of| of.best_epoch = 4), "its best epoch is 4, of 3"),
        (
            edited(|of| of.sites = 3),
            "the scores are of 3 sites, and the sweep's region has 2",
        ),
    ] {
        let answer = reported(&mut world, report(lease(&job), &trial, outcome)).await;
        assert_eq!(answer.0, "refused", "{told}");
        assert!(answer.1.contains(told), "{told}: {}", answer.1);
    }
    let never = LeaseRef {
        job: 9_999,
        fence: 9_999,
    };
    let answer = reported(&mut world, report(never, &trial, scores(0.5))).await;
    let told = "the lease of job 9999, fence 9999, was never granted";
    assert_eq!(answer, ("refused".to_owned(), told.to_owned()));
    let mut stranger = report(lease(&job), &trial, scores(0.5));
    "mallory".clone_into(&mut stranger.worker);
    let answer = reported(&mut world, stranger).await;
    assert_eq!(answer.0, "refused");
    assert!(
        answer.1.ends_with("was granted to another worker"),
        "{}",
        answer.1
    );
    let rung = RungRequest {
        worker: "mallory".to_owned(),
        instance: "1".to_owned(),
        lease: Some(lease(&job)),
        trial: trial.clone(),
        epochs: 2,
        validation_mse: 0.1,
    };
    let status = world.workers.rung(rung).await.expect_err("is refused");
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert_eq!(world.status("").await.expect("is there").finished, 0);
    let answer = reported(&mut world, report(lease(&job), &trial, scores(0.5))).await;
    assert_eq!(answer.0, "recorded");
}

/// Retracts the outcome of the first trial, after requests that are refused.
async fn retract_first(world: &mut World, ids: &[String]) {
    let status = retract(world, &[&ids[0]], " ").await;
    let status = status.expect_err("says nothing");
    assert_eq!(status.code(), Code::InvalidArgument);
    let unknown = "0".repeat(32);
    let status = retract(world, &[&ids[0], &unknown], "a leak").await;
    let status = status.expect_err("there is none");
    assert_eq!(status.code(), Code::NotFound);
    assert!(hint(&status).contains("nrp trials"));
    let reply = retract(world, &[&ids[0]], "the disk was broken").await;
    let retracted = reply.expect("is taken").trials;
    assert_eq!(
        (
            retracted[0].trial.as_str(),
            word::<TrialState>(retracted[0].state),
        ),
        (&*ids[0], "waiting")
    );
    let status = retract(world, &[&ids[1], &ids[0]], "again").await;
    let status = status.expect_err("one has none");
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert_eq!(
        status.message(),
        format!("trial `{}` has no outcome; nothing was retracted", ids[0])
    );
}

/// A retracted trial has no outcome, and a report on its way does not bring it back.
async fn has_no_outcome(world: &mut World, id: &str, job: &Job) {
    let trials = world.trials("").await.expect("streams");
    let record = trials
        .iter()
        .find(|trial| trial.id == *id)
        .expect("is there");
    assert_eq!(record.scores, None);
    assert_eq!(record.reason, "retracted: the disk was broken");
    let details = DetailsRequest {
        trials: vec![id.to_owned()],
    };
    let details = world.sweeps.details(details).await.expect("is answered");
    assert_eq!(details.into_inner().details[0].encoded_len(), 0);
    // A report on its way does not bring it back.
    let late = report(lease(job), id, scores(0.001));
    let answer = reported(world, late).await;
    assert_eq!(answer.0, "refused");
    assert!(answer.1.contains("retracted"), "{}", answer.1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retracted_outcome_is_gone_everywhere_and_open_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut world = start(dir.path()).await;
    world.submit(sweep("a", "0, 1, 2")).await;
    world.register("1").await;
    let job = world.lease("1").await.expect("a job");
    let ids: Vec<_> = job.cells.iter().map(|trial| trial.id.clone()).collect();
    let best = edited(|of| {
        of.validation_mse = 0.001;
        of.details = Some(Details {
            site_error: vec![0.5, 0.5],
            ..Details::default()
        });
    });
    for (number, outcome) in [best, scores(0.5), scores(0.25)].into_iter().enumerate() {
        let answer = reported(&mut world, report(lease(&job), &ids[number], outcome)).await;
        assert_eq!(answer.0, "recorded");
    }
    let region = job.shared.clone().expect("a trial").region;
    let marginals = MarginalsRequest {
        region: region.clone(),
        by: vec!["l1".to_owned()],
        ..MarginalsRequest::default()
    };
    // Asked for before: what is kept of it must not stay.
    let before = world.sweeps.marginals(marginals.clone()).await;
    let before = before.expect("is answered").into_inner();
    assert_eq!(before.rows[0].cells[0].trials, 3);
    let best = world.best("a").await;
    let row = best.iter().find(|row| row.region == region);
    assert_eq!(row.expect("is there").best[0].id, ids[0]);

    retract_first(&mut world, &ids).await;
    for restarted in [false, true] {
        if restarted {
            drop(world);
            std::fs::remove_dir_all(dir.path().join("index")).expect("is there");
            world = start(dir.path()).await;
            world.register("1").await;
        }
        let found = world.best("a").await;
        let row = found
            .iter()
            .find(|row| row.region == region)
            .expect("is there");
        assert_eq!(
            (row.best[0].id.as_str(), row.open),
            (&*ids[2], 1),
            "{restarted}"
        );
        let after = world.sweeps.marginals(marginals.clone()).await;
        let cell = after.expect("is answered").into_inner().rows[0].cells[0].clone();
        assert_eq!((cell.trials, cell.best_trial.as_str()), (2, &*ids[2]));
        let status = world.status("a").await.expect("is there");
        assert_eq!(
            (word::<SweepState>(status.state), status.finished),
            ("running", 2)
        );
        has_no_outcome(&mut world, &ids[0], &job).await;
    }
    let again = loop {
        let job = world.lease("1").await.expect("a job");
        if job.cells.iter().any(|trial| trial.id == ids[0]) {
            break job;
        }
    };
    let answer = reported(&mut world, report(lease(&again), &ids[0], scores(0.75))).await;
    assert_eq!(answer.0, "recorded");
    let found = nrp_coordinator::verify(dir.path());
    assert!(found.is_err(), "it is in use");
    world.coordinator.shutdown().await.expect("ends");
    let verified = nrp_coordinator::verify(dir.path()).expect("can be read");
    assert!(verified.is_whole(), "{:?}", verified.findings);
}
