//! Projected layers in the cache. A missing one is computed from the layer's own activations; after
//! that only the projected layer is needed. An interrupted projection starts again from the
//! beginning, because it takes only seconds.

use super::cache::Claim;
use super::extract::{pause, tell};
use super::file::Header;
use super::partial::Partial;
use super::products;
use super::row_space::{self, Failure};
use super::{
    ActivationError, Cache, CacheKey, CachedLayer, Dtype, Extraction, OnProgress, RowSpace, Stage,
    ensure,
};
use crate::digest;
use crate::totals;
use burn::tensor::Device;

/// Returns the requested layers, projected onto the span of the `training` stimuli's centred
/// activations. What the cache lacks is projected first, after an extraction where that is missing
/// too.
///
/// A projected layer has as many units as the span has dimensions, in order of decreasing variance:
/// the first K are its first K principal components. It is stored as f32, whatever the cache's
/// format.
///
/// As in [`ensure`], no lock is held while waiting for space, and a lock held while waiting for
/// another process's projection does not block that process.
///
/// # Errors
/// As [`ensure`], and when a layer's eigenvalues do not converge.
pub fn ensure_projected(
    cache: &Cache,
    extraction: &Extraction<'_>,
    training: &[usize],
    device: &Device,
    progress: OnProgress<'_>,
) -> Result<Vec<CachedLayer>, ActivationError> {
    let own = extraction.headers(cache, extraction.layers)?;
    let mut training = training.to_vec();
    training.sort_unstable();
    let wanted: Vec<Header> = own.iter().map(|own| projected(own, &training)).collect();
    let mut opened: Vec<Option<CachedLayer>> = wanted.iter().map(|_| None).collect();
    let mut looked_up = false;
    loop {
        for (layer, header) in opened.iter_mut().zip(&wanted) {
            if layer.is_none() {
                *layer = cache.get(&header.key)?;
            }
        }
        let missing: Vec<usize> = (0..wanted.len())
            .filter(|&at| opened[at].is_none())
            .collect();
        if !std::mem::replace(&mut looked_up, true) {
            totals::looked_up(wanted.len() - missing.len(), 0);
        }
        if missing.is_empty() {
            return Ok(opened.into_iter().flatten().collect());
        }
        let of = |headers: &[Header]| -> Vec<Header> {
            missing.iter().map(|&at| headers[at].clone()).collect()
        };
        let needed = [of(&own), wanted.clone()].concat();
        cache.refuse_too_large(&needed)?;
        let names: Vec<String> = of(&own).into_iter().map(|own| own.key.layer).collect();
        let extraction = Extraction {
            layers: &names,
            ..*extraction
        };
        let layers = ensure(cache, &extraction, device, progress)?;
        match cache.claim(&of(&wanted), &[])? {
            Claim::Ours(partials) => {
                for partial in partials {
                    let key = &partial.header().key;
                    let is_it = |at: &usize| wanted[*at].key == *key;
                    let of = missing.iter().position(is_it).expect("claimed as missing");
                    let at = missing[of];
                    opened[at] = Some(project(cache, partial, &layers[of], &training, progress)?);
                }
            }
            Claim::Elsewhere => pause(Stage::Projecting, own[missing[0]].units, progress)?,
            Claim::NoRoom => {
                tracing::warn!(
                    "waiting for space in the cache: other processes use too much of its budget"
                );
                drop(layers);
                opened.fill_with(|| None);
                while !cache.has_room(&needed)? {
                    pause(Stage::Projecting, own[missing[0]].units, progress)?;
                }
            }
        }
    }
}

/// The header of a projected layer before it is computed, with the largest number of units it can have.
fn projected(own: &Header, training: &[usize]) -> Header {
    let mut stimuli = blake3::Hasher::new_derive_key("nrp row space's stimuli 2026");
    for &stimulus in training {
        stimuli.update(&(stimulus as u64).to_le_bytes());
    }
    let row_space = RowSpace {
        version: row_space::VERSION,
        stimuli: digest::shortened(&stimuli),
        dtype: own.key.dtype,
    };
    Header {
        key: CacheKey {
            dtype: Dtype::F32,
            row_space: Some(row_space),
            ..own.key.clone()
        },
        stimuli: own.stimuli,
        units: row_space::most(own.units, training.len()),
    }
}

