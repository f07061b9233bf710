//! Trials as a table: the best ones, or all with their states.

use super::{Choice, Listing, plain};
use crate::failure::CommandError;
use crate::output;
use crate::row::{self, Row, TrialRow};
use crate::table::{Hoist, NONE, Shown};
use nrp_proto::axis::Axis;
use nrp_proto::score::Score;
use nrp_report::columns::{COLUMNS, Column, Source};
use std::sync::LazyLock;

/// The names that `--columns` accepts for the best trials.
pub(super) static NAMES_OF_ROWS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let columns = COLUMNS.iter().filter(|column| column.is_of_rows());
    columns.map(|column| column.name).collect()
});

/// The names that `--columns` accepts for trials.
pub(super) static NAMES: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| COLUMNS.iter().map(|column| column.name).collect());

/// The best trials as a table.
///
/// # Errors
/// When `--columns` names an unknown column.
pub(crate) fn of_best(rows: &[Row], choice: &Choice, width: usize) -> Result<String, CommandError> {
    let marks = marks(rows.iter(), choice);
    let columns = in_tables(choice, true).into_iter();
    let shown = columns.map(|column| {
        let cells = rows
            .iter()
            .map(|row| cell(&column, row, None, choice, &marks));
        shown(&column, cells.collect())
    });
    choice.table(shown.collect(), Listing::Best, &marks, width)
}

/// Trials with their states as a table.
///
/// # Errors
/// When `--columns` names an unknown column.
pub(crate) fn of_trials(
    rows: &[TrialRow],
    choice: &Choice,
    width: usize,
) -> Result<String, CommandError> {
    let marks = marks(rows.iter().map(|row| &row.row), choice);
    let columns = in_tables(choice, false).into_iter();
    let shown = columns.map(|column| {
        let cells = rows.iter();
        let cells = cells.map(|row| cell(&column, &row.row, Some(row), choice, &marks));
        shown(&column, cells.collect())
    });
    choice.table(shown.collect(), Listing::Trials, &marks, width)
}

/// The remarks that apply to all rows. If all recordings are simulated, one remark replaces each row's mark.
fn marks<'a>(mut rows: impl Iterator<Item = &'a Row>, choice: &Choice) -> Vec<String> {
    let all = choice.is_fitted() && rows.all(|row| row.cell.simulated);
    Vec::from_iter(all.then(|| SIMULATED.to_owned()))
}

const SIMULATED: &str = "simulated recordings";

/// The columns of the best trials or of all trials, in their order. If `--columns` names some, these include the
/// columns that are shown only by name, such as what all trials of a sweep share.
fn in_tables(choice: &Choice, are_best: bool) -> Vec<Column> {
    let columns = COLUMNS.iter().copied();
    let columns = columns.filter(|column| !are_best || column.is_of_rows());
    let is_shown = |column: &Column| !choice.columns.is_empty() || rank(column).is_some();
    let mut columns: Vec<Column> = columns.filter(is_shown).collect();
    columns.sort_by_key(|column| order(column, are_best));
    columns
}

/// A column's position: what identifies a row, then its configuration and its scores. The scores of the best trials
/// stand first.
fn order(column: &Column, are_best: bool) -> u8 {
    match column.source() {
        Source::Axis(Axis::Ann | Axis::Region | Axis::Model) => 1,
        Source::Axis(_) => 3,
        Source::Score(_) if are_best => 2,
        Source::Score(_) => 4,
        Source::Other => match column.name {
            "trial" if are_best => 9,
            "trial" | "state" => 0,
            "layers" | "reached_sparsity" => 3,
            _ => 5,
        },
    }
}

/// A column's priority for room in a table: 0 is always shown, none is shown only by name.
fn rank(column: &Column) -> Option<u8> {
    match column.source() {
        Source::Axis(Axis::Region) => Some(0),
        Source::Axis(Axis::Ann | Axis::Model) => Some(0),
        // The layers show the projection, and `zeros` the sparsity.
        Source::Axis(Axis::Projection | Axis::Sparsity) => None,
        Source::Axis(Axis::Parameters) => Some(9),
        Source::Axis(_) => Some(4),
        Source::Score(Score::NrpError | Score::Similarity) => Some(0),
        Source::Score(Score::MeanPredictorError) => Some(1),
        Source::Score(Score::NoiseFloor | Score::CeilingMedian | Score::SimilaritySplit) => Some(5),
        Source::Score(Score::PearsonMedian | Score::Pearson2OverCeiling) => Some(6),
        Source::Score(Score::ValidationMse) => Some(7),
        Source::Score(_) => Some(8),
        Source::Other => match column.name {
            "trial" | "state" => Some(0),
            "layers" => Some(2),
            "reason" => Some(1),
            "reached_sparsity" => Some(4),
            "epochs" | "train_seconds" | "worker" => Some(10),
            _ => None,
        },
    }
}

