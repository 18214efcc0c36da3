//! Derived counters. Handlers note row transitions; the sums are written once, at the end of a command.

use raft_types::keys::{BackendCountersKey, BucketCountersKey, BucketKey, WrapKey};
use raft_types::records::{IncidentKind, WrapRecord};
use raft_types::{BackendId, BucketId, KeyVersion};

use super::context::Context;
use super::stop::Stop;
use crate::port::ReadTables;
use crate::queries;

/// Changes of what a bucket holds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BucketDelta {
    pub(super) objects: i64,
    pub(super) versions: i64,
    pub(super) bytes: i64,
    pub(super) uploads: i64,
    pub(super) part_bytes: i64,
}

/// Changes of what a backend holds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BackendDelta {
    pub(super) replicas: i64,
    pub(super) stored_bytes: i64,
    pub(super) garbage: i64,
    pub(super) garbage_bytes: i64,
}

/// All changes of one command. It concerns few buckets and backends, so lists beat maps.
#[derive(Debug, Default)]
pub(super) struct Deltas {
    buckets: Vec<(BucketId, BucketDelta)>,
    backends: Vec<(BackendId, BackendDelta)>,
    wraps: Vec<((BucketId, KeyVersion), i64)>,
}

fn entry<I: PartialEq, D: Default>(list: &mut Vec<(I, D)>, id: I) -> &mut D {
    let place = list
        .iter()
        .position(|(other, _)| *other == id)
        .unwrap_or(list.len());
    if place == list.len() {
        list.push((id, D::default()));
    }
    // The place exists: it was found, or has just been pushed.
    &mut list[place].1
}

impl Deltas {
    pub(super) fn bucket(&mut self, bucket: BucketId) -> &mut BucketDelta {
        entry(&mut self.buckets, bucket)
    }

    pub(super) fn backend(&mut self, backend: BackendId) -> &mut BackendDelta {
        entry(&mut self.backends, backend)
    }

    pub(super) fn wrap(&mut self, bucket: BucketId, version: KeyVersion) -> &mut i64 {
        entry(&mut self.wraps, (bucket, version))
    }
}

/// A length as a change. Lengths are far below the range: a larger one counts as the largest.
pub(super) fn signed(length: u64) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

fn add(value: &mut u64, delta: i64, what: &str) -> Result<(), Stop> {
    *value = value.checked_add_signed(delta).ok_or_else(|| {
        let detail = format!("{what}: {value} changes by {delta}");
        Stop::broken(IncidentKind::CounterUnderflow, detail)
    })?;
    Ok(())
}

/// Writes the sums.
pub(super) fn settle<T: ReadTables>(context: &mut Context<'_, '_, T>) -> Result<(), Stop> {
    let deltas = std::mem::take(&mut context.deltas);
    for (bucket, delta) in deltas.buckets {
        settle_bucket(context, bucket, delta)?;
    }
    for (backend, delta) in deltas.backends {
        settle_backend(context, backend, delta)?;
    }
    for ((bucket, version), delta) in deltas.wraps {
        let key = WrapKey { bucket, version };
        let mut blobs = queries::wrapped_blobs(&*context.tx, bucket, version)?;
        add(&mut blobs, delta, "wraps")?;
        if blobs == 0 {
            context.delete(&key);
        } else {
            context.put(&key, &WrapRecord { blobs });
        }
    }
    Ok(())
}

/// The counters of a deleted bucket are gone, and what is released of it later changes none.
fn settle_bucket<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    bucket: BucketId,
    delta: BucketDelta,
) -> Result<(), Stop> {
    if context.get(&BucketKey { bucket })?.is_none() {
        return Ok(());
    }
    let mut counters = queries::bucket_counters(&*context.tx, bucket)?;
    add(&mut counters.objects, delta.objects, "objects of a bucket")?;
    add(&mut counters.versions, delta.versions, "versions of a bucket")?;
    add(&mut counters.bytes, delta.bytes, "bytes of a bucket")?;
    add(&mut counters.uploads, delta.uploads, "uploads of a bucket")?;
    add(
        &mut counters.part_bytes,
        delta.part_bytes,
        "part bytes of a bucket",
    )?;
    context.put(&BucketCountersKey { bucket }, &counters);
    Ok(())
}

fn settle_backend<T: ReadTables>(
    context: &mut Context<'_, '_, T>,
    backend: BackendId,
    delta: BackendDelta,
) -> Result<(), Stop> {
    let mut counters = queries::backend_counters(&*context.tx, backend)?;
    add(&mut counters.replicas, delta.replicas, "replicas of a backend")?;
    add(
        &mut counters.stored_bytes,
        delta.stored_bytes,
        "stored bytes of a backend",
    )?;
    add(&mut counters.garbage, delta.garbage, "garbage of a backend")?;
    add(
        &mut counters.garbage_bytes,
        delta.garbage_bytes,
        "garbage bytes of a backend",
    )?;
    context.put(&BackendCountersKey { backend }, &counters);
    Ok(())
}
