//! Puts a node together: data directory, session, backends, keys, use cases, jobs, S3 front end.
//!
//! Lives here: the order in which a node comes up and goes down, and what is made of which settings.
//! May not: what any of the parts does. Each step that fails ends the start with an error that names
//! it; whatever was started by then is stopped.

mod backends;
mod buckets;
mod gauges;
mod running;
mod secret;
mod settings;
mod start;
#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests;

#[cfg(test)]
pub(crate) use backends::Attacher;
pub use running::RunningNode;
pub use start::NodeAssembly;
#[cfg(test)]
pub(crate) use start::compaction;
