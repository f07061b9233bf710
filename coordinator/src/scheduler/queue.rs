//! A sweep's queue: its trials that wait to be leased, by job group, and groups by the pass that
//! gives their activations. It holds no state of its own: what is in it follows from the trials'
//! states. A trial of two sweeps waits in both.

use super::ids::{GroupId, PassId, TrialNo};
use super::settings::HELD_LOOKED;
use std::collections::{BTreeMap, BTreeSet};

/// Waiting trials. Every operation takes time logarithmic in their number.
#[derive(Debug, Default)]
pub(super) struct Queue {
    trials: u64,
    groups: BTreeMap<GroupId, BTreeSet<TrialNo>>,
    /// Groups whose activations no live worker has, by their first waiting trial.
    free: BTreeMap<TrialNo, GroupId>,
    /// Groups whose activations some live worker has, by their first waiting trial.
    held: BTreeMap<TrialNo, GroupId>,
    /// The first waiting trials of the groups of each pass.
    passes: BTreeMap<PassId, BTreeSet<TrialNo>>,
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Trials in it.
    pub(super) fn trials(&self) -> u64 {
        self.trials
    }

    /// The group whose first waiting trial comes first, among those that `may` allows.
    pub(super) fn first_group(&self, may: impl Fn(GroupId) -> bool) -> Option<GroupId> {
        let may = |(_, group): &(&TrialNo, &GroupId)| may(**group);
        let firsts = [self.free.iter().find(&may), self.held.iter().find(&may)];
        let first = firsts.into_iter().flatten().min();
        first.map(|(_, group)| *group)
    }

    /// As [`Queue::first_group`], among groups whose activations no live worker has.
    pub(super) fn first_free(&self, may: impl Fn(GroupId) -> bool) -> Option<GroupId> {
        self.free.values().copied().find(|group| may(*group))
    }

    /// The first groups whose activations some live worker has, among those that `may` allows.
    pub(super) fn held(&self, may: impl Fn(GroupId) -> bool) -> impl Iterator<Item = GroupId> {
        let held = self.held.values().copied();
        held.filter(move |group| may(*group)).take(HELD_LOOKED)
    }

    /// Groups with a waiting trial.
    pub(super) fn groups(&self) -> usize {
        self.groups.len()
    }

    /// Waiting trials of a group.
    pub(super) fn waiting(&self, group: GroupId) -> usize {
        self.groups.get(&group).map_or(0, BTreeSet::len)
    }

    /// A group's waiting trials, in order.
    pub(super) fn group(&self, group: GroupId) -> impl Iterator<Item = TrialNo> + '_ {
        self.groups.get(&group).into_iter().flatten().copied()
    }

    /// The first waiting trials of the groups of a pass, in order.
    pub(super) fn pass(&self, pass: PassId) -> impl Iterator<Item = TrialNo> + '_ {
        self.passes.get(&pass).into_iter().flatten().copied()
    }

    pub(super) fn insert(&mut self, group: GroupId, pass: PassId, trial: TrialNo, is_held: bool) {
        let waiting = self.groups.entry(group).or_default();
        let first = waiting.first().copied();
        self.trials += u64::from(waiting.insert(trial));
        if first.is_none_or(|first| trial < first) {
            if let Some(first) = first {
                self.unlist(pass, first);
            }
            self.list(group, pass, trial, is_held);
        }
    }

    pub(super) fn remove(&mut self, group: GroupId, pass: PassId, trial: TrialNo) {
        let Some(waiting) = self.groups.get_mut(&group) else {
            return;
        };
        self.trials -= u64::from(waiting.remove(&trial));
        let is_held = self.held.contains_key(&trial);
        if is_held || self.free.contains_key(&trial) {
            let next = waiting.first().copied();
            self.unlist(pass, trial);
            match next {
                Some(next) => self.list(group, pass, next, is_held),
                None => {
                    self.groups.remove(&group);
                }
            }
        }
    }

    /// Notes whether a live worker has a group's activations.
    pub(super) fn set_held(&mut self, group: GroupId, is_held: bool) {
        let Some(first) = self.group(group).next() else {
            return;
        };
        self.free.remove(&first);
        self.held.remove(&first);
        self.order(is_held).insert(first, group);
    }

    fn order(&mut self, is_held: bool) -> &mut BTreeMap<TrialNo, GroupId> {
        if is_held {
            &mut self.held
        } else {
            &mut self.free
        }
    }

    /// Makes a trial its group's first.
    fn list(&mut self, group: GroupId, pass: PassId, first: TrialNo, is_held: bool) {
        self.order(is_held).insert(first, group);
        self.passes.entry(pass).or_default().insert(first);
    }

    /// Undoes [`Queue::list`].
    fn unlist(&mut self, pass: PassId, first: TrialNo) {
        self.free.remove(&first);
        self.held.remove(&first);
        if let Some(firsts) = self.passes.get_mut(&pass) {
            firsts.remove(&first);
            if firsts.is_empty() {
                self.passes.remove(&pass);
            }
        }
    }

    /// Every waiting trial with its group, for the whole-state check.
    pub(super) fn all(&self) -> impl Iterator<Item = (GroupId, TrialNo)> + '_ {
        self.groups
            .iter()
            .flat_map(|(group, trials)| trials.iter().map(|trial| (*group, *trial)))
    }

    /// The first waiting trials with their passes, for the whole-state check.
    pub(super) fn firsts(&self) -> impl Iterator<Item = (PassId, TrialNo)> + '_ {
        let passes = self.passes.iter();
        passes.flat_map(|(pass, firsts)| firsts.iter().map(|first| (*pass, *first)))
    }

    /// Whether the orders agree with the groups, given which of them are held.
    pub(super) fn is_ordered(&self, is_held: impl Fn(GroupId) -> bool) -> bool {
        let all = self.free.iter().chain(&self.held);
        let all: BTreeMap<_, _> = all.map(|(first, group)| (*first, *group)).collect();
        let firsts = self.groups.iter().filter_map(|(group, trials)| {
            let first = trials.first()?;
            Some((*first, *group))
        });
        firsts.collect::<BTreeMap<_, _>>() == all
            && all.len() == self.free.len() + self.held.len()
            && self.free.values().all(|group| !is_held(*group))
            && self.held.values().all(|group| is_held(*group))
            && self.trials == self.all().count() as u64
            && self.groups.values().all(|trials| !trials.is_empty())
    }
}
