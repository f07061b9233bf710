//! Outcomes: when a sweep's scores were recorded.

use serde::Serialize;

/// When the coordinator recorded the sweep's scores, as `2026-11-30T08:00:00Z`.
#[derive(Debug, Default, Serialize)]
pub struct Outcomes {
    /// The earliest time; absent if no outcome has one.
    pub first_recorded_at: Option<String>,
    /// The latest time; absent if no outcome has one.
    pub last_recorded_at: Option<String>,
    /// Outcomes without a time: they were recorded by a version that kept none.
    pub undated: u64,
}

impl Outcomes {
    /// Takes in when a trial's scores were recorded, if that is known.
    pub(crate) fn take(&mut self, recorded_at: Option<&String>) {
        let Some(at) = recorded_at else {
            self.undated += 1;
            return;
        };
        // Times in this format sort as text.
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
