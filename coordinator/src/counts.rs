//! Counts: what a coordinator has counted since it started. Whatever counts something is passed these;
//! `metrics` shows them.

use crate::scheduler::LeaseEnd;
use nrp_proto::state::TrialState;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// Labels of a metric: names and values.
pub(crate) type Labels<const N: usize> = [(&'static str, String); N];

/// What is counted. Clones count together.
#[derive(Debug, Clone)]
pub(crate) struct Counts {
    pub(crate) finished: Counter,
    pub(crate) failed: Counter,
    pub(crate) stopped: Counter,
    pub(crate) retracted: Counter,
    pub(crate) refused: Counter,
    pub(crate) attempts_failed: Counter,
    pub(crate) leases_granted: Counter,
    pub(crate) sync_seconds: Histogram,
    pub(crate) batch_facts: Histogram,
    outcomes: Family<Labels<1>, Counter>,
    reassignments: Family<Labels<1>, Counter>,
}

impl Counts {
    /// All of them zero.
    pub(crate) fn new() -> Self {
        let outcomes = Family::<Labels<1>, Counter>::default();
        let outcome =
            |state: TrialState| outcomes.get_or_create_owned(&[("outcome", state.to_string())]);
        Self {
            finished: outcome(TrialState::Finished),
            failed: outcome(TrialState::Failed),
            stopped: outcome(TrialState::Stopped),
            retracted: Counter::default(),
            refused: Counter::default(),
            attempts_failed: Counter::default(),
            leases_granted: Counter::default(),
            // From 16 µs to 8 s.
            sync_seconds: Histogram::new(exponential_buckets(16e-6, 2.0, 20)),
            batch_facts: Histogram::new(exponential_buckets(1.0, 4.0, 9)),
            outcomes,
            reassignments: Family::default(),
        }
    }

    /// Counts a lease that ended before all its trials were reported.
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

    /// Enters all of them into a registry, with what they are called.
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "nrp_outcomes",
            "Outcomes made durable, by what the trial ended with",
            self.outcomes.clone(),
        );
        registry.register(
            "nrp_outcomes_retracted",
            "Outcomes that were taken back",
            self.retracted.clone(),
        );
        registry.register(
            "nrp_reports_refused",
            "Outcomes and losses that workers reported and that do not count",
            self.refused.clone(),
        );
        registry.register(
            "nrp_attempts_failed",
            "Attempts that failed and are made again",
            self.attempts_failed.clone(),
        );
        registry.register(
            "nrp_leases_granted",
            "Jobs handed out",
            self.leases_granted.clone(),
        );
        registry.register(
            "nrp_reassignments",
            "Leases that ended before all their trials were reported, by reason",
            self.reassignments.clone(),
        );
        registry.register(
            "nrp_journal_sync_seconds",
            "What a sync of the journal takes",
            self.sync_seconds.clone(),
        );
        registry.register(
            "nrp_journal_batch_facts",
            "Facts that share a sync of the journal",
            self.batch_facts.clone(),
        );
    }
}
