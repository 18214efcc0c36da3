//! Replicas: added, suspected, removed, confirmed as deleted.

use raft_types::commands::{
    AddReplica, ClearSuspect, ConfirmDeleted, GarbageRow, GiveUpAttempts, MarkSuspect, RemoveReplica,
};
use raft_types::records::{DeathCause, ReplicaState, WorkKind};
use raft_types::{Attempt, BackendId, BlobId, Command, EpochId, Rejection};

use super::fixture::{Machine, attempt, replica, row_of, written_of};
use crate::queries::{self, AttemptState, attempt_state};

fn add(machine: &Machine, blob: BlobId, backend: u32, attempt: u32) -> Command {
    Command::AddReplica(AddReplica {
        blob,
        replica: replica(backend, machine.session.epoch, attempt),
        stored: 110,
    })
}

fn remove(machine: &Machine, blob: BlobId, backend: u32, attempt: u32, keep: u32) -> Command {
    let address = replica(backend, machine.session.epoch, attempt).address();
    Command::RemoveReplica(RemoveReplica { blob, address, keep })
}

fn suspect(machine: &Machine, blob: BlobId, backend: u32) -> Command {
    let address = replica(backend, machine.session.epoch, 0).address();
    Command::MarkSuspect(MarkSuspect { blob, address })
}

/// An object with one copy, on backend 1.
fn single(machine: &mut Machine) -> BlobId {
    let new = machine.new_blob(10, &[1]);
    let blob = new.blob;
    let commit = machine.commit("key", written_of(vec![new]));
    machine.committed(Command::CommitObject(Box::new(commit)));
    blob
}

#[test]
fn c1_a_copy_that_returns_to_a_backend_is_another_attempt_than_the_one_in_garbage() {
    let mut machine = Machine::ready();
    let (blob, _) = machine.put("key");
    let gone = remove(&machine, blob, 1, 0, 1);
    machine.done(gone);
    let back = add(&machine, blob, 1, 1);
    machine.done(back);
    let garbage = machine.garbage(1);
    assert_eq!((garbage.len(), garbage[0].0.attempt), (1, Attempt(0)));
    let old = replica(1, machine.session.epoch, 0).address();
    let new = replica(1, machine.session.epoch, 1).address();
    assert_eq!(
        attempt_state(&machine.tables, blob, &old).unwrap(),
        AttemptState::Garbage
    );
    assert_eq!(
        attempt_state(&machine.tables, blob, &new).unwrap(),
        AttemptState::Live
    );
    machine.collect();
    assert_eq!(
        attempt_state(&machine.tables, blob, &new).unwrap(),
        AttemptState::Live
    );
    assert_eq!(
        attempt_state(&machine.tables, blob, &old).unwrap(),
        AttemptState::Unknown
    );
}

#[test]
fn c1_an_attempt_in_garbage_is_never_added_again() {
    let mut machine = Machine::ready();
    let (blob, _) = machine.put("key");
    let gone = remove(&machine, blob, 1, 0, 1);
    machine.done(gone);
    let again = add(&machine, blob, 1, 0);
    assert_eq!(machine.rejection(again), Rejection::ReplicaExists);
    assert_eq!(machine.garbage(1).len(), 1);
}

#[test]
fn c1_a_copy_of_a_sealed_epoch_is_refused_and_a_sweep_of_it_deletes_nothing_live() {
    let mut machine = Machine::ready();
    let blob = single(&mut machine);
    let old = machine.session.clone();
    machine.session = machine.open_session(1, 2);
    let late = Command::AddReplica(AddReplica {
        blob,
        replica: replica(2, old.epoch, 1),
        stored: 110,
    });
    assert_eq!(machine.rejection(late), Rejection::EpochNotOpen(old.epoch));
    let address = replica(2, old.epoch, 1).address();
    assert_eq!(
        attempt_state(&machine.tables, blob, &address).unwrap(),
        AttemptState::Unknown
    );
    let live = replica(1, old.epoch, 0).address();
    assert_eq!(
        attempt_state(&machine.tables, blob, &live).unwrap(),
        AttemptState::Live
    );
}

#[test]
fn a_backend_holds_one_present_copy_of_a_blob() {
    let mut machine = Machine::ready();
    let blob = single(&mut machine);
    let doubled = add(&machine, blob, 1, 5);
    assert_eq!(machine.rejection(doubled), Rejection::ReplicaExists);
    assert_eq!(machine.garbage(1).len(), 1, "the surplus copy is handed over");
}

#[test]
fn a_copy_of_a_dead_blob_is_refused_and_handed_over() {
    let mut machine = Machine::ready();
    let blob = single(&mut machine);
    machine.delete("key", None);
    let late = add(&machine, blob, 2, 1);
    assert_eq!(machine.rejection(late), Rejection::NoSuchBlob);
    assert_eq!(machine.garbage(2)[0].1.cause, DeathCause::Rejected);
    machine.collect();
    assert_eq!(machine.blob(blob), None);
}

#[test]
fn a_copy_of_another_length_is_malformed() {
    let mut machine = Machine::ready();
    let blob = single(&mut machine);
    let add = AddReplica {
        blob,
        replica: replica(2, machine.session.epoch, 1),
        stored: 111,
    };
    assert!(matches!(
        machine.rejection(Command::AddReplica(add)),
        Rejection::Malformed(_)
    ));
    assert_eq!(machine.garbage(2).len(), 1);
}

