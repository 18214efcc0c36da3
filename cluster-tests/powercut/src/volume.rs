//! One mounted volume: the state under a lock, with power and faults in front of it.
//!
//! Every operation of the mount comes through here, in three steps: is the power on, does a fault
//! want it, what does the state say. Syncs are in [`crate::sync`], commands in [`crate::command`].

use std::ffi::{OsStr, OsString};
use std::time::SystemTime;

use parking_lot::{Condvar, Mutex, MutexGuard};
use rustix::io::Errno;

use crate::fault::{Faults, Spoiled};
use crate::power::Power;
use crate::protocol::{FaultError, OpClass, OpCounts};
use crate::state::{
    AttrChange, Body, FallocateMode, Ino, LONGEST_NAME, Name, Ownership, PAGE, Replace, Result, Seek,
    Special, SpecialKind, State,
};
use crate::sync::{Progress, WriteSync};

/// One mounted volume.
#[derive(Debug)]
pub(crate) struct Volume {
    world: Mutex<World>,
    /// The power went off, or a handle was closed.
    pub(crate) changed: Condvar,
}

/// What the lock holds.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) state: State,
    pub(crate) power: Power,
    pub(crate) faults: Faults,
    pub(crate) ops: OpCounts,
    pub(crate) open_handles: u64,
    pub(crate) refused_off: u64,
}

/// What `stat` shows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attr {
    pub(crate) ino: Ino,
    pub(crate) kind: AttrKind,
    pub(crate) size: u64,
    /// Pages allocated.
    pub(crate) pages: u64,
    pub(crate) nlink: u32,
    pub(crate) mode: u16,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) device: u32,
    pub(crate) atime: SystemTime,
    pub(crate) mtime: SystemTime,
    pub(crate) ctime: SystemTime,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum AttrKind {
    File,
    Directory,
    Symlink,
    Special(SpecialKind),
}

/// One line of a directory.
#[derive(Clone, Debug)]
pub(crate) struct DirLine {
    pub(crate) ino: Ino,
    /// Where to read on after this line.
    pub(crate) cookie: u64,
    pub(crate) kind: AttrKind,
    pub(crate) name: Name,
}

/// What a new name stands for.
#[derive(Clone, Debug)]
pub(crate) enum NewNode {
    File,
    Directory,
    Symlink(OsString),
    Special(Special),
}

/// What `statfs` shows, in pages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SpaceView {
    pub(crate) capacity: u64,
    pub(crate) free: u64,
    pub(crate) inodes: u64,
    pub(crate) page: u32,
    pub(crate) longest_name: u32,
}

/// How many lines of a directory are handed out per lock: more than fit one request of the kernel.
const LINES_AT_ONCE: usize = 256;

impl Volume {
    pub(crate) fn new(state: State) -> Self {
        let world = World {
            state,
            power: Power::on(),
            faults: Faults::default(),
            ops: OpCounts::default(),
            open_handles: 0,
            refused_off: 0,
        };
        Self {
            world: Mutex::new(world),
            changed: Condvar::new(),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock()
    }

    /// The lock, if the power is on.
    pub(crate) fn powered(&self) -> Result<MutexGuard<'_, World>> {
        let mut world = self.lock();
        if world.power.is_on() {
            return Ok(world);
        }
        world.refused_off += 1;
        Err(Errno::IO)
    }

    pub(crate) fn lookup(&self, parent: Ino, name: &OsStr) -> Result<Attr> {
        let mut world = self.powered()?;
        let ino = world.state.lookup(parent, name)?;
        world.tell(ino)
    }

    /// The kernel forgot an inode; it does so in the dark too.
    pub(crate) fn forget(&self, ino: Ino, lookups: u64) {
        self.lock().state.forget(ino, lookups);
    }

    pub(crate) fn attr(&self, ino: Ino) -> Result<Attr> {
        self.powered()?.attr(ino)
    }

