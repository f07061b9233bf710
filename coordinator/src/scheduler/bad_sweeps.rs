//! Tests of hindrances: a sweep that workers cannot run stops no other, says why, and goes on once
//! that is mended.

use super::scene::Scene;
use super::*;

fn first(job: Option<Grant>) -> u128 {
    job.expect("a job").trials[0].0
}

/// Sweep 1 is one group, of which worker `a` has said that it lacks the files; `b` and `c` are there.
fn hindered_on_one() -> Scene {
    let mut scene = Scene::new();
    scene.submit(1, 0..4);
    for worker in ["a", "b", "c"] {
        scene.register(worker, "1", 2);
    }
    let job = scene.lease("a", "1").expect("a job");
    scene.hinder("a", "1", job.lease, "no files");
    scene
}

/// As `hindered_on_one`, and the others have said so too.
fn parked() -> Scene {
    let mut scene = hindered_on_one();
    for worker in ["b", "c"] {
        let job = scene.lease(worker, "1").expect("a job");
        scene.hinder(worker, "1", job.lease, "no files");
    }
    assert_eq!(scene.sweep(1).0, SweepState::Parked);
    scene
}

fn why(scene: &Scene, sweep: u64) -> SweepWhy {
    let why = scene.core.explain_sweep(scene.now_ms, SweepId(sweep));
    why.expect("was submitted")
}

#[test]
fn one_bad_sweep_ends_no_worker_and_starves_no_other_sweep() {
    let mut scene = hindered_on_one();
    scene.submit(2, 200..202);
    let good = scene.lease("a", "1").expect("what it can run");
    assert_eq!(good.trials, [TrialId(200)]);
    scene.finish_all("a", &good);
    assert_eq!(first(scene.lease("a", "1")), 201);
    assert_eq!(scene.lease("a", "1"), None, "it said that it cannot");
    let counts = scene.sweep(1).1;
    assert_eq!(
        (counts.waiting, counts.failed),
        (4, 0),
        "no trial is blamed"
    );
}

#[test]
fn trials_are_parked_once_every_worker_has_said_so_and_a_resume_tries_again() {
    let mut scene = parked();
    let counts = scene.sweep(1).1;
    assert_eq!((counts.parked, counts.waiting), (4, 0));
    let told = scene.core.hindered(SweepId(1));
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].workers, ["a", "b", "c"]);
    assert_eq!((told[0].trials, told[0].parked), (4, 4));
    assert_eq!(
        (&*told[0].reason, &*told[0].hint),
        ("no files", "mend no files")
    );
    assert_eq!(
        scene.view(0),
        TrialView::Parked {
            hindered: told.clone()
        }
    );
    for worker in ["a", "b", "c"] {
        assert_eq!(scene.lease(worker, "1"), None);
    }
    scene.resume(1);
    assert_eq!(scene.sweep(1).0, SweepState::Running);
    let job = scene.lease("a", "1").expect("it is tried again");
    scene.finish_all("a", &job);
    while let Some(job) = scene.lease("b", "1") {
        scene.finish_all("b", &job);
    }
    assert_eq!(scene.sweep(1).0, SweepState::Finished);
}

#[test]
fn a_new_submission_tries_again() {
    let mut scene = parked();
    scene.submit(1, 0..4);
    assert_eq!(first(scene.lease("a", "1")), 0);
}

#[test]
fn another_worker_or_process_is_asked_and_those_that_said_so_are_not() {
    for (worker, instance) in [("d", "1"), ("a", "2")] {
        let mut scene = parked();
        scene.register(worker, instance, 4);
        assert_eq!(scene.lease("b", "1"), None);
        let job = scene.lease(worker, instance).expect("a job");
        assert_eq!(scene.sweep(1).0, SweepState::Running);
        assert_eq!(scene.lease("b", "1"), None);
        scene.hinder(worker, instance, job.lease, "other files");
        assert_eq!(scene.sweep(1).0, SweepState::Parked);
        assert_eq!(scene.core.hindered(SweepId(1)).len(), 2, "two reasons");
    }
}

