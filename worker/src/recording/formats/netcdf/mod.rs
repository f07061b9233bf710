//! Brain-Score assemblies: one netCDF variable of responses over sites and presentations, and the
//! coordinates that name both.
//!
//! Reads the file and checks its shape; averaging, selecting and matching with stimuli are done
//! elsewhere. Any bytes give an assembly or an error, never a panic.

mod classic;
mod file;
mod nc4;
mod packing;
mod responses;
pub(in crate::recording::formats) mod tables;
mod variable;

use std::path::Path;

use netcdf_reader::Error as NcError;
use nrp_proto::sweep::Ceiling;

use super::hdf5::guarded;
use super::reading::{Asked, Opened};
use crate::recording::assembly::Assembly;
use crate::recording::error::{AssemblyError, RecordingError};
use crate::recording::stimuli::STIMULUS_IDS;
use file::File;
use responses::{Extent, Responses};
use variable::{Content, Variable};

const NEUROID: &str = "neuroid";
const PRESENTATION: &str = "presentation";
const REGION: &str = "region";
/// The coordinates that number repetitions: the usual one of Brain-Score, and that of its Cadena
/// recordings.
const REPETITIONS: [&str; 2] = ["repetition", "repetition_id"];
/// What xarray calls the only coordinate of a dimension.
const ONLY_OF_SITES: [&str; 2] = ["neuroid_", NEUROID];
const ONLY_OF_PRESENTATIONS: [&str; 2] = ["presentation_", PRESENTATION];

/// Reads the assembly that is asked for.
pub(super) fn open(asked: &Asked<'_>) -> Result<Opened, RecordingError> {
    asked.refuse_axes()?;
    let variable = asked.layout.variable.as_deref();
    let ceiling = match &asked.layout.ceiling {
        Ceiling::Coordinate(name) => Some(name.as_str()),
        Ceiling::Halvings | Ceiling::Repetition | Ceiling::EvenOdd | Ceiling::PerStimulus => None,
    };
    let assembly = guarded(asked.path, || read(asked.path, variable, ceiling))?;
    Ok(Opened::without_stimuli(assembly))
}

/// One opened file, and the group that its responses are in.
struct Reader<'a> {
    path: &'a Path,
    file: File,
    /// Empty for the root group.
    group: String,
    notices: Vec<String>,
}

fn read(
    path: &Path,
    asked: Option<&str>,
    ceiling: Option<&str>,
) -> Result<Assembly, RecordingError> {
    let file = File::open(path)?;
    let Responses {
        variable,
        sites,
        presentations,
        repetitions,
        notices,
    } = responses::of(&file, path, asked)?;
    let mut reader = Reader {
        path,
        file,
        group: variable.group().to_owned(),
        notices,
    };
    let names = reader.sites(sites.length)?;
    let regions = reader.regions(sites.length)?;
    let shown = reader.stimuli(presentations.length)?;
    let labels = reader.repetitions(presentations.length)?;
    let ceilings = ceiling.map(|name| reader.numbers_of_sites(name, sites.length));
    let ceilings = ceilings.transpose()?.flatten();

    let mut values = reader.file.numbers(&variable)?;
    let expected = sites.length * presentations.length * repetitions.length;
    if values.len() != expected {
        let problem = format!("has {} values instead of {expected}", values.len());
        let problem = format!("`{}` {problem}", variable.name);
        return Err(damaged(path, NcError::InvalidData(problem)));
    }
    let notices = variable.packing.unpack(&variable.name, &mut values);
    reader.notices.extend(notices);
    let mut assembly = Assembly {
        path: path.to_owned(),
        sites: names,
        regions,
        shown,
        repetitions: labels,
        ceilings,
        notices: reader.notices,
        axes: Vec::new(),
        values,
        site_stride: sites.stride,
        presentation_stride: presentations.stride,
    };
    if repetitions.length > 1 {
        unfold(&mut assembly, repetitions);
    }
    Ok(assembly)
}

/// Turns repetitions that have an axis of their own into presentations.
fn unfold(assembly: &mut Assembly, repetitions: Extent) {
    let (sites, presentations) = (assembly.sites.len(), assembly.shown.len());
    let mut values = Vec::with_capacity(assembly.values.len());
    let (mut shown, mut labels) = (Vec::new(), Vec::new());
    for repetition in 0..repetitions.length {
        for presentation in 0..presentations {
            let first =
                repetition * repetitions.stride + presentation * assembly.presentation_stride;
            let of_site = |site| assembly.values[first + site * assembly.site_stride];
            values.extend((0..sites).map(of_site));
            shown.push(assembly.shown[presentation].clone());
            labels.push(repetition.to_string());
        }
    }
    assembly.values = values;
    assembly.shown = shown;
    assembly.repetitions = Some(labels);
    (assembly.site_stride, assembly.presentation_stride) = (1, sites);
}

