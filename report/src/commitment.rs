//! Commitments: the layer that each region is committed to, of each ANN, chosen as Brain-Score chooses it: by the
//! ceiled score of a linear model over all splits, the same that a report shows.
//!
//! A square has no sign, so scores are compared with the sign of their center: a prediction that is
//! anticorrelated never wins over one that is not.

use crate::compute::{Correlations, Scored, brain_score, over_subjects};
use crate::model::BrainScore;
use nrp_proto::state::TrialState;
use nrp_proto::wire::{AnnEntry, AnnSpec, Scores, SweepSpec, TrialRecord};
use serde::Serialize;
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// What is known of ANNs' layers that trials do not say.
pub trait Layers {
    /// The layers of an ANN, in its own order; empty where they are not known. Of layers that score the same, the
    /// first is chosen, and where their order is not known the first in the sweep file.
    fn order(&self, ann: &str) -> Vec<String>;
    /// What Brain-Score calls a layer; none if it has no name for it.
    fn committed(&self, ann: &str, layer: &str) -> Option<String>;
}

/// An ANN with certain weights, and the layers that its regions are committed to.
#[derive(Debug, Serialize)]
pub struct AnnCommitment {
    /// The ANN's name in sweep files.
    pub ann: String,
    /// Digest of the weights, or `random:SEED`.
    pub weights: String,
    /// The weights' file, as the sweep file names it.
    pub weights_file: String,
    /// How images are turned into the ANN's input.
    pub preprocessing: String,
    /// Requested fraction of zero weights.
    pub sparsity: f64,
    /// How the zeros were chosen; empty at sparsity 0.
    pub pruning: String,
    /// The regions, in the order of the sweep.
    pub regions: Vec<RegionCommitment>,
}

/// A region, and how well each layer set predicts it.
#[derive(Debug, Serialize)]
pub struct RegionCommitment {
    /// The region.
    pub region: String,
    /// What decides.
    pub by: By,
    /// What Brain-Score calls the chosen layer; none where no layer could be chosen.
    pub layer: Option<String>,
    /// Every layer set, in the order of the sweep file.
    pub layer_sets: Vec<LayerScore>,
}

/// What decides between layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// The ceiled score, with the sign of its center.
    Score,
    /// The center: the recordings have no ceiling above 0.
    Center,
}

/// A layer set in a region.
#[derive(Debug, Serialize)]
pub struct LayerScore {
    /// Its layers.
    pub layers: Vec<String>,
    /// Whether it is chosen.
    pub chosen: bool,
    /// Why it cannot be chosen, whatever its score.
    pub barred: Option<Barred>,
    /// Trials: one for each split.
    pub trials: usize,
    /// Trials that have finished.
    pub finished: usize,
    /// Trials that have failed.
    pub failed: usize,
    /// Brain-Score's aggregate over the finished trials.
    pub brain_score: Option<BrainScore>,
}

/// Why a layer set cannot be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Barred {
    /// A region is committed to one layer.
    SeveralLayers,
    /// An earlier call of a module that runs several times: Brain-Score's name of the module means the last.
    EarlierCall,
    /// A trial failed, so it lacks a split that others have.
    Failed,
    /// Its predictions do not vary, or its trials have no correlations.
    NoCorrelation,
}

/// A layer set's trials.
#[derive(Debug, Default)]
struct Trials {
    failed: usize,
    /// The scores of those that finished, by the number of the split.
    scores: BTreeMap<u32, Scores>,
}

impl Trials {
    /// Brain-Score's aggregate of the finished trials; none if one of them, or all together, have none.
    fn scored<'a>(&self, layers: &[String], subject: &'a str) -> Option<Scored<'a>> {
        let (_, any) = self.scores.first_key_value()?;
        let scores = self.scores.values();
        let medians = scores.clone().map(|of| of.pearson_median);
        let medians: Vec<f64> = medians.collect::<Option<_>>()?;
        let varying: Vec<Option<f64>> = scores.map(|of| of.pearson_median_varying).collect();
        let correlations = Correlations {
            layers,
            medians: &medians,
            varying: &varying,
            ceiling: any.split_half_consistency,
            ceiling_error: any.split_half_error,
            sites: None,
        };
        let splits = self.scores.keys().zip(correlations.theirs());
        Some(Scored {
            subject,
            of_set: brain_score(&correlations)?,
            splits: splits.filter_map(|(split, r)| Some((*split, r?))).collect(),
        })
    }
}

