//! Every query of the machine against the model's answer, with arguments that matter and random ones.

use std::ops::Range;

use bytes::Bytes;
use raft_types::commands::UploadTarget;
use raft_types::keys::{GarbageKey, Table};
use raft_types::records::{SealCause, VersionEntry, VersionName, WorkKind};
use raft_types::{
    Attempt, AttemptAddress, BackendId, BlobId, BucketId, EpochId, IncarnationCounter, KeyVersion, MillisUtc,
    NodeId, ObjectKey, PartNumber, RowId, SessionId, UploadId, VersionId,
};

use super::action::{BACKENDS, BUCKETS, KEYS, NODES};
use super::dice::Dice;
use super::history::{History, plain};
use crate::memory::MemoryTables;
use crate::model::Model;
use crate::queries::{
    self, ListQuery, ListStart, UploadStart, UploadsQuery, VersionListEntry, VersionStart, VersionsQuery,
};

const ALL: usize = usize::MAX;

/// Asks both everything.
pub(super) fn compare(history: &History, dice: &mut Dice) {
    let (tables, model) = (&history.tables, &history.model);
    cluster(tables, model, dice);
    sessions(tables, model, dice);
    backends(tables, model, dice);
    blobs(tables, model, dice);
    buckets(tables, model, dice);
    objects(tables, model, dice);
    uploads(tables, model, &history.targets, dice);
    listings(tables, model, &history.targets, dice);
}

macro_rules! same {
    ($answer:expr, $expected:expr, $what:literal $(, $argument:expr)*) => {
        assert_eq!($answer.unwrap(), $expected, concat!("answer for ", $what, "{:?}"), ($(&$argument,)*))
    };
}

fn cluster(tables: &MemoryTables, model: &Model, dice: &mut Dice) {
    same!(queries::identity(tables), model.identity(), "identity");
    same!(queries::clock(tables), model.clock(), "clock");
    same!(queries::counters(tables), model.counters(), "counters");
    same!(queries::settings(tables), model.settings(), "settings");
    same!(queries::nodes(tables), model.nodes(), "nodes");
    same!(queries::keyring(tables), model.keyring(), "keyring");
    for counter in [0, 1, 2].map(IncarnationCounter) {
        same!(
            queries::incarnation(tables, counter),
            model.incarnation(counter),
            "incarnation",
            counter
        );
    }
    for table in [
        Table::Buckets,
        Table::Backends,
        Table::Settings,
        Table::Keys,
        Table::Nodes,
    ] {
        same!(
            queries::revision(tables, table),
            model.revision(table),
            "revision",
            table
        );
    }
    let node = NodeId(dice.below(6) as u64);
    same!(queries::node(tables, node), model.node(node), "node", node);
    let name = dice.one(&NODES).parse().unwrap();
    same!(
        queries::node_by_name(tables, &name),
        model.node_by_name(&name),
        "node by name",
        name
    );
    let (rows, limit) = (model.incidents(None, ALL), dice.below(4));
    let after = dice.pick(&rows).map(|(row, _)| row).filter(|_| dice.once_in(2));
    for (after, limit) in [(None, ALL), (after, limit)] {
        let found = queries::incidents(tables, after, limit).unwrap();
        let found: Vec<_> = found
            .into_iter()
            .map(|(row, record)| {
                (
                    row,
                    crate::model::Incident {
                        kind: record.kind,
                        at: record.at,
                    },
                )
            })
            .collect();
        assert_eq!(found, model.incidents(after, limit), "incidents after {after:?}");
    }
}

