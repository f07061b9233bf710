//! CSV as spreadsheets write it: UTF-8 or UTF-16, fields separated by commas, semicolons, tabs or bars,
//! perhaps with a first line `sep=;`.
//!
//! Knows characters and separators; what the columns mean is their reader's to say.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::error::RecordingError;

/// Largest stimulus set that is read, in bytes.
const MAX_BYTES: u64 = 256 << 20;
/// The separators that are told apart, the likeliest first.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// The text of a file, and the byte that separates its fields.
pub(super) struct Spreadsheet {
    /// The text, without a mark of its encoding. A first line `sep=;` is left empty, so that lines keep
    /// their numbers.
    pub(super) text: String,
    /// The separator.
    pub(super) separator: u8,
}

impl Spreadsheet {
    /// Reads the file at `path`. Of the separators, it takes the one that the file names, or the first
    /// that makes `known` one of the header's columns, or the comma.
    pub(super) fn open(path: &Path, known: &[&str]) -> Result<Self, RecordingError> {
        let io = |source| RecordingError::Io {
            path: path.to_owned(),
            source,
        };
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(io)?;
        file.take(MAX_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(io)?;
        let unreadable = |problem| RecordingError::NotText {
            path: path.to_owned(),
            problem,
        };
        if bytes.len() as u64 > MAX_BYTES {
            return Err(unreadable(format!("has more than {MAX_BYTES} bytes")));
        }
        let mut text = decoded(bytes).map_err(unreadable)?;
        let separator = match named_separator(&text) {
            Some((separator, length)) => {
                text.replace_range(..length, "");
                separator
            }
            None => evident_separator(&text, known),
        };
        Ok(Self { text, separator })
    }
}

/// The text of `bytes`; otherwise what is wrong with them.
fn decoded(bytes: Vec<u8>) -> Result<String, String> {
    let (big_endian, start) = match bytes[..] {
        [0xef, 0xbb, 0xbf, ..] => return utf8(bytes[3..].to_vec()),
        [0xff, 0xfe, ..] => (false, 2),
        [0xfe, 0xff, ..] => (true, 2),
        // A header starts with a letter or a quotation mark, of which UTF-16 has a zero byte.
        [0, other, ..] if other != 0 => (true, 0),
        [other, 0, ..] if other != 0 => (false, 0),
        _ => return utf8(bytes),
    };
    let pairs = bytes[start..].chunks(2);
    let units = pairs.map(|pair| match (pair, big_endian) {
        ([a, b], true) => u16::from_be_bytes([*a, *b]),
        ([a, b], false) => u16::from_le_bytes([*a, *b]),
        (_, _) => 0xd800, // half a character, refused as such
    });
    let mut text = String::new();
    for (at, character) in char::decode_utf16(units).enumerate() {
        text.push(character.map_err(|_| format!("is not valid UTF-16 at character {}", at + 1))?);
    }
    Ok(text)
}

fn utf8(bytes: Vec<u8>) -> Result<String, String> {
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let before = &error.as_bytes()[..valid];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let byte = error.as_bytes()[valid];
        format!("is not UTF-8: line {line} has the byte {byte:#04x}")
    })
}

/// The separator in a first line `sep=;`, as Excel reads and other programs write it, and the length of
/// what stands in that line.
fn named_separator(text: &str) -> Option<(u8, usize)> {
    let line = text.split(['\r', '\n']).next()?;
    let bare = line.trim_matches('"');
    let after = bare
        .get(..4)
        .filter(|start| start.eq_ignore_ascii_case("sep="))?;
    match &bare.as_bytes()[after.len()..] {
        [separator] => Some((*separator, line.len())),
        _ => None,
    }
}

fn evident_separator(text: &str, known: &[&str]) -> u8 {
    let names_known = |separator: &u8| {
        let mut reader = reader(text, *separator);
        let header = reader.headers().ok();
        header.is_some_and(|header| header.iter().any(|column| known.contains(&column.trim())))
    };
    SEPARATORS
        .into_iter()
        .find(names_known)
        .unwrap_or(SEPARATORS[0])
}

/// A reader of `text`.
pub(super) fn reader(text: &str, separator: u8) -> csv::Reader<&[u8]> {
    let mut builder = csv::ReaderBuilder::new();
    builder.delimiter(separator).from_reader(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(bytes: &[u8]) -> Result<Spreadsheet, RecordingError> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("stimuli.csv");
        std::fs::write(&path, bytes).expect("a written file");
        Spreadsheet::open(&path, &["stimulus_id", "image_id"])
    }

    fn columns(bytes: &[u8]) -> Vec<String> {
        let sheet = opened(bytes).expect("a spreadsheet");
        let mut reader = reader(&sheet.text, sheet.separator);
        let header = reader.headers().expect("a header").iter();
        header.map(str::to_owned).collect()
    }

    fn utf16(text: &str, order: fn(u16) -> [u8; 2], mark: bool) -> Vec<u8> {
        let mark = mark.then_some(0xfeff);
        let units = mark.into_iter().chain(text.encode_utf16());
        units.flat_map(order).collect()
    }

    #[test]
    fn the_separator_is_the_one_that_the_file_names_or_under_which_it_has_ids() {
        let expected = ["stimulus_id", "file, name"];
        for separator in [";", "\t", "|"] {
            let header = format!("stimulus_id{separator}file, name\na{separator}b\n");
            assert_eq!(columns(header.as_bytes()), expected, "{separator}");
            let quoted = format!("\"stimulus_id\"{separator}\"file, name\"\r\n");
            assert_eq!(columns(quoted.as_bytes()), expected, "{separator}");
        }
        assert_eq!(columns(b"stimulus_id,\"a;b\"\n"), ["stimulus_id", "a;b"]);
        assert_eq!(columns(b"name,other;x\n"), ["name", "other;x"]);
        for first in ["sep=;", "SEP=;", "\"sep=;\""] {
            for end in ["\n", "\r\n"] {
                let text = format!("{first}{end}stimulus_id;a,b{end}x;y{end}");
                assert_eq!(
                    columns(text.as_bytes()),
                    ["stimulus_id", "a,b"],
                    "{first:?}"
                );
            }
        }
        assert_eq!(columns(b"sep=^\nid^stimulus_id\n"), ["id", "stimulus_id"]);
    }

    #[test]
    fn utf_16_is_read_with_and_without_its_mark() {
        let text = "stimulus_id\tname\nB\u{e4}ume\t\u{1f333}\n";
        for (order, mark) in [
            (u16::to_le_bytes as fn(u16) -> [u8; 2], true),
            (u16::to_le_bytes, false),
            (u16::to_be_bytes, true),
            (u16::to_be_bytes, false),
        ] {
            let sheet = opened(&utf16(text, order, mark)).expect("a spreadsheet");
            assert_eq!(sheet.separator, b'\t');
            assert_eq!(sheet.text, text);
        }
        let mut half = utf16(text, u16::to_le_bytes, true);
        half.pop();
        let error = opened(&half).err().expect("half a character").to_string();
        assert!(error.contains("is not valid UTF-16"), "{error}");
    }

    #[test]
    fn another_encoding_is_refused_with_its_line() {
        let error = opened(b"stimulus_id;name\na;x\nb;B\xe4ume\n").err();
        let error = error.expect("Windows's code page").to_string();
        assert!(
            error.ends_with("stimuli.csv` is not UTF-8: line 3 has the byte 0xe4"),
            "{error}"
        );
    }
}
