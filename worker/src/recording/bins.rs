//! Time bins: which of an assembly's bins are read, and what is made of them.
//!
//! Times are in the file's own unit, whatever that is; only starts and ends of different units are converted.

use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

use miette::Diagnostic;
use serde::Serialize;
use thiserror::Error;

/// What is made of the time bins of a file.
#[derive(Debug, Clone, PartialEq)]
pub enum BinChoice {
    /// The mean over all bins within this window, from and to, in the file's own unit.
    Window([f64; 2]),
    /// The bin of this `time_bin_id`, or the one at this position, counted from 0.
    Id(u32),
    /// Every bin is a region of its own.
    Each,
}

// A window's ends are finite, as the sweep file's check and the command's flags see to.
impl Eq for BinChoice {}

impl BinChoice {
    /// The choice in words: `time_bin 50 200`.
    pub fn in_words(&self) -> String {
        match self {
            Self::Window([from, to]) => format!("time_bin {from} {to}"),
            Self::Id(id) => format!("time_bin_id {id}"),
            Self::Each => "time_bins each".to_owned(),
        }
    }
}

/// A time bin.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TimeBin {
    /// Its `time_bin_id`, or else its position, counted from 0.
    pub id: String,
    /// Where it starts and ends, in the file's own unit; absent where the file does not say it.
    #[serde(flatten)]
    pub span: Option<Span>,
    /// The unit of its ends, where it is known.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub unit: String,
}

impl Eq for TimeBin {}

impl Hash for TimeBin {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.name().hash(hasher);
    }
}

/// Where a bin starts and ends.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Span {
    /// Where it starts.
    pub start: f64,
    /// Where it ends.
    pub end: f64,
}

/// Bins that become one response: their mean.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Group {
    /// The bin whose regions these are, where each bin has its own.
    pub(super) bin: Option<TimeBin>,
    /// The bins, by their positions in the file.
    pub(super) bins: Vec<usize>,
}

/// Why time bins cannot be read as asked.
#[derive(Debug, Error, Diagnostic)]
pub enum BinsError {
    /// There are several, and none is chosen.
    #[error("`{}` has {bins}, and none is chosen", path.display())]
    #[diagnostic(help(
        "{}", if ways.is_empty() { "average over `time_bin`, or select one, before you save the file".to_owned() } else { format!("under `[recordings]`, {}", ways.join("; ")) }
    ))]
    Unchosen {
        /// The assembly.
        path: PathBuf,
        /// The bins there are, in words.
        bins: String,
        /// How to choose, in words.
        ways: Vec<String>,
    },
    /// Bins are chosen in a file without any.
    #[error("`{}` has no time bins to choose from", path.display())]
    #[diagnostic(help(
        "leave `time_bin`, `time_bin_id` and `time_bins` out; where a preset sets them, write `time_bin = []`"
    ))]
    None {
        /// The file.
        path: PathBuf,
    },
    /// A window is asked for, and the file does not say when its bins are.
    #[error("`{}` does not say where its {count} time bins start and end", path.display())]
    #[diagnostic(help(
        "it needs the coordinates `time_bin_start` and `time_bin_end` (or `time_bin_stop`) over `time_bin`; otherwise choose one by its position, such as `time_bin_id = 0`"
    ))]
    Undated {
        /// The assembly.
        path: PathBuf,
        /// How many bins there are.
        count: usize,
    },
    /// The bins within a window do not fill it.
    #[error("`{}`: the time bins within {window} do not cover it: {within}; it has {bins}", path.display())]
    #[diagnostic(help(
        "a window begins where one bin starts and ends where another does, without gaps between; its ends are in the file's own unit{}", if *in_other_unit { ", and this file's bins look like seconds" } else { "" }
    ))]
    Uncovered {
        /// The assembly.
        path: PathBuf,
        /// The window.
        window: String,
        /// The bins within.
        within: String,
        /// The bins there are.
        bins: String,
        /// Whether the window seems to be in milliseconds, and the bins in seconds.
        in_other_unit: bool,
    },
    /// Bins that overlap would count some times twice.
    #[error("`{}`: time bins overlap: {first} and {second}", path.display())]
    #[diagnostic(help(
        "a mean over both would count some times twice: choose one bin by `time_bin_id` (this file's are {ids}), or a window without overlaps"
    ))]
    Overlap {
        /// The assembly.
        path: PathBuf,
        /// One of them.
        first: String,
        /// The one after it.
        second: String,
        /// The ids there are.
        ids: String,
    },
    /// No bin has the id that is asked for, or several have it.
    #[error("`{}` has {count} time bins with the id {id}; it has {bins}", path.display())]
    #[diagnostic(help("its ids are {ids}"))]
    UnknownId {
        /// The assembly.
        path: PathBuf,
        /// The id.
        id: u32,
        /// How many bins have it.
        count: usize,
        /// The bins there are.
        bins: String,
        /// The ids there are.
        ids: String,
    },
    /// Two bins have the same name.
    #[error("`{}` has two time bins {name}", path.display())]
    #[diagnostic(help(
        "as regions they would have one name: choose one by `time_bin_id` (this file's are {ids})"
    ))]
    Alike {
        /// The assembly.
        path: PathBuf,
        /// What both are called.
        name: String,
        /// The ids there are.
        ids: String,
    },
}

