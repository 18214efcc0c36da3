//! Commands that do not get through, or whose outcome nobody knows: what a client hears, and who
//! touches the bytes when.

use api::port::{Error, WriteConditions};
use node_backend::fault::{Fault, When};
use node_backend::{ErrorKind, Operation};
use raft_types::records::DeathCause;
use raft_types::{Outcome, Refusal};

use crate::testing::{Fate, TestBody, World, bytes, until};

fn is_unavailable<T: std::fmt::Debug>(result: &Result<T, Error>) -> bool {
    matches!(result, Err(Error::Unavailable { .. }))
}

#[tokio::test]
async fn a_commit_that_was_not_taken_hands_its_attempts_over() {
    for size in [100, 700_000] {
        let mut world = World::new().await;
        world.put("before", &bytes(1, 10)).await.unwrap();
        world.wire.next("CommitObject", Fate::NotTaken);
        let put = world.put("k", &bytes(2, size)).await;
        assert!(is_unavailable(&put), "{put:?}");
        assert_eq!(world.attempts_on(0).len(), 2, "the bytes were stored");
        world.assert_handed_over().await;
        let causes: Vec<_> = world.rows().garbage.into_values().map(|row| row.cause).collect();
        assert_eq!(causes, [DeathCause::GivenUp]);
        assert_eq!(world.get("k").await, Err(Error::NoSuchKey { marker: None }));
        world.finish().await;
    }
}