fn sessions(tables: &MemoryTables, model: &Model, dice: &mut Dice) {
    same!(queries::sessions(tables), model.sessions(), "sessions");
    same!(queries::epochs(tables), model.epochs(), "epochs");
    let session = SessionId(dice.below(8) as u64);
    same!(
        queries::session(tables, session),
        model.session(session),
        "session",
        session
    );
    same!(
        queries::epochs_of(tables, session),
        model.epochs_of(session),
        "epochs of",
        session
    );
    let epoch = EpochId(dice.below(12) as u64);
    same!(queries::epoch(tables, epoch), model.epoch(epoch), "epoch", epoch);
    for (id, record) in model.sessions() {
        for seq in record.trimmed..record.floor + 40 {
            let outcome = queries::outcome(tables, id, seq).unwrap();
            let expected = model.outcome(id, seq);
            assert_eq!(
                outcome.as_ref().map(plain),
                expected.as_ref().map(plain),
                "outcome {id} {seq}"
            );
        }
    }
    for (id, epoch) in model.epochs() {
        same!(
            queries::epoch_state(tables, &epoch),
            model.epoch_state(&epoch),
            "epoch state",
            id
        );
        same!(
            queries::sweep_targets(tables, &epoch),
            model.sweep_targets(&epoch),
            "sweep targets",
            id
        );
    }
    // Not reached by commands yet: a restore makes it.
    if let Some((id, mut epoch)) = dice.pick(&model.epochs()) {
        epoch.quarantined = true;
        same!(
            queries::epoch_state(tables, &epoch),
            model.epoch_state(&epoch),
            "quarantined",
            id
        );
        epoch.quarantined = false;
        epoch.session = SessionId(99);
        epoch.seal = Some(raft_types::records::Seal {
            index: 1,
            at: MillisUtc(1),
            cause: SealCause::Ended,
        });
        same!(
            queries::epoch_state(tables, &epoch),
            model.epoch_state(&epoch),
            "state of a stray epoch",
            id
        );
    }
}

fn backends(tables: &MemoryTables, model: &Model, dice: &mut Dice) {
    same!(queries::backends(tables), model.backends(), "backends");
    for backend in (0..8).map(BackendId) {
        let counters = model.backend_counters(backend);
        same!(
            queries::backend_counters(tables, backend),
            counters,
            "backend counters",
            backend
        );
        let all = model.garbage(backend, u64::MAX, None, ALL);
        same!(
            queries::garbage(tables, backend, u64::MAX, None, ALL),
            all,
            "garbage",
            backend
        );
        if all.is_empty() {
            continue;
        }
        let row = |dice: &mut Dice| dice.pick(&all).map(|(key, _): (GarbageKey, _)| key);
        let (died, after, limit) = (row(dice).unwrap().died, row(dice), dice.below(4));
        let died = died.saturating_sub(dice.below(2) as u64);
        let expected = model.garbage(backend, died, after.as_ref(), limit);
        let page = queries::garbage(tables, backend, died, after.as_ref(), limit);
        same!(page, expected, "a page of garbage", backend, died, after, limit);
    }
    let backend = BackendId(dice.below(8) as u32);
    same!(
        queries::backend(tables, backend),
        model.backend(backend),
        "backend",
        backend
    );
    let name = dice.one(&BACKENDS).parse().unwrap();
    same!(
        queries::backend_by_name(tables, &name),
        model.backend_by_name(&name),
        "backend by name",
        name
    );
    let rows = model.release(u64::MAX, ALL);
    same!(queries::release(tables, u64::MAX, ALL), rows, "release");
    let row = dice.pick(&rows).map_or(
        RowId {
            index: 1,
            position: 0,
            ordinal: 0,
        },
        |(row, _)| row,
    );
    same!(
        queries::release_row(tables, row),
        model.release_row(row),
        "release row",
        row
    );
    let (died, limit) = (row.index - dice.below(2) as u64, dice.below(4));
    same!(
        queries::release(tables, died, limit),
        model.release(died, limit),
        "a page of release",
        died,
        limit
    );
}

fn blobs(tables: &MemoryTables, model: &Model, dice: &mut Dice) {
    let all = model.blobs_after(None, ALL);
    same!(queries::blobs_after(tables, None, ALL), all, "blobs");
    let ids: Vec<_> = all.iter().map(|(id, _)| *id).collect();
    let blob = dice.pick(&ids).unwrap_or(BlobId([0; 16]));
    same!(queries::blob(tables, blob), model.blob(blob), "blob", blob);
    let limit = dice.below(4);
    let page = model.blobs_after(Some(blob), limit);
    same!(
        queries::blobs_after(tables, Some(blob), limit),
        page,
        "a page of blobs",
        blob,
        limit
    );
    for &kind in WorkKind::ALL {
        same!(
            queries::work(tables, kind, None, ALL),
            model.work(kind, None, ALL),
            "work",
            kind
        );
        let page = model.work(kind, Some(blob), limit);
        same!(
            queries::work(tables, kind, Some(blob), limit),
            page,
            "a page of work",
            kind,
            blob,
            limit
        );
    }
    let addresses = all
        .iter()
        .flat_map(|(_, record)| &record.replicas)
        .map(|replica| replica.address());
    let addresses: Vec<_> = addresses.collect();
    let stray = AttemptAddress {
        backend: BackendId(1),
        incarnation: IncarnationCounter(1),
        epoch: EpochId(1),
        attempt: Attempt(0),
    };
    let own = model
        .blob(blob)
        .and_then(|record| dice.pick(&record.replicas))
        .map(|replica| replica.address());
    for address in [Some(stray), own, dice.pick(&addresses)].into_iter().flatten() {
        let state = model.attempt_state(blob, &address);
        same!(
            queries::attempt_state(tables, blob, &address),
            state,
            "attempt",
            blob,
            address
        );
    }
}

