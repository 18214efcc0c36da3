use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use openraft::storage::{IOFlushed, RaftLogStorage};
use raft_types::NodeName;

use super::open::Step;
use super::*;
use crate::error::{Damage, Error};
use crate::node::bootstrap::Step as BootstrapStep;
use crate::testing::history::{self, prelude};
use crate::testing::{apply, blank, digest, entry, machine, member, open, options, pristine};
use crate::{Condition, NodeOptions, Session, SessionOptions};

fn error(folder: &Path) -> Error {
    match Store::open(options(&folder.join("data"))) {
        Err(error) => error,
        Ok(store) => panic!("{store:?} was not refused"),
    }
}

fn damage(folder: &Path) -> Damage {
    match error(folder) {
        Error::Damaged { damage, .. } => damage,
        other => panic!("refused, but for another reason: {other}"),
    }
}

fn crash() -> Error {
    Error::Core("the process dies here".into())
}

#[test]
fn a_new_directory_is_private_pristine_and_counts_its_boots() {
    let folder = tempfile::tempdir().unwrap();
    let (disk, nonce) = {
        let store = pristine(folder.path());
        assert_eq!(store.condition(), Condition::Pristine);
        assert_eq!((store.boot(), store.node_id()), (1, None));
        (store.disk_id(), store.nonce)
    };
    for boot in 2..5 {
        let store = open(folder.path());
        assert_eq!((store.boot(), store.disk_id()), (boot, disk));
        assert_ne!(store.nonce, nonce);
    }
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let data = folder.path().join("data");
    assert_eq!(mode(&data), 0o700);
    for part in ["raftlog", "state", "snapshots"] {
        assert_eq!(mode(&data.join(part)), 0o700, "{part}");
    }
    for file in ["LOCK", "IDENTITY", "state/CURRENT"] {
        assert_eq!(mode(&data.join(file)), 0o600, "{file}");
    }
}

#[test]
fn a_second_opening_is_refused_while_the_first_lives() {
    let folder = tempfile::tempdir().unwrap();
    let first = pristine(folder.path());
    assert!(matches!(error(folder.path()), Error::InUse { .. }));
    drop(first);
    drop(open(folder.path()));
}

#[test]
fn a_node_of_another_name_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(pristine(folder.path()));
    let mut other = options(&folder.path().join("data"));
    other.node_name = NodeName::new("node-2").unwrap();
    let error = Store::open(other).unwrap_err();
    assert!(
        matches!(error, Error::OtherNode { ref stored, .. } if stored == "node-1"),
        "{error}"
    );
}

#[test]
fn a_crash_after_any_step_of_creation_leaves_a_directory_that_opens() {
    let steps = [
        Step::IdentityCreating,
        Step::LogCreated,
        Step::StateCreated,
        Step::SnapshotsCreated,
        Step::IdentityPristine,
        Step::BootCounted,
    ];
    for dies_after in steps {
        let folder = tempfile::tempdir().unwrap();
        let mut reached = false;
        let died = Store::open_with(options(&folder.path().join("data")), &mut |step| {
            if step == dies_after {
                reached = true;
                return Err(crash());
            }
            Ok(())
        });
        assert!(died.is_err() && reached, "{dies_after:?}");
        let store = open(folder.path());
        assert_eq!(store.condition(), Condition::Pristine, "{dies_after:?}");
    }
}

#[test]
fn half_written_databases_of_an_unfinished_creation_are_thrown_away() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let died = Store::open_with(options(&data), &mut |step| match step {
        Step::IdentityCreating => Err(crash()),
        _ => Ok(()),
    });
    assert!(died.is_err());
    for part in ["raftlog", "state/00000001", "snapshots/tmp-x"] {
        fs::create_dir_all(data.join(part)).unwrap();
        fs::write(data.join(part).join("CURRENT"), b"torn").unwrap();
    }
    assert_eq!(open(folder.path()).condition(), Condition::Pristine);
}

