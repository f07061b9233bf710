//! Gathering: one pass over a sweep's trials makes a [`Report`], of which files are made and which
//! is itself `report.json`. It holds the best trial of each thing that is shown, never all trials.

use super::published::{self, Published};
use crate::best::{self, Row};
use crate::client::Sweeps;
use crate::failure::CommandError;
use crate::row::{self, Cell};
use nrp_proto::wire::{
    Scores, SplitSpec, StatusRequest, TrainingSpec, TrialRecord, TrialSpec, TrialsRequest,
};
use serde::Serialize;
use std::collections::BTreeMap;

/// Everything that a report shows.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    /// Version of the `nrp` that wrote the report.
    pub(super) nrp_version: &'static str,
    pub(super) sweep: Sweep,
    pub(super) protocol: Protocol,
    /// In the order of the grid.
    pub(super) networks: Vec<Network>,
    /// What a reader might look for and why it is not there.
    pub(super) not_in_this_report: Vec<String>,
}

/// The sweep and how far it is.
#[derive(Debug, Default, Serialize)]
pub(super) struct Sweep {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) state: String,
    pub(super) simulated: bool,
    pub(super) trials: u64,
    pub(super) finished: u64,
    /// Trials by state, of those states in which there are any.
    pub(super) in_state: BTreeMap<String, u64>,
}

/// What all trials share, and the values that each axis of the grid takes.
#[derive(Debug, Default, Serialize)]
pub(super) struct Protocol {
    pub(super) recordings_digest: String,
    pub(super) split: SplitSpec,
    pub(super) training: TrainingSpec,
    pub(super) l1: Vec<u32>,
    pub(super) l2: Vec<u32>,
    pub(super) depth: Vec<u32>,
    pub(super) learning_rate: Vec<f64>,
    pub(super) weight_decay: Vec<f64>,
    pub(super) dropout: Vec<f64>,
    pub(super) seed: Vec<u64>,
    /// Formats in which activations were stored.
    pub(super) cache_dtype: Vec<String>,
}

/// An ANN with certain weights: a line of Table 1.
#[derive(Debug, Serialize)]
pub(super) struct Network {
    pub(super) ann: String,
    /// Digest of the weights, or `random:SEED`.
    pub(super) weights: String,
    pub(super) random_weights: bool,
    pub(super) preprocessing: String,
    /// Fraction of zero weights that was asked for.
    pub(super) sparsity: f64,
    /// The same in its kernels, counted; absent of an ONNX net, and before a trial has finished.
    pub(super) reached_sparsity: Option<f64>,
    /// How the zeros were chosen; empty at sparsity 0.
    pub(super) pruning: String,
    /// Absent where the paper has no such ANN, and where weights were set to zero.
    pub(super) published: Option<Published>,
    pub(super) regions: Vec<Region>,
    /// The best trials' mean over regions, once all have finished.
    pub(super) mean: Option<Winner>,
}

/// What predicts one region from one ANN. All but `baselines` is of NRP networks.
#[derive(Debug, Serialize)]
pub(super) struct Region {
    pub(super) region: String,
    pub(super) trials: u64,
    /// Trials without an outcome.
    pub(super) open: u64,
    pub(super) best: Option<Winner>,
    pub(super) layer_sets: Vec<LayerSet>,
    /// In the order of depth, NRP-L1, NRP-L2.
    pub(super) sizes: Vec<Size>,
    /// The best trial of each linear baseline that has finished: which layer set, that is.
    pub(super) baselines: Vec<Row>,
}

/// The trial with the lowest validation loss, or the mean of several such.
#[derive(Debug, Serialize)]
pub(super) struct Winner {
    #[serde(flatten)]
    pub(super) row: Row,
    /// Absent where its configuration finished with fewer than two seeds.
    pub(super) over_seeds: Option<OverSeeds>,
    #[serde(skip)]
    errors: BTreeMap<u64, f64>,
}

