//! From a file's bytes to what Pillow 13's `convert("RGB")` makes of it: one function per format, chosen
//! by content.
//!
//! Knows bytes only. No format's claims decide how much memory is taken: sizes are checked first.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage};

use nrp_proto::panics::caught;

use super::picture::{Header, MAX_DECODED_BYTES, Picture, Undecodable, clipped, picture, upper};
use super::{avif, bmp, gif, jpeg, jpeg2000, tiff};
use crate::recording::limits::MAX_SIDE_PIXELS;
use crate::recording::words::first_bytes;

/// Where a PNG says how deep it is, and after that whether it is grey (0), in colour, or has an alpha
/// channel.
const PNG_DEPTH: usize = 24;

/// How a file is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Jpeg,
    Jpeg2000,
    Tiff,
    Avif,
    /// Of a format that is named, and not read.
    Unread(&'static str),
    /// By the `image` crate, whose lossless formats have one possible result.
    Other,
}

/// Tells a file's format by its first bytes, never by its name.
fn kind(bytes: &[u8]) -> Kind {
    if bytes.starts_with(b"\xff\xd8\xff") {
        Kind::Jpeg
    } else if jpeg2000::SIGNATURES.iter().any(|of| bytes.starts_with(of)) {
        Kind::Jpeg2000
    } else if tiff::SIGNATURES.iter().any(|of| bytes.starts_with(of)) {
        Kind::Tiff
    } else if avif::is_avif(bytes) {
        Kind::Avif
    } else if let Some(name) = unread(bytes) {
        Kind::Unread(name)
    } else {
        Kind::Other
    }
}

/// Names a format of pictures that is not read.
fn unread(bytes: &[u8]) -> Option<&'static str> {
    let brand = bytes.get(4..12)?;
    match brand {
        b"ftypheic" | b"ftypheix" | b"ftypmif1" => Some("HEIF"),
        _ => None,
    }
}

/// The picture in `bytes`.
pub(super) fn decode(bytes: Vec<u8>) -> Result<Picture, Undecodable> {
    let first = first_bytes(&bytes);
    let decoded = caught(|| match kind(&bytes) {
        Kind::Jpeg => of_jpeg(&bytes),
        Kind::Jpeg2000 => jpeg2000::decode(&bytes),
        Kind::Tiff => tiff::decode(bytes),
        Kind::Avif => avif::decode(&bytes),
        Kind::Unread(name) => Err(Undecodable::NotAPicture(format!("{name} is not read"))),
        Kind::Other => other(&bytes),
    });
    let decoded = decoded.unwrap_or_else(|panic| Err(Undecodable::NotAPicture(panic)));
    decoded.map_err(|error| match error {
        Undecodable::NotAPicture(found) => {
            Undecodable::NotAPicture(format!("{found}; it starts with {first}"))
        }
        Undecodable::TooLarge(size) => Undecodable::TooLarge(size),
    })
}

/// Size and kind of the picture in `bytes`, or in a file that begins with them.
pub(super) fn header(bytes: &[u8]) -> Result<Header, Undecodable> {
    let read = caught(|| uncaught_header(bytes));
    read.unwrap_or_else(|panic| Err(Undecodable::NotAPicture(panic)))
}

fn uncaught_header(bytes: &[u8]) -> Result<Header, Undecodable> {
    let kept = |(width, height)| Header {
        size: [width, height],
        redecoded: false,
        clipped: false,
    };
    match kind(bytes) {
        Kind::Jpeg => {
            let markers = jpeg::Markers::of(bytes)?;
            Ok(Header {
                size: [markers.width, markers.height],
                redecoded: true,
                clipped: false,
            })
        }
        Kind::Jpeg2000 => jpeg2000::size(bytes).map(kept),
        Kind::Tiff => tiff::header(bytes),
        Kind::Avif => avif::size(bytes).map(kept),
        Kind::Unread(name) => Err(Undecodable::NotAPicture(format!("{name} is not read"))),
        Kind::Other => {
            let widened = checked(bytes)?.is_some();
            let reader = guessed(bytes);
            let png = reader.format() == Some(ImageFormat::Png);
            Ok(Header {
                redecoded: widened,
                clipped: png && is_deep_grey(bytes),
                ..kept(reader.into_dimensions()?)
            })
        }
    }
}

