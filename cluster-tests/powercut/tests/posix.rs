//! A real mount behaves as a file system should: contents, attributes, locks, mappings.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod support;

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::process::Command;
use std::thread;

use rustix::fs::{
    AtFlags, CWD, FallocateFlags, FlockOperation, Mode, OFlags, SeekFrom as Whence, fallocate, fcntl_lock,
    flock, linkat, open,
};
use rustix::io::Errno;
use support::{Rig, tree};

#[test]
fn what_is_written_is_read_at_every_size_around_a_page_and_a_request() {
    let Some(rig) = Rig::new("posix::sizes") else {
        return;
    };
    for size in [0, 1, 511, 4095, 4096, 4097, 131_072, 1_048_577, 5_000_000] {
        let bytes: Vec<u8> = (0..size).map(|at| (at % 253) as u8).collect();
        let path = rig.path(&format!("f{size}"));
        fs::write(&path, &bytes).unwrap();
        assert!(fs::read(&path).unwrap() == bytes, "size {size}");
        let meta = fs::metadata(&path).unwrap();
        assert_eq!(meta.len(), size);
        assert_eq!(meta.blocks(), size.div_ceil(4096) * 8);
    }
}

#[test]
fn holes_read_as_zeros_and_take_no_room() {
    let Some(rig) = Rig::new("posix::holes") else {
        return;
    };
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .read(true)
        .write(true)
        .open(rig.path("f"))
        .unwrap();
    file.write_all_at(b"end", 1 << 40).unwrap();
    assert_eq!(file.metadata().unwrap().len(), (1 << 40) + 3);
    assert_eq!(file.metadata().unwrap().blocks(), 8);
    let mut bytes = [1; 10];
    file.read_exact_at(&mut bytes, 12_345).unwrap();
    assert_eq!(bytes, [0; 10]);
    assert_eq!(rustix::fs::seek(&file, Whence::Data(0)), Ok(1 << 40));
    assert_eq!(rustix::fs::seek(&file, Whence::Hole(0)), Ok(0));
    assert_eq!(rustix::fs::seek(&file, Whence::Data(1 << 41)), Err(Errno::NXIO));
    assert_eq!(file.seek(SeekFrom::End(-3)).unwrap(), 1 << 40);
    let mut end = String::new();
    file.read_to_string(&mut end).unwrap();
    assert_eq!(end, "end");
}

#[test]
fn a_truncated_file_shows_no_old_bytes_when_it_grows_again() {
    let Some(rig) = Rig::new("posix::truncate") else {
        return;
    };
    let path = rig.path("f");
    fs::write(&path, [7; 10_000]).unwrap();
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(5_000).unwrap();
    file.set_len(9_000).unwrap();
    let expected = [vec![7; 5_000], vec![0; 4_000]].concat();
    assert!(fs::read(&path).unwrap() == expected);
    File::create(&path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"");
}

#[test]
fn appends_of_many_threads_through_many_handles_lose_nothing() {
    let Some(rig) = Rig::new("posix::append") else {
        return;
    };
    let path = rig.path("log");
    thread::scope(|scope| {
        for thread in 0..8_u8 {
            let path = &path;
            scope.spawn(move || {
                let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
                for _ in 0..200 {
                    file.write_all(&[thread; 32]).unwrap();
                }
            });
        }
    });
    let bytes = fs::read(&path).unwrap();
    assert_eq!(bytes.len(), 8 * 200 * 32);
    let (records, _) = bytes.as_chunks::<32>();
    for thread in 0..8 {
        assert_eq!(
            records.iter().filter(|record| **record == [thread; 32]).count(),
            200
        );
    }
}

