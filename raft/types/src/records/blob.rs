use bytes::Bytes;

use crate::address::AttemptAddress;
use crate::checksum::Crc64;
use crate::codec::{numbered, record};
use crate::ids::{Attempt, BackendId, BucketId, EpochId, IncarnationCounter, KeyVersion};

record! {
    /// A blob, or what is left of one: the only truth about its replicas.
    ///
    /// A row without content gathers attempts of a blob that was never committed; like the row of a blob
    /// that died it goes with its last replica.
    pub struct BlobRecord {
        /// What was committed.
        1 => content: Option<BlobContent>,
        /// How many contents refer to it: an object, a place in a list of blobs, or a part.
        2 => references: u32,
        /// Its copies, in the order in which they came.
        3 => replicas: Vec<Replica>,
        /// Whether a `work` row says that copies are missing.
        4 => short: bool,
    }
}

impl BlobRecord {
    /// The replica at this address.
    pub fn replica(&self, address: &AttemptAddress) -> Option<&Replica> {
        self.replicas.iter().find(|replica| replica.address() == *address)
    }

    /// How many replicas are present.
    pub fn present(&self) -> usize {
        self.replicas
            .iter()
            .filter(|replica| replica.state == ReplicaState::Present)
            .count()
    }

    /// Whether a content refers to the blob.
    pub fn is_live(&self) -> bool {
        self.references > 0
    }
}

record! {
    /// What all replicas of a blob hold.
    pub struct BlobContent {
        /// The bucket that it belongs to, for ever.
        1 => bucket: BucketId,
        /// Length of the plaintext in bytes.
        2 => size: u64,
        /// Length as stored in bytes: header, chunks, padding and footer.
        3 => stored: u64,
        /// Checksum of the bytes as stored.
        4 => crc: Crc64,
        /// How the bytes are framed and sealed.
        5 => frame: Frame,
    }
}

numbered! {
    /// The suite of a blob frame.
    pub enum Suite {
        /// In clear, with an XXH3-128 per chunk.
        0 => Clear,
        /// AES-256-GCM per chunk, HKDF-derived key and nonce prefix.
        1 => Aes256Gcm,
    }
}

record! {
    /// How the bytes of a blob are framed and sealed.
    pub struct Frame {
        /// Whether and how chunks are sealed.
        1 => suite: Suite,
        /// Binary logarithm of the chunk size: 12 to 20.
        2 => chunk_log2: u32,
        /// What is needed to unseal; present exactly where the suite seals.
        3 => sealing: Option<Sealing>,
    }
}

record! {
    /// What is needed to unseal a blob.
    pub struct Sealing {
        /// Version of the bucket key that wraps the data key.
        1 => key_version: KeyVersion,
        /// The wrapped data key.
        2 => wrapped: Bytes,
        /// Commits to the data key, so that one ciphertext has one meaning.
        3 => commitment: Bytes,
    }
}

numbered! {
    /// What is known about a replica.
    pub enum ReplicaState {
        /// Verified when it was written, and nothing is known against it.
        0 => Present,
        /// A backend said that it is missing, or returned other bytes. Read last, replaced first.
        1 => Suspect,
        /// In `garbage`: its bytes are deleted, or soon will be.
        2 => Removing,
    }
}

record! {
    /// One copy of a blob on one backend.
    pub struct Replica {
        /// The backend.
        1 => backend: BackendId,
        /// The life of the cluster in which it was written.
        2 => incarnation: IncarnationCounter,
        /// The epoch under whose prefix it lies.
        3 => epoch: EpochId,
        /// Which attempt within the epoch.
        4 => attempt: Attempt,
        /// What is known about it.
        5 => state: ReplicaState,
        /// The version id that the provider gave it, where its bucket keeps versions.
        6 => provider_version: Option<String>,
    }
}

impl Replica {
    /// Where the replica lies.
    pub fn address(&self) -> AttemptAddress {
        AttemptAddress {
            backend: self.backend,
            incarnation: self.incarnation,
            epoch: self.epoch,
            attempt: self.attempt,
        }
    }
}

record! {
    /// A content put together from the listed parts of an upload. The part rows hold the blobs.
    pub struct ManifestRecord {
        /// The bucket that it belongs to.
        1 => bucket: BucketId,
        /// Logical length in bytes.
        2 => size: u64,
        /// How many parts are listed.
        3 => parts: u32,
        /// One bit per part number from 1, the lowest bit of a byte first: whether the part is listed.
        4 => listed: Bytes,
        /// Offset of the first byte of every 64th listed part, the first included.
        5 => offsets: Vec<u64>,
        /// How many objects refer to it.
        6 => references: u32,
    }
}

record! {
    /// What a bucket key version wraps. Derived.
    #[derive(Default)]
    pub struct WrapRecord {
        /// Blobs whose rows name it.
        1 => blobs: u64,
    }
}
