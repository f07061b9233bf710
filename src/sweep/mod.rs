//! `nrp sweep`: check, launch, list, watch, explain, order, pause, cancel, resume and delete sweeps on a coordinator.

use crate::client::{self, Access};
use crate::failure::{CommandError, Ended};
use crate::load;
use crate::output::{self, Format};
use crate::place::Results;
use crate::progress;
use crate::takes::Takes;
use nrp_client::ClientError;
use nrp_proto::wire::{DeleteReply, ExplainReply, Hindered, SubmitReply, SweepSpec, SweepStatus};
use nrp_worker::activation::Dtype;
use nrp_worker::forecast::Forecast;
use serde::Serialize;
use std::path::PathBuf;

/// Launch and follow sweeps on a running coordinator
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Submit a sweep file; the same file again resumes it, a larger grid runs only new cells
    Submit {
        /// The sweep file
        file: PathBuf,
        /// Where its paths start; default: the file's directory
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
        /// Its trials start before those of sweeps with a lower number; default: as before, at first 0
        #[arg(long, value_name = "N", allow_negative_numbers = true)]
        priority: Option<i32>,
        #[command(flatten)]
        results: Results,
    },
    /// Check a sweep file and the files it names, and show what it stands for; nothing runs
    ///
    /// Its ANNs at each sparsity, with the zeros counted in their kernels, their layer sets, also where
    /// the file has a word for them, and how many trials there are.
    Check {
        /// The sweep file
        file: PathBuf,
        /// Where its paths start; default: the file's directory
        #[arg(long, value_name = "DIR")]
        data_dir: Option<PathBuf>,
    },
    /// List sweeps
    List {
        #[command(flatten)]
        results: Results,
    },
    /// Show how far a sweep is
    Status(One),
    /// Follow a sweep until it ends, or no worker can go on with it
    Watch(One),
    /// Start no further trial of a sweep; finished ones are kept
    Cancel(One),
    /// Delete a sweep that has finished or was cancelled, with its trials and what came of them
    ///
    /// Trials that other sweeps have stay. The space is free when the command ends; the coordinator
    /// answers nothing else meanwhile, seconds for 100 000 trials. Submitted again, the sweep starts
    /// afresh. Nothing brings it back but a backup.
    Delete {
        /// Its name, id, or the beginning of its id
        sweep: String,
        /// Only tell what would go
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        results: Results,
    },
    /// Take a cancelled, paused or parked sweep up again, and give failed trials new attempts
    Resume(One),
    /// Say why trials of a sweep, or one trial, wait
    Explain {
        /// A trial's id; or a sweep's name, id, or the beginning of its id; default: the latest sweep
        #[arg(
            value_name = "SWEEP|TRIAL",
            default_value = "",
            hide_default_value = true
        )]
        subject: String,
        #[command(flatten)]
        results: Results,
    },
    /// Start no trial of a sweep until it is resumed; those under way finish
    Pause(One),
    /// Set how urgent a sweep is: trials of a higher number start first
    Priority {
        /// Its name, id, or the beginning of its id
        sweep: String,
        /// 0 is what a sweep starts with
        #[arg(value_name = "N", allow_negative_numbers = true)]
        priority: i32,
        #[command(flatten)]
        results: Results,
    },
}

/// One sweep.
#[derive(clap::Args)]
pub(crate) struct One {
    /// Its name, id, or the beginning of its id; default: the latest
    #[arg(default_value = "", hide_default_value = true)]
    sweep: String,
    #[command(flatten)]
    results: Results,
}

