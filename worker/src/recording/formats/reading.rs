//! The interface of every format's reader: its arguments and its result.

use std::collections::HashSet;
use std::path::Path;

use nrp_proto::sweep::ResponseFormat;

use super::arrays::axes::Axes;
use crate::recording::assembly::Assembly;
use crate::recording::bins::BinsError;
use crate::recording::error::RecordingError;
use crate::recording::layout::Layout;
use crate::recording::pictures::Pictures;
use crate::recording::site::SiteKey;
use crate::recording::site_filter::FilterError;
use crate::recording::stimuli::StimulusSet;
use crate::recording::subjects::{SubjectChoice, SubjectsError};

/// Which responses to read, and how.
pub(in crate::recording) struct Asked<'a> {
    /// The file.
    pub(in crate::recording) path: &'a Path,
    /// How its responses are laid out.
    pub(in crate::recording) layout: &'a Layout,
    /// The stimulus set beside the file, if there is one.
    pub(in crate::recording) stimuli: Option<&'a StimulusSet>,
    /// The variation levels whose images are read, of a file that brings its own stimuli; all
    /// levels if empty.
    pub(in crate::recording) variations: &'a [u32],
    /// The regions that are needed, all if empty. Formats that can leave the others unread do.
    pub(in crate::recording) regions: &'a [String],
    /// The sites that are read, where they were chosen before; otherwise a filter chooses them.
    pub(in crate::recording) kept: Option<&'a HashSet<SiteKey>>,
}

/// A file of responses that was read.
pub(in crate::recording) struct Opened {
    /// The responses.
    pub(in crate::recording) assembly: Assembly,
    /// The stimuli that the file brings, if it does.
    pub(in crate::recording) brought: Option<Brought>,
}

/// The stimuli that a file of responses brings.
pub(in crate::recording) struct Brought {
    /// The stimuli, in the order of the file.
    pub(in crate::recording) set: StimulusSet,
    /// Their images, in the same order.
    pub(in crate::recording) images: Box<dyn Pictures>,
}

impl Asked<'_> {
    /// Refuses axes that the user has named: the file names its axes itself.
    pub(super) fn refuse_axes(&self) -> Result<(), RecordingError> {
        match self.layout.axes {
            Axes::Documented | Axes::Evident => Ok(()),
            Axes::Given(_) => Err(RecordingError::NoArrays {
                path: self.path.to_owned(),
            }),
        }
    }

    /// Refuses what the user has said of files of other formats: a window of one without spikes, sites of one
    /// without arrays, time bins, subjects or a region of one that has none to choose.
    pub(super) fn refuse_of_others(&self, format: ResponseFormat) -> Result<(), RecordingError> {
        let path = self.path.to_owned();
        if self.layout.window_ms.is_some() && !format.has_spikes() {
            Err(RecordingError::NoSpikes { path })
        } else if !self.layout.sites.is_empty() && !format.has_axes() {
            Err(RecordingError::NoSites { path })
        } else if self.layout.bins.is_some() && !format.has_time_bins() {
            Err(BinsError::None { path }.into())
        } else if self.layout.subjects != SubjectChoice::Together && !format.has_subjects() {
            Err(SubjectsError::None { path }.into())
        } else if self.layout.filter.is_some() && !format.describes_sites() {
            Err(FilterError::None { path }.into())
        } else if self.layout.region.is_some() && format.names_regions() {
            let known = Vec::new();
            Err(RecordingError::RegionGiven { path, known })
        } else {
            Ok(())
        }
    }

    /// Refuses a variable that the user has named: files of this format have none to choose from.
    pub(super) fn refuse_variable(&self) -> Result<(), RecordingError> {
        match self.layout.variable {
            None => Ok(()),
            Some(_) => Err(RecordingError::NoVariables {
                path: self.path.to_owned(),
            }),
        }
    }
}

impl Opened {
    /// Responses whose stimuli are in files of their own.
    pub(super) fn without_stimuli(assembly: Assembly) -> Self {
        let brought = None;
        Self { assembly, brought }
    }
}
