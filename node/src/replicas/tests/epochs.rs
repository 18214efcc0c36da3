//! Epochs from their first attempt to their seal.

use std::collections::BTreeSet;
use std::time::Duration;

use api::port::{Error, WriteConditions};
use node_backend::Operation;
use node_backend::fault::{Fault, When};
use raft_types::commands::SetBackendState;
use raft_types::records::{BackendState, DeathCause};
use raft_types::{BlobId, Command, Outcome, PhysicalKey};

use crate::replicas::EpochLimits;
use crate::testing::{Fate, Options, TestBody, World, bytes, until};

async fn with_limits(limits: EpochLimits) -> World {
    World::with(Options {
        epochs: limits,
        ..Options::default()
    })
    .await
}

fn after_attempts(attempts: u32) -> EpochLimits {
    EpochLimits {
        attempts,
        ..EpochLimits::default()
    }
}

/// Epoch and attempt of everything that lies on the backend.
fn numbers(world: &World) -> Vec<(u64, u32)> {
    let keys = world.attempts_on(0);
    let mut numbers: Vec<_> = keys
        .iter()
        .map(|key| key.parse::<PhysicalKey>().unwrap())
        .map(|key| (key.epoch.0, key.attempt.0))
        .collect();
    numbers.sort_unstable();
    numbers
}

#[tokio::test]
async fn a_session_goes_on_to_another_epoch_after_so_many_attempts() {
    let world = with_limits(after_attempts(3)).await;
    for n in 0..8 {
        world.put(&format!("k{n}"), &bytes(n, 100)).await.unwrap();
    }
    let first = numbers(&world)[0].0;
    let expected: Vec<_> = (0..8).map(|n| (first + n / 3, (n % 3) as u32)).collect();
    assert_eq!(numbers(&world), expected);
    // The first two are used up and settled: they are closed, told where they lie, sealed, swept.
    world.jobs.advance().await.unwrap();
    let sealed: Vec<_> = world
        .rows()
        .epochs
        .values()
        .map(|epoch| epoch.seal.is_some())
        .collect();
    assert_eq!(sealed, [true, true, false]);
    let used = world
        .rows()
        .epochs
        .into_values()
        .filter_map(|epoch| epoch.closing);
    assert!(
        used.into_iter()
            .all(|closing| closing.used == [world.backends[0].id])
    );
    world.jobs.sweep().await;
    world.jobs.sweep().await;
    assert_eq!(world.rows().epochs.len(), 1);
    for n in 0..8 {
        assert!(world.get(&format!("k{n}")).await.unwrap() == bytes(n, 100));
    }
    world.finish().await;
}

#[tokio::test]
async fn a_session_goes_on_to_another_epoch_after_so_long_a_use() {
    let world = with_limits(EpochLimits {
        in_use: Duration::ZERO,
        ..EpochLimits::default()
    })
    .await;
    for n in 0..3 {
        world.put(&format!("k{n}"), &bytes(n, 100)).await.unwrap();
    }
    let epochs: BTreeSet<u64> = numbers(&world).into_iter().map(|(epoch, _)| epoch).collect();
    assert_eq!(epochs.len(), 3);
    // Also when nothing is written any more.
    world.jobs.advance().await.unwrap();
    assert!(world.rows().epochs.values().all(|epoch| epoch.seal.is_some()));
    world.finish().await;
}

#[tokio::test]
async fn an_epoch_in_use_is_left_alone() {
    let world = World::new().await;
    for n in 0..5 {
        world.put("k", &bytes(n, 100)).await.unwrap();
        world.jobs.advance().await.unwrap();
    }
    let epochs: Vec<_> = world.rows().epochs.into_values().collect();
    assert!(matches!(&epochs[..], [epoch] if epoch.closing.is_none() && epoch.seal.is_none()));
    world.finish().await;
}

