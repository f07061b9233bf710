//! Advice: what a sweep's results suggest for the next sweep. It uses validation losses and counts, never test scores,
//! because following it selects networks.

use crate::row::{MEAN, Row};
use crate::text;
use nrp_proto::axis::Axis;
use nrp_proto::id::NRP_NETWORK;
use nrp_proto::sweep::Baseline;
use nrp_proto::wire::SweepSpec;

/// The limit of winners that a sentence names.
const NAMED: usize = 3;

/// An axis of the grid that has an order, with the sweep's values.
struct Ordered {
    axis: Axis,
    values: Vec<f64>,
    /// The lowest and the highest value that a sweep file may contain.
    bounds: [f64; 2],
}

/// What to try next, one sentence per piece of advice, from the best trial of each network and linear baseline in
/// each region and split of a finished sweep.
pub fn all(spec: &SweepSpec, rows: &[Row]) -> Vec<String> {
    let networks: Vec<&Row> = rows.iter().filter(|row| is_network(row)).collect();
    let mut advice = Vec::new();
    advice.extend(longer(&networks));
    for axis in axes(spec) {
        advice.extend(edges(&axis, &networks));
    }
    advice.extend(linear(&networks, rows));
    advice.extend(penalties(rows));
    advice.extend(ceilings(spec, rows));
    advice
}

fn is_network(row: &Row) -> bool {
    row.cell.model() == NRP_NETWORK
}

/// Networks whose validation loss was still falling when training had to end.
fn longer(networks: &[&Row]) -> Option<String> {
    let at_end = |row: &&&Row| {
        let last = row.cell.setting.max_epochs.filter(|epochs| *epochs > 0);
        last.is_some() && row.provenance.best_epoch == last
    };
    let cut: Vec<&Row> = networks.iter().filter(at_end).copied().collect();
    let epochs = cut.first()?.cell.setting.max_epochs?;
    Some(format!(
        "the best epoch was the last, {epochs}, in {}: the validation loss may still have been falling; \
         raise `max_epochs`",
        named(&cut, networks.len())
    ))
}

fn axes(spec: &SweepSpec) -> Vec<Ordered> {
    let grid = spec.grid.clone().unwrap_or_default();
    let whole = |values: &[u32]| values.iter().copied().map(f64::from).collect::<Vec<_>>();
    let axis = |axis, values, bounds| Ordered {
        axis,
        values,
        bounds,
    };
    let above_zero = [f64::MIN_POSITIVE, f64::INFINITY];
    vec![
        axis(Axis::L1, whole(&grid.l1), [1.0, f64::INFINITY]),
        axis(Axis::L2, whole(&grid.l2), [1.0, f64::INFINITY]),
        axis(Axis::Depth, whole(&grid.depth), [0.0, 3.0]),
        axis(Axis::LearningRate, grid.learning_rate, above_zero),
        axis(Axis::WeightDecay, grid.weight_decay, [0.0, f64::INFINITY]),
        axis(Axis::Dropout, grid.dropout, [0.0, 1.0]),
    ]
}

/// Winners at an end of an axis that a sweep file could extend.
fn edges(axis: &Ordered, networks: &[&Row]) -> Vec<String> {
    let mut values = axis.values.clone();
    values.sort_by(f64::total_cmp);
    values.dedup();
    let (Some(&low), Some(&high), true) = (values.first(), values.last(), values.len() > 1) else {
        return Vec::new();
    };
    let list: Vec<String> = values.iter().map(|of| text::number(Some(*of))).collect();
    let list = list.join(", ");
    let sides = [
        (low, "lowest", "lower", low > axis.bounds[0]),
        (high, "highest", "higher", high < axis.bounds[1]),
    ];
    let said = sides.into_iter().filter_map(|(end, which, try_, goes_on)| {
        let at_end = |row: &&&Row| row.cell.place.number(axis.axis) == Some(end);
        let there: Vec<&Row> = networks.iter().filter(at_end).copied().collect();
        (goes_on && !there.is_empty()).then(|| {
            format!(
                "`{}` = {}, the {which} of {list}, won in {}: try {try_} ones",
                axis.axis,
                text::number(Some(end)),
                named(&there, networks.len())
            )
        })
    });
    said.collect()
}

