//! Invariants of blobs, replicas, garbage and counters.

use std::collections::{BTreeMap, BTreeSet};

use raft_types::keys::{
    BackendCountersKey, BlobKey, BucketCountersKey, BucketKey, GarbageKey, KeyVersionKey, ManifestKey,
    WorkKey, WrapKey,
};
use raft_types::records::{
    BackendCounters, BucketCounters, Content, Piece, ReleaseSubject, ReplicaState, WorkKind, WrapRecord,
};
use raft_types::{BlobId, UploadId};

use super::World;
use crate::listed;

/// How often each blob is referred to.
fn blob_references(world: &World) -> BTreeMap<BlobId, u64> {
    let mut references = BTreeMap::<BlobId, u64>::new();
    let mut refer = |blob: BlobId| *references.entry(blob).or_default() += 1;
    let pieces = |pieces: &[Piece]| pieces.iter().map(|piece| piece.blob).collect::<Vec<_>>();
    for (_, object) in world.objects() {
        match &object.content {
            Content::Blob(blob) => refer(*blob),
            Content::Blobs(list) => pieces(&list.pieces).into_iter().for_each(&mut refer),
            Content::Manifest(_) => {}
        }
    }
    for part in world.parts.values() {
        pieces(&part.pieces).into_iter().for_each(&mut refer);
    }
    for release in world.release.values() {
        if let ReleaseSubject::Blobs(list) = &release.subject {
            let done = usize::try_from(release.after).unwrap_or(usize::MAX);
            list.blobs.iter().skip(done).copied().for_each(&mut refer);
        }
    }
    references
}

fn manifest_references(world: &World) -> BTreeMap<UploadId, u64> {
    let mut references = BTreeMap::<UploadId, u64>::new();
    for (_, object) in world.objects() {
        if let Content::Manifest(manifest) = object.content {
            *references.entry(manifest).or_default() += 1;
        }
    }
    references
}

pub(super) fn i1_references_equal_rows(world: &World) -> Vec<String> {
    let mut found = Vec::new();
    let blobs = blob_references(world);
    for (key, record) in &world.blobs {
        let rows = blobs.get(&key.blob).copied().unwrap_or(0);
        if rows != u64::from(record.references) {
            found.push(format!(
                "blob {} counts {} and {rows} rows refer to it",
                key.blob, record.references
            ));
        }
    }
    let dangling = blobs
        .keys()
        .filter(|&&blob| !world.blobs.contains_key(&BlobKey { blob }));
    found.extend(dangling.map(|blob| format!("blob {blob} is referred to and has no row")));
    let manifests = manifest_references(world);
    for (key, record) in &world.manifests {
        let rows = manifests.get(&key.manifest).copied().unwrap_or(0);
        if rows != u64::from(record.references) {
            let counted = record.references;
            found.push(format!(
                "manifest {} counts {counted} and {rows} rows refer to it",
                key.manifest
            ));
        }
        let is_released = || {
            let subject = ReleaseSubject::Manifest(key.manifest);
            world.release.values().any(|release| release.subject == subject)
        };
        if record.references == 0 && !is_released() {
            found.push(format!(
                "manifest {} is dead and not being released",
                key.manifest
            ));
        }
    }
    let dangling = manifests
        .keys()
        .filter(|&&manifest| !world.manifests.contains_key(&ManifestKey { manifest }));
    found.extend(dangling.map(|manifest| format!("manifest {manifest} is referred to and has no row")));
    found
}

