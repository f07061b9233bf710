//! Which variable of a file has the responses, and where its axes are.

use std::path::Path;

use nrp_proto::near_miss;

use super::file::File;
use super::variable::{Content, Variable};
use super::{NEUROID, PRESENTATION, REPETITIONS, TIME_BIN};
use crate::recording::error::{AssemblyError, RecordingError};

/// Most entries along an axis, and most time bins.
const ENTRIES_MAX: u64 = 1 << 24;
const BINS_MAX: u64 = 100_000;
/// Most responses in a file, whether they are read or not: a damaged header may claim any number.
const STORED_MAX: u64 = 1 << 36;

/// The variable with the responses.
pub(super) struct Responses {
    pub(super) variable: Variable,
    pub(super) sites: Extent,
    pub(super) presentations: Extent,
    /// One, unless repetitions have an axis of their own.
    pub(super) repetitions: Extent,
    /// One, unless there is an axis of time bins.
    pub(super) bins: Extent,
    /// What the user should know.
    pub(super) notices: Vec<String>,
}

/// Which axis of the variable it is, and how long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    /// `None` where the variable has no such axis.
    pub(super) axis: Option<usize>,
    pub(super) length: usize,
}

/// The responses of a file: the variable that is `asked` for, or the only one that can be them.
///
/// # Errors
/// When there is none, or more than one, or it has an axis that cannot be read.
pub(super) fn of(
    file: &File,
    path: &Path,
    asked: Option<&str>,
) -> Result<Responses, RecordingError> {
    let (variable, notices) = match asked {
        Some(asked) => (named(file, path, asked)?, Vec::new()),
        None => only(file, path)?,
    };
    refuse_shape(path, variable)?;
    let extent = |axis: Option<usize>| Extent {
        axis,
        length: axis.map_or(1, |axis| variable.axes[axis].length as usize),
    };
    Ok(Responses {
        sites: extent(variable.axis(NEUROID)),
        presentations: extent(variable.axis(PRESENTATION)),
        repetitions: extent(repetitions(variable)),
        bins: extent(variable.axis(TIME_BIN)),
        variable: variable.clone(),
        notices,
    })
}

/// The variable of this name, which must be able to be the responses.
fn named<'f>(file: &'f File, path: &Path, asked: &str) -> Result<&'f Variable, RecordingError> {
    let asked = asked.trim_start_matches('/');
    if let Some(error) = file.unreadable(asked) {
        return Err(error);
    }
    let mut variables = file.variables().iter();
    match variables.find(|variable| variable.name == asked) {
        Some(variable) if can_be(variable) => Ok(variable),
        Some(variable) => Err(AssemblyError::UnsuitableVariable {
            path: path.to_owned(),
            variable: format!("{} {}", variable.described(), said(&variable.content)),
            candidates: candidates(file),
        }
        .into()),
        None => {
            let names = file
                .variables()
                .iter()
                .map(|variable| variable.name.as_str());
            Err(AssemblyError::UnknownVariable {
                path: path.to_owned(),
                variable: asked.to_owned(),
                near: near_miss(asked, names).map(str::to_owned),
                candidates: candidates(file),
                found: described(file),
            }
            .into())
        }
    }
}

/// The only variable that can be the responses: in the root group, or else in any other.
fn only<'f>(file: &'f File, path: &Path) -> Result<(&'f Variable, Vec<String>), RecordingError> {
    let possible: Vec<&Variable> = file.variables().iter().filter(|of| can_be(of)).collect();
    let in_root = possible.iter().filter(|of| of.group().is_empty());
    let in_root: Vec<&Variable> = in_root.copied().collect();
    let chosen = if in_root.is_empty() {
        &possible
    } else {
        &in_root
    };
    let [variable] = chosen[..] else {
        if possible.is_empty()
            && let Some(error) = file.any_unreadable()
        {
            return Err(error);
        }
        return Err(AssemblyError::NoResponses {
            path: path.to_owned(),
            candidates: candidates(file),
            found: described(file),
            advice: advice(file),
        }
        .into());
    };
    let others = possible.iter().filter(|of| of.name != variable.name);
    let others: Vec<String> = others.map(|of| format!("`{}`", of.name)).collect();
    let mut notices = Vec::new();
    if !others.is_empty() {
        notices.push(format!(
            "`{}` is read; in groups there are {} (`variable` chooses)",
            variable.name,
            others.join(", ")
        ));
    }
    let masks = file
        .variables()
        .iter()
        .filter(|of| is_mask_of(of, variable));
    notices.extend(masks.map(|mask| {
        let (mask, of) = (&mask.name, &variable.name);
        format!("`{mask}`, true or false for each response, is not applied to `{of}`")
    }));
    Ok((variable, notices))
}

