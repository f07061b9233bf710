//! Setting: what all trials of a sweep share (recordings, split, training protocol), as fields of each
//! row and in words.

use crate::text::{list, present};
use nrp_proto::sweep::{Scheme, Subjects};
use nrp_proto::wire::{Duplicates, RecordingsFiles, SplitSpec, SweepSpec, TrainingSpec};
use serde::Serialize;

/// Where rows come from: the sweep, and its recordings as its file names them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Origin {
    /// The sweep's name.
    pub sweep: String,
    /// The sweep's id.
    pub sweep_id: String,
    /// The recordings' file.
    pub recordings: String,
}

impl Origin {
    /// The origin of the rows of a sweep.
    pub fn new(sweep: &str, sweep_id: &str, spec: &SweepSpec) -> Self {
        let files = spec.files.as_ref();
        Self {
            sweep: sweep.to_owned(),
            sweep_id: sweep_id.to_owned(),
            recordings: files.map_or_else(String::new, assemblies),
        }
    }
}

/// What determines a trial and is the same in its whole sweep. A linear baseline has no epochs, batches
/// and patience.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Setting {
    /// The sweep's name.
    pub sweep: String,
    /// The sweep's id.
    pub sweep_id: String,
    /// The recordings' file, as the sweep file names it.
    pub recordings: String,
    /// Digest of the recordings.
    pub recordings_digest: String,
    /// How the stimuli were divided, as the sweep file spells it.
    pub scheme: Option<String>,
    /// Fraction of the stimuli to train on.
    pub train_fraction: f64,
    /// Fraction of the stimuli to validate on.
    pub validation_fraction: f64,
    /// Fraction of the stimuli to test on.
    pub test_fraction: f64,
    /// The column that was asked for; absent if none was.
    pub stratify: Option<String>,
    /// `together` if the split keeps the ids of one picture together; absent if every stimulus is drawn by
    /// itself.
    pub duplicates: Option<String>,
    /// Seed of the split.
    pub split_seed: u64,
    /// Digest of the file that lists the splits; absent where none does.
    pub split_digest: Option<String>,
    /// How activations are scaled.
    pub inputs: Option<String>,
    /// How responses are scaled.
    pub targets: Option<String>,
    /// Stimuli in a batch.
    pub batch_size: Option<u32>,
    /// Limit of epochs.
    pub max_epochs: Option<u32>,
    /// Epochs without a lower validation loss after which training ends; 0 if it never does.
    pub patience: Option<u32>,
}

impl Setting {
    /// The setting of a trial. Names every field of its parts, so that a new field is not forgotten.
    pub fn new(
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
            // An axis.
            number: _,
            duplicates,
            digest,
            // The digest stands for what the file lists.
            order: _,
            splits: _,
        } = split;
        let TrainingSpec {
            batch_size,
            max_epochs,
            patience,
            inputs,
            targets,
            // An axis.
            projection: _,
        } = training;
        Self {
            sweep,
            sweep_id,
            recordings,
            recordings_digest,
            scheme: present(scheme),
            train_fraction: train,
            validation_fraction: validation,
            test_fraction: test,
            stratify: present(stratify),
            duplicates: present(duplicates),
            split_seed: seed,
            split_digest: present(digest),
            inputs: present(inputs),
            targets: present(targets),
            batch_size: of_network.then_some(batch_size),
            max_epochs: of_network.then_some(max_epochs),
            patience: of_network.then_some(patience),
        }
    }
}

/// The names of the files of responses.
fn assemblies(files: &RecordingsFiles) -> String {
    match (&files.train, &files.test) {
        (Some(train), Some(test)) if train.assembly != test.assembly => {
            format!("{} and {}", train.assembly, test.assembly)
        }
        (Some(train), _) => train.assembly.clone(),
        (None, _) => files.assembly.clone(),
    }
}