fn shown(column: &Column, cells: Vec<String>) -> Shown {
    let name = column.name;
    Shown {
        name,
        head: head(column),
        cells,
        rank: rank(column).unwrap_or(u8::MAX),
        hoist: match column.source() {
            Source::Axis(Axis::Region) => Hoist::Never,
            Source::Axis(Axis::Ann | Axis::Model) => Hoist::Several,
            Source::Axis(_) => Hoist::Always,
            Source::Score(_) => Hoist::Never,
            Source::Other => match name {
                "layers" => Hoist::Several,
                "reached_sparsity" => Hoist::Always,
                _ => Hoist::Never,
            },
        },
        least: match name {
            "ann" | "layers" => Some(12),
            "region" | "worker" => Some(8),
            "reason" => Some(20),
            _ => None,
        },
    }
}

/// A column's header.
fn head(column: &Column) -> String {
    let head = match column.source() {
        Source::Axis(axis) => axis.label(),
        Source::Score(score) => score.label(),
        Source::Other => match column.name {
            "reached_sparsity" => "zeros",
            "train_seconds" => "seconds",
            name => name,
        },
    };
    head.to_owned()
}

/// A cell's text. It never shows random weights as trained ones, or simulated recordings as real ones.
fn cell(
    column: &Column,
    of: &Row,
    trial: Option<&TrialRow>,
    choice: &Choice,
    marks: &[String],
) -> String {
    let cell = &of.cell;
    let text = match column.source() {
        Source::Axis(Axis::Ann) => Some(cell.ann_label()),
        Source::Axis(Axis::Region) if marks.is_empty() => Some(cell.region_label()),
        Source::Axis(Axis::Region) => Some(cell.region().to_owned()),
        Source::Axis(Axis::Model) => Some(cell.model_label()),
        Source::Axis(Axis::Split) => Some(cell.split_label()),
        Source::Score(score) => Some(output::score(of.scores.get(score))),
        Source::Axis(_) => None,
        Source::Other => match column.name {
            "layers" => Some(cell.layers_label()),
            "reached_sparsity" => Some(cell.zeros_label(of.provenance.reached_sparsity)),
            // Rows are told apart by the first digits.
            "trial" if choice.is_fitted() => {
                cell.trial.as_ref().map(|id| row::short(id).to_owned())
            }
            "train_seconds" => trial
                .and_then(|row| row.train_seconds)
                .map(|seconds| format!("{seconds:.1}")),
            _ => None,
        },
    };
    let field = || match trial {
        Some(trial) => column.of(trial),
        None => column.of_row(of),
    };
    let text = text.or_else(|| field().map(|field| field.shown()));
    let text = text.unwrap_or_else(|| NONE.to_owned());
    plain(&text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::tests::fits;
    use crate::setting::Origin;
    use nrp_proto::state::TrialState;
    use nrp_proto::wire::{
        AnnSpec, Details, Scores, SplitSpec, TrainingSpec, TrialRecord, TrialSpec,
    };

    /// A finished trial of a network on `layers` in `region`, by its learning rate.
    fn record(region: &str, layers: &[&str], rate: f64) -> TrialRecord {
        TrialRecord {
            id: format!("{:08x}{region:0>24}", (rate * 1e6) as u32 * 12_345),
            spec: Some(TrialSpec {
                ann: Some(AnnSpec {
                    name: "mobilenet".to_owned(),
                    weights_digest: "random:1".to_owned(),
                    ..AnnSpec::default()
                }),
                recordings_digest: "simulated:7".to_owned(),
                region: region.to_owned(),
                split: Some(SplitSpec::default()),
                layers: layers.iter().map(|layer| (*layer).to_owned()).collect(),
                l1: Some(16),
                l2: Some(if region == "V4" { 32 } else { 64 }),
                depth: 2,
                learning_rate: rate,
                training: Some(TrainingSpec {
                    projection: "none".to_owned(),
                    ..TrainingSpec::default()
                }),
                ..TrialSpec::default()
            }),
            state: TrialState::Finished.to_wire(),
            scores: Some(Scores {
                nrp_error: 0.243_591_234_567 + rate,
                mean_predictor_error: 0.301_234_567,
                noise_floor: Some(0.123_456_789),
                r2_mean: Some(0.512_345),
                r2_median: Some(0.498_765),
                r2_pooled: Some(0.505_05),
                pearson_median: Some(0.712_345),
                ceiling_median: Some(0.851_234),
                pearson2_over_ceiling: Some(0.596_1),
                split_half_consistency: Some(0.842_1),
                validation_mse: 0.437_654_321,
                reached_sparsity: Some(0.000_123_4),
                parameters: 123_456,
                epochs: 40,
                train_seconds: 12.345,
                details: Some(Details::default()),
                ..Scores::default()
            }),
            ..TrialRecord::default()
        }
    }

    const THREE: [&str; 3] = [
        "block_13_expand_relu",
        "block_14_depthwise_relu",
        "block_16_project_BN",
    ];

    /// Rows of a sweep with two regions, one layer set of three long names, and a linear baseline.
    fn best() -> Vec<Row> {
        let mut baseline = record("V4", &THREE[..1], 1e-3);
        let spec = baseline.spec.as_mut().expect("a trial");
        spec.model = "ridge".to_owned();
        (spec.l1, spec.l2, spec.depth) = (None, None, 0);
        let networks = [record("V4", &THREE, 1e-3), record("IT", &THREE[..2], 3e-3)];
        let networks = networks.map(|record| Row::new(&record, &Origin::default()));
        let mean = Row::mean(&networks.each_ref());
        let mut rows = Vec::from(networks);
        rows.push(mean);
        rows.push(Row::new(&baseline, &Origin::default()));
        rows
    }

    fn trials() -> Vec<TrialRow> {
        let mut failed = record("IT", &THREE, 1e-2);
        failed.state = TrialState::Failed.to_wire();
        failed.scores = None;
        failed.reason = "the loss is not finite in epoch 3; lower the learning rate".to_owned();
        failed.worker = "gpu-1".to_owned();
        let mut waiting = record("V4", &THREE[..1], 3e-4);
        waiting.state = TrialState::Waiting.to_wire();
        waiting.scores = None;
        let records = [record("V4", &THREE, 1e-3), failed, waiting];
        records
            .map(|record| TrialRow::new(record, &Origin::default()))
            .into()
    }

    fn best_at(width: usize) -> String {
        let text = of_best(&best(), &Choice::default(), width);
        fits(text.expect("no column was named"), width)
    }

    #[test]
    fn the_best_trials_fit_80_columns() {
        insta::assert_snapshot!(best_at(80), @r"
        in all rows: simulated recordings, ANN mobilenet (random weights), L1 16,
        depth 2, decay 0, dropout 0, linear path none, ensemble 1, split 0, seed 0,
        parameters 123456, zeros 0.0001234

        region  model  NRP-error  mean       noise   layers           L2  rate  trial
                                  predictor  floor
        V4      NRP    0.2446     0.3012     0.1235  block_13_        32  1e-3  00bc5ea8
                                                     expand_relu+
                                                     block_14_
                                                     depthwise_relu+
                                                     block_16_
                                                     project_BN
        IT      NRP    0.2466     0.3012     0.1235  block_13_        64  3e-3  02351bf8
                                                     expand_relu+
                                                     block_14_
                                                     depthwise_relu
        mean    NRP    0.2456     0.3012     0.1235  –                –   –     –
        V4      ridge  0.2446     0.3012     0.1235  block_13_        –   –     00bc5ea8
                                                     expand_relu

        not shown: r2_mean, r2_median, r2_pooled, pearson_median, ceiling_median,
        pearson2_over_ceiling, split_half_consistency, validation_mse, epochs
        --wide shows all columns, --columns some
        ");
    }

    #[test]
    fn the_best_trials_fit_120_columns() {
        insta::assert_snapshot!(best_at(120), @r"
        in all rows: simulated recordings, ANN mobilenet (random weights), L1 16, depth 2, decay 0, dropout 0, linear path none,
        ensemble 1, split 0, seed 0, parameters 123456, zeros 0.0001234

        region  model  NRP-error  mean       noise   r       ceiling  r²/ceiling  layers                    L2  rate  trial
                                  predictor  floor   median
        V4      NRP    0.2446     0.3012     0.1235  0.7123  0.8512   0.5961      block_13_expand_relu+     32  1e-3  00bc5ea8
                                                                                  block_14_depthwise_relu+
                                                                                  block_16_project_BN
        IT      NRP    0.2466     0.3012     0.1235  0.7123  0.8512   0.5961      block_13_expand_relu+     64  3e-3  02351bf8
                                                                                  block_14_depthwise_relu
        mean    NRP    0.2456     0.3012     0.1235  0.7123  0.8512   0.5961      –                         –   –     –
        V4      ridge  0.2446     0.3012     0.1235  0.7123  0.8512   0.5961      block_13_expand_relu      –   –     00bc5ea8

        not shown: r2_mean, r2_median, r2_pooled, split_half_consistency, validation_mse, epochs
        --wide shows all columns, --columns some
        ");
    }

    fn trials_at(width: usize) -> String {
        let text = of_trials(&trials(), &Choice::default(), width);
        fits(text.expect("no column was named"), width)
    }

    #[test]
    fn trials_fit_80_columns() {
        insta::assert_snapshot!(trials_at(80), @r"
        in all rows: simulated recordings, ANN mobilenet (random weights), model NRP,
        L1 16, depth 2, decay 0, dropout 0, linear path none, ensemble 1, split 0,
        seed 0, parameters 123456, zeros 0.0001234

        trial     state     region  L2  rate  NRP-error  mean       reason
                                                         predictor
        00bc5ea8  finished  V4      32  1e-3  0.2446     0.3012     –
        075bb290  failed    IT      64  0.01  –          –          the loss is not
                                                                    finite in epoch 3;
                                                                    lower the learning
                                                                    rate
        003882cc  waiting   V4      32  3e-4  –          –          –

        not shown: layers, noise_floor, r2_mean, r2_median, r2_pooled, pearson_median,
        ceiling_median, pearson2_over_ceiling, split_half_consistency, validation_mse,
        epochs, train_seconds, worker
        --wide shows all columns, --columns some
        ");
    }

    #[test]
    fn trials_fit_120_columns() {
        insta::assert_snapshot!(trials_at(120), @r"
        in all rows: simulated recordings, ANN mobilenet (random weights), model NRP, L1 16, depth 2, decay 0, dropout 0,
        linear path none, ensemble 1, split 0, seed 0, parameters 123456, zeros 0.0001234

        trial     state     region  layers                 L2  rate  NRP-error  mean       noise   ceiling  reason
                                                                                predictor  floor
        00bc5ea8  finished  V4      block_13_expand_relu+  32  1e-3  0.2446     0.3012     0.1235  0.8512   –
                                    block_14_depthwise_
                                    relu+
                                    block_16_project_BN
        075bb290  failed    IT      block_13_expand_relu+  64  0.01  –          –          –       –        the loss is not
                                    block_14_depthwise_                                                     finite in epoch 3;
                                    relu+                                                                   lower the learning
                                    block_16_project_BN                                                     rate
        003882cc  waiting   V4      block_13_expand_relu   32  3e-4  –          –          –       –        –

        not shown: r2_mean, r2_median, r2_pooled, pearson_median, pearson2_over_ceiling, split_half_consistency, validation_mse,
        epochs, train_seconds, worker
        --wide shows all columns, --columns some
        ");
    }

    #[test]
    fn named_columns_are_shown_in_their_order_and_unknown_ones_refused() {
        let named = |names: &[&str]| {
            let choice = Choice {
                columns: names.iter().map(|name| (*name).to_owned()).collect(),
                wide: false,
            };
            of_best(&best()[..1], &choice, 80)
        };
        let text = named(&["l2", "trial", "split_half_consistency"]).expect("known");
        insta::assert_snapshot!(text, @r"
        L2  trial                             consistency
        32  00bc5ea80000000000000000000000V4  0.8421
        ");
        assert!(named(&[" l2", "trial "]).is_ok(), "blanks do not count");
        let error = named(&["l2", "trial", "l2"]).expect_err("twice");
        assert_eq!(error.to_string(), "column `l2` is named twice");
        let error = named(&["l1", "nrp_eror"]).expect_err("unknown");
        assert_eq!(
            error.to_string(),
            "unknown column `nrp_eror`; did you mean `nrp_error`?"
        );
        assert!(named(&["state"]).is_err(), "a mean has none");
    }

    #[test]
    fn a_wide_table_has_every_score_and_axis() {
        let choice = Choice {
            wide: true,
            ..Choice::default()
        };
        let text = of_best(&best(), &choice, 80).expect("no column was named");
        let head = text.lines().next().expect("a header");
        for score in Score::ALL {
            assert!(head.contains(score.label()), "{score:?}");
        }
        // The layers show the projection, and `zeros` the sparsity.
        let shown = |axis: &Axis| ![Axis::Projection, Axis::Sparsity].contains(axis);
        for axis in Axis::ALL.iter().filter(|axis| shown(axis)) {
            assert!(head.contains(axis.label()), "{axis}");
        }
        for line in text.lines().skip(1) {
            assert!(line.contains("(simulated)"), "{line}");
            assert!(line.contains("(random weights)"), "{line}");
        }
    }
}
