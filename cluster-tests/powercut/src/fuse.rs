//! Speaks FUSE: translates requests of the kernel into operations of a [`Volume`].
//!
//! Nothing is cached in the kernel. Names and attributes have no time to live, and files are opened
//! for direct IO, so that every read meets the faults and the dark, and a cut needs no invalidation.
//! Where the kernel cannot map such files (before Linux 6.6) the page cache is used, emptied at
//! each open. `FUSE_POSIX_LOCKS` and `FUSE_FLOCK_LOCKS` are not asked for, so the kernel keeps
//! locks itself. Extended attributes do not exist.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fuser::{
    AccessFlags, BsdFileFlags, Errno, FileHandle, Filesystem, FopenFlags, Generation, INodeNo, InitFlags,
    KernelConfig, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory,
    ReplyEmpty, ReplyEntry, ReplyLseek, ReplyOpen, ReplyStatfs, ReplyWrite, Request, TimeOrNow, WriteFlags,
};
use rustix::fs::{FileType as Kind, RawMode};

use crate::delay::DelayLine;
use crate::state::{self, AttrChange, Ownership, Replace, Seek, Special, SpecialKind};
use crate::sync::{Progress, SyncRequest, SyncScope};
use crate::translate::{fallocate_mode, file_attr, file_type, moment, number, owed_sync, owner, permissions};
use crate::volume::{Attr, NewNode, Volume};

/// How long the kernel may believe a name or an attribute.
const NO_TIME: Duration = Duration::ZERO;

/// Handles are counted, not told apart.
const NO_HANDLE: FileHandle = FileHandle(0);

/// Numbers of inodes are never used twice, so there is one generation.
const GENERATION: Generation = Generation(0);

/// A volume as the kernel sees it.
pub(crate) struct FuseVolume {
    volume: Arc<Volume>,
    delays: DelayLine,
    open_flags: FopenFlags,
}

impl FuseVolume {
    pub(crate) fn new(volume: Arc<Volume>, delays: DelayLine) -> Self {
        Self {
            volume,
            delays,
            open_flags: FopenFlags::empty(),
        }
    }

    /// Answers when a sync is through, which may be later.
    fn settle(
        &self,
        progress: state::Result<Progress>,
        answer: impl FnOnce(state::Result<()>) + Send + 'static,
    ) {
        match progress {
            Ok(Progress::Done) => answer(Ok(())),
            Ok(Progress::Slow(delay, ticket)) => {
                let volume = Arc::clone(&self.volume);
                self.delays
                    .after(delay, move || answer(volume.finish_sync(&ticket)));
            }
            Err(error) => answer(Err(error)),
        }
    }

    fn sync(&self, ino: INodeNo, request: SyncRequest, reply: ReplyEmpty) {
        self.settle(self.volume.begin_sync(ino.0, request), move |result| {
            finish(result, reply);
        });
    }

    fn make(&self, parent: INodeNo, name: &OsStr, node: NewNode, owner: Ownership, reply: ReplyEntry) {
        entry(self.volume.create(parent.0, name, node, owner), reply);
    }
}

impl Filesystem for FuseVolume {
    fn init(&mut self, _request: &Request, config: &mut KernelConfig) -> io::Result<()> {
        // Both are welcome and neither is needed.
        let _ = config.add_capabilities(InitFlags::FUSE_PARALLEL_DIROPS);
        if config
            .add_capabilities(InitFlags::FUSE_DIRECT_IO_ALLOW_MMAP)
            .is_ok()
        {
            self.open_flags = FopenFlags::FOPEN_DIRECT_IO;
        }
        Ok(())
    }

    fn lookup(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        entry(self.volume.lookup(parent.0, name), reply);
    }

    fn forget(&self, _request: &Request, ino: INodeNo, lookups: u64) {
        self.volume.forget(ino.0, lookups);
    }

    fn getattr(&self, _request: &Request, ino: INodeNo, _handle: Option<FileHandle>, reply: ReplyAttr) {
        attributes(self.volume.attr(ino.0), reply);
    }

