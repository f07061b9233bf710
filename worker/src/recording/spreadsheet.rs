//! CSV as spreadsheets write it: UTF-8 or UTF-16, fields separated by commas, semicolons, tabs or bars,
//! perhaps with a first line `sep=;`, perhaps with blanks around the fields.
//!
//! Knows characters and separators; what the columns mean is their reader's to say.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::error::{RecordingError, StimuliError};

/// Largest stimulus set that is read, in bytes.
const MAX_BYTES: u64 = 256 << 20;
/// The separators that are told apart, the likeliest first.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// The text of a file, and the byte that separates its fields.
pub(super) struct Spreadsheet {
    /// The text, without a mark of its encoding and without blanks around fields. A first line `sep=;` is left
    /// empty, so that lines keep their numbers.
    pub(super) text: String,
    /// The separator.
    pub(super) separator: u8,
}

impl Spreadsheet {
    /// Reads the file at `path`. Of the separators, it takes the one that the file names, or the first
    /// that makes `known` one of the header's columns, whatever their capitals, or the comma.
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
        let unreadable = |problem| {
            RecordingError::from(StimuliError::NotText {
                path: path.to_owned(),
                problem,
            })
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
        let text = without_blanks(&text, separator);
        Ok(Self { text, separator })
    }
}

/// The text of `bytes`; otherwise what is wrong with them.
fn decoded(bytes: Vec<u8>) -> Result<String, String> {
    let (big_endian, start) = match bytes[..] {
        // The mark of UTF-32, in either order of bytes, or a first character of which it has three zero bytes.
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => return Err("is UTF-32".to_owned()),
        [0, 0, 0, other, ..] | [other, 0, 0, 0, ..] if other != 0 => {
            return Err("is UTF-32".to_owned());
        }
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
/// what stands in that line. A spreadsheet that saved such a file again fills the line up with its own
/// separators, which the other lines then have.
fn named_separator(text: &str) -> Option<(u8, usize)> {
    let line = text.split(['\r', '\n']).next()?;
    let bare = line.trim_start_matches('"');
    let after = bare
        .get(..4)
        .filter(|start| start.eq_ignore_ascii_case("sep="))?;
    let (named, rest) = bare.as_bytes()[after.len()..].split_first()?;
    let mut fill = rest.iter().filter(|byte| !matches!(**byte, b'"' | b' '));
    let separator = fill.next().unwrap_or(named);
    let is_one = separator.is_ascii() && (separator == named || SEPARATORS.contains(separator));
    (is_one && fill.all(|byte| byte == separator)).then_some((*separator, line.len()))
}

fn evident_separator(text: &str, known: &[&str]) -> u8 {
    let is_known = |column: &str| {
        let mut known = known.iter();
        known.any(|known| known.eq_ignore_ascii_case(column.trim()))
    };
    let names_known = |separator: &u8| {
        let mut reader = reader(text, *separator);
        let header = reader.headers().ok();
        header.is_some_and(|header| header.iter().any(is_known))
    };
    SEPARATORS
        .into_iter()
        .find(names_known)
        .unwrap_or(SEPARATORS[0])
}

/// The text without the blanks that some programs write around a field: beside a separator (`a , b`), or at the
/// start or end of a line. What stands in quotation marks is left as it is.
fn without_blanks(text: &str, separator: u8) -> String {
    #[derive(Clone, Copy)]
    enum At {
        Start,
        Plain,
        Quoted,
        /// Behind the mark that ends what is quoted, or is the first of two that stand for one.
        Mark,
    }
    let separator = char::from(separator);
    let mut kept = String::with_capacity(text.len());
    let mut at = At::Start;
    // Those that end the field, if nothing else follows in it.
    let mut blanks = 0;
    for character in text.chars() {
        at = match (at, character) {
            (At::Start, ' ') if separator != ' ' => continue,
            (At::Plain | At::Mark, ' ') if separator != ' ' => {
                blanks += 1;
                at = At::Plain;
                continue;
            }
            (At::Start | At::Mark, '"') => At::Quoted,
            (At::Quoted, '"') => At::Mark,
            (At::Quoted, _) => At::Quoted,
            (At::Start | At::Plain | At::Mark, '\r' | '\n') => At::Start,
            (At::Start | At::Plain | At::Mark, other) if other == separator => At::Start,
            (At::Start | At::Plain | At::Mark, _) => At::Plain,
        };
        if !matches!(at, At::Start) {
            kept.extend(std::iter::repeat_n(' ', blanks));
        }
        blanks = 0;
        kept.push(character);
    }
    kept
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
        for first in [
            "sep=;",
            "SEP=;",
            "\"sep=;\"",
            "sep=; ",
            "sep=;;",
            "sep=;;;",
            "sep=,;;",
            "\"sep=;\";;",
        ] {
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
        assert_eq!(columns(b"sep= \nid stimulus_id\n"), ["id", "stimulus_id"]);
        assert_eq!(columns(b"sep=;x\n"), ["sep=;x"]);
        assert_eq!(columns(b"sep=,;,\nid;x,y\n"), ["sep=", ";", ""]);
        assert_eq!(columns(b"x;STIMULUS_ID\n"), ["x", "STIMULUS_ID"]);
    }

    /// The fields of all lines, separated by `|`.
    fn fields(bytes: &[u8]) -> Vec<String> {
        let sheet = opened(bytes).expect("a spreadsheet");
        let mut reader = reader(&sheet.text, sheet.separator);
        let records = reader.records().map(|record| {
            let record = record.expect("a line");
            record.iter().collect::<Vec<_>>().join("|")
        });
        records.collect()
    }

    #[test]
    fn blanks_around_a_field_are_none_of_it() {
        // As pandas reads it with `skipinitialspace=True`, but for blanks behind a field.
        let lines = fields(
            b"stimulus_id, name, of\n s0, a b , x\ns1,  \"c, \"\"d\"\"\",y\ns2, \" e\", \"\"\ns3 , f\"\"g, \ns4 ,\"h \" , i  \n",
        );
        assert_eq!(
            lines,
            [
                "s0|a b|x",
                "s1|c, \"d\"|y",
                "s2| e|",
                "s3|f\"\"g|",
                "s4|h |i"
            ]
        );
        let lines = fields(b"\"stimulus_id\" ; \"name\"\n\"s0\" ; \"a \n b\"\n");
        assert_eq!(lines, ["s0|a \n b"]);
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
    fn utf_32_is_refused_by_its_name() {
        for order in [u32::to_le_bytes, u32::to_be_bytes] {
            for text in ["\u{feff}stimulus_id\n", "stimulus_id\n"] {
                let bytes: Vec<u8> = text.chars().flat_map(|c| order(c.into())).collect();
                let error = opened(&bytes).err().expect("UTF-32").to_string();
                assert!(error.ends_with("stimuli.csv` is UTF-32"), "{error}");
            }
        }
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
