use bytes::Bytes;

use crate::codec::record;
use crate::ids::{BackendId, BackendNonce, SessionId};
use crate::names::BackendName;
use crate::records::BackendState;

record! {
    /// Enters a backend. It takes nothing until it is activated.
    pub struct AttachBackend {
        /// Its label.
        1 => name: BackendName,
        /// Which adapter serves it.
        2 => kind: String,
        /// What the adapter is told, without secrets.
        3 => spec: Bytes,
        /// Where our folder lies; neither begins nor ends with a slash.
        4 => prefix: String,
        /// Drawn by the proposer, then written into the identity object.
        5 => nonce: BackendNonce,
    }
}

record! {
    /// Lets an attached backend take replicas.
    pub struct ActivateBackend {
        /// The backend.
        1 => backend: BackendId,
        /// The sessions that have read its identity. Refused while an open session is not among them.
        2 => readers: Vec<SessionId>,
    }
}

record! {
    /// Drains a backend, takes that back, or removes it.
    pub struct SetBackendState {
        /// The backend.
        1 => backend: BackendId,
        /// The state that the proposer has seen; refused if it is another.
        2 => from: BackendState,
        /// The new state. Removed is refused unless nothing refers to the backend any more.
        3 => to: BackendState,
    }
}
