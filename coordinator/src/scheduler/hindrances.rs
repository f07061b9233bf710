//! Hindrances: which workers cannot run which trials of a sweep, and why. A worker that lacks files,
//! memory or a feature for a job hands it back and says so. The trials are not to blame.
//!
//! Hindrances are kept by sweep and job group, since another sweep that shares the trials may have other
//! paths. A group is not offered again to a hindered worker until something has changed: a delay is over,
//! the sweep is resumed or submitted again, or the worker has restarted. Once every live worker is
//! hindered, the group is parked, also over restarts, until a resume, a submission, or another worker. If
//! the whole machine may be at fault, as with a full disk, the worker also pauses before it gets
//! anything else.

mod told;

use super::ids::{GroupId, SweepId, SweepNo, TrialNo};
use super::settings::{HELD_LOOKED, LANES_MAX, REASONS_MAX, SETTLE_MS};
use super::settings::{hindered_ms, unfit_ms};
use super::sweeps::Sweep;
use super::trials::TrialState;
use super::workers::Worker;
use super::{Fact, Holder, LeaseRef, Scheduler};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What keeps a worker from running a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hindrance {
    /// What is wrong.
    pub reason: String,
    /// What to do about it.
    pub hint: String,
    /// Whether the machine may be the cause, and hinder other jobs too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub machine: bool,
    /// Whether it concerns only the trials left of the job: others of the group may be run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub of_trials: bool,
}

/// Workers that gave the same reason why a group is hindered, as the journal keeps them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HinderedWorkers {
    /// Their processes.
    pub workers: Vec<Holder>,
    /// What is wrong.
    pub reason: String,
    /// What to do about it.
    pub hint: String,
}

/// Why trials of a sweep are hindered, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HinderedTrials {
    /// Workers that said so; eight at most.
    pub workers: Vec<String>,
    /// What is wrong.
    pub reason: String,
    /// What to do about it.
    pub hint: String,
    /// Trials of these groups that wait or are parked.
    pub trials: u64,
    /// Those that are parked.
    pub parked: u64,
}

/// A group of a sweep that some worker could not run.
#[derive(Debug, Default)]
pub(super) struct Hindered {
    /// Workers by their names.
    by: BTreeMap<Arc<str>, Said>,
    /// Its trials that wait, or wait for their next attempt, once no worker is left to ask.
    pub(super) parked: Option<BTreeSet<TrialNo>>,
}

/// What a worker said.
#[derive(Debug)]
struct Said {
    instance: String,
    why: Arc<Why>,
    /// How many times in a row it said so.
    times: u32,
    /// When the group may be offered to it again.
    retry_ms: u64,
    /// Whether the group has not been offered to it again since.
    stands: bool,
    /// The trials that it spoke of; all of the group where absent.
    of: Option<BTreeSet<TrialNo>>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Why {
    reason: String,
    hint: String,
}

/// A worker that pauses, since its machine may be at fault.
#[derive(Debug)]
pub(super) struct Unfit {
    until_ms: u64,
    times: u32,
    why: Arc<Why>,
}

/// What a sweep knows of its hindrances.
#[derive(Debug, Default)]
pub(super) struct Hindrances {
    pub(super) groups: BTreeMap<GroupId, Hindered>,
    /// Grows whenever all of them are forgotten. Hindrances of jobs from before no longer count then.
    pub(super) round: u64,
    /// The last reason given. Most groups are hindered by the same one, so they share it.
    last: Option<Arc<Why>>,
}

impl Hindrances {
    pub(super) fn is_parked(&self, group: GroupId) -> bool {
        let hindered = self.groups.get(&group);
        hindered.is_some_and(|hindered| hindered.parked.is_some())
    }

    /// Keeps a group's parked trials up to date when a trial changes its state.
    pub(super) fn move_parked(
        &mut self,
        group: GroupId,
        trial: TrialNo,
        old: TrialState,
        new: TrialState,
    ) {
        let hindered = self.groups.get_mut(&group);
        if let Some(parked) = hindered.and_then(|hindered| hindered.parked.as_mut()) {
            if old == TrialState::Parked {
                parked.remove(&trial);
            }
            if new == TrialState::Parked {
                parked.insert(trial);
            }
        }
    }

