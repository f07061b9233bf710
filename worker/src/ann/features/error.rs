//! What can be wrong with a file of activations, or with a request to it, and what to do about it.

use std::path::PathBuf;

use miette::Diagnostic;
use nrp_proto::did_you_mean;
use thiserror::Error;

use crate::recording::{MAX_RESPONSES_BYTES, RecordingError};

/// Why activations cannot be taken from a file.
#[derive(Debug, Error, Diagnostic)]
pub enum FeaturesError {
    /// No file was named.
    #[error("`features` are defined by their file")]
    #[diagnostic(help("name the file: `nrp ann layers features --weights features.npz`"))]
    NoFile,
    /// A seed in place of a file.
    #[error("`{weights}` is not a file, and `features` have no weights to draw")]
    #[diagnostic(help("name a `.npy`, `.npz` or `.nc` file of activations"))]
    Random {
        /// What the user wrote.
        weights: String,
    },
    /// A key into a file of PyTorch's.
    #[error("`weights_key = \"{key}\"` is for PyTorch's files, not files of activations")]
    #[diagnostic(help("leave `weights_key` out, and name the layers in `layer_sets`"))]
    Key {
        /// The key in the sweep file.
        key: String,
    },
    /// Activations are as they were computed.
    #[error("`features` are read as they are: no image is preprocessed as `{word}`")]
    #[diagnostic(help("leave `preprocessing`, `resize` and `degrees` out"))]
    Preprocessed {
        /// The word in the sweep file or the trial.
        word: String,
    },
    /// There are no weights to prune.
    #[error("`features` have no weights, so they cannot have sparsity {sparsity}")]
    #[diagnostic(help(
        "leave `sparsity` out, and list the activations of each pruned network as an `[[ann]]` of their own"
    ))]
    Pruned {
        /// The sparsity asked for.
        sparsity: f64,
    },
    /// No ANN computes the activations of a file.
    #[error("`{}` holds activations that no ANN computes here: there is nothing to verify", path.display())]
    #[diagnostic(help("`nrp ann layers features --weights FILE` shows what the file holds"))]
    NothingToVerify {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be opened or read.
    #[error("`{}` cannot be read", path.display())]
    #[diagnostic(help("check that the file exists and that you may read it"))]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        #[source]
        source: std::io::Error,
    },
    /// The file is none of the kinds that are read.
    #[error("`{}` is neither NumPy's nor netCDF: it starts with {found}", path.display())]
    #[diagnostic(help(
        "save activations as `numpy.save(\"features.npy\", x)`, as `numpy.savez(\"features.npz\", \
         stimulus_id=ids, LAYER=x)`, or by xarray's `to_netcdf` with a coordinate `stimulus_id`"
    ))]
    Kind {
        /// The file.
        path: PathBuf,
        /// Its first bytes.
        found: String,
    },
    /// An array is damaged, or not laid out as activations are.
    #[error("`{}`: {problem}", path.display())]
    #[diagnostic(help("an array of activations is stimuli x units of numbers; save it again"))]
    Arrays {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The ids of the stimuli cannot be read, or there are two lists of them.
    #[error("`{}`: {problem}", path.display())]
    #[diagnostic(help("{help}"))]
    Ids {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
        /// What to do.
        help: &'static str,
    },
    /// The netCDF file cannot be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Netcdf(#[from] RecordingError),
    /// The netCDF file does not name its stimuli.
    #[error("`{}` has no coordinate `stimulus_id` or `image_id`; it has {found}", path.display())]
    #[diagnostic(help(
        "name the stimuli over a dimension: `assign_coords(stimulus_id=(\"presentation\", ids))`; \
         `reset_index` writes the coordinates of a MultiIndex"
    ))]
    NoIds {
        /// The file.
        path: PathBuf,
        /// Its variables.
        found: String,
    },
    /// The file has no array of activations.
    #[error("`{}` has no layer: {found}", path.display())]
    #[diagnostic(help(
        "a layer is an array of numbers, stimuli x units, or with more axes behind the stimuli"
    ))]
    NoLayers {
        /// The file.
        path: PathBuf,
        /// What it has instead.
        found: String,
    },
    /// Two arrays have one name.
    #[error("`{}` has two layers called `{layer}`", path.display())]
    #[diagnostic(help("give each layer a name of its own"))]
    LayerTwice {
        /// The file.
        path: PathBuf,
        /// The name.
        layer: String,
    },
    /// The file has no such layer.
    #[error("layer `{layer}` is not in `{}`", path.display())]
    #[diagnostic(help(
        "`nrp ann layers features --weights {}` lists its layers{}",
        path.display(), did_you_mean(near.as_deref())
    ))]
    UnknownLayer {
        /// The file.
        path: PathBuf,
        /// What the user wrote.
        layer: String,
        /// The layer that was probably meant.
        near: Option<String>,
    },
    /// What is called so in the file is not a layer.
    #[error("`{layer}` in `{}` is not a layer: {why}", path.display())]
    #[diagnostic(help("`nrp ann layers features --weights {}` lists its layers", path.display()))]
    NotLayer {
        /// The file.
        path: PathBuf,
        /// What the user wrote.
        layer: String,
        /// What it is.
        why: String,
    },
    /// Rows that belong to lines of the stimulus set are more or fewer than its lines.
    #[error(
        "layer `{layer}` in `{}` has {rows} rows, and the stimulus set lists {lines} stimuli",
        path.display()
    )]
    #[diagnostic(help(
        "row i is of line i of the stimulus set, of stimuli never shown too; or save the ids beside, in any \
         order: `numpy.savez(\"features.npz\", stimulus_id=ids, LAYER=x)`"
    ))]
    Rows {
        /// The file.
        path: PathBuf,
        /// The layer.
        layer: String,
        /// Its rows.
        rows: usize,
        /// The stimuli that the stimulus set lists.
        lines: usize,
    },
    /// Stimuli of the recordings have no row.
    #[error("`{}` lacks {count} of the recordings' {of} stimuli: {ids}", path.display())]
    #[diagnostic(help(
        "compute their activations too, or check that the file's ids are those of the stimulus set{}",
        example.as_ref().map_or_else(String::new, |id| format!(" (it has `{id}`)"))
    ))]
    MissingIds {
        /// The file.
        path: PathBuf,
        /// Some of their ids.
        ids: String,
        /// How many they are.
        count: usize,
        /// How many stimuli the recordings have.
        of: usize,
        /// An id that the file has.
        example: Option<String>,
    },
    /// An id stands twice.
    #[error("`{}` has stimulus `{id}` twice, in rows {first} and {second}", path.display())]
    #[diagnostic(help(
        "save one row for each stimulus: average its repetitions, if that is what they are"
    ))]
    IdTwice {
        /// The file.
        path: PathBuf,
        /// The id.
        id: String,
        /// The first of the rows, counted from 1.
        first: usize,
        /// The second.
        second: usize,
    },
    /// An activation cannot be used.
    #[error(
        "layer `{layer}` in `{}` has a value for stimulus `{stimulus}` that is not a finite 32-bit number, \
         {value}",
        path.display()
    )]
    #[diagnostic(help(
        "compute the activations again; leave out the units that have none, or divide those that are too large"
    ))]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The layer.
        layer: String,
        /// The stimulus's id.
        stimulus: String,
        /// The value, as a 32-bit float.
        value: f32,
    },
    /// A layer that must be read whole is too large.
    #[error(
        "layer `{layer}` in `{}` has {bytes} bytes; the limit is {MAX_RESPONSES_BYTES} where it cannot be \
         read by rows",
        path.display()
    )]
    #[diagnostic(help(
        "rows are read one by one from a `.npy` or `.npz` that is neither compressed nor in Fortran's order: \
         `numpy.save(\"LAYER.npy\", numpy.ascontiguousarray(x))`"
    ))]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The layer.
        layer: String,
        /// Its bytes.
        bytes: u64,
    },
}
