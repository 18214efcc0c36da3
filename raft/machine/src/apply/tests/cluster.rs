//! Binding, nodes, settings (H8), incidents.

use bytes::Bytes;
use raft_types::commands::{
    DismissIncident, GiveUpAttempts, ProposeSettings, RegisterNode, RemoveNode, SettingsProposal,
};
use raft_types::{
    Command, Digest, DiskId, Envelope, NodeId, Outcome, Proposal, Record, Rejection, SettingsVerdict,
};

use super::fixture::{Machine, attempt, bind};
use crate::memory::MemoryTables;
use crate::transaction::Transaction;
use crate::{EntryContext, Halt, queries};

#[test]
fn a_cluster_is_bound_once() {
    let mut machine = Machine::bound();
    let before = machine.tables.clone();
    assert_eq!(
        machine.propose(Proposal::BindCluster(bind())),
        Outcome::Done,
        "a repetition"
    );
    let mut other = bind();
    other.tag = 43;
    let outcome = machine.propose(Proposal::BindCluster(other));
    assert_eq!(outcome, Outcome::Rejected(Rejection::AlreadyBound));
    assert_eq!(machine.tables, before);
    assert_eq!(queries::nodes(&machine.tables).unwrap().len(), 2);
}

#[test]
fn a_known_name_with_another_disk_is_refused() {
    let mut machine = Machine::ready();
    let register = |name: &str, disk| {
        Command::RegisterNode(RegisterNode {
            name: name.parse().unwrap(),
            disk: DiskId([disk; 16]),
        })
    };
    assert_eq!(
        machine.command(register("node-1", 1)),
        Outcome::NodeRegistered(NodeId(1))
    );
    assert_eq!(
        machine.rejection(register("node-1", 9)),
        Rejection::NodeBound,
        "a wiped disk"
    );
    assert_eq!(
        machine.rejection(register("node-9", 1)),
        Rejection::NodeBound,
        "a copied disk"
    );
    assert_eq!(
        machine.command(register("node-3", 3)),
        Outcome::NodeRegistered(NodeId(3))
    );
}

#[test]
fn a_removed_node_is_sealed_and_its_id_is_never_used_again() {
    let mut machine = Machine::ready();
    let other = machine.open_session(2, 1);
    machine.done(Command::RemoveNode(RemoveNode { node: NodeId(2) }));
    assert!(
        queries::session(&machine.tables, other.id)
            .unwrap()
            .unwrap()
            .seal
            .is_some()
    );
    let register = RegisterNode {
        name: "node-2".parse().unwrap(),
        disk: DiskId([2; 16]),
    };
    assert_eq!(
        machine.command(Command::RegisterNode(register)),
        Outcome::NodeRegistered(NodeId(3))
    );
}

fn offer(node: u64, content: u8) -> Command {
    Command::ProposeSettings(ProposeSettings {
        node: NodeId(node),
        content: Bytes::from(vec![content]),
        fingerprint: Digest([content; 32]),
        proposal: SettingsProposal::Offer,
    })
}

fn settings(machine: &Machine) -> u8 {
    queries::settings(&machine.tables).unwrap().unwrap().content[0]
}

#[test]
fn h8_an_old_file_never_wins_over_newer_settings() {
    let mut machine = Machine::ready();
    let taken = |verdict| Outcome::SettingsTaken(verdict);
    assert_eq!(
        machine.command(offer(1, 1)),
        taken(SettingsVerdict::Taken),
        "the node that bootstraps"
    );
    assert_eq!(
        machine.command(offer(2, 9)),
        taken(SettingsVerdict::Seen),
        "one that joins"
    );
    assert_eq!(settings(&machine), 1);
    assert_eq!(
        machine.command(offer(1, 2)),
        taken(SettingsVerdict::Taken),
        "an edited file"
    );
    assert_eq!(
        machine.command(offer(1, 2)),
        taken(SettingsVerdict::Equal),
        "a mere restart"
    );
    assert_eq!(
        machine.command(offer(2, 9)),
        taken(SettingsVerdict::Seen),
        "restarted with the old file"
    );
    assert_eq!(
        machine.command(offer(2, 8)),
        taken(SettingsVerdict::Drifted),
        "edited, from other settings"
    );
    assert_eq!(settings(&machine), 2);
    assert_eq!(
        machine.command(offer(2, 2)),
        taken(SettingsVerdict::Equal),
        "brought up to date"
    );
    assert_eq!(machine.command(offer(2, 3)), taken(SettingsVerdict::Taken));
    assert_eq!(machine.command(offer(1, 2)), taken(SettingsVerdict::Seen));
    assert_eq!(settings(&machine), 3);
}

#[test]
fn h8_an_operator_replaces_the_settings_that_he_has_seen() {
    let mut machine = Machine::ready();
    machine.command(offer(1, 1));
    let replace = |seen, content| {
        Command::ProposeSettings(ProposeSettings {
            node: NodeId(2),
            content: Bytes::from(vec![content]),
            fingerprint: Digest([content; 32]),
            proposal: SettingsProposal::Replace(Digest([seen; 32])),
        })
    };
    assert_eq!(machine.rejection(replace(9, 5)), Rejection::Changed);
    assert_eq!(
        machine.command(replace(1, 5)),
        Outcome::SettingsTaken(SettingsVerdict::Taken)
    );
    assert_eq!(settings(&machine), 5);
    let taken = queries::settings(&machine.tables).unwrap().unwrap();
    assert_eq!(taken.revision, machine.index);
}

#[test]
fn an_incident_stands_until_it_is_dismissed() {
    let mut machine = Machine::ready();
    let (blob, _) = machine.put("key");
    let attempts = vec![attempt(blob, 1, machine.session.epoch, 0)];
    machine.rejection(Command::GiveUpAttempts(GiveUpAttempts { attempts }));
    let rows = queries::incidents(&machine.tables, None, 10).unwrap();
    assert!(!rows.is_empty());
    for (incident, _) in rows {
        machine.done(Command::DismissIncident(DismissIncident { incident }));
        let again = machine.rejection(Command::DismissIncident(DismissIncident { incident }));
        assert_eq!(again, Rejection::NoSuchRow);
    }
    assert_eq!(machine.incidents(), 0);
}

#[test]
fn an_unknown_version_or_command_halts_the_node() {
    let mut machine = Machine::ready();
    let session = machine.session.id;
    let command = Command::GiveUpAttempts(GiveUpAttempts { attempts: Vec::new() });
    let mut envelope = Envelope::numbered(session, 50, 1, command);
    envelope.version = 2;
    assert!(matches!(machine.apply(&envelope), Err(Halt::UnknownVersion(2))));
    envelope.version = 1;
    let mut bytes = envelope.encode().to_vec();
    // A field that no envelope of this version has.
    bytes.extend_from_slice(&[0x78, 1]);
    let tables = MemoryTables::new();
    let mut transaction = Transaction::new(&tables);
    let at = EntryContext {
        term: 1,
        index: 1,
        position: 0,
        now: machine.now,
    };
    let halt = crate::apply(&mut transaction, &at, Bytes::from(bytes));
    assert!(matches!(halt, Err(Halt::Undecodable(_))));
}
