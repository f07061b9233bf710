//! What can be wrong with a Brain-Score assembly.

use std::path::PathBuf;

use miette::Diagnostic;
use nrp_proto::did_you_mean;
use thiserror::Error;

/// Why an assembly could not be read.
#[derive(Debug, Error, Diagnostic)]
pub enum AssemblyError {
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
    /// No variable, or more than one, can be the responses.
    #[error("`{}` has {} of numbers over neuroid x presentation; its variables are {found}", path.display(), match &candidates[..] { [] => "no variable".to_owned(), all => format!("{} variables ({})", all.len(), in_quotes(all)) })]
    #[diagnostic(help("{}", if advice.is_empty() { choose(candidates) } else { (*advice).to_owned() }))]
    NoResponses {
        /// The assembly.
        path: PathBuf,
        /// The names of the variables that could be the responses.
        candidates: Vec<String>,
        /// The variables with their dimensions.
        found: String,
        /// What to do about an assembly of another kind; empty where it is of none that is known.
        advice: &'static str,
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
    /// The responses have an axis that is neither sites, presentations, repetitions nor time bins.
    #[error("`{}`: `{variable}` has {length} entries along `{dimension}`; expected 1", path.display())]
    #[diagnostic(help(
        "average over `{dimension}`, or choose one of its entries by `.isel({dimension}=0)` in place of the mean: `xarray.open_dataset(OLD)[\"{variable}\"].mean(\"{dimension}\").to_netcdf(NEW)`; time bins are along `time_bin`"
    ))]
    OtherAxis {
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
        if *dimension == "neuroid" { "; where all sites are in one region, say it: `region = \"V4\"` under `[recordings]`; in `nrp data check`, `--region V4`" } else { "" }
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
    /// Times of bins that contradict each other.
    #[error("`{}`: coordinate `{coordinate}` {problem}", path.display())]
    #[diagnostic(help(
        "a bin ends after it starts, and both ends have one unit: correct `time_bin_start` and `time_bin_end` (or `time_bin_stop`) in the file"
    ))]
    BadTimes {
        /// The assembly.
        path: PathBuf,
        /// Its name.
        coordinate: String,
        /// What is wrong with it.
        problem: String,
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
}

fn in_quotes(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

/// How to say which variable has the responses.
fn choose(candidates: &[String]) -> String {
    match candidates {
        [] => "an assembly has a variable whose dimensions are `neuroid` and `presentation`, and perhaps \
               `repetition` and `time_bin`"
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
