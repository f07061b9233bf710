//! What a check reports: plain numbers and words, as JSON has them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::Serialize;

use crate::recording::assembly::Assembly;
use crate::recording::average::Cells;
use crate::recording::bins::TimeBin;
use crate::recording::ceiling::{Noise, NoiseReport};
use crate::recording::site::Site;
use crate::statistics::median;

/// What the given files hold, and what is wrong with them.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// The assembly, where one was given and could be read.
    pub assembly: Option<AssemblyReport>,
    /// The stimulus set, where one was given and could be read.
    pub stimuli: Option<StimuliReport>,
    /// The images, where some were given and could be listed.
    pub images: Option<ImagesReport>,
    /// Whose the sites are, in the order of the file; empty where it does not say it.
    pub subjects: Vec<String>,
    /// Every site of the responses.
    pub sites: Vec<Site>,
    /// Every time bin of the responses; empty where they have none.
    pub time_bins: Vec<TimeBin>,
    /// How often the stimuli were shown, where responses could be read.
    pub repetitions: Option<RepetitionsReport>,
    /// What keeps these files from being used, in words; empty when all is well.
    pub problems: Vec<String>,
    /// What to do about each of the problems, in their order; empty where there is nothing to say.
    pub hints: Vec<String>,
    /// What the user should know although nothing is wrong.
    pub notices: Vec<String>,
}

/// What an assembly holds.
#[derive(Debug, Serialize)]
pub struct AssemblyReport {
    /// The file.
    pub path: PathBuf,
    /// How many different stimuli were shown.
    pub stimuli: usize,
    /// How many presentations there are, repetitions counted.
    pub presentations: usize,
    /// Its regions, in the order of the file.
    pub regions: Vec<RegionReport>,
}

/// How often stimuli were shown.
#[derive(Debug, Serialize)]
pub struct RepetitionsReport {
    /// Fewest presentations of a stimulus.
    pub min: usize,
    /// Median of them.
    pub median: f64,
    /// Most presentations of a stimulus.
    pub max: usize,
    /// The different repetition numbers of the file, sorted; empty where it has none.
    pub labels: Vec<String>,
}

/// What an assembly holds of one region.
#[derive(Debug, Serialize)]
pub struct RegionReport {
    /// Its name, as the file spells it.
    pub region: String,
    /// How many sites it has.
    pub sites: usize,
    /// Fewest recorded repetitions of a stimulus.
    pub repetitions_min: usize,
    /// Median of them.
    pub repetitions_median: f64,
    /// Most recorded repetitions of a stimulus.
    pub repetitions_max: usize,
    /// Missing (NaN) values among all presentations and sites.
    pub missing_values: usize,
    /// The same as a fraction, 0 to 1.
    pub missing_fraction: f64,
    /// Pairs of stimulus and site without any value.
    pub empty_cells: usize,
    /// Mean of all recorded values, in the file's own units.
    pub mean: f64,
    /// Standard deviation of all recorded values (divisor n).
    pub sd: f64,
    /// What the repetitions say about noise; absent where no stimulus was repeated.
    pub noise: Option<NoiseReport>,
}

/// What a stimulus set holds.
#[derive(Debug, Serialize)]
pub struct StimuliReport {
    /// The file.
    pub path: PathBuf,
    /// How many stimuli it lists.
    pub stimuli: usize,
    /// Its columns.
    pub columns: Vec<String>,
}

/// What a zip or folder of images holds.
#[derive(Debug, Serialize)]
pub struct ImagesReport {
    /// The zip or folder.
    pub path: PathBuf,
    /// How many files are in it.
    pub files: usize,
    /// How many were decoded: the stimuli's, or all where no stimulus set was given.
    pub readable: usize,
    /// How often each size occurs, as `WIDTHxHEIGHT`.
    pub sizes: BTreeMap<String, usize>,
    /// How often each pixel format occurs.
    pub modes: BTreeMap<String, usize>,
    /// The pictures that several stimuli show, each with their ids; where no stimulus set was given,
    /// with the files.
    pub duplicates: Vec<Vec<String>>,
}

/// How often each of `stimuli` was shown; `None` where there is none.
pub(super) fn repetitions_report(
    assembly: &Assembly,
    stimulus_of: &[usize],
    stimuli: usize,
) -> Option<RepetitionsReport> {
    let mut shown = vec![0_usize; stimuli];
    for &stimulus in stimulus_of {
        shown[stimulus] += 1;
    }
    let mut sorted: Vec<f64> = shown.iter().map(|&times| times as f64).collect();
    let labels = assembly.repetitions.iter();
    let labels = labels.flat_map(|labels| labels.ranks().into_iter().zip(&labels.words));
    let labels: BTreeSet<(usize, &String)> = labels.collect();
    let labels = labels.into_iter().map(|(_, label)| label.clone()).collect();
    Some(RepetitionsReport {
        min: shown.iter().copied().min()?,
        median: median(&mut sorted)?,
        max: shown.iter().copied().max()?,
        labels,
    })
}

pub(super) fn region_report(region: String, cells: &Cells, noise: Option<&Noise>) -> RegionReport {
    let repetitions = &cells.repetitions;
    let mut sorted: Vec<f64> = repetitions.iter().map(|&of| of as f64).collect();
    let repetitions_median = median(&mut sorted).unwrap_or(0.0);
    let recorded = cells.recorded as f64;
    let mean = if cells.recorded > 0 {
        cells.total / recorded
    } else {
        f64::NAN
    };
    let variance = (cells.total_squares / recorded - mean * mean).max(0.0);
    let all = cells.recorded + cells.missing;
    RegionReport {
        region,
        sites: cells.sites.len(),
        repetitions_min: repetitions.iter().copied().min().unwrap_or(0),
        repetitions_median,
        repetitions_max: repetitions.iter().copied().max().unwrap_or(0),
        missing_values: cells.missing,
        missing_fraction: cells.missing as f64 / all.max(1) as f64,
        empty_cells: cells.counts.iter().filter(|count| **count == 0).count(),
        mean,
        sd: if mean.is_nan() {
            f64::NAN
        } else {
            variance.sqrt()
        },
        noise: noise.and_then(Noise::report),
    }
}
