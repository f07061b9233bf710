//! Which devices this build has and this machine offers.

use super::name::{KINDS, Name};
#[cfg(any(feature = "tch", feature = "wgpu", feature = "cuda"))]
use burn::tensor::Device;
#[cfg(feature = "wgpu")]
use burn::tensor::DeviceKind;
#[cfg(any(feature = "tch", feature = "wgpu", feature = "cuda"))]
use burn::tensor::DeviceType;
#[cfg(any(feature = "tch", feature = "wgpu", feature = "cuda"))]
use nrp_proto::panics::caught_everywhere;
use std::mem::discriminant;
use std::sync::OnceLock;

/// A device, and whether it can be used here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Its name, as `--device` takes it.
    pub device: String,
    /// The Cargo feature that brings it.
    pub feature: &'static str,
    /// Whether this binary was built with that feature.
    pub is_built: bool,
    /// Whether this machine has it.
    pub is_here: bool,
}

/// The devices that are here, the best first, then one of each kind that is not.
pub fn offers() -> Vec<Offer> {
    let offer = |name: &Name, is_here| Offer {
        device: name.to_string(),
        feature: name.feature(),
        is_built: name.is_built(),
        is_here,
    };
    let here = names().iter().map(|name| offer(name, true));
    let is_missing = |kind: &&Name| {
        !names()
            .iter()
            .any(|name| discriminant(name) == discriminant(*kind))
    };
    let missing = KINDS.iter().filter(is_missing);
    here.chain(missing.map(|kind| offer(kind, false))).collect()
}

/// The names of the devices that this build has and this machine offers.
pub(super) fn here() -> Vec<String> {
    names().iter().map(Name::to_string).collect()
}

/// The devices that this build has and this machine offers, the best first.
pub(super) fn names() -> &'static [Name] {
    static NAMES: OnceLock<Vec<Name>> = OnceLock::new();
    NAMES.get_or_init(|| {
        let mut names = gpus();
        names.extend(cfg!(feature = "flex").then_some(Name::Flex));
        names.extend(cfg!(feature = "tch").then_some(Name::TchCpu));
        // A driver that computes on the CPU is for trying things out: it is slow, so it comes last.
        names.extend((software_wgpu() && !names.contains(&Name::Wgpu)).then_some(Name::Wgpu));
        names
    })
}

/// The GPUs that the libraries of this build see, those of the fastest library first. A library that
/// fails counts as seeing none.
fn gpus() -> Vec<Name> {
    #[allow(unused_mut)]
    let mut names = Vec::new();
    #[cfg(any(feature = "tch", feature = "cuda"))]
    let seen = |kind| caught_everywhere(|| Device::enumerate(kind).len()).unwrap_or(0);
    #[cfg(feature = "tch")]
    names.extend((0..seen(DeviceType::LibTorch)).map(Name::TchCuda));
    #[cfg(feature = "cuda")]
    names.extend((0..seen(DeviceType::Cuda)).map(Name::Cuda));
    #[cfg(feature = "wgpu")]
    names.extend(
        wgpu()
            .into_iter()
            .any(|is_gpu| is_gpu)
            .then_some(Name::Wgpu),
    );
    names
}

/// Whether Vulkan or Metal is here, though without a GPU.
fn software_wgpu() -> bool {
    #[cfg(feature = "wgpu")]
    return !wgpu().is_empty();
    #[cfg(not(feature = "wgpu"))]
    return false;
}

/// For each device of Vulkan or Metal, whether it is a GPU.
#[cfg(feature = "wgpu")]
fn wgpu() -> Vec<bool> {
    let software = Device::wgpu(DeviceKind::Cpu);
    let seen = caught_everywhere(|| {
        Device::enumerate(DeviceType::Wgpu)
            .into_iter()
            .collect::<Vec<_>>()
    });
    let seen = seen.unwrap_or_default().into_iter();
    seen.map(|device| device != software).collect()
}
