//! The coordinator over localhost, as workers and clients meet it, killed and started again.

#![cfg(feature = "service")]

mod events;
mod malformed;
mod messages;
mod open_trials;
mod operations;
mod pages;
mod questions;
mod refusals;
mod retraction;
mod world;

use nrp_coordinator::{Config, Coordinator};
use nrp_proto::REPORTS_MAX;
use nrp_proto::state::{SweepState, Verdict};
use nrp_proto::wire::*;
use std::collections::BTreeSet;
use tokio_stream::StreamExt;
use tonic::Code;
use world::{World, config, hint, scores, start, submission, sweep, word};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_the_coordinator_is_killed() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut world = start(dir.path()).await;
    let submitted = world.submit(sweep("a", "0, 1")).await;
    assert_eq!(
        (
            submitted.trials,
            submitted.already_finished,
            submitted.resumed
        ),
        (4, 0, false)
    );
    world.register("1").await;
    let first = world.lease("1").await.expect("a job");
    assert_eq!((first.cells.len(), first.weights.as_str()), (2, "random:0"));
    assert_eq!(
        (first.data_dir.as_str(), first.shared.is_some()),
        ("/data", true)
    );
    assert_eq!(world.verdict(&first, 0, 0.5).await, "recorded");
    assert_eq!(world.verdict(&first, 1, 0.25).await, "recorded");
    let second = world.lease("1").await.expect("a job");
    let best = world.best("").await;
    assert_eq!(best.len(), 2);
    let v4 = best.iter().find(|row| row.region == "V4").expect("a row");
    assert_eq!(
        v4.best.iter().map(|best| &best.id).collect::<Vec<_>>(),
        [&first.cells[1].id]
    );
    assert_eq!(best.iter().map(|row| row.open).collect::<Vec<_>>(), [2, 0]);

    drop(world);
    let mut world = start(dir.path()).await;
    assert_eq!(world.coordinator.notices(), [] as [String; 0]);
    assert_eq!(world.best("a").await, best);
    assert_eq!(world.verdict(&first, 0, 0.1).await, "duplicate");
    assert_eq!(world.best("a").await, best);
    // The worker must announce itself again, and its lease is still its own.
    let heartbeat = HeartbeatRequest {
        worker: "w".to_owned(),
        instance: "1".to_owned(),
        leases: vec![LeaseRef {
            job: second.id,
            fence: second.fence,
        }],
        ..HeartbeatRequest::default()
    };
    let refused = world.workers.heartbeat(heartbeat.clone()).await;
    assert_eq!(refused.expect_err("is unknown").code(), Code::NotFound);
    world.register("1").await;
    let reply = world
        .workers
        .heartbeat(heartbeat)
        .await
        .expect("is taken")
        .into_inner();
    assert_eq!(reply, HeartbeatReply::default());
    assert_eq!(world.trials("leased").await.expect("streams").len(), 2);
    assert_eq!(world.verdict(&second, 0, 0.5).await, "recorded");

    // The worker is killed too: its new process goes on at once.
    world.register("2").await;
    let again = world.lease("2").await.expect("a job");
    assert_eq!(again.cells, second.cells[1..]);
    assert!(again.fence > second.fence);
    assert_eq!(world.verdict(&again, 0, 0.5).await, "recorded");
    assert_eq!(world.state("").await, "finished");
    let again = world.submit(sweep("a", "0, 1")).await;
    assert_eq!((again.already_finished, again.resumed), (4, true));
    world.coordinator.shutdown().await.expect("stops");
    let world = start(dir.path()).await;
    assert_eq!(world.coordinator.notices(), [] as [String; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn outcomes_reported_together_have_a_verdict_each() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut world = start(dir.path()).await;
    world.submit(sweep("together", "0, 1")).await;
    world.register("1").await;
    let job = world.lease("1").await.expect("a job");
    let report = |trial: &str, outcome| Report {
        worker: "w".to_owned(),
        instance: "1".to_owned(),
        lease: Some(LeaseRef {
            job: job.id,
            fence: job.fence,
        }),
        trial: trial.to_owned(),
        outcome: Some(outcome),
    };
    let (first, second) = (&job.cells[0].id, &job.cells[1].id);
    let reports = vec![
        report(first, scores(0.5)),
        report(second, scores(f64::NAN)),
        report(&"0".repeat(first.len()), scores(0.5)),
        report(first, scores(0.25)),
    ];
    let verdicts = world.report_all(reports).await.expect("is answered");
    let words = verdicts.iter().map(|answer| word::<Verdict>(answer.kind));
    let words: Vec<_> = words.collect();
    assert_eq!(words, ["recorded", "refused", "unknown", "duplicate"]);
    assert_eq!(
        verdicts[1].reason,
        "the validation loss is NaN, not a finite number"
    );
    let many = vec![report(second, scores(0.5)); REPORTS_MAX + 1];
    let status = world.report_all(many).await.expect_err("too many");
    assert_eq!(
        status.message(),
        "257 outcomes in one report; the limit is 256"
    );
    let verdicts = world.report_all(Vec::new()).await.expect("is answered");
    assert_eq!(verdicts, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn trials_are_stopped_at_rungs_and_go_to_their_end_for_who_stops_none() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut world = start(dir.path()).await;
    let whole = sweep("whole", "0, 1, 2");
    let mut halved = whole.clone();
    halved.name = "halved".to_owned();
    halved.early_stopping = Some(EarlyStopping {
        min_epochs: 2,
        reduction: 3,
    });
    let mut wrong = halved.clone();
    wrong.early_stopping = Some(EarlyStopping {
        min_epochs: 2,
        reduction: 1,
    });
    let refused = world.sweeps.submit(submission(&wrong)).await;
    let status = refused.expect_err("no halving");
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(world.submit(halved.clone()).await.trials, 6);
    world.register("1").await;
    let job = world.lease("1").await.expect("a job");
    assert_eq!(job.rungs, [2, 6, 18, 54, 162]);
    let request = |trial: usize, validation_mse| RungRequest {
        worker: "w".to_owned(),
        instance: "1".to_owned(),
        lease: Some(LeaseRef {
            job: job.id,
            fence: job.fence,
        }),
        trial: job.cells[trial].id.clone(),
        epochs: 2,
        validation_mse,
    };
    let stops = async |world: &mut World, trial, loss| {
        let reply = world.workers.rung(request(trial, loss)).await;
        reply.map(|reply| reply.into_inner().stop)
    };
    assert!(stops(&mut world, 0, f64::NAN).await.is_err());
    assert!(!stops(&mut world, 0, 0.5).await.expect("answers"));
    assert!(stops(&mut world, 1, 0.6).await.expect("answers"));
    assert!(!stops(&mut world, 2, 0.4).await.expect("answers"));
    drop(world);

    let mut world = start(dir.path()).await;
    assert!(stops(&mut world, 1, 0.6).await.expect("answers"), "again");
    let stopped = world.trials("stopped").await.expect("answers");
    assert_eq!(stopped.len(), 1);
    assert_eq!(stopped[0].id, job.cells[1].id);
    assert_eq!(stopped[0].stop.as_ref().expect("where").epochs, 2);
    assert_eq!(stopped[0].scores, None);
    for trial in [0, 2] {
        let outcome = scores(0.1 + trial as f64);
        let verdict = world.report(&job, trial, outcome).await;
        assert_eq!(verdict.expect("answers"), "recorded");
    }
    let status = world.status("").await.expect("answers");
    assert_eq!((status.stopped, status.finished), (1, 2));

    // The same trials wanted to their end: what was stopped is open, what has finished is not.
    let submitted = world.submit(whole).await;
    assert_eq!((submitted.trials, submitted.already_finished), (6, 2));
    let waiting = world.trials("waiting").await.expect("answers");
    assert!(waiting.iter().any(|trial| trial.id == job.cells[1].id));
    world.register("2").await;
    let rest = loop {
        // The other region's may come first.
        let rest = world.lease("2").await.expect("a job");
        if rest.cells.contains(&job.cells[1]) {
            break rest;
        }
    };
    assert_eq!((rest.cells.len(), rest.rungs.len()), (1, 0));
    let status = world.status("halved").await.expect("answers");
    assert_eq!(status.stopped, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_ends_with_its_sweep() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut world = start(dir.path()).await;
    world.submit(sweep("a", "0")).await;
    let request = StatusRequest::default();
    let mut watch = world
        .sweeps
        .watch(request)
        .await
        .expect("is answered")
        .into_inner();
    let first = watch.next().await.expect("a status").expect("no error");
    let first = first.sweep.expect("the sweep");
    assert_eq!(
        (word::<SweepState>(first.state), first.waiting),
        ("running", 2)
    );
    world.register("1").await;
    while let Some(job) = world.lease("1").await {
        for trial in 0..job.cells.len() {
            world.verdict(&job, trial, 0.5).await;
        }
        if world.state("").await == "finished" {
            break;
        }
    }
    let rest: Vec<_> = watch
        .map(|status| status.expect("no error"))
        .collect()
        .await;
    let last = rest.last().expect("a last status");
    let sweep = last.sweep.as_ref().expect("the sweep");
    assert_eq!(
        (word::<SweepState>(sweep.state), sweep.finished),
        ("finished", 2)
    );
    assert_eq!(last.workers[0].device, "cpu");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_sweep_is_taken_up_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut world = start(dir.path()).await;
    world.submit(sweep("a", "0")).await;
    let request = CancelRequest {
        sweep: "a".to_owned(),
    };
    let status = world
        .sweeps
        .cancel(request)
        .await
        .expect("is there")
        .into_inner();
    assert_eq!(
        (word::<SweepState>(status.state), status.cancelled),
        ("cancelled", 2)
    );
    assert_eq!(world.trials("cancelled").await.expect("streams").len(), 2);
    drop(world);
    let mut world = start(dir.path()).await;
    assert_eq!(world.state("a").await, "cancelled");
    let request = ResumeRequest {
        sweep: "a".to_owned(),
    };
    let status = world
        .sweeps
        .resume(request)
        .await
        .expect("is there")
        .into_inner();
    assert_eq!(
        (word::<SweepState>(status.state), status.waiting),
        ("running", 2)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_and_a_priority_outlive_the_coordinator() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut world = start(dir.path()).await;
    world.submit(sweep("a", "0")).await;
    world.submit(sweep("b", "1")).await;
    let request = SubmitRequest {
        sweep: Some(sweep("c", "2")),
        priority: Some(-3),
    };
    world.sweeps.submit(request).await.expect("is taken");
    let request = PrioritiseRequest {
        sweep: "b".to_owned(),
        priority: 7,
    };
    let status = world.sweeps.prioritise(request).await.expect("is there");
    assert_eq!(status.into_inner().priority, 7);
    let request = PauseRequest {
        sweep: "a".to_owned(),
    };
    let status = world.sweeps.pause(request).await.expect("is there");
    assert_eq!(word::<SweepState>(status.into_inner().state), "paused");
    drop(world);
    let mut world = start(dir.path()).await;
    let shown = |status: SweepStatus| (word::<SweepState>(status.state), status.priority);
    let paused = world.status("a").await.expect("is there");
    assert_eq!(shown(paused), ("paused", 0));
    world.register("1").await;
    for (sweep, seed, priority) in [("b", 1, 7), ("c", 2, -3)] {
        let status = world.status(sweep).await.expect("is there");
        assert_eq!(shown(status), ("running", priority));
        for _region in 0..2 {
            let job = world.lease("1").await.expect("a job");
            let values = job.cells[0].values.as_ref().expect("a cell");
            assert_eq!(values.seed, seed, "sweep {sweep} goes next");
            world.verdict(&job, 0, 0.5).await;
        }
    }
    assert_eq!(world.lease("1").await, None);
    // Submitting it again takes it up.
    assert!(world.submit(sweep("a", "0")).await.resumed);
    assert!(world.lease("1").await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn why_trials_wait_is_said_in_words() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut world = start(dir.path()).await;
    world.submit(sweep("a", "0, 1")).await;
    assert_eq!(
        world.explain("").await,
        ["4 wait: there is no worker; `nrp worker` starts one"]
    );
    world.register("1").await;
    let job = world.lease("1").await.expect("a job");
    let failure = |reason: &str, last| Outcome {
        result: Some(outcome::Result::Failure(Failure {
            reason: reason.to_owned(),
            r#final: last,
        })),
    };
    let report = world.report(&job, 0, failure("out of memory", false)).await;
    assert_eq!(report.expect("is taken"), "recorded");
    let report = world
        .report(&job, 1, failure("the loss diverged", true))
        .await;
    assert_eq!(report.expect("is taken"), "recorded");
    let second = world.lease("1").await.expect("a job");
    let explained = world.explain("a").await;
    assert_eq!(
        explained[..2],
        [
            "1 were set aside; `nrp trials --in-state failed` says why",
            "2 are with workers",
        ]
    );
    assert!(explained[2].starts_with("1 back off after a failed attempt, the first"));
    let explained = world.explain(&job.cells[0].id).await;
    assert!(
        explained[0].ends_with("after failed attempt 1 of 3: out of memory"),
        "{explained:?}"
    );
    assert_eq!(
        world.explain(&job.cells[1].id).await,
        ["1 was set aside: the loss diverged"]
    );
    let explained = world.explain(&second.cells[0].id).await;
    assert!(explained[0].starts_with("1 worker `w` has had it for"));
    let request = ExplainRequest {
        subject: "0".repeat(32),
    };
    let status = world.sweeps.explain(request).await.expect_err("is none");
    assert_eq!(status.code(), Code::NotFound);
    assert!(status.message().starts_with("unknown trial `0000"));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_clients_that_submit_at_once_share_their_trials() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut world = start(dir.path()).await;
    world.register("1").await;
    let clients = ["a", "a", "b", "b"].map(|name| {
        let mut sweeps = world.sweeps.clone();
        tokio::spawn(async move {
            let request = SubmitRequest {
                sweep: Some(sweep(name, "0, 1, 2")),
                priority: None,
            };
            sweeps.submit(request).await.expect("is taken").into_inner()
        })
    });
    let mut submitted = Vec::new();
    for client in clients {
        submitted.push(client.await.expect("ends"));
    }
    let resumed = submitted.iter().filter(|reply| reply.resumed).count();
    assert_eq!(
        (resumed, submitted.len()),
        (2, 4),
        "of each pair one was first"
    );
    let mut trials = BTreeSet::new();
    while let Some(job) = world.lease("1").await {
        for (number, trial) in job.cells.iter().enumerate() {
            assert!(
                trials.insert(trial.id.clone()),
                "{} was leased twice",
                trial.id
            );
            let report = world.report(&job, number, scores(0.5)).await;
            assert_eq!(report.expect("is taken"), "recorded");
        }
    }
    assert_eq!(trials.len(), 6);
    for name in ["a", "b"] {
        let status = world.status(name).await.expect("is there");
        assert_eq!(
            (word::<SweepState>(status.state), status.finished),
            ("finished", 6)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_gets_what_its_cache_holds_first() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut world = start(dir.path()).await;
    let mut two = sweep("a", "0");
    let set = LayerSet {
        layers: vec!["conv_pw_1_relu".to_owned()],
        region: String::new(),
    };
    two.anns[0].layer_sets.push(set);
    world.submit(two).await;
    world.register("1").await;
    let first = world.lease("1").await.expect("a job");
    let others = world.lease("1").await.expect("a job");
    assert_eq!(first.activations, others.activations, "of the other region");
    let third = world.lease("1").await.expect("a job");
    assert_ne!(first.activations, third.activations);
    // Another process knows of its cache alone.
    world.register("2").await;
    let request = |held: &str| LeaseRequest {
        worker: "w".to_owned(),
        instance: "2".to_owned(),
        held: vec![held.to_owned()],
    };
    let leased = world.workers.lease(request(&third.activations)).await;
    let job = leased.expect("is answered").into_inner().job;
    assert_eq!(job.expect("a job").activations, third.activations);
    let refused = world.workers.lease(request("../etc")).await;
    assert_eq!(refused.expect_err("no id").code(), Code::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_worker_gets_the_job_as_soon_as_there_is_one() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut world = start(dir.path()).await;
    world.register("1").await;
    let mut workers = world.workers.clone();
    let asked = tokio::spawn(async move {
        let request = LeaseRequest {
            worker: "w".to_owned(),
            instance: "1".to_owned(),
            ..LeaseRequest::default()
        };
        workers
            .lease(request)
            .await
            .expect("is answered")
            .into_inner()
            .job
    });
    tokio::task::yield_now().await;
    world.submit(sweep("a", "0")).await;
    let job = asked.await.expect("ends").or(world.lease("1").await);
    assert_eq!(job.expect("a job").cells.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_and_a_taken_directory_are_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let other = tempfile::tempdir().expect("a directory");
    let world = start(dir.path()).await;
    let address = world.coordinator.address();
    let taken = Config::new(other.path(), address);
    let error = Coordinator::start(taken)
        .await
        .expect_err("the port is taken");
    assert_eq!(
        error.to_string(),
        format!("address {address} is in use by another process")
    );
    let error = Coordinator::start(config(dir.path()))
        .await
        .expect_err("the directory is taken");
    assert!(
        error.to_string().contains("is in use by another process"),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .contains(&dir.path().display().to_string()),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_told_to_leave_gets_no_job_and_its_successor_does() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut world = start(dir.path()).await;
    world.submit(sweep("a", "0")).await;
    world.register("1").await;
    let drain = |workers: &[&str]| DrainRequest {
        workers: workers.iter().map(ToString::to_string).collect(),
    };
    let status = world.admin.drain(drain(&["w", "v"])).await;
    let status = status.expect_err("one is not there");
    assert_eq!(status.code(), Code::NotFound);
    assert_eq!(status.message(), "unknown worker `v`");
    assert!(hint(&status).starts_with("`nrp workers list`"));

    let heartbeat = HeartbeatRequest {
        worker: "w".to_owned(),
        instance: "1".to_owned(),
        ..HeartbeatRequest::default()
    };
    let told = |reply: tonic::Response<HeartbeatReply>| reply.into_inner().leave;
    let reply = world.workers.heartbeat(heartbeat.clone()).await;
    assert!(!told(reply.expect("is taken")), "nobody was told");
    let drained = world.admin.drain(drain(&["w"])).await.expect("is there");
    assert!(drained.into_inner().workers[0].leaving);
    let reply = world.workers.heartbeat(heartbeat).await;
    assert!(told(reply.expect("is taken")));
    assert_eq!(world.lease("1").await, None);
    // Announcing itself again does not keep it; another process of its name is not meant.
    world.register("1").await;
    assert_eq!(world.lease("1").await, None);
    world.register("2").await;
    let listed = world.admin.workers(WorkersRequest::default()).await;
    let listed = listed.expect("is answered").into_inner().workers;
    assert_eq!((listed.len(), listed[0].leaving), (1, false));
    assert!(world.lease("2").await.is_some());
}
