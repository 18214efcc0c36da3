//! Identifiers that keys and frames are bound to. None of them is secret.

use std::fmt;

use crate::secret::{self, NoEntropy};

macro_rules! random_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub [u8; 16]);

        impl $name {
            /// Draws a new identifier from the system's random source.
            pub fn generate() -> Result<Self, NoEntropy> {
                let mut bytes = [0; 16];
                secret::fill_random(&mut bytes)?;
                Ok(Self(bytes))
            }

            /// The raw bytes, as they stand in stored formats.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl From<[u8; 16]> for $name {
            fn from(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }
        }
    };
}

random_id! {
    /// Names one blob. Every chunk of the blob is bound to it, so bytes of one blob never pass for
    /// those of another.
    BlobId
}

random_id! {
    /// The cluster that wrote something.
    ClusterId
}

random_id! {
    /// Encryption domain: the HKDF salt of every key derivation below a master key. Drawn once,
    /// kept through recovery and restore, stored in clear.
    DomainId
}

random_id! {
    /// Names one bucket key through all its versions. Random rather than the bucket's number: a
    /// cluster restored from a backup may give a bucket number out a second time.
    KeyId
}

impl DomainId {
    /// Domain of the frames that are sealed under the cluster secret instead of a bucket key.
    pub const CLUSTER_SECRET: Self = Self(*b"cluster-secret\0\0");
}

impl KeyId {
    /// Stands where a bucket-key id is expected in frames sealed under the cluster secret.
    pub const CLUSTER_SECRET: Self = Self(*b"cluster-secret\0\0");
}

/// The replicated number of a bucket; never given out twice within one incarnation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BucketId(pub u64);

/// Version of a bucket key, counted from 1. Zero is never a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyVersion(pub u32);

/// Version of the master key as the cluster counts them, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MasterVersion(pub u32);

/// One version of one bucket key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyRef {
    /// The bucket key.
    pub id: KeyId,
    /// Its version.
    pub version: KeyVersion,
}

impl fmt::Display for KeyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} version {}", self.id, self.version.0)
    }
}
