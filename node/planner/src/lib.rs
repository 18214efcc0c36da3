//! Pure decisions: where a body goes, in which order replicas are read, what may be collected and
//! swept now, and what is held back and why.
//!
//! Every function looks at an immutable view and at numbers that are handed in, and returns a bounded
//! plan that leaves its executor no choice. May not: IO, a clock, randomness, a configuration.

mod collect;
mod placement;
mod read_order;
mod sweep;
#[cfg(test)]
mod testing;

pub use collect::{CollectPlan, Held, Horizon, ReleaseStep, plan_garbage, plan_release};
pub use placement::{Candidate, place};
pub use read_order::read_order;
pub use sweep::{SweepTask, plan_forgetting, plan_sweeps};
