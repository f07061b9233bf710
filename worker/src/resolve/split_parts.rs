//! The parts of a split: from the words of a sweep and the labels of its stimuli to which stimuli train,
//! validate and test, and what to tell the user about it.

use super::error::ResolveError;
use crate::recording::split::listed::{Parts, SplitFile};
use crate::recording::split::{self, Draw, Split, SplitError, brain_score};
use crate::recording::{Duplicates, MAX_NAMED, Recordings, Stimulus, ranks};
use nrp_proto::plain;
use nrp_proto::sweep::{self, Scheme};
use nrp_proto::wire::{self, RecordingsFiles, SplitSpec, SweepSpec};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The file that lists the splits, if `files` names one, relative to `data_dir`.
pub fn split_file(files: &RecordingsFiles, data_dir: &Path) -> Option<PathBuf> {
    (!files.split.is_empty()).then(|| data_dir.join(&files.split))
}

/// Divides the stimuli as `spec` says; `file` is the file that lists the splits, which only
/// [`Scheme::File`] needs. The second value is a notice for the user, if there is one.
///
/// # Errors
/// When a part would be empty, images that must be compared cannot be decoded, or the file does not fit
/// the stimuli.
pub fn split(
    recordings: &Recordings,
    spec: &SplitSpec,
    file: Option<&SplitFile>,
) -> Result<(Split, Option<String>), ResolveError> {
    let stimuli = &recordings.stimuli;
    let draw = match Scheme::of(spec).map_err(SplitError::from)? {
        Scheme::Holdout => Draw::Holdout,
        Scheme::Shuffle => Draw::Shuffle(spec.number),
        Scheme::ValidationIsTest => Draw::ValidationIsTest,
        Scheme::BrainScore => return Ok(by_brain_score(stimuli, spec)?),
        Scheme::Given => {
            let trains = recordings.trains.ok_or(SplitError::NotGiven)?;
            let parts = Parts {
                train: (0..trains).collect(),
                validation: None,
                test: (trains..stimuli.len()).collect(),
            };
            return Ok((split::of_listed(parts, spec.number, spec.seed)?, None));
        }
        Scheme::File => {
            let file = file.ok_or(SplitError::NoFile)?;
            let ids: Vec<&str> = stimuli
                .iter()
                .map(|stimulus| stimulus.id.as_str())
                .collect();
            let parts = file.split(spec.number, &ids).map_err(SplitError::from)?;
            let split = split::of_listed(parts, spec.number, spec.seed)?;
            return Ok((split, None));
        }
    };
    let fractions = [spec.train, spec.validation, spec.test];
    let strata = column(stimuli, &spec.stratify);
    let together: &[Vec<usize>] = match spec.duplicates.as_str() {
        "" => &[],
        word => match word.parse().map_err(SplitError::from)? {
            sweep::Duplicates::Ignored => &[],
            sweep::Duplicates::Together => &recordings.duplicates()?.groups,
        },
    };
    let split = split::split(
        draw,
        stimuli.len(),
        fractions,
        strata.as_deref(),
        together,
        spec.seed,
    )?;
    Ok((split, not_stratified(strata.is_none(), spec)))
}

/// The stimuli that a comparison without a fit is computed on, and those of a `split` that is divided as `spec`
/// says, by their places among the former: the nine tenths that Brain-Score draws for these, or the test stimuli
/// of another scheme. Of train and test recordings, only the latter are compared.
///
/// # Errors
/// As [`split()`].
pub fn compared(
    recordings: &Recordings,
    spec: &SplitSpec,
    split: &Split,
) -> Result<(Vec<usize>, Vec<usize>), ResolveError> {
    let stimuli = recordings.stimuli.len();
    let part = match Scheme::of(spec).map_err(SplitError::from)? {
        Scheme::BrainScore => {
            let pool = Pool::of(&recordings.stimuli, spec)?;
            let labels = pool.labels();
            let drawn = brain_score::compared(spec.number, stimuli, labels.as_deref(), pool.seed)?;
            pool.stimuli(drawn)
        }
        Scheme::Holdout | Scheme::Shuffle | Scheme::ValidationIsTest | Scheme::File => {
            split.test.clone()
        }
        Scheme::Given => return Ok((split.test.clone(), (0..split.test.len()).collect())),
    };
    Ok(((0..stimuli).collect(), part))
}

