//! What the tests share: the binary under test, places to run it in, and waiting with a deadline.

use serde_json::Value;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

/// The longest time that one step of a test may take on a slow machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(300);

/// A sweep over simulated recordings that takes seconds: a narrow layer, few epochs.
pub(crate) const SMALL_SWEEP: &str = r#"
name = "small"
[recordings]
assembly = "simulated"
[[ann]]
name = "mobilenet"
weights = "random:1"
layer_sets = [["global_average_pooling2d"]]
[grid]
l1 = [8, 16]
l2 = [8]
learning_rate = [1e-3, 3e-3]
[training]
max_epochs = 12
patience = 0
"#;

/// A directory of its own for one test: state, files and the binary to run there.
pub(crate) struct Place {
    pub(crate) directory: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let directory = TempDir::new().unwrap();
        Self { directory }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file and returns its path.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// `nrp`, in this place.
    pub(crate) fn nrp(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nrp"));
        command
            .args(arguments)
            .current_dir(self.directory.path())
            .env_remove("NRP_COORDINATOR")
            .env_remove("NRP_LOG")
            .env_remove("COLUMNS")
            .stdin(Stdio::null());
        command
    }

    /// `nrp run FILE` with the state in this place and the cache that all tests share.
    pub(crate) fn run(&self, file: &Path) -> Command {
        let mut command = self.nrp(&["run"]);
        command
            .arg(file)
            .args(["--state", "state", "--output", "json", "--cache"])
            .arg(shared_cache());
        command
    }

    /// The trials recorded in this place's state.
    pub(crate) fn trials(&self) -> Vec<Value> {
        let output = self
            .nrp(&["trials", "--state", "state", "--output", "json"])
            .output();
        json(&output.unwrap()).as_array().unwrap().clone()
    }
}

/// Activations extracted by one test serve the others; they are keyed by content.
pub(crate) fn shared_cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache")
}

/// A path in the directory of real recordings, weights and reference activations, if it exists.
pub(crate) fn shared(path: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../shared")
        .join(path);
    if !path.exists() {
        eprintln!("skipped: {} is not there", path.display());
        return None;
    }
    Some(path)
}

/// A BMP of one pixel. Each level gives a different picture.
pub(crate) fn bmp(level: u8) -> Vec<u8> {
    let mut bytes = b"BM".to_vec();
    for word in [
        58_u32,
        0,
        54,
        40,
        1,
        1,
        1 | 24 << 16,
        0,
        4,
        2835,
        2835,
        0,
        0,
    ] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend([level, 100, 200, 0]);
    bytes
}

/// A NumPy array of this shape, with values that differ.
pub(crate) fn npy(shape: &[usize]) -> Vec<u8> {
    let shown: String = shape.iter().map(|length| format!("{length}, ")).collect();
    let header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({shown}), }}");
    let mut bytes = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    bytes.extend(format!("{header:117}\n").as_bytes());
    let values = 0..shape.iter().product::<usize>();
    bytes.extend(values.flat_map(|n| ((n * 7 % 23) as f64).to_le_bytes()));
    bytes
}

/// Writes the recordings of a laboratory to a place: `V4.npy` with three sites, `stimuli.csv` with as many
/// `stimuli`, of two objects, and `images/` with a different picture of each.
pub(crate) fn lab_recordings(place: &Place, stimuli: usize) {
    std::fs::create_dir(place.path("images")).unwrap();
    let mut csv = "stimulus_id,filename,object_name\n".to_owned();
    for stimulus in 0..stimuli {
        let object = stimulus % 2;
        csv.push_str(&format!("s{stimulus},{stimulus}.bmp,object{object}\n"));
        place.write(&format!("images/{stimulus}.bmp"), bmp(stimulus as u8));
    }
    place.write("stimuli.csv", csv);
    place.write("V4.npy", npy(&[stimuli, 3]));
}

