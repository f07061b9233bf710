//! Files of every layout, and files that are not the ANN's.

mod anns;
mod architecture;
mod disguises;
mod names;

use super::file::MAX_ARCHIVED_BYTES;
use super::*;
use crate::ann::graph::Graph;
use crate::ann::testing::{shared, testdata};
use crate::ann::tiny::TINY;
use crate::ann::weights::Weights;
use crate::ann::{find, recipe};

const FILES: [&str; 6] = [
    "tiny.keras",
    "tiny_legacy.h5",
    "tiny_strings.h5",
    "tiny_model.h5",
    "tiny.weights.h5",
    "tiny_unnamed.weights.h5",
];

/// The weights without what is said of them.
fn read(path: &Path, info: &AnnInfo, graph: &Graph, asked: &[NodeId]) -> Result<Weights, AnnError> {
    super::read(path, info, graph, asked).map(|(weights, _)| weights)
}

/// What Keras saved in the files of `tiny`.
fn saved(graph: &Graph) -> Weights {
    recipe::fixture_weights(graph, 5)
        .into_iter()
        .map(Some)
        .collect()
}

/// The nodes of these layers.
fn nodes(graph: &Graph, layers: &[&str]) -> Vec<NodeId> {
    let node = |layer: &&str| graph.listed().find(|(_, node)| node.name == *layer);
    layers
        .iter()
        .map(|layer| node(layer).expect("a layer").0)
        .collect()
}

fn all(graph: &Graph) -> Vec<NodeId> {
    graph.listed().map(|(id, _)| id).collect()
}

fn read_tiny(path: &Path, layers: &[&str]) -> Result<Weights, AnnError> {
    let graph = TINY.graph();
    read(path, &TINY, &graph, &nodes(&graph, layers))
}

fn mobilenet() -> &'static AnnInfo {
    find("mobilenet").expect("offered")
}

#[test]
fn an_archive_that_unpacks_beyond_its_bound_is_refused_before_it_is_unpacked() {
    let path = testdata("tiny.keras");
    let file = WeightsFile {
        ann: "tiny",
        path: &path,
    };
    let archived = file.archived(MAX_ARCHIVED_BYTES).expect("an archive");
    let length = archived.expect("an archive").weights.len() as u64;
    assert!(file.archived(length).is_ok());
    let error = file.archived(length - 1).expect_err("too large");
    let bound = format!("it unpacks to {length} bytes; the limit is {}", length - 1);
    assert!(error.to_string().contains(&bound), "{error}");
}

#[test]
fn every_layout_gives_the_weights_that_keras_saved() {
    let graph = TINY.graph();
    for file in FILES {
        let read = read(&testdata(file), &TINY, &graph, &all(&graph)).expect(file);
        assert!(read == saved(&graph), "{file}");
    }
}

#[test]
fn another_networks_file_is_refused_at_its_first_difference() {
    let refusal = |path: &Path| {
        let graph = mobilenet().graph();
        let asked = nodes(&graph, &["predictions"]);
        let refused = read(path, mobilenet(), &graph, &asked).expect_err("refused");
        let AnnError::WeightsMismatch {
            layer,
            expected,
            found,
            ..
        } = refused
        else {
            panic!("{refused}");
        };
        format!("{layer}: {expected} / {found}")
    };
    let other = "conv1: kernel [3, 3, 3, 32] / `stem` in its place: ";
    assert_eq!(
        refusal(&testdata("tiny_legacy.h5")),
        format!("{other}kernel [3, 3, 3, 4], bias [4]")
    );
    assert_eq!(
        refusal(&testdata("tiny.weights.h5")),
        format!("{other}[3, 3, 3, 4], [4]")
    );
    if let Some(path) = shared("data/weights/mobilenet_v2.weights.h5") {
        insta::assert_snapshot!(refusal(&path), @"conv1: kernel [3, 3, 3, 32] / no layer of that name; `Conv1` in its place has these shapes");
    }
    if let Some(path) = shared("data/weights/resnet50_pruned_815.h5") {
        insta::assert_snapshot!(refusal(&path), @"conv1: kernel [3, 3, 3, 32] / `conv1_conv` in its place: kernel [7, 7, 3, 64], bias [64]");
    }
}

#[test]
fn real_files_load() {
    for (ann, file) in [
        ("mobilenet", "mobilenet_1_0_224_tf.h5"),
        ("mobilenet_v2", "mobilenet_v2.weights.h5"),
        ("resnet50", "resnet50_pruned_815.h5"),
    ] {
        let Some(path) = shared(&format!("data/weights/{file}")) else {
            return;
        };
        let info = find(ann).expect("offered");
        let graph = info.graph();
        let weights = read(&path, info, &graph, &all(&graph)).expect("its own");
        let parameters: usize = weights.iter().flatten().map(Vec::len).sum();
        assert_eq!(parameters as u64, info.parameters);
    }
}

#[test]
fn a_truncated_file_is_an_error_that_names_it() {
    let short = tempfile::NamedTempFile::new().expect("temporary file");
    for file in FILES {
        let whole = std::fs::read(testdata(file)).expect("made by the script");
        for length in (0..whole.len()).step_by(1 + whole.len() / 40) {
            std::fs::write(short.path(), &whole[..length]).expect("written");
            let said = read_tiny(short.path(), &["softmax"])
                .expect_err("refused")
                .to_string();
            let name = short.path().display().to_string();
            assert!(said.contains(&name), "{file} of {length} bytes: {said}");
        }
    }
    std::fs::write(short.path(), "<html>not found</html>").expect("written");
    let said = read_tiny(short.path(), &[]).expect_err("refused");
    assert!(matches!(said, AnnError::NotHdf5 { .. }), "{said}");
    let said = read_tiny(Path::new("/no/such.h5"), &[]).expect_err("refused");
    assert!(matches!(said, AnnError::WeightsUnreadable { .. }), "{said}");
}

