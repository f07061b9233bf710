//! Progress on a terminal: a bar for the trials with the time left, the best so far, and a line for each
//! worker. On a pipe, nothing.

use crate::failure::CommandError;
use crate::time_left::{Left, Measured};
use crate::{output, row, ui};

use indicatif::{
    HumanDuration, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle,
};
use nrp_client::{Client, Watched};
use nrp_proto::id::NRP_NETWORK;
use nrp_proto::plain;
use nrp_proto::state::{Doing, SweepState, TrialState};
use nrp_proto::wire::{BestRequest, BestRow, SweepStatus, WatchReply, WorkerStatus};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// How often elapsed times are redrawn while nothing else happens.
const TICK: Duration = Duration::from_secs(1);

/// Shortest time between two questions for the best trials so far.
const ASKED_EVERY: Duration = Duration::from_secs(5);

/// All bars of this process; log lines are written above them.
static BARS: LazyLock<MultiProgress> =
    LazyLock::new(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr()));

/// Shows progress until the sweep has ended, or `until` accepts its status; the last status seen. Waits for a
/// coordinator that is restarted meanwhile, and turns to the one that `moved` finds at another address than the
/// last one's.
pub(crate) async fn follow(
    client: &Client,
    sweep: &str,
    until: impl Fn(&SweepStatus) -> bool,
    moved: impl AsyncFn(&str) -> Client,
) -> Result<Option<SweepStatus>, CommandError> {
    let mut bars = SweepBars::new();
    let last = bars.follow(client.clone(), sweep, until, moved).await;
    bars.clear();
    last
}

/// Bars of one sweep.
struct SweepBars {
    since: Instant,
    measured: Measured,
    trials: ProgressBar,
    best: ProgressBar,
    workers: HashMap<String, ProgressBar>,
    /// When the best trials were last asked for, and how many trials had finished then.
    asked: Option<(Instant, u64)>,
}

impl SweepBars {
    fn new() -> Self {
        let trials = BARS.add(ProgressBar::new(0));
        trials.set_style(style("trials {bar:30} {pos}/{len}{msg}, {elapsed} elapsed"));
        trials.enable_steady_tick(TICK);
        let best = BARS.add(ProgressBar::new(0));
        best.set_style(style("{msg}"));
        Self {
            since: Instant::now(),
            measured: Measured::default(),
            trials,
            best,
            workers: HashMap::new(),
            asked: None,
        }
    }

    async fn follow(
        &mut self,
        mut client: Client,
        sweep: &str,
        until: impl Fn(&SweepStatus) -> bool,
        moved: impl AsyncFn(&str) -> Client,
    ) -> Result<Option<SweepStatus>, CommandError> {
        let mut watch = client.watch(sweep).await?;
        let mut last: Option<SweepStatus> = None;
        loop {
            let told = tokio::select! {
                told = watch.next() => told?,
                found = moved(client.address()) => {
                    // By its id, once that is known: the name may be another sweep's there.
                    let sweep = last.as_ref().map_or(sweep, |status| &status.id);
                    watch = found.watch(sweep).await?;
                    client = found;
                    continue;
                }
            };
            let WatchReply { sweep, workers } = match told {
                None => break,
                Some(Watched::Status(reply)) => *reply,
                Some(Watched::Away(_)) => {
                    BARS.suspend(|| {
                        let address = client.address();
                        ui::notice(&format!(
                            "the coordinator at {address} is away; waiting for it"
                        ));
                    });
                    continue;
                }
            };
            let status = sweep.unwrap_or_default();
            let state = SweepState::of_wire(status.state)?.name();
            tracing::debug!(state, finished = status.finished, "status");
            self.ask_for_the_best(&client, &status).await?;
            self.show(&status, &workers);
            let is_over = until(&status);
            last = Some(status);
            if is_over {
                break;
            }
        }
        Ok(last)
    }