pub(super) fn i2_garbage_equals_removing(world: &World) -> Vec<String> {
    let mut found = Vec::new();
    let mut removing = BTreeSet::new();
    for (key, record) in &world.blobs {
        for replica in &record.replicas {
            if replica.state == ReplicaState::Removing {
                removing.insert((key.blob, replica.address()));
            }
        }
    }
    let mut garbage = BTreeSet::new();
    for (key, record) in &world.garbage {
        let GarbageKey {
            backend,
            blob,
            epoch,
            attempt,
            ..
        } = *key;
        let address = raft_types::AttemptAddress {
            backend,
            incarnation: record.incarnation,
            epoch,
            attempt,
        };
        if !garbage.insert((blob, address)) {
            found.push(format!("blob {blob}, {address}: two rows in garbage"));
        }
    }
    let only = |these: &BTreeSet<_>, those: &BTreeSet<_>, what: &str| {
        let only = these.difference(those);
        only.map(|(blob, address)| format!("blob {blob}, {address}: only {what}"))
            .collect::<Vec<_>>()
    };
    found.extend(only(&removing, &garbage, "removing"));
    found.extend(only(&garbage, &removing, "in garbage"));
    found
}

pub(super) fn i3_counters_equal_rows(world: &World) -> Vec<String> {
    let mut found = Vec::new();
    let buckets = count_buckets(world);
    for bucket in world.buckets.keys() {
        let key = BucketCountersKey {
            bucket: bucket.bucket,
        };
        let counted = world.bucket_counters.get(&key).cloned().unwrap_or_default();
        let rows = buckets.get(&key).cloned().unwrap_or_default();
        if counted != rows {
            found.push(format!(
                "bucket {} counts {counted:?}, its rows are {rows:?}",
                bucket.bucket
            ));
        }
    }
    for key in world.bucket_counters.keys() {
        if !world.buckets.contains_key(&BucketKey { bucket: key.bucket }) {
            found.push(format!("counters of bucket {}, which does not stand", key.bucket));
        }
    }
    let backends = count_backends(world);
    for backend in world.backends.keys() {
        let key = BackendCountersKey {
            backend: backend.backend,
        };
        let counted = world.backend_counters.get(&key).cloned().unwrap_or_default();
        let rows = backends.get(&key).cloned().unwrap_or_default();
        if counted != rows {
            found.push(format!(
                "backend {} counts {counted:?}, its rows are {rows:?}",
                backend.backend
            ));
        }
    }
    let wraps = count_wraps(world);
    if world.wraps != wraps {
        found.push(format!("wraps counts {:?}, its rows are {wraps:?}", world.wraps));
    }
    found
}

fn count_buckets(world: &World) -> BTreeMap<BucketCountersKey, BucketCounters> {
    let mut counts = BTreeMap::<BucketCountersKey, BucketCounters>::new();
    for key in world.current.keys() {
        counts
            .entry(BucketCountersKey { bucket: key.bucket })
            .or_default()
            .objects += 1;
    }
    for (key, _) in &world.versions {
        counts
            .entry(BucketCountersKey { bucket: key.bucket })
            .or_default()
            .versions += 1;
    }
    for (bucket, object) in world.objects() {
        counts.entry(BucketCountersKey { bucket }).or_default().bytes += object.size;
    }
    let mut owners = BTreeMap::new();
    for key in world.uploads.keys() {
        counts
            .entry(BucketCountersKey { bucket: key.bucket })
            .or_default()
            .uploads += 1;
        owners.insert(key.upload, key.bucket);
    }
    for release in world.release.values() {
        if let ReleaseSubject::Upload(dead) = &release.subject {
            owners.insert(dead.upload, dead.bucket);
        }
    }
    for (key, part) in &world.parts {
        let manifest = world.manifests.get(&ManifestKey { manifest: key.upload });
        let owner = match manifest {
            Some(manifest) if listed::contains(&manifest.listed, key.number) => None,
            Some(manifest) => Some(manifest.bucket),
            None => owners.get(&key.upload).copied(),
        };
        if let Some(bucket) = owner {
            counts.entry(BucketCountersKey { bucket }).or_default().part_bytes += part.size;
        }
    }
    counts
}

