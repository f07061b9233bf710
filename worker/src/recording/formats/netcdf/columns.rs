//! Which sites and time bins are read: those of the regions that are asked for.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use super::header::Header;
use crate::recording::bins::Group;
use crate::recording::error::RecordingError;
use crate::recording::formats::reading::Asked;
use crate::recording::region::{Part, chosen};
use crate::recording::site::{Site, SiteKey};
use crate::recording::site_filter::FilterError;
use crate::recording::subjects::{SubjectChoice, SubjectsError};
use crate::recording::words::some_of;

/// The columns that are read: every site of `sites` for every group, `[groups, sites]`.
pub(super) struct Columns {
    /// Positions in the file.
    pub(super) sites: Vec<usize>,
    pub(super) groups: Vec<Group>,
    /// The name of each column.
    pub(super) names: Vec<String>,
    /// What identifies the site of each column.
    pub(super) keys: Vec<SiteKey>,
    /// The region of each column; empty where it is of a region that is not asked for.
    pub(super) regions: Vec<String>,
    /// The regions, in the order asked for.
    pub(super) parts: Vec<Part>,
    /// What the user should know.
    pub(super) notices: Vec<String>,
}

impl Columns {
    /// The columns of the regions that are asked for, or of all: regions in the order of the file, the subjects of
    /// each in the order of the file where they are regions of their own, the bins of these in the order of `groups`.
    ///
    /// # Errors
    /// When there is no such region or subject.
    pub(super) fn of(
        asked: &Asked<'_>,
        header: &Header,
        groups: &[Group],
        kept: Option<&HashSet<SiteKey>>,
    ) -> Result<Self, RecordingError> {
        let (subjects, mut notices) = asked.layout.subjects.of(asked.path, &header.sites)?;
        // What region and subject each site counts for, if it is read.
        let places: Vec<Option<Place<'_>>> = header
            .sites
            .iter()
            .zip(subjects)
            .map(|(site, subject)| {
                let is_kept = kept.is_none_or(|kept| kept.contains(&site.key()));
                Some((site.region.as_str(), subject.filter(|_| is_kept)?))
            })
            .map(|place| place.filter(|(region, _)| !region.is_empty()))
            .collect();
        refuse_none(asked, header, &places)?;
        let known = in_order(places.iter().flatten().copied());
        let part = |(region, subject): Place<'_>, group: &Group| Part {
            region: region.to_owned(),
            subject: subject.to_owned(),
            bin: group.bin.clone(),
        };
        let of_place = |place| groups.iter().map(move |group| part(place, group));
        let all: Vec<Part> = known.iter().flat_map(|&place| of_place(place)).collect();
        refuse_alike(asked.path, &all)?;
        let recordings = format!("`{}`", asked.path.display());
        let parts = chosen(asked.regions, &all, &recordings)?;
        let wanted: HashSet<&Part> = parts.iter().collect();
        notices.extend(kept.and_then(|kept| lost(asked, &header.sites, &parts, kept)));
        // The places that are wanted of a group, with their names in its bins.
        let of_group = |group: &Group| {
            let parts = known.iter().map(|&place| (place, part(place, group)));
            let parts = parts.filter(|(_, part)| wanted.contains(part));
            let named = parts.map(|(place, part)| (place, part.name()));
            named.collect::<HashMap<Place<'_>, String>>()
        };
        let of_groups = groups.iter().map(|group| (group, of_group(group)));
        let of_groups: Vec<(&Group, HashMap<Place<'_>, String>)> =
            of_groups.filter(|(_, named)| !named.is_empty()).collect();
        let used = of_groups.iter().flat_map(|(_, named)| named.keys());
        let used: HashSet<Place<'_>> = used.copied().collect();
        let is_used = |site: &usize| places[*site].is_some_and(|place| used.contains(&place));
        let sites: Vec<usize> = (0..header.sites.len()).filter(is_used).collect();
        let (mut names, mut keys, mut regions) = (Vec::new(), Vec::new(), Vec::new());
        for (_, of_group) in &of_groups {
            for &site in &sites {
                let region = places[site].and_then(|place| of_group.get(&place));
                regions.push(region.cloned().unwrap_or_default());
                names.push(header.sites[site].name.clone());
                keys.push(header.sites[site].key());
            }
        }
        Ok(Self {
            groups: of_groups
                .iter()
                .map(|(group, _)| (*group).clone())
                .collect(),
            sites,
            names,
            keys,
            regions,
            parts,
            notices,
        })
    }
}

