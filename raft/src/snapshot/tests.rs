use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use openraft::storage::RaftStateMachine;

use super::*;
use crate::consensus::log_id;
use crate::error::{Damage, Error};
use crate::state::Generation;
use crate::testing::history::{self, prelude};
use crate::testing::{apply, digest, entry, machine, member, open, options, rows};
use crate::{Fatal, Store};

async fn filled(folder: &Path, buckets: std::ops::Range<u64>) -> Store {
    let store = member(folder);
    let mut machine = machine(&store);
    apply(&mut machine, [entry(1, 1, 0, prelude())]).await;
    apply(&mut machine, buckets.map(bucket)).await;
    store
}

/// Entry `index` creates a bucket.
fn bucket(index: u64) -> crate::consensus::Entry {
    let create = history::create_bucket(&format!("bucket-{index}"));
    entry(
        1,
        index,
        0,
        vec![history::numbered(1, 10 + index, 10 + index, create)],
    )
}

fn published(store: &Store) -> Vec<String> {
    crate::directory::files::names(&store.path.join(FOLDER)).unwrap()
}

fn refused(folder: &Path) -> Damage {
    match Store::open(options(&folder.join("data"))) {
        Err(Error::Damaged { damage, .. }) => damage,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_a_snapshot_covers_is_exact_while_entries_are_applied() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(folder.path(), 2..3).await;
    let stop = Arc::new(AtomicBool::new(false));
    let builder = {
        let (stop, snapshots, state) = (stop.clone(), store.snapshots.clone(), store.state.clone());
        std::thread::spawn(move || {
            let mut built = Vec::new();
            while !stop.load(Ordering::Acquire) {
                let snapshot = snapshots.build(&state).unwrap();
                let inside = Generation::inspect(snapshot.path()).unwrap();
                built.push((snapshot.last(), inside.state.applied));
            }
            built
        })
    };
    let mut machine = machine(&store);
    for index in 3..600 {
        apply(&mut machine, [bucket(index)]).await;
    }
    stop.store(true, Ordering::Release);
    let built = builder.join().unwrap();
    assert!(
        built.iter().any(|(covered, _)| *covered > Some(log_id(1, 3))),
        "built meanwhile"
    );
    for (covered, inside) in built {
        assert_eq!(covered, inside);
    }
}

#[tokio::test]
async fn a_snapshot_holds_exactly_the_state_of_its_index() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(folder.path(), 2..20).await;
    let expected = rows(&store.state.view());
    let snapshot = store.snapshots.build(&store.state).unwrap();
    apply(&mut machine(&store), (20..40).map(bucket)).await;

    let other = tempfile::tempdir().unwrap();
    let target = member(other.path());
    target
        .snapshots
        .install(&target.state, Some(log_id(1, 19)), &snapshot)
        .unwrap();
    assert_eq!(rows(&target.state.view()), expected);
    assert_eq!(target.state.applied_index(), 19);
}

#[tokio::test]
async fn only_the_newest_snapshot_is_kept_and_one_in_use_until_it_is_done_with() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(folder.path(), 2..10).await;
    let first = store.snapshots.build(&store.state).unwrap();
    assert_eq!(published(&store), ["00000000000000000009-1"]);
    apply(&mut machine(&store), (10..20).map(bucket)).await;
    let second = store.snapshots.build(&store.state).unwrap();
    assert_eq!(published(&store).len(), 2, "the first one is still held");
    first.verify(handle::Verify::Contents).unwrap();
    drop(first);
    assert_eq!(published(&store), ["00000000000000000019-1"]);
    drop(second);
    assert_eq!(published(&store), ["00000000000000000019-1"]);
    assert_eq!(store.snapshots.last(), Some(log_id(1, 19)));
}

#[tokio::test]
async fn building_again_without_new_entries_gives_the_same_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(folder.path(), 2..10).await;
    let first = store.snapshots.build(&store.state).unwrap();
    let again = store.snapshots.build(&store.state).unwrap();
    assert_eq!(first.path(), again.path());
    assert_eq!(published(&store).len(), 1);
}

