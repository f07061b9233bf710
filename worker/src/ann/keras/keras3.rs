//! The layout of Keras 3, in `.weights.h5` and `.keras`: `layers/<class>_<n>/vars/<i>`. The layer's own
//! name is an attribute of `vars`; where that is missing, `<n>` counts the layers of a class.
//!
//! A model that is a layer of another has such groups within its own. A layer's tensors may be in several
//! shards, of which the first alone has its name.

use std::collections::BTreeMap;

use hdf5_reader::group::Group;

use super::names::class_and_number;
use super::{FileLayer, FileTensor, Network, Order, WeightsFile};
use crate::ann::AnnError;
use crate::hdf5::members;

/// Where a model's own layers are.
pub(super) const OWN: &str = "layers";
/// Holds a layer's tensors.
const VARS: &str = "vars";
/// Models in models; a file whose groups contain each other ends here.
const MAX_DEPTH: usize = 12;
/// Most groups of a file. NASNetMobile has some 1,500.
const MAX_GROUPS: usize = 100_000;

/// Layers by the group they are in and their own group's name.
#[derive(Default)]
pub(super) struct Found {
    networks: BTreeMap<String, BTreeMap<String, FileLayer>>,
    groups: usize,
}

impl Found {
    /// The networks that have weights.
    pub(super) fn networks(self) -> Vec<Network> {
        let networks = self.networks.into_iter().map(|(place, layers)| {
            let with_weights = layers.into_values().filter(|of| !of.tensors.is_empty());
            let mut layers: Vec<FileLayer> = with_weights.collect();
            for layer in &mut layers {
                let number = |of: &FileTensor| of.variable.parse::<usize>().unwrap_or(usize::MAX);
                layer.tensors.sort_by_key(number);
            }
            layers.sort_by_cached_key(|layer| {
                let (class, number) = class_and_number(&layer.group);
                (class.to_owned(), number)
            });
            Network {
                place,
                order: Order::Classes,
                layers,
            }
        });
        networks
            .filter(|network| !network.layers.is_empty())
            .collect()
    }
}

impl WeightsFile<'_> {
    /// Adds what a file, or one of its shards, has in this layout.
    pub(super) fn keras3(&self, root: &Group, found: &mut Found) -> Result<(), AnnError> {
        self.walk(root, "", MAX_DEPTH, found)
    }

    fn walk(
        &self,
        group: &Group,
        place: &str,
        depth: usize,
        found: &mut Found,
    ) -> Result<(), AnnError> {
        let broken = || self.broken(format!("layer group `{place}`"));
        for child in members::groups(group).map_err(broken())? {
            found.groups += 1;
            if depth == 0 || found.groups > MAX_GROUPS {
                return Err(self.not_keras("too many groups"));
            }
            let name = child.name().to_owned();
            if name == VARS || (place.is_empty() && name.starts_with("optimizer")) {
                continue;
            }
            let (parts, _) = members::names(&child).map_err(broken())?;
            if parts.iter().any(|part| part == VARS) {
                self.add(&child, place, &name, found)?;
            }
            let inner = if place.is_empty() {
                name
            } else {
                format!("{place}/{name}")
            };
            self.walk(&child, &inner, depth - 1, found)?;
        }
        Ok(())
    }

    fn add(
        &self,
        layer: &Group,
        place: &str,
        name: &str,
        found: &mut Found,
    ) -> Result<(), AnnError> {
        let broken = || self.broken(format!("layer group `{place}/{name}`"));
        let vars = layer.group(VARS).map_err(broken())?;
        let own_names = self.names(&vars, "name")?.unwrap_or_default();
        let network = found.networks.entry(place.to_owned()).or_default();
        let layer = network.entry(name.to_owned()).or_insert_with(|| FileLayer {
            own_name: None,
            name: None,
            group: name.to_owned(),
            tensors: Vec::new(),
        });
        layer.own_name = layer.own_name.take().or(own_names.into_iter().next());
        for data in members::datasets(&vars).map_err(broken())? {
            let variable = data.name().to_owned();
            if layer
                .tensors
                .iter()
                .any(|tensor| tensor.variable == variable)
            {
                return Err(self.not_keras(format!("`{place}/{name}/vars/{variable}` twice")));
            }
            layer.tensors.push(FileTensor::new(variable, data));
        }
        Ok(())
    }
}
