//! Faults fire where and as often as they were told, and count it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod support;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use cluster_tests_powercut::{ControlError, Effect, Fault, FaultCount, FaultError, OpClass};
use rustix::fs::{FallocateFlags, fallocate, statvfs};
use rustix::io::Errno;
use support::{Rig, options, sync_dir, write_synced};

#[track_caller]
fn fails_with<T: std::fmt::Debug>(outcome: io::Result<T>, errno: Errno) {
    assert_eq!(Errno::from_io_error(&outcome.unwrap_err()), Some(errno));
}

fn fail(on: OpClass, path: &str, error: FaultError) -> Fault {
    Fault::new(on, path, Effect::Fail(error))
}

#[test]
fn a_failed_fsync_is_an_error_once_and_its_data_never_reaches_the_disk() {
    let Some(rig) = Rig::new("faults::fsync") else {
        return;
    };
    write_synced(&rig.path("log"), b"old ");
    sync_dir(&rig.path(""));
    let id = rig
        .inject(fail(OpClass::SyncFile, "log", FaultError::Io).after(1).times(1))
        .unwrap();
    let mut file = OpenOptions::new().append(true).open(rig.path("log")).unwrap();
    file.write_all(b"first ").unwrap();
    file.sync_data().unwrap();
    file.write_all(b"second ").unwrap();
    fails_with(file.sync_data(), Errno::IO);
    // Whoever tries again is told that all is well, as Linux does, and it is not.
    file.sync_data().unwrap();
    file.write_all(b"third").unwrap();
    file.sync_data().unwrap();
    assert_eq!(fs::read(rig.path("log")).unwrap(), b"old first second third");
    assert_eq!(rig.survivors(), [("log".into(), Some(b"old first ".to_vec()))]);
    assert_eq!(
        rig.fault_count(id).unwrap(),
        FaultCount {
            id,
            matched: 4,
            fired: 1
        }
    );
}

#[test]
fn a_failed_sync_of_a_directory_leaves_its_names_unsynced() {
    let Some(rig) = Rig::new("faults::fsyncdir") else {
        return;
    };
    fs::create_dir(rig.path("d")).unwrap();
    sync_dir(&rig.path(""));
    let id = rig.inject(fail(OpClass::SyncDir, "d", FaultError::Io)).unwrap();
    write_synced(&rig.path("d/f"), b"data");
    fails_with(File::open(rig.path("d")).unwrap().sync_all(), Errno::IO);
    sync_dir(&rig.path(""));
    assert_eq!(rig.survivors(), [("d".into(), None)]);
    rig.clear_fault(id).unwrap();
    sync_dir(&rig.path("d"));
    assert_eq!(rig.survivors().len(), 2);
}

#[test]
fn an_ignored_sync_answers_success_and_makes_nothing_durable() {
    let Some(rig) = Rig::new("faults::ignore") else {
        return;
    };
    fs::create_dir(rig.path("blobs")).unwrap();
    sync_dir(&rig.path(""));
    let file = rig.inject(Fault::ignore_file_sync("blobs/*.blob")).unwrap();
    write_synced(&rig.path("blobs/a.blob"), b"data");
    write_synced(&rig.path("blobs/a.index"), b"index");
    sync_dir(&rig.path("blobs"));
    let expected = [
        ("blobs".into(), None),
        ("blobs/a.blob".into(), Some(Vec::new())),
        ("blobs/a.index".into(), Some(b"index".to_vec())),
    ];
    assert_eq!(rig.survivors(), expected);
    assert_eq!(rig.fault_count(file).unwrap().fired, 1);

    rig.clear_faults().unwrap();
    let dir = rig.inject(Fault::ignore_dir_sync("blobs")).unwrap();
    write_synced(&rig.path("blobs/b.blob"), b"data");
    sync_dir(&rig.path("blobs"));
    assert_eq!(rig.survivors(), expected);
    assert_eq!(rig.fault_count(dir).unwrap().fired, 1);
    // The syncs after it make good what was left out, unlike those after a failure.
    rig.clear_faults().unwrap();
    sync_dir(&rig.path("blobs"));
    File::open(rig.path("blobs/a.blob")).unwrap().sync_all().unwrap();
    let all = rig.survivors();
    assert_eq!(all.len(), 4);
    assert!(
        all[1..]
            .iter()
            .all(|(_, bytes)| bytes.as_ref().is_some_and(|bytes| !bytes.is_empty())),
        "{all:?}"
    );
}

