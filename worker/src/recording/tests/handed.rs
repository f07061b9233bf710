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
    let [assembly, stimuli, images] = [responses, stimuli, images].map(|file| folder.join(file));
    let paths = [assembly.clone(), stimuli.clone(), images.clone()];
    let source = Source::Files {
        assembly,
        stimuli,
        images,
        layout: Layout::evident(),
    };
    let opened = Recordings::open(&source, &[]).map_err(|error| {
        let help = miette::Diagnostic::help(&error).map(|help| help.to_string());
        format!("{}; {}", error.in_full(), help.unwrap_or_default())
    });
    let report = check(&paths, &Layout::evident()).expect("a report");
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
