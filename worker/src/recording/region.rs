//! One brain region's responses, as training takes them, and how regions are chosen by name.

use super::bins::TimeBin;
use super::ceiling::Noise;
use super::error::RecordingError;

/// Responses of the sites of one brain region.
#[derive(Debug, Clone)]
pub struct Region {
    /// Its name: as the file spells it, with the subject and the time bin where these are regions of their own.
    pub name: String,
    /// Whose sites these are, where each subject is a region of its own.
    pub subject: Option<OfSubject>,
    /// When these are the responses, where each time bin is a region of its own.
    pub bin: Option<OfBin>,
    /// Its sites.
    pub sites: Vec<String>,
    /// Rates, `[stimuli, sites]` row by row, averaged over repetitions; NaN where nothing was
    /// recorded.
    pub responses: Vec<f64>,
    /// Fewest and most recorded repetitions of a stimulus.
    pub repetitions: (usize, usize),
    /// What the repetitions say about noise, where there are any.
    pub noise: Option<Noise>,
}

/// A region of one subject.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OfSubject {
    /// The region of all subjects.
    pub region: String,
    /// The subject.
    pub subject: String,
}

/// The ceiling over the sites of all subjects of a region together, where each subject is a region of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct CeilingOfAll {
    /// The region of all subjects.
    pub region: String,
    /// The ceiling, aggregated as [`Noise::consistency`] is; absent if no stimulus was repeated.
    pub consistency: Option<f64>,
    /// Its standard error.
    pub error: Option<f64>,
}

/// A region in one time bin.
#[derive(Debug, Clone, PartialEq)]
pub struct OfBin {
    /// The region of all time bins.
    pub region: String,
    /// The bin.
    pub bin: TimeBin,
}

/// The sites of a region that are scored together: all of them, or those of one subject, in one time bin or in
/// the only one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Part {
    /// The region, as the file spells it.
    pub(super) region: String,
    /// The subject, where each is a region of its own; otherwise empty.
    pub(super) subject: String,
    /// The time bin, where each is a region of its own.
    pub(super) bin: Option<TimeBin>,
}

impl Part {
    /// All of a region.
    pub(super) fn whole(region: &str) -> Self {
        Self {
            region: region.to_owned(),
            subject: String::new(),
            bin: None,
        }
    }

    /// Its name as a region: `V4`, `V4/monkeyF`, `V4 70-80 ms` or `V4/monkeyF 70-80 ms`.
    pub(super) fn name(&self) -> String {
        named(&self.region, &self.subject, &self.bin_name())
    }

    fn bin_name(&self) -> String {
        self.bin.as_ref().map_or_else(String::new, TimeBin::name)
    }

    /// The time bin, where it is of one.
    pub(super) fn of_bin(&self) -> Option<OfBin> {
        self.bin.clone().map(|bin| OfBin {
            region: named(&self.region, &self.subject, ""),
            bin,
        })
    }

    /// The subject, where it is one's.
    pub(super) fn of_subject(&self) -> Option<OfSubject> {
        (!self.subject.is_empty()).then(|| OfSubject {
            region: named(&self.region, "", &self.bin_name()),
            subject: self.subject.clone(),
        })
    }

    /// Whether `asked` names several parts, and this is one: of all subjects, of all bins, or of both.
    fn is_of(&self, asked: &str) -> bool {
        let bin = self.bin_name();
        let of = [("", bin.as_str()), (&self.subject, ""), ("", "")];
        of.iter()
            .any(|(subject, bin)| named(&self.region, subject, bin) == asked)
    }
}

fn named(region: &str, subject: &str, bin: &str) -> String {
    let mut name = region.to_owned();
    for (before, part) in [('/', subject), (' ', bin)] {
        if !part.is_empty() {
            name.push(before);
            name.push_str(part);
        }
    }
    name
}

/// Those of `known` that `asked` names: the one of this name, or else all that are of it.
pub(super) fn parts_of<'a>(asked: &str, known: &'a [Part]) -> Vec<&'a Part> {
    match known.iter().find(|part| part.name() == asked) {
        Some(part) => vec![part],
        None => known.iter().filter(|part| part.is_of(asked)).collect(),
    }
}

/// The regions that are asked for, each once, or all that are known. Where subjects or time bins are regions of
/// their own, a region without one stands for those of all.
///
/// # Errors
/// When one is not known.
pub(super) fn chosen(
    asked: &[String],
    known: &[Part],
    recordings: &str,
) -> Result<Vec<Part>, RecordingError> {
    if asked.is_empty() {
        return Ok(known.to_vec());
    }
    let mut chosen: Vec<Part> = Vec::new();
    for region in asked {
        let parts = parts_of(region, known);
        if parts.is_empty() {
            return Err(RecordingError::UnknownRegion {
                region: region.clone(),
                recordings: recordings.to_owned(),
                known: known.iter().map(Part::name).collect(),
            });
        }
        for part in parts {
            if !chosen.contains(part) {
                chosen.push(part.clone());
            }
        }
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::super::bins::Span;
    use super::*;

    fn part(region: &str, subject: &str, bin: Option<[f64; 2]>) -> Part {
        Part {
            region: region.to_owned(),
            subject: subject.to_owned(),
            bin: bin.map(|[start, end]| TimeBin {
                id: "0".to_owned(),
                span: Some(Span { start, end }),
                unit: "ms".to_owned(),
            }),
        }
    }

    #[test]
    fn a_region_stands_for_those_of_all_its_subjects_and_bins() {
        let mut known = Vec::new();
        for region in ["V4", "IT"] {
            for subject in ["F", "N"] {
                for bin in [[0.0, 50.0], [50.0, 100.0]] {
                    known.push(part(region, subject, Some(bin)));
                }
            }
        }
        let names = |asked: &str| {
            let chosen = chosen(&[asked.to_owned()], &known, "`a.nc`");
            let names = chosen.map(|of| of.iter().map(Part::name).collect::<Vec<_>>());
            names.map_err(|error| error.to_string())
        };
        let all: Vec<String> = known[..4].iter().map(Part::name).collect();
        assert_eq!(names("V4"), Ok(all.clone()));
        assert_eq!(names("V4/N"), Ok(all[2..].to_vec()));
        assert_eq!(
            names("V4 50-100 ms"),
            Ok(vec![all[1].clone(), all[3].clone()])
        );
        assert_eq!(names("V4/N 0-50 ms"), Ok(vec!["V4/N 0-50 ms".to_owned()]));
        assert!(names("V4/M").is_err());
        let of = known[3].of_subject().expect("a subject");
        assert_eq!(
            (of.region.as_str(), of.subject.as_str()),
            ("V4 50-100 ms", "N")
        );
        assert_eq!(part("V4", "", Some([0.0, 50.0])).of_subject(), None);
        let of = known[3].of_bin().expect("a bin");
        assert_eq!(
            (of.region.as_str(), of.bin.name().as_str()),
            ("V4/N", "50-100 ms")
        );
        assert_eq!(part("V4", "N", None).of_bin(), None);
    }

    #[test]
    fn a_region_whose_name_has_a_slash_is_only_itself() {
        let known = [Part::whole("V4/d"), Part::whole("V4")];
        let chosen = chosen(&["V4".to_owned()], &known, "`a.nc`").expect("a region");
        assert_eq!(chosen, known[1..]);
    }
}
