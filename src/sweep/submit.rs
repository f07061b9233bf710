//! `nrp sweep submit`.

use crate::access;
use crate::devices::DIGEST_DEVICE;
use crate::failure::CommandError;
use crate::load;
use crate::output::{self, Format};
use crate::place::Results;
use nrp_proto::wire::{SubmitReply, SweepSpec};
use std::path::PathBuf;

/// Submit a sweep file; the same file again resumes the sweep, and a larger grid runs only the new cells
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The sweep file
    file: PathBuf,
    /// The directory that its paths are relative to [default: the file's directory]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Start its trials before those of sweeps with a lower number [default: 0 for a new sweep, unchanged for a
    /// known one]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    priority: Option<i32>,
    #[command(flatten)]
    results: Results,
}

pub(crate) async fn run(arguments: Arguments, format: Format) -> miette::Result<()> {
    let Arguments {
        file,
        data_dir,
        priority,
        results,
    } = arguments;
    // Connect first: a refused connection is reported before minutes of hashing files.
    let client = access::running(&results).await?;
    let (spec, _) = load::sweep(&file, data_dir, DIGEST_DEVICE, false)?;
    let submitted = client.submit(spec.clone(), priority).await;
    let submitted = submitted.map_err(CommandError::from)?;
    Ok(format.show(&submitted, |submitted| {
        output::line(&announcement(&spec, submitted))
    })?)
}

/// What is said of a sweep that was just submitted.
pub(crate) fn announcement(spec: &SweepSpec, submitted: &SubmitReply) -> String {
    let drawn = spec.random.as_ref().map(|random| {
        let (cells, seed) = (spec.cells(), random.seed);
        format!(" drawn from {cells} with seed {seed}")
    });
    format!(
        "sweep `{name}` ({id}) {how}: {trials} trials{drawn}, {finished} of them finished before",
        name = spec.name,
        drawn = drawn.unwrap_or_default(),
        id = submitted.sweep,
        how = if submitted.resumed {
            "resumed"
        } else {
            "submitted"
        },
        trials = submitted.trials,
        finished = submitted.already_finished,
    )
}
