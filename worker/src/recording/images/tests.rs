//! Images as people store them: every mode, misnamed, cut, and built to do harm.

use std::collections::BTreeMap;
use std::io::{Cursor, Write};

use image::{ImageFormat, RgbImage};

use super::*;
use crate::archive::testing::{claiming, zipped};
use crate::recording::MAX_SIDE_PIXELS;
use crate::recording::tests::testdata;

fn stimulus(id: &str, filename: &str) -> Stimulus {
    let labels = BTreeMap::from([("filename".to_owned(), filename.to_owned())]);
    let id = id.to_owned();
    Stimulus { id, labels }
}

fn decode(images: &Images, filename: &str) -> Result<RgbImage, RecordingError> {
    let entry = images.find(&stimulus("s", filename))?.expect(filename);
    images.decode(&entry, "s").map(|picture| picture.rgb)
}

/// A zip, or a folder, of the given files.
fn container(files: &[(&str, &[u8])], zipped: bool) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("container");
    if zipped {
        let mut zip = zip::ZipWriter::new(File::create(&path).expect("a file"));
        for (name, bytes) in files {
            let options = zip::write::SimpleFileOptions::default();
            zip.start_file(*name, options).expect("an entry");
            zip.write_all(bytes).expect("its bytes");
        }
        zip.finish().expect("a zip");
    } else {
        for (name, bytes) in files {
            let file = path.join(name);
            std::fs::create_dir_all(file.parent().expect("a parent")).expect("a folder");
            std::fs::write(file, bytes).expect("a file");
        }
    }
    (folder, path)
}

fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let image = RgbImage::from_pixel(width, height, image::Rgb([1, 2, 3]));
    image.write_to(&mut bytes, ImageFormat::Png).expect("a PNG");
    bytes.into_inner()
}

#[test]
fn every_mode_becomes_what_pillow_makes_of_it() {
    let images = Images::open(&testdata("pictures.zip")).expect("a zip");
    let expected = std::fs::read_to_string(testdata("pictures.csv")).expect("a CSV");
    let mut modes = 0;
    for line in expected.lines().skip(1) {
        let (mode, hex) = line.split_once(',').expect("two columns");
        let rgb = decode(&images, &format!("modes/{mode}.png")).expect(mode);
        assert_eq!(rgb.dimensions(), (4, 5), "{mode}");
        let found: String = rgb
            .as_raw()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(found, hex, "{mode}");
        modes += 1;
    }
    assert_eq!(modes, 6);
    let turned = decode(&images, "turned.jpg").expect("a JPEG");
    assert_eq!(
        turned.dimensions(),
        (32, 40),
        "stored so; EXIF would make it 40 x 32"
    );
}

#[test]
fn what_is_no_image_is_described() {
    let images = Images::open(&testdata("pictures.zip")).expect("a zip");
    let error = decode(&images, "words.png").expect_err("an error");
    let error = error.to_string();
    assert!(
        error.contains("`modes/words.png` of stimulus `s`")
            && error.contains("it starts with the text \"this is no pictu\""),
        "{error}"
    );
    let whole = png(40, 40);
    // The last 20 bytes only repeat that the pixels are complete.
    for length in (0..whole.len() - 20).step_by(5) {
        let (_kept, path) = container(&[("cut.png", &whole[..length])], true);
        let images = Images::open(&path).expect("a zip");
        let error = decode(&images, "cut.png").expect_err("an error");
        assert!(
            matches!(error, RecordingError::Images(ImagesError::NoPicture { .. })),
            "{length}: {error}"
        );
    }
    let turned = Images::open(&testdata("pictures.zip")).expect("a zip");
    let entry = turned.find(&stimulus("s", "turned.jpg")).expect("no error");
    let whole = turned.bytes(&entry.expect("an entry"), "s").expect("bytes");
    for length in (0..whole.len() - 2).step_by(31) {
        let (_kept, path) = container(&[("cut.jpg", &whole[..length])], false);
        let images = Images::open(&path).expect("a folder");
        let error = decode(&images, "cut.jpg").expect_err("an error");
        assert!(
            matches!(error, RecordingError::Images(ImagesError::NoPicture { .. })),
            "{length}: {error}"
        );
    }
}

