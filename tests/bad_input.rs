//! Bad input of every kind gives a clear error and exit code 1, and loses nothing.

use crate::harness::{
    Killed, Place, SMALL_SWEEP, bmp, json, refusal, shared, shared_cache, wait_for,
};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Small recordings written by xarray, which the worker's own tests use too: four stimuli, s0 to s3.
fn testdata(name: &str) -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.join("worker/src/recording/testdata").join(name)
}

/// A place with small valid recordings and a sweep over them.
pub(crate) struct Recordings {
    pub(crate) place: Place,
}

pub(crate) const SWEEP: &str = r#"
name = "small-files"
[recordings]
assembly = "assembly.nc"
stimuli = "stimuli.csv"
images = "images"
regions = ["V4"]
[split]
fractions = [0.5, 0.25, 0.25]
[[ann]]
name = "mobilenet"
weights = "random:1"
layer_sets = [["global_average_pooling2d"]]
[grid]
l1 = [4]
l2 = [4]
learning_rate = [1e-3]
[training]
max_epochs = 2
"#;

impl Recordings {
    pub(crate) fn new() -> Self {
        let place = Place::new();
        std::fs::copy(testdata("newer-netcdf4.nc"), place.path("assembly.nc")).unwrap();
        let mut csv = "stimulus_id,filename\n".to_owned();
        std::fs::create_dir(place.path("images")).unwrap();
        for (level, stimulus) in ["s0", "s1", "s2", "s3"].into_iter().enumerate() {
            csv.push_str(&format!("{stimulus},{stimulus}.bmp\n"));
            place.write(&format!("images/{stimulus}.bmp"), bmp(level as u8));
        }
        place.write("stimuli.csv", csv);
        place.write("sweep.toml", SWEEP);
        Self { place }
    }

    fn run(&self) -> std::process::Output {
        self.place
            .run(&self.place.path("sweep.toml"))
            .output()
            .unwrap()
    }

    fn refusal(&self) -> String {
        refusal(&self.run())
    }
}

#[track_caller]
fn says(error: &str, words: &[&str]) {
    for word in words {
        assert!(error.contains(word), "`{word}` is not in: {error}");
    }
}

#[test]
fn good_files_run() {
    let best = json(&Recordings::new().run());
    assert_eq!(best[0]["simulated"], false);
}

#[test]
fn a_truncated_assembly_is_named() {
    let recordings = Recordings::new();
    let whole = std::fs::read(recordings.place.path("assembly.nc")).unwrap();
    for length in [0, 7, 100, whole.len() / 2, whole.len() - 1] {
        recordings.place.write("assembly.nc", &whole[..length]);
        says(&recordings.refusal(), &["assembly.nc"]);
    }
}

#[test]
fn weights_of_another_net_are_refused_by_the_first_mismatch() {
    let Some(weights) = shared("data/weights/resnet50_pruned_815.h5") else {
        return;
    };
    let recordings = Recordings::new();
    let sweep = SWEEP.replace("random:1", weights.to_str().unwrap());
    recordings.place.write("sweep.toml", sweep);
    says(&recordings.refusal(), &["resnet50_pruned_815.h5", "conv1"]);
}

#[test]
fn truncated_weights_are_named() {
    let Some(weights) = shared("data/weights/mobilenet_1_0_224_tf.h5") else {
        return;
    };
    let recordings = Recordings::new();
    let whole = std::fs::read(weights).unwrap();
    recordings
        .place
        .write("weights.h5", &whole[..whole.len() / 3]);
    recordings
        .place
        .write("sweep.toml", SWEEP.replace("random:1", "weights.h5"));
    says(&recordings.refusal(), &["weights.h5"]);
}

#[test]
fn an_image_that_is_none_is_named() {
    let recordings = Recordings::new();
    recordings
        .place
        .write("images/s2.bmp", "not a picture at all");
    says(&recordings.refusal(), &["s2.bmp"]);
    // Nothing is lost: once the image is repaired, the same command continues.
    recordings.place.write("images/s2.bmp", bmp(2));
    json(&recordings.run());
}

