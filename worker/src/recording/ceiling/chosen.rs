//! Ceilings that a sweep file chooses: those that Brain-Score computes (brainscore-vision 2.4.2), and the
//! parity of repetitions.
//!
//! All but a coordinate are ten halvings: responses are averaged in each half, correlated over stimuli and
//! corrected to 2r / (1 + r), not cut off below. Over sites the median, over halvings the mean, and the
//! standard error (divisor n, over √n). A site that lacks a response in a half is left out of that
//! halving, as by Brain-Score's medians, which skip NaN.

use std::collections::BTreeMap;

use miette::Diagnostic;
use nrp_proto::sweep::Ceiling;
use rayon::prelude::*;
use thiserror::Error;

use super::{correlation, deviation, medians};
use crate::recording::numpy::{DefaultRng, RandomState};
use crate::recording::ranks::{Labels, ranks_as_stored};
use crate::recording::words::{counted, named, some_of};
use crate::statistics::{mean, median};

/// How often repetitions are halved.
const HALVINGS: usize = 10;
/// Seed of the halvings by label, as Brain-Score's.
const LABEL_SEED: u32 = 1;
/// Seed of the halvings of each stimulus and of resamples of sites, as Brain-Score's.
const OWN_SEED: u32 = 0;
/// How often sites are resampled.
const RESAMPLES: usize = 1_000;
/// Fewest stimuli with two repetitions that a halving of each stimulus needs, as in Brain-Score.
const LEAST_HALVED: usize = 10;

/// Why a ceiling cannot be measured as the sweep file asks.
#[derive(Debug, Error, Diagnostic, PartialEq, Eq)]
pub enum CeilingError {
    /// Nothing numbers the repetitions.
    #[error("`ceiling = \"repetition\"` halves the labels of `repetition`, which the file lacks")]
    #[diagnostic(help(
        "`ceiling = \"even-odd\"` and `\"per-stimulus\"` count repetitions in the order of the file; without `ceiling`, all halvings are averaged"
    ))]
    NoLabels,
    /// A single label.
    #[error("all presentations have the same `repetition`, `{label}`: there are no halves")]
    #[diagnostic(help(
        "`ceiling = \"even-odd\"` and `\"per-stimulus\"` halve each stimulus's presentations; without `ceiling`, all halvings are averaged"
    ))]
    OneLabel {
        /// The label.
        label: String,
    },
    /// Stimuli without a response in a half.
    #[error("{} without a response in one half of the repetitions: {}", counted(*count, "stimulus"), named(stimuli, *count))]
    #[diagnostic(help("{help}"))]
    EmptyHalf {
        /// Some of them.
        stimuli: Vec<String>,
        /// How many there are.
        count: usize,
        /// Which other ceilings there are.
        help: &'static str,
    },
    /// Too few stimuli with two repetitions.
    #[error("{} shown twice or more; `ceiling = \"per-stimulus\"` needs {LEAST_HALVED}", counted(*stimuli, "stimulus"))]
    #[diagnostic(help("leave `ceiling` out: then all halvings are averaged"))]
    TooFew {
        /// How many there are.
        stimuli: usize,
    },
    /// No halving in which a site has a correlation.
    #[error("no site has responses to all stimuli in both halves of a halving")]
    #[diagnostic(help(
        "leave `ceiling` out: then a stimulus without a response is left out of a halving"
    ))]
    Undefined,
    /// The file does not have the coordinate.
    #[error("the file has no coordinate `{name}` of numbers over its sites")]
    #[diagnostic(help(
        "name one that an assembly (.nc) has along `neuroid`, or leave `ceiling` out"
    ))]
    NoCoordinate {
        /// The coordinate.
        name: String,
    },
    /// The coordinate says more than a ceiling can be.
    #[error("the coordinate `{name}` has {value}, and a ceiling is at most 1")]
    #[diagnostic(help("name a coordinate with reliabilities, or leave `ceiling` out"))]
    NotReliability {
        /// The coordinate.
        name: String,
        /// The value.
        value: String,
    },
}

