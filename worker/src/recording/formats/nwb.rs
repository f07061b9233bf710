//! NWB 2: spikes of units, counted in a window after each trial's start.
//!
//! These parts are read: `units` (`spike_times`, `obs_intervals`, the region of each unit, or its
//! electrodes'), and one table of `intervals`, `trials` unless another is named, with `start_time` and a
//! column that names the stimulus. A response is the number of spikes from the window's start up to, but not
//! including, its end; NaN where the unit was not observed throughout.

mod electrodes;
mod table;

use std::collections::HashSet;

use hdf5_reader::Hdf5File;
use hdf5_reader::group::Group;
use nrp_proto::sweep::SiteFilter;

use super::hdf5::{guarded, storage, unread};
use super::reading::{Asked, Opened};
use crate::hdf5;
use crate::recording::assembly::Assembly;
use crate::recording::error::{NwbError, RecordingError};
use crate::recording::limits::{MAX_RESPONSES, MAX_RESPONSES_BYTES};
use crate::recording::site::SiteKey;
use crate::recording::site_filter::{Column, Verdict};
use crate::recording::stimuli::{STIMULUS_IDS, StimulusSet};
use electrodes::Electrodes;
use table::Table;

/// The table of intervals that is read unless another is named.
const TRIALS: &str = "trials";
/// The columns that say where a unit is, the likeliest first.
const REGIONS: [&str; 4] = ["region", "location", "brain_area", "area"];

/// Reads the units that are asked for.
///
/// # Errors
/// When the file has no units or trials, no window is given, or it does not say which stimulus a trial showed.
pub(super) fn open(asked: &Asked<'_>) -> Result<Opened, RecordingError> {
    asked.refuse_axes()?;
    let assembly = guarded(asked.path, || read(asked))?;
    Ok(Opened::without_stimuli(assembly))
}

/// What the filter that is asked for says of the units, by the columns of their table, or else of that of their
/// electrodes.
pub(super) fn verdict(asked: &Asked<'_>) -> Result<Option<Verdict>, RecordingError> {
    let Some(filter) = &asked.layout.filter else {
        return Ok(None);
    };
    guarded(asked.path, || {
        let (file, _, units) = units(asked)?;
        verdict_on(asked, &file, &units, filter).map(Some)
    })
}

fn verdict_on(
    asked: &Asked<'_>,
    file: &Hdf5File,
    units: &Table,
    filter: &SiteFilter,
) -> Result<Verdict, RecordingError> {
    let failed = |problem| bad(asked, problem);
    let ids = units.words("id").map_err(failed)?;
    let sites = ids.len();
    let key = |id| SiteKey {
        subject: String::new(),
        region: String::new(),
        id,
    };
    let keys = ids.iter().cloned().map(key).collect();
    let mut known = units.columns().to_vec();
    let mut conditions = filter.conditions.iter();
    let needs_others = conditions.any(|of| !units.has(&of.coordinate));
    let electrodes = if needs_others {
        Electrodes::open(asked, file, units)?
    } else {
        None
    };
    let of_electrodes = electrodes.iter().flat_map(|of| of.table.columns());
    known.extend(of_electrodes.filter(|of| !units.has(of)).cloned());
    Verdict::of(asked.path, filter, keys, known, |name| {
        if !units.has(name) {
            let electrodes = electrodes.as_ref().filter(|of| of.table.has(name));
            let column = electrodes.map(|of| of.column(name, &ids));
            return column.transpose().map_err(failed);
        }
        let column = units.column(name).map_err(failed)?;
        let entries = match &column {
            Column::Numbers { values, .. } => values.len(),
            Column::Words(words) => words.len(),
        };
        if entries != sites {
            return Err(failed(format!(
                "has {entries} entries of `{name}` for {sites} units"
            )));
        }
        Ok(Some(column))
    })
}

/// The file, its root and its table of units.
fn units(asked: &Asked<'_>) -> Result<(Hdf5File, Group, Table), RecordingError> {
    let path = asked.path;
    let options = hdf5::options(MAX_RESPONSES_BYTES);
    let file = Hdf5File::from_storage_with_options(storage(path)?, options)
        .map_err(|source| unread(path, source))?;
    let root = file.root_group().map_err(|source| unread(path, source))?;
    let failed = |problem| bad(asked, problem);
    let units = hdf5::found(root.group("units")).map_err(|source| unread(path, source))?;
    let units = units.ok_or_else(|| {
        failed("has no `units`: only spikes that were sorted into units are counted".to_owned())
    })?;
    let units = Table::open(units).map_err(failed)?;
    Ok((file, root, units))
}

