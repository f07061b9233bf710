//! Numbers as HDF5 stores them: integers and floating-point numbers of any width and byte order, with their
//! bits wherever the datatype says. The `hdf5-reader` crate reads four or eight bytes of floating point only,
//! and does not tell float16 from bfloat16.

use half::{bf16, f16};
use hdf5_reader::error::ByteOrder;

/// Bytes of a datatype before what describes its class.
const HEADER: usize = 8;

/// How a number is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NumberType {
    bytes: usize,
    order: ByteOrder,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// `bits` bits from `from` on.
    Integer {
        is_signed: bool,
        from: u32,
        bits: u32,
    },
    Float16,
    Bfloat16,
    Float32,
    Float64,
}

impl NumberType {
    /// Reads a datatype, as a file stores it: that of numbers, or of an enumeration's.
    ///
    /// # Errors
    /// When it is neither, or a number of a layout that is not read; the error is a phrase that follows the
    /// dataset's name.
    pub(crate) fn of(datatype: &[u8]) -> Result<Self, String> {
        let unread = || "has neither integers nor floating-point numbers".to_owned();
        let (head, rest) = datatype.split_first_chunk::<HEADER>().ok_or_else(unread)?;
        let [class, flags, sign, _, size @ ..] = *head;
        let bytes = u32::from_le_bytes(size) as usize;
        let order = match flags & 1 {
            0 => ByteOrder::LittleEndian,
            _ => ByteOrder::BigEndian,
        };
        let kind = match class & 15 {
            0 => integer(flags, bytes, rest),
            1 => floating_point(flags, sign, bytes, rest),
            // An enumeration: the type of its numbers follows.
            8 if rest.first().is_some_and(|class| class & 15 == 0) => return Self::of(rest),
            _ => return Err(unread()),
        }
        .ok_or_else(|| format!("has numbers of {} bits in an unusual layout", 8 * bytes))?;
        Ok(Self { bytes, order, kind })
    }

    /// What a number is once it is stored in this type.
    pub(crate) fn rounded(self) -> fn(f64) -> f64 {
        match self.kind {
            Kind::Integer { .. } | Kind::Float64 => |number| number,
            Kind::Float16 => |number| f16::from_f64(number).to_f64(),
            Kind::Bfloat16 => |number| bf16::from_f64(number).to_f64(),
            Kind::Float32 => |number| f64::from(number as f32),
        }
    }

    /// Of integers, whether they have a sign, and how many there are: 2 to the power of their bits.
    pub(crate) fn integers(self) -> Option<(bool, f64)> {
        match self.kind {
            Kind::Integer {
                is_signed, bits, ..
            } => Some((is_signed, 2_f64.powi(bits as i32))),
            Kind::Float16 | Kind::Bfloat16 | Kind::Float32 | Kind::Float64 => None,
        }
    }

    /// The numbers in `stored`, each exact or, of more than 53 bits, the nearest there is.
    pub(crate) fn decode(self, stored: &[u8]) -> Vec<f64> {
        let words = stored.chunks_exact(self.bytes).map(|of| self.word(of));
        match self.kind {
            Kind::Integer {
                is_signed: false,
                from,
                bits,
            } => words.map(|w| field(w, from, bits) as f64).collect(),
            Kind::Integer { from, bits, .. } => {
                words.map(|w| signed(w, from, bits) as f64).collect()
            }
            Kind::Float16 => words.map(|w| f16::from_bits(w as u16).to_f64()).collect(),
            Kind::Bfloat16 => words.map(|w| bf16::from_bits(w as u16).to_f64()).collect(),
            Kind::Float32 => words.map(|w| f64::from(f32::from_bits(w as u32))).collect(),
            Kind::Float64 => words.map(f64::from_bits).collect(),
        }
    }

    /// The integers in `stored`; `None` for floating-point numbers.
    pub(crate) fn decode_integers(self, stored: &[u8]) -> Option<Vec<i128>> {
        let Kind::Integer {
            is_signed,
            from,
            bits,
        } = self.kind
        else {
            return None;
        };
        let words = stored.chunks_exact(self.bytes).map(|of| self.word(of));
        let one = |word: u64| {
            if is_signed {
                i128::from(signed(word, from, bits))
            } else {
                i128::from(field(word, from, bits))
            }
        };
        Some(words.map(one).collect())
    }

    /// The bytes of a number, of which there are at most eight, in one word.
    fn word(self, stored: &[u8]) -> u64 {
        let mut word = [0; 8];
        match self.order {
            ByteOrder::LittleEndian => word[..self.bytes].copy_from_slice(stored),
            ByteOrder::BigEndian => {
                for (to, from) in word.iter_mut().zip(stored.iter().rev()) {
                    *to = *from;
                }
            }
        }
        u64::from_le_bytes(word)
    }
}

/// `bits` bits of `word` from `from` on.
fn field(word: u64, from: u32, bits: u32) -> u64 {
    (word >> from) & (u64::MAX >> (64 - bits))
}

/// The same, the highest of them being the sign.
fn signed(word: u64, from: u32, bits: u32) -> i64 {
    let left = field(word, from, bits) << (64 - bits);
    left as i64 >> (64 - bits)
}

/// Bit offset and precision, which the description of a number begins with.
fn bits(description: &[u8]) -> Option<(u32, u32)> {
    let [from, from_high, bits, bits_high] = *description.first_chunk()?;
    let from = u16::from_le_bytes([from, from_high]);
    let bits = u16::from_le_bytes([bits, bits_high]);
    Some((from.into(), bits.into()))
}

fn integer(flags: u8, bytes: usize, description: &[u8]) -> Option<Kind> {
    let (from, bits) = bits(description)?;
    let fits = (1..=8).contains(&bytes) && bits > 0 && from + bits <= 8 * bytes as u32;
    fits.then_some(Kind::Integer {
        is_signed: flags & 8 != 0,
        from,
        bits,
    })
}

/// The four layouts that hardware has; x86's of 80 bits and others are not read.
fn floating_point(flags: u8, sign: u8, bytes: usize, description: &[u8]) -> Option<Kind> {
    /// Bit of the high-endian flag of VAX.
    const VAX: u8 = 1 << 6;
    /// Bits 4 and 5: the highest bit of the mantissa is implied.
    const IMPLIED: u8 = 2 << 4;
    let (from, bits) = bits(description)?;
    let [exponent_at, exponent, mantissa_at, mantissa, bias @ ..] =
        *description.get(4..)?.first_chunk::<8>()?;
    let bias = u32::from_le_bytes(bias);
    if flags & VAX != 0 || flags & (3 << 4) != IMPLIED || from != 0 || mantissa_at != 0 {
        return None;
    }
    match (bytes, bits, sign, exponent_at, exponent, mantissa, bias) {
        (2, 16, 15, 10, 5, 10, 15) => Some(Kind::Float16),
        (2, 16, 15, 7, 8, 7, 127) => Some(Kind::Bfloat16),
        (4, 32, 31, 23, 8, 23, 127) => Some(Kind::Float32),
        (8, 64, 63, 52, 11, 52, 1023) => Some(Kind::Float64),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
