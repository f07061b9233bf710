//! Reverse predictivity: how well the sites predict the units (Brain-Score's `reverse_pls`). scikit-learn's
//! `PLSRegression(scale=False)` with the sites as predictors and all units as targets.
//!
//! Units may be a hundred thousand, so their residuals are never stored. Of the targets Y, NIPALS needs
//! nothing but YYᵀX with the sites X, of stimuli × sites; and because scores of different components are
//! orthogonal, a unit's loading is the product of a component's scores with the unit itself. So the units
//! are read twice, block by block: before the fit, and to predict them.

use super::error::ComparisonError;
use super::kernel::Blocks;
use crate::nrp::{Activations, Data, TrainError};
use faer::linalg::matmul::matmul;
use faer::linalg::matmul::{triangular, triangular::BlockStructure};
use faer::{Accum, Col, Mat, MatRef, Par};
use rayon::prelude::*;

/// scikit-learn's defaults: the squared change of weights at which iteration stops, and most iterations.
const TOLERANCE: f64 = 1e-6;
const ITERATIONS_MAX: usize = 500;
/// A unit that is never further than this from its mean counts as constant, as in scikit-learn.
const CONSTANT: f64 = 10.0 * f64::EPSILON;

/// Pearson's r over the test stimuli of each unit that varies in the fitted and the test stimuli, of a
/// prediction by `components` components from all sites of `data`. Its training stimuli are fitted.
///
/// Calls `on_units` before each block with the number of units done, and stops if that returns false.
///
/// # Errors
/// When a response is missing, there are fewer sites or stimuli than components, activations cannot be read
/// or are not finite, or `on_units` returns false.
pub(super) fn correlations(
    data: &Data<'_>,
    components: u32,
    on_units: &mut dyn FnMut(usize) -> bool,
) -> Result<Vec<f64>, TrainError> {
    check(data, components)?;
    let activations = data.activations;
    let units = Units {
        activations,
        stimuli: [data.train, data.test].concat(),
        fitted: data.train.len(),
    };
    let mut go_on = |done: usize| {
        if on_units(done) {
            Ok(())
        } else {
            Err(TrainError::Interrupted { epoch: 0 })
        }
    };
    let targets = units.products(&mut go_on)?;
    let fit = Fit::of(data, components as usize, targets, &units)?;
    units.correlations(&fit, &mut go_on)
}

fn check(data: &Data<'_>, components: u32) -> Result<(), TrainError> {
    let row = |stimulus: &usize| &data.responses[stimulus * data.sites..][..data.sites];
    let all = data.train.iter().chain(data.test);
    let lack = all.filter(|stimulus| row(stimulus).iter().any(|of| !of.is_finite()));
    let lack = lack.count();
    let refused = if lack > 0 {
        Some(ComparisonError::Missing {
            stimuli: lack,
            of: data.train.len() + data.test.len(),
            sites: data.sites,
        })
    } else {
        let found = [
            ("sites", data.sites),
            ("training stimuli", data.train.len()),
        ];
        let few = found.into_iter().find(|(_, n)| *n < components as usize);
        few.map(|(of, found)| ComparisonError::Components {
            components,
            of,
            found,
        })
    };
    match refused {
        Some(refused) => Err(refused.into()),
        None => Ok(()),
    }
}

/// The units of a layer set, over the stimuli that are fitted and then those that are tested.
struct Units<'a> {
    activations: &'a dyn Activations,
    stimuli: Vec<usize>,
    fitted: usize,
}

