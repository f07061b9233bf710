//! NumPy arrays as `numpy.save` writes them: one header, one table of numbers or words.
//!
//! No recordings in here. The header's claims are trusted only as far as bytes follow it: nothing
//! is allocated ahead of them. Pickled objects are refused, never loaded. This reader is our own
//! because the crates for this format bring a parser generator and compiled assembly for three
//! header keys.

use std::fmt;
use std::io::{ErrorKind, Read};

use super::container::{self, Array, Entries};
use crate::recording::limits::{MAX_RESPONSES, MAX_RESPONSES_BYTES};

pub(crate) const MAGIC: &[u8] = b"\x93NUMPY";
/// Longest header that is read. NumPy pads to 64 bytes and needs a few hundred at most.
const MAX_HEADER_BYTES: usize = 1 << 16;
/// Most entries of a list of words, and most bytes: in memory each is a word of its own.
const MAX_WORDS: usize = 1 << 22;
const MAX_WORDS_BYTES: usize = 1 << 28;

/// The entry type of an array.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Float,
    Signed,
    Unsigned,
    /// One byte each.
    Boolean,
    /// Latin or UTF-8 bytes, padded with zeros.
    Bytes,
    /// Four bytes a character, padded with zeros.
    Characters,
}

/// An entry type that is not read.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Foreign {
    /// Several named fields an entry.
    Records,
    /// Python objects.
    Objects,
    /// Another one, as NumPy writes it.
    Type(String),
}

impl fmt::Display for Foreign {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Records => out.write_str("records"),
            Self::Objects => out.write_str("Python objects, which are not loaded"),
            Self::Type(dtype) => write!(
                out,
                "entries of type `{dtype}`; float16, float32, float64, whole numbers and words are read"
            ),
        }
    }
}

/// What the header of an array says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Content {
    Numbers,
    Booleans,
    Words,
    Foreign(Foreign),
}

type Known = Result<Kind, Foreign>;

struct Header {
    kind: Known,
    big_endian: bool,
    entry_bytes: usize,
    fortran: bool,
    shape: Vec<usize>,
}

/// An array of numbers as it is stored, for a reader that takes its entries by parts.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    /// Length of each axis.
    pub(crate) shape: Vec<usize>,
    /// Whether the first axis is the fastest, not the last.
    pub(crate) is_fortran: bool,
    /// Bytes of an entry.
    pub(crate) entry_bytes: usize,
    /// Bytes before the first entry.
    pub(crate) start: u64,
    kind: Kind,
    big_endian: bool,
}

impl Stored {
    /// Reads an array's header; the inner error says that it holds something other than numbers.
    ///
    /// # Errors
    /// When the header is damaged, in words.
    pub(crate) fn open(reader: impl Read) -> Result<Result<Self, String>, String> {
        let mut counted = Counted { reader, bytes: 0 };
        let header = Header::read(&mut counted)?;
        let kind = match header.kind {
            Ok(kind @ (Kind::Float | Kind::Signed | Kind::Unsigned)) => kind,
            Ok(Kind::Boolean) => {
                let why = "it holds true and false; `x.astype(\"float32\")` makes numbers of them";
                return Ok(Err(why.to_owned()));
            }
            Ok(Kind::Bytes | Kind::Characters) => {
                return Ok(Err("it does not hold numbers".to_owned()));
            }
            Err(Foreign::Type(dtype)) => {
                return Ok(Err(format!(
                    "it holds entries of type `{dtype}`; float16, float32, float64 and whole numbers are read"
                )));
            }
            Err(foreign) => return Ok(Err(format!("it holds {foreign}"))),
        };
        Ok(Ok(Self {
            shape: header.shape,
            is_fortran: header.fortran,
            entry_bytes: header.entry_bytes,
            start: counted.bytes,
            kind,
            big_endian: header.big_endian,
        }))
    }

    /// The numbers in `stored`, which are bytes of whole entries.
    pub(crate) fn numbers<'a>(&self, stored: &'a [u8]) -> impl Iterator<Item = f64> + use<'a> {
        let (kind, big_endian) = (self.kind, self.big_endian);
        let entries = stored.chunks_exact(self.entry_bytes);
        entries.map(move |entry| number(kind, big_endian, entry))
    }
}

