//! Datasets that may grow, of every chunk index, as h5py 3.16 made them (`testdata/make_hdf5.py`): each is
//! read to the last bit, or refused.

use hdf5_reader::{Hdf5File, OpenOptions};

use super::*;
use crate::hdf5::{members, numbers};

fn file(name: &str) -> Hdf5File {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/hdf5/testdata/");
    let bytes = std::fs::read(format!("{folder}{name}")).expect("test data");
    Hdf5File::from_bytes_with_options(&bytes, OpenOptions::default()).expect("an HDF5 file")
}

#[test]
fn datasets_that_may_grow_are_read_rightly() {
    let group = file("growing.h5").group("read").expect("a group");
    let expected: Vec<f64> = (0..168).map(f64::from).collect();
    let datasets = members::datasets(&group).expect("read layouts");
    for dataset in &datasets {
        let found = numbers(dataset).expect("numbers");
        assert_eq!(found, expected, "{}", dataset.name());
    }
    assert_eq!(datasets.len(), 8);
}

#[test]
fn layouts_that_would_be_misread_are_refused() {
    let group = file("growing.h5").group("unread").expect("a group");
    let expected: Vec<f64> = (0..168).map(f64::from).collect();
    for name in ["second", "gzip", "implicit", "cube"] {
        let error = dataset(&group, name).err().expect("refused");
        assert!(is_unread(&error), "{name}: {error}");
        assert!(
            error.to_string().contains(&format!(
                "`{name}` can grow along an axis other than the first"
            )),
            "{error}"
        );
        // Once the crate reads one of them rightly, it need not be refused.
        let unchecked = group.dataset(name).expect("a dataset");
        let misread = numbers(&unchecked).map_or(true, |found| found != expected);
        assert!(misread, "{name} is read");
    }
    assert!(members::datasets(&group).is_err());
}

#[test]
fn numbers_elsewhere_are_refused_and_not_called_damaged() {
    let group = file("growing.h5").group("unread").expect("a group");
    let error = dataset(&group, "external").err().expect("refused");
    assert!(is_unread(&error), "{error}");
    let root = file("virtual.h5").root_group().expect("a root");
    let error = dataset(&root, "virtual").err().expect("refused");
    assert!(is_unread(&error), "{error}");
    let named = "layout that is not read (dataset `virtual` is virtual: its numbers are elsewhere)";
    assert!(problem(&error).starts_with(named), "{error}");
    // Among others, it is named as well.
    let error = members::datasets(&root).err().expect("refused");
    assert!(problem(&error).starts_with(named), "{error}");
}
