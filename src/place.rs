//! Places: where results and activations lie when the user does not say.

use std::path::PathBuf;

/// Default of `--state`.
pub(crate) const STATE_DIR: &str = ".nrp/state";
/// Default of `--cache`.
pub(crate) const CACHE_DIR: &str = ".nrp/cache";
/// Default of `nrp coordinator --listen`, and where clients and workers look for it.
pub(crate) const ADDRESS: &str = "127.0.0.1:7321";

/// Which results a command is about.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Results {
    /// Ask the coordinator at HOST:PORT
    #[arg(long, value_name = "HOST:PORT", env = "NRP_COORDINATOR")]
    pub(crate) coordinator: Option<String>,

    /// Read the results in DIR, which `nrp run` and `nrp coordinator` write
    #[arg(long, value_name = "DIR", default_value = STATE_DIR, conflicts_with = "coordinator")]
    pub(crate) state: PathBuf,
}