/// All bins of a file.
#[derive(Debug)]
pub(super) struct Bins<'a> {
    pub(super) path: &'a Path,
    /// In the order of the file; empty where it has none.
    pub(super) bins: &'a [TimeBin],
}

impl Bins<'_> {
    /// The bins to read: each group is one response. The second value says what is read, for the user.
    ///
    /// # Errors
    /// When the file has several and none is chosen, or not those that are.
    pub(super) fn choose(
        &self,
        choice: Option<&BinChoice>,
    ) -> Result<(Vec<Group>, Option<String>), BinsError> {
        let one = |at: usize, bin: Option<TimeBin>| Group {
            bin,
            bins: vec![at],
        };
        match (choice, self.bins) {
            (None, [] | [_]) => Ok((vec![one(0, None)], None)),
            (None, _) => Err(self.unchosen()),
            (Some(_), []) => Err(BinsError::None { path: self.path() }),
            (Some(BinChoice::Window(window)), _) => {
                let bins = self.within(*window)?;
                let [from, to] = window;
                let notice = format!(
                    "`time_bin = [{from}, {to}]`: responses are the mean of {}",
                    self.listed(bins.iter().map(|&at| &self.bins[at]))
                );
                Ok((vec![Group { bin: None, bins }], Some(notice)))
            }
            (Some(BinChoice::Id(id)), bins) => {
                let at = self.of_id(*id)?;
                let notice = (bins.len() > 1).then(|| {
                    let (name, all) = (bins[at].name(), bins.len());
                    format!("`time_bin_id = {id}`: responses are those of the time bin {name}, one of {all}")
                });
                Ok((vec![one(at, None)], notice))
            }
            (Some(BinChoice::Each), bins) => {
                let order = self.in_time();
                let groups = order.iter().map(|&at| one(at, Some(bins[at].clone())));
                let groups: Vec<Group> = groups.collect();
                self.refuse_alike(&groups)?;
                let all = self.listed(order.iter().map(|&at| &bins[at]));
                let notice = format!("`time_bins = \"each\"`: every region once for each of {all}");
                Ok((groups, Some(notice)))
            }
        }
    }

    fn path(&self) -> PathBuf {
        self.path.to_owned()
    }

    fn unchosen(&self) -> BinsError {
        // Only what can be read is proposed.
        let spans = || self.bins.iter().filter_map(|bin| bin.span);
        let from = spans().map(|span| span.start).reduce(f64::min);
        let to = spans().map(|span| span.end).reduce(f64::max);
        let ends = |span: Span| [tidy(span.start), tidy(span.end)];
        let windows = from.zip(to).map(|(start, end)| ends(Span { start, end }));
        let mut windows = windows.into_iter().chain(spans().map(ends));
        let window = windows.find(|window| self.within(*window).is_ok());
        let ids = self.bins.iter().filter_map(|bin| bin.id.parse().ok());
        let id = ids.into_iter().find(|id| self.of_id(*id).is_ok());
        let each = self.bins.iter().map(TimeBin::name).collect::<HashSet<_>>();
        let window = window.map(|[from, to]| {
            format!(
                "`time_bin = [{from}, {to}]` takes the mean of those in a window \
                 (`--time-bin {from},{to}` in `nrp data check`)"
            )
        });
        let id = id.map(|id: u32| {
            format!("`time_bin_id = {id}` takes one of them (`--time-bin-id {id}`)")
        });
        let each = (each.len() == self.bins.len()).then(|| {
            "`time_bins = \"each\"` makes every bin a region (`--time-bins each`)".to_owned()
        });
        BinsError::Unchosen {
            path: self.path(),
            bins: self.listed(self.bins),
            ways: [window, id, each].into_iter().flatten().collect(),
        }
    }

    /// The positions of the bins in the order of time; those of the file where it does not say times.
    fn in_time(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.bins.len()).collect();
        let key = |at: usize| self.bins[at].span.map(|span| (span.start, span.end));
        order.sort_by(|&a, &b| {
            key(a)
                .partial_cmp(&key(b))
                .unwrap_or(std::cmp::Ordering::Equal)
        });
        order
    }

    /// The bins that lie wholly within `window` and cover it, in the order of time.
    fn within(&self, window: [f64; 2]) -> Result<Vec<usize>, BinsError> {
        /// How far ends may be apart and still be the same, in parts of the shortest bin.
        const SLACK: f64 = 1e-4;
        let [from, to] = window;
        let spans: Option<Vec<Span>> = self.bins.iter().map(|bin| bin.span).collect();
        let Some(spans) = spans else {
            return Err(BinsError::Undated {
                path: self.path(),
                count: self.bins.len(),
            });
        };
        let lengths = spans.iter().map(|span| span.end - span.start);
        let slack = SLACK * lengths.fold(f64::INFINITY, f64::min);
        let is_within =
            |at: &usize| spans[*at].start >= from - slack && spans[*at].end <= to + slack;
        let within: Vec<usize> = self.in_time().into_iter().filter(is_within).collect();
        let mut covered = from;
        let mut before: Option<usize> = None;
        for &at in &within {
            let Span { start, end } = spans[at];
            match before {
                Some(before) if start < covered - slack => {
                    return Err(BinsError::Overlap {
                        path: self.path(),
                        first: self.bins[before].name(),
                        second: self.bins[at].name(),
                        ids: self.ids(),
                    });
                }
                _ if start > covered + slack => return Err(self.uncovered(window, &within)),
                _ => {}
            }
            covered = end;
            before = Some(at);
        }
        if (covered - to).abs() > slack || within.is_empty() {
            return Err(self.uncovered(window, &within));
        }
        Ok(within)
    }

    fn uncovered(&self, window: [f64; 2], within: &[usize]) -> BinsError {
        let ends = self.bins.iter().filter_map(|bin| bin.span);
        let latest = ends.map(|span| span.end).fold(0.0, f64::max);
        BinsError::Uncovered {
            path: self.path(),
            window: format!("{} to {}", window[0], window[1]),
            within: match within {
                [] => "there are none".to_owned(),
                within => self.listed(within.iter().map(|&at| &self.bins[at])),
            },
            bins: self.listed(self.bins),
            in_other_unit: window[1] >= 10.0 && window[1] > 10.0 * latest,
        }
    }

    pub(super) fn of_id(&self, id: u32) -> Result<usize, BinsError> {
        let of = self.bins.iter().enumerate();
        let of = of.filter(|(_, bin)| bin.id.parse() == Ok(id));
        let found: Vec<usize> = of.map(|(at, _)| at).collect();
        match found[..] {
            [at] => Ok(at),
            _ => Err(BinsError::UnknownId {
                path: self.path(),
                id,
                count: found.len(),
                bins: self.listed(self.bins),
                ids: self.ids(),
            }),
        }
    }

    fn refuse_alike(&self, groups: &[Group]) -> Result<(), BinsError> {
        let of_bins = groups.iter().flat_map(|group| &group.bin);
        let mut names: Vec<String> = of_bins.map(TimeBin::name).collect();
        names.sort();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            None => Ok(()),
            Some(pair) => Err(BinsError::Alike {
                path: self.path(),
                name: pair[0].clone(),
                ids: self.ids(),
            }),
        }
    }

    /// "0, 1, 2", or the first and the last of many.
    fn ids(&self) -> String {
        let ids: Vec<&str> = self.bins.iter().map(|bin| bin.id.as_str()).collect();
        in_brief(&ids)
    }

    /// "3 time bins (0-50 ms, 50-100 ms, 100-150 ms)", or the first and the last of many.
    fn listed<'b>(&self, bins: impl IntoIterator<Item = &'b TimeBin>) -> String {
        let names: Vec<String> = bins.into_iter().map(TimeBin::name).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        match names[..] {
            [name] => format!("1 time bin ({name})"),
            _ => format!("{} time bins ({})", names.len(), in_brief(&names)),
        }
    }
}