/// Linear baselines with a lower validation loss than the best NRP network of the same ANN.
fn linear(networks: &[&Row], rows: &[Row]) -> Vec<String> {
    let mut said = Vec::new();
    for network in networks {
        let loss = network.scores.validation_mse;
        let baselines = rows.iter().filter(|row| !is_network(row));
        let rivals = baselines.filter(|row| alike(row, network));
        let best = rivals.min_by(|a, b| {
            let loss = |of: &Row| of.scores.validation_mse.unwrap_or(f64::INFINITY);
            loss(a).total_cmp(&loss(b))
        });
        if let (Some(best), Some(loss)) = (best, loss)
            && let Some(linear) = best.scores.validation_mse
            && linear < loss
        {
            said.push(format!(
                "{} has a lower validation loss than the best NRP network in {} ({} against {}): \
                 `linear_path = [\"ridge\"]` trains networks beside ridge regression",
                best.cell.model(),
                label(network),
                text::significant(linear),
                text::significant(loss)
            ));
        }
    }
    said
}

/// Rows whose model has chosen the lowest or the highest penalty that it tries.
pub fn penalties(rows: &[Row]) -> Vec<String> {
    let mut said = Vec::new();
    for baseline in Baseline::ALL {
        let alphas = baseline.alphas();
        let [lowest, .., highest] = &*alphas else {
            continue;
        };
        let of_model =
            |row: &&Row| row.cell.model() == baseline.name() && row.cell.region() != MEAN;
        let chosen: Vec<&Row> = rows.iter().filter(of_model).collect();
        for (end, which, side) in [(lowest, "lowest", "below"), (highest, "highest", "above")] {
            let at_end = |row: &&Row| row.provenance.alpha == Some(*end);
            let there: Vec<&Row> = chosen.iter().copied().filter(at_end).collect();
            if !there.is_empty() {
                said.push(format!(
                    "{baseline} has chosen α = {end}, the {which} that it tries, in {}: the best \
                     penalty may lie {side}; `ridge` tries 25 penalties relative to the activations' \
                     variance",
                    named(&there, chosen.len())
                ));
            }
        }
    }
    said
}

/// Whether two rows have the same ANN, region and split.
fn alike(a: &Row, b: &Row) -> bool {
    let of = |row: &Row| {
        let cell = &row.cell;
        let of = [Axis::Ann, Axis::Sparsity, Axis::Region, Axis::Split];
        let place = of.map(|axis| cell.place.get(axis).cloned());
        (place, cell.weights.clone(), cell.pruning.clone())
    };
    of(a) == of(b)
}

/// Regions whose noise ceilings are missing or uninformative.
fn ceilings(spec: &SweepSpec, rows: &[Row]) -> Vec<String> {
    let mut said = Vec::new();
    for region in &spec.regions {
        // A comparison has no ceiling.
        let of_region = rows
            .iter()
            .filter(|row| row.cell.region() == region && row.scores.similarity.is_none());
        let mut scored = of_region.map(|row| row.scores.ceiling_median).peekable();
        if scored.peek().is_none() {
            continue;
        }
        if scored.all(|ceiling| ceiling.is_none()) {
            said.push(format!(
                "{region} has no noise ceiling, because no stimulus has enough repetitions: without at \
                 least two of each, it is unknown how much of its responses can be predicted at all"
            ));
            continue;
        }
        let sites = spec.sites.iter().find(|of| of.region == *region);
        let ceilings = sites.map_or(&[][..], |of| &of.ceilings);
        let without = ceilings
            .iter()
            .filter(|of| of.is_nan() || **of <= 0.0)
            .count();
        if without > 0 {
            said.push(format!(
                "{without} of {} sites of {region} have no noise ceiling above 0: they have too few \
                 repetitions, or respond alike to all stimuli",
                ceilings.len()
            ));
        }
    }
    said
}

