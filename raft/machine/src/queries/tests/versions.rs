use raft_types::keys::{CurrentKey, NullVersionKey, VersionKey};
use raft_types::records::{
    Content, DeleteMarker, NullVersionRecord, ObjectRecord, VersionEntry, VersionName,
};
use raft_types::{BlobId, BucketId, ETag, IncarnationCounter, MillisUtc, VersionId};

use super::*;
use crate::queries::{VersionListEntry, VersionStart, VersionsQuery, list_versions};

const BUCKET: BucketId = BucketId(7);

fn version(index: u64) -> VersionId {
    VersionId {
        incarnation: IncarnationCounter::FIRST,
        index,
        position: 0,
    }
}

fn object(index: u64) -> ObjectRecord {
    ObjectRecord {
        version: version(index),
        is_null: false,
        size: 1,
        etag: ETag::of_whole([0; 16]),
        modified: MillisUtc(1),
        content: Content::Blob(BlobId([1; 16])),
        headers: None,
        metadata: Vec::new(),
        checksums: Vec::new(),
        storage_class: None,
        owner: None,
    }
}

/// What a listing shows: a name, and for a version its index and whether it is the latest.
type Shown = (Vec<u8>, Option<(u64, bool)>);

/// Tables in which each key has entries with descending indices, the first one current if the key's bit of
/// `current` is set, and a delete marker otherwise.
fn tables(keys: &BTreeSet<String>, counts: &[u64], current: u32) -> (MemoryTables, Vec<(String, u64)>) {
    let mut tables = MemoryTables::new();
    let mut all = Vec::new();
    for (place, key) in keys.iter().enumerate() {
        let key = object_key(key);
        for index in (1..=counts[place % counts.len()]).rev() {
            all.push((key.as_str().to_owned(), index));
            let is_newest = index == counts[place % counts.len()];
            let is_current = current & (1 << place) != 0;
            let row = VersionKey {
                bucket: BUCKET,
                key: key.clone(),
                version: version(index),
            };
            if is_newest && is_current {
                put(
                    &mut tables,
                    &CurrentKey {
                        bucket: BUCKET,
                        key: key.clone(),
                    },
                    &object(index),
                );
            } else if is_newest {
                let marker = DeleteMarker {
                    version: version(index),
                    is_null: false,
                    modified: MillisUtc(1),
                    owner: None,
                };
                put(&mut tables, &row, &VersionEntry::DeleteMarker(marker));
            } else {
                put(&mut tables, &row, &VersionEntry::Object(Box::new(object(index))));
            }
        }
    }
    for bucket in [BucketId(6), BucketId(8)] {
        put(
            &mut tables,
            &CurrentKey {
                bucket,
                key: object_key("a"),
            },
            &object(1),
        );
    }
    (tables, all)
}

fn expected(all: &[(String, u64)], prefix: &[u8], delimiter: &[u8]) -> Vec<Shown> {
    let mut shown: Vec<Shown> = Vec::new();
    for (place, (key, index)) in all.iter().enumerate() {
        let is_latest = place == 0 || all[place - 1].0 != *key;
        let one = [key.clone()].into();
        match rolled_up(&one, prefix, delimiter).pop() {
            None => {}
            Some((name, true)) if shown.last() == Some(&(name.clone(), None)) => {}
            Some((name, true)) => shown.push((name, None)),
            Some((name, false)) => shown.push((name, Some((*index, is_latest)))),
        }
    }
    shown
}

fn show(entry: &VersionListEntry) -> Shown {
    match entry {
        VersionListEntry::Prefix(prefix) => (prefix.to_vec(), None),
        VersionListEntry::Version {
            key,
            entry,
            is_latest,
        } => (key.as_bytes().to_vec(), Some((entry.version().index, *is_latest))),
    }
}

