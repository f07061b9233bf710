//! Parity: forward, backward and Adam against PyTorch's numbers (see `testdata/make_fixtures.py`),
//! on both engines.

use burn::tensor::Device;
use serde::Deserialize;

use super::adam::Adam;
use super::array::{Array, LaneConfig, Targets};
use super::engine::Engine;
use super::in_memory::InMemory;
use super::network::{NrpConfig, Parameter, Values};
use super::scaling::{InputScaling, InputStatistics};
use super::source::Source;

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
    fn lane(&self, adam: Adam) -> LaneConfig {
        let network = NrpConfig {
            inputs: self.units.clone(),
            l1: self.l1,
            l2: self.l2,
            depth: self.depth,
            sites: self.sites,
            dropout: 0.0,
        };
        LaneConfig {
            network,
            adam,
            seed: 0,
        }
    }

    /// Its parameters in the order of the fixtures.
    fn in_order(&self) -> Vec<Parameter> {
        let wide = (0..self.units.len()).map(Parameter::Wide);
        let dense = (0..self.depth).flat_map(|at| [Parameter::Weight(at), Parameter::Bias(at)]);
        wide.chain([Parameter::WideBias]).chain(dense).collect()
    }

    /// An array of lanes that all begin with the fixture's parameters.
    fn array(&self, engine: Engine, lanes: &[LaneConfig], device: &Device) -> Box<dyn Array> {
        let first = |_, parameter| -> Values<'static> {
            let place = self.in_order().iter().position(|other| *other == parameter);
            let mut values = self.parameters[place.expect("a parameter")]
                .clone()
                .into_iter();
            Box::new(move |row| row.fill_with(|| values.next().expect("enough values")))
        };
        engine
            .array(lanes, &first, device)
            .expect("there is memory")
    }

    fn targets(&self) -> Vec<f32> {
        let values = self.targets.iter();
        values.map(|target| target.unwrap_or(f32::NAN)).collect()
    }

    /// Has `work` read the stimuli as they are.
    fn read<R>(
        &self,
        batches: &[Vec<usize>],
        work: impl FnOnce(&mut super::source::Reader<'_>) -> R,
    ) -> R {
        let every: Vec<usize> = (0..self.stimuli).collect();
        let activations = InMemory::new(self.units.clone(), self.inputs.clone());
        let statistics = InputStatistics::measure(&activations, &every).expect("finite");
        let source = Source::open(
            &activations,
            &statistics,
            InputScaling::None,
            every,
            usize::MAX,
            false,
        );
        source.expect("in memory").read(batches, work)
    }

    /// Has an array learn from one batch; returns each lane's mean squared error before the step.
    fn step(&self, array: &mut dyn Array, batch: &[usize]) -> Vec<f64> {
        let values = self.targets();
        let targets = Targets {
            values: &values,
            sites: self.sites,
        };
        let (_, present) = targets.at(batch);
        let squares = self.read(&[batch.to_vec()], |reader| array.learn(reader, targets));
        let squares = squares.expect("a working device").into_iter();
        squares.map(|squares| squares / present as f64).collect()
    }
}

/// The engines that a device has.
fn engines(device: &Device) -> Vec<Engine> {
    if crate::device::is_flex(device) {
        vec![Engine::Host, Engine::Device]
    } else {
        vec![Engine::Device]
    }
}

fn gradient_cases() -> Vec<GradientCase> {
    serde_json::from_str(include_str!("testdata/gradients.json")).expect("readable fixture")
}

fn adam(learning_rate: f64, weight_decay: f64) -> Adam {
    Adam {
        learning_rate,
        weight_decay,
    }
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
    let device = crate::device::of_tests();
    for case in gradient_cases() {
        let network = &case.network;
        let lanes = [network.lane(adam(1e-3, 0.0))];
        for engine in engines(&device) {
            let mut array = network.array(engine, &lanes, &device);
            let every = (0..network.stimuli).collect::<Vec<_>>();
            let predicted = network.read(&[every], |reader| array.predict(reader));
            let predicted = &predicted.expect("a working device")[0];
            // f32 against f64 over sums of at most ten terms.
            assert_close(&format!("{engine:?}"), predicted, &case.predicted, 1e-6);
        }
    }
}

/// One step with a plain rate would show the gradients; Adam hides their size. So they are
/// recovered from the first moment after one step, which is a tenth of the gradient.
#[test]
fn gradients_match_pytorch() {
    let device = crate::device::of_tests();
    let depths = gradient_cases().into_iter().map(|case| case.network.depth);
    assert_eq!(depths.collect::<Vec<_>>(), [0, 1, 2, 3]);
    for case in gradient_cases() {
        let network = &case.network;
        let lanes = [network.lane(adam(1e-3, 0.0))];
        let every: Vec<usize> = (0..network.stimuli).collect();
        for engine in engines(&device) {
            let mut array = network.array(engine, &lanes, &device);
            let loss = network.step(&mut *array, &every)[0];
            assert!(
                (loss - case.loss).abs() <= 1e-6 * case.loss,
                "{loss} is not {}",
                case.loss
            );
            let parameters = network.in_order();
            assert_eq!(parameters.len(), case.gradients.len());
            for (parameter, expected) in parameters.into_iter().zip(&case.gradients) {
                let moment = array.first_moment(0, parameter);
                let found: Vec<f32> = moment.iter().map(|moment| moment * 10.0).collect();
                let what = format!("{engine:?}, depth {}, {parameter:?}", network.depth);
                // f32 against f64 through at most four layers.
                assert_close(&what, &found, expected, 3e-6);
            }
        }
    }
}

/// Alone, and as lanes of one array that differ in rate and decay.
#[test]
fn fifty_steps_match_pytorch() {
    let device = crate::device::of_tests();
    let case: StepCase =
        serde_json::from_str(include_str!("testdata/steps.json")).expect("readable fixture");
    let network = &case.network;
    assert_eq!(case.batches.len(), 50);
    let lane = |run: &StepRun| network.lane(adam(run.learning_rate, run.weight_decay));
    let alone = case.runs.iter().map(std::slice::from_ref);
    for runs in alone.chain([&case.runs[..]]) {
        let lanes: Vec<LaneConfig> = runs.iter().map(lane).collect();
        for engine in engines(&device) {
            let mut array = network.array(engine, &lanes, &device);
            for (step, batch) in case.batches.iter().enumerate() {
                let losses = network.step(&mut *array, batch);
                for (loss, run) in losses.into_iter().zip(runs) {
                    let expected = run.losses[step];
                    // Both in f32; sums run in another order, and fifty steps carry that along.
                    assert!(
                        (loss - expected).abs() <= 1e-5 * expected,
                        "{engine:?}, decay {}, step {step}: {loss} is not {expected}",
                        run.weight_decay
                    );
                }
            }
        }
    }
}
