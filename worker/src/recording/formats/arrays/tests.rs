//! Arrays as NumPy writes them, by `make_arrays.py`: the table of `make_assemblies.py` once more.

mod axes;
mod hostile;

use crate::archive::testing::zipped;
use crate::recording::tests::{Files, assert_near, testdata, written};
use crate::recording::{Axes, Layout, Source, check};

use crate::recording::{Noise, Recordings};

/// The stimuli in the order of the arrays' rows.
fn files() -> Files {
    let files = Files::new();
    files.write_stimuli("stimulus_id,object_name\ns0,a\ns1,b\ns2,a\ns3,b\n");
    files
}

#[test]
fn regions_and_repetitions_read_as_an_assembly_does() {
    let files = files();
    let assembly = files.open("newer-netcdf4.nc", &[]).expect("an assembly");
    for (name, sites) in [
        ("regions.npz", ["V4.0", "V4.1", "V4.2"]),
        ("named-sites.npz", ["a1", "a2", "a3"]),
    ] {
        let recordings = files.open(name, &["V4", "IT"]).expect(name);
        assert_eq!(recordings.notices, Vec::<String>::new());
        let (v4, it) = (&recordings.regions[0], &recordings.regions[1]);
        assert_eq!(v4.sites, sites, "{name}");
        for (stimulus, rates) in v4.responses.chunks_exact(3).enumerate() {
            for (site, &rate) in rates.iter().enumerate() {
                assert_near(rate, written(site, stimulus));
            }
        }
        assert_near(it.responses[3], written(4, 1));
        for (region, as_assembly) in recordings.regions.iter().zip(&assembly.regions) {
            assert_eq!(region.repetitions, as_assembly.repetitions);
            let noise = region.noise.as_ref().expect("repetitions");
            let expected = as_assembly.noise.as_ref().expect("repetitions");
            assert_eq!(noise.ceilings, near(&noise.ceilings, &expected.ceilings));
            let (floor, known) = (noise.floor().expect("a floor"), expected.floor());
            // The assembly holds float32: 50 is stored to 4e-6, and the floor is near 0.05.
            assert!((floor - known.expect("a floor")).abs() < 1e-5, "{name}");
        }
    }
}

/// `found` where it is `expected` but for the rounding of float32 in the assembly.
fn near(found: &[Option<f64>], expected: &[Option<f64>]) -> Vec<Option<f64>> {
    let pairs = found.iter().zip(expected);
    let near = |(found, expected): (&Option<f64>, &Option<f64>)| match (found, expected) {
        (Some(found), Some(expected)) if (found - expected).abs() < 1e-4 => Some(*found),
        (_, expected) => *expected,
    };
    pairs.map(near).collect()
}

#[test]
fn an_array_without_a_name_is_called_as_its_file() {
    let files = files();
    for name in [
        "unnamed", "little", "big", "bytes", "counts", "longs", "fortran", "half",
    ] {
        let ending = if name == "unnamed" { "npz" } else { "npy" };
        let file = format!("{name}.{ending}");
        let recordings = files.open(&file, &[name]).expect(name);
        let region = &recordings.regions[0];
        assert_eq!(
            (region.sites.len(), region.repetitions),
            (5, (1, 1)),
            "{name}"
        );
        assert_eq!(region.noise, None::<Noise>);
        // The first repetition holds whole numbers, which float16 has up to 2048.
        let expected = (0..4).flat_map(|stimulus| (0..5).map(move |site| 10 * site + stimulus));
        let expected: Vec<f64> = expected.map(f64::from).collect();
        assert_eq!(region.responses, expected, "{name}");
    }
    assert_eq!(
        files.refusal("little.npy", &["V4"]),
        "region `V4` is not in `little.npy`"
    );
}

