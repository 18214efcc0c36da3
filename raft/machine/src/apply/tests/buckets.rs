//! Buckets (M7).

use raft_types::commands::{CreateBucket, DeleteBucket};
use raft_types::records::{VersionName, Versioning};
use raft_types::{BucketId, Command, DeleteResult, Rejection};

use super::fixture::Machine;
use crate::queries;

fn delete(bucket: BucketId) -> Command {
    Command::DeleteBucket(DeleteBucket { bucket })
}

#[test]
fn m7_a_commit_never_lands_in_a_later_bucket_of_the_same_name() {
    let mut machine = Machine::ready();
    let written = machine.written(10);
    let late = machine.commit("key", written);
    let old = machine.bucket;
    machine.done(delete(old));
    machine.bucket = machine.create_bucket("bucket");
    assert!(machine.bucket > old);
    let rejection = machine.rejection(Command::CommitObject(Box::new(late)));
    assert_eq!(rejection, Rejection::NoSuchBucket);
    assert!(machine.current("key").is_none());
    assert_eq!(machine.garbage(1).len(), 1);
}

#[test]
fn a_name_is_taken_while_its_bucket_stands() {
    let mut machine = Machine::ready();
    let create = CreateBucket {
        name: "bucket".parse().unwrap(),
        owner: "bob".parse().unwrap(),
    };
    let rejection = machine.rejection(Command::CreateBucket(create));
    assert_eq!(rejection, Rejection::BucketExists("alice".parse().unwrap()));
}

#[test]
fn a_bucket_with_a_version_or_only_a_delete_marker_is_not_empty() {
    let mut machine = Machine::with_versioning(Versioning::Enabled);
    let bucket = machine.bucket;
    let (_, put) = machine.put("key");
    assert_eq!(machine.rejection(delete(bucket)), Rejection::BucketNotEmpty);
    let DeleteResult::Gone(gone) = machine.delete("key", None) else {
        panic!("not deleted");
    };
    machine.delete("key", Some(VersionName::Id(put.version)));
    assert_eq!(machine.rejection(delete(bucket)), Rejection::BucketNotEmpty);
    machine.delete("key", gone.marker);
    machine.done(delete(bucket));
    assert_eq!(machine.rejection(delete(bucket)), Rejection::NoSuchBucket);
}

#[test]
fn open_uploads_do_not_keep_a_bucket_and_are_released() {
    let mut machine = Machine::ready();
    let targets: Vec<_> = (0..3).map(|_| machine.create_upload("key")).collect();
    for target in &targets[..2] {
        machine.put_part(target, 1, 7);
    }
    machine.done(delete(machine.bucket));
    let late = machine.part(&targets[0], 2, 7);
    assert_eq!(
        machine.rejection(Command::CommitPart(Box::new(late))),
        Rejection::NoSuchBucket
    );
    machine.release_all(1);
    machine.collect();
    let rows = queries::state_digest(&machine.tables).unwrap().rows;
    for table in [
        raft_types::keys::Table::Uploads,
        raft_types::keys::Table::Parts,
        raft_types::keys::Table::Blobs,
    ] {
        assert_eq!(rows.get(&table), None, "{table:?}");
    }
}

#[test]
fn buckets_are_listed_by_name() {
    let mut machine = Machine::ready();
    for name in ["zebra", "ant", "bee"] {
        machine.create_bucket(name);
    }
    let names = |after: Option<&str>, limit| {
        let after = after.map(|name| name.parse().unwrap());
        let found = queries::buckets_after(&machine.tables, after.as_ref(), limit).unwrap();
        found
            .into_iter()
            .map(|(_, record)| record.name.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(None, 10), ["ant", "bee", "bucket", "zebra"]);
    assert_eq!(names(Some("bee"), 1), ["bucket"]);
}

#[test]
fn h11_a_change_of_buckets_raises_the_revision_of_their_table_only() {
    let mut machine = Machine::ready();
    let revision = |machine: &Machine, table| queries::revision(&machine.tables, table).unwrap();
    let backends = revision(&machine, raft_types::keys::Table::Backends);
    machine.put("key");
    assert!(revision(&machine, raft_types::keys::Table::Buckets) < machine.index);
    machine.set_versioning(Versioning::Enabled);
    assert_eq!(
        revision(&machine, raft_types::keys::Table::Buckets),
        machine.index
    );
    assert_eq!(revision(&machine, raft_types::keys::Table::Backends), backends);
}
