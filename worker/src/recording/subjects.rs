//! Subjects: whose sites are read, and whether each subject is a region of its own.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use miette::Diagnostic;
use nrp_proto::{did_you_mean, near_miss};
use thiserror::Error;

use super::site::Site;
use super::words::counted;

/// What is made of the subjects of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum SubjectChoice {
    /// The sites of all subjects are in one region.
    #[default]
    Together,
    /// Only the sites of this subject are read.
    One(String),
    /// Each region of each subject is a region of its own.
    Each,
}

/// Why sites cannot be chosen by subject.
#[derive(Debug, Error, Diagnostic)]
pub enum SubjectsError {
    /// The file does not say whose its sites are.
    #[error("`{}` does not say which subject its sites belong to", path.display())]
    #[diagnostic(help(
        "leave `subject` and `subjects` out: they are for Brain-Score assemblies with a coordinate `subject` or `animal` over `neuroid`"
    ))]
    None {
        /// The file.
        path: PathBuf,
    },
    /// No site is of the subject that is asked for.
    #[error("subject `{subject}` is not in `{}`", path.display())]
    #[diagnostic(help("its subjects are {}{}", known.join(", "), did_you_mean(near_miss(subject, known.iter().map(String::as_str)))))]
    Unknown {
        /// The file.
        path: PathBuf,
        /// The subject.
        subject: String,
        /// The subjects there are.
        known: Vec<String>,
    },
    /// Two regions have one name.
    #[error("`{}`: two of its regions would be named `{name}`", path.display())]
    #[diagnostic(help(
        "a region is named by what the file calls it, by its subject and by its time bin (`V4/N 70-80 ms`), where these are regions of their own: rename one that has another's subject or time in its name, or choose one subject or one time bin"
    ))]
    Alike {
        /// The file.
        path: PathBuf,
        /// The name.
        name: String,
    },
}

/// The subjects of `sites`, each once, in the order of the file.
pub(super) fn of_sites(sites: &[Site]) -> Vec<String> {
    let mut known = HashSet::new();
    let subjects = sites.iter().filter_map(|site| site.subject.as_ref());
    let subjects = subjects.filter(|subject| known.insert(subject.as_str()));
    subjects.cloned().collect()
}

impl SubjectChoice {
    /// The choice in words, for digests; empty for the default.
    pub(super) fn in_words(&self) -> String {
        match self {
            Self::Together => String::new(),
            Self::One(subject) => format!("subject {subject:?}"),
            Self::Each => "subjects each".to_owned(),
        }
    }

    /// For each site, which subject's region it is in, where that matters, and `None` if it is not read. The
    /// second value says what is read, for the user.
    ///
    /// # Errors
    /// When the file knows no subjects, or not the one that is asked for.
    pub(super) fn of<'a>(
        &self,
        path: &Path,
        sites: &'a [Site],
    ) -> Result<(Vec<Option<&'a str>>, Vec<String>), SubjectsError> {
        let known = || match of_sites(sites) {
            none if none.is_empty() => Err(SubjectsError::None {
                path: path.to_owned(),
            }),
            known => Ok(known),
        };
        let subjects = sites.iter().map(|site| site.subject.as_deref());
        match self {
            Self::Together => Ok((vec![Some(""); sites.len()], Vec::new())),
            Self::One(one) => {
                let known = known()?;
                let taken: Vec<Option<&str>> = subjects
                    .map(|of| of.filter(|of| of == one).map(|_| ""))
                    .collect();
                let count = taken.iter().flatten().count();
                if count == 0 {
                    return Err(SubjectsError::Unknown {
                        path: path.to_owned(),
                        subject: one.clone(),
                        known,
                    });
                }
                let all = counted(sites.len(), "site");
                let notice = format!("`subject = {one:?}`: {count} of {all}");
                Ok((taken, vec![notice]))
            }
            Self::Each => {
                let known = known()?;
                let taken: Vec<Option<&str>> = subjects.collect();
                let mut notices = vec![format!(
                    "`subjects = \"each\"`: every region once for each of {} ({})",
                    counted(known.len(), "subject"),
                    known.join(", ")
                )];
                let without = taken.iter().filter(|of| of.is_none()).count();
                if without > 0 {
                    let all = counted(without, "site");
                    notices.push(format!("{all} without a subject, left out"));
                }
                Ok((taken, notices))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sites(subjects: &[&str]) -> Vec<Site> {
        let site = |(at, subject): (usize, &&str)| Site {
            id: at.to_string(),
            name: at.to_string(),
            subject: Some((*subject).to_owned()).filter(|of| !of.is_empty()),
            region: "V4".to_owned(),
            reliability: None,
        };
        subjects.iter().enumerate().map(site).collect()
    }

    #[test]
    fn subjects_are_read_together_alone_or_one_by_one() {
        let sites = sites(&["N", "F", "", "N"]);
        let path = Path::new("a.nc");
        let of = |choice: &SubjectChoice| choice.of(path, &sites).expect("subjects");
        assert_eq!(of(&SubjectChoice::Together).0, [Some(""); 4]);
        let (taken, notices) = of(&SubjectChoice::One("N".to_owned()));
        assert_eq!(taken, [Some(""), None, None, Some("")]);
        assert_eq!(notices, ["`subject = \"N\"`: 2 of 4 sites"]);
        let (taken, notices) = of(&SubjectChoice::Each);
        assert_eq!(taken, [Some("N"), Some("F"), None, Some("N")]);
        assert_eq!(
            notices,
            [
                "`subjects = \"each\"`: every region once for each of 2 subjects (N, F)",
                "1 site without a subject, left out"
            ]
        );
    }

    #[test]
    fn an_unknown_subject_is_told_with_those_there_are() {
        let known = sites(&["monkeyN", "monkeyF"]);
        let one = SubjectChoice::One("monkeyM".to_owned());
        let error = one.of(Path::new("a.nc"), &known).expect_err("an error");
        assert_eq!(error.to_string(), "subject `monkeyM` is not in `a.nc`");
        let help = error.help().expect("help").to_string();
        assert!(
            help.starts_with("its subjects are monkeyN, monkeyF"),
            "{help}"
        );
        for choice in [one, SubjectChoice::Each] {
            let none = sites(&["", ""]);
            let error = choice.of(Path::new("a.nc"), &none).expect_err("an error");
            assert!(matches!(error, SubjectsError::None { .. }), "{error}");
        }
    }
}