impl Units<'_> {
    fn read(
        &self,
        layer: usize,
        stimulus: usize,
        first: usize,
        out: &mut [f64],
    ) -> Result<(), TrainError> {
        let read = self.activations.read_wide(layer, stimulus, first, out);
        read.map_err(|source| TrainError::Activations { layer, source })?;
        match out.iter().position(|value| !value.is_finite()) {
            None => Ok(()),
            Some(at) => Err(TrainError::NonFiniteActivation {
                layer,
                unit: first + at,
            }),
        }
    }

    /// Visits the units in blocks `[stimuli, width]`, row-major, each unit less its mean over the fitted
    /// stimuli.
    fn each_block(
        &self,
        stimuli: &[usize],
        go_on: &mut dyn FnMut(usize) -> Result<(), TrainError>,
        visit: &mut dyn FnMut(MatRef<'_, f64>) -> Result<(), TrainError>,
    ) -> Result<(), TrainError> {
        let blocks = Blocks {
            layers: self.activations.units(),
            stimuli: stimuli.len(),
        };
        let mut block = Vec::new();
        blocks.each(&mut |layer, first, width, done| {
            go_on(done)?;
            block.resize(stimuli.len() * width, 0.0);
            let rows = block.par_chunks_mut(width).zip(stimuli);
            rows.try_for_each(|(row, stimulus)| self.read(layer, *stimulus, first, row))?;
            let mut mean = vec![0.0; width];
            for row in block.chunks_exact(width).take(self.fitted) {
                mean.iter_mut()
                    .zip(row)
                    .for_each(|(sum, value)| *sum += value);
            }
            mean.iter_mut().for_each(|sum| *sum /= self.fitted as f64);
            block.par_chunks_mut(width).for_each(|row| {
                row.iter_mut()
                    .zip(&mean)
                    .for_each(|(value, mean)| *value -= mean);
            });
            visit(MatRef::from_row_major_slice(&block, stimuli.len(), width))
        })
    }

    /// Inner products of the fitted stimuli: `[fitted, fitted]`.
    fn products(
        &self,
        go_on: &mut dyn FnMut(usize) -> Result<(), TrainError>,
    ) -> Result<Mat<f64>, TrainError> {
        let n = self.fitted;
        let mut products = Mat::<f64>::zeros(n, n);
        let [lower, whole] = [BlockStructure::TriangularLower, BlockStructure::Rectangular];
        self.each_block(&self.stimuli[..n], go_on, &mut |block| {
            triangular::matmul(
                products.as_mut(),
                lower,
                Accum::Add,
                block,
                whole,
                block.transpose(),
                whole,
                1.0,
                Par::rayon(0),
            );
            Ok(())
        })?;
        for column in 0..n {
            for row in 0..column {
                products[(row, column)] = products[(column, row)];
            }
        }
        Ok(products)
    }

    /// The activations of one unit, by its number in the layer set, over the fitted stimuli, less their mean.
    fn unit(&self, mut number: usize) -> Result<Option<Col<f64>>, TrainError> {
        let mut layer = 0;
        loop {
            match self.activations.units().get(layer) {
                None => return Ok(None),
                Some(units) if number < *units => break,
                Some(units) => number -= units,
            }
            layer += 1;
        }
        let mut values = Col::<f64>::zeros(self.fitted);
        for (at, stimulus) in self.stimuli[..self.fitted].iter().enumerate() {
            self.read(
                layer,
                *stimulus,
                number,
                std::slice::from_mut(&mut values[at]),
            )?;
        }
        let mean = values.iter().sum::<f64>() / self.fitted as f64;
        values.iter_mut().for_each(|value| *value -= mean);
        Ok(Some(values))
    }

    /// Pearson's r of what `fit` predicts for each unit.
    fn correlations(
        &self,
        fit: &Fit,
        go_on: &mut dyn FnMut(usize) -> Result<(), TrainError>,
    ) -> Result<Vec<f64>, TrainError> {
        let mut found = Vec::new();
        let n = self.fitted;
        self.each_block(&self.stimuli, go_on, &mut |block| {
            let (fitted, test) = block.split_at_row(n);
            let mut loadings = Mat::<f64>::zeros(fit.scores.ncols(), block.ncols());
            let mut predicted = Mat::<f64>::zeros(test.nrows(), block.ncols());
            let (replace, par) = (Accum::Replace, Par::rayon(0));
            matmul(
                &mut loadings,
                replace,
                fit.scores.transpose(),
                fitted,
                1.0,
                par,
            );
            matmul(&mut predicted, replace, &fit.test, &loadings, 1.0, par);
            let of_unit = |unit: usize| {
                let varies = fitted.col(unit).iter().any(|value| value.abs() >= CONSTANT);
                let column = |of: MatRef<'_, f64>| of.col(unit).iter().copied().collect();
                varies.then(|| pearson(column(test), column(predicted.as_ref())))?
            };
            found.extend((0..block.ncols()).filter_map(of_unit));
            Ok(())
        })?;
        Ok(found)
    }
}

/// Pearson's r; `None` where one is constant.
fn pearson(x: Vec<f64>, y: Vec<f64>) -> Option<f64> {
    let is_constant = |of: &[f64]| of.iter().all(|value| *value == of[0]);
    if is_constant(&x) || is_constant(&y) {
        return None;
    }
    let n = x.len() as f64;
    let (x_mean, y_mean) = (x.iter().sum::<f64>() / n, y.iter().sum::<f64>() / n);
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (x, y) in x.into_iter().zip(y) {
        let (x, y) = (x - x_mean, y - y_mean);
        xx += x * x;
        yy += y * y;
        xy += x * y;
    }
    let spread = xx.sqrt() * yy.sqrt();
    (spread > 0.0).then(|| (xy / spread).clamp(-1.0, 1.0))
}

/// A fit: the components' scores.
struct Fit {
    /// Of the fitted stimuli, each component's divided by its square: `[fitted, components]`
    scores: Mat<f64>,
    /// Of the test stimuli: `[test, components]`
    test: Mat<f64>,
}

