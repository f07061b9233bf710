//! Small versions of the sweeps of Figures 3A and 3B, from the sweep file to the figure.

use crate::harness::{Place, json};
use serde_json::Value;
use std::path::Path;

/// Runs a sample sweep and makes its report. Returns the place, with the report in `out`.
fn reported(sweep: &str) -> Place {
    let place = Place::new();
    let sweeps = Path::new(env!("CARGO_MANIFEST_DIR")).join("sweeps");
    json(&place.run(&sweeps.join(sweep)).output().unwrap());
    let arguments = ["report", "--out", "out", "--state", "state"];
    json(
        &place
            .nrp(&arguments)
            .args(["--output", "json"])
            .output()
            .unwrap(),
    );
    place
}

fn read(place: &Place, file: &str) -> String {
    std::fs::read_to_string(place.path("out").join(file)).unwrap()
}

#[test]
fn figure_3a_has_a_panel_for_each_depth_and_a_trial_for_each_cell() {
    let place = reported("small-fig3a.toml");
    let trials = place.trials();
    // Depth 0 has no sizes, depth 1 three of L1, the others three of L1 by two of L2; two regions.
    let of_depth = |depth: u64| trials.iter().filter(|of| of["depth"] == depth).count();
    assert_eq!([0, 1, 2, 3].map(of_depth), [2, 6, 12, 12]);
    let cells = read(&place, "figure-3a.csv");
    assert_eq!(cells.lines().count(), 1 + trials.len());
    let figure = read(&place, "figure-3a-mobilenet-1.svg");
    for said in [
        "V4 (simulated), depth 0",
        "IT (simulated), depth 3",
        "mean predictor",
        "noise floor",
        "Simulated recordings, random weights: says nothing about brains",
    ] {
        assert!(figure.contains(said), "{said}");
    }
}

#[test]
fn figure_3b_is_over_the_zeros_counted_and_has_a_spread_over_seeds() {
    let place = reported("small-fig3b.toml");
    assert_eq!(place.trials().len(), 5 * 3 * 2);
    let report: Value = serde_json::from_str(&read(&place, "report.json")).unwrap();
    for (network, asked) in report["networks"].as_array().unwrap().iter().zip(0..) {
        let reached = network["reached_sparsity"].as_f64().unwrap();
        assert!((reached - 0.2 * f64::from(asked)).abs() < 3e-4, "{reached}");
        for region in network["regions"].as_array().unwrap() {
            let over = &region["best"]["over_seeds"];
            assert_eq!(over["seeds"], 3);
            assert!(over["sd_nrp_error"].as_f64().unwrap() > 0.0);
        }
    }
    assert_eq!(read(&place, "figure-3b.csv").lines().count(), 1 + 5 * 2);
    let figure = read(&place, "figure-3b.svg");
    for said in [
        "NRP-error against sparsity, one-shot pruning by layer",
        "mean predictor, V4",
        "noise floor, IT",
        "Simulated recordings, random weights: says nothing about brains",
    ] {
        assert!(figure.contains(said), "{said}");
    }
    // Figures that compare ANNs show each ANN once.
    for name in [
        "figure-2a.svg",
        "figure-2c.svg",
        "curves-V4-1.svg",
        "sites-IT-2.svg",
    ] {
        let figure = read(&place, name);
        assert!(figure.contains("random weights"), "{name}");
        assert!(!figure.contains("% zeros"), "{name}");
    }
    assert!(read(&place, "report.html").contains("Pruned ANNs are in Figure 3B."));
}
