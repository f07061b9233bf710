//! Devices: turns the user's `--device` word into a burn device. No model code in here.

use burn::tensor::Device;
use miette::Diagnostic;
use thiserror::Error;

/// Why a device name was refused.
#[derive(Debug, Error, Diagnostic)]
pub enum DeviceError {
    /// The word names no device of this program.
    #[error("device `{name}` is not known")]
    #[diagnostic(help("devices of this build: {}", offered().join(", ")))]
    Unknown {
        /// What the user wrote.
        name: String,
    },
    /// The device exists, but this binary was built without it.
    #[error("device `{name}` is not in this build")]
    #[diagnostic(help(
        "build with `cargo build --release --features {feature}`; devices of this build: {}",
        offered().join(", ")
    ))]
    NotBuilt {
        /// What the user wrote.
        name: String,
        /// The Cargo feature that brings it.
        feature: &'static str,
    },
}

/// Every device word with the Cargo feature that brings it.
const DEVICES: [(&str, &str); 5] = [
    ("flex", "flex"),
    ("tch", "tch"),
    ("tch-cuda", "tch"),
    ("wgpu", "wgpu"),
    ("cuda", "cuda"),
];

/// The device words this binary understands.
pub fn offered() -> Vec<&'static str> {
    DEVICES
        .iter()
        .filter(|(_, feature)| built(feature))
        .map(|(name, _)| *name)
        .collect()
}

fn built(feature: &str) -> bool {
    match feature {
        "flex" => cfg!(feature = "flex"),
        "tch" => cfg!(feature = "tch"),
        "wgpu" => cfg!(feature = "wgpu"),
        "cuda" => cfg!(feature = "cuda"),
        other => unreachable!("no such feature: {other}"),
    }
}

/// Opens the device that `name` stands for: `flex`, `tch`, `tch-cuda`, `wgpu` or `cuda`.
///
/// # Errors
/// When the word is unknown, or the device is not in this build.
pub fn open(name: &str) -> Result<Device, DeviceError> {
    match name {
        #[cfg(feature = "flex")]
        "flex" => Ok(Device::flex()),
        #[cfg(feature = "tch")]
        "tch" => Ok(Device::libtorch()),
        #[cfg(feature = "tch")]
        "tch-cuda" => Ok(Device::libtorch_cuda(0)),
        #[cfg(feature = "wgpu")]
        "wgpu" => Ok(Device::wgpu(Default::default())),
        #[cfg(feature = "cuda")]
        "cuda" => Ok(Device::cuda(0)),
        other => match DEVICES.iter().find(|(known, _)| *known == other) {
            Some((_, feature)) => Err(DeviceError::NotBuilt {
                name: other.to_owned(),
                feature,
            }),
            None => Err(DeviceError::Unknown {
                name: other.to_owned(),
            }),
        },
    }
}