/// NRP-errors of one configuration trained from several seeds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct OverSeeds {
    pub(super) seeds: usize,
    pub(super) mean_nrp_error: f64,
    /// Sample standard deviation.
    pub(super) sd_nrp_error: f64,
}

/// The best trial that sees certain layers.
#[derive(Debug, Serialize)]
pub(super) struct LayerSet {
    pub(super) trials: u64,
    #[serde(flatten)]
    pub(super) best: Row,
}

/// The best trial of a network of a certain size: a cell of Figure 3A.
#[derive(Debug, Serialize)]
pub(super) struct Size {
    pub(super) trials: u64,
    pub(super) mean_nrp_error: f64,
    #[serde(flatten)]
    pub(super) best: Row,
}

/// Asks a coordinator for all that a report on `sweep` (name, id, or its beginning; empty: the
/// latest) shows.
pub(super) async fn gather(client: &mut Sweeps, sweep: String) -> Result<Report, CommandError> {
    let status = client.status(StatusRequest { sweep }).await?.into_inner();
    let mut report = Report {
        nrp_version: env!("CARGO_PKG_VERSION"),
        sweep: Sweep {
            id: status.id,
            name: status.name,
            state: status.state,
            simulated: status.simulated,
            ..Sweep::default()
        },
        ..Report::default()
    };
    let mut request = TrialsRequest {
        sweep: report.sweep.id.clone(),
        ..TrialsRequest::default()
    };
    let mut stream = client.trials(request.clone()).await?.into_inner();
    while let Some(record) = stream.message().await? {
        report.take(&record);
    }
    if report.protocol.seed.len() > 1 {
        // Which configuration wins is known only now.
        request.state = "finished".to_owned();
        let mut stream = client.trials(request).await?.into_inner();
        while let Some(record) = stream.message().await? {
            report.take_seed(&record);
        }
    }
    report.conclude();
    Ok(report)
}

impl Report {
    /// Takes in a trial of the sweep.
    fn take(&mut self, record: &TrialRecord) {
        let spec = record.spec.clone().unwrap_or_default();
        let ann = spec.ann.clone().unwrap_or_default();
        self.sweep.trials += 1;
        *self.sweep.in_state.entry(record.state.clone()).or_default() += 1;
        if self.sweep.trials == 1 {
            self.protocol.recordings_digest = spec.recordings_digest.clone();
            self.protocol.split = spec.split.clone().unwrap_or_default();
            self.protocol.training = spec.training.clone().unwrap_or_default();
        }
        if spec.is_nrp_network() {
            self.protocol.take(&spec);
        }
        let same = |network: &Network| {
            network.ann == ann.name
                && network.weights == ann.weights_digest
                && network.sparsity == ann.sparsity
                && network.pruning == ann.pruning
        };
        let network = found(&mut self.networks, same, || Network {
            random_weights: spec.random_weights(),
            published: published::of(&ann.name).filter(|_| ann.sparsity == 0.0),
            ann: ann.name.clone(),
            weights: ann.weights_digest.clone(),
            preprocessing: ann.preprocessing.clone(),
            sparsity: ann.sparsity,
            reached_sparsity: None,
            pruning: ann.pruning.clone(),
            regions: Vec::new(),
            mean: None,
        });
        let reached = record.scores.as_ref().and_then(|of| of.reached_sparsity);
        network.reached_sparsity = network.reached_sparsity.or(reached);
        let same = |region: &Region| region.region == spec.region;
        let region = found(&mut network.regions, same, || Region {
            region: spec.region.clone(),
            trials: 0,
            open: 0,
            best: None,
            layer_sets: Vec::new(),
            sizes: Vec::new(),
            baselines: Vec::new(),
        });
        if spec.is_nrp_network() {
            region.trials += 1;
            let is_closed = ["finished", "failed", "stopped"].contains(&record.state.as_str());
            region.open += u64::from(!is_closed);
        }
        let Some(scores) = &record.scores else {
            return;
        };
        self.sweep.finished += 1;
        if !scores.cache_dtype.is_empty() {
            add(&mut self.protocol.cache_dtype, scores.cache_dtype.clone());
        }
        match spec.is_nrp_network() {
            true => region.take(record, &spec, scores),
            false => region.take_baseline(record),
        }
    }

