//! Takes: the disk space and time that a sweep will take, estimated before it starts, and where each number comes
//! from.

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
    /// Size of the activations, if the cache holds none of them yet.
    cache_bytes: u64,
    cache_dtype: &'static str,
    /// Time that the ANNs take for the stimuli here, measured on a few images; absent if not measured.
    extraction_seconds: Option<f64>,
    /// Upper limit of the epochs of all NRP networks.
    epochs_at_most: u128,
    #[serde(skip)]
    anns: usize,
    #[serde(skip)]
    layers: usize,
}

impl Takes {
    pub(crate) fn new(spec: &SweepSpec, forecast: &Forecast, dtype: Dtype) -> Self {
        let training = spec.training.clone().unwrap_or_default();
        // An unknown word was refused before.
        let projection = training.projection.parse().unwrap_or(Projection::None);
        let anns = &forecast.anns;
        Self {
            stimuli: forecast.stimuli,
            cache_bytes: forecast.cache_bytes(dtype, projection, spec.splits()),
            cache_dtype: dtype.name(),
            extraction_seconds: forecast.extraction_seconds(),
            epochs_at_most: networks(spec) * u128::from(training.max_epochs),
            anns: anns.len(),
            layers: anns.iter().map(|ann| ann.units.len()).sum(),
        }
    }

    /// As lines for people.
    pub(crate) fn in_words(&self) -> Vec<String> {
        let mut lines = vec![format!(
            "disk: {} of activations as {} ({} stimuli, {} layers of {} ANNs), minus what the cache already \
             holds",
            output::size(self.cache_bytes),
            self.cache_dtype,
            self.stimuli,
            self.layers,
            self.anns
        )];
        let training = match self.epochs_at_most {
            0 => "no NRP network is trained".to_owned(),
            epochs => format!(
                "training takes at most {epochs} epochs; their duration is known once the first trials have ended"
            ),
        };
        lines.push(match self.extraction_seconds {
            Some(seconds) => format!(
                "time: about {} to extract them on this machine, measured on a few images and accurate to a \
                 factor of two; {training}",
                HumanDuration(Duration::from_secs_f64(seconds.max(1.0)))
            ),
            None => format!("time: {training}"),
        });
        lines
    }
}

/// NRP networks in all splits.
fn networks(spec: &SweepSpec) -> u128 {
    let cells = spec
        .random
        .map_or(spec.cells(), |random| random.trials.into());
    cells.saturating_mul(spec.splits().into())
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
        disk: 102.4 MB of activations as f16 (1000 stimuli, 2 layers of 1 ANNs), minus what the cache already holds
        time: about 5 minutes to extract them on this machine, measured on a few images and accurate to a factor of two; no NRP network is trained
        ");
        // Two networks and a linear model, in ten splits.
        let file = nrp_proto::sweep::SweepFile::parse(
            "name = \"s\"\n[recordings]\nassembly = \"simulated\"\nregions = [\"V4\"]\n[split]\nscheme = \
             \"shuffle\"\n[[ann]]\nname = \"mobilenet\"\nweights = \"random:1\"\nlayer_sets = [[\"a\"]]\n[grid]\n\
             l1 = [2, 4]\nl2 = [2]\nlearning_rate = [1e-3]\n[training]\nmax_epochs = 7\nbaselines = [\"pls\"]",
        );
        let spec = file.expect("parses").to_spec();
        let trained = Takes::new(&spec, &forecast(None), Dtype::F16);
        assert_eq!(trained.epochs_at_most, 2 * 10 * 7);
        let words = trained.in_words();
        assert!(
            words[1].starts_with("time: training takes at most 140 epochs;"),
            "{words:?}"
        );
        let unknown = of(None).in_words();
        assert!(
            unknown[1].starts_with("time: no NRP network is trained"),
            "{unknown:?}"
        );
    }
}
