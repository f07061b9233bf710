//! The services: the contract on one side, the driver and the index on the other. They convert, check,
//! ask and answer, but decide nothing.

mod admin;
mod check;
mod events;
mod pages;
mod plausible;
mod refuse;
mod results;
mod sweeps;
mod trials;
mod watching;
mod workers;

use crate::counts::Counts;
use crate::driver::Events;
use crate::driver::{Caller, ClientCommand, Command, Reply, WorkerCommand};
use crate::store::Index;
use nrp_proto::MESSAGE_BYTES_MAX;
use nrp_proto::wire::admin_server::AdminServer;
use nrp_proto::wire::sweeps_server::SweepsServer;
use nrp_proto::wire::workers_server::WorkersServer;
use std::sync::{Arc, Weak};
use tokio::sync::{mpsc, oneshot, watch};
use tonic::Status;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_reflection::server::{v1, v1alpha};

pub(crate) use events::Source as EventSource;

/// How services reach the rest of the coordinator, and for whom they ask.
#[derive(Clone)]
pub(crate) struct Link {
    pub(crate) caller: Caller,
    pub(crate) commands: mpsc::Sender<Command>,
    /// Weak, so that a lingering connection does not keep a stopped coordinator's state open.
    pub(crate) index: Weak<Index>,
    pub(crate) changes: watch::Receiver<u64>,
    pub(crate) events: Arc<Events>,
    pub(crate) source: EventSource,
    pub(crate) counts: Counts,
    pub(crate) lease_ms: u64,
    pub(crate) heartbeat_ms: u64,
}

impl Link {
    /// This link for a request: questions asked through it carry the request's caller.
    fn of<T>(&self, request: &tonic::Request<T>) -> Self {
        let peer = request.remote_addr();
        Self {
            caller: Caller { peer },
            ..self.clone()
        }
    }

    /// Asks the driver for a client, and waits for its answer.
    async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> ClientCommand) -> Result<T, Status> {
        let caller = self.caller;
        let client = |reply| {
            let command = command(reply);
            Command::Client { caller, command }
        };
        self.send(client).await
    }

    /// As `ask`, for a worker.
    async fn ask_for_worker<T>(
        &self,
        command: impl FnOnce(Reply<T>) -> WorkerCommand,
    ) -> Result<T, Status> {
        let caller = self.caller;
        let worker = |reply| {
            let command = command(reply);
            Command::Worker { caller, command }
        };
        self.send(worker).await
    }

    async fn send<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, Status> {
        let (reply, answer) = oneshot::channel();
        let sent = self.commands.send(command(reply)).await;
        sent.map_err(|_| refuse::stopping())?;
        answer.await.map_err(|_| refuse::stopping())
    }

    /// Asks the index, on a thread that may wait for the disk.
    async fn query<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Index) -> Result<T, crate::store::IndexError> + Send + 'static,
    ) -> Result<T, Status> {
        let index: Arc<Index> = self.index.upgrade().ok_or_else(refuse::stopping)?;
        let answer = tokio::task::spawn_blocking(move || question(&index)).await;
        match answer {
            Ok(answer) => answer.map_err(|error| refuse::diagnostic(tonic::Code::DataLoss, &error)),
            Err(_) => Err(refuse::stopping()),
        }
    }
}

/// The health service: the coordinator serves for as long as its driver runs.
pub(crate) async fn health(commands: mpsc::Sender<Command>) -> HealthServer<impl Health> {
    let (reporter, server) = tonic_health::server::health_reporter();
    reporter
        .set_serving::<WorkersServer<workers::Service>>()
        .await;
    reporter
        .set_serving::<SweepsServer<sweeps::Service>>()
        .await;
    reporter.set_serving::<AdminServer<admin::Service>>().await;
    tokio::spawn(async move {
        commands.closed().await;
        reporter
            .set_service_status("", ServingStatus::NotServing)
            .await;
        reporter
            .set_not_serving::<WorkersServer<workers::Service>>()
            .await;
        reporter
            .set_not_serving::<SweepsServer<sweeps::Service>>()
            .await;
        reporter
            .set_not_serving::<AdminServer<admin::Service>>()
            .await;
    });
    server
}

/// The reflection service, for clients without the contract's files.
pub(crate) fn reflection() -> v1::ServerReflectionServer<impl v1::ServerReflection> {
    reflected().build_v1().expect(REFLECTED)
}

/// The reflection service in the version that older clients ask for.
pub(crate) fn reflection_v1alpha() -> v1alpha::ServerReflectionServer<impl v1alpha::ServerReflection>
{
    reflected().build_v1alpha().expect(REFLECTED)
}

const REFLECTED: &str = "descriptors that were compiled are whole";

fn reflected() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(nrp_proto::FILE_DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}

/// The workers' service.
pub(crate) fn workers(link: Link) -> WorkersServer<workers::Service> {
    WorkersServer::new(workers::Service::new(link))
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX)
}

/// The operators' service.
pub(crate) fn admin(link: Link) -> AdminServer<admin::Service> {
    AdminServer::new(admin::Service::new(link))
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX)
}

/// The clients' service.
pub(crate) fn sweeps(link: Link) -> SweepsServer<sweeps::Service> {
    SweepsServer::new(sweeps::Service::new(link))
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX)
}