    /// Takes in a finished trial, if a winner's configuration is its own.
    fn take_seed(&mut self, record: &TrialRecord) {
        let Some(scores) = &record.scores else {
            return;
        };
        let cell = Cell::new(record.id.clone(), record.spec.clone().unwrap_or_default());
        let regions = self.networks.iter_mut().flat_map(|net| &mut net.regions);
        for winner in regions.filter_map(|region| region.best.as_mut()) {
            let of_winner = Cell {
                seed: cell.seed,
                trial: cell.trial.clone(),
                ..winner.row.cell.clone()
            };
            if let Some(seed) = cell.seed.filter(|_| cell == of_winner) {
                winner.errors.insert(seed, scores.nrp_error);
            }
        }
    }

    /// Works out what follows from all trials together.
    fn conclude(&mut self) {
        let protocol = &mut self.protocol;
        protocol.l1.sort_unstable();
        protocol.l2.sort_unstable();
        protocol.depth.sort_unstable();
        protocol.learning_rate.sort_by(f64::total_cmp);
        protocol.weight_decay.sort_by(f64::total_cmp);
        protocol.dropout.sort_by(f64::total_cmp);
        protocol.seed.sort_unstable();
        for network in &mut self.networks {
            for region in &mut network.regions {
                region.sizes.sort_by_key(|size| {
                    let Cell { l1, l2, depth, .. } = size.best.cell;
                    (depth, l1, l2)
                });
                if let Some(winner) = &mut region.best {
                    winner.over_seeds = OverSeeds::new(&winner.errors);
                }
            }
            network.mean = mean(&network.regions);
        }
    }

    /// Whether some trial has no outcome with scores yet, or never will.
    pub(super) fn is_partial(&self) -> bool {
        self.sweep.finished < self.sweep.trials
    }

    /// The best trials of all networks.
    pub(super) fn winners(&self) -> impl Iterator<Item = &Winner> {
        let regions = self.networks.iter().flat_map(|net| &net.regions);
        regions.filter_map(|region| region.best.as_ref())
    }
}

impl Network {
    /// As figures and tables show it.
    pub(super) fn label(&self) -> String {
        let ann = row::ann_label(&self.ann, &self.weights);
        match self.sparsity {
            0.0 => ann,
            _ => format!("{ann}, {:.1} % zeros", 100.0 * self.zeros()),
        }
    }

    /// Fraction of zero weights: counted, and as asked for where nobody has counted.
    pub(super) fn zeros(&self) -> f64 {
        self.reached_sparsity.unwrap_or(self.sparsity)
    }

    /// The best trial in a region.
    pub(super) fn best_in(&self, region: &str) -> Option<&Winner> {
        let region = self.regions.iter().find(|of| of.region == region)?;
        region.best.as_ref()
    }
}

impl Protocol {
    /// Takes in what a trial has on each axis.
    fn take(&mut self, spec: &TrialSpec) {
        if let Some(l1) = spec.l1 {
            add(&mut self.l1, l1);
        }
        if let Some(l2) = spec.l2 {
            add(&mut self.l2, l2);
        }
        add(&mut self.depth, spec.depth);
        add(&mut self.learning_rate, spec.learning_rate);
        add(&mut self.weight_decay, spec.weight_decay);
        add(&mut self.dropout, spec.dropout);
        add(&mut self.seed, spec.seed);
    }
}

impl Region {
    /// Takes in a finished trial of a linear baseline.
    fn take_baseline(&mut self, record: &TrialRecord) {
        let row = best::shown(record.clone());
        let same = |other: &Row| other.cell.model == row.cell.model;
        better(found(&mut self.baselines, same, || row.clone()), record);
    }

