//! What every store must do: the same tests for the store on disk and for the fakes.

use super::samples::{
    copied, failed, finished, granted, id, paused, prioritised, rung, stamped, stopped, submitted,
    sweep, trials,
};
use super::{Asked, DiskStore, MemoryStore, Store, recorded};
use crate::scheduler::Fact;

/// Runs a test on every store.
fn over_each(test: impl Fn(&mut dyn Store)) {
    test(&mut MemoryStore::new());
    let dir = tempfile::tempdir().expect("a directory");
    let (mut store, notices) = DiskStore::open(dir.path(), &mut |_| Ok(())).expect("opens");
    assert_eq!(notices, Vec::<String>::new());
    test(&mut store);
}

fn best(store: &dyn Store, of: Option<crate::scheduler::SweepId>) -> Vec<(String, Option<f64>)> {
    let rows = store.index().rows(of).expect("rows").into_iter();
    let best = rows.map(|row| {
        let asked = Asked::new(of, Vec::new());
        let best = store.index().best(row.id, &asked, 1).expect("reads");
        let scores = best.into_iter().next().and_then(|record| record.scores);
        (
            row.example.region,
            scores.map(|scores| scores.validation_mse),
        )
    });
    best.collect()
}

#[test]
fn a_submitted_sweep_is_there_with_its_trials_in_order() {
    over_each(|store| {
        let spec = sweep("a", 700);
        store.append(&stamped([submitted(&spec)])).expect("appends");
        let mut listed = Vec::new();
        for number in 0.. {
            match store.index().stretch(id(&spec), number).expect("reads") {
                Some(stretch) => listed.extend(stretch),
                None => break,
            }
        }
        assert_eq!(listed, trials(&spec));
        let first = store
            .index()
            .trial(listed[0])
            .expect("reads")
            .expect("is there");
        assert_eq!(first.id, listed[0].to_string());
        assert_eq!(first.spec, Some(spec.trials().expect("a grid")[0].clone()));
        assert_eq!(first.state, recorded::OPEN);
        assert_eq!(store.index().totals().expect("reads"), (1_400, 0));
    });
}

#[test]
fn the_best_is_the_lowest_loss_of_a_row_and_ties_go_to_the_lower_id() {
    over_each(|store| {
        let spec = sweep("a", 4);
        let ids = trials(&spec);
        store.append(&stamped([submitted(&spec)])).expect("appends");
        assert_eq!(
            best(store, None),
            [("IT".to_owned(), None), ("V4".to_owned(), None)]
        );
        // The first half of the trials is in V4.
        let losses = [0.5, 0.25, 0.25, 1e-9];
        let facts = ids.iter().zip(losses).map(|(id, loss)| finished(*id, loss));
        store.append(&stamped(facts)).expect("appends");
        store.append(&stamped([failed(ids[4])])).expect("appends");
        let of = Some(id(&spec));
        assert_eq!(
            best(store, of),
            [("IT".to_owned(), None), ("V4".to_owned(), Some(1e-9))]
        );
        let mut other = sweep("b", 3);
        other.regions = vec!["V4".to_owned()];
        store
            .append(&stamped([submitted(&other)]))
            .expect("appends");
        let of = Some(id(&other));
        assert_eq!(best(store, of), [("V4".to_owned(), Some(0.25))]);
        let row = store.index().rows(of).expect("rows").remove(0).id;
        let asked = Asked::new(of, Vec::new());
        let winner = store.index().best(row, &asked, 1).expect("reads").remove(0);
        assert_eq!(winner.id, ids[1].min(ids[2]).to_string());
        assert_eq!(store.index().totals().expect("reads"), (8, 5));
    });
}

