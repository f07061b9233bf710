//! Formats of responses, one file each: a table of them, and the one way to open a file, for checks and
//! sweeps alike. A file's content says which format it is, and its extension, in any case, where the
//! content says nothing. The extensions are [`ResponseFormat`]'s, because the sweep file's check knows them too.

pub(super) mod arrays;
mod content;
mod hdf5;
mod matlab;
mod netcdf;
mod nwb;
mod reading;
mod ventral;

use std::path::Path;

use nrp_proto::sweep::ResponseFormat;

use super::assembly::Contents;
use super::error::RecordingError;
use super::site_filter::Verdict;
pub(crate) use netcdf::tables::Tables;
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
pub const FORMATS: [Format; 5] = [
    Format {
        format: ResponseFormat::Assembly,
        what: "a Brain-Score assembly (netCDF)",
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
        format: ResponseFormat::Matlab,
        what: "MATLAB arrays (version 5 or 7.3)",
        open: matlab::open,
        digest_stimuli: None,
    },
    Format {
        format: ResponseFormat::Nwb,
        what: "spikes and trials (NWB 2)",
        open: nwb::open,
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
    let format = format(asked.path)?;
    asked.refuse_of_others(format.format)?;
    (format.open)(asked)
}

/// What an assembly has although its responses cannot be read as asked; `None` for files of other formats, and
/// where this cannot be read either.
pub(super) fn contents(asked: &Asked<'_>) -> Option<Contents> {
    match format(asked.path).ok()?.format {
        ResponseFormat::Assembly => netcdf::contents(asked).ok(),
        ResponseFormat::Arrays
        | ResponseFormat::Matlab
        | ResponseFormat::Nwb
        | ResponseFormat::Ventral => None,
    }
}

/// What the filter that is asked for says of a file's sites; `None` without a filter.
///
/// # Errors
/// When the file cannot be read, or its format does not describe sites.
pub(super) fn verdict(asked: &Asked<'_>) -> Result<Option<Verdict>, RecordingError> {
    if asked.layout.filter.is_none() {
        return Ok(None);
    }
    let format = format(asked.path)?.format;
    asked.refuse_of_others(format)?;
    match format {
        ResponseFormat::Assembly => netcdf::verdict(asked),
        ResponseFormat::Nwb => nwb::verdict(asked),
        ResponseFormat::Arrays | ResponseFormat::Matlab | ResponseFormat::Ventral => Ok(None),
    }
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
    let none = || RecordingError::NoStimulusSet {
        path: path.to_owned(),
    };
    let digest = format(path)?.digest_stimuli.ok_or_else(none)?;
    digest(hasher, path, variations)
}

/// The format of the file at `path`: the one of its content, or else of its extension.
///
/// # Errors
/// When its extension names none: no sweep file may name such a file, whatever its content.
pub(super) fn format(path: &Path) -> Result<&'static Format, RecordingError> {
    let named = ResponseFormat::of(&path.to_string_lossy());
    let named = named.ok_or_else(|| RecordingError::UnknownKind {
        path: path.to_owned(),
    })?;
    let format = content::format(path).unwrap_or(named);
    let mut formats = FORMATS.iter();
    let found = formats.find(|known| known.format == format);
    Ok(found.expect("every format is in the table, as a test shows"))
}

#[cfg(test)]
mod tests;