#[test]
fn what_is_no_table_of_responses_is_refused() {
    let files = files();
    for (name, expected) in [
        (
            "differing.npz",
            "its arrays differ in repetitions or stimuli: `V4` 3 x 4 x 3, `IT` 2 x 4 x 2",
        ),
        (
            "flat.npz",
            "array `V4` has 1 axes; expected stimuli x sites or repetitions x stimuli x sites",
        ),
        (
            "objects.npy",
            "array `objects` holds Python objects, which are not loaded",
        ),
        ("record.npy", "array `record` holds records"),
        (
            "object-ids.npz",
            "array `stimulus_id` holds Python objects, which are not loaded",
        ),
        (
            "shuffled-ids.npz",
            "array `shown` names `s3` in row 1, where stimulus 1 is `s0` in `stimuli.csv`",
        ),
    ] {
        let said = files.refusal(name, &[]);
        assert!(said.contains(expected), "{said}");
    }
    files.write_stimuli("stimulus_id\ns0\ns1\n");
    assert_eq!(
        files.refusal("named-sites.npz", &[]),
        "`named-sites.npz`: array `anything`, as repetitions x stimuli x sites, has 4 stimuli (5 sites), \
         `stimuli.csv` lists 2"
    );
}

#[test]
fn ids_and_other_things_beside_the_responses_are_checked_or_left_out() {
    let files = files();
    let plain = files.open("little.npy", &[]).expect("recordings");
    for name in ["with-ids.npz", "more-ids.npz"] {
        let recordings = files.open(name, &[]).expect(name);
        let [v4] = &recordings.regions[..] else {
            panic!("{name}: one region")
        };
        assert_eq!(v4.name, "V4");
        assert_near(v4.responses[6], plain.regions[0].responses[6]);
        let [notice] = &recordings.notices[..] else {
            panic!("{name}: {:?}", recordings.notices)
        };
        assert_eq!(
            notice
                .split_once("responses: ")
                .expect("what is left out")
                .1,
            "`rate_hz` (a number), `animal` (a word), `window` (2), `names` (4 words)"
        );
    }
    // True is one.
    let above = files.open("above.npy", &[]).expect("recordings");
    let expected = plain.regions[0]
        .responses
        .iter()
        .map(|&rate| f64::from(u8::from(rate > 20.0)));
    assert_eq!(above.regions[0].responses, expected.collect::<Vec<_>>());
}

#[test]
fn a_mask_beside_the_responses_is_no_region() {
    let files = files();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("lab.npz");
    let mask = std::fs::read(testdata("above.npy")).expect("true and false");
    let open = |arrays: &[(&str, &[u8])]| {
        std::fs::write(&path, zipped(arrays)).expect("a zip");
        Recordings::open(&files.source(path.clone()), &[]).expect("recordings")
    };
    let both = open(&[("V4.npy", &counted(&[4, 5])), ("valid.npy", &mask)]);
    let [v4] = &both.regions[..] else {
        panic!("one region")
    };
    assert_eq!(v4.name, "V4");
    let [notice] = &both.notices[..] else {
        panic!("{:?}", both.notices)
    };
    assert!(
        notice.ends_with(
            "left out what is not responses: `valid` (4 x 5 of true and false, not applied)"
        ),
        "{notice}"
    );
    // By itself it is what there is.
    let alone = open(&[("valid.npy", &mask)]);
    assert_eq!(alone.regions[0].name, "valid");
    assert_eq!(alone.notices, Vec::<String>::new());
}

#[test]
fn what_is_not_read_comes_with_the_lines_that_convert_it() {
    let files = files();
    let hint = |name: &str| {
        let error = Recordings::open(&files.source(testdata(name)), &[]).err();
        let help = miette::Diagnostic::help(&error.expect("a refusal"))
            .expect("help")
            .to_string();
        help.replace(testdata("").to_str().expect("a path"), "")
    };
    assert_eq!(
        hint("object-ids.npz"),
        "save it as numbers or words, in Python: `arrays = dict(numpy.load(\"object-ids.npz\", \
         allow_pickle=True)); arrays[\"stimulus_id\"] = arrays[\"stimulus_id\"].astype(str); \
         numpy.savez(\"NEW.npz\", **arrays)`; Python runs what the file says, so trust it first"
    );
    assert_eq!(
        hint("objects.npy"),
        "save it as numbers or words, in Python: `numpy.save(\"NEW.npy\", numpy.load(\"objects.npy\", \
         allow_pickle=True).astype(float))`; Python runs what the file says, so trust it first"
    );
    assert_eq!(
        hint("record.npy"),
        "save it as numbers or words, in Python: `numpy.save(\"NEW.npy\", numpy.load(\"record.npy\")[\"FIELD\"])`"
    );
}

