//! What an assembly says before any response is read: its sites, time bins, presentations and repetitions.

use nrp_proto::sweep::{Ceiling, SiteFilter};

use super::coordinates::Coordinates;
use super::responses::{Extent, Responses};
use super::variable::Variable;
use super::{
    NEUROID, ONLY_OF_PRESENTATIONS, ONLY_OF_SITES, PRESENTATION, REGION, REPETITIONS, TIME_BIN,
};
use crate::recording::bins::{Span, TimeBin, in_one_unit, unit};
use crate::recording::error::RecordingError;
use crate::recording::layout::Layout;
use crate::recording::ranks::Labels;
use crate::recording::site::{Described, Site};
use crate::recording::site_filter::Verdict;
use crate::recording::stimuli::STIMULUS_IDS;

/// Who a site belongs to: today's coordinate first.
const SUBJECTS: [&str; 2] = ["subject", "animal"];
const STARTS: [&str; 1] = ["time_bin_start"];
const ENDS: [&str; 2] = ["time_bin_end", "time_bin_stop"];

/// What the coordinates of the responses say.
pub(super) struct Header {
    /// Every site of the file.
    pub(super) sites: Vec<Site>,
    /// Every time bin; empty where there is no word of any.
    pub(super) time_bins: Vec<TimeBin>,
    /// The stimulus of each presentation, repetitions along an axis of their own counted.
    pub(super) shown: Vec<String>,
    /// Whether the file stores these as text.
    pub(super) ids_are_text: bool,
    /// The repetition of each of these, if the file says it.
    pub(super) repetitions: Option<Labels>,
    /// The coordinate that says each site's ceiling, where one is asked for and there; NaN where a site has none.
    pub(super) ceilings: Option<Vec<f64>>,
    /// What the filter that is asked for says of the sites.
    pub(super) verdict: Option<Verdict>,
    /// What the user should know.
    pub(super) notices: Vec<String>,
}

impl Header {
    /// Reads the coordinates of `responses`, with what the user says of them.
    ///
    /// # Errors
    /// When one that is needed is missing or cannot be read, or the user names a region and the file has some.
    pub(super) fn read(
        coordinates: &Coordinates<'_>,
        responses: &Responses,
        layout: &Layout,
    ) -> Result<Self, RecordingError> {
        let mut notices = responses.notices.clone();
        let sites = responses.sites.length;
        let described = Described {
            ids: ids(coordinates, sites, &mut notices)?,
            regions: regions(coordinates, sites, layout.region.as_deref())?,
            subjects: subjects(coordinates, sites)?,
            reliabilities: coordinates.numbers(&["reliability"], NEUROID, sites)?,
        };
        let ceilings = match &layout.ceiling {
            Ceiling::Coordinate(name) => coordinates.numbers(&[name], NEUROID, sites)?,
            Ceiling::Halvings | Ceiling::Repetition | Ceiling::EvenOdd | Ceiling::PerStimulus => {
                None
            }
        };
        let presentations = responses.presentations.length;
        let (shown, ids_are_text) = stimuli(coordinates, presentations, &mut notices)?;
        let labels = coordinates.labels(&REPETITIONS, PRESENTATION, presentations)?;
        let are_text = coordinates.are_text(&REPETITIONS, PRESENTATION)?;
        let repetitions = labels.map(|words| Labels { words, are_text });
        let (shown, repetitions) = match responses.repetitions.length {
            1 => (shown, repetitions),
            all => {
                let labels = 0..all * presentations;
                let labels = labels.map(|at| (at / presentations.max(1)).to_string());
                let labels = Labels {
                    words: labels.collect(),
                    are_text: false,
                };
                let repeated = std::iter::repeat_n(shown, all).flatten();
                (repeated.collect(), Some(labels))
            }
        };
        let sites = described.sites();
        let verdict = layout.filter.as_ref();
        let verdict = verdict.map(|filter| verdict_on(coordinates, &sites, filter));
        notices.extend(other_window(coordinates, &layout.ceiling));
        Ok(Self {
            verdict: verdict.transpose()?,
            sites,
            time_bins: time_bins(coordinates, responses.bins)?,
            shown,
            ids_are_text,
            repetitions,
            ceilings,
            notices,
        })
    }
}

/// What a filter says of `sites`, by the coordinates over them.
fn verdict_on(
    coordinates: &Coordinates<'_>,
    sites: &[Site],
    filter: &SiteFilter,
) -> Result<Verdict, RecordingError> {
    let keys = sites.iter().map(Site::key).collect();
    let known = coordinates.over(NEUROID);
    Verdict::of(coordinates.path, filter, keys, known, |name| {
        coordinates.column(name, NEUROID, sites.len())
    })
}

/// A notice where the ceiling is by a coordinate, and the file has another of the same kind for a window.
fn other_window(coordinates: &Coordinates<'_>, ceiling: &Ceiling) -> Option<String> {
    let Ceiling::Coordinate(name) = ceiling else {
        return None;
    };
    let mut over = coordinates.over(NEUROID).into_iter();
    let windowed = over.find(|other| *other == format!("{name}_window"))?;
    Some(format!(
        "the ceiling is the coordinate `{name}`; `{}` also has `{windowed}`: a ceiling should be measured in the \
         window of the responses",
        coordinates.path.display()
    ))
}

