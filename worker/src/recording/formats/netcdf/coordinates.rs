//! Coordinates: the variables that name the entries of the responses' axes, in their group or one around it.

use std::path::Path;

use super::file::File;
use super::packing::Odd;
use super::variable::{Content, Variable};
use crate::recording::error::{AssemblyError, RecordingError};
use crate::recording::site_filter::Column;

/// The words of a coordinate, if there is one.
type Words = Result<Option<Vec<String>>, RecordingError>;
/// The numbers of a coordinate, if there is one that has them.
type Numbers = Result<Option<Vec<f64>>, RecordingError>;

/// Looks for coordinates of responses.
pub(super) struct Coordinates<'a> {
    pub(super) path: &'a Path,
    pub(super) file: &'a File,
    /// The group of the responses; empty for the root.
    pub(super) group: &'a str,
}

impl Coordinates<'_> {
    /// The first coordinate of `names` that spans `dimension`, as words; `None` if there is none.
    pub(super) fn words(&self, names: &[&str], dimension: &'static str, length: usize) -> Words {
        let Some(variable) = self.find(names, dimension)? else {
            return Ok(None);
        };
        if variable.axes[0].length != length as u64 {
            let entries = variable.axes[0].length;
            let problem = format!("has {entries} entries, `{dimension}` has {length}");
            return Err(self.bad(&variable.name, problem));
        }
        match self.file.words(variable)? {
            Ok(words) => Ok(Some(words)),
            Err(problem) => Err(self.bad(&variable.name, problem)),
        }
    }

    /// The same as a label that may be missing: numbers with a decimal point, which pandas writes for a column
    /// with gaps, are labels too, and one of another kind or length is none.
    pub(super) fn labels(&self, names: &[&str], dimension: &'static str, length: usize) -> Words {
        let Some(variable) = self.find(names, dimension)? else {
            return Ok(None);
        };
        if let Ok(words) = self.file.words(variable)? {
            return Ok((words.len() == length).then_some(words));
        }
        let numbers = self.of_numbers(variable)?;
        let numbers = numbers.filter(|numbers| numbers.len() == length);
        Ok(numbers.map(|numbers| numbers.iter().map(f64::to_string).collect()))
    }

    /// Whether the first coordinate of `names` that spans `dimension` is stored as text.
    pub(super) fn are_text(
        &self,
        names: &[&str],
        dimension: &'static str,
    ) -> Result<bool, RecordingError> {
        let found = self.find(names, dimension)?;
        Ok(found.is_some_and(|of| matches!(of.content, Content::Words | Content::Characters)))
    }

    /// The numbers of the first coordinate of `names` that spans `dimension`; `None` if there is none, or it has
    /// none.
    pub(super) fn numbers(
        &self,
        names: &[&str],
        dimension: &'static str,
        length: usize,
    ) -> Numbers {
        let Some(variable) = self.find(names, dimension)? else {
            return Ok(None);
        };
        let numbers = self.of_numbers(variable)?;
        Ok(numbers.filter(|numbers| numbers.len() == length))
    }

    /// The numbers of a variable; `None` if it has something else.
    pub(super) fn of_numbers(&self, variable: &Variable) -> Numbers {
        match variable.content {
            Content::Numbers => {
                let mut odd = Odd::default();
                let stored = self.file.numbers(variable)?.into_iter();
                let unpacked = stored.map(|value| variable.packing.unpack(value, &mut odd));
                Ok(Some(unpacked.collect()))
            }
            Content::Booleans
            | Content::Enumeration(_)
            | Content::Words
            | Content::Characters
            | Content::Other(_) => Ok(None),
        }
    }

    /// The coordinate `name` over `dimension`, as sites are filtered by it; `None` if there is none.
    pub(super) fn column(
        &self,
        name: &str,
        dimension: &'static str,
        length: usize,
    ) -> Result<Option<Column>, RecordingError> {
        let Some(variable) = self.find(&[name], dimension)? else {
            return Ok(None);
        };
        let column = match self.of_numbers(variable)? {
            Some(values) => Column::Numbers {
                values,
                rounded: if variable.packing.is_scaled() {
                    |number| number
                } else {
                    variable.rounded
                },
            },
            None => match (self.file.words(variable)?, &variable.content) {
                (Ok(words), Content::Booleans) => {
                    let word = |word: &String| if word == "0" { "False" } else { "True" };
                    Column::Words(words.iter().map(|of| word(of).to_owned()).collect())
                }
                (Ok(words), _) => Column::Words(words),
                (Err(problem), _) => return Err(self.bad(name, problem)),
            },
        };
        let entries = match &column {
            Column::Numbers { values, .. } => values.len(),
            Column::Words(words) => words.len(),
        };
        if entries != length {
            let problem = format!("has {entries} entries, `{dimension}` has {length}");
            return Err(self.bad(name, problem));
        }
        Ok(Some(column))
    }

    /// The names of the coordinates over `dimension`, in the responses' group or one around it.
    pub(super) fn over(&self, dimension: &str) -> Vec<String> {
        let is_around = |group: &str| {
            group.is_empty() || self.group == group || self.group.starts_with(&format!("{group}/"))
        };
        let variables = self.file.variables().iter();
        let over = variables.filter(|of| of.spans(dimension) && is_around(of.group()));
        let names = over.map(|of| of.name.rsplit('/').next().unwrap_or(&of.name).to_owned());
        names.collect()
    }

    /// A coordinate that xarray named after its dimension because it was the only one, with its name. One
    /// that has neither words nor whole numbers is none.
    pub(super) fn only(
        &self,
        names: &[&str],
        dimension: &'static str,
        length: usize,
    ) -> Result<Option<(String, Vec<String>)>, RecordingError> {
        let Some(variable) = self.find(names, dimension)? else {
            return Ok(None);
        };
        match self.file.words(variable)? {
            Ok(words) if words.len() == length => Ok(Some((variable.name.clone(), words))),
            Ok(_) | Err(_) => Ok(None),
        }
    }

    /// The only entry of the variable `name` without axes, if there is such a variable.
    pub(super) fn single_word(&self, name: &str) -> Result<Option<String>, RecordingError> {
        let Some(variable) = self.find_any(&[name], |variable| variable.axes.is_empty())? else {
            return Ok(None);
        };
        match self.file.words(variable)? {
            Ok(words) => Ok(words.into_iter().next()),
            Err(problem) => Err(self.bad(name, problem)),
        }
    }

    /// The variable of one of `names` that `spans`, in the responses' group or the nearest one around it.
    pub(super) fn find_any(
        &self,
        names: &[&str],
        spans: impl Fn(&Variable) -> bool,
    ) -> Result<Option<&Variable>, RecordingError> {
        let mut group = self.group;
        loop {
            for name in names {
                let path = match group {
                    "" => (*name).to_owned(),
                    group => format!("{group}/{name}"),
                };
                if let Some(error) = self.file.unreadable(&path) {
                    return Err(error);
                }
                let mut variables = self.file.variables().iter();
                if let Some(found) = variables.find(|of| of.name == path && spans(of)) {
                    return Ok(Some(found));
                }
            }
            group = match (group, group.rsplit_once('/')) {
                ("", _) => return Ok(None),
                (_, Some((above, _))) => above,
                (_, None) => "",
            };
        }
    }

    fn find(&self, names: &[&str], dimension: &str) -> Result<Option<&Variable>, RecordingError> {
        self.find_any(names, |variable| variable.spans(dimension))
    }

    pub(super) fn bad(&self, name: &str, problem: String) -> RecordingError {
        RecordingError::from(AssemblyError::BadCoordinate {
            path: self.path.to_owned(),
            coordinate: name.to_owned(),
            problem,
        })
    }

    pub(super) fn bad_times(&self, name: &str, problem: String) -> RecordingError {
        RecordingError::from(AssemblyError::BadTimes {
            path: self.path.to_owned(),
            coordinate: name.to_owned(),
            problem,
        })
    }

    pub(super) fn missing(&self, wanted: &'static str, dimension: &'static str) -> RecordingError {
        let variables = self.file.variables().iter();
        let over: Vec<&str> = variables
            .filter(|variable| variable.spans(dimension))
            .map(|variable| variable.name.as_str())
            .collect();
        RecordingError::from(AssemblyError::NoCoordinate {
            path: self.path.to_owned(),
            wanted,
            dimension,
            found: if over.is_empty() {
                "none".to_owned()
            } else {
                over.join(", ")
            },
        })
    }
}
