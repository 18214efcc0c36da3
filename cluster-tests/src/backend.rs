//! What lies in the folder of an `fs` backend, seen as anybody would: by walking it.

use std::path::{Path, PathBuf};

/// A file under a backend's `.holdfast` folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// Its path.
    pub path: PathBuf,
    /// Its size in bytes.
    pub size: u64,
}

/// All files of attempts: everything under `.holdfast` but the identity and the keyring.
pub fn attempts(root: &Path) -> Vec<StoredFile> {
    let home = root.join(".holdfast");
    let mut found = Vec::new();
    for entry in read(&home) {
        let name = entry
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if entry.is_dir() && name != "keyring" {
            walk(&entry, &mut found);
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// Every file under a folder, for searches of their bytes.
pub fn all_files(root: &Path) -> Vec<StoredFile> {
    let mut found = Vec::new();
    walk(root, &mut found);
    found
}

/// The files in which `needle` stands.
pub fn files_with(root: &Path, needle: &[u8]) -> Vec<PathBuf> {
    all_files(root)
        .into_iter()
        .map(|file| file.path)
        .filter(|path| {
            let bytes = std::fs::read(path).unwrap_or_default();
            bytes.windows(needle.len()).any(|window| window == needle)
        })
        .collect()
}

fn walk(folder: &Path, found: &mut Vec<StoredFile>) {
    for path in read(folder) {
        // A file may be deleted while the folder is walked.
        let Ok(metadata) = std::fs::symlink_metadata(&path) else {
            continue;
        };
        if metadata.is_dir() {
            walk(&path, found);
        } else {
            found.push(StoredFile {
                path,
                size: metadata.len(),
            });
        }
    }
}

fn read(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .collect()
}
