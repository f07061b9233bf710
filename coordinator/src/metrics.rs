//! Metrics: what an operator watches, in the text that Prometheus reads.
//!
//! Counts are of this process and of what is durable; what there is at a moment is asked for at the
//! moment it is read. `docs/metrics.md` lists all of them.

use crate::driver::{Census, Command};
use crate::scheduler::LeaseEnd;
use nrp_proto::plain;
use nrp_proto::wire::SweepStatus;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use std::sync::LazyLock;
use std::sync::atomic::AtomicU64;
use tokio::sync::{mpsc, oneshot};

/// Sweeps that are shown, at most: the latest.
const SWEEPS_MAX: usize = 100;

/// The process's counts: a process has one coordinator, but for tests.
pub(crate) static COUNTS: LazyLock<Counts> = LazyLock::new(Counts::new);

type Labels<const N: usize> = [(&'static str, String); N];
type Seconds = Counter<f64, AtomicU64>;

/// What is counted.
pub(crate) struct Counts {
    registry: Registry,
    pub(crate) finished: Counter,
    pub(crate) failed: Counter,
    pub(crate) stopped: Counter,
    pub(crate) retracted: Counter,
    pub(crate) refused: Counter,
    pub(crate) attempts_failed: Counter,
    pub(crate) leases_granted: Counter,
    reassignments: Family<Labels<1>, Counter>,
    pub(crate) sync_seconds: Histogram,
    pub(crate) batch_facts: Histogram,
}

impl Counts {
    fn new() -> Self {
        let mut registry = Registry::default();
        let outcomes = Family::<Labels<1>, Counter>::default();
        registry.register(
            "nrp_outcomes",
            "Outcomes made durable, by what the trial ended with",
            outcomes.clone(),
        );
        let outcome = |word: &str| outcomes.get_or_create_owned(&[("outcome", word.to_owned())]);
        let counts = Self {
            finished: outcome("finished"),
            failed: outcome("failed"),
            stopped: outcome("stopped"),
            retracted: Counter::default(),
            refused: Counter::default(),
            attempts_failed: Counter::default(),
            leases_granted: Counter::default(),
            reassignments: Family::default(),
            // From 16 µs to 8 s.
            sync_seconds: Histogram::new(exponential_buckets(16e-6, 2.0, 20)),
            batch_facts: Histogram::new(exponential_buckets(1.0, 4.0, 9)),
            registry: Registry::default(),
        };
        registry.register(
            "nrp_outcomes_retracted",
            "Outcomes that were taken back",
            counts.retracted.clone(),
        );
        registry.register(
            "nrp_reports_refused",
            "Outcomes and losses that workers reported and that do not count",
            counts.refused.clone(),
        );
        registry.register(
            "nrp_attempts_failed",
            "Attempts that failed and are made again",
            counts.attempts_failed.clone(),
        );
        registry.register(
            "nrp_leases_granted",
            "Jobs handed out",
            counts.leases_granted.clone(),
        );
        registry.register(
            "nrp_reassignments",
            "Leases that ended before all their trials were reported, by reason",
            counts.reassignments.clone(),
        );
        registry.register(
            "nrp_journal_sync_seconds",
            "What a sync of the journal takes",
            counts.sync_seconds.clone(),
        );
        registry.register(
            "nrp_journal_batch_facts",
            "Facts that share a sync of the journal",
            counts.batch_facts.clone(),
        );
        Self { registry, ..counts }
    }

    pub(crate) fn reassigned(&self, reason: LeaseEnd) {
        let reason = match reason {
            LeaseEnd::Lapsed => "lapsed",
            LeaseEnd::WorkerRestarted => "worker_restarted",
            LeaseEnd::CoordinatorRestarted => "coordinator_restarted",
            LeaseEnd::Released => "released",
            LeaseEnd::Hindered => "hindered",
        };
        let labels = [("reason", reason.to_owned())];
        self.reassignments.get_or_create(&labels).inc();
    }
}

/// Reads a coordinator's metrics.
#[derive(Debug, Clone)]
pub struct MetricsReader {
    commands: mpsc::Sender<Command>,
}

impl MetricsReader {
    pub(crate) fn new(commands: mpsc::Sender<Command>) -> Self {
        Self { commands }
    }

    /// The metrics as they are now, as OpenMetrics text; none once the coordinator has stopped.
    pub async fn read(&self) -> Option<String> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(Command::Census { reply }).await.ok()?;
        let mut text = String::new();
        let census = present(&answer.await.ok()?);
        encode_registry(&mut text, &COUNTS.registry)
            .and_then(|()| encode_registry(&mut text, &census))
            .and_then(|()| encode_eof(&mut text))
            .expect("a string takes any text");
        Some(text)
    }
}

/// What there is at this moment.
fn present(census: &Census) -> Registry {
    let mut registry = Registry::default();
    let trials = Family::<Labels<3>, Gauge>::default();
    let behind = census.sweeps.len().saturating_sub(SWEEPS_MAX);
    for sweep in &census.sweeps[behind..] {
        for (state, count) in states(sweep) {
            let labels = [
                ("sweep", plain::line(&sweep.name).into_owned()),
                ("id", sweep.id.clone()),
                ("state", state.to_owned()),
            ];
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            trials.get_or_create(&labels).set(count);
        }
    }
    registry.register(
        "nrp_trials",
        "Trials of the latest sweeps, by state; sweeps may share trials",
        trials,
    );
    let leases = Gauge::<i64>::default();
    leases.set(census.leases as i64);
    registry.register("nrp_leases", "Jobs in workers' hands", leases);
    let workers = Gauge::<i64>::default();
    workers.set(census.workers.len() as i64);
    registry.register("nrp_workers", "Workers heard of lately", workers);
    register_workers(&mut registry, census);
    registry
}

fn states(sweep: &SweepStatus) -> [(&'static str, u64); 7] {
    [
        ("waiting", sweep.waiting),
        ("leased", sweep.leased),
        ("parked", sweep.parked),
        ("finished", sweep.finished),
        ("failed", sweep.failed),
        ("stopped", sweep.stopped),
        ("cancelled", sweep.cancelled),
    ]
}

/// What workers said last of themselves.
fn register_workers(registry: &mut Registry, census: &Census) {
    let hits = Family::<Labels<2>, Counter>::default();
    let misses = Family::<Labels<2>, Counter>::default();
    let extraction = Family::<Labels<2>, Seconds>::default();
    let device = Family::<Labels<2>, Seconds>::default();
    for worker in &census.workers {
        let labels = [
            ("worker", plain::line(&worker.name).into_owned()),
            ("device", plain::line(&worker.device).into_owned()),
        ];
        let totals = &worker.totals;
        hits.get_or_create(&labels).inc_by(totals.cache_hits);
        misses.get_or_create(&labels).inc_by(totals.cache_misses);
        extraction
            .get_or_create(&labels)
            .inc_by(totals.extraction_seconds);
        device.get_or_create(&labels).inc_by(totals.device_seconds);
    }
    registry.register(
        "nrp_worker_cache_hits",
        "Layers that were in the activation cache",
        hits,
    );
    registry.register(
        "nrp_worker_cache_misses",
        "Layers that had to be extracted",
        misses,
    );
    registry.register(
        "nrp_worker_extraction_seconds",
        "Time spent extracting activations",
        extraction,
    );
    registry.register(
        "nrp_worker_device_seconds",
        "Time the device spent on jobs, extraction and training",
        device,
    );
}
