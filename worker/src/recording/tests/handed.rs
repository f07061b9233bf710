//! Files that real programs wrote and that were once read as something else, from `../shared/inputs` beside
//! the checkout.

use std::path::{Path, PathBuf};

use super::*;

/// A folder of such files, or `None`, in words, where they are not available.
pub(in crate::recording) fn handed(folder: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../shared/inputs")
        .join(folder);
    if folder.is_dir() {
        return Some(folder);
    }
    skipped(&folder);
    None
}

/// What a sweep reads of these files, after checking that `nrp data check` says the same of them.
fn open(folder: &Path, responses: &str, stimuli: &str, images: &str) -> Result<Recordings, String> {
    let [stimuli, images] = [stimuli, images].map(|file| folder.join(file));
    open_as(folder, responses, stimuli, images, Layout::evident())
}

/// The same, with a stimulus set and images from elsewhere, and a layout.
fn open_as(
    folder: &Path,
    responses: &str,
    stimuli: PathBuf,
    images: PathBuf,
    layout: Layout,
) -> Result<Recordings, String> {
    let assembly = folder.join(responses);
    let paths = [assembly.clone(), stimuli.clone(), images.clone()];
    let source = Source::Files {
        assembly,
        stimuli,
        images,
        layout: layout.clone(),
    };
    let opened = Recordings::open(&source, &[]).map_err(|error| {
        let help = miette::Diagnostic::help(&error).map(|help| help.to_string());
        format!("{}; {}", error.in_full(), help.unwrap_or_default())
    });
    let report = check(&paths, &layout, &[]).expect("a report");
    match &opened {
        Ok(_) => assert_eq!(report.problems, Vec::<String>::new()),
        Err(refusal) => {
            let (problem, hint) = (&report.problems[0], &report.hints[0]);
            assert_eq!(refusal, &format!("{problem}; {hint}"));
        }
    }
    opened.map_err(|error| error.replace(&format!("{}/", folder.display()), ""))
}

#[test]
fn images_packed_by_bzip2_and_deflate64_are_the_same() {
    let Some(folder) = handed("zip-methods") else {
        return;
    };
    let [first, second] = ["bzip2.zip", "deflate64.zip"]
        .map(|zip| open(&folder, "V4.npy", "stimuli.csv", zip).expect("recordings"));
    assert_eq!(first.stimuli.len(), 24);
    for stimulus in 0..24 {
        let [first, second] = [&first, &second].map(|of| of.image(stimulus).expect("a picture"));
        assert_eq!(first, second);
    }
}

#[test]
fn names_that_differ_in_capitals_or_accents_are_matched() {
    let Some(folder) = handed("names") else {
        return;
    };
    for names in [["capitals.csv", "capitals.zip"], ["nfc.csv", "nfd.zip"]] {
        let [stimuli, images] = names;
        let recordings = open(&folder, "V4.npy", stimuli, images).expect("recordings");
        assert_eq!(recordings.stimuli.len(), 24, "{stimuli}");
    }
}

/// A stimulus set of this many stimuli in a temporary folder, each with an image.
fn stimuli(count: usize) -> Files {
    let files = Files::new();
    let ids: Vec<String> = (0..count).map(|n| format!("im{n:03}")).collect();
    files.write_stimuli(&format!("stimulus_id\n{}\n", ids.join("\n")));
    let mut png = std::io::Cursor::new(Vec::new());
    let image = RgbImage::from_pixel(2, 2, image::Rgb([1, 2, 3]));
    image
        .write_to(&mut png, image::ImageFormat::Png)
        .expect("a PNG");
    for id in ids {
        files.write_image(&format!("{id}.png"), png.get_ref());
    }
    files
}

fn layout(variable: &str, axes: &[&str], sites: &[&str]) -> Layout {
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    Layout {
        variable: Some(variable.to_owned()),
        sites: owned(sites),
        ..Layout::of_axes(match axes {
            [] => Axes::Evident,
            axes => Axes::Given(owned(axes)),
        })
    }
}

#[test]
fn the_arrays_of_things_are_read_by_name_and_region() {
    let Some(folder) = handed("mat-nwb") else {
        return;
    };
    let open = |stimuli: &Files, layout| {
        let name = "THINGS_normMUA.mat";
        open_as(&folder, name, stimuli.stimuli(), stimuli.images(), layout)
    };
    // Values of h5py 3.16.
    let train = open(&stimuli(60), Layout::evident()).expect("the training array");
    let [region] = &train.regions[..] else {
        panic!("one region")
    };
    assert_eq!((&*region.name, region.sites.len()), ("train_MUA", 64));
    let expected = [0.5412221, -1.2848235, 0.13034394];
    for (found, expected) in region.responses.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-7, "{found}");
    }
    let test = stimuli(10);
    let regions = ["V1 = 1-32", "V4 = 33-48", "IT = 49-64"];
    let averages = open(&test, layout("test_MUA", &[], &regions)).expect("the averages");
    let order = ["sites", "stimuli", "repetitions"];
    let repeated = layout("test_MUA_reps", &order, &regions);
    let repeated = open(&test, repeated).expect("the repetitions");
    assert_eq!(repeated.regions[0].repetitions, (3, 3));
    for (average, repeated) in averages.regions.iter().zip(&repeated.regions) {
        assert_eq!(average.name, repeated.name);
        for (one, other) in average.responses.iter().zip(&repeated.responses) {
            // The file's averages are of float32.
            assert!((one - other).abs() < 1e-5, "{one} {other}");
        }
    }
    let refusal = open(&test, Layout::evident()).err().expect("a question");
    assert!(
        refusal.contains("`test_MUA`") && refusal.contains("`test_MUA_reps`"),
        "{refusal}"
    );
    let refusal = open(&test, layout("test_MUA_reps", &[], &[])).err();
    assert!(refusal.expect("a question").contains("which fits"));
}

#[test]
fn a_workspace_of_hdf5storage_is_read() {
    let Some(folder) = handed("mat-nwb") else {
        return;
    };
    let three = stimuli(3);
    let open = |layout| open_as(&folder, "lab.mat", three.stimuli(), three.images(), layout);
    // MATLAB: `reshape(0:11, 4, 3)'`.
    let resp = open(layout("resp", &[], &[])).expect("a table");
    let expected: Vec<f64> = (0..12).map(f64::from).collect();
    assert_eq!(resp.regions[0].responses, expected);
    for refused in ["names", "s", "s/x", "txt", "empty"] {
        assert!(open(layout(refused, &[], &[])).is_err(), "{refused}");
    }
}
