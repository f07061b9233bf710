//! Arrays as NumPy writes them, by `make_arrays.py`: the table of `make_assemblies.py` once more.

use crate::recording::check;
use crate::recording::tests::{Files, assert_near, testdata, written};

use super::super::{Noise, Recordings};

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
        "unnamed", "little", "big", "bytes", "counts", "longs", "fortran",
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
        // The first repetition holds whole numbers.
        let expected = (0..4).flat_map(|stimulus| (0..5).map(move |site| 10 * site + stimulus));
        let expected: Vec<f32> = expected.map(|rate| rate as f32).collect();
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
    let refusals = [
        "differing.npz",
        "flat.npz",
        "words.npz",
        "three-sites.npz",
        "transposed.npy",
        "objects.npy",
        "half.npy",
        "record.npy",
    ];
    let refusals = refusals.map(|name| files.refusal(name, &[]));
    insta::assert_snapshot!(refusals.join("\n"), @r#"
    `differing.npz`: its regions differ in repetitions or stimuli: `V4` 3 x 4 x 3, `IT` 2 x 4 x 2; give each as many, NaN where nothing was recorded
    `flat.npz`: array `V4` has 1 axes; wanted are stimuli x sites, or repetitions x stimuli x sites
    `words.npz`: array `animal` holds words; only `regions` and `sites` may
    `three-sites.npz`: `sites` has 3 entries, there are 5 sites
    `transposed.npy`: array `transposed` has 5 stimuli (4 sites), `stimuli.csv` lists 4
    `objects.npy`: it holds Python objects, which are not loaded; save numbers (`astype("float32")`) or words (`astype(str)`)
    `half.npy`: its entries are of type `<f2`; float32, float64, whole numbers and words are read
    `record.npy`: its entries are records; save one table of numbers
    "#);
    let error = files.open("transposed.npy", &[]).err().expect("an error");
    let help = miette::Diagnostic::help(&error).expect("help").to_string();
    assert!(help.contains("looks transposed"), "{help}");
    files.write_stimuli("stimulus_id\ns0\ns1\ns2\n");
    assert_eq!(
        files.refusal("regions.npz", &[]),
        "`regions.npz`: array `V4` has 4 stimuli (3 sites), `stimuli.csv` lists 3"
    );
}

#[test]
fn a_header_decides_neither_memory_nor_success() {
    let files = files();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("damaged.npy");
    let refusal = |bytes: &[u8]| {
        std::fs::write(&path, bytes).expect("a written file");
        let error = Recordings::open(&files.source(path.clone()), &[]).err();
        error.expect("an error").to_string()
    };
    let whole = std::fs::read(testdata("little.npy")).expect("the array");
    for length in 0..whole.len() {
        refusal(&whole[..length]);
    }
    refusal(&[&whole[..], &[0]].concat());
    let claims = |shape: &str| {
        let text = String::from_utf8_lossy(&whole[..128]).replace("(4, 5), }", shape);
        let mut bytes = whole.clone();
        bytes[10..128].copy_from_slice(&text.as_bytes()[text.len() - 118..]);
        refusal(&bytes)
    };
    // More than is there, more than is read, and more than there are numbers.
    for shape in ["(4, 9999)", "(4, 9999999999)", "(99999999999, 99999999999)"] {
        let shape = format!("{shape}, }}");
        let error = claims(&format!("{shape:9}"));
        assert!(
            error.contains("an array of") || error.contains("no sense"),
            "{error}"
        );
    }
    let mut long = whole.clone();
    long[6] = 2;
    long[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(refusal(&long).contains("its header claims 4294967295 bytes"));
    // Either answer will do; a panic will not.
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xff;
        std::fs::write(&path, &bytes).expect("a written file");
        let _ = Recordings::open(&files.source(path.clone()), &[]);
    }
    let path = folder.path().join("damaged.npz");
    let whole = std::fs::read(testdata("regions.npz")).expect("the archive");
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xff;
        std::fs::write(&path, &bytes).expect("a written file");
        let _ = Recordings::open(&files.source(path.clone()), &[]);
    }
}

#[test]
fn the_check_reports_arrays_with_and_without_their_stimuli() {
    let files = files();
    let report = check(&[testdata("regions.npz"), files.stimuli()]).expect("a report");
    assert_eq!(report.problems, Vec::<String>::new());
    let assembly = report.assembly.expect("an assembly");
    assert_eq!((assembly.stimuli, assembly.presentations), (4, 12));
    let noise = assembly.regions[1].noise.as_ref().expect("repetitions");
    assert!(noise.ceiling_median > 0.9 && noise.noise_floor > 0.0);
    let alone = check(&[testdata("regions.npz")]).expect("a report");
    assert_eq!(alone.assembly.expect("an assembly").stimuli, 4);
}
