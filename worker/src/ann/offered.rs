//! The built-in ANNs, by name.

use nrp_proto::near_miss;
pub use nrp_proto::sweep::{FEATURES, ONNX};

use super::info::AnnInfo;
use super::{
    AnnError, FeaturesError, alexnet, densenet, mobilenet, mobilenet_v2, nasnet, resnet50,
    torchvision, xception,
};

/// The built-in ANNs. ONNX files run too, under the name [`ONNX`], and activations that another program computed
/// are read from a file under the name [`FEATURES`].
pub fn offered() -> &'static [AnnInfo] {
    static OFFERED: [AnnInfo; 13] = [
        mobilenet::MOBILENET,
        mobilenet_v2::MOBILENET_V2,
        nasnet::NASNET_MOBILE,
        resnet50::RESNET50,
        xception::XCEPTION,
        densenet::DENSENET121,
        densenet::DENSENET169,
        alexnet::ALEXNET,
        torchvision::MOBILENET_V2,
        torchvision::RESNET50,
        torchvision::DENSENET121,
        torchvision::DENSENET169,
        torchvision::ALEXNET,
    ];
    &OFFERED
}

/// The ANN called `name`.
///
/// # Errors
/// When there is no such ANN, or only a file defines it.
pub fn find(name: &str) -> Result<&'static AnnInfo, AnnError> {
    if let Some(ann) = offered().iter().find(|ann| ann.name == name) {
        return Ok(ann);
    }
    let name = name.to_owned();
    if name == ONNX {
        return Err(AnnError::NoFile);
    }
    if name == FEATURES {
        return Err(FeaturesError::NoFile.into());
    }
    let known = offered().iter().map(|ann| ann.name);
    let near = near_miss(&name, known.chain([ONNX, FEATURES])).map(str::to_owned);
    Err(AnnError::Unknown { name, near })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ann::info::Files;

    #[test]
    fn what_is_said_of_an_ann_is_what_its_graph_has() {
        for ann in offered() {
            let graph = ann.graph();
            assert_eq!(graph.parameters(), ann.parameters, "{}", ann.name);
            assert_eq!(graph.input(), ann.input, "{}", ann.name);
            let names: Vec<_> = graph.listed().map(|(_, node)| &*node.name).collect();
            let places = ann.candidates.iter().map(|candidate| {
                let place = names.iter().position(|name| name == candidate);
                place.unwrap_or_else(|| panic!("{candidate} is not in {}", ann.name))
            });
            assert!(
                places.is_sorted() && ann.candidates.len() >= 3,
                "{}",
                ann.name
            );
            for (region, layer) in ann.region_layers {
                assert!(
                    names.contains(layer),
                    "{region}: {layer} is not in {}",
                    ann.name
                );
            }
            let kernels = graph.weights().iter().filter(|w| w.variable != "bias");
            let without_biases: u64 = kernels.map(|w| w.elements() as u64).sum();
            let stated = ann.parameters_without_biases;
            assert!(stated.is_none_or(|n| n == without_biases), "{}", ann.name);
        }
    }

    /// Table 1 of Anand, Sen & Roy (2021).
    #[test]
    fn parameters_are_those_of_the_published_table() {
        let published = [
            ("mobilenet", 4_253_864),
            ("mobilenet_v2", 3_538_984),
            ("nasnet_mobile", 5_326_716),
            ("resnet50", 25_636_712),
            ("xception", 22_910_480),
            ("densenet121", 8_062_504),
            ("densenet169", 14_307_880),
            ("alexnet", 60_954_656),
        ];
        let of_keras = offered().iter().filter(|ann| ann.files == Files::Keras);
        let ours = of_keras.map(|ann| {
            let parameters = ann.parameters_without_biases.unwrap_or(ann.parameters);
            (ann.name, parameters)
        });
        assert!(ours.eq(published));
    }

    #[test]
    fn mobilenet_has_keras_layers() {
        let ann = find("mobilenet").expect("offered");
        assert_eq!(ann.parameters, 4_253_864);
        assert_eq!(ann.layers().len(), 89);
        let layer = ann.layer("conv_pw_6_relu").expect("a layer");
        assert_eq!(layer.shape, [14, 14, 512]);
        assert_eq!(layer.units(), 100_352);
        assert_eq!(ann.layers()[88].shape, [1000]);
    }

    #[test]
    fn what_is_not_offered_is_refused_by_name() {
        let refusal = |name| find(name).expect_err("refused").to_string();
        assert_eq!(refusal("onnx"), "`onnx` is defined by its file");
        assert_eq!(refusal("features"), "`features` are defined by their file");
        assert_eq!(refusal("lenet5"), "unknown ANN `lenet5`");
        assert!(matches!(
            find("mobilnet"),
            Err(AnnError::Unknown { near: Some(near), .. }) if near == "mobilenet"
        ));
        let ann = find("mobilenet").expect("offered");
        for (meant, near) in [
            ("conv_pw_14_relu", true),
            ("input_layer", false),
            ("dropout", false),
        ] {
            let Err(AnnError::UnknownLayer { near: found, .. }) = ann.layer(meant) else {
                panic!("{meant} was not refused");
            };
            assert!(found.is_some() || !near, "{meant}: {found:?}");
        }
    }
}
