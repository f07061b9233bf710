//! A layer that is being extracted: `KEY.part` has its rows as `KEY.act` will have them, and after
//! each batch a line of `KEY.rows` records their number and the BLAKE3 of everything up to there.
//! An extraction that resumes after a crash hashes the rows again and keeps those that some line
//! confirms, so that a torn write, or a line that reached the disk before its rows, costs only one
//! batch.
//!
//! The file has its full length from the start, which reserves its space in the budget.

use super::file::{CachedLayer, DIGEST_BYTES, Header, hash};
use super::key::Dtype;
use super::{ActivationError, write_error};
use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};
use half::{bf16, f16};
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// A layer's activations being written, one row a stimulus.
pub(super) struct Partial {
    header: Header,
    /// `KEY.part`.
    path: PathBuf,
    /// Holds the exclusive lock while it is open.
    file: File,
    log: File,
    hasher: blake3::Hasher,
    rows_start: u64,
    rows: usize,
}

/// The progress log of the partial file at `path`.
pub(super) fn log_path(path: &Path) -> PathBuf {
    path.with_extension("rows")
}

/// Deletes a partial file, which must be locked, and its log.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    // In this order: a partial file without a log counts as empty, and a log without its file is
    // deleted later.
    fs::remove_file(path)?;
    super::lock::found(fs::remove_file(log_path(path))).map(|_| ())
}

impl Partial {
    /// Takes `file`, which is at `path` and locked, and reserves its space without writing it.
    ///
    /// # Errors
    /// When the cache cannot be written.
    pub(super) fn new(path: PathBuf, file: File, header: Header) -> Result<Self, ActivationError> {
        let opened = file.set_len(header.file_bytes()).and_then(|()| {
            File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(log_path(&path))
        });
        Ok(Self {
            log: opened.map_err(|source| write_error(&path, source))?,
            rows_start: header.encode().len() as u64,
            header,
            path,
            file,
            hasher: blake3::Hasher::new(),
            rows: 0,
        })
    }

    /// Header of the layer that it will be.
    pub(super) fn header(&self) -> &Header {
        &self.header
    }

