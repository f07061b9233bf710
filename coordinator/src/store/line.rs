//! The journal's lines: JSON objects that start with a checksum of the rest, one a line, so that
//! every byte is accounted for and any JSON Lines reader reads them.
//!
//! ```text
//! {"crc":"d916a4ba","format":"nrp journal","version":2,"snapshot":40}
//! {"crc":"a6065e16","seq":40,"at_ms":1763942400000,"event":{"type":"sweep_cancelled","sweep":"00000000000000ab"}}
//! {"crc":"c3b2fea9","snapshot_lines":1,"snapshot_crc":"2eabb071"}
//! {"crc":"d0e68d89","seq":41,"at_ms":1763942400000,"event":{"type":"sweep_resumed","sweep":"00000000000000ab"}}
//! ```
//!
//! The lines between the first line and the line with their number and checksum are the snapshot,
//! which replaces the entries up to the number that the first line names. In a journal without a
//! snapshot, entries follow the first line.

use crate::scheduler::{Ending, Fact, LeaseRef, TrialId};
use serde::{Deserialize, Serialize};

/// The format that the first line names.
pub(super) const FORMAT: &str = "nrp journal";

/// The version of the format that this version writes. Version 1 had no snapshots.
pub(super) const VERSION: u64 = 2;

/// The oldest version of the format that this version reads.
pub(super) const VERSION_OLDEST: u64 = 1;

/// The beginning of every line. Quotes in values are escaped, so nothing else looks like it.
pub(super) const LINE_START: &[u8] = b"{\"crc\":\"";
const AFTER_CRC: &[u8] = b"\",";
const CRC_DIGITS: usize = 8;

/// The beginning of the content of the line after a snapshot.
const SNAPSHOT_END: &[u8] = b"\"snapshot_lines\":";

/// The only kind of entry of which there are as many as trials, in its written form.
const OUTCOME: &[u8] = b"\"event\":{\"type\":\"outcome_recorded\",";

/// The last position at which [`OUTCOME`] can start: after two numbers.
const OUTCOME_WITHIN: usize = 128;

/// The journal's first line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) format: String,
    pub(super) version: u64,
    /// The number of entries that the snapshot replaces, or 0 without a snapshot.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) snapshot: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The line after a snapshot.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SnapshotEnd {
    pub(super) snapshot_lines: u64,
    /// The checksum of all lines of the snapshot together.
    pub(super) snapshot_crc: String,
}

/// An entry: every other line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Entry<F> {
    /// The entry's number, counted from 1, without a gap after the snapshot.
    pub(super) seq: u64,
    /// Wall clock, for people; nothing depends on it.
    pub(super) at_ms: u64,
    pub(super) event: F,
}

/// A line after the first.
#[derive(Debug)]
pub(super) enum Line {
    Entry(Entry<Fact>),
    SnapshotEnd(SnapshotEnd),
}

/// Appends the first line to `bytes`; the snapshot after it replaces `snapshot` entries.
pub(super) fn encode_header(snapshot: u64, bytes: &mut Vec<u8>) {
    let header = Header {
        format: FORMAT.to_owned(),
        version: VERSION,
        snapshot,
    };
    seal(&header, bytes);
}

/// Appends the line after a snapshot to `bytes`.
pub(super) fn encode_snapshot_end(lines: u64, crc: u32, bytes: &mut Vec<u8>) {
    let end = SnapshotEnd {
        snapshot_lines: lines,
        snapshot_crc: digits(crc),
    };
    seal(&end, bytes);
}

/// Appends a fact's line to `bytes`.
pub(super) fn encode(seq: u64, at_ms: u64, fact: &Fact, bytes: &mut Vec<u8>) {
    let entry = Entry {
        seq,
        at_ms,
        event: fact,
    };
    seal(&entry, bytes);
}

/// A checksum in its written form.
pub(super) fn digits(crc: u32) -> String {
    format!("{crc:0CRC_DIGITS$x}")
}

