//! Pictures: what every format's decoder returns, or why it does not, and what Pillow makes of deep and
//! printed colours.

use image::RgbImage;

use crate::recording::limits::MAX_SIDE_PIXELS;

/// Most memory that decoding one image may take.
pub(super) const MAX_DECODED_BYTES: u64 = 512 << 20;

/// A decoded image.
pub(in crate::recording) struct Picture {
    /// Its pixels.
    pub(in crate::recording) rgb: RgbImage,
    /// The pixel format of the file.
    pub(in crate::recording) mode: String,
}

/// What a file's beginning says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::recording) struct Header {
    /// Width and height in pixels, as decoded.
    pub(in crate::recording) size: [u32; 2],
    /// Whether nrp has ever decoded such a file to other pixels; see [`PictureFacts`].
    ///
    /// [`PictureFacts`]: crate::recording::PictureFacts
    pub(in crate::recording) redecoded: bool,
    /// Whether it is 16-bit grey, which is clipped at 255.
    pub(in crate::recording) clipped: bool,
}

/// Why a file is not decoded.
#[derive(Debug)]
pub(super) enum Undecodable {
    /// It takes too much memory or time, in words.
    TooLarge(String),
    /// It is not a picture, or one of a kind that is not read; in words.
    NotAPicture(String),
}

impl Undecodable {
    pub(super) fn not_a_picture(what: &str) -> Self {
        Self::NotAPicture(what.to_owned())
    }

    pub(super) fn too_large(width: u32, height: u32) -> Self {
        Self::TooLarge(format!(
            "{width} × {height} pixels; the limit is {MAX_SIDE_PIXELS} each way"
        ))
    }
}

impl From<image::ImageError> for Undecodable {
    fn from(error: image::ImageError) -> Self {
        match error {
            image::ImageError::Limits(limit) => Self::TooLarge(limit.to_string()),
            other => Self::NotAPicture(other.to_string()),
        }
    }
}

/// The bytes of a file from `place` on, if it has as many.
pub(super) fn bytes_at<const N: usize>(file: &[u8], place: usize) -> Option<[u8; N]> {
    file.get(place..)?.first_chunk().copied()
}

/// A picture of `rgb` bytes, row by row.
pub(super) fn picture(
    width: u32,
    height: u32,
    rgb: Vec<u8>,
    mode: &str,
) -> Result<Picture, Undecodable> {
    let rgb = RgbImage::from_raw(width, height, rgb);
    Ok(Picture {
        rgb: rgb.ok_or_else(|| Undecodable::not_a_picture("too few pixels for its size"))?,
        mode: mode.to_owned(),
    })
}

/// The upper byte, which Pillow keeps of 16-bit colours.
pub(super) fn upper(value: u16) -> u8 {
    (value >> 8) as u8
}

/// What Pillow makes of 16-bit grey.
pub(super) fn clipped(value: u16) -> u8 {
    value.min(255) as u8
}

/// Pillow's conversion of inks, 255 for full.
pub(super) fn cmyk_to_rgb([c, m, y, k]: [u8; 4]) -> [u8; 3] {
    let paper = 255 - u32::from(k);
    [c, m, y].map(|ink| {
        let product = u32::from(ink) * paper + 128;
        (paper - (((product >> 8) + product) >> 8)) as u8
    })
}