    pub(crate) fn set_attr(&self, ino: Ino, change: &AttrChange) -> Result<Attr> {
        let mut world = self.powered()?;
        if change.size.is_some() {
            world.judge_inode(OpClass::Write, ino)?;
            world.ops.writes += 1;
        }
        world.state.set_attr(ino, change)?;
        world.attr(ino)
    }

    pub(crate) fn read_link(&self, ino: Ino) -> Result<OsString> {
        Ok(self.powered()?.state.read_link(ino)?.to_os_string())
    }

    pub(crate) fn create(&self, parent: Ino, name: &OsStr, node: NewNode, owner: Ownership) -> Result<Attr> {
        let mut world = self.powered()?;
        let ino = world.create(parent, name, node, owner)?;
        world.tell(ino)
    }

    /// Creates a file and opens it.
    pub(crate) fn create_open(&self, parent: Ino, name: &OsStr, owner: Ownership) -> Result<Attr> {
        let mut world = self.powered()?;
        let ino = world.create(parent, name, NewNode::File, owner)?;
        let attr = world.tell(ino)?;
        world.open(ino)?;
        Ok(attr)
    }

    pub(crate) fn link(&self, ino: Ino, parent: Ino, name: &OsStr) -> Result<Attr> {
        let mut world = self.powered()?;
        world.judge_name(parent, name)?;
        world.state.link(ino, parent, name)?;
        world.tell(ino)
    }

    pub(crate) fn unlink(&self, parent: Ino, name: &OsStr) -> Result<()> {
        let mut world = self.powered()?;
        world.judge_name(parent, name)?;
        world.state.unlink(parent, name)
    }

    pub(crate) fn remove_directory(&self, parent: Ino, name: &OsStr) -> Result<()> {
        let mut world = self.powered()?;
        world.judge_name(parent, name)?;
        world.state.remove_directory(parent, name)
    }

    pub(crate) fn rename(&self, old: (Ino, &OsStr), new: (Ino, &OsStr), replace: Replace) -> Result<()> {
        let mut world = self.powered()?;
        world.judge(OpClass::Name, |state| {
            vec![state.path_in(old.0, old.1), state.path_in(new.0, new.1)]
        })?;
        world.ops.names += 1;
        world.state.rename(old, new, replace)
    }

    pub(crate) fn open(&self, ino: Ino) -> Result<()> {
        self.powered()?.open(ino)
    }

    /// A handle is closed; that happens in the dark too. (What survived a cut starts without handles,
    /// and the power comes back only when the last old one is closed, so lives never mix.)
    pub(crate) fn release(&self, ino: Ino) {
        let mut world = self.lock();
        world.open_handles = world.open_handles.saturating_sub(1);
        world.state.drop_handle(ino);
        drop(world);
        self.changed.notify_all();
    }

    pub(crate) fn read(&self, ino: Ino, offset: u64, len: usize) -> Result<Vec<u8>> {
        let mut world = self.powered()?;
        world.judge_inode(OpClass::Read, ino)?;
        world.ops.reads += 1;
        world.state.read(ino, offset, len)
    }

    /// Writes, and syncs if the handle wants that.
    pub(crate) fn write(&self, ino: Ino, offset: u64, bytes: &[u8], sync: WriteSync) -> Result<Progress> {
        let mut world = self.powered()?;
        world.judge_inode(OpClass::Write, ino)?;
        world.ops.writes += 1;
        world.state.write(ino, offset, bytes)?;
        match sync {
            WriteSync::None => Ok(Progress::Done),
            WriteSync::Data | WriteSync::All => self.begin_sync_locked(&mut world, ino, sync.request()),
        }
    }

    pub(crate) fn fallocate(&self, ino: Ino, offset: u64, len: u64, mode: FallocateMode) -> Result<()> {
        let mut world = self.powered()?;
        world.judge_inode(OpClass::Write, ino)?;
        world.ops.writes += 1;
        world.state.fallocate(ino, offset, len, mode)
    }

    pub(crate) fn seek(&self, ino: Ino, offset: u64, target: Seek) -> Result<u64> {
        self.powered()?.state.seek(ino, offset, target)
    }

