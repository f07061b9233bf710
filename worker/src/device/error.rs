//! Why a device cannot be used.

use super::list::here;
use miette::Diagnostic;
use nrp_proto::near_miss;
use thiserror::Error;

/// Why a device name was refused.
#[derive(Debug, Error, Diagnostic)]
pub enum DeviceError {
    /// The word is not the name of a device.
    #[error("unknown device `{name}`")]
    #[diagnostic(help("{}devices here: {}", meant(name), here().join(", ")))]
    Unknown {
        /// What the user wrote.
        name: String,
    },
    /// The device exists, but this binary was built without it.
    #[error("device `{name}` is not in this build")]
    #[diagnostic(help(
        "build with `cargo build --release --features {feature}`; devices here: {}",
        here().join(", ")
    ))]
    NotBuilt {
        /// What the user wrote.
        name: String,
        /// The Cargo feature that brings it.
        feature: &'static str,
    },
    /// The machine has no such device, or its library sees none.
    #[error("device `{name}` is not on this machine")]
    #[diagnostic(help(
        "devices here: {}; a GPU needs its driver, and `tch:cuda:N` a LibTorch built with CUDA",
        here().join(", ")
    ))]
    Absent {
        /// What the user wrote.
        name: String,
    },
    /// The device is in this build, but does not work.
    #[error("device `{name}` cannot be used: {why}")]
    #[diagnostic(help(
        "check its driver and libraries, or choose another device; devices here: {}",
        here().join(", ")
    ))]
    Unusable {
        /// What the user wrote.
        name: String,
        /// What its library said.
        why: String,
    },
}

/// Asks whether the nearest of the devices here was meant.
fn meant(word: &str) -> String {
    let here = here();
    let near = near_miss(word, here.iter().map(String::as_str));
    near.map_or_else(String::new, |near| format!("did you mean `{near}`? "))
}
