//! Writing, going on after a crash, sharing between processes (locks are per open file, so two of
//! them within a test are as good), eviction and pruning.

use super::cache::Claim;
use super::file::Header;
use super::partial::{Partial, log_path};
use super::*;
use crate::ann::{ONNX, OpenedAnn, Pruning, Resize, WeightsSource};
use crate::recording::{Recordings, Source};
use burn::tensor::Device;
use std::fs::{self, File};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

const STIMULI: usize = 3;
const UNITS: usize = 2;
const ROWS: [f32; STIMULI * UNITS] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];

fn header(layer: &str, dtype: Dtype) -> Header {
    Header {
        key: CacheKey {
            ann: "mobilenet".to_owned(),
            weights_digest: "w".to_owned(),
            sparsity: 0.0,
            pruning: String::new(),
            preprocessing: "p".to_owned(),
            stimulus_digest: "s".to_owned(),
            layer: layer.to_owned(),
            arithmetic: 0,
            dtype,
            row_space: None,
        },
        stimuli: STIMULI,
        units: UNITS,
    }
}

fn f32_header(layer: &str) -> Header {
    header(layer, Dtype::F32)
}

/// Bytes of the file of any layer with a name of one letter.
fn layer_bytes() -> u64 {
    f32_header("a").file_bytes()
}

fn cache(directory: &TempDir, budget_bytes: Option<u64>) -> Cache {
    Cache::open(CacheConfig {
        directory: directory.path().to_owned(),
        dtype: Dtype::F32,
        budget_bytes,
    })
    .expect("opens")
}

fn claim(cache: &Cache, layers: &[&str], also: &[&str]) -> Claim {
    let headers = |layers: &[&str]| layers.iter().map(|l| f32_header(l)).collect::<Vec<_>>();
    cache
        .claim(&headers(layers), &headers(also))
        .expect("claims")
}

fn ours(claim: Claim) -> Vec<Partial> {
    match claim {
        Claim::Ours(mut partials) => {
            for partial in &mut partials {
                partial.resume().expect("resumes");
            }
            partials
        }
        Claim::Elsewhere => panic!("another has it"),
        Claim::NoRoom => panic!("no room"),
    }
}

/// Extracts one layer.
fn fill(cache: &Cache, layer: &str) -> CachedLayer {
    let mut partial = ours(claim(cache, &[layer], &[])).remove(0);
    partial.append(0, &ROWS).expect("writes");
    cache.finish(partial).expect("finishes")
}

fn path(directory: &TempDir, layer: &str, extension: &str) -> PathBuf {
    let name = format!("{}.{extension}", f32_header(layer).key.digest());
    directory.path().join(name)
}

fn is_there(cache: &Cache, layer: &str) -> bool {
    let layer = cache.get(&f32_header(layer).key).expect("reads");
    layer.is_some()
}

/// Sets how long ago a layer was used.
fn used(directory: &TempDir, layer: &str, hours_ago: u64) {
    let file = File::open(path(directory, layer, "act")).expect("opens");
    let moment = SystemTime::now() - Duration::from_secs(3600 * hours_ago);
    file.set_modified(moment).expect("sets");
}

fn files(directory: &TempDir) -> usize {
    fs::read_dir(directory.path()).expect("lists").count()
}

#[test]
fn rows_come_back_as_written_and_no_other_file_stays() {
    let directory = TempDir::new().expect("a directory");
    let cache = cache(&directory, None);
    fill(&cache, "a");
    let layer = cache
        .get(&f32_header("a").key)
        .expect("reads")
        .expect("whole");
    let mut row = [0.0; UNITS];
    layer.read(2, 0, &mut row).expect("reads");
    assert_eq!((layer.stimuli(), layer.units(), row), (3, 2, [5.0, 6.0]));
    assert_eq!(files(&directory), 2, "the layer and the directory's lock");
}

/// Half a unit in the last place: 11 and 8 significant bits.
#[test]
fn half_formats_round_once_and_are_smaller() {
    let values = [0.1_f32, -1234.567, 65_504.0, 6.0e-5, 0.0, 3.0];
    for (dtype, relative) in [(Dtype::F16, 2_f32.powi(-11)), (Dtype::Bf16, 2_f32.powi(-8))] {
        let directory = TempDir::new().expect("a directory");
        let cache = cache(&directory, None);
        let Claim::Ours(mut partials) = cache.claim(&[header("a", dtype)], &[]).expect("claims")
        else {
            panic!("not ours")
        };
        let mut partial = partials.remove(0);
        partial.resume().expect("resumes");
        partial.append(0, &values).expect("writes");
        let written = cache.finish(partial).expect("finishes");
        let read = cache
            .get(&header("a", dtype).key)
            .expect("reads")
            .expect("whole");
        for (stimulus, expected) in values.chunks(UNITS).enumerate() {
            let mut row = [f32::NAN; UNITS];
            written.read(stimulus, 0, &mut row).expect("reads");
            for (value, expected) in row.iter().zip(expected) {
                assert!(
                    (value - expected).abs() <= relative * expected.abs(),
                    "{dtype:?}: {value}"
                );
            }
            let mut again = [f32::NAN; UNITS];
            read.read(stimulus, 0, &mut again).expect("reads");
            assert_eq!(row, again);
        }
        let saved = f32_header("a").rows_bytes() - header("a", dtype).rows_bytes();
        assert_eq!(saved, 2 * (STIMULI * UNITS) as u64);
    }
}