/// Refuses a region, or a file, of whose sites none is read, because those of the subject do not pass the filter.
fn refuse_none(
    asked: &Asked<'_>,
    header: &Header,
    places: &[Option<Place<'_>>],
) -> Result<(), FilterError> {
    let layout = &asked.layout;
    let subject = match &layout.subjects {
        SubjectChoice::One(subject) => Some(format!("`subject = {subject:?}`")),
        SubjectChoice::Each => Some("`subjects = \"each\"`".to_owned()),
        SubjectChoice::Together => None,
    };
    let filter = layout.filter.as_ref();
    let filter = filter.map(|of| format!("`sites = {:?}`", of.to_string()));
    let choice: Vec<String> = subject.into_iter().chain(filter).collect();
    let lost = |region: Option<&str>| {
        let of_region = |of: &str| region.map_or(!of.is_empty(), |region| of == region);
        let sites = header.sites.iter().filter(|site| of_region(&site.region));
        let mut read = places.iter().flatten();
        (sites.count(), !read.any(|(of, _)| of_region(of)))
    };
    let regions: Vec<Option<&str>> = match asked.regions {
        [] => vec![None],
        regions => regions.iter().map(|of| Some(of.as_str())).collect(),
    };
    for region in regions {
        let (sites @ 1.., true) = lost(region) else {
            continue;
        };
        return Err(FilterError::NoneOf {
            path: asked.path.to_owned(),
            of: region.map_or("the file".to_owned(), |of| format!("region `{of}`")),
            sites,
            choice: choice.join(" and "),
        });
    }
    Ok(())
}

/// The region of a site, and its subject where that matters.
type Place<'a> = (&'a str, &'a str);

/// Each place once, by the order in which first its region and then its subject appear.
fn in_order<'a>(places: impl Iterator<Item = Place<'a>>) -> Vec<Place<'a>> {
    let (mut regions, mut subjects) = (HashMap::new(), HashMap::new());
    let mut known = BTreeMap::new();
    for (region, subject) in places {
        let count = regions.len();
        let of_region = *regions.entry(region).or_insert(count);
        let count = subjects.len();
        let of_subject = *subjects.entry(subject).or_insert(count);
        known.insert((of_region, of_subject), (region, subject));
    }
    known.into_values().collect()
}

/// The notice about subjects of which a filter of sites leaves none in a region that is read.
fn lost<'a>(
    asked: &Asked<'_>,
    sites: &'a [Site],
    parts: &[Part],
    kept: &HashSet<SiteKey>,
) -> Option<String> {
    let are_all = match asked.layout.subjects {
        SubjectChoice::One(_) => return None,
        SubjectChoice::Together | SubjectChoice::Each => asked.regions.is_empty(),
    };
    let read: HashSet<&str> = parts.iter().map(|part| part.region.as_str()).collect();
    let sites = sites.iter().filter(|site| !site.region.is_empty());
    let sites = sites.filter(|site| are_all || read.contains(site.region.as_str()));
    // How many sites of each pass, and how many there are.
    let mut counts: HashMap<Place<'_>, (usize, usize)> = HashMap::new();
    let place = |site: &'a Site| (site.region.as_str(), site.subject.as_deref().unwrap_or(""));
    for site in sites.clone() {
        let (pass, all) = counts.entry(place(site)).or_default();
        *pass += usize::from(kept.contains(&site.key()));
        *all += 1;
    }
    let places = in_order(sites.map(place));
    let name = |(region, subject): Place<'_>| match subject {
        "" => region.to_owned(),
        subject => format!("{region} of {subject}"),
    };
    let none = places.iter().filter(|place| counts[*place].0 == 0);
    let none = none.map(|place| format!("{} (of {})", name(*place), counts[place].1));
    let (none, lost) = some_of(none);
    let kept = places.iter().filter(|place| counts[*place].0 > 0);
    let kept = kept.map(|place| {
        let (pass, all) = counts[place];
        format!("{pass} of {all} in {}", name(*place))
    });
    let (kept, left) = some_of(kept);
    let more = |count: usize, some: &[String]| match count - some.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    (lost > 0).then(|| {
        format!(
            "no site passes `sites` in {}{}, left out; there are {}{}",
            none.join(", "),
            more(lost, &none),
            kept.join(", "),
            more(left, &kept)
        )
    })
}

fn refuse_alike(path: &Path, parts: &[Part]) -> Result<(), SubjectsError> {
    let mut names = HashSet::new();
    let twice = parts
        .iter()
        .map(Part::name)
        .find(|name| !names.insert(name.clone()));
    twice.map_or(Ok(()), |name| {
        let path = path.to_owned();
        Err(SubjectsError::Alike { path, name })
    })
}
