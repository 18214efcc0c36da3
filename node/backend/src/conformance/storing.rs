//! Checks of puts: whole or not at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream;
use raft_types::checksum::Crc64;

use super::{Fixture, Holding, PATIENCE, pattern, streamed};
use crate::body::Body;
use crate::capabilities::{CreateSupport, EvidenceSupport};
use crate::error::ErrorKind;
use crate::listing::Listing;
use crate::port::{Confirmation, Evidence, GetOptions, PutMode, PutOptions};

/// Lengths around those at which an implementation may change its ways.
const LENGTHS: [usize; 14] = [
    0, 1, 4_095, 4_096, 65_536, 65_537, 262_143, 262_144, 262_145, 524_289, 1_048_575, 1_048_576, 1_048_577,
    3_145_735,
];

/// What one body may hold of memory at most: a few batches of a megabyte and what a channel holds.
const FLAT: u64 = 8 << 20;

/// Long enough that nobody gathers it whole before writing.
const LONG: u64 = 4 << 20;

const PIECE: usize = 256 << 10;

fn mode(mode: PutMode) -> PutOptions {
    PutOptions { mode, checksum: None }
}

pub async fn put_then_get_gives_the_same_bytes(fixture: Fixture) {
    for (number, length) in LENGTHS.into_iter().enumerate() {
        let key = fixture.attempt(1, number as u64);
        let body = pattern(number as u64, length);
        fixture.put(&key, body.clone()).await;

        let download = fixture.backend.get(&key, GetOptions::default()).await.unwrap();
        assert_eq!(download.head.size, length as u64);
        assert_eq!(download.body.length(), length as u64);
        assert!(
            download.body.collect().await.unwrap() == body,
            "{length} bytes came back otherwise"
        );
    }
}

pub async fn a_streamed_put_stores_what_a_whole_one_does(fixture: Fixture) {
    let mut number = 0;
    for length in LENGTHS {
        for piece in [1_000, 65_536, 1 << 20, 3 << 20] {
            let key = fixture.attempt(1, number);
            let body = pattern(number, length);
            let stored = fixture
                .backend
                .put(&key, streamed(&body, piece), PutOptions::default())
                .await
                .unwrap();
            assert_eq!(stored.size, length as u64);
            assert!(
                fixture.read(&key).await.unwrap() == body,
                "{length} bytes in pieces of {piece}"
            );
            number += 1;
        }
    }
    assert!(
        fixture
            .list(Listing::Incomplete, &fixture.prefix, 1_000)
            .await
            .is_empty()
    );
}

pub async fn a_put_gives_evidence_of_what_it_stored(fixture: Fixture) {
    let body = pattern(5, 700_000);
    let checksum = Crc64(crc_fast::crc64_nvme(&body));
    let bodies = [
        Body::from_bytes(body.clone()),
        streamed(&body, 10_000),
        streamed(&body, PIECE),
    ];
    for (number, stored) in bodies.into_iter().enumerate() {
        let key = fixture.attempt(1, number as u64);
        let stored = fixture
            .backend
            .put(&key, stored, PutOptions::default())
            .await
            .unwrap();
        assert_eq!(stored.size, body.len() as u64);
        let confirmation = stored.confirms(stored.size, checksum);
        match fixture.backend.capabilities().evidence {
            EvidenceSupport::Crc64 => assert_eq!(confirmation, Confirmation::Confirmed),
            EvidenceSupport::Md5 => assert!(matches!(stored.evidence, Evidence::Md5(_))),
            EvidenceSupport::None => assert_eq!(confirmation, Confirmation::SizeOnly),
        }
        assert_eq!(stored.confirms(stored.size + 1, checksum), Confirmation::Differs);
    }
}

pub async fn a_put_to_a_taken_key_is_refused_and_changes_nothing(fixture: Fixture) {
    if fixture.backend.capabilities().create != CreateSupport::Refused {
        return;
    }
    let first = pattern(1, 5_000);
    for (number, length) in [0, 5_000, 3 << 20].into_iter().enumerate() {
        let key = fixture.attempt(1, number as u64);
        fixture.put(&key, first.clone()).await;
        let error = fixture
            .backend
            .put(&key, streamed(&pattern(2, length), PIECE), PutOptions::default())
            .await
            .unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::AlreadyExists), "{error:?}");
        assert!(fixture.read(&key).await.unwrap() == first);
    }
    assert!(
        fixture
            .list(Listing::Incomplete, &fixture.prefix, 1_000)
            .await
            .is_empty()
    );
}

