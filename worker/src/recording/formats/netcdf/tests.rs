//! NetCDF files of many shapes and writers, against the numbers that were stored and against what xarray
//! 2026.9 reads (`testdata/make_netcdf.py`).

mod bins;
mod brain_score;

use std::path::{Path, PathBuf};

use miette::Diagnostic;

use crate::recording::formats::Asked;
use crate::recording::tests::handed::handed;
use crate::recording::tests::{Files, assert_near, testdata, written};
use crate::recording::{Layout, RecordingError, Recordings, Source, check};

/// The order of `stimuli.csv`.
const ROWS: [usize; 4] = [3, 1, 0, 2];

fn source(files: &Files, path: PathBuf, variable: Option<&str>) -> Source {
    let mut source = files.source(path);
    if let Source::Files { layout, .. } = &mut source {
        layout.variable = variable.map(str::to_owned);
    }
    source
}

fn open(file: &str, variable: Option<&str>) -> Result<Recordings, RecordingError> {
    let files = Files::new();
    Recordings::open(&source(&files, testdata(file), variable), &[])
}

fn refused(file: &str, variable: Option<&str>) -> (String, String) {
    let error = open(file, variable).err().expect("an error");
    let hint = error.help().expect("a hint").to_string();
    let folder = testdata("");
    let text = error
        .to_string()
        .replace(folder.to_str().expect("a path"), "");
    (text, hint)
}

/// Compares the responses of V4 and IT with those that were written, less `more`.
fn assert_written(file: &str, recordings: &Recordings, more: f64, tolerance: f64) {
    let names: Vec<&str> = recordings.regions.iter().map(|r| r.name.as_str()).collect();
    assert_eq!(names, ["V4", "IT"], "{file}");
    let mut first = 0;
    for region in &recordings.regions {
        let sites = region.sites.len();
        for (row, stimulus) in ROWS.into_iter().enumerate() {
            for site in 0..sites {
                let found = region.responses[row * sites + site] - more;
                let expected = written(first + site, stimulus);
                assert!(
                    (found - expected).abs() <= tolerance * expected.abs().max(1.0),
                    "{file}: {found} for {expected}"
                );
            }
        }
        assert_eq!(region.repetitions, (3, 3), "{file}");
        assert!(region.noise.is_some(), "{file}");
        first += sites;
    }
    assert_eq!(first, 5, "{file}");
}

#[test]
fn types_and_filters_are_read() {
    for (file, tolerance) in [
        // Half precision rounds by 2^-11; single precision by 2^-24.
        ("float16.nc", 5e-4),
        ("zstd-big-endian.nc", 1e-12),
        ("enumeration.nc", 1e-6),
        ("odd-neighbours.nc", 1e-6),
    ] {
        let recordings = open(file, None).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_written(file, &recordings, 0.0, tolerance);
        assert_eq!(recordings.notices, Vec::<String>::new(), "{file}");
    }
}

#[test]
fn responses_in_a_group_are_found_and_those_in_the_root_come_first() {
    let recordings = open("group.nc", None).expect("recordings");
    assert_written("group.nc", &recordings, 0.0, 1e-6);
    assert_eq!(recordings.notices, Vec::<String>::new());
    let named = open("group.nc", Some("monkey/session1/data")).expect("recordings");
    assert_eq!(named.regions[0].responses, recordings.regions[0].responses);

    let recordings = open("root-and-group.nc", None).expect("recordings");
    assert_written("root-and-group.nc", &recordings, 0.0, 1e-6);
    assert_eq!(
        recordings.notices,
        ["`data` is read; in groups there are `train/data` (`variable` chooses)"]
    );
    let recordings = open("root-and-group.nc", Some("/train/data")).expect("recordings");
    // 100 more, in single precision.
    assert_written("train/data", &recordings, 100.0, 1e-5);
    assert_eq!(recordings.notices, Vec::<String>::new());
}

#[test]
fn one_word_is_the_region_of_all_sites() {
    for file in ["one-region.nc", "one-region-classic.nc"] {
        let recordings = open(file, None).unwrap_or_else(|error| panic!("{file}: {error}"));
        let [region] = &recordings.regions[..] else {
            panic!("{file}: {} regions", recordings.regions.len());
        };
        assert_eq!((region.name.as_str(), region.sites.len()), ("V4", 5));
        assert_near(region.responses[4], written(4, ROWS[0]));
    }
}

#[test]
fn repetitions_may_have_an_axis_of_their_own() {
    let recordings = open("repetition-axis.nc", None).expect("recordings");
    assert_written("repetition-axis.nc", &recordings, 0.0, 1e-6);
}

#[test]
fn sites_without_a_region_are_left_out_and_counted() {
    let recordings = open("unnamed-region.nc", None).expect("recordings");
    let sites: Vec<usize> = recordings.regions.iter().map(|r| r.sites.len()).collect();
    assert_eq!(sites, [2, 2]);
    let notice = "1 site with an empty `region`, left out";
    assert_eq!(recordings.notices, [notice]);
    let report =
        check(&[testdata("unnamed-region.nc")], &Layout::evident(), &[]).expect("a report");
    assert_eq!(report.notices, [notice]);
}

