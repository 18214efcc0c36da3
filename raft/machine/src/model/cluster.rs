//! The cluster, its nodes, its settings, its incidents.

use raft_types::commands::{
    BindCluster, DismissIncident, ProposeSettings, RegisterNode, RemoveNode, SettingsProposal,
};
use raft_types::keys::Table;
use raft_types::records::{
    CountersRecord, Identity, IncarnationRecord, NodeRecord, SealCause, SettingsRecord,
};
use raft_types::{
    DiskId, Incarnation, IncarnationCounter, MillisUtc, NodeId, NodeName, Outcome, Rejection, RowId,
    SettingsVerdict, limits,
};

use super::{Incident, Model, No, malformed};

impl Model {
    pub(super) fn bind(&mut self, command: &BindCluster) -> Result<Outcome, No> {
        let incarnation = Incarnation {
            counter: IncarnationCounter(1),
            tag: command.tag,
        };
        if let Some(bound) = &self.identity {
            let same = bound.cluster == command.cluster
                && bound.domain == command.domain
                && bound.incarnation == incarnation;
            return if same {
                Ok(Outcome::Done)
            } else {
                Err(Rejection::AlreadyBound.into())
            };
        }
        if command.nodes.is_empty() {
            return malformed("a cluster begins with a node");
        }
        self.identity = Some(Identity {
            cluster: command.cluster,
            incarnation,
            domain: command.domain,
            bound: self.now,
            feature_level: 1,
        });
        let life = IncarnationRecord {
            tag: command.tag,
            index: self.moment.index,
            began: self.now,
        };
        self.lives.insert(incarnation.counter, life);
        for node in &command.nodes {
            self.enter_node(&node.name, node.disk)?;
        }
        Ok(Outcome::Done)
    }

    pub(super) fn register_node(&mut self, command: &RegisterNode) -> Result<Outcome, No> {
        self.enter_node(&command.name, command.disk)
            .map(Outcome::NodeRegistered)
    }

    /// A name and a disk belong together: both are known from one node, or neither is known.
    fn enter_node(&mut self, name: &NodeName, disk: DiskId) -> Result<NodeId, No> {
        for (id, node) in &self.nodes {
            match (node.name == *name, node.disk == disk) {
                (true, true) => return Ok(*id),
                (false, false) => {}
                _ => return Err(Rejection::NodeBound.into()),
            }
        }
        let id = NodeId(self.given.node.0 + 1);
        self.given.node = id;
        let node = NodeRecord {
            name: name.clone(),
            disk,
            registered: self.now,
            boot: 0,
            nonce: None,
            session: None,
            seen: None,
        };
        self.nodes.insert(id, node);
        Ok(id)
    }

    pub(super) fn remove_node(&mut self, command: &RemoveNode) -> Result<Outcome, No> {
        let Some(node) = self.nodes.remove(&command.node) else {
            return Err(Rejection::NoSuchNode.into());
        };
        if let Some(session) = node.session {
            self.seal_session(session, SealCause::NodeRemoved);
        }
        Ok(Outcome::Done)
    }

    /// A file speaks for the settings only if they still are what it said before (H8).
    pub(super) fn propose_settings(&mut self, command: &ProposeSettings) -> Result<Outcome, No> {
        if command.content.len() > limits::SETTINGS_SIZE {
            return malformed("the settings are too long");
        }
        let Some(mut node) = self.nodes.get(&command.node).cloned() else {
            return Err(Rejection::NoSuchNode.into());
        };
        let offered = command.fingerprint;
        let present = self.settings.as_ref().map(|settings| settings.fingerprint);
        let verdict = match command.proposal {
            SettingsProposal::Replace(expected) if present != Some(expected) => {
                return Err(Rejection::Changed.into());
            }
            _ if present == Some(offered) => SettingsVerdict::Equal,
            SettingsProposal::Replace(_) => SettingsVerdict::Taken,
            SettingsProposal::Offer if present.is_none() => SettingsVerdict::Taken,
            SettingsProposal::Offer => match node.seen {
                // A file that is shown for the first time, or again, changes nothing.
                None => SettingsVerdict::Seen,
                seen if seen == Some(offered) => SettingsVerdict::Seen,
                seen if seen == present => SettingsVerdict::Taken,
                _ => SettingsVerdict::Drifted,
            },
        };
        if command.proposal == SettingsProposal::Offer {
            node.seen = Some(offered);
            self.nodes.insert(command.node, node);
        }
        if verdict == SettingsVerdict::Taken {
            self.settings = Some(SettingsRecord {
                revision: self.moment.index,
                content: command.content.clone(),
                fingerprint: offered,
                taken: self.now,
                node: command.node,
            });
        }
        Ok(Outcome::SettingsTaken(verdict))
    }

    pub(super) fn dismiss_incident(&mut self, command: &DismissIncident) -> Result<Outcome, No> {
        match self.incidents.remove(&command.incident) {
            Some(_) => Ok(Outcome::Done),
            None => Err(Rejection::NoSuchRow.into()),
        }
    }

    pub(super) fn incarnation_now(&self) -> IncarnationCounter {
        self.identity
            .as_ref()
            .map_or(IncarnationCounter(1), |identity| identity.incarnation.counter)
    }

    /// Who the cluster is.
    pub fn identity(&self) -> Option<Identity> {
        self.identity.clone()
    }

    /// The replicated time.
    pub fn clock(&self) -> MillisUtc {
        self.now
    }

    /// The ids that were given out last, and how many incidents there are.
    pub fn counters(&self) -> CountersRecord {
        CountersRecord {
            incidents: self.incidents.len() as u32,
            ..self.given.clone()
        }
    }

    /// A life of the cluster.
    pub fn incarnation(&self, counter: IncarnationCounter) -> Option<IncarnationRecord> {
        self.lives.get(&counter).cloned()
    }

    /// The entry that last changed a small table.
    pub fn revision(&self, table: Table) -> u64 {
        self.revisions.get(&table).copied().unwrap_or_default()
    }

    /// The settings.
    pub fn settings(&self) -> Option<SettingsRecord> {
        self.settings.clone()
    }

    /// A node.
    pub fn node(&self, node: NodeId) -> Option<NodeRecord> {
        self.nodes.get(&node).cloned()
    }

    /// The node of a name.
    pub fn node_by_name(&self, name: &NodeName) -> Option<(NodeId, NodeRecord)> {
        self.nodes().into_iter().find(|(_, node)| node.name == *name)
    }

    /// All nodes.
    pub fn nodes(&self) -> Vec<(NodeId, NodeRecord)> {
        self.nodes.iter().map(|(id, node)| (*id, node.clone())).collect()
    }

    /// Incidents after a row, the oldest first.
    pub fn incidents(&self, after: Option<RowId>, limit: usize) -> Vec<(RowId, Incident)> {
        let later = self.incidents.iter().filter(|(row, _)| Some(**row) > after);
        later
            .take(limit)
            .map(|(row, incident)| (*row, *incident))
            .collect()
    }
}
