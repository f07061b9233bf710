//! Deletion on disk: the journal loses the sweep in one step, the index follows, both return their
//! space, and the state is always either the one before or the one without the sweep.

use super::compacting::{Halting, Steps, state};
use super::damage::{directory, journal, open};
use super::journal::Journal;
use super::samples::{
    finished, id, large_scores, recorded_with, stamped, stopped, submitted, sweep, trials,
};
use super::sizes::bytes_in;
use super::{DiskStore, Store, StoreError, recorded, verify};
use crate::driver::Replayed;
use crate::scheduler::{Event, Fact, Settings, Snapshot, SweepId, durable};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// The snapshot of a history without a sweep, as the driver makes it.
fn snapshot_without(facts: &[Fact], sweep: SweepId) -> Snapshot {
    let mut replayed = Replayed::new(Settings::default());
    for fact in facts {
        replayed.take(0, fact.clone()).expect("is taken in");
    }
    let deleted = Fact::SweepDeleted { sweep };
    replayed.take(0, deleted.clone()).expect("is taken in");
    let mut snapshot = replayed.snapshot();
    snapshot.after.push(deleted);
    snapshot
}

/// Two sweeps that have ended and share half of the smaller one's trials.
fn history() -> (Vec<Fact>, SweepId) {
    let (a, b) = (sweep("a", 2), sweep("b", 4));
    let shared = trials(&a);
    let mut facts = vec![submitted(&a), submitted(&b)];
    facts.extend(shared.iter().map(|trial| finished(*trial, 0.5)));
    let others = trials(&b);
    let others = others.iter().filter(|trial| !shared.contains(trial));
    facts.extend(others.map(|trial| finished(*trial, 0.25)));
    (facts, id(&b))
}

/// The state of a history in which a sweep never existed.
fn without(facts: &[Fact], sweep: SweepId) -> impl PartialEq + std::fmt::Debug + use<> {
    let mut replayed = Replayed::new(Settings::default());
    for fact in facts {
        let is_its = matches!(fact, Fact::SweepSubmitted { sweep: other, .. } if *other == sweep);
        if !is_its {
            replayed.take(0, fact.clone()).expect("is taken in");
        }
    }
    let mut core = replayed.core;
    core.on_event(0, Event::ReplayEnded);
    durable(&core)
}

fn totals(dir: &Path) -> (u64, u64) {
    let mut replayed = Replayed::new(Settings::default());
    let visit = &mut |fact| replayed.take(0, fact);
    let (mut store, _) = DiskStore::open(dir, visit).expect("opens");
    store.check_index(replayed.core.totals()).expect("checks");
    let totals = store.index().totals().expect("reads");
    assert_eq!(totals, replayed.core.totals());
    totals
}

#[test]
fn a_deleted_sweep_gives_its_space_back_in_journal_and_index() {
    let dir = tempfile::tempdir().expect("a directory");
    let (big, small) = (sweep("big", 2_000), sweep("small", 3));
    let mut facts = vec![submitted(&big), submitted(&small)];
    let of_big = trials(&big);
    let outcomes = of_big
        .iter()
        .map(|trial| recorded_with(*trial, large_scores(trial.0)));
    facts.extend(outcomes);
    let (mut store, _, _) = open(dir.path()).expect("opens");
    for facts in facts.chunks(500) {
        store.append(&stamped(facts.to_vec())).expect("appends");
    }
    let sizes = || {
        let journal = fs::metadata(journal(&dir)).expect("is there").len();
        (journal, bytes_in(&dir.path().join("index")).expect("reads"))
    };
    drop(store);
    let before = sizes();
    let (mut store, _, _) = open(dir.path()).expect("opens");
    let remake = store
        .purge(7, snapshot_without(&facts, id(&big)))
        .expect("purges");
    let index = store.index().clone();
    remake(&index).expect("is rebuilt");
    // The small sweep's trials are among the big one's, so they stay.
    let small_trials = trials(&small);
    assert_eq!(index.totals().expect("reads"), (6, 6));
    for trial in &small_trials {
        let record = index.trial(*trial).expect("reads").expect("stays");
        assert_eq!(record.state, recorded::FINISHED);
    }
    let gone = of_big.iter().find(|trial| !small_trials.contains(trial));
    assert_eq!(index.trial(*gone.expect("is large")).expect("reads"), None);
    // The index still applies new facts.
    store
        .append(&stamped([submitted(&sweep("next", 5))]))
        .expect("appends");
    assert_eq!(index.totals().expect("reads"), (10, 6));
    drop((store, index));
    let after = sizes();
    assert!(after.0 * 100 < before.0, "journal: {before:?} to {after:?}");
    assert!(after.1 * 4 < before.1, "index: {before:?} to {after:?}");
    let verified = verify(dir.path()).expect("verifies");
    assert!(verified.is_whole(), "{verified:?}");
    assert_eq!(totals(dir.path()), (10, 6));
}

