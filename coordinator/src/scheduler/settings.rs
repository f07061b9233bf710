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

/// Most other groups whose layers a job extracts as well.
pub const ALONG_MAX: usize = 64;

/// How long a worker idles because other workers hold the activations of all waiting trials. It is about
/// the time that a small ANN needs for some hundred stimuli on a CPU: waiting for as long as extraction
/// takes at most doubles its cost, whatever the holder does.
pub const STEAL_AFTER_MS: u64 = 10_000;

/// Most sweeps, in the order of their turns, that are looked at for a worker that asks.
pub const TURNS_LOOKED: usize = 16;

/// Most groups of a sweep, of those that others hold, that are looked at for a worker that asks, and
/// most of their holders.
pub const HELD_LOOKED: usize = 16;

/// A lease is copied once it is this many times older than the mean duration of comparable trials.
pub const COPY_FACTOR: u64 = 2;

/// How old a lease is before it is copied while no trial at all has finished.
pub const COPY_UNKNOWN_MS: u64 = 30 * 60 * 1_000;

/// Most leases, the oldest first, that are looked at for one that is worth copying.
pub const COPIES_LOOKED: usize = 32;

/// How often silent workers are looked for.
pub const CENSUS_MS: u64 = 1_000;

/// How many of the latest leases are remembered, to check outcomes that come late.
pub const LEASES_REMEMBERED: usize = 65_536;

/// Most workers remembered; idle ones are forgotten first.
pub const WORKERS_MAX: usize = 10_000;

/// How long a group is not offered to a worker that could not run its job, the first time; doubled each
/// further time, up to about an hour.
pub const HINDERED_MS: u64 = 60_000;

/// How long a worker pauses when its machine may be at fault, the first time; doubled each further time
/// without an outcome in between, up to about four minutes.
pub const UNFIT_MS: u64 = 2_000;

/// How long after a start nothing is parked: known workers must have the time to register.
pub const SETTLE_MS: u64 = 10_000;

/// Most hindered groups of a sweep that are examined for its status.
pub const HINDERED_LOOKED: usize = 1_000;

/// Most reasons that are kept of a parked group, and shown of a sweep.
pub const REASONS_MAX: usize = 16;

/// Most workers that are shown with a reason.
pub const HINDERED_WORKERS_SHOWN: usize = 8;

/// Most trials without an outcome over all sweeps, by default. Each takes about 300 bytes, whether it
/// waits, runs or was cancelled.
pub const OPEN_TRIALS_MAX: u64 = 4_000_000;

/// Settings of a scheduler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How long a lease lives without a heartbeat.
    pub lease_ms: u64,
    /// How old a lease is, at least, before an idle worker gets a copy of it.
    pub copy_after_ms: u64,
    /// Most trials without an outcome over all sweeps; a sweep that would exceed it is refused.
    pub open_trials_max: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            lease_ms: 30_000,
            copy_after_ms: 30_000,
            open_trials_max: OPEN_TRIALS_MAX,
        }
    }
}

/// Wait after the `failed`th failed attempt.
pub(super) fn backoff_ms(failed: u32) -> u64 {
    BACKOFF_MS << failed.saturating_sub(1).min(16)
}

/// How long a group is not offered to a worker that is hindered in it.
pub(super) fn hindered_ms(times: u32) -> u64 {
    HINDERED_MS << times.saturating_sub(1).min(6)
}

/// How long a worker pauses when its machine may be at fault.
pub(super) fn unfit_ms(times: u32) -> u64 {
    UNFIT_MS << times.saturating_sub(1).min(7)
}
