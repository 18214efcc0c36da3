//! Translates between the kernel's words and the volume's: errors, modes, flags, attributes.

use std::time::{SystemTime, UNIX_EPOCH};

use fuser::{Errno, FileAttr, FileType, INodeNo, OpenFlags, Request, TimeOrNow};
use rustix::fs::{FallocateFlags as Flags, Mode, RawMode};

use crate::state::{FallocateMode, Ownership, SpecialKind};
use crate::sync::WriteSync;
use crate::volume::{Attr, AttrKind};

/// `O_DSYNC` and `O_SYNC`, which contains it, on all architectures but a few old ones. (For
/// rustix the two are the same.)
const O_DSYNC: i32 = 0o10_000;
const O_SYNC: i32 = 0o4_010_000;

/// `stat` counts in blocks of 512 bytes.
const STAT_BLOCKS_PER_PAGE: u64 = 8;

pub(crate) fn number(error: rustix::io::Errno) -> Errno {
    Errno::from_i32(error.raw_os_error())
}

pub(crate) fn owner(request: &Request, mode: u32) -> Ownership {
    Ownership {
        mode: permissions(mode),
        uid: request.uid(),
        gid: request.gid(),
    }
}

/// The permission bits of a mode, which fit by the mask.
pub(crate) fn permissions(mode: u32) -> u16 {
    (Mode::from_raw_mode(mode as RawMode).bits() & 0o7777) as u16
}

pub(crate) fn moment(time: TimeOrNow) -> SystemTime {
    match time {
        TimeOrNow::SpecificTime(time) => time,
        TimeOrNow::Now => SystemTime::now(),
    }
}

/// What a handle's flags ask of each write. The kernel sets them for `RWF_SYNC` and `RWF_DSYNC` too.
pub(crate) fn owed_sync(flags: OpenFlags) -> WriteSync {
    if flags.0 & O_SYNC == O_SYNC {
        WriteSync::All
    } else if flags.0 & O_DSYNC != 0 {
        WriteSync::Data
    } else {
        WriteSync::None
    }
}

pub(crate) fn fallocate_mode(mode: i32) -> Option<FallocateMode> {
    let flags = Flags::from_bits_retain(mode as u32);
    if flags.is_empty() {
        Some(FallocateMode::Extend)
    } else if flags == Flags::KEEP_SIZE {
        Some(FallocateMode::Reserve)
    } else if flags == Flags::PUNCH_HOLE | Flags::KEEP_SIZE {
        Some(FallocateMode::Punch)
    } else if flags == Flags::ZERO_RANGE {
        Some(FallocateMode::Zero)
    } else if flags == Flags::ZERO_RANGE | Flags::KEEP_SIZE {
        Some(FallocateMode::ZeroInside)
    } else {
        None
    }
}

pub(crate) fn file_type(kind: AttrKind) -> FileType {
    match kind {
        AttrKind::File => FileType::RegularFile,
        AttrKind::Directory => FileType::Directory,
        AttrKind::Symlink => FileType::Symlink,
        AttrKind::Special(SpecialKind::Pipe) => FileType::NamedPipe,
        AttrKind::Special(SpecialKind::Socket) => FileType::Socket,
        AttrKind::Special(SpecialKind::CharDevice) => FileType::CharDevice,
        AttrKind::Special(SpecialKind::BlockDevice) => FileType::BlockDevice,
    }
}

pub(crate) fn file_attr(attr: &Attr) -> FileAttr {
    FileAttr {
        ino: INodeNo(attr.ino),
        size: attr.size,
        blocks: attr.pages * STAT_BLOCKS_PER_PAGE,
        atime: attr.atime,
        mtime: attr.mtime,
        ctime: attr.ctime,
        crtime: UNIX_EPOCH,
        kind: file_type(attr.kind),
        perm: attr.mode,
        nlink: attr.nlink,
        uid: attr.uid,
        gid: attr.gid,
        rdev: attr.device,
        blksize: crate::state::PAGE as u32,
        flags: 0,
    }
}
