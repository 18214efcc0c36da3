//! Commands are applied at most once.

use raft_types::commands::{Conditions, ETagCondition, GiveUpAttempts, SealSession, Settle};
use raft_types::limits::{OUTCOMES_TRIMMED, SEQ_WINDOW};
use raft_types::records::{DeathCause, ReplicaState, VersionName, Versioning};
use raft_types::{Command, DeleteResult, Envelope, Gone, Outcome, Refusal, Rejection, SessionId};

use super::fixture::{Machine, attempt, replica};
use crate::queries::{self, AttemptState, attempt_state};

/// A PUT on condition that there is no such object, under the next number, with the answer lost.
fn put_if_absent(machine: &mut Machine) -> (Envelope, raft_types::BlobId) {
    let written = machine.written(10);
    let blob = written.blobs[0].blob;
    let mut commit = machine.commit("key", written);
    commit.conditions = Some(Conditions {
        if_none_match: Some(ETagCondition::Any),
        ..Conditions::default()
    });
    let seq = machine.session.next;
    machine.session.next += 1;
    let command = Command::CommitObject(Box::new(commit));
    (Envelope::numbered(machine.session.id, seq, seq, command), blob)
}

#[test]
fn c4_a_retried_conditional_put_is_answered_with_its_success() {
    let mut machine = Machine::ready();
    let (envelope, blob) = put_if_absent(&mut machine);
    let first = machine.apply(&envelope).unwrap().outcome;
    assert!(matches!(first, Outcome::Committed(_)));
    let before = machine.tables.clone();
    assert_eq!(
        machine.apply(&envelope).unwrap().outcome,
        first,
        "not a failed precondition"
    );
    assert_eq!(machine.tables, before);
    assert!(machine.garbage(1).is_empty() && machine.blob(blob).is_some());
}

#[test]
fn c4_a_retried_delete_does_not_delete_what_was_written_since() {
    let mut machine = Machine::ready();
    machine.put("key");
    let targets = vec![raft_types::commands::DeleteTarget {
        key: "key".parse().unwrap(),
        version: None,
        conditions: None,
    }];
    let delete = raft_types::commands::DeleteObjects {
        bucket: machine.bucket,
        targets,
        owner: None,
    };
    let seq = machine.session.next;
    machine.session.next += 1;
    let session = machine.session.id;
    let envelope = Envelope::numbered(session, seq, seq, Command::DeleteObjects(delete));
    let first = machine.apply(&envelope).unwrap().outcome;
    // Another session writes, while the first one has not learned the outcome.
    let mut other = machine.open_session(2, 1);
    let mut commit = machine.written(20);
    commit.blobs[0].replicas = vec![replica(1, other.epoch, 0)];
    let commit = machine.commit("key", commit);
    let outcome = machine.send(&mut other, Command::CommitObject(Box::new(commit)));
    assert!(matches!(outcome, Outcome::Committed(_)));
    assert_eq!(machine.apply(&envelope).unwrap().outcome, first);
    assert_eq!(machine.current("key").map(|object| object.size), Some(20));
}

#[test]
fn c4_a_commit_that_was_settled_first_never_applies() {
    let mut machine = Machine::ready();
    let (old, _) = machine.put("key");
    let written = machine.written(20);
    let blob = written.blobs[0].blob;
    let attempts = written.attempts();
    let commit = machine.commit("key", written);
    let seq = machine.session.next;
    let session = machine.session.id;
    let late = Envelope::numbered(session, seq, seq, Command::CommitObject(Box::new(commit)));
    let settle = Command::Settle(Settle { seq, attempts });
    let outcome = machine
        .apply(&Envelope::numbered(session, seq + 1, seq, settle))
        .unwrap()
        .outcome;
    assert_eq!(outcome, Outcome::Cancelled);
    assert_eq!(machine.garbage(1)[0].1.cause, DeathCause::Cancelled);
    assert_eq!(machine.apply(&late).unwrap().outcome, Outcome::Cancelled);
    assert!(
        machine.blob(old).unwrap().is_live(),
        "the good old version was not displaced"
    );
    assert!(!machine.blob(blob).unwrap().is_live());
}

#[test]
fn c4_settle_returns_the_outcome_of_an_applied_command_and_touches_no_bytes() {
    let mut machine = Machine::ready();
    let (envelope, blob) = put_if_absent(&mut machine);
    let first = machine.apply(&envelope).unwrap().outcome;
    let seq = machine.session.next - 1;
    let attempts = vec![attempt(blob, 1, machine.session.epoch, 0)];
    let settle = Envelope::numbered(
        machine.session.id,
        seq + 1,
        seq,
        Command::Settle(Settle { seq, attempts }),
    );
    assert_eq!(machine.apply(&settle).unwrap().outcome, first);
    assert!(machine.garbage(1).is_empty());
    assert_eq!(
        machine.apply(&settle).unwrap().outcome,
        first,
        "the Settle itself is repeatable"
    );
}

