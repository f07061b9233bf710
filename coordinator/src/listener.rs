//! The listener: how many connections are accepted, and how long they may stay silent.
//!
//! A new connection is silent until it has sent the preface of its protocol. Silent connections have a
//! deadline and few places: one more ends the oldest, so that idle sockets cannot lock out others.
//! Connections that have sent their preface have places of their own and are never ended for others;
//! HTTP/2 pings detect dead ones. There are fewer places than descriptors, so that the state's files can
//! always be opened.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::Sleep;
use tokio_stream::Stream;
use tonic::transport::server::{Connected, TcpConnectInfo};

/// Length of the preface of an HTTP/2 connection (RFC 9113, section 3.4).
const PREFACE_BYTES: usize = 24;

/// How long a connection may take to send its preface.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How long a brief connection lives: one for a request or two, such as a scrape of metrics.
const BRIEF: Duration = Duration::from_secs(30);

/// Most brief connections at a time.
const BRIEF_MAX: usize = 16;

/// Fewest descriptors that are left for files.
const FILES_LEAST: usize = 64;

/// Most connections, however many descriptors there are.
const CONNECTIONS_MAX: usize = 20_000;

/// Most silent connections.
const SILENT_MAX: usize = 1_024;

/// Assumed descriptors of a process where the system does not say: the lowest usual limit.
const DESCRIPTORS_UNKNOWN: usize = 256;

/// How long accepting pauses after the system refused a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Shortest time between two warnings of a kind.
const WARN_PAUSE: Duration = Duration::from_secs(60);

/// How many connections a listener holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most connections that have not sent their preface.
    silent: usize,
    /// Most connections that have sent it; 0 where none is expected to.
    established: usize,
    /// Longest silence of a connection.
    patience: Duration,
}

impl Limits {
    /// For connections that serve a request or two.
    pub fn brief() -> Self {
        Self {
            silent: BRIEF_MAX,
            established: 0,
            patience: BRIEF,
        }
    }

    /// For gRPC, given how many descriptors this process may have.
    pub(crate) fn of_this_process() -> Self {
        let limits = std::fs::read_to_string("/proc/self/limits").ok();
        let descriptors = limits.as_deref().and_then(soft_limit);
        Self::with_descriptors(descriptors.unwrap_or(DESCRIPTORS_UNKNOWN))
    }

    fn with_descriptors(descriptors: usize) -> Self {
        let files = FILES_LEAST.max(descriptors / 4);
        let all = descriptors.saturating_sub(files).clamp(8, CONNECTIONS_MAX);
        let silent = SILENT_MAX.min(all / 4);
        Self {
            silent,
            established: all - silent,
            patience: HANDSHAKE,
        }
    }
}

/// How many descriptors a process may have, according to Linux.
fn soft_limit(limits: &str) -> Option<usize> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(usize::MAX),
        number => number.parse().ok(),
    }
}

/// Accepts connections within limits.
#[derive(Debug)]
pub struct Listener {
    listener: TcpListener,
    doors: Arc<Doors>,
    pause: Option<Pin<Box<Sleep>>>,
}

/// The connections that are open.
#[derive(Debug)]
struct Doors {
    limits: Limits,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The oldest first, each with what ends it.
    silent: BTreeMap<u64, oneshot::Sender<()>>,
    next: u64,
    established: usize,
    warned: [Option<Instant>; 3],
}

/// A kind of warning to operators.
#[derive(Debug, Clone, Copy)]
enum Warning {
    Silent,
    Full,
    Accept,
}

impl Doors {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a new connection a place among the silent ones, if necessary that of the oldest.
    fn enter(self: &Arc<Self>, stream: TcpStream) -> Guarded {
        let (end, ended) = oneshot::channel();
        let mut state = self.state();
        if state.silent.len() >= self.limits.silent {
            state.end_oldest();
            if state.is_due(Warning::Silent) {
                let silent = self.limits.silent;
                tracing::warn!(
                    silent,
                    "so many connections say nothing; the oldest of them make way for new ones"
                );
            }
        }
        let number = state.next;
        state.next += 1;
        state.silent.insert(number, end);
        drop(state);
        Guarded {
            stream,
            place: Place::Silent {
                number,
                ended,
                deadline: Box::pin(tokio::time::sleep(self.limits.patience)),
                heard_bytes: 0,
            },
            doors: self.clone(),
        }
    }

