//! Reads: from replica to replica at any byte, too late, and while everything around them dies.

use std::time::Duration;

use api::port::Error;
use bytes::Bytes;
use node_backend::fault::{Fault, KeyFilter, Rule, RuleId, When};
use node_backend::identity::Identity;
use node_backend::{BackendKey, ErrorKind, KeyPrefix, Operation};
use raft_types::commands::RemoveReplica;
use raft_types::records::{ReplicaState, WorkKind};
use raft_types::{BackendId, BlobId, Command, Outcome};

use crate::jobs::JobTimes;
use crate::testing::{CHUNK, Options, World, bytes, collect};

/// The next reads of replicas on a backend meet this fault; what else lies there is spared.
fn on_reads(world: &World, backend: usize, when: When, fault: Fault) -> RuleId {
    let rule = Rule {
        operation: Some(Operation::Get),
        // In the key of every attempt, and in no other.
        key: KeyFilter::Contains(world.identity.cluster.to_string()),
        when,
        fault,
    };
    world.backends[backend].script.add(rule)
}

fn states(world: &World, blob: BlobId) -> Vec<(BackendId, ReplicaState)> {
    let replicas = world.blob(blob).replicas.into_iter();
    replicas.map(|replica| (replica.backend, replica.state)).collect()
}

async fn two_copies(body: &Bytes) -> World {
    let world = World::with(Options::two_copies()).await;
    world.put("k", body).await.unwrap();
    world
}

#[tokio::test]
async fn a_replica_that_fails_before_its_first_byte_is_passed_over() {
    let body = bytes(1, 50_000);
    let faults: [(Fault, bool); 4] = [
        (Fault::FailBefore(|| ErrorKind::Unavailable), false),
        (Fault::FailBefore(|| ErrorKind::Denied), false),
        (
            Fault::FailBefore(|| ErrorKind::Throttled { retry_after: None }),
            false,
        ),
        (Fault::FailBefore(|| ErrorKind::NotFound), true),
    ];
    for (fault, in_doubt) in faults {
        let mut world = two_copies(&body).await;
        let rule = on_reads(&world, 0, When::Always, fault.clone());
        assert!(world.get("k").await.unwrap() == body, "{fault:?}");
        assert_eq!(world.backends[0].script.fired(rule), 1);
        let reported = world.jobs.report().await;
        assert_eq!(reported, usize::from(in_doubt), "{fault:?}");
        let blob = world.blobs_of("k")[0];
        let state = if in_doubt {
            ReplicaState::Suspect
        } else {
            ReplicaState::Present
        };
        assert_eq!(
            states(&world, blob)[0],
            (world.backends[0].id, state),
            "{fault:?}"
        );
        assert_eq!(world.attempts_on(0).len(), 1, "a 404 deletes nothing");
        world.finish().await;
    }
}

#[tokio::test]
async fn a_read_that_breaks_at_any_byte_goes_on_with_the_next_replica() {
    let body = bytes(2, (6 * CHUNK + 100) as usize);
    let world = two_copies(&body).await;
    let stored = {
        let blob = world.blobs_of("k")[0];
        world.blob(blob).content.unwrap().stored
    };
    // Around every place at which a chunk may end, with and without what precedes and follows chunks.
    let mut breaks: Vec<u64> = vec![0, 1, stored - 1, stored];
    for chunk in 0..=7 {
        for seam in [chunk * CHUNK, chunk * (CHUNK + 16), chunk * (CHUNK + 16) + 40] {
            breaks.extend(seam.saturating_sub(1)..=seam + 1);
        }
    }
    for keep in breaks {
        let reset = Fault::Reset {
            keep: keep as usize,
            error: || ErrorKind::Unavailable,
        };
        for (from, to) in [
            (0, body.len()),
            (1, body.len() - 1),
            (CHUNK as usize, 3 * CHUNK as usize),
        ] {
            let rule = on_reads(&world, 0, When::First(1), reset.clone());
            let read = world.open("k", from as u64..to as u64).await.unwrap();
            assert!(
                collect(read).await.unwrap() == body.slice(from..to),
                "{keep} {from}..{to}"
            );
            assert_eq!(world.backends[0].script.fired(rule), 1);
            world.backends[0].script.end(rule);
        }
    }
    world.finish().await;
}

