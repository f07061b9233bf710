//! A million recorded trials: the cost of an append, the size on disk, and the time of a start.
//! This is not part of the daily tests; `just bench-store` runs it, optimised.
#![allow(clippy::print_stderr)]

use super::files::Directory;
use super::journal::Journal;
use super::samples::{id, large_scores, recorded_with, stamped, submitted};
use super::{DiskStore, Store, verify};
use crate::driver::Replayed;
use crate::expand;
use crate::scheduler::Settings;
use nrp_proto::sweep::SweepFile;
use nrp_proto::wire::SweepSpec;
use std::path::Path;
use std::time::Instant;

/// How many outcomes share a sync, as under load.
const BATCH_FACTS: usize = 256;

/// A sweep of `trials` cells in two regions.
fn grid(trials: usize) -> SweepSpec {
    let list = |n: usize| {
        (1..=n)
            .map(|n| n.to_string())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let rates: Vec<_> = (1..=10).map(|n| format!("{n}e-4")).collect();
    let text = format!(
        r#"
        name = "million"
        recordings = {{ assembly = "simulated", regions = ["V4", "IT"] }}
        [[ann]]
        name = "mobilenet"
        weights = "random:0"
        layer_sets = [["conv_pw_12_relu", "conv_pw_13_relu"]]
        [grid]
        l1 = [{sizes}]
        l2 = [{sizes}]
        learning_rate = [{rates}]
        seed = [{seeds}]
        "#,
        sizes = list(10),
        rates = rates.join(", "),
        seeds = list(trials / 2_000),
    );
    let mut spec = SweepFile::parse(&text).expect("parses").to_spec();
    spec.recordings_digest = "simulated:1".to_owned();
    for entry in &mut spec.anns {
        let ann = entry.ann.as_mut().expect("an ann");
        ann.weights_digest = "random:0".to_owned();
    }
    spec
}

fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kib.unwrap_or(0u64) / 1_024
}

fn mib(path: &Path) -> u64 {
    let entries = walk(path);
    entries.iter().sum::<u64>() >> 20
}

fn walk(path: &Path) -> Vec<u64> {
    if path.is_dir() {
        let entries = path.read_dir().expect("lists").flatten();
        entries.flat_map(|entry| walk(&entry.path())).collect()
    } else {
        vec![path.metadata().map_or(0, |file| file.len())]
    }
}

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let done = work();
    let seconds = start.elapsed().as_secs_f64();
    eprintln!("{what}: {seconds:.2} s, resident {} MiB", resident_mib());
    done
}

#[test]
#[ignore = "takes minutes; `just bench-store` runs it"]
fn a_million_recorded_trials() {
    let trials = std::env::var("NRP_BENCH_TRIALS").map_or(1_000_000, |n| n.parse().expect("n"));
    let dir = tempfile::tempdir_in(".").expect("a directory");
    let spec = grid(trials);
    let keys = timed("expand to keys", || expand::keys(&spec).expect("a grid"));
    assert_eq!(keys.len(), trials);
    let ids: Vec<_> = keys.iter().map(|key| key.id).collect();
    drop(keys);
    let (mut store, _) = DiskStore::open(dir.path(), &mut |_| Ok(())).expect("opens");
    timed("submit", || {
        store.append(&stamped([submitted(&spec)])).expect("appends");
    });
    let start = Instant::now();
    timed("record all outcomes", || {
        for batch in ids.chunks(BATCH_FACTS) {
            let facts = batch
                .iter()
                .map(|trial| recorded_with(*trial, large_scores(trial.0)));
            store.append(&stamped(facts)).expect("appends");
        }
    });
    let rate = trials as f64 / start.elapsed().as_secs_f64();
    eprintln!("  {rate:.0} durable outcomes per second, {BATCH_FACTS} a sync");
    timed("close", || drop(store));
    eprintln!(
        "journal {} MiB, index {} MiB",
        mib(&dir.path().join("journal.jsonl")),
        mib(&dir.path().join("index"))
    );
    timed("open without a scheduler", || {
        let opened = DiskStore::open(dir.path(), &mut |_| Ok(())).expect("opens");
        assert_eq!(opened.1, Vec::<String>::new());
    });
    timed("open", || {
        let mut replayed = Replayed::new(Settings::default());
        let visit = &mut |fact| replayed.take(0, fact);
        let (mut store, notices) = DiskStore::open(dir.path(), visit).expect("opens");
        assert_eq!(notices, Vec::<String>::new());
        let checked = timed("  of which checking the index", || {
            store.check_index(replayed.core.totals()).expect("checks")
        });
        assert_eq!(checked, None);
        let listed = store.index().stretch(id(&spec), 0).expect("reads");
        assert!(listed.is_some(), "the sweep is there");
        eprintln!("  with scheduler and index: {} MiB", resident_mib());
    });
    let mut replayed = Replayed::new(Settings::default());
    let files = Box::new(Directory::new(dir.path()));
    let (mut journal, _) =
        Journal::open(files, &mut |_, fact| replayed.take(0, fact)).expect("opens");
    let snapshot = timed("take a snapshot", || replayed.snapshot());
    drop(replayed);
    let mut longest_s = 0_f64;
    timed("compact", || {
        journal.compact(0, snapshot).expect("begins");
        while journal.is_compacting() {
            let start = Instant::now();
            journal.tidy().expect("goes on");
            longest_s = longest_s.max(start.elapsed().as_secs_f64());
        }
    });
    eprintln!("  the longest piece: {:.0} ms", longest_s * 1e3);
    drop(journal);
    let verified = timed("verify", || verify(dir.path()).expect("reads"));
    assert!(verified.is_whole(), "{:?}", verified.findings);
}
