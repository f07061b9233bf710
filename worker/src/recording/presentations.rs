//! Presentations: which stimulus each one showed, and which repetition it belongs to.
//!
//! A repetition number is what presentations of different stimuli share: a block of a session, say.
//! It is the assembly's coordinate `repetition` if that is informative, and otherwise counted in
//! the order of the file.

use std::collections::{BTreeSet, HashMap};

/// Fewest stimuli that anything is estimated over: two always correlate perfectly.
pub(super) const MIN_STIMULI: usize = 3;

/// The stimulus and the repetition number of each presentation.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Presentations {
    /// Row of each presentation's stimulus.
    pub(super) stimulus_of: Vec<usize>,
    /// Repetition number of each presentation, below `repetitions`.
    pub(super) repetition_of: Vec<usize>,
    /// Number of stimuli.
    pub(super) stimuli: usize,
    /// Number of different repetition numbers.
    pub(super) repetitions: usize,
}

impl Presentations {
    /// Presentations of `stimuli` rows. `labels` are the file's repetition numbers.
    ///
    /// Labels are ignored if all are equal, or if there are more than twice as many as
    /// presentations of any stimulus: then they count trials, not repetitions.
    pub(super) fn of(stimulus_of: &[usize], stimuli: usize, labels: Option<&[String]>) -> Self {
        let mut shown = vec![0; stimuli];
        let counted = stimulus_of.iter().map(|&stimulus| {
            shown[stimulus] += 1;
            shown[stimulus] - 1
        });
        let counted: Vec<usize> = counted.collect();
        let most = shown.iter().copied().max().unwrap_or(0);
        let named = labels.and_then(|labels| {
            let known: BTreeSet<&String> = labels.iter().collect();
            let numbers: HashMap<&String, usize> = known
                .iter()
                .enumerate()
                .map(|(n, label)| (*label, n))
                .collect();
            (2..=2 * most)
                .contains(&known.len())
                .then(|| labels.iter().map(|label| numbers[label]).collect())
        });
        let repetition_of: Vec<usize> = named.unwrap_or(counted);
        Self {
            repetitions: repetition_of
                .iter()
                .map(|number| number + 1)
                .max()
                .unwrap_or(0),
            stimulus_of: stimulus_of.to_vec(),
            repetition_of,
            stimuli,
        }
    }

    /// The presentations of each stimulus.
    pub(super) fn groups(&self) -> Vec<Vec<usize>> {
        let mut groups = vec![Vec::new(); self.stimuli];
        for (presentation, &stimulus) in self.stimulus_of.iter().enumerate() {
            groups[stimulus].push(presentation);
        }
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetitions_are_the_files_numbers_where_these_say_something() {
        let numbers = |labels: Option<&[&str]>| {
            let labels = labels.map(|labels| labels.iter().map(|l| (*l).to_owned()).collect());
            let labels: Option<Vec<String>> = labels;
            Presentations::of(&[0, 1, 1, 0, 2], 3, labels.as_deref()).repetition_of
        };
        assert_eq!(numbers(None), [0, 0, 1, 1, 0]);
        assert_eq!(numbers(Some(&["7", "7", "3", "3", "5"])), [2, 2, 0, 0, 1]);
        let alike = ["1"; 5];
        assert_eq!(numbers(Some(&alike)), [0, 0, 1, 1, 0]);
        let trials = ["1", "2", "3", "4", "5"];
        assert_eq!(numbers(Some(&trials)), [0, 0, 1, 1, 0]);
    }
}
