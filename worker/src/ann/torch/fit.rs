//! Where in a file an ANN's weights are: which of its state dicts, behind which prefix, under which names.
//!
//! What a wrapper adds to names is not listed here: any prefix will do behind which all that is needed fits.
//! Where several fit, the known order decides, or the user.

use std::collections::{BTreeSet, HashMap};

use nrp_proto::near_miss;

use super::TorchError;
use super::checkpoint::{Checkpoint, StateDict};
use super::error::listed;
use super::file::TorchFile;
use super::layout::{name, shape, torchvision_name};
use super::tensor::Entry;
use crate::ann::graph::{Graph, NodeId, WeightSpec};

/// Keys of checkpoints, the one that is taken before others first.
const DICTS: [&str; 9] = [
    "",
    "state_dict",
    "model_state_dict",
    "model",
    "net",
    "network",
    "weights",
    "params",
    "module",
];
/// Prefixes, the one that is taken before others first. MoCo's queries are the network, its keys an average.
const PREFIXES: [&str; 8] = [
    "",
    "model.",
    "net.",
    "network.",
    "backbone.",
    "encoder.",
    "encoder_q.",
    "base_encoder.",
];
/// What neither inference nor a comparison needs: batch norm's count, that of averaged models, and those of
/// a counter of operations.
const COUNTERS: [&str; 4] = [
    "num_batches_tracked",
    "n_averaged",
    "total_ops",
    "total_params",
];
/// Where Distiller keeps masks, which are no weights.
pub(super) const MASKS: &str = "masks_dict";
/// Most places in a file that have all tensors that are needed. In each, all of the file's names are looked at.
const PLACES_MAX: usize = 256;
/// How many near names an error shows.
const NEAR: usize = 3;

/// A weight tensor of the file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Found<'a> {
    /// Its name in the file.
    pub(super) name: &'a str,
    pub(super) entry: &'a Entry,
    /// What it is multiplied by: `weight_orig` has a `weight_mask`.
    pub(super) mask: Option<&'a Entry>,
}

/// The weights of an ANN in a file.
#[derive(Debug)]
pub(super) struct Fit<'a> {
    pub(super) dict: &'a StateDict,
    /// Where the network's names begin, as torchvision would call it; empty or with a dot at its end.
    pub(super) prefix: String,
    /// What `weights_key` would be.
    pub(super) address: String,
    /// In the graph's order; `None` where nothing needs it and it is absent or has another shape.
    pub(super) tensors: Vec<Option<Found<'a>>>,
    /// Names in the file that are not the ANN's.
    pub(super) unused: Vec<&'a str>,
    /// Other places in the file that fit as well, with other numbers or with copies.
    pub(super) others: Vec<Fit<'a>>,
    /// Other whole networks in the file with the same tensors.
    pub(super) twins: Vec<Fit<'a>>,
}

/// Why a place does not fit.
struct Misfit {
    tensor: String,
    expected: String,
    found: Option<String>,
    hint: &'static str,
    /// Needed tensors that are there.
    fitting: usize,
}

const ANOTHER: &str = "the file has another network's weights; only what no requested layer depends on, such as \
                       another classifier, may differ";
const ABSENT: &str = "only what no requested layer depends on may be absent; a file of several networks may need \
                      `weights_key = \"…\"` in the `[[ann]]`";
const PARAMETRIZED: &str = "the tensor is computed from others: remove the parametrization before you save, with \
                            `torch.nn.utils.parametrize.remove_parametrizations` or, for older ones, \
                            `torch.nn.utils.remove_weight_norm` or `remove_spectral_norm`";
const DENSE: &str = "save the weights as dense tensors of floats, after `.to_dense()`, `.dequantize()`, \
                     `.full_tensor()` or `.float()`";

/// A state dict by torchvision's names.
struct Names<'a> {
    dict: &'a StateDict,
    /// Those names, in the dict's order.
    all: Vec<String>,
    /// Ordinals in the dict; several where names differ in what wrappers put in alone.
    by_name: HashMap<String, Vec<usize>>,
}

impl<'a> Names<'a> {
    fn of(dict: &'a StateDict) -> Self {
        let all = dict.tensors.iter().map(|(name, _)| torchvision_name(name));
        let all: Vec<String> = all.collect();
        let mut by_name = HashMap::<String, Vec<usize>>::new();
        for (ordinal, name) in all.iter().enumerate() {
            by_name.entry(name.clone()).or_default().push(ordinal);
        }
        Self { dict, all, by_name }
    }

