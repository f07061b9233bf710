//! Takes: what a sweep will take before it starts, disk and time, with where each number comes from.

use crate::output;
use indicatif::HumanDuration;
use nrp_proto::sweep::Projection;
use nrp_proto::wire::SweepSpec;
use nrp_worker::activation::Dtype;
use nrp_worker::forecast::Forecast;
use serde::Serialize;
use std::time::Duration;

/// What a sweep will take.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Takes {
    stimuli: usize,
    /// Activations in the cache, if none lie there already.
    cache_bytes: u64,
    cache_dtype: &'static str,
    /// Time that the ANNs look at the stimuli here, measured on a few images; absent where it was not.
    extraction_seconds: Option<f64>,
    /// Epochs of all trials of NRP networks, at most.
    epochs_at_most: u128,
    #[serde(skip)]
    anns: usize,
    #[serde(skip)]
    layers: usize,
}

impl Takes {
    pub(crate) fn new(spec: &SweepSpec, forecast: &Forecast, dtype: Dtype) -> Self {
        let training = spec.training.clone().unwrap_or_default();
        // A word that nobody knows was refused before.
        let projection = training.projection.parse().unwrap_or(Projection::None);
        let anns = &forecast.anns;
        Self {
            stimuli: forecast.stimuli,
            cache_bytes: forecast.cache_bytes(dtype, projection, spec.splits()),
            cache_dtype: dtype.name(),
            extraction_seconds: forecast.extraction_seconds(),
            epochs_at_most: spec.trial_count() * u128::from(training.max_epochs),
            anns: anns.len(),
            layers: anns.iter().map(|ann| ann.units.len()).sum(),
        }
    }

    /// As people read it, a line each.
    pub(crate) fn in_words(&self) -> Vec<String> {
        let mut lines = vec![format!(
            "disk: {} of activations as {} ({} stimuli, {} layers of {} ANNs), less what lies in the cache \
             already",
            output::size(self.cache_bytes),
            self.cache_dtype,
            self.stimuli,
            self.layers,
            self.anns
        )];
        let training = format!(
            "training takes {} epochs at most, for how long is known once the first trials have ended",
            self.epochs_at_most
        );
        lines.push(match self.extraction_seconds {
            Some(seconds) => format!(
                "time: about {} to extract them on this machine, measured on a few images and good to a \
                 factor of two; {training}",
                HumanDuration(Duration::from_secs_f64(seconds.max(1.0)))
            ),
            None => format!("time: {training}"),
        });
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nrp_worker::forecast::AnnForecast;

    #[test]
    fn disk_and_time_are_told_with_where_they_come_from() {
        let forecast = |seconds_per_stimulus| Forecast {
            stimuli: 1000,
            training: 800,
            anns: vec![AnnForecast {
                ann: "mobilenet".to_owned(),
                units: vec![1024, 50_176],
                seconds_per_stimulus,
            }],
        };
        let of = |seconds| Takes::new(&SweepSpec::default(), &forecast(seconds), Dtype::F16);
        insta::assert_snapshot!(of(Some(0.3)).in_words().join("\n"), @r"
        disk: 102.4 MB of activations as f16 (1000 stimuli, 2 layers of 1 ANNs), less what lies in the cache already
        time: about 5 minutes to extract them on this machine, measured on a few images and good to a factor of two; training takes 0 epochs at most, for how long is known once the first trials have ended
        ");
        let unknown = of(None).in_words();
        assert!(
            unknown[1].starts_with("time: training takes"),
            "{unknown:?}"
        );
    }
}
