//! MATLAB's `.mat`: version 7.3, which is HDF5, and version 5, which `save` writes as `-v6` and `-v7` and
//! SciPy as its only one.
//!
//! A `.mat` is a workspace: what is beside the responses is left out and named. Axes are in MATLAB's
//! order, as `size` shows them.

mod five;
mod seven;

use std::fs::File;
use std::io::Read;

use super::arrays;
use super::hdf5::guarded;
use super::reading::{Asked, Opened};
use crate::recording::error::{ArraysError, RecordingError};
use crate::recording::words::first_bytes;
use five::Five;
use seven::Seven;

/// Bytes before the first array: a text, the version, and the order of bytes.
const HEADER: usize = 128;

/// Reads the arrays that are asked for.
///
/// # Errors
/// When the file is of another version, or as [`arrays::responses`].
pub(super) fn open(asked: &Asked<'_>) -> Result<Opened, RecordingError> {
    let io = |source| RecordingError::Io {
        path: asked.path.to_owned(),
        source,
    };
    let file = File::open(asked.path).map_err(io)?;
    if file.metadata().map_err(io)?.is_dir() {
        return Err(io(std::io::ErrorKind::IsADirectory.into()));
    }
    let mut start = Vec::new();
    file.take(HEADER as u64)
        .read_to_end(&mut start)
        .map_err(io)?;
    match start.get(124..HEADER) {
        // Version 2 of the header is HDF5 behind it.
        Some([_, 2, b'I', b'M'] | [2, _, b'M', b'I']) => open_seven(asked),
        Some([0, 1, b'I', b'M']) => arrays::responses(asked, &mut Five::open(asked.path, false)?),
        Some([1, 0, b'M', b'I']) => arrays::responses(asked, &mut Five::open(asked.path, true)?),
        _ if start.starts_with(b"\x89HDF") => open_seven(asked),
        _ => Err(ArraysError::NotMatlab {
            path: asked.path.to_owned(),
            found: first_bytes(&start),
        }
        .into()),
    }
}

fn open_seven(asked: &Asked<'_>) -> Result<Opened, RecordingError> {
    guarded(asked.path, || {
        arrays::responses(asked, &mut Seven::open(asked.path)?)
    })
}

#[cfg(test)]
mod tests;
