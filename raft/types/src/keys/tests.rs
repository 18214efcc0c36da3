#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::cmp::Reverse;
use std::fmt::Debug;

use proptest::prelude::*;

use super::*;
use crate::ids::{
    Attempt, BackendId, BlobId, BucketId, EpochId, IncarnationCounter, KeyVersion, NodeId, PartNumber, RowId,
    SessionId, UploadId, VersionId,
};
use crate::names::ObjectKey;
use crate::records::WorkKind;
use crate::time::MillisUtc;

/// Numbers that differ in every byte, and the ends of the range.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0..4_u64, any::<u64>(), Just(u64::MAX), Just(255), Just(256)]
}

fn object_key() -> impl Strategy<Value = ObjectKey> {
    "[\u{0}\u{1}\u{2}ab\u{ff}\u{10ffff}]{1,6}".prop_map(|key| key.parse().unwrap())
}

fn drawn() -> impl Strategy<Value = [u8; 16]> {
    prop_oneof![any::<[u8; 16]>(), Just([0; 16]), Just([0xff; 16])]
}

fn version() -> impl Strategy<Value = VersionId> {
    (0..3_u32, number(), any::<u32>()).prop_map(|(incarnation, index, position)| VersionId {
        incarnation: IncarnationCounter(incarnation),
        index,
        position,
    })
}

/// A key reads back, and two keys sort as what they stand for.
fn check<K: TableKey + PartialEq + Debug, O: Ord>(
    a: &K,
    b: &K,
    order: impl Fn(&K) -> O,
) -> Result<(), TestCaseError> {
    for key in [a, b] {
        let bytes = key.to_bytes();
        prop_assert_eq!(bytes[0], K::TABLE.number());
        prop_assert_eq!(&K::parse(&bytes).unwrap(), key);
        let range = KeyRange::of_table(K::TABLE);
        prop_assert!(range.lower <= bytes && bytes < range.upper);
    }
    prop_assert_eq!(order(a).cmp(&order(b)), a.to_bytes().cmp(&b.to_bytes()));
    Ok(())
}

macro_rules! order_test {
    ($name:ident, $key:expr, $parts:expr, $order:expr) => {
        proptest! {
            #[test]
            fn $name(a in $parts, b in $parts) {
                let key = $key;
                check(&key(a), &key(b), $order)?;
            }
        }
    };
}

