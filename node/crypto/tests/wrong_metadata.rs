//! Intact stored bytes read with the wrong metadata: nothing opens.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod common;

use std::sync::Arc;

use common::{BUCKET, Stored, both_suites, contents, decode, keyring, plaintext, store};
use node_crypto::footer::{Footer, FooterError};
use node_crypto::frame::{ChunkSize, Commitment, Decoder, EncryptionDescriptor, Layout, Protection};
use node_crypto::keys::{Error, Keyring, KeyringContents, MasterKey, WrappedKey};
use node_crypto::{BlobId, Encryption, KeyVersion};

const CHUNK: ChunkSize = ChunkSize::MIN;
const HEADER: usize = 32;

/// Three chunks, the last one short.
const LEN: usize = 2 * 4096 + 500;

/// What if the metadata itself is wrong about how the blob was written: the header is in every
/// chunk's associated data, so nothing decrypts under another reading of it.
#[test]
fn chunks_do_not_open_under_another_header() {
    for (encryption, keyring) in both_suites() {
        let stored = store(&encryption, CHUNK, &plaintext(4096));
        let body = &stored.bytes[HEADER..stored.layout.body_len() as usize];
        let attempt = |blob: BlobId, chunk: ChunkSize, protection: &Protection, keyring: &Keyring| {
            let opener = keyring
                .opener(blob, chunk, protection)
                .map_err(|error| error.to_string())?;
            let header = opener.header().encode();
            let layout = Layout::new(chunk, 4096).unwrap();
            // Its own header in front, so that only the chunk can object.
            decode(
                Decoder::new(opener, layout.whole()),
                &[&header, body].concat(),
                999,
            )
            .1
        };
        assert_eq!(attempt(stored.blob, CHUNK, &stored.protection, &keyring), Ok(()));
        assert!(attempt(BlobId([1; 16]), CHUNK, &stored.protection, &keyring).is_err());
        assert!(attempt(stored.blob, ChunkSize::DEFAULT, &stored.protection, &keyring).is_err());
        if stored.protection != Protection::Clear {
            assert!(
                attempt(stored.blob, CHUNK, &Protection::Clear, &keyring).is_err(),
                "downgraded to suite 0"
            );
        }
    }
}

/// A wrong length in the metadata: the last flag catches what the length does not.
#[test]
fn a_wrong_length_in_the_metadata_is_seen() {
    for (encryption, keyring) in both_suites() {
        let stored = store(&encryption, CHUNK, &plaintext(LEN));
        for len in [0, 1, 4096, 8192, LEN - 1, LEN + 1, 12_288, 20_000] {
            let wrong = Stored {
                layout: Layout::new(CHUNK, len as u64).unwrap(),
                ..stored.clone()
            };
            assert!(wrong.read(&keyring, &stored.bytes, 1000).1.is_err(), "{len}");
            assert!(wrong.verify(&keyring, &stored.bytes).is_err(), "{len}");
        }
    }
}

struct Rotated {
    contents: KeyringContents,
    master: MasterKey,
    keyring: Arc<Keyring>,
}

/// A keyring whose bucket has two key versions, the second active.
fn rotated() -> Rotated {
    let master = MasterKey::generate().unwrap();
    let mut contents = contents(&master);
    let mut second = contents.keys[0].clone();
    second.key.version = KeyVersion(2);
    second.wrapped = master
        .new_bucket_key(contents.domain, second.master, BUCKET, second.key)
        .unwrap();
    contents.buckets[0].active = Some(second.key);
    contents.keys.push(second);
    let masters = [master];
    let keyring = Arc::new(Keyring::unlock(&contents, &masters).unwrap());
    let [master] = masters;
    Rotated {
        contents,
        master,
        keyring,
    }
}

#[test]
fn a_wrong_key_version_is_seen() {
    let Rotated {
        contents, keyring, ..
    } = rotated();
    let stored = store(&Encryption::Enabled(Arc::clone(&keyring)), CHUNK, &plaintext(LEN));
    let Protection::Encrypted(descriptor) = stored.protection else {
        panic!("not encrypted")
    };
    assert_eq!(descriptor.key.version, KeyVersion(2));
    let mut wrong = descriptor;
    wrong.key = contents.keys[0].key;
    let error = keyring
        .opener(stored.blob, CHUNK, &Protection::Encrypted(wrong))
        .unwrap_err();
    assert!(matches!(error, Error::DataKey { .. }), "{error}");
    wrong.key.version = KeyVersion(3);
    let error = keyring
        .opener(stored.blob, CHUNK, &Protection::Encrypted(wrong))
        .unwrap_err();
    assert!(
        matches!(error, Error::UnknownVersion(key) if key == wrong.key),
        "{error}"
    );
}

