//! NetCDF-4: HDF5 whose datasets refer to others, their dimension scales, for their axes. Datasets in groups
//! are found too. A dataset of an unknown type spoils nothing but itself.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hdf5_reader::error::{Error, Result as Hdf5Result};
use hdf5_reader::group::Group;
use hdf5_reader::messages::datatype::{StringSize, VarLenKind};
use hdf5_reader::reference::read_object_references;
use hdf5_reader::storage::FileStorage;
use hdf5_reader::{Attribute, Dataset, Datatype, Hdf5File};

use super::super::hdf5::{unread, unread_layout};
use super::packing::{Packing, Stored};
use super::variable::{Axis, Content, Variable};
use super::{NEUROID, PRESENTATION};
use crate::hdf5::{self, NumberType};
use crate::recording::error::RecordingError;
use crate::recording::limits::MAX_RESPONSES_BYTES;

/// Most datasets that are looked at, and most groups within each other.
const MAX_DATASETS: usize = 10_000;
const MAX_DEPTH: usize = 16;
/// Begins the scale of a dimension that has no variable.
const NO_VARIABLE: &str = "This is a netCDF dimension but not a netCDF variable";
/// Begins the HDF5 name of a variable that is called like a dimension and is not its coordinate.
const NOT_A_COORDINATE: &str = "_nc4_non_coord_";

/// An opened file.
pub(super) struct Nc4File {
    path: PathBuf,
    datasets: HashMap<String, Dataset>,
    unreadable: HashMap<String, Error>,
}

/// What a walk through the groups finds.
#[derive(Default)]
struct Found {
    /// The datasets with their names, which include their group.
    datasets: Vec<(String, Dataset, Group)>,
    unreadable: HashMap<String, Error>,
    seen: HashSet<u64>,
}

/// The dimensions of a file.
#[derive(Default)]
struct Dimensions {
    /// Their names by the address of their scale.
    by_address: HashMap<u64, String>,
    /// Their names by their number in the file.
    by_id: HashMap<i32, String>,
}

impl Nc4File {
    /// Opens a file, and lists its variables.
    pub(super) fn open(
        path: &Path,
        storage: Arc<FileStorage>,
    ) -> Result<(Self, Vec<Variable>), RecordingError> {
        let failed = |error| unread(path, error);
        let options = hdf5::options(MAX_RESPONSES_BYTES);
        let file = Hdf5File::from_storage_with_options(storage, options).map_err(failed)?;
        let mut found = Found::default();
        let root = file.root_group().map_err(failed)?;
        found.walk(&root, "", 0).map_err(failed)?;
        let dimensions = Dimensions::of(&found.datasets);
        let (mut variables, mut datasets) = (Vec::new(), HashMap::new());
        for (name, dataset, group) in found.datasets {
            let is_scale = is_scale(&dataset);
            if is_scale && text(&dataset, "NAME").is_some_and(|name| name.starts_with(NO_VARIABLE))
            {
                continue;
            }
            match variable(&name, &dataset, &group, &dimensions, is_scale) {
                Ok(variable) => variables.push(variable),
                Err(error) => {
                    found.unreadable.insert(name.clone(), error);
                }
            }
            datasets.insert(name, dataset);
        }
        let file = Self {
            path: path.to_owned(),
            datasets,
            unreadable: found.unreadable,
        };
        Ok((file, variables))
    }

    /// The error of a dataset `name` that could not be opened.
    pub(super) fn unreadable(&self, name: &str) -> Option<RecordingError> {
        let problem = self.unreadable.get(name)?;
        if hdf5::layout::is_unread(problem) {
            return Some(unread_layout(&self.path, problem));
        }
        let problem = format!("dataset `{name}`: {problem}");
        Some(unread(&self.path, Error::InvalidData(problem)))
    }

    /// The first such dataset, in order of name.
    pub(super) fn first_unreadable(&self) -> Option<&str> {
        self.unreadable.keys().min().map(String::as_str)
    }

    pub(super) fn numbers(&self, name: &str) -> Result<Vec<f64>, RecordingError> {
        let dataset = self.dataset(name)?;
        hdf5::numbers(dataset).map_err(|error| unread(&self.path, error))
    }

    pub(super) fn numbers_within(
        &self,
        name: &str,
        ranges: &[Range<u64>],
    ) -> Result<Vec<f64>, RecordingError> {
        let dataset = self.dataset(name)?;
        hdf5::numbers_within(dataset, ranges).map_err(|error| unread(&self.path, error))
    }

    /// The shape of a variable's chunks; `None` where it has none.
    pub(super) fn chunk(&self, name: &str) -> Option<Vec<u64>> {
        let dataset = self.datasets.get(name)?;
        let chunk = dataset.chunks()?;
        let chunk: Vec<u64> = chunk.into_iter().map(u64::from).collect();
        (chunk.len() == dataset.ndim()).then_some(chunk)
    }

