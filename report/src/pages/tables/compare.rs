//! Comparisons of ANNs with each other and with linear baselines.

use super::fields::linear_fit;
use crate::caveats::Caveats;
use crate::compute::RESAMPLES;
use crate::model::{Comparison, Interval};
use crate::pages::table::{Field, OnPage, Table, Value, field};
use crate::row;
use nrp_proto::wire::SplitSpec;

/// A table's note: how the intervals are computed, between `first` and `last`.
fn note(first: &str, last: &str) -> String {
    format!(
        "{first} The best trials of each split, chosen by its validation loss, are paired site by site; a \
         site's difference is averaged over the finished splits. The interval is for the mean over sites: \
         percentiles of {RESAMPLES} paired resamples of the sites from a fixed seed. It covers the choice \
         of sites, not of stimuli or seeds. Of many intervals, one in twenty excludes 0 by chance.{last}"
    )
}

/// Each pair of ANNs.
pub(crate) fn of_networks(comparisons: &[Comparison], caveats: &Caveats) -> Table {
    let row = |of: &Comparison| {
        let mut fields = vec![
            field("ANN", "ann", Value::Word(of.first.ann.clone())),
            field("against", "other_ann", Value::Word(of.second.ann.clone())),
        ];
        fields.extend(result(of, caveats));
        fields
    };
    Table {
        name: "comparisons",
        title: "ANNs compared",
        note: note(
            "NRP-error of one ANN's best NRP networks minus that of another's.",
            "",
        ),
        rows: comparisons.iter().map(row).collect(),
        on_page: OnPage::All,
    }
}

/// NRP networks against linear baselines, in the scheme of `split`.
pub(crate) fn of_linear(comparisons: &[Comparison], split: &SplitSpec, caveats: &Caveats) -> Table {
    let row = |of: &Comparison| {
        let against = row::model_label(&of.second.model);
        let mut fields = vec![
            field("ANN", "ann", Value::Word(of.first.ann.clone())),
            field("NRP against", "model", Value::Word(against)),
        ];
        fields.extend(result(of, caveats));
        fields
    };
    Table {
        name: "network-against-linear",
        title: "NRP networks compared with linear baselines",
        note: note(
            "NRP-error of an ANN's best NRP networks minus that of a linear baseline on the same ANN.",
            linear_fit(split),
        ),
        rows: comparisons.iter().map(row).collect(),
        on_page: OnPage::All,
    }
}

fn result(of: &Comparison, caveats: &Caveats) -> [Field; 7] {
    let region = caveats.region(&of.region);
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
