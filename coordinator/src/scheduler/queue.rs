//! The queue: trials that wait to be leased, by job group. It holds no state of its own: what is in
//! it follows from the trials' states.

use super::ids::GroupId;
use super::trials::TrialNo;
use std::collections::{BTreeMap, BTreeSet};

/// Waiting trials. Every operation costs the logarithm of what is in it.
#[derive(Debug, Default)]
pub(super) struct Queue {
    groups: BTreeMap<GroupId, BTreeSet<TrialNo>>,
    /// Groups by their first waiting trial.
    order: BTreeMap<TrialNo, GroupId>,
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

    pub(super) fn insert(&mut self, group: GroupId, trial: TrialNo) {
        let waiting = self.groups.entry(group).or_default();
        let first = waiting.first().copied();
        waiting.insert(trial);
        if first.is_none_or(|first| trial < first) {
            if let Some(first) = first {
                self.order.remove(&first);
            }
            self.order.insert(trial, group);
        }
    }

    pub(super) fn remove(&mut self, group: GroupId, trial: TrialNo) {
        let Some(waiting) = self.groups.get_mut(&group) else {
            return;
        };
        waiting.remove(&trial);
        if self.order.remove(&trial).is_some() {
            match waiting.first() {
                Some(first) => {
                    self.order.insert(*first, group);
                }
                None => {
                    self.groups.remove(&group);
                }
            }
        }
    }

    /// Every waiting trial with its group, for the whole-state check.
    pub(super) fn all(&self) -> impl Iterator<Item = (GroupId, TrialNo)> + '_ {
        self.groups
            .iter()
            .flat_map(|(group, trials)| trials.iter().map(|trial| (*group, *trial)))
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
