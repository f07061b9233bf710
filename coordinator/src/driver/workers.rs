//! What workers ask: jobs, leases kept alive, outcomes reported. A worker that finds nothing to do waits
//! here for a while.

use super::caller::{Caller, Reply};
use super::job::{self, LeaseError, Leased};
use super::{Driver, TICK};
use crate::scheduler::{
    ActivationsId, Attempt, Event, Hindrance, Holder, LeaseRef, Refusal, Refused, Renewed,
    Reporter, TrialId, Verdict,
};
use nrp_proto::SITES_MAX;
use nrp_proto::wire::{Activity, WorkerTotals};

/// How long a worker waits for a job before it is told that there is none.
const LEASE_WAIT_MS: u64 = 2_000;

/// A worker's command.
pub(crate) enum WorkerCommand {
    /// A worker registers.
    Register {
        holder: Holder,
        device: String,
        lanes: usize,
        reply: Reply<()>,
    },
    Lease {
        holder: Holder,
        /// Activations in its cache.
        held: Vec<ActivationsId>,
        reply: Reply<Leased>,
    },
    Heartbeat {
        holder: Holder,
        leases: Vec<LeaseRef>,
        activity: Option<Activity>,
        totals: WorkerTotals,
        reply: Reply<Result<Fenced, Refusal>>,
    },
    Report {
        outcomes: Vec<ReportedOutcome>,
        /// One verdict for each outcome, in their order.
        reply: Reply<Vec<Verdict>>,
    },
    /// Whether a trial that reached a rung goes on.
    Rung {
        reporter: Reporter,
        epochs: u32,
        validation_mse: f64,
        reply: Reply<Result<bool, Refused>>,
    },
    /// A worker hands a job back.
    Release {
        holder: Holder,
        lease: LeaseRef,
        /// Why the worker cannot run it, if it cannot.
        hindrance: Option<Hindrance>,
        reply: Reply<()>,
    },
    /// A worker ends.
    Leave { holder: Holder, reply: Reply<()> },
}

/// What a worker says a trial ended with.
#[derive(Debug, Clone)]
pub(crate) struct ReportedOutcome {
    pub(crate) reporter: Reporter,
    pub(crate) attempt: Attempt,
    /// The trial's region; empty where the trial is not known.
    pub(crate) region: String,
}

/// The answer to a heartbeat.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fenced {
    pub(crate) lost: Vec<LeaseRef>,
    pub(crate) cancelled: Vec<TrialId>,
    /// The worker is to end once its job is done.
    pub(crate) leave: bool,
}

/// A worker that waits for a job.
pub(super) struct Waiter {
    holder: Holder,
    until_ms: u64,
    reply: Reply<Leased>,
}

impl Driver {
    pub(super) fn on_worker(&mut self, caller: Caller, command: WorkerCommand) {
        match command {
            WorkerCommand::Register {
                holder,
                device,
                lanes,
                reply,
            } => {
                tracing::debug!(worker = holder.worker, %caller, device, lanes, "worker registered");
                self.note_registered(&holder, device);
                self.handle(Event::WorkerRegistered { holder, lanes });
                self.answer(reply, ());
            }
            WorkerCommand::Lease {
                holder,
                held,
                reply,
            } => {
                self.handle(Event::ActivationsHeld {
                    holder: holder.clone(),
                    held,
                });
                let until_ms = self.clock.now_ms() + LEASE_WAIT_MS;
                // It no longer waits for the answer to an earlier request.
                self.forget_waiter(&holder.worker);
                self.lease(Waiter {
                    holder,
                    until_ms,
                    reply,
                });
            }
            WorkerCommand::Heartbeat {
                holder,
                leases,
                activity,
                totals,
                reply,
            } => {
                // Its leases live on even if it must register again.
                let known = self.note_heartbeat(&holder.worker, activity, totals);
                let fenced = self.renew(&holder, leases);
                let fenced = known.then_some(fenced).ok_or(Refusal::NotRegistered);
                self.answer(reply, fenced);
            }
            WorkerCommand::Report { outcomes, reply } => {
                let verdicts = outcomes.into_iter().map(|outcome| self.report(outcome));
                let verdicts = verdicts.collect();
                self.answer(reply, verdicts);
            }
            WorkerCommand::Rung {
                reporter,
                epochs,
                validation_mse,
                reply,
            } => {
                let goes_on = self.ask(|core, now_ms, facts| {
                    core.on_rung_reached(now_ms, reporter, epochs, validation_mse, facts)
                });
                self.answer(reply, goes_on);
            }
            WorkerCommand::Release {
                holder,
                lease,
                hindrance,
                reply,
            } => {
                self.handle(Event::JobReleased {
                    holder,
                    lease,
                    hindrance,
                });
                self.answer(reply, ());
            }
            WorkerCommand::Leave { holder, reply } => {
                self.note_left(&holder);
                self.handle(Event::WorkerLeft(holder));
                self.answer(reply, ());
            }
        }
    }

