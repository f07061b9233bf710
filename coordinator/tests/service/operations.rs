//! What operators ask: whether it serves, what can be asked of it, and its metrics.

use super::world::{start, sweep, word};
use nrp_proto::state::SweepState;
use nrp_proto::wire::{
    HeartbeatRequest, Hindrance, Job, LeaseRef, ReleaseRequest, ResumeRequest, StatusRequest,
    WorkerTotals,
};
use std::collections::BTreeSet;
use tokio_stream::StreamExt;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

async fn channel(world: &super::world::World) -> Channel {
    let address = format!("http://{}", world.coordinator.address());
    let channel = Channel::from_shared(address).expect("an address");
    channel.connect().await.expect("connects")
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_that_it_serves() {
    let dir = tempfile::tempdir().expect("a directory");
    let world = start(dir.path()).await;
    let mut health = HealthClient::new(channel(&world).await);
    for service in ["", "nrp.v1.Admin", "nrp.v1.Sweeps", "nrp.v1.Workers"] {
        let request = HealthCheckRequest {
            service: service.to_owned(),
        };
        let reply = health.check(request).await.expect("is known").into_inner();
        assert_eq!(reply.status(), ServingStatus::Serving, "{service}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_without_its_files_learn_what_can_be_asked() {
    let dir = tempfile::tempdir().expect("a directory");
    let world = start(dir.path()).await;
    let mut reflection = ServerReflectionClient::new(channel(&world).await);
    let ask = |question| ServerReflectionRequest {
        host: String::new(),
        message_request: Some(question),
    };
    let questions = [
        ask(MessageRequest::ListServices(String::new())),
        ask(MessageRequest::FileContainingSymbol(
            "nrp.v1.Sweeps.Marginals".to_owned(),
        )),
    ];
    let answers = reflection
        .server_reflection_info(tokio_stream::iter(questions))
        .await
        .expect("is answered")
        .into_inner();
    let answers: Vec<_> = answers
        .map(|answer| answer.expect("no error").message_response)
        .collect()
        .await;
    let Some(MessageResponse::ListServicesResponse(services)) = &answers[0] else {
        panic!("{answers:?}");
    };
    let names: BTreeSet<_> = services.service.iter().map(|s| s.name.as_str()).collect();
    for name in ["nrp.v1.Sweeps", "nrp.v1.Workers", "grpc.health.v1.Health"] {
        assert!(names.contains(name), "{names:?}");
    }
    let Some(MessageResponse::FileDescriptorResponse(files)) = &answers[1] else {
        panic!("{answers:?}");
    };
    assert!(!files.file_descriptor_proto.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_count_what_is_durable_and_show_what_there_is() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut world = start(dir.path()).await;
    world.submit(sweep("a", "0, 1")).await;
    world.finish_all().await;
    let heartbeat = HeartbeatRequest {
        worker: "w".to_owned(),
        instance: "1".to_owned(),
        totals: Some(WorkerTotals {
            cache_hits: 3,
            cache_misses: 1,
            extraction_seconds: 1.5,
            device_seconds: f64::NAN,
        }),
        ..HeartbeatRequest::default()
    };
    world.workers.heartbeat(heartbeat).await.expect("is taken");
    let text = world.coordinator.metrics().read().await.expect("runs");
    let id = world.status("a").await.expect("is there").id;
    let value = |series: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(series));
        let value = line.unwrap_or_else(|| panic!("no {series} in {text}"));
        value.trim().parse::<f64>().expect("a number")
    };
    let trials = |state: &str| {
        value(&format!(
            "nrp_trials{{sweep=\"a\",id=\"{id}\",state=\"{state}\"}}"
        ))
    };
    assert_eq!((trials("finished"), trials("waiting")), (4.0, 0.0));
    assert_eq!((value("nrp_leases "), value("nrp_workers ")), (0.0, 1.0));
    // Counts are the process's, and other tests run in it.
    assert!(value("nrp_outcomes_total{outcome=\"finished\"}") >= 4.0);
    assert!(value("nrp_leases_granted_total") >= 2.0);
    assert!(value("nrp_journal_sync_seconds_count") >= 2.0);
    assert!(value("nrp_journal_batch_facts_sum") >= 5.0);
    let worker = "{worker=\"w\",device=\"cpu\"}";
    assert_eq!(value(&format!("nrp_worker_cache_hits_total{worker}")), 3.0);
    assert_eq!(
        value(&format!("nrp_worker_extraction_seconds_total{worker}")),
        1.5
    );
    assert_eq!(
        value(&format!("nrp_worker_device_seconds_total{worker}")),
        0.0
    );
    assert!(text.ends_with("# EOF\n"), "{text}");
}

/// A worker's word that it cannot run a job, with a long reason that is not plain text.
fn hindered(job: &Job) -> ReleaseRequest {
    ReleaseRequest {
        worker: "w".to_owned(),
        instance: "1".to_owned(),
        lease: Some(LeaseRef {
            job: job.id,
            fence: job.fence,
        }),
        hindrance: Some(Hindrance {
            reason: format!("no such file\u{1b}[2J{}", "x".repeat(100_000)),
            hint: "mount it".to_owned(),
            ..Hindrance::default()
        }),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_worker_can_run_is_parked_and_says_why_everywhere() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut world = start(dir.path()).await;
    world.submit(sweep("a", "0, 1")).await;
    let watch = world.sweeps.watch(StatusRequest::default()).await;
    let watch = watch.expect("is answered").into_inner();
    world.register("1").await;
    while world.state("a").await == "running" {
        let Some(job) = world.lease("1").await else {
            continue;
        };
        let release = world.workers.release(hindered(&job)).await;
        release.expect("is taken");
    }
    // The same is said after a restart.
    let mut statuses = vec![world.status("a").await.expect("is there")];
    let watched: Vec<_> = watch.collect().await;
    statuses.push(
        watched
            .into_iter()
            .next_back()
            .expect("one")
            .expect("no error")
            .sweep
            .expect("the sweep"),
    );
    let text = world.coordinator.metrics().read().await.expect("runs");
    assert!(text.contains("state=\"parked\"} 4"), "{text}");
    drop(world);
    let mut world = start(dir.path()).await;
    statuses.push(world.status("a").await.expect("is there"));
    for status in &statuses {
        assert_eq!(
            (
                word::<SweepState>(status.state),
                status.parked,
                status.failed
            ),
            ("parked", 4, 0)
        );
        assert_eq!(status.hindered.len(), 1, "a reason once");
        let told = &status.hindered[0];
        assert_eq!(
            (told.trials, told.parked, told.hint.as_str()),
            (4, 4, "mount it")
        );
        assert_eq!(told.workers, ["w"]);
        assert!(
            told.reason.starts_with("no such file [2J"),
            "{:?}",
            told.reason
        );
        assert!(told.reason.len() <= 2_048);
    }
    let trials = world.trials("parked").await.expect("streams");
    assert_eq!(trials.len(), 4);
    for trial in &trials {
        assert!(trial.reason.contains("no such file") && trial.reason.contains("mount it"));
    }
    for subject in ["a", &trials[0].id] {
        let why = &world.explain(subject).await[0];
        assert!(
            why.contains("parked") && why.contains("`w`: no such file"),
            "{why}"
        );
    }
    let request = ResumeRequest {
        sweep: "a".to_owned(),
    };
    let resumed = world.sweeps.resume(request).await.expect("is there");
    assert_eq!(word::<SweepState>(resumed.into_inner().state), "running");
    world.finish_all().await;
    assert_eq!(world.status("a").await.expect("is there").finished, 4);
}
