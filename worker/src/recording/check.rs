//! Checking recordings before they are used: what is in the files, and everything wrong with them.
//!
//! Goes on past the first problem and prints nothing; the caller shows the report.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use miette::Diagnostic;
use nrp_proto::sweep::Ceiling;
use rayon::prelude::*;
use serde::Serialize;

use super::assembly::Assembly;
use super::average::Cells;
use super::ceiling::{self, Noise, NoiseReport};
use super::duplicates::{self, Duplicates, Pixels};
use super::error::RecordingError;
use super::formats::{self, Asked, Brought};
use super::images::{Entry, Images, Picture};
use super::layout::Layout;
use super::pictures::clipped_notice;
use super::stimuli::{Stimulus, StimulusSet};
use super::words::{counted, some_of};
use super::{STIMULUS_SETS, unlisted};
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

/// Reads the given files, in any order: responses in one of the [`formats`](super::FORMATS), their
/// stimulus set (`.csv`) and their images (`.zip` or a folder), or some of these. Reports what they hold
/// and everything that is wrong with them.
///
/// # Errors
/// When no file is given, or two of one kind. Everything else is a problem in the report.
pub fn check(paths: &[PathBuf], layout: &Layout) -> Result<Report, RecordingError> {
    if paths.is_empty() {
        return Err(RecordingError::Nothing);
    }
    let mut report = Report::default();
    let mut given: BTreeMap<Kind, &Path> = BTreeMap::new();
    for path in paths {
        match kind(path) {
            Ok(kind) => {
                if let Some(first) = given.insert(kind, path) {
                    return Err(RecordingError::TwoOfAKind {
                        kind: kind.in_words(),
                        first: first.to_owned(),
                        second: path.clone(),
                    });
                }
            }
            Err(error) => report.problem(&error),
        }
    }
    if let Some(path) = given.get(&Kind::Whole) {
        report.take_whole(path, layout, &given);
        return Ok(report);
    }
    let stimuli = given
        .get(&Kind::Stimuli)
        .map(|path| StimulusSet::open(path));
    let stimuli = stimuli.and_then(|opened| report.kept(opened));
    let assembly = given.get(&Kind::Responses).map(|path| {
        formats::open(&Asked {
            path,
            layout,
            stimuli: stimuli.as_ref(),
            variations: &[],
        })
    });
    let assembly = assembly.and_then(|opened| report.kept(opened));
    let assembly = assembly.map(|opened| opened.assembly);
    let images = given.get(&Kind::Images).map(|path| Images::open(path));
    let images = images.and_then(|opened| report.kept(opened));

    if !given.contains_key(&Kind::Stimuli) && given.len() > 1 {
        let notice =
            "without the stimulus set (.csv) it is not known whether every stimulus has its image";
        report.notices.push(notice.to_owned());
    }
    if let Some(assembly) = &assembly {
        report.take_assembly(assembly, &layout.ceiling);
    }
    if let Some(set) = &stimuli {
        report.take_stimuli(set, assembly.as_ref());
    }
    if let Some(images) = &images {
        report.take_images(images, stimuli.as_ref(), assembly.as_ref());
    }
    Ok(report)
}

/// What a file is to be checked as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Responses,
    /// Responses, stimuli and images in one.
    Whole,
    Stimuli,
    Images,
}

impl Kind {
    fn in_words(self) -> &'static str {
        match self {
            Self::Responses | Self::Whole => "responses",
            Self::Stimuli => STIMULUS_SETS,
            Self::Images => "images",
        }
    }
}

fn kind(path: &Path) -> Result<Kind, RecordingError> {
    if path.is_dir() {
        return Ok(Kind::Images);
    }
    let extension = path.extension().and_then(|extension| extension.to_str());
    match extension.map(str::to_ascii_lowercase).as_deref() {
        Some("csv" | "tsv" | "tab" | "txt") => Ok(Kind::Stimuli),
        Some("zip") => Ok(Kind::Images),
        Some(_) | None => {
            let format = formats::format(path)?.format;
            Ok(if format.brings_stimuli() {
                Kind::Whole
            } else {
                Kind::Responses
            })
        }
    }
}

