//! Locks on the cache's own files, so that none has a lock file beside it: shared while a layer is
//! read, exclusive while it is written or about to be deleted. The system drops the locks of a
//! process that ends, however it ends.
//!
//! A name may have gone to another file while one waited for the lock; every function here makes
//! sure that what is locked is still what has the name.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Opens the file at `path` and locks it against deletion; none where it is missing.
pub(super) fn shared(path: &Path) -> io::Result<Option<File>> {
    loop {
        let Some(file) = found(File::open(path))? else {
            return Ok(None);
        };
        // Waits for a moment at most: who deletes or has just written a layer is about to be done.
        file.lock_shared()?;
        if is_at(&file, path)? {
            return Ok(Some(file));
        }
    }
}

/// Opens the file at `path` and locks it against all others; none where it is missing or in use.
pub(super) fn exclusive(path: &Path) -> io::Result<Option<File>> {
    let Some(file) = found(File::options().read(true).write(true).open(path))? else {
        return Ok(None);
    };
    Ok(match try_exclusive(&file)? && is_at(&file, path)? {
        true => Some(file),
        false => None,
    })
}

/// As [`exclusive`], making the file where it is missing.
pub(super) fn exclusive_or_new(path: &Path) -> io::Result<Option<File>> {
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    Ok(match try_exclusive(&file)? && is_at(&file, path)? {
        true => Some(file),
        false => None,
    })
}

fn try_exclusive(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Whether `file` is what lies at `path` now.
pub(super) fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let Some(there) = found(std::fs::metadata(path))? else {
        return Ok(false);
    };
    let here = file.metadata()?;
    Ok((here.dev(), here.ino()) == (there.dev(), there.ino()))
}

/// None for what is missing.
pub(super) fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
