//! Opening a data directory.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use raft_types::{BootNonce, ClusterId, DiskId, NodeId, NodeName};

use super::{DirectoryLock, Identity, Phase, files};
use crate::error::{Damage, Error};
use crate::fatal::Fatal;
use crate::log::{self, LogIdentity, LogStore};
use crate::random;
use crate::snapshot::{self, SnapshotStore};
use crate::state::{self, StateStore};

/// Snapshots that are being received.
const INCOMING: &str = "incoming";

/// Which directory to open, and for whom.
#[derive(Debug, Clone)]
pub struct OpenOptions {
    /// The data directory. Created, with what is missing above it, if there is none.
    pub path: PathBuf,
    /// The node's configured name.
    pub node_name: NodeName,
    /// What ends the process when it cannot go on.
    pub fatal: Fatal,
}

/// How far a data directory has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Empty: may bootstrap a cluster, or join one.
    Pristine,
    /// A bootstrap was cut off. Bootstrapping again completes it, under this cluster id.
    HalfBootstrapped(ClusterId),
    /// Belongs to a cluster.
    Member(ClusterId),
}

/// An open data directory: verified, locked against other processes, not running.
pub struct Store {
    pub(crate) path: PathBuf,
    pub(crate) name: NodeName,
    pub(crate) nonce: BootNonce,
    pub(crate) identity: Identity,
    pub(crate) fatal: Fatal,
    pub(crate) log: LogStore,
    pub(crate) state: Arc<StateStore>,
    pub(crate) snapshots: Arc<SnapshotStore>,
}

/// The steps after which a test may let the process die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    IdentityCreating,
    LogCreated,
    StateCreated,
    SnapshotsCreated,
    IdentityPristine,
    BootCounted,
}

impl Store {
    /// Opens a data directory, or creates it where there is nothing at all. Counts a boot.
    ///
    /// Blocks on the disk. Reads the end of the log.
    ///
    /// # Errors
    /// Every reason for which a directory is refused; see [`Error`].
    pub fn open(options: OpenOptions) -> Result<Self, Error> {
        Self::open_with(options, &mut |_| Ok(()))
    }

    /// As [`Store::open`]; `after` is called after each durable step.
    pub(crate) fn open_with(
        options: OpenOptions,
        after: &mut dyn FnMut(Step) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        let OpenOptions {
            path,
            node_name: name,
            fatal,
        } = options;
        files::create_directory_all(&path).map_err(Error::io("create", &path))?;
        files::make_private(&path).map_err(Error::io("change the mode of", &path))?;
        // Both databases keep it until they are closed.
        let lock = Arc::new(DirectoryLock::take(&path)?);
        let mut identity = match Identity::read(&path)? {
            Some(identity) => identity,
            None => new_identity(&path, &name, after)?,
        };
        if identity.node_name != name.as_str() {
            return Err(Error::OtherNode {
                path,
                stored: identity.node_name,
                configured: name.to_string(),
            });
        }
        if identity.life_phase() == Phase::Creating {
            create(&path, &mut identity, after)?;
        }
        require_folders(&path)?;
        // Counted before anything is written under this boot.
        identity.boot += 1;
        identity.write(&path)?;
        after(Step::BootCounted)?;

        let incoming = path.join(INCOMING);
        files::remove_directory(&incoming).map_err(Error::io("remove", &incoming))?;
        let state = StateStore::open(&path, Arc::clone(&lock))?;
        let snapshots = SnapshotStore::open(&path)?;
        let log = LogStore::open(&path, fatal.clone(), lock)?;
        compare_identities(&path, &identity, &log, &state)?;
        compare_progress(&path, &log, &state, &snapshots)?;
        log.verify(&path, state.applied_index().saturating_add(1))?;
        Ok(Self {
            nonce: BootNonce(random::draw()?),
            path,
            name,
            identity,
            fatal,
            log,
            state: Arc::new(state),
            snapshots: Arc::new(snapshots),
        })
    }

    /// How far the directory has come.
    #[must_use]
    pub fn condition(&self) -> Condition {
        let cluster = || ClusterId(sixteen(&self.identity.cluster_id));
        match self.identity.life_phase() {
            Phase::Creating | Phase::Pristine => Condition::Pristine,
            Phase::Bootstrapping => Condition::HalfBootstrapped(cluster()),
            Phase::Member => Condition::Member(cluster()),
        }
    }

    /// The directory's random id.
    #[must_use]
    pub fn disk_id(&self) -> DiskId {
        DiskId(sixteen(&self.identity.disk_id))
    }

    /// How often the directory has been opened, this time included.
    #[must_use]
    pub fn boot(&self) -> u64 {
        self.identity.boot
    }

    /// The node's number; `None` before it has one.
    #[must_use]
    pub fn node_id(&self) -> Option<NodeId> {
        (self.identity.raft_id != 0).then_some(NodeId(self.identity.raft_id))
    }

    /// Writes a changed identity; the log's copy follows.
    pub(crate) fn write_identity(&self) -> Result<(), Error> {
        self.identity.write(&self.path)
    }

