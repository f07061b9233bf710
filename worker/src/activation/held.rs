//! Which of the activations that jobs named are in the cache. For each, a small file lists its
//! layers' files, so that a worker also knows after a restart, and knows of what others extracted
//! into the same directory. These files are only hints: reading activations always checks the
//! layers themselves.

use super::cache::Cache;
use super::{ActivationError, CachedLayer, write_error};
use nrp_proto::HELD_MAX;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

/// The extension of these small files.
const EXTENSION: &str = "held";

impl Cache {
    /// Records that the activations that jobs call `name` are these layers.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn note_held(&self, name: &str, layers: &[CachedLayer]) -> Result<(), ActivationError> {
        // Any other name could be a path.
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(());
        }
        let names = layers.iter().filter_map(|layer| layer.path().file_name());
        let names: Vec<_> = names.map(|name| name.to_string_lossy()).collect();
        let path = self.directory().join(format!("{name}.{EXTENSION}"));
        let draft = path.with_extension(format!("{EXTENSION}-{}", std::process::id()));
        fs::write(&draft, names.join("\n"))
            .and_then(|()| fs::rename(&draft, &path))
            .map_err(|source| write_error(&path, source))
    }

    /// The recorded activations whose layers are all still there, the last used first.
    pub fn held(&self) -> Vec<String> {
        let mut held: Vec<(SystemTime, String)> = Vec::new();
        for path in self.names().unwrap_or_default() {
            if path
                .extension()
                .is_none_or(|extension| extension != EXTENSION)
            {
                continue;
            }
            if !self.is_whole(&path) {
                // Another process may have deleted it first.
                let _ = fs::remove_file(&path);
                continue;
            }
            let used = fs::metadata(&path).and_then(|file| file.modified());
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            held.push((used.unwrap_or(SystemTime::UNIX_EPOCH), name.into_owned()));
        }
        held.sort();
        held.reverse();
        held.truncate(HELD_MAX);
        held.into_iter().map(|(_, name)| name).collect()
    }

    /// Whether every layer that a file lists is still there.
    fn is_whole(&self, path: &Path) -> bool {
        let Ok(names) = fs::read_to_string(path) else {
            return false;
        };
        let mut layers = names.lines().map(|name| self.directory().join(name));
        !names.is_empty() && layers.all(|layer| layer.is_file())
    }
}
