//! The words for devices: `flex`, `tch:cpu`, `tch:cuda:N`, `wgpu` and `cuda:N`.

use std::fmt;

/// The word for the best device that there is.
pub const AUTO: &str = "auto";

/// A device as its word names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    Flex,
    TchCpu,
    TchCuda(usize),
    Wgpu,
    Cuda(usize),
}

/// One name of each kind.
pub(super) const KINDS: [Name; 5] = [
    Name::Flex,
    Name::TchCpu,
    Name::TchCuda(0),
    Name::Wgpu,
    Name::Cuda(0),
];

impl Name {
    /// The device that `word` names, whether this build has it or not.
    pub(super) fn parse(word: &str) -> Option<Self> {
        let index = |text: &str| text.parse().ok();
        match word {
            "flex" => Some(Self::Flex),
            "tch:cpu" => Some(Self::TchCpu),
            "wgpu" => Some(Self::Wgpu),
            word => match word.strip_prefix("tch:cuda:") {
                Some(text) => index(text).map(Self::TchCuda),
                None => index(word.strip_prefix("cuda:")?).map(Self::Cuda),
            },
        }
    }

    /// The Cargo feature that brings it.
    pub(super) fn feature(self) -> &'static str {
        match self {
            Self::Flex => "flex",
            Self::TchCpu | Self::TchCuda(_) => "tch",
            Self::Wgpu => "wgpu",
            Self::Cuda(_) => "cuda",
        }
    }

    /// Whether this binary was built with that feature.
    pub(super) fn is_built(self) -> bool {
        match self {
            Self::Flex => cfg!(feature = "flex"),
            Self::TchCpu | Self::TchCuda(_) => cfg!(feature = "tch"),
            Self::Wgpu => cfg!(feature = "wgpu"),
            Self::Cuda(_) => cfg!(feature = "cuda"),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flex => f.write_str("flex"),
            Self::TchCpu => f.write_str("tch:cpu"),
            Self::TchCuda(index) => write!(f, "tch:cuda:{index}"),
            Self::Wgpu => f.write_str("wgpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_what_it_names() {
        for word in ["flex", "tch:cpu", "tch:cuda:3", "wgpu", "cuda:0"] {
            assert_eq!(Name::parse(word).expect("a device").to_string(), word);
        }
        for word in [
            "",
            "gpu",
            "tch",
            "tch:cuda",
            "tch:cuda:",
            "cuda:-1",
            "cuda:0:1",
        ] {
            assert_eq!(Name::parse(word), None, "{word}");
        }
    }
}