pub(crate) async fn run(command: Command, format: Format) -> miette::Result<Ended> {
    match command {
        Command::Submit {
            file,
            data_dir,
            priority,
            results,
        } => {
            // Connect first: a refused connection is reported before minutes of hashing files.
            let client = client::running(&results).await?;
            let (spec, _) = load::sweep(&file, data_dir, DIGEST_DEVICE, false)?;
            let submitted = client.submit(spec.clone(), priority).await;
            let submitted = submitted.map_err(CommandError::from)?;
            match format {
                Format::Json => output::json(&submitted)?,
                Format::Text => output::line(&announcement(&spec, &submitted))?,
            }
        }
        Command::Check { file, data_dir } => {
            let (spec, forecast) = load::sweep(&file, data_dir, DIGEST_DEVICE, true)?;
            checked(&spec, &forecast, format)?;
        }
        Command::List { results } => {
            Access::read(&results, async |access| {
                let sweeps = access.client.sweeps().all().await;
                let sweeps = sweeps.map_err(CommandError::from)?;
                Ok(show_of(access, sweeps, format)?)
            })
            .await?;
        }
        Command::Status(One { sweep, results }) => {
            Access::read(&results, async |access| {
                let status = access.client.status(&sweep).await;
                Ok(show_of(
                    access,
                    vec![status.map_err(CommandError::from)?],
                    format,
                )?)
            })
            .await?;
        }
        Command::Watch(One { sweep, results }) => return watch(sweep, &results, format).await,
        Command::Cancel(One { sweep, results }) => {
            change(&results, format, async |of| of.cancel(&sweep).await).await?;
        }
        Command::Delete {
            sweep,
            dry_run,
            results,
        } => {
            let delete = async |access: &mut Access| {
                let deleted = access.client.delete(&sweep, dry_run).await;
                Ok(deleted.map_err(CommandError::from)?)
            };
            let deleted = if dry_run {
                Access::read(&results, delete).await?
            } else {
                Access::change(&results, delete).await?
            };
            match format {
                Format::Json => output::json(&deleted)?,
                Format::Text => output::line(&farewell(&deleted, dry_run))?,
            }
        }
        Command::Resume(One { sweep, results }) => {
            change(&results, format, async |of| of.resume(&sweep).await).await?;
        }
        Command::Explain { subject, results } => {
            let explained = Access::read(&results, async |access| {
                let explained = access.client.explain(&subject).await;
                Ok(explained.map_err(CommandError::from)?)
            });
            explain(&explained.await?, format)?;
        }
        Command::Pause(One { sweep, results }) => {
            change(&results, format, async |of| of.pause(&sweep).await).await?;
        }
        Command::Priority {
            sweep,
            priority,
            results,
        } => {
            change(&results, format, async |of| {
                of.prioritise(&sweep, priority).await
            })
            .await?;
        }
    }
    Ok(Ended::Done)
}

/// Changes a sweep, and shows how it then stands.
async fn change(
    results: &Results,
    format: Format,
    ask: impl AsyncFnOnce(&client::Sweeps) -> Result<SweepStatus, ClientError>,
) -> miette::Result<()> {
    Access::change(results, async |access| {
        let status = ask(&access.client).await.map_err(CommandError::from)?;
        Ok(show_of(access, vec![status], format)?)
    })
    .await
}

/// The device that weights are read for where nothing is computed: before a sweep is submitted, say.
/// Where there is a choice, none that other processes may want to themselves.
pub(crate) const DIGEST_DEVICE: &str = match cfg!(feature = "flex") {
    true => "flex",
    false => nrp_worker::device::AUTO,
};

/// What a sweep file stands for.
#[derive(Serialize)]
struct Checked<'a> {
    sweep: &'a str,
    /// Linear baselines among them, in every split.
    trials: u128,
    splits: u32,
    /// Those that trials are drawn from; all where nothing is drawn.
    cells: u128,
    regions: &'a [String],
    anns: Vec<CheckedAnn<'a>>,
    #[serde(flatten)]
    takes: Takes,
}

/// An ANN at one sparsity.
#[derive(Serialize)]
struct CheckedAnn<'a> {
    ann: &'a str,
    weights: &'a str,
    weights_digest: &'a str,
    sparsity: f64,
    pruning: &'a str,
    /// Fraction of zeros in all kernels; absent of an ONNX net.
    reached_sparsity: Option<f64>,
    layer_sets: Vec<&'a [String]>,
    /// The only region that each layer set is tried for; empty: every one.
    of_region: Vec<&'a str>,
}

