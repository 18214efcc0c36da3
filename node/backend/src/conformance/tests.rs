//! The suite, run on everything in this crate that is a [`Backend`].

use std::num::NonZeroUsize;

use raft_types::{BackendId, BackendNonce};
use tempfile::TempDir;

use super::*;
use crate::count::Count;
use crate::fault::{Faulty, Script};
use crate::fs::{FsBackend, FsOptions, RootPolicy};
use crate::guard::Guard;
use crate::identity::{Identity, write_identity};
use crate::limit::{Limit, LimitOptions};
use crate::memory::MemoryBackend;
use crate::observe::{MetricNames, Observe};
use crate::timeout::Timeout;

/// A directory on the disk of the machine.
async fn on_disk() -> (FsBackend, TempDir) {
    directory(tempfile::tempdir().unwrap()).await
}

/// A directory in memory where there is such a place: the same calls without waiting for a disk.
async fn in_memory() -> (FsBackend, TempDir) {
    directory(
        tempfile::tempdir_in("/dev/shm")
            .or_else(|_| tempfile::tempdir())
            .unwrap(),
    )
    .await
}

async fn directory(folder: TempDir) -> (FsBackend, TempDir) {
    let options = FsOptions {
        path: folder.path().join("data"),
        root: RootPolicy::Create,
    };
    (FsBackend::open(backend_name(), options).await.unwrap(), folder)
}

fn limit(concurrent: usize) -> LimitOptions {
    LimitOptions {
        concurrent: NonZeroUsize::new(concurrent).unwrap(),
        waiting: 10_000,
    }
}

const NAMES: MetricNames = MetricNames {
    requests: "backend_requests",
    failures: "backend_failures",
    seconds: "backend_seconds",
    bytes_stored: "backend_bytes_stored",
    bytes_read: "backend_bytes_read",
};

mod memory {
    use super::*;

    async fn fixture() -> Fixture {
        Fixture::new(MemoryBackend::new(backend_name())).holding(Holding::ThisProcess)
    }

    crate::conformance_suite!(fixture());
}

mod versioned_memory {
    use super::*;

    async fn fixture() -> Fixture {
        Fixture::new(MemoryBackend::versioned(backend_name())).holding(Holding::ThisProcess)
    }

    crate::conformance_suite!(fixture());
}

mod fs_on_disk {
    use super::*;

    async fn fixture() -> Fixture {
        let (backend, folder) = on_disk().await;
        Fixture::new(backend).keeping(folder)
    }

    crate::conformance_suite!(fixture());
}

mod fs_in_memory {
    use super::*;

    async fn fixture() -> Fixture {
        let (backend, folder) = in_memory().await;
        Fixture::new(backend).keeping(folder)
    }

    crate::conformance_suite!(fixture());
}

mod fs_without_openat2 {
    use super::*;

    async fn fixture() -> Fixture {
        let (backend, folder) = in_memory().await;
        Fixture::new(backend.without_openat2()).keeping(folder)
    }

    crate::conformance_suite!(fixture());
}

mod shared_memory {
    use super::*;

    async fn fixture() -> Fixture {
        let shared: Arc<dyn Backend> = Arc::new(MemoryBackend::new(backend_name()));
        Fixture::new(shared).holding(Holding::ThisProcess)
    }

    crate::conformance_suite!(fixture());
}

mod decorated_fs {
    use super::*;

    async fn fixture() -> Fixture {
        let (backend, folder) = in_memory().await;
        let identity = Identity {
            cluster: ClusterId([1; 16]),
            incarnation: Incarnation {
                counter: IncarnationCounter::FIRST,
                tag: 2,
            },
            backend: BackendId(3),
            nonce: BackendNonce([4; 16]),
        };
        // Beside the prefixes of the checks, since some of them write an identity of their own.
        let home = KeyPrefix::parse("home").unwrap();
        write_identity(&backend, &home, &identity).await.unwrap();
        let backend = Timeout::new(Faulty::new(Count::new(backend), Script::seeded(1)), PATIENCE);
        let backend = Limit::new(backend, limit(16));
        let backend = Guard::new(Observe::new(backend, NAMES), home, identity).unwrap();
        Fixture::new(backend).keeping(folder)
    }

    crate::conformance_suite!(fixture());
}

#[test]
fn every_check_is_in_the_suite() {
    let suite = include_str!("../conformance.rs");
    let checks = [
        include_str!("storing.rs"),
        include_str!("reading.rs"),
        include_str!("deleting.rs"),
        include_str!("listing.rs"),
    ];
    let names: Vec<&str> = checks
        .iter()
        .flat_map(|source| source.lines())
        .filter_map(|line| {
            line.strip_prefix("pub async fn ")?
                .strip_suffix("(fixture: Fixture) {")
        })
        .collect();
    assert!(names.len() > 30, "{}", names.len());
    for name in names {
        assert!(
            suite.contains(&format!("            {name},\n")),
            "{name} is not in the suite"
        );
    }
}
