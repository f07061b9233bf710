//! Formats of responses, one file each: a table of them, and the one way to open a file, for checks and
//! sweeps alike. A file's extension, in any case, says which format it is; the extensions
//! themselves are [`ResponseFormat`]'s, because the sweep file's check knows them too.

pub(super) mod arrays;
mod hdf5;
mod netcdf;
mod reading;
mod ventral;

use std::path::Path;

use nrp_proto::sweep::ResponseFormat;

use super::error::RecordingError;
pub(super) use reading::{Asked, Brought, Opened};

/// A format of responses.
pub struct Format {
    /// Its name and extensions.
    pub format: ResponseFormat,
    /// What such a file is.
    pub what: &'static str,
    /// Reads a file.
    open: fn(&Asked<'_>) -> Result<Opened, RecordingError>,
    /// Hashes the stimuli of some variation levels of a file that brings its own stimuli.
    digest_stimuli: Option<DigestStimuli>,
}

type DigestStimuli = fn(&mut blake3::Hasher, &Path, &[u32]) -> Result<(), RecordingError>;

/// Every format.
pub const FORMATS: [Format; 3] = [
    Format {
        format: ResponseFormat::Assembly,
        what: "a Brain-Score assembly (netCDF-4)",
        open: netcdf::open,
        digest_stimuli: None,
    },
    Format {
        format: ResponseFormat::Arrays,
        what: "NumPy arrays",
        open: arrays::open,
        digest_stimuli: None,
    },
    Format {
        format: ResponseFormat::Ventral,
        what: "a file laid out as `ventral_neural_data.hdf5`, with its stimuli and images",
        open: ventral::open,
        digest_stimuli: Some(ventral::digest_stimuli),
    },
];

/// Reads the responses that are asked for.
///
/// # Errors
/// When the extension names no format, or the file is missing, damaged or not laid out as its
/// format requires.
pub(super) fn open(asked: &Asked<'_>) -> Result<Opened, RecordingError> {
    (named(asked.path)?.open)(asked)
}

/// Hashes the stimuli that the file at `path` brings.
///
/// # Errors
/// When the file cannot be read, or brings none.
pub(super) fn digest_stimuli(
    hasher: &mut blake3::Hasher,
    path: &Path,
    variations: &[u32],
) -> Result<(), RecordingError> {
    let unknown = || unknown(path);
    let digest = named(path)?.digest_stimuli.ok_or_else(unknown)?;
    digest(hasher, path, variations)
}

/// The format that the extension of `path` names.
///
/// # Errors
/// When it names none.
pub(super) fn named(path: &Path) -> Result<&'static Format, RecordingError> {
    let format = ResponseFormat::of(&path.to_string_lossy());
    let mut formats = FORMATS.iter();
    let found = format.and_then(|format| formats.find(|known| known.format == format));
    found.ok_or_else(|| unknown(path))
}

fn unknown(path: &Path) -> RecordingError {
    RecordingError::UnknownKind {
        path: path.to_owned(),
    }
}

#[cfg(test)]
mod tests;
