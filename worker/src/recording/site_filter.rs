//! Which sites are read, by what their file says of them.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use miette::Diagnostic;
use nrp_proto::sweep::{Condition, Sign, SiteFilter};
use nrp_proto::{did_you_mean, near_miss};
use thiserror::Error;

use super::site::SiteKey;
use super::words::{counted, named, some_of};

/// What a file says of its sites in one coordinate, one entry each.
pub(super) enum Column {
    /// Numbers; NaN where it says nothing.
    Numbers {
        values: Vec<f64>,
        /// What a number is in the precision that the file stores them in.
        rounded: fn(f64) -> f64,
    },
    /// Words; empty where it says nothing.
    Words(Vec<String>),
}

/// Why sites cannot be chosen by a filter.
#[derive(Debug, Error, Diagnostic)]
pub enum FilterError {
    /// The format says nothing of sites.
    #[error("`{}` says nothing of its sites that `sites` could choose by", path.display())]
    #[diagnostic(help(
        "leave the filter out: it is for Brain-Score assemblies and NWB files; of other files, save the sites of interest"
    ))]
    None {
        /// The file.
        path: PathBuf,
    },
    /// The file does not have a coordinate.
    #[error("`{}` has no coordinate `{coordinate}` of its sites", path.display())]
    #[diagnostic(help("it has {}{}", known.join(", "), did_you_mean(near_miss(coordinate, known.iter().map(String::as_str)))))]
    Unknown {
        /// The file.
        path: PathBuf,
        /// The coordinate.
        coordinate: String,
        /// The coordinates there are.
        known: Vec<String>,
    },
    /// Words are compared with a number, or numbers with words.
    #[error("`{}`: `{condition}` cannot be: the coordinate holds {held}", path.display())]
    #[diagnostic(help(
        "compare numbers with a number, by >, >=, <, <=, == or !=, and words with a word, by == or !="
    ))]
    WrongKind {
        /// The file.
        path: PathBuf,
        /// The condition.
        condition: String,
        /// What the coordinate holds.
        held: String,
    },
    /// No site passes.
    #[error("`{}`: none of {} passes `{filter}`", path.display(), counted(*sites, "site"))]
    #[diagnostic(help("its coordinates: {held}"))]
    NoSite {
        /// The file.
        path: PathBuf,
        /// The filter.
        filter: String,
        /// How many sites there are.
        sites: usize,
        /// What the coordinates hold.
        held: String,
    },
    /// Sites pass, but none of those that are asked for besides.
    #[error("`{}`: none of {} of {of} is read: {choice}", path.display(), counted(*sites, "site"))]
    #[diagnostic(help("leave out one of these choices, or name another region or subject"))]
    NoneOf {
        /// The file.
        path: PathBuf,
        /// What is asked for, in words: a region, or the file.
        of: String,
        /// How many sites that has.
        sites: usize,
        /// What leaves them out, as sweep files say it.
        choice: String,
    },
    /// Two files say different things of the same sites.
    #[error("`{condition}` holds in only one of `{}` and `{}` for {}: {}", train.display(), test.display(), counted(*count, "site"), named(sites, *count))]
    #[diagnostic(help(
        "both files must agree on which sites pass: remove the coordinate from one of them, or choose by one that only one has"
    ))]
    Differ {
        /// The file that trains.
        train: PathBuf,
        /// The file that tests.
        test: PathBuf,
        /// The condition.
        condition: String,
        /// Some of the sites.
        sites: Vec<String>,
        /// How many there are.
        count: usize,
    },
}

/// What a filter says of the sites of one file.
pub(super) struct Verdict {
    path: PathBuf,
    filter: SiteFilter,
    sites: Vec<SiteKey>,
    /// Of each condition, whether each site meets it, and what the coordinate holds; `None` where the file does
    /// not have the coordinate.
    met: Vec<Option<(Vec<bool>, String)>>,
    /// The coordinates that the file has.
    known: Vec<String>,
}

impl Verdict {
    /// Tries a filter on `sites`. `column` gives a coordinate by its name, and `known` are the names.
    ///
    /// # Errors
    /// When a coordinate cannot be read, or holds what cannot be compared with the value.
    pub(super) fn of<E: From<FilterError>>(
        path: &Path,
        filter: &SiteFilter,
        sites: Vec<SiteKey>,
        known: Vec<String>,
        column: impl Fn(&str) -> Result<Option<Column>, E>,
    ) -> Result<Self, E> {
        let met =
            filter
                .conditions
                .iter()
                .map(|condition| -> Result<Option<(Vec<bool>, String)>, E> {
                    let Some(column) = column(&condition.coordinate)? else {
                        return Ok(None);
                    };
                    let met =
                        passing(&column, condition).ok_or_else(|| FilterError::WrongKind {
                            path: path.to_owned(),
                            condition: condition.to_string(),
                            held: held(&column),
                        })?;
                    Ok(Some((met, held(&column))))
                });
        Ok(Self {
            path: path.to_owned(),
            met: met.collect::<Result<_, E>>()?,
            filter: filter.clone(),
            sites,
            known,
        })
    }

