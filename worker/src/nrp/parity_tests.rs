//! Parity: forward, backward and Adam against PyTorch's numbers (see `testdata/make_fixtures.py`),
//! on both engines.

use burn::tensor::{Device, Tensor};
use serde::Deserialize;

use super::adam::Adam;
use super::engine::Engine;
use super::network::{Dense, Dropout, NrpConfig, NrpNetwork, matrix};
use super::source::Rows;
use super::train::Learner;

/// A network with its parameters, and stimuli.
#[derive(Deserialize)]
struct Network {
    units: Vec<usize>,
    l1: usize,
    l2: usize,
    depth: usize,
    sites: usize,
    stimuli: usize,
    parameters: Vec<Vec<f32>>,
    inputs: Vec<Vec<f32>>,
    targets: Vec<Option<f32>>,
}

#[derive(Deserialize)]
struct GradientCase {
    #[serde(flatten)]
    network: Network,
    predicted: Vec<f64>,
    loss: f64,
    gradients: Vec<Vec<f64>>,
}

#[derive(Deserialize)]
struct StepCase {
    #[serde(flatten)]
    network: Network,
    batches: Vec<Vec<usize>>,
    runs: Vec<StepRun>,
}

#[derive(Deserialize)]
struct StepRun {
    learning_rate: f64,
    weight_decay: f64,
    losses: Vec<f64>,
}

impl Network {
    fn build(&self, device: &Device) -> NrpNetwork {
        let config = NrpConfig {
            inputs: self.units.clone(),
            l1: self.l1,
            l2: self.l2,
            depth: self.depth,
            sites: self.sites,
            dropout: 0.0,
        };
        let mut network = config.init(0, device);
        for (parameter, values) in in_order(&mut network).into_iter().zip(&self.parameters) {
            *parameter = matrix(values.clone(), parameter.dims(), device);
        }
        network
    }

    fn targets(&self) -> Vec<f32> {
        self.targets
            .iter()
            .map(|target| target.unwrap_or(f32::NAN))
            .collect()
    }

    /// The stimuli at `rows`, one entry per ANN layer.
    fn rows<'a>(&'a self, rows: &'a [usize]) -> Vec<Rows<'a>> {
        self.inputs
            .iter()
            .zip(&self.units)
            .map(|(values, &units)| Rows {
                values,
                units,
                rows,
            })
            .collect()
    }

    fn tensors(&self, device: &Device) -> Vec<Tensor<2>> {
        self.inputs
            .iter()
            .zip(&self.units)
            .map(|(values, &units)| matrix(values.clone(), [self.stimuli, units], device))
            .collect()
    }
}

/// The parameters in the order of the fixtures.
fn in_order(network: &mut NrpNetwork) -> Vec<&mut Tensor<2>> {
    let mut parameters: Vec<&mut Tensor<2>> = network.wide.iter_mut().collect();
    parameters.push(&mut network.wide_bias);
    for Dense { weight, bias } in &mut network.dense {
        parameters.push(weight);
        parameters.push(bias);
    }
    parameters
}

fn gradient_cases() -> Vec<GradientCase> {
    serde_json::from_str(include_str!("testdata/gradients.json")).expect("readable fixture")
}

fn numbers(tensor: &Tensor<2>) -> Vec<f32> {
    tensor.to_data().try_into_vec::<f32>().expect("floats")
}

/// Asserts that `found` is `expected` within `tolerance` of the largest expected value.
fn assert_close(what: &str, found: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected
        .iter()
        .fold(0.0_f64, |most, value| most.max(value.abs()));
    for (found, expected) in found.iter().zip(expected) {
        let off = (f64::from(*found) - expected).abs();
        assert!(
            off <= tolerance * largest,
            "{what}: {found} is not {expected}"
        );
    }
}

#[test]
fn predictions_match_pytorch() {
    let device = Device::flex();
    for case in gradient_cases() {
        let network = case.network.build(&device);
        let whole = numbers(&network.forward(&case.network.tensors(&device)));
        // f32 against f64 over sums of at most ten terms.
        assert_close("whole", &whole, &case.predicted, 1e-6);
        let every: Vec<usize> = (0..case.network.stimuli).collect();
        for engine in [Engine::Host, Engine::Device] {
            let batch = engine.batch(case.network.rows(&every), &device);
            let products = batch.products(&network.wide);
            assert_close(
                "engine",
                &numbers(&network.predict(products)),
                &case.predicted,
                1e-6,
            );
        }
    }
}

/// One step with a plain rate would show the wide gradients; Adam hides their size. So they are
/// recovered from the first moment after one step, which is a tenth of the gradient.
#[test]
fn gradients_match_pytorch() {
    let device = Device::flex();
    let cases = gradient_cases();
    assert_eq!(
        cases
            .iter()
            .map(|case| case.network.depth)
            .collect::<Vec<_>>(),
        [0, 1, 2, 3]
    );
    for case in cases {
        let every: Vec<usize> = (0..case.network.stimuli).collect();
        for engine in [Engine::Host, Engine::Device] {
            let network = case.network.build(&device);
            let mut learner = Learner::of(
                network,
                Adam::new(1e-3, 0.0),
                Dropout::none(),
                engine,
                &device,
            );
            let batch = engine.batch(case.network.rows(&every), &device);
            let (loss, present) = learner
                .step(&batch, case.network.targets())
                .expect("a working device")
                .expect("present cells");
            let loss = f64::from(loss.into_scalar::<f32>()) / present as f64;
            assert!(
                (loss - case.loss).abs() <= 1e-6 * case.loss,
                "{loss} is not {}",
                case.loss
            );
            let found = learner.first_moments();
            assert_eq!(found.len(), case.gradients.len());
            for (place, (found, expected)) in found.iter().zip(&case.gradients).enumerate() {
                let found: Vec<f32> = found.iter().map(|moment| moment * 10.0).collect();
                let what = format!("{engine:?}, depth {}, {place}", case.network.depth);
                // f32 against f64 through at most four layers.
                assert_close(&what, &found, expected, 3e-6);
            }
        }
    }
}

