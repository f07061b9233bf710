//! The coordinator: which trial runs where, and with what outcome. No machine learning in here.
//!
//! `scheduler` decides, `store` remembers, `service` talks, and `driver` ties them together: record, sync,
//! act. Without the feature `service`, only the scheduler is built.

pub mod scheduler;

#[cfg(feature = "service")]
mod coordinator;
#[cfg(feature = "service")]
mod counts;
#[cfg(feature = "service")]
mod driver;
#[cfg(feature = "service")]
mod expand;
#[cfg(feature = "service")]
mod listener;
#[cfg(feature = "service")]
mod metrics;
#[cfg(feature = "service")]
mod service;
#[cfg(all(test, feature = "service"))]
mod simulation;
#[cfg(feature = "service")]
mod store;
#[cfg(feature = "service")]
mod upkeep;

#[cfg(feature = "service")]
pub use coordinator::{Config, Coordinator, CoordinatorError};
#[cfg(feature = "service")]
pub use listener::{Guarded, Limits, Listener};
#[cfg(feature = "service")]
pub use metrics::MetricsReader;
#[cfg(feature = "service")]
pub use store::{
    Backup, Compacted, Damage, Finding, IndexError, StoreError, Verified, backup, rebuild_index,
    verify,
};
#[cfg(feature = "service")]
pub use upkeep::{Counts, LostOutcome, Repaired, Stats, SweepStats, compact, repair, stats};
