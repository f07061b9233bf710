//! Scores of a comparison, as a trial has them, and the memory that it takes.

use super::error::ComparisonError;
use super::kernel::Kernel;
use super::{cka, rdm, reverse};
use crate::nrp::{Data, RegionScores, TrainError, Trained};
use crate::statistics::median;
use nrp_proto::sweep::Comparison;
use nrp_proto::wire::Scores;

/// Matrices of stimuli × stimuli that a comparison has in memory at once: three kernels, two centred ones or
/// triangles and their ranks, and what is sorted.
const MATRICES: u64 = 8;

/// Responses to all stimuli of the recordings.
#[derive(Debug, Clone, Copy)]
pub struct Responses<'a> {
    /// Whose they are; empty where subjects are not told apart.
    pub subject: &'a str,
    /// `[stimuli, sites]`, row-major, NaN where missing.
    pub values: &'a [f64],
    /// How many sites there are.
    pub sites: usize,
}

/// What activations are compared with.
#[derive(Debug, Clone, Copy)]
pub struct Compared<'a> {
    /// The responses.
    pub responses: Responses<'a>,
    /// Those of the other subjects in the same region, in their order; empty where subjects are not told
    /// apart.
    pub others: &'a [Responses<'a>],
    /// The stimuli that count, by their rows in the recordings.
    pub stimuli: &'a [usize],
    /// The split's part of them, by their places among these.
    pub part: &'a [usize],
}

/// The fewest stimuli that a comparison takes; of reverse PLS, those of its fit are counted otherwise.
pub fn least_stimuli(comparison: Comparison) -> usize {
    match comparison {
        Comparison::Rdm => rdm::LEAST_STIMULI,
        Comparison::Cka => cka::LEAST_STIMULI,
        Comparison::CkaBiased => cka::LEAST_STIMULI_BIASED,
        Comparison::ReversePls(_) => 0,
    }
}

/// The fewest sites that a comparison takes; of reverse PLS, at least as many as it has components.
pub fn least_sites(comparison: Comparison) -> usize {
    match comparison {
        Comparison::Rdm => rdm::LEAST_WIDTH,
        Comparison::Cka | Comparison::CkaBiased => 1,
        Comparison::ReversePls(components) => components.get() as usize,
    }
}

/// Bytes that a comparison of `stimuli` stimuli takes at most.
pub fn bytes(stimuli: usize) -> u64 {
    MATRICES * 8 * (stimuli as u64).pow(2)
}

/// Compares activations and responses, over all stimuli and over the split's part, which has no similarity where
/// it has too few stimuli, or the comparison of these alone is undefined. Where there are other
/// subjects, their responses say how alike those of subjects are; unless one of them lacks responses.
///
/// # Errors
/// When there are too few stimuli, units or sites, or the comparison over all stimuli is undefined.
///
/// # Panics
/// With [`Comparison::ReversePls`], which is fitted: `evaluate_reverse`.
pub fn evaluate(
    comparison: Comparison,
    activations: &Kernel,
    compared: Compared<'_>,
) -> Result<Trained, TrainError> {
    let Responses { values, sites, .. } = compared.responses;
    let responses = &Kernel::of_responses(values, sites, compared.stimuli)?;
    let all: Vec<usize> = (0..compared.stimuli.len()).collect();
    let of = |part: &[usize]| match comparison {
        Comparison::Rdm => {
            let ranks = |kernel| Ok::<_, ComparisonError>(rdm::ranks(&rdm::rdm(kernel, part)?));
            similarity(&ranks(activations)?, &ranks(responses)?)
        }
        Comparison::Cka => cka::cka(activations, responses, part, true),
        Comparison::CkaBiased => cka::cka(activations, responses, part, false),
        Comparison::ReversePls(_) => unreachable!("it is fitted: `evaluate_reverse`"),
    };
    let (mut upper, mut lower, mut between) = (None, None, Vec::new());
    match comparison {
        Comparison::Rdm => {
            if let Some(bounds) = bounds(responses, &all, compared)? {
                [lower, upper] = bounds.map(Some);
            }
        }
        Comparison::Cka | Comparison::CkaBiased => {
            let is_unbiased = comparison == Comparison::Cka;
            between = alignments(responses, &all, compared, is_unbiased)?.unwrap_or_default();
        }
        Comparison::ReversePls(_) => {}
    }
    Ok(trained(Scores {
        similarity: Some(of(&all)?),
        similarity_split: of(compared.part).ok(),
        similarity_upper: upper,
        similarity_lower: lower,
        other_subjects: match between.as_slice() {
            [] => Vec::new(),
            [..] => compared
                .others
                .iter()
                .map(|of| of.subject.to_owned())
                .collect(),
        },
        between_subjects: between,
        sites: sites as u32,
        ..Scores::default()
    }))
}

