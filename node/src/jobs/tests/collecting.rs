//! Deleting what died.

use std::num::NonZeroUsize;
use std::time::Duration;

use node_backend::fault::{Fault, KeyFilter, Rule, When};
use node_backend::identity::Identity;
use node_backend::{BackendKey, ErrorKind, KeyPrefix, Operation};
use raft_types::BackendNonce;

use crate::jobs::JobTimes;
use crate::testing::{Options, TestBody, World, bytes};

async fn dead(objects: u64) -> World {
    let world = World::new().await;
    for n in 0..objects {
        world.put(&format!("k{n}"), &bytes(n, 50)).await.unwrap();
    }
    for n in 0..objects {
        world.delete(&format!("k{n}")).await.unwrap();
    }
    world
}

fn failing_on(key: &str, fault: Fault) -> Rule {
    Rule {
        operation: Some(Operation::Delete),
        key: KeyFilter::Contains(key.to_owned()),
        when: When::Always,
        fault,
    }
}

#[tokio::test]
async fn a_key_that_cannot_be_deleted_holds_up_no_other_and_is_tried_again() {
    // More than a batch; the first of all cannot be deleted.
    let world = dead(270).await;
    let stuck = world.attempts_on(0).into_iter().next().unwrap();
    let refused = failing_on(&stuck, Fault::FailBefore(|| ErrorKind::Denied));
    let rule = world.backends[0].script.add(refused);
    world.jobs.collect().await;
    assert_eq!(
        world.attempts_on(0).into_iter().collect::<Vec<_>>(),
        std::slice::from_ref(&stuck)
    );
    assert_eq!(world.rows().garbage.len(), 1);
    assert_eq!(world.backends[0].script.fired(rule), 1, "once in a turn");
    world.jobs.collect().await;
    assert_eq!(world.backends[0].script.fired(rule), 2);
    world.backends[0].script.end(rule);
    world.jobs.collect().await;
    assert_eq!(world.attempts_on(0).len(), 0);
    assert_eq!(world.rows().garbage.len(), 0);
    world.finish().await;
}

#[tokio::test]
async fn a_delete_that_fails_after_its_effect_is_done_again() {
    let world = dead(1).await;
    let failed = failing_on("", Fault::FailAfter(|| ErrorKind::Unavailable));
    let rule = world.backends[0].script.add(failed);
    world.jobs.collect().await;
    assert_eq!(world.attempts_on(0).len(), 0);
    assert_eq!(
        world.rows().garbage.len(),
        1,
        "nothing is confirmed that is not certain"
    );
    world.backends[0].script.end(rule);
    world.jobs.collect().await;
    assert_eq!(world.rows().garbage.len(), 0);
    world.finish().await;
}

#[tokio::test]
async fn what_a_backend_only_claims_to_have_deleted_is_found_by_the_sweep() {
    let mut world = dead(1).await;
    world.put("kept", &bytes(9, 50)).await.unwrap();
    let rule = world.backends[0].script.add(failing_on("", Fault::Lie));
    world.jobs.collect().await;
    assert_eq!(world.rows().garbage.len(), 0);
    assert_eq!(world.attempts_on(0).len(), 2);
    world.backends[0].script.end(rule);
    world.epochs.rotate();
    world.jobs.advance().await.unwrap();
    world.jobs.sweep().await;
    assert_eq!(world.attempts_on(0).len(), 1);
    assert!(world.get("kept").await.unwrap() == bytes(9, 50));
    world.quiet().await;
    world.finish().await;
}

#[tokio::test]
async fn a_backend_that_fails_holds_up_no_other() {
    let world = World::with(Options::two_copies()).await;
    for n in 0..3 {
        world.put("k", &bytes(n, 50)).await.unwrap();
    }
    world.delete("k").await.unwrap();
    let unreadable = Rule {
        operation: None,
        key: KeyFilter::Any,
        when: When::Always,
        fault: Fault::FailBefore(|| ErrorKind::Unavailable),
    };
    world.backends[0].script.add(unreadable);
    world.jobs.collect().await;
    assert_eq!((world.attempts_on(0).len(), world.attempts_on(1).len()), (3, 0));
    world.finish().await;
}

#[tokio::test]
async fn nothing_is_deleted_on_a_backend_that_is_not_ours() {
    let world = dead(1).await;
    let memory = world.backends[0].memory.clone();
    let identity = BackendKey::identity(&KeyPrefix::root()).unwrap();
    let ours = memory.bytes(identity.as_str()).unwrap();
    let stranger = Identity {
        nonce: BackendNonce([9; 16]),
        ..Identity::parse(&ours).unwrap()
    };
    for present in [None, Some(stranger.to_string().into())] {
        memory.lose(identity.as_str());
        if let Some(present) = present {
            memory.plant(identity.as_str(), present);
        }
        world.jobs.collect().await;
        world.epochs.rotate();
        world.jobs.advance().await.unwrap();
        world.jobs.sweep().await;
        assert_eq!(world.attempts_on(0).len(), 1);
        assert_eq!(world.rows().garbage.len(), 1);
        assert!(world.rows().epochs.values().all(|epoch| epoch.sweeps.is_empty()));
    }
    memory.plant(identity.as_str(), ours);
    world.jobs.collect().await;
    assert_eq!(world.attempts_on(0).len(), 0);
    world.finish().await;
}

#[tokio::test]
async fn the_dead_are_kept_for_a_while() {
    let world = World::with(Options {
        times: JobTimes {
            min_age: Duration::from_secs(60 * 60),
            max_age: Duration::from_secs(2 * 60 * 60),
            ..Options::default().times
        },
        clock_behind: Duration::from_secs(59 * 60),
        ..Options::default()
    })
    .await;
    world.put("young", &bytes(1, 50)).await.unwrap();
    let upload = world.create_upload("parts", None).await;
    world
        .part("parts", &upload, 1, TestBody::of(&bytes(2, 50)))
        .await
        .unwrap();
    world.delete("young").await.unwrap();
    world.abort("parts", &upload).await.unwrap();
    world.jobs.release().await;
    world.jobs.collect().await;
    assert_eq!(world.attempts_on(0).len(), 2);
    let mut world = world;
    world.jobs.set_times(JobTimes {
        min_age: Duration::from_secs(58 * 60),
        ..Options::default().times
    });
    world.jobs.release().await;
    world.jobs.collect().await;
    assert_eq!(world.attempts_on(0).len(), 0);
    world.jobs.set_times(Options::default().times);
    world.finish().await;
}

#[tokio::test]
async fn a_listing_that_lies_deletes_nothing_that_is_referred_to() {
    let world = dead(2).await;
    world.put("kept", &bytes(9, 50)).await.unwrap();
    world.epochs.rotate();
    world.jobs.advance().await.unwrap();
    for fault in [
        Fault::Duplicate,
        Fault::Omit {
            every: NonZeroUsize::new(2).unwrap(),
        },
    ] {
        let script = &world.backends[0].script;
        let rule = script.on(Operation::List, When::Always, fault);
        world.jobs.sweep().await;
        script.end(rule);
        assert!(world.get("kept").await.unwrap() == bytes(9, 50));
    }
    world.finish().await;
}
