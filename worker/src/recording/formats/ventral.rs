//! `ventral_neural_data.hdf5`, the file of the DiCarlo lab's courses: images, their labels, and the
//! responses of V4 and IT, in one file.
//!
//! These parts of it are read: `images`, one by one when they are needed; `image_meta/*`, a label
//! per image; `neural_meta/<REGION>_NEURONS`, the units of a region;
//! `time_averaged_trial_averaged`, images x units; `time_averaged/variation_level_<N>`, trials x
//! images of that level x units. The trials are used as repetitions if their means equal the trial
//! averages: only by convention are their images in the order of `image_meta`, so that is checked.
//! Stimuli are named by their row.

use std::path::{Path, PathBuf};

use hdf5_reader::{Dataset, Datatype, Hdf5File, SliceInfo, SliceInfoElem};
use image::RgbImage;

use super::hdf5::{guarded, storage, unread};
use super::reading::{Asked, Brought, Opened};
use crate::hdf5;
use crate::recording::assembly::Assembly;
use crate::recording::error::RecordingError;
use crate::recording::images::{Header, Picture};
use crate::recording::limits::{MAX_RESPONSES, MAX_RESPONSES_BYTES, MAX_SIDE_PIXELS};
use crate::recording::pictures::Pictures;
use crate::recording::stimuli::{Stimulus, StimulusSet};

const IMAGES: &str = "images";
const AVERAGES: &str = "time_averaged_trial_averaged";
const LEVEL: &str = "variation_level";
/// Chunks kept unpacked; their bytes are bounded by the reader. h5py stores the images of the
/// course's file in blocks of many images and few pixels, 512 of which make up one image: with a
/// smaller cache, each block would be unpacked again for every image.
const CACHED_CHUNKS: usize = 1 << 14;
/// How far a mean over trials may be from the trial average, relative to 1 + its magnitude: both
/// are sums of about 50 float32 numbers.
const AGREEMENT: f64 = 1e-3;

/// Rows of the dataset of images, read one by one.
struct Rows {
    path: PathBuf,
    images: Dataset,
    /// The rows chosen.
    rows: Vec<u64>,
}

/// Opens the file that is asked for, with the images of its variation levels, or of all levels where
/// none is named.
pub(super) fn open(asked: &Asked<'_>) -> Result<Opened, RecordingError> {
    asked.refuse_axes()?;
    asked.refuse_variable()?;
    guarded(asked.path, || {
        let file = File::open(asked.path)?;
        let chosen = file.choose(asked.variations)?;
        let (labels, images) = (&chosen.labels, chosen.images);
        let stimuli = images.rows.iter().map(|&row| Stimulus {
            id: row.to_string(),
            labels: labels
                .iter()
                .map(|(name, values)| (name.clone(), values[row as usize].clone()))
                .collect(),
        });
        let set = StimulusSet {
            path: asked.path.to_owned(),
            stimuli: stimuli.collect(),
        };
        Ok(Opened {
            assembly: file.responses(&chosen.level_of, &chosen.levels, chosen.notices)?,
            brought: Some(Brought {
                set,
                images: Box::new(images),
            }),
        })
    })
}

/// Whether the root of an HDF5 file has anything that only a file of this layout has.
pub(super) fn is_laid_out(names: &[String]) -> bool {
    let own = ["image_meta", "neural_meta", "time_averaged", AVERAGES];
    names.iter().any(|name| own.contains(&name.as_str()))
}

/// Hashes the pixels of the images of `levels`, which identify a file's stimuli.
pub(super) fn digest_stimuli(
    hasher: &mut blake3::Hasher,
    path: &Path,
    levels: &[u32],
) -> Result<(), RecordingError> {
    let images = guarded(path, || Ok(File::open(path)?.choose(levels)?.images))?;
    hasher.update(b"images of one dataset");
    for index in 0..images.len() {
        let rgb = images.picture(index)?.rgb;
        hasher.update(&rgb.width().to_le_bytes());
        hasher.update(&rgb.height().to_le_bytes());
        hasher.update(rgb.as_raw());
    }
    Ok(())
}