impl Report {
    fn problem(&mut self, error: &RecordingError) {
        self.problems.push(error.in_full());
        let hint = error.help().map(|hint| hint.to_string());
        self.hints.push(hint.unwrap_or_default());
    }

    fn kept<T>(&mut self, opened: Result<T, RecordingError>) -> Option<T> {
        opened.map_err(|error| self.problem(&error)).ok()
    }

    fn take_assembly(&mut self, assembly: &Assembly, ceiling: &Ceiling) {
        self.notices.extend(assembly.notices());
        let mut rows: HashMap<&str, usize> = HashMap::new();
        let stimulus_of: Vec<usize> = assembly
            .shown
            .iter()
            .map(|id| {
                let next = rows.len();
                *rows.entry(id.as_str()).or_insert(next)
            })
            .collect();
        let mut names = HashSet::new();
        let twice = assembly
            .sites
            .iter()
            .filter(|site| !names.insert(site.as_str()))
            .cloned();
        let (twice, count) = some_of(twice);
        if count > 0 {
            self.problem(&RecordingError::SitesNamedTwice {
                path: assembly.path.clone(),
                sites: twice,
                count,
            });
        }
        let mut regions = Vec::new();
        for region in assembly.region_names() {
            let cells = Cells::gather(assembly, &region, &stimulus_of, rows.len());
            for refusal in [
                cells.refuse_infinite(assembly),
                cells.refuse_silent(assembly),
            ] {
                if let Err(error) = refusal {
                    self.problem(&error);
                }
            }
            let noise = cells.noise(assembly, &region, &stimulus_of, ceiling);
            let noise = self.kept(noise).flatten();
            regions.push(region_report(region, &cells, noise.as_ref()));
        }
        let has_ceilings = regions.iter().all(|region| region.noise.is_some());
        self.notices.extend(ceiling::notice(ceiling, has_ceilings));
        self.assembly = Some(AssemblyReport {
            path: assembly.path.clone(),
            stimuli: rows.len(),
            presentations: assembly.shown.len(),
            regions,
        });
    }

    /// Takes in a file that brings its stimuli and images, of all variation levels.
    fn take_whole(&mut self, path: &Path, layout: &Layout, given: &BTreeMap<Kind, &Path>) {
        for (kind, extra) in given.iter().filter(|(kind, _)| **kind != Kind::Whole) {
            self.problem(&RecordingError::Superfluous {
                path: path.to_owned(),
                extra: (*extra).to_owned(),
                kind: kind.in_words(),
            });
        }
        let opened = formats::open(&Asked {
            path,
            layout,
            stimuli: None,
            variations: &[],
        });
        let Some(opened) = self.kept(opened) else {
            return;
        };
        self.take_assembly(&opened.assembly, &Ceiling::default());
        let Some(Brought { set, images }) = opened.brought else {
            return;
        };
        self.take_stimuli(&set, Some(&opened.assembly));
        let stimuli = set.stimuli.par_iter().enumerate();
        let decoded = stimuli.map(|(index, stimulus)| {
            let seen = images.picture(index).map(Seen::of);
            (stimulus.id.clone(), seen)
        });
        self.take_decoded(path, images.len(), decoded.collect());
    }

    fn take_stimuli(&mut self, set: &StimulusSet, assembly: Option<&Assembly>) {
        if let Some(assembly) = assembly {
            let listed: HashSet<&str> = set.stimuli.iter().map(|s| s.id.as_str()).collect();
            let (ids, count) = some_of(unlisted(assembly, |id| listed.contains(id)));
            if count > 0 {
                self.problem(&RecordingError::NotListed {
                    assembly: assembly.path.clone(),
                    stimuli: set.path.clone(),
                    ids,
                    count,
                });
            }
            self.notices.extend(set.never_shown(&assembly.shown));
        }
        self.stimuli = Some(StimuliReport {
            path: set.path.clone(),
            stimuli: set.stimuli.len(),
            columns: set
                .stimuli
                .first()
                .map_or(Vec::new(), |s| s.labels.keys().cloned().collect()),
        });
    }

