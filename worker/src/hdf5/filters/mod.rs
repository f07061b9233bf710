//! Filters: how the chunks of HDF5 datasets are compressed. The crate's own (deflate, shuffle, Fletcher-32,
//! szip, n-bit, scale-offset) and, one file each, those that netCDF-C and hdf5plugin write: Zstandard, Blosc, LZ4,
//! LZF, bzip2 and bitshuffle.
//!
//! Every decoder stops at a limit that its caller gives, whatever the compressed bytes claim.

mod bitshuffle;
mod blosc;
mod lz4;
mod lzf;

use std::io::Read;

use hdf5_reader::FilterRegistry;
use hdf5_reader::error::{Error, Result};

const BZIP2: u16 = 307;
const LZF: u16 = 32000;
const BLOSC: u16 = 32001;
const LZ4: u16 = 32004;
const BITSHUFFLE: u16 = 32008;
const ZSTD: u16 = 32015;

/// Registered filters that are not read.
const FOREIGN: [(u16, &str); 13] = [
    (305, "LZO"),
    (32009, "SPDP"),
    (32010, "LPC-Rice"),
    (32011, "CCSDS-123"),
    (32012, "JPEG-LS"),
    (32013, "ZFP"),
    (32017, "SZ"),
    (32018, "FCIDECOMP"),
    (32019, "JPEG"),
    (32022, "BitGroom"),
    (32024, "SZ3"),
    (32026, "Blosc2"),
    (32028, "SPERR"),
];

/// Unpacks a chunk, to so many bytes at most, by the values that its filter has.
type Unpack = fn(&[u8], &[u32], usize) -> Result<Vec<u8>>;

const UNPACK: [(u16, Unpack); 6] = [
    (BZIP2, |data, _, bytes_max| {
        read_to_limit(bzip2::read::BzDecoder::new(data), bytes_max)
    }),
    (ZSTD, |data, _, bytes_max| zstd(data, bytes_max)),
    (LZ4, |data, _, bytes_max| lz4::unpack(data, bytes_max)),
    (LZF, lzf::unpack),
    (BLOSC, |data, _, bytes_max| blosc::unpack(data, bytes_max)),
    (BITSHUFFLE, bitshuffle::unpack),
];

/// Every filter, none of which unpacks a chunk to more than `bytes_max`.
pub(crate) fn registry(bytes_max: usize) -> FilterRegistry {
    let mut registry = FilterRegistry::new();
    for (id, unpack) in UNPACK {
        registry.register(
            id,
            Box::new(move |filter, data, _| unpack(data, &filter.client_data, bytes_max)),
        );
    }
    registry
}

/// The name of the filter that an [`Error::UnsupportedFilter`] is about, as far as it is registered.
pub(crate) fn foreign(message: &str) -> String {
    let id = message.rsplit(' ').next().and_then(|id| id.parse().ok());
    let known = |id: u16| FOREIGN.iter().find(|(of, _)| *of == id);
    match id.map(|id| (id, known(id))) {
        Some((id, Some((_, name)))) => format!("{name} (filter {id})"),
        Some((id, None)) => format!("filter {id}"),
        None => message.to_owned(),
    }
}

fn damaged(what: impl std::fmt::Display) -> Error {
    Error::DecompressionError(what.to_string())
}

fn zstd(packed: &[u8], bytes_max: usize) -> Result<Vec<u8>> {
    let decoder = zstd::stream::read::Decoder::with_buffer(packed).map_err(damaged)?;
    read_to_limit(decoder, bytes_max)
}

/// Everything that `decoder` unpacks.
fn read_to_limit(decoder: impl Read, bytes_max: usize) -> Result<Vec<u8>> {
    let mut unpacked = Vec::new();
    let mut limited = decoder.take(bytes_max as u64 + 1);
    limited.read_to_end(&mut unpacked).map_err(damaged)?;
    within(unpacked.len(), bytes_max)?;
    Ok(unpacked)
}

/// Refuses a chunk of more than `bytes_max`.
fn within(bytes: usize, bytes_max: usize) -> Result<()> {
    if bytes > bytes_max {
        let problem = format!("a chunk unpacks to more than {bytes_max} bytes");
        return Err(Error::ResourceLimit(problem));
    }
    Ok(())
}

/// The next `N` bytes, which are taken off `data`.
fn take<const N: usize>(data: &mut &[u8]) -> Result<[u8; N]> {
    let (first, rest) = data
        .split_first_chunk()
        .ok_or_else(|| damaged("the compressed bytes end early"))?;
    *data = rest;
    Ok(*first)
}

/// The next `bytes` bytes, which are taken off `data`.
fn take_bytes<'d>(data: &mut &'d [u8], bytes: usize) -> Result<&'d [u8]> {
    let (first, rest) = data
        .split_at_checked(bytes)
        .ok_or_else(|| damaged("the compressed bytes end early"))?;
    *data = rest;
    Ok(first)
}

#[cfg(test)]
mod tests;
