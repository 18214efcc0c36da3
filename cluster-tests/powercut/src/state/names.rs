//! Operations on names: look up, create, link, rename, remove.

use std::ffi::{OsStr, OsString};
use std::time::SystemTime;

use rustix::io::Errno;

use super::directory::{Directory, EntryKind, NameChange, NameEdit};
use super::file::File;
use super::inode::{Body, Ino, Inode, Link, Meta, Name, Ownership, ROOT, Special};
use super::{LONGEST_NAME, Result, State};

/// What a rename does where the new name is taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Replace {
    Allowed,
    /// `RENAME_NOREPLACE`.
    Refused,
}

/// Set-group-id, which a directory hands down to directories in it.
const SET_GID: u16 = 0o2000;

impl State {
    pub(crate) fn lookup(&self, parent: Ino, name: &OsStr) -> Result<Ino> {
        check_name(name)?;
        self.directory(parent)?.get(name).ok_or(Errno::NOENT)
    }

    /// The parent of a directory, itself for the root.
    pub(crate) fn parent(&self, ino: Ino) -> Result<Ino> {
        let inode = self.inode(ino)?;
        Ok(inode
            .links
            .first()
            .or(inode.last_link.as_ref())
            .map_or(ROOT, |link| link.parent))
    }

    /// Names of a directory after a cookie: cookie, name, inode.
    pub(crate) fn read_dir(&self, ino: Ino, cookie: u64) -> Result<impl Iterator<Item = (u64, &Name, Ino)>> {
        Ok(self.directory(ino)?.entries_after(cookie))
    }

    pub(crate) fn create_file(&mut self, parent: Ino, name: &OsStr, owner: Ownership) -> Result<Ino> {
        self.create(parent, name, Body::File(File::default()), owner)
    }

    pub(crate) fn create_directory(&mut self, parent: Ino, name: &OsStr, owner: Ownership) -> Result<Ino> {
        self.create(parent, name, Body::Directory(Directory::default()), owner)
    }

    pub(crate) fn create_symlink(
        &mut self,
        parent: Ino,
        name: &OsStr,
        target: OsString,
        owner: Ownership,
    ) -> Result<Ino> {
        self.create(parent, name, Body::Symlink(target), owner)
    }

    pub(crate) fn create_special(
        &mut self,
        parent: Ino,
        name: &OsStr,
        special: Special,
        owner: Ownership,
    ) -> Result<Ino> {
        self.create(parent, name, Body::Special(special), owner)
    }

    fn create(&mut self, parent: Ino, name: &OsStr, body: Body, owner: Ownership) -> Result<Ino> {
        self.check_free(parent, name)?;
        let owner = self.inherit(parent, &body, owner)?;
        self.last_ino += 1;
        let ino = self.last_ino;
        self.inodes
            .insert(ino, Inode::new(body, Meta::new(owner, SystemTime::now())));
        let edit = self.set_name(parent, &Name::from(name), Some(ino))?;
        self.record(parent, edit, None);
        Ok(ino)
    }

    /// What is created in a set-group-id directory belongs to its group.
    fn inherit(&self, parent: Ino, body: &Body, owner: Ownership) -> Result<Ownership> {
        let meta = &self.inode(parent)?.meta;
        if meta.mode & SET_GID == 0 {
            return Ok(owner);
        }
        let handed_down = if matches!(body, Body::Directory(_)) {
            SET_GID
        } else {
            0
        };
        Ok(Ownership {
            mode: owner.mode | handed_down,
            gid: meta.gid,
            ..owner
        })
    }

    /// Gives a file another name.
    pub(crate) fn link(&mut self, ino: Ino, parent: Ino, name: &OsStr) -> Result<()> {
        self.check_free(parent, name)?;
        let inode = self.inode(ino)?;
        if inode.is_directory() {
            return Err(Errno::PERM);
        }
        if inode.links.is_empty() {
            return Err(Errno::NOENT);
        }
        let edit = self.set_name(parent, &Name::from(name), Some(ino))?;
        self.record(parent, edit, None);
        self.touch(ino);
        Ok(())
    }

    /// Removes a name of something that is not a directory.
    pub(crate) fn unlink(&mut self, parent: Ino, name: &OsStr) -> Result<()> {
        let ino = self.lookup(parent, name)?;
        if self.inode(ino)?.is_directory() {
            return Err(Errno::ISDIR);
        }
        self.remove(parent, name)
    }

    /// Removes an empty directory.
    pub(crate) fn remove_directory(&mut self, parent: Ino, name: &OsStr) -> Result<()> {
        let ino = self.lookup(parent, name)?;
        if !self.directory(ino)?.is_empty() {
            return Err(Errno::NOTEMPTY);
        }
        self.remove(parent, name)
    }

    fn remove(&mut self, parent: Ino, name: &OsStr) -> Result<()> {
        let edit = self.set_name(parent, &Name::from(name), None)?;
        let removed = edit.before;
        self.record(parent, edit, None);
        if let Some(ino) = removed {
            self.touch(ino);
        }
        Ok(())
    }