/// A command's stdout as JSON; it must have succeeded.
pub(crate) fn json(output: &Output) -> Value {
    assert!(
        output.status.success(),
        "{}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A command's stderr; it must have failed with exit code 1 and left stdout empty.
pub(crate) fn refusal(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{}: {stderr}", output.status);
    assert!(
        output.stdout.is_empty(),
        "stdout must carry nothing but data"
    );
    assert!(
        stderr.contains("error: ") && !stderr.contains("panicked"),
        "{stderr}"
    );
    assert!(
        stderr.contains("hint: "),
        "an error says what to do: {stderr}"
    );
    stderr
}

/// Text without the line breaks of a narrow terminal.
pub(crate) fn unwrapped(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A process that is killed with -9 when the value is dropped.
pub(crate) struct Killed(pub(crate) Child);

impl Killed {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        Self(
            command
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap(),
        )
    }

    pub(crate) fn kill(&mut self) {
        // An error means that the process has ended by itself, which is as good.
        let _ = self.0.kill();
        self.0.wait().unwrap();
    }
}

/// Sends a signal to a process by its name, such as `TERM`.
pub(crate) fn signal(process: &Child, name: &str) {
    let kill = format!("kill -{name} {}", process.id());
    let sent = Command::new("sh").args(["-c", &kill]).status();
    assert!(sent.unwrap().success(), "`{kill}` failed");
}

impl Drop for Killed {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Polls `condition` until it returns a value.
pub(crate) fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(started.elapsed() < DEADLINE, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Trials without the sweep in whose name they were listed: other sweeps may have them as well.
pub(crate) fn of_any_sweep(trials: &[Value]) -> Vec<Value> {
    let mut trials = trials.to_vec();
    for trial in trials.iter_mut().flat_map(Value::as_object_mut) {
        for name in ["sweep", "sweep_id"] {
            trial.remove(name).unwrap();
        }
    }
    trials
}

/// The part of trials that must not depend on when, where and how often they were interrupted.
pub(crate) fn lasting(trials: &[Value]) -> Vec<Value> {
    let mut trials: Vec<Value> = trials
        .iter()
        .map(|trial| {
            let mut trial = trial.as_object().unwrap().clone();
            for passing in [
                "train_seconds",
                "worker",
                "attempts",
                "recorded_at",
                "sweep",
                "sweep_id",
            ] {
                trial.remove(passing).unwrap();
            }
            Value::Object(trial)
        })
        .collect();
    trials.sort_by_key(|trial| trial["trial"].as_str().unwrap().to_owned());
    trials
}

/// The address of a coordinator that takes any free port.
pub(crate) const ANY: &str = "127.0.0.1:0";

/// Starts a coordinator on this place's state. Returns the process and its address once it answers.
pub(crate) fn coordinator(place: &Place, listen: &str, arguments: &[&str]) -> (Killed, String) {
    let file = place.path("state/address");
    // A killed coordinator has left its address.
    let _ = std::fs::remove_file(&file);
    let mut command = place.nrp(&["coordinator", "--state", "state", "--listen", listen]);
    let process = Killed::spawn(command.args(arguments));
    let address = wait_for("the coordinator's address", || {
        let address = std::fs::read_to_string(&file).ok()?;
        std::net::TcpStream::connect(&address).ok().map(|_| address)
    });
    (process, address)
}

/// The command of a worker with two lanes, its spool in this place and the cache that all share.
pub(crate) fn worker_command(
    place: &Place,
    address: &str,
    name: &str,
    arguments: &[&str],
) -> Command {
    let mut command = place.nrp(&["worker", "--coordinator", address, "--name", name]);
    command
        .args(["--lanes", "2", "--spool", "spool", "--cache"])
        .arg(shared_cache())
        .args(arguments);
    command
}

/// Starts a worker.
pub(crate) fn worker(place: &Place, address: &str, name: &str) -> Killed {
    Killed::spawn(&mut worker_command(place, address, name, &[]))
}

/// The status of the latest sweep.
pub(crate) fn status(place: &Place, address: &str) -> Value {
    let arguments = ["sweep", "status", "--coordinator", address];
    asked(place, &arguments)[0].clone()
}

/// Submits a sweep, and returns the coordinator's answer.
pub(crate) fn submit(place: &Place, address: &str, sweep: &str) -> Value {
    let file = place.write("sweep.toml", sweep);
    let file = file.to_str().unwrap();
    asked(place, &["sweep", "submit", file, "--coordinator", address])
}

/// The answer of a command, as JSON.
pub(crate) fn asked(place: &Place, arguments: &[&str]) -> Value {
    let mut command = place.nrp(arguments);
    json(&command.args(["--output", "json"]).output().unwrap())
}

/// The journal's lines after the first; empty if the journal does not exist yet.
pub(crate) fn journal(place: &Place) -> Vec<Value> {
    let text = std::fs::read_to_string(place.path("state/journal.jsonl")).unwrap_or_default();
    // The last line may be half written.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let lines = whole.lines().skip(1);
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The journal's events of one type.
pub(crate) fn events(place: &Place, kind: &str) -> Vec<Value> {
    let events = journal(place).into_iter();
    let mut events: Vec<_> = events.map(|mut line| line["event"].take()).collect();
    events.retain(|event| event["type"] == kind);
    events
}

/// How many outcomes of each trial the journal has.
pub(crate) fn outcomes(place: &Place) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    for event in events(place, "outcome_recorded") {
        let trial = event["trial"].as_str().unwrap().to_owned();
        *counts.entry(trial).or_default() += 1;
    }
    counts
}

/// A number between 0 and 1 that differs from run to run; the seed is printed.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new() -> Self {
        let given = std::env::var("NRP_SEED").ok();
        let seed = given.map_or_else(
            || {
                SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .unwrap()
                    .as_nanos() as u64
            },
            |seed| seed.parse().unwrap(),
        );
        eprintln!("moments of the kills: NRP_SEED={seed}");
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> f64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as f64 / u64::MAX as f64
    }
}