    fn get(&self, name: &str) -> Option<(&'a str, &'a Entry)> {
        let ordinal = *self.by_name.get(name)?.first()?;
        let (name, entry) = &self.dict.tensors[ordinal];
        Some((name, entry))
    }

    fn found(&self, name: &str) -> Option<Found<'a>> {
        if let Some((name, entry)) = self.get(name) {
            return Some(Found {
                name,
                entry,
                mask: None,
            });
        }
        let (raw, entry) = self.get(&format!("{name}_orig"))?;
        let (_, mask) = self.get(&format!("{name}_mask"))?;
        Some(Found {
            name: raw,
            entry,
            mask: Some(mask),
        })
    }

    /// Whether the tensor is not there, but those that it is computed from by weight or spectral norm.
    fn is_computed(&self, name: &str) -> bool {
        let (layer, variable) = name.rsplit_once('.').unwrap_or(("", name));
        let original = format!("{layer}.parametrizations.{variable}.original");
        let sources = [
            original.clone(),
            format!("{original}0"),
            format!("{name}_g"),
        ];
        let mut sources = sources.into_iter().chain([format!("{name}_orig")]);
        sources.any(|source| self.by_name.contains_key(&source))
    }

    /// Prefixes behind which there is a tensor called `name`.
    fn prefixes(&self, name: &str) -> BTreeSet<String> {
        let prefix = |found: &String| {
            let found = found.strip_suffix("_orig").unwrap_or(found);
            let prefix = found.strip_suffix(name)?;
            (prefix.is_empty() || prefix.ends_with('.')).then(|| prefix.to_owned())
        };
        self.by_name.keys().filter_map(prefix).collect()
    }
}

/// An ANN's weights, to be found.
pub(super) struct Wanted<'a> {
    pub(super) file: TorchFile<'a>,
    pub(super) graph: &'a Graph,
    /// Whether each tensor is needed, in the graph's order.
    needed: Vec<bool>,
    /// The first part of the names of what classifies, where no requested layer depends on it.
    head: Option<&'a str>,
}

impl<'a> Wanted<'a> {
    /// The weights that the layers `asked` depend on.
    pub(super) fn new(file: TorchFile<'a>, graph: &'a Graph, asked: &[NodeId]) -> Self {
        let needed = graph.needed(asked);
        let is_needed = |head: &&str| {
            let mut specs = graph.weights().iter().zip(&needed);
            specs.any(|(spec, needed)| *needed && part(&spec.layer) == *head)
        };
        let last = graph.weights().last().map(|spec| part(&spec.layer));
        Self {
            file,
            graph,
            head: last.filter(|head| !is_needed(head)),
            needed,
        }
    }

