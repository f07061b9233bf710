//! Fold: takes a sweep's trials one by one and keeps what is shown of them: the best trial of each thing
//! in the report, among them of each layer set in each split. Of linear models, which have one trial of each,
//! that is every trial.

use super::compute::subjects;
use super::model::{
    AnnResult, AnnResults, Best, LayerSet, ModelResult, Protocol, RegionResult, Regions,
    SetOverSplits, Size, SplitResult, SweepSummary, Winner,
};
use crate::row::{Cell, Row};
use crate::setting::Origin;
use nrp_proto::axis::Axis;
use nrp_proto::state::{SweepState, TrialState};
use nrp_proto::sweep::Model;
use nrp_proto::wire::{AnnEntry, Details, Scores, SweepSpec, SweepStatus, TrialRecord, TrialSpec};
use nrp_proto::word;
use std::collections::{BTreeMap, BTreeSet};

/// A sweep's trials as far as they have been taken in.
///
/// Give it all trials with [`Fold::take`]; then, if [`Fold::wants_seeds`], the finished ones again with
/// [`Fold::take_seed`]; then the details of the trials that [`Fold::wants_details`] names.
#[derive(Debug, Default)]
pub struct Fold {
    /// The sweep and its progress.
    pub(crate) sweep: SweepSummary,
    /// What all trials share, and the values of each axis.
    pub(crate) protocol: Protocol,
    /// The ANNs.
    pub(crate) networks: AnnResults,
    /// The sweep as it was submitted.
    pub(crate) spec: SweepSpec,
    /// Names of the sweep and its recordings, for each row.
    origin: Origin,
}

impl Fold {
    /// A sweep without trials so far.
    pub fn new(status: SweepStatus, spec: SweepSpec) -> Self {
        Self {
            origin: Origin::new(&status.name, &status.id, &spec),
            sweep: SweepSummary {
                id: status.id,
                name: status.name,
                state: word::shown::<SweepState>(status.state),
                simulated: status.simulated,
                ..SweepSummary::default()
            },
            protocol: Protocol::new(&spec),
            networks: AnnResults::default(),
            spec,
        }
    }

    /// Takes in a trial of the sweep.
    pub fn take(&mut self, record: &TrialRecord) {
        let spec = record.spec.clone().unwrap_or_default();
        let ended = [
            TrialState::Finished,
            TrialState::Failed,
            TrialState::Stopped,
        ];
        let is_open = !ended.map(TrialState::to_wire).contains(&record.state);
        let state = word::shown::<TrialState>(record.state);
        self.sweep.trials += 1;
        *self.sweep.in_state.entry(state).or_default() += 1;
        if spec.is_nrp_network() {
            self.protocol.axes.take(&spec);
        }
        let row = record
            .scores
            .as_ref()
            .map(|_| Row::new(record, &self.origin));
        let reached = record.scores.as_ref().and_then(|of| of.reached_sparsity);
        let ann = ann_result(&mut self.networks.0, &self.spec, &spec);
        ann.reached_sparsity = ann.reached_sparsity.or(reached);
        let region = ann.region(&spec.region);
        region.count(&spec, is_open);
        let is_comparison = matches!(spec.model.parse(), Ok(Model::Comparison(_)));
        let models = if is_comparison {
            &mut region.compared
        } else {
            &mut region.models
        };
        let model = found(
            models,
            |model| model.model == spec.model(),
            || ModelResult::new(spec.model()),
        );
        model.take(row.as_ref(), spec.split_number(), is_open);
        let (Some(scores), Some(row)) = (&record.scores, &row) else {
            return;
        };
        if spec.split_number() == 0 {
            if spec.is_nrp_network() {
                region.take(row, &spec, scores);
            } else if !is_comparison {
                region.take_baseline(row);
            }
        }
        self.take_provenance(row, scores);
    }

    fn take_provenance(&mut self, row: &Row, scores: &Scores) {
        self.sweep.finished += 1;
        self.sweep
            .outcomes
            .take(row.provenance.recorded_at.as_ref());
        if !scores.cache_dtype.is_empty() {
            add(&mut self.protocol.cache_dtype, scores.cache_dtype.clone());
        }
    }

    /// Whether the sweep has several seeds. Which configurations win is known only after all trials, so
    /// the finished trials must then be given once more, to [`Fold::take_seed`].
    pub fn wants_seeds(&self) -> bool {
        self.protocol.axes.get(Axis::Seed).count() > 1
    }

    /// Takes in the error of a finished trial if a winner's configuration is the same but for the seed.
    pub fn take_seed(&mut self, record: &TrialRecord) {
        let Some(scores) = &record.scores else {
            return;
        };
        let cell = Cell::new(record, &self.origin);
        let regions = self.networks.0.iter_mut().flat_map(|ann| &mut ann.regions);
        for winner in regions.filter_map(|region| region.best.as_mut()) {
            let mut of_winner = Cell {
                trial: cell.trial.clone(),
                ..winner.row.cell.clone()
            };
            let seed = cell.place.get(Axis::Seed).cloned();
            of_winner.place.set(Axis::Seed, seed);
            let seed = cell.place.whole(Axis::Seed);
            if let Some(seed) = seed.filter(|_| cell == of_winner) {
                winner.errors.insert(seed, scores.nrp_error);
            }
        }
    }