    fn why(&mut self, reason: &str, hint: &str) -> Arc<Why> {
        let same = |why: &&Arc<Why>| why.reason == reason && why.hint == hint;
        let why = self.last.as_ref().filter(same).cloned();
        let why = why.unwrap_or_else(|| {
            Arc::new(Why {
                reason: reason.to_owned(),
                hint: hint.to_owned(),
            })
        });
        self.last = Some(why.clone());
        why
    }
}

impl Hindered {
    /// What a process said, unless the group was offered to it again since.
    fn said(&self, name: &str, instance: &str) -> Option<&Said> {
        let said = self.by.get(name);
        said.filter(|said| said.stands && said.instance == instance)
    }

    /// The workers that said so, by their reasons. The last reason takes in those beyond the limit.
    fn told(&self) -> Vec<HinderedWorkers> {
        let mut told: Vec<HinderedWorkers> = Vec::new();
        for (name, said) in self.by.iter().filter(|(_, said)| said.stands) {
            let holder = Holder {
                worker: name.to_string(),
                instance: said.instance.clone(),
            };
            let known = told.iter().position(|other| {
                (&other.reason, &other.hint) == (&said.why.reason, &said.why.hint)
            });
            let full = told.len() >= REASONS_MAX;
            match known.or_else(|| full.then(|| told.len() - 1)) {
                Some(known) => told[known].workers.push(holder),
                None => told.push(HinderedWorkers {
                    workers: vec![holder],
                    reason: said.why.reason.clone(),
                    hint: said.why.hint.clone(),
                }),
            }
        }
        told
    }
}

impl Sweep {
    /// Whether a worker may get trials of a group: it is not hindered in all of them, or may be asked
    /// again.
    pub(super) fn offers(&self, now_ms: u64, group: GroupId, holder: &Holder) -> bool {
        self.offers_to(now_ms, group, &holder.worker, &holder.instance)
    }

    fn offers_to(&self, now_ms: u64, group: GroupId, name: &str, instance: &str) -> bool {
        let said = self.said(group, name, instance);
        said.is_none_or(|said| said.retry_ms <= now_ms || !self.is_of_all(group, said))
    }

    /// As [`Sweep::offers`], for a trial.
    pub(super) fn offers_trial(
        &self,
        now_ms: u64,
        group: GroupId,
        trial: TrialNo,
        holder: &Holder,
    ) -> bool {
        let said = self.said(group, &holder.worker, &holder.instance);
        let said = said.filter(|said| said.retry_ms > now_ms);
        let is_other = |said: &Said| said.of.as_ref().is_some_and(|of| !of.contains(&trial));
        said.is_none_or(is_other)
    }

    fn said(&self, group: GroupId, name: &str, instance: &str) -> Option<&Said> {
        let hindered = self.hindrances.groups.get(&group)?;
        hindered.said(name, instance)
    }

    /// Whether a worker's hindrance concerns every waiting trial of a group.
    fn is_of_all(&self, group: GroupId, said: &Said) -> bool {
        let Some(of) = &said.of else { return true };
        self.queue.group(group).all(|trial| of.contains(&trial))
    }

    fn has_said(&self, group: GroupId, name: &str, instance: &str) -> bool {
        let said = self.said(group, name, instance);
        said.is_some_and(|said| self.is_of_all(group, said))
    }

    /// Whether no worker is known to be hindered in a group.
    pub(super) fn is_for_all(&self, group: GroupId) -> bool {
        !self.hindrances.groups.contains_key(&group)
    }

