//! The durability model on a real mount: what a program has synced is there after a cut.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod support;

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::time::Duration;

use cluster_tests_powercut::{ControlError, CutPolicy, SyncKind, UnsyncedData, UnsyncedNames};
use support::{PATIENCE, Rig, names, sync_dir, tree, write_synced};

/// `O_DSYNC` and `O_SYNC`.
const O_DSYNC: i32 = 0o10_000;
const O_SYNC: i32 = 0o4_010_000;

#[test]
fn a_file_survives_with_its_content_and_its_name_synced_and_not_with_one_of_them() {
    let Some(rig) = Rig::new("durability::both") else {
        return;
    };
    write_synced(&rig.path("content-only"), b"content");
    assert_eq!(rig.survivors(), []);
    sync_dir(&rig.path(""));
    fs::write(rig.path("neither"), b"content").unwrap();
    assert_eq!(
        rig.survivors(),
        [("content-only".into(), Some(b"content".to_vec()))]
    );
    // The same directory again, before the content: a name without bytes.
    sync_dir(&rig.path(""));
    assert_eq!(rig.survivors()[1], ("neither".into(), Some(Vec::new())));
}

#[test]
fn closing_a_file_makes_nothing_durable() {
    let Some(rig) = Rig::new("durability::close") else {
        return;
    };
    let mut file = File::create(rig.path("f")).unwrap();
    sync_dir(&rig.path(""));
    file.write_all(b"data").unwrap();
    drop(file);
    assert_eq!(rig.survivors(), [("f".into(), Some(Vec::new()))]);
}

#[test]
fn the_usual_atomic_replacement_leaves_the_old_or_the_new_content_at_every_step() {
    let Some(rig) = Rig::new("durability::replace") else {
        return;
    };
    write_synced(&rig.path("f"), b"old");
    sync_dir(&rig.path(""));
    let content = || {
        let survivors = rig.survivors();
        survivors
            .into_iter()
            .find(|(name, _)| name == "f")
            .and_then(|(_, bytes)| bytes)
            .unwrap()
    };
    let mut file = File::create(rig.path("f.tmp")).unwrap();
    file.write_all(b"new").unwrap();
    assert_eq!(content(), b"old");
    file.sync_all().unwrap();
    fs::rename(rig.path("f.tmp"), rig.path("f")).unwrap();
    assert_eq!(fs::read(rig.path("f")).unwrap(), b"new");
    assert_eq!(content(), b"old", "the rename reverts");
    sync_dir(&rig.path(""));
    assert_eq!(content(), b"new");
    assert_eq!(names(&rig.survivors()), ["f"]);
}

#[test]
fn a_replacement_without_a_synced_content_loses_both() {
    let Some(rig) = Rig::new("durability::replace_unsynced") else {
        return;
    };
    write_synced(&rig.path("f"), b"old");
    sync_dir(&rig.path(""));
    fs::write(rig.path("f.tmp"), b"new").unwrap();
    fs::rename(rig.path("f.tmp"), rig.path("f")).unwrap();
    sync_dir(&rig.path(""));
    assert_eq!(rig.survivors(), [("f".into(), Some(Vec::new()))]);
}

#[test]
fn handles_opened_for_synced_writes_need_no_fsync() {
    let Some(rig) = Rig::new("durability::o_sync") else {
        return;
    };
    for (name, flag) in [("d", O_DSYNC), ("s", O_SYNC)] {
        let file = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(true)
            .custom_flags(flag)
            .open(rig.path(name));
        let file = file.unwrap();
        file.set_permissions(fs::Permissions::from_mode(0o600)).unwrap();
        file.write_all_at(b"one ", 0).unwrap();
        file.write_all_at(b"two", 4).unwrap();
    }
    sync_dir(&rig.path(""));
    let to = rig.outside("survivors");
    rig.materialize(&to, CutPolicy::nothing(0)).unwrap();
    assert_eq!(
        tree(&to),
        [
            ("d".into(), Some(b"one two".to_vec())),
            ("s".into(), Some(b"one two".to_vec()))
        ]
    );
    // `O_SYNC` syncs attributes too.
    assert_eq!(fs::metadata(to.join("s")).unwrap().mode() & 0o777, 0o600);
    assert_ne!(fs::metadata(to.join("d")).unwrap().mode() & 0o777, 0o600);
    let kinds: Vec<SyncKind> = rig
        .boundaries()
        .unwrap()
        .iter()
        .map(|boundary| boundary.kind)
        .collect();
    assert_eq!(
        kinds,
        [[SyncKind::SyncedWrite; 4].as_slice(), &[SyncKind::Directory]].concat()
    );
}

