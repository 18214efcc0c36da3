//! The state of a file system in memory, live and durable at once.
//!
//! [`State`] knows nothing of FUSE, of faults or of power: it is asked to change, to make changes
//! durable ([`State::commit_file`], [`State::commit_names`]), and what a cut would leave
//! ([`State::after_cut`], which answers another state). Errors are the system's own numbers.

mod content;
mod cut;
mod data;
mod directory;
mod file;
mod inode;
mod load;
mod materialize;
mod names;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::time::SystemTime;

use rustix::io::Errno;

pub(crate) use content::{PAGE, Seek};
pub(crate) use data::{AttrChange, FallocateMode};
use directory::{Directory, NameChange};
use inode::Meta;
pub(crate) use inode::{Body, Ino, Inode, Link, Name, Ownership, ROOT, Special, SpecialKind};
pub(crate) use names::Replace;

/// What a mount without a budget may hold, in bytes: more than a test writes, less than would
/// exhaust the machine by `fallocate` alone.
pub(crate) const NOMINAL_CAPACITY: u64 = 64 << 30;

/// The longest name, in bytes, as on the usual file systems.
pub(crate) const LONGEST_NAME: usize = 255;

/// Result of an operation on the state.
pub(crate) type Result<T> = std::result::Result<T, Errno>;

/// A file system in memory.
#[derive(Clone, Debug)]
pub(crate) struct State {
    inodes: HashMap<Ino, Inode>,
    last_ino: Ino,
    /// Numbers every change, so that a sync covers what was there when it began.
    last_change: u64,
    /// Unsynced moves of directories, by number: the two parents.
    moves: BTreeMap<u64, (Ino, Ino)>,
    space: SpaceUse,
}

/// The space that a state takes, in pages.
#[derive(Clone, Copy, Debug)]
struct SpaceUse {
    budget: Option<u64>,
    used: u64,
    refused: u64,
}

/// What is not durable.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Unsynced {
    pub(crate) files: u64,
    pub(crate) bytes: u64,
    pub(crate) names: u64,
}

impl State {
    /// An empty file system, owned by this user.
    pub(crate) fn new(uid: u32, gid: u32) -> Self {
        let meta = Meta::new(
            Ownership {
                mode: 0o755,
                uid,
                gid,
            },
            SystemTime::now(),
        );
        let mut root = Inode::new(Body::Directory(Directory::default()), meta);
        root.links.push(Link {
            parent: ROOT,
            name: Name::from(OsStr::new("")),
        });
        Self {
            inodes: HashMap::from([(ROOT, root)]),
            last_ino: ROOT,
            last_change: 0,
            moves: BTreeMap::new(),
            space: SpaceUse {
                budget: None,
                used: 0,
                refused: 0,
            },
        }
    }

    /// The number of the last change: a sync that begins now covers the changes up to it.
    pub(crate) fn last_change(&self) -> u64 {
        self.last_change
    }

    fn next_change(&mut self) -> u64 {
        self.last_change += 1;
        self.last_change
    }

    pub(crate) fn inode(&self, ino: Ino) -> Result<&Inode> {
        self.inodes.get(&ino).ok_or(Errno::NOENT)
    }

    fn inode_mut(&mut self, ino: Ino) -> Result<&mut Inode> {
        self.inodes.get_mut(&ino).ok_or(Errno::NOENT)
    }

    fn directory(&self, ino: Ino) -> Result<&Directory> {
        match &self.inode(ino)?.body {
            Body::Directory(directory) => Ok(directory),
            Body::File(_) | Body::Symlink(_) | Body::Special(_) => Err(Errno::NOTDIR),
        }
    }

    fn directory_mut(&mut self, ino: Ino) -> Result<&mut Directory> {
        match &mut self.inode_mut(ino)?.body {
            Body::Directory(directory) => Ok(directory),
            Body::File(_) | Body::Symlink(_) | Body::Special(_) => Err(Errno::NOTDIR),
        }
    }

    /// The kernel was told of an inode once more.
    pub(crate) fn add_lookup(&mut self, ino: Ino) {
        if let Ok(inode) = self.inode_mut(ino) {
            inode.lookups += 1;
        }
    }

