//! Reports made of hand-written trials, read back from their files.

use crate::{File, Fold, Report, figures};
use nrp_proto::plain;
use nrp_proto::state::TrialState;
use nrp_proto::wire::{
    AnnEntry, AnnSpec, Details, RegionSites, Scores, SplitSpec, SweepSpec, SweepStatus,
    TrialRecord, TrialSpec,
};

const ANNS: [&str; 2] = ["mobilenet", "xception"];

fn ann(name: &str) -> AnnSpec {
    AnnSpec {
        name: name.to_owned(),
        weights_digest: format!("{name}'s digest"),
        ..AnnSpec::default()
    }
}

fn sweep(scheme: &str) -> SweepSpec {
    let entry = |name: &str| AnnEntry {
        ann: Some(ann(name)),
        weights: format!("{name}.h5"),
        ..AnnEntry::default()
    };
    SweepSpec {
        anns: ANNS.map(entry).into(),
        split: Some(SplitSpec {
            scheme: scheme.to_owned(),
            ..SplitSpec::default()
        }),
        sites: vec![RegionSites {
            region: "IT".to_owned(),
            names: ["silent", "good", "poor"].map(str::to_owned).into(),
            ceilings: vec![f32::NAN, 0.81, -0.1],
            ..RegionSites::default()
        }],
        ..SweepSpec::default()
    }
}

/// A finished trial in IT; the higher the number, the worse its scores.
fn trial(name: &str, model: &str, number: u32) -> TrialRecord {
    let worse = f64::from(number) * 0.01;
    TrialRecord {
        id: format!("{name}-{model}-{number}"),
        state: TrialState::Finished.to_wire(),
        spec: Some(TrialSpec {
            ann: Some(ann(name)),
            region: "IT".to_owned(),
            model: model.to_owned(),
            ..TrialSpec::default()
        }),
        scores: Some(Scores {
            nrp_error: 0.5 + worse,
            validation_mse: 0.5 + worse,
            pearson_median: Some(0.4),
            ..Scores::default()
        }),
        ..TrialRecord::default()
    }
}

fn details(worse: f32) -> Details {
    Details {
        site_error: vec![f32::NAN, 0.25 + worse, 0.5 + worse],
        site_pearson: vec![f32::NAN, 0.75, 0.25],
        training_mse: vec![20.0, 1.0, 0.5],
        validation_mse: vec![30.0, 1.5, f32::NAN],
        worker_version: "0.0.1".to_owned(),
        device: "flex".to_owned(),
        sites_left_out: Vec::new(),
    }
}

/// A report on two ANNs, each with a network and a baseline.
fn report(scheme: &str, details: impl Fn(usize) -> Option<Details>) -> Report {
    report_on(sweep(scheme), details)
}

fn report_on(sweep: SweepSpec, details: impl Fn(usize) -> Option<Details>) -> Report {
    let status = SweepStatus {
        name: "s".to_owned(),
        ..SweepStatus::default()
    };
    let mut fold = Fold::new(status, sweep);
    for (name, number) in ANNS.into_iter().zip(0..) {
        fold.take(&trial(name, "", number));
        fold.take(&trial(name, "ridge", number + 2));
    }
    for (number, trial) in fold.wants_details().iter().enumerate() {
        fold.take_details(trial, details(number).unwrap_or_default());
    }
    Report::new(fold)
}

/// Gives the text of each file; empty for a file that is not there.
fn written(report: Report) -> impl Fn(&str) -> String {
    let files: Vec<File> = report.files().collect();
    move |name: &str| {
        let file = files.iter().find(|file| file.name == name);
        let text = file.map(|file| String::from_utf8(file.bytes.clone()).expect("a text"));
        text.unwrap_or_default()
    }
}