#[test]
fn a_stimulus_without_image_is_named() {
    let recordings = Recordings::new();
    std::fs::remove_file(recordings.place.path("images/s1.bmp")).unwrap();
    says(&recordings.refusal(), &["s1"]);
}

#[test]
fn a_site_without_any_value_is_named() {
    let recordings = Recordings::new();
    std::fs::copy(
        testdata("silent-site.nc"),
        recordings.place.path("assembly.nc"),
    )
    .unwrap();
    let sweep = SWEEP.replace("regions = [\"V4\"]", "regions = [\"V4\", \"IT\"]");
    recordings.place.write("sweep.toml", sweep);
    says(&recordings.refusal(), &["NaN", "site"]);
}

#[test]
fn a_region_that_is_not_there_is_named_with_those_that_are() {
    let recordings = Recordings::new();
    recordings
        .place
        .write("sweep.toml", SWEEP.replace("\"V4\"", "\"V5\""));
    says(&recordings.refusal(), &["V5", "V4", "IT"]);
}

#[test]
fn files_that_changed_since_the_sweep_was_submitted_are_refused_by_a_worker() {
    let recordings = Recordings::new();
    let place = &recordings.place;
    let mut served = Killed::spawn(&mut place.nrp(&[
        "coordinator",
        "--listen",
        "127.0.0.1:0",
        "--state",
        "state",
    ]));
    let address = wait_for("the address", || {
        std::fs::read_to_string(place.path("state/address")).ok()
    });
    let submitted = place
        .nrp(&["sweep", "submit", "sweep.toml", "--coordinator", &address])
        .output()
        .unwrap();
    assert!(submitted.status.success());
    place.write("images/s2.bmp", [&bmp(2)[..], b"changed"].concat());
    let mut worker =
        Killed::spawn(&mut place.nrp(&["worker", "--coordinator", &address, "--cache", "cache"]));
    let watch = ["sweep", "watch", "--coordinator", &address];
    let watched = place.nrp(&watch).output().unwrap();
    says(&refusal(&watched), &["parked", "digest", "--data-dir"]);
    assert!(worker.0.try_wait().unwrap().is_none(), "it goes on");
    served.kill();
    let trial = &place.trials()[0];
    assert_eq!(trial["state"], "parked", "no trial is blamed");
    says(trial["reason"].as_str().unwrap(), &["digest"]);
}

/// Runs a shell script with a file system of `megabytes` mounted at `directory`, which is its `$0`,
/// and with `command` as its arguments; `None` if this machine does not allow tests to mount.
fn on_small_disk(
    directory: &Path,
    megabytes: u32,
    script: &str,
    command: &Command,
) -> Option<std::process::Output> {
    std::fs::create_dir(directory).unwrap();
    let unshare = |script: &str| {
        let mut unshare = Command::new("unshare");
        unshare
            .args(["--user", "--map-root-user", "--mount", "sh", "-c"])
            .args([script, directory.to_str().unwrap()]);
        unshare
    };
    let probe = unshare("mount -t tmpfs tmpfs \"$0\"").output();
    if !probe.is_ok_and(|probe| probe.status.success()) {
        eprintln!("skipped: this machine does not let a test mount a small disk");
        return None;
    }
    let mount = format!("mount -t tmpfs -o size={megabytes}m tmpfs \"$0\" || exit 99");
    let mut small = unshare(&format!("{mount}\n{script}"));
    small.arg(command.get_program()).args(command.get_args());
    small.current_dir(command.get_current_dir().unwrap());
    Some(small.output().unwrap())
}

