//! Arrays that lie about themselves.

use super::*;
use crate::archive::testing::claiming;

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
            error.contains("an array of")
                || error.contains("no sense")
                || error.contains("the limit"),
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
fn an_archive_of_arrays_that_unpacks_beyond_its_bound_is_refused_before_it_is_unpacked() {
    let files = files();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("V4.npz");
    let array = std::fs::read(testdata("little.npy")).expect("the array");
    let claims = |claimed: u32| {
        let zip = zipped(&[("V4.npy", &array)]);
        std::fs::write(&path, claiming(zip, array.len() as u32, claimed)).expect("a zip");
        let opened = Recordings::open(&files.source(path.clone()), &[]);
        opened
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    };
    assert_eq!(claims(array.len() as u32), "");
    let error = claims(u32::MAX - 1);
    assert!(
        error.contains("claim to unpack to 4294967294 bytes; the limit is"),
        "{error}"
    );
    // What lies beyond its claim is not read.
    let error = claims(array.len() as u32 - 1);
    assert!(error.contains("larger than its declared"), "{error}");
}

#[test]
fn many_words_are_refused_before_they_are_read() {
    let files = files();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("V4.npz");
    let refusal = |words: &str| {
        let mut header = format!("{{'descr': '{words}, }}");
        header.push_str(&" ".repeat(117 - header.len()));
        let mut list = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
        list.extend(header.bytes().chain([b'\n']));
        let array = std::fs::read(testdata("little.npy")).expect("the array");
        let zip = zipped(&[("V4.npy", &array), ("sites.npy", &list)]);
        std::fs::write(&path, zip).expect("a zip");
        let error = Recordings::open(&files.source(path.clone()), &[]).err();
        error.expect("an error").to_string()
    };
    for words in [
        "|S1', 'fortran_order': False, 'shape': (16777217,)",
        "<U33554433', 'fortran_order': False, 'shape': (5,)",
    ] {
        let error = refusal(words);
        assert!(
            error.ends_with("holds more than 268435456 bytes, or 4194304 entries"),
            "{error}"
        );
    }
    // Words without letters are words.
    let error = refusal("|S0', 'fortran_order': False, 'shape': (3,)");
    assert!(
        error.contains("`sites` has 3 entries, but there are 5 sites"),
        "{error}"
    );
}