    /// Renames, within a directory or between two.
    pub(crate) fn rename(
        &mut self,
        (old_parent, old_name): (Ino, &OsStr),
        (new_parent, new_name): (Ino, &OsStr),
        replace: Replace,
    ) -> Result<()> {
        check_name(new_name)?;
        let ino = self.lookup(old_parent, old_name)?;
        let is_directory = self.inode(ino)?.is_directory();
        if is_directory && self.is_within(new_parent, ino)? {
            return Err(Errno::INVAL);
        }
        self.check_open(new_parent)?;
        if let Some(target) = self.directory(new_parent)?.get(new_name) {
            if replace == Replace::Refused {
                return Err(Errno::EXIST);
            }
            if target == ino {
                // Two names of one file: nothing happens, by POSIX.
                return Ok(());
            }
            self.check_replaceable(target, is_directory)?;
        }
        // The new name comes first: while it is the only change that is durable, the file has two.
        let replaced = self.directory(new_parent)?.get(new_name);
        let added = self.set_name(new_parent, &Name::from(new_name), Some(ino))?;
        let removed = self.set_name(old_parent, &Name::from(old_name), None)?;
        if old_parent == new_parent {
            self.record(old_parent, removed, Some(added));
        } else if is_directory {
            self.record_move((old_parent, removed), (new_parent, added));
        } else {
            self.record(new_parent, added, None);
            self.record(old_parent, removed, None);
        }
        self.touch(ino);
        if let Some(replaced) = replaced {
            self.touch(replaced);
        }
        Ok(())
    }

    fn check_replaceable(&self, target: Ino, by_directory: bool) -> Result<()> {
        match (&self.inode(target)?.body, by_directory) {
            (Body::Directory(directory), true) if directory.is_empty() => Ok(()),
            (Body::Directory(_), true) => Err(Errno::NOTEMPTY),
            (Body::Directory(_), false) => Err(Errno::ISDIR),
            (_, true) => Err(Errno::NOTDIR),
            (_, false) => Ok(()),
        }
    }

    /// Whether a directory is `top` or lies below it.
    fn is_within(&self, directory: Ino, top: Ino) -> Result<bool> {
        let mut at = directory;
        while at != top {
            if at == ROOT {
                return Ok(false);
            }
            at = self.parent(at)?;
        }
        Ok(true)
    }

    fn check_free(&self, parent: Ino, name: &OsStr) -> Result<()> {
        check_name(name)?;
        self.check_open(parent)?;
        match self.directory(parent)?.get(name) {
            Some(_) => Err(Errno::EXIST),
            None => Ok(()),
        }
    }

    /// Nothing can be put into a directory that was removed.
    fn check_open(&self, parent: Ino) -> Result<()> {
        if self.inode(parent)?.links.is_empty() {
            Err(Errno::NOENT)
        } else {
            Ok(())
        }
    }

    /// Changes one live name and the links of the inodes concerned.
    fn set_name(&mut self, parent: Ino, name: &Name, after: Option<Ino>) -> Result<NameEdit> {
        let kind = match after {
            Some(ino) if self.inode(ino)?.is_directory() => EntryKind::Directory,
            _ => EntryKind::Other,
        };
        let directory = self.directory_mut(parent)?;
        let before = directory.get(name);
        match after {
            Some(ino) => directory.insert(name, ino, kind),
            None => {
                directory.remove(name);
            }
        }
        self.inode_mut(parent)?.meta.modified(SystemTime::now());
        let link = Link {
            parent,
            name: Name::clone(name),
        };
        if let Some(ino) = after {
            self.inode_mut(ino)?.links.push(link.clone());
        }
        if let Some(ino) = before {
            let inode = self.inode_mut(ino)?;
            if let Some(at) = inode.links.iter().position(|other| *other == link) {
                inode.links.swap_remove(at);
            }
            inode.last_link = Some(link);
            self.recharge(ino);
        }
        Ok(NameEdit {
            name: Name::clone(name),
            before,
            after,
        })
    }

    fn record(&mut self, parent: Ino, first: NameEdit, second: Option<NameEdit>) {
        let number = self.next_change();
        self.record_change(
            parent,
            NameChange {
                number,
                first,
                second,
                is_move: false,
            },
        );
    }

    fn record_move(&mut self, old: (Ino, NameEdit), new: (Ino, NameEdit)) {
        let number = self.next_change();
        self.moves.insert(number, (old.0, new.0));
        for (parent, first) in [old, new] {
            self.record_change(
                parent,
                NameChange {
                    number,
                    first,
                    second: None,
                    is_move: true,
                },
            );
        }
    }

    fn record_change(&mut self, parent: Ino, change: NameChange) {
        let mentioned: Vec<Ino> = change.mentioned().collect();
        let Ok(directory) = self.directory_mut(parent) else {
            return;
        };
        directory.record(change);
        for ino in mentioned {
            if let Ok(inode) = self.inode_mut(ino) {
                inode.pins += 1;
            }
        }
    }

    fn touch(&mut self, ino: Ino) {
        if let Ok(inode) = self.inode_mut(ino) {
            inode.meta.ctime = SystemTime::now();
        }
    }
}

fn check_name(name: &OsStr) -> Result<()> {
    if name.len() > LONGEST_NAME {
        Err(Errno::NAMETOOLONG)
    } else {
        Ok(())
    }
}
