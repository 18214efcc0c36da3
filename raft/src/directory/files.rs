//! Files and folders that survive a power cut.
//!
//! A file is durable after `fsync` of the file *and* of the folder that names it. Each helper here
//! does both where it creates, renames or removes a name; nothing in this crate outside this module
//! creates a file by itself, except RocksDB.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use crc_fast::{CrcAlgorithm, Digest};

/// Folders: the owner only. Metadata names every object and holds wrapped keys.
pub(crate) const DIRECTORY_MODE: u32 = 0o700;
/// Files: the owner only.
pub(crate) const FILE_MODE: u32 = 0o600;

/// Creates the folder `path` (its parent must exist) unless it exists, and makes its name durable.
pub(crate) fn create_directory(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(DIRECTORY_MODE).create(path) {
        Ok(()) => sync_parent(path),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Creates `path` and what is missing above it, and makes every new name durable.
pub(crate) fn create_directory_all(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        create_directory_all(parent)?;
    }
    create_directory(path)
}

/// Takes the rights of everybody but the owner away.
///
/// The root of a mounted volume may belong to somebody else (Kubernetes' `fsGroup`); what we create
/// inside is private in any case, so that is only reported.
pub(crate) fn make_private(path: &Path) -> io::Result<()> {
    let mode = fs::metadata(path)?.permissions().mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    match fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o7700)) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            tracing::warn!(path = %path.display(), mode = format!("{:o}", mode & 0o7777), "data directory is open to other users and belongs to somebody else");
            Ok(())
        }
        result => result,
    }
}

/// Replaces the file `name` in `directory` by `contents`: after a crash at any point the old or the
/// new contents stand there, whole; after this returns, the new.
pub(crate) fn replace_file(directory: &Path, name: &str, contents: &[u8]) -> io::Result<()> {
    let temporary = directory.join(format!("{name}.tmp"));
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(FILE_MODE)
        .open(&temporary)?;
    file.write_all(contents)?;
    file.sync_all()?;
    drop(file);
    fs::rename(&temporary, directory.join(name))?;
    sync_directory(directory)
}

/// Reads a file of at most `limit` bytes; `None` where there is none.
pub(crate) fn read_file(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut contents = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut contents)?;
    if contents.len() as u64 > limit {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{} is larger than {limit} bytes", path.display()),
        ));
    }
    Ok(Some(contents))
}

/// Removes a folder with all it holds; fine where there is none. The removal is made durable.
pub(crate) fn remove_directory(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Ok(()) => sync_parent(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Renames a folder within one parent and makes the new name durable.
pub(crate) fn rename_directory(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    sync_parent(to)
}

/// Makes the names in `path` durable.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Makes the contents of the file `path` durable.
pub(crate) fn sync_file(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Makes the name of `path` durable.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_directory(parent),
        _ => sync_directory(Path::new(".")),
    }
}

/// CRC-32C of a file's format and body.
pub(crate) fn versioned_checksum(format: u32, body: &[u8]) -> u32 {
    let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
    digest.update(&format.to_le_bytes());
    digest.update(body);
    // A CRC-32 fills the low half of what the digest returns.
    digest.finalize() as u32
}

/// The names in a folder, sorted; none where the folder does not exist.
pub(crate) fn names(path: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry?.file_name().into_string().map_err(|name| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{}: name {name:?} is not UTF-8", path.display()),
            )
        })?;
        names.push(name);
    }
    names.sort_unstable();
    Ok(names)
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

    #[test]
    fn a_replaced_file_holds_the_new_contents_and_is_private() {
        let folder = tempfile::tempdir().unwrap();
        replace_file(folder.path(), "POINTER", b"1").unwrap();
        replace_file(folder.path(), "POINTER", b"22").unwrap();
        let path = folder.path().join("POINTER");
        assert_eq!(read_file(&path, 16).unwrap().unwrap(), b"22");
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            FILE_MODE
        );
        assert_eq!(names(folder.path()).unwrap(), ["POINTER"]);
    }

    #[test]
    fn a_left_over_temporary_file_does_not_stop_the_next_replacement() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(
            folder.path().join("POINTER.tmp"),
            b"torn and longer than the next one",
        )
        .unwrap();
        replace_file(folder.path(), "POINTER", b"ok").unwrap();
        assert_eq!(
            read_file(&folder.path().join("POINTER"), 16).unwrap().unwrap(),
            b"ok"
        );
    }

    #[test]
    fn a_file_over_the_limit_is_refused_and_a_missing_one_is_none() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("big"), [0; 17]).unwrap();
        let error = read_file(&folder.path().join("big"), 16).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(read_file(&folder.path().join("none"), 16).unwrap().is_none());
    }

    #[test]
    fn folders_are_created_private_and_made_private() {
        let folder = tempfile::tempdir().unwrap();
        let nested = folder.path().join("a/b");
        create_directory_all(&nested).unwrap();
        create_directory_all(&nested).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&nested), DIRECTORY_MODE);
        fs::set_permissions(&nested, fs::Permissions::from_mode(0o755)).unwrap();
        make_private(&nested).unwrap();
        assert_eq!(mode(&nested), DIRECTORY_MODE);
    }
}
