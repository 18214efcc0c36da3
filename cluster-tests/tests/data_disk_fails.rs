//! A full or failing disk under the metadata: the process says why and ends, it never goes on after a
//! failed sync, and once the disk is well again the node has everything that it had acknowledged.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use cluster_tests::workload::Writer;
use cluster_tests::{Disk, Node, NodeConfig, Rng, say};
use cluster_tests_powercut::{CutPolicy, Effect, Fault, FaultError, OpClass};

/// Failures of each kind in the ordinary run. Campaigns ask for more by `HOLDFAST_DISK_FAULTS`.
const ROUNDS: u64 = 4;
const CLIENTS: usize = 3;
/// Syncs of the log that go well before one fails.
const SYNCS: u64 = 20;
/// Room that is left on a disk that fills up.
const ROOM: u64 = 256 << 10;
/// What the system says of a full disk.
const NO_SPACE: &str = "No space left on device";
/// The exit code of a node that served and could not go on.
const COULD_NOT_GO_ON: i32 = 3;
/// The exit code of a node that could not start.
const NOT_STARTED: i32 = 1;

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_sync_of_the_log_ends_the_process_and_loses_nothing() {
    let test = "a_failed_sync_of_the_log_ends_the_process_and_loses_nothing";
    let Some(mut rig) = Rig::start(test, "").await else {
        return;
    };
    for round in 0..rounds() {
        // Only once: whoever syncs again is told that all is well, although the bytes are gone.
        let fault = Fault::new(
            OpClass::SyncFile,
            "data/raftlog/*.log",
            Effect::Fail(FaultError::Io),
        )
        .after(rig.rng.below(SYNCS))
        .times(1);
        let fault = rig.disk.inject(fault).expect("a fault");
        rig.until_ended("fsync of the Raft log failed").await;
        assert_eq!(rig.disk.fault_count(fault).expect("its count").fired, 1);
        rig.disk.clear_faults().expect("a disk that is well");
        // The kernel has dropped what it could not write; with the machine off nobody remembers it.
        let report = rig
            .disk
            .lose_power(&mut rig.node, CutPolicy::nothing(rig.rng.draw()));
        eprintln!("round {round}: {report}");
        rig.recovers().await;
    }
    say(&format!("{test}: {} failed syncs", rounds()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_without_room_for_the_log_ends_the_process_and_loses_nothing() {
    let test = "a_disk_without_room_for_the_log_ends_the_process_and_loses_nothing";
    let Some(mut rig) = Rig::start(test, "").await else {
        return;
    };
    for round in 0..rounds() {
        let log = ["data/raftlog/*.log", "data/state/*/*.log"][round as usize % 2];
        let fault =
            Fault::new(OpClass::Write, log, Effect::Fail(FaultError::NoSpace)).after(rig.rng.below(SYNCS));
        let fault = rig.disk.inject(fault).expect("a fault");
        rig.until_ended(NO_SPACE).await;
        assert!(rig.disk.fault_count(fault).expect("its count").fired > 0);
        rig.disk.clear_faults().expect("a disk with room");
        rig.recovers().await;
    }
    say(&format!("{test}: {} disks without room", rounds()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_ends_the_process_and_the_node_goes_on_once_there_is_room() {
    let test = "a_full_disk_ends_the_process_and_the_node_goes_on_once_there_is_room";
    // Snapshots need new room soon; the logs have theirs reserved for long.
    let snapshots = "metadata: {snapshot_entries: 40, snapshot_interval: 1ms, check_interval: 20ms}\n";
    let Some(mut rig) = Rig::start(test, snapshots).await else {
        return;
    };
    for _ in 0..rounds() {
        let space = rig.disk.stats().expect("the counters").space;
        let budget = space.used + rig.rng.below(ROOM);
        rig.disk.set_space_budget(Some(budget)).expect("a smaller disk");
        rig.until_ended(NO_SPACE).await;
        assert!(rig.disk.stats().expect("the counters").space.refused > space.refused);
        // A supervisor starts it again and again: it says why it ends, and makes nothing worse.
        for _ in 0..2 {
            rig.disk.set_space_budget(Some(0)).expect("a full disk");
            rig.node.run();
            let status = rig.node.ready_or_ended().await.expect("an end");
            assert_eq!(status.code(), Some(NOT_STARTED), "{}", rig.node.log());
            let last = rig.node.last_words();
            assert!(
                last.starts_with("holdfast: cannot start: ") && last.contains(NO_SPACE),
                "{last}"
            );
        }
        rig.disk.set_space_budget(None).expect("a larger disk");
        rig.recovers().await;
    }
    say(&format!("{test}: {} full disks", rounds()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_start_on_a_failing_disk_says_so_and_is_completed_on_one_that_is_well() {
    let test = "a_first_start_on_a_failing_disk_says_so_and_is_completed_on_one_that_is_well";
    let mut rng = Rng::of_test(test);
    let Some(disk) = Disk::mount(test) else { return };
    let mut node = new_node(&disk);
    node.run();
    node.ready().await;
    let needed = disk.stats().expect("the counters");
    let mut refused = 0;
    for round in 0..2 * rounds() {
        let disk = Disk::mount(test).expect("a second mount");
        let mut node = new_node(&disk);
        let (cause, words) = if round % 2 == 0 {
            let budget = rng.below(needed.space.used);
            disk.set_space_budget(Some(budget)).expect("a small disk");
            (format!("{budget} bytes"), NO_SPACE)
        } else {
            let syncs = rng.below(needed.ops.file_syncs);
            let fault = Fault::new(OpClass::SyncFile, "data/**", Effect::Fail(FaultError::Io));
            disk.inject(fault.after(syncs)).expect("a fault");
            (format!("{syncs} syncs"), "Input/output error")
        };
        node.run();
        if let Some(status) = node.ready_or_ended().await {
            let last = node.last_words();
            assert_eq!(status.code(), Some(NOT_STARTED), "{cause}: {last}");
            assert!(
                last.starts_with("holdfast: cannot start: ") && last.contains(words),
                "{cause}: {last}"
            );
            refused += 1;
        }
        node.kill();
        disk.clear_faults().expect("a disk that is well");
        disk.set_space_budget(None).expect("a larger disk");
        // What a failed sync left is not to be relied on.
        disk.lose_power(&mut node, CutPolicy::nothing(rng.draw()));
        node.run();
        node.ready().await;
        node.client().put("/first", "").await.expect(200);
        node.client().put("/first/object", "whole").await.expect(200);
        assert_eq!(
            node.client().get("/first/object").await.expect(200).text(),
            "whole"
        );
        node.assert_no_orphans().await;
    }
    say(&format!("{test}: {refused} of {} refused", 2 * rounds()));
    assert!(refused > 0, "no first start has failed");
}

/// A node whose data directory does not exist.
fn new_node(disk: &Disk) -> Node {
    Node::prepare(&NodeConfig {
        data_dir: Some(disk.path().join("data")),
        ..NodeConfig::default()
    })
}

fn rounds() -> u64 {
    std::env::var("HOLDFAST_DISK_FAULTS").map_or(ROUNDS, |number| {
        number.parse().expect("HOLDFAST_DISK_FAULTS is a number")
    })
}

/// A node whose metadata, and nothing else, lies on a disk that fails, and the clients that write.
struct Rig {
    node: Node,
    disk: Disk,
    rng: Rng,
    writers: Vec<Writer>,
}

impl Rig {
    async fn start(test: &str, extra: &str) -> Option<Self> {
        let mut rng = Rng::of_test(test);
        let disk = Disk::mount(test)?;
        let config = NodeConfig {
            data_dir: Some(disk.folder("data")),
            extra: extra.to_owned(),
            ..NodeConfig::default()
        };
        let node = Node::start(&config).await;
        node.client().put("/faults", "").await.expect(200);
        let writers = (0..CLIENTS)
            .map(|n| Writer::new("faults", &format!("client-{n}"), Rng::new(rng.draw())))
            .collect();
        Some(Self {
            node,
            disk,
            rng,
            writers,
        })
    }

    /// Writes until the process ends, which says so.
    async fn until_ended(&mut self, why: &str) {
        self.writers = Writer::all_until_failure(std::mem::take(&mut self.writers), &self.node).await;
        let status = self.node.end().await;
        assert_eq!(status.code(), Some(COULD_NOT_GO_ON), "{}", self.node.log());
        let last = self.node.last_words();
        assert!(last.starts_with("holdfast: cannot go on: "), "{last}");
        // A write that meets the database after its sync has failed may be the first to say so. What
        // failed stands in the log beside it.
        assert!(self.node.log().contains(why), "{}", self.node.log());
    }

    /// Starts and has everything.
    async fn recovers(&mut self) {
        self.node.run();
        self.node.ready().await;
        Writer::assert_all_there(&mut self.writers, &self.node).await;
        self.node.assert_no_orphans().await;
    }
}
