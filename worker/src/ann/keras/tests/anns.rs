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
