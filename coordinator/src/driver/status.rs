//! What sweeps and workers look like from outside.

use super::Driver;
use crate::scheduler::{SweepId, SweepState};
use nrp_proto::wire::{Activity, SweepStatus, WorkerStatus};

/// A worker as it is shown.
pub(super) struct Presence {
    device: String,
    activity: Option<Activity>,
    seen_ms: u64,
}

impl Driver {
    /// A sweep that is in the catalogue.
    pub(super) fn status(&self, id: SweepId) -> SweepStatus {
        let (state, counts) = self
            .core
            .sweep(id)
            .expect("the catalogue follows the scheduler");
        let spec = self
            .catalogue
            .get(id)
            .expect("only sweeps of the catalogue are asked for");
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
            state: state_name(state).to_owned(),
            trials: counts.trials(),
            waiting: counts.waiting,
            leased: counts.leased,
            finished: counts.finished,
            failed: counts.failed,
            cancelled: counts.cancelled,
            simulated: spec.simulated,
            workers: self.workers(),
            anns,
            regions: spec.regions.clone(),
        }
    }

    fn workers(&self) -> Vec<WorkerStatus> {
        let now_ms = self.clock.now_ms();
        let here = |presence: &&Presence| presence.seen_ms + self.presence_ms > now_ms;
        let workers = self.presence.iter();
        let workers = workers.filter(|(_, presence)| here(presence));
        let status = workers.map(|(name, presence)| WorkerStatus {
            worker: name.clone(),
            device: presence.device.clone(),
            activity: presence.activity.clone(),
        });
        status.collect()
    }

    /// Shows a worker that announced itself, and forgets those that have long gone.
    pub(super) fn appear(&mut self, worker: &str, device: String) {
        let seen_ms = self.clock.now_ms();
        let presence_ms = self.presence_ms;
        self.presence
            .retain(|_, presence| presence.seen_ms + presence_ms > seen_ms);
        let presence = Presence {
            device,
            activity: None,
            seen_ms,
        };
        self.presence.insert(worker.to_owned(), presence);
        self.batch.changed = true;
    }

    /// Shows what a worker does; answers whether it has announced itself.
    pub(super) fn show(&mut self, worker: &str, activity: Option<Activity>) -> bool {
        let seen_ms = self.clock.now_ms();
        let Some(presence) = self.presence.get_mut(worker) else {
            return false;
        };
        presence.seen_ms = seen_ms;
        if presence.activity != activity {
            presence.activity = activity;
            self.batch.changed = true;
        }
        true
    }
}

fn state_name(state: SweepState) -> &'static str {
    match state {
        SweepState::Running => "running",
        SweepState::Finished => "finished",
        SweepState::Cancelled => "cancelled",
    }
}
