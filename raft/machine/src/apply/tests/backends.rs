//! The life of a backend (C2, C7).

use bytes::Bytes;
use raft_types::commands::{
    ActivateBackend, AddReplica, AttachBackend, CloseEpoch, GiveUpAttempts, RecordSweep, RemoveReplica,
    SealEpoch, SetBackendState, SweepMark,
};
use raft_types::records::{BackendState, SweepPass};
use raft_types::{BackendId, BackendNonce, BlobId, Command, Outcome, Rejection};

use super::fixture::{Machine, attempt, replica, row_of};
use crate::queries;

fn set(backend: u32, from: BackendState, to: BackendState) -> Command {
    Command::SetBackendState(SetBackendState {
        backend: BackendId(backend),
        from,
        to,
    })
}

const DRAIN: (BackendState, BackendState) = (BackendState::Active, BackendState::Draining);
const REMOVE: (BackendState, BackendState) = (BackendState::Draining, BackendState::Removed);

#[test]
fn c2_a_backend_takes_nothing_until_every_open_session_has_read_its_identity() {
    let mut machine = Machine::ready();
    let backend = machine.attach("three");
    let mut written = machine.written(10);
    written.blobs[0]
        .replicas
        .push(replica(backend.0, machine.session.epoch, 0));
    let commit = machine.commit("key", written);
    let rejection = machine.rejection(Command::CommitObject(Box::new(commit)));
    assert_eq!(rejection, Rejection::BackendClosed(backend));
    let other = machine.open_session(2, 1);
    let session = machine.session.id;
    let activate = |readers| Command::ActivateBackend(ActivateBackend { backend, readers });
    assert_eq!(
        machine.rejection(activate(vec![session])),
        Rejection::SessionMissing(other.id)
    );
    machine.done(activate(vec![session, other.id]));
    assert_eq!(
        machine.rejection(activate(vec![session, other.id])),
        Rejection::Changed
    );
}

#[test]
fn c7_a_long_upload_lands_on_a_draining_backend_but_never_on_a_removed_one() {
    let mut machine = Machine::ready();
    let epoch = machine.session.epoch;
    machine.done(set(1, DRAIN.0, DRAIN.1));
    let (blob, _) = machine.put("key");
    assert_eq!(
        machine.rejection(set(1, REMOVE.0, REMOVE.1)),
        Rejection::BackendInUse
    );
    let address = replica(1, epoch, 0).address();
    machine.done(Command::RemoveReplica(RemoveReplica {
        blob,
        address,
        keep: 1,
    }));
    assert_eq!(
        machine.rejection(set(1, REMOVE.0, REMOVE.1)),
        Rejection::BackendInUse,
        "garbage is left"
    );
    machine.collect();
    assert_eq!(
        machine.rejection(set(1, REMOVE.0, REMOVE.1)),
        Rejection::BackendInUse,
        "the epoch is open"
    );
    // The session rotates, tells what it used, and the sweep waives the second pass.
    let mut session = machine.session.clone();
    let next = machine.open_epoch(&mut session);
    session.epoch = next;
    machine.session = session;
    machine.done(Command::CloseEpoch(CloseEpoch {
        epoch,
        used: vec![BackendId(1), BackendId(2)],
    }));
    assert_eq!(
        machine.rejection(set(1, REMOVE.0, REMOVE.1)),
        Rejection::BackendInUse
    );
    machine.done(Command::SealEpoch(SealEpoch { epoch }));
    assert_eq!(
        machine.rejection(set(1, REMOVE.0, REMOVE.1)),
        Rejection::BackendInUse
    );
    let mark = SweepMark {
        backend: BackendId(1),
        pass: SweepPass::Final,
    };
    machine.done(Command::RecordSweep(RecordSweep {
        epoch,
        sweeps: vec![mark],
    }));
    machine.done(set(1, REMOVE.0, REMOVE.1));
    let written = machine.written(10);
    let commit = machine.commit("late", written);
    let rejection = machine.rejection(Command::CommitObject(Box::new(commit)));
    assert_eq!(rejection, Rejection::BackendClosed(BackendId(1)));
    assert!(
        machine.garbage(1).is_empty(),
        "nobody could delete from a removed backend"
    );
    assert_eq!(machine.garbage(2).len(), 1);
}

