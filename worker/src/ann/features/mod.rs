//! Activations that another program computed, read from a file: how any model of any framework joins a sweep.
//!
//! A file has layers, and for each stimulus a row of each. The rows' ids say which stimulus a row belongs to;
//! rows without ids belong to the lines of the stimulus set. Nothing is computed in here, and no image is
//! read. `arrays` reads NumPy's files; those of netCDF are read as recordings are. `rows` reads either, in 32 or 64
//! bits.

mod arrays;
mod error;
mod layers;
mod naming;
mod rows;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};

use nrp_proto::near_miss;

use crate::recording::{Recordings, Stimulus, Tables, first_bytes, named, some_of};
use arrays::Arrays;
pub use error::FeaturesError;
use layers::{Layer, List, Listed};
use naming::Naming;
pub use rows::WideFeatures;
use rows::{Content, Rows};

/// Bytes of activations that are read at once.
const BATCH_BYTES: usize = 16 << 20;

/// An opened file of activations: its layers are known.
pub struct FeaturesFile {
    path: PathBuf,
    content: Content,
    layers: Vec<Layer>,
    /// The row of each stimulus; where there are none, rows belong to the lines of the stimulus set.
    rows: Option<HashMap<String, usize>>,
    /// Lists that may turn out to hold the stimuli's ids, by their names.
    lists: Vec<List>,
    left_out: Vec<(String, String)>,
}

/// A layer of a file of activations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeaturesLayer {
    /// Its name.
    pub name: String,
    /// The shape of one stimulus's activations.
    pub shape: Vec<usize>,
    /// How many stimuli it has.
    pub stimuli: usize,
}

/// A layer's activations of the stimuli of recordings.
pub struct Features<'a> {
    path: &'a Path,
    layer: &'a Layer,
    stimuli: &'a [Stimulus],
    rows: Rows<f32>,
}