fn project(
    cache: &Cache,
    mut partial: Partial,
    layer: &CachedLayer,
    training: &[usize],
    progress: OnProgress<'_>,
) -> Result<CachedLayer, ActivationError> {
    let name = partial.header().key.layer.clone();
    let units = layer.units();
    let found = row_space::coordinates(
        layer.stimuli(),
        units,
        training,
        products::BLOCK_BYTES,
        &|stimulus, first, out| layer.read(stimulus, first, out),
        &mut |done| tell(progress, Stage::Projecting, done, units),
    );
    let found = found.map_err(|failure| match failure {
        Failure::Activations(error) => error,
        Failure::Spectrum => ActivationError::Spectrum {
            layer: name.clone(),
        },
    })?;
    tracing::info!(
        layer = name,
        units,
        training = training.len(),
        rank = found.rank,
        "projected a layer"
    );
    partial.restart(found.rank)?;
    partial.append(0, &found.values)?;
    cache.finish(partial)
}

#[cfg(test)]
mod tests {
    use super::super::CacheConfig;
    use super::super::extract::Progress;
    use super::*;
    use crate::ann::{self, OpenedAnn, Pruning, Resize, WeightsSource};
    use crate::recording::{Recordings, Source};
    use std::fs;
    use std::ops::ControlFlow;
    use std::path::Path;
    use tempfile::TempDir;

    const STIMULI: usize = 5;
    const TRAINING: [usize; 3] = [0, 3, 4];

    /// A sweep's activations, and what was done to have them.
    struct Scene {
        directory: TempDir,
        recordings: Recordings,
        ann: OpenedAnn,
        layers: Vec<String>,
    }

    impl Scene {
        fn new() -> Self {
            let source = Source::Simulated { seed: 1 };
            let mut recordings = Recordings::open(&source, &[]).expect("simulated");
            recordings.stimuli.truncate(STIMULI);
            Self {
                directory: tempfile::tempdir().expect("a directory"),
                recordings,
                ann: OpenedAnn::built_in(ann::find("mobilenet").expect("offered")),
                layers: ["conv1_relu", "conv_pw_1_relu"].map(str::to_owned).to_vec(),
            }
        }

        fn cache(&self, dtype: Dtype, budget_bytes: Option<u64>) -> Cache {
            let config = CacheConfig {
                directory: self.directory.path().to_owned(),
                dtype,
                budget_bytes,
            };
            Cache::open(config).expect("opens")
        }

        fn extraction(&self) -> Extraction<'_> {
            Extraction {
                ann: &self.ann,
                weights: &WeightsSource::Random(1),
                weights_digest: "random:1",
                pruning: Pruning::None,
                resize: Resize::default(),
                screen: None,
                recordings: &self.recordings,
                stimulus_digest: "s",
                layers: &self.layers,
                also: &[],
            }
        }

        /// The layers, and the stages that it took to have them.
        fn ensure(&self, cache: &Cache, training: &[usize]) -> (Vec<CachedLayer>, Vec<Stage>) {
            let mut stages = Vec::new();
            let mut on = |progress: Progress| {
                stages.push(progress.stage);
                ControlFlow::Continue(())
            };
            let device = Device::flex();
            let layers = ensure_projected(cache, &self.extraction(), training, &device, &mut on);
            let layers = layers.expect("projects");
            stages.dedup();
            (layers, stages)
        }