    /// The kernel forgot an inode this many times.
    pub(crate) fn forget(&mut self, ino: Ino, lookups: u64) {
        if let Ok(inode) = self.inode_mut(ino) {
            inode.lookups = inode.lookups.saturating_sub(lookups);
        }
        self.free_if_unneeded(ino);
    }

    /// A handle was opened.
    pub(crate) fn add_handle(&mut self, ino: Ino) {
        if let Ok(inode) = self.inode_mut(ino) {
            inode.handles += 1;
        }
    }

    /// A handle was closed.
    pub(crate) fn drop_handle(&mut self, ino: Ino) {
        if let Ok(inode) = self.inode_mut(ino) {
            inode.handles = inode.handles.saturating_sub(1);
        }
        self.recharge(ino);
        self.free_if_unneeded(ino);
    }

    fn free_if_unneeded(&mut self, ino: Ino) {
        let mut candidates = vec![ino];
        while let Some(ino) = candidates.pop() {
            if ino == ROOT || self.inodes.get(&ino).is_none_or(Inode::is_needed) {
                continue;
            }
            self.recharge(ino);
            let Some(inode) = self.inodes.remove(&ino) else {
                continue;
            };
            if let Body::Directory(directory) = inode.body {
                candidates.extend(self.unpin(directory.unsynced()));
            }
        }
    }

    /// Forgets that these changes mention inodes; answers those inodes.
    fn unpin(&mut self, changes: &[NameChange]) -> Vec<Ino> {
        let mentioned: Vec<Ino> = changes.iter().flat_map(NameChange::mentioned).collect();
        for ino in &mentioned {
            if let Ok(inode) = self.inode_mut(*ino) {
                inode.pins = inode.pins.saturating_sub(1);
            }
        }
        mentioned
    }

    /// Brings the space that an inode is charged for up to date.
    fn recharge(&mut self, ino: Ino) {
        let Some(inode) = self.inodes.get_mut(&ino) else {
            return;
        };
        let due = if inode.takes_space() { inode.allocated() } else { 0 };
        self.space.used = self.space.used - inode.charged + due;
        inode.charged = due;
    }

    /// Limits the space, in bytes.
    pub(crate) fn set_budget(&mut self, bytes: Option<u64>) {
        self.space.budget = bytes;
    }

    pub(crate) fn budget(&self) -> Option<u64> {
        self.space.budget
    }

    /// All pages that there are.
    pub(crate) fn capacity_pages(&self) -> u64 {
        self.space.budget.unwrap_or(NOMINAL_CAPACITY) / PAGE as u64
    }

    /// Pages in use.
    pub(crate) fn used_pages(&self) -> u64 {
        self.space.used
    }

    /// How often there was no room.
    pub(crate) fn refused_for_space(&self) -> u64 {
        self.space.refused
    }

    pub(crate) fn inode_count(&self) -> u64 {
        self.inodes.len() as u64
    }

    fn claim_pages(&mut self, pages: u64) -> Result<()> {
        let free = self.capacity_pages().saturating_sub(self.space.used);
        if pages <= free {
            return Ok(());
        }
        self.space.refused += 1;
        Err(Errno::NOSPC)
    }

    /// The paths of an inode below the root, without a slash in front; the last one that it had if
    /// it has none now; empty for the root.
    pub(crate) fn paths(&self, ino: Ino) -> Vec<String> {
        let Ok(inode) = self.inode(ino) else {
            return Vec::new();
        };
        if ino == ROOT {
            return vec![String::new()];
        }
        if inode.links.is_empty() {
            return inode
                .last_link
                .iter()
                .map(|link| self.path_in(link.parent, &link.name))
                .collect();
        }
        inode
            .links
            .iter()
            .map(|link| self.path_in(link.parent, &link.name))
            .collect()
    }

    /// The path of a name in a directory.
    pub(crate) fn path_in(&self, parent: Ino, name: &OsStr) -> String {
        let mut names = vec![name.to_string_lossy()];
        let mut at = parent;
        while at != ROOT {
            let Some(inode) = self.inodes.get(&at) else { break };
            let Some(link) = inode.links.first().or(inode.last_link.as_ref()) else {
                break;
            };
            names.push(link.name.to_string_lossy());
            at = link.parent;
        }
        names.reverse();
        names.join("/")
    }

