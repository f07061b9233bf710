//! Comparisons: whether two predictors of one region differ by more than chance among its sites.

use super::bootstrap::{Interval, RESAMPLES};
use super::gather::Report;
use super::splits::{Best, Model};
use super::table::{Field, OnPage, Table, Value, field};
use crate::row;
use nrp_proto::id::NRP_NETWORK;
use serde::Serialize;

/// Two predictors of one region, site by site.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Comparison {
    pub(super) region: String,
    pub(super) first: Predictor,
    pub(super) second: Predictor,
    /// Finished splits over which each site is averaged.
    pub(super) splits: usize,
    /// Sites that both have an error of.
    pub(super) sites: usize,
    /// The first's error less the second's, mean over sites, and its 95 % interval.
    #[serde(flatten)]
    pub(super) difference: Interval,
    /// The same in words.
    pub(super) verdict: String,
}

/// The best trials of one model on one ANN.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Predictor {
    pub(super) ann: String,
    /// `nrp`, or a linear baseline.
    pub(super) model: String,
}

/// The NRP networks of each two ANNs.
pub(super) fn networks(report: &Report) -> Vec<Comparison> {
    let labels = report.labels();
    let mut comparisons = Vec::new();
    for region in report.regions() {
        for (number, first) in report.networks.iter().enumerate() {
            for (other, second) in report.networks.iter().enumerate().skip(number + 1) {
                let models = [first, second].map(|network| network.model(region, NRP_NETWORK));
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

/// The NRP networks of each ANN and its linear baselines.
pub(super) fn with_linear(report: &Report) -> Vec<Comparison> {
    let mut comparisons = Vec::new();
    for (network, label) in report.networks.iter().zip(report.labels()) {
        for region in &network.regions {
            let is_network = |model: &&Model| model.model == NRP_NETWORK;
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
    [a, b]: [&Model; 2],
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
    let difference = Interval::of_mean(&differences)?;
    let lower = match difference.mean < 0.0 {
        true => &first,
        false => &second,
    };
    let verdict = match difference.holds_zero() {
        true => "no difference at 95 %".to_owned(),
        false => format!("{} lower", name(lower)),
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

/// A trial's error at each site.
fn errors(of: &Best) -> Option<&[f32]> {
    let errors = of.details.as_ref()?.site_error.as_slice();
    (!errors.is_empty()).then_some(errors)
}

/// The difference of two errors at each site, its mean over the splits in which both have one; sites
/// with no such split are left out. None where there are no pairs, or not of the same sites.
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

/// What a network and a linear baseline do not have in common, of a scheme with several splits.
pub(super) const LINEAR_FIT: &str = " Linear baselines need no stimuli to stop by, and are fitted to the validation stimuli as well.";

/// How intervals come about, for the tables' notes.
fn note(report: &Report, first: &str, last: &str) -> String {
    let last = match report.protocol.splits {
        0 | 1 => "",
        _ => last,
    };
    format!(
        "{first} Each split's best trials, chosen by its validation loss, are paired site by site; a \
         site's difference is its mean over the finished splits. The interval is of the mean over sites: \
         percentiles of {RESAMPLES} resamples of the sites, the pairs kept, from a fixed seed. It says \
         what other sites might say, not what other stimuli or seeds might; and of many intervals, one in \
         twenty leaves 0 out by chance.{last}"
    )
}

/// Of each two ANNs.
pub(super) fn of_networks(report: &Report) -> Table {
    let row = |of: &Comparison| {
        let mut fields = vec![
            field("ANN", "ann", Value::Word(of.first.ann.clone())),
            field("against", "other_ann", Value::Word(of.second.ann.clone())),
        ];
        fields.extend(result(report, of));
        fields
    };
    Table {
        name: "comparisons",
        title: "ANNs compared",
        note: note(
            report,
            "NRP-error of one ANN's best NRP networks less that of another's.",
            "",
        ),
        rows: report.comparisons.iter().map(row).collect(),
        on_page: OnPage::All,
    }
}

/// Of NRP networks and linear baselines.
pub(super) fn of_linear(report: &Report) -> Table {
    let row = |of: &Comparison| {
        let against = row::model_label(&of.second.model);
        let mut fields = vec![
            field("ANN", "ann", Value::Word(of.first.ann.clone())),
            field("NRP against", "model", Value::Word(against)),
        ];
        fields.extend(result(report, of));
        fields
    };
    Table {
        name: "network-against-linear",
        title: "NRP networks compared with linear baselines",
        note: note(
            report,
            "NRP-error of an ANN's best NRP networks less that of a linear baseline on it.",
            LINEAR_FIT,
        ),
        rows: report.network_against_linear.iter().map(row).collect(),
        on_page: OnPage::All,
    }
}

fn result(report: &Report, of: &Comparison) -> [Field; 7] {
    let region = row::region_label(&of.region, report.sweep.simulated);
    let Interval { mean, low, high } = of.difference;
    let count = |count: usize| Value::Count(Some(count as u64));
    [
        field("region", "region", Value::Word(region)),
        field("difference", "mean_difference", Value::Score(Some(mean))),
        field("from", "low", Value::Score(Some(low))),
        field("to", "high", Value::Score(Some(high))),
        field("in words", "verdict", Value::Word(of.verdict.clone())),
        field("sites", "sites", count(of.sites)),
        field("splits", "splits", count(of.splits)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::best;
    use crate::report::splits::Split;
    use crate::setting::Origin;
    use nrp_proto::wire::{Details, TrialRecord};

    fn predictor(ann: &str) -> Predictor {
        Predictor {
            ann: ann.to_owned(),
            model: NRP_NETWORK.to_owned(),
        }
    }

    /// A model whose best trial of each split has these errors.
    fn model(splits: &[&[f32]]) -> Model {
        let mut model = Model::new(NRP_NETWORK);
        for (split, errors) in (0..).zip(splits) {
            model.splits.push(Split {
                split,
                trials: 1,
                open: 0,
                best: Some(Best {
                    row: best::shown(TrialRecord::default(), &Origin::default()),
                    details: Some(Details {
                        site_error: errors.to_vec(),
                        ..Details::default()
                    }),
                }),
            });
        }
        model
    }

    fn of(a: &Model, b: &Model) -> Option<Comparison> {
        let names = [predictor("a"), predictor("b")];
        compared("IT", names, [a, b], |of| of.ann.clone())
    }

    #[test]
    fn sites_are_paired_and_averaged_over_splits() {
        let a = model(&[&[0.5, 0.75, 1.0], &[0.25, 0.5, f32::NAN]]);
        let b = model(&[&[1.0, 1.0, 1.25], &[0.5, 1.0, 0.5]]);
        let comparison = of(&a, &b).expect("both have sites");
        // -0.375 of both splits' sites, -0.25 of the one that one split has.
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
    fn what_has_no_details_or_other_sites_is_not_compared() {
        let a = model(&[&[0.5, 0.75, 1.0]]);
        assert_eq!(of(&a, &model(&[&[0.5, 0.75]])), None);
        assert_eq!(of(&a, &model(&[&[]])), None);
        assert_eq!(of(&a, &model(&[])), None);
        let mut open = model(&[&[0.5, 0.75, 1.0]]);
        open.splits[0].open = 1;
        assert_eq!(of(&a, &open), None);
    }
}
