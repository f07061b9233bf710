//! `nrp sweep watch`.

use super::{One, RUNNING, table};
use crate::access::Access;
use crate::failure::CommandError;
use crate::output::Format;
use crate::progress;
use nrp_proto::state::SweepState;
use nrp_proto::wire::SweepStatus;

/// Follow a sweep until it ends, or until no worker can continue it
///
/// If the coordinator is restarted meanwhile, the command waits for it, up to ten minutes, and continues.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    one: One,
}

pub(crate) async fn run(arguments: Arguments, format: Format) -> miette::Result<()> {
    let One { sweep, results } = arguments.one;
    let (nothing_runs, last) = Access::read(&results, async |access| {
        let nothing_runs = access.nothing_runs();
        let is_left = |status: &SweepStatus| nothing_runs && status.state == RUNNING;
        let last = progress::follow(&access.client, &sweep, is_left, async |old| {
            access.moved(old).await
        });
        let last = last.await?;
        Ok((nothing_runs, last))
    })
    .await?;
    match last {
        Some(status) if nothing_runs && status.state == RUNNING => {
            Err(CommandError::Interrupted { name: status.name }.into())
        }
        // It stays as it is until a user acts.
        Some(status) if status.state == SweepState::Parked.to_wire() => {
            Err(CommandError::parked(&status).into())
        }
        Some(status) => Ok(table::show(&[status], format)?),
        None => Ok(()),
    }
}