#[test]
fn a_single_write_can_ask_to_be_synced() {
    let Some(rig) = Rig::new("durability::rwf_dsync") else {
        return;
    };
    let file = File::create(rig.path("f")).unwrap();
    sync_dir(&rig.path(""));
    file.write_all_at(b"not yet ", 0).unwrap();
    let written = rustix::io::pwritev2(
        &file,
        &[std::io::IoSlice::new(b"now")],
        8,
        rustix::io::ReadWriteFlags::DSYNC,
    );
    assert_eq!(written, Ok(3));
    assert_eq!(rig.survivors(), [("f".into(), Some(b"not yet now".to_vec()))]);
}

#[test]
fn a_torn_cut_keeps_prefixes_and_tears_alike_for_one_seed() {
    let Some(rig) = Rig::new("durability::torn") else {
        return;
    };
    let whole: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    for at in 0..4 {
        let mut file = File::create(rig.path(&at.to_string())).unwrap();
        file.write_all(b"head").unwrap();
        file.sync_all().unwrap();
        whole
            .chunks(7_001)
            .for_each(|piece| file.write_all(piece).unwrap());
    }
    sync_dir(&rig.path(""));
    let materialize = |folder: &str, seed| {
        let to = rig.outside(folder);
        let report = rig.materialize(&to, CutPolicy::torn(seed)).unwrap();
        (tree(&to), report)
    };
    let mut lengths = std::collections::BTreeSet::new();
    for seed in 0..12 {
        let (survivors, report) = materialize(&format!("first{seed}"), seed);
        let mut kept = 0;
        for (name, bytes) in &survivors {
            let bytes = bytes.as_ref().unwrap();
            let tail = bytes
                .strip_prefix(b"head")
                .unwrap_or_else(|| panic!("seed {seed}: {name} lost synced bytes"));
            assert!(whole.starts_with(tail), "seed {seed}: {name} is no prefix");
            lengths.insert(tail.len());
            kept += tail.len() as u64;
        }
        assert_eq!(report.lost_bytes, 4 * whole.len() as u64 - kept);
        assert_eq!((report.seed, report.unsynced_files), (seed, 4));
        assert!(
            materialize(&format!("second{seed}"), seed) == (survivors, report),
            "seed {seed}"
        );
    }
    assert!(lengths.len() > 10, "{lengths:?}");
}

#[test]
fn a_mount_goes_on_with_what_survived() {
    let Some(rig) = Rig::new("durability::power_on") else {
        return;
    };
    fs::create_dir(rig.path("d")).unwrap();
    write_synced(&rig.path("d/kept"), b"kept");
    write_synced(&rig.path("replaced"), b"old");
    for dir in ["d", ""] {
        sync_dir(&rig.path(dir));
    }
    let kept_inode = fs::metadata(rig.path("d/kept")).unwrap().ino();
    fs::write(rig.path("replaced"), b"newer and longer").unwrap();
    fs::write(rig.path("d/lost"), b"lost").unwrap();
    fs::remove_file(rig.path("d/kept")).unwrap();
    let open = File::open(rig.path("replaced")).unwrap();

    let report = rig.cut(CutPolicy::nothing(7)).unwrap();
    assert_eq!((report.seed, report.lost_names, report.unsynced_files), (7, 2, 1));
    let dark = fs::read_dir(rig.path("")).unwrap_err();
    assert_eq!(
        rustix::io::Errno::from_io_error(&dark),
        Some(rustix::io::Errno::IO)
    );
    let refused = rig.power_on(Duration::ZERO).unwrap_err();
    assert!(
        matches!(&refused, ControlError::Refused(reason) if reason.contains("handles")),
        "{refused}"
    );
    drop(open);
    rig.power_on(PATIENCE).unwrap();

    let expected = [
        ("d".into(), None),
        ("d/kept".into(), Some(b"kept".to_vec())),
        ("replaced".into(), Some(b"old".to_vec())),
    ];
    assert_eq!(tree(&rig.path("")), expected);
    assert_eq!(fs::metadata(rig.path("replaced")).unwrap().len(), 3);
    assert_eq!(fs::metadata(rig.path("d/kept")).unwrap().ino(), kept_inode);
    let mut appended = OpenOptions::new()
        .append(true)
        .open(rig.path("replaced"))
        .unwrap();
    appended.write_all(b" and on").unwrap();
    appended.sync_data().unwrap();
    assert_eq!(fs::read(rig.path("replaced")).unwrap(), b"old and on");
    // Numbers are not used twice, so the kernel's memory of old ones harms nobody.
    fs::write(rig.path("new"), b"").unwrap();
    drop(appended);
    rig.cut(CutPolicy::nothing(8)).unwrap();
    rig.power_on(PATIENCE).unwrap();
    assert_eq!(fs::read(rig.path("replaced")).unwrap(), b"old and on");
    assert_eq!(
        fs::metadata(rig.path("new")).unwrap_err().kind(),
        ErrorKind::NotFound
    );
    assert_eq!(rig.stats().unwrap().outages, 2);
}