/// What is found for a stimulus `s` with this path, in a folder and in a zip.
fn found(files: &[&str], path: &str) -> String {
    let pixel = png(1, 1);
    let files: Vec<(&str, &[u8])> = files.iter().map(|file| (*file, &pixel[..])).collect();
    let [zipped, in_folder] = [true, false].map(|zipped| {
        let (_kept, container) = container(&files, zipped);
        let images = Images::open(&container).expect("images");
        match images.find(&stimulus("s", path)) {
            Ok(None) => "nothing".to_owned(),
            Ok(Some(entry)) => entry.file,
            Err(error) => {
                let text = error.to_string();
                let (_, found) = text.split_once("stimulus `s`: ").expect("the files");
                format!("several: {found}")
            }
        }
    });
    assert_eq!(zipped, in_folder, "{path} in {files:?}");
    zipped
}

#[test]
fn an_image_is_the_file_whose_path_agrees_in_whole_parts() {
    let set = ["set/a.png", "a.png", "set/b.png", "c/b.png", "x/im-1.jpg"];
    for (path, file) in [
        ("a.png", "a.png"),
        ("./set/a.png", "set/a.png"),
        ("set\\a.png", "set/a.png"),
        ("b.png", "several: c/b.png, set/b.png"),
        ("data/c/b.png", "c/b.png"),
        ("/lab/c/b.png", "c/b.png"),
        ("x/im-1.jpg", "x/im-1.jpg"),
        ("im-1.jpg", "x/im-1.jpg"),
        ("x/im-1", "x/im-1.jpg"),
        // Parts are whole, and a file that is called alike lies elsewhere.
        ("1.jpg", "nothing"),
        ("y/im-1.jpg", "nothing"),
        ("gone/b.png", "nothing"),
        ("gone/a.png", "a.png"),
        ("../container", "nothing"),
        ("s", "nothing"),
    ] {
        assert_eq!(found(&set, path), file, "{path}");
    }
    // One more folder than the stimulus set has, and one less.
    let more = ["set/a/0.png", "set/b/0.png"];
    assert_eq!(found(&more, "b/0.png"), "set/b/0.png");
    assert_eq!(found(&["a/0.png", "b/0.png"], "set/b/0.png"), "b/0.png");
    // Of several, the one that agrees in most.
    assert_eq!(
        found(&["0.png", "a/0.png", "b/0.png"], "x/a/0.png"),
        "a/0.png"
    );
    assert_eq!(found(&["s.png", "s.jpg"], "s"), "several: s.png, s.jpg");
}

#[test]
fn an_image_of_that_id_does_not_stand_for_a_path_that_leads_nowhere() {
    assert_eq!(found(&["s.png", "other.png"], "gone.png"), "nothing");
    assert_eq!(found(&["s.png", "other.png"], ""), "s.png");
}

/// A zip with an image, whose headers then say that another method packed it.
fn zipped_by(method: u16) -> Vec<u8> {
    let mut zip = zipped(&[("a.png", b"a picture")]);
    for (signature, offset) in [(b"PK\x03\x04", 8), (b"PK\x01\x02", 10)] {
        let mut places = zip.windows(4).enumerate();
        let found = places.find(|(_, of)| of == signature);
        let at = found.expect("a header").0 + offset;
        zip[at..at + 2].copy_from_slice(&method.to_le_bytes());
    }
    zip
}