    fn take_images(
        &mut self,
        images: &Images,
        set: Option<&StimulusSet>,
        assembly: Option<&Assembly>,
    ) {
        let wanted: Vec<(Entry, String)> = match set {
            Some(set) => {
                let shown: Option<HashSet<&str>> =
                    assembly.map(|assembly| assembly.shown.iter().map(String::as_str).collect());
                let needed = |stimulus: &&Stimulus| {
                    shown
                        .as_ref()
                        .is_none_or(|shown| shown.contains(stimulus.id.as_str()))
                };
                self.found_images(images, set.stimuli.iter().filter(needed))
            }
            None => {
                let entries = images.entries().iter();
                entries
                    .map(|entry| (entry.clone(), entry.file.clone()))
                    .collect()
            }
        };
        let decoded = wanted.into_par_iter().map(|(entry, stimulus)| {
            let seen = images.decode(&entry, &stimulus).map(Seen::of);
            (stimulus, seen)
        });
        let decoded = decoded.collect();
        self.take_decoded(&images.path, images.len(), decoded);
    }

    fn take_decoded(
        &mut self,
        path: &Path,
        files: usize,
        decoded: Vec<(String, Result<Seen, RecordingError>)>,
    ) {
        let (mut sizes, mut modes) = (BTreeMap::new(), BTreeMap::<String, usize>::new());
        let mut readable = 0;
        let (mut shown_by, mut pixels) = (Vec::new(), Vec::new());
        for (stimulus, image) in decoded {
            match image {
                Ok(seen) => {
                    readable += 1;
                    shown_by.push(stimulus);
                    pixels.push(seen.pixels);
                    *sizes.entry(seen.size).or_default() += 1;
                    *modes.entry(seen.mode).or_default() += 1;
                }
                Err(error) => self.problem(&error),
            }
        }
        if let Some(deep) = modes.get("L16") {
            let notice = clipped_notice(*deep);
            self.notices.push(format!("`{}`: {notice}", path.display()));
        }
        let duplicates = self.found_duplicates(path, &Duplicates::among(&pixels), &shown_by);
        self.images = Some(ImagesReport {
            path: path.to_owned(),
            files,
            readable,
            sizes,
            modes,
            duplicates,
        });
    }

    /// Says which pictures several of `shown_by` show.
    fn found_duplicates(
        &mut self,
        path: &Path,
        duplicates: &Duplicates,
        shown_by: &[String],
    ) -> Vec<Vec<String>> {
        let pictures = duplicates.groups.len();
        if pictures > 0 {
            let all = counted(pictures, "picture");
            let stimuli = duplicates.stimuli();
            self.notices.push(format!(
                "`{}`: {all} shown under several ids, {stimuli} in all: a split keeps the ids of one \
                 picture together, unless `[split] duplicates = \"ignored\"`",
                path.display()
            ));
        }
        let named = |group: &Vec<usize>| group.iter().map(|&at| shown_by[at].clone()).collect();
        duplicates.groups.iter().map(named).collect()
    }

    fn found_images<'s>(
        &mut self,
        images: &Images,
        stimuli: impl Iterator<Item = &'s Stimulus>,
    ) -> Vec<(Entry, String)> {
        let matched = images.matched(stimuli);
        for error in &matched.errors {
            self.problem(error);
        }
        let images = matched.images.into_iter();
        images
            .map(|(entry, stimulus)| (entry, stimulus.id.clone()))
            .collect()
    }
}

/// What is reported of one image; its pixels are not kept.
struct Seen {
    size: String,
    mode: String,
    pixels: Pixels,
}

impl Seen {
    fn of(picture: Picture) -> Self {
        Self {
            size: format!("{}x{}", picture.rgb.width(), picture.rgb.height()),
            mode: picture.mode,
            pixels: duplicates::pixels(&picture.rgb),
        }
    }
}

