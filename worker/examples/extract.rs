//! Extracts one layer for the first stimuli of some recordings, with random weights, and tells how
//! long it took and how much memory this process had at most: `just bench-memory` runs it.
#![allow(clippy::print_stdout)]

mod memory;

use memory::peak_bytes;
use miette::{IntoDiagnostic, miette};
use nrp_worker::activation::{Cache, CacheConfig, Dtype, Extraction, ensure};
use nrp_worker::ann::{self, OpenedAnn, Pruning, Resize, WeightsSource};
use nrp_worker::device;
use nrp_worker::recording::{Layout, Recordings, Source};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

fn main() -> miette::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [device, ann, layer, stimuli, recordings] = arguments.as_slice() else {
        return Err(miette!(
            help = "extract flex resnet50 conv2_block3_out 200 data/v4-201025",
            "needs DEVICE ANN LAYER STIMULI RECORDINGS"
        ));
    };
    let stimuli: usize = stimuli.parse().into_diagnostic()?;
    let device = device::open(device)?;
    let recordings = open(Path::new(recordings), stimuli)?;
    let directory = tempfile::tempdir().into_diagnostic()?;
    let cache = Cache::open(CacheConfig {
        directory: directory.path().to_owned(),
        dtype: Dtype::F32,
        budget_bytes: None,
    })?;
    let extraction = Extraction {
        ann: &OpenedAnn::built_in(ann::find(ann)?),
        weights: &WeightsSource::Random(1),
        weights_digest: "random:1",
        pruning: Pruning::None,
        resize: Resize::default(),
        screen: None,
        recordings: &recordings,
        stimulus_digest: "the first",
        layers: std::slice::from_ref(layer),
        also: &[],
    };
    let started = Instant::now();
    let mut on = |_| ControlFlow::Continue(());
    ensure(&cache, &extraction, &device, &mut on)?;
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{ann} {layer}: {} stimuli, {seconds:.1} s, {:.0} MB of memory at most",
        recordings.stimuli.len(),
        peak_bytes()? as f64 / 1e6
    );
    Ok(())
}

/// The recordings in a directory named after them, cut to their first `stimuli`.
fn open(directory: &Path, stimuli: usize) -> miette::Result<Recordings> {
    let name = directory.file_name().unwrap_or_default().to_string_lossy();
    let source = Source::Files {
        assembly: directory.join(format!("assy_{name}.nc")),
        stimuli: directory.join(format!("stimulus_{name}.csv")),
        images: directory.join(format!("stimulus_{name}.zip")),
        layout: Layout::documented(),
    };
    let mut recordings = Recordings::open(&source, &[])?;
    match recordings.stimuli.len() {
        n if n < stimuli => Err(miette!("`{name}` has only {n} stimuli")),
        _ => {
            recordings.stimuli.truncate(stimuli);
            Ok(recordings)
        }
    }
}
