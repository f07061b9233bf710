//! Checks of a sweep against its split: impossible components, a batch larger than the training
//! set, sites that do not select.

use super::error::ResolveError;
use crate::baseline::PLS_COMPONENTS;
use crate::nrp;
use crate::recording::split::Split;
use crate::recording::{MAX_NAMED, Recordings, Region};
use nrp_proto::sweep::{Baseline, Comparison, Projection, Scheme};
use nrp_proto::wire::{LayerSet, SweepSpec, TrainingSpec};

/// Notices about a sweep on these parts.
///
/// # Errors
/// When more principal components are requested than exist.
pub(super) fn of(
    spec: &SweepSpec,
    recordings: &Recordings,
    split: &Split,
) -> Result<Vec<String>, ResolveError> {
    let training = spec.training.as_ref();
    let of_training = training.map(|training| training_notice(training, split));
    let mut notices = Vec::from_iter(of_training.transpose()?.flatten());
    let scheme = spec.split.as_ref().map(Scheme::of);
    let refits = matches!(scheme, Some(Ok(scheme)) if scheme.refits());
    if fits_pls(spec) {
        notices.extend(few_stimuli_notice(split, refits));
    }
    for word in &spec.baselines {
        if let Ok(Comparison::ReversePls(components)) = word.parse() {
            let regions = &recordings.regions;
            let sites = regions.iter().map(|of| (of.name.as_str(), of.sites.len()));
            notices.extend(reverse_notice(word, components.get(), sites, split, refits));
        }
    }
    let regions = recordings.regions.iter();
    notices.extend(regions.filter_map(|region| left_out_notice(region, split)));
    Ok(notices)
}

/// Refuses a projection onto more components than exist. Returns a notice if a batch is larger than
/// the training set.
fn training_notice(training: &TrainingSpec, split: &Split) -> Result<Option<String>, ResolveError> {
    let stimuli = split.train.len();
    if let Ok(Projection::Pca(asked)) = training.projection.parse() {
        let (asked, limit) = (asked.get(), stimuli.saturating_sub(1));
        if asked as usize > limit {
            return Err(ResolveError::Components {
                asked,
                stimuli,
                limit,
            });
        }
    }
    let batch = training.batch_size as usize;
    Ok((batch > stimuli).then(|| {
        format!(
            "`batch_size` is {batch}, and the split has {stimuli} training stimuli: each epoch is one \
             step over all of them"
        )
    }))
}

/// Whether a sweep has partial least squares among its baselines.
pub(super) fn fits_pls(spec: &SweepSpec) -> bool {
    let mut baselines = spec.baselines.iter().map(|word| word.parse());
    baselines.any(|baseline| baseline == Ok(Baseline::Pls))
}

/// The notice about partial least squares that is fitted to too few stimuli for Brain-Score.
fn few_stimuli_notice(split: &Split, refits: bool) -> Option<String> {
    let validation = if refits { split.validation.len() } else { 0 };
    let fitted = split.train.len() + validation;
    (fitted < PLS_COMPONENTS).then(|| {
        format!(
            "`pls` is fitted to {fitted} stimuli, and so has at most {} components: Brain-Score's has \
             {PLS_COMPONENTS}, and refuses fewer stimuli",
            fitted.saturating_sub(1)
        )
    })
}

/// The notice about reverse PLS with more components than stimuli, or than the sites of some regions: their
/// trials will fail.
fn reverse_notice<'a>(
    word: &str,
    components: u32,
    regions: impl Iterator<Item = (&'a str, usize)>,
    split: &Split,
    refits: bool,
) -> Option<String> {
    let validation = if refits { split.validation.len() } else { 0 };
    let fitted = split.train.len() + validation;
    let needed = components as usize;
    let few = regions.filter(|(_, sites)| *sites < needed);
    let few: Vec<(&str, usize)> = few.collect();
    let named = few.iter().take(MAX_NAMED);
    let named = named.map(|(region, sites)| format!("{region} has {sites} sites"));
    let mut found: Vec<String> = named.collect();
    if let Some(others @ 1..) = few.len().checked_sub(MAX_NAMED) {
        found.push(format!("so have {others} more"));
    }
    if fitted < needed {
        found.insert(0, format!("it is fitted to {fitted} stimuli"));
    }
    (!found.is_empty()).then(|| {
        format!(
            "`{word}` has {components} components, and {}: these trials will fail. `reverse-pls:K` has K \
             components",
            found.join(", ")
        )
    })
}

/// The notice about partial least squares on layer sets that have too few units for Brain-Score; `units` tells
/// those of a layer.
pub(super) fn few_units_notice(
    ann: &str,
    layer_sets: &[LayerSet],
    units: impl Fn(&str) -> usize,
) -> Option<String> {
    let units = |set: &LayerSet| set.layers.iter().map(|layer| units(layer)).sum::<usize>();
    let few = layer_sets.iter().filter(|set| units(set) < PLS_COMPONENTS);
    let mut few: Vec<String> = few
        .map(|set| format!("`{}` ({})", set.layers.join("+"), units(set)))
        .collect();
    // A layer set of several regions is listed for each.
    few.dedup();
    let named = few.iter().take(MAX_NAMED).cloned();
    let named: Vec<String> = named.collect();
    let and_others = match few.len() - named.len() {
        0 => String::new(),
        others => format!(" and {others} more"),
    };
    (!few.is_empty()).then(|| {
        format!(
            "`pls` has as many components as {ann} has units in {}{and_others}: Brain-Score's has \
             {PLS_COMPONENTS}, and refuses fewer units",
            named.join(", ")
        )
    })
}

