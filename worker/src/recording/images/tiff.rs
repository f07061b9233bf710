//! TIFF, classic and Big, as Pillow reads it: the kinds of pixels of its table, and nothing else.
//!
//! The `tiff` crate unpacks strips and tiles; what their samples mean is decided here. JPEG inside TIFF
//! is decoded by [`jpeg`].

mod colours;

use std::io::Cursor;

use image::DynamicImage;
use image::metadata::Orientation;
use tiff::TiffError;
use tiff::decoder::{ChunkType, Decoder, Limits};
use tiff::tags::Tag;

use super::jpeg;
use super::picture::{Header, MAX_DECODED_BYTES, Picture, Undecodable, picture};
use crate::recording::limits::{MAX_FILE_BYTES, MAX_SIDE_PIXELS};
use colours::{Colours, Samples};

/// How files begin: either byte order, classic and Big.
pub(super) const SIGNATURES: [&[u8]; 4] = [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"];
/// The number of the tag that says what samples mean.
const PHOTOMETRIC: u16 = 262;
/// Samples that stand for themselves, the `tiff` crate's name for which is grey.
const AS_THEY_ARE: u16 = 1;
/// Compression by JPEG.
const JPEG: u16 = 7;
/// Samples whose alpha was multiplied into them.
const ASSOCIATED: u16 = 1;

type Reader<'b> = Decoder<Cursor<&'b [u8]>>;

/// What the tags say.
struct Tags {
    width: u32,
    height: u32,
    photometric: u16,
    compression: u16,
    bits: u16,
    samples: u16,
    /// What the samples beyond the colours are.
    extra: Vec<u16>,
    /// Whether each sample has a plane of its own.
    planar: bool,
    orientation: Orientation,
}

/// Size and kind of a picture.
pub(super) fn header(bytes: &[u8]) -> Result<Header, Undecodable> {
    let mut bytes = bytes.to_vec();
    let photometric = take_photometric(&mut bytes)?;
    let tags = Tags::of(&mut open(&bytes)?, photometric)?;
    let turned = matches!(
        tags.orientation,
        Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH
    );
    Ok(Header {
        size: if turned {
            [tags.height, tags.width]
        } else {
            [tags.width, tags.height]
        },
        redecoded: tags.compression == JPEG || tags.extra.first() == Some(&ASSOCIATED),
        clipped: tags.bits == 16 && tags.samples == 1,
    })
}

/// Decodes a whole file.
pub(super) fn decode(mut bytes: Vec<u8>) -> Result<Picture, Undecodable> {
    let photometric = take_photometric(&mut bytes)?;
    let mut reader = open(&bytes)?;
    let tags = Tags::of(&mut reader, photometric)?;
    let colours = Colours::of(&tags, &mut reader)?;
    let samples = if tags.compression == JPEG {
        of_jpegs(&bytes, &mut reader, &tags)?
    } else {
        unpacked(&mut reader, &tags)?
    };
    let decoded = picture(
        tags.width,
        tags.height,
        colours.to_rgb(&samples, &tags),
        &colours.mode(&tags),
    )?;
    // Pillow turns a TIFF by its tag, and no other file.
    let mut turned = DynamicImage::ImageRgb8(decoded.rgb);
    turned.apply_orientation(tags.orientation);
    Ok(Picture {
        rgb: turned.into_rgb8(),
        mode: decoded.mode,
    })
}

fn failed(error: TiffError) -> Undecodable {
    match error {
        TiffError::LimitsExceeded => Undecodable::TooLarge("it exceeds memory limits".to_owned()),
        other => Undecodable::NotAPicture(format!("a TIFF: {other}")),
    }
}

fn refused<T>(what: impl std::fmt::Display) -> Result<T, Undecodable> {
    Err(Undecodable::NotAPicture(format!("a TIFF {what}")))
}

fn open(bytes: &[u8]) -> Result<Reader<'_>, Undecodable> {
    let mut limits = Limits::default();
    limits.decoding_buffer_size = MAX_DECODED_BYTES as usize;
    limits.intermediate_buffer_size = MAX_FILE_BYTES as usize;
    let reader = Decoder::new(Cursor::new(bytes)).map_err(failed)?;
    Ok(reader.with_limits(limits))
}