    /// Asks for the best trials so far, from time to time, if more trials have finished since. On a pipe nobody
    /// would see them.
    async fn ask_for_the_best(
        &mut self,
        client: &Client,
        status: &SweepStatus,
    ) -> Result<(), CommandError> {
        let is_due = self.asked.is_none_or(|(at, finished)| {
            finished != status.finished && at.elapsed() >= ASKED_EVERY
        });
        if !is_due || !io::stderr().is_terminal() {
            return Ok(());
        }
        self.asked = Some((Instant::now(), status.finished));
        let request = BestRequest {
            sweep: status.id.clone(),
            ..BestRequest::default()
        };
        match client.best(request).all().await {
            Ok(rows) => self.know(&rows),
            // The watch waits for it.
            Err(away) if away.is_unreachable() => {}
            Err(refused) => return Err(refused.into()),
        }
        Ok(())
    }

    /// Shows the best trials so far.
    fn know(&mut self, rows: &[BestRow]) {
        self.measured.know(rows);
        self.best.set_message(best_so_far(rows));
    }

    /// Shows how far the sweep is.
    fn show(&mut self, status: &SweepStatus, workers: &[WorkerStatus]) {
        self.measured.take(self.since.elapsed(), status, workers);
        let ended = status.finished + status.failed + status.stopped + status.cancelled;
        self.trials.set_length(status.trials);
        self.trials.set_position(ended);
        let mut parts = Vec::new();
        for state in [TrialState::Failed, TrialState::Stopped, TrialState::Parked] {
            let trials = status.count(state);
            if trials > 0 {
                parts.push(format!("{trials} {state}"));
            }
        }
        let counts = if parts.is_empty() {
            String::new()
        } else {
            format!(" ({})", parts.join(", "))
        };
        let left = self
            .measured
            .left(status, workers.len())
            .map_or_else(String::new, left);
        self.trials.set_message(format!("{counts}{left}"));
        self.workers.retain(|name, bar| {
            let there = workers.iter().any(|worker| worker.worker == *name);
            if !there {
                BARS.remove(bar);
            }
            there
        });
        for worker in workers {
            let bar = self
                .workers
                .entry(worker.worker.clone())
                .or_insert_with(|| BARS.add(ProgressBar::new(0)));
            show_worker(bar, worker);
        }
    }

    /// Removes the bars.
    fn clear(&self) {
        self.trials.finish_and_clear();
        self.best.finish_and_clear();
        for bar in self.workers.values() {
            bar.finish_and_clear();
        }
    }
}

/// The time left, as far as it is known.
fn left(left: Left) -> String {
    let time = |seconds: f64| HumanDuration(Duration::from_secs_f64(seconds.max(1.0)));
    let mut text = format!(", about {} left", time(left.seconds));
    if left.extraction_seconds >= 1.0 {
        let extraction = time(left.extraction_seconds);
        text.push_str(&format!(", {extraction} of it to extract activations"));
    }
    match left.unknown_passes {
        0 => {}
        1 => text.push_str(" and the extraction of an ANN"),
        anns => text.push_str(&format!(" and the extraction of {anns} ANNs")),
    }
    text
}

/// The NRP network with the lowest validation loss in each region, of the first split that has one.
fn best_so_far(rows: &[BestRow]) -> String {
    let mut best: BTreeMap<&str, (f64, String)> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.model == NRP_NETWORK) {
        let Some(trial) = row.best.first() else {
            continue;
        };
        let (Some(scores), Some(spec)) = (&trial.scores, &trial.spec) else {
            continue;
        };
        if spec.split_number() > 0 {
            continue;
        }
        let lower = best
            .get(row.region.as_str())
            .is_none_or(|(loss, _)| scores.validation_mse < *loss);
        if lower {
            let region = row::region_label(&row.region, spec.simulated());
            let said = format!(
                "{region} {} NRP-error {}, validation MSE {}",
                row::ann_label(&row.ann, &row.weights_digest),
                output::significant(scores.nrp_error),
                output::significant(scores.validation_mse)
            );
            best.insert(&row.region, (scores.validation_mse, said));
        }
    }
    if best.is_empty() {
        return String::new();
    }
    let said: Vec<String> = best.into_values().map(|(_, said)| said).collect();
    format!("best so far: {}", said.join("; "))
}

