//! Time bins, subjects and regions that the user names, against what xarray 2026.9 reads of the same files
//! (`testdata/make_bins.py`).

use miette::Diagnostic;

use crate::recording::assembly::Assembly;
use crate::recording::bins::TimeBin;
use crate::recording::formats::Asked;
use crate::recording::tests::{Files, testdata};
use crate::recording::{
    BinChoice, Layout, RecordingError, Recordings, Source, SubjectChoice, check,
};

fn layout(bins: Option<BinChoice>) -> Layout {
    Layout {
        bins,
        ..Layout::evident()
    }
}

fn read(file: &str, layout: &Layout, regions: &[&str]) -> Result<Assembly, RecordingError> {
    let regions: Vec<String> = regions.iter().map(|&region| region.to_owned()).collect();
    let opened = super::super::super::open(&Asked {
        path: &testdata(file),
        layout,
        stimuli: None,
        variations: &[],
        regions: &regions,
        kept: None,
    });
    opened.map(|opened| opened.assembly)
}

fn recordings(file: &str, layout: Layout, regions: &[&str]) -> Result<Recordings, RecordingError> {
    let files = Files::new();
    let mut source = files.source(testdata(file));
    if let Source::Files { layout: of, .. } = &mut source {
        *of = layout;
    }
    let regions: Vec<String> = regions.iter().map(|&region| region.to_owned()).collect();
    Recordings::open(&source, &regions)
}

/// What xarray reads of a file's two middle bins, or of its last: rows of presentations, null where all are
/// missing.
fn expected(file: &str, bins: &str) -> Vec<Vec<Option<f64>>> {
    let expected = std::fs::read_to_string(testdata("bins.json")).expect("test data");
    let expected: serde_json::Value = serde_json::from_str(&expected).expect("JSON");
    serde_json::from_value(expected[file][bins].clone()).expect("rows")
}

fn assert_read(file: &str, bins: &str, choice: BinChoice) -> Assembly {
    let assembly = read(file, &layout(Some(choice)), &[]);
    let assembly = assembly.unwrap_or_else(|error| panic!("{file}: {}", error.in_full()));
    let rows = expected(file, bins);
    assert_eq!((rows.len(), assembly.shown.len()), (12, 12), "{file}");
    let mut missing = 0;
    for (presentation, row) in rows.iter().enumerate() {
        assert_eq!((row.len(), assembly.sites.len()), (5, 5), "{file}");
        for (site, expected) in row.iter().enumerate() {
            let found = assembly.value(presentation, site);
            match expected {
                // A sum of two numbers of about 10, in another order.
                Some(expected) => assert!((found - expected).abs() < 1e-13, "{file}: {found}"),
                None => assert!(found.is_nan(), "{file}: {found}"),
            }
            missing += usize::from(expected.is_none());
        }
    }
    assert!(missing > 0 || bins == "middle", "{file}");
    assembly
}

#[test]
fn bins_are_averaged_as_xarray_does_whatever_the_order_of_axes() {
    let middle = |from, to| BinChoice::Window([from, to]);
    for (file, from, to, end) in [
        ("bins-ms.nc", 50.0, 150.0, 200.0),
        ("bins-classic.nc", 50.0, 150.0, 200.0),
        ("bins-seconds.nc", 0.01, 0.03, 0.04),
    ] {
        let assembly = assert_read(file, "middle", middle(from, to));
        let notices = assembly.notices().join("; ");
        assert!(
            notices.contains("are the mean of 2 time bins ("),
            "{notices}"
        );
        assert_read(file, "last", middle(to, end));
        assert_read(file, "last", BinChoice::Id(3));
    }
    // The same numbers, but the file has its bins in another order and with their own ids.
    let shuffled = read("bins-shuffled.nc", &layout(Some(middle(50.0, 150.0))), &[]);
    let values = |assembly: Assembly| -> Vec<u64> {
        assembly
            .values
            .iter()
            .map(|value| value.to_bits())
            .collect()
    };
    let shuffled = values(shuffled.expect("an assembly"));
    assert_eq!(
        shuffled,
        values(assert_read("bins-ms.nc", "middle", middle(50.0, 150.0)))
    );
    let last = read("bins-shuffled.nc", &layout(Some(BinChoice::Id(13))), &[]);
    let last = values(last.expect("an assembly"));
    assert_eq!(
        last,
        values(assert_read("bins-ms.nc", "last", BinChoice::Id(3)))
    );
}

