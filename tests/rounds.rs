//! kill -9 of coordinator and workers, round after round, under load: every acknowledged outcome is
//! kept, and every trial has one outcome.
//!
//! The load comes from simulated workers: processes of this test that speak the protocol and report
//! invented scores, so that thousands of outcomes are in flight at each kill. Real workers, which
//! train, are killed in rounds of their own. `NRP_KILL_ROUNDS` says how many rounds there are.

use crate::harness::{
    ANY, Chance, Killed, Place, SMALL_SWEEP, asked, coordinator, events, json, lasting, outcomes,
    submit, wait_for, worker,
};
use nrp_proto::state::Verdict;
use nrp_proto::wire::workers_client::WorkersClient;
use nrp_proto::wire::{
    Job, LeaseRef, LeaseRequest, Outcome, RegisterRequest, Report, ReportRequest, Scores, outcome,
};
use nrp_proto::{CONTRACT, MESSAGE_BYTES_MAX};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;
use tonic::transport::Channel;
use tonic::{Code, Status};

/// The number of rounds unless `NRP_KILL_ROUNDS` names another.
const ROUNDS: usize = 20;
/// How many simulated workers run at once.
const WORKERS: usize = 3;
/// The latest moment of a kill after the round's first acknowledgement.
const MOMENT: Duration = Duration::from_millis(60);
/// How many trials a simulated worker takes in one job, and the most outcomes that it has in
/// flight.
const LANES: u32 = 32;
/// The time from one invented outcome to the next, so that the load lasts for all rounds.
const TRAINING: Duration = Duration::from_millis(4);

fn rounds() -> usize {
    let given = std::env::var("NRP_KILL_ROUNDS").ok();
    given.map_or(ROUNDS, |rounds| rounds.parse().unwrap())
}

/// The instructions for a simulated worker's process: address, name and log, line by line.
const MADE_UP: &str = "NRP_MADE_UP_WORKER";

fn made_up_worker_command(place: &Place, address: &str, number: usize) -> Command {
    let log = log(place, number);
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "rounds::made_up_worker", "--ignored"])
        .env(MADE_UP, format!("{address}\nmade-up-{number}\n{log}"))
        .stdin(Stdio::null());
    command
}

fn log(place: &Place, number: usize) -> String {
    let path = place.path(&format!("made-up-{number}.log"));
    path.to_str().unwrap().to_owned()
}

/// The simulated worker itself. It ends only by kill -9.
#[test]
#[ignore = "a process of the kill rounds, which start it themselves"]
fn made_up_worker() {
    let Ok(told) = std::env::var(MADE_UP) else {
        return;
    };
    let told: Vec<_> = told.lines().map(str::to_owned).collect();
    let [address, name, log] = told.try_into().unwrap();
    let instance = std::process::id().to_string();
    let mut log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(log)
        .unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let endpoint = Channel::from_shared(format!("http://{address}")).unwrap();
        let client = WorkersClient::new(endpoint.timeout(Duration::from_secs(5)).connect_lazy())
            .max_decoding_message_size(MESSAGE_BYTES_MAX);
        let mut made_up = MadeUp {
            client,
            name,
            instance,
            reported: 0,
        };
        // As a worker does: an earlier process may still be known by this name.
        while made_up.register().await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        loop {
            match made_up.lease().await {
                Ok(Some(job)) => made_up.report_all(&job, &mut log).await,
                Ok(None) => {}
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    });
}

/// The sites of a job's region in the simulated recordings: outcomes of any other number are refused.
fn sites(job: &Job) -> u32 {
    match job.shared.as_ref().unwrap().region.as_str() {
        "V4" => 88,
        "IT" => 168,
        other => panic!("no simulated region: {other}"),
    }
}

struct MadeUp {
    client: WorkersClient<Channel>,
    name: String,
    instance: String,
    reported: u32,
}

impl MadeUp {
    async fn lease(&mut self) -> Result<Option<Job>, Status> {
        let request = LeaseRequest {
            worker: self.name.clone(),
            instance: self.instance.clone(),
            held: Vec::new(),
        };
        match self.client.lease(request).await {
            Ok(reply) => Ok(reply.into_inner().job),
            Err(status) if status.code() == Code::NotFound => {
                self.register().await?;
                Ok(None)
            }
            Err(status) => Err(status),
        }
    }

    async fn register(&mut self) -> Result<(), Status> {
        let request = RegisterRequest {
            worker: self.name.clone(),
            instance: self.instance.clone(),
            device: "none: it makes scores up".to_owned(),
            lanes: LANES,
            contract: CONTRACT,
        };
        self.client.register(request).await.map(|_| ())
    }