#[tokio::test]
async fn both_replicas_may_break_as_long_as_another_is_left() {
    let body = bytes(3, 100_000);
    let options = Options {
        backends: 3,
        copies: 3,
        ..Options::default()
    };
    let world = World::with(options).await;
    world.put("k", &body).await.unwrap();
    let reset = |keep| Fault::Reset {
        keep,
        error: || ErrorKind::Unavailable,
    };
    for (backend, keep) in [(0, 30_000), (1, 30_000)] {
        on_reads(&world, backend, When::First(1), reset(keep));
    }
    assert!(world.get("k").await.unwrap() == body);
    world.finish().await;
}

#[tokio::test]
async fn wrong_bytes_are_seen_in_the_chunk_that_has_them_and_the_replica_is_suspected() {
    let body = bytes(4, (5 * CHUNK) as usize);
    for encrypted in [true, false] {
        let options = Options {
            encrypted,
            ..Options::two_copies()
        };
        let mut world = World::with(options).await;
        world.put("k", &body).await.unwrap();
        world.put("other", &bytes(5, body.len())).await.unwrap();
        let other = world.attempts_on(0);
        let blob = world.blobs_of("k")[0];
        let ours = world.key_of_replica(blob, &world.blob(blob).replicas[0]);
        let other = other.iter().find(|key| **key != ours).unwrap();
        let other = world.backends[0].memory.bytes(other).unwrap();
        let wrong = [
            Fault::FlipBit { at: 0 },
            Fault::FlipBit { at: 45 },
            Fault::FlipBit {
                at: (2 * CHUNK) as usize,
            },
            Fault::FlipBit {
                at: (5 * CHUNK) as usize - 1,
            },
            Fault::Truncate {
                keep: (3 * CHUNK) as usize,
            },
            Fault::Truncate { keep: 0 },
            // Whole, sound, and of another blob.
            Fault::Answer(other),
        ];
        for fault in wrong {
            let rule = on_reads(&world, 0, When::First(1), fault.clone());
            assert!(world.get("k").await.unwrap() == body, "{fault:?}");
            assert_eq!(world.backends[0].script.fired(rule), 1, "{fault:?}");
            world.backends[0].script.end(rule);
            assert_eq!(world.jobs.report().await, 1, "{fault:?}");
            assert_eq!(states(&world, blob)[0].1, ReplicaState::Suspect);
            let work: Vec<_> = world
                .rows()
                .work
                .into_keys()
                .map(|key| (key.kind, key.blob))
                .collect();
            assert_eq!(work, [(WorkKind::Suspect, blob)]);
            // Read last from now on: the fault of the first does not fire.
            let rule = on_reads(&world, 0, When::Always, Fault::FailBefore(|| ErrorKind::NotFound));
            assert!(world.get("k").await.unwrap() == body);
            assert_eq!(world.backends[0].script.fired(rule), 0);
            world.backends[0].script.end(rule);
            clear(&world, blob).await;
        }
        world.finish().await;
    }
}

async fn clear(world: &World, blob: BlobId) {
    let address = world.blob(blob).replicas[0].address();
    let clear = Command::ClearSuspect(raft_types::commands::ClearSuspect { blob, address });
    assert_eq!(world.metadata.execute(clear).await, Ok(Outcome::Done));
}

