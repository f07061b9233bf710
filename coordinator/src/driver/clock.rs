//! Time, at the edge: the only place in this crate that reads a clock.

use std::sync::Mutex;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Tells the time.
pub(crate) trait Clock: Send + Sync {
    /// Never goes back. Leases run on this.
    fn now_ms(&self) -> u64;

    /// Since 1970, by the machine's wall clock. Only recorded; nothing depends on it.
    fn wall_ms(&self) -> u64;
}

/// The machine's clocks.
pub(crate) struct SystemClock {
    start: Instant,
}

impl SystemClock {
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
        }
    }
}

impl Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        self.start.elapsed().as_millis() as u64
    }

    fn wall_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.map_or(0, |since| since.as_millis() as u64)
    }
}

/// A clock that stands still, for a state that is only read.
pub(crate) struct Stopped;

impl Clock for Stopped {
    fn now_ms(&self) -> u64 {
        0
    }

    fn wall_ms(&self) -> u64 {
        0
    }
}

/// Longest time between two looks at the clock in a driver that runs. Anything beyond is time in which it
/// was held up: stopped, suspended, or waiting for the disk.
const HELD_UP_MS: u64 = 1_000;

/// Time in which the coordinator could listen. Leases run on this, so that no worker loses its job
/// because the coordinator was held up.
pub(crate) struct Awake<C> {
    clock: C,
    passed: Mutex<Passed>,
}

struct Passed {
    looked_ms: u64,
    awake_ms: u64,
}

impl<C: Clock> Awake<C> {
    pub(crate) fn new(clock: C) -> Self {
        let now_ms = clock.now_ms();
        Self {
            clock,
            passed: Mutex::new(Passed {
                looked_ms: now_ms,
                awake_ms: now_ms,
            }),
        }
    }
}

impl<C: Clock> Clock for Awake<C> {
    fn now_ms(&self) -> u64 {
        let mut passed = self.passed.lock().expect("no holder panics");
        let now_ms = self.clock.now_ms();
        let since_ms = now_ms.saturating_sub(passed.looked_ms);
        passed.looked_ms = now_ms;
        passed.awake_ms += since_ms.min(HELD_UP_MS);
        if since_ms > HELD_UP_MS {
            tracing::info!(
                since_ms,
                "the coordinator was held up; leases are extended by as much"
            );
        }
        passed.awake_ms
    }

    fn wall_ms(&self) -> u64 {
        self.clock.wall_ms()
    }
}

#[cfg(test)]
mod tests {
    use super::super::{
        Caller, ClientCommand, Command, Fenced, Leased, Replayed, Reply, Running, WorkerCommand,
        spawn,
    };
    use super::*;
    use crate::counts::Counts;
    use crate::expand;
    use crate::scheduler::{ActivationsId, Fence, Holder, JobId, LeaseRef, Settings};
    use crate::store::{MemoryStore, samples};
    use nrp_proto::wire::{Job, WorkerTotals};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    use tokio::sync::oneshot;

    /// A clock that stands still until it is set.
    #[derive(Clone, Default)]
    struct Hands {
        now_ms: Arc<AtomicU64>,
        wall_ms: Arc<AtomicU64>,
    }

    impl Clock for Hands {
        fn now_ms(&self) -> u64 {
            self.now_ms.load(Ordering::Relaxed)
        }

        fn wall_ms(&self) -> u64 {
            self.wall_ms.load(Ordering::Relaxed)
        }
    }

    /// A driver with one sweep of two trials and two workers.
    struct World {
        hands: Hands,
        driver: Running,
    }

    fn holder(worker: &str) -> Holder {
        Holder {
            worker: worker.to_owned(),
            instance: "1".to_owned(),
        }
    }