impl TimeBin {
    /// "70-80 ms"; "bin 3" where the file does not say when it is.
    pub fn name(&self) -> String {
        let Some(Span { start, end }) = self.span else {
            return format!("bin {}", self.id);
        };
        let (start, end) = (tidy(start), tidy(end));
        match self.unit.as_str() {
            "" => format!("{start}-{end}"),
            unit => format!("{start}-{end} {unit}"),
        }
    }
}

/// A time without what single precision or a sum of steps has added to it.
fn tidy(time: f64) -> f64 {
    const STEPS: f64 = 1e6;
    let rounded = (time * STEPS).round() / STEPS;
    // Adding 0 makes -0 a 0.
    if rounded.is_finite() {
        rounded + 0.0
    } else {
        time
    }
}

fn in_brief(names: &[&str]) -> String {
    /// Most that are named one by one.
    const NAMED: usize = 8;
    match names {
        [first, .., last] if names.len() > NAMED => format!("from {first} to {last}"),
        names => names.join(", "),
    }
}

/// Times, and their unit where the file says it.
type Times = (Vec<f64>, Option<String>);

/// Starts and stops in one unit: that of both, or milliseconds where they differ, as xarray writes durations in
/// units of their own. `None` if either of two units is not known.
pub(super) fn in_one_unit(
    (starts, unit): Times,
    (stops, other): Times,
) -> Option<(Vec<f64>, Vec<f64>, Option<String>)> {
    let said = |unit: &Option<String>| unit.clone().filter(|unit| !unit.trim().is_empty());
    let (Some(first), Some(second)) = (said(&unit), said(&other)) else {
        return Some((starts, stops, said(&unit).or(said(&other))));
    };
    if first.trim() == second.trim() {
        return Some((starts, stops, Some(first)));
    }
    let in_ms = |times: Vec<f64>, unit: &str| {
        let factor = milliseconds(unit.trim())?;
        Some(times.into_iter().map(|time| time * factor).collect())
    };
    let ms = Some("ms".to_owned());
    Some((in_ms(starts, &first)?, in_ms(stops, &second)?, ms))
}