#[test]
fn a_file_cut_or_changed_at_any_byte_counts_as_missing() {
    let directory = TempDir::new().expect("a directory");
    let cache = cache(&directory, None);
    fill(&cache, "a");
    let path = path(&directory, "a", "act");
    let whole = fs::read(&path).expect("reads");
    for at in 0..whole.len() {
        fs::write(&path, &whole[..at]).expect("writes");
        assert!(!is_there(&cache, "a"), "cut at {at}");
        let mut changed = whole.clone();
        changed[at] ^= 0x10;
        fs::write(&path, changed).expect("writes");
        let listed = cache.entries(true).expect("lists");
        assert!(
            matches!(listed[0].state, State::Damaged { .. }),
            "changed at {at}"
        );
        assert!(!is_there(&cache, "a"), "changed at {at}");
        assert!(!path.exists(), "what is damaged takes no space");
    }
    fs::write(&path, &whole).expect("writes");
    assert!(is_there(&cache, "a"), "whole again");
    fs::rename(&path, self::path(&directory, "b", "act")).expect("renames");
    assert!(!is_there(&cache, "b"), "another key");
}

#[test]
fn an_extraction_goes_on_behind_the_rows_that_are_proven() {
    let undisturbed = TempDir::new().expect("a directory");
    fill(&cache(&undisturbed, None), "a");
    let expected = fs::read(path(&undisturbed, "a", "act")).expect("reads");

    // What is done to the files of an extraction that ended after two of three rows, and the rows
    // that are left of it.
    type Harm = fn(&std::path::Path);
    fn part(path: &std::path::Path, from_end: i64, byte: u8) {
        let mut bytes = fs::read(path).expect("reads");
        let rows_end = bytes.len() as i64 - 32;
        bytes[(rows_end - from_end) as usize] ^= byte;
        fs::write(path, bytes).expect("writes");
    }
    let harms: [(Harm, usize); 6] = [
        (|_| {}, 2),
        // A torn second row; a torn first row; a torn header.
        (|path| part(path, 9, 1), 1),
        (|path| part(path, 17, 1), 0),
        (|path| part(path, 26, 1), 0),
        // A line cut short; a log that never reached the disk.
        (
            |path| {
                let log = fs::read(log_path(path)).expect("reads");
                fs::write(log_path(path), &log[..log.len() - 3]).expect("writes");
            },
            1,
        ),
        (|path| fs::remove_file(log_path(path)).expect("removes"), 0),
    ];
    for (at, (harm, left)) in harms.into_iter().enumerate() {
        let directory = TempDir::new().expect("a directory");
        let cache = cache(&directory, None);
        let mut partial = ours(claim(&cache, &["a"], &[])).remove(0);
        partial.append(0, &ROWS[..2]).expect("writes");
        partial.append(1, &ROWS[2..4]).expect("writes");
        drop(partial);
        harm(&path(&directory, "a", "part"));
        let mut partial = ours(claim(&cache, &["a"], &[])).remove(0);
        assert_eq!(partial.rows(), left, "harm {at}");
        // Batches may be others now, and begin before what is there.
        partial.append(0, &ROWS[..2]).expect("writes");
        partial.append(1, &ROWS[2..]).expect("writes");
        cache.finish(partial).expect("finishes");
        assert!(
            fs::read(path(&directory, "a", "act")).expect("reads") == expected,
            "harm {at}"
        );
    }
}

#[test]
fn a_layer_has_one_extractor_and_another_layer_waits_for_nobody() {
    let directory = TempDir::new().expect("a directory");
    let (one, other) = (cache(&directory, None), cache(&directory, None));
    let partial = ours(claim(&one, &["a"], &[])).remove(0);
    assert!(matches!(claim(&other, &["a"], &["c"]), Claim::Elsewhere));
    let both = ours(claim(&other, &["a", "b"], &["c"]));
    let layers: Vec<_> = both.iter().map(|p| p.header().key.layer.clone()).collect();
    assert_eq!(layers, ["b", "c"]);
    // Its process died.
    drop(partial);
    assert_eq!(ours(claim(&other, &["a"], &[])).len(), 1);
}

