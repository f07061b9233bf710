//! Fixtures: an ANN with weights that any program can rebuild, and its layers' activations.
//! Verifying one shows that this program computes what Keras computes.

use std::path::Path;

use burn::tensor::Device;
use serde::Deserialize;

use super::{
    Ann, AnnError, AnnInfo, FeaturesError, FeaturesFile, Pruning, find, graph::Graph, recipe,
};

/// How well an ANN reproduces a fixture.
#[derive(Clone, Debug, PartialEq)]
pub struct FixtureReport {
    /// The fixture's ANN.
    pub ann: &'static str,
    /// The seed of its weights and image.
    pub seed: u64,
    /// How many layers were compared.
    pub layers: usize,
    /// The layer that differs most.
    pub worst_layer: String,
    /// That layer's largest difference in any sampled element, mean or standard deviation, over the
    /// layer's standard deviation. Infinite where anything is NaN or infinite.
    pub worst_relative_error: f64,
    /// The ANN's number of parameters, equal to the fixture's.
    pub parameters: u64,
}

#[derive(Deserialize)]
struct Fixture {
    ann: String,
    seed: u64,
    parameters: u64,
    input: [usize; 3],
    weights: Vec<FixtureWeight>,
    layers: Vec<FixtureLayer>,
}

#[derive(Deserialize)]
struct FixtureWeight {
    ordinal: usize,
    layer: String,
    variable: String,
    shape: Vec<usize>,
}

#[derive(Deserialize)]
struct FixtureLayer {
    name: String,
    /// Height, width, channels or units of one stimulus.
    shape: Vec<usize>,
    mean: f64,
    std: f64,
    /// Index in H, W, C order, and value.
    samples: Vec<(usize, f64)>,
}

/// Rebuilds the weights and the image of the fixture at `path`, runs its ANN on `device`, and
/// compares every layer the fixture lists.
///
/// # Errors
/// When the file is not a fixture, its ANN is unknown, or it describes another network.
pub fn verify(path: &Path, device: &Device) -> Result<FixtureReport, AnnError> {
    if FeaturesFile::open(path).is_ok() {
        let path = path.to_owned();
        return Err(FeaturesError::NothingToVerify { path }.into());
    }
    let text = std::fs::read_to_string(path).map_err(|source| AnnError::FixtureUnreadable {
        path: path.to_owned(),
        source,
    })?;
    let fixture: Fixture =
        serde_json::from_str(&text).map_err(|source| AnnError::FixtureSyntax {
            path: path.to_owned(),
            source,
        })?;
    let info = find(&fixture.ann)?;
    let graph = info.graph();
    fixture
        .check(info, &graph)
        .map_err(|what| AnnError::FixtureMismatch {
            path: path.to_owned(),
            ann: info.name,
            what,
        })?;
    fixture.compare(info, graph, device)
}

impl Fixture {
    /// Checks that the fixture describes `info`'s network; the error names the first difference.
    fn check(&self, info: &AnnInfo, graph: &Graph) -> Result<(), String> {
        if self.input != info.input {
            return Err(format!("input {:?}, not {:?}", self.input, info.input));
        }
        for (ordinal, weight) in self.weights.iter().enumerate() {
            let found = weight.describe();
            let Some(spec) = graph.weights().get(ordinal) else {
                return Err(format!("{found} is one weight too many"));
            };
            // Keras puts the name scope it was made in before some layers' names.
            let layer = weight.layer.rsplit('/').next();
            let same = layer == Some(&*spec.layer) && weight.variable == spec.variable;
            if !same || weight.shape != spec.shape || weight.ordinal != ordinal {
                let (layer, variable, shape) = (&spec.layer, spec.variable, &spec.shape);
                return Err(format!(
                    "{found} is in place of weight {ordinal}, `{variable}` {shape:?} of `{layer}`"
                ));
            }
        }
        if let Some(spec) = graph.weights().get(self.weights.len()) {
            return Err(format!(
                "`{}` of `{}` is missing",
                spec.variable, spec.layer
            ));
        }
        let (found, expected) = (self.parameters, graph.parameters());
        if found != expected {
            return Err(format!("{found} parameters, not {expected}"));
        }
        if self.layers.is_empty() {
            return Err("it lists no layers".to_owned());
        }
        self.layers.iter().try_for_each(|layer| layer.check(info))
    }

