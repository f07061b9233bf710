//! `nrp sweep check`.

use crate::devices::DIGEST_DEVICE;
use crate::failure::CommandError;
use crate::load;
use crate::output::{self, Format};
use crate::takes::Takes;
use nrp_proto::wire::SweepSpec;
use nrp_worker::activation::Dtype;
use serde::Serialize;
use std::path::PathBuf;

/// Check a sweep file and the files it names, and show what the sweep consists of; nothing runs
///
/// Shows its ANNs at each sparsity with the fraction of zeros counted in their kernels, their layer sets, with
/// words such as `pairs` spelled out, and the number of trials.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The sweep file
    file: PathBuf,
    /// The directory that its paths are relative to [default: the file's directory]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// What a sweep file stands for.
#[derive(Serialize)]
struct Checked<'a> {
    sweep: &'a str,
    /// NRP networks and linear baselines, in every split.
    trials: u128,
    splits: u32,
    /// The cells that trials are drawn from; all of them where nothing is drawn.
    cells: u128,
    regions: &'a [String],
    anns: Vec<CheckedAnn<'a>>,
    #[serde(flatten)]
    takes: Takes,
}

/// An ANN at one sparsity.
#[derive(Serialize)]
struct CheckedAnn<'a> {
    ann: &'a str,
    weights: &'a str,
    weights_digest: &'a str,
    sparsity: f64,
    pruning: &'a str,
    /// Fraction of zeros in all kernels; absent for an ONNX model.
    reached_sparsity: Option<f64>,
    layer_sets: Vec<&'a [String]>,
    /// The only region that each layer set is tried for; empty where it is tried for all of them.
    of_region: Vec<&'a str>,
}

pub(crate) fn run(arguments: Arguments, format: Format) -> miette::Result<()> {
    let Arguments { file, data_dir } = arguments;
    let (spec, forecast) = load::sweep(&file, data_dir, DIGEST_DEVICE, true)?;
    let checked = Checked {
        sweep: &spec.name,
        trials: spec.trial_count(),
        splits: spec.splits(),
        cells: spec.cells(),
        regions: &spec.regions,
        anns: anns(&spec),
        takes: Takes::new(&spec, &forecast, Dtype::F32),
    };
    Ok(format.show(&checked, |checked| text(&spec, checked))?)
}

fn anns(spec: &SweepSpec) -> Vec<CheckedAnn<'_>> {
    let anns = spec.anns.iter().filter_map(|entry| {
        let ann = entry.ann.as_ref()?;
        let sets = entry.layer_sets.iter();
        Some(CheckedAnn {
            ann: &ann.name,
            weights: &entry.weights,
            weights_digest: &ann.weights_digest,
            sparsity: ann.sparsity,
            pruning: &ann.pruning,
            reached_sparsity: entry.reached_sparsity,
            of_region: sets.clone().map(|set| set.region.as_str()).collect(),
            layer_sets: sets.map(|set| set.layers.as_slice()).collect(),
        })
    });
    anns.collect()
}

fn text(spec: &SweepSpec, checked: &Checked) -> Result<(), CommandError> {
    let head = [
        "ANN",
        "weights",
        "sparsity",
        "pruning",
        "zeros",
        "layer sets",
    ];
    let mut table = output::table(&head);
    for ann in &checked.anns {
        let pruning = if ann.pruning.is_empty() {
            "–"
        } else {
            ann.pruning
        };
        table.add_row([
            ann.ann.to_owned(),
            ann.weights.to_owned(),
            output::number(Some(ann.sparsity)),
            pruning.to_owned(),
            output::score(ann.reached_sparsity),
            ann.layer_sets.len().to_string(),
        ]);
    }
    output::print_table(&table)?;
    layer_sets(&checked.anns)?;
    let drawn = spec.random.as_ref().map(|random| {
        let (trials, cells) = (random.trials, checked.cells);
        format!(", {trials} cells drawn from {cells}")
    });
    let splits = match checked.splits {
        1 => String::new(),
        splits => format!(" over {splits} splits"),
    };
    output::line("")?;
    output::line(&format!(
        "{} trials{}{splits}, in {}",
        checked.trials,
        drawn.unwrap_or_default(),
        checked.regions.join(" and ")
    ))?;
    let takes = checked.takes.in_words();
    takes.iter().try_for_each(|line| output::line(line))
}

/// The layer sets of each ANN, once where it is listed at several sparsities.
fn layer_sets(anns: &[CheckedAnn]) -> Result<(), CommandError> {
    let mut shown: Vec<(&str, &[&[String]])> = Vec::new();
    for ann in anns {
        let sets = (ann.ann, ann.layer_sets.as_slice());
        if shown.contains(&sets) {
            continue;
        }
        shown.push(sets);
        output::line("")?;
        output::line(&format!("layer sets of {}:", ann.ann))?;
        for (set, region) in ann.layer_sets.iter().zip(&ann.of_region) {
            let region = match *region {
                "" => String::new(),
                region => format!(" ({region})"),
            };
            output::line(&format!("  {}{region}", set.join("+")))?;
        }
    }
    Ok(())
}
