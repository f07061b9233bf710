//! A small file laid out as `ventral_neural_data.hdf5`, and what may be wrong with one; written by
//! h5py in `make_arrays.py`.

use crate::recording::tests::testdata;
use crate::recording::{Layout, RecordingError, Recordings, Source, check};

fn source(name: &str, variations: &[u32]) -> Source {
    Source::Ventral {
        file: testdata(name),
        variations: variations.to_vec(),
    }
}

fn open(name: &str, variations: &[u32]) -> Result<Recordings, RecordingError> {
    Recordings::open(&source(name, variations), &[])
}

/// The true rate in `make_arrays.py`; the trials' noise is known to it too.
fn rate(image: usize, unit: usize) -> f64 {
    (1.0 + (image * (unit + 2)) as f64).sin() + unit as f64
}

fn noise(image: usize, unit: usize, trial: usize) -> f64 {
    0.1 * ((7 * trial + image + unit) as f64).cos()
}

fn expected(image: usize, unit: usize, trials: usize) -> f64 {
    // One value is missing: unit 0 in the third trial of the second image of level 3, row 2.
    let trials = if (image, unit) == (2, 0) { 2 } else { trials };
    let sum: f64 = (0..trials).map(|trial| noise(image, unit, trial)).sum();
    rate(image, unit) + sum / trials.max(1) as f64
}

#[test]
fn images_labels_responses_and_trials_are_read() {
    // Rows of levels 0 and 3, with the trials of each.
    let rows = [
        (0, 3),
        (1, 2),
        (2, 3),
        (4, 2),
        (5, 2),
        (6, 3),
        (7, 2),
        (9, 3),
    ];
    let recordings = open("ventral.hdf5", &[0, 3]).expect("recordings");
    let ids: Vec<&str> = recordings.stimuli.iter().map(|s| s.id.as_str()).collect();
    assert_eq!(ids, ["0", "1", "2", "4", "5", "6", "7", "9"]);
    assert_eq!(recordings.stimuli[1].labels["object_name"], "yacht");
    assert_eq!(recordings.stimuli[1].labels["variation_level"], "V0");
    for (name, units) in [("IT", vec![4, 5, 0]), ("V4", vec![1, 2])] {
        let region = recordings.region(name).expect(name);
        let named: Vec<String> = units.iter().map(usize::to_string).collect();
        assert_eq!(region.sites, named);
        assert_eq!(region.repetitions, (2, 3));
        for (row, (image, trials)) in rows.into_iter().enumerate() {
            for (site, &unit) in units.iter().enumerate() {
                let found = region.responses[row * units.len() + site];
                // float32 in the file: relative 6e-8 of at most 7.
                assert!(
                    (found - expected(image, unit, trials)).abs() < 1e-6,
                    "{name} {image}"
                );
            }
        }
        let noise = region.noise.as_ref().expect("trials");
        assert!(noise.ceilings.iter().all(Option::is_some));
        assert!(
            noise
                .floor()
                .is_some_and(|floor| floor > 0.0 && floor < 0.1)
        );
    }
    assert_eq!(
        recordings.notices,
        ["units in no region of `neural_meta`, left out: 1"]
    );
    let image = recordings.image(2).expect("an image");
    assert_eq!(image.dimensions(), (4, 6));
    // 20 n + 4 y + x in the third image chosen, row 2.
    assert_eq!(image.get_pixel(3, 5).0, [40 + 20 + 3; 3]);
}

#[test]
fn levels_are_chosen_and_unknown_ones_refused() {
    let all = open("ventral.hdf5", &[]).expect("recordings");
    assert_eq!(all.stimuli.len(), 10);
    assert!(all.notices[0].starts_with("`time_averaged/variation_level_6` is not in the file"));
    let error = open("ventral.hdf5", &[0, 4]).err().expect("an error");
    assert!(
        error
            .to_string()
            .ends_with("has no image of variation level 4"),
        "{error}"
    );
    let digest = |name, levels: &[u32]| source(name, levels).stimulus_digest().expect("a digest");
    assert_ne!(
        digest("ventral.hdf5", &[0, 3]),
        digest("ventral.hdf5", &[0])
    );
    // Images alone decide what activations are.
    assert_eq!(
        digest("ventral.hdf5", &[0, 3]),
        digest("ventral-no-trials.hdf5", &[3, 0])
    );
    assert_eq!(
        digest("ventral.hdf5", &[0, 3]),
        digest("ventral-floats.hdf5", &[0, 3])
    );
    assert_ne!(
        digest("ventral.hdf5", &[0]),
        digest("ventral-colours.hdf5", &[0])
    );
    let whole = |name, levels: &[u32]| source(name, levels).digests().expect("a digest").recordings;
    assert_ne!(
        whole("ventral.hdf5", &[0, 3]),
        whole("ventral-no-trials.hdf5", &[0, 3])
    );
    assert_ne!(whole("ventral.hdf5", &[0, 3]), whole("ventral.hdf5", &[3]));
}

#[test]
fn images_with_colours_or_as_floats_are_read_by_row() {
    let colours = open("ventral-colours.hdf5", &[6]).expect("recordings");
    let pixel = colours.image(1).expect("an image").get_pixel(2, 1).0;
    let grey = open("ventral-floats.hdf5", &[0, 3]).expect("recordings");
    let bytes = open("ventral.hdf5", &[0, 3]).expect("recordings");
    for index in 0..8 {
        assert_eq!(
            grey.image(index).expect("an image"),
            bytes.image(index).expect("an image")
        );
    }
    // NumPy's: images[8, 1, 2] of make_arrays.py.
    assert_eq!(pixel, [87, 147, 109]);
    let fractions = open("ventral-fractions.hdf5", &[0]).expect("recordings");
    let error = fractions.image(0).expect_err("an error").to_string();
    assert!(error.contains("dataset `images` holds 0.078"), "{error}");
}

