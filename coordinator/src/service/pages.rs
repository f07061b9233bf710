//! Pages: answers in parts that fit a message, whatever is in them. A token says where the next part
//! begins. It is bound to its question: invented tokens, and tokens of other questions, are refused.

use super::refuse::refuse;
use crate::scheduler::RowId;
use crate::store::{IndexError, Row};
use nrp_proto::Message;
use nrp_proto::wire::{BestRow, MarginalCell, MarginalsRow, TrialRecord};
use tonic::{Code, Status};

/// The most bytes of a page's entries: the default limit of a gRPC client (4 MiB), less room for the
/// fields beside them.
pub(super) const PAGE_BYTES: usize = (4 << 20) - (4 << 10);

/// The most bytes that an entry takes beside its content: its field's number, its length, and a number
/// that is added later.
const FRAME_BYTES: usize = 16;

/// Digits of a position and of a checksum.
const POSITION_DIGITS: usize = 24;
const CHECK_DIGITS: usize = 8;

/// One part of an answer.
#[derive(Debug)]
pub(super) struct Page<T> {
    pub(super) entries: Vec<T>,
    left_bytes: usize,
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
            left_bytes: PAGE_BYTES,
            most,
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.entries.len() >= self.most
    }

    /// Adds an entry if it fits, and returns whether it did.
    pub(super) fn push(&mut self, entry: T) -> bool {
        match self.left_bytes.checked_sub(bytes(&entry)) {
            Some(left) if !self.is_full() => {
                self.left_bytes = left;
                self.entries.push(entry);
                true
            }
            Some(_) | None => false,
        }
    }
}

/// The most bytes that an entry takes in a message.
pub(super) fn bytes(entry: &impl Message) -> usize {
    entry.encoded_len() + FRAME_BYTES
}

/// The refusal for an entry that is larger than a page.
pub(super) fn too_large(what: &str, bytes: usize) -> Status {
    refuse(
        Code::ResourceExhausted,
        format!("{what} alone has {bytes} bytes, and the limit of a message is {PAGE_BYTES}"),
        "leave it out: filter by other ANNs, regions or layers",
    )
}

/// A row, which is cut where a page ends.
pub(super) trait Cut: Message {
    type Part: Message;

    fn parts(&mut self) -> &mut Vec<Self::Part>;

    /// What errors call a part.
    fn name(part: &Self::Part) -> String;
}

impl Cut for BestRow {
    type Part = TrialRecord;

    fn parts(&mut self) -> &mut Vec<TrialRecord> {
        &mut self.best
    }

    fn name(part: &TrialRecord) -> String {
        format!("trial {}", part.id)
    }
}

impl Cut for MarginalsRow {
    type Part = MarginalCell;

    fn parts(&mut self) -> &mut Vec<MarginalCell> {
        &mut self.cells
    }

    fn name(part: &MarginalCell) -> String {
        format!("the cell of trial {}", part.best_trial)
    }
}

/// Where in the rows a page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Begin {
    row: RowId,
    /// Parts of the row that earlier pages had.
    part: u32,
}

impl Begin {
    pub(super) fn position(self) -> u128 {
        (u128::from(self.row.0) << 32) | u128::from(self.part)
    }

    pub(super) fn part(self) -> u32 {
        self.part
    }

    pub(super) fn at(position: u128) -> Self {
        Self {
            row: RowId((position >> 32) as u64),
            part: position as u32,
        }
    }
}

/// A page with the rows on it, and where the next begins.
pub(super) struct Filled<T> {
    pub(super) page: Page<T>,
    pub(super) rows: Vec<RowId>,
    pub(super) next: Option<Begin>,
}