/// What a ceiling is measured from, besides responses.
#[derive(Clone, Copy)]
pub(in crate::recording) struct Shown<'a> {
    /// Row of each presentation's stimulus.
    pub(in crate::recording) stimulus_of: &'a [usize],
    /// The id of each presentation's stimulus.
    pub(in crate::recording) ids: &'a [String],
    /// Whether the file stores the ids as text, digits too.
    pub(in crate::recording) ids_are_text: bool,
    /// The file's repetition numbers of the presentations.
    pub(in crate::recording) labels: Option<&'a Labels>,
    /// Number of stimuli.
    pub(in crate::recording) stimuli: usize,
    /// For a coordinate, its value at each of the sites; NaN where it has none.
    pub(in crate::recording) coordinate: Option<&'a [f64]>,
}

/// A ceiling as measured.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Measured {
    /// Of each site, the mean over halvings.
    pub(super) ceilings: Vec<Option<f64>>,
    /// The mean over halvings of the median over sites.
    pub(super) consistency: Option<f64>,
    /// Its standard error.
    pub(super) error: Option<f64>,
}

/// The two halves of a halving: presentations of each stimulus, stimuli alike in both.
type Halving = Vec<[Vec<usize>; 2]>;

/// Measures the ceilings of `sites`; none for the default, which is measured elsewhere. `value` is the
/// response to a presentation at a site, not finite where it is missing.
pub(super) fn measure(
    ceiling: &Ceiling,
    shown: &Shown<'_>,
    sites: usize,
    value: &(impl Fn(usize, usize) -> f64 + Sync),
) -> Result<Option<Measured>, CeilingError> {
    let halvings = match ceiling {
        Ceiling::Halvings => return Ok(None),
        Ceiling::Coordinate(name) => return coordinate(name, shown.coordinate).map(Some),
        Ceiling::Repetition => {
            let labels = shown.labels.ok_or(CeilingError::NoLabels)?;
            by_label(&labels.ranks(), shown).ok_or_else(|| CeilingError::OneLabel {
                label: labels.words.first().cloned().unwrap_or_default(),
            })?
        }
        Ceiling::EvenOdd => {
            let parities = order(shown).into_iter().map(|(_, place)| place % 2);
            by_label(&parities.collect::<Vec<_>>(), shown).ok_or(CeilingError::Undefined)?
        }
        Ceiling::PerStimulus => by_stimulus(shown)?,
    };
    if *ceiling != Ceiling::PerStimulus {
        let is_recorded: Vec<bool> = (0..shown.stimulus_of.len())
            .into_par_iter()
            .map(|presentation| (0..sites).any(|site| value(presentation, site).is_finite()))
            .collect();
        refuse_empty(&halvings, &is_recorded, shown, ceiling)?;
    }
    let reliabilities: Vec<Vec<Option<f64>>> = (0..sites)
        .into_par_iter()
        .map(|site| {
            let of_halving = |halving: &Halving| {
                let average = |half: &Vec<usize>| {
                    let values = half.iter().map(|presentation| value(*presentation, site));
                    mean(values.filter(|value| value.is_finite()))
                };
                let half = |which: usize| {
                    let stimuli = halving.iter().map(|halves| average(&halves[which]));
                    stimuli.collect::<Option<Vec<f64>>>()
                };
                let r = correlation(&half(0)?, &half(1)?)?;
                Some(2.0 * r / (1.0 + r)).filter(|corrected| corrected.is_finite())
            };
            halvings.iter().map(of_halving).collect()
        })
        .collect();
    aggregated(&reliabilities).map(Some)
}

/// `[sites][halvings]`, over sites and halvings.
fn aggregated(reliabilities: &[Vec<Option<f64>>]) -> Result<Measured, CeilingError> {
    let medians = medians(reliabilities);
    let consistency = mean(medians.iter().copied()).ok_or(CeilingError::Undefined)?;
    Ok(Measured {
        ceilings: reliabilities
            .iter()
            .map(|of| mean(of.iter().flatten().copied()))
            .collect(),
        consistency: Some(consistency),
        error: Some(deviation(&medians) / (medians.len() as f64).sqrt()),
    })
}