#[test]
fn trials_in_another_order_are_not_used() {
    let shuffled = open("ventral-shuffled.hdf5", &[0, 3]).expect("recordings");
    let region = shuffled.region("IT").expect("IT");
    assert_eq!(
        region.repetitions,
        (1, 2),
        "level 3 as averaged, level 0 by trials"
    );
    let found = region.responses[2];
    assert!((found - expected(0, 0, 3)).abs() < 1e-6);
    let notice = &shuffled.notices[0];
    assert!(
        notice.starts_with(
            "`time_averaged/variation_level_3` differs from `time_averaged_trial_averaged`"
        ),
        "{notice}"
    );
    let none = open("ventral-no-trials.hdf5", &[0, 3]).expect("recordings");
    assert_eq!(none.regions[0].noise, None);
    assert_eq!(none.notices.len(), 3);
}

#[test]
fn what_can_be_done_without_is_a_notice() {
    let odd = open("ventral-odd.hdf5", &[3]).expect("recordings");
    assert_eq!(odd.regions[0].repetitions, (1, 1));
    assert!(!odd.stimuli[0].labels.contains_key("seen"));
    insta::assert_snapshot!(odd.notices.join("\n"), @r"
    `image_meta/corners` is 10 x 2 of float64, not a label of each image: left out
    `image_meta/seen` is 10 of neither numbers nor words, not a label of each image: left out
    `time_averaged/variation_level_3` is 3 x 4 x 5 of float32, not trials x 4 images x 6 units: variation level 3 is taken as averaged, without repetitions
    units in no region of `neural_meta`, left out: 1
    ");
}

#[test]
fn what_is_missing_or_misshapen_is_named() {
    let folder = testdata("");
    let refusals = [
        "ventral-no-images.hdf5",
        "ventral-no-levels.hdf5",
        "ventral-flat-images.hdf5",
        "ventral-few-averages.hdf5",
        "gone.hdf5",
    ];
    let refusal = |name: &str| {
        let error = open(name, &[]).err().expect("an error").to_string();
        error.replace(folder.to_str().expect("a path"), "")
    };
    let mut refusals = refusals.map(refusal).to_vec();
    // Files of other formats, called as if they were of this one.
    let elsewhere = tempfile::tempdir().expect("a temporary folder");
    for (stored, name) in [("plain-hdf5.nc", "plain.h5"), ("little.npy", "little.hdf5")] {
        let path = elsewhere.path().join(name);
        std::fs::copy(testdata(stored), &path).expect("a copy");
        let error = refusal(path.to_str().expect("a path"));
        let folder = format!("{}/", elsewhere.path().display());
        refusals.push(error.replace(&folder, ""));
    }
    insta::assert_snapshot!(refusals.join("\n"), @r#"
    `ventral-no-images.hdf5` has no dataset `images`; it has image_meta, neural_meta, time_averaged, time_averaged_trial_averaged
    `ventral-no-levels.hdf5` has no dataset `image_meta/variation_level`; it has category, object_name, rotation_xy
    `ventral-flat-images.hdf5`: dataset `images` is 10 x 24 of uint8; expected images x height x width, grey or with 3 colours last
    `ventral-few-averages.hdf5`: dataset `time_averaged_trial_averaged` is 9 x 6 of float32; expected 10 images x units
    cannot read `gone.hdf5`
    `plain.h5` has no dataset `images`; it has weights
    `little.hdf5` has responses only, neither stimuli nor images
    "#);
}

#[test]
fn a_cut_or_corrupted_file_is_an_error_never_a_panic() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("damaged.hdf5");
    let whole = std::fs::read(testdata("ventral.hdf5")).expect("the file");
    let open = |bytes: &[u8]| {
        std::fs::write(&file, bytes).expect("a written file");
        let source = Source::Ventral {
            file: file.clone(),
            variations: vec![0, 3],
        };
        let recordings = Recordings::open(&source, &[])?;
        recordings.image(0).map(|_| ())
    };
    for length in (0..whole.len()).step_by(61) {
        open(&whole[..length]).expect_err("an error");
    }
    for at in (0..whole.len()).step_by(17) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xff;
        if let Err(error) = open(&bytes) {
            assert!(
                !matches!(error, RecordingError::ReaderGaveUp { .. }),
                "{at}: {error}"
            );
        }
    }
}

#[test]
fn the_check_reports_what_the_file_brings() {
    let report = check(&[testdata("ventral.hdf5")], &Layout::evident(), &[]).expect("a report");
    assert_eq!(report.problems, Vec::<String>::new());
    let assembly = report.assembly.expect("responses");
    assert_eq!(
        (assembly.stimuli, assembly.presentations),
        (10, 4 * 2 + 4 * 3 + 2)
    );
    assert!(assembly.regions.iter().all(|region| region.noise.is_some()));
    let images = report.images.expect("images");
    assert_eq!((images.files, images.readable), (10, 10));
    assert_eq!(images.sizes["4x6"], 10);
    assert_eq!(report.stimuli.expect("stimuli").columns.len(), 4);
    let beside = check(
        &[testdata("ventral.hdf5"), testdata("pictures.zip")],
        &Layout::evident(),
        &[],
    )
    .expect("a report");
    assert_eq!(beside.problems.len(), 1);
    assert!(
        beside.problems[0].ends_with("brings its own images"),
        "{:?}",
        beside.problems
    );
}
