//! Random operations on a mount and on a plain folder have the same results.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod support;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rustix::fs::{CWD, FallocateFlags, RenameFlags, fallocate, renameat_with};
use rustix::io::Errno;
use support::Rig;

/// Offsets and sizes up to here, a bit more than three pages, so that ranges often overlap.
const REACH: u64 = 14_000;
const OPEN_FILES: usize = 3;

#[derive(Clone, Debug)]
enum Op {
    Open {
        slot: usize,
        path: usize,
        truncate: bool,
        append: bool,
    },
    Close {
        slot: usize,
    },
    Write {
        slot: usize,
        offset: u64,
        len: usize,
        byte: u8,
    },
    Read {
        slot: usize,
        offset: u64,
        len: usize,
    },
    SetLen {
        slot: usize,
        len: u64,
    },
    Allocate {
        slot: usize,
        mode: usize,
        offset: u64,
        len: u64,
    },
    Sync {
        slot: usize,
    },
    Mkdir {
        path: usize,
    },
    Rmdir {
        path: usize,
    },
    Unlink {
        path: usize,
    },
    Rename {
        from: usize,
        to: usize,
        replace: bool,
    },
    Link {
        from: usize,
        to: usize,
    },
    Symlink {
        path: usize,
    },
    Stat {
        path: usize,
    },
    List {
        path: usize,
    },
    SyncDir {
        path: usize,
    },
}

/// Few names in three levels, so that operations meet; the last one, the root of a case, is only
/// looked at.
const PATHS: [&str; 12] = [
    "a", "b", "c", "a/x", "a/y", "b/x", "b/y", "a/x/p", "b/x/q", "c/x", "a/y/z", "",
];

/// What tmpfs can do too.
const MODES: [FallocateFlags; 3] = [
    FallocateFlags::empty(),
    FallocateFlags::KEEP_SIZE,
    FallocateFlags::PUNCH_HOLE.union(FallocateFlags::KEEP_SIZE),
];

fn op() -> impl Strategy<Value = Op> {
    let (path, place) = (0..PATHS.len() - 1, 0..PATHS.len());
    let (slot, at) = (0..OPEN_FILES, 0..REACH);
    let len = 1_usize..6_000;
    prop_oneof![
        6 => (slot.clone(), path.clone(), any::<bool>(), any::<bool>())
            .prop_map(|(slot, path, truncate, append)| Op::Open { slot, path, truncate: truncate && !append, append }),
        2 => slot.clone().prop_map(|slot| Op::Close { slot }),
        8 => (slot.clone(), at.clone(), len.clone(), 1_u8..)
            .prop_map(|(slot, offset, len, byte)| Op::Write { slot, offset, len, byte }),
        6 => (slot.clone(), at.clone(), len).prop_map(|(slot, offset, len)| Op::Read { slot, offset, len }),
        3 => (slot.clone(), at.clone()).prop_map(|(slot, len)| Op::SetLen { slot, len }),
        3 => (slot.clone(), 0..MODES.len(), at, 1..REACH)
            .prop_map(|(slot, mode, offset, len)| Op::Allocate { slot, mode, offset, len }),
        1 => slot.prop_map(|slot| Op::Sync { slot }),
        4 => path.clone().prop_map(|path| Op::Mkdir { path }),
        2 => path.clone().prop_map(|path| Op::Rmdir { path }),
        2 => path.clone().prop_map(|path| Op::Unlink { path }),
        5 => (path.clone(), path.clone(), any::<bool>())
            .prop_map(|(from, to, replace)| Op::Rename { from, to, replace }),
        3 => (path.clone(), path.clone()).prop_map(|(from, to)| Op::Link { from, to }),
        1 => path.prop_map(|path| Op::Symlink { path }),
        4 => place.clone().prop_map(|path| Op::Stat { path }),
        2 => place.clone().prop_map(|path| Op::List { path }),
        1 => place.prop_map(|path| Op::SyncDir { path }),
    ]
}

/// What an operation shows to its caller.
type Outcome = Result<String, Errno>;

/// One of the two folders, with the files that are open in it.
struct Side {
    root: PathBuf,
    open: Vec<Option<File>>,
}

impl Side {
    fn new(root: PathBuf) -> Self {
        fs::create_dir(&root).unwrap();
        Self {
            root,
            open: (0..OPEN_FILES).map(|_| None).collect(),
        }
    }

    fn path(&self, at: usize) -> PathBuf {
        self.root.join(PATHS[at])
    }

    fn run(&mut self, op: &Op) -> Outcome {
        self.try_run(op)
            .map_err(|error| Errno::from_io_error(&error).expect("an error of the system"))
    }

