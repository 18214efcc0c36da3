//! Power loss under several clients: what was acknowledged is there after the machine lost power at any
//! moment, and each of the syncs that this rests on is shown to be needed by taking it away.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::time::Duration;

use cluster_tests::cut::{Tally, policy};
use cluster_tests::workload::Writer;
use cluster_tests::{Disk, Node, Rng, say};
use cluster_tests_powercut::{CutPolicy, Fault, Side};

/// Cuts of the ordinary run. Campaigns ask for more by `HOLDFAST_POWER_CUTS`.
const CUTS: u64 = 12;
/// Sync boundaries within which a cut falls: a few requests' worth of each client.
const WINDOW: u64 = 60;
/// Clients that write at the same time, so that one sync of the log serves several.
const CLIENTS: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn what_several_clients_were_acknowledged_survives_power_cuts_at_random_sync_boundaries() {
    let test = "what_several_clients_were_acknowledged_survives_power_cuts_at_random_sync_boundaries";
    let Some(disk) = Disk::mount(test) else { return };
    let mut rng = Rng::of_test(test);
    let cuts = std::env::var("HOLDFAST_POWER_CUTS").map_or(CUTS, |number| {
        number.parse().expect("HOLDFAST_POWER_CUTS is a number")
    });
    let mut node = Node::start(&disk.config()).await;
    node.client().put("/power", "").await.expect(200);
    let mut writers: Vec<Writer> = (0..CLIENTS)
        .map(|n| Writer::new("power", &format!("client-{n}"), Rng::new(rng.draw())))
        .collect();
    let mut tally = Tally::default();
    for cut in 0..cuts {
        let side = if rng.below(2) == 0 {
            Side::Before
        } else {
            Side::After
        };
        let boundary = disk.passed() + 1 + rng.below(WINDOW);
        disk.freeze_at(boundary, side).expect("a point of the cut");
        writers = Writer::all_until_failure(writers, &node).await;
        let outage = disk
            .wait_off(Duration::ZERO)
            .expect("the cut is why requests failed");
        tally.note(&outage.boundary.expect("the boundary of the cut"), side);
        let report = disk.lose_power(&mut node, policy(&mut rng));
        eprintln!("cut {cut}: {report}");
        node.run();
        node.ready().await;
        Writer::assert_all_there(&mut writers, &node).await;
        node.assert_no_orphans().await;
    }
    say(&format!("{test}: {tally}"));
    assert_eq!(u64::from(tally.cuts()), cuts);
}

/// Takes a sync away and shows that an acknowledged object is gone after a power cut.
async fn assert_needed(test: &str, mutant: Fault) {
    let Some(disk) = Disk::mount(test) else { return };
    let mut node = Node::start(&disk.config()).await;
    node.client().put("/mutant", "").await.expect(200);
    // The bucket's first object makes its key and epoch: those are not what is looked at here.
    node.client().put("/mutant/first", "first").await.expect(200);
    disk.commit_all().expect("a durable beginning");
    let mutant = disk.inject(mutant).expect("a mutant");
    node.client()
        .put("/mutant/acknowledged", "acknowledged")
        .await
        .expect(200);
    assert!(
        disk.fault_count(mutant).expect("its count").fired > 0,
        "no sync was taken away"
    );
    disk.lose_power(&mut node, CutPolicy::nothing(1));
    disk.clear_faults().expect("no more mutants");
    node.run();
    node.ready().await;
    assert_eq!(
        node.client().get("/mutant/first").await.expect(200).text(),
        "first"
    );
    let got = node.client().get("/mutant/acknowledged").await;
    assert_ne!(got.status, 200, "the power cut was survived without the sync");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_logs_fsync_an_acknowledged_object_is_lost() {
    let test = "without_the_logs_fsync_an_acknowledged_object_is_lost";
    assert_needed(test, Fault::ignore_file_sync("data/raftlog/**")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_blobs_fsync_an_acknowledged_object_is_lost() {
    let test = "without_the_blobs_fsync_an_acknowledged_object_is_lost";
    assert_needed(test, Fault::ignore_file_sync("backend/**")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_fsync_of_the_blobs_folder_an_acknowledged_object_is_lost() {
    let test = "without_the_fsync_of_the_blobs_folder_an_acknowledged_object_is_lost";
    assert_needed(test, Fault::ignore_dir_sync("backend/**")).await;
}
