//! What a number stands for: a file, a directory, a symbolic link or something special.

use std::ffi::{OsStr, OsString};
use std::sync::Arc;
use std::time::SystemTime;

use super::directory::Directory;
use super::file::File;

/// The number of an inode. Numbers are never used twice.
pub(crate) type Ino = u64;

/// The number of the root directory, fixed by FUSE.
pub(crate) const ROOT: Ino = 1;

/// A name within a directory.
pub(crate) type Name = Arc<OsStr>;

/// One inode.
#[derive(Clone, Debug)]
pub(crate) struct Inode {
    pub(crate) body: Body,
    /// Attributes as running processes see them.
    pub(crate) meta: Meta,
    /// Attributes as a cut leaves them: those of the creation, or of the last `fsync`.
    pub(crate) durable_meta: Meta,
    /// The live names of it, one for a directory.
    pub(crate) links: Vec<Link>,
    /// The name it lost last, to speak of an unlinked file that is still open.
    pub(crate) last_link: Option<Link>,
    /// Unsynced changes of names that mention it: a cut may bring it back.
    pub(crate) pins: u64,
    /// How often the kernel was told of it and has not forgotten it.
    pub(crate) lookups: u64,
    /// Open handles.
    pub(crate) handles: u64,
    /// Pages that it is charged for.
    pub(crate) charged: u64,
}

/// The place of a name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Link {
    pub(crate) parent: Ino,
    pub(crate) name: Name,
}

/// What an inode is.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    File(File),
    Directory(Directory),
    Symlink(OsString),
    Special(Special),
}

/// A node that has a name and no content here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Special {
    pub(crate) kind: SpecialKind,
    pub(crate) device: u32,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SpecialKind {
    Pipe,
    Socket,
    CharDevice,
    BlockDevice,
}

/// The attributes of an inode that are not derived from something else.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Meta {
    /// Permission bits with set-id and sticky bits, `0o7777`.
    pub(crate) mode: u16,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) atime: SystemTime,
    pub(crate) mtime: SystemTime,
    pub(crate) ctime: SystemTime,
}

/// Who owns a new inode, and what may be done with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ownership {
    pub(crate) mode: u16,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl Inode {
    pub(crate) fn new(body: Body, meta: Meta) -> Self {
        Self {
            body,
            meta,
            durable_meta: meta,
            links: Vec::new(),
            last_link: None,
            pins: 0,
            lookups: 0,
            handles: 0,
            charged: 0,
        }
    }

    pub(crate) fn is_directory(&self) -> bool {
        matches!(self.body, Body::Directory(_))
    }

    /// Whether anybody can still get at it, in this life or after a cut.
    pub(crate) fn is_needed(&self) -> bool {
        self.takes_space() || self.pins > 0 || self.lookups > 0
    }

    /// Whether a real disk would still hold its blocks.
    pub(crate) fn takes_space(&self) -> bool {
        !self.links.is_empty() || self.handles > 0
    }

    /// Pages allocated for it.
    pub(crate) fn allocated(&self) -> u64 {
        match &self.body {
            Body::File(file) => file.content().allocated(),
            Body::Directory(_) | Body::Symlink(_) | Body::Special(_) => 0,
        }
    }

    /// The link count that `stat` shows.
    pub(crate) fn nlink(&self) -> u32 {
        let names = u32::try_from(self.links.len()).unwrap_or(u32::MAX);
        match &self.body {
            // Its name, its `.`, and the `..` of each directory in it; the root names itself.
            Body::Directory(directory) if !self.links.is_empty() => 2 + directory.subdirectories(),
            _ => names,
        }
    }

    pub(crate) fn size(&self) -> u64 {
        match &self.body {
            Body::File(file) => file.content().size(),
            Body::Directory(directory) => directory.len() as u64,
            Body::Symlink(target) => target.len() as u64,
            Body::Special(_) => 0,
        }
    }
}

impl Meta {
    pub(crate) fn new(ownership: Ownership, now: SystemTime) -> Self {
        let Ownership { mode, uid, gid } = ownership;
        Self {
            mode: mode & 0o7777,
            uid,
            gid,
            atime: now,
            mtime: now,
            ctime: now,
        }
    }

    /// The content changed.
    pub(crate) fn modified(&mut self, now: SystemTime) {
        self.mtime = now;
        self.ctime = now;
    }
}
