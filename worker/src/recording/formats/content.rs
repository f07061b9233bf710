//! What a file is by its content, whatever it is called.

use std::path::Path;

use hdf5_reader::Hdf5File;
use nrp_proto::panics::caught;
use nrp_proto::sweep::ResponseFormat;

use super::hdf5::{first_of, storage};
use super::ventral;
use crate::hdf5;
use crate::recording::limits::MAX_RESPONSES_BYTES;

/// The format that the content of the file at `path` has; `None` where it has none, or cannot be read.
pub(super) fn format(path: &Path) -> Option<ResponseFormat> {
    let start = first_of(path, 8).ok()?;
    if start.starts_with(b"\x93NUMPY") || start.starts_with(b"PK\x03\x04") {
        return Some(ResponseFormat::Arrays);
    }
    if start.starts_with(b"CDF") {
        return Some(ResponseFormat::Assembly);
    }
    if start.starts_with(b"MATLAB ") {
        return Some(ResponseFormat::Matlab);
    }
    let (names, is_netcdf) = caught(|| in_root(path)).ok()??;
    if ventral::is_laid_out(&names) {
        return Some(ResponseFormat::Ventral);
    }
    if names.iter().any(|name| name == "nwb_version") {
        return Some(ResponseFormat::Nwb);
    }
    // Other HDF5 is what its extension says, whose reader says what is missing.
    is_netcdf.then_some(ResponseFormat::Assembly)
}

/// The names in the root of an HDF5 file, and whether it is netCDF; `None` if it is not HDF5.
fn in_root(path: &Path) -> Option<(Vec<String>, bool)> {
    let storage = storage(path).ok()?;
    let options = hdf5::options(MAX_RESPONSES_BYTES);
    let file = Hdf5File::from_storage_with_options(storage, options).ok()?;
    let root = file.root_group().ok()?;
    let (groups, datasets) = hdf5::members::names(&root).ok()?;
    let has_dimensions = datasets
        .iter()
        .any(|name| name == "neuroid" || name == "presentation");
    let is_netcdf = has_dimensions || root.attribute("_NCProperties").is_ok();
    let is_nwb = root.attribute("nwb_version").is_ok();
    let nwb = is_nwb.then(|| "nwb_version".to_owned());
    let names = groups.into_iter().chain(datasets).chain(nwb).collect();
    Some((names, is_netcdf))
}