#[test]
fn c7_an_epoch_opened_since_the_drain_began_brings_nothing_there() {
    let mut machine = Machine::ready();
    let (blob, _) = machine.put("key");
    let address = replica(1, machine.session.epoch, 0).address();
    machine.done(Command::RemoveReplica(RemoveReplica {
        blob,
        address,
        keep: 1,
    }));
    machine.done(set(1, DRAIN.0, DRAIN.1));
    let mut session = machine.session.clone();
    let epoch = machine.open_epoch(&mut session);
    machine.session = session;
    let add = AddReplica {
        blob,
        replica: replica(1, epoch, 0),
        stored: 110,
    };
    let rejection = machine.rejection(Command::AddReplica(add.clone()));
    assert_eq!(rejection, Rejection::BackendClosed(BackendId(1)));
    machine.done(set(1, BackendState::Draining, BackendState::Active));
    let again = AddReplica {
        replica: replica(1, epoch, 1),
        ..add
    };
    machine.done(Command::AddReplica(again));
}

#[test]
fn c7_a_name_that_comes_back_is_another_backend() {
    let mut machine = Machine::ready();
    let old = machine.attach("three");
    let attach = AttachBackend {
        name: "three".parse().unwrap(),
        kind: "memory".to_owned(),
        spec: Bytes::new(),
        prefix: "p".to_owned(),
        nonce: BackendNonce([1; 16]),
    };
    let again = Command::AttachBackend(attach);
    assert_eq!(machine.rejection(again.clone()), Rejection::BackendExists(old));
    machine.done(set(old.0, BackendState::Attaching, BackendState::Removed));
    let Outcome::BackendAttached(new) = machine.command(again) else {
        panic!("not attached");
    };
    assert!(new > old);
    let (found, _) = queries::backend_by_name(&machine.tables, &"three".parse().unwrap())
        .unwrap()
        .unwrap();
    assert_eq!(found, new);
    assert_eq!(
        queries::backend(&machine.tables, old).unwrap().unwrap().state,
        BackendState::Removed
    );
}

#[test]
fn a_backend_goes_only_by_the_steps_of_its_life() {
    let mut machine = Machine::ready();
    assert_eq!(
        machine.rejection(set(1, BackendState::Draining, BackendState::Active)),
        Rejection::Changed
    );
    for to in [
        BackendState::Removed,
        BackendState::Attaching,
        BackendState::Active,
    ] {
        let rejection = machine.rejection(set(1, BackendState::Active, to));
        assert!(matches!(rejection, Rejection::Malformed(_)), "{to:?}");
    }
    assert_eq!(
        machine.rejection(set(9, DRAIN.0, DRAIN.1)),
        Rejection::NoSuchBackend
    );
}

#[test]
fn c7_a_backend_that_was_never_active_stays_while_an_attempt_on_it_is_to_be_deleted() {
    let mut machine = Machine::ready();
    let backend = machine.attach("three");
    let attempts = vec![attempt(BlobId([9; 16]), backend.0, machine.session.epoch, 1)];
    machine.done(Command::GiveUpAttempts(GiveUpAttempts { attempts }));
    let remove = set(backend.0, BackendState::Attaching, BackendState::Removed);
    assert_eq!(machine.rejection(remove.clone()), Rejection::BackendInUse);
    let (key, _) = machine.garbage(backend.0).remove(0);
    machine.done(Command::ConfirmDeleted(raft_types::commands::ConfirmDeleted {
        backend,
        rows: vec![row_of(&key)],
    }));
    machine.done(remove);
}
