use super::*;

fn bins(spans: &[[f64; 2]], unit: &str) -> Vec<TimeBin> {
    let spans = spans.iter().enumerate();
    spans
        .map(|(at, &[start, end])| TimeBin {
            id: at.to_string(),
            span: Some(Span { start, end }),
            unit: unit.to_owned(),
        })
        .collect()
}

fn chosen(bins: &[TimeBin], choice: &BinChoice) -> Result<Vec<Group>, String> {
    let path = Path::new("a.nc");
    let groups = Bins { path, bins }.choose(Some(choice));
    groups
        .map(|(groups, _)| groups)
        .map_err(|error| error.to_string())
}

fn window(bins: &[TimeBin], from: f64, to: f64) -> Result<Vec<usize>, String> {
    let groups = chosen(bins, &BinChoice::Window([from, to]))?;
    assert_eq!((groups.len(), &groups[0].bin), (1, &None));
    Ok(groups[0].bins.clone())
}

#[test]
fn a_window_takes_the_bins_that_lie_within_and_cover_it() {
    let three = bins(&[[100.0, 150.0], [0.0, 50.0], [50.0, 100.0]], "ms");
    assert_eq!(window(&three, 0.0, 100.0), Ok(vec![1, 2]));
    assert_eq!(window(&three, 50.0, 150.0), Ok(vec![2, 0]));
    for (from, to, problem) in [
        (25.0, 75.0, "do not cover it: there are none"),
        (
            0.0,
            120.0,
            "do not cover it: 2 time bins (0-50 ms, 50-100 ms)",
        ),
        (-50.0, 100.0, "do not cover it: 2 time bins"),
        (150.0, 200.0, "do not cover it: there are none"),
    ] {
        let error = window(&three, from, to).expect_err("an error");
        assert!(error.contains(problem), "{error}");
        assert!(error.contains("3 time bins (100-150 ms,"), "{error}");
    }
    let gap = bins(&[[0.0, 50.0], [60.0, 100.0]], "ms");
    let error = window(&gap, 0.0, 100.0).expect_err("an error");
    assert!(error.contains("do not cover"), "{error}");
}

#[test]
fn bins_that_overlap_are_never_averaged() {
    let sliding = bins(&[[0.0, 20.0], [10.0, 30.0], [70.0, 170.0]], "ms");
    let error = window(&sliding, 0.0, 30.0).expect_err("an error");
    assert_eq!(error, "`a.nc`: time bins overlap: 0-20 ms and 10-30 ms");
    assert_eq!(window(&sliding, 70.0, 170.0), Ok(vec![2]));
    let twice = bins(&[[0.0, 20.0], [0.0, 20.0]], "ms");
    assert!(window(&twice, 0.0, 20.0).is_err());
    let error = chosen(&twice, &BinChoice::Each).expect_err("an error");
    assert_eq!(error, "`a.nc` has two time bins 0-20 ms");
}

#[test]
fn ends_in_seconds_are_compared_within_rounding() {
    let steps: Vec<[f64; 2]> = (0..10)
        .map(|step| {
            [
                f64::from(step as f32 * 0.01),
                f64::from((step + 1) as f32 * 0.01),
            ]
        })
        .collect();
    let seconds = bins(&steps, "");
    assert_eq!(window(&seconds, 0.05, 0.09), Ok(vec![5, 6, 7, 8]));
    let path = Path::new("a.nc");
    let all = Bins {
        path,
        bins: &seconds,
    };
    let error = all.choose(Some(&BinChoice::Window([50.0, 90.0])));
    let error = error.expect_err("an error");
    let hint = error.help().expect("a hint").to_string();
    assert!(hint.contains("look like seconds"), "{hint}");
}

#[test]
fn each_bin_is_named_by_its_time_in_the_order_of_time() {
    let three = bins(&[[0.07, 0.08], [-0.1, 0.0], [0.0, 0.07]], "s");
    let groups = chosen(&three, &BinChoice::Each).expect("groups");
    let named = groups.iter().map(|group| {
        let bin = group.bin.as_ref().expect("a bin");
        (bin.name(), &group.bins[..])
    });
    let named: Vec<(String, &[usize])> = named.collect();
    let names: Vec<(&str, &[usize])> = named
        .iter()
        .map(|(name, bins)| (name.as_str(), *bins))
        .collect();
    assert_eq!(
        names,
        [
            ("-0.1-0 s", &[1][..]),
            ("0-0.07 s", &[2]),
            ("0.07-0.08 s", &[0])
        ]
    );
}

#[test]
fn a_bin_is_chosen_by_its_id() {
    let mut two = bins(&[[0.0, 50.0], [50.0, 100.0]], "ms");
    let of = |bins: &[TimeBin], id| {
        let groups = chosen(bins, &BinChoice::Id(id))?;
        Ok::<_, String>(groups[0].bins.clone())
    };
    assert_eq!(of(&two, 1), Ok(vec![1]));
    two[0].id = "7".to_owned();
    two[0].span = None;
    assert_eq!(of(&two, 7), Ok(vec![0]));
    let error = of(&two, 0).expect_err("an error");
    assert_eq!(
        error,
        "`a.nc` has 0 time bins with the id 0; it has 2 time bins (bin 7, 50-100 ms)"
    );
    let error = window(&two, 0.0, 50.0).expect_err("an error");
    assert!(error.contains("does not say where"), "{error}");
}

