//! Resolution: from the names in a sweep to the files on this machine, and from those to their
//! digests. The submitting client fills in digests; a worker checks that its own files have them.

use crate::ann::{self, AnnError, OpenedAnn, Pruning, WeightsSource};
use crate::forecast::{self, AnnForecast, Forecast};
use crate::recording::split::{self, Split, SplitError};
use crate::recording::{Axes, Duplicates, MAX_NAMED, RecordingError, Recordings, Region, Source};
use burn::tensor::Device;
use miette::Diagnostic;
use nrp_proto::SITES_MAX;
use nrp_proto::id::SIMULATED_PREFIX;
use nrp_proto::plain;
use nrp_proto::sweep::{self, Assembly, Scheme, ZEROS_OF_DENSE};
use nrp_proto::wire::{self, AnnSpec, RecordingsFiles, RegionSites, SplitSpec, SweepSpec};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Instant;
use thiserror::Error;

mod split_notices;

/// Seed of the simulated set that `assembly = "simulated"` stands for.
const SIMULATED_SEED: u64 = 1;

/// Why a sweep's files do not fit it.
#[derive(Debug, Error, Diagnostic)]
pub enum ResolveError {
    /// The ANN or its weights.
    #[error("the weights of ANN `{ann}` cannot be used")]
    Ann {
        /// The ANN.
        ann: String,
        /// Why.
        #[source]
        #[diagnostic_source]
        source: AnnError,
    },
    /// The recordings or their stimuli.
    #[error("the recordings cannot be used")]
    Recording(
        #[from]
        #[diagnostic_source]
        RecordingError,
    ),
    /// The split leaves a part empty.
    #[error("the stimuli cannot be split")]
    Split(
        #[from]
        #[diagnostic_source]
        SplitError,
    ),
    /// More principal components are asked for than the training stimuli can have.
    #[error(
        "`projection` asks for {asked} principal components, and {stimuli} training stimuli have {limit} at most"
    )]
    #[diagnostic(help("the limit is `pca:{limit}`; `\"row-space\"` takes all that there are"))]
    Components {
        /// What was asked for.
        asked: u32,
        /// Training stimuli of the split.
        stimuli: usize,
        /// One fewer: their mean is taken from them.
        limit: usize,
    },
}

/// The recordings that `files` names, relative to `data_dir`.
pub fn recordings_source(files: &RecordingsFiles, data_dir: &Path) -> Source {
    match Assembly::named(&files.assembly) {
        Assembly::Simulated => Source::Simulated {
            seed: SIMULATED_SEED,
        },
        Assembly::Ventral(file) => Source::Ventral {
            file: data_dir.join(file),
            variations: files.variations.clone(),
        },
        Assembly::File(assembly) => Source::Files {
            assembly: data_dir.join(assembly),
            stimuli: data_dir.join(&files.stimuli),
            images: data_dir.join(&files.images),
            axes: match files.axes.as_slice() {
                [] => Axes::Documented,
                axes => Axes::Given(axes.to_vec()),
            },
        },
    }
}

/// Digest of recordings and stimuli; of simulated ones it says so, wherever it goes.
///
/// # Errors
/// When a file cannot be read.
pub fn recordings_digest(source: &Source) -> Result<String, RecordingError> {
    let digest = source.digest()?;
    Ok(match source {
        Source::Files { .. } | Source::Ventral { .. } => digest,
        Source::Simulated { .. } => format!("{SIMULATED_PREFIX}:{digest}"),
    })
}

/// The weights that `weights` names, relative to `data_dir`.
///
/// # Errors
/// When `random:` is not followed by a seed.
pub fn weights_source(weights: &str, data_dir: &Path) -> Result<WeightsSource, AnnError> {
    Ok(match weights.parse::<WeightsSource>()? {
        WeightsSource::File(file) => WeightsSource::File(data_dir.join(file)),
        WeightsSource::Random(seed) => WeightsSource::Random(seed),
    })
}

/// Divides the stimuli as `spec` says. The second value is a notice, where there is one to give.
///
/// # Errors
/// When a part would be empty, or images that must be compared cannot be decoded.
pub fn split(
    recordings: &Recordings,
    spec: &SplitSpec,
) -> Result<(Split, Option<String>), ResolveError> {
    let fractions = [spec.train, spec.validation, spec.test];
    let strata = (!spec.stratify.is_empty())
        .then(|| {
            let labels = recordings.stimuli.iter();
            labels
                .map(|stimulus| stimulus.labels.get(&spec.stratify).cloned())
                .collect::<Option<Vec<_>>>()
        })
        .flatten();
    let notice = (strata.is_none() && !spec.stratify.is_empty()).then(|| {
        format!(
            "the stimulus set has no column `{}`: the split is not stratified",
            spec.stratify
        )
    });
    let together: &[Vec<usize>] = match spec.duplicates.as_str() {
        "" => &[],
        word => match word.parse().map_err(SplitError::from)? {
            sweep::Duplicates::Ignored => &[],
            sweep::Duplicates::Together => &recordings.duplicates()?.groups,
        },
    };
    let split = split::split(
        Scheme::of(spec).map_err(SplitError::from)?,
        spec.number,
        recordings.stimuli.len(),
        fractions,
        strata.as_deref(),
        together,
        spec.seed,
    )?;
    Ok((split, notice))
}