fn buckets(tables: &MemoryTables, model: &Model, dice: &mut Dice) {
    same!(
        queries::buckets_after(tables, None, ALL),
        model.buckets_after(None, ALL),
        "buckets"
    );
    let name = dice.one(&BUCKETS).parse().unwrap();
    same!(
        queries::bucket_by_name(tables, &name),
        model.bucket_by_name(&name),
        "bucket by name",
        name
    );
    let limit = dice.below(3);
    let page = model.buckets_after(Some(&name), limit);
    same!(
        queries::buckets_after(tables, Some(&name), limit),
        page,
        "a page of buckets",
        name,
        limit
    );
    same!(
        queries::bucket_keys(tables, None),
        model.bucket_keys(None),
        "bucket keys"
    );
    for bucket in (0..8).map(BucketId) {
        same!(
            queries::bucket_counters(tables, bucket),
            model.bucket_counters(bucket),
            "counters",
            bucket
        );
        for version in (1..5).map(KeyVersion) {
            let wrapped = model.wrapped_blobs(bucket, version);
            same!(
                queries::wrapped_blobs(tables, bucket, version),
                wrapped,
                "wraps",
                bucket,
                version
            );
        }
    }
    let (bucket, version) = (BucketId(dice.below(8) as u64), KeyVersion(dice.below(4) as u32));
    same!(
        queries::bucket(tables, bucket),
        model.bucket(bucket),
        "bucket",
        bucket
    );
    let key = model.key_version(bucket, version);
    same!(
        queries::key_version(tables, bucket, version),
        key,
        "key version",
        bucket,
        version
    );
    let keys = model.bucket_keys(Some(bucket));
    same!(
        queries::bucket_keys(tables, Some(bucket)),
        keys,
        "keys of",
        bucket
    );
}

/// All versions of a bucket, by way of the model's own listing.
fn versions_of(model: &Model, bucket: BucketId) -> Vec<(ObjectKey, VersionEntry)> {
    let query = VersionsQuery {
        bucket,
        prefix: Bytes::new(),
        delimiter: Bytes::new(),
        start: VersionStart::Beginning,
        limit: ALL,
    };
    let entries = model.list_versions(&query).entries.into_iter();
    let entries = entries.filter_map(|entry| match entry {
        VersionListEntry::Version { key, entry, .. } => Some((key, entry)),
        VersionListEntry::Prefix(_) => None,
    });
    entries.collect()
}

fn objects(tables: &MemoryTables, model: &Model, dice: &mut Dice) {
    for (bucket, _) in model.buckets_after(None, ALL) {
        for key in KEYS.map(|key| key.parse().unwrap()) {
            same!(
                queries::current(tables, bucket, &key),
                model.current(bucket, &key),
                "current",
                bucket,
                key
            );
            for name in [None, Some(VersionName::Null)] {
                let found = model.lookup(bucket, &key, name.as_ref());
                same!(
                    queries::lookup(tables, bucket, &key, name.as_ref()),
                    found,
                    "lookup",
                    bucket,
                    key,
                    name
                );
            }
        }
        // Also by ids under which clients must not find null versions.
        for (key, entry) in versions_of(model, bucket) {
            let name = VersionName::Id(entry.version());
            let found = model.lookup(bucket, &key, Some(&name));
            same!(
                queries::lookup(tables, bucket, &key, Some(&name)),
                found,
                "lookup",
                bucket,
                key,
                name
            );
        }
    }
    let contents: Vec<_> = model
        .objects()
        .map(|(.., object)| (object.content.clone(), object.size))
        .collect();
    if let Some((content, size)) = dice.pick(&contents) {
        let (from, limit) = (size * dice.below(8) as u64 / 7, dice.one(&[ALL, 0, 1, 2]));
        let range = from..from + size * dice.below(8) as u64 / 7;
        for range in [0..size, range] {
            let range: Range<u64> = range;
            let spans = model.resolve(&content, size, range.clone(), limit);
            let found = queries::resolve(tables, &content, size, range.clone(), limit);
            same!(found, spans, "resolve", content, size, range, limit);
        }
    }
}

