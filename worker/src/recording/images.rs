//! Images of stimuli, from a zip or a folder, decoded on demand as Pillow 13's `convert("RGB")` does.
//!
//! Never unpacks to disk, never reads outside the folder, and never lets a file's claims decide how
//! much memory it takes.

mod avif;
mod bmp;
mod decode;
mod gif;
mod jpeg;
mod jpeg2000;
mod picture;
mod places;
mod tiff;

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use zip::ZipArchive;
use zip::result::ZipError;

use crate::archive::{self, ArchiveError};

use super::error::{ImagesError, RecordingError};
use super::limits::{MAX_FILE_BYTES, MAX_NAMED};
use super::stimuli::Stimulus;
use super::words::some_of;
use picture::Undecodable;
pub(super) use picture::{Header, Picture};
pub(super) use places::Entry;
use places::{Found, Places};

/// How much of a file is read for its size, at first.
const BEGINNING_BYTES: u64 = 16 << 10;
/// Deepest nesting of an image folder.
const MAX_FOLDER_DEPTH: usize = 16;

/// A zip or folder of images with an index of its files.
pub(super) struct Images {
    /// The zip or folder.
    pub(super) path: PathBuf,
    container: Container,
    /// Its files, in the order of their paths.
    entries: Vec<Entry>,
    places: Places,
}

enum Container {
    /// One reader for all threads: bytes are fetched under the lock, decoded outside it.
    Zip(Box<Mutex<ZipArchive<BufReader<File>>>>),
    Folder,
}

/// Stimuli and their images.
pub(super) struct Matched<'s> {
    /// Images of the stimuli that have one, in the stimuli's order.
    pub(super) images: Vec<(Entry, &'s Stimulus)>,
    /// Why other stimuli have no image, or not one of their own.
    pub(super) errors: Vec<RecordingError>,
}

impl Images {
    /// Indexes the zip or folder at `path`.
    pub(super) fn open(path: &Path) -> Result<Self, RecordingError> {
        let io = |source| RecordingError::Io {
            path: path.to_owned(),
            source,
        };
        let (container, mut entries): (_, Vec<Entry>) =
            if std::fs::metadata(path).map_err(io)?.is_dir() {
                let mut files = Vec::new();
                walk(path, "", 0, &mut files)?;
                let entries = files.into_iter().map(|file| Entry { file, index: 0 });
                (Container::Folder, entries.collect())
            } else {
                let file = File::open(path).map_err(io)?;
                let bytes = file.metadata().map_err(io)?.len();
                let reopened = || file.try_clone().map(BufReader::new);
                let unreadable = |source| {
                    RecordingError::from(ImagesError::Zip {
                        path: path.to_owned(),
                        source,
                    })
                };
                let archive = archive::open(reopened).map_err(unreadable)?;
                let all = MAX_FILE_BYTES.saturating_mul(archive.len() as u64);
                archive::check_total(&archive, bytes, all).map_err(|error| {
                    RecordingError::from(ImagesError::ArchiveTooLarge {
                        path: path.to_owned(),
                        problem: error.to_string(),
                    })
                })?;
                let mut entries = Vec::new();
                for index in 0..archive.len() {
                    let file = name_in(&archive, index).map_err(unreadable)?;
                    if !file.ends_with('/') {
                        entries.push(Entry { file, index });
                    }
                }
                (Container::Zip(Box::new(Mutex::new(archive))), entries)
            };
        entries.retain(|entry| !archive::is_systems_own(&entry.file));
        entries.sort();
        Ok(Self {
            path: path.to_owned(),
            container,
            places: Places::of(&entries),
            entries,
        })
    }

    /// How many files there are, images or not.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Every file, images or not, in the order of their paths.
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The image of `stimulus`, or `None`; see [`places`].
    ///
    /// # Errors
    /// When several files match.
    pub(super) fn find(&self, stimulus: &Stimulus) -> Result<Option<Entry>, RecordingError> {
        match self.places.image(stimulus) {
            Found::Nothing => Ok(None),
            Found::One(entry) => Ok(Some(entry)),
            Found::Several(entries) => Err(ImagesError::AmbiguousImage {
                images: self.path.clone(),
                stimulus: stimulus.id.clone(),
                name: stimulus.image_name().to_owned(),
                found: entries
                    .into_iter()
                    .take(MAX_NAMED)
                    .map(|entry| entry.file)
                    .collect(),
            }
            .into()),
        }
    }

