//! The page that Prometheus reads: `/metrics`, the only page of an address of its own.

use crate::failure::CommandError;
use crate::ui;
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use nrp_coordinator::{Guarded, Limits, Listener};
use nrp_proto::wire::WorkerTotals;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::AtomicU64;
use tokio::net::TcpListener;

/// The content type of the page.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Serves what `read` answers at `listen`, until the process ends.
pub(crate) async fn serve<F>(
    listen: &str,
    read: impl Fn() -> F + Clone + Send + Sync + 'static,
) -> Result<(), CommandError>
where
    F: Future<Output = Option<String>> + Send,
{
    let bound = async {
        let listener = TcpListener::bind(listen).await?;
        let address = listener.local_addr()?;
        Ok::<_, std::io::Error>((listener, address))
    };
    let (listener, address) = bound.await.map_err(|source| CommandError::Metrics {
        address: listen.to_owned(),
        source,
    })?;
    let page = get(move || {
        let read = read.clone();
        async move { answer(read().await) }
    });
    let router = Router::new().route("/metrics", page);
    tokio::spawn(async move {
        // Everything else continues without it.
        let listener = Brief(Listener::new(listener, Limits::brief()));
        if let Err(error) = axum::serve(listener, router).await {
            tracing::warn!(%error, "metrics are no longer served");
        }
    });
    ui::status(&format!("metrics are at http://{address}/metrics"));
    Ok(())
}

/// Accepts connections with the limits for brief requests.
struct Brief(Listener);

impl axum::serve::Listener for Brief {
    type Io = Guarded;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Guarded, SocketAddr) {
        std::future::poll_fn(|context| self.0.poll_accept(context)).await
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// A worker's metrics.
pub(crate) fn of_worker(totals: WorkerTotals) -> String {
    let mut registry = Registry::default();
    let mut count = |name, help, total| {
        let counter = Counter::<u64>::default();
        counter.inc_by(total);
        registry.register(name, help, counter);
    };
    count(
        "nrp_worker_cache_hits",
        "Layers that were in the activation cache",
        totals.cache_hits,
    );
    count(
        "nrp_worker_cache_misses",
        "Layers that had to be extracted",
        totals.cache_misses,
    );
    let mut measure = |name, help, total| {
        let counter = Counter::<f64, AtomicU64>::default();
        counter.inc_by(total);
        registry.register(name, help, counter);
    };
    measure(
        "nrp_worker_extraction_seconds",
        "Time spent extracting activations",
        totals.extraction_seconds,
    );
    measure(
        "nrp_worker_device_seconds",
        "Time the device spent on jobs, extraction and training",
        totals.device_seconds,
    );
    let mut text = String::new();
    encode(&mut text, &registry).expect("a string takes any text");
    text
}

fn answer(text: Option<String>) -> Response {
    match text {
        Some(text) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        None => (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response(),
    }
}
