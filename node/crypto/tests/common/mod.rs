//! What the tests of this crate share: a keyring, footers, whole blobs in memory.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test binary compiles this file and uses a part of it"
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::sync::Arc;

use bytes::Bytes;
use node_crypto::footer::{
    BodyResults, Checksum, ChecksumAlgorithm, Expected, Footer, FooterFacts, FooterPlan, FooterResults,
    Order, Place,
};
use node_crypto::frame::{ChunkSize, Decoder, Encoder, Layout, Protection, Sealed, Verifier};
use node_crypto::keys::{
    BucketEntry, KeyEntry, Keyring, KeyringContents, MasterEntry, MasterKey, Versioning,
};
use node_crypto::{
    BlobId, BucketId, ClusterId, DomainId, Encryption, EncryptionDisabled, KeyId, KeyRef, KeyVersion,
    MasterVersion,
};

pub const BUCKET: BucketId = BucketId(7);
pub const CLUSTER: ClusterId = ClusterId([0xc1; 16]);
pub const MASTER: MasterVersion = MasterVersion(1);

/// Contents with one master key and one bucket with one key.
pub fn contents(master: &MasterKey) -> KeyringContents {
    let domain = DomainId::generate().unwrap();
    let key = KeyRef {
        id: KeyId::generate().unwrap(),
        version: KeyVersion(1),
    };
    KeyringContents {
        cluster: CLUSTER,
        domain,
        incarnation: 1,
        revision: 10,
        active_master: Some(MASTER),
        masters: vec![MasterEntry {
            version: MASTER,
            check: master.new_check(domain, MASTER).unwrap(),
            provider: "inline".to_owned(),
            sealed: Vec::new(),
        }],
        buckets: vec![BucketEntry {
            bucket: BUCKET,
            name: "photos".to_owned(),
            versioning: Versioning::Enabled,
            active: Some(key),
        }],
        keys: vec![KeyEntry {
            key,
            bucket: BUCKET,
            master: MASTER,
            wrapped: master.new_bucket_key(domain, MASTER, BUCKET, key).unwrap(),
        }],
    }
}

/// A keyring with a bucket key for [`BUCKET`].
pub fn keyring() -> Arc<Keyring> {
    let master = MasterKey::generate().unwrap();
    Arc::new(Keyring::unlock(&contents(&master), &[master]).unwrap())
}

/// Both ways of writing, over one keyring (which opens clear blobs too).
pub fn both_suites() -> [(Encryption, Arc<Keyring>); 2] {
    let keyring = keyring();
    [
        (
            Encryption::Disabled(EncryptionDisabled::by_settings()),
            Arc::clone(&keyring),
        ),
        (Encryption::Enabled(Arc::clone(&keyring)), keyring),
    ]
}

pub fn facts(blob: BlobId) -> FooterFacts {
    FooterFacts {
        cluster: CLUSTER,
        bucket: BUCKET,
        bucket_name: "photos".to_owned(),
        object_key: "2026/aurora borealis.jpg".to_owned(),
        upload: None,
        place: Place::first(blob),
        system_metadata: vec![("content-type".to_owned(), "image/jpeg".to_owned())],
        user_metadata: vec![("camera".to_owned(), "pinhole".to_owned())],
        order: Order {
            incarnation: 1,
            read_index: 4711,
            unix_ms: 1_790_000_000_000,
        },
    }
}

pub fn results(len: u64) -> FooterResults {
    FooterResults {
        content_len: len,
        body: Some(BodyResults {
            len,
            etag: "d41d8cd98f00b204e9800998ecf8427e".to_owned(),
            checksums: vec![Checksum {
                algorithm: ChecksumAlgorithm::Crc64Nvme,
                value: vec![1, 2, 3, 4, 5, 6, 7, 8],
            }],
        }),
    }
}

pub fn plan(blob: BlobId) -> FooterPlan {
    FooterPlan::new(facts(blob), Expected::Last(&[ChecksumAlgorithm::Crc64Nvme])).unwrap()
}