/// Refuses a column to stratify by that the stimulus set lacks, or has for some stimuli alone.
fn require_column(recordings: &Recordings, column: &str) -> Result<(), SplitError> {
    let stimuli = &recordings.stimuli;
    let has = |labels: &BTreeMap<String, String>| labels.contains_key(column);
    let missing = stimuli.iter().filter(|of| !has(&of.labels)).count();
    match missing {
        0 => Ok(()),
        all if all == stimuli.len() => {
            let known = stimuli.iter().flat_map(|stimulus| stimulus.labels.keys());
            let known: BTreeSet<&str> = known.map(String::as_str).collect();
            Err(SplitError::NoColumn {
                column: column.to_owned(),
                known: match known.is_empty() {
                    true => "none".to_owned(),
                    false => known.into_iter().collect::<Vec<_>>().join(", "),
                },
            })
        }
        missing => Err(SplitError::EmptyColumn {
            column: column.to_owned(),
            missing,
            stimuli: stimuli.len(),
        }),
    }
}

/// Decodes every image, and says in `spec` what becomes of those that are the same. Returns notices.
fn look(spec: &mut SweepSpec, recordings: &Recordings) -> Result<Vec<String>, ResolveError> {
    let started = Instant::now();
    let duplicates = recordings.duplicates()?;
    let images = recordings.stimuli.len();
    let seconds = started.elapsed().as_secs_f64();
    let mut notices = vec![format!(
        "all {images} images were decoded, in {seconds:.1} s"
    )];
    let Some(split_spec) = &mut spec.split else {
        return Ok(notices);
    };
    let ignored = split_spec.duplicates == sweep::Duplicates::Ignored.name();
    split_spec.duplicates = match duplicates.groups.is_empty() || ignored {
        true => String::new(),
        false => sweep::Duplicates::Together.name().to_owned(),
    };
    if duplicates.groups.is_empty() {
        return Ok(notices);
    }
    let torn = torn(recordings, split_spec, duplicates)?;
    let pictures = duplicates.groups.len();
    let mut named = duplicates.named(&recordings.stimuli);
    let printable = |name: &mut String| *name = plain::line(name).into_owned();
    named.truncate(MAX_NAMED);
    named.iter_mut().for_each(printable);
    let shown = match pictures - named.len() {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    };
    notices.push(format!(
        "pictures shown under several ids: {pictures} ({shown}); {}",
        match ignored {
            true => format!(
                "`duplicates = \"ignored\"`, so {torn} of them are both in training and held out, \
                 and scores are better than those of new pictures"
            ),
            false => "the split keeps the ids of each together".to_owned(),
        }
    ));
    spec.duplicates = Some(wire::Duplicates {
        pictures: pictures as u64,
        stimuli: duplicates.stimuli() as u64,
        of_stimuli: images as u64,
        named,
        torn: torn as u64,
    });
    Ok(notices)
}

/// Of the pictures shown under several ids, how many a split has both in training and elsewhere.
fn torn(
    recordings: &Recordings,
    spec: &SplitSpec,
    duplicates: &Duplicates,
) -> Result<usize, ResolveError> {
    let mut torn = vec![false; duplicates.groups.len()];
    for number in 0..Scheme::of(spec).map_err(SplitError::from)?.splits() {
        let spec = SplitSpec {
            number,
            ..spec.clone()
        };
        let (split, _) = split(recordings, &spec)?;
        for (torn, group) in torn.iter_mut().zip(&duplicates.groups) {
            let trains = |stimulus: &usize| split.train.binary_search(stimulus).is_ok();
            let trained = group.iter().filter(|of| trains(of)).count();
            *torn |= (1..group.len()).contains(&trained);
        }
    }
    Ok(torn.into_iter().filter(|torn| *torn).count())
}

/// What is known of a region's sites; nothing of more than are kept apart.
fn region_sites(region: &Region) -> RegionSites {
    let ceilings = region.noise.iter().flat_map(|noise| &noise.ceilings);
    let ceilings = ceilings.map(|ceiling| ceiling.map_or(f32::NAN, |ceiling| ceiling as f32));
    RegionSites {
        region: region.name.clone(),
        names: region.sites.iter().take(SITES_MAX).cloned().collect(),
        ceilings: ceilings.take(SITES_MAX).collect(),
    }
}

