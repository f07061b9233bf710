//! Array axes: what each axis of an array of responses is, as sweep files spell it.

use crate::word::word_enum;
use thiserror::Error;

word_enum! {
    /// What an axis of an array of responses runs over. `ALL` is the order that arrays have unless the
    /// sweep file says otherwise or the lengths tell.
    pub enum ArrayAxis: "axis of an array" {
        /// The presentations of each stimulus.
        Repetitions = "repetitions",
        /// The stimuli, in the order of the stimulus set.
        Stimuli = "stimuli",
        /// The sites.
        Sites = "sites",
    }
}

/// Words that are not the axes of an array.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[error(
    "axes must be \"stimuli\" and \"sites\" in the array's order, with \"repetitions\" where it has \
     three, got {0:?}"
)]
pub struct UnknownAxes(pub Vec<String>);

impl ArrayAxis {
    /// The axes of an array, two or three, the slowest first.
    ///
    /// # Errors
    /// When a word is unknown or there twice, or stimuli or sites are missing.
    pub fn of_array(words: &[String]) -> Result<Vec<Self>, UnknownAxes> {
        let unknown = || UnknownAxes(words.to_vec());
        let axes = words.iter().map(|word| word.parse());
        let axes: Vec<Self> = axes.collect::<Result<_, _>>().map_err(|_| unknown())?;
        let count = |axis: ArrayAxis| axes.iter().filter(|of| **of == axis).count();
        match ArrayAxis::ALL.map(count) {
            [0 | 1, 1, 1] => Ok(axes),
            _ => Err(unknown()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_of_an_array_are_each_there_once() {
        let axes = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            ArrayAxis::of_array(&words)
        };
        use ArrayAxis::{Repetitions, Sites, Stimuli};
        assert_eq!(axes(&["sites", "stimuli"]), Ok(vec![Sites, Stimuli]));
        let three = axes(&["sites", "stimuli", "repetitions"]);
        assert_eq!(three, Ok(vec![Sites, Stimuli, Repetitions]));
        for wrong in [
            &["stimuli"][..],
            &[],
            &["stimuli", "stimuli"],
            &["stimuli", "repetitions"],
            &["stimuli", "sites", "time"],
            &["stimuli", "sites", "repetitions", "sites"],
        ] {
            assert!(axes(wrong).is_err(), "{wrong:?}");
        }
    }
}
