//! What is known of the code of PyTorch's and torchvision's classes, which a pickle names by their file and name.

use std::collections::BTreeSet;

/// Where PyTorch has its layers.
const LAYERS: &str = "torch.nn.modules.";
/// Modules that compute nothing when a network is not trained.
const IDENTITIES: [&str; 7] = [
    "Identity",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Dropout3d",
    "AlphaDropout",
    "FeatureAlphaDropout",
];
/// Classes, of today and before, whose code calls their modules one after another.
const IN_ORDER: [(&str, &str); 7] = [
    ("torch.nn.modules.container", "Sequential"),
    ("torchvision.ops.misc", "Conv2dNormActivation"),
    ("torchvision.ops.misc", "ConvNormActivation"),
    ("torchvision.models.mobilenetv2", "ConvBNActivation"),
    ("torchvision.models.mobilenet", "ConvBNReLU"),
    ("torchvision.models.densenet", "_Transition"),
    ("torchvision.models._utils", "IntermediateLayerGetter"),
];
/// Classes with code of their own, of today and before: of which ANNs, in which file of `torchvision.models`,
/// and whether they are the network itself.
const CODED: [(&str, &str, &str, bool); 10] = [
    ("resnet50", "resnet", "ResNet", true),
    ("resnet50", "resnet", "Bottleneck", false),
    ("mobilenet_v2", "mobilenetv2", "MobileNetV2", true),
    ("mobilenet_v2", "mobilenetv2", "InvertedResidual", false),
    ("mobilenet_v2", "mobilenet", "MobileNetV2", true),
    ("mobilenet_v2", "mobilenet", "InvertedResidual", false),
    ("densenet", "densenet", "DenseNet", true),
    ("densenet", "densenet", "_DenseBlock", false),
    ("densenet", "densenet", "_DenseLayer", false),
    ("alexnet", "alexnet", "AlexNet", true),
];
/// Classes with code of their own that calls all modules in order.
const CODED_IN_ORDER: [&str; 2] = ["_DenseBlock", "_DenseLayer"];
/// Wrappers of PyTorch that hand pixels to the module within as they are.
const TRANSPARENT: [&str; 5] = [
    "DataParallel",
    "DistributedDataParallel",
    "OptimizedModule",
    "AveragedModel",
    "CheckpointWrapper",
];

/// A class: the file of its code and its name.
pub(super) type Class<'a> = (&'a str, &'a str);

/// Whether it is a layer of PyTorch's by one of these names.
pub(super) fn is_layer((file, class): Class, names: &[&str]) -> bool {
    file.starts_with(LAYERS) && names.contains(&class)
}

/// Whether modules of the class compute nothing if those in them do not.
pub(super) fn is_identity(class: Class) -> bool {
    is_layer(class, &IDENTITIES) || is_sequential(class)
}

pub(super) fn is_sequential(class: Class) -> bool {
    class == IN_ORDER[0]
}

/// Whether the class's code calls all modules in order, and perhaps does more.
pub(super) fn is_in_order(class: Class) -> bool {
    IN_ORDER.contains(&class) || CODED_IN_ORDER.contains(&class.1)
}

/// Whether the class does nothing but call its modules in order.
pub(super) fn is_plain_order(class: Class) -> bool {
    IN_ORDER.contains(&class)
}

/// Whether the class wraps a module and hands it pixels as they are.
pub(super) fn is_transparent((file, class): Class) -> bool {
    file.starts_with("torch.") && TRANSPARENT.contains(&class)
        || file.starts_with("torchvision.models.segmentation.")
}

/// Whether the class is one of the ANN's in torchvision with code of its own: the network itself, or within.
pub(super) fn is_coded(ann: &str, is_root: bool, (file, class): Class) -> bool {
    let file = file.strip_prefix("torchvision.models.");
    let mut coded = coded(ann, is_root);
    coded.any(|(known, name)| file == Some(known) && class == name)
}

fn coded(ann: &str, is_root: bool) -> impl Iterator<Item = Class<'static>> {
    let of = CODED.into_iter();
    let of = of.filter(move |(of, .., of_root)| ann.starts_with(of) && is_root == *of_root);
    of.map(|(_, file, name, _)| (file, name))
}

/// What a container of the ANN's may be, for messages.
pub(super) fn containers(ann: &str, is_root: bool) -> String {
    let names: BTreeSet<String> = coded(ann, is_root)
        .map(|(_, name)| format!("`{name}`"))
        .collect();
    match names.into_iter().collect::<Vec<_>>().join(", ").as_str() {
        "" => "a `Sequential`".to_owned(),
        names => format!("torchvision's {names} or a `Sequential`"),
    }
}

/// A class in words: PyTorch's layers by their names alone.
pub(super) fn in_words((file, class): Class) -> String {
    if file.starts_with(LAYERS) {
        a(class)
    } else {
        a(&format!("{file}.{class}"))
    }
}

/// A name with its article.
pub(super) fn a(name: &str) -> String {
    let article = if name.starts_with(['A', 'E', 'I', 'O', 'U']) {
        "an"
    } else {
        "a"
    };
    format!("{article} `{name}`")
}
