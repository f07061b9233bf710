//! Activations in NumPy's files: `.npy` with one layer, `.npz` with several and, if it has them, the ids of
//! their stimuli.
//!
//! Rows are read where they lie in the file. Only what is compressed, or stored by columns, is read whole.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use zip::{CompressionMethod, ZipArchive};

use super::error::FeaturesError;
use super::layers::{Layer, List, Listed};
use crate::archive;
use crate::precision::Number;
use crate::recording::{MAX_RESPONSES_BYTES, names_stimuli, npy};

/// Most arrays that a `.npz` may hold.
const ARRAYS_MAX: usize = 10_000;
/// The array of ids, besides those called as the stimulus set's column.
const IDS: &str = "ids";
/// Most bytes of all lists among which ids are looked for, each entry as a word in memory.
const LISTS_BYTES_MAX: usize = 1 << 30;
const AS_WORDS: &str =
    "save the ids as words: `numpy.savez(\"features.npz\", stimulus_id=ids.astype(str), LAYER=x)`";
const ONE_LIST: &str =
    "keep one list of ids: that with the ids of the stimulus set, as `stimulus_id`";

/// The arrays of a file that may be layers.
#[derive(Debug)]
pub(super) struct Arrays {
    path: PathBuf,
    arrays: Vec<Array>,
}

/// An array of numbers.
#[derive(Debug)]
struct Array {
    stored: npy::Stored,
    place: Place,
}

/// Where an array is.
#[derive(Debug)]
enum Place {
    /// As it is, this many bytes behind the start of the file; in an archive, in this entry.
    At(u64, Option<usize>),
    /// Compressed, in this entry of the archive.
    Packed(usize),
}

/// What reads a layer's rows.
#[derive(Debug)]
pub(super) struct RowFile {
    path: PathBuf,
    file: File,
    stored: npy::Stored,
    first: u64,
    /// Its layer, and its entry in an archive.
    layer: String,
    entry: Option<usize>,
}

impl Arrays {
    /// The layer in the `.npy` at `path`, which is called as the file.
    pub(super) fn open_npy(path: &Path) -> Result<(Self, Listed), FeaturesError> {
        let failed = |problem| bad(path, problem);
        let file = File::open(path).map_err(|source| unreadable(path, source))?;
        let stored = npy::Stored::open(BufReader::new(&file)).map_err(failed)?;
        let stored = stored.map_err(failed)?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let mut listed = Listed::default();
        let mut arrays = Self::none(path);
        arrays.add(&name, Place::At(stored.start, None), stored, &mut listed);
        Ok((arrays, listed))
    }

    /// The layers in the `.npz` at `path`, and the ids of their stimuli.
    pub(super) fn open_npz(path: &Path) -> Result<(Self, Listed), FeaturesError> {
        let failed = |problem| bad(path, problem);
        let mut archive = open_archive(path)?;
        if archive.len() > ARRAYS_MAX {
            let problem = format!("{} arrays; the limit is {ARRAYS_MAX}", archive.len());
            return Err(failed(problem));
        }
        let mut listed = Listed::default();
        let mut arrays = Self::none(path);
        for index in 0..archive.len() {
            let unreadable = |error| failed(format!("its entry {index} cannot be read ({error})"));
            let entry = archive.by_index(index).map_err(unreadable)?;
            let name = entry.name().map_err(unreadable)?;
            if archive::is_systems_own(&name) {
                continue;
            }
            let name = name.strip_suffix(".npy").unwrap_or(&name).to_owned();
            let of_array = |problem| failed(format!("array `{name}`: {problem}"));
            let in_small = name.to_lowercase();
            if in_small == IDS || names_stimuli(&in_small) {
                let of_ids = |problem, help| bad_ids(path, &name, problem, help);
                if listed.ids.is_some() {
                    let problem = "the ids of the stimuli stand here a second time".to_owned();
                    return Err(of_ids(problem, ONE_LIST));
                }
                let read = npy::read_words(entry);
                let (words, _) = read.map_err(|problem| of_ids(problem, AS_WORDS))?;
                listed.ids = Some(words);
                continue;
            }
            let is_stored = entry.compression() == CompressionMethod::STORE;
            let start = entry.data_start().filter(|_| is_stored);
            let held = entry.size().min(entry.compressed_size());
            match npy::Stored::open(entry).map_err(of_array)? {
                Err(why) => listed.leave_out(&name, &why),
                Ok(stored) => {
                    let place = match start {
                        Some(start) => {
                            refuse_other_length(&stored, held).map_err(of_array)?;
                            Place::At(start + stored.start, Some(index))
                        }
                        None => Place::Packed(index),
                    };
                    arrays.add(&name, place, stored, &mut listed);
                }
            }
        }
        if listed.ids.is_none() {
            listed.lists = lists(path, &mut archive, &listed.layers)?;
        }
        Ok((arrays, listed))
    }

