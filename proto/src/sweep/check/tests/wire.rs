//! What comes by the wire is checked as a file is.

use super::*;

/// The file that [`check`] checks, with an edit, and what is wrong with it on the wire.
fn checked_on_the_wire(edit: &str) -> (String, String) {
    let file = edited(edit).expect("parses");
    let mut spec = file.to_spec();
    spec.recordings_digest = "simulated:1".to_owned();
    spec.simulated = file.recordings.assembly == "simulated";
    for entry in &mut spec.anns {
        "digest".clone_into(&mut entry.ann.as_mut().expect("an ANN").weights_digest);
    }
    (told(file.check(&Two)), told(spec.check()))
}

#[test]
fn a_sweep_on_the_wire_is_checked_by_the_rules_of_the_file() {
    let ann = "[[ann]]\nname = \"mobilenet\"\nweights = \"random:0\"\nlayer_sets = ";
    let files = |assembly: &str| {
        format!("[recordings]\nassembly = {assembly:?}\nstimuli = \"s.csv\"\nimages = \"i.zip\"")
    };
    for (edit, told) in [
        (String::new(), "good"),
        ("name = \"two words\"".to_owned(), "`name` = \"two words\": must be 1 to 64"),
        (
            "[split]\nscheme = \"holdot\"".to_owned(),
            "did you mean `holdout`?",
        ),
        (
            "[split]\nfractions = [0.8, 0.1, 0.2]".to_owned(),
            "must sum to 1, not 1.1",
        ),
        (
            "[split]\nfractions = [0.8, 0.3, -0.1]".to_owned(),
            "every fraction must be above 0",
        ),
        (
            "[split]\nstratify = \"a\\u001b[31m\"".to_owned(),
            "has a control character",
        ),
        ("[grid]\nl1 = [0]".to_owned(), "a layer has 1 to 65536 units"),
        ("[grid]\nl2 = [65537]".to_owned(), "a layer has 1 to 65536 units"),
        ("[grid]\nl2 = []".to_owned(), "`grid.l2` = []: is empty"),
        ("[grid]\ndepth = [4]".to_owned(), "0 to 3 intermediate layers"),
        (
            "[grid]\nlearning_rate = [-0.1]".to_owned(),
            "a learning rate must be above 0",
        ),
        (
            "[grid]\nlearning_rate = [inf]".to_owned(),
            "a learning rate must be above 0",
        ),
        (
            "[grid]\nweight_decay = [-1.0]".to_owned(),
            "a weight decay must not be negative",
        ),
        ("[grid]\ndropout = [1.0]".to_owned(), "at least 0 and below 1"),
        ("[grid]\nensemble = [1001]".to_owned(), "1 to 1000 networks"),
        ("[grid]\nseed = [1, 1]".to_owned(), "is listed twice"),
        (
            "[grid]\nlinear_path = [\"ols\"]".to_owned(),
            "must be one of `none`, `ridge`",
        ),
        ("[training]\nbatch_size = 0".to_owned(), "must be 1 to 1000000"),
        (
            "[training]\nmax_epochs = 1000001".to_owned(),
            "must be 1 to 1000000",
        ),
        (
            "[training]\npatience = 1000001".to_owned(),
            "must be 0 to 1000000",
        ),
        (
            "[training]\ninputs = \"centered\"".to_owned(),
            "did you mean `centred`?",
        ),
        (
            "[training]\ntargets = \"standardized\"".to_owned(),
            "did you mean `standardised`?",
        ),
        (
            "[training]\nprojection = \"pca:0\"".to_owned(),
            "K a whole number from 1 on",
        ),
        (
            "[training]\nbaselines = [\"lasso\"]".to_owned(),
            "must be one of `mean`",
        ),
        (
            "[search]\nstrategy = \"random\"\ntrials = 0".to_owned(),
            "must be 1 to 1000000",
        ),
        (
            "[search]\nearly_stopping = \"asha\"\nmin_epochs = 200".to_owned(),
            "must be 1 to 199",
        ),
        (
            "[recordings]\nregions = [\"V4\", \"V4\"]".to_owned(),
            "is listed twice",
        ),
        (
            "[recordings]\nregions = [\"V\\n4\"]".to_owned(),
            "has a control character, \\n",
        ),
        ("[recordings]\nregions = []".to_owned(), "is empty"),
        (files("../a.nc"), "leads out of the data directory"),
        (files("a/../../b.nc"), "leads out of the data directory"),
        (files("/etc/a.nc"), "is absolute, not in the data directory"),
        (files("a.txt"), "or a file of responses; responses end in `.nc`"),
        (files("a..b/c.nc"), "good"),
        (
            "[recordings]\nassembly = \"a.nc\"".to_owned(),
            "is missing: name a file",
        ),
        (format!("{ann}[]"), "is empty"),
        (format!("{ann}[[]]"), "names no layer"),
        (
            format!("{ann}[[\"conv_pw_3_relu\"], [\"conv_pw_3_relu\"]]"),
            "is listed twice",
        ),
        (
            format!("{ann}[[\"conv_pw_3_relu\", \"conv_pw_3_relu\"]]"),
            "stands twice in its set",
        ),
        (
            format!("{ann}[[\"conv_pw_3_relu\"]]\nsparsity = [1.0]"),
            "at least 0 and below 1",
        ),
        (
            format!("{ann}[[\"conv_pw_3_relu\"]]\nsparsity = [0.5]\npruning = \"globl\""),
            "did you mean `global`?",
        ),
        (
            "[[ann]]\nname = \"mobilenet\"\nweights = \"../w.h5\"\nlayer_sets = [[\"conv_pw_3_relu\"]]"
                .to_owned(),
            "leads out of the data directory",
        ),
    ] {
        let (file, wire) = checked_on_the_wire(&edit);
        assert!(file.contains(told), "{edit}: {file}");
        assert!(wire.contains(told), "{edit}: {wire}");
    }
}