#[test]
fn twenty_steps_match_pytorch() {
    let device = Device::flex();
    let case: StepCase =
        serde_json::from_str(include_str!("testdata/steps.json")).expect("readable fixture");
    let targets = case.network.targets();
    let sites = case.network.sites;
    for run in &case.runs {
        for engine in [Engine::Host, Engine::Device] {
            let network = case.network.build(&device);
            let adam = Adam::new(run.learning_rate, run.weight_decay);
            let mut learner = Learner::of(network, adam, Dropout::none(), engine, &device);
            for (rows, expected) in case.batches.iter().zip(&run.losses) {
                let batch = engine.batch(case.network.rows(rows), &device);
                let targets = rows
                    .iter()
                    .flat_map(|row| &targets[row * sites..][..sites])
                    .copied()
                    .collect();
                let (loss, present) = learner
                    .step(&batch, targets)
                    .expect("a working device")
                    .expect("present cells");
                let loss = f64::from(loss.into_scalar::<f32>()) / present as f64;
                // Both in f32; sums run in another order, and twenty steps carry that along.
                assert!(
                    (loss - expected).abs() <= 1e-5 * expected,
                    "{engine:?}, decay {}: {loss} is not {expected}",
                    run.weight_decay
                );
            }
        }
    }
}

#[test]
fn blocks_make_no_difference_but_rounding() {
    // More units than a block holds, and not a multiple of it.
    let device = Device::flex();
    let (stimuli, units, outputs) = (5, 2_600, 3);
    let mut draws = super::draws::Draws::new(1, super::draws::Purpose::Order);
    let mut random = |n: usize| (0..n).map(|_| draws.unit() - 0.5).collect::<Vec<f32>>();
    let (values, weights) = (random(8 * units), random(units * outputs));
    let upstream = matrix(random(stimuli * outputs), [stimuli, outputs], &device);
    let rows = [6, 0, 3, 3, 7];
    assert_eq!(rows.len(), stimuli);

    let mut results = Vec::new();
    for engine in [Engine::Host, Engine::Device] {
        let batch = engine.batch(
            vec![Rows {
                values: &values,
                units,
                rows: &rows,
            }],
            &device,
        );
        let mut weight = matrix(weights.clone(), [units, outputs], &device);
        let product = numbers(&batch.products(std::slice::from_ref(&weight))[0]);
        let mut moments = super::adam::Moments::zeros(&weight, engine);
        let mut adam = Adam::new(1e-2, 0.1);
        for _ in 0..3 {
            let step = adam.step();
            batch
                .descend(0, upstream.clone(), &mut weight, &mut moments, step)
                .expect("a working device");
        }
        results.push((product, numbers(&weight)));
    }
    let wide = |values: &[f32]| {
        values
            .iter()
            .map(|value| f64::from(*value))
            .collect::<Vec<_>>()
    };
    // 2,600 terms of size 0.1 summed in f32.
    assert_close("product", &results[0].0, &wide(&results[1].0), 1e-5);
    assert_close("weights", &results[0].1, &wide(&results[1].1), 1e-5);
}

/// The backward pass written by hand against burn's recorded one, with dropout.
#[test]
fn gradients_match_burns_autodiff() {
    let device = Device::flex();
    for case in gradient_cases() {
        let network = case.network.build(&device);
        let mut recorded = network.clone();
        let tracked: Vec<Tensor<2>> = in_order(&mut recorded)
            .into_iter()
            .map(|parameter| {
                *parameter = parameter.clone().autodiff().require_grad();
                parameter.clone()
            })
            .collect();
        let upstream = Tensor::ones([case.network.stimuli, case.network.sites], &device);

        let forward = |network: &NrpNetwork, inputs: Vec<Tensor<2>>| {
            let products = inputs
                .into_iter()
                .zip(&network.wide)
                .map(|(x, w)| x.matmul(w.clone()))
                .collect();
            network.record(products, &mut Dropout::new(0.4, 11))
        };
        let inputs = case.network.tensors(&device);
        let lifted = inputs
            .iter()
            .map(|input| input.clone().autodiff())
            .collect();
        let graph = forward(&recorded, lifted).0.sum().backward();

        let (_, hidden) = forward(&network, inputs);
        let found = network.backward(hidden, upstream);
        let mut parameters = vec![found.wide_bias];
        parameters.extend(
            found
                .dense
                .into_iter()
                .flat_map(|layer| [layer.weight, layer.bias]),
        );
        let layers = case.network.units.len();
        for (found, tracked) in parameters.iter().zip(&tracked[layers..]) {
            let expected = tracked.grad(&graph).expect("tracked");
            let expected: Vec<f64> = numbers(&expected).into_iter().map(f64::from).collect();
            assert_close("autodiff", &numbers(found), &expected, 1e-6);
        }
    }
}