    /// Gives a connection that has sent its preface a place of its own, if there is one.
    fn establish(&self, number: u64) -> io::Result<()> {
        let mut state = self.state();
        state.silent.remove(&number);
        let limit = self.limits.established;
        if state.established < limit {
            state.established += 1;
            return Ok(());
        }
        if state.is_due(Warning::Full) {
            tracing::warn!(
                limit,
                "the limit on connections is reached, and further ones are refused; more \
                 descriptors allow more of them (`ulimit -n`)"
            );
        }
        let problem = format!("{limit} connections are open, which is the limit");
        Err(io::Error::new(io::ErrorKind::ConnectionRefused, problem))
    }
}

impl State {
    fn end_oldest(&mut self) {
        if let Some((_, end)) = self.silent.pop_first() {
            // It may have ended by itself.
            let _ = end.send(());
        }
    }

    /// Whether a warning is due: it was not given lately.
    fn is_due(&mut self, warning: Warning) -> bool {
        let last = &mut self.warned[warning as usize];
        let due = last.is_none_or(|last| last.elapsed() >= WARN_PAUSE);
        if due {
            *last = Some(Instant::now());
        }
        due
    }
}

impl Listener {
    /// Accepts connections to `listener`.
    pub fn new(listener: TcpListener, limits: Limits) -> Self {
        let state = Mutex::default();
        Self {
            listener,
            doors: Arc::new(Doors { limits, state }),
            pause: None,
        }
    }

    /// The address that it listens on.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The next connection. After an error of the system, it pauses and tries again.
    pub fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<(Guarded, SocketAddr)> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(context));
                self.pause = None;
            }
            match ready!(self.listener.poll_accept(context)) {
                Ok((stream, address)) => {
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%error, "a connection keeps its delay");
                    }
                    return Poll::Ready((self.doors.enter(stream), address));
                }
                Err(error) => {
                    let mut state = self.doors.state();
                    // Perhaps there are no descriptors left.
                    state.end_oldest();
                    if state.is_due(Warning::Accept) {
                        tracing::warn!(%error, "a connection cannot be accepted; it is tried again");
                    }
                    drop(state);
                    self.pause = Some(Box::pin(tokio::time::sleep(ACCEPT_PAUSE)));
                }
            }
        }
    }
}

impl Stream for Listener {
    type Item = io::Result<Guarded>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let accepted = self.get_mut().poll_accept(context);
        accepted.map(|(connection, _)| Some(Ok(connection)))
    }
}

/// A connection that ends when it has been silent for too long.
#[derive(Debug)]
pub struct Guarded {
    stream: TcpStream,
    place: Place,
    doors: Arc<Doors>,
}

#[derive(Debug)]
enum Place {
    Silent {
        number: u64,
        ended: oneshot::Receiver<()>,
        deadline: Pin<Box<Sleep>>,
        heard_bytes: usize,
    },
    Established,
    Ended,
}

