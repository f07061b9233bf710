//! AVIF, as Pillow 13 reads it: the primary picture, or a sequence's first. It is neither turned nor
//! cropped, whatever the container asks for, and alpha is dropped.
//!
//! The container is read here, the AV1 stream in it is decoded by re_rav1d, and colours are computed as
//! libavif 1.4 and libyuv do it for Pillow.

mod av1;
mod boxes;
mod colours;
mod container;
mod floats;
mod items;
mod stream;
mod track;

use av1::Frame;
use colours::Alpha;
use container::Layer;
pub(super) use container::is_avif;

use super::picture::{MAX_DECODED_BYTES, Picture, Undecodable, picture};
use crate::recording::limits::MAX_SIDE_PIXELS;

/// Bytes that decoding takes per pixel: three numbers of 16 bits twice, and their colours.
const BYTES_PER_PIXEL: u64 = 15;

/// Width and height in pixels.
pub(super) fn size(bytes: &[u8]) -> Result<(u32, u32), Undecodable> {
    let [width, height] = container::size(bytes)?;
    check(width, height)?;
    Ok((width, height))
}

/// Decodes a whole file.
pub(super) fn decode(bytes: &[u8]) -> Result<Picture, Undecodable> {
    let (width, height) = size(bytes)?;
    let contained = container::read(bytes)?;
    let has_alpha = contained.alpha.is_some();
    let said = contained.meaning;
    let frame = decoded(contained.colours)?;
    let multiplied = match contained.alpha {
        Some(layer) if contained.premultiplied => Some(alpha(layer, &frame)?),
        Some(_) | None => None,
    };
    let alpha = match &multiplied {
        Some(alpha) => Alpha::Multiplied(alpha),
        None if has_alpha => Alpha::Apart,
        None => Alpha::None,
    };
    let rgb = colours::rgb(&frame, said.unwrap_or(frame.meaning), &alpha)?;
    let mode = match (frame.sampling.is_none(), has_alpha) {
        (true, false) => "L",
        (true, true) => "La",
        (false, false) => "Rgb",
        (false, true) => "Rgba",
    };
    picture(width, height, rgb, &format!("{mode}{}", frame.depth))
}

/// The alpha channel of a picture whose colours were multiplied by it.
fn alpha(layer: Layer, colours: &Frame) -> Result<Frame, Undecodable> {
    let alpha = decoded(layer)?;
    if alpha.size != colours.size || alpha.depth != colours.depth || !alpha.meaning.full {
        return Err(Undecodable::not_a_picture(
            "an AVIF whose colours were multiplied by an alpha channel of another size, depth or range",
        ));
    }
    Ok(alpha)
}

/// Decodes colours or alpha, whose tiles may be larger than the picture.
fn decoded(layer: Layer) -> Result<Frame, Undecodable> {
    let tiles = layer.tiles.iter().map(|tile| tile.size);
    for [width, height] in tiles.chain([layer.size]) {
        check(width, height)?;
    }
    av1::decode(layer)
}

/// Refuses pictures that take too much memory.
fn check(width: u32, height: u32) -> Result<(), Undecodable> {
    if width == 0 || height == 0 {
        return Err(Undecodable::NotAPicture(format!(
            "an AVIF of {width} × {height} pixels"
        )));
    }
    if width.max(height) > MAX_SIDE_PIXELS {
        return Err(Undecodable::too_large(width, height));
    }
    let bytes = u64::from(width) * u64::from(height) * BYTES_PER_PIXEL;
    if bytes > MAX_DECODED_BYTES {
        return Err(Undecodable::TooLarge(format!(
            "{width} × {height} pixels of an AVIF take up to {} MiB; the limit is {}",
            bytes >> 20,
            MAX_DECODED_BYTES >> 20
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