/// The part of a file that was asked for.
struct Chosen {
    /// The labels of all images by name.
    labels: Labels,
    /// The variation level of every image.
    level_of: Vec<u32>,
    /// The levels chosen.
    levels: Vec<u32>,
    /// The images of these.
    images: Rows,
    /// What was left out.
    notices: Vec<String>,
}

/// Labels of all images by name.
type Labels = Vec<(String, Vec<String>)>;

fn sorted(mut levels: Vec<u32>) -> Vec<u32> {
    levels.sort_unstable();
    levels.dedup();
    levels
}

struct File<'a> {
    path: &'a Path,
    file: Hdf5File,
}

impl<'a> File<'a> {
    fn open(path: &'a Path) -> Result<Self, RecordingError> {
        let options = hdf5::options(MAX_RESPONSES_BYTES).with_chunk_cache_slots(CACHED_CHUNKS);
        let file = Hdf5File::from_storage_with_options(storage(path)?, options);
        match file {
            Ok(file) => Ok(Self { path, file }),
            Err(source) => Err(unread(path, source)),
        }
    }

    fn choose(&self, levels: &[u32]) -> Result<Chosen, RecordingError> {
        let images = self.images()?;
        let all = images.shape()[0];
        let mut notices = Vec::new();
        let labels = self.labels(all, &mut notices)?;
        let level_of = self.levels(&labels)?;
        let known = sorted(level_of.clone());
        if let Some(&level) = levels.iter().find(|level| !known.contains(level)) {
            return Err(RecordingError::UnknownVariation {
                path: self.path.to_owned(),
                level,
                known,
            });
        }
        let levels = if levels.is_empty() {
            known
        } else {
            sorted(levels.to_vec())
        };
        let rows = (0..all).filter(|&row| levels.contains(&level_of[row as usize]));
        Ok(Chosen {
            images: Rows {
                path: self.path.to_owned(),
                images,
                rows: rows.collect(),
            },
            labels,
            level_of,
            levels,
            notices,
        })
    }

    fn ok<T>(&self, result: hdf5_reader::error::Result<T>) -> Result<T, RecordingError> {
        result.map_err(|source| unread(self.path, source))
    }

    fn misshapen(&self, dataset: &str, problem: impl Into<String>) -> RecordingError {
        misshapen(self.path, dataset, problem)
    }

    /// The names of the datasets in `group`; empty where there is no such group.
    fn members(&self, group: &str) -> Result<Vec<String>, RecordingError> {
        let root = self.ok(self.file.root_group())?;
        let (groups, datasets) = self.ok(hdf5::members::names(&root))?;
        if group.is_empty() {
            return Ok(datasets);
        }
        if !groups.iter().any(|name| name == group) {
            return Ok(Vec::new());
        }
        let (_, datasets) = self.ok(hdf5::members::names(&self.ok(root.group(group))?))?;
        Ok(datasets)
    }

    fn dataset(&self, group: &str, name: &str) -> Result<Dataset, RecordingError> {
        let members = self.members(group)?;
        let path = if group.is_empty() {
            name.to_owned()
        } else {
            format!("{group}/{name}")
        };
        if members.iter().any(|member| member == name) {
            let within = match group {
                "" => self.ok(self.file.root_group())?,
                group => self.ok(self.file.group(group))?,
            };
            return self.ok(hdf5::layout::dataset(&within, name));
        }
        let found = if group.is_empty() || members.is_empty() {
            let root = self.ok(self.file.root_group())?;
            let (groups, datasets) = self.ok(hdf5::members::names(&root))?;
            groups.into_iter().chain(datasets).collect()
        } else {
            members
        };
        Err(RecordingError::NoDataset {
            path: self.path.to_owned(),
            dataset: path,
            found: if found.is_empty() {
                "nothing".to_owned()
            } else {
                found.join(", ")
            },
        })
    }

