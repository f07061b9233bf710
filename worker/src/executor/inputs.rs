//! What a job is trained on: recordings, split and activations, made ready from this machine's files.
//! Recordings, and the digests of weights files, are kept for the jobs that follow.

use super::control::Control;
use super::error::{ExecuteError, JobError};
use super::layers::Layers;
use super::parse::{Job, Model};
use crate::activation::{
    self, ActivationError, Cache, CachedLayer, Extraction, Stage, ensure, ensure_projected,
};
use crate::ann::{AnnError, OpenedAnn, Resize, Screen};
use crate::digest::FileDigests;
use crate::nrp::Data;
use crate::recording::split::listed::SplitFile;
use crate::recording::split::{Split, SplitError};
use crate::recording::{Recordings, Region, Source};
use crate::resolve;
use burn::tensor::Device;
use nrp_proto::state::{Doing, ProgressUnit};
use nrp_proto::sweep::Projection;
use nrp_proto::wire::Activity;
use std::ops::ControlFlow;

/// What was read from files for the jobs before.
#[derive(Default)]
pub(super) struct Files {
    /// The recordings opened last: the next job mostly has the same.
    opened: Option<Opened>,
    weights: FileDigests,
}

struct Opened {
    source: Source,
    /// Whether the regions of other subjects are there.
    has_subjects: bool,
    recordings_digest: String,
    stimulus_digest: String,
    recordings: Recordings,
}

/// A job's data on this machine.
pub(super) struct Inputs<'a> {
    pub(super) region: &'a Region,
    /// Of a comparison, the same region of the other subjects, where each is a region of its own.
    pub(super) others: Vec<&'a Region>,
    split: Split,
    /// Of a comparison, the stimuli that count, and the split's part of them by their places among these.
    pub(super) compared: Vec<usize>,
    pub(super) part: Vec<usize>,
    pub(super) layers: Layers,
    /// How many stimuli the recordings have.
    pub(super) stimuli: usize,
}

impl<'a> Inputs<'a> {
    /// Opens the job's recordings and extracts its activations, as far as `files` and `cache` lack
    /// them. Returns `None` when `control` says to stop.
    ///
    /// # Errors
    /// When a file is missing, damaged or another than the sweep's, or the cache fails.
    pub(super) fn prepare(
        job: &Job<'_>,
        files: &'a mut Files,
        cache: &Cache,
        device: &Device,
        control: &dyn Control,
    ) -> Result<Option<Self>, ExecuteError> {
        let Files { opened, weights } = files;
        let opened = open(opened, job)?;
        let recordings = &opened.recordings;
        let listed = job.split_file.as_deref().map(SplitFile::open).transpose();
        let listed = listed.map_err(SplitError::from)?;
        if let Some(listed) = &listed {
            same("splits", listed.digest(), &job.split.digest)?;
        }
        let (split, _) = resolve::split(recordings, job.split, listed.as_ref())?;
        let region = recordings.region(&job.shared.region).ok_or_else(|| {
            let region = &job.shared.region;
            JobError::new(format!("region `{region}` is not in the recordings"))
        })?;
        let (compared, part) = match job.model {
            Model::Comparison(_) => resolve::compared(recordings, job.split, &split)?,
            Model::Networks(_) | Model::Baseline(_) => (Vec::new(), Vec::new()),
        };
        let Some(layers) = activations(job, opened, weights, &split, cache, device, control)?
        else {
            return Ok(None);
        };
        let others = match job.model {
            Model::Comparison(_) => recordings.of_other_subjects(region).collect(),
            Model::Networks(_) | Model::Baseline(_) => Vec::new(),
        };
        Ok(Some(Self {
            region,
            others,
            split,
            compared,
            part,
            layers,
            stimuli: recordings.stimuli.len(),
        }))
    }

    /// The same as training and baselines take it, without a linear path.
    pub(super) fn data(&self) -> Data<'_> {
        Data {
            activations: &self.layers,
            responses: &self.region.responses,
            noise: self.region.noise.as_ref(),
            sites: self.region.sites.len(),
            train: &self.split.train,
            validation: &self.split.validation,
            test: &self.split.test,
            linear_path: None,
        }
    }
}