impl FeaturesFile {
    /// Opens the file at `path` and lists its layers.
    ///
    /// # Errors
    /// When it cannot be read, or is not NumPy's or netCDF; when it has no layer, two of one name, or an id
    /// twice.
    pub fn open(path: &Path) -> Result<Self, FeaturesError> {
        let start = first_of(path).map_err(|source| FeaturesError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        let (content, mut listed) = if start.starts_with(b"\x93NUMPY") {
            let (arrays, listed) = Arrays::open_npy(path)?;
            (Content::Numpy(arrays), listed)
        } else if start.starts_with(b"PK") {
            let (arrays, listed) = Arrays::open_npz(path)?;
            (Content::Numpy(arrays), listed)
        } else if start.starts_with(b"\x89HDF\r\n\x1a\n") || start.starts_with(b"CDF") {
            let (tables, listed) = open_netcdf(path)?;
            (Content::Netcdf(Box::new(tables)), listed)
        } else {
            return Err(FeaturesError::Kind {
                path: path.to_owned(),
                found: first_bytes(&start),
            });
        };
        listed.leave_out_unlike();
        let rows = listed
            .ids
            .take()
            .map(|ids| numbered(path, ids))
            .transpose()?;
        refuse_twice(path, &listed.layers)?;
        if listed.layers.is_empty() {
            return Err(no_layers(path, listed.left_out));
        }
        Ok(Self {
            path: path.to_owned(),
            content,
            layers: listed.layers,
            rows,
            lists: listed.lists,
            left_out: listed.left_out,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its layers, in the order of the file.
    pub fn layers(&self) -> Vec<FeaturesLayer> {
        let layers = self.layers.iter().map(|layer| FeaturesLayer {
            name: layer.name.clone(),
            shape: layer.shape.clone(),
            stimuli: layer.rows,
        });
        layers.collect()
    }

    /// Whether the file names its stimuli; otherwise its rows belong to the lines of the stimulus set.
    pub fn names_stimuli(&self) -> bool {
        self.rows.is_some()
    }

    /// What it has that is not a layer: the name, and why.
    pub fn left_out(&self) -> &[(String, String)] {
        &self.left_out
    }

    /// Number of activations per stimulus in `layer`.
    ///
    /// # Errors
    /// When there is no such layer.
    pub fn units(&self, layer: &str) -> Result<usize, FeaturesError> {
        Ok(self.layer(layer)?.units())
    }

    /// The activations that `layer` has for the stimuli of `recordings`.
    ///
    /// # Errors
    /// When there is no such layer, it lacks stimuli, or it cannot be read.
    pub fn of<'a>(
        &'a self,
        layer: &str,
        recordings: &'a Recordings,
    ) -> Result<Features<'a>, FeaturesError> {
        let layer = self.layer(layer)?;
        Ok(Features {
            path: &self.path,
            layer,
            stimuli: &recordings.stimuli,
            rows: Rows::open(
                &self.path,
                &self.content,
                layer,
                self.rows(layer, recordings)?,
            )?,
        })
    }

    /// The activations that `layer` has for the stimuli of `recordings`, in 64 bits. Those that
    /// [`Features::check`] accepts are finite here, too.
    ///
    /// # Errors
    /// As [`FeaturesFile::of`].
    pub fn wide(
        &self,
        layer: &str,
        recordings: &Recordings,
    ) -> Result<WideFeatures, FeaturesError> {
        let layer = self.layer(layer)?;
        let rows = self.rows(layer, recordings)?;
        Rows::open(&self.path, &self.content, layer, rows).map(WideFeatures)
    }

    fn layer(&self, name: &str) -> Result<&Layer, FeaturesError> {
        if let Some(layer) = self.layers.iter().find(|layer| layer.name == name) {
            return Ok(layer);
        }
        let (path, layer) = (self.path.clone(), name.to_owned());
        if let Some((_, why)) = self.left_out.iter().find(|(of, _)| of == name) {
            let why = why.clone();
            return Err(FeaturesError::NotLayer { path, layer, why });
        }
        let known = self.layers.iter().map(|layer| layer.name.as_str());
        let near = near_miss(name, known).map(str::to_owned);
        Err(FeaturesError::UnknownLayer { path, layer, near })
    }

    /// The row of each stimulus of `recordings`.
    fn rows(&self, layer: &Layer, recordings: &Recordings) -> Result<Vec<usize>, FeaturesError> {
        let Some(known) = &self.rows else {
            if let Some(naming) = self.naming(layer, recordings)? {
                return Ok(naming.rows);
            }
            if layer.rows != recordings.listed {
                return Err(FeaturesError::Rows {
                    path: self.path.clone(),
                    layer: layer.name.clone(),
                    rows: layer.rows,
                    lines: recordings.listed,
                });
            }
            return Ok(recordings.lines.clone());
        };
        self.refuse_missing(known, recordings)?;
        let ids = recordings.stimuli.iter();
        Ok(ids.map(|stimulus| known[&stimulus.id]).collect())
    }

    /// What to tell the user of `layers`: which list names the stimuli of their rows, or that none does, and what
    /// is left out.
    ///
    /// # Errors
    /// As [`FeaturesFile::of`].
    pub fn notices<'a>(
        &self,
        layers: impl IntoIterator<Item = &'a String>,
        recordings: &Recordings,
    ) -> Result<Vec<String>, FeaturesError> {
        let path = self.path.display();
        let (mut taken, mut said) = (BTreeSet::new(), BTreeSet::new());
        if self.rows.is_none() {
            for layer in layers {
                match self.naming(self.layer(layer)?, recordings)? {
                    Some(Naming { list, by, .. }) => {
                        taken.insert(list);
                        said.insert(format!(
                            "`{path}`: array `{list}` is taken as the stimuli's {by}"
                        ));
                    }
                    None => {
                        said.insert(format!(
                            "`{path}`: row i is taken as line i of the stimulus set"
                        ));
                    }
                }
            }
        }
        let mut notices: Vec<String> = said.into_iter().collect();
        let left_out = self.left_out.iter();
        let left_out = left_out.filter(|(name, _)| !taken.contains(name.as_str()));
        let (some, count) = some_of(left_out.map(|(name, why)| format!("`{name}` ({why})")));
        if count > 0 {
            let more = match count - some.len() {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            notices.push(format!("`{path}`: left out {}{more}", some.join(", ")));
        }
        Ok(notices)
    }

    /// Refuses rows that lack stimuli of `recordings`.
    fn refuse_missing(
        &self,
        known: &HashMap<String, usize>,
        recordings: &Recordings,
    ) -> Result<(), FeaturesError> {
        let ids = recordings.stimuli.iter().map(|stimulus| &stimulus.id);
        let missing = ids.filter(|id| !known.contains_key(*id));
        let (some, count) = some_of(missing.cloned());
        if count > 0 {
            return Err(FeaturesError::MissingIds {
                path: self.path.clone(),
                ids: named(&some, count),
                count,
                of: recordings.stimuli.len(),
                example: known.keys().min().cloned(),
            });
        }
        Ok(())
    }
}

impl fmt::Debug for FeaturesFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("FeaturesFile");
        shown
            .field("path", &self.path)
            .field("layers", &self.layers);
        shown.finish_non_exhaustive()
    }
}

