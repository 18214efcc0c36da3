//! Sessions and epochs (H2).

use raft_types::commands::{
    CloseEpoch, CloseSession, OpenSession, RecordSweep, SealEpoch, SealSession, SweepMark,
};
use raft_types::records::{SealCause, SweepPass};
use raft_types::{BackendId, BootNonce, Command, EpochId, NodeId, Outcome, Proposal, Rejection};

use super::fixture::{Machine, replica};
use crate::queries::{self, EpochState};

fn open(node: u64, boot: u64, nonce: u8) -> Proposal {
    Proposal::OpenSession(OpenSession {
        node: NodeId(node),
        boot,
        nonce: BootNonce([nonce; 16]),
    })
}

fn state(machine: &Machine, epoch: EpochId) -> Option<EpochState> {
    let record = queries::epoch(&machine.tables, epoch).unwrap()?;
    Some(queries::epoch_state(&machine.tables, &record).unwrap())
}

fn sweep(epoch: EpochId, marks: &[(u32, SweepPass)]) -> Command {
    let mark = |&(backend, pass): &(u32, SweepPass)| SweepMark {
        backend: BackendId(backend),
        pass,
    };
    Command::RecordSweep(RecordSweep {
        epoch,
        sweeps: marks.iter().map(mark).collect(),
    })
}

fn close(epoch: EpochId, used: &[u32]) -> Command {
    Command::CloseEpoch(CloseEpoch {
        epoch,
        used: used.iter().map(|&backend| BackendId(backend)).collect(),
    })
}

#[test]
fn a_repeated_opening_is_answered_with_its_session() {
    let mut machine = Machine::bound();
    let first = machine.propose(open(1, 1, 1));
    assert!(matches!(first, Outcome::SessionOpened(_)));
    let before = machine.tables.clone();
    assert_eq!(machine.propose(open(1, 1, 1)), first);
    assert_eq!(machine.tables, before);
}

#[test]
fn a_late_duplicate_of_an_opening_seals_no_living_session() {
    let mut machine = Machine::bound();
    machine.propose(open(1, 1, 1));
    let Outcome::SessionOpened(living) = machine.propose(open(1, 2, 2)) else {
        panic!("no session");
    };
    let refused = Outcome::Rejected(Rejection::BootSuperseded);
    assert_eq!(machine.propose(open(1, 1, 1)), refused);
    assert_eq!(machine.propose(open(1, 2, 9)), refused, "a copied data directory");
    assert_eq!(machine.propose(open(1, 0, 9)), refused);
    assert!(
        queries::session(&machine.tables, living)
            .unwrap()
            .unwrap()
            .seal
            .is_none()
    );
    assert_eq!(
        machine.propose(open(9, 1, 1)),
        Outcome::Rejected(Rejection::NoSuchNode)
    );
}

#[test]
fn a_new_boot_seals_the_earlier_session_and_its_epochs() {
    let mut machine = Machine::ready();
    let old = machine.session.clone();
    assert_eq!(state(&machine, old.epoch), Some(EpochState::Open));
    machine.session = machine.open_session(1, 2);
    let seal = queries::session(&machine.tables, old.id)
        .unwrap()
        .unwrap()
        .seal
        .unwrap();
    assert_eq!(seal.cause, SealCause::Rebooted);
    assert_eq!(state(&machine, old.epoch), Some(EpochState::Sealed(seal)));
}

#[test]
fn a_silent_session_is_sealed_only_in_the_term_of_the_leader_that_listened() {
    let mut machine = Machine::ready();
    let other = machine.open_session(2, 1);
    let seal = |term| {
        Command::SealSession(SealSession {
            session: other.id,
            term,
        })
    };
    assert_eq!(machine.rejection(seal(machine.term - 1)), Rejection::OtherTerm);
    assert!(
        queries::session(&machine.tables, other.id)
            .unwrap()
            .unwrap()
            .seal
            .is_none()
    );
    let term = machine.term;
    machine.done(seal(term));
    assert_eq!(machine.rejection(seal(term)), Rejection::NoSuchSession);
}

#[test]
fn h2_attempts_of_a_closing_epoch_are_committed_and_of_a_sealed_one_refused() {
    let mut machine = Machine::ready();
    let epoch = machine.session.epoch;
    machine.done(close(epoch, &[1, 2]));
    machine.put("key");
    machine.done(Command::SealEpoch(SealEpoch { epoch }));
    let written = machine.written(10);
    let commit = machine.commit("late", written);
    let rejection = machine.rejection(Command::CommitObject(Box::new(commit)));
    assert_eq!(rejection, Rejection::EpochNotOpen(epoch));
    assert!(machine.current("key").is_some());
}

