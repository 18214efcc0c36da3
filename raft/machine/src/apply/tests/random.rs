//! Random histories: whatever comes in which order, the invariants hold, and in the end nothing is left.

use proptest::prelude::*;
use raft_types::commands::{
    AbortUpload, AddReplica, ClearSuspect, CloseEpoch, CopyReference, ExpireCompletions, GiveUpAttempts,
    MarkSuspect, RecordSweep, Release, RemoveReplica, SealEpoch, SweepMark, UploadTarget,
};
use raft_types::keys::Table;
use raft_types::limits::COMPLETION_KEPT_MILLIS;
use raft_types::records::{VersionName, Versioning};
use raft_types::{AttemptAddress, BackendId, BlobId, Command, EpochId, Outcome, Refusal};

use super::fixture::{MIB, Machine, attempt, key, new_object, replica, written_of};
use crate::invariants::World;
use crate::queries;

/// What happens next. Numbers choose among what there is.
#[derive(Clone, Debug)]
enum Action {
    Put {
        key: u8,
        blobs: u8,
        copies: u8,
        wanted: u8,
        given_up: bool,
        running: bool,
    },
    Copy {
        from: u8,
        to: u8,
    },
    Delete {
        key: u8,
    },
    DeleteVersion {
        version: u8,
    },
    SetVersioning {
        enabled: bool,
    },
    CreateUpload {
        key: u8,
    },
    PutPart {
        upload: u8,
        number: u16,
        blobs: u8,
    },
    Complete {
        upload: u8,
        skip: u8,
    },
    Abort {
        upload: u8,
    },
    Expire,
    AddReplica {
        blob: u8,
        backend: u8,
    },
    Suspect {
        blob: u8,
        replica: u8,
    },
    Clear {
        blob: u8,
        replica: u8,
    },
    Remove {
        blob: u8,
        replica: u8,
    },
    GiveUp {
        blob: u8,
        backend: u8,
    },
    Release {
        row: u8,
        limit: u8,
    },
    Collect,
    Rotate,
    Reboot,
    Repeat {
        entry: u8,
    },
}

fn action() -> impl Strategy<Value = Action> {
    let n = any::<u8>;
    prop_oneof![
        8 => (n(), 1..4_u8, 1..3_u8, 1..4_u8, any::<bool>(), any::<bool>()).prop_map(
            |(key, blobs, copies, wanted, given_up, running)| {
                Action::Put { key, blobs, copies, wanted, given_up, running }
            }
        ),
        4 => (n(), n()).prop_map(|(from, to)| Action::Copy { from, to }),
        4 => n().prop_map(|key| Action::Delete { key }),
        4 => n().prop_map(|version| Action::DeleteVersion { version }),
        2 => any::<bool>().prop_map(|enabled| Action::SetVersioning { enabled }),
        2 => n().prop_map(|key| Action::CreateUpload { key }),
        5 => (n(), 1..5_u16, 1..12_u8)
            .prop_map(|(upload, number, blobs)| Action::PutPart { upload, number, blobs }),
        3 => (n(), n()).prop_map(|(upload, skip)| Action::Complete { upload, skip }),
        1 => n().prop_map(|upload| Action::Abort { upload }),
        1 => Just(Action::Expire),
        3 => (n(), n()).prop_map(|(blob, backend)| Action::AddReplica { blob, backend }),
        3 => (n(), n()).prop_map(|(blob, replica)| Action::Suspect { blob, replica }),
        2 => (n(), n()).prop_map(|(blob, replica)| Action::Clear { blob, replica }),
        3 => (n(), n()).prop_map(|(blob, replica)| Action::Remove { blob, replica }),
        1 => (n(), n()).prop_map(|(blob, backend)| Action::GiveUp { blob, backend }),
        5 => (n(), 1..20_u8).prop_map(|(row, limit)| Action::Release { row, limit }),
        1 => Just(Action::Collect),
        1 => Just(Action::Rotate),
        1 => Just(Action::Reboot),
        3 => n().prop_map(|entry| Action::Repeat { entry }),
    ]
}

