//! What must be true of the backends and the state, seen from outside of the code that made them.

use std::collections::{BTreeMap, BTreeSet};

use node_backend::{Backend, BackendKey, KeyKind, KeyPrefix, ListRequest, Listing};
use node_crypto::Crc64Nvme;
use raft_machine::invariants::{World as Rows, violations};
use raft_machine::queries::{AttemptState, attempt_state};
use raft_types::records::ReplicaState;
use raft_types::{AttemptAddress, PhysicalKey};

use super::world::TestBackend;
use super::{World, until};

/// Turns after which nothing may be left to do.
const TURNS: usize = 50;

impl World {
    /// The attempts that lie on a backend, by their keys.
    pub(crate) fn attempts_on(&self, backend: usize) -> BTreeSet<String> {
        attempts(&self.backends[backend])
    }

    /// Every attempt that lies on a backend is known to the state, without help of a sweep: what a
    /// request left was handed over.
    pub(crate) async fn assert_handed_over(&mut self) {
        self.quiet().await;
        let view = self.metadata.local();
        for backend in &self.backends {
            for key in attempts(backend) {
                let physical: PhysicalKey = key.parse().unwrap();
                let address = AttemptAddress {
                    backend: backend.id,
                    incarnation: physical.incarnation.counter,
                    epoch: physical.epoch,
                    attempt: physical.attempt,
                };
                let state = attempt_state(&view, physical.blob, &address).unwrap();
                assert_ne!(
                    state,
                    AttemptState::Unknown,
                    "nobody refers to {key} on {}, and it was not handed over",
                    backend.id
                );
            }
        }
    }

    /// Ends all epochs and lets the jobs do all there is to do, faults ended.
    pub(crate) async fn settle(&mut self) {
        for backend in &self.backends {
            backend.script.end_all();
            backend.script.release().await;
        }
        self.wire.release();
        self.quiet().await;
        self.epochs.rotate();
        for _ in 0..TURNS {
            self.jobs.discard().await;
            self.jobs.advance().await.unwrap();
            self.jobs.release().await;
            self.jobs.collect().await;
            self.jobs.sweep().await;
            let rows = self.rows();
            let is_idle = rows.garbage.is_empty() && rows.release.is_empty() && rows.epochs.is_empty();
            if is_idle {
                return;
            }
        }
        let rows = self.rows();
        panic!(
            "the jobs come to no end: garbage {:?}, release {:?}, epochs {:?}",
            rows.garbage, rows.release, rows.epochs
        );
    }

    /// All rows.
    pub(crate) fn rows(&self) -> Rows {
        Rows::read(&self.metadata.local()).unwrap()
    }

    /// The backends hold what the rows refer to, byte for byte, and nothing else.
    pub(crate) async fn assert_exact(&self) {
        let rows = self.rows();
        let mut expected: BTreeMap<(u32, String), (u64, u64)> = BTreeMap::new();
        for (key, record) in &rows.blobs {
            let content = record.content.as_ref().expect("only live blobs are left");
            for replica in &record.replicas {
                assert_ne!(replica.state, ReplicaState::Removing, "{key:?}");
                let place = (replica.backend.0, self.key_of_replica(key.blob, replica));
                expected.insert(place, (content.stored, content.crc.0));
            }
        }
        let mut found = BTreeMap::new();
        for backend in &self.backends {
            for key in attempts(backend) {
                let bytes = backend.memory.bytes(&key).unwrap();
                let what = (bytes.len() as u64, Crc64Nvme::of(&bytes));
                found.insert((backend.id.0, key), what);
            }
            assert_eq!(hidden(backend).await, Vec::<String>::new());
        }
        assert_eq!(found, expected);
    }

    /// Ends the test: nothing was lost, nothing leaks, every invariant holds.
    pub(crate) async fn finish(mut self) {
        self.settle().await;
        until("the end of puts that were cut off", || async {
            match self.incomplete().await {
                left if left.is_empty() => Ok(()),
                left => Err(format!("{left:?}")),
            }
        })
        .await;
        self.assert_exact().await;
        let rows = self.rows();
        assert!(rows.incidents.is_empty(), "{:?}", rows.incidents);
        assert_eq!(violations(&self.metadata.local()).unwrap(), []);
        self.node.shutdown().await.unwrap();
    }

    /// What puts that have not ended hold on the backends.
    pub(crate) async fn incomplete(&self) -> Vec<String> {
        let mut left = Vec::new();
        for backend in &self.backends {
            left.extend(list(backend, Listing::Incomplete).await);
        }
        left
    }
}

/// The attempts that a get would find.
fn attempts(backend: &TestBackend) -> BTreeSet<String> {
    let keys = backend.memory.keys().into_iter();
    keys.filter(|key| BackendKey::parse(key).unwrap().kind() == KeyKind::Attempt)
        .collect()
}

/// Versions and delete markers of attempts that a get would not find, and that a provider would bill.
async fn hidden(backend: &TestBackend) -> Vec<String> {
    let visible = attempts(backend);
    let all = list(backend, Listing::Versions).await;
    let is_attempt = |key: &String| BackendKey::parse(key).unwrap().kind() == KeyKind::Attempt;
    all.into_iter()
        .filter(|key| is_attempt(key) && !visible.contains(key))
        .collect()
}

async fn list(backend: &TestBackend, listing: Listing) -> Vec<String> {
    let mut request = ListRequest::first(listing, KeyPrefix::root());
    let mut keys = Vec::new();
    loop {
        let page = backend.memory.list(&request).await.unwrap();
        keys.extend(page.entries.into_iter().map(|entry| entry.key));
        let Some(next) = page.next else { return keys };
        request = request.after(next);
    }
}
