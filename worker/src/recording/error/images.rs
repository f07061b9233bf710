//! What can be wrong with the images of stimuli.

use std::path::PathBuf;

use miette::Diagnostic;
use thiserror::Error;
use zip::result::ZipError;

use crate::recording::limits::{MAX_FILE_BYTES, MAX_SIDE_PIXELS};
use crate::recording::words::{counted, named};

/// Why images cannot be used.
#[derive(Debug, Error, Diagnostic)]
pub enum ImagesError {
    /// The zip of images is not readable.
    #[error("`{}` is not a readable zip file", path.display())]
    #[diagnostic(help("{}, or give the folder of unpacked images", zip_advice(source)))]
    Zip {
        /// The zip.
        path: PathBuf,
        /// The reader's error.
        source: ZipError,
    },
    /// An image in the zip that is packed as is not read.
    #[error("`{}`: `{file}` of stimulus `{stimulus}` {}", images.display(), packed(source))]
    #[diagnostic(help(
        "pack the images again by deflate and without a password, or give the folder of unpacked images"
    ))]
    Packed {
        /// The zip.
        images: PathBuf,
        /// The file in it.
        file: String,
        /// The stimulus.
        stimulus: String,
        /// The reader's error.
        source: ZipError,
    },
    /// A zip that would unpack to too many bytes.
    #[error("`{}` is not unpacked: {problem}", path.display())]
    #[diagnostic(help(
        "its entries claim more than their bytes can hold: pack the images again, or give the folder of unpacked images"
    ))]
    ArchiveTooLarge {
        /// The zip.
        path: PathBuf,
        /// What it claims.
        problem: String,
    },
    /// Stimuli without an image.
    #[error("`{}` has no image of {}: {}", images.display(), counted(*count, "stimulus"), named(missing, *count))]
    #[diagnostic(help(
        "an image is looked for under its `filename` (where that is empty, `image_file_name`, then `stimulus_path_within_store`, then the stimulus's id), with .png, .jpg or .jpeg where that is left out; folders in the path must agree as far as both have them, and capitals do not count where only one file is alike"
    ))]
    NoImage {
        /// The zip or folder.
        images: PathBuf,
        /// Some of them, each with the file name looked for.
        missing: Vec<String>,
        /// How many there are.
        count: usize,
    },
    /// Several files could be a stimulus's image.
    #[error("`{}` has several images `{name}` for stimulus `{stimulus}`: {}", images.display(), found.join(", "))]
    #[diagnostic(help(
        "give the path inside the zip or folder in the stimulus set's `filename` column"
    ))]
    AmbiguousImage {
        /// The zip or folder.
        images: PathBuf,
        /// The stimulus.
        stimulus: String,
        /// The name looked for.
        name: String,
        /// Some of the paths found.
        found: Vec<String>,
    },
    /// One file under the paths of several stimuli.
    #[error("`{}` has one image for two stimuli: {}", images.display(), named(found, *count))]
    #[diagnostic(help(
        "give each stimulus the path of its own image; where both did show this one, write the same path at both"
    ))]
    SharedImage {
        /// The zip or folder.
        images: PathBuf,
        /// Some of the files, each with two of its stimuli.
        found: Vec<String>,
        /// How many there are.
        count: usize,
    },
    /// Several images that cannot be used.
    #[error("{count} of {images} images cannot be used{}", listed(problems, *count))]
    #[diagnostic(help(
        "replace them; `nrp data check` says all that is wrong with recordings at once"
    ))]
    Broken {
        /// How many images the stimuli have.
        images: usize,
        /// What is wrong with the first, one by one.
        problems: Vec<String>,
        /// How many cannot be used.
        count: usize,
    },
    /// An image that is larger than any stimulus should be.
    #[error("`{}`: `{file}` of stimulus `{stimulus}` is too large: {size}", images.display())]
    #[diagnostic(help("images are limited to {} MiB in the file and {} pixels a side; scale it down", MAX_FILE_BYTES >> 20, MAX_SIDE_PIXELS))]
    TooLarge {
        /// The zip or folder.
        images: PathBuf,
        /// The file in it.
        file: String,
        /// The stimulus.
        stimulus: String,
        /// The size found, in words.
        size: String,
    },
    /// A file that should be an image and is not.
    #[error("`{}`: `{file}` of stimulus `{stimulus}` is not an image: {found}", images.display())]
    #[diagnostic(help(
        "save it as PNG (`Image.open(f).convert(\"RGB\")` in Pillow); JPEG, TIFF, WebP, JPEG 2000, BMP and GIF are read too"
    ))]
    NoPicture {
        /// The zip or folder.
        images: PathBuf,
        /// The file in it.
        file: String,
        /// The stimulus.
        stimulus: String,
        /// What it is instead, in words.
        found: String,
    },
}

/// How a file of a zip is packed that is not unpacked.
fn packed(error: &ZipError) -> String {
    let method = match error {
        // The number that PKWARE's description of the format gives it.
        ZipError::CompressionMethodNotSupported(98) => "PPMd".to_owned(),
        ZipError::CompressionMethodNotSupported(id) => format!("method {id}"),
        _ => return "cannot be unpacked".to_owned(),
    };
    format!("is packed by {method}, which is not read")
}

/// What to do with a zip that is not read.
fn zip_advice(error: &ZipError) -> &'static str {
    match error {
        ZipError::UnsupportedArchive(_)
        | ZipError::CompressionMethodNotSupported(_)
        | ZipError::InvalidPassword => "pack the images again by deflate and without a password",
        // The others are damage, as far as a reader can tell; the list is the zip crate's and open.
        _ => "compare its size or checksum with the source's and copy or download it again",
    }
}

/// A line for each of these, and one that counts the others of `count`.
fn listed(some: &[String], count: usize) -> String {
    let mut lines: Vec<String> = some.iter().map(|one| format!("\n  {one}")).collect();
    if let more @ 1.. = count - some.len() {
        lines.push(format!("\n  and {more} more"));
    }
    lines.concat()
}
