//! Recordings: responses of brain regions to stimuli, read from users' files.
//!
//! The result is one response per stimulus and site, averaged over repetitions, in the recordings'
//! own units: nothing is normalised, filled in or silently left out. Stimuli are in the order of
//! the stimulus set. Images are decoded on demand.

mod assembly;
mod average;
mod bins;
mod ceiling;
mod chance;
mod check;
mod duplicates;
mod error;
mod floor;
mod formats;
mod given;
mod images;
mod layout;
mod limits;
mod numpy;
mod pictures;
mod presentations;
mod ranks;
mod region;
mod simulated;
mod site;
mod site_filter;
mod source;
pub mod split;
mod spreadsheet;
mod stimuli;
mod subjects;
mod words;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::OnceLock;

use image::RgbImage;
use nrp_proto::sweep::{ArrayAxis, Ceiling};
use rayon::prelude::*;

use crate::digest;

pub use bins::{BinChoice, BinsError, Span, TimeBin};
pub use ceiling::{CeilingError, Noise, NoiseReport};
pub use check::{
    AssemblyReport, ImagesReport, RegionReport, RepetitionsReport, Report, StimuliReport, check,
};
pub use duplicates::Duplicates;
pub use error::{ArraysError, AssemblyError, ImagesError, NwbError, RecordingError, StimuliError};
pub(crate) use formats::Tables;
pub use formats::arrays::Axes;
pub(crate) use formats::arrays::ids::names_stimuli;
pub(crate) use formats::arrays::npy;
pub use formats::{FORMATS, Format};
pub use given::GivenError;
pub use layout::Layout;
pub use limits::{MAX_FILE_BYTES, MAX_NAMED, MAX_RESPONSES, MAX_RESPONSES_BYTES, MAX_SIDE_PIXELS};
pub use pictures::{PictureFacts, clipped_notice};
pub(crate) use ranks::ranks;
pub use region::{CeilingOfAll, OfBin, OfSubject, Region};
pub use site::Site;
pub use site_filter::FilterError;
pub use source::{Digests, Files, Source};
pub use stimuli::Stimulus;
pub use subjects::{SubjectChoice, SubjectsError};

use assembly::Assembly;
use average::Cells;
use formats::{Asked, Opened};
use images::{Entry, Header, Images, Picture};
use pictures::{DEGREES, Pictures};
use region::{Part, chosen};
use stimuli::StimulusSet;
pub(crate) use words::{first_bytes, named, some_of};

/// What errors call the files that list stimuli.
const STIMULUS_SETS: &str = "stimulus sets";

/// Responses of brain regions to a set of stimuli.
pub struct Recordings {
    /// The stimuli shown, in the order of the stimulus set: the rows of every region.
    pub stimuli: Vec<Stimulus>,
    /// The regions, in the order asked for.
    pub regions: Vec<Region>,
    /// Whether no animal was involved; results must say so.
    pub simulated: bool,
    /// Notices for the user that are not errors.
    pub notices: Vec<String>,
    /// How the axes of NumPy arrays were interpreted; empty for the documented order and for other
    /// files.
    pub axes: Vec<ArrayAxis>,
    /// The same of the arrays that test, where those that train are in another file.
    pub test_axes: Vec<ArrayAxis>,
    /// How many of the stimuli are of the recordings that train, where others are of those that test. They come
    /// first.
    pub trains: Option<usize>,
    /// How many stimuli the stimulus set lists, those never shown included.
    pub listed: usize,
    /// Where each of the stimuli stands in the stimulus set, the first at 0.
    pub lines: Vec<usize>,
    /// The ceilings of regions of which several subjects were read, each as a region of its own.
    pub ceilings_of_all: Vec<CeilingOfAll>,
    /// What each of the regions is made of.
    parts: Vec<Part>,
    pictures: Box<dyn Pictures>,
    /// The duplicates, once they were searched for.
    duplicates: OnceLock<Duplicates>,
    /// What the pictures are, once it was asked for.
    facts: OnceLock<PictureFacts>,
}

/// Pictures in a zip or folder: the container, each stimulus's place in it, and the stimuli's ids.
struct Stored {
    images: Images,
    entries: Vec<(Entry, String)>,
}

