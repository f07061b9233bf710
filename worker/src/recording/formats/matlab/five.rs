//! Version 5: a header, then one element per variable, perhaps packed by deflate.
//!
//! An element says its type and length, then holds bytes or further elements. Lengths are trusted only as
//! far as bytes follow them. This reader is our own: the crates for the format are bindings to a C
//! library, or unkept.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom, Take};
use std::path::{Path, PathBuf};

use flate2::read::ZlibDecoder;

use super::HEADER;
use crate::recording::error::{ArraysError, RecordingError};
use crate::recording::formats::arrays::container::{
    Array, Container, Entries, Kind, Listed, Unread, by_rows,
};
use crate::recording::limits::MAX_RESPONSES;

/// Most variables that are listed.
const MAX_VARIABLES: usize = 1 << 14;
/// Longest name or list of axes, in bytes.
const MAX_HEAD: u64 = 1 << 12;
/// Most bytes of the words of one variable.
const MAX_WORD_BYTES: u64 = 64 << 20;

/// Types of elements.
const COMPRESSED: u32 = 15;
const MATRIX: u32 = 14;
const INT8: u32 = 1;
const UINT32: u32 = 6;
const INT32: u32 = 5;

/// An opened file.
pub(super) struct Five {
    path: PathBuf,
    file: BufReader<File>,
    big_endian: bool,
    listed: Vec<Listed>,
    places: Vec<Place>,
}

/// Where a variable is.
struct Place {
    start: u64,
    bytes: u64,
    is_packed: bool,
    /// Its words, which are read at once.
    words: Option<Vec<String>>,
}

/// What an array says of itself before its data.
struct Head {
    class: Class,
    is_complex: bool,
    is_logical: bool,
    shape: Vec<usize>,
    name: String,
}

/// The class of an array.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Class {
    Cell,
    Struct,
    Object,
    Char,
    Sparse,
    Number,
}