fn checked(spec: &SweepSpec, forecast: &Forecast, format: Format) -> Result<(), CommandError> {
    let cells = spec.cells();
    let anns = spec.anns.iter().filter_map(|entry| {
        let ann = entry.ann.as_ref()?;
        let sets = entry.layer_sets.iter();
        Some(CheckedAnn {
            ann: &ann.name,
            weights: &entry.weights,
            weights_digest: &ann.weights_digest,
            sparsity: ann.sparsity,
            pruning: &ann.pruning,
            reached_sparsity: entry.reached_sparsity,
            of_region: sets.clone().map(|set| set.region.as_str()).collect(),
            layer_sets: sets.map(|set| set.layers.as_slice()).collect(),
        })
    });
    let checked = Checked {
        sweep: &spec.name,
        trials: spec.trial_count(),
        splits: spec.splits(),
        cells,
        regions: &spec.regions,
        anns: anns.collect(),
        takes: Takes::new(spec, forecast, Dtype::F32),
    };
    if format == Format::Json {
        return output::json(&checked);
    }
    let head = [
        "ANN",
        "weights",
        "sparsity",
        "pruning",
        "zeros",
        "layer sets",
    ];
    let mut table = output::table(&head);
    for ann in &checked.anns {
        table.add_row([
            ann.ann.to_owned(),
            ann.weights.to_owned(),
            output::number(Some(ann.sparsity)),
            match ann.pruning {
                "" => "–".to_owned(),
                pruning => pruning.to_owned(),
            },
            output::score(ann.reached_sparsity),
            ann.layer_sets.len().to_string(),
        ]);
    }
    output::print_table(&table)?;
    let mut shown: Vec<(&str, &[&[String]])> = Vec::new();
    for ann in &checked.anns {
        let sets = (ann.ann, ann.layer_sets.as_slice());
        if shown.contains(&sets) {
            continue;
        }
        shown.push(sets);
        output::line("")?;
        output::line(&format!("layer sets of {}:", ann.ann))?;
        for (set, region) in ann.layer_sets.iter().zip(&ann.of_region) {
            let region = match *region {
                "" => String::new(),
                region => format!(" ({region})"),
            };
            output::line(&format!("  {}{region}", set.join("+")))?;
        }
    }
    let drawn = match &spec.random {
        None => String::new(),
        Some(random) => format!(", {} cells drawn from {cells}", random.trials),
    };
    let splits = match checked.splits {
        1 => String::new(),
        splits => format!(" over {splits} splits"),
    };
    let (trials, regions) = (checked.trials, checked.regions.join(" and "));
    output::line("")?;
    output::line(&format!("{trials} trials{drawn}{splits}, in {regions}"))?;
    let takes = checked.takes.in_words();
    takes.iter().try_for_each(|line| output::line(line))
}

/// What to say of a sweep just submitted.
pub(crate) fn announcement(spec: &SweepSpec, submitted: &SubmitReply) -> String {
    let drawn = spec.random.as_ref().map(|random| {
        let (cells, seed) = (spec.cells(), random.seed);
        format!(" drawn from {cells} with seed {seed}")
    });
    format!(
        "sweep `{name}` ({id}) {how}: {trials} trials{drawn}, {finished} of them finished before",
        name = spec.name,
        drawn = drawn.unwrap_or_default(),
        id = submitted.sweep,
        how = if submitted.resumed {
            "resumed"
        } else {
            "submitted"
        },
        trials = submitted.trials,
        finished = submitted.already_finished,
    )
}

/// What to say of a sweep that is deleted, or would be.
fn farewell(deleted: &DeleteReply, dry_run: bool) -> String {
    let stay = match deleted.shared {
        0 => String::new(),
        shared => format!("; {shared} trials that other sweeps have stay"),
    };
    format!(
        "sweep `{}` ({}) {}: {} trials go, {} of them with an outcome{stay}",
        deleted.name,
        deleted.sweep,
        if dry_run {
            "would be deleted"
        } else {
            "is deleted"
        },
        deleted.trials,
        deleted.outcomes,
    )
}

