//! Gathering: one pass over a sweep's trials makes a [`Report`], of which files are made and which
//! is itself `report.json`. It holds the best trial of each thing that is shown, never all trials, and
//! what the scores of the best are made of.

use super::compare::{self, Comparison};
use super::curves::{self, Curve};
use super::details;
pub(super) use super::network::Network;
use super::outcomes::Outcomes;
use super::protocol::Protocol;
use super::published;
use super::sites::{self, RegionSites};
use super::splits::{Best, Model};
use crate::advice;
use crate::best::{self, Row};
use crate::client::Sweeps;
use crate::failure::CommandError;
use crate::row::{self, Cell};
use crate::scope::{Chosen, ChosenSweep};
use crate::setting::Origin;
use nrp_proto::wire::{
    AnnEntry, Scores, SweepSpec, SweepStatus, TrialRecord, TrialSpec, TrialsRequest,
};
use serde::Serialize;
use std::collections::BTreeMap;

/// Everything that a report shows.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    /// Version of the `nrp` that wrote the report.
    pub(super) nrp_version: &'static str,
    /// When it was written; absent unless it was asked for, so that a report made again is the same.
    pub(super) written_at: Option<String>,
    pub(super) sweep: Sweep,
    pub(super) protocol: Protocol,
    /// In the order of the grid.
    pub(super) networks: Vec<Network>,
    /// Losses of the networks' best trials, epoch by epoch.
    pub(super) curves: Vec<Curve>,
    /// Sites of each region, as the networks' best trials predict them.
    pub(super) sites: Vec<RegionSites>,
    /// Each two networks in each region.
    pub(super) comparisons: Vec<Comparison>,
    /// Each network and its linear baselines in each region.
    pub(super) network_against_linear: Vec<Comparison>,
    /// What the results say about the next sweep; none before it has ended.
    pub(super) advice: Vec<String>,
    /// What a reader might look for and why it is not there.
    pub(super) not_in_this_report: Vec<String>,
    /// What the sweep was submitted with.
    #[serde(skip)]
    pub(super) spec: SweepSpec,
    /// Where its rows come from.
    #[serde(skip)]
    pub(super) origin: Origin,
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
    pub(super) outcomes: Outcomes,
}

/// What predicts one region from one ANN. All but `models` is of the first split, and all but that and
/// `baselines` of NRP networks.
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
    /// The NRP network and each linear baseline in every split.
    pub(super) models: Vec<Model>,
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

/// Asks a coordinator for all that a report on the chosen sweep shows.
pub(super) async fn gather(client: &Sweeps, chosen: &Chosen) -> Result<Report, CommandError> {
    let [ChosenSweep { id, spec, .. }] = chosen.sweeps.as_slice() else {
        unreachable!("a report is on one sweep");
    };
    let status = client.status(id).await?;
    let mut report = Report::new(status, spec.clone());
    let mut request = TrialsRequest {
        sweep: report.sweep.id.clone(),
        ..TrialsRequest::default()
    };
    let mut stream = client.trials(request.clone()).await?;
    while let Some(record) = stream.next().await? {
        report.take(&record);
    }
    if report.protocol.seed.len() > 1 {
        // Which configuration wins is known only now.
        request.state = "finished".to_owned();
        let mut stream = client.trials(request).await?;
        while let Some(record) = stream.next().await? {
            report.take_seed(&record);
        }
    }
    details::ask(client, report.bests_mut()).await?;
    report.conclude();
    Ok(report)
}

impl Report {
    /// Of a sweep of which no trial has been taken in.
    pub(super) fn new(status: SweepStatus, spec: SweepSpec) -> Self {
        Self {
            nrp_version: env!("CARGO_PKG_VERSION"),
            origin: Origin::new(&status.name, &status.id, &spec),
            sweep: Sweep {
                id: status.id,
                name: status.name,
                state: status.state,
                simulated: status.simulated,
                ..Sweep::default()
            },
            protocol: Protocol::new(&spec),
            spec,
            ..Self::default()
        }
    }

