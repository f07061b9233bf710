//! What a user says of recordings that a file leaves open: `variable`, `sites` and `window_ms` in a sweep file, and the
//! options of the same names. `data check` and `sweep check` take them alike.

use crate::bad_input::SWEEP;
use crate::harness::{Place, lab_recordings, refusal, unwrapped};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A file of responses beside a stimulus set and images.
struct Lab {
    place: Place,
    assembly: PathBuf,
}

impl Lab {
    /// The file at `path`, and stimuli `s0`, `s1`, …
    fn new(path: &str, stimuli: usize) -> Self {
        let place = Place::new();
        lab_recordings(&place, stimuli);
        let assembly = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        Self { place, assembly }
    }

    /// What `nrp data check` reports with these options. With the same in a sweep file, `nrp sweep check` must say
    /// nothing else. The error is a problem and its hint.
    fn checked(&self, options: &[&str], layout: &str) -> Result<Value, String> {
        let assembly = self.assembly.to_str().unwrap();
        let files = ["data", "check", assembly, "stimuli.csv", "images"];
        let arguments = [&files[..], options, &["--output", "json"]].concat();
        let listed = self.place.nrp(&arguments).output().unwrap();
        let report: Value = serde_json::from_slice(&listed.stdout).unwrap();
        let sweep = SWEEP
            .replace("assembly.nc", assembly)
            .replace("regions = [\"V4\"]", layout);
        self.place.write("sweep.toml", sweep);
        let swept = self.place.nrp(&["sweep", "check", "sweep.toml"]).output();
        let swept = swept.unwrap();
        let Some(problem) = report["problems"][0].as_str() else {
            let said = String::from_utf8_lossy(&swept.stderr);
            assert!(swept.status.success(), "{layout}: {said}");
            return Ok(report);
        };
        let here = format!("{}/", self.place.directory.path().display());
        let said = unwrapped(&refusal(&swept)).replace(&here, "");
        let hint = report["hints"][0].as_str().unwrap();
        for expected in [problem, hint] {
            assert!(
                said.contains(&unwrapped(expected)),
                "{expected} is not in: {said}"
            );
        }
        let folder = self.assembly.parent().unwrap().display();
        Err(format!("{problem}; {hint}").replace(&format!("{folder}/"), ""))
    }

    /// The problems that both commands have, where a sweep file is refused before its recordings are read.
    fn checked_apart(&self, options: &[&str], layout: &str) -> [String; 2] {
        let assembly = self.assembly.to_str().unwrap();
        let files = ["data", "check", assembly, "stimuli.csv", "images"];
        let listed = self
            .place
            .nrp(&[&files[..], options].concat())
            .output()
            .unwrap();
        assert_eq!(listed.status.code(), Some(1));
        let sweep = SWEEP
            .replace("assembly.nc", assembly)
            .replace("regions = [\"V4\"]", layout);
        self.place.write("sweep.toml", sweep);
        let swept = self.place.nrp(&["sweep", "check", "sweep.toml"]).output();
        let listed = String::from_utf8(listed.stdout).unwrap();
        [listed, refusal(&swept.unwrap())].map(|said| unwrapped(&said))
    }

    /// Each region's name, sites and mean.
    fn regions(&self, options: &[&str], layout: &str) -> Vec<(String, u64, f64)> {
        let report = self.checked(options, layout).expect("no problem");
        let regions = report["assembly"]["regions"].as_array().unwrap().iter();
        let region = |region: &Value| {
            let name = region["region"].as_str().unwrap().to_owned();
            let sites = region["sites"].as_u64().unwrap();
            (name, sites, region["mean"].as_f64().unwrap())
        };
        regions.map(region).collect()
    }
}

/// Means are computed from the same numbers in another order.
fn assert_regions(found: &[(String, u64, f64)], expected: &[(&str, u64, f64)]) {
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for ((name, sites, mean), of) in found.iter().zip(expected) {
        assert_eq!((name.as_str(), *sites), (of.0, of.1));
        assert!(
            (mean - of.2).abs() <= 1e-9 * of.2.abs(),
            "{name}: {mean}, not {}",
            of.2
        );
    }
}

