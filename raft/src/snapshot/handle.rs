//! A published snapshot, held by whoever uses it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::files;
use super::manifest::{FILE, MAXIMUM_LENGTH, Manifest};
use crate::consensus::{LogId, Snapshot, SnapshotMeta};

/// A snapshot's folder. A superseded one is removed when its last holder is done with it.
#[derive(Clone)]
pub(crate) struct SnapshotHandle {
    folder: Arc<Folder>,
}

struct Folder {
    path: PathBuf,
    manifest: Manifest,
    superseded: AtomicBool,
}

/// How closely a snapshot is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verify {
    /// Every file is there and as long as it should be. For what this node has synced itself.
    Lengths,
    /// Every byte. For what came from elsewhere.
    Contents,
}

/// A folder that is not a whole snapshot.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvalidSnapshot {
    #[error(transparent)]
    Manifest(#[from] super::manifest::InvalidManifest),
    #[error("its manifest is missing")]
    NoManifest,
    #[error("the file {0} is missing or has another length")]
    Length(String),
    #[error("the contents of the file {0} are not those of its manifest")]
    Contents(String),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl SnapshotHandle {
    pub(super) fn new(path: PathBuf, manifest: Manifest) -> Self {
        let superseded = AtomicBool::new(false);
        Self {
            folder: Arc::new(Folder {
                path,
                manifest,
                superseded,
            }),
        }
    }

    /// Reads and checks the snapshot in `path`.
    pub(super) fn open(path: PathBuf, verify: Verify) -> Result<Self, InvalidSnapshot> {
        let bytes = crate::directory::files::read_file(&path.join(FILE), MAXIMUM_LENGTH)?
            .ok_or(InvalidSnapshot::NoManifest)?;
        let handle = Self::new(path, Manifest::decode_file(&bytes)?);
        handle.verify(verify)?;
        Ok(handle)
    }

    /// Compares the files with the manifest.
    pub(super) fn verify(&self, verify: Verify) -> Result<(), InvalidSnapshot> {
        for file in &self.folder.manifest.files {
            let path = self.folder.path.join(&file.name);
            if !fs::metadata(&path).is_ok_and(|metadata| metadata.len() == file.size) {
                return Err(InvalidSnapshot::Length(file.name.clone()));
            }
            if verify == Verify::Contents && files::checksum(&path)? != file.crc32c {
                return Err(InvalidSnapshot::Contents(file.name.clone()));
            }
        }
        Ok(())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.folder.path
    }

    pub(crate) fn manifest(&self) -> &Manifest {
        &self.folder.manifest
    }

    /// The last entry that it covers.
    pub(crate) fn last(&self) -> Option<LogId> {
        self.folder.manifest.last()
    }

    /// Lets the folder be removed once nobody holds it.
    pub(super) fn supersede(&self) {
        self.folder.superseded.store(true, Ordering::Release);
    }

    /// As openraft knows it.
    pub(crate) fn into_snapshot(self) -> io::Result<Snapshot<Self>> {
        let last_membership = self.manifest().membership().map_err(io::Error::other)?;
        Ok(Snapshot {
            meta: SnapshotMeta {
                last_log_id: self.last(),
                last_membership,
            },
            snapshot: self,
        })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.superseded.load(Ordering::Acquire) {
            return;
        }
        // What is left is removed at the next start.
        if let Err(error) = crate::directory::files::remove_directory(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove a superseded snapshot");
        }
    }
}

impl std::fmt::Debug for SnapshotHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SnapshotHandle")
            .field("path", &self.folder.path)
            .finish_non_exhaustive()
    }
}
