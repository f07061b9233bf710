//! Splits that a file lists: JSON, a list of `{ "train": [ids], "test": [ids] }`, each with or without
//! `"validation": [ids]`. A stimulus that a split does not list has no part in it.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use miette::Diagnostic;
use nrp_proto::sweep::Scheme;
use nrp_proto::{did_you_mean, near_miss};
use serde::Deserialize;
use thiserror::Error;

use crate::digest;
use crate::recording::words::{counted, named, some_of};

/// Largest file that is read, in bytes: ten splits of 22,248 stimuli take 3 MB.
const BYTES_MAX: u64 = 64 << 20;

/// Why a file's splits cannot be used.
#[derive(Debug, Error, Diagnostic, PartialEq)]
pub enum SplitFileError {
    /// The operating system refused the file.
    #[error("cannot read the splits in `{}`: {problem}", path.display())]
    #[diagnostic(help(
        "check that the file exists and may be read; `file` under `[split]` is relative to `--data-dir`, and without it to the sweep file"
    ))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The operating system's words.
        problem: String,
    },
    /// It is larger than a file of splits can be.
    #[error("`{}` has more than {} MiB", path.display(), BYTES_MAX >> 20)]
    #[diagnostic(help("list fewer splits in one file"))]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// It is not JSON, or not of this shape.
    #[error("`{}` does not list splits: {problem}", path.display())]
    #[diagnostic(help(
        "write a JSON list of {{ \"train\": [IDS], \"test\": [IDS] }}, each with or without \"validation\": [IDS]"
    ))]
    Shape {
        /// The file.
        path: PathBuf,
        /// What the JSON reader says.
        problem: String,
    },
    /// It lists no split, or too many.
    #[error("`{}` lists {}; expected 1 to {}", path.display(), counted(*splits, "split"), Scheme::FILE_SPLITS_MAX)]
    #[diagnostic(help("list 1 to {} splits in one file", Scheme::FILE_SPLITS_MAX))]
    Count {
        /// The file.
        path: PathBuf,
        /// How many it lists.
        splits: usize,
    },
    /// A split has a mistake.
    #[error("split {number} in `{}`: {problem}", path.display())]
    #[diagnostic(help("splits are numbered from 0; {help}"))]
    Split {
        /// The file.
        path: PathBuf,
        /// The split, from 0.
        number: u32,
        /// What is wrong.
        problem: String,
        /// What to do.
        help: &'static str,
    },
}

/// A file that lists splits.
#[derive(Debug, Clone)]
pub struct SplitFile {
    path: PathBuf,
    /// Digest of the file, of 32 hexadecimal digits.
    digest: String,
    splits: Vec<Listed>,
}

/// One split, as listed.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    train: Vec<Id>,
    validation: Option<Vec<Id>>,
    test: Vec<Id>,
}

/// The id of a stimulus. Ids are text, but programs write those that look like numbers as numbers.
#[derive(Debug, Clone, Deserialize)]
#[serde(
    untagged,
    expecting = "expected an id: text in quotes, or a whole number"
)]
enum Id {
    Text(String),
    Number(i64),
}

/// The parts of a split, as rows of the stimuli; none is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// Stimuli that train.
    pub train: Vec<usize>,
    /// Stimuli that validate, where the file says which.
    pub validation: Option<Vec<usize>>,
    /// Stimuli that test.
    pub test: Vec<usize>,
}

impl SplitFile {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// When it cannot be read, is not such a list, or lists too many splits.
    pub fn open(path: &Path) -> Result<Self, SplitFileError> {
        let unreadable = |error: std::io::Error| SplitFileError::Unreadable {
            path: path.to_owned(),
            problem: error.to_string(),
        };
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(unreadable)?;
        let mut file = file.take(BYTES_MAX + 1);
        file.read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 > BYTES_MAX {
            return Err(SplitFileError::TooLarge {
                path: path.to_owned(),
            });
        }
        // Some programs write a mark before UTF-8.
        let json = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        let splits: Vec<Listed> =
            serde_json::from_slice(json).map_err(|error| SplitFileError::Shape {
                path: path.to_owned(),
                problem: error.to_string(),
            })?;
        if splits.is_empty() || splits.len() > Scheme::FILE_SPLITS_MAX as usize {
            return Err(SplitFileError::Count {
                path: path.to_owned(),
                splits: splits.len(),
            });
        }
        let mut hasher = blake3::Hasher::new_derive_key("nrp splits v1");
        hasher.update(&bytes);
        Ok(Self {
            path: path.to_owned(),
            digest: digest::shortened(&hasher),
            splits,
        })
    }

    /// The digest of the file, 32 hexadecimal digits.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// How many splits it lists, at least one.
    pub fn count(&self) -> u32 {
        self.splits.len() as u32
    }

