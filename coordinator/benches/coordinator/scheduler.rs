//! The pure core: microseconds a trial costs it, from being submitted to having its outcome.

use nrp_coordinator::scheduler::*;
use nrp_proto::wire::SweepSpec;
use std::collections::VecDeque;
use std::time::Instant;

const WORKERS: usize = 1_000;
const LANES: usize = 16;

/// Trials of a group, and groups of a row.
const GROUP: usize = 500;

pub(super) fn measure(trials: usize) {
    let mut core = Scheduler::new(Settings::default());
    let keys = (0..trials).map(|number| TrialKey {
        // Ids are hashes: spread as such.
        id: TrialId((number as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)),
        group: GroupId((number / GROUP) as u64),
        activations: ActivationsId((number / GROUP) as u64),
        pass: PassId((number / GROUP / 20) as u64),
        row: RowId((number / GROUP % 8) as u64),
    });
    let keys: Vec<_> = keys.collect();
    let begun = Instant::now();
    core.on_event(
        0,
        Event::SweepSubmitted {
            sweep: SweepId(1),
            spec: Box::new(SweepSpec::default()),
            trials: keys,
        },
    );
    let submitted = begun.elapsed();
    let holders: Vec<_> = (0..WORKERS)
        .map(|number| holder(&mut core, number))
        .collect();
    let begun = Instant::now();
    let mut leased: VecDeque<(usize, Grant)> = VecDeque::new();
    let mut now_ms = 0;
    let mut worst = std::time::Duration::ZERO;
    for turn in 0.. {
        let number = turn % WORKERS;
        now_ms += 1;
        if leased.len() >= WORKERS || turn * LANES > 2 * trials {
            let (known, done) = core.totals();
            match leased.pop_front() {
                Some((worker, grant)) => report(&mut core, now_ms, &holders[worker], &grant),
                None if known == done => break,
                // What waits is left to a worker that has not asked again yet.
                None => {}
            }
        }
        core.on_event(now_ms, Event::TimePassed);
        let asked = Instant::now();
        let granted = core.on_job_requested(now_ms, holders[number].clone(), &mut Vec::new());
        worst = worst.max(asked.elapsed());
        let granted = granted.expect("has registered");
        leased.extend(granted.map(|grant| (number, grant)));
    }
    let spent = begun.elapsed();
    let (known, done) = core.totals();
    assert_eq!(
        (known, done),
        (trials as u64, trials as u64),
        "all are done"
    );
    println!(
        r#"{{"trials": {trials}, "submit_us": {:.3}, "lease_and_report_us": {:.3}, "slowest_lease_us": {:.1}}}"#,
        submitted.as_secs_f64() * 1e6 / trials as f64,
        spent.as_secs_f64() * 1e6 / trials as f64,
        worst.as_secs_f64() * 1e6,
    );
}

fn holder(core: &mut Scheduler, number: usize) -> Holder {
    let holder = Holder {
        worker: format!("worker-{number}"),
        instance: "1".to_owned(),
    };
    let registered = Event::WorkerRegistered {
        holder: holder.clone(),
        lanes: LANES,
    };
    core.on_event(0, registered);
    holder
}

fn report(core: &mut Scheduler, now_ms: u64, holder: &Holder, grant: &Grant) {
    for trial in &grant.trials {
        let reporter = Reporter {
            trial: *trial,
            worker: holder.worker.clone(),
            lease: grant.lease,
        };
        let scores = Attempt::Finished(Box::default());
        core.on_outcome_reported(now_ms, reporter, scores, &mut Vec::new());
    }
}
