//! Where attempts lie: their addresses in the state, and the physical keys that follow from them.

use std::fmt;
use std::str::FromStr;

use crate::codec::record;
use crate::ids::{
    Attempt, BackendId, BlobId, ClusterId, EpochId, Incarnation, IncarnationCounter, InvalidId, parse_hex,
};

/// Folder under a backend's prefix that holds everything of ours.
pub const FOLDER: &str = ".holdfast";

/// Key of a backend's identity object below its prefix.
pub const IDENTITY_KEY: &str = ".holdfast/identity";

record! {
    /// Where one attempt of a blob lies. With the blob's id it names bytes, once and for ever.
    #[derive(Copy, Hash, PartialOrd, Ord)]
    pub struct AttemptAddress {
        /// The backend.
        1 => backend: BackendId,
        /// The life of the cluster in which its epoch was opened.
        2 => incarnation: IncarnationCounter,
        /// The epoch.
        3 => epoch: EpochId,
        /// The attempt within the epoch.
        4 => attempt: Attempt,
    }
}

impl fmt::Display for AttemptAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "backend {} incarnation {} epoch {} attempt {}",
            self.backend, self.incarnation, self.epoch, self.attempt
        )
    }
}

record! {
    /// One attempt of one blob, and the bytes that it may occupy.
    #[derive(Hash)]
    pub struct BlobAttempt {
        /// The blob.
        1 => blob: BlobId,
        /// Where the attempt lies.
        2 => address: AttemptAddress,
        /// Bytes that it may occupy: its length as stored, or the most that can have been written.
        3 => stored: u64,
        /// The version id that the provider gave it, where its bucket keeps versions.
        4 => provider_version: Option<String>,
    }
}

/// The key of one attempt below a backend's prefix:
/// `.holdfast/<cluster id>-<incarnation>/<epoch>/<blob id>-<attempt>`.
///
/// All numbers are lower-case hexadecimal digits of fixed width, so each key has one spelling and only keys
/// that this type could have written parse. A sweep deletes nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PhysicalKey {
    /// The cluster.
    pub cluster: ClusterId,
    /// The life of the cluster in which the epoch was opened.
    pub incarnation: Incarnation,
    /// The epoch.
    pub epoch: EpochId,
    /// The blob.
    pub blob: BlobId,
    /// The attempt.
    pub attempt: Attempt,
}

impl PhysicalKey {
    /// Prefix of all keys of an epoch, with the slash that ends it.
    pub fn epoch_prefix(cluster: ClusterId, incarnation: Incarnation, epoch: EpochId) -> String {
        format!("{FOLDER}/{cluster}-{incarnation}/{:016x}/", epoch.0)
    }

    /// The whole key on a backend with this prefix, which neither begins nor ends with a slash.
    pub fn under(&self, prefix: &str) -> String {
        if prefix.is_empty() {
            self.to_string()
        } else {
            format!("{prefix}/{self}")
        }
    }
}

impl fmt::Display for PhysicalKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PhysicalKey {
            cluster,
            incarnation,
            epoch,
            blob,
            attempt,
        } = self;
        write!(
            formatter,
            "{FOLDER}/{cluster}-{incarnation}/{:016x}/{blob}-{:08x}",
            epoch.0, attempt.0
        )
    }
}

impl FromStr for PhysicalKey {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        parse(text).ok_or_else(|| InvalidId::new(text, "the physical key of an attempt"))
    }
}

fn parse(text: &str) -> Option<PhysicalKey> {
    let rest = text.strip_prefix(FOLDER)?.strip_prefix('/')?;
    let (life, rest) = rest.split_once('/')?;
    let (epoch, name) = rest.split_once('/')?;
    let (cluster, incarnation) = life.split_once('-')?;
    let (blob, attempt) = name.split_once('-')?;
    Some(PhysicalKey {
        cluster: cluster.parse().ok()?,
        incarnation: incarnation.parse().ok()?,
        epoch: EpochId(u64::from_be_bytes(parse_hex(epoch)?)),
        blob: blob.parse().ok()?,
        attempt: Attempt(u32::from_be_bytes(parse_hex(attempt)?)),
    })
}

#[cfg(test)]
mod tests;
