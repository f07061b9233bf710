//! Salvage: finds what is intact in a damaged journal. Nothing here writes.
//!
//! A line is intact if its own checksum is correct. Intact lines are found wherever they begin,
//! even after a damaged line break, and sorted by their numbers: a line that occurs twice counts
//! once, and a misplaced line is read in its own place. Lines that a snapshot made itself have no
//! numbers of their own. The snapshot's checksum confirms the order in which they were written; if
//! it confirms none, its sweeps come first, because everything else is about them. Nothing is
//! invented: if two intact lines contradict each other, or this version does not understand one,
//! the journal is refused.

use super::StoreError;
use super::files::{Directory, Files, JOURNAL};
use super::journal::Visit;
use super::line::{self, FORMAT, Header, Line, SnapshotEnd, VERSION, VERSION_OLDEST};
use super::lines::Place;
use super::loss::{Damage, places};
use crate::scheduler::{Fact, Kept};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::PathBuf;

/// The longest piece of a file that is treated as one line.
const RAW_BYTES_MAX: u64 = 256 << 20;

/// The longest snapshot, in lines, for which every line is tried as the one too many.
const DOUBLES_MAX: usize = 64;

/// How many bytes are read at once.
const READ_BYTES: usize = 1 << 20;

/// The beginning of the content of the first line.
const HEADER: &[u8] = b"\"format\":";

/// The intact lines of a journal.
pub(crate) struct Salvage {
    path: PathBuf,
    /// The lines in the order in which they are read.
    pieces: Vec<Piece>,
    last_seq: u64,
    damage: Damage,
}

/// An intact line after the first.
#[derive(Debug, Clone, Copy)]
struct Piece {
    offset: u64,
    /// The line without its line break.
    bytes: usize,
    /// The number of the line in the file.
    line: u64,
    seq: u64,
    crc: u32,
    kind: Kind,
}

/// The kind of a line, on which the order of a snapshot depends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Submission,
    /// About a sweep. A snapshot writes it again, before the lines that it keeps.
    Sweep,
    /// About a trial. A snapshot may keep it unchanged.
    Kept,
    /// About open trials and leases. A snapshot writes it again, after the lines that it keeps.
    Standing,
}

impl Kind {
    fn of(fact: &Fact) -> Self {
        match (fact, fact.kept()) {
            (Fact::SweepSubmitted { .. }, _) => Kind::Submission,
            (
                Fact::SweepCancelled { .. }
                | Fact::SweepPaused { .. }
                | Fact::SweepPrioritised { .. },
                _,
            ) => Kind::Sweep,
            (_, Kept::Never) => Kind::Standing,
            (_, Kept::Always | Kept::LastFailure(_)) => Kind::Kept,
        }
    }
}

impl Piece {
    fn is_same(&self, other: &Piece) -> bool {
        (self.seq, self.bytes, self.crc) == (other.seq, other.bytes, other.crc)
    }
}

/// The search, line by line, and what it has found.
struct Scan {
    path: PathBuf,
    pieces: Vec<Piece>,
    header: Option<Header>,
    end: Option<SnapshotEnd>,
    /// How many pieces came before the line that ends the snapshot.
    before_end: usize,
    damage: Damage,
}

impl Salvage {
    /// Finds what is intact in the journal in a state directory.
    ///
    /// # Errors
    /// When the file cannot be read, nothing in it belongs to a journal, or intact lines contradict
    /// each other.
    pub(super) fn find(files: &Directory) -> Result<Self, StoreError> {
        let path = files.path(JOURNAL);
        let mut scan = Scan {
            path: path.clone(),
            pieces: Vec::new(),
            header: None,
            end: None,
            before_end: 0,
            damage: Damage::default(),
        };
        let mut reader = BufReader::with_capacity(READ_BYTES, open(&path)?);
        let (mut raw, mut offset, mut number) = (Vec::new(), 0, 1);
        loop {
            raw.clear();
            let limited = &mut (&mut reader).take(RAW_BYTES_MAX);
            let read = limited.read_until(b'\n', &mut raw);
            if read.map_err(|source| unread(&path, source))? == 0 {
                break;
            }
            scan.take_raw(&raw, offset, number)?;
            offset += raw.len() as u64;
            number += u64::from(raw.ends_with(b"\n"));
        }
        scan.into_salvage()
    }

    /// What is damaged.
    pub(crate) fn damage(&self) -> &Damage {
        &self.damage
    }

    /// The number of the last entry that is left.
    pub(crate) fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// How many lines are left after the first.
    pub(crate) fn lines(&self) -> u64 {
        self.pieces.len() as u64
    }