#[test]
fn the_only_coordinate_of_a_dimension_is_taken_and_said() {
    for (file, sites, shown) in [
        ("only-2022.nc", "neuroid_", "presentation_"),
        ("only-index.nc", "neuroid", "presentation"),
    ] {
        let recordings = open(file, None).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_written(file, &recordings, 0.0, 1e-6);
        assert_eq!(recordings.regions[1].sites, ["73", "74"], "{file}");
        let notices = recordings.notices.join("; ");
        assert!(
            notices.contains(&format!("named by `{sites}`")),
            "{notices}"
        );
        assert!(
            notices.contains(&format!("`{shown}` is taken for it")),
            "{notices}"
        );
    }
}

#[test]
fn a_mask_is_not_responses_and_that_it_is_not_applied_is_said() {
    for file in ["mask-netcdf4.nc", "mask-h5netcdf.nc"] {
        let recordings = open(file, None).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_written(file, &recordings, 0.0, 1e-6);
        assert_eq!(
            recordings.notices,
            ["`mask`, true or false for each response, is not applied to `data`"]
        );
        let (text, _) = refused(file, Some("mask"));
        assert!(text.contains("of true and false"), "{text}");
    }
}

#[test]
fn of_several_variables_the_user_says_which() {
    let (text, hint) = refused("sem.nc", None);
    assert!(
        text.starts_with("`sem.nc` has 2 variables (`rates`, `sem`) of numbers over neuroid"),
        "{text}"
    );
    assert_eq!(
        hint,
        "say which has the responses: `variable = \"rates\"` under `[recordings]` (or \"sem\"); in \
         `nrp data check`, `--variable rates`"
    );
    let rates = open("sem.nc", Some("rates")).expect("recordings");
    assert_written("sem.nc", &rates, 0.0, 1e-6);
    let sem = open("sem.nc", Some("sem")).expect("recordings");
    assert_near(sem.regions[1].responses[0] * 10.0, written(3, ROWS[0]));
    let (text, hint) = refused("sem.nc", Some("rate"));
    assert!(
        text.starts_with("`sem.nc` has no variable `rate`; its variables are"),
        "{text}"
    );
    assert!(hint.ends_with("; did you mean `rates`?"), "{hint}");
    let (text, _) = refused("sem.nc", Some("labels"));
    assert!(
        text.contains("`labels` (neuroid x presentation) of words"),
        "{text}"
    );
}

#[test]
fn numbers_are_unpacked_as_xarray_does() {
    let expected = std::fs::read_to_string(testdata("packing.json")).expect("test data");
    let expected: serde_json::Value = serde_json::from_str(&expected).expect("JSON");
    let expected = expected.as_object().expect("variables");
    assert_eq!(expected.len(), 9);
    for (name, rows) in expected {
        let layout = Layout {
            variable: Some(name.clone()),
            ..Layout::evident()
        };
        let assembly = super::super::open(&super::Asked {
            path: &testdata("packing.nc"),
            layout: &layout,
            stimuli: None,
            variations: &[],
            regions: &[],
            kept: None,
        });
        let assembly = assembly.expect("an assembly").assembly;
        for (site, row) in rows.as_array().expect("sites").iter().enumerate() {
            for (presentation, expected) in row.as_array().expect("row").iter().enumerate() {
                let found = assembly.value(presentation, site);
                // xarray unpacks 16-bit integers in single precision.
                match expected.as_f64() {
                    None => assert!(found.is_nan(), "{name}: {found} at {site}, {presentation}"),
                    Some(of) => assert!(
                        (found - of).abs() <= 1e-6 * of.abs().max(1.0),
                        "{name}: {found} for {of}"
                    ),
                }
            }
        }
        let notices = assembly.notices.join("; ");
        assert_eq!(
            notices.contains("outside its valid range: read as they are"),
            ["valid", "lowest"].contains(&name.as_str()),
            "{name}: {notices}"
        );
    }
}

#[test]
fn a_missing_value_in_another_precision_marks_the_stored_one() {
    // xarray compares 1e20 with the stored single, which is another number, and keeps it.
    let recordings = open("packing.nc", Some("double")).expect("recordings");
    let region = &recordings.regions[0];
    assert_eq!(region.repetitions, (2, 3));
    assert!(region.responses.iter().all(|value| *value < 60.0));
}

#[test]
fn values_that_were_never_written_are_missing() {
    let recordings = open("packing.nc", Some("unwritten")).expect("recordings");
    // The last presentation, of the last stimulus, is the third of three.
    let region = &recordings.regions[1];
    assert_eq!(region.repetitions, (2, 3));
    assert_near(region.responses[0], 36.0 + 5.0);
    assert!(
        recordings.notices.contains(
            &"5 values of `unwritten` never written (netCDF's default fill value): read as missing"
                .to_owned()
        ),
        "{:?}",
        recordings.notices
    );
}

