//! Checks of a sweep against its split: impossible components, a batch larger than the training
//! set, sites that do not select.

use super::error::ResolveError;
use crate::nrp;
use crate::recording::split::Split;
use crate::recording::{MAX_NAMED, Recordings, Region};
use nrp_proto::sweep::Projection;
use nrp_proto::wire::{SweepSpec, TrainingSpec};

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