impl Five {
    /// Lists the variables of the file at `path`.
    pub(super) fn open(path: &Path, big_endian: bool) -> Result<Self, RecordingError> {
        let failed = |problem| {
            RecordingError::from(ArraysError::Bad {
                path: path.to_owned(),
                problem,
            })
        };
        let io = |source| RecordingError::Io {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(io)?;
        let length = file.metadata().map_err(io)?.len();
        let mut five = Self {
            path: path.to_owned(),
            file: BufReader::new(file),
            big_endian,
            listed: Vec::new(),
            places: Vec::new(),
        };
        let mut start = HEADER as u64;
        while start < length {
            if five.listed.len() == MAX_VARIABLES {
                return Err(failed(format!(
                    "it has more than {MAX_VARIABLES} variables"
                )));
            }
            let next = five.list(start, length).map_err(|problem| {
                failed(format!(
                    "the variable at byte {start} is damaged: {problem}"
                ))
            })?;
            start = next;
        }
        Ok(five)
    }

    /// Lists the element at `start`, and says where the next one starts.
    fn list(&mut self, start: u64, length: u64) -> Result<u64, String> {
        self.file
            .seek(SeekFrom::Start(start))
            .map_err(|error| error.to_string())?;
        let mut reader = Elements::new(&mut self.file, self.big_endian);
        let (kind, bytes) = reader.tag()?;
        let body = start + 8;
        // Packed elements are not padded.
        let padded = if kind == COMPRESSED {
            bytes
        } else {
            bytes.div_ceil(8) * 8
        };
        if bytes > length.saturating_sub(body) {
            return Err(format!(
                "it claims {bytes} bytes; the file ends before them"
            ));
        }
        let is_packed = kind == COMPRESSED;
        if is_packed || kind == MATRIX {
            let mut place = Place {
                start: body,
                bytes,
                is_packed,
                words: None,
            };
            let (head, words) = self.at(&place, |elements| {
                let head = elements.head()?;
                let words = match head.class {
                    Class::Char => Some(elements.words(&head)?),
                    Class::Cell => elements.cell_of_words(&head)?,
                    Class::Struct | Class::Object | Class::Sparse | Class::Number => None,
                };
                Ok((head, words))
            })?;
            let kind = match &words {
                Some(_) => Kind::Words,
                None => self.kind(&head),
            };
            let shape = words.as_ref().map_or(head.shape, |words| vec![words.len()]);
            place.words = words;
            // A variable without a name belongs to MATLAB's objects.
            if !head.name.is_empty() {
                let name = head.name;
                self.listed.push(Listed { name, shape, kind });
                self.places.push(place);
            }
        }
        Ok(body + padded)
    }

    /// What a variable holds that is not text.
    fn kind(&self, head: &Head) -> Kind {
        let other = |what: &str, part: &str| {
            Kind::Other(Unread {
                what: what.to_owned(),
                how: format!(
                    "in Python: `lab = scipy.io.loadmat({:?}, simplify_cells=True); \
                     numpy.savez(\"NEW.npz\", V4=lab[{:?}]{part})`, for each region with its name in place of V4",
                    self.path.display(),
                    head.name
                ),
            })
        };
        match head.class {
            Class::Number if head.is_complex => other("complex numbers", ".real"),
            Class::Number if head.is_logical => Kind::Booleans,
            Class::Number => Kind::Numbers,
            Class::Sparse => other("a sparse array", ".toarray()"),
            Class::Struct => other("a struct", "[\"FIELD\"]"),
            Class::Cell => other("a cell array", "[0]"),
            Class::Char | Class::Object => Kind::Other(Unread {
                what: "an object".to_owned(),
                how: "in MATLAB, save the numbers in it as an array of their own".to_owned(),
            }),
        }
    }

    /// Runs `read` at the array of a variable.
    fn at<T>(
        &mut self,
        place: &Place,
        read: impl FnOnce(&mut Elements<&mut dyn Read>) -> Result<T, String>,
    ) -> Result<T, String> {
        self.file
            .seek(SeekFrom::Start(place.start))
            .map_err(|error| error.to_string())?;
        let mut bytes: Take<&mut BufReader<File>> = (&mut self.file).take(place.bytes);
        if !place.is_packed {
            let reader = &mut bytes as &mut dyn Read;
            return read(&mut Elements::new(reader, self.big_endian));
        }
        let mut unpacked = ZlibDecoder::new(bytes);
        let mut elements = Elements::new(&mut unpacked as &mut dyn Read, self.big_endian);
        match elements.tag()? {
            (MATRIX, _) => read(&mut elements),
            (kind, _) => Err(format!("it holds an element of type {kind}, not an array")),
        }
    }
}

impl Container for Five {
    fn listed(&self) -> &[Listed] {
        &self.listed
    }

    fn load(&mut self, index: usize) -> Result<Array, String> {
        let listed = self.listed[index].clone();
        let place = std::mem::replace(&mut self.places[index], Place::nowhere());
        let entries = match &place.words {
            Some(words) => Ok(Entries::Words(words.clone())),
            None => self.at(&place, |elements| {
                let head = elements.head()?;
                elements.numbers(&head.shape).map(Entries::Numbers)
            }),
        };
        self.places[index] = place;
        let entries =
            entries.map_err(|problem| format!("variable `{}`: {problem}", listed.name))?;
        let shape = listed.shape;
        Ok(Array { shape, entries })
    }

    fn is_workspace(&self) -> bool {
        true
    }
}

impl Place {
    fn nowhere() -> Self {
        Self {
            start: 0,
            bytes: 0,
            is_packed: false,
            words: None,
        }
    }
}

/// Elements, read one after the other.
struct Elements<R> {
    reader: R,
    big_endian: bool,
}

impl<R: Read> Elements<R> {
    fn new(reader: R, big_endian: bool) -> Self {
        Self { reader, big_endian }
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), String> {
        self.reader
            .read_exact(bytes)
            .map_err(|error| format!("it ends too early ({error})"))
    }

    fn u32(&self, bytes: [u8; 4]) -> u32 {
        if self.big_endian {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        }
    }

