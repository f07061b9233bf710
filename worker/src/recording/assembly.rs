//! Brain-Score assemblies: one netCDF variable of responses over sites and presentations, and the
//! coordinates that name both.
//!
//! Reads what is in the file and judges its shape; averaging, selecting and matching with stimuli
//! are not done here. Whatever the bytes, it answers with an assembly or an error.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hdf5_reader::storage::{FileStorage, Storage};
use hdf5_reader::superblock::Superblock;
use netcdf_reader::{Error as NcError, NcFile, NcOpenOptions, NcType, NcVariable};
use nrp_proto::panics::caught;

use nrp_proto::sweep::ArrayAxis;

use super::error::{RecordingError, first_bytes};

/// Largest table of responses that is read, in bytes as stored. The largest public assembly (256
/// sites x 148,480 presentations) takes 152 MB; a damaged header may claim anything.
pub const MAX_RESPONSES_BYTES: usize = 4 << 30;

/// Most responses that are read, however few bytes each takes: in memory it is eight.
pub const MAX_RESPONSES: usize = MAX_RESPONSES_BYTES / 4;

const NEUROID: &str = "neuroid";
const PRESENTATION: &str = "presentation";
/// The coordinate naming stimuli: today's spelling first, then the one before 2022.
pub(super) const STIMULUS_IDS: [&str; 2] = ["stimulus_id", "image_id"];
/// The coordinates that number repetitions: Brain-Score's, and that of its Cadena recordings.
const REPETITIONS: [&str; 2] = ["repetition", "repetition_id"];

/// Responses of sites to presentations, as stored.
pub(super) struct Assembly {
    /// Where it was read from.
    pub(super) path: PathBuf,
    /// `neuroid_id` per site.
    pub(super) sites: Vec<String>,
    /// `region` per site.
    pub(super) regions: Vec<String>,
    /// The stimulus shown, per presentation.
    pub(super) shown: Vec<String>,
    /// The repetition number of each presentation, where the file has any.
    pub(super) repetitions: Option<Vec<String>>,
    /// What the user should know although it is no error.
    pub(super) notices: Vec<String>,
    /// Of an array, what its axes were, where that is not the documented order.
    pub(super) axes: Vec<ArrayAxis>,
    values: Vec<f64>,
    site_stride: usize,
    presentation_stride: usize,
}

impl Assembly {
    /// Reads the assembly at `path`.
    pub(super) fn open(path: &Path) -> Result<Self, RecordingError> {
        guarded(path, || read(path))
    }

    /// Responses `[presentations, sites]`, row by row, of another format.
    pub(super) fn by_rows(
        path: &Path,
        sites: Vec<String>,
        regions: Vec<String>,
        shown: Vec<String>,
        values: Vec<f64>,
    ) -> Self {
        assert_eq!(values.len(), shown.len() * sites.len());
        Self {
            path: path.to_owned(),
            presentation_stride: sites.len(),
            site_stride: 1,
            sites,
            regions,
            shown,
            repetitions: None,
            notices: Vec::new(),
            axes: Vec::new(),
            values,
        }
    }

    /// The response of `site` in `presentation`; NaN where nothing was recorded.
    pub(super) fn value(&self, presentation: usize, site: usize) -> f64 {
        self.values[presentation * self.presentation_stride + site * self.site_stride]
    }

    /// The regions in the order of their first site.
    pub(super) fn region_names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for region in &self.regions {
            if !names.contains(region) {
                names.push(region.clone());
            }
        }
        names
    }

    /// The sites of `region`, as indices in file order.
    pub(super) fn sites_of(&self, region: &str) -> Vec<usize> {
        (0..self.sites.len())
            .filter(|&site| self.regions[site] == region)
            .collect()
    }
}

/// Runs `read`, and makes an error of a panic in it. The reader crates are hardened against malformed
/// bytes, but give no promise; a worker must outlive any file.
pub(super) fn guarded<T>(
    path: &Path,
    read: impl FnOnce() -> Result<T, RecordingError>,
) -> Result<T, RecordingError> {
    caught(read).unwrap_or_else(|reason| {
        Err(RecordingError::ReaderGaveUp {
            path: path.to_owned(),
            reason,
        })
    })
}

/// The bytes of an HDF5 or netCDF file that is whole.
pub(super) fn storage(path: &Path) -> Result<Arc<FileStorage>, RecordingError> {
    let io = |source| RecordingError::Io {
        path: path.to_owned(),
        source,
    };
    let file = std::fs::File::open(path).map_err(io)?;
    if file.metadata().map_err(io)?.is_dir() {
        return Err(io(std::io::ErrorKind::IsADirectory.into()));
    }
    // Read, not mapped: a file that shrinks under a mapping kills the process.
    let storage = FileStorage::open(path).map_err(|source| RecordingError::Damaged {
        path: path.to_owned(),
        source: source.into(),
    })?;
    refuse_truncated(path, &storage)?;
    Ok(Arc::new(storage))
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
    for (dimension, &length) in names.iter().zip(&shape) {
        if length == 0 {
            return Err(RecordingError::Empty {
                path: path.to_owned(),
                variable: name,
                dimension: (*dimension).to_owned(),
            });
        }
        if !matches!(*dimension, NEUROID | PRESENTATION) && length != 1 {
            return Err(RecordingError::TimeBins {
                path: path.to_owned(),
                variable: name,
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

/// A cut file may still hold all that is read; the part that is gone shows the rest is not to be
/// trusted either. The HDF5 library refuses such files, the reader does not.
fn refuse_truncated(path: &Path, storage: &FileStorage) -> Result<(), RecordingError> {
    let claimed = match Superblock::parse_from_storage(storage) {
        Ok(superblock) => superblock.eof_address,
        Err(_) => return Ok(()), // classic netCDF, or for the reader to complain about
    };
    if claimed == u64::MAX || storage.len() >= claimed {
        return Ok(());
    }
    Err(RecordingError::Damaged {
        path: path.to_owned(),
        source: NcError::UnexpectedEof {
            offset: 0,
            needed: claimed,
            available: storage.len(),
        },
    })
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

    /// The first coordinate of `names` that spans `dimension`, as words; `None` where there is none.
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

    /// The repetition numbers, where they can be read: whole numbers or words, and numbers with a point
    /// as pandas writes a column with gaps.
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