fn pick<T: Clone>(list: &[T], choice: u8) -> Option<T> {
    let place = usize::from(choice).checked_rem(list.len())?;
    list.get(place).cloned()
}

const KEYS: [&str; 3] = ["a", "a/b", "c"];

struct History {
    machine: Machine,
    boot: u64,
    attempts: u32,
}

impl History {
    fn new() -> Self {
        History {
            machine: Machine::ready(),
            boot: 1,
            attempts: 0,
        }
    }

    fn world(&self) -> World {
        World::read(&self.machine.tables).unwrap()
    }

    fn key(&self, choice: u8) -> &'static str {
        pick(&KEYS, choice).unwrap()
    }

    fn next_attempt(&mut self) -> u32 {
        self.attempts += 1;
        1000 + self.attempts
    }

    fn blob(&self, choice: u8) -> Option<BlobId> {
        let blobs: Vec<_> = self.world().blobs.keys().map(|key| key.blob).collect();
        pick(&blobs, choice)
    }

    fn replica(&self, blob: u8, choice: u8) -> Option<(BlobId, AttemptAddress)> {
        let blob = self.blob(blob)?;
        let replicas = self.machine.blob(blob)?.replicas;
        pick(&replicas, choice).map(|replica| (blob, replica.address()))
    }

    fn upload(&self, choice: u8) -> Option<UploadTarget> {
        let world = self.world();
        let open = world.uploads.keys().map(|row| UploadTarget {
            bucket: row.bucket,
            key: row.key.clone(),
            upload: row.upload,
        });
        let done = world.completions.iter().map(|(row, completion)| UploadTarget {
            bucket: completion.bucket,
            key: completion.key.clone(),
            upload: row.upload,
        });
        pick(&open.chain(done).collect::<Vec<_>>(), choice)
    }

    fn act(&mut self, action: Action) {
        let command = match self.command(action) {
            Some(command) => command,
            None => return,
        };
        let outcome = self.machine.command(command);
        assert!(!matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
    }

    /// The command of an action, where there is something to act upon; some actions are more than one.
    fn command(&mut self, action: Action) -> Option<Command> {
        let bucket = self.machine.bucket;
        Some(match action {
            Action::Put {
                key,
                blobs,
                copies,
                wanted,
                given_up,
                running,
            } => {
                let backends: &[u32] = if copies == 1 {
                    &[1 + u32::from(key % 2)]
                } else {
                    &[1, 2]
                };
                let blobs: Vec<_> = (0..blobs)
                    .map(|size| self.machine.new_blob(u64::from(size), backends))
                    .collect();
                let (first, epoch) = (blobs[0].blob, self.machine.session.epoch);
                let mut written = written_of(blobs);
                written.wanted = u32::from(wanted);
                if given_up {
                    written.given_up = vec![attempt(first, 2, epoch, self.next_attempt())];
                }
                if running {
                    written.running = vec![attempt(first, 2, epoch, self.next_attempt())];
                }
                Command::CommitObject(Box::new(self.machine.commit(self.key(key), written)))
            }
            Action::Copy { from, to } => {
                let world = self.world();
                let source = self.key(from);
                let versions: Vec<_> = world.objects().map(|(_, object)| object.clone()).collect();
                let object = pick(&versions, from)?;
                let mut new = new_object(object.size);
                new.etag = object.etag;
                Command::CopyReference(Box::new(CopyReference {
                    bucket,
                    source: key(source),
                    source_version: object.version,
                    source_conditions: None,
                    key: key(self.key(to)),
                    object: new,
                    conditions: None,
                }))
            }
            Action::Delete { key } => {
                self.machine.delete(self.key(key), None);
                return None;
            }
            Action::DeleteVersion { version } => {
                let world = self.world();
                let current = world.current.iter();
                let current = current
                    .map(|(row, object)| (row.key.clone(), VersionName::of(object.version, object.is_null)));
                let others = world.versions.iter();
                let others = others
                    .map(|(row, entry)| (row.key.clone(), VersionName::of(entry.version(), entry.is_null())));
                let (key, name) = pick(&current.chain(others).collect::<Vec<_>>(), version)?;
                self.machine.delete(key.as_str(), Some(name));
                return None;
            }
            Action::SetVersioning { enabled } => {
                let versioning = if enabled {
                    Versioning::Enabled
                } else {
                    Versioning::Suspended
                };
                self.machine.set_versioning(versioning);
                return None;
            }
            Action::CreateUpload { key } => {
                self.machine.create_upload(self.key(key));
                return None;
            }
            Action::PutPart {
                upload,
                number,
                blobs,
            } => {
                let target = self.upload(upload)?;
                let mut part = self.machine.part(&target, number, 5 * MIB);
                part.written = written_of((0..blobs).map(|_| self.machine.new_blob(MIB, &[1, 2])).collect());
                part.size = u64::from(blobs) * MIB;
                Command::CommitPart(Box::new(part))
            }
            Action::Complete { upload, skip } => {
                let target = self.upload(upload)?;
                let parts = queries::list_parts(&self.machine.tables, target.upload, None, 100).unwrap();
                let numbers = parts.iter().map(|(number, _)| number.get());
                let numbers: Vec<_> = numbers.filter(|number| skip & (1 << number) == 0).collect();
                Command::CompleteUpload(Box::new(self.machine.complete(&target, &numbers)))
            }
            Action::Abort { upload } => Command::AbortUpload(AbortUpload {
                target: self.upload(upload)?,
            }),
            Action::Expire => {
                self.machine.now = self.machine.now.plus_millis(COMPLETION_KEPT_MILLIS / 2);
                Command::ExpireCompletions(ExpireCompletions { limit: 1 })
            }
            Action::AddReplica { blob, backend } => {
                let blob = self.blob(blob)?;
                let content = self.machine.blob(blob)?.content;
                let stored = content.map_or(1, |content| content.stored);
                let number = self.next_attempt();
                let replica = replica(1 + u32::from(backend % 2), self.machine.session.epoch, number);
                Command::AddReplica(AddReplica {
                    blob,
                    replica,
                    stored,
                })
            }
            Action::Suspect { blob, replica } => {
                let (blob, address) = self.replica(blob, replica)?;
                Command::MarkSuspect(MarkSuspect { blob, address })
            }
            Action::Clear { blob, replica } => {
                let (blob, address) = self.replica(blob, replica)?;
                Command::ClearSuspect(ClearSuspect { blob, address })
            }
            Action::Remove { blob, replica } => {
                let (blob, address) = self.replica(blob, replica)?;
                Command::RemoveReplica(RemoveReplica {
                    blob,
                    address,
                    keep: 1,
                })
            }
            Action::GiveUp { blob, backend } => {
                let blob = self.blob(blob).unwrap_or(BlobId([0xee; 16]));
                let number = self.next_attempt();
                let attempt = attempt(
                    blob,
                    1 + u32::from(backend % 2),
                    self.machine.session.epoch,
                    number,
                );
                Command::GiveUpAttempts(GiveUpAttempts {
                    attempts: vec![attempt],
                })
            }
            Action::Release { row, limit } => {
                let (row, record) = pick(&self.machine.releases(), row)?;
                Command::Release(Release {
                    row,
                    after: record.after,
                    limit: u32::from(limit),
                })
            }
            Action::Collect => {
                self.machine.collect();
                return None;
            }
            Action::Rotate => {
                let old = self.machine.session.epoch;
                let mut session = self.machine.session.clone();
                session.epoch = self.machine.open_epoch(&mut session);
                self.machine.session = session;
                let used = vec![BackendId(1), BackendId(2)];
                self.machine
                    .done(Command::CloseEpoch(CloseEpoch { epoch: old, used }));
                Command::SealEpoch(SealEpoch { epoch: old })
            }
            Action::Reboot => {
                self.boot += 1;
                self.machine.session = self.machine.open_session(1, self.boot);
                return None;
            }
            Action::Repeat { entry } => {
                self.repeat(entry);
                return None;
            }
        })
    }

    /// An entry of the past arrives once more: nothing changes.
    fn repeat(&mut self, entry: u8) {
        let numbered: Vec<_> = self
            .machine
            .log
            .iter()
            .map(|(_, envelope)| envelope.clone())
            .collect();
        let Some(envelope) = pick(&numbered, entry) else {
            return;
        };
        let envelope = <raft_types::Envelope as raft_types::Record>::decode(envelope).unwrap();
        let before = self.machine.tables.clone();
        self.machine.apply(&envelope).unwrap();
        assert!(
            self.machine.tables == before,
            "a repetition changed the state: {envelope:?}"
        );
    }

    /// Deletes everything, sweeps everything, and finds nothing.
    fn end(&mut self) {
        for row in self.world().uploads.into_keys() {
            let target = UploadTarget {
                bucket: row.bucket,
                key: row.key,
                upload: row.upload,
            };
            self.machine.done(Command::AbortUpload(AbortUpload { target }));
        }
        loop {
            let world = self.world();
            let current = world.current.into_iter();
            let current =
                current.map(|(row, object)| (row.key, VersionName::of(object.version, object.is_null)));
            let others = world.versions.into_iter();
            let others =
                others.map(|(row, entry)| (row.key, VersionName::of(entry.version(), entry.is_null())));
            let Some((key, name)) = current.chain(others).next() else {
                break;
            };
            self.machine.delete(key.as_str(), Some(name));
        }
        self.boot += 1;
        self.machine.session = self.machine.open_session(1, self.boot);
        self.machine.release_all(7);
        self.machine.collect();
        let own = self.machine.session.epoch;
        let old: Vec<EpochId> = self
            .world()
            .epochs
            .into_keys()
            .map(|row| row.epoch)
            .filter(|epoch| *epoch != own)
            .collect();
        for epoch in old {
            let record = queries::epoch(&self.machine.tables, epoch).unwrap().unwrap();
            let targets = queries::sweep_targets(&self.machine.tables, &record).unwrap();
            let marks = targets.into_iter().map(|(backend, _)| SweepMark {
                backend,
                pass: raft_types::records::SweepPass::Final,
            });
            self.machine.done(Command::RecordSweep(RecordSweep {
                epoch,
                sweeps: marks.collect(),
            }));
        }
        let rows = queries::state_digest(&self.machine.tables).unwrap().rows;
        let empty = [
            Table::Current,
            Table::Versions,
            Table::NullVersions,
            Table::Blobs,
            Table::Manifests,
            Table::Uploads,
            Table::Parts,
            Table::Work,
            Table::Garbage,
            Table::Release,
            Table::Wraps,
        ];
        for table in empty {
            assert_eq!(rows.get(&table), None, "{table:?} is not empty");
        }
        assert_eq!(
            (rows.get(&Table::Sessions), rows.get(&Table::Epochs)),
            (Some(&1), Some(&1))
        );
        let counters = queries::bucket_counters(&self.machine.tables, self.machine.bucket).unwrap();
        assert_eq!(counters, raft_types::records::BucketCounters::default());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn invariants_hold_after_every_command_and_in_the_end_nothing_is_left(
        actions in proptest::collection::vec(action(), 1..70),
    ) {
        let mut history = History::new();
        for action in actions {
            history.act(action);
        }
        prop_assert_eq!(history.machine.incidents(), 0);
        history.end();
    }
}

#[test]
fn a_refusal_is_told_apart_from_a_rejection() {
    let mut history = History::new();
    let old = history.machine.session.clone();
    history.act(Action::Reboot);
    let mut sealed = old;
    let outcome = history.machine.send(
        &mut sealed,
        Command::ExpireCompletions(ExpireCompletions { limit: 1 }),
    );
    assert_eq!(outcome, Outcome::Refused(Refusal::SessionSealed));
}
