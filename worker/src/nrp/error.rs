//! Why a trial could not be trained.

use std::any::Any;
use std::error::Error;

use miette::Diagnostic;
use nrp_proto::panics::said;
use thiserror::Error;

/// Why a trial could not be trained.
#[derive(Debug, Error, Diagnostic)]
pub enum TrainError {
    /// The caller asked to stop.
    #[error("training was interrupted after epoch {epoch}")]
    #[diagnostic(help(
        "nothing is kept of an interrupted trial: it starts anew when it is run again"
    ))]
    Interrupted {
        /// The last epoch that was finished.
        epoch: usize,
    },
    /// The loss is no longer a number, or beyond all measure.
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
        "look at that stimulus's image; with `inputs = \"per-unit\"` a unit that hardly varies over the training stimuli is divided by next to nothing: `\"centred\"` does not do so"
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
        "the model itself is fitted and has not diverged: numbers overflow while it predicts; scale `inputs` and `targets`"
    ))]
    NonFinitePrediction {
        /// The stimulus's row in the recordings.
        stimulus: usize,
        /// The site's column in the responses of its region, from 0.
        site: usize,
        /// What is predicted.
        value: f64,
    },
    /// Responses are too large for the network's single precision.
    #[error(
        "responses reach {largest:e} as they are fitted, and networks are trained in single precision, in which squares end at 3e38"
    )]
    #[diagnostic(help("set `targets = \"standardised\"`"))]
    LargeResponses {
        /// The largest magnitude.
        largest: f64,
    },
    /// Code of ours or of a library panicked.
    #[error("the trial ended in a panic: {message}")]
    #[diagnostic(help(
        "this is a fault in nrp or in a library: please report it with the message; other trials go on"
    ))]
    Panicked {
        /// What it said.
        message: String,
    },
    /// A setting no network can be trained with.
    #[error("`{setting}` is {value}")]
    #[diagnostic(help("{setting} must be {wanted}"))]
    Setting {
        /// The key in the sweep file.
        setting: &'static str,
        /// What was found.
        value: String,
        /// What would do.
        wanted: &'static str,
    },
    /// A part of the split holds no response at all.
    #[error("the {part} stimuli hold no response: {stimuli} stimuli, {sites} sites, all missing")]
    #[diagnostic(help(
        "give the split larger `fractions`, or leave out stimuli without recordings; `nrp data check` counts the missing values"
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
        "leave the site out of the recordings, or change the split's `seed`; `nrp data check` counts the missing values per site"
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
        "this is a fault in nrp: the split and the recordings belong to different files"
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
        "unit {unit} of ANN layer {layer} of the layer set has an activation that is no finite number"
    )]
    #[diagnostic(help(
        "check the ANN's weights with `nrp ann verify`; a damaged cache is rebuilt after `--cache` is emptied"
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
        /// What the reader said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// A linear baseline's eigenvalues cannot be had.
    #[error(
        "the spectrum of the training stimuli's activations cannot be had: it does not converge"
    )]
    #[diagnostic(help(
        "scale the activations otherwise (`inputs`), or leave the baseline out of `baselines`"
    ))]
    Spectrum,
    /// There is not enough memory.
    #[error("there is no memory to train with: {reason}")]
    #[diagnostic(help(
        "end what else runs here, give the worker a machine with more memory, or take smaller layer sets, `l1` or `batch_size`"
    ))]
    OutOfMemory {
        /// What is missing, or what the device said.
        reason: String,
    },
    /// The device failed.
    #[error("the device could not give back a result: {reason}")]
    #[diagnostic(help("check the device's memory and driver, or run with `--device flex`"))]
    Device {
        /// What the device said.
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
            | Self::Spectrum => true,
            Self::Interrupted { .. }
            | Self::UnknownStimulus { .. }
            | Self::NonFiniteActivation { .. }
            | Self::Activations { .. }
            | Self::OutOfMemory { .. }
            | Self::Device { .. } => false,
        }
    }

    /// Of a panic: burn's backends panic where a device has no more memory.
    pub(crate) fn of_panic(panic: &(dyn Any + Send)) -> Self {
        let message = said(panic).unwrap_or("no reason given");
        let line = message.lines().next().unwrap_or(message);
        match line.to_lowercase().contains("memory") {
            true => Self::OutOfMemory {
                reason: line.to_owned(),
            },
            false => Self::Panicked {
                message: message.to_owned(),
            },
        }
    }

    /// Wraps what a device said.
    pub(crate) fn device(error: impl Error) -> Self {
        Self::Device {
            reason: error.to_string(),
        }
    }
}
