//! A file system that loses what was not synced: the power cut, without a power switch.
//!
//! A test puts the data of a program on a [`PowerCutFs`], lets it work, and takes the power away at
//! any sync boundary it likes. What the program then finds is what it had made durable, plus a
//! random part of what it had not: a program that forgets an `fsync` loses data here, every time,
//! and not once a year on a customer's disk. The same mount injects full disks, failing and slow
//! syncs, and hides single syncs to show that a test would notice their absence.
//!
//! ```no_run
//! # use std::{path::Path, time::Duration};
//! # use cluster_tests_powercut::{CutPolicy, MountOptions, PowerCutFs, Side};
//! # fn test(backing: &Path, mountpoint: &Path) -> Result<(), Box<dyn std::error::Error>> {
//! let options = MountOptions::locate()?;
//! let Some(fs) = PowerCutFs::mount_or_skip("name of the test", backing, mountpoint, &options)? else {
//!     return Ok(());
//! };
//! fs.freeze_at(7, Side::Before)?;
//! // Run the program on the mount until it fails, kill it, and then:
//! fs.wait_off(Duration::from_secs(30))?;
//! let report = fs.cut(CutPolicy::random(42))?;
//! fs.power_on(Duration::from_secs(10))?;
//! // Start it again: what it had acknowledged must be there. Print `report` if it is not.
//! # println!("{report}");
//! # Ok(())
//! # }
//! ```
//!
//! # The model
//!
//! Running processes see the *live* state, as they see the page cache. What a cut leaves is the
//! *durable* state:
//!
//! - `fsync` of a **file** makes its content, size and attributes durable, `fdatasync` its content
//!   and size; both as they were when the call began, under whatever name. It does **not** make
//!   the file's name durable. (Journaling file systems often do that by the way for a new file;
//!   POSIX does not promise it, and the stricter model is the one that finds bugs.)
//! - A **name** (create, link, rename, unlink, mkdir, rmdir, symlink) becomes durable by `fsync` of
//!   the directory it stands in, together with all earlier changes of that directory. A directory
//!   whose own name is not durable is lost with all it holds.
//! - A **rename within one directory** is atomic: after a cut either all of it happened or nothing,
//!   the replaced name included.
//! - A **rename of a file between two directories** is two changes, first the new name, then the
//!   removal of the old one. Each becomes durable with its own directory: after `fsync` of the new
//!   parent alone the file may be found under both names, after that of the old parent alone under
//!   none.
//! - A **move of a directory between two directories** stays one change, since a directory has one
//!   parent: the `fsync` of either parent makes it durable, with all changes of both directories
//!   before it and with all earlier moves of directories.
//! - The durable **removal of a directory** makes durable what was removed from it before.
//! - A write through an `O_SYNC` or `O_DSYNC` handle (or `pwritev2` with `RWF_DSYNC`) is a write
//!   followed by a sync of the file. Real file systems promise only the range that was written.
//! - `sync_file_range`, `syncfs` and `sync` never reach a FUSE file system: they make **nothing**
//!   durable here, and neither does `close`. (`msync` with `MS_SYNC` is an `fsync` of the file.)
//! - Pages of a shared writable mapping are unsynced and, until the kernel writes them back, not
//!   even part of what a torn cut may keep.
//!
//! A cut drops everything else, except that by its policy ([`CutPolicy`]) a random prefix of the
//! unsynced changes of each file survives, torn within a write, and, if asked for, a random subset
//! of the unsynced names. Every choice follows from the seed.
//!
//! From the cut on every operation fails with `EIO`: processes are expected to be killed. Then
//! either the mount goes on with the surviving state ([`Control::power_on`]), or that state is
//! written into a plain folder ([`Control::materialize`]).
//!
//! # What programs must know
//!
//! A program syncs the folders that it creates, and so does whoever creates folders for it: RocksDB
//! syncs its own folder at every step, but neither the parent in which that folder was created nor
//! the parent in which a checkpoint appears. SQLite and RocksDB are otherwise correct under this
//! model, at every boundary.
//!
//! While a sync is under way the kernel lets nobody write to the same file: a FUSE file system is
//! asked to sync under the inode's lock. So with slow syncs a group commit forms in the program
//! later than it would on ext4.
//!
//! # What lives here
//!
//! The client ([`PowerCutFs`], [`Control`]), its vocabulary ([`Command`], [`Answer`] and their
//! parts), and the process behind it ([`daemon`], the binary `holdfast-powercut`). Nothing here
//! knows Holdfast. All contents are held in memory.

pub mod daemon;

mod client;
mod command;
mod delay;
mod fault;
mod fuse;
mod mount;
mod pattern;
mod power;
mod protocol;
mod rng;
mod server;
mod skip;
mod state;
mod sync;
mod translate;
mod volume;

pub use client::{Control, ControlError, PowerCutFs};
pub use mount::{BINARY_ENV, BINARY_NAME, MountError, MountOptions};
pub use protocol::{
    Answer, Boundary, Command, CutPoint, CutPolicy, CutReport, Effect, Fault, FaultCount, FaultError,
    OpClass, OpCounts, Outage, Side, Space, Stats, SyncKind, UnsyncedData, UnsyncedNames,
};
pub use skip::{REQUIRE_FUSE, SKIP_REPORT, require_or_skip};
