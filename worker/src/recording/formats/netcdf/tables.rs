//! Tables of numbers over stimuli in a netCDF file: an ANN's activations, as Brain-Score's extractors or a
//! plain xarray dataset hold them. Only the root group is read, as Brain-Score does.
//!
//! The dimension of the stimuli is that of the coordinate with their ids. Every variable of numbers over it
//! and another dimension is a table; where a coordinate `layer` divides the other dimension, each of its
//! words is a table of its own.

use std::path::{Path, PathBuf};

use super::super::hdf5::guarded;
use super::file::File;
use super::slabs::{self, Places};
use super::variable::{Content, Variable};
use super::{ONLY_OF_PRESENTATIONS, PRESENTATION};
use crate::precision::Number;
use crate::recording::error::{AssemblyError, RecordingError};
use crate::recording::stimuli::STIMULUS_IDS;

/// The coordinate that names each unit's layer.
const LAYER: &str = "layer";
/// What xarray calls the variable of an array without a name.
const UNNAMED: &str = "__xarray_dataarray_variable__";

/// An opened file.
pub(crate) struct Tables {
    path: PathBuf,
    file: File,
    ids: Option<Vec<String>>,
    tables: Vec<Table>,
}

/// A table of numbers, one row for each stimulus of the file.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Table {
    /// Its name; empty where the file gives none.
    pub(crate) name: String,
    /// How many rows it has.
    pub(crate) rows: usize,
    /// The length of each axis but that of the stimuli.
    pub(crate) shape: Vec<usize>,
    variable: usize,
    /// Which axis is that of the stimuli.
    axis: usize,
    part: Option<Part>,
}

/// The entries of one axis that belong to a table.
#[derive(Debug, Clone, PartialEq)]
struct Part {
    axis: usize,
    entries: Vec<usize>,
}

impl Tables {
    /// Opens the file at `path` and lists its tables.
    ///
    /// # Errors
    /// When it is missing, damaged or not netCDF, or its coordinates cannot be read.
    pub(crate) fn open(path: &Path) -> Result<Self, RecordingError> {
        guarded(path, || {
            let file = File::open(path)?;
            let mut tables = Self {
                path: path.to_owned(),
                file,
                ids: None,
                tables: Vec::new(),
            };
            if let Some((dimension, ids)) = tables.stimuli()? {
                tables.ids = Some(ids);
                tables.tables = tables.over(&dimension)?;
            }
            Ok(tables)
        })
    }

    /// The stimuli's ids, in the order of the rows; `None` where no coordinate has them.
    pub(crate) fn ids(&self) -> Option<&[String]> {
        self.ids.as_deref()
    }

    /// The tables, in the order of the file.
    pub(crate) fn tables(&self) -> &[Table] {
        &self.tables
    }

    /// "`data` (presentation x neuroid)" for each variable.
    pub(crate) fn described(&self) -> Vec<String> {
        let variables = self.file.variables().iter();
        variables.map(Variable::described).collect()
    }

    /// Reads `rows` of a table, each once; NaN where a number is missing. Beside them, a few chunks of the file are
    /// in memory.
    ///
    /// # Shapes
    /// - returns `[rows, units]`, the units' axes in the order of the file, the last one fastest
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn read<T: Number>(
        &self,
        table: &Table,
        rows: &[usize],
    ) -> Result<Vec<T>, RecordingError> {
        guarded(&self.path, || {
            let variable = &self.file.variables()[table.variable];
            let units: usize = table.shape.iter().product();
            let mut values = vec![T::of(f64::NAN); rows.len() * units];
            let mut put = |place: usize, value: f64| values[place] = T::of(value);
            let places = table.places(&lengths(variable), rows);
            slabs::visit(&self.file, &self.path, variable, &places, &mut put)?;
            Ok(values)
        })
    }

    /// The dimension of the stimuli, and their ids.
    fn stimuli(&self) -> Result<Option<(String, Vec<String>)>, RecordingError> {
        let named = STIMULUS_IDS.iter().find_map(|name| self.coordinate(name));
        let only = || {
            let mut only = ONLY_OF_PRESENTATIONS.iter();
            only.find_map(|name| self.coordinate(name))
                .filter(|(_, dimension)| *dimension == PRESENTATION)
        };
        let Some((variable, dimension)) = named.or_else(only) else {
            return Ok(None);
        };
        Ok(Some((dimension.to_owned(), self.words(variable)?)))
    }