    /// The images of all `stimuli`, in their order.
    ///
    /// # Errors
    /// When a stimulus has no image, several, or another stimulus's; the first error of
    /// [`Images::matched`].
    pub(super) fn find_all<'s>(
        &self,
        stimuli: impl IntoIterator<Item = &'s Stimulus>,
    ) -> Result<Vec<Entry>, RecordingError> {
        let mut matched = self.matched(stimuli);
        if matched.errors.is_empty() {
            Ok(matched.images.into_iter().map(|(entry, _)| entry).collect())
        } else {
            Err(matched.errors.remove(0))
        }
    }

    /// The images of `stimuli` that have one, and everything that is wrong with the others. A file
    /// may be the image of several stimuli only if the stimulus set says so.
    pub(super) fn matched<'s>(
        &self,
        stimuli: impl IntoIterator<Item = &'s Stimulus>,
    ) -> Matched<'s> {
        let (mut images, mut errors) = (Vec::new(), Vec::new());
        let mut missing = Vec::new();
        let mut firsts: HashMap<Entry, &Stimulus> = HashMap::new();
        let mut shared = Vec::new();
        for stimulus in stimuli {
            match self.find(stimulus) {
                Ok(Some(entry)) => {
                    let first = *firsts.entry(entry.clone()).or_insert(stimulus);
                    if !places::same(first.image_name(), stimulus.image_name()) {
                        shared.push((entry.file.clone(), first, stimulus));
                    }
                    images.push((entry, stimulus));
                }
                Ok(None) => missing.push(stimulus),
                Err(error) => errors.push(error),
            }
        }
        if !missing.is_empty() {
            errors.push(self.without(&missing));
        }
        if !shared.is_empty() {
            errors.push(self.shared(&shared));
        }
        Matched { images, errors }
    }

    /// The error that these stimuli have no image.
    fn without(&self, missing: &[&Stimulus]) -> RecordingError {
        let (missing, count) = some_of(missing.iter().map(|stimulus| described(stimulus)));
        RecordingError::from(ImagesError::NoImage {
            images: self.path.clone(),
            missing,
            count,
        })
    }

    /// The error that each of these files matches two stimuli.
    fn shared(&self, shared: &[(String, &Stimulus, &Stimulus)]) -> RecordingError {
        let both = |(file, first, second): &(String, &Stimulus, &Stimulus)| {
            format!("{file} for {} and {}", described(first), described(second))
        };
        let (found, count) = some_of(shared.iter().map(both));
        RecordingError::from(ImagesError::SharedImage {
            images: self.path.clone(),
            found,
            count,
        })
    }

    /// The bytes of one image file, at most [`MAX_FILE_BYTES`].
    pub(super) fn bytes(&self, entry: &Entry, stimulus: &str) -> Result<Vec<u8>, RecordingError> {
        let failed = |source| RecordingError::Io {
            path: self.path.join(&entry.file),
            source,
        };
        let mut bytes = Vec::new();
        match &self.container {
            Container::Folder => {
                let file = File::open(self.path.join(&entry.file)).map_err(failed)?;
                file.take(MAX_FILE_BYTES + 1)
                    .read_to_end(&mut bytes)
                    .map_err(failed)?;
            }
            Container::Zip(archive) => {
                // A reader that panicked leaves no state that the next entry depends on.
                let mut archive = archive.lock().unwrap_or_else(|poison| poison.into_inner());
                let packed = |error| self.packed(entry, stimulus, error);
                let file = archive.by_index(entry.index).map_err(packed)?;
                bytes = archive::unpack(file, MAX_FILE_BYTES).map_err(|error| match error {
                    ArchiveError::Total { .. }
                    | ArchiveError::Shared { .. }
                    | ArchiveError::Entry { .. } => {
                        self.too_large(entry, stimulus, error.to_string())
                    }
                    ArchiveError::Io(_) => self.no_picture(entry, stimulus, error.to_string()),
                    ArchiveError::Zip(error) => packed(error),
                })?;
            }
        }
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(self.too_large(entry, stimulus, "the file itself is larger".to_owned()));
        }
        Ok(bytes)
    }

    /// One image, decoded.
    pub(super) fn decode(&self, entry: &Entry, stimulus: &str) -> Result<Picture, RecordingError> {
        let bytes = self.bytes(entry, stimulus)?;
        decode::decode(bytes).map_err(|error| self.undecodable(error, entry, stimulus))
    }

    /// One image's size and kind, without decoding it.
    pub(super) fn header(&self, entry: &Entry, stimulus: &str) -> Result<Header, RecordingError> {
        // Some files say their size only behind much else.
        if let Some(start) = self.beginning(entry)
            && let Ok(header) = decode::header(&start)
        {
            return Ok(header);
        }
        let bytes = self.bytes(entry, stimulus)?;
        decode::header(&bytes).map_err(|error| self.undecodable(error, entry, stimulus))
    }

    /// The first bytes of one image file, at most [`BEGINNING_BYTES`].
    fn beginning(&self, entry: &Entry) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = match &self.container {
            Container::Folder => File::open(self.path.join(&entry.file))
                .and_then(|file| file.take(BEGINNING_BYTES).read_to_end(&mut bytes)),
            Container::Zip(archive) => {
                let mut archive = archive.lock().unwrap_or_else(|poison| poison.into_inner());
                let file = archive.by_index(entry.index).ok()?;
                file.take(BEGINNING_BYTES).read_to_end(&mut bytes)
            }
        };
        read.is_ok().then_some(bytes)
    }

    fn undecodable(&self, error: Undecodable, entry: &Entry, stimulus: &str) -> RecordingError {
        match error {
            Undecodable::TooLarge(size) => self.too_large(entry, stimulus, size),
            Undecodable::NotAPicture(found) => self.no_picture(entry, stimulus, found),
        }
    }

    fn no_picture(&self, entry: &Entry, stimulus: &str, found: String) -> RecordingError {
        RecordingError::from(ImagesError::NoPicture {
            images: self.path.clone(),
            file: entry.file.clone(),
            stimulus: stimulus.to_owned(),
            found,
        })
    }

    fn packed(&self, entry: &Entry, stimulus: &str, source: ZipError) -> RecordingError {
        RecordingError::from(ImagesError::Packed {
            images: self.path.clone(),
            file: entry.file.clone(),
            stimulus: stimulus.to_owned(),
            source,
        })
    }

    fn too_large(&self, entry: &Entry, stimulus: &str, size: String) -> RecordingError {
        RecordingError::from(ImagesError::TooLarge {
            images: self.path.clone(),
            file: entry.file.clone(),
            stimulus: stimulus.to_owned(),
            size,
        })
    }
}

