//! The simulated regions whose truth is known: which model predicts which region.

use crate::harness::{Place, json};
use serde_json::Value;

/// Early activations contain the features on which the rates depend almost linearly; a few of their
/// components leave a linear map nothing else to use.
const SWEEP: &str = r#"
name = "truth"
[recordings]
assembly = "simulated"
regions = ["linear", "nonlinear", "noise"]
[[ann]]
name = "mobilenet"
weights = "random:1"
layer_sets = [["conv_pw_1_relu"]]
[grid]
l1 = [32]
l2 = [32]
depth = [1, 2]
learning_rate = [3e-3]
weight_decay = [0.0, 0.3]
[training]
projection = "pca:8"
max_epochs = 200
patience = 40
baselines = ["ols", "ridge", "pls"]
"#;

#[test]
fn only_the_nonlinear_teacher_is_predicted_better_by_networks_than_by_every_linear_baseline() {
    let place = Place::new();
    let file = place.write("truth.toml", SWEEP);
    json(&place.run(&file).output().unwrap());
    let best = place
        .nrp(&["best", "--state", "state", "--output", "json"])
        .output();
    let best = json(&best.unwrap());
    let row = |region: &str, model: &str| -> Value {
        let mut rows = best.as_array().unwrap().iter();
        let found = rows.find(|row| row["region"] == region && row["model"] == model);
        found.unwrap().clone()
    };
    let error = |row: &Value| row["nrp_error"].as_f64().unwrap();
    let mean = |row: &Value| row["mean_predictor_error"].as_f64().unwrap();
    let baselines = ["ols", "ridge", "pls"];
    // With sixteen sites and 32 test stimuli, an error has a standard error of about 4 %.
    let network = row("nonlinear", "nrp");
    for baseline in baselines {
        let linear = row("nonlinear", baseline);
        assert!(
            error(&network) < 0.85 * error(&linear),
            "{baseline}: {network} {linear}"
        );
        // A linear map knows nothing here: an even function of the features is not linear in them.
        assert!(error(&linear) > 0.7 * mean(&linear), "{baseline}: {linear}");
    }
    let network = row("linear", "nrp");
    assert!(error(&network) < 0.7 * mean(&network), "{network}");
    let best_linear = baselines.map(|of| error(&row("linear", of)));
    let best_linear = best_linear.into_iter().fold(f64::INFINITY, f64::min);
    assert!(
        best_linear < 1.05 * error(&network),
        "{best_linear} {network}"
    );
    for model in ["nrp", "ols", "ridge", "pls"] {
        let noise = row("noise", model);
        assert!(error(&noise) > 0.96 * mean(&noise), "{model}: {noise}");
    }
}