#[tokio::test]
async fn a_suspect_that_is_the_last_replica_is_read_and_not_reported_again() {
    let body = bytes(6, 20_000);
    let mut world = two_copies(&body).await;
    let rule = on_reads(&world, 0, When::First(1), Fault::FlipBit { at: 100 });
    world.get("k").await.unwrap();
    assert_eq!(world.backends[0].script.fired(rule), 1);
    assert_eq!(world.jobs.report().await, 1);
    on_reads(
        &world,
        1,
        When::Always,
        Fault::FailBefore(|| ErrorKind::Unavailable),
    );
    assert!(world.get("k").await.unwrap() == body);
    let rule = on_reads(&world, 0, When::Always, Fault::FailBefore(|| ErrorKind::NotFound));
    let read = world.get("k").await;
    assert!(matches!(read, Err(Error::Unavailable { .. })), "{read:?}");
    assert_eq!(world.backends[0].script.fired(rule), 1);
    assert_eq!(world.jobs.report().await, 0, "the state knows it already");
    world.finish().await;
}

#[tokio::test]
async fn a_body_of_which_every_replica_is_damaged_is_never_silently_short() {
    let body = bytes(7, (8 * CHUNK) as usize);
    for encrypted in [true, false] {
        let options = Options {
            encrypted,
            ..Options::two_copies()
        };
        let world = World::with(options).await;
        world.put("k", &body).await.unwrap();
        // Before the first byte: an error that can still be told.
        for backend in [0, 1] {
            on_reads(&world, backend, When::First(1), Fault::FlipBit { at: 60 });
        }
        let read = world.open("k", 0..u64::MAX).await;
        assert!(matches!(read, Err(Error::Unavailable { .. })), "{read:?}");
        // Later: what comes is right, and ends with an error.
        for backend in [0, 1] {
            let at = (5 * CHUNK) as usize;
            on_reads(&world, backend, When::Nth(1), Fault::FlipBit { at });
        }
        let read = world.open("k", 0..u64::MAX).await.unwrap();
        let (came, error) = collect(read).await.unwrap_err();
        assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
        assert!(came.len() < body.len() && came == body.slice(..came.len()));
        assert_eq!(came.len() as u64 % CHUNK, 0, "only whole chunks were handed out");
        assert!(came.len() as u64 >= 4 * CHUNK, "{}", came.len());
        world.finish().await;
    }
}

#[tokio::test]
async fn a_backend_that_ignores_ranges_is_not_believed() {
    let body = bytes(8, (6 * CHUNK) as usize);
    let world = two_copies(&body).await;
    on_reads(&world, 0, When::Always, Fault::IgnoreRange);
    let (from, to) = (2 * CHUNK + 5, 3 * CHUNK + 5);
    let read = world.open("k", from..to).await.unwrap();
    assert!(collect(read).await.unwrap() == body.slice(from as usize..to as usize));
    world.finish().await;
}

/// Takes a replica away and deletes its bytes although a read runs, as after the longest wait.
async fn move_away(world: &mut World, blob: BlobId, from: usize, to: usize) {
    world.copy(blob, to).await;
    let id = world.backends[from].id;
    let replicas = world.blob(blob).replicas;
    let address = replicas
        .iter()
        .find(|replica| replica.backend == id)
        .unwrap()
        .address();
    let remove = RemoveReplica {
        blob,
        address,
        keep: 1,
    };
    let removed = world.metadata.execute(Command::RemoveReplica(remove)).await;
    assert_eq!(removed, Ok(Outcome::Done));
    let before = world.attempts_on(from).len();
    world.jobs.collect().await;
    assert_eq!(
        world.attempts_on(from).len(),
        before,
        "a running read holds it back"
    );
    world.jobs.set_times(JobTimes {
        max_age: Duration::ZERO,
        ..Options::default().times
    });
    world.jobs.collect().await;
    assert_eq!(world.attempts_on(from).len(), before - 1);
    world.jobs.set_times(Options::default().times);
}

#[tokio::test]
async fn a_read_that_comes_too_late_looks_its_version_up_again() {
    let body = bytes(9, 60_000);
    let options = Options {
        backends: 2,
        ..Options::default()
    };
    let mut world = World::with(options).await;
    world.put("k", &body).await.unwrap();
    let blob = world.blobs_of("k")[0];
    // Before the first byte.
    let found = find(&world).await;
    move_away(&mut world, blob, 0, 1).await;
    assert!(read(&world, found, body.len()).await.unwrap() == body);
    world.finish().await;
}

