//! Who leads, and whether the Raft core is alive.

use std::sync::Arc;

use openraft::ServerState;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::metrics::RaftServerMetrics;
use raft_types::NodeId;
use tokio::sync::watch;

use super::{RaftCore, SoleLeader};
use crate::consensus::{RaftId, StoredMembership, TypeConfig};
use crate::telemetry::HandleMetrics;

/// What this node is to the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It believes to lead. Only a committed entry of its term proves it.
    Leader,
    /// It follows a leader, or waits for one.
    Follower,
    /// It stands for election.
    Candidate,
    /// It has no vote.
    Learner,
    /// Its core has stopped.
    Stopped,
}

/// What this node knows of the leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leadership {
    /// The current term.
    pub term: u64,
    /// The leader of that term, if one is known.
    pub leader: Option<NodeId>,
    /// This node's role.
    pub role: Role,
}

impl Leadership {
    pub(crate) const UNKNOWN: Self = Self {
        term: 0,
        leader: None,
        role: Role::Follower,
    };
}

/// Follows the core until it ends; then returns.
pub(crate) async fn watch_leadership(
    raft: RaftCore,
    leadership: watch::Sender<Leadership>,
    sole: Arc<SoleLeader>,
) {
    let metrics = HandleMetrics::register();
    let mut server = raft.server_metrics();
    // Holds no borrow while it waits: that would stop the core.
    loop {
        let now = {
            let server = server.borrow_watched();
            sole.observe(alone_in(&server));
            Leadership {
                term: server.vote.leader_id.term,
                leader: server.current_leader.map(|id: RaftId| NodeId(id)),
                role: role(server.state),
            }
        };
        metrics.term.set(now.term as f64);
        metrics
            .leader
            .set(if now.role == Role::Leader { 1.0 } else { 0.0 });
        leadership.send_if_modified(|before| std::mem::replace(before, now) != now);
        if server.changed().await.is_err() {
            metrics.leader.set(0.0);
            sole.observe(None);
            leadership.send_modify(|last| {
                last.leader = None;
                last.role = Role::Stopped;
            });
            return;
        }
    }
}

/// The term in which this node leads as the only voter. Both the newest configuration and the newest
/// committed one must say so.
fn alone_in(server: &RaftServerMetrics<TypeConfig>) -> Option<u64> {
    let only_voter = |membership: &StoredMembership| membership.voter_ids().eq([server.id]);
    let alone = server.state == ServerState::Leader
        && only_voter(&server.membership_config)
        && only_voter(&server.committed_membership_config);
    alone.then_some(server.vote.leader_id.term)
}

fn role(state: ServerState) -> Role {
    match state {
        ServerState::Leader => Role::Leader,
        ServerState::Candidate => Role::Candidate,
        ServerState::Learner => Role::Learner,
        ServerState::Shutdown => Role::Stopped,
        ServerState::Follower => Role::Follower,
    }
}
