//! The network between peers.
//!
//! A cluster of one has none: every target is unknown, and an unknown target is unreachable, which
//! makes openraft back off instead of trying again at once. The peer protocol takes this module's
//! place at [`Network::new_client`] when there are peers.

use std::future::Future;
use std::io;

use openraft::OptionalSend;
use openraft::errors::{RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{RPCOption, RaftNetworkFactory, RaftNetworkV2};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};

use crate::consensus::{Peer, RaftId, Snapshot, TypeConfig, Vote};
use crate::snapshot::SnapshotHandle;

/// Connects to peers by their number.
#[derive(Debug, Default)]
pub(crate) struct Network;

/// A peer that this node cannot reach.
#[derive(Debug)]
pub(crate) struct UnknownPeer {
    target: RaftId,
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = UnknownPeer;

    async fn new_client(&mut self, target: RaftId, _node: &Peer) -> UnknownPeer {
        UnknownPeer { target }
    }
}

impl UnknownPeer {
    fn unreachable(&self) -> Unreachable<TypeConfig> {
        let error = io::Error::new(
            io::ErrorKind::HostUnreachable,
            format!("node {} is not known to this one", self.target),
        );
        Unreachable::new(&error)
    }
}

impl RaftNetworkV2<TypeConfig> for UnknownPeer {
    type SnapshotData = SnapshotHandle;

    async fn append_entries(
        &mut self,
        _request: AppendEntriesRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<TypeConfig>, RPCError<TypeConfig>> {
        Err(RPCError::Unreachable(self.unreachable()))
    }

    async fn vote(
        &mut self,
        _request: VoteRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        Err(RPCError::Unreachable(self.unreachable()))
    }

    /// The default grants, which an unreachable peer must not.
    async fn pre_vote(
        &mut self,
        _request: VoteRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Result<VoteResponse<TypeConfig>, RPCError<TypeConfig>> {
        Err(RPCError::Unreachable(self.unreachable()))
    }

    async fn full_snapshot(
        &mut self,
        _vote: Vote,
        _snapshot: Snapshot<SnapshotHandle>,
        _cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        Err(StreamingError::Unreachable(self.unreachable()))
    }

    async fn transfer_leader(
        &mut self,
        _request: TransferLeaderRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Result<TransferLeaderResponse<TypeConfig>, RPCError<TypeConfig>> {
        Err(RPCError::Unreachable(self.unreachable()))
    }
}
