//! Runs an ONNX file beside other programs: writes every layer of the first image, and tells how
//! many images a second go through the whole net. `benches/onnx.py` calls it and compares.
#![allow(clippy::print_stdout)]

use miette::{IntoDiagnostic, miette};
use nrp_worker::ann::{LoadedAnn, ONNX, OpenedAnn, WeightsSource};
use nrp_worker::device;
use std::time::Instant;

/// Passes timed, after one that is not; the fastest counts.
const PASSES: usize = 3;

fn main() -> miette::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, images, answers] = arguments.as_slice() else {
        return Err(miette!(
            help = "onnx net.onnx images.f32 layers.f32",
            "needs FILE IMAGES ANSWERS"
        ));
    };
    let weights = WeightsSource::File(file.into());
    let started = Instant::now();
    let ann = OpenedAnn::open(ONNX, &weights, "")?;
    let opened = started.elapsed();
    let OpenedAnn::Onnx { file, .. } = &ann else {
        unreachable!("an ONNX file");
    };
    let names: Vec<String> = file.layers().into_iter().map(|layer| layer.name).collect();
    let images = floats(&std::fs::read(images).into_diagnostic()?);
    let pixels: usize = ann.input().iter().product();
    let device = device::open("flex")?;
    let load = |layers: &[String]| ann.load(&weights, layers, &device);

    let all = load(&names)?.activations(&images[..pixels])?;
    let bytes: Vec<u8> = all
        .concat()
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    std::fs::write(answers, bytes).into_diagnostic()?;

    let started = Instant::now();
    let net = load(&names[names.len() - 1..])?;
    let loaded = started.elapsed();
    let rate = |net: &LoadedAnn| -> miette::Result<f64> {
        let started = Instant::now();
        net.activations(&images)?;
        Ok((images.len() / pixels) as f64 / started.elapsed().as_secs_f64())
    };
    rate(&net)?;
    let mut best: f64 = 0.0;
    for _ in 0..PASSES {
        best = best.max(rate(&net)?);
    }
    println!(
        "{}",
        serde_json::json!({
            "layers": names,
            "units": all.iter().map(Vec::len).collect::<Vec<_>>(),
            "open_seconds": opened.as_secs_f64(),
            "load_seconds": loaded.as_secs_f64(),
            "images_per_second": best,
        })
    );
    Ok(())
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    let (values, _) = bytes.as_chunks::<4>();
    values
        .iter()
        .map(|value| f32::from_le_bytes(*value))
        .collect()
}