    fn setattr(
        &self,
        _request: &Request,
        ino: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        atime: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        _handle: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let change = AttrChange {
            mode: mode.map(permissions),
            uid,
            gid,
            size,
            atime: atime.map(moment),
            mtime: mtime.map(moment),
        };
        attributes(self.volume.set_attr(ino.0, &change), reply);
    }

    fn readlink(&self, _request: &Request, ino: INodeNo, reply: ReplyData) {
        match self.volume.read_link(ino.0) {
            Ok(target) => reply.data(target.as_bytes()),
            Err(error) => reply.error(number(error)),
        }
    }

    fn mknod(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        device: u32,
        reply: ReplyEntry,
    ) {
        let special = |kind| NewNode::Special(Special { kind, device });
        let node = match Kind::from_raw_mode(mode as RawMode) {
            Kind::RegularFile => NewNode::File,
            Kind::Fifo => special(SpecialKind::Pipe),
            Kind::Socket => special(SpecialKind::Socket),
            Kind::CharacterDevice => special(SpecialKind::CharDevice),
            Kind::BlockDevice => special(SpecialKind::BlockDevice),
            _ => return reply.error(Errno::EINVAL),
        };
        self.make(parent, name, node, owner(request, mode), reply);
    }

    fn mkdir(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        reply: ReplyEntry,
    ) {
        self.make(parent, name, NewNode::Directory, owner(request, mode), reply);
    }

    fn symlink(&self, request: &Request, parent: INodeNo, name: &OsStr, target: &Path, reply: ReplyEntry) {
        let node = NewNode::Symlink(target.as_os_str().to_os_string());
        self.make(parent, name, node, owner(request, 0o777), reply);
    }

    fn unlink(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        finish(self.volume.unlink(parent.0, name), reply);
    }

    fn rmdir(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        finish(self.volume.remove_directory(parent.0, name), reply);
    }

    fn rename(
        &self,
        _request: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let replace = if flags.is_empty() {
            Replace::Allowed
        } else if flags == RenameFlags::RENAME_NOREPLACE {
            Replace::Refused
        } else {
            return reply.error(Errno::EINVAL);
        };
        finish(
            self.volume
                .rename((parent.0, name), (new_parent.0, new_name), replace),
            reply,
        );
    }

    fn link(&self, _request: &Request, ino: INodeNo, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        entry(self.volume.link(ino.0, parent.0, name), reply);
    }

    fn open(&self, _request: &Request, ino: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        match self.volume.open(ino.0) {
            Ok(()) => reply.opened(NO_HANDLE, self.open_flags),
            Err(error) => reply.error(number(error)),
        }
    }

    fn create(
        &self,
        request: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        _flags: i32,
        reply: ReplyCreate,
    ) {
        match self.volume.create_open(parent.0, name, owner(request, mode)) {
            Ok(attr) => {
                reply.created(
                    &NO_TIME,
                    &file_attr(&attr),
                    GENERATION,
                    NO_HANDLE,
                    self.open_flags,
                );
            }
            Err(error) => reply.error(number(error)),
        }
    }

    fn read(
        &self,
        _request: &Request,
        ino: INodeNo,
        _handle: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match self.volume.read(ino.0, offset, size as usize) {
            Ok(bytes) => reply.data(&bytes),
            Err(error) => reply.error(number(error)),
        }
    }

    fn write(
        &self,
        _request: &Request,
        ino: INodeNo,
        _handle: FileHandle,
        offset: u64,
        data: &[u8],
        _write_flags: WriteFlags,
        flags: OpenFlags,
        _owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        // The kernel sends no larger request than it was told, which is far below 4 GiB.
        let written = data.len() as u32;
        let progress = self.volume.write(ino.0, offset, data, owed_sync(flags));
        self.settle(progress, move |result| match result {
            Ok(()) => reply.written(written),
            Err(error) => reply.error(number(error)),
        });
    }

    fn flush(
        &self,
        _request: &Request,
        _ino: INodeNo,
        _handle: FileHandle,
        _owner: LockOwner,
        reply: ReplyEmpty,
    ) {
        finish(self.volume.check_power(), reply);
    }

    fn release(
        &self,
        _request: &Request,
        ino: INodeNo,
        _handle: FileHandle,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        _flush: bool,
        reply: ReplyEmpty,
    ) {
        self.volume.release(ino.0);
        reply.ok();
    }

