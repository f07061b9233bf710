//! Time left: an estimate from what this run has measured: how long trials train, and how long passes of ANNs over
//! the stimuli take. What is unknown is counted, not guessed. Pure: the caller passes the time in.

use nrp_proto::state::Doing;
use nrp_proto::wire::{BestRow, SweepStatus, WorkerStatus};
use std::collections::HashMap;
use std::time::Duration;

/// What has been measured since the first look.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    before: Option<Look>,
    /// The time that workers spent training, and the number of trials that ended meanwhile.
    training: Duration,
    trained: u64,
    passes: Passes,
    /// ANNs without any scored trial, by name: with how many weights and sparsities each.
    untouched: HashMap<String, usize>,
}

/// The last look.
#[derive(Debug)]
struct Look {
    at: Duration,
    ended: u64,
    /// The number of workers that were training.
    training: u32,
}

/// Passes of ANNs over the stimuli.
#[derive(Debug, Default)]
struct Passes {
    /// Running passes, by worker.
    under_way: HashMap<String, Pass>,
    /// The ANN that each worker extracted last.
    last: HashMap<String, String>,
    whole: Duration,
    count: u32,
}

#[derive(Debug, Clone)]
struct Pass {
    subject: String,
    begun: Duration,
    /// Stimuli done when the pass was first seen, stimuli done by now, and all stimuli.
    first: u64,
    done: u64,
    total: u64,
    seen: Duration,
}

/// What is known of the time left.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Left {
    /// Training, and all extraction whose duration can be estimated.
    pub(crate) seconds: f64,
    /// The part of `seconds` that is extraction.
    pub(crate) extraction_seconds: f64,
    /// ANNs that still have to process the stimuli, if nothing tells how long that takes.
    pub(crate) unknown_passes: usize,
}

impl Pass {
    fn per_stimulus(&self) -> Option<f64> {
        let stimuli = self.done.checked_sub(self.first).filter(|n| *n > 0)?;
        Some((self.seen - self.begun).as_secs_f64() / stimuli as f64)
    }

    fn left(&self) -> Option<f64> {
        Some(self.per_stimulus()? * self.total.saturating_sub(self.done) as f64)
    }
}

impl Measured {
    /// Records how far a sweep is, at time `at` after the first look.
    pub(crate) fn take(&mut self, at: Duration, status: &SweepStatus, workers: &[WorkerStatus]) {
        let ended = ended(status);
        if let Some(before) = &self.before {
            let passed = at.saturating_sub(before.at);
            self.training += passed * before.training;
            self.trained += ended.saturating_sub(before.ended);
        }
        let mut training = 0;
        for worker in workers {
            let activity = worker.activity.clone().unwrap_or_default();
            match Doing::of_wire(activity.doing) {
                Ok(Doing::Extracting) => {
                    let subject = activity.subject;
                    let progress = (activity.done, activity.total);
                    self.passes.see(&worker.worker, subject, progress, at);
                }
                doing @ (Ok(Doing::Training | Doing::Projecting) | Err(_)) => {
                    self.passes.end(&worker.worker);
                    training += u32::from(doing == Ok(Doing::Training));
                }
            }
        }
        self.before = Some(Look {
            at,
            ended,
            training,
        });
    }

    /// Records which ANNs have trials with scores.
    pub(crate) fn know(&mut self, rows: &[BestRow]) {
        let mut anns: HashMap<_, (bool, u64)> = HashMap::new();
        for row in rows {
            let ann = (
                row.ann.as_str(),
                row.weights_digest.as_str(),
                row.sparsity.to_bits(),
                row.pruning.as_str(),
            );
            let (scored, open) = anns.entry(ann).or_default();
            *scored |= !row.best.is_empty();
            *open += row.open;
        }
        self.untouched.clear();
        for ((name, ..), (scored, open)) in anns {
            if !scored && open > 0 {
                *self.untouched.entry(name.to_owned()).or_default() += 1;
            }
        }
    }

    /// The time left; `None` until a trial has been measured.
    pub(crate) fn left(&self, status: &SweepStatus, workers: usize) -> Option<Left> {
        if self.trained == 0 {
            return None;
        }
        let open = status.trials.saturating_sub(ended(status));
        let training = self.training.as_secs_f64() / self.trained as f64 * open as f64;
        let (mut extraction, mut unknown) = (0.0, self.ahead());
        for pass in self.passes.under_way.values() {
            match pass.left() {
                Some(left) => extraction += left,
                None => unknown += 1,
            }
        }
        if let Some(mean) = self.passes.mean() {
            extraction += mean * unknown as f64;
            unknown = 0;
        }
        let workers = workers.max(1) as f64;
        Some(Left {
            seconds: (training + extraction) / workers,
            extraction_seconds: extraction / workers,
            unknown_passes: unknown,
        })
    }

    /// ANNs whose pass over the stimuli no worker has started, as far as is known.
    fn ahead(&self) -> usize {
        let begun = |name: &str| self.passes.last.values().filter(|of| *of == name).count();
        let untouched = self.untouched.iter();
        untouched
            .map(|(name, anns)| anns.saturating_sub(begun(name)))
            .sum()
    }
}

