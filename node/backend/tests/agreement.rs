//! A directory and memory agree on everything, whatever is done to them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::sync::OnceLock;

use bytes::Bytes;
use node_backend::fs::{FsBackend, FsOptions, RootPolicy};
use node_backend::memory::MemoryBackend;
use node_backend::{
    Backend, BackendKey, Body, ByteRange, Error, GetOptions, KeyPrefix, ListRequest, Listing, Position,
    PutMode, PutOptions, Target,
};
use proptest::prelude::*;
use raft_types::BackendName;
use tokio::runtime::Runtime;

/// Keys that share folders and beginnings, as far as a directory can hold them side by side.
const KEYS: [&str; 12] = [
    ".holdfast/identity",
    "p/.holdfast/identity",
    ".holdfast/ns/1/0000ab00000000000000000000000001-00000001",
    ".holdfast/ns/1/0000ab00000000000000000000000001-00000002",
    ".holdfast/ns/1/0000ab00000000000000000000000002-00000001",
    ".holdfast/ns/1/0000ac00000000000000000000000001-00000001",
    ".holdfast/ns/1/0000ab/odd",
    ".holdfast/ns/1/0000ab-odd",
    ".holdfast/ns/1/0000abff",
    ".holdfast/ns/2/0000ab00000000000000000000000001-00000001",
    "12/january.csv",
    "12.csv",
];

const PREFIXES: [&str; 9] = [
    "",
    ".holdfast",
    ".holdfast/ns",
    ".holdfast/ns/1",
    ".holdfast/ns/1/0000ab",
    ".holdfast/ns/3",
    "p",
    "12",
    "1",
];

#[derive(Debug, Clone)]
enum Step {
    Put {
        key: usize,
        length: usize,
        streamed: bool,
        replace: bool,
        wrong: bool,
    },
    Cancel {
        key: usize,
        length: usize,
    },
    Get {
        key: usize,
        range: Option<(u64, u64)>,
    },
    Head {
        key: usize,
    },
    Delete {
        keys: Vec<usize>,
    },
    List {
        listing: Listing,
        prefix: usize,
        after: Option<String>,
        limit: u32,
    },
    Tidy {
        prefix: usize,
    },
}