    /// Calls `visit` with every fact that is left, as if all were in one snapshot.
    pub(crate) fn visit(&self, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        let upto = self.last_seq;
        self.each(&mut |content| match line::decode(content) {
            Ok(Line::Entry(entry)) => visit(Place::Snapshot { upto }, entry.event),
            Ok(Line::SnapshotEnd(_)) | Err(_) => Err(self.changed()),
        })
    }

    /// Calls `take` with every line that is left, without its line break.
    pub(super) fn each(
        &self,
        take: &mut dyn FnMut(&[u8]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut reader = BufReader::with_capacity(READ_BYTES, open(&self.path)?);
        let (mut at, mut content) = (0, Vec::new());
        for piece in &self.pieces {
            content.resize(piece.bytes, 0);
            let distance = piece.offset.cast_signed() - at;
            let read = reader
                .seek_relative(distance)
                .and_then(|()| reader.read_exact(&mut content));
            read.map_err(|source| unread(&self.path, source))?;
            at = piece.offset.cast_signed() + content.len() as i64;
            line::verify(&content).map_err(|_| self.changed())?;
            take(&content)?;
        }
        Ok(())
    }

    /// The error for a line that was intact a moment ago.
    fn changed(&self) -> StoreError {
        let source = io::Error::other("it was changed while it was read");
        unread(&self.path, source)
    }
}

impl Scan {
    /// Examines what is between two line breaks: a line, a part of one, or several.
    fn take_raw(&mut self, raw: &[u8], offset: u64, number: u64) -> Result<(), StoreError> {
        let mut starts: Vec<_> = places(raw, line::LINE_START).collect();
        if starts.first() != Some(&0) {
            starts.insert(0, 0);
        }
        let ends = starts.iter().skip(1).copied().chain([raw.len()]);
        for (start, end) in starts.iter().copied().zip(ends) {
            let segment = &raw[start..end];
            let content = segment.strip_suffix(b"\n").unwrap_or(segment);
            let Some(bytes) = intact(content) else {
                let problem = match line::verify(content) {
                    Err(problem) => problem,
                    Ok(()) => "it is damaged".to_owned(),
                };
                self.find_damage(number, problem);
                self.damage.name(content);
                continue;
            };
            if bytes < content.len() {
                let behind = content.len() - bytes;
                self.find_damage(
                    number,
                    format!("{behind} bytes after it do not belong to it"),
                );
            } else if content.len() == segment.len() && end < raw.len() {
                self.find_damage(number, "its line break is missing".to_owned());
            }
            self.take_intact(&content[..bytes], offset + start as u64, number)?;
        }
        Ok(())
    }

    fn take_intact(&mut self, content: &[u8], offset: u64, number: u64) -> Result<(), StoreError> {
        let unknown = |problem: String| self.refused(number, problem);
        let rest = line::split(content).map_or(content, |(_, rest)| rest);
        if rest.starts_with(HEADER) {
            let header = serde_json::from_slice(content);
            let header = header.map_err(|error| unknown(error.to_string()))?;
            return self.take_header(header, number);
        }
        match line::decode(content).map_err(unknown)? {
            Line::SnapshotEnd(end) => {
                match &self.end {
                    Some(before) if *before != end => {
                        let problem = "it ends another snapshot than a line before it";
                        return Err(self.refused(number, problem.to_owned()));
                    }
                    Some(_) => self.find_damage(number, "it occurs twice".to_owned()),
                    None => self.before_end = self.pieces.len(),
                }
                self.end = Some(end);
            }
            Line::Entry(entry) => self.pieces.push(Piece {
                offset,
                bytes: content.len(),
                line: number,
                seq: entry.seq,
                crc: crc32fast::hash(content),
                kind: Kind::of(&entry.event),
            }),
        }
        Ok(())
    }

    fn take_header(&mut self, header: Header, number: u64) -> Result<(), StoreError> {
        if header.format != FORMAT {
            return Err(self.refused(number, "it names another format".to_owned()));
        }
        if !(VERSION_OLDEST..=VERSION).contains(&header.version) {
            return Err(StoreError::Version {
                dir: self.path.parent().map(PathBuf::from).unwrap_or_default(),
                found: header.version,
                oldest: VERSION_OLDEST,
                newest: VERSION,
            });
        }
        match &self.header {
            Some(before) if before.snapshot != header.snapshot => {
                let problem = "it begins another journal than a line before it";
                return Err(self.refused(number, problem.to_owned()));
            }
            Some(_) => self.find_damage(number, "it occurs twice".to_owned()),
            None if number > 1 => {
                self.find_damage(number, "it is the first line, misplaced".to_owned());
            }
            None => {}
        }
        self.header = Some(header);
        Ok(())
    }

