//! What a TIFF's samples mean, and their RGB: the rows of Pillow's table of modes.

use super::{ASSOCIATED, JPEG, Reader, Tags, failed, refused};
use crate::recording::images::picture::{Undecodable, clipped, cmyk_to_rgb, upper};
use tiff::decoder::ifd::Value;
use tiff::tags::Tag;

const WHITE_IS_ZERO: u16 = 0;
const BLACK_IS_ZERO: u16 = 1;
const RGB: u16 = 2;
const PALETTE: u16 = 3;
const INKS: u16 = 5;
pub(super) const Y_CB_CR: u16 = 6;
/// Samples that are to be ignored.
const UNSPECIFIED: u16 = 0;
/// An alpha channel beside the colours.
const UNASSOCIATED: u16 = 2;

/// Samples as they are stored, unpacked.
pub(super) struct Samples {
    pub(super) bytes: Vec<u8>,
    /// Of each sample: 1, 2, 4, 8, or 16 in the machine's byte order.
    pub(super) bits: usize,
    pub(super) row_bytes: usize,
    /// Bytes of a plane, where each sample has one of its own.
    pub(super) planes: Option<usize>,
    /// Of each pixel.
    pub(super) samples: usize,
}

impl Samples {
    fn at(&self, x: usize, y: usize, sample: usize) -> u16 {
        let (plane, index) = match self.planes {
            Some(bytes) => (sample * bytes, x),
            None => (0, x * self.samples + sample),
        };
        let row = plane + y * self.row_bytes;
        match self.bits {
            16 => {
                let at = row + 2 * index;
                u16::from_ne_bytes([self.bytes[at], self.bytes[at + 1]])
            }
            bits => {
                let bit = index * bits;
                let byte = self.bytes[row + bit / 8] >> (8 - bits - bit % 8);
                u16::from(byte) & ((1 << bits) - 1)
            }
        }
    }
}

/// What the samples mean.
pub(super) enum Colours {
    /// Shades of grey.
    Grey { inverted: bool },
    /// Indices into these colours.
    Palette(Vec<[u8; 3]>),
    /// Red, green, blue; with an alpha channel multiplied in where `associated`.
    Rgb { associated: bool },
    /// Inks.
    Cmyk,
    /// Brightness and two differences.
    YCbCr(Box<YCbCr>),
}

impl Colours {
    pub(super) fn of(tags: &Tags, reader: &mut Reader<'_>) -> Result<Self, Undecodable> {
        let colours = match tags.photometric {
            WHITE_IS_ZERO | BLACK_IS_ZERO | PALETTE => 1,
            RGB | Y_CB_CR => 3,
            INKS => 4,
            other => return refused(unread(other)),
        };
        let unnamed = tags.photometric == RGB && tags.samples == 4 && tags.extra.is_empty();
        if usize::from(tags.samples) != colours + tags.extra.len() && !unnamed {
            return refused(format!(
                "of {} samples a pixel, {} of them extra",
                tags.samples,
                tags.extra.len()
            ));
        }
        let depths: &[u16] = match tags.photometric {
            WHITE_IS_ZERO => &[1, 2, 4, 8],
            BLACK_IS_ZERO => &[1, 2, 4, 8, 16],
            PALETTE => &[1, 2, 4, 8],
            RGB | INKS => &[8, 16],
            _ => &[8],
        };
        let depths = if tags.extra.is_empty() || tags.photometric == RGB {
            depths
        } else {
            &[8]
        };
        let alone = [UNSPECIFIED, ASSOCIATED, UNASSOCIATED];
        let extra_is_known = match (tags.extra.as_slice(), tags.photometric) {
            ([], _) => true,
            ([first, rest @ ..], RGB) => {
                alone.contains(first) && rest.iter().all(|of| *of == UNSPECIFIED)
            }
            (extra, INKS) => extra.iter().all(|of| *of == UNSPECIFIED),
            ([first], BLACK_IS_ZERO) => alone.contains(first),
            ([first], PALETTE) => [UNSPECIFIED, UNASSOCIATED].contains(first),
            _ => false,
        };
        if !depths.contains(&tags.bits) || !extra_is_known {
            return refused(format!(
                "of {} × {} bits a pixel in colours of kind {} (PhotometricInterpretation)",
                tags.samples, tags.bits, tags.photometric
            ));
        }
        let associated = tags.extra.first() == Some(&ASSOCIATED);
        Ok(match tags.photometric {
            WHITE_IS_ZERO | BLACK_IS_ZERO if associated => {
                return refused("of grey with its alpha channel multiplied in");
            }
            WHITE_IS_ZERO | BLACK_IS_ZERO => Self::Grey {
                inverted: tags.photometric == WHITE_IS_ZERO,
            },
            PALETTE => Self::Palette(palette(tags, reader)?),
            RGB => Self::Rgb { associated },
            INKS => Self::Cmyk,
            Y_CB_CR if tags.compression == JPEG => Self::Rgb { associated: false },
            Y_CB_CR => Self::YCbCr(Box::new(YCbCr::of(tags, reader)?)),
            other => return refused(unread(other)),
        })
    }

