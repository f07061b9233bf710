//! A coordinator's process under load through gRPC, from an empty directory to a restart with
//! everything in it.

use super::quantile;
use nrp_proto::CONTRACT;
use nrp_proto::state::Verdict;
use nrp_proto::sweep::SweepFile;
use nrp_proto::wire::sweeps_client::SweepsClient;
use nrp_proto::wire::workers_client::WorkersClient;
use nrp_proto::wire::*;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tonic::transport::Channel;

const WORKERS: usize = 1_000;
const CONNECTIONS: usize = 16;
/// Trials of a job: as `nrp worker` has it by default.
const LANES: u32 = 8;

/// Questions after the load.
const BEST_CALLS: usize = 300;

const HEARTBEAT: Duration = Duration::from_secs(5);

/// The process that is measured; killed when dropped.
struct Server {
    child: Child,
    address: String,
    _said: BufReader<ChildStdout>,
}

impl Server {
    fn start(dir: &Path) -> Self {
        let own = std::env::current_exe().expect("this program");
        let mut command = Command::new(own);
        command.arg("serve").arg(dir);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("starts");
        let mut said = BufReader::new(child.stdout.take().expect("is piped"));
        let mut address = String::new();
        said.read_line(&mut address).expect("says where");
        Self {
            child,
            address: format!("http://{}", address.trim()),
            _said: said,
        }
    }

    async fn connect(&self) -> Channel {
        let endpoint = Channel::from_shared(self.address.clone()).expect("an address");
        endpoint.connect().await.expect("connects")
    }