/// Halvings of the labels, the same for all stimuli; none if there is one label only. `labels` are
/// numbers without gaps, from 0.
fn by_label(labels: &[usize], shown: &Shown<'_>) -> Option<Vec<Halving>> {
    let count = labels.iter().max().map_or(0, |most| most + 1);
    if count < 2 {
        return None;
    }
    let mut rng = RandomState::new(LABEL_SEED);
    let halvings = (0..HALVINGS).map(|_| {
        let mut half_of = vec![1; count];
        let [first, _] = halves(count, &mut rng);
        first.into_iter().for_each(|label| half_of[label] = 0);
        let mut halving = vec![[const { Vec::new() }; 2]; shown.stimuli];
        for (presentation, (stimulus, label)) in shown.stimulus_of.iter().zip(labels).enumerate() {
            halving[*stimulus][half_of[*label]].push(presentation);
        }
        halving
    });
    Some(halvings.collect())
}

/// The halves of so many labels: as `ShuffleSplit(train_size=0.5)` draws them, the second half has one
/// more where their number is odd.
fn halves(labels: usize, rng: &mut RandomState) -> [Vec<usize>; 2] {
    let mut second = rng.permutation(labels);
    let first = second.split_off(labels.div_ceil(2));
    [first, second]
}

/// The rank of each presentation's label among those of its stimulus, and its place in that order; where
/// there are no labels, or all are the same, the order of the file.
fn order(shown: &Shown<'_>) -> Vec<(usize, usize)> {
    let labels = shown.labels.map(Labels::ranks);
    let ranks = match labels.filter(|ranks| ranks.iter().any(|rank| *rank > 0)) {
        Some(ranks) => ranks,
        None => (0..shown.stimulus_of.len()).collect(),
    };
    let mut presentations: Vec<usize> = (0..ranks.len()).collect();
    presentations.sort_by_key(|&at| (shown.stimulus_of[at], ranks[at]));
    let mut order = vec![(0, 0); ranks.len()];
    let mut last: Option<(usize, usize, usize)> = None;
    for at in presentations {
        let stimulus = shown.stimulus_of[at];
        // Presentations of one label count as one repetition.
        let place = match last {
            Some((of, rank, place)) if of == stimulus && rank == ranks[at] => place,
            Some((of, _, place)) if of == stimulus => place + 1,
            Some(_) | None => 0,
        };
        last = Some((stimulus, ranks[at], place));
        order[at] = (ranks[at], place);
    }
    order
}

/// Halvings of each stimulus's own repetitions, stimuli in the order of their ids, as numbers where the file stores
/// numbers. Stimuli with one repetition have no part in them.
fn by_stimulus(shown: &Shown<'_>) -> Result<Vec<Halving>, CeilingError> {
    let ids: Vec<&str> = shown.ids.iter().map(String::as_str).collect();
    // Ids that are one number are stimuli of their own.
    let ranks = ranks_as_stored(&ids, shown.ids_are_text);
    let stimuli: Vec<(usize, &str)> = ranks.into_iter().zip(ids).collect();
    // The presentations of each repetition of each stimulus.
    let mut repetitions: BTreeMap<(usize, &str), BTreeMap<usize, Vec<usize>>> = BTreeMap::new();
    for (at, (rank, _)) in order(shown).into_iter().enumerate() {
        let of_stimulus = repetitions.entry(stimuli[at]).or_default();
        of_stimulus.entry(rank).or_default().push(at);
    }
    let repeated = repetitions.into_values().filter(|of| of.len() > 1);
    let repeated: Vec<Vec<Vec<usize>>> = repeated.map(|of| of.into_values().collect()).collect();
    if repeated.len() < LEAST_HALVED {
        return Err(CeilingError::TooFew {
            stimuli: repeated.len(),
        });
    }
    let mut rng = DefaultRng::new(OWN_SEED);
    let mut halving = || -> Halving {
        let of_stimulus = |repetitions: &Vec<Vec<usize>>| {
            let drawn = rng.permutation((0..repetitions.len()).collect());
            let (first, second) = drawn.split_at(repetitions.len() / 2);
            [first, second].map(|half| {
                let presentations = half.iter().flat_map(|at| &repetitions[*at]);
                presentations.copied().collect()
            })
        };
        repeated.iter().map(of_stimulus).collect()
    };
    Ok((0..HALVINGS).map(|_| halving()).collect())
}

