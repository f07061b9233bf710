//! Brain-Score assemblies: one netCDF variable of responses over sites and presentations, and the
//! coordinates that name both.
//!
//! Reads the file and checks its shape; averaging, selecting and matching with stimuli are done
//! elsewhere. Any bytes give an assembly or an error, never a panic.

use std::path::Path;

use netcdf_reader::{Error as NcError, NcFile, NcOpenOptions, NcType, NcVariable};

use super::hdf5::{guarded, storage};
use super::reading::{Asked, Opened};
use crate::recording::assembly::Assembly;
use crate::recording::error::RecordingError;
use crate::recording::limits::{MAX_RESPONSES, MAX_RESPONSES_BYTES};
use crate::recording::stimuli::STIMULUS_IDS;
use crate::recording::words::first_bytes;

const NEUROID: &str = "neuroid";
const PRESENTATION: &str = "presentation";
/// The coordinates that number repetitions: the usual one of Brain-Score, and that of its Cadena
/// recordings.
const REPETITIONS: [&str; 2] = ["repetition", "repetition_id"];

/// Reads the assembly that is asked for.
pub(super) fn open(asked: &Asked<'_>) -> Result<Opened, RecordingError> {
    asked.refuse_axes()?;
    let assembly = guarded(asked.path, || read(asked.path))?;
    Ok(Opened::without_stimuli(assembly))
}

/// One opened file; turns the reader's errors into ours.
struct Reader<'a> {
    path: &'a Path,
    file: NcFile,
}

fn read(path: &Path) -> Result<Assembly, RecordingError> {
    let reader = Reader::open(path)?;
    let variables = reader.ok(reader.file.variables())?;
    let responses = reader.responses(variables)?;
    let (name, shape) = (responses.name().to_owned(), responses.shape());
    let names: Vec<&str> = responses
        .dimensions()
        .iter()
        .map(|d| d.name.as_str())
        .collect();
    refuse_shape(path, &name, &names, &shape)?;
    let extent = |dimension: &str| {
        let axis = names.iter().position(|&found| found == dimension);
        let axis = axis.expect("`responses` chose a variable with this dimension");
        let stride: u64 = shape[axis + 1..].iter().product();
        (shape[axis] as usize, stride as usize)
    };
    let (sites, site_stride) = extent(NEUROID);
    let (presentations, presentation_stride) = extent(PRESENTATION);

    let mut notices = Vec::new();
    let site_names = match reader.coordinate(variables, &["neuroid_id"], NEUROID, sites)? {
        Some(names) => names,
        None => {
            notices.push(
                "the assembly has no `neuroid_id`: sites are named by their position".to_owned(),
            );
            (0..sites).map(|site| site.to_string()).collect()
        }
    };
    let regions = reader
        .coordinate(variables, &["region"], NEUROID, sites)?
        .ok_or_else(|| reader.no_coordinate(variables, "`region`", NEUROID))?;
    let shown = reader
        .coordinate(variables, &STIMULUS_IDS, PRESENTATION, presentations)?
        .ok_or_else(|| {
            reader.no_coordinate(variables, "`stimulus_id` or `image_id`", PRESENTATION)
        })?;

    let repetitions = reader.repetitions(variables, presentations);

    let values = reader.ok(reader.file.read_variable_unpacked_masked(&name))?;
    let (values, offset) = values
        .as_standard_layout()
        .into_owned()
        .into_raw_vec_and_offset();
    if values.len() != sites * presentations || offset.unwrap_or(0) != 0 {
        return Err(reader.damaged(NcError::InvalidData(format!(
            "`{name}` has {} values instead of {sites} x {presentations}",
            values.len()
        ))));
    }
    Ok(Assembly {
        path: path.to_owned(),
        sites: site_names,
        regions,
        shown,
        repetitions,
        notices,
        axes: Vec::new(),
        values,
        site_stride,
        presentation_stride,
    })
}

/// Refuses responses `name` of a shape that cannot be read: empty, with another axis, or too large.
fn refuse_shape(
    path: &Path,
    name: &str,
    dimensions: &[&str],
    shape: &[u64],
) -> Result<(), RecordingError> {
    for (dimension, &length) in dimensions.iter().zip(shape) {
        if length == 0 {
            return Err(RecordingError::Empty {
                path: path.to_owned(),
                variable: name.to_owned(),
                dimension: (*dimension).to_owned(),
            });
        }
        if !matches!(*dimension, NEUROID | PRESENTATION) && length != 1 {
            return Err(RecordingError::TimeBins {
                path: path.to_owned(),
                variable: name.to_owned(),
                dimension: (*dimension).to_owned(),
                length,
            });
        }
    }
    let responses = shape
        .iter()
        .try_fold(1_u64, |n, &length| n.checked_mul(length));
    if responses.is_none_or(|n| n > MAX_RESPONSES as u64) {
        let lengths: Vec<String> = shape.iter().map(u64::to_string).collect();
        return Err(RecordingError::TooManyResponses {
            path: path.to_owned(),
            problem: format!("`{name}` is {}", lengths.join(" x ")),
        });
    }
    Ok(())
}

impl<'a> Reader<'a> {
    fn open(path: &'a Path) -> Result<Self, RecordingError> {
        let io = |source| RecordingError::Io {
            path: path.to_owned(),
            source,
        };
        let storage = storage(path)?;
        let options = NcOpenOptions {
            max_read_bytes: MAX_RESPONSES_BYTES,
            ..NcOpenOptions::default()
        };
        match NcFile::from_storage_with_options(storage, options) {
            Ok(file) => Ok(Self { path, file }),
            Err(NcError::InvalidMagic) => {
                let mut start = Vec::new();
                let file = std::fs::File::open(path).map_err(io)?;
                std::io::Read::read_to_end(&mut std::io::Read::take(file, 16), &mut start)
                    .map_err(io)?;
                Err(RecordingError::NotNetcdf {
                    path: path.to_owned(),
                    found: first_bytes(&start),
                })
            }
            Err(source) => Err(RecordingError::Damaged {
                path: path.to_owned(),
                source,
            }),
        }
    }

