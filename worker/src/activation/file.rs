//! One cached layer on disk: written once as a stream of rows, verified as a whole when opened, then
//! read at random. Memory holds no more than the rows asked for.
//!
//! Layout: magic (8 bytes), header length (u32, little endian), header (JSON), rows (f32, little
//! endian, row-major), BLAKE3 of all that precedes (32 bytes).

use super::{ActivationError, CacheKey};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"NRPACT1\n";
const DIGEST_BYTES: u64 = 32;
/// Most bytes a header may have: a damaged length must not be believed.
const HEADER_BYTES_MAX: u32 = 64 << 10;
/// Bytes handed to the system at once, when writing and when verifying.
const CHUNK_BYTES: usize = 4 << 20;

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    key: CacheKey,
    stimuli: usize,
    units: usize,
}

/// A layer's activations being written, one row a stimulus.
///
/// Until [`LayerWriter::finish`] nothing has the final name; dropped before, it leaves nothing.
pub(super) struct LayerWriter {
    target: PathBuf,
    units: usize,
    rows_left: usize,
    hasher: blake3::Hasher,
    file: BufWriter<tempfile::NamedTempFile>,
}

impl LayerWriter {
    /// Starts the file that will be `target`.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub(super) fn create(
        target: PathBuf,
        key: &CacheKey,
        stimuli: usize,
        units: usize,
    ) -> Result<Self, ActivationError> {
        let directory = target.parent().expect("a cached layer lies in a directory");
        let file = tempfile::Builder::new()
            .prefix(".partial-")
            // As any other file: who may share the cache is for the umask to say.
            .permissions(std::fs::Permissions::from_mode(0o666))
            .tempfile_in(directory)
            .map_err(|source| write_error(&target, source))?;
        let header = Header {
            key: key.clone(),
            stimuli,
            units,
        };
        let header = serde_json::to_vec(&header).expect("strings and finite numbers");
        let mut writer = Self {
            target,
            units,
            rows_left: stimuli,
            hasher: blake3::Hasher::new(),
            file: BufWriter::with_capacity(CHUNK_BYTES, file),
        };
        writer.put(MAGIC)?;
        writer.put(&(header.len() as u32).to_le_bytes())?;
        writer.put(&header)?;
        Ok(writer)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), ActivationError> {
        self.hasher.update(bytes);
        self.file
            .write_all(bytes)
            .map_err(|source| write_error(&self.target, source))
    }

    /// Appends whole rows.
    ///
    /// # Shapes
    /// - `rows`: `[stimuli, units]`, row-major, any number of stimuli still missing
    pub(super) fn append(&mut self, rows: &[f32]) -> Result<(), ActivationError> {
        assert_eq!(rows.len() % self.units, 0, "rows must be whole");
        self.rows_left = self
            .rows_left
            .checked_sub(rows.len() / self.units)
            .expect("no more rows than stimuli");
        let little_endian = rows.iter().flat_map(|value| value.to_le_bytes());
        if cfg!(target_endian = "little") {
            self.put(bytemuck::cast_slice(rows))
        } else {
            self.put(&little_endian.collect::<Vec<_>>())
        }
    }

    /// Makes the file durable and gives it its name, all or nothing.
    pub(super) fn finish(mut self) -> Result<(), ActivationError> {
        assert_eq!(self.rows_left, 0, "every stimulus must have its row");
        let failed = |source| write_error(&self.target, source);
        let digest = self.hasher.finalize();
        self.file.write_all(digest.as_bytes()).map_err(failed)?;
        let file = self.file.into_inner().map_err(|e| failed(e.into_error()))?;
        file.as_file().sync_all().map_err(failed)?;
        file.persist(&self.target).map_err(|e| failed(e.error))?;
        let directory = self.target.parent().expect("lies in a directory");
        File::open(directory)
            .and_then(|d| d.sync_all())
            .map_err(failed)
    }
}

fn write_error(target: &Path, source: io::Error) -> ActivationError {
    ActivationError::Write {
        path: target.to_owned(),
        source,
    }
}

/// A layer's activations on disk, found whole when opened.
#[derive(Debug)]
pub struct CachedLayer {
    path: PathBuf,
    file: File,
    rows_start: u64,
    stimuli: usize,
    units: usize,
}

