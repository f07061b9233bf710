//! Recordings as arrays without names for their axes: NumPy's `.npy` and `.npz`, MATLAB's `.mat`.
//!
//! An array is stimuli x sites, or repetitions x stimuli x sites with NaN where a stimulus was
//! shown less often; `axes` names another order. Row `i` belongs to line `i` of the stimulus set:
//! their counts must agree, and ids beside the array must name the lines in their order. A region is
//! named as its array; an array without a name of its own (a `.npy`, or `arr_0`, as `numpy.savez`
//! calls it) is named as its file. Words `regions` and `sites` beside a single array name each of its
//! sites' region, and the sites.
//!
//! Values are taken as they are; averaging is not done here.

pub(super) mod axes;
pub(crate) mod container;
pub(in crate::recording) mod ids;
pub(crate) mod npy;
mod npz;
mod parts;
mod sites;

use std::path::{Path, PathBuf};

use nrp_proto::sweep::ArrayAxis;

pub use axes::Axes;

use super::reading::{Asked, Opened};
use crate::recording::assembly::Assembly;
use crate::recording::error::{ArraysError, RecordingError};
use crate::recording::limits::MAX_RESPONSES;
use crate::recording::ranks::Labels;
use container::{Array, Container, Entries, Listed, times};
use npz::Numpy;
use parts::Parts;

/// The array that names the region of each site.
const REGIONS: &str = "regions";
/// The array that names the sites.
const SITES: &str = "sites";

/// Responses of the sites of one array.
struct Block {
    name: String,
    /// Length of each axis as stored.
    shape: Vec<usize>,
    repetitions: usize,
    stimuli: usize,
    sites: usize,
    /// `[repetitions, stimuli, sites]`
    values: Vec<f64>,
}

/// A list of words, or of numbers used as names.
struct Words {
    name: String,
    shape: Vec<usize>,
    entries: Vec<String>,
}

/// Reads the NumPy arrays that are asked for.
///
/// # Errors
/// As [`responses`], and when the file is not NumPy's.
pub(super) fn open(asked: &Asked<'_>) -> Result<Opened, RecordingError> {
    responses(asked, &mut Numpy::open(asked.path)?)
}

/// Reads the responses that are asked for from a file of arrays. Without a stimulus set, stimuli are named
/// by their row.
///
/// # Errors
/// When an array is not a table of numbers, arrays disagree, their axes are ambiguous, or the stimulus
/// set has another number or order of stimuli.
pub(super) fn responses(
    asked: &Asked<'_>,
    container: &mut dyn Container,
) -> Result<Opened, RecordingError> {
    let parts = Parts::choose(asked, container)?;
    let failed = |problem| bad(asked.path, problem);
    let load = |container: &mut dyn Container, index: usize| -> Result<_, RecordingError> {
        let name = container.listed()[index].name.clone();
        let array = container.load(index).map_err(failed)?;
        Ok((name, array))
    };
    let mut words = Vec::new();
    for &index in &parts.names {
        let (name, array) = load(container, index)?;
        words.push(Words::of(name, array));
    }
    let mut left_out: Vec<Listed> = Vec::new();
    for &index in &parts.beside {
        let names_stimuli = parts::check_ids(asked, container, index)?;
        let array = &container.listed()[index];
        // Beside an array that was asked for, nothing needs to be said of other words.
        let is_said = asked.layout.variable.is_none() || ids::names_stimuli(&array.name);
        if !names_stimuli && is_said {
            left_out.push(array.clone());
        }
    }
    let tables: Vec<Listed> = parts
        .tables
        .iter()
        .map(|&index| container.listed()[index].clone())
        .collect();
    refuse_sizes(asked, &tables)?;
    let order = order(asked, &tables, &words)?;
    refuse_unlike(asked, &tables, &order)?;
    let mut blocks = Vec::new();
    for &index in &parts.tables {
        let (name, array) = load(container, index)?;
        blocks.push(Block::new(name, array, &order).map_err(failed)?);
    }
    let mut assembly = assembly(asked, blocks, words, order)?;
    if !left_out.is_empty() {
        assembly.notices.push(format!(
            "`{}`: left out what is not responses: {}",
            asked.path.display(),
            parts::shown(&left_out)
        ));
    }
    Ok(Opened::without_stimuli(assembly))
}

fn bad(path: &Path, problem: String) -> RecordingError {
    RecordingError::from(ArraysError::Bad {
        path: path.to_owned(),
        problem,
    })
}

