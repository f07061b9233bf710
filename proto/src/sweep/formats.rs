//! Formats of responses: which files hold them, by the extensions of their names. What is in the files is
//! the worker's to read.

/// A format of responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ResponseFormat {
    /// A Brain-Score assembly, netCDF-4.
    Assembly,
    /// NumPy arrays.
    Arrays,
    /// MATLAB arrays.
    Matlab,
    /// Spikes and trials, NWB.
    Nwb,
    /// A file laid out as `ventral_neural_data.hdf5`.
    Ventral,
}

/// Formats of other programs that are not read, with what to do about them.
const FOREIGN: [(&str, &str); 1] = [("pkl", "load pickles with pandas")];

impl ResponseFormat {
    /// All of them, as they are listed.
    pub const ALL: [Self; 5] = [
        Self::Assembly,
        Self::Arrays,
        Self::Matlab,
        Self::Nwb,
        Self::Ventral,
    ];

    /// The extensions of its files, in small letters and without the dot. Files may have them in any
    /// case.
    pub const fn extensions(self) -> &'static [&'static str] {
        match self {
            Self::Assembly => &["nc", "nc4"],
            Self::Arrays => &["npy", "npz"],
            Self::Matlab => &["mat"],
            Self::Nwb => &["nwb"],
            Self::Ventral => &["hdf5", "h5"],
        }
    }

    /// The format that the extension of `file` names.
    pub fn of(file: &str) -> Option<Self> {
        let extension = extension(file)?;
        Self::ALL.into_iter().find(|format| {
            let mut known = format.extensions().iter();
            known.any(|known| known.eq_ignore_ascii_case(extension))
        })
    }

    /// Whether such a file brings its stimuli and images.
    pub const fn brings_stimuli(self) -> bool {
        match self {
            Self::Assembly | Self::Arrays | Self::Matlab | Self::Nwb => false,
            Self::Ventral => true,
        }
    }

    /// Whether the axes of such a file may be named.
    pub const fn has_axes(self) -> bool {
        match self {
            Self::Assembly | Self::Nwb | Self::Ventral => false,
            Self::Arrays | Self::Matlab => true,
        }
    }

    /// Whether the responses are counted from such a file's spikes.
    pub const fn has_spikes(self) -> bool {
        match self {
            Self::Assembly | Self::Arrays | Self::Matlab | Self::Ventral => false,
            Self::Nwb => true,
        }
    }

    /// Whether such a file may have time bins.
    pub const fn has_time_bins(self) -> bool {
        match self {
            Self::Assembly => true,
            Self::Arrays | Self::Matlab | Self::Nwb | Self::Ventral => false,
        }
    }

    /// Whether such a file may say which subject each of its sites belongs to.
    pub const fn has_subjects(self) -> bool {
        match self {
            Self::Assembly => true,
            Self::Arrays | Self::Matlab | Self::Nwb | Self::Ventral => false,
        }
    }

    /// Whether such a file may say more of its sites than names and regions.
    pub const fn describes_sites(self) -> bool {
        match self {
            Self::Assembly | Self::Nwb => true,
            Self::Arrays | Self::Matlab | Self::Ventral => false,
        }
    }

    /// Whether such a file always says which regions its sites are in.
    pub const fn names_regions(self) -> bool {
        match self {
            Self::Assembly | Self::Nwb => false,
            Self::Arrays | Self::Matlab | Self::Ventral => true,
        }
    }

    /// Its extensions: `.npy` or `.npz`.
    pub fn in_words(self) -> String {
        listed(self.extensions())
    }

    /// The extensions of all formats.
    pub fn extensions_in_words() -> String {
        let all: Vec<&str> = Self::ALL
            .into_iter()
            .flat_map(Self::extensions)
            .copied()
            .collect();
        listed(&all)
    }

    /// What to do with a `file` that is of no format.
    pub fn advice(file: &str) -> String {
        let advice = format!("responses end in {}", Self::extensions_in_words());
        let extension = extension(file).unwrap_or_default().to_lowercase();
        match FOREIGN.iter().find(|(foreign, _)| *foreign == extension) {
            Some((_, how)) => format!("{advice}; {how} and save the responses with `numpy.savez`"),
            None => advice,
        }
    }
}

fn extension(file: &str) -> Option<&str> {
    let name = file.rsplit(['/', '\\']).next()?;
    let (stem, extension) = name.rsplit_once('.')?;
    (!stem.is_empty()).then_some(extension)
}

/// `.a`, `.b` or `.c`.
fn listed(extensions: &[&str]) -> String {
    let quoted: Vec<String> = extensions.iter().map(|of| format!("`.{of}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extension_in_any_case_names_one_format() {
        for format in ResponseFormat::ALL {
            for extension in format.extensions() {
                for file in [
                    format!("a.{extension}"),
                    format!("a.b/C.{}", extension.to_uppercase()),
                ] {
                    assert_eq!(ResponseFormat::of(&file), Some(format), "{file}");
                }
            }
        }
        for file in ["", "nc", ".nc", "a.nc/b", "a.ncx", "simulated"] {
            assert_eq!(ResponseFormat::of(file), None, "{file}");
        }
    }

    #[test]
    fn advice_names_every_extension_and_how_to_convert() {
        assert_eq!(
            ResponseFormat::advice("lab.txt"),
            "responses end in `.nc`, `.nc4`, `.npy`, `.npz`, `.mat`, `.nwb`, `.hdf5` or `.h5`"
        );
        assert!(ResponseFormat::advice("lab.PKL").contains("pandas"));
    }
}
