//! Whole recordings, from small files written by xarray and, if available, real ones.

pub(super) mod handed;

use std::path::{Path, PathBuf};

use super::*;

/// A file of `testdata/`.
pub(super) fn testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/recording/testdata")
        .join(name)
}

/// Assembly, stimulus set and images of a real set, or `None` if they are not available.
pub(super) fn real(set: &str) -> Option<[PathBuf; 3]> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../shared/data")
        .join(set);
    let files = [
        folder.join(format!("assy_{set}.nc")),
        folder.join(format!("stimulus_{set}.csv")),
        folder.join(format!("stimulus_{set}.zip")),
    ];
    if files.iter().all(|file| file.is_file()) {
        return Some(files);
    }
    #[expect(
        clippy::print_stderr,
        reason = "a test that did nothing must not pass in silence"
    )]
    {
        eprintln!("skipped: no {}", folder.display());
    }
    None
}

/// Says that a test did nothing, because a folder is not there.
#[expect(
    clippy::print_stderr,
    reason = "a test that did nothing must not pass in silence"
)]
pub(super) fn skipped(folder: &Path) {
    eprintln!("skipped: no {}", folder.display());
}

/// A temporary stimulus set with a folder of images for the stimuli of `testdata/`.
pub(super) struct Files(tempfile::TempDir);

impl Files {
    pub(super) fn new() -> Self {
        let files = Self(tempfile::tempdir().expect("a temporary folder"));
        std::fs::create_dir(files.images()).expect("a folder");
        let mut csv = "stimulus_id,filename,object_name\n".to_owned();
        for (i, id) in ["s3", "s1", "s0", "s2"].into_iter().enumerate() {
            csv.push_str(&format!("{id},{id}.png,object{}\n", i % 2));
            let image = RgbImage::from_pixel(2, 3, image::Rgb([i as u8, 10, 20]));
            image
                .save(files.images().join(format!("{id}.png")))
                .expect("a saved image");
        }
        files.write_stimuli(&csv);
        files
    }

    pub(super) fn root(&self) -> String {
        format!("{}/", self.0.path().display())
    }

    pub(super) fn stimuli(&self) -> PathBuf {
        self.0.path().join("stimuli.csv")
    }

    pub(super) fn images(&self) -> PathBuf {
        self.0.path().join("images")
    }

    pub(super) fn write_stimuli(&self, csv: &str) {
        std::fs::write(self.stimuli(), csv).expect("a written stimulus set");
    }

    pub(super) fn write_image(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.images().join(name), bytes).expect("a written image");
    }

    pub(super) fn remove_image(&self, name: &str) {
        std::fs::remove_file(self.images().join(name)).expect("a removed image");
    }

    pub(super) fn source(&self, assembly: PathBuf) -> Source {
        Source::Files {
            assembly,
            stimuli: self.stimuli(),
            images: self.images(),
            layout: Layout::evident(),
        }
    }

    pub(super) fn open(
        &self,
        assembly: &str,
        regions: &[&str],
    ) -> Result<Recordings, RecordingError> {
        let regions: Vec<String> = regions.iter().map(|&region| region.to_owned()).collect();
        Recordings::open(&self.source(testdata(assembly)), &regions)
    }

    pub(super) fn refusal(&self, assembly: &str, regions: &[&str]) -> String {
        let error = self.open(assembly, regions).err().expect("an error");
        let folder = testdata("");
        error
            .to_string()
            .replace(&self.root(), "")
            .replace(folder.to_str().expect("a path"), "")
    }
}

/// What `make_assemblies.py` wrote: sites a1 a2 a3 (V4), b1 b2 (IT); repetitions 0, 1, 2.
pub(super) fn written(site: usize, stimulus: usize) -> f64 {
    let repetitions: &[usize] = if (site, stimulus) == (1, 3) {
        &[0, 1]
    } else {
        &[0, 1, 2]
    };
    let rates = repetitions
        .iter()
        .map(|r| (10 * site + stimulus) as f64 + *r as f64 / 10.0);
    rates.sum::<f64>() / repetitions.len() as f64
}

pub(super) fn assert_near(found: f64, expected: f64) {
    // The files hold float32; their rounding is relative 6e-8 before averaging.
    assert!(
        (found - expected).abs() <= 4e-6 * expected.abs().max(1.0),
        "{found} for {expected}"
    );
}

