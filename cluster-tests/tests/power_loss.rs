//! Power loss: what was acknowledged is there after the machine lost power at any sync boundary, and
//! each of the syncs that this rests on is shown to be needed by taking it away.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use cluster_tests::{Node, NodeConfig, Rng};
use cluster_tests_powercut::{CutPolicy, Fault, MountOptions, PowerCutFs, Side};
use http::Method;
use tempfile::TempDir;

/// Cuts of the ordinary run. Campaigns ask for more by `HOLDFAST_POWER_CUTS`.
const CUTS: u64 = 12;
/// Sync boundaries within which a cut falls: a few requests' worth.
const WINDOW: u64 = 40;
/// How long handles of a killed process may take to close.
const PATIENCE: Duration = Duration::from_secs(30);

struct Machine {
    _backing: TempDir,
    mountpoint: TempDir,
    disk: PowerCutFs,
}

impl Machine {
    fn start(test: &str) -> Option<Self> {
        let backing = tempfile::tempdir().expect("a folder");
        let mountpoint = tempfile::tempdir().expect("a folder");
        let options = MountOptions::locate().expect("the power-cut binary, built beside the tests");
        let disk =
            PowerCutFs::mount_or_skip(test, backing.path(), mountpoint.path(), &options).expect("a mount")?;
        for folder in ["data", "backend"] {
            std::fs::create_dir(mountpoint.path().join(folder)).expect("a folder");
        }
        disk.commit_all().expect("durable folders");
        Some(Self {
            _backing: backing,
            mountpoint,
            disk,
        })
    }

    fn config(&self) -> NodeConfig {
        let at = |name: &str| -> Option<PathBuf> { Some(self.mountpoint.path().join(name)) };
        NodeConfig {
            data_dir: at("data"),
            backend: at("backend"),
            ..NodeConfig::default()
        }
    }

    /// Ends the process and the power, and brings the power back.
    fn lose_power(&self, node: &mut Node, policy: CutPolicy) {
        node.kill();
        let report = self.disk.cut(policy).expect("a cut");
        eprintln!("{report}");
        self.disk.power_on(PATIENCE).expect("power");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_a_power_cut_at_any_sync_boundary() {
    let test = "what_was_acknowledged_survives_a_power_cut_at_any_sync_boundary";
    let Some(machine) = Machine::start(test) else {
        return;
    };
    let mut rng = Rng::of_test(test);
    let cuts = std::env::var("HOLDFAST_POWER_CUTS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(CUTS);
    let mut node = Node::start(&machine.config()).await;
    node.client().put("/power", "").await.expect(200);
    let mut model: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for cut in 0..cuts {
        let boundary = machine.disk.stats().expect("stats").boundaries + 1 + rng.below(WINDOW);
        let side = if rng.below(2) == 0 {
            Side::Before
        } else {
            Side::After
        };
        machine
            .disk
            .freeze_at(boundary, side)
            .expect("a point of the cut");
        let open = work(&node, &mut model, &mut rng, cut).await;
        let policy = if rng.below(2) == 0 {
            CutPolicy::nothing(rng.draw())
        } else {
            CutPolicy::random(rng.draw())
        };
        machine.lose_power(&mut node, policy);
        node.run();
        node.ready().await;
        // The request that got no clear answer happened whole or not at all.
        let got = node.client().get(&format!("/power/{}", open.key)).await;
        if got.status == 200 && open.body.as_ref().is_some_and(|body| got.body == *body) {
            model.insert(open.key.clone(), got.body.to_vec());
        } else if got.status == 404 && open.body.is_none() {
            model.remove(&open.key);
        }
        for (key, body) in &model {
            let got = node.client().get(&format!("/power/{key}")).await.expect(200);
            assert!(got.body == *body, "{key} after cut {cut}");
        }
        assert_eq!(
            node.client().list("power").await,
            model.keys().cloned().collect::<Vec<_>>()
        );
        node.assert_no_orphans().await;
    }
}

/// A request whose outcome is not known.
struct Open {
    key: String,
    /// `None` where it was a DELETE.
    body: Option<Vec<u8>>,
}

/// Writes and deletes until the power is gone.
async fn work(node: &Node, model: &mut BTreeMap<String, Vec<u8>>, rng: &mut Rng, cut: u64) -> Open {
    let s3 = node.client();
    loop {
        let key = format!("k{:02}", rng.below(20));
        let path = format!("/power/{key}");
        let body = (rng.below(4) > 0).then(|| {
            let length = [0, 3_000, 70_000, 400_000][rng.below(4) as usize];
            let mut body = format!("cut {cut} ").into_bytes();
            body.extend(rng.bytes(length));
            body
        });
        let answer = match &body {
            Some(body) => s3.try_send(Method::PUT, &path, &[], &[], body.clone()).await,
            None => s3.try_send(Method::DELETE, &path, &[], &[], "").await,
        };
        match (answer, body) {
            (Ok(answer), Some(body)) if answer.status == 200 => drop(model.insert(key, body)),
            (Ok(answer), None) if answer.status == 204 => drop(model.remove(&key)),
            (Ok(answer), _) if answer.status.is_client_error() => {
                panic!("{} {}", answer.status, answer.text())
            }
            (_, body) => return Open { key, body },
        }
    }
}

/// Takes a sync away and shows that an acknowledged object is gone after a power cut.
async fn assert_needed(test: &str, mutants: Vec<Fault>) {
    let Some(machine) = Machine::start(test) else {
        return;
    };
    let mut node = Node::start(&machine.config()).await;
    node.client().put("/mutant", "").await.expect(200);
    // The bucket's first object makes its key and epoch: those are not what is looked at here.
    node.client().put("/mutant/first", "first").await.expect(200);
    machine.disk.commit_all().expect("a durable beginning");
    for mutant in mutants {
        machine.disk.inject(mutant).expect("a mutant");
    }
    node.client()
        .put("/mutant/acknowledged", "acknowledged")
        .await
        .expect(200);
    machine.lose_power(&mut node, CutPolicy::nothing(1));
    machine.disk.clear_faults().expect("no more mutants");
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
    assert_needed(test, vec![Fault::ignore_file_sync("data/raftlog/**")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_blobs_fsync_an_acknowledged_object_is_lost() {
    let test = "without_the_blobs_fsync_an_acknowledged_object_is_lost";
    assert_needed(test, vec![Fault::ignore_file_sync("backend/**")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_fsync_of_the_blobs_folder_an_acknowledged_object_is_lost() {
    let test = "without_the_fsync_of_the_blobs_folder_an_acknowledged_object_is_lost";
    assert_needed(test, vec![Fault::ignore_dir_sync("backend/**")]).await;
}
