//! Fits: from the stimuli that are fitted to predictions for others, and from those to scores.

use super::gram::{Centred, Gram};
use super::groups::{Group, Predicted, groups};
use super::spectrum::{Spectrum, product};
use super::units::{self, Rows};
use super::{ols, one_alpha, pls, ridge, single_unit};
use crate::nrp::{
    Data, InputStatistics, SiteStatistics, TargetScaling, TrainError, Trained, score,
};
use faer::{Mat, MatRef};
use nrp_proto::sweep::Baseline;

/// Fits a baseline to the training stimuli, and scores it on the test stimuli.
///
/// It is fitted in scaled units, like NRP networks, and `validation_mse` is in those units, so that
/// both are selected alike; only [`Baseline::Pls`] and [`Baseline::RidgeCv`] depend on the sites'
/// scales. There are no epochs.
///
/// With `refit`, the test scores are of a second fit to training and validation stimuli together,
/// as is usual where no validation stimuli are needed; `validation_mse` is of the first fit, with the α that
/// the second one chose.
///
/// # Errors
/// When a part of the split or a site has no responses, or eigenvalues do not converge.
///
/// # Panics
/// With [`Baseline::SingleUnit`], which is not fitted from products.
pub fn evaluate(
    baseline: Baseline,
    gram: &mut Gram,
    data: &Data<'_>,
    targets: TargetScaling,
    refit: bool,
) -> Result<Trained, TrainError> {
    check(gram.is_finite(), data)?;
    evaluate_by(
        data,
        targets,
        refit,
        &mut |alpha, fitted, responses, others| {
            predict(baseline, gram, alpha, fitted, responses, others)
        },
    )
}

/// As [`evaluate`], of a baseline that goes [through the units](units::through_units).
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_rows(
    baseline: Baseline,
    rows: &Rows,
    data: &Data<'_>,
    targets: TargetScaling,
    refit: bool,
) -> Result<Trained, TrainError> {
    check(rows.is_finite(), data)?;
    evaluate_by(
        data,
        targets,
        refit,
        &mut |alpha, fitted, responses, others| {
            units::predict(baseline, rows, alpha, fitted, responses, others)
        },
    )
}

/// As [`evaluate`], of [`Baseline::SingleUnit`], which reads the activations of `data` themselves.
///
/// Calls `on_units` before each block of units with the number of units done, and stops if that returns
/// false.
///
/// # Errors
/// As [`evaluate`], or when the activations cannot be read, or `on_units` returns false.
pub fn evaluate_single_unit(
    data: &Data<'_>,
    targets: TargetScaling,
    refit: bool,
    on_units: &mut dyn FnMut(usize) -> bool,
) -> Result<Trained, TrainError> {
    check(true, data)?;
    // A unit that is chosen by the stimuli that are fitted has its value at all others.
    if let Some(wild) = data.wild_activation()? {
        return Err(wild);
    }
    evaluate_by(data, targets, refit, &mut |_, fitted, responses, others| {
        single_unit::predict(data.activations, fitted, responses, others, on_units)
    })
}

/// Predictions of a fit, from the α that another fit chose, the stimuli that are fitted, their responses
/// `[fitted, sites]`, and the stimuli that are predicted.
type Predict<'a> =
    &'a mut dyn FnMut(Option<f64>, &[usize], &Mat<f64>, &[usize]) -> Result<Predicted, TrainError>;

fn evaluate_by(
    data: &Data<'_>,
    targets: TargetScaling,
    refit: bool,
    predict: Predict<'_>,
) -> Result<Trained, TrainError> {
    let sites = SiteStatistics::measure(data, targets)?;
    let responses = rows(&sites.scaled(data.responses, data.train), data.sites);
    if !refit {
        let held_out = [data.validation, data.test].concat();
        let predicted = predict(None, data.train, &responses, &held_out)?;
        let validation_mse = validation_mse(&predicted.responses, &sites, data);
        let of_test = predicted.of(data.validation.len(), data.test.len());
        return scored(of_test, predicted.alpha, validation_mse, &sites, data);
    }
    let fitted = [data.train, data.validation].concat();
    let of_both = Data {
        train: &fitted,
        ..*data
    };
    let refitted = SiteStatistics::measure(&of_both, targets)?;
    let of_fitted = rows(&refitted.scaled(data.responses, &fitted), data.sites);
    let predicted = predict(None, &fitted, &of_fitted, data.test)?;
    let of_validation = predict(predicted.alpha, data.train, &responses, data.validation)?;
    Ok(Trained {
        left_out: sites.left_out(),
        ..scored(
            predicted.of(0, data.test.len()),
            predicted.alpha,
            validation_mse(&of_validation.responses, &sites, data),
            &refitted,
            &of_both,
        )?
    })
}

