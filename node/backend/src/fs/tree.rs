//! The directory as a tree of folders below one open root that no path leaves.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::durable::DurableFolders;
use super::failure::Failure;
use crate::error::ErrorKind;

/// Folders are for the owner alone.
const FOLDER_MODE: Mode = Mode::RWXU;

/// Files are for the owner alone.
const FILE_MODE: Mode = Mode::RUSR.union(Mode::WUSR);

/// How often a put makes its folders again when somebody removes them under its feet. Only the end of
/// a swept epoch removes folders, once; more than that is not an accident.
const FOLDER_TRIES: usize = 4;

/// Whether the root may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RootPolicy {
    /// It must be there: a mount that is missing is an error, not an empty backend.
    MustExist,
    /// It and the folders above it are made, for the owner alone.
    Create,
}

/// The directory of a backend.
#[derive(Debug)]
pub(super) struct Tree {
    root: OwnedFd,
    lookup: Lookup,
    inline: InlineReads,
    durable: DurableFolders,
    tag: u64,
    tags: AtomicU64,
}

/// How paths are resolved without leaving the root or following a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lookup {
    /// By the kernel in one call (Linux 5.6).
    Openat2,
    /// Segment by segment, where the kernel or a sandbox does not let us.
    Walk,
}

/// Whether a small read may be tried on the calling thread because it cannot wait for a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InlineReads {
    /// Opening or reading may wait for anything: a network, another process.
    Never,
    /// The kernel refuses instead of waiting, when asked to.
    NoWait,
    /// The files are memory.
    Memory,
}

impl Tree {
    /// Opens the root.
    pub(super) fn open(path: &Path, policy: RootPolicy) -> Result<Self, Failure> {
        if policy == RootPolicy::Create {
            make_root(path)?;
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root =
            rustix::fs::open(path, flags, Mode::empty()).map_err(Failure::looking("open the directory"))?;
        let tag = getrandom::u64().map_err(|_| Failure::of(ErrorKind::Unavailable))?;
        let lookup = probe_lookup(&root);
        let inline = match lookup {
            Lookup::Openat2 => classify(&root)?,
            Lookup::Walk => InlineReads::Never,
        };
        let (durable, tags) = (DurableFolders::default(), AtomicU64::new(0));
        Ok(Self {
            root,
            lookup,
            inline,
            durable,
            tag,
            tags,
        })
    }

    /// Resolves paths segment by segment, as on an old kernel.
    #[cfg(test)]
    pub(super) fn without_openat2(mut self) -> Self {
        self.lookup = Lookup::Walk;
        self.inline = InlineReads::Never;
        self
    }

    /// Whether small reads may be tried on the calling thread.
    pub(super) fn inline_reads(&self) -> InlineReads {
        self.inline
    }

    /// A tag that no other temporary file has.
    pub(super) fn next_tag(&self) -> String {
        format!(
            "{:016x}{:016x}",
            self.tag,
            self.tags.fetch_add(1, Ordering::Relaxed)
        )
    }

    /// Opens a file for reading, whatever it turns out to be; a pipe does not block.
    pub(super) fn open_file(&self, path: &str) -> Result<OwnedFd, Errno> {
        self.open_at(path, read_flags(), ResolveFlags::empty())
    }

    /// The same, but only if every name on the way is in the kernel's memory: else
    /// [`Errno::AGAIN`]. Not to be called where [`InlineReads::Never`].
    pub(super) fn open_cached_file(&self, path: &str) -> Result<OwnedFd, Errno> {
        self.open_at(path, read_flags(), ResolveFlags::CACHED)
    }

    /// Opens a folder that is there.
    pub(super) fn open_folder(&self, path: &str) -> Result<OwnedFd, Errno> {
        self.open_at(path, folder_flags(), ResolveFlags::empty())
    }

    /// Opens a folder to put a file into; makes it, and what is above it, where it is missing. When
    /// this returns, its name and all above it are durable.
    pub(super) fn open_durable_folder(&self, path: &str) -> Result<OwnedFd, Failure> {
        for _ in 0..FOLDER_TRIES {
            match self.open_folder(path) {
                // The order matters: whoever makes a folder anew has forgotten it before, so a folder
                // that is open and remembered is the one whose name was synced.
                Ok(folder) if self.durable.contains(path) => return Ok(folder),
                Ok(folder) => match self.make_durable(path) {
                    Ok(()) => return Ok(folder),
                    Err(failure) if failure.errno() == Some(Errno::NOENT) => self.durable.forget(path),
                    Err(failure) => return Err(failure),
                },
                Err(Errno::NOENT) => {
                    self.durable.forget(path);
                    match self.make_folder(path) {
                        Ok(()) | Err(Errno::NOENT) => {}
                        Err(errno) => return Err(Failure::changing("make a folder")(errno)),
                    }
                }
                Err(errno) => return Err(Failure::changing("open the folder")(errno)),
            }
        }
        Err(Failure::changing("make a folder")(Errno::NOENT))
    }

    /// Creates a file that was not there, for writing.
    pub(super) fn create_file(&self, folder: &OwnedFd, name: &str) -> Result<OwnedFd, Errno> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(folder, name, flags, FILE_MODE)
    }