impl Guarded {
    /// Whether it may go on.
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let problem = match &mut self.place {
            Place::Established => return Ok(()),
            Place::Ended => "the connection was ended",
            Place::Silent {
                ended, deadline, ..
            } => {
                if Pin::new(ended).poll(context).is_ready() {
                    "the connection said nothing, and made way for another"
                } else if deadline.as_mut().poll(context).is_ready() {
                    "the connection said nothing for too long"
                } else {
                    return Ok(());
                }
            }
        };
        self.leave();
        Err(io::Error::new(io::ErrorKind::TimedOut, problem))
    }

    /// Notes what was read.
    fn hear(&mut self, bytes: usize) -> io::Result<()> {
        let Place::Silent {
            number,
            heard_bytes,
            ..
        } = &mut self.place
        else {
            return Ok(());
        };
        *heard_bytes += bytes;
        if self.doors.limits.established == 0 || *heard_bytes < PREFACE_BYTES {
            return Ok(());
        }
        let established = self.doors.establish(*number);
        self.place = match established {
            Ok(()) => Place::Established,
            Err(_) => Place::Ended,
        };
        established
    }

    /// Gives its place up.
    fn leave(&mut self) {
        match std::mem::replace(&mut self.place, Place::Ended) {
            Place::Silent { number, .. } => {
                self.doors.state().silent.remove(&number);
            }
            Place::Established => self.doors.state().established -= 1,
            Place::Ended => {}
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Connected for Guarded {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.stream.connect_info()
    }
}

impl AsyncRead for Guarded {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check(context)?;
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
        Poll::Ready(this.hear(buffer.filled().len() - before))
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.check(context)?;
        Pin::new(&mut this.stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.check(context)?;
        Pin::new(&mut this.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const PREFACE: &[u8; PREFACE_BYTES] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

    /// Longer than any test takes.
    const LONG: Duration = Duration::from_secs(600);

    struct World {
        listener: Listener,
        address: SocketAddr,
    }

    impl World {
        async fn new(silent: usize, established: usize, patience: Duration) -> Self {
            let limits = Limits {
                silent,
                established,
                patience,
            };
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
            let listener = Listener::new(listener, limits);
            let address = listener.local_addr().expect("has one");
            Self { listener, address }
        }

        /// Both ends of a connection.
        async fn connect(&mut self) -> (TcpStream, Guarded) {
            let client = TcpStream::connect(self.address).await.expect("connects");
            let accepted = std::future::poll_fn(|context| self.listener.poll_accept(context));
            (client, accepted.await.0)
        }
    }

    async fn read(connection: &mut Guarded) -> io::Result<usize> {
        connection.read(&mut [0; 64]).await
    }

    #[tokio::test]
    async fn the_oldest_of_too_many_silent_connections_makes_way() {
        let mut world = World::new(2, 1, LONG).await;
        let (_a, mut oldest) = world.connect().await;
        let (_b, _second) = world.connect().await;
        let (mut client, mut newest) = world.connect().await;
        let error = read(&mut oldest).await.expect_err("made way");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(read(&mut oldest).await.is_err(), "it stays so");
        client.write_all(PREFACE).await.expect("writes");
        assert_eq!(read(&mut newest).await.expect("speaks"), PREFACE_BYTES);
        // A connection that has sent its preface is never ended for another.
        let mut silent = Vec::new();
        for _ in 0..8 {
            silent.push(world.connect().await);
        }
        client.write_all(b"more").await.expect("writes");
        assert_eq!(read(&mut newest).await.expect("goes on"), 4);
    }

    #[tokio::test]
    async fn silence_ends_a_connection_and_half_a_preface_is_silence() {
        let mut world = World::new(8, 8, Duration::from_millis(50)).await;
        let (mut client, mut connection) = world.connect().await;
        client.write_all(&PREFACE[..23]).await.expect("writes");
        assert_eq!(read(&mut connection).await.expect("is read"), 23);
        let error = read(&mut connection).await.expect_err("too late");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let write = connection.write(b"x").await;
        assert!(write.is_err(), "nor may it write");
    }

    #[tokio::test]
    async fn beyond_the_limit_who_speaks_is_refused_until_another_leaves() {
        let mut world = World::new(8, 1, LONG).await;
        let (mut client, mut first) = world.connect().await;
        client.write_all(PREFACE).await.expect("writes");
        read(&mut first).await.expect("has a place");
        let (mut other, mut second) = world.connect().await;
        other.write_all(PREFACE).await.expect("writes");
        let error = read(&mut second).await.expect_err("is refused");
        assert_eq!(
            error.to_string(),
            "1 connections are open, which is the limit"
        );
        drop((first, second));
        let (mut client, mut third) = world.connect().await;
        client.write_all(PREFACE).await.expect("writes");
        assert_eq!(read(&mut third).await.expect("a place"), PREFACE_BYTES);
    }

    #[test]
    fn limits_leave_descriptors_for_files() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
                      Max open files            256                  4096                 files\n";
        assert_eq!(soft_limit(limits), Some(256));
        assert_eq!(soft_limit(""), None);
        for descriptors in [64, 256, 1_024, 65_536, usize::MAX] {
            let Limits {
                silent,
                established,
                ..
            } = Limits::with_descriptors(descriptors);
            assert!(silent >= 2 && established >= 6);
            let files = descriptors - (silent + established);
            assert!(
                files >= 56 && files >= descriptors / 4,
                "{descriptors}: {files}"
            );
        }
    }
}
