//! Checks of deletes: exactly what is named, once and again.

use futures_util::future::join_all;

use super::{Fixture, pattern};
use crate::capabilities::VersionSupport;
use crate::error::ErrorKind;
use crate::listing::{EntryKind, Listing, MAX_DELETE_BATCH, ProviderVersion, Target, TargetKind};

pub async fn a_delete_frees_what_a_put_stored(fixture: Fixture) {
    for length in [0, 10, 3 << 20] {
        let key = fixture.attempt(1, length as u64);
        let stored = fixture.put(&key, pattern(1, length)).await;
        let target = Target::stored(key.clone(), stored.version);
        for _ in 0..3 {
            fixture.delete(std::slice::from_ref(&target)).await;
            assert!(fixture.is_absent(&key).await);
        }
    }
    assert!(
        fixture
            .list(Listing::Versions, &fixture.prefix, 1_000)
            .await
            .is_empty()
    );
}

pub async fn deleting_what_is_absent_succeeds(fixture: Fixture) {
    fixture.put(&fixture.attempt(1, 1), pattern(1, 10)).await;
    let absent = [
        fixture.attempt(1, 2),
        fixture.attempt(9, 9),
        fixture.system("probe"),
        fixture.other("no/such/folder"),
    ];
    let version = match fixture.backend.capabilities().versions {
        VersionSupport::Unversioned => None,
        VersionSupport::Versioned => Some(ProviderVersion::new("0")),
    };
    let targets = absent.map(|key| Target::stored(key, version.clone()));
    fixture.delete(&targets).await;
    fixture.delete(&targets).await;
    assert_eq!(
        fixture.keys(Listing::Versions, &fixture.prefix).await,
        [fixture.attempt(1, 1).as_str()]
    );
}

pub async fn a_delete_touches_exactly_what_it_names(fixture: Fixture) {
    let keys: Vec<_> = (0..60)
        .map(|number| fixture.attempt(number % 2, number))
        .collect();
    let mut kept = vec![
        fixture.system("identity"),
        fixture.other("12/january.csv"),
        fixture.other("a"),
    ];
    let mut targets = Vec::new();
    for key in &kept {
        fixture.put(key, pattern(2, 10)).await;
    }
    for (number, key) in keys.into_iter().enumerate() {
        let stored = fixture.put(&key, pattern(number as u64, number)).await;
        match number % 3 {
            0 => kept.push(key),
            _ => targets.push(Target::stored(key, stored.version)),
        }
    }
    fixture.delete(&targets).await;
    let mut left: Vec<&str> = kept.iter().map(|key| key.as_str()).collect();
    left.sort_unstable();
    assert_eq!(fixture.keys(Listing::Versions, &fixture.prefix).await, left);
}

pub async fn a_batch_of_a_thousand_is_deleted_and_a_longer_one_refused(fixture: Fixture) {
    let keys: Vec<_> = (0..=MAX_DELETE_BATCH as u64)
        .map(|number| fixture.attempt(1, number))
        .collect();
    let mut targets = Vec::new();
    for keys in keys.chunks(64) {
        let stored = join_all(keys.iter().map(|key| fixture.put(key, pattern(1, 5)))).await;
        targets.extend(
            keys.iter()
                .zip(stored)
                .map(|(key, stored)| Target::stored(key.clone(), stored.version)),
        );
    }
    let error = fixture.backend.delete(&targets).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Invalid { .. }), "{error:?}");
    assert_eq!(
        fixture.keys(Listing::Objects, &fixture.prefix).await.len(),
        targets.len()
    );

    assert_eq!(fixture.backend.delete(&[]).await.unwrap().len(), 0);
    let (last, batch) = targets.split_last().unwrap();
    fixture.delete(batch).await;
    assert_eq!(
        fixture.keys(Listing::Versions, &fixture.prefix).await,
        [last.key.as_str()]
    );
}