#[test]
fn a_trial_remembers_its_attempts_and_its_outcome_even_within_one_append() {
    over_each(|store| {
        let spec = sweep("a", 1);
        let ids = trials(&spec);
        let attempt = Fact::AttemptFailed {
            trial: ids[0],
            worker: "v".to_owned(),
            reason: "out of memory".to_owned(),
            attempts: 1,
        };
        let facts = [
            submitted(&spec),
            prioritised(&spec, 3),
            granted(&ids),
            copied(&ids[..1]),
            paused(&spec),
            attempt,
            failed(ids[1]),
        ];
        store.append(&stamped(facts)).expect("appends");
        let first = store
            .index()
            .trial(ids[0])
            .expect("reads")
            .expect("is there");
        assert_eq!((first.state, first.attempts), (recorded::OPEN, 1));
        assert_eq!(
            (first.reason.as_str(), first.worker.as_str()),
            ("out of memory", "v")
        );
        let second = store
            .index()
            .trial(ids[1])
            .expect("reads")
            .expect("is there");
        assert_eq!(second.state, recorded::FAILED);
        assert_eq!(second.reason, "the loss diverged");
    });
}

#[test]
fn a_resumed_sweep_opens_its_failed_trials_and_no_other() {
    over_each(|store| {
        let spec = sweep("a", 1);
        let ids = trials(&spec);
        let facts = [submitted(&spec), failed(ids[0]), finished(ids[1], 0.5)];
        store.append(&stamped(facts)).expect("appends");
        let resumed = Fact::SweepResumed { sweep: id(&spec) };
        store.append(&stamped([resumed])).expect("appends");
        let state = |trial| {
            store
                .index()
                .trial(trial)
                .expect("reads")
                .expect("is there")
                .state
        };
        assert_eq!(state(ids[0]), recorded::OPEN);
        assert_eq!(state(ids[1]), recorded::FINISHED);
    });
}

#[test]
fn a_stopped_trial_is_no_finished_one_until_it_is() {
    over_each(|store| {
        let spec = sweep("a", 1);
        let ids = trials(&spec);
        let facts = [
            submitted(&spec),
            rung(ids[1], 3, 0.9),
            stopped(ids[0], 3, 0.8),
        ];
        store.append(&stamped(facts)).expect("appends");
        let trial = |store: &dyn Store, trial| {
            let record = store.index().trial(trial).expect("reads");
            record.expect("is there")
        };
        let record = trial(store, ids[0]);
        assert_eq!(record.state, recorded::STOPPED);
        let stop = record.stop.expect("where");
        assert_eq!((stop.epochs, stop.validation_mse), (3, 0.8));
        assert_eq!(record.scores, None);
        assert_eq!(trial(store, ids[1]).state, recorded::OPEN);
        assert_eq!(store.index().totals().expect("reads"), (2, 1));
        assert!(best(store, None).iter().all(|(_, loss)| loss.is_none()));
        // Another sweep resumed the trial; if it fails there, it is stopped again once that sweep
        // is resumed.
        store.append(&stamped([failed(ids[0])])).expect("appends");
        assert_eq!(trial(store, ids[0]).state, recorded::FAILED);
        let resumed = Fact::SweepResumed { sweep: id(&spec) };
        store.append(&stamped([resumed])).expect("appends");
        assert_eq!(trial(store, ids[0]).state, recorded::STOPPED);
        store
            .append(&stamped([finished(ids[0], 0.5)]))
            .expect("appends");
        assert_eq!(trial(store, ids[0]).state, recorded::FINISHED);
        assert_eq!(store.index().totals().expect("reads"), (2, 1));
    });
}

#[test]
fn a_sweep_submitted_again_changes_nothing_of_its_trials() {
    over_each(|store| {
        let mut spec = sweep("a", 1);
        let ids = trials(&spec);
        store
            .append(&stamped([submitted(&spec), finished(ids[0], 0.5)]))
            .expect("appends");
        spec.data_dir = "/elsewhere".to_owned();
        store.append(&stamped([submitted(&spec)])).expect("appends");
        assert_eq!(
            store.index().totals().expect("reads"),
            (ids.len() as u64, 1)
        );
        let first = store
            .index()
            .trial(ids[0])
            .expect("reads")
            .expect("is there");
        assert_eq!(first.state, recorded::FINISHED);
        assert_eq!(
            first.scores.expect("scores").pearson_median,
            Some(0.1 + 0.2)
        );
    });
}