    /// The sites that pass, and how many that are, in words.
    ///
    /// # Errors
    /// When the file lacks a coordinate, or no site passes.
    pub(super) fn passing(&self) -> Result<(HashSet<SiteKey>, String), FilterError> {
        let conditions = self.met.iter().enumerate();
        let met = conditions.map(|(at, met)| match met {
            Some((met, _)) => Ok(met.as_slice()),
            None => Err(self.unknown(at)),
        });
        self.kept(&met.collect::<Result<Vec<_>, _>>()?)
    }

    /// The sites that pass in two files of the same sites: each condition must hold in the file that has the
    /// coordinate, and alike in both if both have it. The words say which file was asked where only one was.
    ///
    /// # Errors
    /// When neither file has a coordinate, they disagree, or no site passes.
    pub(super) fn passing_in_both(
        train: &Self,
        test: &Self,
    ) -> Result<(HashSet<SiteKey>, Vec<String>), FilterError> {
        let place: HashMap<&SiteKey, usize> = train
            .sites
            .iter()
            .enumerate()
            .map(|(at, site)| (site, at))
            .collect();
        // In the order of the test file's sites; sites that one of the files lacks are told later.
        let in_test = |met: &[bool]| -> Vec<bool> {
            let sites = test.sites.iter();
            sites
                .map(|site| place.get(site).is_some_and(|&at| met[at]))
                .collect()
        };
        let (mut all, mut notices) = (Vec::new(), Vec::new());
        for (at, condition) in test.filter.conditions.iter().enumerate() {
            let only = |path: &Path| {
                format!(
                    "`{condition}` is by the coordinate of `{}`, as the other file has none",
                    path.display()
                )
            };
            all.push(match (&train.met[at], &test.met[at]) {
                (Some((of_train, _)), Some((of_test, _))) => {
                    let of_train = in_test(of_train);
                    let sites = test.sites.iter().zip(of_train.iter().zip(of_test));
                    let unlike = sites.filter(|(site, (a, b))| a != b && place.contains_key(site));
                    let (sites, count) = some_of(unlike.map(|(site, _)| site.in_words()));
                    if count > 0 {
                        return Err(FilterError::Differ {
                            train: train.path.clone(),
                            test: test.path.clone(),
                            condition: condition.to_string(),
                            sites,
                            count,
                        });
                    }
                    of_test.clone()
                }
                (None, Some((of_test, _))) => {
                    notices.push(only(&test.path));
                    of_test.clone()
                }
                (Some((of_train, _)), None) => {
                    notices.push(only(&train.path));
                    in_test(of_train)
                }
                (None, None) => return Err(test.unknown(at)),
            });
        }
        let all: Vec<&[bool]> = all.iter().map(Vec::as_slice).collect();
        let (kept, notice) = test.kept(&all)?;
        notices.insert(0, notice);
        Ok((kept, notices))
    }

    fn unknown(&self, condition: usize) -> FilterError {
        FilterError::Unknown {
            path: self.path.clone(),
            coordinate: self.filter.conditions[condition].coordinate.clone(),
            known: self.known.clone(),
        }
    }

    fn kept(&self, conditions: &[&[bool]]) -> Result<(HashSet<SiteKey>, String), FilterError> {
        let passes = |at: &usize| conditions.iter().all(|met| met[*at]);
        let kept = (0..self.sites.len()).filter(passes);
        let kept: Vec<&SiteKey> = kept.map(|at| &self.sites[at]).collect();
        if kept.is_empty() {
            let names = self.filter.conditions.iter().zip(&self.met);
            let held = names.filter_map(|(condition, met)| {
                let (_, held) = met.as_ref()?;
                Some(format!("`{}` holds {held}", condition.coordinate))
            });
            return Err(FilterError::NoSite {
                path: self.path.clone(),
                filter: self.filter.to_string(),
                sites: self.sites.len(),
                held: held.collect::<Vec<_>>().join("; "),
            });
        }
        let (count, all) = (kept.len(), counted(self.sites.len(), "site"));
        let notice = format!("`sites = {:?}`: {count} of {all}", self.filter.to_string());
        Ok((kept.into_iter().cloned().collect(), notice))
    }
}

