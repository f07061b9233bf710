//! The layout of Keras 1 and 2, which `.h5` files have to this day: attribute `layer_names` names the
//! layers, each a group whose `weight_names` names its tensors; the whole may lie under `model_weights`.
//!
//! A model that is a layer of another is one group with the tensors of all its layers, those that are not
//! trained last.

use hdf5_reader::group::Group;

use super::{FileLayer, FileTensor, Network, Order, WeightsFile};
use crate::ann::AnnError;
use crate::hdf5::{layout, members};

/// Where the layers of a whole model lie.
const WHOLE: &str = "model_weights";

impl WeightsFile<'_> {
    /// The networks of a file in this layout; `None` if it has another.
    pub(super) fn legacy(&self, root: &Group) -> Result<Option<Vec<Network>>, AnnError> {
        if let Some(networks) = self.legacy_networks(root)? {
            return Ok(Some(networks));
        }
        let (groups, _) = members::names(root).map_err(self.broken("its root"))?;
        if !groups.iter().any(|group| group == WHOLE) {
            return Ok(None);
        }
        let whole = root.group(WHOLE).map_err(self.broken(WHOLE))?;
        self.legacy_networks(&whole)
    }

    fn legacy_networks(&self, root: &Group) -> Result<Option<Vec<Network>>, AnnError> {
        let Some(names) = self.names(root, "layer_names")? else {
            return Ok(None);
        };
        let mut networks = vec![Network {
            place: String::new(),
            order: Order::Model,
            layers: Vec::new(),
        }];
        for name in names {
            let mut parts = self.parts(root, &name)?;
            if parts.len() > 1 {
                networks.push(Network {
                    place: name,
                    order: Order::Trained,
                    layers: parts,
                });
            } else if let Some(layer) = parts.pop() {
                networks[0].layers.push(FileLayer {
                    own_name: Some(name.clone()),
                    group: name,
                    ..layer
                });
            }
        }
        Ok(Some(networks))
    }

    /// The tensors of the group `name`, by the layer that each one's name begins with.
    fn parts(&self, root: &Group, name: &str) -> Result<Vec<FileLayer>, AnnError> {
        let group = descend(root, name).map_err(self.broken(format!("layer `{name}`")))?;
        let weights = self
            .names(&group, "weight_names")?
            .ok_or_else(|| self.not_keras(format!("layer `{name}` has no `weight_names`")))?;
        let mut parts: Vec<FileLayer> = Vec::new();
        for weight in weights {
            let broken = || self.broken(format!("`{weight}` of layer `{name}`"));
            let (layer, last) = weight.rsplit_once('/').unwrap_or(("", &weight));
            let parent = descend(&group, layer).map_err(broken())?;
            let data = layout::dataset(&parent, last).map_err(broken())?;
            let variable = last.split(':').next().unwrap_or(last);
            let tensor = FileTensor::new(variable, data);
            match parts.iter_mut().find(|part| part.group == layer) {
                Some(part) => part.tensors.push(tensor),
                None => parts.push(FileLayer {
                    own_name: Some(layer.to_owned()),
                    name: None,
                    group: layer.to_owned(),
                    tensors: vec![tensor],
                }),
            }
        }
        Ok(parts)
    }
}

/// The group at `path`, whose parts may be separated by `/`.
fn descend(group: &Group, path: &str) -> hdf5_reader::error::Result<Group> {
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    parts.try_fold(group.clone(), |group, part| group.group(part))
}