    /// The pixel format in words.
    pub(super) fn mode(&self, tags: &Tags) -> String {
        let bits = tags.bits;
        let alpha = if tags.extra.is_empty() { "" } else { "a" };
        match self {
            Self::Grey { .. } if tags.extra.is_empty() => format!("L{bits}"),
            Self::Grey { .. } => format!("La{bits}"),
            Self::Palette(_) => format!("Palette{bits}"),
            Self::Rgb { .. } => format!("Rgb{alpha}{bits}"),
            Self::Cmyk => format!("Cmyk{bits}"),
            Self::YCbCr(_) => format!("YCbCr{bits}"),
        }
    }

    /// The picture's RGB, row by row.
    pub(super) fn to_rgb(&self, samples: &Samples, tags: &Tags) -> Vec<u8> {
        let (width, height) = (tags.width as usize, tags.height as usize);
        let mut rgb = Vec::with_capacity(width * height * 3);
        for y in 0..height {
            for x in 0..width {
                rgb.extend(self.pixel(samples, x, y));
            }
        }
        rgb
    }

    fn pixel(&self, samples: &Samples, x: usize, y: usize) -> [u8; 3] {
        let at = |sample| samples.at(x, y, sample);
        let byte = |sample| match samples.bits {
            16 => upper(at(sample)),
            _ => at(sample) as u8,
        };
        match self {
            Self::Grey { inverted } => {
                let level = match samples.bits {
                    16 => clipped(at(0)),
                    bits => (at(0) * 255 / ((1 << bits) - 1)) as u8,
                };
                [if *inverted { !level } else { level }; 3]
            }
            Self::Palette(colours) => colours[usize::from(at(0))],
            Self::Rgb { associated: false } => [0, 1, 2].map(byte),
            Self::Rgb { associated: true } => {
                let alpha = u32::from(byte(3));
                [0, 1, 2].map(|sample| match alpha {
                    0 => 0,
                    alpha => (u32::from(byte(sample)) * 255 / alpha).min(255) as u8,
                })
            }
            Self::Cmyk => cmyk_to_rgb([0, 1, 2, 3].map(byte)),
            Self::YCbCr(tables) => tables.rgb([0, 1, 2].map(byte)),
        }
    }
}

/// The meaning of samples that are not read, by the number of PhotometricInterpretation.
fn unread(photometric: u16) -> String {
    let colours = match photometric {
        4 => return "that is a mask of another".to_owned(),
        8..=10 => "L*a*b*".to_owned(),
        32803 => "a camera's filter, unprocessed".to_owned(),
        32844 | 32845 => "logarithms of luminance".to_owned(),
        other => format!("kind {other} (PhotometricInterpretation)"),
    };
    format!("in colours of {colours}, which are not read")
}

/// The colours of a palette: all reds, all greens, all blues, of 16 bits each.
fn palette(tags: &Tags, reader: &mut Reader<'_>) -> Result<Vec<[u8; 3]>, Undecodable> {
    let values = reader.get_tag_u16_vec(Tag::ColorMap).map_err(failed)?;
    let colours = 1 << tags.bits;
    if values.len() != 3 * colours {
        return refused(format!(
            "with a palette of {} numbers; expected {}",
            values.len(),
            3 * colours
        ));
    }
    let colour = |at: usize| [0, 1, 2].map(|channel| upper(values[channel * colours + at]));
    Ok((0..colours).map(colour).collect())
}

/// How brightness and two differences become RGB.
pub(super) struct YCbCr {
    brightness: [i32; 256],
    red: [i32; 256],
    /// Of both differences, in fixed point.
    green: [[i32; 256]; 2],
    blue: [i32; 256],
    /// Fractional bits of `green`.
    shift: u32,
}

