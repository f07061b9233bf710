//! Where an ANN's weights come from: a file, or a seed.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::digest::{FileDigests, shortened};

use super::graph::{Graph, NodeId};
use super::{AnnError, AnnInfo, Files, keras, recipe, torch};

/// Every weight tensor of a graph, row-major, in the graph's order; `None` where the file lacks it or
/// has another shape, and nothing asked depends on it.
pub(super) type Weights = Vec<Option<Vec<f32>>>;

/// Weights, and notices for the user about where in their file they were.
pub(super) type Told = (Weights, Vec<String>);

/// Where an ANN's weights come from. Written `random:SEED` or as a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WeightsSource {
    /// A file that Keras or PyTorch saved.
    File(PathBuf),
    /// What is under a key in a file that PyTorch saved.
    Part {
        /// The file.
        file: PathBuf,
        /// The keys that lead to the weights, with dots between.
        key: String,
    },
    /// Untrained: kernels He-uniform from this seed, batch norm the identity, biases zero.
    Random(u64),
}

impl WeightsSource {
    /// Identifies these weights in ids and cache keys: the first 32 hexadecimal digits of the file's
    /// BLAKE3, taken from `digests` where they are remembered, or `random:SEED`. For a part of a file they
    /// are those of the BLAKE3 of the file's digest and the key; the digest of an index of shards covers
    /// the shards.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn digest(&self, ann: &AnnInfo, digests: &mut FileDigests) -> Result<String, AnnError> {
        match self {
            Self::Random(_) => Ok(self.to_string()),
            Self::File(path) => {
                let own = of_file(path, ann, digests)?;
                let shards = match ann.files {
                    Files::Keras => keras::shards(path, ann.name)?,
                    Files::Torch => None,
                };
                let Some(shards) = shards else {
                    return Ok(own);
                };
                let mut hasher = blake3::Hasher::new();
                hasher.update(own.as_bytes());
                for shard in &shards {
                    hasher.update(of_file(shard, ann, digests)?.as_bytes());
                }
                Ok(shortened(&hasher))
            }
            Self::Part { file, key } => {
                let of_file = of_file(file, ann, digests)?;
                let digest = blake3::hash(format!("{of_file} {key}").as_bytes()).to_hex();
                Ok(digest[..of_file.len()].to_owned())
            }
        }
    }

    /// These weights, from a file in `directory`, of which those under `key` are meant unless it is empty.
    ///
    /// # Errors
    /// When random weights have a key.
    pub fn of_key(self, key: &str, directory: &Path) -> Result<Self, AnnError> {
        match (self, key) {
            (Self::File(file), "") => Ok(Self::File(directory.join(file))),
            (Self::File(file) | Self::Part { file, .. }, key) => Ok(Self::Part {
                file: directory.join(file),
                key: key.to_owned(),
            }),
            (Self::Random(seed), "") => Ok(Self::Random(seed)),
            (Self::Random(seed), key) => Err(AnnError::KeyOfRandom {
                seed,
                key: key.to_owned(),
            }),
        }
    }

    /// The weights, those that the layers `asked` depend on at least, and what the user should know about
    /// them.
    pub(super) fn read(
        &self,
        ann: &AnnInfo,
        graph: &Graph,
        asked: &[NodeId],
    ) -> Result<Told, AnnError> {
        let untold = |weights| (weights, Vec::new());
        match self {
            Self::File(path) => match ann.files {
                Files::Keras => keras::read(path, ann, graph, asked),
                Files::Torch => torch::read(path, None, ann.name, graph, asked),
            },
            Self::Part { file, key } => match ann.files {
                Files::Keras => Err(AnnError::KeyOfKeras {
                    ann: ann.name,
                    key: key.clone(),
                }),
                Files::Torch => torch::read(file, Some(key), ann.name, graph, asked),
            },
            Self::Random(seed) => {
                let weights = recipe::random_weights(graph, *seed);
                Ok(untold(weights.into_iter().map(Some).collect()))
            }
        }
    }
}

fn of_file(path: &Path, ann: &AnnInfo, digests: &mut FileDigests) -> Result<String, AnnError> {
    digests
        .of(path)
        .map_err(|source| AnnError::WeightsUnreadable {
            ann: ann.name,
            path: path.to_owned(),
            source,
        })
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
            Self::File(path) | Self::Part { file: path, .. } => write!(f, "{}", path.display()),
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
    fn a_key_is_part_of_the_digest_and_for_pytorchs_files_alone() {
        let ann = find("resnet50-torchvision").expect("offered");
        let file = tempfile::NamedTempFile::new().expect("temporary file");
        std::fs::write(file.path(), b"abc").expect("written");
        let digest = |key: &str| {
            let source = WeightsSource::File(file.path().to_owned());
            let source = source.of_key(key, Path::new("")).expect("a file");
            let digest = source.digest(ann, &mut FileDigests::default());
            digest.expect("readable")
        };
        assert_eq!(digest(""), "6437b3ac38465133ffb63b75273a8db5");
        let keyed = ["", "state_dict", "state_dict_ema"].map(digest);
        assert!(keyed[0] != keyed[1] && keyed[1] != keyed[2]);
        assert!(keyed.iter().all(|digest| digest.len() == 32));
        let random = WeightsSource::Random(3).of_key("net", Path::new(""));
        assert!(matches!(random, Err(AnnError::KeyOfRandom { seed: 3, .. })));
        let part = WeightsSource::Part {
            file: file.path().to_owned(),
            key: "net".to_owned(),
        };
        let keras = find("resnet50").expect("offered");
        let refused = part.read(keras, &keras.graph(), &[]);
        assert!(matches!(refused, Err(AnnError::KeyOfKeras { .. })));
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