impl Stored {
    /// The pictures of `stimuli`, in their order.
    fn of(images: Images, stimuli: &[Stimulus]) -> Result<Self, RecordingError> {
        let entries = images.find_all(stimuli)?.into_iter();
        let ids = stimuli.iter().map(|stimulus| stimulus.id.clone());
        let entries = entries.zip(ids).collect();
        Ok(Self { images, entries })
    }
}

/// Pictures made from a seed.
struct Rendered(Vec<RgbImage>);

impl Pictures for Stored {
    fn len(&self) -> usize {
        self.entries.len()
    }

    fn picture(&self, index: usize) -> Result<Picture, RecordingError> {
        let (entry, stimulus) = &self.entries[index];
        self.images.decode(entry, stimulus)
    }

    fn header(&self, index: usize) -> Result<Header, RecordingError> {
        let (entry, stimulus) = &self.entries[index];
        self.images.header(entry, stimulus)
    }
}

impl Pictures for Rendered {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn picture(&self, index: usize) -> Result<Picture, RecordingError> {
        Ok(Picture {
            rgb: self.0[index].clone(),
            mode: "Rgb8".to_owned(),
        })
    }

    fn header(&self, index: usize) -> Result<Header, RecordingError> {
        let (width, height) = self.0[index].dimensions();
        Ok(Header {
            size: [width, height],
            redecoded: false,
            clipped: false,
        })
    }
}

impl Recordings {
    /// Reads the recordings of `regions`, or of all regions if none is named.
    ///
    /// # Errors
    /// When a file is missing or damaged, a region is unknown, a stimulus has no entry in the
    /// stimulus set or no image, or a site has no or infinite responses.
    pub fn open(source: &Source, regions: &[String]) -> Result<Self, RecordingError> {
        match source {
            Source::Files {
                assembly,
                stimuli,
                images,
                layout,
            } => {
                let set = StimulusSet::open(stimuli)?;
                let opened = formats::open(&Asked {
                    path: assembly,
                    layout,
                    stimuli: Some(&set),
                    variations: &[],
                    regions,
                    kept: None,
                })?;
                if opened.brought.is_some() {
                    return Err(RecordingError::Superfluous {
                        path: assembly.clone(),
                        extra: stimuli.clone(),
                        kind: STIMULUS_SETS,
                    });
                }
                let images = Images::open(images)?;
                Self::from_files(&opened.assembly, set, regions, &layout.ceiling, |stimuli| {
                    Ok(Box::new(Stored::of(images, stimuli)?))
                })
            }
            Source::Ventral { file, variations } => {
                let Opened { assembly, brought } = formats::open(&Asked {
                    path: file,
                    layout: &Layout::documented(),
                    stimuli: None,
                    variations,
                    regions,
                    kept: None,
                })?;
                let brought =
                    brought.ok_or_else(|| RecordingError::NoStimulusSet { path: file.clone() })?;
                let images = brought.images;
                let ceiling = Ceiling::default();
                Self::from_files(&assembly, brought.set, regions, &ceiling, |_| Ok(images))
            }
            Source::Given { train, test } => given::open(train, test, regions),
            Source::Simulated { seed } => Self::simulate(*seed, regions),
        }
    }

    /// The regions that `region` stands for where subjects or time bins are regions of their own, in their order:
    /// those of all its subjects and bins, or itself.
    pub fn parts_of(&self, region: &str) -> impl Iterator<Item = String> {
        let parts = region::parts_of(region, &self.parts).into_iter();
        parts.map(Part::name)
    }

    /// The region called `name`.
    pub fn region(&self, name: &str) -> Option<&Region> {
        self.regions.iter().find(|region| region.name == name)
    }

    /// The regions of the other subjects of which `region` is one's, in the order of the file, as far as they
    /// are open.
    pub fn of_other_subjects<'a>(&'a self, region: &'a Region) -> impl Iterator<Item = &'a Region> {
        let of = |other: &'a Region| Some((other, other.subject.as_ref()?));
        let own = region.subject.as_ref();
        let others = self.regions.iter().filter_map(of);
        others
            .filter(move |(_, other)| {
                own.is_some_and(|own| own.region == other.region && own.subject != other.subject)
            })
            .map(|(region, _)| region)
    }

