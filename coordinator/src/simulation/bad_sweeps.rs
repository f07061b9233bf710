//! Bad sweeps beside a good one: workers that cannot run the bad ones say so and continue, and
//! nothing is lost.

use super::poison::Poison;
use super::world::World;
use super::{Flaws, Setting, Sweep, from_env, samples};
use crate::scheduler::SweepState;

/// The number of seeds in an ordinary test run.
const SEEDS: u64 = 50;

/// Three workers, a good sweep, and three sweeps that no worker can run: one lacks files, one has
/// the wrong files, one lacks memory. No sweep shares its activations with another.
fn setting() -> Setting {
    let sweeps = ["good", "no-files", "other-files", "too-large"];
    let sweeps = sweeps.into_iter().zip(0..).map(|(name, number)| {
        let mut spec = samples::sweep(name, 6);
        name.clone_into(&mut spec.data_dir);
        let ann = spec.anns[0].ann.as_mut().expect("an ANN");
        ann.weights_digest = format!("random:{number}");
        Sweep::of(spec)
    });
    Setting {
        sweeps: sweeps.collect(),
        poisons: vec![
            Poison::everywhere("no-files", "the files are not there", 0),
            Poison::everywhere("other-files", "the files have another digest", 0),
            Poison::everywhere("too-large", "there is no memory", 0),
        ],
        workers: Some(3),
    }
}

/// Workers and coordinator are killed at random while clients submit, cancel and resume. Then the
/// good sweep finishes, and the bad ones say why they cannot run; once repaired, they finish, too.
fn run(seed: u64, told: bool) -> World {
    let mut world = World::new(seed, setting(), Flaws::default(), told);
    world.submit_all_at_calm();
    world.run_to_its_end();
    assert_eq!(world.stands(0).0, SweepState::Finished, "the good sweep");
    for bad in 1..4 {
        world.check_stays_parked(bad);
    }
    world.mend();
    world.run_to_its_end();
    for sweep in 0..4 {
        assert_eq!(world.stands(sweep).0, SweepState::Finished, "sweep {sweep}");
    }
    world.check_end();
    world
}

#[test]
#[expect(
    clippy::print_stderr,
    reason = "the seed that fails is what the test prints last"
)]
fn bad_sweeps_say_why_and_stop_no_other_and_finish_once_mended() {
    if let Some(seed) = from_env("NRP_SIMULATE_SEED") {
        run(seed, true);
        return;
    }
    let mut worker_deaths = 0;
    let mut kills = 0;
    for seed in 1..=from_env("NRP_SIMULATE").unwrap_or(SEEDS) {
        eprintln!("seed {seed}");
        let world = run(seed, false);
        worker_deaths += world.counts.worker_deaths;
        kills += world.counts.kills + world.counts.power;
        assert!(
            world.ledger.counts.hindered >= 9,
            "each worker in each bad sweep"
        );
        assert!(world.ledger.counts.parked >= 3, "each bad sweep");
    }
    assert!(worker_deaths > 0 && kills > 0, "nobody was killed");
}
