//! What clients and operators ask: sweeps submitted, changed and deleted, and questions about them.

use super::caller::{Caller, Reply};
use super::catalogue::LookupError;
use super::{Driver, Event};
use crate::scheduler::{
    Fact, NoOutcome, RowId, Scheduler, SweepId, SweepState, TooManyOpen, TrialId, TrialKey,
    TrialView,
};
use nrp_proto::wire::{
    DeleteReply, ExplainReply, SweepSpec, SweepStatus, WatchReply, WorkerStatus,
};
use std::sync::Arc;

/// A client's command. `sweep` is what the client wrote: a name, an id, a prefix of an id, or nothing for
/// the latest sweep.
pub(crate) enum ClientCommand {
    Submit {
        sweep: SweepId,
        spec: Box<SweepSpec>,
        trials: Vec<TrialKey>,
        priority: Option<i32>,
        reply: Reply<Result<Submitted, TooManyOpen>>,
    },
    /// Changes what a sweep does; answers its status afterwards.
    Change {
        sweep: String,
        change: Change,
        reply: Reply<Result<SweepStatus, LookupError>>,
    },
    Delete {
        sweep: String,
        /// Only says what would go.
        dry_run: bool,
        reply: Reply<Result<DeleteReply, DeleteError>>,
    },
    /// Takes outcomes back, all or none; answers the trials' states afterwards.
    Retract {
        trials: Vec<TrialId>,
        reason: String,
        reply: Reply<Result<Vec<TrialView>, Unretractable>>,
    },
    /// Tells workers to leave, if all of them are there; answers their statuses.
    Drain {
        workers: Vec<String>,
        reply: Reply<Result<Vec<WorkerStatus>, Absent>>,
    },
    Status {
        sweep: String,
        reply: Reply<Result<SweepStatus, LookupError>>,
    },
    /// A sweep, and the workers that are there.
    Watch {
        sweep: String,
        reply: Reply<Result<WatchReply, LookupError>>,
    },
    Describe {
        sweep: String,
        reply: Reply<Result<Arc<SweepSpec>, LookupError>>,
    },
    List {
        reply: Reply<Vec<SweepStatus>>,
    },
    Find {
        sweep: String,
        reply: Reply<Result<SweepId, LookupError>>,
    },
    /// Why trials of a sweep, or one trial, wait.
    Explain {
        subject: String,
        reply: Reply<Result<ExplainReply, LookupError>>,
    },
    /// The states of trials, for a sweep.
    Trials {
        sweep: SweepId,
        trials: Vec<TrialId>,
        reply: Reply<Vec<Option<TrialView>>>,
    },
    /// How many trials of rows have no outcome yet.
    Open {
        sweep: Option<SweepId>,
        rows: Vec<RowId>,
        reply: Reply<Vec<u64>>,
    },
    /// Workers that were heard of lately.
    Workers {
        reply: Reply<Vec<WorkerStatus>>,
    },
}

/// A change of what a sweep does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Cancel,
    Resume,
    Pause,
    Prioritise(i32),
}

/// The answer to a submission.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Submitted {
    pub(crate) trials: u64,
    pub(crate) closed: u64,
    pub(crate) known: bool,
}

/// A trial that has no outcome to retract.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unretractable {
    pub(crate) trial: TrialId,
    pub(crate) why: NoOutcome,
}

/// A worker that is not there.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Absent {
    pub(crate) worker: String,
    pub(crate) near_miss: Option<String>,
}

/// Why a sweep is not deleted.
#[derive(Debug)]
pub(crate) enum DeleteError {
    Lookup(LookupError),
    /// It has not ended.
    Open {
        name: String,
        state: SweepState,
    },
}

impl ClientCommand {
    /// What it changes, for the log; none where it only reads.
    fn changes(&self) -> Option<&'static str> {
        match self {
            ClientCommand::Submit { .. } => Some("submit a sweep"),
            ClientCommand::Change { change, .. } => Some(match change {
                Change::Cancel => "cancel a sweep",
                Change::Resume => "resume a sweep",
                Change::Pause => "pause a sweep",
                Change::Prioritise(_) => "prioritise a sweep",
            }),
            ClientCommand::Delete { dry_run, .. } => (!dry_run).then_some("delete a sweep"),
            ClientCommand::Retract { .. } => Some("retract outcomes"),
            ClientCommand::Drain { .. } => Some("drain workers"),
            ClientCommand::Status { .. }
            | ClientCommand::Watch { .. }
            | ClientCommand::Describe { .. }
            | ClientCommand::List { .. }
            | ClientCommand::Find { .. }
            | ClientCommand::Explain { .. }
            | ClientCommand::Trials { .. }
            | ClientCommand::Open { .. }
            | ClientCommand::Workers { .. } => None,
        }
    }
}

