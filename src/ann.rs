//! `nrp ann`: lists ANNs and their layers, counts zero weights, and checks ANNs against reference
//! activations.

use crate::devices::DIGEST_DEVICE;
use crate::failure::{CommandError, Ended};
use crate::output::{self, Format};
use crate::row::file_label;
use crate::ui;
use nrp_worker::ann::{Ann, Pruning, WeightsSource};
use nrp_worker::{ann, device};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// List ANNs and their layers, count zero weights, and check ANNs against reference activations
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// List ANNs: parameters, input, preprocessing
    ///
    /// Other ANNs run from ONNX files; `nrp ann layers FILE.onnx` lists the layers of one. Activations of any
    /// other network are read from a file; `nrp ann layers features --weights FILE` lists its layers.
    List,
    /// List the layers of an ANN: name, shape (height, width, channels), units
    ///
    /// A sweep file's `layer_sets = "single"`, `"pairs"` and `"triples"` combine the layers that are
    /// marked as candidates.
    ///
    /// For an ONNX file, the layers are its float tensors that depend on the image. Each is listed with
    /// the node that writes it, that node's operation and, if PyTorch's exporter recorded them, the
    /// modules that return it (`layer1.0.relu`; of a module that is called several times, the last call).
    /// A sweep names a layer by its tensor, its node or such a module. The shape is that of one stimulus,
    /// in the tensor's own order.
    ///
    /// In a sweep file, an ONNX net has `name = "onnx"` and `weights = "FILE.onnx"`. Its
    /// `preprocessing` is "torch" (the default: 0..1, standardised by ImageNet's mean and deviation),
    /// "tf" (-1..1), "caffe" (BGR minus ImageNet's mean) or "none" (RGB, 0..255). ONNX nets always run
    /// on the CPU, whatever `--device` says.
    ///
    /// `features` is an ANN whose activations another program computed: `--weights` names the file, and the
    /// layers are its arrays.
    Layers {
        /// The ANN, an ONNX file, or `features`
        #[arg(value_name = "ANN|FILE.onnx|features")]
        ann: String,
        /// The file of activations of `features`: `.npy`, `.npz` or `.nc`
        #[arg(long, value_name = "FILE")]
        weights: Option<PathBuf>,
    },
    /// Count the zero weights of an ANN: the fraction of zeros in all kernels of convolutions and dense
    /// layers
    Sparsity {
        /// The ANN
        ann: String,
        /// The ANN's weights: a file, or random:SEED
        weights: WeightsSource,
        /// The keys that lead to the weights in a file of PyTorch's, with dots between
        #[arg(long, value_name = "KEY")]
        weights_key: Option<String>,
    },
    /// Check ANNs against reference activations
    ///
    /// Rebuilds each fixture's weights and image, runs the ANN on the device, and compares every
    /// listed layer. The error is an element's difference as a fraction of its layer's standard
    /// deviation. The exit code is 1 if a file exceeds the tolerance or cannot be verified; the other
    /// files are still verified.
    Verify {
        /// Files of reference activations, as JSON
        #[arg(required = true)]
        fixtures: Vec<PathBuf>,
        /// The largest relative error that passes
        #[arg(long, default_value_t = 1e-3)]
        tolerance: f64,
        /// The device to run the ANNs on; `nrp devices` lists the devices
        #[arg(long, value_name = "D", default_value = device::AUTO)]
        device: String,
    },
}

#[derive(Serialize)]
struct AnnRow {
    name: &'static str,
    parameters: u64,
    /// The count without biases, if the published table states that.
    parameters_without_biases: Option<u64>,
    /// Height, width, channels.
    input: [usize; 3],
    preprocessing: String,
}

#[derive(Serialize)]
struct LayerRow {
    name: String,
    /// Height, width, channels; or units alone.
    shape: Vec<usize>,
    units: usize,
    /// Whether the words for layer sets (`single`, `pairs`, `triples`) include this layer.
    candidate: bool,
}

#[derive(Serialize)]
struct SparsityRow {
    ann: &'static str,
    weights: String,
    reached_sparsity: f64,
}

#[derive(Serialize)]
struct VerifyRow {
    file: PathBuf,
    ann: &'static str,
    seed: u64,
    layers: usize,
    worst_layer: String,
    /// Absent if a value is not finite, which never passes.
    worst_relative_error: Option<f64>,
    tolerance: f64,
    passed: bool,
}

/// A layer of an ONNX file.
#[derive(Serialize)]
struct OnnxRow {
    name: String,
    node: String,
    /// The PyTorch modules that return it, outermost first.
    modules: Vec<String>,
    op: String,
    /// In the tensor's own order.
    shape: Vec<usize>,
    units: usize,
}

