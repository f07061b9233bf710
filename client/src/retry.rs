//! Retries: how long a stream tries to reach a coordinator that went away.

use crate::error::ClientError;
use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use std::time::Duration;

/// How long a stream tries unless its caller sets another time: a coordinator that is restarted answers within
/// minutes, even where it reads a long journal.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
/// Shortest and longest wait between two tries; up to the same time is added at random.
const WAIT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// The tries of one outage after the other.
#[derive(Debug)]
pub(crate) struct Retry {
    patience: Duration,
    /// Those of the outage that is going on.
    waits: Option<ExponentialBackoff>,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            patience: PATIENCE,
            waits: None,
        }
    }
}

impl Retry {
    pub(crate) fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// The coordinator answered: the outage is over.
    pub(crate) fn on_answer(&mut self) {
        self.waits = None;
    }

    /// Waits after a failed try. Returns the failure if it is the first of an outage, for the caller to tell.
    ///
    /// # Errors
    /// The failure, where another try cannot help or patience has run out.
    pub(crate) async fn wait(
        &mut self,
        failure: ClientError,
    ) -> Result<Option<ClientError>, ClientError> {
        if !failure.is_unreachable() {
            return Err(failure);
        }
        let is_first = self.waits.is_none();
        let waits = self.waits.get_or_insert_with(|| {
            ExponentialBuilder::default()
                .with_min_delay(WAIT.0)
                .with_max_delay(WAIT.1)
                .with_jitter()
                .without_max_times()
                .with_total_delay(Some(self.patience))
                .build()
        });
        if is_first {
            return Ok(Some(failure));
        }
        match waits.next() {
            Some(wait) => tokio::time::sleep(wait).await,
            None => return Err(failure),
        }
        Ok(None)
    }
}
