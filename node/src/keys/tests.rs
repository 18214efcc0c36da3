//! The making of bucket keys, whatever fails meanwhile.

use api::port::Error;
use node_backend::fault::{Fault, KeyFilter, Rule, When};
use node_backend::{ErrorKind, Operation};
use node_crypto::keys::MasterKey;
use node_crypto::{EncryptionDisabled, MasterVersion};
use raft_types::records::KeyState;

use super::{BucketKeys, Sealing};
use crate::keys::make::KeysError;
use crate::testing::{Fate, Options, World, bytes, poll_times};

fn keyrings(world: &World, backend: usize) -> Vec<String> {
    let keys = world.backends[backend].memory.keys().into_iter();
    keys.filter(|key| key.starts_with(".holdfast/keyring/")).collect()
}

fn on_keyrings(world: &World, backend: usize, operation: Operation, when: When, fault: Fault) {
    world.backends[backend].script.add(Rule {
        operation: Some(operation),
        key: KeyFilter::Contains("/keyring/".to_owned()),
        when,
        fault,
    });
}

/// The versions of all bucket keys, and their states.
fn versions(world: &World) -> Vec<(u32, KeyState)> {
    let rows = world.rows().keys.into_iter();
    rows.map(|(place, row)| (place.version.0, row.state)).collect()
}

fn open(world: &World, sealing: Sealing) -> Result<BucketKeys, KeysError> {
    BucketKeys::open(
        world.metadata.clone(),
        std::sync::Arc::clone(&world.attached),
        world.identity.clone(),
        sealing,
    )
}

#[tokio::test]
async fn a_key_wraps_nothing_before_its_keyring_was_verified_on_a_backend() {
    let wrong = [
        Fault::FailBefore(|| ErrorKind::Unavailable),
        Fault::FailAfter(|| ErrorKind::Unavailable),
        Fault::Lie,
        Fault::FlipBit { at: 90 },
        Fault::Truncate { keep: 50 },
    ];
    for fault in wrong {
        let world = World::new().await;
        on_keyrings(&world, 0, Operation::Put, When::First(1), fault.clone());
        let put = world.put("k", &bytes(1, 100)).await;
        assert!(
            matches!(put, Err(Error::Unavailable { .. })),
            "{fault:?}: {put:?}"
        );
        assert_eq!(versions(&world), [(1, KeyState::Pending)], "{fault:?}");
        assert_eq!(world.attempts_on(0).len(), 0);
        // The next write goes on with the same version.
        world.put("k", &bytes(1, 100)).await.unwrap();
        assert_eq!(versions(&world), [(1, KeyState::Active)], "{fault:?}");
        assert_eq!(keyrings(&world, 0).len(), 1);
        assert!(world.get("k").await.unwrap() == bytes(1, 100));
        world.finish().await;
    }
}

#[tokio::test]
async fn the_keyring_lies_on_two_backends_and_on_others_where_one_of_them_fails() {
    let world = World::with(Options {
        backends: 3,
        ..Options::default()
    })
    .await;
    on_keyrings(
        &world,
        0,
        Operation::Put,
        When::Always,
        Fault::FailBefore(|| ErrorKind::Full),
    );
    world.put("k", &bytes(1, 100)).await.unwrap();
    let found: Vec<_> = (0..3).map(|backend| keyrings(&world, backend).len()).collect();
    assert_eq!(found, [0, 1, 1]);
    world.finish().await;
}

#[tokio::test]
async fn older_keyrings_that_cannot_be_removed_do_not_hold_up_a_new_key() {
    let world = World::new().await;
    world.put("k", &bytes(1, 100)).await.unwrap();
    on_keyrings(
        &world,
        0,
        Operation::Delete,
        When::First(1),
        Fault::FailBefore(|| ErrorKind::Denied),
    );
    world.keys.write_keyring().await.unwrap();
    world.delete("k").await.unwrap();
    world.delete_bucket().await.unwrap();
    world.create_bucket().await;
    world.put("k", &bytes(2, 100)).await.unwrap();
    assert_eq!(keyrings(&world, 0).len(), 2);
    world.keys.write_keyring().await.unwrap();
    assert_eq!(keyrings(&world, 0).len(), 1, "the next write removes them");
    world.finish().await;
}

