//! Watching a sweep: its status now, and again after changes, until it has ended.

use super::Link;
use nrp_proto::wire::WatchReply;
use std::time::Duration;
use tokio::sync::mpsc;
use tonic::Status;

/// Shortest time between two statuses of a watch.
const WATCH_PAUSE: Duration = Duration::from_millis(200);

/// Sends a status after every change, until the sweep has ended, no worker can go on with it, or
/// nobody listens.
pub(super) async fn watch(
    link: Link,
    first: WatchReply,
    sender: mpsc::Sender<Result<WatchReply, Status>>,
) {
    let mut changes = link.changes.clone();
    let id = first.sweep.clone().unwrap_or_default().id;
    let mut last = first.clone();
    let mut next = Ok(first);
    loop {
        let ended = next.as_ref().map_or(true, |reply| {
            let state = reply.sweep.as_ref().map_or("", |sweep| &sweep.state);
            matches!(state, "finished" | "cancelled" | "parked")
        });
        if sender.send(next).await.is_err() || ended {
            return;
        }
        // The next one that differs, or why there is none.
        next = loop {
            tokio::select! {
                // The driver's end ends it too: the next question is refused.
                _ = changes.changed() => {}
                () = sender.closed() => return,
            }
            tokio::time::sleep(WATCH_PAUSE).await;
            changes.mark_unchanged();
            match link.watched(id.clone()).await {
                Ok(status) if status == last => {}
                Ok(status) => {
                    last = status.clone();
                    break Ok(status);
                }
                Err(error) => break Err(error),
            }
        };
    }
}
