//! HTML: the report as one page that loads nothing. Names come from users: the template escapes all
//! but the figures, which are SVG of our own.

use super::figures::Figure;
use super::gather::Report;
use super::table::Table;
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
        note: &table.note,
        left_out: table.left_out(),
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
            validation_is_test => report.protocol.validation_is_test,
            undeclared => report.undeclared().map(|network| network.label()).collect::<Vec<_>>(),
            labels => report.labels(),
            protocol => report.protocol.shown(),
            figures => figures.collect::<Vec<_>>(),
            tables => tables.collect::<Vec<_>>(),
        },
    )
    .expect("the template and what it is given fit")
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
