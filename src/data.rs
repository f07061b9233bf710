//! `nrp data`: shows what recordings contain and their problems, before a sweep fails because of them.

use crate::failure::{CommandError, Ended};
use crate::output::{self, Format};
use crate::presets;
use nrp_proto::sweep::{Ceiling, MISTAKES_LISTED, SiteFilter, Subjects};
use nrp_worker::recording::{
    self, AssemblyReport, Axes, BinChoice, FORMATS, ImagesReport, Layout, RegionReport, Report,
    SubjectChoice, TimeBin,
};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::PathBuf;

/// Check recordings, and list the benchmarks that sweep files may name
#[expect(clippy::large_enum_variant, reason = "a command line is parsed once")]
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// List the presets of sweep files: Brain-Score's benchmarks, with what they set and where the data are
    ///
    /// `preset = "MajajHong2015public.IT-pls"` at the top of a sweep file sets the keys that the file leaves out:
    /// regions, window, degrees, sites, splits, ceiling and what is fitted. The files are the sweep file's own. JSON
    /// also has the keys that each preset sets.
    Presets,
    /// Show what recordings contain, and every problem with them
    #[command(long_about = check_help())]
    Check {
        /// Responses, stimulus set and images, in any order
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// The axes of NumPy arrays, such as `sites,stimuli,repetitions`; required if the stimulus set's
        /// length does not determine them
        #[arg(long, value_delimiter = ',', value_name = "AXIS")]
        axes: Option<Vec<String>>,
        /// The variable that has the responses, such as `rates` or `group/rates`; required if several could
        /// be them
        #[arg(long, value_name = "NAME")]
        variable: Option<String>,
        /// Of spikes (.nwb), the window in which they are counted, in milliseconds after each trial's
        /// start, such as `70,170`
        #[arg(long, allow_hyphen_values = true, value_parser = window, value_name = "FROM,TO")]
        window_ms: Option<[i64; 2]>,
        /// Of an array that does not name its regions, the sites of one, counted from 1, such as
        /// `V4=513-768`; once for each region
        #[arg(long, value_name = "REGION=SITES")]
        sites: Vec<String>,
        /// Which sites are read, by what an assembly or NWB file says of them, such as `reliability > 0.3`
        #[arg(long, value_name = "CONDITIONS")]
        site_filter: Option<SiteFilter>,
        /// How the noise ceiling is measured: `repetition`, `even-odd`, `per-stimulus` or `coordinate:NAME`
        /// [default: all halvings of the repetitions]
        #[arg(long, value_name = "WORD")]
        ceiling: Option<Ceiling>,
        /// Of an assembly with time bins, the window whose bins are averaged, in the file's own unit, such
        /// as `70,170`
        #[arg(
            long, allow_hyphen_values = true, value_parser = time_bin, value_name = "FROM,TO",
            group = "bins"
        )]
        time_bin: Option<[f64; 2]>,
        /// Of an assembly with time bins, the one that is read, by its `time_bin_id` or its position,
        /// counted from 0
        #[arg(long, value_name = "ID", group = "bins")]
        time_bin_id: Option<u32>,
        /// `each` makes every time bin of an assembly a region
        #[arg(long, value_name = "each", value_parser = ["each"], group = "bins")]
        time_bins: Option<String>,
        /// The region of all sites, of a file that does not say it
        #[arg(long, value_name = "REGION")]
        region: Option<String>,
        /// The one subject whose sites are read
        #[arg(long, value_name = "NAME")]
        subject: Option<String>,
        /// `each` makes each region of each subject a region, `REGION/SUBJECT`
        #[arg(
            long, value_name = "WORD", value_parser = Subjects::NAMES, conflicts_with = "subject"
        )]
        subjects: Option<String>,
        /// The regions that are read, all unless some are named
        #[arg(long, value_delimiter = ',', value_name = "REGION")]
        regions: Vec<String>,
    },
}

/// Reads `70,170`.
fn window(text: &str) -> Result<[i64; 2], String> {
    let ms = |of: &str| of.trim().parse().ok();
    match text.split_once(',').map(|(from, to)| (ms(from), ms(to))) {
        Some((Some(from), Some(to))) if from < to => Ok([from, to]),
        _ => Err("expected where the window starts and ends, such as `70,170`".to_owned()),
    }
}

/// Reads `70,170` or `0.05,0.2`.
fn time_bin(text: &str) -> Result<[f64; 2], String> {
    let time = |of: &str| of.trim().parse().ok().filter(|time: &f64| time.is_finite());
    match text
        .split_once(',')
        .map(|(from, to)| (time(from), time(to)))
    {
        Some((Some(from), Some(to))) if from < to => Ok([from, to]),
        _ => Err("expected where the window starts and ends, such as `70,170`".to_owned()),
    }
}

