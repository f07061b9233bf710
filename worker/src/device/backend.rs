//! From a name to burn's device, and which of burn's devices are this machine's processor.

use super::name::Name;
use burn::tensor::Device;

/// burn's device of that name, `None` where this build has no such device.
pub(super) fn device(name: Name) -> Option<Device> {
    match name {
        #[cfg(feature = "flex")]
        Name::Flex => Some(Device::flex()),
        #[cfg(not(feature = "flex"))]
        Name::Flex => None,
        #[cfg(feature = "tch")]
        Name::TchCpu => {
            keep_freed_memory();
            Some(libtorch(None))
        }
        #[cfg(feature = "tch")]
        Name::TchCuda(index) => Some(libtorch(Some(index))),
        #[cfg(not(feature = "tch"))]
        Name::TchCpu | Name::TchCuda(_) => None,
        #[cfg(feature = "wgpu")]
        Name::Wgpu => Some(Device::wgpu(Default::default())),
        #[cfg(not(feature = "wgpu"))]
        Name::Wgpu => None,
        #[cfg(feature = "cuda")]
        Name::Cuda(index) => Some(Device::cuda(index)),
        #[cfg(not(feature = "cuda"))]
        Name::Cuda(_) => None,
    }
}

/// LibTorch on a GPU, or on the CPU.
#[cfg(feature = "tch")]
#[expect(
    deprecated,
    reason = "burn offers no successor that runs without a compiler on the machine"
)]
fn libtorch(gpu: Option<usize>) -> Device {
    gpu.map_or_else(Device::libtorch, Device::libtorch_cuda)
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

/// Makes the C library keep freed memory. LibTorch allocates tens of megabytes for every answer;
/// glibc would return them to the system each time, and clearing them again took a third of a
/// MobileNetV2's time.
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