#[tokio::test]
async fn tables_of_an_earlier_snapshot_are_shared_and_described_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let store = filled(folder.path(), 2..10).await;
    store.state.generation().flush().unwrap();
    let first = store.snapshots.build(&store.state).unwrap();
    apply(&mut machine(&store), (10..20).map(bucket)).await;
    let second = store.snapshots.build(&store.state).unwrap();
    let shared: Vec<_> = first
        .manifest()
        .files
        .iter()
        .filter(|file| file.name.ends_with(".sst") && second.manifest().files.contains(file))
        .collect();
    assert!(!shared.is_empty());
    for file in shared {
        let inode = |folder: &Path| fs::metadata(folder.join(&file.name)).unwrap().ino();
        assert_eq!(inode(first.path()), inode(second.path()));
    }
    second.verify(handle::Verify::Contents).unwrap();
}

#[tokio::test]
async fn an_installed_snapshot_survives_a_restart_and_the_old_state_is_removed() {
    let source = tempfile::tempdir().unwrap();
    let from = filled(source.path(), 2..50).await;
    let snapshot = from.snapshots.build(&from.state).unwrap();
    let expected = digest(&from.state.view());

    let folder = tempfile::tempdir().unwrap();
    {
        let into = filled(folder.path(), 2..5).await;
        let mut machine = machine(&into);
        let old_view = into.state.view();
        let old_rows = rows(&old_view);
        let snapshot = snapshot.clone().into_snapshot().unwrap();
        machine
            .install_snapshot(&snapshot.meta, snapshot.snapshot)
            .await
            .unwrap();
        assert_eq!(digest(&into.state.view()), expected);
        assert_eq!(rows(&old_view), old_rows, "a reader keeps what it had");
        let generations = || crate::directory::files::names(into.state.folder()).unwrap();
        assert_eq!(generations(), ["00000001", "00000002", "CURRENT"]);
        drop(old_view);
        assert_eq!(generations(), ["00000002", "CURRENT"]);
        let current = machine.get_current_snapshot().await.unwrap().unwrap();
        assert_eq!(current.meta, snapshot.meta);
    }
    let into = open(folder.path());
    assert_eq!(digest(&into.state.view()), expected);
    assert_eq!(into.snapshots.last(), Some(log_id(1, 49)));
    apply(&mut machine(&into), (50..60).map(bucket)).await;
}

#[tokio::test]
async fn a_damaged_snapshot_from_elsewhere_is_not_installed() {
    let source = tempfile::tempdir().unwrap();
    let from = filled(source.path(), 2..50).await;
    from.state.generation().flush().unwrap();
    let snapshot = from.snapshots.build(&from.state).unwrap();
    let table = snapshot
        .manifest()
        .files
        .iter()
        .find(|file| file.name.ends_with(".sst"))
        .unwrap();
    let path = snapshot.path().join(&table.name);
    // A copy of its own, so that the source's state is not damaged too.
    let mut bytes = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();

    let folder = tempfile::tempdir().unwrap();
    let into = filled(folder.path(), 2..5).await;
    let before = digest(&into.state.view());
    let error = into
        .snapshots
        .install(&into.state, snapshot.last(), &snapshot)
        .unwrap_err();
    assert!(matches!(error, install::InstallError::Invalid(_)), "{error}");
    assert_eq!(digest(&into.state.view()), before);
    assert!(published(&into).is_empty());
}

#[tokio::test]
async fn a_snapshot_of_another_index_or_cluster_is_not_installed() {
    let source = tempfile::tempdir().unwrap();
    let from = filled(source.path(), 2..10).await;
    let snapshot = from.snapshots.build(&from.state).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let into = filled(folder.path(), 2..5).await;
    let other = into
        .snapshots
        .install(&into.state, Some(log_id(1, 8)), &snapshot)
        .unwrap_err();
    assert!(
        matches!(other, install::InstallError::OtherIndex { .. }),
        "{other}"
    );

    // The same state under another cluster's id.
    let foreign_folder = tempfile::tempdir().unwrap();
    let mut foreign = crate::testing::pristine(foreign_folder.path());
    foreign.identity.cluster_id = vec![0xee; 16];
    let bind = {
        use raft_types::commands::{BindCluster, BoundNode};
        use raft_types::{ClusterId, DiskId, EncryptionDomain, Envelope, Proposal, Record};
        let command = BindCluster {
            cluster: ClusterId([0xee; 16]),
            tag: 1,
            domain: EncryptionDomain([1; 16]),
            nodes: vec![BoundNode {
                name: crate::testing::name(),
                disk: DiskId([9; 16]),
            }],
        };
        Envelope::new(Proposal::BindCluster(command)).encode()
    };
    apply(&mut machine(&foreign), [entry(1, 1, 0, vec![bind])]).await;
    let snapshot = foreign.snapshots.build(&foreign.state).unwrap();
    let error = into
        .snapshots
        .install(&into.state, snapshot.last(), &snapshot)
        .unwrap_err();
    assert!(
        matches!(error, install::InstallError::OtherCluster { .. }),
        "{error}"
    );
    assert_eq!(into.state.applied_index(), 4);
}