fn count_backends(world: &World) -> BTreeMap<BackendCountersKey, BackendCounters> {
    let mut counts = BTreeMap::<BackendCountersKey, BackendCounters>::new();
    for record in world.blobs.values() {
        for replica in &record.replicas {
            if replica.state != ReplicaState::Removing {
                let stored = record.content.as_ref().map_or(0, |content| content.stored);
                let count = counts
                    .entry(BackendCountersKey {
                        backend: replica.backend,
                    })
                    .or_default();
                count.replicas += 1;
                count.stored_bytes += stored;
            }
        }
    }
    for (key, record) in &world.garbage {
        let count = counts
            .entry(BackendCountersKey { backend: key.backend })
            .or_default();
        count.garbage += 1;
        count.garbage_bytes += record.stored;
    }
    counts
}

fn count_wraps(world: &World) -> BTreeMap<WrapKey, WrapRecord> {
    let mut counts = BTreeMap::<WrapKey, WrapRecord>::new();
    for record in world.blobs.values() {
        if let Some(content) = &record.content
            && let Some(sealing) = &content.frame.sealing
        {
            let key = WrapKey {
                bucket: content.bucket,
                version: sealing.key_version,
            };
            counts.entry(key).or_default().blobs += 1;
        }
    }
    counts
}

pub(super) fn i10_work_rows(world: &World) -> Vec<String> {
    let mut found = Vec::new();
    for (key, record) in &world.blobs {
        let blob = key.blob;
        let has = |kind| world.work.contains_key(&WorkKey { kind, blob });
        let is_suspected = record
            .replicas
            .iter()
            .any(|replica| replica.state == ReplicaState::Suspect);
        if record.short != has(WorkKind::Missing) {
            found.push(format!(
                "blob {blob}: short is {} and its row says otherwise",
                record.short
            ));
        }
        if is_suspected != has(WorkKind::Suspect) {
            found.push(format!(
                "blob {blob}: suspected is {is_suspected} and its row says otherwise"
            ));
        }
        if !record.is_live() && (record.short || is_suspected) {
            found.push(format!("blob {blob} is dead and has work"));
        }
        if let Some(work) = world.work.get(&WorkKey {
            kind: WorkKind::Missing,
            blob,
        }) && record.present() >= work.wanted as usize
        {
            found.push(format!("blob {blob} has all copies that are wanted, and work"));
        }
    }
    for key in world.work.keys() {
        if !world.blobs.contains_key(&BlobKey { blob: key.blob }) {
            found.push(format!("work on blob {}, which has no row", key.blob));
        }
    }
    found
}

pub(super) fn i14_replicas(world: &World) -> Vec<String> {
    let mut found = Vec::new();
    for (key, record) in &world.blobs {
        let blob = key.blob;
        let mut present = BTreeSet::new();
        let mut addresses = BTreeSet::new();
        let mut live = 0;
        for replica in &record.replicas {
            live += usize::from(replica.state != ReplicaState::Removing);
            if replica.state == ReplicaState::Present && !present.insert(replica.backend) {
                found.push(format!(
                    "blob {blob}: two present replicas on backend {}",
                    replica.backend
                ));
            }
            if !addresses.insert(replica.address()) {
                found.push(format!("blob {blob}: {} stands twice", replica.address()));
            }
        }
        if record.is_live() && live == 0 {
            found.push(format!("blob {blob} is live and has no replica"));
        }
        if !record.is_live() && (live > 0 || record.replicas.is_empty()) {
            found.push(format!(
                "blob {blob} is dead, with {live} of {} replicas live",
                record.replicas.len()
            ));
        }
        if record.is_live() && record.content.is_none() {
            found.push(format!("blob {blob} is live and has no content"));
        }
    }
    found
}

pub(super) fn i15_sealing(world: &World) -> Vec<String> {
    let mut found = Vec::new();
    for (key, record) in &world.blobs {
        let Some(content) = record.content.as_ref().filter(|_| record.is_live()) else {
            continue;
        };
        let Some(sealing) = &content.frame.sealing else {
            continue;
        };
        let (bucket, version) = (content.bucket, sealing.key_version);
        let stands = world.buckets.contains_key(&BucketKey { bucket });
        if stands && !world.keys.contains_key(&KeyVersionKey { bucket, version }) {
            found.push(format!(
                "blob {}: bucket {bucket} has no key version {version}",
                key.blob
            ));
        }
    }
    found
}