async fn watch(sweep: String, results: &Results, format: Format) -> miette::Result<Ended> {
    let (nothing_runs, last) = Access::read(results, async |access| {
        let nothing_runs = access.nothing_runs();
        let is_left = |status: &SweepStatus| nothing_runs && status.state == RUNNING;
        let last = progress::follow(&mut access.client, &sweep, is_left).await?;
        Ok((nothing_runs, last))
    })
    .await?;
    match last {
        Some(status) if nothing_runs && status.state == RUNNING => {
            Err(CommandError::Interrupted { name: status.name }.into())
        }
        // Nothing continues it until a user acts.
        Some(status) if status.state == "parked" => Err(CommandError::parked(&status).into()),
        Some(status) => {
            show(&[status], format)?;
            Ok(Ended::Done)
        }
        None => Ok(Ended::Done),
    }
}

fn explain(explained: &ExplainReply, format: Format) -> Result<(), CommandError> {
    if format == Format::Json {
        return output::json(explained);
    }
    for explanation in &explained.explanations {
        match explained.trial.is_empty() {
            true => output::line(&format!("{} {}", explanation.trials, explanation.text))?,
            false => output::line(&explanation.text)?,
        }
    }
    Ok(())
}

/// A sweep's state while trials may start.
const RUNNING: &str = "running";

/// The state of a sweep that nothing runs.
pub(crate) fn unless_interrupted(state: &str) -> &str {
    match state {
        RUNNING => "interrupted",
        other => other,
    }
}

/// Shows how sweeps stand. Where nothing runs, none of them is running: what is left of it waits.
fn show_of(
    access: &Access,
    mut sweeps: Vec<SweepStatus>,
    format: Format,
) -> Result<(), CommandError> {
    let mut interrupted = false;
    for sweep in sweeps.iter_mut().filter(|_| access.nothing_runs()) {
        sweep.waiting += std::mem::take(&mut sweep.leased);
        interrupted |= sweep.state == RUNNING;
        sweep.state = unless_interrupted(&sweep.state).to_owned();
    }
    show(&sweeps, format)?;
    if interrupted {
        output::note(
            "notice: nothing runs on these results; `nrp run FILE` with a sweep's file goes on where \
             it stopped, and so do `nrp coordinator` and `nrp worker`",
        );
    }
    Ok(())
}

fn show(sweeps: &[SweepStatus], format: Format) -> Result<(), CommandError> {
    if format == Format::Json {
        return output::json(&sweeps);
    }
    if sweeps.is_empty() {
        return output::line("there are no sweeps");
    }
    let mut table = output::table(&[
        "sweep",
        "id",
        "state",
        "priority",
        "trials",
        "finished",
        "failed",
        "stopped",
        "running",
        "waiting",
        "parked",
        "cancelled",
        "ANNs",
        "regions",
    ]);
    for sweep in sweeps {
        let regions = sweep.regions.join(" ");
        table.add_row([
            sweep.name.clone(),
            sweep.id.clone(),
            sweep.state.clone(),
            sweep.priority.to_string(),
            sweep.trials.to_string(),
            sweep.finished.to_string(),
            sweep.failed.to_string(),
            sweep.stopped.to_string(),
            sweep.leased.to_string(),
            sweep.waiting.to_string(),
            sweep.parked.to_string(),
            sweep.cancelled.to_string(),
            sweep.anns.join(" "),
            if sweep.simulated {
                format!("{regions} (simulated)")
            } else {
                regions
            },
        ]);
    }
    output::print_table(&table)?;
    // Of one sweep all is told; a list stays a table.
    if let [sweep] = sweeps {
        for told in &sweep.hindered {
            hindered(sweep, told)?;
        }
    }
    Ok(())
}

/// Writes why some workers cannot run some trials of a sweep, and what to do about it.
fn hindered(sweep: &SweepStatus, hindered: &Hindered) -> Result<(), CommandError> {
    let how = match hindered.parked {
        0 => "wait".to_owned(),
        parked if parked == hindered.trials => "are parked".to_owned(),
        parked => format!("wait, {parked} of them parked"),
    };
    output::line(&format!(
        "{} trials of `{}` {how}, since {} cannot run them: {}",
        hindered.trials,
        sweep.name,
        hindered.workers.join(", "),
        hindered.reason
    ))?;
    match hindered.hint.as_str() {
        "" => Ok(()),
        hint => output::line(&format!("  hint: {hint}")),
    }
}