/// The notice about sites that do not select.
fn left_out_notice(region: &Region, split: &Split) -> Option<String> {
    let sites = region.sites.len();
    let left_out = nrp::left_out(&region.responses, sites, &split.train, &split.validation);
    let named = left_out.iter().map(|&site| region.sites[site].as_str());
    let named: Vec<&str> = named.take(MAX_NAMED).collect();
    let others = left_out.len().saturating_sub(named.len());
    let and_others = match others {
        0 => String::new(),
        others => format!(" and {others} more"),
    };
    (!left_out.is_empty()).then(|| {
        format!(
            "{}: {} of {sites} sites do not select, stop or rank, since they (almost) never vary over \
             the training stimuli, or vary over 10 times as much over the validation stimuli: {}{and_others}",
            region.name,
            left_out.len(),
            named.join(", "),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn training(projection: &str, batch_size: u32) -> TrainingSpec {
        TrainingSpec {
            projection: projection.to_owned(),
            batch_size,
            ..TrainingSpec::default()
        }
    }

    fn of_960() -> Split {
        Split {
            train: (0..960).collect(),
            validation: (960..1080).collect(),
            test: (1080..1200).collect(),
        }
    }

    #[test]
    fn more_components_than_training_stimuli_allow_are_refused() {
        let refused = |asked: u32| {
            let spec = training(&format!("pca:{asked}"), 64);
            training_notice(&spec, &of_960()).map_err(|error| error.to_string())
        };
        assert_eq!(refused(959), Ok(None));
        insta::assert_snapshot!(
            refused(5000).expect_err("too many"),
            @"`projection` asks for 5000 principal components, but 960 training stimuli have at most 959"
        );
        assert!(refused(960).is_err());
        for projection in ["none", "row-space"] {
            assert!(training_notice(&training(projection, 64), &of_960()).is_ok());
        }
    }

    #[test]
    fn a_batch_larger_than_the_training_set_is_told() {
        let told = |batch| training_notice(&training("none", batch), &of_960()).expect("may be");
        assert_eq!(told(960), None);
        insta::assert_snapshot!(
            told(961).expect("a notice"),
            @"`batch_size` is 961, and the split has 960 training stimuli: each epoch is one step over all of them"
        );
    }

    #[test]
    fn reverse_pls_that_cannot_be_fitted_is_told() {
        let split = Split {
            train: (0..23).collect(),
            validation: (23..26).collect(),
            test: (26..29).collect(),
        };
        let told = |components: u32, sites: usize, refits: bool| {
            let regions = [("V4", sites), ("IT", 100)].into_iter();
            reverse_notice("reverse-pls", components, regions, &split, refits)
        };
        assert_eq!(told(25, 25, true), None);
        assert_eq!(told(5, 6, false), None);
        insta::assert_snapshot!(
            told(25, 6, false).expect("a notice"),
            @"`reverse-pls` has 25 components, and it is fitted to 23 stimuli, V4 has 6 sites: these trials will fail. `reverse-pls:K` has K components"
        );
    }

    #[test]
    fn what_leaves_partial_least_squares_few_components_is_told() {
        let split = Split {
            train: (0..23).collect(),
            validation: (23..26).collect(),
            test: (26..29).collect(),
        };
        assert_eq!(few_stimuli_notice(&split, true), None);
        insta::assert_snapshot!(
            few_stimuli_notice(&split, false).expect("a notice"),
            @"`pls` is fitted to 23 stimuli, and so has at most 22 components: Brain-Score's has 25, and refuses fewer stimuli"
        );
        let sets = [&["fc"][..], &["fc", "gate"], &["gate"], &["wide"]];
        let sets = sets.map(|layers| LayerSet {
            layers: layers.iter().map(|layer| (*layer).to_owned()).collect(),
            ..LayerSet::default()
        });
        let units = |layer: &str| match layer {
            "fc" => 10,
            "gate" => 15,
            _ => 25,
        };
        assert_eq!(few_units_notice("onnx", &sets[3..], units), None);
        insta::assert_snapshot!(
            few_units_notice("onnx", &sets, units).expect("a notice"),
            @"`pls` has as many components as onnx has units in `fc` (10), `gate` (15): Brain-Score's has 25, and refuses fewer units"
        );
        let spec = |baselines: &[&str]| SweepSpec {
            baselines: baselines.iter().map(|word| (*word).to_owned()).collect(),
            ..SweepSpec::default()
        };
        assert!(fits_pls(&spec(&["ridge", "pls"])) && !fits_pls(&spec(&["ridge"])));
    }

    #[test]
    fn sites_that_do_not_select_are_named() {
        let region = |silent: &[usize]| {
            let response = |cell: usize| {
                if silent.contains(&(cell % 20)) {
                    0.0
                } else {
                    (cell * 31 % 97) as f64
                }
            };
            Region {
                name: "V4".to_owned(),
                subject: None,
                bin: None,
                sites: (0..20).map(|site| format!("e{site}")).collect(),
                responses: (0..1200 * 20).map(response).collect(),
                repetitions: (1, 1),
                noise: None,
            }
        };
        assert_eq!(left_out_notice(&region(&[]), &of_960()), None);
        let told = left_out_notice(&region(&[1, 4, 7, 8, 9, 11, 19]), &of_960());
        insta::assert_snapshot!(
            told.expect("a notice"),
            @"V4: 7 of 20 sites do not select, stop or rank, since they (almost) never vary over the training stimuli, or vary over 10 times as much over the validation stimuli: e1, e4, e7, e8, e9 and 2 more"
        );
    }
}
