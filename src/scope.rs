//! Scope: which trials a question is about, the same words in every command that asks.

/// Which trials.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Scope {
    /// Only this sweep: its name, id, or the beginning of its id
    #[arg(long)]
    pub(crate) sweep: Option<String>,
    /// Only this ANN
    #[arg(long)]
    pub(crate) ann: Option<String>,
    /// Only trials that meet this: AXIS=VALUE, or with !=, <, <=, > or >=, as `l1=16`,
    /// `learning_rate<=0.01`; all of several
    #[arg(long = "where", value_name = "CONDITION")]
    pub(crate) filters: Vec<String>,
}
