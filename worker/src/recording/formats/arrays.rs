//! Recordings as NumPy arrays: `.npy`, and `.npz` with an array per region.
//!
//! An array is stimuli x sites, or repetitions x stimuli x sites with NaN where a stimulus was
//! shown less often; `axes` names another order. Row `i` belongs to line `i` of the stimulus set:
//! nothing else connects them, so their counts must agree. A region is named as its array in the
//! `.npz`; an array without a name of its own (a `.npy`, or `arr_0`, as `numpy.savez` calls it) is
//! named as its file. Words `regions` and `sites` beside a single array name each of its sites'
//! region, and the sites.
//!
//! Values are taken as they are; averaging is not done here.

pub(super) mod axes;
mod npy;

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use nrp_proto::sweep::ArrayAxis;
use zip::ZipArchive;

pub use axes::Axes;

use super::reading::{Asked, Opened};
use crate::archive;
use crate::recording::assembly::Assembly;
use crate::recording::error::RecordingError;
use crate::recording::limits::MAX_RESPONSES_BYTES;
use crate::recording::stimuli::StimulusSet;
use npy::{Array, Entries};

/// Most arrays that a `.npz` may hold.
const MAX_ARRAYS: usize = 64;
/// The array that names the region of each site.
const REGIONS: &str = "regions";
/// The array that names the sites.
const SITES: &str = "sites";

/// Responses of the sites of one array.
struct Block {
    name: String,
    repetitions: usize,
    stimuli: usize,
    sites: usize,
    /// `[repetitions, stimuli, sites]`
    values: Vec<f64>,
}

/// A table of numbers.
struct Table {
    name: String,
    shape: Vec<usize>,
    values: Vec<f64>,
}

/// A list of words, or of numbers used as names.
struct Words {
    name: String,
    shape: Vec<usize>,
    entries: Vec<String>,
}

/// Reads the arrays that are asked for, with their axes as `axes` says. Without a stimulus set, stimuli
/// are named by their row.
///
/// # Errors
/// When an array is not a table of numbers, arrays disagree, their axes are ambiguous, or the stimulus
/// set has another number of stimuli.
pub(super) fn open(asked: &Asked<'_>) -> Result<Opened, RecordingError> {
    asked.refuse_variable()?;
    let assembly = read_arrays(asked.path, &asked.layout.axes, asked.stimuli)?;
    Ok(Opened::without_stimuli(assembly))
}