fn length() -> impl Strategy<Value = usize> {
    prop_oneof![
        Just(0),
        1..50_usize,
        Just(4_096),
        65_500..65_600_usize,
        262_100..262_200_usize,
        Just(1_100_000)
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0..KEYS.len();
    let prefix = 0..PREFIXES.len();
    let position = prop_oneof![
        key.clone().prop_map(|key| KEYS[key].to_owned()),
        (key.clone(), 0..12_usize)
            .prop_map(|(key, cut)| KEYS[key][..KEYS[key].len().saturating_sub(cut)].to_owned()),
        "[.0-9a-z/]{0,12}",
    ];
    let listing = prop_oneof![
        Just(Listing::Objects),
        Just(Listing::Versions),
        Just(Listing::Incomplete)
    ];
    prop_oneof![
        4 => (key.clone(), length(), any::<bool>(), prop::bool::weighted(0.2), prop::bool::weighted(0.1))
            .prop_map(|(key, length, streamed, replace, wrong)| Step::Put { key, length, streamed, replace, wrong }),
        1 => (key.clone(), length()).prop_map(|(key, length)| Step::Cancel { key, length }),
        3 => (key.clone(), prop::option::of((0..300_000_u64, 1..300_000_u64)))
            .prop_map(|(key, range)| Step::Get { key, range }),
        1 => key.clone().prop_map(|key| Step::Head { key }),
        2 => prop::collection::vec(key, 0..4).prop_map(|keys| Step::Delete { keys }),
        3 => (listing, prefix, prop::option::of(position), 0..6_u32)
            .prop_map(|(listing, prefix, after, limit)| Step::List { listing, prefix, after, limit }),
        1 => (1..PREFIXES.len()).prop_map(|prefix| Step::Tidy { prefix }),
    ]
}

fn key(number: usize) -> BackendKey {
    BackendKey::parse(KEYS[number]).unwrap()
}

fn prefix(number: usize) -> KeyPrefix {
    KeyPrefix::parse(PREFIXES[number]).unwrap()
}

fn failed(error: Error) -> String {
    format!("{} {}", error.operation(), error.kind().label())
}

/// Does a step and says all that can be seen of it.
async fn act(backend: &dyn Backend, step: &Step, number: usize) -> String {
    match step {
        Step::Put {
            key: at,
            length,
            streamed,
            replace,
            wrong,
        } => {
            let bytes = content(number, *length);
            let checksum = wrong.then_some(raft_types::checksum::Crc64(1));
            let mode = if *replace {
                PutMode::Replace
            } else {
                PutMode::Create
            };
            let body = if *streamed {
                pieces(&bytes, *length as u64)
            } else {
                Body::from_bytes(bytes)
            };
            match backend.put(&key(*at), body, PutOptions { mode, checksum }).await {
                Ok(stored) => format!("{stored:?}"),
                Err(error) => failed(error),
            }
        }
        Step::Cancel { key: at, length } => {
            let body = pieces(&content(number, *length), *length as u64 + 1);
            match backend.put(&key(*at), body, PutOptions::default()).await {
                Ok(stored) => format!("{stored:?}"),
                Err(error) => failed(error),
            }
        }
        Step::Get { key: at, range } => {
            let range = range.and_then(|(offset, length)| ByteRange::new(offset, length));
            let download = match backend.get(&key(*at), GetOptions { range }).await {
                Ok(download) => download,
                Err(error) => return failed(error),
            };
            let (head, length) = (download.head.clone(), download.body.length());
            match download.body.collect().await {
                Ok(bytes) => format!("{head:?} {length} {:016x}", crc(&bytes)),
                Err(error) => failed(error),
            }
        }
        Step::Head { key: at } => match backend.head(&key(*at)).await {
            Ok(head) => format!("{head:?}"),
            Err(error) => failed(error),
        },
        Step::Delete { keys } => {
            let targets: Vec<Target> = keys.iter().map(|at| Target::current(key(*at))).collect();
            match backend.delete(&targets).await {
                Ok(outcomes) => outcomes
                    .into_iter()
                    .map(|outcome| outcome.map_or_else(failed, |()| "ok".into()))
                    .collect::<Vec<_>>()
                    .join(","),
                Err(error) => failed(error),
            }
        }
        Step::List {
            listing,
            prefix: under,
            after,
            limit,
        } => {
            let after = after.clone().map(Position::after_key);
            let request = ListRequest {
                listing: *listing,
                prefix: prefix(*under),
                after,
                limit: *limit,
            };
            match backend.list(&request).await {
                Ok(page) => format!("{page:?}"),
                Err(error) => failed(error),
            }
        }
        Step::Tidy { prefix: under } => match backend.tidy(&prefix(*under)).await {
            Ok(()) => "tidy".to_owned(),
            Err(error) => failed(error),
        },
    }
}

fn content(number: usize, length: usize) -> Bytes {
    (0..length)
        .map(|at| (at * 31 + number * 7) as u8)
        .collect::<Vec<u8>>()
        .into()
}

fn pieces(bytes: &Bytes, announced: u64) -> Body {
    let bytes = bytes.clone();
    let starts = (0..bytes.len()).step_by(70_000);
    let pieces: Vec<_> = starts
        .map(|start| Ok(bytes.slice(start..bytes.len().min(start + 70_000))))
        .collect();
    Body::from_stream(announced, futures_util::stream::iter(pieces))
}

fn crc(bytes: &[u8]) -> u64 {
    crc_fast::crc64_nvme(bytes)
}

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .build()
            .unwrap()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_directory_and_memory_cannot_be_told_apart(steps in prop::collection::vec(step(), 1..40)) {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        runtime().block_on(async {
            let name = BackendName::new("b").unwrap();
            let memory = MemoryBackend::new(name.clone());
            let options = FsOptions { path: folder.path().to_owned(), root: RootPolicy::MustExist };
            let directory = FsBackend::open(name, options).await.unwrap();
            for (number, step) in steps.iter().enumerate() {
                let remembered = act(&memory, step, number).await;
                let found = act(&directory, step, number).await;
                assert_eq!(found, remembered, "step {number}: {step:?}");
            }
        });
    }
}