#[test]
fn a_full_disk_in_the_cache_loses_nothing() {
    let place = Place::new();
    let sweep = SMALL_SWEEP.replace("global_average_pooling2d", "conv_pw_13_relu");
    let file = place.write("sweep.toml", sweep);
    let cache = place.path("cache");
    let mut command = place.nrp(&["run", "--state", "state", "--cache"]);
    command.arg(&cache).arg(&file);
    let Some(output) = on_small_disk(&cache, 8, "exec \"$@\"", &command) else {
        return;
    };
    says(&refusal(&output), &["activation cache", "No space left"]);
    assert!(
        place
            .trials()
            .iter()
            .all(|trial| trial["state"] == "waiting")
    );
    json(&place.run(&file).output().unwrap());
}

#[test]
fn a_full_disk_under_the_journal_loses_nothing() {
    let place = Place::new();
    // More outcomes than fit into the rest of the journal's last block.
    let sweep = SMALL_SWEEP
        .replace("l1 = [8, 16]", "l1 = [8, 12, 16, 20, 24, 28, 32, 36]")
        .replace("[1e-3, 3e-3]", "[1e-3, 2e-3, 3e-3, 4e-3]");
    let file = place.write("sweep.toml", sweep);
    let disk = place.path("disk");
    let mut command = place.nrp(&["run", "--state", "disk/state", "--cache"]);
    command.arg(shared_cache()).arg(&file);
    // The disk is filled once the first outcome is recorded; what is recorded by then must be kept.
    let script = r#"
        "$@" &
        until grep -qs outcome_recorded "$0/state/journal.jsonl" || ! kill -0 $!; do sleep 0.01; done
        cat /dev/zero > "$0/fill" 2> /dev/null
        wait $!
        code=$?
        rm "$0/fill"
        cp -r "$0/state" "$0/../state"
        exit $code"#;
    let Some(output) = on_small_disk(&disk, 16, script, &command) else {
        return;
    };
    says(&refusal(&output), &["disk/state", "No space left"]);
    let finished = |trials: Vec<serde_json::Value>| {
        let mut finished = trials;
        finished.retain(|trial| trial["state"] == "finished");
        finished
    };
    let before = finished(place.trials());
    assert!((1..64).contains(&before.len()), "{} finished", before.len());
    json(&place.run(&file).output().unwrap());
    let after = finished(place.trials());
    assert_eq!(after.len(), 64);
    assert!(before.iter().all(|trial| after.contains(trial)));
}

#[test]
fn a_state_directory_of_another_version_is_refused_and_left_alone() {
    let place = Place::new();
    let file = place.write("sweep.toml", SMALL_SWEEP);
    json(&place.run(&file).output().unwrap());
    let journal = std::fs::read_to_string(place.path("state/journal.jsonl")).unwrap();
    let (header, rest) = journal.split_once('\n').unwrap();
    let mut parsed: serde_json::Value = serde_json::from_str(header).unwrap();
    assert_eq!(parsed["version"].as_u64(), Some(2), "{header}");
    parsed["version"] = 99.into();
    let other = format!("{parsed}\n{rest}");
    place.write("state/journal.jsonl", &other);
    let error = refusal(&place.run(&file).output().unwrap());
    says(&error, &["state", "99"]);
    assert_eq!(
        std::fs::read_to_string(place.path("state/journal.jsonl")).unwrap(),
        other
    );
}

#[test]
fn a_port_in_use_is_named() {
    let place = Place::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let arguments = ["coordinator", "--listen", &address, "--state", "state"];
    says(
        &refusal(&place.nrp(&arguments).output().unwrap()),
        &[&address, "in use"],
    );
}

#[test]
fn a_coordinator_that_nobody_runs_is_named() {
    let place = Place::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let file = place.write("sweep.toml", SMALL_SWEEP);
    let file = file.to_str().unwrap();
    for arguments in [
        &["best"][..],
        &["trials"],
        &["export", "--format", "csv"],
        &["sweep", "submit", file],
        &["sweep", "status"],
        &["worker"],
    ] {
        let mut command = place.nrp(arguments);
        command.args(["--coordinator", &address]);
        says(
            &refusal(&command.output().unwrap()),
            &[&address, "nrp coordinator"],
        );
    }
}

