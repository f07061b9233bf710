//! Where an ANN's weights come from: a file, or a seed.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::digest::FileDigests;

use super::graph::{Graph, NodeId};
use super::{AnnError, AnnInfo, Files, keras_h5, recipe, torch_file};

/// Every weight tensor of a graph, row-major, in the graph's order; `None` where the file lacks it or
/// has another shape, and nothing asked depends on it.
pub(super) type Weights = Vec<Option<Vec<f32>>>;

/// Where an ANN's weights come from. Written `random:SEED` or as a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WeightsSource {
    /// A file that Keras or PyTorch saved.
    File(PathBuf),
    /// Untrained: kernels He-uniform from this seed, batch norm the identity, biases zero.
    Random(u64),
}

impl WeightsSource {
    /// Identifies these weights in ids and cache keys: the first 32 hexadecimal digits of the file's
    /// BLAKE3, taken from `digests` where they are remembered, or `random:SEED`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn digest(&self, ann: &AnnInfo, digests: &mut FileDigests) -> Result<String, AnnError> {
        match self {
            Self::Random(_) => Ok(self.to_string()),
            Self::File(path) => digests
                .of(path)
                .map_err(|source| AnnError::WeightsUnreadable {
                    ann: ann.name,
                    path: path.clone(),
                    source,
                }),
        }
    }

    /// The weights, those that the layers `asked` depend on at least.
    pub(super) fn read(
        &self,
        ann: &AnnInfo,
        graph: &Graph,
        asked: &[NodeId],
    ) -> Result<Weights, AnnError> {
        match self {
            Self::File(path) => match ann.files {
                Files::Keras => keras_h5::read(path, ann.name, graph, asked),
                Files::Torch => torch_file::read(path, ann.name, graph, asked),
            },
            Self::Random(seed) => {
                let weights = recipe::random_weights(graph, *seed);
                Ok(weights.into_iter().map(Some).collect())
            }
        }
    }
}

impl FromStr for WeightsSource {
    type Err = AnnError;

    fn from_str(text: &str) -> Result<Self, AnnError> {
        match text.strip_prefix("random:") {
            None => Ok(Self::File(text.into())),
            Some(seed) => seed.parse().map(Self::Random).map_err(|_| AnnError::Seed {
                text: text.to_owned(),
            }),
        }
    }
}

impl fmt::Display for WeightsSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Random(seed) => write!(f, "random:{seed}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ann::find;

    #[test]
    fn a_source_is_a_seed_or_a_path() {
        let parse = |text: &str| text.parse::<WeightsSource>();
        assert_eq!(parse("random:7").expect("seed"), WeightsSource::Random(7));
        assert_eq!(
            parse("w/a.h5").expect("path"),
            WeightsSource::File("w/a.h5".into())
        );
        for bad in ["random:", "random:-1", "random:x", "random:1.5"] {
            let refusal = parse(bad).expect_err("refused").to_string();
            assert!(refusal.contains(bad), "{refusal}");
        }
    }

    #[test]
    fn a_digest_stands_for_the_bytes() {
        let ann = find("mobilenet").expect("offered");
        let file = tempfile::NamedTempFile::new().expect("temporary file");
        std::fs::write(file.path(), b"abc").expect("written");
        let source = WeightsSource::File(file.path().to_owned());
        assert_eq!(
            source
                .digest(ann, &mut FileDigests::default())
                .expect("readable"),
            "6437b3ac38465133ffb63b75273a8db5"
        );
        assert_eq!(
            WeightsSource::Random(3)
                .digest(ann, &mut FileDigests::default())
                .expect("no file"),
            "random:3"
        );
        let missing = WeightsSource::File("/no/such/file.h5".into());
        assert!(matches!(
            missing.digest(ann, &mut FileDigests::default()),
            Err(AnnError::WeightsUnreadable { .. })
        ));
    }
}
