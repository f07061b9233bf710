//! How sweeps stand, as a table.

use super::{RUNNING, unless_interrupted};
use crate::client::Access;
use crate::failure::CommandError;
use crate::output::{self, Format};
use crate::ui;
use nrp_proto::wire::{Hindered, SweepStatus};

/// Shows how sweeps stand. On results that nothing runs on, no sweep is running and no trial is leased.
pub(super) fn show_of(
    access: &Access,
    mut sweeps: Vec<SweepStatus>,
    format: Format,
) -> Result<(), CommandError> {
    let mut interrupted = false;
    for sweep in sweeps.iter_mut().filter(|_| access.nothing_runs()) {
        sweep.waiting += std::mem::take(&mut sweep.leased);
        interrupted |= sweep.state == RUNNING;
        sweep.state = unless_interrupted(&sweep.state).to_owned();
    }
    show(&sweeps, format)?;
    if interrupted {
        ui::notice(
            "nothing runs on these results; `nrp run FILE` with the sweep's file continues where it \
             stopped, and so do `nrp coordinator` and `nrp worker`",
        );
    }
    Ok(())
}

pub(super) fn show(sweeps: &[SweepStatus], format: Format) -> Result<(), CommandError> {
    format.show(sweeps, text)
}

fn text(sweeps: &[SweepStatus]) -> Result<(), CommandError> {
    if sweeps.is_empty() {
        return output::line("there are no sweeps");
    }
    let mut table = output::table(&[
        "sweep",
        "id",
        "state",
        "priority",
        "trials",
        "finished",
        "failed",
        "stopped",
        "running",
        "waiting",
        "parked",
        "cancelled",
        "ANNs",
        "regions",
    ]);
    for sweep in sweeps {
        let regions = sweep.regions.join(" ");
        table.add_row([
            sweep.name.clone(),
            sweep.id.clone(),
            sweep.state.clone(),
            sweep.priority.to_string(),
            sweep.trials.to_string(),
            sweep.finished.to_string(),
            sweep.failed.to_string(),
            sweep.stopped.to_string(),
            sweep.leased.to_string(),
            sweep.waiting.to_string(),
            sweep.parked.to_string(),
            sweep.cancelled.to_string(),
            sweep.anns.join(" "),
            if sweep.simulated {
                format!("{regions} (simulated)")
            } else {
                regions
            },
        ]);
    }
    output::print_table(&table)?;
    // A single sweep is shown in full; a list stays a table.
    if let [sweep] = sweeps {
        for told in &sweep.hindered {
            hindered(sweep, told)?;
        }
    }
    Ok(())
}

/// Writes why some workers cannot run some trials of a sweep, and what to do about it.
fn hindered(sweep: &SweepStatus, hindered: &Hindered) -> Result<(), CommandError> {
    let how = match hindered.parked {
        0 => "wait".to_owned(),
        parked if parked == hindered.trials => "are parked".to_owned(),
        parked => format!("wait, {parked} of them parked"),
    };
    output::line(&format!(
        "{} trials of `{}` {how}, because {} cannot run them: {}",
        hindered.trials,
        sweep.name,
        hindered.workers.join(", "),
        hindered.reason
    ))?;
    match hindered.hint.as_str() {
        "" => Ok(()),
        hint => output::line(&format!("  hint: {hint}")),
    }
}