/// One blob as a backend holds it, and what the metadata holds about it.
#[derive(Debug, Clone)]
pub struct Stored {
    pub blob: BlobId,
    pub layout: Layout,
    pub protection: Protection,
    pub bytes: Vec<u8>,
    pub crc64_nvme: u64,
}

/// Pushes all of `plaintext` in pieces of `piece` bytes.
pub fn push_all(encoder: &mut Encoder, plaintext: &[u8], piece: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for mut piece in plaintext.chunks(piece) {
        while let Some(batch) = encoder.push(&mut piece).unwrap() {
            out.extend_from_slice(&batch);
        }
        assert!(piece.is_empty());
    }
    out
}

pub fn store(encryption: &Encryption, chunk: ChunkSize, plaintext: &[u8]) -> Stored {
    store_as(encryption, BlobId::generate().unwrap(), chunk, plaintext, 1000)
}

pub fn store_as(
    encryption: &Encryption,
    blob: BlobId,
    chunk: ChunkSize,
    plaintext: &[u8],
    piece: usize,
) -> Stored {
    let sealer = encryption.sealer(BUCKET, blob, chunk).unwrap();
    let mut encoder = Encoder::new(sealer, plaintext.len() as u64, plan(blob)).unwrap();
    let announced = encoder.stored_len();
    let (layout, protection) = (*encoder.layout(), *encoder.protection());
    let mut bytes = push_all(&mut encoder, plaintext, piece);
    let Sealed {
        tail,
        stored_len,
        crc64_nvme,
    } = encoder.finish(results(plaintext.len() as u64)).unwrap();
    bytes.extend_from_slice(&tail);
    assert_eq!((announced, announced), (stored_len, bytes.len() as u64));
    Stored {
        blob,
        layout,
        protection,
        bytes,
        crc64_nvme,
    }
}

impl Stored {
    pub fn verifier(&self, keyring: &Keyring) -> Verifier {
        let opener = keyring
            .opener(self.blob, self.layout.chunk(), &self.protection)
            .unwrap();
        Verifier::new(opener, &self.layout, self.bytes.len() as u64)
    }

    /// Reads `bytes` as this blob is read for a GET of everything: what was released, and how it
    /// ended.
    pub fn read(&self, keyring: &Keyring, bytes: &[u8], piece: usize) -> (Vec<u8>, Result<(), String>) {
        let opener = keyring
            .opener(self.blob, self.layout.chunk(), &self.protection)
            .unwrap();
        let body = bytes.get(..self.layout.body_len() as usize).unwrap_or(bytes);
        decode(Decoder::new(opener, self.layout.whole()), body, piece)
    }

    /// Checks `bytes` as a scrub with the key does, against the stored length that the metadata
    /// knows. `Ok` if nothing is wrong with them.
    pub fn verify(&self, keyring: &Keyring, bytes: &[u8]) -> Result<Footer, String> {
        let mut verifier = self.verifier(keyring);
        for piece in bytes.chunks(5000) {
            verifier
                .push(Bytes::copy_from_slice(piece))
                .map_err(|error| error.to_string())?;
        }
        verifier
            .finish()
            .map(|verified| verified.footer)
            .map_err(|error| error.to_string())
    }
}

/// Feeds `stored` in pieces; collects what is released.
pub fn decode(mut decoder: Decoder, stored: &[u8], piece: usize) -> (Vec<u8>, Result<(), String>) {
    let mut released = Vec::new();
    for piece in stored.chunks(piece) {
        let mut piece = Bytes::copy_from_slice(piece);
        loop {
            match decoder.push(&mut piece) {
                Ok(Some(plaintext)) => released.extend_from_slice(&plaintext),
                Ok(None) => break,
                Err(error) => return (released, Err(error.to_string())),
            }
        }
    }
    let end = decoder.finish().map_err(|error| error.to_string());
    (released, end)
}

/// Plaintext that no two chunks share.
pub fn plaintext(len: usize) -> Vec<u8> {
    (0..len as u64)
        .map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8)
        .collect()
}
