//! Metrics: what an operator watches, in the text that Prometheus reads.
//!
//! Counters count what became durable since the coordinator started; gauges are taken when the metrics are
//! read. `docs/metrics.md` lists all of them.

use crate::counts::{Counts, Labels};
use crate::driver::{Census, Command};
use nrp_proto::plain;
use nrp_proto::state::TrialState;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::atomic::AtomicU64;
use tokio::sync::{mpsc, oneshot};

/// Most sweeps that are shown: the latest.
const SWEEPS_MAX: usize = 100;

type Seconds = Counter<f64, AtomicU64>;

/// Reads the metrics of a coordinator.
#[derive(Debug, Clone)]
pub struct MetricsReader {
    commands: mpsc::Sender<Command>,
    counts: Counts,
}

impl MetricsReader {
    pub(crate) fn new(commands: mpsc::Sender<Command>, counts: Counts) -> Self {
        Self { commands, counts }
    }

    /// The current metrics as OpenMetrics text; none once the coordinator has stopped.
    pub async fn read(&self) -> Option<String> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(Command::Census { reply }).await.ok()?;
        let mut text = String::new();
        let mut registry = Registry::default();
        self.counts.register(&mut registry);
        present(&answer.await.ok()?, &mut registry);
        encode_registry(&mut text, &registry)
            .and_then(|()| encode_eof(&mut text))
            .expect("a string takes any text");
        Some(text)
    }
}

/// Enters what there is at this moment.
fn present(census: &Census, registry: &mut Registry) {
    let trials = Family::<Labels<3>, Gauge>::default();
    let behind = census.sweeps.len().saturating_sub(SWEEPS_MAX);
    for sweep in &census.sweeps[behind..] {
        for state in TrialState::ALL {
            let labels = [
                ("sweep", plain::line(&sweep.name).into_owned()),
                ("id", sweep.id.clone()),
                ("state", state.to_string()),
            ];
            let count = i64::try_from(sweep.count(state)).unwrap_or(i64::MAX);
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
    register_workers(registry, census);
}

/// Enters what workers last said of themselves.
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
