//! Files that NumPy writes: `.npy` with one array, `.npz` with several in a zip.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek};
use std::path::Path;

use zip::ZipArchive;

use super::container::{Array, Container, Kind, Listed, Unread};
use super::npy::{self, Content, Foreign};
use super::{REGIONS, SITES, ids};
use crate::archive;
use crate::recording::error::{ArraysError, RecordingError};
use crate::recording::limits::MAX_RESPONSES_BYTES;

/// How a zip starts.
const ZIP: &[u8] = b"PK\x03\x04";
/// Most arrays that a `.npz` may hold.
const MAX_ARRAYS: usize = 64;
/// What `numpy.savez` calls an array without a name.
const UNNAMED: &str = "arr_0";

/// An opened `.npy` or `.npz`.
pub(super) struct Numpy {
    stored: Stored,
    listed: Vec<Listed>,
}

enum Stored {
    One(BufReader<File>),
    Zip(ZipArchive<BufReader<File>>),
}

impl Numpy {
    /// Lists the arrays of the file at `path`. An array without a name of its own is called as the file.
    pub(super) fn open(path: &Path) -> Result<Self, RecordingError> {
        let io = |source| RecordingError::Io {
            path: path.to_owned(),
            source,
        };
        let failed = |problem| {
            RecordingError::from(ArraysError::Bad {
                path: path.to_owned(),
                problem,
            })
        };
        let own_name = path.file_stem().unwrap_or_default().to_string_lossy();
        let file = File::open(path).map_err(io)?;
        if file.metadata().map_err(io)?.is_dir() {
            return Err(io(std::io::ErrorKind::IsADirectory.into()));
        }
        let bytes = file.metadata().map_err(io)?.len();
        let mut file = BufReader::new(file);
        let start = file.fill_buf().map_err(io)?;
        let is_named_npy = path
            .extension()
            .is_some_and(|of| of.eq_ignore_ascii_case("npy"));
        let is_single = start.starts_with(npy::MAGIC) || is_named_npy && !start.starts_with(ZIP);
        if is_single {
            let (shape, content) = npy::list(&mut file).map_err(failed)?;
            file.rewind().map_err(io)?;
            let name = own_name.into_owned();
            let kind = kind(content, |foreign| advice_of_npy(path, foreign));
            return Ok(Self {
                stored: Stored::One(file),
                listed: vec![Listed { name, shape, kind }],
            });
        }
        let reopened = || File::open(path).map(BufReader::new);
        let mut archive = archive::open(reopened)
            .map_err(|error| failed(format!("it is not an archive of `numpy.savez` ({error})")))?;
        if archive.len() > MAX_ARRAYS {
            let arrays = archive.len();
            return Err(failed(format!(
                "{arrays} arrays; at most {MAX_ARRAYS} are read"
            )));
        }
        archive::check_total(&archive, bytes, MAX_RESPONSES_BYTES as u64)
            .map_err(|error| failed(error.to_string()))?;
        let mut listed = Vec::new();
        for index in 0..archive.len() {
            let unreadable = |error| failed(format!("its entry {index} cannot be read ({error})"));
            let entry = archive.by_index(index).map_err(unreadable)?;
            let name = entry.name().map_err(unreadable)?;
            let name = name.trim_end_matches(".npy").to_owned();
            let (shape, content) =
                npy::list(entry).map_err(|problem| failed(format!("array `{name}`: {problem}")))?;
            let kind = kind(content, |foreign| advice(path, &name, foreign));
            let name = match name.as_str() {
                UNNAMED => own_name.clone().into_owned(),
                _ => name,
            };
            listed.push(Listed { name, shape, kind });
        }
        let stored = Stored::Zip(archive);
        Ok(Self { stored, listed })
    }
}

impl Container for Numpy {
    fn listed(&self) -> &[Listed] {
        &self.listed
    }

    fn load(&mut self, index: usize) -> Result<Array, String> {
        match &mut self.stored {
            Stored::One(file) => {
                file.rewind().map_err(|error| error.to_string())?;
                npy::read(file)
            }
            Stored::Zip(archive) => {
                let name = &self.listed[index].name;
                let entry = archive.by_index(index);
                let array = entry.map_err(|error| error.to_string()).and_then(npy::read);
                array.map_err(|problem| format!("array `{name}`: {problem}"))
            }
        }
    }

    fn is_workspace(&self) -> bool {
        false
    }
}

/// What an array holds; `how` says what to do with what is not read.
fn kind(content: Content, how: impl Fn(&Foreign) -> String) -> Kind {
    match content {
        Content::Numbers => Kind::Numbers,
        Content::Booleans => Kind::Booleans,
        Content::Words => Kind::Words,
        Content::Foreign(foreign) => Kind::Other(Unread {
            what: foreign.to_string(),
            how: how(&foreign),
        }),
    }
}

/// What to do with the array in the `.npy` at `path`.
fn advice_of_npy(path: &Path, foreign: &Foreign) -> String {
    let array = match foreign {
        Foreign::Objects => format!("numpy.load({:?}, allow_pickle=True)", path.display()),
        Foreign::Records | Foreign::Type(_) => format!("numpy.load({:?})", path.display()),
    };
    in_python(
        foreign,
        &format!(
            "numpy.save(\"NEW.npy\", {})",
            converted(&array, false, foreign)
        ),
    )
}

/// What to do with the array `name` in the `.npz` at `path`.
fn advice(path: &Path, name: &str, foreign: &Foreign) -> String {
    let is_words = [SITES, REGIONS].contains(&name) || ids::names_stimuli(name);
    let pickle = match foreign {
        Foreign::Objects => ", allow_pickle=True",
        Foreign::Records | Foreign::Type(_) => "",
    };
    let array = format!("arrays[{name:?}]");
    let lines = format!(
        "arrays = dict(numpy.load({:?}{pickle})); {array} = {}; numpy.savez(\"NEW.npz\", **arrays)",
        path.display(),
        converted(&array, is_words, foreign)
    );
    in_python(foreign, &lines)
}

/// Python that makes numbers, or words, of an array.
fn converted(array: &str, is_words: bool, foreign: &Foreign) -> String {
    match foreign {
        Foreign::Records => format!("{array}[\"FIELD\"]"),
        Foreign::Objects | Foreign::Type(_) if is_words => format!("{array}.astype(str)"),
        Foreign::Objects | Foreign::Type(_) => format!("{array}.astype(float)"),
    }
}

fn in_python(foreign: &Foreign, lines: &str) -> String {
    let caution = match foreign {
        Foreign::Objects => "; Python runs what the file says, so trust it first",
        Foreign::Records | Foreign::Type(_) => "",
    };
    format!("save it as numbers or words, in Python: `{lines}`{caution}")
}