#[test]
fn every_spelling_and_engine_reads_the_same() {
    let files = Files::new();
    for assembly in [
        "newer-netcdf4.nc",
        "newer-h5netcdf.nc",
        "older-netcdf4.nc",
        "older-h5netcdf.nc",
        "fixed-strings.nc",
        "middle-h5netcdf.nc",
        "classic.nc",
    ] {
        let recordings = files.open(assembly, &[]).expect(assembly);
        let ids: Vec<&str> = recordings.stimuli.iter().map(|s| s.id.as_str()).collect();
        assert_eq!(
            ids,
            ["s3", "s1", "s0", "s2"],
            "{assembly}: the order of the stimulus set"
        );
        assert!(recordings.notices.is_empty() && !recordings.simulated);
        let names: Vec<&str> = recordings.regions.iter().map(|r| r.name.as_str()).collect();
        assert_eq!(names, ["V4", "IT"], "{assembly}");
        let v4 = recordings.region("V4").expect("V4");
        assert_eq!(v4.sites, ["a1", "a2", "a3"], "{assembly}");
        assert_eq!(v4.repetitions, (3, 3), "{assembly}");
        let it = recordings.region("IT").expect("IT");
        assert_eq!(it.sites, ["b1", "b2"], "{assembly}");
        for (row, stimulus) in [3, 1, 0, 2].into_iter().enumerate() {
            for site in 0..3 {
                assert_near(v4.responses[row * 3 + site], written(site, stimulus));
            }
            for site in 0..2 {
                assert_near(it.responses[row * 2 + site], written(3 + site, stimulus));
            }
        }
        let image = recordings.image(2).expect("an image");
        assert_eq!(
            (image.dimensions(), image.get_pixel(0, 0).0),
            ((2, 3), [2, 10, 20])
        );
    }
}

#[test]
fn whole_numbers_are_read_as_numbers() {
    let recordings = Files::new()
        .open("integers.nc", &["IT"])
        .expect("recordings");
    assert_eq!(recordings.regions.len(), 1);
    assert_eq!(
        recordings.regions[0].responses,
        [33.0, 43.0, 31.0, 41.0, 30.0, 40.0, 32.0, 42.0]
    );
}

#[test]
fn regions_are_chosen_by_name_in_the_order_asked() {
    let files = Files::new();
    let recordings = files
        .open("newer-netcdf4.nc", &["IT", "V4", "IT"])
        .expect("recordings");
    let names: Vec<&str> = recordings.regions.iter().map(|r| r.name.as_str()).collect();
    assert_eq!(names, ["IT", "V4"]);
    assert_eq!(
        files.refusal("newer-netcdf4.nc", &["it"]),
        "region `it` is not in `newer-netcdf4.nc`"
    );
}

#[test]
fn a_silent_site_spoils_its_own_region_only() {
    let files = Files::new();
    assert_eq!(
        files.refusal("silent-site.nc", &[]),
        "`silent-site.nc`: 1 site recorded nothing (all values are NaN): `b2`"
    );
    assert!(files.open("silent-site.nc", &["V4"]).is_ok());
}

#[test]
fn shapes_that_mean_something_else_are_refused() {
    let files = Files::new();
    assert_eq!(
        files.refusal("three-bins.nc", &[]),
        "`three-bins.nc` has 3 time bins (70-170 ms, 170-270 ms, 270-370 ms), and none is chosen"
    );
    assert_eq!(
        files.refusal("infinite.nc", &[]),
        "`infinite.nc`: site `a1` has the response inf to stimulus `s1`"
    );
    assert_eq!(
        files.refusal("plain-hdf5.nc", &[]),
        "`plain-hdf5.nc` has no variable of numbers over neuroid x presentation; its variables are \
         `weights` (2 x 3)"
    );
    let page = files.stimuli().with_file_name("page.nc");
    std::fs::copy(testdata("pictures.csv"), &page).expect("a copy");
    let refused = Recordings::open(&files.source(page), &[]).err();
    let refused = refused.expect("an error").to_string();
    assert_eq!(
        refused.replace(&files.root(), ""),
        "`page.nc` is not a netCDF file: it starts with the text \"mode,rgb_hex\\nrgb\""
    );
    assert_eq!(
        files.refusal("pictures.csv", &[]),
        "`pictures.csv` is not a file of recordings"
    );
}

#[test]
fn stimuli_and_images_must_match_the_assembly() {
    let files = Files::new();
    files.remove_image("s1.png");
    assert_eq!(
        files.refusal("newer-netcdf4.nc", &[]),
        "`images` has no image of 1 stimulus: `s1 (s1.png)`"
    );
    files.write_stimuli("stimulus_id\ns0\ns1\ns2\n");
    assert_eq!(
        files.refusal("newer-netcdf4.nc", &[]),
        "1 stimulus of `newer-netcdf4.nc` not in `stimuli.csv`: `s3`"
    );
    let files = Files::new();
    files.write_stimuli("image_id\ns0\nnever\ns1\ns2\ns3\n");
    let recordings = files.open("older-netcdf4.nc", &[]).expect("recordings");
    assert_eq!(recordings.stimuli.len(), 4);
    assert_eq!(recordings.notices.len(), 1);
    assert!(recordings.notices[0].ends_with("never shown, left out: `never`"));
}

