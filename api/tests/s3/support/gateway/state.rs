//! What the node in memory knows.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use api::port::{
    BucketName, Checksum, Condition, Credential, ETag, Encryption, Error, ObjectChecksum, ObjectMetadata,
    Owner, SecretKey, UnixMillis, VersionId, WriteConditions,
};
use bytes::Bytes;
use tokio::sync::Notify;

use super::uploads::Upload;

/// What can go wrong in the middle of a read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum BrokenRead {
    /// An error.
    Fails,
    /// An end, as if that were all.
    Stops,
    /// A piece longer than what is left.
    GoesOn,
}

/// What it knows, and how it is to misbehave.
#[derive(Default)]
pub(crate) struct State {
    pub(super) users: HashMap<String, Arc<Credential>>,
    /// What candidates are taken from, when that is not what holds after the barrier.
    pub(crate) stale: Option<HashMap<String, Arc<Credential>>>,
    pub(super) buckets: BTreeMap<BucketName, Bucket>,
    pub(super) clock: u64,
    pub(super) uploads_begun: u64,
    /// Operations that came through, in order.
    pub(crate) calls: Vec<&'static str>,
    /// Pieces of bodies that were asked for.
    pub(crate) pieces: usize,
    /// Answers to barriers.
    pub(crate) barrier: Option<Error>,
    /// Answer of every operation.
    pub(crate) fault: Option<Error>,
    /// Whether operations panic.
    pub(crate) panics: bool,
    /// How reads go wrong, after so many pieces.
    pub(crate) broken_reads: Option<(usize, BrokenRead)>,
    /// What completions wait for.
    pub(crate) hold_completion: Option<Arc<Notify>>,
    pub(crate) encryption: Option<Encryption>,
    /// Delete markers, by key.
    pub(crate) markers: HashMap<String, VersionId>,
}

pub(crate) struct Bucket {
    pub(super) owner: String,
    pub(super) created: UnixMillis,
    pub(super) objects: BTreeMap<String, Object>,
    pub(super) uploads: BTreeMap<(String, String), Upload>,
}

#[derive(Clone)]
pub(crate) struct Object {
    pub(super) bytes: Bytes,
    pub(super) etag: ETag,
    pub(super) modified: UnixMillis,
    pub(super) metadata: ObjectMetadata,
    pub(super) checksum: Option<ObjectChecksum>,
    /// Length and checksum of each part, by number; none when it was put at once.
    pub(super) parts: BTreeMap<u16, (u64, Option<Checksum>)>,
}

impl State {
    pub(super) fn tick(&mut self) -> UnixMillis {
        self.clock += 1;
        UnixMillis(self.clock)
    }

    pub(super) fn bucket(&mut self, name: &BucketName) -> Result<&mut Bucket, Error> {
        self.buckets.get_mut(name).ok_or(Error::NoSuchBucket)
    }

    pub(super) fn encryption(&self) -> Encryption {
        self.encryption.unwrap_or(Encryption::None)
    }
}

/// What writes promise of their conditions.
pub(super) fn check(conditions: &WriteConditions, current: Option<&Object>) -> Result<(), Error> {
    match (&conditions.if_match, current) {
        (None, _) => {}
        (Some(_), None) => return Err(Error::NoSuchKey { marker: None }),
        (Some(tags), Some(object)) if tags.matches(&object.etag) => {}
        (Some(_), Some(_)) => return Err(Error::PreconditionFailed(Condition::IfMatch)),
    }
    match (&conditions.if_none_match, current) {
        (Some(tags), Some(object)) if tags.matches(&object.etag) => {
            Err(Error::PreconditionFailed(Condition::IfNoneMatch))
        }
        _ => Ok(()),
    }
}

pub(super) fn credential(access_key: &str, secret: &str, user: &str) -> Arc<Credential> {
    Arc::new(Credential {
        access_key: access_key.into(),
        user: user.into(),
        secret: SecretKey::new(secret.to_owned()),
    })
}

pub(super) fn owner(user: &str) -> Owner {
    Owner {
        id: user.into(),
        display_name: user.into(),
    }
}

/// The items of a listing, by definition: each key, or the common prefix that stands for it.
pub(crate) fn items<'k>(
    keys: impl Iterator<Item = &'k str>,
    prefix: &str,
    delimiter: Option<&str>,
) -> BTreeSet<(String, bool)> {
    keys.filter_map(|key| {
        let rest = key.strip_prefix(prefix)?;
        let grouped = delimiter.and_then(|delimiter| {
            let end = rest.find(delimiter)? + delimiter.len();
            Some((format!("{prefix}{}", &rest[..end]), true))
        });
        Some(grouped.unwrap_or_else(|| (key.to_owned(), false)))
    })
    .collect()
}