#[test]
fn a_worker_is_asked_again_after_a_while_each_time_a_longer_one() {
    let mut scene = hindered_on_one();
    let busy = scene.lease("b", "1").expect("a job");
    let waits = |scene: &mut Scene, ms: u64| {
        while ms > 0 && scene.lease("a", "1").is_none() {
            scene.wait("b", 1_000, busy.lease);
            scene.heartbeat("c", "1", &[]);
        }
    };
    let begun_ms = scene.now_ms;
    waits(&mut scene, HINDERED_MS);
    assert_eq!(scene.now_ms - begun_ms, HINDERED_MS);
    let job = scene.core.leases.keys().next_back().copied().expect("its");
    let lease = scene.core.leases[&job].lease;
    scene.hinder("a", "1", lease, "no files");
    let begun_ms = scene.now_ms;
    waits(&mut scene, HINDERED_MS);
    assert_eq!(scene.now_ms - begun_ms, 2 * HINDERED_MS);
}

#[test]
fn explain_says_who_cannot_and_not_that_an_idle_worker_gets_them() {
    let mut scene = hindered_on_one();
    assert_eq!(why(&scene, 1).waits, [(Waits::Next, 4)], "for b and c");
    scene.submit(2, 200..202);
    for worker in ["b", "c"] {
        let job = scene.lease(worker, "1").expect("a job");
        assert!(job.trials[0].0 >= 200 || job.trials.len() == 2);
    }
    let waits = why(&scene, 1).waits;
    let (Waits::Hindered { by, others }, trials) = &waits[0] else {
        panic!("an idle worker that cannot is passed over in silence: {waits:?}");
    };
    assert_eq!((by[0].workers[0].as_str(), *others, *trials), ("a", 2, 2));
    let parked = parked();
    let why = why(&parked, 1);
    assert_eq!((why.waits.len(), why.counts.parked), (0, 4));
    assert_eq!(why.parked[0].reason, "no files");
    let trial = parked.core.explain_trial(parked.now_ms, TrialId(0));
    assert!(matches!(trial, Some(TrialWhy::Parked { .. })), "{trial:?}");
}

#[test]
fn who_goes_without_a_word_leaves_nobody_to_ask() {
    let mut scene = hindered_on_one();
    let job = scene.lease("b", "1").expect("a job");
    scene.hinder("b", "1", job.lease, "other files");
    assert_eq!(scene.sweep(1).0, SweepState::Running, "c may be able to");
    for _ in 0..31 {
        scene.pass(1_000);
        scene.heartbeat("a", "1", &[]);
        scene.heartbeat("b", "1", &[]);
    }
    assert_eq!(scene.sweep(1).0, SweepState::Parked);
    assert_eq!(first(scene.lease("c", "1")), 0, "it was only silent");
}

#[test]
fn nothing_is_parked_while_nobody_is_there() {
    let mut scene = hindered_on_one();
    scene.pass(40_000);
    scene.pass(40_000);
    assert_eq!(scene.sweep(1).0, SweepState::Running);
    assert_eq!(why(&scene, 1).waits, [(Waits::NoWorker, 4)]);
}

#[test]
fn what_is_parked_stays_so_over_a_restart_and_is_not_asked_of_the_same_processes() {
    let mut scene = parked();
    let told = scene.core.hindered(SweepId(1));
    scene.restart();
    assert_eq!(scene.sweep(1).0, SweepState::Parked);
    assert_eq!(scene.core.hindered(SweepId(1)), told);
    scene.register("a", "1", 2);
    assert_eq!(scene.lease("a", "1"), None);
    assert_eq!(scene.sweep(1).0, SweepState::Parked);
    scene.register("b", "2", 2);
    assert_eq!(first(scene.lease("b", "2")), 0);
}

#[test]
fn after_a_restart_others_are_waited_for_before_anything_is_parked() {
    let mut scene = hindered_on_one();
    scene.restart();
    scene.register("a", "1", 2);
    let job = scene.lease("a", "1").expect("a job");
    scene.hinder("a", "1", job.lease, "no files");
    assert_eq!(scene.sweep(1).0, SweepState::Running);
    scene.pass(SETTLE_MS);
    assert_eq!(scene.sweep(1).0, SweepState::Parked);
}

