//! Every filter against the numbers that h5py 3.16 and hdf5plugin 7.1 stored (`testdata/make_hdf5.py`), and
//! against bytes that lie. Numbers are equal to the last bit: filters lose nothing.

use hdf5_reader::{Dataset, Hdf5File};

use super::*;
use crate::hdf5::{innermost, numbers, options};

const MIB: usize = 1 << 20;

fn file(name: &str) -> Hdf5File {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/hdf5/testdata/");
    let bytes = std::fs::read(format!("{folder}{name}")).expect("test data");
    Hdf5File::from_bytes_with_options(&bytes, options(MIB)).expect("an HDF5 file")
}

fn datasets(file: &Hdf5File) -> Vec<Dataset> {
    let root = file.root_group().expect("a root");
    let datasets = root.datasets().expect("datasets");
    assert!(datasets.len() > 2, "nothing but {}", datasets.len());
    datasets
}

/// What `make_hdf5.py` calls `pattern`.
fn pattern(at: usize) -> f64 {
    let spike = if at.is_multiple_of(397) { 1000.0 } else { 0.0 };
    (at / 64) as f64 * 0.5 - 20.0 + spike
}

#[test]
fn every_filter_gives_the_numbers_that_were_stored() {
    let mut names = Vec::new();
    for (name, length) in [
        ("blosc-blosclz.h5", 7001),
        ("blosc-lz4.h5", 7001),
        ("blosc-snappy.h5", 7001),
        ("blosc-zlib.h5", 7001),
        ("blosc-zstd.h5", 7001),
        ("filters.h5", 2500),
        ("bitshuffle.h5", 2500),
        ("odd.h5", 500),
    ] {
        let expected: Vec<f64> = (0..length).map(pattern).collect();
        for dataset in datasets(&file(name)) {
            let found = numbers(&dataset).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(found, expected, "{name}: {}", dataset.name());
            names.push(dataset.name().to_owned());
        }
    }
    assert_eq!(names.len(), 8 + 36 + 14 + 3, "{names:?}");
}

#[test]
fn numbers_that_no_codec_shortens_are_read_too() {
    let file = file("noise.h5");
    let stored = |name: &str| {
        let dataset = file.dataset(name).expect("a dataset");
        dataset.read_raw_bytes().expect("bytes")
    };
    let plain = stored("plain");
    for dataset in datasets(&file) {
        assert!(stored(dataset.name()) == plain, "{}", dataset.name());
    }
}

#[test]
fn a_filter_that_is_not_read_is_named() {
    let file = file("blosc2.h5");
    let dataset = file.dataset("blosc2").expect("a dataset");
    let error = numbers(&dataset).expect_err("not read");
    let Error::UnsupportedFilter(filter) = innermost(&error) else {
        panic!("{error}");
    };
    assert_eq!(foreign(filter), "Blosc2 (filter 32026)");
    assert_eq!(foreign("filter id 777"), "filter 777");
}

/// Each filter with its values, and a chunk that it packed.
fn packed() -> Vec<(u16, Vec<u32>, Vec<u8>)> {
    let zeros = vec![0; 4000];
    let frame = zstd::stream::encode_all(&zeros[..], 3).expect("packed");
    let mut bzip2 = Vec::new();
    let level = bzip2::Compression::best();
    bzip2::read::BzEncoder::new(&zeros[..], level)
        .read_to_end(&mut bzip2)
        .expect("packed");
    let block = lz4_flex::block::compress(&zeros);
    let length = |bytes: &[u8]| bytes.len() as u32;
    // A literal zero, then a reference of 7 + 255 + 2 bytes, fourteen times.
    let lzf = [&[0, 0][..], &[0xe0, 255, 0].repeat(14)].concat();
    let mut blosc = vec![2, 1, 1 << 5 | NOT_SPLIT, 4];
    for size in [4000, 4000, 24 + length(&block), 20, length(&block)] {
        blosc.extend(size.to_le_bytes());
    }
    blosc.extend(&block);
    let mut shuffled = 4000_u64.to_be_bytes().to_vec();
    shuffled.extend(4000_u32.to_be_bytes());
    shuffled.extend(length(&block).to_be_bytes());
    shuffled.extend(&block);
    vec![
        (ZSTD, Vec::new(), frame),
        (BZIP2, Vec::new(), bzip2),
        (LZF, vec![4, 0x105, 0], lzf),
        (LZ4, Vec::new(), shuffled.clone()),
        (BLOSC, vec![2, 2, 4, 4000, 5, 0, 1], blosc),
        (BITSHUFFLE, vec![0, 4, 4, 0, 2], shuffled),
    ]
}

const NOT_SPLIT: u8 = 16;

fn unpack(id: u16, values: &[u32], packed: &[u8], bytes_max: usize) -> Result<Vec<u8>> {
    let filter = hdf5_reader::messages::filter_pipeline::FilterDescription {
        id,
        name: None,
        client_data: values.to_vec(),
    };
    registry(bytes_max).apply(&filter, packed, 4)
}

#[test]
fn no_filter_unpacks_more_than_its_limit() {
    for (id, values, packed) in packed() {
        let whole = unpack(id, &values, &packed, 8000).unwrap_or_else(|e| panic!("{id}: {e}"));
        assert!(whole.len() >= 3697 && whole.iter().all(|&byte| byte == 0));
        let error = unpack(id, &values, &packed, 3000).expect_err("too much");
        assert!(matches!(error, Error::ResourceLimit(_)), "{id}: {error}");
    }
}

#[test]
fn damaged_chunks_are_errors_or_other_bytes_but_never_panics() {
    for (id, values, packed) in packed() {
        for cut in 0..packed.len() {
            let found = unpack(id, &values, &packed[..cut], 8000);
            assert!(
                found.map_or(true, |found| found.len() <= 8000),
                "{id} {cut}"
            );
        }
        for at in 0..packed.len() {
            for flipped in [1, 0x10, 0x80, 0xff] {
                let mut packed = packed.clone();
                packed[at] ^= flipped;
                let found = unpack(id, &values, &packed, 8000);
                assert!(found.map_or(true, |found| found.len() <= 8000), "{id} {at}");
            }
        }
        for values in [&[][..], &[0; 7], &[u32::MAX; 7]] {
            let found = unpack(id, values, &packed, 8000);
            assert!(found.map_or(true, |found| found.len() <= 8000), "{id}");
        }
    }
}