    /// Identifies the stimuli in cache keys. `set` is the digest of the stimulus set, and theirs too unless some
    /// of it were never shown: then assemblies of one set may show different stimuli. So it is where they stand in
    /// another order.
    pub fn stimulus_digest(&self, set: &str) -> String {
        if self.lines.iter().copied().eq(0..self.listed) {
            return set.to_owned();
        }
        let mut hasher = blake3::Hasher::new_derive_key("nrp shown stimuli v1");
        hasher.update(set.as_bytes());
        for line in &self.lines {
            hasher.update(&(*line as u64).to_le_bytes());
        }
        digest::shortened(&hasher)
    }

    /// The image of the stimulus at `stimulus` among [`Recordings::stimuli`], as Pillow's
    /// `convert("RGB")` makes it: grey repeated, palette looked up, alpha dropped, not turned by EXIF
    /// but for TIFF. May be called from many threads.
    ///
    /// # Errors
    /// When the file is missing, is not an image, or is larger than [`MAX_SIDE_PIXELS`] or
    /// [`MAX_FILE_BYTES`] allow.
    ///
    /// # Panics
    /// When there is no such stimulus.
    pub fn image(&self, stimulus: usize) -> Result<RgbImage, RecordingError> {
        Ok(self.pictures.picture(stimulus)?.rgb)
    }

    /// What the column `degrees` says of the stimulus at `stimulus`: how many degrees of visual angle its
    /// image has. `None` where the stimulus set has no such column.
    pub fn degrees(&self, stimulus: usize) -> Option<&str> {
        let labels = &self.stimuli.get(stimulus)?.labels;
        labels.get(DEGREES).map(String::as_str)
    }

