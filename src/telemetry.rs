//! Logs and exported traces: what happens inside, for people and collectors. They go to stderr or over the network,
//! never to stdout.

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

/// Starts to log as `NRP_LOG` says, and to export traces if the build and the environment say so. The caller ends
/// the exporter when the command ends.
pub(crate) fn begin(format: LogFormat) -> Exporter {
    let filter = EnvFilter::try_from_env("NRP_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    let lines = tracing_subscriber::fmt::layer().with_writer(LogWriter::default);
    let lines: Boxed = match format {
        // Without colours: then no escape sequence passes, including those in names.
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
    /// Sends the traces that wait.
    pub(crate) fn end(self) {
        if let Some(provider) = &self.0
            && let Err(error) = provider.shutdown()
        {
            crate::ui::notice(&format!("the last traces could not be exported: {error}"));
        }
    }
}

/// Exports spans of level info and above to `OTEL_EXPORTER_OTLP_ENDPOINT`, if it is set.
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
            crate::ui::notice(&format!("traces are not exported: {error}"));
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
