//! Writes: what is stored when, and what stays of what is refused.

use api::port::{BodyError, Condition, Error, WriteConditions};
use bytes::Bytes;
use node_backend::fault::{Fault, When};
use node_backend::{ErrorKind, Operation};
use raft_types::records::{DeathCause, ReplicaState, WorkKind};

use crate::testing::{CHUNK, Fate, Options, TestBody, World, bytes, conditions};

/// Sizes around the bounds at which a write goes another way: nothing, one chunk, more than one, what
/// is stored in one call, what is streamed, several batches.
const SIZES: [usize; 10] = [
    0, 1, 4_095, 4_096, 4_097, 200_000, 262_000, 262_144, 262_145, 1_500_000,
];

#[tokio::test]
async fn a_body_reads_back_whole_whatever_its_size() {
    for encrypted in [true, false] {
        let options = Options {
            encrypted,
            ..Options::default()
        };
        let world = World::with(options).await;
        for size in SIZES {
            let body = bytes(size as u64, size);
            let key = format!("size-{size}");
            world.put(&key, &body).await.unwrap();
            assert!(world.get(&key).await.unwrap() == body, "{size}");
        }
        world.finish().await;
    }
}

#[tokio::test]
async fn a_body_of_many_blobs_reads_back_in_every_range_around_its_seams() {
    let blob = 3 * CHUNK + 100;
    let options = Options {
        blob_bytes: blob,
        ..Options::default()
    };
    let world = World::with(options).await;
    // More blobs than are looked up at a time, the last one short.
    let body = bytes(7, (20 * blob + 50) as usize);
    world.put("long", &body).await.unwrap();
    assert_eq!(world.blobs_of("long").len(), 21);
    assert!(world.get("long").await.unwrap() == body);
    let size = body.len() as u64;
    let mut seams: Vec<u64> = vec![0, CHUNK, 2 * CHUNK, size];
    seams.extend((1..=20).flat_map(|n| [n * blob, n * blob + CHUNK]));
    let around = |at: u64| [at.saturating_sub(1), at, at + 1].map(|at| at.min(size));
    for from in seams.iter().copied().flat_map(around) {
        // Up to the end of the blob, across it, and across one whole blob.
        for to in [from, from + 1, from + CHUNK, from + blob, from + 2 * blob, size] {
            let to = to.min(size);
            let got = world.open("long", from..to).await.unwrap();
            let got = crate::testing::collect(got).await.unwrap();
            assert!(got == body.slice(from as usize..to as usize), "{from}..{to}");
        }
    }
    world.finish().await;
}

#[tokio::test]
async fn a_body_that_is_refused_after_its_last_byte_leaves_nothing() {
    for size in [0, 100, 1_500_000] {
        let mut world = World::new().await;
        let body = bytes(1, size);
        let refused = TestBody::of(&body).refused_at_end(BodyError::Md5Mismatch);
        let put = world.put_body("k", refused, WriteConditions::default()).await;
        assert_eq!(put, Err(Error::Body(BodyError::Md5Mismatch)), "{size}");
        assert_eq!(world.get("k").await, Err(Error::NoSuchKey { marker: None }));
        world.assert_handed_over().await;
        world.finish().await;
    }
}

#[tokio::test]
async fn a_body_of_another_length_than_announced_leaves_nothing() {
    for size in [100, 1_500_000] {
        let mut world = World::new().await;
        let body = bytes(1, size);
        let (feeder, short) = TestBody::fed(size + 1);
        feeder.send(body.clone());
        drop(feeder);
        let put = world.put_body("short", short, WriteConditions::default()).await;
        assert_eq!(put, Err(Error::Body(BodyError::Incomplete)), "{size}");
        for surplus in [body.slice(..1), body.clone()] {
            let (feeder, long) = TestBody::fed(size);
            feeder.send(body.clone());
            feeder.send(surplus);
            drop(feeder);
            let put = world.put_body("long", long, WriteConditions::default()).await;
            assert_eq!(put, Err(Error::Body(BodyError::TooLong)), "{size}");
        }
        let (feeder, broken) = TestBody::fed(size);
        feeder.send(body.slice(..size / 2));
        feeder.fail(BodyError::Disconnected);
        let put = world.put_body("broken", broken, WriteConditions::default()).await;
        assert_eq!(put, Err(Error::Body(BodyError::Disconnected)), "{size}");
        world.assert_handed_over().await;
        assert_eq!(world.rows().current.len(), 0);
        world.finish().await;
    }
}

#[tokio::test]
async fn nothing_is_visible_before_the_last_byte_was_verified() {
    for size in [5_000, 1_500_000] {
        let world = World::new().await;
        let old = bytes(1, 10);
        world.put("k", &old).await.unwrap();
        let new = bytes(2, size);
        let (feeder, body) = TestBody::fed(size);
        let put = world.begin_put("k", body, WriteConditions::default()).await;
        feeder.send(new.clone());
        // The end is still to come; a body may yet turn out to be another one than announced.
        assert!(world.get("k").await.unwrap() == old);
        // No key on the backend is taken by something that is not verified.
        assert_eq!(world.attempts_on(0).len(), 1);
        drop(feeder);
        put.await.unwrap().unwrap();
        assert!(world.get("k").await.unwrap() == new);
        world.finish().await;
    }
}

