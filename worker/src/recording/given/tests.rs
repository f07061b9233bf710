//! Train and test recordings of `tests/given` (`make_given.py`), whose scores are tested through the command line.

use miette::Diagnostic;

use nrp_proto::sweep::Ceiling;

use super::*;
use crate::recording::average::average;
use crate::recording::bins::{Span, TimeBin};
use crate::recording::tests::testdata;
use crate::recording::{Layout, Source, SubjectChoice};

struct Folder(tempfile::TempDir);

fn of_given(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/given")
        .join(name)
}

impl Folder {
    /// Stimulus sets and images of 56 stimuli, of which the first 44 train.
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().expect("a temporary folder"));
        std::fs::create_dir(folder.path("images")).expect("a folder");
        for (name, ids) in [
            ("train.csv", 0..44),
            ("test.csv", 44..56),
            ("all.csv", 0..56),
        ] {
            let lines = ids.map(|at| format!("{at:03},{at}.png\n"));
            let csv = format!("stimulus_id,filename\n{}", lines.collect::<String>());
            std::fs::write(folder.path(name), csv).expect("a stimulus set");
        }
        for at in 0..56 {
            let image = image::RgbImage::from_pixel(2, 2, image::Rgb([at as u8, 0, 0]));
            let path = folder.path("images").join(format!("{at}.png"));
            image.save(path).expect("a saved image");
        }
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn files(&self, assembly: &str, stimuli: &str, layout: &Layout) -> Files {
        Files {
            assembly: of_given(assembly),
            stimuli: self.path(stimuli),
            images: self.path("images"),
            layout: layout.clone(),
        }
    }
}

fn layout(subjects: SubjectChoice, filter: &str) -> Layout {
    Layout {
        subjects,
        filter: (!filter.is_empty()).then(|| filter.parse().expect("a filter")),
        ..Layout::evident()
    }
}

fn bits(of: &[f64]) -> Vec<u64> {
    of.iter().map(|of| of.to_bits()).collect()
}

#[test]
fn stimuli_that_train_come_first_and_repetitions_of_those_that_test_make_the_ceiling() {
    let folder = Folder::new();
    let plain = layout(SubjectChoice::Together, "");
    let [train, test] = ["train", "test"]
        .map(|part| folder.files(&format!("{part}.nc"), &format!("{part}.csv"), &plain));
    let both = open(&train, &test, &[]).expect("recordings");
    assert_eq!((both.stimuli.len(), both.trains), (56, Some(44)));
    assert_eq!(both.lines, (0..56).collect::<Vec<_>>());
    let [region] = &both.regions[..] else {
        panic!("one region");
    };
    let alone = |files: &Files| {
        let source = Source::Files {
            assembly: files.assembly.clone(),
            stimuli: files.stimuli.clone(),
            images: files.images.clone(),
            layout: files.layout.clone(),
        };
        Recordings::open(&source, &[])
            .expect("recordings")
            .regions
            .remove(0)
    };
    let (of_train, of_test) = (alone(&train), alone(&test));
    assert_eq!(region.sites, of_train.sites);
    assert_ne!(region.sites, of_test.sites, "another order");
    let (sites, from) = (15, 44 * 15);
    assert_eq!(bits(&region.responses[..from]), bits(&of_train.responses));
    let noise = region.noise.as_ref().expect("repetitions");
    let noise_alone = of_test.noise.as_ref().expect("repetitions");
    assert!(noise.errors[..from].iter().all(|of| of.is_nan()));
    for (column, site) in region.sites.iter().enumerate() {
        let other = of_test
            .sites
            .iter()
            .position(|of| of == site)
            .expect("the site");
        for row in 0..12 {
            let here = from + row * sites + column;
            let there = row * sites + other;
            assert_eq!(region.responses[here], of_test.responses[there], "{site}");
            assert_eq!(noise.errors[here], noise_alone.errors[there], "{site}");
        }
        assert_eq!(
            noise.ceilings[column], noise_alone.ceilings[other],
            "{site}"
        );
    }
    assert_eq!(noise.consistency, noise_alone.consistency);
    // Pictures are those of their stimuli, and one stimulus set may list both.
    assert_eq!(both.image(50).expect("a picture").get_pixel(0, 0).0[0], 50);
    let of_one_set = ["train.nc", "test.nc"].map(|file| folder.files(file, "all.csv", &plain));
    let of_one_set = open(&of_one_set[0], &of_one_set[1], &[]).expect("recordings");
    assert_eq!((of_one_set.listed, &of_one_set.lines), (56, &both.lines));
    assert_eq!(
        bits(&of_one_set.regions[0].responses),
        bits(&region.responses)
    );
}

