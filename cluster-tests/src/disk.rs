//! A disk that can lose power, fill up and fail, with a node on it.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cluster_tests_powercut::{Control, CutPolicy, CutReport, MountOptions, PowerCutFs};
use tempfile::TempDir;

use crate::node::{Node, NodeConfig};

/// How long handles of a killed process may take to close, and a disk to fall quiet.
const PATIENCE: Duration = Duration::from_secs(60);
/// A disk that was not synced for this long has no job at work on it: they look every 20 ms.
const QUIET: Duration = Duration::from_millis(100);
const POLL: Duration = Duration::from_millis(10);

/// Folder of the metadata on a disk that holds a whole node.
const DATA: &str = "data";
/// Folder of the backend on a disk that holds a whole node.
const BACKEND: &str = "backend";

/// A mounted power-cut file system.
#[derive(Debug)]
pub struct Disk {
    // First, so that it is unmounted before its folder is removed.
    fs: PowerCutFs,
    mountpoint: TempDir,
    _backing: TempDir,
}

impl Disk {
    /// Mounts an empty disk; `None`, after reporting that `test` is skipped, where FUSE cannot be mounted.
    pub fn mount(test: &str) -> Option<Self> {
        let backing = tempfile::tempdir().expect("a folder");
        let mountpoint = tempfile::tempdir().expect("a folder");
        let options = MountOptions::locate().expect("the power-cut binary, built beside the tests");
        let fs =
            PowerCutFs::mount_or_skip(test, backing.path(), mountpoint.path(), &options).expect("a mount")?;
        Some(Self {
            fs,
            mountpoint,
            _backing: backing,
        })
    }

    /// A folder on the disk. It is made, durably, if it is not there.
    pub fn folder(&self, name: &str) -> PathBuf {
        let path = self.mountpoint.path().join(name);
        if !path.is_dir() {
            std::fs::create_dir(&path).expect("a folder");
            self.fs.commit_all().expect("a durable folder");
        }
        path
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        self.mountpoint.path()
    }

    /// The configuration of a node whose metadata and backend both lie here.
    pub fn config(&self) -> NodeConfig {
        NodeConfig {
            data_dir: Some(self.folder(DATA)),
            backend: Some(self.folder(BACKEND)),
            ..NodeConfig::default()
        }
    }

    /// Whether the power is on.
    pub fn is_on(&self) -> bool {
        self.fs.stats().expect("the counters").powered
    }

    /// How many sync boundaries were passed since the mount.
    pub fn passed(&self) -> u64 {
        self.fs.stats().expect("the counters").boundaries
    }

    /// Ends the process and the power, and brings the power back.
    pub fn lose_power(&self, node: &mut Node, policy: CutPolicy) -> CutReport {
        node.kill();
        let report = self.fs.cut(policy).expect("a cut");
        self.fs.power_on(PATIENCE).expect("power");
        report
    }

    /// Waits until nothing is synced any more; the boundaries passed until then.
    pub async fn quiet(&self) -> u64 {
        let begun = Instant::now();
        let mut seen = self.passed();
        let mut since = Instant::now();
        while since.elapsed() < QUIET {
            tokio::time::sleep(POLL).await;
            let now = self.passed();
            if now != seen {
                (seen, since) = (now, Instant::now());
            }
            assert!(begun.elapsed() < PATIENCE, "the disk does not fall quiet");
        }
        seen
    }
}

impl Deref for Disk {
    type Target = Control;

    fn deref(&self) -> &Control {
        self.fs.control()
    }
}