    fn into_salvage(mut self) -> Result<Salvage, StoreError> {
        if self.pieces.is_empty() && self.header.is_none() {
            let problem = "this is not a journal of nrp, or no line of it is intact".to_owned();
            return Err(self.refused(1, problem));
        }
        if self.header.is_none() {
            self.find_damage(1, "the line that begins the journal is lost".to_owned());
        }
        let pieces = std::mem::take(&mut self.pieces);
        let upto = self.snapshot_upto(&pieces);
        let (snapshot, entries): (Vec<_>, Vec<_>) =
            pieces.into_iter().partition(|piece| piece.seq <= upto);
        let mut pieces = match upto {
            0 => Vec::new(),
            _ => self.order_snapshot(snapshot, upto)?,
        };
        let entries = self.order_entries(entries)?;
        let mut due = upto + 1;
        for piece in &entries {
            if piece.seq > due {
                let last = piece.seq - 1;
                self.damage.lost_entries.push((due, last));
                let problem = if due == last {
                    format!("entry {due} is missing before it")
                } else {
                    format!("entries {due} to {last} are missing before it")
                };
                self.find_damage(piece.line, problem);
            }
            due = piece.seq + 1;
        }
        let last_seq = entries.last().map_or(upto, |piece| piece.seq);
        pieces.extend(entries);
        if self.damage.findings.is_empty() {
            let problem = "lines are not in the order in which they were written";
            self.find_damage(1, problem.to_owned());
        }
        Ok(Salvage {
            path: self.path,
            pieces,
            last_seq,
            damage: self.damage,
        })
    }

    /// The number of entries that the snapshot replaces, or 0 without a snapshot. If the first line
    /// is lost, the snapshot's lines tell: those that it made itself have that number, and come
    /// first.
    fn snapshot_upto(&self, pieces: &[Piece]) -> u64 {
        if let Some(header) = &self.header {
            return header.snapshot;
        }
        if self.end.is_some() {
            let before = pieces[..self.before_end].iter();
            return before.map(|piece| piece.seq).max().unwrap_or(0);
        }
        let mut pieces = pieces.iter();
        match pieces.next() {
            Some(first) if pieces.clone().any(|piece| piece.seq < first.seq) => first.seq,
            Some(first) if pieces.any(|piece| piece.seq == first.seq && !piece.is_same(first)) => {
                first.seq
            }
            Some(_) | None => 0,
        }
    }

    /// The entries after the snapshot, sorted by number.
    fn order_entries(&mut self, mut entries: Vec<Piece>) -> Result<Vec<Piece>, StoreError> {
        for pair in entries.windows(2) {
            if pair[1].seq < pair[0].seq {
                let problem = format!("entry {} comes after {}", pair[1].seq, pair[0].seq);
                self.find_damage(pair[1].line, problem);
            }
        }
        entries.sort_by_key(|piece| piece.seq);
        let mut ordered: Vec<Piece> = Vec::with_capacity(entries.len());
        for piece in entries {
            match ordered.last() {
                Some(last) if last.is_same(&piece) => {
                    self.find_damage(piece.line, format!("it repeats line {}", last.line));
                }
                Some(last) if last.seq == piece.seq => {
                    let (seq, other) = (piece.seq, last.line);
                    let problem =
                        format!("it is entry {seq}, and so is line {other}, which differs");
                    return Err(self.refused(piece.line, problem));
                }
                Some(_) | None => ordered.push(piece),
            }
        }
        Ok(ordered)
    }