impl CachedLayer {
    /// Opens and verifies every byte of the file at `path`.
    ///
    /// # Errors
    /// `InvalidData`, saying what is wrong, when it is not whole or not of this key; whatever the
    /// system says when it cannot be read.
    pub(super) fn open(path: &Path, key: &CacheKey) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let bytes = file.metadata()?.len();
        let content = bytes
            .checked_sub(DIGEST_BYTES)
            .ok_or_else(|| damaged("it is too short"))?;
        let mut start = [0; 12];
        file.read_exact(&mut start)?;
        let (magic, length) = start.split_at(8);
        if magic != MAGIC {
            return Err(damaged("it is not a file of cached activations"));
        }
        let length = u32::from_le_bytes(length.try_into().expect("four bytes"));
        if length > HEADER_BYTES_MAX {
            return Err(damaged("its header is too long"));
        }
        let mut header_bytes = vec![0; length as usize];
        file.read_exact(&mut header_bytes)?;
        let header: Header =
            serde_json::from_slice(&header_bytes).map_err(|_| damaged("its header is damaged"))?;
        if header.key != *key {
            return Err(damaged("it holds another layer"));
        }
        let rows_start = 12 + u64::from(length);
        let rows_bytes = (header.stimuli as u64)
            .checked_mul(header.units as u64)
            .and_then(|values| values.checked_mul(4))
            .ok_or_else(|| damaged("its header is damaged"))?;
        if rows_start.checked_add(rows_bytes) != Some(content) {
            return Err(damaged("it is truncated"));
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update(&start).update(&header_bytes);
        let mut chunk = vec![0; CHUNK_BYTES];
        let mut left = rows_bytes;
        while left > 0 {
            let part = &mut chunk[..left.min(CHUNK_BYTES as u64) as usize];
            file.read_exact(part)?;
            hasher.update_rayon(part);
            left -= part.len() as u64;
        }
        let mut digest = [0; DIGEST_BYTES as usize];
        file.read_exact(&mut digest)?;
        if hasher.finalize() != digest {
            return Err(damaged("its checksum is wrong"));
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            rows_start,
            stimuli: header.stimuli,
            units: header.units,
        })
    }

    /// Stimuli, one row each.
    pub fn stimuli(&self) -> usize {
        self.stimuli
    }

    /// Values in a row.
    pub fn units(&self) -> usize {
        self.units
    }

    /// Copies the row of one stimulus.
    ///
    /// # Shapes
    /// - `row`: `[units]`
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read_row(&self, stimulus: usize, row: &mut [f32]) -> Result<(), ActivationError> {
        assert_eq!(
            row.len(),
            self.units,
            "a row has as many values as the layer has units"
        );
        assert!(
            stimulus < self.stimuli,
            "stimulus {stimulus} of {}",
            self.stimuli
        );
        let offset = self.rows_start + (stimulus * self.units * 4) as u64;
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(row);
        let read = self.file.read_exact_at(bytes, offset);
        read.map_err(|source| ActivationError::Read {
            path: self.path.clone(),
            source,
        })?;
        if cfg!(target_endian = "big") {
            for value in row {
                *value = f32::from_bits(value.to_bits().swap_bytes());
            }
        }
        Ok(())
    }
}

fn damaged(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::key::Dtype;
    use super::*;

    fn key() -> CacheKey {
        CacheKey {
            ann: "mobilenet".to_owned(),
            weights_digest: "w".to_owned(),
            sparsity: 0.0,
            preprocessing: "p".to_owned(),
            stimulus_digest: "s".to_owned(),
            layer: "relu".to_owned(),
            dtype: Dtype::F32,
        }
    }

    fn write(directory: &Path) -> PathBuf {
        let path = directory.join("layer.act");
        let mut writer = LayerWriter::create(path.clone(), &key(), 3, 2).expect("creates");
        writer.append(&[1.0, 2.0]).expect("writes");
        writer.append(&[3.0, 4.0, 5.0, 6.0]).expect("writes");
        writer.finish().expect("finishes");
        path
    }

    #[test]
    fn rows_come_back_as_written() {
        let directory = tempfile::tempdir().expect("a directory");
        let layer = CachedLayer::open(&write(directory.path()), &key()).expect("whole");
        let mut row = [0.0; 2];
        layer.read_row(2, &mut row).expect("reads");
        assert_eq!((layer.stimuli(), layer.units(), row), (3, 2, [5.0, 6.0]));
    }

    #[test]
    fn a_file_cut_or_changed_at_any_byte_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = write(directory.path());
        let whole = std::fs::read(&path).expect("reads");
        for at in 0..whole.len() {
            std::fs::write(&path, &whole[..at]).expect("writes");
            assert!(CachedLayer::open(&path, &key()).is_err(), "cut at {at}");
            let mut changed = whole.clone();
            changed[at] ^= 0x10;
            std::fs::write(&path, changed).expect("writes");
            assert!(CachedLayer::open(&path, &key()).is_err(), "changed at {at}");
        }
        std::fs::write(&path, &whole).expect("writes");
        let mut other = key();
        other.layer = "another".to_owned();
        assert!(CachedLayer::open(&path, &other).is_err(), "another key");
        CachedLayer::open(&path, &key()).expect("whole again");
    }

    #[test]
    fn an_unfinished_file_leaves_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("layer.act");
        let mut writer = LayerWriter::create(path, &key(), 3, 2).expect("creates");
        writer.append(&[1.0, 2.0]).expect("writes");
        drop(writer);
        assert_eq!(
            std::fs::read_dir(directory.path()).expect("lists").count(),
            0
        );
    }
}
