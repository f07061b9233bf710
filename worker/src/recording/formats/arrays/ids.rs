//! Ids beside arrays: lists of words or numbers, one per stimulus, that say which row is which.
//!
//! Row `i` belongs to line `i` of the stimulus set whatever these say: they only show when it does not.

use super::container::Entries;
use crate::recording::stimuli::{STIMULUS_IDS, StimulusSet};

/// A list beside the responses.
pub(super) struct List<'a> {
    /// Its name.
    pub(super) name: &'a str,
    /// Its entries.
    pub(super) entries: &'a Entries,
}

/// What a list is to the stimuli.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// It names the stimuli in the stimulus set's order.
    Agrees,
    /// It does not name them.
    Unrelated,
    /// It names the stimuli, but not in the stimulus set's order, in words.
    Differs(String),
}

/// Whether an array of this name is meant to name the stimuli.
pub(crate) fn names_stimuli(name: &str) -> bool {
    STIMULUS_IDS
        .iter()
        .any(|id| name == *id || name.strip_suffix('s') == Some(id))
}

impl List<'_> {
    /// Compares the list with the columns of the stimulus set.
    pub(super) fn compared(&self, set: &StimulusSet) -> Verdict {
        let words: Vec<String> = match self.entries {
            Entries::Words(words) => words.clone(),
            Entries::Numbers(numbers) => numbers.iter().map(f64::to_string).collect(),
        };
        let meant = names_stimuli(self.name);
        let lines = set.stimuli.len();
        if words.len() != lines {
            let differs = format!("has {} entries, not {lines}", words.len());
            return if meant {
                Verdict::Differs(differs)
            } else {
                Verdict::Unrelated
            };
        }
        let columns = columns(set);
        if columns.iter().any(|column| *column == words) {
            return Verdict::Agrees;
        }
        // The ids are the first column: a list in another order names them all the same.
        let same_words = |column: &&Vec<&str>| sorted(column) == sorted(&words);
        let named = columns.iter().find(same_words);
        // Rows may be counted, unless that may also be the stimuli's ids in another order.
        let counted = |from: usize| (0..lines).all(|row| words[row] == (row + from).to_string());
        let is_counted = counted(0) || counted(1);
        if meant && is_counted && named.is_none() && !is_shuffled(&columns[0]) {
            return Verdict::Agrees;
        }
        match named.or(columns.first().filter(|_| meant)) {
            Some(column) => {
                let rows = words.iter().zip(column).enumerate();
                let mut unlike = rows.filter(|(_, (word, id))| word != *id);
                let (row, (word, id)) = unlike.next().unwrap_or((0, (&words[0], &column[0])));
                let (row, line) = (row + 1, row + 1);
                Verdict::Differs(format!(
                    "names `{word}` in row {row}, where stimulus {line} is `{id}`"
                ))
            }
            None => Verdict::Unrelated,
        }
    }
}

/// The columns that may identify stimuli: the ids, the images, and every other without repeats.
fn columns(set: &StimulusSet) -> Vec<Vec<&str>> {
    let ids = set.stimuli.iter().map(|stimulus| stimulus.id.as_str());
    let images = set.stimuli.iter().map(|stimulus| stimulus.image_name());
    let mut columns = vec![ids.collect(), images.collect()];
    let names = set.stimuli.first().map(|stimulus| stimulus.labels.keys());
    for name in names.into_iter().flatten() {
        let labels = set.stimuli.iter();
        let labels: Vec<&str> = labels
            .map(|stimulus| stimulus.labels.get(name).map_or("", String::as_str))
            .collect();
        let mut distinct = labels.clone();
        distinct.sort_unstable();
        distinct.dedup();
        if distinct.len() == labels.len() {
            columns.push(labels);
        }
    }
    columns
}

