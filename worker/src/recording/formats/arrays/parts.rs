//! Which of a file's arrays are the responses, which name their sites, and what else there is.

use std::path::Path;

use super::container::{Container, Kind, Listed, Unread};
use super::ids::{self, List, Verdict};
use super::{REGIONS, SITES, bad};
use crate::recording::error::{ArraysError, RecordingError};
use crate::recording::formats::reading::Asked;
use crate::recording::stimuli::StimulusSet;
use crate::recording::words::some_of;

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
                // Of a workspace only the array that is asked for must be understood.
                Kind::Other(unread)
                    if (named || names_stimuli)
                        && !(container.is_workspace() && asked.layout.variable.is_some()) =>
                {
                    return Err(not_read(asked.path, &array.name, unread));
                }
                Kind::Numbers if names_stimuli => parts.beside.push(index),
                Kind::Numbers | Kind::Booleans
                    if !is_vector && (2..=3).contains(&array.shape.len()) =>
                {
                    parts.tables.push(index);
                }
                Kind::Numbers | Kind::Booleans | Kind::Words | Kind::Other(_) => {
                    parts.beside.push(index);
                }
            }
        }
        match &asked.layout.variable {
            Some(variable) => {
                let chosen = listed.iter().position(|array| array.name == *variable);
                let chosen = chosen.ok_or_else(|| no_array(asked.path, variable, listed))?;
                let array = &listed[chosen];
                let is_table = match array.kind {
                    Kind::Numbers | Kind::Booleans => (2..=3).contains(&array.shape.len()),
                    Kind::Words | Kind::Other(_) => false,
                };
                if !is_table {
                    return Err(no_table(asked, std::slice::from_ref(array)));
                }
                parts.names.retain(|index| *index != chosen);
                parts.beside.retain(|index| *index != chosen);
                // The others were not asked for; a list of words may still show that the rows are in another order.
                let may_name =
                    |array: &Listed| ids::names_stimuli(&array.name) || array.kind == Kind::Words;
                parts.beside.retain(|index| may_name(&listed[*index]));
                parts.tables = vec![chosen];
            }
            None => {
                if container.is_workspace() {
                    parts.keep_fitting(asked, listed)?;
                }
                parts.leave_out_masks(listed);
            }
        }
        match parts.tables[..] {
            [] => Err(no_table(asked, listed)),
            _ => Ok(parts),
        }
    }

    /// Of a workspace, keeps the tables that have an axis as long as the stimulus set. A single one is kept
    /// whatever it has, for its own error.
    fn keep_fitting(&mut self, asked: &Asked<'_>, listed: &[Listed]) -> Result<(), RecordingError> {
        let fits = |index: &usize| {
            let shape = &listed[*index].shape;
            let as_long = |set: &StimulusSet| shape.contains(&set.stimuli.len());
            !shape.contains(&0) && asked.stimuli.is_none_or(as_long)
        };
        let (fitting, others): (Vec<usize>, Vec<usize>) =
            self.tables.iter().partition(|index| fits(index));
        if !fitting.is_empty() {
            self.tables = fitting;
            self.beside.extend(others);
            self.beside.sort_unstable();
        } else if let (Some(set), [_, _, ..]) = (asked.stimuli, &others[..]) {
            return Err(ArraysError::NoneFits {
                path: asked.path.to_owned(),
                arrays: shown(others.iter().map(|index| &listed[*index])),
                stimuli: set.path.clone(),
                lines: set.stimuli.len(),
            }
            .into());
        }
        Ok(())
    }

    /// Beside numbers, true and false are no responses.
    fn leave_out_masks(&mut self, listed: &[Listed]) {
        let is_mask = |index: &usize| listed[*index].kind == Kind::Booleans;
        let (masks, tables): (Vec<usize>, Vec<usize>) =
            self.tables.iter().partition(|of| is_mask(of));
        if !tables.is_empty() {
            self.tables = tables;
            self.beside.extend(masks);
            self.beside.sort_unstable();
        }
    }
}

/// The error that a file has no array called `variable`.
fn no_array(path: &Path, variable: &str, listed: &[Listed]) -> RecordingError {
    RecordingError::from(ArraysError::NoArray {
        path: path.to_owned(),
        variable: variable.to_owned(),
        known: listed.iter().map(|array| array.name.clone()).collect(),
    })
}

/// The error that an array is not read.
fn not_read(path: &Path, array: &str, unread: &Unread) -> RecordingError {
    let Unread { what, how } = unread.clone();
    ArraysError::Unread {
        path: path.to_owned(),
        array: array.to_owned(),
        what,
        how,
    }
    .into()
}

/// The error that a file, or the array that was asked for, has no responses.
fn no_table(asked: &Asked<'_>, listed: &[Listed]) -> RecordingError {
    let path = asked.path;
    if let [Listed { name, shape, kind }] = listed {
        match kind {
            Kind::Other(unread) => return not_read(path, name, unread),
            Kind::Words => return bad(path, format!("array `{name}` holds words")),
            Kind::Numbers if ids::names_stimuli(name) => {
                return bad(path, format!("array `{name}` names stimuli"));
            }
            Kind::Numbers | Kind::Booleans if !(2..=3).contains(&shape.len()) => {
                let axes = shape.len();
                let problem = format!(
                    "array `{name}` has {axes} axes; expected stimuli x sites or repetitions x stimuli x sites"
                );
                return bad(path, problem);
            }
            Kind::Numbers | Kind::Booleans => {}
        }
    }
    // The responses of a single site, or the first array that could be converted.
    let lists = listed.iter().filter(|array| {
        let is_list = array.kind == Kind::Numbers && (2..=3).contains(&array.shape.len());
        let as_long = |set: &StimulusSet| array.shape.contains(&set.stimuli.len());
        is_list && !ids::names_stimuli(&array.name) && asked.stimuli.is_none_or(as_long)
    });
    let mut list = lists.map(|array| {
        let name = &array.name;
        format!(
            "if `{name}` has the responses of a single site, name it: `variable = {name:?}` under \
             `[recordings]`; in `nrp data check`, `--variable {name}`"
        )
    });
    let mut unread = listed.iter().filter_map(|array| match &array.kind {
        Kind::Other(unread) => Some(format!(
            "`{}` is {}; {}",
            array.name, unread.what, unread.how
        )),
        Kind::Numbers | Kind::Booleans | Kind::Words => None,
    });
    ArraysError::NoTable {
        path: path.to_owned(),
        found: shown(listed),
        how: list.next().or_else(|| unread.next()),
    }
    .into()
}

/// "`V4` (60 x 12), `fs` (a number) and 3 more".
pub(super) fn shown<'l>(arrays: impl IntoIterator<Item = &'l Listed>) -> String {
    let (some, count) = some_of(arrays.into_iter().map(Listed::shown));
    let more = match count - some.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{more}", some.join(", "))
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
        Kind::Numbers | Kind::Booleans => ids::names_stimuli(&name),
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
        Verdict::Differs(problem) => Err(ArraysError::IdsUnlike {
            path: asked.path.to_owned(),
            array: name.to_owned(),
            problem,
            stimuli: set.path.clone(),
        }
        .into()),
    }
}
