//! Which of a file's arrays are the responses, which name their sites, and what else there is.

use std::path::Path;

use super::container::{Container, Kind, Listed};
use super::ids::{self, List, Verdict};
use super::{REGIONS, SITES, bad};
use crate::recording::error::RecordingError;
use crate::recording::formats::reading::Asked;
use crate::recording::stimuli::StimulusSet;

/// What each array of a file is, as indices into its list.
#[derive(Default)]
pub(super) struct Parts {
    /// The responses.
    pub(super) tables: Vec<usize>,
    /// The names of sites, and of their regions.
    pub(super) names: Vec<usize>,
    /// Everything else.
    pub(super) beside: Vec<usize>,
}

impl Parts {
    pub(super) fn choose(
        asked: &Asked<'_>,
        container: &dyn Container,
    ) -> Result<Self, RecordingError> {
        let listed = container.listed();
        let mut parts = Self::default();
        for (index, array) in listed.iter().enumerate() {
            let named = [SITES, REGIONS].contains(&array.name.as_str());
            let names_stimuli = ids::names_stimuli(&array.name);
            // A list may be a column, or a row.
            let is_vector = if container.is_workspace() || named || names_stimuli {
                array.long_axes() < 2
            } else {
                array.shape.len() < 2
            };
            match &array.kind {
                Kind::Words if named => parts.names.push(index),
                // Sites may be named by numbers.
                Kind::Numbers if array.name == SITES && is_vector => parts.names.push(index),
                Kind::Other(what) if named || names_stimuli => {
                    let problem = format!("array `{}` holds {what}", array.name);
                    return Err(bad(asked.path, problem));
                }
                Kind::Numbers if names_stimuli => parts.beside.push(index),
                Kind::Numbers if !is_vector && (2..=3).contains(&array.shape.len()) => {
                    parts.tables.push(index);
                }
                Kind::Numbers | Kind::Words | Kind::Other(_) => parts.beside.push(index),
            }
        }
        match &asked.layout.variable {
            Some(variable) => {
                let chosen = listed.iter().position(|array| array.name == *variable);
                let chosen = chosen.ok_or_else(|| no_array(asked.path, variable, listed))?;
                let array = &listed[chosen];
                if array.kind != Kind::Numbers || !(2..=3).contains(&array.shape.len()) {
                    return Err(no_table(asked.path, std::slice::from_ref(array)));
                }
                parts.names.retain(|index| *index != chosen);
                parts.beside.retain(|index| *index != chosen);
                // The others were not asked for: nothing needs to be said of them.
                parts
                    .beside
                    .retain(|index| ids::names_stimuli(&listed[*index].name));
                parts.tables = vec![chosen];
            }
            None if container.is_workspace() => parts.keep_fitting(asked.stimuli, listed),
            None => {}
        }
        match parts.tables[..] {
            [] => Err(no_table(asked.path, listed)),
            _ => Ok(parts),
        }
    }

    /// Of a workspace, keeps the tables that have an axis as long as the stimulus set.
    fn keep_fitting(&mut self, set: Option<&StimulusSet>, listed: &[Listed]) {
        let fits = |index: &usize| {
            let shape = &listed[*index].shape;
            let as_long = |set: &StimulusSet| shape.contains(&set.stimuli.len());
            !shape.contains(&0) && set.is_none_or(as_long)
        };
        let (fitting, others): (Vec<usize>, Vec<usize>) =
            self.tables.iter().partition(|index| fits(index));
        if !fitting.is_empty() {
            self.tables = fitting;
            self.beside.extend(others);
            self.beside.sort_unstable();
        }
    }
}

/// The error that a file has no array called `variable`.
fn no_array(path: &Path, variable: &str, listed: &[Listed]) -> RecordingError {
    RecordingError::NoArray {
        path: path.to_owned(),
        variable: variable.to_owned(),
        known: listed.iter().map(|array| array.name.clone()).collect(),
    }
}

/// The error that a file has no responses.
fn no_table(path: &Path, listed: &[Listed]) -> RecordingError {
    let described = |array: &Listed| match &array.kind {
        Kind::Numbers if ids::names_stimuli(&array.name) => {
            Some(format!("array `{}` names stimuli", array.name))
        }
        Kind::Numbers => Some(misshapen(&array.name, &array.shape)),
        Kind::Words => Some(format!("array `{}` holds words", array.name)),
        Kind::Other(what) => Some(format!("array `{}` holds {what}", array.name)),
    };
    let numbers = |array: &&Listed| array.kind == Kind::Numbers;
    let problem = match listed {
        [single] => described(single),
        _ => listed.iter().find(numbers).and_then(described),
    };
    let none = || "it holds no table of numbers, stimuli x sites".to_owned();
    bad(path, problem.unwrap_or_else(none))
}

pub(super) fn misshapen(name: &str, shape: &[usize]) -> String {
    format!(
        "array `{name}` has {} axes; expected stimuli x sites or repetitions x stimuli x sites",
        shape.len()
    )
}

/// Whether the array at `index` names the stimuli.
///
/// # Errors
/// When it does, and in another order than the stimulus set.
pub(super) fn check_ids(
    asked: &Asked<'_>,
    container: &mut dyn Container,
    index: usize,
) -> Result<bool, RecordingError> {
    let Listed { name, shape, kind } = container.listed()[index].clone();
    let may_name = match kind {
        Kind::Words => container.listed()[index].long_axes() == 1,
        Kind::Numbers => ids::names_stimuli(&name),
        Kind::Other(_) => false,
    };
    let entries = shape.iter().try_fold(1_usize, |n, of| n.checked_mul(*of));
    let meant = ids::names_stimuli(&name) && !container.is_workspace();
    let as_long = |set: &&StimulusSet| entries == Some(set.stimuli.len());
    let set = asked
        .stimuli
        .filter(|set| may_name && (meant || as_long(set)));
    let Some(set) = set else {
        return Ok(false);
    };
    let array = container
        .load(index)
        .map_err(|problem| bad(asked.path, problem))?;
    let (name, entries) = (&*name, &array.entries);
    match (List { name, entries }).compared(set) {
        Verdict::Agrees => Ok(true),
        Verdict::Unrelated => Ok(false),
        Verdict::Differs(problem) => Err(RecordingError::IdsUnlike {
            path: asked.path.to_owned(),
            array: name.to_owned(),
            problem,
            stimuli: set.path.clone(),
        }),
    }
}