    fn compare(
        &self,
        info: &'static AnnInfo,
        graph: Graph,
        device: &Device,
    ) -> Result<FixtureReport, AnnError> {
        let weights = recipe::fixture_weights(&graph, self.seed);
        let weights = weights.into_iter().map(Some).collect();
        let ann = Ann::with_weights(info, graph, weights, Pruning::None, device)?;
        let image = recipe::fixture_image(self.input.iter().product(), self.seed);
        let names: Vec<_> = self.layers.iter().map(|layer| layer.name.clone()).collect();
        let answers = ann.activations(&image, &names)?;
        let mut report = FixtureReport {
            ann: info.name,
            seed: self.seed,
            layers: self.layers.len(),
            worst_layer: names[0].clone(),
            worst_relative_error: 0.0,
            parameters: info.parameters,
        };
        for (layer, answer) in self.layers.iter().zip(answers) {
            let error = layer.relative_error(&answer);
            if error > report.worst_relative_error {
                report.worst_relative_error = error;
                report.worst_layer.clone_from(&layer.name);
            }
        }
        Ok(report)
    }
}

impl FixtureWeight {
    fn describe(&self) -> String {
        let (variable, shape, layer) = (&self.variable, &self.shape, &self.layer);
        format!(
            "`{variable}` {shape:?} of `{layer}`, ordinal {},",
            self.ordinal
        )
    }
}

impl FixtureLayer {
    fn check(&self, info: &AnnInfo) -> Result<(), String> {
        let name = &self.name;
        let layer = info.layer(name).map_err(|error| error.to_string())?;
        if layer.shape != self.shape {
            let (found, expected) = (&self.shape, layer.shape);
            return Err(format!(
                "layer `{name}` of shape {found:?}, not {expected:?}"
            ));
        }
        match self.samples.iter().find(|(at, _)| *at >= layer.units()) {
            Some((at, _)) => Err(format!("layer `{name}` has no element {at}")),
            None => Ok(()),
        }
    }

    /// The largest difference over the layer's standard deviation; infinite if it is not finite.
    fn relative_error(&self, values: &[f32]) -> f64 {
        if values.iter().any(|x| !x.is_finite()) {
            return f64::INFINITY;
        }
        let (mean, std) = mean_and_std(values);
        let samples = self.samples.iter();
        let worst = samples
            .map(|(at, expected)| (expected - f64::from(values[*at])).abs())
            .chain([(self.mean - mean).abs(), (self.std - std).abs()])
            .fold(
                0.0,
                |worst: f64, x| if x > worst || x.is_nan() { x } else { worst },
            );
        match worst {
            0.0 => 0.0,
            worst if worst.is_finite() => worst / self.std,
            _ => f64::INFINITY,
        }
    }
}