    fn none(path: &Path) -> Self {
        let (path, arrays) = (path.to_owned(), Vec::new());
        Self { path, arrays }
    }

    /// Adds an array, as a layer if it has rows and units.
    fn add(&mut self, name: &str, place: Place, stored: npy::Stored, listed: &mut Listed) {
        match stored.shape.as_slice() {
            [_] | [] => {
                let axes = match stored.shape.len() {
                    1 => "1 axis".to_owned(),
                    axes => format!("{axes} axes"),
                };
                listed.leave_out(name, &format!("it has {axes}, expected stimuli x units"));
            }
            shape if shape.contains(&0) => listed.leave_out(name, "it is empty"),
            [rows, units @ ..] => {
                listed.layers.push(Layer {
                    name: name.to_owned(),
                    rows: *rows,
                    shape: units.to_vec(),
                    at: self.arrays.len(),
                });
                self.arrays.push(Array { stored, place });
            }
        }
    }

    /// What reads rows of `layer`; `None` where it can be read only as a whole.
    pub(super) fn by_rows(&self, layer: &Layer) -> Result<Option<RowFile>, FeaturesError> {
        let Array { stored, place } = &self.arrays[layer.at];
        let Place::At(first, entry) = *place else {
            return Ok(None);
        };
        let long = stored.shape.iter().filter(|length| **length > 1);
        if stored.is_fortran && long.count() > 1 {
            return Ok(None);
        }
        let file = File::open(&self.path).map_err(|source| unreadable(&self.path, source))?;
        let found = file
            .metadata()
            .map_err(|source| unreadable(&self.path, source))?
            .len();
        let needed = layer.bytes(stored.entry_bytes).saturating_add(first);
        if found < needed {
            let name = &layer.name;
            let problem = format!("array `{name}` needs a file of {needed} bytes, found {found}");
            return Err(bad(&self.path, problem));
        }
        Ok(Some(RowFile {
            path: self.path.clone(),
            file,
            stored: stored.clone(),
            first,
            layer: layer.name.clone(),
            entry,
        }))
    }

    /// Reads all of `layer` and keeps `rows`, in their order.
    ///
    /// # Shapes
    /// - returns `[rows, units]`
    pub(super) fn whole<T: Number>(
        &self,
        layer: &Layer,
        rows: &[usize],
    ) -> Result<Vec<T>, FeaturesError> {
        let Array { stored, place } = &self.arrays[layer.at];
        let bytes = layer.bytes(stored.entry_bytes.max(size_of::<T>()));
        if bytes > MAX_RESPONSES_BYTES as u64 {
            return Err(FeaturesError::TooLarge {
                path: self.path.clone(),
                layer: layer.name.clone(),
                bytes,
            });
        }
        match *place {
            Place::At(first, None) => {
                let opened = File::open(&self.path).and_then(|mut file| {
                    file.seek(SeekFrom::Start(first))?;
                    Ok(file)
                });
                let file = opened.map_err(|source| unreadable(&self.path, source))?;
                self.kept(layer, rows, BufReader::new(file))
            }
            Place::At(_, Some(entry)) | Place::Packed(entry) => {
                let mut archive = open_archive(&self.path)?;
                let entry = archive.by_index(entry);
                let mut entry = entry.map_err(|error| bad(&self.path, error.to_string()))?;
                let header =
                    std::io::copy(&mut entry.by_ref().take(stored.start), &mut std::io::sink());
                header.map_err(|source| unreadable(&self.path, source))?;
                self.kept(layer, rows, entry)
            }
        }
    }