order_test!(
    current_keys_sort_by_bucket_and_key,
    |(bucket, key)| CurrentKey {
        bucket: BucketId(bucket),
        key
    },
    (number(), object_key()),
    Clone::clone
);
order_test!(
    version_keys_sort_by_key_and_newest_first,
    |(bucket, key, version)| VersionKey {
        bucket: BucketId(bucket),
        key,
        version
    },
    (0..2_u64, object_key(), version()),
    |key: &VersionKey| (key.bucket, key.key.clone(), Reverse(key.version))
);
order_test!(
    null_version_keys_sort_by_bucket_and_key,
    |(bucket, key)| NullVersionKey {
        bucket: BucketId(bucket),
        key
    },
    (number(), object_key()),
    Clone::clone
);
order_test!(
    upload_keys_sort_by_key_and_upload,
    |(bucket, key, upload)| UploadKey {
        bucket: BucketId(bucket),
        key,
        upload: UploadId(upload)
    },
    (0..2_u64, object_key(), drawn()),
    Clone::clone
);
order_test!(
    part_keys_sort_by_upload_and_number,
    |(upload, number)| PartKey {
        upload: UploadId(upload),
        number: PartNumber::new(number).unwrap()
    },
    (drawn(), 1..=10_000_u16),
    Clone::clone
);
order_test!(
    garbage_keys_sort_by_backend_and_death,
    |(backend, died, blob, epoch, attempt)| GarbageKey {
        backend: BackendId(backend),
        died,
        blob: BlobId(blob),
        epoch: EpochId(epoch),
        attempt: Attempt(attempt),
    },
    (any::<u32>(), number(), drawn(), number(), any::<u32>()),
    Clone::clone
);
order_test!(
    release_keys_sort_by_death,
    |(index, position, ordinal)| ReleaseKey {
        row: RowId {
            index,
            position,
            ordinal
        }
    },
    (number(), any::<u32>(), any::<u32>()),
    Clone::clone
);
order_test!(
    incident_keys_sort_by_time,
    |(index, position, ordinal)| IncidentKey {
        row: RowId {
            index,
            position,
            ordinal
        }
    },
    (number(), any::<u32>(), any::<u32>()),
    Clone::clone
);
order_test!(
    work_keys_sort_by_kind_and_blob,
    |(kind, blob): (usize, _)| WorkKey {
        kind: WorkKind::ALL[kind],
        blob: BlobId(blob)
    },
    (0..3_usize, drawn()),
    Clone::clone
);
order_test!(
    outcome_keys_sort_by_session_and_number,
    |(session, seq)| OutcomeKey {
        session: SessionId(session),
        seq
    },
    (number(), number()),
    Clone::clone
);
order_test!(
    completion_due_keys_sort_by_time,
    |(due, upload)| CompletionDueKey {
        due: MillisUtc(due),
        upload: UploadId(upload)
    },
    (number(), drawn()),
    Clone::clone
);
order_test!(
    usage_keys_sort_by_month_and_subject,
    |(month, subject, id, class)| UsageKey {
        month,
        subject,
        id,
        class
    },
    (any::<u32>(), any::<u8>(), number(), any::<u8>()),
    Clone::clone
);
order_test!(
    grant_keys_sort_by_session_backend_and_month,
    |(session, backend, month)| GrantKey {
        session: SessionId(session),
        backend: BackendId(backend),
        month
    },
    (number(), any::<u32>(), any::<u32>()),
    Clone::clone
);
order_test!(
    key_version_keys_sort_by_bucket_and_version,
    |(bucket, version)| KeyVersionKey {
        bucket: BucketId(bucket),
        version: KeyVersion(version)
    },
    (number(), any::<u32>()),
    Clone::clone
);
order_test!(
    native_keys_sort_by_backend_and_key,
    |(backend, key)| NativeKey {
        backend: BackendId(backend),
        key
    },
    (any::<u32>(), "[a/\u{0}ÿ]{0,5}"),
    Clone::clone
);
order_test!(
    ids_sort_by_their_numbers,
    |id| BucketKey { bucket: BucketId(id) },
    number(),
    Clone::clone
);

proptest! {
    #[test]
    fn the_rows_of_one_object_lie_together_and_apart_from_all_others(
        key in object_key(), other in object_key(), version in version(),
    ) {
        let bucket = BucketId(1);
        let range = VersionKey::of_object(bucket, &key);
        let row = VersionKey { bucket, key: other.clone(), version }.to_bytes();
        prop_assert_eq!(range.lower <= row && row < range.upper, key == other);
        let range = UploadKey::of_object(bucket, &key);
        let row = UploadKey { bucket, key: other.clone(), upload: UploadId([0xff; 16]) }.to_bytes();
        prop_assert_eq!(range.lower <= row && row < range.upper, key == other);
    }

    #[test]
    fn a_prefix_covers_exactly_the_keys_that_begin_with_it(
        prefix in "[\u{0}ab]{0,2}", key in object_key(), version in version(),
    ) {
        let bucket = BucketId(u64::MAX);
        let begins = key.as_bytes().starts_with(prefix.as_bytes());
        let prefix = prefix.as_bytes();
        let current = CurrentKey { bucket, key: key.clone() };
        let noncurrent = VersionKey { bucket, key: key.clone(), version };
        let upload = UploadKey { bucket, key, upload: UploadId([7; 16]) };
        let rows = [
            (CurrentKey::with_prefix(bucket, prefix), current.to_bytes()),
            (VersionKey::with_prefix(bucket, prefix), noncurrent.to_bytes()),
            (UploadKey::with_prefix(bucket, prefix), upload.to_bytes()),
        ];
        for (range, row) in rows {
            prop_assert_eq!(range.lower <= row && row < range.upper, begins);
        }
    }

    #[test]
    fn any_bytes_are_a_key_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..48)) {
        fn reads_back<K: TableKey>(bytes: &[u8]) -> bool {
            K::parse(bytes).map_or(true, |key| key.to_bytes() == bytes)
        }
        let with = |table: Table| [&[table.number()][..], &bytes].concat();
        prop_assert!(reads_back::<CurrentKey>(&with(Table::Current)));
        prop_assert!(reads_back::<VersionKey>(&with(Table::Versions)));
        prop_assert!(reads_back::<UploadKey>(&with(Table::Uploads)));
        prop_assert!(reads_back::<PartKey>(&with(Table::Parts)));
        prop_assert!(reads_back::<GarbageKey>(&with(Table::Garbage)));
        prop_assert!(reads_back::<WorkKey>(&with(Table::Work)));
        prop_assert!(reads_back::<BucketNameKey>(&with(Table::BucketNames)));
    }
}

