//! A layer's rows for the stimuli of recordings, as numbers of one type.

use std::path::Path;

use super::arrays::{Arrays, RowFile};
use super::error::FeaturesError;
use super::layers::Layer;
use crate::precision::Number;
use crate::recording::{MAX_RESPONSES_BYTES, Tables};

/// What a file holds.
pub(super) enum Content {
    Numpy(Arrays),
    Netcdf(Box<Tables>),
}

/// A layer's rows.
pub(super) struct Rows<T> {
    /// The row of each stimulus.
    rows: Vec<usize>,
    units: usize,
    source: Source<T>,
}

enum Source<T> {
    Rows(RowFile),
    /// `[stimuli, units]`
    Whole(Vec<T>),
}

/// A layer's activations of the stimuli of recordings, as their file has them, for those who need them in 64
/// bits.
pub struct WideFeatures(pub(super) Rows<f64>);

impl<T: Number> Rows<T> {
    /// Opens these `rows` of a layer of the file at `path`.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(super) fn open(
        path: &Path,
        content: &Content,
        layer: &Layer,
        rows: Vec<usize>,
    ) -> Result<Self, FeaturesError> {
        let source = match content {
            Content::Numpy(arrays) => match arrays.by_rows(layer)? {
                Some(file) => Source::Rows(file),
                None => Source::Whole(arrays.whole(layer, &rows)?),
            },
            Content::Netcdf(tables) => {
                let of_row = (layer.units() as u64).saturating_mul(size_of::<T>() as u64);
                let bytes = of_row.saturating_mul(rows.len() as u64);
                if bytes > MAX_RESPONSES_BYTES as u64 {
                    return Err(FeaturesError::TooLarge {
                        path: path.to_owned(),
                        layer: layer.name.clone(),
                        bytes,
                    });
                }
                Source::Whole(tables.read(&tables.tables()[layer.at], &rows)?)
            }
        };
        Ok(Self {
            rows,
            units: layer.units(),
            source,
        })
    }

    /// Refuses rows in an archive whose bytes are not those that were stored.
    pub(super) fn verify(&self) -> Result<(), FeaturesError> {
        match &self.source {
            Source::Rows(file) => file.verify(),
            // It was compared as it was read.
            Source::Whole(_) => Ok(()),
        }
    }

    /// How many stimuli there are.
    pub(super) fn stimuli(&self) -> usize {
        self.rows.len()
    }

    /// Copies units of a stimulus, from the one at `first` on, into `out`.
    pub(super) fn read(
        &self,
        stimulus: usize,
        first: usize,
        out: &mut [T],
    ) -> Result<(), FeaturesError> {
        match &self.source {
            Source::Whole(values) => {
                out.copy_from_slice(&values[stimulus * self.units + first..][..out.len()]);
                Ok(())
            }
            Source::Rows(file) => {
                let before = self.rows[stimulus] as u64 * self.units as u64;
                file.read(before + first as u64, out)
            }
        }
    }
}

impl WideFeatures {
    /// Copies units of the stimulus at `stimulus` among the recordings', from the one at `first` on, into
    /// `out`.
    ///
    /// # Errors
    /// When the file cannot be read.
    ///
    /// # Panics
    /// When there is no such stimulus or unit.
    pub fn read(
        &self,
        stimulus: usize,
        first: usize,
        out: &mut [f64],
    ) -> Result<(), FeaturesError> {
        self.0.read(stimulus, first, out)
    }
}
