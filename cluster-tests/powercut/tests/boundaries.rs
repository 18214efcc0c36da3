//! The power goes off at exactly the boundary that was named.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod support;

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use cluster_tests_powercut::{
    Boundary, ControlError, CutPoint, CutPolicy, Effect, Fault, OpClass, Side, SyncKind,
};
use rustix::io::Errno;
use support::{PATIENCE, Rig, names, sync_dir, tree, write_synced};

/// Three records, each in a file that replaces the one before: write, sync, rename, sync of the
/// folder. Answers how many it was told are durable, with the error that ended it.
fn three_records(root: &Path) -> (u32, io::Result<()>) {
    let mut acknowledged = 0;
    let mut run = || -> io::Result<()> {
        for record in 1..=3_u32 {
            let file = File::create(root.join("record.tmp"))?;
            file.write_all_at(&record.to_le_bytes(), 0)?;
            file.sync_all()?;
            fs::rename(root.join("record.tmp"), root.join("record"))?;
            File::open(root)?.sync_all()?;
            acknowledged = record;
        }
        Ok(())
    };
    let ended = run();
    (acknowledged, ended)
}

fn record_in(root: &Path) -> u32 {
    match fs::read(root.join("record")) {
        Ok(bytes) => u32::from_le_bytes(bytes.try_into().expect("a whole record")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => panic!("{error}"),
    }
}

/// Runs the workload with the power going off at one point: what it was told, what survived.
fn cut_at(test: &str, point: CutPoint, fault: Option<Fault>, policy: CutPolicy) -> Option<(u32, u32)> {
    let rig = Rig::new(test)?;
    if let Some(fault) = fault {
        rig.inject(fault).unwrap();
    }
    rig.freeze_at(point.boundary, point.side).unwrap();
    let (acknowledged, ended) = three_records(&rig.path(""));
    assert_eq!(Errno::from_io_error(&ended.unwrap_err()), Some(Errno::IO));
    let outage = rig.wait_off(Duration::ZERO).unwrap();
    assert_eq!(outage.at, Some(point));
    rig.cut(policy).unwrap();
    rig.power_on(PATIENCE).unwrap();
    Some((acknowledged, record_in(&rig.path(""))))
}

#[test]
fn a_correct_program_loses_nothing_at_any_boundary() {
    let mut after_the_last_sync = 0;
    for boundary in 1..=6 {
        for side in [Side::Before, Side::After] {
            for seed in 0..3 {
                let point = CutPoint { boundary, side };
                let policy = if seed == 0 {
                    CutPolicy::nothing(0)
                } else {
                    CutPolicy::random(seed)
                };
                let Some((acknowledged, found)) = cut_at("boundaries::all", point, None, policy) else {
                    return;
                };
                // At most the record that was under way may be there without having been told.
                assert!(
                    (acknowledged..=acknowledged + 1).contains(&found),
                    "{point:?} seed {seed}: {found}"
                );
                assert_eq!(acknowledged, u32::try_from((boundary - 1) / 2).unwrap());
                after_the_last_sync += u32::from(side == Side::After && boundary == 6 && found == 3);
            }
        }
    }
    assert_eq!(
        after_the_last_sync, 3,
        "after the last sync the last record is always there"
    );
}

#[test]
fn a_program_without_one_of_its_syncs_is_caught() {
    let mutants = [
        (Fault::ignore_file_sync("record.tmp"), "the file's"),
        (Fault::ignore_dir_sync(""), "the folder's"),
    ];
    for (mutant, whose) in mutants {
        let mut losses = 0;
        for boundary in 2..=6 {
            for side in [Side::Before, Side::After] {
                let point = CutPoint { boundary, side };
                let rig = Rig::new("boundaries::mutants");
                let Some(rig) = rig else { return };
                rig.inject(mutant.clone()).unwrap();
                rig.freeze_at(boundary, side).unwrap();
                let (acknowledged, _) = three_records(&rig.path(""));
                let to = rig.outside("survivors");
                rig.materialize(&to, CutPolicy::nothing(0)).unwrap();
                let bytes = fs::read(to.join("record")).unwrap_or_default();
                let found = <[u8; 4]>::try_from(bytes).map_or(0, u32::from_le_bytes);
                assert!(rig.stats().unwrap().faults[0].fired > 0, "{point:?}");
                losses += u32::from(found < acknowledged);
            }
        }
        assert!(
            losses > 0,
            "without {whose} sync something acknowledged must be lost"
        );
    }
}

#[test]
fn before_and_after_differ_by_the_effect_of_the_one_sync() {
    for (side, expected) in [(Side::Before, b"old".to_vec()), (Side::After, b"new".to_vec())] {
        let Some(rig) = Rig::new("boundaries::sides") else {
            return;
        };
        write_synced(&rig.path("f"), b"old");
        sync_dir(&rig.path(""));
        let passed = rig.stats().unwrap().boundaries;
        rig.freeze_at(passed + 1, side).unwrap();
        let file = OpenOptions::new().write(true).open(rig.path("f")).unwrap();
        file.write_all_at(b"new", 0).unwrap();
        let synced = file.sync_data().unwrap_err();
        assert_eq!(
            Errno::from_io_error(&synced),
            Some(Errno::IO),
            "nobody is told of it on either side"
        );
        let outage = rig.wait_off(Duration::ZERO).unwrap();
        let boundary = Boundary {
            number: passed + 1,
            kind: SyncKind::Fdatasync,
            path: "f".into(),
        };
        assert_eq!((outage.boundaries, outage.boundary), (passed + 1, Some(boundary)));
        assert_eq!(rig.survivors(), [("f".into(), Some(expected))]);
    }
}

#[test]
fn in_the_dark_every_operation_fails_and_the_state_stands_still() {
    let Some(rig) = Rig::new("boundaries::dark") else {
        return;
    };
    write_synced(&rig.path("f"), b"data");
    sync_dir(&rig.path(""));
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(rig.path("f"))
        .unwrap();
    rig.freeze_at(rig.stats().unwrap().boundaries + 1, Side::After)
        .unwrap();
    file.sync_all().unwrap_err();
    let before = rig.survivors();
    let path = |name: &str| rig.path(name);
    let mut byte = [0];
    let attempts: Vec<(&str, io::Result<()>)> = vec![
        ("read", file.read_at(&mut byte, 0).map(drop)),
        ("write", file.write_at(b"x", 0).map(drop)),
        ("fsync", file.sync_all()),
        ("fstat", file.metadata().map(drop)),
        ("truncate", file.set_len(0)),
        ("open", File::open(path("f")).map(drop)),
        ("create", File::create(path("new")).map(drop)),
        ("stat", fs::metadata(path("f")).map(drop)),
        ("readdir", fs::read_dir(path("")).map(drop)),
        ("mkdir", fs::create_dir(path("d"))),
        ("unlink", fs::remove_file(path("f"))),
        ("rename", fs::rename(path("f"), path("g"))),
        ("link", fs::hard_link(path("f"), path("l"))),
        (
            "chmod",
            fs::set_permissions(path("f"), std::os::unix::fs::PermissionsExt::from_mode(0o600)),
        ),
        (
            "statfs",
            rustix::fs::statvfs(path("")).map(drop).map_err(io::Error::from),
        ),
    ];
    for (what, outcome) in attempts {
        let error = outcome.expect_err(what);
        assert_eq!(Errno::from_io_error(&error), Some(Errno::IO), "{what}: {error}");
    }
    assert_eq!(rig.survivors(), before);
    assert_eq!(
        rig.stats().unwrap().boundaries,
        3,
        "what happens in the dark is no boundary"
    );
    assert!(rig.stats().unwrap().refused_off >= 15);
    let refused = rig.commit_all().unwrap_err();
    assert!(matches!(refused, ControlError::Refused(_)), "{refused}");
}

#[test]
fn all_kinds_of_syncs_are_counted_in_order() {
    let Some(rig) = Rig::new("boundaries::kinds") else {
        return;
    };
    fs::create_dir(rig.path("d")).unwrap();
    let file = File::create(rig.path("d/f")).unwrap();
    file.sync_all().unwrap();
    file.sync_data().unwrap();
    sync_dir(&rig.path("d"));
    fs::rename(rig.path("d/f"), rig.path("g")).unwrap();
    file.sync_all().unwrap();
    fs::remove_file(rig.path("g")).unwrap();
    file.sync_all().unwrap();
    sync_dir(&rig.path(""));
    let passed: Vec<_> = rig
        .boundaries()
        .unwrap()
        .into_iter()
        .map(|boundary| (boundary.number, boundary.kind, boundary.path))
        .collect();
    let expected = [
        (1, SyncKind::Fsync, "d/f"),
        (2, SyncKind::Fdatasync, "d/f"),
        (3, SyncKind::Directory, "d"),
        (4, SyncKind::Fsync, "g"),
        (5, SyncKind::Fsync, "g"),
        (6, SyncKind::Directory, ""),
    ];
    assert_eq!(
        passed,
        expected.map(|(number, kind, path)| (number, kind, path.to_owned()))
    );
}

#[test]
fn syncs_that_promise_nothing_are_no_boundaries_and_make_nothing_durable() {
    let Some(rig) = Rig::new("boundaries::weak") else {
        return;
    };
    let file = File::create(rig.path("f")).unwrap();
    sync_dir(&rig.path(""));
    file.write_all_at(b"data", 0).unwrap();
    rustix::fs::sync();
    rustix::fs::syncfs(&file).unwrap();
    assert_eq!(rig.stats().unwrap().boundaries, 1);
    assert_eq!(rig.survivors(), [("f".into(), Some(Vec::new()))]);
}

#[test]
fn a_boundary_of_the_past_is_refused_and_a_cleared_one_forgotten() {
    let Some(rig) = Rig::new("boundaries::past") else {
        return;
    };
    let file = File::create(rig.path("f")).unwrap();
    file.sync_all().unwrap();
    let refused = rig.freeze_at(1, Side::After).unwrap_err();
    assert!(matches!(refused, ControlError::Refused(_)), "{refused}");
    rig.freeze_at(2, Side::Before).unwrap();
    rig.clear_freeze().unwrap();
    file.sync_all().unwrap();
    let on = rig.wait_off(Duration::ZERO).unwrap_err();
    assert!(matches!(on, ControlError::Refused(_)), "{on}");
}

#[test]
fn whoever_waits_for_the_outage_is_woken_by_it() {
    let Some(rig) = Rig::new("boundaries::wait") else {
        return;
    };
    let file = File::create(rig.path("f")).unwrap();
    rig.freeze_at(1, Side::Before).unwrap();
    let control = rig.fs.control().clone();
    let (ready, is_ready) = mpsc::channel();
    let waiter = thread::spawn(move || {
        ready.send(()).unwrap();
        control.wait_off(PATIENCE)
    });
    is_ready.recv().unwrap();
    file.sync_all().unwrap_err();
    assert_eq!(waiter.join().unwrap().unwrap().boundaries, 1);
}

#[test]
fn the_power_comes_back_only_after_a_cut() {
    let Some(rig) = Rig::new("boundaries::order") else {
        return;
    };
    let file = File::create(rig.path("f")).unwrap();
    assert!(rig.power_on(Duration::ZERO).is_err(), "it is on");
    rig.freeze_at(1, Side::After).unwrap();
    file.sync_all().unwrap_err();
    drop(file);
    assert!(
        rig.power_on(Duration::ZERO).is_err(),
        "what survives was not decided"
    );
    let lost = rig.cut(CutPolicy::nothing(1)).unwrap();
    let again = rig.cut(CutPolicy::everything()).unwrap();
    assert_eq!(
        (lost.lost_names, again.lost_names, again.kept_names),
        (1, 0, 0),
        "a cut is decided once"
    );
    rig.power_on(PATIENCE).unwrap();
    assert_eq!(tree(&rig.path("")), []);
}

#[test]
fn a_slow_sync_that_meets_an_outage_fails_and_has_no_effect() {
    let Some(rig) = Rig::new("boundaries::slow") else {
        return;
    };
    write_synced(&rig.path("f"), b"old");
    sync_dir(&rig.path(""));
    let slow = rig
        .inject(Fault::new(OpClass::SyncFile, "f", Effect::DelayMillis(300)))
        .unwrap();
    let file = OpenOptions::new().write(true).open(rig.path("f")).unwrap();
    file.write_all_at(b"new", 0).unwrap();
    let syncing = thread::spawn(move || file.sync_all());
    while rig.fault_count(slow).unwrap().fired == 0 {
        thread::yield_now();
    }
    rig.cut(CutPolicy::nothing(0)).unwrap();
    let error = syncing.join().unwrap().unwrap_err();
    assert_eq!(Errno::from_io_error(&error), Some(Errno::IO));
    rig.power_on(PATIENCE).unwrap();
    assert_eq!(names(&tree(&rig.path(""))), ["f"]);
    assert_eq!(fs::read(rig.path("f")).unwrap(), b"old");
}