/// Opens the job's recordings, unless the last job had the same, and checks that they are the sweep's.
fn open<'a>(last: &'a mut Option<Opened>, job: &Job<'_>) -> Result<&'a Opened, ExecuteError> {
    let spec = job.shared;
    let compares = match job.model {
        Model::Comparison(_) => true,
        Model::Networks(_) | Model::Baseline(_) => false,
    };
    let fits = |opened: &Opened| {
        opened.source == job.recordings
            && opened.recordings.region(&spec.region).is_some()
            && (opened.has_subjects || !compares)
    };
    let opened = match last.take().filter(fits) {
        Some(opened) => opened,
        None => {
            let digests = job.recordings.digests()?;
            let open =
                |region: &String| Recordings::open(&job.recordings, std::slice::from_ref(region));
            let mut recordings = open(&spec.region)?;
            let found = recordings.region(&spec.region);
            if let Some(of) = found.and_then(|of| of.subject.clone()).filter(|_| compares) {
                // The region of all subjects stands for that of each.
                recordings = open(&of.region)?;
            }
            Opened {
                has_subjects: compares,
                recordings_digest: resolve::marked(&job.recordings, digests.recordings),
                stimulus_digest: recordings.stimulus_digest(&digests.stimuli),
                recordings,
                source: job.recordings.clone(),
            }
        }
    };
    let opened = last.insert(opened);
    same(
        "recordings",
        &opened.recordings_digest,
        &spec.recordings_digest,
    )?;
    Ok(opened)
}

/// The job's activations, extracted and projected where the cache lacks them; `None` when told to stop.
fn activations(
    job: &Job<'_>,
    opened: &Opened,
    digests: &mut FileDigests,
    split: &Split,
    cache: &Cache,
    device: &Device,
    control: &dyn Control,
) -> Result<Option<Layers>, ExecuteError> {
    let ann = OpenedAnn::open(&job.ann.name, &job.weights, &job.ann.preprocessing)?;
    let found = ann.weights_digest(&job.weights, digests)?;
    same("weights", &found, &job.ann.weights_digest)?;
    let mut extraction = Extraction {
        ann: &ann,
        weights: &job.weights,
        weights_digest: &job.ann.weights_digest,
        pruning: job.pruning,
        resize: Resize::of_preprocessing(&job.ann.preprocessing),
        screen: Screen::of_preprocessing(&job.ann.preprocessing),
        recordings: &opened.recordings,
        stimulus_digest: &opened.stimulus_digest,
        layers: &job.shared.layers,
        also: &job.wire.ann_layers,
    };
    let subject = format!("{} {}", job.ann.name, job.layers());
    let mut progress = |progress: activation::Progress| told(progress, &subject, control);
    let mut ensured = |extraction: &Extraction<'_>| match job.projection {
        Projection::None => ensure(cache, extraction, device, &mut progress),
        Projection::RowSpace | Projection::Pca(_) => {
            ensure_projected(cache, extraction, &split.train, device, &mut progress)
        }
    };
    let mut layers = ensured(&extraction);
    if let Err(error) = &layers
        && !extraction.also.is_empty()
        && !matches!(error, ActivationError::Interrupted)
    {
        // The fault may lie in a layer that only another sweep needs; this job does without.
        tracing::warn!(%error, "skipping the layers that other trials need");
        extraction.also = &[];
        layers = ensured(&extraction);
    }
    let layers = match layers {
        Ok(layers) => layers,
        Err(ActivationError::Interrupted) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if let Err(error) = cache.note_held(&job.wire.activations, &layers) {
        tracing::warn!(%error, "the coordinator will not learn that these activations are cached");
    }
    let units = |layer: &CachedLayer| match job.projection {
        Projection::None | Projection::RowSpace => layer.units(),
        Projection::Pca(components) => layer.units().min(components.get() as usize),
    };
    let units = layers.iter().map(units).collect();
    let wide = match (&ann, &job.model) {
        (OpenedAnn::Features(file), Model::Comparison(_)) => {
            let layers = job.shared.layers.iter();
            let wide = layers.map(|layer| file.wide(layer, &opened.recordings));
            wide.collect::<Result<_, _>>().map_err(AnnError::from)?
        }
        (OpenedAnn::Features(_) | OpenedAnn::Runs(_), _) => Vec::new(),
    };
    Ok(Some(Layers::new(layers, units, wide)))
}

/// Tells `control` how far an extraction is; breaks it off when told to stop.
fn told(progress: activation::Progress, subject: &str, control: &dyn Control) -> ControlFlow<()> {
    let (doing, unit) = match progress.stage {
        Stage::Extracting => (Doing::Extracting, ProgressUnit::Stimuli),
        Stage::Projecting => (Doing::Projecting, ProgressUnit::Units),
    };
    control.on_activity(Activity {
        doing: doing.to_wire(),
        subject: subject.to_owned(),
        done: progress.done as u64,
        total: progress.total as u64,
        unit: unit.to_wire(),
    });
    if control.stopped() {
        ControlFlow::Break(())
    } else {
        ControlFlow::Continue(())
    }
}

fn same(what: &'static str, found: &str, expected: &str) -> Result<(), ExecuteError> {
    if found == expected {
        return Ok(());
    }
    Err(ExecuteError::OtherFiles {
        what,
        found: found.to_owned(),
        expected: expected.to_owned(),
    })
}