impl Reader<'_> {
    /// The names of the sites.
    fn sites(&mut self, length: usize) -> Result<Vec<String>, RecordingError> {
        if let Some(names) = self.coordinate(&["neuroid_id"], NEUROID, length)? {
            return Ok(names);
        }
        if let Some((only, names)) = self.only_coordinate(&ONLY_OF_SITES, NEUROID, length)? {
            let notice = format!("the assembly has no `neuroid_id`: sites are named by `{only}`");
            self.notices.push(notice);
            return Ok(names);
        }
        let notice = "the assembly has no `neuroid_id`: sites are named by their position";
        self.notices.push(notice.to_owned());
        Ok((0..length).map(|site| site.to_string()).collect())
    }

    /// The region of each site: a coordinate, or one word for all.
    fn regions(&self, length: usize) -> Result<Vec<String>, RecordingError> {
        let regions = match self.coordinate(&[REGION], NEUROID, length)? {
            Some(regions) => regions,
            None => {
                let Some(region) = self.single_word(REGION)? else {
                    return Err(self.no_coordinate("`region`", NEUROID));
                };
                vec![region; length]
            }
        };
        if regions.iter().all(String::is_empty) {
            return Err(self.bad_coordinate(REGION, "is empty for every site".to_owned()));
        }
        Ok(regions)
    }

    /// The stimulus of each presentation.
    fn stimuli(&mut self, length: usize) -> Result<Vec<String>, RecordingError> {
        if let Some(shown) = self.coordinate(&STIMULUS_IDS, PRESENTATION, length)? {
            return Ok(shown);
        }
        match self.only_coordinate(&ONLY_OF_PRESENTATIONS, PRESENTATION, length)? {
            Some((only, shown)) => {
                let notice = format!(
                    "the assembly has neither `stimulus_id` nor `image_id`: `{only}` is taken for it"
                );
                self.notices.push(notice);
                Ok(shown)
            }
            None => Err(self.no_coordinate("`stimulus_id` or `image_id`", PRESENTATION)),
        }
    }

    /// The repetition numbers, if there are any: whole numbers, words, or decimal numbers, which pandas
    /// writes for a column with gaps.
    fn repetitions(&self, length: usize) -> Result<Option<Vec<String>>, RecordingError> {
        let Some(variable) = self.find(&REPETITIONS, PRESENTATION)? else {
            return Ok(None);
        };
        if let Ok(words) = self.file.words(variable)? {
            return Ok((words.len() == length).then_some(words));
        }
        let numbers = match variable.content {
            Content::Numbers => self.file.numbers(variable)?,
            Content::Booleans
            | Content::Enumeration(_)
            | Content::Words
            | Content::Characters
            | Content::Other(_) => return Ok(None),
        };
        let labels = numbers.iter().map(f64::to_string).collect();
        Ok((numbers.len() == length).then_some(labels))
    }

    /// A coordinate of numbers over the sites, NaN where one is missing; `None` if there is none.
    fn numbers_of_sites(
        &self,
        name: &str,
        length: usize,
    ) -> Result<Option<Vec<f64>>, RecordingError> {
        let Some(variable) = self.find(&[name], NEUROID)? else {
            return Ok(None);
        };
        if variable.content != Content::Numbers {
            return Ok(None);
        }
        let mut numbers = self.file.numbers(variable)?;
        variable.packing.unpack(&variable.name, &mut numbers);
        Ok((numbers.len() == length).then_some(numbers))
    }

    /// The variable of one of `names` that `spans`, in the responses' group or the nearest one around it.
    fn find_any(
        &self,
        names: &[&str],
        spans: impl Fn(&Variable) -> bool,
    ) -> Result<Option<&Variable>, RecordingError> {
        let mut group = self.group.as_str();
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

    /// The first coordinate of `names` that spans `dimension`, as words; `None` if there is none.
    fn coordinate(
        &self,
        names: &[&str],
        dimension: &'static str,
        length: usize,
    ) -> Result<Option<Vec<String>>, RecordingError> {
        let Some(variable) = self.find(names, dimension)? else {
            return Ok(None);
        };
        if variable.axes[0].length != length as u64 {
            let entries = variable.axes[0].length;
            let problem = format!("has {entries} entries, `{dimension}` has {length}");
            return Err(self.bad_coordinate(&variable.name, problem));
        }
        match self.file.words(variable)? {
            Ok(words) => Ok(Some(words)),
            Err(problem) => Err(self.bad_coordinate(&variable.name, problem)),
        }
    }

    /// A coordinate that xarray named after its dimension because it was the only one, with its name. One
    /// that has neither words nor whole numbers is none.
    fn only_coordinate(
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
    fn single_word(&self, name: &str) -> Result<Option<String>, RecordingError> {
        let Some(variable) = self.find_any(&[name], |variable| variable.axes.is_empty())? else {
            return Ok(None);
        };
        match self.file.words(variable)? {
            Ok(words) => Ok(words.into_iter().next()),
            Err(problem) => Err(self.bad_coordinate(name, problem)),
        }
    }

    fn bad_coordinate(&self, name: &str, problem: String) -> RecordingError {
        RecordingError::from(AssemblyError::BadCoordinate {
            path: self.path.to_owned(),
            coordinate: name.to_owned(),
            problem,
        })
    }

    fn no_coordinate(&self, wanted: &'static str, dimension: &'static str) -> RecordingError {
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

/// A damaged file, as the netCDF reader says.
fn damaged(path: &Path, source: NcError) -> RecordingError {
    RecordingError::Damaged {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests;
