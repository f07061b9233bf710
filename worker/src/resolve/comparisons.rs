//! Whether the comparisons of a sweep can be computed on its recordings: enough stimuli in all and in each split's
//! part, and a response to each of them at every site.

use super::error::ResolveError;
use super::split_parts::{compared, numbered, split};
use crate::comparison;
use crate::recording::split::listed::SplitFile;
use crate::recording::{MAX_NAMED, Recordings, Region};
use nrp_proto::sweep::{Comparison, Scheme};
use nrp_proto::wire::SweepSpec;
use std::collections::BTreeSet;

/// The stimuli that comparisons take.
#[derive(Default)]
struct Taken {
    /// Those of a comparison without a fit.
    compared: Vec<usize>,
    /// How many of them each split's part has.
    parts: Vec<usize>,
    /// Those that reverse PLS is fitted to or scored on in some split.
    fitted: BTreeSet<usize>,
}

/// Checks the comparisons of a sweep in every split. Returns notices about trials that will fail, and about
/// similarities that will be absent.
///
/// # Errors
/// When a comparison has too few stimuli, or those of a split cannot be drawn.
pub(super) fn check(
    spec: &SweepSpec,
    recordings: &Recordings,
    file: Option<&SplitFile>,
) -> Result<Vec<String>, ResolveError> {
    let words = spec.baselines.iter();
    let comparisons = words.filter_map(|word| Some((word.as_str(), word.parse().ok()?)));
    let comparisons: Vec<(&str, Comparison)> = comparisons.collect();
    let Some(split_spec) = spec.split.as_ref().filter(|_| !comparisons.is_empty()) else {
        return Ok(Vec::new());
    };
    let refits = matches!(Scheme::of(split_spec), Ok(scheme) if scheme.refits());
    let mut taken = Taken::default();
    for number in 0..split_spec.count() {
        let of_number = numbered(split_spec, number);
        let (parts, _) = split(recordings, &of_number, file)?;
        let (compared, part) = compared(recordings, &of_number, &parts)?;
        taken.compared = compared;
        taken.parts.push(part.len());
        let validation = if refits { parts.validation } else { Vec::new() };
        let of_fit = [parts.train, validation, parts.test];
        taken.fitted.extend(of_fit.into_iter().flatten());
    }
    let mut notices = Vec::new();
    for (word, comparison) in comparisons {
        notices.extend(part_notice(word, comparison, &taken)?);
        notices.extend(region_notice(word, comparison, &recordings.regions, &taken));
    }
    Ok(notices)
}

/// The notice about splits whose part has too few stimuli.
fn part_notice(
    word: &str,
    comparison: Comparison,
    taken: &Taken,
) -> Result<Option<String>, ResolveError> {
    let least = comparison::least_stimuli(comparison);
    let stimuli = taken.compared.len();
    if stimuli < least {
        return Err(ResolveError::Compared {
            model: word.to_owned(),
            stimuli,
            least,
        });
    }
    let few = taken.parts.iter().filter(|part| **part < least);
    let Some(fewest) = few.clone().min() else {
        return Ok(None);
    };
    Ok(Some(format!(
        "`{word}` needs {least} stimuli, and the part of {} of {} splits has fewer (the fewest are {fewest}): \
         `similarity_split` is absent there. `similarity` is over all {stimuli} stimuli, and stays",
        few.count(),
        taken.parts.len(),
    )))
}

/// The notice about regions whose trials will fail.
fn region_notice(
    word: &str,
    comparison: Comparison,
    regions: &[Region],
    taken: &Taken,
) -> Option<String> {
    let is_fitted = matches!(comparison, Comparison::ReversePls(_));
    let found = regions.iter().filter_map(|region| {
        let lack = if is_fitted {
            lacking(region, taken.fitted.iter())
        } else {
            lacking(region, taken.compared.iter())
        };
        // Too few sites for reverse PLS are told with its components.
        let sites = region.sites.len();
        let few = (!is_fitted && sites < comparison::least_sites(comparison))
            .then(|| format!("{} has {sites} sites", region.name));
        few.or(lack)
    });
    let found: Vec<String> = found.collect();
    let named = found.iter().take(MAX_NAMED).cloned().collect::<Vec<_>>();
    let and_others = match found.len() - named.len() {
        0 => String::new(),
        others => format!(" and {others} regions more"),
    };
    let least = match comparison {
        Comparison::Rdm => ", and at least 3 sites",
        Comparison::Cka | Comparison::CkaBiased | Comparison::ReversePls(_) => "",
    };
    (!found.is_empty()).then(|| {
        format!(
            "trials of `{word}` will fail: {}{and_others}. A comparison needs a response of every site to every \
             stimulus{least}: choose sites with `sites`, drop these stimuli from the assembly, or leave `{word}` out",
            named.join(", ")
        )
    })
}

