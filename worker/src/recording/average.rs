//! Averaging: from single presentations to one response per stimulus and site.
//!
//! Pure arithmetic over an opened assembly; it touches no file.

use nrp_proto::sweep::Ceiling;

use super::assembly::Assembly;
use super::ceiling::{Noise, Shown};
use super::error::RecordingError;
use super::region::{Part, Region};
use super::words::some_of;

/// Averages the sites of a `part` over the repetitions of each stimulus, in `f64`, skipping NaN.
///
/// `stimulus_of` gives the row of each presentation's stimulus among `stimuli` rows.
///
/// # Errors
/// When a response is infinite, a site has none at all, or the ceiling cannot be measured as asked.
pub(super) fn average(
    assembly: &Assembly,
    part: &Part,
    stimulus_of: &[usize],
    stimuli: usize,
    ceiling: &Ceiling,
) -> Result<Region, RecordingError> {
    let region = part.name();
    let cells = Cells::gather(assembly, &region, stimulus_of, stimuli);
    cells.refuse_infinite(assembly)?;
    cells.refuse_silent(assembly)?;
    let mean = |(sum, &count): (&f64, &u32)| match count {
        0 => f64::NAN,
        count => sum / f64::from(count),
    };
    Ok(Region {
        subject: part.of_subject(),
        bin: part.of_bin(),
        responses: cells.sums.iter().zip(&cells.counts).map(mean).collect(),
        sites: cells
            .sites
            .iter()
            .map(|&site| assembly.sites[site].clone())
            .collect(),
        repetitions: (
            cells.repetitions.iter().copied().min().unwrap_or(0),
            cells.repetitions.iter().copied().max().unwrap_or(0),
        ),
        noise: cells.noise(assembly, &region, stimulus_of, ceiling)?,
        name: region,
    })
}

/// Sums over the repetitions of each stimulus, for the sites of one region.
pub(super) struct Cells {
    /// The sites, as indices into the assembly.
    pub(super) sites: Vec<usize>,
    /// Sum of the recorded values, `[stimuli, sites]`.
    sums: Vec<f64>,
    /// How many values were recorded, `[stimuli, sites]`.
    pub(super) counts: Vec<u32>,
    /// Presentations of each stimulus in which at least one site recorded.
    pub(super) repetitions: Vec<usize>,
    /// Sum of all recorded values.
    pub(super) total: f64,
    /// Sum of their squares.
    pub(super) total_squares: f64,
    /// Number of values recorded.
    pub(super) recorded: usize,
    /// Number of values missing.
    pub(super) missing: usize,
    /// The first infinite value: presentation, site, value.
    infinite: Option<(usize, usize, f64)>,
}

impl Cells {
    /// Goes through all presentations once. The first infinite value is kept; all of them are left
    /// out of sums.
    pub(super) fn gather(
        assembly: &Assembly,
        region: &str,
        stimulus_of: &[usize],
        stimuli: usize,
    ) -> Self {
        Self::of_sites(assembly, assembly.sites_of(region), stimulus_of, stimuli)
    }

    /// As [`Cells::gather`], of `sites`, as indices into the assembly.
    pub(super) fn of_sites(
        assembly: &Assembly,
        sites: Vec<usize>,
        stimulus_of: &[usize],
        stimuli: usize,
    ) -> Self {
        let width = sites.len();
        let mut cells = Self {
            sums: vec![0.0; stimuli * width],
            counts: vec![0; stimuli * width],
            repetitions: vec![0; stimuli],
            sites,
            total: 0.0,
            total_squares: 0.0,
            recorded: 0,
            missing: 0,
            infinite: None,
        };
        for (presentation, &stimulus) in stimulus_of.iter().enumerate() {
            let before = cells.recorded;
            for column in 0..width {
                let site = cells.sites[column];
                let value = assembly.value(presentation, site);
                if value.is_nan() {
                    cells.missing += 1;
                } else if !(value as f32).is_finite() {
                    cells.infinite.get_or_insert((presentation, site, value));
                } else {
                    cells.sums[stimulus * width + column] += value;
                    cells.counts[stimulus * width + column] += 1;
                    cells.recorded += 1;
                    cells.total += value;
                    cells.total_squares += value * value;
                }
            }
            cells.repetitions[stimulus] += usize::from(cells.recorded > before);
        }
        cells
    }

