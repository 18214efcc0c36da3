//! What the rest of the process sees of the replicated state: propose, read, watch.

mod barrier;
mod leadership;
mod propose;
mod sole;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use raft_machine::Effect;
use raft_types::{BootNonce, ClusterId, DiskId, Envelope, NodeId, NodeName, Record};
use tokio::sync::{broadcast, watch};

pub use barrier::{BarrierError, ReadIndex};
pub use leadership::{Leadership, Role};
pub use propose::{Applied, ProposeError};

pub(crate) use barrier::{Barrier, OwnState};
pub(crate) use leadership::watch_leadership;
pub(crate) use propose::Proposer;
pub(crate) use sole::SoleLeader;

use crate::consensus::TypeConfig;
use crate::directory::Identity;
use crate::error::Error;
use crate::state::{StateMachine, StateStore, View};

pub(crate) type RaftCore = openraft::Raft<TypeConfig, StateMachine>;

/// Who this node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeIdentity {
    /// Its number in the cluster.
    pub node: NodeId,
    /// Its configured name.
    pub name: NodeName,
    /// The cluster that it belongs to.
    pub cluster: ClusterId,
    /// Its data directory.
    pub disk: DiskId,
}

/// A boot: what a session is opened with. No two boots of a data directory have the same number, and
/// no two boots of copies of one the same nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Boot {
    /// Counted in the data directory, from 1.
    pub number: u64,
    /// Drawn at this boot.
    pub nonce: BootNonce,
}

/// The node's access to the replicated state. Cheap to clone; all clones are the same node.
///
/// Futures returned here may be awaited on any runtime.
#[derive(Clone)]
pub struct MetadataHandle {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) identity: NodeIdentity,
    pub(crate) raft: RaftCore,
    pub(crate) state: Arc<StateStore>,
    pub(crate) proposer: Proposer,
    pub(crate) barrier: Barrier,
    pub(crate) leadership: watch::Receiver<Leadership>,
    pub(crate) boots: Mutex<Boots>,
    pub(crate) runtime: tokio::runtime::Handle,
}

/// The boot counter of the data directory.
pub(crate) struct Boots {
    pub(crate) path: PathBuf,
    pub(crate) identity: Identity,
    /// Counted when the directory was opened, and not used yet.
    pub(crate) unused: Option<Boot>,
}

impl MetadataHandle {
    pub(crate) fn new(shared: Shared) -> Self {
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Who this node is.
    #[must_use]
    pub fn identity(&self) -> &NodeIdentity {
        &self.shared.identity
    }

    /// Proposes an encoded `raft_types::Envelope` and waits until it is applied on this node.
    ///
    /// Most callers want [`Session::execute`](crate::Session::execute), which numbers commands and
    /// repeats them safely.
    ///
    /// # Errors
    /// Only [`ProposeError::Unknown`] leaves open whether the command will be applied. Dropping the
    /// future does too. What this release cannot read is refused: in the log it would halt every node.
    pub async fn propose(&self, envelope: Bytes) -> Result<Applied, ProposeError> {
        self.shared.proposer.check(&envelope)?;
        match Envelope::decode(envelope.clone()) {
            Ok(decoded) if decoded.version == Envelope::VERSION => self.propose_known(envelope).await,
            Ok(decoded) => Err(ProposeError::Unreadable(format!(
                "it has version {}",
                decoded.version
            ))),
            Err(error) => Err(ProposeError::Unreadable(error.to_string())),
        }
    }

    /// Proposes an envelope that was encoded by this process.
    pub(crate) async fn propose_known(&self, envelope: Bytes) -> Result<Applied, ProposeError> {
        self.shared.proposer.propose(envelope).await
    }

    /// Finds an index such that everything acknowledged before this call, by any node, is applied in
    /// a view at it. Concurrent calls share one confirmation by the leader, but only one that begins
    /// after them. Waits for a leader up to the configured bound.
    ///
    /// # Errors
    /// If there is no leader in time, too many wait, or the node is being shut down.
    pub async fn barrier(&self) -> Result<ReadIndex, BarrierError> {
        self.shared.barrier.wait().await
    }

    /// As [`barrier`](Self::barrier), where that needs nobody's answer: on a leader that is the only
    /// voter.
    #[must_use]
    pub fn barrier_now(&self) -> Option<ReadIndex> {
        self.shared.barrier.now()
    }

    /// A view in which at least the entries to `index` are applied. Waits for that.
    ///
    /// # Errors
    /// If the node is shut down first.
    pub async fn view_at(&self, index: ReadIndex) -> Result<View, BarrierError> {
        if self.shared.state.applied_index() < index.get() {
            self.shared
                .state
                .applied()
                .wait_for(|&applied| applied >= index.get())
                .await
                .map_err(|_| BarrierError::Shutdown)?;
        }
        Ok(self.shared.state.view())
    }

    /// [`barrier`](Self::barrier), then [`view_at`](Self::view_at): a linearizable view.
    ///
    /// # Errors
    /// As those two.
    pub async fn read(&self) -> Result<View, BarrierError> {
        let index = self.barrier().await?;
        self.view_at(index).await
    }

    /// A view of what is applied on this node, which may be behind the cluster.
    #[must_use]
    pub fn local_view(&self) -> View {
        self.shared.state.view()
    }

    /// Index of the last entry applied on this node. Changes after the entry can be read.
    #[must_use]
    pub fn applied(&self) -> watch::Receiver<u64> {
        self.shared.state.applied()
    }

    /// Who leads, as far as this node knows. Not an authority: a deposed leader may not know yet.
    #[must_use]
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        let mut leadership = self.shared.leadership.clone();
        // A clone has seen what the original has: nothing.
        leadership.mark_unchanged();
        leadership
    }

    /// Hints of commands applied on this node from now on. A slow listener loses the oldest, and an
    /// installed snapshot gives none: whoever depends on something looks at the state.
    #[must_use]
    pub fn effects(&self) -> broadcast::Receiver<Effect> {
        self.shared.state.effects()
    }

    /// A boot that no session was opened with: the one counted when the directory was opened, then
    /// further ones, counted durably.
    pub(crate) async fn next_boot(&self) -> Result<Boot, Error> {
        let shared = Arc::clone(&self.shared);
        let counted = self.shared.runtime.spawn_blocking(move || {
            let mut boots = shared.boots.lock();
            match boots.unused.take() {
                Some(boot) => Ok(boot),
                None => boots.count(),
            }
        });
        counted.await.map_err(|error| Error::Start {
            what: "a thread that counts a boot",
            source: std::io::Error::other(error),
        })?
    }

    pub(crate) fn runtime(&self) -> &tokio::runtime::Handle {
        &self.shared.runtime
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }
}

impl Boots {
    fn count(&mut self) -> Result<Boot, Error> {
        let nonce = BootNonce(crate::random::draw()?);
        self.identity.boot += 1;
        self.identity.write(&self.path)?;
        Ok(Boot {
            number: self.identity.boot,
            nonce,
        })
    }
}

impl fmt::Debug for MetadataHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetadataHandle")
            .field("node", &self.shared.identity)
            .finish_non_exhaustive()
    }
}