impl YCbCr {
    fn of(tags: &Tags, reader: &mut Reader<'_>) -> Result<Self, Undecodable> {
        let sampling = reader.find_tag_unsigned_vec::<u16>(Tag::ChromaSubsampling);
        let sampling = sampling.map_err(failed)?;
        let uncompressed = tags.compression == 1;
        // The default of TIFF is 2 × 2, which Pillow ignores where nothing is compressed.
        if sampling.unwrap_or(if uncompressed { vec![1, 1] } else { vec![2, 2] }) != [1, 1] {
            return refused("of YCbCr with subsampled colours");
        }
        if tags.planar {
            return refused("of YCbCr in planes");
        }
        if uncompressed {
            return Ok(Self::pillows());
        }
        let mut numbers = |tag, default: &[f32]| -> Result<Vec<f32>, Undecodable> {
            let found = match reader.find_tag(tag).map_err(failed)? {
                None => return Ok(default.to_vec()),
                Some(Value::List(numbers)) => numbers,
                Some(number) => vec![number],
            };
            let fraction = |number: &Value| match number {
                Value::Rational(over, under) => Some((f64::from(*over) / f64::from(*under)) as f32),
                _ => None,
            };
            let numbers: Option<Vec<f32>> = found.iter().map(fraction).collect();
            let numbers = numbers.filter(|numbers| numbers.len() == default.len());
            numbers.map_or_else(|| refused("whose YCbCr coefficients are not complete"), Ok)
        };
        let luma = numbers(Tag::Unknown(529), &[0.299, 0.587, 0.114])?;
        let range = [0.0, 255.0, 128.0, 255.0, 128.0, 255.0];
        let range = numbers(Tag::Unknown(532), &range)?;
        Ok(Self::libtiffs(&luma, &range))
    }

    /// Pillow's own conversion, in 6 fractional bits.
    fn pillows() -> Self {
        const BITS: u32 = 6;
        let table = |factor: f64| {
            std::array::from_fn(|at| {
                let scaled = factor * (at as f64 - 128.0) * f64::from(1 << BITS);
                (scaled + 0.5) as i32
            })
        };
        Self {
            brightness: std::array::from_fn(|at| at as i32),
            red: table(1.402).map(|of| of >> BITS),
            green: [table(-0.34414), table(-0.71414)],
            blue: table(1.772).map(|of| of >> BITS),
            shift: BITS,
        }
    }

    /// libtiff's, which Pillow uses where strips are compressed: by the file's coefficients, in 16
    /// fractional bits.
    fn libtiffs(luma: &[f32], range: &[f32]) -> Self {
        const BITS: u32 = 16;
        const HALF: i32 = 1 << (BITS - 1);
        let fixed = |x: f32| (f64::from(x.clamp(0.0, 2.0)) * f64::from(1 << BITS) + 0.5) as i32;
        let [lr, lg, lb] = [luma[0], luma[1], luma[2]];
        let (red, blue) = (2.0 - 2.0 * lr, 2.0 - 2.0 * lb);
        let (green_red, green_blue) = (-fixed(lr * red / lg), -fixed(lb * blue / lg));
        let value = |code: i32, black: f32, white: f32, most: f32| {
            let span = if white - black == 0.0 {
                1.0
            } else {
                white - black
            };
            let value = (code - black as i32) as f32 * most / span;
            value.clamp(-128.0 * 32.0, 128.0 * 32.0) as i32
        };
        let difference = |at: usize, of: usize| {
            let code = at as i32 - 128;
            value(code, range[of] - 128.0, range[of + 1] - 128.0, 127.0)
        };
        let cb = |at| difference(at, 2);
        let cr = |at| difference(at, 4);
        let product = |factor: i32, of: i32| factor.wrapping_mul(of);
        Self {
            brightness: std::array::from_fn(|at| value(at as i32, range[0], range[1], 255.0)),
            red: std::array::from_fn(|at| product(fixed(red), cr(at)).wrapping_add(HALF) >> BITS),
            green: [
                std::array::from_fn(|at| product(green_blue, cb(at)).wrapping_add(HALF)),
                std::array::from_fn(|at| product(green_red, cr(at))),
            ],
            blue: std::array::from_fn(|at| product(fixed(blue), cb(at)).wrapping_add(HALF) >> BITS),
            shift: BITS,
        }
    }

    fn rgb(&self, [y, cb, cr]: [u8; 3]) -> [u8; 3] {
        let [y, cb, cr] = [y, cb, cr].map(usize::from);
        let green = self.green[0][cb].wrapping_add(self.green[1][cr]) >> self.shift;
        let differences = [self.red[cr], green, self.blue[cb]];
        differences.map(|of| (self.brightness[y] + of).clamp(0, 255) as u8)
    }
}
