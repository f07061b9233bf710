//! `nrp workers`: which workers a coordinator has, and how they are told to leave. One file per subcommand.

mod drain;
mod list;

use crate::failure::{CommandError, Ended};
use crate::output::{self, Format};
use nrp_proto::state::Doing;
use nrp_proto::wire::WorkerStatus;

/// List a coordinator's workers, and tell them to leave
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    List(list::Arguments),
    Drain(drain::Arguments),
}

pub(crate) async fn run(command: Command, format: Format) -> miette::Result<Ended> {
    let workers = match command {
        Command::List(arguments) => list::run(arguments).await?,
        Command::Drain(arguments) => drain::run(arguments).await?,
    };
    format.show(&workers, |workers| text(workers))?;
    Ok(Ended::Done)
}

fn text(workers: &[WorkerStatus]) -> Result<(), CommandError> {
    if workers.is_empty() {
        return output::line("there are no workers");
    }
    let mut table = output::table(&["worker", "device", "leaving", "doing", "subject"]);
    for worker in workers {
        let activity = worker.activity.clone().unwrap_or_default();
        let doing = match activity.doing {
            0 => "idle".to_owned(),
            doing => Doing::of_wire(doing)?.to_string(),
        };
        table.add_row([
            worker.worker.clone(),
            worker.device.clone(),
            if worker.leaving { "yes" } else { "" }.to_owned(),
            doing,
            activity.subject,
        ]);
    }
    output::print_table(&table)
}
