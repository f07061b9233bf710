//! What the documents promise: sweeps that parse, and a quick start of two commands.

use crate::harness::{Place, json, refusal};
use std::path::Path;

fn manifest() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn every_sample_sweep_parses() {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(manifest().join("sweeps")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let sweep = nrp_proto::sweep::SweepFile::parse(&text);
        names.push(
            sweep
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
                .name,
        );
    }
    names.sort();
    assert_eq!(
        names,
        [
            "fig3a",
            "fig3b",
            "paper",
            "quickstart",
            "search",
            "small-fig3a",
            "small-fig3b",
            "v4-all-anns",
            "v4-baselines",
            "v4-mobilenet",
            "v4-nonlinear",
            "v4-report",
            "v4-row-space"
        ]
    );
}

#[test]
fn the_paper_is_refused_for_nothing_but_files_that_are_not_here() {
    let place = Place::new();
    let error = refusal(
        &place
            .run(&manifest().join("sweeps/paper.toml"))
            .output()
            .unwrap(),
    );
    assert!(!error.contains("mistake"), "{error}");
    // The first file that is looked for.
    assert!(error.contains("image_dicarlo_hvm-public.csv"), "{error}");
}

#[test]
fn the_quick_start_is_the_first_two_commands() {
    let readme = std::fs::read_to_string(manifest().join("README.md")).unwrap();
    let blocks: Vec<&str> = readme
        .split("```sh\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap().trim())
        .collect();
    assert_eq!(
        blocks[..2],
        [
            "cargo run -- run sweeps/quickstart.toml",
            "cargo test --workspace --locked"
        ]
    );
}

#[test]
fn anns_and_layers_are_listed() {
    let place = Place::new();
    let list = |arguments: &[&str]| {
        let mut command = place.nrp(&["ann"]);
        command.args(arguments).args(["--output", "json"]);
        json(&command.output().unwrap())
    };
    let anns = list(&["list"]);
    assert_eq!(anns.as_array().unwrap().len(), 13);
    assert_eq!(anns[0]["name"], "mobilenet");
    assert_eq!(anns[0]["parameters"], 4_253_864);
    assert_eq!(anns[7]["parameters_without_biases"], 60_954_656);
    let layers = list(&["layers", "mobilenet"]);
    let layers = layers.as_array().unwrap();
    let candidates = layers.iter().filter(|l| l["candidate"] == true);
    assert_eq!(candidates.count(), 10);
    let named = |l: &&serde_json::Value| l["name"] == "conv_pw_6_relu";
    let layer = layers.iter().find(named).unwrap();
    assert_eq!(layer["shape"], serde_json::json!([14, 14, 512]));
    assert_eq!(layer["units"], 100_352);
    let error = refusal(&place.nrp(&["ann", "layers", "mobilent"]).output().unwrap());
    assert!(error.contains("mobilenet"), "{error}");
}

#[test]
fn a_sweep_is_checked_and_shows_what_words_for_layer_sets_stand_for() {
    let place = Place::new();
    let check = |words: &str, format: &str| {
        let sweep = crate::harness::SMALL_SWEEP.replace("[[\"global_average_pooling2d\"]]", words);
        let sweep = sweep.replace("[grid]", "sparsity = [0.0, 0.8]\n[grid]");
        let file = place.write("sweep.toml", sweep);
        let mut command = place.nrp(&["sweep", "check", "--output", format]);
        command.arg(file).output().unwrap()
    };
    for (word, sets) in [("single", 10), ("pairs", 45), ("triples", 120)] {
        let checked = json(&check(&format!("{word:?}"), "json"));
        assert_eq!(checked["trials"], 2 * sets * 4 * 2, "{word}");
        for (ann, zeros) in checked["anns"].as_array().unwrap().iter().zip([0.0, 0.8]) {
            assert_eq!(ann["layer_sets"].as_array().unwrap().len(), sets);
            let reached = ann["reached_sparsity"].as_f64().unwrap();
            assert!((reached - zeros).abs() < 3e-4, "{reached}");
        }
    }
    let text = check("\"pairs\"", "text");
    let text = String::from_utf8_lossy(&text.stdout);
    assert!(
        text.contains("\n  conv_pw_1_relu+conv_pw_3_relu\n"),
        "{text}"
    );
    assert!(text.contains("\n720 trials, in V4 and IT\n"), "{text}");
    for (word, said) in [
        (
            "pair",
            "or one of `single`, `pairs`, `triples`, `region-map`",
        ),
        (
            "region-map",
            "Brain-Score has committed no layer of mobilenet",
        ),
    ] {
        let error = refusal(&check(&format!("{word:?}"), "text"));
        assert!(error.contains(said), "{error}");
    }
    let alexnet = crate::harness::SMALL_SWEEP.replace("\"mobilenet\"", "\"alexnet\"");
    let by_region = alexnet.replace("[[\"global_average_pooling2d\"]]", "\"region-map\"");
    let file = place.write("sweep.toml", by_region);
    let text = place.nrp(&["sweep", "check"]).arg(file).output().unwrap();
    let text = String::from_utf8_lossy(&text.stdout);
    for line in ["  conv3 (V4)", "  pool5 (IT)", "8 trials, in V4 and IT"] {
        assert!(text.lines().any(|of| of == line), "{line}: {text}");
    }
    assert!(!place.path("state").exists() && !place.path(".nrp").exists());
}

#[test]
fn a_fixture_is_verified_and_a_wrong_one_fails() {
    let Some(fixture) = crate::harness::shared("fixtures/ann/mobilenet.json") else {
        return;
    };
    let place = Place::new();
    let verify_all = |files: &[&Path]| {
        let mut command = place.nrp(&["ann", "verify", "--output", "json"]);
        command.args(files).output().unwrap()
    };
    let verify = |file: &Path| verify_all(&[file]);
    let report = json(&verify(&fixture));
    assert_eq!(report[0]["passed"], true);
    assert!(report[0]["worst_relative_error"].as_f64().unwrap() < 1e-3);
    // The same reference, with its seed changed, describes another net.
    let mut wrong: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&fixture).unwrap()).unwrap();
    wrong["seed"] = (wrong["seed"].as_u64().unwrap() + 1).into();
    let wrong = place.write("wrong.json", wrong.to_string());
    assert_eq!(verify(&wrong).status.code(), Some(1));
    // A missing file does not keep another from being verified.
    let mixed = verify_all(&[Path::new("none.json"), &fixture]);
    assert_eq!(mixed.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&mixed.stderr).contains("`none.json`"));
    let report: serde_json::Value = serde_json::from_slice(&mixed.stdout).unwrap();
    assert_eq!(report[0]["passed"], true);
}

#[test]
fn recordings_are_checked() {
    let Some(data) = crate::harness::shared("data/v4-210325") else {
        return;
    };
    let place = Place::new();
    let mut command = place.nrp(&["data", "check", "--output", "json"]);
    for file in [
        "assy_v4-210325.nc",
        "stimulus_v4-210325.csv",
        "stimulus_v4-210325.zip",
    ] {
        command.arg(data.join(file));
    }
    let report = json(&command.output().unwrap());
    assert_eq!(report["assembly"]["stimuli"], 640);
    assert_eq!(report["assembly"]["presentations"], 4840);
    assert_eq!(report["assembly"]["regions"][0]["sites"], 50);
    assert_eq!(report["problems"], serde_json::json!([]));
    assert_eq!(report["notices"], serde_json::json!([]));

    let mut command = place.nrp(&["data", "check", "--output", "json"]);
    for file in ["assy_v4-210325.nc", "stimulus_v4-210325.zip"] {
        command.arg(data.join(file));
    }
    let report = json(&command.output().unwrap());
    let notice = report["notices"][0].as_str().unwrap();
    assert!(notice.starts_with("without the stimulus set"), "{notice}");
}