/// Over the whole layer, in f64; the standard deviation is the population's.
fn mean_and_std(values: &[f32]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().map(|x| f64::from(*x)).sum::<f64>() / n;
    let squares = values.iter().map(|x| (f64::from(*x) - mean).powi(2));
    (mean, (squares.sum::<f64>() / n).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ann::Files;
    use crate::ann::testing::{shared, testdata};
    use crate::ann::tiny::TINY;

    fn fixture(name: &str) -> Fixture {
        let text = std::fs::read_to_string(testdata(name)).expect("made by the script");
        serde_json::from_str(&text).expect("a fixture")
    }

    /// Verifies a fixture after `change`d its JSON.
    fn verify_changed(
        change: impl FnOnce(&mut serde_json::Value),
    ) -> Result<FixtureReport, AnnError> {
        let text = std::fs::read(testdata("mobilenet_seed_7.json")).expect("made by the script");
        let mut json = serde_json::from_slice(&text).expect("JSON");
        change(&mut json);
        let file = tempfile::NamedTempFile::new().expect("temporary file");
        std::fs::write(file.path(), json.to_string()).expect("written");
        verify(file.path(), &Device::flex())
    }

    #[test]
    fn mobilenet_computes_what_keras_computes() {
        let of_seed = [
            Some(testdata("mobilenet_seed_7.json")),
            shared("fixtures/ann/mobilenet.json"),
        ];
        for path in of_seed.into_iter().flatten() {
            let report = verify(&path, &Device::flex()).expect("the fixture fits");
            assert_eq!(report.layers, 89);
            assert_eq!(report.parameters, 4_253_864);
            assert!(report.worst_relative_error < 1e-4, "{report:?}");
        }
    }

    /// Every element within a thousandth of its layer's standard deviation, NASNetMobile's 770
    /// layers deep included; the others stay far below.
    #[test]
    fn every_ann_computes_what_keras_computes() {
        for info in crate::ann::offered() {
            if info.files != Files::Keras {
                continue;
            }
            let Some(path) = shared(&format!("fixtures/ann/{}.json", info.name)) else {
                return;
            };
            let report = verify(&path, &Device::flex()).expect("the fixture fits");
            assert!(report.worst_relative_error < 1e-3, "{report:?}");
            let text = std::fs::read_to_string(&path).expect("a fixture");
            let fixture: Fixture = serde_json::from_str(&text).expect("a fixture");
            let of_fixture = fixture.layers.into_iter().map(|layer| layer.name);
            let of_keras = info.layers().into_iter().map(|layer| layer.name);
            // AlexNet is not Keras's; of its layers the fixture lists those with activations.
            if info.name != "alexnet" {
                assert!(of_keras.eq(of_fixture), "{}", info.name);
            }
        }
    }

    #[test]
    fn torchvisions_anns_compute_what_torchvision_computes() {
        for name in [
            "mobilenet_v2",
            "resnet50",
            "densenet121",
            "densenet169",
            "alexnet",
        ] {
            let path = testdata(&format!("torchvision_{name}.json"));
            let report = verify(&path, &Device::flex()).expect("the fixture fits");
            assert!(report.layers >= 20, "{report:?}");
            assert!(report.worst_relative_error < 1e-3, "{report:?}");
        }
    }

    #[test]
    fn every_kind_of_layer_computes_what_keras_computes() {
        let fixture = fixture("tiny.json");
        let graph = (TINY.graph)();
        fixture.check(&TINY, &graph).expect("the fixture fits");
        assert_eq!(fixture.layers.len(), graph.listed().count());
        let report = fixture.compare(&TINY, graph, &Device::flex());
        let report = report.expect("it runs");
        // f32 rounding over a few dozen operations.
        assert!(report.worst_relative_error < 1e-5, "{report:?}");
    }

    #[test]
    fn a_difference_shows() {
        let report = verify_changed(|json| {
            let layer = &mut json["layers"][40];
            let sample = layer["samples"][2][1].as_f64().expect("a number");
            let std = layer["std"].as_f64().expect("a number");
            layer["samples"][2][1] = (sample + 0.01 * std).into();
        });
        let report = report.expect("the fixture fits");
        let layers = fixture("mobilenet_seed_7.json").layers;
        assert_eq!(report.worst_layer, layers[40].name);
        assert!(
            (report.worst_relative_error - 0.01).abs() < 1e-4,
            "{report:?}"
        );
        let layer = &layers[0];
        let mut values = vec![0.0; layer.shape.iter().product()];
        assert!(layer.relative_error(&values).is_finite());
        values[77] = f32::NAN;
        assert_eq!(layer.relative_error(&values), f64::INFINITY);
    }

    #[test]
    fn another_network_is_refused() {
        let refusal = |change: fn(&mut serde_json::Value)| {
            verify_changed(change).expect_err("refused").to_string()
        };
        let said = refusal(|json| json["weights"][5]["shape"][2] = 33.into());
        assert!(
            said.contains("`depthwise_kernel` [3, 3, 33, 1] of `conv_dw_1`"),
            "{said}"
        );
        let said = refusal(|json| {
            json["weights"]
                .as_array_mut()
                .map_or((), |w| w.truncate(136))
        });
        assert!(said.contains("`bias` of `conv_preds` is missing"), "{said}");
        let said = refusal(|json| json["parameters"] = 4_253_865.into());
        assert!(said.contains("4253865 parameters, not 4253864"), "{said}");
        let said = refusal(|json| json["layers"][3]["name"] = "conv_dw_0".into());
        assert!(
            said.contains("layer `conv_dw_0` is not in mobilenet"),
            "{said}"
        );
        let said = refusal(|json| json["layers"] = serde_json::json!([]));
        assert!(said.contains("lists no layers"), "{said}");
        assert_eq!(
            refusal(|json| json["ann"] = "onnx".into()),
            "`onnx` is defined by its file"
        );
        let said = verify(&testdata("tiny_legacy.h5"), &Device::flex()).expect_err("no JSON");
        assert!(said.to_string().contains("tiny_legacy.h5"), "{said}");
    }
}
