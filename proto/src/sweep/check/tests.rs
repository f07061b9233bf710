//! Every kind of mistake, as users read it.

mod anns;
mod search;
mod wire;

use super::*;
use crate::sweep::Scheme;
use std::sync::LazyLock;

pub(in crate::sweep) struct Two;

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
    fn region_map(&self, _: &AnnTable, file: &str) -> &[(String, Vec<String>)] {
        static MAPS: LazyLock<Vec<(String, Vec<String>)>> = LazyLock::new(|| {
            let of = |region: &str, layers: &[&str]| {
                let layers = layers.iter().map(|layer| (*layer).to_owned());
                (region.to_owned(), layers.collect())
            };
            vec![
                of("V4", &["conv_pw_3_relu", "conv_pw_13_relu"]),
                of("IT", &["conv_pw_13_rleu"]),
                of("empty", &[]),
            ]
        });
        match file {
            "maps/mobilenet.json" => &MAPS,
            _ => &[],
        }
    }
}

/// A good sweep file, with an edit.
fn edited(edit: &str) -> Result<SweepFile, SweepError> {
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
    SweepFile::parse(&file.to_string())
}

fn told(checked: Result<(), SweepError>) -> String {
    match checked {
        Ok(()) => "good".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// What is wrong with the file, with an edit.
pub(super) fn check(edit: &str) -> String {
    told(edited(edit).and_then(|file| file.expand(&Two).check(&Two)))
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
      `split.scheme` = "holdot": must be one of `holdout`, `shuffle`, `validation-is-test`, `brain-score`, `file`, `given`; did you mean `holdout`?
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
      `training.baselines[0]` = "maen": must be one of `mean`, `ols`, `ridge`, `ridge-1`, `ridgecv`, `pls`, `single-unit`, `rdm`, `cka`, `cka-biased`, `reverse-pls`, `reverse-pls:K`; did you mean `mean`?
    "#);
}

#[test]
fn every_scheme_is_offered() {
    for scheme in Scheme::ALL {
        let file = match scheme {
            Scheme::File => "file = \"splits.json\"",
            Scheme::Given => {
                "[recordings]\nassembly = \"\"\n[recordings.train]\nassembly = \"a.nc\"\nstimuli = \"a.csv\"\nimages = \"i\"\n\
                 [recordings.test]\nassembly = \"b.nc\"\nstimuli = \"b.csv\"\nimages = \"i\""
            }
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
fn every_baseline_is_offered() {
    let all = Model::words()
        .into_iter()
        .map(|word| word.replace(":K", ":5"));
    let all = format!("[training]\nbaselines = {:?}", all.collect::<Vec<_>>());
    assert_eq!(check(&all), "good");
    assert_eq!(check("[training]\nbaselines = []"), "good");
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
        ("a.nwb", "sites = [\"V4 = 1-3\"]", "only arrays need a list"),
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
fn time_bins_are_of_assemblies_and_chosen_in_one_way() {
    let files = "stimuli = \"a.csv\"\nimages = \"a.zip\"";
    let found = |file: &str, keys: &str| {
        check(&format!(
            "[recordings]\nassembly = {file:?}\n{files}\n{keys}"
        ))
    };
    for (file, keys) in [
        ("a.nc", "time_bin = [50, 200]"),
        ("a.nc", "time_bin = [-0.1, 0.59]"),
        ("a.NC4", "time_bin_id = 0"),
        ("a.h5", "time_bins = \"each\""),
        ("a.nc", "region = \"V1\"\nregions = [\"V1\"]"),
        ("a.nwb", "window_ms = [70, 170]\nregion = \"V1\""),
    ] {
        assert_eq!(found(file, keys), "good", "{file}");
    }
    for (file, keys, mistake) in [
        (
            "a.npz",
            "time_bin = [50, 200]",
            "only Brain-Score assemblies have time bins",
        ),
        (
            "a.nwb",
            "time_bins = \"each\"",
            "only Brain-Score assemblies have time bins",
        ),
        (
            "a.nc",
            "time_bin = [200, 50]",
            "must be where the window starts",
        ),
        ("a.nc", "time_bin = [50]", "must be where the window starts"),
        (
            "a.nc",
            "time_bin = [50, inf]",
            "must be where the window starts",
        ),
        ("a.nc", "time_bin_id = -1", "must be a bin's `time_bin_id`"),
        ("a.nc", "time_bins = \"eahc\"", "did you mean `each`?"),
        (
            "a.nc",
            "time_bin = [0, 50]\ntime_bin_id = 0",
            "`recordings.time_bin_id` = 0: is one way to choose time bins, and `time_bin` is another",
        ),
        (
            "a.npy",
            "region = \"V1\"",
            "is for assemblies and NWB files",
        ),
        ("a.nc", "region = \" \"", "names no region"),
    ] {
        let found = found(file, keys);
        assert!(found.contains(mistake), "{keys}: {found}");
    }
}

#[test]
fn recordings_that_train_and_test_are_for_the_scheme_given() {
    let found = |split: &str, keys: &str, tables: &[&str]| {
        let table = |name: &&str| {
            format!(
                "[recordings.{name}]\nassembly = \"{name}.nc\"\nstimuli = \"{name}.csv\"\nimages = \"i\"\n"
            )
        };
        let tables: String = tables.iter().map(table).collect();
        check(&format!(
            "[split]\nscheme = \"{split}\"\n[recordings]\nassembly = \"\"\n{keys}\n{tables}"
        ))
    };
    let both: &[&str] = &["train", "test"];
    for keys in [
        "",
        "sites = \"r > 0.3\"\nsubject = \"F\"\nceiling = \"even-odd\"\ntime_bin_id = 0",
    ] {
        assert_eq!(found("given", keys, both), "good");
    }
    let listed = "[recordings]\nassembly = \"\"\n[recordings.train]\nassembly = \"a.txt\"\nstimuli = \"\"\n\
                  images = \"i\"\n[recordings.test]\nassembly = \"b.nc\"\nstimuli = \"b\"\nimages = \"i\"\n\
                  axes = [\"sites\", \"stimuli\"]\n[split]\nscheme = \"given\"";
    for (said, mistakes) in [
        (
            found("given", "", &["train"]),
            &["`recordings.test`: is missing: `scheme = \"given\"` needs"][..],
        ),
        (
            found("given", "", &[]),
            &[
                "`recordings.train`: is missing",
                "`recordings.test`: is missing",
            ],
        ),
        (
            found("holdout", "", both),
            &["`split.scheme` = \"holdout\": must be \"given\""],
        ),
        (
            found(
                "given\"\nfractions = [0.5, 0.25, 0.25]\nstratify = \"a",
                "",
                both,
            ),
            &[
                "`split.fractions` = [0.5, 0.25, 0.25]",
                "`split.stratify` = \"a\"",
            ],
        ),
        (
            found("given", "stimuli = \"s.csv\"\nvariable = \"r\"", both),
            &[
                "`recordings.stimuli` = \"s.csv\"",
                "`recordings.variable` = \"r\"",
            ],
        ),
        (
            check(listed),
            &[
                "`recordings.train.assembly` = \"a.txt\": must be a file of responses",
                "`recordings.train.stimuli` = \"\": names no file",
                "`recordings.test.axes` = [\"sites\", \"stimuli\"]: only arrays",
            ],
        ),
    ] {
        for mistake in mistakes {
            assert!(said.contains(mistake), "{mistake}: {said}");
        }
    }
    let unknown = "name = \"a\"\nrecordings = { train = { assembl = \"a.nc\", stimuli = 1 } }\n[[ann]]\n\
                   name = \"mobilenet\"\nweights = \"w\"\nlayer_sets = [[\"l\"]]";
    let said = SweepFile::parse(unknown).expect_err("mistakes").to_string();
    for mistake in [
        "`recordings.train.assembl` = \"a.nc\": no such key; did you mean `assembly`?",
        "`recordings.train.stimuli` = 1: expected the name of a file",
        "`recordings.train.images`: is missing",
    ] {
        assert!(said.contains(mistake), "{mistake}: {said}");
    }
}

#[test]
fn sites_are_filtered_where_a_file_describes_them() {
    let files = "stimuli = \"a.csv\"\nimages = \"a.zip\"";
    let found = |file: &str, filter: &str| {
        let sites = format!("[recordings]\nassembly = {file:?}\n{files}\nsites = '{filter}'");
        check(&format!("{sites}\nwindow_ms = [70, 170]").replace(
            "\nwindow_ms = [70, 170]",
            if file == "a.nwb" {
                "\nwindow_ms = [70, 170]"
            } else {
                ""
            },
        ))
    };
    for file in ["a.nc", "a.h5", "a.nwb"] {
        assert_eq!(
            found(file, "reliability > 0.3 and animal == \"F\""),
            "good",
            "{file}"
        );
    }
    for (file, filter, mistake) in [
        (
            "a.npz",
            "reliability > 0.3",
            "only assemblies and NWB files say",
        ),
        (
            "a.nc",
            "reliability",
            "`reliability` compares nothing: write conditions such as",
        ),
        ("a.nc", "", "`recordings.sites` = \"\""),
    ] {
        let found = found(file, filter);
        assert!(found.contains(mistake), "{filter}: {found}");
    }
}

#[test]
fn subjects_are_of_assemblies_and_one_or_each() {
    let files = "stimuli = \"a.csv\"\nimages = \"a.zip\"";
    let found = |file: &str, keys: &str| {
        check(&format!(
            "[recordings]\nassembly = {file:?}\n{files}\n{keys}"
        ))
    };
    for keys in [
        "subjects = \"each\"",
        "subjects = \"together\"",
        "subject = \"monkeyF\"",
        "subject = \"monkeyF\"\nsubjects = \"together\"",
    ] {
        assert_eq!(found("a.nc", keys), "good", "{keys}");
    }
    for (file, keys, mistake) in [
        (
            "a.npz",
            "subject = \"F\"",
            "only Brain-Score assemblies say",
        ),
        (
            "a.nwb",
            "subjects = \"each\"",
            "only Brain-Score assemblies say",
        ),
        ("a.nc", "subject = \"\"", "`recordings.subject` = \"\""),
        ("a.nc", "subjects = \"eahc\"", "did you mean `each`?"),
        ("a.nc", "subject = \"F\"\nsubjects = \"each\"", "keep one"),
    ] {
        let found = found(file, keys);
        assert!(found.contains(mistake), "{keys}: {found}");
    }
}

#[test]
fn the_region_that_is_named_is_the_one_predicted_unless_regions_says_otherwise() {
    let file = |keys: &str| {
        let text = format!(
            "name = \"a\"\n[recordings]\nassembly = \"a.nc\"\nstimuli = \"a.csv\"\nimages = \"i\"\n{keys}\n\
             [[ann]]\nname = \"mobilenet\"\nweights = \"random:0\"\nlayer_sets = [[\"conv_pw_13_relu\"]]"
        );
        SweepFile::parse(&text).expect("parses").recordings.regions
    };
    assert_eq!(file(""), ["V4", "IT"]);
    assert_eq!(file("region = \"V1\""), ["V1"]);
    assert_eq!(file("region = \"V1\"\nregions = [\"V2\"]"), ["V2"]);
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