    /// Makes a file's content durable as it was at the change `upto`. `meta` are the attributes to
    /// keep with it; `None` for `fdatasync`.
    pub(crate) fn commit_file(&mut self, ino: Ino, upto: u64, meta: Option<MetaSnapshot>) {
        let Ok(inode) = self.inode_mut(ino) else { return };
        let committed = match &mut inode.body {
            Body::File(file) => file.commit(upto),
            Body::Directory(_) | Body::Symlink(_) | Body::Special(_) => true,
        };
        if let (true, Some(MetaSnapshot(meta))) = (committed, meta) {
            inode.durable_meta = meta;
        }
    }

    /// A sync of a file begins: what it covers is no longer merged with what comes later.
    pub(crate) fn seal_file(&mut self, ino: Ino) {
        let upto = self.last_change;
        if let Ok(Inode {
            body: Body::File(file),
            ..
        }) = self.inode_mut(ino)
        {
            file.seal(upto);
        }
    }

    /// A sync of a file failed: what it should have covered will never be durable.
    pub(crate) fn lose_unsynced(&mut self, ino: Ino) {
        if let Ok(Inode {
            body: Body::File(file),
            ..
        }) = self.inode_mut(ino)
        {
            file.lose_unsynced();
        }
    }

    /// The attributes of an inode now, for a sync that begins now.
    pub(crate) fn meta_snapshot(&self, ino: Ino) -> Option<MetaSnapshot> {
        self.inode(ino).ok().map(|inode| MetaSnapshot(inode.meta))
    }

    /// Makes the names of a directory durable as they were at the change `upto`, with all that
    /// hangs together with them: see the crate's documentation.
    pub(crate) fn commit_names(&mut self, ino: Ino, upto: u64, meta: Option<MetaSnapshot>) {
        if let (Ok(inode), Some(MetaSnapshot(meta))) = (self.inode_mut(ino), meta) {
            inode.durable_meta = meta;
        }
        let mut todo = vec![(ino, upto)];
        let mut committed = Vec::new();
        while let Some((ino, upto)) = todo.pop() {
            let Ok(directory) = self.directory_mut(ino) else {
                continue;
            };
            for change in directory.take_synced(upto) {
                let number = change.number;
                if change.is_move {
                    let later = self.moves.split_off(&(number + 1));
                    let moves = std::mem::replace(&mut self.moves, later);
                    let sides = moves
                        .into_iter()
                        .flat_map(|(number, (a, b))| [(a, number), (b, number)]);
                    todo.extend(sides);
                }
                todo.extend(change.removed().map(|ino| (ino, number)));
                committed.push(change);
            }
        }
        for ino in self.unpin(&committed) {
            self.free_if_unneeded(ino);
        }
    }

    /// Makes everything durable.
    pub(crate) fn commit_all(&mut self) {
        let upto = self.last_change;
        let mut directories = Vec::new();
        for (ino, inode) in &mut self.inodes {
            inode.durable_meta = inode.meta;
            match &mut inode.body {
                Body::File(file) => file.commit_all(),
                Body::Directory(_) => directories.push(*ino),
                Body::Symlink(_) | Body::Special(_) => {}
            }
        }
        for ino in directories {
            self.commit_names(ino, upto, None);
        }
    }

    /// What is not durable.
    pub(crate) fn unsynced(&self) -> Unsynced {
        let mut unsynced = Unsynced::default();
        for inode in self.inodes.values() {
            match &inode.body {
                Body::File(file) if !file.is_synced() => {
                    unsynced.files += 1;
                    unsynced.bytes += file.unsynced_bytes();
                }
                Body::Directory(directory) => unsynced.names += directory.unsynced().len() as u64,
                Body::File(_) | Body::Symlink(_) | Body::Special(_) => {}
            }
        }
        unsynced
    }
}

/// Attributes of an inode at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MetaSnapshot(Meta);
