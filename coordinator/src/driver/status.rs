//! Sweeps and workers, as clients see them.

use super::command::{Census, WorkerCensus};
use super::{Absent, Driver};
use crate::scheduler::{HinderedTrials, Holder, SweepId};
use nrp_proto::near_miss;
use nrp_proto::wire::{Activity, Hindered, SweepStatus, WatchReply, WorkerStatus, WorkerTotals};

/// Most workers in the answer to a watch: that many fit a message, whatever they do.
const WATCHED_WORKERS_MAX: usize = 1_000;

/// What is shown of a worker.
pub(super) struct Presence {
    instance: String,
    device: String,
    activity: Option<Activity>,
    totals: WorkerTotals,
    seen_ms: u64,
    /// It was told to leave, or will be with its next heartbeat.
    leaving: bool,
}

impl Driver {
    /// A sweep that is in the catalogue.
    pub(super) fn status(&self, id: SweepId) -> SweepStatus {
        let (state, counts) = self
            .core
            .sweep(id)
            .expect("the catalogue follows the scheduler");
        let spec = self.spec(id);
        let mut anns: Vec<String> = Vec::new();
        for name in spec
            .anns
            .iter()
            .filter_map(|entry| Some(&entry.ann.as_ref()?.name))
        {
            if !anns.contains(name) {
                anns.push(name.clone());
            }
        }
        SweepStatus {
            id: id.to_string(),
            name: spec.name.clone(),
            state: state.shown().to_wire(),
            trials: counts.trials(),
            waiting: counts.waiting,
            leased: counts.leased,
            parked: counts.parked,
            hindered: self.core.hindered(id).into_iter().map(hindered).collect(),
            finished: counts.finished,
            failed: counts.failed,
            stopped: counts.stopped,
            cancelled: counts.cancelled,
            simulated: spec.simulated,
            anns,
            regions: spec.regions.clone(),
            priority: self.core.priority(id).unwrap_or_default(),
        }
    }

    /// All sweeps, the latest last.
    pub(super) fn statuses(&self) -> Vec<SweepStatus> {
        let sweeps = self.catalogue.all();
        sweeps.map(|(id, _)| self.status(id)).collect()
    }

    /// A sweep of the catalogue, with the coordinator's workers.
    pub(super) fn watched(&self, id: SweepId) -> WatchReply {
        let mut workers = self.workers();
        workers.truncate(WATCHED_WORKERS_MAX);
        WatchReply {
            sweep: Some(self.status(id)),
            workers,
        }
    }

    /// Counts what there is now.
    pub(super) fn census(&self) -> Census {
        let workers = self.here().map(|(name, presence)| WorkerCensus {
            name: name.clone(),
            device: presence.device.clone(),
            totals: presence.totals,
        });
        Census {
            sweeps: self.statuses(),
            workers: workers.collect(),
            leases: self.core.leases(),
        }
    }

    /// Workers that were heard of lately.
    fn here(&self) -> impl Iterator<Item = (&String, &Presence)> {
        let now_ms = self.clock.now_ms();
        let here = move |presence: &Presence| presence.seen_ms + self.presence_ms > now_ms;
        self.presence
            .iter()
            .filter(move |(_, presence)| here(presence))
    }

    pub(super) fn workers(&self) -> Vec<WorkerStatus> {
        let status = self.here().map(|(name, presence)| WorkerStatus {
            worker: name.clone(),
            device: presence.device.clone(),
            activity: presence.activity.clone(),
            leaving: presence.leaving,
        });
        status.collect()
    }

    /// Tells workers to leave, if all of them are there.
    pub(super) fn drain(&mut self, workers: &[String]) -> Result<Vec<WorkerStatus>, Absent> {
        let mut there = self.workers();
        let absent = workers
            .iter()
            .find(|name| there.iter().all(|status| status.worker != **name));
        if let Some(worker) = absent {
            let names = there.iter().map(|status| status.worker.as_str());
            return Err(Absent {
                worker: worker.clone(),
                near_miss: near_miss(worker, names).map(str::to_owned),
            });
        }
        there.retain_mut(|status| {
            status.leaving |= workers.contains(&status.worker);
            workers.contains(&status.worker)
        });
        for name in workers {
            let presence = self.presence.get_mut(name).expect("is there");
            presence.leaving = true;
        }
        self.batch.changed = true;
        Ok(there)
    }

    /// Whether a worker was told to leave.
    pub(super) fn is_leaving(&self, worker: &str) -> bool {
        let presence = self.presence.get(worker);
        presence.is_some_and(|presence| presence.leaving)
    }

    /// Notes a worker that registered, and forgets those that were silent for long.
    pub(super) fn note_registered(&mut self, holder: &Holder, device: String) {
        let seen_ms = self.clock.now_ms();
        let presence_ms = self.presence_ms;
        self.presence
            .retain(|_, presence| presence.seen_ms + presence_ms > seen_ms);
        // Only the process that was told leaves, not its successor.
        let before = self.presence.get(&holder.worker);
        let leaving =
            before.is_some_and(|before| before.leaving && before.instance == holder.instance);
        let presence = Presence {
            instance: holder.instance.clone(),
            device,
            activity: None,
            totals: WorkerTotals::default(),
            seen_ms,
            leaving,
        };
        self.presence.insert(holder.worker.clone(), presence);
        self.batch.changed = true;
    }

    /// Forgets a worker that left, unless another process has registered under its name.
    pub(super) fn note_left(&mut self, holder: &Holder) {
        let presence = self.presence.get(&holder.worker);
        if presence.is_some_and(|presence| presence.instance == holder.instance) {
            self.presence.remove(&holder.worker);
            self.forget_waiter(&holder.worker);
            self.batch.changed = true;
        }
    }

    /// Notes what a worker does. Answers whether it has registered.
    pub(super) fn note_heartbeat(
        &mut self,
        worker: &str,
        activity: Option<Activity>,
        totals: WorkerTotals,
    ) -> bool {
        let seen_ms = self.clock.now_ms();
        let Some(presence) = self.presence.get_mut(worker) else {
            return false;
        };
        presence.seen_ms = seen_ms;
        presence.totals = totals;
        if presence.activity != activity {
            presence.activity = activity;
            self.batch.changed = true;
        }
        true
    }
}

fn hindered(hindered: HinderedTrials) -> Hindered {
    let HinderedTrials {
        workers,
        reason,
        hint,
        trials,
        parked,
    } = hindered;
    Hindered {
        workers,
        reason,
        hint,
        trials,
        parked,
    }
}
