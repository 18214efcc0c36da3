//! Writing and deleting objects.

use bytes::Bytes;
use raft_types::commands::{Conditions, ETagCondition, ETags};
use raft_types::records::{Content, DeathCause, MetadataPair, ReleaseSubject, WorkKind};
use raft_types::{BucketId, Command, DeleteResult, ETag, EpochId, Gone, Outcome, Rejection, limits};

use super::fixture::{Machine, attempt, key, replica, written_of};
use crate::queries;

fn commit(machine: &mut Machine, commit: raft_types::commands::CommitObject) -> Outcome {
    machine.command(Command::CommitObject(Box::new(commit)))
}

#[test]
fn a_put_becomes_current_and_is_counted() {
    let mut machine = Machine::ready();
    let (blob, committed) = machine.put("key");
    let object = machine.current("key").unwrap();
    assert_eq!(object.content, Content::Blob(blob));
    assert_eq!((object.version, object.is_null), (committed.version, true));
    let counters = queries::bucket_counters(&machine.tables, machine.bucket).unwrap();
    assert_eq!((counters.objects, counters.bytes, counters.versions), (1, 10, 0));
    let backend = queries::backend_counters(&machine.tables, raft_types::BackendId(1)).unwrap();
    assert_eq!((backend.replicas, backend.stored_bytes), (1, 110));
}

#[test]
fn an_overwrite_moves_the_old_bytes_to_garbage_and_a_delete_the_new_ones() {
    let mut machine = Machine::ready();
    let (old, _) = machine.put("key");
    let (new, _) = machine.put("key");
    let garbage = machine.garbage(1);
    assert_eq!(garbage.len(), 1);
    assert_eq!(
        (garbage[0].0.blob, garbage[0].1.cause),
        (old, DeathCause::Unreferenced)
    );
    assert_eq!(garbage[0].0.died, machine.index);
    let gone = machine.delete("key", None);
    assert_eq!(
        gone,
        DeleteResult::Gone(Gone {
            removed: None,
            removed_marker: false,
            marker: None
        })
    );
    assert_eq!(machine.garbage(2).len(), 2);
    machine.collect();
    assert!(machine.blob(old).is_none() && machine.blob(new).is_none());
    let backend = queries::backend_counters(&machine.tables, raft_types::BackendId(2)).unwrap();
    assert_eq!(backend, raft_types::records::BackendCounters::default());
}

#[test]
fn put_with_if_none_match_loses_to_earlier_commit() {
    let mut machine = Machine::ready();
    let condition = Conditions {
        if_none_match: Some(ETagCondition::Any),
        ..Conditions::default()
    };
    let mut outcomes = Vec::new();
    for _ in 0..3 {
        let written = machine.written(10);
        let mut put = machine.commit("key", written);
        put.conditions = Some(condition.clone());
        outcomes.push(commit(&mut machine, put));
    }
    assert!(matches!(outcomes[0], Outcome::Committed(_)));
    let failed = Outcome::Rejected(Rejection::PreconditionFailed);
    assert_eq!(outcomes[1..], [failed.clone(), failed]);
}

#[test]
fn put_with_if_match_needs_the_version_that_was_read() {
    let mut machine = Machine::ready();
    let matching = |etag| {
        let etags = ETags { etags: vec![etag] };
        Some(Conditions {
            if_match: Some(ETagCondition::OneOf(etags)),
            ..Conditions::default()
        })
    };
    let current = ETag::of_whole([3; 16]);
    let written = machine.written(10);
    let mut put = machine.commit("key", written);
    put.conditions = matching(current);
    assert_eq!(commit(&mut machine, put), Outcome::Rejected(Rejection::NoSuchKey));
    machine.put("key");
    let written = machine.written(10);
    let mut put = machine.commit("key", written);
    put.conditions = matching(ETag::of_whole([4; 16]));
    assert_eq!(
        commit(&mut machine, put),
        Outcome::Rejected(Rejection::PreconditionFailed)
    );
    let written = machine.written(10);
    let mut put = machine.commit("key", written);
    put.conditions = matching(current);
    assert!(matches!(commit(&mut machine, put), Outcome::Committed(_)));
}