fn read_arrays(
    path: &Path,
    axes: &Axes,
    set: Option<&StimulusSet>,
) -> Result<Assembly, RecordingError> {
    let failed = |problem| RecordingError::BadArrays {
        path: path.to_owned(),
        problem,
    };
    let (tables, words) = tables(path)?;
    let order = order(path, &tables, &words, axes, set)?;
    let documented = axes::documented(order.len());
    let shapes: Vec<&[usize]> = tables.iter().map(|table| &table.shape[..]).collect();
    let as_documented = shapes.iter().all(|shape| {
        let of = |order| axes::reading(order, shape);
        of(&order) == of(&documented)
    });
    let blocks: Vec<Block> = tables
        .into_iter()
        .map(|table| Block::new(table, &order))
        .collect();
    let first = agreeing(&blocks).map_err(failed)?;
    let (repetitions, stimuli) = (first.repetitions, first.stimuli);
    if let Some(set) = set.filter(|set| set.stimuli.len() != stimuli) {
        return Err(RecordingError::RowsUnlike {
            path: path.to_owned(),
            array: first.name.clone(),
            axes: axes::shown(&order),
            rows: stimuli,
            sites: first.sites,
            stimuli: set.path.clone(),
            lines: set.stimuli.len(),
        });
    }
    let (sites, regions) = site_names(&blocks, words).map_err(failed)?;
    let ids: Vec<String> = match set {
        Some(set) => set.stimuli.iter().map(|s| s.id.clone()).collect(),
        None => (0..stimuli).map(|row| row.to_string()).collect(),
    };
    let shown = (0..repetitions).flat_map(|_| ids.iter().cloned()).collect();
    let values = side_by_side(blocks);
    let mut assembly = Assembly::by_rows(path, sites, regions, shown, values);
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

/// Tables and words of the file.
fn tables(path: &Path) -> Result<(Vec<Table>, Vec<Words>), RecordingError> {
    let (mut tables, mut words) = (Vec::new(), Vec::new());
    for (name, array) in read(path)? {
        let shape = array.shape;
        match array.entries {
            Entries::Words(_) if name != SITES && name != REGIONS => {
                return Err(RecordingError::BadArrays {
                    path: path.to_owned(),
                    problem: format!(
                        "array `{name}` holds words; only `{REGIONS}` and `{SITES}` may"
                    ),
                });
            }
            Entries::Words(entries) => words.push(Words {
                name,
                shape,
                entries,
            }),
            // Sites may be named by numbers.
            Entries::Numbers(numbers) if name == SITES && shape.len() == 1 => words.push(Words {
                name,
                shape,
                entries: numbers.iter().map(f64::to_string).collect(),
            }),
            Entries::Numbers(values) => {
                let table = Table {
                    name,
                    shape,
                    values,
                };
                let table = table
                    .checked()
                    .map_err(|problem| RecordingError::BadArrays {
                        path: path.to_owned(),
                        problem,
                    })?;
                tables.push(table);
            }
        }
    }
    Ok((tables, words))
}

/// The order of the axes of all tables.
fn order(
    path: &Path,
    tables: &[Table],
    words: &[Words],
    axes: &Axes,
    set: Option<&StimulusSet>,
) -> Result<Vec<ArrayAxis>, RecordingError> {
    let most = tables
        .iter()
        .map(|table| table.shape.len())
        .max()
        .unwrap_or(2);
    match axes {
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
            given.map_err(|problem| RecordingError::BadArrays {
                path: path.to_owned(),
                problem,
            })
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
                ([_, _, ..], [table, ..]) => Err(RecordingError::AxesUnclear {
                    path: path.to_owned(),
                    array: table.name.clone(),
                    shape: times(&table.shape),
                    stimuli: set.map_or_else(PathBuf::new, |set| set.path.clone()),
                    lines: set.map_or(0, |set| set.stimuli.len()),
                    orders,
                }),
                _ => Ok(orders.remove(0)),
            }
        }
    }
}

/// Every array of the file, named.
fn read(path: &Path) -> Result<Vec<(String, Array)>, RecordingError> {
    let io = |source| RecordingError::Io {
        path: path.to_owned(),
        source,
    };
    let failed = |name: &str, problem| RecordingError::BadArrays {
        path: path.to_owned(),
        problem: if name.is_empty() {
            problem
        } else {
            format!("array `{name}`: {problem}")
        },
    };
    let own_name = path.file_stem().unwrap_or_default().to_string_lossy();
    let file = File::open(path).map_err(io)?;
    if file.metadata().map_err(io)?.is_dir() {
        return Err(io(std::io::ErrorKind::IsADirectory.into()));
    }
    let bytes = file.metadata().map_err(io)?.len();
    let mut file = BufReader::new(file);
    let start = file.fill_buf().map_err(io)?;
    let is_named_npy = path
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("npy"));
    if start.starts_with(b"\x93NUMPY") || is_named_npy && !start.starts_with(b"PK\x03\x04") {
        let array = Array::read(file).map_err(|problem| failed("", problem))?;
        return Ok(vec![(own_name.into_owned(), array)]);
    }
    let mut archive = ZipArchive::new(file).map_err(|source| RecordingError::BadArrays {
        path: path.to_owned(),
        problem: format!("it is not an archive of `numpy.savez` ({source})"),
    })?;
    if archive.len() > MAX_ARRAYS {
        let problem = format!("{} arrays; at most {MAX_ARRAYS} are read", archive.len());
        return Err(failed("", problem));
    }
    archive::check_total(&archive, bytes, MAX_RESPONSES_BYTES as u64)
        .map_err(|error| failed("", error.to_string()))?;
    let mut arrays = Vec::new();
    for index in 0..archive.len() {
        let unreadable = |error| failed("", format!("its entry {index} cannot be read ({error})"));
        let entry = archive.by_index(index).map_err(unreadable)?;
        let name = entry.name().map_err(unreadable)?;
        let name = name.trim_end_matches(".npy").to_owned();
        let array = Array::read(entry).map_err(|problem| failed(&name, problem))?;
        let name = match name.as_str() {
            "arr_0" => own_name.clone().into_owned(),
            _ => name,
        };
        arrays.push((name, array));
    }
    Ok(arrays)
}

