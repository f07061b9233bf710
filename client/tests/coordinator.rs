//! The client against a coordinator: what another program would do with it.

use nrp_client::{Client, ClientError, Connection, Events, Told, Watch, Watched};
use nrp_coordinator::{Config, Coordinator};
use nrp_proto::CONTRACT;
use nrp_proto::sweep::SweepFile;
use nrp_proto::wire::event::Payload;
use nrp_proto::wire::{outcome::Result::Scores as Scored, *};
use std::net::SocketAddr;
use std::path::Path;

async fn start(state: &Path) -> Coordinator {
    start_at(state, ([127, 0, 0, 1], 0).into()).await
}

async fn start_at(state: &Path, address: SocketAddr) -> Coordinator {
    let started = Coordinator::start(Config::new(state, address)).await;
    started.expect("it starts")
}

fn sweep(name: &str) -> SweepSpec {
    let text = format!(
        r#"
        name = "{name}"
        recordings = {{ assembly = "simulated", regions = ["V4", "IT"] }}
        [[ann]]
        name = "mobilenet"
        weights = "random:0"
        layer_sets = [["conv_pw_13_relu"]]
        [grid]
        l1 = [16]
        l2 = [32]
        learning_rate = [1e-3]
        "#
    );
    let mut spec = SweepFile::parse(&text).expect("it parses").to_spec();
    spec.recordings_digest = "simulated:1".to_owned();
    spec.data_dir = "/data".to_owned();
    for entry in &mut spec.anns {
        entry.ann.as_mut().expect("an ANN").weights_digest = "random:0".to_owned();
    }
    spec
}

/// Finishes every trial that waits, as a worker would.
async fn work(address: &str) {
    let deadline = std::time::Duration::from_secs(10);
    let connection = Connection::lazy(address, deadline).expect("an address");
    let mut workers = connection.workers();
    let (worker, instance) = ("w".to_owned(), "1".to_owned());
    let registration = RegisterRequest {
        worker: worker.clone(),
        instance: instance.clone(),
        device: "cpu".to_owned(),
        lanes: 8,
        contract: CONTRACT,
    };
    workers.register(registration).await.expect("registers");
    loop {
        let request = LeaseRequest {
            worker: worker.clone(),
            instance: instance.clone(),
            ..LeaseRequest::default()
        };
        let reply = workers.lease(request).await.expect("is answered");
        let Some(job) = reply.into_inner().job else {
            return;
        };
        let lease = LeaseRef {
            job: job.id,
            fence: job.fence,
        };
        let scores = Scores {
            validation_mse: 0.5,
            nrp_error: 0.1,
            sites: 2,
            sites_scored: 2,
            epochs: 3,
            best_epoch: 2,
            parameters: 7,
            ..Scores::default()
        };
        let reports = job.cells.iter().map(|trial| Report {
            worker: worker.clone(),
            instance: instance.clone(),
            lease: Some(lease),
            trial: trial.id.clone(),
            outcome: Some(Outcome {
                result: Some(Scored(scores.clone())),
            }),
        });
        let reports = reports.collect();
        workers
            .report(ReportRequest { reports })
            .await
            .expect("is answered");
    }
}

#[tokio::test]
async fn a_sweep_is_submitted_run_and_read_page_by_page() {
    let state = tempfile::tempdir().expect("a directory");
    let coordinator = start(state.path()).await;
    let address = coordinator.address().to_string();
    let client = Client::connect(&address).await.expect("connects");
    for name in ["first", "second"] {
        let submitted = client.submit(sweep(name), None).await.expect("is taken");
        assert_eq!((submitted.trials, submitted.resumed), (2, false));
    }
    work(&address).await;
    let listed = client.sweeps().all().await.expect("lists");
    let listed: Vec<_> = listed
        .iter()
        .map(|sweep| (&*sweep.name, sweep.finished))
        .collect();
    assert_eq!(listed, [("first", 2), ("second", 2)]);
    let mut rows = client.best(BestRequest {
        sweep: "second".to_owned(),
        page_size: 1,
        ..BestRequest::default()
    });
    let mut regions = Vec::new();
    while let Some(row) = rows.next().await.expect("reads") {
        assert_eq!(row.best.len(), 1);
        regions.push(row.region);
    }
    regions.sort();
    assert_eq!(regions, ["IT", "V4"], "a page holds one row");
    let mut trials = client
        .trials(TrialsRequest::default())
        .await
        .expect("reads");
    let mut ids = Vec::new();
    while let Some(trial) = trials.next().await.expect("reads") {
        ids.push(trial.id);
    }
    assert_eq!(ids.len(), 2, "both sweeps have the same trials");
    assert_eq!(client.details(&ids).await.expect("reads").len(), 2);
    let workers = client.workers().all().await.expect("reads");
    assert_eq!(workers.len(), 1);
    coordinator.shutdown().await.expect("ends");
}