/// A reader that counts what was read of it.
struct Counted<R> {
    reader: R,
    bytes: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let read = self.reader.read(into)?;
        self.bytes += read as u64;
        Ok(read)
    }
}

/// The shape of an array and what it holds, from its header.
pub(super) fn list(mut reader: impl Read) -> Result<(Vec<usize>, Content), String> {
    let header = Header::read(&mut reader)?;
    let content = match header.kind {
        Ok(Kind::Float | Kind::Signed | Kind::Unsigned) => Content::Numbers,
        Ok(Kind::Boolean) => Content::Booleans,
        Ok(Kind::Bytes | Kind::Characters) => Content::Words,
        Err(foreign) => Content::Foreign(foreign),
    };
    Ok((header.shape, content))
}

/// A list of words, whole numbers or Python objects, from an array's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WordList {
    /// How many entries it has.
    pub(crate) length: usize,
    /// Their bytes.
    pub(crate) bytes: usize,
    /// Whether they are Python objects, which are not read.
    pub(crate) is_objects: bool,
}

/// What an array's header says of it as a list: `None` where it has rows and columns, or other entries.
pub(crate) fn word_list(mut reader: impl Read) -> Result<Option<WordList>, String> {
    let header = Header::read(&mut reader)?;
    let is_objects = match header.kind {
        Ok(Kind::Signed | Kind::Unsigned | Kind::Bytes | Kind::Characters) => false,
        Err(Foreign::Objects) => true,
        Ok(Kind::Float | Kind::Boolean) | Err(Foreign::Records | Foreign::Type(_)) => {
            return Ok(None);
        }
    };
    let mut long = header.shape.iter().filter(|length| **length != 1);
    let length = long.next().copied().unwrap_or(1);
    if long.next().is_some() || header.shape.is_empty() {
        return Ok(None);
    }
    Ok(Some(WordList {
        length,
        bytes: length.saturating_mul(header.entry_bytes),
        is_objects,
    }))
}

/// Reads one array to its end. The error describes the problem in words.
pub(crate) fn read(mut reader: impl Read) -> Result<Array, String> {
    let header = Header::read(&mut reader)?;
    let (kind, stored) = header.stored(reader)?;
    Ok(header.decode(kind, &stored))
}

/// Reads one array to its end, each entry as it is written, and says whether they are numbers. Whole numbers
/// keep all their digits.
pub(crate) fn read_words(mut reader: impl Read) -> Result<(Vec<String>, bool), String> {
    let header = Header::read(&mut reader)?;
    let lengths = header.shape.iter().copied();
    let entries = lengths.fold(1, usize::saturating_mul);
    if entries > MAX_WORDS || entries.saturating_mul(header.entry_bytes) > MAX_WORDS_BYTES {
        let shown = header.shown();
        return Err(format!(
            "{shown} holds more than {MAX_WORDS} words, or {MAX_WORDS_BYTES} bytes"
        ));
    }
    let (kind, stored) = header.stored(reader)?;
    let big = header.big_endian;
    let written = |entry: &[u8]| match kind {
        Kind::Signed => signed(big, entry).to_string(),
        Kind::Unsigned => unsigned(big, entry).to_string(),
        Kind::Float | Kind::Boolean => number(kind, big, entry).to_string(),
        Kind::Bytes | Kind::Characters => word(kind, big, entry),
    };
    let entries = stored.chunks_exact(header.entry_bytes.max(1));
    let words = header.by_rows(entries.map(written).collect());
    Ok((words, !matches!(kind, Kind::Bytes | Kind::Characters)))
}

