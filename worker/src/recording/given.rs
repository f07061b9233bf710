//! Train and test recordings: two files of responses of the same sites to different stimuli, taken as one set of
//! recordings. The stimuli that train come first; the repetitions of those that test make the ceiling.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use miette::Diagnostic;
use thiserror::Error;

use super::assembly::Assembly;
use super::bins::{BinChoice, Bins};
use super::error::RecordingError;
use super::formats::{self, Asked};
use super::images::{Header, Images, Picture};
use super::pictures::Pictures;
use super::ranks::Labels;
use super::site::SiteKey;
use super::site_filter::Verdict;
use super::source::Files;
use super::stimuli::{Stimulus, StimulusSet};
use super::words::{counted, named, some_of};
use super::{Recordings, STIMULUS_SETS, Stored, unlisted};

/// Why two files are not train and test recordings.
#[derive(Debug, Error, Diagnostic)]
pub enum GivenError {
    /// A stimulus both trains and tests.
    #[error("{} both in the train and in the test recordings: {}", counted(*count, "stimulus"), named(ids, *count))]
    #[diagnostic(help(
        "a stimulus either trains or tests: leave it out of one of the two stimulus sets, or of one of the assemblies"
    ))]
    InBoth {
        /// Some of them.
        ids: Vec<String>,
        /// How many there are.
        count: usize,
    },
    /// The bin that is read is another time in each file.
    #[error("the time bin is {of_train} in `{}` and {of_test} in `{}`", train.display(), test.display())]
    #[diagnostic(help("choose by time, with `time_bin`, or save the same bins in both files"))]
    BinsUnlike {
        /// When it is in the file that trains.
        of_train: String,
        /// When it is in the file that tests.
        of_test: String,
        /// The file that trains.
        train: PathBuf,
        /// The file that tests.
        test: PathBuf,
    },
    /// A site is in one file alone.
    #[error("{} of `{}` not in `{}`: {}", counted(*count, "site"), has.display(), lacks.display(), named(sites, *count))]
    #[diagnostic(help(
        "both files must have the same sites, in any order, each by its subject, id and region: choose those that both have by `sites`, or save them alone"
    ))]
    SitesUnlike {
        /// The file that has them.
        has: PathBuf,
        /// The file that does not.
        lacks: PathBuf,
        /// Some of them.
        sites: Vec<String>,
        /// How many there are.
        count: usize,
    },
}

/// Pictures of two sets of stimuli, one after the other.
struct Both([Stored; 2]);

impl Both {
    fn at(&self, index: usize) -> (&Stored, usize) {
        let [train, test] = &self.0;
        match index.checked_sub(train.len()) {
            None => (train, index),
            Some(index) => (test, index),
        }
    }
}

impl Pictures for Both {
    fn len(&self) -> usize {
        self.0.iter().map(Stored::len).sum()
    }

    fn picture(&self, index: usize) -> Result<Picture, RecordingError> {
        let (stored, index) = self.at(index);
        stored.picture(index)
    }

    fn header(&self, index: usize) -> Result<Header, RecordingError> {
        let (stored, index) = self.at(index);
        stored.header(index)
    }
}

/// One of the two, with the stimuli that it shows, in the order of its stimulus set.
struct Half {
    assembly: Assembly,
    shown: StimulusSet,
    /// Where these stand in the stimulus set, and how many that has.
    lines: Vec<usize>,
    listed: usize,
    notices: Vec<String>,
}

