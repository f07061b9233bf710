//! Devices: turns the user's `--device` word into a burn device. No model code in here.

use burn::tensor::{Device, Tensor};
use miette::Diagnostic;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
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
    /// The device is in this build, but not on this machine, or does not work.
    #[error("device `{name}` cannot be used: {why}")]
    #[diagnostic(help(
        "check its driver and libraries, or choose another; devices of this build: {}",
        offered().join(", ")
    ))]
    Unusable {
        /// What the user wrote.
        name: String,
        /// What its library said.
        why: String,
    },
}

/// The part of a machine's memory that a batch of stimuli may take.
const BATCH_SHARE: usize = 16;
/// Beyond this, larger batches gain nothing.
const BATCH_BYTES_MAX: usize = 1 << 30;
/// What a batch may take on a GPU, whose memory burn does not tell.
const GPU_BATCH_BYTES: usize = 2 << 30;

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
/// When the word is unknown, or the device is not in this build or cannot be used.
pub fn open(name: &str) -> Result<Device, DeviceError> {
    let device = named(name)?;
    // burn's backends panic over a device that is not there: better here than in a job.
    let sum = quietly(|| Tensor::<1>::ones([2], &device).sum().into_scalar::<f32>());
    match sum {
        Ok(2.0) => Ok(device),
        Ok(wrong) => Err(DeviceError::Unusable {
            name: name.to_owned(),
            why: format!("it says that 1 + 1 is {wrong}"),
        }),
        Err(why) => Err(DeviceError::Unusable {
            name: name.to_owned(),
            why,
        }),
    }
}

/// Whether `device` is flex: the CPU without a library of its own.
pub(crate) fn is_flex(device: &Device) -> bool {
    #[cfg(feature = "flex")]
    return *device == Device::flex();
    #[cfg(not(feature = "flex"))]
    return false;
}

/// Whether `device` computes on this machine's processor.
pub(crate) fn is_cpu(device: &Device) -> bool {
    #[cfg(feature = "tch")]
    if *device == Device::libtorch() {
        return true;
    }
    is_flex(device)
}

/// Bytes that a batch of stimuli may take on `device` while an ANN sees it. The same at every call,
/// since some devices round otherwise in batches of another size.
pub(crate) fn batch_bytes(device: &Device) -> usize {
    static OF_MACHINE: OnceLock<usize> = OnceLock::new();
    if !is_cpu(device) {
        return GPU_BATCH_BYTES;
    }
    *OF_MACHINE.get_or_init(|| {
        let mut system = sysinfo::System::new();
        system.refresh_memory();
        // What a container or a batch system allows counts, not what the machine has.
        let allowed = system.cgroup_limits().map(|limits| limits.total_memory);
        let total = allowed.unwrap_or(u64::MAX).min(system.total_memory());
        let share = usize::try_from(total).unwrap_or(usize::MAX) / BATCH_SHARE;
        share.min(BATCH_BYTES_MAX)
    })
}

/// Runs `work`, and turns a panic into the first line of what it said.
fn quietly<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let worked = catch_unwind(AssertUnwindSafe(work));
    std::panic::set_hook(hook);
    worked.map_err(|panic| {
        let said = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("it panicked");
        // Libraries put their own stack behind what they say, sometimes as escaped text.
        let line = said.lines().next().unwrap_or(said);
        line.split("\\n").next().unwrap_or(line).to_owned()
    })
}

/// Has the C library keep what is freed. LibTorch takes new memory for every answer, tens of
/// megabytes that glibc would otherwise give back to the system, whose clearing of it again took a
/// third of a MobileNetV2's time.
#[cfg(feature = "tch")]
fn keep_freed_memory() {
    /// Freed bytes in a row beyond which they are given back.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    const KEPT_BYTES: i32 = 1 << 30;
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[allow(unsafe_code)]
    // SAFETY: sets two numbers of the allocator, under its own lock; any process may at any time.
    unsafe {
        libc::mallopt(libc::M_MMAP_MAX, 0);
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT_BYTES);
    }
}

fn named(name: &str) -> Result<Device, DeviceError> {
    match name {
        #[cfg(feature = "flex")]
        "flex" => Ok(Device::flex()),
        #[cfg(feature = "tch")]
        "tch" => {
            keep_freed_memory();
            Ok(Device::libtorch())
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_of_this_build_opens() {
        open("flex").expect("is here");
    }

    #[test]
    fn what_cannot_be_opened_says_why() {
        let refusal = |name| open(name).expect_err("refused").to_string();
        assert_eq!(refusal("gpu"), "device `gpu` is not known");
        if !cfg!(feature = "cuda") {
            assert_eq!(refusal("cuda"), "device `cuda` is not in this build");
        }
        let why = quietly(|| panic!("no driver\\nframe 1\nframe 2")).expect_err("it panics");
        assert_eq!(why, "no driver");
    }
}
