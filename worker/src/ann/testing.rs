//! What several tests of this room need: files beside the repository, if they are there.

use std::path::{Path, PathBuf};

/// A file of the `shared` folder beside the repository, or `None`, with a notice, where it is absent.
#[allow(clippy::print_stderr)]
pub(super) fn shared(path: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let path = root.join(path);
    if !path.exists() {
        eprintln!("skipped: {} is absent", path.display());
        return None;
    }
    Some(path)
}

/// A file that a script of `testdata` made.
pub(super) fn testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/ann/testdata")
        .join(name)
}