/// The source of files of `../shared/inputs`, in one folder.
fn given(folder: &Path, file: &str) -> Source {
    Source::Files {
        assembly: folder.join(file),
        stimuli: folder.join("stimuli.csv"),
        images: folder.join("images.zip"),
        layout: Layout::evident(),
    }
}

/// The regions with their sites, and the sum of all responses.
fn summary(recordings: &Recordings) -> (Vec<(String, usize)>, f64) {
    let regions = recordings.regions.iter();
    let all = regions.clone().flat_map(|region| &region.responses);
    let sum = all.filter(|value| !value.is_nan()).sum();
    let named = regions.map(|region| (region.name.clone(), region.sites.len()));
    (named.collect(), sum)
}

#[test]
fn handed_files_are_read_whatever_their_name_and_filter() {
    let Some(folder) = handed("filters") else {
        return;
    };
    let open = |folder: &Path, file: &str| {
        let recordings = Recordings::open(&given(folder, file), &[]);
        summary(&recordings.unwrap_or_else(|error| panic!("{file}: {}", error.in_full())))
    };
    let zstd = open(&folder, "zstd.nc");
    assert_eq!(open(&folder, "blosc_zstd.nc"), zstd);
    let half = open(&folder, "float16.nc");
    assert_eq!(half.0, zstd.0);
    assert!(
        (half.1 - zstd.1).abs() < 1e-3 * zstd.1.abs(),
        "{half:?} {zstd:?}"
    );

    let folder = handed("endings").expect("beside the others");
    let whole = open(&folder, "assy.nc4");
    assert_eq!(whole.0, [("V4".to_owned(), 5), ("IT".to_owned(), 4)]);
    assert_eq!(open(&folder, "assy.NC"), whole);
    assert_eq!(open(&folder, "assembly.h5"), whole);
    let (regions, _) = open(&folder, "V4.NPY");
    assert_eq!(regions[0].0, "V4");
}

#[test]
fn handed_shapes_are_read_or_refused_with_what_to_do() {
    let Some(folder) = handed("shapes") else {
        return;
    };
    let read = |file: &str| {
        let recordings = Recordings::open(&given(&folder, file), &[]);
        recordings.unwrap_or_else(|error| panic!("{file}: {}", error.in_full()))
    };
    let both = [("V4".to_owned(), 5), ("IT".to_owned(), 4)];
    let group = summary(&read("group.nc"));
    assert_eq!(group.0, both);
    assert_eq!(summary(&read("enum-region.nc")).0, both);
    assert_eq!(summary(&read("region-scalar.nc")).0, both[..1]);
    let unnamed = read("empty-region.nc");
    assert_eq!(summary(&unnamed).0, both[..1]);
    assert_eq!(
        unnamed.notices,
        ["4 sites with an empty `region`, left out"]
    );
    let refused = |file: &str| {
        let error = Recordings::open(&given(&folder, file), &[]).err();
        let error = error.expect("an error");
        (error.to_string(), error.help().expect("a hint").to_string())
    };
    let (text, hint) = refused("two-bins.nc");
    assert!(text.contains("has 2 time bins ("), "{text}");
    // Both are from 70 to 170, so neither a window nor a region of each can be read.
    assert!(hint.contains("`time_bin_id = 0`"), "{hint}");
    assert!(
        !hint.contains("each") && !hint.contains("time_bin = "),
        "{hint}"
    );
    let (text, hint) = refused("two-variables.nc");
    assert!(text.contains("2 variables (`data`, `sem`)"), "{text}");
    assert!(hint.contains("variable = \"data\""), "{hint}");
}

#[test]
fn more_presentations_than_are_read_are_refused_before_they_are_named() {
    let (error, _) = refused("odd-many.nc", None);
    assert!(
        error.contains("`data` has 4096 x 4097 presentations, of which 16777216 can be named"),
        "{error}"
    );
}

/// A table of stimuli is read without the blanks around its fields.
#[test]
fn ids_between_blanks_are_those_that_the_stimulus_set_has_without() {
    let recordings = open("odd-padded.nc", None).expect("recordings");
    assert_near(recordings.regions[0].responses[1], 7.0);
    // Rows 3, 1, 0 and 2.
    assert_eq!(
        recordings.regions[0].responses,
        [6.0, 7.0, 2.0, 3.0, 0.0, 1.0, 4.0, 5.0]
    );
}

#[test]
fn ids_are_numbers_where_the_file_stores_numbers() {
    let are_text = |file: &str| {
        let opened = super::open(&Asked {
            path: &testdata(file),
            layout: &Layout::evident(),
            stimuli: None,
            variations: &[],
            regions: &[],
            kept: None,
        });
        opened.expect(file).assembly.ids_are_text
    };
    assert!(!are_text("odd-numbers.nc"));
    for file in ["odd-padded.nc", "newer-netcdf4.nc", "classic.nc"] {
        assert!(are_text(file), "{file}");
    }
}
