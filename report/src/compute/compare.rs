//! Comparisons: whether two predictors of one region differ by more than chance among its sites.

use super::bootstrap;
use crate::model::{AnnResults, Best, Comparison, ModelResult, Predictor};
use crate::row;
use nrp_proto::id::NRP_NETWORK;

/// The NRP networks of each pair of ANNs, in each region.
pub(crate) fn networks(anns: &AnnResults) -> Vec<Comparison> {
    let labels = anns.labels();
    let mut comparisons = Vec::new();
    for region in anns.regions() {
        for (number, first) in anns.iter().enumerate() {
            for (other, second) in anns.iter().enumerate().skip(number + 1) {
                let models = [first, second].map(|ann| ann.model(region, NRP_NETWORK));
                let [Some(a), Some(b)] = models else {
                    continue;
                };
                let names = [&labels[number], &labels[other]].map(|label| Predictor {
                    ann: label.clone(),
                    model: NRP_NETWORK.to_owned(),
                });
                comparisons.extend(compared(region, names, [a, b], |of| of.ann.clone()));
            }
        }
    }
    comparisons
}

/// The NRP networks of each ANN against its linear baselines, in each region.
pub(crate) fn with_linear(anns: &AnnResults) -> Vec<Comparison> {
    let mut comparisons = Vec::new();
    for (ann, label) in anns.iter().zip(anns.labels()) {
        for region in &ann.regions {
            let is_network = |model: &&ModelResult| model.model == NRP_NETWORK;
            let Some(nrp) = region.models.iter().find(is_network) else {
                continue;
            };
            for linear in region.models.iter().filter(|model| !is_network(model)) {
                let names = [nrp, linear].map(|model| Predictor {
                    ann: label.clone(),
                    model: model.model.clone(),
                });
                let name = |of: &Predictor| row::model_label(&of.model);
                comparisons.extend(compared(&region.region, names, [nrp, linear], name));
            }
        }
    }
    comparisons
}

fn compared(
    region: &str,
    [first, second]: [Predictor; 2],
    [a, b]: [&ModelResult; 2],
    name: impl Fn(&Predictor) -> String,
) -> Option<Comparison> {
    let pairs: Vec<[&[f32]; 2]> = a
        .finished()
        .filter_map(|(split, best)| {
            let (_, other) = b.finished().find(|(of, _)| *of == split)?;
            Some([errors(best)?, errors(other)?])
        })
        .collect();
    let differences = differences(&pairs)?;
    let difference = bootstrap::of_mean(&differences)?;
    let verdict = if difference.holds_zero() {
        "no difference at 95 %".to_owned()
    } else if difference.mean < 0.0 {
        format!("{} lower", name(&first))
    } else {
        format!("{} lower", name(&second))
    };
    Some(Comparison {
        region: region.to_owned(),
        splits: pairs.len(),
        sites: differences.len(),
        difference,
        verdict,
        first,
        second,
    })
}

/// A trial's error at each site; none if it was recorded without.
fn errors(of: &Best) -> Option<&[f32]> {
    let errors = of.details.as_ref()?.site_error.as_slice();
    (!errors.is_empty()).then_some(errors)
}

/// The difference of two errors at each site, averaged over the splits in which both errors are finite;
/// sites without such a split are left out. None if there are no pairs, or if their sites differ.
fn differences(pairs: &[[&[f32]; 2]]) -> Option<Vec<f64>> {
    let sites = pairs.first()?[0].len();
    if pairs.iter().flatten().any(|errors| errors.len() != sites) {
        return None;
    }
    let of_site = |site: usize| {
        let splits = pairs
            .iter()
            .map(|[a, b]| f64::from(a[site]) - f64::from(b[site]));
        let (count, sum) = splits
            .filter(|difference| difference.is_finite())
            .fold((0.0, 0.0), |(count, sum), of| (count + 1.0, sum + of));
        (count > 0.0).then(|| sum / count)
    };
    Some((0..sites).filter_map(of_site).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Interval, SplitResult};
    use crate::row::Row;
    use crate::setting::Origin;
    use nrp_proto::wire::{Details, TrialRecord};

    fn predictor(ann: &str) -> Predictor {
        Predictor {
            ann: ann.to_owned(),
            model: NRP_NETWORK.to_owned(),
        }
    }

    /// A model whose best trial of each split has these errors.
    fn model(splits: &[&[f32]]) -> ModelResult {
        let mut model = ModelResult::new(NRP_NETWORK);
        for (split, errors) in (0..).zip(splits) {
            model.splits.push(SplitResult {
                split,
                trials: 1,
                open: 0,
                best: Some(Best {
                    row: Row::new(&TrialRecord::default(), &Origin::default()),
                    details: Some(Details {
                        site_error: errors.to_vec(),
                        ..Details::default()
                    }),
                }),
            });
        }
        model
    }

    fn of(a: &ModelResult, b: &ModelResult) -> Option<Comparison> {
        let names = [predictor("a"), predictor("b")];
        compared("IT", names, [a, b], |of| of.ann.clone())
    }

    #[test]
    fn sites_are_paired_and_averaged_over_splits() {
        let a = model(&[&[0.5, 0.75, 1.0], &[0.25, 0.5, f32::NAN]]);
        let b = model(&[&[1.0, 1.0, 1.25], &[0.5, 1.0, 0.5]]);
        let comparison = of(&a, &b).expect("both have sites");
        // -0.375 at the sites that both splits have, -0.25 at the one that only one has.
        assert!((comparison.difference.mean - -1.0 / 3.0).abs() < 1e-12);
        assert_eq!((comparison.splits, comparison.sites), (2, 3));
        assert_eq!(comparison.verdict, "a lower");
        let reversed = of(&b, &a).expect("both have sites");
        assert!((reversed.difference.mean - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!(reversed.verdict, "b lower");
    }

    #[test]
    fn a_predictor_does_not_differ_from_itself() {
        let a = model(&[&[0.5, 0.75, 1.0]]);
        let comparison = of(&a, &a).expect("it has sites");
        let Interval { mean, low, high } = comparison.difference;
        assert_eq!((mean, low, high), (0.0, 0.0, 0.0));
        assert_eq!(comparison.verdict, "no difference at 95 %");
    }

    #[test]
    fn models_without_details_or_with_other_sites_are_not_compared() {
        let a = model(&[&[0.5, 0.75, 1.0]]);
        assert_eq!(of(&a, &model(&[&[0.5, 0.75]])), None);
        assert_eq!(of(&a, &model(&[&[]])), None);
        assert_eq!(of(&a, &model(&[])), None);
        let mut open = model(&[&[0.5, 0.75, 1.0]]);
        open.splits[0].open = 1;
        assert_eq!(of(&a, &open), None);
    }
}
