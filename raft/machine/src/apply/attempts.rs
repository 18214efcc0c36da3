//! Attempts: from a replica of a blob into `garbage`, and out of it.

use raft_types::keys::{BackendKey, BlobKey, EpochKey, GarbageKey, WorkKey};
use raft_types::records::{
    BackendState, BlobRecord, DeathCause, GarbageRecord, IncidentKind, Replica, ReplicaState, WorkKind,
    WorkRecord,
};
use raft_types::{AttemptAddress, BlobAttempt, BlobId, SessionId};

use super::context::Context;
use super::counters::signed;
use super::references::has_suspect;
use super::stop::{Broken, Stop};
use crate::effect::Effect;
use crate::fault::Fault;
use crate::port::ReadTables;

/// What became of an attempt that was to be discarded.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Discarded {
    /// It is in `garbage`, now or since earlier, or its epoch sees to it.
    Handed,
    /// A blob row holds it as present or suspect: it must not be deleted.
    Live,
}

/// Hands an attempt over for deletion.
///
/// Only attempts of epochs of `session` are taken: those of forgotten epochs were swept, and nobody speaks
/// for the attempts of others.
pub(super) fn discard<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    session: SessionId,
    attempt: &BlobAttempt,
    cause: DeathCause,
) -> Result<Discarded, Fault> {
    if !is_own(context, session, &attempt.address)? || !is_attached(context, &attempt.address)? {
        return Ok(Discarded::Handed);
    }
    let blob = attempt.blob;
    let mut record = context.get(&BlobKey { blob })?.unwrap_or(BlobRecord {
        content: None,
        references: 0,
        replicas: Vec::new(),
        short: false,
    });
    match record.replica(&attempt.address).map(|replica| replica.state) {
        Some(ReplicaState::Present | ReplicaState::Suspect) => return Ok(Discarded::Live),
        Some(ReplicaState::Removing) => return Ok(Discarded::Handed),
        None => {}
    }
    let AttemptAddress {
        backend,
        incarnation,
        epoch,
        attempt: number,
    } = attempt.address;
    let replica = Replica {
        backend,
        incarnation,
        epoch,
        attempt: number,
        state: ReplicaState::Removing,
        provider_version: attempt.provider_version.clone(),
    };
    put_garbage(context, blob, &replica, attempt.stored, cause, context.index);
    record.replicas.push(replica);
    if record.short {
        forget_pending(context, blob, &attempt.address)?;
    }
    context.put(&BlobKey { blob }, &record);
    Ok(Discarded::Handed)
}

/// Hands over the attempts that a rejected or cancelled command names. An attempt that is live stays, and
/// an incident row says so.
pub(super) fn discard_all<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    session: SessionId,
    attempts: &[BlobAttempt],
    cause: DeathCause,
) -> Result<(), Fault> {
    for attempt in attempts.iter().take(raft_types::limits::ATTEMPTS) {
        if discard(context, session, attempt, cause)? == Discarded::Live {
            context.incident(live(attempt))?;
        }
    }
    Ok(())
}

/// The incident of an attempt that was to be deleted and is live.
pub(super) fn live(attempt: &BlobAttempt) -> Broken {
    Broken {
        kind: IncidentKind::LiveAttemptGivenUp,
        detail: format!("blob {}, {}", attempt.blob, attempt.address),
    }
}

/// Whether the attempt's epoch stands and was opened by `session`.
pub(super) fn is_own<T: ReadTables>(
    context: &Context<'_, '_, T>,
    session: SessionId,
    address: &AttemptAddress,
) -> Result<bool, Fault> {
    let epoch = context.get(&EpochKey { epoch: address.epoch })?;
    Ok(epoch.is_some_and(|epoch| epoch.session == session && epoch.incarnation == address.incarnation))
}

fn is_attached<T: ReadTables>(context: &Context<'_, '_, T>, address: &AttemptAddress) -> Result<bool, Fault> {
    let backend = context.get(&BackendKey {
        backend: address.backend,
    })?;
    Ok(backend.is_some_and(|backend| backend.state != BackendState::Removed))
}

