//! Storages: the numbers of a file's tensors, wherever the kind of file keeps them. One storage at a time is
//! in memory.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};

use zip::ZipArchive;

use crate::archive::unpack;

/// Largest storage that is read. The largest of an ANN here takes 151 MB, 302 MB in double precision.
const MAX_STORAGE: u64 = 1 << 30;
/// Most bytes that are read of one file in all. Tensors may share a storage, which is then read again.
const MAX_READ: u64 = 16 << 30;

/// Where the numbers are.
#[derive(Debug)]
pub(super) enum Place {
    /// Entries of a zip, under this prefix.
    Zip {
        archive: ZipArchive<BufReader<File>>,
        prefix: String,
    },
    /// Ranges of the file, first byte and length by name.
    Ranges {
        file: File,
        ranges: HashMap<String, (u64, u64)>,
    },
}

/// The numbers of a file's tensors.
#[derive(Debug)]
pub(super) struct Storages {
    place: Place,
    pub(super) little_endian: bool,
    /// The storage read last, with its name.
    last: Option<(String, Vec<u8>)>,
    /// Bytes read so far.
    read: u64,
}

impl Storages {
    pub(super) fn new(place: Place, little_endian: bool) -> Self {
        Self {
            place,
            little_endian,
            last: None,
            read: 0,
        }
    }

    /// The bytes of the storage called `name`.
    ///
    /// # Errors
    /// In words, when there is no such storage, or it is too large or damaged.
    pub(super) fn bytes(&mut self, name: &str) -> Result<&[u8], String> {
        if self.last.as_ref().is_none_or(|(last, _)| last != name) {
            // Two storages are never held at once.
            self.last = None;
            let bytes = self.read(name)?;
            self.read = self.read.saturating_add(bytes.len() as u64);
            if self.read > MAX_READ {
                return Err(format!("its tensors take more than {MAX_READ} bytes"));
            }
            self.last = Some((name.to_owned(), bytes));
        }
        Ok(self
            .last
            .as_ref()
            .map_or(&[], |(_, bytes)| bytes.as_slice()))
    }

    fn read(&mut self, name: &str) -> Result<Vec<u8>, String> {
        match &mut self.place {
            Place::Zip { archive, prefix } => {
                let entry = format!("{prefix}data/{name}");
                let file = archive.by_name(&entry);
                let file = file.map_err(|error| format!("`{entry}`: {error}"))?;
                unpack(file, MAX_STORAGE).map_err(|error| format!("`{entry}`: {error}"))
            }
            Place::Ranges { file, ranges } => {
                let (start, length) = *ranges
                    .get(name)
                    .ok_or_else(|| format!("it has no storage `{name}`"))?;
                if length > MAX_STORAGE {
                    return Err(format!(
                        "a tensor takes {length} bytes; the limit is {MAX_STORAGE}"
                    ));
                }
                let said = |error: std::io::Error| error.to_string();
                let end = file.metadata().map_err(said)?.len();
                if start.checked_add(length).is_none_or(|last| last > end) {
                    return Err(format!("it ends within its storage `{name}`"));
                }
                file.seek(SeekFrom::Start(start)).map_err(said)?;
                let mut bytes = vec![0; length as usize];
                file.read_exact(&mut bytes).map_err(said)?;
                Ok(bytes)
            }
        }
    }
}
