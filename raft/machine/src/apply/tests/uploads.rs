//! Multipart uploads (M16, C5).

use raft_types::commands::{AbortUpload, CompleteUpload, Conditions, ETagCondition, ExpireCompletions};
use raft_types::limits::COMPLETION_KEPT_MILLIS;
use raft_types::records::{Content, DeathCause, ReleaseSubject};
use raft_types::{Command, Outcome, PartNumber, Rejection, Released};

use super::fixture::{MIB, Machine, create_upload, written_of};
use crate::queries;

#[test]
fn a_completed_upload_becomes_the_object_of_its_listed_parts() {
    let mut machine = Machine::ready();
    let target = machine.create_upload("key");
    for number in [1, 2, 3, 9] {
        machine.put_part(&target, number, 5 * MIB);
    }
    let counters = queries::bucket_counters(&machine.tables, machine.bucket).unwrap();
    assert_eq!(
        (counters.uploads, counters.part_bytes, counters.bytes),
        (1, 20 * MIB, 0)
    );
    let complete = machine.complete(&target, &[1, 3, 9]);
    let done = machine.committed(Command::CompleteUpload(Box::new(complete)));
    assert_eq!(done.size, 15 * MIB);
    let object = machine.current("key").unwrap();
    assert_eq!(object.content, Content::Manifest(target.upload));
    assert!(queries::upload(&machine.tables, &target).unwrap().is_none());
    assert_eq!(
        machine.releases()[0].1.subject,
        ReleaseSubject::UnlistedParts(target.upload)
    );
    machine.release_all(100);
    assert_eq!(machine.garbage(1).len(), 1, "the part that is not listed");
    let counters = queries::bucket_counters(&machine.tables, machine.bucket).unwrap();
    assert_eq!(
        (counters.uploads, counters.part_bytes, counters.bytes),
        (0, 0, 15 * MIB)
    );
    machine.delete("key", None);
    machine.release_all(2);
    machine.collect();
    let rows = queries::state_digest(&machine.tables).unwrap().rows;
    for table in [
        raft_types::keys::Table::Blobs,
        raft_types::keys::Table::Parts,
        raft_types::keys::Table::Manifests,
    ] {
        assert_eq!(rows.get(&table), None);
    }
}

#[test]
fn c5_a_range_of_a_large_manifest_reads_only_the_parts_around_it() {
    let mut machine = Machine::ready();
    let target = machine.create_upload("key");
    let numbers: Vec<u16> = (1..=200).map(|number| number * 3).collect();
    for &number in &numbers {
        machine.put_part(&target, number, 5 * MIB + u64::from(number));
    }
    let complete = machine.complete(&target, &numbers);
    machine.committed(Command::CompleteUpload(Box::new(complete)));
    let object = machine.current("key").unwrap();
    let all = queries::resolve(
        &machine.tables,
        &object.content,
        object.size,
        0..object.size,
        1000,
    )
    .unwrap();
    assert_eq!(all.len(), 200);
    assert_eq!(all.last().unwrap().end(), object.size);
    for place in [0, 1, 63, 64, 65, 127, 128, 199] {
        let span = all[place];
        for range in [
            span.start..span.start + 1,
            span.end() - 1..span.end(),
            span.start..span.end(),
        ] {
            let found = queries::resolve(&machine.tables, &object.content, object.size, range, 10).unwrap();
            assert_eq!(found, [span], "part {place}");
        }
        let across = span.start..(span.end() + 1).min(object.size);
        let found = queries::resolve(&machine.tables, &object.content, object.size, across, 10).unwrap();
        assert_eq!(found, all[place..(place + 2).min(200)]);
    }
    let first = queries::resolve(&machine.tables, &object.content, object.size, 0..object.size, 150).unwrap();
    let rest = first.last().unwrap().end()..object.size;
    let second = queries::resolve(&machine.tables, &object.content, object.size, rest, 150).unwrap();
    assert_eq!([first, second].concat(), all);
}

#[test]
fn m16_a_repeated_complete_is_answered_with_the_first_result() {
    let mut machine = Machine::ready();
    let target = machine.create_upload("key");
    machine.put_part(&target, 1, 7);
    let complete = machine.complete(&target, &[1]);
    let first = machine.committed(Command::CompleteUpload(Box::new(complete.clone())));
    machine.put("key");
    let current = machine.current("key");
    assert_eq!(
        machine.committed(Command::CompleteUpload(Box::new(complete))),
        first
    );
    assert_eq!(machine.current("key"), current, "without effect on the object");
}