/// Brain-Score's test stimuli, drawn from the stimuli in order.
fn by_brain_score(
    stimuli: &[Stimulus],
    spec: &SplitSpec,
) -> Result<(Split, Option<String>), SplitError> {
    let pool = Pool::of(stimuli, spec)?;
    let labels = pool.labels();
    let drawn = brain_score::draw(spec.number, stimuli.len(), labels.as_deref(), pool.seed)?;
    let split = split::carve(pool.stimuli(drawn.train), pool.stimuli(drawn.test))?;
    Ok((split, not_stratified(pool.strata.is_none(), spec)))
}

/// What Brain-Score draws from.
struct Pool {
    /// The stimuli in order.
    order: Vec<usize>,
    /// The class of each stimulus, where there are any.
    strata: Option<Vec<String>>,
    seed: u32,
}

impl Pool {
    fn of(stimuli: &[Stimulus], spec: &SplitSpec) -> Result<Self, SplitError> {
        let order = in_order(stimuli, &spec.order)?;
        let strata = column(stimuli, &spec.stratify);
        if let Some(labels) = &strata {
            let missing = labels.iter().filter(|label| label.is_empty()).count();
            if missing > 0 {
                return Err(SplitError::EmptyColumn {
                    column: spec.stratify.clone(),
                    missing,
                    stimuli: stimuli.len(),
                });
            }
        }
        let seed = u32::try_from(spec.seed).map_err(|_| SplitError::Seed { seed: spec.seed })?;
        Ok(Self {
            order,
            strata,
            seed,
        })
    }

    /// The class of each stimulus, in their order.
    fn labels(&self) -> Option<Vec<&str>> {
        let strata = self.strata.as_ref()?;
        Some(self.order.iter().map(|&at| strata[at].as_str()).collect())
    }

    /// The stimuli at these places.
    fn stimuli(&self, drawn: Vec<usize>) -> Vec<usize> {
        drawn.into_iter().map(|place| self.order[place]).collect()
    }
}

/// The stimuli in the order of some columns, then of their ids.
fn in_order(stimuli: &[Stimulus], columns: &[String]) -> Result<Vec<usize>, SplitError> {
    let mut keys = vec![Vec::new(); stimuli.len()];
    for name in columns {
        let Some(values) = column(stimuli, name) else {
            return Err(SplitError::NoOrder {
                column: name.clone(),
                known: columns_of(stimuli),
            });
        };
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        for (key, rank) in keys.iter_mut().zip(ranks(&values)) {
            key.push(rank);
        }
    }
    let mut order: Vec<usize> = (0..stimuli.len()).collect();
    order.sort_by_key(|&at| (&keys[at], &stimuli[at].id));
    Ok(order)
}

/// The value of each stimulus in a column; none if a stimulus has none, or no column is named.
fn column(stimuli: &[Stimulus], name: &str) -> Option<Vec<String>> {
    if name.is_empty() {
        return None;
    }
    let labels = stimuli.iter().map(|of| of.labels.get(name).cloned());
    labels.collect()
}

fn not_stratified(is_not: bool, spec: &SplitSpec) -> Option<String> {
    (is_not && !spec.stratify.is_empty()).then(|| {
        format!(
            "the stimulus set has no column `{}`: the split is not stratified",
            spec.stratify
        )
    })
}

/// The columns of a stimulus set, in words.
fn columns_of(stimuli: &[Stimulus]) -> String {
    let known = stimuli.iter().flat_map(|stimulus| stimulus.labels.keys());
    let known: BTreeSet<&str> = known.map(String::as_str).collect();
    if known.is_empty() {
        "none".to_owned()
    } else {
        known.into_iter().collect::<Vec<_>>().join(", ")
    }
}

/// Refuses a column to stratify by that the stimulus set lacks, or that is empty for some stimuli.
pub(super) fn require_column(recordings: &Recordings, column: &str) -> Result<(), SplitError> {
    let stimuli = &recordings.stimuli;
    let has = |stimulus: &&Stimulus| stimulus.labels.contains_key(column);
    let missing = stimuli.len() - stimuli.iter().filter(has).count();
    match missing {
        0 => Ok(()),
        all if all == stimuli.len() => Err(SplitError::NoColumn {
            column: column.to_owned(),
            known: columns_of(stimuli),
        }),
        missing => Err(SplitError::EmptyColumn {
            column: column.to_owned(),
            missing,
            stimuli: stimuli.len(),
        }),
    }
}

