//! Loading a sweep file: it is read, checked against the worker's ANNs and resolved to files with
//! their digests. The trials are counted, never built.

use crate::failure::CommandError;
use crate::output;
use crate::region_map::RegionMap;
use nrp_proto::id::RANDOM_PREFIX;
use nrp_proto::sweep::{AnnTable, Catalogue, LayerSets, SweepFile};
use nrp_proto::wire::SweepSpec;
use nrp_worker::ann::{AnnError, FeaturesFile};
use nrp_worker::forecast::Forecast;
use nrp_worker::resolve::{Asked, ResolveError, Resolved};
use nrp_worker::{ann, device, resolve};
use std::collections::{HashMap, HashSet};
use std::path::{Component, Path, PathBuf};

/// Regions, each with layers.
type LayersOfRegions = Vec<(String, Vec<String>)>;

/// The ANNs that this program has, for the sweep file's check.
struct Anns {
    /// The layers of each file of activations that the sweep names.
    features: HashMap<String, Vec<String>>,
    /// The layers that each region map that the sweep names has for each ANN, by ANN and file.
    region_maps: HashMap<(String, String), LayersOfRegions>,
    /// What to say of these files.
    notices: Vec<String>,
}

impl Anns {
    /// Those of a sweep whose files are in `data_dir`.
    fn of(file: &SweepFile, data_dir: &Path) -> Result<Self, CommandError> {
        let mut features = HashMap::new();
        for ann in &file.ann {
            // The check refuses what names no file.
            let names_file = !ann.weights.is_empty() && !ann.weights.starts_with(RANDOM_PREFIX);
            if ann.name != ann::FEATURES || !names_file {
                continue;
            }
            let opened = FeaturesFile::open(&data_dir.join(&ann.weights));
            let opened = opened.map_err(|source| CommandError::Resolve {
                name: file.name.clone(),
                source: ResolveError::Ann {
                    ann: ann.name.clone(),
                    source: AnnError::from(source),
                },
            })?;
            let layers = opened.layers().into_iter().map(|layer| layer.name);
            features.insert(ann.weights.clone(), layers.collect());
        }
        let mut anns = Self {
            features,
            region_maps: HashMap::new(),
            notices: Vec::new(),
        };
        for ann in &file.ann {
            if let LayerSets::RegionMap(map) = &ann.layer_sets
                && !map.is_empty()
            {
                anns.read_region_map(&ann.name, map, file, data_dir)?;
            }
        }
        Ok(anns)
    }

    /// Reads a region map as one of `ann`'s layers.
    fn read_region_map(
        &mut self,
        ann: &str,
        map: &str,
        file: &SweepFile,
        data_dir: &Path,
    ) -> Result<(), CommandError> {
        let path = data_dir.join(map);
        let regions = &file.recordings.regions;
        let refused = |source| CommandError::RegionMap {
            name: file.name.clone(),
            source,
        };
        let read = RegionMap::read(&path).map_err(refused)?;
        let mut layers = read.layers(&path, regions).map_err(refused)?;
        let others = read
            .regions()
            .filter(|of| !regions.iter().any(|region| region == of));
        let others: Vec<&str> = others.collect();
        if !others.is_empty() {
            let notice = format!(
                "`{map}` also names layers of {}, which the sweep does not have: left out",
                others.join(", ")
            );
            self.notices.push(notice);
        }
        let info = ann::find(ann).ok();
        for layer in layers.iter_mut().flat_map(|(_, layers)| layers) {
            if let Some(last) = info.and_then(|info| info.last_call(layer)) {
                let notice = format!(
                    "`{layer}` of `{map}` is a module that {ann} calls several times: as in Brain-Score, its \
                     last call is meant, `{last}`"
                );
                self.notices.push(notice);
                *layer = last;
            }
        }
        // ANNs of one map say the same.
        let mut said = HashSet::new();
        self.notices.retain(|notice| said.insert(notice.clone()));
        let key = (ann.to_owned(), map.to_owned());
        self.region_maps.insert(key, layers);
        Ok(())
    }
}

impl Catalogue for Anns {
    fn offered(&self) -> Vec<&str> {
        let built_in = ann::offered().iter().map(|info| info.name);
        built_in.chain([ann::ONNX, ann::FEATURES]).collect()
    }

