//! Stimulus sets: the CSV that lists each stimulus once, with its image's file name and its labels.
//!
//! Every column is kept as a label. Whether an image exists is checked by `images`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::error::{RecordingError, StimuliError};
use super::spreadsheet::{self, Spreadsheet};
use super::words::{counted, named, some_of};

/// The column or coordinate that names stimuli: today's spelling first, then the one before 2022.
pub(super) const STIMULUS_IDS: [&str; 2] = ["stimulus_id", "image_id"];
/// The columns that may hold an image's path, the likeliest first.
const FILE_COLUMNS: [&str; 3] = ["filename", "image_file_name", "stimulus_path_within_store"];

/// One stimulus as the stimulus set lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stimulus {
    /// Its id, as the assembly uses it.
    pub id: String,
    /// Every column of the stimulus set.
    pub labels: BTreeMap<String, String>,
}

impl Stimulus {
    /// The path of its image: the first non-empty column that may hold one, or its id if all are
    /// empty. The id is never used in place of a path that does not exist.
    pub(crate) fn image_name(&self) -> &str {
        let mut columns = FILE_COLUMNS
            .iter()
            .filter_map(|column| self.labels.get(*column));
        columns.find(|name| !name.is_empty()).unwrap_or(&self.id)
    }
}

/// A stimulus set, in the order of its lines.
pub(super) struct StimulusSet {
    /// Where it was read from.
    pub(super) path: PathBuf,
    /// Its stimuli.
    pub(super) stimuli: Vec<Stimulus>,
}

impl StimulusSet {
    /// Reads the stimulus set at `path`.
    pub(super) fn open(path: &Path) -> Result<Self, RecordingError> {
        let csv = |source| {
            RecordingError::from(StimuliError::Csv {
                path: path.to_owned(),
                source,
            })
        };
        let sheet = Spreadsheet::open(path, &STIMULUS_IDS)?;
        let mut reader = spreadsheet::reader(&sheet.text, sheet.separator);
        let columns: Vec<String> = reader
            .headers()
            .map_err(csv)?
            .iter()
            .map(|column| column.trim().to_owned())
            .collect();
        refuse_twice(path, &columns)?;
        let id_column = STIMULUS_IDS
            .iter()
            .find_map(|id| columns.iter().position(|column| column == id))
            .ok_or_else(|| {
                RecordingError::from(StimuliError::NoIdColumn {
                    path: path.to_owned(),
                    columns: columns.clone(),
                })
            })?;
        let mut stimuli = Vec::new();
        let mut lines: HashMap<String, u64> = HashMap::new();
        for record in reader.records() {
            let record = record.map_err(csv)?;
            // A spreadsheet leaves lines of separators below its table.
            if record.iter().all(str::is_empty) {
                continue;
            }
            let line = record.position().map_or(0, csv::Position::line);
            let id = record[id_column].to_owned();
            if id.is_empty() {
                return Err(StimuliError::EmptyId {
                    path: path.to_owned(),
                    line,
                }
                .into());
            }
            if let Some(&first_line) = lines.get(&id) {
                return Err(StimuliError::DuplicateStimulus {
                    path: path.to_owned(),
                    id,
                    first_line,
                    line,
                }
                .into());
            }
            lines.insert(id.clone(), line);
            let fields = record.iter().map(str::to_owned);
            let labels = columns.iter().cloned().zip(fields).collect();
            stimuli.push(Stimulus { id, labels });
        }
        if stimuli.is_empty() {
            return Err(StimuliError::NoStimuli {
                path: path.to_owned(),
            }
            .into());
        }
        Ok(Self {
            path: path.to_owned(),
            stimuli,
        })
    }

    /// A notice about the stimuli that are not among those `shown`, if there are any.
    pub(super) fn never_shown(&self, shown: &[String]) -> Option<String> {
        let shown: HashSet<&str> = shown.iter().map(String::as_str).collect();
        let ids = self.stimuli.iter().map(|stimulus| &stimulus.id);
        let (ids, count) = some_of(ids.filter(|id| !shown.contains(id.as_str())).cloned());
        (count > 0).then(|| {
            let (all, ids) = (counted(count, "stimulus"), named(&ids, count));
            format!(
                "{all} of `{}` never shown, left out: {ids}",
                self.path.display()
            )
        })
    }
}

