//! Numbers of every type against what NumPy stored through h5py 3.16 (`testdata/make_hdf5.py`).

use hdf5_reader::{Dataset, Hdf5File};

use crate::hdf5::{number_type, numbers, options};

fn file() -> Hdf5File {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/hdf5/testdata/numbers.h5");
    let bytes = std::fs::read(path).expect("test data");
    Hdf5File::from_bytes_with_options(&bytes, options(1 << 20)).expect("an HDF5 file")
}

fn datasets(group: &str) -> Vec<Dataset> {
    let datasets = file().group(group).expect("a group").datasets();
    datasets.expect("datasets")
}

#[test]
fn numbers_of_every_width_and_byte_order_are_exact() {
    for (group, from, types) in [("signed", -4, 16), ("unsigned", 0, 8)] {
        let expected: Vec<f64> = (from..from + 12).map(f64::from).collect();
        let datasets = datasets(group);
        assert_eq!(datasets.len(), types);
        for dataset in datasets {
            let found = numbers(&dataset).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(found, expected, "{}", dataset.name());
            let of = number_type(&dataset).expect("a type");
            let stored = dataset.read_raw_bytes().expect("bytes");
            let integers: Vec<i128> = (from..from + 12).map(i128::from).collect();
            let is_float = dataset.name().contains('f');
            assert_eq!(of.decode_integers(&stored), (!is_float).then_some(integers));
        }
    }
}

#[test]
fn the_extremes_of_half_precision_are_kept() {
    for dataset in datasets("extremes") {
        let found = numbers(&dataset).expect("numbers");
        assert_eq!(
            found[..5],
            [
                65504.0,
                -65504.0,
                2_f64.powi(-24),
                f64::INFINITY,
                f64::NEG_INFINITY
            ]
        );
        assert!(found[5].is_nan());
        assert!(found[6] == 0.0 && found[6].is_sign_negative());
    }
}

#[test]
fn an_enumeration_has_integers() {
    let dataset = file().dataset("enum").expect("a dataset");
    let of = number_type(&dataset).expect("a type");
    let stored = dataset.read_raw_bytes().expect("bytes");
    assert_eq!(of.decode_integers(&stored), Some(vec![0, 1, 1]));
}

#[test]
fn unusual_numbers_are_refused_not_guessed() {
    let refusals: Vec<String> = datasets("unread")
        .iter()
        .map(|dataset| numbers(dataset).expect_err("not read").to_string())
        .collect();
    assert_eq!(
        refusals,
        [
            "unsupported encoding: `complex` has neither integers nor floating-point numbers",
            "unsupported encoding: `longdouble` has numbers of 128 bits in an unusual layout",
        ]
    );
}
