//! Operations on contents and attributes: read, write, resize, allocate, change mode and times.

use std::ffi::OsStr;
use std::time::SystemTime;

use rustix::io::Errno;

use super::content::Seek;
use super::file::File;
use super::inode::{Body, Ino};
use super::{PAGE, Result, State};

/// The largest size of a file: what an `off_t` can say.
const LARGEST_FILE: u64 = i64::MAX as u64;

/// A change of attributes; `None` leaves one as it is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AttrChange {
    pub(crate) mode: Option<u16>,
    pub(crate) uid: Option<u32>,
    pub(crate) gid: Option<u32>,
    pub(crate) size: Option<u64>,
    pub(crate) atime: Option<SystemTime>,
    pub(crate) mtime: Option<SystemTime>,
}

/// What `fallocate` does with a range.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum FallocateMode {
    /// Allocates it and grows the file over it.
    Extend,
    /// Allocates it (`FALLOC_FL_KEEP_SIZE`).
    Reserve,
    /// Frees it (`FALLOC_FL_PUNCH_HOLE`).
    Punch,
    /// Zeroes it and grows the file over it (`FALLOC_FL_ZERO_RANGE`).
    Zero,
    /// Zeroes it (`FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE`).
    ZeroInside,
}

impl State {
    fn file(&self, ino: Ino) -> Result<&File> {
        match &self.inode(ino)?.body {
            Body::File(file) => Ok(file),
            Body::Directory(_) => Err(Errno::ISDIR),
            Body::Symlink(_) | Body::Special(_) => Err(Errno::INVAL),
        }
    }

    fn file_mut(&mut self, ino: Ino) -> Result<&mut File> {
        match &mut self.inode_mut(ino)?.body {
            Body::File(file) => Ok(file),
            Body::Directory(_) => Err(Errno::ISDIR),
            Body::Symlink(_) | Body::Special(_) => Err(Errno::INVAL),
        }
    }

    pub(crate) fn read(&self, ino: Ino, offset: u64, len: usize) -> Result<Vec<u8>> {
        Ok(self.file(ino)?.content().read(offset, len))
    }

    /// The target of a symbolic link.
    pub(crate) fn read_link(&self, ino: Ino) -> Result<&OsStr> {
        match &self.inode(ino)?.body {
            Body::Symlink(target) => Ok(target),
            Body::File(_) | Body::Directory(_) | Body::Special(_) => Err(Errno::INVAL),
        }
    }

    pub(crate) fn write(&mut self, ino: Ino, offset: u64, bytes: &[u8]) -> Result<()> {
        let len = bytes.len() as u64;
        check_range(offset, len)?;
        let missing = self.file(ino)?.content().missing(offset, len);
        self.claim_pages(missing)?;
        let number = self.next_change();
        self.file_mut(ino)?.write(number, offset, bytes);
        self.content_changed(ino)
    }

    pub(crate) fn set_size(&mut self, ino: Ino, size: u64) -> Result<()> {
        check_range(0, size)?;
        let number = self.next_change();
        self.file_mut(ino)?.set_size(number, size);
        self.content_changed(ino)
    }

    pub(crate) fn fallocate(&mut self, ino: Ino, offset: u64, len: u64, mode: FallocateMode) -> Result<()> {
        check_range(offset, len)?;
        let end = offset + len;
        let file = self.file(ino)?;
        let (size, missing) = (file.content().size(), file.content().missing(offset, len));
        let grows = matches!(mode, FallocateMode::Extend | FallocateMode::Zero) && end > size;
        if mode != FallocateMode::Punch {
            self.claim_pages(missing)?;
        }
        if matches!(
            mode,
            FallocateMode::Punch | FallocateMode::Zero | FallocateMode::ZeroInside
        ) {
            let number = self.next_change();
            self.file_mut(ino)?.clear(number, offset, len);
        }
        if mode != FallocateMode::Punch {
            self.file_mut(ino)?.reserve(offset, len);
        }
        if grows {
            let number = self.next_change();
            self.file_mut(ino)?.set_size(number, end);
        }
        self.content_changed(ino)
    }

    pub(crate) fn seek(&self, ino: Ino, offset: u64, target: Seek) -> Result<u64> {
        self.file(ino)?.content().seek(offset, target).ok_or(Errno::NXIO)
    }

    pub(crate) fn set_attr(&mut self, ino: Ino, change: &AttrChange) -> Result<()> {
        if let Some(size) = change.size {
            self.set_size(ino, size)?;
        }
        let meta = &mut self.inode_mut(ino)?.meta;
        meta.mode = change.mode.map_or(meta.mode, |mode| mode & 0o7777);
        meta.uid = change.uid.unwrap_or(meta.uid);
        meta.gid = change.gid.unwrap_or(meta.gid);
        meta.atime = change.atime.unwrap_or(meta.atime);
        meta.mtime = change.mtime.unwrap_or(meta.mtime);
        meta.ctime = SystemTime::now();
        Ok(())
    }

    fn content_changed(&mut self, ino: Ino) -> Result<()> {
        self.inode_mut(ino)?.meta.modified(SystemTime::now());
        self.recharge(ino);
        Ok(())
    }
}

/// A range whose end, rounded up to a page, still is a size.
fn check_range(offset: u64, len: u64) -> Result<()> {
    match offset.checked_add(len) {
        Some(end) if end <= LARGEST_FILE - PAGE as u64 => Ok(()),
        _ => Err(Errno::FBIG),
    }
}
