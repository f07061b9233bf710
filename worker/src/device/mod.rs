//! Devices: what `--device` names, which of them this build and this machine have, how they are
//! opened, and how much memory they have. No model code in here.
//!
//! This room alone looks at the machine and its environment: it reads `CUDA_VISIBLE_DEVICES` and runs
//! `nvidia-smi` once per process.
//!
//! - `name`: the words
//! - `list`: which devices there are
//! - `backend`: from a word to burn's device
//! - `open`: finding and opening the device that a word names
//! - `memory`: how much memory batches and training may take

mod backend;
mod error;
mod list;
mod memory;
mod name;
mod open;

pub(crate) use backend::{is_cpu, is_flex};
pub use error::DeviceError;
pub use list::{Offer, offers};
pub(crate) use memory::{batch_bytes, free_bytes, host_free_bytes};
pub use name::AUTO;
#[cfg(test)]
pub(crate) use open::of_tests;
pub use open::{open, resolve};