    /// Syncs the folder, or where it is gone the nearest one above it that is there, so that what is
    /// missing now stays missing.
    pub(super) fn sync_nearest(&self, path: &str) -> Result<(), Failure> {
        let mut path = path;
        loop {
            match self.open_folder(path) {
                Ok(folder) => return sync_folder(&folder),
                Err(Errno::NOENT | Errno::NOTDIR) if !path.is_empty() => path = parent_of(path),
                Err(errno) => return Err(Failure::changing("open the folder")(errno)),
            }
        }
    }

    /// Forgets that folders at and below a path are durable: they are about to be removed.
    pub(super) fn forget(&self, path: &str) {
        self.durable.forget(path);
    }

    fn make_folder(&self, path: &str) -> Result<(), Errno> {
        let parent = match self.open_folder(parent_of(path)) {
            Ok(parent) => parent,
            Err(Errno::NOENT) if !path.is_empty() => {
                self.make_folder(parent_of(path))?;
                self.open_folder(parent_of(path))?
            }
            Err(errno) => return Err(errno),
        };
        match rustix::fs::mkdirat(&parent, name_of(path), FOLDER_MODE) {
            Err(Errno::EXIST) => Ok(()),
            other => other,
        }
    }

    /// Syncs the entries of this folder and of those above it, each in the folder that holds it. A
    /// folder that somebody else made may not have been synced by them yet.
    fn make_durable(&self, path: &str) -> Result<(), Failure> {
        if self.durable.contains(path) {
            return Ok(());
        }
        let parent = parent_of(path);
        self.make_durable(parent)?;
        sync_folder(
            &self
                .open_folder(parent)
                .map_err(Failure::changing("open the folder"))?,
        )?;
        self.durable.insert(path);
        Ok(())
    }

    fn open_at(&self, path: &str, flags: OFlags, resolve: ResolveFlags) -> Result<OwnedFd, Errno> {
        let path = if path.is_empty() { "." } else { path };
        match self.lookup {
            Lookup::Openat2 => {
                let resolve = resolve | ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
                rustix::fs::openat2(&self.root, path, flags, Mode::empty(), resolve)
            }
            Lookup::Walk => self.walk_to(path, flags),
        }
    }

    fn walk_to(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        let step = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut folder: Option<OwnedFd> = None;
        for segment in parent_of(path).split('/').filter(|segment| !segment.is_empty()) {
            let from = folder.as_ref().map_or(self.root.as_fd(), AsFd::as_fd);
            folder = Some(rustix::fs::openat(from, segment, step, Mode::empty())?);
        }
        let from = folder.as_ref().map_or(self.root.as_fd(), AsFd::as_fd);
        rustix::fs::openat(from, name_of(path), flags, Mode::empty())
    }
}

/// Syncs what was made, renamed or removed in a folder.
pub(super) fn sync_folder(folder: &OwnedFd) -> Result<(), Failure> {
    rustix::fs::fsync(folder).map_err(Failure::changing("sync the folder"))
}

/// The path of the folder above; empty for the root's own.
fn parent_of(path: &str) -> &str {
    path.rfind('/').map_or("", |slash| &path[..slash])
}

fn name_of(path: &str) -> &str {
    path.rfind('/').map_or(path, |slash| &path[slash + 1..])
}

fn read_flags() -> OFlags {
    OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC
}

fn folder_flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}

fn probe_lookup(root: &OwnedFd) -> Lookup {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    match rustix::fs::openat2(root, ".", folder_flags(), Mode::empty(), resolve) {
        Ok(_) => Lookup::Openat2,
        Err(_) => Lookup::Walk,
    }
}