    /// The noise measured from repetitions. Goes through all presentations again.
    ///
    /// # Errors
    /// When the ceiling cannot be measured as asked.
    pub(super) fn noise(
        &self,
        assembly: &Assembly,
        region: &str,
        stimulus_of: &[usize],
        ceiling: &Ceiling,
    ) -> Result<Option<Noise>, RecordingError> {
        let from = assembly.noise_from;
        let stimulus_of = &stimulus_of[from..];
        // Of the stimuli before this, no repetition counts.
        let first = match from {
            0 => 0,
            _ => stimulus_of.iter().copied().min().unwrap_or(0),
        };
        let stimulus_of: Vec<usize> = stimulus_of.iter().map(|at| at - first).collect();
        let value = |presentation: usize, column: usize| {
            assembly.value(from + presentation, self.sites[column])
        };
        let coordinate: Option<Vec<f64>> = assembly
            .ceilings
            .as_ref()
            .map(|of| self.sites.iter().map(|site| of[*site]).collect());
        let labels = assembly.repetitions.as_ref();
        let labels = labels.map(|labels| labels.from(from));
        let shown = Shown {
            stimulus_of: &stimulus_of,
            ids: &assembly.shown[from..],
            ids_are_text: assembly.ids_are_text,
            labels: labels.as_ref(),
            stimuli: self.repetitions.len() - first,
            coordinate: coordinate.as_deref(),
        };
        let noise = Noise::chosen(ceiling, &shown, self.sites.len(), value);
        let noise = noise.map_err(|source| RecordingError::Ceiling {
            path: assembly.path_of(from).to_owned(),
            region: region.to_owned(),
            source,
        })?;
        Ok(noise.map(|noise| noise.after(first * self.sites.len())))
    }

    /// Refuses a region with an infinite response.
    pub(super) fn refuse_infinite(&self, assembly: &Assembly) -> Result<(), RecordingError> {
        match self.infinite {
            None => Ok(()),
            Some((presentation, site, value)) => Err(RecordingError::NotFinite {
                path: assembly.path_of(presentation).to_owned(),
                site: assembly.sites[site].clone(),
                stimulus: assembly.shown[presentation].clone(),
                value,
            }),
        }
    }

    /// Refuses a region with sites that recorded nothing.
    pub(super) fn refuse_silent(&self, assembly: &Assembly) -> Result<(), RecordingError> {
        let width = self.sites.len();
        let silent = |column: &usize| {
            self.counts[*column..]
                .iter()
                .step_by(width)
                .all(|count| *count == 0)
        };
        let (sites, count) = some_of(
            (0..width)
                .filter(silent)
                .map(|column| assembly.sites[self.sites[column]].clone()),
        );
        match count {
            0 => Ok(()),
            count => Err(RecordingError::SilentSites {
                path: assembly.path.clone(),
                sites,
                count,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn averages_far_from_zero_keep_their_digits() {
        let tiny = 2_f64.powi(-40);
        let values = vec![
            1e8 + 6.0,
            -3.0 * tiny,
            1e8 - 6.0,
            5.0 * tiny,
            1e8 + 0.25,
            tiny,
        ];
        let names = |names: [&str; 2]| names.map(str::to_owned).to_vec();
        let shown = ["a", "a", "b"].map(str::to_owned).to_vec();
        let (sites, regions) = (names(["s", "t"]), names(["V4", "V4"]));
        let assembly = Assembly::by_rows(Path::new("made.npy"), sites, regions, shown, values);
        let region = average(
            &assembly,
            &Part::whole("V4"),
            &[0, 0, 1],
            2,
            &Ceiling::default(),
        )
        .expect("averages");
        assert_eq!(region.responses, [1e8, tiny, 1e8 + 0.25, tiny]);
    }
}
