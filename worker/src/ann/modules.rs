//! Modules: the names by which Brain-Score calls a network's layers, and the layers that they stand for.
//!
//! Brain-Score names PyTorch's modules. A module that runs several times in one pass has one name there and
//! means its last call; feature extraction, whose names torchvision's variants have here, numbers the calls:
//! `layer1.0.relu`, `layer1.0.relu_1`, `layer1.0.relu_2`.

use super::{AnnInfo, Files};

impl AnnInfo {
    /// The layer that the last call of a module writes, where the module runs several times and its name is
    /// another layer's: that of its first call.
    pub fn last_call(&self, module: &str) -> Option<String> {
        if self.files != Files::Torch {
            return None;
        }
        let names: Vec<String> = self.layers().into_iter().map(|layer| layer.name).collect();
        if !names.iter().any(|name| name == module) {
            return None;
        }
        let later = names.into_iter().filter_map(|name| {
            let call: usize = name.strip_prefix(module)?.strip_prefix('_')?.parse().ok()?;
            Some((call, name))
        });
        later.max().map(|(_, name)| name)
    }

    /// The module's name of a layer; none if the layer is an earlier call than the module's last, which no
    /// module's name stands for.
    pub fn module(&self, layer: &str) -> Option<String> {
        if self.files != Files::Torch {
            return Some(layer.to_owned());
        }
        let numbered = layer
            .rsplit_once('_')
            .filter(|(module, call)| call.parse::<usize>().is_ok() && self.layer(module).is_ok());
        let module = numbered.map_or(layer, |(module, _)| module);
        let last = self.last_call(module);
        let is_last = last.as_deref().is_none_or(|last| last == layer);
        is_last.then(|| module.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use crate::ann;

    #[test]
    fn a_modules_name_stands_for_its_last_call() {
        let resnet = ann::find("resnet50-torchvision").expect("offered");
        let last = |module: &str| resnet.last_call(module);
        assert_eq!(last("layer3.0.relu").as_deref(), Some("layer3.0.relu_2"));
        // One call each, a call itself, and no layer.
        for other in ["relu", "layer3.0.conv1", "layer3.0.relu_2", "layer3.0"] {
            assert_eq!(last(other), None, "{other}");
        }
        let module = |layer: &str| resnet.module(layer);
        assert_eq!(module("layer3.0.relu_2").as_deref(), Some("layer3.0.relu"));
        assert_eq!(module("layer3.0.relu"), None, "the first call");
        assert_eq!(module("layer3.0.relu_1"), None);
        assert_eq!(module("layer3.0.conv1").as_deref(), Some("layer3.0.conv1"));
        // Keras numbers layers that are modules of their own.
        let nasnet = ann::find("nasnet_mobile").expect("offered");
        assert_eq!(nasnet.last_call("normal_concat_3"), None);
        for info in ann::offered() {
            for layer in info.layers() {
                let Some(module) = info.module(&layer.name) else {
                    continue;
                };
                let meant = info.last_call(&module).unwrap_or(module);
                assert_eq!(meant, layer.name, "{}", info.name);
            }
        }
    }
}
