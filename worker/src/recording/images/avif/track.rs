//! The first picture of a sequence (the `moov` box of ISO base media files).

use super::boxes::{Box, Reader, cut, too_many};
use super::container::{Coded, Contained, Layer, Meaning};
use super::items;
use crate::recording::images::picture::Undecodable;

/// Most tracks of a file.
const MAX_TRACKS: usize = 64;
/// The bytes of a sample description of pictures before its boxes.
const DESCRIPTION: usize = 78;

/// A track of AV1 pictures.
#[derive(Debug)]
pub(super) struct Track {
    id: u32,
    pub(super) size: [u32; 2],
    meaning: Option<Meaning>,
    /// Start and length of the first picture.
    first: (u64, u32),
    /// Kind and target of each reference.
    references: Vec<([u8; 4], u32)>,
}

impl Track {
    fn refers(&self, kind: &[u8; 4], to: u32) -> bool {
        self.references.contains(&(*kind, to))
    }

    fn layer(&self, file: &[u8]) -> Result<Layer, Undecodable> {
        let (start, length) = self.first;
        let start = usize::try_from(start).map_err(|_| cut())?;
        let end = start.checked_add(length as usize).ok_or_else(cut)?;
        Ok(Layer {
            size: self.size,
            columns: 1,
            tiles: vec![Coded {
                size: self.size,
                bytes: file.get(start..end).ok_or_else(cut)?.to_vec(),
            }],
        })
    }
}

/// The track of colours in the content of the `moov` box: the first that is not part of another.
pub(super) fn colours(moov: &[u8]) -> Result<Track, Undecodable> {
    tracks(moov)?
        .into_iter()
        .find(|track| track.references.iter().all(|(kind, _)| kind != b"auxl"))
        .ok_or_else(|| Undecodable::not_a_picture("an AVIF without a picture"))
}

/// The first picture of a sequence, with its bytes from the whole `file`.
pub(super) fn contained(moov: &[u8], file: &[u8]) -> Result<Contained, Undecodable> {
    let colours = colours(moov)?;
    let alpha = tracks(moov)?
        .into_iter()
        .find(|track| track.refers(b"auxl", colours.id));
    Ok(Contained {
        colours: colours.layer(file)?,
        meaning: colours.meaning,
        premultiplied: alpha
            .as_ref()
            .is_some_and(|alpha| colours.refers(b"prem", alpha.id)),
        alpha: alpha.map(|alpha| alpha.layer(file)).transpose()?,
    })
}

/// The tracks that have AV1 pictures.
fn tracks(moov: &[u8]) -> Result<Vec<Track>, Undecodable> {
    let mut tracks = Vec::new();
    for of in Reader(moov).boxes()? {
        if of.name == *b"trak" {
            tracks.extend(track(of)?);
            if tracks.len() > MAX_TRACKS {
                return Err(too_many(MAX_TRACKS, "tracks"));
            }
        }
    }
    Ok(tracks)
}

fn track(trak: Box<'_>) -> Result<Option<Track>, Undecodable> {
    let parts = trak.reader().boxes()?;
    let (id, size) = heading(inner(&parts, b"tkhd")?)?;
    let mut references = Vec::new();
    for of in parts.iter().filter(|of| of.name == *b"tref") {
        for reference in of.reader().boxes()? {
            let targets = reference.content.as_chunks::<4>().0.iter().take(MAX_TRACKS);
            references.extend(targets.map(|to| (reference.name, u32::from_be_bytes(*to))));
        }
        if references.len() > MAX_TRACKS {
            return Err(too_many(MAX_TRACKS, "references between tracks"));
        }
    }
    let mut table = parts;
    for name in [b"mdia", b"minf", b"stbl"] {
        table = inner(&table, name)?.reader().boxes()?;
    }
    let Some(description) = description(inner(&table, b"stsd")?)? else {
        return Ok(None);
    };
    let colr = description.iter().filter(|of| of.name == *b"colr");
    let meanings: Result<Vec<_>, _> = colr.map(items::meaning).collect();
    let Some(first) = first(&table)? else {
        return Ok(None);
    };
    Ok(Some(Track {
        id,
        size,
        meaning: meanings?.into_iter().flatten().next(),
        first,
        references,
    }))
}

fn inner<'f>(boxes: &[Box<'f>], name: &[u8; 4]) -> Result<Box<'f>, Undecodable> {
    let found = boxes.iter().find(|of| of.name == *name);
    found.copied().ok_or_else(cut)
}

/// Number and size in pixels of a track.
fn heading(tkhd: Box<'_>) -> Result<(u32, [u32; 2]), Undecodable> {
    let (version, _, mut reader) = tkhd.full()?;
    let time = if version == 1 { 8 } else { 4 };
    reader.bytes(2 * time)?;
    let id = reader.u32()?;
    // Reserved, duration, and 52 bytes of layer, volume and matrix.
    reader.bytes(4 + time + 52)?;
    let size = [reader.u32()? >> 16, reader.u32()? >> 16];
    Ok((id, size))
}

/// The boxes of the first sample description, if it is of AV1 pictures.
fn description(stsd: Box<'_>) -> Result<Option<Vec<Box<'_>>>, Undecodable> {
    let (_, _, mut reader) = stsd.full()?;
    reader.u32()?;
    let Some(entry) = reader.boxes()?.into_iter().next() else {
        return Ok(None);
    };
    if entry.name != *b"av01" {
        return Ok(None);
    }
    let mut reader = entry.reader();
    reader.bytes(DESCRIPTION)?;
    reader.boxes().map(Some)
}

/// Start and length of a track's first picture.
fn first(table: &[Box<'_>]) -> Result<Option<(u64, u32)>, Undecodable> {
    let long = table.iter().find(|of| of.name == *b"co64");
    let (_, _, mut reader) = match long {
        Some(of) => of.full()?,
        None => inner(table, b"stco")?.full()?,
    };
    if reader.u32()? == 0 {
        return Ok(None);
    }
    let start = match long {
        Some(_) => reader.u64()?,
        None => u64::from(reader.u32()?),
    };
    let (_, _, mut reader) = inner(table, b"stsz")?.full()?;
    let (same, count) = (reader.u32()?, reader.u32()?);
    if count == 0 {
        return Ok(None);
    }
    let length = if same == 0 { reader.u32()? } else { same };
    Ok(Some((start, length)))
}