#[test]
fn a_missing_part_of_a_complete_directory_is_refused_and_never_created_again() {
    for part in ["raftlog", "state", "snapshots"] {
        let folder = tempfile::tempdir().unwrap();
        drop(member(folder.path()));
        fs::remove_dir_all(folder.path().join("data").join(part)).unwrap();
        for _ in 0..2 {
            let damage = damage(folder.path());
            assert!(
                matches!(damage, Damage::Missing(name) if name.trim_end_matches('/') == part),
                "{damage}"
            );
            assert!(!folder.path().join("data").join(part).exists());
        }
    }
}

#[test]
fn a_missing_or_damaged_identity_is_refused_while_there_is_data() {
    let folder = tempfile::tempdir().unwrap();
    drop(member(folder.path()));
    let path = folder.path().join("data/IDENTITY");
    let good = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    assert!(matches!(
        damage(folder.path()),
        Damage::IdentityMissing("raftlog")
    ));
    assert!(!path.exists(), "nothing is written in its place");
    for bad in [
        &good[..good.len() - 1],
        b"",
        b"garbage that is longer than a header",
    ] {
        fs::write(&path, bad).unwrap();
        assert!(matches!(damage(folder.path()), Damage::Identity(_)));
        assert_eq!(fs::read(&path).unwrap(), bad);
    }
    let mut newer = good.clone();
    newer[8] += 1;
    fs::write(&path, newer).unwrap();
    assert!(matches!(error(folder.path()), Error::NewerFormat { .. }));
    fs::write(&path, good).unwrap();
    drop(open(folder.path()));
}

#[test]
fn a_missing_or_wrong_pointer_to_the_state_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(member(folder.path()));
    let path = folder.path().join("data/state/CURRENT");
    fs::remove_file(&path).unwrap();
    assert!(matches!(damage(folder.path()), Damage::Missing("state/CURRENT")));
    assert!(!path.exists());
    fs::write(&path, b"0000000").unwrap();
    assert!(matches!(damage(folder.path()), Damage::Pointer(_)));
    fs::write(&path, b"00000007\n").unwrap();
    assert!(matches!(damage(folder.path()), Damage::GenerationMissing(7)));
    assert!(
        folder.path().join("data/state/00000001").is_dir(),
        "nothing is cleaned up on the way"
    );
    fs::write(&path, b"00000001\n").unwrap();
    drop(open(folder.path()));
}

#[test]
fn a_newer_format_of_the_state_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(member(folder.path()));
    {
        let db = rocksdb::DB::open_default(folder.path().join("data/state/00000001")).unwrap();
        db.put("\0format", 9_u32.to_le_bytes()).unwrap();
    }
    assert!(matches!(
        error(folder.path()),
        Error::NewerFormat { found: 9, .. }
    ));
}

#[tokio::test]
async fn folders_of_different_directories_are_not_taken_for_one() {
    let folders = [
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
        tempfile::tempdir().unwrap(),
    ];
    {
        let ours = member(folders[0].path());
        apply(&mut machine(&ours), [entry(1, 1, 0, prelude())]).await;
        drop(member(folders[1].path()));
        let mut other_cluster = pristine(folders[2].path());
        other_cluster.identity.cluster_id = vec![0xee; 16];
        other_cluster.identity.raft_id = 1;
        other_cluster.identity.set_life_phase(Phase::Member);
        other_cluster.write_identity().unwrap();
        other_cluster.write_log_identity().unwrap();
    }
    let part = |folder: usize, part: &str| folders[folder].path().join("data").join(part);
    let swap = |a: &Path, b: &Path| {
        let aside = folders[0].path().join("aside");
        fs::rename(a, &aside).unwrap();
        fs::rename(b, a).unwrap();
        fs::rename(&aside, b).unwrap();
    };
    // The log of another disk of the same cluster.
    swap(&part(0, "raftlog"), &part(1, "raftlog"));
    assert!(matches!(
        error(folders[0].path()),
        Error::Foreign {
            what: "the disk id",
            ..
        }
    ));
    swap(&part(0, "raftlog"), &part(1, "raftlog"));
    // The state of another cluster.
    swap(&part(0, "state"), &part(2, "state"));
    assert!(matches!(
        error(folders[2].path()),
        Error::Foreign {
            what: "the cluster id",
            ..
        }
    ));
    swap(&part(0, "state"), &part(2, "state"));
    drop(open(folders[0].path()));
}

