//! `nrp report`: a sweep's results as files to look at, to print and to compute with.
//!
//! `gather` asks a coordinator, `figures`, `sparsity` and `tables` say what is shown of the answer,
//! `canvas`, `plot` and `heat_map` draw, `html` makes the page. Files are written here alone.

mod bootstrap;
mod brain_score;
mod canvas;
mod figures;
mod gather;
mod heat_map;
mod html;
mod plot;
mod published;
mod sparsity;
mod tables;

use crate::client::Access;
use crate::failure::{CommandError, Ended};
use crate::output::{self, Format};
use crate::place::Results;
use canvas::Painter;
use gather::Report;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Write a sweep's report: one HTML page, its figures as SVG and PNG, its tables as CSV, and JSON
///
/// The page, `report.html`, needs no network and no other file. Files that are in DIR already are
/// replaced one by one where the report has one of the same name, and left alone otherwise. Of a
/// sweep that has not finished, the report shows what is there, and says how much that is.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Its name, id, or the beginning of its id; default: the latest
    #[arg(default_value = "", hide_default_value = true)]
    sweep: String,
    /// Where the files go; it is made if it is not there
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    results: Results,
}

/// What stdout says.
#[derive(Serialize)]
struct Written {
    sweep: String,
    trials: u64,
    finished: u64,
    /// Paths, the page first.
    files: Vec<PathBuf>,
}

pub(crate) async fn run(arguments: Arguments, format: Format) -> miette::Result<Ended> {
    let mut access = Access::open(&arguments.results).await?;
    let report = gather::gather(&mut access.client, arguments.sweep).await?;
    access.close().await?;
    let written = write(report, &arguments.out)?;
    match format {
        Format::Json => output::json(&written)?,
        Format::Text => output::line(&written.files[0].display().to_string())?,
    }
    Ok(Ended::Done)
}

fn write(mut report: Report, directory: &Path) -> Result<Written, CommandError> {
    let figures = figures::all(&report);
    let tables = tables::all(&report);
    report.not_in_this_report = absent(&report, |name| {
        figures.iter().any(|figure| figure.name.starts_with(name))
    });
    let mut files = Vec::new();
    let mut put = |name: &str, content: &[u8]| {
        let path = directory.join(name);
        std::fs::write(&path, content).map_err(|source| CommandError::Write {
            path: path.clone(),
            source,
        })?;
        files.push(path);
        Ok::<_, CommandError>(())
    };
    std::fs::create_dir_all(directory).map_err(|source| CommandError::Write {
        path: directory.to_owned(),
        source,
    })?;
    let page = html::page(&report, &figures, &tables);
    put("report.html", page.as_bytes())?;
    let json = serde_json::to_vec_pretty(&report).expect("strings, lists and finite numbers");
    put("report.json", &json)?;
    for table in &tables {
        put(&format!("{}.csv", table.name), &table.csv())?;
    }
    let painter = Painter::new();
    for figure in &figures {
        put(&format!("{}.svg", figure.name), figure.svg.as_bytes())?;
        put(&format!("{}.png", figure.name), &painter.png(&figure.svg))?;
    }
    Ok(Written {
        sweep: report.sweep.name,
        trials: report.sweep.trials,
        finished: report.sweep.finished,
        files,
    })
}

/// What a reader might look for, and why it is not there.
fn absent(report: &Report, has: impl Fn(&str) -> bool) -> Vec<String> {
    let mut absent = Vec::new();
    let sometimes = [
        (
            "figure-2a",
            "Figure 2A (NRP-error against top-1 accuracy): no ANN of the published Table 1 has \
             outcomes of all trials in all regions, and scores in each.",
        ),
        (
            "figure-2b",
            "Figure 2B (linear baselines against NRP networks): no ANN has scores of both in one \
             region; `baselines` in `[training]` names baselines.",
        ),
        (
            "figure-2c",
            "Figure 2C (V4 against IT): no ANN has scores in both regions.",
        ),
        (
            "figure-3a",
            "Figure 3A (network sizes): no ANN has scores of several sizes.",
        ),
        (
            "figure-3b",
            "Figure 3B (sparsity): no ANN has scores at several sparsities.",
        ),
        (
            "layers-",
            "NRP-error over layers: no ANN has scores of several layer sets.",
        ),
    ];
    let missing = sometimes.iter().filter(|(name, _)| !has(name));
    absent.extend(missing.map(|(_, why)| (*why).to_owned()));
    if report.winners().all(|winner| winner.over_seeds.is_none()) {
        let why = "Error bars: no winning configuration has finished with several seeds.";
        absent.push(why.to_owned());
    }
    let always = [
        "Learning curves: outcomes hold no losses per epoch.",
        "Sites sorted by predictability: outcomes hold scores over sites, not of each.",
        "Versions and devices of the workers: outcomes do not hold them.",
    ];
    absent.extend(always.map(str::to_owned));
    absent
}