#[tokio::test]
async fn a_first_write_dropped_anywhere_leaves_one_key_at_most() {
    for polls in 0..200 {
        let mut world = World::new().await;
        let ended = poll_times(world.put("k", &bytes(1, 100)), polls).await.is_some();
        world.assert_handed_over().await;
        world.put("k", &bytes(2, 100)).await.unwrap();
        assert_eq!(versions(&world), [(1, KeyState::Active)], "{polls}");
        assert!(world.get("k").await.unwrap() == bytes(2, 100));
        world.finish().await;
        if ended {
            return;
        }
    }
    panic!("it never ends");
}

#[tokio::test]
async fn many_first_writes_make_one_key() {
    let world = World::new().await;
    let bodies: Vec<_> = (0..20).map(|n| bytes(n, 100)).collect();
    let puts = bodies.iter().enumerate().map(|(n, body)| {
        let world = &world;
        async move { world.put(&format!("k{n}"), body).await.unwrap() }
    });
    futures_util::future::join_all(puts).await;
    assert_eq!(versions(&world), [(1, KeyState::Active)]);
    world.finish().await;
}

#[tokio::test]
async fn commands_of_a_key_that_do_not_get_through_are_sent_again_by_the_next_write() {
    for command in ["PutBucketKey", "ProveKey", "RecordKeyring", "ActivateKey"] {
        for fate in [Fate::NotTaken, Fate::Lost, Fate::AnswerLost] {
            let world = World::new().await;
            world.wire.next(command, fate.clone());
            let put = world.put("k", &bytes(1, 100)).await;
            assert!(
                matches!(put, Err(Error::Unavailable { .. })),
                "{command} {fate:?}: {put:?}"
            );
            assert_eq!(world.attempts_on(0).len(), 0);
            world.put("k", &bytes(1, 100)).await.unwrap();
            assert_eq!(versions(&world), [(1, KeyState::Active)], "{command} {fate:?}");
            assert!(world.get("k").await.unwrap() == bytes(1, 100));
            world.finish().await;
        }
    }
}

#[tokio::test]
async fn keys_are_found_again_and_only_under_their_master_key() {
    let world = World::new().await;
    world.put("k", &bytes(1, 100)).await.unwrap();
    let again = open(&world, world.sealing()).unwrap();
    assert_eq!(again.current().revision(), world.keys.current().revision());
    let other = Sealing::Master {
        key: MasterKey::generate().unwrap(),
        provider: "test".to_owned(),
        sealed: Vec::new(),
    };
    let refused = open(&world, other);
    assert!(
        matches!(refused, Err(KeysError::WrongMaster(MasterVersion(1)))),
        "{refused:?}"
    );
    world.finish().await;
}

#[tokio::test]
async fn without_a_master_key_an_encrypted_bucket_takes_no_plaintext() {
    let world = World::new().await;
    world.put("k", &bytes(1, 100)).await.unwrap();
    let keys = open(&world, Sealing::Disabled(EncryptionDisabled::by_settings()));
    let keys = std::sync::Arc::new(keys.unwrap());
    let rows = world.rows();
    let (id, record) = rows.buckets.iter().next().unwrap();
    let sealed = keys.encryption(id.bucket, record).await;
    assert!(matches!(sealed, Err(KeysError::NoMaster(bucket)) if bucket == id.bucket));
    world.finish().await;
}

#[tokio::test]
async fn a_key_that_another_node_made_is_read_when_a_blob_names_it() {
    let world = World::new().await;
    // As another node has it that read the keys before there were any.
    let stale = open(&world, world.sealing()).unwrap();
    world.put("k", &bytes(1, 100)).await.unwrap();
    let content = world.blob(world.blobs_of("k")[0]).content.unwrap();
    assert!(stale.current().revision() < world.keys.current().revision());
    let found = stale.for_reading(&content);
    assert_eq!(found.revision(), world.keys.current().revision());
    world.finish().await;
}
