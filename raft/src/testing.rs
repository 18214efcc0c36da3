//! What this crate's tests share.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::path::Path;

use raft_types::NodeName;

use crate::directory::{OpenOptions, Store};
use crate::fatal::Fatal;

/// The node of all tests.
pub(crate) fn name() -> NodeName {
    NodeName::new("node-1").unwrap()
}

/// Options for `path`. A fatal cause fails the test.
pub(crate) fn options(path: &Path) -> OpenOptions {
    OpenOptions {
        path: path.to_owned(),
        node_name: name(),
        fatal: Fatal::with(|cause| panic!("{cause}")),
    }
}

/// A new, empty data directory under `folder`, opened.
pub(crate) fn pristine(folder: &Path) -> Store {
    Store::open(options(&folder.join("data"))).unwrap()
}
