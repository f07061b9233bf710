//! The files that a sweep names. They lie in its data directory, which is another on each machine, and so
//! are named relative to it.

use super::{Pruning, SweepFile};
use crate::id::RANDOM_PREFIX;
use std::path::Path;

impl SweepFile {
    /// Names files that lie in `data_dir`, an absolute path, relative to it.
    pub fn relative_to(mut self, data_dir: &Path) -> Self {
        let recordings = &mut self.recordings;
        let files = [&mut recordings.stimuli, &mut recordings.images];
        let files = files.into_iter().flatten();
        let mut paths: Vec<&mut String> = files.chain([&mut recordings.assembly]).collect();
        for ann in &mut self.ann {
            if let Some(Pruning::Checkpoints(files)) = &mut ann.pruning {
                paths.extend(files.values_mut());
            }
            if !ann.weights.starts_with(RANDOM_PREFIX) {
                paths.push(&mut ann.weights);
            }
        }
        for path in paths {
            let inside = Path::new(path).strip_prefix(data_dir);
            if let Some(inside) = inside.ok().and_then(Path::to_str) {
                *path = inside.to_owned();
            }
        }
        self
    }
}
