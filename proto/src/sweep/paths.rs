//! The files that a sweep names. They are relative to its data directory, which may differ between
//! machines.

use super::{Assembly, LayerSets, Pruning, SweepFile};
use crate::id::RANDOM_PREFIX;
use std::path::{Path, PathBuf};

impl SweepFile {
    /// Names all files relative to one directory, and tells which: `data_dir`, an absolute path, or the
    /// nearest one above it that also holds those whose paths are absolute. `without_parents`
    /// says what an absolute path stands for that may have `..` in it.
    pub fn relative_to(
        mut self,
        data_dir: &Path,
        without_parents: impl Fn(&Path) -> PathBuf,
    ) -> (Self, PathBuf) {
        for path in self.paths() {
            let named = Path::new(path.as_str());
            let plain = named.is_absolute().then(|| without_parents(named));
            if let Some(plain) = plain.as_deref().and_then(Path::to_str) {
                *path = plain.to_owned();
            }
        }
        let mut wide = data_dir;
        let absolute = self.paths();
        for path in absolute.iter().map(|path| Path::new(path.as_str())) {
            while path.is_absolute() && !path.starts_with(wide) {
                let Some(above) = wide.parent() else { break };
                wide = above;
            }
        }
        let wide = wide.to_owned();
        for path in self.paths() {
            // An absolute path stays absolute. An empty path names nothing, and is reported as it is.
            let whole = data_dir.join(path.as_str());
            let inside = whole.strip_prefix(&wide).ok().and_then(Path::to_str);
            if let Some(inside) = inside.filter(|_| !path.is_empty()) {
                *path = inside.to_owned();
            }
        }
        (self, wide)
    }

    /// All paths in the file.
    fn paths(&mut self) -> Vec<&mut String> {
        let recordings = &mut self.recordings;
        let is_simulated = recordings.assembly() == Assembly::Simulated;
        let files = [
            &mut recordings.stimuli,
            &mut recordings.images,
            &mut self.split.file,
        ];
        let mut paths: Vec<&mut String> = files.into_iter().flatten().collect();
        if !is_simulated {
            paths.push(&mut recordings.assembly);
        }
        let given = [&mut recordings.train, &mut recordings.test];
        for files in given.into_iter().flatten() {
            paths.extend([&mut files.assembly, &mut files.stimuli, &mut files.images]);
        }
        for ann in &mut self.ann {
            if let Some(Pruning::Checkpoints(files)) = &mut ann.pruning {
                paths.extend(files.values_mut());
            }
            if let LayerSets::RegionMap(file) = &mut ann.layer_sets {
                paths.push(file);
            }
            if !ann.weights.starts_with(RANDOM_PREFIX) {
                paths.push(&mut ann.weights);
            }
        }
        paths
    }
}
