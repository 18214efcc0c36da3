use raft_types::checksum::ChecksumScope;
use raft_types::keys::UploadKey;
use raft_types::records::UploadRecord;
use raft_types::{BucketId, MillisUtc, UploadId};

use super::*;
use crate::queries::{UploadEntry, UploadStart, UploadsQuery, list_uploads};

const BUCKET: BucketId = BucketId(7);

fn record() -> UploadRecord {
    UploadRecord {
        initiated: MillisUtc(1),
        owner: None,
        headers: None,
        metadata: Vec::new(),
        storage_class: None,
        algorithm: None,
        scope: ChecksumScope::Full,
        backends: Vec::new(),
    }
}

fn tables(keys: &BTreeSet<String>) -> MemoryTables {
    let mut tables = MemoryTables::new();
    for bucket in [BucketId(6), BUCKET, BucketId(8)] {
        for key in keys {
            for upload in [1, 2] {
                let upload = UploadId([upload; 16]);
                put(
                    &mut tables,
                    &UploadKey {
                        bucket,
                        key: object_key(key),
                        upload,
                    },
                    &record(),
                );
            }
        }
    }
    tables
}

fn name(entry: &UploadEntry) -> (Vec<u8>, Option<UploadId>) {
    match entry {
        UploadEntry::Upload(key, upload, _) => (key.as_bytes().to_vec(), Some(*upload)),
        UploadEntry::Prefix(prefix) => (prefix.to_vec(), None),
    }
}

proptest! {
    #[test]
    fn pages_of_uploads_show_every_upload_once_and_in_order(
        keys in keys(), prefix in prefix(), delimiter in delimiter(), limit in 1..6_usize,
    ) {
        let tables = tables(&keys);
        let mut expected = Vec::new();
        for (name, is_prefix) in rolled_up(&keys, &prefix, &delimiter) {
            if is_prefix {
                expected.push((name, None));
            } else {
                expected.push((name.clone(), Some(UploadId([1; 16]))));
                expected.push((name, Some(UploadId([2; 16]))));
            }
        }
        let mut start = UploadStart::Beginning;
        let mut found = Vec::new();
        loop {
            let (prefix, delimiter) = (prefix.clone(), delimiter.clone());
            let query = UploadsQuery { bucket: BUCKET, prefix, delimiter, start, limit };
            let page = list_uploads(&tables, &query).unwrap();
            found.extend(page.entries.iter().map(name));
            match page.next {
                Some(next) => start = next,
                None => break,
            }
        }
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn uploads_after_a_key_leave_out_all_uploads_to_it(keys in keys(), after in "[ab/\u{0}]{1,4}") {
        let tables = tables(&keys);
        let start = UploadStart::AfterKey(Bytes::from(after.clone()));
        let (prefix, delimiter) = (Bytes::new(), Bytes::new());
        let query = UploadsQuery { bucket: BUCKET, prefix, delimiter, start, limit: 100 };
        let page = list_uploads(&tables, &query).unwrap();
        let found: Vec<_> = page.entries.iter().map(|entry| name(entry).0).collect();
        let later = keys.iter().filter(|key| **key > after);
        let twice = |key: &String| [key.clone().into_bytes(), key.clone().into_bytes()];
        let expected: Vec<_> = later.flat_map(twice).collect();
        prop_assert_eq!(found, expected);
    }
}