/// Fills a page with the answers for rows, the first of them from part `skip`.
pub(super) fn fill<T: Cut>(
    mut page: Page<T>,
    rows: Vec<Row>,
    mut skip: u32,
    mut answer: impl FnMut(Row) -> Result<T, IndexError>,
) -> Result<Result<Filled<T>, Status>, IndexError> {
    let mut on_page = Vec::new();
    let mut next = None;
    for row in rows {
        let begin = Begin {
            row: row.id,
            part: std::mem::take(&mut skip),
        };
        if page.is_full() {
            next = Some(begin);
            break;
        }
        let mut whole = answer(row)?;
        let parts = std::mem::take(whole.parts());
        let mut left = page.left_bytes.saturating_sub(bytes(&whole));
        let mut cut = None;
        for part in parts.into_iter().skip(begin.part as usize) {
            match left.checked_sub(bytes(&part)) {
                Some(rest) => left = rest,
                None => {
                    cut = Some(part);
                    break;
                }
            }
            whole.parts().push(part);
        }
        let taken = whole.parts().len() as u32;
        if let (Some(part), 0) = (&cut, taken) {
            if page.entries.is_empty() {
                return Ok(Err(too_large(&T::name(part), bytes(part))));
            }
            next = Some(begin);
            break;
        }
        if !page.push(whole) {
            next = Some(begin);
            break;
        }
        on_page.push(begin.row);
        if cut.is_some() {
            next = Some(Begin {
                part: begin.part + taken,
                ..begin
            });
            break;
        }
    }
    Ok(Ok(Filled {
        page,
        rows: on_page,
        next,
    }))
}

/// A page of a list whose entries have names, from the one that `position` tells.
pub(super) fn list<T: Message>(
    entries: Vec<T>,
    size: u32,
    position: Option<u128>,
    name: impl Fn(&T) -> u64,
) -> Result<(Vec<T>, Option<u128>), Status> {
    let mut page = Page::new(size, entries.len());
    let begin = position.map_or(0, |position| {
        // Entries that left since move it forward. If it is gone or comes later, so do others.
        let (named, number) = ((position >> 32) as u64, position as u32 as usize);
        let at = entries.iter().position(|entry| name(entry) == named);
        at.map_or(number, |at| at.min(number))
    });
    for (number, entry) in entries.into_iter().enumerate().skip(begin) {
        let (named, bytes) = (name(&entry), bytes(&entry));
        if !page.push(entry) {
            if page.entries.is_empty() {
                return Err(too_large("an entry of the list", bytes));
            }
            let position = (u128::from(named) << 32) | number as u128;
            return Ok((page.entries, Some(position)));
        }
    }
    Ok((page.entries, None))
}

/// The token of a position in the answer to a question, which is the request without its page.
pub(super) fn token(question: &impl Message, position: u128) -> String {
    let check = check(question, position);
    format!("{position:0POSITION_DIGITS$x}{check:0CHECK_DIGITS$x}")
}

/// The position that a token stands for; none for the first page.
pub(super) fn position(question: &impl Message, token: &str) -> Result<Option<u128>, Status> {
    if token.is_empty() {
        return Ok(None);
    }
    let digits = token
        .bytes()
        .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let parts = (digits && token.len() == POSITION_DIGITS + CHECK_DIGITS).then(|| {
        let (position, check) = token.split_at(POSITION_DIGITS);
        let position = u128::from_str_radix(position, 16);
        Some((position.ok()?, u32::from_str_radix(check, 16).ok()?))
    });
    match parts.flatten() {
        Some((position, found)) if found == check(question, position) => Ok(Some(position)),
        Some(_) | None => Err(foreign()),
    }
}

/// The rows from the first of a page.
pub(super) fn rows_from(rows: Vec<Row>, begin: Option<Begin>) -> Result<Vec<Row>, Status> {
    let Some(begin) = begin else {
        return Ok(rows);
    };
    let at = rows.iter().position(|row| row.id == begin.row);
    let at = at.ok_or_else(foreign)?;
    Ok(rows.into_iter().skip(at).collect())
}

