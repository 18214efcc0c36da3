//! What a request has written: checked against epochs, backends and keys, then made rows.

use raft_types::commands::{NewBlob, NewReplica, Written};
use raft_types::keys::{BackendKey, BlobKey, EpochKey, KeyVersionKey, WorkKey};
use raft_types::records::{
    BackendState, BlobContent, BlobRecord, BucketRecord, Content, DeathCause, Frame, KeyState,
    PendingAttempt, Piece, Pieces, Replica, ReplicaState, Suite, WorkKind, WorkRecord,
};
use raft_types::{BlobAttempt, BlobId, BucketId, Rejection, limits};

use super::attempts::{self, Discarded};
use super::context::Context;
use super::numbered::required;
use super::stop::Stop;
use crate::effect::Effect;
use crate::port::ReadTables;
use crate::queries::{self, EpochState};

/// Binary logarithms of the chunk sizes that a frame may have.
const CHUNK_LOG2: std::ops::RangeInclusive<u32> = 12..=20;

/// Writes the rows of new blobs, each with one reference, and hands over the attempts that were given up.
/// Returns the blobs in the order of the bytes.
pub(super) fn commit<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    bucket: BucketId,
    settings: &BucketRecord,
    written: &Written,
    size: u64,
) -> Result<Vec<Piece>, Stop> {
    check_shape(written, size)?;
    for attempt in written.running.iter().chain(&written.given_up) {
        if !attempts::is_own(context, context.session, &attempt.address)? {
            return Err(Rejection::EpochNotOpen(attempt.address.epoch).into());
        }
    }
    for blob in &written.blobs {
        check_frame(context, bucket, settings, &blob.frame)?;
        commit_blob(context, bucket, blob, written)?;
    }
    for attempt in &written.given_up {
        give_up(context, attempt)?;
    }
    Ok(written
        .blobs
        .iter()
        .map(|blob| Piece {
            blob: blob.blob,
            length: blob.size,
        })
        .collect())
}

/// The content that blobs make up.
pub(super) fn content_of(pieces: Vec<Piece>) -> Content {
    match pieces[..] {
        [piece] => Content::Blob(piece.blob),
        _ => Content::Blobs(Pieces { pieces }),
    }
}

/// Hands an attempt of the session over for deletion, which must not be live.
pub(super) fn give_up<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    attempt: &BlobAttempt,
) -> Result<(), Stop> {
    match attempts::discard(context, context.session, attempt, DeathCause::GivenUp)? {
        Discarded::Handed => Ok(()),
        Discarded::Live => Err(Stop::Incident(attempts::live(attempt))),
    }
}

/// What can be said of the command without the tables.
fn check_shape(written: &Written, size: u64) -> Result<(), Stop> {
    let Written {
        blobs,
        given_up,
        running,
        wanted,
    } = written;
    if blobs.is_empty() || blobs.len() > limits::INLINE_BLOBS {
        return Err(Stop::malformed("a body is 1 to 64 blobs"));
    }
    let replicas: usize = blobs.iter().map(|blob| blob.replicas.len()).sum();
    if replicas + given_up.len() + running.len() > limits::ATTEMPTS {
        return Err(Stop::malformed("a command names 256 attempts at most"));
    }
    if *wanted == 0 {
        return Err(Stop::malformed("at least one copy is wanted"));
    }
    if written.size() != Some(size) {
        return Err(Stop::malformed("the blobs do not add up to the length"));
    }
    for (place, blob) in blobs.iter().enumerate() {
        check_blob(blob)?;
        if blobs.iter().take(place).any(|other| other.blob == blob.blob) {
            return Err(Stop::malformed("a blob stands twice"));
        }
    }
    if !running
        .iter()
        .all(|attempt| blobs.iter().any(|blob| blob.blob == attempt.blob))
    {
        return Err(Stop::malformed(
            "an attempt goes on for a blob that is not committed",
        ));
    }
    Ok(())
}

fn check_blob(blob: &NewBlob) -> Result<(), Stop> {
    if blob.size > limits::BLOB_SIZE {
        return Err(Stop::malformed("a blob holds 1 GiB at most"));
    }
    if blob.replicas.is_empty() || blob.replicas.len() > limits::REPLICAS {
        return Err(Stop::malformed("a blob has 1 to 32 verified copies"));
    }
    for (place, replica) in blob.replicas.iter().enumerate() {
        if blob
            .replicas
            .iter()
            .take(place)
            .any(|other| other.backend == replica.backend)
        {
            return Err(Stop::malformed("two copies lie on one backend"));
        }
    }
    Ok(())
}