#[test]
fn an_image_packed_by_a_method_that_is_not_read_is_no_broken_image() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("images.zip");
    for (method, expected) in [(98, "is packed by PPMd"), (97, "is packed by method 97")] {
        std::fs::write(&path, zipped_by(method)).expect("a written file");
        let images = Images::open(&path).expect("a zip");
        let entry = &images.entries()[0];
        let error = images.decode(entry, "s").err().expect("an error");
        let said = error.to_string();
        assert!(said.contains(expected), "{said}");
        let header = images.header(entry, "s").expect_err("an error");
        assert_eq!(header.to_string(), said);
        let help = miette::Diagnostic::help(&error).expect("help").to_string();
        assert!(
            help.starts_with("pack the images again by deflate"),
            "{help}"
        );
    }
}

#[test]
fn one_file_for_two_stimuli_is_refused_but_where_both_name_it() {
    let pixel = png(1, 1);
    let (_kept, path) = container(&[("0.png", &pixel), ("1.png", &pixel)], true);
    let images = Images::open(&path).expect("images");
    let [natural, scrambled, twice, again] = [
        stimulus("s0", "natural/0.png"),
        stimulus("s1", "scrambled/0.png"),
        stimulus("s2", "1.png"),
        stimulus("s3", "./1.png"),
    ];
    let error = images
        .find_all([&natural, &scrambled, &twice])
        .expect_err("one image");
    let text = error.to_string();
    assert!(
        text.ends_with(
            "container` has one image for two stimuli: `0.png for s0 (natural/0.png) and s1 (scrambled/0.png)`"
        ),
        "{text}"
    );
    let both = images.find_all([&twice, &again, &natural]).expect("images");
    assert_eq!(both[0], both[1]);
}

#[test]
fn bombs_are_refused_before_they_burst() {
    let wide = png(MAX_SIDE_PIXELS + 1, 1);
    let zeros = vec![0; MAX_FILE_BYTES as usize + 1];
    let (_kept, path) = container(&[("wide.png", &wide), ("zeros.png", &zeros)], true);
    let images = Images::open(&path).expect("a zip");
    for file in ["wide.png", "zeros.png"] {
        let error = decode(&images, file).expect_err("an error");
        assert!(
            matches!(error, RecordingError::Images(ImagesError::TooLarge { .. })),
            "{error}"
        );
    }
}

#[test]
fn a_zip_that_unpacks_beyond_its_bound_is_refused_before_it_is_unpacked() {
    let pixel = png(1, 1);
    let noise = |at: u32| {
        let mixed = (at ^ at >> 15).wrapping_mul(0x2c1b_3c6d);
        ((mixed ^ mixed >> 12).wrapping_mul(0x297a_2d39) >> 24) as u8
    };
    let noise: Vec<u8> = (0..400_000).map(noise).collect();
    let length = pixel.len() as u32;
    let claims = |claimed: u32| {
        let zip = claiming(
            zipped(&[("noise", &noise), ("a.png", &pixel)]),
            length,
            claimed,
        );
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("claims.zip");
        std::fs::write(&path, zip).expect("a zip");
        let error = Images::open(&path).and_then(|images| decode(&images, "a.png"));
        error.expect_err("an error")
    };
    // An image that claims too much; its few bytes are never looked at.
    let error = claims(MAX_FILE_BYTES as u32 + 1);
    assert!(
        matches!(error, RecordingError::Images(ImagesError::TooLarge { .. }))
            && error
                .to_string()
                .ends_with("it unpacks to 67108865 bytes; the limit is 67108864"),
        "{error}"
    );
    // An archive that claims more than images may take, or than its bytes can hold.
    let error = claims(u32::MAX - 1);
    assert!(
        matches!(
            error,
            RecordingError::Images(ImagesError::ArchiveTooLarge { .. })
        ),
        "{error}"
    );
    // An image that holds more than it claims.
    let error = claims(length - 1);
    assert!(
        error.to_string().contains("larger than its declared"),
        "{error}"
    );
}