#[test]
fn time_bins_that_are_regions_are_drawn_over_time() {
    let of_bin = |name: &str, bin: [f64; 2]| RegionSites {
        region: name.to_owned(),
        bin_of: "V4".to_owned(),
        bin: bin.to_vec(),
        bin_unit: "ms".to_owned(),
        ..RegionSites::default()
    };
    let bins = [("V4 70-80 ms", [70.0, 80.0]), ("V4 80-90 ms", [80.0, 90.0])];
    let mut fold = Fold::new(
        SweepStatus::default(),
        SweepSpec {
            regions: bins.map(|(name, _)| name.to_owned()).into(),
            sites: bins.map(|(name, bin)| of_bin(name, bin)).into(),
            ..sweep("holdout")
        },
    );
    for (number, (name, _)) in (0..).zip(bins) {
        let mut trial = trial(ANNS[0], "ridge", number);
        trial.spec.as_mut().expect("a trial").region = name.to_owned();
        fold.take(&trial);
    }
    let report = Report::new(fold);
    let bins: Vec<f64> = report.over_time[0]
        .bins
        .iter()
        .map(|bin| bin.start)
        .collect();
    assert_eq!(bins, [70.0, 80.0]);
    let svg = written(report)("time-V4.svg");
    for said in ["r over time, V4", "time (ms)", "mobilenet"] {
        assert!(svg.contains(said), "{said}");
    }
    let read = written(report_on(sweep("holdout"), |_| None));
    assert_eq!(read("time-V4.svg"), "", "no bins");
}

#[test]
fn what_details_tell_is_in_figures_tables_and_protocol() {
    let read = written(report("holdout", |number| {
        Some(details(0.125 * number as f32))
    }));
    assert_eq!(
        read("sites.csv").lines().take(3).collect::<Vec<_>>(),
        [
            "region,rank,site,ceiling,pearson_mobilenet,nrp_error_mobilenet,pearson_xception,\
             nrp_error_xception",
            "IT,1,good,0.81,0.75,0.25,0.75,0.5",
            "IT,2,poor,-0.1,0.25,0.5,0.25,0.75",
        ]
    );
    let curves = read("curves.csv");
    assert_eq!(curves.lines().count(), 1 + 2 * 3);
    let last = curves.lines().nth(3).expect("a third epoch");
    assert!(
        last.starts_with("mobilenet,IT,3,0.5,,mobilenet--0,"),
        "{last}"
    );
    let comparisons = read("comparisons.csv");
    let pair = comparisons.lines().nth(1).expect("a pair");
    assert!(
        pair.starts_with("mobilenet,xception,IT,-0.25,-0.25,-0.25,"),
        "{pair}"
    );
    assert!(pair.ends_with(",mobilenet lower,2,1"), "{pair}");
    let linear = read("network-against-linear.csv");
    assert!(linear.contains(",NRP lower,2,1"), "{linear}");
    let curves = read("curves-IT-1.svg");
    for said in [
        "Learning curves, IT",
        "xception",
        "training",
        "\n0.5\n",
        "\n20\n",
    ] {
        assert!(curves.contains(said), "{said}");
    }
    assert!(read("sites-IT-1.svg").contains("√ceiling"));
    let page = read("report.html");
    for said in ["mobilenet.h5", "<dd>0.0.1</dd>", "<dd>flex</dd>"] {
        assert!(page.contains(said), "{said}");
    }
    for absent in [
        "Learning curves:",
        "Sites",
        "Comparison",
        "Versions",
        "Names",
    ] {
        assert!(!page.contains(&format!("<li>{absent}")), "{absent}");
    }
    let json: serde_json::Value = serde_json::from_str(&read("report.json")).expect("JSON");
    assert_eq!(json["sites"][0]["sites"][0]["name"], "good");
    assert_eq!(json["comparisons"][0]["verdict"], "mobilenet lower");
    assert_eq!(
        json["curves"][0]["validation_mse"][2],
        serde_json::Value::Null
    );
}