#[test]
fn c4_a_late_duplicate_below_the_floor_changes_nothing_at_all() {
    let mut machine = Machine::ready();
    let (envelope, blob) = put_if_absent(&mut machine);
    machine.apply(&envelope).unwrap();
    machine.put("key");
    // The overwritten blob is collected, so nothing is left that could tell the duplicate.
    machine.collect();
    assert_eq!(machine.blob(blob), None);
    let before = machine.tables.clone();
    assert_eq!(
        machine.apply(&envelope).unwrap().outcome,
        Outcome::Refused(Refusal::Settled)
    );
    assert_eq!(machine.tables, before, "not even its bytes are queued");
}

#[test]
fn c4_a_rejected_commit_leaves_its_attempts_in_garbage_in_the_same_apply() {
    let mut machine = Machine::ready();
    machine.put("key");
    let (envelope, blob) = put_if_absent(&mut machine);
    let outcome = machine.apply(&envelope).unwrap().outcome;
    assert_eq!(outcome, Outcome::Rejected(Rejection::PreconditionFailed));
    for backend in 1..=2 {
        let garbage = machine.garbage(backend);
        assert_eq!(garbage.len(), 1);
        assert_eq!(
            (garbage[0].0.blob, garbage[0].1.cause),
            (blob, DeathCause::Rejected)
        );
        assert_eq!(garbage[0].1.stored, 110);
    }
    assert_eq!(machine.blob(blob).unwrap().references, 0);
    let again = machine.apply(&envelope).unwrap().outcome;
    assert_eq!(again, outcome, "the rejection is stored like any outcome");
    machine.collect();
    assert_eq!(machine.blob(blob), None);
}

#[test]
fn c4_a_sealed_session_is_refused_and_its_bytes_are_left_to_the_sweep() {
    let mut machine = Machine::ready();
    let (envelope, blob) = put_if_absent(&mut machine);
    let mut other = machine.open_session(2, 1);
    let seal = SealSession {
        session: machine.session.id,
        term: machine.term,
    };
    assert_eq!(
        machine.send(&mut other, Command::SealSession(seal)),
        Outcome::Done
    );
    let before = machine.tables.clone();
    assert_eq!(
        machine.apply(&envelope).unwrap().outcome,
        Outcome::Refused(Refusal::SessionSealed)
    );
    assert_eq!(machine.tables, before);
    let address = replica(1, machine.session.epoch, 0).address();
    assert_eq!(
        attempt_state(&machine.tables, blob, &address).unwrap(),
        AttemptState::Unknown
    );
}

#[test]
fn a_session_that_was_never_opened_is_refused() {
    let mut machine = Machine::ready();
    let before = machine.tables.clone();
    let command = Command::GiveUpAttempts(GiveUpAttempts { attempts: Vec::new() });
    let envelope = Envelope::numbered(SessionId(99), 1, 1, command);
    assert_eq!(
        machine.apply(&envelope).unwrap().outcome,
        Outcome::Refused(Refusal::UnknownSession)
    );
    assert_eq!(machine.tables, before);
}

fn nothing() -> Command {
    Command::GiveUpAttempts(GiveUpAttempts { attempts: Vec::new() })
}

#[test]
fn a_number_beyond_the_window_is_refused_and_the_last_one_within_it_is_not() {
    let mut machine = Machine::ready();
    let session = machine.session.id;
    let floor = machine.session.next;
    let beyond = Envelope::numbered(session, floor + SEQ_WINDOW + 1, floor, nothing());
    let before = machine.tables.clone();
    assert_eq!(
        machine.apply(&beyond).unwrap().outcome,
        Outcome::Refused(Refusal::BeyondWindow)
    );
    assert_eq!(machine.tables, before);
    let last = Envelope::numbered(session, floor + SEQ_WINDOW, floor, nothing());
    assert_eq!(machine.apply(&last).unwrap().outcome, Outcome::Done);
}

#[test]
fn a_number_below_its_own_floor_is_refused() {
    let mut machine = Machine::ready();
    let before = machine.tables.clone();
    let contradiction = Envelope::numbered(machine.session.id, 50, 51, nothing());
    assert_eq!(
        machine.apply(&contradiction).unwrap().outcome,
        Outcome::Refused(Refusal::Settled)
    );
    assert_eq!(machine.tables, before);
}