#[test]
fn a_cut_or_corrupted_zip_is_an_error() {
    let whole = std::fs::read(testdata("pictures.zip")).expect("the zip");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("cut.zip");
    for length in (0..whole.len()).step_by(97) {
        std::fs::write(&path, &whole[..length]).expect("a file");
        assert!(
            matches!(
                Images::open(&path),
                Err(RecordingError::Images(ImagesError::Zip { .. }))
            ),
            "{length}"
        );
    }
    for at in (0..whole.len()).step_by(13) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0xff;
        std::fs::write(&path, &bytes).expect("a file");
        let Ok(images) = Images::open(&path) else {
            continue;
        };
        for entry in images.entries() {
            // Either answer will do; a panic will not.
            let _ = images.decode(entry, "s");
        }
    }
}

#[test]
fn many_threads_may_decode_at_once() {
    let images = Images::open(&testdata("pictures.zip")).expect("a zip");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    assert_eq!(decode(&images, "rgb.png").expect("an image").width(), 4);
                }
            });
        }
    });
}

#[test]
fn capitals_and_accents_do_not_count_where_one_file_is_alike() {
    assert_eq!(found(&["a/IM0.PNG", "im1.png"], "a/im0.png"), "a/IM0.PNG");
    assert_eq!(found(&["A/im0.PNG"], "a/IM0"), "A/im0.PNG");
    // The letter for letter one, if there is one.
    assert_eq!(found(&["IM0.png", "im0.png"], "im0.png"), "im0.png");
    assert!(found(&["IM0.png", "im0.PNG"], "im0.png").contains("IM0.png"));
    assert!(found(&["IM0.png", "im0.PNG"], "im0.png").contains("several"));
    // Composed and decomposed accents, in Latin and in Hangul.
    assert_eq!(
        found(&["Ba\u{308}ume.png"], "B\u{e4}ume.png"),
        "Ba\u{308}ume.png"
    );
    assert_eq!(
        found(&["b\u{e4}ume.png"], "Ba\u{308}UME.PNG"),
        "b\u{e4}ume.png"
    );
    assert_eq!(
        found(&["\u{1112}\u{1161}\u{11ab}.png"], "\u{d55c}.png"),
        "\u{1112}\u{1161}\u{11ab}.png"
    );
    // Folders count as before.
    assert_eq!(found(&["Natural/0.PNG"], "scrambled/0.png"), "nothing");
    assert_eq!(
        found(&["Natural/0.PNG"], "set/natural/0.png"),
        "Natural/0.PNG"
    );
    // The file that agrees in more parts, though not letter by letter.
    let set = ["natural/0.png", "0.png", "x/same.png"];
    assert_eq!(found(&set, "Natural/0.png"), "natural/0.png");
    assert_eq!(found(&set, "Natural/0"), "natural/0.png");
    assert_eq!(found(&set, "other/0.png"), "0.png");
    let set = ["Natural/0.png", "NATURAL/0.png", "0.png"];
    assert_eq!(found(&set, "Natural/0.png"), "Natural/0.png");
    let both = "several: NATURAL/0.png, Natural/0.png";
    assert_eq!(found(&set, "natural/0.png"), both);
}

#[test]
fn notes_of_the_packing_system_are_no_images() {
    let files = [
        "set/0.png",
        "__MACOSX/set/._0.png",
        "set/.DS_Store",
        "set/Thumbs.db",
    ];
    assert_eq!(found(&files, "0.png"), "set/0.png");
    assert_eq!(found(&files, "set/._0.png"), "nothing");
    let files = files.map(|file| (file, &b"x"[..]));
    for zipped in [true, false] {
        let (_kept, path) = container(&files, zipped);
        assert_eq!(Images::open(&path).expect("images").len(), 1);
    }
}

#[test]
fn names_in_the_code_page_of_dos_are_read_as_such() {
    let mut zip = zipped(&[("B#ume.png", &png(1, 1))]);
    for at in 0..zip.len() {
        if zip[at..].starts_with(b"B#ume.png") {
            zip[at + 1] = 0x84; // an umlaut in code page 437
        }
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("images.zip");
    std::fs::write(&path, zip).expect("a written file");
    let images = Images::open(&path).expect("a zip");
    assert_eq!(images.entries()[0].file, "B\u{e4}ume.png");
}
