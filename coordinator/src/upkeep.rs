//! Upkeep of a state directory: its contents in numbers, read from the journal even while it is written
//! to; repair of a damaged journal; and compaction into as little space as possible.

use crate::driver::{Clock, Replayed, SystemClock};
use crate::scheduler::{Settings, SweepCounts, TrialId, TrialView};
use crate::store::{
    self, Compacted, Damage, DiskStore, JOURNAL, Repair, StoreError, index_at_hand,
};
use nrp_proto::state::{SweepState, TrialState};
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A state directory in numbers.
#[derive(Debug, Serialize)]
pub struct Stats {
    /// The version of the journal's format.
    pub format: u64,
    /// How many entries were ever written.
    pub entries: u64,
    /// How many lines the journal has.
    pub lines: u64,
    /// The journal's length in bytes.
    pub journal_bytes: u64,
    /// Bytes of it that a compaction may drop.
    pub droppable_bytes: u64,
    /// The index's length on disk in bytes.
    pub index_bytes: u64,
    /// All trials, by their states.
    pub trials: Counts,
    /// The sweeps, in the order they were last submitted.
    pub sweeps: Vec<SweepStats>,
}

/// A sweep in numbers.
#[derive(Debug, Serialize)]
pub struct SweepStats {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: SweepState,
    /// Its trials, by their states.
    pub trials: Counts,
}

/// Trials by their states.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// All of them.
    pub all: u64,
    /// Wait to be leased.
    pub waiting: u64,
    /// Leased to a worker, as of the last entry.
    pub leased: u64,
    /// Wait, and no worker could run them.
    pub parked: u64,
    /// Have scores.
    pub finished: u64,
    /// Were set aside.
    pub failed: u64,
    /// Were given up at a rung.
    pub stopped: u64,
    /// Have no outcome, and no sweep needs one.
    pub cancelled: u64,
}

impl From<SweepCounts> for Counts {
    fn from(counts: SweepCounts) -> Self {
        Self {
            all: counts.trials(),
            waiting: counts.waiting,
            leased: counts.leased,
            parked: counts.parked,
            finished: counts.finished,
            failed: counts.failed,
            stopped: counts.stopped,
            cancelled: counts.cancelled,
        }
    }
}

/// The state in `dir` in numbers.
///
/// # Errors
/// When there is no state, or a line of the journal is damaged.
pub fn stats(dir: &Path) -> Result<Stats, StoreError> {
    let mut replayed = Replayed::new(Settings::default());
    let sizes = store::sizes(dir, &mut |fact| replayed.take(0, fact))?;
    let sweeps = replayed
        .sweeps()
        .map(|(id, name, state, counts)| SweepStats {
            id: id.to_string(),
            name: name.to_owned(),
            state: state.shown(),
            trials: counts.into(),
        });
    Ok(Stats {
        format: sizes.format,
        entries: sizes.entries,
        lines: sizes.lines,
        journal_bytes: sizes.journal_bytes,
        droppable_bytes: sizes.droppable_bytes,
        index_bytes: sizes.index_bytes,
        trials: replayed.core.counts().into(),
        sweeps: sweeps.collect(),
    })
}

/// Compacts the journal and rebuilds the index in `dir`, which no other process may be using, so that
/// both are as short as possible.
///
/// # Errors
/// When a line of the journal is damaged, or the directory cannot be used.
pub fn compact(dir: &Path) -> Result<Compacted, StoreError> {
    if !dir.join(JOURNAL).is_file() {
        return Err(StoreError::NoState {
            dir: dir.to_owned(),
        });
    }
    let mut replayed = Replayed::new(Settings::default());
    let (mut store, _) = DiskStore::open(dir, &mut |fact| replayed.take(0, fact))?;
    store.compact_all(SystemClock::new().wall_ms(), replayed.snapshot())
}

/// Most lost outcomes that are listed.
const LOST_MAX: usize = 100;