/// A layer of a file of activations.
#[derive(Serialize)]
struct FeaturesRow {
    name: String,
    stimuli: usize,
    /// In the array's own order.
    shape: Vec<usize>,
    units: usize,
}

pub(crate) fn run(command: Command, format: Format) -> miette::Result<Ended> {
    match command {
        Command::List => {
            list(format)?;
            Ok(Ended::Done)
        }
        Command::Layers { ann, weights } => {
            match weights {
                Some(file) if ann == ann::FEATURES => features_layers(&file, format)?,
                Some(_) => {
                    if !ann::is_onnx(Path::new(&ann)) {
                        // A name that is mistyped is an error of its own.
                        ann::find(&ann)?;
                    }
                    return Err(CommandError::LayersOfWeights { ann }.into());
                }
                None if ann::is_onnx(Path::new(&ann)) => onnx_layers(Path::new(&ann), format)?,
                None => layers(&ann, format)?,
            }
            Ok(Ended::Done)
        }
        Command::Sparsity {
            ann,
            weights,
            weights_key,
        } => {
            let weights = weights.of_key(&weights_key.unwrap_or_default(), Path::new(""))?;
            sparsity(&ann, &weights, format)?;
            Ok(Ended::Done)
        }
        Command::Verify {
            fixtures,
            tolerance,
            device,
        } => verify(fixtures, tolerance, &device, format),
    }
}

fn list(format: Format) -> Result<(), CommandError> {
    let rows: Vec<AnnRow> = ann::offered()
        .iter()
        .map(|info| AnnRow {
            name: info.name,
            parameters: info.parameters,
            parameters_without_biases: info.parameters_without_biases,
            input: info.input,
            preprocessing: info.preprocessing.to_string(),
        })
        .collect();
    if format == Format::Json {
        return output::json(&rows);
    }
    let mut table = output::table(&["ANN", "parameters", "input", "preprocessing"]);
    for row in rows {
        table.add_row([
            row.name.to_owned(),
            match row.parameters_without_biases {
                None => row.parameters.to_string(),
                Some(fewer) => format!("{} ({fewer} without biases)", row.parameters),
            },
            shape(&row.input),
            row.preprocessing,
        ]);
    }
    output::print_table(&table)
}

fn layers(name: &str, format: Format) -> miette::Result<()> {
    let info = ann::find(name)?;
    let rows = info.layers().into_iter().map(|layer| LayerRow {
        units: layer.units(),
        candidate: info.candidates.contains(&&*layer.name),
        name: layer.name,
        shape: layer.shape,
    });
    let rows: Vec<LayerRow> = rows.collect();
    if format == Format::Json {
        return Ok(output::json(&rows)?);
    }
    let mut table = output::table(&["layer", "shape", "units", "candidate"]);
    for row in rows {
        table.add_row([
            row.name,
            shape(&row.shape),
            row.units.to_string(),
            if row.candidate { "yes" } else { "" }.to_owned(),
        ]);
    }
    Ok(output::print_table(&table)?)
}

fn sparsity(name: &str, weights: &WeightsSource, format: Format) -> miette::Result<()> {
    let device = device::open(DIGEST_DEVICE)?;
    let info = ann::find(name)?;
    // A classifier may be missing, all before it must not.
    let deepest: Vec<String> = info
        .candidates
        .last()
        .map(|of| (*of).to_owned())
        .into_iter()
        .collect();
    let net = Ann::load(info, weights, Pruning::None, &deepest, &device)?;
    for notice in net.notices() {
        output::note(&format!("notice: {notice}"));
    }
    let row = SparsityRow {
        ann: net.info().name,
        weights: weights.to_string(),
        reached_sparsity: net.reached_sparsity(),
    };
    if format == Format::Json {
        return Ok(output::json(&row)?);
    }
    let mut table = output::table(&["ANN", "weights", "zeros"]);
    let zeros = output::score(Some(row.reached_sparsity));
    table.add_row([row.ann.to_owned(), row.weights, zeros]);
    Ok(output::print_table(&table)?)
}

fn onnx_layers(file: &Path, format: Format) -> miette::Result<()> {
    let net = ann::OnnxFile::open(file)?;
    let rows = net.layers().into_iter().map(|layer| OnnxRow {
        units: layer.shape.iter().product(),
        name: layer.name,
        node: layer.node,
        modules: layer.modules,
        op: layer.op,
        shape: layer.shape,
    });
    let rows: Vec<OnnxRow> = rows.collect();
    note_unlisted(&net);
    if format == Format::Json {
        return Ok(output::json(&rows)?);
    }
    let has_modules = rows.iter().any(|row| !row.modules.is_empty());
    let mut columns = vec!["layer", "node", "operation", "shape", "units"];
    columns.extend(has_modules.then_some("modules that return it"));
    let mut table = output::table(&columns);
    for row in rows {
        let units = row.units.to_string();
        let mut cells = vec![row.name, row.node, row.op, shape(&row.shape), units];
        cells.extend(has_modules.then(|| row.modules.join(", ")));
        table.add_row(cells);
    }
    let label = file_label(ann::ONNX, net.digest());
    output::note(&format!(
        "notice: tables of results show this network as `{label}`, after its digest"
    ));
    Ok(output::print_table(&table)?)
}