#[test]
fn an_unlinked_file_lives_as_long_as_it_is_open() {
    let Some(rig) = Rig::new("posix::unlinked") else {
        return;
    };
    let file = OpenOptions::new()
        .create_new(true)
        .read(true)
        .write(true)
        .open(rig.path("f"))
        .unwrap();
    fs::remove_file(rig.path("f")).unwrap();
    file.write_all_at(&[5; 10_000], 0).unwrap();
    file.sync_all().unwrap();
    let mut bytes = vec![0; 10_000];
    file.read_exact_at(&mut bytes, 0).unwrap();
    assert!(bytes == [5; 10_000]);
    assert_eq!(file.metadata().unwrap().nlink(), 0);
    assert_eq!(rig.stats().unwrap().space.used, 3 * 4096);
    drop(file);
    rig.wait_until_closed();
    assert_eq!(rig.stats().unwrap().space.used, 0);
}

#[test]
fn attributes_are_kept() {
    let Some(rig) = Rig::new("posix::attributes") else {
        return;
    };
    let path = rig.path("f");
    let file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o640)
        .open(&path)
        .unwrap();
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o7777, 0o640);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o4751)).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o4751);
    let time = std::time::UNIX_EPOCH + std::time::Duration::new(1_000_000_000, 123_456_789);
    file.set_modified(time).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), time);
    file.write_all_at(b"x", 0).unwrap();
    assert!(fs::metadata(&path).unwrap().modified().unwrap() > time);
    std::os::unix::fs::chown(&path, Some(12), Some(34)).unwrap();
    let meta = fs::metadata(&path).unwrap();
    assert_eq!((meta.uid(), meta.gid()), (12, 34));
    assert_eq!(
        meta.permissions().mode() & 0o4000,
        0,
        "a new owner takes the set-id bit away"
    );

    fs::create_dir(rig.path("shared")).unwrap();
    std::os::unix::fs::chown(rig.path("shared"), None, Some(99)).unwrap();
    fs::set_permissions(rig.path("shared"), fs::Permissions::from_mode(0o2775)).unwrap();
    fs::create_dir(rig.path("shared/sub")).unwrap();
    let sub = fs::metadata(rig.path("shared/sub")).unwrap();
    assert_eq!((sub.gid(), sub.permissions().mode() & 0o2000), (99, 0o2000));
}

#[test]
fn fallocate_allocates_extends_and_punches() {
    let Some(rig) = Rig::new("posix::fallocate") else {
        return;
    };
    let file = OpenOptions::new()
        .create_new(true)
        .read(true)
        .write(true)
        .open(rig.path("f"))
        .unwrap();
    let shape = || {
        (
            file.metadata().unwrap().len(),
            file.metadata().unwrap().blocks() / 8,
        )
    };
    fallocate(&file, FallocateFlags::KEEP_SIZE, 0, 65_536).unwrap();
    assert_eq!(shape(), (0, 16));
    file.write_all_at(&[1; 20_000], 0).unwrap();
    assert_eq!(shape(), (20_000, 16));
    fallocate(
        &file,
        FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE,
        1_000,
        8_000,
    )
    .unwrap();
    assert_eq!(shape(), (20_000, 15));
    let mut bytes = vec![9; 20_000];
    file.read_exact_at(&mut bytes, 0).unwrap();
    assert!(bytes == [vec![1; 1_000], vec![0; 8_000], vec![1; 11_000]].concat());
    fallocate(&file, FallocateFlags::empty(), 0, 100_000).unwrap();
    assert_eq!(shape(), (100_000, 25));
    // Truncating to the same size gives back what was allocated beyond it, as RocksDB relies on.
    fallocate(&file, FallocateFlags::KEEP_SIZE, 0, 200_000).unwrap();
    file.set_len(100_000).unwrap();
    assert_eq!(shape(), (100_000, 25));
    fallocate(&file, FallocateFlags::ZERO_RANGE, 15_000, 90_000).unwrap();
    assert_eq!(shape(), (105_000, 26));
    file.read_exact_at(&mut bytes, 0).unwrap();
    assert!(bytes == [vec![1; 1_000], vec![0; 8_000], vec![1; 6_000], vec![0; 5_000]].concat());
    let refused = fallocate(&file, FallocateFlags::COLLAPSE_RANGE, 0, 4096);
    assert_eq!(refused, Err(Errno::OPNOTSUPP));
}

