//! What the formats on HDF5 share: opening a file that is whole, and panics of their readers.

use std::path::Path;
use std::sync::Arc;

use hdf5_reader::storage::{FileStorage, Storage};
use hdf5_reader::superblock::Superblock;
use netcdf_reader::Error as NcError;
use nrp_proto::panics::caught;

use crate::recording::error::RecordingError;

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
