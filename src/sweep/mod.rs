//! `nrp sweep`: check, submit and follow sweeps, one file per subcommand. `table` shows how sweeps stand.

mod cancel;
mod check;
mod delete;
mod explain;
mod list;
mod pause;
mod priority;
mod resume;
mod status;
mod submit;
mod table;
mod watch;

use crate::access::Access;
use crate::failure::{CommandError, Ended};
use crate::output::Format;
use crate::place::Results;
use nrp_client::{Client, ClientError};
use nrp_proto::state::SweepState;
use nrp_proto::wire::SweepStatus;

pub(crate) use submit::announcement;

/// Submit sweeps to a running coordinator, and follow them
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    Submit(submit::Arguments),
    Check(check::Arguments),
    List(list::Arguments),
    Status(status::Arguments),
    Watch(watch::Arguments),
    Cancel(cancel::Arguments),
    Delete(delete::Arguments),
    Resume(resume::Arguments),
    Explain(explain::Arguments),
    Pause(pause::Arguments),
    Priority(priority::Arguments),
}

/// The sweep that a subcommand is about.
#[derive(clap::Args)]
struct One {
    /// Its name, its id, or the beginning of its id [default: the latest sweep]
    #[arg(default_value = "", hide_default_value = true)]
    sweep: String,
    #[command(flatten)]
    results: Results,
}

pub(crate) async fn run(command: Command, format: Format) -> miette::Result<Ended> {
    match command {
        Command::Submit(arguments) => submit::run(arguments, format).await?,
        Command::Check(arguments) => check::run(arguments, format)?,
        Command::List(arguments) => list::run(arguments, format).await?,
        Command::Status(arguments) => status::run(arguments, format).await?,
        Command::Watch(arguments) => watch::run(arguments, format).await?,
        Command::Cancel(arguments) => cancel::run(arguments, format).await?,
        Command::Delete(arguments) => delete::run(arguments, format).await?,
        Command::Resume(arguments) => resume::run(arguments, format).await?,
        Command::Explain(arguments) => explain::run(arguments, format).await?,
        Command::Pause(arguments) => pause::run(arguments, format).await?,
        Command::Priority(arguments) => priority::run(arguments, format).await?,
    }
    Ok(Ended::Done)
}

/// Changes a sweep, and shows how it then stands.
async fn change(
    results: &Results,
    format: Format,
    ask: impl AsyncFnOnce(&Client) -> Result<SweepStatus, ClientError>,
) -> miette::Result<()> {
    Access::change(results, async |access| {
        let status = ask(&access.client).await.map_err(CommandError::from)?;
        Ok(table::show_of(access, vec![status], format)?)
    })
    .await
}

/// A sweep's state while trials may start.
const RUNNING: i32 = SweepState::Running.to_wire();

/// The word for the state of a sweep on results that nothing runs on.
pub(crate) fn unless_interrupted(state: &str) -> String {
    let shown = if state == SweepState::Running.name() {
        SweepState::Interrupted.name()
    } else {
        state
    };
    shown.to_owned()
}
