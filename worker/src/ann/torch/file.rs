//! What kind of file it is, by its first bytes, whatever its name says: a zip archive as `torch.save` has
//! written since 1.6, the pickles that it wrote before, safetensors, or something that is no state dict.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use safetensors::tensor::Metadata;

use super::TorchError;
use super::checkpoint::{Checkpoint, StateDict};
use super::machine::{self, MAX_BYTES};
use super::pickle::{Value, text};
use super::storages::{Place, Storages};
use super::tensor::{Dtype, Entry, Tensor};
use crate::archive::{self, unpack};

/// The number that pickles of `torch.save` began with until 1.6, as a pickle spells it.
const LEGACY: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
/// The same number in pickle's first protocols.
const LEGACY_DIGITS: &[u8] = b"L119547037146038801333356L\n";
/// How many bytes tell the kind.
const HEAD: u64 = 512;
/// Longest header of safetensors, as its own reader has it.
const MAX_HEADER: u64 = 100_000_000;

const SAVE: &str = "save the weights with `torch.save(net.state_dict(), …)`, or as safetensors";

/// A file whose tensors are known.
pub(super) struct Opened {
    pub(super) checkpoint: Checkpoint,
    pub(super) storages: Storages,
}

/// A file and whose weights it should have.
#[derive(Clone, Copy)]
pub(super) struct TorchFile<'a> {
    pub(super) ann: &'static str,
    pub(super) path: &'a Path,
}

