//! Pages: with entries as large as they may be, no answer is larger than what a gRPC client takes
//! where nobody told it otherwise, 4 MiB. The clients here are such ones.

use super::world::{World, start, sweep, word};
use nrp_proto::state::{self, Doing};
use nrp_proto::wire::*;
use nrp_proto::{CONTRACT, DETAILS_MAX, EPOCHS_MAX, Message, SITES_MAX};

/// gRPC's default for what a client takes in one message.
const DEFAULT_BYTES: usize = 4 << 20;

/// Trials whose contents together are more than a message.
const TRIALS: usize = 1_500;

/// As much text as a name may have.
fn long(begin: &str) -> String {
    format!("{begin}{}", "n".repeat(256 - begin.len()))
}

/// One row of many trials, with as long names as there may be.
fn large() -> SweepSpec {
    let seeds: Vec<_> = (0..TRIALS).map(|seed| seed.to_string()).collect();
    let mut spec = sweep("large", &seeds.join(","));
    spec.regions = vec![long("V4")];
    spec.recordings_digest = long("simulated");
    spec.split.as_mut().expect("a split").stratify = long("column");
    let entry = &mut spec.anns[0];
    entry.layer_sets[0].layers = (0..12).map(|layer| long(&format!("{layer}-"))).collect();
    let ann = entry.ann.as_mut().expect("an ann");
    ann.name = long("ann");
    ann.preprocessing = long("tf");
    ann.weights_digest = long("digest");
    spec
}

/// Has all trials of the only sweep finish, the first some with details as large as they may be.
async fn finish(world: &mut World, detailed: usize) -> Vec<String> {
    world.register("1").await;
    let mut trials = Vec::new();
    while trials.len() < TRIALS {
        let Some(job) = world.lease("1").await else {
            continue;
        };
        let report = |(number, trial): (usize, &Cell)| {
            let numbers = |count, value| vec![value; count];
            let details = (trials.len() + number < detailed).then(|| Details {
                site_error: numbers(SITES_MAX, 0.5),
                site_pearson: numbers(SITES_MAX, 0.25),
                training_mse: numbers(EPOCHS_MAX, 0.5),
                validation_mse: numbers(EPOCHS_MAX, 0.5),
                ..Details::default()
            });
            let scores = Scores {
                validation_mse: 1.0,
                sites: SITES_MAX as u32,
                epochs: EPOCHS_MAX as u32,
                parameters: 1,
                details,
                ..Scores::default()
            };
            Report {
                worker: "w".to_owned(),
                instance: "1".to_owned(),
                lease: Some(LeaseRef {
                    job: job.id,
                    fence: job.fence,
                }),
                trial: trial.id.clone(),
                outcome: Some(Outcome {
                    result: Some(outcome::Result::Scores(scores)),
                }),
            }
        };
        let reports = job.cells.iter().enumerate().map(report).collect();
        for verdict in world.report_all(reports).await.expect("is answered") {
            let kind = word::<state::Verdict>(verdict.kind);
            assert_eq!(kind, "recorded", "{}", verdict.reason);
        }
        trials.extend(job.cells.into_iter().map(|trial| trial.id));
    }
    trials
}