impl Table {
    fn checked(self) -> Result<Self, String> {
        let Self { name, shape, .. } = &self;
        match shape.len() {
            _ if self.values.is_empty() => {
                Err(format!("array `{name}` is empty, {}", times(shape)))
            }
            2 | 3 => Ok(self),
            axes => Err(format!(
                "array `{name}` has {axes} axes; expected stimuli x sites \
                 or repetitions x stimuli x sites"
            )),
        }
    }
}

impl Block {
    /// The table with its axes in the documented order.
    fn new(table: Table, order: &Vec<ArrayAxis>) -> Self {
        let strides = axes::reading(order, &table.shape);
        let [(repetitions, r), (stimuli, m), (sites, n)] = strides;
        let values = if strides == axes::reading(&axes::documented(order.len()), &table.shape) {
            table.values
        } else {
            let mut values = Vec::with_capacity(table.values.len());
            for repetition in 0..repetitions {
                for stimulus in 0..stimuli {
                    let first = repetition * r + stimulus * m;
                    values.extend((0..sites).map(|site| table.values[first + site * n]));
                }
            }
            values
        };
        Self {
            name: table.name,
            repetitions,
            stimuli,
            sites,
            values,
        }
    }

    fn shown(&self) -> String {
        let shape = [self.repetitions, self.stimuli, self.sites];
        format!("`{}` {}", self.name, times(&shape))
    }
}

fn times(shape: &[usize]) -> String {
    let axes: Vec<String> = shape.iter().map(usize::to_string).collect();
    axes.join(" x ")
}

/// The first array, where all have its repetitions and stimuli.
fn agreeing(blocks: &[Block]) -> Result<&Block, String> {
    let first = blocks
        .first()
        .ok_or("it holds no table of numbers, stimuli x sites")?;
    let like =
        |block: &&Block| (block.repetitions, block.stimuli) != (first.repetitions, first.stimuli);
    match blocks.iter().find(like) {
        None => Ok(first),
        Some(other) => Err(format!(
            "its regions differ in repetitions or stimuli: {}, {}; \
             give each as many, NaN where nothing was recorded",
            first.shown(),
            other.shown()
        )),
    }
}

/// The names of all sites, and their regions.
fn site_names(blocks: &[Block], words: Vec<Words>) -> Result<(Vec<String>, Vec<String>), String> {
    let by_position = |block: &Block| {
        let name = block.name.clone();
        (0..block.sites).map(move |site| format!("{name}.{site}"))
    };
    let mut sites: Vec<String> = blocks.iter().flat_map(by_position).collect();
    let region = |block: &Block| std::iter::repeat_n(block.name.clone(), block.sites);
    let mut regions: Vec<String> = blocks.iter().flat_map(region).collect();
    for Words {
        name,
        shape,
        entries,
    } in words
    {
        let names = match name.as_str() {
            REGIONS => &mut regions,
            _ => &mut sites, // `tables` refuses all other names
        };
        if blocks.len() > 1 {
            return Err(format!(
                "`{name}` beside {} arrays; it names the sites of a single one",
                blocks.len()
            ));
        }
        if shape != [names.len()] {
            let (found, wanted) = (times(&shape), names.len());
            return Err(format!(
                "`{name}` has {found} entries, but there are {wanted} sites"
            ));
        }
        *names = entries;
    }
    Ok((sites, regions))
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
