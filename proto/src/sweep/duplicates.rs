//! Duplicates: what a split does with a picture that is shown under several ids, as sweep files
//! spell it.

use crate::word::word_enum;

word_enum! {
    /// What a split does with the stimuli that show one picture.
    pub enum Duplicates: "treatment of duplicates" {
        /// They are drawn as one, so that no network is tested on what it was trained on.
        Together = "together",
        /// Each is drawn by itself.
        Ignored = "ignored",
    }
}