#[test]
fn hostile_sizes_are_refused_with_their_limit() {
    let good = || {
        let text = "name = \"test\"\nrecordings = { assembly = \"simulated\", regions = [\"V4\"] }\n\
                    [[ann]]\nname = \"mobilenet\"\nweights = \"random:0\"\nlayer_sets = [[\"a\"]]";
        let mut spec = SweepFile::parse(text).expect("parses").to_spec();
        spec.recordings_digest = "simulated:1".to_owned();
        let ann = spec.anns[0].ann.as_mut().expect("an ANN");
        "random:0".clone_into(&mut ann.weights_digest);
        spec
    };
    assert!(good().check().is_ok());
    type Edit = fn(&mut crate::wire::SweepSpec);
    let edits: [(Edit, &str); 16] = [
        (
            |spec| spec.regions = vec!["r".repeat(257)],
            "`recordings.regions[0]` = \"rrr",
        ),
        (
            |spec| spec.regions = (0..1_001).map(|n| n.to_string()).collect(),
            "`recordings.regions`: has 1001 entries; the limit is 1000",
        ),
        (
            |spec| spec.anns = vec![spec.anns[0].clone(); 1_001],
            "`ann`: has 1001 entries; the limit is 1000",
        ),
        (
            |spec| spec.anns[0].layer_sets = vec![spec.anns[0].layer_sets[0].clone(); 10_001],
            "`ann[0].layer_sets`: has 10001 entries; the limit is 10000",
        ),
        (
            |spec| {
                spec.anns[0].layer_sets[0].layers = (0..20).map(|n| format!("{n:0200}")).collect()
            },
            "its 20 layers' names have 4000 bytes together; the limit is 3072",
        ),
        (
            |spec| spec.anns[0].layer_sets[0].region = "IT".to_owned(),
            "is for a region that the sweep does not have",
        ),
        (|spec| spec.anns[0].ann = None, "`ann[0]`: is missing"),
        (
            |spec| spec.anns[0].weights = "w".repeat(4_097),
            "has 4097 bytes; the limit is 4096",
        ),
        (
            |spec| spec.grid.as_mut().expect("a grid").seed = vec![u64::MAX],
            "`grid.seed[0]` = 18446744073709551615: must be 0 to 9223372036854775807",
        ),
        (
            |spec| spec.grid.as_mut().expect("a grid").seed = (0..2_000_000).collect(),
            "bytes; the limit is 4190208",
        ),
        (
            |spec| spec.simulated = false,
            "`simulated` = false: `recordings.assembly` is \"simulated\"",
        ),
        (
            |spec| {
                spec.sites = vec![crate::wire::RegionSites {
                    region: "V4".to_owned(),
                    bin_of: "V4".to_owned(),
                    bin: vec![0.0],
                    ..Default::default()
                }];
            },
            "says where it starts and ends",
        ),
        (
            |spec| {
                spec.sites = vec![crate::wire::RegionSites {
                    region: "IT".to_owned(),
                    ..Default::default()
                }];
            },
            "`sites[0].region` = \"IT\": is a region that the sweep does not have",
        ),
        (
            |spec| {
                spec.sites = vec![crate::wire::RegionSites {
                    region: "V4".to_owned(),
                    names: vec!["a".to_owned(), "b\u{1b}".to_owned()],
                    ceilings: vec![1.5],
                    ..Default::default()
                }];
            },
            "a noise ceiling is at most 1",
        ),
        (
            |spec| {
                spec.sites = vec![crate::wire::RegionSites {
                    region: "V4".to_owned(),
                    subject: "F".to_owned(),
                    ..Default::default()
                }];
            },
            "`sites[0].subject` = \"F\": a region of one subject is a part of another region",
        ),
        (
            |spec| spec.training = None,
            "`training.batch_size` = 0: must be 1 to 1000000",
        ),
    ];
    for (edit, told) in edits {
        let mut spec = good();
        edit(&mut spec);
        let error = spec.check().expect_err(told).to_string();
        assert!(error.contains(told), "{told}: {error}");
        assert!(error.len() < 20_000, "{}", error.len());
    }
}

