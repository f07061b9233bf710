//! Tables: Table 1 with the published numbers beside ours, and the numbers behind the other figures.

mod baselines;
mod best;
mod compare;
mod details;
mod fields;
mod similarities;
mod splits;
mod subjects;

use super::table::Table;
use crate::caveats::Caveats;
use crate::model::Report;

/// All tables that have a row.
pub(crate) fn all(report: &Report) -> Vec<Table> {
    let anns = &report.networks;
    let caveats = &Caveats::new(&report.sweep, &report.protocol);
    let of_one_split = [
        best::table_1(anns),
        baselines::baselines(anns, &report.protocol.split),
        best::layers(anns),
        best::sizes(anns),
        best::sparsities(anns),
        details::sites(&report.sites, anns, caveats),
        details::curves(&report.curves, anns, caveats),
    ];
    let of_all_splits = [
        subjects::table(anns, report.with_score_before_2026),
        splits::table(anns, &report.protocol, report.with_score_before_2026),
        similarities::table(anns, report.sweep.simulated),
        compare::of_networks(&report.comparisons, caveats),
        compare::of_linear(
            &report.network_against_linear,
            &report.protocol.split,
            caveats,
        ),
    ];
    let with = |caveat: &str, mut table: Table| {
        table.note.push_str(caveat);
        table
    };
    let [one, all] = [&caveats.of_one_split(), caveats.of_any_split()];
    let mut tables: Vec<Table> = of_one_split.map(|table| with(one, table)).into();
    // They belong with the first two.
    tables.splice(2..2, of_all_splits.map(|table| with(all, table)));
    tables.retain(|table| !table.rows.is_empty());
    tables
}