proptest! {
    #[test]
    fn pages_of_versions_show_every_entry_once_and_in_order(
        keys in keys(),
        counts in proptest::collection::vec(1..4_u64, 1..5),
        current in any::<u32>(),
        prefix in prefix(),
        delimiter in delimiter(),
        limit in 1..6_usize,
    ) {
        let (tables, all) = tables(&keys, &counts, current);
        let mut start = VersionStart::Beginning;
        let mut found = Vec::new();
        loop {
            let (prefix, delimiter) = (prefix.clone(), delimiter.clone());
            let query = VersionsQuery { bucket: BUCKET, prefix, delimiter, start, limit };
            let page = list_versions(&tables, &query).unwrap();
            found.extend(page.entries.iter().map(show));
            match page.next {
                Some(next) => start = next,
                None => break,
            }
        }
        prop_assert_eq!(found, expected(&all, &prefix, &delimiter));
    }

    #[test]
    fn versions_after_a_key_leave_out_all_versions_of_it(
        keys in keys(),
        counts in proptest::collection::vec(1..4_u64, 1..5),
        current in any::<u32>(),
        after in "[ab/\u{0}]{1,4}",
    ) {
        let (tables, mut all) = tables(&keys, &counts, current);
        let start = VersionStart::AfterKey(Bytes::from(after.clone()));
        let (prefix, delimiter) = (Bytes::new(), Bytes::new());
        let query = VersionsQuery { bucket: BUCKET, prefix, delimiter, start, limit: 1000 };
        let page = list_versions(&tables, &query).unwrap();
        all.retain(|(key, _)| *key > after);
        let found: Vec<_> = page.entries.iter().map(show).collect();
        prop_assert_eq!(found, expected(&all, b"", b""));
    }
}

#[test]
fn a_listing_goes_on_after_a_version_that_is_gone_meanwhile() {
    let (mut tables, _) = tables(&["a".to_owned()].into(), &[3], 1);
    let list = |tables: &MemoryTables, version: VersionName| {
        let start = VersionStart::AfterVersion(object_key("a"), version);
        let query = VersionsQuery {
            bucket: BUCKET,
            prefix: Bytes::new(),
            delimiter: Bytes::new(),
            start,
            limit: 10,
        };
        list_versions(tables, &query)
            .unwrap()
            .entries
            .iter()
            .map(|entry| show(entry).1)
            .collect::<Vec<_>>()
    };
    let (two, one) = (Some((2, false)), Some((1, false)));
    assert_eq!(list(&tables, VersionName::Id(version(3))), [two, one]);
    assert_eq!(list(&tables, VersionName::Id(version(2))), [one]);
    // The current version is removed, and the next one is promoted.
    let row = VersionKey {
        bucket: BUCKET,
        key: object_key("a"),
        version: version(2),
    };
    tables.write([(raft_types::keys::TableKey::to_bytes(&row), None)]);
    put(
        &mut tables,
        &CurrentKey {
            bucket: BUCKET,
            key: object_key("a"),
        },
        &object(2),
    );
    assert_eq!(list(&tables, VersionName::Id(version(3))), [Some((2, true)), one]);
    assert_eq!(list(&tables, VersionName::Id(version(2))), [one]);
}

#[test]
fn a_null_version_is_a_place_to_go_on_from() {
    let (mut tables, _) = tables(&["a".to_owned()].into(), &[3], 1);
    let key = object_key("a");
    let null = ObjectRecord {
        is_null: true,
        ..object(2)
    };
    let row = VersionKey {
        bucket: BUCKET,
        key: key.clone(),
        version: version(2),
    };
    put(&mut tables, &row, &VersionEntry::Object(Box::new(null)));
    put(
        &mut tables,
        &NullVersionKey {
            bucket: BUCKET,
            key: key.clone(),
        },
        &NullVersionRecord { version: version(2) },
    );
    let start = VersionStart::AfterVersion(key, VersionName::Null);
    let query = VersionsQuery {
        bucket: BUCKET,
        prefix: Bytes::new(),
        delimiter: Bytes::new(),
        start,
        limit: 10,
    };
    let page = list_versions(&tables, &query).unwrap();
    assert_eq!(
        page.entries.iter().map(show).collect::<Vec<_>>(),
        [(b"a".to_vec(), Some((1, false)))]
    );
}
