//! Limits of the operating system.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Open files that are not connections of clients: backends, the tables of RocksDB, logs.
const OTHER_FILES: u64 = 1024;

/// Raises the limit of open files to what the process may have. The usual soft limit of 1,024 is for
/// programs that use `select`; connections, backends and RocksDB need more.
///
/// Warns where `connections` clients at a time would not leave enough for everything else.
pub fn raise_descriptor_limit(connections: usize) {
    let limit = getrlimit(Resource::Nofile);
    let needed = u64::try_from(connections)
        .unwrap_or(u64::MAX)
        .saturating_add(OTHER_FILES);
    if let Some(maximum) = limit.maximum.filter(|maximum| *maximum < needed) {
        tracing::warn!(
            maximum,
            needed,
            "the system allows fewer open files than server.max_connections needs"
        );
    }
    if limit.current == limit.maximum {
        return;
    }
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, limit = ?limit.current, "the limit of open files stays");
    }
}
