//! `nrp workers`: which workers a coordinator has, and telling them to leave.

use crate::client::Access;
use crate::failure::{CommandError, Ended};
use crate::output::{self, Format};
use crate::place::Results;
use nrp_client::ClientError;
use nrp_proto::wire::WorkerStatus;

/// Look at a coordinator's workers and tell them to leave
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// List workers that were heard of lately, and what they do
    List {
        #[command(flatten)]
        results: Results,
    },
    /// Let workers finish their job within their `--grace` and end; they get no other
    ///
    /// Of a worker of several devices, `NAME.0`, `NAME.1`, … in the list, any name or NAME ends all.
    /// Each hears of it with its next sign of life, within seconds. A worker of that name that is
    /// started afterwards is not concerned, and a coordinator that is restarted forgets it.
    Drain {
        /// Their names
        #[arg(required = true)]
        names: Vec<String>,
        #[command(flatten)]
        results: Results,
    },
}

pub(crate) async fn run(command: Command, format: Format) -> miette::Result<Ended> {
    let (Command::List { results } | Command::Drain { results, .. }) = &command;
    let workers = Access::read(results, async |access| {
        Ok(ask(access, &command).await.map_err(CommandError::from)?)
    })
    .await?;
    show(&workers, format)?;
    Ok(Ended::Done)
}

async fn ask(access: &Access, command: &Command) -> Result<Vec<WorkerStatus>, ClientError> {
    let there = access.client.workers().all().await?;
    match command {
        Command::List { .. } => Ok(there),
        Command::Drain { names, .. } => {
            let workers = names.iter().flat_map(|name| devices_of(name, &there));
            access.client.drain(workers.collect()).await
        }
    }
}

/// The names that a worker has by device, or its own where it has but one or is not there.
fn devices_of(name: &str, there: &[WorkerStatus]) -> Vec<String> {
    let is_device = |other: &str| {
        let number = other.strip_prefix(name)?.strip_prefix('.')?;
        number.parse::<usize>().ok()
    };
    let names = there.iter().map(|status| status.worker.clone());
    let devices: Vec<String> = names.filter(|other| is_device(other).is_some()).collect();
    match devices.is_empty() || there.iter().any(|status| status.worker == name) {
        true => vec![name.to_owned()],
        false => devices,
    }
}

fn show(workers: &[WorkerStatus], format: Format) -> Result<(), CommandError> {
    if format == Format::Json {
        return output::json(&workers);
    }
    if workers.is_empty() {
        return output::line("there are no workers");
    }
    let mut table = output::table(&["worker", "device", "leaving", "doing", "subject"]);
    for worker in workers {
        let activity = worker.activity.clone().unwrap_or_default();
        let doing = match activity.doing.is_empty() {
            true => "idle".to_owned(),
            false => activity.doing,
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
