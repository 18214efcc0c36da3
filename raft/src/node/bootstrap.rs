//! Founding a cluster of one.

use std::collections::BTreeMap;
use std::time::Duration;

use openraft::errors::{InitializeError, RaftError};
use raft_machine::queries;
use raft_types::commands::{BindCluster, BoundNode};
use raft_types::{ClusterId, EncryptionDomain, Envelope, NodeId, Outcome, Record};

use super::{Node, NodeOptions};
use crate::consensus::Peer;
use crate::directory::{Phase, Store};
use crate::error::Error;
use crate::handle::{MetadataHandle, ProposeError};
use crate::random;

/// The number of the first node of a cluster: the first that the state gives out.
const FIRST_NODE: u64 = 1;
/// How long the first entry may take; a disk that needs longer cannot be used.
const LIMIT: Duration = Duration::from_secs(30);
/// Pause before the first entry is proposed again.
const PAUSE: Duration = Duration::from_millis(20);

/// The steps after which a test may let the process die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    ClusterDrawn,
    LogBound,
    Launched,
    Initialized,
    Bound,
    MemberWritten,
}

impl Store {
    /// Founds a cluster with this node as its only one, or completes what a crash cut off, and
    /// starts it. The cluster id is drawn here; the first entry binds it to this disk.
    ///
    /// # Errors
    /// [`Error::AlreadyMember`] for a directory that belongs to a cluster; and whatever keeps the
    /// core from starting or the first entry from being committed.
    pub async fn bootstrap(self, options: NodeOptions) -> Result<Node, Error> {
        self.bootstrap_with(options, &mut |_| Ok(())).await
    }

    /// As [`Store::bootstrap`]; `after` is called after each durable step.
    pub(crate) async fn bootstrap_with(
        mut self,
        options: NodeOptions,
        after: &mut (dyn FnMut(Step) -> Result<(), Error> + Send),
    ) -> Result<Node, Error> {
        match self.identity.life_phase() {
            Phase::Member => {
                return Err(Error::AlreadyMember {
                    path: self.path,
                    cluster: hex::encode(&self.identity.cluster_id),
                });
            }
            Phase::Bootstrapping => {}
            Phase::Creating | Phase::Pristine => {
                self.identity.cluster_id = random::draw::<16>()?.to_vec();
                self.identity.raft_id = FIRST_NODE;
                self.identity.set_life_phase(Phase::Bootstrapping);
                self.write_identity()?;
                after(Step::ClusterDrawn)?;
            }
        }
        self.write_log_identity()?;
        after(Step::LogBound)?;
        let node = Node::launch(self, options).await?;
        let founded = node.found(after).await;
        match founded {
            Ok(()) => Ok(node),
            Err(error) => {
                // The error that is reported is the first one.
                let _ = node.shutdown().await;
                Err(error)
            }
        }
    }
}

impl Node {
    async fn found(&self, after: &mut (dyn FnMut(Step) -> Result<(), Error> + Send)) -> Result<(), Error> {
        after(Step::Launched)?;
        let shared = self.handle.shared();
        let peer = Peer {
            name: self.handle.identity().name.to_string(),
            address: String::new(),
        };
        match shared.raft.initialize(BTreeMap::from([(FIRST_NODE, peer)])).await {
            // Cut off after this step last time.
            Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => {}
            Err(error) => return Err(Error::Core(error.to_string())),
        }
        after(Step::Initialized)?;
        self.wait_until_recovered(LIMIT).await?;
        tokio::time::timeout(LIMIT, bind(&self.handle))
            .await
            .map_err(|_| Error::Recovery {
                seconds: LIMIT.as_secs(),
                what: "the first entry was not committed".to_owned(),
            })??;
        after(Step::Bound)?;
        {
            let mut boots = shared.boots.lock();
            boots.identity.set_life_phase(Phase::Member);
            boots.identity.write(&boots.path)?;
        }
        after(Step::MemberWritten)
    }
}

/// Commits the first entry, unless it is committed.
async fn bind(handle: &MetadataHandle) -> Result<(), Error> {
    let ours = handle.identity();
    let command = BindCluster {
        cluster: ours.cluster,
        tag: u64::from_be_bytes(random::draw()?),
        domain: EncryptionDomain(random::draw()?),
        nodes: vec![BoundNode {
            name: ours.name.clone(),
            disk: ours.disk,
        }],
    };
    let envelope = Envelope::new(raft_types::Proposal::BindCluster(command)).encode();
    loop {
        if let Some(bound) = bound_cluster(handle).await? {
            return check(handle, bound).await;
        }
        match handle.propose(envelope.clone()).await {
            Ok(applied) => match applied.outcome {
                // Looked at once more: what counts is the state.
                Outcome::Done | Outcome::Rejected(_) => {}
                other => {
                    return Err(Error::Core(format!(
                        "the first entry was answered with {other:?}"
                    )));
                }
            },
            Err(ProposeError::Shutdown) => return Err(Error::Core("it stopped during bootstrap".to_owned())),
            Err(_) => {}
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn bound_cluster(handle: &MetadataHandle) -> Result<Option<ClusterId>, Error> {
    let identity = handle.local_view().query(queries::identity).await;
    identity
        .map(|identity| identity.map(|identity| identity.cluster))
        .map_err(|fault| Error::Core(fault.to_string()))
}

/// The state must know this node under the number that Raft knows.
async fn check(handle: &MetadataHandle, bound: ClusterId) -> Result<(), Error> {
    let ours = handle.identity().clone();
    let name = ours.name.clone();
    let known = handle
        .local_view()
        .query(move |view| queries::node_by_name(view, &name))
        .await
        .map_err(|fault| Error::Core(fault.to_string()))?;
    let fits = known.is_some_and(|(node, record)| node == NodeId(FIRST_NODE) && record.disk == ours.disk);
    if bound != ours.cluster || !fits {
        return Err(Error::Core(
            "the first entry binds another cluster or node".to_owned(),
        ));
    }
    Ok(())
}