impl Header {
    /// What entries there are, and their bytes to the end of `reader`.
    fn stored(&self, reader: impl Read) -> Result<(Kind, Vec<u8>), String> {
        let kind = self
            .kind
            .clone()
            .map_err(|what| format!("it holds {what}"))?;
        let (most_bytes, most) = match kind {
            Kind::Float | Kind::Signed | Kind::Unsigned | Kind::Boolean => {
                (MAX_RESPONSES_BYTES, MAX_RESPONSES)
            }
            Kind::Bytes | Kind::Characters => (MAX_WORDS_BYTES, MAX_WORDS),
        };
        let too_large = || {
            let shown = self.shown();
            format!("{shown} holds more than {most_bytes} bytes, or {most} entries")
        };
        let entries = self
            .shape
            .iter()
            .try_fold(1_usize, |n, &axis| n.checked_mul(axis));
        let entries = entries.filter(|entries| *entries <= most);
        let bytes = entries.and_then(|n| n.checked_mul(self.entry_bytes));
        let bytes = bytes
            .filter(|bytes| *bytes <= most_bytes)
            .ok_or_else(too_large)?;
        let mut stored = Vec::new();
        reader
            .take(bytes as u64 + 1)
            .read_to_end(&mut stored)
            .map_err(|error| format!("it cannot be read to its end ({error})"))?;
        if stored.len() != bytes {
            let length = if stored.len() > bytes {
                "more".to_owned()
            } else {
                stored.len().to_string()
            };
            return Err(format!(
                "{} needs {bytes} bytes, found {length}",
                self.shown()
            ));
        }
        Ok((kind, stored))
    }

    fn read(reader: &mut impl Read) -> Result<Self, String> {
        let cut = |error: std::io::Error| match error.kind() {
            ErrorKind::UnexpectedEof => "it ends within its header".to_owned(),
            _ => format!("its header cannot be read ({error})"),
        };
        let mut start = [0; 8];
        reader.read_exact(&mut start).map_err(cut)?;
        if !start.starts_with(MAGIC) {
            let found = crate::recording::words::first_bytes(&start);
            return Err(format!("it is not a NumPy array: it starts with {found}"));
        }
        let length = match start[6] {
            1 => {
                let mut length = [0; 2];
                reader.read_exact(&mut length).map_err(cut)?;
                usize::from(u16::from_le_bytes(length))
            }
            2 | 3 => {
                let mut length = [0; 4];
                reader.read_exact(&mut length).map_err(cut)?;
                u32::from_le_bytes(length) as usize
            }
            version => return Err(format!("unknown version {version} of the format")),
        };
        if length > MAX_HEADER_BYTES {
            return Err(format!("its header claims {length} bytes"));
        }
        let mut text = vec![0; length];
        reader.read_exact(&mut text).map_err(cut)?;
        Self::parse(&String::from_utf8_lossy(&text))
    }

    /// Reads `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`.
    fn parse(text: &str) -> Result<Self, String> {
        let unclear = || format!("its header makes no sense: {:?}", text.trim_end());
        let value = |key: &str| {
            let (_, after) = text.split_once(&format!("'{key}'"))?;
            Some(after.trim_start().strip_prefix(':')?.trim_start())
        };
        let descr = value("descr").ok_or_else(unclear)?;
        let quoted = descr
            .strip_prefix(['\'', '"'])
            .and_then(|d| d.split_once(['\'', '"']));
        let records = descr.starts_with('[').then_some(("", ""));
        let (dtype, _) = quoted.or(records).ok_or_else(unclear)?;
        let fortran = value("fortran_order")
            .ok_or_else(unclear)?
            .starts_with("True");
        let shape = value("shape").and_then(|shape| shape.strip_prefix('('));
        let (shape, _) = shape
            .and_then(|shape| shape.split_once(')'))
            .ok_or_else(unclear)?;
        let axes = shape
            .split(',')
            .map(str::trim)
            .filter(|axis| !axis.is_empty());
        // Python 2 marks long integers.
        let axes = axes.map(|axis| axis.trim_end_matches('L').parse::<usize>());
        let shape = axes.collect::<Result<Vec<_>, _>>().map_err(|_| unclear())?;

        let split = dtype
            .char_indices()
            .nth(2)
            .map(|(at, _)| dtype.split_at(at));
        let (start, size) = split.unwrap_or((dtype, ""));
        let size = size.parse::<usize>().ok();
        let (kind, entry_bytes) = match (start.chars().nth(1), size) {
            (Some('f'), Some(size @ (2 | 4 | 8))) => (Ok(Kind::Float), size),
            (Some('i'), Some(size @ (1 | 2 | 4 | 8))) => (Ok(Kind::Signed), size),
            (Some('u'), Some(size @ (1 | 2 | 4 | 8))) => (Ok(Kind::Unsigned), size),
            (Some('b'), Some(1)) => (Ok(Kind::Boolean), 1),
            (Some('S' | 'a'), Some(size)) => (Ok(Kind::Bytes), size),
            (Some('U'), Some(size)) => {
                let bytes = size.checked_mul(4).ok_or_else(unclear)?;
                (Ok(Kind::Characters), bytes)
            }
            _ => (Err(Foreign::of(dtype)), 0),
        };
        Ok(Self {
            kind,
            big_endian: start.starts_with('>'),
            entry_bytes,
            fortran,
            shape,
        })
    }