    fn renew(&mut self, holder: &Holder, leases: Vec<LeaseRef>) -> Fenced {
        let Renewed { lost, cancelled } =
            self.ask(|core, now_ms, _| core.on_leases_renewed(now_ms, holder, leases));
        Fenced {
            lost,
            cancelled,
            leave: self.is_leaving(&holder.worker),
        }
    }

    /// Asks for a job for a worker, which goes on waiting if there is none.
    fn lease(&mut self, worker: Waiter) {
        if worker.reply.is_closed() {
            return;
        }
        if self.is_leaving(&worker.holder.worker) {
            return self.waiters.push_back(worker);
        }
        let holder = worker.holder.clone();
        match self.ask(|core, now_ms, facts| core.on_job_requested(now_ms, holder, facts)) {
            Ok(Some(grant)) => {
                let sweep = self.spec(grant.sweep).clone();
                let take_back = self.releasing(worker.holder, grant.lease);
                let hand_out = job::hand_out(grant, sweep, worker.reply, take_back);
                self.batch.hand_outs.push(Box::new(hand_out));
            }
            Ok(None) => self.waiters.push_back(worker),
            Err(refusal) => self.answer(worker.reply, Err(LeaseError::Refused(refusal))),
        }
    }

    /// Gives jobs to the workers that wait, while there are any. Jobs that become due with time alone, by
    /// a steal or a copy, are asked for once a tick.
    pub(super) fn serve_waiters(&mut self) {
        let now_ms = self.clock.now_ms();
        let is_tick = now_ms >= self.next_tick_ms;
        if is_tick {
            self.next_tick_ms = now_ms + TICK.as_millis() as u64;
        }
        for _ in 0..self.waiters.len() {
            if !is_tick && !self.core.has_waiting() {
                break;
            }
            if let Some(worker) = self.waiters.pop_front() {
                self.lease(worker);
            }
        }
        while let Some(worker) = self
            .waiters
            .pop_front_if(|worker| worker.until_ms <= now_ms)
        {
            self.answer(worker.reply, Ok(None));
        }
    }

    pub(super) fn forget_waiter(&mut self, worker: &str) {
        self.waiters.retain(|waiter| waiter.holder.worker != worker);
    }

    /// Takes in how an attempt at a trial ended.
    fn report(&mut self, mut outcome: ReportedOutcome) -> Verdict {
        if let Err(refused) = self.check_sites(&outcome) {
            return Verdict::Refused(refused);
        }
        if let Attempt::Finished(scores) = &mut outcome.attempt {
            scores.recorded_at_ms = self.clock.wall_ms();
        }
        let ReportedOutcome {
            reporter, attempt, ..
        } = outcome;
        self.ask(|core, now_ms, facts| core.on_outcome_reported(now_ms, reporter, attempt, facts))
    }

    /// Checks that scores are of the sites that the trial's sweeps say its region has, where they say
    /// so.
    fn check_sites(&self, outcome: &ReportedOutcome) -> Result<(), Refused> {
        let Attempt::Finished(scores) = &outcome.attempt else {
            return Ok(());
        };
        let sweeps = self.core.sweeps_with(outcome.reporter.trial);
        let specs = sweeps.filter_map(|sweep| self.catalogue.get(sweep));
        let mut sites = specs.flat_map(|spec| &spec.sites);
        let of_region = sites.find(|of| of.region == outcome.region && !of.names.is_empty());
        let Some(named) = of_region.map(|of| of.names.len()) else {
            return Ok(());
        };
        // Of a larger region, only the first sites are named.
        let found = scores.sites;
        if found as usize == named || named == SITES_MAX && found as usize > named {
            Ok(())
        } else {
            Err(Refused::Sites {
                found,
                expected: named as u32,
            })
        }
    }
}
