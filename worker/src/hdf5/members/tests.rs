//! Groups of every format with a virtual dataset in each, as h5py 3.16 made them (`testdata/make_hdf5.py`).

use hdf5_reader::{Hdf5File, OpenOptions};

use super::*;

fn file() -> Vec<u8> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/hdf5/testdata/members.h5");
    std::fs::read(path).expect("test data")
}

fn opened(bytes: &[u8]) -> Result<Group> {
    Hdf5File::from_bytes_with_options(bytes, OpenOptions::default())?.root_group()
}

#[test]
fn a_virtual_dataset_hides_nothing_beside_it() {
    let root = opened(&file()).expect("a root");
    assert!(root.member_names().is_err(), "the crate lists them now");
    let (groups, datasets) = names(&root).expect("the first format");
    assert_eq!(groups, ["few", "many"]);
    assert_eq!(datasets, ["plain", "virtual"]);
    let few = names(&root.group("few").expect("a group")).expect("links in the header");
    assert_eq!(few.0, ["inner"]);
    assert_eq!(
        few.1,
        ["virtual", "plain"],
        "in the order in which they were made"
    );
    let many = names(&root.group("many").expect("a group")).expect("links in a heap");
    let mut expected: Vec<String> = (0..20).rev().map(|n| format!("plain-{n}")).collect();
    expected.push("virtual".to_owned());
    assert_eq!(many, (Vec::new(), expected));
    // As the crate lists them where nothing is virtual.
    let inner = root.group("few").and_then(|few| few.group("inner"));
    assert_eq!(
        names(&inner.expect("a group")).expect("a name").1,
        ["plain"]
    );
}

#[test]
fn damage_is_an_error_or_other_names_but_never_a_panic() {
    let whole = file();
    let listed = |bytes: &[u8]| {
        let root = opened(bytes)?;
        for group in [Ok(root.clone()), root.group("few"), root.group("many")] {
            names(&group?)?;
        }
        Ok::<_, Error>(())
    };
    listed(&whole).expect("a sound file");
    let mut refused = 0;
    for at in 0..whole.len() {
        for flipped in [0xff, 0x10] {
            let mut bytes = whole.clone();
            bytes[at] ^= flipped;
            let listed = nrp_proto::panics::caught(|| listed(&bytes));
            refused += usize::from(listed.expect("no panic").is_err());
        }
    }
    assert!(refused > 1000, "{refused}");
}