/// The help of `nrp data check`, with the formats and their extensions.
fn check_help() -> String {
    let formats = FORMATS.iter().map(|format| {
        let extensions = format.format.extensions().iter();
        let extensions: Vec<String> = extensions.map(|of| format!(".{of}")).collect();
        format!(
            "  {:<13}{}\n",
            extensions.join(", "),
            format.what.replace('`', "")
        )
    });
    format!(
        "Show what recordings contain, and every problem with them\n\nPass responses, their stimulus \
         set (.csv) and their images (.zip or a folder), in any order. With all three, the command also \
         checks that they fit together. The exit code is 1 if there is a problem.\n\nFormats of \
         responses:\n{}",
        formats.collect::<String>()
    )
}

pub(crate) fn run(command: Command, format: Format) -> miette::Result<Ended> {
    let Command::Check {
        files,
        axes,
        variable,
        window_ms,
        sites,
        site_filter,
        ceiling,
        time_bin,
        time_bin_id,
        time_bins,
        region,
        subject,
        subjects,
        regions,
    } = command
    else {
        presets::show(format)?;
        return Ok(Ended::Done);
    };
    let axes = axes.map_or(Axes::Evident, Axes::Given);
    let layout = Layout {
        axes,
        variable,
        window_ms,
        sites,
        ceiling: ceiling.unwrap_or_default(),
        bins: time_bin
            .map(BinChoice::Window)
            .or(time_bin_id.map(BinChoice::Id))
            .or(time_bins.map(|_| BinChoice::Each)),
        region,
        filter: site_filter,
        subjects: match subject {
            Some(subject) => SubjectChoice::One(subject),
            None if subjects.as_deref() == Some(Subjects::Each.name()) => SubjectChoice::Each,
            None => SubjectChoice::Together,
        },
    };
    let report = recording::check(&files, &layout, &regions)?;
    match format {
        Format::Json => output::json(&report)?,
        Format::Text => text(&report)?,
    }
    Ok(if report.problems.is_empty() {
        Ended::Done
    } else {
        Ended::CheckFailed
    })
}

fn text(report: &Report) -> Result<(), CommandError> {
    if let Some(assembly) = &report.assembly {
        show_assembly(assembly)?;
    }
    if !report.subjects.is_empty() {
        output::line(&format!("subjects: {}", report.subjects.join(", ")))?;
    }
    if report.time_bins.len() > 1 {
        let names: Vec<String> = report.time_bins.iter().map(TimeBin::name).collect();
        output::line(&format!("{} time bins:", names.len()))?;
        listed(names.iter())?;
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
        show_images(images)?;
    }
    for notice in &report.notices {
        output::line(&format!("notice: {notice}"))?;
    }
    show_problems(report)
}

fn show_assembly(assembly: &AssemblyReport) -> Result<(), CommandError> {
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
        table.add_row(region_row(region));
    }
    output::print_table(&table)
}

fn region_row(region: &RegionReport) -> [String; 9] {
    let noise = region.noise.as_ref();
    [
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
        noise.map_or_else(
            || "–".to_owned(),
            |noise| {
                format!(
                    "{:.2} to {:.2}, median {:.2}",
                    noise.ceiling_min, noise.ceiling_max, noise.ceiling_median
                )
            },
        ),
        output::score(noise.and_then(|noise| noise.noise_floor)),
    ]
}

fn show_images(images: &ImagesReport) -> Result<(), CommandError> {
    let counts = |counts: &BTreeMap<String, usize>| {
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
    if !images.duplicates.is_empty() {
        output::line("the same picture under several ids:")?;
        listed(images.duplicates.iter().map(|ids| ids.join(" = ")))?;
    }
    Ok(())
}

fn show_problems(report: &Report) -> Result<(), CommandError> {
    match report.problems.len() {
        0 => return output::line("nothing is wrong"),
        n => output::line(&format!("{n} problem{}:", if n == 1 { "" } else { "s" }))?,
    }
    listed(report.problems.iter())?;
    let mut shown: Vec<&str> = Vec::new();
    for hint in report.hints.iter().take(MISTAKES_LISTED) {
        if !hint.is_empty() && !shown.contains(&hint.as_str()) {
            output::line(&format!("hint: {hint}"))?;
            shown.push(hint);
        }
    }
    Ok(())
}

/// Prints one line for each; if there are many, only the first ones.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_and_the_docs_name_every_extension() {
        let docs = include_str!("../docs/recordings.md");
        let help = check_help();
        for format in &FORMATS {
            for extension in format.format.extensions() {
                assert!(
                    help.contains(&format!(".{extension}")),
                    "{extension}: {help}"
                );
                assert!(docs.contains(&format!("`.{extension}`")), "{extension}");
            }
        }
    }
}
