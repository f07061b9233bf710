//! Protocol: what all trials of a sweep share, the values that each axis of its grid takes, and where
//! it all came from. Files are called as the user called them.

use super::gather::{Report, add};
use crate::output;
use crate::setting::{self, list};
use nrp_proto::id::NO_LINEAR_PATH;
use nrp_proto::sweep::Scheme;
use nrp_proto::wire::{
    Duplicates, EarlyStopping, RandomSearch, RecordingsFiles, SplitSpec, SweepSpec, TrainingSpec,
    TrialSpec,
};
use serde::Serialize;

/// What all trials share, and the values that each axis of the grid takes.
#[derive(Debug, Default, Serialize)]
pub(super) struct Protocol {
    /// As the sweep file names them.
    pub(super) recordings: RecordingsFiles,
    pub(super) recordings_digest: String,
    /// The first of its scheme.
    pub(super) split: SplitSpec,
    /// Pictures that are shown under several ids; absent where there are none.
    pub(super) duplicates: Option<Duplicates>,
    /// How many its scheme has.
    pub(super) splits: u32,
    /// Whether scores are of stimuli that also selected.
    pub(super) validation_is_test: bool,
    pub(super) training: TrainingSpec,
    pub(super) l1: Vec<u32>,
    pub(super) l2: Vec<u32>,
    pub(super) depth: Vec<u32>,
    pub(super) learning_rate: Vec<f64>,
    pub(super) weight_decay: Vec<f64>,
    pub(super) dropout: Vec<f64>,
    pub(super) linear_path: Vec<String>,
    pub(super) ensemble: Vec<u32>,
    pub(super) seed: Vec<u64>,
    /// Absent where every cell of the grid is a trial.
    pub(super) random_search: Option<RandomSearch>,
    /// Absent where every trial is trained to its end.
    pub(super) early_stopping: Option<EarlyStopping>,
    pub(super) baselines: Vec<String>,
    /// Formats in which activations were stored.
    pub(super) cache_dtype: Vec<String>,
    /// Versions of the workers that trained the best trials, and their devices; empty where outcomes
    /// do not have them.
    pub(super) worker_versions: Vec<String>,
    pub(super) devices: Vec<String>,
}

impl Protocol {
    /// Of what a sweep was submitted with.
    pub(super) fn new(spec: &SweepSpec) -> Self {
        let split = spec.split.clone().unwrap_or_default();
        // A word that this version does not know has one split, as far as it knows.
        let scheme = Scheme::of(&split).unwrap_or(Scheme::Holdout);
        Self {
            recordings: spec.files.clone().unwrap_or_default(),
            recordings_digest: spec.recordings_digest.clone(),
            splits: scheme.splits(),
            validation_is_test: scheme == Scheme::ValidationIsTest,
            split,
            duplicates: spec.duplicates.clone(),
            training: spec.training.clone().unwrap_or_default(),
            random_search: spec.random,
            early_stopping: spec.early_stopping,
            baselines: spec.baselines.clone(),
            ..Self::default()
        }
    }

    /// Takes in what a trial of an NRP network has on each axis.
    pub(super) fn take(&mut self, spec: &TrialSpec) {
        if let Some(l1) = spec.l1 {
            add(&mut self.l1, l1);
        }
        if let Some(l2) = spec.l2 {
            add(&mut self.l2, l2);
        }
        add(&mut self.depth, spec.depth);
        add(&mut self.learning_rate, spec.learning_rate);
        add(&mut self.weight_decay, spec.weight_decay);
        add(&mut self.dropout, spec.dropout);
        add(&mut self.linear_path, spec.linear_path().to_owned());
        add(&mut self.ensemble, spec.ensemble());
        add(&mut self.seed, spec.seed);
    }

    /// Puts values in their order.
    pub(super) fn sort(&mut self) {
        self.l1.sort_unstable();
        self.l2.sort_unstable();
        self.depth.sort_unstable();
        self.learning_rate.sort_by(f64::total_cmp);
        self.weight_decay.sort_by(f64::total_cmp);
        self.dropout.sort_by(f64::total_cmp);
        self.linear_path.sort_unstable();
        self.ensemble.sort_unstable();
        self.seed.sort_unstable();
    }