#[test]
fn locks_exclude_each_other() {
    let Some(rig) = Rig::new("posix::locks") else {
        return;
    };
    fs::write(rig.path("LOCK"), b"").unwrap();
    let handle = || {
        OpenOptions::new()
            .read(true)
            .write(true)
            .open(rig.path("LOCK"))
            .unwrap()
    };
    let (first, second) = (handle(), handle());
    flock(&first, FlockOperation::NonBlockingLockExclusive).unwrap();
    assert_eq!(
        flock(&second, FlockOperation::NonBlockingLockExclusive),
        Err(Errno::WOULDBLOCK)
    );
    drop(first);
    flock(&second, FlockOperation::NonBlockingLockExclusive).unwrap();

    // POSIX locks are a process's own, so it takes another one to meet them.
    fcntl_lock(&second, FlockOperation::NonBlockingLockExclusive).unwrap();
    let other = "import fcntl, sys\n\
                 try:\n    fcntl.lockf(open(sys.argv[1], 'r+'), fcntl.LOCK_EX | fcntl.LOCK_NB)\n\
                 except OSError:\n    sys.exit(7)\n";
    let run = || {
        Command::new("python3")
            .args(["-c", other])
            .arg(rig.path("LOCK"))
            .status()
            .unwrap()
    };
    assert_eq!(run().code(), Some(7));
    fcntl_lock(&second, FlockOperation::Unlock).unwrap();
    assert_eq!(run().code(), Some(0));
}

#[test]
fn mappings_see_writes_and_writes_see_mappings() {
    let Some(rig) = Rig::new("posix::mmap") else {
        return;
    };
    let program = r"
import mmap, os, sys
path = sys.argv[1]
open(path, 'wb').write(b'x' * 10000)
file = open(path, 'r+b')
shared = mmap.mmap(file.fileno(), 10000)
private = mmap.mmap(file.fileno(), 10000, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)
assert shared[:3] == private[:3] == b'xxx'
shared[0:3] = b'abc'
assert open(path, 'rb').read(4) == b'abcx'
other = os.open(path, os.O_RDWR)
os.pwrite(other, b'ZZ', 5000)
assert shared[4999:5003] == b'xZZx'
shared.flush()
";
    let status = Command::new("python3")
        .args(["-c", program])
        .arg(rig.path("f"))
        .status()
        .unwrap();
    assert!(status.success());
    let kinds: Vec<_> = rig
        .boundaries()
        .unwrap()
        .into_iter()
        .map(|boundary| boundary.path)
        .collect();
    assert_eq!(kinds, ["f"], "a flushed mapping is one sync of its file");
    let (_, bytes) = rig.survivors().pop().unwrap_or_default();
    assert_eq!(bytes, None, "the name was never synced");
}

#[test]
fn a_program_can_be_run_from_it() {
    let Some(rig) = Rig::new("posix::exec") else {
        return;
    };
    // Not by this process: a handle for writing, inherited by what other tests start meanwhile,
    // would keep the program from being run.
    assert!(
        Command::new("cp")
            .arg("/bin/true")
            .arg(rig.path("true"))
            .status()
            .unwrap()
            .success()
    );
    let meta = fs::metadata(rig.path("true")).unwrap();
    assert_eq!(meta.permissions().mode() & 0o111, 0o111);
    assert!(Command::new(rig.path("true")).status().unwrap().success());
}