pub async fn of_racing_creates_exactly_one_wins(fixture: Fixture) {
    if fixture.backend.capabilities().create != CreateSupport::Refused {
        return;
    }
    const RACERS: u64 = 16;
    for round in 0..20 {
        let key = fixture.attempt(round, round);
        let racers = (0..RACERS).map(|racer| {
            let body = Body::from_bytes(pattern(racer, 2_000));
            fixture.backend.put(&key, body, PutOptions::default())
        });
        let outcomes = join_all(racers).await;
        let winners: Vec<u64> = (0..RACERS)
            .zip(&outcomes)
            .filter(|(_, won)| won.is_ok())
            .map(|(racer, _)| racer)
            .collect();
        let [winner] = winners.as_slice() else {
            panic!("round {round}: {winners:?} won")
        };
        for error in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
            assert!(matches!(error.kind(), ErrorKind::AlreadyExists), "{error:?}");
        }
        assert!(fixture.read(&key).await.unwrap() == pattern(*winner, 2_000));
    }
}

pub async fn only_system_objects_are_replaced(fixture: Fixture) {
    let key = fixture.system("probe");
    for version in 0..3 {
        let body = pattern(version, 1_000 * (version as usize + 1));
        fixture
            .backend
            .put(&key, Body::from_bytes(body.clone()), mode(PutMode::Replace))
            .await
            .unwrap();
        assert_eq!(fixture.read(&key).await.unwrap(), body);
    }
    let key = fixture.attempt(1, 1);
    for _ in 0..2 {
        let body = Body::from_bytes(pattern(9, 10));
        let error = fixture
            .backend
            .put(&key, body, mode(PutMode::Replace))
            .await
            .unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Invalid { .. }), "{error:?}");
        assert!(fixture.is_absent(&key).await);
    }
}

pub async fn a_replacement_is_seen_old_or_new_and_never_mixed(fixture: Fixture) {
    let key = fixture.system("keyring");
    let bodies = [pattern(1, 300_000), pattern(2, 100_000)];
    fixture
        .backend
        .put(&key, Body::from_bytes(bodies[0].clone()), mode(PutMode::Replace))
        .await
        .unwrap();
    let writing = async {
        for round in 0..40 {
            let body = streamed(&bodies[round % 2], 30_000);
            fixture
                .backend
                .put(&key, body, mode(PutMode::Replace))
                .await
                .unwrap();
        }
    };
    let reading = async {
        for _ in 0..80 {
            let read = fixture.read(&key).await.unwrap();
            assert!(bodies.contains(&read), "neither the old nor the new body");
        }
    };
    tokio::join!(
        writing,
        reading,
        reading_heads(&fixture, &key, &[300_000, 100_000])
    );
}

async fn reading_heads(fixture: &Fixture, key: &crate::BackendKey, sizes: &[u64]) {
    for _ in 0..80 {
        assert!(sizes.contains(&fixture.backend.head(key).await.unwrap().size));
    }
}

pub async fn a_body_with_another_checksum_than_announced_is_not_stored(fixture: Fixture) {
    let body = pattern(3, 2 << 20);
    let right = Crc64(crc_fast::crc64_nvme(&body));
    for (number, piece) in [1 << 10, PIECE, 4 << 20].into_iter().enumerate() {
        let key = fixture.attempt(1, number as u64);
        let wrong = PutOptions {
            checksum: Some(Crc64(right.0 ^ 1)),
            ..PutOptions::default()
        };
        let error = fixture
            .backend
            .put(&key, streamed(&body, piece), wrong)
            .await
            .unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Corrupt { .. }), "{error:?}");
        assert!(fixture.is_absent(&key).await);

        let announced = PutOptions {
            checksum: Some(right),
            ..PutOptions::default()
        };
        fixture
            .backend
            .put(&key, streamed(&body, piece), announced)
            .await
            .unwrap();
        assert!(fixture.read(&key).await.unwrap() == body);
    }
}

