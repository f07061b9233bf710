//! A million finished trials: the cost of a batch in the index, and the time that questions take.
//! This is not part of the daily tests; `just bench-questions` runs it, optimised.
#![allow(clippy::print_stderr)]

use super::questions::{asked, large, outcomes};
use super::samples::{id, submitted};
use super::{Index, Measure};
use crate::scheduler::RowId;
use nrp_proto::axis::Axis;
use std::time::Instant;

/// The number of seeds that gives a million trials in two rows.
const SEEDS: u32 = 41_666;

/// How many outcomes are applied together.
const BATCH_FACTS: usize = 4_096;

/// How often each question is asked.
const ROUNDS: usize = 200;

fn timed(what: &str, rounds: usize, mut ask: impl FnMut(usize)) {
    let mut times: Vec<_> = (0..rounds)
        .map(|round| {
            let start = Instant::now();
            ask(round);
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    let at = |share: f64| times[((rounds - 1) as f64 * share) as usize];
    eprintln!(
        "{what}: median {:.3} ms, p99 {:.3} ms, longest {:.3} ms",
        at(0.5),
        at(0.99),
        at(1.0)
    );
}

#[test]
#[ignore = "takes a minute; `just bench-questions` runs it"]
fn questions_at_a_million() {
    let dir = tempfile::tempdir_in(".").expect("a directory");
    let index = Index::open(dir.path()).expect("opens");
    let spec = large("a", SEEDS);
    timed("submit", 1, |_| {
        index.apply(1, [&submitted(&spec)]).expect("applies");
    });
    let facts = outcomes(&spec, |_| true);
    eprintln!("{} trials", facts.len());
    let batches: Vec<_> = facts.chunks(BATCH_FACTS).collect();
    let last = batches.len() - 1;
    timed("a batch of 4096 outcomes", last, |round| {
        index.apply(2, batches[round]).expect("applies");
    });
    let rows: Vec<RowId> = index
        .rows(None)
        .expect("rows")
        .iter()
        .map(|r| r.id)
        .collect();
    let whole = asked(None, &[]);
    let of_sweep = asked(Some(&spec), &[]);
    let filtered = asked(None, &["l1=64", "learning_rate<=0.001"]);
    let rare = asked(None, &["seed=41000", "l1=16"]);
    let best = |what: &str, asked: &super::Asked, top: usize, rounds: usize| {
        timed(what, rounds, |round| {
            let row = rows[round % rows.len()];
            index.best(row, asked, top).expect("reads");
        });
    };
    best("best", &whole, 1, ROUNDS);
    best("best of the sweep", &of_sweep, 1, ROUNDS);
    best("best 100", &whole, 100, ROUNDS);
    best("best 10 with two filters", &filtered, 10, ROUNDS);
    best("best 10, six of which there are", &rare, 10, 4);
    let front = |what: &str, asked: &super::Asked, rounds: usize| {
        timed(what, rounds, |_| {
            index
                .front(rows[0], asked, Measure::ValidationMse)
                .expect("reads");
        });
    };
    front("front, the first time", &whole, 1);
    front("front", &whole, ROUNDS);
    front("front with two filters", &filtered, 2);
    let marginals = |what: &str, rounds: usize| {
        timed(what, rounds, |_| {
            let cells = index.marginals(rows[0], &of_sweep, &[Axis::L1, Axis::L2]);
            assert_eq!(cells.expect("reads").expect("few").len(), 6);
        });
    };
    marginals("marginals, the first time", 1);
    marginals("marginals", ROUNDS);
    let last = batches.len() - 1;
    timed("a batch with two views", 20, |round| {
        index
            .apply(3 + round as u64, batches[last])
            .expect("applies");
    });
    let listed = index.stretch(id(&spec), 0).expect("reads");
    assert!(listed.is_some(), "the sweep is there");
}