/// Files of Keras 3.15.1; the weights of each are those of `tiny`, rounded as the file stores them.
mod others {
    use super::*;
    use half::{bf16, f16};

    fn of(file: &str) -> Option<PathBuf> {
        shared(&format!("inputs/weights/keras/{file}"))
    }

    /// Compares all weights before the head `dense`, and the head where the file has it.
    fn compare(file: &str, layers: &[&str], has_head: bool, rounded: fn(f32) -> f32) {
        let Some(path) = of(file) else { return };
        let graph = TINY.graph();
        let read = read_tiny(&path, layers).expect(file);
        let (mut compared, mut absent) = (0, 0);
        for ((spec, read), saved) in graph.weights().iter().zip(read).zip(saved(&graph)) {
            if spec.layer == "dense" && !has_head {
                assert_eq!(read, None, "{file}");
                absent += 1;
                continue;
            }
            let Some(read) = read else {
                // What the file lacks altogether comes after what is asked.
                assert_eq!(spec.layer, "pool_bn", "{file}");
                continue;
            };
            let saved: Vec<f32> = saved.expect("made").into_iter().map(rounded).collect();
            assert!(
                read == saved,
                "{file}: `{}` of `{}`",
                spec.variable,
                spec.layer
            );
            compared += 1;
        }
        assert!(
            compared >= 16 && absent == if has_head { 0 } else { 2 },
            "{file} {compared}"
        );
    }

    #[test]
    fn half_precision_is_read_as_it_was_rounded() {
        for file in ["tiny_f16.h5", "tiny_f16.keras", "tiny_f16.weights.h5"] {
            compare(file, &["softmax"], true, |x| f16::from_f32(x).to_f32());
        }
        for file in ["tiny_bf16.h5", "tiny_bf16.weights.h5"] {
            compare(file, &["softmax"], true, |x| bf16::from_f32(x).to_f32());
        }
    }

    #[test]
    fn a_head_may_be_absent_or_another() {
        let no_head = [
            "tiny_no_head.h5",
            "tiny_no_head.keras",
            "tiny_no_head.weights.h5",
            "tiny_no_head_keras2.h5",
        ];
        for file in no_head {
            compare(file, &["both_relu", "side_bn"], false, |x| x);
            let Some(path) = of(file) else { return };
            let refused = read_tiny(&path, &["dense"]).expect_err("it lacks the head");
            let said = refused.to_string();
            assert!(
                said.contains("layer `pool_bn` should be gamma [8]"),
                "{said}"
            );
        }
        compare("tiny_3_classes.h5", &["pool_bn"], false, |x| x);
        let Some(path) = of("tiny_3_classes.h5") else {
            return;
        };
        let said = read_tiny(&path, &["softmax"])
            .expect_err("3 classes")
            .to_string();
        assert!(
            said.contains("layer `dense` should be kernel [8, 5], bias [5], found kernel [8, 3]"),
            "{said}"
        );
    }

    #[test]
    fn compiled_nested_and_sharded_networks_are_read() {
        for file in [
            "tiny_compiled.h5",
            "tiny_compiled.weights.h5",
            "tiny_nested.h5",
            "tiny_nested.weights.h5",
            "tiny_shards.weights.json",
        ] {
            compare(file, &["softmax"], true, |x| x);
        }
    }

    #[test]
    fn where_a_network_is_in_another_is_said() {
        for (file, place) in [
            ("tiny_nested.h5", "tiny"),
            ("tiny_nested.weights.h5", "layers/functional/layers"),
        ] {
            let Some(path) = of(file) else { return };
            let graph = TINY.graph();
            let told = super::super::read(&path, &TINY, &graph, &all(&graph))
                .expect(file)
                .1;
            assert!(
                told.len() == 1 && told[0].contains(&format!("at `{place}`")),
                "{told:?}"
            );
        }
        let Some(path) = of("tiny_compiled.h5") else {
            return;
        };
        let graph = TINY.graph();
        let told = super::super::read(&path, &TINY, &graph, &all(&graph))
            .expect("whole")
            .1;
        assert_eq!(told, [""; 0]);
    }

    #[test]
    fn eight_bit_kernels_are_divided_by_their_scale() {
        for file in ["tiny_int8.h5", "tiny_int8.weights.h5"] {
            let Some(path) = of(file) else { return };
            let graph = TINY.graph();
            let read = read_tiny(&path, &["softmax"]).expect(file);
            for ((spec, read), saved) in graph.weights().iter().zip(read).zip(saved(&graph)) {
                let (read, saved) = (read.expect("read"), saved.expect("made"));
                if spec.layer != "dense" || spec.variable != "kernel" {
                    assert!(read == saved, "{file} {}", spec.layer);
                    continue;
                }
                // At most half a step of a unit's largest weight over 127.
                let largest = saved.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
                let worst = read.iter().zip(&saved).map(|(a, b)| (a - b).abs());
                let worst = worst.fold(0.0, f32::max);
                assert!(
                    worst > 0.0 && worst < 0.51 * largest / 127.0,
                    "{file} {worst}"
                );
            }
        }
    }
}
