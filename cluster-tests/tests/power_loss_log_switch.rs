//! Power loss while the write-ahead logs of the metadata are switched: entries in the new one must never
//! outlive those in the old one (`docs/adr/0007`).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cluster_tests::cut::policy;
use cluster_tests::{Client, Disk, Node, NodeConfig, Rng, say, wait};
use cluster_tests_powercut::{CutPolicy, Effect, Fault, OpClass, Side, UnsyncedData, UnsyncedNames};
use http::Method;
use tempfile::TempDir;
use tokio::task::JoinSet;

/// Clients that write at once.
const CLIENTS: usize = 16;
/// Bytes of a key, of its user metadata and of its system metadata: long, so that few requests fill
/// 16 MiB of log.
const KEY: usize = 900;
const METADATA: usize = 1_900;
/// Objects that are read back; all are listed.
const READ_BACK: usize = 40;
/// Random images taken after each switch, while the memtable before it is written out.
const TORN_IMAGES: usize = 2;
/// How long a table takes to be synced: a while in which only the logs hold what it will hold.
const SLOW_TABLE: Duration = Duration::from_millis(600);
/// So long that the power is cut before.
const STUCK_TABLE: Duration = Duration::from_secs(60);
/// Sync boundaries within which the last cut falls.
const WINDOW: u64 = 60;
/// How long 16 MiB may take.
const PATIENCE: Duration = Duration::from_secs(240);

