//! One job: the executor on a thread of its own, its outcomes into the spool and from there to the
//! coordinator, and the job handed back if it cannot be finished.

use super::calls::COORDINATOR_AWAY;
use super::error::WorkerError;
use super::stop::Wish;
use super::{Agent, IDLE_WAIT, Idle, Shared, hindrance};
use crate::executor::{Control, ExecuteError, Executor};
use nrp_proto::REPORTS_MAX;
use nrp_proto::state::Verdict;
use nrp_proto::wire::{Activity, Job, LeaseRef, Outcome, Report};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// Outcomes that may wait for their acknowledgement before the executor waits too: as many as the
/// largest job has.
const OUTCOMES_WAITING: usize = 4_096;
/// How long a leaving worker waits for its executor to stop and for acknowledgements, and how long
/// it tries to hand its job back.
const LEAVE_PATIENCE: Duration = Duration::from_secs(3);
/// How long trials go on without asking at rungs after an answer failed to come: an unreachable
/// coordinator must not hold up each of a job's trials.
const RUNG_SILENCE: Duration = Duration::from_secs(30);

/// Marks a job as running until it is dropped, also on a panic.
struct Busy(Arc<Idle>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.on_job_ended();
    }
}

/// The executor's side of a job.
struct JobControl {
    agent: Agent,
    lease: LeaseRef,
    outcomes: mpsc::Sender<Report>,
    /// Runs the calls that the executor waits for.
    runtime: Handle,
    /// When a rung last got no answer.
    silent: Mutex<Option<Instant>>,
}

impl Control for JobControl {
    fn on_activity(&self, activity: Activity) {
        self.agent.shared().activity = activity;
    }

    fn on_rung(&self, trial: &str, epochs: u32, validation_mse: f64) -> bool {
        let mut silent = self.silent.lock().expect("no holder panics");
        if silent.is_some_and(|since| since.elapsed() < RUNG_SILENCE) {
            return true;
        }
        let calls = &self.agent.calls;
        let answer = calls.rung(self.lease, trial, epochs, validation_mse);
        let answer = self.runtime.block_on(answer);
        *silent = answer.is_none().then(Instant::now);
        answer.unwrap_or(true)
    }

    fn on_outcome(&self, trial: &str, outcome: Outcome) {
        let report = Report {
            worker: self.agent.calls.name.clone(),
            instance: self.agent.calls.instance.clone(),
            lease: Some(self.lease),
            trial: trial.to_owned(),
            outcome: Some(outcome),
        };
        if let Err(error) = self.agent.spool.keep(&report) {
            tracing::warn!(
                trial, %error,
                "cannot spool an outcome; until it is acknowledged only this process has it"
            );
        }
        if self.outcomes.blocking_send(report).is_err() {
            // Reporting has ended; spooled outcomes wait for the next process.
            self.agent.broken_off.store(true, Ordering::Relaxed);
        }
    }

    fn stopped(&self) -> bool {
        self.agent.broken_off.load(Ordering::Relaxed)
    }

    fn wanted(&self, trial: &str) -> bool {
        !self.agent.shared().unwanted.contains(trial)
    }
}

