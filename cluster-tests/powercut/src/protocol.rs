//! The control protocol: what can be asked of a mounted power-cut file system, and what it answers.
//!
//! One JSON object per line over a Unix socket, one answer per request, in order. These types are
//! the vocabulary of the client too, so a test names faults and cuts in the terms used here.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A request, one line of JSON: `{"cmd":"freeze_at","boundary":7,"side":"before"}`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "cmd", rename_all = "snake_case")]
pub enum Command {
    /// Takes the power away at a sync boundary that is still to come.
    FreezeAt(CutPoint),
    /// Forgets the last `freeze_at`.
    ClearFreeze,
    /// Waits until the power is off, at most this long.
    WaitOff {
        /// Longest wait in milliseconds.
        timeout_ms: u64,
    },
    /// Takes the power away now, unless it is off already, and replaces the state by what survives.
    Cut(CutPolicy),
    /// Serves the surviving state, once every handle from before the cut is closed.
    PowerOn {
        /// Longest wait for open handles in milliseconds.
        timeout_ms: u64,
    },
    /// Writes what would survive a cut now into a plain directory; the mount itself is not changed.
    Materialize {
        /// An empty or missing directory.
        to: PathBuf,
        /// What survives of the unsynced.
        #[serde(flatten)]
        policy: CutPolicy,
    },
    /// Makes everything durable that was done so far, without passing a boundary.
    CommitAll,
    /// Adds a fault; the answer is its id.
    Fault(Fault),
    /// Removes one fault.
    Clear {
        /// The id that `fault` answered.
        id: u64,
    },
    /// Removes all faults. The space budget stays.
    ClearAll,
    /// Sets how many bytes the mount may hold, or lifts the limit.
    Space {
        /// Bytes, rounded down to whole pages of 4 KiB; `null` for no limit.
        budget: Option<u64>,
    },
    /// Asks for the counters.
    Stats,
    /// Asks for the last boundaries that were passed, oldest first.
    Boundaries,
    /// Unmounts and ends the process; what is open gets errors.
    Unmount,
}

/// The answer to one [`Command`], one line of JSON.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The command was carried out and has nothing to tell.
    Done,
    /// The fault was added under this id.
    FaultId(u64),
    /// Where the power went off.
    Outage(Outage),
    /// What a cut kept and what it lost.
    Cut(CutReport),
    /// The counters.
    Stats(Box<Stats>),
    /// Boundaries, oldest first.
    Boundaries(Vec<Boundary>),
    /// The command was refused; the state is as before.
    Refused(String),
}

/// A moment between two steps of a workload: one side of one sync boundary.
///
/// Every `fsync`, `fdatasync`, `fsync` of a directory and every write through an `O_SYNC` or
/// `O_DSYNC` handle is a boundary, whether something was unsynced or not, and whether a fault
/// spoils it or not. Boundaries are counted from 1 since the mount.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct CutPoint {
    /// The number of the boundary, from 1.
    pub boundary: u64,
    /// Whether the boundary's own effect is still kept.
    pub side: Side,
}

/// The side of a boundary on which the power goes off. The caller of the sync sees `EIO` on both.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The sync did not happen.
    Before,
    /// The sync happened; nobody was told.
    After,
}

/// What survives a cut of what was not synced. The same state and policy give the same result.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct CutPolicy {
    /// Decides every random choice.
    pub seed: u64,
    /// What survives of unsynced file contents.
    #[serde(default)]
    pub data: UnsyncedData,
    /// What survives of unsynced names.
    #[serde(default)]
    pub names: UnsyncedNames,
}

/// What survives of the changes to a file since it was last synced.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UnsyncedData {
    /// Nothing.
    Lost,
    /// A random prefix of the changes, in the order in which they were made; the last write of the
    /// prefix may be torn at any byte. Drawn for each file by itself.
    #[default]
    Torn,
    /// Everything.
    Kept,
}

/// What survives of the changes to a directory since it was last synced.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UnsyncedNames {
    /// Nothing.
    #[default]
    Lost,
    /// A random subset of the changes, closed in this sense: a change survives only if all earlier
    /// changes of the same name do.
    Subset,
    /// Everything. Together with [`UnsyncedData::Kept`] this is a killed process, not a power cut.
    Kept,
}

