//! Groups: sites that are fitted to the same stimuli, because they have responses to the same.

use faer::{Mat, MatRef};
use nrp_proto::sweep::Baseline;
use std::collections::BTreeMap;

/// Sites that are fitted together.
pub(super) struct Group {
    /// Rows of the responses that they are fitted to.
    pub(super) rows: Vec<usize>,
    /// The stimuli of these rows.
    pub(super) fitted: Vec<usize>,
    pub(super) sites: Vec<usize>,
    /// Mean response of each site.
    means: Vec<f64>,
    /// Responses less those means, 0 where missing: `[fitted, sites]`
    pub(super) responses: Mat<f64>,
}

impl Group {
    /// Puts the group's predictions, `[others, its sites]` and less the sites' means, among those of all
    /// sites.
    pub(super) fn put(&self, of_group: &Mat<f64>, predicted: &mut Mat<f64>) {
        for (at, &site) in self.sites.iter().enumerate() {
            for row in 0..of_group.nrows() {
                predicted[(row, site)] = of_group[(row, at)] + self.means[at];
            }
        }
    }
}

/// Groups the sites by the stimuli that they are fitted to.
pub(super) fn groups(baseline: Baseline, fitted: &[usize], responses: &Mat<f64>) -> Vec<Group> {
    let mut groups: BTreeMap<Vec<usize>, Vec<usize>> = BTreeMap::new();
    for (site, column) in responses.col_iter().enumerate() {
        let rows = column.iter().enumerate();
        let rows = match baseline {
            Baseline::Ols
            | Baseline::Ridge
            | Baseline::RidgeOne
            | Baseline::RidgeCv
            | Baseline::SingleUnit => rows
                .filter(|(_, response)| !response.is_nan())
                .map(|(row, _)| row)
                .collect(),
            Baseline::Pls => (0..responses.nrows()).collect(),
        };
        groups.entry(rows).or_default().push(site);
    }
    let groups = groups.into_iter().map(|(rows, sites)| {
        let (means, centred): (Vec<f64>, Vec<Vec<f64>>) = sites
            .iter()
            .map(|&site| centre(rows.iter().map(|&row| responses[(row, site)])))
            .unzip();
        Group {
            fitted: rows.iter().map(|&row| fitted[row]).collect(),
            responses: Mat::from_fn(rows.len(), sites.len(), |row, site| centred[site][row]),
            rows,
            sites,
            means,
        }
    });
    groups.collect()
}

/// The mean of the present responses, and the responses less that mean; 0 where missing.
fn centre(responses: impl Iterator<Item = f64> + Clone) -> (f64, Vec<f64>) {
    let present = responses.clone().filter(|response| !response.is_nan());
    let (sum, count) = present.fold((0.0, 0_usize), |(sum, count), response| {
        (sum + response, count + 1)
    });
    let mean = sum / count as f64;
    let centred = responses.map(|response| {
        if response.is_nan() {
            0.0
        } else {
            response - mean
        }
    });
    (mean, centred.collect())
}

/// What a baseline predicts.
pub(super) struct Predicted {
    /// `[others, sites]`
    pub(super) responses: Mat<f64>,
    /// The penalty that all sites share.
    pub(super) alpha: Option<f64>,
}

impl Predicted {
    /// The predictions for `count` stimuli from the one at `first`.
    pub(super) fn of(&self, first: usize, count: usize) -> MatRef<'_, f64> {
        self.responses.as_ref().subrows(first, count)
    }
}
