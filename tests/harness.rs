//! What the tests share: the binary under test, places to run it in, and waiting with a deadline.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longest that any one thing in a test may take on a slow machine.
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

/// A place of its own for one test: state, files and the binary to run there.
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
            .stdin(Stdio::null());
        command
    }

    /// `nrp run FILE` with state here and the cache that all tests share.
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

/// The directory of real recordings, weights and reference activations, where it is there.
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

/// A process that is killed with -9 when it goes out of sight.
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
        // An error means that it has ended by itself, which is as good.
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

/// Polls `condition` until it gives a value.
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

/// What of a trial must not depend on when, where and how often it was interrupted.
pub(crate) fn lasting(trials: &[Value]) -> Vec<Value> {
    let mut trials: Vec<Value> = trials
        .iter()
        .map(|trial| {
            let mut trial = trial.as_object().unwrap().clone();
            for passing in ["train_seconds", "worker", "attempts"] {
                trial.remove(passing).unwrap();
            }
            Value::Object(trial)
        })
        .collect();
    trials.sort_by_key(|trial| trial["trial"].as_str().unwrap().to_owned());
    trials
}
