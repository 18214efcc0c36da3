//! The log of the process.

use std::fmt::Result as FmtResult;
use std::io;

use serde_json::json;
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt};

use super::current::current_request;
use super::lines::{LineWriter, Lines};
use super::requests::ACCESS;
use crate::config::{LogFormat, LogLevel, LoggingConfig};

/// Where our own lines come from. All others are kept to warnings: at finer levels libraries repeat
/// what passes through them, and that includes what must not be repeated.
const OURS: [&str; 9] = [
    "node",
    "holdfast",
    "api",
    "raft",
    "raft_machine",
    "raft_types",
    "node_backend",
    "node_crypto",
    "node_planner",
];

/// The log of a process. What waits is written when this is dropped, so it is dropped last.
pub struct Logs {
    filter: reload::Handle<Targets, Registry>,
    _writer: LineWriter,
}

/// Why there can be no log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Its thread could not be started.
    #[error("cannot start the thread of the log: {0}")]
    Thread(io::Error),
    /// The process has one already.
    #[error("the process has a log already")]
    Twice,
}

impl Logs {
    /// Starts the log of this process, on standard error.
    ///
    /// # Errors
    /// The process has one already, or no thread for it.
    pub fn start(config: LoggingConfig) -> Result<Self, LogError> {
        let format = config.format;
        let (lines, writer) =
            Lines::start(io::stderr(), move |dropped| lost(format, dropped)).map_err(LogError::Thread)?;
        let (filter, handle) = reload::Layer::new(filter(config.level));
        tracing_subscriber::registry()
            .with(layer(format, lines).with_filter(filter))
            .try_init()
            .map_err(|_| LogError::Twice)?;
        Ok(Self {
            filter: handle,
            _writer: writer,
        })
    }

    /// Changes the level.
    pub fn set_level(&self, level: LogLevel) {
        // Fails only once the subscriber is gone, and then there is nothing to change.
        let _ = self.filter.reload(filter(level));
    }
}

fn filter(level: LogLevel) -> Targets {
    let level = match level {
        LogLevel::Trace => Level::TRACE,
        LogLevel::Debug => Level::DEBUG,
        LogLevel::Info => Level::INFO,
        LogLevel::Warn => Level::WARN,
        LogLevel::Error => Level::ERROR,
    };
    let ours = LevelFilter::from_level(level);
    Targets::new()
        .with_default(ours.min(LevelFilter::WARN))
        .with_targets(OURS.map(|target| (target, ours)))
}

fn layer(format: LogFormat, lines: Lines) -> Box<dyn Layer<Registry> + Send + Sync> {
    match format {
        LogFormat::Json => fmt::layer()
            .json()
            .flatten_event(true)
            .map_event_format(|inner| WithRequest { inner, format })
            .with_writer(lines)
            .boxed(),
        LogFormat::Text => fmt::layer()
            .with_ansi(false)
            .with_target(false)
            .map_event_format(|inner| WithRequest { inner, format })
            .with_writer(lines)
            .boxed(),
    }
}

/// Adds the id of the request that is running.
struct WithRequest<F> {
    inner: F,
    format: LogFormat,
}

impl<S, N, F> FormatEvent<S, N> for WithRequest<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> FmtResult {
        // The line of the request itself names it, whoever writes it.
        let names_it = event.metadata().target() == ACCESS;
        let Some(id) = current_request().filter(|_| !names_it) else {
            return self.inner.format_event(context, writer, event);
        };
        let mut line = String::new();
        self.inner.format_event(context, Writer::new(&mut line), event)?;
        match (self.format, line.strip_prefix('{')) {
            (LogFormat::Json, Some(rest)) => write!(writer, "{{\"request_id\":\"{id}\",{rest}"),
            _ => writeln!(writer, "{} request_id={id}", line.trim_end()),
        }
    }
}