    /// Writes what the log should know of the identity.
    pub(crate) fn write_log_identity(&self) -> Result<(), Error> {
        self.log.set_identity(&log_identity(&self.identity))
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store")
            .field("path", &self.path)
            .field("condition", &self.condition())
            .finish_non_exhaustive()
    }
}

fn new_identity(
    path: &Path,
    name: &NodeName,
    after: &mut dyn FnMut(Step) -> Result<(), Error>,
) -> Result<Identity, Error> {
    for part in [log::FOLDER, state::FOLDER, snapshot::FOLDER] {
        if path.join(part).exists() {
            return Err(Error::damaged(path, Damage::IdentityMissing(part)));
        }
    }
    let identity = Identity::new(name.as_str(), random::draw()?);
    identity.write(path)?;
    after(Step::IdentityCreating)?;
    Ok(identity)
}

/// Creates the databases. Nothing has ever been stored in what may stand there.
fn create(
    path: &Path,
    identity: &mut Identity,
    after: &mut dyn FnMut(Step) -> Result<(), Error>,
) -> Result<(), Error> {
    for part in [log::FOLDER, state::FOLDER, snapshot::FOLDER] {
        let part = path.join(part);
        files::remove_directory(&part).map_err(Error::io("remove", &part))?;
    }
    let log_path = path.join(log::FOLDER);
    files::create_directory(&log_path).map_err(Error::io("create", &log_path))?;
    LogStore::create(&log_path, &log_identity(identity))?;
    after(Step::LogCreated)?;
    StateStore::create(path)?;
    after(Step::StateCreated)?;
    SnapshotStore::create(path)?;
    after(Step::SnapshotsCreated)?;
    identity.set_life_phase(Phase::Pristine);
    identity.write(path)?;
    after(Step::IdentityPristine)
}

fn require_folders(path: &Path) -> Result<(), Error> {
    for (part, name) in [
        (log::FOLDER, "raftlog/"),
        (state::FOLDER, "state/"),
        (snapshot::FOLDER, "snapshots/"),
    ] {
        if !path.join(part).is_dir() {
            return Err(Error::damaged(path, Damage::Missing(name)));
        }
    }
    Ok(())
}

fn log_identity(identity: &Identity) -> LogIdentity {
    LogIdentity {
        disk_id: sixteen(&identity.disk_id),
        cluster_id: (!identity.cluster_id.is_empty()).then(|| sixteen(&identity.cluster_id)),
        raft_id: identity.raft_id,
    }
}

/// The folders may have been put together from several directories.
fn compare_identities(
    path: &Path,
    identity: &Identity,
    log: &LogStore,
    state: &StateStore,
) -> Result<(), Error> {
    let expected = log_identity(identity);
    let mut found = log.identity(path)?;
    if identity.life_phase() == Phase::Bootstrapping && found.cluster_id.is_none() {
        // Cut off between the two writes.
        found.cluster_id = expected.cluster_id;
        found.raft_id = expected.raft_id;
    }
    let foreign = |part: &str, what, found: String, expected: String| Error::Foreign {
        path: path.join(part),
        what,
        found,
        expected,
    };
    let text = |id: Option<[u8; 16]>| id.map_or_else(|| "none".to_owned(), hex::encode);
    if found.disk_id != expected.disk_id {
        let (found, expected) = (hex::encode(found.disk_id), hex::encode(expected.disk_id));
        return Err(foreign(log::FOLDER, "the disk id", found, expected));
    }
    if found.cluster_id != expected.cluster_id {
        let (found, expected) = (text(found.cluster_id), text(expected.cluster_id));
        return Err(foreign(log::FOLDER, "the cluster id", found, expected));
    }
    if found.raft_id != expected.raft_id {
        let (found, expected) = (found.raft_id.to_string(), expected.raft_id.to_string());
        return Err(foreign(log::FOLDER, "the node's number", found, expected));
    }
    let bound = state
        .generation()
        .cluster_id()
        .map_err(|damage| Error::damaged(path, damage))?;
    if bound.is_some() && bound != expected.cluster_id {
        return Err(foreign(
            state::FOLDER,
            "the cluster id",
            text(bound),
            text(expected.cluster_id),
        ));
    }
    Ok(())
}

/// Every entry after what the state, or at least the snapshot, holds must still be in the log.
fn compare_progress(
    path: &Path,
    log: &LogStore,
    state: &StateStore,
    snapshots: &SnapshotStore,
) -> Result<(), Error> {
    let covered = snapshots.last().map(|last| last.index());
    let applied = Some(state.applied_index());
    let have = applied.max(covered);
    match log.extent().purged {
        Some(purged) if Some(purged) > have => {
            let damage = Damage::Gap {
                before: format!("{} (the last one in the state)", state.applied_index()),
                after: purged.saturating_add(1),
            };
            Err(Error::damaged(path, damage))
        }
        _ => Ok(()),
    }
}

/// The length is checked when the identity is read.
fn sixteen(bytes: &[u8]) -> [u8; 16] {
    <[u8; 16]>::try_from(bytes).unwrap_or_default()
}