#[test]
fn a_filter_decides_in_both_and_each_subject_is_a_region() {
    let folder = Folder::new();
    let of = layout(SubjectChoice::Each, "reliability > 0.3");
    let [train, test] = ["train", "test"]
        .map(|part| folder.files(&format!("{part}.nc"), &format!("{part}.csv"), &of));
    let both = open(&train, &test, &["IT".to_owned()]).expect("recordings");
    let names: Vec<&str> = both.regions.iter().map(|of| of.name.as_str()).collect();
    assert_eq!(names, ["IT/Ada", "IT/Bo", "IT/Cy"]);
    let sites: usize = both.regions.iter().map(|of| of.sites.len()).sum();
    assert_eq!(sites, 13);
    let told = both.notices.join("\n");
    assert!(
        told.contains("`sites = \"reliability > 0.3\"`: 13 of 15 sites"),
        "{told}"
    );
    assert!(told.contains("is by the coordinate of"), "{told}");
    let source = Source::Given { train, test };
    assert!(source.has_several_subjects(&[]));
    let digests = source.digests().expect("digests");
    let other = source.of_each_subject().digests().expect("digests");
    assert_eq!(digests, other);
    let unfiltered = layout(SubjectChoice::Each, "");
    let [train, test] = ["train", "test"]
        .map(|part| folder.files(&format!("{part}.nc"), &format!("{part}.csv"), &unfiltered));
    let unfiltered = Source::Given { train, test }.digests().expect("digests");
    assert_ne!(unfiltered.recordings, digests.recordings);
    assert_eq!(unfiltered.stimuli, digests.stimuli);
}

#[test]
fn a_subject_whose_sites_all_fail_the_filter_is_said() {
    let folder = Folder::new();
    let of = layout(SubjectChoice::One("Ada".to_owned()), "animal == Bo");
    let [train, test] = ["train", "test"]
        .map(|part| folder.files(&format!("{part}.nc"), &format!("{part}.csv"), &of));
    for regions in [&[][..], &["IT".to_owned()]] {
        let refused = open(&train, &test, regions)
            .map(|_| ())
            .expect_err("no site");
        let refused = refused.to_string();
        let said = "of 15 sites of ";
        assert!(refused.contains(said), "{refused}");
        assert!(
            refused.contains("is read: `subject = \"Ada\"` and `sites = \"animal == Bo\"`"),
            "{refused}"
        );
    }
}

#[test]
fn one_assembly_may_hold_both_and_stimulus_sets_choose() {
    let folder = Folder::new();
    let plain = layout(SubjectChoice::Together, "");
    std::fs::write(
        folder.path("few.csv"),
        "stimulus_id,filename\n050,50.png\n044,44.png\n",
    )
    .expect("written");
    std::fs::write(
        folder.path("rest.csv"),
        "stimulus_id,filename\n045,45.png\n",
    )
    .expect("written");
    let [train, test] = ["few.csv", "rest.csv"].map(|set| folder.files("test.nc", set, &plain));
    let both = open(&train, &test, &[]).expect("recordings");
    let ids: Vec<&str> = both.stimuli.iter().map(|of| of.id.as_str()).collect();
    assert_eq!((ids, both.trains), (vec!["050", "044", "045"], Some(2)));
    let told = both.notices.join("\n");
    assert!(told.contains("chooses 2 of 12 stimuli in"), "{told}");
    let [train, test] = ["few.csv", "test.csv"].map(|set| folder.files("test.nc", set, &plain));
    let refused = open(&train, &test, &[]).err().expect("an error");
    let text = refused.to_string();
    assert!(
        text.starts_with("2 stimuli both in the train and"),
        "{text}"
    );
    assert!(text.ends_with("`044`, `050`"), "{text}");
    // Of two files, each stimulus set must list all that its file shows.
    let [train, test] = [("train.nc", "few.csv"), ("test.nc", "test.csv")]
        .map(|(file, set)| folder.files(file, set, &plain));
    let refused = open(&train, &test, &[]).err().expect("an error");
    assert!(
        matches!(refused, RecordingError::NotListed { count: 44, .. }),
        "{refused}"
    );
}

