//! Bucket keys (H9).

use bytes::Bytes;
use raft_types::commands::{ActivateKey, ProveKey, PutBucketKey, RecordKeyring, Written};
use raft_types::records::{Sealing, Suite};
use raft_types::{BackendId, BucketId, Command, KeyVersion, Rejection};

use super::fixture::Machine;
use crate::queries;

fn put(bucket: BucketId, version: u32) -> Command {
    let wrapped = Bytes::from_static(b"wrapped");
    Command::PutBucketKey(PutBucketKey {
        bucket,
        version: KeyVersion(version),
        wrapped,
        master: "m".to_owned(),
    })
}

fn activate(bucket: BucketId, version: u32) -> Command {
    Command::ActivateKey(ActivateKey {
        bucket,
        version: KeyVersion(version),
    })
}

fn prove(bucket: BucketId, version: u32) -> Command {
    Command::ProveKey(ProveKey {
        bucket,
        version: KeyVersion(version),
    })
}

fn keyring(machine: &Machine) -> Command {
    let revision = queries::revision(&machine.tables, raft_types::keys::Table::Keys).unwrap();
    Command::RecordKeyring(RecordKeyring {
        revision,
        backends: vec![BackendId(1)],
    })
}

fn sealed(machine: &mut Machine, version: u32) -> Written {
    let mut written = machine.written(10);
    written.blobs[0].frame.suite = Suite::Aes256Gcm;
    written.blobs[0].frame.sealing = Some(Sealing {
        key_version: KeyVersion(version),
        wrapped: Bytes::from_static(&[1; 40]),
        commitment: Bytes::from_static(&[2; 32]),
    });
    written
}

#[test]
fn h9_a_key_wraps_nothing_until_the_keyring_holds_it_and_every_session_proved_it() {
    let mut machine = Machine::ready();
    let bucket = machine.bucket;
    machine.done(put(bucket, 1));
    let written = sealed(&mut machine, 1);
    let commit = machine.commit("key", written);
    let rejection = machine.rejection(Command::CommitObject(Box::new(commit)));
    assert_eq!(rejection, Rejection::NoSuchKeyVersion, "it is pending");
    assert_eq!(machine.rejection(activate(bucket, 1)), Rejection::KeyringBehind);
    let record = keyring(&machine);
    machine.done(record);
    let session = machine.session.id;
    assert_eq!(
        machine.rejection(activate(bucket, 1)),
        Rejection::SessionMissing(session)
    );
    machine.done(prove(bucket, 1));
    let mut other = machine.open_session(2, 1);
    assert_eq!(
        machine.rejection(activate(bucket, 1)),
        Rejection::SessionMissing(other.id)
    );
    machine.send(&mut other, prove(bucket, 1));
    machine.done(activate(bucket, 1));
    assert_eq!(machine.rejection(activate(bucket, 1)), Rejection::Changed);
    let written = sealed(&mut machine, 1);
    let commit = machine.commit("key", written);
    machine.committed(Command::CommitObject(Box::new(commit)));
    assert_eq!(
        queries::wrapped_blobs(&machine.tables, bucket, KeyVersion(1)).unwrap(),
        1
    );
    machine.delete("key", None);
    machine.collect();
    assert_eq!(
        queries::wrapped_blobs(&machine.tables, bucket, KeyVersion(1)).unwrap(),
        0
    );
}

/// A bucket whose first key is active.
fn encrypted() -> Machine {
    let mut machine = Machine::ready();
    let bucket = machine.bucket;
    machine.done(put(bucket, 1));
    let record = keyring(&machine);
    machine.done(record);
    machine.done(prove(bucket, 1));
    machine.done(activate(bucket, 1));
    machine
}

#[test]
fn a_bucket_with_a_key_takes_no_clear_blob_any_more() {
    let mut machine = encrypted();
    let written = machine.written(10);
    let commit = machine.commit("key", written);
    assert_eq!(
        machine.rejection(Command::CommitObject(Box::new(commit))),
        Rejection::Unsealed
    );
    let mut written = sealed(&mut machine, 1);
    written.blobs[0].frame.suite = Suite::Clear;
    let commit = machine.commit("key", written);
    assert!(matches!(
        machine.rejection(Command::CommitObject(Box::new(commit))),
        Rejection::Malformed(_)
    ));
    let mut written = sealed(&mut machine, 1);
    written.blobs[0].frame.sealing.as_mut().unwrap().wrapped = Bytes::new();
    let commit = machine.commit("key", written);
    assert!(matches!(
        machine.rejection(Command::CommitObject(Box::new(commit))),
        Rejection::Malformed(_)
    ));
    let target = machine.create_upload("key");
    let part = machine.part(&target, 1, 7);
    assert_eq!(
        machine.rejection(Command::CommitPart(Box::new(part))),
        Rejection::Unsealed
    );
}

