//! The keyring as it lies on a backend.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod common;

use common::{MASTER, contents};
use node_crypto::EncryptionDisabled;
use node_crypto::keys::{Authority, KeyringContents, KeyringError, MasterKey, StoredKeyring};
use proptest::prelude::*;

fn masters<const N: usize>() -> [MasterKey; N] {
    std::array::from_fn(|_| MasterKey::generate().unwrap())
}

fn disabled() -> EncryptionDisabled {
    EncryptionDisabled::by_settings()
}

fn without_keys() -> KeyringContents {
    let mut contents = contents(&MasterKey::generate().unwrap());
    contents.active_master = None;
    contents.masters.clear();
    contents.keys.clear();
    contents.buckets[0].active = None;
    contents
}

#[test]
fn a_keyring_object_reads_back_for_who_has_the_master_key() {
    let [master, stranger] = masters();
    let contents = contents(&master);
    let object = contents.encode(Authority::Master(&master)).unwrap();
    let stored = StoredKeyring::parse(&object).unwrap();
    assert_eq!(stored.claims(), &contents);
    assert_eq!(
        stored.clone().authenticate(&[]),
        Err(KeyringError::NoMasterKey(MASTER))
    );
    assert_eq!(
        stored.clone().authenticate(std::slice::from_ref(&stranger)),
        Err(KeyringError::NoMasterKey(MASTER))
    );
    assert_eq!(
        stored.clone().accept_without_keys(disabled()),
        Err(KeyringError::Unauthenticated)
    );
    assert_eq!(stored.authenticate(&[stranger, master]), Ok(contents));
}

#[test]
fn a_keyring_without_keys_needs_the_operators_word() {
    let contents = without_keys();
    let object = contents.encode(Authority::None(disabled())).unwrap();
    let stored = StoredKeyring::parse(&object).unwrap();
    let [master] = masters();
    assert_eq!(
        contents.encode(Authority::Master(&master)),
        Err(KeyringError::Unauthenticated)
    );
    assert_eq!(
        stored.clone().authenticate(&[master]),
        Err(KeyringError::Unauthenticated)
    );
    assert_eq!(stored.accept_without_keys(disabled()), Ok(contents));
}

#[test]
fn a_keyring_that_a_master_key_vouches_for_is_not_taken_without_it_even_when_it_holds_no_keys() {
    let [master] = masters();
    let mut contents = contents(&master);
    contents.keys.clear();
    contents.buckets[0].active = None;
    let object = contents.encode(Authority::Master(&master)).unwrap();
    let stored = StoredKeyring::parse(&object).unwrap();
    assert_eq!(
        stored.clone().accept_without_keys(disabled()),
        Err(KeyringError::Unauthenticated)
    );
    assert_eq!(stored.authenticate(&[master]), Ok(contents));
}

#[test]
fn a_keyring_with_keys_is_never_written_unauthenticated() {
    let [master, other] = masters();
    let mut contents = contents(&master);
    assert_eq!(
        contents.encode(Authority::None(disabled())),
        Err(KeyringError::Unauthenticated)
    );
    assert_eq!(
        contents.encode(Authority::Master(&other)),
        Err(KeyringError::NoMasterKey(MASTER))
    );
    contents.active_master = None;
    assert_eq!(
        contents.encode(Authority::Master(&master)),
        Err(KeyringError::Unauthenticated)
    );
    assert_eq!(
        contents.encode(Authority::None(disabled())),
        Err(KeyringError::Unauthenticated)
    );
}

#[test]
fn flipping_any_byte_of_a_keyring_object_is_seen() {
    let [master] = masters();
    let object = contents(&master).encode(Authority::Master(&master)).unwrap();
    for at in 0..object.len() {
        for flip in [1, 0x80] {
            let mut bad = object.clone();
            bad[at] ^= flip;
            assert!(StoredKeyring::parse(&bad).is_err(), "byte {at}");
        }
        assert!(StoredKeyring::parse(&object[..at]).is_err(), "cut at {at}");
    }
    assert!(StoredKeyring::parse(&[object.as_slice(), &[0]].concat()).is_err());
}

/// The checksum is no defence against malice, the MAC is.
#[test]
fn a_keyring_that_was_altered_and_checksummed_anew_is_refused() {
    let [master] = masters();
    let object = contents(&master).encode(Authority::Master(&master)).unwrap();
    let rehash = |mut bytes: Vec<u8>| {
        let end = bytes.len() - 16;
        let checksum = xxhash_rust::xxh3::xxh3_128(&bytes[..end]).to_be_bytes();
        bytes[end..].copy_from_slice(&checksum);
        bytes
    };
    assert_eq!(rehash(object.clone()), object);
    let name_at = object.windows(6).position(|window| window == b"photos").unwrap();
    let mut renamed = object.clone();
    renamed[name_at] = b'q';
    let stored = StoredKeyring::parse(&rehash(renamed)).unwrap();
    assert_eq!(stored.claims().buckets[0].name, "qhotos");
    assert_eq!(stored.authenticate(&[master]), Err(KeyringError::Authentication));

    // Posing as a keyring that nobody needs to authenticate.
    let mut stripped = object;
    stripped[9] = 0;
    stripped[12..16].fill(0);
    let end = stripped.len() - 16;
    stripped[end - 32..end].fill(0);
    assert_eq!(
        StoredKeyring::parse(&rehash(stripped)).err(),
        Some(KeyringError::Malformed)
    );
}

proptest! {
    #[test]
    fn arbitrary_keyrings_never_panic(contents in prop::collection::vec(any::<u8>(), 0..300), header: bool) {
        let mut bytes = contents;
        if header {
            let len = bytes.len() as u32;
            let prefix = [&b"HOLDKEYS\x01\x00\x00\x00\x00\x00\x00\x00"[..], &len.to_be_bytes(), &[0; 4]].concat();
            bytes = [prefix, bytes, vec![0; 32]].concat();
            let checksum = xxhash_rust::xxh3::xxh3_128(&bytes).to_be_bytes();
            bytes.extend_from_slice(&checksum);
        }
        // Protobuf accepts much, but no random bytes hold ids of the right length.
        prop_assert!(StoredKeyring::parse(&bytes).is_err());
    }
}
