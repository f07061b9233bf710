//! Why a trial could not be trained.

use std::any::Any;
use std::error::Error;

use crate::comparison::ComparisonError;
use miette::Diagnostic;
use nrp_proto::panics::said;
use thiserror::Error;

/// Why a trial could not be trained.
#[derive(Debug, Error, Diagnostic)]
pub enum TrainError {
    /// The caller asked to stop.
    #[error("training was interrupted after epoch {epoch}")]
    #[diagnostic(help(
        "an interrupted trial keeps nothing: it starts from the beginning when it is run again"
    ))]
    Interrupted {
        /// The last epoch that was finished.
        epoch: usize,
    },
    /// The loss is not finite, or absurdly large.
    #[error("training diverged in epoch {epoch} at learning rate {learning_rate:e}: loss {loss:e}")]
    #[diagnostic(help(
        "choose a lower `learning_rate`; with `inputs = \"none\"` large activations have the same effect"
    ))]
    Diverged {
        /// The epoch in which it was noticed, from 1.
        epoch: usize,
        /// The trial's learning rate.
        learning_rate: f64,
        /// The mean squared error found, in fitted target units.
        loss: f64,
    },
    /// A held-out stimulus is so far from the training stimuli that nothing can be predicted for it.
    #[error(
        "unit {unit} of ANN layer {layer} of the layer set has an activation of {value:e} at {part} stimulus {stimulus}, far beyond those of the training stimuli: no response can be predicted there"
    )]
    #[diagnostic(help(
        "look at that stimulus's image; `inputs = \"per-unit\"` divides a unit that hardly varies over the training stimuli by almost nothing, which `\"centred\"` does not"
    ))]
    HeldOutActivation {
        /// `validation` or `test`.
        part: &'static str,
        /// The stimulus's row in the recordings.
        stimulus: usize,
        /// The layer's place in the layer set, from 0.
        layer: usize,
        /// The unit's index in that layer.
        unit: usize,
        /// The activation.
        value: f32,
    },
    /// A prediction is infinite or not a number, although the model was fitted.
    #[error("the fitted model predicts {value} for test stimulus {stimulus} at site {site}")]
    #[diagnostic(help(
        "training did not diverge, but numbers overflow during prediction; scale `inputs` and `targets`"
    ))]
    NonFinitePrediction {
        /// The stimulus's row in the recordings.
        stimulus: usize,
        /// The site's column in the responses of its region, from 0.
        site: usize,
        /// The prediction.
        value: f64,
    },
    /// Responses are too large for the network's single precision.
    #[error(
        "fitted responses reach {largest:e}, too large for single precision, whose squares end at 3e38"
    )]
    #[diagnostic(help("set `targets = \"standardised\"`"))]
    LargeResponses {
        /// The largest magnitude.
        largest: f64,
    },
    /// Code of ours or of a library panicked.
    #[error("the trial ended in a panic: {message}")]
    #[diagnostic(help(
        "this is a bug in nrp or in a library; please report it with the message. Other trials go on"
    ))]
    Panicked {
        /// The panic's message.
        message: String,
    },
    /// A setting that no network can be trained with.
    #[error("`{setting}` is {value}")]
    #[diagnostic(help("{setting} must be {wanted}"))]
    Setting {
        /// The key in the sweep file.
        setting: &'static str,
        /// What was found.
        value: String,
        /// What is allowed.
        wanted: &'static str,
    },
    /// A part of the split holds no response at all.
    #[error("all responses of the {part} stimuli are missing: {stimuli} stimuli, {sites} sites")]
    #[diagnostic(help(
        "use larger `fractions` for the split, or drop stimuli without recordings; `nrp data check` counts the missing values"
    ))]
    NoResponses {
        /// `training`, `validation` or `test`.
        part: &'static str,
        /// Stimuli in that part.
        stimuli: usize,
        /// Recording sites.
        sites: usize,
    },
    /// A site has no response to any training stimulus.
    #[error("site {site} of the region has no response to any of the {stimuli} training stimuli")]
    #[diagnostic(help(
        "drop the site from the recordings, or change the split's `seed`; `nrp data check` counts the missing values per site"
    ))]
    NoTrainingResponses {
        /// The site's column in the responses of its region, from 0.
        site: usize,
        /// How many training stimuli there are.
        stimuli: usize,
    },
    /// A stimulus index points outside the recordings.
    #[error("{part} stimulus {stimulus} is outside the {stimuli} stimuli of the recordings")]
    #[diagnostic(help(
        "this is a bug in nrp: the split and the recordings belong to different files"
    ))]
    UnknownStimulus {
        /// `training`, `validation` or `test`.
        part: &'static str,
        /// The index found.
        stimulus: usize,
        /// How many stimuli the recordings have.
        stimuli: usize,
    },
    /// An activation is infinite or not a number.
    #[error(
        "unit {unit} of ANN layer {layer} of the layer set has an activation that is not finite"
    )]
    #[diagnostic(help(
        "check the ANN's weights with `nrp ann verify`; if the cache is damaged, empty its directory: it is rebuilt"
    ))]
    NonFiniteActivation {
        /// The layer's place in the layer set, from 0.
        layer: usize,
        /// The unit's index in that layer.
        unit: usize,
    },
    /// The activations could not be read.
    #[error("activations of ANN layer {layer} of the layer set cannot be read")]
    #[diagnostic(help(
        "the cause is below; the cache may have been removed under a running worker"
    ))]
    Activations {
        /// The layer's place in the layer set, from 0.
        layer: usize,
        /// The reader's error.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A linear baseline's eigenvalues do not converge.
    #[error(
        "the spectrum of the training stimuli's activations cannot be computed: it does not converge"
    )]
    #[diagnostic(help(
        "scale the activations differently (`inputs`), or leave the baseline out of `baselines`"
    ))]
    Spectrum,
    /// Activations and responses cannot be compared.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Comparison(#[from] ComparisonError),
    /// There is not enough memory.
    #[error("not enough memory to train: {reason}")]
    #[diagnostic(help(
        "stop other programs, use a machine with more memory, or choose smaller layer sets, `l1` or `batch_size`"
    ))]
    OutOfMemory {
        /// What is missing, or the device's error.
        reason: String,
    },
    /// The device failed.
    #[error("the device failed to return a result: {reason}")]
    #[diagnostic(help("check the device's memory and driver, or run with `--device flex`"))]
    Device {
        /// The device's error.
        reason: String,
    },
}