/// Whether ids are the numbers from 0 or from 1 on, in another order.
fn is_shuffled(ids: &[&str]) -> bool {
    let numbers: Result<Vec<usize>, _> = ids.iter().map(|id| id.parse()).collect();
    numbers.is_ok_and(|mut numbers| {
        let in_order = numbers.is_sorted();
        numbers.sort_unstable();
        let counted = |from: usize| (from..).zip(&numbers).all(|(row, number)| row == *number);
        !in_order && (counted(0) || counted(1))
    })
}

fn sorted<T: AsRef<str>>(words: &[T]) -> Vec<&str> {
    let mut words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    words.sort_unstable();
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::stimuli::Stimulus;

    fn verdict(name: &str, words: &[&str]) -> Verdict {
        verdict_of(["a", "b", "c"], name, words)
    }

    fn verdict_of(ids: [&str; 3], name: &str, words: &[&str]) -> Verdict {
        let files = ["x/0.png", "x/1.png", "x/2.png"];
        let stimuli = [0, 1, 2].map(|row| Stimulus {
            id: ids[row].to_owned(),
            labels: [("filename", files[row]), ("object_name", "car")]
                .map(|(column, of)| (column.to_owned(), of.to_owned()))
                .into(),
        });
        let set = StimulusSet {
            path: "stimuli.csv".into(),
            stimuli: stimuli.into(),
        };
        let entries = Entries::Words(words.iter().map(|word| (*word).to_owned()).collect());
        let entries = &entries;
        List { name, entries }.compared(&set)
    }

    fn differs(problem: &str) -> Verdict {
        Verdict::Differs(problem.to_owned())
    }

    #[test]
    fn ids_in_the_stimulus_sets_order_agree_and_in_another_differ() {
        for name in ["stimulus_id", "image_ids", "whatever"] {
            assert_eq!(verdict(name, &["a", "b", "c"]), Verdict::Agrees);
            assert_eq!(
                verdict(name, &["x/0.png", "x/1.png", "x/2.png"]),
                Verdict::Agrees
            );
            assert_eq!(
                verdict(name, &["a", "c", "b"]),
                differs("names `c` in row 2, where stimulus 2 is `b`")
            );
            assert_eq!(
                verdict(name, &["x/2.png", "x/1.png", "x/0.png"]),
                differs("names `x/2.png` in row 1, where stimulus 1 is `x/0.png`")
            );
        }
        assert_eq!(verdict("stimulus_id", &["1", "2", "3"]), Verdict::Agrees);
        assert_eq!(verdict("stimulus_ids", &["0", "1", "2"]), Verdict::Agrees);
        assert_eq!(
            verdict("stimulus_id", &["a", "b", "d"]),
            differs("names `d` in row 3, where stimulus 3 is `c`")
        );
        assert_eq!(
            verdict("stimulus_id", &["a", "b"]),
            differs("has 2 entries, not 3")
        );
        for unrelated in [&["a", "b"][..], &["0", "1", "2"], &["car", "car", "car"]] {
            assert_eq!(verdict("animal", unrelated), Verdict::Unrelated);
        }
    }

    #[test]
    fn counted_ids_are_ids_where_the_stimulus_set_has_them_in_another_order() {
        let counted = ["0", "1", "2"];
        for name in ["stimulus_id", "whatever"] {
            assert_eq!(
                verdict_of(["2", "0", "1"], name, &counted),
                differs("names `0` in row 1, where stimulus 1 is `2`")
            );
        }
        for shuffled in [["1", "3", "2"], ["01", "00", "02"]] {
            let verdict = verdict_of(shuffled, "stimulus_id", &counted);
            assert!(matches!(verdict, Verdict::Differs(_)), "{shuffled:?}");
        }
        for in_order in [
            ["0", "1", "2"],
            ["1", "2", "3"],
            ["000", "001", "002"],
            ["7", "9", "8"],
        ] {
            assert_eq!(verdict_of(in_order, "image_id", &counted), Verdict::Agrees);
        }
    }
}
