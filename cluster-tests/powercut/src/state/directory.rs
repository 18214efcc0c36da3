//! One directory: its live names and, as an undo log, what of them is not durable.

use std::collections::BTreeMap;
use std::ffi::OsStr;

use super::inode::{Ino, Name};

/// One directory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Directory {
    entries: BTreeMap<Name, Entry>,
    /// Names in the order in which they came, so that reading a directory in pieces neither skips
    /// nor repeats a name that was there all along, whatever is added and removed meanwhile.
    order: BTreeMap<u64, Name>,
    last_cookie: u64,
    subdirectories: u32,
    /// Unsynced changes, oldest first.
    unsynced: Vec<NameChange>,
}

/// What a name stands for.
#[derive(Clone, Copy, Debug)]
struct Entry {
    ino: Ino,
    kind: EntryKind,
    cookie: u64,
}

/// Whether an entry counts as a subdirectory.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum EntryKind {
    Directory,
    Other,
}

/// One unsynced change of one directory. It happens as a whole or not at all. Its two edits are of
/// two names, so their order does not matter.
#[derive(Clone, Debug)]
pub(crate) struct NameChange {
    pub(crate) number: u64,
    pub(crate) first: NameEdit,
    /// The second half of a rename within the directory.
    pub(crate) second: Option<NameEdit>,
    /// It is one half of a directory's move; the other one has the same number.
    pub(crate) is_move: bool,
}

/// What became of one name.
#[derive(Clone, Debug)]
pub(crate) struct NameEdit {
    pub(crate) name: Name,
    pub(crate) before: Option<Ino>,
    pub(crate) after: Option<Ino>,
}

impl Directory {
    pub(crate) fn get(&self, name: &OsStr) -> Option<Ino> {
        self.entries.get(name).map(|entry| entry.ino)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn subdirectories(&self) -> u32 {
        self.subdirectories
    }

    /// All names, in their own order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&Name, Ino)> {
        self.entries.iter().map(|(name, entry)| (name, entry.ino))
    }

    /// Names after a cookie, in the order in which they came.
    pub(crate) fn entries_after(&self, cookie: u64) -> impl Iterator<Item = (u64, &Name, Ino)> {
        let later = self.order.range(cookie.saturating_add(1)..);
        later.filter_map(|(cookie, name)| Some((*cookie, name, self.get(name)?)))
    }

    /// Lets a name stand for an inode, without recording the change. A name that is replaced keeps
    /// its place.
    pub(crate) fn insert(&mut self, name: &Name, ino: Ino, kind: EntryKind) {
        let replaced = self.entries.get(name);
        let cookie = replaced.map_or(self.last_cookie + 1, |entry| entry.cookie);
        self.subdirectories -= replaced.map_or(0, Entry::as_subdirectory);
        let entry = Entry { ino, kind, cookie };
        self.subdirectories += entry.as_subdirectory();
        self.last_cookie = self.last_cookie.max(cookie);
        self.order.insert(cookie, Name::clone(name));
        self.entries.insert(Name::clone(name), entry);
    }

    /// Removes a name, without recording the change.
    pub(crate) fn remove(&mut self, name: &OsStr) -> Option<Ino> {
        let entry = self.entries.remove(name)?;
        self.order.remove(&entry.cookie);
        self.subdirectories -= entry.as_subdirectory();
        Some(entry.ino)
    }

    pub(crate) fn record(&mut self, change: NameChange) {
        self.unsynced.push(change);
    }

    pub(crate) fn unsynced(&self) -> &[NameChange] {
        &self.unsynced
    }

    /// Forgets the changes up to `number`: they are durable.
    pub(crate) fn take_synced(&mut self, number: u64) -> Vec<NameChange> {
        let covered = self.unsynced.partition_point(|change| change.number <= number);
        self.unsynced.drain(..covered).collect()
    }

    /// The durable names.
    pub(crate) fn durable_entries(&self) -> BTreeMap<Name, Ino> {
        let mut durable: BTreeMap<Name, Ino> = self
            .entries()
            .map(|(name, ino)| (Name::clone(name), ino))
            .collect();
        for change in self.unsynced.iter().rev() {
            for edit in change.edits() {
                edit.undo(&mut durable);
            }
        }
        durable
    }
}

impl Entry {
    fn as_subdirectory(&self) -> u32 {
        u32::from(self.kind == EntryKind::Directory)
    }
}

impl NameChange {
    pub(crate) fn edits(&self) -> impl Iterator<Item = &NameEdit> {
        std::iter::once(&self.first).chain(self.second.as_ref())
    }

    /// The inodes that it mentions, each as often as it does.
    pub(crate) fn mentioned(&self) -> impl Iterator<Item = Ino> {
        self.edits()
            .flat_map(|edit| edit.before.into_iter().chain(edit.after))
    }

    /// The inodes that lost their name here and got none by the same change.
    pub(crate) fn removed(&self) -> impl Iterator<Item = Ino> {
        // The half of a move that takes the directory away is not its removal.
        let lost = self.edits().filter(|edit| !self.is_move || edit.after.is_some());
        let lost = lost.filter_map(|edit| edit.before);
        lost.filter(|ino| self.edits().all(|edit| edit.after != Some(*ino)))
    }
}

impl NameEdit {
    pub(crate) fn apply(&self, entries: &mut BTreeMap<Name, Ino>) {
        set(entries, &self.name, self.after);
    }

    fn undo(&self, entries: &mut BTreeMap<Name, Ino>) {
        set(entries, &self.name, self.before);
    }
}

fn set(entries: &mut BTreeMap<Name, Ino>, name: &Name, ino: Option<Ino>) {
    match ino {
        Some(ino) => entries.insert(Name::clone(name), ino),
        None => entries.remove(name),
    };
}