    /// Takes in a trial of the sweep.
    pub(super) fn take(&mut self, record: &TrialRecord) {
        let spec = record.spec.clone().unwrap_or_default();
        let ann = spec.ann.clone().unwrap_or_default();
        self.sweep.trials += 1;
        *self.sweep.in_state.entry(record.state.clone()).or_default() += 1;
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
            published: None,
            ann: ann.name.clone(),
            weights: ann.weights_digest.clone(),
            weights_file: entry(&self.spec, &spec)
                .map_or_else(String::new, |of| of.weights.clone()),
            preprocessing: ann.preprocessing.clone(),
            sparsity: ann.sparsity,
            reached_sparsity: entry(&self.spec, &spec).and_then(|of| of.reached_sparsity),
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
            models: Vec::new(),
        });
        let of_first = spec.split_number() == 0;
        let is_open = !["finished", "failed", "stopped"].contains(&record.state.as_str());
        if spec.is_nrp_network() && of_first {
            region.trials += 1;
            region.open += u64::from(is_open);
        }
        let same = |model: &Model| model.model == spec.model();
        let model = found(&mut region.models, same, || Model::new(spec.model()));
        let row = record.scores.as_ref().map(|_| {
            let record = record.clone();
            best::shown(record, &self.origin)
        });
        model.take(row.as_ref(), &spec, is_open);
        let (Some(scores), Some(row)) = (&record.scores, &row) else {
            return;
        };
        self.sweep.finished += 1;
        self.sweep
            .outcomes
            .take(row.provenance.recorded_at.as_ref());
        if !scores.cache_dtype.is_empty() {
            add(&mut self.protocol.cache_dtype, scores.cache_dtype.clone());
        }
        match (of_first, spec.is_nrp_network()) {
            (true, true) => region.take(row, &spec, scores),
            (true, false) => region.take_baseline(row),
            (false, _) => {}
        }
    }

    /// Takes in a finished trial, if a winner's configuration is its own.
    fn take_seed(&mut self, record: &TrialRecord) {
        let Some(scores) = &record.scores else {
            return;
        };
        let spec = record.spec.clone().unwrap_or_default();
        let cell = Cell::new(record.id.clone(), spec, &self.origin);
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
    pub(super) fn conclude(&mut self) {
        self.protocol.sort();
        for network in &mut self.networks {
            for region in &mut network.regions {
                region.sizes.sort_by_key(|size| {
                    let Cell { l1, l2, depth, .. } = size.best.cell;
                    (depth, l1, l2)
                });
                if let Some(winner) = &mut region.best {
                    winner.over_seeds = OverSeeds::new(&winner.errors);
                }
                for model in &mut region.models {
                    model.conclude();
                    for details in model.bests().filter_map(|best| best.details.as_ref()) {
                        add(
                            &mut self.protocol.worker_versions,
                            details.worker_version.clone(),
                        );
                        add(&mut self.protocol.devices, details.device.clone());
                    }
                }
            }
            network.mean = mean(&network.regions);
            network.published = published::of(&network.ann).filter(|_| network.is_dense());
        }
        self.curves = curves::all(self);
        self.sites = sites::all(self);
        self.comparisons = compare::networks(self);
        self.network_against_linear = compare::with_linear(self);
        if !self.is_partial() {
            let winners: Vec<Row> = self.bests().map(|best| best.row.clone()).collect();
            self.advice = advice::all(&self.spec, &winners);
        }
    }

    /// Trials that early stopping gave up, as the sweep asks.
    pub(super) fn stopped(&self) -> u64 {
        self.sweep.in_state.get("stopped").copied().unwrap_or(0)
    }

    /// Whether some trial has not ended as it should yet, or never will: with scores, or stopped early
    /// by design.
    pub(super) fn is_partial(&self) -> bool {
        self.sweep.finished + self.stopped() < self.sweep.trials
    }

    /// Networks of which many weights are zero without the sweep's saying so.
    pub(super) fn undeclared(&self) -> impl Iterator<Item = &Network> {
        let networks = self.networks.iter();
        networks.filter(|network| network.pruning.is_empty() && !network.is_dense())
    }

    /// The best trials of all networks.
    pub(super) fn winners(&self) -> impl Iterator<Item = &Winner> {
        let regions = self.networks.iter().flat_map(|net| &net.regions);
        regions.filter_map(|region| region.best.as_ref())
    }

    /// The best trials of all networks and baselines in each split.
    pub(super) fn bests_mut(&mut self) -> impl Iterator<Item = &mut Best> {
        let regions = self.networks.iter_mut().flat_map(|net| &mut net.regions);
        let models = regions.flat_map(|region| &mut region.models);
        models.flat_map(Model::bests_mut)
    }

    /// The same.
    pub(super) fn bests(&self) -> impl Iterator<Item = &Best> {
        let regions = self.networks.iter().flat_map(|net| &net.regions);
        let models = regions.flat_map(|region| &region.models);
        models.flat_map(Model::bests)
    }

    /// All regions, each once.
    pub(super) fn regions(&self) -> Vec<&str> {
        let mut names = Vec::new();
        for region in self.networks.iter().flat_map(|net| &net.regions) {
            add(&mut names, region.region.as_str());
        }
        names
    }

    /// Whether a figure that compares ANNs shows a network: not where it is pruned, and the same ANN is
    /// there unpruned. Figure 3B compares those.
    pub(super) fn is_compared(&self, network: &Network) -> bool {
        let dense = |of: &Network| of.ann == network.ann && of.is_dense();
        network.is_dense() || !self.networks.iter().any(dense)
    }

    /// Networks that figures which compare ANNs show, each with its number.
    pub(super) fn compared(&self) -> impl Iterator<Item = (usize, &Network)> {
        let networks = self.networks.iter().enumerate();
        networks.filter(|(_, network)| self.is_compared(network))
    }

    /// What such a figure leaves out, for its caption.
    pub(super) fn left_out(&self) -> &'static str {
        match self
            .networks
            .iter()
            .all(|network| self.is_compared(network))
        {
            true => "",
            false => " Pruned ANNs are in Figure 3B.",
        }
    }

    /// Names of the networks, which tell them apart.
    pub(super) fn labels(&self) -> Vec<String> {
        let labels: Vec<String> = self.networks.iter().map(Network::label).collect();
        let networks = self.networks.iter().zip(&labels);
        let labels = networks.map(|(network, label)| {
            match labels.iter().filter(|other| *other == label).count() {
                1 => label.clone(),
                _ => format!("{label} {}", row::short(&network.weights)),
            }
        });
        labels.collect()
    }
}

