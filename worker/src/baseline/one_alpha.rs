//! Ridge regression with one penalty α for all sites, as Brain-Score fits it: `Ridge(alpha=1)`, and
//! scikit-learn's `RidgeCV` with its 99 penalties and `alpha_per_target=False`.
//!
//! α counts in the activations' own units, so it means another strength for each layer.

use super::banded::Banded;
use super::cholesky;
use super::gram::Gram;
use super::groups::Group;

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, Par};

/// Bytes of the stimuli whose errors are taken at once.
pub(super) const PANEL_BYTES: usize = 512 << 20;

/// Stimuli that are predicted at once.
pub(super) const OTHERS: usize = 1024;

/// The penalty of `alphas`, in rising order, with the least squared error at stimuli that are left out,
/// summed over the present responses of all sites. Of penalties with equal errors it is the first.
///
/// A group of one stimulus says nothing, since nothing remains to predict it from. Without any other
/// group the first penalty is chosen. Where there is one penalty, nothing is computed.
pub(super) fn choose(gram: &mut Gram, groups: &[Group], alphas: &[f64]) -> f64 {
    match alphas {
        [alpha] => *alpha,
        alphas => least(alphas, &left_out(gram, groups, alphas, PANEL_BYTES)),
    }
}

/// The first penalty with the least error.
pub(super) fn least(alphas: &[f64], errors: &[f64]) -> f64 {
    let mut best = 0;
    for (at, error) in errors.iter().enumerate() {
        if *error < errors[best] {
            best = at;
        }
    }
    alphas[best]
}

/// Squared errors at stimuli that are left out, summed over the present responses of all sites, for each
/// of `alphas`.
///
/// `panel_bytes` is the memory of the stimuli that are taken at once.
pub(super) fn left_out(
    gram: &mut Gram,
    groups: &[Group],
    alphas: &[f64],
    panel_bytes: usize,
) -> Vec<f64> {
    let mut errors = vec![0.0; alphas.len()];
    for group in groups.iter().filter(|group| group.fitted.len() > 1) {
        let mut lower = gram.lower(&group.fitted);
        let mean = lower.mean_eigenvalue();
        // What this adds separates the eigenvalue of the means from the others, and changes no fit.
        let matrix = lower.fill(mean / group.fitted.len() as f64, 0.0);
        let of_group = Banded::of(matrix);
        let of_group = of_group.left_out(mean, &group.responses, alphas, panel_bytes);
        for (sum, error) in errors.iter_mut().zip(of_group) {
            *sum += error;
        }
    }
    errors
}

/// Predictions for `others` of a fit to a group, less the sites' means: `[others, sites]`.
pub(super) fn predict(gram: &mut Gram, group: &Group, alpha: f64, others: &[usize]) -> Mat<f64> {
    let coefficients = coefficients(gram, group, alpha);
    let mut predicted = Mat::zeros(others.len(), coefficients.ncols());
    for (at, others) in others.chunks(OTHERS).enumerate() {
        let cross = gram.centred_cross(&group.fitted, others);
        let rows = predicted.as_mut().subrows_mut(at * OTHERS, others.len());
        matmul(
            rows,
            Accum::Replace,
            &cross,
            &coefficients,
            1.0,
            Par::rayon(0),
        );
    }
    predicted
}

/// Coefficients `(K + αI)⁻¹ Y` of a group's centred responses, `[n, sites]`.
fn coefficients(gram: &mut Gram, group: &Group, alpha: f64) -> Mat<f64> {
    let mut lower = gram.lower(&group.fitted);
    let mut matrix = lower.fill(0.0, alpha);
    cholesky::factor(matrix.as_mut(), alpha);
    let mut coefficients = group.responses.clone();
    cholesky::solve(matrix.as_ref(), coefficients.as_mut());
    coefficients
}
