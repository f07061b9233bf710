//! What can be wrong with recordings, each with the file, the name and what to do about it.
//!
//! No reading in here. The errors are meant for the person whose files they are: they name the
//! stimulus or site as the file spells it, and list only some of many.

use std::path::PathBuf;

use miette::Diagnostic;
use nrp_proto::sweep::{ArrayAxis, MISTAKES_LISTED, ResponseFormat};
use nrp_proto::{did_you_mean, near_miss, plain};
use thiserror::Error;

use super::limits::{MAX_FILE_BYTES, MAX_RESPONSES, MAX_SIDE_PIXELS};
use super::words::{counted, named};

/// Why recordings could not be read.
#[derive(Debug, Error, Diagnostic)]
pub enum RecordingError {
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

    /// The assembly does not start as a netCDF file does.
    #[error("`{}` is not a netCDF file: it starts with {found}", path.display())]
    #[diagnostic(help(
        "the assembly must be netCDF-4 (HDF5), as `to_netcdf(engine=\"netcdf4\")` writes it; a download page or a Git LFS pointer saved under this name looks like this too"
    ))]
    NotNetcdf {
        /// The assembly.
        path: PathBuf,
        /// The first bytes, in words.
        found: String,
    },
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
    /// No variable, or more than one, can be the responses.
    #[error("`{}` has {} of numbers over neuroid x presentation; its variables are {found}", path.display(), match &candidates[..] { [] => "no variable".to_owned(), all => format!("{} variables ({})", all.len(), in_quotes(all)) })]
    #[diagnostic(help("{}", choose(candidates)))]
    NoResponses {
        /// The assembly.
        path: PathBuf,
        /// The names of the variables that could be the responses.
        candidates: Vec<String>,
        /// The variables with their dimensions.
        found: String,
    },
    /// A variable was asked for that cannot be the responses.
    #[error("`{}`: variable {variable} is not numbers over neuroid x presentation", path.display())]
    #[diagnostic(help("{}", choose(candidates)))]
    UnsuitableVariable {
        /// The assembly.
        path: PathBuf,
        /// The variable, with its dimensions and what it has.
        variable: String,
        /// The names of the variables that could be the responses.
        candidates: Vec<String>,
    },
    /// A variable was asked for that the file does not have.
    #[error("`{}` has no variable `{variable}`; its variables are {found}", path.display())]
    #[diagnostic(help("{}{}", choose(candidates), did_you_mean(near.as_deref())))]
    UnknownVariable {
        /// The assembly.
        path: PathBuf,
        /// The name asked for.
        variable: String,
        /// The name that is most like it.
        near: Option<String>,
        /// The names of the variables that could be the responses.
        candidates: Vec<String>,
        /// Every variable with its dimensions.
        found: String,
    },
    /// The responses have an axis that is neither sites nor presentations.
    #[error("`{}`: `{variable}` has {length} entries along `{dimension}`; expected 1", path.display())]
    #[diagnostic(help(
        "average over `{dimension}`, or choose one of its entries by `.isel({dimension}=0)` in place of the mean: `xarray.open_dataset(OLD)[\"{variable}\"].mean(\"{dimension}\").to_netcdf(NEW)`"
    ))]
    TimeBins {
        /// The assembly.
        path: PathBuf,
        /// The variable of responses.
        variable: String,
        /// The superfluous dimension.
        dimension: String,
        /// Its length.
        length: u64,
    },
    /// The responses have no sites or no presentations.
    #[error("`{}`: `{variable}` has no entries along `{dimension}`", path.display())]
    #[diagnostic(help("the selection that produced this assembly was empty; repeat it"))]
    Empty {
        /// The assembly.
        path: PathBuf,
        /// The variable of responses.
        variable: String,
        /// The dimension of length 0.
        dimension: String,
    },
    /// A coordinate that names sites, regions or stimuli is missing.
    #[error("`{}` has no coordinate {wanted} over `{dimension}`; over it there are: {found}", path.display())]
    #[diagnostic(help(
        "write it as a plain variable over `{dimension}` (xarray: `reset_index` before `to_netcdf`){}",
        if *dimension == "neuroid" { "; one word, as in `assembly.assign_coords(region=\"V4\")`, stands for all sites" } else { "" }
    ))]
    NoCoordinate {
        /// The assembly.
        path: PathBuf,
        /// The names it may have.
        wanted: &'static str,
        /// The dimension it must span.
        dimension: &'static str,
        /// The coordinates there are.
        found: String,
    },
    /// A coordinate of the wrong type or length.
    #[error("`{}`: coordinate `{coordinate}` {problem}", path.display())]
    #[diagnostic(help(
        "`{coordinate}` must hold one word or whole number per entry of its dimension"
    ))]
    BadCoordinate {
        /// The assembly.
        path: PathBuf,
        /// Its name.
        coordinate: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A `.npy` or `.npz` that is damaged, or is not a table of responses.
    #[error("`{}`: {problem}", path.display())]
    #[diagnostic(help(
        "an array is stimuli x sites, or repetitions x stimuli x sites, of numbers; a `.npz` has one array per region, named after it"
    ))]
    BadArrays {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Arrays of one file that cannot be regions of the same recordings.
    #[error("`{}`: its arrays differ in repetitions or stimuli: {}", path.display(), arrays.join(", "))]
    #[diagnostic(help(
        "choose one: `variable = \"{first}\"` under `[recordings]`; in `nrp data check`, `--variable {first}`; regions of the same recordings need as many of both, NaN where nothing was recorded"
    ))]
    ArraysDiffer {
        /// The file.
        path: PathBuf,
        /// The arrays, each with its shape.
        arrays: Vec<String>,
        /// The name of the first.
        first: String,
    },
    /// An array was asked for that the file does not have.
    #[error("`{}` has no array `{variable}`; it has {}", path.display(), known.join(", "))]
    #[diagnostic(help(
        "`variable` under `[recordings]` names one of its arrays{}",
        offer(variable, known)
    ))]
    NoArray {
        /// The file.
        path: PathBuf,
        /// The name asked for.
        variable: String,
        /// The arrays there are.
        known: Vec<String>,
    },
    /// Ids beside an array that are not in the order of the stimulus set.
    #[error("`{}`: array `{array}` {problem} in `{}`", path.display(), stimuli.display())]
    #[diagnostic(help(
        "row i of the responses belongs to line i of the stimulus set: bring the lines into the order of the ids, or leave these out of the file if they are of something else"
    ))]
    IdsUnlike {
        /// The file.
        path: PathBuf,
        /// The array of ids.
        array: String,
        /// How it differs.
        problem: String,
        /// The stimulus set.
        stimuli: PathBuf,
    },
    /// An array has other stimuli than the stimulus set.
    #[error("`{}`: array `{array}`, as {axes}, has {} ({sites} sites), `{}` lists {lines}", path.display(), counted(*rows, "stimulus"), stimuli.display())]
    #[diagnostic(help("row i of the array belongs to line i of the stimulus set{}", if sites == lines { "; this one looks transposed: say so with `axes` under `[recordings]`" } else { ", so both need as many" }))]
    RowsUnlike {
        /// The file.
        path: PathBuf,
        /// The array.
        array: String,
        /// How its axes are interpreted.
        axes: String,
        /// Its stimuli.
        rows: usize,
        /// Its sites.
        sites: usize,
        /// The stimulus set.
        stimuli: PathBuf,
        /// Its stimuli.
        lines: usize,
    },
    /// An array with ambiguous axes.
    #[error("`{}`: array `{array}` is {shape} and `{}` lists {}, which fits {}", path.display(), stimuli.display(), counted(*lines, "stimulus"), either(orders))]
    #[diagnostic(help("say which it is: `axes = {}` under `[recordings]` ({}); in `nrp data check`, `--axes {}`", in_toml(&orders[0]), others(&orders[1..]), words(&orders[0]).join(",")))]
    AxesUnclear {
        /// The file.
        path: PathBuf,
        /// The first array.
        array: String,
        /// Its axes' lengths.
        shape: String,
        /// The stimulus set.
        stimuli: PathBuf,
        /// Its stimuli.
        lines: usize,
        /// The orders that its axes may have, two or more.
        orders: Vec<Vec<ArrayAxis>>,
    },
    /// An NWB file without what is read of it.
    #[error("`{}` {problem}", path.display())]
    #[diagnostic(help(
        "an NWB file needs `units` with spike times, and a table of `intervals` with a start and a stimulus per trial; save other responses as `.npz`"
    ))]
    BadNwb {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// An NWB file without a window in which its spikes are counted.
    #[error("`{}` holds spikes, and no window is given in which to count them", path.display())]
    #[diagnostic(help(
        "say it in milliseconds from each trial's start: `window_ms = [70, 170]` under `[recordings]`; in `nrp data check`, `--window-ms 70,170`"
    ))]
    NoWindow {
        /// The file.
        path: PathBuf,
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
    /// An NWB file without the table of trials.
    #[error("`{}` has no table `{table}` of intervals; it has {}", path.display(), if known.is_empty() { "none".to_owned() } else { known.join(", ") })]
    #[diagnostic(help(
        "name the table of trials: `variable = \"{}\"` under `[recordings]`; in `nrp data check`, `--variable`", known.first().map_or("trials", String::as_str)
    ))]
    NoIntervals {
        /// The file.
        path: PathBuf,
        /// The table looked for.
        table: String,
        /// The tables there are.
        known: Vec<String>,
    },
    /// An NWB file whose trials do not say which stimulus they showed.
    #[error("`{}`: table `{table}` has neither a column `stimulus_id` nor `image_id`; its columns are {}", path.display(), columns.join(", "))]
    #[diagnostic(help(
        "name the column that holds the stimulus set's ids: `variable = \"{table}/COLUMN\"` under `[recordings]`; in `nrp data check`, `--variable {table}/COLUMN`"
    ))]
    NoStimulusColumn {
        /// The file.
        path: PathBuf,
        /// The table.
        table: String,
        /// Its columns.
        columns: Vec<String>,
    },
    /// A `.mat` of another version, or another file.
    #[error("`{}` is not a MATLAB file of version 5 or 7.3: it starts with {found}", path.display())]
    #[diagnostic(help(
        "in MATLAB, `save` writes a version that is read, and `save -v4` does not; in Python, `scipy.io.savemat` does, or save the array with `numpy.save`"
    ))]
    NotMatlab {
        /// The file.
        path: PathBuf,
        /// The first bytes, in words.
        found: String,
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
        "give each site a name of its own: `neuroid_id` of an assembly, `sites` of an `.npz`"
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

    /// The stimulus set is not readable as CSV.
    #[error("`{}` is not a readable CSV file", path.display())]
    #[diagnostic(help(
        "it must have a header line and as many fields on each line as in the header"
    ))]
    Csv {
        /// The stimulus set.
        path: PathBuf,
        /// The reader's error, with the line.
        source: csv::Error,
    },
    /// The stimulus set is not text in an encoding that is read.
    #[error("`{}` {problem}", path.display())]
    #[diagnostic(help(
        "save it as UTF-8 (\"CSV UTF-8\" in a spreadsheet, `encoding=\"utf-8\"` in pandas)"
    ))]
    NotText {
        /// The stimulus set.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The stimulus set has no column of ids.
    #[error("`{}` has neither a column `stimulus_id` nor `image_id`; its columns are {}", path.display(), columns.join(", "))]
    #[diagnostic(help("name the column of ids `stimulus_id`{}", offer_column(columns)))]
    NoIdColumn {
        /// The stimulus set.
        path: PathBuf,
        /// The columns there are.
        columns: Vec<String>,
    },
    /// The stimulus set has a header only.
    #[error("`{}` lists no stimulus", path.display())]
    #[diagnostic(help("it needs one line per stimulus below its header"))]
    NoStimuli {
        /// The stimulus set.
        path: PathBuf,
    },
    /// Two columns of one name.
    #[error("`{}`: columns {first} and {second} are both called `{column}`", path.display())]
    #[diagnostic(help("rename or drop one of them: only you know which is meant"))]
    ColumnTwice {
        /// The stimulus set.
        path: PathBuf,
        /// The name.
        column: String,
        /// The place of the earlier, counted from 1.
        first: usize,
        /// The place of the later.
        second: usize,
    },
    /// A line without an id.
    #[error("`{}` line {line}: the id is empty", path.display())]
    #[diagnostic(help("give each stimulus an id, the one the assembly uses"))]
    EmptyId {
        /// The stimulus set.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
    },
    /// Two lines with one id.
    #[error("`{}` line {line}: stimulus `{id}` is already on line {first_line}", path.display())]
    #[diagnostic(help("each stimulus may be listed once"))]
    DuplicateStimulus {
        /// The stimulus set.
        path: PathBuf,
        /// The id.
        id: String,
        /// The line that lists it first.
        first_line: u64,
        /// The line that lists it again.
        line: u64,
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

    /// The zip of images is not readable.
    #[error("`{}` is not a readable zip file", path.display())]
    #[diagnostic(help("{}, or give the folder of unpacked images", zip_advice(source)))]
    Zip {
        /// The zip.
        path: PathBuf,
        /// The reader's error.
        source: zip::result::ZipError,
    },
    /// A zip that would unpack to too many bytes.
    #[error("`{}` is not unpacked: {problem}", path.display())]
    #[diagnostic(help(
        "its entries claim more than their bytes can hold: pack the images again, or give the folder of unpacked images"
    ))]
    ArchiveTooLarge {
        /// The zip.
        path: PathBuf,
        /// What it claims.
        problem: String,
    },
    /// More responses than are read.
    #[error("`{}`: {problem}; the limit is {} responses", path.display(), MAX_RESPONSES)]
    #[diagnostic(help(
        "select the sites and presentations of interest, or average repetitions, before saving"
    ))]
    TooManyResponses {
        /// The file.
        path: PathBuf,
        /// Which table has them, and how many.
        problem: String,
    },
    /// Stimuli without an image.
    #[error("`{}` has no image of {}: {}", images.display(), counted(*count, "stimulus"), named(missing, *count))]
    #[diagnostic(help(
        "an image is looked for under its `filename` (where that is empty, `image_file_name`, then `stimulus_path_within_store`, then the stimulus's id), with .png, .jpg or .jpeg where that is left out; folders in the path must agree as far as both have them, and capitals do not count where only one file is alike"
    ))]
    NoImage {
        /// The zip or folder.
        images: PathBuf,
        /// Some of them, each with the file name looked for.
        missing: Vec<String>,
        /// How many there are.
        count: usize,
    },
    /// Several files could be a stimulus's image.
    #[error("`{}` has several images `{name}` for stimulus `{stimulus}`: {}", images.display(), found.join(", "))]
    #[diagnostic(help(
        "give the path inside the zip or folder in the stimulus set's `filename` column"
    ))]
    AmbiguousImage {
        /// The zip or folder.
        images: PathBuf,
        /// The stimulus.
        stimulus: String,
        /// The name looked for.
        name: String,
        /// Some of the paths found.
        found: Vec<String>,
    },
    /// One file under the paths of several stimuli.
    #[error("`{}` has one image for two stimuli: {}", images.display(), named(found, *count))]
    #[diagnostic(help(
        "give each stimulus the path of its own image; where both did show this one, write the same path at both"
    ))]
    SharedImage {
        /// The zip or folder.
        images: PathBuf,
        /// Some of the files, each with two of its stimuli.
        found: Vec<String>,
        /// How many there are.
        count: usize,
    },
    /// Several images that cannot be used.
    #[error("{count} of {images} images cannot be used{}", listed(problems, *count))]
    #[diagnostic(help(
        "replace them; `nrp data check` says all that is wrong with recordings at once"
    ))]
    BrokenImages {
        /// How many images the stimuli have.
        images: usize,
        /// What is wrong with the first, one by one.
        problems: Vec<String>,
        /// How many cannot be used.
        count: usize,
    },
    /// An image that is larger than any stimulus should be.
    #[error("`{}`: `{file}` of stimulus `{stimulus}` is too large: {size}", images.display())]
    #[diagnostic(help("images are limited to {} MiB in the file and {} pixels a side; scale it down", MAX_FILE_BYTES >> 20, MAX_SIDE_PIXELS))]
    ImageTooLarge {
        /// The zip or folder.
        images: PathBuf,
        /// The file in it.
        file: String,
        /// The stimulus.
        stimulus: String,
        /// The size found, in words.
        size: String,
    },
    /// A file that should be an image and is not.
    #[error("`{}`: `{file}` of stimulus `{stimulus}` is not an image: {found}", images.display())]
    #[diagnostic(help(
        "save it as PNG (`Image.open(f).convert(\"RGB\")` in Pillow); JPEG, TIFF, WebP, JPEG 2000, BMP and GIF are read too"
    ))]
    NoPicture {
        /// The zip or folder.
        images: PathBuf,
        /// The file in it.
        file: String,
        /// The stimulus.
        stimulus: String,
        /// What it is instead, in words.
        found: String,
    },
}

