//! Commands that are applied at most once (C4).

use raft_types::commands::{Command, Numbered, Settle};
use raft_types::keys::{OutcomeKey, SessionKey};
use raft_types::records::{DeathCause, SessionRecord};
use raft_types::{Outcome, Refusal, Rejection, SessionId, limits};

use super::attempts::discard_all;
use super::context::{Context, Moment};
use super::stop::Stop;
use super::{
    Verdict, attempt, backend, blob, bucket, cluster, commit, complete, conclude, copy, delete, keep_time,
    key, release, session, upload,
};
use crate::effect::Applied;
use crate::fault::Fault;
use crate::port::ReadTables;
use crate::transaction::Transaction;
use crate::{queries, rows};

/// Applies a numbered command, or answers with what it came to before.
pub(super) fn apply<T: ReadTables>(
    transaction: &mut Transaction<'_, T>,
    moment: &Moment,
    numbered: Numbered,
) -> Result<Applied, Fault> {
    let Numbered {
        session,
        seq,
        settled_below,
        command,
    } = numbered;
    let record = rows::get(transaction, &SessionKey { session })?;
    let floor = match admit(record.as_ref(), seq, settled_below) {
        Ok(floor) => floor,
        Err(refusal) => return Ok(unchanged(Outcome::Refused(refusal))),
    };
    if let Some(outcome) = rows::get(transaction, &OutcomeKey { session, seq })? {
        return Ok(unchanged(outcome));
    }
    let named = command.attempts();
    let mut context = Context::new(transaction, session, moment);
    let verdict = attempt(&mut context, |context| dispatch(context, seq, floor, command))?;
    let happened = matches!(verdict, Verdict::Done(_));
    let outcome = conclude(&mut context, verdict)?;
    if !happened && !named.is_empty() {
        discard_named(&mut context, session, &named, DeathCause::Rejected)?;
    }
    context.put(&OutcomeKey { session, seq }, &outcome);
    move_floor(&mut context, session, floor)?;
    keep_time(&mut context)?;
    Ok(Applied {
        outcome,
        effects: context.effects,
    })
}

fn unchanged(outcome: Outcome) -> Applied {
    Applied {
        outcome,
        effects: Vec::new(),
    }
}

/// Whether a number may be looked at, and where the floor is then. A refusal says nothing about an earlier
/// delivery of the command, which may have been applied.
fn admit(record: Option<&SessionRecord>, seq: u64, settled_below: u64) -> Result<u64, Refusal> {
    let Some(record) = record else {
        return Err(Refusal::UnknownSession);
    };
    if record.seal.is_some() {
        return Err(Refusal::SessionSealed);
    }
    let floor = record.floor.max(settled_below);
    if seq < floor {
        return Err(Refusal::Settled);
    }
    if seq - floor > limits::SEQ_WINDOW {
        return Err(Refusal::BeyondWindow);
    }
    Ok(floor)
}

/// Hands over the attempts of a command that does not happen.
fn discard_named<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    session: SessionId,
    named: &[raft_types::BlobAttempt],
    cause: DeathCause,
) -> Result<(), Fault> {
    discard_all(context, session, named, cause)?;
    context.settle_counters()
}

/// Moves the floor, and removes some of the outcomes below it. Numbers are dense, so rows are deleted
/// without being looked for.
fn move_floor<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    session: SessionId,
    floor: u64,
) -> Result<(), Fault> {
    let key = SessionKey { session };
    let Some(mut record) = context.get(&key)? else {
        return Ok(());
    };
    let trimmed = floor.min(record.trimmed.saturating_add(limits::OUTCOMES_TRIMMED as u64));
    if record.floor == floor && record.trimmed >= trimmed {
        return Ok(());
    }
    for seq in record.trimmed..trimmed {
        context.delete(&OutcomeKey { session, seq });
    }
    record.floor = floor;
    record.trimmed = record.trimmed.max(trimmed);
    context.put(&key, &record);
    Ok(())
}

/// Returns the outcome of a number, or cancels it.
fn settle<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    own: u64,
    floor: u64,
    settle: &Settle,
) -> Result<Outcome, Stop> {
    let (session, seq) = (context.session, settle.seq);
    if seq == own || seq < floor || seq - floor > limits::SEQ_WINDOW {
        return Err(Stop::malformed(format!(
            "number {seq} cannot be settled by number {own}"
        )));
    }
    if let Some(outcome) = queries::outcome(&*context.tx, session, seq)? {
        return Ok(outcome);
    }
    if settle.attempts.len() > limits::ATTEMPTS {
        return Err(Stop::malformed("too many attempts"));
    }
    discard_all(context, session, &settle.attempts, DeathCause::Cancelled)?;
    context.put(&OutcomeKey { session, seq }, &Outcome::Cancelled);
    Ok(Outcome::Cancelled)
}

fn dispatch<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    seq: u64,
    floor: u64,
    command: Command,
) -> Result<Outcome, Stop> {
    match command {
        Command::RegisterNode(command) => cluster::register_node(context, command),
        Command::RemoveNode(command) => cluster::remove_node(context, &command),
        Command::ProposeSettings(command) => cluster::propose_settings(context, command),
        Command::DismissIncident(command) => cluster::dismiss_incident(context, &command),
        Command::CloseSession(_) => session::close(context),
        Command::SealSession(command) => session::seal_silent(context, &command),
        Command::Settle(command) => settle(context, seq, floor, &command),
        Command::OpenEpoch(_) => session::open_epoch(context),
        Command::CloseEpoch(command) => session::close_epoch(context, command),
        Command::SealEpoch(command) => session::seal_epoch(context, &command),
        Command::RecordSweep(command) => session::record_sweep(context, &command),
        Command::CreateBucket(command) => bucket::create(context, command),
        Command::DeleteBucket(command) => bucket::delete(context, &command),
        Command::SetVersioning(command) => bucket::set_versioning(context, &command),
        Command::CommitObject(command) => commit::commit_object(context, *command),
        Command::DeleteObjects(command) => delete::delete_objects(context, &command),
        Command::CopyReference(command) => copy::copy_reference(context, *command),
        Command::CreateUpload(command) => upload::create(context, *command),
        Command::CommitPart(command) => upload::commit_part(context, *command),
        Command::CompleteUpload(command) => complete::complete(context, *command),
        Command::AbortUpload(command) => upload::abort(context, &command),
        Command::ExpireCompletions(command) => complete::expire(context, &command),
        Command::AddReplica(command) => blob::add_replica(context, command),
        Command::GiveUpAttempts(command) => blob::give_up(context, &command),
        Command::MarkSuspect(command) => blob::mark_suspect(context, &command),
        Command::ClearSuspect(command) => blob::clear_suspect(context, &command),
        Command::RemoveReplica(command) => blob::remove_replica(context, &command),
        Command::ConfirmDeleted(command) => blob::confirm_deleted(context, &command),
        Command::Release(command) => release::release(context, &command),
        Command::AttachBackend(command) => backend::attach(context, command),
        Command::ActivateBackend(command) => backend::activate(context, &command),
        Command::SetBackendState(command) => backend::set_state(context, &command),
        Command::PutBucketKey(command) => key::put(context, command),
        Command::ProveKey(command) => key::prove(context, &command),
        Command::ActivateKey(command) => key::activate(context, &command),
        Command::RecordKeyring(command) => key::record_keyring(context, command),
    }
}

/// The rejection of a command that needs a row which does not stand.
pub(super) fn required<R>(row: Option<R>, rejection: Rejection) -> Result<R, Stop> {
    row.ok_or(Stop::Reject(rejection))
}
