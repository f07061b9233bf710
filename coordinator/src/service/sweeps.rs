//! The clients' side of the contract.

use super::refuse::{self, refuse};
use super::{Link, check};
use crate::driver::Command;
use crate::expand;
use crate::scheduler::{SweepId, TrialId, TrialView};
use crate::store::recorded;
use nrp_proto::near_miss;
use nrp_proto::wire::sweeps_server::Sweeps;
use nrp_proto::wire::{
    BestReply, BestRequest, BestRow, CancelRequest, DrainRequest, ExplainReply, ExplainRequest,
    ListReply, ListRequest, PauseRequest, PrioritiseRequest, ResumeRequest, StatusRequest,
    SubmitReply, SubmitRequest, SweepStatus, TrialRecord, TrialSpec, TrialsRequest, WorkersReply,
    WorkersRequest,
};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Response, Status};

/// Shortest time between two statuses of a watch.
const WATCH_PAUSE: Duration = Duration::from_millis(200);

/// Records that wait for a client to read them.
const RECORDS_MAX: usize = 256;

/// States a trial may be asked for by.
const STATES: [&str; 5] = ["waiting", "leased", "finished", "failed", "cancelled"];

/// Answers clients.
pub(crate) struct Service {
    link: Link,
}

impl Service {
    pub(super) fn new(link: Link) -> Self {
        Self { link }
    }
}

#[tonic::async_trait]
impl Sweeps for Service {
    async fn submit(
        &self,
        request: Request<SubmitRequest>,
    ) -> Result<Response<SubmitReply>, Status> {
        let SubmitRequest { sweep, priority } = request.into_inner();
        let Some(spec) = sweep else {
            return Err(Status::invalid_argument("the sweep is missing"));
        };
        check::sweep(&spec)?;
        let expanded = tokio::task::spawn_blocking(move || {
            let trials = expand::keys(&spec)?;
            Ok((spec, trials))
        });
        let (spec, trials) = match expanded.await {
            Ok(Ok(expanded)) => expanded,
            Ok(Err(error)) => return Err(grid_refused(&error)),
            Err(_) => return Err(refuse::stopping()),
        };
        let sweep: SweepId = spec.id().parse().expect("a sweep's id has 16 digits");
        let spec = Box::new(spec);
        let submit = |reply| Command::Submit {
            sweep,
            spec,
            trials,
            priority,
            reply,
        };
        let submitted = self.link.ask(submit).await?;
        Ok(Response::new(SubmitReply {
            sweep: sweep.to_string(),
            trials: submitted.trials,
            already_finished: submitted.closed,
            resumed: submitted.known,
        }))
    }

    async fn list(&self, _: Request<ListRequest>) -> Result<Response<ListReply>, Status> {
        let sweeps = self.link.ask(|reply| Command::List { reply }).await?;
        Ok(Response::new(ListReply { sweeps }))
    }

    async fn status(
        &self,
        request: Request<StatusRequest>,
    ) -> Result<Response<SweepStatus>, Status> {
        let sweep = request.into_inner().sweep;
        self.link.status(sweep).await.map(Response::new)
    }

    type WatchStream = ReceiverStream<Result<SweepStatus, Status>>;

