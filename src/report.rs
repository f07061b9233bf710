//! `nrp report`: asks a coordinator for a sweep's trials and writes the files that `nrp_report` makes of
//! them.

use crate::access::Access;
use crate::failure::{CommandError, Ended};
use crate::output::{self, Format};
use crate::place::Results;
use crate::scope::ChosenSweep;
use crate::{sweep, ui};
use nrp_client::Client;
use nrp_proto::state::TrialState;
use nrp_proto::wire::TrialsRequest;
use nrp_report::{Fold, Report};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Write a sweep's report: one HTML page, its figures as SVG and PNG, its tables as CSV, and JSON
///
/// The page, `report.html`, needs no network and no other file. Files in DIR that have the name of one of the
/// report's are replaced; other files are left alone. For an unfinished sweep, the report shows the results so far,
/// and says how many there are.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Its name, its id, or the beginning of its id [default: the latest sweep]
    #[arg(default_value = "", hide_default_value = true)]
    sweep: String,
    /// The directory to write to; it is created if it does not exist
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Also say when the report was written. Without this flag, the same results give the same report, byte for
    /// byte; it always says when its outcomes were recorded
    #[arg(long)]
    dated: bool,
    /// Also show Brain-Score's score as it was until January 2026, (r/ceiling)², beside today's r²/ceiling;
    /// `report.json` always has both
    #[arg(long)]
    with_score_before_2026: bool,
    #[command(flatten)]
    results: Results,
}

/// What the command writes to stdout.
#[derive(Debug, Serialize)]
struct Written {
    sweep: String,
    trials: u64,
    finished: u64,
    /// Paths, the page first.
    files: Vec<PathBuf>,
}

pub(crate) async fn run(arguments: Arguments, format: Format) -> miette::Result<Ended> {
    let mut report = Access::read(&arguments.results, async |access| {
        let (sweep, headline) = ChosenSweep::find(&access.client, &arguments.sweep).await?;
        ui::notice(&headline);
        let mut report = gather(&access.client, sweep).await?;
        if access.nothing_runs() {
            report.sweep.state = sweep::unless_interrupted(&report.sweep.state);
        }
        Ok(report)
    })
    .await?;
    report.written_at = arguments.dated.then(output::now);
    report.with_score_before_2026 = arguments.with_score_before_2026;
    let written = write(&report, &arguments.out)?;
    format.show(&written, |written| {
        output::line(&written.files[0].display().to_string())
    })?;
    Ok(Ended::Done)
}

/// Asks a coordinator for all that a report on a sweep shows.
async fn gather(client: &Client, sweep: ChosenSweep) -> Result<Report, CommandError> {
    let status = client.status(&sweep.id).await?;
    let mut fold = Fold::new(status, sweep.spec);
    let mut request = TrialsRequest {
        sweep: sweep.id,
        ..TrialsRequest::default()
    };
    let mut stream = client.trials(request.clone()).await?;
    while let Some(record) = stream.next().await? {
        fold.take(&record);
    }
    if fold.wants_seeds() {
        request.state = TrialState::Finished.to_wire();
        let mut stream = client.trials(request).await?;
        while let Some(record) = stream.next().await? {
            fold.take_seed(&record);
        }
    }
    let wanted = fold.wants_details();
    let details = client.details(&wanted).await?;
    for (trial, details) in wanted.iter().zip(details) {
        fold.take_details(trial, details);
    }
    Ok(Report::new(fold))
}

fn write(report: &Report, directory: &Path) -> Result<Written, CommandError> {
    let cannot_write = |path: &Path, source| CommandError::Write {
        path: path.to_owned(),
        source,
    };
    std::fs::create_dir_all(directory).map_err(|source| cannot_write(directory, source))?;
    let mut files = Vec::new();
    for file in report.files() {
        let path = directory.join(file.name);
        std::fs::write(&path, file.bytes).map_err(|source| cannot_write(&path, source))?;
        files.push(path);
    }
    Ok(Written {
        sweep: report.sweep.name.clone(),
        trials: report.sweep.trials,
        finished: report.sweep.finished,
        files,
    })
}

#[cfg(test)]
mod tests {
    use nrp_report::model::Published;
    use nrp_worker::ann;

    /// The paper counts AlexNet's parameters without biases, the others' with all of them.
    #[test]
    fn published_anns_are_those_offered() {
        for row in Published::ALL {
            let info = ann::find(row.ann).expect("offered");
            let counts = [Some(info.parameters), info.parameters_without_biases];
            assert!(counts.contains(&Some(row.parameters)), "{}", row.ann);
        }
    }
}