    fn ok<T>(&self, result: Result<T, NcError>) -> Result<T, RecordingError> {
        result.map_err(|source| self.damaged(source))
    }

    fn damaged(&self, source: NcError) -> RecordingError {
        RecordingError::Damaged {
            path: self.path.to_owned(),
            source,
        }
    }

    /// The one variable of numbers that has both axes.
    fn responses<'v>(&self, variables: &'v [NcVariable]) -> Result<&'v NcVariable, RecordingError> {
        let has = |variable: &NcVariable, name: &str| {
            variable
                .dimensions()
                .iter()
                .filter(|d| d.name == name)
                .count()
                == 1
        };
        let candidates: Vec<&NcVariable> = variables
            .iter()
            .filter(|v| is_number(v.dtype()) && has(v, NEUROID) && has(v, PRESENTATION))
            .collect();
        match candidates[..] {
            [only] => Ok(only),
            _ => Err(RecordingError::NoResponses {
                path: self.path.to_owned(),
                candidates: candidates
                    .iter()
                    .map(|v| format!("`{}`", v.name()))
                    .collect(),
                found: described(variables),
            }),
        }
    }

    /// The first coordinate of `names` that spans `dimension`, as words; `None` if there is none.
    fn coordinate(
        &self,
        variables: &[NcVariable],
        names: &[&str],
        dimension: &'static str,
        length: usize,
    ) -> Result<Option<Vec<String>>, RecordingError> {
        let spans = |variable: &&NcVariable| spans(variable, dimension);
        let Some(variable) = names.iter().find_map(|name| {
            variables
                .iter()
                .filter(spans)
                .find(|variable| variable.name() == *name)
        }) else {
            return Ok(None);
        };
        let name = variable.name();
        let words: Vec<String> = match variable.dtype() {
            NcType::String | NcType::Char => self.ok(self.file.read_variable_as_strings(name))?,
            NcType::Int64 => {
                let ids = self.ok(self.file.read_variable::<i64>(name))?;
                ids.iter().map(i64::to_string).collect()
            }
            NcType::UInt64 => {
                let ids = self.ok(self.file.read_variable::<u64>(name))?;
                ids.iter().map(u64::to_string).collect()
            }
            NcType::Byte
            | NcType::UByte
            | NcType::Short
            | NcType::UShort
            | NcType::Int
            | NcType::UInt => {
                let ids = self.ok(self.file.read_variable_as_f64(name))?;
                ids.iter().map(|id| format!("{id:.0}")).collect()
            }
            other => return Err(self.bad_coordinate(name, format!("is of type {other:?}"))),
        };
        if words.len() != length {
            let problem = format!("has {} entries, `{dimension}` has {length}", words.len());
            return Err(self.bad_coordinate(name, problem));
        }
        Ok(Some(words))
    }

    /// The repetition numbers, if they can be read: whole numbers, words, or decimal numbers, which
    /// pandas writes for a column with gaps.
    fn repetitions(&self, variables: &[NcVariable], presentations: usize) -> Option<Vec<String>> {
        if let Ok(Some(words)) =
            self.coordinate(variables, &REPETITIONS, PRESENTATION, presentations)
        {
            return Some(words);
        }
        let floats = |variable: &&NcVariable| {
            spans(variable, PRESENTATION)
                && matches!(variable.dtype(), NcType::Float | NcType::Double)
                && REPETITIONS.contains(&variable.name())
        };
        let variable = variables.iter().find(floats)?;
        let numbers = self.file.read_variable_as_f64(variable.name()).ok()?;
        (numbers.len() == presentations).then(|| numbers.iter().map(f64::to_string).collect())
    }

    fn bad_coordinate(&self, name: &str, problem: String) -> RecordingError {
        RecordingError::BadCoordinate {
            path: self.path.to_owned(),
            coordinate: name.to_owned(),
            problem,
        }
    }

    fn no_coordinate(
        &self,
        variables: &[NcVariable],
        wanted: &'static str,
        dimension: &'static str,
    ) -> RecordingError {
        let over: Vec<&str> = variables
            .iter()
            .filter(|variable| spans(variable, dimension))
            .map(NcVariable::name)
            .collect();
        RecordingError::NoCoordinate {
            path: self.path.to_owned(),
            wanted,
            dimension,
            found: if over.is_empty() {
                "none".to_owned()
            } else {
                over.join(", ")
            },
        }
    }
}

/// Whether the variable has one word or number per entry of `dimension`; characters bring an axis
/// of their own.
fn spans(variable: &NcVariable, dimension: &str) -> bool {
    let axes = variable.dimensions();
    let own_axes = usize::from(*variable.dtype() == NcType::Char && axes.len() == 2);
    axes.len() == 1 + own_axes && axes[0].name == dimension
}

fn is_number(dtype: &NcType) -> bool {
    dtype.is_primitive() && !matches!(dtype, NcType::Char | NcType::String)
}

fn described(variables: &[NcVariable]) -> String {
    if variables.is_empty() {
        return "none".to_owned();
    }
    let one = |variable: &NcVariable| {
        let axes: Vec<&str> = variable
            .dimensions()
            .iter()
            .map(|d| d.name.as_str())
            .collect();
        format!("`{}` ({})", variable.name(), axes.join(" x "))
    };
    variables.iter().map(one).collect::<Vec<_>>().join(", ")
}
