//! Projected layers in the cache: made from the layer's own activations where they are missing, and
//! then all that is needed of it. A projection that was broken off is begun again, for it takes seconds.

use super::cache::Claim;
use super::extract::{pause, tell};
use super::file::Header;
use super::partial::Partial;
use super::row_space::{self, Failure};
use super::{
    ActivationError, Cache, CacheKey, CachedLayer, Dtype, Extraction, OnProgress, RowSpace, Stage,
    ensure,
};
use crate::totals;
use burn::tensor::Device;

/// The layers wanted, projected onto the span of the `training` stimuli's centred activations, from
/// the cache; projected first where that is missing, and extracted where that is.
///
/// A projected layer has as many units as the span has dimensions, in the order of falling variance:
/// the first K are its first K principal components. It is stored as f32, whatever the cache's format.
///
/// As in [`ensure`], nothing is held while waiting for space, and what is held while waiting for another
/// process that projects keeps it from nothing.
///
/// # Errors
/// As [`ensure`], and when a layer's spectrum cannot be had.
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
                    "waits for space in the cache: other processes use too much of its budget"
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

/// What is known of a projected layer before it is: its units are then the most it can have.
fn projected(own: &Header, training: &[usize]) -> Header {
    let mut stimuli = blake3::Hasher::new_derive_key("nrp row space's stimuli 2026");
    for &stimulus in training {
        stimuli.update(&(stimulus as u64).to_le_bytes());
    }
    let row_space = RowSpace {
        version: row_space::VERSION,
        stimuli: stimuli.finalize().to_hex()[..32].to_owned(),
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
        "a layer is projected"
    );
    partial.restart(found.rank)?;
    partial.append(0, &found.values)?;
    cache.finish(partial)
}
