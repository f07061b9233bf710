//! JPEG 2000 (`.jp2`, `.j2k`), of 8 bits in grey or RGB, with or without alpha.
//!
//! Decoded by hayro-jpeg2000. The reversible transform has one possible result, which is Pillow's. The
//! irreversible one, in floats, is up to a grey level off Pillow's, so it is refused, as is what Pillow reads
//! in ways of its own (palettes, YCC, subsampled or deeper components).

use hayro_jpeg2000::{DecodeSettings, DecoderContext, Image};

use super::picture::{MAX_DECODED_BYTES, Picture, Undecodable, bytes_at, picture};
use crate::recording::limits::MAX_SIDE_PIXELS;

/// How files begin: in a container, or as a bare codestream.
pub(super) const SIGNATURES: [&[u8]; 2] =
    [b"\x00\x00\x00\x0cjP  \x0d\x0a\x87\x0a", b"\xff\x4f\xff\x51"];
/// The marker of the codestream's size, right after its start.
const SIZE: &[u8] = b"\xff\x4f\xff\x51";
/// Markers of the codestream: how all components or one of them are coded, and where tiles begin.
const CODING: u8 = 0x52;
const CODING_OF_COMPONENT: u8 = 0x53;
const TILE: u8 = 0x90;
/// Deepest components that are read.
const BITS: u8 = 8;
/// Bytes that decoding takes per sample: numbers of 32 bits, before and after the transform.
const BYTES_PER_SAMPLE: u64 = 8;
/// Colour spaces of the container: sRGB and grey.
const COLOURS: [u32; 2] = [16, 17];

/// Width and height in pixels.
pub(super) fn size(bytes: &[u8]) -> Result<(u32, u32), Undecodable> {
    Ok(Frame::of(bytes)?.size)
}

/// Decodes a whole file.
pub(super) fn decode(bytes: &[u8]) -> Result<Picture, Undecodable> {
    let frame = Frame::of(bytes)?;
    let (width, height) = frame.size;
    let samples = u64::from(width) * u64::from(height) * frame.components as u64;
    if samples * BYTES_PER_SAMPLE > MAX_DECODED_BYTES {
        return Err(Undecodable::too_large(width, height));
    }
    if bytes.starts_with(SIGNATURES[0]) {
        check_container(bytes)?;
    }
    let failed = |error| Undecodable::NotAPicture(format!("a JPEG 2000: {error}"));
    let settings = DecodeSettings {
        strict: true,
        ..DecodeSettings::default()
    };
    let image = Image::new(bytes, &settings).map_err(failed)?;
    let mut context = DecoderContext::default();
    let decoded = image.decode(&mut context).map_err(failed)?;
    let components = decoded.components();
    let pixels = width as usize * height as usize;
    if (image.width(), image.height()) != frame.size
        || components.len() != frame.components
        || components.iter().any(|of| of.samples().len() != pixels)
    {
        return Err(Undecodable::not_a_picture("a JPEG 2000 of two sizes"));
    }
    let byte = |component: usize, at: usize| components[component].samples()[at].round() as u8;
    // An alpha channel, the second or fourth component, is dropped.
    let colours: [usize; 3] = if frame.components < 3 {
        [0; 3]
    } else {
        [0, 1, 2]
    };
    let rgb = (0..pixels).flat_map(|at| colours.map(|of| byte(of, at)));
    let mode = ["L8", "La8", "Rgb8", "Rgba8"][frame.components - 1];
    picture(width, height, rgb.collect(), mode)
}

/// What the codestream's header says.
struct Frame {
    size: (u32, u32),
    components: usize,
}

