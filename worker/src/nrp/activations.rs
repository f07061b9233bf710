//! How training reads the activations of a layer set: the one interface between the cache and what
//! is fitted to it.

use std::error::Error;

use crate::activation::Dtype;

/// The activations of a layer set, read a few stimuli or units at a time.
pub trait Activations: Sync {
    /// Units per ANN layer of the layer set.
    fn units(&self) -> &[usize];

    /// Copies units of `stimulus` in layer `layer` into `out`, from unit `first` on.
    ///
    /// # Shapes
    /// - `out`: `[any]`, as many units as are read
    ///
    /// # Errors
    /// When they cannot be read.
    fn read(
        &self,
        layer: usize,
        stimulus: usize,
        first: usize,
        out: &mut [f32],
    ) -> Result<(), Box<dyn Error + Send + Sync>>;

    /// As [`Activations::read`], in 64 bits. Where another program computed the activations, they are as it
    /// wrote them; others are stored in fewer bits.
    ///
    /// # Errors
    /// As [`Activations::read`].
    fn read_wide(
        &self,
        layer: usize,
        stimulus: usize,
        first: usize,
        out: &mut [f64],
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        widened(self, layer, stimulus, first, out)
    }

    /// Copies all units of `stimuli` in layer `layer` into `out`.
    ///
    /// # Shapes
    /// - `out`: `[stimuli, units]`, row-major
    ///
    /// # Errors
    /// When they cannot be read.
    fn gather(
        &self,
        layer: usize,
        stimuli: &[usize],
        out: &mut [f32],
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        let rows = out.chunks_exact_mut(self.units()[layer]);
        for (&stimulus, row) in stimuli.iter().zip(rows) {
            self.read(layer, stimulus, 0, row)?;
        }
        Ok(())
    }

    /// The number format in which layer `layer` is stored.
    fn dtype(&self, _layer: usize) -> Dtype {
        Dtype::F32
    }

    /// Copies the bits of one stimulus's activations, where the layer is stored in 16 bits.
    ///
    /// # Shapes
    /// - `out`: `[units]`
    ///
    /// # Errors
    /// When they cannot be read, or are not stored in 16 bits.
    fn bits(
        &self,
        layer: usize,
        _stimulus: usize,
        _out: &mut [u16],
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        Err(format!("layer {layer} is stored as {}", self.dtype(layer).name()).into())
    }
}

/// Activations that are stored in 32 bits or fewer, as [`Activations::read_wide`] has them.
pub(crate) fn widened<A: Activations + ?Sized>(
    activations: &A,
    layer: usize,
    stimulus: usize,
    first: usize,
    out: &mut [f64],
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut values = vec![0.0; out.len()];
    activations.read(layer, stimulus, first, &mut values)?;
    out.iter_mut()
        .zip(values)
        .for_each(|(wide, value)| *wide = f64::from(value));
    Ok(())
}