    /// The lines of the snapshot, in the first of some orders that its checksum confirms, or else
    /// in the most likely order.
    fn order_snapshot(&mut self, found: Vec<Piece>, upto: u64) -> Result<Vec<Piece>, StoreError> {
        let likeliest = sorted(&found, upto);
        let Some(end) = &self.end else {
            self.find_damage(1, "the line that ends the snapshot is lost".to_owned());
            return Ok(likeliest);
        };
        let (written, crc) = (end.snapshot_lines, end.snapshot_crc.clone());
        let is_whole = |order: &[Piece]| -> Result<bool, StoreError> {
            Ok(order.len() as u64 == written && self.crc(order)? == crc)
        };
        if is_whole(&found)? {
            return Ok(found);
        }
        let mut orders = vec![likeliest.clone()];
        if found.len() as u64 == written + 1 {
            // One of the lines that occur twice is superfluous.
            let doubles = (0..found.len()).filter(|at| {
                let mut others = found.iter().enumerate();
                others.any(|(other, piece)| other != *at && piece.is_same(&found[*at]))
            });
            for double in doubles.take(DOUBLES_MAX) {
                let mut order = found.clone();
                order.remove(double);
                orders.push(order);
            }
        }
        for order in orders {
            if is_whole(&order)? {
                let problem = "a line of the snapshot occurs twice or is misplaced";
                self.find_damage(1, problem.to_owned());
                return Ok(order);
            }
        }
        let best = if likeliest.len() as u64 > written {
            without_doubles(&likeliest)
        } else {
            likeliest
        };
        let lost = written.saturating_sub(best.len() as u64);
        let problem = match lost {
            0 => "the snapshot has changed since it was written".to_owned(),
            lost => format!("{lost} of {written} lines of the snapshot are lost"),
        };
        self.find_damage(1, problem);
        self.damage.lost_of_snapshot = Some(lost);
        Ok(best)
    }

    /// The checksum of all lines together, each with its line break.
    fn crc(&self, pieces: &[Piece]) -> Result<String, StoreError> {
        let mut crc = crc32fast::Hasher::new();
        let mut file = open(&self.path)?;
        let mut content = Vec::new();
        for piece in pieces {
            content.resize(piece.bytes, 0);
            let read = file
                .seek(SeekFrom::Start(piece.offset))
                .and_then(|_| file.read_exact(&mut content));
            read.map_err(|source| unread(&self.path, source))?;
            crc.update(&content);
            crc.update(b"\n");
        }
        Ok(line::digits(crc.finalize()))
    }

    fn find_damage(&mut self, line: u64, problem: String) {
        self.damage.find(&self.path, line, problem);
    }

    fn refused(&self, line: u64, problem: String) -> StoreError {
        StoreError::Unrepairable {
            path: self.path.clone(),
            line,
            problem,
        }
    }
}

/// The lines of a snapshot in the order in which they were most likely written.
fn sorted(found: &[Piece], upto: u64) -> Vec<Piece> {
    let mut sorted = found.to_vec();
    let mut made = found.iter().filter(|piece| piece.kind != Kind::Kept);
    if made.all(|piece| piece.seq == upto) {
        // The order in which a compaction writes.
        let kept = |piece: &Piece| (piece.kind == Kind::Kept).then_some(piece.seq);
        sorted.sort_by_key(|piece| (piece.kind, kept(piece)));
    } else if numbered_once(found) {
        // The order in which a repair writes.
        sorted.sort_by_key(|piece| piece.seq);
    }
    sorted
}

/// Removes duplicates.
fn without_doubles(pieces: &[Piece]) -> Vec<Piece> {
    let mut seen = BTreeSet::new();
    let single = pieces
        .iter()
        .filter(|piece| seen.insert((piece.seq, piece.bytes, piece.crc)));
    single.copied().collect()
}

/// Whether no two lines have the same number.
fn numbered_once(pieces: &[Piece]) -> bool {
    let mut numbers: Vec<_> = pieces.iter().map(|piece| piece.seq).collect();
    numbers.sort_unstable();
    numbers.windows(2).all(|pair| pair[0] != pair[1])
}

/// The length of the line at the start of `bytes`, if it is intact.
fn intact(bytes: &[u8]) -> Option<usize> {
    if line::verify(bytes).is_ok() {
        return Some(bytes.len());
    }
    // What follows the line may be damaged, but the line ends with one of these braces.
    let (written, rest) = line::split(bytes)?;
    let written = std::str::from_utf8(written).ok()?;
    let written = u32::from_str_radix(written, 16)
        .ok()
        .filter(|crc| line::digits(*crc) == written)?;
    let (before, mut from) = (bytes.len() - rest.len(), 0);
    let mut crc = crc32fast::Hasher::new();
    for (position, byte) in rest.iter().enumerate() {
        if *byte == b'}' {
            crc.update(&rest[from..=position]);
            from = position + 1;
            if crc.clone().finalize() == written {
                return Some(before + from);
            }
        }
    }
    None
}

fn open(path: &std::path::Path) -> Result<File, StoreError> {
    File::open(path).map_err(|source| unread(path, source))
}

fn unread(path: &std::path::Path, source: io::Error) -> StoreError {
    StoreError::Io {
        action: "read",
        path: path.to_owned(),
        source,
    }
}
