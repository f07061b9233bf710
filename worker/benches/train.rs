//! Trains every trial of a sweep as a worker does, job by job, and says how long that took and what
//! came out: `cargo bench --bench train -- DEVICE SWEEP.toml CACHE LANES`.
//!
//! `-- prepare SWEEP.toml CACHE` extracts the activations beforehand and prints the trials, the
//! responses and the split as JSON. `train.py` runs it beside PyTorch, Ray Tune and Optuna, to which it
//! hands the same, and writes the tables.
#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use miette::{IntoDiagnostic, miette};
use nrp_proto::sweep::SweepFile;
use nrp_proto::wire::{Activity, Cell, Job, Outcome, SweepSpec, TrialSpec, outcome};
use nrp_worker::activation::{Cache, CacheConfig, Dtype, Extraction, ensure};
use nrp_worker::ann::{OpenedAnn, Pruning, Resize, Screen};
use nrp_worker::executor::{Control, Executor};
use nrp_worker::recording::Recordings;
use nrp_worker::{device, resolve};
use serde_json::{Value, json};

fn main() -> miette::Result<()> {
    let words = std::env::args().skip(1).filter(|word| word != "--bench");
    let words: Vec<String> = words.collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["prepare", sweep, cache] => prepare(Path::new(sweep), open(cache)?),
        [device, sweep, cache, lanes] => {
            let lanes = lanes.parse().into_diagnostic()?;
            train(device, Path::new(sweep), open(cache)?, lanes)
        }
        _ => Err(miette!(
            "needs DEVICE SWEEP.toml CACHE LANES, or `prepare` SWEEP.toml CACHE"
        )),
    }
}

fn open(directory: &str) -> miette::Result<Cache> {
    let directory = PathBuf::from(directory);
    Ok(Cache::open(CacheConfig {
        directory,
        dtype: Dtype::F32,
        budget_bytes: None,
    })?)
}

/// A sweep with its files found, in the directory where it lies.
fn sweep(path: &Path) -> miette::Result<(SweepSpec, PathBuf)> {
    let text = std::fs::read_to_string(path).into_diagnostic()?;
    let mut spec = SweepFile::parse(&text)?.to_spec();
    let directory = path.parent().unwrap_or(Path::new(".")).to_owned();
    resolve::resolve(
        &mut spec,
        &directory,
        &device::open("flex")?,
        resolve::Asked::default(),
    )?;
    Ok((spec, directory))
}

fn prepare(path: &Path, cache: Cache) -> miette::Result<()> {
    let (spec, directory) = sweep(path)?;
    let files = spec.files.clone().unwrap_or_default();
    let source = resolve::recordings_source(&files, &directory);
    let recordings = Recordings::open(&source, &spec.regions)?;
    let split = spec.split.as_ref().ok_or_else(|| miette!("no split"))?;
    let (split, _) = resolve::split(&recordings, split, None)?;
    let device = device::open("flex")?;
    for entry in &spec.anns {
        let ann = entry.ann.as_ref().ok_or_else(|| miette!("no ANN"))?;
        let weights = resolve::weights_source(&entry.weights, &entry.weights_key, &directory)?;
        let sets = entry.layer_sets.iter();
        let layers: Vec<String> = sets.flat_map(|set| set.layers.clone()).collect();
        let extraction = Extraction {
            ann: &OpenedAnn::open(&ann.name, &weights, &ann.preprocessing)?,
            weights: &weights,
            weights_digest: &ann.weights_digest,
            pruning: Pruning::try_from(ann)?,
            resize: Resize::of_preprocessing(&ann.preprocessing),
            screen: Screen::of_preprocessing(&ann.preprocessing),
            recordings: &recordings,
            stimulus_digest: &source.stimulus_digest()?,
            layers: &layers,
            also: &[],
        };
        ensure(&cache, &extraction, &device, &mut |_| {
            ControlFlow::Continue(())
        })?;
    }
    let region = &recordings.regions[0];
    let trials: Vec<Value> = spec.trials()?.iter().map(cell).collect();
    let prepared = json!({
        "trials": trials,
        "sites": region.sites.len(),
        "responses": region.responses,
        "train": split.train,
        "validation": split.validation,
        "test": split.test,
    });
    println!("{prepared}");
    Ok(())
}

/// What tells a trial from the others of its sweep.
fn cell(trial: &TrialSpec) -> Value {
    json!({
        "layers": trial.layers,
        "l1": trial.l1,
        "l2": trial.l2,
        "learning_rate": trial.learning_rate,
        "seed": trial.seed,
    })
}

fn train(device: &str, path: &Path, cache: Cache, lanes: usize) -> miette::Result<()> {
    let (spec, directory) = sweep(path)?;
    let trials = spec.trials()?;
    let mut groups = BTreeMap::<String, Vec<usize>>::new();
    for (number, trial) in trials.iter().enumerate() {
        groups.entry(trial.job_group()).or_default().push(number);
    }
    let weights = spec.anns.first().map(|entry| entry.weights.clone());
    let opened = device::open(device)?;
    let started = Instant::now();
    let mut executor = Executor::new(opened, device.to_owned(), None, cache);
    for numbers in groups.values().flat_map(|numbers| numbers.chunks(lanes)) {
        let cells = numbers.iter().map(|&number| Cell {
            id: number.to_string(),
            values: Some(trials[number].cell()),
        });
        let job = Job {
            files: spec.files.clone(),
            data_dir: directory.to_string_lossy().into_owned(),
            weights: weights.clone().unwrap_or_default(),
            shared: numbers.first().map(|&first| trials[first].without_cell()),
            cells: cells.collect(),
            ..Job::default()
        };
        executor.run(&job, &Printed(&trials))?;
    }
    println!("{}", json!({"seconds": started.elapsed().as_secs_f64()}));
    Ok(())
}

/// Outcomes, printed as they come.
struct Printed<'a>(&'a [TrialSpec]);

impl Control for Printed<'_> {
    fn on_activity(&self, _: Activity) {}

    fn on_rung(&self, _: &str, _: u32, _: f64) -> bool {
        true
    }

    fn on_outcome(&self, trial: &str, outcome: Outcome) {
        let Some(outcome::Result::Scores(scores)) = outcome.result else {
            panic!("trial {trial}: {outcome:?}");
        };
        let spec = trial
            .parse()
            .ok()
            .and_then(|number: usize| self.0.get(number));
        let cell = spec.map(cell);
        println!("{}", json!({"trial": cell, "nrp_error": scores.nrp_error}));
    }

    fn stopped(&self) -> bool {
        false
    }

    fn wanted(&self, _: &str) -> bool {
        true
    }
}