pub async fn each_target_of_a_batch_has_its_own_outcome(fixture: Fixture) {
    if fixture.backend.capabilities().versions == VersionSupport::Versioned {
        return;
    }
    let keys = [1, 2, 3].map(|number| fixture.attempt(1, number));
    for key in &keys {
        fixture.put(key, pattern(1, 5)).await;
    }
    let [first, second, third] = keys;
    // A version of something that has none cannot be deleted.
    let bad = Target {
        key: second.clone(),
        kind: TargetKind::Version(ProviderVersion::new("v")),
    };
    let batch = [
        Target::current(first.clone()),
        bad,
        Target::current(third.clone()),
    ];
    let outcomes = fixture.backend.delete(&batch).await.unwrap();
    let [Ok(()), Err(error), Ok(())] = outcomes.as_slice() else {
        panic!("{outcomes:?}")
    };
    assert!(matches!(error.kind(), ErrorKind::Invalid { .. }), "{error:?}");
    assert_eq!(error.key(), Some(&second));
    assert!(fixture.is_absent(&first).await);
    assert!(!fixture.is_absent(&second).await);
    assert!(fixture.is_absent(&third).await);
}

pub async fn a_delete_without_a_version_only_hides_what_is_versioned(fixture: Fixture) {
    if fixture.backend.capabilities().versions == VersionSupport::Unversioned {
        return;
    }
    let key = fixture.attempt(1, 1);
    let stored = fixture.put(&key, pattern(1, 500)).await;
    fixture.delete(&[Target::current(key.clone())]).await;
    assert!(fixture.is_absent(&key).await);
    assert!(
        fixture
            .list(Listing::Objects, &fixture.prefix, 1_000)
            .await
            .is_empty()
    );

    // What a sweep sees, page by page, and deletes.
    let lying = fixture.list(Listing::Versions, &fixture.prefix, 1).await;
    assert_eq!(lying.len(), 2, "{lying:?}");
    assert!(
        lying
            .iter()
            .any(|entry| entry.kind == EntryKind::Object(stored.version.clone()) && entry.size == 500)
    );
    assert!(
        lying
            .iter()
            .any(|entry| matches!(entry.kind, EntryKind::DeleteMarker(_)))
    );
    let targets: Vec<Target> = lying.iter().map(|entry| entry.target().unwrap()).collect();
    fixture.delete(&targets).await;
    assert!(
        fixture
            .list(Listing::Versions, &fixture.prefix, 1_000)
            .await
            .is_empty()
    );
}

pub async fn tidying_removes_no_body_and_hinders_no_put(fixture: Fixture) {
    let epoch = fixture.epoch(1);
    fixture.backend.tidy(&epoch).await.unwrap();
    let (stays, goes) = (fixture.attempt(1, 1), fixture.attempt(1, 2));
    let sibling = fixture.attempt(2, 1);
    fixture.put(&stays, pattern(1, 10)).await;
    fixture.put(&sibling, pattern(1, 10)).await;
    let stored = fixture.put(&goes, pattern(2, 10)).await;
    fixture.delete(&[Target::stored(goes, stored.version)]).await;
    fixture.backend.tidy(&epoch).await.unwrap();
    assert!(fixture.read(&stays).await.is_ok());

    let stored = fixture.backend.head(&stays).await.unwrap();
    fixture.delete(&[Target::stored(stays, stored.version)]).await;
    fixture.backend.tidy(&epoch).await.unwrap();
    fixture.backend.tidy(&epoch).await.unwrap();
    assert_eq!(
        fixture.keys(Listing::Versions, &fixture.prefix).await,
        [sibling.as_str()]
    );

    // A late put of a swept epoch is the second sweep's to find, so it must be listed.
    let late = fixture.attempt(1, 3);
    let (stored, tidied) = tokio::join!(fixture.put(&late, pattern(3, 10)), fixture.backend.tidy(&epoch));
    tidied.unwrap();
    assert_eq!(stored.size, 10);
    assert_eq!(fixture.keys(Listing::Objects, &epoch).await, [late.as_str()]);
}
