//! Inner products of stimuli's activations, read one block of units at a time: memory holds the
//! products and two blocks, however many units there are. Pure arithmetic.

use faer::linalg::matmul::{matmul, triangular, triangular::BlockStructure};
use faer::{Accum, Mat, MatMut, MatRef, Par};
use rayon::prelude::*;

/// Bytes of a block: units of the training stimuli in f64.
pub(crate) const BLOCK_BYTES: usize = 64 << 20;

/// Units whose means one thread computes at a time.
const UNITS_PER_TASK: usize = 256;

/// Copies units of a stimulus into a buffer: arguments are the stimulus, the first unit, and the
/// buffer.
pub(crate) type Read<'a, E> = &'a (dyn Fn(usize, usize, &mut [f32]) -> Result<(), E> + Sync);

/// Called before each block with the number of units done; an error stops the computation.
pub(crate) type OnUnits<'a, E> = &'a mut dyn FnMut(usize) -> Result<(), E>;

/// Inner products of centred activations, in f64.
pub(crate) struct Products {
    /// `[training, training]`, the lower triangle.
    pub(crate) gram: Mat<f64>,
    /// `[others, training]`
    pub(crate) cross: Mat<f64>,
}

impl Products {
    /// Products of all units, each less its mean over the `training` stimuli.
    ///
    /// # Errors
    /// When the activations cannot be read, or `on_units` fails.
    pub(crate) fn of<E: Send>(
        units: usize,
        training: &[usize],
        others: &[usize],
        block_bytes: usize,
        read: Read<'_, E>,
        on_units: OnUnits<'_, E>,
    ) -> Result<Self, E> {
        let n = training.len();
        let mut gram = Mat::<f64>::zeros(n, n);
        let mut cross = Mat::<f64>::zeros(others.len(), n);
        let mut sums = Sums {
            gram: gram.as_mut(),
            cross: cross.as_mut(),
        };
        sums.add(units, training, others, block_bytes, read, on_units)?;
        Ok(Self { gram, cross })
    }
}

/// Memory that products are added to, as [`Products`] has them.
pub(crate) struct Sums<'a> {
    /// `[training, training]`, of which only the lower triangle is used.
    pub(crate) gram: MatMut<'a, f64>,
    /// `[others, training]`
    pub(crate) cross: MatMut<'a, f64>,
}

impl Sums<'_> {
    /// Adds the products of all units, each less its mean over the `training` stimuli.
    ///
    /// # Errors
    /// When the activations cannot be read, or `on_units` fails.
    pub(crate) fn add<E: Send>(
        &mut self,
        units: usize,
        training: &[usize],
        others: &[usize],
        block_bytes: usize,
        read: Read<'_, E>,
        on_units: OnUnits<'_, E>,
    ) -> Result<(), E> {
        let n = training.len();
        // Depends on the training stimuli alone, because it determines the order of sums.
        let width = (block_bytes / 8 / n.max(1)).clamp(1, units.max(1));
        let (mut learned, mut seen) = (Vec::new(), Vec::new());
        for first in (0..units).step_by(width) {
            on_units(first)?;
            let width = width.min(units - first);
            fill(&mut learned, training, first, width, read)?;
            let mean = mean(&learned, width);
            centre(&mut learned, &mean);
            let rows = MatRef::from_row_major_slice(&learned, n, width);
            let [lower, whole] = [BlockStructure::TriangularLower, BlockStructure::Rectangular];
            let (add, par) = (Accum::Add, Par::rayon(0));
            triangular::matmul(
                self.gram.as_mut(),
                lower,
                add,
                rows,
                whole,
                rows.transpose(),
                whole,
                1.0,
                par,
            );
            for (at, others) in others.chunks(n).enumerate() {
                fill(&mut seen, others, first, width, read)?;
                centre(&mut seen, &mean);
                let seen = MatRef::from_row_major_slice(&seen, others.len(), width);
                let cross = self.cross.as_mut().subrows_mut(at * n, others.len());
                matmul(cross, add, seen, rows.transpose(), 1.0, par);
            }
        }
        on_units(units)
    }
}

/// Reads a block of units of some stimuli: `[stimuli, width]`, row-major.
fn fill<E: Send>(
    block: &mut Vec<f64>,
    stimuli: &[usize],
    first: usize,
    width: usize,
    read: Read<'_, E>,
) -> Result<(), E> {
    block.resize(stimuli.len() * width, 0.0);
    let rows = block.par_chunks_mut(width).zip(stimuli);
    rows.try_for_each_init(
        || vec![0.0_f32; width],
        |values, (row, &stimulus)| {
            read(stimulus, first, values)?;
            for (value, read) in row.iter_mut().zip(values) {
                *value = f64::from(*read);
            }
            Ok(())
        },
    )
}

/// The mean of each unit over a block's stimuli, which are added in order.
fn mean(block: &[f64], width: usize) -> Vec<f64> {
    let mut mean = vec![0.0; width];
    let stimuli = (block.len() / width) as f64;
    let units = mean.par_chunks_mut(UNITS_PER_TASK).enumerate();
    units.for_each(|(at, mean)| {
        let first = at * UNITS_PER_TASK;
        for row in block.chunks_exact(width) {
            mean.iter_mut()
                .zip(&row[first..])
                .for_each(|(sum, value)| *sum += value);
        }
        mean.iter_mut().for_each(|sum| *sum /= stimuli);
    });
    mean
}

fn centre(block: &mut [f64], mean: &[f64]) {
    block.par_chunks_mut(mean.len()).for_each(|row| {
        row.iter_mut()
            .zip(mean)
            .for_each(|(value, mean)| *value -= mean);
    });
}