#[test]
fn an_array_and_the_sites_of_regions_may_be_named() {
    let files = files();
    let open = |name: &str, variable: Option<&str>, sites: &[&str]| {
        let mut source = files.source(testdata(name));
        if let Source::Files { layout, .. } = &mut source {
            layout.axes = Axes::Documented;
            layout.variable = variable.map(str::to_owned);
            layout.sites = sites.iter().map(|of| (*of).to_owned()).collect();
        }
        Recordings::open(&source, &[])
    };
    let it = open("differing.npz", Some("IT"), &[]).expect("one of two arrays");
    assert_eq!(
        (it.regions[0].sites.len(), it.regions[0].repetitions),
        (2, (2, 2))
    );
    let whole = open("little.npy", None, &[]).expect("recordings");
    let parts = open("little.npy", None, &["IT = 4-5", "V4 = 1, 3"]).expect("recordings");
    let [v4, it] = &parts.regions[..] else {
        panic!("two regions")
    };
    assert_eq!((&*v4.name, &*it.name), ("V4", "IT"));
    assert_eq!(v4.sites, ["little.0", "little.2"]);
    assert_eq!(it.sites, ["little.3", "little.4"]);
    let rows = whole.regions[0].responses.chunks_exact(5);
    let expected: Vec<f64> = rows.flat_map(|row| [row[0], row[2]]).collect();
    assert_eq!(v4.responses, expected);
    assert!(parts.notices[0].ends_with("left out sites of no region: 1"));
    for (refused, expected) in [
        (
            open("little.npy", None, &["V4 = 1-3", "IT = 3-5"]),
            "`sites` under `[recordings]` puts site 3 into V4 and IT",
        ),
        (
            open("little.npy", None, &["V4 = 1-6"]),
            "gives V4 site 6; there are 5",
        ),
        (
            open("little.npy", None, &["V4"]),
            "expected a region and its sites",
        ),
        (
            open("regions.npz", None, &["V4 = 1-3"]),
            "for 2 arrays; it is for a single one",
        ),
        (
            open("named-sites.npz", None, &["V4 = 1-3"]),
            "beside an array `regions`",
        ),
        (
            open("regions.npz", Some("V1"), &[]),
            "has no array `V1`; it has V4, IT",
        ),
    ] {
        let said = refused.err().expect("a refusal").to_string();
        assert!(said.contains(expected), "{said}");
    }
}

/// Writes a `.npy` of this shape whose entries are 0, 1, 2, … in the order of rows.
fn counting(path: &std::path::Path, shape: &[usize]) {
    std::fs::write(path, counted(shape)).expect("a written array");
}

/// The `.npy` of [`counting`].
fn counted(shape: &[usize]) -> Vec<u8> {
    let shown: String = shape.iter().map(|length| format!("{length}, ")).collect();
    let header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({shown}), }}");
    let mut bytes = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    bytes.extend(format!("{header:117}\n").as_bytes());
    let values = 0..shape.iter().product::<usize>();
    bytes.extend(values.flat_map(|value| (value as f64).to_le_bytes()));
    bytes
}