fn put_garbage<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    blob: BlobId,
    replica: &Replica,
    stored: u64,
    cause: DeathCause,
    died: u64,
) {
    let key = GarbageKey {
        backend: replica.backend,
        died,
        blob,
        epoch: replica.epoch,
        attempt: replica.attempt,
    };
    let record = GarbageRecord {
        incarnation: replica.incarnation,
        stored,
        cause,
        since: context.now,
        provider_version: replica.provider_version.clone(),
    };
    context.put(&key, &record);
    let delta = context.deltas.backend(replica.backend);
    delta.garbage += 1;
    delta.garbage_bytes = delta.garbage_bytes.saturating_add(signed(stored));
    context.effect(Effect::Garbage(replica.backend));
}

/// Notes that a replica was added.
pub(super) fn count_added<T: ReadTables>(context: &mut Context<'_, '_, T>, replica: &Replica, stored: u64) {
    let delta = context.deltas.backend(replica.backend);
    delta.replicas += 1;
    delta.stored_bytes = delta.stored_bytes.saturating_add(signed(stored));
}

/// Moves a present or suspect replica into `garbage`. The caller writes the blob's row.
pub(super) fn remove<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    blob: BlobId,
    replica: &mut Replica,
    stored: u64,
    cause: DeathCause,
    died: u64,
) {
    replica.state = ReplicaState::Removing;
    put_garbage(context, blob, replica, stored, cause, died);
    let delta = context.deltas.backend(replica.backend);
    delta.replicas -= 1;
    delta.stored_bytes = delta.stored_bytes.saturating_sub(signed(stored));
}

/// Moves all present and suspect replicas of a dead blob into `garbage`.
pub(super) fn remove_all<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    blob: BlobId,
    record: &mut BlobRecord,
    died: u64,
) {
    let stored = record.content.as_ref().map_or(0, |content| content.stored);
    for replica in &mut record.replicas {
        if replica.state != ReplicaState::Removing {
            remove(context, blob, replica, stored, DeathCause::Unreferenced, died);
        }
    }
}

/// Writes a blob's row, or deletes it where nothing refers to it and no replica is left.
pub(super) fn put_or_forget<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    blob: BlobId,
    record: &BlobRecord,
) {
    let key = BlobKey { blob };
    if record.is_live() || !record.replicas.is_empty() {
        context.put(&key, record);
        return;
    }
    context.delete(&key);
    if let Some(content) = &record.content
        && let Some(sealing) = &content.frame.sealing
    {
        *context.deltas.wrap(content.bucket, sealing.key_version) -= 1;
    }
}

/// A dead blob needs no work.
pub(super) fn end_work<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    blob: BlobId,
    record: &mut BlobRecord,
) {
    if record.short {
        record.short = false;
        context.delete(&WorkKey {
            kind: WorkKind::Missing,
            blob,
        });
    }
    if has_suspect(record) {
        context.delete(&WorkKey {
            kind: WorkKind::Suspect,
            blob,
        });
    }
}

/// An attempt that its session went on with has ended.
pub(super) fn forget_pending<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    blob: BlobId,
    address: &AttemptAddress,
) -> Result<(), Fault> {
    let key = WorkKey {
        kind: WorkKind::Missing,
        blob,
    };
    let Some(mut work) = context.get(&key)? else {
        return Ok(());
    };
    let before = work.pending.len();
    work.pending.retain(|pending| pending.address != *address);
    if work.pending.len() < before {
        context.put(&key, &work);
        context.effect(Effect::Work);
    }
    Ok(())
}

/// Ends the work on missing copies if enough are present. The caller writes the blob's row.
pub(super) fn end_shortage<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    blob: BlobId,
    record: &mut BlobRecord,
) -> Result<(), Stop> {
    if !record.short {
        return Ok(());
    }
    let key = WorkKey {
        kind: WorkKind::Missing,
        blob,
    };
    let Some(WorkRecord { wanted, .. }) = context.get(&key)? else {
        let detail = format!("blob {blob} is short and has no work row");
        return Err(Stop::broken(IncidentKind::DanglingReference, detail));
    };
    if record.present() >= wanted as usize {
        record.short = false;
        context.delete(&key);
    }
    Ok(())
}