fn show_worker(bar: &ProgressBar, worker: &WorkerStatus) {
    let Some(activity) = &worker.activity else {
        return;
    };
    if activity.total == 0 {
        bar.set_style(style("{prefix}: {msg}"));
        bar.set_message("idle");
    } else {
        let doing = Doing::of_wire(activity.doing);
        let template = match doing {
            // The number of epochs is unknown beforehand: early stopping decides.
            Ok(Doing::Training) => "{prefix}: training {msg}, epoch {pos}",
            Ok(Doing::Extracting | Doing::Projecting) | Err(_) => {
                "{prefix}: {msg} {bar:20} {pos}/{len}{rate}"
            }
        };
        bar.set_style(style(template));
        let message = match doing {
            Ok(Doing::Training) | Err(_) => activity.subject.clone(),
            Ok(doing @ (Doing::Extracting | Doing::Projecting)) => {
                format!("{doing} {}", activity.subject)
            }
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

/// The rate, in a unit that suits it, and the time left; `None` while the rate is unknown.
fn rate(per_second: f64, left: Duration) -> Option<String> {
    let (number, unit) = match per_second {
        known if known >= 1.0 => (known, "s"),
        known if known * 60.0 >= 1.0 => (known * 60.0, "min"),
        known if known > 0.0 => (known * 3600.0, "h"),
        _ => return None,
    };
    Some(format!("{number:.1}/{unit}, {} left", HumanDuration(left)))
}

/// Writes log lines to stderr above the bars, each as one line of plain text.
#[derive(Debug, Default)]
pub(crate) struct LogWriter;

impl Write for LogWriter {
    /// Takes one whole event, which is how the subscriber writes.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = plain_line(bytes);
        BARS.suspend(|| io::stderr().write_all(line.as_bytes()))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// A log line as plain text, with its line break kept. In a line of JSON, escapes are the same text.
fn plain_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    match text.strip_suffix('\n') {
        Some(line) => format!("{}\n", plain::line(line)),
        None => plain::line(&text).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nrp_proto::wire::{Scores, TrialRecord, TrialSpec};

    #[test]
    fn the_best_so_far_is_told_for_each_region_by_validation_loss() {
        let row = |ann: &str, region: &str, nrp_error: f64, validation_mse: f64| BestRow {
            ann: ann.to_owned(),
            region: region.to_owned(),
            model: NRP_NETWORK.to_owned(),
            best: vec![TrialRecord {
                spec: Some(TrialSpec::default()),
                scores: Some(Scores {
                    nrp_error,
                    validation_mse,
                    ..Scores::default()
                }),
                ..TrialRecord::default()
            }],
            ..BestRow::default()
        };
        let rows = [
            row("a", "V4", 1e-6, 0.75),
            row("b", "V4", 3e-6, 0.5),
            row("a", "IT", 2.0, 0.9),
        ];
        insta::assert_snapshot!(best_so_far(&rows), @"best so far: IT a NRP-error 2.000, validation MSE 0.9000; V4 b NRP-error 3.000e-6, validation MSE 0.5000");
        assert_eq!(best_so_far(&[BestRow::default()]), "");
    }

    #[test]
    fn time_left_says_what_of_it_is_extraction_and_what_is_not_known() {
        let shown = |seconds, extraction_seconds, unknown_passes| {
            left(Left {
                seconds,
                extraction_seconds,
                unknown_passes,
            })
        };
        insta::assert_compact_debug_snapshot!(
            [shown(90.0, 0.0, 0), shown(600.0, 300.0, 0), shown(90.0, 0.0, 2)],
            @r#"[", about 2 minutes left", ", about 10 minutes left, 5 minutes of it to extract activations", ", about 2 minutes left and the extraction of 2 ANNs"]"#
        );
    }

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
