//! Invariants of objects, versions, uploads and manifests.

use std::collections::{BTreeMap, BTreeSet};

use raft_types::keys::{
    BucketKey, CompletionDueKey, CompletionKey, CurrentKey, ManifestKey, NullVersionKey, PartKey,
};
use raft_types::limits::PARTS_PER_OFFSET;
use raft_types::records::{Content, ReleaseSubject, VersionEntry, Versioning};
use raft_types::{BucketId, ObjectKey, PartNumber, UploadId, VersionId};

use super::World;
use crate::listed;

type ByKey<'a> = BTreeMap<(BucketId, &'a ObjectKey), Vec<(VersionId, &'a VersionEntry)>>;

fn noncurrent(world: &World) -> ByKey<'_> {
    let mut by_key = ByKey::new();
    for (key, entry) in &world.versions {
        by_key
            .entry((key.bucket, &key.key))
            .or_default()
            .push((key.version, entry));
    }
    by_key
}

pub(super) fn i4_current_is_newest(world: &World) -> Vec<String> {
    let mut found = Vec::new();
    for ((bucket, key), entries) in noncurrent(world) {
        let place = format!("bucket {bucket}, key {key}");
        for (version, entry) in &entries {
            if entry.version() != *version {
                found.push(format!(
                    "{place}: version {} stands under {version}",
                    entry.version()
                ));
            }
        }
        if !entries.is_sorted_by(|(newer, _), (older, _)| newer > older) {
            found.push(format!("{place}: versions out of order"));
        }
        let newest = entries.first();
        let current = world.current.get(&CurrentKey {
            bucket,
            key: key.clone(),
        });
        match (current, newest) {
            (Some(current), Some((newest, _))) if current.version <= *newest => {
                found.push(format!(
                    "{place}: {newest} is newer than the current {}",
                    current.version
                ));
            }
            (None, Some((newest, VersionEntry::Object(_)))) => {
                found.push(format!(
                    "{place}: {newest} is the newest entry, has content, and is not current"
                ));
            }
            _ => {}
        }
        let versioning = world
            .buckets
            .get(&BucketKey { bucket })
            .map(|bucket| bucket.versioning);
        if versioning == Some(Versioning::Off) {
            found.push(format!(
                "{place}: noncurrent versions in a bucket that keeps none"
            ));
        }
    }
    found
}

pub(super) fn i5_null_versions(world: &World) -> Vec<String> {
    let mut found = Vec::new();
    let mut noncurrent = BTreeMap::new();
    for (key, entry) in world.versions.iter().filter(|(_, entry)| entry.is_null()) {
        let place = NullVersionKey {
            bucket: key.bucket,
            key: key.key.clone(),
        };
        if noncurrent.insert(place, entry.version()).is_some() {
            found.push(format!(
                "bucket {}, key {}: two null versions",
                key.bucket, key.key
            ));
        }
    }
    for (key, current) in world.current.iter().filter(|(_, current)| current.is_null) {
        let place = NullVersionKey {
            bucket: key.bucket,
            key: key.key.clone(),
        };
        if noncurrent.contains_key(&place) {
            let version = current.version;
            found.push(format!(
                "bucket {}, key {}: {version} and another are null",
                key.bucket, key.key
            ));
        }
    }
    let pointers: BTreeMap<_, _> = world
        .null_versions
        .iter()
        .map(|(key, pointer)| (key.clone(), pointer.version))
        .collect();
    if pointers != noncurrent {
        found.push(format!("pointers {pointers:?} and null versions {noncurrent:?}"));
    }
    found
}

