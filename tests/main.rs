//! End to end: real processes of the real binary, killed and fed with what is broken.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod bad_input;
mod baselines;
mod cache;
mod cluster;
mod cut_off;
mod deploy;
mod devices;
mod docs;
mod early_stopping;
mod figures;
mod harness;
mod kill;
mod leave;
mod nightly;
mod onnx;
mod other_languages;
mod projection;
mod pruning;
mod questions;
mod report;
mod rounds;
mod run;
mod splits;
mod store;
mod truth;