    fn shown(&self) -> String {
        let axes: Vec<String> = self.shape.iter().map(usize::to_string).collect();
        format!(
            "an array of {} entries of {} bytes",
            axes.join(" x "),
            self.entry_bytes
        )
    }

    fn decode(self, kind: Kind, stored: &[u8]) -> Array {
        let big = self.big_endian;
        let width = self.entry_bytes.max(1);
        let entries = match kind {
            Kind::Float | Kind::Signed | Kind::Unsigned | Kind::Boolean => {
                let number = |entry: &[u8]| number(kind, big, entry);
                Entries::Numbers(self.by_rows(stored.chunks_exact(width).map(number).collect()))
            }
            Kind::Bytes | Kind::Characters => {
                let word = |entry: &[u8]| word(kind, big, entry);
                let words: Vec<String> = if self.entry_bytes == 0 {
                    vec![String::new(); self.shape.iter().product()]
                } else {
                    stored.chunks_exact(width).map(word).collect()
                };
                Entries::Words(self.by_rows(words))
            }
        };
        Array {
            shape: self.shape,
            entries,
        }
    }

    fn by_rows<T: Clone>(&self, stored: Vec<T>) -> Vec<T> {
        if self.fortran {
            container::by_rows(&self.shape, stored)
        } else {
            stored
        }
    }
}

impl Foreign {
    fn of(dtype: &str) -> Self {
        match dtype.get(1..2) {
            None => Self::Records,
            Some("O") => Self::Objects,
            Some(_) => Self::Type(dtype.to_owned()),
        }
    }
}

fn number(kind: Kind, big_endian: bool, entry: &[u8]) -> f64 {
    let unsigned = unsigned(big_endian, entry);
    match (kind, entry.len()) {
        (Kind::Float, 2) => half::f16::from_bits(unsigned as u16).to_f64(),
        (Kind::Float, 4) => f64::from(f32::from_bits(unsigned as u32)),
        (Kind::Float, _) => f64::from_bits(unsigned),
        (Kind::Signed, _) => signed(big_endian, entry) as f64,
        (Kind::Unsigned | Kind::Boolean | Kind::Bytes | Kind::Characters, _) => unsigned as f64,
    }
}

fn unsigned(big_endian: bool, entry: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    bytes[..entry.len()].copy_from_slice(entry);
    if big_endian {
        bytes[..entry.len()].reverse();
    }
    u64::from_le_bytes(bytes)
}

fn signed(big_endian: bool, entry: &[u8]) -> i64 {
    let unused = 64 - 8 * entry.len() as u32;
    ((unsigned(big_endian, entry) << unused) as i64) >> unused
}

fn word(kind: Kind, big_endian: bool, entry: &[u8]) -> String {
    let text = match kind {
        Kind::Characters => {
            let code = |four: &[u8]| number(Kind::Unsigned, big_endian, four) as u32;
            let character = |code| char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
            entry.chunks_exact(4).map(code).map(character).collect()
        }
        Kind::Bytes | Kind::Float | Kind::Signed | Kind::Unsigned | Kind::Boolean => {
            String::from_utf8_lossy(entry).into_owned()
        }
    };
    text.trim_end_matches('\0').to_owned()
}