    /// The type and length of the next element, which is not a small one.
    fn tag(&mut self) -> Result<(u32, u64), String> {
        let mut tag = [0; 8];
        self.fill(&mut tag)?;
        let [a, b, c, d, e, f, g, h] = tag;
        let length = self.u32([e, f, g, h]);
        Ok((self.u32([a, b, c, d]), u64::from(length)))
    }

    /// The type and bytes of the next element, at most `limit`. Up to four bytes may stand within its tag.
    fn element(&mut self, limit: u64) -> Result<(u32, Vec<u8>), String> {
        let mut tag = [0; 8];
        self.fill(&mut tag)?;
        let [a, b, c, d, e, f, g, h] = tag;
        let first = self.u32([a, b, c, d]);
        let small = first >> 16;
        if small > 0 {
            let small = (small as usize).min(4);
            return Ok((first & 0xffff, tag[4..4 + small].to_vec()));
        }
        let length = u64::from(self.u32([e, f, g, h]));
        if length > limit {
            return Err(format!(
                "an element claims {length} bytes; the limit is {limit}"
            ));
        }
        let mut bytes = Vec::new();
        let read = (&mut self.reader).take(length).read_to_end(&mut bytes);
        read.map_err(|error| error.to_string())?;
        if bytes.len() as u64 != length {
            let found = bytes.len();
            return Err(format!("an element of {length} bytes ends after {found}"));
        }
        let padding = (8 - length % 8) % 8;
        let skipped = (&mut self.reader)
            .take(padding)
            .read_to_end(&mut Vec::new());
        skipped.map_err(|error| error.to_string())?;
        Ok((first, bytes))
    }

    /// The head of an array.
    fn head(&mut self) -> Result<Head, String> {
        let (kind, flags) = self.element(MAX_HEAD)?;
        let flags = match (kind, &flags[..]) {
            (UINT32, [a, b, c, d, ..]) => self.u32([*a, *b, *c, *d]),
            _ => return Err(format!("its flags are of type {kind}")),
        };
        let class = match flags & 0xff {
            1 => Class::Cell,
            2 => Class::Struct,
            4 => Class::Char,
            5 => Class::Sparse,
            6..=15 => Class::Number,
            // Objects, functions and what later versions may have.
            _ => Class::Object,
        };
        if class == Class::Object {
            return self.object();
        }
        let (kind, axes) = self.element(MAX_HEAD)?;
        if kind != INT32 {
            return Err(format!("its axes are of type {kind}"));
        }
        let axes = axes.chunks_exact(4).map(|of| {
            let length = self.u32([of[0], of[1], of[2], of[3]]);
            i32::try_from(length).map(|length| length as usize)
        });
        let shape = axes.collect::<Result<Vec<_>, _>>();
        let shape = shape.map_err(|_| "an axis has a negative length".to_owned())?;
        Ok(Head {
            class,
            is_complex: flags & 0x800 != 0,
            is_logical: flags & 0x200 != 0,
            shape,
            name: self.name()?,
        })
    }

    /// The head of an object: its name stands in place of its axes, or after them.
    fn object(&mut self) -> Result<Head, String> {
        let (kind, bytes) = self.element(MAX_HEAD)?;
        let name = match kind {
            INT8 => String::from_utf8_lossy(&bytes).into_owned(),
            _ => self.name()?,
        };
        Ok(Head {
            class: Class::Object,
            is_complex: false,
            is_logical: false,
            shape: Vec::new(),
            name,
        })
    }

    fn name(&mut self) -> Result<String, String> {
        let (_, name) = self.element(MAX_HEAD)?;
        Ok(String::from_utf8_lossy(&name).into_owned())
    }

    /// The numbers of an array of `shape`, in the order of rows.
    fn numbers(&mut self, shape: &[usize]) -> Result<Vec<f64>, String> {
        let entries = shape.iter().try_fold(1_usize, |n, &of| n.checked_mul(of));
        let entries = entries
            .filter(|entries| *entries <= MAX_RESPONSES)
            .ok_or_else(|| format!("it has more than {MAX_RESPONSES} entries"))?;
        // No number takes more than eight bytes.
        let (kind, bytes) = self.element(8 * entries as u64)?;
        let numbers = decoded(kind, &bytes, self.big_endian)
            .ok_or_else(|| format!("its numbers are of type {kind}, which is unknown"))?;
        if numbers.len() != entries {
            return Err(format!("it has {} of {entries} entries", numbers.len()));
        }
        Ok(by_rows(shape, numbers))
    }