    /// Number of rows written.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Finds how many rows are intact, by reading them.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub(super) fn resume(&mut self) -> Result<(), ActivationError> {
        let resumed = self.verify_prefix();
        resumed.map_err(|source| write_error(&self.path, source))
    }

    /// Discards all rows, and expects rows of `units` from now on, at most as many as were
    /// reserved. For layers whose extraction cannot be resumed.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn restart(&mut self, units: usize) -> Result<(), ActivationError> {
        assert!(units <= self.header.units, "no more than was reserved");
        self.header.units = units;
        let start = self.header.encode();
        self.hasher = blake3::Hasher::new();
        self.hasher.update(&start);
        self.rows_start = start.len() as u64;
        self.rows = 0;
        let restarted = self
            .log
            .set_len(0)
            .and_then(|()| self.log.rewind())
            .and_then(|()| self.file.set_len(self.header.file_bytes()))
            .and_then(|()| self.file.write_all_at(&start, 0));
        restarted.map_err(|source| write_error(&self.path, source))
    }

    fn verify_prefix(&mut self) -> io::Result<()> {
        let start = self.header.encode();
        let mut found = vec![0; start.len()];
        self.file.rewind()?;
        self.file.read_exact(&mut found)?;
        self.hasher = blake3::Hasher::new();
        self.hasher.update(&start);
        self.rows = 0;
        let mut log_bytes = 0;
        if found == start {
            let mut log = Vec::new();
            self.log.rewind()?;
            self.log.read_to_end(&mut log)?;
            for line in log.split_inclusive(|byte| *byte == b'\n') {
                let Some((rows, digest)) = parse(line) else {
                    break;
                };
                if rows <= self.rows || rows > self.header.stimuli {
                    break;
                }
                let bytes = (rows - self.rows) as u64 * self.header.row_bytes();
                let mut ahead = self.hasher.clone();
                hash(&mut self.file, bytes, &mut ahead)?;
                if ahead.finalize() != digest {
                    break;
                }
                self.hasher = ahead;
                self.rows = rows;
                log_bytes += line.len() as u64;
            }
        } else {
            self.file.write_all_at(&start, 0)?;
        }
        self.log.set_len(log_bytes)?;
        self.log.seek(SeekFrom::Start(log_bytes)).map(|_| ())
    }

    /// Appends whole rows, the first of which is of stimulus `first`; rows already written are skipped.
    ///
    /// # Shapes
    /// - `values`: `[stimuli, units]`, row-major
    ///
    /// # Errors
    /// When the cache cannot be written.
    pub(super) fn append(&mut self, first: usize, values: &[f32]) -> Result<(), ActivationError> {
        let units = self.header.units;
        assert_eq!(values.len() % units, 0, "rows must be whole");
        assert!(first <= self.rows, "rows are appended without a gap");
        let past = first + values.len() / units;
        assert!(past <= self.header.stimuli, "no more rows than stimuli");
        if past <= self.rows {
            return Ok(());
        }
        let new = &values[(self.rows - first) * units..];
        self.put(new)
            .and_then(|()| {
                self.rows = past;
                let line = format!("{past} {}\n", self.hasher.finalize().to_hex());
                self.log.write_all(line.as_bytes())
            })
            .map_err(|source| write_error(&self.path, source))
    }

    fn put(&mut self, values: &[f32]) -> io::Result<()> {
        let offset = self.rows_start + self.rows as u64 * self.header.row_bytes();
        let mut write = |bytes: &[u8]| {
            self.hasher.update_rayon(bytes);
            self.file.write_all_at(bytes, offset)
        };
        let little_endian = |halves: &mut [u16]| {
            halves.iter_mut().for_each(|bits| *bits = bits.to_le());
        };
        match self.header.key.dtype {
            Dtype::F32 if cfg!(target_endian = "little") => write(bytemuck::cast_slice(values)),
            Dtype::F32 => {
                let bytes: Vec<u8> = values
                    .iter()
                    .flat_map(|value| value.to_le_bytes())
                    .collect();
                write(&bytes)
            }
            Dtype::F16 => {
                let mut halves = vec![0_u16; values.len()];
                let as_f16: &mut [f16] = halves.reinterpret_cast_mut();
                as_f16.convert_from_f32_slice(values);
                little_endian(&mut halves);
                write(bytemuck::cast_slice(&halves))
            }
            Dtype::Bf16 => {
                let mut halves = vec![0_u16; values.len()];
                let as_bf16: &mut [bf16] = halves.reinterpret_cast_mut();
                as_bf16.convert_from_f32_slice(values);
                little_endian(&mut halves);
                write(bytemuck::cast_slice(&halves))
            }
        }
    }

    /// Completes the file and syncs it; the cache gives it its final name.
    ///
    /// # Errors
    /// When the cache cannot be written.
    pub(super) fn seal(&self) -> Result<(), ActivationError> {
        assert_eq!(
            self.rows, self.header.stimuli,
            "every stimulus must have its row"
        );
        let end = self.header.file_bytes() - DIGEST_BYTES;
        self.file
            .write_all_at(self.hasher.finalize().as_bytes(), end)
            .and_then(|()| self.file.sync_all())
            .map_err(|source| write_error(&self.path, source))
    }

    /// Renames the sealed file to `target`, and returns it as an open layer with a shared lock. The
    /// directory's lock must be held.
    ///
    /// # Errors
    /// When the cache cannot be written.
    pub(super) fn publish(self, target: &Path) -> Result<CachedLayer, ActivationError> {
        fs::rename(&self.path, target)
            .and_then(|()| fs::remove_file(log_path(&self.path)))
            .and_then(|()| self.file.lock_shared())
            .map_err(|source| write_error(target, source))?;
        Ok(CachedLayer::verified(
            target.to_owned(),
            self.file,
            &self.header,
            self.rows_start,
        ))
    }
}

/// A line of the log: rows, and the digest of everything up to them.
fn parse(line: &[u8]) -> Option<(usize, blake3::Hash)> {
    let line = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
    let (rows, digest) = line.split_once(' ')?;
    Some((rows.parse().ok()?, blake3::Hash::from_hex(digest).ok()?))
}

/// Number of rows that the log beside a partial file lists, without verifying them.
pub(super) fn rows_logged(path: &Path) -> usize {
    let log = fs::read(log_path(path)).unwrap_or_default();
    let lines = log.split_inclusive(|byte| *byte == b'\n');
    lines
        .filter_map(parse)
        .map(|(rows, _)| rows)
        .next_back()
        .unwrap_or(0)
}