#[test]
fn a_synced_write_meets_the_faults_of_writes_and_of_syncs() {
    let Some(rig) = Rig::new("faults::o_sync") else {
        return;
    };
    let file = {
        use std::os::unix::fs::OpenOptionsExt;
        let mut options = OpenOptions::new();
        options
            .create(true)
            .truncate(false)
            .write(true)
            .custom_flags(0o10_000)
            .open(rig.path("f"))
            .unwrap()
    };
    sync_dir(&rig.path(""));
    file.write_all_at(b"durable", 0).unwrap();
    let sync = rig
        .inject(fail(OpClass::SyncFile, "f", FaultError::Io).times(1))
        .unwrap();
    fails_with(file.write_all_at(b"DURABLE", 0), Errno::IO);
    assert_eq!(rig.survivors(), [("f".into(), Some(b"durable".to_vec()))]);
    assert_eq!(rig.fault_count(sync).unwrap().fired, 1);
    rig.inject(Fault::ignore_file_sync("f")).unwrap();
    file.write_all_at(b"ignored", 0).unwrap();
    assert_eq!(rig.survivors(), [("f".into(), Some(b"durable".to_vec()))]);
}

#[test]
fn reads_and_writes_fail_by_pattern_until_cleared() {
    let Some(rig) = Rig::new("faults::io") else { return };
    fs::create_dir(rig.path("d")).unwrap();
    fs::write(rig.path("d/a.sst"), b"sst").unwrap();
    fs::write(rig.path("d/a.log"), b"log").unwrap();
    let open = File::open(rig.path("d/a.sst")).unwrap();
    let mut bytes = [0; 3];
    open.read_exact_at(&mut bytes, 0).unwrap();
    let read = rig
        .inject(fail(OpClass::Read, "**/*.sst", FaultError::Io))
        .unwrap();
    // Also where the same bytes were read before: nothing is cached.
    fails_with(open.read_exact_at(&mut bytes, 0), Errno::IO);
    fails_with(fs::read(rig.path("d/a.sst")), Errno::IO);
    assert_eq!(fs::read(rig.path("d/a.log")).unwrap(), b"log");
    rig.clear_fault(read).unwrap();
    open.read_exact_at(&mut bytes, 0).unwrap();

    let write = rig
        .inject(fail(OpClass::Write, "d/*.log", FaultError::NoSpace))
        .unwrap();
    let log = OpenOptions::new().write(true).open(rig.path("d/a.log")).unwrap();
    fails_with(log.write_all_at(b"x", 0), Errno::NOSPC);
    fails_with(log.set_len(0), Errno::NOSPC);
    assert_eq!(fallocate(&log, FallocateFlags::empty(), 0, 10), Err(Errno::NOSPC));
    assert_eq!(fs::read(rig.path("d/a.log")).unwrap(), b"log");
    assert_eq!(
        rig.fault_count(write).unwrap(),
        FaultCount {
            id: write,
            matched: 3,
            fired: 3
        }
    );
    rig.clear_faults().unwrap();
    log.write_all_at(b"x", 0).unwrap();
    assert!(rig.fault_count(write).is_err(), "it is gone");
}

#[test]
fn changes_of_names_fail_by_pattern() {
    let Some(rig) = Rig::new("faults::names") else {
        return;
    };
    for name in ["a", "b", "hot"] {
        fs::write(rig.path(name), name).unwrap();
    }
    fs::create_dir(rig.path("d")).unwrap();
    let id = rig
        .inject(fail(OpClass::Name, "hot*", FaultError::NoSpace))
        .unwrap();
    fails_with(File::create(rig.path("hot2")), Errno::NOSPC);
    fails_with(fs::create_dir(rig.path("hot3")), Errno::NOSPC);
    fails_with(fs::rename(rig.path("a"), rig.path("hot4")), Errno::NOSPC);
    fails_with(fs::rename(rig.path("hot"), rig.path("c")), Errno::NOSPC);
    fails_with(fs::hard_link(rig.path("a"), rig.path("hot5")), Errno::NOSPC);
    fails_with(fs::remove_file(rig.path("hot")), Errno::NOSPC);
    fails_with(std::os::unix::fs::symlink("a", rig.path("hot6")), Errno::NOSPC);
    fs::rename(rig.path("a"), rig.path("c")).unwrap();
    File::create(rig.path("d/hot")).unwrap();
    assert_eq!(rig.fault_count(id).unwrap().fired, 7);
}