/// The ids of the sites.
fn ids(
    coordinates: &Coordinates<'_>,
    length: usize,
    notices: &mut Vec<String>,
) -> Result<Vec<String>, RecordingError> {
    if let Some(ids) = coordinates.words(&["neuroid_id"], NEUROID, length)? {
        return Ok(ids);
    }
    if let Some((only, ids)) = coordinates.only(&ONLY_OF_SITES, NEUROID, length)? {
        let notice = format!("the assembly has no `neuroid_id`: sites are named by `{only}`");
        notices.push(notice);
        return Ok(ids);
    }
    let notice = "the assembly has no `neuroid_id`: sites are named by their position";
    notices.push(notice.to_owned());
    Ok((0..length).map(|site| site.to_string()).collect())
}

/// The region of each site: a coordinate, one word for all, or the one that is `given` where the file has none.
fn regions(
    coordinates: &Coordinates<'_>,
    length: usize,
    given: Option<&str>,
) -> Result<Vec<String>, RecordingError> {
    let named = match coordinates.words(&[REGION], NEUROID, length)? {
        Some(regions) => Some(regions),
        None => {
            let single = coordinates.single_word(REGION)?;
            single.map(|region| vec![region; length])
        }
    };
    match (named, given) {
        (Some(named), Some(_)) if named.iter().any(|region| !region.is_empty()) => {
            let mut known = named;
            known.retain(|region| !region.is_empty());
            known.sort();
            known.dedup();
            Err(RecordingError::RegionGiven {
                path: coordinates.path.to_owned(),
                known,
            })
        }
        (_, Some(given)) => Ok(vec![given.to_owned(); length]),
        (Some(named), None) if named.iter().all(String::is_empty) => {
            Err(coordinates.bad(REGION, "is empty for every site".to_owned()))
        }
        (Some(named), None) => Ok(named),
        (None, None) => Err(coordinates.missing("`region`", NEUROID)),
    }
}

/// Whose each site is: a coordinate, or one word for all.
fn subjects(
    coordinates: &Coordinates<'_>,
    length: usize,
) -> Result<Option<Vec<String>>, RecordingError> {
    if let Some(subjects) = coordinates.labels(&SUBJECTS, NEUROID, length)? {
        return Ok(Some(subjects));
    }
    for name in SUBJECTS {
        if let Ok(Some(subject)) = coordinates.single_word(name) {
            return Ok(Some(vec![subject; length]));
        }
    }
    Ok(None)
}

/// The stimulus of each presentation, and whether the file stores them as text.
fn stimuli(
    coordinates: &Coordinates<'_>,
    length: usize,
    notices: &mut Vec<String>,
) -> Result<(Vec<String>, bool), RecordingError> {
    if let Some(shown) = coordinates.words(&STIMULUS_IDS, PRESENTATION, length)? {
        return Ok((shown, coordinates.are_text(&STIMULUS_IDS, PRESENTATION)?));
    }
    match coordinates.only(&ONLY_OF_PRESENTATIONS, PRESENTATION, length)? {
        Some((only, shown)) => {
            let notice = format!(
                "the assembly has neither `stimulus_id` nor `image_id`: `{only}` is taken for it"
            );
            notices.push(notice);
            let are_text = coordinates.are_text(&ONLY_OF_PRESENTATIONS, PRESENTATION)?;
            Ok((shown, are_text))
        }
        None => Err(coordinates.missing("`stimulus_id` or `image_id`", PRESENTATION)),
    }
}

/// The time bins: those along the axis of the responses, or the only one, where coordinates without axes say when
/// it is.
fn time_bins(
    coordinates: &Coordinates<'_>,
    extent: Extent,
) -> Result<Vec<TimeBin>, RecordingError> {
    let spans = |variable: &Variable| match extent.axis {
        Some(_) => variable.spans(TIME_BIN),
        None => variable.axes.is_empty(),
    };
    type Ends = (Vec<f64>, Option<String>);
    let ends = |names: &[&str]| -> Result<Option<Ends>, RecordingError> {
        let Some(variable) = coordinates.find_any(names, spans)? else {
            return Ok(None);
        };
        let numbers = coordinates.of_numbers(variable)?;
        let numbers = numbers.filter(|numbers| numbers.len() == extent.length);
        Ok(numbers.map(|numbers| (numbers, variable.units.clone())))
    };
    let both = ends(&STARTS)?.zip(ends(&ENDS)?);
    if extent.axis.is_none() && both.is_none() {
        return Ok(Vec::new());
    }
    let ids = coordinates.labels(&["time_bin_id"], TIME_BIN, extent.length)?;
    let id = |at: usize| match &ids {
        Some(ids) => ids[at].clone(),
        None => at.to_string(),
    };
    let Some((starts, stops)) = both else {
        let bin = |at| TimeBin {
            id: id(at),
            span: None,
            unit: String::new(),
        };
        return Ok((0..extent.length).map(bin).collect());
    };
    let units = [&starts, &stops].map(|(_, units)| units.as_deref().unwrap_or("?").to_owned());
    let Some((starts, stops, unit_of_both)) = in_one_unit(starts, stops) else {
        let [start, stop] = units;
        let problem = format!("is in `{start}`, and the end of bins in `{stop}`");
        return Err(coordinates.bad_times(STARTS[0], problem));
    };
    let latest = stops.iter().chain(&starts).map(|end| end.abs());
    let unit = unit(unit_of_both.as_deref(), latest.fold(0.0, f64::max));
    let bin = |(at, (&start, &end)): (usize, (&f64, &f64))| {
        if end < start {
            let problem = format!("of bin {at} is {start}, after its end at {end}");
            return Err(coordinates.bad_times(STARTS[0], problem));
        }
        let is_known = start.is_finite() && end.is_finite();
        Ok(TimeBin {
            id: id(at),
            span: is_known.then_some(Span { start, end }),
            unit: unit.clone(),
        })
    };
    starts.iter().zip(&stops).enumerate().map(bin).collect()
}
