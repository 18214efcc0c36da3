//! The life of a backend, and what it holds.

use raft_types::commands::{ActivateBackend, AttachBackend, SetBackendState};
use raft_types::records::{BackendCounters, BackendRecord, BackendState};
use raft_types::{BackendId, BackendName, Outcome, Rejection};

use super::blob::Fate;
use super::{Model, No, malformed};
use crate::queries::EpochState;

impl Model {
    pub(super) fn attach_backend(&mut self, command: &AttachBackend) -> Result<Outcome, No> {
        if command.prefix.starts_with('/') || command.prefix.ends_with('/') {
            return malformed("a prefix neither begins nor ends with a slash");
        }
        if let Some((existing, _)) = self.backend_by_name(&command.name) {
            return Err(Rejection::BackendExists(existing).into());
        }
        let id = BackendId(self.given.backend.0 + 1);
        self.given.backend = id;
        let record = BackendRecord {
            name: command.name.clone(),
            kind: command.kind.clone(),
            spec: command.spec.clone(),
            prefix: command.prefix.clone(),
            nonce: command.nonce,
            state: BackendState::Attaching,
            attached_index: self.moment.index,
            attached: self.now,
            state_index: self.moment.index,
        };
        self.backends.insert(id, record);
        Ok(Outcome::BackendAttached(id))
    }

    /// Everyone who is open has read the backend's identity.
    pub(super) fn activate_backend(&mut self, command: &ActivateBackend) -> Result<Outcome, No> {
        let backend = self
            .backends
            .get(&command.backend)
            .ok_or(Rejection::NoSuchBackend)?;
        if backend.state != BackendState::Attaching {
            return Err(Rejection::Changed.into());
        }
        if let Some(missing) = self
            .open_sessions()
            .find(|session| !command.readers.contains(session))
        {
            return Err(Rejection::SessionMissing(missing).into());
        }
        self.turn_backend(command.backend, BackendState::Active);
        Ok(Outcome::Done)
    }

    pub(super) fn set_backend_state(&mut self, command: &SetBackendState) -> Result<Outcome, No> {
        let SetBackendState {
            backend: id,
            from,
            to,
        } = *command;
        let backend = self.backends.get(&id).ok_or(Rejection::NoSuchBackend)?;
        if backend.state != from {
            return Err(Rejection::Changed.into());
        }
        let in_use = match (from, to) {
            (BackendState::Active, BackendState::Draining)
            | (BackendState::Draining, BackendState::Active) => false,
            (BackendState::Attaching, BackendState::Removed) => self.holds_anything(id),
            (BackendState::Draining, BackendState::Removed) => {
                self.holds_anything(id) || self.may_be_written(id, backend.state_index)
            }
            _ => return malformed("a backend does not go from there to there"),
        };
        if in_use {
            return Err(Rejection::BackendInUse.into());
        }
        self.turn_backend(id, to);
        Ok(Outcome::Done)
    }

    fn turn_backend(&mut self, id: BackendId, state: BackendState) {
        if let Some(backend) = self.backends.get_mut(&id) {
            backend.state = state;
            backend.state_index = self.moment.index;
        }
    }

    fn holds_anything(&self, id: BackendId) -> bool {
        self.blobs
            .values()
            .flat_map(|blob| &blob.replicas)
            .any(|replica| replica.address.backend == id)
    }

    /// Whether an epoch from before the drain may still bring something, or is not swept there.
    fn may_be_written(&self, id: BackendId, drained: u64) -> bool {
        let before_drain = self.epochs.values().filter(|epoch| epoch.opened_index <= drained);
        before_drain
            .into_iter()
            .any(|epoch| match self.epoch_state(epoch) {
                EpochState::Open | EpochState::Quarantined => true,
                EpochState::Closing => epoch
                    .closing
                    .as_ref()
                    .is_none_or(|closing| closing.used.contains(&id)),
                EpochState::Sealed(_) => self.sweep_targets(epoch).iter().any(|(target, _)| *target == id),
            })
    }

    /// A backend, removed or not.
    pub fn backend(&self, backend: BackendId) -> Option<BackendRecord> {
        self.backends.get(&backend).cloned()
    }

    /// The backend that bears a name now.
    pub fn backend_by_name(&self, name: &BackendName) -> Option<(BackendId, BackendRecord)> {
        self.backends()
            .into_iter()
            .find(|(_, backend)| backend.name == *name && backend.state != BackendState::Removed)
    }

    /// All backends, removed ones included.
    pub fn backends(&self) -> Vec<(BackendId, BackendRecord)> {
        self.backends
            .iter()
            .map(|(id, backend)| (*id, backend.clone()))
            .collect()
    }

    /// What a backend holds.
    pub fn backend_counters(&self, backend: BackendId) -> BackendCounters {
        let mut counters = BackendCounters::default();
        for blob in self.blobs.values() {
            for replica in blob
                .replicas
                .iter()
                .filter(|replica| replica.address.backend == backend)
            {
                match replica.fate {
                    Fate::Present | Fate::Suspect => {
                        counters.replicas += 1;
                        counters.stored_bytes += blob.stored();
                    }
                    Fate::Removing(death) => {
                        counters.garbage += 1;
                        counters.garbage_bytes += death.stored;
                    }
                }
            }
        }
        counters
    }
}
