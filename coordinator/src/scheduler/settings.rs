//! The core's numbers, each with its default: how long, how often, how many.

/// Failed attempts after which a trial is set aside.
pub const ATTEMPTS_MAX: u32 = 3;

/// Lost leases after which a trial is set aside: it may be what takes its workers down.
pub const LOSSES_MAX: u32 = 5;

/// Lost leases after which a trial is leased alone, so that it takes no others with it.
pub const LOSSES_ALONE: u32 = 2;

/// Wait before the second attempt; doubled for each further one.
pub const BACKOFF_MS: u64 = 2_000;

/// Most trials in one job, whatever a worker asks for.
pub const LANES_MAX: usize = 4_096;

/// Most groups whose layers a job carries along.
pub const ALONG_MAX: usize = 64;

/// Most workers remembered; idle ones are forgotten first.
pub const WORKERS_MAX: usize = 10_000;

/// How long things last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How long a lease lives without a heartbeat.
    pub lease_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { lease_ms: 30_000 }
    }
}

/// Wait after the `failed`th failed attempt.
pub(super) fn backoff_ms(failed: u32) -> u64 {
    BACKOFF_MS << failed.saturating_sub(1).min(16)
}
