//! Time, at the edge: the only place in this crate that reads a clock.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// What time it is.
pub(crate) trait Clock: Send + Sync {
    /// Never goes back. Leases run on this.
    fn now_ms(&self) -> u64;

    /// Since 1970, as the machine believes. Only written down.
    fn wall_ms(&self) -> u64;
}

/// The machine's clocks.
pub(crate) struct SystemClock {
    start: Instant,
}

impl SystemClock {
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
        }
    }
}

impl Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        self.start.elapsed().as_millis() as u64
    }

    fn wall_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.map_or(0, |since| since.as_millis() as u64)
    }
}
