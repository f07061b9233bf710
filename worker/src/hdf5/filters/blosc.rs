//! Blosc 1: blocks, their bytes or bits sorted, each compressed by one of five codecs.
//!
//! A chunk has a header of 16 bytes: version, version of the codec, flags, bytes of a number; then, as
//! 32-bit numbers, its bytes unpacked, those of a block, and its bytes packed. Then come the places of
//! the blocks. A block is split in as many streams as a number has bytes, or not split.

use hdf5_reader::error::{Error, Result};

use super::{bitshuffle, damaged, lz4, lzf::repeat, read_to_limit, take, take_bytes, within, zstd};

const HEADER: usize = 16;
const SORTED_BYTES: u8 = 1;
const STORED: u8 = 2;
const SORTED_BITS: u8 = 4;
const NOT_SPLIT: u8 = 16;
/// Blocks of numbers with more bytes are not split.
const STREAMS_MAX: usize = 16;
/// Blocks whose streams would have fewer bytes are not split.
const STREAM_BYTES_MIN: usize = 128;
/// A distance of 13 bits; what is further away has two bytes more.
const DISTANCE_MAX: usize = 8191;

/// How streams are compressed.
#[derive(Debug, Clone, Copy)]
enum Codec {
    Blosclz,
    Lz4,
    Snappy,
    Zlib,
    Zstd,
}

/// The header of a chunk.
struct Chunk {
    codec: Codec,
    flags: u8,
    /// Bytes of a number.
    number: usize,
    /// Bytes unpacked.
    bytes: usize,
    /// Bytes of a block, unpacked.
    block: usize,
}

/// Unpacks a chunk.
pub(super) fn unpack(data: &[u8], bytes_max: usize) -> Result<Vec<u8>> {
    let chunk = Chunk::of(data)?;
    within(chunk.bytes, bytes_max)?;
    let mut after = &data[HEADER..];
    if chunk.flags & STORED != 0 {
        return take_bytes(&mut after, chunk.bytes).map(<[u8]>::to_vec);
    }
    let mut unpacked = Vec::new();
    while unpacked.len() < chunk.bytes {
        let start = u32::from_le_bytes(take(&mut after)?) as usize;
        let packed = data
            .get(start..)
            .ok_or_else(|| damaged("a Blosc block starts behind the last byte"))?;
        let length = chunk.block.min(chunk.bytes - unpacked.len());
        let sorted = chunk.decompress(packed, length)?;
        chunk.restore(sorted, &mut unpacked);
    }
    Ok(unpacked)
}

impl Chunk {
    fn of(data: &[u8]) -> Result<Self> {
        let mut header = data;
        let [version, _, flags, number] = take(&mut header)?;
        let mut length = || take(&mut header).map(|bytes| u32::from_le_bytes(bytes) as usize);
        let (bytes, block, _packed) = (length()?, length()?, length()?);
        if !matches!(version, 1 | 2) {
            let problem = format!("Blosc of version {version} (versions 1 and 2 are read)");
            return Err(Error::UnsupportedEncoding(problem));
        }
        let codec = match flags >> 5 {
            0 => Codec::Blosclz,
            1 => Codec::Lz4,
            2 => Codec::Snappy,
            3 => Codec::Zlib,
            4 => Codec::Zstd,
            other => return Err(damaged(format!("Blosc has no codec {other}"))),
        };
        if number == 0 || (block == 0 && bytes > 0) {
            return Err(damaged("a Blosc header with empty numbers or blocks"));
        }
        Ok(Self {
            codec,
            flags,
            number: usize::from(number),
            bytes,
            block,
        })
    }