/// Reads the file that lists the splits, if there is one, records in `spec` what it is, and checks that
/// every split fits the stimuli. Returns the file, and notices.
pub(super) fn check_all(
    spec: &mut SplitSpec,
    recordings: &Recordings,
    file: Option<&Path>,
) -> Result<(Option<SplitFile>, Vec<String>), ResolveError> {
    let file = file.map(SplitFile::open).transpose();
    let file = file.map_err(SplitError::from)?;
    if let Some(file) = &file {
        file.digest().clone_into(&mut spec.digest);
        spec.splits = file.count();
    }
    let mut notices = Vec::new();
    let scheme = Scheme::of(spec).map_err(SplitError::from)?;
    match scheme {
        Scheme::Holdout | Scheme::Shuffle | Scheme::ValidationIsTest => {
            return Ok((file, notices));
        }
        Scheme::BrainScore => {
            brain_score::check(recordings.stimuli.len())?;
            notices.push(order_notice(&spec.order));
        }
        Scheme::File | Scheme::Given => {}
    }
    let mut unlisted = 0;
    for number in 0..spec.count() {
        let (split, _) = split(recordings, &numbered(spec, number), file.as_ref())?;
        let parts = [&split.train, &split.validation, &split.test];
        let listed: usize = parts.map(Vec::len).iter().sum();
        unlisted = unlisted.max(recordings.stimuli.len() - listed);
    }
    if unlisted > 0 {
        notices.push(format!(
            "up to {unlisted} of {} stimuli have no part in a split of the file",
            recordings.stimuli.len()
        ));
    }
    Ok((file, notices))
}

/// Which order of stimuli was assumed.
fn order_notice(order: &[String]) -> String {
    match order {
        [] => "Brain-Score's splits are drawn from the stimuli in the order of their ids, as text. \
               Brain-Score orders stimuli by the assembly's coordinates, in the order in which the file \
               has them: if `stimulus_id` is not the first, or its ids are numbers, name the columns in \
               `order` of `[split]`"
            .to_owned(),
        columns => format!(
            "Brain-Score's splits are drawn from the stimuli in the order of {}, then of their ids",
            columns.join(", ")
        ),
    }
}

pub(super) fn numbered(spec: &SplitSpec, number: u32) -> SplitSpec {
    SplitSpec {
        number,
        ..spec.clone()
    }
}

/// Decodes every image, and records in `spec` how duplicates are treated. Returns notices.
pub(super) fn look(
    spec: &mut SweepSpec,
    recordings: &Recordings,
    file: Option<&SplitFile>,
) -> Result<Vec<String>, ResolveError> {
    let started = Instant::now();
    let duplicates = recordings.duplicates()?;
    let images = recordings.stimuli.len();
    let seconds = started.elapsed().as_secs_f64();
    let mut notices = vec![format!(
        "all {images} images were decoded, in {seconds:.1} s"
    )];
    let Some(split_spec) = &mut spec.split else {
        return Ok(notices);
    };
    let fate = Fate::of(split_spec)?;
    split_spec.duplicates = match fate {
        Fate::Together if !duplicates.groups.is_empty() => sweep::Duplicates::Together.to_string(),
        Fate::Together | Fate::Ignored | Fate::AsDrawn => String::new(),
    };
    if duplicates.groups.is_empty() {
        return Ok(notices);
    }
    let torn = torn(recordings, split_spec, duplicates, file)?;
    let pictures = duplicates.groups.len();
    let mut named = duplicates.named(&recordings.stimuli);
    let printable = |name: &mut String| *name = plain::line(name).into_owned();
    named.truncate(MAX_NAMED);
    named.iter_mut().for_each(printable);
    let shown = match pictures - named.len() {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    };
    notices.push(format!(
        "pictures shown under several ids: {pictures} ({shown}); {}",
        fate.in_words(torn)
    ));
    spec.duplicates = Some(wire::Duplicates {
        pictures: pictures as u64,
        stimuli: duplicates.stimuli() as u64,
        of_stimuli: images as u64,
        named,
        torn: torn as u64,
    });
    Ok(notices)
}

/// What a split does with pictures that are shown under several ids.
#[derive(Clone, Copy)]
enum Fate {
    /// It keeps the ids of each in one part.
    Together,
    /// The sweep file says that each id is drawn by itself.
    Ignored,
    /// The scheme draws each id by itself.
    AsDrawn,
}

impl Fate {
    fn of(spec: &SplitSpec) -> Result<Self, SplitError> {
        Ok(match Scheme::of(spec)? {
            Scheme::BrainScore | Scheme::File | Scheme::Given => Self::AsDrawn,
            Scheme::Holdout | Scheme::Shuffle | Scheme::ValidationIsTest
                if spec.duplicates == sweep::Duplicates::Ignored.name() =>
            {
                Self::Ignored
            }
            Scheme::Holdout | Scheme::Shuffle | Scheme::ValidationIsTest => Self::Together,
        })
    }