    /// Resident memory, in bytes.
    fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        kib.unwrap_or(0) * 1024
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the workers share.
struct Shared {
    /// Outcomes that may still be reported.
    left: AtomicU64,
    recorded: AtomicU64,
    outcomes: u64,
    /// How many are reported in one call.
    together: usize,
    /// Said when the last is recorded.
    done: tokio::sync::Notify,
}

impl Shared {
    fn count(&self) {
        if self.recorded.fetch_add(1, Ordering::Relaxed) + 1 == self.outcomes {
            self.done.notify_one();
        }
    }
}

/// A sweep of exactly `trials` cells, over four regions and five layer sets.
fn sweep(trials: usize) -> SweepSpec {
    let text = r#"
        name = "load"
        recordings = { assembly = "simulated", regions = ["V4", "IT"] }
        [[ann]]
        name = "mobilenet"
        weights = "random:0"
        layer_sets = [["conv_pw_13_relu"], ["conv_pw_12_relu"], ["conv_pw_11_relu"],
                      ["conv_pw_10_relu"], ["conv_pw_9_relu"]]
        [grid]
        l1 = [16, 32]
        l2 = [32]
        learning_rate = [1e-3]
        seed = [0]
        "#;
    let mut spec = SweepFile::parse(text).expect("parses").to_spec();
    spec.recordings_digest = "simulated:1".to_owned();
    spec.regions = ["V4", "IT", "PIT", "CIT"].map(str::to_owned).to_vec();
    for entry in &mut spec.anns {
        entry.ann.as_mut().expect("an ann").weights_digest = "random:0".to_owned();
    }
    let grid = spec.grid.as_mut().expect("a grid");
    grid.seed = (0..trials as u64 / 40).collect();
    spec
}

pub(super) async fn measure(trials: usize, outcomes: usize, together: usize, dir: &Path) {
    let server = Server::start(dir);
    let mut sweeps = SweepsClient::new(server.connect().await);
    let at_start = server.memory();
    let begun = Instant::now();
    let request = SubmitRequest {
        sweep: Some(sweep(trials)),
        priority: None,
    };
    let submitted = sweeps.submit(request).await.expect("is taken").into_inner();
    let submit = begun.elapsed();
    assert_eq!(submitted.trials, trials as u64);

    let shared = Arc::new(Shared {
        left: AtomicU64::new(outcomes as u64),
        recorded: AtomicU64::new(0),
        outcomes: outcomes as u64,
        together,
        done: tokio::sync::Notify::new(),
    });
    let mut leases = load(&server, &shared).await;
    let recorded = shared.recorded.load(Ordering::Relaxed);
    assert_eq!(recorded, outcomes as u64, "each was acknowledged");
    let spent = leases.spent.as_secs_f64();
    leases.waits_ms.sort_by(f64::total_cmp);
    let memory = server.memory();

    let mut best = Vec::with_capacity(BEST_CALLS);
    for _ in 0..BEST_CALLS {
        let begun = Instant::now();
        let rows = sweeps.best(BestRequest::default()).await.expect("answers");
        best.push(begun.elapsed().as_secs_f64() * 1e3);
        assert_eq!(rows.into_inner().rows.len(), 4);
    }
    best.sort_by(f64::total_cmp);

    drop((sweeps, server));
    let begun = Instant::now();
    let server = Server::start(dir);
    let mut sweeps = SweepsClient::new(server.connect().await);
    let rows = sweeps.best(BestRequest::default()).await.expect("answers");
    let restart = begun.elapsed();
    let open: u64 = rows.into_inner().rows.iter().map(|row| row.open).sum();
    assert_eq!(
        open,
        (trials - outcomes) as u64,
        "nothing is lost by a kill"
    );

    println!(
        r#"{{"trials": {trials}, "outcomes": {outcomes}, "together": {together}, "workers": {WORKERS}, "connections": {CONNECTIONS}, "submit_s": {:.3}, "outcomes_per_s": {:.0}, "lease_p50_ms": {:.2}, "lease_p99_ms": {:.2}, "best_p50_ms": {:.2}, "best_p99_ms": {:.2}, "memory_start_mib": {:.1}, "bytes_per_trial": {:.0}, "restart_s": {:.2}, "restarted_mib": {:.1}}}"#,
        submit.as_secs_f64(),
        outcomes as f64 / spent,
        quantile(&leases.waits_ms, 0.5),
        quantile(&leases.waits_ms, 0.99),
        quantile(&best, 0.5),
        quantile(&best, 0.99),
        at_start as f64 / f64::from(1 << 20),
        memory.saturating_sub(at_start) as f64 / trials as f64,
        restart.as_secs_f64(),
        server.memory() as f64 / f64::from(1 << 20),
    );
}

/// What came of the load.
struct Leases {
    spent: Duration,
    waits_ms: Vec<f64>,
}

async fn load(server: &Server, shared: &Arc<Shared>) -> Leases {
    let mut channels = Vec::new();
    for _ in 0..CONNECTIONS {
        channels.push(server.connect().await);
    }
    let begun = Instant::now();
    let mut tasks = Vec::new();
    for number in 0..WORKERS {
        let client = WorkersClient::new(channels[number % CONNECTIONS].clone());
        let work = work(client, format!("worker-{number}"), shared.clone());
        tasks.push(tokio::spawn(work));
    }
    shared.done.notified().await;
    let spent = begun.elapsed();
    let mut waits_ms = Vec::new();
    for task in tasks {
        waits_ms.extend(task.await.expect("works"));
    }
    Leases { spent, waits_ms }
}

/// One worker: leases, and reports outcomes, a few at a time, each time once those before are
/// acknowledged. Answers how long it waited for each job.
async fn work(mut client: WorkersClient<Channel>, worker: String, shared: Arc<Shared>) -> Vec<f64> {
    let instance = "1".to_owned();
    let register = RegisterRequest {
        worker: worker.clone(),
        instance: instance.clone(),
        device: "none".to_owned(),
        lanes: LANES,
        contract: CONTRACT,
    };
    client.register(register).await.expect("is taken");
    let mut waits_ms = Vec::new();
    let mut heard = Instant::now();
    while shared.left.load(Ordering::Relaxed) > 0 {
        let request = LeaseRequest {
            worker: worker.clone(),
            instance: instance.clone(),
            held: Vec::new(),
        };
        let asked = Instant::now();
        let reply = client.lease(request).await.expect("is answered");
        let Some(job) = reply.into_inner().job else {
            continue;
        };
        waits_ms.push(asked.elapsed().as_secs_f64() * 1e3);
        let lease = Some(LeaseRef {
            job: job.id,
            fence: job.fence,
        });
        for trials in job.cells.chunks(shared.together) {
            let mut reports = Vec::with_capacity(trials.len());
            for trial in trials {
                let take = |left: u64| left.checked_sub(1);
                let taken = shared
                    .left
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
                if taken.is_ok() {
                    reports.push(Report {
                        worker: worker.clone(),
                        instance: instance.clone(),
                        lease,
                        outcome: Some(outcome(&trial.id)),
                        trial: trial.id.clone(),
                    });
                }
            }
            if reports.is_empty() {
                return waits_ms;
            }
            let request = ReportRequest { reports };
            let reply = client.report(request).await.expect("is answered");
            for answer in reply.into_inner().verdicts {
                match Verdict::of_wire(answer.kind).expect("a verdict") {
                    Verdict::Recorded => shared.count(),
                    // Another worker had a copy of the job.
                    Verdict::Duplicate => drop(shared.left.fetch_add(1, Ordering::Relaxed)),
                    verdict @ (Verdict::Unknown | Verdict::Refused) => {
                        panic!("a trial of job {} is {verdict}", job.id)
                    }
                }
            }
            if heard.elapsed() > HEARTBEAT {
                heard = Instant::now();
                let request = HeartbeatRequest {
                    worker: worker.clone(),
                    instance: instance.clone(),
                    leases: lease.into_iter().collect(),
                    ..HeartbeatRequest::default()
                };
                client.heartbeat(request).await.expect("is answered");
            }
        }
    }
    waits_ms
}

/// Scores as long as real ones.
fn outcome(trial: &str) -> Outcome {
    let drawn = u32::from_str_radix(&trial[..8], 16).unwrap_or_default();
    let error = 0.1 + f64::from(drawn) / f64::from(u32::MAX);
    let scores = Scores {
        nrp_error: error / 3.0,
        mean_predictor_error: 0.413_792_817_3,
        r2_mean: Some(1.0 - error / 2.0),
        r2_median: Some(1.0 - error / 1.9),
        r2_pooled: Some(1.0 - error / 1.8),
        pearson_median: Some(1.0 - error / 3.1),
        validation_mse: error,
        sites: 88,
        sites_scored: 88,
        epochs: 37,
        best_epoch: 27,
        train_seconds: 12.345_678,
        parameters: 123_456,
        noise_floor: Some(0.071_234_5),
        ceiling_median: Some(0.9),
        pearson2_over_ceiling: Some(0.5),
        cache_dtype: "f32".to_owned(),
        reached_sparsity: None,
        details: Some(Details {
            site_error: vec![0.712_34; 88],
            site_pearson: vec![0.512_34; 88],
            training_mse: vec![0.612_34; 37],
            validation_mse: vec![0.812_34; 37],
            worker_version: "0.1.0".to_owned(),
            device: "flex".to_owned(),
            sites_left_out: Vec::new(),
        }),
        split_half_consistency: Some(0.9),
        split_half_error: Some(0.01),
        pearson_median_varying: None,
        recorded_at_ms: 0,
        sites_left_out: 0,
        alpha: None,
        similarity: None,
        similarity_split: None,
        similarity_upper: None,
        similarity_lower: None,
        between_subjects: Vec::new(),
        other_subjects: Vec::new(),
    };
    Outcome {
        result: Some(outcome::Result::Scores(scores)),
    }
}
