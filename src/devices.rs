//! `nrp devices`: what this binary can compute on here; and the flag of the commands that compute.

use crate::failure::{CommandError, Ended};
use crate::output::{self, Format};
use nrp_worker::device::{self, AUTO, DeviceError, Offer};
use serde::Serialize;

/// What to compute on.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct DeviceArguments {
    /// What to train on: `auto` (the best of `nrp devices`), flex (CPU), tch:cpu, tch:cuda:0 (LibTorch),
    /// wgpu (Vulkan, Metal) or cuda:0. Several, as tch:cuda:0,tch:cuda:1, work at a job each. ONNX nets
    /// run on the CPU on any
    #[arg(long = "device", value_name = "D", value_delimiter = ',', default_value = AUTO)]
    devices: Vec<String>,
}

impl DeviceArguments {
    /// The devices' words, none of them `auto`.
    pub(crate) fn resolve(&self) -> Result<Vec<String>, DeviceError> {
        device::resolve(&self.devices)
    }
}

/// List what this binary can compute on here
///
/// The best comes first, and is what `--device auto` takes. Below are those of which there is none
/// here: not in this build, or without hardware or driver.
#[derive(clap::Args)]
pub(crate) struct Arguments {}

#[derive(Serialize)]
struct Row {
    device: String,
    is_here: bool,
    /// What it would take to have it.
    missing: Option<String>,
}

pub(crate) fn run(format: Format) -> Result<Ended, CommandError> {
    let rows: Vec<Row> = device::offers().into_iter().map(row).collect();
    if format == Format::Json {
        return output::json(&rows).map(|()| Ended::Done);
    }
    let mut table = output::table(&["device", "here", "missing"]);
    for row in rows {
        let here = if row.is_here { "yes" } else { "" };
        table.add_row([row.device, here.to_owned(), row.missing.unwrap_or_default()]);
    }
    output::print_table(&table).map(|()| Ended::Done)
}

fn row(offer: Offer) -> Row {
    let missing = match (offer.is_here, offer.is_built) {
        (true, _) => None,
        (false, true) => Some("hardware or driver".to_owned()),
        (false, false) => Some(format!("a build with `--features {}`", offer.feature)),
    };
    Row {
        device: offer.device,
        is_here: offer.is_here,
        missing,
    }
}