#[tokio::test]
async fn of_racing_creations_one_wins_and_the_others_bytes_die_in_the_same_apply() {
    for size in [1_000, 600_000] {
        let mut world = World::new().await;
        let mut puts = Vec::new();
        let mut feeders = Vec::new();
        for n in 0..5 {
            let (feeder, body) = TestBody::fed(size);
            feeder.send(bytes(n, size));
            // None of them finds the key when it begins.
            puts.push(world.begin_put("k", body, conditions()).await);
            feeders.push(feeder);
        }
        drop(feeders);
        let mut won = None;
        for (n, put) in (0..).zip(puts) {
            match put.await.unwrap() {
                Ok(_) => assert_eq!(won.replace(n), None, "two have won"),
                Err(error) => assert_eq!(error, Error::PreconditionFailed(Condition::IfNoneMatch)),
            }
        }
        let won = won.expect("one wins");
        assert!(world.get("k").await.unwrap() == bytes(won, size));
        // Without any hand-over: the rejection itself has taken the bytes.
        let causes: Vec<_> = world.rows().garbage.into_values().map(|row| row.cause).collect();
        assert_eq!(causes, vec![DeathCause::Rejected; 4]);
        assert_eq!(world.jobs.discard().await, 0);
        world.assert_handed_over().await;
        world.finish().await;
    }
}

#[tokio::test]
async fn an_overwrite_replaces_and_the_old_bytes_die_only_with_it() {
    let mut world = World::new().await;
    world.put("k", &bytes(1, 9_000)).await.unwrap();
    let old = world.attempts_on(0);
    let refused = TestBody::of(&bytes(2, 9_000)).refused_at_end(BodyError::Sha256Mismatch);
    world
        .put_body("k", refused, WriteConditions::default())
        .await
        .unwrap_err();
    world.quiet().await;
    world.jobs.collect().await;
    assert_eq!(world.attempts_on(0), old);
    world.put("k", &bytes(3, 9_000)).await.unwrap();
    world.jobs.collect().await;
    assert!(world.attempts_on(0).is_disjoint(&old));
    assert!(world.get("k").await.unwrap() == bytes(3, 9_000));
    world.finish().await;
}

#[tokio::test]
async fn a_bucket_that_was_made_anew_meanwhile_takes_no_old_upload() {
    let mut world = World::new().await;
    world.put("before", &bytes(1, 10)).await.unwrap();
    world.delete("before").await.unwrap();
    let (feeder, body) = TestBody::fed(1_000);
    let put = world.begin_put("k", body, WriteConditions::default()).await;
    feeder.send(bytes(1, 1_000));
    world.until_under_way(1).await;
    world.delete_bucket().await.unwrap();
    world.create_bucket().await;
    drop(feeder);
    assert_eq!(put.await.unwrap(), Err(Error::NoSuchBucket));
    assert_eq!(world.get("k").await, Err(Error::NoSuchKey { marker: None }));
    world.assert_handed_over().await;
    world.finish().await;
}

#[tokio::test]
async fn a_first_write_into_a_bucket_that_is_deleted_meanwhile_finds_no_bucket() {
    let world = World::new().await;
    world.wire.next("PutBucketKey", Fate::Held);
    let body = TestBody::of(&bytes(1, 1_000));
    let put = world.begin_put("k", body, WriteConditions::default()).await;
    world.wire.until_met(1).await;
    world.delete_bucket().await.unwrap();
    world.wire.release();
    assert_eq!(put.await.unwrap(), Err(Error::NoSuchBucket));
    world.finish().await;
}

/// What can become of a put on a backend, and whether that is seen.
const PUT_FAULTS: &[(&str, Fault)] = &[
    ("refused", Fault::FailBefore(|| ErrorKind::Unavailable)),
    ("full", Fault::FailBefore(|| ErrorKind::Full)),
    ("stored, answer lost", Fault::FailAfter(|| ErrorKind::Unavailable)),
    ("stored in part", Fault::Truncate { keep: 10 }),
    ("stored empty", Fault::Truncate { keep: 0 }),
    ("stored with a flipped bit", Fault::FlipBit { at: 77 }),
    ("stored, proved wrongly", Fault::WrongEvidence),
];

#[tokio::test]
async fn a_failed_put_on_the_only_backend_is_told_and_leaves_nothing() {
    for size in [0, 3_000, 900_000] {
        for (what, fault) in PUT_FAULTS {
            let mut world = World::new().await;
            // The keyring has been written when the fault begins.
            world.put("before", &bytes(1, 10)).await.unwrap();
            let script = world.backends[0].script.clone();
            let rule = script.on(Operation::Put, When::First(1), fault.clone());
            let put = world.put("k", &bytes(2, size)).await;
            assert!(
                matches!(put, Err(Error::Unavailable { .. })),
                "{what} {size}: {put:?}"
            );
            assert_eq!(script.fired(rule), 1, "{what}");
            assert_eq!(world.get("k").await, Err(Error::NoSuchKey { marker: None }));
            world.assert_handed_over().await;
            world.jobs.collect().await;
            assert_eq!(world.attempts_on(0).len(), 1, "{what} {size}");
            world.put("k", &bytes(3, size)).await.unwrap();
            assert!(world.get("k").await.unwrap() == bytes(3, size));
            world.finish().await;
        }
    }
}

