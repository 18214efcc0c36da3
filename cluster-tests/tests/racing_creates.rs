//! Of many writes that race to create one key exactly one wins, and of the others nothing stays; and a
//! write whose client goes away leaves nothing behind, wherever it was by then.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::time::Duration;

use bytes::Bytes;
use cluster_tests::held::HeldPut;
use cluster_tests::{Disk, Node, NodeConfig, Rng, backend, wait};
use cluster_tests_powercut::{Effect, Fault, OpClass};

/// Writers of one race.
const RACERS: usize = 48;
/// Races, with bodies stored in one call and streamed ones.
const RACES: [usize; 3] = [1, 3_000, 600_000];
const CREATE_ONLY: [(&str, &str); 1] = [("if-none-match", "*")];
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the sync takes in whose midst a client goes away.
const SLOW_SYNC: Duration = Duration::from_millis(300);

#[tokio::test(flavor = "multi_thread")]
async fn of_many_racing_creates_exactly_one_wins_and_one_blob_stays() {
    let mut rng = Rng::of_test("of_many_racing_creates_exactly_one_wins_and_one_blob_stays");
    let node = Node::start(&NodeConfig::default()).await;
    let s3 = node.client();
    s3.put("/race", "").await.expect(200);
    for (race, length) in RACES.into_iter().enumerate() {
        let path = format!("/race/{race}");
        let bodies: Vec<Bytes> = (0..RACERS).map(|_| rng.bytes(length).into()).collect();
        // All have been taken on while the key was free: nobody is refused early.
        let mut racers = Vec::new();
        for body in &bodies {
            racers.push(HeldPut::begin(&s3, &path, &CREATE_ONLY, body.clone()).await);
        }
        let mut tasks = tokio::task::JoinSet::new();
        for (n, racer) in racers.into_iter().enumerate() {
            tasks.spawn(async move { (n, racer.finish().await) });
        }
        let statuses = tasks.join_all().await;
        let won: Vec<usize> = statuses
            .iter()
            .filter(|(_, status)| *status == 200)
            .map(|(n, _)| *n)
            .collect();
        let lost = statuses.iter().filter(|(_, status)| *status == 412).count();
        assert_eq!((won.len(), lost), (1, RACERS - 1), "{statuses:?}");
        assert!(s3.get(&path).await.expect(200).body == bodies[won[0]]);
        node.assert_no_orphans().await;
        assert_eq!(backend::attempts(node.backend()).len(), race + 1);
    }
    // Every one of them had stored its body before the commit decided.
    let puts = node
        .metric("s3o_backend_stored_bytes_total")
        .await
        .expect("bytes stored");
    let sent: usize = RACES.iter().map(|length| length * RACERS).sum();
    assert!(puts >= sent as f64, "{puts} of {sent} bytes were stored");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_client_goes_away_leaves_nothing_behind() {
    let test = "a_write_whose_client_goes_away_leaves_nothing_behind";
    let Some(disk) = Disk::mount(test) else { return };
    let mut rng = Rng::of_test(test);
    let config = NodeConfig {
        backend: Some(disk.folder("backend")),
        ..NodeConfig::default()
    };
    let node = Node::start(&config).await;
    let s3 = node.client();
    s3.put("/gone", "").await.expect(200);
    s3.put("/gone/first", "first").await.expect(200);
    // While its bytes are synced, and while its name is, which is there by then.
    for class in [OpClass::SyncFile, OpClass::SyncDir] {
        for length in [2_000, 600_000] {
            let slow = Effect::DelayMillis(SLOW_SYNC.as_millis() as u64);
            let fault = disk
                .inject(Fault::new(class, "backend/.holdfast/**", slow).times(1))
                .expect("a slow sync");
            let mut put = HeldPut::begin(&s3, "/gone/key", &[], rng.bytes(length).into()).await;
            put.send_body().await;
            wait::until("a sync in which the client can go", PATIENCE, || {
                let fired = disk.fault_count(fault).expect("its count").fired > 0;
                std::future::ready(if fired { Ok(()) } else { Err("none".to_owned()) })
            })
            .await;
            drop(put);
            // Whether it happened is nobody's knowledge; by halves it did not.
            disk.quiet().await;
            node.assert_no_orphans().await;
            let listed = s3.list("gone").await;
            assert_eq!(
                backend::attempts(node.backend()).len(),
                listed.len(),
                "{class:?}: {listed:?}"
            );
            s3.delete("/gone/key").await.expect(204);
            disk.clear_faults().expect("a fast disk");
            node.assert_no_orphans().await;
        }
    }
}
