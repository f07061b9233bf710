//! Members: the trials of a sweep. Their ids are sorted and kept in blocks, each under its last id,
//! so that a million ids take a few thousand keys, and one lookup finds any id or shows that it is
//! missing.

use super::ordered::Ordered;
use super::{IndexError, keys, query};
use crate::scheduler::{SweepId, TrialId};

/// How many members a block has: as many as fit into a page of four kilobytes.
pub(super) const MEMBERS_IN_BLOCK: usize = 256;

/// Whether a trial belongs to a sweep.
pub(super) fn is_member(
    map: &dyn Ordered,
    sweep: SweepId,
    trial: TrialId,
) -> Result<bool, IndexError> {
    // The first block whose last member is not before the trial.
    let before = trial.0.checked_sub(1).map(TrialId);
    let before = before.map(|before| keys::members(sweep, before));
    let blocks = map.scan(&keys::all_members(sweep), before.as_deref(), 1)?;
    Ok(blocks
        .iter()
        .any(|(_, block)| query::trials_in(block).any(|member| member == trial)))
}

#[cfg(test)]
mod tests {
    use super::super::ordered::Memory;
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn exactly_the_members_of_a_sweep_are_found_whatever_block_they_are_in() {
        let map = Memory::default();
        let members = |sweep: u64| (0..600_u128).map(move |n| n * 3 + u128::from(sweep));
        let mut changes = BTreeMap::new();
        for sweep in [0, 1] {
            let ids: Vec<_> = members(sweep).collect();
            for block in ids.chunks(MEMBERS_IN_BLOCK) {
                let last = TrialId(*block.last().expect("not empty"));
                let bytes = block.iter().flat_map(|id| id.to_be_bytes()).collect();
                changes.insert(keys::members(SweepId(sweep), last), Some(bytes));
            }
        }
        map.write(changes).expect("writes");
        for sweep in [0, 1, 2] {
            for id in (0..2_000).chain([u128::MAX]) {
                let found = is_member(&map, SweepId(sweep), TrialId(id)).expect("reads");
                let expected = sweep < 2 && members(sweep).any(|member| member == id);
                assert_eq!(found, expected, "trial {id} of sweep {sweep}");
            }
        }
    }
}
