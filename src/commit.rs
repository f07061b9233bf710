//! `nrp commit`: chooses for each ANN and region the layer that predicts the region best, shows every layer's
//! scores, and writes the choice as Brain-Score's region maps.

use crate::access::Access;
use crate::failure::{CommandError, Ended};
use crate::output::{self, Format};
use crate::place::Results;
use crate::region_map::{RegionMap, RegionMapError};
use crate::row::ann_label;
use crate::scope::ChosenSweep;
use crate::ui;
use nrp_client::Client;
use nrp_proto::near_miss;
use nrp_proto::sweep::Baseline;
use nrp_proto::wire::{SweepSpec, TrialsRequest};
use nrp_report::commitment::{
    self, AnnCommitment, Barred, By, CommitmentFold, LayerScore, Layers, RegionCommitment,
};
use nrp_worker::ann;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// The linear model that decides where none is named, as in Brain-Score.
const DEFAULT_MODEL: &str = Baseline::Pls.name();

/// Choose for each region the layer that predicts it best, and write the choice as Brain-Score's region maps
///
/// Shows the Brain-Score score of every layer, over all splits, and marks the highest of each region: that of
/// center²/ceiling, or of the center where the recordings have no ceiling. Layers whose center is below 0 come after
/// all others; of equal layers, the ANN's first is chosen. Layer sets of several layers are shown, but a region is
/// committed to one layer. As long as a trial is open nothing is chosen, and the exit code is 1.
///
/// The files have `{"V4": "LAYER"}`, which a sweep file reads by `layer_sets = "region-map:FILE"`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Its name, its id, or the beginning of its id [default: the latest sweep]
    #[arg(default_value = "", hide_default_value = true)]
    sweep: String,
    /// The regions to commit, all of the sweep unless some are named
    #[arg(long, value_delimiter = ',', value_name = "REGION")]
    by: Vec<String>,
    /// The linear model whose scores decide [default: pls, or the only one that the sweep has]
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// Where to write: a file that ends with `.json`, for one ANN, or a folder, which gets a file for each ANN
    #[arg(long, value_name = "FILE|DIR")]
    out: Option<PathBuf>,
    /// Keep the regions of a file that exists, as far as this sweep does not commit them
    #[arg(long, requires = "out")]
    merge: bool,
    #[command(flatten)]
    results: Results,
}

/// What the command shows.
#[derive(Debug, Serialize)]
struct Committed {
    sweep: String,
    /// The linear model whose scores decide.
    model: String,
    anns: Vec<OfAnn>,
    /// What to note: open trials, layers that cannot be chosen, regions without a ceiling.
    notices: Vec<String>,
}

#[derive(Debug, Serialize)]
struct OfAnn {
    #[serde(flatten)]
    commitment: AnnCommitment,
    /// What Brain-Score reads.
    region_layer_map: RegionMap,
    /// Where it was written.
    file: Option<PathBuf>,
}

pub(crate) async fn run(arguments: Arguments, format: Format) -> miette::Result<Ended> {
    let (name, model, commitments) = Access::read(&arguments.results, async |access| {
        let (sweep, headline) = ChosenSweep::find(&access.client, &arguments.sweep).await?;
        ui::notice(&headline);
        let model = model(&sweep, arguments.model.as_deref())?;
        let regions = regions(&sweep, &arguments.by)?;
        let commitments = gather(&access.client, &sweep, &model, regions).await?;
        Ok((sweep.name, model, commitments))
    })
    .await?;
    let regions = commitments.iter().flat_map(|ann| &ann.regions);
    let (ended, trials) = regions
        .map(RegionCommitment::progress)
        .fold((0, 0), |(ended, trials), (of_ended, of_trials)| {
            (ended + of_ended, trials + of_trials)
        });
    let mut notices = Vec::new();
    if ended < trials {
        notices.push(format!(
            "{ended} of {trials} trials of `{model}` have ended: no layer is chosen, and nothing is written, until \
             all have; `nrp run FILE` continues the sweep"
        ));
    }
    notices.extend(commitments.iter().flat_map(said));
    let files = match &arguments.out {
        Some(out) => files(out, &name, &commitments)?,
        None => vec![None; commitments.len()],
    };
    let mut anns = Vec::new();
    for (commitment, file) in commitments.into_iter().zip(files) {
        let mut map = RegionMap::of(&commitment.region_layers());
        let file = file.filter(|_| ended == trials && map.regions().next().is_some());
        if let Some(file) = &file {
            notices.extend(write(&mut map, file, arguments.merge)?);
        }
        anns.push(OfAnn {
            commitment,
            region_layer_map: map,
            file,
        });
    }
    let committed = Committed {
        sweep: name,
        model,
        anns,
        notices,
    };
    committed.notices.iter().for_each(|said| ui::notice(said));
    format.show(&committed, text)?;
    Ok(if ended == trials {
        Ended::Done
    } else {
        Ended::CheckFailed
    })
}