#[tokio::test]
async fn a_log_that_was_purged_beyond_the_state_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    {
        let store = member(folder.path());
        apply(&mut machine(&store), [entry(1, 1, 0, prelude())]).await;
        let mut log = store.log.clone();
        log.append((0..10).map(|index| blank(1, index)), IOFlushed::noop())
            .await
            .unwrap();
        log.purge(crate::consensus::log_id(1, 5)).await.unwrap();
    }
    assert!(matches!(damage(folder.path()), Damage::Gap { after: 6, .. }));
}

#[tokio::test]
async fn a_refusal_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    drop(member(folder.path()));
    fs::remove_file(folder.path().join("data/state/CURRENT")).unwrap();
    let message = error(folder.path()).to_string();
    for part in [
        "state/CURRENT is missing",
        "put back a copy",
        "joins again",
        "backup",
    ] {
        assert!(message.contains(part), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_after_any_step_of_bootstrap_leaves_a_directory_that_opens_or_bootstraps_again() {
    let steps = [
        BootstrapStep::ClusterDrawn,
        BootstrapStep::LogBound,
        BootstrapStep::Launched,
        BootstrapStep::Initialized,
        BootstrapStep::Bound,
        BootstrapStep::MemberWritten,
    ];
    for dies_after in steps {
        let folder = tempfile::tempdir().unwrap();
        let mut reached = false;
        let died = pristine(folder.path())
            .bootstrap_with(NodeOptions::default(), &mut |step| {
                if step == dies_after {
                    reached = true;
                    return Err(crash());
                }
                Ok(())
            })
            .await;
        assert!(died.is_err() && reached, "{dies_after:?}");

        let store = open(folder.path());
        let (node, cluster) = match store.condition() {
            Condition::Pristine => panic!("{dies_after:?}: the cluster id was lost"),
            Condition::HalfBootstrapped(cluster) => {
                assert_ne!(dies_after, BootstrapStep::MemberWritten);
                (store.bootstrap(NodeOptions::default()).await.unwrap(), cluster)
            }
            Condition::Member(cluster) => {
                assert_eq!(dies_after, BootstrapStep::MemberWritten);
                (store.start(NodeOptions::default()).await.unwrap(), cluster)
            }
        };
        assert_eq!(node.handle().identity().cluster, cluster, "{dies_after:?}");
        let session = Session::open(&node.handle(), SessionOptions::default())
            .await
            .unwrap();
        session.execute(history::create_bucket("bucket")).await.unwrap();
        node.shutdown().await.unwrap();
        drop(session);
        assert_eq!(open(folder.path()).condition(), Condition::Member(cluster));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_half_written_bootstrap_is_not_started_and_a_member_is_not_bootstrapped_again() {
    let folder = tempfile::tempdir().unwrap();
    let died = pristine(folder.path())
        .bootstrap_with(NodeOptions::default(), &mut |_| Err(crash()))
        .await;
    assert!(died.is_err());
    let error = open(folder.path())
        .start(NodeOptions::default())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::NotAMember { .. }), "{error}");
    assert!(error.to_string().contains("bootstrap"), "{error}");
    let node = open(folder.path())
        .bootstrap(NodeOptions::default())
        .await
        .unwrap();
    let before = digest(&node.handle().local_view());
    node.shutdown().await.unwrap();
    let error = open(folder.path())
        .bootstrap(NodeOptions::default())
        .await
        .unwrap_err();
    assert!(matches!(error, Error::AlreadyMember { .. }), "{error}");
    assert_eq!(digest(&open(folder.path()).state.view()), before);
}