#[test]
fn a_wrong_commitment_is_seen_before_anything_is_decrypted() {
    let keyring = keyring();
    let stored = store(&Encryption::Enabled(Arc::clone(&keyring)), CHUNK, &plaintext(LEN));
    let Protection::Encrypted(descriptor) = stored.protection else {
        panic!("not encrypted")
    };
    for at in 0..32 {
        let mut wrong = descriptor;
        wrong.commitment.0[at] ^= 1;
        let error = keyring
            .opener(stored.blob, CHUNK, &Protection::Encrypted(wrong))
            .unwrap_err();
        assert!(
            matches!(error, Error::Commitment { blob } if blob == stored.blob),
            "{error}"
        );
    }
    let wrong = Protection::Encrypted(EncryptionDescriptor {
        commitment: Commitment([0; 32]),
        ..descriptor
    });
    assert!(keyring.opener(stored.blob, CHUNK, &wrong).is_err());
}

#[test]
fn a_wrapped_key_of_another_blob_does_not_unwrap() {
    let keyring = keyring();
    let encryption = Encryption::Enabled(Arc::clone(&keyring));
    let (one, other) = (
        store(&encryption, CHUNK, b"one"),
        store(&encryption, CHUNK, b"two"),
    );
    let error = keyring.opener(one.blob, CHUNK, &other.protection).unwrap_err();
    assert!(matches!(error, Error::DataKey { .. }), "{error}");
    let Protection::Encrypted(descriptor) = one.protection else {
        panic!("not encrypted")
    };
    for at in 0..40 {
        let mut wrapped = descriptor.wrapped.0;
        wrapped[at] ^= 0x80;
        let wrong = EncryptionDescriptor {
            wrapped: WrappedKey(wrapped),
            ..descriptor
        };
        assert!(
            keyring
                .opener(one.blob, CHUNK, &Protection::Encrypted(wrong))
                .is_err(),
            "byte {at}"
        );
    }
}

#[test]
fn a_re_wrapped_blob_reads_as_before_and_its_footer_too() {
    let Rotated {
        contents,
        master,
        keyring,
    } = rotated();
    let mut before = contents.clone();
    before.buckets[0].active = Some(contents.keys[0].key);
    let old_keyring = Arc::new(Keyring::unlock(&before, &[master]).unwrap());
    let mut stored = store(&Encryption::Enabled(old_keyring), CHUNK, &plaintext(LEN));
    let Protection::Encrypted(old) = stored.protection else {
        panic!("not encrypted")
    };
    assert_eq!(old.key.version, KeyVersion(1));
    let new = keyring
        .rewrap(stored.blob, CHUNK, &old, contents.keys[1].key)
        .unwrap();
    assert_eq!((new.key.version, new.commitment), (KeyVersion(2), old.commitment));
    assert_ne!(new.wrapped, old.wrapped);
    stored.protection = Protection::Encrypted(new);
    let footer = stored.verify(&keyring, &stored.bytes).unwrap();
    // What is stored still names the version that it was written under.
    assert_eq!(footer.trailer().protection(), &Protection::Encrypted(old));
    // A mistaken descriptor is not made permanent.
    let mut wrong = old;
    wrong.commitment.0[0] ^= 1;
    assert!(matches!(
        keyring.rewrap(stored.blob, CHUNK, &wrong, new.key),
        Err(Error::Commitment { .. })
    ));
}

/// Both suites behind one key: whoever says "suite 0" about a blob of an encrypted bucket is found
/// out by the metadata, because a clear opener takes nothing that was encrypted.
#[test]
fn an_encrypted_footer_does_not_open_as_a_clear_one() {
    let keyring = keyring();
    let stored = store(&Encryption::Enabled(Arc::clone(&keyring)), CHUNK, b"body");
    let clear = keyring.opener(stored.blob, CHUNK, &Protection::Clear).unwrap();
    assert_eq!(
        Footer::open(&stored.bytes, stored.bytes.len() as u64, &clear),
        Err(FooterError::OtherBlob)
    );
}