/// Notes an answer's size, which is within what a client takes.
fn bytes(answer: &impl Message) -> usize {
    let bytes = answer.encoded_len();
    assert!(bytes <= DEFAULT_BYTES, "{bytes}");
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_stay_under_four_mebibytes_whatever_their_last_entry_is() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut world = start(dir.path()).await;
    let mut spec = large();
    spec.training.as_mut().expect("a protocol").max_epochs = EPOCHS_MAX as u32;
    world.submit(spec).await;
    let trials = finish(&mut world, DETAILS_MAX).await;

    let mut request = ListTrialsRequest {
        page_size: 10_000,
        ..ListTrialsRequest::default()
    };
    let (mut listed, mut total) = (0, 0);
    loop {
        let page = world.sweeps.list_trials(request.clone()).await;
        let page = page.expect("fits").into_inner();
        total += bytes(&page);
        listed += page.trials.len();
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert!(
        listed == TRIALS && total > DEFAULT_BYTES,
        "{listed}, {total}"
    );

    let mut request = BestRequest {
        top: 1_000,
        ..BestRequest::default()
    };
    let (mut best, mut total) = (Vec::new(), 0);
    loop {
        let page = world.sweeps.best(request.clone()).await;
        let page = page.expect("fits").into_inner();
        total += bytes(&page);
        assert_eq!(page.rows.len(), 1, "the row goes on");
        best.extend(page.rows.into_iter().flat_map(|row| row.best));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert!(total > DEFAULT_BYTES, "{total}");
    let ids: std::collections::BTreeSet<_> = best.iter().map(|record| &record.id).collect();
    assert_eq!((best.len(), ids.len()), (1_000, 1_000));

    let mut request = MarginalsRequest {
        by: vec!["layers".to_owned(), "seed".to_owned()],
        ..MarginalsRequest::default()
    };
    let (mut cells, mut total) = (0, 0);
    loop {
        let page = world.sweeps.marginals(request.clone()).await;
        let page = page.expect("fits").into_inner();
        total += bytes(&page);
        cells += page.rows.iter().map(|row| row.cells.len()).sum::<usize>();
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert!(cells == TRIALS && total > DEFAULT_BYTES, "{cells}, {total}");

    details_stay_under(&mut world, &trials[..DETAILS_MAX]).await;
}

/// Details come for as many trials as fit, and the others when asked for again.
async fn details_stay_under(world: &mut World, trials: &[String]) {
    let mut rest = trials;
    let mut total = 0;
    while !rest.is_empty() {
        let trials = rest.to_vec();
        let reply = world.sweeps.details(DetailsRequest { trials }).await;
        let details = reply.expect("fits").into_inner();
        total += bytes(&details);
        assert!(
            details
                .details
                .iter()
                .all(|of| of.site_error.len() == SITES_MAX)
        );
        rest = &rest[details.details.len()..];
    }
    assert!(total > DEFAULT_BYTES, "{total}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_of_sweeps_and_workers_stay_under_four_mebibytes() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut world = start(dir.path()).await;
    for number in 0..100 {
        let mut spec = sweep(&format!("sweep-{number}"), "0");
        spec.regions = (0..200).map(|region| long(&format!("{region}-"))).collect();
        world.submit(spec).await;
    }
    for number in 0..5_000 {
        let request = RegisterRequest {
            worker: long(&format!("{number}-")),
            instance: "1".to_owned(),
            device: "d".repeat(1_000),
            lanes: 1,
            contract: CONTRACT,
        };
        world.workers.register(request).await.expect("is taken");
        let request = HeartbeatRequest {
            worker: long(&format!("{number}-")),
            instance: "1".to_owned(),
            activity: Some(Activity {
                doing: Doing::Training.to_wire(),
                subject: "s".repeat(4_000),
                ..Activity::default()
            }),
            ..HeartbeatRequest::default()
        };
        world.workers.heartbeat(request).await.expect("is taken");
    }

    let mut request = ListRequest::default();
    let (mut sweeps, mut total) = (Vec::new(), 0);
    loop {
        let page = world.sweeps.list(request.clone()).await;
        let page = page.expect("fits").into_inner();
        total += bytes(&page);
        sweeps.extend(page.sweeps.into_iter().map(|sweep| sweep.name));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    let names: Vec<_> = (0..100).map(|number| format!("sweep-{number}")).collect();
    assert_eq!(sweeps, names);
    assert!(total > DEFAULT_BYTES, "{total}");

    let mut request = WorkersRequest::default();
    let (mut workers, mut total) = (std::collections::BTreeSet::new(), 0);
    loop {
        let page = world.admin.workers(request.clone()).await;
        let page = page.expect("fits").into_inner();
        total += bytes(&page);
        workers.extend(page.workers.into_iter().map(|worker| worker.worker));
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert!(workers.len() == 5_000 && total > DEFAULT_BYTES, "{total}");
    let watch = world.sweeps.watch(StatusRequest::default()).await;
    let mut watch = watch.expect("is answered").into_inner();
    let watched = watch.message().await.expect("fits").expect("a status");
    bytes(&watched);
    assert_eq!(watched.workers.len(), 1_000);
}