fn features_layers(path: &Path, format: Format) -> miette::Result<()> {
    let file = ann::FeaturesFile::open(path)?;
    for (name, why) in file.left_out() {
        output::note(&format!("notice: `{name}` is not a layer: {why}"));
    }
    let rows = file.layers().into_iter().map(|layer| FeaturesRow {
        units: layer.shape.iter().product(),
        name: layer.name,
        stimuli: layer.stimuli,
        shape: layer.shape,
    });
    let rows: Vec<FeaturesRow> = rows.collect();
    if format == Format::Json {
        return Ok(output::json(&rows)?);
    }
    let mut table = output::table(&["layer", "stimuli", "shape", "units"]);
    for row in rows {
        let (stimuli, units) = (row.stimuli.to_string(), row.units.to_string());
        table.add_row([row.name, stimuli, shape(&row.shape), units]);
    }
    output::note(if file.names_stimuli() {
        "notice: the file names its stimuli: rows go by their ids"
    } else {
        "notice: the file does not name its stimuli: row i is of line i of the stimulus set"
    });
    Ok(output::print_table(&table)?)
}

/// Says which tensors are not layers and why, and which modules' names cannot be used.
fn note_unlisted(net: &ann::OnnxFile) {
    for left_out in net.left_out() {
        let why = &left_out.why;
        let names = named(&left_out.tensors);
        output::note(&format!("notice: not listed, because {why}: {names}"));
        if let Some(help) = why.help() {
            output::note(&format!("hint: to have more layers, {help}"));
        }
    }
    for (module, tensors) in net.unnamed_modules() {
        let names = named(tensors);
        output::note(&match tensors {
            [_] => format!(
                "notice: `{module}` names another layer than what module `{module}` returns: use {names}"
            ),
            _ => format!("notice: module `{module}` returns several layers: use one of {names}"),
        });
    }
}

/// The first of `tensors`, and how many more there are.
fn named(tensors: &[String]) -> String {
    const SHOWN: usize = 4;
    let shown = tensors.iter().take(SHOWN);
    let shown: Vec<String> = shown.map(|name| format!("`{name}`")).collect();
    let more = tensors.len().saturating_sub(SHOWN);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!("{}{more}", shown.join(", "))
}

fn shape(sizes: &[usize]) -> String {
    let sizes: Vec<String> = sizes.iter().map(usize::to_string).collect();
    sizes.join("×")
}

fn verify(
    fixtures: Vec<PathBuf>,
    tolerance: f64,
    device: &str,
    format: Format,
) -> miette::Result<Ended> {
    let device = device::open(device)?;
    let mut rows = Vec::new();
    let mut verified = true;
    for file in fixtures {
        let report = match ann::verify(&file, &device) {
            Ok(report) => report,
            // The other files are still verified.
            Err(source) => {
                verified = false;
                ui::error(&CommandError::Fixture { path: file, source }.into());
                continue;
            }
        };
        let error = report.worst_relative_error;
        rows.push(VerifyRow {
            file,
            ann: report.ann,
            seed: report.seed,
            layers: report.layers,
            worst_layer: report.worst_layer,
            worst_relative_error: error.is_finite().then_some(error),
            tolerance,
            passed: error < tolerance,
        });
    }
    let passed = verified && rows.iter().all(|row| row.passed);
    if format == Format::Json {
        output::json(&rows)?;
    } else if !rows.is_empty() {
        let header = [
            "file",
            "ANN",
            "layers",
            "worst layer",
            "worst relative error",
            "verdict",
        ];
        let mut table = output::table(&header);
        for row in rows {
            let error = row.worst_relative_error;
            table.add_row([
                row.file.display().to_string(),
                row.ann.to_owned(),
                row.layers.to_string(),
                row.worst_layer,
                error.map_or_else(|| "not finite".to_owned(), |error| format!("{error:.2e}")),
                if row.passed { "passes" } else { "fails" }.to_owned(),
            ]);
        }
        output::print_table(&table)?;
    }
    Ok(if passed {
        Ended::Done
    } else {
        Ended::CheckFailed
    })
}
