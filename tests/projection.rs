//! Projected activations, from the sweep file to the table: they are computed once, found again
//! after a kill, and labelled.

use crate::harness::{Killed, Place, SMALL_SWEEP, json, wait_for};
use std::process::{Command, Stdio};

/// A wide layer, and enough trials that a kill comes before their end.
fn sweep(projection: &str) -> String {
    SMALL_SWEEP
        .replace("global_average_pooling2d", "conv_pw_13_relu")
        .replace(
            "patience = 0",
            &format!("patience = 0\nprojection = \"{projection}\""),
        )
        .replace("max_epochs = 12", "max_epochs = 60")
}

fn run(place: &Place, projection: &str) -> Command {
    let file = place.write("sweep.toml", sweep(projection));
    let mut command = place.nrp(&["run"]);
    command
        .arg(file)
        .args(["--state", "state", "--cache", "cache", "--output", "json"])
        .env("NRP_LOG", "nrp_worker=info");
    command
}

/// How many layers were projected and how often the ANN ran, according to a log.
fn projected_and_shown(log: &str) -> (usize, usize) {
    (
        log.matches("projected a layer").count(),
        log.matches("running an ANN on the stimuli").count(),
    )
}

fn stored(place: &Place) -> usize {
    let entries = std::fs::read_dir(place.path("cache")).into_iter().flatten();
    let is_layer = |path: std::path::PathBuf| path.extension().is_some_and(|name| name == "act");
    entries
        .filter(|entry| is_layer(entry.as_ref().unwrap().path()))
        .count()
}

#[test]
fn a_killed_sweep_goes_on_with_the_projection_it_made_and_components_are_read_from_it() {
    let place = Place::new();
    let log = place.path("stderr");
    let mut running = run(&place, "row-space");
    running.stdout(Stdio::null());
    running.stderr(std::fs::File::create(&log).unwrap());
    let mut running = Killed(running.spawn().unwrap());
    wait_for("the layer and its projection", || {
        (stored(&place) == 2).then_some(())
    });
    running.kill();
    let log = std::fs::read_to_string(log).unwrap();
    assert_eq!(projected_and_shown(&log), (1, 1));

    // Both regions, and only training.
    let output = run(&place, "row-space").output().unwrap();
    let rows = json(&output);
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(projected_and_shown(&log), (0, 0), "{log}");
    let best = |rows: &serde_json::Value, projection: &str| {
        let rows = rows.as_array().unwrap();
        assert_eq!(rows.len(), 3, "two regions and their mean");
        for row in rows {
            assert_eq!(row["projection"], projection);
            assert!(row["nrp_error"].as_f64().unwrap() > 0.0);
        }
    };
    best(&rows, "row-space");
    let parameters = |place: &Place, projection: &str| -> Vec<u64> {
        let trials = place.trials();
        let of = trials
            .iter()
            .filter(|trial| trial["projection"] == projection);
        of.map(|trial| trial["parameters"].as_u64().unwrap())
            .collect()
    };
    let trials = parameters(&place, "row-space");
    assert_eq!(trials.len(), 8);
    // 256 training stimuli span 255 dimensions at most; on the layer's 50,176 units, the smallest NRP-L1
    // alone has eight times as many parameters.
    assert!(trials.iter().all(|parameters| *parameters < 8 * 10_000));

    let output = run(&place, "pca:20").output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    best(&json(&output), "pca:20");
    assert_eq!(projected_and_shown(&log), (0, 0), "{log}");
    assert_eq!(stored(&place), 2);
    assert!(parameters(&place, "pca:20").iter().max() < trials.iter().min());

    let asked = |arguments: &[&str]| {
        let mut command = place.nrp(arguments);
        command.args(["--state", "state"]);
        let output = command.output().unwrap();
        assert!(output.status.success());
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let table = asked(&["best", "--where", "projection=pca:20"]);
    assert!(table.contains("conv_pw_13_relu (pca:20)"), "{table}");
    assert!(!table.contains("row-space"), "{table}");
    let listed = place
        .nrp(&["cache", "list", "--cache", "cache"])
        .output()
        .unwrap();
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert_eq!(
        listed.matches("conv_pw_13_relu (row space)").count(),
        1,
        "{listed}"
    );
}
