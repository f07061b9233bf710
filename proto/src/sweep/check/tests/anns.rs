//! Mistakes in ANNs: their layer sets and their pruning.

use super::*;

#[test]
fn layer_sets_are_listed_or_a_word_for_sets_of_candidates() {
    let sets = |ann: &str, word: &str| {
        check(&format!(
            "[[ann]]\nname = {ann:?}\nweights = \"w\"\nlayer_sets = {word:?}"
        ))
    };
    for word in ["single", "pairs", "region-map"] {
        assert_eq!(sets("mobilenet", word), "good", "{word}");
    }
    let said = ["pair", "triples"].map(|word| sets("mobilenet", word));
    let said = [
        said.join("\n"),
        sets("onnx", "single"),
        sets("onnx", "region-map"),
    ]
    .join("\n");
    insta::assert_snapshot!(said.replace("the sweep file has a mistake\n", ""), @r#"
    `ann[0].layer_sets` = "pair": must be a list of layer sets, or one of `single`, `pairs`, `triples`, `region-map`: every candidate layer of `nrp ann layers mobilenet`, all pairs, all triples, or the layer that Brain-Score, or `region-map:FILE`, has committed to each region; did you mean `pairs`?
    `ann[0].layer_sets` = "triples": mobilenet has too few candidate layers for that; list the layer sets
    `ann[0].layer_sets` = "single": onnx has too few candidate layers for that; list the layer sets
    `ann[0].layer_sets` = "region-map": Brain-Score has committed no layer of onnx to one of these regions; list the layer sets
    "#);
}

#[test]
fn a_file_names_the_layers_of_each_region() {
    let map = |file: &str, regions: &str| {
        check(&format!(
            "[recordings]\nregions = {regions}\n[[ann]]\nname = \"mobilenet\"\nweights = \"w\"\n\
             layer_sets = \"region-map:{file}\""
        ))
    };
    let known = "maps/mobilenet.json";
    assert_eq!(map(known, "[\"V4\"]"), "good");
    let said = [
        map(known, "[\"IT\"]"),
        map(known, "[\"V4\", \"V2\", \"empty\"]"),
        map(known, "[\"empty\"]"),
        map("", "[\"V4\"]"),
        map("../up.json", "[\"V4\"]"),
        map("~/map.json", "[\"V4\"]"),
    ]
    .join("\n");
    let said = said.replace("the sweep file has a mistake\n", "");
    insta::assert_snapshot!(said.replace("\n  ", "\n").trim_start(), @r#"
    `ann[0].layer_sets.IT[0][0]` = "conv_pw_13_rleu": no layer of mobilenet; `nrp ann layers mobilenet` lists them; did you mean `conv_pw_13_relu`?
    `ann[0].layer_sets` = "maps/mobilenet.json": the file names no layer for V2; it has `V4`, `IT`, `empty`
    `ann[0].layer_sets.empty[0]` = []: names no layer
    `ann[0].layer_sets` = "region-map:": names no file
    the sweep file has 2 mistakes
    `ann[0].layer_sets` = "../up.json": leads out of the data directory; `--data-dir DIR` names one that holds all files of the sweep
    `ann[0].layer_sets` = "../up.json": the file names no layer for V4; it has no region
    `ann[0].layer_sets` = "region-map:~/map.json": `~` does not stand for the home directory here; write the whole path, or one that starts at the sweep file's directory
    "#);
}

#[test]
fn pruning_is_by_a_rule_or_by_a_checkpoint_for_each_sparsity() {
    let ann = |rest: &str| {
        let table = "name = \"mobilenet\"\nweights = \"m.h5\"";
        check(&format!(
            "[[ann]]\n{table}\nlayer_sets = [[\"conv_pw_3_relu\"]]\n{rest}"
        ))
    };
    for good in [
        "sparsity = [0.0, 0.8]",
        "sparsity = [0.0, 0.8]\npruning = \"layer\"",
        "sparsity = [0.8]\npruning = \"global\"",
        "sparsity = [0.0, 0.5, 0.8]\npruning = { \"0.80\" = \"8.h5\", \".5\" = \"5.h5\" }",
    ] {
        assert_eq!(ann(good), "good", "{good}");
    }
    insta::assert_snapshot!(check(r#"
        [[ann]]
        name = "mobilenet"
        weights = "a.h5"
        layer_sets = [["conv_pw_3_relu"]]
        sparsity = [0.0, 1.0, -0.2]
        pruning = "layers"
        [[ann]]
        name = "mobilenet"
        weights = "b.h5"
        layer_sets = [["conv_pw_3_relu"]]
        sparsity = [0.0, 0.5, 0.8]
        pruning = { "0.0" = "0.h5", "0.8" = "", "0.80" = "8.h5", "many" = "m.h5" }
        [[ann]]
        name = "onnx"
        weights = "net.onnx"
        layer_sets = [["a"]]
        sparsity = [0.5]
    "#), @r#"
    the sweep file has 9 mistakes
      `ann[0].sparsity[1]` = 1.0: a fraction of zero weights is at least 0 and below 1
      `ann[0].sparsity[2]` = -0.2: a fraction of zero weights is at least 0 and below 1
      `ann[0].pruning` = "layers": must be one of `layer`, `global`; did you mean `layer`?
      `ann[1].pruning."0.0"` = "0.h5": must be of a sparsity above 0 that stands in `sparsity`
      `ann[1].pruning."0.8"` = "": names no file
      `ann[1].pruning."0.80"` = "8.h5": is the file of a sparsity that has one
      `ann[1].pruning."many"` = "m.h5": must be of a sparsity above 0 that stands in `sparsity`
      `ann[1].pruning."0.5"`: is missing: name the checkpoint of this sparsity
      `ann[2].sparsity` = [0.5]: onnx runs with the weights it has; prune the net before you export it, and name each file as an ANN of its own
    "#);
    let wrong = SweepFile::parse(
        "name = \"a\"\nrecordings = { assembly = \"simulated\" }\n[[ann]]\nname = \"mobilenet\"\n\
         weights = \"m.h5\"\nlayer_sets = []\npruning = 0.8",
    );
    let error = wrong.expect_err("a number").to_string();
    assert!(
        error.contains("expected \"layer\", \"global\" or"),
        "{error}"
    );
}
