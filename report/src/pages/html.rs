//! HTML: the report as one page that loads nothing. Names come from users, so the template escapes
//! everything but the figures, which are our own SVG.

use super::protocol;
use super::table::Table;
use crate::figures::Figure;
use crate::model::{AnnResult, Report};
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
struct ShownTable<'a> {
    name: &'static str,
    title: &'static str,
    note: &'a str,
    left_out: String,
    header: Vec<(&'a str, bool)>,
    rows: Vec<Vec<String>>,
}

/// The page, with `figures` and their SVGs in place.
pub(crate) fn page(report: &Report, figures: &[(Figure, String)], tables: &[Table]) -> String {
    let figures = figures.iter().map(|(figure, svg)| ShownFigure {
        name: &figure.name,
        title: &figure.title,
        caption: &figure.caption,
        svg,
    });
    let tables = tables.iter().map(|table| ShownTable {
        name: table.name,
        title: table.title,
        note: &table.note,
        left_out: table.left_out(),
        header: table.header(),
        rows: table.shown(),
    });
    let mut page = Environment::new();
    page.set_auto_escape_callback(|_| minijinja::AutoEscape::Html);
    page.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
    page.render_str(
        TEMPLATE,
        context! {
            report,
            progress => report.sweep.progress(),
            is_partial => report.sweep.is_partial(),
            any_random => report.networks.iter().any(|ann| ann.random_weights),
            validation_is_test => report.protocol.validation_is_test,
            undeclared => report.networks.undeclared().map(AnnResult::label).collect::<Vec<_>>(),
            labels => report.networks.labels(),
            protocol => protocol::shown(&report.protocol),
            figures => figures.collect::<Vec<_>>(),
            tables => tables.collect::<Vec<_>>(),
        },
    )
    .expect("the template fits its context")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_from_users_are_escaped() {
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
