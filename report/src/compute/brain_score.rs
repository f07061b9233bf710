//! Brain-Score's aggregate of correlations over splits: one formula over plain numbers.

use crate::model::BrainScore;

/// Aggregates the median over sites of Pearson's r in each split; none if there is no split.
///
/// After Schrimpf et al. (2018), bioRxiv 407007: each split's correlation is over its own test stimuli,
/// and the division by the ceiling comes after averaging over splits.
pub(crate) fn brain_score(medians: &[f64], ceiling: Option<f64>) -> Option<BrainScore> {
    let splits = medians.len() as f64;
    let center = medians.iter().sum::<f64>() / splits;
    let squares: f64 = medians.iter().map(|r| (r - center).powi(2)).sum();
    let reached = ceiling.filter(|ceiling| *ceiling > 0.0);
    (!medians.is_empty()).then(|| BrainScore {
        center,
        error: (squares / splits).sqrt(),
        ceiling,
        score: reached.map(|ceiling| (center / ceiling).powi(2)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    /// A case computed by NumPy; see `testdata/make_brain_score.py`.
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
            let score = brain_score(&medians, Some(case.ceiling)).expect("there are splits");
            // NumPy may add in another order.
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
    fn an_anticorrelated_prediction_has_a_negative_center_and_the_same_score() {
        let [with, against] = [[0.4, 0.6], [-0.4, -0.6]]
            .map(|medians| brain_score(&medians, Some(0.8)).expect("two splits"));
        assert_eq!((with.center, against.center), (0.5, -0.5));
        assert_eq!(with.score, against.score);
    }

    #[test]
    fn without_repetitions_there_is_a_center_and_no_score() {
        let score = brain_score(&[0.5], None).expect("a split");
        assert_eq!((score.center, score.error, score.score), (0.5, 0.0, None));
        let unreliable = brain_score(&[0.5], Some(-0.1)).expect("a split");
        assert_eq!(unreliable.score, None);
        assert_eq!(brain_score(&[], Some(0.9)), None);
    }
}
