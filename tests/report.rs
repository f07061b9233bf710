//! `nrp report`: files of every kind, with the numbers of `nrp best` and `nrp marginals`.

use crate::harness::{ANY, Place, SMALL_SWEEP, coordinator, json, refusal, submit};
use serde_json::Value;
use std::path::Path;

const SWEEP: &str = r#"
name = "reported"
[recordings]
assembly = "simulated"
[[ann]]
name = "mobilenet"
weights = "random:1"
layer_sets = [["global_average_pooling2d"], ["predictions"]]
[[ann]]
name = "mobilenet_v2"
weights = "random:1"
layer_sets = [["global_average_pooling2d"]]
[grid]
l1 = [4, 8]
l2 = [4, 8]
depth = [1, 2]
learning_rate = [3e-3]
seed = [0, 1, 2]
[training]
max_epochs = 3
patience = 0
"#;

/// Runs `nrp report` on the state of a place; returns what it says it wrote.
pub(crate) fn report(place: &Place, arguments: &[&str]) -> Value {
    let mut command = place.nrp(&["report", "--out", "out", "--state", "state"]);
    json(
        &command
            .args(arguments)
            .args(["--output", "json"])
            .output()
            .unwrap(),
    )
}

pub(crate) fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

pub(crate) fn document(place: &Place) -> Value {
    serde_json::from_str(&read(&place.path("out/report.json"))).unwrap()
}

/// The rows of a CSV file, each field with its column's name. Fields with commas are not understood.
pub(crate) fn rows(csv: &str) -> Vec<Vec<(String, String)>> {
    let mut lines = csv.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    let row = |line: &str| {
        let fields: Vec<&str> = line.split(',').collect();
        assert_eq!(fields.len(), header.len(), "{line}");
        let named = header.iter().zip(fields);
        named
            .map(|(name, field)| (name.to_string(), field.to_owned()))
            .collect()
    };
    lines.map(row).collect()
}

pub(crate) fn number(row: &[(String, String)], column: &str) -> Option<f64> {
    let (_, field) = row.iter().find(|(name, _)| name == column).unwrap();
    (!field.is_empty()).then(|| field.parse().unwrap())
}

#[test]
fn a_sweep_is_reported_in_files_of_every_kind() {
    let place = Place::new();
    let file = place.write("reported.toml", SWEEP);
    json(&place.run(&file).output().unwrap());
    std::fs::create_dir(place.path("out")).unwrap();
    place.write("out/mine.txt", "kept");
    place.write("out/report.html", "replaced");
    let written = report(&place, &["reported"]);
    // Two ANNs, two regions, three layer sets, two L1 at depth 1 and four pairs at depth 2, three seeds.
    assert_eq!(
        (&written["trials"], &written["finished"]),
        (&108.into(), &108.into())
    );
    assert_eq!(read(&place.path("out/mine.txt")), "kept");
    figures_are_there_in_both_kinds(&place, &written);
    the_page_loads_nothing(&place);
    outcomes_are_dated_and_a_second_report_is_the_same(&place);
    advice_is_on_the_page_and_in_the_data(&place);
    winners_are_those_of_nrp_best(&place);
    the_spread_is_over_the_winners_seeds(&place);
    cells_of_the_heat_map_are_those_of_nrp_marginals(&place);
    table_1_has_the_scores_of_nrp_best_and_the_published_ones(&place);
    assert_eq!(rows(&read(&place.path("out/layers.csv"))).len(), 6);
}

fn figures_are_there_in_both_kinds(place: &Place, written: &Value) {
    let files = written["files"].as_array().unwrap();
    let files: Vec<&str> = files.iter().map(|file| file.as_str().unwrap()).collect();
    assert_eq!(files[0], "out/report.html");
    let figures = [
        "figure-2a",
        "figure-2a-published",
        "figure-2c",
        "figure-3a-mobilenet-1",
        "figure-3a-mobilenet_v2-2",
        "layers-mobilenet-1",
        "sites-V4-1",
        "sites-IT-2",
        "curves-V4-1",
        "curves-IT-2",
    ];
    let of_kind = |kind: &str| files.iter().filter(|file| file.ends_with(kind)).count();
    assert_eq!(
        (of_kind(".svg"), of_kind(".png")),
        (figures.len(), figures.len())
    );
    let page = read(&place.path("out/report.html"));
    for name in figures {
        let svg = read(&place.path(&format!("out/{name}.svg")));
        let mark = match name {
            "figure-2a-published" => "Published numbers, not results of this sweep",
            _ => "Simulated recordings, random weights: says nothing about brains",
        };
        assert!(svg.starts_with("<svg") && svg.contains(mark), "{name}");
        assert!(page.contains(&svg), "{name}");
        let png = std::fs::read(place.path(&format!("out/{name}.png"))).unwrap();
        assert!(png.starts_with(b"\x89PNG\r\n\x1a\n") && png.ends_with(b"IEND\xaeB`\x82"));
        assert!(png.len() > 10_000, "{name} is blank");
    }
    // No axis mixes two units.
    let ours = read(&place.path("out/figure-2a.svg"));
    let published = read(&place.path("out/figure-2a-published.svg"));
    assert!(!ours.contains("published") && published.contains("units of the paper"));
}