/// What a cut kept and lost. Print it when a test fails: it names the seed.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct CutReport {
    /// The seed of the policy.
    pub seed: u64,
    /// Boundaries passed so far.
    pub boundaries: u64,
    /// Reachable files that had unsynced changes.
    pub unsynced_files: u64,
    /// Those of them that kept some but not all of their unsynced changes.
    pub torn_files: u64,
    /// Bytes of unsynced writes to reachable files that were dropped.
    pub lost_bytes: u64,
    /// Unsynced changes of names that were dropped, a rename within one directory counted once.
    pub lost_names: u64,
    /// Unsynced changes of names that were kept.
    pub kept_names: u64,
}

/// Where the power went off.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Outage {
    /// Boundaries passed until then, the one that took the power away included.
    pub boundaries: u64,
    /// The cut point that was hit, or none when the power was taken away by `cut`.
    pub at: Option<CutPoint>,
    /// The boundary that was hit.
    pub boundary: Option<Boundary>,
}

/// One sync boundary that was passed.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Boundary {
    /// Its number, from 1.
    pub number: u64,
    /// What was synced.
    pub kind: SyncKind,
    /// The path below the mount point at that time, lossy if it is not UTF-8; empty for the root.
    pub path: String,
}

/// The kinds of sync boundaries.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SyncKind {
    /// `fsync` of a file.
    Fsync,
    /// `fdatasync` of a file.
    Fdatasync,
    /// `fsync` or `fdatasync` of a directory.
    Directory,
    /// A write through a handle opened with `O_SYNC` or `O_DSYNC`.
    SyncedWrite,
}

/// A fault: operations of some classes on some paths go wrong in one way, until it is cleared.
///
/// The first fault that matches decides, in the order in which they were added; delays add up.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Fault {
    /// The operations concerned, at least one.
    pub on: Vec<OpClass>,
    /// A pattern over the path below the mount point: `?` and `*` stay within one component, `**`
    /// crosses them. A file with several names matches by any of them; an unlinked file that is
    /// still open by its last one. The root's path is empty.
    pub path: String,
    /// What goes wrong.
    pub effect: Effect,
    /// This many matching operations pass unharmed first.
    #[serde(default)]
    pub skip: u64,
    /// The fault fires this often and then never again; without a number, until it is cleared.
    #[serde(default)]
    pub times: Option<u64>,
}

/// Classes of operations that a fault can concern.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OpClass {
    /// `fsync`, `fdatasync`, and the sync that is part of an `O_SYNC` or `O_DSYNC` write.
    SyncFile,
    /// `fsync` of a directory; matched by the directory's own path.
    SyncDir,
    /// Reading bytes of a file.
    Read,
    /// Writing, truncating, extending, allocating.
    Write,
    /// Creating, linking, renaming, removing; matched by the path of the name, for a rename by
    /// either of the two.
    Name,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// The operation fails with this error and has no effect.
    ///
    /// A file whose sync failed with [`FaultError::Io`] loses, as on Linux, what was unsynced then:
    /// later syncs of it succeed and make nothing durable, until it is truncated to nothing.
    Fail(FaultError),
    /// The sync answers success and makes nothing durable: the mutant of a program without it.
    /// Only for [`OpClass::SyncFile`] and [`OpClass::SyncDir`].
    Ignore,
    /// The sync takes this long, and makes durable what was there when it began. The kernel lets
    /// nobody write to that file, or change names in that directory, meanwhile: a FUSE file system
    /// is asked to sync under the inode's lock, where ext4 and XFS need none.
    /// Only for [`OpClass::SyncFile`] and [`OpClass::SyncDir`].
    DelayMillis(u64),
}

/// The errors that a fault can answer with.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultError {
    /// `EIO`.
    Io,
    /// `ENOSPC`.
    NoSpace,
}

