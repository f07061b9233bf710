//! Presets: their names, what they set, and what a file's own keys do.

use super::*;
use crate::sweep::SweepFile;

/// A sweep file with a preset; `tables` come after its key.
fn with(preset: &str, tables: &str) -> String {
    format!("name = \"p\"\npreset = \"{preset}\"\n{tables}")
}

const ANN: &str = "[[ann]]\nname = \"mobilenet\"\nweights = \"w.h5\"\nlayer_sets = \"single\"\n";

fn parsed(preset: &str, recordings: &str, more: &str) -> SweepFile {
    let files = "assembly = \"a.nc\"\nstimuli = \"s.csv\"\nimages = \"i.zip\"";
    let text = with(
        preset,
        &format!("[recordings]\n{files}\n{recordings}\n{more}\n{ANN}"),
    );
    SweepFile::parse(&text).unwrap_or_else(|error| panic!("{preset}: {error}"))
}

fn in_words(file: &SweepFile) -> String {
    file.preset.as_ref().expect("a preset").in_words()
}

#[test]
fn every_name_is_that_of_one_preset() {
    let all = Preset::all();
    for preset in &all {
        let found = Preset::find(&preset.to_string()).expect("its own name");
        assert_eq!(found.to_string(), preset.to_string());
        let same = all.iter().filter(|of| of.to_string() == preset.to_string());
        assert_eq!(same.count(), 1, "{preset}");
    }
}