fn read(asked: &Asked<'_>) -> Result<Assembly, RecordingError> {
    let path = asked.path;
    let Some(window) = asked.layout.window_ms else {
        return Err(NwbError::NoWindow {
            path: path.to_owned(),
        }
        .into());
    };
    let failed = |problem| bad(asked, problem);
    if window[0] >= window[1] {
        return Err(failed(format!(
            "cannot be read in a window of {window:?} ms"
        )));
    }
    let (file, root, units) = units(asked)?;
    let mut notices = Vec::new();
    let (name, column) = match asked.layout.variable.as_deref() {
        None => (TRIALS, None),
        Some(variable) => match variable.split_once('/') {
            None => (variable, None),
            Some((table, column)) => (table, Some(column)),
        },
    };
    let trials = intervals(asked, &root, name)?;
    let starts = trials.numbers("start_time").map_err(failed)?;
    let shown = stimuli(asked, &trials, name, column, &mut notices)?;
    if shown.len() != starts.len() {
        let (shown, starts) = (shown.len(), starts.len());
        return Err(failed(format!(
            "has {starts} trials, of which {shown} name a stimulus"
        )));
    }
    if let Some(trial) = starts.iter().position(|start| !start.is_finite()) {
        return Err(failed(format!("has no `start_time` of trial {trial}")));
    }
    let spikes = units.lists("spike_times").map_err(failed)?;
    let observed = units.has("obs_intervals");
    let observed = observed.then(|| units.lists("obs_intervals")).transpose();
    let observed = observed.map_err(failed)?;
    let sites = spikes.len();
    if sites == 0 || starts.is_empty() {
        let trials = starts.len();
        return Err(failed(format!("has {sites} units and {trials} trials")));
    }
    if sites
        .checked_mul(starts.len())
        .is_none_or(|n| n > MAX_RESPONSES)
    {
        return Err(RecordingError::TooManyResponses {
            path: path.to_owned(),
            problem: format!("{sites} units and {} trials", starts.len()),
        });
    }
    let regions = regions(asked, &file, &units, sites, &mut notices)?;
    let names = units.words("id").map_err(failed)?;
    let kept = kept(asked, &file, &units, &names, &mut notices)?;
    let [names, regions] = [names, regions].map(|all| only(all, &kept));
    let (spikes, observed) = (only(spikes, &kept), observed.map(|all| only(all, &kept)));
    let counts = counts(spikes, observed.as_deref(), &starts, window);
    let mut assembly = Assembly::by_rows(path, names, regions, shown, counts);
    assembly.notices = notices;
    Ok(assembly)
}

fn bad(asked: &Asked<'_>, problem: String) -> RecordingError {
    RecordingError::from(NwbError::Bad {
        path: asked.path.to_owned(),
        problem,
    })
}

/// The table of intervals called `name`.
fn intervals(asked: &Asked<'_>, root: &Group, name: &str) -> Result<Table, RecordingError> {
    let damaged = |source| unread(asked.path, source);
    let known = match hdf5::found(root.group("intervals")).map_err(damaged)? {
        Some(intervals) => {
            let (known, _) = hdf5::members::names(&intervals).map_err(damaged)?;
            if known.iter().any(|of| of == name) {
                let table = intervals.group(name).map_err(damaged)?;
                return Table::open(table).map_err(|problem| bad(asked, problem));
            }
            known
        }
        None => Vec::new(),
    };
    Err(NwbError::NoIntervals {
        path: asked.path.to_owned(),
        table: name.to_owned(),
        known,
    }
    .into())
}

/// The stimulus that each trial showed: by the column asked for, by one named as in a stimulus set, or by
/// the only one that holds nothing but the stimulus set's ids, and each of them.
fn stimuli(
    asked: &Asked<'_>,
    trials: &Table,
    name: &str,
    column: Option<&str>,
    notices: &mut Vec<String>,
) -> Result<Vec<String>, RecordingError> {
    let failed = |problem| bad(asked, problem);
    let named = STIMULUS_IDS.into_iter().find(|id| trials.has(id));
    if let Some(column) = column.or(named) {
        return trials.words(column).map_err(failed);
    }
    let fits = |column: &&String| {
        // `id` counts the rows.
        if *column == "id" || trials.is_elements(column) {
            return false;
        }
        let words = trials.words(column).unwrap_or_default();
        asked.stimuli.is_some_and(|set| names_all(set, &words))
    };
    let fitting: Vec<&String> = trials.columns().iter().filter(fits).collect();
    match fitting[..] {
        [only] => {
            notices.push(format!(
                "`{}`: the stimuli are those in column `{only}` of `{name}`",
                asked.path.display()
            ));
            trials.words(only).map_err(failed)
        }
        _ => Err(NwbError::NoStimulusColumn {
            path: asked.path.to_owned(),
            table: name.to_owned(),
            columns: trials.columns().to_vec(),
        }
        .into()),
    }
}