#[test]
fn m16_abort_after_complete_finds_no_upload_and_has_no_effect() {
    let mut machine = Machine::ready();
    let target = machine.create_upload("key");
    machine.put_part(&target, 1, 7);
    let complete = machine.complete(&target, &[1]);
    machine.committed(Command::CompleteUpload(Box::new(complete)));
    let abort = Command::AbortUpload(AbortUpload {
        target: target.clone(),
    });
    assert_eq!(machine.rejection(abort), Rejection::NoSuchUpload);
    assert!(machine.current("key").is_some() && machine.releases().is_empty());
}

#[test]
fn m16_a_part_after_complete_is_rejected_and_its_attempts_are_garbage() {
    let mut machine = Machine::ready();
    let target = machine.create_upload("key");
    let kept = machine.put_part(&target, 1, 7);
    let complete = machine.complete(&target, &[1]);
    machine.committed(Command::CompleteUpload(Box::new(complete)));
    let late = machine.part(&target, 1, 9);
    assert_eq!(
        machine.rejection(Command::CommitPart(Box::new(late))),
        Rejection::NoSuchUpload
    );
    assert_eq!(machine.garbage(1)[0].1.cause, DeathCause::Rejected);
    let part = queries::part(&machine.tables, target.upload, PartNumber::MIN)
        .unwrap()
        .unwrap();
    assert_eq!(part.pieces[0].blob, kept);
}

#[test]
fn m16_completions_are_kept_for_a_day_and_then_forgotten() {
    let mut machine = Machine::ready();
    for name in ["a", "b"] {
        let target = machine.create_upload(name);
        machine.put_part(&target, 1, 7);
        let complete = machine.complete(&target, &[1]);
        machine.committed(Command::CompleteUpload(Box::new(complete)));
        machine.now = machine.now.plus_millis(1000);
    }
    let expire = Command::ExpireCompletions(ExpireCompletions { limit: 10 });
    machine.now = machine.now.plus_millis(COMPLETION_KEPT_MILLIS - 2001);
    let nothing = Outcome::Released(Released {
        finished: true,
        after: 0,
    });
    assert_eq!(machine.command(expire.clone()), nothing);
    machine.now = machine.now.plus_millis(1);
    assert_eq!(
        machine.command(expire.clone()),
        Outcome::Released(Released {
            finished: true,
            after: 1
        })
    );
    machine.now = machine.now.plus_millis(1000);
    assert_eq!(
        machine.command(expire),
        Outcome::Released(Released {
            finished: true,
            after: 1
        })
    );
}

#[test]
fn a_completion_is_kept_for_as_long_as_its_command_says() {
    let mut machine = Machine::ready();
    let target = machine.create_upload("a");
    machine.put_part(&target, 1, 7);
    let complete = CompleteUpload {
        kept_millis: 500,
        ..machine.complete(&target, &[1])
    };
    let first = machine.committed(Command::CompleteUpload(Box::new(complete.clone())));
    machine.now = machine.now.plus_millis(499);
    let expire = Command::ExpireCompletions(ExpireCompletions { limit: 10 });
    machine.command(expire.clone());
    let again = machine.committed(Command::CompleteUpload(Box::new(complete.clone())));
    assert_eq!(first, again, "a repetition in time gets the same answer");
    machine.now = machine.now.plus_millis(1);
    machine.command(expire);
    let late = Command::CompleteUpload(Box::new(complete));
    assert_eq!(machine.rejection(late), Rejection::NoSuchUpload);
}

#[test]
fn expiring_stops_at_its_limit_and_says_that_more_is_due() {
    let mut machine = Machine::ready();
    for name in ["a", "b", "c"] {
        let target = machine.create_upload(name);
        machine.put_part(&target, 1, 7);
        let complete = machine.complete(&target, &[1]);
        machine.committed(Command::CompleteUpload(Box::new(complete)));
    }
    machine.now = machine.now.plus_millis(COMPLETION_KEPT_MILLIS);
    let expire = Command::ExpireCompletions(ExpireCompletions { limit: 2 });
    assert_eq!(
        machine.command(expire.clone()),
        Outcome::Released(Released {
            finished: false,
            after: 2
        })
    );
    assert_eq!(
        machine.command(expire),
        Outcome::Released(Released {
            finished: true,
            after: 1
        })
    );
}