#[test]
fn a_body_of_several_blobs_is_listed_inline_and_released_as_a_whole() {
    let mut machine = Machine::ready();
    let blobs = vec![
        machine.new_blob(10, &[1]),
        machine.new_blob(20, &[2]),
        machine.new_blob(5, &[1, 2]),
    ];
    let put = machine.commit("key", written_of(blobs));
    assert!(matches!(commit(&mut machine, put), Outcome::Committed(_)));
    let object = machine.current("key").unwrap();
    assert_eq!(object.size, 35);
    let spans = queries::resolve(&machine.tables, &object.content, 35, 10..31, 10).unwrap();
    assert_eq!(
        spans
            .iter()
            .map(|span| (span.start, span.length))
            .collect::<Vec<_>>(),
        [(10, 20), (30, 5)]
    );
    machine.delete("key", None);
    assert!(machine.garbage(1).is_empty());
    assert!(matches!(
        machine.releases()[0].1.subject,
        ReleaseSubject::Blobs(_)
    ));
    let died = machine.index;
    assert_eq!(machine.release_all(2), 2);
    assert_eq!(machine.garbage(1).len(), 2);
    assert!(
        machine.garbage(1).iter().all(|(key, _)| key.died == died),
        "they died with the object"
    );
    machine.collect();
    assert_eq!(
        queries::state_digest(&machine.tables)
            .unwrap()
            .rows
            .get(&raft_types::keys::Table::Blobs),
        None
    );
}

#[test]
fn attempts_given_up_enter_garbage_with_the_commit_and_never_twice() {
    let mut machine = Machine::ready();
    let epoch = machine.session.epoch;
    let mut written = machine.written(10);
    let blob = written.blobs[0].blob;
    let other = machine.blob_id();
    written.given_up = vec![
        attempt(blob, 1, epoch, 7),
        attempt(other, 2, epoch, 8),
        attempt(blob, 1, epoch, 7),
    ];
    let put = machine.commit("key", written);
    assert!(matches!(commit(&mut machine, put), Outcome::Committed(_)));
    assert_eq!((machine.garbage(1).len(), machine.garbage(2).len()), (1, 1));
    assert_eq!(machine.garbage(1)[0].1.cause, DeathCause::GivenUp);
    machine.collect();
    assert_eq!(machine.blob(other), None);
    assert_eq!(
        machine.blob(blob).unwrap().replicas.len(),
        2,
        "the live replicas stay"
    );
}

#[test]
fn an_attempt_given_up_before_the_commit_of_its_blob_does_not_hinder_it() {
    let mut machine = Machine::ready();
    let epoch = machine.session.epoch;
    let written = machine.written(10);
    let blob = written.blobs[0].blob;
    let give_up = raft_types::commands::GiveUpAttempts {
        attempts: vec![attempt(blob, 1, epoch, 9)],
    };
    machine.done(Command::GiveUpAttempts(give_up));
    let put = machine.commit("key", written);
    assert!(matches!(commit(&mut machine, put), Outcome::Committed(_)));
    assert_eq!(machine.blob(blob).unwrap().replicas.len(), 3);
}

#[test]
fn an_attempt_that_is_in_garbage_can_never_be_committed() {
    let mut machine = Machine::ready();
    let epoch = machine.session.epoch;
    let written = machine.written(10);
    let blob = written.blobs[0].blob;
    let give_up = raft_types::commands::GiveUpAttempts {
        attempts: vec![attempt(blob, 1, epoch, 0)],
    };
    machine.done(Command::GiveUpAttempts(give_up));
    let put = machine.commit("key", written);
    assert_eq!(
        commit(&mut machine, put),
        Outcome::Rejected(Rejection::NoSuchReplica)
    );
    assert_eq!(machine.garbage(1).len(), 1);
    assert_eq!(machine.garbage(2).len(), 1);
}

#[test]
fn a_blob_is_committed_once() {
    let mut machine = Machine::ready();
    let written = machine.written(10);
    let blob = written.blobs[0].blob;
    let put = machine.commit("key", written.clone());
    assert!(matches!(commit(&mut machine, put), Outcome::Committed(_)));
    let mut again = written;
    again.blobs[0].replicas = vec![replica(1, machine.session.epoch, 4)];
    let put = machine.commit("other", again);
    assert_eq!(
        commit(&mut machine, put),
        Outcome::Rejected(Rejection::BlobExists(blob))
    );
    assert!(machine.current("other").is_none());
    assert_eq!(machine.garbage(1).len(), 1, "the attempt of the second try");
}