    /// Lines of a directory after a cookie, the first ones `.` and `..`.
    pub(crate) fn read_dir(&self, ino: Ino, cookie: u64) -> Result<Vec<DirLine>> {
        let world = self.powered()?;
        let parent = world.state.parent(ino)?;
        let dots = [(ino, DOT, "."), (parent, DOT_DOT, "..")]
            .into_iter()
            .map(|(ino, cookie, name)| DirLine {
                ino,
                cookie,
                kind: AttrKind::Directory,
                name: Name::from(OsStr::new(name)),
            });
        let entries = world
            .state
            .read_dir(ino, cookie.saturating_sub(DOT_DOT))?
            .map(|(at, name, ino)| {
                let kind = world.attr(ino).map_or(AttrKind::File, |attr| attr.kind);
                DirLine {
                    ino,
                    cookie: at + DOT_DOT,
                    kind,
                    name: Name::clone(name),
                }
            });
        Ok(dots
            .filter(|line| line.cookie > cookie)
            .chain(entries)
            .take(LINES_AT_ONCE)
            .collect())
    }

    pub(crate) fn space(&self) -> Result<SpaceView> {
        let world = self.powered()?;
        let (capacity, used) = (world.state.capacity_pages(), world.state.used_pages());
        Ok(SpaceView {
            capacity,
            free: capacity.saturating_sub(used),
            inodes: world.state.inode_count(),
            page: PAGE as u32,
            longest_name: LONGEST_NAME as u32,
        })
    }

    /// Whether files can be reached: what `flush` and `access` ask.
    pub(crate) fn check_power(&self) -> Result<()> {
        self.powered().map(drop)
    }
}

/// Cookies of the two lines that every directory has; its own lines follow.
const DOT: u64 = 1;
const DOT_DOT: u64 = 2;

impl World {
    pub(crate) fn attr(&self, ino: Ino) -> Result<Attr> {
        let inode = self.state.inode(ino)?;
        let (kind, device) = match &inode.body {
            Body::File(_) => (AttrKind::File, 0),
            Body::Directory(_) => (AttrKind::Directory, 0),
            Body::Symlink(_) => (AttrKind::Symlink, 0),
            Body::Special(special) => (AttrKind::Special(special.kind), special.device),
        };
        Ok(Attr {
            ino,
            kind,
            size: inode.size(),
            pages: inode.allocated(),
            nlink: inode.nlink(),
            mode: inode.meta.mode,
            uid: inode.meta.uid,
            gid: inode.meta.gid,
            device,
            atime: inode.meta.atime,
            mtime: inode.meta.mtime,
            ctime: inode.meta.ctime,
        })
    }

    /// The attributes of an inode that the kernel is told of.
    fn tell(&mut self, ino: Ino) -> Result<Attr> {
        let attr = self.attr(ino)?;
        self.state.add_lookup(ino);
        Ok(attr)
    }

    fn open(&mut self, ino: Ino) -> Result<()> {
        self.state.inode(ino)?;
        self.state.add_handle(ino);
        self.open_handles += 1;
        Ok(())
    }

    fn create(&mut self, parent: Ino, name: &OsStr, node: NewNode, owner: Ownership) -> Result<Ino> {
        self.judge_name(parent, name)?;
        match node {
            NewNode::File => self.state.create_file(parent, name, owner),
            NewNode::Directory => self.state.create_directory(parent, name, owner),
            NewNode::Symlink(target) => self.state.create_symlink(parent, name, target, owner),
            NewNode::Special(special) => self.state.create_special(parent, name, special, owner),
        }
    }

    fn judge_name(&mut self, parent: Ino, name: &OsStr) -> Result<()> {
        self.judge(OpClass::Name, |state| vec![state.path_in(parent, name)])?;
        self.ops.names += 1;
        Ok(())
    }

    fn judge_inode(&mut self, class: OpClass, ino: Ino) -> Result<()> {
        self.judge(class, |state| state.paths(ino))
    }

