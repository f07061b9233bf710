//! Row space: coordinates of stimuli in the span of some stimuli's centred activations. Pure
//! arithmetic on activations that are read one block of units at a time; `docs/design/projection.md` says
//! what it is for.
//!
//! With the training stimuli's centred activations Xc = U S Vᵀ, the coordinates of a stimulus x are
//! (x - mean) V. Neither Xc nor V is ever held: U and S² are those of the Gram matrix Xc Xcᵀ, and
//! (x - mean) V = (x - mean) Xcᵀ U S⁻¹. Memory holds a few matrices of stimuli × training stimuli and
//! two blocks, however many units there are.

use super::ActivationError;
use super::products::{self, Products};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, Par, Side};

/// Version of this arithmetic; part of the cache key.
pub(super) const VERSION: u32 = 1;

/// Copies units of a stimulus into a buffer: arguments are the stimulus, the first unit, and the
/// buffer.
type Read<'a> = products::Read<'a, ActivationError>;

/// Called before each block with the number of units done; an error stops the computation.
type OnUnits<'a> = products::OnUnits<'a, ActivationError>;

/// Coordinates of stimuli.
#[derive(Debug)]
pub(super) struct Coordinates {
    /// `[stimuli, rank]`, row-major; in order of decreasing variance over the training stimuli.
    pub(super) values: Vec<f32>,
    /// Dimensions of the span; 1 (all coordinates 0) where the training stimuli are all alike.
    pub(super) rank: usize,
}

/// Why coordinates cannot be computed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The activations cannot be read, or the caller asked to stop.
    Activations(ActivationError),
    /// The eigendecomposition does not converge.
    Spectrum,
}

impl From<ActivationError> for Failure {
    fn from(error: ActivationError) -> Self {
        Self::Activations(error)
    }
}

/// Most dimensions that the span may have: centring takes one.
pub(crate) fn most(units: usize, training: usize) -> usize {
    units.min(training.saturating_sub(1)).max(1)
}

