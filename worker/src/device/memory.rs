//! How much memory batches of stimuli and training may take on a device.

use super::backend::{self, is_cpu};
use super::list::names;
use super::name::Name;
use burn::tensor::Device;
use std::process::Command;
use std::sync::OnceLock;

/// The part of a machine's memory that a batch of stimuli may take.
const BATCH_SHARE: usize = 16;
/// Beyond this, larger batches gain nothing.
const BATCH_BYTES_MAX: usize = 1 << 30;
/// Bytes that a batch may take on a GPU; burn does not report its memory.
const GPU_BATCH_BYTES: usize = 2 << 30;

/// Bytes that training may take on a GPU whose memory `nvidia-smi` does not report.
const GPU_TRAINING_BYTES: u64 = 8 << 30;
/// The part of the free memory that training leaves free.
const MEMORY_LEFT: u64 = 8;

/// Bytes that a batch of stimuli may take on `device` while an ANN processes it. The same at every
/// call, because some devices round differently in batches of another size.
pub(crate) fn batch_bytes(device: &Device) -> usize {
    static OF_MACHINE: OnceLock<usize> = OnceLock::new();
    if !is_cpu(device) {
        return GPU_BATCH_BYTES;
    }
    *OF_MACHINE.get_or_init(|| {
        let mut system = sysinfo::System::new();
        system.refresh_memory();
        // A container's or batch system's limit counts, not the machine's memory.
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
            (backend::device(*name).as_ref() == Some(device)).then_some(*number)
        }
        Name::Flex | Name::TchCpu | Name::Wgpu => None,
    });
    let visible = std::env::var("CUDA_VISIBLE_DEVICES").ok();
    let free = number.and_then(|number| of_gpu(gpu_memories(), visible.as_deref(), number));
    free.map_or(GPU_TRAINING_BYTES, |free| free - free / MEMORY_LEFT)
}

/// Bytes of the host's memory that may still be taken.
pub(crate) fn host_free_bytes() -> u64 {
    let mut system = sysinfo::System::new();
    system.refresh_memory();
    let allowed = system.cgroup_limits();
    // The page cache of a container's files is evicted when needed; `free_memory` counts it as taken.
    let allowed = allowed.map(|limits| limits.total_memory.saturating_sub(limits.rss));
    let free = allowed.unwrap_or(u64::MAX).min(system.available_memory());
    free - free / MEMORY_LEFT
}

/// A GPU of this machine.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct GpuMemory {
    uuid: String,
    free_bytes: u64,
}

/// The memory that NVIDIA's GPUs had free when this process first asked. What its own libraries have
/// allocated since, they reuse.
pub(super) fn gpu_memories() -> &'static [GpuMemory] {
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
