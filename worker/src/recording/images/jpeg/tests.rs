//! JPEGs of every kind against Pillow 13.0.0, what is refused, and speed.

use std::time::{Duration, Instant};

use super::*;
use crate::recording::images::decode::tests::{fixtures, hashed, wrong};

#[test]
fn jpegs_have_pillows_pixels_to_the_last_grey_level() {
    let jpegs = fixtures("jpegs");
    assert!(jpegs.len() > 200, "{}", jpegs.len());
    let wrong = wrong(&jpegs, hashed);
    assert!(
        wrong.is_empty(),
        "{} of {}: {wrong:#?}",
        wrong.len(),
        jpegs.len()
    );
}

fn first() -> Vec<u8> {
    fixtures("jpegs").swap_remove(0).1
}

fn refusal(jpeg: &[u8]) -> String {
    match decode(jpeg) {
        Ok(_) => panic!("decoded"),
        Err(Undecodable::NotAPicture(found)) => found,
        Err(Undecodable::TooLarge(size)) => format!("too large: {size}"),
    }
}

/// Where the start of frame begins, after its marker and length.
fn frame(jpeg: &[u8]) -> usize {
    let marker = jpeg.windows(2).position(|of| of == [0xff, 0xc0]);
    marker.expect("baseline") + 4
}

#[test]
fn what_is_not_decoded_is_named() {
    let changed = |change: &dyn Fn(&mut [u8])| {
        let mut jpeg = first();
        let at = frame(&jpeg);
        change(&mut jpeg[at..]);
        refusal(&jpeg)
    };
    assert_eq!(
        changed(&|frame| frame[0] = 12),
        "a JPEG of 12 bits; only 8 are read"
    );
    assert_eq!(
        changed(&|frame| frame[5] = 2),
        "a JPEG of 2 components; 1, 3 and 4 are read"
    );
    assert_eq!(
        changed(&|frame| frame[1..5].copy_from_slice(&[0xff; 4])),
        "too large: 65535 × 65535 pixels; the limit is 8192 each way"
    );
    let flat = changed(&|frame| frame[1..3].fill(0));
    assert!(flat.ends_with("× 0 pixels"), "{flat}");
    let mut lossless = first();
    let at = frame(&lossless) - 3;
    lossless[at] = 0xc3;
    assert_eq!(
        refusal(&lossless),
        "a JPEG that is lossless or hierarchical"
    );
    assert_eq!(refusal(b"\xff\xd8\xff\xd9"), "a JPEG without a picture");
}

#[test]
fn a_jpeg_without_its_end_is_refused_and_what_follows_the_end_is_not_looked_at() {
    let whole = first();
    for length in 2..whole.len() - 1 {
        assert!(refusal(&whole[..length]).starts_with("a JPEG"), "{length}");
    }
    let mut longer = whole.clone();
    longer.extend_from_slice(b"\xff\xda\x00trailer");
    let [plain, longer] = [whole, longer].map(|jpeg| decode(&jpeg).expect("whole").samples);
    assert_eq!(plain, longer);
}

/// Each scan of a progressive JPEG costs time for all pixels, and takes few bytes.
#[test]
fn very_many_scans_are_refused() {
    let whole = first();
    let scan = whole
        .windows(2)
        .position(|of| of == [0xff, 0xda])
        .expect("a scan");
    let header = &whole[scan..scan + 14];
    let mut jpeg = whole[..scan].to_vec();
    for _ in 0..MAX_SCANS {
        jpeg.extend(header);
    }
    jpeg.extend(&whole[scan..]);
    assert_eq!(
        refusal(&jpeg),
        "too large: it has 501 scans; the limit is 500"
    );
}

/// libjpeg's fatal errors come back as errors, with its own words.
#[test]
fn libjpegs_errors_are_errors() {
    let mut jpeg = first();
    let table = jpeg
        .windows(2)
        .position(|of| of == [0xff, 0xdb])
        .expect("a table");
    jpeg[table + 4] = 0x0f;
    let found = refusal(&jpeg);
    assert!(found.contains("DQT"), "{found}");
}

