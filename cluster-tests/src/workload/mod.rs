//! A workload of single steps, each acknowledged or open, and what a client may find afterwards.
//!
//! [`Step`] is one request, [`Contents`] what the acknowledged ones have made of a bucket, [`Shown`] what
//! the bucket shows. After a crash a bucket shows the contents before the open step or those after it, and
//! nothing else. [`Writer`] is one of several clients, each with keys of its own.

mod contents;
mod run;
mod shown;
mod step;
mod writer;

pub use contents::{Body, Contents};
pub use run::{Pace, Run, Stopped};
pub use shown::{PartShown, Shown};
pub use step::Step;
pub use writer::Writer;
