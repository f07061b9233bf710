//! Totals of what this process has done so far, for metrics. They are process-wide statics, because
//! a process has one worker except in tests.

use nrp_proto::wire::WorkerTotals;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

static CACHE_HITS: AtomicU64 = AtomicU64::new(0);
static CACHE_MISSES: AtomicU64 = AtomicU64::new(0);
static EXTRACTION_US: AtomicU64 = AtomicU64::new(0);
static TRAINING_US: AtomicU64 = AtomicU64::new(0);

/// Records lookups of layers in the cache.
pub(crate) fn looked_up(hits: usize, misses: usize) {
    CACHE_HITS.fetch_add(hits as u64, Ordering::Relaxed);
    CACHE_MISSES.fetch_add(misses as u64, Ordering::Relaxed);
}

/// Records time spent on extraction.
pub(crate) fn extracted(took: Duration) {
    add(&EXTRACTION_US, took);
}

/// Records time spent on training, finished or not.
pub(crate) fn trained(took: Duration) {
    add(&TRAINING_US, took);
}

/// The totals so far.
pub fn read() -> WorkerTotals {
    let seconds = |total: &AtomicU64| total.load(Ordering::Relaxed) as f64 / 1e6;
    WorkerTotals {
        cache_hits: CACHE_HITS.load(Ordering::Relaxed),
        cache_misses: CACHE_MISSES.load(Ordering::Relaxed),
        extraction_seconds: seconds(&EXTRACTION_US),
        device_seconds: seconds(&EXTRACTION_US) + seconds(&TRAINING_US),
    }
}

fn add(total: &AtomicU64, took: Duration) {
    let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    total.fetch_add(us, Ordering::Relaxed);
}
