//! Buckets, objects and uploads.

use raft_types::checksum::{ChecksumAlgorithm, ChecksumScope};
use raft_types::commands::{
    AbortUpload, Command, CommitObject, CopyReference, CreateUpload, DeleteBucket, DeleteObjects,
    DeleteTarget, ExpireCompletions, OrderStamp, SetVersioning, UploadTarget,
};
use raft_types::records::{ObjectRecord, VersionName, Versioning};
use raft_types::{BackendId, BucketId, ETag, IncarnationCounter, ObjectKey, SessionId, UploadId, VersionId};

use super::action::{Action, BUCKETS};
use super::choice::some_key;
use super::dice::Dice;
use super::history::{History, create_bucket};
use super::written::some_object;

impl History {
    /// A command of one of these kinds, where there is something that it can happen to.
    pub(super) fn object_command(
        &mut self,
        action: Action,
        session: SessionId,
        dice: &mut Dice,
    ) -> Option<Command> {
        Some(match action {
            Action::Put => {
                let (bucket, key) = (self.some_bucket(dice), some_key(dice));
                let written = self.some_written(session, bucket, dice);
                let mut object = some_object(written.size()?, dice);
                object.size += u64::from(dice.once_in(60));
                let late = u64::from(dice.once_in(60));
                let order = OrderStamp {
                    incarnation: IncarnationCounter(1 + u32::from(dice.once_in(60))),
                    read_index: self.at.index - 1 + late,
                    time: self.at.now,
                };
                let conditions = self.some_conditions(bucket, &key, dice);
                let command = CommitObject {
                    bucket,
                    key,
                    written,
                    object,
                    conditions,
                    order,
                };
                Command::CommitObject(Box::new(command))
            }
            Action::Copy => {
                let objects = self.model.objects();
                let objects: Vec<(BucketId, ObjectKey, ObjectRecord)> = objects
                    .map(|(bucket, key, object)| (bucket, key.clone(), object.clone()))
                    .collect();
                let (bucket, source, object) = dice.pick(&objects)?;
                let key = if dice.once_in(3) {
                    source.clone()
                } else {
                    some_key(dice)
                };
                let source = if dice.once_in(12) { some_key(dice) } else { source };
                let mut new = some_object(object.size, dice);
                new.etag = if dice.once_in(24) {
                    ETag::of_whole([8; 16])
                } else {
                    object.etag
                };
                let command = CopyReference {
                    bucket: if dice.once_in(24) {
                        self.some_bucket(dice)
                    } else {
                        bucket
                    },
                    source_conditions: self.some_conditions(bucket, &source, dice),
                    source,
                    source_version: object.version,
                    conditions: self.some_conditions(bucket, &key, dice),
                    key,
                    object: new,
                };
                Command::CopyReference(Box::new(command))
            }
            Action::Delete => {
                let bucket = self.some_bucket(dice);
                let count = dice.one(&[1, 1, 2, 4, 0]);
                let mut targets = Vec::new();
                for _ in 0..count {
                    let key = some_key(dice);
                    let conditions = self.some_conditions(bucket, &key, dice);
                    targets.push(DeleteTarget {
                        key,
                        version: None,
                        conditions,
                    });
                }
                let owner = dice.once_in(3).then(|| "bob".parse().unwrap());
                Command::DeleteObjects(DeleteObjects {
                    bucket,
                    targets,
                    owner,
                })
            }
            Action::DeleteVersion => {
                let bucket = self.some_bucket(dice);
                let versions = self.versions(bucket);
                let mut targets = Vec::new();
                for _ in 0..dice.one(&[1, 1, 2, 5]) {
                    let (key, name) = dice.pick(&versions)?;
                    let stray = VersionId {
                        incarnation: IncarnationCounter(1),
                        index: 5,
                        position: 0,
                    };
                    let name = match dice.below(8) {
                        5 => VersionName::Null,
                        6 => VersionName::Id(stray),
                        // As clients must not name a null version.
                        7 => VersionName::Id(self.version_id(bucket, &key)?),
                        _ => name,
                    };
                    let conditions = self.some_conditions(bucket, &key, dice);
                    targets.push(DeleteTarget {
                        key,
                        version: Some(name),
                        conditions,
                    });
                }
                Command::DeleteObjects(DeleteObjects {
                    bucket,
                    targets,
                    owner: None,
                })
            }
            Action::SetVersioning => {
                let versioning = dice.one(&[
                    Versioning::Enabled,
                    Versioning::Suspended,
                    Versioning::Enabled,
                    Versioning::Suspended,
                    Versioning::Off,
                ]);
                Command::SetVersioning(SetVersioning {
                    bucket: self.some_bucket(dice),
                    versioning,
                })
            }
            Action::CreateUpload => {
                let mut upload = [9; 16];
                upload[8..].copy_from_slice(&self.draw().to_be_bytes());
                let fresh = UploadTarget {
                    bucket: self.some_bucket(dice),
                    key: some_key(dice),
                    upload: UploadId(upload),
                };
                let known = dice.pick(&self.targets).filter(|_| dice.once_in(8));
                let target = known.unwrap_or(fresh);
                if !self.targets.contains(&target) {
                    self.targets.push(target.clone());
                }
                let object = some_object(0, dice);
                let command = CreateUpload {
                    target,
                    owner: object.owner,
                    headers: object.headers,
                    metadata: object.metadata,
                    storage_class: object.storage_class,
                    algorithm: dice.pick(&[None, Some(ChecksumAlgorithm::Crc32c)])?,
                    scope: dice.one(&[ChecksumScope::Full, ChecksumScope::Composite]),
                    backends: vec![BackendId(1)],
                };
                Command::CreateUpload(Box::new(command))
            }
            Action::PutPart => {
                let target = self.some_target(dice)?;
                Command::CommitPart(Box::new(self.some_part(session, target, dice)?))
            }
            Action::Complete => {
                let target = self.some_target(dice)?;
                Command::CompleteUpload(Box::new(self.complete_of(target, dice)?))
            }
            Action::Abort => Command::AbortUpload(AbortUpload {
                target: self.some_target(dice)?,
            }),
            Action::Expire => Command::ExpireCompletions(ExpireCompletions {
                limit: dice.one(&[1, 2, 100, 0]),
            }),
            Action::CreateBucket => create_bucket(dice.one(&BUCKETS)),
            Action::DeleteBucket => Command::DeleteBucket(DeleteBucket {
                bucket: self.some_bucket(dice),
            }),
            _ => return None,
        })
    }
}