    fn waiting_of(&self, group: GroupId, hindered: &Hindered) -> u64 {
        match &hindered.parked {
            Some(parked) => parked.len() as u64,
            None => self.queue.waiting(group) as u64,
        }
    }
}

impl Scheduler {
    /// A worker hands a job back that it cannot run.
    pub(super) fn on_hindered(
        &mut self,
        now_ms: u64,
        lease: LeaseRef,
        hindrance: Hindrance,
        facts: &mut Vec<Fact>,
    ) {
        let held = &self.leases[&lease.job];
        let (holder, source) = (held.holder.clone(), held.source);
        let first = held.open.first().expect("a lease is never empty");
        let group = self.at(*first).group;
        let (machine, reason) = (hindrance.machine, &hindrance.reason);
        let why = machine.then(|| {
            Arc::new(Why {
                reason: reason.clone(),
                hint: hindrance.hint.clone(),
            })
        });
        self.lose_hindered(now_ms, lease, hindrance, facts);
        if let Some(why) = why
            && let Some(worker) = self.workers.get_mut(&holder.worker)
        {
            let times = worker.unfit.as_ref().map_or(0, |unfit| unfit.times) + 1;
            let until_ms = now_ms + unfit_ms(times);
            worker.unfit = Some(Unfit {
                until_ms,
                times,
                why,
            });
        }
        if let Some(sweep) = source {
            self.park_if_all_said_so(now_ms, sweep, group, facts);
        }
    }

    /// Takes in that a lease ended because its worker is hindered.
    pub(super) fn hinder(
        &mut self,
        now_ms: u64,
        (sweep_no, round): (SweepNo, u64),
        (group, open): (GroupId, &BTreeSet<TrialNo>),
        holder: &Holder,
        hindrance: &Hindrance,
    ) {
        let sweep = &mut self.sweeps[sweep_no.0 as usize];
        if !sweep.wanted || sweep.hindrances.round != round {
            return;
        }
        let why = sweep.hindrances.why(&hindrance.reason, &hindrance.hint);
        let hindered = sweep.hindrances.groups.entry(group).or_default();
        let before = hindered.by.remove(&*holder.worker);
        let before = before.filter(|said| said.instance == holder.instance);
        let mut of = hindrance.of_trials.then(|| open.clone());
        let mut times = 1;
        if let Some(before) = before {
            times = before.times + u32::from(!before.stands);
            if before.stands
                && let (Some(of), Some(more)) = (&mut of, before.of)
            {
                of.extend(more);
            }
        }
        let said = Said {
            instance: holder.instance.clone(),
            why,
            times,
            retry_ms: now_ms + hindered_ms(times),
            stands: true,
            of: of.filter(|of| of.len() <= LANES_MAX),
        };
        hindered.by.insert(Arc::from(&*holder.worker), said);
        if hindered.parked.is_none() {
            self.hindered.insert((sweep_no, group));
        }
    }

    /// Whether some worker that has a group's activations may get trials of it. If none may, the group is
    /// not left to them.
    pub(super) fn is_for_holders(&self, now_ms: u64, sweep: &Sweep, group: GroupId) -> bool {
        let holders = self.holders(group).holders.iter();
        let mut holders = holders
            .take(HELD_LOOKED)
            .map(|name| (name, &self.workers[&**name]));
        holders.any(|(name, worker)| {
            !worker.is_unfit(now_ms) && sweep.offers_to(now_ms, group, name, &worker.instance)
        })
    }

    /// A worker gets trials of a group, in which it may have been hindered before.
    pub(super) fn ask_again(
        &mut self,
        sweep: SweepNo,
        group: GroupId,
        trials: &BTreeSet<TrialNo>,
        worker: &str,
    ) {
        let groups = &mut self.sweeps[sweep.0 as usize].hindrances.groups;
        let hindered = groups.get_mut(&group);
        if let Some(said) = hindered.and_then(|hindered| hindered.by.get_mut(worker)) {
            let of = said.of.as_ref();
            said.stands &= of.is_some_and(|of| of.is_disjoint(trials));
        }
    }

    /// A worker finished a trial: it no longer pauses, and is no longer hindered in the group.
    pub(super) fn prove_fit(&mut self, worker: &str, lease: LeaseRef, group: GroupId) {
        let live = self
            .leases
            .get(&lease.job)
            .filter(|live| live.lease == lease);
        let Some(live) = live.filter(|live| live.holder.worker == worker) else {
            return;
        };
        if let Some(sweep) = live.source {
            let groups = &mut self.sweeps[sweep.0 as usize].hindrances.groups;
            let hindered = groups.get_mut(&group);
            // Only facts change what is parked.
            if let Some(hindered) = hindered.filter(|hindered| hindered.parked.is_none()) {
                let is_of_all = |said: &Said| said.of.is_none();
                if hindered.by.get(worker).is_some_and(is_of_all) {
                    hindered.by.remove(worker);
                }
                if hindered.by.is_empty() {
                    groups.remove(&group);
                    self.hindered.remove(&(sweep, group));
                }
            }
        }
        if let Some(worker) = self.workers.get_mut(worker) {
            worker.unfit = None;
        }
    }

