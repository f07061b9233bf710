//! The end: when a world has ended, and what must be true then.

use super::World;
use crate::scheduler::{Ending, Scheduler, SweepCounts, SweepState};
use crate::simulation::Sweep;
use crate::simulation::host::Host;
use crate::store::{Asked, Index, recorded};
use std::collections::BTreeSet;

impl World {
    /// Checks that the best trials that clients see are what the journal keeps.
    pub(super) fn check_best(&self) {
        let Some(host) = &self.host else { return };
        for row in host.index().rows(None).expect("reads") {
            let shown = host.index().best(row.id, &Asked::default(), 1);
            let keys = self.sweeps.iter().flat_map(|sweep| &sweep.keys);
            let of_row: BTreeSet<_> = keys.filter(|key| key.row == row.id).collect();
            let mut best = None;
            for key in of_row {
                if let Some(Ending::Finished(scores)) = self.ledger.outcomes().get(&key.id)
                    && best.is_none_or(|best| (scores.validation_mse, key.id) < best)
                {
                    best = Some((scores.validation_mse, key.id));
                }
            }
            let shown = shown.expect("reads").into_iter().next();
            assert_eq!(
                shown.map(|record| record.id),
                best.map(|(_, id)| id.to_string()),
                "the best differs"
            );
        }
    }

    /// Whether every trial that a sweep needs has ended, and all processes know.
    pub(super) fn is_done(&self) -> bool {
        let Some(host) = &self.host else { return false };
        self.now_ms > self.ends_after_ms
            && host.is_settled()
            && self.workers.iter().all(|worker| worker.spooled() == 0)
            && self.sweeps.iter().all(|sweep| {
                let state = host.core().sweep(sweep.id).map(|(state, _)| state);
                state != Some(SweepState::Running)
            })
    }

    pub(in crate::simulation) fn check_end(&mut self) {
        let Some(host) = self.host.take() else { return };
        let core = host.core();
        self.ledger.read(&self.disk, &self.sweeps);
        self.ledger.check();
        self.ledger.check_core(core);
        for sweep in &self.sweeps {
            let counts = match core.sweep(sweep.id) {
                Some((SweepState::Finished, counts)) => counts,
                Some((SweepState::Paused | SweepState::Cancelled, _)) | None => continue,
                Some((SweepState::Parked, counts)) => {
                    self.check_parked(core, sweep, counts);
                    continue;
                }
                Some((SweepState::Running, _)) => panic!("a sweep still runs"),
            };
            let outcomes = self.ledger.outcomes();
            let ended: Vec<_> = sweep
                .keys
                .iter()
                .filter_map(|key| outcomes.get(&key.id))
                .collect();
            assert_eq!(ended.len() as u64, counts.trials(), "outcomes are missing");
            let stopped = |ending: &&&Ending| matches!(ending, Ending::Stopped { .. });
            let stopped = ended.iter().filter(stopped).count() as u64;
            assert_eq!(stopped, counts.stopped);
            let stops = sweep.spec.early_stopping.is_some();
            assert!(stopped == 0 || stops, "a trial was wanted to its end");
        }
        self.check_index(host.index());
        // Checks again after a power failure.
        drop(host);
        self.disk.lose_power();
        let (host, _) = Host::start(&self.disk, &self.hands, self.flaws.host)
            .unwrap_or_else(|error| panic!("it does not start: {error}"));
        self.ledger.read(&self.disk, &self.sweeps);
        self.ledger.check();
        self.ledger.check_core(host.core());
        self.check_index(host.index());
    }

    /// Checks that a parked sweep is one that workers could not run, that it gives the reason, and
    /// that each of its trials without an outcome still exists.
    fn check_parked(&self, core: &Scheduler, sweep: &Sweep, counts: SweepCounts) {
        let mut poisons = self.poisons.iter();
        let poison = poisons.find(|poison| poison.data_dir == sweep.spec.data_dir);
        let poison = poison.expect("a sweep is parked that every worker can run");
        let told = core.hindered(sweep.id);
        assert_eq!(
            told.iter().map(|told| told.parked).sum::<u64>(),
            counts.parked
        );
        for told in told {
            assert_eq!(told.reason, poison.reason);
            assert_eq!(told.hint, format!("mend {}", poison.data_dir));
            assert!(!told.workers.is_empty());
        }
        // A trial that another sweep stopped early is open for a sweep that stops none.
        let stops = sweep.spec.early_stopping.is_some();
        let open = sweep
            .keys
            .iter()
            .filter(|key| match self.ledger.outcomes().get(&key.id) {
                None => true,
                Some(Ending::Stopped { .. }) => !stops,
                Some(Ending::Finished(..) | Ending::Failed { .. }) => false,
            });
        assert_eq!(open.count() as u64, counts.parked, "trials are lost");
    }

    /// The status of a sweep.
    pub(in crate::simulation) fn stands(&self, number: usize) -> (SweepState, SweepCounts) {
        let host = self.host.as_ref().expect("it is up");
        let stands = host.core().sweep(self.sweeps[number].id);
        stands.expect("was submitted")
    }

    /// Like [`World::check_parked`], for a world that continues.
    pub(in crate::simulation) fn check_stays_parked(&mut self, number: usize) {
        self.ledger.read(&self.disk, &self.sweeps);
        let host = self.host.as_ref().expect("it is up");
        let (state, counts) = self.stands(number);
        assert_eq!(state, SweepState::Parked, "sweep {number}");
        self.check_parked(host.core(), &self.sweeps[number], counts);
    }

    /// Checks that the outcomes that clients see are what the journal keeps.
    fn check_index(&self, index: &Index) {
        for key in self.sweeps.iter().flat_map(|sweep| &sweep.keys) {
            let Some(record) = index.trial(key.id).expect("reads") else {
                continue;
            };
            let kept = match self.ledger.outcomes().get(&key.id) {
                None => recorded::OPEN,
                Some(Ending::Finished(_)) => recorded::FINISHED,
                Some(Ending::Failed { .. }) => recorded::FAILED,
                Some(Ending::Stopped { .. }) => recorded::STOPPED,
            };
            assert_eq!(record.state, kept, "{} in the index", key.id);
        }
    }
}
