//! Whole ANNs in the files that people have, made by `testdata/make_keras_anns.py`: too large to be
//! committed, so the test skips where `NRP_KERAS_FILES` names no directory of them.

use super::*;
use crate::ann::offered;

/// The deepest layer that comes before the head.
fn last_of_trunk(info: &AnnInfo) -> &'static str {
    match info.name {
        "alexnet" => "pool5",
        _ => info.candidates.last().expect("candidates"),
    }
}

/// Reads the file, and compares each tensor that it gives with the recipe's.
fn compare(path: &Path, info: &'static AnnInfo, layers: &[&str]) -> usize {
    let graph = info.graph();
    let asked = nodes(&graph, layers);
    let read = match read(path, info, &graph, &asked) {
        Ok(read) => read,
        Err(error) => panic!("{error}"),
    };
    let needed = graph.needed(&asked);
    let mut compared = 0;
    for (at, (read, made)) in read.iter().zip(saved(&graph)).enumerate() {
        let spec = &graph.weights()[at];
        match read {
            None => assert!(!needed[at], "{} {}", path.display(), spec.layer),
            read => {
                assert!(
                    *read == made,
                    "{} {} {}",
                    path.display(),
                    spec.layer,
                    spec.variable
                );
                compared += 1;
            }
        }
    }
    compared
}

#[test]
#[allow(clippy::print_stderr)]
fn every_ann_is_read_from_every_kind_of_file() {
    let Some(directory) = std::env::var_os("NRP_KERAS_FILES").map(PathBuf::from) else {
        eprintln!("skipped: NRP_KERAS_FILES names no directory");
        return;
    };
    let mut files = 0;
    for info in offered()
        .iter()
        .filter(|of| of.files == crate::ann::Files::Keras)
    {
        let weights = info.graph().weights().len();
        let at = |name: &str| directory.join(format!("{}_{name}", info.name));
        let trunk = last_of_trunk(info);
        for head in ["no_top", "ten"] {
            for kind in ["h5", "weights.h5", "keras"] {
                let path = at(&format!("{head}.{kind}"));
                if !path.exists() {
                    continue;
                }
                files += 1;
                let compared = compare(&path, info, &[trunk]);
                assert!(
                    compared < weights && compared > weights / 2,
                    "{} {compared}",
                    path.display()
                );
                let graph = info.graph();
                let last = graph.nodes().last().expect("layers").name.clone();
                let whole = read(&path, info, &graph, &nodes(&graph, &[&last]));
                let said = whole.expect_err("no such head").to_string();
                assert!(said.contains("should be"), "{said}");
            }
        }
        for name in ["published.h5", "tf_keras.h5", "published_whole.h5"] {
            if at(name).exists() {
                files += 1;
                let layers = if name.contains("whole") {
                    trunk
                } else {
                    info.candidates[0]
                };
                assert_eq!(
                    compare(&at(name), info, &[layers, trunk]),
                    weights,
                    "{name}"
                );
            }
        }
    }
    assert!(files > 0, "no files in {}", directory.display());
    let old = directory.join("resnet50_old.h5");
    if old.exists() {
        let info = find("resnet50").expect("offered");
        let graph = info.graph();
        for layer in ["conv1_relu", "conv2_block1_out", "predictions"] {
            let said =
                read(&old, info, &graph, &nodes(&graph, &[layer])).expect_err("another network");
            assert!(said.to_string().contains("layer `conv1_conv`"), "{said}");
            assert!(said.to_string().contains("`conv1` in its place"), "{said}");
        }
    }
}

/// Files of `testdata/make_keras_disguises.py`, which has compared what Keras answers: `ANN.same.WHAT` must be
/// read, `ANN.other.WHAT` refused, or, where it rounds otherwise, said.
#[test]
#[allow(clippy::print_stderr)]
fn networks_in_the_same_clothes_are_told_apart() {
    let Some(directory) = std::env::var_os("NRP_KERAS_DISGUISES").map(PathBuf::from) else {
        eprintln!("skipped: NRP_KERAS_DISGUISES names no directory");
        return;
    };
    let mut wrong = Vec::new();
    let files = std::fs::read_dir(&directory).expect("the directory");
    let mut files: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    files.sort();
    for path in &files {
        let name = path.file_name().expect("a file").to_string_lossy();
        let [ann, kind, what, form] = name.split('.').collect::<Vec<_>>()[..] else {
            panic!("`{name}` is not `ANN.same.WHAT.keras` or the like");
        };
        let info = find(ann).expect("an ANN");
        let graph = info.graph();
        let asked = nodes(&graph, &[info.candidates.last().expect("candidates")]);
        let said = super::super::read(path, info, &graph, &asked).map(|(_, told)| told);
        let is_right = match (kind, &said) {
            ("same", Ok(_)) => {
                compare(path, info, &[info.candidates.last().expect("candidates")]) > 0
            }
            // Keras 2 does in `predict` what a call asks for, so no such call is taken; nor are detours that
            // end where they began, and padding that no window reaches.
            ("same", Err(_)) => {
                what.ends_with("training") || ["reshaped_back", "pads"].contains(&what)
            }
            ("other", Err(_)) => true,
            ("other", Ok(told)) => told.iter().any(|what| what.contains("computes in")),
            (_, _) => false,
        };
        match &said {
            Ok(told) => eprintln!("{ann} {kind} {what} {form}: read {told:?}"),
            Err(error) => eprintln!("{ann} {kind} {what} {form}: {error}"),
        }
        if !is_right {
            wrong.push(name.into_owned());
        }
    }
    assert!(wrong.is_empty() && !files.is_empty(), "{wrong:#?}");
}