#[test]
fn each_bin_is_a_region_in_the_order_of_time() {
    for (file, unit) in [("bins-ms.nc", "ms"), ("bins-shuffled.nc", "ms")] {
        let all = recordings(file, layout(Some(BinChoice::Each)), &[]).expect("recordings");
        let names: Vec<&str> = all.regions.iter().map(|of| of.name.as_str()).collect();
        let mut expected = Vec::new();
        for region in ["V4", "IT"] {
            for from in [0, 50, 100, 150] {
                expected.push(format!("{region} {from}-{} {unit}", from + 50));
            }
        }
        assert_eq!(names, expected, "{file}");
        assert_eq!(all.parts_of("IT").collect::<Vec<_>>(), expected[4..]);
        assert_eq!(all.parts_of("V").count() + all.parts_of("").count(), 0);
        assert_eq!(all.regions[1].sites, ["0", "2", "4"]);
        assert_eq!(all.regions[7].sites, ["1", "3"]);
        // One of them alone, as a worker reads it.
        for region in &all.regions {
            let alone = recordings(file, layout(Some(BinChoice::Each)), &[&region.name]);
            let alone = alone.expect("recordings");
            let bits = |of: &[f64]| of.iter().map(|of| of.to_bits()).collect::<Vec<_>>();
            assert_eq!(alone.regions.len(), 1);
            assert_eq!(bits(&alone.regions[0].responses), bits(&region.responses));
            assert_eq!(alone.regions[0].sites, region.sites);
        }
        // A region stands for those of all its bins.
        let it = recordings(file, layout(Some(BinChoice::Each)), &["IT"]).expect("recordings");
        let names: Vec<&String> = it.regions.iter().map(|of| &of.name).collect();
        assert_eq!(names, expected[4..].iter().collect::<Vec<_>>());
    }
    let mixed = ["IT 50-100 ms", "V4 0-50 ms"];
    let mixed = recordings("bins-ms.nc", layout(Some(BinChoice::Each)), &mixed);
    let sites: Vec<Vec<String>> = mixed
        .expect("recordings")
        .regions
        .into_iter()
        .map(|of| of.sites)
        .collect();
    assert_eq!(sites, [vec!["1", "3"], vec!["0", "2", "4"]]);
    let seconds = recordings("bins-seconds.nc", layout(Some(BinChoice::Each)), &["V4"]);
    let seconds = seconds.expect("recordings");
    assert_eq!(seconds.regions[2].name, "V4 0.02-0.03 s");
    let unknown = recordings("bins-ms.nc", layout(Some(BinChoice::Each)), &["V1"]).err();
    let unknown = unknown.expect("an error").to_string();
    assert!(unknown.starts_with("region `V1` is not in"), "{unknown}");
}

#[test]
fn bins_that_are_not_chosen_or_not_there_are_refused_with_what_to_do() {
    let refused = |file: &str, bins| {
        let error = read(file, &layout(bins), &[]).err().expect("an error");
        let folder = testdata("");
        let text = error.to_string();
        let text = text.replace(folder.to_str().expect("a path"), "");
        (text, error.help().expect("a hint").to_string())
    };
    let (text, hint) = refused("bins-ms.nc", None);
    assert_eq!(
        text,
        "`bins-ms.nc` has 4 time bins (0-50 ms, 50-100 ms, 100-150 ms, 150-200 ms), and none is \
         chosen"
    );
    for key in ["time_bin = [0, 200]", "time_bin_id = 0", "--time-bins each"] {
        assert!(hint.contains(key), "{hint}");
    }
    let (_, hint) = refused("bins-shuffled.nc", None);
    assert!(hint.contains("time_bin_id = 12"), "{hint}");
    let (text, hint) = refused("bins-seconds.nc", Some(BinChoice::Window([10.0, 30.0])));
    assert!(text.contains("do not cover it: there are none"), "{text}");
    assert!(hint.contains("look like seconds"), "{hint}");
    let (text, _) = refused("older-netcdf4.nc", Some(BinChoice::Id(0)));
    assert_eq!(text, "`older-netcdf4.nc` has no time bins to choose from");
    let (text, _) = refused("regions.npz", Some(BinChoice::Each));
    assert_eq!(text, "`regions.npz` has no time bins to choose from");
    // A single bin needs no choice, and may be named.
    for bins in [None, Some(BinChoice::Window([70.0, 170.0]))] {
        assert!(read("newer-netcdf4.nc", &layout(bins), &[]).is_ok());
    }
    let (text, _) = refused("newer-netcdf4.nc", Some(BinChoice::Window([70.0, 120.0])));
    assert!(text.contains("it has 1 time bin (70-170 ms)"), "{text}");
}