#[test]
fn h2_a_body_of_several_blobs_may_name_several_epochs() {
    let mut machine = Machine::ready();
    let first = machine.session.epoch;
    let mut session = machine.session.clone();
    let second = machine.open_epoch(&mut session);
    machine.session = session;
    machine.done(close(first, &[1, 2]));
    let mut blobs = vec![machine.new_blob(10, &[1]), machine.new_blob(10, &[1])];
    blobs[1].replicas = vec![replica(1, second, 0)];
    let commit = machine.commit("key", super::fixture::written_of(blobs));
    machine.committed(Command::CommitObject(Box::new(commit)));
}

#[test]
fn h2_an_upload_outlives_the_epochs_and_session_of_its_parts() {
    let mut machine = Machine::ready();
    let target = machine.create_upload("key");
    machine.put_part(&target, 1, 7);
    machine.session = machine.open_session(1, 2);
    let complete = machine.complete(&target, &[1]);
    machine.committed(Command::CompleteUpload(Box::new(complete)));
}

#[test]
fn h2_every_epoch_is_swept_twice_on_each_backend_it_used_and_then_forgotten() {
    let mut machine = Machine::ready();
    let epoch = machine.session.epoch;
    assert_eq!(
        machine.rejection(sweep(epoch, &[(1, SweepPass::First)])),
        Rejection::EpochNotSweepable
    );
    machine.done(close(epoch, &[1]));
    assert_eq!(
        machine.rejection(sweep(epoch, &[(1, SweepPass::First)])),
        Rejection::EpochNotSweepable
    );
    machine.done(Command::SealEpoch(SealEpoch { epoch }));
    let record = queries::epoch(&machine.tables, epoch).unwrap().unwrap();
    let targets = queries::sweep_targets(&machine.tables, &record).unwrap();
    assert_eq!(
        targets,
        [(BackendId(1), SweepPass::First)],
        "told: backend 2 was not used"
    );
    assert_eq!(
        machine.rejection(sweep(epoch, &[(1, SweepPass::Second)])),
        Rejection::Changed
    );
    machine.done(sweep(epoch, &[(1, SweepPass::First)]));
    assert_eq!(
        machine.rejection(sweep(epoch, &[(1, SweepPass::First)])),
        Rejection::Changed
    );
    assert!(state(&machine, epoch).is_some());
    machine.done(sweep(epoch, &[(1, SweepPass::Second)]));
    assert_eq!(state(&machine, epoch), None);
}

#[test]
fn h2_an_epoch_that_was_sealed_untold_is_swept_on_every_backend() {
    let mut machine = Machine::ready();
    let old = machine.session.clone();
    machine.session = machine.open_session(1, 2);
    let record = queries::epoch(&machine.tables, old.epoch).unwrap().unwrap();
    let targets = queries::sweep_targets(&machine.tables, &record).unwrap();
    assert_eq!(targets.len(), 2);
    machine.done(sweep(old.epoch, &[(1, SweepPass::First), (2, SweepPass::Final)]));
    machine.release_all(1000);
    assert!(
        queries::session(&machine.tables, old.id).unwrap().is_some(),
        "its epoch still stands"
    );
    machine.done(sweep(old.epoch, &[(1, SweepPass::Second)]));
    assert_eq!(state(&machine, old.epoch), None);
    assert!(queries::session(&machine.tables, old.id).unwrap().is_none());
}

#[test]
fn h2_an_epoch_that_used_no_backend_is_forgotten_when_it_is_sealed() {
    let mut machine = Machine::ready();
    let epoch = machine.session.epoch;
    machine.done(close(epoch, &[]));
    machine.done(Command::SealEpoch(SealEpoch { epoch }));
    assert_eq!(state(&machine, epoch), None);
}

#[test]
fn the_epoch_of_another_session_is_neither_closed_nor_sealed() {
    let mut machine = Machine::ready();
    let other = machine.open_session(2, 1);
    assert_eq!(
        machine.rejection(close(other.epoch, &[])),
        Rejection::EpochNotOpen(other.epoch)
    );
    let own = machine.session.epoch;
    let open = Command::SealEpoch(SealEpoch { epoch: own });
    assert_eq!(
        machine.rejection(open),
        Rejection::EpochNotOpen(own),
        "it is not closing yet"
    );
}

#[test]
fn a_session_that_ends_in_order_is_sealed_and_its_outcomes_are_removed() {
    let mut machine = Machine::ready();
    let mut other = machine.open_session(2, 1);
    assert_eq!(
        machine.send(&mut other, Command::CloseSession(CloseSession {})),
        Outcome::Done
    );
    let seal = queries::session(&machine.tables, other.id)
        .unwrap()
        .unwrap()
        .seal
        .unwrap();
    assert_eq!(seal.cause, SealCause::Ended);
    machine.release_all(1);
    assert_eq!(queries::outcome(&machine.tables, other.id, 1).unwrap(), None);
}
