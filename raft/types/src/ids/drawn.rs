use std::fmt;
use std::str::FromStr;

use super::{InvalidId, parse_hex};
use crate::codec::{Problem, Raw, Value};
use crate::keys::{KeyError, KeyPart, KeyReader};

macro_rules! drawn_id {
    ($(#[$meta:meta])* $name:ident, $expected:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 16]);

        impl $name {
            /// The bytes in the order in which they sort.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            /// 32 lower-case hexadecimal digits.
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut text = [0; 32];
                hex::encode_to_slice(self.0, &mut text).map_err(|_| fmt::Error)?;
                formatter.pad(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                parse_hex(text).map($name).ok_or_else(|| InvalidId::new(text, $expected))
            }
        }

        impl Value for $name {
            fn put(&self, tag: u32, out: &mut Vec<u8>) {
                self.0.put(tag, out);
            }

            fn size(&self, tag: u32) -> usize {
                self.0.size(tag)
            }

            fn take(raw: Raw) -> Result<Self, Problem> {
                raw.array().map($name)
            }
        }

        impl KeyPart for $name {
            fn write(&self, out: &mut Vec<u8>) {
                self.0.write(out);
            }

            fn read(reader: &mut KeyReader<'_>) -> Result<Self, KeyError> {
                <[u8; 16]>::read(reader).map($name)
            }
        }
    };
}

drawn_id! {
    /// A cluster, drawn at bootstrap and kept through recovery and restore.
    ClusterId, "a cluster id: 32 lower-case hexadecimal digits"
}
drawn_id! {
    /// The data directory of a node, drawn when it is first used.
    DiskId, "a disk id: 32 lower-case hexadecimal digits"
}
drawn_id! {
    /// An immutable stored byte sequence: the number of its bucket's group, then 14 random bytes.
    BlobId, "a blob id: 32 lower-case hexadecimal digits"
}
drawn_id! {
    /// A multipart upload, and the manifest that it becomes.
    UploadId, "an upload id: 32 lower-case hexadecimal digits"
}
drawn_id! {
    /// Stands in a backend's row and in its identity object; equal on both sides or the backend is not ours.
    BackendNonce, "a backend nonce: 32 lower-case hexadecimal digits"
}
drawn_id! {
    /// Tells two boots apart that claim the same boot number: a copied data directory.
    BootNonce, "a boot nonce: 32 lower-case hexadecimal digits"
}
drawn_id! {
    /// Salt of the key derivation, drawn once and kept through recovery and restore.
    EncryptionDomain, "an encryption domain id: 32 lower-case hexadecimal digits"
}

impl BlobId {
    /// Number of random bytes after the group.
    pub const RANDOM_BYTES: usize = 14;

    /// Builds the id of a blob of a group from freshly drawn bytes.
    pub const fn from_parts(group: u16, random: [u8; Self::RANDOM_BYTES]) -> Self {
        let [g0, g1] = group.to_be_bytes();
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n] = random;
        BlobId([g0, g1, a, b, c, d, e, f, g, h, i, j, k, l, m, n])
    }

    /// The consensus group whose state holds the blob's row.
    pub const fn group(&self) -> u16 {
        u16::from_be_bytes([self.0[0], self.0[1]])
    }
}
