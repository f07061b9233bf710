//! Ridge regression with one penalty where units are fewer than stimuli: then the inner products of units
//! are the smaller matrix, and keep more digits. scikit-learn goes the same way there.

use super::cholesky;
use super::gram::Gram;
use super::groups::{Group, Predicted, groups};
use super::one_alpha::{self, PANEL_BYTES};
use super::penalties::{Nodes, Sums};
use super::spectrum::product;
use crate::nrp::{Activations, InputScaling, InputStatistics, TrainError};
use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{BlockStructure, matmul as matmul_of_parts};
use faer::{Accum, Mat, MatMut, MatRef, Par, Side};
use nrp_proto::sweep::Baseline;
use rayon::prelude::*;

/// Tables of stimuli × units, and matrices of units × units, that a fit has in memory at once.
const TABLES: u64 = 3;
const MATRICES: u64 = 5;

/// Bytes that are always taken, if units are fewer than stimuli. Beyond that, a fit goes through the
/// units where this takes no more than the inner products of stimuli.
const SMALL_BYTES: u64 = 1 << 30;

/// Whether a fit to `stimuli` stimuli with `units` units goes through the units.
pub fn through_units(baseline: Baseline, stimuli: usize, units: usize) -> bool {
    match baseline {
        Baseline::RidgeOne | Baseline::RidgeCv => {
            let most = Gram::bytes(stimuli).max(SMALL_BYTES);
            units < stimuli && bytes(stimuli, units) <= most
        }
        Baseline::Ols | Baseline::Ridge | Baseline::Pls | Baseline::SingleUnit => false,
    }
}

/// Bytes of a fit's tables and matrices over units.
pub(super) fn bytes(stimuli: usize, units: usize) -> u64 {
    let panel = PANEL_BYTES as u64;
    TABLES * Rows::bytes(stimuli, units) + MATRICES * Gram::bytes(units) + panel
}

/// All stimuli's scaled activations, as one long row of units each, about their mean.
pub struct Rows {
    /// `[units, stimuli]`
    values: Mat<f64>,
}

impl Rows {
    /// Reads the activations of `stimuli` stimuli.
    ///
    /// Calls `on_units` before each layer with the number of units done, and stops if that returns false.
    ///
    /// # Errors
    /// When the activations cannot be read, or `on_units` returns false.
    pub fn of(
        activations: &dyn Activations,
        stimuli: usize,
        statistics: &InputStatistics,
        scaling: InputScaling,
        on_units: &mut dyn FnMut(usize) -> bool,
    ) -> Result<Self, TrainError> {
        let all: usize = activations.units().iter().sum();
        let mut values = Mat::<f64>::zeros(all, stimuli);
        let mut before = 0;
        for (layer, &units) in activations.units().iter().enumerate() {
            if !on_units(before) {
                return Err(TrainError::Interrupted { epoch: 0 });
            }
            let columns = values
                .as_mut()
                .subrows_mut(before, units)
                .par_col_iter_mut();
            columns.enumerate().try_for_each_init(
                || vec![0.0_f32; units],
                |row, (stimulus, column)| {
                    activations
                        .read(layer, stimulus, 0, row)
                        .map_err(|source| TrainError::Activations { layer, source })?;
                    statistics.scale_units(layer, scaling, 0, row);
                    column
                        .iter_mut()
                        .zip(&*row)
                        .for_each(|(to, of)| *to = f64::from(*of));
                    Ok::<_, TrainError>(())
                },
            )?;
            before += units;
        }
        let all: Vec<usize> = (0..stimuli).collect();
        let mean = mean(values.as_ref(), &all);
        subtract(values.as_mut(), &mean);
        Ok(Self { values })
    }

    /// Multiplies the activations: those in another unit.
    #[cfg(test)]
    pub(super) fn scale(&mut self, by: f64) {
        self.values *= faer::Scale(by);
    }

    /// Bytes of the activations.
    pub fn bytes(stimuli: usize, units: usize) -> u64 {
        8 * stimuli as u64 * units as u64
    }

    /// Whether all activations are finite.
    pub(super) fn is_finite(&self) -> bool {
        self.values.is_all_finite()
    }

    /// The activations of some stimuli, less `mean`: `[units, stimuli]`.
    fn less(&self, stimuli: &[usize], mean: &[f64]) -> Mat<f64> {
        let mut values = Mat::from_fn(self.values.nrows(), stimuli.len(), |unit, at| {
            self.values[(unit, stimuli[at])]
        });
        subtract(values.as_mut(), mean);
        values
    }
}

/// Predictions of a baseline that has one penalty for all sites, as [`predict`](super::fit::predict) has
/// them.
///
/// # Errors
/// When eigenvalues do not converge.
pub(super) fn predict(
    baseline: Baseline,
    rows: &Rows,
    alpha: Option<f64>,
    fitted: &[usize],
    responses: &Mat<f64>,
    others: &[usize],
) -> Result<Predicted, TrainError> {
    let groups = groups(baseline, fitted, responses);
    let alpha = match alpha {
        Some(alpha) => alpha,
        None => choose(rows, &groups, &baseline.alphas())?,
    };
    let mut predicted = Mat::zeros(others.len(), responses.ncols());
    for group in groups {
        let mean = mean(rows.values.as_ref(), &group.fitted);
        let learned = rows.less(&group.fitted, &mean);
        let weights = weights(learned.as_ref(), &group.responses, alpha);
        let seen = rows.less(others, &mean);
        group.put(&product(seen.transpose(), weights.as_ref()), &mut predicted);
    }
    Ok(Predicted {
        responses: predicted,
        alpha: Some(alpha),
    })
}