#[test]
fn missing_copies_become_work_that_ends_with_the_last_one() {
    let mut machine = Machine::ready();
    let epoch = machine.session.epoch;
    let mut written = written_of(vec![machine.new_blob(10, &[1])]);
    let blob = written.blobs[0].blob;
    written.wanted = 2;
    written.running = vec![attempt(blob, 2, epoch, 3)];
    let put = machine.commit("key", written);
    assert!(matches!(commit(&mut machine, put), Outcome::Committed(_)));
    let work = queries::work(&machine.tables, WorkKind::Missing, None, 10).unwrap();
    assert_eq!((work.len(), work[0].1.wanted), (1, 2));
    assert_eq!(work[0].1.pending[0].session, machine.session.id);
    let add = raft_types::commands::AddReplica {
        blob,
        replica: replica(2, epoch, 3),
        stored: 110,
    };
    machine.done(Command::AddReplica(add));
    assert!(
        queries::work(&machine.tables, WorkKind::Missing, None, 10)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn a_running_attempt_that_is_given_up_leaves_the_work_to_repair() {
    let mut machine = Machine::ready();
    let epoch = machine.session.epoch;
    let mut written = written_of(vec![machine.new_blob(10, &[1])]);
    let blob = written.blobs[0].blob;
    written.wanted = 2;
    written.running = vec![attempt(blob, 2, epoch, 3)];
    let put = machine.commit("key", written);
    assert!(matches!(commit(&mut machine, put), Outcome::Committed(_)));
    let give_up = raft_types::commands::GiveUpAttempts {
        attempts: vec![attempt(blob, 2, epoch, 3)],
    };
    machine.done(Command::GiveUpAttempts(give_up));
    let work = queries::work(&machine.tables, WorkKind::Missing, None, 10).unwrap();
    assert_eq!((work.len(), work[0].1.pending.len()), (1, 0));
    machine.delete("key", None);
    assert_eq!(machine.releases().len(), 1, "a blob with work dies in a release");
    machine.release_all(10);
    assert!(
        queries::work(&machine.tables, WorkKind::Missing, None, 10)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn c5_a_malformed_commit_is_rejected_and_its_attempts_are_handed_over() {
    type Spoil = fn(&mut raft_types::commands::CommitObject);
    let spoils: [(&str, Spoil); 9] = [
        ("size", |commit| commit.object.size += 1),
        ("no blobs", |commit| commit.written.blobs.clear()),
        ("twice", |commit| {
            let blob = commit.written.blobs[0].clone();
            commit.object.size += blob.size;
            commit.written.blobs.push(blob);
        }),
        ("too long", |commit| {
            commit.written.blobs[0].size = limits::BLOB_SIZE + 1;
            commit.object.size = limits::BLOB_SIZE + 1;
        }),
        ("no copy", |commit| commit.written.blobs[0].replicas.clear()),
        ("one backend", |commit| {
            commit.written.blobs[0].replicas[1].backend = commit.written.blobs[0].replicas[0].backend;
        }),
        ("nothing wanted", |commit| commit.written.wanted = 0),
        ("chunk", |commit| commit.written.blobs[0].frame.chunk_log2 = 21),
        ("future", |commit| commit.order.read_index = u64::MAX),
    ];
    for (what, spoil) in spoils {
        let mut machine = Machine::ready();
        let written = machine.written(10);
        let mut put = machine.commit("key", written);
        spoil(&mut put);
        let named = put.written.attempts();
        let outcome = commit(&mut machine, put);
        assert!(
            matches!(outcome, Outcome::Rejected(Rejection::Malformed(_))),
            "{what}: {outcome:?}"
        );
        assert!(machine.current("key").is_none(), "{what}");
        let mut distinct: Vec<_> = named
            .iter()
            .map(|attempt| (attempt.blob, attempt.address))
            .collect();
        distinct.sort();
        distinct.dedup();
        assert_eq!(
            machine.garbage(1).len() + machine.garbage(2).len(),
            distinct.len(),
            "{what}"
        );
    }
}

#[test]
fn the_record_of_an_object_stays_below_its_bound() {
    let mut machine = Machine::ready();
    let written = machine.written(10);
    let mut put = machine.commit("key", written);
    put.object.metadata = vec![MetadataPair {
        name: "n".to_owned(),
        value: "v".repeat(limits::OBJECT_RECORD),
    }];
    assert_eq!(
        commit(&mut machine, put),
        Outcome::Rejected(Rejection::RecordTooLarge)
    );
    assert!(machine.current("key").is_none());
}

#[test]
fn c1_a_replica_of_an_unknown_or_foreign_epoch_is_refused() {
    let mut machine = Machine::ready();
    let other = machine.open_session(2, 1);
    for epoch in [EpochId(99), other.epoch] {
        let mut written = machine.written(10);
        written.blobs[0].replicas[0].epoch = epoch;
        let put = machine.commit("key", written);
        assert_eq!(
            commit(&mut machine, put),
            Outcome::Rejected(Rejection::EpochNotOpen(epoch))
        );
    }
    assert!(
        machine.garbage(1).is_empty(),
        "nobody speaks for the attempts of another session"
    );
    assert_eq!(machine.garbage(2).len(), 2);
}

#[test]
fn a_commit_into_a_bucket_that_does_not_stand_is_rejected() {
    let mut machine = Machine::ready();
    let written = machine.written(10);
    let mut put = machine.commit("key", written);
    put.bucket = BucketId(77);
    assert_eq!(
        commit(&mut machine, put),
        Outcome::Rejected(Rejection::NoSuchBucket)
    );
    assert_eq!(machine.garbage(1).len(), 1);
}

#[test]
fn delete_objects_answers_each_key_for_itself() {
    let mut machine = Machine::ready();
    machine.put("a");
    machine.put("c");
    let mismatch = Conditions {
        if_match: Some(ETagCondition::OneOf(ETags {
            etags: vec![ETag::of_whole([9; 16])],
        })),
        ..Conditions::default()
    };
    let target = |name, conditions| raft_types::commands::DeleteTarget {
        key: key(name),
        version: None,
        conditions,
    };
    let targets = vec![
        target("a", None),
        target("b", None),
        target("c", Some(mismatch)),
        target("a", None),
    ];
    let delete = raft_types::commands::DeleteObjects {
        bucket: machine.bucket,
        targets,
        owner: None,
    };
    let Outcome::Deleted(deletions) = machine.command(Command::DeleteObjects(delete)) else {
        panic!("not deleted");
    };
    let gone = DeleteResult::Gone(Gone {
        removed: None,
        removed_marker: false,
        marker: None,
    });
    let rejected = DeleteResult::Rejected(Rejection::PreconditionFailed);
    assert_eq!(deletions.results, [gone.clone(), gone.clone(), rejected, gone]);
    assert!(machine.current("a").is_none() && machine.current("c").is_some());
}

#[test]
fn the_same_time_and_an_earlier_one_do_not_set_the_clock_back() {
    let mut machine = Machine::ready();
    machine.now = raft_types::MillisUtc(5_000_000);
    let (_, first) = machine.put("key");
    machine.now = raft_types::MillisUtc(4_000_000);
    let (_, second) = machine.put("key");
    assert_eq!(
        first.modified, second.modified,
        "c6: the larger of both, never more"
    );
    assert!(second.version > first.version);
    assert_eq!(
        queries::clock(&machine.tables).unwrap(),
        raft_types::MillisUtc(5_000_000)
    );
}

#[test]
fn an_empty_object_has_a_blob() {
    let mut machine = Machine::ready();
    let written = machine.written(0);
    let put = machine.commit("empty", written);
    assert!(matches!(commit(&mut machine, put), Outcome::Committed(_)));
    let object = machine.current("empty").unwrap();
    assert_eq!(
        queries::resolve(&machine.tables, &object.content, 0, 0..0, 8).unwrap(),
        []
    );
    let _ = Bytes::new();
}
