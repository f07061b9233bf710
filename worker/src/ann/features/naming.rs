//! Which list of a file names the stimuli of its rows: by their ids, by the files of their images, or by another
//! column of the stimulus set that tells them apart. A list that may do so and cannot be used is refused, because
//! rows without names belong to the lines of the stimulus set.

use std::collections::{HashMap, HashSet};

use super::error::FeaturesError;
use super::layers::{Layer, List};
use super::{FeaturesFile, numbered};
use crate::recording::{Recordings, Stimulus};

const BY_IDS: &str = "save the stimuli's ids as `stimulus_id`, or leave the list out if row i is of line i of the \
                      stimulus set";

/// A list that names the rows' stimuli.
pub(super) struct Naming<'a> {
    /// The list's name.
    pub(super) list: &'a str,
    /// What it names the stimuli by.
    pub(super) by: String,
    /// The row of each stimulus.
    pub(super) rows: Vec<usize>,
}

/// What tells stimuli apart.
struct Column<'a> {
    kind: Kind<'a>,
    /// That of each stimulus.
    values: Vec<&'a str>,
}

enum Kind<'a> {
    Ids,
    /// The names of the images' files.
    Files,
    /// Another column of the stimulus set.
    Other(&'a str),
}

/// How far a list names the stimuli by a column.
enum Match {
    No,
    /// It names some of them.
    Some,
    /// The row of each.
    All(Vec<usize>),
}

impl FeaturesFile {
    /// The list, whatever its name, that names the recordings' stimuli for the rows of `layer`. Numbers may name
    /// them or count something: where that matters, they are refused.
    pub(super) fn naming(
        &self,
        layer: &Layer,
        recordings: &Recordings,
    ) -> Result<Option<Naming<'_>>, FeaturesError> {
        let columns = columns(&recordings.stimuli);
        let mut whole: Option<Naming<'_>> = None;
        let mut partly = None;
        let of_layer = |list: &&List| list.words.len() == layer.rows;
        for list in self.lists.iter().filter(of_layer) {
            let mut first = None;
            for column in &columns {
                match self.named_by(list, column)? {
                    Match::No => {}
                    Match::Some => {
                        partly.get_or_insert((list, column));
                    }
                    Match::All(rows) => {
                        first = Some((column, rows));
                        break;
                    }
                }
            }
            let Some((column, rows)) = first else {
                continue;
            };
            if list.is_numbers {
                if rows != recordings.lines {
                    return Err(self.other_order(list, column));
                }
                continue;
            }
            match &whole {
                Some(known) if known.rows != rows => {
                    return Err(FeaturesError::Ids {
                        path: self.path.clone(),
                        problem: format!(
                            "`{}` and `{}` name the rows' stimuli differently",
                            known.list, list.name
                        ),
                        help: "keep the list with the stimuli's ids, as `stimulus_id`",
                    });
                }
                Some(_) => {}
                None => {
                    whole = Some(Naming {
                        list: &list.name,
                        by: column.in_words(),
                        rows,
                    });
                }
            }
        }
        match (&whole, partly) {
            (None, Some((list, column))) => Err(self.named_in_part(list, column, recordings)),
            (Some(_), _) | (None, None) => Ok(whole),
        }
    }

    fn named_by(&self, list: &List, column: &Column<'_>) -> Result<Match, FeaturesError> {
        let words = || list.words.iter().map(String::as_str);
        let known: HashSet<&str> = column.values.iter().copied().collect();
        if words().any(|word| known.contains(word)) {
            if matches!(column.kind, Kind::Ids) {
                numbered(&self.path, list.words.clone())?;
            }
            let found = rows(words(), column.values.iter().copied());
            return Ok(column.found(found, list));
        }
        if list.is_numbers || matches!(column.kind, Kind::Other(_)) {
            return Ok(Match::No);
        }
        let known: HashSet<&str> = column.values.iter().copied().map(stem).collect();
        if !words().any(|word| known.contains(stem(word))) {
            return Ok(Match::No);
        }
        let found = rows(words().map(stem), column.values.iter().copied().map(stem));
        Ok(column.found(found, list))
    }

    fn other_order(&self, list: &List, column: &Column<'_>) -> FeaturesError {
        let what = column.in_words();
        let help = match column.kind {
            Kind::Ids => "call it `stimulus_id` if it names the rows' stimuli; leave it out if not",
            Kind::Files | Kind::Other(_) => BY_IDS,
        };
        FeaturesError::Ids {
            path: self.path.clone(),
            problem: format!(
                "array `{}` holds the stimuli's {what} in another order than the stimulus set, or counts something",
                list.name
            ),
            help,
        }
    }

    fn named_in_part(
        &self,
        list: &List,
        column: &Column<'_>,
        recordings: &Recordings,
    ) -> FeaturesError {
        if matches!(column.kind, Kind::Ids)
            && let Ok(rows) = numbered(&self.path, list.words.clone())
            && recordings
                .stimuli
                .iter()
                .any(|of| rows.contains_key(&of.id))
            && let Err(missing) = self.refuse_missing(&rows, recordings)
        {
            return missing;
        }
        FeaturesError::Ids {
            path: self.path.clone(),
            problem: format!(
                "array `{}` names stimuli by their {}, but not each of the recordings' once",
                list.name,
                column.in_words()
            ),
            help: BY_IDS,
        }
    }
}

