//! Pictures of every format against Pillow 13.0.0, to the last bit.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use zip::ZipArchive;

use super::*;
use crate::ann::{Preprocessing, Resize, preprocess};
use crate::recording::tests::{skipped, testdata};

/// The files of a zip and the other columns of their lines in the CSV beside it.
pub(in crate::recording::images) fn fixtures(name: &str) -> Vec<(String, Vec<u8>, [String; 3])> {
    let zip = File::open(testdata(&format!("{name}.zip"))).expect("made by the script");
    let mut zip = ZipArchive::new(zip).expect("a zip");
    let csv = std::fs::read_to_string(testdata(&format!("{name}.csv"))).expect("a CSV");
    let lines = csv.lines().skip(1);
    let fixtures = lines.map(|line| {
        let mut columns = line.split(',').map(str::to_owned);
        let file = columns.next().expect("a file");
        let mut bytes = Vec::new();
        let mut entry = zip.by_name(&file).expect(&file);
        entry.read_to_end(&mut bytes).expect(&file);
        let columns: Vec<String> = columns.collect();
        (file, bytes, columns.try_into().expect("four columns"))
    });
    fixtures.collect()
}

/// FNV-1a of 64 bits, as the scripts compute it.
fn fnv(bytes: &[u8]) -> String {
    let hash = bytes.iter().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01B3)
    });
    format!("{hash:016x}")
}

/// How each file's pixels are not Pillow's, where they are not. `summary` makes of pixels what the CSV
/// has in its last column.
pub(in crate::recording::images) fn wrong(
    fixtures: &[(String, Vec<u8>, [String; 3])],
    summary: impl Fn(&[u8]) -> String,
) -> Vec<String> {
    let mut wrong = Vec::new();
    for (file, bytes, [width, height, pixels]) in fixtures {
        let found = match decode(bytes.clone()) {
            Ok(found) => found,
            Err(error) => {
                wrong.push(format!("{file}: {error:?}"));
                continue;
            }
        };
        let size = [found.rgb.width(), found.rgb.height()];
        if format!("{}x{}", size[0], size[1]) != format!("{width}x{height}") {
            wrong.push(format!("{file}: {size:?} for {width}x{height}"));
        } else if summary(found.rgb.as_raw()) != *pixels {
            wrong.push(format!("{file}: other pixels"));
        }
        // The header agrees with what is decoded.
        let header = header(bytes).expect(file);
        assert_eq!(header.size, size, "{file}");
        assert_eq!(header.clipped, found.mode == "L16", "{file}");
    }
    wrong
}

/// The hash of pixels.
pub(in crate::recording::images) fn hashed(pixels: &[u8]) -> String {
    fnv(pixels)
}

#[test]
fn what_people_store_becomes_what_pillow_makes_of_it() {
    let stored = fixtures("stored");
    assert_eq!(stored.len(), 50);
    let hex = |pixels: &[u8]| pixels.iter().map(|byte| format!("{byte:02x}")).collect();
    // What Pillow reads and we do not is refused, never read as something else.
    let refused = wrong(&stored, hex);
    let starts = ["grey-32.tif: NotAPicture", "float.tif: NotAPicture"];
    assert_eq!(refused.len(), starts.len(), "{refused:#?}");
    for (refused, start) in refused.iter().zip(starts) {
        assert!(refused.starts_with(start), "{refused}");
    }
}

#[test]
fn colours_of_a_tiff_that_are_not_read_are_named() {
    let mut files = fixtures("formats").into_iter();
    let (_, mut bytes, _) = files.find(|of| of.0 == "raw.tif").expect("a TIFF");
    // PhotometricInterpretation, one short number: RGB.
    let entry = [6, 1, 3, 0, 1, 0, 0, 0, 2, 0];
    let at = bytes
        .windows(entry.len())
        .position(|of| of == entry)
        .expect("the tag");
    for (colours, expected) in [
        (8, "a TIFF in colours of L*a*b*, which are not read"),
        (4, "a TIFF that is a mask of another"),
        (
            7,
            "a TIFF in colours of kind 7 (PhotometricInterpretation), which are not read",
        ),
    ] {
        bytes[at + 8] = colours;
        match decode(bytes.clone()) {
            Err(Undecodable::NotAPicture(said)) => assert!(said.starts_with(expected), "{said}"),
            other => panic!("{:?}", other.map(|_| "a picture")),
        }
    }
}

