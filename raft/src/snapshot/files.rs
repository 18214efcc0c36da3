//! Copying, checking and syncing the files of a snapshot.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crc_fast::{CrcAlgorithm, Digest};

use super::manifest::FileEntry;
use crate::directory::files;

/// Read at once while a checksum is computed.
const BUFFER_BYTES: usize = 1 << 20;

/// RocksDB's tables: immutable, synced when they were written, shared by hard links.
fn is_table(name: &str) -> bool {
    name.ends_with(".sst")
}

/// RocksDB's notes about itself, which opening a database leaves behind.
fn is_note(name: &str) -> bool {
    name == "LOCK" || name == "LOG" || name.starts_with("LOG.old")
}

/// Names of a database's files, ordered, without RocksDB's notes, which are removed.
pub(super) fn database_files(folder: &Path) -> io::Result<Vec<String>> {
    let mut kept = Vec::new();
    for name in files::names(folder)? {
        if is_note(&name) {
            fs::remove_file(folder.join(&name))?;
        } else {
            kept.push(name);
        }
    }
    Ok(kept)
}

/// Makes what RocksDB did not sync durable, then the folder.
pub(super) fn sync_all<'a>(folder: &Path, names: impl IntoIterator<Item = &'a str>) -> io::Result<()> {
    for name in names {
        if !is_table(name) {
            files::sync_file(&folder.join(name))?;
        }
    }
    files::sync_directory(folder)
}

/// Brings the files of one database folder into another, new one: tables by hard link where that is
/// possible, everything else as a copy, because a database that is opened writes to it. Not synced.
pub(super) fn clone_into<'a>(
    from: &Path,
    to: &Path,
    names: impl IntoIterator<Item = &'a str>,
) -> io::Result<()> {
    files::create_directory(to)?;
    for name in names {
        let (source, target) = (from.join(name), to.join(name));
        if is_table(name) && fs::hard_link(&source, &target).is_ok() {
            continue;
        }
        // Another file system, or one without links.
        fs::copy(&source, &target)?;
        if is_table(name) {
            files::sync_file(&target)?;
        }
    }
    Ok(())
}

/// Describes a file. What an earlier snapshot says of the very same file is not computed again.
pub(super) fn describe(
    folder: &Path,
    name: &str,
    earlier: Option<(&Path, &FileEntry)>,
) -> io::Result<FileEntry> {
    let path = folder.join(name);
    let metadata = fs::metadata(&path)?;
    if let Some((earlier_folder, entry)) = earlier
        && is_table(name)
        && entry.size == metadata.len()
        && let Ok(known) = fs::metadata(earlier_folder.join(name))
        && (known.dev(), known.ino()) == (metadata.dev(), metadata.ino())
    {
        return Ok(entry.clone());
    }
    Ok(FileEntry {
        name: name.to_owned(),
        size: metadata.len(),
        crc32c: checksum(&path)?,
    })
}

/// CRC-32C of a file.
pub(super) fn checksum(path: &Path) -> io::Result<u32> {
    let mut file = File::open(path)?;
    let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = file.read(&mut buffer)?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else {
            // A CRC-32 fills the low half of what the digest returns.
            return Ok(digest.finalize() as u32);
        };
        digest.update(bytes);
    }
}