impl Column<'_> {
    /// What the user calls it.
    fn in_words(&self) -> String {
        match self.kind {
            Kind::Ids => "ids".to_owned(),
            Kind::Files => "image files".to_owned(),
            Kind::Other(name) => format!("`{name}`"),
        }
    }

    /// Words of another column may be the same by chance.
    fn found(&self, rows: Option<Vec<usize>>, list: &List) -> Match {
        match (rows, &self.kind) {
            (Some(rows), _) => Match::All(rows),
            (None, Kind::Ids | Kind::Files) if !list.is_numbers => Match::Some,
            (None, _) => Match::No,
        }
    }
}

/// What tells `stimuli` apart, the likeliest names of rows first.
fn columns(stimuli: &[Stimulus]) -> Vec<Column<'_>> {
    let ids = Column {
        kind: Kind::Ids,
        values: stimuli.iter().map(|of| of.id.as_str()).collect(),
    };
    let files = Column {
        kind: Kind::Files,
        values: stimuli.iter().map(Stimulus::image_name).collect(),
    };
    let labels = stimuli.first().into_iter().flat_map(|of| of.labels.keys());
    let others = labels.filter_map(|label| {
        let values = stimuli.iter().map(|of| of.labels.get(label));
        Some(Column {
            kind: Kind::Other(label),
            values: values
                .map(|value| value.map(String::as_str))
                .collect::<Option<_>>()?,
        })
    });
    let mut columns = vec![ids, files];
    columns.extend(others);
    columns.retain(|column| {
        let mut seen = HashSet::new();
        let differ = column.values.iter().all(|value| seen.insert(*value));
        differ && !seen.contains("")
    });
    columns
}

/// The row of each of `stimuli` among `words`, if each is there once.
fn rows<'a>(
    words: impl Iterator<Item = &'a str>,
    stimuli: impl Iterator<Item = &'a str>,
) -> Option<Vec<usize>> {
    let mut places: HashMap<&str, Option<usize>> = HashMap::new();
    for (row, word) in words.enumerate() {
        let place = places.entry(word).or_insert(Some(row));
        place.take_if(|first| *first != row);
    }
    let mut seen = HashSet::new();
    let row = |stimulus| (*places.get(stimulus)?).filter(|row| seen.insert(*row));
    stimuli.map(row).collect()
}

/// The name of a file without its folders and its extension, as `png` or `jp2` are.
fn stem(word: &str) -> &str {
    let name = word.rsplit(['/', '\\']).next().unwrap_or(word);
    let is_extension = |end: &str| {
        (1..=5).contains(&end.len())
            && end.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && end.bytes().any(|byte| byte.is_ascii_alphabetic())
    };
    match name.rsplit_once('.') {
        Some((stem, end)) if is_extension(end) && !stem.is_empty() => stem,
        Some(_) | None => name,
    }
}