#[tokio::test]
async fn of_a_commit_that_was_lost_nobody_touches_the_bytes_before_it_is_cancelled() {
    let mut world = World::new().await;
    world.put("k", &bytes(1, 10)).await.unwrap();
    world.wire.next("CommitObject", Fate::Lost);
    let put = world.put("k", &bytes(2, 5_000)).await;
    assert!(is_unavailable(&put), "{put:?}");
    let stored = world.attempts_on(0);
    assert_eq!(stored.len(), 2);
    // Neither the hand-over nor the end of the epoch comes first.
    world.epochs.rotate();
    world.jobs.advance().await.unwrap();
    assert_eq!(world.jobs.discard().await, 0);
    world.jobs.collect().await;
    world.jobs.sweep().await;
    assert_eq!(world.attempts_on(0), stored);
    assert!(world.rows().epochs.values().all(|epoch| epoch.seal.is_none()));
    assert!(world.get("k").await.unwrap() == bytes(1, 10));
    world.wire.release();
    world.assert_handed_over().await;
    assert!(world.get("k").await.unwrap() == bytes(1, 10));
    world.finish().await;
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_has_happened_and_its_bytes_stay() {
    let mut world = World::new().await;
    world.put("k", &bytes(1, 10)).await.unwrap();
    world.wire.next("CommitObject", Fate::AnswerLost);
    let body = bytes(2, 5_000);
    let put = world.put("k", &body).await;
    assert!(is_unavailable(&put), "{put:?}");
    assert!(world.get("k").await.unwrap() == body);
    world.epochs.rotate();
    world.jobs.advance().await.unwrap();
    assert!(world.rows().epochs.values().all(|epoch| epoch.seal.is_none()));
    world.wire.release();
    world.quiet().await;
    world.jobs.advance().await.unwrap();
    assert!(
        world.rows().epochs.values().all(|epoch| epoch.seal.is_some()),
        "all is settled"
    );
    assert!(world.get("k").await.unwrap() == body);
    world.finish().await;
}

#[tokio::test]
async fn a_client_that_leaves_while_its_commit_is_under_way_changes_nothing_about_it() {
    for fate in [Fate::Held, Fate::AnswerHeld] {
        let mut world = World::new().await;
        world.put("k", &bytes(1, 10)).await.unwrap();
        world.wire.next("CommitObject", fate.clone());
        let body = bytes(2, 5_000);
        let put = world
            .begin_put("k", TestBody::of(&body), WriteConditions::default())
            .await;
        world.wire.until_met(1).await;
        put.abort();
        assert!(put.await.unwrap_err().is_cancelled());
        assert_eq!(world.jobs.discard().await, 0, "the commit goes on");
        world.wire.release();
        world.quiet().await;
        assert!(world.get("k").await.unwrap() == body, "{fate:?}");
        world.finish().await;
    }
}

#[tokio::test]
async fn the_bytes_of_a_commit_whose_outcome_stays_unknown_are_the_sweeps() {
    let mut world = World::new().await;
    world.put("before", &bytes(1, 10)).await.unwrap();
    world
        .wire
        .next("CommitObject", Fate::Answered(Outcome::Refused(Refusal::Settled)));
    let put = world.put("k", &bytes(2, 5_000)).await;
    assert_eq!(put, Err(Error::Internal));
    assert_eq!(world.jobs.discard().await, 0, "what is unknown is not given up");
    world.epochs.rotate();
    world.jobs.advance().await.unwrap();
    world.jobs.sweep().await;
    assert_eq!(
        world.attempts_on(0).len(),
        2,
        "its epoch does not end before its session"
    );
    world.seal_session().await;
    world.find_sealed().await;
    world.jobs.renew_session().await.unwrap();
    world.jobs.sweep().await;
    assert_eq!(world.attempts_on(0).len(), 1);
    assert!(world.get("before").await.unwrap() == bytes(1, 10));
    world.finish().await;
}

#[tokio::test]
async fn an_epoch_that_cannot_be_opened_fails_the_write_before_its_body_is_stored() {
    for fate in [Fate::NotTaken, Fate::Lost, Fate::AnswerLost] {
        let mut world = World::new().await;
        world.wire.next("OpenEpoch", fate.clone());
        let put = world.put("k", &bytes(1, 5_000)).await;
        assert!(is_unavailable(&put), "{fate:?}: {put:?}");
        assert_eq!(world.attempts_on(0).len(), 0);
        world.put("k", &bytes(2, 5_000)).await.unwrap();
        // Where the first one was opened after all, it ends unused.
        world.wire.release();
        until("the end of unused epochs", || async {
            world.jobs.advance().await.unwrap();
            match world.rows().epochs.len() {
                1 => Ok(()),
                other => Err(format!("{other} epochs")),
            }
        })
        .await;
        assert!(world.get("k").await.unwrap() == bytes(2, 5_000));
        world.quiet().await;
        world.finish().await;
    }
}

#[tokio::test]
async fn a_late_put_that_arrives_after_its_deletion_is_found_by_the_second_sweep() {
    for size in [3_000, 700_000] {
        let mut world = World::new().await;
        world.put("before", &bytes(1, 10)).await.unwrap();
        let script = world.backends[0].script.clone();
        let late = Fault::Late(|| ErrorKind::Unavailable);
        let rule = script.on(Operation::Put, When::First(1), late);
        let put = world.put("k", &bytes(2, size)).await;
        assert!(is_unavailable(&put), "{put:?}");
        assert_eq!(script.fired(rule), 1);
        world.assert_handed_over().await;
        world.jobs.collect().await;
        assert!(
            world.rows().garbage.is_empty(),
            "deleting what is not there succeeds"
        );
        world.epochs.rotate();
        world.jobs.advance().await.unwrap();
        world.jobs.sweep().await;
        assert_eq!(world.rows().epochs.len(), 1, "a second sweep is to come");
        script.release().await;
        assert_eq!(world.attempts_on(0).len(), 2, "it has arrived");
        world.jobs.sweep().await;
        assert_eq!(world.attempts_on(0).len(), 1);
        assert_eq!(world.rows().epochs.len(), 0);
        world.finish().await;
    }
}

#[tokio::test]
async fn a_put_of_unknown_outcome_on_a_backend_with_versions_leaves_no_version() {
    let options = crate::testing::Options {
        versioned: true,
        ..crate::testing::Options::default()
    };
    let mut world = World::with(options).await;
    world.put("before", &bytes(1, 10)).await.unwrap();
    world.put("gone", &bytes(1, 10)).await.unwrap();
    world.delete("gone").await.unwrap();
    let script = world.backends[0].script.clone();
    script.on(
        Operation::Put,
        When::First(1),
        Fault::FailAfter(|| ErrorKind::Unavailable),
    );
    let put = world.put("k", &bytes(2, 5_000)).await;
    assert!(is_unavailable(&put), "{put:?}");
    world.assert_handed_over().await;
    world.jobs.collect().await;
    // The version that nobody was told of is only hidden by its deletion; the sweep sees it.
    world.finish().await;
}
