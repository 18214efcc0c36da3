use raft_types::keys::CurrentKey;
use raft_types::records::{Content, ObjectRecord};
use raft_types::{BlobId, BucketId, ETag, IncarnationCounter, MillisUtc, VersionId};

use super::*;
use crate::queries::{ListEntry, ListPage, ListQuery, ListStart, list_objects};

const BUCKET: BucketId = BucketId(7);

fn record() -> ObjectRecord {
    ObjectRecord {
        version: VersionId {
            incarnation: IncarnationCounter::FIRST,
            index: 1,
            position: 0,
        },
        is_null: true,
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

fn tables(keys: &BTreeSet<String>) -> MemoryTables {
    let mut tables = MemoryTables::new();
    for key in keys {
        put(
            &mut tables,
            &CurrentKey {
                bucket: BUCKET,
                key: object_key(key),
            },
            &record(),
        );
    }
    // Neighbours that no listing may show.
    for bucket in [BucketId(6), BucketId(8)] {
        put(
            &mut tables,
            &CurrentKey {
                bucket,
                key: object_key("a/a"),
            },
            &record(),
        );
    }
    tables
}

fn names(page: &ListPage) -> Vec<(Vec<u8>, bool)> {
    let name = |entry: &ListEntry| (entry.name().to_vec(), matches!(entry, ListEntry::Prefix(_)));
    page.entries.iter().map(name).collect()
}

proptest! {
    #[test]
    fn pages_of_a_listing_show_every_name_once_and_in_order(
        keys in keys(), prefix in prefix(), delimiter in delimiter(), limit in 1..6_usize,
    ) {
        let tables = tables(&keys);
        let expected = rolled_up(&keys, &prefix, &delimiter);
        let mut start = ListStart::Beginning;
        let mut found = Vec::new();
        loop {
            let (prefix, delimiter) = (prefix.clone(), delimiter.clone());
            let query = ListQuery { bucket: BUCKET, prefix, delimiter, start, limit };
            let page = list_objects(&tables, &query).unwrap();
            found.extend(names(&page));
            match page.next {
                Some(next) => {
                    prop_assert_eq!(page.entries.len(), limit, "only full pages are followed by others");
                    prop_assert!(found.len() < expected.len(), "a page that says so is followed by entries");
                    start = next;
                }
                None => break,
            }
        }
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn the_last_name_of_a_page_is_a_marker_for_the_next(
        keys in keys(), prefix in prefix(), delimiter in delimiter(), limit in 1..6_usize,
    ) {
        let tables = tables(&keys);
        let expected = rolled_up(&keys, &prefix, &delimiter);
        let mut found = Vec::new();
        let mut start = ListStart::Beginning;
        loop {
            let (bucket, prefix, delimiter) = (BUCKET, prefix.clone(), delimiter.clone());
            let query = ListQuery { bucket, prefix, delimiter, start, limit };
            let page = list_objects(&tables, &query).unwrap();
            found.extend(names(&page));
            let Some(last) = page.entries.last().filter(|_| page.next.is_some()) else {
                break;
            };
            let marker = Bytes::copy_from_slice(last.name());
            start = ListStart::from_marker(marker, &query.prefix, &query.delimiter);
        }
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn a_listing_begins_strictly_after_any_key(keys in keys(), after in "[ab/\u{0}]{1,4}") {
        let tables = tables(&keys);
        let start = ListStart::AfterKey(Bytes::from(after.clone()));
        let (prefix, delimiter) = (Bytes::new(), Bytes::new());
        let query = ListQuery { bucket: BUCKET, prefix, delimiter, start, limit: 100 };
        let page = list_objects(&tables, &query).unwrap();
        let later = keys.iter().filter(|key| **key > after);
        let expected: Vec<_> = later.map(|key| (key.clone().into_bytes(), false)).collect();
        prop_assert_eq!(names(&page), expected);
        prop_assert_eq!(page.next, None);
    }
}

#[test]
fn a_marker_within_a_common_prefix_is_after_all_of_it() {
    let keys = ["a/1", "a/2", "b"].map(str::to_owned).into();
    let tables = tables(&keys);
    let list = |start| {
        let (prefix, delimiter) = (Bytes::new(), Bytes::from_static(b"/"));
        let query = ListQuery {
            bucket: BUCKET,
            prefix,
            delimiter,
            start,
            limit: 10,
        };
        names(&list_objects(&tables, &query).unwrap())
            .into_iter()
            .map(|(name, _)| name)
            .collect::<Vec<_>>()
    };
    let marker = |text: &'static str| ListStart::from_marker(Bytes::from_static(text.as_bytes()), b"", b"/");
    assert_eq!(list(marker("a/1")), [b"b".to_vec()]);
    assert_eq!(list(marker("a/2")), [b"b".to_vec()]);
    assert_eq!(list(marker("a")), [b"a/".to_vec(), b"b".to_vec()]);
    assert_eq!(
        list(marker("a/")),
        [b"b".to_vec()],
        "a common prefix as marker was listed before"
    );
    assert_eq!(list(marker("")), [b"a/".to_vec(), b"b".to_vec()]);
}

#[test]
fn a_page_of_no_entries_is_empty_and_has_no_next() {
    let tables = tables(&["a".to_owned()].into());
    let query = ListQuery {
        bucket: BUCKET,
        prefix: Bytes::new(),
        delimiter: Bytes::new(),
        start: ListStart::Beginning,
        limit: 0,
    };
    assert_eq!(
        list_objects(&tables, &query).unwrap(),
        ListPage {
            entries: Vec::new(),
            next: None
        }
    );
}