/// Refuses two columns of one name, because nothing says which of them is meant. Columns without a name
/// are ignored.
fn refuse_twice(path: &Path, columns: &[String]) -> Result<(), RecordingError> {
    for (at, column) in columns.iter().enumerate() {
        let before = columns[..at].iter().position(|other| other == column);
        if let Some(first) = before.filter(|_| !column.is_empty()) {
            return Err(StimuliError::ColumnTwice {
                path: path.to_owned(),
                column: column.clone(),
                first: first + 1,
                second: at + 1,
            }
            .into());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Result<StimulusSet, RecordingError> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("stimuli.csv");
        std::fs::write(&path, text).expect("a written file");
        StimulusSet::open(&path)
    }

    fn refusal(text: &[u8]) -> String {
        let error = read(text).err().expect("an error");
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
        let text = format!("{error}{}", cause.unwrap_or_default());
        text.split_once("stimuli.csv")
            .expect("the file's name")
            .1
            .to_owned()
    }

    #[test]
    fn both_spellings_are_read_and_all_columns_kept() {
        for id in ["stimulus_id", "image_id"] {
            let text =
                format!("\u{feff}{id},filename,object_name\na,one.png,dog\nb,,\"cat, big\"\n");
            let set = read(text.as_bytes()).expect("a stimulus set");
            assert_eq!(set.stimuli.len(), 2);
            assert_eq!(set.stimuli[0].id, "a");
            assert_eq!(set.stimuli[1].labels["object_name"], "cat, big");
            assert_eq!(set.stimuli[0].image_name(), "one.png");
            assert_eq!(set.stimuli[1].image_name(), "b");
        }
    }

    #[test]
    fn lines_without_anything_in_them_are_no_stimuli() {
        let set = read(b"sep=;\r\nstimulus_id;x\r\na;1\r\nb;2\r\n;\r\n;\r\n");
        let ids: Vec<String> = set
            .expect("a stimulus set")
            .stimuli
            .into_iter()
            .map(|stimulus| stimulus.id)
            .collect();
        assert_eq!(ids, ["a", "b"]);
    }

    #[test]
    fn a_header_without_ids_is_told_what_it_lacks() {
        let hint = |text: &[u8]| {
            let error = read(text).err().expect("an error");
            miette::Diagnostic::help(&error).map(|help| help.to_string())
        };
        let name = "name the column of ids `stimulus_id`";
        for (text, offer) in [
            (
                &b"Stimulus_ID;Filename\na;b\n"[..],
                "; is it `Stimulus_ID`?",
            ),
            (b"IMAGE_ID,x\na,b\n", "; is it `IMAGE_ID`?"),
            (b"x,y\na,b\n", ""),
            (
                b"stimulus_id:filename\na:b\n",
                "; if its fields are separated by `:`, begin the file with a line `sep=:`",
            ),
            (
                b"sep=,\nstimulus_id;filename\na;b\n",
                "; if its fields are separated by `;`, begin the file with a line `sep=;`",
            ),
        ] {
            assert_eq!(hint(text), Some(format!("{name}{offer}")));
        }
    }

    #[test]
    fn a_column_that_is_there_twice_is_refused_with_both_places() {
        assert_eq!(
            refusal(b"image_id,filename,x,filename \na,one.png,1,two.png\n"),
            "`: columns 2 and 4 are both called `filename`"
        );
        assert_eq!(
            refusal(b"image_id,image_id\na,b\n"),
            "`: columns 1 and 2 are both called `image_id`"
        );
        // As a spreadsheet leaves them.
        assert!(read(b"image_id,,\na,,\n").is_ok());
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        assert_eq!(
            refusal(b"id,filename\na,b\n"),
            "` has neither a column `stimulus_id` nor `image_id`; its columns are id, filename"
        );
        assert_eq!(
            refusal(b"image_id\na\nb\na\n"),
            "` line 4: stimulus `a` is already on line 2"
        );
        assert_eq!(refusal(b"image_id,x\n,1\n"), "` line 2: the id is empty");
        assert_eq!(
            refusal(b"sep=;\nimage_id;x\n;1\n"),
            "` line 3: the id is empty"
        );
        assert_eq!(refusal(b"image_id\n"), "` lists no stimulus");
        assert!(refusal(b"image_id,x\na,1,2\n").contains("line: 2"));
        assert_eq!(
            refusal(b"image_id\n\xff\xfe\n"),
            "` is not UTF-8: line 2 has the byte 0xff"
        );
        assert!(refusal(b"").contains("neither"));
    }
}
