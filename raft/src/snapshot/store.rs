//! The folder of snapshots: which one is published.

use std::fs;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use super::files;
use super::handle::{SnapshotHandle, Verify};
use super::manifest::{FILE, Manifest};
use crate::consensus::{LogId, term_of};
use crate::directory::files as durable;
use crate::error::{Damage, Error};

/// Folder of the snapshots in the data directory.
pub(crate) const FOLDER: &str = "snapshots";
/// Folders that are being made. Left over ones are removed at the start.
const TEMPORARY_PREFIX: &str = "tmp-";

/// Publishes snapshots, one at a time, never an older one over a newer.
pub(crate) struct SnapshotStore {
    folder: PathBuf,
    current: Mutex<Option<SnapshotHandle>>,
}

impl SnapshotStore {
    /// Creates the folder. Durable when this returns.
    pub(crate) fn create(data: &Path) -> Result<(), Error> {
        let folder = data.join(FOLDER);
        durable::create_directory(&folder).map_err(Error::io("create", &folder))
    }

    /// Finds the published snapshot and removes what a crash left beside it.
    pub(crate) fn open(data: &Path) -> Result<Self, Error> {
        let folder = data.join(FOLDER);
        if !folder.is_dir() {
            return Err(Error::damaged(data, Damage::Missing("snapshots/")));
        }
        let mut newest: Option<(u64, String)> = None;
        let mut others = Vec::new();
        for name in durable::names(&folder).map_err(Error::io("read", &folder))? {
            let Some(index) = index_of(&name) else {
                others.push(name);
                continue;
            };
            if newest.as_ref().is_none_or(|(newest, _)| index > *newest) {
                others.extend(newest.replace((index, name)).map(|(_, older)| older));
            } else {
                others.push(name);
            }
        }
        let current = match newest {
            Some((_, name)) => {
                let opened =
                    SnapshotHandle::open(folder.join(&name), Verify::Lengths).map_err(|problem| {
                        let problem = problem.to_string();
                        Error::damaged(data, Damage::Snapshot { name, problem })
                    })?;
                Some(opened)
            }
            None => None,
        };
        // Only now that the newest one is known to be whole.
        for name in others {
            let path = folder.join(name);
            tracing::info!(path = %path.display(), "removing what a crash left behind");
            let removed = if path.is_dir() {
                durable::remove_directory(&path)
            } else {
                fs::remove_file(&path)
            };
            removed.map_err(Error::io("remove", &path))?;
        }
        Ok(Self {
            folder,
            current: Mutex::new(current),
        })
    }

    /// The published snapshot.
    pub(crate) fn current(&self) -> Option<SnapshotHandle> {
        self.current.lock().clone()
    }

    /// The last entry that the published snapshot covers.
    pub(crate) fn last(&self) -> Option<LogId> {
        self.current.lock().as_ref().and_then(SnapshotHandle::last)
    }

    /// A new name for a folder that is being made.
    pub(super) fn temporary(&self) -> Result<PathBuf, Error> {
        let drawn: [u8; 8] = crate::random::draw()?;
        Ok(self
            .folder
            .join(format!("{TEMPORARY_PREFIX}{}", hex::encode(drawn))))
    }

    /// Whether the snapshot lies here, rather than having come from elsewhere.
    pub(super) fn owns(&self, snapshot: &SnapshotHandle) -> bool {
        snapshot.path().parent() == Some(self.folder.as_path())
    }

    /// Publishes the database in `temporary`, unless what is published covers as much: then that is
    /// returned and `temporary` removed.
    pub(super) fn publish(&self, temporary: &Path, manifest: Manifest) -> Result<SnapshotHandle, Error> {
        let names = manifest.files.iter().map(|file| file.name.as_str());
        files::sync_all(temporary, names).map_err(Error::io("sync", temporary))?;
        durable::replace_file(temporary, FILE, &manifest.encode_file())
            .map_err(Error::io("write", temporary))?;

        let mut current = self.current.lock();
        if let Some(current) = &*current
            && current.manifest().index() >= manifest.index()
        {
            durable::remove_directory(temporary).map_err(Error::io("remove", temporary))?;
            return Ok(current.clone());
        }
        let path = self.folder.join(name_of(manifest.last()));
        durable::rename_directory(temporary, &path).map_err(Error::io("publish", &path))?;
        let published = SnapshotHandle::new(path, manifest);
        let older = current.replace(published.clone());
        drop(current);
        if let Some(older) = older {
            older.supersede();
        }
        Ok(published)
    }
}

/// A snapshot of a state without entries gets a name that no other has, and is not found again after a
/// restart: it is worth nothing.
fn name_of(last: Option<LogId>) -> String {
    last.map_or_else(
        || "empty".to_owned(),
        |last| format!("{:020}-{}", last.index(), term_of(&last)),
    )
}

/// The index in the name of a published snapshot; `None` for any other name.
fn index_of(name: &str) -> Option<u64> {
    let (index, term) = name.split_once('-')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if index.len() != 20 || !digits(index) || !digits(term) {
        return None;
    }
    index.parse().ok()
}
