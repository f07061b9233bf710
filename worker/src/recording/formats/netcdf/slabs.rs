//! Slabs of a variable: only the numbers that are used are kept, and no more of the file is in memory at once than a
//! tile of it, whose size is that of a few chunks. Of responses, the sites and time bins asked for are used.

use std::ops::Range;
use std::path::Path;

use netcdf_reader::Error as NcError;

use super::damaged;
use super::file::File;
use super::packing::Odd;
use super::responses::Responses;
use super::variable::Variable;
use crate::recording::bins::Group;
use crate::recording::error::RecordingError;
use crate::recording::limits::MAX_RESPONSES;

/// Most numbers of a tile, unless one chunk has more.
const TILE: u64 = 1 << 22;

/// Where an entry along an axis goes in the table, added up over the axes; `None` where it is not used.
pub(super) type Places = Vec<Option<usize>>;

/// The responses in the file at `path` of `sites`, each for every group of bins: `[repetitions, presentations,
/// groups, sites]` row by row, with notices for the user. A response to several bins is their mean, without those
/// that are missing.
///
/// # Errors
/// When they are too many, or cannot be read.
pub(super) fn read(
    file: &File,
    path: &Path,
    responses: &Responses,
    sites: &[usize],
    groups: &[Group],
) -> Result<(Vec<f64>, Vec<String>), RecordingError> {
    let columns = sites.len() * groups.len();
    let rows = responses.repetitions.length * responses.presentations.length;
    if rows.checked_mul(columns).is_none_or(|n| n > MAX_RESPONSES) {
        let (sites, groups) = (sites.len(), groups.len());
        return Err(RecordingError::TooManyResponses {
            path: path.to_owned(),
            problem: format!("{rows} presentations, {sites} sites and {groups} time bins are used"),
        });
    }
    let variable = &responses.variable;
    let places = places(responses, sites, groups);
    let mut means = Means {
        values: vec![f64::NAN; rows * columns],
        counts: if groups.iter().all(|group| group.bins.len() == 1) {
            Vec::new()
        } else {
            vec![0; rows * columns]
        },
    };
    let mut add = |place, value| means.add(place, value);
    let notices = visit(file, path, variable, &places, &mut add)?;
    Ok((means.take(), notices))
}

/// Gives `put` each number of `variable` that has a place along every axis, with the sum of these places; NaN where
/// it is missing. Returns notices for the user.
///
/// # Errors
/// When the file cannot be read.
pub(super) fn visit(
    file: &File,
    path: &Path,
    variable: &Variable,
    places: &[Places],
    put: &mut dyn FnMut(usize, f64),
) -> Result<Vec<String>, RecordingError> {
    let used: Vec<Range<u64>> = places.iter().map(used).collect();
    let mut odd = Odd::default();
    for tile in tiles(&used, &file.together(variable)) {
        let stored = file.numbers_within(variable, &tile)?;
        let expected: u64 = tile.iter().map(|range| range.end - range.start).product();
        if stored.len() as u64 != expected {
            let problem = format!("{} values instead of {expected}", stored.len());
            let problem = format!("`{}` has {problem} in a part of it", variable.name);
            return Err(damaged(path, NcError::InvalidData(problem)));
        }
        let here = places.iter().zip(&tile);
        let here = here.map(|(places, range)| &places[range.start as usize..range.end as usize]);
        let here: Vec<&[Option<usize>]> = here.collect();
        let mut unpacked = |place, value| put(place, variable.packing.unpack(value, &mut odd));
        scatter(&here, &stored, 0, &mut unpacked);
    }
    Ok(odd.notices(&variable.name))
}

/// Values, each the mean of one or more.
struct Means {
    /// Sums of the values so far; NaN where there is none.
    values: Vec<f64>,
    /// How many values they have; empty where they have one at most.
    counts: Vec<u32>,
}

impl Means {
    fn add(&mut self, place: usize, value: f64) {
        let sum = &mut self.values[place];
        if self.counts.is_empty() {
            *sum = value;
            return;
        }
        if value.is_nan() {
            return;
        }
        self.counts[place] += 1;
        // An infinite value stays one, also beside its opposite: it is refused later.
        let is_first_or_infinite = sum.is_nan() || value.is_infinite();
        *sum = if is_first_or_infinite {
            value
        } else {
            *sum + value
        };
    }

    fn take(mut self) -> Vec<f64> {
        for (value, &count) in self.values.iter_mut().zip(&self.counts) {
            *value /= f64::from(count.max(1));
        }
        self.values
    }
}

/// The places of the entries along each axis of the variable.
fn places(responses: &Responses, sites: &[usize], groups: &[Group]) -> Vec<Places> {
    let axes = responses.variable.axes.len();
    let mut places: Vec<Places> = vec![vec![Some(0)]; axes];
    let columns = sites.len() * groups.len();
    let presentations = responses.presentations.length;
    if let Some(axis) = responses.sites.axis {
        let mut of = vec![None; responses.sites.length];
        for (column, &site) in sites.iter().enumerate() {
            of[site] = Some(column);
        }
        places[axis] = of;
    }
    if let Some(axis) = responses.bins.axis {
        let mut of = vec![None; responses.bins.length];
        for (group, bins) in groups.iter().enumerate() {
            for &bin in &bins.bins {
                of[bin] = Some(group * sites.len());
            }
        }
        places[axis] = of;
    }
    if let Some(axis) = responses.presentations.axis {
        let rows = 0..presentations;
        places[axis] = rows.map(|row| Some(row * columns)).collect();
    }
    if let Some(axis) = responses.repetitions.axis {
        let repetitions = 0..responses.repetitions.length;
        let first = |repetition| Some(repetition * presentations * columns);
        places[axis] = repetitions.map(first).collect();
    }
    places
}

