//! `nrp store stats`.

use super::Place;
use crate::access;
use crate::failure::{CommandError, Ended};
use crate::output::{self, Format};
use nrp_coordinator::Stats;
use nrp_proto::state::SweepState;

/// Show what the state holds, and how large it is
///
/// A coordinator may be running.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: Place,
}

pub(super) fn run(arguments: Arguments, format: Format) -> miette::Result<Ended> {
    let state = &arguments.place.state;
    let mut stats = nrp_coordinator::stats(state)?;
    let is_idle = !access::is_held(state);
    for sweep in stats.sweeps.iter_mut().filter(|_| is_idle) {
        if sweep.state == SweepState::Running {
            sweep.state = SweepState::Interrupted;
        }
    }
    format.show(&stats, text)?;
    Ok(Ended::Done)
}

fn text(stats: &Stats) -> Result<(), CommandError> {
    let mut table = output::table(&[
        "sweep",
        "id",
        "state",
        "trials",
        "waiting",
        "leased",
        "parked",
        "finished",
        "failed",
        "stopped",
        "cancelled",
    ]);
    let sweeps = stats.sweeps.iter().map(|sweep| {
        let words = [sweep.name.as_str(), &sweep.id, sweep.state.name()];
        (words.map(str::to_owned), &sweep.trials)
    });
    let all = ["all trials, each once", "–", "–"].map(str::to_owned);
    for (words, trials) in sweeps.chain([(all, &stats.trials)]) {
        let counts = [
            trials.all,
            trials.waiting,
            trials.leased,
            trials.parked,
            trials.finished,
            trials.failed,
            trials.stopped,
            trials.cancelled,
        ];
        table.add_row(
            words
                .into_iter()
                .chain(counts.map(|count| count.to_string())),
        );
    }
    output::print_table(&table)?;
    output::line(&format!(
        "journal: format {}, {} entries in {} lines, {}, of which a compaction may drop {}",
        stats.format,
        stats.entries,
        stats.lines,
        output::size(stats.journal_bytes),
        output::size(stats.droppable_bytes)
    ))?;
    output::line(&format!("index: {}", output::size(stats.index_bytes)))
}