#[test]
fn several_bins_must_be_chosen_from_and_one_need_not() {
    let path = Path::new("a.nc");
    let choose = |bins: &[TimeBin], choice| Bins { path, bins }.choose(choice);
    let one = bins(&[[70.0, 170.0]], "ms");
    for bins in [&[][..], &one] {
        let (groups, notice) = choose(bins, None).expect("a group");
        assert_eq!((groups[0].bins.as_slice(), notice), (&[0][..], None));
    }
    let error = choose(&[], Some(&BinChoice::Id(0))).expect_err("an error");
    assert_eq!(error.to_string(), "`a.nc` has no time bins to choose from");
    let many: Vec<[f64; 2]> = (0..300).map(|at| [at, at + 1].map(f64::from)).collect();
    let error = choose(&bins(&many, "ms"), None).expect_err("an error");
    assert_eq!(
        error.to_string(),
        "`a.nc` has 300 time bins (from 0-1 ms to 299-300 ms), and none is chosen"
    );
    let hint = error.help().expect("a hint").to_string();
    for key in [
        "time_bin = [0, 300]",
        "time_bin_id = 0",
        "time_bins = \"each\"",
    ] {
        assert!(hint.contains(key), "{hint}");
    }
}

#[test]
fn the_unit_is_the_files_or_milliseconds_where_that_is_sure() {
    for (units, latest, expected) in [
        (Some("milliseconds"), 0.5, "ms"),
        (Some("s"), 170.0, "s"),
        (Some("frames"), 3.0, "frames"),
        (Some(" "), 170.0, "ms"),
        (None, 170.0, "ms"),
        // A response of blood flow, in seconds.
        (None, 16.0, ""),
        (None, 0.59, ""),
    ] {
        assert_eq!(unit(units, latest), expected);
    }
}

/// What a file without a choice proposes, `|` between.
fn proposed(bins: &[TimeBin]) -> String {
    let path = Path::new("a.nc");
    let error = Bins { path, bins }.choose(None).expect_err("several");
    let BinsError::Unchosen { ways, .. } = error else {
        panic!("{error}");
    };
    for way in &ways {
        if let Some((_, window)) = way.split_once("time_bin = [") {
            let window = window.split_once(']').expect("an end").0;
            let ends: Vec<f64> = window
                .split(", ")
                .map(|of| of.parse().expect("a number"))
                .collect();
            let choice = BinChoice::Window([ends[0], ends[1]]);
            chosen(bins, &choice).expect("what is proposed is read");
        }
    }
    let keys = ways.iter().map(|way| way.split('`').nth(1).expect("a key"));
    keys.collect::<Vec<_>>().join(" | ")
}

#[test]
fn only_what_can_be_read_is_proposed() {
    let even = bins(&[[0.0, 50.0], [50.0, 100.0]], "ms");
    assert_eq!(
        proposed(&even),
        "time_bin = [0, 100] | time_bin_id = 0 | time_bins = \"each\""
    );
    let sliding = bins(&[[0.0, 20.0], [10.0, 30.0]], "ms");
    assert_eq!(
        proposed(&sliding),
        "time_bin = [0, 20] | time_bin_id = 0 | time_bins = \"each\""
    );
    let gapped = bins(&[[0.0, 50.0], [120.0, 170.0]], "ms");
    assert_eq!(
        proposed(&gapped),
        "time_bin = [0, 50] | time_bin_id = 0 | time_bins = \"each\""
    );
    let mut undated = even.clone();
    undated.iter_mut().for_each(|bin| bin.span = None);
    assert_eq!(proposed(&undated), "time_bin_id = 0 | time_bins = \"each\"");
    undated
        .iter_mut()
        .for_each(|bin| bin.id = "early".to_owned());
    assert_eq!(proposed(&undated), "");
}

#[test]
fn units_of_starts_and_ends_are_brought_to_milliseconds_where_they_differ() {
    let of = |a: &str, b: &str| {
        let unit = |unit: &str| Some(unit.to_owned()).filter(|unit| !unit.is_empty());
        in_one_unit((vec![0.0, 1.0], unit(a)), (vec![0.5, 2.0], unit(b)))
    };
    let as_they_are =
        |unit: Option<&str>| Some((vec![0.0, 1.0], vec![0.5, 2.0], unit.map(str::to_owned)));
    assert_eq!(of("s", "s"), as_they_are(Some("s")));
    assert_eq!(of("s", ""), as_they_are(Some("s")));
    assert_eq!(of("", "frames"), as_they_are(Some("frames")));
    assert_eq!(of("", ""), as_they_are(None));
    let ms = Some("ms".to_owned());
    assert_eq!(
        of("seconds", "milliseconds"),
        Some((vec![0.0, 1e3], vec![0.5, 2.0], ms.clone()))
    );
    assert_eq!(
        of("minutes", "hours"),
        Some((vec![0.0, 6e4], vec![1.8e6, 7.2e6], ms))
    );
    assert_eq!(of("frames", "ms"), None);
}