fn the_page_loads_nothing(place: &Place) {
    let page = read(&place.path("out/report.html"));
    // The only address is the name of SVG's elements.
    let without_names = page.replace("http://www.w3.org/2000/svg", "");
    for word in [
        "http:", "https:", "src=", "<link", "<script", "@import", "url(",
    ] {
        assert!(!without_names.contains(word), "{word}");
    }
    assert!(
        !page.contains("108 trials have finished</strong>"),
        "nothing is missing"
    );
}

fn outcomes_are_dated_and_a_second_report_is_the_same(place: &Place) {
    let page_and_data =
        || ["report.html", "report.json"].map(|of| read(&place.path(&format!("out/{of}"))));
    let before = page_and_data();
    let outcomes = &document(place)["sweep"]["outcomes"];
    let last = outcomes["last_recorded_at"].as_str().unwrap();
    assert!(before[0].contains(last), "{last}");
    assert_eq!(outcomes["undated"], 0);
    report(place, &["reported"]);
    assert!(before == page_and_data());
    report(place, &["reported", "--dated"]);
    let written = document(place)["written_at"].clone();
    let written = written.as_str().unwrap();
    assert!(written >= last && read(&place.path("out/report.html")).contains(written));
}

/// Every best epoch was among the first three, so the advice is to train longer.
fn advice_is_on_the_page_and_in_the_data(place: &Place) {
    let advice = document(place)["advice"].clone();
    let advice = advice.as_array().unwrap();
    let mut advice = advice.iter().flat_map(Value::as_str);
    assert!(advice.any(|said| said.contains("raise `max_epochs`")));
    assert!(read(&place.path("out/report.html")).contains("What to try next"));
}

/// What `nrp best` answers.
fn best(place: &Place) -> Vec<Value> {
    let mut command = place.nrp(&["best", "--state", "state", "--output", "json"]);
    let best = json(&command.output().unwrap());
    best.as_array().unwrap().clone()
}

fn winners_are_those_of_nrp_best(place: &Place) {
    let best = best(place);
    let report = document(place);
    let networks = report["networks"].as_array().unwrap();
    for network in networks {
        let regions = network["regions"].as_array().unwrap();
        let winners = regions.iter().map(|region| &region["best"]);
        for winner in winners.chain([&network["mean"]]) {
            let mut winner = winner.clone();
            let over = winner
                .as_object_mut()
                .unwrap()
                .remove("over_seeds")
                .unwrap();
            assert_eq!(over["seeds"], 3, "{winner}");
            assert!(over["sd_nrp_error"].as_f64().unwrap() > 0.0);
            // Of linear models alone.
            winner["pearson_per_split"] = Value::Null;
            // Of comparisons alone.
            winner["similarity_per_split"] = Value::Null;
            assert!(best.contains(&winner), "{winner} is missing from {best:?}");
        }
    }
    assert_eq!(networks.len() * 3, best.len());
}

fn the_spread_is_over_the_winners_seeds(place: &Place) {
    let report = document(place);
    let winner = &report["networks"][0]["regions"][0]["best"];
    let same = ["ann", "region", "layers", "l1", "l2", "depth"];
    let trials = place.trials();
    let alike = trials
        .iter()
        .filter(|trial| same.iter().all(|name| trial[*name] == winner[*name]));
    let errors: Vec<f64> = alike
        .map(|trial| trial["nrp_error"].as_f64().unwrap())
        .collect();
    let mean = errors.iter().sum::<f64>() / 3.0;
    let squares: f64 = errors.iter().map(|error| (error - mean).powi(2)).sum();
    let sd = winner["over_seeds"]["sd_nrp_error"].as_f64().unwrap();
    assert_eq!(errors.len(), 3);
    assert!(
        (sd - (squares / 2.0).sqrt()).abs() < 1e-12,
        "{sd} of {errors:?}"
    );
}