impl Region {
    /// Takes in a finished trial of a linear baseline.
    fn take_baseline(&mut self, row: &Row) {
        let same = |other: &Row| other.cell.model == row.cell.model;
        better(found(&mut self.baselines, same, || row.clone()), row);
    }

    /// Takes in a finished trial of an NRP network.
    fn take(&mut self, row: &Row, spec: &TrialSpec, scores: &Scores) {
        let best = self.best.get_or_insert_with(|| Winner::new(row));
        better(&mut best.row, row);
        let same = |set: &LayerSet| set.best.cell.layers.as_ref() == Some(&spec.layers);
        let set = found(&mut self.layer_sets, same, || LayerSet {
            trials: 0,
            best: row.clone(),
        });
        set.trials += 1;
        better(&mut set.best, row);
        let same = |size: &Size| {
            let Cell { l1, l2, depth, .. } = size.best.cell;
            (l1, l2, depth) == (spec.l1, spec.l2, Some(spec.depth))
        };
        let size = found(&mut self.sizes, same, || Size {
            trials: 0,
            mean_nrp_error: 0.0,
            best: row.clone(),
        });
        size.trials += 1;
        size.mean_nrp_error += (scores.nrp_error - size.mean_nrp_error) / size.trials as f64;
        better(&mut size.best, row);
    }
}

impl Winner {
    fn new(row: &Row) -> Self {
        Self {
            row: row.clone(),
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

/// What the sweep says of a trial's ANN.
fn entry<'a>(sweep: &'a SweepSpec, trial: &TrialSpec) -> Option<&'a AnnEntry> {
    sweep.anns.iter().find(|entry| entry.ann == trial.ann)
}

/// Puts a finished trial in the place of a best one, if it is better: the rule of `nrp best`.
pub(super) fn better(best: &mut Row, row: &Row) {
    let order = |of: &Row| {
        let loss = of.scores.validation_mse.unwrap_or(f64::INFINITY);
        (loss, of.cell.trial.clone())
    };
    if order(row) < order(best) {
        *best = row.clone();
    }
}

/// The first that is `same`, or a new one at the end.
pub(super) fn found<T>(
    of: &mut Vec<T>,
    same: impl Fn(&T) -> bool,
    new: impl FnOnce() -> T,
) -> &mut T {
    let place = of.iter().position(same).unwrap_or_else(|| {
        of.push(new());
        of.len() - 1
    });
    &mut of[place]
}

/// Adds a value that is not there yet.
pub(super) fn add<T: PartialEq>(to: &mut Vec<T>, value: T) {
    if !to.contains(&value) {
        to.push(value);
    }
}
