//! Checks of gets and heads: exactly what was stored.

use std::sync::Arc;

use super::{Fixture, pattern};
use crate::download::ByteRange;
use crate::error::{Class, ErrorKind};
use crate::port::GetOptions;

pub async fn a_range_gives_exactly_its_bytes_at_every_boundary(fixture: Fixture) {
    let length = 600_013_u64;
    let body = pattern(1, 600_013);
    let key = fixture.attempt(1, 1);
    fixture.put(&key, body.clone()).await;
    let around = |at: u64| [at - 1, at, at + 1];
    let mut bounds = vec![0, 1, length - 1, length];
    bounds.extend(
        [65_536, 131_072, 262_144, 327_680, 524_288]
            .into_iter()
            .flat_map(around),
    );
    for &start in &bounds {
        for &end in bounds.iter().filter(|end| **end > start) {
            let range = ByteRange::new(start, end - start).unwrap();
            let download = fixture.backend.get(&key, GetOptions::range(range)).await.unwrap();
            assert_eq!(download.head.size, length, "the head is that of the whole body");
            assert_eq!(download.body.length(), end - start);
            let part = download.body.collect().await.unwrap();
            let expected = body.slice(usize::try_from(start).unwrap()..usize::try_from(end).unwrap());
            assert!(part == expected, "bytes {start} to {end}");
        }
    }
}

pub async fn a_range_that_ends_beyond_the_body_is_an_error(fixture: Fixture) {
    for (number, length) in [0, 1, 4_096, 300_000].into_iter().enumerate() {
        let key = fixture.attempt(1, number as u64);
        fixture.put(&key, pattern(1, length)).await;
        let length = length as u64;
        for (offset, wanted) in [
            (0, length + 1),
            (length, 1),
            (length + 1, 1),
            (1 << 50, 1 << 40),
            (u64::MAX - 1, 1),
        ] {
            let range = ByteRange::new(offset, wanted).unwrap();
            let outcome = match fixture.backend.get(&key, GetOptions::range(range)).await {
                Ok(download) => download.body.collect().await,
                Err(error) => Err(error),
            };
            let error = outcome.unwrap_err();
            assert!(
                matches!(error.kind(), ErrorKind::Corrupt { .. }),
                "{offset}+{wanted} of {length}: {error:?}"
            );
            assert_eq!(error.class(), Class::Suspect);
        }
    }
}

pub async fn what_is_not_there_is_not_found(fixture: Fixture) {
    fixture.put(&fixture.attempt(1, 1), pattern(1, 10)).await;
    let range = GetOptions::range(ByteRange::new(0, 1).unwrap());
    let absent = [
        fixture.attempt(1, 2),
        fixture.attempt(2, 1),
        fixture.system("identity"),
        fixture.other("nothing"),
        fixture.other("no/such/folder/at/all"),
        // What others lie under is not there itself.
        crate::BackendKey::parse(fixture.epoch(1).folder_path()).unwrap(),
    ];
    for key in absent {
        assert!(fixture.is_absent(&key).await, "{key}");
        let error = fixture.backend.get(&key, range).await.unwrap_err();
        assert!(error.is_not_found(), "{error:?}");
        assert_eq!(error.key(), Some(&key));
        assert_eq!(error.backend(), fixture.backend.name());
    }
}

pub async fn a_head_gives_the_size(fixture: Fixture) {
    for length in [0, 1, 70_000, 2 << 20] {
        let key = fixture.attempt(1, length as u64);
        let stored = fixture.put(&key, pattern(1, length)).await;
        let head = fixture.backend.head(&key).await.unwrap();
        assert_eq!(head.size, length as u64);
        assert_eq!(head.version, stored.version);
    }
}

pub async fn a_get_that_is_dropped_midway_harms_nothing(fixture: Fixture) {
    let key = fixture.attempt(1, 1);
    let body = pattern(1, 5 << 20);
    fixture.put(&key, body.clone()).await;
    for pieces in 0..4 {
        let mut download = fixture.backend.get(&key, GetOptions::default()).await.unwrap();
        for _ in 0..pieces {
            if let Some(piece) = download.body.next().await {
                piece.unwrap();
            }
        }
    }
    drop(fixture.backend.get(&key, GetOptions::default()));
    assert!(fixture.read(&key).await.unwrap() == body);
}

pub async fn a_body_can_be_read_by_many_at_once(fixture: Fixture) {
    let fixture = Arc::new(fixture);
    let body = pattern(1, 1_500_000);
    let key = fixture.attempt(1, 1);
    fixture.put(&key, body.clone()).await;
    let tasks: Vec<_> = (0..32_usize)
        .map(|number| {
            let (fixture, key, body) = (Arc::clone(&fixture), key.clone(), body.clone());
            tokio::spawn(async move {
                let (start, length) = (number * 40_000, 200_000);
                let range = ByteRange::new(start as u64, length as u64).unwrap();
                let download = fixture.backend.get(&key, GetOptions::range(range)).await.unwrap();
                assert!(download.body.collect().await.unwrap() == body.slice(start..start + length));
                assert!(fixture.read(&key).await.unwrap() == body);
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}
