//! Reports on sweeps with several splits, and on sweeps that select on their test stimuli.

use crate::harness::{Place, json};
use crate::report::{document, number, read, report, rows};
use serde_json::Value;

const SWEEP: &str = r#"
name = "split"
[recordings]
assembly = "simulated"
[split]
scheme = "shuffle"
[[ann]]
name = "mobilenet"
weights = "random:1"
layer_sets = [["global_average_pooling2d"]]
[[ann]]
name = "mobilenet_v2"
weights = "random:1"
layer_sets = [["global_average_pooling2d"]]
[grid]
l1 = [4, 8]
l2 = [4]
learning_rate = [3e-3]
[training]
max_epochs = 3
patience = 0
baselines = ["mean", "ridge"]
"#;

const ANNS: [&str; 2] = ["mobilenet", "mobilenet_v2"];
const REGIONS: [&str; 2] = ["V4", "IT"];

/// Mean and sample standard deviation.
fn spread(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, (squares / (count - 1.0)).sqrt())
}

/// The best trial of each split, by validation loss.
fn winners<'a>(trials: &'a [Value], ann: &str, region: &str, model: &str) -> Vec<&'a Value> {
    let is_of = |trial: &&Value, split: u64| {
        trial["ann"] == ann
            && trial["region"] == region
            && trial["model"] == model
            && trial["split"] == split
    };
    let best = |split| {
        let loss = |trial: &&Value| trial["validation_mse"].as_f64().unwrap();
        let of_split = trials.iter().filter(|trial| is_of(trial, split));
        of_split.min_by(|a, b| loss(a).total_cmp(&loss(b))).unwrap()
    };
    (0..10).map(best).collect()
}

#[test]
fn each_splits_winners_are_aggregated_and_compared() {
    let place = Place::new();
    let file = place.write("split.toml", SWEEP);
    json(&place.run(&file).output().unwrap());
    report(&place, &[]);
    let trials = place.trials();
    // Ten splits, two ANNs, two regions, two networks and a baseline.
    assert_eq!(trials.len(), 10 * 2 * 2 * 3);

    scores_are_over_the_winners_of_all_splits(&place, &trials);
    differences_are_over_the_winners_of_all_splits(&place, &trials);
    everything_else_is_about_the_first_split(&place, &trials);
    details_are_there(&place, &trials);
}

fn scores_are_over_the_winners_of_all_splits(place: &Place, trials: &[Value]) {
    let table = rows(&read(&place.path("out/splits.csv")));
    assert_eq!(table.len(), 2 * 2 * 2);
    for (ann, region) in ANNS.into_iter().flat_map(|ann| REGIONS.map(|of| (ann, of))) {
        for (model, shown) in [("nrp", "NRP"), ("ridge", "ridge")] {
            let has = |column: &str, value: String| (column.to_owned(), value);
            let row = table.iter().find(|row| {
                row.contains(&has("ann", format!("{ann} (random weights)")))
                    && row.contains(&has("region", format!("{region} (simulated)")))
                    && row.contains(&has("model", shown.to_owned()))
            });
            let row = row.unwrap();
            let winners = winners(trials, ann, region, model);
            let scores = |name: &str| -> Vec<f64> {
                let scores = winners.iter().map(|trial| trial[name].as_f64().unwrap());
                scores.collect()
            };
            let is = |column: &str, value: f64| {
                let found = number(row, column).unwrap();
                // The additions may be in another order.
                assert!((found - value).abs() < 1e-9, "{column}: {found}, {value}");
            };
            is("splits_finished", 10.0);
            for score in ["nrp_error", "pearson_median", "r2_median"] {
                let (mean, sd) = spread(&scores(score));
                is(&format!("mean_{score}"), mean);
                is(&format!("sd_{score}"), sd);
            }
            // A split in which every site's prediction is constant has no correlation there.
            let mut correlations = scores("pearson_median");
            correlations.retain(|r| *r != 0.0);
            let (center, sd) = spread(&correlations);
            is("brain_score_center", center);
            // The sample deviation of n splits is over n - 1; the standard error is over √10.
            let n = correlations.len() as f64;
            let error = sd * ((n - 1.0) / n / 10.0).sqrt();
            is("brain_score_center_error", error);
            is("brain_score_error", error);
            let ceiling = winners[0]["split_half_consistency"].as_f64().unwrap();
            is("brain_score", center.powi(2) / ceiling);
        }
    }
}