/// Refuses stimuli of which no site has a response in a half.
fn refuse_empty(
    halvings: &[Halving],
    is_recorded: &[bool],
    shown: &Shown<'_>,
    ceiling: &Ceiling,
) -> Result<(), CeilingError> {
    let is_empty = |half: &Vec<usize>| !half.iter().any(|at| is_recorded[*at]);
    let lacks = |stimulus: &usize| {
        let mut halves = halvings.iter().flat_map(|halving| &halving[*stimulus]);
        halves.any(is_empty)
    };
    let mut id_of = vec![""; shown.stimuli];
    for (stimulus, id) in shown.stimulus_of.iter().zip(shown.ids) {
        id_of[*stimulus] = id;
    }
    let lacking = (0..shown.stimuli).filter(lacks);
    let (stimuli, count) = some_of(lacking.map(|stimulus| id_of[stimulus].to_owned()));
    if count == 0 {
        return Ok(());
    }
    let mut repeated = vec![false; shown.stimuli];
    for (at, (_, place)) in order(shown).into_iter().enumerate() {
        repeated[shown.stimulus_of[at]] |= place > 0;
    }
    let is_enough = repeated.iter().filter(|of| **of).count() >= LEAST_HALVED;
    let are_repeated = (0..shown.stimuli).filter(lacks).all(|of| repeated[of]);
    let help = match (ceiling, is_enough, are_repeated) {
        (Ceiling::Repetition, true, true) => {
            "write `ceiling = \"even-odd\"` or `\"per-stimulus\"` under `[recordings]`, which halve each stimulus's own repetitions; without `ceiling`, such a stimulus is left out of a halving, except with `scheme = \"brain-score\"`"
        }
        (Ceiling::Repetition, false, true) => {
            "write `ceiling = \"even-odd\"` under `[recordings]`, which halves each stimulus's own repetitions; without `ceiling`, such a stimulus is left out of a halving, except with `scheme = \"brain-score\"`"
        }
        (_, true, _) => {
            "write `ceiling = \"per-stimulus\"` under `[recordings]`, which leaves out stimuli that were shown once"
        }
        (_, false, _) => {
            "without `ceiling`, such a stimulus is left out of a halving; `scheme = \"brain-score\"` has no ceiling of fewer than ten stimuli that were shown twice: use another scheme, or leave stimuli that were shown once out of the file"
        }
    };
    Err(CeilingError::EmptyHalf {
        stimuli,
        count,
        help,
    })
}

/// The ceiling that a coordinate says: the median over sites, and its standard deviation over resamples
/// of the sites that have a value.
fn coordinate(name: &str, values: Option<&[f64]>) -> Result<Measured, CeilingError> {
    let name = name.to_owned();
    let Some(values) = values else {
        return Err(CeilingError::NoCoordinate { name });
    };
    let finite = values.iter().copied().filter(|value| value.is_finite());
    let finite: Vec<f64> = finite.collect();
    if let Some(value) = finite.iter().find(|value| **value > 1.0 + 1e-6) {
        let value = value.to_string();
        return Err(CeilingError::NotReliability { name, value });
    }
    let Some(consistency) = median(&mut finite.clone()) else {
        return Err(CeilingError::NoCoordinate { name });
    };
    let mut rng = RandomState::new(OWN_SEED);
    let resamples = (0..RESAMPLES).map(|_| {
        let mut drawn = rng.choice_again(&finite, finite.len());
        median(&mut drawn).unwrap_or(f64::NAN)
    });
    let resamples: Vec<f64> = resamples.collect();
    Ok(Measured {
        ceilings: values
            .iter()
            .map(|of| Some(*of).filter(|of| of.is_finite()))
            .collect(),
        consistency: Some(consistency),
        error: Some(deviation(&resamples)),
    })
}

/// What the user should know of a ceiling as chosen.
pub(in crate::recording) fn notice(ceiling: &Ceiling, has_ceilings: bool) -> Option<String> {
    match ceiling {
        Ceiling::Halvings => None,
        Ceiling::Coordinate(name) => Some(format!(
            "ceilings are the file's own `{name}`: it must be a reliability of the responses that are read, \
             from the same time window, not of others"
        )),
        Ceiling::Repetition | Ceiling::EvenOdd | Ceiling::PerStimulus => (!has_ceilings)
            .then(|| "no stimulus was shown twice, so there is no noise ceiling".to_owned()),
    }
}

#[cfg(test)]
mod tests;