fn uploads(tables: &MemoryTables, model: &Model, targets: &[UploadTarget], dice: &mut Dice) {
    for target in targets {
        let upload = target.upload;
        same!(
            queries::upload(tables, target),
            model.upload(target),
            "upload",
            target
        );
        same!(
            queries::completion(tables, upload),
            model.completion(upload),
            "completion",
            upload
        );
        same!(
            queries::manifest(tables, upload),
            model.manifest(upload),
            "manifest",
            upload
        );
        let parts = model.list_parts(upload, None, ALL);
        same!(
            queries::list_parts(tables, upload, None, ALL),
            parts,
            "parts",
            upload
        );
    }
    let upload = dice
        .pick(targets)
        .map_or(UploadId([0; 16]), |target| target.upload);
    let number = PartNumber::new(1 + dice.below(6) as u16).unwrap();
    same!(
        queries::part(tables, upload, number),
        model.part(upload, number),
        "part",
        upload,
        number
    );
    let limit = dice.below(4);
    let page = model.list_parts(upload, Some(number), limit);
    same!(
        queries::list_parts(tables, upload, Some(number), limit),
        page,
        "a page of parts",
        upload,
        number
    );
    if model
        .manifest(upload)
        .is_some_and(|manifest| manifest.references > 0)
    {
        let part = model.manifest_part(upload, number);
        same!(
            queries::manifest_part(tables, upload, number),
            part,
            "manifest part",
            upload,
            number
        );
    }
    for now in [model.clock(), MillisUtc(u64::MAX), MillisUtc(0)] {
        same!(
            queries::has_due_completion(tables, now),
            model.has_due_completion(now),
            "due",
            now
        );
    }
}

fn listings(tables: &MemoryTables, model: &Model, targets: &[UploadTarget], dice: &mut Dice) {
    let bucket = dice
        .pick(&model.buckets_after(None, ALL))
        .map_or(BucketId(1), |(bucket, _)| bucket);
    let versions = versions_of(model, bucket);
    let prefix = Bytes::from_static(dice.one(&[b"", b"a", b"a/", b"b", b"z"]));
    let delimiter = Bytes::from_static(dice.one(&[b"", b"/", b"\0", b"/b"]));
    let limit = dice.one(&[1, 2, 3, ALL, 0]);
    let name = dice.pick(&versions).map_or(Bytes::from_static(b"a"), |(key, _)| {
        let key = key.as_bytes();
        Bytes::copy_from_slice(&key[..key.len() - dice.below(key.len())])
    });
    let start = dice.below(4);
    let query = ListQuery {
        bucket,
        prefix: prefix.clone(),
        delimiter: delimiter.clone(),
        start: match start {
            0 => ListStart::Beginning,
            1 => ListStart::AfterKey(name.clone()),
            _ => ListStart::AfterPrefix(name.clone()),
        },
        limit,
    };
    same!(
        queries::list_objects(tables, &query),
        model.list_objects(&query),
        "objects",
        query
    );
    let (key, entry) = match dice.pick(&versions) {
        Some((key, entry)) => (key, entry.version()),
        None => (
            "a".parse().unwrap(),
            VersionId {
                incarnation: IncarnationCounter(1),
                index: 1,
                position: 0,
            },
        ),
    };
    let version = if dice.once_in(3) {
        VersionName::Null
    } else {
        VersionName::Id(entry)
    };
    let query = VersionsQuery {
        bucket,
        prefix: prefix.clone(),
        delimiter: delimiter.clone(),
        start: match start {
            0 => VersionStart::Beginning,
            1 => VersionStart::AfterKey(name.clone()),
            2 => VersionStart::AfterPrefix(name.clone()),
            _ => VersionStart::AfterVersion(key, version),
        },
        limit,
    };
    same!(
        queries::list_versions(tables, &query),
        model.list_versions(&query),
        "versions",
        query
    );
    let target = dice.pick(targets);
    let query = UploadsQuery {
        bucket,
        prefix,
        delimiter,
        start: match (start, target) {
            (0, _) => UploadStart::Beginning,
            (1, _) => UploadStart::AfterKey(name),
            (2, _) | (_, None) => UploadStart::AfterPrefix(name),
            (_, Some(target)) => UploadStart::AfterUpload(target.key, target.upload),
        },
        limit,
    };
    same!(
        queries::list_uploads(tables, &query),
        model.list_uploads(&query),
        "uploads",
        query
    );
}
