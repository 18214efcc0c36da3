//! Every command is bounded (C5).

use raft_types::commands::{CommitPart, ConfirmDeleted, DeleteObjects, DeleteTarget, GiveUpAttempts};
use raft_types::keys::Table;
use raft_types::records::Versioning;
use raft_types::{Attempt, BackendId, BlobAttempt, Command, Envelope, Outcome, Record, Rejection, limits};

use super::fixture::{MIB, Machine, attempt, key, row_of};
use crate::apply::context::{Context, Moment};
use crate::apply::{attempt as attempt_body, conclude};
use crate::counting::Counting;
use crate::transaction::Transaction;
use crate::{EntryContext, queries};

/// Rows that a command writes, its number and floor included.
fn rows_of(machine: &Machine, command: Command) -> (usize, Outcome) {
    let seq = machine.session.next;
    let envelope = Envelope::numbered(machine.session.id, seq, seq, command);
    let mut transaction = Transaction::new(&machine.tables);
    let at = EntryContext {
        term: 1,
        index: machine.index + 1,
        position: 0,
        now: machine.now,
    };
    let applied = crate::apply(&mut transaction, &at, envelope.encode()).unwrap();
    (transaction.len(), applied.outcome)
}

#[test]
fn c5_the_largest_deletion_of_a_client_stays_within_the_bound() {
    let mut machine = Machine::ready();
    // The worst case of a key: a suspended delete that displaces a version and removes a null version.
    let names: Vec<String> = (0..limits::DELETE_KEYS)
        .map(|number| format!("key-{number}"))
        .collect();
    for name in &names {
        machine.put(name);
    }
    machine.set_versioning(Versioning::Enabled);
    for name in &names {
        machine.put(name);
    }
    machine.set_versioning(Versioning::Suspended);
    let target = |name: &String| DeleteTarget {
        key: key(name),
        version: None,
        conditions: None,
    };
    let targets: Vec<_> = names.iter().map(target).collect();
    let delete = DeleteObjects {
        bucket: machine.bucket,
        targets: targets.clone(),
        owner: None,
    };
    let (rows, outcome) = rows_of(&machine, Command::DeleteObjects(delete));
    assert!(matches!(outcome, Outcome::Deleted(_)), "{outcome:?}");
    // With a third copy there would be one row more per key.
    assert!(rows + limits::DELETE_KEYS <= limits::ROWS_WRITTEN, "{rows} rows");
    let mut more = targets;
    more.push(more[0].clone());
    let delete = DeleteObjects {
        bucket: machine.bucket,
        targets: more,
        owner: None,
    };
    assert!(matches!(
        machine.rejection(Command::DeleteObjects(delete)),
        Rejection::Malformed(_)
    ));
}

#[test]
fn c5_an_overwrite_of_a_large_object_costs_few_rows() {
    let mut machine = Machine::ready();
    let target = machine.create_upload("key");
    let numbers: Vec<u16> = (1..=300).collect();
    for &number in &numbers {
        machine.put_part(&target, number, 5 * MIB);
    }
    let complete = machine.complete(&target, &numbers);
    let (rows, _) = rows_of(&machine, Command::CompleteUpload(Box::new(complete.clone())));
    assert!(rows < 12, "Complete writes nothing per part: {rows} rows");
    machine.committed(Command::CompleteUpload(Box::new(complete)));
    let written = machine.written(10);
    let commit = machine.commit("key", written);
    let (rows, _) = rows_of(&machine, Command::CommitObject(Box::new(commit)));
    assert!(rows < 12, "{rows} rows");
    machine.delete("key", None);
    let (row, record) = machine.releases()[0].clone();
    let step = raft_types::commands::Release {
        row,
        after: record.after,
        limit: u32::MAX,
    };
    let (rows, _) = rows_of(&machine, Command::Release(step));
    assert!(rows <= limits::ROWS_WRITTEN && rows > 300, "{rows} rows");
    assert!(machine.release_all(u32::MAX) >= 2);
    assert_eq!(machine.garbage(1).len(), 300);
    let rows: Vec<_> = machine.garbage(1).iter().map(|(key, _)| row_of(key)).collect();
    let confirm = ConfirmDeleted {
        backend: BackendId(1),
        rows: rows[..limits::CONFIRM_ROWS].to_vec(),
    };
    let (written, outcome) = rows_of(&machine, Command::ConfirmDeleted(confirm));
    assert_eq!(outcome, Outcome::Done);
    assert!(written <= limits::ROWS_WRITTEN, "{written} rows");
    let confirm = ConfirmDeleted {
        backend: BackendId(1),
        rows: rows[..=limits::CONFIRM_ROWS].to_vec(),
    };
    assert!(matches!(
        machine.rejection(Command::ConfirmDeleted(confirm)),
        Rejection::Malformed(_)
    ));
}

