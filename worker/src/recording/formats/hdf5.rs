//! What the formats on HDF5 share: opening a file that is whole, and panics of their readers.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use hdf5_reader::Dataset;
use hdf5_reader::error::Error;
use hdf5_reader::storage::{FileStorage, Storage};
use hdf5_reader::superblock::Superblock;
use netcdf_reader::Error as NcError;
use nrp_proto::panics::caught;

use crate::hdf5::{self, NumberType};
use crate::recording::error::RecordingError;
use crate::recording::limits::MAX_RESPONSES;

/// Runs `read`, and turns a panic in it into an error. The reader crates are hardened against
/// malformed bytes, but guarantee nothing; a worker must survive any file.
pub(super) fn guarded<T>(
    path: &Path,
    read: impl FnOnce() -> Result<T, RecordingError>,
) -> Result<T, RecordingError> {
    caught(read).unwrap_or_else(|reason| {
        Err(RecordingError::ReaderGaveUp {
            path: path.to_owned(),
            reason,
        })
    })
}

/// Opens an HDF5 or netCDF file, and refuses a truncated one.
pub(super) fn storage(path: &Path) -> Result<Arc<FileStorage>, RecordingError> {
    let io = |source| RecordingError::Io {
        path: path.to_owned(),
        source,
    };
    let file = std::fs::File::open(path).map_err(io)?;
    if file.metadata().map_err(io)?.is_dir() {
        return Err(io(std::io::ErrorKind::IsADirectory.into()));
    }
    // Read, not mapped: a file that shrinks under a mapping kills the process.
    let storage = FileStorage::open(path).map_err(|source| RecordingError::Damaged {
        path: path.to_owned(),
        source: source.into(),
    })?;
    refuse_truncated(path, &storage)?;
    Ok(Arc::new(storage))
}

/// The first bytes of a file, at most `bytes`.
pub(super) fn first_of(path: &Path, bytes: u64) -> Result<Vec<u8>, RecordingError> {
    let io = |source| RecordingError::Io {
        path: path.to_owned(),
        source,
    };
    let mut start = Vec::new();
    let mut file = std::fs::File::open(path).map_err(io)?.take(bytes);
    file.read_to_end(&mut start).map_err(io)?;
    Ok(start)
}

/// What the HDF5 reader's error says of a file: not HDF5, damaged, or sound and yet not read.
pub(super) fn unread(path: &Path, error: Error) -> RecordingError {
    if hdf5::layout::is_unread(&error) {
        return unread_layout(path, &error);
    }
    let path = path.to_owned();
    match hdf5::innermost(&error) {
        Error::InvalidMagic => RecordingError::NotHdf5 { path },
        Error::UnsupportedFilter(filter) => RecordingError::UnreadFilter {
            path,
            filter: hdf5::filters::foreign(filter),
            source: error.into(),
        },
        Error::UnsupportedEncoding(_)
        | Error::ResourceLimit(_)
        | Error::UnsupportedSuperblockVersion(_)
        | Error::UnsupportedLinkType(_) => RecordingError::UnreadHdf5 {
            path,
            source: error.into(),
        },
        _ => RecordingError::Damaged {
            path,
            source: error.into(),
        },
    }
}

/// The error of a sound file whose datasets are laid out as is not read.
pub(super) fn unread_layout(path: &Path, error: &Error) -> RecordingError {
    RecordingError::UnreadLayout {
        path: path.to_owned(),
        problem: hdf5::layout::problem(error),
    }
}

/// A truncated file may still have everything that is read, but its content cannot be trusted. The
/// HDF5 library refuses such files; this reader does not.
fn refuse_truncated(path: &Path, storage: &FileStorage) -> Result<(), RecordingError> {
    let claimed = match Superblock::parse_from_storage(storage) {
        Ok(superblock) => superblock.eof_address,
        Err(_) => return Ok(()), // classic netCDF, or for the reader to complain about
    };
    if claimed == u64::MAX || storage.len() >= claimed {
        return Ok(());
    }
    Err(RecordingError::Damaged {
        path: path.to_owned(),
        source: NcError::UnexpectedEof {
            offset: 0,
            needed: claimed,
            available: storage.len(),
        },
    })
}

/// The numbers of a dataset, whatever their type, in the order of the file. The error is a phrase that
/// follows the dataset's name.
pub(super) fn numbers(data: &Dataset) -> Result<Vec<f64>, String> {
    let entries = data.num_elements().map_err(|error| error.to_string())?;
    if entries > MAX_RESPONSES as u64 {
        return Err(format!("has more than {MAX_RESPONSES} entries"));
    }
    let damaged = |error| format!("cannot be read ({error})");
    let number = NumberType::of(&data.raw_datatype().map_err(damaged)?)?;
    Ok(number.decode(&data.read_raw_bytes().map_err(damaged)?))
}
