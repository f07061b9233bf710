//! Events of a coordinator that is killed: its readers hear of each entry of the journal, once.

use crate::harness::{ANY, Place, SMALL_SWEEP, coordinator, journal, submit, worker};
use nrp_proto::wire::event::Payload;
use nrp_proto::wire::events_reply::Next;
use nrp_proto::wire::sweeps_client::SweepsClient;
use nrp_proto::wire::{Event, EventsRequest};
use std::time::Duration;
use tokio::runtime::Runtime;
use tonic::transport::Channel;

/// The longest wait for an event.
const PATIENCE: Duration = Duration::from_secs(120);

/// Trials of the sweep.
const TRIALS: usize = 8;

/// Reads on behind what was heard, until there is enough of it or the coordinator has gone.
async fn read(address: &str, heard: &mut Vec<Event>, is_enough: impl Fn(&[Event]) -> bool) {
    let channel = Channel::from_shared(format!("http://{address}")).unwrap();
    let mut sweeps = SweepsClient::new(channel.connect().await.unwrap());
    let since = Some(heard.last().map_or(0, |event| event.seq));
    let stream = sweeps.events(EventsRequest { since }).await.unwrap();
    let mut stream = stream.into_inner();
    while !is_enough(heard) {
        let next = tokio::time::timeout(PATIENCE, stream.message());
        match next.await.expect("an event") {
            Ok(Some(reply)) => match reply.next.unwrap() {
                Next::Event(event) => heard.push(event),
                Next::Resync(resync) => panic!("{resync:?}"),
            },
            Ok(None) | Err(_) => return,
        }
    }
}

fn outcomes(heard: &[Event]) -> usize {
    let outcome = |event: &&Event| matches!(event.payload, Some(Payload::OutcomeRecorded(_)));
    heard.iter().filter(outcome).count()
}

#[test]
fn a_reader_hears_of_each_entry_once_though_the_coordinator_is_killed() {
    let place = Place::new();
    let runtime = Runtime::new().unwrap();
    let (mut served, address) = coordinator(&place, ANY, &[]);
    submit(&place, &address, SMALL_SWEEP);
    let _worker = worker(&place, &address, "w");
    let mut heard = Vec::new();
    for kills in 1..=3 {
        // At least one more outcome, then whatever is on its way when the process dies.
        let before = outcomes(&heard);
        let one_more = |heard: &[Event]| outcomes(heard) > before || outcomes(heard) == TRIALS;
        runtime.block_on(read(&address, &mut heard, one_more));
        assert!(outcomes(&heard) >= kills.min(TRIALS), "{kills}");
        served.kill();
        (served, _) = coordinator(&place, &address, &[]);
    }
    let all = |heard: &[Event]| outcomes(heard) == TRIALS;
    runtime.block_on(read(&address, &mut heard, all));
    let entries = journal(&place);
    let written = entries.iter().map(|entry| (&entry["seq"], &entry["at_ms"]));
    let written: Vec<_> = written
        .map(|(seq, at_ms)| (seq.as_u64().unwrap(), at_ms.as_u64().unwrap()))
        .take(heard.len())
        .collect();
    let told: Vec<_> = heard.iter().map(|event| (event.seq, event.at_ms)).collect();
    assert_eq!(told, written);
    assert_eq!(outcomes(&heard), TRIALS);
}