impl TorchFile<'_> {
    pub(super) fn damaged(&self, why: impl Into<String>) -> TorchError {
        TorchError::Damaged {
            ann: self.ann,
            path: self.path.to_owned(),
            why: why.into(),
        }
    }

    fn kind(&self, found: impl Into<String>, hint: impl Into<String>) -> TorchError {
        TorchError::Kind {
            ann: self.ann,
            path: self.path.to_owned(),
            found: found.into(),
            hint: hint.into(),
        }
    }

    /// Lists the file's tensors.
    ///
    /// # Errors
    /// When the file is of another kind, or damaged.
    pub(super) fn open(&self) -> Result<Opened, TorchError> {
        let said = |error: std::io::Error| self.damaged(error.to_string());
        if self.path.is_dir() {
            return Err(self.kind("a directory", format!("name the file in it, or {SAVE}")));
        }
        let mut file = File::open(self.path).map_err(said)?;
        let length = file.metadata().map_err(said)?.len();
        let mut head = Vec::new();
        (&mut file)
            .take(HEAD)
            .read_to_end(&mut head)
            .map_err(said)?;
        file.seek(SeekFrom::Start(0)).map_err(said)?;
        if head.starts_with(b"PK\x03\x04") {
            return self.zip(file);
        }
        if let Some(header) = safetensors_header(&head, length) {
            return self.safetensors(file, header, length);
        }
        if head
            .windows(LEGACY.len())
            .take(32)
            .any(|bytes| bytes == LEGACY)
            || head.starts_with(LEGACY_DIGITS)
        {
            return self.legacy(file);
        }
        let (found, hint) = other_kind(&head);
        Err(self.kind(found, hint))
    }

    /// An archive: `NAME/data.pkl` describes the tensors, `NAME/data/KEY` are the storages.
    fn zip(&self, file: File) -> Result<Opened, TorchError> {
        let damaged = |error: &dyn std::fmt::Display| self.damaged(error.to_string());
        let reopened = || file.try_clone().map(BufReader::new);
        let mut archive = archive::open(reopened).map_err(|error| damaged(&error))?;
        let names: Vec<String> = archive
            .file_names()
            .filter_map(|name| name.ok().map(|name| name.into_owned()))
            .collect();
        let mut prefixes = names.iter().filter_map(|name| {
            let prefix = name.strip_suffix("data.pkl")?;
            let is_top = prefix.matches('/').count() == 1 && prefix.ends_with('/');
            is_top.then_some(prefix)
        });
        let prefix = match (prefixes.next(), prefixes.next()) {
            (Some(prefix), None) => prefix.to_owned(),
            (_, _) => {
                let (found, hint) = other_archive(&names);
                return Err(self.kind(found, hint));
            }
        };
        if names.contains(&format!("{prefix}constants.pkl")) {
            return Err(self.kind(
                "a TorchScript archive",
                "save its weights alone: `torch.save(torch.jit.load(FILE).state_dict(), …)`",
            ));
        }
        let mut entry = |name: &str, limit| {
            let entry = archive.by_name(&format!("{prefix}{name}")).ok()?;
            Some(unpack(entry, limit))
        };
        let little_endian = match entry("byteorder", 16) {
            Some(Ok(order)) => order != b"big",
            Some(Err(error)) => return Err(damaged(&error)),
            None => true,
        };
        let program = match entry("data.pkl", MAX_BYTES as u64) {
            Some(program) => program.map_err(|error| damaged(&error))?,
            None => return Err(self.damaged("`data.pkl` cannot be unpacked")),
        };
        let (pickle, _) = machine::read(&program).map_err(|why| self.damaged(why))?;
        Ok(Opened {
            checkpoint: Checkpoint::of(pickle).map_err(|why| self.damaged(why))?,
            storages: Storages::new(Place::Zip { archive, prefix }, little_endian),
        })
    }

    /// A row of pickles, the fourth of which describes the tensors, and the storages behind them.
    fn legacy(&self, mut file: File) -> Result<Opened, TorchError> {
        let damaged = |why: String| self.damaged(why);
        let said = |error: std::io::Error| self.damaged(error.to_string());
        let mut programs = Vec::new();
        let start = (&mut file).take(MAX_BYTES as u64);
        { start }.read_to_end(&mut programs).map_err(said)?;
        let mut at = 0;
        let mut next = || {
            let (pickle, length) = machine::read(&programs[at..]).map_err(damaged)?;
            at += length;
            Ok((pickle, at))
        };
        let (_magic, _) = next()?;
        let (_version, _) = next()?;
        let (system, _) = next()?;
        let (pickle, _) = next()?;
        let (keys, mut at) = next()?;
        let keys = keys
            .sequence(&keys.root)
            .map(|of| of.iter().filter_map(text));
        let keys: Vec<String> = keys
            .map(|of| of.map(str::to_owned).collect())
            .unwrap_or_default();
        let is_big = system.get(&system.root, "little_endian") == Some(&Value::Bool(false));
        let checkpoint = Checkpoint::of(pickle).map_err(damaged)?;
        let sizes = checkpoint.number_sizes();
        let mut ranges = HashMap::new();
        for key in keys {
            file.seek(SeekFrom::Start(at as u64)).map_err(said)?;
            let mut count = [0; 8];
            file.read_exact(&mut count).map_err(said)?;
            let count = if is_big {
                u64::from_be_bytes(count)
            } else {
                u64::from_le_bytes(count)
            };
            let size = sizes.get(&key).copied();
            let size = size.ok_or_else(|| {
                self.damaged(format!("the numbers of storage `{key}` have no type"))
            })?;
            let length = count.checked_mul(size).filter(|length| *length < 1 << 48);
            let length = length
                .ok_or_else(|| self.damaged(format!("storage `{key}` claims {count} numbers")))?;
            ranges.insert(key, (at as u64 + 8, length));
            at += 8 + length as usize;
        }
        Ok(Opened {
            checkpoint,
            storages: Storages::new(Place::Ranges { file, ranges }, !is_big),
        })
    }

    /// A header of JSON, and the tensors behind it.
    fn safetensors(&self, mut file: File, header: u64, length: u64) -> Result<Opened, TorchError> {
        let said = |error: std::io::Error| self.damaged(error.to_string());
        file.seek(SeekFrom::Start(8)).map_err(said)?;
        let mut json = vec![0; header as usize];
        file.read_exact(&mut json).map_err(said)?;
        let metadata: Metadata =
            serde_json::from_slice(&json).map_err(|error| self.damaged(error.to_string()))?;
        let start = 8 + header;
        if start.checked_add(metadata.data_len() as u64) != Some(length) {
            return Err(self.damaged(format!(
                "its header describes {} bytes of tensors, {} follow",
                metadata.data_len(),
                length - start
            )));
        }
        let mut tensors = Vec::new();
        let mut ranges = HashMap::new();
        for (name, info) in metadata.tensors() {
            let dtype = format!("{:?}", info.dtype);
            let entry = match Dtype::named(&dtype) {
                Some(dtype) => {
                    Entry::Dense(Tensor::contiguous(dtype, info.shape.clone(), name.clone()))
                }
                None => Entry::Other(format!("a tensor of {dtype} numbers")),
            };
            let (from, to) = info.data_offsets;
            ranges.insert(name.clone(), (start + from as u64, (to - from) as u64));
            tensors.push((name, entry));
        }
        tensors.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(Opened {
            checkpoint: Checkpoint::flat(StateDict::new(String::new(), tensors)),
            storages: Storages::new(Place::Ranges { file, ranges }, true),
        })
    }
}