    /// The words of an array of characters, one per row.
    fn words(&mut self, head: &Head) -> Result<Vec<String>, String> {
        let (kind, bytes) = self.element(MAX_WORD_BYTES)?;
        let characters: Vec<char> = match kind {
            INT8 | 2 | 16 => String::from_utf8_lossy(&bytes).chars().collect(),
            _ => {
                let units = decoded(kind, &bytes, self.big_endian);
                let units = units.ok_or_else(|| format!("its characters are of type {kind}"))?;
                let units = units.into_iter().map(|unit| unit as u16);
                char::decode_utf16(units)
                    .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
                    .collect()
            }
        };
        // Rows of characters have equal lengths, filled up with spaces.
        match head.shape[..] {
            [rows, columns]
                if rows > 1
                    && columns > 0
                    && rows.checked_mul(columns) == Some(characters.len()) =>
            {
                let row = |row: usize| {
                    let word = (0..columns).map(|at| characters[at * rows + row]);
                    word.collect::<String>().trim_end().to_owned()
                };
                Ok((0..rows).map(row).collect())
            }
            _ => Ok(vec![characters.into_iter().collect()]),
        }
    }

    /// The words of a cell array, or `None` if it holds anything else.
    fn cell_of_words(&mut self, head: &Head) -> Result<Option<Vec<String>>, String> {
        let cells = head
            .shape
            .iter()
            .try_fold(1_u64, |n, &of| n.checked_mul(of as u64));
        let mut left = MAX_WORD_BYTES;
        let mut words = Vec::new();
        for _ in 0..cells.unwrap_or(u64::MAX) {
            let (kind, bytes) = self.element(left)?;
            left -= bytes.len() as u64;
            if kind != MATRIX || bytes.is_empty() {
                return Ok(None);
            }
            let mut inside = Elements::new(&bytes[..], self.big_endian);
            let head = inside.head()?;
            match head.class {
                Class::Char => {}
                Class::Cell | Class::Struct | Class::Object | Class::Sparse | Class::Number => {
                    return Ok(None);
                }
            }
            match &inside.words(&head)?[..] {
                [word] => words.push(word.clone()),
                _ => return Ok(None),
            }
        }
        Ok(Some(words))
    }
}

/// The numbers that an element of this type holds, or `None` if it holds none.
fn decoded(kind: u32, bytes: &[u8], big_endian: bool) -> Option<Vec<f64>> {
    fn read<const N: usize>(
        bytes: &[u8],
        big_endian: bool,
        number: fn([u8; N]) -> f64,
    ) -> Vec<f64> {
        let entries = bytes.chunks_exact(N).map(|entry| {
            let mut entry: [u8; N] = entry.try_into().expect("`chunks_exact` gives N bytes");
            if big_endian {
                entry.reverse();
            }
            number(entry)
        });
        entries.collect()
    }
    Some(match kind {
        1 => read(bytes, big_endian, |b| f64::from(i8::from_le_bytes(b))),
        2 => read(bytes, big_endian, |b| f64::from(u8::from_le_bytes(b))),
        3 => read(bytes, big_endian, |b| f64::from(i16::from_le_bytes(b))),
        4 | 17 => read(bytes, big_endian, |b| f64::from(u16::from_le_bytes(b))),
        5 => read(bytes, big_endian, |b| f64::from(i32::from_le_bytes(b))),
        6 => read(bytes, big_endian, |b| f64::from(u32::from_le_bytes(b))),
        7 => read(bytes, big_endian, |b| f64::from(f32::from_le_bytes(b))),
        9 => read(bytes, big_endian, f64::from_le_bytes),
        12 => read(bytes, big_endian, |b| i64::from_le_bytes(b) as f64),
        13 => read(bytes, big_endian, |b| u64::from_le_bytes(b) as f64),
        _ => return None,
    })
}