#[test]
fn other_users_are_kept_out_by_permissions_alone() {
    let Some(rig) = Rig::new("posix::permissions") else {
        return;
    };
    fs::set_permissions(rig.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(rig.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    for (name, mode) in [("open", 0o644), ("closed", 0o600)] {
        fs::write(rig.path(name), name).unwrap();
        fs::set_permissions(rig.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    let program = "import os, sys\nos.setuid(65534)\nopen(sys.argv[1]).read()";
    let read = |name: &str| {
        Command::new("python3")
            .args(["-c", program])
            .arg(rig.path(name))
            .output()
            .unwrap()
    };
    assert!(read("open").status.success());
    let closed = read("closed");
    assert!(
        String::from_utf8(closed.stderr)
            .unwrap()
            .contains("PermissionError")
    );
}

#[test]
fn an_unnamed_file_is_refused_rather_than_half_supported() {
    let Some(rig) = Rig::new("posix::tmpfile") else {
        return;
    };
    let refused = open(
        rig.path(""),
        OFlags::TMPFILE | OFlags::RDWR,
        Mode::RUSR | Mode::WUSR,
    )
    .unwrap_err();
    assert_eq!(refused, Errno::OPNOTSUPP);
    fs::write(rig.path("f"), b"").unwrap();
    linkat(CWD, rig.path("f"), CWD, rig.path("g"), AtFlags::empty()).unwrap();
}

#[test]
fn many_threads_work_in_one_tree() {
    let Some(rig) = Rig::new("posix::threads") else {
        return;
    };
    thread::scope(|scope| {
        for thread in 0..8 {
            let rig = &rig;
            scope.spawn(move || {
                let dir = rig.path(&format!("t{thread}"));
                fs::create_dir(&dir).unwrap();
                for at in 0..60_u32 {
                    let (temporary, path) = (dir.join("tmp"), dir.join(at.to_string()));
                    fs::write(&temporary, vec![thread; at as usize * 100]).unwrap();
                    File::open(&temporary).unwrap().sync_all().unwrap();
                    fs::rename(&temporary, &path).unwrap();
                    File::open(&dir).unwrap().sync_all().unwrap();
                    if at % 3 == 0 {
                        fs::hard_link(&path, rig.path(&format!("{thread}-{at}"))).unwrap();
                    }
                    if at % 4 == 0 {
                        fs::remove_file(&path).unwrap();
                    }
                }
            });
        }
    });
    let stats = rig.stats().unwrap();
    assert_eq!(stats.boundaries, 8 * 60 * 2);
    for thread in 0..8_u8 {
        let found = tree(&rig.path(&format!("t{thread}")));
        assert_eq!(found.len(), 45);
        for (name, bytes) in found {
            let size = name.parse::<usize>().unwrap() * 100;
            assert!(bytes.unwrap() == vec![thread; size]);
        }
    }
}

#[test]
fn a_mount_starts_with_what_lies_in_the_backing_folder() {
    let fill = |backing: &std::path::Path| {
        fs::create_dir(backing.join("d")).unwrap();
        fs::write(backing.join("d/f"), [vec![0; 10_000], b"data".to_vec()].concat()).unwrap();
        fs::hard_link(backing.join("d/f"), backing.join("link")).unwrap();
        symlink("d/f", backing.join("s")).unwrap();
        fs::set_permissions(backing.join("d/f"), fs::Permissions::from_mode(0o604)).unwrap();
    };
    let Some(rig) = Rig::with("posix::backing", fill) else {
        return;
    };
    let backing = rig.outside("backing");
    assert_eq!(tree(&rig.path("")), tree(&backing));
    let (there, here) = (
        fs::metadata(backing.join("d/f")).unwrap(),
        fs::metadata(rig.path("link")).unwrap(),
    );
    assert_eq!((here.nlink(), here.mode()), (2, there.mode()));
    assert_eq!(here.modified().unwrap(), there.modified().unwrap());
    assert_eq!(here.blocks(), 8, "zeros take no room");
    assert_eq!(fs::read_link(rig.path("s")).unwrap().to_str(), Some("d/f"));
    // It is durable from the start, and the folder itself is never written.
    assert_eq!(rig.survivors(), tree(&backing));
    fs::remove_file(rig.path("link")).unwrap();
    assert!(backing.join("link").exists());
}
