//! Clients that go away: at every point at which a request waits, and many at once.

use api::port::{CreateUpload, ObjectGateway, ObjectMetadata, WriteConditions};
use bytes::Bytes;
use futures_util::StreamExt;
use proptest::prelude::any;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::testing::{Options, TestBody, World, bytes, key_of, poll_times};

/// A request that has not ended after so many polls never ends.
const MOST_POLLS: usize = 2_000;

/// Drops a request after its first poll, after its second one, and so on, until it is not dropped any
/// more. After each of them what it left is known to the state.
macro_rules! dropped_everywhere {
    ($world:ident, |$n:ident| $request:expr, $check:expr) => {
        for $n in 0..MOST_POLLS {
            let ended = poll_times($request, $n).await.is_some();
            $world.assert_handed_over().await;
            $check($n, ended).await;
            if ended {
                assert!($n > 1, "it never waited");
                break;
            }
            assert!($n + 1 < MOST_POLLS, "it never ends");
        }
    };
}

async fn put_is_whole_or_nothing(world: &World, key: &str, body: &Bytes, ended: bool) {
    match world.get(key).await {
        Ok(found) => assert!(found == *body, "{key} is there in part"),
        Err(api::port::Error::NoSuchKey { .. }) => assert!(!ended, "{key} was acknowledged"),
        Err(other) => panic!("{key}: {other}"),
    }
}

#[tokio::test]
async fn a_put_dropped_anywhere_is_whole_or_leaves_nothing() {
    for (size, options) in [
        (0, Options::default()),
        (30_000, Options::default()),
        (30_000, Options::two_copies()),
        (400_000, Options::two_copies()),
    ] {
        let mut world = World::with(options).await;
        let body = bytes(1, size);
        dropped_everywhere!(
            world,
            |n| {
                let key = format!("k{n}");
                let body = TestBody::slow(&body);
                let world = &world;
                async move {
                    world
                        .put_body(&key, body, WriteConditions::default())
                        .await
                        .unwrap()
                }
            },
            async |n: usize, ended: bool| put_is_whole_or_nothing(&world, &format!("k{n}"), &body, ended)
                .await
        );
        world.finish().await;
    }
}

#[tokio::test]
async fn an_overwrite_dropped_anywhere_leaves_the_old_or_the_new() {
    let mut world = World::new().await;
    let (old, new) = (bytes(1, 20_000), bytes(2, 30_000));
    dropped_everywhere!(
        world,
        |n| {
            let _ = n;
            world.put("k", &old).await.unwrap();
            let body = TestBody::slow(&new);
            let world = &world;
            async move {
                world
                    .put_body("k", body, WriteConditions::default())
                    .await
                    .unwrap()
            }
        },
        async |n: usize, ended: bool| {
            let found = world.get("k").await.unwrap();
            assert!(found == new || (!ended && found == old), "{n}");
        }
    );
    world.finish().await;
}

#[tokio::test]
async fn a_part_dropped_anywhere_is_whole_or_leaves_nothing() {
    for size in [30_000, 400_000] {
        let mut world = World::new().await;
        let upload = world.create_upload("k", None).await;
        let body = bytes(1, size);
        dropped_everywhere!(
            world,
            |n| {
                let body = TestBody::slow(&body);
                let (world, upload) = (&world, &upload);
                async move {
                    let part = world.part("k", upload, n as u64 + 1, body).await;
                    part.unwrap()
                }
            },
            async |n: usize, ended: bool| {
                let numbers: Vec<_> = world
                    .rows()
                    .parts
                    .into_keys()
                    .map(|key| key.number.get())
                    .collect();
                assert!(!ended || numbers.contains(&(n as u16 + 1)));
            }
        );
        world.abort("k", &upload).await.unwrap();
        world.finish().await;
    }
}

#[tokio::test]
async fn a_completion_dropped_anywhere_happens_or_does_not() {
    let mut world = World::new().await;
    let body = bytes(1, 5_000);
    dropped_everywhere!(
        world,
        |n| {
            let key = format!("k{n}");
            let upload = world.create_upload(&key, None).await;
            let part = world.part(&key, &upload, 1, TestBody::of(&body)).await.unwrap();
            let world = &world;
            async move { world.complete(&key, &upload, &[(1, &part)]).await.unwrap() }
        },
        async |n: usize, ended: bool| put_is_whole_or_nothing(&world, &format!("k{n}"), &body, ended).await
    );
    world.finish().await;
}

