//! What a long body takes of this process's memory. Alone in its process, which is what it measures.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use bytes::Bytes;
use node_backend::fs::{FsBackend, FsOptions, RootPolicy};
use node_backend::{Backend, BackendKey, Body, GetOptions, PutOptions};
use raft_types::BackendName;

const LENGTH: u64 = 256 << 20;
const PIECE: usize = 64 << 10;

/// Buffers of both directions, and what an allocator keeps for itself.
const GROWTH_KIB: u64 = 24 << 10;

/// Most memory that this process has ever had, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_body_of_256_mib_goes_through_a_few_mib_of_memory_in_both_directions() {
    let folder = tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap();
    let options = FsOptions {
        path: folder.path().to_owned(),
        root: RootPolicy::MustExist,
    };
    let backend = FsBackend::open(BackendName::new("b").unwrap(), options)
        .await
        .unwrap();
    let key = BackendKey::parse("long").unwrap();
    let small = Body::from_bytes(Bytes::from_static(b"warm"));
    backend
        .put(&BackendKey::parse("warm").unwrap(), small, PutOptions::default())
        .await
        .unwrap();
    let before = peak();

    // Each piece is an allocation of its own, so that what is kept shows.
    let pieces = (0..LENGTH / PIECE as u64).map(|number| Ok(Bytes::from(vec![number as u8; PIECE])));
    let body = Body::from_stream(LENGTH, futures_util::stream::iter(pieces));
    backend.put(&key, body, PutOptions::default()).await.unwrap();
    let mut download = backend.get(&key, GetOptions::default()).await.unwrap();
    let mut got = 0;
    while let Some(piece) = download.body.next().await {
        got += piece.unwrap().len() as u64;
    }
    assert_eq!(got, LENGTH);
    let growth = peak() - before;
    assert!(growth <= GROWTH_KIB, "{growth} KiB more than before");
}
