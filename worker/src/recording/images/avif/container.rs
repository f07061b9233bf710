//! What a container of AVIF says of its picture: size, where its coded bytes are, and what its numbers
//! mean.

use super::boxes::{Reader, cut};
use super::{items, track};
use crate::recording::images::picture::Undecodable;

/// Brands of files that Pillow hands to its decoder of AVIF, if they also name `avif` or `avis`.
const BRANDS: [&[u8; 4]; 4] = [b"avif", b"avis", b"mif1", b"msf1"];

/// Colours or alpha: one coded picture, or a grid of them.
#[derive(Debug)]
pub(super) struct Layer {
    /// Width and height in pixels.
    pub(super) size: [u32; 2],
    /// How many tiles there are side by side.
    pub(super) columns: usize,
    /// The tiles, row by row, all of one size.
    pub(super) tiles: Vec<Coded>,
}

/// One AV1 picture.
#[derive(Debug)]
pub(super) struct Coded {
    /// Width and height in pixels, as the container says.
    pub(super) size: [u32; 2],
    /// The AV1 stream.
    pub(super) bytes: Vec<u8>,
}

/// What numbers of YUV mean (code points of ITU-T H.273).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Meaning {
    pub(super) primaries: u16,
    pub(super) matrix: u16,
    /// Whether the numbers use their full range.
    pub(super) full: bool,
}

/// A picture in its container.
#[derive(Debug)]
pub(super) struct Contained {
    pub(super) colours: Layer,
    /// What the container says of the numbers; the stream says it otherwise.
    pub(super) meaning: Option<Meaning>,
    pub(super) alpha: Option<Layer>,
    /// Whether the colours were multiplied by alpha.
    pub(super) premultiplied: bool,
}

/// Whether Pillow reads a file as an AVIF: by its brands.
pub(in crate::recording::images) fn is_avif(bytes: &[u8]) -> bool {
    let mut reader = Reader(bytes);
    let (Ok(length), Ok(name)) = (reader.u32(), reader.name()) else {
        return false;
    };
    let brands = bytes.get(8..bytes.len().min(length as usize));
    let brands = brands.unwrap_or_default().as_chunks::<4>().0;
    let Some(major) = brands.first().filter(|of| BRANDS.contains(of)) else {
        return false;
    };
    // The second word is a version.
    let others = brands.get(2..).unwrap_or_default();
    let mut named = std::iter::once(major).chain(others);
    name == *b"ftyp" && named.any(|brand| brand == b"avif" || brand == b"avis")
}

/// Width and height of the picture in `bytes`, or in a file that begins with them.
pub(super) fn size(bytes: &[u8]) -> Result<[u32; 2], Undecodable> {
    match parts(bytes)? {
        Parts::Still(meta) => items::Items::of(meta)?.size(),
        Parts::Sequence(moov) => Ok(track::colours(moov)?.size),
    }
}

/// The picture in a whole file: the primary item, or a sequence's first.
pub(super) fn read(bytes: &[u8]) -> Result<Contained, Undecodable> {
    match parts(bytes)? {
        Parts::Still(meta) => items::Items::of(meta)?.contained(bytes),
        Parts::Sequence(moov) => track::contained(moov, bytes),
    }
}

/// The content of the box that describes the picture.
enum Parts<'f> {
    Still(&'f [u8]),
    Sequence(&'f [u8]),
}

/// Where a file has both a picture and a sequence, its first brand decides, as in libavif.
fn parts(bytes: &[u8]) -> Result<Parts<'_>, Undecodable> {
    let boxes = Reader(bytes).outermost()?;
    let find = |name: &[u8; 4]| boxes.iter().find(|of| of.name == *name);
    let meta = find(b"meta").map(|of| Parts::Still(of.content));
    let moov = find(b"moov").map(|of| Parts::Sequence(of.content));
    let still_first = bytes.get(8..12) == Some(b"avif");
    let (first, second) = if still_first {
        (meta, moov)
    } else {
        (moov, meta)
    };
    first.or(second).ok_or_else(cut)
}