    /// Reads the entries of `layer` one line after another and keeps those of `rows`. A line is a row, or a
    /// column in Fortran's order.
    fn kept<T: Number>(
        &self,
        layer: &Layer,
        rows: &[usize],
        mut reader: impl Read,
    ) -> Result<Vec<T>, FeaturesError> {
        let stored = &self.arrays[layer.at].stored;
        let units = layer.units();
        let mut places = vec![Vec::new(); layer.rows];
        for (place, row) in rows.iter().enumerate() {
            places[*row].push(place);
        }
        let (lines, length) = if stored.is_fortran {
            (units, layer.rows)
        } else {
            (layer.rows, units)
        };
        let mut kept = vec![T::of(0.0); rows.len() * units];
        let mut line = vec![0; length * stored.entry_bytes];
        for index in 0..lines {
            reader.read_exact(&mut line).map_err(|error| {
                let problem = format!("array `{}` cannot be read to its end ({error})", layer.name);
                bad(&self.path, problem)
            })?;
            if stored.is_fortran {
                let unit = unit_of_column(index, &layer.shape);
                for (number, places) in stored.numbers(&line).zip(&places) {
                    for place in places {
                        kept[place * units + unit] = T::of(number);
                    }
                }
            } else {
                for place in &places[index] {
                    let into = &mut kept[place * units..(place + 1) * units];
                    for (into, number) in into.iter_mut().zip(stored.numbers(&line)) {
                        *into = T::of(number);
                    }
                }
            }
        }
        // At its end, an archive's reader compares the sum of what it unpacked.
        reader
            .read(&mut [0])
            .map_err(|error| damaged(&self.path, &layer.name, &error))?;
        Ok(kept)
    }
}

impl RowFile {
    /// Compares the sum of the bytes with that in the archive, if the file is one.
    pub(super) fn verify(&self) -> Result<(), FeaturesError> {
        let Some(entry) = self.entry else {
            return Ok(());
        };
        let mut archive = open_archive(&self.path)?;
        let entry = archive.by_index(entry);
        let mut entry = entry.map_err(|error| bad(&self.path, error.to_string()))?;
        let read = std::io::copy(&mut entry, &mut std::io::sink());
        read.map_err(|error| damaged(&self.path, &self.layer, &error))?;
        Ok(())
    }

    /// Reads as many entries as `out` holds, after the first `before`.
    pub(super) fn read<T: Number>(&self, before: u64, out: &mut [T]) -> Result<(), FeaturesError> {
        let mut line = vec![0; out.len() * self.stored.entry_bytes];
        let at = self.first + before * self.stored.entry_bytes as u64;
        let read = self.file.read_exact_at(&mut line, at);
        read.map_err(|source| unreadable(&self.path, source))?;
        for (into, number) in out.iter_mut().zip(self.stored.numbers(&line)) {
            *into = T::of(number);
        }
        Ok(())
    }
}

/// Refuses an array that needs other bytes than the `held` of its entry.
fn refuse_other_length(stored: &npy::Stored, held: u64) -> Result<(), String> {
    let lengths = stored.shape.iter().map(|length| *length as u64);
    let entries = lengths.fold(1, u64::saturating_mul);
    let bytes = entries.saturating_mul(stored.entry_bytes as u64);
    match bytes.saturating_add(stored.start) {
        needed if needed == held => Ok(()),
        needed => Err(format!(
            "it needs {needed} bytes, and its entry in the archive has {held}"
        )),
    }
}

