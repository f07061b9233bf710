//! Layout: what a user says of a file of responses that the file itself leaves open.

use nrp_proto::sweep::{Ceiling, SiteFilter};

use super::bins::BinChoice;
use super::formats::arrays::Axes;
use super::subjects::SubjectChoice;

/// How the responses in a file are laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// How the axes of NumPy arrays are told apart.
    pub axes: Axes,
    /// The variable that has the responses, `group/name` in a group; required if several could be them.
    pub variable: Option<String>,
    /// Of spikes, the window in which they are counted: from and to, in milliseconds after a trial's start.
    pub window_ms: Option<[i64; 2]>,
    /// Of an array that does not say it, the sites of each region, such as `V4 = 513-768`.
    pub sites: Vec<String>,
    /// How the noise ceiling is measured.
    pub ceiling: Ceiling,
    /// What is made of an assembly's time bins; required if it has several.
    pub bins: Option<BinChoice>,
    /// The region of all sites, of a file that does not say it.
    pub region: Option<String>,
    /// Which sites are read, by what the file says of them.
    pub filter: Option<SiteFilter>,
    /// Whose sites are read, and whether each subject is a region of its own.
    pub subjects: SubjectChoice,
}

impl Layout {
    /// Nothing is said: arrays have the documented axes.
    pub fn documented() -> Self {
        Self::of_axes(Axes::Documented)
    }

    /// Nothing is said: the axes of arrays must be evident.
    pub fn evident() -> Self {
        Self::of_axes(Axes::Evident)
    }

    /// These axes, and no more.
    pub fn of_axes(axes: Axes) -> Self {
        Self {
            axes,
            variable: None,
            window_ms: None,
            sites: Vec::new(),
            ceiling: Ceiling::default(),
            bins: None,
            region: None,
            filter: None,
            subjects: SubjectChoice::default(),
        }
    }
}
