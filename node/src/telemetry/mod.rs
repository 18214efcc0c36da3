//! What the process tells about itself: log lines, metrics, panics.
//!
//! Lives here: the form of log lines and who receives them, the catalogue of metrics, what is said of
//! each request. May not: what happened; whoever knows that says so through `tracing` and `metrics`.
//!
//! Entry points: [`Logs::start`], [`Metrics::install`], [`RequestLog`].
//!
//! No line holds a secret: secrets are types without `Debug`, libraries are kept to warnings, since
//! their finer lines repeat what passes through them, and object keys appear at `debug` only.

mod lines;
mod logs;
mod metrics;
pub mod names;
mod panics;
mod process;
mod requests;

pub use logs::{LogError, Logs};
pub(crate) use metrics::UPKEEP;
pub use metrics::{Metrics, MetricsError};
pub use panics::report_panics;
pub use requests::RequestLog;