/// Reads train and test recordings.
///
/// # Errors
/// As [`Recordings::open`], and when a stimulus or a site is not where it must be.
pub(super) fn open(
    train: &Files,
    test: &Files,
    regions: &[String],
) -> Result<Recordings, RecordingError> {
    let sets = [
        StimulusSet::open(&train.stimuli)?,
        StimulusSet::open(&test.stimuli)?,
    ];
    let [of_train, of_test] = &sets;
    let (kept, notices) = kept(
        &asked(train, of_train, regions, None),
        &asked(test, of_test, regions, None),
    )?
    .unzip();
    // Of one file that holds both, each stimulus set chooses its own.
    let chooses = train.assembly == test.assembly;
    let [of_train, of_test] = sets;
    let is_one_set = train.stimuli == test.stimuli;
    let half = |files: &Files, set: StimulusSet| {
        let asked = asked(files, &set, regions, kept.as_ref());
        let opened = formats::open(&asked)?;
        if opened.brought.is_some() {
            return Err(RecordingError::Superfluous {
                path: files.assembly.clone(),
                extra: files.stimuli.clone(),
                kind: STIMULUS_SETS,
            });
        }
        Half::of(opened.assembly, set, chooses)
    };
    let (train_half, test_half) = (half(train, of_train)?, half(test, of_test)?);
    refuse_in_both(&train_half.shown, &test_half.shown)?;
    let (of_train, of_test) = (bins(&train_half.assembly), bins(&test_half.assembly));
    refuse_other_times(test.layout.bins.as_ref(), of_train, of_test)?;
    let stored = |files: &Files, shown: &StimulusSet| -> Result<Stored, RecordingError> {
        Stored::of(Images::open(&files.images)?, &shown.stimuli)
    };
    let pictures = Both([
        stored(train, &train_half.shown)?,
        stored(test, &test_half.shown)?,
    ]);
    let of_train = train_half.shown.stimuli.len();
    let (mut lines, mut listed) = (train_half.lines, train_half.listed);
    let offset = if is_one_set { 0 } else { listed };
    lines.extend(test_half.lines.iter().map(|line| offset + line));
    listed = listed.max(offset + test_half.listed);
    let mut stimuli = train_half.shown.stimuli;
    stimuli.extend(test_half.shown.stimuli);
    let set = StimulusSet {
        path: train_half.shown.path,
        stimuli,
    };
    let test_axes = test_half.assembly.axes.clone();
    let train_ceilings = train_half.assembly.ceilings.is_some();
    let is_train_asked = train_ceilings && test_half.assembly.ceilings.is_none();
    let mut assembly = joined(train_half.assembly, test_half.assembly)?;
    let told = notices.into_iter().flatten();
    let told = told.chain(train_half.notices).chain(test_half.notices);
    for notice in told {
        if !assembly.notices.contains(&notice) {
            assembly.notices.push(notice);
        }
    }
    let ceiling = &test.layout.ceiling;
    let recordings =
        Recordings::from_files(&assembly, set, regions, ceiling, |_| Ok(Box::new(pictures)));
    let recordings = recordings.map_err(|error| match error {
        // The coordinate is the train file's, as the other has none.
        RecordingError::Ceiling { region, source, .. } if is_train_asked => {
            let path = assembly.path.clone();
            RecordingError::Ceiling {
                path,
                region,
                source,
            }
        }
        other => other,
    })?;
    Ok(Recordings {
        lines,
        listed,
        test_axes,
        trains: Some(of_train),
        ..recordings
    })
}

fn asked<'a>(
    files: &'a Files,
    set: &'a StimulusSet,
    regions: &'a [String],
    kept: Option<&'a HashSet<SiteKey>>,
) -> Asked<'a> {
    Asked {
        path: &files.assembly,
        layout: &files.layout,
        stimuli: Some(set),
        variations: &[],
        regions,
        kept,
    }
}

/// Sites, and notices.
type Kept = (HashSet<SiteKey>, Vec<String>);

/// The sites that a filter keeps, with notices; none without a filter.
fn kept(train: &Asked<'_>, test: &Asked<'_>) -> Result<Option<Kept>, RecordingError> {
    if test.layout.filter.is_none() {
        return Ok(None);
    }
    let (train, test) = (formats::verdict(train)?, formats::verdict(test)?);
    let both = train.zip(test);
    let kept = both.map(|(train, test)| Verdict::passing_in_both(&train, &test));
    Ok(kept.transpose()?)
}

impl Half {
    /// The presentations of the stimuli that `set` lists. Others are an error, unless the set `chooses`.
    fn of(mut assembly: Assembly, set: StimulusSet, chooses: bool) -> Result<Self, RecordingError> {
        let ids: HashSet<&str> = set
            .stimuli
            .iter()
            .map(|stimulus| stimulus.id.as_str())
            .collect();
        let mut notices = Vec::new();
        let others = unlisted(&assembly, |id| ids.contains(id));
        let (some, count) = some_of(others);
        let all: HashSet<&String> = assembly.shown.iter().collect();
        if count > 0 && chooses && count < all.len() {
            notices.push(format!(
                "`{}` chooses {} of {} in `{}`",
                set.path.display(),
                all.len() - count,
                counted(all.len(), "stimulus"),
                assembly.path.display()
            ));
            assembly.keep_presentations(|id| ids.contains(id));
        } else if count > 0 {
            return Err(RecordingError::NotListed {
                assembly: assembly.path.clone(),
                stimuli: set.path.clone(),
                ids: some,
                count,
            });
        }
        notices.extend(set.never_shown(&assembly.shown));
        let shown: HashSet<&str> = assembly.shown.iter().map(String::as_str).collect();
        let listed = set.stimuli.len();
        let stimuli = set.stimuli.into_iter().enumerate();
        let (lines, stimuli): (Vec<usize>, Vec<Stimulus>) = stimuli
            .filter(|(_, stimulus)| shown.contains(stimulus.id.as_str()))
            .unzip();
        Ok(Self {
            shown: StimulusSet {
                path: set.path,
                stimuli,
            },
            assembly,
            lines,
            listed,
            notices,
        })
    }
}