/// A region, with the regions of its subjects or, where all subjects are one, itself alone.
#[derive(Debug)]
struct Region {
    name: String,
    /// Each part, with its subject; an empty one where there is none.
    parts: Vec<(String, String)>,
}

/// The regions of a sweep that layers are committed to: where each subject is a region of its own, those of
/// which these are parts.
pub fn regions(spec: &SweepSpec) -> Vec<String> {
    wholes(spec).into_iter().map(|whole| whole.name).collect()
}

fn wholes(spec: &SweepSpec) -> Vec<Region> {
    let mut wholes: Vec<Region> = Vec::new();
    for region in &spec.regions {
        let part = spec.sites.iter().find(|of| of.region == *region);
        let part = part.filter(|of| !of.part_of.is_empty());
        let name = part.map_or(region, |of| &of.part_of);
        let subject = part.map_or("", |of| &of.subject);
        let part = (region.clone(), subject.to_owned());
        match wholes.iter_mut().find(|whole| whole.name == *name) {
            Some(whole) => whole.parts.push(part),
            None => wholes.push(Region {
                name: name.clone(),
                parts: vec![part],
            }),
        }
    }
    wholes
}

/// A sweep's trials of one linear model, as far as they have been taken in.
#[derive(Debug)]
pub struct CommitmentFold {
    spec: SweepSpec,
    model: String,
    regions: Vec<Region>,
    /// By the ANN's place in the sweep, the region and the layers.
    trials: BTreeMap<(usize, String, Vec<String>), Trials>,
}

impl CommitmentFold {
    /// The choice by the trials of `model` in some of the sweep's [`regions`], before any was taken in.
    pub fn new(spec: SweepSpec, model: &str, named: &[String]) -> Self {
        let regions = wholes(&spec).into_iter();
        Self {
            regions: regions.filter(|of| named.contains(&of.name)).collect(),
            spec,
            model: model.to_owned(),
            trials: BTreeMap::new(),
        }
    }

    /// Takes in a trial of the sweep.
    pub fn take(&mut self, record: &TrialRecord) {
        let Some(spec) = &record.spec else { return };
        let entry = self.spec.anns.iter().position(|of| of.ann == spec.ann);
        let Some(entry) = entry.filter(|_| spec.model() == self.model) else {
            return;
        };
        let key = (entry, spec.region.clone(), spec.layers.clone());
        let trials = self.trials.entry(key).or_default();
        if record.state == TrialState::Failed.to_wire() {
            trials.failed += 1;
        }
        if let Some(scores) = &record.scores {
            trials.scores.insert(spec.split_number(), scores.clone());
        }
    }

    /// The commitments of each ANN. No layer is chosen while a trial of any is open.
    pub fn conclude(&self, layers: &dyn Layers) -> Vec<AnnCommitment> {
        let anns = self.spec.anns.iter().enumerate();
        let anns = anns.map(|(at, entry)| self.of_ann(at, entry, layers));
        let mut anns: Vec<AnnCommitment> = anns.collect();
        let is_open = |of: &RegionCommitment| {
            let (ended, all) = of.progress();
            ended < all
        };
        if anns.iter().flat_map(|ann| &ann.regions).any(is_open) {
            for region in anns.iter_mut().flat_map(|ann| &mut ann.regions) {
                region.layer = None;
                region
                    .layer_sets
                    .iter_mut()
                    .for_each(|set| set.chosen = false);
            }
        }
        anns
    }

    fn of_ann(&self, at: usize, entry: &AnnEntry, layers: &dyn Layers) -> AnnCommitment {
        let AnnSpec {
            name,
            weights_digest,
            preprocessing,
            sparsity,
            pruning,
        } = entry.ann.clone().unwrap_or_default();
        let order = layers.order(&name);
        let regions = self.regions.iter().map(|region| {
            let mut sets: Vec<&[String]> = Vec::new();
            for set in &entry.layer_sets {
                let mut parts = region.parts.iter();
                let is_tried = set.region.is_empty() || parts.any(|(part, _)| *part == set.region);
                if is_tried && !sets.contains(&set.layers.as_slice()) {
                    sets.push(&set.layers);
                }
            }
            let scores = sets.into_iter().map(|set| {
                let is_named = |layer: &String| layers.committed(&name, layer).is_some();
                self.of_set(at, region, set, set.iter().all(is_named))
            });
            let (layer_sets, by) = choose(scores.collect(), &order);
            let chosen = layer_sets.iter().find(|set| set.chosen);
            let layer = chosen.and_then(|set| layers.committed(&name, set.layers.first()?));
            RegionCommitment {
                region: region.name.clone(),
                by,
                layer,
                layer_sets,
            }
        });
        AnnCommitment {
            regions: regions.collect(),
            ann: name,
            weights: weights_digest,
            weights_file: entry.weights.clone(),
            preprocessing,
            sparsity,
            pruning,
        }
    }