/// `nrp marginals` finds the same cells in another way.
fn cells_of_the_heat_map_are_those_of_nrp_marginals(place: &Place) {
    let asked = [
        "marginals",
        "--by",
        "l1,l2",
        "--state",
        "state",
        "--ann",
        "mobilenet_v2",
        "--region",
        "IT",
        "--where",
        "depth=2",
        "--output",
        "json",
    ];
    let marginals = place.nrp(&asked).output();
    let cells = rows(&read(&place.path("out/figure-3a.csv")));
    for marginal in json(&marginals.unwrap()).as_array().unwrap() {
        let same = cells.iter().filter(|cell| {
            cell.contains(&("ann".to_owned(), "mobilenet_v2 (random weights)".to_owned()))
                && cell.contains(&("region".to_owned(), "IT (simulated)".to_owned()))
                && number(cell, "depth") == Some(2.0)
                && ["l1", "l2"]
                    .iter()
                    .all(|axis| number(cell, axis) == marginal[axis].as_f64())
        });
        let same: Vec<_> = same.collect();
        assert_eq!(same.len(), 1, "{marginal}");
        assert_eq!(
            number(same[0], "nrp_error"),
            marginal["best_nrp_error"].as_f64()
        );
        assert_eq!(number(same[0], "trials"), Some(3.0));
        let mean = number(same[0], "mean_nrp_error").unwrap();
        assert!((mean - marginal["mean_nrp_error"].as_f64().unwrap()).abs() < 1e-12);
    }
}

fn table_1_has_the_scores_of_nrp_best_and_the_published_ones(place: &Place) {
    let best = best(place);
    let table = rows(&read(&place.path("out/table-1.csv")));
    assert_eq!(table.len(), 6);
    let published: Vec<_> = table
        .iter()
        .map(|row| number(row, "published_nrp_error"))
        .collect();
    assert_eq!(
        published,
        [None, None, Some(0.237), None, None, Some(0.249)]
    );
    let word = |row: &[(String, String)], column: &str| {
        let (_, field) = row.iter().find(|(name, _)| name == column).unwrap();
        field.split(" (").next().unwrap().to_owned()
    };
    for row in &table {
        let same = |of: &&Value| {
            ["ann", "region"]
                .iter()
                .all(|of_row| of[*of_row] == word(row, of_row))
        };
        let best = best.iter().find(same).unwrap();
        for score in [
            "nrp_error",
            "mean_predictor_error",
            "noise_floor",
            "r2_median",
            "validation_mse",
        ] {
            assert_eq!(number(row, score), best[score].as_f64(), "{score}");
        }
    }
}

#[test]
fn an_unfinished_sweep_says_how_much_is_there() {
    let place = Place::new();
    let file = place.write("small.toml", SMALL_SWEEP);
    json(&place.run(&file).output().unwrap());
    let (_coordinator, address) = coordinator(&place, ANY, &[]);
    let larger = SMALL_SWEEP.replace("[8, 16]", "[8, 16, 32]");
    submit(&place, &address, &larger.replace("small", "larger"));
    let written = report(&place, &[]);
    assert_eq!(
        (&written["trials"], &written["finished"]),
        (&12.into(), &8.into())
    );
    let page = read(&place.path("out/report.html"));
    let progress = "8 of 12 trials have finished";
    assert!(page.contains(&format!("<strong>{progress}</strong>")));
    assert!(page.contains("(8 finished, 4 waiting)"));
    let figure = read(&place.path("out/figure-2c.svg"));
    assert!(figure.contains(progress), "{figure}");
    let document = document(&place);
    assert_eq!(document["networks"][0]["mean"], Value::Null);
    assert_eq!(document["networks"][0]["regions"][0]["open"], 2);
    let absent = document["not_in_this_report"].to_string();
    for missing in [
        "Figure 2A",
        "Figure 2B",
        "Error bars",
        "Scores over splits",
        "Comparison between ANNs",
    ] {
        assert!(absent.contains(missing), "{absent}");
    }
    let curves = read(&place.path("out/curves-V4-1.svg"));
    assert!(curves.contains(progress), "{curves}");

    let mut unknown = place.nrp(&["report", "lagrer", "--out", "out", "--state", "state"]);
    let error = refusal(&unknown.output().unwrap());
    assert!(error.contains("did you mean `larger`?"), "{error}");
    let mut no_directory = place.nrp(&["report", "--out", "small.toml", "--state", "state"]);
    let error = refusal(&no_directory.output().unwrap());
    assert!(error.contains("`small.toml` cannot be written"), "{error}");
}
