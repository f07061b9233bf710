//! A client of an nrp coordinator: connections, calls, pages and streams.
//!
//! [`Client`] asks what a user asks: submit a sweep, follow it, read its trials. [`Connection`] is the one place
//! that decides how a coordinator is reached (timeouts, keep-alive, message sizes); a worker uses it too.
//! Messages are those of [`nrp_proto::wire`], whose fields `nrp.proto` documents. Every failure is a
//! [`ClientError`]: what is wrong, with the coordinator's hint where it gave one.
//!
//! The crate reads no environment and no file, parses no command line, and prints nothing.
//!
//! # Example
//!
//! The best trial of the latest sweep, per ANN and region:
//!
//! ```no_run
//! use nrp_client::{Client, ClientError};
//! use nrp_proto::wire::BestRequest;
//!
//! async fn best() -> Result<(), ClientError> {
//!     let client = Client::connect("127.0.0.1:7321").await?;
//!     let sweep = client.status("").await?;
//!     let mut rows = client.best(BestRequest {
//!         sweep: sweep.id,
//!         ..BestRequest::default()
//!     });
//!     while let Some(row) = rows.next().await? {
//!         println!("{} in {}: {:?}", row.ann, row.region, row.best.first());
//!     }
//!     Ok(())
//! }
//! ```
//!
//! Following a sweep until it ends, also while its coordinator is restarted:
//!
//! ```no_run
//! use nrp_client::{Client, ClientError, Watched};
//!
//! async fn follow(client: &Client) -> Result<(), ClientError> {
//!     let mut watch = client.watch("").await?;
//!     while let Some(told) = watch.next().await? {
//!         match told {
//!             Watched::Status(reply) => println!("{:?}", reply.sweep),
//!             Watched::Away(error) => println!("{error}; waiting"),
//!         }
//!     }
//!     Ok(())
//! }
//! ```

mod calls;
mod connection;
mod error;
mod events;
mod pages;
mod retry;
mod watch;

pub use calls::{Client, Trials};
pub use connection::{Connection, uri};
pub use error::ClientError;
pub use events::{Events, Told};
pub use pages::Pages;
pub use watch::{Watch, Watched};
