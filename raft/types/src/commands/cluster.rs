use bytes::Bytes;

use crate::codec::{choice, record};
use crate::digest::Digest;
use crate::ids::{ClusterId, DiskId, EncryptionDomain, NodeId, RowId};
use crate::names::NodeName;

record! {
    /// The first entry of a cluster: who it is and on which disks it begins.
    pub struct BindCluster {
        /// Drawn by the node that bootstraps.
        1 => cluster: ClusterId,
        /// Tag of the first incarnation.
        2 => tag: u64,
        /// Salt of the key derivation.
        3 => domain: EncryptionDomain,
        /// The nodes and the disks that they showed; they get the ids 1, 2, … in this order.
        4 => nodes: Vec<BoundNode>,
    }
}

record! {
    /// A node of the first entry.
    pub struct BoundNode {
        /// Its name.
        1 => name: NodeName,
        /// Its data directory.
        2 => disk: DiskId,
    }
}

record! {
    /// Enters a node that will join. Repeated with the same disk it returns the same id.
    pub struct RegisterNode {
        /// Its name.
        1 => name: NodeName,
        /// Its data directory.
        2 => disk: DiskId,
    }
}

record! {
    /// Takes a node out: its session is sealed, its name is free, its id is never used again.
    pub struct RemoveNode {
        /// The node.
        1 => node: NodeId,
    }
}

record! {
    /// Offers or replaces the cluster-wide settings.
    pub struct ProposeSettings {
        /// The node whose file, or by which an operator, speaks.
        1 => node: NodeId,
        /// The settings.
        2 => content: Bytes,
        /// Fingerprint of the content.
        3 => fingerprint: Digest,
        /// In which way.
        4 => proposal: SettingsProposal,
    }
}

choice! {
    /// How settings are proposed.
    pub enum SettingsProposal {
        /// By the node's file, at a start or reload. Taken where there are no settings yet, or where they
        /// still equal what this file said before; only noted as seen at the first time; else noted as
        /// drift.
        1 => Offer,
        /// By an operator who has seen the settings of this fingerprint.
        2 => Replace(Digest),
    }
}

record! {
    /// Removes an incident row that an operator has seen.
    pub struct DismissIncident {
        /// The row.
        1 => incident: RowId,
    }
}
