//! LZ4 as hdf5plugin writes it: after the length of the chunk, the length of its blocks, once for all of them.
//! `hdf5-reader` 0.12 looks for that length before every block, so it reads chunks of one block only.

use hdf5_reader::error::Result;

use super::{damaged, take, take_bytes, within};

/// Unpacks a chunk.
pub(super) fn unpack(data: &[u8], bytes_max: usize) -> Result<Vec<u8>> {
    let mut data = data;
    let bytes = usize::try_from(u64::from_be_bytes(take(&mut data)?)).map_err(damaged)?;
    let block = u32::from_be_bytes(take(&mut data)?) as usize;
    within(bytes, bytes_max)?;
    if block == 0 && bytes > 0 {
        return Err(damaged("LZ4 in empty blocks"));
    }
    let mut unpacked: Vec<u8> = Vec::new();
    while unpacked.len() < bytes {
        let length = block.min(bytes - unpacked.len());
        let packed = u32::from_be_bytes(take(&mut data)?) as usize;
        let packed = take_bytes(&mut data, packed)?;
        if packed.len() == length {
            unpacked.extend_from_slice(packed);
            continue;
        }
        let found = block_of(packed, length)?;
        if found.len() != length {
            let problem = format!("LZ4: {} bytes instead of {length}", found.len());
            return Err(damaged(problem));
        }
        unpacked.extend(found);
    }
    Ok(unpacked)
}

/// A block of `bytes`, unpacked.
pub(super) fn block_of(packed: &[u8], bytes: usize) -> Result<Vec<u8>> {
    // A byte of LZ4 stands for at most 255. So a short block cannot claim much memory.
    within(bytes, packed.len().saturating_mul(255).saturating_add(64))?;
    lz4_flex::block::decompress(packed, bytes).map_err(damaged)
}
