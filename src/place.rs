//! Places: where results and activations are kept by default.

use std::path::{Path, PathBuf};

/// Default of `--state`.
pub(crate) const STATE_DIR: &str = ".nrp/state";
/// Default of `--cache`.
pub(crate) const CACHE_DIR: &str = ".nrp/cache";
/// Default of `nrp coordinator --listen`, and where clients and workers look for it.
pub(crate) const ADDRESS: &str = "127.0.0.1:7321";

/// Which results a command is about; the same rule for every command.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Results {
    /// Ask the coordinator at HOST:PORT
    #[arg(long, value_name = "HOST:PORT", env = "NRP_COORDINATOR")]
    pub(crate) coordinator: Option<String>,

    /// Use the results in DIR, as `nrp run` and `nrp coordinator` write them; a coordinator that runs on them is
    /// asked. If the default directory does not exist, ask the coordinator at 127.0.0.1:7321
    #[arg(long, value_name = "DIR", default_value = STATE_DIR, conflicts_with = "coordinator")]
    pub(crate) state: PathBuf,

    /// Skip damaged lines of the journal; a notice says what is missing, and nothing is changed
    #[arg(long, conflicts_with = "coordinator")]
    pub(crate) salvage: bool,
}

impl Results {
    /// Whether to ask the coordinator at [`ADDRESS`]: the user named neither a coordinator nor a directory, and
    /// the default directory does not exist.
    pub(crate) fn are_elsewhere(&self) -> bool {
        self.coordinator.is_none() && self.state == Path::new(STATE_DIR) && !self.state.is_dir()
    }
}
