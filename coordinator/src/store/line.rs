//! The journal's lines: JSON objects that start with a checksum of the rest, one a line, so that
//! every byte is accounted for and any JSON Lines reader reads them.
//!
//! ```text
//! {"crc":"9b0c5ab1","format":"nrp journal","version":1}
//! {"crc":"0d4f6b0e","seq":1,"at_ms":1763942400000,"event":{"type":"sweep_cancelled","sweep":"00000000000000ab"}}
//! ```

use crate::scheduler::Fact;
use serde::{Deserialize, Serialize};

/// What the first line names.
pub(super) const FORMAT: &str = "nrp journal";

/// The version of the format that is written, and the only one read.
pub(super) const VERSION: u64 = 1;

const BEFORE_CRC: &[u8] = b"{\"crc\":\"";
const AFTER_CRC: &[u8] = b"\",";
const CRC_DIGITS: usize = 8;

/// The journal's first line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) format: String,
    pub(super) version: u64,
}

/// Every other line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Entry<F> {
    /// Counted from 1, without a gap.
    pub(super) seq: u64,
    /// Wall clock, for people; nothing depends on it.
    pub(super) at_ms: u64,
    pub(super) event: F,
}

/// The first line of a new journal.
pub(super) fn header() -> Vec<u8> {
    let header = Header {
        format: FORMAT.to_owned(),
        version: VERSION,
    };
    let mut line = Vec::new();
    seal(&header, &mut line);
    line
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

fn seal(content: &impl Serialize, bytes: &mut Vec<u8>) {
    let json = serde_json::to_vec(content).expect("plain data is always JSON");
    let rest = &json[1..];
    let crc = crc32fast::hash(rest);
    bytes.extend_from_slice(BEFORE_CRC);
    bytes.extend_from_slice(format!("{crc:0CRC_DIGITS$x}").as_bytes());
    bytes.extend_from_slice(AFTER_CRC);
    bytes.extend_from_slice(rest);
    bytes.push(b'\n');
}

/// Checks a line, without its line break, against its checksum.
///
/// # Errors
/// What is wrong with it.
pub(super) fn verify(line: &[u8]) -> Result<(), String> {
    let parts = line.strip_prefix(BEFORE_CRC).and_then(|line| {
        let (crc, rest) = line.split_at_checked(CRC_DIGITS)?;
        Some((crc, rest.strip_prefix(AFTER_CRC)?))
    });
    let Some((written, rest)) = parts else {
        return Err("it does not start with a checksum".to_owned());
    };
    let found = format!("{:0CRC_DIGITS$x}", crc32fast::hash(rest));
    match found.as_bytes() == written {
        true => Ok(()),
        false => Err(format!(
            "its checksum is {}, its content's is {found}",
            String::from_utf8_lossy(written)
        )),
    }
}

/// A line whose checksum holds.
///
/// # Errors
/// What this version does not understand in it.
pub(super) fn decode(line: &[u8]) -> Result<Entry<Fact>, String> {
    serde_json::from_slice(line)
        .map_err(|error| format!("its content is not known to this version: {error}"))
}

/// The fact in a line, if it is whole.
#[cfg(test)]
pub(crate) fn decode_line(line: &[u8]) -> Result<Fact, String> {
    verify(line)?;
    Ok(decode(line)?.event)
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
        insta::assert_snapshot!(String::from_utf8(header()).expect("text"), @"{\"crc\":\"0410a738\",\"format\":\"nrp journal\",\"version\":1}");
    }

    #[test]
    fn a_line_reads_as_it_was_written() {
        verify(&line()).expect("its checksum holds");
        let entry = decode(&line()).expect("reads");
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
            r#","cache_dtype":"""#
        );
        assert!(line.contains(since), "{line}");
        let older = line.replace(since, "");
        assert_eq!(decode(older.as_bytes()).expect("reads").event, fact);
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
            assert_eq!(decode_line(line.trim_end().as_bytes()), Ok(fact));
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
