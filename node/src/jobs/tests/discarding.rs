//! Handing over what requests dropped.

use api::port::{BodyError, Error, WriteConditions};
use raft_types::commands::DismissIncident;
use raft_types::records::IncidentKind;
use raft_types::{Command, Outcome};

use crate::testing::{Fate, TestBody, World, bytes};

#[tokio::test]
async fn many_dropped_requests_are_handed_over_in_batches() {
    let mut world = World::new().await;
    // More than one command may name.
    let mut puts = Vec::new();
    for n in 0..300 {
        let refused = TestBody::of(&bytes(n, 10)).refused_at_end(BodyError::Md5Mismatch);
        puts.push(world.begin_put("k", refused, WriteConditions::default()).await);
    }
    for put in puts {
        assert_eq!(put.await.unwrap(), Err(Error::Body(BodyError::Md5Mismatch)));
    }
    world.quiet().await;
    assert_eq!(world.rows().garbage.len(), 300);
    world.jobs.collect().await;
    assert_eq!(world.rows().garbage.len(), 0);
    world.finish().await;
}

#[tokio::test]
async fn an_attempt_that_is_live_is_never_given_up_and_holds_up_no_other() {
    let mut world = World::new().await;
    // A broken promise: the log has taken what it says it has not.
    world.wire.next("CommitObject", Fate::Denied);
    let body = bytes(1, 500);
    world.put("live", &body).await.unwrap_err();
    let refused = TestBody::of(&bytes(2, 10)).refused_at_end(BodyError::Md5Mismatch);
    world
        .put_body("k", refused, WriteConditions::default())
        .await
        .unwrap_err();
    world.quiet().await;
    // Said, and not repeated for ever; the other one is handed over.
    let incidents: Vec<_> = world.rows().incidents.into_iter().collect();
    assert!(!incidents.is_empty());
    assert!(
        incidents
            .iter()
            .all(|(_, row)| row.kind == IncidentKind::LiveAttemptGivenUp)
    );
    assert_eq!(world.rows().garbage.len(), 1);
    world.jobs.collect().await;
    assert!(world.get("live").await.unwrap() == body);
    for (key, _) in incidents {
        let dismiss = Command::DismissIncident(DismissIncident { incident: key.row });
        assert_eq!(world.metadata.execute(dismiss).await, Ok(Outcome::Done));
    }
    world.finish().await;
}
