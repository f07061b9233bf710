//! Where recordings come from, and the digests that identify their content.
//!
//! A digest covers content, never paths or times: the same files elsewhere give the same trials.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use nrp_proto::sweep::Ceiling;

use crate::digest;

use super::error::RecordingError;
use super::formats::arrays::Axes;
use super::formats::{self, Asked};
use super::images::Images;
use super::layout::Layout;
use super::region::Part;
use super::simulated;
use super::stimuli::StimulusSet;
use super::subjects::SubjectChoice;

/// Files of responses, stimuli and images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// The responses, in a format that brings no stimuli.
    pub assembly: PathBuf,
    /// The stimulus set, CSV.
    pub stimuli: PathBuf,
    /// The images, a zip or a folder.
    pub images: PathBuf,
    /// How the responses are laid out.
    pub layout: Layout,
}

impl Files {
    /// Recordings of these files alone.
    fn alone(&self) -> Source {
        let Self {
            assembly,
            stimuli,
            images,
            layout,
        } = self.clone();
        Source::Files {
            assembly,
            stimuli,
            images,
            layout,
        }
    }
}

/// Where recordings come from.
#[expect(
    clippy::large_enum_variant,
    reason = "there is one for a sweep or a job"
)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The user's files.
    Files {
        /// The responses, in a format that brings no stimuli.
        assembly: PathBuf,
        /// The stimulus set, CSV.
        stimuli: PathBuf,
        /// The images, a zip or a folder.
        images: PathBuf,
        /// How the responses are laid out.
        layout: Layout,
    },
    /// A file laid out as `ventral_neural_data.hdf5`, which brings stimuli and images.
    Ventral {
        /// The file.
        file: PathBuf,
        /// The variation levels whose images are used; all if none is named.
        variations: Vec<u32>,
    },
    /// Two sets of files of the same sites, whose stimuli train and test.
    Given {
        /// Those that train.
        train: Files,
        /// Those that test.
        test: Files,
    },
    /// Images and responses made from a seed; results must say so.
    Simulated {
        /// The seed of images, teacher and noise.
        seed: u64,
    },
}

/// Digests that identify recordings by their content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digests {
    /// Of the responses and the stimuli.
    pub recordings: String,
    /// Of the stimuli alone: activations depend on nothing else.
    pub stimuli: String,
}

impl Source {
    /// Whether these are train and test recordings whose sites of some of `regions`, or of all if none is named,
    /// are of several subjects. Where that cannot be told, opening the recordings says why.
    pub fn has_several_subjects(&self, regions: &[String]) -> bool {
        let Self::Given { train, .. } = self else {
            return false;
        };
        let contents = formats::contents(&Asked {
            path: &train.assembly,
            layout: &train.layout,
            stimuli: None,
            variations: &[],
            regions,
            kept: None,
        });
        let Some(contents) = contents else {
            return false;
        };
        // The subject of each region's first site.
        let mut first: HashMap<&str, &str> = HashMap::new();
        contents.sites.iter().any(|site| {
            let part = |subject: &str| Part {
                region: site.region.clone(),
                subject: subject.to_owned(),
                bin: None,
            };
            let Some(subject) = site.subject.as_deref() else {
                return false;
            };
            let is_asked = regions.is_empty()
                || regions
                    .iter()
                    .any(|region| site.region == *region || part(subject).name() == *region);
            is_asked && *first.entry(&site.region).or_insert(subject) != subject
        })
    }

    /// The same recordings with each subject as a region of its own.
    #[must_use]
    pub fn of_each_subject(mut self) -> Self {
        if let Self::Given { train, test } = &mut self {
            train.layout.subjects = SubjectChoice::Each;
            test.layout.subjects = SubjectChoice::Each;
        }
        self
    }