/// The axis of repetitions, if they have one.
fn repetitions(variable: &Variable) -> Option<usize> {
    REPETITIONS.iter().find_map(|of| variable.axis(of))
}

/// Whether a variable can be the responses.
fn can_be(variable: &Variable) -> bool {
    variable.content == Content::Numbers && is_over_both(variable)
}

fn is_mask_of(variable: &Variable, responses: &Variable) -> bool {
    variable.content == Content::Booleans
        && is_over_both(variable)
        && variable.group() == responses.group()
}

fn is_over_both(variable: &Variable) -> bool {
    let has_one = |dimension: &str| {
        let axes = variable.axes.iter();
        let axes = axes.filter(|axis| axis.name.as_deref() == Some(dimension));
        axes.count() == 1
    };
    has_one(NEUROID) && has_one(PRESENTATION)
}

fn candidates(file: &File) -> Vec<String> {
    let possible = file.variables().iter().filter(|of| can_be(of));
    possible.map(|of| of.name.clone()).collect()
}

/// What to do about an assembly of a kind that has no responses.
fn advice(file: &File) -> &'static str {
    let has = |dimension| {
        let mut variables = file.variables().iter();
        variables.any(|of| of.axis(dimension).is_some())
    };
    if has("event") {
        "this is an assembly of spikes, one event each: count them in a window after each presentation and save \
         the counts over `presentation` x `neuroid`, or give the spikes as NWB, which are counted here \
         (`window_ms`)"
    } else if has(PRESENTATION) && !has(NEUROID) {
        "an assembly of behaviour has no sites to predict: name the assembly of neural recordings to the same \
         stimuli"
    } else {
        ""
    }
}

fn described(file: &File) -> String {
    let all: Vec<String> = file.variables().iter().map(Variable::described).collect();
    match &all[..] {
        [] => "none".to_owned(),
        all => all.join(", "),
    }
}

/// What a variable has instead of numbers.
fn said(content: &Content) -> String {
    match content {
        Content::Numbers => "of numbers".to_owned(),
        Content::Booleans => "of true and false".to_owned(),
        Content::Enumeration(_) | Content::Words | Content::Characters => "of words".to_owned(),
        Content::Other(what) => format!("which {what}"),
    }
}

/// Refuses responses of a shape that cannot be read: empty, with another axis, or too large.
fn refuse_shape(path: &Path, variable: &Variable) -> Result<(), RecordingError> {
    let name = &variable.name;
    let path = path.to_owned();
    let repetitions = repetitions(variable);
    for (at, axis) in variable.axes.iter().enumerate() {
        let dimension = axis.name.as_deref().unwrap_or("an axis without a name");
        let is_of = |of: &str| axis.name.as_deref() == Some(of);
        let is_bins = is_of(TIME_BIN) && variable.axis(TIME_BIN) == Some(at);
        let is_known = is_of(NEUROID) || is_of(PRESENTATION) || repetitions == Some(at) || is_bins;
        if axis.length == 0 {
            return Err(AssemblyError::Empty {
                path,
                variable: name.clone(),
                dimension: dimension.to_owned(),
            }
            .into());
        }
        if !is_known && axis.length != 1 {
            return Err(AssemblyError::OtherAxis {
                path,
                variable: name.clone(),
                dimension: dimension.to_owned(),
                length: axis.length,
            }
            .into());
        }
        let most = if is_bins { BINS_MAX } else { ENTRIES_MAX };
        if axis.length > most {
            let problem = format!("`{name}` has {} entries along `{dimension}`", axis.length);
            return Err(RecordingError::TooManyResponses { path, problem });
        }
    }
    // Each presentation has a name, those along an axis of repetitions, too.
    let length = |axis: Option<usize>| axis.map_or(1, |axis| variable.axes[axis].length);
    let (repetitions, presentations) = (length(repetitions), length(variable.axis(PRESENTATION)));
    if repetitions * presentations > ENTRIES_MAX {
        let problem = format!(
            "`{name}` has {repetitions} x {presentations} presentations, of which {ENTRIES_MAX} can be named"
        );
        return Err(RecordingError::TooManyResponses { path, problem });
    }
    let lengths = || variable.axes.iter().map(|axis| axis.length);
    let responses = lengths().try_fold(1_u64, |n, length| n.checked_mul(length));
    if responses.is_none_or(|n| n > STORED_MAX) {
        let lengths: Vec<String> = lengths().map(|length| length.to_string()).collect();
        let problem = format!("`{name}` is {}", lengths.join(" x "));
        return Err(RecordingError::TooManyResponses { path, problem });
    }
    Ok(())
}
