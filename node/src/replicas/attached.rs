//! The backends that this node uses, by id.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use node_backend::identity::{Identity, Verdict};
use node_backend::{Backend, BackendKey, Guard, KeyError, KeyPrefix};
use raft_types::address::PhysicalKey;
use raft_types::ids::BackendId;

/// A backend whose identity this node has read, with everything that is needed to address it.
#[derive(Debug)]
pub(crate) struct AttachedBackend {
    /// Its number in the state.
    pub(crate) id: BackendId,
    /// The prefix that its row fixes.
    pub(crate) prefix: KeyPrefix,
    /// The adapter with its decorators; refuses what is destructive while the identity is not ours.
    pub(crate) backend: Arc<dyn Backend>,
    guard: Arc<Guard<Arc<dyn Backend>>>,
}

impl AttachedBackend {
    /// Guards `adapter`, under whose prefix the identity `expected` was found.
    ///
    /// # Errors
    /// The prefix leaves no room for a key.
    pub(crate) fn new(
        adapter: Arc<dyn Backend>,
        prefix: KeyPrefix,
        expected: Identity,
    ) -> Result<Self, KeyError> {
        let id = expected.backend;
        let guard = Arc::new(Guard::new(adapter, prefix.clone(), expected)?);
        Ok(Self {
            id,
            prefix,
            backend: Arc::<Guard<_>>::clone(&guard),
            guard,
        })
    }

    /// Reads the identity anew; from then on the backend is used as that allows.
    ///
    /// # Errors
    /// The backend could not be asked.
    pub(crate) async fn check_identity(&self) -> node_backend::Result<Verdict> {
        self.guard.check().await
    }

    /// Where an attempt lies on this backend.
    pub(crate) fn key(&self, key: &PhysicalKey) -> Result<BackendKey, KeyError> {
        BackendKey::parse(&key.under(self.prefix.as_str().trim_end_matches('/')))
    }
}

/// All attached backends. Cheap to read on every request; changed by the attach job.
#[derive(Debug, Default)]
pub(crate) struct Backends {
    by_id: ArcSwap<BTreeMap<BackendId, Arc<AttachedBackend>>>,
}

impl Backends {
    /// The backend of this id, if this node has attached it.
    pub(crate) fn get(&self, id: BackendId) -> Option<Arc<AttachedBackend>> {
        self.by_id.load().get(&id).cloned()
    }

    /// All attached backends, by id.
    pub(crate) fn all(&self) -> Vec<Arc<AttachedBackend>> {
        self.by_id.load().values().cloned().collect()
    }

    /// Adds a backend, or takes the place of an earlier adapter of the same id.
    pub(crate) fn insert(&self, attached: AttachedBackend) {
        let attached = Arc::new(attached);
        self.by_id.rcu(|map| {
            let mut map = BTreeMap::clone(map);
            map.insert(attached.id, Arc::clone(&attached));
            map
        });
    }
}
