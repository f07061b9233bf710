//! One cached layer on disk: verified as a whole when opened, then read at any row. Memory holds
//! only the requested rows.
//!
//! Layout: magic (8 bytes), header length (u32, little endian), header (JSON), rows (numbers of the
//! key's format, little endian, row-major), BLAKE3 of all that precedes (32 bytes). `partial`
//! writes it. An open layer holds a shared lock on its file, so that no process evicts it.

use super::key::Dtype;
use super::{ActivationError, CacheKey};
use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};
use half::{bf16, f16};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

const MAGIC: &[u8; 8] = b"NRPACT1\n";
/// Bytes of the checksum at a file's end.
pub(super) const DIGEST_BYTES: u64 = 32;
/// Most bytes a header may have, whatever a damaged length claims.
const HEADER_BYTES_MAX: u32 = 64 << 10;
/// Bytes read at once when verifying.
pub(super) const CHUNK_BYTES: usize = 4 << 20;

/// A file's header.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) key: CacheKey,
    pub(super) stimuli: usize,
    pub(super) units: usize,
}

impl Header {
    /// All bytes that precede the rows.
    pub(super) fn encode(&self) -> Vec<u8> {
        let json = serde_json::to_vec(self).expect("strings and finite numbers");
        let mut bytes = MAGIC.to_vec();
        bytes.extend((json.len() as u32).to_le_bytes());
        bytes.extend(json);
        bytes
    }

    /// Reads the header of `file`; returns it together with its bytes.
    ///
    /// # Errors
    /// `InvalidData` or `UnexpectedEof` when the file does not start with a header.
    pub(super) fn read(file: &mut impl Read, bytes: &mut Vec<u8>) -> io::Result<Self> {
        bytes.resize(12, 0);
        file.read_exact(bytes)?;
        let (magic, length) = bytes.split_at(8);
        if magic != MAGIC {
            return Err(damaged("it is not a file of cached activations"));
        }
        let length = u32::from_le_bytes(length.try_into().expect("four bytes"));
        if length > HEADER_BYTES_MAX {
            return Err(damaged("its header is too long"));
        }
        bytes.resize(12 + length as usize, 0);
        file.read_exact(&mut bytes[12..])?;
        serde_json::from_slice(&bytes[12..]).map_err(|_| damaged("its header is damaged"))
    }

    /// Bytes of one row.
    pub(super) fn row_bytes(&self) -> u64 {
        (self.units as u64).saturating_mul(self.key.dtype.bytes() as u64)
    }

    /// Bytes of all rows.
    pub(super) fn rows_bytes(&self) -> u64 {
        self.row_bytes().saturating_mul(self.stimuli as u64)
    }

    /// Bytes of the whole file.
    pub(super) fn file_bytes(&self) -> u64 {
        let before = self.encode().len() as u64;
        self.rows_bytes().saturating_add(before + DIGEST_BYTES)
    }
}

/// A layer's activations on disk, verified when opened.
#[derive(Debug)]
pub struct CachedLayer {
    path: PathBuf,
    /// Holds the shared lock while it is open.
    file: File,
    rows_start: u64,
    stimuli: usize,
    units: usize,
    dtype: Dtype,
}

impl CachedLayer {
    /// Verifies every byte of `file`, which is at `path` and locked.
    ///
    /// # Errors
    /// `InvalidData`, saying what is wrong, when the file is incomplete, damaged or of another key;
    /// the operating system's error when it cannot be read.
    pub(super) fn open(path: &Path, mut file: File, key: &CacheKey) -> io::Result<Self> {
        let (header, rows_start) = verify(&mut file)?;
        if header.key != *key {
            return Err(damaged("it holds another layer"));
        }
        Ok(Self::verified(path.to_owned(), file, &header, rows_start))
    }

    /// A layer whose every byte has been verified.
    pub(super) fn verified(path: PathBuf, file: File, header: &Header, rows_start: u64) -> Self {
        // The last used layer is evicted last. Only the file's owner may set its time, and failing
        // to do so is harmless.
        if let Err(error) = file.set_modified(SystemTime::now()) {
            tracing::debug!(path = %path.display(), %error, "cannot record the time of use");
        }
        Self {
            path,
            file,
            rows_start,
            stimuli: header.stimuli,
            units: header.units,
            dtype: header.key.dtype,
        }
    }

    /// The number of stimuli, one row each.
    pub fn stimuli(&self) -> usize {
        self.stimuli
    }

    /// The file's path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The number of values in a row.
    pub fn units(&self) -> usize {
        self.units
    }

