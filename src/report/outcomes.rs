//! Outcomes: from when a sweep's scores are.

use serde::Serialize;

/// When the coordinator took the sweep's scores, as `2026-11-30T08:00:00Z`.
#[derive(Debug, Default, Serialize)]
pub(super) struct Outcomes {
    /// Absent where no outcome says.
    pub(super) first_recorded_at: Option<String>,
    pub(super) last_recorded_at: Option<String>,
    /// Outcomes from before this was kept.
    pub(super) undated: u64,
}

impl Outcomes {
    /// Takes in when a trial's scores were taken, if that is known.
    pub(super) fn take(&mut self, recorded_at: Option<&String>) {
        let Some(at) = recorded_at else {
            self.undated += 1;
            return;
        };
        // Moments that are written so are in the order of their letters.
        let first = self.first_recorded_at.get_or_insert_with(|| at.clone());
        if at < first {
            first.clone_from(at);
        }
        let last = self.last_recorded_at.get_or_insert_with(|| at.clone());
        if at > last {
            last.clone_from(at);
        }
    }
}