/// As [`one_alpha::choose`].
fn choose(rows: &Rows, groups: &[Group], alphas: &[f64]) -> Result<f64, TrainError> {
    if let [alpha] = alphas {
        return Ok(*alpha);
    }
    let mut errors = vec![0.0; alphas.len()];
    for group in groups.iter().filter(|group| group.fitted.len() > 1) {
        let of_group = left_out(rows, group, alphas)?;
        for (sum, error) in errors.iter_mut().zip(of_group) {
            *sum += error;
        }
    }
    Ok(one_alpha::least(alphas, &errors))
}

/// `(XᵀX + αI)⁻¹ Xᵀ Y`, `[units, sites]`, of centred activations, which are `[units, n]`.
fn weights(learned: MatRef<'_, f64>, responses: &Mat<f64>, alpha: f64) -> Mat<f64> {
    let mut products = squares(learned);
    for unit in 0..products.nrows() {
        products[(unit, unit)] += alpha;
    }
    cholesky::factor(products.as_mut(), alpha);
    let mut weights = product(learned, responses.as_ref());
    cholesky::solve(products.as_ref(), weights.as_mut());
    weights
}

/// Squared errors at stimuli that are left out, summed over stimuli and sites, for each of `alphas`.
///
/// With the residual r and the leverage h of a stimulus, intercept apart, its error is r / (1 − h − 1/n).
///
/// # Errors
/// When eigenvalues do not converge.
pub(super) fn left_out(rows: &Rows, group: &Group, alphas: &[f64]) -> Result<Vec<f64>, TrainError> {
    let n = group.fitted.len();
    let mean = mean(rows.values.as_ref(), &group.fitted);
    // In the eigenvectors' coordinates, [units, n].
    let (turned, values) = {
        let learned = rows.less(&group.fitted, &mean);
        let found = squares(learned.as_ref()).self_adjoint_eigen(Side::Lower);
        let found = found.map_err(|_| TrainError::Spectrum)?;
        let values = found.S().column_vector().iter();
        let values: Vec<f64> = values.map(|value| value.max(0.0)).collect();
        (product(found.U().transpose(), learned.as_ref()), values)
    };
    let along = product(turned.as_ref(), group.responses.as_ref());
    let (units, sites) = along.shape();
    // What no unit predicts has the eigenvalue 0.
    let nodes = Nodes::of(alphas, &[values.as_slice(), &[0.0]].concat());
    let width = (PANEL_BYTES / (8 * units + nodes.bytes(sites))).clamp(1, n);
    let mut errors = vec![0.0; alphas.len()];
    for first in (0..n).step_by(width) {
        let width = width.min(n - first);
        let panel = turned.as_ref().subcols(first, width);
        let squared = Mat::from_fn(units, width, |unit, at| panel[(unit, at)].powi(2));
        let responses = group.responses.as_ref().subrows(first, width);
        let none = 1.0 - (n as f64).recip();
        let mut sums = Sums {
            numerators: vec![responses.transpose().to_owned()],
            denominators: vec![vec![none; width]],
        };
        for (alpha, _) in nodes.penalties() {
            let factors: Vec<f64> = values.iter().map(|value| (value + alpha).recip()).collect();
            let scaled = Mat::from_fn(units, sites, |at, site| factors[at] * along[(at, site)]);
            let mut residuals = responses.transpose().to_owned();
            let scaled = scaled.transpose();
            matmul(
                &mut residuals,
                Accum::Add,
                scaled,
                panel,
                -1.0,
                Par::rayon(0),
            );
            let leverages = squared.as_ref().par_col_iter().map(|squares| {
                let squares = squares.iter().zip(&factors);
                squares.map(|(square, factor)| square * factor).sum::<f64>()
            });
            sums.denominators
                .push(leverages.map(|of| none - of).collect());
            sums.numerators.push(residuals);
        }
        for (error, of_panel) in errors.iter_mut().zip(nodes.squared_errors(&sums)) {
            *error += of_panel;
        }
    }
    Ok(errors)
}

/// Inner products of units, of which the lower triangle is valid.
fn squares(learned: MatRef<'_, f64>) -> Mat<f64> {
    let units = learned.nrows();
    let mut products = Mat::zeros(units, units);
    let [lower, whole] = [BlockStructure::TriangularLower, BlockStructure::Rectangular];
    let (of, par) = (learned.transpose(), Par::rayon(0));
    matmul_of_parts(
        &mut products,
        lower,
        Accum::Replace,
        learned,
        whole,
        of,
        whole,
        1.0,
        par,
    );
    products
}

/// Mean activation of each unit over some stimuli.
fn mean(values: MatRef<'_, f64>, stimuli: &[usize]) -> Vec<f64> {
    let mut mean = vec![0.0; values.nrows()];
    for &stimulus in stimuli {
        mean.iter_mut()
            .zip(values.col(stimulus).iter())
            .for_each(|(sum, value)| *sum += value);
    }
    mean.iter_mut().for_each(|sum| *sum /= stimuli.len() as f64);
    mean
}

fn subtract(values: MatMut<'_, f64>, mean: &[f64]) {
    values.par_col_iter_mut().for_each(|mut column| {
        column
            .as_mut()
            .iter_mut()
            .zip(mean)
            .for_each(|(value, mean)| *value -= mean);
    });
}