#[test]
fn other_sites_and_an_unknown_coordinate_are_told_with_their_file() {
    let folder = Folder::new();
    let plain = layout(SubjectChoice::Together, "");
    std::fs::write(
        folder.path("four.csv"),
        "stimulus_id,filename\ns0,0.png\ns1,1.png\ns2,2.png\ns3,3.png\n",
    )
    .expect("written");
    let train = Files {
        assembly: testdata("subjects.nc"),
        ..folder.files("train.nc", "four.csv", &plain)
    };
    let test = folder.files("test.nc", "test.csv", &plain);
    let refused = open(&train, &test, &["IT".to_owned()])
        .err()
        .expect("an error");
    let text = refused.to_string();
    assert!(
        text.starts_with("2 sites of `") && text.ends_with("`F/1 (IT)`, `N/1 (IT)`"),
        "{text}"
    );
    assert!(refused.help().is_some());
    let of = layout(SubjectChoice::Together, "reliabilty > 0.3");
    let [train, test] = ["train", "test"]
        .map(|part| folder.files(&format!("{part}.nc"), &format!("{part}.csv"), &of));
    let refused = open(&train, &test, &[]).err().expect("an error");
    let help = refused.help().expect("help").to_string();
    assert!(help.ends_with("did you mean `reliability`?"), "{help}");
}

/// Of two sites, to one stimulus twice.
fn rows(path: &str, stimulus: &str, values: [f64; 4]) -> Assembly {
    let words = |words: [&str; 2]| words.map(str::to_owned).to_vec();
    let (sites, regions) = (words(["a", "b"]), words(["V4", "V4"]));
    let shown = words([stimulus, stimulus]);
    Assembly::by_rows(Path::new(path), sites, regions, shown, values.to_vec())
}

#[test]
fn a_fault_is_told_with_the_file_that_has_it() {
    let refused = |train: [f64; 4], test: [f64; 4]| {
        let (train, test) = (rows("train.nc", "s0", train), rows("test.nc", "s1", test));
        let both = joined(train, test).expect("the same sites");
        let [part] = &both.parts[..] else {
            panic!("one region");
        };
        let ceiling = Ceiling::default();
        let refused = average(&both, part, &[0, 0, 1, 1], 2, &ceiling).expect_err("infinite");
        refused.to_string()
    };
    let (whole, broken) = ([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, f64::INFINITY]);
    let said = [refused(broken, whole), refused(whole, broken)];
    insta::assert_snapshot!(said.join("\n"), @r"
    `train.nc`: site `b` has the response inf to stimulus `s0`
    `test.nc`: site `b` has the response inf to stimulus `s1`
    ");
    // The repetitions of the test recordings alone make the ceiling.
    let folder = Folder::new();
    let of = Layout {
        ceiling: "coordinate:nothing".parse().expect("a ceiling"),
        ..layout(SubjectChoice::Together, "")
    };
    let [train, test] = ["train", "test"]
        .map(|part| folder.files(&format!("{part}.nc"), &format!("{part}.csv"), &of));
    let refused = open(&train, &test, &[]).err().expect("an error");
    let RecordingError::Ceiling { path, .. } = &refused else {
        panic!("{refused}");
    };
    assert_eq!(path, &test.assembly);
}

#[test]
fn a_bin_is_the_same_time_in_both_files() {
    let bin = |id: &str, start: f64| TimeBin {
        id: id.to_owned(),
        span: Some(Span {
            start,
            end: start + 50.0,
        }),
        unit: "ms".to_owned(),
    };
    let compared = |train: &[TimeBin], test: &[TimeBin]| {
        let of = |path, bins| Bins {
            path: Path::new(path),
            bins,
        };
        let choice = (train.len() > 1).then_some(&BinChoice::Id(1));
        let compared = refuse_other_times(choice, of("train.nc", train), of("test.nc", test));
        compared.map_err(|error| error.to_string())
    };
    let train = [bin("0", 0.0), bin("1", 50.0)];
    assert_eq!(compared(&train, &[bin("1", 50.0), bin("2", 100.0)]), Ok(()));
    assert_eq!(
        compared(&train, &[bin("1", 100.0)]),
        Err("the time bin is 50-100 ms in `train.nc` and 100-150 ms in `test.nc`".to_owned())
    );
    assert_eq!(compared(&train[..1], &[bin("9", 0.0)]), Ok(()));
    assert_eq!(
        compared(&train[..1], &train[1..]),
        Err("the time bin is 0-50 ms in `train.nc` and 50-100 ms in `test.nc`".to_owned())
    );
    let undated = TimeBin {
        span: None,
        ..bin("1", 0.0)
    };
    assert_eq!(compared(&train, &[undated]), Ok(()), "nothing is known");
}