pub async fn a_body_that_fails_leaves_nothing_visible(fixture: Fixture) {
    let mut number = 0;
    for length in [10, 300_000, LONG] {
        for fed in [0, 1, length / 2, length - 1, length, length + 1] {
            let fed_bytes = usize::try_from(fed).unwrap();
            let given = pattern(fed, fed_bytes);
            let pieces = || {
                let starts = (0..fed_bytes).step_by(PIECE);
                let given = given.clone();
                starts.map(move |start| Ok(given.slice(start..fed_bytes.min(start + PIECE))))
            };
            let gone = [Err("the client went away".into())];
            let ends = Body::from_stream(length, stream::iter(pieces()));
            let fails = Body::from_stream(length, stream::iter(pieces().chain(gone)));
            for body in [ends, fails].into_iter().skip(usize::from(fed == length)) {
                number += 1;
                let key = fixture.attempt(1, number);
                let error = fixture
                    .backend
                    .put(&key, body, PutOptions::default())
                    .await
                    .unwrap_err();
                assert!(
                    matches!(error.kind(), ErrorKind::Body(_)),
                    "{fed} of {length}: {error:?}"
                );
                assert!(fixture.is_absent(&key).await);
            }
        }
    }
    assert!(
        fixture
            .list(Listing::Objects, &fixture.prefix, 1_000)
            .await
            .is_empty()
    );
    fixture.until_nothing_is_incomplete().await;
}

pub async fn a_reader_never_sees_a_part_of_a_put(fixture: Fixture) {
    let key = fixture.attempt(1, 1);
    let body = pattern(4, usize::try_from(LONG).unwrap());
    let (mut writer, fed) = Body::channel(LONG);
    let putting = fixture.backend.put(&key, fed, PutOptions::default());
    let feeding = async {
        let half = body.len() / 2;
        for start in (0..half).step_by(PIECE) {
            writer.write(body.slice(start..start + PIECE)).await.unwrap();
            assert!(fixture.is_absent(&key).await);
            assert!(fixture.keys(Listing::Objects, &fixture.prefix).await.is_empty());
        }
        for start in (half..body.len()).step_by(PIECE) {
            writer.write(body.slice(start..start + PIECE)).await.unwrap();
        }
    };
    let watching = async {
        loop {
            match fixture.read(&key).await {
                Ok(read) => break assert!(read == body, "a part of the body was visible"),
                Err(error) => assert!(error.is_not_found(), "{error:?}"),
            }
            // A read that needs no waiting gives nobody else a turn.
            tokio::task::yield_now().await;
        }
    };
    let all = async { tokio::join!(putting, feeding, watching) };
    let (stored, (), ()) = tokio::time::timeout(PATIENCE, all).await.expect("it hangs");
    assert_eq!(stored.unwrap().size, LONG);
}

pub async fn a_dropped_put_leaves_nothing_but_incomplete_entries(fixture: Fixture) {
    for number in 0..8 {
        let key = fixture.attempt(1, number);
        let (mut writer, body) = Body::channel(LONG);
        let putting = fixture.backend.put(&key, body, PutOptions::default());
        // From nothing at all to all but the last piece.
        let feeding = async {
            let pieces = number * (LONG / PIECE as u64 - 1) / 7;
            for _ in 0..pieces {
                writer.write(pattern(number, PIECE)).await.unwrap();
            }
        };
        tokio::select! {
            biased;
            stored = putting => panic!("a put ended without its body: {stored:?}"),
            () = feeding => {}
        }
        assert!(fixture.is_absent(&key).await);
        assert!(fixture.keys(Listing::Objects, &fixture.prefix).await.is_empty());
        for entry in fixture.list(Listing::Incomplete, &fixture.prefix, 1_000).await {
            assert!(
                entry.key.starts_with(fixture.epoch(1).as_str()),
                "{entry:?} lies outside its epoch"
            );
        }
    }
    fixture.until_nothing_is_incomplete().await;
    assert!(
        fixture
            .list(Listing::Versions, &fixture.prefix, 1_000)
            .await
            .is_empty()
    );
}

