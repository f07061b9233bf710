//! Files of every kind, written by PyTorch 2.15, torchvision 0.29, safetensors 0.8 and those around them
//! (`testdata/make_torch_files.py`): each gives the numbers that were saved, or is refused by what it is.

mod anns;
mod networks;
mod whole;

use std::path::{Path, PathBuf};

use super::checkpoint::StateDict;
use super::*;
use crate::ann::graph::{Conv, End, GraphBuilder, Op, Window};
use crate::ann::testing::shared;
use crate::ann::{find, recipe, testing};

/// The layers of `torchvision_tiny`.
fn tiny() -> Graph {
    let (mut g, image) = GraphBuilder::new([8, 8, 3]);
    let conv = Op::Conv(Conv::new(4, Window::valid(3)).with_bias());
    let x = g.add("conv", conv, &[image]);
    let x = g.add("bn", Op::BatchNorm { epsilon: 1e-5 }, &[x]);
    let window = Window::valid(3);
    let x = g.add("depthwise", Op::DepthwiseConv { window }, &[x]);
    let x = g.add("pool", Op::GlobalAveragePooling { keep_dims: false }, &[x]);
    let end = End::Linear;
    g.add("fc", Op::Dense { units: 5, end }, &[x]);
    g.finish_as_stated()
}

/// What the script saved, but for `torchvision_tiny` itself.
fn saved() -> Weights {
    let weights = recipe::fixture_weights(&tiny(), 5);
    weights.into_iter().map(Some).collect()
}

fn without_head(weights: Weights) -> Weights {
    let graph = tiny();
    let specs = graph.weights().iter().zip(weights);
    specs
        .map(|(spec, of)| of.filter(|_| spec.layer != "fc"))
        .collect()
}

fn testdata(name: &str) -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/ann/torch/testdata")
        .join(name);
    if own.exists() {
        own
    } else {
        testing::testdata(name)
    }
}

fn node(graph: &Graph, layer: &str) -> NodeId {
    let mut listed = graph.listed();
    let found = listed.find(|(_, node)| node.name == layer);
    found.unwrap_or_else(|| panic!("{layer} is in the graph")).0
}

/// Reads a file of the small network, for its last layer.
fn read_tiny(path: &Path, key: Option<&str>) -> Result<Told, AnnError> {
    let graph = tiny();
    read(path, key, "tiny", &graph, &[node(&graph, "fc")])
}

fn taken(name: &str) -> (Weights, String) {
    let (weights, notices) =
        read_tiny(&testdata(name), None).unwrap_or_else(|error| panic!("{name}: {error}"));
    (weights, said(&notices, &testdata(name)))
}

/// Notices without the path of the file.
fn said(notices: &[String], path: &Path) -> String {
    let start = format!("weights of tiny in `{}`: ", path.display());
    notices.join("\n").replace(&start, "")
}

/// An error and what to do about it, without the file's directory.
fn refusal(refused: Result<Told, AnnError>) -> String {
    let error = refused.expect_err("refused");
    let hint = miette::Diagnostic::help(&error).map(|hint| hint.to_string());
    let text = format!("{error}\n  hint: {}", hint.unwrap_or_default());
    let made = testdata("tiny_net.pth");
    let directories = [
        made.parent().map(Path::to_owned),
        Some(testing::testdata("").join(".")),
    ];
    directories
        .into_iter()
        .flatten()
        .fold(text, |text, directory| {
            let directory = directory.display().to_string();
            text.replace(&format!("{}/", directory.trim_end_matches("/.")), "")
        })
}

