//! A mount in a folder of its own, for one test.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cluster_tests_powercut::{Control, MountOptions, PowerCutFs};
use tempfile::TempDir;

/// Longer than anything here takes on a busy machine; a test that waits so long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A mounted file system, its folders, and what it takes to end them in order.
pub(crate) struct Rig {
    pub(crate) fs: PowerCutFs,
    pub(crate) dir: TempDir,
}

pub(crate) fn options() -> MountOptions {
    MountOptions::with_binary(env!("CARGO_BIN_EXE_holdfast-powercut"))
}

impl Rig {
    /// An empty mount, or `None` where FUSE is not to be had and the test is reported as skipped.
    pub(crate) fn new(test_name: &str) -> Option<Self> {
        Self::with(test_name, |_| {})
    }

    /// A mount of what `fill` puts into the backing folder.
    pub(crate) fn with(test_name: &str, fill: impl FnOnce(&Path)) -> Option<Self> {
        Self::with_options(test_name, &options(), fill)
    }

    pub(crate) fn with_options(
        test_name: &str,
        options: &MountOptions,
        fill: impl FnOnce(&Path),
    ) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let (backing, mountpoint) = (dir.path().join("backing"), dir.path().join("mnt"));
        fs::create_dir(&backing).unwrap();
        fs::create_dir(&mountpoint).unwrap();
        fill(&backing);
        let fs = PowerCutFs::mount_or_skip(test_name, &backing, &mountpoint, options).unwrap()?;
        Some(Self { fs, dir })
    }

    /// A path in the mount.
    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.fs.mountpoint().join(below)
    }

    /// A path outside the mount that goes with it at the end.
    pub(crate) fn outside(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    /// Waits until the mount knows that nothing is open: the kernel tells of a last close in its
    /// own time, after `close` has returned.
    pub(crate) fn wait_until_closed(&self) {
        let deadline = Instant::now() + PATIENCE;
        while self.fs.stats().unwrap().open_handles > 0 {
            assert!(Instant::now() < deadline, "a handle is never closed");
            std::thread::yield_now();
        }
    }

    /// What `materialize` would write now, nothing unsynced kept.
    pub(crate) fn survivors(&self) -> Vec<(String, Option<Vec<u8>>)> {
        let to = tempfile::tempdir_in(self.dir.path()).unwrap();
        self.fs
            .materialize(to.path(), cluster_tests_powercut::CutPolicy::nothing(0))
            .unwrap();
        tree(to.path())
    }
}

impl std::ops::Deref for Rig {
    type Target = Control;

    fn deref(&self) -> &Control {
        &self.fs
    }
}

/// Paths below a folder, sorted, with the bytes of files.
pub(crate) fn tree(folder: &Path) -> Vec<(String, Option<Vec<u8>>)> {
    let mut found = Vec::new();
    let mut todo = vec![folder.to_path_buf()];
    while let Some(at) = todo.pop() {
        for entry in fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            let below = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                found.push((below, None));
                todo.push(path);
            } else {
                found.push((below, Some(fs::read(&path).unwrap())));
            }
        }
    }
    found.sort();
    found
}

pub(crate) fn names(tree: &[(String, Option<Vec<u8>>)]) -> Vec<&str> {
    tree.iter().map(|(name, _)| name.as_str()).collect()
}

/// Writes a file and syncs it; its name is not synced.
pub(crate) fn write_synced(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
    File::open(path).unwrap().sync_all().unwrap();
}

pub(crate) fn sync_dir(path: &Path) {
    File::open(path).unwrap().sync_all().unwrap();
}