fn lost(format: LogFormat, dropped: u64) -> String {
    const MESSAGE: &str = "log lines were dropped because they could not be written fast enough";
    match format {
        LogFormat::Json => format!(
            "{}\n",
            json!({ "level": "WARN", "message": MESSAGE, "dropped": dropped })
        ),
        LogFormat::Text => format!("WARN {MESSAGE} dropped={dropped}\n"),
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests {
    use std::io::Write;
    use std::sync::Arc;

    use api::port::RequestId;
    use parking_lot::Mutex;

    use super::*;
    use crate::telemetry::current::step_of_request;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(format: LogFormat, level: LogLevel, say: impl FnOnce()) -> String {
        let sink = Sink::default();
        let (lines, writer) = Lines::start(sink.clone(), move |dropped| lost(format, dropped)).unwrap();
        let subscriber = tracing_subscriber::registry().with(layer(format, lines).with_filter(filter(level)));
        tracing::subscriber::with_default(subscriber, say);
        drop(writer);
        let bytes = sink.0.lock().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_json_line_is_one_object_with_its_fields_beside_the_message() {
        let text = written(LogFormat::Json, LogLevel::Info, || {
            tracing::info!(
                request_id = "00FF",
                status = 200,
                note = "a \"quoted\"\nline",
                "request"
            );
        });
        assert_eq!(text.lines().count(), 1);
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["message"], "request");
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["status"], 200);
        assert_eq!(line["request_id"], "00FF");
        assert_eq!(line["note"], "a \"quoted\"\nline");
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn a_line_that_is_written_for_a_request_bears_its_id_once() {
        let say = || {
            tracing::warn!(replica = 7, "a replica could not be read");
            tracing::info!(target: ACCESS, request_id = "00FF", "request");
        };
        let id = RequestId::new(0xA11CE);
        let text = written(LogFormat::Json, LogLevel::Info, || step_of_request(id, say));
        let lines: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines[0]["request_id"], "00000000000A11CE");
        assert_eq!(
            (&lines[0]["replica"], &lines[0]["level"]),
            (&7.into(), &"WARN".into())
        );
        assert_eq!(lines[1]["request_id"], "00FF");
        assert_eq!(text.matches("request_id").count(), 2, "{text}");

        let text = written(LogFormat::Text, LogLevel::Info, || step_of_request(id, say));
        let ends: Vec<_> = text.lines().filter_map(|line| line.rsplit(' ').next()).collect();
        assert_eq!(
            ends,
            ["request_id=00000000000A11CE", "request_id=\"00FF\""],
            "{text}"
        );

        let text = written(LogFormat::Json, LogLevel::Info, || tracing::info!("nobody asked"));
        assert!(!text.contains("request_id"), "{text}");
    }

    #[test]
    fn a_text_line_cannot_be_broken_by_what_it_repeats() {
        let text = written(LogFormat::Text, LogLevel::Info, || {
            tracing::info!(note = "a\nb\x1b[31m", "hello");
        });
        assert_eq!(text.lines().count(), 1);
        assert!(text.contains("hello") && !text.contains('\x1b'), "{text:?}");
    }

    #[test]
    fn libraries_are_kept_to_warnings_at_every_level() {
        for (level, ours, theirs) in [
            (LogLevel::Trace, 5, 2),
            (LogLevel::Debug, 4, 2),
            (LogLevel::Info, 3, 2),
            (LogLevel::Warn, 2, 2),
            (LogLevel::Error, 1, 1),
        ] {
            let text = written(LogFormat::Json, level, || {
                tracing::trace!(target: "node::http", "ours");
                tracing::debug!(target: "api::s3", "ours");
                tracing::info!(target: "raft", "ours");
                tracing::warn!(target: "holdfast", "ours");
                tracing::error!(target: "node_backend", "ours");
                tracing::trace!(target: "hyper", "theirs");
                tracing::debug!(target: "h2", "theirs");
                tracing::info!(target: "openraft", "theirs");
                tracing::warn!(target: "rustls", "theirs");
                tracing::error!(target: "nodemon", "theirs");
            });
            assert_eq!(text.matches("\"ours\"").count(), ours, "{level:?}");
            assert_eq!(text.matches("\"theirs\"").count(), theirs, "{level:?}: {text}");
        }
    }

    #[test]
    fn lost_lines_are_told_in_the_form_of_the_log() {
        let line: serde_json::Value = serde_json::from_str(&lost(LogFormat::Json, 7)).unwrap();
        assert_eq!(line["dropped"], 7);
        assert!(lost(LogFormat::Text, 7).ends_with("dropped=7\n"));
    }
}