    fn images(&self) -> Result<Dataset, RecordingError> {
        let images = self.dataset("", IMAGES)?;
        let good = match *images.shape() {
            [n, h, w] | [n, h, w, 1 | 3] => n.min(h).min(w) > 0,
            _ => false,
        };
        if !good {
            let problem = "expected images x height x width, grey or with 3 colours last";
            return Err(self.misshapen(IMAGES, format!("is {}; {problem}", shown(&images))));
        }
        let side = u64::from(MAX_SIDE_PIXELS);
        if images.shape()[1].max(images.shape()[2]) > side {
            let problem = format!("is {}; the limit is {side} pixels a side", shown(&images));
            return Err(self.misshapen(IMAGES, problem));
        }
        match images.dtype() {
            Datatype::FixedPoint {
                size: 1,
                signed: false,
                ..
            }
            | Datatype::FloatingPoint { size: 4 | 8, .. } => Ok(images),
            _ => Err(self.misshapen(IMAGES, format!("is {}; expected bytes", shown(&images)))),
        }
    }

    /// The labels of all images by name. A dataset that is not one label per image becomes a notice.
    fn labels(&self, images: u64, notices: &mut Vec<String>) -> Result<Labels, RecordingError> {
        let mut labels = Vec::new();
        for name in self.members("image_meta")? {
            let data = self.dataset("image_meta", &name)?;
            let values = match data.dtype() {
                Datatype::FixedPoint { .. } | Datatype::FloatingPoint { .. }
                    if data.shape() == [images] =>
                {
                    self.numbers(&data)?.iter().map(f64::to_string).collect()
                }
                Datatype::String { .. } | Datatype::VarLen { .. } if data.shape() == [images] => {
                    self.ok(data.read_strings())?
                }
                _ => {
                    let found = shown(&data);
                    notices.push(format!(
                        "`image_meta/{name}` is {found}, not a label of each image: left out"
                    ));
                    continue;
                }
            };
            labels.push((name, values));
        }
        Ok(labels)
    }

    /// The variation level of each image: `V3` and `3` are both 3.
    fn levels(&self, labels: &[(String, Vec<String>)]) -> Result<Vec<u32>, RecordingError> {
        let Some((_, words)) = labels.iter().find(|(name, _)| name == LEVEL) else {
            let data = self.dataset("image_meta", LEVEL)?;
            let problem = format!("is {}; expected a level of each image", shown(&data));
            return Err(self.misshapen(&format!("image_meta/{LEVEL}"), problem));
        };
        let level = |word: &String| {
            word.trim_start_matches(['V', 'v']).parse().map_err(|_| {
                let problem = format!("holds {word:?}; expected levels such as `V3`");
                self.misshapen(&format!("image_meta/{LEVEL}"), problem)
            })
        };
        words.iter().map(level).collect()
    }

    fn numbers(&self, data: &Dataset) -> Result<Vec<f64>, RecordingError> {
        let entries = data
            .shape()
            .iter()
            .try_fold(1_u64, |n, &length| n.checked_mul(length));
        if entries.is_none_or(|n| n > MAX_RESPONSES as u64) {
            return Err(RecordingError::TooManyResponses {
                path: self.path.to_owned(),
                problem: format!("dataset `{}` is {}", data.name(), shown(data)),
            });
        }
        match data.dtype() {
            Datatype::FixedPoint { .. } | Datatype::FloatingPoint { .. } => {}
            _ => {
                let problem = format!("is {}; expected numbers", shown(data));
                return Err(self.misshapen(data.name(), problem));
            }
        }
        hdf5::numbers(data).map_err(|error| unread(self.path, error))
    }