fn damaged(path: &Path, array: &str, error: &std::io::Error) -> FeaturesError {
    bad(path, format!("array `{array}` is damaged ({error})"))
}

/// Which unit, in C's order, the column `index` of an array in Fortran's order has.
fn unit_of_column(mut index: usize, shape: &[usize]) -> usize {
    let mut unit = 0;
    for (axis, length) in shape.iter().enumerate() {
        let behind: usize = shape[axis + 1..].iter().product();
        unit += index % length * behind;
        index /= length;
    }
    unit
}

/// The lists in the `.npz` at `path` that are as long as one of `layers` has rows. Numbers that repeat name no
/// stimuli and are not among them.
fn lists(
    path: &Path,
    archive: &mut ZipArchive<BufReader<File>>,
    layers: &[Layer],
) -> Result<Vec<List>, FeaturesError> {
    let rows: HashSet<usize> = layers.iter().map(|layer| layer.rows).collect();
    let (mut lists, mut bytes) = (Vec::new(), 0_usize);
    for index in 0..archive.len() {
        let unreadable = |error| bad(path, format!("its entry {index} cannot be read ({error})"));
        let entry = archive.by_index(index).map_err(unreadable)?;
        let name = entry.name().map_err(unreadable)?;
        if archive::is_systems_own(&name) {
            continue;
        }
        let name = name.strip_suffix(".npy").unwrap_or(&name).to_owned();
        let of_list = |problem, help| bad_ids(path, &name, problem, help);
        let list = npy::word_list(entry).map_err(|problem| of_list(problem, AS_WORDS))?;
        let Some(list) = list.filter(|list| rows.contains(&list.length)) else {
            continue;
        };
        if list.is_objects {
            let problem = "it holds Python objects, which may be ids and are not loaded".to_owned();
            return Err(of_list(problem, AS_WORDS));
        }
        let words = list.length.saturating_mul(2 * size_of::<String>());
        bytes = bytes.saturating_add(list.bytes).saturating_add(words);
        if bytes > LISTS_BYTES_MAX {
            let problem =
                format!("lists up to here have {bytes} bytes; the limit is {LISTS_BYTES_MAX}");
            return Err(of_list(problem, ONE_LIST));
        }
        let read = npy::read_words(archive.by_index(index).map_err(unreadable)?);
        let (words, is_numbers) = read.map_err(|problem| of_list(problem, AS_WORDS))?;
        let differ = words.iter().collect::<HashSet<_>>().len() == words.len();
        if differ || !is_numbers {
            lists.push(List {
                name,
                words,
                is_numbers,
            });
        }
    }
    Ok(lists)
}

fn bad_ids(path: &Path, array: &str, problem: String, help: &'static str) -> FeaturesError {
    FeaturesError::Ids {
        path: path.to_owned(),
        problem: format!("array `{array}`: {problem}"),
        help,
    }
}

fn open_archive(path: &Path) -> Result<ZipArchive<BufReader<File>>, FeaturesError> {
    let open = || File::open(path).map(BufReader::new);
    archive::open(open).map_err(|error| {
        bad(
            path,
            format!("it is not an archive of `numpy.savez` ({error})"),
        )
    })
}

fn unreadable(path: &Path, source: std::io::Error) -> FeaturesError {
    let path = path.to_owned();
    FeaturesError::Unreadable { path, source }
}

fn bad(path: &Path, problem: String) -> FeaturesError {
    let path = path.to_owned();
    FeaturesError::Arrays { path, problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// NumPy 2.4: `numpy.arange(24).reshape(2, 3, 4)[0].ravel("F")`.
    #[test]
    fn a_column_in_fortrans_order_is_the_unit_of_the_same_indices_in_cs() {
        let units: Vec<usize> = (0..12)
            .map(|column| unit_of_column(column, &[3, 4]))
            .collect();
        assert_eq!(units, [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]);
        assert_eq!(unit_of_column(5, &[6]), 5);
    }
}