#[test]
fn c5_a_release_passes_over_listed_parts_a_bounded_number_at_a_time() {
    let mut machine = Machine::ready();
    let target = machine.create_upload("key");
    // Straight into the tables: what counts is how many rows a step reads.
    let part = machine.part(&target, 1, 5 * MIB);
    put_parts(&mut machine, &part, 5_000);
    let numbers: Vec<u16> = (1..5_000).collect();
    let complete = machine.complete(&target, &numbers);
    machine.committed(Command::CompleteUpload(Box::new(complete)));
    assert_eq!(machine.release_all(10), 3, "5,000 parts, 2,000 at a time");
    assert_eq!(machine.garbage(1).len(), 1);
}

/// Puts one part under each number up to `count`, several in one transaction, without looking at the
/// invariants in between.
fn put_parts(machine: &mut Machine, part: &CommitPart, count: u16) {
    let mut writes = Vec::new();
    let mut log = Vec::new();
    {
        let mut transaction = Transaction::new(&machine.tables);
        for number in 1..=count {
            let mut part = part.clone();
            part.number = raft_types::PartNumber::new(number).unwrap();
            let mut bytes = part.written.blobs[0].blob.0;
            bytes[..2].copy_from_slice(&number.to_be_bytes());
            part.written.blobs[0].blob = raft_types::BlobId(bytes);
            let seq = machine.session.next;
            machine.session.next += 1;
            machine.index += 1;
            let command = Command::CommitPart(Box::new(part));
            let envelope = Envelope::numbered(machine.session.id, seq, seq, command);
            let at = EntryContext {
                term: 1,
                index: machine.index,
                position: 0,
                now: machine.now,
            };
            let applied = crate::apply(&mut transaction, &at, envelope.encode()).unwrap();
            assert_eq!(applied.outcome, Outcome::Done);
            log.push((at, envelope.encode()));
        }
        writes.extend(transaction.into_writes());
    }
    machine.tables.write(writes);
    machine.log.extend(log);
}

#[test]
fn c5_the_50_tb_object_of_10_000_parts_completes_within_the_bound() {
    let mut machine = Machine::ready();
    let target = machine.create_upload("key");
    let part = machine.part(&target, 1, 5 * MIB);
    put_parts(&mut machine, &part, 10_000);
    let numbers: Vec<u16> = (1..=10_000).collect();
    let complete = machine.complete(&target, &numbers);
    let (rows, outcome) = rows_of(&machine, Command::CompleteUpload(Box::new(complete)));
    assert!(matches!(outcome, Outcome::Committed(_)), "{outcome:?}");
    assert!(rows < 12, "{rows} rows");
}

#[test]
fn c5_a_rejected_command_hands_over_a_bounded_number_of_attempts() {
    let mut machine = Machine::ready();
    let epoch = machine.session.epoch;
    let blob = machine.blob_id();
    let attempts: Vec<BlobAttempt> = (0..limits::ATTEMPTS as u32 + 10)
        .map(|number| attempt(blob, 1, epoch, number))
        .collect();
    let give_up = GiveUpAttempts { attempts };
    let rejection = machine.rejection(Command::GiveUpAttempts(give_up));
    assert!(matches!(rejection, Rejection::Malformed(_)));
    assert_eq!(machine.garbage(1).len(), limits::ATTEMPTS);
    assert_eq!(machine.garbage(1)[0].0.attempt, Attempt(0));
}

#[test]
fn c5_a_version_id_is_unique_within_an_entry_of_many_commands() {
    let mut machine = Machine::with_versioning(Versioning::Enabled);
    let mut envelopes = Vec::new();
    for _ in 0..10 {
        let written = machine.written(10);
        let commit = machine.commit("key", written);
        let seq = machine.session.next;
        machine.session.next += 1;
        let command = Command::CommitObject(Box::new(commit));
        envelopes.push(Envelope::numbered(machine.session.id, seq, seq, command));
    }
    machine.index += 1;
    let mut transaction = Transaction::new(&machine.tables);
    let mut versions = Vec::new();
    for (position, envelope) in envelopes.iter().enumerate() {
        let at = EntryContext {
            term: 1,
            index: machine.index,
            position: position as u32,
            now: machine.now,
        };
        let applied = crate::apply(&mut transaction, &at, envelope.encode()).unwrap();
        let Outcome::Committed(committed) = applied.outcome else {
            panic!("{:?}", applied.outcome);
        };
        versions.push(committed.version);
        machine.log.push((at, envelope.encode()));
    }
    assert!(versions.is_sorted_by(|a, b| a < b));
    let writes: Vec<_> = transaction.into_writes().collect();
    machine.tables.write(writes);
    assert_eq!(machine.current("key").unwrap().version, versions[9]);
    assert_eq!(
        queries::bucket_counters(&machine.tables, machine.bucket)
            .unwrap()
            .versions,
        9
    );
}

