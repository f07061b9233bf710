//! NWB files as pynwb writes them, by `make_nwb.py`, with the counts that NumPy makes of them.

use std::path::PathBuf;

use super::*;
use crate::recording::tests::testdata;
use crate::recording::{Axes, Layout};

/// The files, unpacked.
fn unpacked() -> (tempfile::TempDir, serde_json::Value) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let zip = std::fs::File::open(testdata("nwb.zip")).expect("the files");
    let mut archive = zip::ZipArchive::new(zip).expect("a zip");
    archive.extract(folder.path()).expect("its files");
    let expected = std::fs::read(folder.path().join("expected.json")).expect("the counts");
    let expected = serde_json::from_slice(&expected).expect("JSON");
    (folder, expected)
}

fn set(ids: &[&str]) -> StimulusSet {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("stimuli.csv");
    let text = format!("stimulus_id\n{}\n", ids.join("\n"));
    std::fs::write(&path, text).expect("a written file");
    StimulusSet::open(&path).expect("a stimulus set")
}

fn opened(
    path: PathBuf,
    window_ms: Option<[i64; 2]>,
    variable: Option<&str>,
) -> Result<Assembly, RecordingError> {
    opened_of(&["s0", "s1", "s2", "s3"], path, window_ms, variable)
}

fn opened_of(
    ids: &[&str],
    path: PathBuf,
    window_ms: Option<[i64; 2]>,
    variable: Option<&str>,
) -> Result<Assembly, RecordingError> {
    let set = set(ids);
    let layout = Layout {
        axes: Axes::Evident,
        variable: variable.map(str::to_owned),
        window_ms,
        ..Layout::evident()
    };
    let opened = open(&Asked {
        path: &path,
        layout: &layout,
        stimuli: Some(&set),
        variations: &[],
        regions: &[],
        kept: None,
    });
    opened.map(|opened| opened.assembly)
}

const WINDOW: Option<[i64; 2]> = Some([70, 170]);

/// The counts of an assembly, unit by unit within each trial; `null` where nothing was observed.
fn table(assembly: &Assembly) -> serde_json::Value {
    let trial = |trial| {
        let units = (0..assembly.sites.len()).map(|site| assembly.value(trial, site));
        let units = units.map(|count| (!count.is_nan()).then_some(count as i64));
        units.collect::<Vec<_>>()
    };
    let trials: Vec<_> = (0..assembly.shown.len()).map(trial).collect();
    serde_json::json!(trials)
}

#[test]
fn spikes_are_counted_as_numpy_counts_them() {
    let (folder, expected) = unpacked();
    let file = |name| folder.path().join(name);
    let units = opened(file("units.nwb"), WINDOW, None).expect("units");
    assert_eq!(serde_json::json!(units.shown), expected["shown"]);
    assert_eq!(table(&units), expected["counts"]);
    assert_eq!(units.sites, ["0", "1", "2"]);
    assert_eq!(units.regions, ["V4", "V4", "IT"]);
    assert_eq!(units.notices, Vec::<String>::new());
    // Regions of the units themselves; not observed in some windows; a column of another name.
    let observed = opened(file("observed.nwb"), WINDOW, None).expect("units");
    assert_eq!(table(&observed), expected["observed"]);
    assert_eq!(observed.regions, ["V4", "V4", "IT"]);
    assert_eq!(serde_json::json!(observed.shown), expected["shown"]);
    let [notice] = &observed.notices[..] else {
        panic!("{:?}", observed.notices)
    };
    assert!(notice.ends_with("the stimuli are those in column `picture` of `trials`"));
    let named = opened(file("observed.nwb"), WINDOW, Some("trials/picture")).expect("units");
    assert_eq!(named.notices, Vec::<String>::new());
    // Another table, whose stimuli are enumerated; no regions.
    let other = opened(file("presentations.nwb"), WINDOW, Some("presentations")).expect("units");
    assert_eq!(table(&other), expected["counts"]);
    assert_eq!(serde_json::json!(other.shown), expected["shown"]);
    assert_eq!(other.regions, ["presentations"; 3]);
    // Another window: all spikes of the eight trials lie in the recording.
    let long = opened(file("units.nwb"), Some([-5000, 5000]), None).expect("units");
    let first = (0..8).map(|trial| long.value(trial, 0));
    assert!(first.clone().all(|count| count == long.value(0, 0)) && long.value(0, 0) >= 64.0);
}

