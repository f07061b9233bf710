//! Images per second of one pass through each ANN: `cargo bench --bench extract -- DEVICE [ANN …]`.
//!
//! Weights are random and images noise. `extract.py` runs it beside PyTorch, which it hands the same
//! graph (`-- graph ANN`), and writes the table.
#![allow(clippy::print_stdout)]

use std::time::Instant;

use nrp_worker::ann::{self, Ann, Files, Pruning, WeightsSource};
use nrp_worker::device;

/// Images in a pass.
const BATCH: usize = 16;
/// Passes timed, after one that is not.
const PASSES: usize = 3;

fn main() {
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    let name = words.next().unwrap_or_else(|| "flex".to_owned());
    if name == "graph" {
        let ann = words.next().expect("an ANN");
        println!("{}", ann::find(&ann).expect("an ANN").graph_json());
        return;
    }
    let device = device::open(&name).expect("a device of this build");
    let asked: Vec<String> = words.collect();
    let wanted = |ann: &str| asked.is_empty() || asked.iter().any(|asked| asked == ann);
    let anns = ann::offered()
        .iter()
        .filter(|info| info.files == Files::Keras);
    for info in anns.filter(|info| wanted(info.name)) {
        let net = Ann::load(info, &WeightsSource::Random(1), Pruning::None, &[], &device)
            .expect("random weights");
        let pixels = BATCH * info.input.iter().product::<usize>();
        let images: Vec<f32> = (0..pixels)
            .map(|i| (i % 251) as f32 / 125.0 - 1.0)
            .collect();
        let last = info.layers().pop().expect("an ANN has layers").name;
        let pass = || {
            let start = Instant::now();
            let answers = net.activations(&images, std::slice::from_ref(&last));
            let answers = answers.expect("a layer of the ANN");
            assert!(
                answers[0].iter().all(|value| value.is_finite()),
                "finite answers"
            );
            BATCH as f64 / start.elapsed().as_secs_f64()
        };
        pass();
        for _ in 0..PASSES {
            println!("{} {name} {:.2}", info.name, pass());
        }
    }
}