#[tokio::test]
async fn an_upload_longer_than_its_epoch_is_committed_under_it() {
    let mut world = with_limits(after_attempts(1)).await;
    let body = bytes(1, 600_000);
    let (feeder, fed) = TestBody::fed(body.len());
    let put = world.begin_put("long", fed, WriteConditions::default()).await;
    feeder.send(body.slice(..400_000));
    world.until_under_way(1).await;
    for n in 0..3 {
        world.put("short", &bytes(n, 100)).await.unwrap();
    }
    world.jobs.advance().await.unwrap();
    world.jobs.sweep().await;
    let epochs: Vec<_> = world.rows().epochs.into_values().collect();
    let waits: Vec<_> = epochs.iter().filter(|epoch| epoch.seal.is_none()).collect();
    // The one of the long upload, which takes no new attempts, and perhaps the one in use.
    assert!(waits.iter().any(|epoch| epoch.closing.is_some()), "{epochs:?}");
    feeder.send(body.slice(400_000..));
    drop(feeder);
    put.await.unwrap().unwrap();
    assert!(world.get("long").await.unwrap() == body);
    world.quiet().await;
    world.jobs.advance().await.unwrap();
    assert!(world.rows().epochs.values().all(|epoch| epoch.seal.is_some()));
    world.finish().await;
}

#[tokio::test]
async fn an_epoch_that_waits_too_long_is_sealed_under_its_uploads() {
    for size in [200_000, 600_000] {
        let mut world = with_limits(EpochLimits {
            force_seal_after: Duration::ZERO,
            ..EpochLimits::default()
        })
        .await;
        world.put("before", &bytes(1, 10)).await.unwrap();
        let body = bytes(2, size);
        let (feeder, fed) = TestBody::fed(body.len());
        let put = world.begin_put("k", fed, WriteConditions::default()).await;
        feeder.send(body);
        world.until_under_way(1).await;
        world.epochs.rotate();
        world.jobs.advance().await.unwrap();
        assert!(world.rows().epochs.values().all(|epoch| epoch.seal.is_some()));
        drop(feeder);
        let refused = put.await.unwrap();
        assert!(matches!(refused, Err(Error::Unavailable { .. })), "{refused:?}");
        assert_eq!(world.get("k").await, Err(Error::NoSuchKey { marker: None }));
        // The refusal has taken the bytes: the epoch is known as long as it is not swept.
        let causes: Vec<_> = world.rows().garbage.into_values().map(|row| row.cause).collect();
        assert_eq!(causes, [DeathCause::Rejected]);
        world.assert_handed_over().await;
        world.finish().await;
    }
}

#[tokio::test]
async fn a_put_that_hangs_is_cut_off_by_the_sweep_of_its_epoch() {
    let world = with_limits(EpochLimits {
        force_seal_after: Duration::ZERO,
        ..EpochLimits::default()
    })
    .await;
    world.put("before", &bytes(1, 10)).await.unwrap();
    let body = bytes(2, 600_000);
    let (feeder, fed) = TestBody::fed(body.len());
    let put = world.begin_put("k", fed, WriteConditions::default()).await;
    feeder.send(body.slice(..400_000));
    // The backend has a part of it, which no get would find.
    until("the put", || async {
        match world.incomplete().await.len() {
            1 => Ok(()),
            other => Err(format!("{other} are incomplete")),
        }
    })
    .await;
    world.epochs.rotate();
    world.jobs.advance().await.unwrap();
    world.jobs.sweep().await;
    assert_eq!(world.incomplete().await, Vec::<String>::new());
    feeder.send(body.slice(400_000..));
    drop(feeder);
    let refused = put.await.unwrap();
    assert!(matches!(refused, Err(Error::Unavailable { .. })), "{refused:?}");
    assert_eq!(world.attempts_on(0).len(), 1);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_physical_key_is_ever_given_out_twice() {
    let mut world = with_limits(after_attempts(7)).await;
    let (backend, blob) = (world.backends[0].id, BlobId([5; 16]));
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let epochs = std::sync::Arc::clone(&world.epochs);
            tokio::spawn(async move {
                let mut keys = Vec::new();
                for _ in 0..25 {
                    let (ticket, key) = epochs.begin(blob, backend, 0).await.unwrap();
                    ticket.settle();
                    keys.push(key.to_string());
                }
                keys
            })
        })
        .collect();
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await.unwrap());
        world.jobs.advance().await.unwrap();
    }
    let distinct: BTreeSet<_> = all.iter().collect();
    assert_eq!((all.len(), distinct.len()), (400, 400));
    let highest = all
        .iter()
        .map(|key| key.parse::<PhysicalKey>().unwrap().attempt.0)
        .max();
    assert_eq!(highest, Some(6), "no epoch takes more attempts than it may");
    world.quiet().await;
    world.finish().await;
}

