//! Processes that exist and do not answer, because they are stopped or cut off by the network for
//! longer than a lease. A process that returns continues without a restart, and no trial gets two
//! outcomes.

use crate::harness::{
    ANY, Killed, Place, SMALL_SWEEP, coordinator, events, outcomes, signal, status, submit,
    wait_for, worker, worker_command,
};
use serde_json::Value;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A short lease, so that more than a lease passes soon.
const LEASE: [&str; 2] = ["--lease", "3s"];
/// A time longer than a lease.
const LONG: Duration = Duration::from_secs(8);

/// [`SMALL_SWEEP`] with trials that together take longer than a lease.
fn sweep() -> String {
    SMALL_SWEEP
        .replace("l1 = [8, 16]", "l1 = [8, 16, 24, 32]")
        .replace("l2 = [8]", "l2 = [8, 12]")
        .replace("max_epochs = 12", "max_epochs = 250")
}

/// Waits for longer than a lease lasts.
fn let_a_lease_pass() {
    let started = Instant::now();
    wait_for("more than a lease", || {
        (started.elapsed() > LONG).then_some(())
    });
}

/// How many jobs a worker has received so far.
fn jobs(place: &Place, worker: &str) -> usize {
    let granted = events(place, "lease_granted");
    granted
        .iter()
        .filter(|event| event["worker"] == worker)
        .count()
}

/// Waits until a worker receives a new job.
fn wait_for_a_job(place: &Place, worker: &str) {
    let before = jobs(place, worker);
    wait_for(&format!("a job for `{worker}`"), || {
        (jobs(place, worker) > before).then_some(())
    });
}

/// Waits until a lease lapses.
fn wait_for_a_lapse(place: &Place) {
    wait_for("a lease's end", || {
        let ended = events(place, "lease_ended");
        let lapsed = ended.iter().any(|event| event["reason"] == "lapsed");
        lapsed.then_some(())
    });
}

/// Waits for the sweep's end, and checks that each of its trials has one outcome.
fn assert_ends_with_one_outcome_each(place: &Place, address: &str) {
    wait_for("the sweep's end", || {
        (status(place, address)["state"] == "finished").then_some(())
    });
    let outcomes = outcomes(place);
    assert_eq!(outcomes.len(), 32);
    assert!(outcomes.values().all(|&n| n == 1), "{outcomes:?}");
    let failed = status(place, address)["failed"].clone();
    assert_eq!(failed, 0, "nothing is held against a trial");
}

#[test]
fn a_coordinator_stopped_for_longer_than_a_lease_takes_no_job_from_a_worker() {
    let place = Place::new();
    let (served, address) = coordinator(&place, ANY, &LEASE);
    submit(&place, &address, &sweep());
    let _worker = worker(&place, &address, "w");
    wait_for_a_job(&place, "w");
    for _ in 0..2 {
        signal(&served.0, "STOP");
        let_a_lease_pass();
        signal(&served.0, "CONT");
        let before = outcomes(&place).len();
        wait_for("another outcome", || {
            (outcomes(&place).len() > before).then_some(())
        });
    }
    assert_eq!(events(&place, "lease_ended"), [] as [Value; 0]);
}

#[test]
fn a_worker_stopped_for_longer_than_a_lease_loses_its_job_and_goes_on() {
    let place = Place::new();
    let (_served, address) = coordinator(&place, ANY, &LEASE);
    submit(&place, &address, &sweep());
    let mut stopped = worker(&place, &address, "stopped");
    wait_for_a_job(&place, "stopped");
    signal(&stopped.0, "STOP");
    wait_for_a_lapse(&place);
    let _other = worker(&place, &address, "other");
    wait_for_a_job(&place, "other");
    signal(&stopped.0, "CONT");
    wait_for_a_job(&place, "stopped");
    assert_ends_with_one_outcome_each(&place, &address);
    assert!(stopped.0.try_wait().unwrap().is_none(), "the same process");
}