#[test]
fn a_journal_without_a_sweep_makes_the_state_in_which_it_never_was() {
    let (facts, deleted) = history();
    let dir = tempfile::tempdir().expect("a directory");
    let (mut store, _, _) = open(dir.path()).expect("opens");
    store.append(&stamped(facts.clone())).expect("appends");
    let remake = store.purge(7, snapshot_without(&facts, deleted));
    // Killed before the index was rebuilt.
    drop(remake.expect("purges"));
    drop(store);
    assert_eq!(
        format!("{:?}", state(dir.path()).1),
        format!("{:?}", without(&facts, deleted))
    );
    let (_, read, notices) = open(dir.path()).expect("opens");
    assert!(
        read.contains(&Fact::SweepDeleted { sweep: deleted }),
        "it is on record"
    );
    assert!(notices[0].contains("was rebuilt"), "{notices:?}");
    assert_eq!(totals(dir.path()), (4, 4));
    // Submitted again, the sweep has the outcomes of the trials that stayed, and no others.
    let (mut store, _, _) = open(dir.path()).expect("opens");
    let again = [submitted(&sweep("b", 4))];
    store.append(&stamped(again)).expect("appends");
    assert_eq!(store.index().totals().expect("reads"), (8, 4));
    drop(store);
    assert_eq!(totals(dir.path()), (8, 4));
}

#[test]
fn a_stopped_trial_that_is_deleted_leaves_no_loss_behind() {
    let dir = tempfile::tempdir().expect("a directory");
    let spec = sweep("a", 2);
    let ids = trials(&spec);
    let facts = [
        submitted(&spec),
        stopped(ids[0], 3, 0.5),
        Fact::SweepCancelled { sweep: id(&spec) },
    ];
    let (mut store, _, _) = open(dir.path()).expect("opens");
    store.append(&stamped(facts.clone())).expect("appends");
    let remake = store.purge(7, snapshot_without(&facts, id(&spec)));
    drop(remake.expect("purges"));
    drop(store);
    assert_eq!(totals(dir.path()), (0, 0));
    let text = fs::read_to_string(journal(&dir)).expect("reads");
    assert!(!text.contains(&ids[0].to_string()), "{text}");
}

/// A closed journal with a history.
fn written(facts: &[Fact]) -> TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    let (mut journal, _) = Journal::open(directory(dir.path()), &mut |_, _| Ok(())).expect("opens");
    journal.append(&stamped(facts.to_vec())).expect("appends");
    dir
}

#[test]
fn killed_at_any_step_a_deletion_is_done_or_not_begun() {
    let (facts, deleted) = history();
    let before = format!("{:?}", state(written(&facts).path()).1);
    let after = format!("{:?}", without(&facts, deleted));
    let mut seen = [false; 2];
    for steps in 0.. {
        let dir = written(&facts);
        let steps = Steps::new(steps);
        let files = Box::new(Halting::new(dir.path(), &steps));
        let purged = Journal::open(files, &mut |_, _| Ok(())).and_then(|(mut journal, _)| {
            journal.purge(7, snapshot_without(&facts, deleted))?;
            Ok::<_, StoreError>(())
        });
        let found = format!("{:?}", state(dir.path()).1);
        assert!(
            found == before || found == after,
            "{} steps left",
            steps.left()
        );
        // What was acknowledged stays.
        assert!(purged.is_err() || found == after);
        seen[usize::from(found == after)] = true;
        if steps.left() > 0 {
            break;
        }
    }
    assert_eq!(seen, [true; 2]);
}