/// Whether `words` are the ids in the stimulus set, each once or more: the numbers of blocks may be ids as well,
/// but hardly all of them.
fn names_all(set: &StimulusSet, words: &[String]) -> bool {
    let ids = set.stimuli.iter().map(|stimulus| stimulus.id.as_str());
    let words = words.iter().map(String::as_str);
    ids.collect::<HashSet<&str>>() == words.collect()
}

/// The region of each unit: its own, or that of its electrodes where these agree.
fn regions(
    asked: &Asked<'_>,
    file: &Hdf5File,
    units: &Table,
    sites: usize,
    notices: &mut Vec<String>,
) -> Result<Vec<String>, RecordingError> {
    let failed = |problem| bad(asked, problem);
    let column = |table: &Table| REGIONS.into_iter().find(|region| table.has(region));
    let refuse = |mut known: Vec<String>| -> Result<Vec<String>, RecordingError> {
        known.sort();
        known.dedup();
        let path = asked.path.to_owned();
        Err(RecordingError::RegionGiven { path, known })
    };
    let given = asked.layout.region.as_ref();
    if let Some(column) = column(units) {
        let named = units.words(column).map_err(failed)?;
        return match given {
            None => Ok(named),
            Some(_) => refuse(named),
        };
    }
    let electrodes = hdf5::found(file.group("general/extracellular_ephys/electrodes"));
    let electrodes = electrodes.map_err(|source| unread(asked.path, source))?;
    let electrodes = electrodes.map(Table::open).transpose();
    let electrodes = electrodes.map_err(failed)?;
    if let Some(electrodes) = electrodes.filter(|_| units.has("electrodes"))
        && let Some(column) = column(&electrodes)
    {
        let places = electrodes.words(column).map_err(failed)?;
        if given.is_some() {
            return refuse(places);
        }
        let of_units = units.lists("electrodes").map_err(failed)?;
        let region = |(unit, of_unit): (usize, &Vec<f64>)| {
            let mut of_unit = of_unit.iter().map(|&row| {
                let row = (row >= 0.0).then_some(row as usize);
                row.and_then(|row| places.get(row))
            });
            match of_unit.next().flatten() {
                Some(first) if of_unit.all(|place| place == Some(first)) => Ok(first.clone()),
                _ => Err(failed(format!(
                    "has no single region of unit {unit}: the `{column}` of its electrodes differ or are missing"
                ))),
            }
        };
        return of_units.iter().enumerate().map(region).collect();
    }
    if let Some(region) = given {
        return Ok(vec![region.clone(); sites]);
    }
    let name = asked.path.file_stem().unwrap_or_default();
    let name = name.to_string_lossy().into_owned();
    notices.push(format!(
        "`{}` does not say where its units are: their region is called `{name}`",
        asked.path.display()
    ));
    Ok(vec![name; sites])
}

/// Whether each unit is read.
fn kept(
    asked: &Asked<'_>,
    file: &Hdf5File,
    units: &Table,
    names: &[String],
    notices: &mut Vec<String>,
) -> Result<Vec<bool>, RecordingError> {
    let passing = match (asked.kept, &asked.layout.filter) {
        (Some(kept), _) => kept.clone(),
        (None, Some(filter)) => {
            let (kept, notice) = verdict_on(asked, file, units, filter)?.passing()?;
            notices.push(notice);
            kept
        }
        (None, None) => return Ok(vec![true; names.len()]),
    };
    let ids: HashSet<&str> = passing.iter().map(|key| key.id.as_str()).collect();
    Ok(names
        .iter()
        .map(|name| ids.contains(name.as_str()))
        .collect())
}

/// The entries of those that are kept.
fn only<T>(all: Vec<T>, kept: &[bool]) -> Vec<T> {
    let all = all.into_iter().zip(kept);
    all.filter_map(|(one, kept)| kept.then_some(one)).collect()
}

/// Spikes of each unit in the window after each start, `[trials, units]`; NaN where the unit was not
/// observed throughout.
fn counts(
    spikes: Vec<Vec<f64>>,
    observed: Option<&[Vec<f64>]>,
    starts: &[f64],
    window_ms: [i64; 2],
) -> Vec<f64> {
    let sites = spikes.len();
    let mut counts = vec![0.0; starts.len() * sites];
    for (site, mut times) in spikes.into_iter().enumerate() {
        times.sort_by(f64::total_cmp);
        for (trial, start) in starts.iter().enumerate() {
            let [from, to] = window_ms.map(|ms| start + ms as f64 / 1000.0);
            let before = |end: f64| times.partition_point(|time| *time < end);
            let was_observed = observed.is_none_or(|observed| {
                let intervals = observed[site].chunks_exact(2);
                let mut inside = intervals.map(|of| of[0] <= from && to <= of[1]);
                inside.any(|inside| inside)
            });
            counts[trial * sites + site] = if was_observed {
                (before(to) - before(from)) as f64
            } else {
                f64::NAN
            };
        }
    }
    counts
}

#[cfg(test)]
mod tests;
