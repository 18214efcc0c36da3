//! Power loss during the very first start, at every sync boundary of it: the next start completes what
//! was begun, and what is then acknowledged is as safe as anywhere. There is never half a cluster.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::sync::Arc;
use std::time::Duration;

use cluster_tests::cut::{Point, Tally, points};
use cluster_tests::{Disk, Node, NodeConfig, Rng, say, wait};
use cluster_tests_powercut::CutPolicy;
use http::Method;

/// Machines that are cut side by side.
const MACHINES: usize = 3;
/// Points of the ordinary run; there are some three times as many.
const ORDINARY: usize = 48;
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_first_start_survives_a_power_cut_at_every_sync_boundary() {
    let test = "a_first_start_survives_a_power_cut_at_every_sync_boundary";
    let mut rng = Rng::of_test(test);
    let Some(disk) = Disk::mount(test) else { return };
    let mut node = new_node(&disk);
    node.run();
    node.ready().await;
    let passed = disk.quiet().await;
    drop((node, disk));

    let points = Arc::new(points(1..=passed, ORDINARY, &mut rng));
    let mut tasks = tokio::task::JoinSet::new();
    for first in 0..MACHINES {
        let points = Arc::clone(&points);
        tasks.spawn(async move {
            let mut tally = Tally::default();
            for point in points.iter().skip(first).step_by(MACHINES) {
                cut(test, *point, &mut tally).await;
            }
            tally
        });
    }
    let mut tally = Tally::default();
    for part in tasks.join_all().await {
        tally.add(part);
    }
    say(&format!(
        "{test}: {passed} sync boundaries in a first start, {} points to cut at; {tally}",
        points.len()
    ));
    tally.assert_fired(&["directory data"]);
}

/// A node whose data directory does not exist. Its backend does: one that is missing is refused.
fn new_node(disk: &Disk) -> Node {
    Node::prepare(&NodeConfig {
        data_dir: Some(disk.path().join("data")),
        backend: Some(disk.folder("backend")),
        ..NodeConfig::default()
    })
}

/// Cuts the power at a point of a first start, and asserts that the second one makes a whole node.
async fn cut(test: &str, point: Point, tally: &mut Tally) {
    let disk = Disk::mount(test).expect("a second mount");
    let mut node = new_node(&disk);
    disk.freeze_at(point.boundary, point.side)
        .expect("a point of the cut");
    node.run();
    let off = until_off_or_ready(&disk, &mut node).await;
    if off {
        let outage = disk.wait_off(Duration::ZERO).expect("an outage");
        let boundary = outage.boundary.expect("the boundary of the cut");
        tally.note(&boundary, point.side);
        eprintln!("{point:?} was {boundary:?}");
    } else {
        disk.clear_freeze().expect("no cut");
        tally.miss(point);
    }
    eprintln!("{}", disk.lose_power(&mut node, point.policy));
    node.run();
    node.ready().await;
    let token = work(&node).await;
    // Whatever the second start has completed must be durable, and so must be what it made of the first.
    eprintln!(
        "{}",
        disk.lose_power(&mut node, CutPolicy::nothing(point.policy.seed))
    );
    node.run();
    node.ready().await;
    assert_works(&node, &token).await;
}

/// Whether the power went off; else the node has started and the disk is quiet.
async fn until_off_or_ready(disk: &Disk, node: &mut Node) -> bool {
    let ready = wait::until("a cut or a start", PATIENCE, || async {
        if !disk.is_on() {
            return Ok(false);
        }
        match node.status_of("/health/ready").await {
            Some(200) => Ok(true),
            other => Err(format!("the power is on and /health/ready answers {other:?}")),
        }
    })
    .await;
    if ready {
        disk.quiet().await;
    }
    !disk.is_on()
}

/// Writes, and begins to list. Gives the token with which the list goes on.
async fn work(node: &Node) -> String {
    let s3 = node.client();
    s3.put("/first", "").await.expect(200);
    for key in ["a", "b"] {
        s3.put(&format!("/first/{key}"), key).await.expect(200);
    }
    let query = [("list-type", "2"), ("max-keys", "1")];
    let page = s3.send(Method::GET, "/first", &query, &[], "").await.expect(200);
    assert_eq!(page.elements("Key"), ["a"]);
    page.element("NextContinuationToken").expect("a token")
}

/// What was acknowledged is there, the node's own secret (which authenticates tokens) included.
async fn assert_works(node: &Node, token: &str) {
    let s3 = node.client();
    for key in ["a", "b"] {
        assert_eq!(s3.get(&format!("/first/{key}")).await.expect(200).text(), key);
    }
    let query = [("list-type", "2"), ("continuation-token", token)];
    let page = s3.send(Method::GET, "/first", &query, &[], "").await.expect(200);
    assert_eq!(page.elements("Key"), ["b"]);
    node.assert_no_orphans().await;
}
