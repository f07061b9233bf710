//! Tests that take too long for every day: `just nightly` runs them, and CI skips them.

use crate::harness::{Place, json, shared};
use std::path::Path;

#[test]
fn all_eight_anns_run_on_real_recordings() {
    if std::env::var_os("NRP_NIGHTLY").is_none() {
        eprintln!("skipped: takes half an hour; NRP_NIGHTLY=1 runs it");
        return;
    }
    let Some(data) = shared("data") else { return };
    let place = Place::new();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("sweeps/v4-all-anns.toml");
    let run = place.run(&file).arg("--data-dir").arg(data).output();
    let best = json(&run.unwrap());
    let rows = best.as_array().unwrap().iter();
    let of_v4: Vec<_> = rows.filter(|row| row["region"] == "V4").collect();
    assert_eq!(of_v4.len(), 8);
    for row in of_v4 {
        let trained =
            ["mobilenet", "mobilenet_v2", "resnet50"].contains(&row["ann"].as_str().unwrap());
        assert_eq!(row["random_weights"], !trained, "{row}");
        // This does not check how well they predict, only that nothing is broken.
        let error = row["nrp_error"].as_f64().unwrap();
        let mean = row["mean_predictor_error"].as_f64().unwrap();
        assert!(error < 1.5 * mean, "{row}");
    }
}
