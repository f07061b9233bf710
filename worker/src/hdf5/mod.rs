//! HDF5 files, as recordings and weights are stored in them: the filters that compress their chunks, the
//! numbers that the `hdf5-reader` crate does not know, and the layouts that it would misread.
//!
//! What a file's datasets mean is for its reader to know, never for this room.

pub(crate) mod filters;
pub(crate) mod layout;
pub(crate) mod members;
mod numbers;
mod part;

use hdf5_reader::error::{Error, Result};
use hdf5_reader::{Dataset, OpenOptions};

pub(crate) use numbers::NumberType;
pub(crate) use part::numbers_within;

/// How to open a file: with every filter of [`filters`], and no array or chunk above `bytes_max` unpacked.
pub(crate) fn options(bytes_max: usize) -> OpenOptions {
    OpenOptions::default()
        .with_filter_registry(filters::registry(bytes_max))
        .with_max_chunk_bytes(bytes_max)
        .with_max_read_bytes(bytes_max)
}

/// How the numbers of a dataset are stored.
///
/// # Errors
/// When it has none, or none that are read.
pub(crate) fn number_type(dataset: &Dataset) -> Result<NumberType> {
    let of = NumberType::of(&dataset.raw_datatype()?);
    of.map_err(|problem| {
        let problem = format!("`{}` {problem}", dataset.name());
        Error::UnsupportedEncoding(problem)
    })
}

/// All numbers of a dataset, in the order of its rows. The caller checks how many they are.
///
/// # Errors
/// When it has none, or they cannot be read.
pub(crate) fn numbers(dataset: &Dataset) -> Result<Vec<f64>> {
    let of = number_type(dataset)?;
    Ok(of.decode(&dataset.read_raw_bytes()?))
}

/// A group, a dataset or an attribute that may be missing.
///
/// # Errors
/// When it is there and cannot be read.
pub(crate) fn found<T>(asked: Result<T>) -> Result<Option<T>> {
    match asked {
        Ok(found) => Ok(Some(found)),
        Err(error) => match innermost(&error) {
            Error::GroupNotFound(_) | Error::DatasetNotFound(_) | Error::AttributeNotFound(_) => {
                Ok(None)
            }
            _ => Err(error),
        },
    }
}

/// The error without the paths around it.
pub(crate) fn innermost(error: &Error) -> &Error {
    let mut error = error;
    while let Error::Context { source, .. } = error {
        error = source;
    }
    error
}
