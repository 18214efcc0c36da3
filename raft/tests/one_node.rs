//! A cluster of one, through the public interface only.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::path::Path;
use std::process::Command as Process;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use raft::{
    BarrierError, Clock, CompactionLimits, Condition, Error, ExecuteError, Fatal, Node, NodeOptions,
    OpenOptions, ProposeError, Role, Session, SessionOptions, Store, View,
};
use raft_machine::{Effect, queries};
use raft_types::commands::{Command, CreateBucket, SetVersioning};
use raft_types::records::Versioning;
use raft_types::{BucketId, BucketName, Digest, MillisUtc, NodeName, Outcome, PrincipalName};

const RECOVERY: Duration = Duration::from_secs(30);

fn store(folder: &Path) -> Store {
    Store::open(options(folder)).unwrap()
}

fn options(folder: &Path) -> OpenOptions {
    OpenOptions {
        path: folder.join("data"),
        node_name: NodeName::new("node-1").unwrap(),
        fatal: Fatal::with(|cause| panic!("{cause}")),
    }
}

async fn bootstrap(folder: &Path) -> Node {
    store(folder).bootstrap(NodeOptions::default()).await.unwrap()
}

async fn start(folder: &Path) -> Node {
    let node = store(folder).start(NodeOptions::default()).await.unwrap();
    node.wait_until_recovered(RECOVERY).await.unwrap();
    node
}

async fn session(node: &Node) -> Session {
    Session::open(&node.handle(), SessionOptions::default())
        .await
        .unwrap()
}

fn create_bucket(name: &str) -> Command {
    Command::CreateBucket(CreateBucket {
        name: BucketName::new(name).unwrap(),
        owner: PrincipalName::new("owner").unwrap(),
    })
}

fn digest(view: &View) -> Digest {
    queries::state_digest(view).unwrap().digest
}

#[tokio::test]
async fn a_cluster_of_one_is_founded_written_read_and_shut_down() {
    let folder = tempfile::tempdir().unwrap();
    let node = bootstrap(folder.path()).await;
    let handle = node.handle();
    let leadership = *handle.leadership().borrow();
    assert_eq!(
        (leadership.role, leadership.leader),
        (Role::Leader, Some(handle.identity().node))
    );

    let session = session(&node).await;
    let outcome = session.execute(create_bucket("bucket")).await.unwrap();
    let Outcome::BucketCreated(bucket) = outcome else {
        panic!("{outcome:?}")
    };
    let view = handle.read().await.unwrap();
    let name = BucketName::new("bucket").unwrap();
    let found = view
        .query(move |view| queries::bucket_by_name(view, &name))
        .await
        .unwrap();
    assert_eq!(found.unwrap().0, bucket);

    let identity = queries::identity(&view).unwrap().unwrap();
    assert_eq!(identity.cluster, handle.identity().cluster);
    let (id, record) = queries::node_by_name(&view, &handle.identity().name)
        .unwrap()
        .unwrap();
    assert_eq!(
        (id, record.disk),
        (handle.identity().node, handle.identity().disk)
    );
    session.close().await.unwrap();
    assert_eq!(
        session.execute(create_bucket("other")).await,
        Err(ExecuteError::SessionSealed)
    );
    node.shutdown().await.unwrap();
    assert!(matches!(handle.barrier().await, Err(BarrierError::Shutdown)));
    let refused = handle.propose(bytes::Bytes::new()).await;
    assert_eq!(refused, Err(ProposeError::Shutdown));
}

#[tokio::test]
async fn everything_acknowledged_is_there_after_an_orderly_stop_and_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let node = bootstrap(folder.path()).await;
    let one = session(&node).await;
    one.execute(create_bucket("first")).await.unwrap();
    let (first_boot, first_id) = (one.boot().number, one.id());
    drop(one);
    let before = digest(&node.handle().local_view());
    node.shutdown().await.unwrap();

    let node = start(folder.path()).await;
    assert_eq!(digest(&node.handle().local_view()), before);
    let two = session(&node).await;
    assert!(two.boot().number > first_boot);
    assert!(two.id() > first_id);
    two.execute(create_bucket("second")).await.unwrap();
    let before = digest(&node.handle().local_view());
    // Like a process that is killed: nothing is written out.
    drop(node);
    drop(two);

    let node = reopen(folder.path()).await;
    assert_eq!(digest(&node.handle().local_view()), before);
    node.shutdown().await.unwrap();
}