impl Tags {
    fn of(reader: &mut Reader<'_>, photometric: u16) -> Result<Self, Undecodable> {
        let (width, height) = reader.dimensions().map_err(failed)?;
        if width.max(height) > MAX_SIDE_PIXELS {
            return Err(Undecodable::too_large(width, height));
        }
        let numbers = |reader: &mut Reader<'_>, tag| {
            let found = reader.find_tag_unsigned_vec::<u16>(tag);
            found.map(Option::unwrap_or_default).map_err(failed)
        };
        let mut number = |tag, default| -> Result<u16, Undecodable> {
            let found = reader.find_tag_unsigned::<u16>(tag).map_err(failed)?;
            Ok(found.unwrap_or(default))
        };
        let compression = number(Tag::Compression, 1)?;
        let samples = number(Tag::SamplesPerPixel, 1)?;
        let planar = number(Tag::PlanarConfiguration, 1)? == 2;
        let fill_order = number(Tag::FillOrder, 1)?;
        let orientation = number(Tag::Orientation, 1)?;
        let bits = numbers(reader, Tag::BitsPerSample)?;
        let extra = numbers(reader, Tag::ExtraSamples)?;
        let formats = numbers(reader, Tag::SampleFormat)?;
        if fill_order != 1 {
            return refused("whose bits are in reverse order");
        }
        if formats.iter().any(|format| *format != 1) {
            return refused("of signed numbers or floats, which have no agreed 8-bit form");
        }
        // `tiff` refuses a file whose samples differ in depth.
        let bits = bits.first().copied().unwrap_or(1);
        let orientation = u8::try_from(orientation)
            .ok()
            .and_then(Orientation::from_exif);
        Ok(Self {
            width,
            height,
            photometric,
            compression,
            bits,
            samples,
            extra,
            planar,
            orientation: orientation.unwrap_or(Orientation::NoTransforms),
        })
    }
}

/// What the first directory says that samples mean. It then says that they stand for themselves, so that
/// `tiff` unpacks them whatever they mean.
fn take_photometric(bytes: &mut [u8]) -> Result<u16, Undecodable> {
    let Some(at) = photometric_at(bytes) else {
        return refused("that does not say what its samples mean");
    };
    let value = [bytes[at], bytes[at + 1]];
    let (photometric, plain) = match bytes[0] {
        b'I' => (u16::from_le_bytes(value), AS_THEY_ARE.to_le_bytes()),
        _ => (u16::from_be_bytes(value), AS_THEY_ARE.to_be_bytes()),
    };
    bytes[at..at + 2].copy_from_slice(&plain);
    Ok(photometric)
}

/// Where the two bytes of [`PHOTOMETRIC`] are.
fn photometric_at(bytes: &[u8]) -> Option<usize> {
    let little = bytes.first()? == &b'I';
    let number = |at: usize, length: usize| -> Option<u64> {
        let bytes = bytes.get(at..at.checked_add(length)?)?.iter();
        let shifted = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        Some(if little {
            bytes.rev().fold(0, shifted)
        } else {
            bytes.fold(0, shifted)
        })
    };
    // Where the directory's offset is, the length of offsets and counts, and of entries.
    let (offset_at, count_bytes, wide, entry_bytes) = match number(2, 2)? {
        43 => (8, 8, 8, 20),
        _ => (4, 2, 4, 12),
    };
    let directory = usize::try_from(number(offset_at, wide)?).ok();
    let directory = directory.filter(|at| *at < bytes.len())?;
    let entries = usize::try_from(number(directory, count_bytes)?).ok()?;
    let first = directory + count_bytes;
    let entry = (0..entries.min(bytes.len() / entry_bytes))
        .map(|index| first + index * entry_bytes)
        .find(|at| number(*at, 2) == Some(u64::from(PHOTOMETRIC)))?;
    // A short or a long, whose value stands in the entry itself.
    let value = entry + 4 + wide;
    match number(entry + 2, 2)? {
        3 => {}
        4 if little => {}
        4 => return (number(value, 2)? == 0).then_some(value + 2),
        _ => return None,
    }
    number(value, 4).map(|_| value)
}

