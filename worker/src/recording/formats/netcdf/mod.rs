//! Brain-Score assemblies: one netCDF variable of responses over sites and presentations, perhaps in time bins,
//! and the coordinates that name them.
//!
//! Reads the coordinates first, and then the responses of the regions and time bins that are asked for; averaging
//! over presentations and matching with stimuli are done elsewhere. Any bytes give an assembly or an error, never
//! a panic.

mod classic;
mod columns;
mod coordinates;
mod file;
mod header;
mod nc4;
mod packing;
mod responses;
mod slabs;
pub(in crate::recording::formats) mod tables;
mod variable;

use std::collections::{HashMap, HashSet};
use std::path::Path;

use netcdf_reader::Error as NcError;

use super::hdf5::guarded;
use super::reading::{Asked, Opened};
use crate::recording::assembly::{Assembly, Contents};
use crate::recording::bins::{Bins, Group};
use crate::recording::error::RecordingError;
use crate::recording::site::SiteKey;
use crate::recording::site_filter::Verdict;
use crate::recording::stimuli::StimulusSet;
use columns::Columns;
use coordinates::Coordinates;
use file::File;
use header::Header;
use responses::Responses;

const NEUROID: &str = "neuroid";
const PRESENTATION: &str = "presentation";
const TIME_BIN: &str = "time_bin";
const REGION: &str = "region";
/// The coordinates that number repetitions: the usual one of Brain-Score, and that of its Cadena
/// recordings.
const REPETITIONS: [&str; 2] = ["repetition", "repetition_id"];
/// What xarray calls the only coordinate of a dimension.
const ONLY_OF_SITES: [&str; 2] = ["neuroid_", NEUROID];
const ONLY_OF_PRESENTATIONS: [&str; 2] = ["presentation_", PRESENTATION];

/// Reads the assembly that is asked for.
pub(super) fn open(asked: &Asked<'_>) -> Result<Opened, RecordingError> {
    asked.refuse_axes()?;
    let assembly = guarded(asked.path, || read(asked))?;
    Ok(Opened::without_stimuli(assembly))
}

/// What the filter that is asked for says of the assembly's sites.
pub(super) fn verdict(asked: &Asked<'_>) -> Result<Option<Verdict>, RecordingError> {
    guarded(asked.path, || {
        let (_, _, header) = described(asked)?;
        Ok(header.verdict)
    })
}

/// What the assembly that is asked for has, whether its responses can be read as asked or not: nothing is said of
/// presentations.
pub(super) fn contents(asked: &Asked<'_>) -> Result<Contents, RecordingError> {
    guarded(asked.path, || {
        let (_, _, header) = described(asked)?;
        Ok(header.contents())
    })
}

/// The file, its variable of responses, and what its coordinates say.
fn described(asked: &Asked<'_>) -> Result<(File, Responses, Header), RecordingError> {
    let path = asked.path;
    let file = File::open(path)?;
    let responses = responses::of(&file, path, asked.layout.variable.as_deref())?;
    let coordinates = Coordinates {
        path,
        file: &file,
        group: responses.variable.group(),
    };
    let header = Header::read(&coordinates, &responses, asked.layout)?;
    Ok((file, responses, header))
}

fn read(asked: &Asked<'_>) -> Result<Assembly, RecordingError> {
    let path = asked.path;
    let (file, responses, header) = described(asked)?;
    let bins = Bins {
        path,
        bins: &header.time_bins,
    };
    let (groups, notice) = bins.choose(asked.layout.bins.as_ref())?;
    let (kept, passing) = kept(asked, &header)?;
    let columns = Columns::of(asked, &header, &groups, kept.as_ref())?;
    let (values, odd) = slabs::read(&file, path, &responses, &columns.sites, &columns.groups)?;
    let of_columns = |of: &Vec<f64>| {
        let of_group = |_: &Group| columns.sites.iter().map(|&site| of[site]);
        columns.groups.iter().flat_map(of_group).collect()
    };
    let ceilings = header.ceilings.as_ref().map(of_columns);
    let contents = header.contents();
    let mut notices = header.notices;
    notices.extend(notice);
    notices.extend(passing);
    notices.extend(columns.notices);
    notices.extend(odd);
    Ok(Assembly {
        path: path.to_owned(),
        test_path: None,
        keys: columns.keys,
        sites: columns.names,
        regions: columns.regions,
        parts: columns.parts,
        contents,
        ceilings,
        notices,
        axes: Vec::new(),
        shown: as_listed(header.shown, asked.stimuli),
        ids_are_text: header.ids_are_text,
        repetitions: header.repetitions,
        values,
        noise_from: 0,
    })
}

/// The sites that are read, if not all, and how many that are, in words.
fn kept(
    asked: &Asked<'_>,
    header: &Header,
) -> Result<(Option<HashSet<SiteKey>>, Option<String>), RecordingError> {
    match (asked.kept, &header.verdict) {
        (Some(kept), _) => Ok((Some(kept.clone()), None)),
        (None, Some(verdict)) => {
            let (kept, notice) = verdict.passing()?;
            Ok((Some(kept), Some(notice)))
        }
        (None, None) => Ok((None, None)),
    }
}

/// The ids as the stimulus set has them, which is read without the blanks around its fields: an id that it does
/// not list loses its own, unless another id of the assembly is then the same.
fn as_listed(shown: Vec<String>, set: Option<&StimulusSet>) -> Vec<String> {
    let Some(set) = set else {
        return shown;
    };
    let listed: HashSet<&str> = set.stimuli.iter().map(|of| of.id.as_str()).collect();
    let own: HashSet<&str> = shown.iter().map(String::as_str).collect();
    let mut of_bare: HashMap<&str, usize> = HashMap::new();
    for id in &own {
        *of_bare.entry(id.trim_matches(' ')).or_default() += 1;
    }
    let ids = shown.iter().map(|id| {
        let bare = id.trim_matches(' ');
        let is_own = !listed.contains(id.as_str()) && listed.contains(bare) && of_bare[bare] == 1;
        if is_own { bare } else { id }.to_owned()
    });
    ids.collect()
}

impl Header {
    fn contents(&self) -> Contents {
        Contents {
            sites: self.sites.clone(),
            time_bins: self.time_bins.clone(),
        }
    }
}

/// A damaged file, as the netCDF reader says.
fn damaged(path: &Path, source: NcError) -> RecordingError {
    RecordingError::Damaged {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests;