fn seal(content: &impl Serialize, bytes: &mut Vec<u8>) {
    let start = bytes.len();
    bytes.extend_from_slice(LINE_START);
    bytes.extend_from_slice(&[b'0'; CRC_DIGITS]);
    bytes.extend_from_slice(AFTER_CRC);
    // The content's opening brace is replaced by the comma after the checksum.
    let comma = bytes.len() - 1;
    bytes.truncate(comma);
    serde_json::to_writer(&mut *bytes, content).expect("plain data is always JSON");
    bytes[comma] = b',';
    let crc = digits(crc32fast::hash(&bytes[comma + 1..]));
    bytes[start + LINE_START.len()..][..CRC_DIGITS].copy_from_slice(crc.as_bytes());
    bytes.push(b'\n');
}

/// Checks a line, without its line break, against its checksum.
///
/// # Errors
/// What is wrong with it.
pub(super) fn verify(line: &[u8]) -> Result<(), String> {
    let Some((written, rest)) = split(line) else {
        return Err("it does not start with a checksum".to_owned());
    };
    let found = digits(crc32fast::hash(rest));
    if found.as_bytes() == written {
        Ok(())
    } else {
        Err(format!(
            "its checksum is {}, its content's is {found}",
            String::from_utf8_lossy(written)
        ))
    }
}

/// A line's checksum and the rest of the line.
pub(super) fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let (crc, rest) = line
        .strip_prefix(LINE_START)?
        .split_at_checked(CRC_DIGITS)?;
    Some((crc, rest.strip_prefix(AFTER_CRC)?))
}

/// Decodes a line whose checksum is correct.
///
/// # Errors
/// The part of the line that this version does not understand.
pub(super) fn decode(line: &[u8]) -> Result<Line, String> {
    let unknown =
        |error: serde_json::Error| format!("this version does not understand its content: {error}");
    let content = split(line).map_or(line, |(_, rest)| rest);
    if content.starts_with(SNAPSHOT_END) {
        let end = serde_json::from_slice(line).map_err(unknown)?;
        return Ok(Line::SnapshotEnd(end));
    }
    let mut start = content[..content.len().min(OUTCOME_WITHIN)].windows(OUTCOME.len());
    if start.any(|window| window == OUTCOME) {
        let entry: Entry<Outcome> = serde_json::from_slice(line).map_err(unknown)?;
        return Ok(Line::Entry(entry.into()));
    }
    let entry = serde_json::from_slice(line).map_err(unknown)?;
    Ok(Line::Entry(entry))
}

/// [`Fact::OutcomeRecorded`] alone: it is decoded without looking for its kind first, which costs
/// more than decoding it.
#[derive(Deserialize)]
struct Outcome {
    trial: TrialId,
    worker: String,
    lease: LeaseRef,
    attempts: u32,
    outcome: Ending,
}

impl From<Entry<Outcome>> for Entry<Fact> {
    fn from(entry: Entry<Outcome>) -> Self {
        let Outcome {
            trial,
            worker,
            lease,
            attempts,
            outcome,
        } = entry.event;
        Entry {
            seq: entry.seq,
            at_ms: entry.at_ms,
            event: Fact::OutcomeRecorded {
                trial,
                worker,
                lease,
                attempts,
                outcome,
            },
        }
    }
}