#[test]
fn trials_that_a_bad_sweep_shares_with_a_good_one_run_on_the_good_ones_files() {
    let mut scene = Scene::new();
    scene.submit(2, 2..4);
    // The newer one is bad, and its files are tried first.
    scene.submit(1, 0..4);
    scene.register("a", "1", 8);
    let job = scene.lease("a", "1").expect("a job");
    let mut tried = vec![job.sweep];
    let mut job = job;
    while job.sweep == SweepId(1) {
        scene.hinder("a", "1", job.lease, "no files");
        job = scene.lease("a", "1").expect("the good one's");
        tried.push(job.sweep);
    }
    assert_eq!(job.trials, [2, 3].map(TrialId));
    assert_eq!(tried, [1, 2].map(SweepId));
    scene.finish_all("a", &job);
    assert_eq!(scene.sweep(2).0, SweepState::Finished);
    while let Some(job) = scene.lease("a", "1") {
        scene.hinder("a", "1", job.lease, "no files");
    }
    let (state, counts) = scene.sweep(1);
    assert_eq!(
        (state, counts.finished, counts.parked),
        (SweepState::Parked, 2, 2)
    );
    assert_eq!(scene.core.counts().parked, 2);
}

#[test]
fn a_trial_parked_for_one_sweep_waits_for_another() {
    let mut scene = parked();
    scene.submit(2, 2..6);
    assert_eq!(
        (scene.sweep(1).0, scene.sweep(2).0),
        (SweepState::Parked, SweepState::Running)
    );
    assert_eq!(scene.view(2), TrialView::Waiting);
    assert!(matches!(scene.view(0), TrialView::Parked { .. }));
    let in_first = scene.core.trial(Some(SweepId(1)), TrialId(2));
    assert!(matches!(in_first, Some(TrialView::Parked { .. })));
    let job = scene.lease("a", "1").expect("of the second sweep");
    assert_eq!((job.sweep, first(Some(job.clone()))), (SweepId(2), 2));
    assert_eq!(scene.sweep(1).1.leased, 2);
    scene.release("a", "1", job.lease);
    assert_eq!(scene.sweep(1).1.parked, 4);
}

#[test]
fn cancelling_a_parked_sweep_ends_it_and_submitting_it_takes_it_up() {
    let mut scene = parked();
    scene.cancel(1);
    assert_eq!(scene.sweep(1).0, SweepState::Cancelled);
    assert_eq!(scene.sweep(1).1.cancelled, 4);
    scene.submit(1, 0..4);
    assert_eq!(first(scene.lease("a", "1")), 0);
}

#[test]
fn a_pause_keeps_what_is_parked_and_a_resume_tries_it_again() {
    let mut scene = hindered_on_one();
    scene.submit(1, 0..4);
    scene.pause(1);
    assert_eq!(scene.sweep(1).0, SweepState::Paused);
    scene.resume(1);
    assert_eq!(first(scene.lease("a", "1")), 0);
}

#[test]
fn what_is_said_of_a_job_from_before_a_resume_no_longer_counts() {
    let mut scene = Scene::new();
    scene.submit(1, 0..4);
    scene.register("a", "1", 4);
    let job = scene.lease("a", "1").expect("a job");
    // The files are put in place, and somebody submits the sweep again.
    scene.submit(1, 0..4);
    scene.hinder("a", "1", job.lease, "no files");
    assert_eq!(scene.sweep(1).0, SweepState::Running);
    assert_eq!(first(scene.lease("a", "1")), 0);
}

#[test]
fn a_full_disk_has_its_worker_pause_and_an_outcome_ends_that() {
    let mut scene = Scene::new();
    scene.submit(1, 200..204);
    scene.register("a", "1", 1);
    scene.register("b", "1", 1);
    let job = scene.lease("a", "1").expect("a job");
    scene.hinder_by("a", "1", job.lease, "the disk is full", true);
    assert_eq!(scene.lease("a", "1"), None, "it pauses in all it does");
    let other = scene.lease("b", "1").expect("another is not hindered");
    assert!(matches!(why(&scene, 1).waits[0].0, Waits::Hindered { .. }));
    scene.wait("b", UNFIT_MS, other.lease);
    let job = scene.lease("a", "1").expect("it tries again");
    assert_ne!(job.trials[0], TrialId(200), "another group");
    scene.hinder_by("a", "1", job.lease, "the disk is full", true);
    scene.wait("b", UNFIT_MS, other.lease);
    assert_eq!(scene.lease("a", "1"), None, "and pauses for longer");
    scene.wait("b", UNFIT_MS, other.lease);
    let job = scene.lease("a", "1").expect("it tries again");
    scene.finish_all("a", &job);
    assert!(!scene.core.workers["a"].is_unfit(scene.now_ms));
    assert_eq!(scene.sweep(1).1.failed, 0);
}

