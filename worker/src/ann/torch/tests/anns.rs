//! Whole ANNs in the files that people have, made by `testdata/make_torch_anns.py`: too large to be committed, so
//! the test skips where `NRP_TORCH_FILES` names no directory of them.

use std::path::PathBuf;

use super::super::read;
use crate::ann::{Files, offered};

#[test]
#[allow(clippy::print_stderr)]
fn every_wrapper_gives_the_weights_of_the_plain_file() {
    let Some(directory) = std::env::var_os("NRP_TORCH_FILES").map(PathBuf::from) else {
        eprintln!("skipped: NRP_TORCH_FILES names no directory");
        return;
    };
    let files = std::fs::read_dir(&directory).expect("the directory");
    let mut files: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    files.sort();
    let mut compared = 0;
    for info in offered().iter().filter(|of| of.files == Files::Torch) {
        let name = info.name.trim_end_matches("-torchvision");
        let graph = info.graph();
        let last = graph.listed().last().map(|(id, _)| id).expect("a layer");
        let weights = |path: &PathBuf| {
            let found = read(path, None, info.name, &graph, &[last]);
            found.unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        };
        let of_ann = |path: &&PathBuf| {
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            file.starts_with(&format!("{name}."))
        };
        let plain = directory.join(format!("{name}.plain.pth"));
        if !plain.exists() {
            continue;
        }
        let (plain, _) = weights(&plain);
        assert!(plain.iter().all(Option::is_some), "{name}");
        let mut kinds = 0;
        for path in files.iter().filter(of_ann) {
            let (found, told) = weights(path);
            assert!(found == plain, "{}: {told:?}", path.display());
            kinds += 1;
        }
        eprintln!("{name}: {kinds} files");
        compared += kinds;
    }
    assert!(compared > 0, "no files in {}", directory.display());
}
