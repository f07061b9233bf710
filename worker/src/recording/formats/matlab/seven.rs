//! Version 7.3: HDF5 with a dataset per variable, its axes in reverse, and its class as an attribute.

use std::collections::HashMap;
use std::path::Path;

use hdf5_reader::group::Group;
use hdf5_reader::reference::read_object_references;
use hdf5_reader::{Dataset, Datatype, Hdf5File};

use crate::hdf5::{found, layout, members};
use crate::recording::error::RecordingError;
use crate::recording::formats::arrays::container::{
    Array, Container, Entries, Kind, Listed, Unread, by_rows,
};
use crate::recording::formats::hdf5::{numbers, storage, unread};
use crate::recording::limits::MAX_RESPONSES_BYTES;

/// Where the contents of cells are.
const REFERENCES: &str = "#refs#";
/// Most words of one variable.
const MAX_WORDS: u64 = 1 << 20;
/// Longest word, in characters.
const MAX_WORD: u64 = 1 << 16;

/// An opened file.
pub(super) struct Seven {
    file: Hdf5File,
    listed: Vec<Listed>,
}

impl Seven {
    /// Lists the variables of the file at `path`, and the fields of its structs as `struct/field`.
    pub(super) fn open(path: &Path) -> Result<Self, RecordingError> {
        let options = crate::hdf5::options(MAX_RESPONSES_BYTES);
        let file = Hdf5File::from_storage_with_options(storage(path)?, options)
            .map_err(|source| unread(path, source))?;
        let mut listed = Vec::new();
        let root = file.root_group().map_err(|source| unread(path, source))?;
        list(path, &root, "", &mut listed).map_err(|source| unread(path, source))?;
        Ok(Self { file, listed })
    }

    /// The words of an array of characters, or of a cell array; none if a cell holds anything else.
    fn words(&self, data: &Dataset) -> hdf5_reader::error::Result<Vec<String>> {
        if !matches!(data.dtype(), Datatype::Reference { .. }) {
            return characters(data, false);
        }
        let root = self.file.root_group()?;
        let cells = root.group(REFERENCES)?;
        let mut places = HashMap::new();
        for name in members::names(&cells)?.1 {
            match layout::dataset(&cells, &name) {
                Ok(cell) => {
                    places.insert(cell.address(), cell);
                }
                // The cell of another variable, perhaps; if not, it is missed below.
                Err(error) if layout::is_unread(&error) => {}
                Err(error) => return Err(error),
            }
        }
        let mut words = Vec::new();
        let references = read_object_references(&data.read_raw_bytes()?, root.offset_size())?;
        for address in references {
            let word = match places.get(&address) {
                Some(cell) if class(cell)? == "char" => Some(characters(cell, true)?),
                Some(_) | None => None,
            };
            match word.as_deref() {
                Some([word]) => words.push(word.clone()),
                // An empty word, which is stored as its length.
                Some([]) => words.push(String::new()),
                Some(_) | None => return Ok(Vec::new()),
            }
        }
        Ok(words)
    }
}

impl Container for Seven {
    fn listed(&self) -> &[Listed] {
        &self.listed
    }

    fn load(&mut self, index: usize) -> Result<Array, String> {
        let Listed { name, shape, kind } = &self.listed[index];
        let failed = |problem: String| format!("variable `{name}`: {problem}");
        let root = self.file.root_group();
        let data = root.and_then(|root| match name.split_once('/') {
            Some((of, field)) => layout::dataset(&root.group(of)?, field),
            None => layout::dataset(&root, name),
        });
        let data = data.map_err(|error| failed(error.to_string()))?;
        let entries = match kind {
            Kind::Words => {
                let words = self.words(&data);
                Entries::Words(words.map_err(|error| failed(error.to_string()))?)
            }
            Kind::Numbers | Kind::Booleans | Kind::Other(_) => {
                let values = numbers(&data).map_err(failed)?;
                Entries::Numbers(by_rows(shape, values))
            }
        };
        let shape = match &entries {
            Entries::Words(words) => vec![words.len()],
            Entries::Numbers(_) => shape.clone(),
        };
        Ok(Array { shape, entries })
    }

    fn is_workspace(&self) -> bool {
        true
    }
}

/// Lists what `group` holds, in the file at `path`; `prefix` is its own path in the file.
fn list(
    path: &Path,
    group: &Group,
    prefix: &str,
    listed: &mut Vec<Listed>,
) -> hdf5_reader::error::Result<()> {
    let (groups, datasets) = members::names(group)?;
    for own in datasets {
        let name = format!("{prefix}{own}");
        let (shape, kind) = match layout::dataset(group, &own) {
            Ok(data) => described(&data, path, &name)?,
            Err(error) if layout::is_unread(&error) => {
                let what = format!("numbers in a {}", layout::problem(&error));
                (Vec::new(), Kind::Other(in_matlab(what, &name, &name)))
            }
            Err(error) => return Err(error),
        };
        listed.push(Listed { name, shape, kind });
    }
    for own in groups {
        if prefix.is_empty() && own.starts_with('#') {
            continue;
        }
        let inner = group.group(&own)?;
        let name = format!("{prefix}{own}");
        let unread = if found(inner.attribute("MATLAB_sparse"))?.is_some() {
            in_matlab("a sparse array".to_owned(), &name, &format!("full({name})"))
        } else if prefix.is_empty() {
            list(path, &inner, &format!("{name}/"), listed)?;
            continue;
        } else {
            in_python(
                "a struct within a struct".to_owned(),
                path,
                &name,
                "[\"FIELD\"][()]",
            )
        };
        let (shape, kind) = (Vec::new(), Kind::Other(unread));
        listed.push(Listed { name, shape, kind });
    }
    Ok(())
}

