//! MATLAB files as SciPy, hdf5storage and MATLAB write them, by `make_matlab.py`: the table of
//! `make_arrays.py` once more.

use std::path::Path;

use crate::recording::tests::{Files, assert_near, testdata, written};
use crate::recording::{Axes, Layout, RecordingError, Recordings, Source, check};

/// The stimuli in the order of the arrays.
fn files() -> Files {
    let files = Files::new();
    files.write_stimuli("stimulus_id,object_name\ns0,a\ns1,b\ns2,a\ns3,b\n");
    files
}

fn open(files: &Files, path: &Path, layout: Layout) -> Result<Recordings, RecordingError> {
    let mut source = files.source(path.to_owned());
    if let Source::Files { layout: of, .. } = &mut source {
        *of = layout;
    }
    Recordings::open(&source, &[])
}

fn variable(name: &str) -> Layout {
    Layout {
        variable: Some(name.to_owned()),
        ..Layout::evident()
    }
}

fn refusal(files: &Files, name: &str, layout: Layout) -> String {
    let error = open(files, &testdata(name), layout)
        .err()
        .expect("an error");
    let help = miette::Diagnostic::help(&error).expect("help").to_string();
    let folder = testdata("");
    let text = format!("{}\n  {help}", error.in_full());
    text.replace(folder.to_str().expect("a path"), "")
        .replace(&files.root(), "")
}

#[test]
fn a_workspace_of_either_version_reads_as_an_assembly_does() {
    let files = files();
    let assembly = files.open("newer-netcdf4.nc", &[]).expect("an assembly");
    for name in ["packed.mat", "plain.mat", "seven.mat"] {
        // Five sites are named, so that sites x stimuli x repetitions is all that fits.
        let recordings = open(&files, &testdata(name), Layout::evident()).expect(name);
        assert_eq!(recordings.axes.len(), 3, "{name}");
        let [v4, it] = &recordings.regions[..] else {
            panic!("{name}: two regions")
        };
        assert_eq!((v4.name.as_str(), it.name.as_str()), ("V4", "IT"), "{name}");
        assert_eq!(
            (&v4.sites[..], it.sites.len()),
            (&["a1", "a2", "a3"].map(str::to_owned)[..], 2)
        );
        for (stimulus, rates) in v4.responses.chunks_exact(3).enumerate() {
            for (site, &rate) in rates.iter().enumerate() {
                assert_near(rate, written(site, stimulus));
            }
        }
        assert_eq!(it.repetitions, assembly.regions[1].repetitions);
        let left_out = recordings.notices.join("\n");
        for other in ["`fs`", "`animal`"] {
            assert!(left_out.contains(other), "{name}: {left_out}");
        }
        assert!(!left_out.contains("stimulus_id"), "{name}: {left_out}");
    }
}

#[test]
fn ids_in_another_order_than_the_stimulus_set_are_refused() {
    let files = files();
    let said = refusal(&files, "shuffled.mat", Layout::evident());
    assert!(
        said.starts_with(
            "`shuffled.mat`: array `stimulus_id` names `s3` in row 1, where stimulus 1 is `s0` in `stimuli.csv`"
        ),
        "{said}"
    );
}

#[test]
fn every_type_of_numbers_and_either_order_of_bytes_is_read() {
    let files = files();
    let first: Vec<f64> = (0..4)
        .flat_map(|stimulus| (0..5).map(move |site| f64::from(10 * site + stimulus)))
        .collect();
    for name in ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"] {
        let layout = variable(&format!("as_{name}"));
        let recordings = open(&files, &testdata("types.mat"), layout).expect(name);
        assert_eq!(recordings.regions[0].responses, first, "{name}");
        assert_eq!(recordings.regions[0].name, format!("as_{name}"));
    }
    let logical = open(&files, &testdata("types.mat"), variable("as_bool")).expect("logical");
    let above: Vec<f64> = first
        .iter()
        .map(|&rate| f64::from(u8::from(rate > 20.0)))
        .collect();
    assert_eq!(logical.regions[0].responses, above);
    for name in ["big-endian.mat", "characters.mat"] {
        let recordings = open(&files, &testdata(name), Layout::evident()).expect(name);
        assert_eq!(recordings.regions[0].responses, first, "{name}");
    }
}