/// Whether each entry meets a condition; `None` where such entries cannot be compared with its value.
fn passing(column: &Column, condition: &Condition) -> Option<Vec<bool>> {
    let comparison = condition.comparison;
    match column {
        Column::Numbers { values, rounded } => {
            // NumPy compares an array of single precision with a number in that.
            let value = rounded(condition.number()?);
            let numbers = values.iter();
            let passes = numbers.map(|&number| comparison.passes(number, value));
            Some(passes.collect())
        }
        Column::Words(words) if comparison.is_of_texts() => {
            let is_wanted = comparison == Sign::Equal;
            let passes = words
                .iter()
                .map(|word| !word.is_empty() && (*word == condition.value) == is_wanted);
            Some(passes.collect())
        }
        Column::Words(_) => None,
    }
}

/// What a coordinate holds, in words.
fn held(column: &Column) -> String {
    match column {
        Column::Numbers { values, .. } => {
            let numbers = || values.iter().copied().filter(|number| !number.is_nan());
            match (numbers().reduce(f64::min), numbers().reduce(f64::max)) {
                (Some(least), Some(most)) => format!("numbers from {least} to {most}"),
                _ => "nothing but missing numbers".to_owned(),
            }
        }
        Column::Words(words) => {
            let mut words = words.clone();
            words.sort();
            words.dedup();
            let (some, count) = some_of(words);
            format!("words ({})", named(&some, count))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str) -> SiteKey {
        SiteKey {
            subject: String::new(),
            region: String::new(),
            id: id.to_owned(),
        }
    }

    type Columns<'a> = &'a [(&'a str, Column)];

    fn verdict(filter: &str, ids: &[&str], columns: Columns<'_>) -> Result<Verdict, FilterError> {
        let filter: SiteFilter = filter.parse().expect("a filter");
        let known = columns.iter().map(|(name, _)| (*name).to_owned()).collect();
        let sites = ids.iter().map(|id| key(id)).collect();
        Verdict::of(Path::new("a.nc"), &filter, sites, known, |name| {
            let found = columns.iter().find(|(known, _)| *known == name);
            Ok(found.map(|(_, column)| match column {
                Column::Numbers { values, rounded } => Column::Numbers {
                    values: values.clone(),
                    rounded: *rounded,
                },
                Column::Words(words) => Column::Words(words.clone()),
            }))
        })
    }

    fn double(value: f64) -> f64 {
        value
    }

    fn single(value: f64) -> f64 {
        f64::from(value as f32)
    }

    fn doubles(values: &[f64]) -> Column {
        Column::Numbers {
            values: values.to_vec(),
            rounded: double,
        }
    }

    fn words(words: &[&str]) -> Column {
        Column::Words(words.iter().map(|&word| word.to_owned()).collect())
    }

    fn ids(kept: HashSet<SiteKey>) -> Vec<String> {
        let mut ids: Vec<String> = kept.into_iter().map(|key| key.id).collect();
        ids.sort();
        ids
    }

    const IDS: [&str; 4] = ["a", "b", "c", "d"];

    #[test]
    fn one_id_in_two_regions_is_two_sites() {
        let site = |(region, id): (&str, &str)| SiteKey {
            region: region.to_owned(),
            ..key(id)
        };
        let sites = [("V1", "a"), ("V1", "b"), ("V4", "a"), ("V4", "b")];
        let filter: SiteFilter = "r > 0.5".parse().expect("a filter");
        let known = vec!["r".to_owned()];
        let numbers = |_: &str| Ok::<_, FilterError>(Some(doubles(&[0.9, 0.1, 0.2, 0.8])));
        let keys = sites.map(site).to_vec();
        let verdict = Verdict::of(Path::new("a.nc"), &filter, keys, known, numbers);
        let (kept, _) = verdict.expect("numbers").passing().expect("sites");
        let expected = [("V1", "a"), ("V4", "b")].map(site);
        assert_eq!(kept, HashSet::from(expected));
    }

    /// NumPy 1.26 and 2.4: `np.float32([0.3, 0.31]) > 0.3` is false, true.
    #[test]
    fn numbers_in_single_precision_are_compared_in_it() {
        let few = [0.3_f32, 0.31, 0.9, 0.29].map(f64::from);
        let passing = |rounded: fn(f64) -> f64, values: [f64; 4], filter: &str| {
            let values = values.to_vec();
            let columns = [("r", Column::Numbers { values, rounded })];
            let verdict = verdict(filter, &IDS, &columns).expect("numbers");
            ids(verdict.passing().expect("sites").0)
        };
        assert_eq!(passing(single, few, "r > 0.3"), ["b", "c"]);
        assert_eq!(passing(single, few, "r >= 0.3"), ["a", "b", "c"]);
        assert_eq!(passing(single, few, "r == 0.3"), ["a"]);
        // Doubles that single precision holds, and whole numbers that it does not.
        assert_eq!(passing(double, few, "r > 0.3"), ["a", "b", "c"]);
        let dates = [20_240_124.0, 20_240_125.0, 20_240_126.0, 20_240_123.0];
        assert_eq!(passing(double, dates, "r == 20240125"), ["b"]);
        assert_eq!(passing(double, dates, "r > 20240123"), ["a", "b", "c"]);
    }

    fn columns() -> [(&'static str, Column); 2] {
        let reliability = doubles(&[0.3, 0.31, f64::NAN, 0.9]);
        [
            ("reliability", reliability),
            ("animal", words(&["F", "F", "N", ""])),
        ]
    }

    #[test]
    fn sites_pass_that_meet_all_conditions() {
        let passing = |filter: &str| {
            let verdict = verdict(filter, &IDS, &columns()).expect("a verdict");
            let (kept, notice) = verdict.passing().expect("sites");
            (ids(kept), notice)
        };
        let (kept, notice) = passing("reliability > 0.3");
        assert_eq!(kept, ["b", "d"]);
        assert_eq!(notice, "`sites = \"reliability > 0.3\"`: 2 of 4 sites");
        assert_eq!(passing("reliability >= 0.3 and animal == F").0, ["a", "b"]);
        // What is missing passes nothing, not even by being another.
        assert_eq!(passing("animal != 'F'").0, ["c"]);
        assert_eq!(passing("reliability != 0.9").0, ["a", "b"]);
    }

    #[test]
    fn what_cannot_be_chosen_by_is_told_with_what_is_there() {
        let refused = |filter: &str| {
            let verdict = verdict(filter, &IDS, &columns());
            let error = verdict
                .and_then(|of| of.passing().map(|_| ()))
                .expect_err("an error");
            let help = error.help().expect("help").to_string();
            format!("{error}; {help}")
        };
        let said = [
            "reliabilty > 0.3",
            "reliability == high",
            "animal > 3",
            "reliability > 1",
            "animal == M",
        ]
        .map(refused);
        insta::assert_snapshot!(said.join("\n"), @r#"
        `a.nc` has no coordinate `reliabilty` of its sites; it has reliability, animal; did you mean `reliability`?
        `a.nc`: `reliability == high` cannot be: the coordinate holds numbers from 0.3 to 0.9; compare numbers with a number, by >, >=, <, <=, == or !=, and words with a word, by == or !=
        `a.nc`: `animal > 3` cannot be: the coordinate holds words (``, `F`, `N`); compare numbers with a number, by >, >=, <, <=, == or !=, and words with a word, by == or !=
        `a.nc`: none of 4 sites passes `reliability > 1`; its coordinates: `reliability` holds numbers from 0.3 to 0.9
        `a.nc`: none of 4 sites passes `animal == M`; its coordinates: `animal` holds words (``, `F`, `N`)
        "#);
    }

    #[test]
    fn two_files_agree_or_one_is_asked() {
        let both = |filter: &str, train: Columns<'_>, test: Columns<'_>| {
            let train = verdict(filter, &IDS, train).expect("a verdict");
            // The test file has its sites in another order.
            let test = verdict(filter, &["d", "c", "b", "a"], test).expect("a verdict");
            Verdict::passing_in_both(&train, &test)
                .map(|(kept, notices)| (ids(kept), notices.len()))
                .map_err(|error| error.to_string())
        };
        let numbers = |numbers: [f64; 4]| [("r", doubles(&numbers))];
        let of = numbers([0.1, 0.4, 0.5, 0.2]);
        let other = numbers([0.0, 0.9, 0.8, 0.3]);
        assert_eq!(
            both("r > 0.3", &of, &other),
            Ok((vec!["b".to_owned(), "c".to_owned()], 1))
        );
        assert_eq!(
            both("r > 0.3", &of, &[]),
            Ok((vec!["b".to_owned(), "c".to_owned()], 2))
        );
        assert_eq!(
            both("r > 0.3", &[], &other),
            Ok((vec!["b".to_owned(), "c".to_owned()], 2))
        );
        assert!(both("r > 0.3", &[], &[]).is_err());
        let refused = both("r > 0.25", &of, &other).expect_err("they differ");
        assert!(refused.ends_with("for 1 site: `a`"), "{refused}");
    }
}
