//! Parts of datasets: a box of numbers is read without the others, but for those that share a chunk with it.

use std::ops::Range;

use hdf5_reader::error::{Error, Result};
use hdf5_reader::{Dataset, Datatype, H5Type, SliceInfo, SliceInfoElem};

use super::number_type;

/// A number as it is stored, in `N` bytes.
#[derive(Clone)]
#[repr(transparent)]
struct Stored<const N: usize>([u8; N]);

impl<const N: usize> H5Type for Stored<N> {
    fn hdf5_type() -> Datatype {
        // Only writers ask.
        Datatype::Opaque {
            size: N as u32,
            tag: String::new(),
        }
    }

    fn from_bytes(bytes: &[u8], _dtype: &Datatype) -> Result<Self> {
        let stored = bytes.try_into();
        stored
            .map(Self)
            .map_err(|_| Error::InvalidData(format!("a number has {} bytes", bytes.len())))
    }

    fn element_size(_dtype: &Datatype) -> usize {
        N
    }
}

/// The numbers of a dataset within `ranges`, one for each of its axes, in the order of its rows. The caller
/// checks how many they are.
///
/// # Errors
/// When it has no numbers, or they cannot be read.
pub(crate) fn numbers_within(dataset: &Dataset, ranges: &[Range<u64>]) -> Result<Vec<f64>> {
    let of = number_type(dataset)?;
    let stored = match dataset.raw_element_size()? {
        1 => bytes_within::<1>(dataset, ranges),
        2 => bytes_within::<2>(dataset, ranges),
        3 => bytes_within::<3>(dataset, ranges),
        4 => bytes_within::<4>(dataset, ranges),
        5 => bytes_within::<5>(dataset, ranges),
        6 => bytes_within::<6>(dataset, ranges),
        7 => bytes_within::<7>(dataset, ranges),
        8 => bytes_within::<8>(dataset, ranges),
        bytes => Err(Error::UnsupportedEncoding(format!(
            "numbers of {bytes} bytes"
        ))),
    };
    let stored = stored.map_err(|error| error.with_context(dataset.name()))?;
    Ok(of.decode(&stored))
}

fn bytes_within<const N: usize>(dataset: &Dataset, ranges: &[Range<u64>]) -> Result<Vec<u8>> {
    let selections = ranges.iter().map(|range| SliceInfoElem::Slice {
        start: range.start,
        end: range.end,
        step: 1,
    });
    let selection = SliceInfo {
        selections: selections.collect(),
    };
    let stored = dataset.read_slice::<Stored<N>>(&selection)?;
    let mut bytes = Vec::with_capacity(N * stored.len());
    for number in &stored {
        bytes.extend_from_slice(&number.0);
    }
    Ok(bytes)
}
