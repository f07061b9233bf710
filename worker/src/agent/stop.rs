//! When a worker is to stop: not yet, once its job is done, or at once.
//!
//! Whoever holds the [`Stop`] may ask for more haste; nobody can take a wish back.

use tokio::sync::watch;

/// What is wished of a worker, in the order of haste.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wish {
    /// It goes on.
    Stay,
    /// It finishes the job it has, within its grace, and takes no other.
    Drain,
    /// It hands its job back.
    Leave,
}

/// The one word on when a worker stops. Clones say the same.
#[derive(Debug, Clone)]
pub struct Stop(watch::Sender<Wish>);

impl Default for Stop {
    fn default() -> Self {
        Self(watch::Sender::new(Wish::Stay))
    }
}

impl Stop {
    /// Lets the worker finish its job within its grace, and take no other.
    pub fn drain(&self) {
        self.raise(Wish::Drain);
    }

    /// Has the worker hand its job back at once.
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

    /// Resolves once that much haste, or more, is wished.
    pub(super) async fn reached(&self, wish: Wish) {
        let mut wishes = self.0.subscribe();
        // Fails only without a sender, and `self` is one.
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