/// How many of these stimuli lack a response at some site, and at how many sites, in words; none if all have one.
fn lacking<'a>(
    region: &Region,
    stimuli: impl ExactSizeIterator<Item = &'a usize>,
) -> Option<String> {
    let (sites, of) = (region.sites.len(), stimuli.len());
    let mut at = vec![false; sites];
    let lack = stimuli.filter(|&&stimulus| {
        let row = &region.responses[stimulus * sites..][..sites];
        let missing = row.iter().zip(&mut at).filter(|(of, _)| !of.is_finite());
        missing.map(|(_, at)| *at = true).count() > 0
    });
    let lack = lack.count();
    let at = at.iter().filter(|at| **at).count();
    (lack > 0).then(|| {
        format!(
            "in {}, {lack} of {of} stimuli lack a response at {at} of {sites} sites",
            region.name
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(name: &str, sites: usize, missing: &[(usize, usize)]) -> Region {
        let mut responses = vec![1.0; 12 * sites];
        for (stimulus, site) in missing {
            responses[stimulus * sites + site] = f64::NAN;
        }
        Region {
            name: name.to_owned(),
            subject: None,
            bin: None,
            sites: (0..sites).map(|site| format!("e{site}")).collect(),
            responses,
            repetitions: (1, 1),
            noise: None,
        }
    }

    fn taken(compared: usize, parts: &[usize]) -> Taken {
        Taken {
            compared: (0..compared).collect(),
            parts: parts.to_vec(),
            fitted: (0..compared).collect(),
        }
    }

    #[test]
    fn splits_whose_part_is_too_small_are_told_and_too_few_stimuli_refused() {
        let told = |comparison, compared, parts: &[usize]| {
            part_notice("cka", comparison, &taken(compared, parts)).map_err(|of| of.to_string())
        };
        assert_eq!(told(Comparison::Cka, 12, &[4, 5]), Ok(None));
        assert_eq!(told(Comparison::Rdm, 3, &[3]), Ok(None));
        let notice = told(Comparison::Cka, 12, &[4, 3, 2]).expect("may be");
        insta::assert_snapshot!(
            notice.expect("a notice"),
            @"`cka` needs 4 stimuli, and the part of 2 of 3 splits has fewer (the fewest are 2): `similarity_split` is absent there. `similarity` is over all 12 stimuli, and stays"
        );
        insta::assert_snapshot!(
            told(Comparison::Cka, 3, &[1]).expect_err("too few"),
            @"`cka` needs 4 stimuli, and 3 are compared"
        );
    }

    #[test]
    fn regions_that_lack_responses_or_sites_are_named() {
        let regions = [
            region("V1", 4, &[]),
            region("V4", 4, &[(3, 1), (5, 1), (5, 2)]),
            region("IT", 2, &[]),
        ];
        let told = |word, comparison| region_notice(word, comparison, &regions, &taken(12, &[4]));
        insta::assert_snapshot!(
            told("rdm", Comparison::Rdm).expect("a notice"),
            @"trials of `rdm` will fail: in V4, 2 of 12 stimuli lack a response at 2 of 4 sites, IT has 2 sites. A comparison needs a response of every site to every stimulus, and at least 3 sites: choose sites with `sites`, drop these stimuli from the assembly, or leave `rdm` out"
        );
        insta::assert_snapshot!(
            told("reverse-pls:2", "reverse-pls:2".parse().expect("a word")).expect("a notice"),
            @"trials of `reverse-pls:2` will fail: in V4, 2 of 12 stimuli lack a response at 2 of 4 sites. A comparison needs a response of every site to every stimulus: choose sites with `sites`, drop these stimuli from the assembly, or leave `reverse-pls:2` out"
        );
        let whole = region_notice("cka", Comparison::Cka, &regions[2..], &taken(12, &[4]));
        assert_eq!(whole, None);
        // Stimuli that no split takes lack nothing.
        let some = region_notice("cka", Comparison::Cka, &regions, &taken(3, &[3]));
        assert_eq!(some, None);
    }
}