    impl World {
        async fn new() -> Self {
            let hands = Hands::default();
            let replayed = Replayed::new(Settings::default());
            let store = Box::new(MemoryStore::new());
            let clock = Box::new(Awake::new(hands.clone()));
            let driver = spawn(replayed, store, clock, 30_000, Counts::new()).expect("starts");
            let world = Self { hands, driver };
            let spec = samples::sweep("a", 1);
            let submit = |reply| ClientCommand::Submit {
                sweep: samples::id(&spec),
                trials: expand::keys(&spec).expect("a grid"),
                spec: Box::new(spec.clone()),
                priority: None,
                reply,
            };
            world.ask_client(submit).await.expect("is taken");
            for worker in ["a", "b"] {
                let register = |reply| WorkerCommand::Register {
                    holder: holder(worker),
                    device: "cpu".to_owned(),
                    lanes: 8,
                    reply,
                };
                world.ask_worker(register).await;
            }
            world
        }

        async fn ask_client<T>(&self, command: impl FnOnce(Reply<T>) -> ClientCommand) -> T {
            let caller = Caller::HERE;
            let client = |reply| {
                let command = command(reply);
                Command::Client { caller, command }
            };
            self.ask(client).await
        }

        async fn ask_worker<T>(&self, command: impl FnOnce(Reply<T>) -> WorkerCommand) -> T {
            let caller = Caller::HERE;
            let worker = |reply| {
                let command = command(reply);
                Command::Worker { caller, command }
            };
            self.ask(worker).await
        }

        async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> T {
            let (reply, answer) = oneshot::channel();
            let sent = self.driver.commands.send(command(reply)).await;
            assert!(sent.is_ok(), "the driver runs");
            answer.await.expect("an answer")
        }

        async fn lease(&self, worker: &str) -> Job {
            self.lease_holding(worker, Vec::new()).await
        }

        /// As `lease`, for a worker that has activations and so need not wait for another.
        async fn lease_holding(&self, worker: &str, held: Vec<ActivationsId>) -> Job {
            let holder = holder(worker);
            let lease = |reply| WorkerCommand::Lease {
                holder,
                held,
                reply,
            };
            let leased: Leased = self.ask_worker(lease).await;
            leased.expect("is not refused").expect("a job")
        }

        /// Whether a worker that says it holds a job has lost it.
        async fn lost(&self, worker: &str, job: &Job) -> bool {
            let heartbeat = |reply| WorkerCommand::Heartbeat {
                holder: holder(worker),
                leases: vec![LeaseRef {
                    job: JobId(job.id),
                    fence: Fence(job.fence),
                }],
                activity: None,
                totals: WorkerTotals::default(),
                reply,
            };
            let Fenced { lost, .. } = self.ask_worker(heartbeat).await.expect("has registered");
            !lost.is_empty()
        }

        /// Lets time pass at once, as for a driver that was held up.
        async fn jump(&self, ms: u64) {
            self.hands.now_ms.fetch_add(ms, Ordering::Relaxed);
            self.ask_client(|reply| ClientCommand::List { reply }).await;
        }

        /// Lets time pass while the driver listens.
        async fn pass(&self, seconds: u64) {
            for _ in 0..seconds {
                self.jump(1_000).await;
            }
        }
    }

    #[tokio::test]
    async fn a_lease_lapses_in_time_that_the_coordinator_listened_through() {
        let world = World::new().await;
        let job = world.lease("a").await;
        world.pass(29).await;
        assert!(!world.lost("a", &job).await);
        world.pass(30).await;
        assert!(world.lost("a", &job).await);
    }

    #[tokio::test]
    async fn a_wall_clock_that_jumps_expires_nothing() {
        let world = World::new().await;
        let job = world.lease("a").await;
        let day_ms = 24 * 3_600 * 1_000;
        for wall_ms in [400 * day_ms, 0, u64::MAX, 20_000 * day_ms] {
            world.hands.wall_ms.store(wall_ms, Ordering::Relaxed);
            world.pass(20).await;
            assert!(!world.lost("a", &job).await);
        }
    }

    #[tokio::test]
    async fn a_coordinator_that_was_held_up_hears_before_it_judges() {
        let world = World::new().await;
        let job = world.lease("a").await;
        for _ in 0..10 {
            world.jump(3_600_000).await;
        }
        assert!(!world.lost("a", &job).await);
        // Afterwards silence counts as ever.
        world.pass(30).await;
        assert!(world.lost("a", &job).await);
        let held = vec![job.activations.parse().expect("an id")];
        let next = world.lease_holding("b", held).await;
        assert!(!world.lost("b", &next).await);
    }
}