#[test]
fn what_there_is_one_of_may_be_left_out() {
    let found = |name: &str| match Preset::find(name) {
        Ok(preset) => preset.to_string(),
        Err(mistake) => mistake.to_string(),
    };
    let names = [
        "Cowley2026",
        "Cowley2026-pls",
        "Cowley2026.V4",
        "Cadena2017-pls",
        "MajajHong2015.public.V4-pls",
        "Papale2025.V4",
        "Papale2025",
        "MajajHong2015.V4",
        "Papale2025.V4-rigdecv",
        "Papale2025.V2-ridge",
        "Cowley",
        "zebra",
        "",
    ];
    let said: Vec<String> = names.iter().map(|name| found(name)).collect();
    insta::assert_snapshot!(said.join("\n"), @r#"
    Cowley2026.V4-pls
    Cowley2026.V4-pls
    Cowley2026.V4-pls
    Cadena2017.V1-pls
    MajajHong2015public.V4-pls
    `preset` = "Papale2025.V4": stands for `Papale2025.V4-ridge`, `Papale2025.V4-ridgecv`: name one
    `preset` = "Papale2025": stands for `Papale2025.V1-ridge`, `Papale2025.V1-ridgecv`, `Papale2025.V4-ridge`, `Papale2025.V4-ridgecv`, `Papale2025.IT-ridge`, `Papale2025.IT-ridgecv`: name one
    MajajHong2015.V4-pls
    `preset` = "Papale2025.V4-rigdecv": no such preset; `nrp data presets` lists them; did you mean `Papale2025.V4-ridgecv`?
    `preset` = "Papale2025.V2-ridge": no such preset; `nrp data presets` lists them; did you mean `Papale2025.V4-ridge`?
    `preset` = "Cowley": no such preset; `nrp data presets` lists them; did you mean `Cowley2026.V4-pls`?
    `preset` = "zebra": no such preset; `nrp data presets` lists them
    `preset` = "": no such preset; `nrp data presets` lists them
    "#);
}

#[test]
fn a_preset_sets_what_the_file_leaves_out() {
    let said = [
        in_words(&parsed("MajajHong2015.IT-pls", "", "")),
        in_words(&parsed("Cowley2026", "", "")),
        in_words(&parsed("FreemanZiemba2013public.V1-pls", "", "")),
        in_words(&parsed("Cadena2017", "", "")),
    ];
    insta::assert_snapshot!(said.join("\n"), @r#"
    preset MajajHong2015.IT-pls sets recordings.regions = ["IT"], split.scheme = "brain-score", split.stratify = "object_name", training.baselines = ["pls"], grid.depth = [] (no NRP networks)
    preset Cowley2026.V4-pls sets recordings.regions = ["V4"], recordings.ceiling = "even-odd", split.scheme = "brain-score", split.stratify = "", training.baselines = ["pls"], ann[0].degrees = 8.0, recordings.degrees = 11.2, grid.depth = [] (no NRP networks); Brain-Score's score and ceiling are means over four sessions; a sweep is of one of them
    preset FreemanZiemba2013public.V1-pls sets recordings.regions = ["V1"], recordings.time_bin = [50.0, 200.0], split.scheme = "brain-score", split.stratify = "texture_type", training.baselines = ["pls"], ann[0].degrees = 8.0, recordings.degrees = 4.0, grid.depth = [] (no NRP networks)
    preset Cadena2017.V1-pls sets recordings.region = "V1", split.scheme = "brain-score", split.stratify = "", training.baselines = ["pls"], ann[0].degrees = 8.0, recordings.degrees = 2.0, grid.depth = [] (no NRP networks); Brain-Score leaves out stimuli with a missing response (some 14 %), and nrp keeps them
    "#);
}

#[test]
fn what_the_file_says_wins() {
    let recordings = "time_bins = \"each\"\nregions = [\"V1\", \"V2\"]\ndegrees = 8";
    let more = "[split]\nscheme = \"shuffle\"\n[training]\nbaselines = [\"ridge\"]\n";
    let file = parsed("FreemanZiemba2013public.V1-pls", recordings, more);
    assert_eq!(file.recordings.time_bin, None);
    // An array has no bins to choose.
    let array = "[recordings]\nassembly = \"a.npy\"\n";
    let array = SweepFile::parse(&with("SanghaviMurty2020.V4-pls", &format!("{array}{ANN}")));
    assert_eq!(array.expect("parses").recordings.time_bin_id, None);
    assert_eq!(file.recordings.regions, ["V1", "V2"]);
    assert_eq!(
        (file.ann[0].degrees, file.split.stratify.as_deref()),
        (None, None)
    );
    assert_eq!(file.training.baselines, ["ridge"]);
    insta::assert_snapshot!(in_words(&file), @"preset FreemanZiemba2013public.V1-pls sets grid.depth = [] (no NRP networks); as written in the file: recordings.regions, recordings.time_bins, split.scheme, training.baselines");
    // An ANN of its own angle, and one of Brain-Score's.
    let another = format!("{ANN}degrees = 10\n[[ann]]\nname = \"features\"\nweights = \"f.npy\"\n");
    let file = parsed("MajajHong2015.IT-pls", "", &another);
    assert_eq!(file.recordings.degrees, Some(8.0));
    let degrees: Vec<Option<f64>> = file.ann.iter().map(|ann| ann.degrees).collect();
    assert_eq!(degrees, [Some(10.0), None, None]);
}

#[test]
fn only_a_preset_changes_a_file() {
    let file = parsed("Cowley2026", "", "");
    let written = "degrees = 11.2\nceiling = \"even-odd\"\nregions = [\"V4\"]";
    let text = with("Cowley2026", "").replace("preset = \"Cowley2026\"", "");
    let text = format!(
        "{text}[recordings]\nassembly = \"a.nc\"\nstimuli = \"s.csv\"\nimages = \"i.zip\"\n{written}\n[split]\n\
         scheme = \"brain-score\"\nstratify = \"\"\n{ANN}degrees = 8.0\n[training]\nbaselines = [\"pls\"]\n\
         [grid]\ndepth = []\n"
    );
    let by_hand = SweepFile::parse(&text).expect("parses");
    assert_eq!(by_hand.preset, None);
    assert_eq!(file.to_spec(), by_hand.to_spec());
}

#[test]
fn a_mistake_in_a_key_that_the_preset_set_says_so() {
    use crate::sweep::check::tests::Two;
    let text = with(
        "Cowley2026",
        &format!("[recordings]\nassembly = \"simulated\"\n{ANN}"),
    );
    let file = SweepFile::parse(&text).expect("parses").expand(&Two);
    insta::assert_snapshot!(file.check(&Two).expect_err("no ceiling to choose"), @r#"
    the sweep file has a mistake
      `recordings.ceiling` = "even-odd": only an assembly, an array or an NWB file has a choice; leave it out; the preset Cowley2026.V4-pls sets it, and what the file says itself wins
    "#);
    let unknown = SweepFile::parse(&with("Cowley2027", ANN)).expect_err("no such preset");
    insta::assert_snapshot!(unknown, @r#"
    the sweep file has a mistake
      `preset` = "Cowley2027": no such preset; `nrp data presets` lists them; did you mean `Cowley2026.V4-pls`?
    "#);
    let number = with("", ANN).replace("\"\"", "3");
    insta::assert_snapshot!(SweepFile::parse(&number).expect_err("a number"), @r#"
    the sweep file has 2 mistakes
      `preset` = 3: expected text: write "3", with quotes
      `recordings`: is missing: expected a table `[recordings]`
    "#);
}

#[test]
fn every_preset_makes_a_file_without_mistakes() {
    use crate::sweep::check::tests::Two;
    for preset in Preset::all() {
        let files = "assembly = \"a.nc\"\nstimuli = \"s.csv\"\nimages = \"i.zip\"";
        let recordings = match preset.benchmark.split {
            PresetSplit::Given => {
                format!("[recordings.train]\n{files}\n[recordings.test]\n{files}")
            }
            PresetSplit::Plain | PresetSplit::Stratified(_) => format!("[recordings]\n{files}"),
        };
        let text = with(&preset.to_string(), &format!("{recordings}\n{ANN}"));
        let file = SweepFile::parse(&text).unwrap_or_else(|error| panic!("{preset}: {error}"));
        let file = file.expand(&Two);
        if let Err(error) = file.check(&Two) {
            panic!("{preset}: {error}");
        }
        let spec = file.to_spec();
        assert_eq!(spec.baselines, [preset.regression.baseline()]);
        if let Some(region) = preset.region {
            assert_eq!(spec.regions, [region]);
        }
    }
}

#[test]
fn an_empty_window_leaves_out_that_of_the_preset() {
    let file = parsed("FreemanZiemba2013.V1-pls", "time_bin = []", "");
    let told = format!("{:?}", file.check(&crate::sweep::check::tests::Two));
    assert!(!told.contains("time_bin"), "{told}");
    assert_eq!(
        file.to_spec().files.expect("files").time_bin,
        Vec::<f64>::new()
    );
    let file = parsed("FreemanZiemba2013.V1-pls", "", "");
    assert_eq!(file.to_spec().files.expect("files").time_bin, [50.0, 200.0]);
}
