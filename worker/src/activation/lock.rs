//! Locks on the cache's own files, without lock files: shared while a layer is read, exclusive
//! while it is written or about to be deleted. The operating system releases a process's locks when
//! it ends, however it ends.
//!
//! While a process waits for a lock, the path may come to name another file. Every function here
//! checks that the locked file is still the one at the path.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Opens the file at `path` and locks it against deletion; `None` if it is missing.
pub(super) fn shared(path: &Path) -> io::Result<Option<File>> {
    loop {
        let Some(file) = found(File::open(path))? else {
            return Ok(None);
        };
        // Waits only briefly: a process that deletes a layer or has just written it is almost done.
        file.lock_shared()?;
        if is_at(&file, path)? {
            return Ok(Some(file));
        }
    }
}

/// Opens the file at `path` and locks it exclusively; `None` if it is missing or in use.
pub(super) fn exclusive(path: &Path) -> io::Result<Option<File>> {
    let Some(file) = found(File::options().read(true).write(true).open(path))? else {
        return Ok(None);
    };
    Ok(if try_exclusive(&file)? && is_at(&file, path)? {
        Some(file)
    } else {
        None
    })
}

/// As [`exclusive`], but creates a missing file.
pub(super) fn exclusive_or_new(path: &Path) -> io::Result<Option<File>> {
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    Ok(if try_exclusive(&file)? && is_at(&file, path)? {
        Some(file)
    } else {
        None
    })
}

fn try_exclusive(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Whether `file` is the file that is now at `path`.
pub(super) fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let Some(there) = found(std::fs::metadata(path))? else {
        return Ok(false);
    };
    let here = file.metadata()?;
    Ok((here.dev(), here.ino()) == (there.dev(), there.ino()))
}

/// Turns the error of a missing file into `None`.
pub(super) fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
