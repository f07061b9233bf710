//! Recordings that could be misread: the wrong image, the wrong axis, the same picture twice. `data
//! check`, `sweep check` and `run` all report each case.

use crate::harness::{Place, bmp, json, lab_recordings, npy, refusal, shared, unwrapped};
use std::path::Path;
use std::process::Output;

const SWEEP: &str = r#"
name = "lab"
[recordings]
assembly = "V4.npy"
stimuli = "stimuli.csv"
images = "IMAGES"
regions = ["V4"]
[split]
SPLIT
[[ann]]
name = "mobilenet"
weights = "random:1"
layer_sets = [["global_average_pooling2d"]]
[grid]
l1 = [4]
l2 = [4]
learning_rate = [1e-3]
[training]
max_epochs = 2
"#;

/// Recordings of a laboratory: a folder of files and a sweep over them.
struct Lab {
    place: Place,
}

impl Lab {
    /// Recordings of `stimuli` different pictures and three sites.
    fn new(stimuli: usize) -> Self {
        let lab = Self::of("images");
        lab_recordings(&lab.place, stimuli);
        lab
    }

    /// A laboratory with only the sweep; the test writes its recordings.
    fn of(images: &str) -> Self {
        let place = Place::new();
        let lab = Self { place };
        lab.sweep(images, "", "");
        lab
    }

    /// The recordings of a folder of `../shared/inputs`, if it exists.
    fn shared(inputs: &str) -> Option<Self> {
        let folder = shared(&format!("inputs/{inputs}"))?;
        let lab = Self::of("images.zip");
        for file in ["V4.npy", "stimuli.csv", "images.zip"] {
            std::fs::copy(folder.join(file), lab.place.path(file)).unwrap();
        }
        Some(lab)
    }

    fn sweep(&self, images: &str, recordings: &str, split: &str) {
        let sweep = SWEEP.replace("IMAGES", images).replace("SPLIT", split);
        let sweep = sweep.replace("[split]", &format!("{recordings}\n[split]"));
        self.place.write("sweep.toml", sweep);
    }

    fn picture(&self, stimulus: usize, level: u8) {
        let file = format!("images/{stimulus}.bmp");
        self.place.write(&file, bmp(level));
    }

    /// Writes `V4.npy` with this shape and different values.
    fn array(&self, shape: &[usize]) {
        self.place.write("V4.npy", npy(shape));
    }

    fn nrp(&self, arguments: &[&str]) -> Output {
        self.place.nrp(arguments).output().unwrap()
    }

    fn data_check(&self, images: &str, arguments: &[&str]) -> Output {
        let files = ["data", "check", "V4.npy", "stimuli.csv", images];
        self.nrp(&[&files, arguments].concat())
    }

    fn sweep_check(&self) -> Output {
        self.nrp(&["sweep", "check", "sweep.toml"])
    }

    fn run(&self) -> Output {
        self.place
            .run(&self.place.path("sweep.toml"))
            .output()
            .unwrap()
    }

    /// The problem for which all three commands refuse the recordings; it must be the same.
    fn refusal(&self, images: &str) -> String {
        let checked = self.data_check(images, &[]);
        assert_eq!(checked.status.code(), Some(1));
        let listed = String::from_utf8(checked.stdout).unwrap();
        let (_, problems) = listed.split_once("1 problem:\n").expect("one problem");
        let (problem, hint) = problems.split_once("\nhint: ").expect("a hint");
        let (problem, hint) = (problem.trim().to_owned(), unwrapped(hint));
        for output in [self.sweep_check(), self.run()] {
            let here = format!("{}/", self.place.directory.path().display());
            let error = unwrapped(&refusal(&output)).replace(&here, "");
            assert!(error.contains(&problem), "`{problem}` is not in: {error}");
            assert!(error.contains(&hint), "`{hint}` is not in: {error}");
        }
        problem
    }
}

