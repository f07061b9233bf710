//! Layouts of datasets that the `hdf5-reader` crate reads wrongly, or not: they are refused before any of
//! their numbers is read.
//!
//! HDF5 numbers the chunks of a fixed array, and of an implicit index, by the shape a dataset may grow to; the
//! crate numbers them by the shape it has, and so takes one chunk for another.

#[cfg(test)]
mod tests;

use hdf5_reader::Dataset;
use hdf5_reader::error::{Error, Result};
use hdf5_reader::group::Group;
use hdf5_reader::messages::HdfMessage;
use hdf5_reader::messages::layout::{ChunkIndexing, DataLayout};
use hdf5_reader::object_header::ObjectHeader;

/// What begins the error of a layout that is not read.
const UNREAD: &str = "layout that is not read";
/// The class of the layout of virtual datasets, which the crate knows by number alone.
const VIRTUAL: u8 = 3;
/// Most bytes of a header.
const HEADER_BYTES_MAX: usize = 64 << 20;

/// The dataset `name` of `group`, if its layout is read.
///
/// # Errors
/// When there is no such dataset, it is damaged, or its layout is not read.
pub(crate) fn dataset(group: &Group, name: &str) -> Result<Dataset> {
    let found = group.dataset(name).map_err(|error| {
        if is_virtual(&error) {
            let problem = format!("dataset `{name}` is virtual: its numbers are elsewhere");
            return Error::UnsupportedEncoding(unread(&problem));
        }
        error
    });
    checked(group, found?)
}

/// Whether an error is that of a sound dataset whose layout is not read.
pub(crate) fn is_unread(error: &Error) -> bool {
    match super::innermost(error) {
        Error::UnsupportedEncoding(problem) => problem.starts_with(UNREAD),
        _ => is_virtual(error),
    }
}

/// Whether the crate could not read a dataset, or a group with one, because the dataset is virtual.
fn is_virtual(error: &Error) -> bool {
    matches!(super::innermost(error), Error::UnsupportedLayoutClass(class) if *class == VIRTUAL)
}

/// What an error that [`is_unread`] says, without the paths around it.
pub(crate) fn problem(error: &Error) -> String {
    match super::innermost(error) {
        Error::UnsupportedLayoutClass(_) => unread("a virtual dataset has its numbers elsewhere"),
        Error::UnsupportedEncoding(problem) => problem.clone(),
        other => other.to_string(),
    }
}

fn unread(problem: &str) -> String {
    format!(
        "{UNREAD} ({problem}); `h5repack -f NONE -l CONTI OLD NEW` writes the file without it, and where that cannot open it, h5py: `new[NAME] = old[NAME][()]`"
    )
}

/// The header of the object at `address`, in the file of `group`.
pub(super) fn header(group: &Group, address: u64) -> Result<ObjectHeader> {
    ObjectHeader::parse_at_storage_with_limit(
        group.storage(),
        address,
        group.offset_size(),
        group.length_size(),
        HEADER_BYTES_MAX,
    )
}

/// `dataset`, which is in the file of `group`.
pub(super) fn checked(group: &Group, dataset: Dataset) -> Result<Dataset> {
    for message in &header(group, dataset.address())?.messages {
        let problem = match message {
            HdfMessage::ExternalFiles(_) => "has its numbers in another file",
            HdfMessage::DataLayout(message) if is_misread(&dataset, &message.layout) => {
                "can grow along an axis other than the first, and its chunks are numbered by that"
            }
            _ => continue,
        };
        let name = dataset.name();
        let problem = unread(&format!("dataset `{name}` {problem}"));
        return Err(Error::UnsupportedEncoding(problem));
    }
    Ok(dataset)
}

/// Whether a chunk has another number by the dataset's shape than by the shape it may grow to.
fn is_misread(dataset: &Dataset, layout: &DataLayout) -> bool {
    let DataLayout::Chunked {
        dims,
        chunk_indexing: Some(ChunkIndexing::FixedArray { .. } | ChunkIndexing::Implicit),
        ..
    } = layout
    else {
        return false;
    };
    let Some(most) = dataset.max_dims() else {
        return false;
    };
    // From the last axis: how far apart the numbers of neighbours along the axis are, by either shape.
    let mut apart = (1_u64, 1_u64);
    for ((&length, &most), &chunk) in dataset.shape().iter().zip(most).zip(dims).rev() {
        let chunk = u64::from(chunk.max(1));
        let (now, then) = (length.div_ceil(chunk), most.div_ceil(chunk));
        if now > 1 && apart.0 != apart.1 {
            return true;
        }
        apart = (apart.0.saturating_mul(now), apart.1.saturating_mul(then));
    }
    false
}
