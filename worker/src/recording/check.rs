//! Checking recordings before they are used: what is in the files, and everything wrong with them.
//!
//! Goes on past the first problem and prints nothing; the caller shows the report.

mod report;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use miette::Diagnostic;
use nrp_proto::sweep::Ceiling;
use rayon::prelude::*;

use super::assembly::{Assembly, Contents};
use super::average::Cells;
use super::ceiling;
use super::duplicates::{self, Duplicates, Pixels};
use super::error::RecordingError;
use super::formats::{self, Asked, Brought, Opened};
use super::images::{Entry, Images, Picture};
use super::layout::Layout;
use super::pictures::clipped_notice;
use super::region::{Part, chosen};
use super::stimuli::{Stimulus, StimulusSet};
use super::subjects;
use super::words::{counted, some_of};
use super::{STIMULUS_SETS, unlisted};
use report::{region_report, repetitions_report};

pub use report::{
    AssemblyReport, ImagesReport, RegionReport, RepetitionsReport, Report, StimuliReport,
};

/// Reads the given files, in any order: responses in one of the [`formats`](super::FORMATS), their
/// stimulus set (`.csv`) and their images (`.zip` or a folder), or some of these. Reports what they hold
/// and everything that is wrong with them. Of the responses, those of `regions` are read, or all if none is named.
///
/// # Errors
/// When no file is given, or two of one kind. Everything else is a problem in the report.
pub fn check(
    paths: &[PathBuf],
    layout: &Layout,
    regions: &[String],
) -> Result<Report, RecordingError> {
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
        report.take_whole(path, layout, regions, &given);
        return Ok(report);
    }
    let stimuli = given
        .get(&Kind::Stimuli)
        .map(|path| StimulusSet::open(path));
    let stimuli = stimuli.and_then(|opened| report.kept(opened));
    let assembly = given.get(&Kind::Responses).and_then(|path| {
        let opened = report.opened(&Asked {
            path,
            layout,
            stimuli: stimuli.as_ref(),
            variations: &[],
            regions,
            kept: None,
        });
        opened.map(|opened| opened.assembly)
    });
    let images = given.get(&Kind::Images).map(|path| Images::open(path));
    let images = images.and_then(|opened| report.kept(opened));

    if !given.contains_key(&Kind::Stimuli) && given.len() > 1 {
        let notice =
            "without the stimulus set (.csv) it is not known whether every stimulus has its image";
        report.notices.push(notice.to_owned());
    }
    if let Some(assembly) = &assembly {
        report.take_assembly(assembly, regions, &layout.ceiling);
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

    /// Opens responses. What the file has is reported also where they cannot be read as asked.
    fn opened(&mut self, asked: &Asked<'_>) -> Option<Opened> {
        let opened = formats::open(asked);
        if opened.is_err()
            && let Some(contents) = formats::contents(asked)
        {
            self.take_contents(&contents);
        }
        self.kept(opened)
    }

    fn take_contents(&mut self, contents: &Contents) {
        self.subjects = subjects::of_sites(&contents.sites);
        self.sites.clone_from(&contents.sites);
        self.time_bins.clone_from(&contents.time_bins);
    }

    fn take_assembly(&mut self, assembly: &Assembly, regions: &[String], ceiling: &Ceiling) {
        self.notices.extend(assembly.notices());
        self.take_contents(&assembly.contents);
        let mut rows: HashMap<&str, usize> = HashMap::new();
        let stimulus_of: Vec<usize> = assembly
            .shown
            .iter()
            .map(|id| {
                let next = rows.len();
                *rows.entry(id.as_str()).or_insert(next)
            })
            .collect();
        self.repetitions = repetitions_report(assembly, &stimulus_of, rows.len());
        if let Err(error) = assembly.refuse_named_twice() {
            self.problem(&error);
        }
        let recordings = format!("`{}`", assembly.path.display());
        let chosen = chosen(regions, &assembly.parts, &recordings);
        let chosen = self.kept(chosen).unwrap_or_default();
        let (mut regions, mut has_ceilings) = (Vec::new(), true);
        for region in chosen.iter().map(Part::name) {
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
            // A ceiling that cannot be measured as asked is a problem, and says why.
            has_ceilings &= !matches!(noise, Ok(None));
            let noise = self.kept(noise).flatten();
            regions.push(region_report(region, &cells, noise.as_ref()));
        }
        self.notices.extend(ceiling::notice(ceiling, has_ceilings));
        self.assembly = Some(AssemblyReport {
            path: assembly.path.clone(),
            stimuli: rows.len(),
            presentations: assembly.shown.len(),
            regions,
        });
    }

    /// Takes in a file that brings its stimuli and images, of all variation levels.
    fn take_whole(
        &mut self,
        path: &Path,
        layout: &Layout,
        regions: &[String],
        given: &BTreeMap<Kind, &Path>,
    ) {
        for (kind, extra) in given.iter().filter(|(kind, _)| **kind != Kind::Whole) {
            self.problem(&RecordingError::Superfluous {
                path: path.to_owned(),
                extra: (*extra).to_owned(),
                kind: kind.in_words(),
            });
        }
        let Some(opened) = self.opened(&Asked {
            path,
            layout,
            stimuli: None,
            variations: &[],
            regions,
            kept: None,
        }) else {
            return;
        };
        self.take_assembly(&opened.assembly, regions, &Ceiling::default());
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

#[cfg(test)]
mod tests;
