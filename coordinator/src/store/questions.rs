//! Questions about finished trials, compared with a scan of every trial, on each store.

use super::samples::{id, lease, stamped, submitted, sweep, trials};
use super::{Asked, DiskStore, Measure, MemoryStore, Row, Store};
use crate::scheduler::{Ending, Fact, TrialId};
use nrp_proto::axis::{Axis, Condition, Value};
use nrp_proto::wire::{Scores, SweepSpec, TrialRecord};

/// Runs a test on every store.
fn over_each(test: impl Fn(&mut dyn Store)) {
    test(&mut MemoryStore::new());
    let dir = tempfile::tempdir().expect("a directory");
    let (mut store, _) = DiskStore::open(dir.path(), &mut |_| Ok(())).expect("opens");
    test(&mut store);
}

/// A sweep over sizes and learning rates in two regions: 2 × 2 × 3 × 2 × `seeds` trials.
pub(super) fn large(name: &str, seeds: u32) -> SweepSpec {
    let mut spec = sweep(name, seeds);
    let grid = spec.grid.as_mut().expect("a grid");
    grid.l1 = vec![16, 64];
    grid.l2 = vec![8, 32, 128];
    grid.learning_rate = vec![1e-3, 1e-2];
    spec
}

/// Scores computed from a trial's id, with ties among the losses.
fn scores(trial: TrialId, parameters: u64) -> Scores {
    let digit = (trial.0 >> 40) as u8;
    Scores {
        validation_mse: f64::from(digit % 32) / 32.0,
        nrp_error: f64::from((trial.0 >> 60) as u8) / 256.0,
        parameters,
        ..Scores::default()
    }
}

/// The outcomes of those trials of a sweep whose place `every` accepts.
pub(super) fn outcomes(spec: &SweepSpec, every: impl Fn(usize) -> bool) -> Vec<Fact> {
    let specs = spec.trials().expect("a grid");
    let facts = trials(spec).into_iter().zip(specs).enumerate();
    let facts = facts.filter(|(place, _)| every(*place));
    let facts = facts.map(|(_, (trial, spec))| Fact::OutcomeRecorded {
        trial,
        worker: "w".to_owned(),
        lease: lease(),
        attempts: 1,
        outcome: Ending::Finished(Box::new(scores(
            trial,
            u64::from(spec.l1.unwrap_or(1)) * u64::from(spec.l2.unwrap_or(1)),
        ))),
    });
    facts.collect()
}

fn finish(store: &mut dyn Store, spec: &SweepSpec, every: impl Fn(usize) -> bool) {
    let facts = outcomes(spec, every);
    store.append(&stamped(facts)).expect("appends");
}

/// Every finished trial of a row, the best first, by reading all trials.
fn finished(store: &dyn Store, row: &Row, of: &SweepSpec) -> Vec<TrialRecord> {
    let records = trials(of).into_iter();
    let records = records.map(|id| store.index().trial(id).expect("reads").expect("is there"));
    let mut records: Vec<_> = records
        .filter(|record| record.scores.is_some())
        .filter(|record| record.spec.as_ref().map(|spec| &spec.region) == Some(&row.example.region))
        .collect();
    records.sort_by(|a, b| loss(a).total_cmp(&loss(b)).then_with(|| a.id.cmp(&b.id)));
    records
}

fn loss(record: &TrialRecord) -> f64 {
    record.scores.as_ref().expect("scores").validation_mse
}

pub(super) fn asked(spec: Option<&SweepSpec>, filters: &[&str]) -> Asked {
    let conditions = filters.iter().map(|filter| filter.parse().expect(filter));
    Asked::new(spec.map(id), conditions.collect())
}

#[test]
fn the_best_that_meet_conditions_are_those_of_a_look_at_all() {
    over_each(|store| {
        let spec = large("a", 20);
        store.append(&stamped([submitted(&spec)])).expect("appends");
        finish(store, &spec, |place| place % 3 != 0);
        for filters in [
            &[][..],
            &["l1=16"],
            &["learning_rate<=0.001", "l2>8"],
            &["seed=3", "l1!=16"],
            &["layers=conv_pw_13_relu", "depth=2", "dropout=0"],
            &["parameters<=512", "weight_decay>=0", "sparsity=0"],
            &["l1=17"],
        ] {
            let conditions: Vec<Condition> = filters
                .iter()
                .map(|filter| filter.parse().expect("parses"))
                .collect();
            for row in store.index().rows(Some(id(&spec))).expect("rows") {
                let mut expected = finished(store, &row, &spec);
                expected.retain(|record| conditions.iter().all(|c| c.holds(record)));
                for top in [1, 7, 1_000] {
                    let best = store.index().best(row.id, &asked(None, filters), top);
                    let expected = &expected[..top.min(expected.len())];
                    assert_eq!(best.expect("reads"), expected, "{filters:?}");
                }
            }
        }
        let other_region = asked(None, &["region=IT", "ann=mobilenet"]);
        let rows = store.index().rows(None).expect("rows");
        let of_it: Vec<_> = rows
            .iter()
            .filter(|row| other_region.may_be_in(&row.example))
            .collect();
        assert_eq!(of_it.len(), 1);
        assert_eq!(of_it[0].example.region, "IT");
    });
}

