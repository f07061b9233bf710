//! The queue: trials that wait to be leased, by job group, and groups by the pass that gives their
//! activations. It holds no state of its own: what is in it follows from the trials' states.

use super::ids::{GroupId, PassId};
use super::trials::TrialNo;
use std::collections::{BTreeMap, BTreeSet};

/// Waiting trials. Every operation costs the logarithm of what is in it.
#[derive(Debug, Default)]
pub(super) struct Queue {
    groups: BTreeMap<GroupId, BTreeSet<TrialNo>>,
    /// Groups by their first waiting trial.
    order: BTreeMap<TrialNo, GroupId>,
    /// The first waiting trials of the groups of each pass.
    passes: BTreeMap<PassId, BTreeSet<TrialNo>>,
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// The group whose first waiting trial comes first.
    pub(super) fn first_group(&self) -> Option<GroupId> {
        self.order.values().next().copied()
    }

    /// A group's waiting trials, in order.
    pub(super) fn group(&self, group: GroupId) -> impl Iterator<Item = TrialNo> + '_ {
        self.groups.get(&group).into_iter().flatten().copied()
    }

    /// The first waiting trials of the groups of a pass, in order.
    pub(super) fn pass(&self, pass: PassId) -> impl Iterator<Item = TrialNo> + '_ {
        self.passes.get(&pass).into_iter().flatten().copied()
    }

    pub(super) fn insert(&mut self, group: GroupId, pass: PassId, trial: TrialNo) {
        let waiting = self.groups.entry(group).or_default();
        let first = waiting.first().copied();
        waiting.insert(trial);
        if first.is_none_or(|first| trial < first) {
            if let Some(first) = first {
                self.unlist(pass, first);
            }
            self.list(group, pass, trial);
        }
    }

    pub(super) fn remove(&mut self, group: GroupId, pass: PassId, trial: TrialNo) {
        let Some(waiting) = self.groups.get_mut(&group) else {
            return;
        };
        waiting.remove(&trial);
        if self.order.contains_key(&trial) {
            let next = waiting.first().copied();
            self.unlist(pass, trial);
            match next {
                Some(next) => self.list(group, pass, next),
                None => {
                    self.groups.remove(&group);
                }
            }
        }
    }

    /// Makes a trial its group's first.
    fn list(&mut self, group: GroupId, pass: PassId, first: TrialNo) {
        self.order.insert(first, group);
        self.passes.entry(pass).or_default().insert(first);
    }

    /// Undoes [`Queue::list`].
    fn unlist(&mut self, pass: PassId, first: TrialNo) {
        self.order.remove(&first);
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

    /// Whether `order` is what the groups say.
    pub(super) fn is_ordered(&self) -> bool {
        let firsts = self.groups.iter().filter_map(|(group, trials)| {
            let first = trials.first()?;
            Some((*first, *group))
        });
        firsts.collect::<BTreeMap<_, _>>() == self.order
            && self.groups.values().all(|trials| !trials.is_empty())
    }
}
