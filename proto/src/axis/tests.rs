//! The tables of axes: names, order, and that everything else agrees with them.

use super::*;
use crate::wire::{AnnSpec, TrialSpec};

pub(super) fn trial() -> TrialRecord {
    TrialRecord {
        spec: Some(TrialSpec {
            ann: Some(AnnSpec {
                name: "mobilenet".to_owned(),
                sparsity: 0.5,
                ..Default::default()
            }),
            region: "V4".to_owned(),
            layers: vec!["a".to_owned(), "b".to_owned()],
            l1: Some(16),
            depth: 1,
            learning_rate: 1e-3,
            seed: u64::MAX,
            ..Default::default()
        }),
        ..Default::default()
    }
}

#[test]
fn a_baseline_lies_on_no_axis_of_networks() {
    let mut trial = trial();
    assert_eq!(Axis::Model.of(&trial), Some(Value::Word("nrp".to_owned())));
    let spec = trial.spec.as_mut().expect("a trial");
    (spec.model, spec.l1, spec.depth) = ("ridge".to_owned(), None, 0);
    let lies = Axis::ALL.map(|axis| axis.of(&trial).is_some().then_some(axis.name()));
    let lies: Vec<_> = lies.into_iter().flatten().collect();
    assert_eq!(
        lies,
        [
            "ann",
            "region",
            "model",
            "layers",
            "sparsity",
            "projection",
            "split"
        ]
    );
    for (text, holds) in [
        ("model=ridge", true),
        ("model!=nrp", true),
        ("depth=0", false),
    ] {
        let condition: Condition = text.parse().expect(text);
        assert_eq!(condition.holds(&trial), holds, "{text}");
    }
}

#[test]
fn every_axis_is_found_by_its_name() {
    for axis in Axis::ALL {
        assert_eq!(axis.name().parse(), Ok(axis));
    }
}

#[test]
fn every_axis_is_documented() {
    let docs = include_str!("../../../docs/sweeps.md");
    for axis in Axis::ALL {
        let name = format!("`{axis}`");
        assert!(docs.contains(&name), "docs/sweeps.md lacks {name}");
    }
    let sample = include_str!("../../../sweeps/paper.toml");
    for axis in Axis::GRID {
        let key = format!("\n{axis} = [");
        assert!(sample.contains(&key), "sweeps/paper.toml lacks `{axis}`");
    }
}

#[test]
fn every_field_of_the_grid_is_an_axis_of_its_own() {
    let json = serde_json::to_value(Grid::default()).expect("JSON");
    let mut fields: Vec<_> = json.as_object().expect("fields").keys().cloned().collect();
    let mut axes: Vec<_> = Axis::GRID
        .iter()
        .map(|axis| axis.name().to_owned())
        .collect();
    fields.sort();
    axes.sort();
    assert_eq!(fields, axes);
    for axis in Axis::GRID {
        let row = axis.grid().expect("an axis of the grid");
        let values = match axis.kind() {
            Kind::Word => Values::Words(vec!["ridge".to_owned()]),
            Kind::Whole => Values::Wholes(vec![3]),
            Kind::Real => Values::Reals(vec![0.25]),
        };
        let mut grid = Grid::default();
        (row.put)(&mut grid, &values);
        assert_eq!((row.of)(&grid), values, "{axis}");
        let json = serde_json::to_value(&grid).expect("JSON");
        assert_eq!(
            json[axis.name()].as_array().map(Vec::len),
            Some(1),
            "{axis}"
        );
        let mut trial = TrialSpec::default();
        (row.set)(&mut trial, &values, 0);
        let set = axis.of_spec(&trial, None).expect("has a place");
        let expected = match &values {
            Values::Words(words) => Value::Word(words[0].clone()),
            Values::Wholes(_) => Value::Whole(3),
            Values::Reals(_) => Value::Real(0.25),
        };
        assert_eq!(set, expected, "{axis}");
        assert_eq!(trial.cell(), trial, "ids know of `{axis}`");
        // Defaults keep the ids of trials from before the axis.
        if row.is_optional {
            let mut trial = TrialSpec::default();
            (row.set)(&mut trial, &(row.default)(), 0);
            assert_eq!(trial, TrialSpec::default(), "{axis}");
        }
    }
}
