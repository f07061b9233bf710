//! The operator's side of the contract: which workers there are, and telling them to leave.

use super::pages;
use super::{Link, check, refuse};
use crate::driver::ClientCommand;
use nrp_proto::wire::admin_server::Admin;
use nrp_proto::wire::{DrainRequest, WorkerStatus, WorkersReply, WorkersRequest};
use tonic::{Request, Response, Status};

/// Answers operators.
pub(crate) struct Service {
    link: Link,
}

impl Service {
    pub(super) fn new(link: Link) -> Self {
        Self { link }
    }
}

#[tonic::async_trait]
impl Admin for Service {
    async fn workers(
        &self,
        request: Request<WorkersRequest>,
    ) -> Result<Response<WorkersReply>, Status> {
        let link = self.link.of(&request);
        let mut question = request.into_inner();
        let size = std::mem::take(&mut question.page_size);
        let token = std::mem::take(&mut question.page_token);
        let position = pages::position(&question, &token)?;
        let workers = link.ask(|reply| ClientCommand::Workers { reply }).await?;
        let name = |worker: &WorkerStatus| u64::from(crc32fast::hash(worker.worker.as_bytes()));
        let (workers, next) = pages::list(workers, size, position, name)?;
        Ok(Response::new(WorkersReply {
            workers,
            next_page_token: next.map_or_else(String::new, |next| pages::token(&question, next)),
        }))
    }

    async fn drain(
        &self,
        request: Request<DrainRequest>,
    ) -> Result<Response<WorkersReply>, Status> {
        let link = self.link.of(&request);
        let workers = check::workers(request.into_inner().workers)?;
        let drained = link.ask(|reply| ClientCommand::Drain { workers, reply });
        let workers = drained.await?.map_err(refuse::absent)?;
        Ok(Response::new(WorkersReply {
            workers,
            next_page_token: String::new(),
        }))
    }
}