    /// The variable `name` over a single dimension, and that dimension.
    fn coordinate(&self, name: &str) -> Option<(&Variable, &str)> {
        let mut variables = self.file.variables().iter();
        let variable = variables.find(|variable| variable.name == name)?;
        match variable.axes.as_slice() {
            [axis] => Some((variable, axis.name.as_deref()?)),
            _ => None,
        }
    }

    fn words(&self, variable: &Variable) -> Result<Vec<String>, RecordingError> {
        let words = self.file.words(variable)?;
        words.map_err(|problem| {
            RecordingError::from(AssemblyError::BadCoordinate {
                path: self.path.clone(),
                coordinate: variable.name.clone(),
                problem,
            })
        })
    }

    /// The tables over `dimension`.
    fn over(&self, dimension: &str) -> Result<Vec<Table>, RecordingError> {
        let layers = match self.coordinate(LAYER) {
            Some((variable, of)) if of != dimension => Some((of, grouped(self.words(variable)?))),
            Some(_) | None => None,
        };
        let mut tables = Vec::new();
        for (index, variable) in self.file.variables().iter().enumerate() {
            let Some(axis) = variable.axis(dimension) else {
                continue;
            };
            let is_table = variable.content == Content::Numbers
                && variable.group().is_empty()
                && variable.axes.len() > 1;
            if !is_table {
                continue;
            }
            let lengths = lengths(variable);
            let whole = Table {
                name: match variable.name.as_str() {
                    UNNAMED => String::new(),
                    name => name.to_owned(),
                },
                rows: lengths[axis],
                shape: without(&lengths, axis),
                variable: index,
                axis,
                part: None,
            };
            let divided = layers
                .as_ref()
                .and_then(|(of, layers)| Some((variable.axis(of)?, layers)));
            match divided {
                None => tables.push(whole),
                Some((at, layers)) => tables.extend(layers.iter().map(|(name, entries)| {
                    let mut lengths = lengths.clone();
                    lengths[at] = entries.len();
                    Table {
                        name: name.clone(),
                        shape: without(&lengths, axis),
                        part: Some(Part {
                            axis: at,
                            entries: entries.clone(),
                        }),
                        ..whole.clone()
                    }
                })),
            }
        }
        Ok(tables)
    }
}

impl Table {
    /// Where the entries along each axis go, of a variable with axes of these `lengths`, for `rows`.
    fn places(&self, lengths: &[usize], rows: &[usize]) -> Vec<Places> {
        let mut places = vec![Places::new(); lengths.len()];
        let mut stride = 1;
        for (axis, length) in lengths.iter().enumerate().rev() {
            if axis == self.axis {
                continue;
            }
            let entries = match &self.part {
                Some(part) if part.axis == axis => part.entries.clone(),
                Some(_) | None => (0..*length).collect(),
            };
            places[axis] = placed(*length, &entries, stride);
            stride *= entries.len();
        }
        places[self.axis] = placed(lengths[self.axis], rows, stride);
        places
    }
}

/// The places of `entries` along an axis of this `length`, the first at 0 and each so far behind the one before.
fn placed(length: usize, entries: &[usize], stride: usize) -> Places {
    let mut places = vec![None; length];
    for (place, entry) in entries.iter().enumerate() {
        places[*entry] = Some(place * stride);
    }
    places
}

fn lengths(variable: &Variable) -> Vec<usize> {
    let axes = variable.axes.iter();
    axes.map(|axis| axis.length as usize).collect()
}

fn without(lengths: &[usize], axis: usize) -> Vec<usize> {
    let others = lengths.iter().enumerate().filter(|(at, _)| *at != axis);
    others.map(|(_, length)| *length).collect()
}

/// The places of each word, in the order in which the words first stand.
fn grouped(words: Vec<String>) -> Vec<(String, Vec<usize>)> {
    let mut known = std::collections::HashMap::new();
    let mut groups: Vec<(String, Vec<usize>)> = Vec::new();
    for (place, word) in words.into_iter().enumerate() {
        let at = *known.entry(word.clone()).or_insert_with(|| {
            groups.push((word, Vec::new()));
            groups.len() - 1
        });
        groups[at].1.push(place);
    }
    groups
}