/// How many milliseconds a unit has.
fn milliseconds(unit: &str) -> Option<f64> {
    match unit {
        "ns" | "nanosecond" | "nanoseconds" => Some(1e-6),
        "us" | "µs" | "microsecond" | "microseconds" => Some(1e-3),
        "ms" | "msec" | "millisecond" | "milliseconds" => Some(1.0),
        "s" | "sec" | "second" | "seconds" => Some(1e3),
        "min" | "minute" | "minutes" => Some(60e3),
        "h" | "hour" | "hours" => Some(3_600e3),
        "d" | "day" | "days" => Some(86_400e3),
        _ => None,
    }
}

/// The unit of times, as names of regions have it: that of the file or, without one, milliseconds, as in
/// Brain-Score, unless all times are so small that they may be seconds, as of a response of blood flow.
pub(super) fn unit(units: Option<&str>, latest: f64) -> String {
    /// Times below this may be in seconds.
    const SECONDS: f64 = 50.0;
    match units.map(str::trim).filter(|units| !units.is_empty()) {
        Some("ms" | "msec" | "millisecond" | "milliseconds") => "ms".to_owned(),
        Some("s" | "sec" | "second" | "seconds") => "s".to_owned(),
        Some(other) => other.to_owned(),
        None if latest >= SECONDS => "ms".to_owned(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests;
