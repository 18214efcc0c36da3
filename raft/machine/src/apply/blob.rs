//! Replicas of blobs, and attempts that are to be deleted.

use raft_types::commands::{
    AddReplica, ClearSuspect, ConfirmDeleted, GarbageRow, GiveUpAttempts, MarkSuspect, RemoveReplica,
};
use raft_types::keys::{BlobKey, EpochKey, GarbageKey, WorkKey};
use raft_types::records::{
    BlobRecord, DeathCause, GarbageRecord, IncidentKind, ReplicaState, WorkKind, WorkRecord,
};
use raft_types::{AttemptAddress, BackendId, BlobId, Outcome, Rejection, limits};

use super::attempts;
use super::context::Context;
use super::counters::signed;
use super::numbered::required;
use super::references::has_suspect;
use super::stop::Stop;
use super::written;
use crate::effect::Effect;
use crate::port::ReadTables;

fn live<T: ReadTables>(context: &Context<'_, '_, T>, blob: BlobId) -> Result<BlobRecord, Stop> {
    required(
        context.get(&BlobKey { blob })?.filter(BlobRecord::is_live),
        Rejection::NoSuchBlob,
    )
}

/// Adds a verified copy to a live blob, one per backend.
pub(super) fn add_replica<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    command: AddReplica,
) -> Result<Outcome, Stop> {
    let AddReplica {
        blob,
        replica,
        stored,
    } = command;
    let mut record = live(context, blob)?;
    let content = required(record.content.as_ref(), Rejection::NoSuchBlob)?;
    if content.stored != stored {
        return Err(Stop::malformed("the copy is not as long as the blob"));
    }
    written::check_replica(context, &replica)?;
    let is_there = record.replica(&replica.address()).is_some();
    let is_doubled = record
        .replicas
        .iter()
        .any(|other| other.backend == replica.backend && other.state == ReplicaState::Present);
    if is_there || is_doubled || record.replicas.len() >= limits::REPLICAS {
        return Err(Rejection::ReplicaExists.into());
    }
    let added = written::present(&replica);
    attempts::count_added(context, &added, stored);
    record.replicas.push(added);
    if record.short {
        attempts::forget_pending(context, blob, &replica.address())?;
    }
    attempts::end_shortage(context, blob, &mut record)?;
    context.put(&BlobKey { blob }, &record);
    Ok(Outcome::Done)
}

/// Hands attempts of the session over for deletion. If one of them is live, none is taken.
pub(super) fn give_up<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    command: &GiveUpAttempts,
) -> Result<Outcome, Stop> {
    if command.attempts.len() > limits::ATTEMPTS {
        return Err(Stop::malformed("a command names 256 attempts at most"));
    }
    for attempt in &command.attempts {
        let epoch = attempt.address.epoch;
        // An epoch that is forgotten was swept; nothing of it is left to hand over.
        let is_known = context.get(&EpochKey { epoch })?.is_some();
        if is_known && !attempts::is_own(context, context.session, &attempt.address)? {
            return Err(Rejection::EpochNotOpen(epoch).into());
        }
        written::give_up(context, attempt)?;
    }
    Ok(Outcome::Done)
}

/// Changes the state of one replica of a live blob. `None` where it has that state already.
fn turn(
    record: &mut BlobRecord,
    address: &AttemptAddress,
    from: ReplicaState,
    to: ReplicaState,
) -> Result<Option<()>, Stop> {
    let replica = record
        .replicas
        .iter_mut()
        .find(|replica| replica.address() == *address);
    match replica {
        Some(replica) if replica.state == from => {
            replica.state = to;
            Ok(Some(()))
        }
        Some(replica) if replica.state == to => Ok(None),
        _ => Err(Rejection::NoSuchReplica.into()),
    }
}

/// Notes that something speaks against a copy. Its bytes stay: a 404 deletes nothing.
pub(super) fn mark_suspect<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    command: &MarkSuspect,
) -> Result<Outcome, Stop> {
    let blob = command.blob;
    let mut record = live(context, blob)?;
    if turn(
        &mut record,
        &command.address,
        ReplicaState::Present,
        ReplicaState::Suspect,
    )?
    .is_none()
    {
        return Ok(Outcome::Done);
    }
    context.put(&BlobKey { blob }, &record);
    let key = WorkKey {
        kind: WorkKind::Suspect,
        blob,
    };
    if context.get(&key)?.is_none() {
        // As many copies are wanted as were there before one of them became suspect.
        let wanted = u32::try_from(record.present() + 1).unwrap_or(u32::MAX);
        context.put(
            &key,
            &WorkRecord {
                wanted,
                since: context.now,
                pending: Vec::new(),
            },
        );
    }
    context.effect(Effect::Work);
    Ok(Outcome::Done)
}

