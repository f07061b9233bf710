//! What can be wrong with arrays of NumPy and MATLAB.

use std::path::PathBuf;

use miette::Diagnostic;
use nrp_proto::sweep::ArrayAxis;
use thiserror::Error;

use super::offer;
use crate::recording::words::counted;

/// Why arrays are not responses.
#[derive(Debug, Error, Diagnostic)]
pub enum ArraysError {
    /// A `.npy` or `.npz` that is damaged, or is not a table of responses.
    #[error("`{}`: {problem}", path.display())]
    #[diagnostic(help(
        "an array is stimuli x sites, or repetitions x stimuli x sites, of numbers; a `.npz` has one array per region, named after it"
    ))]
    Bad {
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
    Differ {
        /// The file.
        path: PathBuf,
        /// The arrays, each with its shape.
        arrays: Vec<String>,
        /// The name of the first.
        first: String,
    },
    /// An array of a kind that is not read.
    #[error("`{}`: array `{array}` holds {what}", path.display())]
    #[diagnostic(help("{how}"))]
    Unread {
        /// The file.
        path: PathBuf,
        /// The array.
        array: String,
        /// What it holds.
        what: String,
        /// What to do.
        how: String,
    },
    /// A file without a table of numbers.
    #[error("`{}` has no table of numbers, stimuli x sites; it has {}", path.display(), if found.is_empty() { "nothing" } else { found })]
    #[diagnostic(help("{}", how.as_deref().unwrap_or("save the responses as an array of numbers, stimuli x sites, under the name of their region")))]
    NoTable {
        /// The file.
        path: PathBuf,
        /// What it has.
        found: String,
        /// What to do, where something in the file could be the responses.
        how: Option<String>,
    },
    /// A file whose tables all have other stimuli than the stimulus set.
    #[error("no array of `{}` has an axis as long as `{}`, which lists {}: {arrays}", path.display(), stimuli.display(), counted(*lines, "stimulus"))]
    #[diagnostic(help(
        "name the stimulus set of one of the arrays: row i of the responses belongs to line i"
    ))]
    NoneFits {
        /// The file.
        path: PathBuf,
        /// The tables.
        arrays: String,
        /// The stimulus set.
        stimuli: PathBuf,
        /// Its stimuli.
        lines: usize,
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
    /// A `.mat` of another version, or another file.
    #[error("`{}` is not a MATLAB file of version 5 or 7.3: it starts with {found}", path.display())]
    #[diagnostic(help(
        "in MATLAB, `save` writes a version that is read, and `save -v4` does not; in Python, `scipy.io.savemat(\"NEW.mat\", scipy.io.loadmat(\"OLD.mat\"))` converts version 4"
    ))]
    NotMatlab {
        /// The file.
        path: PathBuf,
        /// The first bytes, in words.
        found: String,
    },
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