    fn in_words(self, torn: usize) -> String {
        let torn = format!(
            "so {torn} of them are both in training and held out, and scores are better than those of \
             new pictures"
        );
        match self {
            Self::Together => "the split keeps the ids of each together".to_owned(),
            Self::Ignored => format!("`duplicates = \"ignored\"`, {torn}"),
            Self::AsDrawn => format!("the scheme draws each id by itself, {torn}"),
        }
    }
}

/// How many of the pictures shown under several ids a split has both in training and elsewhere.
fn torn(
    recordings: &Recordings,
    spec: &SplitSpec,
    duplicates: &Duplicates,
    file: Option<&SplitFile>,
) -> Result<usize, ResolveError> {
    let mut torn = vec![false; duplicates.groups.len()];
    for number in 0..spec.count() {
        let (split, _) = split(recordings, &numbered(spec, number), file)?;
        for (torn, group) in torn.iter_mut().zip(&duplicates.groups) {
            let trains = |stimulus: &usize| split.train.binary_search(stimulus).is_ok();
            let trained = group.iter().filter(|of| trains(of)).count();
            *torn |= (1..group.len()).contains(&trained);
        }
    }
    Ok(torn.into_iter().filter(|torn| *torn).count())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn stimuli(ids: &[&str], columns: &[(&str, &[&str])]) -> Vec<Stimulus> {
        let labels = |at: usize| {
            let labels = columns.iter();
            let labels = labels.map(|(name, values)| ((*name).to_owned(), values[at].to_owned()));
            labels.collect::<BTreeMap<_, _>>()
        };
        let stimulus = |(at, id): (usize, &&str)| Stimulus {
            id: (*id).to_owned(),
            labels: labels(at),
        };
        ids.iter().enumerate().map(stimulus).collect()
    }

    #[test]
    fn stimuli_are_in_the_order_of_columns_then_of_ids() {
        let objects: &[&str] = &["dog", "cat", "cat", "dog"];
        let numbers: &[&str] = &["10", "9", "10", "9"];
        let stimuli = stimuli(
            &["10", "9", "1", "b"],
            &[("object", objects), ("number", numbers)],
        );
        let order = |columns: &[&str]| {
            let columns: Vec<String> = columns.iter().map(|of| (*of).to_owned()).collect();
            in_order(&stimuli, &columns).map_err(|error| error.to_string())
        };
        assert_eq!(order(&[]), Ok(vec![2, 0, 1, 3]));
        assert_eq!(order(&["object"]), Ok(vec![2, 1, 0, 3]));
        assert_eq!(order(&["object", "number"]), Ok(vec![1, 2, 3, 0]));
        let refused = "the stimulus set has no column `size` to order stimuli by";
        assert_eq!(order(&["size"]), Err(refused.to_owned()));
    }

    #[test]
    fn brain_scores_splits_are_of_the_ordered_stimuli() {
        // The ids in reverse: a position drawn is another stimulus than in file order.
        let ids: Vec<String> = (0..20).map(|at| format!("im{:02}", 19 - at)).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let object: Vec<&str> = (0..20).map(|at| ["a", "b"][at % 2]).collect();
        let stimuli = stimuli(&ids, &[("object", &object)]);
        let spec = SplitSpec {
            scheme: Scheme::BrainScore.to_string(),
            stratify: "object".to_owned(),
            seed: 3,
            number: 4,
            ..SplitSpec::default()
        };
        let (split, notice) = by_brain_score(&stimuli, &spec).expect("a split");
        assert_eq!(notice, None);
        let reversed: Vec<&str> = object.iter().rev().copied().collect();
        let drawn = brain_score::draw(4, 20, Some(&reversed), 3).expect("a split");
        let mut test: Vec<usize> = drawn.test.iter().map(|place| 19 - place).collect();
        test.sort_unstable();
        assert_eq!(split.test, test);
        assert_eq!((split.train.len(), split.validation.len()), (16, 2));
        let parts = [split.train, split.validation, split.test].concat();
        assert_eq!(parts.into_iter().collect::<BTreeSet<_>>().len(), 20);
        // An empty label is no class.
        let mut holed = stimuli.clone();
        holed[3].labels.insert("object".to_owned(), String::new());
        let refusal = by_brain_score(&holed, &spec).expect_err("a refusal");
        assert!(matches!(
            refusal,
            SplitError::EmptyColumn { missing: 1, .. }
        ));
        // Without the column, the split is not stratified, and says so.
        let plain = SplitSpec {
            stratify: "object_name".to_owned(),
            ..spec
        };
        let (_, notice) = by_brain_score(&stimuli, &plain).expect("a split");
        assert!(
            notice
                .expect("a notice")
                .ends_with("the split is not stratified")
        );
    }
}