#[tokio::test]
async fn what_a_crash_leaves_of_a_build_or_an_install_is_removed_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = {
        let store = filled(folder.path(), 2..10).await;
        store.snapshots.build(&store.state).unwrap();
        store.path
    };
    for left_over in [
        "snapshots/tmp-0011",
        "state/00000002",
        "state/00000000",
        "incoming/x",
    ] {
        fs::create_dir_all(path.join(left_over)).unwrap();
        fs::write(path.join(left_over).join("file"), b"half").unwrap();
    }
    fs::write(path.join("state/CURRENT.tmp"), b"0000").unwrap();
    fs::write(path.join("IDENTITY.tmp"), b"half").unwrap();
    // An older snapshot whose removal was cut off.
    let older = path.join("snapshots/00000000000000000003-1");
    fs::create_dir(&older).unwrap();

    let store = open(folder.path());
    assert_eq!(published(&store), ["00000000000000000009-1"]);
    assert_eq!(
        crate::directory::files::names(store.state.folder()).unwrap(),
        ["00000001", "CURRENT"]
    );
    assert!(!path.join("incoming").exists());
    assert_eq!(store.state.applied_index(), 9);
}

#[tokio::test]
async fn a_crash_between_the_published_snapshot_and_the_pointer_ends_with_the_snapshot_installed() {
    let source = tempfile::tempdir().unwrap();
    let from = filled(source.path(), 2..50).await;
    let snapshot = from.snapshots.build(&from.state).unwrap();
    let folder = tempfile::tempdir().unwrap();
    {
        let into = filled(folder.path(), 2..5).await;
        // The first half of an install.
        let half = into.path.join(FOLDER).join("00000000000000000049-1");
        fs::create_dir(&half).unwrap();
        for name in crate::directory::files::names(snapshot.path()).unwrap() {
            fs::copy(snapshot.path().join(&name), half.join(&name)).unwrap();
        }
    }
    let into = open(folder.path());
    assert_eq!(into.state.applied_index(), 4, "the old state");
    let (mut log, mut machine) = (into.log.clone(), machine(&into));
    let mut helper = openraft::StorageHelper::new(&mut log, &mut machine).with_id(1);
    helper.get_initial_state().await.unwrap();
    assert_eq!(digest(&into.state.view()), digest(&from.state.view()));
}

#[tokio::test]
async fn a_published_snapshot_that_is_not_whole_is_refused() {
    type Change = fn(&Path);
    let changes: [(&str, Change); 4] = [
        ("no manifest", |path| {
            fs::remove_file(path.join(manifest::FILE)).unwrap();
        }),
        ("damaged manifest", |path| {
            fs::write(path.join(manifest::FILE), b"HFSNAPSH????????").unwrap();
        }),
        ("missing file", |path| {
            fs::remove_file(path.join("CURRENT")).unwrap();
        }),
        ("shorter file", |path| {
            fs::write(path.join("CURRENT"), b"").unwrap();
        }),
    ];
    for (what, change) in changes {
        let folder = tempfile::tempdir().unwrap();
        let path = {
            let store = filled(folder.path(), 2..10).await;
            store.snapshots.build(&store.state).unwrap().path().to_owned()
        };
        change(&path);
        assert!(
            matches!(refused(folder.path()), Damage::Snapshot { .. }),
            "{what}"
        );
    }
}

#[tokio::test]
async fn a_snapshot_that_cannot_be_written_ends_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = filled(folder.path(), 2..10).await;
    store.fatal = Fatal::with(|cause| assert!(matches!(cause, crate::FatalCause::Snapshot(_)), "{cause}"));
    let mut machine = machine(&store);
    fs::remove_dir(store.path.join(FOLDER)).unwrap();
    let mut builder = machine.get_snapshot_builder().await;
    openraft::RaftSnapshotBuilder::build_snapshot(&mut builder)
        .await
        .unwrap_err();
    assert!(store.fatal.is_triggered());
}
