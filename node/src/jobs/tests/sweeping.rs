//! Sweeping what sealed epochs left.

use bytes::Bytes;
use node_backend::fault::{Fault, KeyFilter, Rule, When};
use node_backend::{ErrorKind, Operation};
use raft_types::ids::Incarnation;
use raft_types::records::SweepPass;
use raft_types::{Attempt, BlobId, ClusterId, EpochId, IncarnationCounter, PhysicalKey};

use crate::jobs::JobTimes;
use crate::testing::{Options, World, bytes};

/// A world with an object in a sealed epoch that was not swept yet.
async fn sealed() -> (World, EpochId) {
    let world = World::new().await;
    world.put("kept", &bytes(1, 500)).await.unwrap();
    world.put("dead", &bytes(2, 500)).await.unwrap();
    world.delete("dead").await.unwrap();
    world.epochs.rotate();
    world.jobs.advance().await.unwrap();
    let epoch = world.rows().epochs.into_keys().next().unwrap().epoch;
    (world, epoch)
}

fn physical(world: &World, epoch: EpochId, blob: u8) -> PhysicalKey {
    PhysicalKey {
        cluster: world.identity.cluster,
        incarnation: world.identity.incarnation,
        epoch,
        blob: BlobId([blob; 16]),
        attempt: Attempt(77),
    }
}

fn plant(world: &World, key: &str) {
    world.backends[0]
        .memory
        .plant(key, Bytes::from_static(b"planted"));
}

#[tokio::test]
async fn a_sweep_deletes_what_no_row_refers_to_and_nothing_else() {
    let (world, epoch) = sealed().await;
    world.put("in another epoch", &bytes(3, 500)).await.unwrap();
    let ours = physical(&world, epoch, 9);
    let unreferenced = ours.to_string();
    let foreign_cluster = PhysicalKey {
        cluster: ClusterId([9; 16]),
        ..ours
    };
    let other_life = PhysicalKey {
        incarnation: Incarnation {
            counter: IncarnationCounter(1),
            tag: world.identity.incarnation.tag ^ 1,
        },
        ..ours
    };
    let open_epoch = PhysicalKey {
        epoch: EpochId(epoch.0 + 1),
        ..ours
    };
    let later_epoch = PhysicalKey {
        epoch: EpochId(epoch.0 + 100),
        ..ours
    };
    let prefix = PhysicalKey::epoch_prefix(ours.cluster, ours.incarnation, epoch);
    let kept = [
        foreign_cluster.to_string(),
        other_life.to_string(),
        open_epoch.to_string(),
        later_epoch.to_string(),
        // Ours in every respect but their spelling.
        unreferenced.to_uppercase(),
        format!("{unreferenced}0"),
        format!("{unreferenced}/x"),
        format!("{prefix}notes.txt"),
        format!("{}x", prefix.trim_end_matches('/')),
        // A client's own, where the prefix of the backend is empty.
        "12/january.csv".to_owned(),
        ".holdfast/keyring/zzz".to_owned(),
    ];
    plant(&world, &unreferenced);
    for key in &kept {
        plant(&world, key);
    }
    let referenced = world.attempts_on(0).len();
    world.jobs.sweep().await;
    let left = world.backends[0].memory.keys();
    for key in &kept {
        assert!(left.contains(key), "{key} was deleted");
    }
    assert!(!left.contains(&unreferenced));
    assert_eq!(
        world.attempts_on(0).len(),
        referenced - 1,
        "what is in garbage is left to its row"
    );
    assert!(world.get("kept").await.unwrap() == bytes(1, 500));
    for key in &kept {
        world.backends[0].memory.lose(key);
    }
    world.finish().await;
}

#[tokio::test]
async fn only_a_sealed_epoch_is_swept() {
    let world = World::new().await;
    world.put("k", &bytes(1, 10)).await.unwrap();
    let epoch = world.rows().epochs.into_keys().next().unwrap().epoch;
    let unknown = physical(&world, epoch, 9).to_string();
    plant(&world, &unknown);
    // Open.
    world.jobs.sweep().await;
    assert!(world.attempts_on(0).contains(&unknown));
    // Closing: an attempt of it is under way.
    let (ticket, _) = world
        .epochs
        .begin(BlobId([1; 16]), world.backends[0].id, 0)
        .await
        .unwrap();
    world.epochs.rotate();
    world.jobs.advance().await.unwrap();
    world.jobs.sweep().await;
    assert!(world.attempts_on(0).contains(&unknown));
    ticket.settle();
    world.jobs.advance().await.unwrap();
    world.jobs.sweep().await;
    assert!(!world.attempts_on(0).contains(&unknown));
    world.finish().await;
}

