//! Subjects: whether each is a region of its own, as sweep files spell it.

use crate::word::word_enum;

word_enum! {
    /// What regions are made of.
    pub enum Subjects: "subjects" {
        /// The sites of all subjects.
        Together = "together",
        /// The sites of one subject: each region of each subject is one of its own, named `REGION/SUBJECT`.
        Each = "each",
    }
}