/// The fact in a line after the first, if the line is whole; `None` for the line that ends a
/// snapshot.
#[cfg(test)]
pub(crate) fn decode_line(line: &[u8]) -> Result<Option<Fact>, String> {
    verify(line)?;
    match decode(line)? {
        Line::Entry(entry) => Ok(Some(entry.event)),
        Line::SnapshotEnd(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheduler::{SweepId, TrialId};
    use crate::store::samples;

    fn line() -> Vec<u8> {
        let fact = Fact::SweepCancelled {
            sweep: SweepId(0xab),
        };
        let mut bytes = Vec::new();
        encode(7, 1_763_942_400_000, &fact, &mut bytes);
        bytes.pop();
        bytes
    }

    #[test]
    fn a_line_is_plain_json_after_its_checksum() {
        insta::assert_snapshot!(
            String::from_utf8(line()).expect("text"),
            @"{\"crc\":\"585bf017\",\"seq\":7,\"at_ms\":1763942400000,\"event\":{\"type\":\"sweep_cancelled\",\"sweep\":\"00000000000000ab\"}}"
        );
        let mut others = Vec::new();
        encode_header(0, &mut others);
        encode_header(40, &mut others);
        encode_snapshot_end(1, 0xab, &mut others);
        insta::assert_snapshot!(String::from_utf8(others).expect("text"), @r#"
        {"crc":"2f3df4fb","format":"nrp journal","version":2}
        {"crc":"d916a4ba","format":"nrp journal","version":2,"snapshot":40}
        {"crc":"139e4800","snapshot_lines":1,"snapshot_crc":"000000ab"}
        "#);
    }

    fn entry(line: &[u8]) -> Entry<Fact> {
        match decode(line).expect("reads") {
            Line::Entry(entry) => entry,
            Line::SnapshotEnd(end) => panic!("{end:?} is no entry"),
        }
    }

    #[test]
    fn a_line_reads_as_it_was_written() {
        verify(&line()).expect("its checksum holds");
        let entry = entry(&line());
        assert_eq!((entry.seq, entry.at_ms), (7, 1_763_942_400_000));
        assert_eq!(
            entry.event,
            Fact::SweepCancelled {
                sweep: SweepId(0xab)
            }
        );
    }

    #[test]
    fn a_line_from_before_noise_was_scored_still_reads() {
        let fact = samples::finished(TrialId(7), 0.5);
        let mut bytes = Vec::new();
        encode(7, 1_763_942_400_000, &fact, &mut bytes);
        let line = String::from_utf8(bytes).expect("text");
        let since = concat!(
            r#","noise_floor":null,"ceiling_median":null,"pearson2_over_ceiling":null"#,
            r#","cache_dtype":"","reached_sparsity":null"#,
            r#","details":null,"split_half_consistency":null,"recorded_at_ms":0,"sites_left_out":0,"alpha":null"#,
            r#","pearson_median_varying":null,"split_half_error":null"#
        );
        assert!(line.contains(since), "{line}");
        let older = line.replace(since, "");
        assert_eq!(entry(older.as_bytes()).event, fact);
        // Decoding does not depend on the order of fields.
        let turned = older.replace(
            r#","event":{"type":"outcome_recorded""#,
            r#","event":{"trial":"00000000000000000000000000000007","type":"outcome_recorded""#,
        );
        let turned = turned.replacen(
            r#","trial":"00000000000000000000000000000007","worker""#,
            r#","worker""#,
            1,
        );
        assert_eq!(entry(turned.as_bytes()).event, fact);
    }

    #[test]
    fn what_runs_next_reads_as_it_was_written() {
        let spec = samples::sweep("a", 1);
        let trials = samples::trials(&spec);
        for (fact, text) in [
            (samples::granted(&trials), r#""type":"lease_granted""#),
            (samples::copied(&trials), r#""copy":true"#),
            (samples::paused(&spec), r#""type":"sweep_paused""#),
            (samples::prioritised(&spec, -3), r#""priority":-3"#),
        ] {
            let mut bytes = Vec::new();
            encode(7, 1_763_942_400_000, &fact, &mut bytes);
            let line = String::from_utf8(bytes).expect("text");
            assert!(line.contains(text), "{line}");
            let is_copy = line.contains("copy");
            assert_eq!(is_copy, text.contains("copy"), "as before there were any");
            assert_eq!(decode_line(line.trim_end().as_bytes()), Ok(Some(fact)));
        }
    }

    #[test]
    fn a_flipped_bit_anywhere_is_noticed() {
        for position in 0..line().len() {
            for bit in 0..8 {
                let mut damaged = line();
                damaged[position] ^= 1 << bit;
                assert!(verify(&damaged).is_err(), "byte {position}, bit {bit}");
            }
        }
    }
}
