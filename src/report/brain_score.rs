//! Brain-Score's aggregate of correlations over splits: one formula, of numbers alone.

use serde::Serialize;

/// Correlations of several splits as Brain-Score aggregates them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct BrainScore {
    /// Mean over splits of the median over sites of Pearson's r; its sign is r's.
    pub(super) center: f64,
    /// Standard deviation over splits of the median over sites, divided by the number of splits (not by
    /// one less), and by no ceiling.
    pub(super) error: f64,
    /// Reliability of the recordings, itself a correlation; absent where no stimulus was repeated.
    pub(super) ceiling: Option<f64>,
    /// `(center / ceiling)²`, not bounded by 1. Absent where there is no ceiling, or none above 0.
    ///
    /// A square has no sign: what is anticorrelated scores as what is correlated as much. So it is
    /// never shown without the center.
    pub(super) score: Option<f64>,
}

impl BrainScore {
    /// Of the median over sites of Pearson's r in each split; none where there is no split.
    ///
    /// Schrimpf et al. (2018), bioRxiv 407007: each split's correlation is over its own test stimuli, and
    /// the ceiling is divided by after the splits were averaged.
    pub(super) fn new(medians: &[f64], ceiling: Option<f64>) -> Option<Self> {
        let splits = medians.len() as f64;
        let center = medians.iter().sum::<f64>() / splits;
        let squares: f64 = medians.iter().map(|r| (r - center).powi(2)).sum();
        let reached = ceiling.filter(|ceiling| *ceiling > 0.0);
        (!medians.is_empty()).then(|| Self {
            center,
            error: (squares / splits).sqrt(),
            ceiling,
            score: reached.map(|ceiling| (center / ceiling).powi(2)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    /// Numbers of NumPy; see `testdata/make_brain_score.py`.
    #[derive(Deserialize)]
    struct Case {
        name: String,
        correlations: Vec<Vec<Option<f64>>>,
        medians: Vec<f64>,
        ceiling: f64,
        center: f64,
        error: f64,
        score: f64,
    }

    fn median(correlations: &[Option<f64>]) -> f64 {
        let mut sorted: Vec<f64> = correlations.iter().copied().flatten().collect();
        sorted.sort_by(f64::total_cmp);
        let (low, high) = ((sorted.len() - 1) / 2, sorted.len() / 2);
        (sorted[low] + sorted[high]) / 2.0
    }

    #[test]
    fn the_aggregate_is_numpys() {
        let cases: Vec<Case> = serde_json::from_str(include_str!("testdata/brain_score.json"))
            .expect("readable fixture");
        for case in cases {
            let medians: Vec<f64> = case.correlations.iter().map(|of| median(of)).collect();
            let score = BrainScore::new(&medians, Some(case.ceiling)).expect("there are splits");
            // Both add doubles, if in another order.
            let close = |a: f64, b: f64| (a - b).abs() < 1e-12;
            let pairs = medians.iter().zip(&case.medians);
            assert!(pairs.clone().all(|(a, b)| close(*a, *b)), "{}", case.name);
            assert!(close(score.center, case.center), "{}", case.name);
            assert!(close(score.error, case.error), "{}", case.name);
            let squared = score.score.expect("there is a ceiling");
            assert!(close(squared, case.score), "{}", case.name);
        }
    }

    #[test]
    fn what_is_anticorrelated_has_a_negative_center_and_a_square_all_the_same() {
        let [with, against] = [[0.4, 0.6], [-0.4, -0.6]]
            .map(|medians| BrainScore::new(&medians, Some(0.8)).expect("two splits"));
        assert_eq!((with.center, against.center), (0.5, -0.5));
        assert_eq!(with.score, against.score);
    }

    #[test]
    fn without_repetitions_there_is_a_center_and_no_score() {
        let score = BrainScore::new(&[0.5], None).expect("a split");
        assert_eq!((score.center, score.error, score.score), (0.5, 0.0, None));
        let unreliable = BrainScore::new(&[0.5], Some(-0.1)).expect("a split");
        assert_eq!(unreliable.score, None);
        assert_eq!(BrainScore::new(&[], Some(0.9)), None);
    }
}
