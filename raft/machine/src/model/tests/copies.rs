//! Copies, epochs, and what is to be deleted.

use raft_types::commands::{
    AddReplica, ClearSuspect, CloseEpoch, Command, ConfirmDeleted, GarbageRow, GiveUpAttempts, MarkSuspect,
    OpenEpoch, RecordSweep, Release, RemoveReplica, SealEpoch, SweepMark,
};
use raft_types::records::SweepPass;
use raft_types::{EpochId, RowId, SessionId};

use super::action::Action;
use super::dice::Dice;
use super::history::History;
use super::written::replica_at;
use crate::queries::EpochState;

impl History {
    /// A command of one of these kinds, where there is something that it can happen to.
    pub(super) fn copy_command(
        &mut self,
        action: Action,
        session: SessionId,
        dice: &mut Dice,
    ) -> Option<Command> {
        Some(match action {
            Action::AddReplica => {
                let blob = self.some_blob(dice);
                let stored = self.stored(blob) + u64::from(dice.once_in(24));
                let mut replica = self.some_replica(session, dice);
                if let Some((_, address)) = self.some_address(dice).filter(|_| dice.once_in(8)) {
                    replica = replica_at(address);
                }
                Command::AddReplica(AddReplica {
                    blob,
                    replica,
                    stored,
                })
            }
            Action::Suspect => {
                let (blob, address) = self.some_address(dice)?;
                Command::MarkSuspect(MarkSuspect { blob, address })
            }
            Action::Clear => {
                let (blob, address) = self.some_address(dice)?;
                Command::ClearSuspect(ClearSuspect { blob, address })
            }
            Action::RemoveReplica => {
                let (blob, address) = self.some_address(dice)?;
                Command::RemoveReplica(RemoveReplica {
                    blob,
                    address,
                    keep: dice.one(&[1, 0, 2]),
                })
            }
            Action::GiveUp => {
                let count = dice.one(&[1, 2, 3]);
                let attempts = (0..count).map(|_| self.some_attempt(session, dice)).collect();
                Command::GiveUpAttempts(GiveUpAttempts { attempts })
            }
            Action::Release => {
                let rows = self.model.release(u64::MAX, usize::MAX);
                let (row, record) = dice.pick(&rows)?;
                let row = if dice.once_in(40) {
                    RowId { ordinal: 77, ..row }
                } else {
                    row
                };
                let after = record.after + u64::from(dice.once_in(40));
                Command::Release(Release {
                    row,
                    after,
                    limit: dice.one(&[1, 2, 3, 5, 20, 0]),
                })
            }
            Action::Collect => {
                let backend = self.some_backend(dice);
                let rows = self.model.garbage(backend, u64::MAX, None, 30).into_iter();
                let rows = rows.filter(|_| !dice.once_in(3)).map(|(key, _)| GarbageRow {
                    died: key.died,
                    blob: key.blob,
                    epoch: key.epoch,
                    attempt: key.attempt,
                });
                let mut rows: Vec<_> = rows.collect();
                // Confirmed twice, or never in garbage: passed over.
                rows.extend(rows.first().copied());
                rows.extend(rows.last().map(|row| GarbageRow {
                    died: row.died + 1,
                    ..*row
                }));
                Command::ConfirmDeleted(ConfirmDeleted { backend, rows })
            }
            Action::OpenEpoch => Command::OpenEpoch(OpenEpoch {}),
            Action::CloseEpoch => {
                let epoch = self.some_epoch(session, dice);
                let used = (0..dice.below(4)).map(|_| self.some_backend(dice)).collect();
                Command::CloseEpoch(CloseEpoch { epoch, used })
            }
            Action::SealEpoch => Command::SealEpoch(SealEpoch {
                epoch: self.closing_epoch(session, dice),
            }),
            Action::Sweep => self.some_sweep(dice)?,
            _ => return None,
        })
    }

    fn some_sweep(&self, dice: &mut Dice) -> Option<Command> {
        let epochs = self.model.epochs();
        let sealed = epochs
            .iter()
            .filter(|(_, epoch)| matches!(self.model.epoch_state(epoch), EpochState::Sealed(_)));
        let sealed: Vec<_> = sealed.cloned().collect();
        let choice = if dice.once_in(8) { &epochs } else { &sealed };
        let (epoch, record) = dice.pick(choice)?;
        let mut sweeps = Vec::new();
        for (backend, pass) in self.model.sweep_targets(&record) {
            match dice.below(6) {
                0..3 => sweeps.push(SweepMark { backend, pass }),
                3 => sweeps.push(SweepMark {
                    backend,
                    pass: SweepPass::Final,
                }),
                _ => {}
            }
        }
        if dice.once_in(6) {
            let (backend, pass) = (self.some_backend(dice), dice.one(SweepPass::ALL));
            sweeps.push(SweepMark { backend, pass });
        }
        let epoch = if dice.once_in(20) { EpochId(91) } else { epoch };
        Some(Command::RecordSweep(RecordSweep { epoch, sweeps }))
    }
}