#[test]
fn files_are_named_relative_to_one_directory_that_holds_all_of_them() {
    let text = |images: &str| {
        format!(
            "name = \"test\"\n\
             recordings = {{ assembly = \"/data/a/b.nc\", stimuli = \"s.csv\", images = {images:?} }}\n\
             [[ann]]\nname = \"mobilenet\"\nweights = \"/data/c/../w.h5\"\n\
             layer_sets = [[\"conv_pw_3_relu\"]]\n\
             sparsity = [0.5]\npruning = {{ \"0.5\" = \"/data/p.h5\" }}"
        )
    };
    let relative = |images: &str| {
        let file = SweepFile::parse(&text(images)).expect("parses");
        let without_parents = |path: &std::path::Path| {
            let path = path.to_str().expect("UTF-8");
            path.replace("/data/c/../", "/data/").into()
        };
        let (file, dir) = file.relative_to(std::path::Path::new("/data"), without_parents);
        let files = file.recordings.clone();
        let (stimuli, images) = (files.stimuli.unwrap_or_default(), files.images);
        let paths = [files.assembly, stimuli, images.unwrap_or_default()];
        let paths = paths.into_iter().chain([file.ann[0].weights.clone()]);
        let paths = paths.collect::<Vec<_>>().join(" ");
        let told = match file.check(&Two) {
            Ok(()) => "good".to_owned(),
            Err(error) => error.to_string(),
        };
        (dir.display().to_string(), paths, told)
    };
    let expected = |dir: &str, paths: &str| (dir.to_owned(), paths.to_owned(), "good".to_owned());
    assert_eq!(
        relative("i.zip"),
        expected("/data", "a/b.nc s.csv i.zip w.h5")
    );
    assert_eq!(
        relative("/else/i.zip"),
        expected("/", "data/a/b.nc data/s.csv else/i.zip data/w.h5")
    );
    let (dir, _, told) = relative("../i.zip");
    assert_eq!(dir, "/data");
    assert_eq!(
        told,
        "the sweep file has a mistake\n  `recordings.images` = \"../i.zip\": leads out of the data \
         directory; `--data-dir DIR` names one that holds all files of the sweep"
    );
    let (_, _, told) = relative("/data/../etc/i.zip");
    assert!(told.contains("leads out of the data directory"), "{told}");
}
