//! The workers' side of the contract.

use super::refuse::{self, refuse};
use super::{Link, check, plausible};
use crate::counts::Counts;
use crate::driver::{ReportedOutcome, WorkerCommand};
use crate::scheduler::{Attempt, LANES_MAX, LeaseRef, Reporter, Verdict};
use nrp_proto::CONTRACT;
use nrp_proto::state;
use nrp_proto::wire::workers_server::Workers;
use nrp_proto::wire::{
    self, HeartbeatReply, HeartbeatRequest, LeaseReply, LeaseRequest, LeaveReply, LeaveRequest,
    RegisterReply, RegisterRequest, ReleaseReply, ReleaseRequest, ReportReply, ReportRequest,
    RungReply, RungRequest,
};
use tonic::{Code, Request, Response, Status};

/// Answers workers.
pub(crate) struct Service {
    link: Link,
}

impl Service {
    pub(super) fn new(link: Link) -> Self {
        Self { link }
    }
}

#[tonic::async_trait]
impl Workers for Service {
    async fn register(
        &self,
        request: Request<RegisterRequest>,
    ) -> Result<Response<RegisterReply>, Status> {
        let link = self.link.of(&request);
        let request = request.into_inner();
        let worker = &request.worker;
        if request.contract != CONTRACT {
            return Err(refuse(
                Code::FailedPrecondition,
                format!(
                    "worker `{worker}` speaks contract {}, this coordinator {CONTRACT}",
                    request.contract
                ),
                "run the same version of nrp on both sides",
            ));
        }
        let lanes = request.lanes as usize;
        if !(1..=LANES_MAX).contains(&lanes) {
            return Err(refuse(
                Code::InvalidArgument,
                format!("worker `{worker}` offers {lanes} lanes"),
                &format!("from 1 to {LANES_MAX} lanes are possible"),
            ));
        }
        let device: String = request
            .device
            .chars()
            .filter(|c| !c.is_control())
            .take(256)
            .collect();
        let holder = check::holder(request.worker, request.instance)?;
        let register = |reply| WorkerCommand::Register {
            holder,
            device,
            lanes,
            reply,
        };
        link.ask_for_worker(register).await?;
        Ok(Response::new(RegisterReply {
            lease_ms: self.link.lease_ms,
            heartbeat_ms: self.link.heartbeat_ms,
        }))
    }

    async fn lease(&self, request: Request<LeaseRequest>) -> Result<Response<LeaseReply>, Status> {
        let link = self.link.of(&request);
        let LeaseRequest {
            worker,
            instance,
            held,
        } = request.into_inner();
        let holder = check::holder(worker.clone(), instance)?;
        let held = check::held(&held)?;
        let lease = |reply| WorkerCommand::Lease {
            holder,
            held,
            reply,
        };
        let leased = link.ask_for_worker(lease).await?;
        let job = leased.map_err(|error| refuse::lease(&worker, error))?;
        Ok(Response::new(LeaseReply { job }))
    }

    async fn heartbeat(
        &self,
        request: Request<HeartbeatRequest>,
    ) -> Result<Response<HeartbeatReply>, Status> {
        let link = self.link.of(&request);
        let request = request.into_inner();
        let worker = request.worker.clone();
        let holder = check::holder(request.worker, request.instance)?;
        let leases = check::leases(request.leases)?;
        let activity = check::activity(request.activity)?;
        let totals = check::totals(request.totals);
        let heartbeat = |reply| WorkerCommand::Heartbeat {
            holder,
            leases,
            activity,
            totals,
            reply,
        };
        let fenced = link.ask_for_worker(heartbeat).await?;
        let fenced = fenced.map_err(|refusal| refuse::worker(&worker, refusal))?;
        Ok(Response::new(HeartbeatReply {
            lost: fenced.lost.into_iter().map(reference).collect(),
            cancelled: fenced.cancelled.iter().map(ToString::to_string).collect(),
            leave: fenced.leave,
        }))
    }

    async fn report(
        &self,
        request: Request<ReportRequest>,
    ) -> Result<Response<ReportReply>, Status> {
        let link = self.link.of(&request);
        let asked = check::reports(request.into_inner().reports)?;
        let names: Vec<_> = asked
            .iter()
            .map(|report| (report.worker.clone(), report.trial.clone()))
            .collect();
        let asked: Vec<_> = asked.into_iter().map(reported).collect();
        let asked = self.with_regions(asked).await?;
        let mut outcomes = Vec::with_capacity(asked.len());
        // An outcome that can never be accepted must not hold up the others.
        let refused: Vec<Option<String>> = asked
            .into_iter()
            .map(|asked| match asked {
                Ok(outcome) => {
                    outcomes.push(outcome);
                    None
                }
                Err(reason) => Some(reason),
            })
            .collect();
        let report = |reply| WorkerCommand::Report { outcomes, reply };
        let mut taken = link.ask_for_worker(report).await?.into_iter();
        let verdicts = refused.into_iter().zip(names).map(|(refused, name)| {
            let verdict = match refused {
                Some(reason) => Err(reason),
                None => match taken.next()? {
                    Verdict::Recorded => Ok(state::Verdict::Recorded),
                    Verdict::Duplicate => Ok(state::Verdict::Duplicate),
                    Verdict::Unknown => Ok(state::Verdict::Unknown),
                    Verdict::Refused(refused) => Err(refused.to_string()),
                },
            };
            Some(match verdict {
                Ok(verdict) => verdict_of(verdict, ""),
                Err(reason) => {
                    note_refused(&link.counts, &name.0, &name.1, &reason);
                    verdict_of(state::Verdict::Refused, &reason)
                }
            })
        });
        let verdicts = verdicts.collect::<Option<_>>();
        let verdicts = verdicts.expect("the driver answers each report");
        Ok(Response::new(ReportReply { verdicts }))
    }