/// The path of an entry: UTF-8, or the old code page of DOS where it is not, as zip files say it.
fn name_in(archive: &ZipArchive<BufReader<File>>, index: usize) -> Result<String, ZipError> {
    let entry = archive.by_index_data(index)?;
    let as_utf8 = String::from_utf8(entry.name_raw().to_vec());
    let name = as_utf8.unwrap_or_else(|raw| match entry.name() {
        Ok(name) => name.into_owned(),
        Err(_) => String::from_utf8_lossy(raw.as_bytes()).into_owned(),
    });
    Ok(name.replace('\\', "/"))
}

/// A stimulus, and the path at which its image is searched.
fn described(stimulus: &Stimulus) -> String {
    format!("{} ({})", stimulus.id, stimulus.image_name())
}

/// Lists the files below `folder` as paths relative to the first folder. Links to folders are not
/// followed: they may be circular.
fn walk(
    folder: &Path,
    prefix: &str,
    depth: usize,
    files: &mut Vec<String>,
) -> Result<(), RecordingError> {
    let io = |source| RecordingError::Io {
        path: folder.to_owned(),
        source,
    };
    if depth > MAX_FOLDER_DEPTH {
        return Err(io(std::io::Error::other(format!(
            "folders are nested deeper than {MAX_FOLDER_DEPTH}"
        ))));
    }
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let entry = entry.map_err(io)?;
        let Ok(name) = entry.file_name().into_string() else {
            continue; // a stimulus set is UTF-8 and cannot name it
        };
        let inside = format!("{prefix}{name}");
        if entry.file_type().map_err(io)?.is_dir() {
            walk(&entry.path(), &format!("{inside}/"), depth + 1, files)?;
        } else if entry.path().is_file() {
            files.push(inside);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
