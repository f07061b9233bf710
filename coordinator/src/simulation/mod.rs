//! The simulation: the real scheduler, driver, journal and index in a world that drops, delays and
//! duplicates messages, cuts the network and kills every process, on a disk that loses what was not
//! synced. There is one thread, no clock, and no randomness but the seed's, so a seed that fails
//! fails again.
//!
//! After every step the simulation checks the scheduler's whole state, and compares every answer
//! that leaves the coordinator with what a power failure at that moment would leave on disk. Once
//! faults cease, every trial that a sweep needs must have exactly one outcome.
//!
//! `just simulate N` runs N seeds; `NRP_SIMULATE_SEED=S` runs one and prints everything.

mod bad_sweeps;
mod call;
mod dice;
mod disk;
mod host;
mod ledger;
mod network;
mod poison;
mod worker;
mod world;

use crate::expand;
use crate::scheduler::{SweepId, TrialKey};
use crate::store::samples;
use dice::Dice;
use disk::Lie;
use host::Flaw;
use nrp_proto::wire::{EarlyStopping, SweepSpec};
use poison::Poison;
use std::panic::{AssertUnwindSafe, catch_unwind};
use world::World;

/// The duration of a lease and the period of heartbeats. Both are shorter than in production, so
/// that more happens in a minute.
const LEASE_MS: u64 = 4_000;
const HEARTBEAT_MS: u64 = 700;

/// The number of seeds in an ordinary test run.
const SEEDS: u64 = 100;

/// The number of seeds within which the simulation must catch a flaw.
const SEEDS_TO_CATCH: u64 = 500;

/// The sweeps that clients may submit.
struct Sweep {
    id: SweepId,
    spec: SweepSpec,
    keys: Vec<TrialKey>,
}

/// What is broken on purpose in a simulation.
#[derive(Debug, Clone, Copy, Default)]
struct Flaws {
    disk: Option<Lie>,
    host: Option<Flaw>,
}

/// Sweeps that share trials: each has the cells of all smaller ones. In some worlds, some sweeps
/// stop trials early.
fn sweeps(dice: &mut Dice) -> Vec<Sweep> {
    let stops_early = dice.chance(400);
    let sweeps = ["a", "b", "c"].into_iter().map(|name| {
        let mut spec = samples::sweep(name, dice.between(2, 16) as u32);
        // Their files are in different directories, so one may lack what another has.
        name.clone_into(&mut spec.data_dir);
        if stops_early && dice.chance(600) {
            spec.early_stopping = Some(EarlyStopping {
                min_epochs: 10,
                reduction: 3,
            });
        }
        Sweep::of(spec)
    });
    sweeps.collect()
}

impl Sweep {
    fn of(spec: SweepSpec) -> Self {
        Self {
            id: samples::id(&spec),
            keys: expand::keys(&spec).expect("a grid"),
            spec,
        }
    }
}

/// The contents of a world.
struct Setting {
    sweeps: Vec<Sweep>,
    poisons: Vec<Poison>,
    /// The number of workers, drawn at random if `None`.
    workers: Option<usize>,
}

impl Setting {
    /// In some worlds, some workers cannot run one or two of the sweeps.
    fn of(seed: u64) -> Self {
        let mut dice = Dice::new(seed, 3);
        let poisoned = if dice.chance(400) {
            dice.between(1, 2)
        } else {
            0
        };
        let poisons = ["a", "b", "c"].into_iter().take(poisoned as usize);
        Self {
            sweeps: sweeps(&mut Dice::new(seed, 2)),
            poisons: poisons
                .map(|name| Poison::somewhere(name, &mut dice))
                .collect(),
            workers: None,
        }
    }
}

/// Runs a seed to its end. Panics if an invariant is broken.
fn run(seed: u64, flaws: Flaws, told: bool) -> World {
    let mut world = World::new(seed, Setting::of(seed), flaws, told);
    world.run();
    world
}

/// Runs a seed, and returns the broken invariant as an error.
fn try_run(seed: u64, flaws: Flaws) -> Result<World, String> {
    catch_unwind(AssertUnwindSafe(|| run(seed, flaws, false))).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_default()
    })
}