#[test]
fn what_was_used_longest_ago_goes_first_and_nothing_that_is_in_use() {
    let directory = TempDir::new().expect("a directory");
    let cache = cache(&directory, Some(3 * layer_bytes()));
    for (layer, hours_ago) in [("a", 3), ("b", 4), ("c", 5)] {
        fill(&cache, layer);
        used(&directory, layer, hours_ago);
    }
    // Opening is using, also for a process that starts later.
    let c = cache
        .get(&f32_header("c").key)
        .expect("reads")
        .expect("whole");
    fill(&cache, "d");
    assert!(!path(&directory, "b", "act").exists());
    assert!(path(&directory, "a", "act").exists() && path(&directory, "c", "act").exists());
    // In use, however long ago it was opened.
    used(&directory, "c", 9);
    fill(&cache, "e");
    assert!(path(&directory, "c", "act").exists() && !path(&directory, "a", "act").exists());
    drop(c);
    fill(&cache, "f");
    assert!(!path(&directory, "c", "act").exists());
    let total: u64 = cache
        .stored()
        .expect("lists")
        .iter()
        .map(|file| file.bytes)
        .sum();
    assert_eq!(total, 3 * layer_bytes());
}

#[test]
fn space_is_reserved_before_it_is_written() {
    let directory = TempDir::new().expect("a directory");
    let budget = Some(2 * layer_bytes() + layer_bytes() / 2);
    let (one, other) = (cache(&directory, budget), cache(&directory, budget));
    let a = ours(claim(&one, &["a"], &[]));
    assert!(matches!(claim(&other, &["b", "c"], &[]), Claim::NoRoom));
    assert!(
        !path(&directory, "b", "part").exists(),
        "nothing is left of it"
    );
    // What comes along only does so where there is space for all.
    assert_eq!(ours(claim(&other, &["b"], &["c", "d"])).len(), 1);
    drop(a);
    // A partial file that nobody goes on with may go.
    assert_eq!(ours(claim(&other, &["b"], &["c"])).len(), 2);
    assert!(!path(&directory, "a", "part").exists());
}

#[test]
fn a_job_larger_than_the_budget_is_refused_with_the_numbers() {
    let directory = TempDir::new().expect("a directory");
    let cache = cache(&directory, Some(1_000));
    let large = Header {
        units: 1_000_000,
        ..f32_header("a")
    };
    let refused = cache.refuse_too_large(&[large]).expect_err("refused");
    assert_eq!(
        refused.to_string(),
        "the activations of a take 12.0 MB as f32, and the cache may take 1.0 kB"
    );
}

#[test]
fn processes_that_evict_at_once_keep_to_the_budget() {
    let directory = TempDir::new().expect("a directory");
    let budget = 4 * layer_bytes();
    std::thread::scope(|scope| {
        for thread in 0..4_u8 {
            let directory = &directory;
            scope.spawn(move || {
                let cache = cache(directory, Some(budget));
                for round in 0..12_u8 {
                    let name = char::from(b'a' + (thread * 5 + round) % 20).to_string();
                    let layer = loop {
                        if let Some(layer) = cache.get(&f32_header(&name).key).expect("reads") {
                            break layer;
                        }
                        match claim(&cache, &[&name], &[]) {
                            Claim::Ours(mut partials) => {
                                let mut partial = partials.remove(0);
                                partial.resume().expect("resumes");
                                partial.append(0, &ROWS).expect("writes");
                                break cache.finish(partial).expect("finishes");
                            }
                            Claim::Elsewhere | Claim::NoRoom => std::thread::yield_now(),
                        }
                    };
                    let mut row = [0.0; UNITS];
                    layer.read(1, 0, &mut row).expect("reads");
                    assert_eq!(row, [3.0, 4.0]);
                    assert!(
                        path(directory, &name, "act").exists(),
                        "evicted while in use"
                    );
                    let _guard = cache.guard().expect("locks");
                    let stored = cache.stored().expect("lists");
                    assert!(stored.iter().map(|file| file.bytes).sum::<u64>() <= budget);
                }
            });
        }
    });
}

