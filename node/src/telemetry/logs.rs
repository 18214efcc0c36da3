//! The log of the process.

use std::io;

use serde_json::json;
use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt};

use super::lines::{LineWriter, Lines};
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
        // A request is the only span there is, so a list of spans would say the same twice.
        LogFormat::Json => fmt::layer()
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .with_writer(lines)
            .boxed(),
        LogFormat::Text => fmt::layer()
            .with_ansi(false)
            .with_target(false)
            .with_writer(lines)
            .boxed(),
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

    use parking_lot::Mutex;

    use super::*;

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
    fn a_line_of_a_request_says_of_which() {
        let say = || {
            let span = tracing::info_span!(target: "api::s3", "request", request_id = "00FF");
            span.in_scope(|| tracing::warn!(target: "node::objects", "something is slow"));
        };
        let text = written(LogFormat::Json, LogLevel::Info, say);
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["span"]["request_id"], "00FF");
        assert!(line.get("spans").is_none(), "{text}");
        let text = written(LogFormat::Text, LogLevel::Info, say);
        assert!(text.contains("request_id") && text.contains("00FF"), "{text}");
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