pub(super) fn i8_manifests_and_parts(world: &World) -> Vec<String> {
    let mut found = Vec::new();
    for (key, manifest) in world
        .manifests
        .iter()
        .filter(|(_, manifest)| manifest.references > 0)
    {
        let upload = key.manifest;
        let (mut count, mut size, mut offsets) = (0_usize, 0_u64, Vec::new());
        while let Some(number) = listed::nth(&manifest.listed, count) {
            let Some(part) = world.parts.get(&PartKey { upload, number }) else {
                found.push(format!(
                    "manifest {upload} lists part {number}, which does not stand"
                ));
                break;
            };
            if count.is_multiple_of(PARTS_PER_OFFSET) {
                offsets.push(size);
            }
            count += 1;
            size += part.size;
        }
        let parts = manifest.parts as usize;
        if (count, size, &offsets) != (parts, manifest.size, &manifest.offsets) {
            found.push(format!(
                "manifest {upload} does not describe its parts: {manifest:?}"
            ));
        }
    }
    for (_, object) in world.objects() {
        if let Content::Manifest(manifest) = object.content
            && let Some(record) = world.manifests.get(&ManifestKey { manifest })
            && record.size != object.size
        {
            found.push(format!(
                "manifest {manifest} has {} bytes, its object {}",
                record.size, object.size
            ));
        }
    }
    found
}

pub(super) fn i9_parts_have_owners(world: &World) -> Vec<String> {
    let uploads: BTreeSet<UploadId> = world.uploads.keys().map(|key| key.upload).collect();
    let mut aborted = BTreeMap::new();
    let mut unlisted = BTreeMap::new();
    for release in world.release.values() {
        match &release.subject {
            ReleaseSubject::Upload(dead) => aborted.insert(dead.upload, release.after),
            ReleaseSubject::UnlistedParts(upload) => unlisted.insert(*upload, release.after),
            _ => continue,
        };
    }
    let is_ahead =
        |after: Option<&u64>, number: PartNumber| after.is_some_and(|&after| u64::from(number.get()) > after);
    let mut found = Vec::new();
    for key in world.parts.keys() {
        let manifest = world.manifests.get(&ManifestKey { manifest: key.upload });
        let is_owned = match manifest {
            Some(manifest) if manifest.references == 0 => true,
            Some(manifest) if listed::contains(&manifest.listed, key.number) => true,
            Some(_) => is_ahead(unlisted.get(&key.upload), key.number),
            None => uploads.contains(&key.upload) || is_ahead(aborted.get(&key.upload), key.number),
        };
        if !is_owned {
            found.push(format!("part {} of {} has no owner", key.number, key.upload));
        }
    }
    for upload in uploads {
        if world.manifests.contains_key(&ManifestKey { manifest: upload }) {
            found.push(format!("upload {upload} is open and completed"));
        }
    }
    found
}

pub(super) fn i12_completions(world: &World) -> Vec<String> {
    let expected: BTreeSet<_> = world
        .completions
        .iter()
        .map(|(key, record)| CompletionDueKey {
            due: record.due,
            upload: key.upload,
        })
        .collect();
    let present: BTreeSet<_> = world.completions_due.keys().cloned().collect();
    let differing = expected.symmetric_difference(&present);
    differing
        .map(|key| {
            let stands = world
                .completions
                .contains_key(&CompletionKey { upload: key.upload });
            format!(
                "completion of {}: due row and completion disagree (completion: {stands})",
                key.upload
            )
        })
        .collect()
}

pub(super) fn i13_buckets_of_rows(world: &World) -> Vec<String> {
    let mut found = Vec::new();
    let mut check = |bucket: BucketId, what: String| {
        if !world.buckets.contains_key(&BucketKey { bucket }) {
            found.push(format!("{what} of bucket {bucket}, which does not stand"));
        }
    };
    world
        .current
        .keys()
        .for_each(|key| check(key.bucket, format!("object {}", key.key)));
    world
        .versions
        .iter()
        .for_each(|(key, _)| check(key.bucket, format!("version {}", key.version)));
    let released: BTreeSet<BucketId> = world
        .release
        .values()
        .filter_map(|release| match release.subject {
            ReleaseSubject::Bucket(bucket) => Some(bucket),
            _ => None,
        })
        .collect();
    for key in world.uploads.keys().filter(|key| !released.contains(&key.bucket)) {
        check(key.bucket, format!("upload {}", key.upload));
    }
    for key in world.keys.keys().filter(|key| !released.contains(&key.bucket)) {
        check(key.bucket, format!("key version {}", key.version));
    }
    found
}