#[test]
fn a_file_that_is_gone_is_named() {
    let files = Files::new();
    for name in ["gone.nc", "gone.npz", "gone.npy"] {
        assert_eq!(files.refusal(name, &[]), format!("cannot read `{name}`"));
    }
}

#[test]
fn a_truncated_assembly_is_an_error_at_every_length() {
    for name in ["newer-netcdf4.nc", "older-h5netcdf.nc", "fixed-strings.nc"] {
        let whole = std::fs::read(testdata(name)).expect("the assembly");
        let files = Files::new();
        let path = files.0.path().join("short.nc");
        for length in (0..whole.len()).step_by(53) {
            std::fs::write(&path, &whole[..length]).expect("a written file");
            let error = Recordings::open(&files.source(path.clone()), &[]).err();
            let error = error.unwrap_or_else(|| panic!("{name} read, cut to {length} bytes"));
            assert!(error.to_string().contains("short.nc"), "{error}");
            assert!(
                !matches!(error, RecordingError::ReaderGaveUp { .. }),
                "{length}: {error}"
            );
        }
    }
}

#[test]
fn flipped_bytes_never_panic() {
    let files = Files::new();
    let path = files.0.path().join("flipped.nc");
    for name in ["newer-netcdf4.nc", "older-h5netcdf.nc"] {
        let whole = std::fs::read(testdata(name)).expect("the assembly");
        for at in (0..whole.len()).step_by(37) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0xff;
            std::fs::write(&path, &bytes).expect("a written file");
            if let Err(error) = Recordings::open(&files.source(path.clone()), &[]) {
                assert!(
                    !matches!(error, RecordingError::ReaderGaveUp { .. }),
                    "{at}: {error}"
                );
            }
        }
    }
}

/// Other recordings with the same stimulus set may have shown others of its stimuli.
#[test]
fn the_stimuli_shown_are_told_from_the_whole_set_and_from_others_of_it() {
    let files = Files::new();
    let digest = || {
        let source = files.source(testdata("newer-netcdf4.nc"));
        let recordings = Recordings::open(&source, &[]).expect("recordings");
        (recordings.lines.clone(), recordings.stimulus_digest("set"))
    };
    assert_eq!(digest(), (vec![0, 1, 2, 3], "set".to_owned()));
    let lines = |lines: [&str; 5]| {
        files.write_stimuli(&format!("stimulus_id\n{}\n", lines.join("\n")));
        digest()
    };
    let (second, of_second) = lines(["s3", "never", "s1", "s0", "s2"]);
    let (last, of_last) = lines(["s3", "s1", "s0", "s2", "never"]);
    assert_eq!((second, last), (vec![0, 2, 3, 4], vec![0, 1, 2, 3]));
    assert!(of_second != "set" && of_last != "set" && of_second != of_last);
    assert_eq!(of_last.len(), 32);
}

#[test]
fn digests_follow_content() {
    let files = Files::new();
    let source = files.source(testdata("newer-netcdf4.nc"));
    let other = files.source(testdata("older-netcdf4.nc"));
    let digest = |source: &Source| source.digests().expect("a digest").recordings;
    let stimuli = |source: &Source| source.stimulus_digest().expect("a digest");
    let (all, seen) = (digest(&source), stimuli(&source));
    assert_eq!(all.len(), 32);
    assert!(all.chars().all(|digit| digit.is_ascii_hexdigit()));
    assert_ne!(all, digest(&other));
    assert_eq!(seen, stimuli(&other));
    // Files that no stimulus names do not count; those it names do.
    files.write_image("thumbs.db", b"junk");
    assert_eq!(seen, stimuli(&source));
    files.write_image("s2.png", b"another");
    assert_ne!(seen, stimuli(&source));
    assert_ne!(all, digest(&source));
    let of_variable = |variable: Option<&str>| {
        let mut source = files.source(testdata("newer-netcdf4.nc"));
        if let Source::Files { layout, .. } = &mut source {
            layout.variable = variable.map(str::to_owned);
        }
        digest(&source)
    };
    let plain = of_variable(None);
    assert_ne!(of_variable(Some("data")), plain);
    assert_ne!(of_variable(Some("data")), of_variable(Some("rates")));
    let simulated = |seed| digest(&Source::Simulated { seed });
    assert_eq!(simulated(1), simulated(1));
    assert_ne!(simulated(1), simulated(2));
    assert!(files.source(testdata("gone.nc")).digests().is_err());
}

