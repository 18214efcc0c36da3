//! A listing costs what it returns.

use std::cell::Cell;

use raft_types::keys::CurrentKey;
use raft_types::records::{Content, ObjectRecord};
use raft_types::{BlobId, BucketId, ETag, IncarnationCounter, MillisUtc, VersionId};

use super::*;
use crate::port::{Cursor, ReadTables, StorageFault};
use crate::queries::{ListQuery, ListStart, list_objects};

/// Tables that count the steps of their cursors.
struct Counting {
    tables: MemoryTables,
    steps: Cell<usize>,
}

struct CountingCursor<'a> {
    inner: <MemoryTables as ReadTables>::Cursor<'a>,
    steps: &'a Cell<usize>,
}

impl ReadTables for Counting {
    type Cursor<'a> = CountingCursor<'a>;

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StorageFault> {
        self.tables.get(key)
    }

    fn cursor(&self, lower: &[u8], upper: &[u8]) -> Result<CountingCursor<'_>, StorageFault> {
        Ok(CountingCursor {
            inner: self.tables.cursor(lower, upper)?,
            steps: &self.steps,
        })
    }
}

impl Cursor for CountingCursor<'_> {
    fn seek(&mut self, key: &[u8]) -> Result<(), StorageFault> {
        self.steps.set(self.steps.get() + 1);
        self.inner.seek(key)
    }

    fn next(&mut self) -> Result<(), StorageFault> {
        self.steps.set(self.steps.get() + 1);
        self.inner.next()
    }

    fn entry(&self) -> Option<(&[u8], &[u8])> {
        self.inner.entry()
    }
}

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
    let counting = Counting {
        tables,
        steps: Cell::new(0),
    };
    let query = ListQuery {
        bucket,
        prefix: Bytes::new(),
        delimiter: Bytes::from_static(b"/"),
        start: ListStart::Beginning,
        limit: 1000,
    };
    let page = list_objects(&counting, &query).unwrap();
    assert_eq!(page.entries.len(), 20);
    assert!(counting.steps.get() <= 21, "{} steps", counting.steps.get());
}