impl Features<'_> {
    /// How many stimuli are read at once, so that memory does not grow with their number.
    pub fn batch(&self) -> usize {
        (BATCH_BYTES / size_of::<f32>() / self.layer.units()).max(1)
    }

    /// Reads the activations of some of the recordings' stimuli.
    ///
    /// # Shapes
    /// - returns `[stimuli, units]`, the units of more than one axis in C's order
    ///
    /// # Errors
    /// When the file cannot be read, or an activation is not a finite 32-bit number.
    pub fn read(&self, stimuli: Range<usize>) -> Result<Vec<f32>, FeaturesError> {
        let units = self.layer.units();
        let mut values = vec![0.0; stimuli.len() * units];
        for (stimulus, row) in stimuli.clone().zip(values.chunks_exact_mut(units)) {
            self.rows.read(stimulus, 0, row)?;
        }
        match values.iter().position(|value| !value.is_finite()) {
            None => Ok(values),
            Some(at) => Err(FeaturesError::NotFinite {
                path: self.path.to_owned(),
                layer: self.layer.name.clone(),
                stimulus: self.stimuli[stimuli.start + at / units].id.clone(),
                value: values[at],
            }),
        }
    }

    /// Reads all activations once, to find those that are damaged or cannot be used.
    ///
    /// # Errors
    /// As [`Features::read`].
    pub fn check(&self) -> Result<(), FeaturesError> {
        self.rows.verify()?;
        let stimuli = self.rows.stimuli();
        let mut starts = (0..stimuli).step_by(self.batch());
        starts.try_for_each(|start| {
            self.read(start..stimuli.min(start + self.batch()))
                .map(drop)
        })
    }
}

/// The layers of a netCDF file. One without a name of its own is called as the file.
fn open_netcdf(path: &Path) -> Result<(Tables, Listed), FeaturesError> {
    let tables = Tables::open(path)?;
    let Some(ids) = tables.ids() else {
        return Err(FeaturesError::NoIds {
            path: path.to_owned(),
            found: match tables.described() {
                none if none.is_empty() => "no variable".to_owned(),
                variables => variables.join(", "),
            },
        });
    };
    let mut listed = Listed {
        ids: Some(ids.to_vec()),
        ..Listed::default()
    };
    for (at, table) in tables.tables().iter().enumerate() {
        let name = match table.name.as_str() {
            "" => path.file_stem().unwrap_or_default().to_string_lossy(),
            name => name.into(),
        };
        if table.rows == 0 || table.shape.contains(&0) {
            listed.leave_out(&name, "it is empty");
            continue;
        }
        listed.layers.push(Layer {
            name: name.into_owned(),
            rows: table.rows,
            shape: table.shape.clone(),
            at,
        });
    }
    if listed.layers.is_empty() {
        let described = tables.described().into_iter();
        let why = "it is not a table of numbers over the stimuli";
        listed
            .left_out
            .extend(described.map(|of| (of, why.to_owned())));
    }
    Ok((tables, listed))
}

/// The row of each id.
fn numbered(path: &Path, ids: Vec<String>) -> Result<HashMap<String, usize>, FeaturesError> {
    let mut rows = HashMap::new();
    for (row, id) in ids.into_iter().enumerate() {
        if let Some(first) = rows.insert(id.clone(), row) {
            return Err(FeaturesError::IdTwice {
                path: path.to_owned(),
                id,
                first: first + 1,
                second: row + 1,
            });
        }
    }
    Ok(rows)
}

fn refuse_twice(path: &Path, layers: &[Layer]) -> Result<(), FeaturesError> {
    let mut seen = HashSet::new();
    match layers.iter().find(|layer| !seen.insert(&layer.name)) {
        None => Ok(()),
        Some(layer) => Err(FeaturesError::LayerTwice {
            path: path.to_owned(),
            layer: layer.name.clone(),
        }),
    }
}

fn no_layers(path: &Path, left_out: Vec<(String, String)>) -> FeaturesError {
    let (some, count) = some_of(left_out);
    let shown: Vec<String> = some
        .iter()
        .map(|(name, why)| format!("`{name}`: {why}"))
        .collect();
    let more = match count - some.len() {
        0 => String::new(),
        more => format!(", and {more} more arrays"),
    };
    FeaturesError::NoLayers {
        path: path.to_owned(),
        found: match count {
            0 => "it holds no array".to_owned(),
            _ => format!("{}{more}", shown.join("; ")),
        },
    }
}

/// The first bytes of a file.
fn first_of(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut start = Vec::new();
    File::open(path)?.take(16).read_to_end(&mut start)?;
    Ok(start)
}