    /// The split of this `number`, from 0, of stimuli with these `ids`.
    ///
    /// # Errors
    /// When there is no such split, or it names an unknown stimulus or one twice, or a part is empty.
    pub fn split(&self, number: u32, ids: &[&str]) -> Result<Parts, SplitFileError> {
        let wrong = |problem: String, help: &'static str| SplitFileError::Split {
            path: self.path.clone(),
            number,
            problem,
            help,
        };
        let Some(listed) = self.splits.get(number as usize) else {
            let splits = counted(self.splits.len(), "split");
            let problem = format!("the file lists {splits}");
            return Err(wrong(problem, "submit the sweep with this file again"));
        };
        let rows: HashMap<&str, usize> = ids.iter().enumerate().map(|(at, id)| (*id, at)).collect();
        let mut part_of: HashMap<usize, &'static str> = HashMap::new();
        let mut part = |name: &'static str, of: &[Id]| {
            if of.is_empty() {
                let problem = format!("`{name}` is empty");
                return Err(wrong(problem, "list at least one stimulus in each part"));
            }
            let found: Vec<(String, Option<usize>)> = of
                .iter()
                .map(|id| {
                    let id = id.text();
                    let row = rows.get(id.as_str()).copied();
                    (id, row)
                })
                .collect();
            let unknown = found.iter().filter(|(_, row)| row.is_none());
            let (unknown, count) = some_of(unknown.map(|(id, _)| id.clone()));
            if let Some(first) = unknown.first() {
                let near = did_you_mean(near_miss(first, ids.iter().copied()));
                let all = counted(count, "id");
                let problem = format!(
                    "{all} in `{name}` not among the recordings' stimuli: {}{near}",
                    named(&unknown, count)
                );
                return Err(wrong(problem, "list ids as the stimulus set spells them"));
            }
            let mut rows = Vec::with_capacity(found.len());
            for (id, row) in found {
                let row = row.expect("unknown ids were refused");
                if let Some(other) = part_of.insert(row, name) {
                    let problem = if other == name {
                        format!("`{id}` is listed twice in `{name}`")
                    } else {
                        format!("`{id}` is in `{other}` and in `{name}`")
                    };
                    return Err(wrong(problem, "list each stimulus once in a split"));
                }
                rows.push(row);
            }
            Ok(rows)
        };
        let train = part("train", &listed.train)?;
        let validation = listed.validation.as_deref();
        let validation = validation.map(|of| part("validation", of)).transpose()?;
        let test = part("test", &listed.test)?;
        Ok(Parts {
            train,
            validation,
            test,
        })
    }
}

impl Id {
    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error;

    const IDS: [&str; 6] = ["a", "b", "c", "d", "17", "e"];

    fn opened(text: &str) -> Result<SplitFile, SplitFileError> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("splits.json");
        std::fs::write(&path, text).expect("a written file");
        SplitFile::open(&path)
    }

    fn refusal(error: impl Error) -> String {
        let text = error.to_string();
        let (before, after) = text.split_once('`').expect("a file");
        let (_, after) = after.split_once("splits.json").expect("its name");
        format!("{before}`{after}")
    }

    #[test]
    fn each_split_has_the_parts_that_are_listed() {
        let file = opened(
            r#"[{"train": ["d", 17, "a"], "test": ["b"]},
                {"test": ["a"], "validation": ["c"], "train": ["e", "d"]}]"#,
        )
        .expect("two splits");
        assert_eq!(file.count(), 2);
        let parts = |train: &[usize], validation: Option<Vec<usize>>, test: &[usize]| Parts {
            train: train.to_vec(),
            validation,
            test: test.to_vec(),
        };
        assert_eq!(file.split(0, &IDS), Ok(parts(&[3, 4, 0], None, &[1])));
        assert_eq!(file.split(1, &IDS), Ok(parts(&[5, 3], Some(vec![2]), &[0])));
        assert!(file.split(2, &IDS).is_err());
        let other = opened(r#"[{"train": ["d"], "test": ["b"]}]"#).expect("a split");
        assert_ne!(other.digest(), file.digest());
        assert_eq!(other.digest().len(), 32);
    }

    #[test]
    fn mistakes_are_named_with_their_split() {
        let said = |split: &str| {
            let text = format!(r#"[{{"train": ["a"], "test": ["b"]}}, {split}]"#);
            refusal(
                opened(&text)
                    .expect("two splits")
                    .split(1, &IDS)
                    .expect_err("a mistake"),
            )
        };
        let said = [
            said(r#"{"train": ["a", "f", "g"], "test": ["b"]}"#),
            said(r#"{"train": ["a", "b", "a"], "test": ["c"]}"#),
            said(r#"{"train": ["a", "b"], "test": ["c", "b"]}"#),
            said(r#"{"train": ["a"], "test": ["c"], "validation": ["c"]}"#),
            said(r#"{"train": ["a"], "test": []}"#),
            said(r#"{"train": ["a"], "test": ["c"], "validation": []}"#),
        ];
        insta::assert_snapshot!(said.join("\n"), @r#"
        split 1 in ``: 2 ids in `train` not among the recordings' stimuli: `f`, `g`
        split 1 in ``: `a` is listed twice in `train`
        split 1 in ``: `b` is in `train` and in `test`
        split 1 in ``: `c` is in `validation` and in `test`
        split 1 in ``: `test` is empty
        split 1 in ``: `validation` is empty
        "#);
    }

    #[test]
    fn other_json_is_no_list_of_splits() {
        let said = [
            "{}",
            "[]",
            "[{\"train\": [\"a\"]}]",
            "[{\"train\": [1.5], \"test\": []}]",
            "[[0], [1]]",
            "train",
            "[{\"train\": [], \"test\": [], \"tests\": []}]",
        ]
        .map(|text| refusal(opened(text).expect_err("refused")));
        insta::assert_snapshot!(said.join("\n"), @r#"
        `` does not list splits: invalid type: map, expected a sequence at line 1 column 0
        `` lists 0 splits; expected 1 to 1000
        `` does not list splits: missing field `test` at line 1 column 17
        `` does not list splits: expected an id: text in quotes, or a whole number at line 1 column 16
        `` does not list splits: invalid type: integer `0`, expected a sequence at line 1 column 3
        `` does not list splits: expected ident at line 1 column 3
        `` does not list splits: unknown field `tests`, expected one of `train`, `validation`, `test` at line 1 column 34
        "#);
        let many = format!(
            "[{}]",
            vec![r#"{"train":["a"],"test":["b"]}"#; 1_001].join(",")
        );
        let refused = refusal(opened(&many).expect_err("too many"));
        assert_eq!(refused, "`` lists 1001 splits; expected 1 to 1000");
    }
}