impl Agent {
    /// Runs one job and reports each outcome as it comes. A job that cannot run here is handed back
    /// with the reason. Returns no executor if the worker leaves without waiting for it.
    pub(super) async fn run_job(
        &self,
        mut executor: Executor,
        job: Job,
        idle_timeout: Option<Duration>,
    ) -> Result<Option<Executor>, WorkerError> {
        let lease = LeaseRef {
            job: job.id,
            fence: job.fence,
        };
        *self.shared() = Shared {
            lease: Some(lease),
            ..Shared::default()
        };
        self.broken_off.store(false, Ordering::Relaxed);
        let (outcomes, mut reported) = mpsc::channel(OUTCOMES_WAITING);
        let control = JobControl {
            agent: self.clone(),
            lease,
            outcomes,
            runtime: Handle::current(),
            silent: Mutex::new(None),
        };
        self.idle.on_job_begun();
        let idle = self.idle.clone();
        let running = tokio::task::spawn_blocking(move || {
            let _busy = Busy(idle);
            let ended = executor.run(&job, &control);
            (executor, ended)
        });
        let ended = async {
            let mut reports = Vec::new();
            while reported.recv_many(&mut reports, REPORTS_MAX).await > 0 {
                self.deliver(&reports).await?;
                reports.clear();
            }
            Ok::<_, WorkerError>(running.await.expect("its panics are errors"))
        };
        let ended = tokio::select! {
            ended = ended => Some(ended),
            () = self.break_off() => None,
            () = self.idled(idle_timeout) => None,
        };
        let goes_on = match ended {
            Some(Ok((executor, Err(error)))) => {
                let ends = self.ends_hindered && hindrance::is_of_machine(&error);
                if !ends {
                    self.hand_back(lease, &error, idle_timeout).await;
                    *self.shared() = Shared::default();
                    return Ok(Some(executor));
                }
                Err(WorkerError::Job(error))
            }
            Some(Ok((executor, Ok(())))) => Ok(Some(executor)),
            Some(Err(error)) => Err(error),
            None => Ok(None),
        };
        let whole = matches!(goes_on, Ok(Some(_)));
        if !whole || self.broken_off.load(Ordering::Relaxed) {
            self.calls.release(lease, None, LEAVE_PATIENCE).await;
        }
        *self.shared() = Shared::default();
        goes_on
    }

    /// Hands a job back that cannot be run here. The lease is kept alive until the coordinator knows:
    /// if it expired, its trials would be blamed.
    async fn hand_back(
        &self,
        lease: LeaseRef,
        error: &ExecuteError,
        idle_timeout: Option<Duration>,
    ) {
        let hindrance = hindrance::of(error);
        let (why, hint) = (&hindrance.reason, &hindrance.hint);
        tracing::warn!(job = lease.job, why, hint, "a job cannot be run here");
        let again = hindrance.clone();
        tokio::select! {
            () = self.calls.release(lease, Some(hindrance), COORDINATOR_AWAY) => {}
            () = self.stop.reached(Wish::Leave) => {
                self.calls.release(lease, Some(again), LEAVE_PATIENCE).await;
            }
            () = self.idled(idle_timeout) => {}
        }
        // Pause before asking again, in case the coordinator hands out the same job.
        tokio::time::sleep(IDLE_WAIT).await;
    }

    /// Stops the job once the worker has to leave; resolves when stopping takes too long.
    async fn break_off(&self) {
        self.stop.reached(Wish::Leave).await;
        self.broken_off.store(true, Ordering::Relaxed);
        tokio::time::sleep(LEAVE_PATIENCE).await;
        tracing::warn!("leaving; outcomes that are not acknowledged stay in the spool");
    }

    /// Reports outcomes, at most [`REPORTS_MAX`], until they are acknowledged, and removes them
    /// from the spool.
    pub(super) async fn deliver(&self, reports: &[Report]) -> Result<(), WorkerError> {
        let verdicts = self.calls.report(reports).await?;
        for (Report { trial, .. }, answer) in reports.iter().zip(verdicts) {
            match Verdict::of_wire(answer.kind) {
                Ok(verdict @ (Verdict::Recorded | Verdict::Duplicate)) => {
                    tracing::debug!(trial, %verdict, "reported");
                    self.spool.forget(trial);
                }
                Ok(Verdict::Unknown) => self.spool.set_aside(trial, "no sweep has this trial"),
                // The coordinator will never accept it; it may accept the trial's next attempt.
                Ok(Verdict::Refused) => self.spool.set_aside(trial, &answer.reason),
                // Whether it is durable is unknown, so it stays in the spool and is reported again.
                Err(unknown) => {
                    tracing::error!(trial, error = %unknown, "an answer is not understood")
                }
            }
        }
        Ok(())
    }
}