/// A dropped node stops in the background; its lock goes with its last task.
async fn reopen(folder: &Path) -> Node {
    loop {
        match Store::open(options(folder)) {
            Ok(store) => {
                let node = store.start(NodeOptions::default()).await.unwrap();
                node.wait_until_recovered(RECOVERY).await.unwrap();
                return node;
            }
            Err(Error::InUse { .. }) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_acknowledged_is_in_every_later_read() {
    let folder = tempfile::tempdir().unwrap();
    let node = bootstrap(folder.path()).await;
    let session = session(&node).await;
    let tasks = (0..8).map(|task| {
        let (session, handle) = (session.clone(), node.handle());
        tokio::spawn(async move {
            for round in 0..40 {
                let name = format!("bucket-{task}-{round}");
                session.execute(create_bucket(&name)).await.unwrap();
                let view = handle.read().await.unwrap();
                let name = BucketName::new(name).unwrap();
                assert!(queries::bucket_by_name(&view, &name).unwrap().is_some(), "{name}");
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    node.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_race_for_a_name_exactly_one_gets_it() {
    let folder = tempfile::tempdir().unwrap();
    let node = bootstrap(folder.path()).await;
    let session = session(&node).await;
    let racers = (0..64).map(|_| {
        let session = session.clone();
        tokio::spawn(async move { session.execute(create_bucket("wanted")).await.unwrap() })
    });
    let mut winners = 0;
    for racer in racers.collect::<Vec<_>>() {
        match racer.await.unwrap() {
            Outcome::BucketCreated(_) => winners += 1,
            Outcome::Rejected(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(winners, 1);
    node.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_session_opened_again_has_another_boot_and_seals_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let node = bootstrap(folder.path()).await;
    let first = session(&node).await;
    let second = session(&node).await;
    assert_eq!(second.boot().number, first.boot().number + 1);
    assert_ne!(second.boot().nonce, first.boot().nonce);
    assert_eq!(
        first.execute(create_bucket("bucket")).await,
        Err(ExecuteError::SessionSealed)
    );
    first.sealed().await;
    second.execute(create_bucket("bucket")).await.unwrap();
    let last = second.boot().number;
    drop((first, second));
    node.shutdown().await.unwrap();
    // The boot counted by the second session is never given out again.
    assert_eq!(store(folder.path()).boot(), last + 1);
}

struct Hands(AtomicU64);

impl Clock for Hands {
    fn now(&self) -> MillisUtc {
        MillisUtc(self.0.load(Ordering::SeqCst))
    }
}

#[tokio::test]
async fn entries_carry_the_clock_of_the_leader_and_it_never_runs_backwards() {
    let folder = tempfile::tempdir().unwrap();
    let hands = Arc::new(Hands(AtomicU64::new(1_000_000)));
    let options = NodeOptions {
        clock: hands.clone(),
        ..NodeOptions::default()
    };
    let node = store(folder.path()).bootstrap(options).await.unwrap();
    let session = session(&node).await;
    let mut seen = Vec::new();
    for now in [2_000_000, 1_500_000, 2_000_001] {
        hands.0.store(now, Ordering::SeqCst);
        session
            .execute(create_bucket(&format!("bucket-{}", seen.len())))
            .await
            .unwrap();
        seen.push(queries::clock(&node.handle().local_view()).unwrap().0);
    }
    assert_eq!(seen, [2_000_000, 2_000_000, 2_000_001]);
    node.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_command_that_is_too_long_is_refused_before_it_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let node = bootstrap(folder.path()).await;
    let before = node.handle().local_view().applied_index();
    let refused = node.handle().propose(vec![0; (1 << 20) + 1].into()).await;
    assert!(
        matches!(refused, Err(ProposeError::TooLarge { .. })),
        "{refused:?}"
    );
    assert_eq!(node.handle().local_view().applied_index(), before);
    node.shutdown().await.unwrap();
}

#[tokio::test]
async fn listeners_hear_of_applied_commands() {
    let folder = tempfile::tempdir().unwrap();
    let node = bootstrap(folder.path()).await;
    let mut effects = node.handle().effects();
    let mut applied = node.handle().applied();
    let before = *applied.borrow_and_update();
    let session = session(&node).await;
    applied.wait_for(|&index| index > before).await.unwrap();
    let opened = Effect::SessionOpened(session.id());
    while effects.recv().await.unwrap() != opened {}
    node.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_compacted_and_the_node_starts_from_what_is_left() {
    let folder = tempfile::tempdir().unwrap();
    let options = || NodeOptions {
        compaction: CompactionLimits {
            snapshot_entries: 50,
            snapshot_interval: Duration::ZERO,
            keep_entries: 20,
            check_interval: Duration::from_millis(5),
            ..CompactionLimits::default()
        },
        ..NodeOptions::default()
    };
    let node = store(folder.path()).bootstrap(options()).await.unwrap();
    let session = session(&node).await;
    session.execute(create_bucket("bucket")).await.unwrap();
    let toggle = |enabled: bool| {
        Command::SetVersioning(SetVersioning {
            bucket: BucketId(1),
            versioning: if enabled {
                Versioning::Enabled
            } else {
                Versioning::Suspended
            },
        })
    };
    let snapshots = folder.path().join("data/snapshots");
    let newest = || {
        std::fs::read_dir(&snapshots)
            .unwrap()
            .filter_map(|entry| index_of(&entry.unwrap().file_name()))
            .max()
    };
    let mut round = 0;
    // Until a second snapshot has replaced the first.
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < 3 {
        session.execute(toggle(round % 2 == 0)).await.unwrap();
        seen.extend(newest());
        round += 1;
        assert!(round < 100_000, "no snapshot is built");
    }
    let before = digest(&node.handle().local_view());
    drop(session);
    node.shutdown().await.unwrap();

    let store = store(folder.path());
    let node = store.start(options()).await.unwrap();
    node.wait_until_recovered(RECOVERY).await.unwrap();
    assert_eq!(digest(&node.handle().local_view()), before);
    let covered = node.build_snapshot().await.unwrap();
    assert!(covered >= *seen.last().unwrap());
    node.shutdown().await.unwrap();
}

fn index_of(name: &std::ffi::OsStr) -> Option<u64> {
    name.to_str()?.split_once('-')?.0.parse().ok()
}

#[tokio::test]
async fn the_state_that_was_lost_with_the_power_is_applied_again_from_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let node = bootstrap(folder.path()).await;
    let one = session(&node).await;
    one.execute(create_bucket("early")).await.unwrap();
    drop(one);
    node.shutdown().await.unwrap();
    // The state as it was synced last; the log goes on.
    let aside = folder.path().join("aside");
    copy(&folder.path().join("data/state"), &aside);
    let node = start(folder.path()).await;
    let two = session(&node).await;
    for index in 0..100 {
        two.execute(create_bucket(&format!("late-{index}")))
            .await
            .unwrap();
    }
    let expected = digest(&node.handle().local_view());
    drop(two);
    node.shutdown().await.unwrap();
    std::fs::remove_dir_all(folder.path().join("data/state")).unwrap();
    copy(&aside, &folder.path().join("data/state"));

    let node = start(folder.path()).await;
    assert_eq!(digest(&node.handle().local_view()), expected);
    node.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_state_that_is_ahead_of_the_log_is_kept() {
    // On a follower: an entry is applied once a majority has it, before it is synced here. What the log lost
    // with the power is in the state.
    let folder = tempfile::tempdir().unwrap();
    let node = bootstrap(folder.path()).await;
    session(&node)
        .await
        .execute(create_bucket("early"))
        .await
        .unwrap();
    node.shutdown().await.unwrap();
    let aside = folder.path().join("aside");
    copy(&folder.path().join("data/raftlog"), &aside);
    let node = start(folder.path()).await;
    session(&node).await.execute(create_bucket("late")).await.unwrap();
    let expected = digest(&node.handle().local_view());
    node.shutdown().await.unwrap();
    std::fs::remove_dir_all(folder.path().join("data/raftlog")).unwrap();
    copy(&aside, &folder.path().join("data/raftlog"));

    let node = start(folder.path()).await;
    assert_eq!(digest(&node.handle().local_view()), expected);
    session(&node)
        .await
        .execute(create_bucket("later"))
        .await
        .unwrap();
    let expected = digest(&node.handle().local_view());
    node.shutdown().await.unwrap();
    let node = start(folder.path()).await;
    assert_eq!(digest(&node.handle().local_view()), expected);
    node.shutdown().await.unwrap();
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

const CHILD: &str = "HOLDFAST_TEST_DIRECTORY_IN_USE";

#[test]
fn a_second_process_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let second = || {
        Process::new(std::env::current_exe().unwrap())
            .args(["--exact", "opens_the_directory_of_another_process", "--ignored"])
            .env(CHILD, folder.path())
            .output()
            .unwrap()
    };
    let output = second();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    assert_eq!(store.condition(), Condition::Pristine);
    drop(store);
    assert!(
        !second().status.success(),
        "now it is free, and the other process opens it"
    );
}

#[test]
#[ignore = "run by a_second_process_is_refused in a process of its own"]
fn opens_the_directory_of_another_process() {
    let folder = std::env::var(CHILD).unwrap();
    let error = Store::open(options(Path::new(&folder))).unwrap_err();
    assert!(matches!(error, Error::InUse { .. }), "{error}");
}