#[test]
fn every_type_and_layout_gives_the_numbers_that_were_saved() {
    for file in [
        "torchvision_tiny.pth",
        "torchvision_tiny.safetensors",
        "tiny_legacy.pth",
        "tiny_protocol_5.pth",
        "tiny_double.pth",
        "tiny_parameters.pth",
        "tiny_views.pth",
        "tiny_legacy_views.pth",
        "tiny_channels_last.pth",
        "tiny_counted.pth",
    ] {
        let (weights, said) = taken(file);
        assert!(weights == saved(), "{file}");
        assert_eq!(said, "", "{file}");
    }
    let half = |weights: Weights, round: fn(f32) -> f32| -> Weights {
        weights
            .into_iter()
            .map(|of| of.map(|of| of.into_iter().map(round).collect()))
            .collect()
    };
    for (file, round) in [
        (
            "tiny_half.pth",
            (|x| half::f16::from_f32(x).to_f32()) as fn(f32) -> f32,
        ),
        ("tiny_half_safetensors.bin", |x| {
            half::f16::from_f32(x).to_f32()
        }),
        ("tiny_bfloat16.pth", |x| half::bf16::from_f32(x).to_f32()),
    ] {
        assert!(taken(file).0 == half(saved(), round), "{file}");
    }
}