    fn of_set(&self, at: usize, region: &Region, layers: &[String], is_named: bool) -> LayerScore {
        let none = Trials::default();
        let of_part = |(part, subject): &'_ (String, String)| {
            let key = (at, part.clone(), layers.to_vec());
            (self.trials.get(&key).unwrap_or(&none), subject.clone())
        };
        let parts: Vec<(&Trials, String)> = region.parts.iter().map(of_part).collect();
        let finished = parts.iter().map(|(of, _)| of.scores.len()).sum();
        let failed = parts.iter().map(|(of, _)| of.failed).sum();
        let trials = self.spec.splits() as usize * parts.len();
        let scored = parts.iter().map(|(of, subject)| of.scored(layers, subject));
        let scored = scored.collect::<Option<Vec<Scored<'_>>>>();
        let mut described = self.spec.sites.iter();
        let any = described.find(|of| of.region == region.parts[0].0);
        let aggregate = scored.and_then(|mut scored| match scored.as_slice() {
            [one] if one.subject.is_empty() => scored.pop().map(|one| one.of_set),
            _ => over_subjects(scored, any),
        });
        let barred = if layers.len() != 1 {
            Some(Barred::SeveralLayers)
        } else if !is_named {
            Some(Barred::EarlierCall)
        } else if failed > 0 {
            Some(Barred::Failed)
        } else {
            // One that is open may yet have one.
            (finished == trials && aggregate.is_none()).then_some(Barred::NoCorrelation)
        };
        LayerScore {
            layers: layers.to_vec(),
            chosen: false,
            barred,
            trials,
            finished,
            failed,
            brain_score: aggregate,
        }
    }
}

impl AnnCommitment {
    /// The map that Brain-Score reads: regions with a layer, each with what Brain-Score calls the layer.
    pub fn region_layers(&self) -> Vec<(String, String)> {
        let regions = self.regions.iter();
        regions
            .filter_map(|of| Some((of.region.clone(), of.layer.clone()?)))
            .collect()
    }
}

impl RegionCommitment {
    /// Trials that have ended, and all trials.
    pub fn progress(&self) -> (usize, usize) {
        let sets = self.layer_sets.iter();
        sets.fold((0, 0), |(ended, all), set| {
            (ended + set.finished + set.failed, all + set.trials)
        })
    }

    /// The chosen layer set.
    pub fn chosen(&self) -> Option<&LayerScore> {
        self.layer_sets.iter().find(|set| set.chosen)
    }
}

/// The score with the sign of its center; of several subjects, the mean of theirs.
fn signed_score(of: &BrainScore) -> Option<f64> {
    if of.per_subject.is_empty() {
        return Some(of.score?.copysign(of.center));
    }
    let subjects = of.per_subject.iter();
    let scores = subjects.map(|subject| signed_score(&subject.brain_score));
    let scores = scores.collect::<Option<Vec<f64>>>()?;
    Some(scores.iter().sum::<f64>() / scores.len() as f64)
}

/// Marks the layer with the highest score among those that can be chosen.
fn choose(mut sets: Vec<LayerScore>, order: &[String]) -> (Vec<LayerScore>, By) {
    let scores = sets.iter().filter_map(|set| set.brain_score.as_ref());
    let by = if scores.clone().all(|of| of.score.is_some()) {
        By::Score
    } else {
        By::Center
    };
    let value = |set: &LayerScore| {
        let of = set.brain_score.as_ref()?;
        match by {
            By::Score => signed_score(of),
            By::Center => Some(of.center),
        }
    };
    let place = |set: &LayerScore| {
        let layer = set.layers.first();
        let known = layer.and_then(|layer| order.iter().position(|of| of == layer));
        known.unwrap_or(usize::MAX)
    };
    let able = sets.iter().enumerate();
    let able = able.filter(|(_, set)| set.barred.is_none());
    let able = able.filter_map(|(at, set)| Some((value(set)?, place(set), at)));
    let best = able.min_by(|(a, a_place, a_at), (b, b_place, b_at)| {
        let higher: Ordering = b.total_cmp(a);
        higher.then((a_place, a_at).cmp(&(b_place, b_at)))
    });
    if let Some((_, _, at)) = best {
        sets[at].chosen = true;
    }
    (sets, by)
}

#[cfg(test)]
mod tests;