#[test]
fn key_versions_follow_each_other_and_an_upload_may_finish_under_the_earlier_one() {
    let mut machine = encrypted();
    let bucket = machine.bucket;
    assert_eq!(machine.rejection(put(bucket, 1)), Rejection::Changed);
    assert_eq!(machine.rejection(put(bucket, 3)), Rejection::Changed);
    machine.done(put(bucket, 2));
    let record = keyring(&machine);
    machine.done(record);
    machine.done(prove(bucket, 2));
    machine.done(activate(bucket, 2));
    assert_eq!(
        queries::bucket(&machine.tables, bucket)
            .unwrap()
            .unwrap()
            .key_version,
        Some(KeyVersion(2))
    );
    for version in [1, 2] {
        let written = sealed(&mut machine, version);
        let commit = machine.commit("key", written);
        machine.committed(Command::CommitObject(Box::new(commit)));
    }
}

#[test]
fn a_keyring_of_another_revision_than_any_that_was_is_refused() {
    let mut machine = Machine::ready();
    let bucket = machine.bucket;
    machine.done(put(bucket, 1));
    let old = keyring(&machine);
    let other = machine.create_bucket("other");
    machine.done(put(other, 1));
    let new = keyring(&machine);
    machine.done(new);
    assert_eq!(
        machine.rejection(old),
        Rejection::Changed,
        "an older one must not stand as the newest"
    );
    let future = RecordKeyring {
        revision: u64::MAX,
        backends: vec![BackendId(1)],
    };
    assert_eq!(
        machine.rejection(Command::RecordKeyring(future)),
        Rejection::Changed
    );
}

#[test]
fn deleting_a_bucket_destroys_its_keys() {
    let mut machine = encrypted();
    let bucket = machine.bucket;
    machine.done(Command::DeleteBucket(raft_types::commands::DeleteBucket {
        bucket,
    }));
    assert!(
        queries::bucket_keys(&machine.tables, Some(bucket))
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        queries::revision(&machine.tables, raft_types::keys::Table::Keys).unwrap(),
        machine.index
    );
}

#[test]
fn c5_a_bucket_of_many_key_versions_is_deleted_and_the_rest_of_them_released() {
    let mut machine = Machine::ready();
    let bucket = machine.bucket;
    for version in 1..=300 {
        machine.done(put(bucket, version));
    }
    machine.done(Command::DeleteBucket(raft_types::commands::DeleteBucket {
        bucket,
    }));
    assert_eq!(
        queries::bucket_keys(&machine.tables, Some(bucket)).unwrap().len(),
        300 - 256
    );
    assert_eq!(machine.release_all(20), 3);
    assert!(
        queries::bucket_keys(&machine.tables, Some(bucket))
            .unwrap()
            .is_empty()
    );
}

/// What nodes cache of the keys is valid at an equal revision (H11), and it includes which key is active.
#[test]
fn h11_the_revision_of_the_keys_moves_with_every_change_of_one() {
    let mut machine = Machine::ready();
    let bucket = machine.bucket;
    let revision =
        |machine: &Machine| queries::revision(&machine.tables, raft_types::keys::Table::Keys).unwrap();
    machine.done(put(bucket, 1));
    assert_eq!(revision(&machine), machine.index, "put");
    machine.done(prove(bucket, 1));
    assert_eq!(revision(&machine), machine.index, "proved");
    machine.done(prove(bucket, 1));
    assert!(revision(&machine) < machine.index, "proved before");
    let record = keyring(&machine);
    machine.done(record);
    assert!(revision(&machine) < machine.index, "a keyring is no key");
    machine.done(activate(bucket, 1));
    assert_eq!(revision(&machine), machine.index, "activated");
}