    /// Finds the ANN's weights in `checkpoint`.
    ///
    /// # Errors
    /// When they are nowhere, which names the first tensor that differs where most fits; or in several
    /// places, none of which comes first.
    pub(super) fn find<'b>(&self, checkpoint: &'b Checkpoint) -> Result<Fit<'b>, TorchError> {
        let dicts = checkpoint
            .dicts
            .iter()
            .filter(|dict| !dict.path.ends_with(MASKS));
        let all: Vec<Names<'b>> = dicts.map(Names::of).collect();
        let specs = self.graph.weights().iter().zip(&self.needed);
        let first = specs
            .filter(|(_, needed)| **needed)
            .map(|(spec, _)| name(spec))
            .next();
        let first = first.unwrap_or_default();
        let mut fits = Vec::new();
        let mut nearest: Option<(usize, Misfit)> = None;
        let needed = self.needed.iter().filter(|needed| **needed).count();
        let mut places = 0;
        for (ordinal, names) in all.iter().enumerate() {
            let mut prefixes = names.prefixes(&first);
            prefixes.insert(String::new());
            for prefix in prefixes {
                let fit = self.fit(names, prefix, &first);
                places +=
                    usize::from(fit.as_ref().map_or_else(|of| of.fitting, |_| needed) == needed);
                if places > PLACES_MAX {
                    return Err(TorchError::Places {
                        ann: self.file.ann,
                        path: self.file.path.to_owned(),
                        limit: PLACES_MAX,
                    });
                }
                match fit {
                    Ok(fit) => fits.push(fit),
                    Err(misfit) => {
                        let size = |of: usize| all[of].dict.tensors.len();
                        let is_nearer = nearest.as_ref().is_none_or(|(of, best)| {
                            (misfit.fitting, size(ordinal)) > (best.fitting, size(*of))
                        });
                        if is_nearer {
                            nearest = Some((ordinal, misfit));
                        }
                    }
                }
            }
        }
        fits.sort_by_key(rank);
        let mut fits = fits.into_iter();
        let Some(best) = fits.next() else {
            return Err(match nearest {
                Some((ordinal, misfit)) => self.mismatch(all[ordinal].dict, misfit),
                None => TorchError::NoState {
                    ann: self.file.ann,
                    path: self.file.path.to_owned(),
                    found: checkpoint.keys.clone(),
                },
            });
        };
        let fit = self.choose(best, fits)?;
        self.refuse_doubles(&all, &fit)?;
        Ok(fit)
    }

    /// The weights in `names` behind `prefix`.
    fn fit<'b>(&self, names: &Names<'b>, prefix: String, first: &str) -> Result<Fit<'b>, Misfit> {
        let mut tensors = Vec::new();
        let mut known = BTreeSet::new();
        let mut fitting = 0;
        for (spec, needed) in self.graph.weights().iter().zip(&self.needed) {
            let name = format!("{prefix}{}", name(spec));
            let found = self.fitting(names, spec, &name, *needed);
            let found = found.map_err(|misfit| Misfit { fitting, ..misfit })?;
            match found.map(|found| found.mask) {
                Some(Some(_)) => known.extend([format!("{name}_orig"), format!("{name}_mask")]),
                Some(None) => known.extend([name]),
                None => {}
            }
            fitting += usize::from(*needed);
            tensors.push(found);
        }
        let unused = self.unused(names, &prefix, &known);
        let unused = unused.map_err(|misfit| Misfit { fitting, ..misfit })?;
        let raw = names.found(&format!("{prefix}{first}"));
        let raw = raw.map(|of| of.name.strip_suffix("_orig").unwrap_or(of.name));
        let raw = raw.and_then(|name| name.strip_suffix(first));
        let raw = raw.unwrap_or(&prefix).trim_end_matches('.');
        let path = [names.dict.path.as_str(), raw].into_iter();
        let path: Vec<&str> = path.filter(|part| !part.is_empty()).collect();
        Ok(Fit {
            dict: names.dict,
            address: path.join("."),
            prefix,
            tensors,
            unused,
            others: Vec::new(),
            twins: Vec::new(),
        })
    }

    /// The tensor `name`, if it has the shape of `spec`; `None` where it has not and need not.
    fn fitting<'b>(
        &self,
        names: &Names<'b>,
        spec: &WeightSpec,
        name: &str,
        needed: bool,
    ) -> Result<Option<Found<'b>>, Misfit> {
        let expected = shape(spec);
        let found = names.found(name);
        let has_shape = |entry: &Entry| match entry {
            Entry::Dense(tensor) => tensor.shape == expected,
            Entry::Other(_) => false,
        };
        let is_float = |entry: &Entry| match entry {
            Entry::Dense(tensor) => tensor.dtype.not_float().is_none(),
            Entry::Other(_) => false,
        };
        let fits = |found: &Found| {
            has_shape(found.entry) && is_float(found.entry) && found.mask.is_none_or(has_shape)
        };
        let is_head = self.head == Some(part(&spec.layer));
        match found {
            Some(found) if fits(&found) => Ok(Some(found)),
            None if !needed => Ok(None),
            Some(_) if !needed && is_head => Ok(None),
            Some(_) | None => {
                // Of a tensor and its mask, what is at fault.
                let is_sound = |of: &Found| has_shape(of.entry) && is_float(of.entry);
                let mask = found.filter(is_sound).and_then(|of| of.mask);
                let entry = mask.or(found.map(|of| of.entry));
                let end = if mask.is_some() { "_mask" } else { "" };
                Err(Misfit {
                    tensor: format!("{name}{end}"),
                    expected: format!("{expected:?}"),
                    hint: match entry {
                        Some(entry) if mask.is_none() && !is_float(entry) => DENSE,
                        Some(Entry::Dense(_)) => ANOTHER,
                        Some(Entry::Other(_)) => DENSE,
                        None if names.is_computed(name) => PARAMETRIZED,
                        None => ABSENT,
                    },
                    found: entry.map(Entry::in_words),
                    fitting: 0,
                })
            }
        }
    }

    /// What is there besides the ANN's tensors: another head, for example. In a part of the network that has
    /// weights of the ANN it would be another network.
    fn unused<'b>(
        &self,
        names: &Names<'b>,
        prefix: &str,
        known: &BTreeSet<String>,
    ) -> Result<Vec<&'b str>, Misfit> {
        let parts = self.graph.weights().iter().map(|spec| part(&spec.layer));
        let inner: BTreeSet<&str> = parts.filter(|part| self.head != Some(part)).collect();
        let mut unused = Vec::new();
        for ((raw, entry), name) in names.dict.tensors.iter().zip(&names.all) {
            let Some(own) = name.strip_prefix(prefix) else {
                continue;
            };
            let is_counter = COUNTERS.contains(&own.rsplit('.').next().unwrap_or(own));
            if is_counter || known.contains(name) {
                continue;
            }
            if inner.contains(part(own)) {
                return Err(Misfit {
                    tensor: raw.clone(),
                    expected: "absent".to_owned(),
                    found: Some(entry.in_words()),
                    hint: ANOTHER,
                    fitting: 0,
                });
            }
            unused.push(raw.as_str());
        }
        Ok(unused)
    }

    /// The fit that comes first, `best` of all in their order, if another does not come first as well.
    fn choose<'b>(
        &self,
        best: Fit<'b>,
        rest: impl Iterator<Item = Fit<'b>>,
    ) -> Result<Fit<'b>, TorchError> {
        // A network may be in a file twice, under two names.
        let entries = |fit: &Fit<'b>| -> Vec<Option<(&'b Entry, Option<&'b Entry>)>> {
            let tensors = fit.tensors.iter();
            tensors.map(|of| of.map(|of| (of.entry, of.mask))).collect()
        };
        let (same, others): (Vec<Fit>, Vec<Fit>) =
            rest.partition(|fit| entries(fit) == entries(&best));
        let equal: Vec<&Fit> = others.iter().filter(|of| rank(of) == rank(&best)).collect();
        if !equal.is_empty() {
            let places = [&best].into_iter().chain(equal);
            return Err(TorchError::Several {
                ann: self.file.ann,
                path: self.file.path.to_owned(),
                places: places.map(|fit| fit.address.clone()).collect(),
            });
        }
        // Of a state dict and the whole network that it is from, the network says more.
        let mut twins: Vec<Fit> = same;
        twins.retain(|fit| !fit.dict.modules.is_empty());
        let best = if best.dict.modules.is_empty() && !twins.is_empty() {
            twins.remove(0)
        } else {
            best
        };
        Ok(Fit {
            others,
            twins,
            ..best
        })
    }

    /// Refuses tensors of which the file has two, once wrappers' parts are taken off their names.
    fn refuse_doubles(&self, all: &[Names], fit: &Fit) -> Result<(), TorchError> {
        let names = all.iter().find(|names| std::ptr::eq(names.dict, fit.dict));
        for found in fit.tensors.iter().flatten() {
            let of = names.and_then(|names| names.by_name.get(&torchvision_name(found.name)));
            let tensors = &fit.dict.tensors;
            let mut others = of.into_iter().flatten().map(|ordinal| &tensors[*ordinal]);
            if let Some((other, _)) = others.find(|(_, entry)| entry != found.entry) {
                return Err(TorchError::Twice {
                    ann: self.file.ann,
                    path: self.file.path.to_owned(),
                    first: found.name.to_owned(),
                    second: other.clone(),
                });
            }
        }
        Ok(())
    }

    fn mismatch(&self, dict: &StateDict, misfit: Misfit) -> TorchError {
        let found = misfit.found.unwrap_or_else(|| {
            let mut names: Vec<&str> = dict.tensors.iter().map(|(name, _)| name.as_str()).collect();
            let mut near = Vec::new();
            while near.len() < NEAR
                && let Some(found) = near_miss(&misfit.tensor, names.iter().copied())
            {
                near.push(found.to_owned());
                names.retain(|name| *name != found);
            }
            match near.as_slice() {
                [] => {
                    let all: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
                    format!("no such tensor among {}", listed(&all))
                }
                near => format!(
                    "no such tensor; the nearest names there are {}",
                    listed(near)
                ),
            }
        });
        TorchError::Mismatch {
            ann: self.file.ann,
            path: self.file.path.to_owned(),
            tensor: misfit.tensor,
            expected: misfit.expected,
            found,
            hint: misfit.hint.to_owned(),
        }
    }
}

/// The place of a fit's state dict and prefix in the known order.
fn rank(fit: &Fit) -> (usize, usize) {
    let place = |all: &[&str], of: &str| all.iter().position(|known| *known == of);
    let dict = place(&DICTS, &fit.dict.path).unwrap_or(DICTS.len());
    (
        dict,
        place(&PREFIXES, &fit.prefix).unwrap_or(PREFIXES.len()),
    )
}

/// The first part of a name.
pub(super) fn part(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}
