//! Takes the contents of a plain folder over as the first, durable state.

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use super::inode::{Ino, Ownership, ROOT, Special, SpecialKind};
use super::{AttrChange, PAGE, State};

/// How much of a file is read at a time, in bytes.
const PIECE: usize = 256 * PAGE;

/// Files with several names, by device and number in the folder.
type Seen = HashMap<(u64, u64), Ino>;

impl State {
    /// A state with everything that lies in a folder: contents, names, hard links, owners, modes,
    /// times of modification. All of it is durable.
    ///
    /// # Errors
    /// Something in the folder cannot be read.
    pub(crate) fn load(folder: &Path) -> io::Result<Self> {
        let meta = fs::metadata(folder)?;
        let mut state = Self::new(meta.uid(), meta.gid());
        state.load_folder(folder, ROOT, &mut Seen::new())?;
        state.load_attrs(ROOT, &meta)?;
        state.commit_all();
        Ok(state)
    }

    fn load_folder(&mut self, folder: &Path, parent: Ino, seen: &mut Seen) -> io::Result<()> {
        // Sorted, so that the numbers of inodes, and with them the draws of a seed, do not depend
        // on how the folder happens to be stored.
        let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let (path, name) = (entry.path(), entry.file_name());
            let meta = fs::symlink_metadata(&path)?;
            let key = (meta.dev(), meta.ino());
            if let Some(ino) = seen.get(&key) {
                self.link(*ino, parent, &name)?;
                continue;
            }
            let owner = ownership(&meta);
            let kind = meta.file_type();
            let ino = if kind.is_dir() {
                self.create_directory(parent, &name, owner)?
            } else if kind.is_symlink() {
                self.create_symlink(parent, &name, fs::read_link(&path)?.into_os_string(), owner)?
            } else if kind.is_file() {
                self.create_file(parent, &name, owner)?
            } else {
                self.create_special(parent, &name, special(&meta), owner)?
            };
            if kind.is_dir() {
                self.load_folder(&path, ino, seen)?;
            } else if meta.nlink() > 1 {
                seen.insert(key, ino);
            }
            if kind.is_file() {
                self.load_content(ino, &path)?;
            }
            self.load_attrs(ino, &meta)?;
        }
        Ok(())
    }

    fn load_content(&mut self, ino: Ino, path: &Path) -> io::Result<()> {
        let mut file = fs::File::open(path)?;
        let mut piece = vec![0; PIECE];
        let mut offset = 0;
        loop {
            let read = read_full(&mut file, &mut piece)?;
            for page in piece[..read].chunks(PAGE) {
                if page.iter().any(|byte| *byte != 0) {
                    self.write(ino, offset, page)?;
                }
                offset += page.len() as u64;
            }
            if read < piece.len() {
                self.set_size(ino, offset)?;
                return Ok(());
            }
        }
    }

    fn load_attrs(&mut self, ino: Ino, meta: &Metadata) -> io::Result<()> {
        let owner = ownership(meta);
        let change = AttrChange {
            mode: Some(owner.mode),
            uid: Some(owner.uid),
            gid: Some(owner.gid),
            mtime: Some(meta.modified()?),
            ..AttrChange::default()
        };
        Ok(self.set_attr(ino, &change)?)
    }
}

fn ownership(meta: &Metadata) -> Ownership {
    Ownership {
        mode: (meta.mode() & 0o7777) as u16,
        uid: meta.uid(),
        gid: meta.gid(),
    }
}

fn special(meta: &Metadata) -> Special {
    let file_type = meta.file_type();
    let kind = if file_type.is_fifo() {
        SpecialKind::Pipe
    } else if file_type.is_socket() {
        SpecialKind::Socket
    } else if file_type.is_block_device() {
        SpecialKind::BlockDevice
    } else {
        SpecialKind::CharDevice
    };
    // FUSE has 32 bits for it, as the kernel itself.
    Special {
        kind,
        device: meta.rdev() as u32,
    }
}

/// Fills the buffer, or reads to the end of the file.
fn read_full(file: &mut fs::File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..])? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}
