//! Fits: from the stimuli that are fitted to predictions for others, and from those to scores.

use super::gram::{Centred, Gram};
use super::spectrum::{Spectrum, product};
use super::{ols, pls, ridge};
use crate::nrp::{Data, SiteStatistics, TargetScaling, TrainError, Trained, score};
use faer::{Mat, MatRef};
use nrp_proto::sweep::Baseline;
use std::collections::BTreeMap;

/// Fits a baseline to the training stimuli, and scores it on the test stimuli.
///
/// It is fitted in scaled units, like NRP networks, and `validation_mse` is in those units, so that
/// both are selected alike; only [`Baseline::Pls`] depends on the sites' scales. There are no
/// epochs.
///
/// With `refit`, the test scores are of a second fit to training and validation stimuli together,
/// as is usual where no validation stimuli are needed; `validation_mse` is of the first fit.
///
/// # Errors
/// When a part of the split or a site has no responses, or eigenvalues do not converge.
pub fn evaluate(
    baseline: Baseline,
    gram: &Gram,
    data: &Data<'_>,
    targets: TargetScaling,
    refit: bool,
) -> Result<Trained, TrainError> {
    check(gram, data)?;
    let sites = SiteStatistics::measure(data, targets)?;
    let responses = rows(&sites.scaled(data.responses, data.train), data.sites);
    let held_out = [data.validation, data.test].concat();
    let predicted = predict(baseline, gram, data.train, &responses, &held_out)?;
    let validation_mse = validation_mse(&predicted, &sites, data);
    if !refit {
        let of_test = predicted.submatrix(data.validation.len(), 0, data.test.len(), data.sites);
        return scored(of_test, validation_mse, &sites, data);
    }
    let fitted = [data.train, data.validation].concat();
    let data = Data {
        train: &fitted,
        ..*data
    };
    let left_out = sites.left_out();
    let sites = SiteStatistics::measure(&data, targets)?;
    let responses = rows(&sites.scaled(data.responses, data.train), data.sites);
    let predicted = predict(baseline, gram, data.train, &responses, data.test)?;
    Ok(Trained {
        left_out,
        ..scored(predicted.as_ref(), validation_mse, &sites, &data)?
    })
}

/// Predictions of ridge regression in fitted units, laid out as [`Data::linear_path`]. With
/// `refit`, predictions for test stimuli are of a fit to training and validation stimuli together,
/// as in [`evaluate`].
///
/// # Errors
/// As [`evaluate`].
pub fn linear_path(
    gram: &Gram,
    data: &Data<'_>,
    targets: TargetScaling,
    refit: bool,
) -> Result<Vec<f32>, TrainError> {
    check(gram, data)?;
    let sites = SiteStatistics::measure(data, targets)?;
    let responses = rows(&sites.scaled(data.responses, data.train), data.sites);
    let fitted = if refit {
        [data.train, data.validation].concat()
    } else {
        data.train.to_vec()
    };
    let of_fitted = rows(&sites.scaled(data.responses, &fitted), data.sites);
    let ridge = |fitted: &[usize], responses: &Mat<f64>, others: &[usize]| {
        predict(Baseline::Ridge, gram, fitted, responses, others)
    };
    let of_validation = ridge(data.train, &responses, data.validation)?;
    let of_test = ridge(&fitted, &of_fitted, data.test)?;
    let mut of_training = vec![0.0; data.train.len() * data.sites];
    for (rows, sites) in groups(Baseline::Ridge, &responses) {
        let present: Vec<usize> = rows.iter().map(|&row| data.train[row]).collect();
        let centred: Vec<Vec<f64>> = sites
            .iter()
            .map(|&site| centre(rows.iter().map(|&row| responses[(row, site)])).1)
            .collect();
        let centred = Mat::from_fn(rows.len(), sites.len(), |row, site| centred[site][row]);
        let spectrum = Spectrum::of(gram.centred(&present, &[]).gram)?;
        let left_out = ridge::fit(&spectrum, &centred).left_out;
        for (at, &site) in sites.iter().enumerate() {
            for (place, &row) in rows.iter().enumerate() {
                let predicted = responses[(row, site)] - left_out[(place, at)];
                of_training[row * data.sites + site] = predicted as f32;
            }
        }
    }
    let mut path = of_training;
    for predicted in [of_validation, of_test] {
        let row = |row| (0..data.sites).map(move |site| (row, site));
        let cells = (0..predicted.nrows()).flat_map(row);
        path.extend(cells.map(|cell| predicted[cell] as f32));
    }
    Ok(path)
}

/// Refuses data that cannot be fitted to or predicted from.
fn check(gram: &Gram, data: &Data<'_>) -> Result<(), TrainError> {
    data.check()?;
    if gram.is_finite() {
        Ok(())
    } else {
        // The training stimuli's activations are known to be finite.
        Err(data.wild_activation()?.unwrap_or(TrainError::Spectrum))
    }
}

