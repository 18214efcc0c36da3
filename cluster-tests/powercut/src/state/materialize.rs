//! Writes a state into a plain folder, so that a program can be started on what a cut left.

use std::collections::HashMap;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::content::Content;
use super::inode::{Body, Ino, Inode, ROOT};
use super::{PAGE, State};

impl State {
    /// Writes the live state into a folder that is empty or missing: contents (holes stay holes),
    /// hard links, symbolic links, owners, modes, times of modification. Sockets, pipes and devices
    /// are left out.
    ///
    /// # Errors
    /// The folder holds something, or cannot be written.
    pub(crate) fn materialize(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        if fs::read_dir(folder)?.next().is_some() {
            return Err(io::Error::new(
                io::ErrorKind::DirectoryNotEmpty,
                "the folder is not empty",
            ));
        }
        self.write_folder(ROOT, folder, &mut HashMap::new())
    }

    fn write_folder(&self, ino: Ino, folder: &Path, written: &mut HashMap<Ino, PathBuf>) -> io::Result<()> {
        for (name, child) in self.directory(ino)?.entries() {
            let path = folder.join(&**name);
            let inode = self.inode(child)?;
            if let Some(first) = written.get(&child) {
                fs::hard_link(first, &path)?;
                continue;
            }
            match &inode.body {
                Body::File(file) => {
                    write_file(file.content(), &path)?;
                    written.insert(child, path.clone());
                }
                Body::Directory(_) => {
                    fs::create_dir(&path)?;
                    self.write_folder(child, &path, written)?;
                    continue;
                }
                Body::Symlink(target) => symlink(target, &path)?,
                Body::Special(_) => continue,
            }
            write_attrs(inode, &path)?;
        }
        // Last, since writing into a folder changes its time and needs its permission.
        write_attrs(self.inode(ino)?, folder)
    }
}

fn write_file(content: &Content, path: &Path) -> io::Result<()> {
    let file = fs::File::create_new(path)?;
    let size = content.size();
    for (offset, page) in content.written() {
        let inside = size.saturating_sub(offset).min(PAGE as u64) as usize;
        file.write_all_at(&page[..inside], offset)?;
    }
    file.set_len(size)
}

fn write_attrs(inode: &Inode, path: &Path) -> io::Result<()> {
    let meta = &inode.meta;
    let there = fs::symlink_metadata(path)?;
    if (there.uid(), there.gid()) != (meta.uid, meta.gid) {
        std::os::unix::fs::lchown(path, Some(meta.uid), Some(meta.gid))?;
    }
    if matches!(inode.body, Body::Symlink(_)) {
        return Ok(());
    }
    // After the owner: changing that clears the set-id bits.
    fs::set_permissions(path, Permissions::from_mode(u32::from(meta.mode)))?;
    fs::File::open(path)?.set_modified(meta.mtime)
}
