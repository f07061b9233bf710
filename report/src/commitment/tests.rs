//! Choices between made-up layers.

use super::*;
use nrp_proto::wire::{LayerSet, RegionSites, SplitSpec, TrialSpec};

/// An ANN whose own order is `c`, `b`, `a`, and of which Brain-Score does not know `early`.
struct Made;

impl Layers for Made {
    fn order(&self, _: &str) -> Vec<String> {
        ["c", "b", "a"].map(str::to_owned).to_vec()
    }
    fn committed(&self, _: &str, layer: &str) -> Option<String> {
        (layer != "early").then(|| format!("module.{layer}"))
    }
}

fn ann() -> AnnSpec {
    AnnSpec {
        name: "net".to_owned(),
        ..AnnSpec::default()
    }
}

/// The medians of a layer set's splits, split by split.
type Medians<'a> = (&'a [&'a str], &'a [f64]);

/// The commitment of V4 in a sweep of ten splits with these layer sets.
fn fold(ceiling: Option<f64>, sets: &[Medians<'_>]) -> CommitmentFold {
    fold_of(&["V4"], ceiling, sets)
}

/// The same of a sweep of several regions, with the trials of V4.
fn fold_of(regions: &[&str], ceiling: Option<f64>, sets: &[Medians<'_>]) -> CommitmentFold {
    let regions: Vec<String> = regions.iter().map(|of| (*of).to_owned()).collect();
    let layers = |of: &[&str]| of.iter().map(|layer| (*layer).to_owned()).collect();
    let spec = SweepSpec {
        split: Some(SplitSpec {
            scheme: "brain-score".to_owned(),
            ..SplitSpec::default()
        }),
        regions: regions.clone(),
        anns: vec![AnnEntry {
            ann: Some(ann()),
            layer_sets: sets
                .iter()
                .map(|(of, _)| LayerSet {
                    layers: layers(of),
                    region: String::new(),
                })
                .collect(),
            ..AnnEntry::default()
        }],
        ..SweepSpec::default()
    };
    let mut fold = CommitmentFold::new(spec, "pls", &regions);
    for (of, medians) in sets {
        for (split, median) in medians.iter().enumerate() {
            fold.take(&record("pls", of, split, Some(*median), ceiling));
            // Of another model, whatever it scores.
            fold.take(&record("ridge", of, split, Some(1.0), ceiling));
        }
    }
    fold
}

/// A trial; one without a median failed.
fn record(
    model: &str,
    layers: &[&str],
    split: usize,
    median: Option<f64>,
    ceiling: Option<f64>,
) -> TrialRecord {
    let state = match median {
        Some(_) => TrialState::Finished,
        None => TrialState::Failed,
    };
    TrialRecord {
        state: state.to_wire(),
        spec: Some(TrialSpec {
            model: model.to_owned(),
            ann: Some(ann()),
            region: "V4".to_owned(),
            layers: layers.iter().map(|layer| (*layer).to_owned()).collect(),
            split: Some(SplitSpec {
                number: split as u32,
                ..SplitSpec::default()
            }),
            ..TrialSpec::default()
        }),
        scores: median.map(|median| Scores {
            pearson_median: Some(median),
            split_half_consistency: ceiling,
            ..Scores::default()
        }),
        ..TrialRecord::default()
    }
}

fn chosen(fold: &CommitmentFold) -> (Option<String>, By) {
    let region = fold.conclude(&Made).remove(0).regions.remove(0);
    let chosen = region.chosen().map(|set| set.layers.join("+"));
    assert_eq!(
        region.layer,
        chosen.clone().map(|of| format!("module.{of}"))
    );
    (chosen, region.by)
}

#[test]
fn the_layer_of_the_highest_ceiled_score_is_chosen() {
    let fold = fold(
        Some(0.8),
        &[
            (&["a"], &[0.4; 10]),
            // Its mean over splits is the highest, not its best split.
            (&["b"], &[0.5; 10]),
            (&["c"], &[0.9, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]),
            (&["a", "b"], &[0.9; 10]),
            (&["early"], &[0.8; 10]),
        ],
    );
    assert_eq!(chosen(&fold), (Some("b".to_owned()), By::Score));
    let ann = fold.conclude(&Made).remove(0);
    assert_eq!(
        ann.region_layers(),
        [("V4".to_owned(), "module.b".to_owned())]
    );
    let region = &ann.regions[0];
    assert_eq!(region.progress(), (50, 50));
    let score = region.layer_sets[1].brain_score.as_ref().expect("splits");
    assert!((score.score.expect("a ceiling") - 0.25 / 0.8).abs() < 1e-12);
    let barred: Vec<_> = region.layer_sets.iter().map(|set| set.barred).collect();
    let [several, early] = [Barred::SeveralLayers, Barred::EarlierCall].map(Some);
    assert_eq!(barred, [None, None, None, several, early]);
}

#[test]
fn a_negative_center_never_wins_over_a_positive_one() {
    let sets: [Medians<'_>; 3] = [
        (&["a"], &[-0.9; 10]),
        (&["b"], &[0.1; 10]),
        (&["c"], &[-0.2; 10]),
    ];
    for ceiling in [Some(0.8), None] {
        let by = ceiling.map_or(By::Center, |_| By::Score);
        assert_eq!(chosen(&fold(ceiling, &sets)), (Some("b".to_owned()), by));
        // Among negative ones, the nearest to 0.
        let negative = fold(ceiling, &[sets[0], sets[2]]);
        assert_eq!(chosen(&negative), (Some("c".to_owned()), by));
    }
    // A ceiling that is not above 0 divides nothing.
    let fold = fold(Some(-0.1), &sets);
    assert_eq!(chosen(&fold), (Some("b".to_owned()), By::Center));
}

#[test]
fn of_equal_scores_the_first_in_the_anns_own_order_is_chosen() {
    let equal: [Medians<'_>; 3] = [
        (&["a"], &[0.5; 10]),
        (&["b"], &[0.5; 10]),
        (&["x"], &[0.5; 10]),
    ];
    assert_eq!(chosen(&fold(None, &equal)).0.as_deref(), Some("b"));
    let unknown: [Medians<'_>; 2] = [(&["y"], &[0.5; 10]), (&["x"], &[0.5; 10])];
    assert_eq!(chosen(&fold(None, &unknown)).0.as_deref(), Some("y"));
}

#[test]
fn subjects_that_are_regions_of_their_own_are_committed_together() {
    let mut fold = fold(None, &[(&["a"], &[]), (&["b"], &[])]);
    let part = |subject: &str| RegionSites {
        region: format!("V4/{subject}"),
        part_of: "V4".to_owned(),
        subject: subject.to_owned(),
        ..RegionSites::default()
    };
    let mut spec = fold.spec.clone();
    spec.sites = vec![part("F"), part("N")];
    spec.regions = spec.sites.iter().map(|of| of.region.clone()).collect();
    assert_eq!(regions(&spec), ["V4"]);
    fold = CommitmentFold::new(spec, "pls", &["V4".to_owned()]);
    // The mean over subjects of r²/ceiling with the sign of r, not that of all r.
    let scores = [
        ("F", "a", 0.9, 0.9),
        ("N", "a", -0.5, 0.5),
        ("F", "b", 0.6, 0.9),
        ("N", "b", 0.3, 0.5),
    ];
    for (subject, layer, r, ceiling) in scores {
        for split in 0..10 {
            let mut record = record("pls", &[layer], split, Some(r), Some(ceiling));
            let spec = record.spec.as_mut().expect("a trial");
            spec.region = format!("V4/{subject}");
            fold.take(&record);
        }
    }
    // a: (0.9 − 0.5) / 2 = 0.2; b: (0.4 + 0.18) / 2 = 0.29
    assert_eq!(chosen(&fold), (Some("b".to_owned()), By::Score));
    let region = fold.conclude(&Made).remove(0).regions.remove(0);
    assert_eq!(
        (region.region.as_str(), region.progress()),
        ("V4", (40, 40))
    );
    let b = region.layer_sets[1].brain_score.as_ref().expect("scores");
    assert!((b.score.expect("ceilings") - 0.29).abs() < 1e-12);
    assert_eq!((b.subjects, b.per_subject.len()), (Some(2), 2));
}

#[test]
fn nothing_is_chosen_while_a_trial_is_open_and_a_failed_one_bars_its_layer() {
    let mut fold = fold(Some(0.8), &[(&["a"], &[0.4; 10]), (&["b"], &[0.9; 9])]);
    let open = fold.conclude(&Made).remove(0).regions.remove(0);
    assert_eq!((open.progress(), open.layer), ((19, 20), None));
    // Nor in another region, whose trials have all ended.
    let mut both = fold_of(
        &["V4", "IT"],
        Some(0.8),
        &[(&["a"], &[0.4; 10]), (&["b"], &[0.9; 10])],
    );
    let split = |fold: &mut CommitmentFold, layer: &str, split: usize| {
        let mut record = record("pls", &[layer], split, Some(0.5), Some(0.8));
        "IT".clone_into(&mut record.spec.as_mut().expect("one").region);
        fold.take(&record);
    };
    (0..10).for_each(|at| split(&mut both, "a", at));
    (0..9).for_each(|at| split(&mut both, "b", at));
    let chosen_in = |fold: &CommitmentFold| {
        let regions = fold.conclude(&Made).remove(0).regions.into_iter();
        let layers = regions.map(|of| (of.chosen().is_some(), of.layer.is_some()));
        layers.collect::<Vec<_>>()
    };
    assert_eq!(chosen_in(&both), [(false, false); 2]);
    split(&mut both, "b", 9);
    assert_eq!(chosen_in(&both), [(true, true); 2]);
    fold.take(&record("pls", &["b"], 9, None, Some(0.8)));
    assert_eq!(chosen(&fold).0.as_deref(), Some("a"));
    let ended = fold.conclude(&Made).remove(0).regions.remove(0);
    assert_eq!(ended.layer_sets[1].barred, Some(Barred::Failed));
    assert_eq!(ended.progress(), (20, 20));
}
