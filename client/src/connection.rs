//! Connections: the one place that decides how a coordinator is reached, by clients and workers alike.

use crate::error::ClientError;
use nrp_proto::MESSAGE_BYTES_MAX;
use nrp_proto::wire::admin_client::AdminClient;
use nrp_proto::wire::sweeps_client::SweepsClient;
use nrp_proto::wire::workers_client::WorkersClient;
use std::time::Duration;
use tonic::Status;
use tonic::transport::{Channel, Endpoint};

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a connection is probed, and how long it may stay silent before it is given up and replaced: after
/// a network was cut, the system itself would take minutes to notice.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(5));

/// A connection to a coordinator. It is made again by itself after it broke. Clones share it.
#[derive(Debug, Clone)]
pub struct Connection {
    address: String,
    channel: Channel,
}

impl Connection {
    /// Connects to the coordinator at `address`, `HOST:PORT` or a URI.
    ///
    /// # Errors
    /// When `address` is not an address, or nothing listens there.
    pub async fn open(address: &str) -> Result<Self, ClientError> {
        let connected = endpoint(address)?.connect().await;
        let channel = connected.map_err(|source| ClientError::Unreachable {
            address: address.to_owned(),
            source: Box::new(source),
        })?;
        Ok(Self {
            address: address.to_owned(),
            channel,
        })
    }

    /// Connects with the first call, and gives each call `call_timeout` at most.
    ///
    /// # Errors
    /// When `address` is not an address.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn lazy(address: &str, call_timeout: Duration) -> Result<Self, ClientError> {
        Ok(Self {
            address: address.to_owned(),
            channel: endpoint(address)?.timeout(call_timeout).connect_lazy(),
        })
    }

    /// The address as it was given.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The calls of a user. [`Client`](crate::Client) wraps them.
    pub fn sweeps(&self) -> SweepsClient<Channel> {
        SweepsClient::new(self.channel.clone())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// The calls of an operator.
    pub fn admin(&self) -> AdminClient<Channel> {
        AdminClient::new(self.channel.clone())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// The calls of a worker.
    pub fn workers(&self) -> WorkersClient<Channel> {
        WorkersClient::new(self.channel.clone())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// The failure that a call's `status` stands for.
    pub fn error(&self, status: Status) -> ClientError {
        ClientError::of(&self.address, status)
    }
}

/// The URI of a coordinator's address: `HOST:PORT` becomes `http://HOST:PORT`.
pub fn uri(address: &str) -> String {
    if address.contains("://") {
        address.to_owned()
    } else {
        format!("http://{address}")
    }
}

fn endpoint(address: &str) -> Result<Endpoint, ClientError> {
    let endpoint = Endpoint::from_shared(uri(address)).map_err(|_| ClientError::Address {
        address: address.to_owned(),
    })?;
    Ok(endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEP_ALIVE.0)
        .keep_alive_timeout(KEEP_ALIVE.1)
        .keep_alive_while_idle(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_no_address_and_where_nothing_listens_are_told_apart() {
        let refused = Connection::open("not an address").await;
        assert!(matches!(refused, Err(ClientError::Address { .. })));
        let lazy = Connection::lazy("not an address", CONNECT_TIMEOUT);
        assert!(matches!(lazy, Err(ClientError::Address { .. })));
        // The port is taken and not listened on, so that nothing else can listen there meanwhile.
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port is free");
        let address = socket.local_addr().expect("it is bound").to_string();
        let refused = Connection::open(&address)
            .await
            .expect_err("nothing listens");
        assert!(refused.is_unreachable(), "{refused:?}");
        assert!(refused.to_string().contains(&address));
    }
}