/// Mean squared error of the first rows of `predicted`, in fitted units, over the sites that select.
fn validation_mse(predicted: &Mat<f64>, sites: &SiteStatistics, data: &Data<'_>) -> f64 {
    let measured = sites.scaled(data.responses, data.validation);
    let (mut squares, mut present) = (0.0, 0_usize);
    for (cell, measured) in measured.iter().enumerate() {
        let site = cell % data.sites;
        if !measured.is_nan() && sites.selects(site) {
            let predicted = predicted[(cell / data.sites, site)];
            squares += (predicted - measured).powi(2);
            present += 1;
        }
    }
    squares / present as f64
}

/// Scores of predictions for the test stimuli, which are in fitted units.
///
/// # Errors
/// When a prediction is not finite.
fn scored(
    predicted: MatRef<'_, f64>,
    validation_mse: f64,
    sites: &SiteStatistics,
    data: &Data<'_>,
) -> Result<Trained, TrainError> {
    let row = |row| (0..data.sites).map(move |site| predicted[(row, site)]);
    let of_test = sites.about_means((0..data.test.len()).flat_map(row));
    if let Some(wild) = of_test.iter().position(|value| !value.is_finite()) {
        return Err(TrainError::NonFinitePrediction {
            stimulus: data.test[wild / data.sites],
            site: wild % data.sites,
            value: of_test[wild],
        });
    }
    let measured = sites.measured(data.responses, data.test);
    let noise = data.noise.map(|noise| noise.at(data.test));
    Ok(Trained {
        test: score(
            &of_test,
            &measured,
            data.sites,
            &sites.training_mean,
            noise.as_ref(),
        ),
        validation_mse,
        best_epoch: 0,
        epochs: 0,
        left_out: sites.left_out(),
    })
}

/// Predictions `[others, sites]` of a baseline that is fitted to `responses`, `[fitted, sites]`, NaN
/// where missing.
///
/// Least squares and ridge regression fit each site to the stimuli that it has responses to. Partial
/// least squares fits all sites at once: there a missing response counts as the site's mean over
/// the other stimuli, which adds no information about the activations.
///
/// # Errors
/// When eigenvalues do not converge.
pub(super) fn predict(
    baseline: Baseline,
    gram: &Gram,
    fitted: &[usize],
    responses: &Mat<f64>,
    others: &[usize],
) -> Result<Mat<f64>, TrainError> {
    let mut predicted = Mat::zeros(others.len(), responses.ncols());
    for (rows, sites) in groups(baseline, responses) {
        let present: Vec<usize> = rows.iter().map(|&row| fitted[row]).collect();
        let (means, centred): (Vec<f64>, Vec<Vec<f64>>) = sites
            .iter()
            .map(|&site| centre(rows.iter().map(|&row| responses[(row, site)])))
            .unzip();
        let responses = Mat::from_fn(rows.len(), sites.len(), |row, site| centred[site][row]);
        let units = gram.units();
        let Centred { gram, cross } = gram.centred(&present, others);
        let coefficients = match baseline {
            Baseline::Ols => ols::coefficients(&Spectrum::of(gram)?, &responses, units),
            Baseline::Ridge => ridge::fit(&Spectrum::of(gram)?, &responses).coefficients,
            Baseline::Pls => pls::coefficients(gram, responses, units),
        };
        let product = product(cross.as_ref(), coefficients.as_ref());
        for (at, &site) in sites.iter().enumerate() {
            for row in 0..others.len() {
                predicted[(row, site)] = product[(row, at)] + means[at];
            }
        }
    }
    Ok(predicted)
}

/// Sites that are fitted together, and the rows that they are fitted to.
fn groups(baseline: Baseline, responses: &Mat<f64>) -> BTreeMap<Vec<usize>, Vec<usize>> {
    let mut groups: BTreeMap<Vec<usize>, Vec<usize>> = BTreeMap::new();
    for (site, column) in responses.col_iter().enumerate() {
        let rows = column.iter().enumerate();
        let rows = match baseline {
            Baseline::Ols | Baseline::Ridge => rows
                .filter(|(_, response)| !response.is_nan())
                .map(|(row, _)| row)
                .collect(),
            Baseline::Pls => (0..responses.nrows()).collect(),
        };
        groups.entry(rows).or_default().push(site);
    }
    groups
}

/// The mean of the present responses, and the responses less that mean; 0 where missing.
fn centre(responses: impl Iterator<Item = f64> + Clone) -> (f64, Vec<f64>) {
    let present = responses.clone().filter(|response| !response.is_nan());
    let (sum, count) = present.fold((0.0, 0_usize), |(sum, count), response| {
        (sum + response, count + 1)
    });
    let mean = sum / count as f64;
    let centred = responses.map(|response| {
        if response.is_nan() {
            0.0
        } else {
            response - mean
        }
    });
    (mean, centred.collect())
}

fn rows(values: &[f64], columns: usize) -> Mat<f64> {
    Mat::from_fn(values.len() / columns, columns, |row, column| {
        values[row * columns + column]
    })
}