#[test]
fn tiff_webp_jpeg_2000_bmp_and_gif_become_what_pillow_makes_of_them() {
    let formats = fixtures("formats");
    assert!(formats.len() > 100, "{}", formats.len());
    let refused = wrong(&formats, hashed);
    let starts = [
        "group3-bilevel.tif: NotAPicture",
        "planes-tiled-little.tif: NotAPicture",
        "planes-tiled-big.tif: NotAPicture",
        "irreversible.jp2: NotAPicture(\"a JPEG 2000 by the irreversible",
        "runs-gaps.bmp: NotAPicture(\"a BMP of run lengths (RLE) that leave pixels out",
        "smaller.gif: NotAPicture(\"a GIF whose first picture, of 4 × 3 pixels at 2, 1, is not",
        "smaller-transparent.gif: NotAPicture(\"a GIF whose first picture, of 9 × 6",
        "beyond.gif: NotAPicture(\"a GIF whose first picture, of 9 × 8 pixels at 0, 0, is not",
    ];
    assert_eq!(refused.len(), starts.len(), "{refused:#?}");
    for (refused, start) in refused.iter().zip(starts) {
        assert!(refused.starts_with(start), "{refused}");
    }
    // What is refused is refused before it is decoded, and what changed is told to the cache.
    for (file, bytes, _) in &formats {
        match header(bytes) {
            Ok(header) if file.ends_with(".bmp") => {
                let widened = file.starts_with("555") || file.starts_with("565");
                assert_eq!(header.redecoded, widened, "{file}");
            }
            Ok(_) => assert!(!file.ends_with(".gif") || file == "screen.gif", "{file}"),
            Err(_) => assert!(refused.iter().any(|of| of.starts_with(file)), "{file}"),
        }
    }
    let masks = |masks: [u8; 2]| {
        let (_, mut bytes, _) = fixtures("formats")
            .into_iter()
            .find(|of| of.0 == "555-masks.bmp")?;
        bytes[54..56].copy_from_slice(&masks);
        decode(bytes).err()
    };
    let error = format!("{:?}", masks([0, 0x3c]));
    assert!(error.contains("a BMP of 16 bits that are not"), "{error}");
}

#[test]
fn palettes_that_pillow_reads_as_none_are_refused() {
    let palettes = fixtures("palettes");
    let (refused, read): (Vec<_>, Vec<_>) = palettes
        .into_iter()
        .partition(|of| of.0.starts_with("refused"));
    assert!(wrong(&read, hashed).is_empty());
    assert_eq!((read.len(), refused.len()), (9, 7));
    for (file, bytes, _) in refused {
        let said = format!("{:?}", header(&bytes).expect_err(&file));
        let why = if file.ends_with("in-palette.bmp") {
            "a BMP whose pixels begin before the end of its header"
        } else {
            "whose palette is black and white, or a few greys in their order"
        };
        assert!(said.contains(why), "{file}: {said}");
        assert!(decode(bytes).is_err());
    }
}

/// The pictures of a folder that differ from Pillow's `NAME.rgb.png` or `NAME.64.png` beside them, how
/// many there are, and those that are refused.
fn compared(folder: &Path) -> (usize, Vec<String>, Vec<String>) {
    let read = |name: &str| std::fs::read(folder.join(name)).expect(name);
    let rgb = |name: &str| {
        let decoded = image::load_from_memory(&read(name)).expect(name);
        decoded.into_rgb8()
    };
    let (mut seen, mut wrong, mut refused) = (0, Vec::new(), Vec::new());
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let name = entry.expect("an entry").file_name();
        let name = name.to_str().expect("UTF-8").to_owned();
        if name.ends_with(".rgb.png") || name.ends_with(".64.png") {
            continue;
        }
        seen += 1;
        let decoded = match decode(read(&name)) {
            Ok(decoded) => decoded.rgb,
            Err(error) => {
                refused.push(format!("{name}: {error:?}"));
                continue;
            }
        };
        let pillows = rgb(&format!("{name}.rgb.png"));
        if decoded != pillows {
            let pairs = decoded.as_raw().iter().zip(pillows.as_raw());
            let apart = pairs.map(|(ours, pillows)| ours.abs_diff(*pillows)).max();
            wrong.push(format!("{name}: {apart:?}"));
        }
        let small = preprocess(&decoded, [64, 64, 3], Preprocessing::Raw, Resize::Pillow13);
        let pillows = rgb(&format!("{name}.64.png"));
        let pillows = pillows.as_raw().iter().map(|byte| f32::from(*byte));
        if !small.into_iter().eq(pillows) {
            wrong.push(format!("{name} at 64 x 64"));
        }
    }
    (seen, wrong, refused)
}

#[test]
fn pictures_beside_the_checkout_are_those_of_pillow_at_both_sizes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/inputs/images");
    if !folder.is_dir() {
        skipped(&folder);
        return;
    }
    let (seen, wrong, refused) = compared(&folder);
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(seen >= 20, "{seen} pictures");
    assert!(refused.is_empty(), "{refused:#?}");
}

/// `NRP_PICTURES` names a folder that `testdata/compare_pictures.py` filled.
#[test]
#[ignore = "for pictures of one's own"]
#[expect(clippy::print_stderr, reason = "it says what it saw")]
fn pictures_of_a_folder_are_those_of_pillow() {
    let folder = std::env::var("NRP_PICTURES").expect("`NRP_PICTURES` names a folder");
    let (seen, wrong, refused) = compared(Path::new(&folder));
    eprintln!("{seen} pictures, {} refused: {refused:#?}", refused.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Damage is an error or a picture. A panic of ours or of a library would be an error that says so.
#[test]
fn damaged_files_of_every_format_are_survived() {
    let every = fixtures("formats").into_iter().chain(fixtures("stored"));
    for (number, (file, bytes, _)) in every.enumerate() {
        let step = (bytes.len() / 12).max(1);
        for at in (number % step..bytes.len()).step_by(step) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x5a;
            let _ = (header(&damaged), decode(damaged));
            let cut = bytes[..at].to_vec();
            let _ = (header(&cut), decode(cut));
        }
        let cut = bytes[..bytes.len() * 2 / 3].to_vec();
        // The first of its pictures is whole.
        assert!(decode(cut).is_err() || file == "moving.gif", "{file}");
    }
}
