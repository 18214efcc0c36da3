//! The cluster itself: binding, nodes, settings, incidents.

use raft_types::commands::{
    BindCluster, DismissIncident, ProposeSettings, RegisterNode, RemoveNode, SettingsProposal,
};
use raft_types::keys::{
    CountersKey, IdentityKey, IncarnationKey, IncidentKey, NodeKey, NodeNameKey, SettingsKey, Table,
};
use raft_types::records::{
    Identity, IncarnationRecord, NodeNameRecord, NodeRecord, SealCause, SettingsRecord,
};
use raft_types::{
    Digest, DiskId, Incarnation, IncarnationCounter, NodeId, NodeName, Outcome, Rejection, SettingsVerdict,
    limits,
};

use super::context::Context;
use super::numbered::required;
use super::session;
use super::stop::Stop;
use crate::fault::Fault;
use crate::port::ReadTables;
use crate::queries;

/// The feature level with which clusters begin.
const FIRST_FEATURE_LEVEL: u32 = 1;

/// Binds a cluster. A repetition of the same entry finds itself.
pub(super) fn bind<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    command: BindCluster,
) -> Result<Outcome, Stop> {
    let incarnation = Incarnation {
        counter: IncarnationCounter::FIRST,
        tag: command.tag,
    };
    if let Some(identity) = context.get(&IdentityKey)? {
        let same = identity.cluster == command.cluster && identity.domain == command.domain;
        let repeated = same && identity.incarnation == incarnation;
        return if repeated {
            Ok(Outcome::Done)
        } else {
            Err(Rejection::AlreadyBound.into())
        };
    }
    if command.nodes.is_empty() {
        return Err(Stop::malformed("a cluster begins with a node"));
    }
    let identity = Identity {
        cluster: command.cluster,
        incarnation,
        domain: command.domain,
        bound: context.now,
        feature_level: FIRST_FEATURE_LEVEL,
    };
    context.put(&IdentityKey, &identity);
    let life = IncarnationRecord {
        tag: command.tag,
        index: context.index,
        began: context.now,
    };
    context.put(
        &IncarnationKey {
            counter: incarnation.counter,
        },
        &life,
    );
    for node in command.nodes {
        enter_node(context, node.name, node.disk)?;
    }
    Ok(Outcome::Done)
}

/// Enters a node that will join.
pub(super) fn register_node<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    command: RegisterNode,
) -> Result<Outcome, Stop> {
    enter_node(context, command.name, command.disk).map(Outcome::NodeRegistered)
}

/// Name and disk belong together: one with another partner is refused.
fn enter_node<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    name: NodeName,
    disk: DiskId,
) -> Result<NodeId, Stop> {
    if let Some((node, record)) = queries::node_by_name(&*context.tx, &name)? {
        return if record.disk == disk {
            Ok(node)
        } else {
            Err(Rejection::NodeBound.into())
        };
    }
    if queries::nodes(&*context.tx)?
        .iter()
        .any(|(_, record)| record.disk == disk)
    {
        return Err(Rejection::NodeBound.into());
    }
    let mut counters = context.counters()?;
    let node = counters.node.next().ok_or(Fault::Exhausted("node"))?;
    counters.node = node;
    context.put(&CountersKey, &counters);
    context.put(&NodeNameKey { name: name.clone() }, &NodeNameRecord { node });
    let record = NodeRecord {
        name,
        disk,
        registered: context.now,
        boot: 0,
        nonce: None,
        session: None,
        seen: None,
    };
    context.put(&NodeKey { node }, &record);
    context.changed(Table::Nodes);
    Ok(node)
}

/// Takes a node out.
pub(super) fn remove_node<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    command: &RemoveNode,
) -> Result<Outcome, Stop> {
    let key = NodeKey { node: command.node };
    let record = required(context.get(&key)?, Rejection::NoSuchNode)?;
    if let Some(session) = record.session {
        session::seal(context, session, SealCause::NodeRemoved)?;
    }
    context.delete(&key);
    context.delete(&NodeNameKey { name: record.name });
    context.changed(Table::Nodes);
    Ok(Outcome::Done)
}

/// Offers or replaces the settings (H8): an old file never wins over newer settings.
pub(super) fn propose_settings<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    command: ProposeSettings,
) -> Result<Outcome, Stop> {
    if command.content.len() > limits::SETTINGS_SIZE {
        return Err(Stop::malformed("the settings are too long"));
    }
    let key = NodeKey { node: command.node };
    let mut node = required(context.get(&key)?, Rejection::NoSuchNode)?;
    let present = context.get(&SettingsKey)?.map(|settings| settings.fingerprint);
    let verdict = match command.proposal {
        SettingsProposal::Offer => judge_offer(present, node.seen, command.fingerprint),
        SettingsProposal::Replace(expected) if present != Some(expected) => {
            return Err(Rejection::Changed.into());
        }
        SettingsProposal::Replace(_) if present == Some(command.fingerprint) => SettingsVerdict::Equal,
        SettingsProposal::Replace(_) => SettingsVerdict::Taken,
    };
    if command.proposal == SettingsProposal::Offer && node.seen != Some(command.fingerprint) {
        node.seen = Some(command.fingerprint);
        context.put(&key, &node);
        context.changed(Table::Nodes);
    }
    if verdict == SettingsVerdict::Taken {
        let record = SettingsRecord {
            revision: context.index,
            content: command.content,
            fingerprint: command.fingerprint,
            taken: context.now,
            node: command.node,
        };
        context.put(&SettingsKey, &record);
        context.changed(Table::Settings);
    }
    Ok(Outcome::SettingsTaken(verdict))
}

fn judge_offer(present: Option<Digest>, seen: Option<Digest>, offered: Digest) -> SettingsVerdict {
    let Some(present) = present else {
        return SettingsVerdict::Taken;
    };
    match seen {
        _ if present == offered => SettingsVerdict::Equal,
        None => SettingsVerdict::Seen,
        Some(seen) if seen == offered => SettingsVerdict::Seen,
        Some(seen) if seen == present => SettingsVerdict::Taken,
        Some(_) => SettingsVerdict::Drifted,
    }
}

/// Removes an incident that an operator has seen.
pub(super) fn dismiss_incident<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    command: &DismissIncident,
) -> Result<Outcome, Stop> {
    let key = IncidentKey {
        row: command.incident,
    };
    required(context.get(&key)?, Rejection::NoSuchRow)?;
    context.delete(&key);
    let mut counters = context.counters()?;
    counters.incidents = counters.incidents.saturating_sub(1);
    context.put(&CountersKey, &counters);
    Ok(Outcome::Done)
}