#[test]
fn a_killed_process_loses_nothing() {
    let Some(rig) = Rig::new("durability::kill") else {
        return;
    };
    fs::create_dir(rig.path("d")).unwrap();
    fs::write(rig.path("d/f"), b"never synced").unwrap();
    let before = tree(&rig.path(""));
    rig.cut(CutPolicy::everything()).unwrap();
    rig.power_on(PATIENCE).unwrap();
    assert_eq!(tree(&rig.path("")), before);
}

#[test]
fn unsynced_names_survive_in_part_if_asked_for() {
    let Some(rig) = Rig::new("durability::subset") else {
        return;
    };
    for at in 0..40 {
        write_synced(&rig.path(&at.to_string()), b"x");
    }
    let policy = |seed| CutPolicy {
        seed,
        data: UnsyncedData::Lost,
        names: UnsyncedNames::Subset,
    };
    let count = |seed| {
        let to = rig.outside(&format!("seed{seed}"));
        let report = rig.materialize(&to, policy(seed)).unwrap();
        let survivors = tree(&to);
        assert_eq!(survivors.len() as u64, report.kept_names);
        assert!(survivors.iter().all(|(_, bytes)| bytes.as_deref() == Some(b"x")));
        survivors.len()
    };
    let counts: Vec<usize> = (0..8).map(count).collect();
    assert!(counts.iter().all(|count| (5..35).contains(count)), "{counts:?}");
}

#[test]
fn a_materialized_tree_keeps_links_holes_and_attributes() {
    let Some(rig) = Rig::new("durability::materialize") else {
        return;
    };
    let file = File::create(rig.path("sparse")).unwrap();
    file.write_all_at(b"end", 10 << 20).unwrap();
    file.set_permissions(fs::Permissions::from_mode(0o640)).unwrap();
    fs::hard_link(rig.path("sparse"), rig.path("link")).unwrap();
    std::os::unix::fs::symlink("sparse", rig.path("symbolic")).unwrap();
    fs::create_dir(rig.path("d")).unwrap();
    fs::set_permissions(rig.path("d"), fs::Permissions::from_mode(0o700)).unwrap();
    rig.commit_all().unwrap();
    assert_eq!(
        rig.stats().unwrap().boundaries,
        0,
        "committing all is no boundary"
    );
    let to = rig.outside("there");
    rig.materialize(&to, CutPolicy::nothing(0)).unwrap();
    let (sparse, link) = (
        fs::metadata(to.join("sparse")).unwrap(),
        fs::metadata(to.join("link")).unwrap(),
    );
    assert_eq!(
        (sparse.ino(), sparse.nlink(), sparse.len()),
        (link.ino(), 2, (10 << 20) + 3)
    );
    assert!(
        sparse.blocks() < 1_000,
        "the hole is filled: {} blocks",
        sparse.blocks()
    );
    assert_eq!(sparse.mode() & 0o777, 0o640);
    assert_eq!(
        sparse.modified().unwrap(),
        file.metadata().unwrap().modified().unwrap()
    );
    assert_eq!(fs::metadata(to.join("d")).unwrap().mode() & 0o777, 0o700);
    assert_eq!(
        fs::read_link(to.join("symbolic")).unwrap().to_str(),
        Some("sparse")
    );
    let full = rig.materialize(&to, CutPolicy::nothing(0)).unwrap_err();
    assert!(full.to_string().contains("not empty"), "{full}");
}
