//! Bucket keys (H9): a version wraps nothing before everyone can unwrap it and the keyring holds it.

use raft_types::commands::{ActivateKey, ProveKey, PutBucketKey, RecordKeyring};
use raft_types::keys::{BackendKey, BucketKey, KeyVersionKey, KeyringKey, Table};
use raft_types::records::{KeyRecord, KeyState, KeyringRecord};
use raft_types::{KeyVersion, Outcome, Rejection};

use super::bucket;
use super::context::Context;
use super::numbered::required;
use super::stop::Stop;
use crate::port::ReadTables;
use crate::queries;

/// Enters the next version of a bucket key.
pub(super) fn put<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    command: PutBucketKey,
) -> Result<Outcome, Stop> {
    if command.wrapped.is_empty() {
        return Err(Stop::malformed("a wrapped key is not empty"));
    }
    bucket::open(context, command.bucket)?;
    let newest = queries::bucket_keys(&*context.tx, Some(command.bucket))?.pop();
    let newest = newest.map_or(KeyVersion(0), |(key, _)| key.version);
    if newest.next() != Some(command.version) {
        return Err(Rejection::Changed.into());
    }
    let record = KeyRecord {
        wrapped: command.wrapped,
        master: command.master,
        state: KeyState::Pending,
        proved: Vec::new(),
        put_index: context.index,
        put: context.now,
    };
    context.put(
        &KeyVersionKey {
            bucket: command.bucket,
            version: command.version,
        },
        &record,
    );
    context.changed(Table::Keys);
    Ok(Outcome::Done)
}

/// Notes that the session's node can unwrap a version. Once that is active, nobody asks any more.
pub(super) fn prove<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    command: &ProveKey,
) -> Result<Outcome, Stop> {
    let key = KeyVersionKey {
        bucket: command.bucket,
        version: command.version,
    };
    let mut record = required(context.get(&key)?, Rejection::NoSuchKeyVersion)?;
    if record.state == KeyState::Pending && !record.proved.contains(&context.session) {
        let mut open = Vec::with_capacity(record.proved.len() + 1);
        for session in std::mem::take(&mut record.proved) {
            if queries::session(&*context.tx, session)?.is_some_and(|row| row.seal.is_none()) {
                open.push(session);
            }
        }
        open.push(context.session);
        record.proved = open;
        context.put(&key, &record);
        context.changed(Table::Keys);
    }
    Ok(Outcome::Done)
}

/// Lets a version wrap new blobs.
pub(super) fn activate<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    command: &ActivateKey,
) -> Result<Outcome, Stop> {
    let mut bucket = bucket::open(context, command.bucket)?;
    let key = KeyVersionKey {
        bucket: command.bucket,
        version: command.version,
    };
    let mut record = required(context.get(&key)?, Rejection::NoSuchKeyVersion)?;
    if record.state != KeyState::Pending || bucket.key_version >= Some(command.version) {
        return Err(Rejection::Changed.into());
    }
    let keyring = context.get(&KeyringKey)?;
    if keyring.is_none_or(|keyring| keyring.revision < record.put_index) {
        return Err(Rejection::KeyringBehind.into());
    }
    for (session, row) in queries::sessions(&*context.tx)? {
        if row.seal.is_none() && !record.proved.contains(&session) {
            return Err(Rejection::SessionMissing(session).into());
        }
    }
    record.state = KeyState::Active;
    record.proved = Vec::new();
    context.put(&key, &record);
    bucket.key_version = Some(command.version);
    context.put(
        &BucketKey {
            bucket: command.bucket,
        },
        &bucket,
    );
    context.changed(Table::Keys);
    context.changed(Table::Buckets);
    Ok(Outcome::Done)
}

/// Notes where the keyring was written, which was read back and verified there.
pub(super) fn record_keyring<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    command: RecordKeyring,
) -> Result<Outcome, Stop> {
    if command.backends.is_empty() {
        return Err(Stop::malformed("the keyring stands on a backend"));
    }
    let present = queries::revision(&*context.tx, Table::Keys)?;
    let recorded = queries::keyring(&*context.tx)?.map_or(0, |keyring| keyring.revision);
    if command.revision > present || command.revision < recorded {
        return Err(Rejection::Changed.into());
    }
    for &backend in &command.backends {
        required(context.get(&BackendKey { backend })?, Rejection::NoSuchBackend)?;
    }
    let record = KeyringRecord {
        revision: command.revision,
        backends: command.backends,
        written: context.now,
    };
    context.put(&KeyringKey, &record);
    Ok(Outcome::Done)
}