    async fn rung(&self, request: Request<RungRequest>) -> Result<Response<RungReply>, Status> {
        let link = self.link.of(&request);
        let request = request.into_inner();
        let holder = check::holder(request.worker, request.instance)?;
        let reporter = Reporter {
            lease: check::lease(request.lease)?,
            trial: check::trial(&request.trial)?,
            worker: holder.worker,
        };
        let validation_mse = check::validation_mse(request.validation_mse)?;
        let worker = reporter.worker.clone();
        let rung = |reply| WorkerCommand::Rung {
            reporter,
            epochs: request.epochs,
            validation_mse,
            reply,
        };
        let goes_on = link.ask_for_worker(rung).await?;
        let goes_on = goes_on.map_err(|refused| {
            let reason = refused.to_string();
            note_refused(&link.counts, &worker, &request.trial, &reason);
            let hint = "a worker tells the losses of trials that it was leased";
            refuse(Code::FailedPrecondition, reason, hint)
        })?;
        Ok(Response::new(RungReply { stop: !goes_on }))
    }

    async fn release(
        &self,
        request: Request<ReleaseRequest>,
    ) -> Result<Response<ReleaseReply>, Status> {
        let link = self.link.of(&request);
        let request = request.into_inner();
        let holder = check::holder(request.worker, request.instance)?;
        let lease = check::lease(request.lease)?;
        let hindrance = request.hindrance.map(check::hindrance);
        let release = |reply| WorkerCommand::Release {
            holder,
            lease,
            hindrance,
            reply,
        };
        link.ask_for_worker(release).await?;
        Ok(Response::new(ReleaseReply {}))
    }

    async fn leave(&self, request: Request<LeaveRequest>) -> Result<Response<LeaveReply>, Status> {
        let link = self.link.of(&request);
        let request = request.into_inner();
        let holder = check::holder(request.worker, request.instance)?;
        let leave = |reply| WorkerCommand::Leave { holder, reply };
        link.ask_for_worker(leave).await?;
        Ok(Response::new(LeaveReply {}))
    }
}

impl Service {
    /// Adds the regions of known trials, and refuses outcomes that their trials cannot have.
    async fn with_regions(
        &self,
        asked: Vec<Result<ReportedOutcome, String>>,
    ) -> Result<Vec<Result<ReportedOutcome, String>>, Status> {
        let checked = self.link.query(move |index| {
            let checked = asked.into_iter().map(|asked| {
                let mut outcome = match asked {
                    Ok(outcome) => outcome,
                    refused => return Ok(refused),
                };
                let record = index.trial(outcome.reporter.trial)?;
                let Some(spec) = record.and_then(|record| record.spec) else {
                    return Ok(Ok(outcome));
                };
                let checked = match &outcome.attempt {
                    Attempt::Finished(scores) => plausible::check(scores, &spec),
                    Attempt::Failed { .. } => Ok(()),
                };
                outcome.region = spec.region;
                Ok(checked.map(|()| outcome))
            });
            checked.collect()
        });
        checked.await
    }
}

/// Logs and counts a report that is refused.
fn note_refused(counts: &Counts, worker: &str, trial: &str, reason: &str) {
    counts.refused.inc();
    let short = |text: &str| text.chars().take(64).collect::<String>();
    let (worker, trial) = (short(worker), short(trial));
    tracing::warn!(?worker, ?trial, reason, "a report is refused");
}

fn reported(report: wire::Report) -> Result<ReportedOutcome, String> {
    let reported = || -> Result<ReportedOutcome, Status> {
        let holder = check::holder(report.worker, report.instance)?;
        Ok(ReportedOutcome {
            reporter: Reporter {
                trial: check::trial(&report.trial)?,
                worker: holder.worker,
                lease: check::lease(report.lease)?,
            },
            attempt: check::attempt(report.outcome)?,
            region: String::new(),
        })
    };
    reported().map_err(|status| status.message().to_owned())
}

fn verdict_of(verdict: state::Verdict, reason: &str) -> wire::Verdict {
    wire::Verdict {
        kind: verdict.to_wire(),
        reason: reason.to_owned(),
    }
}

fn reference(lease: LeaseRef) -> wire::LeaseRef {
    wire::LeaseRef {
        job: lease.job.0,
        fence: lease.fence.0,
    }
}
