//! A decorator that counts requests: requests are money, and tests hold the table of what each
//! operation of the gateway may cost.

use std::array;
use std::ops::Sub;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use raft_types::BackendName;

use crate::body::Body;
use crate::capabilities::Capabilities;
use crate::download::Download;
use crate::error::{Operation, Result};
use crate::key::{BackendKey, KeyKind, KeyPrefix};
use crate::listing::{ListRequest, Page, Target};
use crate::port::{Backend, GetOptions, Head, PutOptions, Reply, Stored};

/// How many kinds of keys there are.
const KINDS: usize = 3;

/// How many operations there are.
const OPERATIONS: usize = Operation::ALL.len();

/// Counts the requests that reach `inner`, when they are made and whatever becomes of them.
#[derive(Debug)]
pub struct Count<B> {
    inner: B,
    counters: Arc<Counters>,
}

/// Counters that are read while the backend is in use.
#[derive(Debug)]
pub struct Counters {
    requests: [[AtomicU64; KINDS]; OPERATIONS],
    deleted_keys: AtomicU64,
}

/// How many requests were made, up to a moment or between two.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    requests: [[u64; KINDS]; OPERATIONS],
    /// Targets of all deletes.
    pub deleted_keys: u64,
}

impl<B: Backend> Count<B> {
    /// Counts the requests to `inner`, from zero.
    pub fn new(inner: B) -> Self {
        Self {
            inner,
            counters: Arc::default(),
        }
    }

    /// The counters, to be kept where the backend is handed away.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    fn count(&self, operation: Operation, kind: KeyKind) {
        self.counters.requests[operation as usize][kind as usize].fetch_add(1, Ordering::Relaxed);
    }
}

impl Counters {
    /// What was counted so far.
    pub fn now(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            requests: array::from_fn(|operation| {
                array::from_fn(|kind| read(&self.requests[operation][kind]))
            }),
            deleted_keys: read(&self.deleted_keys),
        }
    }
}

impl Counts {
    /// Requests of an operation.
    pub fn of(&self, operation: Operation) -> u64 {
        self.requests[operation as usize].iter().sum()
    }

    /// Requests of an operation on keys of a kind. A delete counts by its first key; a listing and a
    /// tidying as [`KeyKind::Other`].
    pub fn of_kind(&self, operation: Operation, kind: KeyKind) -> u64 {
        self.requests[operation as usize][kind as usize]
    }

    /// All requests that a provider would bill; tidying is none.
    pub fn total(&self) -> u64 {
        self.requests.iter().flatten().sum::<u64>() - self.of(Operation::Tidy)
    }
}

impl Default for Counters {
    fn default() -> Self {
        let requests = array::from_fn(|_| array::from_fn(|_| AtomicU64::new(0)));
        Self {
            requests,
            deleted_keys: AtomicU64::new(0),
        }
    }
}

impl Sub for Counts {
    type Output = Self;

    /// What was counted between `earlier` and this.
    fn sub(self, earlier: Self) -> Self {
        let requests = array::from_fn(|operation| {
            array::from_fn(|kind| self.requests[operation][kind] - earlier.requests[operation][kind])
        });
        Self {
            requests,
            deleted_keys: self.deleted_keys - earlier.deleted_keys,
        }
    }
}

impl<B: Backend> Backend for Count<B> {
    fn name(&self) -> &Arc<BackendName> {
        self.inner.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn put<'a>(&'a self, key: &'a BackendKey, body: Body, options: PutOptions) -> Reply<'a, Stored> {
        self.count(Operation::Put, key.kind());
        self.inner.put(key, body, options)
    }

    fn get<'a>(&'a self, key: &'a BackendKey, options: GetOptions) -> Reply<'a, Download> {
        self.count(Operation::Get, key.kind());
        self.inner.get(key, options)
    }

    fn head<'a>(&'a self, key: &'a BackendKey) -> Reply<'a, Head> {
        self.count(Operation::Head, key.kind());
        self.inner.head(key)
    }

    fn delete<'a>(&'a self, targets: &'a [Target]) -> Reply<'a, Vec<Result<()>>> {
        let kind = targets.first().map_or(KeyKind::Other, |target| target.key.kind());
        self.count(Operation::Delete, kind);
        self.counters
            .deleted_keys
            .fetch_add(targets.len() as u64, Ordering::Relaxed);
        self.inner.delete(targets)
    }

    fn list<'a>(&'a self, request: &'a ListRequest) -> Reply<'a, Page> {
        self.count(Operation::List, KeyKind::Other);
        self.inner.list(request)
    }

    fn tidy<'a>(&'a self, prefix: &'a KeyPrefix) -> Reply<'a, ()> {
        self.count(Operation::Tidy, KeyKind::Other);
        self.inner.tidy(prefix)
    }
}
