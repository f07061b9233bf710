//! The worker's catalogue of ANNs, as the sweep file's check asks for it.

use crate::failure::CommandError;
use crate::output;
use nrp_proto::sweep::{Catalogue, SweepFile};
use nrp_proto::wire::SweepSpec;
use nrp_worker::forecast::Forecast;
use nrp_worker::resolve::{Asked, Resolved};
use nrp_worker::{ann, device, resolve};
use std::path::{Component, Path, PathBuf};

struct Anns;

impl Catalogue for Anns {
    fn offered(&self) -> Vec<&str> {
        let built_in = ann::offered().iter().map(|info| info.name);
        built_in.chain([ann::ONNX]).collect()
    }

    fn layers(&self, name: &str) -> Option<Vec<String>> {
        let layers = ann::find(name).ok()?.layers();
        Some(layers.into_iter().map(|layer| layer.name).collect())
    }

    fn candidates(&self, name: &str) -> Vec<&str> {
        ann::find(name).map_or_else(|_| Vec::new(), |info| info.candidates.to_vec())
    }

    fn region_layers(&self, name: &str) -> Vec<(&str, &str)> {
        ann::find(name).map_or_else(|_| Vec::new(), |info| info.region_layers.to_vec())
    }
}

/// Reads and checks the sweep file at `path`, finds its files and digests them; with what the sweep
/// will take, and with `measure` how long its ANNs look at the stimuli on `device`. Notices go to
/// stderr.
pub(crate) fn load_sweep(
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
    let beside = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let data_dir = data_dir
        .or_else(|| beside.map(Path::to_owned))
        .unwrap_or_else(|| PathBuf::from("."));
    let data_dir = std::path::absolute(&data_dir).map_err(|source| CommandError::Read {
        path: data_dir,
        source,
    })?;
    let data_dir = without_parents(&data_dir);
    let file = SweepFile::parse(&text).map_err(refused)?.expand(&Anns);
    let (file, wide) = file.relative_to(&data_dir, without_parents);
    if wide != data_dir {
        output::note(&format!(
            "notice: the sweep names files outside of {}; its data directory is {}, and a worker's \
             `--data-dir` must hold the same",
            data_dir.display(),
            wide.display()
        ));
    }
    let data_dir = wide;
    file.check(&Anns).map_err(refused)?;
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
    // What was found in the files goes over the wire, too.
    spec.check().map_err(refused)?;
    for notice in notices {
        output::note(&format!("notice: {notice}"));
    }
    Ok((spec, forecast))
}

/// An absolute path without `..`: where it leads or, if there is nothing, as it is written.
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
