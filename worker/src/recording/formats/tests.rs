//! The table of formats, and that a sweep and `nrp data check` read a file alike.

use std::path::{Path, PathBuf};

use miette::Diagnostic;
use nrp_proto::sweep::{Assembly, ResponseFormat};

use super::FORMATS;
use crate::recording::tests::{Files, testdata};
use crate::recording::{Layout, Recordings, Source, check};

#[test]
fn every_format_is_in_the_table_and_found_by_each_of_its_extensions_in_any_case() {
    let formats: Vec<ResponseFormat> = FORMATS.iter().map(|format| format.format).collect();
    assert_eq!(formats, ResponseFormat::ALL);
    for format in ResponseFormat::ALL {
        for extension in format.extensions() {
            for extension in [extension.to_string(), extension.to_uppercase()] {
                let file = format!("lab.{extension}");
                let found = super::format(Path::new(&file)).expect("a format");
                assert_eq!(found.format, format, "{file}");
                let expected = if format.brings_stimuli() {
                    Assembly::Ventral(&file)
                } else {
                    Assembly::File(&file)
                };
                assert_eq!(Assembly::named(&file, false), expected, "{file}");
            }
        }
    }
    for file in ["lab.txt", "lab", "nc", ".nc.txt"] {
        assert!(super::format(Path::new(file)).is_err(), "{file}");
    }
}

/// What opening `path` for a sweep is refused with, and the hint.
fn of_sweep(files: &Files, path: &Path) -> Option<(String, String)> {
    let source = match Assembly::named(&path.to_string_lossy(), false) {
        Assembly::Ventral(_) => Source::Ventral {
            file: path.to_owned(),
            variations: Vec::new(),
        },
        Assembly::File(_) | Assembly::Simulated => files.source(path.to_owned()),
    };
    let error = Recordings::open(&source, &[]).err()?;
    let hint = error
        .help()
        .map_or_else(String::new, |hint| hint.to_string());
    Some((error.in_full(), hint))
}

/// What `nrp data check` says first of the same files.
fn of_check(files: &Files, path: &Path) -> Option<(String, String)> {
    let mut paths = vec![path.to_owned()];
    if let Assembly::File(_) = Assembly::named(&path.to_string_lossy(), false) {
        paths.extend([files.stimuli(), files.images()]);
    }
    let report = check(&paths, &Layout::evident(), &[]).expect("a report");
    assert_eq!(report.problems.len(), report.hints.len());
    let problem = report.problems.first()?.clone();
    Some((problem, report.hints[0].clone()))
}

#[test]
fn a_sweep_and_a_check_read_each_extension_alike() {
    let files = Files::new();
    for (stored, extensions) in [
        ("newer-netcdf4.nc", ResponseFormat::Assembly.extensions()),
        ("V4.npy", &["npy"]),
        ("regions.npz", &["npz"]),
        ("small-ventral.hdf5", ResponseFormat::Ventral.extensions()),
    ] {
        let both = extensions
            .iter()
            .flat_map(|of| [of.to_string(), of.to_uppercase()]);
        for extension in both {
            let path = files.stimuli().with_file_name(format!("lab.{extension}"));
            std::fs::copy(testdata(stored), &path).expect("a copy");
            let said = of_check(&files, &path);
            assert_eq!(of_sweep(&files, &path), said, "{}", path.display());
            std::fs::remove_file(&path).expect("removed");
        }
    }
}

#[test]
fn a_sweep_and_a_check_refuse_a_bad_file_with_the_same_words_and_hint() {
    let files = Files::new();
    let folder = files.stimuli().parent().expect("a folder").to_owned();
    let mut bad: Vec<PathBuf> = Vec::new();
    for format in ResponseFormat::ALL {
        for extension in format.extensions() {
            let whole = match *extension {
                "nc" | "nc4" => "newer-netcdf4.nc",
                "npy" => "V4.npy",
                "npz" => "regions.npz",
                _ => "small-ventral.hdf5",
            };
            let whole = std::fs::read(testdata(whole)).expect("test data");
            let contents: [(&str, &[u8]); 3] = [
                ("empty", b""),
                ("page", b"<html>not found</html>"),
                ("cut", &whole[..whole.len() / 2]),
            ];
            for (what, bytes) in contents {
                let path = folder.join(format!("{what}.{extension}"));
                std::fs::write(&path, bytes).expect("a written file");
                bad.push(path);
            }
            bad.push(folder.join(format!("gone.{extension}")));
        }
    }
    bad.push(folder.join("lab.pkl"));
    for name in [
        "silent-site.nc",
        "infinite.nc",
        "plain-hdf5.nc",
        "flat.npz",
        "objects.npy",
        "differing.npz",
    ] {
        bad.push(testdata(name));
    }
    for path in bad {
        let sweep = of_sweep(&files, &path);
        let (problem, hint) = sweep.clone().expect("refused");
        assert!(
            !problem.is_empty() && !hint.is_empty(),
            "{}",
            path.display()
        );
        assert_eq!(sweep, of_check(&files, &path), "{}", path.display());
    }
}
