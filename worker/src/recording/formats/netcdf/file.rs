//! One opened netCDF file: its variables, and reading them. Netcdf-4 files are HDF5, read in
//! `nc4`; older ones are read in `classic`.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use hdf5_reader::storage::FileStorage;

use super::super::hdf5::{first_of, storage};
use super::classic::ClassicFile;
use super::nc4::Nc4File;
use super::variable::{Content, Variable};
use crate::recording::error::{AssemblyError, RecordingError};
use crate::recording::words::first_bytes;

/// An opened file.
pub(super) struct File {
    variables: Vec<Variable>,
    source: Source,
}

enum Source {
    Nc4(Nc4File),
    Classic(ClassicFile),
}

impl File {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// When it is missing, damaged, or neither netCDF nor HDF5.
    pub(super) fn open(path: &Path) -> Result<Self, RecordingError> {
        let storage = storage(path)?;
        let start = first_of(path, 8)?;
        if start.starts_with(b"CDF") {
            let (file, variables) = ClassicFile::open(path, storage)?;
            let source = Source::Classic(file);
            return Ok(Self { variables, source });
        }
        Self::open_hdf5(path, storage)
    }

    fn open_hdf5(path: &Path, storage: Arc<FileStorage>) -> Result<Self, RecordingError> {
        let opened = Nc4File::open(path, storage);
        let (file, variables) = opened.map_err(|error| match error {
            RecordingError::NotHdf5 { .. } => match first_of(path, 16) {
                Ok(start) => RecordingError::from(AssemblyError::NotNetcdf {
                    path: path.to_owned(),
                    found: first_bytes(&start),
                }),
                Err(error) => error,
            },
            other => other,
        })?;
        let source = Source::Nc4(file);
        Ok(Self { variables, source })
    }

    /// All variables, those of the root group first.
    pub(super) fn variables(&self) -> &[Variable] {
        &self.variables
    }

    /// The numbers of a variable, as stored.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(super) fn numbers(&self, variable: &Variable) -> Result<Vec<f64>, RecordingError> {
        match &self.source {
            Source::Nc4(file) => file.numbers(&variable.name),
            Source::Classic(file) => file.numbers(&variable.name),
        }
    }

    /// The numbers of a variable within `ranges`, one for each of its axes, as stored, in the order of its rows.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(super) fn numbers_within(
        &self,
        variable: &Variable,
        ranges: &[Range<u64>],
    ) -> Result<Vec<f64>, RecordingError> {
        match &self.source {
            Source::Nc4(file) => file.numbers_within(&variable.name, ranges),
            Source::Classic(file) => file.numbers_within(&variable.name, ranges),
        }
    }

    /// How many entries of a variable, along each of its axes, are stored together: none is read without the
    /// others.
    pub(super) fn together(&self, variable: &Variable) -> Vec<u64> {
        let alone = || vec![1; variable.axes.len()];
        match &self.source {
            Source::Nc4(file) => file.chunk(&variable.name).unwrap_or_else(alone),
            Source::Classic(_) => alone(),
        }
    }

    /// The entries of a variable as words: words themselves, whole numbers, or the words of an enumeration.
    ///
    /// # Errors
    /// When they cannot be read; `Ok(Err(..))` says why a variable has neither words nor whole numbers.
    pub(super) fn words(
        &self,
        variable: &Variable,
    ) -> Result<Result<Vec<String>, String>, RecordingError> {
        let words = match &variable.content {
            Content::Words | Content::Characters => match &self.source {
                Source::Nc4(file) => file.words(variable),
                Source::Classic(file) => file.words(&variable.name),
            },
            Content::Numbers | Content::Booleans | Content::Enumeration(_) => {
                let integers = match &self.source {
                    Source::Nc4(file) => file.integers(&variable.name)?,
                    Source::Classic(file) => file.integers(&variable.name)?,
                };
                return Ok(match integers {
                    Some(integers) => named(&variable.content, &integers),
                    None => Err("has numbers with a decimal point".to_owned()),
                });
            }
            Content::Other(what) => return Ok(Err(what.clone())),
        };
        words.map(Ok)
    }

    /// The error of some dataset that could not be opened.
    pub(super) fn any_unreadable(&self) -> Option<RecordingError> {
        match &self.source {
            Source::Nc4(file) => file.unreadable(file.first_unreadable()?),
            Source::Classic(_) => None,
        }
    }

    /// The error of a dataset `name` that could not even be opened.
    pub(super) fn unreadable(&self, name: &str) -> Option<RecordingError> {
        match &self.source {
            Source::Nc4(file) => file.unreadable(name),
            Source::Classic(_) => None,
        }
    }
}

/// Whole numbers as words.
fn named(content: &Content, integers: &[i128]) -> Result<Vec<String>, String> {
    let Content::Enumeration(members) = content else {
        return Ok(integers.iter().map(i128::to_string).collect());
    };
    let word = |integer: &i128| {
        let mut members = members.iter();
        let found = members.find(|(of, _)| of == integer);
        found
            .map(|(_, word)| word.clone())
            .ok_or_else(|| format!("has the number {integer}, which its enumeration does not name"))
    };
    integers.iter().map(word).collect()
}
