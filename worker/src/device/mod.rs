//! Devices: turns the user's `--device` words into burn devices, and says which there are. No model
//! code in here.

#[cfg(feature = "wgpu")]
use burn::tensor::DeviceKind;
#[cfg(any(feature = "tch", feature = "wgpu", feature = "cuda"))]
use burn::tensor::DeviceType;
use burn::tensor::{Device, Tensor};
use miette::Diagnostic;
use nrp_proto::near_miss;
use nrp_proto::panics::caught_everywhere;
use std::fmt;
use std::mem::discriminant;
use std::process::Command;
use std::sync::OnceLock;
use thiserror::Error;

/// The word for the best device that there is.
pub const AUTO: &str = "auto";

/// Why a device name was refused.
#[derive(Debug, Error, Diagnostic)]
pub enum DeviceError {
    /// The word names no device of this program.
    #[error("device `{name}` is not known")]
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
        "devices here: {}; a GPU is seen where its driver is installed and, for `tch:cuda:N`, \
         LibTorch is one with CUDA",
        here().join(", ")
    ))]
    Absent {
        /// What the user wrote.
        name: String,
    },
    /// The device is in this build, but does not work.
    #[error("device `{name}` cannot be used: {why}")]
    #[diagnostic(help(
        "check its driver and libraries, or choose another; devices here: {}",
        here().join(", ")
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

/// What training may take on a GPU whose memory no tool tells.
const GPU_TRAINING_BYTES: u64 = 8 << 30;
/// The part of the free memory that training leaves.
const MEMORY_LEFT: u64 = 8;

/// The device of one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name {
    Flex,
    TchCpu,
    TchCuda(usize),
    Wgpu,
    Cuda(usize),
}

/// One of each kind.
const KINDS: [Name; 5] = [
    Name::Flex,
    Name::TchCpu,
    Name::TchCuda(0),
    Name::Wgpu,
    Name::Cuda(0),
];

/// A device that is here, or of which there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Its word.
    pub device: String,
    /// The Cargo feature that brings it.
    pub feature: &'static str,
    /// Whether this binary has that.
    pub is_built: bool,
    /// Whether it can be asked for.
    pub is_here: bool,
}

/// The devices that are here, the best first, and then one of each kind that is not.
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

/// The words of the devices that this build has and this machine offers.
fn here() -> Vec<String> {
    names().iter().map(Name::to_string).collect()
}

/// The devices that this build has and this machine offers, the best first.
fn names() -> &'static [Name] {
    static NAMES: OnceLock<Vec<Name>> = OnceLock::new();
    NAMES.get_or_init(|| {
        let mut names = gpus();
        names.extend(cfg!(feature = "flex").then_some(Name::Flex));
        names.extend(cfg!(feature = "tch").then_some(Name::TchCpu));
        // A driver that computes on the CPU is there to try things, not for speed.
        names.extend((software_wgpu() && !names.contains(&Name::Wgpu)).then_some(Name::Wgpu));
        names
    })
}

/// The words for `asked`, `auto` replaced by what it stands for.
///
/// # Errors
/// When one is unknown, not in this build or not on this machine.
pub fn resolve(asked: &[String]) -> Result<Vec<String>, DeviceError> {
    asked
        .iter()
        .map(|name| Ok(find(name)?.to_string()))
        .collect()
}

/// Opens the device that `name` stands for: `auto`, `flex`, `tch:cpu`, `tch:cuda:N`, `wgpu` or
/// `cuda:N`.
///
/// # Errors
/// When the word is unknown, or the device is not in this build, not here, or cannot be used.
pub fn open(name: &str) -> Result<Device, DeviceError> {
    let found = find(name)?;
    let unusable = |why| DeviceError::Unusable {
        name: found.to_string(),
        why,
    };
    // Before its library takes any.
    gpu_memories();
    // burn's backends panic over a device that is not there: better here than in a job.
    let (device, sum) = caught_everywhere(|| {
        let device = found.device().expect("is in this build");
        let sum = Tensor::<1>::ones([2], &device).sum();
        (device, sum.into_scalar::<f32>())
    })
    .map_err(unusable)?;
    match sum {
        2.0 => Ok(device),
        wrong => Err(unusable(format!("it says that 1 + 1 is {wrong}"))),
    }
}

/// The device that a word stands for; it is in this build and, as far as can be asked, here.
fn find(name: &str) -> Result<Name, DeviceError> {
    let found = match name {
        AUTO => names().first().copied(),
        word => Name::parse(word),
    };
    let name = name.to_owned();
    match found {
        None => Err(DeviceError::Unknown { name }),
        Some(found) if !found.is_built() => Err(DeviceError::NotBuilt {
            name,
            feature: found.feature(),
        }),
        Some(found) if names().contains(&found) => Ok(found),
        Some(_) => Err(DeviceError::Absent { name }),
    }
}

