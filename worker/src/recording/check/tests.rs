use super::*;
use crate::recording::tests::{Files, real, testdata};

fn in_brief(region: &RegionReport) -> String {
    format!(
        "{}: {} sites, repetitions {} {} {}, missing {} ({:.4}), {} empty, {:.4} +- {:.4}",
        region.region,
        region.sites,
        region.repetitions_min,
        region.repetitions_median,
        region.repetitions_max,
        region.missing_values,
        region.missing_fraction,
        region.empty_cells,
        region.mean,
        region.sd,
    )
}

#[test]
fn reports_what_is_in_the_files_in_any_order() {
    let files = Files::new();
    let paths = [
        files.images(),
        testdata("newer-netcdf4.nc"),
        files.stimuli(),
    ];
    let report = check(&paths, &Layout::evident(), &[]).expect("a report");
    assert_eq!(report.problems, Vec::<String>::new());
    let assembly = report.assembly.expect("an assembly");
    assert_eq!((assembly.stimuli, assembly.presentations), (4, 12));
    let regions: Vec<String> = assembly.regions.iter().map(in_brief).collect();
    // The numbers are NumPy's, of the table in make_assemblies.py.
    insta::assert_snapshot!(regions.join("\n"), @r"
    V4: 3 sites, repetitions 3 3 3, missing 1 (0.0278), 0 empty, 11.5543 +- 8.3540
    IT: 2 sites, repetitions 3 3 3, missing 0 (0.0000), 0 empty, 36.6000 +- 5.1241
    ");
    let images = report.images.expect("images");
    assert_eq!(images.sizes, BTreeMap::from([("2x3".to_owned(), 4)]));
    assert_eq!(images.modes, BTreeMap::from([("Rgb8".to_owned(), 4)]));
    assert_eq!(
        report.stimuli.expect("stimuli").columns,
        ["filename", "object_name", "stimulus_id"]
    );
}

#[test]
fn collects_every_problem() {
    let files = Files::new();
    files.write_stimuli("stimulus_id,filename\ns0,s0.png\ns1,nowhere.png\ns2,words.png\nx,y\n");
    files.write_image("words.png", b"<html>no</html>");
    files.remove_image("s1.png");
    let paths = [testdata("silent-site.nc"), files.stimuli(), files.images()];
    let report = check(&paths, &Layout::evident(), &[]).expect("a report");
    let problems = report.problems.join("\n").replace(&files.root(), "");
    let problems = problems.replace(testdata("").to_str().expect("a path"), "");
    insta::assert_snapshot!(problems, @r#"
    `silent-site.nc`: 1 site recorded nothing (all values are NaN): `b2`
    1 stimulus of `silent-site.nc` not in `stimuli.csv`: `s3`
    `images` has no image of 1 stimulus: `s1 (nowhere.png)`
    `images`: `words.png` of stimulus `s2` is not an image: The image format could not be determined; it starts with the text "<html>no</html>"
    "#);
    assert_eq!(report.notices.len(), 1, "x was never shown");
    assert_eq!(report.images.expect("images").readable, 1);
}

#[test]
fn what_cannot_be_opened_is_a_problem_and_the_rest_is_reported() {
    let files = Files::new();
    let paths = [
        PathBuf::from("gone.nc"),
        files.stimuli(),
        PathBuf::from("lab.pkl"),
    ];
    let report = check(&paths, &Layout::evident(), &[]).expect("a report");
    assert!(report.assembly.is_none() && report.stimuli.is_some());
    insta::assert_snapshot!(report.problems.join("\n"), @r"
    `lab.pkl` is not a file of recordings
    cannot read `gone.nc`: No such file or directory (os error 2)
    ");
    assert!(matches!(
        check(&[], &Layout::evident(), &[]),
        Err(RecordingError::Nothing)
    ));
    let twice = [files.stimuli(), files.stimuli()];
    assert!(matches!(
        check(&twice, &Layout::evident(), &[]),
        Err(RecordingError::TwoOfAKind { .. })
    ));
}

#[test]
fn the_real_recordings_are_sound() {
    for (set, sites, stimuli, presentations) in
        [("v4-201025", 89, 1200, 1200), ("v4-210325", 50, 640, 4840)]
    {
        let Some(paths) = real(set) else { return };
        let report = check(&paths, &Layout::evident(), &[]).expect("a report");
        assert_eq!(report.problems, Vec::<String>::new());
        let assembly = report.assembly.expect("an assembly");
        assert_eq!(
            (assembly.stimuli, assembly.presentations),
            (stimuli, presentations)
        );
        assert_eq!(assembly.regions[0].sites, sites);
        let images = report.images.expect("images");
        assert_eq!(
            images.sizes,
            BTreeMap::from([("112x112".to_owned(), stimuli)])
        );
    }
}

#[test]
fn a_ceiling_that_cannot_be_measured_is_not_said_to_lack_repetitions() {
    let files = Files::new();
    let layout = Layout {
        ceiling: Ceiling::PerStimulus,
        ..Layout::evident()
    };
    let paths = [
        testdata("newer-netcdf4.nc"),
        files.stimuli(),
        files.images(),
    ];
    let report = check(&paths, &layout, &[]).expect("a report");
    assert_eq!(report.problems.len(), 2, "{:?}", report.problems);
    let problem = &report.problems[0];
    assert!(
        problem.contains("4 stimuli shown twice or more"),
        "{problem}"
    );
    let notices = report.notices.join("\n");
    assert!(!notices.contains("shown twice"), "{notices}");
}
