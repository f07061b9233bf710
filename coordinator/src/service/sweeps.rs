//! The clients' side of the contract.

use super::events::EVENTS_WAITING_MAX;
use super::pages::{self, Page};
use super::refuse;
use super::{Link, check, trials, watching};
use crate::driver::{Change, ClientCommand};
use crate::expand::Expanded;
use crate::scheduler::{SweepId, TrialId};
use nrp_proto::state::Why;
use nrp_proto::wire::sweeps_server::Sweeps;
use nrp_proto::wire::{
    BestReply, BestRequest, CancelRequest, DeleteReply, DeleteRequest, DetailsReply,
    DetailsRequest, EventsReply, EventsRequest, ExplainReply, ExplainRequest, ListReply,
    ListRequest, ListTrialsReply, ListTrialsRequest, MarginalsReply, MarginalsRequest,
    PauseRequest, PrioritiseRequest, ResumeRequest, RetractReply, RetractRequest, Retracted,
    StatusRequest, SubmitReply, SubmitRequest, SweepSpec, SweepStatus, TrialRecord, TrialsRequest,
    WatchReply,
};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Response, Status};

/// Most records that wait for a client to read them.
const RECORDS_MAX: usize = 256;

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
        let link = self.link.of(&request);
        let SubmitRequest { sweep, priority } = request.into_inner();
        let Some(spec) = sweep else {
            return Err(Status::invalid_argument("the sweep is missing"));
        };
        check::sweep(&spec)?;
        let expanded = tokio::task::spawn_blocking(move || {
            let expanded = Arc::new(Expanded::of(&spec)?);
            let trials = expanded.keys();
            Ok((spec, expanded, trials))
        });
        let (spec, expanded, trials) = match expanded.await {
            Ok(Ok(expanded)) => expanded,
            Ok(Err(error)) => return Err(grid_refused(&error)),
            Err(_) => return Err(refuse::stopping()),
        };
        let sweep: SweepId = spec.id().parse().expect("a sweep's id has 16 digits");
        let name = spec.name.clone();
        let spec = Box::new(spec);
        // The index finds it there for as long as it is kept here.
        if let Some(index) = link.index.upgrade() {
            index.expect(sweep, &expanded);
        }
        let submit = |reply| ClientCommand::Submit {
            sweep,
            spec,
            trials,
            priority,
            reply,
        };
        let submitted = link.ask(submit).await?;
        drop(expanded);
        let submitted = submitted.map_err(|error| refuse::too_many_open(&name, error))?;
        Ok(Response::new(SubmitReply {
            sweep: sweep.to_string(),
            trials: submitted.trials,
            already_finished: submitted.closed,
            resumed: submitted.known,
        }))
    }

    async fn list(&self, request: Request<ListRequest>) -> Result<Response<ListReply>, Status> {
        let link = self.link.of(&request);
        let mut question = request.into_inner();
        let size = std::mem::take(&mut question.page_size);
        let token = std::mem::take(&mut question.page_token);
        let position = pages::position(&question, &token)?;
        let sweeps = link.ask(|reply| ClientCommand::List { reply }).await?;
        let id = |sweep: &SweepStatus| sweep.id.parse().map_or(0, |SweepId(id)| id);
        let (sweeps, next) = pages::list(sweeps, size, position, id)?;
        Ok(Response::new(ListReply {
            sweeps,
            next_page_token: next.map_or_else(String::new, |next| pages::token(&question, next)),
        }))
    }

    async fn status(
        &self,
        request: Request<StatusRequest>,
    ) -> Result<Response<SweepStatus>, Status> {
        let link = self.link.of(&request);
        let sweep = request.into_inner().sweep;
        link.status(sweep).await.map(Response::new)
    }

    async fn describe(
        &self,
        request: Request<StatusRequest>,
    ) -> Result<Response<SweepSpec>, Status> {
        let link = self.link.of(&request);
        let sweep = request.into_inner().sweep;
        let describe = |reply| ClientCommand::Describe { sweep, reply };
        let spec = link.ask(describe).await?.map_err(refuse::lookup)?;
        Ok(Response::new(SweepSpec::clone(&spec)))
    }

    async fn details(
        &self,
        request: Request<DetailsRequest>,
    ) -> Result<Response<DetailsReply>, Status> {
        let link = self.link.of(&request);
        let trials = check::details(&request.into_inner().trials)?;
        let page = link.query(move |index| {
            let mut page = Page::new(0, trials.len());
            for trial in trials {
                let details = index.details(trial)?.unwrap_or_default();
                let bytes = pages::bytes(&details);
                if !page.push(details) {
                    let is_first = page.entries.is_empty();
                    return Ok(if is_first {
                        Err(pages::too_large(&format!("what is kept of {trial}"), bytes))
                    } else {
                        Ok(page)
                    });
                }
            }
            Ok(Ok(page))
        });
        let details = page.await??.entries;
        Ok(Response::new(DetailsReply { details }))
    }

    type WatchStream = ReceiverStream<Result<WatchReply, Status>>;

    async fn watch(
        &self,
        request: Request<StatusRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let link = self.link.of(&request);
        // Asked for first, so that no event between the two is missed.
        let position = link.events.last_seq();
        let first = link.watched(request.into_inner().sweep).await?;
        let (sender, stream) = mpsc::channel(1);
        tokio::spawn(watching::watch(link, first, position, sender));
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    type EventsStream = ReceiverStream<Result<EventsReply, Status>>;

    async fn events(
        &self,
        request: Request<EventsRequest>,
    ) -> Result<Response<Self::EventsStream>, Status> {
        let source = self.link.source.clone();
        let (sender, stream) = mpsc::channel(EVENTS_WAITING_MAX);
        tokio::spawn(source.send(request.into_inner().since, sender));
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn cancel(
        &self,
        request: Request<CancelRequest>,
    ) -> Result<Response<SweepStatus>, Status> {
        let link = self.link.of(&request);
        link.change(request.into_inner().sweep, Change::Cancel)
            .await
    }

    async fn delete(
        &self,
        request: Request<DeleteRequest>,
    ) -> Result<Response<DeleteReply>, Status> {
        let link = self.link.of(&request);
        let DeleteRequest { sweep, dry_run } = request.into_inner();
        if sweep.is_empty() {
            return Err(refuse::refuse(
                Code::InvalidArgument,
                "the sweep to delete is missing",
                "name it, or give its id: `nrp sweep list` lists all of them",
            ));
        }
        let delete = |reply| ClientCommand::Delete {
            sweep,
            dry_run,
            reply,
        };
        let deleted = link.ask(delete).await?;
        deleted.map(Response::new).map_err(refuse::delete)
    }

    async fn resume(
        &self,
        request: Request<ResumeRequest>,
    ) -> Result<Response<SweepStatus>, Status> {
        let link = self.link.of(&request);
        link.change(request.into_inner().sweep, Change::Resume)
            .await
    }

    async fn pause(&self, request: Request<PauseRequest>) -> Result<Response<SweepStatus>, Status> {
        let link = self.link.of(&request);
        link.change(request.into_inner().sweep, Change::Pause).await
    }

    async fn prioritise(
        &self,
        request: Request<PrioritiseRequest>,
    ) -> Result<Response<SweepStatus>, Status> {
        let link = self.link.of(&request);
        let PrioritiseRequest { sweep, priority } = request.into_inner();
        link.change(sweep, Change::Prioritise(priority)).await
    }

    async fn explain(
        &self,
        request: Request<ExplainRequest>,
    ) -> Result<Response<ExplainReply>, Status> {
        let link = self.link.of(&request);
        let subject = request.into_inner().subject;
        let explain = |reply| ClientCommand::Explain { subject, reply };
        let explained = link.ask(explain).await?;
        let mut explained = explained.map_err(refuse::lookup)?;
        // The index has the reason of a failed attempt; the scheduler does not keep it.
        if let Ok(trial) = explained.trial.parse::<TrialId>() {
            let record = link.query(move |index| index.trial(trial)).await?;
            let reason = record.unwrap_or_default().reason;
            for explanation in &mut explained.explanations {
                let failed = [Why::BackingOff, Why::Failed].map(Why::to_wire);
                if failed.contains(&explanation.why) && !reason.is_empty() {
                    explanation.text.push_str(": ");
                    explanation.text.push_str(&reason);
                }
            }
        }
        Ok(Response::new(explained))
    }

    async fn retract(
        &self,
        request: Request<RetractRequest>,
    ) -> Result<Response<RetractReply>, Status> {
        let RetractRequest { trials, reason } = request.into_inner();
        let (ids, reason) = check::retraction(&trials, reason)?;
        let retract = |reply| ClientCommand::Retract {
            trials: ids,
            reason,
            reply,
        };
        let views = self
            .link
            .ask(retract)
            .await?
            .map_err(refuse::unretractable)?;
        let retracted = trials
            .into_iter()
            .zip(views)
            .map(|(trial, view)| Retracted {
                trial,
                state: trials::state(&view).to_wire(),
            });
        Ok(Response::new(RetractReply {
            trials: retracted.collect(),
        }))
    }

    async fn best(&self, request: Request<BestRequest>) -> Result<Response<BestReply>, Status> {
        let link = self.link.of(&request);
        link.best(request.into_inner()).await.map(Response::new)
    }

    async fn marginals(
        &self,
        request: Request<MarginalsRequest>,
    ) -> Result<Response<MarginalsReply>, Status> {
        let link = self.link.of(&request);
        let reply = link.marginals(request.into_inner()).await;
        reply.map(Response::new)
    }

    type TrialsStream = ReceiverStream<Result<TrialRecord, Status>>;

    async fn trials(
        &self,
        request: Request<TrialsRequest>,
    ) -> Result<Response<Self::TrialsStream>, Status> {
        let link = self.link.of(&request);
        let asked = link.asked_trials(request.into_inner()).await?;
        let (sender, stream) = mpsc::channel(RECORDS_MAX);
        tokio::spawn(async move {
            if let Err(status) = link.send_trials(&asked, &sender).await {
                // A client that has gone needs no reason.
                let _ = sender.send(Err(status)).await;
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn list_trials(
        &self,
        request: Request<ListTrialsRequest>,
    ) -> Result<Response<ListTrialsReply>, Status> {
        let link = self.link.of(&request);
        let reply = link.list_trials(request.into_inner()).await;
        reply.map(Response::new)
    }
}

impl Link {
    pub(super) async fn find(&self, sweep: String) -> Result<SweepId, Status> {
        let found = self
            .ask(|reply| ClientCommand::Find { sweep, reply })
            .await?;
        found.map_err(refuse::lookup)
    }

    async fn change(&self, sweep: String, change: Change) -> Result<Response<SweepStatus>, Status> {
        let ask = |reply| ClientCommand::Change {
            sweep,
            change,
            reply,
        };
        let status = self.ask(ask).await?;
        status.map(Response::new).map_err(refuse::lookup)
    }

    async fn status(&self, sweep: String) -> Result<SweepStatus, Status> {
        let status = self
            .ask(|reply| ClientCommand::Status { sweep, reply })
            .await?;
        status.map_err(refuse::lookup)
    }

    /// A sweep and the coordinator's workers.
    pub(super) async fn watched(&self, sweep: String) -> Result<WatchReply, Status> {
        let watched = self
            .ask(|reply| ClientCommand::Watch { sweep, reply })
            .await?;
        watched.map_err(refuse::lookup)
    }
}

fn grid_refused(error: &nrp_proto::sweep::GridError) -> Status {
    refuse::diagnostic(Code::InvalidArgument, error)
}