#[test]
fn a_part_that_was_replaced_since_it_was_listed_changes_the_digest() {
    let mut machine = Machine::ready();
    let target = machine.create_upload("key");
    machine.put_part(&target, 1, 7);
    let complete = machine.complete(&target, &[1]);
    let newer = machine.put_part(&target, 1, 7);
    let stale = Command::CompleteUpload(Box::new(complete));
    assert_eq!(machine.rejection(stale), Rejection::PartsChanged);
    assert_eq!(machine.garbage(1).len(), 1, "the replaced part");
    let complete = machine.complete(&target, &[1]);
    machine.committed(Command::CompleteUpload(Box::new(complete)));
    assert!(machine.blob(newer).unwrap().is_live());
}

#[test]
fn a_listed_part_that_does_not_stand_and_an_empty_list_are_refused() {
    let mut machine = Machine::ready();
    let target = machine.create_upload("key");
    machine.put_part(&target, 1, 7);
    let complete = machine.complete(&target, &[1, 2]);
    assert_eq!(
        machine.rejection(Command::CompleteUpload(Box::new(complete))),
        Rejection::PartsChanged
    );
    let complete = machine.complete(&target, &[]);
    let rejection = machine.rejection(Command::CompleteUpload(Box::new(complete)));
    assert!(matches!(rejection, Rejection::Malformed(_)));
}

#[test]
fn every_part_but_the_last_has_the_least_size_that_s3_allows() {
    let mut machine = Machine::ready();
    let target = machine.create_upload("key");
    machine.put_part(&target, 1, 5 * MIB);
    machine.put_part(&target, 2, 5 * MIB - 1);
    machine.put_part(&target, 3, 1);
    let complete = machine.complete(&target, &[1, 2, 3]);
    let rejection = machine.rejection(Command::CompleteUpload(Box::new(complete)));
    assert_eq!(rejection, Rejection::PartTooSmall(PartNumber::new(2).unwrap()));
    let complete = machine.complete(&target, &[1, 2]);
    machine.committed(Command::CompleteUpload(Box::new(complete)));
}

#[test]
fn a_condition_of_complete_that_fails_leaves_the_upload_open() {
    let mut machine = Machine::ready();
    machine.put("key");
    let target = machine.create_upload("key");
    machine.put_part(&target, 1, 7);
    let mut complete = machine.complete(&target, &[1]);
    complete.conditions = Some(Conditions {
        if_none_match: Some(ETagCondition::Any),
        ..Conditions::default()
    });
    let command = Command::CompleteUpload(Box::new(complete.clone()));
    assert_eq!(machine.rejection(command), Rejection::PreconditionFailed);
    complete.conditions = None;
    machine.committed(Command::CompleteUpload(Box::new(complete)));
}

#[test]
fn an_aborted_upload_is_released_in_batches() {
    let mut machine = Machine::ready();
    let target = machine.create_upload("key");
    for number in 1..=5 {
        machine.put_part(&target, number, 5 * MIB);
    }
    let mut long = machine.part(&target, 6, 0);
    long.written = written_of((0..12).map(|_| machine.new_blob(1, &[1])).collect());
    long.size = 12;
    machine.done(Command::CommitPart(Box::new(long)));
    machine.done(Command::AbortUpload(AbortUpload {
        target: target.clone(),
    }));
    assert_eq!(
        machine.rejection(Command::AbortUpload(AbortUpload {
            target: target.clone()
        })),
        Rejection::NoSuchUpload
    );
    let counters = queries::bucket_counters(&machine.tables, machine.bucket).unwrap();
    assert_eq!((counters.uploads, counters.part_bytes), (0, 25 * MIB + 12));
    machine.release_all(2);
    assert_eq!(machine.garbage(1).len(), 5 + 12);
    assert_eq!(
        queries::bucket_counters(&machine.tables, machine.bucket)
            .unwrap()
            .part_bytes,
        0
    );
}

