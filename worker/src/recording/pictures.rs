//! Pictures of stimuli by index, wherever they are stored.

use super::error::RecordingError;
use super::images::Picture;

/// Pictures that are decoded when asked for, from many threads.
pub(super) trait Pictures: Send + Sync {
    /// How many there are.
    fn len(&self) -> usize;

    /// The picture at `index`, from 0.
    ///
    /// # Errors
    /// When its file is gone, damaged or too large.
    fn picture(&self, index: usize) -> Result<Picture, RecordingError>;
}