    /// Regions and the units of each, from `neural_meta/<REGION>_NEURONS`.
    fn units(&self, units: usize) -> Result<Vec<(String, usize)>, RecordingError> {
        let mut found = Vec::new();
        for name in self.members("neural_meta")? {
            let Some(region) = name.strip_suffix("_NEURONS") else {
                continue;
            };
            let data = self.dataset("neural_meta", &name)?;
            let dataset = format!("neural_meta/{name}");
            if data.ndim() != 1 || !matches!(data.dtype(), Datatype::FixedPoint { .. }) {
                let problem = format!("is {}; expected a list of units", shown(&data));
                return Err(self.misshapen(&dataset, problem));
            }
            for index in self.numbers(&data)? {
                if !(0.0..units as f64).contains(&index) {
                    let problem = format!("names unit {index}; `{AVERAGES}` has {units}");
                    return Err(self.misshapen(&dataset, problem));
                }
                found.push((region.to_owned(), index as usize));
            }
        }
        if found.is_empty() {
            self.dataset("neural_meta", "IT_NEURONS")?;
            return Err(self.misshapen("neural_meta/IT_NEURONS", "names no units"));
        }
        Ok(found)
    }

    fn responses(
        &self,
        level_of: &[u32],
        levels: &[u32],
        mut notices: Vec<String>,
    ) -> Result<Assembly, RecordingError> {
        let data = self.dataset("", AVERAGES)?;
        let images = level_of.len();
        let units = match *data.shape() {
            [n, units] if n == images as u64 && units > 0 => units as usize,
            _ => {
                let problem = format!("is {}; expected {images} images x units", shown(&data));
                return Err(self.misshapen(AVERAGES, problem));
            }
        };
        let averages = self.numbers(&data)?;
        let sites = self.units(units)?;
        let (mut shown, mut values) = (Vec::new(), Vec::new());
        let mut present = |row: usize, rates: &[f64]| {
            shown.push(row.to_string());
            values.extend(sites.iter().map(|(_, unit)| rates[*unit]));
        };
        for &level in levels {
            let of_level: Vec<usize> = (0..images).filter(|&row| level_of[row] == level).collect();
            let average = |row: usize| &averages[row * units..][..units];
            match self.trials(level, &of_level, units, average)? {
                Ok(trials) => {
                    for (at, rates) in trials.chunks_exact(units).enumerate() {
                        present(of_level[at % of_level.len()], rates);
                    }
                }
                Err(notice) => {
                    notices.push(notice);
                    of_level.iter().for_each(|&row| present(row, average(row)));
                }
            }
        }
        let inside = |unit: &usize| sites.iter().any(|(_, of_region)| of_region == unit);
        match (0..units).filter(|unit| !inside(unit)).count() {
            0 => {}
            n => notices.push(format!(
                "units in no region of `neural_meta`, left out: {n}"
            )),
        }
        let names = sites.iter().map(|(_, unit)| unit.to_string()).collect();
        let regions = sites.iter().map(|(region, _)| region.clone()).collect();
        let mut assembly = Assembly::by_rows(self.path, names, regions, shown, values);
        assembly.notices = notices;
        Ok(assembly)
    }

    /// The trials of one level, `[trials, images, units]`, or why they cannot be used.
    fn trials<'r>(
        &self,
        level: u32,
        images: &[usize],
        units: usize,
        average: impl Fn(usize) -> &'r [f64],
    ) -> Result<Result<Vec<f64>, String>, RecordingError> {
        let name = format!("variation_level_{level}");
        let dataset = format!("time_averaged/{name}");
        let unused = |why: String| {
            format!(
                "`{dataset}` {why}: variation level {level} is taken as averaged, without repetitions"
            )
        };
        if !self.members("time_averaged")?.contains(&name) {
            return Ok(Err(unused("is not in the file".to_owned())));
        }
        let data = self.dataset("time_averaged", &name)?;
        match *data.shape() {
            [trials, n, u] if trials > 0 && (n, u) == (images.len() as u64, units as u64) => {}
            _ => {
                let wanted = format!("not trials x {} images x {units} units", images.len());
                return Ok(Err(unused(format!("is {}, {wanted}", shown(&data)))));
            }
        }
        let trials = self.numbers(&data)?;
        let row = images.len() * units;
        let mut apart = 0;
        for (at, &image) in images.iter().enumerate() {
            for (unit, &expected) in average(image).iter().enumerate() {
                let rates = trials[at * units + unit..].iter().step_by(row);
                let rates = rates.filter(|rate| !rate.is_nan());
                let (n, sum) = rates.fold((0.0, 0.0), |(n, sum), rate| (n + 1.0, sum + rate));
                let mean: f64 = sum / n;
                let agree = (mean - expected).abs() <= AGREEMENT * (1.0 + expected.abs());
                apart += usize::from(!(agree || mean.is_nan() && expected.is_nan()));
            }
        }
        Ok(match apart {
            0 => Ok(trials),
            n => Err(unused(format!(
                "differs from `{AVERAGES}` in {n} of {row} means"
            ))),
        })
    }
}

