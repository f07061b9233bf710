//! Words for errors, notices and reports: counts, and lists that name only some of many.

use super::limits::MAX_NAMED;

/// "it starts with" in words: what a file that is not what it should be looks like.
pub(crate) fn first_bytes(bytes: &[u8]) -> String {
    let start = &bytes[..bytes.len().min(16)];
    if start.is_empty() {
        return "nothing, it is empty".to_owned();
    }
    let text = |byte: &u8| byte.is_ascii_graphic() || matches!(*byte, b' ' | b'\n' | b'\r' | b'\t');
    if start.iter().all(text) {
        return format!("the text {:?}", String::from_utf8_lossy(start));
    }
    let hex: Vec<String> = start.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("the bytes {}", hex.join(" "))
}

/// Keeps the first [`MAX_NAMED`] and how many there were.
pub(crate) fn some_of<T>(all: impl IntoIterator<Item = T>) -> (Vec<T>, usize) {
    let mut count = 0;
    let mut some = Vec::new();
    for one in all {
        count += 1;
        if some.len() < MAX_NAMED {
            some.push(one);
        }
    }
    (some, count)
}

/// "1 site", "3 stimuli".
pub(super) fn counted(count: usize, noun: &str) -> String {
    match (count, noun) {
        (1, _) => format!("1 {noun}"),
        (_, "stimulus") => format!("{count} stimuli"),
        _ => format!("{count} {noun}s"),
    }
}

/// "`a`, `b` and 3 more".
pub(crate) fn named(some: &[String], count: usize) -> String {
    let quoted: Vec<String> = some.iter().map(|one| format!("`{one}`")).collect();
    let quoted = quoted.join(", ");
    match count - some.len() {
        0 => quoted,
        more => format!("{quoted} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_are_described_in_words() {
        assert_eq!(first_bytes(b""), "nothing, it is empty");
        assert_eq!(first_bytes(b"<html>"), "the text \"<html>\"");
        assert_eq!(first_bytes(&[0, 1, 255]), "the bytes 00 01 ff");
    }

    #[test]
    fn many_offenders_are_counted_not_listed() {
        let (some, count) = some_of((0..12).map(|i| format!("s{i}")));
        assert_eq!(
            named(&some, count),
            "`s0`, `s1`, `s2`, `s3`, `s4` and 7 more"
        );
        assert_eq!(counted(1, "stimulus"), "1 stimulus");
        assert_eq!(counted(2, "stimulus"), "2 stimuli");
    }
}