#[test]
fn pruning_takes_what_is_named_and_nothing_that_is_in_use() {
    let directory = TempDir::new().expect("a directory");
    let cache = cache(&directory, None);
    for (layer, hours_ago) in [("a", 30), ("b", 20), ("c", 10), ("d", 1)] {
        fill(&cache, layer);
        used(&directory, layer, hours_ago);
    }
    drop(claim(&cache, &["e"], &[]));
    fs::write(
        directory.path().join("0123.act"),
        "NRPACT0\nof another version",
    )
    .expect("writes");
    let names = |pruned: &[Pruned]| -> Vec<(String, bool)> {
        let name = |pruned: &Pruned| {
            let key = pruned.entry.key.as_ref();
            (
                key.map_or("–".to_owned(), |key| key.layer.clone()),
                pruned.in_use,
            )
        };
        pruned.iter().map(name).collect()
    };
    let b = cache.get(&f32_header("b").key).expect("reads");
    used(&directory, "b", 20);
    let before = SystemTime::now() - Duration::from_secs(15 * 3600);
    let old = Prune {
        used_before: Some(before),
        ..Prune::default()
    };
    let dry = Prune {
        dry_run: true,
        ..old
    };
    let expected = [("b".to_owned(), true), ("a".to_owned(), false)];
    assert_eq!(names(&cache.prune(&dry).expect("prunes")), expected);
    assert!(path(&directory, "a", "act").exists(), "only told");
    assert_eq!(names(&cache.prune(&old).expect("prunes")), expected);
    assert!(!path(&directory, "a", "act").exists() && path(&directory, "b", "act").exists());
    drop(b);

    let broken = Prune {
        damaged: true,
        partial: true,
        ..Prune::default()
    };
    assert_eq!(cache.prune(&broken).expect("prunes").len(), 2);
    assert!(!path(&directory, "e", "part").exists() && !path(&directory, "e", "rows").exists());
    let to = Prune {
        to_bytes: Some(2 * layer_bytes()),
        ..Prune::default()
    };
    assert_eq!(
        names(&cache.prune(&to).expect("prunes")),
        [("b".to_owned(), false)]
    );
    assert_eq!(cache.prune(&to).expect("prunes").len(), 0);
    assert_eq!(files(&directory), 3, "c, d and the directory's lock");
}

#[test]
fn what_jobs_named_is_told_while_all_of_it_is_there() {
    let directory = tempfile::tempdir().expect("a directory");
    let cache = cache(&directory, None);
    let layers = [fill(&cache, "a"), fill(&cache, "b")];
    cache.note_held("00ab", &layers).expect("is written");
    cache.note_held("00cd", &layers[..1]).expect("is written");
    cache.note_held("../00ef", &layers).expect("is no name");
    let held = |cache: &Cache| {
        let mut held = cache.held();
        held.sort();
        held
    };
    assert_eq!(held(&cache), ["00ab", "00cd"]);
    drop(layers);
    fs::remove_file(path(&directory, "b", "act")).expect("was there");
    let again = self::cache(&directory, None);
    assert_eq!(held(&again), ["00cd"]);
    assert!(!directory.path().join("00ab.held").exists());
    fs::write(directory.path().join("00cd.held"), "").expect("is written");
    assert_eq!(held(&again), [""; 0]);
}

/// Activations under the key of an earlier build count for the layers that are computed as they were, and for no
/// others.
#[test]
fn a_layer_that_is_computed_anew_is_not_what_an_earlier_build_stored() {
    let net = concat!(env!("CARGO_MANIFEST_DIR"), "/src/ann/testdata/numbers.onnx");
    let weights = WeightsSource::File(net.into());
    let ann = OpenedAnn::open(ONNX, &weights, "none").expect("opens");
    let recordings = Recordings::open(&Source::Simulated { seed: 1 }, &[]).expect("recordings");
    let layers = ["large", "softplus"].map(str::to_owned);
    let extraction = Extraction {
        ann: &ann,
        weights: &weights,
        weights_digest: "w",
        pruning: Pruning::None,
        resize: Resize::default(),
        screen: None,
        recordings: &recordings,
        stimulus_digest: "s",
        layers: &layers,
        also: &[],
    };
    let directory = TempDir::new().expect("a directory");
    let cache = cache(&directory, None);
    let mut earlier = extraction.headers(&cache, &layers).expect("layers");
    for header in &mut earlier {
        header.key.arithmetic = 0;
    }
    for mut partial in ours(cache.claim(&earlier, &[]).expect("claims")) {
        let zeros = vec![0.0; partial.header().stimuli * partial.header().units];
        partial.append(0, &zeros).expect("writes");
        cache.finish(partial).expect("finishes");
    }
    let mut on = |_: Progress| std::ops::ControlFlow::Continue(());
    let cached = ensure(&cache, &extraction, &Device::flex(), &mut on).expect("extracted");
    let first = |layer: &CachedLayer| {
        let mut row = vec![f32::NAN; layer.units()];
        layer.read(0, 0, &mut row).expect("a row");
        row
    };
    assert!(first(&cached[0]).iter().all(|value| *value == 0.0));
    assert!(first(&cached[1]).iter().all(|value| *value > 0.0));
}
