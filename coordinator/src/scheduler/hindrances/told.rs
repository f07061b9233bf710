//! What is shown of hindrances: which workers cannot run which trials, by reason. Changes nothing.

use super::super::ids::{GroupId, SweepId};
use super::super::settings::{HINDERED_LOOKED, HINDERED_WORKERS_SHOWN, REASONS_MAX};
use super::super::sweeps::Sweep;
use super::super::{Holder, Scheduler};
use super::{Hindered, HinderedTrials, Why};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

impl Scheduler {
    /// Whether some trials of a sweep are known to be hindered.
    pub fn is_hindered(&self, id: SweepId) -> bool {
        let sweep = self.sweep_at(id);
        sweep.is_some_and(|sweep| !sweep.hindrances.groups.is_empty())
    }

    /// What hinders a sweep's trials, by reason: first the reasons that park some. Looks at a bounded
    /// number of groups.
    pub fn hindered(&self, id: SweepId) -> Vec<HinderedTrials> {
        let Some(sweep) = self.sweep_at(id) else {
            return Vec::new();
        };
        let mut by_reason = BTreeMap::new();
        for (group, hindered) in sweep.hindrances.groups.iter().take(HINDERED_LOOKED) {
            let trials = sweep.waiting_of(*group, hindered);
            if trials > 0 {
                gather(&mut by_reason, hindered, trials);
            }
        }
        let mut all: Vec<_> = by_reason.into_values().collect();
        all.sort_by_key(|hindered: &HinderedTrials| std::cmp::Reverse(hindered.parked));
        all.truncate(REASONS_MAX);
        all
    }

    /// Why a parked group is parked.
    pub(in crate::scheduler) fn parked_in(
        &self,
        sweep: &Sweep,
        group: GroupId,
    ) -> Vec<HinderedTrials> {
        let mut by_reason = BTreeMap::new();
        if let Some(hindered) = sweep.hindrances.groups.get(&group) {
            gather(&mut by_reason, hindered, sweep.waiting_of(group, hindered));
        }
        by_reason.into_values().collect()
    }

    /// What hinders a group of a sweep, and workers that pause.
    pub(in crate::scheduler) fn hindered_in(
        &self,
        now_ms: u64,
        sweep: &Sweep,
        group: GroupId,
    ) -> Vec<HinderedTrials> {
        let mut by_reason = BTreeMap::new();
        if let Some(hindered) = sweep.hindrances.groups.get(&group) {
            gather(&mut by_reason, hindered, sweep.waiting_of(group, hindered));
        }
        for (name, worker) in self.workers.iter().filter(|(_, worker)| worker.is_live) {
            let holder = Holder {
                worker: name.clone(),
                instance: worker.instance.clone(),
            };
            if worker.is_unfit(now_ms)
                && sweep.offers(now_ms, group, &holder)
                && let Some(unfit) = &worker.unfit
            {
                add(&mut by_reason, &unfit.why, name, 0, false);
            }
        }
        by_reason.into_values().collect()
    }
}

type ByReason = BTreeMap<Arc<Why>, HinderedTrials>;

/// Adds a group's trials to the reasons for which it is hindered, to each once.
fn gather(by_reason: &mut ByReason, hindered: &Hindered, trials: u64) {
    let is_parked = hindered.parked.is_some();
    let mut reasons = BTreeSet::new();
    for (name, said) in hindered.by.iter().filter(|(_, said)| said.stands) {
        let counted = if reasons.insert(&said.why) { trials } else { 0 };
        add(by_reason, &said.why, name, counted, is_parked);
    }
}

fn add(by_reason: &mut ByReason, why: &Arc<Why>, worker: &str, trials: u64, is_parked: bool) {
    let known = by_reason.entry(why.clone());
    let known = known.or_insert_with(|| HinderedTrials {
        workers: Vec::new(),
        reason: why.reason.clone(),
        hint: why.hint.clone(),
        trials: 0,
        parked: 0,
    });
    known.trials += trials;
    known.parked += if is_parked { trials } else { 0 };
    let is_new = known.workers.iter().all(|known| known != worker);
    if is_new && known.workers.len() < HINDERED_WORKERS_SHOWN {
        known.workers.push(worker.to_owned());
    }
}