    fn layers(&self, ann: &AnnTable) -> Option<Vec<String>> {
        if ann.name == ann::FEATURES {
            return self.features.get(&ann.weights).cloned();
        }
        let layers = ann::find(&ann.name).ok()?.layers();
        Some(layers.into_iter().map(|layer| layer.name).collect())
    }

    fn candidates(&self, ann: &AnnTable) -> Vec<&str> {
        if ann.name == ann::FEATURES {
            let layers = self.features.get(&ann.weights).into_iter().flatten();
            return layers.map(String::as_str).collect();
        }
        ann::find(&ann.name).map_or_else(|_| Vec::new(), |info| info.candidates.to_vec())
    }

    fn region_layers(&self, name: &str) -> Vec<(&str, &str)> {
        ann::find(name).map_or_else(|_| Vec::new(), |info| info.region_layers.to_vec())
    }

    fn region_map(&self, ann: &AnnTable, file: &str) -> &[(String, Vec<String>)] {
        let key = (ann.name.clone(), file.to_owned());
        self.region_maps.get(&key).map_or(&[], Vec::as_slice)
    }
}

/// Loads the sweep file at `path`: reads and checks it, finds its files and computes their digests.
///
/// Returns the sweep and a forecast of what it will take. With `measure`, the forecast says how long
/// its ANNs take per stimulus on `device`. Prints notices on stderr.
///
/// # Errors
/// When the sweep file or one of the files that it names is missing, unreadable or invalid.
pub(crate) fn sweep(
    path: &Path,
    data_dir: Option<PathBuf>,
    device: &str,
    measure: bool,
) -> miette::Result<(SweepSpec, Forecast)> {
    let text = std::fs::read_to_string(path).map_err(|source| CommandError::Read {
        path: path.to_owned(),
        source,
    })?;
    let refused = |source| CommandError::Sweep {
        path: path.to_owned(),
        source,
    };
    let stated = data_directory(path, data_dir)?;
    let file = SweepFile::parse(&text).map_err(refused)?;
    if let Some(preset) = &file.preset {
        output::note(&format!("notice: {}", preset.in_words()));
    }
    let (file, data_dir) = file.relative_to(&stated, without_parents);
    if data_dir != stated {
        output::note(&format!(
            "notice: the sweep names files outside {}; its data directory is {}, and a worker's \
             `--data-dir` must hold the same",
            stated.display(),
            data_dir.display()
        ));
    }
    let anns = Anns::of(&file, &data_dir)?;
    let file = file.expand(&anns);
    file.check(&anns).map_err(refused)?;
    let asked = Asked {
        must_stratify: file.split.stratify.is_some(),
        measure,
    };
    let mut spec = file.to_spec();
    spec.check_trials()?;
    let device = device::open(device)?;
    let resolved = resolve::resolve(&mut spec, &data_dir, &device, asked);
    let Resolved { forecast, notices } = resolved.map_err(|source| CommandError::Resolve {
        name: spec.name.clone(),
        source,
    })?;
    // Resolution added what it found in the files, and that goes over the wire too.
    spec.check().map_err(refused)?;
    spec.check_trials()?;
    for notice in anns.notices.into_iter().chain(notices) {
        output::note(&format!("notice: {notice}"));
    }
    Ok((spec, forecast))
}

/// The directory that a sweep file's paths are relative to: the given one, or the sweep file's own.
fn data_directory(sweep: &Path, given: Option<PathBuf>) -> Result<PathBuf, CommandError> {
    let beside = sweep
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let directory = given
        .or_else(|| beside.map(Path::to_owned))
        .unwrap_or_else(|| PathBuf::from("."));
    let directory = std::path::absolute(&directory).map_err(|source| CommandError::Read {
        path: directory,
        source,
    })?;
    Ok(without_parents(&directory))
}

/// Removes `..` from an absolute path: by resolving it or, where nothing exists there, by its
/// components.
fn without_parents(path: &Path) -> PathBuf {
    if !path.components().any(|part| part == Component::ParentDir) {
        return path.to_owned();
    }
    std::fs::canonicalize(path).unwrap_or_else(|_| {
        path.components()
            .fold(PathBuf::new(), |mut folded, part| match part {
                Component::ParentDir => {
                    folded.pop();
                    folded
                }
                part => folded.join(part),
            })
    })
}
