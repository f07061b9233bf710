//! The assemblies that Brain-Score's own packages wrote (brainscore-core 2.5.0), where they are present: every one
//! is read, or refused with what to do.

use std::path::{Path, PathBuf};

use miette::Diagnostic;

use super::summary;
use crate::recording::tests::skipped;
use crate::recording::{BinChoice, Layout, RecordingError, Recordings, Source, check};

fn folder() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/brain-score");
    if folder.is_dir() {
        return Some(folder);
    }
    skipped(&folder);
    None
}

fn files(folder: &Path, name: &str) -> [PathBuf; 3] {
    [
        folder.join(format!("assy_lab_Made2026{name}.nc")),
        folder.join("stimulus_lab_Made2026.csv"),
        folder.join("stimulus_lab_Made2026.zip"),
    ]
}

fn open(folder: &Path, name: &str, layout: Layout) -> Result<Recordings, RecordingError> {
    let [assembly, stimuli, images] = files(folder, name);
    let source = Source::Files {
        assembly,
        stimuli,
        images,
        layout,
    };
    Recordings::open(&source, &[])
}

fn read(folder: &Path, name: &str, layout: Layout) -> Recordings {
    let recordings = open(folder, name, layout);
    recordings.unwrap_or_else(|error| panic!("{name}: {}", error.in_full()))
}

fn of_bins(bins: BinChoice) -> Layout {
    Layout {
        bins: Some(bins),
        ..Layout::evident()
    }
}

#[test]
fn assemblies_are_read_with_their_sites_and_repetitions() {
    let Some(folder) = folder() else { return };
    let v1 = Layout {
        region: Some("V1".to_owned()),
        ..Layout::evident()
    };
    let both: &[(&str, usize)] = &[("V4", 4), ("IT", 6)];
    for (name, layout, regions, repetitions) in [
        ("rep", Layout::evident(), both, 6),
        ("norep", Layout::evident(), both, 1),
        ("meta", Layout::evident(), both, 6),
        ("nan", Layout::evident(), both, 6),
        ("uncompressed", Layout::evident(), both, 6),
        ("bare", Layout::evident(), both, 6),
        ("extras", Layout::evident(), both, 6),
        ("extrasneur", Layout::evident(), both, 6),
        ("single", Layout::evident(), both, 1),
        ("subjects", Layout::evident(), both, 6),
        ("onlyneuroid", v1, &[("V1", 10)], 6),
        ("bins", of_bins(BinChoice::Id(2)), both, 6),
    ] {
        let recordings = read(&folder, name, layout.clone());
        let (found, _) = summary(&recordings);
        let found: Vec<(&str, usize)> = found.iter().map(|(of, n)| (of.as_str(), *n)).collect();
        assert_eq!(found, regions, "{name}");
        assert_eq!(recordings.stimuli.len(), 64, "{name}");
        for region in &recordings.regions {
            assert_eq!(region.repetitions, (repetitions, repetitions), "{name}");
        }
        // A check is of the same mind.
        let report = check(&files(&folder, name), &layout, &[]).expect("a report");
        assert_eq!(report.problems, Vec::<String>::new(), "{name}");
        let shown = report.repetitions.expect("repetitions");
        assert_eq!((shown.min, shown.max), (repetitions, repetitions), "{name}");
        assert_eq!(report.sites.len(), 10, "{name}");
        assert_eq!(
            report.time_bins.len(),
            if name == "bins" { 3 } else { 1 },
            "{name}"
        );
    }
}

#[test]
fn assemblies_of_one_coordinate_or_with_groups_say_what_was_taken() {
    let Some(folder) = folder() else { return };
    // Averaged responses, with only the stimulus as a coordinate of presentations.
    let single = read(&folder, "single", Layout::evident());
    assert!(single.notices[0].contains("`presentation_` is taken for it"));
    let ids: Vec<&str> = single.stimuli.iter().map(|of| of.id.as_str()).collect();
    let others = read(&folder, "norep", Layout::evident());
    assert!(ids.iter().eq(others.stimuli.iter().map(|of| &of.id)));
    let repeated = read(&folder, "rep", Layout::evident());
    let extras = read(&folder, "extrasneur", Layout::evident());
    assert_eq!(summary(&extras).0, summary(&repeated).0);
    assert!(
        extras.notices[0].contains("`train/data`"),
        "{:?}",
        extras.notices
    );
    let error = open(&folder, "onlyneuroid", Layout::evident()).err();
    let error = error.expect("an error");
    assert!(
        error.to_string().contains("has no coordinate `region`"),
        "{error}"
    );
    let hint = error.help().expect("a hint").to_string();
    assert!(hint.contains("`region = \"V4\"`"), "{hint}");
}

#[test]
fn a_site_is_a_subject_and_an_id() {
    let Some(folder) = folder() else { return };
    let recordings = read(&folder, "subjects", Layout::evident());
    assert_eq!(recordings.regions[0].sites[3], "monkeyF/3");
    assert_eq!(recordings.regions[1].sites[0], "monkeyF/4");
    assert_eq!(recordings.regions[1].sites[5], "monkeyN/4");
    let report = check(&files(&folder, "subjects"), &Layout::evident(), &[]).expect("a report");
    assert_eq!(report.subjects, ["monkeyF", "monkeyN"]);
    let site = &report.sites[9];
    assert_eq!((site.id.as_str(), site.name.as_str()), ("4", "monkeyN/4"));
    assert!((site.reliability.expect("a reliability") - 0.9).abs() < 1e-12);
    let named = read(&folder, "rep", Layout::evident());
    assert_eq!(
        named.regions[0].sites[0], "A_0",
        "ids do not repeat between its animals"
    );
}

#[test]
fn three_time_bins_are_averaged_or_are_regions() {
    let Some(folder) = folder() else { return };
    let error = open(&folder, "bins", Layout::evident())
        .err()
        .expect("an error");
    let text = error.to_string();
    assert!(
        text.contains("has 3 time bins (0-50 ms, 50-100 ms, 100-150 ms)"),
        "{text}"
    );
    let each = read(&folder, "bins", of_bins(BinChoice::Each));
    let window = read(&folder, "bins", of_bins(BinChoice::Window([0.0, 100.0])));
    let responses = |name: &str| &each.region(name).expect("a region").responses;
    let (first, second) = (responses("V4 0-50 ms"), responses("V4 50-100 ms"));
    let mean = window.region("V4").expect("a region").responses.iter();
    for ((mean, first), second) in mean.zip(first).zip(second) {
        // Averages of six numbers of about 1, in another order.
        assert!(
            (mean - (first + second) / 2.0).abs() < 1e-14,
            "{mean} {first} {second}"
        );
    }
    let error = open(&folder, "bins", of_bins(BinChoice::Window([25.0, 75.0])));
    assert!(error.is_err());
}

#[test]
fn spikes_and_behaviour_are_refused_with_what_to_do() {
    let Some(folder) = folder() else { return };
    for (name, hint) in [
        ("spikes", "count them in a window"),
        ("beh", "has no sites"),
    ] {
        let error = open(&folder, name, Layout::evident())
            .err()
            .expect("an error");
        let said = error.help().expect("a hint").to_string();
        assert!(said.contains(hint), "{name}: {error}; {said}");
    }
}