/// Refuses what the `image` crate makes other pixels of than Pillow; the bits of a BMP's colours where
/// they are to be widened.
fn checked(bytes: &[u8]) -> Result<Option<[u32; 3]>, Undecodable> {
    if bytes.starts_with(gif::SIGNATURE) {
        gif::check(bytes)?;
    }
    if bytes.starts_with(bmp::SIGNATURE) {
        return bmp::widths(bytes);
    }
    Ok(None)
}

/// Whether a PNG is of 16-bit grey without an alpha channel.
fn is_deep_grey(png: &[u8]) -> bool {
    png.get(PNG_DEPTH..PNG_DEPTH + 2) == Some(&[16, 0])
}

fn guessed(bytes: &[u8]) -> ImageReader<Cursor<&[u8]>> {
    ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .expect("reading from memory does not fail")
}

fn of_jpeg(bytes: &[u8]) -> Result<Picture, Undecodable> {
    let decoded = jpeg::decode(bytes)?;
    let mode = match decoded.channels {
        jpeg::Channels::Grey => "L8",
        jpeg::Channels::Rgb => "Rgb8",
        jpeg::Channels::Cmyk => "Cmyk8",
    };
    let (width, height) = (decoded.width, decoded.height);
    picture(width, height, jpeg::to_rgb(decoded), mode)
}

fn other(bytes: &[u8]) -> Result<Picture, Undecodable> {
    let widths = checked(bytes)?;
    let mut reader = guessed(bytes);
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE_PIXELS);
    limits.max_image_height = Some(MAX_SIDE_PIXELS);
    limits.max_alloc = Some(MAX_DECODED_BYTES);
    reader.limits(limits);
    let format = reader.format();
    let decoder = reader.into_decoder()?;
    let mode = if format == Some(ImageFormat::Png) && is_deep_grey(bytes) {
        "L16".to_owned()
    } else {
        format!("{:?}", decoder.original_color_type())
    };
    let image = DynamicImage::from_decoder(decoder)?;
    // Pillow does not treat a transparent shade of grey as an alpha channel.
    let grey = format == Some(ImageFormat::Png) && bytes.get(PNG_DEPTH + 1) == Some(&0);
    let mut rgb = as_pillow(image, grey).map_err(Undecodable::NotAPicture)?;
    if let Some(widths) = widths {
        bmp::truncate(&mut rgb, widths);
    }
    Ok(Picture { rgb, mode })
}

/// Grey is repeated, alpha dropped (not blended), 16 bits per colour cut to the upper 8. Grey of 16
/// bits without an alpha channel is clipped at 255: Pillow does so, whatever the writer meant, and
/// `nrp data check` points it out. `grey` says that the file's alpha is one shade of grey.
fn as_pillow(image: DynamicImage, grey: bool) -> Result<RgbImage, String> {
    match image {
        DynamicImage::ImageLuma16(deep) => {
            Ok(RgbImage::from_fn(deep.width(), deep.height(), |x, y| {
                image::Rgb([clipped(deep.get_pixel(x, y).0[0]); 3])
            }))
        }
        DynamicImage::ImageLumaA16(deep) => {
            let byte = |value| if grey { clipped(value) } else { upper(value) };
            Ok(RgbImage::from_fn(deep.width(), deep.height(), |x, y| {
                image::Rgb([byte(deep.get_pixel(x, y).0[0]); 3])
            }))
        }
        DynamicImage::ImageRgb8(rgb) => Ok(rgb),
        DynamicImage::ImageLuma8(grey) => Ok(DynamicImage::ImageLuma8(grey).into_rgb8()),
        DynamicImage::ImageLumaA8(grey) => Ok(DynamicImage::ImageLumaA8(grey).into_rgb8()),
        DynamicImage::ImageRgba8(rgba) => Ok(DynamicImage::ImageRgba8(rgba).into_rgb8()),
        DynamicImage::ImageRgb16(rgb) => {
            Ok(RgbImage::from_fn(rgb.width(), rgb.height(), |x, y| {
                image::Rgb(rgb.get_pixel(x, y).0.map(upper))
            }))
        }
        DynamicImage::ImageRgba16(rgba) => {
            Ok(RgbImage::from_fn(rgba.width(), rgba.height(), |x, y| {
                let [r, g, b, _] = rgba.get_pixel(x, y).0;
                image::Rgb([r, g, b].map(upper))
            }))
        }
        other => Err(format!(
            "its pixels are {:?}, which has no agreed 8-bit form",
            other.color()
        )),
    }
}

#[cfg(test)]
pub(super) mod tests;
