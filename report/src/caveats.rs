//! Caveats: what must be said beside figures and tables, for they are copied out of reports: what is
//! simulated or random, what selected, and how much of the sweep is there.

use super::model::{AnnResult, AnnResults, Protocol, SweepSummary};
use crate::row;

/// What holds for the whole sweep.
pub(crate) struct Caveats {
    simulated: bool,
    validation_is_test: bool,
    splits: u32,
    /// The progress, unless the sweep has ended.
    unfinished: Option<String>,
}

impl Caveats {
    /// The caveats of a sweep.
    pub(crate) fn new(sweep: &SweepSummary, protocol: &Protocol) -> Self {
        Self {
            simulated: sweep.simulated,
            validation_is_test: protocol.validation_is_test,
            splits: protocol.splits,
            unfinished: sweep.is_partial().then(|| sweep.progress()),
        }
    }

    /// Lines on a figure that shows `anns`.
    pub(crate) fn marks<'a>(
        &self,
        anns: impl IntoIterator<Item = &'a AnnResult> + Clone,
    ) -> Vec<String> {
        let random = |ann: &AnnResult| ann.random_weights;
        let all_random = anns.clone().into_iter().all(random);
        let any_random = anns.into_iter().any(random);
        let of = match (self.simulated, all_random, any_random) {
            (true, true, _) => {
                Some("Simulated recordings, random weights: says nothing about brains")
            }
            (true, false, true) => {
                Some("Simulated recordings, some weights random: says nothing about brains")
            }
            (true, false, false) => Some("Simulated recordings: says nothing about brains"),
            (false, true, _) => Some("Random weights: says nothing about trained ANNs"),
            (false, false, true) => {
                Some("Some weights are random: these say nothing about trained ANNs")
            }
            (false, false, false) => None,
        };
        let mut marks = Vec::from_iter(of.map(str::to_owned));
        if self.validation_is_test {
            marks.push("Scores are on stimuli that also selected".to_owned());
        }
        marks.extend(self.unfinished.clone());
        marks
    }

    /// A sentence behind what is about the first split alone; begins with a space.
    pub(crate) fn of_one_split(&self) -> String {
        match self.splits {
            0 | 1 => self.of_any_split().to_owned(),
            splits => format!(
                " Split 0 of {splits} only, so that losses are compared within one split.{}",
                self.of_any_split()
            ),
        }
    }

    /// A sentence behind all scores; begins with a space.
    pub(crate) fn of_any_split(&self) -> &'static str {
        if self.validation_is_test {
            " Scores are on stimuli that also selected: on other stimuli they would be worse."
        } else {
            ""
        }
    }

    /// A region's label: simulated recordings are never shown as real ones.
    pub(crate) fn region(&self, name: &str) -> String {
        row::region_label(name, self.simulated)
    }
}

/// A sentence on what error bars show.
pub(crate) fn bars(anns: &AnnResults) -> &'static str {
    if anns.winners().any(|winner| winner.over_seeds.is_some()) {
        "Bars: standard deviation of the winning configuration's NRP-error over its seeds, \
         if it has several."
    } else {
        "No error bars: no winning configuration was trained from several seeds."
    }
}

/// A sentence on what a figure that compares ANNs leaves out; begins with a space.
pub(crate) fn left_out(anns: &AnnResults) -> &'static str {
    if anns.iter().all(|ann| anns.is_compared(ann)) {
        ""
    } else {
        " Pruned ANNs are in Figure 3B."
    }
}