/// A frame seals exactly if its suite does, and a bucket that has a key takes no clear blob: encryption
/// fails closed. The key version must be one that may wrap.
fn check_frame<T: ReadTables>(
    context: &Context<'_, '_, T>,
    bucket: BucketId,
    settings: &BucketRecord,
    frame: &Frame,
) -> Result<(), Stop> {
    if !CHUNK_LOG2.contains(&frame.chunk_log2) {
        return Err(Stop::malformed("a chunk has 2^12 to 2^20 bytes"));
    }
    match (frame.suite, &frame.sealing) {
        (Suite::Clear, None) if settings.key_version.is_none() => Ok(()),
        (Suite::Clear, None) => Err(Rejection::Unsealed.into()),
        (Suite::Aes256Gcm, Some(sealing)) if sealing.wrapped.is_empty() => {
            Err(Stop::malformed("a sealed blob has a wrapped key"))
        }
        (Suite::Aes256Gcm, Some(sealing)) => {
            let key = context.get(&KeyVersionKey {
                bucket,
                version: sealing.key_version,
            })?;
            match key {
                Some(key) if key.state == KeyState::Active => Ok(()),
                _ => Err(Rejection::NoSuchKeyVersion.into()),
            }
        }
        _ => Err(Stop::malformed("suite and sealing contradict each other")),
    }
}

/// A replica may be added by the session that opened its epoch, while that is not sealed, on a backend that
/// takes replicas (C7). A draining one takes only those of epochs older than the drain: when these are
/// swept, nothing can follow.
pub(super) fn check_replica<T: ReadTables>(
    context: &Context<'_, '_, T>,
    replica: &NewReplica,
) -> Result<(), Stop> {
    let closed = Rejection::EpochNotOpen(replica.epoch);
    let epoch = required(context.get(&EpochKey { epoch: replica.epoch })?, closed.clone())?;
    if epoch.session != context.session || epoch.incarnation != replica.incarnation {
        return Err(closed.into());
    }
    if !matches!(
        queries::epoch_state(&*context.tx, &epoch)?,
        EpochState::Open | EpochState::Closing
    ) {
        return Err(closed.into());
    }
    let closed = Rejection::BackendClosed(replica.backend);
    let backend = required(
        context.get(&BackendKey {
            backend: replica.backend,
        })?,
        closed.clone(),
    )?;
    match backend.state {
        BackendState::Active => Ok(()),
        BackendState::Draining if epoch.opened_index < backend.state_index => Ok(()),
        _ => Err(closed.into()),
    }
}

/// A replica that was verified when it was written.
pub(super) fn present(replica: &NewReplica) -> Replica {
    Replica {
        backend: replica.backend,
        incarnation: replica.incarnation,
        epoch: replica.epoch,
        attempt: replica.attempt,
        state: ReplicaState::Present,
        provider_version: replica.provider_version.clone(),
    }
}

fn commit_blob<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    bucket: BucketId,
    new: &NewBlob,
    written: &Written,
) -> Result<(), Stop> {
    let key = BlobKey { blob: new.blob };
    // Attempts that were given up before the commit may have left a row without content.
    let mut replicas = match context.get(&key)? {
        None => Vec::new(),
        Some(record) if record.content.is_none() => record.replicas,
        Some(_) => return Err(Rejection::BlobExists(new.blob).into()),
    };
    for replica in &new.replicas {
        check_replica(context, replica)?;
        if replicas.iter().any(|other| other.address() == replica.address()) {
            return Err(Rejection::NoSuchReplica.into());
        }
        let replica = present(replica);
        attempts::count_added(context, &replica, new.stored);
        replicas.push(replica);
    }
    let short = (new.replicas.len() as u64) < u64::from(written.wanted);
    if short {
        want_copies(context, new.blob, written);
    }
    if let Some(sealing) = &new.frame.sealing {
        *context.deltas.wrap(bucket, sealing.key_version) += 1;
    }
    let content = BlobContent {
        bucket,
        size: new.size,
        stored: new.stored,
        crc: new.crc,
        frame: new.frame.clone(),
    };
    context.put(
        &key,
        &BlobRecord {
            content: Some(content),
            references: 1,
            replicas,
            short,
        },
    );
    Ok(())
}

/// Leaves the missing copies as urgent work, with the attempts that the session goes on with.
fn want_copies<T: ReadTables>(context: &mut Context<'_, '_, T>, blob: BlobId, written: &Written) {
    let session = context.session;
    let pending = written
        .running
        .iter()
        .filter(|attempt| attempt.blob == blob)
        .map(|attempt| PendingAttempt {
            address: attempt.address,
            session,
        })
        .collect();
    let work = WorkRecord {
        wanted: written.wanted,
        since: context.now,
        pending,
    };
    context.put(
        &WorkKey {
            kind: WorkKind::Missing,
            blob,
        },
        &work,
    );
    context.effect(Effect::Work);
}
