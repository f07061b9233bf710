//! Bitshuffle: the bits of numbers, sorted by their place in the number, then compressed by LZ4, Zstandard
//! or nothing. Blosc has the sorting, too.

use hdf5_reader::error::Result;

use super::{damaged, lz4, take, take_bytes, within, zstd};

/// Numbers are sorted in groups of this many; what remains is stored as it is.
const GROUP: usize = 8;
/// Bytes of a block, unless the filter's values say otherwise.
const BLOCK_BYTES: usize = 8192;
const BLOCK_NUMBERS_MIN: usize = 128;

/// How blocks are compressed.
#[derive(Clone, Copy)]
enum Codec {
    None,
    Lz4,
    Zstd,
}

/// Unpacks a chunk. `values` are the filter's: its version (two), the bytes of a number, the numbers of a
/// block, the codec.
pub(super) fn unpack(data: &[u8], values: &[u32], bytes_max: usize) -> Result<Vec<u8>> {
    let value = |at: usize| values.get(at).map_or(0, |&value| value as usize);
    let codec = match value(4) {
        0 => Codec::None,
        2 => Codec::Lz4,
        3 => Codec::Zstd,
        other => return Err(damaged(format!("bitshuffle has no codec {other}"))),
    };
    let number = value(2);
    if number == 0 {
        return Err(damaged("bitshuffle of numbers without bytes"));
    }
    let mut data = data;
    let (bytes, block) = match codec {
        Codec::None => (data.len(), value(3) * number),
        Codec::Lz4 | Codec::Zstd => {
            let bytes = u64::from_be_bytes(take(&mut data)?);
            let block = u32::from_be_bytes(take(&mut data)?);
            let bytes = usize::try_from(bytes).map_err(damaged)?;
            (bytes, block as usize)
        }
    };
    within(bytes, bytes_max)?;
    let block = match block {
        0 => default_block(number) * number,
        block => block,
    };
    let group = GROUP * number;
    if block % group != 0 {
        return Err(damaged(format!("bitshuffle in blocks of {block} bytes")));
    }
    let mut unpacked: Vec<u8> = Vec::new();
    while bytes - unpacked.len() >= group {
        let length = block.min((bytes - unpacked.len()) / group * group);
        let sorted = match codec {
            Codec::None => take_bytes(&mut data, length)?.to_vec(),
            Codec::Lz4 | Codec::Zstd => {
                let packed = u32::from_be_bytes(take(&mut data)?) as usize;
                let packed = take_bytes(&mut data, packed)?;
                decompress(codec, packed, length)?
            }
        };
        if sorted.len() != length {
            let problem = format!("a block of {} bytes instead of {length}", sorted.len());
            return Err(damaged(problem));
        }
        restore(&sorted, number, &mut unpacked);
    }
    let rest = bytes - unpacked.len();
    unpacked.extend_from_slice(take_bytes(&mut data, rest)?);
    Ok(unpacked)
}

fn decompress(codec: Codec, packed: &[u8], length: usize) -> Result<Vec<u8>> {
    match codec {
        Codec::None => Ok(packed.to_vec()),
        Codec::Lz4 => lz4::block_of(packed, length),
        Codec::Zstd => zstd(packed, length),
    }
}

/// Numbers of a block, as bitshuffle chooses them.
fn default_block(number: usize) -> usize {
    (BLOCK_BYTES / number / GROUP * GROUP).max(BLOCK_NUMBERS_MIN)
}

/// Appends numbers of `number` bytes whose bits are sorted in `sorted`: the lowest bits of the first bytes
/// of all numbers, the second bits, and so on. Their count is a multiple of eight.
pub(super) fn restore(sorted: &[u8], number: usize, unpacked: &mut Vec<u8>) {
    let row = sorted.len() / number / GROUP;
    let start = unpacked.len();
    unpacked.resize(start + sorted.len(), 0);
    let numbers = &mut unpacked[start..];
    for (bit, bits) in sorted.chunks_exact(row.max(1)).enumerate() {
        let (byte, shift) = (bit / 8, bit % 8);
        for (group, &eight) in bits.iter().enumerate() {
            for of in 0..GROUP {
                numbers[(group * GROUP + of) * number + byte] |= (eight >> of & 1) << shift;
            }
        }
    }
}
