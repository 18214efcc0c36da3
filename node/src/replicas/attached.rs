//! The backends that this node uses, by id.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use node_backend::{Backend, BackendKey, KeyError, KeyPrefix};
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
}

impl AttachedBackend {
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