/// Which file systems are known to open a cached name and to read cached bytes without waiting. The
/// numbers are those of Linux's `magic.h`.
fn classify(root: &OwnedFd) -> Result<InlineReads, Failure> {
    const TMPFS: u64 = 0x0102_1994;
    const EXT4: u64 = 0xEF53;
    const XFS: u64 = 0x5846_5342;
    const BTRFS: u64 = 0x9123_683E;
    const F2FS: u64 = 0xF2F5_2010;

    let found = rustix::fs::fstatfs(root).map_err(Failure::looking("ask for the file system"))?;
    Ok(match u64::try_from(found.f_type).unwrap_or(0) {
        TMPFS => InlineReads::Memory,
        EXT4 | XFS | BTRFS | F2FS => InlineReads::NoWait,
        _ => InlineReads::Never,
    })
}

/// Makes the root and what is missing above it, and syncs each name it made.
fn make_root(path: &Path) -> Result<(), Failure> {
    let missing: Vec<PathBuf> = path
        .ancestors()
        .take_while(|ancestor| !ancestor.exists())
        .map(Path::to_path_buf)
        .collect();
    for folder in missing
        .iter()
        .rev()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        match DirBuilder::new().mode(FOLDER_MODE.bits()).create(folder) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
                return Err(Failure::changing("make the directory")(errno));
            }
            _ => {}
        }
        let parent = match folder.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let parent = rustix::fs::open(parent, folder_flags() - OFlags::NOFOLLOW, Mode::empty())
            .map_err(Failure::changing("open the folder above the directory"))?;
        sync_folder(&parent)?;
    }
    Ok(())
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A root with a folder, a file in it, links to both, and a file outside that links lead to.
    fn trees() -> (tempfile::TempDir, [Tree; 2]) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        std::fs::write(root.join("a/b/c"), "ours").unwrap();
        std::fs::write(folder.path().join("secret"), "not ours").unwrap();
        symlink("..", root.join("up")).unwrap();
        symlink("/", root.join("top")).unwrap();
        symlink("a", root.join("inside")).unwrap();
        symlink("../../secret", root.join("a/link")).unwrap();
        let open = || Tree::open(&root, RootPolicy::MustExist).unwrap();
        let trees = [open(), open().without_openat2()];
        (folder, trees)
    }

    #[test]
    fn both_ways_to_look_up_find_the_same_and_follow_no_link() {
        let (_folder, trees) = trees();
        for tree in trees {
            assert!(tree.open_file("a/b/c").is_ok());
            assert!(tree.open_folder("").is_ok());
            assert!(tree.open_folder("a/b").is_ok());
            for absent in ["x", "a/x", "a/x/y"] {
                assert_eq!(tree.open_file(absent).unwrap_err(), Errno::NOENT, "{absent}");
            }
            for link in [
                "up",
                "up/secret",
                "top/etc/passwd",
                "inside",
                "inside/b/c",
                "a/link",
                "a/b/c/d",
            ] {
                let errno = tree.open_file(link).unwrap_err();
                assert!(
                    matches!(errno, Errno::LOOP | Errno::NOTDIR),
                    "{:?}: {link}: {errno}",
                    tree.lookup
                );
                assert!(tree.open_folder(link).is_err(), "{:?}: {link}", tree.lookup);
                assert!(
                    tree.open_durable_folder(link).is_err(),
                    "{:?}: {link}",
                    tree.lookup
                );
            }
        }
    }

    #[test]
    fn no_two_temporary_files_have_one_tag() {
        let (_folder, [one, other]) = trees();
        let tags: std::collections::HashSet<String> = (0..100)
            .flat_map(|_| [one.next_tag(), other.next_tag()])
            .collect();
        assert_eq!(tags.len(), 200);
    }

    #[test]
    fn a_folder_made_by_somebody_else_or_removed_since_is_synced_before_it_is_relied_on() {
        let (folder, [tree, _]) = trees();
        assert!(!tree.durable.contains("a/b"));
        tree.open_durable_folder("a/b").unwrap();
        assert!(tree.durable.contains("a") && tree.durable.contains("a/b"));
        std::fs::remove_file(folder.path().join("root/a/b/c")).unwrap();
        super::super::remove::tidy(&tree, "a/b").unwrap();
        assert!(!folder.path().join("root/a/b").exists());
        assert!(!tree.durable.contains("a/b"));
        tree.open_durable_folder("a/b").unwrap();
        assert!(tree.durable.contains("a/b"));
    }
}