/// What a command printed, whether it was content or not.
fn json_of(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_file_called_alike_in_another_folder_is_no_image_of_a_stimulus() {
    let Some(lab) = Lab::shared("missing-folder") else {
        return;
    };
    let problem = lab.refusal("images.zip");
    assert!(
        problem.starts_with("`images.zip` has no image of 12 stimuli: `im")
            && problem.contains("(scrambled/")
            && !problem.contains("natural"),
        "{problem}"
    );
}

#[test]
fn a_column_that_is_there_twice_is_refused_with_both_places() {
    let Some(lab) = Lab::shared("filename-twice") else {
        return;
    };
    assert_eq!(
        lab.refusal("images.zip"),
        "`stimuli.csv`: columns 2 and 4 are both called `filename`"
    );
}

#[test]
fn time_bins_and_subjects_are_read_alike_by_checks_and_sweeps() {
    let lab = Lab::of("images");
    let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("worker/src/recording/testdata");
    let mut csv = "stimulus_id,filename\n".to_owned();
    std::fs::create_dir_all(lab.place.path("images")).unwrap();
    for stimulus in 0..4 {
        csv.push_str(&format!("s{stimulus},{stimulus}.bmp\n"));
        lab.picture(stimulus, 50 * stimulus as u8);
    }
    lab.place.write("stimuli.csv", csv);
    let files = ["stimuli.csv", "images"];
    let check = |assembly: &str, arguments: &[&str]| {
        let arguments = [&["data", "check", assembly], &files[..], arguments].concat();
        lab.nrp(&[&arguments[..], &["--output", "json"]].concat())
    };
    let sweep = std::fs::read_to_string(lab.place.path("sweep.toml")).unwrap();
    let sweep = sweep.replace("[split]\n", "[split]\nfractions = [0.5, 0.25, 0.25]\n");
    let swept = |assembly: &str, keys: &str| {
        let sweep = sweep.replace("V4.npy", assembly);
        let sweep = sweep.replace("[recordings]\n", &format!("[recordings]\n{keys}\n"));
        lab.place.write("sweep.toml", sweep);
        lab.nrp(&["sweep", "check", "sweep.toml", "--output", "json"])
    };
    for file in ["bins-ms.nc", "subjects.nc", "bins-only.nc"] {
        std::fs::copy(testdata.join(file), lab.place.path(file)).unwrap();
    }

    let refused = json_of(&check("bins-ms.nc", &[]));
    let problem = refused["problems"][0].as_str().unwrap();
    assert!(problem.contains("has 4 time bins"), "{problem}");
    assert_eq!(refused["time_bins"][3]["start"], 150.0);
    let error = unwrapped(&refusal(&swept("bins-ms.nc", "")));
    assert!(error.contains("has 4 time bins"), "{error}");

    let each = json(&check(
        "bins-ms.nc",
        &["--time-bins", "each", "--regions", "V4"],
    ));
    let regions = each["assembly"]["regions"].as_array().unwrap();
    let regions: Vec<&str> = regions
        .iter()
        .map(|of| of["region"].as_str().unwrap())
        .collect();
    assert_eq!(
        regions,
        [
            "V4 0-50 ms",
            "V4 50-100 ms",
            "V4 100-150 ms",
            "V4 150-200 ms"
        ]
    );
    let checked = json(&swept("bins-ms.nc", "time_bins = \"each\""));
    assert_eq!(checked["regions"], serde_json::json!(regions));
    let window = swept("bins-ms.nc", "time_bin = [50, 150]");
    assert_eq!(json(&window)["regions"], serde_json::json!(["V4"]));
    let said = unwrapped(&stderr(&window));
    assert!(said.contains("the mean of 2 time bins"), "{said}");

    let subjects = json(&check("subjects.nc", &[]));
    assert_eq!(subjects["subjects"], serde_json::json!(["F", "N"]));
    assert_eq!(subjects["sites"][2]["name"], "N/0");
    assert_eq!(
        subjects["repetitions"]["labels"],
        serde_json::json!(["0", "1", "2"])
    );
    assert!(swept("subjects.nc", "").status.success());
    let of_each = json(&swept("subjects.nc", "subjects = \"each\""));
    assert_eq!(of_each["regions"], serde_json::json!(["V4/F", "V4/N"]));
    let each = json(&check(
        "subjects.nc",
        &["--subjects", "each", "--regions", "V4"],
    ));
    assert_eq!(each["assembly"]["regions"][1]["region"], "V4/N");
    assert_eq!(each["assembly"]["regions"][1]["sites"], 2);
    let one = json(&check(
        "subjects.nc",
        &["--subject", "F", "--regions", "V4"],
    ));
    assert_eq!(one["assembly"]["regions"][0]["region"], "V4");
    assert_eq!(one["assembly"]["regions"][0]["sites"], 1);
    let error = unwrapped(&refusal(&swept("subjects.nc", "subject = \"M\"")));
    assert!(error.contains("its subjects are F, N"), "{error}");
    assert!(check("bins-only.nc", &["--region", "V1"]).status.success());
    let refused = json_of(&check("bins-only.nc", &[]));
    let problem = refused["problems"][0].as_str().unwrap();
    assert!(problem.contains("no coordinate `region`"), "{problem}");
}

#[test]
fn an_extension_in_any_case_is_read_by_checks_and_sweeps_alike() {
    let Some(folder) = shared("inputs/endings") else {
        return;
    };
    let lab = Lab::of("images.zip");
    for file in ["stimuli.csv", "images.zip"] {
        std::fs::copy(folder.join(file), lab.place.path(file)).unwrap();
    }
    let sweep = std::fs::read_to_string(lab.place.path("sweep.toml")).unwrap();
    for file in ["V4.NPY", "assy.NC", "assy.nc4"] {
        std::fs::copy(folder.join(file), lab.place.path(file)).unwrap();
        let checked = lab.nrp(&["data", "check", file, "stimuli.csv", "images.zip"]);
        assert!(checked.status.success(), "{file}: {}", stderr(&checked));
        lab.place.write("sweep.toml", sweep.replace("V4.npy", file));
        let checked = lab.sweep_check();
        assert!(checked.status.success(), "{file}: {}", stderr(&checked));
    }
    // What no format reads is refused by both with the same advice.
    lab.place
        .write("sweep.toml", sweep.replace("V4.npy", "lab.pkl"));
    let (listed, refused) = (lab.nrp(&["data", "check", "lab.pkl"]), lab.sweep_check());
    assert_eq!(listed.status.code(), Some(1));
    let listed = unwrapped(&String::from_utf8(listed.stdout).unwrap());
    let advice = "responses end in `.nc`, `.nc4`, `.npy`, `.npz`, `.mat`, `.nwb`, `.hdf5` or `.h5`; load \
                  pickles with pandas";
    for said in [listed, unwrapped(&stderr(&refused))] {
        assert!(said.contains(advice), "{said}");
    }
}

#[test]
fn one_more_folder_in_the_zip_is_seen_through() {
    let Some(lab) = Lab::shared("one-more-folder") else {
        return;
    };
    let report = json(&lab.data_check("images.zip", &["--output", "json"]));
    assert_eq!(report["images"]["readable"], 24);
    assert!(lab.sweep_check().status.success());
}

#[test]
fn an_image_of_the_id_does_not_stand_for_a_path_that_leads_nowhere() {
    let lab = Lab::new(20);
    let csv = std::fs::read_to_string(lab.place.path("stimuli.csv")).unwrap();
    let csv = csv.replace("s7,7.bmp", "s7,gone.bmp");
    lab.place.write("stimuli.csv", csv);
    lab.place.write("images/s7.png", bmp(77));
    lab.sweep("images", "", "");
    assert_eq!(
        lab.refusal("images"),
        "`images` has no image of 1 stimulus: `s7 (gone.bmp)`"
    );
}

#[test]
fn a_broken_image_is_found_before_the_sweep_starts() {
    let lab = Lab::new(20);
    lab.sweep("images", "", "");
    lab.place.write("images/11.bmp", &bmp(11)[..40]);
    let problem = lab.refusal("images");
    assert!(
        problem.starts_with("`images`: `11.bmp` of stimulus `s11` is not an image"),
        "{problem}"
    );
    // The first fifty of many problems are listed.
    let lab = Lab::new(70);
    lab.sweep("images", "", "");
    for stimulus in 5..70 {
        lab.place.write(&format!("images/{stimulus}.bmp"), "words");
    }
    for output in [lab.sweep_check(), lab.run()] {
        let error = refusal(&output);
        let listed = error.matches("is not an image").count();
        assert!(error.contains("65 of 70 images cannot be used"), "{error}");
        assert!(
            listed == 50 && error.contains("and 15 more"),
            "{listed}: {error}"
        );
    }
    let output = lab.data_check("images", &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    let listed = text.matches("is not an image").count();
    assert!(
        listed == 50 && text.contains("65 problems:") && text.contains("and 15 more"),
        "{listed}: {text}"
    );
}

#[test]
fn a_check_says_how_long_the_images_took() {
    let lab = Lab::new(20);
    lab.sweep("images", "", "");
    let output = lab.sweep_check();
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stderr(&output);
    assert!(
        text.contains("notice: all 20 images were decoded, in "),
        "{text}"
    );
}

#[test]
fn the_same_picture_under_two_ids_is_said_and_kept_on_one_side() {
    let lab = Lab::new(40);
    // Thirteen pictures under three ids each, and one under a single id.
    for stimulus in 0..40 {
        lab.picture(
            stimulus,
            (stimulus % 13) as u8 + u8::from(stimulus == 39) * 100,
        );
    }
    let checked = lab.data_check("images", &[]);
    assert!(checked.status.success());
    let text = String::from_utf8(checked.stdout).unwrap();
    assert!(
        text.contains("13 pictures shown under several ids, 39 in all"),
        "{text}"
    );
    assert!(text.contains("\n  s0 = s13 = s26\n"), "{text}");
    let fractions = "fractions = [0.6, 0.2, 0.2]";
    lab.sweep("images", "", fractions);
    let together = lab.run();
    let best = json(&together);
    let said = stderr(&together);
    assert!(
        said.contains("the split keeps the ids of each together"),
        "{said}"
    );
    // The report says so as well.
    let report = |name: &str| {
        let mut command = lab
            .place
            .nrp(&["report", name, "--state", "state", "--out", name]);
        assert!(command.output().unwrap().status.success());
        std::fs::read_to_string(lab.place.path(&format!("{name}/report.html"))).unwrap()
    };
    let page = report("lab");
    assert!(page.contains("39 of 40 stimuli show 13 pictures"), "{page}");
    // If duplicates are ignored, they are torn: it is another split with other trials, and the
    // commands say so.
    lab.sweep(
        "images",
        "",
        &format!("{fractions}\nduplicates = \"ignored\""),
    );
    let sweep = std::fs::read_to_string(lab.place.path("sweep.toml")).unwrap();
    lab.place
        .write("sweep.toml", sweep.replace("\"lab\"", "\"torn\""));
    let ignored = lab.run();
    let said = stderr(&ignored);
    assert!(
        said.contains("of them are both in training and held out"),
        "{said}"
    );
    assert_ne!(json(&ignored)[0]["trial"], best[0]["trial"]);
    let page = report("torn");
    assert!(
        page.contains("of them are both in training and held out"),
        "{page}"
    );
}

#[test]
fn recordings_without_duplicates_keep_the_ids_of_their_trials() {
    let lab = Lab::new(20);
    let trials = |split: &str| {
        lab.sweep("images", "", split);
        let best = json(&lab.run());
        best[0]["trial"].as_str().unwrap().to_owned()
    };
    let before = trials("");
    // The id that the version before this choice gave.
    assert_eq!(before, "42098daf9906c4e3d9f710f1dc5ca002");
    assert_eq!(trials("duplicates = \"together\""), before);
    assert_eq!(trials("duplicates = \"ignored\""), before);
}

#[test]
fn an_array_in_matlab_order_is_asked_about_and_read_as_told() {
    let Some(lab) = Lab::shared("matlab-order") else {
        return;
    };
    let question = "`V4.npy`: array `V4` is 5 x 48 x 3 and `stimuli.csv` lists 48 stimuli, which fits \
                    repetitions x stimuli x sites, or sites x stimuli x repetitions";
    assert_eq!(lab.refusal("images.zip"), question);
    let region = |axes: &str| {
        let output = lab.data_check("images.zip", &["--axes", axes, "--output", "json"]);
        let region = &json(&output)["assembly"]["regions"][0];
        (region["sites"].clone(), region["repetitions_max"].clone())
    };
    assert_eq!(region("sites,stimuli,repetitions"), (5.into(), 3.into()));
    assert_eq!(region("repetitions,stimuli,sites"), (3.into(), 5.into()));
    let best = |axes: &str| {
        lab.sweep("images.zip", &format!("axes = {axes}"), "");
        json(&lab.run())[0].clone()
    };
    let [matlab, documented] = [
        best(r#"["sites", "stimuli", "repetitions"]"#),
        best(r#"["repetitions", "stimuli", "sites"]"#),
    ];
    assert_ne!(matlab["trial"], documented["trial"]);
    assert!(matlab["nrp_error"].is_number() && documented["nrp_error"].is_number());
}

#[test]
fn a_table_on_its_side_gives_the_trials_of_its_order_and_says_so() {
    let lab = Lab::new(20);
    lab.array(&[3, 20]);
    lab.sweep("images", "", "");
    let output = lab.run();
    let said = stderr(&output);
    assert!(said.contains("is read as sites x stimuli"), "{said}");
    let evident = json(&output)[0]["trial"].clone();
    lab.sweep("images", "axes = [\"sites\", \"stimuli\"]", "");
    assert_eq!(json(&lab.run())[0]["trial"], evident);
    lab.sweep("images", "axes = [\"stimuli\", \"sites\"]", "");
    let error = refusal(&lab.run());
    assert!(error.contains("has 3 stimuli (20 sites)"), "{error}");
}

#[test]
fn axes_are_named_of_arrays_alone_and_in_known_words() {
    let lab = Lab::new(20);
    for (axes, problem) in [
        (r#"["stimuli"]"#, "axes must be"),
        (r#"["stimuli", "units"]"#, "axes must be"),
    ] {
        lab.sweep("images", &format!("axes = {axes}"), "");
        let error = refusal(&lab.sweep_check());
        assert!(
            error.contains("recordings.axes") && error.contains(problem),
            "{error}"
        );
    }
    lab.sweep("images", "axes = [\"stimuli\", \"sites\"]", "");
    let sweep = std::fs::read_to_string(lab.place.path("sweep.toml")).unwrap();
    lab.place
        .write("sweep.toml", sweep.replace("V4.npy", "V4.nc"));
    let error = refusal(&lab.sweep_check());
    assert!(
        error.contains("only arrays of NumPy and MATLAB have axes"),
        "{error}"
    );
}

/// A BMP of two columns, high enough for its order of resizing to matter.
fn tall_bmp(level: u8) -> Vec<u8> {
    const HEIGHT: u32 = 700;
    const ROW_BYTES: u32 = 8;
    let mut bytes = bmp(level);
    bytes.truncate(54);
    bytes[2..6].copy_from_slice(&(54 + ROW_BYTES * HEIGHT).to_le_bytes());
    bytes[18..22].copy_from_slice(&2_u32.to_le_bytes());
    bytes[22..26].copy_from_slice(&HEIGHT.to_le_bytes());
    bytes[34..38].copy_from_slice(&(ROW_BYTES * HEIGHT).to_le_bytes());
    for row in 0..HEIGHT as usize {
        let byte = |column: usize| (row * row / 7 + column * 61 + usize::from(level) * 11) as u8;
        bytes.extend((0..6).map(byte).chain([0, 0]));
    }
    bytes
}

#[test]
fn tall_images_are_resized_in_either_order_and_other_images_keep_their_trials() {
    let lab = Lab::new(20);
    let trials = |resize: &str| {
        lab.sweep("images", "", "");
        let text = std::fs::read_to_string(lab.place.path("sweep.toml")).unwrap();
        let line = format!("weights = \"random:1\"\n{resize}");
        lab.place
            .write("sweep.toml", text.replace("weights = \"random:1\"", &line));
        let output = lab.run();
        let said = unwrapped(&stderr(&output));
        let best = json(&output);
        let row = &best.as_array().unwrap()[0];
        let of = |key: &str| row[key].to_string();
        let notice = said.contains("tall images are resized columns first");
        (of("trial"), of("preprocessing"), of("nrp_error"), notice)
    };
    let id = |word: &str| format!("\"tf 224x224 bilinear {word}\"");
    let small = trials("");
    assert_eq!((&small.1, small.3), (&id("v1"), false));
    assert_eq!(trials("resize = \"pillow-12\""), small);

    for stimulus in 0..20 {
        let file = format!("images/{stimulus}.bmp");
        lab.place.write(&file, tall_bmp(stimulus));
    }
    let new = trials("");
    assert_eq!((&new.1, new.3), (&id("v2"), true));
    assert_eq!(trials("resize = \"pillow-13\""), new);
    let old = trials("resize = \"pillow-12\"");
    assert_eq!((&old.1, old.3), (&id("v1"), false));
    assert_ne!(old.0, new.0, "another trial");
    assert_ne!(old.2, new.2, "another score, so no activations in common");
}
