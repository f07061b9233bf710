//! The document: puts a report together from its parts, once, and says what is shown and written of it.

use crate::advice;
use crate::compute::{self, compare, curves, sites, time};
use crate::draw::canvas::Painter;
use crate::figures::{self, Figure};
use crate::fold::Fold;
use crate::model::Report;
use crate::pages::table::Table;
use crate::pages::{absent, html, tables};
use crate::row::Row;
use nrp_proto::plain;

/// A file of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// The file's name, without a directory.
    pub name: String,
    /// The file's content.
    pub bytes: Vec<u8>,
}

impl Report {
    /// The report on the trials that `fold` has taken in.
    pub fn new(fold: Fold) -> Self {
        let Fold {
            sweep,
            mut protocol,
            mut networks,
            spec,
            ..
        } = fold;
        compute::conclude(&mut networks, &spec.sites);
        compute::conclude_protocol(&mut protocol, &networks);
        let mut report = Self {
            nrp_version: env!("CARGO_PKG_VERSION"),
            written_at: None,
            with_score_before_2026: false,
            curves: curves::all(&networks),
            sites: sites::all(&networks, &spec.sites),
            over_time: time::regions(&spec.sites),
            comparisons: compare::networks(&networks),
            network_against_linear: compare::with_linear(&networks),
            advice: Vec::new(),
            not_in_this_report: Vec::new(),
            sweep,
            protocol,
            networks,
        };
        if !report.sweep.is_partial() {
            let bests = report.networks.bests();
            let winners: Vec<Row> = bests.map(|best| best.row.clone()).collect();
            report.advice = advice::all(&spec, &winners);
        }
        let figures = report.figures();
        report.not_in_this_report = absent::all(&report, |name| {
            figures.iter().any(|figure| figure.name.starts_with(name))
        });
        report
    }

    /// The figures for which the sweep has the scores. None is drawn before [`Figure::svg`] is called.
    pub fn figures(&self) -> Vec<Figure> {
        figures::all(self)
    }

    /// The tables that have a row.
    pub fn tables(&self) -> Vec<Table> {
        tables::all(self)
    }

    /// The report as JSON: the serialised model.
    pub fn json(&self) -> String {
        let json = serde_json::to_string_pretty(self).expect("strings, lists and finite numbers");
        plain::lines(&json).into_owned()
    }

    /// The files of the report, the page first: `report.html`, `report.json`, a CSV for each table, an SVG
    /// and a PNG for each figure. Each PNG is made when its turn comes.
    pub fn files(&self) -> impl Iterator<Item = File> + use<> {
        let figures = self.figures().into_iter();
        let figures: Vec<(Figure, String)> = figures
            .map(|figure| {
                let svg = figure.svg();
                (figure, svg)
            })
            .collect();
        let tables = self.tables();
        let page = html::page(self, &figures, &tables);
        let page = plain::lines(&page).into_owned();
        let texts = [("report.html", page), ("report.json", self.json())];
        let texts = texts.map(|(name, text)| File {
            name: name.to_owned(),
            bytes: text.into_bytes(),
        });
        let tables = tables.into_iter().map(|table| File {
            name: format!("{}.csv", table.name),
            bytes: table.csv(),
        });
        let painter = Painter::default();
        let figures = figures.into_iter().flat_map(move |(figure, svg)| {
            let png = File {
                name: format!("{}.png", figure.name),
                bytes: painter.png(&svg),
            };
            let svg = File {
                name: format!("{}.svg", figure.name),
                bytes: svg.into_bytes(),
            };
            [svg, png]
        });
        texts.into_iter().chain(tables).chain(figures)
    }
}