    /// Takes in a finished trial of an NRP network.
    fn take(&mut self, record: &TrialRecord, spec: &TrialSpec, scores: &Scores) {
        let best = self.best.get_or_insert_with(|| Winner::new(record));
        better(&mut best.row, record);
        let same = |set: &LayerSet| set.best.cell.layers.as_ref() == Some(&spec.layers);
        let set = found(&mut self.layer_sets, same, || LayerSet {
            trials: 0,
            best: best::shown(record.clone()),
        });
        set.trials += 1;
        better(&mut set.best, record);
        let same = |size: &Size| {
            let Cell { l1, l2, depth, .. } = size.best.cell;
            (l1, l2, depth) == (spec.l1, spec.l2, Some(spec.depth))
        };
        let size = found(&mut self.sizes, same, || Size {
            trials: 0,
            mean_nrp_error: 0.0,
            best: best::shown(record.clone()),
        });
        size.trials += 1;
        size.mean_nrp_error += (scores.nrp_error - size.mean_nrp_error) / size.trials as f64;
        better(&mut size.best, record);
    }
}

impl Winner {
    fn new(record: &TrialRecord) -> Self {
        Self {
            row: best::shown(record.clone()),
            over_seeds: None,
            errors: BTreeMap::new(),
        }
    }

    /// Its NRP-error, and the standard deviation over seeds.
    pub(super) fn error(&self) -> Option<(f64, Option<f64>)> {
        let sd = self.over_seeds.map(|over| over.sd_nrp_error);
        Some((self.row.scores.nrp_error?, sd))
    }
}

impl OverSeeds {
    fn new(errors: &BTreeMap<u64, f64>) -> Option<Self> {
        let seeds = errors.len();
        let mean = errors.values().sum::<f64>() / seeds as f64;
        let squares: f64 = errors.values().map(|error| (error - mean).powi(2)).sum();
        (seeds > 1).then(|| Self {
            seeds,
            mean_nrp_error: mean,
            sd_nrp_error: (squares / (seeds - 1) as f64).sqrt(),
        })
    }
}

/// The mean of the regions' winners; its spread is that of the seeds which all of them have.
fn mean(regions: &[Region]) -> Option<Winner> {
    let winners: Option<Vec<&Winner>> = regions
        .iter()
        .map(|region| region.best.as_ref().filter(|_| region.open == 0))
        .collect();
    let winners = winners.filter(|winners| !winners.is_empty())?;
    let rows: Vec<Row> = winners.iter().map(|winner| winner.row.clone()).collect();
    let seeds = winners[0].errors.keys();
    let errors = seeds.filter_map(|seed| {
        let errors: Option<Vec<f64>> = winners
            .iter()
            .map(|winner| winner.errors.get(seed).copied())
            .collect();
        let errors = errors?;
        Some((*seed, errors.iter().sum::<f64>() / errors.len() as f64))
    });
    let errors = errors.collect();
    Some(Winner {
        row: best::mean(&rows),
        over_seeds: OverSeeds::new(&errors),
        errors,
    })
}

/// Puts a finished trial in the place of a best one, if it is better: the rule of `nrp best`.
fn better(best: &mut Row, record: &TrialRecord) {
    let Some(scores) = &record.scores else {
        return;
    };
    let by = best.scores.validation_mse.unwrap_or(f64::INFINITY);
    let id = best.cell.trial.as_ref();
    if (scores.validation_mse, Some(&record.id)) < (by, id) {
        *best = best::shown(record.clone());
    }
}

/// The first that is `same`, or a new one at the end.
fn found<T>(of: &mut Vec<T>, same: impl Fn(&T) -> bool, new: impl FnOnce() -> T) -> &mut T {
    let place = of.iter().position(same).unwrap_or_else(|| {
        of.push(new());
        of.len() - 1
    });
    &mut of[place]
}

fn add<T: PartialEq>(to: &mut Vec<T>, value: T) {
    if !to.contains(&value) {
        to.push(value);
    }
}
