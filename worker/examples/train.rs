//! Trains lanes for two epochs on made-up activations of 1,200 stimuli, and tells how much memory
//! this process had at most beside the lanes' weights and moments: `just bench-train-memory` runs it.
#![allow(clippy::print_stdout)]

mod memory;

use memory::peak_bytes;
use miette::{IntoDiagnostic, miette};
use nrp_worker::device;
use nrp_worker::nrp::{
    Activations, Data, EpochReport, InputScaling, InputStatistics, NetworkShape, Protocol,
    TargetScaling, TrainError, Trained, Training, Trial, Watch, train,
};
use std::ops::ControlFlow;
use std::time::Instant;

const STIMULI: usize = 1_200;
const SITES: usize = 88;
/// Units of NRP-L1; a multiple of the padding, so that weights take what they count.
const L1: usize = 16;

fn main() -> miette::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [device, units, lanes] = arguments.as_slice() else {
        return Err(miette!(
            help = "train flex 802816 8",
            "needs DEVICE UNITS LANES"
        ));
    };
    let units: usize = units.parse().into_diagnostic()?;
    let lanes: usize = lanes.parse().into_diagnostic()?;
    let device = device::open(device)?;
    let activations = MadeUp { units: [units] };
    let stimuli: Vec<usize> = (0..STIMULI).collect();
    let responses = (0..STIMULI * SITES).map(|cell| f64::from(draw(cell as u64)));
    let responses: Vec<f64> = responses.collect();
    let data = Data {
        activations: &activations,
        responses: &responses,
        noise: None,
        sites: SITES,
        train: &stimuli[..960],
        validation: &stimuli[960..1080],
        test: &stimuli[1080..],
        linear_path: None,
    };
    let protocol = Protocol {
        batch_size: 64,
        max_epochs: 2,
        patience: 0,
        inputs: InputScaling::Centred,
        targets: TargetScaling::Standardised,
    };
    let trial = Trial {
        network: NetworkShape {
            l1: L1,
            l2: 32,
            depth: 2,
            dropout: 0.0,
        },
        learning_rate: 1e-4,
        weight_decay: 0.0,
        linear_path: false,
        ensemble: 1,
        seed: 1,
    };
    let statistics = InputStatistics::measure(&activations, data.train)?;
    let started = Instant::now();
    let trials = vec![trial; lanes];
    let training = Training {
        protocol: &protocol,
        data: &data,
        statistics: &statistics,
        device: &device,
    };
    train(&training, &trials, &mut Ends)?;
    let seconds = started.elapsed().as_secs_f64();
    let state = 12 * units * L1 * lanes;
    let beside = peak_bytes()?.saturating_sub(state as u64);
    println!(
        "{lanes} lanes on {units} units of {STIMULI} stimuli: {seconds:.0} s, {:.0} MB of memory at \
         most beside {:.0} MB of weights and moments",
        beside as f64 / 1e6,
        state as f64 / 1e6,
    );
    Ok(())
}

/// Activations that are computed again whenever they are read.
struct MadeUp {
    units: [usize; 1],
}

impl Activations for MadeUp {
    fn units(&self) -> &[usize] {
        &self.units
    }

    fn read(
        &self,
        _: usize,
        stimulus: usize,
        first: usize,
        out: &mut [f32],
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let from = (stimulus * self.units[0] + first) as u64;
        for (value, place) in out.iter_mut().zip(from..) {
            *value = draw(place);
        }
        Ok(())
    }
}

/// A number in `[0, 1)` that belongs to `place` (the finaliser of SplitMix64).
fn draw(place: u64) -> f32 {
    let mixed = (place ^ (place >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed >> 40) as f32 / (1 << 24) as f32
}

/// Lets every trial train to its end.
struct Ends;

impl Watch for Ends {
    fn on_start(&mut self, _: usize) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn on_epoch(&mut self, _: usize, _: EpochReport) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn on_end(&mut self, trial: usize, ended: Result<Trained, TrainError>) {
        if let Err(error) = ended {
            println!("trial {trial}: {error}");
        }
    }
}
