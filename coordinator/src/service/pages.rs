//! Pages: answers in parts that fit a message. Where the next part begins is in a token, which is
//! bound to its question, so that a token made up or of another question is refused.

use super::refuse::refuse;
use crate::scheduler::RowId;
use crate::store::Row;
use nrp_proto::Message;
use tonic::{Code, Status};

/// Bytes after which a page takes nothing more. A message may have four times as many: the last
/// entry goes beyond.
const PAGE_BYTES: usize = nrp_proto::MESSAGE_BYTES_MAX / 4;

/// Digits of a position and of a checksum.
const POSITION_DIGITS: usize = 16;
const CHECK_DIGITS: usize = 8;

/// One part of an answer.
#[derive(Debug)]
pub(super) struct Page<T> {
    pub(super) entries: Vec<T>,
    bytes: usize,
    most: usize,
}

impl<T: Message> Page<T> {
    /// A page of up to `asked` entries, or `most` if that is less or none are asked.
    pub(super) fn new(asked: u32, most: usize) -> Self {
        let most = match asked {
            0 => most,
            asked => most.min(asked as usize),
        };
        Self {
            entries: Vec::new(),
            bytes: 0,
            most,
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.entries.len() >= self.most || self.bytes >= PAGE_BYTES
    }

    pub(super) fn push(&mut self, entry: T) {
        self.bytes += entry.encoded_len();
        self.entries.push(entry);
    }
}

/// The token of a position in the answer to a question, which is the request without its page.
pub(super) fn token(question: &impl Message, position: u64) -> String {
    let check = check(question, position);
    format!("{position:0POSITION_DIGITS$x}{check:0CHECK_DIGITS$x}")
}

/// The position that a token stands for; none for the first page.
pub(super) fn position(question: &impl Message, token: &str) -> Result<Option<u64>, Status> {
    if token.is_empty() {
        return Ok(None);
    }
    let digits = token
        .bytes()
        .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let parts = (digits && token.len() == POSITION_DIGITS + CHECK_DIGITS).then(|| {
        let (position, check) = token.split_at(POSITION_DIGITS);
        let position = u64::from_str_radix(position, 16);
        Some((position.ok()?, u32::from_str_radix(check, 16).ok()?))
    });
    match parts.flatten() {
        Some((position, found)) if found == check(question, position) => Ok(Some(position)),
        Some(_) | None => Err(foreign()),
    }
}

/// The rows behind the one at which the last page ended.
pub(super) fn rows_after(rows: Vec<Row>, position: Option<u64>) -> Result<Vec<Row>, Status> {
    let Some(position) = position else {
        return Ok(rows);
    };
    let last = rows.iter().position(|row| row.id == RowId(position));
    let last = last.ok_or_else(foreign)?;
    Ok(rows.into_iter().skip(last + 1).collect())
}

fn check(question: &impl Message, position: u64) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&position.to_be_bytes());
    hasher.update(&question.encode_to_vec());
    hasher.finalize()
}

fn foreign() -> Status {
    refuse(
        Code::InvalidArgument,
        "the page token is of no page of this question",
        "ask again without one, and then with the token each page brings, all else unchanged",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use nrp_proto::wire::BestRequest;

    #[test]
    fn a_token_is_of_its_question_alone() {
        let question = |ann: &str| BestRequest {
            ann: ann.to_owned(),
            ..BestRequest::default()
        };
        let token = token(&question("mobilenet"), 7);
        let read = |ann: &str, token: &str| position(&question(ann), token).ok();
        assert_eq!(read("mobilenet", &token), Some(Some(7)));
        assert_eq!(read("mobilenet", ""), Some(None));
        assert_eq!(read("alexnet", &token), None);
        for made_up in [
            "0",
            "zz",
            &token[1..],
            &token.to_uppercase(),
            "ü234567890123456789012",
        ] {
            assert_eq!(read("mobilenet", made_up), None, "{made_up}");
        }
    }

    #[test]
    fn a_page_ends_when_it_has_what_was_asked() {
        let mut page = Page::new(2, 10);
        for _ in 0..2 {
            assert!(!page.is_full());
            page.push(BestRequest::default());
        }
        assert!(page.is_full());
        let mut page = Page::new(0, 10);
        page.push(BestRequest {
            ann: "x".repeat(PAGE_BYTES),
            ..BestRequest::default()
        });
        assert!(page.is_full());
    }
}
