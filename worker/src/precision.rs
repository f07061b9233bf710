//! Precision: the two types of numbers that files are read as.

/// A number that numbers of a file are read as.
pub(crate) trait Number: Copy {
    /// What a number is as this one.
    fn of(number: f64) -> Self;
}

impl Number for f32 {
    fn of(number: f64) -> Self {
        number as f32
    }
}

impl Number for f64 {
    fn of(number: f64) -> Self {
        number
    }
}
