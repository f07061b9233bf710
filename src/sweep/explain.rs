//! `nrp sweep explain`.

use crate::access::Access;
use crate::failure::CommandError;
use crate::output::{self, Format};
use crate::place::Results;
use nrp_proto::wire::ExplainReply;

/// Say why trials of a sweep, or one trial, wait
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A trial's id; or a sweep's name, its id, or the beginning of its id [default: the latest sweep]
    #[arg(
        value_name = "SWEEP|TRIAL",
        default_value = "",
        hide_default_value = true
    )]
    subject: String,
    #[command(flatten)]
    results: Results,
}

pub(crate) async fn run(arguments: Arguments, format: Format) -> miette::Result<()> {
    let explained = Access::read(&arguments.results, async |access| {
        let explained = access.client.explain(&arguments.subject).await;
        Ok(explained.map_err(CommandError::from)?)
    });
    Ok(format.show(&explained.await?, text)?)
}

fn text(explained: &ExplainReply) -> Result<(), CommandError> {
    for explanation in &explained.explanations {
        if explained.trial.is_empty() {
            output::line(&format!("{} {}", explanation.trials, explanation.text))?;
        } else {
            output::line(&explanation.text)?;
        }
    }
    Ok(())
}
