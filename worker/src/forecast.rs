//! Forecast of what a sweep will take: bytes of activations, and how long its ANNs take for the
//! stimuli here, measured on a few images.

use crate::activation::{Dtype, rank_max};
use crate::ann::{AnnError, LoadedAnn, RunnableAnn};
use nrp_proto::sweep::Projection;
use serde::Serialize;
use std::time::Instant;

/// Fewest images on which an ANN's speed is measured; each thread gets one.
const PROBE_STIMULI: usize = 2;

/// What a sweep will take.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Forecast {
    /// Number of stimuli.
    pub stimuli: usize,
    /// Number of them in a split's training part.
    pub training: usize,
    /// One entry for each ANN with its weights and sparsity.
    pub anns: Vec<AnnForecast>,
}

/// What one ANN will take.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct AnnForecast {
    /// The ANN's name.
    pub ann: String,
    /// Units of each layer in any layer set.
    pub units: Vec<usize>,
    /// Seconds per stimulus, measured here; `None` if not measured.
    pub seconds_per_stimulus: Option<f64>,
}

impl Forecast {
    /// Bytes of all activations in the cache, without the files' headers: `[stimuli, units]` of
    /// each layer and, if they are projected, their coordinates for each of `splits`.
    pub fn cache_bytes(&self, dtype: Dtype, projection: Projection, splits: u32) -> u64 {
        let units = self.anns.iter().flat_map(|ann| &ann.units);
        let rows = units.map(|units| {
            let projected = match projection {
                Projection::None => 0,
                Projection::RowSpace | Projection::Pca(_) => {
                    splits as usize * rank_max(*units, self.training)
                }
            };
            (units * dtype.bytes() + projected * size_of::<f32>()) as u64
        });
        rows.sum::<u64>() * self.stimuli as u64
    }

    /// Seconds that the ANNs take for all stimuli, if all were measured.
    pub fn extraction_seconds(&self) -> Option<f64> {
        let seconds = self.anns.iter().map(|ann| ann.seconds_per_stimulus);
        let of_one: f64 = seconds.sum::<Option<f64>>()?;
        Some(of_one * self.stimuli as f64)
    }
}

/// Seconds that an ANN takes per stimulus; the image's content does not matter.
pub(crate) fn seconds_per_stimulus(ann: &RunnableAnn, net: &LoadedAnn) -> Result<f64, AnnError> {
    let stimuli = PROBE_STIMULI.max(rayon::current_num_threads());
    let images = vec![0.0; stimuli * ann.input().iter().product::<usize>()];
    // The first run allocates memory and compiles code.
    net.activations(&images)?;
    let started = Instant::now();
    net.activations(&images)?;
    Ok(started.elapsed().as_secs_f64() / stimuli as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU32;

    fn forecast(seconds: [Option<f64>; 2]) -> Forecast {
        let units = [vec![1000, 20], vec![500]];
        let anns = units.into_iter().zip(seconds);
        Forecast {
            stimuli: 100,
            training: 80,
            anns: anns
                .map(|(units, seconds_per_stimulus)| AnnForecast {
                    ann: "a".to_owned(),
                    units,
                    seconds_per_stimulus,
                })
                .collect(),
        }
    }

    #[test]
    fn bytes_are_those_of_every_layer_once_and_of_its_projections() {
        let forecast = forecast([None, None]);
        let bytes = |dtype, projection| forecast.cache_bytes(dtype, projection, 2);
        assert_eq!(bytes(Dtype::F32, Projection::None), 100 * 1520 * 4);
        assert_eq!(bytes(Dtype::F16, Projection::None), 100 * 1520 * 2);
        // 80 training stimuli span 79 dimensions, and 20 units 20.
        let projected = 100 * 2 * (79 + 20 + 79) * 4;
        let pca = Projection::Pca(NonZeroU32::MIN);
        for projection in [Projection::RowSpace, pca] {
            assert_eq!(bytes(Dtype::F32, projection), 100 * 1520 * 4 + projected);
        }
    }

    #[test]
    fn a_time_is_told_only_where_all_anns_were_measured() {
        assert_eq!(forecast([Some(0.5), None]).extraction_seconds(), None);
        let seconds = forecast([Some(0.5), Some(0.25)]).extraction_seconds();
        assert_eq!(seconds, Some(75.0));
    }
}