    /// Reports an invented outcome of each trial, one soon after the other, until each is answered,
    /// and writes down the answers.
    async fn report_all(&mut self, job: &Job, log: &mut File) {
        let mut calls = tokio::task::JoinSet::new();
        for trial in &job.cells {
            self.reported += 1;
            // No other report of this or any other process has this score.
            let process: u32 = self.instance.parse().unwrap();
            let score = f64::from(process) + f64::from(self.reported) / f64::from(1 << 24);
            let scores = Scores {
                nrp_error: score,
                validation_mse: score,
                sites: sites(job),
                parameters: 1,
                ..Scores::default()
            };
            let report = Report {
                worker: self.name.clone(),
                instance: self.instance.clone(),
                lease: Some(LeaseRef {
                    job: job.id,
                    fence: job.fence,
                }),
                trial: trial.id.clone(),
                outcome: Some(Outcome {
                    result: Some(outcome::Result::Scores(scores)),
                }),
            };
            tokio::time::sleep(TRAINING).await;
            let mut client = self.client.clone();
            calls.spawn(async move {
                loop {
                    let reports = vec![report.clone()];
                    match client.report(ReportRequest { reports }).await {
                        Ok(reply) => {
                            let kind = reply.into_inner().verdicts.remove(0).kind;
                            let verdict = Verdict::of_wire(kind).unwrap();
                            return (report.trial, score, verdict.name());
                        }
                        Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                    }
                }
            });
        }
        while let Some(call) = calls.join_next().await {
            let (trial, score, verdict) = call.unwrap();
            // One write: a kill leaves the whole line or, at worst, nothing.
            let line = format!("{trial} {score:?} {verdict}\n");
            log.write_all(line.as_bytes()).unwrap();
        }
    }
}

/// The scores that were acknowledged to simulated workers as recorded, by trial.
fn acknowledged(place: &Place) -> HashMap<String, f64> {
    let mut recorded = HashMap::new();
    for number in 0..WORKERS {
        for line in std::fs::read_to_string(log(place, number))
            .unwrap_or_default()
            .lines()
        {
            let words: Vec<_> = line.split(' ').collect();
            let [trial, score, verdict] = words.try_into().unwrap();
            assert!(
                ["recorded", "duplicate"].contains(&verdict),
                "the outcome of trial {trial} is {verdict}"
            );
            if verdict == "recorded" {
                let before = recorded.insert(trial.to_owned(), score.parse().unwrap());
                assert_eq!(before, None, "two reports of trial {trial} were recorded");
            }
        }
    }
    recorded
}

/// How many bytes the simulated workers have written down.
fn logged(place: &Place) -> u64 {
    let bytes = |number| std::fs::metadata(log(place, number)).map_or(0, |log| log.len());
    (0..WORKERS).map(bytes).sum()
}

#[test]
fn nothing_acknowledged_is_lost_or_doubled_over_rounds_of_kill_9() {
    let rounds = rounds();
    let place = Place::new();
    let mut chance = Chance::new();
    let (mut served, address) = coordinator(&place, ANY, &["--lease", "5s"]);
    let trials = (100 * rounds).max(1_000);
    let seeds: Vec<_> = (0..trials).map(|seed| seed.to_string()).collect();
    let sweep = SMALL_SWEEP
        .replace(
            "l1 = [8, 16]",
            &format!("l1 = [8]\nseed = [{}]", seeds.join(", ")),
        )
        .replace("learning_rate = [1e-3, 3e-3]", "learning_rate = [1e-3]");
    let submitted = submit(&place, &address, &sweep);
    let trials = submitted["trials"].as_u64().unwrap();
    let start = |number| Killed::spawn(&mut made_up_worker_command(&place, &address, number));
    let mut workers: Vec<_> = (0..WORKERS).map(start).collect();
    let mut kills = (0, 0);
    for round in 0..rounds {
        let before = logged(&place);
        let open = trials - acknowledged(&place).len() as u64;
        assert!(open > 0, "the load ended before round {round}");
        wait_for("an acknowledgement", || {
            (logged(&place) > before).then_some(())
        });
        std::thread::sleep(MOMENT.mul_f64(chance.next()));
        let which = (chance.next() * 4.0) as usize;
        let unlucky = (chance.next() * WORKERS as f64) as usize % WORKERS;
        // Half of the rounds kill the coordinator alone, a quarter a worker alone, a quarter both.
        if which != 2 {
            served.kill();
            kills.0 += 1;
        }
        if which >= 2 {
            workers[unlucky].kill();
            kills.1 += 1;
            workers[unlucky] = start(unlucky);
        }
        if which != 2 {
            served = coordinator(&place, &address, &["--lease", "5s"]).0;
        }
    }
    let before_the_end = acknowledged(&place).len();
    assert!(before_the_end >= rounds, "each round begins with one");
    wait_for("the sweep's end", || {
        let status = asked(&place, &["sweep", "status", "--coordinator", &address]);
        (status[0]["state"] == "finished").then_some(())
    });
    let exported = place
        .nrp(&["export", "--format", "jsonl", "--coordinator", &address])
        .output();
    let exported = String::from_utf8(exported.unwrap().stdout).unwrap();
    drop(workers);
    served.kill();
    let acknowledged = acknowledged(&place);
    let (lost, doubled) = compare(&place, &acknowledged, &exported, trials);
    eprintln!(
        "{rounds} rounds: {} kills of the coordinator, {} of a worker; {trials} trials, \
         {before_the_end} outcomes acknowledged by the last kill, {} by the end: {lost} lost, \
         {doubled} doubled",
        kills.0,
        kills.1,
        acknowledged.len(),
    );
    assert_eq!((lost, doubled), (0, 0));
}