    /// Asks the faults; paths are only made where there are some.
    fn judge(&mut self, class: OpClass, paths: impl FnOnce(&State) -> Vec<String>) -> Result<()> {
        if self.faults.is_empty() {
            return Ok(());
        }
        let paths = paths(&self.state);
        match self.faults.judge(class, &paths).spoiled {
            Some(Spoiled::Fails(error)) => Err(errno(error)),
            // Only syncs can be ignored.
            Some(Spoiled::Ignored) | None => Ok(()),
        }
    }
}

pub(crate) fn errno(error: FaultError) -> Errno {
    match error {
        FaultError::Io => Errno::IO,
        FaultError::NoSpace => Errno::NOSPC,
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests {
    use super::*;
    use crate::state::ROOT;
    use crate::sync::SyncRequest;

    const OWNER: Ownership = Ownership {
        mode: 0o644,
        uid: 0,
        gid: 0,
    };

    /// A volume on which `tell` makes a file, which then loses its name for good.
    fn nameless(tell: impl FnOnce(&Volume) -> Ino) -> (Volume, Ino) {
        let volume = Volume::new(State::new(0, 0));
        let ino = tell(&volume);
        volume.unlink(ROOT, OsStr::new("f")).unwrap();
        assert!(matches!(
            volume.begin_sync(ROOT, SyncRequest::directory()),
            Ok(Progress::Done)
        ));
        (volume, ino)
    }

    #[test]
    fn what_the_kernel_was_told_of_stays_until_it_forgets() {
        let name = OsStr::new("f");
        let (volume, ino) = nameless(|volume| volume.create(ROOT, name, NewNode::File, OWNER).unwrap().ino);
        assert_eq!(volume.attr(ino).unwrap().nlink, 0);
        volume.forget(ino, 1);
        assert_eq!(volume.attr(ino).unwrap_err(), Errno::NOENT);

        let (volume, ino) = nameless(|volume| volume.create_open(ROOT, name, OWNER).unwrap().ino);
        volume.release(ino);
        assert!(volume.attr(ino).is_ok());
        volume.forget(ino, 1);
        assert_eq!(volume.attr(ino).unwrap_err(), Errno::NOENT);
    }

    #[test]
    fn a_directory_begins_with_itself_and_its_parent() {
        let volume = Volume::new(State::new(0, 0));
        let dir = volume
            .create(ROOT, OsStr::new("d"), NewNode::Directory, OWNER)
            .unwrap()
            .ino;
        volume.create(dir, OsStr::new("f"), NewNode::File, OWNER).unwrap();
        let lines = volume.read_dir(dir, 0).unwrap();
        let shown: Vec<_> = lines
            .iter()
            .map(|line| (line.name.to_str().unwrap(), line.ino, line.kind))
            .collect();
        let (file, folder) = (AttrKind::File, AttrKind::Directory);
        assert_eq!(
            shown,
            [(".", dir, folder), ("..", ROOT, folder), ("f", dir + 1, file)]
        );
        // From every cookie on the rest follows.
        for (at, line) in lines.iter().enumerate() {
            assert_eq!(
                volume.read_dir(dir, line.cookie).unwrap().len(),
                lines.len() - at - 1
            );
        }
    }

    #[test]
    fn a_long_directory_comes_in_pieces() {
        let volume = Volume::new(State::new(0, 0));
        for at in 0..3 * LINES_AT_ONCE {
            volume
                .create(ROOT, OsStr::new(&at.to_string()), NewNode::File, OWNER)
                .unwrap();
        }
        let (mut found, mut cookie) = (0, 0);
        loop {
            let lines = volume.read_dir(ROOT, cookie).unwrap();
            assert!(lines.len() <= LINES_AT_ONCE);
            let Some(last) = lines.last() else { break };
            cookie = last.cookie;
            found += lines.len();
        }
        assert_eq!(found, 3 * LINES_AT_ONCE + 2);
    }
}
