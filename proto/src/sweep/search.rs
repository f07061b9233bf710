//! `[search]`: whether all cells of the grid are tried or a random sample, and whether trials that fall
//! behind are stopped early.

use super::TRIALS_MAX;
use super::check::{COUNT_MAX, Found};
use crate::wire::{EarlyStopping, RandomSearch};
use serde::Deserialize;
use std::collections::BTreeSet;

/// `[search]`: which cells are tried.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct SearchTable {
    pub strategy: String,
    pub trials: Option<i64>,
    pub seed: Option<i64>,
    pub early_stopping: String,
    pub min_epochs: Option<i64>,
    pub reduction: Option<i64>,
}

impl Default for SearchTable {
    fn default() -> Self {
        Self {
            strategy: GRID.to_owned(),
            trials: None,
            seed: None,
            early_stopping: NONE.to_owned(),
            min_epochs: None,
            reduction: None,
        }
    }
}

/// Every cell is tried.
const GRID: &str = "grid";

/// Some cells are tried, drawn uniformly.
const RANDOM: &str = "random";

const STRATEGIES: [&str; 2] = [GRID, RANDOM];

/// Every trial is trained to its end.
const NONE: &str = "none";

/// Asynchronous successive halving.
const ASHA: &str = "asha";

/// The default reduction: one trial in this many continues past a rung.
const REDUCTION: i64 = 3;

const EARLY_STOPPING: [&str; 2] = [NONE, ASHA];

impl SearchTable {
    pub(super) fn check(&self, max_epochs: i64, found: &mut Found) {
        self.check_strategy(found);
        self.check_early_stopping(max_epochs, found);
    }

    fn check_early_stopping(&self, max_epochs: i64, found: &mut Found) {
        found.word(
            "search.early_stopping",
            &self.early_stopping,
            &EARLY_STOPPING,
        );
        let last = max_epochs - 1;
        match (self.early_stopping.as_str(), self.min_epochs) {
            (ASHA, None) => {
                let problem = "is missing: say at how many epochs the first trials stop";
                found.add("search.min_epochs", "", problem);
            }
            (ASHA, Some(epochs)) if !(1..=last).contains(&epochs) => {
                let problem = format!("must be 1 to {last}, below `training.max_epochs`");
                found.add("search.min_epochs", epochs, problem);
            }
            (NONE, Some(epochs)) => found.add("search.min_epochs", epochs, ONLY_ASHA),
            (_, _) => {}
        }
        match (self.early_stopping.as_str(), self.reduction) {
            (ASHA, Some(reduction)) if !(2..=COUNT_MAX).contains(&reduction) => {
                let problem = format!("must be 2 to {COUNT_MAX}");
                found.add("search.reduction", reduction, problem);
            }
            (NONE, Some(reduction)) => found.add("search.reduction", reduction, ONLY_ASHA),
            (_, _) => {}
        }
    }

    fn check_strategy(&self, found: &mut Found) {
        found.word("search.strategy", &self.strategy, &STRATEGIES);
        match (self.strategy.as_str(), self.trials) {
            (RANDOM, None) => found.add("search.trials", "", "is missing: say how many cells"),
            (RANDOM, Some(trials)) if !(1..=TRIALS_MAX as i64).contains(&trials) => {
                let problem = format!("must be 1 to {TRIALS_MAX}");
                found.add("search.trials", trials, problem);
            }
            (GRID, Some(trials)) => found.add("search.trials", trials, ONLY_RANDOM),
            (_, _) => {}
        }
        match (self.strategy.as_str(), self.seed) {
            (RANDOM, Some(seed)) if seed < 0 => {
                found.add("search.seed", seed, "must not be negative");
            }
            (GRID, Some(seed)) => found.add("search.seed", seed, ONLY_RANDOM),
            (_, _) => {}
        }
    }

    /// The search on the wire, where it is a random one. The table must have passed its check.
    pub(super) fn random(&self) -> Option<RandomSearch> {
        (self.strategy == RANDOM).then(|| RandomSearch {
            trials: self.trials.unwrap_or_default() as u64,
            seed: self.seed.unwrap_or_default() as u64,
        })
    }

    /// Early stopping on the wire, where there is any. The table must have passed its check.
    pub(super) fn early_stopping(&self) -> Option<EarlyStopping> {
        (self.early_stopping == ASHA).then(|| EarlyStopping {
            min_epochs: self.min_epochs.unwrap_or_default() as u32,
            reduction: self.reduction.unwrap_or(REDUCTION) as u32,
        })
    }
}

const ONLY_ASHA: &str = "only early stopping \"asha\" has it; leave it out";

const ONLY_RANDOM: &str = "only strategy \"random\" has it; leave it out";

/// Draws `count` different numbers below `cells`. Every such set is equally likely, and the same for
/// the same seed on every machine. A larger count draws the same numbers and more.
pub(super) fn draw(cells: u64, count: u64, seed: u64) -> BTreeSet<u64> {
    let mut hasher = blake3::Hasher::new_derive_key("nrp random search 2026");
    hasher.update(&seed.to_le_bytes());
    let mut stream = hasher.finalize_xof();
    let last = cells.saturating_sub(1);
    // All ones, and no more digits than the last number has.
    let mask = u64::MAX.checked_shr(last.leading_zeros()).unwrap_or(0);
    let mut drawn = BTreeSet::new();
    while (drawn.len() as u64) < count.min(cells) {
        let mut bytes = [0; 8];
        stream.fill(&mut bytes);
        let number = u64::from_le_bytes(bytes) & mask;
        if number <= last {
            drawn.insert(number);
        }
    }
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_do_not_change_between_versions() {
        insta::assert_compact_debug_snapshot!(draw(1_000_000_000_000, 4, 7), @"{15813621878, 313360063819, 512655137089, 747963713301}");
    }

    #[test]
    fn every_number_is_drawn_as_often_as_any_other() {
        // 7 numbers, 3 of them drawn 7,000 times: 3,000 each, with a standard deviation of 41.
        let mut times = [0_u32; 7];
        for seed in 0..7_000 {
            for number in draw(7, 3, seed) {
                times[number as usize] += 1;
            }
        }
        assert!(
            times.iter().all(|times| times.abs_diff(3_000) < 4 * 41),
            "{times:?}"
        );
    }

    #[test]
    fn all_that_there_are_can_be_drawn() {
        assert_eq!(draw(5, 5, 1), (0..5).collect());
        assert_eq!(draw(1, 1, 1), (0..1).collect());
        assert_eq!(draw(5, 9, 1).len(), 5);
    }
}