/// Refuses arrays that are empty, or too large together.
fn refuse_sizes(asked: &Asked<'_>, tables: &[Listed]) -> Result<(), RecordingError> {
    let path = asked.path;
    let mut responses = 0_usize;
    for Listed { name, shape, .. } in tables {
        if shape.contains(&0) {
            let problem = format!("array `{name}` is empty, {}", times(shape));
            return Err(bad(path, problem));
        }
        let entries = shape.iter().try_fold(1_usize, |n, of| n.checked_mul(*of));
        responses = responses.saturating_add(entries.unwrap_or(usize::MAX));
    }
    if responses > MAX_RESPONSES {
        let names: Vec<&str> = tables.iter().map(|table| &*table.name).collect();
        return Err(RecordingError::TooManyResponses {
            path: path.to_owned(),
            problem: format!("{} claims {responses}", names.join(", ")),
        });
    }
    Ok(())
}

/// Refuses arrays that differ in repetitions or stimuli, or have other stimuli than the stimulus set.
fn refuse_unlike(
    asked: &Asked<'_>,
    tables: &[Listed],
    order: &Vec<ArrayAxis>,
) -> Result<(), RecordingError> {
    let path = asked.path;
    let reading = |table: &Listed| axes::reading(order, &table.shape).map(|(length, _)| length);
    let first = &tables[0];
    let [repetitions, stimuli, sites] = reading(first);
    let unlike = |table: &&Listed| reading(table)[..2] != [repetitions, stimuli];
    if tables.iter().any(|table| unlike(&table)) {
        let shown = |table: &Listed| format!("`{}` {}", table.name, times(&reading(table)));
        let fits = |table: &&Listed| {
            let lines = asked.stimuli.map(|set| set.stimuli.len());
            lines.is_some_and(|lines| table.shape.contains(&lines))
        };
        let first = tables.iter().find(fits).unwrap_or(first);
        return Err(ArraysError::Differ {
            path: path.to_owned(),
            arrays: tables.iter().map(shown).collect(),
            first: first.name.clone(),
        }
        .into());
    }
    match asked.stimuli.filter(|set| set.stimuli.len() != stimuli) {
        None => Ok(()),
        Some(set) => Err(ArraysError::RowsUnlike {
            path: path.to_owned(),
            array: first.name.clone(),
            axes: axes::shown(order),
            rows: stimuli,
            sites,
            stimuli: set.path.clone(),
            lines: set.stimuli.len(),
        }
        .into()),
    }
}

/// The responses of `blocks`, whose sites `words` name.
fn assembly(
    asked: &Asked<'_>,
    blocks: Vec<Block>,
    words: Vec<Words>,
    order: Vec<ArrayAxis>,
) -> Result<Assembly, RecordingError> {
    let (path, axes, set) = (asked.path, &asked.layout.axes, asked.stimuli);
    let documented = axes::documented(order.len());
    let as_documented = blocks.iter().all(|block| {
        let of = |order| axes::reading(order, &block.shape);
        of(&order) == of(&documented)
    });
    let (repetitions, stimuli) = (blocks[0].repetitions, blocks[0].stimuli);
    let sites = sites::of(&blocks, words, &asked.layout.sites);
    let sites = sites.map_err(|problem| bad(path, problem))?;
    let all: usize = blocks.iter().map(|block| block.sites).sum();
    let ids: Vec<String> = match set {
        Some(set) => set.stimuli.iter().map(|s| s.id.clone()).collect(),
        None => (0..stimuli).map(|row| row.to_string()).collect(),
    };
    let shown = (0..repetitions).flat_map(|_| ids.iter().cloned()).collect();
    let values = side_by_side(blocks);
    let (used, mut notices) = (sites.len(), Vec::new());
    let values = if used == all {
        values
    } else {
        let (path, unused) = (path.display(), all - used);
        notices.push(format!("`{path}`: left out sites of no region: {unused}"));
        let rows = values.chunks_exact(all);
        rows.flat_map(|row| sites.iter().map(move |site| row[site.at]))
            .collect()
    };
    let (names, regions) = sites.into_iter().map(|of| (of.name, of.region)).unzip();
    let mut assembly = Assembly::by_rows(path, names, regions, shown, values);
    assembly.notices = notices;
    let labels = (0..repetitions).flat_map(|label| vec![label.to_string(); stimuli]);
    assembly.repetitions = (repetitions > 1).then(|| Labels {
        words: labels.collect(),
        are_text: false,
    });
    if set.is_none() && *axes == Axes::Evident {
        assembly.notices.push(format!(
            "without the stimulus set `{}` is taken for {}; `--axes` says otherwise",
            path.display(),
            axes::shown(&order)
        ));
    }
    if !as_documented {
        if *axes == Axes::Evident {
            assembly.notices.push(format!(
                "`{}` is read as {}: nothing else fits what is known of it",
                path.display(),
                axes::shown(&order)
            ));
        }
        assembly.axes = order;
    }
    Ok(assembly)
}