#[test]
fn what_a_file_leaves_open_is_asked() {
    let (folder, _) = unpacked();
    let refusal = |name: &str, window, variable| {
        let error = opened(folder.path().join(name), window, variable).err();
        let error = error.expect("a refusal");
        let help = miette::Diagnostic::help(&error).expect("help").to_string();
        let text = error.to_string();
        let text = text.replace(&format!("{}/", folder.path().display()), "");
        format!("{text}\n  {help}")
    };
    for (name, window, variable, expected) in [
        (
            "units.nwb",
            None,
            None,
            "`window_ms = [70, 170]` under `[recordings]`",
        ),
        (
            "units.nwb",
            Some([170, 70]),
            None,
            "in a window of [170, 70] ms",
        ),
        (
            "presentations.nwb",
            WINDOW,
            None,
            "has no table `trials` of intervals; it has presentations\n  name the table of trials: \
             `variable = \"presentations\"`",
        ),
        (
            "units.nwb",
            WINDOW,
            Some("trials/picture"),
            "has no column `picture` among ",
        ),
        (
            "two-regions.nwb",
            WINDOW,
            Some("trials/where"),
            "has a column `where` of rows of another table",
        ),
        (
            "two-regions.nwb",
            WINDOW,
            None,
            "has no single region of unit 0: the `location` of its electrodes differ",
        ),
    ] {
        let said = refusal(name, window, variable);
        assert!(said.contains(expected), "{said}");
    }
}

fn filtered(path: PathBuf, filter: &str) -> Result<Vec<String>, String> {
    let layout = Layout {
        axes: Axes::Evident,
        window_ms: WINDOW,
        region: None,
        filter: Some(filter.parse().expect("a filter")),
        ..Layout::evident()
    };
    let set = set(&["s0", "s1", "s2", "s3"]);
    let opened = open(&Asked {
        path: &path,
        layout: &layout,
        stimuli: Some(&set),
        variations: &[],
        regions: &[],
        kept: None,
    });
    let sites = opened.map(|opened| opened.assembly.sites);
    sites.map_err(|error| {
        format!(
            "{error}; {:?}",
            miette::Diagnostic::help(&error).map(|of| of.to_string())
        )
    })
}

#[test]
fn units_are_chosen_by_the_columns_of_their_electrodes() {
    let (folder, _) = unpacked();
    let chosen = |filter| filtered(folder.path().join("units.nwb"), filter);
    let sites = |sites: &[&str]| Ok(sites.iter().map(|&of| of.to_owned()).collect());
    assert_eq!(chosen("location == V4"), sites(&["0", "1"]));
    assert_eq!(chosen("depth > 1.5"), sites(&["2"]));
    // Both conditions, one by the units' own table.
    assert_eq!(chosen("depth <= 1.5 and id > 0"), sites(&["1"]));
    let gain = chosen("gain > 0.6").expect_err("two gains");
    assert!(
        gain.contains("has no single `gain` of unit `1`: that of its electrodes is 0.5 and 0.75"),
        "{gain}"
    );
    let unknown = chosen("dept > 2").expect_err("unknown");
    assert!(unknown.contains("did you mean `depth`?"), "{unknown}");
}

#[test]
fn a_part_that_is_damaged_is_not_called_missing() {
    let (folder, _) = unpacked();
    let path = folder.path().join("units.nwb");
    let whole = std::fs::read(&path).expect("the file");
    let file = Hdf5File::from_bytes(&whole).expect("an HDF5 file");
    for part in [
        "units",
        "intervals",
        "general/extracellular_ephys/electrodes",
    ] {
        // The header of the group starts with its version.
        let at = file.group(part).expect("a group").address() as usize;
        let mut damaged = whole.clone();
        damaged[at] = 0xff;
        std::fs::write(&path, &damaged).expect("a written file");
        let error = opened(path.clone(), WINDOW, None).err().expect("damage");
        assert!(
            matches!(error, RecordingError::Damaged { .. }),
            "{part}: {error}"
        );
    }
}

#[test]
fn a_column_of_another_name_is_taken_only_if_it_shows_every_stimulus() {
    let (folder, expected) = unpacked();
    let observed = folder.path().join("observed.nwb");
    // One more than is shown; the rows' own numbers.
    let more = ["s0", "s1", "s2", "s3", "s4"];
    let rows = ["0", "1", "2", "3", "4", "5", "6", "7"];
    for ids in [&more[..], &rows] {
        let error = opened_of(ids, observed.clone(), WINDOW, None).err();
        let error = error.expect("a question");
        assert!(
            matches!(
                error,
                RecordingError::Nwb(NwbError::NoStimulusColumn { .. })
            ),
            "{error}"
        );
        let help = miette::Diagnostic::help(&error).expect("help").to_string();
        assert!(help.contains("variable = \"trials/COLUMN\""), "{help}");
    }
    let named = opened_of(&more, observed, WINDOW, Some("trials/picture")).expect("units");
    assert_eq!(serde_json::json!(named.shown), expected["shown"]);
}