#[tokio::test]
async fn a_write_dropped_while_its_epoch_is_opened_leaves_no_epoch_behind() {
    let mut world = World::new().await;
    world.wire.next("OpenEpoch", Fate::Held);
    let body = TestBody::of(&bytes(1, 100));
    let put = world.begin_put("k", body, WriteConditions::default()).await;
    world.wire.until_met(1).await;
    put.abort();
    assert!(put.await.unwrap_err().is_cancelled());
    world.wire.release();
    // It is opened all the same, and the next write uses it.
    world.put("k", &bytes(2, 100)).await.unwrap();
    assert_eq!(world.rows().epochs.len(), 1);
    world.assert_handed_over().await;
    world.finish().await;
}

#[tokio::test]
async fn closing_and_sealing_survive_lost_commands_and_lost_answers() {
    for command in ["CloseEpoch", "SealEpoch"] {
        for fate in [Fate::NotTaken, Fate::Lost, Fate::AnswerLost] {
            let world = World::new().await;
            world.put("k", &bytes(1, 100)).await.unwrap();
            world.epochs.rotate();
            world.wire.next(command, fate.clone());
            world.jobs.advance().await.unwrap_err();
            world.jobs.advance().await.unwrap();
            let epochs: Vec<_> = world.rows().epochs.into_values().collect();
            assert!(
                matches!(&epochs[..], [epoch] if epoch.seal.is_some()),
                "{command} {fate:?}: {epochs:?}"
            );
            assert_eq!(epochs[0].closing.as_ref().unwrap().used, [world.backends[0].id]);
            world.finish().await;
        }
    }
}

#[tokio::test]
async fn an_epoch_that_cannot_move_on_holds_up_no_other() {
    let world = with_limits(after_attempts(1)).await;
    for n in 0..3 {
        world.put("k", &bytes(n, 100)).await.unwrap();
    }
    world.wire.next("CloseEpoch", Fate::NotTaken);
    world.jobs.advance().await.unwrap_err();
    let sealed = world
        .rows()
        .epochs
        .values()
        .filter(|epoch| epoch.seal.is_some())
        .count();
    assert_eq!(sealed, 2);
    world.finish().await;
}

#[tokio::test]
async fn every_backend_with_an_attempt_is_told_even_where_it_stored_nothing() {
    let world = World::with(Options::two_copies()).await;
    world.put("before", &bytes(1, 10)).await.unwrap();
    world.epochs.rotate();
    let script = &world.backends[1].script;
    script.on(
        Operation::Put,
        When::First(1),
        Fault::FailBefore(|| node_backend::ErrorKind::Full),
    );
    world.put("k", &bytes(2, 100)).await.unwrap();
    world.epochs.rotate();
    world.jobs.advance().await.unwrap();
    let closings: Vec<_> = world
        .rows()
        .epochs
        .into_values()
        .map(|epoch| epoch.closing.unwrap().used)
        .collect();
    let both = vec![world.backends[0].id, world.backends[1].id];
    assert_eq!(closings, [both.clone(), both]);
    world.finish().await;
}

#[tokio::test]
async fn a_backend_that_is_drained_during_an_upload_takes_it_and_a_removed_one_does_not() {
    let mut world = World::new().await;
    world.put("before", &bytes(1, 10)).await.unwrap();
    let backend = world.backends[0].id;
    let (feeder, fed) = TestBody::fed(10);
    let put = world.begin_put("k", fed, WriteConditions::default()).await;
    feeder.send(bytes(2, 10));
    world.until_under_way(1).await;
    let set = |from, to| Command::SetBackendState(SetBackendState { backend, from, to });
    let draining = set(BackendState::Active, BackendState::Draining);
    let drained = world.metadata.execute(draining).await;
    assert_eq!(drained, Ok(Outcome::Done));
    // A new write is not even begun there.
    let refused = world.put("late", &bytes(3, 10)).await;
    assert!(matches!(refused, Err(Error::Unavailable { .. })), "{refused:?}");
    let remove = set(BackendState::Draining, BackendState::Removed);
    let removed = world.metadata.execute(remove).await;
    assert!(
        matches!(removed, Ok(Outcome::Rejected(_))),
        "it holds objects: {removed:?}"
    );
    drop(feeder);
    put.await.unwrap().unwrap();
    assert!(world.get("k").await.unwrap() == bytes(2, 10));
    world.assert_handed_over().await;
    world.finish().await;
}
