//! What can be wrong with recordings, each with the file, the name and what to do about it.
//!
//! No reading in here. The errors are meant for the person whose files they are: they name the
//! stimulus or site as the file spells it, and list only some of many.

mod arrays;
mod assembly;
mod images;
mod nwb;
mod stimuli;

use std::path::PathBuf;

use miette::Diagnostic;
use nrp_proto::sweep::{MISTAKES_LISTED, ResponseFormat};
use nrp_proto::{did_you_mean, near_miss, plain};
use thiserror::Error;

use super::bins::BinsError;
use super::ceiling::CeilingError;
use super::given::GivenError;
use super::limits::MAX_RESPONSES;
use super::site_filter::FilterError;
use super::subjects::SubjectsError;
use super::words::{counted, named};
pub use arrays::ArraysError;
pub use assembly::AssemblyError;
pub use images::ImagesError;
pub use nwb::NwbError;
pub use stimuli::StimuliError;

/// Why recordings could not be read.
#[derive(Debug, Error, Diagnostic)]
pub enum RecordingError {
    /// What is wrong with a stimulus set.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Stimuli(#[from] StimuliError),
    /// What is wrong with images.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Images(#[from] ImagesError),
    /// What is wrong with arrays.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Arrays(#[from] ArraysError),
    /// What is wrong with an NWB file.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Nwb(#[from] NwbError),
    /// What is wrong with a Brain-Score assembly.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Assembly(#[from] AssemblyError),
    /// The noise ceiling cannot be measured as the sweep file asks.
    #[error("the ceiling of `{}` in region `{region}` cannot be measured", path.display())]
    Ceiling {
        /// The file of responses.
        path: PathBuf,
        /// The region.
        region: String,
        /// Why not.
        #[source]
        #[diagnostic_source]
        source: CeilingError,
    },
    /// The operating system refused a file.
    #[error("cannot read `{}`", path.display())]
    #[diagnostic(help(
        "check that the file exists and may be read; paths in a sweep file are relative to `--data-dir`, and without it to the sweep file"
    ))]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// The file's extension names no format.
    #[error("`{}` is not a file of recordings", path.display())]
    #[diagnostic(help(
        "{}; a stimulus set ends in `.csv`; images are a `.zip` or a folder",
        ResponseFormat::advice(&path.to_string_lossy())
    ))]
    UnknownKind {
        /// The file.
        path: PathBuf,
    },
    /// Two files of one kind, where only one is allowed.
    #[error("`{}` and `{}` are both {kind}", first.display(), second.display())]
    #[diagnostic(help(
        "check one set of recordings at a time: one file of responses, one `.csv`, one `.zip` or folder"
    ))]
    TwoOfAKind {
        /// The kind both are.
        kind: &'static str,
        /// The earlier one.
        first: PathBuf,
        /// The later one.
        second: PathBuf,
    },
    /// No file was given.
    #[error("no file to check")]
    #[diagnostic(help(
        "give responses ({}), a stimulus set (`.csv`), images (`.zip` or a folder), or several of them",
        ResponseFormat::extensions_in_words()
    ))]
    Nothing,
    /// The assembly starts well, but what follows is not readable.
    #[error("`{}` is damaged or incomplete", path.display())]
    #[diagnostic(help(
        "compare its size or checksum with the source's and copy or download it again"
    ))]
    Damaged {
        /// The assembly.
        path: PathBuf,
        /// The reader's error.
        source: netcdf_reader::Error,
    },
    /// Data that a filter has compressed that is not read.
    #[error("`{}` is compressed by {filter}, which is not read", path.display())]
    #[diagnostic(help(
        "compress it by zlib: `xarray.open_dataset(OLD).to_netcdf(NEW, encoding={{\"NAME\": {{\"zlib\": True}}}})`, or `h5repack -f GZIP=4 OLD NEW`; zlib, Zstandard, Blosc, LZ4, LZF, bzip2, bitshuffle and szip are read"
    ))]
    UnreadFilter {
        /// The file.
        path: PathBuf,
        /// The filter.
        filter: String,
        /// The reader's error.
        source: netcdf_reader::Error,
    },
    /// A sound file with a dataset laid out as is not read.
    #[error("`{}` has a {problem}", path.display())]
    #[diagnostic(help(
        "write the file again by `h5repack` of HDF5's tools, or netCDF by `xarray.load_dataset(OLD).to_netcdf(NEW)`"
    ))]
    UnreadLayout {
        /// The file.
        path: PathBuf,
        /// The layout and the dataset.
        problem: String,
    },
    /// A sound file of a kind of HDF5 that is not read.
    #[error("`{}` is HDF5 that is not read", path.display())]
    #[diagnostic(help(
        "write it again in numbers of 16 to 64 bits, with smaller chunks: `xarray.open_dataset(OLD).astype(\"float32\").to_netcdf(NEW)`, or `h5repack OLD NEW`"
    ))]
    UnreadHdf5 {
        /// The file.
        path: PathBuf,
        /// The reader's error.
        source: netcdf_reader::Error,
    },
    /// The netCDF reader failed in a way it does not report.
    #[error("`{}` is damaged: the reader gave up ({reason})", path.display())]
    #[diagnostic(help(
        "compare its size or checksum with the source's and copy or download it again"
    ))]
    ReaderGaveUp {
        /// The assembly.
        path: PathBuf,
        /// The reader's message.
        reason: String,
    },
    /// Time bins that cannot be read as asked.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Bins(#[from] BinsError),
    /// Sites that cannot be chosen by subject as asked.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Subjects(#[from] SubjectsError),
    /// Sites that cannot be chosen by a filter as asked.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Filter(#[from] FilterError),
    /// Two files that are not train and test recordings.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Given(#[from] GivenError),
    /// A region for all sites of a file that says their regions itself.
    #[error("`{}` names the regions of its sites itself{}", path.display(), if known.is_empty() { String::new() } else { format!(": {}", known.join(", ")) })]
    #[diagnostic(help(
        "leave `region` out: it is for files that do not say where their sites are; `regions` chooses among those of a file"
    ))]
    RegionGiven {
        /// The file.
        path: PathBuf,
        /// The regions it names.
        known: Vec<String>,
    },
    /// A window for a file without spikes.
    #[error("`{}` holds responses, not spikes to count in a window", path.display())]
    #[diagnostic(help("leave `window_ms` out: it is for NWB files ({})", ResponseFormat::Nwb.in_words()))]
    NoSpikes {
        /// The file.
        path: PathBuf,
    },
    /// Sites of regions for a file that says them itself.
    #[error("`{}` names the regions of its sites itself", path.display())]
    #[diagnostic(help("leave `sites` out: it is for arrays ({} and {})", ResponseFormat::Arrays.in_words(), ResponseFormat::Matlab.in_words()))]
    NoSites {
        /// The file.
        path: PathBuf,
    },
    /// Axes named for a file that is not an array.
    #[error("`{}` names its axes itself", path.display())]
    #[diagnostic(help("leave `axes` out: it is for arrays ({} and {})", ResponseFormat::Arrays.in_words(), ResponseFormat::Matlab.in_words()))]
    NoArrays {
        /// The file.
        path: PathBuf,
    },
    /// A variable named for a file without any.
    #[error("`{}` has no variables to choose from", path.display())]
    #[diagnostic(help("leave `variable` out: it is for files with several variables"))]
    NoVariables {
        /// The file.
        path: PathBuf,
    },
    /// A `.hdf5` that is not HDF5.
    #[error("`{}` is not an HDF5 file", path.display())]
    #[diagnostic(help(
        "a download page or a Git LFS pointer saved under this name looks like this; download it again"
    ))]
    NotHdf5 {
        /// The file.
        path: PathBuf,
    },
    /// A dataset that `ventral_neural_data.hdf5` has is missing.
    #[error("`{}` has no dataset `{dataset}`; it has {found}", path.display())]
    #[diagnostic(help(
        "a `.hdf5` or `.h5` must be laid out as `ventral_neural_data.hdf5`: `images`, `image_meta`, `neural_meta`, `time_averaged_trial_averaged`, or be an assembly that xarray wrote; save other responses as `.npz`"
    ))]
    NoDataset {
        /// The file.
        path: PathBuf,
        /// The dataset.
        dataset: String,
        /// What the file has instead.
        found: String,
    },
    /// A dataset of another shape or type than in `ventral_neural_data.hdf5`.
    #[error("`{}`: dataset `{dataset}` {problem}", path.display())]
    #[diagnostic(help("store `{dataset}` as `ventral_neural_data.hdf5` does"))]
    BadDataset {
        /// The file.
        path: PathBuf,
        /// The dataset.
        dataset: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A variation level was asked for that no image has.
    #[error("`{}` has no image of variation level {level}", path.display())]
    #[diagnostic(help(
        "its levels are {known:?}; choose among them with `variations` under `[recordings]`, the default is [0, 3]"
    ))]
    UnknownVariation {
        /// The file.
        path: PathBuf,
        /// The level asked for.
        level: u32,
        /// The levels there are.
        known: Vec<u32>,
    },
    /// A file beside one that brings its own.
    #[error("`{}` beside `{}`, which brings its own {kind}", extra.display(), path.display())]
    #[diagnostic(help("leave it out"))]
    Superfluous {
        /// The file that needs no other.
        path: PathBuf,
        /// The other.
        extra: PathBuf,
        /// What the other file would provide.
        kind: &'static str,
    },
    /// Responses without their stimuli and images.
    #[error("`{}` has responses only, neither stimuli nor images", path.display())]
    #[diagnostic(help(
        "name the stimulus set and the images beside it: `stimuli = \"NAME.csv\"` and `images = \"NAME.zip\"` under `[recordings]`"
    ))]
    NoStimulusSet {
        /// The file.
        path: PathBuf,
    },
    /// A region was asked for that the recordings do not have.
    #[error("region `{region}` is not in {recordings}")]
    #[diagnostic(help("its regions are {}{}", known.join(", "), offer(region, known)))]
    UnknownRegion {
        /// The region.
        region: String,
        /// The assembly, or "the simulated recordings".
        recordings: String,
        /// The regions there are.
        known: Vec<String>,
    },
    /// Sites without a single value.
    #[error("`{}`: {} recorded nothing (all values are NaN): {}", path.display(), counted(*count, "site"), named(sites, *count))]
    #[diagnostic(help("drop such sites from the assembly; they cannot be predicted or scored"))]
    SilentSites {
        /// The assembly.
        path: PathBuf,
        /// Some of them.
        sites: Vec<String>,
        /// How many there are.
        count: usize,
    },
    /// Several sites of one name.
    #[error("`{}`: {} named like another: {}", path.display(), counted(*count, "site"), named(sites, *count))]
    #[diagnostic(help(
        "give each site a name of its own: `neuroid_id` of an assembly, which may repeat among subjects where a coordinate `subject` tells them apart; `sites` of an `.npz`"
    ))]
    SitesNamedTwice {
        /// The file.
        path: PathBuf,
        /// Some of the names.
        sites: Vec<String>,
        /// How many sites there are of which another has the name.
        count: usize,
    },
    /// An infinite response.
    #[error("`{}`: site `{site}` has the response {value} to stimulus `{stimulus}`", path.display())]
    #[diagnostic(help("responses must be finite, or NaN where nothing was recorded"))]
    NotFinite {
        /// The assembly.
        path: PathBuf,
        /// The site.
        site: String,
        /// The stimulus.
        stimulus: String,
        /// The value found.
        value: f64,
    },
    /// Stimuli were shown that the stimulus set does not list.
    #[error("{} of `{}` not in `{}`: {}", counted(*count, "stimulus"), assembly.display(), stimuli.display(), named(ids, *count))]
    #[diagnostic(help(
        "use the stimulus set that belongs to this assembly: its `stimulus_id` (or `image_id`) column must list every stimulus shown"
    ))]
    NotListed {
        /// The assembly.
        assembly: PathBuf,
        /// The stimulus set.
        stimuli: PathBuf,
        /// Some of them.
        ids: Vec<String>,
        /// How many there are.
        count: usize,
    },
    /// More responses than are read.
    #[error("`{}`: {problem}; the limit is {} responses", path.display(), MAX_RESPONSES)]
    #[diagnostic(help(
        "of an assembly, only the `regions` and time bins that are named are read; select the sites and presentations of interest, or average repetitions, before saving"
    ))]
    TooManyResponses {
        /// The file.
        path: PathBuf,
        /// Which table has them, and how many.
        problem: String,
    },
}

impl RecordingError {
    /// What is wrong with some of `images`, in one error.
    pub(super) fn of_images(mut errors: Vec<Self>, images: usize) -> Self {
        match errors.len() {
            1 => errors.remove(0),
            count => ImagesError::Broken {
                images,
                problems: errors
                    .iter()
                    .take(MISTAKES_LISTED)
                    .map(|error| plain::line(&error.in_full()).into_owned())
                    .collect(),
                count,
            }
            .into(),
        }
    }

    /// The error and its causes on one line.
    pub(super) fn in_full(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            let said = error.to_string();
            if !text.contains(&said) {
                text = format!("{text}: {said}");
            }
            cause = error.source();
        }
        text
    }
}

fn offer(word: &str, candidates: &[String]) -> String {
    did_you_mean(near_miss(word, candidates.iter().map(String::as_str)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_region_gets_a_near_miss() {
        let error = RecordingError::UnknownRegion {
            region: "v4".to_owned(),
            recordings: "`a.nc`".to_owned(),
            known: vec!["V4".to_owned(), "IT".to_owned()],
        };
        let help = error.help().map(|help| help.to_string());
        assert_eq!(
            help.as_deref(),
            Some("its regions are V4, IT; did you mean `V4`?")
        );
    }
}