/// The files that recordings are read from.
pub fn recordings(files: &RecordingsFiles) -> String {
    let RecordingsFiles {
        assembly,
        stimuli,
        images,
        variations,
        axes,
        variable,
        window_ms,
        sites,
        split,
        ceiling,
        time_bin,
        time_bin_id,
        time_bins,
        region,
        subject,
        subjects,
        site_filter,
        train,
        test,
    } = files;
    let own = [assembly, stimuli, images].into_iter();
    let mut parts = vec![list(own.filter(|file| !file.is_empty()))];
    if let (Some(train), Some(test)) = (train, test) {
        let [train, test] = [train, test].map(|files| recordings(files));
        parts = vec![format!("to train, {train}"), format!("to test, {test}")];
    }
    if !variations.is_empty() {
        parts.push(format!("variation levels {}", list(variations)));
    } else if !axes.is_empty() {
        parts.push(format!("arrays of {}", axes.join(" × ")));
    }
    if !variable.is_empty() {
        parts.push(format!("variable {variable}"));
    }
    if let [from, to] = window_ms[..] {
        parts.push(format!("spikes from {from} to {to} ms"));
    }
    if !sites.is_empty() {
        parts.push(format!("sites {}", sites.join("; ")));
    }
    if !site_filter.is_empty() {
        parts.push(format!("sites with {site_filter}"));
    }
    if let [from, to] = time_bin[..] {
        parts.push(format!("mean of time bins from {from} to {to}"));
    } else if let Some(id) = time_bin_id {
        parts.push(format!("time bin {id}"));
    } else if !time_bins.is_empty() {
        parts.push("each time bin a region".to_owned());
    }
    if !region.is_empty() {
        parts.push(format!("all sites in {region}"));
    }
    if !subject.is_empty() {
        parts.push(format!("subject {subject}"));
    } else if subjects == Subjects::Each.name() {
        parts.push("each subject a region".to_owned());
    }
    if !split.is_empty() {
        parts.push(format!("splits {split}"));
    }
    if !ceiling.is_empty() {
        parts.push(format!("ceiling by {ceiling}"));
    }
    parts.join("; ")
}

/// Which pictures are shown under several ids, and what the split does with them.
pub fn same_pictures(duplicates: &Duplicates, split: &SplitSpec) -> String {
    let Duplicates {
        pictures,
        stimuli,
        of_stimuli,
        named,
        torn,
    } = duplicates;
    let split = if split.duplicates.is_empty() {
        format!(
            "{torn} of them are both in training and held out, so scores are better than those of \
             new pictures"
        )
    } else {
        "the split keeps the ids of each together".to_owned()
    };
    let among = if named.len() as u64 == *pictures {
        ""
    } else {
        "among them "
    };
    format!(
        "{stimuli} of {of_stimuli} stimuli show {pictures} pictures ({among}{}); {split}",
        list(named)
    )
}

/// How the stimuli are divided.
pub fn split(split: &SplitSpec) -> String {
    let SplitSpec {
        scheme,
        train,
        validation,
        test,
        stratify,
        seed,
        number: _,
        duplicates,
        order,
        digest,
        splits: _,
    } = split;
    // A scheme from a later version is taken to have one split.
    let known = Scheme::of(split).unwrap_or(Scheme::Holdout);
    let stratified = match stratify.as_str() {
        "" => "not stratified".to_owned(),
        column => format!("stratified by `{column}` where the stimulus set has it"),
    };
    let parts = match known {
        Scheme::ValidationIsTest => {
            format!("{train} of the stimuli to train, the others both to validate and to test")
        }
        Scheme::File => format!("as the file with digest {digest} lists them"),
        Scheme::Given => {
            "the train recordings to train, some of them to validate, the test recordings to \
                          test"
                .to_owned()
        }
        Scheme::BrainScore => {
            let order = match order.as_slice() {
                [] => "id".to_owned(),
                columns => columns.join(", "),
            };
            format!(
                "0.9 of the stimuli to train, some of them to validate, the others to test, drawn in the \
                 order of {order}"
            )
        }
        Scheme::Holdout | Scheme::Shuffle => {
            format!("{train} of the stimuli to train, {validation} to validate, {test} to test")
        }
    };
    let drawn = match split.count() {
        0 | 1 => String::new(),
        splits if known == Scheme::File => format!("; {splits} splits"),
        splits => format!("; drawn {splits} times"),
    };
    let together = if duplicates.is_empty() {
        ""
    } else {
        "; the ids of one picture together"
    };
    if known == Scheme::File {
        return format!(
            "{scheme}: {parts}{drawn}{together}; where it lists none to validate, some of those to train \
             do, drawn by seed {seed}"
        );
    }
    format!("{scheme}: {parts}{drawn}; {stratified}{together}; seed {seed}")
}

/// How NRP networks are trained.
pub fn training(training: &TrainingSpec) -> String {
    let patience = match training.patience {
        0 => "to the last epoch".to_owned(),
        epochs => format!("until the validation loss has not fallen for {epochs} epochs"),
    };
    format!(
        "Adam, batches of {}, at most {} epochs, {patience}, weights of the best epoch kept",
        training.batch_size, training.max_epochs
    )
}