#[test]
fn simulated_recordings_open_like_others() {
    let source = Source::Simulated { seed: 1 };
    let recordings = Recordings::open(&source, &["IT".to_owned()]).expect("recordings");
    assert!(recordings.simulated);
    assert_eq!(
        (recordings.stimuli.len(), recordings.regions.len()),
        (320, 1)
    );
    assert_eq!(recordings.regions[0].sites.len(), 168);
    assert_eq!(
        recordings.image(0).expect("an image").dimensions(),
        (64, 64)
    );
    let error = Recordings::open(&source, &["V1".to_owned()])
        .err()
        .expect("an error");
    assert_eq!(
        error.to_string(),
        "region `V1` is not in the simulated recordings"
    );
}

#[test]
fn recordings_are_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Recordings>();
}

#[test]
fn real_recordings_have_the_values_numpy_gives() {
    // Rows, sites, repetitions; the cells (0, 0), (17, 33) and the last, by xarray and `nanmean`.
    for (set, rows, sites, repetitions, cells) in [
        (
            "v4-201025",
            1200,
            89,
            (1, 1),
            [2.636_363_744_735_717_8, 1.5, 3.181_818_246_841_430_7],
        ),
        (
            "v4-210325",
            640,
            50,
            (6, 10),
            [3.714_285_714_285_714_4, 2.125, 1.125],
        ),
    ] {
        let Some([assembly, stimuli, images]) = real(set) else {
            return;
        };
        let source = Source::Files {
            assembly,
            stimuli,
            images,
            layout: Layout::documented(),
        };
        let recordings = Recordings::open(&source, &[]).expect(set);
        assert_eq!(recordings.notices, Vec::<String>::new());
        assert_eq!(recordings.stimuli.len(), rows);
        let v4 = recordings.region("V4").expect("V4");
        assert_eq!((v4.sites.len(), v4.repetitions), (sites, repetitions));
        let found = [0, 17 * sites + 33, rows * sites - 1].map(|cell| v4.responses[cell]);
        assert_eq!(found, cells, "{set}: averaged in f64, so to the last bit");
        let image = recordings.image(rows - 1).expect("an image");
        assert_eq!(image.dimensions(), (112, 112));
    }
}

#[test]
fn the_noise_of_real_recordings_is_what_numpy_finds() {
    let (Some(once), Some(repeated)) = (real("v4-201025"), real("v4-210325")) else {
        return;
    };
    let noise = |[assembly, stimuli, images]: [PathBuf; 3]| {
        let source = Source::Files {
            assembly,
            stimuli,
            images,
            layout: Layout::documented(),
        };
        let recordings = Recordings::open(&source, &[]).expect("recordings");
        recordings.regions[0].noise.clone()
    };
    assert_eq!(noise(once), None, "repetitions were averaged before");
    // `make_ceiling.py` prints these. Its splits are others than ours: means over 100 of them differ
    // by some 0.003 per site. The floor takes no splits. Brain-Score itself (brainscore-vision
    // 2.4.2, ten splits by `repetition`) finds a consistency of 0.7595.
    let noise = noise(repeated).expect("repetitions");
    let report = noise.report().expect("ceilings");
    let first = noise.ceilings[0].expect("defined");
    for (found, expected, tolerance) in [
        (first, 0.5824, 0.008),
        (report.ceiling_min, 0.5296, 0.008),
        (report.ceiling_median, 0.7591, 0.004),
        (report.ceiling_max, 0.9295, 0.004),
        (noise.consistency.expect("defined"), 0.7608, 0.004),
        (report.noise_floor.expect("repetitions"), 0.36684, 0.00001),
    ] {
        assert!(
            (found - expected).abs() < tolerance,
            "{found} for {expected}"
        );
    }
}

#[test]
fn the_consistency_of_a_brain_score_assembly_is_brain_scores() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/brain-score");
    let golden = folder.join("golden.json");
    if !golden.exists() {
        #[expect(
            clippy::print_stderr,
            reason = "a test that did nothing must not pass in silence"
        )]
        {
            eprintln!("skipped: {} is not there", golden.display());
        }
        return;
    }
    let source = Source::Files {
        assembly: folder.join("assy_lab_Made2026rep.nc"),
        stimuli: folder.join("stimulus_lab_Made2026.csv"),
        images: folder.join("stimulus_lab_Made2026.zip"),
        layout: Layout::documented(),
    };
    let recordings = Recordings::open(&source, &["IT".to_owned()]).expect("recordings");
    let noise = recordings.regions[0].noise.as_ref().expect("repetitions");
    let golden = std::fs::read_to_string(golden).expect("readable");
    let golden: serde_json::Value = serde_json::from_str(&golden).expect("JSON");
    let expected = golden["internal_consistency"]["value"]
        .as_f64()
        .expect("a number");
    let error = golden["internal_consistency"]["error"]
        .as_f64()
        .expect("a number");
    let found = noise.consistency.expect("defined");
    // Theirs is a mean over ten random halvings, ours over all ten that there are.
    assert!(
        (found - expected).abs() < 2.0 * error,
        "{found}, theirs is {expected}"
    );
}
