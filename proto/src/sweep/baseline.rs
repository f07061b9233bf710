//! Linear baselines and linear paths, as sweep files and trials spell them. The worker computes them.

use crate::word::word_enum;

/// The baseline whose error stands beside every trial's scores. It has no trials of its own.
pub(super) const MEAN_PREDICTOR: &str = "mean";

word_enum! {
    /// A linear baseline: a model that is fitted to the same activations and responses as NRP networks.
    pub enum Baseline: "linear baseline" {
        /// Least squares of least norm.
        Ols = "ols",
        /// Ridge regression, its penalty cross-validated for each site.
        Ridge = "ridge",
        /// Ridge regression with a penalty of 1.
        RidgeOne = "ridge-1",
        /// Ridge regression, one penalty for all sites, cross-validated.
        RidgeCv = "ridgecv",
        /// Partial least squares regression with 25 components.
        Pls = "pls",
        /// The unit with the highest correlation with the site.
        SingleUnit = "single-unit",
    }
}

impl Baseline {
    /// The penalties α that are tried for all sites together, in rising order and in the square of the
    /// activations' unit; none where each site has its own penalty, or no site has any.
    ///
    /// Those of `ridgecv` are Brain-Score's (brainscore-vision 2.4.2, `ALPHA_LIST`): four a decade up to
    /// 100, and then 18 a decade.
    pub fn alphas(self) -> Vec<f64> {
        match self {
            Self::RidgeOne => vec![1.0],
            Self::RidgeCv => {
                let spaced = |first: f64, step: f64, count: u32| {
                    (0..count).map(move |at| first + step * f64::from(at))
                };
                let mut alphas = vec![0.01, 0.1, 0.5, 1.0];
                alphas.extend(spaced(10.0, 22.5, 4));
                for decade in [1e2, 1e3, 1e4, 1e5] {
                    alphas.extend(spaced(decade, decade / 2.0, 18));
                }
                alphas.extend(spaced(1e6, 5e5, 19));
                alphas
            }
            Self::Ols | Self::Ridge | Self::Pls | Self::SingleUnit => Vec::new(),
        }
    }
}

word_enum! {
    /// What predicts beside an NRP network, which is fitted to what that leaves.
    pub enum LinearPath: "linear path" {
        /// Nothing.
        None = "none",
        /// Ridge regression on the same activations.
        Ridge = "ridge",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `np.linspace` of each decade, as Brain-Score makes them.
    #[test]
    fn the_penalties_of_ridgecv_are_the_99_of_brain_score() {
        let alphas = Baseline::RidgeCv.alphas();
        assert_eq!(alphas.len(), 99);
        assert!(alphas.is_sorted_by(|a, b| a < b));
        assert_eq!(alphas[..8], [0.01, 0.1, 0.5, 1.0, 10.0, 32.5, 55.0, 77.5]);
        assert_eq!(alphas[8..11], [100.0, 150.0, 200.0]);
        assert_eq!(alphas[25..28], [950.0, 1e3, 1500.0]);
        assert_eq!(alphas[79..82], [950_000.0, 1e6, 1.5e6]);
        assert_eq!(alphas[98], 1e7);
    }
}