#[tokio::test]
async fn an_epoch_is_swept_twice_and_not_before_its_time() {
    let (mut world, epoch) = sealed().await;
    let late = physical(&world, epoch, 9).to_string();
    world.jobs.set_times(JobTimes {
        second_sweep_after: std::time::Duration::from_secs(60 * 60),
        ..Options::default().times
    });
    world.jobs.sweep().await;
    plant(&world, &late);
    world.jobs.sweep().await;
    assert!(world.attempts_on(0).contains(&late));
    let passes: Vec<_> = world.rows().epochs[&raft_types::keys::EpochKey { epoch }]
        .sweeps
        .iter()
        .map(|sweep| sweep.pass)
        .collect();
    assert_eq!(passes, [SweepPass::First]);
    world.jobs.set_times(Options::default().times);
    world.jobs.sweep().await;
    assert!(!world.attempts_on(0).contains(&late));
    assert!(world.rows().epochs.is_empty(), "it is forgotten");
    world.finish().await;
}

#[tokio::test]
async fn a_sweep_that_fails_is_not_recorded_and_goes_as_far_as_it_can() {
    let faults = [
        (Operation::List, Fault::FailBefore(|| ErrorKind::Unavailable)),
        (Operation::Delete, Fault::FailBefore(|| ErrorKind::Unavailable)),
        (Operation::Delete, Fault::FailAfter(|| ErrorKind::Unavailable)),
    ];
    for (operation, fault) in faults {
        let (world, epoch) = sealed().await;
        let (first, second) = (
            physical(&world, epoch, 8).to_string(),
            physical(&world, epoch, 9).to_string(),
        );
        plant(&world, &first);
        plant(&world, &second);
        let rule = Rule {
            operation: Some(operation),
            key: KeyFilter::Contains(if operation == Operation::Delete {
                first.clone()
            } else {
                String::new()
            }),
            when: When::Always,
            fault: fault.clone(),
        };
        let rule = world.backends[0].script.add(rule);
        world.jobs.sweep().await;
        assert!(world.backends[0].script.fired(rule) > 0);
        assert!(
            world.rows().epochs.values().all(|epoch| epoch.sweeps.is_empty()),
            "{fault:?}"
        );
        let is_left = world.attempts_on(0).contains(&second);
        assert_eq!(is_left, operation == Operation::List, "{fault:?}");
        world.backends[0].script.end(rule);
        world.jobs.sweep().await;
        let left = world.attempts_on(0);
        assert!(!left.contains(&first) && !left.contains(&second));
        world.finish().await;
    }
}

#[tokio::test]
async fn a_key_that_cannot_be_deleted_holds_up_no_other_page_and_no_other_epoch() {
    let (world, stuck_epoch) = sealed().await;
    // Several pages of them.
    for blob in 0..2_100_u32 {
        let mut key = physical(&world, stuck_epoch, 9);
        key.attempt = Attempt(blob);
        plant(&world, &key.to_string());
    }
    world.put("k", &bytes(3, 10)).await.unwrap();
    world.epochs.rotate();
    world.jobs.advance().await.unwrap();
    let other_epoch = physical(&world, EpochId(stuck_epoch.0 + 1), 9).to_string();
    plant(&world, &other_epoch);
    let mut stuck = physical(&world, stuck_epoch, 9);
    stuck.attempt = Attempt(0);
    let stuck = stuck.to_string();
    let rule = Rule {
        operation: Some(Operation::Delete),
        key: KeyFilter::Contains(stuck.clone()),
        when: When::Always,
        fault: Fault::FailBefore(|| ErrorKind::Denied),
    };
    let rule = world.backends[0].script.add(rule);
    world.jobs.sweep().await;
    let left = world.attempts_on(0);
    // Two that are live, one in garbage, and the one that is stuck.
    assert_eq!(left.len(), 4, "{left:?}");
    assert!(left.contains(&stuck) && !left.contains(&other_epoch));
    world.backends[0].script.end(rule);
    world.finish().await;
}

#[tokio::test]
async fn a_backend_that_fails_holds_up_the_sweeps_of_no_other() {
    let world = World::with(Options::two_copies()).await;
    world.put("k", &bytes(1, 10)).await.unwrap();
    world.epochs.rotate();
    world.jobs.advance().await.unwrap();
    let epoch = world.rows().epochs.into_keys().next().unwrap().epoch;
    let unreferenced = physical(&world, epoch, 9).to_string();
    for backend in &world.backends {
        backend
            .memory
            .plant(&unreferenced, Bytes::from_static(b"planted"));
    }
    let script = &world.backends[0].script;
    script.on(
        Operation::List,
        When::Always,
        Fault::FailBefore(|| ErrorKind::Unavailable),
    );
    world.jobs.sweep().await;
    assert!(world.attempts_on(0).contains(&unreferenced));
    assert!(!world.attempts_on(1).contains(&unreferenced));
    world.finish().await;
}

#[tokio::test]
async fn a_sweep_that_the_end_of_the_node_cuts_off_is_not_recorded() {
    let (world, epoch) = sealed().await;
    let unreferenced = physical(&world, epoch, 9).to_string();
    plant(&world, &unreferenced);
    world.jobs.stop();
    world.jobs.sweep().await;
    assert!(world.attempts_on(0).contains(&unreferenced));
    assert!(world.rows().epochs.values().all(|epoch| epoch.sweeps.is_empty()));
    world.jobs.go_on();
    world.finish().await;
}
