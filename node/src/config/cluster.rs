//! What every node of a cluster must agree on.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use raft_types::{BackendName, BucketName, PrincipalName};
use zeroize::Zeroizing;

use super::secret::Secret;

/// Owner of the buckets that the configuration names. No user may bear this name, since it would own
/// all of them.
pub const OPERATOR: &str = "operator";

/// The cluster-wide part of a configuration.
#[derive(Clone, Debug)]
pub struct ClusterSettings {
    /// The region that signatures must name; any when `None`.
    pub region: Option<String>,
    /// Domain of virtual-hosted requests, in lower case.
    pub domain: Option<String>,
    /// Most bytes of one PUT or part.
    pub max_object_size: u64,
    /// Longest time that a request to a backend may go without progress.
    pub backend_timeout: Duration,
    /// Buckets that exist from the first start on.
    pub buckets: Vec<BucketSettings>,
    /// Users.
    pub users: Vec<UserSettings>,
    /// Backends, at least one, in the order of the file.
    pub backends: Vec<BackendSettings>,
    /// Which backend a new object goes to.
    pub routing: RoutingStrategy,
    /// Encryption of what goes to a backend.
    pub encryption: EncryptionSettings,
    /// Copies.
    pub replication: ReplicationSettings,
    /// When dead bytes are deleted.
    pub garbage: GarbageSettings,
    /// When what a silent node left is given up.
    pub sessions: SessionSettings,
    /// Multipart uploads.
    pub uploads: UploadSettings,
    pub(super) statement: Statement,
    pub(super) document: Statement,
}

/// A bucket of the configuration.
#[derive(Clone, Debug)]
pub struct BucketSettings {
    /// Its name.
    pub name: BucketName,
    /// Keys that may use this bucket and nothing else.
    pub credentials: Vec<CredentialSettings>,
}

/// An access key with its secret.
#[derive(Clone, Debug)]
pub struct CredentialSettings {
    /// The access key, public.
    pub access_key_id: String,
    /// The secret that signs.
    pub secret_access_key: Secret,
}

/// A user of the configuration.
#[derive(Clone, Debug)]
pub struct UserSettings {
    /// Its name; the access key where none is given.
    pub name: PrincipalName,
    /// Its key.
    pub credential: CredentialSettings,
    /// The buckets that it may use beside its own.
    pub allowed: AllowedBuckets,
    /// Whether it may create buckets.
    pub creation: BucketCreation,
}

/// The buckets that a user may use, whoever owns them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedBuckets {
    /// Every bucket.
    All,
    /// These.
    Named(Vec<BucketName>),
}

/// Whether a user may create buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BucketCreation {
    /// It may, and owns what it creates.
    Allowed,
    /// It may not.
    Denied,
}

/// A place for bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendSettings {
    /// Its name.
    pub name: BackendName,
    /// Its kind.
    pub kind: BackendKind,
}

/// The kinds of backends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackendKind {
    /// A directory.
    Fs {
        /// The directory; absolute.
        path: PathBuf,
        /// Who sees it.
        sharing: Sharing,
    },
    /// Memory of the process; for tests.
    Memory,
}

/// Who sees the directory of an `fs` backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// Every node.
    Shared,
    /// This node alone.
    NodeLocal,
}

/// Which backend a new object goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoutingStrategy {
    /// The first one of the file that can take it.
    Pack,
    /// The one with the least in it.
    Spread,
}

/// Encryption of what goes to a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncryptionSettings {
    /// Whether it is on.
    pub mode: EncryptionMode,
    /// Bytes that are sealed together; a power of two from 2^12 to 2^20.
    pub chunk_size: u32,
}

/// Whether encryption is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncryptionMode {
    /// Everything is encrypted; there is a master key.
    On,
    /// Nothing is.
    Off,
}

/// Copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicationSettings {
    /// Copies of every object.
    pub factor: u32,
    /// Copies that are verified before a write is acknowledged.
    pub write_copies: u32,
}

/// When dead bytes are deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GarbageSettings {
    /// Shortest time between death and deletion.
    pub min_age: Duration,
    /// Time after which no running read holds a deletion back.
    pub max_age: Duration,
    /// How often the jobs look for work.
    pub interval: Duration,
}

/// When what a silent node left is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionSettings {
    /// Silence after which a session is sealed.
    pub silent_after: Duration,
    /// Age at which a session goes on to a new epoch.
    pub epoch_max_age: Duration,
    /// Attempts after which it does.
    pub epoch_max_attempts: u64,
    /// Time after which a closing epoch is sealed by force.
    pub epoch_close_timeout: Duration,
    /// Time between the two sweeps of a sealed epoch.
    pub second_sweep_after: Duration,
}

/// Multipart uploads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploadSettings {
    /// How long a completed upload is remembered.
    pub completed_retention: Duration,
}

impl ClusterSettings {
    /// Tells two settings apart without telling what they are: `mac` over everything in them that is
    /// not a default, secrets included, so it must be keyed with a secret of the cluster. A key that
    /// a later version adds does not change it until somebody sets that key.
    pub fn fingerprint(&self, mac: impl FnOnce(&[u8]) -> [u8; 32]) -> Fingerprint {
        Fingerprint(mac(self.statement.0.as_slice()))
    }
}

/// See [`ClusterSettings::fingerprint`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

/// The canonical text that a fingerprint is made from; secret.
#[derive(Clone, Default)]
pub(super) struct Statement(pub(super) Arc<Zeroizing<Vec<u8>>>);

impl fmt::Debug for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Statement(..)")
    }
}