/// Where one byte of the coded picture is another, some decode without repairs to what Pillow makes of them,
/// too; all others are refused.
#[test]
fn damaged_jpegs_are_refused_where_programs_could_differ() {
    let files = fixtures("damaged");
    let refused = wrong(&files, hashed);
    let is_refused = |of: &String| of.contains(": NotAPicture(\"a JPEG that is damaged: ");
    assert!(refused.iter().all(is_refused), "{refused:#?}");
    assert!(refused.iter().all(|of| of.contains("-damaged-")));
    for kind in ["-baseline", "-progressive"] {
        let of_kind = |of: &&String| of.contains(kind);
        assert!(refused.iter().filter(of_kind).count() > 3, "{refused:#?}");
    }
    let why = |words: &str| refused.iter().any(|of| of.contains(words));
    assert!(why("brightnesses that no picture has") && why("(libjpeg's message 11"));
    assert!(files.len() - refused.len() > 10);
}

/// A JPEG the size of an ImageNet picture, 4:2:0, of slopes and noise.
fn photograph(seed: u32) -> Vec<u8> {
    const SIZE: [usize; 2] = [500, 375];
    let mut state = seed.wrapping_mul(0x9e37_79b9) | 1;
    let mut noise = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state % 24) as usize
    };
    let mut pixels = Vec::with_capacity(SIZE[0] * SIZE[1] * 3);
    for y in 0..SIZE[1] {
        for x in 0..SIZE[0] {
            let edge = if (x / 40 + y / 30) % 2 == 0 { 60 } else { 0 };
            let [r, g, b] = [x / 4 + edge, y / 3 + edge, (x + y) / 6];
            pixels.extend([r, g, b].map(|level| (level + noise()) as u8));
        }
    }
    let mut compress = mozjpeg::Compress::new(ColorSpace::JCS_RGB);
    compress.set_size(SIZE[0], SIZE[1]);
    compress.set_fastest_defaults();
    compress.set_quality(90.0);
    compress.set_chroma_sampling_pixel_sizes((2, 2), (2, 2));
    let mut started = compress.start_compress(Vec::new()).expect("an encoder");
    started.write_scanlines(&pixels).expect("pixels");
    started.finish().expect("a JPEG")
}

/// `just bench-pictures`: each picture by either decoder, by turns.
#[test]
#[ignore = "measures"]
#[expect(clippy::print_stderr, reason = "a measurement is for reading")]
fn speed_beside_the_decoder_of_the_image_crate() {
    const ROUNDS: usize = 21;
    let jpegs: Vec<Vec<u8>> = (1..=20).map(photograph).collect();
    let timed = |decode: &dyn Fn(&[u8]) -> usize| {
        let started = Instant::now();
        let bytes: usize = jpegs.iter().map(|jpeg| decode(jpeg)).sum();
        assert_eq!(bytes, jpegs.len() * 500 * 375 * 3);
        started.elapsed() / jpegs.len() as u32
    };
    let ours = |jpeg: &[u8]| decode(jpeg).expect("a picture").samples.len();
    let zunes = |jpeg: &[u8]| {
        let jpeg = zune_jpeg::zune_core::bytestream::ZCursor::new(jpeg);
        let mut decoder = zune_jpeg::JpegDecoder::new(jpeg);
        decoder.decode().expect("a picture").len()
    };
    let mut rounds: Vec<(Duration, Duration)> =
        (0..ROUNDS).map(|_| (timed(&ours), timed(&zunes))).collect();
    rounds.sort_by(|a, b| {
        let ratio = |(ours, zunes): &(Duration, Duration)| ours.as_secs_f64() / zunes.as_secs_f64();
        ratio(a).total_cmp(&ratio(b))
    });
    let (ours, zunes) = rounds[ROUNDS / 2];
    let ratio = ours.as_secs_f64() / zunes.as_secs_f64();
    eprintln!(
        "500 x 375, 4:2:0: {ours:.2?} a picture by libjpeg, {zunes:.2?} by zune-jpeg; ratio {ratio:.2}, the \
         median of {ROUNDS} pairs"
    );
}