impl Pictures for Rows {
    fn len(&self) -> usize {
        self.rows.len()
    }

    /// Only the image's own part of the file is read.
    fn picture(&self, index: usize) -> Result<Picture, RecordingError> {
        let row = self.rows[index];
        guarded(&self.path, || {
            let mut selection = SliceInfo::all(self.images.ndim());
            selection.selections[0] = SliceInfoElem::Slice {
                start: row,
                end: row + 1,
                step: 1,
            };
            let values = numbers(&self.images, &selection, &self.path)?;
            let byte = |&value: &f64| {
                if value.fract() == 0.0 && (0.0..=255.0).contains(&value) {
                    Ok(value as u8)
                } else {
                    let problem =
                        format!("holds {value} in row {row}; expected whole numbers from 0 to 255");
                    Err(misshapen(&self.path, IMAGES, problem))
                }
            };
            let bytes = values.iter().map(byte).collect::<Result<Vec<u8>, _>>()?;
            let shape = self.images.shape();
            let grey = shape.len() == 3 || shape[3] == 1;
            let bytes = if grey {
                bytes.iter().flat_map(|&level| [level; 3]).collect()
            } else {
                bytes
            };
            let image = RgbImage::from_raw(shape[2] as u32, shape[1] as u32, bytes);
            Ok(Picture {
                rgb: image.expect("`images` checked the shape"),
                mode: if grey { "L8" } else { "Rgb8" }.to_owned(),
            })
        })
    }

    fn header(&self, _index: usize) -> Result<Header, RecordingError> {
        let shape = self.images.shape();
        Ok(Header {
            size: [shape[2] as u32, shape[1] as u32],
            redecoded: false,
            clipped: false,
        })
    }
}

/// Part of a dataset of bytes or floating-point numbers.
fn numbers(data: &Dataset, part: &SliceInfo, path: &Path) -> Result<Vec<f64>, RecordingError> {
    let read = match data.dtype() {
        Datatype::FixedPoint { .. } => data
            .read_slice::<u8>(part)
            .map(|numbers| numbers.iter().map(|&n| f64::from(n)).collect()),
        Datatype::FloatingPoint { size: 4, .. } => data
            .read_slice::<f32>(part)
            .map(|numbers| numbers.iter().map(|&n| f64::from(n)).collect()),
        _ => data
            .read_slice::<f64>(part)
            .map(|numbers| numbers.iter().copied().collect()),
    };
    read.map_err(|error| unread(path, error))
}

fn misshapen(path: &Path, dataset: &str, problem: impl Into<String>) -> RecordingError {
    RecordingError::BadDataset {
        path: path.to_owned(),
        dataset: dataset.to_owned(),
        problem: problem.into(),
    }
}

fn shown(data: &Dataset) -> String {
    let axes: Vec<String> = data.shape().iter().map(u64::to_string).collect();
    let kind = match data.dtype() {
        Datatype::FixedPoint { size, signed, .. } => {
            format!(
                "{}int{}",
                if *signed { "" } else { "u" },
                8 * u32::from(*size)
            )
        }
        Datatype::FloatingPoint { size, .. } => format!("float{}", 8 * u32::from(*size)),
        Datatype::String { .. } | Datatype::VarLen { .. } => "words".to_owned(),
        _ => "neither numbers nor words".to_owned(),
    };
    if axes.is_empty() {
        format!("a single entry of {kind}")
    } else {
        format!("{} of {kind}", axes.join(" x "))
    }
}

#[cfg(test)]
mod tests;
