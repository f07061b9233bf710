//! When a worker is to stop: not yet, once its job is done, or at once.
//!
//! Every holder of the [`Stop`] may make it more urgent; no request can be taken back.

use tokio::sync::watch;

/// What a worker is asked to do, in order of urgency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wish {
    /// Go on.
    Stay,
    /// Finish the current job within the grace period, and take no other.
    Drain,
    /// Hand the job back.
    Leave,
}

/// Decides when a worker stops. Clones share one state.
#[derive(Debug, Clone)]
pub struct Stop(watch::Sender<Wish>);

impl Default for Stop {
    fn default() -> Self {
        Self(watch::Sender::new(Wish::Stay))
    }
}

impl Stop {
    /// Lets the worker finish its job within its grace period, and take no other.
    pub fn drain(&self) {
        self.raise(Wish::Drain);
    }

    /// Makes the worker hand its job back at once.
    pub fn leave(&self) {
        self.raise(Wish::Leave);
    }

    fn raise(&self, wish: Wish) {
        self.0.send_if_modified(|current| {
            let grows = *current < wish;
            *current = wish.max(*current);
            grows
        });
    }

    /// Resolves once a request at least this urgent was made.
    pub(super) async fn reached(&self, wish: Wish) {
        let mut wishes = self.0.subscribe();
        // This fails only without a sender, and `self` is one.
        let _ = wishes.wait_for(|current| *current >= wish).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wish_grows_and_is_never_taken_back() {
        let stop = Stop::default();
        let draining = tokio::spawn({
            let stop = stop.clone();
            async move { stop.reached(Wish::Drain).await }
        });
        stop.leave();
        draining.await.expect("more haste than it waited for");
        stop.drain();
        stop.reached(Wish::Leave).await;
    }
}