/// The linear model that decides.
fn model(sweep: &ChosenSweep, asked: Option<&str>) -> Result<String, CommandError> {
    let mut models: Vec<String> = Vec::new();
    for word in &sweep.spec.baselines {
        if word.parse::<Baseline>().is_ok() && !models.contains(word) {
            models.push(word.clone());
        }
    }
    let name = || sweep.name.clone();
    match (asked, models.as_slice()) {
        (_, []) => Err(CommandError::NoLinearModel { name: name() }),
        (Some(asked), _) if models.iter().any(|of| of == asked) => Ok(asked.to_owned()),
        (Some(asked), _) => Err(no_such(sweep, "linear model", asked, &models)),
        (None, [only]) => Ok(only.clone()),
        (None, _) if models.iter().any(|of| of == DEFAULT_MODEL) => Ok(DEFAULT_MODEL.to_owned()),
        (None, _) => Err(CommandError::ModelUnchosen {
            name: name(),
            models,
        }),
    }
}

/// The regions to commit, in the order of the sweep.
fn regions(sweep: &ChosenSweep, asked: &[String]) -> Result<Vec<String>, CommandError> {
    let known = &commitment::regions(&sweep.spec);
    if let Some(unknown) = asked.iter().find(|region| !known.contains(region)) {
        return Err(no_such(sweep, "region", unknown, known));
    }
    let regions = known.iter();
    let regions = regions.filter(|region| asked.is_empty() || asked.contains(region));
    Ok(regions.cloned().collect())
}

fn no_such(sweep: &ChosenSweep, what: &'static str, word: &str, known: &[String]) -> CommandError {
    CommandError::NoSuchName {
        what,
        of: format!("sweep `{}`", sweep.name),
        word: word.to_owned(),
        known: known.to_vec(),
        near: near_miss(word, known.iter().map(String::as_str)).map(str::to_owned),
    }
}

/// Asks a coordinator for the trials that decide.
async fn gather(
    client: &Client,
    sweep: &ChosenSweep,
    model: &str,
    regions: Vec<String>,
) -> Result<Vec<AnnCommitment>, CommandError> {
    let spec: SweepSpec = sweep.spec.clone();
    let mut fold = CommitmentFold::new(spec, model, &regions);
    let request = TrialsRequest {
        sweep: sweep.id.clone(),
        filters: vec![format!("model={model}")],
        ..TrialsRequest::default()
    };
    let mut stream = client.trials(request).await?;
    while let Some(record) = stream.next().await? {
        fold.take(&record);
    }
    Ok(fold.conclude(&Known))
}

/// What this program knows of its ANNs' layers.
struct Known;

impl Layers for Known {
    fn order(&self, ann: &str) -> Vec<String> {
        let layers = ann::find(ann).map_or_else(|_| Vec::new(), |info| info.layers());
        layers.into_iter().map(|layer| layer.name).collect()
    }

    fn committed(&self, ann: &str, layer: &str) -> Option<String> {
        match ann::find(ann) {
            Ok(info) => info.module(layer),
            Err(_) => Some(layer.to_owned()),
        }
    }
}