    /// Ids of the trials whose details the report shows: the best ones of each split, of all layer sets
    /// and of those that are scored over splits and over subjects. Each stands there once.
    pub fn wants_details(&self) -> Vec<String> {
        let of_sets = self.networks.models().filter_map(ModelResult::scored_set);
        let anns = self.networks.0.iter();
        let of_subjects =
            anns.flat_map(|ann| subjects::scored_sets(&ann.regions, &self.spec.sites));
        let of_sets = of_sets.chain(of_subjects);
        let of_sets = of_sets.flat_map(|set| set.bests.values());
        let mut seen = BTreeSet::new();
        let bests = self.networks.bests().chain(of_sets);
        bests
            .filter_map(|best| best.row.cell.trial.clone())
            .filter(|trial| seen.insert(trial.clone()))
            .collect()
    }

    /// Takes in the details of a trial. Empty details are those of a trial that was recorded without.
    pub fn take_details(&mut self, trial: &str, details: Details) {
        if details == Details::default() {
            return;
        }
        for model in self.networks.models_mut() {
            let of_splits = model.splits.iter_mut();
            let of_splits = of_splits.filter_map(|split| split.best.as_mut());
            let of_sets = model.layer_sets.iter_mut();
            let of_sets = of_sets.flat_map(|set| set.bests.values_mut());
            let is_it = |best: &&mut Best| best.row.cell.trial.as_deref() == Some(trial);
            for best in of_splits.chain(of_sets).filter(is_it) {
                best.details = Some(details.clone());
            }
        }
    }
}

/// The result that a trial belongs to, which is new with the first trial of its ANN and weights.
fn ann_result<'a>(
    anns: &'a mut Vec<AnnResult>,
    sweep: &SweepSpec,
    trial: &TrialSpec,
) -> &'a mut AnnResult {
    let ann = trial.ann.clone().unwrap_or_default();
    let same = |of: &AnnResult| {
        of.ann == ann.name
            && of.weights == ann.weights_digest
            && of.sparsity == ann.sparsity
            && of.pruning == ann.pruning
    };
    let entry = entry(sweep, trial);
    found(anns, same, || AnnResult {
        random_weights: trial.random_weights(),
        published: None,
        ann: ann.name.clone(),
        weights: ann.weights_digest.clone(),
        weights_file: entry.map_or_else(String::new, |of| of.weights.clone()),
        preprocessing: ann.preprocessing.clone(),
        sparsity: ann.sparsity,
        reached_sparsity: entry.and_then(|of| of.reached_sparsity),
        pruning: ann.pruning.clone(),
        regions: Regions::default(),
        mean: None,
    })
}

/// The sweep's entry on a trial's ANN.
fn entry<'a>(sweep: &'a SweepSpec, trial: &TrialSpec) -> Option<&'a AnnEntry> {
    sweep.anns.iter().find(|entry| entry.ann == trial.ann)
}

impl AnnResult {
    fn region(&mut self, name: &str) -> &mut RegionResult {
        let same = |region: &RegionResult| region.region == name;
        found(&mut self.regions, same, || RegionResult {
            region: name.to_owned(),
            trials: 0,
            open: 0,
            best: None,
            layer_sets: Vec::new(),
            sizes: Vec::new(),
            baselines: Vec::new(),
            models: Vec::new(),
            brain_score: None,
            similarities: Vec::new(),
            compared: Vec::new(),
        })
    }
}

impl RegionResult {
    /// Counts a trial of an NRP network in the first split.
    fn count(&mut self, spec: &TrialSpec, is_open: bool) {
        if spec.is_nrp_network() && spec.split_number() == 0 {
            self.trials += 1;
            self.open += u64::from(is_open);
        }
    }

    /// Takes in a finished trial of a linear baseline.
    fn take_baseline(&mut self, row: &Row) {
        let same = |other: &Row| other.cell.model() == row.cell.model();
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
            let (of_size, of_row) = (&size.best.cell.place, &row.cell.place);
            let mut axes = [Axis::Depth, Axis::L1, Axis::L2].into_iter();
            axes.all(|axis| of_size.get(axis) == of_row.get(axis))
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

impl ModelResult {
    /// Takes in a trial of this model. `row` is the trial's row if it has scores.
    pub(crate) fn take(&mut self, row: Option<&Row>, split: u32, is_open: bool) {
        let split = found(
            &mut self.splits,
            |of| of.split == split,
            || SplitResult {
                split,
                trials: 0,
                open: 0,
                best: None,
            },
        );
        split.trials += 1;
        split.open += u64::from(is_open);
        if let Some(row) = row {
            let new = || Best {
                row: row.clone(),
                details: None,
            };
            better(&mut split.best.get_or_insert_with(new).row, row);
            let layers = row.cell.layers.as_deref().unwrap_or_default();
            let number = split.split;
            let set = found(
                &mut self.layer_sets,
                |set| set.layers == layers,
                || SetOverSplits {
                    layers: layers.to_vec(),
                    bests: BTreeMap::new(),
                },
            );
            better(&mut set.bests.entry(number).or_insert_with(new).row, row);
        }
    }
}

/// Replaces the best finished trial so far by `row` if that is better, by the rule of `nrp best`.
fn better(best: &mut Row, row: &Row) {
    let order = |of: &Row| {
        let rank = of.scores.rank().unwrap_or(f64::INFINITY);
        (rank, of.cell.trial.clone())
    };
    if order(row) < order(best) {
        *best = row.clone();
    }
}

/// The first item that is `same`, or a new one appended to the list.
fn found<T>(of: &mut Vec<T>, same: impl Fn(&T) -> bool, new: impl FnOnce() -> T) -> &mut T {
    let place = of.iter().position(same).unwrap_or_else(|| {
        of.push(new());
        of.len() - 1
    });
    &mut of[place]
}

/// Adds a value that is not in the list yet.
pub(crate) fn add<T: PartialEq>(to: &mut Vec<T>, value: T) {
    if !to.contains(&value) {
        to.push(value);
    }
}