/// Notes that a suspect copy was verified.
pub(super) fn clear_suspect<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    command: &ClearSuspect,
) -> Result<Outcome, Stop> {
    let blob = command.blob;
    let mut record = live(context, blob)?;
    let backend = command.address.backend;
    let is_doubled = record
        .replicas
        .iter()
        .any(|other| other.backend == backend && other.state == ReplicaState::Present);
    if turn(
        &mut record,
        &command.address,
        ReplicaState::Suspect,
        ReplicaState::Present,
    )?
    .is_none()
    {
        return Ok(Outcome::Done);
    }
    if is_doubled {
        // It was replaced on its backend meanwhile, and is surplus.
        return Err(Rejection::ReplicaExists.into());
    }
    end_suspicion(context, blob, &record);
    attempts::end_shortage(context, blob, &mut record)?;
    context.put(&BlobKey { blob }, &record);
    Ok(Outcome::Done)
}

fn end_suspicion<T: ReadTables>(context: &mut Context<'_, '_, T>, blob: BlobId, record: &BlobRecord) {
    if !has_suspect(record) {
        context.delete(&WorkKey {
            kind: WorkKind::Suspect,
            blob,
        });
    }
}

/// Removes a copy if enough others are present. So a suspect goes only after its replacement came.
pub(super) fn remove_replica<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    command: &RemoveReplica,
) -> Result<Outcome, Stop> {
    let blob = command.blob;
    let mut record = live(context, blob)?;
    let stored = record.content.as_ref().map_or(0, |content| content.stored);
    let (mut others, mut found) = (0_u32, None);
    for replica in &mut record.replicas {
        if replica.address() == command.address {
            found = Some(replica);
        } else if replica.state == ReplicaState::Present {
            others += 1;
        }
    }
    let found = found.filter(|replica| replica.state != ReplicaState::Removing);
    let replica = required(found, Rejection::NoSuchReplica)?;
    // Whatever the proposer says, the last good copy stays.
    if others < command.keep.max(1) {
        return Err(Rejection::TooFewReplicas.into());
    }
    let was_suspect = replica.state == ReplicaState::Suspect;
    attempts::remove(context, blob, replica, stored, DeathCause::Removed, context.index);
    if was_suspect {
        end_suspicion(context, blob, &record);
    }
    context.put(&BlobKey { blob }, &record);
    Ok(Outcome::Done)
}

/// Notes that attempts were deleted. A blob's row goes with its last replica.
pub(super) fn confirm_deleted<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    command: &ConfirmDeleted,
) -> Result<Outcome, Stop> {
    if command.rows.len() > limits::CONFIRM_ROWS {
        return Err(Stop::malformed("a command confirms 250 rows at most"));
    }
    for row in &command.rows {
        let GarbageRow {
            died,
            blob,
            epoch,
            attempt,
        } = *row;
        let key = GarbageKey {
            backend: command.backend,
            died,
            blob,
            epoch,
            attempt,
        };
        if let Some(garbage) = context.get(&key)? {
            context.delete(&key);
            forget_replica(context, command.backend, row, &garbage)?;
        }
    }
    Ok(Outcome::Done)
}

fn forget_replica<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    backend: BackendId,
    row: &GarbageRow,
    garbage: &GarbageRecord,
) -> Result<(), Stop> {
    let delta = context.deltas.backend(backend);
    delta.garbage -= 1;
    delta.garbage_bytes = delta.garbage_bytes.saturating_sub(signed(garbage.stored));
    let address = AttemptAddress {
        backend,
        incarnation: garbage.incarnation,
        epoch: row.epoch,
        attempt: row.attempt,
    };
    let blob = row.blob;
    let mut record = context.get(&BlobKey { blob })?;
    let place = record.as_ref().and_then(|record| {
        let is_it = |state| state == ReplicaState::Removing;
        record
            .replicas
            .iter()
            .position(|replica| replica.address() == address && is_it(replica.state))
    });
    let (Some(record), Some(place)) = (&mut record, place) else {
        let detail = format!("blob {blob}, {address}: in garbage, and not removing in the blob's row");
        return Err(Stop::broken(IncidentKind::UnexpectedRow, detail));
    };
    record.replicas.remove(place);
    attempts::put_or_forget(context, blob, record);
    Ok(())
}