/// The layouts are final: a change of one of these lines is a change of the format on disk.
#[test]
fn the_bytes_of_every_layout_are_those_that_were_released() {
    let key: ObjectKey = "a\u{0}b".parse().unwrap();
    let blob = BlobId([0xbb; 16]);
    let upload = UploadId([0xcc; 16]);
    let bucket = BucketId(0x0102);
    let backend = BackendId(0x0304);
    let version = VersionId {
        incarnation: IncarnationCounter(1),
        index: 2,
        position: 3,
    };
    let row = RowId {
        index: 2,
        position: 3,
        ordinal: 4,
    };
    let (b16, c16) = ("bb".repeat(16), "cc".repeat(16));
    let n64 = "0000000000000102";
    let layouts = [
        (IdentityKey.to_bytes(), "0101".to_owned()),
        (ClockKey.to_bytes(), "0102".to_owned()),
        (CountersKey.to_bytes(), "0103".to_owned()),
        (KeyringKey.to_bytes(), "0104".to_owned()),
        (RevisionKey { table: Table::Keys }.to_bytes(), "0240".to_owned()),
        (BucketKey { bucket }.to_bytes(), format!("08{n64}")),
        (
            BucketNameKey {
                name: "abc".parse().unwrap(),
            }
            .to_bytes(),
            "09616263".to_owned(),
        ),
        (BucketCountersKey { bucket }.to_bytes(), format!("0a{n64}")),
        (
            CurrentKey {
                bucket,
                key: key.clone(),
            }
            .to_bytes(),
            format!("10{n64}610062"),
        ),
        (
            VersionKey {
                bucket,
                key: key.clone(),
                version,
            }
            .to_bytes(),
            format!("11{n64}6100ff620001fffffffefffffffffffffffdfffffffc"),
        ),
        (
            NullVersionKey {
                bucket,
                key: key.clone(),
            }
            .to_bytes(),
            format!("12{n64}610062"),
        ),
        (BlobKey { blob }.to_bytes(), format!("18{b16}")),
        (ManifestKey { manifest: upload }.to_bytes(), format!("19{c16}")),
        (
            WrapKey {
                bucket,
                version: KeyVersion(5),
            }
            .to_bytes(),
            format!("1a{n64}00000005"),
        ),
        (
            UploadKey { bucket, key, upload }.to_bytes(),
            format!("20{n64}6100ff620001{c16}"),
        ),
        (
            PartKey {
                upload,
                number: PartNumber::MAX,
            }
            .to_bytes(),
            format!("21{c16}2710"),
        ),
        (CompletionKey { upload }.to_bytes(), format!("22{c16}")),
        (
            CompletionDueKey {
                due: MillisUtc(0x0102),
                upload,
            }
            .to_bytes(),
            format!("23{n64}{c16}"),
        ),
        (
            WorkKey {
                kind: WorkKind::Suspect,
                blob,
            }
            .to_bytes(),
            format!("2802{b16}"),
        ),
        (
            GarbageKey {
                backend,
                died: 0x0102,
                blob,
                epoch: EpochId(9),
                attempt: Attempt(8),
            }
            .to_bytes(),
            format!("2900000304{n64}{b16}000000000000000900000008"),
        ),
        (
            ReleaseKey { row }.to_bytes(),
            "2a00000000000000020000000300000004".to_owned(),
        ),
        (BackendKey { backend }.to_bytes(), "3000000304".to_owned()),
        (
            BackendNameKey {
                name: "abc".parse().unwrap(),
            }
            .to_bytes(),
            "31616263".to_owned(),
        ),
        (BackendCountersKey { backend }.to_bytes(), "3200000304".to_owned()),
        (
            UsageKey {
                month: 7,
                subject: 1,
                id: 0x0102,
                class: 2,
            }
            .to_bytes(),
            format!("330000000701{n64}02"),
        ),
        (
            NativeKey {
                backend,
                key: "abc".to_owned(),
            }
            .to_bytes(),
            "3400000304616263".to_owned(),
        ),
        (
            SessionKey {
                session: SessionId(0x0102),
            }
            .to_bytes(),
            format!("38{n64}"),
        ),
        (
            OutcomeKey {
                session: SessionId(0x0102),
                seq: 6,
            }
            .to_bytes(),
            format!("39{n64}0000000000000006"),
        ),
        (
            EpochKey {
                epoch: EpochId(0x0102),
            }
            .to_bytes(),
            format!("3a{n64}"),
        ),
        (
            IncarnationKey {
                counter: IncarnationCounter(2),
            }
            .to_bytes(),
            "3b00000002".to_owned(),
        ),
        (
            GrantKey {
                session: SessionId(0x0102),
                backend,
                month: 7,
            }
            .to_bytes(),
            format!("3c{n64}0000030400000007"),
        ),
        (
            KeyVersionKey {
                bucket,
                version: KeyVersion(5),
            }
            .to_bytes(),
            format!("40{n64}00000005"),
        ),
        (NodeKey { node: NodeId(0x0102) }.to_bytes(), format!("48{n64}")),
        (
            NodeNameKey {
                name: "abc".parse().unwrap(),
            }
            .to_bytes(),
            "49616263".to_owned(),
        ),
        (
            PrincipalKey {
                name: "abc".parse().unwrap(),
            }
            .to_bytes(),
            "4a616263".to_owned(),
        ),
        (SettingsKey.to_bytes(), "4b".to_owned()),
        (
            JobKey {
                name: "abc".to_owned(),
            }
            .to_bytes(),
            "50616263".to_owned(),
        ),
        (
            IncidentKey { row }.to_bytes(),
            "5100000000000000020000000300000004".to_owned(),
        ),
    ];
    for (found, expected) in &layouts {
        assert_eq!(hex::encode(found), *expected);
    }
    let mut tables: Vec<u8> = layouts.iter().map(|(key, _)| key[0]).collect();
    tables.dedup();
    let all: Vec<u8> = Table::ALL.iter().map(|table| table.number()).collect();
    assert_eq!(tables, all, "every table has its line");
}

