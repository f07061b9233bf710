//! Ridge regression, with a penalty for each site that is chosen by leave-one-out cross-validation
//! over the fitted stimuli: scikit-learn's `RidgeCV` with `alpha_per_target`.

use super::spectrum::Spectrum;
use faer::Mat;

/// Penalties tried: 10⁻⁶ to 10⁶ times the mean eigenvalue of the centred Gram matrix, two a decade.
/// They range from almost least squares to almost the mean, whatever the activations' scale.
const DECADES: i32 = 6;
const PENALTIES_A_DECADE: i32 = 2;

/// The penalties of a Gram matrix with mean eigenvalue `mean`, in rising order.
pub(super) fn penalties(mean: f64) -> impl Iterator<Item = f64> {
    let last = DECADES * PENALTIES_A_DECADE;
    let exponents = (-last..=last).map(|step| f64::from(step) / f64::from(PENALTIES_A_DECADE));
    exponents.map(move |exponent| mean * 10_f64.powf(exponent))
}

/// A fit to centred responses.
pub(super) struct Fit {
    /// `(K + αI)⁻¹ Y`, `[n, sites]`, each site with its own α.
    pub(super) coefficients: Mat<f64>,
    /// Leave-one-out residuals: each response less its prediction from the others, `[n, sites]`.
    pub(super) left_out: Mat<f64>,
}

/// Fits centred responses `[n, sites]`.
///
/// With G = K + αI and c = G⁻¹y, the error at a stimulus that is left out, intercept and all, is
/// cᵢ / (G⁻¹ᵢᵢ − 1/nα): exact, without refitting (Rifkin & Lippert 2007, with the intercept as in
/// scikit-learn). The spectrum's shift turns α in the subtrahend into τ + α. Of penalties with
/// equal errors the smallest is taken.
pub(super) fn fit(spectrum: &Spectrum, responses: &Mat<f64>) -> Fit {
    let (n, sites) = (responses.nrows(), responses.ncols());
    // All stimuli are alike: only the mean can be fitted.
    if spectrum.mean <= 0.0 {
        return Fit {
            coefficients: Mat::zeros(n, sites),
            // The mean of the other stimuli.
            left_out: responses * faer::Scale(n as f64 / (n as f64 - 1.0).max(1.0)),
        };
    }
    let turned = spectrum.turned(responses);
    let mut left_out = Mat::zeros(n, sites);
    let mut best = vec![(f64::INFINITY, spectrum.mean); sites];
    for penalty in penalties(spectrum.mean) {
        let factors: Vec<f64> = spectrum
            .values
            .iter()
            .map(|v| (v + penalty).recip())
            .collect();
        let constant = (n as f64 * (spectrum.mean + penalty)).recip();
        let mut diagonal = vec![-constant; n];
        for (column, factor) in spectrum.vectors.col_iter().zip(&factors) {
            for (sum, value) in diagonal.iter_mut().zip(column.iter()) {
                *sum += value * value * factor;
            }
        }
        let coefficients = spectrum.coefficients(&turned, |at, _| factors[at]);
        for (site, column) in coefficients.col_iter().enumerate() {
            let errors = || column.iter().zip(&diagonal).map(|(c, d)| c / d);
            let error = errors().map(|error| error.powi(2)).sum::<f64>();
            if error < best[site].0 {
                best[site] = (error, penalty);
                for (of, error) in left_out.col_mut(site).iter_mut().zip(errors()) {
                    *of = error;
                }
            }
        }
    }
    Fit {
        coefficients: spectrum.coefficients(&turned, |at, site| {
            (spectrum.values[at] + best[site].1).recip()
        }),
        left_out,
    }
}
