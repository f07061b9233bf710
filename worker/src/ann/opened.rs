//! An ANN that a sweep names, opened so that its layers are known: built-in ANNs by their name, ONNX networks
//! from their file. Of an ANN that ran elsewhere there is only a file of its activations.

use std::sync::Arc;

use burn::tensor::Device;
use nrp_proto::sweep::DEFAULT_PREPROCESSING;

use crate::digest::FileDigests;
use crate::recording::PictureFacts;

use super::offered::{FEATURES, ONNX, find};
use super::{
    Ann, AnnError, AnnInfo, FeaturesError, FeaturesFile, OnnxFile, OnnxPass, Preprocessing,
    Pruning, Resize, Screen, ScreenError, WeightsSource, preprocessing_id,
};

/// An ANN whose layers are known.
#[derive(Clone, Debug)]
pub enum OpenedAnn {
    /// One that runs here, on images.
    Runs(RunnableAnn),
    /// One that ran elsewhere: its activations.
    Features(Arc<FeaturesFile>),
}

/// An ANN that runs here: its input is known, too.
#[derive(Clone, Debug)]
pub enum RunnableAnn {
    /// One of ours.
    BuiltIn(&'static AnnInfo),
    /// An ONNX file's.
    Onnx {
        /// The file.
        file: Arc<OnnxFile>,
        /// How pixels are preprocessed, which the file does not say.
        preprocessing: Preprocessing,
    },
}

impl OpenedAnn {
    /// The ANN called `name`, or the one that the file in `weights` defines. `preprocessing` is
    /// then a word of the sweep file, possibly empty, or the id made of it.
    ///
    /// # Errors
    /// When there is no such ANN, or its file cannot be used.
    pub fn open(
        name: &str,
        weights: &WeightsSource,
        preprocessing: &str,
    ) -> Result<Self, AnnError> {
        match name {
            FEATURES => Ok(Self::Features(Arc::new(features(weights, preprocessing)?))),
            ONNX => onnx(weights, preprocessing).map(Self::Runs),
            name => find(name).map(Self::built_in),
        }
    }

    /// One of ours.
    pub fn built_in(info: &'static AnnInfo) -> Self {
        Self::Runs(RunnableAnn::BuiltIn(info))
    }

    /// Its name in sweep files and results.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Runs(RunnableAnn::BuiltIn(info)) => info.name,
            Self::Runs(RunnableAnn::Onnx { .. }) => ONNX,
            Self::Features(_) => FEATURES,
        }
    }

    /// Identifies in ids and cache keys what preprocessing makes of `pictures`; empty where activations are
    /// read.
    ///
    /// # Errors
    /// When the pictures cannot be placed on `screen`.
    pub fn preprocessing_id(
        &self,
        order: Resize,
        screen: Option<Screen>,
        pictures: &PictureFacts,
    ) -> Result<String, ScreenError> {
        match self {
            Self::Runs(ann) => {
                preprocessing_id(ann.input(), ann.preprocessing(), order, screen, pictures)
            }
            Self::Features(_) => Ok(String::new()),
        }
    }

    /// Identifies its weights in ids and cache keys; `weights` are those it was opened with. A weights
    /// file is read only where `digests` does not remember it; an ONNX file was hashed as it was
    /// opened. For activations that are read, it is their file's digest.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn weights_digest(
        &self,
        weights: &WeightsSource,
        digests: &mut FileDigests,
    ) -> Result<String, AnnError> {
        match self {
            Self::Runs(RunnableAnn::BuiltIn(info)) => weights.digest(info, digests),
            Self::Runs(RunnableAnn::Onnx { file, .. }) => Ok(file.digest().to_owned()),
            Self::Features(file) => {
                let path = file.path();
                let digest = digests
                    .of(path)
                    .map_err(|source| FeaturesError::Unreadable {
                        path: path.to_owned(),
                        source,
                    });
                Ok(digest?)
            }
        }
    }

    /// Number of activations per stimulus in `layer`.
    ///
    /// # Errors
    /// When the ANN has no such layer.
    pub fn units(&self, layer: &str) -> Result<usize, AnnError> {
        match self {
            Self::Runs(RunnableAnn::BuiltIn(info)) => Ok(info.layer(layer)?.units()),
            Self::Runs(RunnableAnn::Onnx { file, .. }) => Ok(file.shape(layer)?.iter().product()),
            Self::Features(file) => Ok(file.units(layer)?),
        }
    }

    /// The version of the arithmetic that computes `layer`, for its cache key; 0 where it never changed.
    ///
    /// # Errors
    /// When the ANN has no such layer.
    pub fn arithmetic(&self, layer: &str) -> Result<u32, AnnError> {
        match self {
            Self::Runs(RunnableAnn::Onnx { file, .. }) => Ok(file.arithmetic(layer)?),
            Self::Runs(RunnableAnn::BuiltIn(_)) | Self::Features(_) => Ok(0),
        }
    }
}

