//! JPEG, decoded by libjpeg-turbo's own code (as MozJPEG ships it, whose decoder is the same), so that
//! pixels are Pillow's: integer inverse cosine transform, triangle filter for halved chroma.
//!
//! libjpeg repairs what it can and goes on, each version in its own way, so damaged files are refused.

mod damage;

use mozjpeg::{ColorSpace, Decompress};
use nrp_proto::panics::caught;

use super::picture::{Undecodable, bytes_at, cmyk_to_rgb};
use crate::recording::limits::MAX_SIDE_PIXELS;

/// Most scans of a progressive JPEG. Usual are ten; each costs time for all pixels, however few bytes
/// it has.
const MAX_SCANS: usize = 500;

/// What each pixel consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Channels {
    Grey,
    Rgb,
    Cmyk,
}

impl Channels {
    pub(super) fn count(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::Rgb => 3,
            Self::Cmyk => 4,
        }
    }
}

/// The pixels of a JPEG as libjpeg returns them.
pub(super) struct Decoded {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) channels: Channels,
    /// Row by row, channels interleaved; inks as they are stored.
    pub(super) samples: Vec<u8>,
}

/// What a JPEG's markers say.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Markers {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) channels: Channels,
    scans: usize,
    /// Whether the end-of-image marker is there.
    ended: bool,
}

/// The picture in RGB. Inks are inverted, as Adobe's programs store them and Pillow always assumes.
pub(super) fn to_rgb(decoded: Decoded) -> Vec<u8> {
    match decoded.channels {
        Channels::Rgb => decoded.samples,
        Channels::Grey => decoded
            .samples
            .iter()
            .flat_map(|&level| [level; 3])
            .collect(),
        Channels::Cmyk => {
            let pixels = decoded.samples.as_chunks::<4>().0.iter();
            pixels
                .flat_map(|inks| cmyk_to_rgb(inks.map(|ink| !ink)))
                .collect()
        }
    }
}

/// Decodes a whole JPEG.
pub(super) fn decode(jpeg: &[u8]) -> Result<Decoded, Undecodable> {
    let markers = Markers::of(jpeg)?;
    let Markers {
        width,
        height,
        channels,
        ..
    } = markers;
    if markers.scans > MAX_SCANS {
        let scans = markers.scans;
        return Err(Undecodable::TooLarge(format!(
            "it has {scans} scans; the limit is {MAX_SCANS}"
        )));
    }
    if !markers.ended {
        return Err(Undecodable::not_a_picture("a JPEG without its end"));
    }
    // libjpeg's errors unwind through its C code, which is built for it, to here.
    let decoded = caught(|| pixels(jpeg, channels));
    let samples = decoded.and_then(|read| read.map_err(|error| error.to_string()));
    let samples =
        samples.map_err(|problem| Undecodable::NotAPicture(format!("a JPEG: {problem}")))?;
    if samples.len() != width as usize * height as usize * channels.count() {
        return Err(Undecodable::not_a_picture("a JPEG of two sizes"));
    }
    let sound = caught(|| damage::check(jpeg)).unwrap_or_else(Err);
    sound.map_err(|problem| Undecodable::NotAPicture(format!("a JPEG that {problem}")))?;
    Ok(Decoded {
        width,
        height,
        channels,
        samples,
    })
}

fn pixels(jpeg: &[u8], channels: Channels) -> std::io::Result<Vec<u8>> {
    let mut started = Decompress::new_mem(jpeg)?.to_colorspace(match channels {
        Channels::Grey => ColorSpace::JCS_GRAYSCALE,
        Channels::Rgb => ColorSpace::JCS_RGB,
        Channels::Cmyk => ColorSpace::JCS_CMYK,
    })?;
    let samples = started.read_scanlines::<u8>()?;
    started.finish()?;
    Ok(samples)
}

impl Markers {
    /// Reads the markers up to the end of the image, without decoding. Of a file's beginning, it reads
    /// what there is; the size must be in it.
    pub(super) fn of(jpeg: &[u8]) -> Result<Self, Undecodable> {
        let mut frame = None;
        let (mut scans, mut ended) = (0, false);
        let mut at = 2;
        while let Some((marker, start)) = next_marker(jpeg, at) {
            at = start;
            match marker {
                // These have no segment: padding, restarts, a start of image.
                0x00 | 0x01 | 0xd0..=0xd8 => continue,
                0xd9 => {
                    ended = true;
                    break;
                }
                _ => {}
            }
            let Some(length) = bytes_at(jpeg, start) else {
                break;
            };
            let length = usize::from(u16::from_be_bytes(length));
            let segment = jpeg
                .get(start + 2..start + length.max(2))
                .unwrap_or_default();
            match marker {
                // Start of frame, but for the three codes that mean something else.
                0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) && frame.is_none() => {
                    frame = Some(size_and_channels(marker, segment)?);
                }
                0xda => scans += 1,
                _ => {}
            }
            at = start + length.max(2);
        }
        let (width, height, channels) =
            frame.ok_or_else(|| Undecodable::not_a_picture("a JPEG without a picture"))?;
        Ok(Self {
            width,
            height,
            channels,
            scans,
            ended,
        })
    }
}

/// The next marker from `at` on, and the position after it.
fn next_marker(jpeg: &[u8], at: usize) -> Option<(u8, usize)> {
    let mut at = at + jpeg.get(at..)?.iter().position(|&byte| byte == 0xff)?;
    while *jpeg.get(at)? == 0xff {
        at += 1;
    }
    Some((jpeg[at], at + 1))
}

/// Reads a start of frame; refuses what Pillow does, and the kinds that are not decoded.
fn size_and_channels(marker: u8, segment: &[u8]) -> Result<(u32, u32, Channels), Undecodable> {
    let &[bits, h1, h0, w1, w0, components, ..] = segment else {
        return Err(Undecodable::not_a_picture("a JPEG whose header is cut"));
    };
    let refused = |what: String| Err(Undecodable::NotAPicture(format!("a JPEG {what}")));
    if bits != 8 {
        return refused(format!("of {bits} bits; only 8 are read"));
    }
    // Baseline, extended and progressive, by Huffman or arithmetic coding.
    if !matches!(marker, 0xc0 | 0xc1 | 0xc2 | 0xc9 | 0xca) {
        return refused("that is lossless or hierarchical".to_owned());
    }
    let channels = match components {
        1 => Channels::Grey,
        3 => Channels::Rgb,
        4 => Channels::Cmyk,
        other => return refused(format!("of {other} components; 1, 3 and 4 are read")),
    };
    let [height, width] = [[h1, h0], [w1, w0]].map(|side| u32::from(u16::from_be_bytes(side)));
    if width == 0 || height == 0 {
        return refused(format!("of {width} × {height} pixels"));
    }
    if width.max(height) > MAX_SIDE_PIXELS {
        return Err(Undecodable::too_large(width, height));
    }
    Ok((width, height, channels))
}

#[cfg(test)]
mod tests;