#[test]
fn the_last_good_copy_is_never_removed() {
    let mut machine = Machine::ready();
    let (blob, _) = machine.put("key");
    let both = remove(&machine, blob, 1, 0, 2);
    assert_eq!(machine.rejection(both), Rejection::TooFewReplicas);
    let first = remove(&machine, blob, 1, 0, 0);
    machine.done(first);
    let last = remove(&machine, blob, 2, 0, 0);
    assert_eq!(
        machine.rejection(last),
        Rejection::TooFewReplicas,
        "whatever the proposer wants to keep"
    );
    let again = remove(&machine, blob, 1, 0, 1);
    assert_eq!(machine.rejection(again), Rejection::NoSuchReplica);
}

#[test]
fn a_suspect_goes_only_after_its_replacement_came() {
    let mut machine = Machine::ready();
    let blob = single(&mut machine);
    let mark = suspect(&machine, blob, 1);
    machine.done(mark.clone());
    machine.done(mark);
    assert!(machine.garbage(1).is_empty(), "a 404 deletes nothing");
    let work = queries::work(&machine.tables, WorkKind::Suspect, None, 10).unwrap();
    assert_eq!((work.len(), work[0].1.wanted), (1, 1));
    let early = remove(&machine, blob, 1, 0, 1);
    assert_eq!(machine.rejection(early.clone()), Rejection::TooFewReplicas);
    let replacement = add(&machine, blob, 2, 1);
    machine.done(replacement);
    machine.done(early);
    assert!(
        queries::work(&machine.tables, WorkKind::Suspect, None, 10)
            .unwrap()
            .is_empty()
    );
    assert_eq!(machine.garbage(1)[0].1.cause, DeathCause::Removed);
}

#[test]
fn a_suspect_that_was_verified_is_present_again() {
    let mut machine = Machine::ready();
    let (blob, _) = machine.put("key");
    let mark = suspect(&machine, blob, 1);
    machine.done(mark);
    let address = replica(1, machine.session.epoch, 0).address();
    machine.done(Command::ClearSuspect(ClearSuspect { blob, address }));
    assert_eq!(machine.blob(blob).unwrap().present(), 2);
    assert!(
        queries::work(&machine.tables, WorkKind::Suspect, None, 10)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn a_suspect_that_was_replaced_on_its_backend_is_not_cleared() {
    let mut machine = Machine::ready();
    let (blob, _) = machine.put("key");
    let mark = suspect(&machine, blob, 1);
    machine.done(mark);
    let replacement = add(&machine, blob, 1, 1);
    machine.done(replacement);
    let address = replica(1, machine.session.epoch, 0).address();
    let clear = Command::ClearSuspect(ClearSuspect { blob, address });
    assert_eq!(machine.rejection(clear), Rejection::ReplicaExists);
    assert_eq!(
        machine.blob(blob).unwrap().replica(&address).unwrap().state,
        ReplicaState::Suspect
    );
}

#[test]
fn a_suspected_blob_that_dies_takes_its_work_along() {
    let mut machine = Machine::ready();
    let (blob, _) = machine.put("key");
    let mark = suspect(&machine, blob, 1);
    machine.done(mark);
    machine.delete("key", None);
    machine.release_all(10);
    assert_eq!(machine.garbage(1).len(), 1);
    assert!(
        queries::work(&machine.tables, WorkKind::Suspect, None, 10)
            .unwrap()
            .is_empty()
    );
    machine.collect();
    assert_eq!(machine.blob(blob), None);
}

#[test]
fn a_confirmation_of_rows_that_are_gone_is_passed_over() {
    let mut machine = Machine::ready();
    let (blob, _) = machine.put("key");
    machine.delete("key", None);
    let rows: Vec<GarbageRow> = machine.garbage(1).iter().map(|(key, _)| row_of(key)).collect();
    let confirm = |rows: Vec<GarbageRow>| {
        Command::ConfirmDeleted(ConfirmDeleted {
            backend: BackendId(1),
            rows,
        })
    };
    machine.done(confirm(rows.clone()));
    assert_eq!(machine.blob(blob).unwrap().replicas.len(), 1);
    machine.done(confirm(rows));
    let never = GarbageRow {
        died: 1,
        blob,
        epoch: EpochId(1),
        attempt: Attempt(99),
    };
    machine.done(confirm(vec![never]));
    machine.collect();
    assert_eq!(machine.blob(blob), None);
}

#[test]
fn m2_garbage_is_paged_by_backend_and_by_the_index_of_death() {
    let mut machine = Machine::ready();
    let mut died = Vec::new();
    for name in ["a", "b", "c"] {
        machine.put(name);
        machine.delete(name, None);
        died.push(machine.index);
    }
    let page = |died, limit| queries::garbage(&machine.tables, BackendId(1), died, None, limit).unwrap();
    assert_eq!(page(died[1], 10).len(), 2);
    assert_eq!(page(died[0] - 1, 10).len(), 0);
    let first = page(u64::MAX, 2);
    let rest = queries::garbage(&machine.tables, BackendId(1), u64::MAX, Some(&first[1].0), 10).unwrap();
    assert_eq!((first.len(), rest.len(), rest[0].0.died), (2, 1, died[2]));
}

#[test]
fn nobody_gives_up_the_attempts_of_another_session() {
    let mut machine = Machine::ready();
    let other = machine.open_session(2, 1);
    let blob = machine.blob_id();
    let give_up = |epoch| {
        Command::GiveUpAttempts(GiveUpAttempts {
            attempts: vec![attempt(blob, 1, epoch, 0)],
        })
    };
    assert_eq!(
        machine.rejection(give_up(other.epoch)),
        Rejection::EpochNotOpen(other.epoch)
    );
    machine.done(give_up(EpochId(99)));
    assert!(machine.garbage(1).is_empty());
    machine.done(give_up(machine.session.epoch));
    assert_eq!(machine.garbage(1).len(), 1);
}