/// What a user must know of an ANN's commitments.
fn said(ann: &AnnCommitment) -> Vec<String> {
    let mut notices = Vec::new();
    for of in &ann.regions {
        let place = format!("{}, {}", ann_label(&ann.ann, &ann.weights), of.region);
        let barred = |why| {
            let sets = of.layer_sets.iter().filter(|set| set.barred == Some(why));
            sets.map(|set| set.layers.join("+")).collect::<Vec<_>>()
        };
        for (why, because) in [
            (
                Barred::SeveralLayers,
                "not chosen, as a region is committed to one layer",
            ),
            (
                Barred::EarlierCall,
                "not chosen: a module's name means its last call, and these are earlier ones",
            ),
            (
                Barred::Failed,
                "not chosen, as trials failed: `nrp trials --in-state failed` says why",
            ),
            (
                Barred::NoCorrelation,
                "not chosen, as the trials have no correlations",
            ),
        ] {
            let sets = barred(why);
            if !sets.is_empty() {
                notices.push(format!("{place}: {}: {because}", sets.join(", ")));
            }
        }
        let Some(chosen) = of.chosen() else { continue };
        if of.by == By::Center {
            notices.push(format!(
                "{place}: the recordings have no ceiling above 0, so the highest center is chosen"
            ));
        }
        let center = chosen.brain_score.as_ref().map(|score| score.center);
        if center.is_some_and(|center| center < 0.0) {
            notices.push(format!(
                "{place}: every center is below 0, so no layer predicts the region, and the one nearest to 0 is chosen"
            ));
        }
    }
    notices
}

/// Writes a map, with the regions of the file that is there if they are to be kept. Returns what to say of them.
fn write(map: &mut RegionMap, file: &Path, merge: bool) -> Result<Option<String>, CommandError> {
    let mut notice = None;
    if merge {
        match RegionMap::read(file) {
            Ok(old) => {
                let kept = map.keep(old);
                if !kept.is_empty() {
                    let kept = kept.join(", ");
                    notice = Some(format!("`{}` keeps its layers of {kept}", file.display()));
                }
            }
            Err(RegionMapError::Unreadable { source, .. })
                if source.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(CommandError::Merge(source)),
        }
    }
    let folder = file.parent().filter(|of| !of.as_os_str().is_empty());
    let made = folder.map_or(Ok(()), std::fs::create_dir_all);
    let written = made.and_then(|()| map.write(file));
    written.map_err(|source| CommandError::Write {
        path: file.to_owned(),
        source,
    })?;
    Ok(notice)
}

/// The file of each ANN's map.
fn files(
    out: &Path,
    sweep: &str,
    anns: &[AnnCommitment],
) -> Result<Vec<Option<PathBuf>>, CommandError> {
    let is_file = !out.is_dir() && out.extension().is_some_and(|of| of == "json");
    match (is_file, anns.len()) {
        (true, 1) => Ok(vec![Some(out.to_owned())]),
        (true, anns) => Err(CommandError::OneFile {
            name: sweep.to_owned(),
            path: out.to_owned(),
            anns,
        }),
        (false, _) => {
            let names = names(anns).into_iter();
            Ok(names
                .map(|name| Some(out.join(format!("{name}.json"))))
                .collect())
        }
    }
}

/// A file's name for each ANN, different for each: the ANN's or, of one that a file defines, the file's; and what
/// tells it from others of that name.
fn names(anns: &[AnnCommitment]) -> Vec<String> {
    let plain = |of: &AnnCommitment| {
        let stem = Path::new(&of.weights_file).file_stem();
        let stem = stem.map(|stem| stem.to_string_lossy().into_owned());
        let is_of_file = of.ann == ann::ONNX || of.ann == ann::FEATURES;
        let name = stem
            .filter(|_| is_of_file)
            .unwrap_or_else(|| of.ann.clone());
        let safe = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        name.replace(|c| !safe(c), "_")
    };
    let weights = |of: &AnnCommitment| {
        let weights = of.weights.replace(':', "-");
        let digits = weights
            .char_indices()
            .nth(16)
            .map_or(weights.len(), |(at, _)| at);
        format!("{}-{}", plain(of), &weights[..digits])
    };
    let zeros = |of: &AnnCommitment| match of.pruning.as_str() {
        "" => weights(of),
        pruning => format!("{}-{pruning}-{}", weights(of), of.sparsity),
    };
    let mut names: Vec<String> = anns.iter().map(plain).collect();
    for longer in [&weights as &dyn Fn(&AnnCommitment) -> String, &zeros] {
        names = anns
            .iter()
            .zip(&names)
            .map(
                |(of, name)| match names.iter().filter(|other| *other == name).count() {
                    1 => name.clone(),
                    _ => longer(of),
                },
            )
            .collect();
    }
    // Whatever else differs, such as the preprocessing.
    let numbered = names.iter().enumerate().map(|(at, name)| {
        match names[..at].iter().filter(|other| *other == name).count() {
            0 => name.clone(),
            before => format!("{name}-{}", before + 1),
        }
    });
    numbered.collect()
}

