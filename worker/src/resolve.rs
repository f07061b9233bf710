//! Resolution: from the names in a sweep to files on this machine, and to their digests. The
//! submitting client fills in the digests; a worker checks that its own files have the same.

use crate::ann::{
    self, AnnError, FeaturesError, FeaturesFile, LoadedAnn, OpenedAnn, Pruning, Resize, Screen,
    WeightsSource,
};
use crate::digest::FileDigests;
use crate::forecast::{self, AnnForecast, Forecast};
use crate::recording::{
    Axes, BinChoice, Files, Layout, PictureFacts, Recordings, Region, Source, SubjectChoice,
    clipped_notice,
};
use burn::tensor::Device;
use nrp_proto::SITES_MAX;
use nrp_proto::id::SIMULATED_PREFIX;
use nrp_proto::sweep::{ArrayAxis, Assembly, Scheme, Subjects, ZEROS_OF_DENSE};
use nrp_proto::wire::{AnnSpec, LayerSet, RecordingsFiles, RegionSites, SweepSpec};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Instant;

mod comparisons;
mod error;
mod split_notices;
mod split_parts;

pub use error::ResolveError;
pub use split_parts::{compared, split, split_file};

/// Seed of the simulated set that `assembly = "simulated"` stands for.
const SIMULATED_SEED: u64 = 1;

/// The recordings that `files` names, relative to `data_dir`.
pub fn recordings_source(files: &RecordingsFiles, data_dir: &Path) -> Source {
    if let (Some(train), Some(test)) = (&files.train, &files.test) {
        let part = |own: &RecordingsFiles| Files {
            assembly: data_dir.join(&own.assembly),
            stimuli: data_dir.join(&own.stimuli),
            images: data_dir.join(&own.images),
            layout: layout(files, own),
        };
        return Source::Given {
            train: part(train),
            test: part(test),
        };
    }
    match Assembly::named(&files.assembly, !files.stimuli.is_empty()) {
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
            layout: layout(files, files),
        },
    }
}

/// How the responses of `own` are laid out, one of the files of recordings.
fn layout(files: &RecordingsFiles, own: &RecordingsFiles) -> Layout {
    let given = |text: &String| Some(text).filter(|text| !text.is_empty()).cloned();
    Layout {
        axes: match own.axes.as_slice() {
            [] => Axes::Documented,
            axes => Axes::Given(axes.to_vec()),
        },
        variable: given(&own.variable),
        window_ms: files.window_ms.as_slice().try_into().ok(),
        sites: files.sites.clone(),
        // The sweep's check has refused unknown words, and filters that are none.
        ceiling: files.ceiling.parse().unwrap_or_default(),
        filter: files.site_filter.parse().ok(),
        bins: bin_choice(files),
        region: given(&files.region),
        subjects: subject_choice(files),
    }
}

/// What is made of time bins; the sweep file's check sees to it that it is said in one way only.
fn bin_choice(files: &RecordingsFiles) -> Option<BinChoice> {
    let window = files.time_bin.as_slice().try_into();
    let window = window.ok().map(BinChoice::Window);
    let each = (!files.time_bins.is_empty()).then_some(BinChoice::Each);
    window.or(files.time_bin_id.map(BinChoice::Id)).or(each)
}

/// Whose sites are read; the sweep file's check sees to it that it is said in one way only.
fn subject_choice(files: &RecordingsFiles) -> SubjectChoice {
    if files.subjects == Subjects::Each.name() {
        SubjectChoice::Each
    } else if files.subject.is_empty() {
        SubjectChoice::Together
    } else {
        SubjectChoice::One(files.subject.clone())
    }
}

/// The digest of what `source` holds, marked where the recordings are simulated so that every result
/// says so.
pub fn marked(source: &Source, digest: String) -> String {
    match source {
        Source::Files { .. } | Source::Given { .. } | Source::Ventral { .. } => digest,
        Source::Simulated { .. } => format!("{SIMULATED_PREFIX}:{digest}"),
    }
}

/// The weights that `weights` names, relative to `data_dir`: those under `key` in the file, unless that is
/// empty.
///
/// # Errors
/// When `random:` is not followed by a seed, or there is a key.
pub fn weights_source(
    weights: &str,
    key: &str,
    data_dir: &Path,
) -> Result<WeightsSource, AnnError> {
    weights.parse::<WeightsSource>()?.of_key(key, data_dir)
}