    /// Parks a group once every live worker has said that it is hindered in it.
    fn park_if_all_said_so(
        &mut self,
        now_ms: u64,
        sweep_no: SweepNo,
        group: GroupId,
        facts: &mut Vec<Fact>,
    ) {
        // After a start, workers take some time to register again.
        if self.capacity.workers == 0 || now_ms < self.settles_ms {
            return;
        }
        let sweep = &self.sweeps[sweep_no.0 as usize];
        let hindered = sweep.hindrances.groups.get(&group);
        let Some(hindered) = hindered.filter(|hindered| hindered.parked.is_none()) else {
            return;
        };
        let mut live = self.workers.iter().filter(|(_, worker)| worker.is_live);
        let all = live.all(|(name, worker)| sweep.has_said(group, name, &worker.instance));
        if all && sweep.queue.waiting(group) > 0 {
            let fact = Fact::GroupParked {
                sweep: sweep.id,
                group,
                trials: sweep.queue.waiting(group) as u64,
                hindered: hindered.told(),
            };
            self.record(now_ms, fact, facts);
        }
    }

    /// Parks groups that have no worker left to ask, since one has gone.
    pub(super) fn park_hindered(&mut self, now_ms: u64, facts: &mut Vec<Fact>) {
        let groups: Vec<_> = self.hindered.iter().copied().collect();
        for (sweep, group) in groups {
            self.park_if_all_said_so(now_ms, sweep, group, facts);
        }
    }

    /// When a worker asks for a job, groups are tried again that were parked without its word.
    pub(super) fn try_parked_again(&mut self, now_ms: u64, holder: &Holder, facts: &mut Vec<Fact>) {
        let worker = self.workers.get_mut(&holder.worker).expect("was heard");
        if std::mem::replace(&mut worker.parkings_seen, self.parkings) == self.parkings {
            return;
        }
        let news = self.parked.iter().copied().filter(|(sweep, group)| {
            let sweep = &self.sweeps[sweep.0 as usize];
            // A resume tries all of it again.
            !sweep.paused && !sweep.has_said(*group, &holder.worker, &holder.instance)
        });
        let news: Vec<_> = news.collect();
        for (sweep, group) in news {
            let sweep = self.sweeps[sweep.0 as usize].id;
            self.record(now_ms, Fact::GroupUnparked { sweep, group }, facts);
        }
    }

    /// The transition of [`Fact::GroupParked`].
    pub(super) fn park(&mut self, id: SweepId, group: GroupId, told: &[HinderedWorkers]) {
        let Some(sweep_no) = self.sweep_numbers.get(&id).copied() else {
            return;
        };
        let known = self.groups.get(&group);
        if !known.is_some_and(|known| known.sweeps.contains(&sweep_no))
            || self.sweeps[sweep_no.0 as usize].hindrances.is_parked(group)
        {
            return;
        }
        self.hindered.remove(&(sweep_no, group));
        self.parked.insert((sweep_no, group));
        self.parkings += 1;
        let backing_off = self.backing_off.iter().map(|(_, number)| *number);
        let mut trials: BTreeSet<TrialNo> = backing_off
            .filter(|number| {
                let trial = self.at(*number);
                trial.group == group && trial.sweeps.contains(&sweep_no)
            })
            .collect();
        let sweep = &mut self.sweeps[sweep_no.0 as usize];
        let seen = |number: &TrialNo| {
            let trial = &self.trials[number.0 as usize];
            sweep.effective_state(trial.state, trial.stopped, group)
        };
        trials.retain(|number| matches!(seen(number), TrialState::BackingOff { .. }));
        trials.extend(sweep.queue.group(group));
        for number in &trials {
            let trial = &self.trials[number.0 as usize];
            sweep.queue.remove(group, trial.pass, *number);
        }
        sweep.counts.waiting -= trials.len() as u64;
        sweep.counts.parked += trials.len() as u64;
        let mut by = BTreeMap::new();
        let mut hindered = sweep.hindrances.groups.remove(&group).unwrap_or_default();
        for told in told {
            let why = sweep.hindrances.why(&told.reason, &told.hint);
            for holder in &told.workers {
                let known = hindered.by.remove(&*holder.worker);
                let times = known.map_or(1, |said| said.times);
                let said = Said {
                    instance: holder.instance.clone(),
                    why: why.clone(),
                    times,
                    retry_ms: u64::MAX,
                    stands: true,
                    of: None,
                };
                by.insert(Arc::from(&*holder.worker), said);
            }
        }
        let parked = Some(trials);
        let hindered = Hindered { by, parked };
        sweep.hindrances.groups.insert(group, hindered);
        self.change(sweep_no, |_| {});
    }