#[tokio::test]
async fn a_read_that_breaks_too_late_goes_on_where_the_version_lies_by_then() {
    let body = bytes(10, 60_000);
    let options = Options {
        backends: 2,
        ..Options::default()
    };
    let mut world = World::with(options).await;
    world.put("k", &body).await.unwrap();
    let blob = world.blobs_of("k")[0];
    let reset = Fault::Reset {
        keep: 30_000,
        error: || ErrorKind::Unavailable,
    };
    on_reads(&world, 0, When::First(1), reset);
    let begun = world.open("k", 0..u64::MAX).await.unwrap();
    move_away(&mut world, blob, 0, 1).await;
    // And it is overwritten: the read goes on with its own version.
    world.put("k", &bytes(11, 5)).await.unwrap();
    assert!(collect(begun).await.unwrap() == body);
    world.finish().await;
}

#[tokio::test]
async fn a_late_read_finds_the_moved_replica_although_another_backend_is_away() {
    let body = bytes(12, 60_000);
    let options = Options {
        backends: 3,
        copies: 2,
        ..Options::default()
    };
    let mut world = World::with(options).await;
    world.put("k", &body).await.unwrap();
    let blob = world.blobs_of("k")[0];
    let found = find(&world).await;
    move_away(&mut world, blob, 1, 2).await;
    on_reads(
        &world,
        0,
        When::Always,
        Fault::FailBefore(|| ErrorKind::Unavailable),
    );
    assert!(read(&world, found, body.len()).await.unwrap() == body);
    world.finish().await;
}

#[tokio::test]
async fn a_late_read_of_a_version_that_is_gone_fails_and_reads_no_other() {
    let body = bytes(13, 60_000);
    let mut world = World::new().await;
    world.put("k", &body).await.unwrap();
    let found = find(&world).await;
    world.put("k", &bytes(14, 60_000)).await.unwrap();
    world.jobs.set_times(JobTimes {
        max_age: Duration::ZERO,
        ..Options::default().times
    });
    world.jobs.collect().await;
    let late = read(&world, found, body.len()).await;
    assert!(matches!(late, Err(Error::Unavailable { .. })), "{late:?}");
    world.finish().await;
}

type Handle = <crate::objects::Gateway as api::port::ObjectGateway>::Handle;

async fn find(world: &World) -> Handle {
    use api::port::ObjectGateway;
    let request = api::port::FindObject {
        bucket: api::port::BucketName::new("bucket").unwrap(),
        key: crate::testing::key_of("k"),
        part: None,
    };
    let found = world
        .gateway
        .find_object(world.view().await, world.caller(), request)
        .await;
    found.unwrap().handle
}

async fn read(world: &World, handle: Handle, length: usize) -> Result<Bytes, Error> {
    use api::port::ObjectGateway;
    let range = api::port::ByteRange {
        offset: 0,
        length: length as u64,
    };
    let body = world.gateway.read_object(handle, range).await?;
    collect(body).await.map_err(|(_, error)| error)
}

#[tokio::test]
async fn what_a_running_read_needs_is_kept_and_goes_when_it_ends() {
    let body = bytes(15, 90_000);
    let world = World::new().await;
    world.put("k", &body).await.unwrap();
    let found = find(&world).await;
    world.put("k", &bytes(16, 10)).await.unwrap();
    world.delete("k").await.unwrap();
    world.jobs.collect().await;
    assert_eq!(world.attempts_on(0).len(), 2);
    assert!(read(&world, found, body.len()).await.unwrap() == body);
    world.jobs.collect().await;
    assert_eq!(world.attempts_on(0).len(), 0);
    world.finish().await;
}

#[tokio::test]
async fn a_read_dropped_in_mid_body_lets_go_of_what_it_held() {
    let body = bytes(17, 90_000);
    let world = World::new().await;
    world.put("k", &body).await.unwrap();
    let mut begun = world.open("k", 0..u64::MAX).await.unwrap();
    futures_util::StreamExt::next(&mut begun).await.unwrap().unwrap();
    world.delete("k").await.unwrap();
    world.jobs.collect().await;
    assert_eq!(world.attempts_on(0).len(), 1);
    drop(begun);
    world.jobs.collect().await;
    assert_eq!(world.attempts_on(0).len(), 0);
    world.finish().await;
}