#[test]
fn ids_and_sites_as_a_column_are_lists_and_no_region() {
    let files = files();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("lab.npz");
    let open = |ids: &[usize]| {
        let arrays = [
            ("V4.npy", counted(&[4, 5])),
            ("stimulus_id.npy", counted(ids)),
            ("sites.npy", counted(&[5, 1])),
        ];
        let arrays = arrays.each_ref().map(|(name, array)| (*name, &array[..]));
        std::fs::write(&path, zipped(&arrays)).expect("a zip");
        Recordings::open(&files.source(path.clone()), &[])
    };
    for ids in [&[4, 1][..], &[1, 4], &[4]] {
        let recordings = open(ids).expect("recordings");
        let [v4] = &recordings.regions[..] else {
            panic!("{ids:?}: one region")
        };
        assert_eq!(v4.sites, ["0", "1", "2", "3", "4"]);
        assert_eq!(recordings.notices, Vec::<String>::new());
    }
    files.write_stimuli("stimulus_id\n3\n0\n2\n1\n");
    for (ids, expected) in [
        (&[4, 1][..], "names `0` in row 1, where stimulus 1 is `3`"),
        (&[4], "names `0` in row 1, where stimulus 1 is `3`"),
        (&[4, 2], "array `stimulus_id` has 8 entries, not 4"),
    ] {
        let said = open(ids).err().expect("a refusal").to_string();
        assert!(said.contains(expected), "{said}");
    }
}

/// The source of an array of this shape for four stimuli, its axes told so.
fn source(files: &Files, shape: &[usize], axes: Axes) -> (tempfile::TempDir, Source) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("V4.npy");
    counting(&path, shape);
    let mut source = files.source(path);
    if let Source::Files { layout, .. } = &mut source {
        layout.axes = axes;
    }
    (folder, source)
}

fn given(axes: &[&str]) -> Axes {
    Axes::Given(axes.iter().map(|axis| (*axis).to_owned()).collect())
}

#[test]
fn axes_of_what_is_no_array_are_refused() {
    let files = files();
    let axes = given(&["sites", "stimuli"]);
    let mut source = files.source(testdata("newer-netcdf4.nc"));
    if let Source::Files { layout, .. } = &mut source {
        layout.axes = axes.clone();
    }
    let error = Recordings::open(&source, &[]).err().expect("an error");
    assert!(
        error.to_string().ends_with("names its axes itself"),
        "{error}"
    );
    for file in ["newer-netcdf4.nc", "ventral.hdf5"] {
        let report =
            check(&[testdata(file)], &Layout::of_axes(axes.clone()), &[]).expect("a report");
        assert!(report.problems[0].ends_with("names its axes itself"));
    }
}

#[test]
fn digests_know_the_axes_but_not_the_documented_ones() {
    let files = files();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("V4.npy");
    counting(&path, &[2, 4, 3]);
    let digest = |axes| {
        let mut source = files.source(path.clone());
        if let Source::Files { layout, .. } = &mut source {
            layout.axes = axes;
        }
        (
            source.digests().expect("a digest").recordings,
            source.stimulus_digest().expect("a digest"),
        )
    };
    let plain = digest(Axes::Documented);
    let matlab = digest(given(&["sites", "stimuli", "repetitions"]));
    assert_eq!(digest(Axes::Evident), plain);
    assert_ne!(matlab.0, plain.0);
    assert_ne!(
        matlab.0,
        digest(given(&["stimuli", "sites", "repetitions"])).0
    );
    assert_eq!(matlab.1, plain.1, "the stimuli are the same");
}

#[test]
fn the_check_reports_arrays_with_and_without_their_stimuli() {
    let files = files();
    let report = check(
        &[testdata("regions.npz"), files.stimuli()],
        &Layout::evident(),
        &[],
    )
    .expect("a report");
    assert_eq!(report.problems, Vec::<String>::new());
    let assembly = report.assembly.expect("an assembly");
    assert_eq!((assembly.stimuli, assembly.presentations), (4, 12));
    let noise = assembly.regions[1].noise.as_ref().expect("repetitions");
    assert!(noise.ceiling_median > 0.9 && noise.noise_floor > Some(0.0));
    let alone = check(&[testdata("regions.npz")], &Layout::evident(), &[]).expect("a report");
    assert_eq!(alone.assembly.expect("an assembly").stimuli, 4);
}