/// The length of the header of a safetensors file: eight bytes say it, and JSON follows.
fn safetensors_header(head: &[u8], file_length: u64) -> Option<u64> {
    let length = u64::from_le_bytes(head.get(..8)?.try_into().ok()?);
    let fits = length <= MAX_HEADER && length.checked_add(8)? <= file_length;
    (fits && head.get(8) == Some(&b'{')).then_some(length)
}

/// What a file that is none of PyTorch's probably is, and what to do.
fn other_kind(head: &[u8]) -> (&'static str, String) {
    let starts = |magic: &[u8]| head.starts_with(magic);
    let text = head.trim_ascii_start();
    let keras = "the ANNs without `-torchvision` in their names take Keras's files";
    let unpack = "unpack it and name the file in it";
    match () {
        () if head.is_empty() => ("empty", "fetch or copy the file again".to_owned()),
        () if starts(b"\x89HDF") => ("an HDF5 file, as Keras writes them", keras.to_owned()),
        () if head.get(257..262) == Some(b"ustar") => (
            "a tar archive",
            format!("{unpack}; if PyTorch before 0.1.12 saved it, load it with PyTorch and {SAVE}"),
        ),
        () if starts(b"\x1f\x8b")
            || starts(b"BZh")
            || starts(b"\xfd7zXZ")
            || starts(b"\x28\xb5\x2f\xfd") =>
        {
            ("a compressed file", unpack.to_owned())
        }
        () if starts(b"version https://git-lfs") => (
            "a pointer of Git LFS in place of the file",
            "fetch the file itself with `git lfs pull`".to_owned(),
        ),
        () if text.starts_with(b"<") => (
            "a web page",
            "download the file itself; this is a page about it".to_owned(),
        ),
        () if text.starts_with(b"{") => (
            "a text in JSON",
            format!("name the file with the tensors; if they are in several, load them and {SAVE}"),
        ),
        () if starts(b"\x80") && head.get(1).is_some_and(|protocol| *protocol <= 5) => {
            ("a pickle that `torch.save` did not write", SAVE.to_owned())
        }
        () => (
            "neither a zip archive nor a pickle nor safetensors",
            SAVE.to_owned(),
        ),
    }
}

/// What an archive without `NAME/data.pkl` probably is, and what to do.
fn other_archive(names: &[String]) -> (String, String) {
    let has = |end: &str| names.iter().any(|name| name.ends_with(end));
    if has("model.weights.h5") {
        let hint = "the ANNs without `-torchvision` in their names take Keras's files";
        ("an archive of Keras".to_owned(), hint.to_owned())
    } else if has("archive_format") || has("serialized_exported_program.json") {
        let hint = "save the weights alone: `torch.save(torch.export.load(FILE).state_dict, …)`";
        ("an archive of `torch.export`".to_owned(), hint.to_owned())
    } else if has(".npy") {
        ("an archive of NumPy arrays".to_owned(), SAVE.to_owned())
    } else {
        let first = names.first().map_or("nothing", String::as_str);
        let hint = format!("unpack it and name the file in it, or {SAVE}");
        (format!("a zip archive that begins with `{first}`"), hint)
    }
}