/// The names and ceilings of a region's sites, up to [`SITES_MAX`].
fn region_sites(region: &Region, recordings: &Recordings) -> RegionSites {
    let subject = region.subject.clone().unwrap_or_default();
    let mut of_all = recordings.ceilings_of_all.iter();
    let of_all = of_all.find(|of_all| of_all.region == subject.region);
    let bin = region.bin.as_ref().and_then(|of| Some((of, of.bin.span?)));
    let ceilings = region.noise.iter().flat_map(|noise| &noise.ceilings);
    let ceilings = ceilings.map(|ceiling| ceiling.map_or(f32::NAN, |ceiling| ceiling as f32));
    RegionSites {
        region: region.name.clone(),
        names: region.sites.iter().take(SITES_MAX).cloned().collect(),
        ceilings: ceilings.take(SITES_MAX).collect(),
        part_of: subject.region,
        subject: subject.subject,
        ceiling_of_all: of_all.and_then(|of_all| of_all.consistency),
        ceiling_of_all_error: of_all.and_then(|of_all| of_all.error),
        bin_of: bin.map_or_else(String::new, |(of, _)| of.region.clone()),
        bin: bin.map_or_else(Vec::new, |(_, span)| vec![span.start, span.end]),
        bin_unit: bin.map_or_else(String::new, |(of, _)| of.bin.unit.clone()),
    }
}