fn onnx(weights: &WeightsSource, preprocessing: &str) -> Result<RunnableAnn, AnnError> {
    let mode = preprocessing.split(' ').next().unwrap_or_default();
    let mode = match mode {
        "" => DEFAULT_PREPROCESSING,
        word => word,
    };
    match weights {
        WeightsSource::Part { key, .. } => Err(AnnError::KeyOfOnnx { key: key.clone() }),
        WeightsSource::Random(_) => Err(AnnError::RandomOnnx {
            weights: weights.to_string(),
        }),
        WeightsSource::File(path) => Ok(RunnableAnn::Onnx {
            preprocessing: mode.parse()?,
            file: Arc::new(OnnxFile::open(path)?),
        }),
    }
}

fn features(weights: &WeightsSource, preprocessing: &str) -> Result<FeaturesFile, FeaturesError> {
    if !preprocessing.is_empty() {
        let word = preprocessing.to_owned();
        return Err(FeaturesError::Preprocessed { word });
    }
    match weights {
        WeightsSource::Part { key, .. } => Err(FeaturesError::Key { key: key.clone() }),
        WeightsSource::Random(_) => Err(FeaturesError::Random {
            weights: weights.to_string(),
        }),
        WeightsSource::File(path) => FeaturesFile::open(path),
    }
}

impl RunnableAnn {
    /// Height, width and channels of an image.
    pub fn input(&self) -> [usize; 3] {
        match self {
            Self::BuiltIn(info) => info.input,
            Self::Onnx { file, .. } => file.input(),
        }
    }

    /// How pixels are preprocessed.
    pub fn preprocessing(&self) -> Preprocessing {
        match self {
            Self::BuiltIn(info) => info.preprocessing,
            Self::Onnx { preprocessing, .. } => *preprocessing,
        }
    }

    /// Prepares it to compute `layers`, pruned, on `device`; an ONNX network always on the CPU.
    ///
    /// # Errors
    /// When its weights cannot be read, it lacks a layer, or an ONNX net is to be pruned.
    pub fn load(
        &self,
        weights: &WeightsSource,
        pruning: Pruning,
        layers: &[String],
        device: &Device,
    ) -> Result<LoadedAnn, AnnError> {
        match self {
            Self::BuiltIn(info) => Ok(LoadedAnn::BuiltIn {
                ann: Box::new(Ann::load(info, weights, pruning, layers, device)?),
                layers: layers.to_vec(),
            }),
            Self::Onnx { file, .. } => match pruning {
                Pruning::None => Ok(LoadedAnn::Onnx(OnnxPass::new(file, layers)?)),
                Pruning::Layer(sparsity)
                | Pruning::Global(sparsity)
                | Pruning::Checkpoint(sparsity) => Err(AnnError::PrunedOnnx { sparsity }),
            },
        }
    }
}

/// An ANN ready to run on images.
#[derive(Debug)]
pub enum LoadedAnn {
    /// One of ours, and the layers asked for.
    BuiltIn {
        /// The ANN with its weights.
        ann: Box<Ann>,
        /// The layers.
        layers: Vec<String>,
    },
    /// An ONNX net.
    Onnx(OnnxPass),
}

impl LoadedAnn {
    /// The fraction of zeros in the kernels that its file has; `None` for an ONNX network, whose kernels are not
    /// distinguished from other weights.
    pub fn reached_sparsity(&self) -> Option<f64> {
        match self {
            Self::BuiltIn { ann, .. } => Some(ann.reached_sparsity()),
            Self::Onnx(_) => None,
        }
    }

    /// Notices for the user about where in its file the weights were.
    pub fn notices(&self) -> &[String] {
        match self {
            Self::BuiltIn { ann, .. } => ann.notices(),
            Self::Onnx(_) => &[],
        }
    }

    /// The first layer whose kernels its weights file lacks, so that their zeros are not counted.
    pub fn uncounted(&self) -> Option<&str> {
        match self {
            Self::BuiltIn { ann, .. } => ann.uncounted(),
            Self::Onnx(_) => None,
        }
    }

    /// Bytes that each stimulus of a batch takes: intermediate tensors, its image and its activations.
    ///
    /// # Errors
    /// When the ANN lacks a layer.
    pub fn stimulus_bytes(&self) -> Result<usize, AnnError> {
        match self {
            Self::BuiltIn { ann, layers } => ann.stimulus_bytes(layers),
            Self::Onnx(pass) => Ok(pass.stimulus_bytes()),
        }
    }

    /// Computes the activations of the layers it was loaded for.
    ///
    /// # Shapes
    /// - `images`: `[stimuli, height, width, channels]`, preprocessed, row-major
    /// - returns one `[stimuli, units]` per layer, in the order asked for; units in Keras's order
    ///   (height, width, channels), those of an ONNX net in their tensor's own
    ///
    /// # Errors
    /// When the device or an ONNX net's operation fails.
    ///
    /// # Panics
    /// When `images` does not consist of whole images.
    pub fn activations(&self, images: &[f32]) -> Result<Vec<Vec<f32>>, AnnError> {
        match self {
            Self::BuiltIn { ann, layers } => ann.activations(images, layers),
            Self::Onnx(pass) => Ok(pass.run(images)?),
        }
    }
}
