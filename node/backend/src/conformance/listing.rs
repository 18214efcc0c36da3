//! Checks of listings: complete, in order, by pages, within their prefix.

use std::sync::Arc;

use futures_util::future::join_all;
use raft_types::PhysicalKey;

use super::{Fixture, pattern};
use crate::body::Body;
use crate::capabilities::ListOrder;
use crate::key::{BackendKey, KeyPrefix};
use crate::listing::{Entry, EntryKind, ListRequest, Listing, MAX_PAGE, Position, Target};
use crate::port::PutOptions;

/// Puts at once while a check fills a backend.
const WRITERS: usize = 64;

async fn fill(fixture: &Fixture, keys: &[BackendKey]) {
    for keys in keys.chunks(WRITERS) {
        join_all(
            keys.iter()
                .map(|key| fixture.put(key, pattern(1, key.as_str().len()))),
        )
        .await;
    }
}

fn sorted(keys: &[BackendKey]) -> Vec<String> {
    let mut keys: Vec<String> = keys.iter().map(|key| key.as_str().to_owned()).collect();
    keys.sort();
    keys
}

pub async fn ten_thousand_keys_are_listed_in_order_by_pages(fixture: Fixture) {
    let mut keys: Vec<BackendKey> = (0..10_000)
        .map(|number| fixture.attempt(if number % 10 == 0 { 2 } else { 1 }, number))
        .collect();
    keys.push(fixture.system("identity"));
    fill(&fixture, &keys).await;
    let expected = sorted(&keys);
    for limit in [1_000, 999, 170] {
        let entries = fixture.list(Listing::Objects, &fixture.prefix, limit).await;
        let mut listed: Vec<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
        listed.sort_unstable();
        assert!(
            listed == expected,
            "pages of {limit}: {} of {} keys",
            listed.len(),
            expected.len()
        );
        assert!(entries.iter().all(|entry| entry.size == entry.key.len() as u64));
        assert!(
            entries
                .iter()
                .all(|entry| matches!(entry.kind, EntryKind::Object(_)))
        );
    }
    let epoch = fixture.epoch(2);
    assert_eq!(fixture.list(Listing::Versions, &epoch, 1_000).await.len(), 1_000);
    assert!(
        fixture
            .list(Listing::Incomplete, &fixture.prefix, 1_000)
            .await
            .is_empty()
    );
}

pub async fn a_page_begins_strictly_after_its_position(fixture: Fixture) {
    let keys: Vec<BackendKey> = (0..40)
        .map(|number| fixture.attempt(number % 3, number))
        .collect();
    fill(&fixture, &keys).await;
    let expected = sorted(&keys);
    let all = fixture.list(Listing::Objects, &fixture.prefix, 1).await;
    assert_eq!(
        all.iter().map(|entry| entry.key.clone()).collect::<Vec<_>>(),
        expected
    );

    if fixture.backend.capabilities().order != ListOrder::ByKey {
        return;
    }
    let mut positions: Vec<String> = expected.clone();
    positions.extend(expected.iter().map(|key| format!("{key}0")));
    positions.extend(expected.iter().map(|key| key[..key.len() - 1].to_owned()));
    positions.extend(expected.iter().map(|key| key[..key.len() - 35].to_owned()));
    positions.extend([String::new(), fixture.prefix.to_string(), "\u{10ffff}".to_owned()]);
    for position in positions {
        let after = Position::after_key(position.clone());
        let listed = fixture
            .list_after(Listing::Objects, &fixture.prefix, 7, Some(after))
            .await;
        let listed: Vec<&String> = listed.iter().map(|entry| &entry.key).collect();
        let wanted: Vec<&String> = expected.iter().filter(|key| **key > position).collect();
        assert_eq!(listed, wanted, "after {position:?}");
    }
}

pub async fn keys_are_ordered_by_their_bytes_whatever_folders_they_form(fixture: Fixture) {
    if fixture.backend.capabilities().order != ListOrder::ByKey {
        return;
    }
    let attempts: Vec<PhysicalKey> = (0..6).map(|number| super::physical(1, number)).collect();
    let epoch = fixture.epoch(1);
    let beside = |attempt: &PhysicalKey, rest: &str| {
        let name = attempt.blob.to_string();
        BackendKey::parse(&format!("{epoch}{}{rest}", &name[..6])).unwrap()
    };
    let mut keys: Vec<BackendKey> = attempts
        .iter()
        .map(|attempt| BackendKey::attempt(&fixture.prefix, attempt).unwrap())
        .collect();
    for attempt in &attempts {
        for rest in ["-", "0", "f", "zz", ".x", "/x", "/0", "1/x", "+/x"] {
            keys.push(beside(attempt, rest));
        }
    }
    // No key is a folder of another: a directory could not hold both.
    for name in [
        "a-b", "a.b", "a/b-c", "a/c/d.e", "a0/b", "a0-", "ab", "A", "ä", "a b", "~",
    ] {
        keys.push(fixture.other(name));
    }
    fill(&fixture, &keys).await;
    let expected = sorted(&keys);
    for limit in [1, 2, 5, 1_000] {
        let listed = fixture.list(Listing::Objects, &fixture.prefix, limit).await;
        let listed: Vec<String> = listed.into_iter().map(|entry| entry.key).collect();
        assert_eq!(listed, expected, "pages of {limit}");
    }
}

