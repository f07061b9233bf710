//! Digests as ids, cache keys and file names have them: the first 32 hexadecimal digits of a BLAKE3.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How many hexadecimal digits of a BLAKE3 are kept.
const DIGITS: usize = 32;

/// What `hasher` has taken in, as the digits that stand for it.
pub(crate) fn shortened(hasher: &blake3::Hasher) -> String {
    hasher.finalize().to_hex()[..DIGITS].to_owned()
}

/// Takes in the content of the file at `path`, from its first byte to its last.
///
/// # Errors
/// When the file cannot be read.
pub(crate) fn take_file(hasher: &mut blake3::Hasher, path: &Path) -> io::Result<()> {
    hasher.update_reader(File::open(path)?).map(drop)
}

/// Digests of files that were read before, each remembered until its file has another length or
/// modification time.
#[derive(Default)]
pub struct FileDigests(HashMap<PathBuf, (Stamp, String)>);

/// What a file's digest is remembered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    bytes: u64,
    modified: SystemTime,
}

/// A file modified more recently than this is not remembered: another write within the resolution of
/// modification times would go unnoticed.
const SETTLED: Duration = Duration::from_secs(2);

/// Most files that are remembered.
const FILES_MAX: usize = 1_024;

impl FileDigests {
    /// The digest of the file at `path`, reading it only where it is not remembered.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn of(&mut self, path: &Path) -> io::Result<String> {
        self.of_read(path, &mut |path| {
            let mut hasher = blake3::Hasher::new();
            take_file(&mut hasher, path)?;
            Ok(shortened(&hasher))
        })
    }

    /// As [`FileDigests::of`], with `read` to compute a file's digest.
    fn of_read(
        &mut self,
        path: &Path,
        read: &mut dyn FnMut(&Path) -> io::Result<String>,
    ) -> io::Result<String> {
        let found = stamp(path)?;
        if let Some((known, digest)) = self.0.get(path)
            && *known == found
        {
            return Ok(digest.clone());
        }
        self.0.remove(path);
        let digest = read(path)?;
        let age = SystemTime::now().duration_since(found.modified);
        // A file that was written while it was read has another stamp now.
        if age.is_ok_and(|age| age >= SETTLED) && stamp(path)? == found {
            if self.0.len() >= FILES_MAX {
                self.0.clear();
            }
            self.0.insert(path.to_owned(), (found, digest.clone()));
        }
        Ok(digest)
    }
}

fn stamp(path: &Path) -> io::Result<Stamp> {
    let metadata = std::fs::metadata(path)?;
    Ok(Stamp {
        bytes: metadata.len(),
        modified: metadata.modified()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_digest_is_that_of_its_bytes() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("weights");
        std::fs::write(&path, b"abc").expect("a written file");
        let mut hasher = blake3::Hasher::new();
        take_file(&mut hasher, &path).expect("a readable file");
        // BLAKE3's published test vector for `abc`.
        assert_eq!(shortened(&hasher), "6437b3ac38465133ffb63b75273a8db5");
    }

    #[test]
    fn a_file_is_read_again_only_when_it_may_have_changed() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("weights");
        let (mut known, mut reads) = (FileDigests::default(), 0);
        let mut digest = |content: &str, age: u64| {
            std::fs::write(&path, content).expect("a written file");
            let file = File::options().write(true).open(&path).expect("a file");
            let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 - age);
            file.set_modified(modified).expect("a modification time");
            let mut read = |path: &Path| {
                reads += 1;
                std::fs::read_to_string(path)
            };
            let digest = known.of_read(&path, &mut read).expect("readable");
            (digest, reads)
        };
        let one = |reads| ("one".to_owned(), reads);
        assert_eq!(digest("one", 100), one(1));
        assert_eq!(digest("one", 100), one(1), "remembered");
        assert_eq!(digest("two", 99), ("two".to_owned(), 2), "another time");
        assert_eq!(
            digest("three", 99),
            ("three".to_owned(), 3),
            "another length"
        );
    }

    #[test]
    fn a_file_that_was_just_written_is_not_remembered() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("weights");
        let mut known = FileDigests::default();
        let mut digest = |content| {
            std::fs::write(&path, content).expect("a written file");
            known.of(&path).expect("readable")
        };
        assert_ne!(digest("one"), digest("two"));
        assert!(known.0.is_empty());
    }
}
