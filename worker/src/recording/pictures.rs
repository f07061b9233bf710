//! Pictures of stimuli by index, wherever they are stored.

use std::collections::BTreeSet;

use super::error::RecordingError;
use super::images::{Header, Picture};
use super::words::counted;

/// Pictures that are decoded when asked for, from many threads.
pub(super) trait Pictures: Send + Sync {
    /// How many there are.
    fn len(&self) -> usize;

    /// The picture at `index`, from 0.
    ///
    /// # Errors
    /// When its file is gone, damaged or too large.
    fn picture(&self, index: usize) -> Result<Picture, RecordingError>;

    /// Size and kind of the picture at `index`, without decoding it.
    ///
    /// # Errors
    /// When its file is gone, damaged or too large.
    fn header(&self, index: usize) -> Result<Header, RecordingError>;
}

/// What cache keys must say about a set of pictures besides its digest, because nrp did not always make
/// the same pixels of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PictureFacts {
    /// Widths and heights that occur, in pixels, each with the stimulus's column [`DEGREES`], if it has one.
    pub shown: BTreeSet<([u32; 2], Option<String>)>,
    /// Whether there are JPEGs, BMPs of 16 bits, or TIFFs that contain JPEG or are multiplied by their
    /// alpha channel: earlier versions of nrp made other pixels of them than Pillow.
    pub redecoded: bool,
    /// How many are of 16-bit grey, which is clipped at 255.
    pub clipped: usize,
}

/// What the user should know about so many pictures of 16-bit grey.
pub fn clipped_notice(pictures: usize) -> String {
    let all = counted(pictures, "image");
    format!(
        "{all} of 16-bit grey, clipped at 255 as Pillow does; convert to 8 bits what uses the whole range"
    )
}

/// The column that says how many degrees of visual angle an image's width has.
pub(super) const DEGREES: &str = "degrees";

impl<'a> FromIterator<(Header, Option<&'a str>)> for PictureFacts {
    fn from_iter<T: IntoIterator<Item = (Header, Option<&'a str>)>>(headers: T) -> Self {
        headers
            .into_iter()
            .fold(Self::default(), |mut facts, (header, degrees)| {
                let degrees = degrees.map(str::to_owned);
                facts.shown.insert((header.size, degrees));
                facts.redecoded |= header.redecoded;
                facts.clipped += usize::from(header.clipped);
                facts
            })
    }
}
