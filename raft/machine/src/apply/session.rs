//! Sessions and epochs.

use raft_types::commands::{CloseEpoch, OpenSession, RecordSweep, SealEpoch, SealSession};
use raft_types::keys::{BackendKey, CountersKey, EpochKey, KeyRange, NodeKey, SessionKey, Table};
use raft_types::records::{
    Closing, EpochRecord, ReleaseSubject, Seal, SealCause, SessionRecord, Sweep, SweepPass,
};
use raft_types::{EpochId, Outcome, Rejection, SessionId};

use super::context::Context;
use super::numbered::required;
use super::references::release;
use super::stop::Stop;
use crate::effect::Effect;
use crate::fault::Fault;
use crate::port::{Cursor, ReadTables};
use crate::queries::{self, EpochState};

/// Begins a session. The boot number orders boots, the nonce tells a copied data directory from its original.
pub(super) fn open<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    command: &OpenSession,
) -> Result<Outcome, Stop> {
    let key = NodeKey { node: command.node };
    let mut node = required(context.get(&key)?, Rejection::NoSuchNode)?;
    if command.boot == node.boot && node.nonce == Some(command.nonce) {
        return match node.session {
            Some(session) => Ok(Outcome::SessionOpened(session)),
            None => Err(Rejection::BootSuperseded.into()),
        };
    }
    if command.boot <= node.boot {
        return Err(Rejection::BootSuperseded.into());
    }
    if let Some(earlier) = node.session {
        seal(context, earlier, SealCause::Rebooted)?;
    }
    let mut counters = context.counters()?;
    let session = counters.session.next().ok_or(Fault::Exhausted("session"))?;
    counters.session = session;
    context.put(&CountersKey, &counters);
    let record = SessionRecord {
        node: command.node,
        boot: command.boot,
        nonce: command.nonce,
        opened_index: context.index,
        opened: context.now,
        // Numbers begin at 1.
        floor: 1,
        trimmed: 1,
        seal: None,
    };
    context.put(&SessionKey { session }, &record);
    node.boot = command.boot;
    node.nonce = Some(command.nonce);
    node.session = Some(session);
    context.put(&key, &node);
    context.changed(Table::Nodes);
    context.effect(Effect::SessionOpened(session));
    Ok(Outcome::SessionOpened(session))
}

/// Ends the session that sends the command.
pub(super) fn close<T: ReadTables>(context: &mut Context<'_, '_, T>) -> Result<Outcome, Stop> {
    seal(context, context.session, SealCause::Ended)?;
    Ok(Outcome::Done)
}

/// Seals a silent session. Only in an entry of the term whose leader has listened for it.
pub(super) fn seal_silent<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    command: &SealSession,
) -> Result<Outcome, Stop> {
    if command.term != context.term {
        return Err(Rejection::OtherTerm.into());
    }
    if !seal(context, command.session, SealCause::Silent)? {
        return Err(Rejection::NoSuchSession.into());
    }
    Ok(Outcome::Done)
}

/// Seals a session if it is open: one row, which seals all its epochs too. Its outcomes are left to a job.
pub(super) fn seal<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    session: SessionId,
    cause: SealCause,
) -> Result<bool, Stop> {
    let key = SessionKey { session };
    let Some(mut record) = context.get(&key)?.filter(|record| record.seal.is_none()) else {
        return Ok(false);
    };
    record.seal = Some(Seal {
        index: context.index,
        at: context.now,
        cause,
    });
    context.put(&key, &record);
    release(context, ReleaseSubject::Outcomes(session));
    context.effect(Effect::SessionSealed(session));
    Ok(true)
}

/// Removes the row of a sealed session once neither outcomes nor epochs of it are left. From then on its
/// commands are refused as those of an unknown session.
pub(super) fn forget_if_done<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    session: SessionId,
) -> Result<(), Stop> {
    let key = SessionKey { session };
    if context.get(&key)?.is_none_or(|record| record.seal.is_none()) {
        return Ok(());
    }
    let outcomes = KeyRange::under(Table::Outcomes, &session);
    let has_outcomes = context
        .tx
        .cursor(&outcomes.lower, &outcomes.upper)?
        .entry()
        .is_some();
    if !has_outcomes && queries::epochs_of(&*context.tx, session)?.is_empty() {
        context.delete(&key);
    }
    Ok(())
}