    /// Digests of the recordings and of their stimuli, of 32 hexadecimal digits each.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn digests(&self) -> Result<Digests, RecordingError> {
        let stimuli = self.stimulus_digest()?;
        let mut hasher = blake3::Hasher::new_derive_key("nrp recordings v1");
        match self {
            Self::Files {
                assembly, layout, ..
            } => {
                hasher.update(file_hash(assembly)?.as_bytes());
                let Layout {
                    axes,
                    variable,
                    window_ms,
                    sites,
                    ceiling,
                    bins,
                    region,
                    filter,
                    subjects,
                } = layout;
                match axes {
                    // Evident axes follow from the files alone.
                    Axes::Documented | Axes::Evident => {}
                    Axes::Given(axes) => {
                        hasher.update(format!("axes {}", axes.join(" ")).as_bytes());
                    }
                }
                if let Some(variable) = variable {
                    hasher.update(format!("variable {variable}").as_bytes());
                }
                if let Some([from, to]) = window_ms {
                    hasher.update(format!("window_ms {from} {to}").as_bytes());
                }
                if !sites.is_empty() {
                    hasher.update(format!("sites {sites:?}").as_bytes());
                }
                if *ceiling != Ceiling::default() {
                    hasher.update(format!("ceiling {ceiling}").as_bytes());
                }
                if let Some(bins) = bins {
                    hasher.update(bins.in_words().as_bytes());
                }
                if let Some(region) = region {
                    hasher.update(format!("region {region:?}").as_bytes());
                }
                if let Some(filter) = filter {
                    hasher.update(format!("filter {filter}").as_bytes());
                }
                hasher.update(subjects.in_words().as_bytes());
            }
            Self::Ventral { file, .. } => {
                // The levels chosen are in the stimuli's digest.
                hasher.update(file_hash(file)?.as_bytes());
            }
            Self::Given { train, test } => {
                for files in [train, test] {
                    hasher.update(files.alone().digests()?.recordings.as_bytes());
                }
            }
            Self::Simulated { .. } => {}
        }
        hasher.update(stimuli.as_bytes());
        Ok(Digests {
            recordings: digest::shortened(&hasher),
            stimuli,
        })
    }

    /// The digest of the stimuli alone, 32 hexadecimal digits: activations depend on nothing else.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn stimulus_digest(&self) -> Result<String, RecordingError> {
        let mut hasher = blake3::Hasher::new_derive_key("nrp stimuli v1");
        match self {
            Self::Files {
                stimuli, images, ..
            } => {
                hasher.update(file_hash(stimuli)?.as_bytes());
                if images.is_dir() {
                    folder(&mut hasher, stimuli, images)?;
                } else {
                    hasher.update(file_hash(images)?.as_bytes());
                }
            }
            Self::Ventral { file, variations } => {
                formats::digest_stimuli(&mut hasher, file, variations)?;
            }
            Self::Given { train, test } => {
                for files in [train, test] {
                    hasher.update(files.alone().stimulus_digest()?.as_bytes());
                }
            }
            Self::Simulated { seed } => {
                let version = simulated::VERSION;
                hasher.update(format!("simulated:{seed}:v{version}").as_bytes());
            }
        }
        Ok(digest::shortened(&hasher))
    }
}

/// Hashes the names and contents of the images that the stimulus set names, in order of name.
fn folder(
    hasher: &mut blake3::Hasher,
    stimuli: &Path,
    images: &Path,
) -> Result<(), RecordingError> {
    let set = StimulusSet::open(stimuli)?;
    let images = Images::open(images)?;
    let mut entries = BTreeMap::new();
    for stimulus in &set.stimuli {
        // A stimulus that was never shown needs no image; `open` complains about the others.
        if let Some(entry) = images.find(stimulus)? {
            entries.insert(entry.file.clone(), (entry, &stimulus.id));
        }
    }
    for (file, (entry, id)) in &entries {
        hasher.update(&(file.len() as u64).to_le_bytes());
        hasher.update(file.as_bytes());
        hasher.update(blake3::hash(&images.bytes(entry, id)?).as_bytes());
    }
    Ok(())
}

fn file_hash(path: &Path) -> Result<blake3::Hash, RecordingError> {
    let io = |source| RecordingError::Io {
        path: path.to_owned(),
        source,
    };
    let mut hasher = blake3::Hasher::new();
    digest::take_file(&mut hasher, path).map_err(io)?;
    Ok(hasher.finalize())
}