    /// The streams of a block of `length` bytes, one behind the other.
    fn decompress(&self, packed: &[u8], length: usize) -> Result<Vec<u8>> {
        let is_split = self.flags & NOT_SPLIT == 0
            && self.number <= STREAMS_MAX
            && self.block / self.number >= STREAM_BYTES_MIN
            && length == self.block;
        let streams = if is_split { self.number } else { 1 };
        let of_stream = length / streams;
        let mut packed = packed;
        // Grows by what is decompressed: the header may claim anything.
        let mut sorted = Vec::new();
        for _ in 0..streams {
            let bytes = u32::from_le_bytes(take(&mut packed)?) as usize;
            let stream = take_bytes(&mut packed, bytes)?;
            if bytes == of_stream {
                sorted.extend_from_slice(stream);
                continue;
            }
            let before = sorted.len();
            self.codec.decompress(stream, of_stream, &mut sorted)?;
            let found = sorted.len() - before;
            if found != of_stream {
                let codec = self.codec;
                let problem = format!("{codec:?} in Blosc: {found} bytes instead of {of_stream}");
                return Err(damaged(problem));
            }
        }
        if sorted.len() != length {
            return Err(damaged("a Blosc block that its streams do not fill"));
        }
        Ok(sorted)
    }

    /// Appends a block in its own order.
    fn restore(&self, sorted: Vec<u8>, unpacked: &mut Vec<u8>) {
        let numbers = sorted.len() / self.number;
        if self.flags & SORTED_BYTES != 0 && self.number > 1 {
            for number in 0..numbers {
                let bytes = (0..self.number).map(|byte| sorted[byte * numbers + number]);
                unpacked.extend(bytes);
            }
            unpacked.extend_from_slice(&sorted[numbers * self.number..]);
        } else if self.flags & SORTED_BITS != 0 && numbers > 0 && numbers.is_multiple_of(8) {
            let (numbers, rest) = sorted.split_at(numbers * self.number);
            bitshuffle::restore(numbers, self.number, unpacked);
            unpacked.extend_from_slice(rest);
        } else {
            unpacked.extend_from_slice(&sorted);
        }
    }
}

impl Codec {
    /// Appends the `length` bytes of a stream.
    fn decompress(self, stream: &[u8], length: usize, unpacked: &mut Vec<u8>) -> Result<()> {
        match self {
            Self::Blosclz => return blosclz(stream, length, unpacked),
            Self::Lz4 => unpacked.extend(lz4::block_of(stream, length)?),
            Self::Snappy => {
                let claimed = snap::raw::decompress_len(stream).map_err(damaged)?;
                // A byte of Snappy stands for at most 22.
                if claimed != length || claimed / 22 > stream.len() {
                    return Err(damaged(format!(
                        "Snappy of {claimed} bytes instead of {length}"
                    )));
                }
                let bytes = snap::raw::Decoder::new().decompress_vec(stream);
                unpacked.extend(bytes.map_err(damaged)?);
            }
            Self::Zlib => {
                let decoder = flate2::read::ZlibDecoder::new(stream);
                unpacked.extend(read_to_limit(decoder, length)?);
            }
            Self::Zstd => unpacked.extend(zstd(stream, length)?),
        }
        Ok(())
    }
}

/// BloscLZ: runs of literal bytes, and references to earlier bytes of the same stream.
fn blosclz(stream: &[u8], length: usize, unpacked: &mut Vec<u8>) -> Result<()> {
    let mut stream = stream;
    let mut found: Vec<u8> = Vec::new();
    // The first byte is a run: its other bits name the compressor's version.
    let [first] = take(&mut stream)?;
    let mut control = first & 31;
    loop {
        if control < 32 {
            found.extend_from_slice(take_bytes(&mut stream, usize::from(control) + 1)?);
        } else {
            let mut run = usize::from(control >> 5) - 1;
            let far = usize::from(control & 31) << 8;
            if run == 6 {
                loop {
                    let [more] = take(&mut stream)?;
                    run += usize::from(more);
                    within(run, length)?;
                    if more < 255 {
                        break;
                    }
                }
            }
            let [low] = take(&mut stream)?;
            let back = if low == 255 && far == 31 << 8 {
                usize::from(u16::from_be_bytes(take(&mut stream)?)) + DISTANCE_MAX
            } else {
                far + usize::from(low)
            };
            repeat(&mut found, back + 1, run + 3)?;
        }
        if found.len() > length {
            return Err(damaged("a BloscLZ stream that is longer than its block"));
        }
        let Some((&next, rest)) = stream.split_first() else {
            break;
        };
        (control, stream) = (next, rest);
    }
    unpacked.append(&mut found);
    Ok(())
}