fn from_env(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[allow(clippy::print_stdout)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_and_everything_ends() {
        if let Some(seed) = from_env("NRP_SIMULATE_SEED") {
            run(seed, Flaws::default(), true);
            return;
        }
        let seeds = from_env("NRP_SIMULATE").unwrap_or(SEEDS);
        let mut sums = Sums::default();
        for seed in 1..=seeds {
            match try_run(seed, Flaws::default()) {
                Ok(world) => sums.add(&world),
                Err(problem) => panic!(
                    "seed {seed}: {problem}\nrun it alone: NRP_SIMULATE_SEED={seed} cargo test -p \
                     nrp-coordinator --lib simulation::tests::nothing -- --nocapture"
                ),
            }
        }
        print!("{}", sums.table(seeds));
        if seeds >= SEEDS {
            let never = sums.0.iter().find(|(_, count)| *count == 0);
            assert_eq!(never, None, "this never happened");
        }
    }

    #[test]
    fn a_seed_gives_the_same_world_again() {
        let once = run(7, Flaws::default(), false);
        let again = run(7, Flaws::default(), false);
        assert_eq!(once.counts.steps, again.counts.steps);
        assert_eq!(once.now_ms, again.now_ms);
        assert_eq!(once.ledger.outcomes(), again.ledger.outcomes());
    }

    fn is_caught(flaws: Flaws) {
        let caught = (1..=SEEDS_TO_CATCH).find_map(|seed| {
            let problem = try_run(seed, flaws).err()?;
            Some((seed, problem))
        });
        let (seed, problem) = caught.expect("the flaw must be caught");
        println!("{flaws:?} is caught by seed {seed}: {problem}");
    }

    #[test]
    fn a_disk_that_lies_about_syncs_is_caught() {
        is_caught(Flaws {
            disk: Some(Lie::Sync),
            host: None,
        });
    }

    #[test]
    fn a_journal_that_keeps_its_torn_tail_is_caught() {
        is_caught(Flaws {
            disk: Some(Lie::Truncate),
            host: None,
        });
    }

    #[test]
    fn a_journal_whose_end_is_not_written_again_at_the_start_is_caught() {
        is_caught(Flaws {
            disk: Some(Lie::Rewrite),
            host: None,
        });
    }

    #[test]
    fn a_journal_that_is_not_synced_at_the_start_is_caught() {
        is_caught(Flaws {
            disk: Some(Lie::SyncAtStart),
            host: None,
        });
    }

    #[test]
    fn an_answer_before_the_sync_is_caught() {
        is_caught(Flaws {
            disk: None,
            host: Some(Flaw::AnswersFirst),
        });
    }

    #[test]
    fn a_coordinator_that_forgets_its_leases_is_caught() {
        is_caught(Flaws {
            disk: None,
            host: Some(Flaw::ForgetsLeases),
        });
    }

    #[test]
    fn a_coordinator_that_forgets_its_rungs_is_caught() {
        is_caught(Flaws {
            disk: None,
            host: Some(Flaw::ForgetsRungs),
        });
    }

    /// The sums over all worlds.
    #[derive(Default)]
    struct Sums(Vec<(&'static str, u64)>);

    impl Sums {
        fn add(&mut self, world: &World) {
            let (disk, network) = (world.disk.counts(), world.network.counts);
            let (ledger, counts) = (world.ledger.counts, world.counts);
            let figures = [
                ("steps", counts.steps),
                ("checks of the whole state", counts.checks),
                ("simulated seconds", world.now_ms / 1_000),
                ("starts of the coordinator", counts.starts),
                ("kills of the coordinator", counts.kills),
                ("times it was held up", counts.held_up),
                ("power failures", counts.power),
                ("deaths within a disk step", disk.died_within),
                ("torn tails left by power failures", disk.torn),
                ("torn lines dropped at a start", counts.torn_lines),
                ("syncs", disk.syncs),
                ("syncs that failed", disk.failed_syncs),
                ("writes to a full disk", disk.full),
                ("deaths of workers", counts.worker_deaths),
                ("workers told to stop", counts.drains),
                ("messages", network.sent),
                ("messages dropped", network.dropped),
                ("messages doubled", network.doubled),
                ("messages held up", network.delayed),
                ("partitions", network.partitions),
                ("messages into partitions", network.cut_off),
                ("leases granted", ledger.granted),
                ("leases of copies", ledger.copies),
                ("leases that ended early", ledger.ended_early),
                ("jobs that a worker could not run", ledger.hindered),
                ("groups parked", ledger.parked),
                ("sweeps paused", ledger.pauses),
                ("rungs passed", ledger.passed),
                ("trials stopped at rungs", ledger.stopped),
                ("outcomes recorded", ledger.outcomes),
                ("reports acknowledged as recorded", ledger.acknowledged),
                ("reports acknowledged as duplicates", ledger.duplicates),
            ];
            if self.0.is_empty() {
                self.0 = figures.map(|(what, _)| (what, 0)).to_vec();
            }
            for (sum, (_, count)) in self.0.iter_mut().zip(figures) {
                sum.1 += count;
            }
        }

        fn table(&self, seeds: u64) -> String {
            let mut table = format!("| over {seeds} seeds | |\n| --- | --- |\n");
            for (what, count) in &self.0 {
                table += &format!("| {what} | {count} |\n");
            }
            table
        }
    }
}