fn differences_are_over_the_winners_of_all_splits(place: &Place, trials: &[Value]) {
    let comparisons = rows(&read(&place.path("out/comparisons.csv")));
    assert_eq!(comparisons.len(), 2);
    for (comparison, region) in comparisons.iter().zip(REGIONS) {
        let [a, b] = ANNS.map(|ann| {
            let winners = winners(trials, ann, region, "nrp");
            let errors = winners.iter().map(|of| of["nrp_error"].as_f64().unwrap());
            errors.sum::<f64>() / 10.0
        });
        let difference = number(comparison, "mean_difference").unwrap();
        // Every site has a response to every stimulus, and the errors of sites are kept in 32 bits.
        assert!((difference - (a - b)).abs() < 1e-6, "{difference}");
        let [low, high] = ["low", "high"].map(|end| number(comparison, end).unwrap());
        assert!(low <= difference && difference <= high);
        assert_eq!(number(comparison, "splits"), Some(10.0));
    }
    let linear = rows(&read(&place.path("out/network-against-linear.csv")));
    assert_eq!(linear.len(), 2 * 2);
}

fn everything_else_is_about_the_first_split(place: &Place, trials: &[Value]) {
    let document = document(place);
    let first = winners(trials, "mobilenet", "V4", "nrp")[0];
    let best = &document["networks"][0]["regions"][0]["best"];
    assert_eq!(best["trial"], first["trial"]);
    let page = read(&place.path("out/report.html"));
    assert!(page.contains("Split 0 of 10 only"));
    assert_eq!(document["protocol"]["recordings"]["assembly"], "simulated");
    assert_eq!(document["networks"][1]["weights_file"], "random:1");
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(document["protocol"]["worker_versions"][0], version);
    assert_eq!(document["protocol"]["devices"].as_array().unwrap().len(), 1);
}

fn details_are_there(place: &Place, trials: &[Value]) {
    let sites = rows(&read(&place.path("out/sites.csv")));
    let of_regions = REGIONS.map(|region| {
        let first = winners(trials, "mobilenet", region, "nrp")[0];
        first["sites"].as_u64().unwrap()
    });
    assert_eq!(sites.len() as u64, of_regions.iter().sum::<u64>());
    assert!(number(&sites[0], "ceiling").is_some());
    let curves = rows(&read(&place.path("out/curves.csv")));
    assert_eq!(curves.len(), 2 * 2 * 3);
}

#[test]
fn what_selects_on_its_test_stimuli_says_so_everywhere() {
    let place = Place::new();
    let sweep = SWEEP.replace("\"shuffle\"", "\"validation-is-test\"");
    let file = place.write("same.toml", sweep);
    json(&place.run(&file).output().unwrap());
    let written = report(&place, &[]);
    let mark = "Scores are on stimuli that also selected";
    let files = written["files"].as_array().unwrap();
    let svgs = files
        .iter()
        .filter_map(|file| file.as_str().filter(|of| of.ends_with(".svg")));
    // The published numbers are not scores of this sweep.
    let svgs = svgs.filter(|of| !of.ends_with("figure-2a-published.svg"));
    let mut figures = 0;
    for svg in svgs {
        assert!(read(&place.path(svg)).contains(mark), "{svg}");
        figures += 1;
    }
    assert!(figures > 4, "{files:?}");
    let page = read(&place.path("out/report.html"));
    assert!(page.contains(&format!("<strong>{mark}.</strong>")));
    assert!(!files.contains(&"out/splits.csv".into()));
}
