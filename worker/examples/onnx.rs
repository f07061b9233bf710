//! Runs an ONNX file beside other programs: writes every layer of the first image, and tells which layer
//! each PyTorch module returns. Of several images, it tells how many a second go through the whole net,
//! and at how much CPU time each. `benches/onnx_speed.py` and `benches/onnx_layers.py` call it and compare.
#![allow(clippy::print_stdout)]

use miette::{IntoDiagnostic, WrapErr, miette};
use nrp_worker::ann::{LoadedAnn, ONNX, OpenedAnn, Pruning, RunnableAnn, WeightsSource};
use nrp_worker::device;
use std::collections::HashMap;
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
    let ann = OpenedAnn::open(ONNX, &weights, "")?;
    let OpenedAnn::Runs(ann @ RunnableAnn::Onnx { file, .. }) = &ann else {
        unreachable!("an ONNX file");
    };
    let layers = file.layers();
    let names: Vec<&String> = layers.iter().map(|layer| &layer.name).collect();
    let returned = layers
        .iter()
        .flat_map(|layer| layer.modules.iter().map(|it| (it, &layer.name)));
    let modules: HashMap<&String, &String> = returned.collect();
    let images = floats(&std::fs::read(images).into_diagnostic()?);
    let pixels: usize = ann.input().iter().product();
    let device = device::open("flex")?;
    let load = |layers: &[&String]| {
        let layers: Vec<String> = layers.iter().copied().cloned().collect();
        ann.load(&weights, Pruning::None, &layers, &device)
    };

    let all = load(&names)?.activations(&images[..pixels])?;
    let bytes: Vec<u8> = all
        .concat()
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    std::fs::write(answers, bytes).into_diagnostic()?;

    let mut report = serde_json::json!({
        "layers": names,
        "units": all.iter().map(Vec::len).collect::<Vec<_>>(),
        "modules": modules,
    });
    if images.len() > pixels {
        let (rate, cpu) = speed(&load(&names[names.len() - 1..])?, &images, pixels)?;
        report["images_per_second"] = rate.into();
        report["cpu_seconds_per_image"] = cpu.into();
    }
    println!("{report}");
    Ok(())
}

/// Images a second, and the seconds of CPU that each takes.
fn speed(net: &LoadedAnn, images: &[f32], pixels: usize) -> miette::Result<(f64, f64)> {
    let stimuli = (images.len() / pixels) as f64;
    net.activations(images)?;
    let (mut rate, mut cpu) = (0.0_f64, f64::INFINITY);
    for _ in 0..PASSES {
        let (started, before) = (Instant::now(), cpu_seconds()?);
        net.activations(images)?;
        rate = rate.max(stimuli / started.elapsed().as_secs_f64());
        cpu = cpu.min((cpu_seconds()? - before) / stimuli);
    }
    Ok((rate, cpu))
}

/// Seconds that this process's threads have run, as Linux counts them, in hundredths.
fn cpu_seconds() -> miette::Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat");
    let stat = stat.into_diagnostic().wrap_err("needs Linux's /proc")?;
    // After the command's name: fields 3 and on, of which 14 and 15 are user's and system's ticks.
    let fields = stat.rsplit(") ").next().unwrap_or_default();
    let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<f64>);
    let ticks: Vec<f64> = ticks.collect::<Result<_, _>>().into_diagnostic()?;
    Ok(ticks.iter().sum::<f64>() / 100.0)
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    let (values, _) = bytes.as_chunks::<4>();
    values
        .iter()
        .map(|value| f32::from_le_bytes(*value))
        .collect()
}