#[tokio::test(flavor = "multi_thread")]
async fn no_entry_outlives_an_earlier_one_when_the_power_is_cut_around_a_switch() {
    let test = "no_entry_outlives_an_earlier_one_when_the_power_is_cut_around_a_switch";
    let mut rng = Rng::of_test(test);
    let Some(disk) = Disk::mount(test) else { return };
    let mut node = start(&disk).await;
    let load = Load::start(&node, &disk, SLOW_TABLE).await;
    let mut switches = [Switch::of(&disk, "raftlog"), Switch::of(&disk, "state/00000001")];
    let mut images = Vec::new();
    while switches.iter().any(|switch| !switch.seen) {
        let switch = wait_for_switch(&mut switches).await;
        images.push(Image::worst(switch, &disk, &load.ledger));
        for _ in 0..TORN_IMAGES {
            // At any moment: there is no event that a power cut waits for.
            tokio::time::sleep(Duration::from_millis(rng.below(150))).await;
            images.push(Image::take(&disk, &load.ledger, torn_logs(&mut rng)));
        }
    }
    let boundary = disk.passed() + 1 + rng.below(WINDOW);
    disk.freeze_at(boundary, Side::After).expect("a point of the cut");
    let ledger = load.until_failure().await;
    disk.wait_off(Duration::ZERO)
        .expect("the cut is why requests failed");
    let policy = policy(&mut rng);
    eprintln!("{}", disk.lose_power(&mut node, policy));
    node.run();
    node.ready().await;
    ledger.assert_kept_by(&node, &ledger.acknowledged()).await;

    for image in &images {
        let node = Node::start(&image.config(&node)).await;
        eprintln!("{}", image.report);
        ledger.assert_kept_by(&node, &image.acknowledged).await;
    }
    let acknowledged = ledger.acknowledged().len();
    say(&format!(
        "{test}: {acknowledged} objects, both logs switched, {} images and one cut verified",
        images.len()
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_sync_of_a_full_log_acknowledged_objects_are_lost() {
    let test = "without_the_sync_of_a_full_log_acknowledged_objects_are_lost";
    let Some(disk) = Disk::mount(test) else { return };
    let node = start(&disk).await;
    disk.inject(Fault::ignore_file_sync("data/state/**/*.log"))
        .expect("a mutant");
    let load = Load::start(&node, &disk, STUCK_TABLE).await;
    let mut switches = [Switch::of(&disk, "state/00000001")];
    let switch = wait_for_switch(&mut switches).await;
    let image = Image::worst(switch, &disk, &load.ledger);
    let node = Node::start(&image.config(&node)).await;
    let listed = load.ledger.listed(&node).await;
    let lost = image.acknowledged.difference(&listed).count();
    let acknowledged = image.acknowledged.len();
    say(&format!("{test}: {lost} of {acknowledged}"));
    assert!(lost > 0, "the power cut was survived without the sync");
}

/// A node with a bucket and an object, whose logs hold nothing else than what is written from now on.
async fn start(disk: &Disk) -> Node {
    let mut node = Node::start(&disk.config()).await;
    node.client().put("/switch", "").await.expect(200);
    node.client().put("/switch/first", "").await.expect(200);
    node.stop().await;
    node.run();
    node.ready().await;
    node
}

/// Every log is there, and of what was not synced in it a random part: one may end before the next
/// begins.
fn torn_logs(rng: &mut Rng) -> CutPolicy {
    CutPolicy {
        seed: rng.draw(),
        data: UnsyncedData::Torn,
        names: UnsyncedNames::Kept,
    }
}

/// Clients that write new objects.
struct Load {
    ledger: Arc<Ledger>,
    tasks: JoinSet<()>,
}

/// Which objects were sent and which acknowledged, by number.
#[derive(Default)]
struct Ledger {
    sent: AtomicU64,
    acknowledged: Mutex<BTreeSet<u64>>,
}

impl Load {
    /// Begins to write, while each table that is written out takes this long to be synced.
    async fn start(node: &Node, disk: &Disk, table: Duration) -> Self {
        let slow = Effect::DelayMillis(table.as_millis() as u64);
        disk.inject(Fault::new(OpClass::SyncFile, "data/**/*.sst", slow))
            .expect("slow tables");
        let ledger = Arc::new(Ledger::default());
        let mut tasks = JoinSet::new();
        for _ in 0..CLIENTS {
            let (ledger, s3) = (Arc::clone(&ledger), node.client());
            tasks.spawn(async move { while ledger.put_next(&s3).await {} });
        }
        Self { ledger, tasks }
    }

    async fn until_failure(self) -> Arc<Ledger> {
        self.tasks.join_all().await;
        self.ledger
    }
}

impl Ledger {
    /// Whether it was acknowledged.
    async fn put_next(&self, s3: &Client) -> bool {
        let number = self.sent.fetch_add(1, Ordering::SeqCst);
        let long = "m".repeat(METADATA);
        let headers = [
            ("x-amz-meta-long", long.as_str()),
            ("content-disposition", long.as_str()),
        ];
        let path = format!("/switch/{}", key(number));
        let answer = s3.try_send(Method::PUT, &path, &[], &headers, body(number)).await;
        let Ok(answer) = answer else { return false };
        assert!(!answer.status.is_client_error(), "{}", answer.text());
        let acknowledged = answer.status == 200;
        if acknowledged {
            self.acknowledged.lock().expect("a whole ledger").insert(number);
        }
        acknowledged
    }

    fn acknowledged(&self) -> BTreeSet<u64> {
        self.acknowledged.lock().expect("a whole ledger").clone()
    }

    async fn listed(&self, node: &Node) -> BTreeSet<u64> {
        let keys = node.client().list("switch").await;
        keys.iter()
            .filter(|key| *key != "first")
            .map(|key| key[..8].parse().expect("a number"))
            .collect()
    }

    /// Everything acknowledged is listed and nothing that was not sent, the newest is read, and the
    /// backend holds exactly what the state counts.
    async fn assert_kept_by(&self, node: &Node, acknowledged: &BTreeSet<u64>) {
        let listed = self.listed(node).await;
        let lost: Vec<_> = acknowledged.difference(&listed).collect();
        assert!(
            lost.is_empty(),
            "{} of {} are lost: {lost:?}",
            lost.len(),
            acknowledged.len()
        );
        let sent = self.sent.load(Ordering::SeqCst);
        assert!(listed.iter().all(|number| *number < sent), "{listed:?}");
        for number in listed.iter().rev().take(READ_BACK) {
            let got = node.client().get(&format!("/switch/{}", key(*number))).await;
            assert_eq!(got.expect(200).text(), body(*number));
        }
        node.assert_no_orphans().await;
    }
}

fn key(number: u64) -> String {
    format!("{number:08}{}", "k".repeat(KEY))
}

fn body(number: u64) -> String {
    format!("body of {number}")
}

/// What would have been found if the power had gone off at some moment.
struct Image {
    folder: TempDir,
    report: String,
    /// What had been acknowledged by then.
    acknowledged: BTreeSet<u64>,
}

impl Image {
    fn take(disk: &Disk, ledger: &Ledger, policy: CutPolicy) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let acknowledged = ledger.acknowledged();
        let report = disk
            .materialize(&folder.path().join("disk"), policy)
            .expect("an image");
        Self {
            folder,
            report: report.to_string(),
            acknowledged,
        }
    }

    /// The worst that the model allows after a switch: of the old log only what was synced, of
    /// everything else all. (The old log is taken first. It is not written to any more, so what is
    /// synced of it then is synced of it later.)
    fn worst(switch: &Switch, disk: &Disk, ledger: &Ledger) -> Self {
        let old = switch.newest.as_deref().expect("an old log");
        let old = Path::new("disk/data").join(switch.name).join(old);
        let synced = Self::take(disk, ledger, CutPolicy::nothing(0));
        let image = Self::take(disk, ledger, CutPolicy::everything());
        let (from, to) = (synced.folder.path().join(&old), image.folder.path().join(&old));
        if from.exists() {
            std::fs::copy(from, to).expect("the log as it was synced");
        } else {
            std::fs::remove_file(to).expect("a log whose name was not synced");
        }
        image
    }

    /// A node on the image; it has the master key of the one that was there.
    fn config(&self, node: &Node) -> NodeConfig {
        let disk = self.folder.path().join("disk");
        NodeConfig {
            data_dir: Some(disk.join("data")),
            backend: Some(disk.join("backend")),
            master_key: Some(node.master_key().to_owned()),
            ..NodeConfig::default()
        }
    }
}

/// One database's write-ahead log, and whether another one was begun.
struct Switch {
    name: &'static str,
    folder: PathBuf,
    /// The log that was written to at the begin.
    newest: Option<String>,
    seen: bool,
}

impl Switch {
    fn of(disk: &Disk, name: &'static str) -> Self {
        let folder = disk.path().join("data").join(name);
        Self {
            name,
            newest: newest_log(&folder),
            folder,
            seen: false,
        }
    }
}

/// The next log that is switched.
async fn wait_for_switch(switches: &mut [Switch]) -> &Switch {
    let switched = wait::until("the switch of a write-ahead log", PATIENCE, || {
        let due = switches
            .iter()
            .position(|switch| !switch.seen && newest_log(&switch.folder) > switch.newest);
        std::future::ready(due.ok_or_else(|| "none is switched".to_owned()))
    })
    .await;
    switches[switched].seen = true;
    &switches[switched]
}

/// RocksDB numbers its logs in ascending order, with leading zeros.
fn newest_log(folder: &Path) -> Option<String> {
    let names = std::fs::read_dir(folder).ok()?.filter_map(Result::ok);
    names
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.ends_with(".log"))
        .max()
}
