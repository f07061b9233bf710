//! How much memory this process had at most.

use miette::{IntoDiagnostic, WrapErr, miette};

/// Most bytes that lay in memory at once, as Linux counts them.
pub(crate) fn peak_bytes() -> miette::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status");
    let status = status.into_diagnostic().wrap_err("needs Linux's /proc")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kilobytes
        .map(|kilobytes| 1024 * kilobytes)
        .ok_or_else(|| miette!("/proc/self/status does not say VmHWM"))
}