/// Visits the kernels of the other subjects, one after the other; none if there is no other, or one cannot be
/// compared: it lacks a response, or has too few sites.
fn each_other(
    compared: Compared<'_>,
    visit: &mut dyn FnMut(&Kernel) -> Result<(), ComparisonError>,
) -> Result<Option<()>, TrainError> {
    for Responses { values, sites, .. } in compared.others {
        let kernel = Kernel::of_responses(values, *sites, compared.stimuli);
        let visited = kernel.and_then(|kernel| Ok(visit(&kernel)?));
        match visited {
            Ok(()) => {}
            Err(TrainError::Comparison(_)) => return Ok(None),
            Err(other) => return Err(other),
        }
    }
    Ok((!compared.others.is_empty()).then_some(()))
}

/// The rank correlation of a subject's RDM with the mean RDM of the other subjects, and with that of all
/// subjects: the lower and the upper bound of Nili et al. (2014). None without other subjects.
fn bounds(
    responses: &Kernel,
    all: &[usize],
    compared: Compared<'_>,
) -> Result<Option<[f64; 2]>, TrainError> {
    let own = rdm::rdm(responses, all)?;
    let mut sum = vec![0.0; own.len()];
    let add = |sum: &mut [f64], rdm: &[f64]| {
        sum.iter_mut().zip(rdm).for_each(|(sum, of)| *sum += of);
    };
    let others = each_other(compared, &mut |other| {
        add(&mut sum, &rdm::rdm(other, all)?);
        Ok(())
    })?;
    if others.is_none() {
        return Ok(None);
    }
    let ranks = rdm::ranks(&own);
    let with = |sum: &[f64], subjects: usize| {
        let mean: Vec<f64> = sum.iter().map(|of| of / subjects as f64).collect();
        similarity(&rdm::ranks(&mean), &ranks)
    };
    let lower = with(&sum, compared.others.len())?;
    add(&mut sum, &own);
    Ok(Some([lower, with(&sum, compared.others.len() + 1)?]))
}

/// CKA of a subject's responses with those of each other subject. None without other subjects.
fn alignments(
    responses: &Kernel,
    all: &[usize],
    compared: Compared<'_>,
    is_unbiased: bool,
) -> Result<Option<Vec<f64>>, TrainError> {
    let mut found = Vec::new();
    let others = each_other(compared, &mut |other| {
        found.push(cka::cka(responses, other, all, is_unbiased)?);
        Ok(())
    })?;
    Ok(others.map(|()| found))
}

/// The rank correlation of two triangles of dissimilarities, of which these are the ranks.
fn similarity(activations: &[f64], responses: &[f64]) -> Result<f64, ComparisonError> {
    rdm::correlation(activations, responses).ok_or_else(|| {
        let is_flat = |ranks: &[f64]| ranks.iter().all(|rank| *rank == ranks[0]);
        let of = if is_flat(activations) {
            "activations"
        } else {
            "responses"
        };
        ComparisonError::NoOrder { of }
    })
}

/// Predicts the units of `data` from its sites by reverse PLS, fitted to its training stimuli. Its score is
/// the median over units of Pearson's r on its test stimuli; units that do not vary have none.
///
/// Calls `on_units` before each block with the number of units done, and stops if that returns false.
///
/// # Errors
/// When a response is missing, there are fewer sites or stimuli than components, no unit varies,
/// activations cannot be read, or `on_units` returns false.
pub fn evaluate_reverse(
    components: u32,
    data: &Data<'_>,
    on_units: &mut dyn FnMut(usize) -> bool,
) -> Result<Trained, TrainError> {
    data.check()?;
    let mut correlations = reverse::correlations(data, components, on_units)?;
    let similarity = median(&mut correlations).ok_or(ComparisonError::NoUnit {
        stimuli: data.test.len(),
    })?;
    Ok(trained(Scores {
        similarity: Some(similarity),
        similarity_split: Some(similarity),
        split_half_consistency: data.noise.and_then(|noise| noise.consistency),
        split_half_error: data.noise.and_then(|noise| noise.consistency_error),
        sites: data.sites as u32,
        ..Scores::default()
    }))
}

/// A comparison as a trial ends with it: without predictions of sites, epochs, or a loss.
fn trained(scores: Scores) -> Trained {
    Trained {
        test: RegionScores {
            scores,
            site_error: Vec::new(),
            site_pearson: Vec::new(),
        },
        validation_mse: 0.0,
        best_epoch: 0,
        epochs: 0,
        left_out: Vec::new(),
    }
}