    async fn watch(
        &self,
        request: Request<StatusRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let first = self.link.status(request.into_inner().sweep).await?;
        let (sender, stream) = mpsc::channel(1);
        tokio::spawn(watch(self.link.clone(), first, sender));
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn cancel(
        &self,
        request: Request<CancelRequest>,
    ) -> Result<Response<SweepStatus>, Status> {
        let sweep = request.into_inner().sweep;
        let status = self
            .link
            .ask(|reply| Command::Cancel { sweep, reply })
            .await?;
        status.map(Response::new).map_err(refuse::lookup)
    }

    async fn resume(
        &self,
        request: Request<ResumeRequest>,
    ) -> Result<Response<SweepStatus>, Status> {
        let sweep = request.into_inner().sweep;
        let status = self
            .link
            .ask(|reply| Command::Resume { sweep, reply })
            .await?;
        status.map(Response::new).map_err(refuse::lookup)
    }

    async fn pause(&self, request: Request<PauseRequest>) -> Result<Response<SweepStatus>, Status> {
        let sweep = request.into_inner().sweep;
        let pause = |reply| Command::Pause { sweep, reply };
        let status = self.link.ask(pause).await?;
        status.map(Response::new).map_err(refuse::lookup)
    }

    async fn prioritise(
        &self,
        request: Request<PrioritiseRequest>,
    ) -> Result<Response<SweepStatus>, Status> {
        let PrioritiseRequest { sweep, priority } = request.into_inner();
        let prioritise = |reply| Command::Prioritise {
            sweep,
            priority,
            reply,
        };
        let status = self.link.ask(prioritise).await?;
        status.map(Response::new).map_err(refuse::lookup)
    }

    async fn explain(
        &self,
        request: Request<ExplainRequest>,
    ) -> Result<Response<ExplainReply>, Status> {
        let subject = request.into_inner().subject;
        let explain = |reply| Command::Explain { subject, reply };
        let explained = self.link.ask(explain).await?;
        let mut explained = explained.map_err(refuse::lookup)?;
        // Why an attempt failed is on record, and of no interest to the scheduler.
        if let Ok(trial) = explained.trial.parse::<TrialId>() {
            let record = self.link.query(move |index| index.trial(trial)).await?;
            let reason = record.unwrap_or_default().reason;
            for explanation in &mut explained.explanations {
                let failed = matches!(explanation.why.as_str(), "backing-off" | "failed");
                if failed && !reason.is_empty() {
                    explanation.text.push_str(": ");
                    explanation.text.push_str(&reason);
                }
            }
        }
        Ok(Response::new(explained))
    }

    async fn best(&self, request: Request<BestRequest>) -> Result<Response<BestReply>, Status> {
        let BestRequest { sweep, ann, region } = request.into_inner();
        let sweep = match sweep.is_empty() {
            true => None,
            false => Some(self.link.find(sweep).await?),
        };
        let asked = move |spec: &TrialSpec| is_of(spec, &ann, &region);
        let rows = self.link.query(move |index| {
            let rows = index.rows(sweep)?.into_iter();
            let rows = rows.filter(|row| asked(&row.example));
            rows.map(|row| Ok((index.best(row.id, sweep)?, row)))
                .collect::<Result<Vec<_>, _>>()
        });
        let rows = rows.await?;
        let ids = rows.iter().map(|(_, row)| row.id).collect();
        let open = |reply| Command::Open {
            sweep,
            rows: ids,
            reply,
        };
        let open = self.link.ask(open).await?;
        let rows = rows.into_iter().zip(open).map(|((best, row), open)| {
            let ann = row.example.ann.clone().unwrap_or_default();
            BestRow {
                group: row.example.comparable_group(),
                ann: ann.name,
                weights_digest: ann.weights_digest,
                region: row.example.region,
                best,
                open,
            }
        });
        Ok(Response::new(BestReply {
            rows: rows.collect(),
        }))
    }

    type TrialsStream = ReceiverStream<Result<TrialRecord, Status>>;

    async fn trials(
        &self,
        request: Request<TrialsRequest>,
    ) -> Result<Response<Self::TrialsStream>, Status> {
        let request = request.into_inner();
        if !request.state.is_empty() && !STATES.contains(&request.state.as_str()) {
            let meant = near_miss(&request.state, STATES);
            let hint = match meant {
                Some(state) => format!("did you mean `{state}`? A trial is {}", STATES.join(", ")),
                None => format!("a trial is {}", STATES.join(", ")),
            };
            let message = format!("`{}` is no state of a trial", request.state);
            return Err(refuse(Code::InvalidArgument, message, &hint));
        }
        let sweep = self.link.find(request.sweep.clone()).await?;
        let (sender, stream) = mpsc::channel(RECORDS_MAX);
        let link = self.link.clone();
        tokio::spawn(async move {
            if let Err(status) = link.send_trials(sweep, &request, &sender).await {
                // A client that has gone need not hear of it.
                let _ = sender.send(Err(status)).await;
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn workers(&self, _: Request<WorkersRequest>) -> Result<Response<WorkersReply>, Status> {
        let workers = self.link.ask(|reply| Command::Workers { reply }).await?;
        Ok(Response::new(WorkersReply { workers }))
    }

    async fn drain(
        &self,
        request: Request<DrainRequest>,
    ) -> Result<Response<WorkersReply>, Status> {
        let workers = check::workers(request.into_inner().workers)?;
        let drained = self.link.ask(|reply| Command::Drain { workers, reply });
        let workers = drained.await?.map_err(refuse::absent)?;
        Ok(Response::new(WorkersReply { workers }))
    }
}

impl Link {
    async fn find(&self, sweep: String) -> Result<SweepId, Status> {
        let found = self.ask(|reply| Command::Find { sweep, reply }).await?;
        found.map_err(refuse::lookup)
    }

    async fn status(&self, sweep: String) -> Result<SweepStatus, Status> {
        let status = self.ask(|reply| Command::Status { sweep, reply }).await?;
        status.map_err(refuse::lookup)
    }

    /// Sends the trials of a sweep that were asked for, a stretch at a time.
    async fn send_trials(
        &self,
        sweep: SweepId,
        request: &TrialsRequest,
        sender: &mpsc::Sender<Result<TrialRecord, Status>>,
    ) -> Result<(), Status> {
        for number in 0.. {
            let stretch = self.query(move |index| {
                let Some(trials) = index.stretch(sweep, number)? else {
                    return Ok(None);
                };
                let mut records = Vec::with_capacity(trials.len());
                for trial in trials {
                    records.extend(index.trial(trial)?.map(|record| (trial, record)));
                }
                Ok(Some(records))
            });
            let Some(mut stretch) = stretch.await? else {
                break;
            };
            stretch.retain(|(_, record)| {
                let spec = record.spec.as_ref();
                spec.is_some_and(|spec| is_of(spec, &request.ann, &request.region))
            });
            self.add_states(&mut stretch).await?;
            for (_, record) in stretch {
                let asked = request.state.is_empty() || request.state == record.state;
                if asked && sender.send(Ok(record)).await.is_err() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Adds where the trials are that have no outcome.
    async fn add_states(&self, records: &mut [(TrialId, TrialRecord)]) -> Result<(), Status> {
        let open = records
            .iter()
            .filter(|(_, record)| record.state == recorded::OPEN);
        let trials: Vec<_> = open.map(|(trial, _)| *trial).collect();
        if trials.is_empty() {
            return Ok(());
        }
        let views = self.ask(|reply| Command::Trials { trials, reply }).await?;
        let open = records
            .iter_mut()
            .filter(|(_, record)| record.state == recorded::OPEN);
        for ((_, record), view) in open.zip(views) {
            let state = match view {
                Some(TrialView::Leased { worker }) => {
                    record.worker = worker;
                    "leased"
                }
                Some(TrialView::Cancelled) => "cancelled",
                // Its outcome came between the two questions: it was still open a moment ago.
                Some(TrialView::Waiting | TrialView::Finished | TrialView::Failed) | None => {
                    "waiting"
                }
            };
            state.clone_into(&mut record.state);
        }
        Ok(())
    }
}

/// Sends a status after every change, until the sweep has ended or nobody listens.
async fn watch(link: Link, first: SweepStatus, sender: mpsc::Sender<Result<SweepStatus, Status>>) {
    let mut changes = link.changes.clone();
    let id = first.id.clone();
    let mut last = first.clone();
    let mut next = Ok(first);
    loop {
        let ended = next.as_ref().map_or(true, |status| {
            matches!(status.state.as_str(), "finished" | "cancelled")
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
            match link.status(id.clone()).await {
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

fn is_of(spec: &TrialSpec, ann: &str, region: &str) -> bool {
    let name = spec.ann.as_ref().map_or("", |ann| &ann.name);
    (ann.is_empty() || ann == name) && (region.is_empty() || region == spec.region)
}

fn grid_refused(error: &nrp_proto::sweep::GridError) -> Status {
    refuse::diagnostic(Code::InvalidArgument, error)
}