/// From the first to the last entry that is used.
fn used(places: &Places) -> Range<u64> {
    let first = places.iter().position(Option::is_some).unwrap_or(0);
    let last = places.iter().rposition(Option::is_some);
    first as u64..last.map_or(first, |last| last + 1) as u64
}

/// Divides a box into tiles of whole chunks, as large as [`TILE`] lets them be.
fn tiles(used: &[Range<u64>], chunk: &[u64]) -> Vec<Vec<Range<u64>>> {
    let length = |range: &Range<u64>| range.end - range.start;
    let mut steps: Vec<u64> = chunk.iter().map(|&chunk| chunk.max(1)).collect();
    let sizes = steps.iter().zip(used);
    let mut size: u64 = sizes
        .map(|(&step, range)| step.min(length(range)).max(1))
        .product();
    for (step, range) in steps.iter_mut().zip(used).rev() {
        let chunks = length(range).div_ceil(*step) + 1;
        let more = (TILE / size).clamp(1, chunks);
        size *= more;
        *step *= more;
    }
    let mut tiles: Vec<Vec<Range<u64>>> = vec![Vec::new()];
    for (&step, range) in steps.iter().zip(used) {
        let firsts = range.start / step..range.end.div_ceil(step);
        let parts = firsts.map(|part| {
            let (from, to) = (part * step, (part + 1) * step);
            from.max(range.start)..to.min(range.end)
        });
        let parts: Vec<Range<u64>> = parts.collect();
        let longer = |tile: Vec<Range<u64>>| {
            let part = |part: &Range<u64>| [&tile[..], std::slice::from_ref(part)].concat();
            parts.iter().map(part).collect::<Vec<_>>()
        };
        tiles = tiles.into_iter().flat_map(longer).collect();
    }
    tiles
}

/// Gives `put` every number that is used, with its place. `stored` are the numbers of a tile whose axes have these
/// `places`, beginning at `first`.
fn scatter(
    places: &[&[Option<usize>]],
    stored: &[f64],
    first: usize,
    put: &mut dyn FnMut(usize, f64),
) {
    match places {
        [] => put(first, stored[0]),
        [last] => {
            for (place, &value) in last.iter().zip(stored) {
                if let Some(place) = place {
                    put(first + place, value);
                }
            }
        }
        [axis, rest @ ..] => {
            let parts = stored.chunks_exact(stored.len() / axis.len());
            for (place, part) in axis.iter().zip(parts) {
                if let Some(place) = place {
                    scatter(rest, part, first + place, put);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::iter;

    use super::*;

    #[test]
    fn tiles_are_whole_chunks_and_cover_a_box_once() {
        for (used, chunk) in [
            (vec![3..17, 0..5], vec![4, 2]),
            (iter::once(0..1).collect(), vec![1]),
            (vec![0..3_000_000, 2..5], vec![1, 1]),
            (vec![10..11, 0..9_000_000], vec![7, 1 << 21]),
            (vec![0..300, 100..40_000, 5..6], vec![300, 1_000, 50]),
        ] {
            let tiles = tiles(&used, &chunk);
            let size =
                |of: &[Range<u64>]| -> u64 { of.iter().map(|of| of.end - of.start).product() };
            let all: u64 = tiles.iter().map(|tile| size(tile)).sum();
            assert_eq!(all, size(&used), "{used:?}");
            let mut firsts: Vec<Vec<u64>> = Vec::new();
            for tile in &tiles {
                let whole = tile.iter().zip(&used).zip(&chunk);
                for ((part, used), chunk) in whole {
                    assert!(
                        part.start % chunk == 0 || part.start == used.start,
                        "{tile:?}"
                    );
                    assert!(part.end % chunk == 0 || part.end == used.end, "{tile:?}");
                }
                let least: u64 = chunk.iter().product();
                assert!(size(tile) <= TILE.max(least), "{tile:?}");
                firsts.push(tile.iter().map(|part| part.start).collect());
            }
            firsts.sort();
            firsts.dedup();
            assert_eq!(firsts.len(), tiles.len(), "no tile twice");
        }
    }

    #[test]
    fn a_mean_skips_what_is_missing_and_keeps_what_is_infinite() {
        let mean = |values: &[f64]| {
            let mut means = Means {
                values: vec![f64::NAN],
                counts: vec![0],
            };
            values.iter().for_each(|&value| means.add(0, value));
            means.take()[0]
        };
        assert_eq!(mean(&[1.0, f64::NAN, 4.0]), 2.5);
        assert!(mean(&[f64::NAN, f64::NAN]).is_nan());
        assert_eq!(mean(&[1.0, f64::INFINITY, 4.0]), f64::INFINITY);
        assert!(mean(&[f64::INFINITY, f64::NEG_INFINITY]).is_infinite());
        assert!(mean(&[f64::INFINITY, 3.0, 1.0]).is_infinite());
    }
}
