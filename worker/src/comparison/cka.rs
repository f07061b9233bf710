//! Linear centred kernel alignment (Kornblith et al. 2019), from inner products of stimuli: unbiased, after
//! Song et al. (2012), or as it was first defined.

use super::error::ComparisonError;
use super::kernel::Kernel;
use faer::Mat;
use rayon::prelude::*;

/// Fewest stimuli of the unbiased estimate, which divides by n − 3.
pub(super) const LEAST_STIMULI: usize = 4;
/// Fewest of the one as it was first defined: a single stimulus does not vary.
pub(super) const LEAST_STIMULI_BIASED: usize = 2;
/// What Brain-Score adds to the denominator.
const LITTLE: f64 = 1e-12;

/// Alignment of activations and responses over the stimuli of `part`; of an unbiased estimate it may lie
/// below 0, and is 0 where the product of the two with themselves is not above 0.
///
/// # Errors
/// When there are too few stimuli, or all are alike but for rounding.
pub(super) fn cka(
    activations: &Kernel,
    responses: &Kernel,
    part: &[usize],
    is_unbiased: bool,
) -> Result<f64, ComparisonError> {
    let (model, least) = if is_unbiased {
        ("cka", LEAST_STIMULI)
    } else {
        ("cka-biased", LEAST_STIMULI_BIASED)
    };
    if part.len() < least {
        return Err(ComparisonError::Stimuli {
            model,
            found: part.len(),
            least,
        });
    }
    let (k, l) = (activations.centred(part), responses.centred(part));
    for (matrix, kernel, of) in [
        (&k, activations, "activations"),
        (&l, responses, "responses"),
    ] {
        let trace: f64 = (0..part.len()).map(|at| matrix[(at, at)]).sum();
        if trace <= kernel.rounding(part) {
            return Err(ComparisonError::Alike { of });
        }
    }
    let aligned = if is_unbiased {
        let product = unbiased(&k, &k) * unbiased(&l, &l);
        if product > 0.0 {
            unbiased(&k, &l) / (product.sqrt() + LITTLE)
        } else {
            0.0
        }
    } else {
        biased(&k, &l) / (biased(&k, &k).sqrt() * biased(&l, &l).sqrt())
    };
    Ok(aligned.clamp(-1.0, 1.0))
}

/// The unbiased estimate of the Hilbert-Schmidt independence criterion. That the matrices are centred
/// changes nothing of it, and loses no digits where activations are far from 0.
fn unbiased(k: &Mat<f64>, l: &Mat<f64>) -> f64 {
    let n = k.nrows();
    let columns = (0..n).into_par_iter().map(|column| {
        let (mut kl, mut of_k, mut of_l) = (0.0, 0.0, 0.0);
        let pairs = k.col(column).iter().zip(l.col(column).iter()).enumerate();
        for (_, (k, l)) in pairs.filter(|(row, _)| *row != column) {
            kl += k * l;
            of_k += k;
            of_l += l;
        }
        [kl, of_k, of_l, of_k * of_l]
    });
    // Summed in order, so that the sums do not depend on threads.
    let sums = columns.collect::<Vec<_>>().into_iter();
    let [kl, of_k, of_l, of_both] = sums.fold([0.0; 4], |sums, of| {
        let mut sums = sums;
        sums.iter_mut().zip(of).for_each(|(sum, of)| *sum += of);
        sums
    });
    let n = n as f64;
    let all = of_k * of_l / ((n - 1.0) * (n - 2.0));
    (kl + all - 2.0 * of_both / (n - 2.0)) / (n * (n - 3.0))
}

/// The sum over all cells of the product of two centred matrices.
fn biased(k: &Mat<f64>, l: &Mat<f64>) -> f64 {
    let columns = (0..k.ncols()).into_par_iter().map(|column| {
        let pairs = k.col(column).iter().zip(l.col(column).iter());
        pairs.map(|(k, l)| k * l).sum::<f64>()
    });
    columns.collect::<Vec<f64>>().into_iter().sum()
}
