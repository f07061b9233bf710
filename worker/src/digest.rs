//! Digests as ids, cache keys and file names have them: the first 32 hexadecimal digits of a BLAKE3.

use std::fs::File;
use std::io;
use std::path::Path;

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
}