#[tokio::test]
async fn a_long_read_of_many_blobs_survives_the_death_of_its_object() {
    let options = Options {
        blob_bytes: CHUNK,
        ..Options::default()
    };
    let world = World::with(options).await;
    let body = bytes(18, (40 * CHUNK) as usize);
    world.put("k", &body).await.unwrap();
    // Holds the blobs that were looked up; the others it has to find when the object is gone.
    let begun = world.open("k", 0..u64::MAX).await.unwrap();
    world.delete("k").await.unwrap();
    world.jobs.release().await;
    world.jobs.collect().await;
    assert!(collect(begun).await.unwrap() == body);
    world.jobs.release().await;
    world.jobs.collect().await;
    assert_eq!(world.attempts_on(0).len(), 0);
    world.finish().await;
}

#[tokio::test]
async fn of_a_backend_that_is_not_ours_at_the_moment_nothing_is_suspected() {
    let body = bytes(19, 20_000);
    let mut world = two_copies(&body).await;
    let memory = world.backends[0].memory.clone();
    let identity = BackendKey::identity(&KeyPrefix::root()).unwrap();
    let ours = memory.bytes(identity.as_str()).unwrap();
    let blob = world.blobs_of("k")[0];
    let stranger = Identity {
        nonce: raft_types::BackendNonce([9; 16]),
        ..Identity::parse(&ours).unwrap()
    };
    // A folder that is not mounted, and another one in its place.
    for present in [None, Some(Bytes::from(stranger.to_string()))] {
        memory.lose(identity.as_str());
        if let Some(present) = present {
            memory.plant(identity.as_str(), present);
        }
        let rule = on_reads(
            &world,
            0,
            When::First(1),
            Fault::FailBefore(|| ErrorKind::NotFound),
        );
        assert!(world.get("k").await.unwrap() == body);
        assert_eq!(world.backends[0].script.fired(rule), 1);
        assert_eq!(world.jobs.report().await, 1);
        assert_eq!(states(&world, blob)[0].1, ReplicaState::Present);
        // From now on it is known: nothing more is written there.
        let written = world.attempts_on(0);
        world.put("another", &bytes(20, 10)).await.unwrap();
        assert_eq!(world.attempts_on(0), written);
        memory.plant(identity.as_str(), ours.clone());
        world
            .attached
            .get(world.backends[0].id)
            .unwrap()
            .check_identity()
            .await
            .unwrap();
    }
    world.finish().await;
}

#[tokio::test]
async fn a_replica_that_is_being_removed_serves_as_long_as_it_is_there() {
    let body = bytes(21, 60_000);
    let options = Options {
        backends: 2,
        ..Options::default()
    };
    let mut world = World::with(options).await;
    world.put("k", &body).await.unwrap();
    let blob = world.blobs_of("k")[0];
    world.copy(blob, 1).await;
    let address = world.blob(blob).replicas[0].address();
    let remove = RemoveReplica {
        blob,
        address,
        keep: 1,
    };
    let removed = world.metadata.execute(Command::RemoveReplica(remove)).await;
    assert_eq!(removed, Ok(Outcome::Done));
    let rule = on_reads(
        &world,
        1,
        When::Always,
        Fault::FailBefore(|| ErrorKind::Unavailable),
    );
    assert!(world.get("k").await.unwrap() == body);
    assert_eq!(world.backends[1].script.fired(rule), 1, "it is read last");
    // Nor is it suspected: that it goes is known.
    let rule = on_reads(&world, 0, When::Always, Fault::FailBefore(|| ErrorKind::NotFound));
    world.get("k").await.unwrap_err();
    assert_eq!(world.backends[0].script.fired(rule), 1);
    assert_eq!(world.jobs.report().await, 0);
    world.finish().await;
}