/// Runs `ip`, and returns whether it succeeded.
fn ip(arguments: &str) -> bool {
    let mut command = Command::new("ip");
    command
        .args(arguments.split_whitespace())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Two network namespaces with a link between them, deleted when the value is dropped.
struct Wire {
    head: String,
    far: String,
}

const HEAD_ADDRESS: &str = "10.93.71.1";
const FAR_ADDRESS: &str = "10.93.71.2";
const HEAD_ETHERNET: &str = "02:00:00:00:71:01";
const FAR_ETHERNET: &str = "02:00:00:00:71:02";
/// An address that nothing has: packets to it are lost without an error.
const NO_ETHERNET: &str = "02:00:00:00:71:ff";

impl Wire {
    /// `None`, with a message, if this user may not create namespaces.
    fn new() -> Option<Self> {
        let process = std::process::id();
        let wire = Self {
            head: format!("nrp-head-{process}"),
            far: format!("nrp-far-{process}"),
        };
        let Self { head, far } = &wire;
        let made = ip(&format!("netns add {head}"))
            && ip(&format!("netns add {far}"))
            && ip(&format!(
                "link add head address {HEAD_ETHERNET} netns {head} type veth \
                 peer name far address {FAR_ETHERNET} netns {far}"
            ))
            && ip(&format!("-n {head} addr add {HEAD_ADDRESS}/24 dev head"))
            && ip(&format!("-n {far} addr add {FAR_ADDRESS}/24 dev far"))
            && ip(&format!("-n {head} link set head up"))
            && ip(&format!("-n {far} link set far up"))
            && ip(&format!("-n {head} link set lo up"));
        if !made {
            eprintln!("skipped: this user may not make network namespaces (`ip netns add`)");
            return None;
        }
        wire.heal();
        Some(wire)
    }

    fn aim(&self, at_far: &str, at_head: &str) {
        let Self { head, far } = self;
        let aimed = ip(&format!(
            "-n {head} neigh replace {FAR_ADDRESS} lladdr {at_far} dev head nud permanent"
        )) && ip(&format!(
            "-n {far} neigh replace {HEAD_ADDRESS} lladdr {at_head} dev far nud permanent"
        ));
        assert!(aimed, "the wire cannot be set");
    }

    /// Loses every packet in both directions, without an error on either side.
    fn cut(&self) {
        self.aim(NO_ETHERNET, NO_ETHERNET);
    }

    fn heal(&self) {
        self.aim(FAR_ETHERNET, HEAD_ETHERNET);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        ip(&format!("netns del {}", self.far));
        ip(&format!("netns del {}", self.head));
    }
}

/// Runs the command in a network namespace.
fn within(namespace: &str, command: &Command) -> Command {
    let mut inside = Command::new("ip");
    inside
        .args(["netns", "exec", namespace])
        .arg(command.get_program())
        .args(command.get_args())
        .current_dir(command.get_current_dir().unwrap())
        .env_remove("NRP_COORDINATOR")
        .stdin(Stdio::null());
    inside
}

#[test]
fn a_worker_cut_off_for_longer_than_a_lease_goes_on_when_the_network_is_healed() {
    let Some(wire) = Wire::new() else {
        return;
    };
    let place = Place::new();
    let address = format!("{HEAD_ADDRESS}:7321");
    let mut command = place.nrp(&["coordinator", "--state", "state", "--listen", &address]);
    let _served = Killed::spawn(&mut within(&wire.head, command.args(LEASE)));
    wait_for("the coordinator", || {
        std::fs::read(place.path("state/address")).ok()
    });
    let file = place.write("sweep.toml", sweep());
    let ask = |arguments: &[&str]| {
        let mut command = place.nrp(arguments);
        command.args(["--coordinator", &address, "--output", "json"]);
        crate::harness::json(&within(&wire.head, &command).output().unwrap())
    };
    ask(&["sweep", "submit", file.to_str().unwrap()]);
    let spawn = |namespace: &str, name: &str| {
        Killed::spawn(&mut within(
            namespace,
            &worker_command(&place, &address, name, &[]),
        ))
    };
    let mut far = spawn(&wire.far, "far");
    // The trials of a job end together, so there is no lease again before the next job.
    wait_for("an outcome of the far worker, and its next job", || {
        (!outcomes(&place).is_empty() && jobs(&place, "far") > 1).then_some(())
    });
    wire.cut();
    wait_for_a_lapse(&place);
    let mut near = spawn(&wire.head, "near");
    wait_for_a_job(&place, "near");
    let taken = outcomes(&place).len();
    wait_for("an outcome of the near worker", || {
        (outcomes(&place).len() > taken).then_some(())
    });
    // From here on only the far worker can continue.
    near.kill();
    let healed = Instant::now();
    wire.heal();
    wait_for_a_job(&place, "far");
    eprintln!(
        "the far worker had its next job {:?} after the healing",
        healed.elapsed()
    );
    wait_for("the sweep's end", || {
        (ask(&["sweep", "status"])[0]["state"] == "finished").then_some(())
    });
    assert!(far.0.try_wait().unwrap().is_none(), "the same process");
    let outcomes = outcomes(&place);
    assert_eq!(outcomes.len(), 32);
    assert!(outcomes.values().all(|&n| n == 1), "{outcomes:?}");
    let status = ask(&["sweep", "status"]);
    assert_eq!(
        (&status[0]["finished"], &status[0]["failed"]),
        (&32.into(), &0.into())
    );
}
