//! How sweeps stand, as a table.

use super::RUNNING;
use crate::access::Access;
use crate::failure::CommandError;
use crate::listing::{self, Choice};
use crate::output::{self, Format};
use crate::ui;
use nrp_proto::state::SweepState;
use nrp_proto::wire::{Hindered, SweepStatus};

/// Shows how sweeps stand, in the columns that a table chooses.
pub(super) fn show_of(
    access: &Access,
    sweeps: Vec<SweepStatus>,
    format: Format,
) -> Result<(), CommandError> {
    show_chosen(access, sweeps, &Choice::default(), format)
}

/// Shows how sweeps stand. On results that nothing runs on, no sweep is running and no trial is leased.
pub(super) fn show_chosen(
    access: &Access,
    mut sweeps: Vec<SweepStatus>,
    choice: &Choice,
    format: Format,
) -> Result<(), CommandError> {
    let mut interrupted = false;
    for sweep in sweeps.iter_mut().filter(|_| access.nothing_runs()) {
        sweep.waiting += std::mem::take(&mut sweep.leased);
        if sweep.state == RUNNING {
            interrupted = true;
            sweep.state = SweepState::Interrupted.to_wire();
        }
    }
    format.show(sweeps.as_slice(), |sweeps| text(sweeps, choice))?;
    if interrupted {
        ui::notice(
            "nothing runs on these results; `nrp run FILE` with the sweep's file continues where it \
             stopped, and so do `nrp coordinator` and `nrp worker`",
        );
    }
    Ok(())
}

pub(super) fn show(sweeps: &[SweepStatus], format: Format) -> Result<(), CommandError> {
    format.show(sweeps, |sweeps| text(sweeps, &Choice::default()))
}

fn text(sweeps: &[SweepStatus], choice: &Choice) -> Result<(), CommandError> {
    if sweeps.is_empty() {
        return output::line("there are no sweeps");
    }
    output::text(&listing::of_sweeps(sweeps, choice, output::width())?)?;
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