/// What is not read, and how MATLAB saves the same: the variable `name` as `expression`.
fn in_matlab(what: String, name: &str, expression: &str) -> Unread {
    let [name, expression] = [name, expression].map(|of| of.replace('/', "."));
    let how = format!(
        "in MATLAB: `V4 = {expression}; save(\"NEW.mat\", \"V4\")`, where `{name}` is a region called V4"
    );
    Unread { what, how }
}

/// What is not read, and how Python saves a `part` of it.
fn in_python(what: String, path: &Path, name: &str, part: &str) -> Unread {
    let how = format!(
        "in Python: `lab = h5py.File({:?}); numpy.savez(\"NEW.npz\", V4=lab[{name:?}]{part}.T)`, for each region \
         with its name in place of V4",
        path.display()
    );
    Unread { what, how }
}

/// The shape in MATLAB's order, and what the dataset `name` of the file at `path` holds.
fn described(
    data: &Dataset,
    path: &Path,
    name: &str,
) -> hdf5_reader::error::Result<(Vec<usize>, Kind)> {
    let shape: Vec<usize> = data.shape().iter().rev().map(|&of| of as usize).collect();
    let other = |what: &str, part| Kind::Other(in_python(what.to_owned(), path, name, part));
    if is_empty(data)? {
        let how = "an array without entries has no responses; choose another by `variable`";
        let (what, how) = ("nothing".to_owned(), how.to_owned());
        return Ok((Vec::new(), Kind::Other(Unread { what, how })));
    }
    let kind = match (class(data)?.as_str(), data.dtype()) {
        ("char", _) => Kind::Words,
        ("cell", Datatype::Reference { .. }) => Kind::Words,
        ("logical", Datatype::FixedPoint { .. }) => Kind::Booleans,
        (_, Datatype::FixedPoint { .. } | Datatype::FloatingPoint { .. }) => Kind::Numbers,
        (_, Datatype::Compound { .. }) => other("complex numbers", "[\"real\"]"),
        (_, _) => other("neither numbers nor words", "[()]"),
    };
    let shape = match kind {
        Kind::Words if matches!(data.dtype(), Datatype::Reference { .. }) => {
            vec![shape.iter().product()]
        }
        Kind::Words => vec![shape.first().copied().unwrap_or(1)],
        Kind::Numbers | Kind::Booleans | Kind::Other(_) => shape,
    };
    Ok((shape, kind))
}

/// The class of a variable; empty where the file does not say it.
fn class(data: &Dataset) -> hdf5_reader::error::Result<String> {
    match found(data.attribute("MATLAB_class"))? {
        Some(class) => class.read_string(),
        None => Ok(String::new()),
    }
}

fn is_empty(data: &Dataset) -> hdf5_reader::error::Result<bool> {
    Ok(found(data.attribute("MATLAB_empty"))?.is_some())
}

/// The rows of an array of characters, columns x rows in the file. An empty one has none. A single column
/// is one word where the array `is_cell`: hdf5storage writes words so.
fn characters(data: &Dataset, is_cell: bool) -> hdf5_reader::error::Result<Vec<String>> {
    if is_empty(data)? {
        return Ok(Vec::new());
    }
    let (columns, rows) = match *data.shape() {
        [1, length] if is_cell && length <= MAX_WORD => (length, 1),
        [columns, rows] if columns <= MAX_WORD && rows <= MAX_WORDS => (columns, rows),
        _ => return Ok(Vec::new()),
    };
    let units: Vec<u16> = match data.dtype() {
        Datatype::FixedPoint { size: 1, .. } => {
            let bytes = data.read_array::<u8>()?;
            bytes.iter().map(|&byte| u16::from(byte)).collect()
        }
        Datatype::FixedPoint { size: 4, .. } => {
            let units = data.read_array::<u32>()?;
            units.iter().map(|&unit| unit as u16).collect()
        }
        _ => data.read_array::<u16>()?.iter().copied().collect(),
    };
    let (columns, rows) = (columns as usize, rows as usize);
    let row = |row: usize| {
        let units = (0..columns).map(|column| units[column * rows + row]);
        let word: String = char::decode_utf16(units)
            .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect();
        word.trim_end().to_owned()
    };
    Ok((0..rows).map(row).collect())
}