impl Frame {
    fn of(bytes: &[u8]) -> Result<Self, Undecodable> {
        let cut = || Undecodable::not_a_picture("a JPEG 2000 whose header is cut");
        let start = bytes.windows(SIZE.len()).position(|of| of == SIZE);
        let header = &bytes[start.ok_or_else(cut)? + SIZE.len()..];
        let word = |at: usize| bytes_at(header, at).map(u32::from_be_bytes);
        // Length and capabilities take four bytes; then come the grid's size and the picture's offset.
        let side = |end: usize, offset: usize| word(end)?.checked_sub(word(offset)?);
        let width = side(4, 12).ok_or_else(cut)?;
        let height = side(8, 16).ok_or_else(cut)?;
        let components = bytes_at(header, 36).map(u16::from_be_bytes);
        let components = usize::from(components.ok_or_else(cut)?);
        if width == 0 || height == 0 {
            return Err(Undecodable::NotAPicture(format!(
                "a JPEG 2000 of {width} × {height} pixels"
            )));
        }
        if width.max(height) > MAX_SIDE_PIXELS {
            return Err(Undecodable::too_large(width, height));
        }
        if !(1..=4).contains(&components) {
            return Err(Undecodable::NotAPicture(format!(
                "a JPEG 2000 of {components} components; 1 to 4 are read"
            )));
        }
        if !is_reversible(header) {
            return Err(Undecodable::not_a_picture(
                "a JPEG 2000 by the irreversible (9/7) transform",
            ));
        }
        let described = header.get(38..38 + 3 * components).ok_or_else(cut)?;
        for [depth, across, down] in described.as_chunks::<3>().0 {
            if *depth != BITS - 1 || (*across, *down) != (1, 1) {
                return Err(Undecodable::not_a_picture(
                    "a JPEG 2000 whose components are subsampled, signed or not of 8 bits",
                ));
            }
        }
        Ok(Self {
            size: (width, height),
            components,
        })
    }
}

/// Whether every component is coded by the reversible transform, as far as the main header says it.
/// `header` begins with the length of its first segment.
fn is_reversible(header: &[u8]) -> bool {
    let mut rest = header;
    let mut found = false;
    while let Some((length, _)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length));
        let Some([0xff, marker, after @ ..]) = rest.get(length..) else {
            return false;
        };
        // Where a segment says the transform, counted from its length.
        let transform = match *marker {
            CODING => after.get(11),
            CODING_OF_COMPONENT => after.get(8),
            TILE => return found,
            _ => Some(&1),
        };
        if transform != Some(&1) {
            return false;
        }
        found |= *marker == CODING;
        rest = after;
    }
    false
}

/// Refuses a container that gives its components another meaning than grey or RGB in their order.
fn check_container(bytes: &[u8]) -> Result<(), Undecodable> {
    let refused = |what: &str| Err(Undecodable::NotAPicture(format!("a JPEG 2000 {what}")));
    let header = boxes(bytes).find(|(name, _)| name == b"jp2h");
    let Some((_, header)) = header else {
        return refused("without a header");
    };
    for (name, content) in boxes(header) {
        match &name {
            b"pclr" | b"cmap" => return refused("with a palette"),
            // Method, precedence, approximation, and the number of a colour space if the method is 1.
            b"colr" => {
                if let [1, _, _, number @ ..] = content {
                    let number = number.first_chunk().map(|four| u32::from_be_bytes(*four));
                    if !number.is_some_and(|number| COLOURS.contains(&number)) {
                        return refused("whose colours are neither sRGB nor grey");
                    }
                }
            }
            // Triples of 16 bits: channel, type (0 for colour), and the colour, counted from 1.
            b"cdef" => {
                let triples = content.get(2..).unwrap_or_default().as_chunks::<6>().0;
                let moved = triples.iter().any(|[_, channel, _, kind, _, colour]| {
                    *kind == 0 && *colour != channel.wrapping_add(1)
                });
                if moved {
                    return refused("whose channels are in another order");
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// The boxes of a container: name and content.
fn boxes(bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (name, after) = after.split_first_chunk::<4>()?;
        let length = match u32::from_be_bytes(*length) {
            0 => after.len(),
            // 64 bits follow: far beyond any file that is read.
            1 => return None,
            length => (length as usize).checked_sub(8)?,
        };
        let (content, after) = after.split_at_checked(length)?;
        rest = after;
        Some((*name, content))
    })
}