/// Some of the winners by name, and how many winners there are of all.
fn named(winners: &[&Row], of: usize) -> String {
    let names: Vec<String> = winners.iter().take(NAMED).map(|row| label(row)).collect();
    let more = match winners.len() - names.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "{} of {of} winners ({}{more})",
        winners.len(),
        names.join(", ")
    )
}

fn label(row: &Row) -> String {
    let split = match row.cell.place.whole(Axis::Split) {
        None | Some(0) => String::new(),
        Some(split) => format!(" split {split}"),
    };
    format!(
        "{} {}{split}",
        row.cell.ann_label(),
        row.cell.region_label()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setting::Origin;
    use nrp_proto::wire::{
        AnnSpec, Grid, RegionSites, Scores, TrainingSpec, TrialRecord, TrialSpec,
    };

    fn spec() -> SweepSpec {
        SweepSpec {
            regions: vec!["V4".to_owned(), "IT".to_owned()],
            grid: Some(Grid {
                l1: vec![64, 16, 32],
                l2: vec![32],
                depth: vec![0, 2],
                learning_rate: vec![1e-3, 1e-2],
                weight_decay: vec![0.0, 1e-4],
                ..Grid::default()
            }),
            ..SweepSpec::default()
        }
    }

    /// A winner, as `change` leaves it.
    fn row(
        region: &str,
        model: &str,
        validation_mse: f64,
        change: impl Fn(&mut TrialRecord),
    ) -> Row {
        let mut record = TrialRecord {
            spec: Some(TrialSpec {
                ann: Some(AnnSpec {
                    name: "mobilenet".to_owned(),
                    ..AnnSpec::default()
                }),
                region: region.to_owned(),
                model: model.to_owned(),
                l1: Some(32),
                l2: Some(32),
                depth: 2,
                learning_rate: 1e-3,
                weight_decay: 1e-4,
                training: Some(TrainingSpec {
                    max_epochs: 100,
                    ..TrainingSpec::default()
                }),
                ..TrialSpec::default()
            }),
            scores: Some(Scores {
                validation_mse,
                epochs: 60,
                best_epoch: 40,
                ceiling_median: Some(0.8),
                ..Scores::default()
            }),
            ..TrialRecord::default()
        };
        change(&mut record);
        Row::new(&record, &Origin::default())
    }

    fn scores(record: &mut TrialRecord) -> &mut Scores {
        record.scores.as_mut().expect("it has some")
    }

    fn trial(record: &mut TrialRecord) -> &mut TrialSpec {
        record.spec.as_mut().expect("it has one")
    }

    #[test]
    fn a_best_epoch_that_was_the_last_asks_for_more() {
        let at_end = row("V4", "", 0.5, |of| scores(of).best_epoch = 100);
        let inside = row("IT", "", 0.5, |_| ());
        let advice = longer(&[&at_end, &inside]).expect("one was cut off");
        assert_eq!(
            advice,
            "the best epoch was the last, 100, in 1 of 2 winners (mobilenet V4): the validation loss \
             may still have been falling; raise `max_epochs`"
        );
        assert_eq!(longer(&[&inside]), None);
    }

    #[test]
    fn a_winner_at_the_edge_of_the_grid_names_axis_and_side() {
        let largest = row("V4", "", 0.5, |of| trial(of).l1 = Some(64));
        let middle = row("IT", "", 0.5, |of| trial(of).learning_rate = 1e-2);
        let flat = row("IT", "", 0.5, |of| {
            trial(of).depth = 0;
            trial(of).l1 = None;
            trial(of).weight_decay = 0.0;
        });
        let said = |row: &Row| all(&spec(), std::slice::from_ref(row));
        assert_eq!(
            said(&largest),
            [
                "`l1` = 64, the highest of 16, 32, 64, won in 1 of 1 winners (mobilenet V4): try higher \
                 ones",
                "`depth` = 2, the highest of 0, 2, won in 1 of 1 winners (mobilenet V4): try higher ones",
                "`learning_rate` = 1e-3, the lowest of 1e-3, 0.01, won in 1 of 1 winners (mobilenet V4): \
                 try lower ones",
                "`weight_decay` = 1e-4, the highest of 0, 1e-4, won in 1 of 1 winners (mobilenet V4): \
                 try higher ones",
            ]
        );
        let middle = said(&middle);
        assert!(
            !middle.iter().any(|said| said.contains("`l1`")) && middle[1].contains("try higher"),
            "{middle:?}"
        );
        // Nothing is below a depth or a weight decay of 0, and one value has no edge.
        let flat = said(&flat);
        assert_eq!(flat.len(), 1, "{flat:?}");
        assert!(flat[0].starts_with("`learning_rate`"), "{flat:?}");
    }

    #[test]
    fn a_linear_baseline_that_is_better_is_named() {
        let network = row("V4", "", 0.5, |_| ());
        let ridge = row("V4", "ridge", 0.25, |_| ());
        let worse = row("V4", "pls", 0.75, |_| ());
        let elsewhere = row("IT", "ridge", 0.1, |_| ());
        let rows = [network.clone(), worse, elsewhere, ridge];
        let said = linear(&[&network], &rows);
        assert_eq!(said.len(), 1);
        assert!(
            said[0].starts_with(
                "ridge has a lower validation loss than the best NRP network in mobilenet V4 (0.2500 \
                 against 0.5000)"
            ),
            "{said:?}"
        );
        assert!(linear(&[&network], &rows[..3]).is_empty());
    }

    #[test]
    fn a_penalty_at_an_end_of_those_tried_is_said() {
        let chosen = |region: &str, model: &str, alpha: f64| {
            row(region, model, 0.5, |of| scores(of).alpha = Some(alpha))
        };
        let mut mean = chosen("V4", "ridgecv", 0.01);
        mean = Row::mean(&[&mean, &mean]);
        let rows = [
            chosen("V4", "ridgecv", 0.01),
            chosen("IT", "ridgecv", 1e7),
            chosen("V1", "ridgecv", 55.0),
            chosen("V4", "ridge-1", 1.0),
            row("V4", "ridge", 0.5, |_| ()),
            mean,
        ];
        let relative = "`ridge` tries 25 penalties relative to the activations' variance";
        let expected = [
            format!(
                "ridgecv has chosen α = 0.01, the lowest that it tries, in 1 of 3 winners (mobilenet V4): \
                 the best penalty may lie below; {relative}"
            ),
            format!(
                "ridgecv has chosen α = 10000000, the highest that it tries, in 1 of 3 winners \
                 (mobilenet IT): the best penalty may lie above; {relative}"
            ),
        ];
        assert_eq!(penalties(&rows), expected);
        assert!(penalties(&rows[2..]).is_empty());
    }

    #[test]
    fn too_few_repetitions_for_a_ceiling_are_said() {
        let with = row("V4", "", 0.5, |_| ());
        let without = row("IT", "", 0.5, |of| scores(of).ceiling_median = None);
        let mut spec = spec();
        assert_eq!(ceilings(&spec, std::slice::from_ref(&with)).len(), 0);
        spec.sites = vec![RegionSites {
            region: "V4".to_owned(),
            ceilings: vec![f32::NAN, -0.1, 0.9],
            ..RegionSites::default()
        }];
        let said = ceilings(&spec, &[with, without]);
        assert!(said[0].starts_with("2 of 3 sites of V4"), "{said:?}");
        assert!(said[1].starts_with("IT has no noise ceiling"), "{said:?}");
    }
}
