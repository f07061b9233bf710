//! Workers under a Slurm that the test starts, with one node on this machine. The test needs Slurm,
//! munge and root, and skips without them.

use crate::harness::{
    ANY, Killed, Place, SMALL_SWEEP, asked, coordinator, events, shared_cache, status, submit,
    wait_for,
};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

/// A Slurm that ends with the test.
struct Slurm<'a> {
    place: &'a Place,
    _daemons: Vec<Killed>,
}

/// The programs that must be installed.
const PROGRAMS: [&str; 4] = ["munged", "slurmctld", "slurmd", "sbatch"];

impl<'a> Slurm<'a> {
    /// Starts Slurm; `None` if it is not installed.
    fn start(place: &'a Place) -> Option<Self> {
        let shell = |script: &str| Command::new("sh").args(["-c", script]).output().unwrap();
        let missing = |program: &&&str| !shell(&format!("command -v {program}")).status.success();
        if let Some(program) = PROGRAMS.iter().find(missing) {
            eprintln!("skipped: `{program}` is not installed");
            return None;
        }
        if shell("id -u").stdout != b"0\n" {
            eprintln!("skipped: only root may start a Slurm");
            return None;
        }
        let ports = {
            // Both ports are taken at once, so that they differ, and are free again afterwards.
            let free = [ANY, ANY].map(|any| TcpListener::bind(any).unwrap());
            free.map(|port| port.local_addr().unwrap().port())
        };
        let host = String::from_utf8(shell("hostname").stdout).unwrap();
        let (host, here) = (host.trim(), place.path(""));
        let here = here.display();
        place.write("munge.key", [7; 1024]);
        shell(&format!(
            "cd {here} && chmod 400 munge.key && mkdir ctld slurmd"
        ));
        let configuration = format!(
            "ClusterName=test\nSlurmctldHost={host}(127.0.0.1)\nSlurmUser=root\nSlurmdUser=root\n\
             AuthType=auth/munge\nAuthInfo=socket={here}/munge.socket\n\
             SlurmctldPort={}\nSlurmdPort={}\nStateSaveLocation={here}/ctld\n\
             SlurmdSpoolDir={here}/slurmd\nSlurmctldPidFile={here}/ctld.pid\n\
             SlurmdPidFile={here}/slurmd.pid\nProctrackType=proctrack/linuxproc\n\
             TaskPlugin=task/none\nSelectType=select/cons_tres\nSelectTypeParameters=CR_Core\n\
             JobAcctGatherType=jobacct_gather/none\nSwitchType=switch/none\nMpiDefault=none\n\
             ReturnToService=2\nSlurmdParameters=config_overrides\n\
             NodeName=node NodeHostname={host} NodeAddr=127.0.0.1 CPUs=16 RealMemory=65536\n\
             PartitionName=all Nodes=node Default=YES MaxTime=INFINITE State=UP\n",
            ports[0], ports[1]
        );
        place.write("slurm.conf", configuration);
        let daemon = |line: &str| {
            let mut words = line.split_whitespace();
            let mut command = Command::new(words.next().unwrap());
            command.args(words).current_dir(place.path(""));
            Killed::spawn(command.env("SLURM_CONF", place.path("slurm.conf")))
        };
        let munged = daemon(&format!(
            "munged --foreground --force --socket={here}/munge.socket --key-file={here}/munge.key \
             --log-file={here}/munged.log --pid-file={here}/munged.pid --seed-file={here}/munged.seed"
        ));
        wait_for("munge", || {
            place.path("munge.socket").exists().then_some(())
        });
        let controller = daemon(&format!("slurmctld -D -f {here}/slurm.conf"));
        let node = daemon(&format!("slurmd -D -f {here}/slurm.conf -N node"));
        let slurm = Self {
            place,
            // The node stops first, since no other node takes over its jobs.
            _daemons: vec![node, controller, munged],
        };
        wait_for("an idle node", || {
            (slurm.ask("sinfo", &["-h", "-o", "%t"]).trim() == "idle").then_some(())
        });
        Some(slurm)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("SLURM_CONF", self.place.path("slurm.conf"));
        command.current_dir(self.place.path(""));
        command
    }

    fn ask(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.command(program).args(arguments).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }
}

#[test]
fn scancel_of_a_long_job_hands_it_back_and_the_worker_is_gone_from_lists() {
    let place = Place::new();
    let Some(slurm) = Slurm::start(&place) else {
        return;
    };
    let (_served, address) = coordinator(&place, ANY, &[]);
    // None of its trials ends by itself during this test.
    submit(
        &place,
        &address,
        &SMALL_SWEEP.replace("max_epochs = 12", "max_epochs = 1000000"),
    );
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/slurm/nrp-workers.sbatch");
    let mut sbatch = slurm.command("sbatch");
    sbatch
        .args([
            "--parsable",
            "--cpus-per-task=1",
            "--mem=1M",
            "--time=60",
            "--array=1",
        ])
        .args(["--output", "worker.log"])
        .arg(script)
        .env("NRP", env!("CARGO_BIN_EXE_nrp"))
        .env("NRP_COORDINATOR", &address)
        .env("NRP_CACHE", shared_cache())
        .env("NRP_SPOOL", place.path("spool"));
    let submitted = sbatch.output().unwrap();
    assert!(submitted.status.success(), "{submitted:?}");
    let job = String::from_utf8(submitted.stdout).unwrap();
    let workers = || asked(&place, &["workers", "list", "--coordinator", &address]);
    wait_for("a job in the worker's hands", || {
        (status(&place, &address)["leased"] != 0).then_some(())
    });
    assert_eq!(workers()[0]["worker"], format!("slurm-{}-1", job.trim()));
    slurm.ask("scancel", &[job.trim()]);
    wait_for("the end of Slurm's job", || {
        slurm.ask("squeue", &["-h"]).trim().is_empty().then_some(())
    });
    // Slurm would have killed it half a minute after the signal.
    let log = std::fs::read_to_string(place.path("worker.log")).unwrap();
    assert!(log.contains("the running job has 20s to end"), "{log}");
    assert_eq!(workers().as_array().unwrap().len(), 0, "{log}");
    let status = status(&place, &address);
    assert_eq!(
        (&status["leased"], &status["waiting"]),
        (&0.into(), &status["trials"]),
        "{log}"
    );
    let ended = events(&place, "lease_ended");
    assert!(!ended.is_empty(), "{log}");
    assert!(
        ended.iter().all(|event| event["reason"] == "released"),
        "{ended:?}"
    );
}