fn text(committed: &Committed) -> Result<(), CommandError> {
    for (at, of) in committed.anns.iter().enumerate() {
        if at > 0 {
            output::line("")?;
        }
        let ann = &of.commitment;
        let label = ann_label(&ann.ann, &ann.weights);
        output::line(&format!(
            "{label} ({}), by {}",
            ann.weights_file, committed.model
        ))?;
        let head = [
            "", "region", "layers", "center", "error", "ceiling", "error", "score", "splits",
        ];
        let mut table = output::table(&head);
        for region in &ann.regions {
            for set in &region.layer_sets {
                table.add_row(row(&region.region, set));
            }
        }
        output::print_table(&table)?;
        output::line(&serde_json::to_string(&of.region_layer_map).expect("names"))?;
        if let Some(file) = &of.file {
            output::line(&format!("written to {}", file.display()))?;
        }
    }
    Ok(())
}

/// A layer set as a row. The sign of its center stands before its score's square.
fn row(region: &str, set: &LayerScore) -> [String; 9] {
    let of = set.brain_score.as_ref();
    [
        if set.chosen { "*" } else { "" }.to_owned(),
        region.to_owned(),
        set.layers.join("+"),
        output::score(of.map(|of| of.center)),
        output::score(of.and_then(|of| of.center_error)),
        output::score(of.and_then(|of| of.ceiling)),
        output::score(of.and_then(|of| of.ceiling_error)),
        output::score(of.and_then(|of| of.score)),
        format!("{} of {}", set.finished, set.trials),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commitment(ann: &str, weights: &str, file: &str, sparsity: f64) -> AnnCommitment {
        AnnCommitment {
            ann: ann.to_owned(),
            weights: weights.to_owned(),
            weights_file: file.to_owned(),
            preprocessing: String::new(),
            sparsity,
            pruning: if sparsity > 0.0 { "layer" } else { "" }.to_owned(),
            regions: Vec::new(),
        }
    }

    #[test]
    fn each_ann_has_a_file_of_its_own() {
        let anns = [
            commitment("mobilenet", "0123456789abcdef0", "m.h5", 0.0),
            commitment("alexnet", "0123", "a.h5", 0.0),
            commitment("alexnet", "4567", "b.h5", 0.0),
            commitment("alexnet", "4567", "b.h5", 0.5),
            commitment("features", "89ab", "nets/clip vit.npz", 0.0),
            commitment("features", "89ab", "nets/clip vit.npz", 0.0),
        ];
        assert_eq!(
            names(&anns),
            [
                "mobilenet",
                "alexnet-0123",
                "alexnet-4567",
                "alexnet-4567-layer-0.5",
                "clip_vit-89ab",
                "clip_vit-89ab-2"
            ]
        );
        let place = tempfile::tempdir().expect("a directory");
        let one = place.path().join("map.json");
        let refused = files(&one, "v4", &anns).expect_err("six ANNs");
        assert!(matches!(refused, CommandError::OneFile { anns: 6, .. }));
        let found = files(&one, "v4", &anns[..1]).expect("one ANN");
        assert_eq!(found, [Some(one)]);
        let found = files(&place.path().join("maps"), "v4", &anns[..1]).expect("a folder");
        assert_eq!(found, [Some(place.path().join("maps/mobilenet.json"))]);
    }
}
