//! Events: what became durable, as readers hear of it, over restarts, deletions and compactions.

use crate::world::{DEADLINE, World, start, sweep};
use nrp_proto::wire::event::Payload;
use nrp_proto::wire::events_reply::Next;
use nrp_proto::wire::resync::Reason;
use nrp_proto::wire::*;
use std::path::Path;
use tonic::{Code, Status, Streaming};

async fn events(world: &mut World, since: Option<u64>) -> Streaming<EventsReply> {
    let request = EventsRequest { since };
    let stream = world.sweeps.events(request).await;
    stream.expect("is answered").into_inner()
}

/// The next thing that a reader hears, within a deadline.
async fn heard(stream: &mut Streaming<EventsReply>) -> Result<Next, Status> {
    let reply = tokio::time::timeout(DEADLINE, stream.message());
    let reply = reply.await.expect("something comes")?;
    Ok(reply.expect("it goes on").next.expect("is told"))
}

async fn event(stream: &mut Streaming<EventsReply>) -> Event {
    match heard(stream).await.expect("no error") {
        Next::Event(event) => event,
        Next::Resync(resync) => panic!("{resync:?}"),
    }
}

async fn resync(stream: &mut Streaming<EventsReply>) -> (u64, Reason) {
    match heard(stream).await.expect("no error") {
        Next::Event(event) => panic!("{event:?}"),
        Next::Resync(resync) => (resync.seq, resync.reason()),
    }
}

/// The events behind `since` up to number `upto`.
async fn told(world: &mut World, since: u64, upto: u64) -> Vec<Event> {
    let mut stream = events(world, Some(since)).await;
    let mut told = Vec::new();
    while told.last().map_or(since, |event: &Event| event.seq) < upto {
        told.push(event(&mut stream).await);
    }
    told
}

/// The journal's entries: number, time and kind, with the trial where it is of one.
fn journal(dir: &Path) -> Vec<(u64, u64, String, String)> {
    let text = std::fs::read_to_string(dir.join("journal.jsonl")).expect("reads");
    let lines = text.lines().skip(1);
    let entries = lines.map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).expect("is JSON");
        let number = |key: &str| line[key].as_u64().expect("a number");
        let text = |key: &str| line["event"][key].as_str().unwrap_or_default().to_owned();
        (number("seq"), number("at_ms"), text("type"), text("trial"))
    });
    entries.collect()
}