#[tokio::test]
async fn a_refusal_brings_its_hint_and_a_coordinator_that_ended_is_unreachable() {
    let state = tempfile::tempdir().expect("a directory");
    let coordinator = start(state.path()).await;
    let address = coordinator.address().to_string();
    let client = Client::connect(&address).await.expect("connects");
    client.submit(sweep("small"), None).await.expect("is taken");
    let refused = client
        .status("smal")
        .await
        .expect_err("there is no such sweep");
    let ClientError::Refused(refusal) = &refused else {
        panic!("{refused:?}");
    };
    assert!(refusal.message.contains("smal"), "{refusal}");
    let hint = refusal.hint.as_deref().unwrap_or_default();
    assert!(hint.contains("small"), "{hint}");
    coordinator.shutdown().await.expect("ends");
    let away = client.status("small").await.expect_err("nothing answers");
    assert!(away.is_unreachable(), "{away:?}");
    assert!(away.to_string().contains(&address), "{away}");
}

/// The next status, however often the coordinator was away before; its state, and the trials finished.
async fn seen(watch: &mut Watch) -> Option<(String, u64)> {
    while let Some(told) = watch.next().await.expect("the watch goes on") {
        if let Watched::Status(reply) = told {
            let sweep = reply.sweep.expect("a sweep");
            return Some((sweep.id, sweep.finished));
        }
    }
    None
}

#[tokio::test]
async fn a_watch_outlives_a_coordinator_that_is_restarted() {
    let state = tempfile::tempdir().expect("a directory");
    let coordinator = start(state.path()).await;
    let address = coordinator.address();
    let client = Client::connect(&address.to_string())
        .await
        .expect("connects");
    let submitted = client
        .submit(sweep("watched"), None)
        .await
        .expect("is taken");
    let mut watch = client.watch("").await.expect("is answered");
    let begin = seen(&mut watch).await;
    assert_eq!(begin, Some((submitted.sweep.clone(), 0)));
    coordinator.shutdown().await.expect("ends");
    let away = watch.next().await.expect("the watch goes on");
    assert!(matches!(away, Some(Watched::Away(_))), "{away:?}");
    let coordinator = start_at(state.path(), address).await;
    // The watch stays with its sweep, although another is the latest now.
    client.submit(sweep("later"), None).await.expect("is taken");
    work(&address.to_string()).await;
    let mut last = None;
    while let Some(status) = seen(&mut watch).await {
        last = Some(status);
    }
    assert_eq!(last, Some((submitted.sweep, 2)), "every trial finished");
    coordinator.shutdown().await.expect("ends");
}

#[tokio::test]
async fn a_watch_gives_a_coordinator_up_that_stays_away() {
    let state = tempfile::tempdir().expect("a directory");
    let coordinator = start(state.path()).await;
    let address = coordinator.address().to_string();
    let client = Client::connect(&address).await.expect("connects");
    client
        .submit(sweep("watched"), None)
        .await
        .expect("is taken");
    let patience = std::time::Duration::from_millis(300);
    let mut watch = client
        .watch("")
        .await
        .expect("is answered")
        .patience(patience);
    seen(&mut watch).await.expect("a status");
    coordinator.shutdown().await.expect("ends");
    let away = watch.next().await.expect("is told first");
    assert!(matches!(away, Some(Watched::Away(_))), "{away:?}");
    let failure = watch.next().await.expect_err("patience has run out");
    assert!(failure.is_unreachable(), "{failure:?}");
}

#[tokio::test]
async fn events_continue_after_the_last_one_when_the_coordinator_is_restarted() {
    let state = tempfile::tempdir().expect("a directory");
    let coordinator = start(state.path()).await;
    let address = coordinator.address();
    let client = Client::connect(&address.to_string())
        .await
        .expect("connects");
    let mut events = client.events(Some(0)).await.expect("is answered");
    client.submit(sweep("told"), None).await.expect("is taken");
    let mut numbers = Vec::new();
    let submitted = event(&mut events).await;
    assert!(matches!(
        submitted.payload,
        Some(Payload::SweepSubmitted(_))
    ));
    numbers.push(submitted.seq);
    coordinator.shutdown().await.expect("ends");
    let away = events.next().await.expect("the reader waits");
    assert!(matches!(away, Told::Away(_)), "{away:?}");
    let coordinator = start_at(state.path(), address).await;
    work(&address.to_string()).await;
    let mut outcomes = 0;
    while outcomes < 2 {
        let next = event(&mut events).await;
        outcomes += usize::from(matches!(next.payload, Some(Payload::OutcomeRecorded(_))));
        numbers.push(next.seq);
    }
    assert_eq!(events.since(), numbers.last().copied());
    let first = numbers[0];
    let whole: Vec<u64> = (first..first + numbers.len() as u64).collect();
    assert_eq!(numbers, whole, "none is missing, and none came twice");
    coordinator.shutdown().await.expect("ends");
}

/// The next event, however often the coordinator was away before.
async fn event(events: &mut Events) -> Event {
    loop {
        match events.next().await.expect("the reader goes on") {
            Told::Event(event) => return *event,
            Told::Away(_) => {}
            Told::Resync(resync) => panic!("everything can be told: {resync:?}"),
        }
    }
}