    /// The transition of [`Fact::GroupUnparked`]: the group's trials wait again, for workers that have not
    /// said that they are hindered.
    pub(super) fn unpark(&mut self, now_ms: u64, id: SweepId, group: GroupId) {
        let Some(sweep_no) = self.sweep_numbers.get(&id).copied() else {
            return;
        };
        if self.put_back(sweep_no, group) {
            let groups = &mut self.sweeps[sweep_no.0 as usize].hindrances.groups;
            for said in groups.entry(group).or_default().by.values_mut() {
                said.retry_ms = now_ms + hindered_ms(said.times);
            }
            self.hindered.insert((sweep_no, group));
        }
    }

    /// Facts that restore the parked groups.
    pub(super) fn parked_facts(&self) -> impl Iterator<Item = Fact> {
        self.parked.iter().map(|(sweep, group)| {
            let sweep = &self.sweeps[sweep.0 as usize];
            let hindered = &sweep.hindrances.groups[group];
            Fact::GroupParked {
                sweep: sweep.id,
                group: *group,
                trials: sweep.waiting_of(*group, hindered),
                hindered: hindered.told(),
            }
        })
    }

    /// Puts a group's parked trials back into the queue. Answers whether it was parked.
    fn put_back(&mut self, sweep_no: SweepNo, group: GroupId) -> bool {
        let is_held = self.groups.get(&group).is_some_and(|group| group.is_held);
        let sweep = &mut self.sweeps[sweep_no.0 as usize];
        let hindered = sweep.hindrances.groups.get_mut(&group);
        let Some(parked) = hindered.and_then(|hindered| hindered.parked.take()) else {
            return false;
        };
        self.parked.remove(&(sweep_no, group));
        sweep.counts.parked -= parked.len() as u64;
        sweep.counts.waiting += parked.len() as u64;
        for number in parked {
            let trial = &self.trials[number.0 as usize];
            if trial.state == TrialState::Waiting {
                sweep.queue.insert(group, trial.pass, number, is_held);
            }
        }
        self.change(sweep_no, |_| {});
        true
    }

    /// Forgets what hindered a sweep, so that all its trials are tried again.
    pub(super) fn forget_hindrances(&mut self, sweep_no: SweepNo) {
        let groups = &self.sweeps[sweep_no.0 as usize].hindrances.groups;
        for group in groups.keys().copied().collect::<Vec<_>>() {
            self.put_back(sweep_no, group);
            self.hindered.remove(&(sweep_no, group));
        }
        let hindrances = &mut self.sweeps[sweep_no.0 as usize].hindrances;
        hindrances.groups.clear();
        hindrances.last = None;
        hindrances.round += 1;
    }

    /// After a replay, only parked groups are known.
    pub(super) fn settle_hindrances(&mut self, now_ms: u64) {
        for (sweep, group) in std::mem::take(&mut self.hindered) {
            let groups = &mut self.sweeps[sweep.0 as usize].hindrances.groups;
            groups.remove(&group);
        }
        let heard = !self.workers.is_empty();
        self.settles_ms = if heard { now_ms + SETTLE_MS } else { now_ms };
    }
}

impl Worker {
    /// Whether it pauses because its machine may be at fault.
    pub(super) fn is_unfit(&self, now_ms: u64) -> bool {
        let unfit = self.unfit.as_ref();
        unfit.is_some_and(|unfit| unfit.until_ms > now_ms)
    }
}