pub async fn an_incomplete_put_that_was_deleted_never_becomes_visible(fixture: Fixture) {
    let key = fixture.attempt(1, 1);
    let (mut writer, mut body) = Body::channel(LONG);
    let progress = body.progress();
    let putting = fixture.backend.put(&key, body, PutOptions::default());
    let feeding = async {
        let mut fed = 0;
        while fed < LONG / 2 {
            writer.write(pattern(fed, PIECE)).await.unwrap();
            fed += PIECE as u64;
        }
        let taken = async {
            while progress.taken() < LONG / 2 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, taken)
            .await
            .expect("the body is not taken");
        let incomplete = fixture.list(Listing::Incomplete, &fixture.epoch(1), 1_000).await;
        for entry in &incomplete {
            assert_eq!(entry.key, key.as_str());
            fixture.delete(&[entry.target().unwrap()]).await;
        }
        while fed < LONG {
            // The put may end at once, now that it cannot succeed any more.
            if writer.write(pattern(fed, PIECE)).await.is_err() {
                break;
            }
            fed += PIECE as u64;
        }
        !incomplete.is_empty()
    };
    let (stored, was_listed) = tokio::join!(putting, feeding);
    // A backend that shows no incomplete puts has nothing to delete.
    if was_listed {
        let error = stored.unwrap_err();
        assert!(!matches!(error.kind(), ErrorKind::Body(_)), "{error:?}");
        assert!(fixture.is_absent(&key).await);
        assert!(
            fixture
                .list(Listing::Incomplete, &fixture.prefix, 1_000)
                .await
                .is_empty()
        );
    }
}

/// A piece that knows how much of its body is in memory.
struct Tracked {
    bytes: Bytes,
    live: Arc<AtomicU64>,
}

impl Tracked {
    fn piece(bytes: Bytes, live: &Arc<AtomicU64>, most: &AtomicU64) -> Bytes {
        let now = live.fetch_add(bytes.len() as u64, Ordering::Relaxed) + bytes.len() as u64;
        most.fetch_max(now, Ordering::Relaxed);
        Bytes::from_owner(Self {
            bytes,
            live: Arc::clone(live),
        })
    }
}

impl AsRef<[u8]> for Tracked {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.live.fetch_sub(self.bytes.len() as u64, Ordering::Relaxed);
    }
}

pub async fn a_long_body_takes_flat_memory(fixture: Fixture) {
    const PIECES: u64 = 1_024;
    const LENGTH: u64 = PIECES * (64 << 10);
    let key = fixture.attempt(1, 1);
    let (live, most) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let pieces = {
        let (live, most) = (Arc::clone(&live), Arc::clone(&most));
        (0..PIECES).map(move |number| Ok(Tracked::piece(pattern(number, 64 << 10), &live, &most)))
    };
    let body = Body::from_stream(LENGTH, stream::iter(pieces));
    let stored = fixture
        .backend
        .put(&key, body, PutOptions::default())
        .await
        .unwrap();
    assert_eq!(stored.size, LENGTH);
    assert_eq!(
        live.load(Ordering::Relaxed),
        0,
        "the put is over and holds pieces of its body"
    );
    let most = most.load(Ordering::Relaxed);
    assert!(most <= FLAT, "{most} bytes of the body were in memory at once");

    let mut download = fixture.backend.get(&key, GetOptions::default()).await.unwrap();
    let mut rest = Vec::new();
    let mut number = 0;
    while let Some(piece) = download.body.next().await {
        let piece = piece.unwrap();
        if fixture.holding == Holding::Elsewhere {
            assert!(piece.len() as u64 <= FLAT / 4, "a piece of {} bytes", piece.len());
        }
        rest.extend_from_slice(&piece);
        let whole = rest.len() / (64 << 10);
        for piece in rest.chunks_exact(64 << 10) {
            assert!(
                piece == pattern(number, 64 << 10),
                "piece {number} came back otherwise"
            );
            number += 1;
        }
        rest.drain(..whole * (64 << 10));
    }
    assert_eq!((number, rest.len()), (PIECES, 0));
}

pub async fn many_puts_at_once_are_all_stored(fixture: Fixture) {
    const PUTS: u64 = 300;
    let fixture = Arc::new(fixture);
    let tasks: Vec<_> = (0..PUTS)
        .map(|number| {
            let fixture = Arc::clone(&fixture);
            tokio::spawn(async move {
                let body = pattern(number, 100 * usize::try_from(number).unwrap());
                let key = fixture.attempt(number % 3, number);
                fixture
                    .backend
                    .put(&key, streamed(&body, 9_000), PutOptions::default())
                    .await
                    .unwrap();
                assert!(fixture.read(&key).await.unwrap() == body);
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(
        fixture.keys(Listing::Objects, &fixture.prefix).await.len() as u64,
        PUTS
    );
}
