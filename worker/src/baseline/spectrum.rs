//! The spectrum: eigenvalues and eigenvectors of a centred Gram matrix, which least squares and ridge
//! regression share.

use crate::nrp::TrainError;
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, Par, Side};

/// `K + τ/n 11ᵀ = U diag(λ) Uᵀ` of a centred Gram matrix K, `[n, n]`, with its mean eigenvalue τ.
///
/// K maps the vector 1 to 0. Centred responses are orthogonal to it, so the shift changes no fit;
/// but it separates the eigenvalue of 1 from 0, and from other eigenvectors that K maps to 0.
pub(super) struct Spectrum {
    /// Columns are eigenvectors.
    pub(super) vectors: Mat<f64>,
    /// In increasing order, none below 0.
    pub(super) values: Vec<f64>,
    /// τ.
    pub(super) mean: f64,
}

impl Spectrum {
    /// # Errors
    /// When the eigenvalues do not converge.
    pub(super) fn of(mut gram: Mat<f64>) -> Result<Self, TrainError> {
        let n = gram.nrows();
        let mean = (0..n).map(|at| gram[(at, at)]).sum::<f64>() / n as f64;
        let shift = mean / n as f64;
        for column in gram.col_iter_mut() {
            column.iter_mut().for_each(|value| *value += shift);
        }
        let found = gram.self_adjoint_eigen(Side::Lower);
        let found = found.map_err(|_| TrainError::Spectrum)?;
        let values = found.S().column_vector().iter();
        Ok(Self {
            values: values.map(|value| value.max(0.0)).collect(),
            vectors: found.U().to_owned(),
            mean,
        })
    }

    /// Responses `[n, sites]` in the eigenvectors' coordinates.
    pub(super) fn turned(&self, responses: &Mat<f64>) -> Mat<f64> {
        product(self.vectors.transpose(), responses.as_ref())
    }

    /// The coefficients `[n, sites]` of rotated responses, each multiplied by `factor` of its
    /// eigenvalue's index and its site.
    pub(super) fn coefficients(
        &self,
        turned: &Mat<f64>,
        factor: impl Fn(usize, usize) -> f64,
    ) -> Mat<f64> {
        let scaled = Mat::from_fn(turned.nrows(), turned.ncols(), |at, site| {
            turned[(at, site)] * factor(at, site)
        });
        product(self.vectors.as_ref(), scaled.as_ref())
    }
}

/// A matrix product.
pub(super) fn product(a: faer::MatRef<'_, f64>, b: faer::MatRef<'_, f64>) -> Mat<f64> {
    let mut out = Mat::zeros(a.nrows(), b.ncols());
    matmul(&mut out, Accum::Replace, a, b, 1.0, Par::rayon(0));
    out
}
