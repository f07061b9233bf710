//! Poison: sweeps that some workers cannot run until somebody repairs the cause, because these
//! workers lack the files or the memory, or do not understand the sweep. A worker knows a sweep by
//! the directory that its job names.

use super::dice::Dice;
use crate::scheduler::Hindrance;

/// What is wrong with a sweep.
#[derive(Debug, Clone)]
pub(super) struct Poison {
    /// The sweep's directory.
    pub(super) data_dir: String,
    pub(super) reason: &'static str,
    /// How many trials of a job run before the defect shows.
    pub(super) after: usize,
    /// The numbers of the workers that are hindered.
    pub(super) workers: Vec<bool>,
    /// Whether a worker blames its machine.
    pub(super) machine: bool,
    pub(super) mended: bool,
    /// Whether the defect is repaired once faults cease.
    pub(super) passes: bool,
}

impl Poison {
    /// A sweep that no worker can run.
    pub(super) fn everywhere(data_dir: &str, reason: &'static str, after: usize) -> Self {
        Self {
            data_dir: data_dir.to_owned(),
            reason,
            after,
            workers: vec![true; WORKERS_MAX],
            machine: false,
            mended: false,
            passes: false,
        }
    }

    /// A sweep that some of the workers cannot run, perhaps all.
    pub(super) fn somewhere(data_dir: &str, dice: &mut Dice) -> Self {
        let workers = (0..WORKERS_MAX).map(|_| dice.chance(700)).collect();
        Self {
            workers,
            machine: dice.chance(300),
            passes: dice.chance(500),
            ..Self::everywhere(data_dir, "there is no memory", dice.below(3) as usize)
        }
    }

    /// What a worker says of a job of the sweep.
    fn of(&self, worker: usize) -> Option<Hindrance> {
        let hindered = !self.mended && self.workers[worker];
        hindered.then(|| Hindrance {
            reason: self.reason.to_owned(),
            hint: format!("mend {}", self.data_dir),
            machine: self.machine,
            of_trials: self.reason == "there is no memory",
        })
    }
}

/// The most workers that a world may have.
const WORKERS_MAX: usize = 8;

/// What hinders a worker in a job of a sweep, after this many trials.
pub(super) fn hindrance(
    poisons: &[Poison],
    data_dir: &str,
    worker: usize,
) -> Option<(usize, Hindrance)> {
    let mut poisons = poisons.iter().filter(|poison| poison.data_dir == data_dir);
    poisons.find_map(|poison| Some((poison.after, poison.of(worker)?)))
}
