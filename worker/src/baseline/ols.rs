//! Ordinary least squares, of least norm where stimuli are fewer than units: the paper's baseline.
//! scikit-learn's `LinearRegression`.

use super::spectrum::Spectrum;
use faer::Mat;

/// Coefficients `K⁺ Y` of centred responses `[n, sites]`.
///
/// Eigenvalues count as 0 from max(n, `units`) · 2⁻⁵² of the largest down: NumPy's rule for the rank of
/// a matrix, on the Gram matrix, as in the projection onto the row space.
pub(super) fn coefficients(spectrum: &Spectrum, responses: &Mat<f64>, units: usize) -> Mat<f64> {
    let largest = spectrum.values.last().copied().unwrap_or(0.0);
    let least = largest * spectrum.values.len().max(units) as f64 * f64::EPSILON;
    let turned = spectrum.turned(responses);
    spectrum.coefficients(&turned, |at, _| match spectrum.values[at] {
        value if value > least => value.recip(),
        _ => 0.0,
    })
}
