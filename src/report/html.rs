//! HTML: the report as one page that loads nothing. Names come from users: the template escapes all
//! but the figures, which are SVG of our own.

use super::figures::Figure;
use super::gather::{Protocol, Report};
use super::tables::Table;
use crate::output;
use minijinja::{Environment, context};
use serde::Serialize;

const TEMPLATE: &str = include_str!("page.html");

#[derive(Serialize)]
struct ShownFigure<'a> {
    name: &'a str,
    title: &'a str,
    caption: &'a str,
    svg: &'a str,
}

#[derive(Serialize)]
struct ShownTable {
    name: &'static str,
    title: &'static str,
    note: &'static str,
    header: Vec<(&'static str, bool)>,
    rows: Vec<Vec<String>>,
}

/// The page.
pub(super) fn page(report: &Report, figures: &[Figure], tables: &[Table]) -> String {
    let figures = figures.iter().map(|figure| ShownFigure {
        name: &figure.name,
        title: &figure.title,
        caption: &figure.caption,
        svg: &figure.svg,
    });
    let tables = tables.iter().map(|table| ShownTable {
        name: table.name,
        title: table.title,
        note: table.note,
        header: table.header(),
        rows: table.rows(),
    });
    let mut page = Environment::new();
    page.set_auto_escape_callback(|_| minijinja::AutoEscape::Html);
    page.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    page.render_str(
        TEMPLATE,
        context! {
            report,
            progress => report.progress(),
            is_partial => report.is_partial(),
            any_random => report.networks.iter().any(|network| network.random_weights),
            labels => report.networks.iter().map(|network| network.label()).collect::<Vec<_>>(),
            protocol => protocol(&report.protocol),
            figures => figures.collect::<Vec<_>>(),
            tables => tables.collect::<Vec<_>>(),
        },
    )
    .expect("the template and what it is given fit")
}

/// What all trials share, and the grid, as people read it.
fn protocol(protocol: &Protocol) -> Vec<(&'static str, String)> {
    let Protocol {
        recordings_digest,
        split,
        training,
        l1,
        l2,
        depth,
        learning_rate,
        weight_decay,
        dropout,
        seed,
        cache_dtype,
    } = protocol;
    let stratified = match split.stratify.as_str() {
        "" => "not stratified".to_owned(),
        column => format!("stratified by {column}"),
    };
    let patience = match training.patience {
        0 => "to the last epoch".to_owned(),
        epochs => format!("until the validation loss has not fallen for {epochs} epochs"),
    };
    let numbers = |values: &[f64]| list(values.iter().map(|value| output::number(Some(*value))));
    vec![
        ("Recordings' digest", recordings_digest.clone()),
        (
            "Split",
            format!(
                "{}: {} of the stimuli to train, {} to validate, {} to test; {stratified}; seed {}",
                split.scheme, split.train, split.validation, split.test, split.seed
            ),
        ),
        (
            "Training",
            format!(
                "Adam, batches of {}, at most {} epochs, {patience}, weights of the best epoch kept",
                training.batch_size, training.max_epochs
            ),
        ),
        ("Inputs", training.inputs.clone()),
        ("Targets", training.targets.clone()),
        ("NRP-L1", list(l1)),
        ("NRP-L2", list(l2)),
        ("Depths", list(depth)),
        ("Learning rates", numbers(learning_rate)),
        ("Weight decays", numbers(weight_decay)),
        ("Dropouts", numbers(dropout)),
        ("Seeds", list(seed)),
        ("Activations stored as", list(cache_dtype)),
    ]
}

fn list(values: impl IntoIterator<Item = impl ToString>) -> String {
    let values: Vec<String> = values.into_iter().map(|value| value.to_string()).collect();
    match values.is_empty() {
        true => "–".to_owned(),
        false => values.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_users_name_is_text() {
        let mut report = Report::default();
        report.sweep.name = "<script>alert('1')</script>".to_owned();
        report.protocol.split.stratify = "</dd><img src=x>".to_owned();
        let page = page(&report, &[], &[]);
        assert!(
            !page.contains("<script") && !page.contains("<img"),
            "{page}"
        );
        assert!(page.contains("<h1>&lt;script&gt;"), "{page}");
    }
}
