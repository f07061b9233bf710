//! Plain text: names from files and the wire, made harmless where they are shown, written to CSV, or
//! made part of a file's name.
//!
//! A name may hold an escape sequence that rewrites a terminal's lines, a mark that reorders the text
//! beside it, a line break that forges a line of ours, or a formula that a spreadsheet runs. Names are
//! unchanged in memory, on the wire and in the journal. The few places that write output escape them.

use std::borrow::Cow;
use std::fmt::Write;

/// The most letters of a name in a file's name: at most 200 of the 255 bytes that file systems allow.
const FILE_LETTERS_MAX: usize = 50;

/// `text` on one line: each character that a terminal acts on, that reorders others or that cannot be
/// seen becomes an escape as JSON has it, `\n` or `\u001b`. In JSON, the same text in other words.
pub fn line(text: &str) -> Cow<'_, str> {
    escaped(text, is_harmful)
}

/// Like [`line`], for text with line breaks of our own, which stay.
pub fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, |letter| letter != '\n' && is_harmful(letter))
}

/// `text` as a field of a CSV table: on one line, and behind a `'` where a spreadsheet would take it
/// for a formula. Not for numbers, of which a negative one begins as a formula does.
pub fn csv_field(text: &str) -> Cow<'_, str> {
    let line = line(text);
    match line.chars().next() {
        // The wide forms are the same to a spreadsheet that is set to Japanese or Chinese.
        Some('=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠') => {
            Cow::Owned(format!("'{line}"))
        }
        _ => line,
    }
}

/// `name` as a part of a file's name: letters and digits, and dashes for everything else. A changed
/// name ends in eight digits of its hash, so that different names make different files.
pub fn file_part(name: &str) -> String {
    let plain = |letter: char| {
        if letter.is_alphanumeric() || letter == '_' {
            letter
        } else {
            '-'
        }
    };
    let part: String = name.chars().take(FILE_LETTERS_MAX).map(plain).collect();
    if part == name && !part.is_empty() {
        part
    } else {
        format!("{part}-{}", &blake3::hash(name.as_bytes()).to_hex()[..8])
    }
}

fn escaped(text: &str, harmful: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&harmful) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        match letter {
            harmless if !harmful(harmless) => plain.push(harmless),
            '\n' => plain.push_str("\\n"),
            '\r' => plain.push_str("\\r"),
            '\t' => plain.push_str("\\t"),
            other => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    write!(plain, "\\u{unit:04x}").expect("a string takes what is written");
                }
            }
        }
    }
    Cow::Owned(plain)
}

/// Whether a character does anything but stand there: controls, the breaks that some programs take
/// for a line's end, what Unicode calls format characters, which reorder or join their neighbours or
/// cannot be seen, and what XML does not allow.
fn is_harmful(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_acts_on_is_shown_as_an_escape() {
        let colour = "a\u{1b}[31mb\u{9b}2Jc\u{7f}";
        assert_eq!(line(colour), r"a\u001b[31mb\u009b2Jc\u007f");
        assert_eq!(line("V4\nhint: none\r\t\0"), r"V4\nhint: none\r\t\u0000");
        assert_eq!(lines("V4\nhint: \u{7}"), "V4\nhint: \\u0007");
        assert_eq!(line("\u{202e}4V\u{2066}"), r"\u202e4V\u2066");
        assert_eq!(line("V\u{200b}4\u{e0041}"), r"V\u200b4\udb40\udc41");
    }

    #[test]
    fn names_of_any_language_stay_as_they_are() {
        for name in [
            "",
            "conv_pw_13_relu",
            "Zürich, 視覚野 V4",
            "r²/ceiling – 1 µV",
        ] {
            assert_eq!(line(name), name);
        }
    }

    #[test]
    fn an_escape_in_json_is_the_same_text() {
        let text = "\u{9b}\u{202e}\u{e0041}\u{7f}";
        let json = format!("\"{text}\"");
        let read = |json: &str| serde_json::from_str::<String>(json).expect("JSON");
        assert_eq!(read(&lines(&json)), text);
    }

    #[test]
    fn a_formula_is_text_in_csv() {
        for (text, field) in [
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@sum", "'@sum"),
            ("＝1", "'＝1"),
            ("\t=1", r"\t=1"),
            ("V4", "V4"),
            ("a=b", "a=b"),
        ] {
            assert_eq!(csv_field(text), field);
        }
    }

    #[test]
    fn a_name_in_a_file_s_name_leads_nowhere_else_and_is_its_own() {
        assert_eq!(file_part("V4"), "V4");
        for name in ["../../etc/passwd", "a\0b", "CON.", "", ".", "\u{202e}gpj"] {
            let part = file_part(name);
            let plain = |letter: char| letter.is_alphanumeric() || letter == '-';
            assert!(part.chars().all(plain), "{part}");
        }
        assert_ne!(file_part("a/b"), file_part("a.b"));
        assert!(file_part(&"視".repeat(1_000)).len() < 200);
    }
}
