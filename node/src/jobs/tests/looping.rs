//! The jobs as they run in a process.

use api::port::{BodyError, Error, WriteConditions};
use node_backend::fault::{Fault, KeyFilter, Rule, When};
use node_backend::{ErrorKind, Operation};
use raft_types::commands::{OpenSession, Proposal};
use raft_types::records::ReplicaState;
use raft_types::{BootNonce, Envelope, Record};

use crate::jobs::Jobs;
use crate::testing::{Options, TestBody, World, bytes, until};

#[tokio::test]
async fn running_jobs_clean_up_after_everything() {
    let mut world = World::with(Options {
        epochs: crate::replicas::EpochLimits {
            attempts: 5,
            ..crate::replicas::EpochLimits::default()
        },
        ..Options::two_copies()
    })
    .await;
    let jobs = Jobs::start(world.take_jobs());
    for n in 0..20 {
        world.put(&format!("k{}", n % 4), &bytes(n, 3_000)).await.unwrap();
    }
    let upload = world.create_upload("parts", None).await;
    for number in 1..=5 {
        let body = TestBody::of(&bytes(number, 2_000));
        world.part("parts", &upload, number, body).await.unwrap();
    }
    world.abort("parts", &upload).await.unwrap();
    let refused = TestBody::of(&bytes(1, 10)).refused_at_end(BodyError::Md5Mismatch);
    world
        .put_body("k", refused, WriteConditions::default())
        .await
        .unwrap_err();
    until("the end of all that is dead", || async {
        let rows = world.rows();
        let left = (
            rows.garbage.len(),
            rows.release.len(),
            world.attempts_on(0).len(),
            world.attempts_on(1).len(),
        );
        // Epochs that are used up are swept; the one in use may stand.
        match (left, rows.epochs.len()) {
            ((0, 0, 4, 4), 0 | 1) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    jobs.stop().await;
    world.finish().await;
}

#[tokio::test]
async fn running_jobs_report_what_reads_find() {
    let mut world = World::with(Options::two_copies()).await;
    let jobs = Jobs::start(world.take_jobs());
    world.put("k", &bytes(1, 9_000)).await.unwrap();
    let blob = world.blobs_of("k")[0];
    world.backends[0].script.add(Rule {
        operation: Some(Operation::Get),
        key: KeyFilter::Contains(world.identity.cluster.to_string()),
        when: When::First(1),
        fault: Fault::FlipBit { at: 200 },
    });
    assert!(world.get("k").await.unwrap() == bytes(1, 9_000));
    until("the report", || async {
        match world.blob(blob).replicas[0].state {
            ReplicaState::Suspect => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    jobs.stop().await;
    world.finish().await;
}

#[tokio::test]
async fn a_backend_that_hangs_holds_up_the_jobs_of_no_other() {
    let mut world = World::with(Options::two_copies()).await;
    let jobs = Jobs::start(world.take_jobs());
    let script = world.backends[0].script.clone();
    let hang = script.on(Operation::Delete, When::Always, Fault::Stall);
    for round in 0..3 {
        world.put("k", &bytes(round, 100)).await.unwrap();
        until("the deletion on the other backend", || async {
            match world.attempts_on(1).len() {
                1 => Ok(()),
                other => Err(format!("{other} attempts")),
            }
        })
        .await;
    }
    script.until_fired(hang, 1).await;
    assert_eq!(world.attempts_on(0).len(), 3);
    script.end(hang);
    script.release().await;
    until("the deletion on the backend that hung", || async {
        match world.attempts_on(0).len() {
            1 => Ok(()),
            other => Err(format!("{other} attempts")),
        }
    })
    .await;
    jobs.stop().await;
    world.finish().await;
}

#[tokio::test]
async fn discards_that_do_not_get_through_are_kept() {
    let mut world = World::new().await;
    for _ in 0..3 {
        world.wire.next("GiveUpAttempts", crate::testing::Fate::NotTaken);
    }
    let jobs = Jobs::start(world.take_jobs());
    let script = &world.backends[0].script;
    world.put("before", &bytes(1, 10)).await.unwrap();
    script.on(
        Operation::Put,
        When::First(1),
        Fault::FailAfter(|| ErrorKind::Unavailable),
    );
    let failed = world.put("k", &bytes(2, 10)).await;
    assert!(matches!(failed, Err(Error::Unavailable { .. })), "{failed:?}");
    until("the deletion", || async {
        match world.attempts_on(0).len() {
            1 => Ok(()),
            other => Err(format!("{other} attempts")),
        }
    })
    .await;
    world.wire.until_met(3).await;
    jobs.stop().await;
    world.finish().await;
}

#[tokio::test]
async fn a_running_node_replaces_a_sealed_session_by_itself() {
    let mut world = World::new().await;
    let jobs = Jobs::start(world.take_jobs());
    world.put("before", &bytes(1, 10)).await.unwrap();
    for round in 0..3 {
        let sealed = world.metadata.session().id();
        world.seal_session().await;
        world.find_sealed().await;
        until("another session", || async {
            if world.metadata.session().id() == sealed {
                return Err(format!("{sealed} is in use"));
            }
            Ok(())
        })
        .await;
        world.put("k", &bytes(round, 300)).await.unwrap();
    }
    assert!(jobs.session_lost().borrow().is_none());
    assert!(world.get("k").await.unwrap() == bytes(2, 300));
    until("the sweeps of what the sealed ones left", || async {
        match (world.rows().epochs.len(), world.attempts_on(0).len()) {
            (1, 2) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    jobs.stop().await;
    world.finish().await;
}

#[tokio::test]
async fn a_running_node_that_was_superseded_says_that_it_cannot_go_on() {
    let mut world = World::new().await;
    let jobs = Jobs::start(world.take_jobs());
    let mut lost = jobs.session_lost();
    let open = OpenSession {
        node: world.handle().identity().node,
        boot: 99,
        nonce: BootNonce([7; 16]),
    };
    let envelope = Envelope::new(Proposal::OpenSession(open)).encode();
    world.handle().propose(envelope).await.unwrap();
    world.find_sealed().await;
    let why = lost.wait_for(Option::is_some).await.unwrap().clone().unwrap();
    assert!(why.contains("a later boot"), "{why}");
    jobs.stop().await;
    world.shutdown().await;
}