#[test]
fn m1_a_put_among_many_costs_three_lookups_and_no_scan() {
    let mut machine = Machine::ready();
    machine.put("key");
    let mut envelopes = Vec::new();
    for name in ["key", "new", "other"] {
        let written = machine.written(10);
        let commit = machine.commit(name, written);
        let seq = machine.session.next;
        machine.session.next += 1;
        let command = Command::CommitObject(Box::new(commit));
        envelopes.push(Envelope::numbered(machine.session.id, seq, seq, command));
    }
    let counting = Counting::new(&machine.tables);
    let mut transaction = Transaction::new(&counting);
    let mut lookups = Vec::new();
    let mut rows = Vec::new();
    for (position, envelope) in envelopes.iter().enumerate() {
        let (index, position) = (machine.index + 1, position as u32);
        let at = EntryContext {
            term: 1,
            index,
            position,
            now: machine.now,
        };
        let before = transaction.len();
        let applied = crate::apply(&mut transaction, &at, envelope.encode()).unwrap();
        assert!(matches!(applied.outcome, Outcome::Committed(_)));
        lookups.push(counting.take_gets());
        rows.push(transaction.len() - before);
    }
    let tables = |keys: &[bytes::Bytes]| keys.iter().map(|key| key[0]).collect::<Vec<_>>();
    let cold = [Table::Outcomes, Table::Current, Table::Blobs].map(Table::number);
    assert_eq!(tables(&lookups[1]), cold);
    assert_eq!(tables(&lookups[2]), cold);
    assert_eq!(counting.steps(), 0);
    // The object, its blob and the outcome; all else was written by the command before, too.
    assert_eq!(rows[1..], [3, 3]);
}

#[test]
fn c5_a_command_beyond_the_bound_is_rejected_with_an_incident_and_leaves_nothing() {
    let machine = Machine::ready();
    let mut transaction = Transaction::new(&machine.tables);
    let incarnation = raft_types::IncarnationCounter::FIRST;
    let (term, index, position, now) = (1, machine.index + 1, 0, machine.now);
    let moment = Moment {
        term,
        index,
        position,
        incarnation,
        now,
    };
    let mut context = Context::new(&mut transaction, machine.session.id, &moment);
    let write = |context: &mut Context<'_, '_, _>, rows: u32| {
        for number in 0..rows {
            let key = raft_types::keys::WrapKey {
                bucket: machine.bucket,
                version: raft_types::KeyVersion(number),
            };
            context.put(&key, &raft_types::records::WrapRecord { blobs: 1 });
        }
    };
    let bound = (limits::ROWS_WRITTEN - limits::ROWS_OF_NUMBER) as u32;
    let verdict = attempt_body(&mut context, |context| {
        write(context, bound + 1);
        Ok(Outcome::Done)
    });
    let outcome = conclude(&mut context, verdict.unwrap()).unwrap();
    assert_eq!(outcome, Outcome::Rejected(Rejection::TooLarge));
    let verdict = attempt_body(&mut context, |context| {
        context.scanned(limits::ROWS_SCANNED + 1).map(|()| Outcome::Done)
    });
    assert_eq!(
        conclude(&mut context, verdict.unwrap()).unwrap(),
        Outcome::Rejected(Rejection::TooLarge)
    );
    assert_eq!(transaction.len(), 3, "two incidents and their count");
    let mut context = Context::new(&mut transaction, machine.session.id, &moment);
    let verdict = attempt_body(&mut context, |context| {
        write(context, bound);
        Ok(Outcome::Done)
    });
    assert_eq!(conclude(&mut context, verdict.unwrap()).unwrap(), Outcome::Done);
}

/// The rows of the scan bound: reading 10,000 parts is allowed, one more is not.
#[test]
fn c5_the_scan_of_a_complete_may_read_every_part_number() {
    assert_eq!(limits::ROWS_SCANNED, limits::PARTS);
}
