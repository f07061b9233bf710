//! Every kind of mistake, as users read it.

use super::*;
use crate::sweep::Scheme;

pub(super) struct Two;

impl Catalogue for Two {
    fn offered(&self) -> Vec<&str> {
        vec!["mobilenet", "onnx", "features"]
    }
    fn layers(&self, ann: &AnnTable) -> Option<Vec<String>> {
        let layers = self.candidates(ann);
        let known = !layers.is_empty();
        known.then(|| layers.into_iter().map(str::to_owned).collect())
    }
    fn candidates(&self, ann: &AnnTable) -> Vec<&str> {
        match (ann.name.as_str(), ann.weights.as_str()) {
            ("mobilenet", _) => vec!["conv_pw_3_relu", "conv_pw_13_relu"],
            ("features", "one.npy") => vec!["one"],
            ("features", "three.npz") => vec!["a", "b", "c"],
            _ => Vec::new(),
        }
    }
    fn region_layers(&self, ann: &str) -> Vec<(&str, &str)> {
        match ann {
            "mobilenet" => vec![("V4", "conv_pw_3_relu"), ("IT", "conv_pw_13_relu")],
            _ => Vec::new(),
        }
    }
}

pub(super) fn check(edit: &str) -> String {
    let mut file = toml::from_str::<toml::Table>(
        r#"
        name = "test"
        recordings = { assembly = "simulated", regions = ["V4"] }
        split = {}
        grid = {}
        search = {}
        training = {}
        [[ann]]
        name = "mobilenet"
        weights = "random:0"
        layer_sets = [["conv_pw_13_relu"]]
        "#,
    )
    .expect("base");
    for (table, value) in toml::from_str::<toml::Table>(edit).expect("edit") {
        match (file.get_mut(&table), value) {
            (Some(toml::Value::Table(into)), toml::Value::Table(from)) => into.extend(from),
            (_, value) => {
                file.insert(table, value);
            }
        }
    }
    match SweepFile::parse(&file.to_string()).and_then(|file| file.expand(&Two).check(&Two)) {
        Ok(()) => "good".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_good_file_has_no_mistake() {
    assert_eq!(check(""), "good");
}

#[test]
fn every_mistake_names_key_value_and_near_miss() {
    insta::assert_snapshot!(check(r#"
        name = "two words"
        [split]
        scheme = "holdot"
        fractions = [0.8, 0.1, 0.2]
        [grid]
        l1 = []
        l2 = [32, 32, 0]
        depth = [4]
        learning_rate = [0.0, 1e-3, -1.0, nan]
        dropout = [1.0]
        [training]
        batch_size = 0
        targets = "standardized"
        baselines = ["maen"]
        [[ann]]
        name = "mobilnet"
        weights = "random:x"
        layer_sets = []
        [[ann]]
        name = "mobilenet"
        weights = "w.h5"
        layer_sets = [["conv_pw_31_relu"], [], ["conv_pw_3_relu", "conv_pw_13_relu"],
                      ["conv_pw_13_relu", "conv_pw_3_relu"]]
    "#), @r#"
    the sweep file has 19 mistakes
      `name` = "two words": must be 1 to 64 letters, digits, `-`, `_` or `.`
      `split.scheme` = "holdot": must be one of `holdout`, `shuffle`, `validation-is-test`, `brain-score`, `file`; did you mean `holdout`?
      `split.fractions` = [0.8, 0.1, 0.2]: must sum to 1, not 1.1
      `ann[0].name` = "mobilnet": no such ANN; there are `mobilenet`, `onnx`, `features`; did you mean `mobilenet`?
      `ann[0].weights` = "random:x": after `random:` comes a seed, a whole number
      `ann[1].layer_sets[0][0]` = "conv_pw_31_relu": no layer of mobilenet; `nrp ann layers mobilenet` lists them; did you mean `conv_pw_13_relu`?
      `ann[1].layer_sets[1]` = []: names no layer
      `ann[1].layer_sets[3]` = ["conv_pw_13_relu", "conv_pw_3_relu"]: is listed twice, which makes duplicate cells
      `grid.l1` = []: is empty, so the grid has no cell
      `grid.l2[1]` = 32: is listed twice, which makes duplicate cells
      `grid.l2[2]` = 0: a layer has 1 to 65536 units
      `grid.depth[0]` = 4: there are 0 to 3 intermediate layers
      `grid.learning_rate[0]` = 0.0: a learning rate must be above 0
      `grid.learning_rate[2]` = -1.0: a learning rate must be above 0
      `grid.learning_rate[3]` = NaN: a learning rate must be above 0
      `grid.dropout[0]` = 1.0: dropout is at least 0 and below 1
      `training.batch_size` = 0: must be 1 to 1000000
      `training.targets` = "standardized": must be one of `none`, `centred`, `standardised`; did you mean `standardised`?
      `training.baselines[0]` = "maen": must be one of `mean`, `ols`, `ridge`, `ridge-1`, `ridgecv`, `pls`; did you mean `mean`?
    "#);
}

#[test]
fn every_scheme_is_offered() {
    for scheme in Scheme::ALL {
        let file = match scheme {
            Scheme::File => "file = \"splits.json\"",
            Scheme::Holdout | Scheme::Shuffle | Scheme::ValidationIsTest | Scheme::BrainScore => "",
        };
        let split = format!("[split]\nscheme = \"{scheme}\"\n{file}");
        assert_eq!(check(&split), "good", "{scheme}");
    }
    let order = "order = [\"object_name\", \"stimulus_id\"]\nseed = 4294967295\nstratify = \"\"";
    let split = format!("[split]\nscheme = \"brain-score\"\n{order}");
    assert_eq!(check(&split), "good");
}

#[test]
fn what_helps_a_network_to_more_than_ridge_regression_is_an_axis() {
    let good = "[grid]\nlinear_path = [\"none\", \"ridge\"]\nensemble = [1, 8]";
    assert_eq!(check(good), "good");
    let grid = "[grid]\nlinear_path = [\"ols\", \"none\", \"none\"]\nensemble = [0, 1001]";
    insta::assert_snapshot!(check(grid), @r#"
    the sweep file has 4 mistakes
      `grid.linear_path[0]` = "ols": must be one of `none`, `ridge`
      `grid.linear_path[2]` = "none": is listed twice, which makes duplicate cells
      `grid.ensemble[0]` = 0: an ensemble has 1 to 1000 networks
      `grid.ensemble[1]` = 1001: an ensemble has 1 to 1000 networks
    "#);
}

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
    `ann[0].layer_sets` = "pair": must be a list of layer sets, or one of `single`, `pairs`, `triples`, `region-map`: every candidate layer of `nrp ann layers mobilenet`, all pairs, all triples, or the layer that Brain-Score has committed to each region; did you mean `pairs`?
    `ann[0].layer_sets` = "triples": mobilenet has too few candidate layers for that; list the layer sets
    `ann[0].layer_sets` = "single": onnx has too few candidate layers for that; list the layer sets
    `ann[0].layer_sets` = "region-map": Brain-Score has committed no layer of onnx to one of these regions; list the layer sets
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

#[test]
fn every_baseline_is_offered() {
    let all = [MEAN_PREDICTOR].into_iter().chain(Baseline::NAMES);
    let all = format!("[training]\nbaselines = {:?}", all.collect::<Vec<_>>());
    assert_eq!(check(&all), "good");
    assert_eq!(check("[training]\nbaselines = []"), "good");
}

#[test]
fn a_projection_is_one_of_three_and_says_how_many_components() {
    let projection = |word: &str| check(&format!("[training]\nprojection = {word:?}"));
    for word in ["none", "row-space", "pca:1", "pca:200"] {
        assert_eq!(projection(word), "good", "{word}");
    }
    for (word, near) in [
        ("row_space", "; did you mean `row-space`?"),
        ("pca:0", "; did you mean `pca:K`?"),
        ("pca", "; did you mean `pca:K`?"),
        ("svd", ""),
    ] {
        assert_eq!(
            projection(word),
            format!(
                "the sweep file has a mistake\n  `training.projection` = {word:?}: must be one of \
                 `none`, `row-space`, `pca:K`, K a whole number from 1 on{near}"
            )
        );
    }
}

#[test]
fn a_search_says_what_it_needs_and_nothing_else() {
    assert_eq!(check("[search]\nstrategy = \"grid\""), "good");
    let random = "[search]\nstrategy = \"random\"\ntrials = 12\nseed = 3";
    assert_eq!(check(random), "good");
    let asha = "early_stopping = \"asha\"\nmin_epochs = 10\nreduction = 4";
    assert_eq!(check(&format!("[search]\n{asha}")), "good");
    assert_eq!(check(&format!("{random}\n{asha}")), "good");
    for (table, mistakes) in [
        (
            r#"strategy = "randon""#,
            vec![
                r#"`search.strategy` = "randon": must be one of `grid`, `random`; did you mean `random`?"#,
            ],
        ),
        (
            "strategy = \"random\"\nseed = -1",
            vec![
                "`search.trials`: is missing: say how many cells",
                "`search.seed` = -1: must not be negative",
            ],
        ),
        (
            "strategy = \"random\"\ntrials = 0",
            vec!["`search.trials` = 0: must be 1 to 1000000"],
        ),
        (
            "trials = 12\nseed = 3",
            vec![
                r#"`search.trials` = 12: only strategy "random" has it; leave it out"#,
                r#"`search.seed` = 3: only strategy "random" has it; leave it out"#,
            ],
        ),
        (
            "early_stopping = \"ahsa\"",
            vec![
                r#"`search.early_stopping` = "ahsa": must be one of `none`, `asha`; did you mean `asha`?"#,
            ],
        ),
        (
            "early_stopping = \"asha\"\nreduction = 1",
            vec![
                "`search.min_epochs`: is missing: say at how many epochs the first trials stop",
                "`search.reduction` = 1: must be 2 to 1000000",
            ],
        ),
        (
            "early_stopping = \"asha\"\nmin_epochs = 200",
            vec!["`search.min_epochs` = 200: must be 1 to 199, below `training.max_epochs`"],
        ),
        (
            "min_epochs = 10\nreduction = 4",
            vec![
                r#"`search.min_epochs` = 10: only early stopping "asha" has it; leave it out"#,
                r#"`search.reduction` = 4: only early stopping "asha" has it; leave it out"#,
            ],
        ),
        (
            "trails = 12",
            vec!["`search.trails` = 12: no such key; did you mean `trials`?"],
        ),
    ] {
        let found = check(&format!("[search]\n{table}"));
        let found: Vec<_> = found.lines().skip(1).map(str::trim).collect();
        assert_eq!(found, mistakes);
    }
}

#[test]
fn recordings_of_every_format_are_taken_with_the_files_they_need() {
    for file in ["a.nc", "a.npy", "a.npz"] {
        let beside = r#"stimuli = "a.csv"
        images = "a.zip""#;
        let edit = format!("[recordings]\nassembly = {file:?}\n{beside}");
        assert_eq!(check(&edit), "good", "{file}");
    }
    for file in ["ventral_neural_data.hdf5", "a.h5"] {
        let edit = format!("[recordings]\nassembly = {file:?}\nvariations = [0, 3, 6]");
        assert_eq!(check(&edit), "good", "{file}");
    }
    // An assembly may be called so too; its content decides.
    let files = "stimuli = \"a.csv\"\nimages = \"a.zip\"";
    for (file, variable) in [
        ("a.h5", "rates"),
        ("a.hdf5", "neural/rates"),
        ("a.nc", "rates"),
    ] {
        let edit = format!("[recordings]\nassembly = {file:?}\n{files}\nvariable = {variable:?}");
        assert_eq!(check(&edit), "good", "{file}");
    }
    insta::assert_snapshot!(check(r#"
        [recordings]
        assembly = "lab.hdf5"
        variable = "rates"
    "#), @r#"
    the sweep file has a mistake
      `recordings.variable` = "rates": only a file with several variables needs it; leave it out
    "#);
    insta::assert_snapshot!(check(r#"
        [recordings]
        assembly = "lab.hdf5"
        images = "a.zip"
        variations = [0, -1, 0]
    "#), @r#"
    the sweep file has 3 mistakes
      `recordings.images` = "a.zip": a file laid out as `ventral_neural_data.hdf5` brings its own: leave it out; an assembly of this name needs `stimuli` too
      `recordings.variations[1]` = -1: a variation level is 0 to 255
      `recordings.variations[2]` = 0: is listed twice, which makes duplicate cells
    "#);
    insta::assert_snapshot!(check(r#"
        [recordings]
        assembly = "rates.pkl"
        variations = [3]
    "#), @r#"
    the sweep file has 4 mistakes
      `recordings.stimuli`: is missing: name a file
      `recordings.images`: is missing: name a file
      `recordings.assembly` = "rates.pkl": must be "simulated" or a file of responses; responses end in `.nc`, `.nc4`, `.npy`, `.npz`, `.mat`, `.nwb`, `.hdf5` or `.h5`; load pickles with pandas and save the responses with `numpy.savez`
      `recordings.variations` = [3]: only a file laid out as `ventral_neural_data.hdf5` has variation levels; leave it out
    "#);
}

#[test]
fn a_window_is_of_spikes_and_sites_are_of_arrays() {
    let files = "stimuli = \"a.csv\"\nimages = \"a.zip\"";
    for (file, key) in [
        ("a.nwb", "window_ms = [70, 170]"),
        ("a.nwb", "window_ms = [-50, 0]"),
        ("a.mat", "sites = [\"V1 = 1-512\", \"V4 = 513-768, 800\"]"),
        ("a.npy", "sites = [\"V4=1-3\"]"),
    ] {
        let edit = format!("[recordings]\nassembly = {file:?}\n{files}\n{key}");
        assert_eq!(check(&edit), "good", "{file}");
    }
    for (file, key, mistake) in [
        (
            "a.nc",
            "window_ms = [70, 170]",
            "only NWB files have spikes",
        ),
        (
            "a.nwb",
            "window_ms = [170, 70]",
            "must be where the window starts",
        ),
        (
            "a.nwb",
            "window_ms = [70]",
            "must be where the window starts",
        ),
        ("a.nwb", "sites = [\"V4 = 1-3\"]", "only arrays need it"),
        (
            "a.mat",
            "sites = [\"V4\"]",
            "expected a region and its sites",
        ),
    ] {
        let edit = format!("[recordings]\nassembly = {file:?}\n{files}\n{key}");
        let found = check(&edit);
        assert!(found.contains(mistake), "{found}");
    }
}

#[test]
fn an_ann_that_its_file_defines_has_any_layer_its_own_preprocessing_and_no_seed() {
    let onnx = |rest: &str| check(&format!("[[ann]]\nname = \"onnx\"\n{rest}"));
    let file = "weights = \"net.onnx\"\nlayer_sets = [[\"/layer1/Relu\"], [\"conv\"]]\n";
    assert_eq!(onnx(file), "good");
    for word in ["torch", "tf", "caffe", "none"] {
        assert_eq!(onnx(&format!("{file}preprocessing = \"{word}\"")), "good");
    }
    insta::assert_snapshot!(check(r#"
        [[ann]]
        name = "onnx"
        weights = "net.onnx"
        layer_sets = [["a"], ["a"], ["b", "b"], []]
        preprocessing = "cafe"
        [[ann]]
        name = "onnx"
        weights = "random:1"
        layer_sets = [["a"]]
        [[ann]]
        name = "onnx"
        weights = "random:1"
        preprocessing = "torch"
        layer_sets = [["a"]]
        [[ann]]
        name = "mobilenet"
        weights = "m.h5"
        preprocessing = "tf"
        layer_sets = [["conv_pw_3_relu"]]
    "#), @r#"
    the sweep file has 8 mistakes
      `ann[2]` = "onnx": is listed twice with the same weights; put all its layer sets into one
      `ann[0].layer_sets[2][1]` = "b": stands twice in its set
      `ann[0].layer_sets[3]` = []: names no layer
      `ann[0].layer_sets[1]` = ["a"]: is listed twice, which makes duplicate cells
      `ann[0].preprocessing` = "cafe": must be one of `torch`, `tf`, `caffe`, `none`; did you mean `caffe`?
      `ann[1].weights` = "random:1": onnx has no weights but its file's; name the file, saved untrained if need be
      `ann[2].weights` = "random:1": onnx has no weights but its file's; name the file, saved untrained if need be
      `ann[3].preprocessing` = "tf": mobilenet has its own; leave it out
    "#);
}

#[test]
fn activations_of_a_file_have_layers_and_nothing_that_is_done_to_images_or_weights() {
    let features = |rest: &str| check(&format!("[[ann]]\nname = \"features\"\n{rest}"));
    for good in [
        "weights = \"one.npy\"",
        "weights = \"one.npy\"\nlayer_sets = [[\"one\"]]",
        "weights = \"one.npy\"\nlayer_sets = \"single\"",
        "weights = \"three.npz\"\nlayer_sets = \"triples\"",
        "weights = \"three.npz\"\nlayer_sets = [[\"c\", \"a\"], [\"b\"]]",
    ] {
        assert_eq!(features(good), "good", "{good}");
    }
    insta::assert_snapshot!(check(r#"
        [[ann]]
        name = "features"
        weights = "three.npz"
        [[ann]]
        name = "features"
        weights = "one.npy"
        weights_key = "one"
        preprocessing = "torch"
        resize = "pillow-12"
        degrees = 8.0
        sparsity = [0.0, 0.5]
        layer_sets = "pairs"
        [[ann]]
        name = "features"
        weights = "random:1"
        layer_sets = [["a"]]
        [[ann]]
        name = "features"
        weights = "three.npz"
        resize = "pillow-13"
        layer_sets = [["d"]]
    "#), @r#"
    the sweep file has 11 mistakes
      `ann[3]` = "features": is listed twice with the same weights; put all its layer sets into one
      `ann[0].layer_sets`: is missing, and there are 3 layers: list the sets, or write "single" for each layer by itself; `nrp ann layers features --weights three.npz` lists them
      `ann[1].layer_sets` = "pairs": features has too few candidate layers for that; list the layer sets
      `ann[1].preprocessing` = "torch": activations of a file are read as they are, without images; leave it out
      `ann[1].resize` = "pillow-12": activations of a file are read as they are, without images; leave it out
      `ann[1].degrees` = 8: activations of a file are read as they are, without images; leave it out
      `ann[1].weights_key` = "one": is for files of PyTorch's; name layers of a file of activations in `layer_sets`
      `ann[1].sparsity` = [0.0, 0.5]: activations of a file have no weights to prune; list those of each pruned network as an ANN of its own
      `ann[2].weights` = "random:1": expected a file of activations: `.npy`, `.npz` or `.nc`
      `ann[3].layer_sets[0][0]` = "d": no layer of features; `nrp ann layers features --weights three.npz` lists them
      `ann[3].resize` = "pillow-13": activations of a file are read as they are, without images; leave it out
    "#);
    let other = "name = \"a\"\nrecordings = { assembly = \"simulated\" }\n[[ann]]\nname = \"onnx\"\n\
                 weights = \"net.onnx\"\n";
    let error = SweepFile::parse(other)
        .expect_err("no layer sets")
        .to_string();
    assert!(error.contains("`ann[0].layer_sets`: is missing"), "{error}");
}

#[test]
fn the_order_of_resizing_is_one_of_two_words_and_part_of_the_preprocessing() {
    let with = |name: &str, lines: &str| {
        check(&format!(
            "[[ann]]\nname = \"{name}\"\nweights = \"w.h5\"\nlayer_sets = [[\"conv_pw_3_relu\"]]\n{lines}"
        ))
    };
    for word in ["pillow-12", "pillow-13"] {
        assert_eq!(with("mobilenet", &format!("resize = \"{word}\"")), "good");
    }
    insta::assert_snapshot!(with("mobilenet", "resize = \"pillow-11\""), @r#"
    the sweep file has a mistake
      `ann[0].resize` = "pillow-11": must be one of `pillow-13`, `pillow-12`; did you mean `pillow-12`?
    "#);
    let words = |name: &str, lines: &str| {
        let text = format!(
            "name = \"a\"\nrecordings = {{ assembly = \"simulated\" }}\n[[ann]]\nname = \"{name}\"\n\
             weights = \"w\"\nlayer_sets = [[\"a\"]]\n{lines}\n[grid]\n"
        );
        let spec = SweepFile::parse(&text).expect("TOML").to_spec();
        spec.anns[0].ann.clone().expect("an ANN").preprocessing
    };
    let old = "resize = \"pillow-12\"";
    assert_eq!(words("mobilenet", ""), "");
    assert_eq!(words("mobilenet", "resize = \"pillow-13\""), "");
    assert_eq!(words("mobilenet", old), "pillow-12");
    assert_eq!(words("onnx", old), "torch pillow-12");
    let both = format!("preprocessing = \"tf\"\n{old}");
    assert_eq!(words("onnx", &both), "tf pillow-12");
}

/// The file that [`check`] checks, with an edit, and what is wrong with it on the wire.
fn checked_on_the_wire(edit: &str) -> (String, String) {
    let base = r#"
        name = "test"
        recordings = { assembly = "simulated", regions = ["V4"] }
        split = {}
        grid = {}
        search = {}
        training = {}
        [[ann]]
        name = "mobilenet"
        weights = "random:0"
        layer_sets = [["conv_pw_13_relu"]]
    "#;
    let mut file = toml::from_str::<toml::Table>(base).expect("base");
    for (table, value) in toml::from_str::<toml::Table>(edit).expect("edit") {
        match (file.get_mut(&table), value) {
            (Some(toml::Value::Table(into)), toml::Value::Table(from)) => into.extend(from),
            (_, value) => {
                file.insert(table, value);
            }
        }
    }
    let file = SweepFile::parse(&file.to_string()).expect("parses");
    let mut spec = file.to_spec();
    spec.recordings_digest = "simulated:1".to_owned();
    spec.simulated = file.recordings.assembly == "simulated";
    for entry in &mut spec.anns {
        "digest".clone_into(&mut entry.ann.as_mut().expect("an ANN").weights_digest);
    }
    let told = |checked: Result<(), SweepError>| match checked {
        Ok(()) => "good".to_owned(),
        Err(error) => error.to_string(),
    };
    (told(file.check(&Two)), told(spec.check()))
}

#[test]
fn a_sweep_on_the_wire_is_checked_by_the_rules_of_the_file() {
    let ann = "[[ann]]\nname = \"mobilenet\"\nweights = \"random:0\"\nlayer_sets = ";
    let files = |assembly: &str| {
        format!("[recordings]\nassembly = {assembly:?}\nstimuli = \"s.csv\"\nimages = \"i.zip\"")
    };
    for (edit, told) in [
        (String::new(), "good"),
        ("name = \"two words\"".to_owned(), "`name` = \"two words\": must be 1 to 64"),
        (
            "[split]\nscheme = \"holdot\"".to_owned(),
            "did you mean `holdout`?",
        ),
        (
            "[split]\nfractions = [0.8, 0.1, 0.2]".to_owned(),
            "must sum to 1, not 1.1",
        ),
        (
            "[split]\nfractions = [0.8, 0.3, -0.1]".to_owned(),
            "every fraction must be above 0",
        ),
        (
            "[split]\nstratify = \"a\\u001b[31m\"".to_owned(),
            "has a control character",
        ),
        ("[grid]\nl1 = [0]".to_owned(), "a layer has 1 to 65536 units"),
        ("[grid]\nl2 = [65537]".to_owned(), "a layer has 1 to 65536 units"),
        ("[grid]\nl2 = []".to_owned(), "`grid.l2` = []: is empty"),
        ("[grid]\ndepth = [4]".to_owned(), "0 to 3 intermediate layers"),
        (
            "[grid]\nlearning_rate = [-0.1]".to_owned(),
            "a learning rate must be above 0",
        ),
        (
            "[grid]\nlearning_rate = [inf]".to_owned(),
            "a learning rate must be above 0",
        ),
        (
            "[grid]\nweight_decay = [-1.0]".to_owned(),
            "a weight decay must not be negative",
        ),
        ("[grid]\ndropout = [1.0]".to_owned(), "at least 0 and below 1"),
        ("[grid]\nensemble = [1001]".to_owned(), "1 to 1000 networks"),
        ("[grid]\nseed = [1, 1]".to_owned(), "is listed twice"),
        (
            "[grid]\nlinear_path = [\"ols\"]".to_owned(),
            "must be one of `none`, `ridge`",
        ),
        ("[training]\nbatch_size = 0".to_owned(), "must be 1 to 1000000"),
        (
            "[training]\nmax_epochs = 1000001".to_owned(),
            "must be 1 to 1000000",
        ),
        (
            "[training]\npatience = 1000001".to_owned(),
            "must be 0 to 1000000",
        ),
        (
            "[training]\ninputs = \"centered\"".to_owned(),
            "did you mean `centred`?",
        ),
        (
            "[training]\ntargets = \"standardized\"".to_owned(),
            "did you mean `standardised`?",
        ),
        (
            "[training]\nprojection = \"pca:0\"".to_owned(),
            "K a whole number from 1 on",
        ),
        (
            "[training]\nbaselines = [\"lasso\"]".to_owned(),
            "must be one of `mean`",
        ),
        (
            "[search]\nstrategy = \"random\"\ntrials = 0".to_owned(),
            "must be 1 to 1000000",
        ),
        (
            "[search]\nearly_stopping = \"asha\"\nmin_epochs = 200".to_owned(),
            "must be 1 to 199",
        ),
        (
            "[recordings]\nregions = [\"V4\", \"V4\"]".to_owned(),
            "is listed twice",
        ),
        (
            "[recordings]\nregions = [\"V\\n4\"]".to_owned(),
            "has a control character, \\n",
        ),
        ("[recordings]\nregions = []".to_owned(), "is empty"),
        (files("../a.nc"), "leads out of the data directory"),
        (files("a/../../b.nc"), "leads out of the data directory"),
        (files("/etc/a.nc"), "is absolute, not in the data directory"),
        (files("a.txt"), "or a file of responses; responses end in `.nc`"),
        (files("a..b/c.nc"), "good"),
        (
            "[recordings]\nassembly = \"a.nc\"".to_owned(),
            "is missing: name a file",
        ),
        (format!("{ann}[]"), "is empty"),
        (format!("{ann}[[]]"), "names no layer"),
        (
            format!("{ann}[[\"conv_pw_3_relu\"], [\"conv_pw_3_relu\"]]"),
            "is listed twice",
        ),
        (
            format!("{ann}[[\"conv_pw_3_relu\", \"conv_pw_3_relu\"]]"),
            "stands twice in its set",
        ),
        (
            format!("{ann}[[\"conv_pw_3_relu\"]]\nsparsity = [1.0]"),
            "at least 0 and below 1",
        ),
        (
            format!("{ann}[[\"conv_pw_3_relu\"]]\nsparsity = [0.5]\npruning = \"globl\""),
            "did you mean `global`?",
        ),
        (
            "[[ann]]\nname = \"mobilenet\"\nweights = \"../w.h5\"\nlayer_sets = [[\"conv_pw_3_relu\"]]"
                .to_owned(),
            "leads out of the data directory",
        ),
    ] {
        let (file, wire) = checked_on_the_wire(&edit);
        assert!(file.contains(told), "{edit}: {file}");
        assert!(wire.contains(told), "{edit}: {wire}");
    }
}

#[test]
fn hostile_sizes_are_refused_with_their_limit() {
    let good = || {
        let text = "name = \"test\"\nrecordings = { assembly = \"simulated\", regions = [\"V4\"] }\n\
                    [[ann]]\nname = \"mobilenet\"\nweights = \"random:0\"\nlayer_sets = [[\"a\"]]";
        let mut spec = SweepFile::parse(text).expect("parses").to_spec();
        spec.recordings_digest = "simulated:1".to_owned();
        let ann = spec.anns[0].ann.as_mut().expect("an ANN");
        "random:0".clone_into(&mut ann.weights_digest);
        spec
    };
    assert!(good().check().is_ok());
    type Edit = fn(&mut crate::wire::SweepSpec);
    let edits: [(Edit, &str); 14] = [
        (
            |spec| spec.regions = vec!["r".repeat(257)],
            "`recordings.regions[0]` = \"rrr",
        ),
        (
            |spec| spec.regions = (0..1_001).map(|n| n.to_string()).collect(),
            "`recordings.regions`: has 1001 entries; the limit is 1000",
        ),
        (
            |spec| spec.anns = vec![spec.anns[0].clone(); 1_001],
            "`ann`: has 1001 entries; the limit is 1000",
        ),
        (
            |spec| spec.anns[0].layer_sets = vec![spec.anns[0].layer_sets[0].clone(); 10_001],
            "`ann[0].layer_sets`: has 10001 entries; the limit is 10000",
        ),
        (
            |spec| {
                spec.anns[0].layer_sets[0].layers = (0..20).map(|n| format!("{n:0200}")).collect()
            },
            "its 20 layers' names have 4000 bytes together; the limit is 3072",
        ),
        (
            |spec| spec.anns[0].layer_sets[0].region = "IT".to_owned(),
            "is for a region that the sweep does not have",
        ),
        (|spec| spec.anns[0].ann = None, "`ann[0]`: is missing"),
        (
            |spec| spec.anns[0].weights = "w".repeat(4_097),
            "has 4097 bytes; the limit is 4096",
        ),
        (
            |spec| spec.grid.as_mut().expect("a grid").seed = vec![u64::MAX],
            "`grid.seed[0]` = 18446744073709551615: must be 0 to 9223372036854775807",
        ),
        (
            |spec| spec.grid.as_mut().expect("a grid").seed = (0..2_000_000).collect(),
            "bytes; the limit is 4190208",
        ),
        (
            |spec| spec.simulated = false,
            "`simulated` = false: `recordings.assembly` is \"simulated\"",
        ),
        (
            |spec| {
                spec.sites = vec![crate::wire::RegionSites {
                    region: "IT".to_owned(),
                    ..Default::default()
                }];
            },
            "`sites[0].region` = \"IT\": is a region that the sweep does not have",
        ),
        (
            |spec| {
                spec.sites = vec![crate::wire::RegionSites {
                    region: "V4".to_owned(),
                    names: vec!["a".to_owned(), "b\u{1b}".to_owned()],
                    ceilings: vec![1.5],
                }];
            },
            "a noise ceiling is at most 1",
        ),
        (
            |spec| spec.training = None,
            "`training.batch_size` = 0: must be 1 to 1000000",
        ),
    ];
    for (edit, told) in edits {
        let mut spec = good();
        edit(&mut spec);
        let error = spec.check().expect_err(told).to_string();
        assert!(error.contains(told), "{told}: {error}");
        assert!(error.len() < 20_000, "{}", error.len());
    }
}

#[test]
fn files_are_named_relative_to_one_directory_that_holds_all_of_them() {
    let text = |images: &str| {
        format!(
            "name = \"test\"\n\
             recordings = {{ assembly = \"/data/a/b.nc\", stimuli = \"s.csv\", images = {images:?} }}\n\
             [[ann]]\nname = \"mobilenet\"\nweights = \"/data/c/../w.h5\"\n\
             layer_sets = [[\"conv_pw_3_relu\"]]\n\
             sparsity = [0.5]\npruning = {{ \"0.5\" = \"/data/p.h5\" }}"
        )
    };
    let relative = |images: &str| {
        let file = SweepFile::parse(&text(images)).expect("parses");
        let without_parents = |path: &std::path::Path| {
            let path = path.to_str().expect("UTF-8");
            path.replace("/data/c/../", "/data/").into()
        };
        let (file, dir) = file.relative_to(std::path::Path::new("/data"), without_parents);
        let files = file.recordings.clone();
        let (stimuli, images) = (files.stimuli.unwrap_or_default(), files.images);
        let paths = [files.assembly, stimuli, images.unwrap_or_default()];
        let paths = paths.into_iter().chain([file.ann[0].weights.clone()]);
        let paths = paths.collect::<Vec<_>>().join(" ");
        let told = match file.check(&Two) {
            Ok(()) => "good".to_owned(),
            Err(error) => error.to_string(),
        };
        (dir.display().to_string(), paths, told)
    };
    let expected = |dir: &str, paths: &str| (dir.to_owned(), paths.to_owned(), "good".to_owned());
    assert_eq!(
        relative("i.zip"),
        expected("/data", "a/b.nc s.csv i.zip w.h5")
    );
    assert_eq!(
        relative("/else/i.zip"),
        expected("/", "data/a/b.nc data/s.csv else/i.zip data/w.h5")
    );
    let (dir, _, told) = relative("../i.zip");
    assert_eq!(dir, "/data");
    assert_eq!(
        told,
        "the sweep file has a mistake\n  `recordings.images` = \"../i.zip\": leads out of the data \
         directory; `--data-dir DIR` names one that holds all files of the sweep"
    );
    let (_, _, told) = relative("/data/../etc/i.zip");
    assert!(told.contains("leads out of the data directory"), "{told}");
}
