//! What a ticket does with its attempt.

use raft_types::BlobId;
use raft_types::records::DeathCause;

use crate::replicas::Ticket;
use crate::replicas::ticket::DISCARD_QUEUE;
use crate::testing::World;

/// A ticket for an attempt of which bytes lie on the backend.
async fn ticket(world: &World, blob: u8) -> Ticket {
    let backend = &world.backends[0];
    let blob = BlobId([blob; 16]);
    let (ticket, physical) = world.epochs.begin(blob, backend.id, 3).await.unwrap();
    let key = world.attached.get(backend.id).unwrap().key(&physical).unwrap();
    backend
        .memory
        .plant(key.as_str(), bytes::Bytes::from_static(b"abc"));
    ticket
}

#[tokio::test]
async fn a_dropped_ticket_hands_its_attempt_over() {
    let mut world = World::new().await;
    let ticket = ticket(&world, 1).await;
    let attempt = ticket.attempt().unwrap().clone();
    assert_eq!(world.epochs.in_flight(), 1);
    drop(ticket);
    assert_eq!(world.epochs.in_flight(), 1, "until that is recorded");
    assert_eq!(world.jobs.discard().await, 1);
    assert_eq!(world.epochs.in_flight(), 0);
    let garbage: Vec<_> = world.rows().garbage.into_iter().collect();
    let [(key, record)] = &garbage[..] else {
        panic!("{garbage:?}")
    };
    assert_eq!((key.blob, key.attempt), (attempt.blob, attempt.address.attempt));
    assert_eq!((record.cause, record.stored), (DeathCause::GivenUp, 3));
    world.jobs.collect().await;
    assert_eq!(world.attempts_on(0).len(), 0);
    world.finish().await;
}

#[tokio::test]
async fn a_dropped_ticket_names_the_version_that_the_provider_gave() {
    let mut world = World::new().await;
    let mut ticket = ticket(&world, 1).await;
    ticket.set_provider_version(Some("v7".to_owned()));
    drop(ticket);
    world.quiet().await;
    let versions: Vec<_> = world
        .rows()
        .garbage
        .into_values()
        .map(|row| row.provider_version)
        .collect();
    assert_eq!(versions, [Some("v7".to_owned())]);
    // A backend without versions refuses to delete one; the sweep finds the bytes by their key.
    world.jobs.collect().await;
    assert_eq!(world.rows().garbage.len(), 1);
    let row = world.rows().garbage.into_keys().next().unwrap();
    let confirm = raft_types::commands::ConfirmDeleted {
        backend: row.backend,
        rows: vec![raft_types::commands::GarbageRow {
            died: row.died,
            blob: row.blob,
            epoch: row.epoch,
            attempt: row.attempt,
        }],
    };
    let confirmed = world
        .metadata
        .execute(raft_types::Command::ConfirmDeleted(confirm))
        .await;
    assert_eq!(confirmed, Ok(raft_types::Outcome::Done));
    world.finish().await;
}

#[tokio::test]
async fn a_settled_ticket_says_nothing_more() {
    let mut world = World::new().await;
    ticket(&world, 1).await.settle();
    assert_eq!(world.epochs.in_flight(), 0);
    assert_eq!(world.jobs.discard().await, 0);
    assert!(world.rows().garbage.is_empty());
    world.finish().await;
}

#[tokio::test]
async fn a_ticket_of_unknown_fate_keeps_its_epoch_and_its_bytes() {
    let mut world = World::new().await;
    ticket(&world, 1).await.leave_unknown();
    assert_eq!(world.jobs.discard().await, 0);
    world.epochs.rotate();
    world.jobs.advance().await.unwrap();
    world.jobs.sweep().await;
    assert!(world.rows().epochs.values().all(|epoch| epoch.seal.is_none()));
    assert_eq!(world.attempts_on(0).len(), 1);
    world.seal_session().await;
    world.find_sealed().await;
    world.jobs.renew_session().await.unwrap();
    world.finish().await;
}

#[tokio::test]
async fn attempts_that_find_no_room_in_the_queue_are_left_to_the_sweep() {
    let mut world = World::new().await;
    let backend = world.backends[0].id;
    // As many as the queue has room for, without bytes.
    for n in 0..DISCARD_QUEUE as u128 {
        let blob = BlobId((n + (1 << 64)).to_be_bytes());
        drop(world.epochs.begin(blob, backend, 0).await.unwrap());
    }
    drop(ticket(&world, 1).await);
    assert_eq!(world.epochs.in_flight(), DISCARD_QUEUE as u64, "one was let go");
    world.epochs.rotate();
    world.jobs.advance().await.unwrap();
    world.jobs.sweep().await;
    assert_eq!(
        world.attempts_on(0).len(),
        1,
        "not while others are still to be handed over"
    );
    world.quiet().await;
    world.jobs.advance().await.unwrap();
    world.jobs.sweep().await;
    assert_eq!(world.attempts_on(0).len(), 0);
    world.finish().await;
}
