//! Sites: what identifies one, and its name in tables. A site is a subject and an id: ids may repeat between
//! subjects.

use std::collections::HashMap;

use serde::Serialize;

/// A site, as its file describes it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Site {
    /// Its id in the file.
    pub id: String,
    /// Its name in every table: its id, after its subject and a slash where ids repeat between subjects.
    pub name: String,
    /// The animal or person it belongs to, where the file says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Its region; empty where it has none.
    pub region: String,
    /// How reliable its responses are, where the file says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reliability: Option<f64>,
}

/// What identifies a site in its file, and in others of the same recordings.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct SiteKey {
    /// Whose it is; empty where the file does not say it.
    pub(super) subject: String,
    /// Its region, as an id may be that of a site in each; empty where sites are told apart without.
    pub(super) region: String,
    /// Its id.
    pub(super) id: String,
}

impl SiteKey {
    /// `monkeyF/0`, or the id alone.
    pub(super) fn in_words(&self) -> String {
        match self.subject.as_str() {
            "" => self.id.clone(),
            subject => format!("{subject}/{}", self.id),
        }
    }
}

impl Site {
    pub(super) fn key(&self) -> SiteKey {
        SiteKey {
            subject: self.subject.clone().unwrap_or_default(),
            region: self.region.clone(),
            id: self.id.clone(),
        }
    }
}

/// What a file says of its sites, one entry each.
pub(super) struct Described {
    pub(super) ids: Vec<String>,
    pub(super) regions: Vec<String>,
    pub(super) subjects: Option<Vec<String>>,
    pub(super) reliabilities: Option<Vec<f64>>,
}

impl Described {
    /// What identifies each site.
    pub(super) fn keys(&self) -> Vec<SiteKey> {
        let key = |(at, id): (usize, &String)| SiteKey {
            subject: self
                .subjects
                .as_ref()
                .map_or_else(String::new, |of| of[at].clone()),
            region: self.regions[at].clone(),
            id: id.clone(),
        };
        self.ids.iter().enumerate().map(key).collect()
    }

    /// The sites, with their names.
    pub(super) fn sites(self) -> Vec<Site> {
        let repeat = self.subjects.as_ref().is_some_and(|subjects| {
            let mut subject_of = HashMap::new();
            let mut sites = self.ids.iter().zip(subjects);
            sites.any(|(id, subject)| *subject_of.entry(id).or_insert(subject) != subject)
        });
        let ids = self.ids.into_iter().zip(self.regions).enumerate();
        let site = |(at, (id, region)): (usize, (String, String))| {
            let subject = self.subjects.as_ref().map(|subjects| subjects[at].clone());
            let subject = subject.filter(|subject| !subject.is_empty());
            let name = match &subject {
                Some(subject) if repeat => format!("{subject}/{id}"),
                Some(_) | None => id.clone(),
            };
            let known = self.reliabilities.as_ref().map(|known| known[at]);
            Site {
                id,
                name,
                subject,
                region,
                reliability: known.filter(|reliability| reliability.is_finite()),
            }
        };
        ids.map(site).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(ids: &[&str], subjects: &[&str]) -> Vec<String> {
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        let described = Described {
            ids: words(ids),
            regions: words(&vec!["V4"; ids.len()]),
            subjects: (!subjects.is_empty()).then(|| words(subjects)),
            reliabilities: None,
        };
        described
            .sites()
            .into_iter()
            .map(|site| site.name)
            .collect()
    }

    #[test]
    fn a_site_is_named_by_its_subject_where_ids_repeat_between_subjects() {
        assert_eq!(
            names(&["0", "1", "0"], &["F", "F", "N"]),
            ["F/0", "F/1", "N/0"]
        );
        assert_eq!(names(&["0", "1", "2"], &["F", "F", "N"]), ["0", "1", "2"]);
        assert_eq!(names(&["0", "0", "1"], &["F", "F", "N"]), ["0", "0", "1"]);
        assert_eq!(names(&["0", "0"], &["F", ""]), ["F/0", "0"]);
        assert_eq!(names(&["0", "0"], &[]), ["0", "0"]);
    }
}