/// How many acknowledged outcomes are missing from journal or export, and how many trials do not
/// have exactly one outcome.
fn compare(
    place: &Place,
    acknowledged: &HashMap<String, f64>,
    exported: &str,
    trials: u64,
) -> (usize, usize) {
    let journalled: HashMap<_, _> = events(place, "outcome_recorded")
        .into_iter()
        .map(|event| {
            let trial = event["trial"].as_str().unwrap().to_owned();
            (trial, event["outcome"]["finished"]["nrp_error"].as_f64())
        })
        .collect();
    let mut rows = HashMap::new();
    let mut doubled = 0;
    for line in exported.lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let trial = row["trial"].as_str().unwrap().to_owned();
        doubled += usize::from(rows.insert(trial, row["nrp_error"].as_f64()).is_some());
    }
    assert_eq!(rows.len() as u64, trials, "trials in the export");
    let counts = outcomes(place);
    assert_eq!(counts.len() as u64, trials, "trials in the journal");
    doubled += counts.values().filter(|&&n| n != 1).count();
    let lost = acknowledged.iter().filter(|(trial, score)| {
        let score = Some(Some(**score));
        journalled.get(*trial).copied() != score || rows.get(*trial).copied() != score
    });
    (lost.count(), doubled)
}

#[test]
fn real_workers_killed_over_and_over_end_with_the_scores_of_an_untouched_run() {
    let rounds = rounds() / 5;
    let seeds: Vec<_> = (0..rounds.max(4)).map(|seed| seed.to_string()).collect();
    let sweep = SMALL_SWEEP
        .replace("[grid]", &format!("[grid]\nseed = [{}]", seeds.join(", ")))
        .replace("max_epochs = 12", "max_epochs = 100");
    let alone = Place::new();
    json(
        &alone
            .run(&alone.write("sweep.toml", &sweep))
            .output()
            .unwrap(),
    );

    let place = Place::new();
    let mut chance = Chance::new();
    let (mut served, address) = coordinator(&place, ANY, &["--lease", "5s"]);
    let submitted = submit(&place, &address, &sweep);
    let trials = submitted["trials"].as_u64().unwrap() as usize;
    let names = ["first", "second"];
    let mut workers = names.map(|name| worker(&place, &address, name));
    for round in 0..rounds {
        let before = outcomes(&place).len();
        assert!(before < trials, "the load ended before round {round}");
        wait_for("an outcome", || {
            (outcomes(&place).len() > before).then_some(())
        });
        std::thread::sleep(Duration::from_millis(500).mul_f64(chance.next()));
        // The workers take turns, so that no trial is lost with its worker too often.
        match round % 3 {
            0 => {
                served.kill();
                served = coordinator(&place, &address, &["--lease", "5s"]).0;
            }
            turn => {
                workers[turn - 1].kill();
                workers[turn - 1] = worker(&place, &address, names[turn - 1]);
            }
        }
    }
    wait_for("the sweep's end", || {
        let status = asked(&place, &["sweep", "status", "--coordinator", &address]);
        (status[0]["state"] == "finished").then_some(())
    });
    let outcomes = outcomes(&place);
    served.kill();
    eprintln!("{rounds} rounds on real workers: {} trials", outcomes.len());
    assert!(outcomes.values().all(|&n| n == 1), "{outcomes:?}");
    assert_eq!(lasting(&place.trials()), lasting(&alone.trials()));
    let mut spool = place.path("spool").read_dir().unwrap();
    assert!(spool.next().is_none(), "an acknowledged outcome stayed");
}
