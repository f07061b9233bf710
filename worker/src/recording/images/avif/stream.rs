//! What an AV1 stream says before it is decoded: how many frames it has, and what its numbers mean.

use super::boxes::cut;
use super::container::Meaning;
use crate::recording::images::picture::Undecodable;

/// Most frames in the stream of one picture; a picture in layers has at most four. Frames that are not
/// shown take time and no bytes.
const MAX_FRAMES: usize = 8;
/// Kinds of units (OBUs): a sequence's header, a frame's header, a frame with its header.
const SEQUENCE: u8 = 1;
const FRAME_HEADER: u8 = 3;
const FRAME: u8 = 6;
/// Code points of sRGB: primaries of BT.709, its curve, and no matrix.
const SRGB: [u16; 3] = [1, 13, 0];
/// The code point of what is not said.
const UNSPECIFIED: u16 = 2;

/// Checks how many frames a stream has, and returns what its first header says of its numbers.
pub(super) fn meaning(stream: &[u8]) -> Result<Meaning, Undecodable> {
    let mut rest = stream;
    let mut frames = 0;
    let mut meaning = None;
    while let Some((first, after)) = rest.split_first() {
        let kind = first >> 3 & 15;
        let extended = usize::from(first >> 2 & 1);
        let mut after = after.get(extended..).ok_or_else(cut)?;
        let length = if first >> 1 & 1 == 1 {
            leb128(&mut after)?
        } else {
            after.len()
        };
        let (unit, next) = after.split_at_checked(length).ok_or_else(cut)?;
        match kind {
            SEQUENCE if meaning.is_none() => meaning = Some(header(unit).ok_or_else(cut)?),
            FRAME_HEADER | FRAME => frames += 1,
            _ => {}
        }
        if frames > MAX_FRAMES {
            return Err(Undecodable::TooLarge(format!(
                "an AVIF of more than {MAX_FRAMES} frames in one picture"
            )));
        }
        rest = next;
    }
    meaning.ok_or_else(cut)
}

/// A length in groups of seven bits, the lowest first.
fn leb128(bytes: &mut &[u8]) -> Result<usize, Undecodable> {
    let mut length = 0u64;
    for group in 0..8 {
        let (byte, rest) = bytes.split_first().ok_or_else(cut)?;
        *bytes = rest;
        length |= u64::from(byte & 0x7f) << (7 * group);
        if byte >> 7 == 0 {
            return usize::try_from(length).map_err(|_| cut());
        }
    }
    Err(cut())
}

/// The bits of a header, from the highest of each byte.
struct Bits<'f> {
    bytes: &'f [u8],
    at: usize,
}

impl Bits<'_> {
    fn number(&mut self, bits: usize) -> Option<u64> {
        let mut number = 0;
        for _ in 0..bits {
            let byte = self.bytes.get(self.at / 8)?;
            number = number << 1 | u64::from(byte >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Some(number)
    }

    fn is(&mut self) -> Option<bool> {
        self.number(1).map(|bit| bit == 1)
    }
}

/// What a sequence's header (AV1 specification, 5.5) says of its numbers.
fn header(unit: &[u8]) -> Option<Meaning> {
    let mut bits = Bits { bytes: unit, at: 0 };
    let profile = bits.number(3)?;
    bits.is()?;
    let reduced = bits.is()?;
    if reduced {
        bits.number(5)?;
    } else {
        operating_points(&mut bits)?;
    }
    let [width, height] = [bits.number(4)? as usize + 1, bits.number(4)? as usize + 1];
    bits.number(width + height)?;
    if !reduced && bits.is()? {
        bits.number(7)?;
    }
    // Larger blocks, and two tools of prediction within a frame.
    bits.number(3)?;
    if !reduced {
        tools(&mut bits)?;
    }
    // Superresolution and two filters.
    bits.number(3)?;
    colours(&mut bits, profile)
}

/// Skips times and operating points.
fn operating_points(bits: &mut Bits<'_>) -> Option<()> {
    let mut delay = None;
    if bits.is()? {
        bits.number(64)?;
        if bits.is()? {
            let mut zeros = 0;
            while !bits.is()? {
                zeros += 1;
            }
            // A number of 32 zeros or more has no further bits.
            if zeros < 32 {
                bits.number(zeros)?;
            }
        }
        if bits.is()? {
            delay = Some(bits.number(5)? as usize + 1);
            bits.number(32 + 5 + 5)?;
        }
    }
    let displayed = bits.is()?;
    for _ in 0..=bits.number(5)? {
        bits.number(12)?;
        if bits.number(5)? > 7 {
            bits.is()?;
        }
        if let Some(delay) = delay
            && bits.is()?
        {
            bits.number(2 * delay + 1)?;
        }
        if displayed && bits.is()? {
            bits.number(4)?;
        }
    }
    Some(())
}

/// Skips which tools of prediction between frames are used.
fn tools(bits: &mut Bits<'_>) -> Option<()> {
    bits.number(4)?;
    let ordered = bits.is()?;
    if ordered {
        bits.number(2)?;
    }
    let screen = bits.is()? || bits.is()?;
    if screen && !bits.is()? {
        bits.is()?;
    }
    if ordered {
        bits.number(3)?;
    }
    Some(())
}

fn colours(bits: &mut Bits<'_>, profile: u64) -> Option<Meaning> {
    let deep = bits.is()?;
    if profile == 2 && deep {
        bits.is()?;
    }
    let grey = profile != 1 && bits.is()?;
    let mut points = [UNSPECIFIED; 3];
    if bits.is()? {
        for point in &mut points {
            *point = bits.number(8)? as u16;
        }
    }
    let full = (!grey && points == SRGB) || bits.is()?;
    let [primaries, _, matrix] = points;
    Some(Meaning {
        primaries,
        matrix,
        full,
    })
}
