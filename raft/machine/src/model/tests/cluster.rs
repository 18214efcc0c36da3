//! Sessions, backends, keys, nodes, settings.

use bytes::Bytes;
use raft_types::commands::{
    ActivateBackend, ActivateKey, CloseSession, Command, DismissIncident, ProposeSettings, ProveKey,
    PutBucketKey, RecordKeyring, RegisterNode, RemoveNode, SealSession, SetBackendState, SettingsProposal,
    Settle,
};
use raft_types::keys::Table;
use raft_types::records::BackendState;
use raft_types::{Digest, DiskId, KeyVersion, NodeId, Proposal, RowId, SessionId};

use super::action::{Action, BACKENDS, NODES};
use super::dice::Dice;
use super::history::{History, attach};

impl History {
    /// A command of one of these kinds, where there is something that it can happen to.
    pub(super) fn cluster_command(
        &mut self,
        action: Action,
        session: SessionId,
        seq: u64,
        dice: &mut Dice,
    ) -> Option<Command> {
        Some(match action {
            Action::CloseSession => Command::CloseSession(CloseSession {}),
            Action::SealSession => {
                let sender = dice.pick(&self.senders)?;
                let term = self.at.term + u64::from(dice.once_in(3));
                Command::SealSession(SealSession {
                    session: sender.id,
                    term,
                })
            }
            Action::Settle => self.some_settle(session, seq, dice),
            Action::Attach => match attach(dice.one(&BACKENDS)) {
                Command::AttachBackend(mut command) => {
                    command.prefix = dice.pick(&["p", "", "p/q", "/p", "p/"])?.to_owned();
                    Command::AttachBackend(command)
                }
                other => other,
            },
            Action::Activate => {
                let open = self.model.sessions().into_iter().map(|(id, _)| id);
                let readers = open.filter(|_| !dice.once_in(12)).collect();
                let attaching = self.model.backends().into_iter();
                let attaching = attaching.filter(|(_, record)| record.state == BackendState::Attaching);
                let attaching: Vec<_> = attaching.map(|(backend, _)| backend).collect();
                let backend = dice.pick(&attaching).filter(|_| !dice.once_in(8));
                let backend = backend.unwrap_or_else(|| self.some_backend(dice));
                Command::ActivateBackend(ActivateBackend { backend, readers })
            }
            Action::SetBackendState => {
                let backend = self.some_backend(dice);
                let present = self
                    .model
                    .backend(backend)
                    .map_or(BackendState::Active, |record| record.state);
                let (draining, removed) = (BackendState::Draining, BackendState::Removed);
                let to = match present {
                    BackendState::Active => draining,
                    BackendState::Draining => dice.one(&[removed, BackendState::Active]),
                    BackendState::Attaching | BackendState::Removed => removed,
                };
                let to = if dice.once_in(8) {
                    dice.one(BackendState::ALL)
                } else {
                    to
                };
                let from = if dice.once_in(12) { draining } else { present };
                Command::SetBackendState(SetBackendState { backend, from, to })
            }
            Action::PutKey => {
                let bucket = self.some_bucket(dice);
                let newest = self.model.bucket_keys(Some(bucket)).len() as u32;
                let version = KeyVersion(newest + 1 + u32::from(dice.once_in(8)));
                let wrapped = if dice.once_in(12) {
                    Bytes::new()
                } else {
                    Bytes::from_static(b"wrapped")
                };
                Command::PutBucketKey(PutBucketKey {
                    bucket,
                    version,
                    wrapped,
                    master: "m".to_owned(),
                })
            }
            Action::ProveKey => {
                let (bucket, version) = self.some_key_version(dice);
                Command::ProveKey(ProveKey { bucket, version })
            }
            Action::WriteKeyring => {
                let revision = self.model.revision(Table::Keys);
                let revision = match dice.below(8) {
                    6 => revision + 1,
                    7 => revision.saturating_sub(1),
                    _ => revision,
                };
                let backends = (0..dice.one(&[1, 2, 0]))
                    .map(|_| self.some_backend(dice))
                    .collect();
                Command::RecordKeyring(RecordKeyring { revision, backends })
            }
            Action::ActivateKey => {
                let (bucket, version) = self.some_key_version(dice);
                Command::ActivateKey(ActivateKey { bucket, version })
            }
            Action::RegisterNode => {
                let number = dice.below(NODES.len());
                let disk = DiskId([if dice.once_in(3) { 1 } else { number as u8 + 1 }; 16]);
                Command::RegisterNode(RegisterNode {
                    name: NODES[number].parse().unwrap(),
                    disk,
                })
            }
            Action::RemoveNode => {
                let node = dice
                    .pick(&self.model.nodes())
                    .map_or(NodeId(77), |(node, _)| node);
                Command::RemoveNode(RemoveNode {
                    node: if dice.once_in(6) { NodeId(77) } else { node },
                })
            }
            Action::ProposeSettings => self.some_settings(dice),
            Action::DismissIncident => {
                let rows = self.model.incidents(None, usize::MAX);
                let row = dice.pick(&rows).map(|(row, _)| row);
                let incident = row.unwrap_or(RowId {
                    index: 1,
                    position: 1,
                    ordinal: 1,
                });
                Command::DismissIncident(DismissIncident { incident })
            }
            _ => return None,
        })
    }

    /// Of a command that is under way, with its attempts, or of any number.
    fn some_settle(&mut self, session: SessionId, seq: u64, dice: &mut Dice) -> Command {
        let held = self.held.iter().filter_map(|envelope| match &envelope.proposal {
            Proposal::Numbered(numbered) if numbered.session == session => {
                Some((numbered.seq, numbered.command.attempts()))
            }
            _ => None,
        });
        let held: Vec<_> = held.collect();
        let (seq, mut attempts) = match dice.pick(&held) {
            Some(found) if !dice.once_in(4) => found,
            _ => (dice.below(seq as usize + 3) as u64, Vec::new()),
        };
        if dice.once_in(8) {
            attempts.push(self.some_attempt(session, dice));
        }
        Command::Settle(Settle { seq, attempts })
    }

    fn some_settings(&self, dice: &mut Dice) -> Command {
        let content = [dice.below(4) as u8];
        let node = dice
            .pick(&self.model.nodes())
            .map_or(NodeId(77), |(node, _)| node);
        let present = self
            .model
            .settings()
            .map_or(Digest([0; 32]), |settings| settings.fingerprint);
        let proposal = match dice.below(4) {
            0..2 => SettingsProposal::Offer,
            2 => SettingsProposal::Replace(present),
            _ => SettingsProposal::Replace(Digest([1; 32])),
        };
        Command::ProposeSettings(ProposeSettings {
            node: if dice.once_in(12) { NodeId(77) } else { node },
            content: Bytes::copy_from_slice(&content),
            fingerprint: Digest([content[0]; 32]),
            proposal,
        })
    }
}