fn region_report(region: String, cells: &Cells, noise: Option<&Noise>) -> RegionReport {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::tests::{Files, real, testdata};

    fn in_brief(region: &RegionReport) -> String {
        format!(
            "{}: {} sites, repetitions {} {} {}, missing {} ({:.4}), {} empty, {:.4} +- {:.4}",
            region.region,
            region.sites,
            region.repetitions_min,
            region.repetitions_median,
            region.repetitions_max,
            region.missing_values,
            region.missing_fraction,
            region.empty_cells,
            region.mean,
            region.sd,
        )
    }

    #[test]
    fn reports_what_is_in_the_files_in_any_order() {
        let files = Files::new();
        let paths = [
            files.images(),
            testdata("newer-netcdf4.nc"),
            files.stimuli(),
        ];
        let report = check(&paths, &Layout::evident()).expect("a report");
        assert_eq!(report.problems, Vec::<String>::new());
        let assembly = report.assembly.expect("an assembly");
        assert_eq!((assembly.stimuli, assembly.presentations), (4, 12));
        let regions: Vec<String> = assembly.regions.iter().map(in_brief).collect();
        // The numbers are NumPy's, of the table in make_assemblies.py.
        insta::assert_snapshot!(regions.join("\n"), @r"
        V4: 3 sites, repetitions 3 3 3, missing 1 (0.0278), 0 empty, 11.5543 +- 8.3540
        IT: 2 sites, repetitions 3 3 3, missing 0 (0.0000), 0 empty, 36.6000 +- 5.1241
        ");
        let images = report.images.expect("images");
        assert_eq!(images.sizes, BTreeMap::from([("2x3".to_owned(), 4)]));
        assert_eq!(images.modes, BTreeMap::from([("Rgb8".to_owned(), 4)]));
        assert_eq!(
            report.stimuli.expect("stimuli").columns,
            ["filename", "object_name", "stimulus_id"]
        );
    }

    #[test]
    fn collects_every_problem() {
        let files = Files::new();
        files.write_stimuli("stimulus_id,filename\ns0,s0.png\ns1,nowhere.png\ns2,words.png\nx,y\n");
        files.write_image("words.png", b"<html>no</html>");
        files.remove_image("s1.png");
        let paths = [testdata("silent-site.nc"), files.stimuli(), files.images()];
        let report = check(&paths, &Layout::evident()).expect("a report");
        let problems = report.problems.join("\n").replace(&files.root(), "");
        let problems = problems.replace(testdata("").to_str().expect("a path"), "");
        insta::assert_snapshot!(problems, @r#"
        `silent-site.nc`: 1 site recorded nothing (all values are NaN): `b2`
        1 stimulus of `silent-site.nc` not in `stimuli.csv`: `s3`
        `images` has no image of 1 stimulus: `s1 (nowhere.png)`
        `images`: `words.png` of stimulus `s2` is not an image: The image format could not be determined; it starts with the text "<html>no</html>"
        "#);
        assert_eq!(report.notices.len(), 1, "x was never shown");
        assert_eq!(report.images.expect("images").readable, 1);
    }

    #[test]
    fn what_cannot_be_opened_is_a_problem_and_the_rest_is_reported() {
        let files = Files::new();
        let paths = [
            PathBuf::from("gone.nc"),
            files.stimuli(),
            PathBuf::from("lab.pkl"),
        ];
        let report = check(&paths, &Layout::evident()).expect("a report");
        assert!(report.assembly.is_none() && report.stimuli.is_some());
        insta::assert_snapshot!(report.problems.join("\n"), @r"
        `lab.pkl` is not a file of recordings
        cannot read `gone.nc`: No such file or directory (os error 2)
        ");
        assert!(matches!(
            check(&[], &Layout::evident()),
            Err(RecordingError::Nothing)
        ));
        let twice = [files.stimuli(), files.stimuli()];
        assert!(matches!(
            check(&twice, &Layout::evident()),
            Err(RecordingError::TwoOfAKind { .. })
        ));
    }

    #[test]
    fn the_real_recordings_are_sound() {
        for (set, sites, stimuli, presentations) in
            [("v4-201025", 89, 1200, 1200), ("v4-210325", 50, 640, 4840)]
        {
            let Some(paths) = real(set) else { return };
            let report = check(&paths, &Layout::evident()).expect("a report");
            assert_eq!(report.problems, Vec::<String>::new());
            let assembly = report.assembly.expect("an assembly");
            assert_eq!(
                (assembly.stimuli, assembly.presentations),
                (stimuli, presentations)
            );
            assert_eq!(assembly.regions[0].sites, sites);
            let images = report.images.expect("images");
            assert_eq!(
                images.sizes,
                BTreeMap::from([("112x112".to_owned(), stimuli)])
            );
        }
    }
}