pub async fn incomplete_puts_are_listed_once_by_pages_of_any_size(fixture: Fixture) {
    const LENGTH: u64 = 4 << 20;
    // Two of them on their way to one key.
    let keys = [1, 2, 3, 3].map(|number| fixture.attempt(number % 2, number));
    let mut writers = Vec::new();
    let mut running = Vec::new();
    let mut progress = Vec::new();
    for key in &keys {
        let (writer, mut body) = Body::channel(LENGTH);
        progress.push(body.progress());
        writers.push(writer);
        let (backend, key) = (Arc::clone(&fixture.backend), key.clone());
        running.push(tokio::spawn(async move {
            backend.put(&key, body, PutOptions::default()).await
        }));
    }
    for (writer, progress) in writers.iter_mut().zip(&progress) {
        for _ in 0..10 {
            writer.write(pattern(1, 256 << 10)).await.unwrap();
        }
        while progress.taken() < LENGTH / 2 {
            tokio::task::yield_now().await;
        }
    }
    let all = fixture.list(Listing::Incomplete, &fixture.prefix, 1_000).await;
    // A backend need not show what it would never keep.
    if !all.is_empty() {
        let mut listed: Vec<&str> = all.iter().map(|entry| entry.key.as_str()).collect();
        listed.sort_unstable();
        assert_eq!(listed, sorted(&keys));
    }
    for limit in [1, 2, 3] {
        let pages = fixture.list(Listing::Incomplete, &fixture.prefix, limit).await;
        let positions = |entries: &[Entry]| entries.iter().map(Entry::position).collect::<Vec<_>>();
        assert_eq!(positions(&pages), positions(&all), "pages of {limit}");
    }
    drop(writers);
    for put in running {
        put.await.unwrap().unwrap_err();
    }
    fixture.until_nothing_is_incomplete().await;
}

pub async fn a_listing_stays_within_its_prefix(fixture: Fixture) {
    let keys = ["p/a", "p/b/c", "p-1/a", "p1/a", "p.x", "q/p/a"].map(|name| fixture.other(name));
    fill(&fixture, &keys).await;
    let under = |name: &str| KeyPrefix::parse(&format!("{}{name}", fixture.prefix)).unwrap();
    let names = async |prefix: KeyPrefix| {
        let keys = fixture.keys(Listing::Objects, &prefix).await;
        keys.into_iter()
            .map(|key| key[fixture.prefix.as_str().len()..].to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(under("p")).await, ["p/a", "p/b/c"]);
    assert_eq!(names(under("p/b")).await, ["p/b/c"]);
    assert_eq!(names(under("p1/")).await, ["p1/a"]);
    for absent in ["x", "p/a", "p/b/c", "p/a/b", "p/x", "p.", "x/y/z"] {
        for listing in [Listing::Objects, Listing::Versions, Listing::Incomplete] {
            let request = ListRequest::first(listing, under(absent));
            let page = fixture.backend.list(&request).await.unwrap();
            assert!(
                page.entries.is_empty() && page.next.is_none(),
                "{absent}: {page:?}"
            );
        }
    }
}

pub async fn a_page_is_never_longer_than_a_thousand_entries(fixture: Fixture) {
    let keys: Vec<BackendKey> = (0..1_001).map(|number| fixture.attempt(1, number)).collect();
    fill(&fixture, &keys).await;
    for (limit, most) in [
        (0, 1),
        (1, 1),
        (1_000, 1_000),
        (MAX_PAGE + 1, 1_000),
        (u32::MAX, 1_000),
    ] {
        let request = ListRequest {
            limit,
            ..ListRequest::first(Listing::Objects, fixture.prefix.clone())
        };
        let page = fixture.backend.list(&request).await.unwrap();
        assert!(
            (1..=most).contains(&page.entries.len()),
            "{limit}: {}",
            page.entries.len()
        );
        assert!(page.next.is_some());
    }
}

pub async fn keys_of_other_shapes_are_listed_and_left_alone(fixture: Fixture) {
    let attempt = fixture.attempt(1, 1);
    let name = attempt.name();
    let epoch = fixture.epoch(1);
    let mut others = vec![
        fixture.other("12/january.csv"),
        fixture.other("holdfast/identity"),
        fixture.system("identity"),
        fixture.system("keyring/7"),
    ];
    for shape in [
        format!("{name}0"),
        format!("x{name}"),
        "notes.txt".to_owned(),
        format!("{}/x", &name[..7]),
    ] {
        others.push(BackendKey::parse(&format!("{epoch}{shape}")).unwrap());
    }
    fill(&fixture, &others).await;
    let stored = fixture.put(&attempt, pattern(1, 10)).await;
    assert_eq!(
        fixture.keys(Listing::Objects, &fixture.prefix).await.len(),
        others.len() + 1
    );

    fixture.delete(&[Target::stored(attempt, stored.version)]).await;
    fixture.backend.tidy(&epoch).await.unwrap();
    assert_eq!(
        fixture.keys(Listing::Versions, &fixture.prefix).await,
        sorted(&others)
    );
    for key in &others {
        assert_eq!(fixture.read(key).await.unwrap(), pattern(1, key.as_str().len()));
    }
}

pub async fn what_stays_is_listed_once_while_other_keys_come_and_go(fixture: Fixture) {
    let stays: Vec<BackendKey> = (0..300).map(|number| fixture.attempt(1, number)).collect();
    fill(&fixture, &stays).await;
    let changing = async {
        for number in 1_000..1_200 {
            let key = fixture.attempt(1, number);
            let stored = fixture.put(&key, pattern(number, 20)).await;
            fixture.delete(&[Target::stored(key, stored.version)]).await;
        }
    };
    let listing = async {
        for _ in 0..10 {
            let entries = fixture.list(Listing::Objects, &fixture.prefix, 23).await;
            for key in &stays {
                let times = entries.iter().filter(|entry| entry.key == key.as_str()).count();
                assert_eq!(times, 1, "{key}");
            }
        }
    };
    tokio::join!(changing, listing);
}
