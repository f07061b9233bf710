//! Progress on a terminal: a bar for the trials, a line for each worker. Nothing on a pipe.

use indicatif::{
    HumanDuration, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle,
};
use nrp_proto::plain;
use nrp_proto::wire::{SweepStatus, WorkerStatus};
use std::collections::HashMap;
use std::fmt;
use std::io::{self, Write};
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

/// How often elapsed times move on while nothing else happens.
const TICK: Duration = Duration::from_secs(1);

/// All bars of this process; log lines go above them.
static BARS: LazyLock<MultiProgress> =
    LazyLock::new(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr()));

/// Bars of one sweep.
pub(crate) struct SweepBars {
    trials: ProgressBar,
    workers: Mutex<HashMap<String, ProgressBar>>,
}

impl SweepBars {
    pub(crate) fn new() -> Self {
        let trials = BARS.add(ProgressBar::new(0));
        trials.set_style(style(
            "trials {bar:30} {pos}/{len}{msg}{rate}, {elapsed} gone",
        ));
        trials.enable_steady_tick(TICK);
        Self {
            trials,
            workers: Mutex::default(),
        }
    }

    /// Shows how far the sweep is.
    pub(crate) fn show(&self, status: &SweepStatus) {
        // What was finished before counts neither for the rate nor for the time left.
        let ended = status.finished + status.failed + status.stopped + status.cancelled;
        if self.trials.length() != Some(status.trials) {
            self.trials.set_length(status.trials);
            self.trials.set_position(ended);
            self.trials.reset_eta();
        }
        self.trials.set_position(ended);
        let mut parts = Vec::new();
        for (trials, how) in [(status.failed, "failed"), (status.stopped, "stopped")] {
            if trials > 0 {
                parts.push(format!("{trials} {how}"));
            }
        }
        self.trials.set_message(match parts.is_empty() {
            true => String::new(),
            false => format!(" ({})", parts.join(", ")),
        });
        let mut bars = self.workers.lock().expect("no holder panics");
        bars.retain(|name, bar| {
            let there = status.workers.iter().any(|worker| worker.worker == *name);
            if !there {
                BARS.remove(bar);
            }
            there
        });
        for worker in &status.workers {
            let bar = bars
                .entry(worker.worker.clone())
                .or_insert_with(|| BARS.add(ProgressBar::new(0)));
            show_worker(bar, worker);
        }
    }

    /// Takes the bars away.
    pub(crate) fn clear(&self) {
        self.trials.finish_and_clear();
        for bar in self.workers.lock().expect("no holder panics").values() {
            bar.finish_and_clear();
        }
    }
}

fn show_worker(bar: &ProgressBar, worker: &WorkerStatus) {
    let Some(activity) = &worker.activity else {
        return;
    };
    if activity.total == 0 {
        bar.set_style(style("{prefix}: {msg}"));
        bar.set_message("idle");
    } else {
        let template = match activity.doing.as_str() {
            // How many epochs a trial takes is not known before: early stopping decides.
            "training" => "{prefix}: training {msg}, epoch {pos}",
            _ => "{prefix}: {msg} {bar:20} {pos}/{len}{rate}",
        };
        bar.set_style(style(template));
        let message = format!("{} {}", activity.doing, activity.subject);
        let message = match activity.doing.as_str() {
            "training" => activity.subject.clone(),
            _ => message,
        };
        let message = plain::line(&message).into_owned();
        if bar.message() != message {
            bar.set_message(message);
            bar.set_length(activity.total);
            bar.set_position(activity.done);
            bar.reset_eta();
        }
        bar.set_position(activity.done);
    }
    let name = format!("{} ({})", worker.worker, worker.device);
    bar.set_prefix(plain::line(&name).into_owned());
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).expect("a template of this file");
    style.with_key("rate", |state: &ProgressState, to: &mut dyn fmt::Write| {
        if let Some(rate) = rate(state.per_sec(), state.eta()) {
            write!(to, ", {rate}").expect("a string takes what is written");
        }
    })
}

/// How fast, in a unit that suits, and how long still; nothing while that is not known.
fn rate(per_second: f64, left: Duration) -> Option<String> {
    let (number, unit) = match per_second {
        known if known >= 1.0 => (known, "s"),
        known if known * 60.0 >= 1.0 => (known * 60.0, "min"),
        known if known > 0.0 => (known * 3600.0, "h"),
        _ => return None,
    };
    Some(format!("{number:.1}/{unit}, {} left", HumanDuration(left)))
}

/// Writes log lines to stderr, above the bars, each as one line and plain.
#[derive(Debug, Default)]
pub(crate) struct LogWriter;

impl Write for LogWriter {
    /// Takes a whole event, as the subscriber writes it.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = plain_line(bytes);
        BARS.suspend(|| io::stderr().write_all(line.as_bytes()))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// A log line, its end kept. An escape is the same text in a line of JSON.
fn plain_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    match text.strip_suffix('\n') {
        Some(line) => format!("{}\n", plain::line(line)),
        None => plain::line(&text).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{plain_line, rate};
    use std::time::Duration;

    #[test]
    fn a_log_event_stays_one_plain_line() {
        let event = "WARN torn file=a\u{1b}[31m\nERROR forged\u{9b}\n";
        assert_eq!(
            plain_line(event.as_bytes()),
            "WARN torn file=a\\u001b[31m\\nERROR forged\\u009b\n"
        );
    }

    #[test]
    fn rates_are_told_in_a_unit_that_suits() {
        let left = Duration::from_secs(90);
        let shown = [12.0, 0.05, 0.001, 0.0].map(|per_second| rate(per_second, left));
        insta::assert_compact_debug_snapshot!(shown, @r#"[Some("12.0/s, 2 minutes left"), Some("3.0/min, 2 minutes left"), Some("3.6/h, 2 minutes left"), None]"#);
    }
}
