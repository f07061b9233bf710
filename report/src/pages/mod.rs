//! Pages: what is written beside the figures: tables, the HTML page, and what is missing.

pub(crate) mod absent;
pub(crate) mod html;
mod protocol;
pub(crate) mod table;
pub(crate) mod tables;
