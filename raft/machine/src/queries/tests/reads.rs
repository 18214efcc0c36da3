//! A listing costs what it returns.

use raft_types::keys::CurrentKey;
use raft_types::records::{Content, ObjectRecord};
use raft_types::{BlobId, BucketId, ETag, IncarnationCounter, MillisUtc, VersionId};

use super::*;
use crate::counting::Counting;
use crate::queries::{ListQuery, ListStart, list_objects};

#[test]
fn keys_under_a_common_prefix_are_passed_over_by_one_seek() {
    let bucket = BucketId(1);
    let mut tables = MemoryTables::new();
    let record = ObjectRecord {
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
    };
    for folder in 0..20 {
        for file in 0..100 {
            let key = object_key(&format!("folder-{folder:02}/file-{file:03}"));
            put(&mut tables, &CurrentKey { bucket, key }, &record);
        }
    }
    let counting = Counting::new(&tables);
    let query = ListQuery {
        bucket,
        prefix: Bytes::new(),
        delimiter: Bytes::from_static(b"/"),
        start: ListStart::Beginning,
        limit: 1000,
    };
    let page = list_objects(&counting, &query).unwrap();
    assert_eq!(page.entries.len(), 20);
    assert!(counting.steps() <= 21, "{} steps", counting.steps());
}