#[test]
fn damaged_keys_are_refused() {
    let key = BucketKey { bucket: BucketId(1) }.to_bytes();
    assert_eq!(BucketKey::parse(&key[..8]), Err(KeyError::Truncated));
    assert_eq!(
        BucketKey::parse(&[&key[..], &[0]].concat()),
        Err(KeyError::Trailing(1))
    );
    assert_eq!(EpochKey::parse(&key), Err(KeyError::Table));
    assert_eq!(BucketKey::parse(&[]), Err(KeyError::Truncated));
    let part = PartKey {
        upload: UploadId([1; 16]),
        number: PartNumber::MIN,
    }
    .to_bytes();
    let zero = [&part[..17], &[0, 0]].concat();
    assert_eq!(PartKey::parse(&zero), Err(KeyError::Range(0)));
    let current = [&CurrentKey::with_prefix(BucketId(1), b"").lower[..], &[0xff]].concat();
    assert_eq!(CurrentKey::parse(&current), Err(KeyError::Name));
    let escaped = [
        &VersionKey::with_prefix(BucketId(1), b"a").lower[..],
        &[0, 7],
        &[0; 16],
    ]
    .concat();
    assert_eq!(VersionKey::parse(&escaped), Err(KeyError::Escape(7)));
}

#[test]
fn the_end_of_a_prefix_of_highest_bytes_is_above_all_keys() {
    assert_eq!(after_prefix(&[1, 0xff, 0xff]), [2]);
    assert_eq!(after_prefix(&[0xff]), Vec::<u8>::new());
    assert_eq!(after_prefix(b"ab"), b"ac");
}

#[test]
fn every_table_has_a_name_of_its_own() {
    let mut names: Vec<_> = Table::ALL.iter().map(|table| table.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Table::ALL.len());
}