/// The counters of a mount.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Stats {
    /// Whether operations are served.
    pub powered: bool,
    /// Sync boundaries passed since the mount.
    pub boundaries: u64,
    /// How often the power went off.
    pub outages: u64,
    /// Open files and directories.
    pub open_handles: u64,
    /// Operations served since the mount, by class.
    pub ops: OpCounts,
    /// Operations refused because the power was off.
    pub refused_off: u64,
    /// Files with unsynced changes.
    pub unsynced_files: u64,
    /// Bytes written to them since they were last synced.
    pub unsynced_bytes: u64,
    /// Changes of names that are not durable.
    pub unsynced_names: u64,
    /// The space of the mount.
    pub space: Space,
    /// The faults that are set, oldest first.
    pub faults: Vec<FaultCount>,
}

/// Operations served, by class.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct OpCounts {
    /// Reads of bytes.
    pub reads: u64,
    /// Writes, truncations, allocations.
    pub writes: u64,
    /// Changes of names.
    pub names: u64,
    /// Syncs of files.
    pub file_syncs: u64,
    /// Syncs of directories.
    pub dir_syncs: u64,
}

/// The space of a mount.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Space {
    /// The limit in bytes, if there is one.
    pub budget: Option<u64>,
    /// Bytes allocated, in pages of 4 KiB, fallocated space included.
    pub used: u64,
    /// How often an operation failed with `ENOSPC` because of the budget.
    pub refused: u64,
}

/// How often a fault was met.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct FaultCount {
    /// The fault's id.
    pub id: u64,
    /// Operations that it concerned.
    pub matched: u64,
    /// Operations that it spoiled or delayed.
    pub fired: u64,
}

impl CutPolicy {
    /// The strictest policy: nothing unsynced survives.
    pub const fn nothing(seed: u64) -> Self {
        Self {
            seed,
            data: UnsyncedData::Lost,
            names: UnsyncedNames::Lost,
        }
    }

    /// The usual policy: a random prefix of each unsynced file survives, unsynced names do not.
    pub const fn torn(seed: u64) -> Self {
        Self {
            seed,
            data: UnsyncedData::Torn,
            names: UnsyncedNames::Lost,
        }
    }

    /// A random prefix of each unsynced file and a random subset of the unsynced names survive.
    pub const fn random(seed: u64) -> Self {
        Self {
            seed,
            data: UnsyncedData::Torn,
            names: UnsyncedNames::Subset,
        }
    }

    /// Everything survives: processes were killed, the machine was not.
    pub const fn everything() -> Self {
        Self {
            seed: 0,
            data: UnsyncedData::Kept,
            names: UnsyncedNames::Kept,
        }
    }

    /// Draws a seed from the system.
    ///
    /// # Errors
    /// The system has no randomness to give.
    pub fn draw_seed() -> std::io::Result<u64> {
        getrandom::u64().map_err(|error| std::io::Error::other(error.to_string()))
    }
}

impl fmt::Display for CutReport {
    /// What to print when a test fails: enough to replay the cut.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seed,
            boundaries,
            unsynced_files,
            torn_files,
            lost_bytes,
            lost_names,
            kept_names,
        } = self;
        write!(
            out,
            "cut with seed {seed} after boundary {boundaries}: {lost_bytes} bytes lost in {unsynced_files} \
             unsynced files ({torn_files} torn), {lost_names} changes of names lost, {kept_names} kept"
        )
    }
}

impl Fault {
    /// A fault that concerns every operation of one class on the paths that match.
    pub fn new(on: OpClass, path: impl Into<String>, effect: Effect) -> Self {
        Self {
            on: vec![on],
            path: path.into(),
            effect,
            skip: 0,
            times: None,
        }
    }

    /// The mutant of a program that does not sync the files that match.
    pub fn ignore_file_sync(path: impl Into<String>) -> Self {
        Self::new(OpClass::SyncFile, path, Effect::Ignore)
    }

    /// The mutant of a program that does not sync the directories that match.
    pub fn ignore_dir_sync(path: impl Into<String>) -> Self {
        Self::new(OpClass::SyncDir, path, Effect::Ignore)
    }

    /// Lets this many matching operations pass first.
    #[must_use]
    pub fn after(mut self, skip: u64) -> Self {
        self.skip = skip;
        self
    }

    /// Fires only this often.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }
}