/// Coordinates of all `stimuli` in the span of the `training` ones.
///
/// Squared singular values up to max(training, `units`) · 2⁻⁵² of the largest count as 0: NumPy's
/// rule for the rank of a matrix, applied to the Gram matrix. The largest component of each column
/// of U is made positive, since its sign is arbitrary. Everything is learned from the training
/// stimuli alone: their coordinates have the same bits whatever the other stimuli are.
///
/// # Errors
/// When the activations cannot be read, `on_units` fails, or the eigenvalues do not converge.
pub(super) fn coordinates(
    stimuli: usize,
    units: usize,
    training: &[usize],
    block_bytes: usize,
    read: Read<'_>,
    on_units: OnUnits<'_>,
) -> Result<Coordinates, Failure> {
    let mut is_training = vec![false; stimuli];
    training.iter().for_each(|&s| is_training[s] = true);
    let others: Vec<usize> = (0..stimuli).filter(|&s| !is_training[s]).collect();
    let products = Products::of(units, training, &others, block_bytes, read, on_units)?;
    let gram = products.gram.self_adjoint_eigen(Side::Lower);
    let gram = gram.map_err(|_| Failure::Spectrum)?;
    drop(products.gram);

    // In increasing order.
    let squares: Vec<f64> = gram.S().column_vector().iter().copied().collect();
    let largest = squares.last().copied().unwrap_or(0.0);
    let least = largest * training.len().max(units) as f64 * f64::EPSILON;
    let axes: Vec<usize> = (0..squares.len())
        .rev()
        .take(most(units, training.len()))
        .take_while(|&axis| squares[axis] > least)
        .collect();
    let rank = axes.len().max(1);
    let mut of_training = Mat::<f64>::zeros(training.len(), rank);
    let mut inverse = Mat::<f64>::zeros(training.len(), rank);
    for (at, &axis) in axes.iter().enumerate() {
        let u = gram.U().col(axis);
        let tallest = u.iter().fold(0.0_f64, |tallest, value| {
            if value.abs() > tallest.abs() {
                *value
            } else {
                tallest
            }
        });
        let singular = squares[axis].sqrt() * tallest.signum();
        for (row, value) in u.iter().enumerate() {
            of_training[(row, at)] = value * singular;
            inverse[(row, at)] = value / singular;
        }
    }
    let mut of_others = Mat::<f64>::zeros(others.len(), rank);
    let par = Par::rayon(0);
    matmul(
        &mut of_others,
        Accum::Replace,
        &products.cross,
        &inverse,
        1.0,
        par,
    );

    let mut values = vec![0.0_f32; stimuli * rank];
    let rows = training.iter().zip(of_training.row_iter());
    for (&stimulus, row) in rows.chain(others.iter().zip(of_others.row_iter())) {
        let out = values[stimulus * rank..][..rank].iter_mut();
        out.zip(row.iter())
            .for_each(|(out, value)| *out = *value as f32);
    }
    Ok(Coordinates { values, rank })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Numbers of scikit-learn; see `testdata/make_row_space.py`.
    #[derive(Deserialize)]
    struct Fixture {
        name: String,
        stimuli: usize,
        units: usize,
        /// `[stimuli, units]`
        activations: Vec<f32>,
        training: Vec<usize>,
        rank: usize,
        /// `[stimuli, rank]`
        components: Vec<f64>,
        sites: usize,
        /// `[training, sites]`
        responses: Vec<f32>,
        /// `[stimuli, sites]`: of least squares of least norm on the activations.
        predicted: Vec<f64>,
    }

    fn fixtures() -> Vec<Fixture> {
        let cases: Vec<Fixture> =
            serde_json::from_str(include_str!("testdata/row_space.json")).expect("a fixture");
        assert!(cases.len() >= 3);
        cases
    }

    /// Units of a block in tests: several blocks, the last of them not whole.
    const WIDTH: usize = 7;

    impl Fixture {
        fn coordinates(&self) -> Coordinates {
            let widest = AtomicUsize::new(0);
            let read = |stimulus: usize, first: usize, out: &mut [f32]| {
                widest.fetch_max(out.len(), Ordering::Relaxed);
                out.copy_from_slice(
                    &self.activations[stimulus * self.units + first..][..out.len()],
                );
                Ok(())
            };
            let mut heard = Vec::new();
            let found = coordinates(
                self.stimuli,
                self.units,
                &self.training,
                WIDTH * 8 * self.training.len(),
                &read,
                &mut |done| {
                    heard.push(done);
                    Ok(())
                },
            )
            .expect("coordinates");
            // All that is ever held of the activations.
            assert_eq!(widest.into_inner(), WIDTH.min(self.units), "{}", self.name);
            let blocks = (0..self.units).step_by(WIDTH).chain([self.units]);
            assert_eq!(heard, blocks.collect::<Vec<_>>(), "{}", self.name);
            found
        }

        fn row(&self, stimulus: usize) -> Vec<f64> {
            let row = &self.activations[stimulus * self.units..][..self.units];
            row.iter().map(|value| f64::from(*value)).collect()
        }
    }

    fn row(found: &Coordinates, stimulus: usize) -> Vec<f64> {
        let row = &found.values[stimulus * found.rank..][..found.rank];
        row.iter().map(|value| f64::from(*value)).collect()
    }

    fn dot(a: &[f64], b: &[f64]) -> f64 {
        a.iter().zip(b).map(|(a, b)| a * b).sum()
    }

    /// Coordinates are rounded to f32, 2⁻²⁴ of the largest; the fixture's are f64.
    #[test]
    fn they_are_the_principal_components_of_scikit_learn_but_for_the_sign() {
        for case in fixtures() {
            let found = case.coordinates();
            assert_eq!(found.rank, case.rank, "{}", case.name);
            let largest = case
                .components
                .iter()
                .fold(0.0, |most: f64, x| most.max(x.abs()));
            for axis in 0..case.rank {
                let of = |stimulus: usize| {
                    let ours = f64::from(found.values[stimulus * case.rank + axis]);
                    (ours, case.components[stimulus * case.rank + axis])
                };
                let agree = dot_of((0..case.stimuli).map(of)).signum();
                for stimulus in 0..case.stimuli {
                    let (ours, theirs) = of(stimulus);
                    assert!(
                        (ours - agree * theirs).abs() <= 1e-6 * largest,
                        "{}: {stimulus} {axis}: {ours} {theirs}",
                        case.name
                    );
                }
                // The sign is that of the largest training stimulus.
                let tallest = case.training.iter().map(|&stimulus| of(stimulus).0);
                let tallest = tallest.max_by(|a, b| a.abs().total_cmp(&b.abs()));
                assert!(tallest.expect("training stimuli") > 0.0);
            }
        }
    }

    fn dot_of(pairs: impl Iterator<Item = (f64, f64)>) -> f64 {
        pairs.map(|(a, b)| a * b).sum()
    }

    /// Inner products of two stimuli are preserved by their coordinates if one of them is a
    /// training stimulus. Coordinates are rounded to f32.
    #[test]
    fn inner_products_with_training_stimuli_are_those_of_the_centred_activations() {
        for case in fixtures() {
            let found = case.coordinates();
            let mut mean = vec![0.0; case.units];
            for &stimulus in &case.training {
                let row = case.row(stimulus);
                mean.iter_mut()
                    .zip(row)
                    .for_each(|(mean, value)| *mean += value);
            }
            mean.iter_mut()
                .for_each(|sum| *sum /= case.training.len() as f64);
            let centred = |stimulus: usize| -> Vec<f64> {
                let row = case.row(stimulus);
                row.iter()
                    .zip(&mean)
                    .map(|(value, mean)| value - mean)
                    .collect()
            };
            let largest = (0..case.stimuli).map(|s| dot(&centred(s), &centred(s)));
            let largest = largest.fold(0.0, f64::max);
            for stimulus in 0..case.stimuli {
                for &training in &case.training {
                    let expected = dot(&centred(stimulus), &centred(training));
                    let ours = dot(&row(&found, stimulus), &row(&found, training));
                    assert!(
                        (ours - expected).abs() <= 1e-6 * largest,
                        "{}: {stimulus} {training}: {ours} {expected}",
                        case.name
                    );
                }
            }
        }
    }

    /// The coordinates' columns are orthogonal over the training stimuli, so least squares on them is
    /// a division.
    #[test]
    fn least_squares_predicts_what_it_predicts_on_the_activations() {
        for case in fixtures() {
            let found = case.coordinates();
            for site in 0..case.sites {
                let response = |at: usize| f64::from(case.responses[at * case.sites + site]);
                let n = case.training.len();
                let mean = (0..n).map(response).sum::<f64>() / n as f64;
                let weight = |axis: usize| {
                    let score = |at: usize| row(&found, case.training[at])[axis];
                    let square: f64 = (0..n).map(|at| score(at).powi(2)).sum();
                    (0..n)
                        .map(|at| score(at) * (response(at) - mean))
                        .sum::<f64>()
                        / square
                };
                let weights: Vec<f64> = (0..found.rank).map(weight).collect();
                for stimulus in 0..case.stimuli {
                    let ours = mean + dot(&row(&found, stimulus), &weights);
                    let expected = case.predicted[stimulus * case.sites + site];
                    // The smallest axes are divided by the largest factors.
                    assert!(
                        (ours - expected).abs() <= 1e-5,
                        "{}: {stimulus} {site}: {ours} {expected}",
                        case.name
                    );
                }
            }
        }
    }

    #[test]
    fn other_stimuli_change_no_bit_of_the_training_stimuli_s() {
        let mut case = fixtures().remove(0);
        let before = case.coordinates();
        let is_other = |stimulus: &usize| !case.training.contains(stimulus);
        let others: Vec<usize> = (0..case.stimuli).filter(is_other).collect();
        for &stimulus in &others {
            let values = case.activations[stimulus * case.units..][..case.units].iter_mut();
            values.for_each(|value| *value = 1e3 - *value);
        }
        let after = case.coordinates();
        assert_eq!(before.rank, after.rank);
        for &stimulus in &case.training {
            assert_eq!(row(&before, stimulus), row(&after, stimulus));
        }
        for &stimulus in &others {
            assert_ne!(row(&before, stimulus), row(&after, stimulus));
        }
    }

    #[test]
    fn stimuli_that_are_all_alike_span_nothing_and_lie_at_0() {
        let mut case = fixtures().remove(0);
        for stimulus in 0..case.stimuli {
            let values = case.activations[stimulus * case.units..][..case.units].iter_mut();
            values
                .enumerate()
                .for_each(|(unit, value)| *value = unit as f32);
        }
        let found = case.coordinates();
        assert_eq!((found.rank, found.values), (1, vec![0.0; case.stimuli]));
    }

    #[test]
    fn it_is_broken_off_between_blocks() {
        let case = fixtures().remove(0);
        let stopped = coordinates(
            case.stimuli,
            case.units,
            &case.training,
            WIDTH * 8 * case.training.len(),
            &|_, _, _| Ok(()),
            &mut |done| match done {
                WIDTH => Err(ActivationError::Interrupted),
                _ => Ok(()),
            },
        );
        assert!(matches!(
            stopped,
            Err(Failure::Activations(ActivationError::Interrupted))
        ));
    }
}
