//! A real mount behaves as a file system should: contents, attributes, locks, mappings.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod support;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};
use std::os::unix::net::UnixListener;

use rustix::fs::{CWD, Dir, Mode, OFlags, RenameFlags, open, renameat_with, statvfs};
use rustix::io::Errno;
use support::Rig;

#[test]
fn hard_links_share_one_file_until_the_last_is_gone() {
    let Some(rig) = Rig::new("posix::links") else {
        return;
    };
    fs::create_dir(rig.path("d")).unwrap();
    fs::write(rig.path("a"), b"one").unwrap();
    fs::hard_link(rig.path("a"), rig.path("d/b")).unwrap();
    let (a, b) = (
        fs::metadata(rig.path("a")).unwrap(),
        fs::metadata(rig.path("d/b")).unwrap(),
    );
    assert_eq!((a.ino(), a.nlink()), (b.ino(), 2));
    fs::write(rig.path("d/b"), b"two").unwrap();
    assert_eq!(fs::read(rig.path("a")).unwrap(), b"two");
    fs::remove_file(rig.path("a")).unwrap();
    assert_eq!(fs::metadata(rig.path("d/b")).unwrap().nlink(), 1);
    assert_eq!(fs::read(rig.path("d/b")).unwrap(), b"two");
    let taken = fs::hard_link(rig.path("d/b"), rig.path("d")).unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::AlreadyExists);
    assert!(
        fs::hard_link(rig.path("d"), rig.path("e")).is_err(),
        "a directory has one name"
    );
    // Two names of one file: the rename does nothing, both stay.
    fs::hard_link(rig.path("d/b"), rig.path("c")).unwrap();
    fs::rename(rig.path("d/b"), rig.path("c")).unwrap();
    assert!(rig.path("d/b").exists() && rig.path("c").exists());
}

#[test]
fn rename_replaces_and_refuses_as_posix_says() {
    let Some(rig) = Rig::new("posix::rename") else {
        return;
    };
    for dir in ["d", "d/inner", "full", "full/x", "empty"] {
        fs::create_dir(rig.path(dir)).unwrap();
    }
    fs::write(rig.path("a"), b"a").unwrap();
    fs::write(rig.path("b"), b"b").unwrap();
    let rename = |from: &str, to: &str| {
        let renamed = fs::rename(rig.path(from), rig.path(to));
        renamed.map_err(|error| Errno::from_io_error(&error).unwrap())
    };
    assert_eq!(rename("missing", "x"), Err(Errno::NOENT));
    assert_eq!(rename("a", "d"), Err(Errno::ISDIR));
    assert_eq!(rename("d", "a"), Err(Errno::NOTDIR));
    assert_eq!(rename("d", "full"), Err(Errno::NOTEMPTY));
    assert_eq!(rename("d", "d/inner/d"), Err(Errno::INVAL));
    assert_eq!(rename("a", "b"), Ok(()));
    assert_eq!(fs::read(rig.path("b")).unwrap(), b"a");
    assert_eq!(rename("d", "empty"), Ok(()));
    assert!(rig.path("empty/inner").is_dir() && !rig.path("d").exists());

    let with = |from: &str, to: &str, flags| renameat_with(CWD, rig.path(from), CWD, rig.path(to), flags);
    assert_eq!(with("b", "full", RenameFlags::NOREPLACE), Err(Errno::EXIST));
    assert_eq!(with("b", "c", RenameFlags::NOREPLACE), Ok(()));
    assert_eq!(with("c", "full", RenameFlags::EXCHANGE), Err(Errno::INVAL));
}

#[test]
fn directories_count_their_links_and_refuse_to_go_while_full() {
    let Some(rig) = Rig::new("posix::directories") else {
        return;
    };
    fs::create_dir(rig.path("d")).unwrap();
    let nlink = |path: &str| fs::metadata(rig.path(path)).unwrap().nlink();
    assert_eq!((nlink(""), nlink("d")), (3, 2));
    for at in 0..5 {
        fs::create_dir(rig.path(&format!("d/{at}"))).unwrap();
    }
    fs::write(rig.path("d/file"), b"").unwrap();
    assert_eq!(nlink("d"), 7);
    fs::rename(rig.path("d/0"), rig.path("moved")).unwrap();
    assert_eq!((nlink(""), nlink("d")), (4, 6));
    let full = fs::remove_dir(rig.path("d")).unwrap_err();
    assert_eq!(full.kind(), ErrorKind::DirectoryNotEmpty);
    assert!(fs::remove_dir(rig.path("d/file")).is_err());
    assert!(fs::remove_file(rig.path("d/1")).is_err());
    fs::remove_dir_all(rig.path("d")).unwrap();
    assert_eq!(nlink(""), 3);
    assert_eq!(
        fs::canonicalize(rig.path("moved/..")).unwrap(),
        fs::canonicalize(rig.path("")).unwrap()
    );
    assert_eq!(
        fs::metadata(rig.path("moved/..")).unwrap().ino(),
        fs::metadata(rig.path("")).unwrap().ino()
    );
}