/// The notice about a pruned ANN.
fn pruning_notice(ann: &AnnSpec, pruning: Pruning, net: &LoadedAnn) -> Option<String> {
    let reached = net.reached_sparsity()?;
    let counted = match net.uncounted() {
        None => String::new(),
        Some(layer) => format!(", without those of `{layer}` and any other that its file lacks"),
    };
    let how = match pruning {
        Pruning::None if reached < ZEROS_OF_DENSE => return None,
        Pruning::None => {
            return Some(format!(
                "{:.2} % of the weights of {}'s kernels{counted} are zero, though the sweep file asks for no \
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
        "{} at sparsity {}, pruned {how}: {:.2} % of its kernels' weights are zero{counted}",
        ann.name,
        ann.sparsity,
        100.0 * reached
    ))
}

/// Options of [`resolve`].
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked {
    /// Whether the user named the column to stratify by, so that it must exist.
    pub must_stratify: bool,
    /// Whether to measure how long an ANN takes per stimulus.
    pub measure: bool,
}

/// What resolution found, besides digests.
#[derive(Debug, Clone, Default)]
pub struct Resolved {
    /// What the sweep will take.
    pub forecast: Forecast,
    /// Notices for the user.
    pub notices: Vec<String>,
}

/// Fills in what only the files can tell: digests, preprocessing and the data directory. Checks
/// that the files can be used. Returns a forecast of what the sweep will take, and notices for the
/// user.
///
/// # Errors
/// When a file is missing, damaged, of another network, or lacks what the sweep needs.
pub fn resolve(
    spec: &mut SweepSpec,
    data_dir: &Path,
    device: &Device,
    asked: Asked,
) -> Result<Resolved, ResolveError> {
    spec.data_dir = data_dir.to_string_lossy().into_owned();
    let (mut resolved, recordings) = resolve_recordings(spec, data_dir, asked)?;
    let here = Here {
        data_dir,
        device,
        pictures: recordings.picture_facts()?,
        recordings: &recordings,
    };
    // Entries that differ only in sparsity share one weights file.
    let mut digests = FileDigests::default();
    let fits_pls = split_notices::fits_pls(spec);
    for entry in &mut spec.anns {
        let Some(ann_spec) = &mut entry.ann else {
            continue;
        };
        let name = ann_spec.name.clone();
        let layer_sets = entry.layer_sets.iter();
        let layers: Vec<String> = layer_sets.flat_map(|set| set.layers.clone()).collect();
        let known = resolved.forecast.anns.iter().find(|of| of.ann == name);
        let known_pace = match known {
            // Zeros do not make a pass faster, but each file is another network.
            Some(known) if name != ann::ONNX && name != ann::FEATURES => known.seconds_per_stimulus,
            Some(_) | None => None,
        };
        let measure = asked.measure && known_pace.is_none();
        let failed = |source| ResolveError::Ann { ann: name, source };
        let weights = (entry.weights.as_str(), entry.weights_key.as_str());
        let found = resolve_ann(ann_spec, weights, &layers, &here, measure, &mut digests);
        let (mut of_ann, mut reached) = found.map_err(failed)?;
        of_ann.seconds_per_stimulus = of_ann.seconds_per_stimulus.or(known_pace);
        entry.reached_sparsity = reached.sparsity;
        if fits_pls {
            let named = layers.iter().map(String::as_str).collect::<BTreeSet<_>>();
            let units: BTreeMap<&str, usize> = named
                .into_iter()
                .zip(of_ann.units.iter().copied())
                .collect();
            let few = split_notices::few_units_notice(&of_ann.ann, &entry.layer_sets, |layer| {
                units.get(layer).copied().unwrap_or_default()
            });
            reached.notices.extend(few);
        }
        // Entries that differ only in sparsity say the same about their file.
        let known = &resolved.notices;
        let new: Vec<String> = reached
            .notices
            .into_iter()
            .filter(|of| !known.contains(of))
            .collect();
        resolved.notices.extend(new);
        resolved.forecast.anns.push(of_ann);
    }
    let mut anns = spec.anns.iter().filter_map(|entry| entry.ann.as_ref());
    if anns.any(|ann| Resize::begins_with_columns_in(&ann.preprocessing)) {
        let notice = "tall images are resized columns first, as Pillow 13 does; `resize = \"pillow-12\"` of \
                      an `[[ann]]` resizes them rows first, as Pillow 12 did";
        resolved.notices.push(notice.to_owned());
    }
    Ok(resolved)
}

/// Opens the recordings, and fills in what they determine.
fn resolve_recordings(
    spec: &mut SweepSpec,
    data_dir: &Path,
    asked: Asked,
) -> Result<(Resolved, Recordings), ResolveError> {
    let mut files = spec.files.clone().unwrap_or_default();
    let mut source = recordings_source(&files, data_dir);
    let layouts = match &mut source {
        Source::Files { layout, .. } => vec![layout],
        Source::Given { train, test } => vec![&mut train.layout, &mut test.layout],
        Source::Ventral { .. } | Source::Simulated { .. } => Vec::new(),
    };
    for layout in layouts {
        if layout.axes == Axes::Documented {
            layout.axes = Axes::Evident;
        }
    }
    // Train and test recordings of several subjects are fitted and scored subject by subject, as in Brain-Score.
    let is_open = files.subject.is_empty() && files.subjects.is_empty();
    if is_open && source.has_several_subjects(&spec.regions) {
        Subjects::Each.name().clone_into(&mut files.subjects);
        source = source.of_each_subject();
    }
    let recordings = Recordings::open(&source, &spec.regions)?;
    if !files.time_bins.is_empty() || files.subjects == Subjects::Each.name() {
        take_parts(spec, &recordings);
    }
    // A worker reads them in the same order, without deducing it.
    let names = |axes: &[ArrayAxis]| axes.iter().map(|axis| axis.name().to_owned()).collect();
    match (&mut files.train, &mut files.test) {
        (Some(train), Some(test)) => {
            train.axes = names(&recordings.axes);
            test.axes = names(&recordings.test_axes);
        }
        _ => files.axes = names(&recordings.axes),
    }
    let source = recordings_source(&files, data_dir);
    let file = split_file(&files, data_dir);
    spec.files = Some(files);
    let mut notices = recordings.notices.clone();
    spec.recordings_digest = marked(&source, source.digests()?.recordings);
    let regions = recordings.regions.iter();
    let described = regions.map(|region| region_sites(region, &recordings));
    spec.sites = described.collect();
    let mut listed = None;
    if let Some(split_spec) = &mut spec.split {
        let (file, told) = split_parts::check_all(split_spec, &recordings, file.as_deref())?;
        notices.extend(told);
        listed = file;
    }
    notices.extend(split_parts::look(spec, &recordings, listed.as_ref())?);
    let clipped = recordings.picture_facts()?.clipped;
    if clipped > 0 {
        notices.push(clipped_notice(clipped));
    }
    let mut training = 0;
    if let Some(split_spec) = &spec.split {
        if asked.must_stratify && !split_spec.stratify.is_empty() {
            split_parts::require_column(&recordings, &split_spec.stratify)?;
        }
        let (parts, notice) = split(&recordings, split_spec, listed.as_ref())?;
        training = parts.train.len();
        notices.extend(notice);
        notices.extend(split_notices::of(spec, &recordings, &parts)?);
        notices.extend(comparisons::check(spec, &recordings, listed.as_ref())?);
        if Scheme::of(split_spec) == Ok(Scheme::ValidationIsTest) {
            let notice = "the validation stimuli are the test stimuli: the same stimuli select and \
                          score, so scores are better than those of new stimuli would be";
            notices.push(notice.to_owned());
        }
    }
    let forecast = Forecast {
        stimuli: recordings.stimuli.len(),
        training,
        ..Forecast::default()
    };
    Ok((Resolved { forecast, notices }, recordings))
}

/// Puts in place of each region of a sweep those of its subjects and time bins.
fn take_parts(spec: &mut SweepSpec, recordings: &Recordings) {
    let regions = recordings.regions.iter();
    let regions: Vec<String> = regions.map(|region| region.name.clone()).collect();
    for entry in &mut spec.anns {
        let sets = std::mem::take(&mut entry.layer_sets).into_iter();
        let of_parts = sets.flat_map(|set| {
            let of_parts = recordings.parts_of(&set.region).map(|region| LayerSet {
                region,
                ..set.clone()
            });
            let of_parts: Vec<LayerSet> = of_parts.collect();
            if of_parts.is_empty() {
                vec![set]
            } else {
                of_parts
            }
        });
        entry.layer_sets = of_parts.collect();
    }
    spec.regions = regions;
}

/// How sparse an ANN turned out to be.
#[derive(Default)]
struct Reached {
    /// The fraction of zeros in its kernels, where they are known.
    sparsity: Option<f64>,
    /// What to tell the user about it and about the weights.
    notices: Vec<String>,
}

/// What the ANNs of a sweep share.
struct Here<'a> {
    data_dir: &'a Path,
    device: &'a Device,
    pictures: &'a PictureFacts,
    recordings: &'a Recordings,
}

/// Loads an ANN's weights, and fills in what they determine. Its pace is measured only with `measure`.
fn resolve_ann(
    spec: &mut AnnSpec,
    (weights, key): (&str, &str),
    layers: &[String],
    here: &Here<'_>,
    measure: bool,
    digests: &mut FileDigests,
) -> Result<(AnnForecast, Reached), AnnError> {
    let weights = weights_source(weights, key, here.data_dir)?;
    let ann = OpenedAnn::open(&spec.name, &weights, &spec.preprocessing)?;
    let pruning = Pruning::try_from(&*spec)?;
    let (mut reached, seconds_per_stimulus) = match &ann {
        OpenedAnn::Runs(runnable) => {
            let net = runnable.load(&weights, pruning, layers, here.device)?;
            let mut notices = net.notices().to_vec();
            notices.extend(pruning_notice(spec, pruning, &net));
            let sparsity = net.reached_sparsity();
            let seconds = measure.then(|| forecast::seconds_per_stimulus(runnable, &net));
            (Reached { sparsity, notices }, seconds.transpose()?)
        }
        OpenedAnn::Features(file) => {
            let seconds = check_features(file, pruning, layers, here.recordings)?;
            let notices = file.notices(layers, here.recordings)?;
            let sparsity = None;
            (Reached { sparsity, notices }, Some(seconds))
        }
    };
    spec.weights_digest = ann.weights_digest(&weights, digests)?;
    let order = Resize::of_preprocessing(&spec.preprocessing);
    let screen = Screen::of_preprocessing(&spec.preprocessing);
    spec.preprocessing = ann.preprocessing_id(order, screen, here.pictures)?;
    if let Some(screen) = screen {
        reached
            .notices
            .push(screen.notice(&spec.name, here.pictures)?);
    }
    let layers: BTreeSet<&String> = layers.iter().collect();
    let units = layers.into_iter().map(|layer| ann.units(layer));
    let of_ann = AnnForecast {
        ann: spec.name.clone(),
        units: units.collect::<Result<_, _>>()?,
        seconds_per_stimulus,
    };
    Ok((of_ann, reached))
}

/// Reads all of `layers` once, so that what is missing or not finite in a file of activations is known before
/// anything runs. Returns the seconds that this takes per stimulus.
fn check_features(
    file: &FeaturesFile,
    pruning: Pruning,
    layers: &[String],
    recordings: &Recordings,
) -> Result<f64, FeaturesError> {
    if pruning != Pruning::None {
        let sparsity = pruning.sparsity();
        return Err(FeaturesError::Pruned { sparsity });
    }
    let started = Instant::now();
    let layers: BTreeSet<&String> = layers.iter().collect();
    for layer in layers {
        file.of(layer, recordings)?.check()?;
    }
    Ok(started.elapsed().as_secs_f64() / recordings.stimuli.len() as f64)
}
