//! Logs, and traces where they are exported: what happens inside, for people, collectors and
//! debuggers. Always on stderr or over the network, never on stdout.

use crate::progress::LogWriter;
use clap::ValueEnum;
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

type Boxed = Box<dyn Layer<Registry> + Send + Sync>;

/// Begins to log as `NRP_LOG` says, and to export traces where the build and the environment say so.
/// What it answers is ended when the command is.
pub(crate) fn begin(format: LogFormat) -> Exporter {
    let filter = EnvFilter::try_from_env("NRP_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    let lines = tracing_subscriber::fmt::layer().with_writer(LogWriter::default);
    let lines: Boxed = match format {
        // Without colours: no escape sequence passes, and so none that a name brings.
        LogFormat::Text => lines.with_ansi(false).with_filter(filter).boxed(),
        LogFormat::Json => lines.json().with_ansi(false).with_filter(filter).boxed(),
    };
    let (spans, exporter) = exported();
    let layers: Vec<Boxed> = std::iter::once(lines).chain(spans).collect();
    Registry::default().with(layers).init();
    exporter
}

#[cfg(not(feature = "otlp"))]
pub(crate) struct Exporter;

#[cfg(not(feature = "otlp"))]
impl Exporter {
    pub(crate) fn end(self) {}
}

#[cfg(not(feature = "otlp"))]
fn exported() -> (Option<Boxed>, Exporter) {
    (None, Exporter)
}

#[cfg(feature = "otlp")]
pub(crate) struct Exporter(Option<opentelemetry_sdk::trace::SdkTracerProvider>);

#[cfg(feature = "otlp")]
impl Exporter {
    /// Sends what waits.
    pub(crate) fn end(self) {
        if let Some(provider) = &self.0
            && let Err(error) = provider.shutdown()
        {
            crate::output::note(&format!(
                "notice: the last traces could not be exported: {error}"
            ));
        }
    }
}

/// Spans of level info and above go where `OTEL_EXPORTER_OTLP_ENDPOINT` says, if it does.
#[cfg(feature = "otlp")]
fn exported() -> (Option<Boxed>, Exporter) {
    use opentelemetry::trace::TracerProvider;
    use opentelemetry_otlp::SpanExporter;
    use opentelemetry_sdk::Resource;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tracing_subscriber::filter::LevelFilter;

    if std::env::var_os("OTEL_EXPORTER_OTLP_ENDPOINT").is_none() {
        return (None, Exporter(None));
    }
    let exporter = match SpanExporter::builder().with_tonic().build() {
        Ok(exporter) => exporter,
        Err(error) => {
            crate::output::note(&format!("notice: traces are not exported: {error}"));
            return (None, Exporter(None));
        }
    };
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(Resource::builder().with_service_name("nrp").build())
        .build();
    let spans = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("nrp"))
        .with_filter(LevelFilter::INFO);
    (Some(spans.boxed()), Exporter(Some(provider)))
}