#[test]
fn fronts_and_marginals_follow_what_finishes_and_keep_sweeps_apart() {
    over_each(|store| {
        let (all, few) = (large("a", 8), large("b", 2));
        store.append(&stamped([submitted(&all)])).expect("appends");
        for share in 0..3 {
            // Asked before, between and after the outcomes: views that were begun early must not
            // fall behind.
            finish(store, &all, |place| place % 3 == share);
            check_tables(store, &all, None);
            check_tables(store, &all, Some(&all));
            // Asking again must change nothing.
            finish(store, &all, |place| place % 3 == share);
            check_tables(store, &all, None);
        }
        store.append(&stamped([submitted(&few)])).expect("appends");
        check_tables(store, &few, Some(&few));
        check_tables(store, &all, None);
        let row = store.index().rows(None).expect("rows").remove(0).id;
        let of_few = asked(Some(&few), &[]);
        let cells = store
            .index()
            .marginals(row, &of_few, &[Axis::Seed])
            .expect("reads");
        assert_eq!(cells.expect("few").len(), 2, "the sweep of two seeds");
    });
}

fn check_tables(store: &dyn Store, spec: &SweepSpec, of: Option<&SweepSpec>) {
    for row in store.index().rows(of.map(id)).expect("rows") {
        let every = finished(store, &row, spec);
        for filters in [&[][..], &["learning_rate=0.01"]] {
            let conditions: Vec<Condition> = filters
                .iter()
                .map(|filter| filter.parse().expect("parses"))
                .collect();
            let mut every = every.clone();
            every.retain(|record| conditions.iter().all(|c| c.holds(record)));
            let asked = asked(of, filters);
            for (measure, score) in [
                (
                    Measure::ValidationMse,
                    (|s: &Scores| s.validation_mse) as fn(&Scores) -> f64,
                ),
                (Measure::NrpError, |s| s.nrp_error),
            ] {
                let front = store.index().front(row.id, &asked, measure).expect("reads");
                let place = |record: &TrialRecord| {
                    let scores = record.scores.as_ref().expect("scores");
                    (scores.parameters, score(scores))
                };
                let mut expected: Vec<_> = every.iter().map(place).collect();
                expected.retain(|(size, score)| {
                    !every.iter().map(place).any(|other| {
                        other.0 <= *size && other.1 <= *score && other != (*size, *score)
                    })
                });
                expected.sort_by_key(|(size, _)| *size);
                expected.dedup();
                assert_eq!(front.iter().map(place).collect::<Vec<_>>(), expected);
            }
            let by = [Axis::L1, Axis::L2];
            let cells = store.index().marginals(row.id, &asked, &by).expect("reads");
            let cells = cells.expect("few");
            assert_eq!(
                cells.values().map(|cell| cell.trials).sum::<u64>(),
                every.len() as u64
            );
            for (values, cell) in cells {
                let of_cell: Vec<_> = every
                    .iter()
                    .filter(|record| {
                        by.iter()
                            .map(|axis| axis.of(record))
                            .eq(values.iter().cloned())
                    })
                    .collect();
                let mean = of_cell.iter().map(|r| loss(r)).sum::<f64>() / of_cell.len() as f64;
                // The sums are in another order.
                assert!((cell.mean_validation_mse() - mean).abs() < 1e-12);
                assert_eq!(cell.best.to_string(), of_cell[0].id);
                assert_eq!(cell.best_validation_mse, loss(of_cell[0]));
            }
        }
    }
}

#[test]
fn what_has_no_such_axis_has_a_cell_of_its_own() {
    over_each(|store| {
        let mut spec = large("a", 1);
        spec.grid.as_mut().expect("a grid").depth = vec![1, 2];
        store.append(&stamped([submitted(&spec)])).expect("appends");
        finish(store, &spec, |_| true);
        let row = store.index().rows(None).expect("rows").remove(0).id;
        let cells = store.index().marginals(row, &asked(None, &[]), &[Axis::L2]);
        let cells = cells.expect("reads").expect("few");
        let values: Vec<_> = cells.into_keys().map(|mut key| key.remove(0)).collect();
        let whole = |number| Some(Value::Whole(number));
        assert_eq!(values, [None, whole(8), whole(32), whole(128)]);
    });
}