impl Fit {
    /// Fits so many components, fewer where nothing is left to fit or to fit with. `targets` are the inner
    /// products of the fitted stimuli's units.
    fn of(
        data: &Data<'_>,
        components: usize,
        targets: Mat<f64>,
        units: &Units<'_>,
    ) -> Result<Self, TrainError> {
        let (mut sites, test) = centred(data);
        let least = sites.squared_norm_l2() * data.train.len() as f64 * f64::EPSILON;
        // What a component removes from the units changes nothing here: no score of a later one has a part
        // along it.
        let mut both = &targets * &sites;
        drop(targets);
        // Of each component so far: its weights on the sites as they came, its loadings, and its scores.
        let mut before: Vec<(Col<f64>, Col<f64>, Col<f64>)> = Vec::new();
        let mut unit = 0;
        while before.len() < components && sites.squared_norm_l2() > least {
            let scores = before.iter().map(|(_, _, scores)| scores);
            let Some(start) = start(units, &scores.collect::<Vec<_>>(), &mut unit)? else {
                break;
            };
            let weights = weights(&sites, &both, &start);
            let scores = &sites * &weights;
            let square = scores.squared_norm_l2();
            if square <= least {
                break;
            }
            let loadings = faer::Scale(square.recip()) * (sites.transpose() * &scores);
            let mut rotation = weights.clone();
            for (earlier, loadings, _) in &before {
                let along = loadings.transpose() * &weights;
                rotation -= faer::Scale(along) * earlier;
            }
            let along_units = &both * &weights;
            both -= &along_units * loadings.transpose();
            sites -= &scores * loadings.transpose();
            before.push((rotation, loadings, scores));
        }
        let column = |of: &Col<f64>, row: usize| of[row];
        let fitted = Mat::from_fn(data.train.len(), before.len(), |row, at| {
            column(&before[at].2, row) / before[at].2.squared_norm_l2()
        });
        let rotations = Mat::from_fn(data.sites, before.len(), |site, at| {
            column(&before[at].0, site)
        });
        Ok(Self {
            scores: fitted,
            test: &test * &rotations,
        })
    }
}

/// Responses of the fitted stimuli and of the test stimuli, less the mean of the former.
fn centred(data: &Data<'_>) -> (Mat<f64>, Mat<f64>) {
    let of = |stimuli: &[usize]| {
        Mat::from_fn(stimuli.len(), data.sites, |row, site| {
            data.responses[stimuli[row] * data.sites + site]
        })
    };
    let (mut fitted, mut test) = (of(data.train), of(data.test));
    for site in 0..data.sites {
        let mean = fitted.col(site).iter().sum::<f64>() / fitted.nrows() as f64;
        for of in [&mut fitted, &mut test] {
            of.col_mut(site).iter_mut().for_each(|value| *value -= mean);
        }
    }
    (fitted, test)
}

/// The first unit, from the one at `unit` on, of which the components so far leave something: where
/// scikit-learn's iteration starts. `None` if none is left.
fn start(
    units: &Units<'_>,
    scores: &[&Col<f64>],
    unit: &mut usize,
) -> Result<Option<Col<f64>>, TrainError> {
    while let Some(mut values) = units.unit(*unit)? {
        if values.iter().any(|value| value.abs() >= CONSTANT) {
            for scores in scores {
                let along = (scores.transpose() * &values) / scores.squared_norm_l2();
                values -= faer::Scale(along) * *scores;
            }
            if values.iter().any(|value| value.abs() >= CONSTANT) {
                return Ok(Some(values));
            }
        }
        // What is used up stays so.
        *unit += 1;
    }
    Ok(None)
}

/// The next component's weights on the residual `sites`, from the residual of one unit; `both` are the
/// products of the units with the residual sites, `[fitted, sites]`.
///
/// NIPALS goes from weights w to scores Xw, to the units' weights YᵀXw, to the units' scores YYᵀXw, and back
/// to weights XᵀYYᵀXw; all are scaled by positive numbers, and w to length 1.
fn weights(sites: &Mat<f64>, both: &Mat<f64>, start: &Col<f64>) -> Col<f64> {
    let mut last: Option<Col<f64>> = None;
    let mut weights = sites.transpose() * start;
    for iteration in 1.. {
        weights *= faer::Scale((weights.norm_l2() + f64::MIN_POSITIVE).recip());
        let is_last = iteration == ITERATIONS_MAX
            || last.is_some_and(|last| (&weights - last).squared_norm_l2() < TOLERANCE);
        if is_last {
            return weights;
        }
        let next = sites.transpose() * (both * &weights);
        last = Some(std::mem::replace(&mut weights, next));
    }
    unreachable!("the last iteration is the last")
}