#[test]
fn a_variable_is_chosen_by_name_in_an_assembly_and_among_arrays() {
    let lab = Lab::new("worker/src/recording/testdata/sem.nc", 4);
    let regions = r#"regions = ["V4", "IT"]"#;
    let asked = lab.checked(&[], regions).expect_err("a question");
    assert!(
        asked.contains("`sem.nc` has 2 variables (`rates`, `sem`)")
            && asked.contains("in `nrp data check`, `--variable rates`"),
        "{asked}"
    );
    let chosen = |name: &str| {
        let layout = format!("{regions}\nvariable = {name:?}");
        lab.regions(&["--variable", name], &layout)
    };
    let [rates, sem] = ["rates", "sem"].map(chosen);
    assert_eq!((rates[0].1, rates[1].1), (3, 2));
    // Sites 10 apart, stimuli 1 and repetitions 0.1, in float32; 1.1 is the mean of a stimulus of IT's two sites.
    let mean = (0..4)
        .map(|stimulus| 35.0 + f64::from(stimulus) + 0.1)
        .sum::<f64>()
        / 4.0;
    assert!((rates[1].2 - mean).abs() < 1e-5, "{}", rates[1].2);
    assert_ne!(rates[1].2, sem[1].2);
    let refused = lab.checked(
        &["--variable", "rate"],
        &format!("{regions}\nvariable = \"rate\""),
    );
    let refused = refused.expect_err("no such variable");
    assert!(
        refused.contains("`sem.nc` has no variable `rate`")
            && refused.contains("did you mean `rates`?"),
        "{refused}"
    );

    // TVSD's arrays, of which the training array fits four stimuli, and two others three.
    let things = |stimuli| Lab::new("worker/src/recording/testdata/things.mat", stimuli);
    let found = things(4).regions(&[], r#"regions = ["train_MUA"]"#);
    assert_regions(&found, &[("train_MUA", 5, 21.5)]);
    let asked = things(3)
        .checked(&[], r#"regions = ["V4"]"#)
        .expect_err("a question");
    assert!(
        asked.contains("choose one: `variable = \"test_MUA\"`"),
        "{asked}"
    );
    let refused = things(7)
        .checked(&[], r#"regions = ["V4"]"#)
        .expect_err("no array fits");
    assert!(
        refused.starts_with(
            "no array of `things.mat` has an axis as long as `stimuli.csv`, which lists 7 stimuli"
        ),
        "{refused}"
    );
}

#[test]
fn the_sites_of_regions_are_numbered_from_one() {
    let lab = Lab::new("worker/src/recording/testdata/little.npy", 4);
    // Stimulus m has 10 n + m at site n, counted from 0.
    let found = lab.regions(
        &["--sites", "IT = 4-5", "--sites", "V4=1,3"],
        "regions = [\"IT\", \"V4\"]\nsites = [\"IT = 4-5\", \"V4=1,3\"]",
    );
    assert_regions(&found, &[("V4", 2, 11.5), ("IT", 2, 36.5)]);
    for (sites, expected) in [
        ("V4=1-6", "gives V4 site 6; there are 5"),
        ("V4", "expected a region and its sites"),
        ("V4=0-2", "1"),
    ] {
        let layout = format!("regions = [\"V4\"]\nsites = [{sites:?}]");
        for said in lab.checked_apart(&["--sites", sites], &layout) {
            assert!(said.contains(expected), "{said}");
        }
    }
    // An assembly names its regions itself.
    let lab = Lab::new("worker/src/recording/testdata/newer-netcdf4.nc", 4);
    let [listed, swept] = lab.checked_apart(
        &["--sites", "V4=1-3"],
        "regions = [\"V4\"]\nsites = [\"V4=1-3\"]",
    );
    assert!(
        listed.contains("names the regions of its sites itself"),
        "{listed}"
    );
    assert!(
        swept.contains("only arrays need a list of sites; leave it out"),
        "{swept}"
    );
}

/// Spikes that a trial's window from 70 to 170 ms has, by the script that made the file.
fn spikes(unit: usize, trial: usize) -> f64 {
    ((trial + unit) % 3 + 1) as f64
}

#[test]
fn spikes_are_counted_in_the_window_that_is_given() {
    let lab = Lab::new("tests/layouts/spikes.nwb", 8);
    let regions = r#"regions = ["V4", "IT"]"#;
    let asked = lab.checked(&[], regions).expect_err("a question");
    assert!(
        asked.contains("no window is given") && asked.contains("`--window-ms 70,170`"),
        "{asked}"
    );
    let counted = |window: &str, more: &str| {
        let layout = format!("{regions}\nwindow_ms = [{window}]\n{more}");
        lab.regions(&["--window-ms", window], &layout)
    };
    let mean = |units: &[usize]| {
        let counts = units
            .iter()
            .flat_map(|&unit| (0..16).map(move |trial| spikes(unit, trial)));
        counts.sum::<f64>() / (16 * units.len()) as f64
    };
    let expected = [("V4", 2, mean(&[0, 1])), ("IT", 1, mean(&[2]))];
    assert_regions(&counted("70,170", ""), &expected);
    // Every other trial has a spike before; the spike at 170 ms belongs to the next window.
    assert_regions(&counted("0,70", ""), &[("V4", 2, 0.5), ("IT", 1, 0.5)]);
    assert_regions(&counted("170,171", ""), &[("V4", 2, 1.0), ("IT", 1, 1.0)]);
    assert_regions(&counted("-100,30", ""), &[("V4", 2, 0.0), ("IT", 1, 0.0)]);
    let column = ["--window-ms", "70,170", "--variable", "trials/picture"];
    let layout = format!("{regions}\nwindow_ms = [70, 170]\nvariable = \"trials/picture\"");
    assert_regions(&lab.regions(&column, &layout), &expected);
    // Another format has no spikes.
    let lab = Lab::new("worker/src/recording/testdata/little.npy", 4);
    let [listed, swept] = lab.checked_apart(
        &["--window-ms", "70,170"],
        "regions = [\"little\"]\nwindow_ms = [70, 170]",
    );
    assert!(
        listed.contains("holds responses, not spikes to count"),
        "{listed}"
    );
    assert!(
        swept.contains("only NWB files have spikes to count"),
        "{swept}"
    );
}