#[tokio::test]
async fn a_delete_dropped_anywhere_happens_or_does_not() {
    let mut world = World::new().await;
    let body = bytes(1, 5_000);
    dropped_everywhere!(
        world,
        |n| {
            let key = format!("k{n}");
            world.put(&key, &body).await.unwrap();
            let world = &world;
            async move { world.delete(&key).await.unwrap() }
        },
        async |n: usize, ended: bool| {
            let left = world.get(&format!("k{n}")).await;
            assert!(!ended || left.is_err());
            assert!(left.is_err() || left.unwrap() == body);
        }
    );
    world.finish().await;
}

#[tokio::test]
async fn an_upload_begun_and_dropped_anywhere_stands_or_does_not() {
    let mut world = World::new().await;
    dropped_everywhere!(
        world,
        |n| {
            let request = CreateUpload {
                bucket: api::port::BucketName::new("bucket").unwrap(),
                key: key_of(&format!("k{n}")),
                metadata: ObjectMetadata::default(),
                checksum: None,
            };
            let (view, caller) = (world.view().await, world.caller());
            let gateway = world.gateway.clone();
            async move { gateway.create_upload(view, caller, request).await.unwrap() }
        },
        async |_: usize, _: bool| {}
    );
    world.finish().await;
}

#[tokio::test]
async fn a_read_dropped_anywhere_lets_go_of_its_object() {
    let mut world = World::with(Options::two_copies()).await;
    let body = bytes(1, 50_000);
    world.put("k", &body).await.unwrap();
    for pieces in 0..20 {
        let mut read = world.open("k", 0..u64::MAX).await.unwrap();
        for _ in 0..pieces {
            let _ = read.next().await;
        }
    }
    for n in 0..5 {
        let _ = poll_times(world.get("k"), n).await;
    }
    world.delete("k").await.unwrap();
    world.jobs.collect().await;
    assert_eq!((world.attempts_on(0).len(), world.attempts_on(1).len()), (0, 0));
    world.assert_handed_over().await;
    world.finish().await;
}

/// Many clients at once, most of whom go away at a random moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_leave_under_load_leave_nothing() {
    let seed = std::env::var("HOLDFAST_SEED").unwrap_or_else(|_| "clients that leave".to_owned());
    println!("HOLDFAST_SEED={seed:?}");
    let mut random = Random::of(&seed);
    let mut world = World::with(Options {
        epochs: crate::replicas::EpochLimits {
            attempts: 40,
            ..crate::replicas::EpochLimits::default()
        },
        ..Options::two_copies()
    })
    .await;
    let upload = world.create_upload("parts", None).await;
    for round in 0..6_u64 {
        let mut puts = Vec::new();
        for client in 0..32_u64 {
            let size = [0, 10, 5_000, 270_000, 900_000][random.below(5)];
            let number = round * 32 + client;
            let body = bytes(number, size);
            let polls = random.below(60);
            let leaves = random.below(4) != 0;
            let limit = if leaves { polls } else { usize::MAX };
            let (world, upload) = (&world, &upload);
            puts.push(async move {
                let key = format!("k{}", number % 20);
                let slow = TestBody::slow(&body);
                if client % 8 == 7 {
                    let part = world.part("parts", upload, number + 1, slow);
                    poll_times(part, limit).await.map(Result::unwrap);
                    return None;
                }
                let put = world.put_body(&key, slow, WriteConditions::default());
                let acknowledged = poll_times(put, limit).await.map(Result::unwrap).is_some();
                Some((key, body, acknowledged))
            });
        }
        let ended: Vec<_> = futures_util::future::join_all(puts)
            .await
            .into_iter()
            .flatten()
            .collect();
        world.jobs.advance().await.unwrap();
        world.assert_handed_over().await;
        // What a key holds is one of the bodies that were written to it, whole.
        for (key, _, _) in ended.iter().filter(|(_, _, acknowledged)| *acknowledged) {
            let found = world.get(key).await.unwrap();
            assert!(
                ended.iter().any(|(of, body, _)| of == key && *body == found),
                "{key}"
            );
        }
        world.jobs.collect().await;
    }
    world.abort("parts", &upload).await.unwrap();
    world.finish().await;
}

/// Random numbers from a text.
struct Random(TestRunner);

impl Random {
    fn of(seed: &str) -> Self {
        use proptest::test_runner::{Config, RngAlgorithm, TestRng};
        use sha2::{Digest, Sha256};
        let seed = Sha256::digest(seed.as_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, seed.as_slice());
        Self(TestRunner::new_with_rng(Config::default(), rng))
    }

    fn below(&mut self, bound: usize) -> usize {
        any::<u64>().new_tree(&mut self.0).unwrap().current() as usize % bound
    }
}