fn refuse_in_both(train: &StimulusSet, test: &StimulusSet) -> Result<(), GivenError> {
    let of_train: HashSet<&str> = train.stimuli.iter().map(|of| of.id.as_str()).collect();
    let ids = test.stimuli.iter().map(|of| &of.id);
    let (ids, count) = some_of(ids.filter(|id| of_train.contains(id.as_str())).cloned());
    match count {
        0 => Ok(()),
        count => Err(GivenError::InBoth { ids, count }),
    }
}

/// Refuses the one bin that is read of each file, if they are at different times.
fn refuse_other_times(
    choice: Option<&BinChoice>,
    train: Bins<'_>,
    test: Bins<'_>,
) -> Result<(), RecordingError> {
    let (of_train, of_test) = match (choice, train.bins, test.bins) {
        (None, [of_train], [of_test]) => (of_train, of_test),
        (Some(BinChoice::Id(id)), of_train, of_test) => {
            (&of_train[train.of_id(*id)?], &of_test[test.of_id(*id)?])
        }
        // A window is covered by the bins of either, and regions are named by theirs.
        (None | Some(BinChoice::Window(_) | BinChoice::Each), _, _) => return Ok(()),
    };
    let is_dated = of_train.span.is_some() && of_test.span.is_some();
    if is_dated && of_train.name() != of_test.name() {
        return Err(GivenError::BinsUnlike {
            of_train: of_train.name(),
            of_test: of_test.name(),
            train: train.path.to_owned(),
            test: test.path.to_owned(),
        }
        .into());
    }
    Ok(())
}

fn bins(of: &Assembly) -> Bins<'_> {
    Bins {
        path: &of.path,
        bins: &of.contents.time_bins,
    }
}

/// The presentations of both, those that train first, with the columns of `train`.
fn joined(mut train: Assembly, test: Assembly) -> Result<Assembly, RecordingError> {
    let places = matched(&train, &test)?;
    let from = train.shown.len();
    let width = test.sites.len();
    for presentation in 0..test.shown.len() {
        let row = &test.values[presentation * width..(presentation + 1) * width];
        let row = places
            .iter()
            .map(|place| place.map_or(f64::NAN, |at| row[at]));
        train.values.extend(row);
    }
    let of_test = |of: &Vec<f64>| -> Vec<f64> {
        let places = places.iter();
        places
            .map(|place| place.map_or(f64::NAN, |at| of[at]))
            .collect()
    };
    let of_test = test.ceilings.as_ref().map(of_test);
    train.ceilings = of_test.or(train.ceilings.take());
    train.test_path = Some(test.path);
    // Only the labels of those that test are used; the others stand for none.
    train.repetitions = test.repetitions.map(|labels| {
        let none = std::iter::repeat_n(String::new(), from);
        Labels {
            words: none.chain(labels.words).collect(),
            are_text: labels.are_text,
        }
    });
    train.shown.extend(test.shown);
    // Only ceilings depend on it.
    train.ids_are_text = test.ids_are_text;
    train.noise_from = from;
    for notice in test.notices {
        if !train.notices.contains(&notice) {
            train.notices.push(notice);
        }
    }
    Ok(train)
}

/// Where each column of `train` is in `test`; none of a column that is in no region.
fn matched(train: &Assembly, test: &Assembly) -> Result<Vec<Option<usize>>, GivenError> {
    let columns = |of: &Assembly| -> HashMap<(String, SiteKey), usize> {
        let columns = of.regions.iter().cloned().zip(of.keys.iter().cloned());
        let columns = columns
            .enumerate()
            .filter(|(_, (region, _))| !region.is_empty());
        columns.map(|(at, column)| (column, at)).collect()
    };
    let (of_train, of_test) = (columns(train), columns(test));
    let lacking = |has: (&Path, &HashMap<(String, SiteKey), usize>),
                   lacks: (&Path, &HashMap<(String, SiteKey), usize>)| {
        let mut missing: Vec<(&usize, String)> = has
            .1
            .iter()
            .filter(|(column, _)| !lacks.1.contains_key(*column))
            .map(|((region, key), at)| (at, format!("{} ({region})", key.in_words())))
            .collect();
        missing.sort();
        let (sites, count) = some_of(missing.into_iter().map(|(_, site)| site));
        if count > 0 {
            return Err(GivenError::SitesUnlike {
                has: has.0.to_owned(),
                lacks: lacks.0.to_owned(),
                sites,
                count,
            });
        }
        Ok(())
    };
    let (a, b) = (
        (train.path.as_path(), &of_train),
        (test.path.as_path(), &of_test),
    );
    lacking(a, b)?;
    lacking(b, a)?;
    let columns = train.regions.iter().zip(&train.keys);
    let place =
        |(region, key): (&String, &SiteKey)| of_test.get(&(region.clone(), key.clone())).copied();
    Ok(columns.map(place).collect())
}

#[cfg(test)]
mod tests;