    /// The pictures that several stimuli show. The first call decodes every image, on all
    /// processors, so success means that none is damaged; later calls return the same result.
    ///
    /// # Errors
    /// When images cannot be decoded; the error lists them.
    pub fn duplicates(&self) -> Result<&Duplicates, RecordingError> {
        if let Some(known) = self.duplicates.get() {
            return Ok(known);
        }
        let stimuli = 0..self.stimuli.len();
        let pictures = stimuli.into_par_iter().map(|stimulus| {
            let picture = self.image(stimulus)?;
            Ok(duplicates::pixels(&picture))
        });
        let pictures: Vec<Result<_, RecordingError>> = pictures.collect();
        let (mut seen, mut errors) = (Vec::new(), Vec::new());
        for picture in pictures {
            match picture {
                Ok(picture) => seen.push(picture),
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() {
            Ok(self.duplicates.get_or_init(|| Duplicates::among(&seen)))
        } else {
            Err(RecordingError::of_images(errors, self.stimuli.len()))
        }
    }

    /// What cache keys must say about the pictures. The first call reads the beginning of every image
    /// file; later calls return the same result.
    ///
    /// # Errors
    /// When an image cannot be read.
    pub fn picture_facts(&self) -> Result<&PictureFacts, RecordingError> {
        if let Some(known) = self.facts.get() {
            return Ok(known);
        }
        let headers = (0..self.pictures.len()).into_par_iter();
        let headers = headers.map(|stimulus| self.pictures.header(stimulus));
        let headers: Vec<Header> = headers.collect::<Result<_, _>>()?;
        let headers = headers.into_iter().enumerate();
        let headers = headers.map(|(stimulus, header)| (header, self.degrees(stimulus)));
        Ok(self.facts.get_or_init(|| headers.collect()))
    }

    fn from_files(
        assembly: &Assembly,
        set: StimulusSet,
        regions: &[String],
        ceiling: &Ceiling,
        pictures: impl FnOnce(&[Stimulus]) -> Result<Box<dyn Pictures>, RecordingError>,
    ) -> Result<Self, RecordingError> {
        let recordings = format!("`{}`", assembly.path.display());
        let parts = chosen(regions, &assembly.parts, &recordings)?;
        assembly.refuse_named_twice()?;
        let mut notices = assembly.notices();
        let shown: HashSet<&str> = assembly.shown.iter().map(String::as_str).collect();
        notices.extend(set.never_shown(&assembly.shown));
        let listed = set.stimuli.len();
        let (lines, stimuli): (Vec<usize>, Vec<Stimulus>) = set
            .stimuli
            .into_iter()
            .enumerate()
            .filter(|(_, stimulus)| shown.contains(stimulus.id.as_str()))
            .unzip();
        let rows: HashMap<&str, usize> = stimuli
            .iter()
            .enumerate()
            .map(|(row, stimulus)| (stimulus.id.as_str(), row))
            .collect();
        let stimulus_of = rows_of(assembly, &rows, &set.path)?;
        let pictures = pictures(&stimuli)?;
        let regions = parts
            .iter()
            .map(|part| average::average(assembly, part, &stimulus_of, stimuli.len(), ceiling))
            .collect::<Result<Vec<Region>, _>>()?;
        let shown_at = (&stimulus_of[..], stimuli.len());
        let ceilings_of_all = ceilings_of_all(assembly, &parts, shown_at, ceiling)?;
        let has_ceilings = regions.iter().all(|region| region.noise.is_some());
        notices.extend(ceiling::notice(ceiling, has_ceilings));
        Ok(Self {
            stimuli,
            regions,
            simulated: false,
            notices,
            axes: assembly.axes.clone(),
            test_axes: Vec::new(),
            trains: None,
            ceilings_of_all,
            parts,
            listed,
            lines,
            pictures,
            duplicates: OnceLock::new(),
            facts: OnceLock::new(),
        })
    }

    fn simulate(seed: u64, regions: &[String]) -> Result<Self, RecordingError> {
        let known = simulated::NAMES.map(Part::whole);
        let parts = chosen(regions, &known, "the simulated recordings")?;
        let names: Vec<String> = parts.iter().map(Part::name).collect();
        let made = simulated::simulate(seed, &names);
        let listed = made.stimuli.len();
        Ok(Self {
            stimuli: made.stimuli,
            regions: made.regions,
            simulated: true,
            notices: Vec::new(),
            axes: Vec::new(),
            test_axes: Vec::new(),
            trains: None,
            ceilings_of_all: Vec::new(),
            parts,
            listed,
            lines: (0..listed).collect(),
            pictures: Box::new(Rendered(made.images)),
            duplicates: OnceLock::new(),
            facts: OnceLock::new(),
        })
    }
}

/// The ceilings over all sites of each region of which `parts` are those of several subjects. The presentations'
/// stimuli and their number are `shown_at`.
fn ceilings_of_all(
    assembly: &Assembly,
    parts: &[Part],
    (stimulus_of, stimuli): (&[usize], usize),
    ceiling: &Ceiling,
) -> Result<Vec<CeilingOfAll>, RecordingError> {
    let mut of_regions: Vec<(String, Vec<usize>, usize)> = Vec::new();
    for part in parts {
        let Some(OfSubject { region, .. }) = part.of_subject() else {
            continue;
        };
        let sites = assembly.sites_of(&part.name());
        match of_regions.iter_mut().find(|(known, ..)| *known == region) {
            Some((_, all, subjects)) => {
                all.extend(sites);
                *subjects += 1;
            }
            None => of_regions.push((region, sites, 1)),
        }
    }
    let several = of_regions
        .into_iter()
        .filter(|(_, _, subjects)| *subjects > 1);
    let of_all = several.map(|(region, sites, _)| {
        let cells = Cells::of_sites(assembly, sites, stimulus_of, stimuli);
        let noise = cells.noise(assembly, &region, stimulus_of, ceiling)?;
        let noise = noise.as_ref();
        Ok(CeilingOfAll {
            region,
            consistency: noise.and_then(|noise| noise.consistency),
            error: noise.and_then(|noise| noise.consistency_error),
        })
    });
    of_all.collect()
}

/// The row of each presentation's stimulus.
fn rows_of(
    assembly: &Assembly,
    rows: &HashMap<&str, usize>,
    set: &Path,
) -> Result<Vec<usize>, RecordingError> {
    let unlisted = unlisted(assembly, |id| rows.contains_key(id));
    let (ids, count) = some_of(unlisted);
    if count > 0 {
        return Err(RecordingError::NotListed {
            assembly: assembly.path.clone(),
            stimuli: set.to_owned(),
            ids,
            count,
        });
    }
    Ok(assembly.shown.iter().map(|id| rows[id.as_str()]).collect())
}

/// The stimuli shown that are not `listed`, each once, in the order shown.
fn unlisted(assembly: &Assembly, listed: impl Fn(&str) -> bool) -> Vec<String> {
    let mut seen = HashSet::new();
    let ids = assembly.shown.iter();
    ids.filter(|id| !listed(id) && seen.insert(id.as_str()))
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests;
