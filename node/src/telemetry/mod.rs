//! What the process tells about itself: log lines, metrics, panics.
//!
//! Lives here: the form of log lines and who receives them, the catalogue of metrics, what is said of
//! each request. May not: what happened; whoever knows that says so through `tracing` and `metrics`.
//!
//! Entry points: [`Logs::start`], [`Metrics::install`], [`RequestLog`].
//!
//! A line that is written while a request runs bears the request's id.
//!
//! No line holds a secret: secrets are types without `Debug`, libraries are kept to warnings, since
//! their finer lines repeat what passes through them, and object keys appear at `debug` only.

mod current;
mod lines;
mod logs;
mod metrics;
pub mod names;
mod panics;
mod process;
mod requests;
pub(crate) mod sealing;
#[cfg(test)]
mod seed_names;

#[cfg(test)]
pub(crate) use current::current_request;

pub(crate) use current::{for_request, step_of_request};
pub use logs::{LogError, Logs};
pub(crate) use metrics::UPKEEP;
pub use metrics::{Metrics, MetricsError};
pub use panics::report_panics;
pub use requests::RequestLog;
