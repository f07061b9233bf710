//! Members: the trials of a sweep, sorted by id, each with its job group and its cell. They are kept
//! in blocks, each under its last id, so that a million trials take a few thousand keys, and one
//! lookup finds any trial or shows that it is missing.

use super::ordered::Ordered;
use super::{IndexError, keys};
use crate::scheduler::{GroupId, SweepId, TrialId};

/// How many members a block has: 8 kB of them.
pub(super) const MEMBERS_IN_BLOCK: usize = 256;

/// The bytes of a member.
const MEMBER_BYTES: usize = 32;

/// The number of a cell, of a trial without one.
const NO_CELL: u64 = u64::MAX;

/// A trial of a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) trial: TrialId,
    pub(super) group: GroupId,
    /// The number of its cell in the sweep's grid, if it has a cell.
    pub(super) cell: Option<u64>,
}

impl Member {
    pub(super) fn append_to(&self, block: &mut Vec<u8>) {
        block.extend(self.trial.0.to_be_bytes());
        block.extend(self.group.0.to_be_bytes());
        block.extend(self.cell.unwrap_or(NO_CELL).to_be_bytes());
    }

    fn read(bytes: &[u8; MEMBER_BYTES]) -> Self {
        let number = |at: usize| {
            bytes[at..]
                .first_chunk()
                .map_or(0, |n| u64::from_be_bytes(*n))
        };
        Self {
            trial: trial_of(bytes),
            group: GroupId(number(16)),
            cell: Some(number(24)).filter(|cell| *cell != NO_CELL),
        }
    }
}

fn trial_of(bytes: &[u8; MEMBER_BYTES]) -> TrialId {
    let id = bytes.first_chunk().map_or(0, |id| u128::from_be_bytes(*id));
    TrialId(id)
}

/// The trials of a block, in order.
pub(super) fn trials_in(block: &[u8]) -> impl Iterator<Item = TrialId> + '_ {
    block.as_chunks().0.iter().map(trial_of)
}

/// A trial as a member of a sweep, or `None` if it is not one.
pub(super) fn member(
    map: &dyn Ordered,
    sweep: SweepId,
    trial: TrialId,
) -> Result<Option<Member>, IndexError> {
    // The first block whose last member is not before the trial.
    let before = trial.0.checked_sub(1).map(TrialId);
    let before = before.map(|before| keys::members(sweep, before));
    let blocks = map.scan(&keys::all_members(sweep), before.as_deref(), 1)?;
    Ok(blocks.iter().find_map(|(_, block)| {
        let members = block.as_chunks().0;
        let found = members.binary_search_by_key(&trial, trial_of);
        found.ok().map(|at| Member::read(&members[at]))
    }))
}

/// Whether a trial belongs to a sweep.
pub(super) fn is_member(
    map: &dyn Ordered,
    sweep: SweepId,
    trial: TrialId,
) -> Result<bool, IndexError> {
    Ok(member(map, sweep, trial)?.is_some())
}

#[cfg(test)]
mod tests {
    use super::super::ordered::Memory;
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn exactly_the_members_of_a_sweep_are_found_whatever_block_they_are_in() {
        let map = Memory::default();
        let member_of = |sweep: u64, n: u128| Member {
            trial: TrialId(n * 3 + u128::from(sweep)),
            group: GroupId(n as u64 / 7),
            cell: (!n.is_multiple_of(5)).then_some(n as u64),
        };
        let members = |sweep: u64| (0..600_u128).map(move |n| member_of(sweep, n));
        let mut changes = BTreeMap::new();
        for sweep in [0, 1] {
            let members: Vec<_> = members(sweep).collect();
            for block in members.chunks(MEMBERS_IN_BLOCK) {
                let mut bytes = Vec::new();
                block.iter().for_each(|member| member.append_to(&mut bytes));
                let last = block.last().expect("not empty").trial;
                changes.insert(keys::members(SweepId(sweep), last), Some(bytes));
            }
        }
        map.write(changes).expect("writes");
        for sweep in [0, 1, 2] {
            for id in (0..2_000).chain([u128::MAX]) {
                let found = member(&map, SweepId(sweep), TrialId(id)).expect("reads");
                let mut members = members(sweep).filter(|_| sweep < 2);
                let expected = members.find(|member| member.trial == TrialId(id));
                assert_eq!(found, expected, "trial {id} of sweep {sweep}");
            }
        }
    }
}