#[test]
fn every_container_and_wrapper_is_read_and_said() {
    let files = [
        "tiny_legacy_protocol_4.pth",
        "tiny_net.pth",
        "tiny_weights.pth",
        "tiny_state_dict_ema.pth",
        "tiny_teacher.pth",
        "tiny_ema_beside.pth",
        "tiny_reference.pth",
        "tiny_averaged.pth",
        "tiny_lightning.pth",
        "tiny_moco.pth",
        "tiny_wrapped.pth",
        "tiny_shared.pth",
        "tiny_list.pth",
        "tiny_distiller_older.pth.tar",
    ];
    let mut all = Vec::new();
    for file in files {
        let (weights, said) = taken(file);
        let twice =
            |of: &Option<Vec<f32>>| of.as_ref().map(|of| of.iter().map(|x| 2.0 * x).collect());
        let expected = match file {
            // Trained, its average is twice its weights.
            "tiny_averaged.pth" => saved().iter().map(twice).collect(),
            _ => saved(),
        };
        assert!(weights == expected, "{file}");
        all.push(format!("{file}: {said}"));
    }
    insta::assert_snapshot!(all.join("\n"), @r#"
    tiny_legacy_protocol_4.pth: the weights under `state_dict` are taken
    tiny_net.pth: the weights under `net` are taken
    tiny_weights.pth: the weights under `weights` are taken
    tiny_state_dict_ema.pth: the weights under `state_dict_ema` are taken
    tiny_teacher.pth: the weights under `teacher` are taken
    tiny_ema_beside.pth: the weights under `state_dict` are taken; the file has the ANN's weights under `state_dict_ema` as well: `weights_key` chooses
    tiny_reference.pth: the weights under `model` are taken; the file has the ANN's weights under `model_ema.module` as well: `weights_key` chooses
    tiny_averaged.pth: their names are read without `module.`
    tiny_lightning.pth: the weights under `state_dict` are taken; their names are read without `model.`
    tiny_moco.pth: the weights under `state_dict` are taken; their names are read without `encoder_q.`, `module.`; the file has the ANN's weights under `state_dict.module.encoder_k` as well: `weights_key` chooses
    tiny_wrapped.pth: their names are read without `_orig_mod.`, `module.`
    tiny_shared.pth: their names are read without `a.`
    tiny_list.pth: the weights under `0` are taken
    tiny_distiller_older.pth.tar: the weights under `state_dict` are taken; their names are read without `module.`; of the weights that are zero in `masks_dict`, 23 are not zero in the network, and are taken as they are
    "#);
}

#[test]
fn the_user_chooses_where_several_networks_are() {
    let twice = |of: &Option<Vec<f32>>| of.as_ref().map(|of| of.iter().map(|x| 2.0 * x).collect());
    let doubled: Weights = saved().iter().map(twice).collect();
    for (file, key, expected) in [
        ("tiny_ema_beside.pth", "state_dict_ema", doubled.clone()),
        ("tiny_ema_beside.pth", "state_dict", saved()),
        ("tiny_reference.pth", "model_ema", doubled.clone()),
        ("tiny_reference.pth", "model_ema.module", doubled.clone()),
        (
            "tiny_moco.pth",
            "state_dict.module.encoder_k",
            doubled.clone(),
        ),
        ("tiny_moco.pth", "state_dict.encoder_k", doubled.clone()),
        ("tiny_dino.pth", "teacher", saved()),
        ("tiny_dino.pth", "student.module.backbone", doubled.clone()),
        ("tiny_twice.pth", "module", doubled),
    ] {
        let (weights, _) =
            read_tiny(&testdata(file), Some(key)).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(weights == expected, "{file} {key}");
    }
    let refused = [
        read_tiny(&testdata("tiny_dino.pth"), None),
        read_tiny(&testdata("tiny_twice.pth"), None),
        read_tiny(&testdata("tiny_dino.pth"), Some("techer")),
        read_tiny(&testdata("torchvision_tiny.pth"), Some("state_dict")),
        read_tiny(&testdata("tiny_reference.pth"), Some("nope")),
    ];
    insta::assert_snapshot!(refused.map(refusal).join("\n"), @r#"
    weights of tiny: `tiny_dino.pth` has them 2 times: `student.module.backbone`, `teacher.backbone`
      hint: choose with `weights_key = "student.module.backbone"` in the `[[ann]]`
    weights of tiny: `conv.weight` and `module.conv.weight` in `tiny_twice.pth` are the same tensor's names, with different numbers
      hint: save one of the two networks alone, with `torch.save(net.state_dict(), …)`
    weights of tiny: nothing in `tiny_dino.pth` is called `techer`
      hint: `weights_key` may be one of these: `student`, `teacher`, `student.module`, `teacher.backbone`; did you mean `teacher`?
    weights of tiny: nothing in `torchvision_tiny.pth` is called `state_dict`
      hint: leave `weights_key` out: the file has one network, whose names have nothing in front
    weights of tiny: nothing in `tiny_reference.pth` is called `nope`
      hint: `weights_key` may be one of these: `model`, `model_ema`, `model_ema.module`
    "#);
}

/// Its own parts are not what stands in front of a network.
#[test]
fn the_anns_own_parts_are_no_keys() {
    let listed = |names: &[&str]| {
        let entry = |name: &&str| ((*name).to_owned(), Entry::Other("sparse".to_owned()));
        let tensors = names.iter().map(entry).collect();
        let mut checkpoint = Checkpoint::flat(StateDict::new(String::new(), tensors));
        let path = Path::new("made_up.pth");
        let refused = TorchFile { ann: "tiny", path }.narrow(&mut checkpoint, "nope", &tiny());
        let Err(TorchError::Key { known, .. }) = refused else {
            panic!("{refused:?}");
        };
        known
    };
    assert!(listed(&["conv.0.weight", "bn.norm.weight", "fc.bias"]).is_empty());
    let beside = [
        "student.conv.weight",
        "conv.0.weight",
        "ema.fc.weight",
        "student.fc.weight",
    ];
    assert_eq!(listed(&beside), ["student", "ema"]);
}

#[test]
fn masks_are_applied() {
    let (weights, said) = taken("tiny_pruned.pth");
    let graph = tiny();
    for ((spec, of), dense) in graph.weights().iter().zip(&weights).zip(saved()) {
        let (of, dense) = (of.as_ref().expect("there"), dense.expect("there"));
        let zeros = of.iter().filter(|x| **x == 0.0).count();
        let is_pruned = ["conv", "depthwise"].contains(&&*spec.layer);
        assert_eq!(zeros, if is_pruned { of.len() / 2 } else { 0 }, "{spec:?}");
        let smallest_left = of
            .iter()
            .filter(|x| **x != 0.0)
            .fold(f32::MAX, |a, x| a.min(x.abs()));
        for (of, dense) in of.iter().zip(&dense) {
            assert!(of == dense || *of == 0.0 && dense.abs() <= smallest_left);
        }
    }
    let (masked, of_distiller) = taken("tiny_distiller.pth.tar");
    let first = |weights: &Weights| weights[0].clone().expect("a kernel");
    let expected: Vec<f32> = first(&saved())
        .iter()
        .map(|x| if x.abs() > 0.1 { *x } else { 0.0 })
        .collect();
    assert_eq!(first(&masked), expected);
    assert!(masked[1..] == saved()[1..]);
    insta::assert_snapshot!([said, of_distiller].join("\n"), @r"
    the weights under `state_dict` are taken; their names are read without `module.`; masks are applied (`weight_orig` × `weight_mask`), tensors with one: 3
    the weights under `state_dict` are taken; their names are read without `module.`
    ");
}

/// The stored bytes of a tensor's number, by its position.
type BytesOf = fn(usize) -> Vec<u8>;

/// `torchvision_tiny` as safetensors, each of `changed` stored as the type, number by number.
fn stored(changed: &[(&str, safetensors::Dtype, BytesOf)]) -> Vec<u8> {
    use safetensors::tensor::{SafeTensors, TensorView, serialize};
    let whole = std::fs::read(testdata("torchvision_tiny.safetensors")).expect("made");
    let whole = SafeTensors::deserialize(&whole).expect("safetensors");
    let mut tensors: Vec<(String, safetensors::Dtype, Vec<usize>, Vec<u8>)> = whole
        .iter()
        .filter(|(name, _)| changed.iter().all(|(of, ..)| of != name))
        .map(|(name, of)| {
            (
                name.to_owned(),
                of.dtype(),
                of.shape().to_vec(),
                of.data().to_vec(),
            )
        })
        .collect();
    for (name, dtype, bytes) in changed {
        let of = name.replace("_mask", "").replace("_orig", "");
        let shape = whole.tensor(&of).expect("there").shape().to_vec();
        let count = shape.iter().product();
        let data = (0..count).flat_map(bytes).collect();
        tensors.push(((*name).to_owned(), *dtype, shape, data));
    }
    if changed.iter().any(|(name, ..)| name.ends_with("_mask")) {
        for (name, ..) in &mut tensors {
            if name == "conv.weight" {
                name.push_str("_orig");
            }
        }
    }
    let views = tensors.iter().map(|(name, dtype, shape, data)| {
        let view = TensorView::new(*dtype, shape.clone(), data).expect("as large as its shape");
        (name.as_str(), view)
    });
    serialize(views, None).expect("serialised")
}

/// Each place takes a look at all names, of which a small file may have many.
#[test]
fn weights_in_very_many_places_are_refused() {
    let whole = std::fs::read(testdata("torchvision_tiny.safetensors")).expect("made");
    let whole = safetensors::SafeTensors::deserialize(&whole).expect("safetensors");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("many.safetensors");
    let graph = tiny();
    let copies = |count: usize| {
        let names = (0..count).flat_map(|at| [(at, "conv.weight"), (at, "conv.bias")]);
        let copies = names.map(|(at, name)| {
            let tensor = whole.tensor(name).expect("there");
            (format!("x{at}.{name}"), tensor)
        });
        let file = safetensors::serialize(copies, None).expect("serialised");
        std::fs::write(&path, file).expect("written");
        read(&path, None, "tiny", &graph, &[node(&graph, "conv")])
    };
    let several = refusal(copies(256));
    assert!(several.contains("has them 256 times"), "{several}");
    let refused = refusal(copies(257));
    assert!(
        refused.contains("has them more than 256 times"),
        "{refused}"
    );
    assert!(
        refused.contains("choose a network with `weights_key"),
        "{refused}"
    );
}

#[test]
fn whole_numbers_are_masks_and_never_weights() {
    use safetensors::Dtype;
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("tiny.safetensors");
    let byte = |i: usize| vec![u8::from(!i.is_multiple_of(3))];
    let read_of = |changed: &[(&str, Dtype, BytesOf)]| {
        std::fs::write(&path, stored(changed)).expect("written");
        read_tiny(&path, None)
    };
    for (dtype, name) in [
        (Dtype::U8, "uint8"),
        (Dtype::BOOL, "bool"),
        (Dtype::I8, "int8"),
    ] {
        let error = read_of(&[("conv.weight", dtype, byte)]).expect_err("no weights");
        let said = error.to_string();
        let expected =
            format!("layer `conv.weight` should be [4, 3, 3, 3], found a tensor of {name} numbers");
        assert!(said.contains(&expected), "{said}");
    }
    let (reference, _) = read_of(&[("conv.weight_mask", Dtype::F32, |i| {
        f32::from(u8::from(!i.is_multiple_of(3)))
            .to_le_bytes()
            .to_vec()
    })])
    .expect("masked");
    let (kernel, whole) = (reference[0].as_ref(), saved());
    let zeros = kernel.expect("a kernel").iter().filter(|x| **x == 0.0);
    assert_eq!((zeros.count(), whole[0] == reference[0]), (36, false));
    let masks: [(Dtype, BytesOf); 6] = [
        (Dtype::BOOL, byte),
        (Dtype::U8, byte),
        (Dtype::I8, byte),
        (Dtype::I16, |i| {
            i16::from(!i.is_multiple_of(3)).to_le_bytes().to_vec()
        }),
        (Dtype::I32, |i| {
            i32::from(!i.is_multiple_of(3)).to_le_bytes().to_vec()
        }),
        (Dtype::I64, |i| {
            i64::from(!i.is_multiple_of(3)).to_le_bytes().to_vec()
        }),
    ];
    for (dtype, bytes) in masks {
        let (masked, _) = read_of(&[("conv.weight_mask", dtype, bytes)]).expect("masked");
        assert!(masked == reference, "{dtype:?}");
    }
    let error = read_of(&[("conv.weight_mask", Dtype::F8_E4M3, byte)]).expect_err("no mask");
    let said = error.to_string();
    let expected = "layer `conv.weight_mask` should be [4, 3, 3, 3], found a tensor of F8_E4M3";
    assert!(said.contains(expected), "{said}");
}

#[test]
fn what_no_requested_layer_needs_may_be_otherwise() {
    let graph = tiny();
    let pool = [node(&graph, "pool")];
    let mut all = Vec::new();
    for file in ["tiny_other_head.pth", "kind_sparse_head.pth"] {
        let path = testdata(file);
        let (weights, notices) =
            read(&path, None, "tiny", &graph, &pool).expect("all that is needed");
        let mut expected = without_head(saved());
        if file == "kind_sparse_head.pth" {
            *expected.last_mut().expect("a bias") = saved().pop().flatten();
        }
        assert!(weights == expected, "{file}");
        all.push(format!("{file}: {}", said(&notices, &path)));
        all.push(refusal(read_tiny(&path, None)));
    }
    for file in ["tiny_missing.pth", "tiny_extra.pth"] {
        all.push(refusal(read(&testdata(file), None, "tiny", &graph, &pool)));
    }
    insta::assert_snapshot!(all.join("\n"), @r#"
    tiny_other_head.pth: their names are read without `module.`; not used: `module.fc.weight`, `module.head.bias`
    weights in `tiny_other_head.pth` are not tiny's: layer `fc.weight` should be [5, 4], found [2, 4]
      hint: the file has another network's weights; only what no requested layer depends on, such as another classifier, may differ
    kind_sparse_head.pth: not used: `fc.weight`
    weights in `kind_sparse_head.pth` are not tiny's: layer `fc.weight` should be [5, 4], found a sparse tensor
      hint: save the weights as dense tensors of floats, after `.to_dense()`, `.dequantize()`, `.full_tensor()` or `.float()`
    weights in `tiny_missing.pth` are not tiny's: layer `bn.running_mean` should be [4], found no such tensor; the nearest names there are `bn.running_var`
      hint: only what no requested layer depends on may be absent; a file of several networks may need `weights_key = "…"` in the `[[ann]]`
    weights in `tiny_extra.pth` are not tiny's: layer `bn.filter` should be absent, found [3, 3]
      hint: the file has another network's weights; only what no requested layer depends on, such as another classifier, may differ
    "#);
}

#[test]
fn what_is_no_state_dict_is_refused_by_what_it_is() {
    let mut all = Vec::new();
    for file in [
        "kind_sparse.pth",
        "kind_quantised.pth",
        "kind_integers.pth",
        "kind_complex.pth",
        "kind_float8.pth",
        "kind_meta.pth",
        "kind_numpy.pth",
        "kind_tensor.pth",
        "kind_nothing.pth",
        "kind_nan.pth",
        "kind_torchscript.pt",
        "kind_pickle.pkl",
        "kind_tar.tar",
        "kind_gzip.pth.gz",
        "kind_zip.zip",
        "kind_index.json",
        "kind_lfs.pth",
        "kind_page.pth",
        "tiny.keras",
        "tiny_legacy.h5",
    ] {
        all.push(refusal(read_tiny(&testdata(file), None)));
    }
    insta::assert_snapshot!(all.join("\n"), @r#"
    weights in `kind_sparse.pth` are not tiny's: layer `conv.weight` should be [4, 3, 3, 3], found a sparse tensor
      hint: save the weights as dense tensors of floats, after `.to_dense()`, `.dequantize()`, `.full_tensor()` or `.float()`
    weights in `kind_quantised.pth` are not tiny's: layer `conv.weight` should be [4, 3, 3, 3], found a quantised tensor
      hint: save the weights as dense tensors of floats, after `.to_dense()`, `.dequantize()`, `.full_tensor()` or `.float()`
    weights in `kind_integers.pth` are not tiny's: layer `conv.weight` should be [4, 3, 3, 3], found a tensor of int8 numbers
      hint: save the weights as dense tensors of floats, after `.to_dense()`, `.dequantize()`, `.full_tensor()` or `.float()`
    weights in `kind_complex.pth` are not tiny's: layer `conv.weight` should be [4, 3, 3, 3], found a tensor of complex64 numbers
      hint: save the weights as dense tensors of floats, after `.to_dense()`, `.dequantize()`, `.full_tensor()` or `.float()`
    weights in `kind_float8.pth` are not tiny's: layer `conv.weight` should be [4, 3, 3, 3], found a tensor of float8_e4m3fn numbers
      hint: save the weights as dense tensors of floats, after `.to_dense()`, `.dequantize()`, `.full_tensor()` or `.float()`
    weights in `kind_meta.pth` are not tiny's: layer `conv.weight` should be [4, 3, 3, 3], found a tensor of the device `meta`, without numbers
      hint: save the weights as dense tensors of floats, after `.to_dense()`, `.dequantize()`, `.full_tensor()` or `.float()`
    weights in `kind_numpy.pth` are not tiny's: layer `conv.weight` should be [4, 3, 3, 3], found a NumPy array
      hint: save the weights as dense tensors of floats, after `.to_dense()`, `.dequantize()`, `.full_tensor()` or `.float()`
    weights of tiny: `kind_tensor.pth` has no tensors by name
      hint: save the weights with `torch.save(net.state_dict(), …)`
    weights of tiny: `kind_nothing.pth` has no tensors by name, only `epoch`, `args`
      hint: save the weights with `torch.save(net.state_dict(), …)`
    weights of tiny: `kernel` of layer `conv` in `kind_nan.pth` holds NaN or infinity
      hint: the saved network had diverged; use another checkpoint
    weights of tiny: `kind_torchscript.pt` is a TorchScript archive, not a state dict of PyTorch
      hint: save its weights alone: `torch.save(torch.jit.load(FILE).state_dict(), …)`
    weights of tiny: `kind_pickle.pkl` is a pickle that `torch.save` did not write, not a state dict of PyTorch
      hint: save the weights with `torch.save(net.state_dict(), …)`, or as safetensors
    weights of tiny: `kind_tar.tar` is a tar archive, not a state dict of PyTorch
      hint: unpack it and name the file in it; if PyTorch before 0.1.12 saved it, load it with PyTorch and save the weights with `torch.save(net.state_dict(), …)`, or as safetensors
    weights of tiny: `kind_gzip.pth.gz` is a compressed file, not a state dict of PyTorch
      hint: unpack it and name the file in it
    weights of tiny: `kind_zip.zip` is a zip archive that begins with `run/tiny_net.pth`, not a state dict of PyTorch
      hint: unpack it and name the file in it, or save the weights with `torch.save(net.state_dict(), …)`, or as safetensors
    weights of tiny: `kind_index.json` is a text in JSON, not a state dict of PyTorch
      hint: name the file with the tensors; if they are in several, load them and save the weights with `torch.save(net.state_dict(), …)`, or as safetensors
    weights of tiny: `kind_lfs.pth` is a pointer of Git LFS in place of the file, not a state dict of PyTorch
      hint: fetch the file itself with `git lfs pull`
    weights of tiny: `kind_page.pth` is a web page, not a state dict of PyTorch
      hint: download the file itself; this is a page about it
    weights of tiny: `tiny.keras` is an archive of Keras, not a state dict of PyTorch
      hint: the ANNs without `-torchvision` in their names take Keras's files
    weights of tiny: `tiny_legacy.h5` is an HDF5 file, as Keras writes them, not a state dict of PyTorch
      hint: the ANNs without `-torchvision` in their names take Keras's files
    "#);
}

#[test]
fn another_networks_file_is_refused_at_its_first_difference() {
    let other = find("alexnet-torchvision").expect("offered");
    for file in ["torchvision_tiny.pth", "torchvision_tiny.safetensors"] {
        let refused = read(&testdata(file), None, other.name, &other.graph(), &[]);
        let said = refused.expect_err("refused").to_string();
        let first = "layer `features.0.weight` should be [64, 3, 11, 11], found no such tensor";
        assert!(said.contains(first), "{said}");
    }
}

#[test]
fn a_truncated_or_changed_file_is_an_error_that_names_it() {
    let directory = tempfile::tempdir().expect("a directory");
    for file in [
        "torchvision_tiny.pth",
        "torchvision_tiny.safetensors",
        "tiny_legacy.pth",
        "alexnet.pth",
    ] {
        let whole = std::fs::read(testdata(file)).expect("made by the script");
        let short = directory.path().join(file);
        for length in (0..whole.len()).step_by(1 + whole.len() / 25) {
            std::fs::write(&short, &whole[..length]).expect("written");
            let said = read_tiny(&short, None).expect_err("refused");
            assert!(said.to_string().contains(file), "{length} bytes: {said}");
        }
        // A changed byte may be a number's; what matters is that there is an answer.
        for at in (0..whole.len()).step_by(1 + whole.len() / 400) {
            let mut changed = whole.clone();
            changed[at] ^= 0x55;
            std::fs::write(&short, &changed).expect("written");
            if let Err(error) = read_tiny(&short, None) {
                assert!(error.to_string().contains(file), "byte {at}: {error}");
            }
        }
    }
}

#[test]
fn the_shared_files_are_as_their_readme_says() {
    let Some(folder) = shared("inputs/weights/torch") else {
        return;
    };
    let graph = tiny();
    for (file, notice) in [
        ("channels_last.pth", ""),
        ("net_key.pth", "the weights under `net` are taken"),
        ("orig_mod.pth", "their names are read without `_orig_mod.`"),
        (
            "orig_mod_module.pth",
            "their names are read without `_orig_mod.`, `module.`",
        ),
        ("safetensors_named.bin", ""),
        ("torchvision_tiny_copy.pth", ""),
    ] {
        let path = folder.join(file);
        let (weights, notices) = read_tiny(&path, None).unwrap_or_else(|error| panic!("{error}"));
        assert!(weights == saved(), "{file}");
        assert_eq!(said(&notices, &path), notice, "{file}");
    }
    let pool = [node(&graph, "pool")];
    let (weights, _) =
        read(&folder.join("no_fc.pth"), None, "tiny", &graph, &pool).expect("no head is needed");
    assert!(weights == without_head(saved()));
    let (masked, _) = read_tiny(&folder.join("prune.pth"), None).expect("masked");
    let (removed, _) =
        read_tiny(&folder.join("prune_removed.pth"), None).expect("masked before it was saved");
    assert!(masked == removed && masked != saved());
    let refused = read_tiny(&folder.join("sparse.pth"), None)
        .expect_err("sparse")
        .to_string();
    assert!(
        refused.contains("`fc.weight` should be [5, 4], found a sparse tensor"),
        "{refused}"
    );
}