/// The order of the axes of all tables.
fn order(
    asked: &Asked<'_>,
    tables: &[Listed],
    words: &[Words],
) -> Result<Vec<ArrayAxis>, RecordingError> {
    let set = asked.stimuli;
    let most = tables.iter().map(|table| table.shape.len()).max();
    let most = most.unwrap_or(2);
    match &asked.layout.axes {
        Axes::Documented => Ok(axes::documented(most)),
        Axes::Given(words) => {
            let given = ArrayAxis::of_array(words).map_err(|error| error.to_string());
            let given = given.and_then(|given| {
                if given.len() == most {
                    Ok(given)
                } else {
                    let names = axes::shown(&given);
                    Err(format!("it has {most} axes, and `axes` names {names}"))
                }
            });
            given.map_err(|problem| bad(asked.path, problem))
        }
        Axes::Evident => {
            let known = axes::Known {
                shapes: tables.iter().map(|table| &table.shape[..]).collect(),
                stimuli: set.map(|set| set.stimuli.len()),
                named_sites: words
                    .iter()
                    .filter(|words| [SITES, REGIONS].contains(&words.name.as_str()))
                    .map(|words| words.entries.len())
                    .collect(),
            };
            let mut orders = known.orders();
            match (&orders[..], tables) {
                // Without a stimulus set the file is only inspected, and the documented order will do.
                _ if set.is_none() => Ok(orders.remove(0)),
                ([_, _, ..], [table, ..]) => Err(ArraysError::AxesUnclear {
                    path: asked.path.to_owned(),
                    array: table.name.clone(),
                    shape: times(&table.shape),
                    stimuli: set.map_or_else(PathBuf::new, |set| set.path.clone()),
                    lines: set.map_or(0, |set| set.stimuli.len()),
                    orders,
                }
                .into()),
                _ => Ok(orders.remove(0)),
            }
        }
    }
}

impl Words {
    /// The words of an array, which may be one row or column.
    fn of(name: String, array: Array) -> Self {
        let entries = match array.entries {
            Entries::Words(words) => words,
            Entries::Numbers(numbers) => numbers.iter().map(f64::to_string).collect(),
        };
        let is_list = array.shape.iter().filter(|length| **length != 1).count() < 2;
        let shape = if is_list {
            vec![entries.len()]
        } else {
            array.shape
        };
        Self {
            name,
            shape,
            entries,
        }
    }
}

impl Block {
    /// The array `name` with its axes in the documented order.
    fn new(name: String, array: Array, order: &Vec<ArrayAxis>) -> Result<Self, String> {
        let shape = array.shape;
        let stored = match array.entries {
            Entries::Numbers(stored) => stored,
            Entries::Words(_) => return Err(format!("array `{name}` holds words")),
        };
        let strides = axes::reading(order, &shape);
        let [(repetitions, r), (stimuli, m), (sites, n)] = strides;
        let values = if strides == axes::reading(&axes::documented(order.len()), &shape) {
            stored
        } else {
            let mut values = Vec::with_capacity(stored.len());
            for repetition in 0..repetitions {
                for stimulus in 0..stimuli {
                    let first = repetition * r + stimulus * m;
                    values.extend((0..sites).map(|site| stored[first + site * n]));
                }
            }
            values
        };
        Ok(Self {
            name,
            shape,
            repetitions,
            stimuli,
            sites,
            values,
        })
    }
}

/// One table, `[presentations, sites]`, of all blocks' sites.
fn side_by_side(mut blocks: Vec<Block>) -> Vec<f64> {
    if blocks.len() == 1 {
        return blocks.remove(0).values;
    }
    let presentations = blocks.first().map_or(0, |b| b.repetitions * b.stimuli);
    let row = |presentation: usize| {
        let of = move |b: &'_ Block| presentation * b.sites..(presentation + 1) * b.sites;
        blocks
            .iter()
            .flat_map(move |block| &block.values[of(block)])
    };
    (0..presentations).flat_map(row).copied().collect()
}

#[cfg(test)]
mod tests;