    fn fsync(
        &self,
        _request: &Request,
        ino: INodeNo,
        _handle: FileHandle,
        datasync: bool,
        reply: ReplyEmpty,
    ) {
        let scope = if datasync { SyncScope::Data } else { SyncScope::All };
        self.sync(ino, SyncRequest::file(scope), reply);
    }

    fn opendir(&self, _request: &Request, ino: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        match self.volume.open(ino.0) {
            Ok(()) => reply.opened(NO_HANDLE, FopenFlags::empty()),
            Err(error) => reply.error(number(error)),
        }
    }

    fn readdir(
        &self,
        _request: &Request,
        ino: INodeNo,
        _handle: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let lines = match self.volume.read_dir(ino.0, offset) {
            Ok(lines) => lines,
            Err(error) => return reply.error(number(error)),
        };
        for line in lines {
            if reply.add(INodeNo(line.ino), line.cookie, file_type(line.kind), &*line.name) {
                break;
            }
        }
        reply.ok();
    }

    fn releasedir(
        &self,
        _request: &Request,
        ino: INodeNo,
        _handle: FileHandle,
        _flags: OpenFlags,
        reply: ReplyEmpty,
    ) {
        self.volume.release(ino.0);
        reply.ok();
    }

    fn fsyncdir(
        &self,
        _request: &Request,
        ino: INodeNo,
        _handle: FileHandle,
        _datasync: bool,
        reply: ReplyEmpty,
    ) {
        self.sync(ino, SyncRequest::directory(), reply);
    }

    fn statfs(&self, _request: &Request, _ino: INodeNo, reply: ReplyStatfs) {
        match self.volume.space() {
            Ok(space) => {
                // As many inodes as pages: what a new file needs at least.
                let files = space.inodes + space.free;
                let (blocks, free, page) = (space.capacity, space.free, space.page);
                reply.statfs(
                    blocks,
                    free,
                    free,
                    files,
                    space.free,
                    page,
                    space.longest_name,
                    page,
                );
            }
            Err(error) => reply.error(number(error)),
        }
    }

    fn access(&self, _request: &Request, _ino: INodeNo, _mask: AccessFlags, reply: ReplyEmpty) {
        // Permissions are the kernel's business (`default_permissions`).
        finish(self.volume.check_power(), reply);
    }

    fn fallocate(
        &self,
        _request: &Request,
        ino: INodeNo,
        _handle: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        match fallocate_mode(mode) {
            Some(mode) => finish(self.volume.fallocate(ino.0, offset, length, mode), reply),
            None => reply.error(Errno::EOPNOTSUPP),
        }
    }

    fn lseek(
        &self,
        _request: &Request,
        ino: INodeNo,
        _handle: FileHandle,
        offset: i64,
        whence: i32,
        reply: ReplyLseek,
    ) {
        // The numbers of `SEEK_DATA` and `SEEK_HOLE`; the kernel handles all others itself.
        let target = match whence {
            3 => Seek::Data,
            4 => Seek::Hole,
            _ => return reply.error(Errno::EINVAL),
        };
        let Ok(offset) = u64::try_from(offset) else {
            return reply.error(Errno::ENXIO);
        };
        match self.volume.seek(ino.0, offset, target).map(i64::try_from) {
            Ok(Ok(found)) => reply.offset(found),
            Ok(Err(_)) => reply.error(Errno::EOVERFLOW),
            Err(error) => reply.error(number(error)),
        }
    }
}

fn finish(result: state::Result<()>, reply: ReplyEmpty) {
    match result {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(number(error)),
    }
}

fn entry(result: state::Result<Attr>, reply: ReplyEntry) {
    match result {
        Ok(attr) => reply.entry(&NO_TIME, &file_attr(&attr), GENERATION),
        Err(error) => reply.error(number(error)),
    }
}

fn attributes(result: state::Result<Attr>, reply: ReplyAttr) {
    match result {
        Ok(attr) => reply.attr(&NO_TIME, &file_attr(&attr)),
        Err(error) => reply.error(number(error)),
    }
}
