//! Callers: who asks the driver, and the channel for the answer. An answer that never comes means that the
//! driver has stopped.

use std::fmt;
use std::net::SocketAddr;
use tokio::sync::oneshot;

/// The channel for an answer.
pub(crate) type Reply<T> = oneshot::Sender<T>;

/// The caller of a command. Callers are not authenticated: only the address that they connected from is
/// known. A check of what a caller may do belongs here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The address it connected from; none within this process.
    pub(crate) peer: Option<SocketAddr>,
}

impl Caller {
    /// This process.
    pub(crate) const HERE: Self = Self { peer: None };
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.peer {
            Some(peer) => write!(f, "{peer}"),
            None => f.write_str("this process"),
        }
    }
}
