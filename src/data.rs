//! `nrp data`: what recordings hold and what is wrong with them, before a sweep finds out.

use crate::failure::{CommandError, Ended};
use crate::output::{self, Format};
use nrp_proto::sweep::MISTAKES_LISTED;
use nrp_worker::recording::{self, Axes, Report};
use std::fmt::Display;
use std::path::PathBuf;

/// Check recordings
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Tell what recordings hold, and everything that is wrong with them
    ///
    /// Takes responses (.nc, .npy, .npz), their stimulus set (.csv) and its images (.zip or a folder),
    /// in any order; with all three it also checks that they fit together. A .hdf5 laid out as
    /// ventral_neural_data.hdf5 brings all three. Exit code 1 when something is wrong.
    Check {
        /// The files
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// What the axes of NumPy arrays are, as `sites,stimuli,repetitions`; needed where the stimulus
        /// set's length leaves a choice
        #[arg(long, value_delimiter = ',', value_name = "AXIS")]
        axes: Option<Vec<String>>,
    },
}

pub(crate) fn run(command: Command, format: Format) -> miette::Result<Ended> {
    let Command::Check { files, axes } = command;
    let axes = axes.map_or(Axes::Evident, Axes::Given);
    let report = recording::check(&files, &axes)?;
    match format {
        Format::Json => output::json(&report)?,
        Format::Text => text(&report)?,
    }
    Ok(match report.problems.is_empty() {
        true => Ended::Done,
        false => Ended::CheckFailed,
    })
}

fn text(report: &Report) -> Result<(), CommandError> {
    if let Some(assembly) = &report.assembly {
        output::line(&format!(
            "assembly {}: {} stimuli, {} presentations",
            assembly.path.display(),
            assembly.stimuli,
            assembly.presentations
        ))?;
        let mut table = output::table(&[
            "region",
            "sites",
            "repetitions",
            "missing values",
            "empty cells",
            "mean",
            "s.d.",
            "noise ceiling",
            "noise floor",
        ]);
        for region in &assembly.regions {
            table.add_row([
                region.region.clone(),
                region.sites.to_string(),
                format!(
                    "{} to {}, median {}",
                    region.repetitions_min, region.repetitions_max, region.repetitions_median
                ),
                format!(
                    "{} ({:.2} %)",
                    region.missing_values,
                    100.0 * region.missing_fraction
                ),
                region.empty_cells.to_string(),
                output::significant(region.mean),
                output::significant(region.sd),
                region.noise.as_ref().map_or_else(
                    || "–".to_owned(),
                    |noise| {
                        format!(
                            "{:.2} to {:.2}, median {:.2}",
                            noise.ceiling_min, noise.ceiling_max, noise.ceiling_median
                        )
                    },
                ),
                output::score(region.noise.as_ref().map(|noise| noise.noise_floor)),
            ]);
        }
        output::print_table(&table)?;
    }
    if let Some(stimuli) = &report.stimuli {
        output::line(&format!(
            "stimuli {}: {}, columns {}",
            stimuli.path.display(),
            stimuli.stimuli,
            stimuli.columns.join(", ")
        ))?;
    }
    if let Some(images) = &report.images {
        let counts = |counts: &std::collections::BTreeMap<String, usize>| {
            let parts: Vec<String> = counts
                .iter()
                .map(|(what, n)| format!("{n} of {what}"))
                .collect();
            parts.join(", ")
        };
        output::line(&format!(
            "images {}: {} files, {} readable; {}; {}",
            images.path.display(),
            images.files,
            images.readable,
            counts(&images.sizes),
            counts(&images.modes)
        ))?;
    }
    if let Some(images) = report
        .images
        .as_ref()
        .filter(|of| !of.duplicates.is_empty())
    {
        output::line("the same picture under several ids:")?;
        let groups = images.duplicates.iter().map(|ids| ids.join(" = "));
        listed(groups)?;
    }
    for notice in &report.notices {
        output::line(&format!("notice: {notice}"))?;
    }
    match report.problems.len() {
        0 => output::line("nothing is wrong"),
        n => {
            output::line(&format!("{n} problem{}:", if n == 1 { "" } else { "s" }))?;
            listed(report.problems.iter())
        }
    }
}

/// A line each; of many, the first.
fn listed(all: impl ExactSizeIterator<Item = impl Display>) -> Result<(), CommandError> {
    let more = all.len().saturating_sub(MISTAKES_LISTED);
    for one in all.take(MISTAKES_LISTED) {
        output::line(&format!("  {one}"))?;
    }
    match more {
        0 => Ok(()),
        more => output::line(&format!("  and {more} more")),
    }
}
