//! A session that somebody else sealed while the process runs (DESIGN 3.5).

use api::port::{BodyError, Error, WriteConditions};
use raft_types::commands::{OpenSession, Proposal, RemoveNode};
use raft_types::records::SealCause;
use raft_types::{BootNonce, Command, Envelope, Outcome, Record};

use crate::testing::{Fate, TestBody, World, bytes, collect};

#[tokio::test]
async fn uploads_under_way_fail_when_the_session_is_sealed_and_another_one_takes_the_next() {
    for size in [1_000, 600_000] {
        let mut world = World::new().await;
        world.put("before", &bytes(1, 10)).await.unwrap();
        let body = bytes(2, size);
        let (feeder, fed) = TestBody::fed(size);
        let put = world.begin_put("k", fed, WriteConditions::default()).await;
        feeder.send(body.slice(..size / 2));
        world.until_under_way(1).await;
        let first = world.metadata.session().id();
        world.seal_session().await;
        world.find_sealed().await;
        // At once: nobody waits for the rest of the body.
        let failed = put.await.unwrap();
        assert!(matches!(failed, Err(Error::Unavailable { .. })), "{failed:?}");
        feeder.closed().await;
        let refused = world.put("k", &body).await;
        assert!(matches!(refused, Err(Error::Unavailable { .. })), "{refused:?}");
        assert!(world.get("before").await.unwrap() == bytes(1, 10), "reads go on");

        world.jobs.renew_session().await.unwrap();
        assert_ne!(world.metadata.session().id(), first);
        // What the first one left is the sweep's; the second one does not speak for it.
        world.jobs.discard().await;
        assert!(world.rows().garbage.is_empty());
        assert!(world.rows().incidents.is_empty());
        world.put("k", &body).await.unwrap();
        assert!(world.get("k").await.unwrap() == body);
        world.jobs.advance().await.unwrap();
        world.jobs.sweep().await;
        assert_eq!(world.attempts_on(0).len(), 2);
        world.finish().await;
    }
}

#[tokio::test]
async fn a_commit_of_a_sealed_session_is_refused_and_never_happens_later() {
    let mut world = World::new().await;
    world.put("k", &bytes(1, 10)).await.unwrap();
    world.wire.next("CommitObject", Fate::Held);
    let put = world
        .begin_put("k", TestBody::of(&bytes(2, 500)), WriteConditions::default())
        .await;
    world.wire.until_met(1).await;
    world.seal_session().await;
    world.wire.release();
    let failed = put.await.unwrap();
    assert!(matches!(failed, Err(Error::Unavailable { .. })), "{failed:?}");
    assert_eq!(world.jobs.discard().await, 0, "nobody touches what is unknown");
    world.jobs.renew_session().await.unwrap();
    assert!(world.get("k").await.unwrap() == bytes(1, 10));
    world.finish().await;
}

#[tokio::test]
async fn a_commit_under_the_next_session_cannot_name_attempts_of_the_one_before() {
    let mut world = World::new().await;
    world.put("k", &bytes(1, 10)).await.unwrap();
    let (feeder, fed) = TestBody::fed(500);
    let (ticket, _) = world
        .epochs
        .begin(raft_types::BlobId([1; 16]), world.backends[0].id, 10)
        .await
        .unwrap();
    drop((feeder, fed));
    world.seal_session().await;
    world.find_sealed().await;
    world.jobs.renew_session().await.unwrap();
    let attempt = ticket.attempt().unwrap().clone();
    let give_up = Command::GiveUpAttempts(raft_types::commands::GiveUpAttempts {
        attempts: vec![attempt],
    });
    let refused = world.metadata.execute(give_up).await.unwrap();
    assert!(matches!(refused, Outcome::Rejected(_)), "{refused:?}");
    drop(ticket);
    world.jobs.discard().await;
    assert!(world.rows().garbage.is_empty());
    world.finish().await;
}

#[tokio::test]
async fn reads_and_what_they_hold_survive_the_change_of_session() {
    let world = World::new().await;
    let body = bytes(3, 80_000);
    world.put("k", &body).await.unwrap();
    let read = world.open("k", 0..u64::MAX).await.unwrap();
    world.seal_session().await;
    world.find_sealed().await;
    world.jobs.renew_session().await.unwrap();
    world.delete("k").await.unwrap();
    world.jobs.collect().await;
    assert_eq!(world.attempts_on(0).len(), 1);
    assert!(collect(read).await.unwrap() == body);
    world.jobs.collect().await;
    assert_eq!(world.attempts_on(0).len(), 0);
    world.finish().await;
}

#[tokio::test]
async fn what_was_dropped_under_the_session_before_holds_up_nothing() {
    let mut world = World::new().await;
    let refused = || TestBody::of(&bytes(4, 10)).refused_at_end(BodyError::Md5Mismatch);
    world
        .put_body("k", refused(), WriteConditions::default())
        .await
        .unwrap_err();
    world.seal_session().await;
    world.find_sealed().await;
    world.jobs.renew_session().await.unwrap();
    world
        .put_body("k", refused(), WriteConditions::default())
        .await
        .unwrap_err();
    // One batch with attempts of both.
    assert_eq!(world.jobs.discard().await, 2);
    assert_eq!(world.rows().garbage.len(), 1);
    world.finish().await;
}

#[tokio::test]
async fn a_process_that_was_superseded_opens_no_other_session() {
    let world = World::new().await;
    world.put("k", &bytes(1, 10)).await.unwrap();
    // A later boot of a copy of the data directory.
    let open = OpenSession {
        node: world.handle().identity().node,
        boot: 99,
        nonce: BootNonce([7; 16]),
    };
    let envelope = Envelope::new(Proposal::OpenSession(open)).encode();
    let opened = world.handle().propose(envelope).await.unwrap();
    assert!(matches!(opened.outcome, Outcome::SessionOpened(_)));
    world.find_sealed().await;
    let why = world.jobs.renew_session().await.unwrap_err();
    assert!(why.contains("a later boot of this node is known"), "{why}");
    assert_eq!(
        world
            .rows()
            .sessions
            .values()
            .filter(|row| row.seal.is_none())
            .count(),
        1
    );
    world.shutdown().await;
}

#[tokio::test]
async fn a_node_that_was_removed_opens_no_other_session() {
    let world = World::new().await;
    world.put("k", &bytes(1, 10)).await.unwrap();
    let remove = RemoveNode {
        node: world.handle().identity().node,
    };
    world.metadata.execute(Command::RemoveNode(remove)).await.unwrap();
    let seals: Vec<_> = world
        .rows()
        .sessions
        .into_values()
        .filter_map(|row| row.seal)
        .collect();
    assert!(seals.iter().all(|seal| seal.cause == SealCause::NodeRemoved));
    world.find_sealed().await;
    let why = world.jobs.renew_session().await.unwrap_err();
    assert!(why.contains("not, or no longer, part of the cluster"), "{why}");
    world.shutdown().await;
}
