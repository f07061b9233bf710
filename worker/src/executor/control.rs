//! The executor's caller, as the executor sees it.

use nrp_proto::wire::{Activity, Outcome};

/// Hears what becomes of a job's trials, and decides what goes on. Trials are named by their ids.
pub trait Control: Sync {
    /// The executor has begun something else, or got on with it.
    fn on_activity(&self, activity: Activity);
    /// Whether a trial goes on that has trained `epochs`, a rung of its job, to this validation loss.
    fn on_rung(&self, trial: &str, epochs: u32, validation_mse: f64) -> bool;
    /// A trial has its outcome.
    fn on_outcome(&self, trial: &str, outcome: Outcome);
    /// Whether to stop the whole job.
    fn stopped(&self) -> bool;
    /// Whether the trial's outcome is still needed.
    fn wanted(&self, trial: &str) -> bool;
}