    fn try_run(&mut self, op: &Op) -> std::io::Result<String> {
        let done = |()| String::from("done");
        match *op {
            Op::Open {
                slot,
                path,
                truncate,
                append,
            } => {
                let mut options = OpenOptions::new();
                options
                    .create(true)
                    .read(true)
                    .write(!append)
                    .append(append)
                    .truncate(truncate);
                self.open[slot] = None;
                self.open[slot] = Some(options.open(self.path(path))?);
            }
            Op::Close { slot } => self.open[slot] = None,
            Op::Write {
                slot,
                offset,
                len,
                byte,
            } => {
                let Some(file) = &self.open[slot] else {
                    return Ok("closed".into());
                };
                file.write_all_at(&vec![byte; len], offset)?;
            }
            Op::Read { slot, offset, len } => {
                let Some(file) = &self.open[slot] else {
                    return Ok("closed".into());
                };
                let mut bytes = vec![0; len];
                let read = file.read_at(&mut bytes, offset)?;
                return Ok(format!("{:?}", &bytes[..read]));
            }
            Op::SetLen { slot, len } => {
                let Some(file) = &self.open[slot] else {
                    return Ok("closed".into());
                };
                file.set_len(len)?;
                return Ok(describe(&file.metadata()?));
            }
            Op::Allocate {
                slot,
                mode,
                offset,
                len,
            } => {
                let Some(file) = &self.open[slot] else {
                    return Ok("closed".into());
                };
                fallocate(file, MODES[mode], offset, len)?;
                return Ok(describe(&file.metadata()?));
            }
            Op::Sync { slot } => {
                let Some(file) = &self.open[slot] else {
                    return Ok("closed".into());
                };
                file.sync_data()?;
            }
            Op::Mkdir { path } => return fs::create_dir(self.path(path)).map(done),
            Op::Rmdir { path } => return fs::remove_dir(self.path(path)).map(done),
            Op::Unlink { path } => return fs::remove_file(self.path(path)).map(done),
            Op::Rename {
                from,
                to,
                replace: true,
            } => {
                return fs::rename(self.path(from), self.path(to)).map(done);
            }
            Op::Rename {
                from,
                to,
                replace: false,
            } => {
                renameat_with(CWD, self.path(from), CWD, self.path(to), RenameFlags::NOREPLACE)?;
            }
            Op::Link { from, to } => return fs::hard_link(self.path(from), self.path(to)).map(done),
            Op::Symlink { path } => return std::os::unix::fs::symlink("target", self.path(path)).map(done),
            Op::Stat { path } => return Ok(describe(&fs::symlink_metadata(self.path(path))?)),
            Op::List { path } => {
                let entries = fs::read_dir(self.path(path))?;
                let mut names: Vec<_> = entries
                    .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                    .collect();
                names.sort();
                return Ok(names.join(" "));
            }
            Op::SyncDir { path } => return File::open(self.path(path))?.sync_all().map(done),
        }
        Ok("done".into())
    }
}

/// What both sides must agree on. Directories have sizes of their own kind, and the root of a
/// case lies differently deep.
fn describe(meta: &fs::Metadata) -> String {
    let size = if meta.is_dir() { 0 } else { meta.len() };
    format!(
        "{:?} size {size} links {} mode {:o}",
        meta.file_type(),
        meta.nlink(),
        meta.mode()
    )
}

/// The whole tree: kinds, sizes, link counts, contents, targets.
fn snapshot(root: &Path) -> BTreeMap<PathBuf, (String, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut todo = vec![root.to_path_buf()];
    while let Some(folder) = todo.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let meta = fs::symlink_metadata(&path).unwrap();
            let content = if meta.is_dir() {
                todo.push(path.clone());
                Vec::new()
            } else if meta.is_symlink() {
                fs::read_link(&path)
                    .unwrap()
                    .into_os_string()
                    .into_encoded_bytes()
            } else {
                fs::read(&path).unwrap()
            };
            found.insert(
                path.strip_prefix(root).unwrap().to_path_buf(),
                (describe(&meta), content),
            );
        }
    }
    found
}

#[test]
fn random_operations_have_the_results_of_a_plain_folder() {
    let Some(rig) = Rig::new("against_plain::random") else {
        return;
    };
    // A tmpfs where there is one: its semantics are the kernel's own.
    let shared_memory = Path::new("/dev/shm");
    let plain = if shared_memory.is_dir() {
        tempfile::tempdir_in(shared_memory).unwrap()
    } else {
        tempfile::tempdir_in(rig.dir.path()).unwrap()
    };
    let case = Cell::new(0_u32);
    let mut runner = TestRunner::new(Config {
        failure_persistence: None,
        ..Config::default()
    });
    let outcome = runner.run(&prop::collection::vec(op(), 1..80), |ops| {
        case.set(case.get() + 1);
        let here = Side::new(rig.path(&case.get().to_string()));
        let there = Side::new(plain.path().join(case.get().to_string()));
        let (mut here, mut there) = (here, there);
        for op in &ops {
            prop_assert_eq!(here.run(op), there.run(op), "{:?}", op);
        }
        prop_assert_eq!(snapshot(&here.root), snapshot(&there.root));
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}\n{runner}");
    }
    // Nothing of it is left behind in memory either.
    for number in 1..=case.get() {
        fs::remove_dir_all(rig.path(&number.to_string())).unwrap();
    }
    rig.commit_all().unwrap();
    rig.wait_until_closed();
    assert_eq!(rig.stats().unwrap().space.used, 0);
}
