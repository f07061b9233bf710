//! Recordings as NumPy arrays: `.npy`, and `.npz` with an array per region.
//!
//! An array is stimuli x sites, or repetitions x stimuli x sites with NaN where a stimulus was shown
//! less often. Row `i` belongs to line `i` of the stimulus set: nothing else ties them together, so
//! their counts must agree. A region is named as its array in the `.npz`; an array without a name of
//! its own (a `.npy`, or `arr_0`, as `numpy.savez` calls it) is named as its file. Words `regions`
//! and `sites` beside a single array name each of its sites' region, and the sites.
//!
//! Values are taken as they are; averaging is not done here.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use zip::ZipArchive;

use super::assembly::Assembly;
use super::error::RecordingError;
use super::npy::{Array, Entries};
use super::stimuli::StimulusSet;

/// Most arrays that a `.npz` may hold.
const MAX_ARRAYS: usize = 64;
/// The array that names the region of each site.
const REGIONS: &str = "regions";
/// The array that names the sites.
const SITES: &str = "sites";

/// Whether the file's name says that it holds NumPy arrays.
pub(super) fn named_so(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|e| e.eq_ignore_ascii_case("npy") || e.eq_ignore_ascii_case("npz"))
}

/// Responses of the sites of one array.
struct Block {
    name: String,
    repetitions: usize,
    stimuli: usize,
    sites: usize,
    /// `[repetitions, stimuli, sites]`
    values: Vec<f64>,
}

/// Reads the arrays at `path`. Without a stimulus set, stimuli are named by their row.
///
/// # Errors
/// When an array is no table of numbers, arrays disagree, or there are more or fewer stimuli than
/// the stimulus set has lines.
pub(super) fn open(path: &Path, set: Option<&StimulusSet>) -> Result<Assembly, RecordingError> {
    let failed = |problem| RecordingError::BadArrays {
        path: path.to_owned(),
        problem,
    };
    let (mut blocks, mut words) = (Vec::new(), Vec::new());
    for (name, array) in read(path)? {
        match array.entries {
            Entries::Words(entries) => words.push((name, array.shape, entries)),
            // Sites may be named by numbers.
            Entries::Numbers(numbers) if name == SITES && array.shape.len() == 1 => {
                let entries = numbers.iter().map(f64::to_string).collect();
                words.push((name, array.shape, entries));
            }
            Entries::Numbers(numbers) => {
                blocks.push(Block::new(name, &array.shape, numbers).map_err(failed)?);
            }
        }
    }
    let first = agreeing(&blocks).map_err(failed)?;
    let (repetitions, stimuli) = (first.repetitions, first.stimuli);
    if let Some(set) = set.filter(|set| set.stimuli.len() != stimuli) {
        return Err(RecordingError::RowsUnlike {
            path: path.to_owned(),
            array: first.name.clone(),
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
    Ok(Assembly::by_rows(path, sites, regions, shown, values))
}

/// Every array of the file, named.
fn read(path: &Path) -> Result<Vec<(String, Array)>, RecordingError> {
    let io = |source| RecordingError::Io {
        path: path.to_owned(),
        source,
    };
    let failed = |name: &str, problem| RecordingError::BadArrays {
        path: path.to_owned(),
        problem: match name.is_empty() {
            true => problem,
            false => format!("array `{name}`: {problem}"),
        },
    };
    let own_name = path.file_stem().unwrap_or_default().to_string_lossy();
    let file = File::open(path).map_err(io)?;
    if file.metadata().map_err(io)?.is_dir() {
        return Err(io(std::io::ErrorKind::IsADirectory.into()));
    }
    let file = BufReader::new(file);
    if path
        .extension()
        .is_some_and(|e| e.eq_ignore_ascii_case("npy"))
    {
        let array = Array::read(file).map_err(|problem| failed("", problem))?;
        return Ok(vec![(own_name.into_owned(), array)]);
    }
    let mut archive = ZipArchive::new(file).map_err(|source| RecordingError::BadArrays {
        path: path.to_owned(),
        problem: format!("it is no archive of `numpy.savez` ({source})"),
    })?;
    if archive.len() > MAX_ARRAYS {
        let problem = format!("{} arrays; at most {MAX_ARRAYS} are read", archive.len());
        return Err(failed("", problem));
    }
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

impl Block {
    fn new(name: String, shape: &[usize], values: Vec<f64>) -> Result<Self, String> {
        let (repetitions, stimuli, sites) = match *shape {
            [stimuli, sites] => (1, stimuli, sites),
            [repetitions, stimuli, sites] => (repetitions, stimuli, sites),
            _ => {
                return Err(format!(
                    "array `{name}` has {} axes; wanted are stimuli x sites, \
                     or repetitions x stimuli x sites",
                    shape.len()
                ));
            }
        };
        if values.is_empty() {
            return Err(format!("array `{name}` is empty, {}", times(shape)));
        }
        Ok(Self {
            name,
            repetitions,
            stimuli,
            sites,
            values,
        })
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
fn site_names(
    blocks: &[Block],
    words: Vec<(String, Vec<usize>, Vec<String>)>,
) -> Result<(Vec<String>, Vec<String>), String> {
    let by_position = |block: &Block| {
        let name = block.name.clone();
        (0..block.sites).map(move |site| format!("{name}.{site}"))
    };
    let mut sites: Vec<String> = blocks.iter().flat_map(by_position).collect();
    let region = |block: &Block| std::iter::repeat_n(block.name.clone(), block.sites);
    let mut regions: Vec<String> = blocks.iter().flat_map(region).collect();
    for (name, shape, entries) in words {
        let names = match name.as_str() {
            SITES => &mut sites,
            REGIONS => &mut regions,
            _ => {
                return Err(format!(
                    "array `{name}` holds words; only `{REGIONS}` and `{SITES}` may"
                ));
            }
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
                "`{name}` has {found} entries, there are {wanted} sites"
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
