//! Networks of torchvision by their real names, in the wrappers of PyTorch and those around it.

use std::path::PathBuf;

use super::super::checkpoint::{Checkpoint, StateDict};
use super::super::file::TorchFile;
use super::super::fit::{Fit, Wanted};
use super::super::read;
use super::super::tensor::Entry;
use super::{node, testdata};
use crate::ann::graph::NodeId;
use crate::ann::{AnnInfo, find};

const NETWORKS: [&str; 5] = [
    "mobilenet_v2",
    "resnet50",
    "densenet121",
    "densenet169",
    "alexnet",
];

/// A network's names as they are in its file, each under the name that `renamed` gives it.
fn wrapped(name: &str, renamed: impl Fn(&str) -> String) -> Checkpoint {
    let file = TorchFile {
        ann: "an ANN",
        path: &testdata(&format!("{name}.pth")),
    };
    let mut checkpoint = file
        .open()
        .unwrap_or_else(|error| panic!("{error}"))
        .checkpoint;
    for (name, _) in &mut checkpoint.dicts[0].tensors {
        *name = renamed(name);
    }
    checkpoint
}

fn info(name: &str) -> &'static AnnInfo {
    find(&format!("{name}-torchvision")).expect("offered")
}

/// The places in the file's storage, which are those in torchvision's state dict without counters.
pub(super) fn places(fit: &Fit) -> Vec<Option<usize>> {
    let place = |entry: &Entry| match entry {
        Entry::Dense(tensor) => Some(tensor.offset),
        Entry::Other(_) => None,
    };
    fit.tensors
        .iter()
        .map(|of| of.and_then(|of| place(of.entry)))
        .collect()
}

#[test]
fn every_network_of_torchvision_is_found_in_every_wrapper() {
    let wrappers: [&dyn Fn(&str) -> String; 12] = [
        &|name| name.to_owned(),
        &|name| format!("module.{name}"),
        &|name| format!("_orig_mod.{name}"),
        &|name| format!("_orig_mod.module.{name}"),
        &|name| format!("model.{name}"),
        &|name| format!("backbone.{name}"),
        &|name| format!("module.encoder_q.{name}"),
        &|name| format!("model.backbone.module.{name}"),
        &|name| {
            format!(
                "_fsdp_wrapped_module.{}",
                name.replacen('.', "._fsdp_wrapped_module.", 1)
            )
        },
        &|name| name.replacen('.', "._checkpoint_wrapped_module.", 1),
        &|name| name.replacen("features.", "features.module.", 1),
        &|name| format!("_forward_module.ema_model.module._orig_mod.{name}"),
    ];
    for name in NETWORKS {
        let info = info(name);
        let graph = info.graph();
        let last = graph.listed().last().map(|(id, _)| id);
        let asked: Vec<NodeId> = last.into_iter().collect();
        let all: Vec<_> = (0..graph.weights().len()).map(Some).collect();
        for (number, wrapper) in wrappers.iter().enumerate() {
            let path = PathBuf::from(name);
            let file = TorchFile {
                ann: info.name,
                path: &path,
            };
            let mut checkpoint = wrapped(name, wrapper);
            let counted = ("n_averaged".to_owned(), Entry::Other("a count".to_owned()));
            checkpoint.dicts[0].tensors.insert(0, counted);
            let fit = Wanted::new(file, &graph, &asked).find(&checkpoint);
            let fit = fit.unwrap_or_else(|error| panic!("{name} in wrapper {number}: {error}"));
            assert_eq!(places(&fit), all, "{name} in wrapper {number}");
            assert!(fit.unused.is_empty() && fit.others.is_empty());
        }
    }
}

#[test]
fn every_network_of_torchvision_is_read_with_or_without_its_classifier() {
    for name in NETWORKS {
        let info = info(name);
        let graph = info.graph();
        let last = graph.listed().last().map(|(id, _)| id).expect("a layer");
        let (weights, notices) = read(
            &testdata(&format!("{name}.pth")),
            None,
            info.name,
            &graph,
            &[last],
        )
        .expect("the ANN's");
        for (place, of) in weights.iter().enumerate() {
            let of = of.as_ref().expect("there");
            assert!(
                of.iter().all(|x| *x == place as f32),
                "{name}: {:?}",
                graph.weights()[place]
            );
        }
        assert!(notices.is_empty(), "{notices:?}");
        // The layer before the classifier, of a file in which the last tensors are another's.
        let before = info.layer(info.candidates[2]).expect("a layer");
        let asked = [node(&graph, &before.name)];
        let head = graph.weights().last().expect("a head").layer.clone();
        let path = PathBuf::from(name);
        let file = TorchFile {
            ann: info.name,
            path: &path,
        };
        let is_head = |of: &str| of.starts_with(&head);
        let (mut other, mut none) = (wrapped(name, str::to_owned), wrapped(name, str::to_owned));
        none.dicts[0].tensors.retain(|(name, _)| !is_head(name));
        for (name, entry) in &mut other.dicts[0].tensors {
            if let (true, Entry::Dense(tensor)) = (is_head(name), entry) {
                tensor.shape[0] = 10;
            }
        }
        for checkpoint in [&other, &none] {
            let fit = Wanted::new(file, &graph, &asked)
                .find(checkpoint)
                .expect("all that is needed");
            let found = places(&fit);
            let headless = graph.weights().iter().enumerate();
            let expected: Vec<_> = headless
                .map(|(at, spec)| (spec.layer != head).then_some(at))
                .collect();
            assert_eq!(found, expected, "{name}");
            let refused = Wanted::new(file, &graph, &[last])
                .find(checkpoint)
                .expect_err("its head is asked for");
            assert!(refused.to_string().contains(&head), "{refused}");
        }
    }
}

#[test]
fn another_architecture_is_refused_by_what_it_has_besides() {
    let graph = info("densenet121").graph();
    let path = PathBuf::from("densenet169.pth");
    let file = TorchFile {
        ann: "densenet121-torchvision",
        path: &path,
    };
    let early = [node(&graph, "features.transition1.pool")];
    let larger = wrapped("densenet169", str::to_owned);
    let refused = Wanted::new(file, &graph, &early).find(&larger);
    let said = refused.expect_err("another network").to_string();
    assert!(
        said.contains("features.denseblock3") || said.contains("features.transition3"),
        "{said}"
    );
    // Squeeze and excitation within ResNet's blocks.
    let graph = info("resnet50").graph();
    let file = TorchFile {
        ann: "resnet50-torchvision",
        ..file
    };
    let mut checkpoint = wrapped("resnet50", str::to_owned);
    let tensors = &mut checkpoint.dicts[0].tensors;
    let copy = tensors[0].1.clone();
    tensors.push(("layer1.0.se.fc1.weight".to_owned(), copy));
    let early = [node(&graph, "layer1.2.relu_2")];
    let refused = Wanted::new(file, &graph, &early).find(&checkpoint);
    let said = refused.expect_err("another network").to_string();
    assert!(
        said.contains("`layer1.0.se.fc1.weight` should be absent"),
        "{said}"
    );
    let nothing = Checkpoint::flat(StateDict::new(String::new(), Vec::new()));
    assert!(Wanted::new(file, &graph, &early).find(&nothing).is_err());
}