        /// Deletes the layers that are as the ANN answered.
        fn forget_own(&self, cache: &Cache) {
            for entry in cache.entries(false).expect("lists") {
                if entry.key.is_some_and(|key| key.row_space.is_none()) {
                    fs::remove_file(entry.path).expect("removes");
                }
            }
        }
    }

    fn rows(layers: &[CachedLayer]) -> Vec<Vec<f32>> {
        let rows = |layer: &CachedLayer| {
            let mut rows = vec![0.0; layer.stimuli() * layer.units()];
            for (stimulus, row) in rows.chunks_exact_mut(layer.units()).enumerate() {
                layer.read(stimulus, 0, row).expect("reads");
            }
            rows
        };
        layers.iter().map(rows).collect()
    }

    #[test]
    fn a_projection_is_kept_as_a_layer_of_its_own() {
        let scene = Scene::new();
        let cache = scene.cache(Dtype::F16, None);
        let (layers, stages) = scene.ensure(&cache, &TRAINING);
        assert_eq!(stages, [Stage::Extracting, Stage::Projecting]);
        for layer in &layers {
            assert_eq!((layer.stimuli(), layer.units()), (STIMULI, 2));
        }
        let made = rows(&layers);
        drop(layers);
        let entries = cache.entries(true).expect("lists");
        assert_eq!(entries.len(), 4, "two layers, two projections");
        assert!(
            entries
                .iter()
                .all(|entry| entry.state == super::super::State::Whole)
        );

        // Nothing else is needed of it, whatever the order of the stimuli.
        scene.forget_own(&cache);
        let (again, stages) = scene.ensure(&cache, &[4, 0, 3]);
        assert_eq!((rows(&again), stages), (made.clone(), vec![]));

        // Other training stimuli and another number format make others.
        let (other, stages) = scene.ensure(&cache, &[0, 1, 2]);
        assert_eq!(stages, [Stage::Extracting, Stage::Projecting]);
        assert_ne!(rows(&other), made);
        let (exact, stages) = scene.ensure(&scene.cache(Dtype::F32, None), &TRAINING);
        assert_eq!(stages, [Stage::Extracting, Stage::Projecting]);
        assert_ne!(rows(&exact), made);
    }

    fn part(directory: &Path) -> Option<std::path::PathBuf> {
        let entries = fs::read_dir(directory).expect("lists");
        let mut paths = entries.map(|entry| entry.expect("an entry").path());
        paths.find(|path| path.extension().is_some_and(|name| name == "part"))
    }

    #[test]
    fn one_that_was_broken_off_is_begun_again_and_another_process_is_waited_for() {
        let scene = Scene::new();
        let cache = scene.cache(Dtype::F32, None);
        let expected = rows(&scene.ensure(&cache, &TRAINING).0);
        let projections = || {
            let entries = cache.entries(false).expect("lists");
            entries.into_iter().filter(|entry| {
                entry
                    .key
                    .as_ref()
                    .is_some_and(|key| key.row_space.is_some())
            })
        };
        projections().for_each(|entry| fs::remove_file(entry.path).expect("removes"));

        let mut stop = |progress: Progress| match progress.stage {
            Stage::Projecting => ControlFlow::Break(()),
            Stage::Extracting => ControlFlow::Continue(()),
        };
        let device = Device::flex();
        let stopped = ensure_projected(&cache, &scene.extraction(), &TRAINING, &device, &mut stop);
        assert!(matches!(stopped, Err(ActivationError::Interrupted)));
        // As if it had been killed in the middle of its rows.
        let left = part(scene.directory.path()).expect("a partial file");
        fs::write(left.with_extension("rows"), "1 of other rows\n").expect("writes");

        let own = scene
            .extraction()
            .headers(&cache, &scene.layers)
            .expect("headers");
        let headers: Vec<Header> = own.iter().map(|own| projected(own, &TRAINING)).collect();
        let claimed = cache.claim(&headers[..1], &[]).expect("claims");
        let mut held = Some(claimed);
        let mut looks = 0;
        let mut release = |progress: Progress| {
            if (progress.stage, progress.done) == (Stage::Projecting, 0) {
                looks += 1;
                // The second layer is made meanwhile.
                if looks == 3 {
                    drop(held.take());
                }
            }
            ControlFlow::Continue(())
        };
        let layers = ensure_projected(
            &cache,
            &scene.extraction(),
            &TRAINING,
            &device,
            &mut release,
        );
        assert_eq!(rows(&layers.expect("takes over")), expected);
        assert!(looks >= 3 && part(scene.directory.path()).is_none());
    }

    #[test]
    fn a_budget_holds_layers_and_projections_or_the_job_is_refused() {
        let scene = Scene::new();
        let unlimited = scene.cache(Dtype::F32, None);
        let own = scene
            .extraction()
            .headers(&unlimited, &scene.layers)
            .expect("headers");
        let of_own: u64 = own.iter().map(Header::file_bytes).sum();
        let both: u64 = own
            .iter()
            .map(|own| projected(own, &TRAINING).file_bytes())
            .sum();
        let device = Device::flex();
        let mut on = |_| ControlFlow::Continue(());
        let small = scene.cache(Dtype::F32, Some(of_own + both - 1));
        let refused = ensure_projected(&small, &scene.extraction(), &TRAINING, &device, &mut on);
        assert!(matches!(refused, Err(ActivationError::TooLarge { .. })));
        let enough = scene.cache(Dtype::F32, Some(of_own + both));
        let (layers, _) = scene.ensure(&enough, &TRAINING);
        assert_eq!(layers.len(), 2);
        drop(layers);
        // What is there needs no space for what it was made of.
        scene.forget_own(&enough);
        let (_, stages) = scene.ensure(&scene.cache(Dtype::F32, Some(both)), &TRAINING);
        assert_eq!(stages, []);
    }
}