impl Passes {
    fn see(&mut self, worker: &str, subject: String, (done, total): (u64, u64), at: Duration) {
        let same = |pass: &Pass| pass.subject == subject && pass.done <= done;
        if !self.under_way.get(worker).is_some_and(same) {
            self.end(worker);
            let ann = subject.split(' ').next().unwrap_or_default();
            self.last.insert(worker.to_owned(), ann.to_owned());
            let pass = Pass {
                subject,
                begun: at,
                first: done,
                done,
                total,
                seen: at,
            };
            self.under_way.insert(worker.to_owned(), pass);
        } else if let Some(pass) = self.under_way.get_mut(worker) {
            (pass.done, pass.total, pass.seen) = (done, total, at);
        }
    }

    /// A worker is at something else.
    fn end(&mut self, worker: &str) {
        let Some(pass) = self.under_way.remove(worker) else {
            return;
        };
        // As long as it would have been from its first stimulus.
        if let Some(per_stimulus) = pass.per_stimulus() {
            self.whole += Duration::from_secs_f64(per_stimulus * pass.total as f64);
            self.count += 1;
        }
    }

    /// Seconds of a whole pass, of those measured or else those under way.
    fn mean(&self) -> Option<f64> {
        if self.count > 0 {
            return Some(self.whole.as_secs_f64() / f64::from(self.count));
        }
        let under_way = self.under_way.values();
        let whole: Vec<f64> = under_way
            .filter_map(|pass| Some(pass.per_stimulus()? * pass.total as f64))
            .collect();
        (!whole.is_empty()).then(|| whole.iter().sum::<f64>() / whole.len() as f64)
    }
}

fn ended(status: &SweepStatus) -> u64 {
    status.finished + status.failed + status.stopped + status.cancelled
}

#[cfg(test)]
mod tests {
    use super::*;
    use nrp_proto::wire::{Activity, TrialRecord};

    /// A sweep and its worker.
    type Seen = (SweepStatus, [WorkerStatus; 1]);

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// One worker that does this, and so many of 20 trials finished.
    fn status(doing: &str, subject: &str, done: u64, finished: u64) -> Seen {
        let sweep = SweepStatus {
            trials: 20,
            finished,
            ..SweepStatus::default()
        };
        let worker = WorkerStatus {
            worker: "w".to_owned(),
            activity: Some(Activity {
                doing: doing.parse().map_or(0, Doing::to_wire),
                subject: subject.to_owned(),
                done,
                total: 100,
                unit: 0,
            }),
            ..WorkerStatus::default()
        };
        (sweep, [worker])
    }

    fn take(measured: &mut Measured, at: Duration, (sweep, workers): &Seen) {
        measured.take(at, sweep, workers);
    }

    fn left(measured: &Measured, (sweep, workers): &Seen) -> Option<Left> {
        measured.left(sweep, workers.len())
    }

    fn row(ann: &str, has_scores: bool, open: u64) -> BestRow {
        BestRow {
            ann: ann.to_owned(),
            best: Vec::from_iter(has_scores.then(TrialRecord::default)),
            open,
            ..BestRow::default()
        }
    }

    #[test]
    fn time_left_knows_of_the_extraction_ahead() {
        let mut measured = Measured::default();
        let rows = |a: bool| [row("a", a, 8), row("b", false, 5), row("c", false, 5)];
        measured.know(&rows(false));
        take(
            &mut measured,
            seconds(0),
            &status("extracting", "a x", 0, 0),
        );
        let now = status("extracting", "a x", 50, 0);
        take(&mut measured, seconds(50), &now);
        assert_eq!(left(&measured, &now), None, "no trial was measured");
        take(
            &mut measured,
            seconds(99),
            &status("extracting", "a x", 99, 0),
        );
        take(&mut measured, seconds(100), &status("training", "t", 1, 0));
        // Two trials in 20 s of training; the rate since the beginning would be 60 s a trial.
        let now = status("training", "t", 1, 2);
        take(&mut measured, seconds(120), &now);
        measured.know(&rows(true));
        let now = left(&measured, &now).expect("is known");
        let close = |a: f64, b: f64| (a - b).abs() < 1e-9;
        assert!(close(now.extraction_seconds, 2.0 * 100.0), "{now:?}");
        assert!(close(now.seconds, 18.0 * 10.0 + 200.0), "{now:?}");
        assert_eq!(now.unknown_passes, 0);
        // The second is under way: half of it, and the third.
        take(
            &mut measured,
            seconds(120),
            &status("extracting", "b x", 0, 2),
        );
        let now = status("extracting", "b x", 50, 2);
        take(&mut measured, seconds(220), &now);
        let now = left(&measured, &now).expect("is known");
        assert!(close(now.extraction_seconds, 100.0 + 100.0), "{now:?}");
    }

    #[test]
    fn extraction_that_was_never_measured_is_counted_not_guessed() {
        let mut measured = Measured::default();
        measured.know(&[row("a", true, 8), row("b", false, 8)]);
        take(&mut measured, seconds(0), &status("training", "t", 1, 4));
        let now = status("training", "t", 1, 6);
        take(&mut measured, seconds(10), &now);
        assert_eq!(
            left(&measured, &now),
            Some(Left {
                seconds: 14.0 * 5.0,
                extraction_seconds: 0.0,
                unknown_passes: 1
            })
        );
    }
}