    /// The whole numbers of a variable; `None` for floating-point numbers.
    pub(super) fn integers(&self, name: &str) -> Result<Option<Vec<i128>>, RecordingError> {
        let failed = |error| unread(&self.path, error);
        let dataset = self.dataset(name)?;
        let of = hdf5::number_type(dataset).map_err(failed)?;
        let stored = dataset.read_raw_bytes().map_err(failed)?;
        Ok(of.decode_integers(&stored))
    }

    pub(super) fn words(&self, variable: &Variable) -> Result<Vec<String>, RecordingError> {
        let failed = |error| unread(&self.path, error);
        let dataset = self.dataset(&variable.name)?;
        if variable.content != Content::Characters {
            return dataset.read_strings().map_err(failed);
        }
        let bytes = dataset.read_raw_bytes().map_err(failed)?;
        let length = dataset.shape().last().map_or(1, |&length| length as usize);
        let word = |word: &[u8]| {
            let end = word.iter().rposition(|&byte| byte != 0);
            String::from_utf8(word[..end.map_or(0, |at| at + 1)].to_vec())
        };
        let words: Result<_, _> = bytes.chunks_exact(length.max(1)).map(word).collect();
        words.map_err(|error| {
            let name = &variable.name;
            let problem = format!("dataset `{name}` is not UTF-8 ({error})");
            failed(Error::InvalidData(problem))
        })
    }

    fn dataset(&self, name: &str) -> Result<&Dataset, RecordingError> {
        let missing = || unread(&self.path, Error::DatasetNotFound(name.to_owned()));
        self.datasets.get(name).ok_or_else(missing)
    }
}

impl Found {
    /// Finds the datasets of `group`, whose own name is `prefix`, and of those within.
    fn walk(&mut self, group: &Group, prefix: &str, depth: usize) -> Hdf5Result<()> {
        if depth > MAX_DEPTH || !self.seen.insert(group.address()) {
            return Ok(());
        }
        let (groups, datasets) = hdf5::members::names(group)?;
        let path = |name: &str| match prefix {
            "" => name.to_owned(),
            prefix => format!("{prefix}/{name}"),
        };
        for name in datasets {
            if self.datasets.len() == MAX_DATASETS {
                let problem = format!("it has more than {MAX_DATASETS} datasets");
                return Err(Error::ResourceLimit(problem));
            }
            let shown = path(name.strip_prefix(NOT_A_COORDINATE).unwrap_or(&name));
            match hdf5::layout::dataset(group, &name) {
                Ok(dataset) => self.datasets.push((shown, dataset, group.clone())),
                Err(error) => {
                    self.unreadable.insert(shown, error);
                }
            }
        }
        for name in groups {
            self.walk(&group.group(&name)?, &path(&name), depth + 1)?;
        }
        Ok(())
    }
}

impl Dimensions {
    fn of(datasets: &[(String, Dataset, Group)]) -> Self {
        let mut dimensions = Self::default();
        for (name, dataset, _) in datasets {
            if !is_scale(dataset) {
                continue;
            }
            let own = name.rsplit('/').next().unwrap_or(name).to_owned();
            if let Ok(id) = dataset.attribute("_Netcdf4Dimid")
                && let Ok(id) = id.read_scalar::<i32>()
            {
                dimensions.by_id.insert(id, own.clone());
            }
            dimensions.by_address.insert(dataset.address(), own);
        }
        dimensions
    }
}

fn is_scale(dataset: &Dataset) -> bool {
    text(dataset, "CLASS").is_some_and(|class| class == "DIMENSION_SCALE")
}

fn text(dataset: &Dataset, name: &str) -> Option<String> {
    dataset.attribute(name).ok()?.read_string().ok()
}

fn variable(
    name: &str,
    dataset: &Dataset,
    group: &Group,
    dimensions: &Dimensions,
    is_scale: bool,
) -> Hdf5Result<Variable> {
    let names = axis_names(dataset, group, dimensions, is_scale)?;
    let axes = names.into_iter().zip(dataset.shape());
    let mut axes: Vec<Axis> = axes.map(|(name, &length)| Axis { name, length }).collect();
    let number = hdf5::number_type(dataset).ok();
    let content = content(dataset, number, &axes)?;
    if content == Content::Characters {
        axes.pop();
    }
    let rounded = number.map_or(as_it_is as fn(f64) -> f64, NumberType::rounded);
    let stored = Stored {
        integers: number.and_then(NumberType::integers),
        rounded: &rounded,
    };
    let numbers = attribute_numbers(dataset)?;
    let packing = Packing::of(
        &stored,
        |name| numbers.get(name).cloned(),
        |name| text(dataset, name),
    );
    Ok(Variable {
        name: name.to_owned(),
        axes,
        content,
        packing,
        rounded,
        units: text(dataset, "units"),
    })
}

fn as_it_is(number: f64) -> f64 {
    number
}