#[test]
fn arrays_of_things_are_chosen_by_name_or_by_the_stimulus_set() {
    let files = files();
    let things = testdata("things.mat");
    // Four stimuli: only the training array has as many.
    let train = open(&files, &things, Layout::evident()).expect("the training array");
    assert_eq!(train.regions[0].name, "train_MUA");
    assert_eq!(train.regions[0].sites.len(), 5);
    assert_eq!(
        train.regions[0].responses[..5],
        [0.0, 10.0, 20.0, 30.0, 40.0]
    );
    assert!(
        train
            .notices
            .iter()
            .any(|of| of.contains("left out") && of.contains("`SNR` (5 x 6)"))
    );
    files.write_stimuli("stimulus_id\ns0\ns1\ns2\n");
    let test = open(&files, &things, variable("test_MUA")).expect("the averages");
    assert_eq!(test.regions[0].repetitions, (1, 1));
    assert_near(test.regions[0].responses[6], 11.05);
    let repeated = Layout {
        axes: Axes::Given(
            ["sites", "stimuli", "repetitions"]
                .map(str::to_owned)
                .to_vec(),
        ),
        ..variable("test_MUA_reps")
    };
    let repeated = open(&files, &things, repeated).expect("the repetitions");
    assert_eq!(repeated.regions[0].repetitions, (2, 2));
    assert_near(repeated.regions[0].responses[6], 11.05);
    for (layout, expected) in [
        (
            Layout::evident(),
            "its arrays differ in repetitions or stimuli: `test_MUA`",
        ),
        (
            variable("test_MUA_reps"),
            "array `test_MUA_reps` is 5 x 3 x 2 and `stimuli.csv` lists 3 stimuli, which fits \
             repetitions x stimuli x sites, or sites x stimuli x repetitions",
        ),
        (variable("test_MAU"), "did you mean `test_MUA`?"),
        (
            variable("tb"),
            "has 1 stimulus (300 sites), `stimuli.csv` lists 3",
        ),
        (
            variable("train_MUA"),
            "has 5 stimuli (4 sites), `stimuli.csv` lists 3",
        ),
    ] {
        let said = refusal(&files, "things.mat", layout);
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn what_is_no_table_of_numbers_is_refused() {
    let files = files();
    for (name, layout, expected) in [
        (
            "four.mat",
            Layout::evident(),
            "`four.mat` is not a MATLAB file of version 5 or 7.3",
        ),
        (
            "sparse.mat",
            Layout::evident(),
            "array `rates` holds a sparse array\n  in Python: `lab = scipy.io.loadmat(\"sparse.mat\", \
             simplify_cells=True); numpy.savez(\"NEW.npz\", V4=lab[\"rates\"].toarray())`",
        ),
        (
            "packed.mat",
            variable("fft"),
            "array `fft` holds complex numbers\n  in Python: `lab = scipy.io.loadmat(\"packed.mat\", \
             simplify_cells=True); numpy.savez(\"NEW.npz\", V4=lab[\"fft\"].real)`",
        ),
        (
            "packed.mat",
            variable("params"),
            "array `params` holds a struct\n  in Python: `lab = scipy.io.loadmat(\"packed.mat\", \
             simplify_cells=True); numpy.savez(\"NEW.npz\", V4=lab[\"params\"][\"FIELD\"])`",
        ),
        (
            "packed.mat",
            variable("mixed"),
            "array `mixed` holds a cell array",
        ),
        (
            "seven.mat",
            variable("fft"),
            "array `fft` holds complex numbers\n  in Python: `lab = h5py.File(\"seven.mat\"); \
             numpy.savez(\"NEW.npz\", V4=lab[\"fft\"][\"real\"].T)`",
        ),
        (
            "seven.mat",
            variable("nothing"),
            "array `nothing` holds nothing",
        ),
        (
            "packed.mat",
            variable("nothing"),
            "array `nothing` is empty, 0 x 3",
        ),
        (
            "list.mat",
            Layout::evident(),
            "`list.mat` has no table of numbers, stimuli x sites; it has `fs` (1 x 1), `V4` (4 x 1), \
             `window` (1 x 2)\n  if `V4` has the responses of a single site, name it: `variable = \"V4\"`",
        ),
        (
            "odd.mat",
            variable("lab/session"),
            "array `lab/session` holds a struct within a struct\n  in Python: `lab = h5py.File(\"odd.mat\"); \
             numpy.savez(\"NEW.npz\", V4=lab[\"lab/session\"][\"FIELD\"][()].T)`",
        ),
        (
            "odd.mat",
            variable("elsewhere"),
            "array `elsewhere` holds numbers in a layout that is not read (dataset `elsewhere` is virtual: \
             its numbers are elsewhere)",
        ),
    ] {
        let said = refusal(&files, name, layout);
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn a_field_of_a_struct_is_read() {
    let files = files();
    let first: Vec<f64> = (0..4)
        .flat_map(|stimulus| (0..5).map(move |site| f64::from(10 * site + stimulus)))
        .collect();
    for layout in [Layout::evident(), variable("lab/V4")] {
        let field = open(&files, &testdata("field.mat"), layout).expect("a field");
        let [region] = &field.regions[..] else {
            panic!("one region")
        };
        assert_eq!((&*region.name, &region.responses), ("lab/V4", &first));
        assert!(field.notices.is_empty(), "{:?}", field.notices);
    }
}

/// Also beside an array that was asked for, and by lists of any name.
#[test]
fn words_in_another_order_than_the_stimulus_set_are_refused() {
    let files = files();
    files.write_stimuli("stimulus_id,word\n0,s1\n1,s0\n2,s2\n3,s3\n");
    for layout in [Layout::evident(), variable("lab/V4")] {
        let said = refusal(&files, "field.mat", layout);
        let expected =
            "array `lab/names` names `s0` in row 1, where stimulus 1 is `s1` in `stimuli.csv`";
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn what_is_not_read_spoils_nothing_beside_it() {
    let files = files();
    let first: Vec<f64> = (0..4)
        .flat_map(|stimulus| (0..5).map(move |site| f64::from(10 * site + stimulus)))
        .collect();
    let odd = open(&files, &testdata("odd.mat"), Layout::evident()).expect("responses");
    let [v4] = &odd.regions[..] else {
        panic!("one region")
    };
    assert_eq!((&*v4.name, &v4.responses), ("V4", &first));
    let left_out = odd.notices.join("\n");
    for other in [
        "`valid` (4 x 5 of true and false, not applied)",
        "`elsewhere` (numbers in a layout that is not read",
        "`lab/session` (a struct within a struct)",
    ] {
        assert!(left_out.contains(other), "{left_out}");
    }
    // The responses of one site.
    let list = open(&files, &testdata("list.mat"), variable("V4")).expect("one site");
    assert_eq!(list.regions[0].responses, [0.0, 1.0, 2.0, 3.0]);
    // Nothing but a mask has the shape of responses.
    let mask = open(&files, &testdata("struct.mat"), Layout::evident()).expect("true and false");
    assert_eq!(mask.regions[0].name, "valid");
    assert!(mask.notices[0].ends_with("`fs` (1 x 1), `lab` (a struct)"));
}

#[test]
fn a_stimulus_set_that_fits_no_array_is_said_to_fit_none() {
    let files = files();
    files.write_stimuli("stimulus_id\na\nb\nc\nd\ne\nf\ng\n");
    let said = refusal(&files, "things.mat", Layout::evident());
    assert_eq!(
        said,
        "no array of `things.mat` has an axis as long as `stimuli.csv`, which lists 7 stimuli: `SNR` (5 x 6), \
         `test_MUA` (5 x 3), `test_MUA_reps` (5 x 3 x 2), `train_MUA` (5 x 4)\n  name the stimulus set of one \
         of the arrays: row i of the responses belongs to line i"
    );
}

#[test]
fn damage_is_an_error_and_never_a_panic() {
    let files = files();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("damaged.mat");
    for name in [
        "packed.mat",
        "plain.mat",
        "big-endian.mat",
        "characters.mat",
    ] {
        let whole = std::fs::read(testdata(name)).expect("the file");
        for length in (0..whole.len()).step_by(7) {
            std::fs::write(&path, &whole[..length]).expect("a written file");
            let _ = open(&files, &path, Layout::evident());
        }
        std::fs::write(&path, &whole[..whole.len() - 1]).expect("a written file");
        assert!(open(&files, &path, Layout::evident()).is_err(), "{name}");
        // Either answer will do; a panic will not.
        for at in 0..whole.len() {
            for flipped in [0xff, 0x80, 0x01] {
                let mut bytes = whole.clone();
                bytes[at] ^= flipped;
                std::fs::write(&path, &bytes).expect("a written file");
                let _ = open(&files, &path, Layout::evident());
            }
        }
    }
}

#[test]
fn a_claim_of_gigabytes_is_refused_before_they_are_read() {
    let files = files();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("claims.mat");
    let whole = std::fs::read(testdata("big-endian.mat")).expect("the file");
    // The axes stand 24 bytes behind the array's own tag.
    let mut bytes = whole.clone();
    let axes = 128 + 8 + 16 + 8;
    assert_eq!(bytes[axes..axes + 8], [0, 0, 0, 4, 0, 0, 0, 5]);
    bytes[axes..axes + 4].copy_from_slice(&i32::MAX.to_be_bytes());
    std::fs::write(&path, &bytes).expect("a written file");
    let layout = variable("V4");
    let error = open(&files, &path, layout).err().expect("an error");
    assert!(error.to_string().contains("the limit is"), "{error}");
}

#[test]
fn the_check_says_what_a_sweep_says() {
    let files = files();
    for name in [
        "packed.mat",
        "seven.mat",
        "shuffled.mat",
        "four.mat",
        "things.mat",
    ] {
        let paths = [testdata(name), files.stimuli(), files.images()];
        let report = check(&paths, &Layout::evident(), &[]).expect("a report");
        let refused = open(&files, &testdata(name), Layout::evident()).err();
        let refused = refused.map(|error| error.in_full());
        assert_eq!(report.problems.first().cloned(), refused, "{name}");
    }
}

#[test]
fn an_element_longer_than_its_array_is_refused_before_it_is_read() {
    let files = files();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("claims.mat");
    let mut bytes = std::fs::read(testdata("big-endian.mat")).expect("the file");
    // Twenty numbers of eight bytes.
    let tag = [0, 0, 0, 9, 0, 0, 0, 160];
    let at = bytes.windows(8).position(|of| of == tag).expect("numbers");
    bytes[at + 6] = 1;
    std::fs::write(&path, &bytes).expect("a written file");
    let error = open(&files, &path, variable("V4")).err().expect("an error");
    let said = error.to_string();
    assert!(
        said.contains("an element claims 416 bytes; the limit is 160"),
        "{said}"
    );
}

/// MATLAB's programs keep structs of any name; version 7.3 lists their fields only.
#[test]
fn a_struct_called_sites_refuses_nothing_where_the_array_is_named() {
    let files = files();
    let path = testdata("struct-sites.mat");
    let recordings = open(&files, &path, variable("V4")).expect("recordings");
    assert_eq!(recordings.regions[0].sites.len(), 5);
    let said = refusal(&files, "struct-sites.mat", Layout::evident());
    assert!(said.contains("array `sites` holds a struct"), "{said}");
}
