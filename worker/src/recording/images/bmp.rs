//! BMP of 16 bits as Pillow widens it, and the kinds that are not read.
//!
//! The `image` crate decodes. It rounds colours of 5 and 6 bits to 8, where Pillow truncates. Pillow takes a palette
//! of greys in their order for none, and then reads pixels of one bit (black and white) or of eight, however many
//! they have.

use image::RgbImage;

use super::picture::{Undecodable, bytes_at};

/// How files begin.
pub(super) const SIGNATURE: &[u8] = b"BM";
/// Where the rest of the header says how long it is; the shortest is another format's, without the others.
const HEADER_BYTES: usize = 14;
const SHORTEST_HEADER: u32 = 12;
const PIXELS: usize = 10;
const WIDTH: usize = 18;
const BITS: usize = 28;
const COMPRESSION: usize = 30;
const COLOURS: usize = 46;
const MASKS: usize = 54;
/// Most bits of a pixel that has a palette.
const INDEXED: u32 = 8;
/// Kinds of compression.
const PLAIN: u32 = 0;
const RUNS: [u32; 2] = [1, 2];
const MASKED: u32 = 3;

/// The bits of red, green and blue, where colours of 16 bits must be widened.
pub(super) fn widths(bmp: &[u8]) -> Result<Option<[u32; 3]>, Undecodable> {
    let word = |at: usize| {
        let bytes = bytes_at(bmp, at);
        let bytes = bytes.ok_or_else(|| Undecodable::not_a_picture("a BMP without its header"));
        bytes.map(u32::from_le_bytes)
    };
    if word(HEADER_BYTES)? == SHORTEST_HEADER {
        // The planes' number is in the lower half, width and height in a word before it.
        check_palette(bmp, word(WIDTH + 4)? >> 16, 0, PLAIN, 3)?;
        return Ok(None);
    }
    let compression = word(COMPRESSION)?;
    check_palette(bmp, word(BITS - 2)? >> 16, word(COLOURS)?, compression, 4)?;
    if RUNS.contains(&compression) {
        let runs = bmp.get(word(PIXELS)? as usize..).unwrap_or(&[]);
        let even = word(PIXELS)? % 2 == 0;
        if even
            && covers(
                runs,
                [word(WIDTH)?, word(WIDTH + 4)?],
                compression == RUNS[1],
            )
            .is_some()
        {
            return Ok(None);
        }
        return Err(Undecodable::not_a_picture(
            "a BMP of run lengths (RLE) that leave pixels out",
        ));
    }
    // The planes' number is in the lower half.
    if word(BITS - 2)? >> 16 != 16 {
        return Ok(None);
    }
    if compression == PLAIN {
        return Ok(Some([5; 3]));
    }
    let masks = [word(MASKS)?, word(MASKS + 4)?, word(MASKS + 8)?];
    match (compression, masks) {
        (MASKED, [0x7c00, 0x3e0, 0x1f]) => Ok(Some([5; 3])),
        (MASKED, [0xf800, 0x7e0, 0x1f]) => Ok(Some([5, 6, 5])),
        _ => Err(Undecodable::not_a_picture(
            "a BMP of 16 bits that are not 5, 5 and 5 or 5, 6 and 5",
        )),
    }
}

/// Refuses a palette that Pillow reads as none, and pixels that begin before its end. An entry has so many
/// `bytes`; of `colours` that are not said, there are as many as `bits` can tell.
fn check_palette(
    bmp: &[u8],
    bits: u32,
    colours: u32,
    compression: u32,
    bytes: usize,
) -> Result<(), Undecodable> {
    let header = bytes_at(bmp, HEADER_BYTES).map_or(0, u32::from_le_bytes) as usize;
    let start = HEADER_BYTES + header;
    let all = if bits <= INDEXED { 1_usize << bits } else { 0 };
    let colours = match colours as usize {
        0 => all,
        // The decoder refuses more than the bits can tell.
        said => said.min(all),
    };
    let pixels = bytes_at(bmp, PIXELS).map_or(0, u32::from_le_bytes) as usize;
    if pixels < start + colours * bytes {
        return Err(Undecodable::not_a_picture(
            "a BMP whose pixels begin before the end of its header",
        ));
    }
    let palette = &bmp.get(start..start + colours * bytes).unwrap_or(&[]);
    let is_grey = |at: usize, level: usize| palette[at * bytes..][..3] == [level as u8; 3];
    let is_in_order = match palette.len() / bytes {
        0 => false,
        2 => is_grey(0, 0) && is_grey(1, 255),
        colours => (0..colours).all(|at| is_grey(at, at)),
    };
    let is_read = match bits {
        1 => colours == 2,
        8 => colours == all,
        _ => colours == all && RUNS.contains(&compression),
    };
    if is_in_order && !is_read {
        return Err(Undecodable::not_a_picture(
            "a BMP of 4 or 8 bits whose palette is black and white, or a few greys in their order",
        ));
    }
    Ok(())
}

/// Whether runs of colours fill every row to its end: Pillow and other programs paint what is left out
/// in different colours. `halves` says that a byte has two colours.
fn covers(runs: &[u8], [width, height]: [u32; 2], halves: bool) -> Option<()> {
    let (mut at, mut x, mut y) = (0, 0, 0);
    while x <= width {
        let [count, of] = [*runs.get(at)?, *runs.get(at + 1)?];
        at += 2;
        match (count, of) {
            (0, 0) if x < width => return None,
            (0, 0) => (x, y) = (0, y + 1),
            (0, 1) => return (x == width && y + 1 == height).then_some(()),
            (0, 2) => return None,
            (0, single) => {
                let bytes = if halves { single.div_ceil(2) } else { single };
                at += usize::from(bytes).next_multiple_of(2);
                x += u32::from(single);
            }
            (count, _) => x += u32::from(count),
        }
        if y == height {
            return Some(());
        }
    }
    None
}

/// From rounded colours of so many bits to Pillow's.
pub(super) fn truncate(rgb: &mut RgbImage, widths: [u32; 3]) {
    for pixel in rgb.pixels_mut() {
        for (byte, bits) in pixel.0.iter_mut().zip(widths) {
            // Rounding leaves the upper bits as they were.
            let value = u32::from(*byte) >> (8 - bits);
            *byte = (value * 255 / ((1 << bits) - 1)) as u8;
        }
    }
}
