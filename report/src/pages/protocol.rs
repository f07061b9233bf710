//! Protocol: what all trials share, where the data came from, and the values of each axis, for people.

use crate::model::Protocol;
use crate::setting;
use crate::text::list;
use nrp_proto::axis::Axis;
use nrp_proto::wire::{EarlyStopping, RandomSearch};

/// Names and values, in the order of the page.
pub(crate) fn shown(protocol: &Protocol) -> Vec<(&'static str, String)> {
    let mut shown = vec![
        ("Recordings", setting::recordings(&protocol.recordings)),
        ("Recordings' digest", protocol.recordings_digest.clone()),
        ("Split", setting::split(&protocol.split)),
        ("Training", setting::training(&protocol.training)),
        ("Inputs", protocol.training.inputs.clone()),
        ("Targets", protocol.training.targets.clone()),
        ("Projection", protocol.training.projection.clone()),
    ];
    let axes = Axis::GRID.into_iter();
    let told = axes.filter(|axis| {
        let mut values = protocol.axes.get(*axis);
        !axis.is_optional() || values.any(|value| !axis.is_tacit(value))
    });
    shown.extend(told.map(|axis| (axis.plural(), list(protocol.axes.get(axis)))));
    if let Some(duplicates) = &protocol.duplicates {
        shown.push((
            "Same pictures",
            setting::same_pictures(duplicates, &protocol.split),
        ));
    }
    if let Some(RandomSearch { trials, seed }) = protocol.random_search {
        let drawn = format!("{trials} cells of the grid, drawn at random; seed {seed}");
        shown.push(("Search", drawn));
    }
    if let Some(stopping) = protocol.early_stopping {
        let EarlyStopping {
            min_epochs,
            reduction,
        } = stopping;
        let rung = |power| u64::from(min_epochs) * u64::from(reduction).pow(power);
        let rungs = format!(
            "one trial in {reduction} continues after {}, {}, {} … epochs",
            rung(0),
            rung(1),
            rung(2)
        );
        shown.push(("Early stopping", rungs));
    }
    shown.extend([
        ("Baselines", list(&protocol.baselines)),
        ("Activations stored as", list(&protocol.cache_dtype)),
    ]);
    if !protocol.worker_versions.is_empty() {
        shown.push(("Workers' versions of nrp", list(&protocol.worker_versions)));
    }
    if !protocol.devices.is_empty() {
        shown.push(("Devices", list(&protocol.devices)));
    }
    shown.push((
        "Report's version of nrp",
        env!("CARGO_PKG_VERSION").to_owned(),
    ));
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use nrp_proto::wire::{SplitSpec, SweepSpec, TrialSpec};

    fn shown(spec: &SweepSpec, name: &str) -> Option<String> {
        let shown = super::shown(&Protocol::new(spec));
        let found = shown.into_iter().find(|(of, _)| *of == name);
        found.map(|(_, value)| value)
    }

    #[test]
    fn a_split_says_what_it_knows_and_no_more() {
        let mut split = SplitSpec {
            scheme: "shuffle".to_owned(),
            train: 0.8,
            validation: 0.1,
            test: 0.1,
            stratify: "object_name".to_owned(),
            seed: 1,
            number: 0,
            ..SplitSpec::default()
        };
        let of = |split: &SplitSpec| {
            let spec = SweepSpec {
                split: Some(split.clone()),
                ..SweepSpec::default()
            };
            shown(&spec, "Split").expect("a split")
        };
        assert_eq!(
            of(&split),
            "shuffle: 0.8 of the stimuli to train, 0.1 to validate, 0.1 to test; drawn 10 times; \
             stratified by `object_name` where the stimulus set has it; seed 1"
        );
        split.scheme = "validation-is-test".to_owned();
        split.stratify.clear();
        assert_eq!(
            of(&split),
            "validation-is-test: 0.8 of the stimuli to train, the others both to validate and to \
             test; not stratified; seed 1"
        );
    }

    #[test]
    fn axes_of_which_all_have_the_default_are_not_shown() {
        let mut protocol = Protocol::default();
        let has = |protocol: &Protocol, name: &str| {
            super::shown(protocol)
                .iter()
                .any(|(shown, _)| *shown == name)
        };
        protocol.axes.take(&TrialSpec::default());
        assert!(!has(&protocol, "Linear paths") && !has(&protocol, "Networks of an ensemble"));
        protocol.axes.take(&TrialSpec {
            linear_path: "ridge".to_owned(),
            ensemble: 3,
            ..TrialSpec::default()
        });
        assert!(has(&protocol, "Linear paths") && has(&protocol, "Networks of an ensemble"));
    }
}
