//! NetCDF-3: classic files, which `scipy.io.netcdf_file` and `to_netcdf(format="NETCDF3_64BIT")` write. Their
//! words are characters, one axis more.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hdf5_reader::storage::FileStorage;
use netcdf_reader::{NcFile, NcOpenOptions, NcSliceInfo, NcSliceInfoElem, NcType, NcVariable};

use super::damaged;
use super::packing::{Packing, Stored};
use super::variable::{Axis, Content, Variable};
use crate::recording::error::RecordingError;
use crate::recording::limits::MAX_RESPONSES_BYTES;

/// An opened file.
pub(super) struct ClassicFile {
    path: PathBuf,
    file: NcFile,
}

impl ClassicFile {
    /// Opens a file, and lists its variables.
    pub(super) fn open(
        path: &Path,
        storage: Arc<FileStorage>,
    ) -> Result<(Self, Vec<Variable>), RecordingError> {
        let options = NcOpenOptions {
            max_read_bytes: MAX_RESPONSES_BYTES,
            ..NcOpenOptions::default()
        };
        let failed = |source| damaged(path, source);
        let file = NcFile::from_storage_with_options(storage, options).map_err(failed)?;
        let variables = file.variables().map_err(failed)?;
        let variables = variables.iter().map(variable).collect();
        let path = path.to_owned();
        Ok((Self { path, file }, variables))
    }

    pub(super) fn numbers(&self, name: &str) -> Result<Vec<f64>, RecordingError> {
        let numbers = self.file.read_variable_as_f64(name);
        let numbers = numbers.map_err(|source| damaged(&self.path, source))?;
        Ok(numbers.iter().copied().collect())
    }

    pub(super) fn numbers_within(
        &self,
        name: &str,
        ranges: &[Range<u64>],
    ) -> Result<Vec<f64>, RecordingError> {
        let selections = ranges.iter().map(|range| NcSliceInfoElem::Slice {
            start: range.start,
            end: range.end,
            step: 1,
        });
        let selection = NcSliceInfo {
            selections: selections.collect(),
        };
        let numbers = self.file.read_variable_slice_as_f64(name, &selection);
        let numbers = numbers.map_err(|source| damaged(&self.path, source))?;
        Ok(numbers.iter().copied().collect())
    }

    pub(super) fn words(&self, name: &str) -> Result<Vec<String>, RecordingError> {
        let words = self.file.read_variable_as_strings(name);
        words.map_err(|source| damaged(&self.path, source))
    }

    /// The whole numbers of a variable; `None` for floating-point numbers.
    pub(super) fn integers(&self, name: &str) -> Result<Option<Vec<i128>>, RecordingError> {
        let failed = |source| damaged(&self.path, source);
        let variable = self.file.variable(name).map_err(failed)?;
        let integers = match variable.dtype() {
            NcType::Int64 => {
                let read = self.file.read_variable::<i64>(name).map_err(failed)?;
                read.iter().map(|&n| n.into()).collect()
            }
            NcType::UInt64 => {
                let read = self.file.read_variable::<u64>(name).map_err(failed)?;
                read.iter().map(|&n| n.into()).collect()
            }
            of if integers(of).is_some() => {
                self.numbers(name)?.iter().map(|&n| n as i128).collect()
            }
            _ => return Ok(None),
        };
        Ok(Some(integers))
    }
}

/// Of integers, whether they have a sign, and how many there are.
fn integers(dtype: &NcType) -> Option<(bool, f64)> {
    let (is_signed, bits) = match dtype {
        NcType::Byte => (true, 8),
        NcType::UByte => (false, 8),
        NcType::Short => (true, 16),
        NcType::UShort => (false, 16),
        NcType::Int => (true, 32),
        NcType::UInt => (false, 32),
        NcType::Int64 => (true, 64),
        NcType::UInt64 => (false, 64),
        _ => return None,
    };
    Some((is_signed, 2_f64.powi(bits)))
}

fn variable(of: &NcVariable) -> Variable {
    let mut axes: Vec<Axis> = of
        .dimensions()
        .iter()
        .map(|dimension| Axis {
            name: Some(dimension.name.clone()),
            length: dimension.size,
        })
        .collect();
    let text = |name: &str| of.attribute(name)?.value.as_string();
    let content = match of.dtype() {
        NcType::Char => {
            axes.pop();
            Content::Characters
        }
        _ if text("dtype").as_deref() == Some("bool") => Content::Booleans,
        dtype if dtype.is_primitive() => Content::Numbers,
        other => Content::Other(format!("is of type {other:?}")),
    };
    let rounded: fn(f64) -> f64 = match of.dtype() {
        NcType::Float => |number| f64::from(number as f32),
        _ => |number| number,
    };
    let stored = Stored {
        integers: integers(of.dtype()),
        rounded: &rounded,
    };
    let numbers = |name: &str| of.attribute(name)?.value.as_f64_vec();
    Variable {
        name: of.name().to_owned(),
        axes,
        content,
        packing: Packing::of(&stored, numbers, text),
        rounded,
        units: text("units"),
    }
}