/// Opens an epoch of the session that sends the command.
pub(super) fn open_epoch<T: ReadTables>(context: &mut Context<'_, '_, T>) -> Result<Outcome, Stop> {
    let mut counters = context.counters()?;
    let epoch = counters.epoch.next().ok_or(Fault::Exhausted("epoch"))?;
    counters.epoch = epoch;
    context.put(&CountersKey, &counters);
    let record = EpochRecord {
        session: context.session,
        incarnation: context.incarnation,
        opened_index: context.index,
        opened: context.now,
        closing: None,
        seal: None,
        sweeps: Vec::new(),
        quarantined: false,
    };
    context.put(&EpochKey { epoch }, &record);
    Ok(Outcome::EpochOpened(epoch))
}

/// The epoch of the session that sends the command, in the state that the command needs.
fn own_epoch<T: ReadTables>(
    context: &Context<'_, '_, T>,
    epoch: EpochId,
    state: EpochState,
) -> Result<EpochRecord, Stop> {
    let record = context.get(&EpochKey { epoch })?;
    let record = record.filter(|record| record.session == context.session);
    let record = required(record, Rejection::EpochNotOpen(epoch))?;
    if queries::epoch_state(&*context.tx, &record)? != state {
        return Err(Rejection::EpochNotOpen(epoch).into());
    }
    Ok(record)
}

/// Ends the beginning of attempts under an epoch, and keeps on which backends it began some.
pub(super) fn close_epoch<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    command: CloseEpoch,
) -> Result<Outcome, Stop> {
    let CloseEpoch { epoch, mut used } = command;
    let mut record = own_epoch(context, epoch, EpochState::Open)?;
    used.sort_unstable();
    used.dedup();
    for &backend in &used {
        required(context.get(&BackendKey { backend })?, Rejection::NoSuchBackend)?;
    }
    record.closing = Some(Closing {
        index: context.index,
        used,
    });
    context.put(&EpochKey { epoch }, &record);
    Ok(Outcome::Done)
}

/// Ends a closed epoch. From here on nothing in it becomes referenced any more, so it may be swept.
pub(super) fn seal_epoch<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    command: &SealEpoch,
) -> Result<Outcome, Stop> {
    let epoch = command.epoch;
    let mut record = own_epoch(context, epoch, EpochState::Closing)?;
    record.seal = Some(Seal {
        index: context.index,
        at: context.now,
        cause: SealCause::Ended,
    });
    put_or_forget(context, epoch, record)?;
    context.effect(Effect::EpochSealed(epoch));
    Ok(Outcome::Done)
}

/// Writes the row of a sealed epoch, or deletes it where nothing is left to be swept.
fn put_or_forget<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    epoch: EpochId,
    record: EpochRecord,
) -> Result<(), Stop> {
    let key = EpochKey { epoch };
    if !queries::sweep_targets(&*context.tx, &record)?.is_empty() {
        context.put(&key, &record);
        return Ok(());
    }
    context.delete(&key);
    forget_if_done(context, record.session)
}

/// Records sweeps of a sealed epoch, and forgets it with the last one.
pub(super) fn record_sweep<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    command: &RecordSweep,
) -> Result<Outcome, Stop> {
    let epoch = command.epoch;
    let mut record = required(context.get(&EpochKey { epoch })?, Rejection::EpochNotSweepable)?;
    if !matches!(
        queries::epoch_state(&*context.tx, &record)?,
        EpochState::Sealed(_)
    ) {
        return Err(Rejection::EpochNotSweepable.into());
    }
    for mark in &command.sweeps {
        required(
            context.get(&BackendKey {
                backend: mark.backend,
            })?,
            Rejection::NoSuchBackend,
        )?;
        let sweep = Sweep {
            backend: mark.backend,
            pass: mark.pass,
            at: context.now,
        };
        match record
            .sweeps
            .iter_mut()
            .find(|sweep| sweep.backend == mark.backend)
        {
            None if mark.pass == SweepPass::Second => return Err(Rejection::Changed.into()),
            None => record.sweeps.push(sweep),
            Some(earlier) if earlier.pass == SweepPass::First && mark.pass != SweepPass::First => {
                *earlier = sweep;
            }
            Some(_) => return Err(Rejection::Changed.into()),
        }
    }
    put_or_forget(context, epoch, record)?;
    Ok(Outcome::Done)
}