/// The numbers of attributes by name.
fn attribute_numbers(dataset: &Dataset) -> Hdf5Result<HashMap<String, Vec<f64>>> {
    let mut numbers = HashMap::new();
    for attribute in dataset.raw_attributes()? {
        let stored = &attribute.message().raw_data;
        if let Ok(of) = NumberType::of(attribute.raw_datatype()) {
            numbers.insert(attribute.name().to_owned(), of.decode(stored));
        }
    }
    Ok(numbers)
}

/// The names of a dataset's axes, each `None` where the file has none.
fn axis_names(
    dataset: &Dataset,
    group: &Group,
    dimensions: &Dimensions,
    is_scale: bool,
) -> Hdf5Result<Vec<Option<String>>> {
    let unnamed = || vec![None; dataset.ndim()];
    if is_scale {
        // A scale is a coordinate of its own dimension; one of several axes lists their numbers.
        let Ok(ids) = dataset.attribute("_Netcdf4Coordinates") else {
            let mut names = unnamed();
            if let Some(first) = names.first_mut() {
                *first = dimensions.by_address.get(&dataset.address()).cloned();
            }
            return Ok(names);
        };
        let ids = ids.read_1d::<i32>()?;
        let mut names: Vec<_> = ids
            .iter()
            .map(|id| dimensions.by_id.get(id).cloned())
            .collect();
        names.resize(dataset.ndim(), None);
        return Ok(names);
    }
    match dataset.attribute("DIMENSION_LIST") {
        Ok(list) => listed(dataset, &list, group, dimensions),
        Err(_) => Ok(unnamed()),
    }
}

/// The axes that `DIMENSION_LIST` refers to: for each, a list of references, of which the first counts.
fn listed(
    dataset: &Dataset,
    list: &Attribute,
    group: &Group,
    dimensions: &Dimensions,
) -> Hdf5Result<Vec<Option<String>>> {
    let offset_size = group.offset_size();
    let entries = list.raw_data.chunks_exact(dataset.vlen_reference_size());
    let name = |entry: &[u8]| {
        let heap = dataset.resolve_vlen_reference_bytes(entry, offset_size.into())?;
        let references = read_object_references(&heap, offset_size)?;
        let first = references.first();
        Ok(first.and_then(|address| dimensions.by_address.get(address).cloned()))
    };
    let mut names: Vec<Option<String>> = entries.map(name).collect::<Hdf5Result<_>>()?;
    names.resize(dataset.ndim(), None);
    Ok(names)
}

fn content(dataset: &Dataset, number: Option<NumberType>, axes: &[Axis]) -> Hdf5Result<Content> {
    Ok(match dataset.dtype() {
        Datatype::FixedPoint { .. } | Datatype::FloatingPoint { .. } => match number {
            Some(_) if text(dataset, "dtype").as_deref() == Some("bool") => Content::Booleans,
            Some(_) => Content::Numbers,
            None => Content::Other(not_numbers(dataset)?),
        },
        Datatype::String {
            size: StringSize::Fixed(1),
            ..
        } if is_text(dataset, axes) => Content::Characters,
        Datatype::String { .. } => Content::Words,
        Datatype::VarLen {
            kind: VarLenKind::String,
            ..
        } => Content::Words,
        Datatype::Enum { members, .. } => match number {
            None => Content::Other(not_numbers(dataset)?),
            Some(of) => {
                let number = |stored: &[u8]| Some(*of.decode_integers(stored)?.first()?);
                let members = members.iter();
                let members: Vec<(i128, String)> = members
                    .filter_map(|member| Some((number(&member.value)?, member.name.clone())))
                    .collect();
                if is_boolean(&members) {
                    Content::Booleans
                } else {
                    Content::Enumeration(members)
                }
            }
        },
        Datatype::Compound { .. } => Content::Other("has several numbers an entry".to_owned()),
        Datatype::Array { .. } | Datatype::VarLen { .. } => {
            Content::Other("has a list an entry".to_owned())
        }
        Datatype::Opaque { .. } | Datatype::Bitfield { .. } | Datatype::Reference { .. } => {
            Content::Other("has neither numbers nor words".to_owned())
        }
    })
}

fn not_numbers(dataset: &Dataset) -> Hdf5Result<String> {
    let of = NumberType::of(&dataset.raw_datatype()?);
    Ok(of.err().unwrap_or_default())
}

/// Whether bytes make up words, as netCDF's do along their last axis: h5py's `S1` over sites are words themselves.
fn is_text(dataset: &Dataset, axes: &[Axis]) -> bool {
    let last = axes.last().and_then(|axis| axis.name.as_deref());
    dataset.ndim() > 1 || last.is_some_and(|name| name != NEUROID && name != PRESENTATION)
}

/// h5py's booleans.
fn is_boolean(members: &[(i128, String)]) -> bool {
    matches!(members, [(0, no), (1, yes)] if no == "FALSE" && yes == "TRUE")
}
