//! Memory: how much a baseline takes, so that one that does not fit is refused before it starts.

use super::gram::Gram;
use super::units::{self, through_units};
use super::{banded, one_alpha};
use nrp_proto::sweep::Baseline;

/// Matrices of stimuli × stimuli that a fit by eigenvalues, or one that deflates the products, has in
/// memory at once.
const MATRICES: u64 = 5;

/// Tables of stimuli × sites that a fit with one penalty, or of single units, has in memory at once.
const TABLES: u64 = 8;

/// Bytes that the inner products of `stimuli` stimuli and a fit of `baseline` to `sites` sites with
/// `units` units take at most. A linear path takes as much as [`Baseline::Ridge`].
pub fn bytes(baseline: Baseline, stimuli: usize, units: usize, sites: usize) -> u64 {
    if through_units(baseline, stimuli, units) {
        return units::bytes(stimuli, units) + TABLES * 8 * stimuli as u64 * sites as u64;
    }
    let products = Gram::bytes(stimuli);
    match baseline {
        Baseline::Ols | Baseline::Ridge | Baseline::Pls => MATRICES * products,
        Baseline::SingleUnit => TABLES * 8 * stimuli as u64 * sites as u64,
        Baseline::RidgeOne | Baseline::RidgeCv => {
            let columns = TABLES * sites as u64 + one_alpha::OTHERS as u64;
            let panel = one_alpha::PANEL_BYTES as u64;
            products + panel + banded::bytes(stimuli) + 8 * stimuli as u64 * columns
        }
    }
}
