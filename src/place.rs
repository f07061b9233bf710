//! Places: where results and activations lie when the user does not say.

use std::path::{Path, PathBuf};

/// Default of `--state`.
pub(crate) const STATE_DIR: &str = ".nrp/state";
/// Default of `--cache`.
pub(crate) const CACHE_DIR: &str = ".nrp/cache";
/// Default of `nrp coordinator --listen`, and where clients and workers look for it.
pub(crate) const ADDRESS: &str = "127.0.0.1:7321";

/// Which results a command is about: the same rule for all, whether they ask or submit.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Results {
    /// The coordinator at HOST:PORT
    #[arg(long, value_name = "HOST:PORT", env = "NRP_COORDINATOR")]
    pub(crate) coordinator: Option<String>,

    /// The results in DIR, which `nrp run` and `nrp coordinator` write, and the coordinator that runs on
    /// them. Where the default is not there, the coordinator at 127.0.0.1:7321
    #[arg(long, value_name = "DIR", default_value = STATE_DIR, conflicts_with = "coordinator")]
    pub(crate) state: PathBuf,

    /// Read past damaged lines of the journal; a notice says what is missing, and nothing is changed
    #[arg(long, conflicts_with = "coordinator")]
    pub(crate) salvage: bool,
}

impl Results {
    /// Whether the user named neither a coordinator nor a directory, and the default directory is not
    /// there: then the coordinator at [`ADDRESS`] is meant.
    pub(crate) fn are_elsewhere(&self) -> bool {
        self.coordinator.is_none() && self.state == Path::new(STATE_DIR) && !self.state.is_dir()
    }
}