    /// As people read it: names and what they stand for.
    pub(super) fn shown(&self) -> Vec<(&'static str, String)> {
        let numbers =
            |values: &[f64]| list(values.iter().map(|value| output::number(Some(*value))));
        let mut shown = vec![
            ("Recordings", setting::recordings(&self.recordings)),
            ("Recordings' digest", self.recordings_digest.clone()),
            ("Split", setting::split(&self.split)),
            ("Training", setting::training(&self.training)),
            ("Inputs", self.training.inputs.clone()),
            ("Targets", self.training.targets.clone()),
            ("Projection", self.training.projection.clone()),
            ("NRP-L1", list(&self.l1)),
            ("NRP-L2", list(&self.l2)),
            ("Depths", list(&self.depth)),
            ("Learning rates", numbers(&self.learning_rate)),
            ("Weight decays", numbers(&self.weight_decay)),
            ("Dropouts", numbers(&self.dropout)),
        ];
        if let Some(duplicates) = &self.duplicates {
            shown.push((
                "Same pictures",
                setting::same_pictures(duplicates, &self.split),
            ));
        }
        if self.linear_path.iter().any(|path| path != NO_LINEAR_PATH) {
            shown.push(("Linear paths", list(&self.linear_path)));
        }
        if self.ensemble.iter().any(|networks| *networks > 1) {
            shown.push(("Networks of an ensemble", list(&self.ensemble)));
        }
        shown.push(("Seeds", list(&self.seed)));
        if let Some(RandomSearch { trials, seed }) = self.random_search {
            let drawn = format!("{trials} cells of the grid, drawn at random; seed {seed}");
            shown.push(("Search", drawn));
        }
        if let Some(stopping) = self.early_stopping {
            let EarlyStopping {
                min_epochs,
                reduction,
            } = stopping;
            let rung = |power| u64::from(min_epochs) * u64::from(reduction).pow(power);
            let rungs = format!(
                "one trial in {reduction} goes on at {}, {}, {} … epochs",
                rung(0),
                rung(1),
                rung(2)
            );
            shown.push(("Early stopping", rungs));
        }
        shown.extend([
            ("Baselines", list(&self.baselines)),
            ("Activations stored as", list(&self.cache_dtype)),
        ]);
        if !self.worker_versions.is_empty() {
            shown.push(("Workers' versions of nrp", list(&self.worker_versions)));
        }
        if !self.devices.is_empty() {
            shown.push(("Devices", list(&self.devices)));
        }
        shown.push((
            "Report's version of nrp",
            env!("CARGO_PKG_VERSION").to_owned(),
        ));
        shown
    }
}

impl Report {
    /// What must be said of all that is of one split and no other; begins with a space.
    pub(super) fn of_one_split(&self) -> String {
        match self.protocol.splits {
            0 | 1 => self.of_any_split().to_owned(),
            splits => format!(
                " Of split 0 of {splits} alone, so that losses are compared on one split.{}",
                self.of_any_split()
            ),
        }
    }

    /// What must be said of all scores; begins with a space.
    pub(super) fn of_any_split(&self) -> &'static str {
        match self.protocol.validation_is_test {
            true => " Scores are of stimuli that also selected: on others they would be worse.",
            false => "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(spec: &SweepSpec, name: &str) -> Option<String> {
        let shown = Protocol::new(spec).shown();
        let found = shown.into_iter().find(|(of, _)| *of == name);
        found.map(|(_, value)| value)
    }

    #[test]
    fn a_split_says_what_it_knows_and_no_more() {
        let mut split = SplitSpec {
            scheme: "shuffle".to_owned(),
            train: 0.8,
            validation: 0.1,
            test: 0.1,
            stratify: "object_name".to_owned(),
            seed: 1,
            number: 0,
            duplicates: String::new(),
        };
        let of = |split: &SplitSpec| {
            let spec = SweepSpec {
                split: Some(split.clone()),
                ..SweepSpec::default()
            };
            shown(&spec, "Split").expect("a split")
        };
        assert_eq!(
            of(&split),
            "shuffle: 0.8 of the stimuli to train, 0.1 to validate, 0.1 to test; drawn 10 times; \
             stratified by `object_name` where the stimulus set has it; seed 1"
        );
        split.scheme = "validation-is-test".to_owned();
        split.stratify.clear();
        assert_eq!(
            of(&split),
            "validation-is-test: 0.8 of the stimuli to train, the others both to validate and to \
             test; not stratified; seed 1"
        );
    }

    #[test]
    fn axes_of_which_all_have_the_default_are_not_shown() {
        let mut protocol = Protocol::default();
        let has = |protocol: &Protocol, name: &str| {
            protocol.shown().iter().any(|(shown, _)| *shown == name)
        };
        protocol.take(&TrialSpec::default());
        assert!(!has(&protocol, "Linear paths") && !has(&protocol, "Networks of an ensemble"));
        protocol.take(&TrialSpec {
            linear_path: "ridge".to_owned(),
            ensemble: 3,
            ..TrialSpec::default()
        });
        assert!(has(&protocol, "Linear paths") && has(&protocol, "Networks of an ensemble"));
    }
}
