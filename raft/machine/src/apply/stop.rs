use raft_types::Rejection;
use raft_types::records::IncidentKind;

use crate::fault::Fault;
use crate::port::StorageFault;

/// Why a command goes no further.
#[derive(Debug)]
pub(super) enum Stop {
    /// It may not happen.
    Reject(Rejection),
    /// A broken invariant was met. The command is rejected and an incident row says what was found.
    Incident(Broken),
    /// The state could not be read.
    Fault(Fault),
}

/// A broken invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) kind: IncidentKind,
    pub(super) detail: String,
}

impl Stop {
    pub(super) fn broken(kind: IncidentKind, detail: impl Into<String>) -> Self {
        Stop::Incident(Broken {
            kind,
            detail: detail.into(),
        })
    }

    pub(super) fn malformed(reason: impl Into<String>) -> Self {
        Stop::Reject(Rejection::malformed(reason))
    }
}

impl From<Rejection> for Stop {
    fn from(rejection: Rejection) -> Self {
        Stop::Reject(rejection)
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Stop::Fault(fault)
    }
}

impl From<StorageFault> for Stop {
    fn from(fault: StorageFault) -> Self {
        Stop::Fault(fault.into())
    }
}