/// Unpacks all strips or tiles.
fn unpacked(reader: &mut Reader<'_>, tags: &Tags) -> Result<Samples, Undecodable> {
    if tags.planar && reader.get_chunk_type() == ChunkType::Tile {
        return refused("of planes in tiles");
    }
    let layout = reader.image_buffer_layout().map_err(failed)?;
    let bytes = layout.complete_len;
    if bytes as u64 > MAX_DECODED_BYTES {
        return Err(Undecodable::too_large(tags.width, tags.height));
    }
    let mut samples = Samples {
        bytes: vec![0; bytes],
        bits: usize::from(tags.bits),
        row_bytes: layout.row_stride.map_or(0, |stride| stride.get()),
        planes: tags
            .planar
            .then(|| layout.plane_stride.map_or(0, |stride| stride.get())),
        samples: usize::from(tags.samples),
    };
    reader
        .read_image_bytes(&mut samples.bytes)
        .map_err(failed)?;
    Ok(samples)
}

/// Decodes strips or tiles that are a JPEG each, with tables in common.
fn of_jpegs(file: &[u8], reader: &mut Reader<'_>, tags: &Tags) -> Result<Samples, Undecodable> {
    if tags.planar || tags.bits != 8 {
        return refused("of planes, or not of 8 bits, compressed by JPEG");
    }
    let (offsets, lengths) = match reader.get_chunk_type() {
        ChunkType::Strip => (Tag::StripOffsets, Tag::StripByteCounts),
        ChunkType::Tile => (Tag::TileOffsets, Tag::TileByteCounts),
    };
    let offsets = reader.get_tag_u64_vec(offsets).map_err(failed)?;
    let lengths = reader.get_tag_u64_vec(lengths).map_err(failed)?;
    let tables = reader.find_tag(Tag::JPEGTables).map_err(failed)?;
    let tables = tables.map(|tables| tables.into_u8_vec()).transpose();
    let tables = tables.map_err(failed)?.unwrap_or_default();
    let channels = usize::from(tags.samples);
    let row_bytes = tags.width as usize * channels;
    if (row_bytes * tags.height as usize) as u64 > MAX_DECODED_BYTES {
        return Err(Undecodable::too_large(tags.width, tags.height));
    }
    let mut bytes = vec![0; row_bytes * tags.height as usize];
    let (tile_width, tile_height) = reader.chunk_dimensions();
    let across = tags.width.div_ceil(tile_width) as usize;
    for (index, (offset, length)) in offsets.iter().zip(&lengths).enumerate() {
        let start = usize::try_from(*offset).unwrap_or(usize::MAX);
        let end = start.saturating_add(usize::try_from(*length).unwrap_or(usize::MAX));
        let Some(part) = file.get(start..end) else {
            return refused("that is cut");
        };
        let decoded = jpeg::decode(&whole(part, &tables, tags.photometric))?;
        let (left, top) = (
            index % across * tile_width as usize,
            index / across * tile_height as usize,
        );
        let (width, height) = reader.chunk_data_dimensions(index as u32);
        if decoded.channels.count() != channels || decoded.width < width || decoded.height < height
        {
            return refused("whose parts are of another size or kind");
        }
        let rows = decoded
            .samples
            .chunks_exact(decoded.width as usize * channels);
        for (row, line) in rows.take(height as usize).enumerate() {
            let at = (top + row) * row_bytes + left * channels;
            let length = width as usize * channels;
            bytes[at..at + length].copy_from_slice(&line[..length]);
        }
    }
    Ok(Samples {
        bytes,
        bits: 8,
        row_bytes,
        planes: None,
        samples: channels,
    })
}

/// A JPEG of its own: the tables in common, and a marker that says whether colours are YCbCr.
fn whole(part: &[u8], tables: &[u8], photometric: u16) -> Vec<u8> {
    let without_ends = tables.get(2..tables.len().saturating_sub(2));
    let transform = u8::from(photometric == colours::Y_CB_CR);
    let mut jpeg = b"\xff\xd8\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00".to_vec();
    jpeg.push(transform);
    jpeg.extend(without_ends.unwrap_or_default());
    jpeg.extend(part.get(2..).unwrap_or_default());
    jpeg
}