impl RecordingError {
    /// What is wrong with some of `images`, in one error.
    pub(super) fn of_images(mut errors: Vec<Self>, images: usize) -> Self {
        match errors.len() {
            1 => errors.remove(0),
            count => Self::BrokenImages {
                images,
                problems: errors
                    .iter()
                    .take(MISTAKES_LISTED)
                    .map(|error| plain::line(&error.in_full()).into_owned())
                    .collect(),
                count,
            },
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

/// What to do with a zip that is not read.
fn zip_advice(error: &zip::result::ZipError) -> &'static str {
    use zip::result::ZipError;
    match error {
        ZipError::UnsupportedArchive(_)
        | ZipError::CompressionMethodNotSupported(_)
        | ZipError::InvalidPassword => "pack the images again by deflate and without a password",
        // The others are damage, as far as a reader can tell; the list is the zip crate's and open.
        _ => "compare its size or checksum with the source's and copy or download it again",
    }
}

/// A line for each of these, and one that counts the others of `count`.
fn listed(some: &[String], count: usize) -> String {
    let mut lines: Vec<String> = some.iter().map(|one| format!("\n  {one}")).collect();
    if let more @ 1.. = count - some.len() {
        lines.push(format!("\n  and {more} more"));
    }
    lines.concat()
}

fn in_quotes(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

/// How to say which variable has the responses.
fn choose(candidates: &[String]) -> String {
    match candidates {
        [] => "an assembly has a variable whose dimensions are `neuroid` and `presentation`, and perhaps \
               `repetition`, and a `time_bin` of length 1"
            .to_owned(),
        [first, others @ ..] => {
            let others: Vec<String> = others.iter().map(|name| format!("or {name:?}")).collect();
            let others = match &others[..] {
                [] => String::new(),
                others => format!(" ({})", others.join(", ")),
            };
            format!(
                "say which has the responses: `variable = {first:?}` under `[recordings]`{others}; in \
                 `nrp data check`, `--variable {first}`"
            )
        }
    }
}

fn words(order: &[ArrayAxis]) -> Vec<&'static str> {
    order.iter().map(|axis| axis.name()).collect()
}

/// "sites x stimuli, or stimuli x sites".
fn either(orders: &[Vec<ArrayAxis>]) -> String {
    let orders: Vec<String> = orders
        .iter()
        .map(|order| words(order).join(" x "))
        .collect();
    orders.join(", or ")
}

/// `["sites", "stimuli"]`, as a sweep file has it.
fn in_toml(order: &[ArrayAxis]) -> String {
    format!("{:?}", words(order))
}

fn others(orders: &[Vec<ArrayAxis>]) -> String {
    let orders: Vec<String> = orders
        .iter()
        .map(|order| format!("or {}", in_toml(order)))
        .collect();
    orders.join(", ")
}

fn offer(word: &str, candidates: &[String]) -> String {
    did_you_mean(near_miss(word, candidates.iter().map(String::as_str)))
}

fn offer_column(columns: &[String]) -> String {
    let near = ["stimulus_id", "image_id"]
        .iter()
        .find_map(|id| near_miss(id, columns.iter().map(String::as_str)));
    near.map(|near| format!("; is it `{near}`?"))
        .unwrap_or_default()
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
