//! Setting: what all trials of a sweep share (recordings, split, training protocol), as fields of every
//! row and in words.

use crate::row::text;
use nrp_proto::sweep::Scheme;
use nrp_proto::wire::{Duplicates, RecordingsFiles, SplitSpec, SweepSpec, TrainingSpec};
use serde::Serialize;

/// The sweep that rows are of, and its recordings as its file names them.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Origin {
    pub(crate) sweep: String,
    pub(crate) sweep_id: String,
    pub(crate) recordings: String,
}

impl Origin {
    pub(crate) fn new(sweep: &str, sweep_id: &str, spec: &SweepSpec) -> Self {
        let files = spec.files.as_ref();
        Self {
            sweep: sweep.to_owned(),
            sweep_id: sweep_id.to_owned(),
            recordings: files.map_or_else(String::new, |files| files.assembly.clone()),
        }
    }
}

/// What determines a trial and is the same in its whole sweep. Epochs, batches and patience are absent
/// of a linear baseline.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Setting {
    pub(crate) sweep: String,
    pub(crate) sweep_id: String,
    /// As the sweep's file names them.
    pub(crate) recordings: String,
    pub(crate) recordings_digest: String,
    /// How the stimuli were divided, as the sweep file spells it.
    pub(crate) scheme: Option<String>,
    pub(crate) train_fraction: f64,
    pub(crate) validation_fraction: f64,
    pub(crate) test_fraction: f64,
    /// The column that was asked for; absent where none was.
    pub(crate) stratify: Option<String>,
    /// `together` where the split keeps the ids of one picture together; absent where every stimulus is
    /// drawn by itself.
    pub(crate) duplicates: Option<String>,
    pub(crate) split_seed: u64,
    pub(crate) inputs: Option<String>,
    pub(crate) targets: Option<String>,
    pub(crate) batch_size: Option<u32>,
    pub(crate) max_epochs: Option<u32>,
    pub(crate) patience: Option<u32>,
}

impl Setting {
    /// All fields are named here, so that one that is added is not forgotten.
    pub(crate) fn new(
        origin: &Origin,
        recordings_digest: String,
        split: SplitSpec,
        training: TrainingSpec,
        of_network: bool,
    ) -> Self {
        let Origin {
            sweep,
            sweep_id,
            recordings,
        } = origin.clone();
        let SplitSpec {
            scheme,
            train,
            validation,
            test,
            stratify,
            seed,
            // It differs between trials.
            number: _,
            duplicates,
        } = split;
        let TrainingSpec {
            batch_size,
            max_epochs,
            patience,
            inputs,
            targets,
            // A baseline has it, too; its rows do.
            projection: _,
        } = training;
        Self {
            sweep,
            sweep_id,
            recordings,
            recordings_digest,
            scheme: text(scheme),
            train_fraction: train,
            validation_fraction: validation,
            test_fraction: test,
            stratify: text(stratify),
            duplicates: text(duplicates),
            split_seed: seed,
            inputs: text(inputs),
            targets: text(targets),
            batch_size: of_network.then_some(batch_size),
            max_epochs: of_network.then_some(max_epochs),
            patience: of_network.then_some(patience),
        }
    }
}

/// The files that recordings are read from.
pub(crate) fn recordings(files: &RecordingsFiles) -> String {
    let RecordingsFiles {
        assembly,
        stimuli,
        images,
        variations,
        axes,
    } = files;
    let files = [assembly, stimuli, images].into_iter();
    let files = list(files.filter(|file| !file.is_empty()));
    match (variations.is_empty(), axes.is_empty()) {
        (true, true) => files,
        (true, false) => format!("{files}; arrays of {}", axes.join(" × ")),
        (false, _) => format!("{files}; variation levels {}", list(variations)),
    }
}

/// Which pictures are shown under several ids, and what the split does with them.
pub(crate) fn same_pictures(duplicates: &Duplicates, split: &SplitSpec) -> String {
    let Duplicates {
        pictures,
        stimuli,
        of_stimuli,
        named,
        torn,
    } = duplicates;
    let split = match split.duplicates.is_empty() {
        true => format!(
            "{torn} of them are both in training and held out, so scores are better than those of \
             new pictures"
        ),
        false => "the split keeps the ids of each together".to_owned(),
    };
    let among = match named.len() as u64 == *pictures {
        true => "",
        false => "among them ",
    };
    format!(
        "{stimuli} of {of_stimuli} stimuli show {pictures} pictures ({among}{}); {split}",
        list(named)
    )
}

/// How the stimuli are divided.
pub(crate) fn split(split: &SplitSpec) -> String {
    let SplitSpec {
        scheme,
        train,
        validation,
        test,
        stratify,
        seed,
        number: _,
        duplicates,
    } = split;
    // A word that this version does not know has one split, as far as it knows.
    let known = Scheme::of(split).unwrap_or(Scheme::Holdout);
    let stratified = match stratify.as_str() {
        "" => "not stratified".to_owned(),
        column => format!("stratified by `{column}` where the stimulus set has it"),
    };
    let parts = match known == Scheme::ValidationIsTest {
        true => {
            format!("{train} of the stimuli to train, the others both to validate and to test")
        }
        false => {
            format!("{train} of the stimuli to train, {validation} to validate, {test} to test")
        }
    };
    let drawn = match known.splits() {
        0 | 1 => String::new(),
        splits => format!("; drawn {splits} times"),
    };
    let together = match duplicates.is_empty() {
        true => "",
        false => "; the ids of one picture together",
    };
    format!("{scheme}: {parts}{drawn}; {stratified}{together}; seed {seed}")
}

/// How NRP networks are trained.
pub(crate) fn training(training: &TrainingSpec) -> String {
    let patience = match training.patience {
        0 => "to the last epoch".to_owned(),
        epochs => format!("until the validation loss has not fallen for {epochs} epochs"),
    };
    format!(
        "Adam, batches of {}, at most {} epochs, {patience}, weights of the best epoch kept",
        training.batch_size, training.max_epochs
    )
}

/// Values as a list, a dash where there are none.
pub(crate) fn list(values: impl IntoIterator<Item = impl ToString>) -> String {
    let values: Vec<String> = values.into_iter().map(|value| value.to_string()).collect();
    match values.is_empty() {
        true => "–".to_owned(),
        false => values.join(", "),
    }
}