/// What of `here` a word was probably meant to be.
fn meant(word: &str) -> String {
    let here = here();
    let near = near_miss(word, here.iter().map(String::as_str));
    near.map_or_else(String::new, |near| format!("did you mean `{near}`? "))
}

impl Name {
    fn parse(word: &str) -> Option<Self> {
        let index = |text: &str| text.parse().ok();
        match word {
            "flex" => Some(Self::Flex),
            "tch:cpu" => Some(Self::TchCpu),
            "wgpu" => Some(Self::Wgpu),
            word => match word.strip_prefix("tch:cuda:") {
                Some(text) => index(text).map(Self::TchCuda),
                None => index(word.strip_prefix("cuda:")?).map(Self::Cuda),
            },
        }
    }

    fn feature(self) -> &'static str {
        match self {
            Self::Flex => "flex",
            Self::TchCpu | Self::TchCuda(_) => "tch",
            Self::Wgpu => "wgpu",
            Self::Cuda(_) => "cuda",
        }
    }

    fn is_built(self) -> bool {
        match self {
            Self::Flex => cfg!(feature = "flex"),
            Self::TchCpu | Self::TchCuda(_) => cfg!(feature = "tch"),
            Self::Wgpu => cfg!(feature = "wgpu"),
            Self::Cuda(_) => cfg!(feature = "cuda"),
        }
    }

    /// None where this build has no such device.
    fn device(self) -> Option<Device> {
        match self {
            #[cfg(feature = "flex")]
            Self::Flex => Some(Device::flex()),
            #[cfg(not(feature = "flex"))]
            Self::Flex => None,
            #[cfg(feature = "tch")]
            Self::TchCpu => {
                keep_freed_memory();
                Some(libtorch(None))
            }
            #[cfg(feature = "tch")]
            Self::TchCuda(index) => Some(libtorch(Some(index))),
            #[cfg(not(feature = "tch"))]
            Self::TchCpu | Self::TchCuda(_) => None,
            #[cfg(feature = "wgpu")]
            Self::Wgpu => Some(Device::wgpu(Default::default())),
            #[cfg(not(feature = "wgpu"))]
            Self::Wgpu => None,
            #[cfg(feature = "cuda")]
            Self::Cuda(index) => Some(Device::cuda(index)),
            #[cfg(not(feature = "cuda"))]
            Self::Cuda(_) => None,
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flex => f.write_str("flex"),
            Self::TchCpu => f.write_str("tch:cpu"),
            Self::TchCuda(index) => write!(f, "tch:cuda:{index}"),
            Self::Wgpu => f.write_str("wgpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

/// LibTorch on a GPU, or on the CPU.
#[cfg(feature = "tch")]
#[expect(
    deprecated,
    reason = "burn offers no successor that runs without a compiler at hand"
)]
fn libtorch(gpu: Option<usize>) -> Device {
    gpu.map_or_else(Device::libtorch, Device::libtorch_cuda)
}

/// The GPUs that the libraries of this build see, those of the fastest library first. A library
/// that fails to say sees none.
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

/// The device that tests train on: the one that `NRP_TEST_DEVICE` names, else flex.
#[cfg(test)]
pub(crate) fn of_tests() -> Device {
    let name = std::env::var("NRP_TEST_DEVICE");
    open(name.as_deref().unwrap_or("flex")).expect("a device that is here")
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
    if *device == libtorch(None) {
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

/// Bytes that training may take on `device` now.
pub(crate) fn free_bytes(device: &Device) -> u64 {
    if is_cpu(device) {
        return host_free_bytes();
    }
    let number = names().iter().find_map(|name| match name {
        Name::TchCuda(number) | Name::Cuda(number) => {
            (name.device().as_ref() == Some(device)).then_some(*number)
        }
        _ => None,
    });
    let visible = std::env::var("CUDA_VISIBLE_DEVICES").ok();
    let free = number.and_then(|number| of_gpu(gpu_memories(), visible.as_deref(), number));
    free.map_or(GPU_TRAINING_BYTES, |free| free - free / MEMORY_LEFT)
}

/// Bytes of the host's memory that may be filled.
pub(crate) fn host_free_bytes() -> u64 {
    let mut system = sysinfo::System::new();
    system.refresh_memory();
    let allowed = system.cgroup_limits();
    // What a container's files fill of its memory makes way; `free_memory` counts it as taken.
    let allowed = allowed.map(|limits| limits.total_memory.saturating_sub(limits.rss));
    let free = allowed.unwrap_or(u64::MAX).min(system.available_memory());
    free - free / MEMORY_LEFT
}

/// A GPU of this machine.
#[derive(Debug, PartialEq, Eq)]
struct GpuMemory {
    uuid: String,
    free_bytes: u64,
}

/// The memory that NVIDIA's GPUs had free when this process first asked. What its own libraries
/// have taken since, they use again.
fn gpu_memories() -> &'static [GpuMemory] {
    static MEMORIES: OnceLock<Vec<GpuMemory>> = OnceLock::new();
    MEMORIES.get_or_init(|| {
        if !cfg!(any(feature = "tch", feature = "cuda")) {
            return Vec::new();
        }
        let asked = Command::new("nvidia-smi")
            .args(["--query-gpu=uuid,memory.free", "--format=csv,noheader"])
            .output();
        let told = asked.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        told.map_or_else(
            |_| Vec::new(),
            |told| told.lines().filter_map(gpu).collect(),
        )
    })
}

/// A line of `nvidia-smi`: `GPU-5f2c…, 80994 MiB`.
fn gpu(line: &str) -> Option<GpuMemory> {
    let (uuid, free) = line.split_once(',')?;
    let mebibytes: u64 = free.trim().strip_suffix("MiB")?.trim().parse().ok()?;
    Some(GpuMemory {
        uuid: uuid.trim().to_owned(),
        free_bytes: mebibytes << 20,
    })
}

/// Free bytes of the GPU that CUDA calls `number` where `CUDA_VISIBLE_DEVICES` is `visible`: numbers
/// or beginnings of UUIDs.
fn of_gpu(gpus: &[GpuMemory], visible: Option<&str>, number: usize) -> Option<u64> {
    let found = match visible {
        None => gpus.get(number),
        Some(visible) => {
            let word = visible.split(',').nth(number)?.trim();
            match word.parse() {
                Ok(number) => gpus.get::<usize>(number),
                Err(_) => gpus.iter().find(|gpu| gpu.uuid.starts_with(word)),
            }
        }
    };
    found.map(|gpu| gpu.free_bytes)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_of_this_build_opens_and_auto_takes_the_best() {
        open("flex").expect("is here");
        open(AUTO).expect("something is here");
        let asked = [AUTO, "flex"].map(str::to_owned);
        assert_eq!(resolve(&asked).expect("are here"), [&here()[0], "flex"]);
        let offers = offers();
        assert!(offers[0].is_here && offers[0].device == here()[0]);
        assert!(offers.len() >= KINDS.len(), "{offers:?}");
    }

    #[test]
    fn a_word_is_what_it_names() {
        for word in ["flex", "tch:cpu", "tch:cuda:3", "wgpu", "cuda:0"] {
            assert_eq!(Name::parse(word).expect("a device").to_string(), word);
        }
        for word in [
            "",
            "gpu",
            "tch",
            "tch:cuda",
            "tch:cuda:",
            "cuda:-1",
            "cuda:0:1",
        ] {
            assert_eq!(Name::parse(word), None, "{word}");
        }
    }

    #[test]
    fn a_gpus_memory_is_that_of_the_one_that_cuda_numbers_so() {
        let told = "GPU-5f2c1e00-aa, 80994 MiB\nGPU-77b0, 512 MiB\nGPU-12, [N/A]\nno devices";
        let gpus: Vec<GpuMemory> = told.lines().filter_map(gpu).collect();
        assert_eq!(gpus.len(), 2, "{gpus:?}");
        let large = Some(80_994 << 20);
        let small = Some(512 << 20);
        assert_eq!(of_gpu(&gpus, None, 0), large);
        assert_eq!(of_gpu(&gpus, None, 2), None);
        assert_eq!(of_gpu(&gpus, Some("1,0"), 0), small);
        assert_eq!(of_gpu(&gpus, Some("1,0"), 1), large);
        assert_eq!(of_gpu(&gpus, Some("GPU-5f2c"), 0), large);
        assert_eq!(of_gpu(&gpus, Some("1"), 1), None);
    }

    #[test]
    fn what_cannot_be_opened_says_why() {
        let refusal = |name| open(name).expect_err("refused");
        assert_eq!(refusal("gpu").to_string(), "device `gpu` is not known");
        let help = refusal("felx").help().expect("what to do").to_string();
        assert!(
            help.starts_with("did you mean `flex`? devices here: "),
            "{help}"
        );
        let absent = refusal("tch:cuda:99").to_string();
        match cfg!(feature = "tch") {
            true => assert_eq!(absent, "device `tch:cuda:99` is not on this machine"),
            false => assert_eq!(absent, "device `tch:cuda:99` is not in this build"),
        }
    }
}