#[test]
fn a_large_directory_is_listed_once_each_while_it_changes() {
    const FILES: usize = 5_000;
    let Some(rig) = Rig::new("posix::readdir") else {
        return;
    };
    fs::create_dir(rig.path("d")).unwrap();
    for at in 0..FILES {
        File::create(rig.path(&format!("d/{at:05}"))).unwrap();
    }
    let mut seen = Vec::new();
    let mut rounds = 0_usize;
    for entry in fs::read_dir(rig.path("d")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        // Every tenth step something goes that may be ahead or behind, and something comes.
        if rounds.is_multiple_of(10) {
            let gone = rig.path(&format!("d/{:05}", (rounds * 7) % FILES));
            let _ = fs::remove_file(gone);
            File::create(rig.path(&format!("d/new{rounds}"))).unwrap();
        }
        // Replacing a file does not move its name.
        if rounds.is_multiple_of(100) && rig.path("d/04999").exists() {
            File::create(rig.path("d/temporary")).unwrap();
            fs::rename(rig.path("d/temporary"), rig.path("d/04999")).unwrap();
        }
        seen.push(name);
        rounds += 1;
        assert!(rounds < 3 * FILES, "reading a directory must come to an end");
    }
    let unique: BTreeSet<&String> = seen.iter().collect();
    assert_eq!(unique.len(), seen.len(), "no name comes twice");
    let left = fs::read_dir(rig.path("d"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let old_ones: Vec<String> = left.filter(|name| !name.starts_with("new")).collect();
    assert!(old_ones.len() > FILES / 2);
    for name in old_ones {
        assert!(unique.contains(&name), "{name} was there all along");
    }
}

#[test]
fn a_directory_stream_starts_again_with_what_is_there() {
    let Some(rig) = Rig::new("posix::rewinddir") else {
        return;
    };
    let dir = open(rig.path(""), OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
    let mut stream = Dir::new(dir).unwrap();
    let list = |stream: &mut Dir| -> Vec<String> {
        let entries = stream
            .by_ref()
            .map(|entry| entry.unwrap().file_name().to_str().unwrap().to_owned());
        entries.filter(|name| !name.starts_with('.')).collect()
    };
    assert_eq!(list(&mut stream), Vec::<String>::new());
    File::create(rig.path("a")).unwrap();
    stream.rewind();
    assert_eq!(list(&mut stream), ["a"]);
}

#[test]
fn symbolic_links_pipes_and_sockets_have_names() {
    let Some(rig) = Rig::new("posix::special") else {
        return;
    };
    fs::write(rig.path("f"), b"data").unwrap();
    symlink("f", rig.path("s")).unwrap();
    assert_eq!(fs::read_link(rig.path("s")).unwrap().to_str(), Some("f"));
    assert_eq!(fs::read(rig.path("s")).unwrap(), b"data");
    assert_eq!(fs::symlink_metadata(rig.path("s")).unwrap().len(), 1);
    let _listener = UnixListener::bind(rig.path("socket")).unwrap();
    assert!(fs::metadata(rig.path("socket")).unwrap().file_type().is_socket());
    std::os::unix::net::UnixStream::connect(rig.path("socket")).unwrap();
    rustix::fs::mknodat(CWD, rig.path("pipe"), rustix::fs::FileType::Fifo, Mode::RUSR, 0).unwrap();
    assert!(fs::metadata(rig.path("pipe")).unwrap().file_type().is_fifo());
}

#[test]
fn names_have_a_longest_length() {
    let Some(rig) = Rig::new("posix::names") else {
        return;
    };
    let longest = "n".repeat(255);
    File::create(rig.path(&longest)).unwrap();
    let too_long = File::create(rig.path(&format!("{longest}n"))).unwrap_err();
    assert_eq!(Errno::from_io_error(&too_long), Some(Errno::NAMETOOLONG));
    let too_long = fs::rename(rig.path(&longest), rig.path(&format!("{longest}n"))).unwrap_err();
    assert_eq!(Errno::from_io_error(&too_long), Some(Errno::NAMETOOLONG));
    assert_eq!(statvfs(rig.path("")).unwrap().f_namemax, 255);
}