#[test]
fn the_user_names_the_region_of_a_file_without_one() {
    let v1 = Layout {
        region: Some("V1".to_owned()),
        ..Layout::evident()
    };
    let error = recordings("bins-only.nc", Layout::evident(), &[]).err();
    let error = error.expect("an error");
    assert!(
        error.to_string().contains("has no coordinate `region`"),
        "{error}"
    );
    let hint = error.help().expect("a hint").to_string();
    assert!(hint.contains("`region = \"V4\"`"), "{hint}");
    let named = recordings("bins-only.nc", v1.clone(), &["V1"]).expect("recordings");
    assert_eq!(named.regions[0].sites, ["0", "1", "2", "3", "4"]);
    let notices = named.notices.join("; ");
    assert!(
        notices.contains("`presentation_` is taken for it"),
        "{notices}"
    );
    assert!(notices.contains("named by `neuroid_`"), "{notices}");
    for file in ["bins-ms.nc", "one-region.nc", "regions.npz"] {
        let error = recordings(file, v1.clone(), &[]).err().expect("an error");
        let error = error.to_string();
        assert!(
            error.contains("names the regions of its sites itself"),
            "{error}"
        );
    }
}

#[test]
fn a_site_is_a_subject_and_an_id() {
    for file in ["subjects.nc", "animals.nc"] {
        let both = recordings(file, Layout::evident(), &[]).expect("recordings");
        assert_eq!(both.regions[0].sites, ["F/0", "N/0", "N/2"], "{file}");
        // The names are those of the whole file, whatever is read of it.
        let it = recordings(file, Layout::evident(), &["IT"]).expect("recordings");
        assert_eq!(it.regions[0].sites, ["F/1", "N/1"], "{file}");
        let report = check(&[testdata(file)], &Layout::evident(), &[]).expect("a report");
        assert_eq!(report.problems, Vec::<String>::new(), "{file}");
        assert_eq!(report.subjects, ["F", "N"]);
        let json = serde_json::to_value(&report.sites[..2]).expect("JSON");
        let expected = serde_json::json!([
            {"id": "0", "name": "F/0", "subject": "F", "region": "V4", "reliability": 0.5},
            {"id": "1", "name": "F/1", "subject": "F", "region": "IT"},
        ]);
        assert_eq!(json, expected);
        let repetitions = report.repetitions.expect("repetitions");
        assert_eq!((repetitions.min, repetitions.max), (3, 3));
        assert_eq!(repetitions.labels, ["0", "1", "2"]);
    }
}