/// What the user is told of an ANN that is pruned.
fn pruning_notice(ann: &AnnSpec, pruning: Pruning, reached: Option<f64>) -> Option<String> {
    let reached = reached?;
    let how = match pruning {
        Pruning::None if reached < ZEROS_OF_DENSE => return None,
        Pruning::None => {
            return Some(format!(
                "{:.2} % of the weights of {}'s kernels are zero, though the sweep file asks for no \
                 sparsity: results show the count; `sparsity` and `pruning` of an `[[ann]]` declare a \
                 pruned checkpoint",
                100.0 * reached,
                ann.name
            ));
        }
        Pruning::Layer(_) => "in one shot, layer by layer",
        Pruning::Global(_) => "in one shot, all layers together",
        Pruning::Checkpoint(_) => "by a checkpoint of its own",
    };
    Some(format!(
        "{} at sparsity {}, pruned {how}: {:.2} % of its kernels' weights are zero",
        ann.name,
        ann.sparsity,
        100.0 * reached
    ))
}

/// What is asked of [`resolve`] besides.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked {
    /// Whether the user has named the column to stratify by, so that it must be there.
    pub must_stratify: bool,
    /// Whether to measure how long an ANN looks at a stimulus.
    pub measure: bool,
}

/// What resolution found besides digests.
#[derive(Debug, Clone, Default)]
pub struct Resolved {
    /// What the sweep will take.
    pub forecast: Forecast,
    /// What the user is to be told.
    pub notices: Vec<String>,
}

/// Fills in what only the files can tell: digests, preprocessing and the data directory; and checks
/// that they can be used at all. Returns what the sweep will take, and notices for the user.
///
/// # Errors
/// When a file is missing, damaged, of another net, or lacks what the sweep asks for.
pub fn resolve(
    spec: &mut SweepSpec,
    data_dir: &Path,
    device: &Device,
    asked: Asked,
) -> Result<Resolved, ResolveError> {
    let mut files = spec.files.clone().unwrap_or_default();
    let mut source = recordings_source(&files, data_dir);
    if let Source::Files { axes, .. } = &mut source
        && *axes == Axes::Documented
    {
        *axes = Axes::Evident;
    }
    let recordings = Recordings::open(&source, &spec.regions)?;
    // A worker reads them in the same order, without a thought.
    let axes = recordings.axes.iter().map(|axis| axis.name().to_owned());
    files.axes = axes.collect();
    let source = recordings_source(&files, data_dir);
    spec.files = Some(files);
    let mut notices = recordings.notices.clone();
    spec.recordings_digest = recordings_digest(&source)?;
    spec.data_dir = data_dir.to_string_lossy().into_owned();
    spec.sites = recordings.regions.iter().map(region_sites).collect();
    notices.extend(look(spec, &recordings)?);
    let mut training = 0;
    if let Some(split_spec) = &spec.split {
        if asked.must_stratify && !split_spec.stratify.is_empty() {
            require_column(&recordings, &split_spec.stratify)?;
        }
        let (parts, notice) = split(&recordings, split_spec)?;
        training = parts.train.len();
        notices.extend(notice);
        notices.extend(split_notices::of(spec, &recordings, &parts)?);
        if Scheme::of(split_spec) == Ok(Scheme::ValidationIsTest) {
            let notice = "the validation stimuli are the test stimuli: scores are of what selects, and \
                          better than new stimuli's would be";
            notices.push(notice.to_owned());
        }
    }
    let mut forecast = Forecast {
        stimuli: recordings.stimuli.len(),
        training,
        ..Forecast::default()
    };
    for entry in &mut spec.anns {
        let Some(ann_spec) = &mut entry.ann else {
            continue;
        };
        let failed = |source| ResolveError::Ann {
            ann: ann_spec.name.clone(),
            source,
        };
        let weights = weights_source(&entry.weights, data_dir).map_err(failed)?;
        let ann = OpenedAnn::open(&ann_spec.name, &weights, &ann_spec.preprocessing);
        let ann = ann.map_err(failed)?;
        let layers: Vec<String> = entry
            .layer_sets
            .iter()
            .flat_map(|set| set.layers.clone())
            .collect();
        let pruning = Pruning::try_from(&*ann_spec).map_err(failed)?;
        let net = ann
            .load(&weights, pruning, &layers, device)
            .map_err(failed)?;
        entry.reached_sparsity = net.reached_sparsity();
        notices.extend(pruning_notice(ann_spec, pruning, entry.reached_sparsity));
        let of_ann = forecast.anns.iter().find(|of| of.ann == ann_spec.name);
        let seconds_per_stimulus = match (asked.measure, of_ann) {
            (false, _) => None,
            // Zeros make no pass faster; an ONNX file is a net of its own.
            (true, Some(of)) if ann_spec.name != ann::ONNX => of.seconds_per_stimulus,
            (true, _) => Some(forecast::seconds_per_stimulus(&ann, &net).map_err(failed)?),
        };
        ann_spec.weights_digest = ann.weights_digest(&weights).map_err(failed)?;
        ann_spec.preprocessing = ann.preprocessing_id();
        let layers: BTreeSet<&String> = layers.iter().collect();
        let units = layers.into_iter().map(|layer| ann.units(layer));
        forecast.anns.push(AnnForecast {
            ann: ann_spec.name.clone(),
            units: units.collect::<Result<_, _>>().map_err(failed)?,
            seconds_per_stimulus,
        });
    }
    Ok(Resolved { forecast, notices })
}
