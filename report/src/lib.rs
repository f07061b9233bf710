//! Reports on sweeps: figures, tables and a page, from a stream of trial records. Knows no client, no
//! terminal and no directory, so that a dashboard or a notebook can use it as `nrp report` does.
//!
//! `model` ← `fold` ← `compute` ← `figures`, `pages` ← `document`: each room uses only rooms before it.
//! `draw` knows lines and points alone. `row`, `columns`, `setting`, `advice` and `text` also serve the
//! command's other tables: a trial's fields, in one order and with one set of labels.
//!
//! ```
//! use nrp_proto::state::TrialState;
//! use nrp_proto::wire::{AnnSpec, Scores, SweepSpec, SweepStatus, TrialRecord, TrialSpec};
//! use nrp_report::{Fold, Report};
//!
//! // A coordinator answers `Status` and `Describe` with these, and streams `Trials`.
//! let status = SweepStatus { name: "v4".to_owned(), ..SweepStatus::default() };
//! let trials = [("mobilenet", 0.23), ("xception", 0.25)].map(|(ann, nrp_error)| TrialRecord {
//!     id: ann.to_owned(),
//!     state: TrialState::Finished.to_wire(),
//!     spec: Some(TrialSpec {
//!         ann: Some(AnnSpec { name: ann.to_owned(), ..AnnSpec::default() }),
//!         region: "V4".to_owned(),
//!         ..TrialSpec::default()
//!     }),
//!     scores: Some(Scores { nrp_error, ..Scores::default() }),
//!     ..TrialRecord::default()
//! });
//!
//! let mut fold = Fold::new(status, SweepSpec::default());
//! for trial in &trials {
//!     fold.take(trial);
//! }
//! if fold.wants_seeds() {
//!     trials.iter().for_each(|trial| fold.take_seed(trial));
//! }
//! for trial in fold.wants_details() {
//!     // `fold.take_details(&trial, details)`, with what a coordinator answers to `Details`.
//! }
//! let report = Report::new(fold);
//!
//! // Figures are SVG strings.
//! let figures = report.figures();
//! let figure = figures.iter().find(|figure| figure.name == "figure-2a").unwrap();
//! assert!(figure.svg().starts_with("<svg"));
//!
//! // Tables are rows of named values.
//! let tables = report.tables();
//! let errors: Vec<_> = tables[0].column("nrp_error").collect();
//! assert_eq!(errors[0], &nrp_report::Value::Score(Some(0.23)));
//! ```

pub mod advice;
mod caveats;
pub mod columns;
pub mod commitment;
mod compute;
mod document;
mod draw;
mod figures;
mod fold;
pub mod model;
mod pages;
pub mod row;
pub mod setting;
#[cfg(test)]
mod tests;
pub mod text;

pub use document::File;
pub use draw::canvas::Painter;
pub use figures::Figure;
pub use fold::Fold;
pub use model::Report;
pub use pages::table::{Field, OnPage, Table, Value};