#[tokio::test]
async fn a_failed_put_on_one_of_two_backends_is_given_up_with_the_commit_and_its_copy_is_missed() {
    for size in [3_000, 900_000] {
        for (what, fault) in PUT_FAULTS {
            for bad in [0, 1] {
                let world = World::with(Options::two_copies()).await;
                world.put("before", &bytes(1, 10)).await.unwrap();
                let script = world.backends[bad].script.clone();
                let rule = script.on(Operation::Put, When::First(1), fault.clone());
                let body = bytes(2, size);
                world.put("k", &body).await.unwrap();
                assert_eq!(script.fired(rule), 1, "{what}");
                assert!(world.get("k").await.unwrap() == body);
                let blob = world.blobs_of("k")[0];
                let record = world.blob(blob);
                let present: Vec<_> = record
                    .replicas
                    .iter()
                    .filter(|replica| replica.state == ReplicaState::Present)
                    .map(|replica| replica.backend)
                    .collect();
                assert_eq!(present, [world.backends[1 - bad].id], "{what} {size}");
                let rows = world.rows();
                let causes: Vec<_> = rows.garbage.values().map(|row| row.cause).collect();
                assert_eq!(causes, [DeathCause::GivenUp], "{what}");
                let missing: Vec<_> = rows
                    .work
                    .iter()
                    .map(|(key, work)| (key.kind, key.blob, work.wanted))
                    .collect();
                assert_eq!(missing, [(WorkKind::Missing, blob, 2)], "{what}");
                world.finish().await;
            }
        }
    }
}

#[tokio::test]
async fn a_put_that_fails_on_all_backends_leaves_nothing_on_any() {
    for size in [3_000, 900_000] {
        let mut world = World::with(Options::two_copies()).await;
        world.put("before", &bytes(1, 10)).await.unwrap();
        let faults = [
            Fault::FailAfter(|| ErrorKind::Unavailable),
            Fault::FlipBit { at: 3 },
        ];
        for (backend, fault) in world.backends.iter().zip(faults) {
            backend.script.on(Operation::Put, When::First(1), fault);
        }
        let put = world.put("k", &bytes(2, size)).await;
        assert!(matches!(put, Err(Error::Unavailable { .. })), "{put:?}");
        world.assert_handed_over().await;
        world.jobs.collect().await;
        assert_eq!((world.attempts_on(0).len(), world.attempts_on(1).len()), (1, 1));
        world.finish().await;
    }
}

#[tokio::test]
async fn a_backend_that_fails_in_mid_body_does_not_hold_up_the_others() {
    let world = World::with(Options::two_copies()).await;
    world.put("before", &bytes(1, 10)).await.unwrap();
    let script = world.backends[0].script.clone();
    let rule = script.on(
        Operation::Put,
        When::First(1),
        Fault::FailBefore(|| ErrorKind::Full),
    );
    let body = bytes(2, 3_000_000);
    let (feeder, fed) = TestBody::fed(body.len());
    let put = world.begin_put("k", fed, WriteConditions::default()).await;
    feeder.send(body.slice(..1_000_000));
    script.until_fired(rule, 1).await;
    feeder.send(body.slice(1_000_000..));
    drop(feeder);
    put.await.unwrap().unwrap();
    assert!(world.get("k").await.unwrap() == body);
    assert_eq!(world.attempts_on(0).len(), 1);
    world.finish().await;
}

#[tokio::test]
async fn no_body_longer_than_the_limit_is_begun() {
    let world = World::new().await;
    let (_feeder, body) = TestBody::fed((1 << 30) + 1);
    let put = world.put_body("k", body, WriteConditions::default()).await;
    assert_eq!(put, Err(Error::TooLarge { maximum: 1 << 30 }));
    assert_eq!(world.rows().epochs.len(), 0);
    world.finish().await;
}

#[tokio::test]
async fn conditions_that_fail_already_are_answered_before_the_body() {
    let world = World::new().await;
    world.put("k", &Bytes::from_static(b"first")).await.unwrap();
    let (feeder, body) = TestBody::fed(1_000);
    let put = world.put_body("k", body, conditions()).await;
    assert_eq!(put, Err(Error::PreconditionFailed(Condition::IfNoneMatch)));
    feeder.closed().await;
    let only_if_there = WriteConditions {
        if_match: Some(api::port::ETagMatch::Any),
        ..WriteConditions::default()
    };
    let (_feeder, body) = TestBody::fed(1_000);
    let put = world.put_body("absent", body, only_if_there.clone()).await;
    assert_eq!(put, Err(Error::NoSuchKey { marker: None }));
    let replaced = TestBody::of(&Bytes::from_static(b"second"));
    world.put_body("k", replaced, only_if_there).await.unwrap();
    world.finish().await;
}