#[test]
fn a_manifest_that_dies_before_its_unlisted_parts_are_released_takes_them_along() {
    let mut machine = Machine::ready();
    let target = machine.create_upload("key");
    for number in 1..=4 {
        machine.put_part(&target, number, 5 * MIB);
    }
    let complete = machine.complete(&target, &[2, 4]);
    machine.committed(Command::CompleteUpload(Box::new(complete)));
    machine.delete("key", None);
    assert_eq!(machine.releases().len(), 2);
    // The newer release first: the manifest.
    let (row, record) = machine.releases().pop().unwrap();
    let step = raft_types::commands::Release {
        row,
        after: record.after,
        limit: 100,
    };
    machine.command(Command::Release(step));
    assert_eq!(machine.garbage(1).len(), 4);
    machine.release_all(100);
    assert_eq!(machine.garbage(1).len(), 4);
    assert_eq!(
        queries::bucket_counters(&machine.tables, machine.bucket)
            .unwrap()
            .part_bytes,
        0
    );
}

#[test]
fn an_upload_id_is_used_once() {
    let mut machine = Machine::ready();
    let target = machine.create_upload("key");
    let again = |target: &raft_types::commands::UploadTarget| {
        Command::CreateUpload(Box::new(create_upload(target.clone())))
    };
    assert_eq!(machine.rejection(again(&target)), Rejection::UploadExists);
    machine.put_part(&target, 1, 7);
    machine.done(Command::AbortUpload(AbortUpload {
        target: target.clone(),
    }));
    assert_eq!(
        machine.rejection(again(&target)),
        Rejection::UploadExists,
        "its parts still stand"
    );
}

#[test]
fn a_stale_step_of_a_release_is_refused() {
    let mut machine = Machine::ready();
    let target = machine.create_upload("key");
    for number in 1..=3 {
        machine.put_part(&target, number, 5);
    }
    machine.done(Command::AbortUpload(AbortUpload { target }));
    let (row, _) = machine.releases()[0].clone();
    let step = Command::Release(raft_types::commands::Release {
        row,
        after: 0,
        limit: 1,
    });
    assert_eq!(
        machine.command(step.clone()),
        Outcome::Released(Released {
            finished: false,
            after: 1
        })
    );
    assert_eq!(machine.rejection(step), Rejection::Changed);
}

#[test]
fn a_range_never_shows_a_part_that_is_not_listed_even_before_it_is_released() {
    let mut machine = Machine::ready();
    let target = machine.create_upload("key");
    for number in 1..=6 {
        machine.put_part(&target, number, 5 * MIB);
    }
    let complete = machine.complete(&target, &[2, 4, 5]);
    machine.committed(Command::CompleteUpload(Box::new(complete)));
    let object = machine.current("key").unwrap();
    let resolve = |machine: &Machine| {
        let found =
            queries::resolve(&machine.tables, &object.content, object.size, 0..object.size, 100).unwrap();
        found
            .into_iter()
            .map(|span| (span.blob, span.start))
            .collect::<Vec<_>>()
    };
    let before = resolve(&machine);
    assert_eq!(
        before.iter().map(|(_, start)| *start).collect::<Vec<_>>(),
        [0, 5 * MIB, 10 * MIB]
    );
    machine.release_all(100);
    assert_eq!(resolve(&machine), before);
}

#[test]
fn a_step_of_a_release_that_takes_the_last_item_finishes() {
    let mut machine = Machine::ready();
    for parts in 1..4 {
        let target = machine.create_upload("key");
        for number in 1..=parts {
            machine.put_part(&target, number, 10);
        }
        machine.done(Command::AbortUpload(AbortUpload { target }));
        assert_eq!(machine.release_all(1), usize::from(parts), "one part at a time");
    }
    let bucket = machine.bucket;
    machine.create_upload("one");
    machine.create_upload("two");
    machine.done(Command::DeleteBucket(raft_types::commands::DeleteBucket {
        bucket,
    }));
    assert_eq!(machine.release_all(2), 1, "both uploads of a bucket");
    let session = machine.session.clone();
    machine.session = machine.open_session(1, 2);
    let left = (1..session.next).filter(|seq| {
        queries::outcome(&machine.tables, session.id, *seq)
            .unwrap()
            .is_some()
    });
    let left = left.count() as u32;
    assert!(left > 0);
    assert_eq!(machine.release_all(left), 1, "all outcomes of a session");
}
