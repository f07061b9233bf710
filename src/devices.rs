//! `nrp devices` lists what this binary can compute on; `--device` is the flag of the commands that compute.

use crate::failure::{CommandError, Ended};
use crate::output::{self, Format};
use nrp_worker::device::{self, AUTO, DeviceError, Offer};
use serde::Serialize;

/// The flag that selects devices.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct DeviceArguments {
    /// The devices to train on: `auto` (the best of `nrp devices`), flex (CPU), tch:cpu, tch:cuda:0
    /// (LibTorch), wgpu (Vulkan, Metal) or cuda:0. With several devices, such as tch:cuda:0,tch:cuda:1, each runs its
    /// own job. ONNX models always run on the CPU
    #[arg(long = "device", value_name = "D", value_delimiter = ',', default_value = AUTO)]
    devices: Vec<String>,
}

/// The device for reading weights when nothing is computed, for example before a sweep is submitted. If the build
/// has flex, it is flex, because other processes may need a GPU for themselves.
pub(crate) const DIGEST_DEVICE: &str = if cfg!(feature = "flex") { "flex" } else { AUTO };

impl DeviceArguments {
    /// The devices' names, with `auto` replaced by the best device.
    pub(crate) fn resolve(&self) -> Result<Vec<String>, DeviceError> {
        device::resolve(&self.devices)
    }
}

/// List the devices that this binary can compute on
///
/// The best device comes first; `--device auto` uses it. Devices that this machine cannot use come last, with
/// what is missing: a build with the feature, the hardware, or a driver.
#[derive(clap::Args)]
pub(crate) struct Arguments {}

#[derive(Serialize)]
struct Row {
    device: String,
    is_here: bool,
    /// What is missing; absent for a usable device.
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
