//! LZF, h5py's own filter: runs of literal bytes, and references to earlier ones.

use hdf5_reader::error::Result;

use super::{damaged, take, take_bytes, within};

/// Unpacks a chunk. The third of the filter's values, if present, is the size of every chunk.
pub(super) fn unpack(data: &[u8], values: &[u32], bytes_max: usize) -> Result<Vec<u8>> {
    let chunk = values.get(2).map_or(bytes_max, |&bytes| bytes as usize);
    let bytes_max = match chunk {
        0 => bytes_max,
        chunk => chunk.min(bytes_max),
    };
    let mut data = data;
    let mut unpacked: Vec<u8> = Vec::new();
    while !data.is_empty() {
        let [control] = take(&mut data)?;
        if control < 32 {
            unpacked.extend_from_slice(take_bytes(&mut data, usize::from(control) + 1)?);
        } else {
            let mut length = usize::from(control >> 5);
            if length == 7 {
                let [more] = take(&mut data)?;
                length += usize::from(more);
            }
            let [low] = take(&mut data)?;
            let back = (usize::from(control & 31) << 8) + usize::from(low) + 1;
            repeat(&mut unpacked, back, length + 2)?;
        }
        within(unpacked.len(), bytes_max)?;
    }
    Ok(unpacked)
}

/// Appends `length` bytes that begin `back` bytes before the end; they may overlap with what is appended.
pub(super) fn repeat(unpacked: &mut Vec<u8>, back: usize, length: usize) -> Result<()> {
    let start = unpacked
        .len()
        .checked_sub(back)
        .ok_or_else(|| damaged("a reference leads before the first byte"))?;
    for at in start..start + length {
        unpacked.push(unpacked[at]);
    }
    Ok(())
}