fn check(question: &impl Message, position: u128) -> u32 {
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
    fn a_page_ends_when_it_has_what_was_asked_and_before_it_has_too_much() {
        let of = |bytes: usize| BestRequest {
            ann: "x".repeat(bytes),
            ..BestRequest::default()
        };
        let mut page = Page::new(2, 10);
        assert!(page.push(of(1)) && page.push(of(1)));
        assert!(page.is_full() && !page.push(of(1)));
        let mut page = Page::new(0, 10);
        assert!(page.push(of(PAGE_BYTES / 2)));
        assert!(!page.push(of(PAGE_BYTES / 2)) && !page.is_full());
        assert!(page.push(of(PAGE_BYTES / 4)));
        assert!(!Page::new(0, 10).push(of(PAGE_BYTES)));
    }

    fn row(id: u64) -> Row {
        Row {
            id: RowId(id),
            example: nrp_proto::wire::TrialSpec::default(),
        }
    }

    /// A row of `trials` trials with long reasons.
    fn best(trials: u128) -> BestRow {
        let record = |id| TrialRecord {
            id: format!("{id:032x}"),
            reason: "x".repeat(PAGE_BYTES / 10),
            ..TrialRecord::default()
        };
        BestRow {
            best: (0..trials).map(record).collect(),
            ..BestRow::default()
        }
    }

    #[test]
    fn rows_are_cut_where_a_page_ends_and_go_on_on_the_next() {
        let all = || vec![row(1), row(2), row(3)];
        let trials = [4, 25, 0];
        let (mut begin, mut found, mut pages) = (None, vec![0; 3], 0);
        loop {
            let rows = rows_from(all(), begin).expect("is there");
            let skip = begin.map_or(0, |begin: Begin| begin.part);
            let filled = fill(Page::new(0, 10), rows, skip, |row| {
                Ok(best(trials[row.id.0 as usize - 1]))
            });
            let filled = filled.expect("reads").expect("fits");
            let bytes: usize = filled.page.entries.iter().map(bytes).sum();
            assert!(bytes <= PAGE_BYTES);
            for (id, row) in filled.rows.iter().zip(&filled.page.entries) {
                found[id.0 as usize - 1] += row.best.len();
            }
            pages += 1;
            begin = filled.next.map(|next| Begin::at(next.position()));
            if begin.is_none() {
                break;
            }
        }
        assert_eq!((found, pages), (vec![4, 25, 0], 4));
    }

    #[test]
    fn what_fits_no_page_is_refused_by_name() {
        let mut large = best(1);
        large.best[0].reason = "x".repeat(PAGE_BYTES);
        let filled = fill(Page::new(0, 10), vec![row(1)], 0, |_| Ok(large.clone()));
        let status = filled.expect("reads").err().expect("is refused");
        assert_eq!(status.code(), Code::ResourceExhausted);
        let begin = format!("trial {:032x} alone has ", 0);
        assert!(status.message().starts_with(&begin), "{}", status.message());
    }

    #[test]
    fn a_list_goes_on_where_it_was_whatever_came_and_went() {
        let of = |names: &[&str]| {
            let named = names.iter().map(|name| BestRequest {
                ann: (*name).to_owned(),
                ..BestRequest::default()
            });
            named.collect::<Vec<_>>()
        };
        let name = |entry: &BestRequest| u64::from(entry.ann.as_bytes()[0]);
        let (page, next) = list(of(&["a", "b", "c", "d"]), 2, None, name).expect("a page");
        assert_eq!(page, of(&["a", "b"]));
        for later in [
            ["a", "b", "c", "d"].as_slice(),
            &["b", "c", "d"],
            &["a", "b", "d", "c"],
        ] {
            let (page, end) = list(of(later), 0, next, name).expect("a page");
            assert!(of(&["c", "d"]).iter().all(|entry| page.contains(entry)));
            assert_eq!(end, None);
        }
    }
}