/// Predictions of ridge regression in fitted units, laid out as [`Data::linear_path`]. With
/// `refit`, predictions for test stimuli are of a fit to training and validation stimuli together,
/// as in [`evaluate`].
///
/// # Errors
/// As [`evaluate`].
pub fn linear_path(
    gram: &mut Gram,
    data: &Data<'_>,
    targets: TargetScaling,
    refit: bool,
) -> Result<Vec<f32>, TrainError> {
    check(gram.is_finite(), data)?;
    let sites = SiteStatistics::measure(data, targets)?;
    let responses = rows(&sites.scaled(data.responses, data.train), data.sites);
    let fitted = if refit {
        [data.train, data.validation].concat()
    } else {
        data.train.to_vec()
    };
    let of_fitted = rows(&sites.scaled(data.responses, &fitted), data.sites);
    let mut ridge = |fitted: &[usize], responses: &Mat<f64>, others: &[usize]| {
        let predicted = predict(Baseline::Ridge, gram, None, fitted, responses, others)?;
        Ok::<_, TrainError>(predicted.responses)
    };
    let of_validation = ridge(data.train, &responses, data.validation)?;
    let of_test = ridge(&fitted, &of_fitted, data.test)?;
    let mut of_training = vec![0.0; data.train.len() * data.sites];
    for group in groups(Baseline::Ridge, data.train, &responses) {
        let spectrum = Spectrum::of(gram.centred(&group.fitted, &[]).gram)?;
        let left_out = ridge::fit(&spectrum, &group.responses).left_out;
        for (at, &site) in group.sites.iter().enumerate() {
            for (place, &row) in group.rows.iter().enumerate() {
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
fn check(finite: bool, data: &Data<'_>) -> Result<(), TrainError> {
    data.check()?;
    if finite {
        Ok(())
    } else {
        InputStatistics::measure(data.activations, data.train)?;
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
    alpha: Option<f64>,
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
    let mut test = score(
        &of_test,
        &measured,
        data.sites,
        &sites.training_mean,
        noise.as_ref(),
    );
    test.scores.alpha = alpha;
    Ok(Trained {
        test,
        validation_mse,
        best_epoch: 0,
        epochs: 0,
        left_out: sites.left_out(),
    })
}

/// Predictions of a baseline that is fitted to `responses`, `[fitted, sites]`, NaN where missing.
///
/// Least squares and ridge regression fit each site to the stimuli that it has responses to. Partial
/// least squares fits all sites at once: there a missing response counts as the site's mean over
/// the other stimuli, which adds no information about the activations.
///
/// With `alpha`, a baseline with one penalty for all sites does not choose its own.
///
/// # Errors
/// When eigenvalues do not converge.
pub(super) fn predict(
    baseline: Baseline,
    gram: &mut Gram,
    alpha: Option<f64>,
    fitted: &[usize],
    responses: &Mat<f64>,
    others: &[usize],
) -> Result<Predicted, TrainError> {
    let groups = groups(baseline, fitted, responses);
    let method = match baseline {
        Baseline::Ols => Method::Ols,
        Baseline::Ridge => Method::Ridge,
        Baseline::RidgeOne | Baseline::RidgeCv => {
            let choose = || one_alpha::choose(gram, &groups, &baseline.alphas());
            Method::OneAlpha(alpha.unwrap_or_else(choose))
        }
        Baseline::Pls => Method::Pls,
        Baseline::SingleUnit => unreachable!("it has no products: `evaluate_single_unit`"),
    };
    let mut predicted = Mat::zeros(others.len(), responses.ncols());
    for group in groups {
        let product = method.predict(gram, &group, others)?;
        group.put(&product, &mut predicted);
    }
    Ok(Predicted {
        responses: predicted,
        alpha: match method {
            Method::OneAlpha(alpha) => Some(alpha),
            Method::Ols | Method::Ridge | Method::Pls => None,
        },
    })
}

/// How a group of sites is fitted.
enum Method {
    Ols,
    Ridge,
    /// Ridge regression with this penalty for all sites.
    OneAlpha(f64),
    Pls,
}

impl Method {
    /// Predictions for `others` of a fit to a group, less the sites' means: `[others, sites]`.
    ///
    /// # Errors
    /// When eigenvalues do not converge.
    fn predict(
        &self,
        gram: &mut Gram,
        group: &Group,
        others: &[usize],
    ) -> Result<Mat<f64>, TrainError> {
        let units = gram.units();
        let responses = &group.responses;
        let (coefficients, cross) = match self {
            Self::OneAlpha(alpha) => {
                return Ok(one_alpha::predict(gram, group, *alpha, others));
            }
            Self::Ols => {
                let Centred { gram, cross } = gram.centred(&group.fitted, others);
                let spectrum = Spectrum::of(gram)?;
                (ols::coefficients(&spectrum, responses, units), cross)
            }
            Self::Ridge => {
                let Centred { gram, cross } = gram.centred(&group.fitted, others);
                let spectrum = Spectrum::of(gram)?;
                (ridge::fit(&spectrum, responses).coefficients, cross)
            }
            Self::Pls => {
                let Centred { gram, cross } = gram.centred(&group.fitted, others);
                (pls::coefficients(gram, responses.clone(), units), cross)
            }
        };
        Ok(product(cross.as_ref(), coefficients.as_ref()))
    }
}

fn rows(values: &[f64], columns: usize) -> Mat<f64> {
    Mat::from_fn(values.len() / columns, columns, |row, column| {
        values[row * columns + column]
    })
}
