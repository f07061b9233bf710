//! `nrp workers`: which workers a coordinator has, and telling them to leave.

use crate::client::{self, Access};
use crate::failure::{CommandError, Ended};
use crate::output::{self, Format};
use crate::place::Results;
use nrp_proto::wire::{DrainRequest, WorkerStatus};

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
    let mut access = Access::open(results).await?;
    let there = client::all_workers(&mut access.admin).await?;
    let workers = match command {
        Command::List { .. } => there,
        Command::Drain { names, .. } => {
            let workers = names.iter().flat_map(|name| devices_of(name, &there));
            let request = DrainRequest {
                workers: workers.collect(),
            };
            let reply = access.admin.drain(request).await;
            reply.map_err(CommandError::from)?.into_inner().workers
        }
    };
    show(&workers, format)?;
    access.close().await?;
    Ok(Ended::Done)
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