#[test]
fn outcomes_below_the_floor_are_trimmed_a_bounded_number_at_a_time() {
    let mut machine = Machine::ready();
    let session = machine.session.id;
    let first = machine.session.next;
    let count = 3 * OUTCOMES_TRIMMED as u64;
    for seq in first..first + count {
        machine
            .apply(&Envelope::numbered(session, seq, first, nothing()))
            .unwrap();
    }
    let stored = |machine: &Machine| {
        let stored = |seq: &u64| {
            queries::outcome(&machine.tables, session, *seq)
                .unwrap()
                .is_some()
        };
        (first..first + count + 10).filter(stored).count() as u64
    };
    assert_eq!(stored(&machine), count);
    let mut seq = first + count;
    let mut left = count;
    while left > 0 {
        machine
            .apply(&Envelope::numbered(session, seq, seq, nothing()))
            .unwrap();
        let before = left;
        left = (first..first + count)
            .filter(|seq| {
                queries::outcome(&machine.tables, session, *seq)
                    .unwrap()
                    .is_some()
            })
            .count() as u64;
        assert!(before - left <= OUTCOMES_TRIMMED as u64);
        seq += 1;
    }
    assert!(seq - first - count <= 5, "trimming keeps up");
}

#[test]
fn an_unsettled_number_keeps_its_outcome_while_others_are_settled_around_it() {
    let mut machine = Machine::ready();
    let session = machine.session.id;
    let held = machine.session.next;
    let written = machine.written(10);
    let commit = machine.commit("key", written);
    let envelope = Envelope::numbered(session, held, held, Command::CommitObject(Box::new(commit)));
    let first = machine.apply(&envelope).unwrap().outcome;
    for seq in held + 1..held + 200 {
        machine
            .apply(&Envelope::numbered(session, seq, held, nothing()))
            .unwrap();
    }
    assert_eq!(machine.apply(&envelope).unwrap().outcome, first);
}

#[test]
fn settle_of_a_number_that_cannot_be_looked_up_is_malformed_and_queues_nothing() {
    let mut machine = Machine::ready();
    let session = machine.session.id;
    let attempts = vec![attempt(machine.blob_id(), 1, machine.session.epoch, 5)];
    let own = machine.session.next;
    let (settled, beyond) = (own - 1, own + SEQ_WINDOW + 1);
    for (place, seq) in [own, settled, beyond].into_iter().enumerate() {
        let number = own + place as u64;
        let seq = if seq == own { number } else { seq };
        let settle = Command::Settle(Settle {
            seq,
            attempts: attempts.clone(),
        });
        let outcome = machine
            .apply(&Envelope::numbered(session, number, own, settle))
            .unwrap()
            .outcome;
        assert!(
            matches!(outcome, Outcome::Rejected(Rejection::Malformed(_))),
            "{seq}: {outcome:?}"
        );
    }
    assert!(machine.garbage(1).is_empty());
}

#[test]
fn an_attempt_that_is_live_never_enters_garbage_whoever_asks() {
    let mut machine = Machine::ready();
    let (blob, _) = machine.put("key");
    let epoch = machine.session.epoch;
    let attempts = vec![attempt(blob, 1, epoch, 0)];
    let rejection = machine.rejection(Command::GiveUpAttempts(GiveUpAttempts {
        attempts: attempts.clone(),
    }));
    assert!(matches!(rejection, Rejection::Incident(_)));
    assert_eq!(machine.incidents(), 1, "one finding is one incident");
    let seq = machine.session.next + 1;
    let settle = Command::Settle(Settle { seq, attempts });
    assert_eq!(machine.command(settle), Outcome::Cancelled);
    assert!(machine.garbage(1).is_empty());
    let states = machine
        .blob(blob)
        .unwrap()
        .replicas
        .iter()
        .map(|replica| replica.state)
        .collect::<Vec<_>>();
    assert_eq!(states, [ReplicaState::Present, ReplicaState::Present]);
}

#[test]
fn a_repeated_delete_of_a_version_is_gone_again() {
    let mut machine = Machine::with_versioning(Versioning::Enabled);
    let (_, put) = machine.put("key");
    let name = VersionName::Id(put.version);
    let gone = |removed_marker| {
        DeleteResult::Gone(Gone {
            removed: Some(name),
            removed_marker,
            marker: None,
        })
    };
    assert_eq!(machine.delete("key", Some(name)), gone(false));
    assert_eq!(machine.delete("key", Some(name)), gone(false));
}