#[test]
fn outcomes_without_details_are_reported_without_what_needs_them() {
    let read = written(report("holdout", |_| None));
    let page = read("report.html");
    let absent = [
        "Learning curves:",
        "Sites sorted by predictability:",
        "Comparison between ANNs:",
        "Comparison with linear baselines:",
        "Versions and devices",
        "Scores over splits: the sweep has one",
    ];
    for sentence in absent {
        assert!(page.contains(&format!("<li>{sentence}")), "{sentence}");
    }
    for file in [
        "curves.csv",
        "sites.csv",
        "comparisons.csv",
        "curves-IT-1.svg",
    ] {
        assert_eq!(read(file), "", "{file}");
    }
    assert_ne!(read("table-1.csv"), "");
    let some = written(report("holdout", |number| {
        (number == 0).then(|| details(0.0))
    }));
    assert!(some("report.html").contains("<li>Details of 3 of the 4 best trials:"));
    assert_ne!(some("curves.csv"), "");
}

/// A report on an ANN with a fraction of zeros in its file, although the sweep asks for none.
fn with_zeros(zeros: f64) -> Report {
    let mut spec = sweep("holdout");
    for entry in &mut spec.anns {
        entry.reached_sparsity = Some(zeros);
    }
    let mut fold = Fold::new(SweepStatus::default(), spec);
    for name in ANNS {
        fold.take(&trial(name, "", 0));
    }
    Report::new(fold)
}

#[test]
fn zeros_that_a_file_has_are_shown_as_counted_and_not_beside_a_dense_net() {
    let read = written(with_zeros(0.8152));
    let table = read("table-1.csv");
    assert!(table.contains("\"mobilenet, 81.5 % zeros\""), "{table}");
    assert!(table.contains(",0.8152,0,"), "counted, asked: {table}");
    assert!(
        !table.contains("0.704"),
        "the dense net's accuracy: {table}"
    );
    let page = read("report.html");
    let warned = "<strong>mobilenet, 81.5 % zeros</strong>: these weights are zero in the file";
    assert!(page.contains(warned), "{page}");
    assert!(page.contains("<td class=\"number\">81.52 %</td>"), "{page}");
    assert_eq!(read("figure-2a.svg"), "");
    // A few zeros are no pruning.
    let read = written(with_zeros(1e-4));
    assert!(read("table-1.csv").contains(",0.704,"));
    assert!(!read("report.html").contains("% zeros"));
    assert_ne!(read("figure-2a.svg"), "");
}

#[test]
fn a_sweep_whose_trials_were_stopped_by_design_has_finished() {
    let with = |state: &str| {
        let mut fold = Fold::new(SweepStatus::default(), sweep("holdout"));
        fold.take(&trial("mobilenet", "", 0));
        fold.take(&TrialRecord {
            state: state.parse::<TrialState>().expect("a state").to_wire(),
            scores: None,
            ..trial("mobilenet", "", 1)
        });
        written(Report::new(fold))("report.html")
    };
    let stopped = with("stopped");
    let said = "1 of 2 trials have finished, 1 was stopped early, as the sweep asks";
    assert!(stopped.contains(said), "{stopped}");
    assert!(!stopped.contains("class=\"warn\""), "{stopped}");
    for state in ["failed", "waiting"] {
        let warned = "<p class=\"warn\"><strong>1 of 2 trials have finished</strong>";
        assert!(with(state).contains(warned), "{state}");
    }
}

#[test]
fn errors_in_small_units_have_their_digits_on_page_and_figures() {
    let mut fold = Fold::new(SweepStatus::default(), sweep("holdout"));
    for (number, name) in (0..).zip(ANNS) {
        let mut record = trial(name, "", 0);
        let scores = record.scores.as_mut().expect("has some");
        scores.nrp_error = 1.25e-6 + f64::from(number) * 1e-7;
        scores.mean_predictor_error = 2.5e-6;
        scores.noise_floor = Some(0.75e-6);
        fold.take(&record);
    }
    let read = written(Report::new(fold));
    let page = read("report.html");
    for shown in ["1.250e-6", "1.350e-6", "2.500e-6", "7.500e-7"] {
        assert!(page.contains(shown), "{shown}");
    }
    let figure = read("figure-2a.svg");
    assert!(figure.contains("mean predictor (2.500e-6)"), "{figure}");
    assert!(figure.contains("\n1.5e-6\n"), "{figure}");
    assert!(!page.contains("0.0000"));
}