#[test]
fn many_bad_sweeps_hide_no_good_one() {
    let mut scene = Scene::new();
    scene.register("a", "1", 1);
    scene.register("b", "1", 1);
    let bad = 2 * TURNS_LOOKED as u64;
    for sweep in 1..=bad {
        let trial = 200 + u128::from(sweep);
        scene.submit(sweep, trial..trial + 1);
    }
    for _ in 0..bad {
        let job = scene.lease("a", "1").expect("a job");
        scene.hinder("a", "1", job.lease, "no files");
    }
    assert_eq!(scene.lease("a", "1"), None);
    scene.submit(99, 290..291);
    scene.prioritise(99, -1);
    assert_eq!(first(scene.lease("a", "1")), 290);
}

#[test]
fn a_slow_trial_is_copied_while_a_bad_sweep_waits_for_its_worker() {
    let mut scene = Scene::of(Settings {
        copy_after_ms: 1_000,
        ..Settings::default()
    });
    scene.submit(1, 200..202);
    scene.register("slow", "1", 1);
    scene.register("b", "1", 1);
    let slow = scene.lease("slow", "1").expect("a job");
    let quick = scene.lease("b", "1").expect("a job");
    scene.finish_all("b", &quick);
    scene.submit(2, 210..211);
    let bad = scene.lease("b", "1").expect("the bad one");
    scene.hinder("b", "1", bad.lease, "no files");
    scene.wait("slow", 2_000, slow.lease);
    let copy = scene.lease("b", "1").expect("a copy");
    assert_eq!(copy.trials, slow.trials);
}

#[test]
fn a_copy_that_cannot_run_is_no_loss_and_is_not_handed_out_again() {
    let mut scene = Scene::of(Settings {
        copy_after_ms: 1_000,
        ..Settings::default()
    });
    scene.submit(1, 200..202);
    scene.register("slow", "1", 1);
    scene.register("b", "1", 1);
    let slow = scene.lease("slow", "1").expect("a job");
    let quick = scene.lease("b", "1").expect("a job");
    scene.finish_all("b", &quick);
    scene.wait("slow", 2_000, slow.lease);
    let copy = scene.lease("b", "1").expect("a copy");
    scene.hinder("b", "1", copy.lease, "no memory");
    assert_eq!(scene.lease("b", "1"), None);
    assert_eq!(scene.sweep(1).1.leased, 1);
    scene.finish_all("slow", &slow);
    assert_eq!(scene.sweep(1).0, SweepState::Finished);
}

#[test]
fn trials_that_need_too_much_memory_keep_no_others_of_their_group_waiting() {
    let mut scene = Scene::new();
    scene.submit(1, 0..7);
    scene.register("a", "1", 2);
    let mut too_large = Vec::new();
    let mut finished = Vec::new();
    while scene.sweep(1).0 == SweepState::Running {
        let job = scene.lease("a", "1").expect("a job");
        // The first four do not fit, nor does the last.
        let (large, small): (Vec<_>, Vec<_>) = job
            .trials
            .iter()
            .map(|trial| trial.0)
            .partition(|trial| *trial < 4 || *trial == 6);
        for trial in small {
            scene.finish("a", &job, trial);
            finished.push(trial);
        }
        if !large.is_empty() {
            too_large.extend(large);
            scene.hinder("a", "1", job.lease, "no memory");
        }
    }
    assert_eq!(finished, [4, 5]);
    assert_eq!(too_large, [0, 1, 2, 3, 6], "each is tried once");
    let (state, counts) = scene.sweep(1);
    assert_eq!((state, counts.parked), (SweepState::Parked, 5));
}

#[test]
fn no_job_carries_along_what_some_worker_could_not_run() {
    let mut scene = Scene::new();
    // Groups of their own, all of one pass.
    scene.submit(1, 200..201);
    scene.submit(2, 201..203);
    scene.register("a", "1", 1);
    scene.register("b", "1", 1);
    let bad = scene.lease("a", "1").expect("a job");
    assert_eq!(bad.along, [201, 202].map(TrialId));
    scene.hinder("a", "1", bad.lease, "no such layer");
    let good = scene.lease("a", "1").expect("a job");
    assert_eq!(
        (good.trials[0], good.along),
        (TrialId(201), vec![TrialId(202)])
    );
}