impl TrainError {
    /// Whether the trial itself is at fault, so that it would fail on every machine.
    pub(crate) fn is_of_the_trial(&self) -> bool {
        match self {
            Self::Diverged { .. }
            | Self::HeldOutActivation { .. }
            | Self::NonFinitePrediction { .. }
            | Self::LargeResponses { .. }
            | Self::Panicked { .. }
            | Self::Setting { .. }
            | Self::NoResponses { .. }
            | Self::NoTrainingResponses { .. }
            | Self::Comparison(_)
            | Self::Spectrum => true,
            Self::Interrupted { .. }
            | Self::UnknownStimulus { .. }
            | Self::NonFiniteActivation { .. }
            | Self::Activations { .. }
            | Self::OutOfMemory { .. }
            | Self::Device { .. } => false,
        }
    }

    /// Makes an error of a panic; burn's backends panic where a device runs out of memory.
    pub(crate) fn of_panic(panic: &(dyn Any + Send)) -> Self {
        let message = said(panic).unwrap_or("no reason given");
        let line = message.lines().next().unwrap_or(message);
        if line.to_lowercase().contains("memory") {
            Self::OutOfMemory {
                reason: line.to_owned(),
            }
        } else {
            Self::Panicked {
                message: message.to_owned(),
            }
        }
    }

    /// Wraps a device's error.
    pub(crate) fn device(error: impl Error) -> Self {
        Self::Device {
            reason: error.to_string(),
        }
    }
}