#[test]
fn no_name_in_a_report_is_a_formula_moves_a_cursor_or_leads_out_of_its_directory() {
    let hostile = "=../A\u{1b}[2J\u{9b}31m\n\u{202e}\u{ffff}<b>";
    let name = |number: u32| format!("{hostile}{number}");
    let status = SweepStatus {
        name: hostile.to_owned(),
        ..SweepStatus::default()
    };
    let mut spec = sweep("holdout");
    spec.sites[0].region = hostile.to_owned();
    spec.sites[0].names = vec![hostile.to_owned(); 3];
    for (entry, number) in spec.anns.iter_mut().zip(0..) {
        entry.ann = Some(ann(&name(number)));
        entry.weights = hostile.to_owned();
    }
    let mut fold = Fold::new(status, spec);
    for number in 0..2 {
        for (model, l1) in [("", 8), ("", 16), ("ridge", 0)] {
            let mut trial = trial(&name(number), model, number + l1);
            let spec = trial.spec.as_mut().expect("a spec");
            spec.region = hostile.to_owned();
            spec.layers = vec![hostile.to_owned(), l1.to_string()];
            (spec.l1, spec.l2) = (Some(l1), Some(l1));
            fold.take(&trial);
        }
    }
    for trial in fold.wants_details() {
        let details = Details {
            worker_version: hostile.to_owned(),
            device: hostile.to_owned(),
            ..details(0.125)
        };
        fold.take_details(&trial, details);
    }
    let files: Vec<File> = Report::new(fold).files().collect();
    assert!(files.len() > 10, "{}", files.len());
    for File { name, bytes } in files {
        let safe = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
        assert!(name.chars().all(safe), "{name}");
        let Ok(text) = String::from_utf8(bytes) else {
            assert!(name.ends_with(".png"), "{name}");
            continue;
        };
        assert_eq!(plain::lines(&text), text, "{name}");
        if name.ends_with(".csv") {
            let mut csv = csv::ReaderBuilder::new();
            let mut csv = csv.has_headers(false).from_reader(text.as_bytes());
            let rows: Vec<_> = csv.records().map(|row| row.expect("a row")).collect();
            for field in rows.iter().flatten() {
                let is_number = field.parse::<f64>().is_ok();
                assert!(
                    is_number || plain::csv_field(field) == field,
                    "{name}: {field:?}"
                );
            }
        }
    }
}

#[test]
fn names_of_other_sites_are_not_given() {
    let mut spec = sweep("holdout");
    spec.sites[0].names.pop();
    let other = report_on(spec.clone(), |_| Some(details(0.0)));
    assert_eq!(other.sites[0].sites[0].name, "2");
    spec.sites.clear();
    let other = report_on(spec, |_| Some(details(0.0)));
    let page = written(other)("report.html");
    assert!(page.contains("<li>Names and noise ceilings of sites:"));
}

#[test]
fn scores_of_stimuli_that_selected_are_marked_everywhere() {
    let report = report("validation-is-test", |_| Some(details(0.0)));
    let figures = report.figures();
    let tables = report.tables();
    assert!(figures.len() > 2 && tables.len() > 4);
    let mark = "Scores are on stimuli that also selected";
    // The published numbers are not scores of this sweep.
    let ours = figures.iter().filter(|of| of.name != figures::PUBLISHED);
    for figure in ours {
        assert!(figure.svg().contains(mark), "{}", figure.name);
        assert!(figure.caption.contains(mark), "{}", figure.name);
    }
    for table in &tables {
        assert!(table.note.contains(mark), "{}", table.name);
    }
    let page = written(report)("report.html");
    assert!(page.contains(&format!("<strong>{mark}.</strong>")));
}