#[test]
fn each_subject_is_a_region_or_one_is_read_alone() {
    let of = |subjects: SubjectChoice| Layout {
        subjects,
        ..Layout::evident()
    };
    let bits = |of: &[f64]| of.iter().map(|of| of.to_bits()).collect::<Vec<_>>();
    for file in ["subjects.nc", "animals.nc"] {
        let together = recordings(file, Layout::evident(), &[]).expect("recordings");
        let each = recordings(file, of(SubjectChoice::Each), &[]).expect("recordings");
        let names: Vec<&str> = each.regions.iter().map(|of| of.name.as_str()).collect();
        assert_eq!(names, ["V4/F", "V4/N", "IT/F", "IT/N"], "{file}");
        assert_eq!(each.parts_of("V4").collect::<Vec<_>>(), names[..2]);
        // Sites are named as before, and their responses are the same.
        for part in &each.regions {
            let whole = part.subject.as_ref().expect("a subject");
            assert_eq!(part.name, format!("{}/{}", whole.region, whole.subject));
            let all = together.region(&whole.region).expect("a region");
            let prefix = format!("{}/", whole.subject);
            let sites: Vec<usize> = (0..all.sites.len())
                .filter(|&site| all.sites[site].starts_with(&prefix))
                .collect();
            let named: Vec<&String> = sites.iter().map(|&site| &all.sites[site]).collect();
            assert_eq!(part.sites.iter().collect::<Vec<_>>(), named, "{file}");
            let rows = all.responses.chunks(all.sites.len());
            let expected: Vec<f64> = rows
                .flat_map(|row| sites.iter().map(|&site| row[site]))
                .collect();
            assert_eq!(bits(&part.responses), bits(&expected), "{file}");
            // As a worker reads it.
            let alone = recordings(file, of(SubjectChoice::Each), &[&part.name]);
            let alone = alone.expect("recordings");
            assert_eq!(alone.regions.len(), 1);
            assert_eq!(bits(&alone.regions[0].responses), bits(&expected));
            assert_eq!(alone.regions[0].subject, part.subject);
            let one = of(SubjectChoice::One(whole.subject.clone()));
            let one = recordings(file, one, &[&whole.region]).expect("recordings");
            assert_eq!(one.regions[0].name, whole.region);
            assert_eq!(one.regions[0].subject, None);
            assert_eq!(bits(&one.regions[0].responses), bits(&expected));
        }
        let it = recordings(file, of(SubjectChoice::Each), &["IT"]).expect("recordings");
        assert_eq!((it.regions.len(), it.regions[1].name.as_str()), (2, "IT/N"));
        // A check is of the same mind.
        let layout = of(SubjectChoice::Each);
        let report = check(&[testdata(file)], &layout, &["V4".to_owned()]).expect("a report");
        assert_eq!(report.problems, Vec::<String>::new(), "{file}");
        let regions = report.assembly.expect("an assembly").regions;
        let regions: Vec<&str> = regions.iter().map(|of| of.region.as_str()).collect();
        assert_eq!(regions, names[..2], "{file}");
    }
    let unknown = of(SubjectChoice::One("M".to_owned()));
    let error = recordings("subjects.nc", unknown, &[])
        .err()
        .expect("an error");
    assert!(
        error.to_string().starts_with("subject `M` is not in"),
        "{error}"
    );
    let nameless = Layout {
        region: Some("V1".to_owned()),
        ..of(SubjectChoice::Each)
    };
    let error = recordings("bins-only.nc", nameless, &[]).err();
    assert!(
        error
            .expect("an error")
            .to_string()
            .contains("does not say which subject")
    );
    let error = recordings("regions.npz", of(SubjectChoice::Each), &[]).err();
    assert!(
        error
            .expect("an error")
            .to_string()
            .contains("does not say which subject")
    );
}

#[test]
fn a_subject_of_which_no_site_passes_is_named() {
    let told = |filter: &str, subjects, regions: &[&str]| {
        let layout = Layout {
            filter: Some(filter.parse().expect("a filter")),
            subjects,
            ..Layout::evident()
        };
        let notices = recordings("subjects.nc", layout, regions)
            .expect("recordings")
            .notices;
        let mut told = notices
            .into_iter()
            .filter(|of| of.starts_with("no site passes"));
        told.next()
    };
    let each = || SubjectChoice::Each;
    let all = told("subject == F", each(), &[]).expect("a notice");
    insta::assert_snapshot!(all, @"no site passes `sites` in V4 of N (of 2), IT of N (of 1), left out; there are 1 of 1 in V4 of F, 1 of 1 in IT of F");
    let it = told("subject == F", SubjectChoice::Together, &["IT"]).expect("a notice");
    insta::assert_snapshot!(it, @"no site passes `sites` in IT of N (of 1), left out; there are 1 of 1 in IT of F");
    assert_eq!(told("subject != M", each(), &[]), None);
    assert_eq!(
        told("subject == F", SubjectChoice::One("F".to_owned()), &[]),
        None
    );
}