    /// Copies units of one stimulus into `out`, from unit `first` on.
    ///
    /// # Shapes
    /// - `out`: `[any]`, as many units as are copied
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(
        &self,
        stimulus: usize,
        first: usize,
        out: &mut [f32],
    ) -> Result<(), ActivationError> {
        let past = first + out.len();
        assert!(past <= self.units, "unit {past} of {}", self.units);
        assert!(
            stimulus < self.stimuli,
            "stimulus {stimulus} of {}",
            self.stimuli
        );
        let value = stimulus * self.units + first;
        let bytes = (value * self.dtype.bytes()) as u64;
        let read = self.decode(self.rows_start + bytes, out);
        read.map_err(|source| ActivationError::Read {
            path: self.path.clone(),
            source,
        })
    }

    /// The number format of the file.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// Copies the stored bits of one stimulus.
    ///
    /// # Shapes
    /// - `out`: `[any]`, as many of the layer's first units as are copied
    ///
    /// # Errors
    /// When the file cannot be read.
    ///
    /// # Panics
    /// When the format is not one of 16 bits.
    pub fn bits(&self, stimulus: usize, out: &mut [u16]) -> Result<(), ActivationError> {
        assert_eq!(self.dtype.bytes(), 2, "{}", self.dtype.name());
        assert!(stimulus < self.stimuli && out.len() <= self.units);
        let bytes = (stimulus * self.units * 2) as u64;
        let read = self.halves(self.rows_start + bytes, out);
        read.map_err(|source| ActivationError::Read {
            path: self.path.clone(),
            source,
        })
    }

    fn halves(&self, offset: u64, halves: &mut [u16]) -> io::Result<()> {
        self.file
            .read_exact_at(bytemuck::cast_slice_mut(halves), offset)?;
        if cfg!(target_endian = "big") {
            halves.iter_mut().for_each(|bits| *bits = bits.swap_bytes());
        }
        Ok(())
    }

    fn decode(&self, offset: u64, row: &mut [f32]) -> io::Result<()> {
        let halves = || {
            let mut halves = vec![0_u16; row.len()];
            self.halves(offset, &mut halves).map(|()| halves)
        };
        match self.dtype {
            Dtype::F32 => {
                self.file
                    .read_exact_at(bytemuck::cast_slice_mut(row), offset)?;
                if cfg!(target_endian = "big") {
                    for value in row {
                        *value = f32::from_bits(value.to_bits().swap_bytes());
                    }
                }
            }
            Dtype::F16 => {
                let halves = halves()?;
                HalfFloatSliceExt::convert_to_f32_slice(halves.reinterpret_cast::<f16>(), row);
            }
            Dtype::Bf16 => {
                let halves = halves()?;
                HalfFloatSliceExt::convert_to_f32_slice(halves.reinterpret_cast::<bf16>(), row);
            }
        }
        Ok(())
    }
}

/// Reads every byte of a whole layer's file; returns its header and where its rows start.
///
/// # Errors
/// `InvalidData` or `UnexpectedEof`, saying what is wrong, when it is not whole.
pub(super) fn verify(file: &mut File) -> io::Result<(Header, u64)> {
    file.rewind()?;
    let bytes = file.metadata()?.len();
    let content = bytes
        .checked_sub(DIGEST_BYTES)
        .ok_or_else(|| damaged("it is too short"))?;
    let mut start = Vec::new();
    let header = Header::read(file, &mut start)?;
    if header.rows_bytes().checked_add(start.len() as u64) != Some(content) {
        return Err(damaged("it is truncated"));
    }
    let mut hasher = blake3::Hasher::new();
    hasher.update(&start);
    hash(file, header.rows_bytes(), &mut hasher)?;
    let mut digest = [0; DIGEST_BYTES as usize];
    file.read_exact(&mut digest)?;
    if hasher.finalize() == digest {
        Ok((header, start.len() as u64))
    } else {
        Err(damaged("its checksum is wrong"))
    }
}

/// Hashes the next `bytes` bytes of `file`.
pub(super) fn hash(
    file: &mut impl Read,
    bytes: u64,
    hasher: &mut blake3::Hasher,
) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK_BYTES.min(bytes as usize)];
    let mut left = bytes;
    while left > 0 {
        let part = &mut chunk[..left.min(CHUNK_BYTES as u64) as usize];
        file.read_exact(part)?;
        hasher.update_rayon(part);
        left -= part.len() as u64;
    }
    Ok(())
}

pub(super) fn damaged(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_owned())
}

/// Whether an error means that the file is damaged, rather than that the operating system failed.
pub(super) fn is_damage(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
    )
}
