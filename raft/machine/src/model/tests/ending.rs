//! How a history ends: everything is deleted, released, collected and swept, and nothing is left.

use raft_types::commands::{
    AbortUpload, Command, ConfirmDeleted, DeleteBucket, DeleteObjects, DeleteTarget, GarbageRow, RecordSweep,
    Release, SetBackendState, SweepMark,
};
use raft_types::keys::Table;
use raft_types::records::{BackendState, SweepPass};
use raft_types::{BootNonce, DeleteResult, Outcome, Released};

use super::history::History;
use crate::queries;

/// Tables that hold nothing then.
const EMPTY: [Table; 20] = [
    Table::Buckets,
    Table::BucketNames,
    Table::BucketCounters,
    Table::Current,
    Table::Versions,
    Table::NullVersions,
    Table::Blobs,
    Table::Manifests,
    Table::Wraps,
    Table::Uploads,
    Table::Parts,
    Table::Work,
    Table::Garbage,
    Table::Release,
    Table::Keys,
    Table::Usage,
    Table::Native,
    Table::Grants,
    Table::Jobs,
    Table::BackendNames,
];

impl History {
    pub(super) fn end(&mut self) {
        self.reboot();
        for (bucket, _) in self.model.buckets_after(None, usize::MAX) {
            for (key, name) in self.versions(bucket) {
                let targets = vec![DeleteTarget {
                    key,
                    version: Some(name),
                    conditions: None,
                }];
                let command = Command::DeleteObjects(DeleteObjects {
                    bucket,
                    targets,
                    owner: None,
                });
                let Outcome::Deleted(deletions) = self.send_first(command) else {
                    panic!()
                };
                assert!(matches!(deletions.results[..], [DeleteResult::Gone(_)]));
            }
            // Every other upload is left to the deletion of its bucket.
            let targets = self.targets.iter().filter(|target| target.bucket == bucket);
            let open = targets.filter(|target| self.model.upload(target).is_some());
            for target in open.step_by(2).cloned().collect::<Vec<_>>() {
                assert_eq!(
                    self.send_first(Command::AbortUpload(AbortUpload { target })),
                    Outcome::Done
                );
            }
            assert_eq!(
                self.send_first(Command::DeleteBucket(DeleteBucket { bucket })),
                Outcome::Done
            );
        }
        self.release_all();
        self.collect_all();
        self.sweep_all();
        self.remove_backends();
        let rows = queries::state_digest(&self.tables).unwrap().rows;
        for table in EMPTY {
            assert_eq!(rows.get(&table), None, "{table:?} is not empty");
        }
        assert_eq!(
            (rows.get(&Table::Sessions), rows.get(&Table::Epochs)),
            (Some(&1), Some(&1))
        );
    }

    /// All sessions end but a new one.
    fn reboot(&mut self) {
        let nodes = self.model.nodes();
        let (node, record) = nodes.last().cloned().unwrap();
        self.open_session(node, record.boot + 1, BootNonce([77; 16]));
        let own = self.senders.last().unwrap().id;
        self.senders.retain(|sender| sender.id == own);
        for (session, record) in self.model.sessions() {
            if session != own && record.seal.is_none() {
                let term = self.at.term;
                let command = raft_types::commands::SealSession { session, term };
                assert_eq!(self.send_first(Command::SealSession(command)), Outcome::Done);
            }
        }
    }

    fn release_all(&mut self) {
        while let Some((row, record)) = self.model.release(u64::MAX, 1).first().cloned() {
            let step = Release {
                row,
                after: record.after,
                limit: 7,
            };
            let outcome = self.send_first(Command::Release(step));
            let Outcome::Released(Released { finished, after }) = outcome else {
                panic!("{outcome:?}")
            };
            let now = queries::release_row(&self.tables, row).unwrap();
            assert_eq!(now.map(|row| row.after), (!finished).then_some(after));
        }
    }

    fn collect_all(&mut self) {
        for (backend, _) in self.model.backends() {
            loop {
                let rows = self.model.garbage(backend, u64::MAX, None, 100).into_iter();
                let rows: Vec<_> = rows
                    .map(|(key, _)| GarbageRow {
                        died: key.died,
                        blob: key.blob,
                        epoch: key.epoch,
                        attempt: key.attempt,
                    })
                    .collect();
                if rows.is_empty() {
                    break;
                }
                let confirm = Command::ConfirmDeleted(ConfirmDeleted { backend, rows });
                assert_eq!(self.send_first(confirm), Outcome::Done);
            }
        }
    }

    fn sweep_all(&mut self) {
        let own = self.senders[0].id;
        for (epoch, record) in self.model.epochs() {
            if record.session == own {
                continue;
            }
            let targets = self.model.sweep_targets(&record).into_iter();
            let sweeps = targets
                .map(|(backend, _)| SweepMark {
                    backend,
                    pass: SweepPass::Final,
                })
                .collect();
            let command = Command::RecordSweep(RecordSweep { epoch, sweeps });
            assert_eq!(self.send_first(command), Outcome::Done);
        }
    }

    /// Nothing is left on any backend, so each may go, once the epoch that might still use it has ended.
    fn remove_backends(&mut self) {
        let (own, _) = self.model.epochs()[0];
        let close = raft_types::commands::CloseEpoch {
            epoch: own,
            used: Vec::new(),
        };
        assert_eq!(self.send_first(Command::CloseEpoch(close)), Outcome::Done);
        for (backend, record) in self.model.backends() {
            let way: &[BackendState] = match record.state {
                BackendState::Attaching => &[BackendState::Attaching, BackendState::Removed],
                BackendState::Active => &[
                    BackendState::Active,
                    BackendState::Draining,
                    BackendState::Removed,
                ],
                BackendState::Draining => &[BackendState::Draining, BackendState::Removed],
                BackendState::Removed => &[],
            };
            for step in way.windows(2) {
                let command = SetBackendState {
                    backend,
                    from: step[0],
                    to: step[1],
                };
                assert_eq!(self.send_first(Command::SetBackendState(command)), Outcome::Done);
            }
        }
    }
}