#[test]
fn a_check_lists_the_bins_also_where_none_is_chosen() {
    let report = check(&[testdata("bins-seconds.nc")], &Layout::evident(), &[]).expect("a report");
    assert_eq!(report.problems.len(), 1);
    assert_eq!((report.time_bins.len(), report.sites.len()), (4, 5));
    let layout = layout(Some(BinChoice::Each));
    let v4 = ["V4".to_owned()];
    let report = check(&[testdata("bins-ms.nc")], &layout, &v4).expect("a report");
    assert_eq!(report.problems, Vec::<String>::new());
    let json = serde_json::to_value(&report.time_bins[1]).expect("JSON");
    let expected = serde_json::json!({"id": "1", "start": 50.0, "end": 100.0, "unit": "ms"});
    assert_eq!(json, expected);
    let regions = report.assembly.expect("an assembly").regions;
    let names: Vec<&str> = regions
        .iter()
        .map(|region| region.region.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "V4 0-50 ms",
            "V4 50-100 ms",
            "V4 100-150 ms",
            "V4 150-200 ms"
        ]
    );
}

#[test]
fn what_is_chosen_is_part_of_the_digest_and_nothing_else_is() {
    let files = Files::new();
    let subjects = |subjects: SubjectChoice| {
        let mut source = files.source(testdata("bins-ms.nc"));
        if let Source::Files { layout, .. } = &mut source {
            layout.subjects = subjects;
        }
        source.digests().expect("digests").recordings
    };
    let digest = |bins: Option<BinChoice>, region: Option<&str>| {
        let mut source = files.source(testdata("bins-ms.nc"));
        if let Source::Files { layout, .. } = &mut source {
            layout.bins = bins;
            layout.region = region.map(str::to_owned);
        }
        source.digests().expect("digests").recordings
    };
    let mut all = vec![
        digest(None, None),
        digest(None, Some("V1")),
        digest(Some(BinChoice::Window([50.0, 150.0])), None),
        digest(Some(BinChoice::Window([50.0, 100.0])), None),
        digest(Some(BinChoice::Id(0)), None),
        digest(Some(BinChoice::Each), None),
        subjects(SubjectChoice::Each),
        subjects(SubjectChoice::One("F".to_owned())),
        subjects(SubjectChoice::One("N".to_owned())),
    ];
    assert_eq!(subjects(SubjectChoice::Together), all[0]);
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 9);
}

/// xarray writes the starts of these bins in seconds and their ends in milliseconds.
#[test]
fn starts_and_ends_of_two_units_are_brought_to_one() {
    let window = |to: f64| layout(Some(BinChoice::Window([0.0, to])));
    let assembly = read("odd-durations.nc", &window(500.0), &[]).expect("a bin");
    assert_eq!(
        assembly.notices,
        ["`time_bin = [0, 500]`: responses are the mean of 1 time bin (0-500 ms)"]
    );
    assert_eq!(assembly.values, [0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0]);
    let names: Vec<String> = assembly
        .contents
        .time_bins
        .iter()
        .map(TimeBin::name)
        .collect();
    assert_eq!(names, ["0-500 ms", "1000-1500 ms"]);
    let error = read("odd-durations.nc", &window(1.5), &[]).err();
    let error = error.expect("no such window").to_string();
    assert!(error.contains("do not cover it"), "{error}");
}

#[test]
fn times_that_contradict_each_other_are_refused_with_what_to_correct() {
    for (file, problem) in [
        (
            "odd-frames.nc",
            "is in `frames`, and the end of bins in `ms`",
        ),
        ("odd-backwards.nc", "of bin 0 is 100, after its end at 50"),
    ] {
        let error = read(file, &layout(None), &[]).err().expect("an error");
        let said = error.to_string();
        assert!(said.ends_with(problem), "{said}");
        let hint = error.help().expect("a hint").to_string();
        assert!(hint.starts_with("a bin ends after it starts"), "{hint}");
    }
}