#[test]
fn a_full_mount_refuses_what_needs_room_and_recovers_when_there_is_some() {
    let test = "faults::budget";
    let Some(rig) = Rig::with_options(test, &options().space_budget(1 << 20), |_| {}) else {
        return;
    };
    let space = || statvfs(rig.path("")).unwrap();
    assert_eq!(
        (space().f_blocks * space().f_frsize, space().f_bavail),
        (1 << 20, 256)
    );
    fs::write(rig.path("ballast"), vec![1; 1_000_000]).unwrap();
    let mut log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(rig.path("log"))
        .unwrap();
    let mut written = 0;
    let full = loop {
        match log.write(&[2; 4096]) {
            Ok(bytes) => written += bytes,
            Err(error) => break error,
        }
        assert!(written < 1 << 20);
    };
    assert_eq!(Errno::from_io_error(&full), Some(Errno::NOSPC));
    assert_eq!(space().f_bavail, 0);
    log.sync_all().unwrap();
    let stats = rig.stats().unwrap();
    assert_eq!(
        (stats.space.budget, stats.space.used, stats.space.refused),
        (Some(1 << 20), 1 << 20, 1)
    );
    fs::remove_file(rig.path("ballast")).unwrap();
    log.write_all(&[3; 4096]).unwrap();
    // On command, at once, whatever is used.
    rig.set_space_budget(Some(0)).unwrap();
    fails_with(log.write_all(&[4; 4096]), Errno::NOSPC);
    assert_eq!(space().f_bavail, 0);
    rig.set_space_budget(None).unwrap();
    log.write_all(&[5; 4096]).unwrap();
    assert_eq!(
        fs::metadata(rig.path("log")).unwrap().len() as usize,
        written + 2 * 4096
    );
}

#[test]
fn slow_syncs_take_their_time_and_hold_up_nobody_else() {
    // More than the threads that serve the mount.
    const SLOW: usize = 12;
    let Some(rig) = Rig::new("faults::slow") else {
        return;
    };
    let delay = Duration::from_millis(400);
    let id = rig
        .inject(Fault::new(OpClass::SyncFile, "slow*", Effect::DelayMillis(400)))
        .unwrap();
    let files: Vec<File> = (0..SLOW)
        .map(|at| File::create(rig.path(&format!("slow{at}"))).unwrap())
        .collect();
    sync_dir(&rig.path(""));
    let durable = || {
        rig.survivors()
            .iter()
            .filter(|(_, bytes)| bytes.as_deref() == Some(b"data"))
            .count()
    };
    let (done, is_done) = mpsc::channel();
    thread::scope(|scope| {
        for file in &files {
            let done = done.clone();
            scope.spawn(move || {
                file.write_all_at(b"data", 0).unwrap();
                let begun = Instant::now();
                file.sync_all().unwrap();
                done.send(begun.elapsed()).unwrap();
            });
        }
        while rig.fault_count(id).unwrap().fired < SLOW as u64 {
            thread::yield_now();
        }
        write_synced(&rig.path("other"), b"data");
        assert_eq!(durable(), 0, "nothing is durable before its time");
        assert!(is_done.try_recv().is_err(), "the slow ones must still be waiting");
    });
    for _ in 0..SLOW {
        assert!(is_done.recv().unwrap() >= delay);
    }
    assert_eq!(durable(), SLOW);
}

#[test]
fn faults_that_make_no_sense_are_refused() {
    let Some(rig) = Rig::new("faults::refused") else {
        return;
    };
    let refused = |fault| matches!(rig.inject(fault), Err(ControlError::Refused(_)));
    assert!(refused(Fault::new(OpClass::Write, "**", Effect::Ignore)));
    assert!(refused(Fault::new(OpClass::Read, "**", Effect::DelayMillis(1))));
    assert!(refused(Fault {
        on: vec![],
        ..Fault::ignore_file_sync("**")
    }));
    assert!(rig.clear_fault(1).is_err());
    assert_eq!(rig.stats().unwrap().faults, []);
}