/// What repairing a journal found and did.
#[derive(Debug, Default, Serialize)]
pub struct Repaired {
    /// Whether every line can be read, so that there is nothing to repair.
    pub is_whole: bool,
    /// Where the damaged journal is kept; none where nothing was changed.
    pub kept: Option<PathBuf>,
    /// What is damaged.
    pub damage: Damage,
    /// Intact lines, which the repaired journal has.
    pub lines: u64,
    /// How many trials they restore.
    pub trials: u64,
    /// How many of them have an outcome.
    pub outcomes: u64,
    /// Intact lines about trials whose sweep is lost. They are kept, but have no effect.
    pub without_sweep: u64,
    /// Lost outcomes, up to a limit.
    pub lost_outcomes: Vec<LostOutcome>,
    /// How many more are lost.
    pub further_outcomes: u64,
    /// Whether there was an index to tell which outcomes are lost.
    pub index_at_hand: bool,
}

/// An outcome that the index knows of and the journal no longer does.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct LostOutcome {
    /// The trial's id.
    pub trial: String,
    /// A sweep that has it.
    pub sweep: String,
    /// How it ended.
    pub state: TrialState,
}

/// Repairs the journal in `dir`, which no other process may be using: a journal of its intact lines
/// replaces it, and it is kept under another name. With `dry`, only reports what it would do.
///
/// # Errors
/// When the directory cannot be used, or the journal cannot be put together from its intact lines.
pub fn repair(dir: &Path, dry: bool) -> Result<Repaired, StoreError> {
    let Some(repair) = Repair::find(dir, dry)? else {
        return Ok(Repaired {
            is_whole: true,
            ..Repaired::default()
        });
    };
    let salvage = repair.salvage();
    let mut replayed = Replayed::new(Settings::default());
    let mut without_sweep = 0;
    salvage.visit(&mut |_, fact| {
        let lost = fact
            .trial()
            .is_some_and(|id| replayed.core.trial(None, id).is_none());
        without_sweep += u64::from(lost);
        replayed.take(0, fact)
    })?;
    let (trials, outcomes) = replayed.core.totals();
    let mut repaired = Repaired {
        damage: salvage.damage().clone(),
        lines: salvage.lines(),
        trials,
        outcomes,
        without_sweep,
        ..Repaired::default()
    };
    if let Some((index, _scratch)) = index_at_hand(dir) {
        repaired.index_at_hand = repaired.compare(&replayed, &index).is_ok();
    }
    repaired.kept = repair.make()?;
    Ok(repaired)
}

impl Repaired {
    /// Finds outcomes that only the index knows of.
    fn compare(&mut self, replayed: &Replayed, index: &store::Index) -> Result<(), StoreError> {
        let mut seen = BTreeSet::new();
        for (sweep, name, ..) in replayed.sweeps() {
            for number in 0.. {
                let Some(stretch) = index.stretch(sweep, number)? else {
                    break;
                };
                for id in stretch {
                    let has_outcome = match replayed.core.trial(None, id) {
                        Some(view) => has_outcome(&view),
                        None => true,
                    };
                    if has_outcome {
                        continue;
                    }
                    let state = index.trial(id)?.unwrap_or_default().state;
                    // An open trial has no state in the index.
                    if let Ok(state) = TrialState::of_wire(state)
                        && seen.insert(id)
                    {
                        self.lose(id, name, state);
                    }
                }
            }
        }
        Ok(())
    }

    fn lose(&mut self, trial: TrialId, sweep: &str, state: TrialState) {
        if self.lost_outcomes.len() < LOST_MAX {
            self.lost_outcomes.push(LostOutcome {
                trial: trial.to_string(),
                sweep: sweep.to_owned(),
                state,
            })
        } else {
            self.further_outcomes += 1
        }
    }
}

fn has_outcome(view: &TrialView) -> bool {
    matches!(
        view,
        TrialView::Finished | TrialView::Failed | TrialView::Stopped
    )
}
