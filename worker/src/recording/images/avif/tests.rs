//! AVIF against Pillow 13.0.0, to the last bit; see `make_avifs.py`.

use super::container::{Coded, Layer};
use super::items::Items;
use super::{Undecodable, decoded, stream};
use crate::recording::images::decode::tests::{fixtures, hashed, wrong};
use crate::recording::images::decode::{decode, header};

const SETS: [(&str, usize); 4] = [
    ("avif-kinds", 50),
    ("avif-matrices", 36),
    ("avif-multiplied", 17),
    ("avif-containers", 22),
];

#[test]
fn every_kind_becomes_what_pillow_makes_of_it() {
    let mut all = Vec::new();
    for (set, count) in SETS {
        let files = fixtures(set);
        assert_eq!(files.len(), count, "{set}");
        all.extend(wrong(&files, hashed));
    }
    assert!(all.is_empty(), "{all:#?}");
}

/// A file of the fixtures.
fn file(set: &str, name: &str) -> Vec<u8> {
    let mut files = fixtures(set).into_iter();
    files.find(|of| of.0 == name).expect(name).1
}

/// Where `pattern` begins in `bytes`.
fn place(bytes: &[u8], pattern: &[u8]) -> usize {
    let mut windows = bytes.windows(pattern.len());
    windows.position(|of| of == pattern).expect("the pattern")
}

/// Why a file is refused, by header or pixels.
fn refusal(bytes: Vec<u8>) -> String {
    match decode(bytes) {
        Ok(_) => "a picture".to_owned(),
        Err(Undecodable::TooLarge(said) | Undecodable::NotAPicture(said)) => said,
    }
}

#[test]
fn matrices_that_are_not_read_are_named() {
    for (primaries, matrix, full, expected) in [
        (1, 3, true, "matrix 3 (H.273), which is not read;"),
        (
            1,
            8,
            false,
            "matrix 8 (H.273), which is not read in limited range;",
        ),
        (1, 0, true, "matrix 0 (H.273), which is not read;"),
        (4, 12, true, "matrix 12 (H.273), which is not read;"),
        (1, 16, true, "matrix 16 (H.273), which is not read;"),
    ] {
        let mut bytes = file("avif-kinds", "8-420-full.avif");
        let at = place(&bytes, b"colrnclx") + 8;
        bytes[at + 1] = primaries;
        bytes[at + 5] = matrix;
        bytes[at + 6] = u8::from(full) << 7;
        let said = refusal(bytes);
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn what_a_container_asks_for_and_is_not_done_is_named() {
    let of = |from: &[u8], to: &[u8], expected: &str| {
        let mut bytes = file("avif-containers", "grid.avif");
        let at = place(&bytes, from);
        bytes[at..at + to.len()].copy_from_slice(to);
        let said = refusal(bytes);
        assert!(said.contains(expected), "{said} for {expected}");
    };
    of(b"pixi", b"lsel", "chooses one of several layers");
    of(b"av1C", b"hvcC", "an essential property that is not known");
    of(b"grid", b"iovl", "whose picture is of the kind");
    of(b"dimg", b"xxxx", "cut or whose boxes contradict");
    let mut heif = file("avif-containers", "no-brand.avif");
    assert!(decode(heif.clone()).is_ok());
    while let Some(at) = heif.windows(4).position(|of| of == b"avif") {
        heif[at..at + 4].copy_from_slice(b"heix");
    }
    assert!(refusal(heif).starts_with("HEIF is not read"));
}

#[test]
fn what_takes_too_much_is_refused_before_it_is_decoded() {
    for (side, expected) in [(8193, "8193 × 13 pixels"), (0, "0 × 13 pixels")] {
        let mut bytes = file("avif-kinds", "8-444-full.avif");
        let at = place(&bytes, b"ispe") + 8;
        bytes[at..at + 4].copy_from_slice(&u32::to_be_bytes(side));
        let said = format!("{:?}", header(&bytes).expect_err("an error"));
        assert!(said.contains(expected), "{said}");
        assert!(refusal(bytes).contains(expected));
    }
    let mut bytes = file("avif-kinds", "8-444-full.avif");
    let at = place(&bytes, b"ispe") + 8;
    bytes[at..at + 8].copy_from_slice(&[0, 0, 0x20, 0, 0, 0, 0x20, 0]);
    let said = refusal(bytes.clone());
    assert!(said.contains("take up to 960 MiB"), "{said}");
    // Frames that are never shown, and pieces that take no byte.
    let said = format!("{:?}", stream::meaning(&[0x32, 0].repeat(9)));
    assert!(said.contains("more than 8 frames in one picture"), "{said}");
    // Of each of two items: number, no other file, and the most pieces.
    let [first, second] = [1, 2].map(|item| [0, item, 0, 0, 0xff, 0xff]);
    let content = [&[0; 6], &[0, 2][..], &first, &second].concat();
    let length = u32::to_be_bytes(content.len() as u32 + 8);
    let meta = [&[0; 4], &length[..], b"iloc", &content].concat();
    let said = format!("{:?}", Items::of(&meta).err());
    assert!(said.contains("more than 100000 entries"), "{said}");
    // A tile that is larger than its picture.
    let layer = Layer {
        size: [1, 1],
        columns: 1,
        tiles: vec![Coded {
            size: [9000, 1],
            bytes: Vec::new(),
        }],
    };
    let said = format!("{:?}", decoded(layer).err());
    assert!(said.contains("9000 × 1 pixels"), "{said}");
    // A stream whose frames are larger than the container says.
    bytes[at..at + 8].copy_from_slice(&[0, 0, 0, 1, 0, 0, 0, 1]);
    let said = refusal(bytes);
    assert!(said.contains("whose AV1 picture is damaged"), "{said}");
}

/// Damage is an error or a picture, never a panic: one that reaches the C interface of the decoder of AV1
/// would end the process.
#[test]
fn damaged_files_are_survived() {
    let step = std::env::var("NRP_DAMAGE").map_or(40, |every| every.parse().expect("a number"));
    let files = SETS.iter().flat_map(|(set, _)| fixtures(set));
    for (number, (file, bytes, _)) in files.enumerate() {
        let at = (number % step..bytes.len()).step_by(step);
        for (turn, at) in at.enumerate() {
            let mut damaged = bytes.clone();
            damaged[at] ^= [0x5a, 0x01, 0x80, 0xff][turn % 4];
            let _ = (header(&damaged), decode(damaged));
        }
        for cut in [bytes.len() / 3, bytes.len() * 2 / 3, bytes.len() - 1] {
            // The first picture of a sequence may be whole.
            let read = decode(bytes[..cut].to_vec()).is_ok();
            assert!(!read || file.starts_with("sequence"), "{file} to {cut}");
        }
    }
}