impl Driver {
    pub(super) fn on_client(&mut self, caller: Caller, command: ClientCommand) {
        if let Some(asked) = command.changes() {
            tracing::info!(%caller, "a client asks to {asked}");
        }
        match command {
            ClientCommand::Submit {
                sweep,
                spec,
                trials,
                priority,
                reply,
            } => {
                let submitted = self.submit(sweep, spec, trials, priority);
                self.answer(reply, submitted);
            }
            ClientCommand::Change {
                sweep,
                change,
                reply,
            } => {
                let status = self.change(&sweep, change);
                self.answer(reply, status);
            }
            ClientCommand::Delete {
                sweep,
                dry_run,
                reply,
            } => {
                let deleted = self.delete(&sweep, dry_run);
                self.answer(reply, deleted);
            }
            ClientCommand::Retract {
                trials,
                reason,
                reply,
            } => {
                let retracted = self.retract(trials, reason);
                self.answer(reply, retracted);
            }
            ClientCommand::Drain { workers, reply } => {
                let drained = self.drain(&workers);
                self.answer(reply, drained);
            }
            ClientCommand::Status { sweep, reply } => {
                self.answer(reply, self.find(&sweep).map(|id| self.status(id)));
            }
            ClientCommand::Watch { sweep, reply } => {
                self.answer(reply, self.find(&sweep).map(|id| self.watched(id)));
            }
            ClientCommand::Describe { sweep, reply } => {
                self.answer(reply, self.find(&sweep).map(|id| self.spec(id).clone()));
            }
            ClientCommand::List { reply } => self.answer(reply, self.statuses()),
            ClientCommand::Find { sweep, reply } => self.answer(reply, self.find(&sweep)),
            ClientCommand::Explain { subject, reply } => {
                self.answer(reply, self.explain(&subject));
            }
            ClientCommand::Trials {
                sweep,
                trials,
                reply,
            } => {
                let views = trials.into_iter();
                let views = views.map(|trial| self.core.trial(Some(sweep), trial));
                self.answer(reply, views.collect());
            }
            ClientCommand::Open { sweep, rows, reply } => {
                let open = rows.into_iter();
                let open = open.map(|row| self.core.open_in_row(sweep, row));
                self.answer(reply, open.collect());
            }
            ClientCommand::Workers { reply } => self.answer(reply, self.workers()),
        }
    }

    pub(super) fn find(&self, asked: &str) -> Result<SweepId, LookupError> {
        self.catalogue.find(asked)
    }

    fn submit(
        &mut self,
        sweep: SweepId,
        spec: Box<SweepSpec>,
        trials: Vec<TrialKey>,
        priority: Option<i32>,
    ) -> Result<Submitted, TooManyOpen> {
        self.core.check_room(&trials)?;
        let running = |core: &Scheduler| match core.sweep(sweep) {
            Some((SweepState::Running | SweepState::Finished, _)) => !core.is_hindered(sweep),
            Some((SweepState::Cancelled | SweepState::Paused | SweepState::Parked, _)) | None => {
                false
            }
        };
        // A submission that changes nothing is not recorded.
        let known = if self.catalogue.is_latest(sweep, &spec) && running(&self.core) {
            true
        } else {
            let known = self.catalogue.enter(sweep, spec.clone());
            self.handle(Event::SweepSubmitted {
                sweep,
                spec,
                trials,
            });
            known
        };
        let (_, counts) = self.core.sweep(sweep).expect("was just submitted");
        if let Some(priority) = priority {
            self.handle(Event::SweepPrioritised { sweep, priority });
        }
        Ok(Submitted {
            trials: counts.trials(),
            closed: counts.finished + counts.failed + counts.stopped,
            known,
        })
    }

    fn change(&mut self, asked: &str, change: Change) -> Result<SweepStatus, LookupError> {
        let sweep = self.find(asked)?;
        self.handle(match change {
            Change::Cancel => Event::SweepCancelled(sweep),
            Change::Resume => Event::SweepResumed(sweep),
            Change::Pause => Event::SweepPaused(sweep),
            Change::Prioritise(priority) => Event::SweepPrioritised { sweep, priority },
        });
        Ok(self.status(sweep))
    }

    /// Forgets a sweep that has ended. Its batch ends here: the store puts a journal without the sweep
    /// in place in one step.
    fn delete(&mut self, asked: &str, dry_run: bool) -> Result<DeleteReply, DeleteError> {
        let sweep = self.find(asked).map_err(DeleteError::Lookup)?;
        let name = self.spec(sweep).name.clone();
        let (state, _) = self
            .core
            .sweep(sweep)
            .expect("the catalogue follows the scheduler");
        if !state.has_ended() {
            return Err(DeleteError::Open { name, state });
        }
        let goes = self.core.deletion(sweep).unwrap_or_default();
        if !dry_run {
            self.handle(Event::SweepDeleted(sweep));
            self.catalogue.remove(sweep);
            let mut snapshot = self.catalogue.snapshot(&self.core);
            // Readers of the journal learn of it; replayed, it changes nothing.
            snapshot.after.push(Fact::SweepDeleted { sweep });
            self.batch.snapshot = Some((self.clock.wall_ms(), snapshot));
        }
        Ok(DeleteReply {
            sweep: sweep.to_string(),
            name,
            trials: goes.trials,
            outcomes: goes.outcomes,
            shared: goes.shared,
        })
    }

    /// Takes outcomes back, if each of the trials has one. Answers the trials' states afterwards.
    fn retract(
        &mut self,
        trials: Vec<TrialId>,
        reason: String,
    ) -> Result<Vec<TrialView>, Unretractable> {
        for trial in &trials {
            let trial = *trial;
            let retractable = self.core.retractable(trial);
            retractable.map_err(|why| Unretractable { trial, why })?;
        }
        self.handle(Event::OutcomesRetracted {
            trials: trials.clone(),
            reason,
        });
        let views = trials.into_iter();
        let views = views.filter_map(|trial| self.core.trial(None, trial));
        Ok(views.collect())
    }
}