#[test]
fn a_second_coordinator_on_the_same_state_is_refused() {
    let place = Place::new();
    let start = ["coordinator", "--listen", "127.0.0.1:0", "--state", "state"];
    let _first = Killed::spawn(&mut place.nrp(&start));
    wait_for("the address", || {
        std::fs::read_to_string(place.path("state/address")).ok()
    });
    says(&refusal(&place.nrp(&start).output().unwrap()), &["state"]);
}

#[test]
fn results_that_are_not_there_are_not_made_up() {
    let place = Place::new();
    says(
        &refusal(&place.nrp(&["best"]).output().unwrap()),
        &[".nrp/state", "nrp run"],
    );
    assert!(
        !place.path(".nrp").exists(),
        "asking must not create anything"
    );
}

#[test]
fn a_sweep_file_with_mistakes_names_them_all() {
    let place = Place::new();
    let sweep = SMALL_SWEEP
        .replace("patience = 0", "patiense = 0")
        .replace("name = \"small\"", "name = \"small\"\nsede = 1");
    let error = refusal(
        &place
            .run(&place.write("sweep.toml", sweep))
            .output()
            .unwrap(),
    );
    says(
        &error,
        &[
            "sweep.toml",
            "`training.patiense` = 0",
            "`patience`",
            "`sede` = 1",
        ],
    );
    let sweep = SMALL_SWEEP.replace("global_average_pooling2d", "conv_pw_14_relu");
    let error = refusal(
        &place
            .run(&place.write("sweep.toml", sweep))
            .output()
            .unwrap(),
    );
    says(&error, &["conv_pw_14_relu", "did you mean", "conv_pw_1"]);
}

#[test]
fn a_column_to_stratify_by_that_is_named_must_be_there() {
    let Recordings { place } = Recordings::new();
    let check = |stratify: &str, file: &str| {
        let sweep = SWEEP.replace("[split]", &format!("[split]\n{stratify}"));
        place.write(file, sweep);
        place.nrp(&["sweep", "check", file]).output().unwrap()
    };
    let error = refusal(&check("stratify = \"colour\"", "named.toml"));
    assert!(
        error.contains("the stimulus set has no column `colour` to stratify by"),
        "{error}"
    );
    // The default's name is a valid name, too.
    let error = refusal(&check("stratify = \"object_name\"", "named.toml"));
    assert!(error.contains("no column `object_name`"), "{error}");
    for stratify in ["", "stratify = \"\""] {
        assert!(check(stratify, "default.toml").status.success());
    }
    let csv = std::fs::read_to_string(place.path("stimuli.csv")).unwrap();
    let mut lines = csv.lines();
    let mut some = format!("{},colour\n", lines.next().unwrap());
    for (line, colour) in lines.zip(["red", "red", "blue", "blue"]) {
        some.push_str(&format!("{line},{colour}\n"));
    }
    place.write("stimuli.csv", some);
    assert!(
        check("stratify = \"colour\"", "named.toml")
            .status
            .success()
    );
    let error = refusal(&check("stratify = \"color\"", "named.toml"));
    assert!(error.contains("colour"), "it says which there are: {error}");
}

#[test]
fn weights_that_are_zero_without_the_sweeps_saying_so_are_noticed() {
    let Some(weights) = shared("data/weights/resnet50_pruned_815.h5") else {
        return;
    };
    let place = Place::new();
    let sweep = SMALL_SWEEP
        .replace("\"mobilenet\"", "\"resnet50\"")
        .replace(
            "\"random:1\"",
            &format!("{:?}", weights.display().to_string()),
        )
        .replace("global_average_pooling2d", "avg_pool");
    place.write("sweep.toml", sweep);
    let checked = place
        .nrp(&["sweep", "check", "sweep.toml"])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&checked.stderr).into_owned();
    assert!(checked.status.success(), "{told}");
    assert!(
        told.contains(
            "of the weights of resnet50's kernels are zero, though the sweep file asks for no"
        ),
        "{told}"
    );
}