/// An event as `journal` has it.
fn entry(event: &Event) -> (u64, u64, String, String) {
    let none = String::new;
    let (kind, trial) = match event.payload.as_ref().expect("it tells something") {
        Payload::SweepSubmitted(_) => ("sweep_submitted", none()),
        Payload::SweepPaused(_) => ("sweep_paused", none()),
        Payload::SweepResumed(_) => ("sweep_resumed", none()),
        Payload::SweepCancelled(_) => ("sweep_cancelled", none()),
        Payload::SweepDeleted(_) => ("sweep_deleted", none()),
        Payload::SweepPrioritised(_) => ("sweep_prioritised", none()),
        Payload::JobLeased(_) => ("lease_granted", none()),
        Payload::LeaseEnded(_) => ("lease_ended", none()),
        Payload::GroupParked(_) => ("group_parked", none()),
        Payload::GroupUnparked(_) => ("group_unparked", none()),
        Payload::AttemptFailed(of) => ("attempt_failed", of.trial.clone()),
        Payload::RungPassed(of) => ("rung_reached", of.trial.clone()),
        Payload::OutcomeRecorded(of) => ("outcome_recorded", of.trial.clone()),
        Payload::OutcomeRetracted(of) => ("outcome_retracted", of.trial.clone()),
    };
    (event.seq, event.at_ms, kind.to_owned(), trial)
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_the_journals_entries_live_and_read_back() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut world = start(dir.path()).await;
    let mut live = events(&mut world, None).await;
    assert_eq!(resync(&mut live).await, (0, Reason::Start));
    world.submit(sweep("a", "0, 1")).await;
    let prioritise = PrioritiseRequest {
        sweep: "a".to_owned(),
        priority: 3,
    };
    world.sweeps.prioritise(prioritise).await.expect("is taken");
    world.finish_all().await;
    let retract = RetractRequest {
        trials: vec![world.trials("finished").await.expect("lists")[0].id.clone()],
        reason: "another order".to_owned(),
    };
    world.sweeps.retract(retract).await.expect("is taken");
    let written = journal(dir.path());
    assert!(written.len() >= 8, "{written:?}");
    let last = written.last().expect("entries").0;
    let mut heard = Vec::new();
    while heard.len() < written.len() {
        heard.push(event(&mut live).await);
    }
    assert_eq!(heard.iter().map(entry).collect::<Vec<_>>(), written);
    let scored = heard.iter().filter_map(|event| match &event.payload {
        Some(Payload::OutcomeRecorded(outcome)) => outcome.outcome.clone(),
        _ => None,
    });
    for outcome in scored {
        let outcome_recorded::Outcome::Scores(scores) = outcome else {
            panic!("{outcome:?}");
        };
        assert!(scores.nrp_error > 0.0 && scores.details.is_none());
    }
    assert_eq!(told(&mut world, 0, last).await, heard, "from what is kept");
    drop(world);
    let mut world = start(dir.path()).await;
    assert_eq!(told(&mut world, 0, last).await, heard, "from the journal");
    assert_eq!(told(&mut world, 5, last).await, heard[5..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_connects_again_misses_nothing_and_hears_nothing_twice() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut heard: Vec<Event> = Vec::new();
    for round in 0..4 {
        let mut world = start(dir.path()).await;
        let since = heard.last().map_or(0, |event| event.seq);
        let mut stream = events(&mut world, Some(since)).await;
        world.submit(sweep("a", &format!("{round}"))).await;
        world.register("1").await;
        let job = world.lease("1").await.expect("a job");
        world.verdict(&job, 0, 0.5).await;
        // It is cut off somewhere in between, and hears of the rest when it is back.
        for _ in 0..2 {
            heard.push(event(&mut stream).await);
        }
        drop(world);
        while let Ok(next) = heard_until_cut(&mut stream).await {
            heard.push(next);
        }
    }
    let mut world = start(dir.path()).await;
    let written = journal(dir.path());
    let last = written.last().expect("entries").0;
    let since = heard.last().expect("events").seq;
    heard.extend(told(&mut world, since, last).await);
    assert_eq!(heard.iter().map(entry).collect::<Vec<_>>(), written);
}

/// What still comes of a stream whose coordinator was killed.
async fn heard_until_cut(stream: &mut Streaming<EventsReply>) -> Result<Event, ()> {
    let reply = tokio::time::timeout(DEADLINE, stream.message());
    match reply.await.expect("it ends") {
        Ok(Some(EventsReply {
            next: Some(Next::Event(event)),
        })) => Ok(event),
        _ => Err(()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_of_what_was_dropped_is_told_to_ask_for_the_state() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut world = start(dir.path()).await;
    for name in ["a", "b"] {
        world.submit(sweep(name, "0")).await;
    }
    world.finish_all().await;
    let last = journal(dir.path()).last().expect("entries").0;
    let mut live = events(&mut world, Some(last)).await;
    let delete = DeleteRequest {
        sweep: "a".to_owned(),
        dry_run: false,
    };
    world.sweeps.delete(delete).await.expect("is taken");
    let deleted = event(&mut live).await;
    assert_eq!(deleted.seq, last + 1);
    assert!(matches!(deleted.payload, Some(Payload::SweepDeleted(_))));
    // What is kept in memory is told all the same; after a restart it is not there any more.
    assert_eq!(told(&mut world, last, last + 1).await, [deleted]);
    drop(world);
    let mut world = start(dir.path()).await;
    let mut late = events(&mut world, Some(last)).await;
    assert_eq!(resync(&mut late).await, (last + 1, Reason::Dropped));
    let mut known = events(&mut world, Some(last + 1)).await;
    world.submit(sweep("c", "0")).await;
    for stream in [&mut late, &mut known] {
        let submitted = event(stream).await;
        assert_eq!(submitted.seq, last + 2);
        assert!(matches!(
            submitted.payload,
            Some(Payload::SweepSubmitted(_))
        ));
    }
    world.coordinator.shutdown().await.expect("stops");
    let stopped = heard(&mut known).await.expect_err("it ends");
    assert_eq!(stopped.code(), Code::Unavailable, "{stopped}");

    nrp_coordinator::compact(dir.path()).expect("compacts");
    let mut world = start(dir.path()).await;
    let mut late = events(&mut world, Some(last + 2)).await;
    let (seq, reason) = resync(&mut late).await;
    assert_eq!(reason, Reason::Dropped);
    let mut ahead = events(&mut world, Some(seq + 1)).await;
    assert_eq!(resync(&mut ahead).await, (seq, Reason::Ahead));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_coordinators_of_a_process_count_each_for_itself() {
    let (a, b) = (
        tempfile::tempdir().expect("a directory"),
        tempfile::tempdir().expect("a directory"),
    );
    let (mut busy, idle) = (start(a.path()).await, start(b.path()).await);
    busy.submit(sweep("a", "0")).await;
    busy.finish_all().await;
    let counted = |text: &str, name: &str| {
        let mut lines = text.lines();
        let line = lines.find_map(|line| line.strip_prefix(name));
        line.map_or(0.0, |value| value.trim().parse().expect("a number"))
    };
    let busy = busy.coordinator.metrics().read().await.expect("runs");
    let idle = idle.coordinator.metrics().read().await.expect("runs");
    for name in [
        "nrp_leases_granted_total",
        "nrp_outcomes_total{outcome=\"finished\"}",
        "nrp_journal_batch_facts_count",
    ] {
        assert!(counted(&busy, name) > 0.0, "{name}: {busy}");
        assert_eq!(counted(&idle, name), 0.0, "{name}: {idle}");
    }
}
