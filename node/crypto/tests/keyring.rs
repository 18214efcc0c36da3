//! Bucket keys, their master keys, and what is stored of them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod common;

use std::sync::Arc;

use common::{BUCKET, MASTER, contents, store};
use node_crypto::frame::{ChunkSize, EncryptionDescriptor, Protection};
use node_crypto::keys::{ContentsError, Error, KeyState, Keyring, KeyringContents, MasterEntry, MasterKey};
use node_crypto::{BlobId, BucketId, DomainId, Encryption, KeyId, KeyVersion, MasterVersion};

fn masters<const N: usize>() -> [MasterKey; N] {
    std::array::from_fn(|_| MasterKey::generate().unwrap())
}

#[test]
fn a_bucket_without_a_key_gets_no_sealer_when_encryption_is_enabled() {
    let [master] = masters();
    let encryption = Encryption::Enabled(Arc::new(Keyring::unlock(&contents(&master), &[master]).unwrap()));
    let other = BucketId(BUCKET.0 + 1);
    let error = encryption
        .sealer(other, BlobId([1; 16]), ChunkSize::DEFAULT)
        .unwrap_err();
    assert!(
        matches!(error, Error::NoActiveKey(bucket) if bucket == other),
        "{error}"
    );
}

#[test]
fn a_node_without_the_master_key_neither_writes_nor_reads_and_says_which_it_lacks() {
    let [master, stranger] = masters();
    let contents = contents(&master);
    let key = contents.keys[0].key;
    let writer = Arc::new(Keyring::unlock(&contents, &[master]).unwrap());
    assert_eq!(writer.state(key), Some(KeyState::Ready));
    let stored = store(&Encryption::Enabled(writer), ChunkSize::MIN, b"body");

    for known in [&[][..], &[stranger]] {
        let locked = Arc::new(Keyring::unlock(&contents, known).unwrap());
        assert_eq!(locked.state(key), Some(KeyState::Locked(MASTER)));
        assert_eq!(
            locked.states().collect::<Vec<_>>(),
            [(key, KeyState::Locked(MASTER))]
        );
        let read = locked
            .opener(stored.blob, ChunkSize::MIN, &stored.protection)
            .unwrap_err();
        assert!(matches!(read, Error::Locked { master: MASTER, .. }), "{read}");
        let write = Encryption::Enabled(locked)
            .sealer(BUCKET, stored.blob, ChunkSize::MIN)
            .unwrap_err();
        assert!(matches!(write, Error::Locked { master: MASTER, .. }), "{write}");
    }
}

#[test]
fn unknown_keys_versions_and_domains_are_errors_of_their_own() {
    let [master] = masters();
    let contents = contents(&master);
    let keyring = Arc::new(Keyring::unlock(&contents, &[master]).unwrap());
    let stored = store(
        &Encryption::Enabled(Arc::clone(&keyring)),
        ChunkSize::MIN,
        b"body",
    );
    let Protection::Encrypted(descriptor) = stored.protection else {
        panic!("not encrypted")
    };
    let open = |change: &dyn Fn(&mut EncryptionDescriptor)| {
        let mut changed = descriptor;
        change(&mut changed);
        keyring
            .opener(stored.blob, ChunkSize::MIN, &Protection::Encrypted(changed))
            .unwrap_err()
    };
    let error = open(&|descriptor| descriptor.key.version = KeyVersion(9));
    assert!(
        matches!(error, Error::UnknownVersion(key) if key.version == KeyVersion(9)),
        "{error}"
    );
    let error = open(&|descriptor| descriptor.key.id = KeyId([9; 16]));
    assert!(matches!(error, Error::UnknownKey(KeyId([9, ..]))), "{error}");
    let error = open(&|descriptor| descriptor.domain = DomainId([9; 16]));
    assert!(matches!(error, Error::OtherDomain { .. }), "{error}");
}

#[test]
fn a_damaged_wrapped_key_is_told_from_a_missing_master_key() {
    let [master] = masters();
    let good = contents(&master);
    let masters = [master];
    for at in 0..40 {
        let mut contents = good.clone();
        contents.keys[0].wrapped.0[at] ^= 4;
        let keyring = Keyring::unlock(&contents, &masters).unwrap();
        assert_eq!(keyring.state(good.keys[0].key), Some(KeyState::Damaged));
        let error = keyring
            .sealer(BUCKET, BlobId([0; 16]), ChunkSize::MIN)
            .unwrap_err();
        assert!(matches!(error, Error::Damaged(_)), "{error}");
    }
}

#[test]
fn a_bucket_key_unwraps_for_its_own_bucket_id_version_master_and_domain_only() {
    let [master] = masters();
    let good = contents(&master);
    let masters = [master];
    let state = |change: &dyn Fn(&mut KeyringContents)| {
        let mut contents = good.clone();
        contents.buckets.clear();
        change(&mut contents);
        Keyring::unlock(&contents, &masters)
            .unwrap()
            .states()
            .next()
            .unwrap()
            .1
    };
    assert_eq!(state(&|_| {}), KeyState::Ready);
    assert_eq!(
        state(&|contents| contents.keys[0].bucket = BucketId(8)),
        KeyState::Damaged
    );
    assert_eq!(
        state(&|contents| contents.keys[0].key.version = KeyVersion(2)),
        KeyState::Damaged
    );
    assert_eq!(
        state(&|contents| contents.keys[0].key.id.0[3] ^= 1),
        KeyState::Damaged
    );
    // Another domain or version makes the check value fail first.
    assert_eq!(
        state(&|contents| contents.domain.0[0] ^= 1),
        KeyState::Locked(MASTER)
    );
}

#[test]
fn rotating_the_master_key_changes_no_blob() {
    let [old, new] = masters();
    let mut contents = contents(&old);
    let second = MasterVersion(2);
    let keyring = Arc::new(Keyring::unlock(&contents, &[old]).unwrap());
    let stored = store(
        &Encryption::Enabled(Arc::clone(&keyring)),
        ChunkSize::MIN,
        b"body",
    );

    contents.masters.push(MasterEntry {
        version: second,
        check: new.new_check(contents.domain, second).unwrap(),
        provider: "file".to_owned(),
        sealed: Vec::new(),
    });
    contents.keys[0] = keyring
        .rewrap_bucket_key(contents.keys[0].key, &new, second)
        .unwrap();
    contents.active_master = Some(second);
    contents.masters.remove(0);
    contents.validate().unwrap();
    let rotated = Keyring::unlock(&contents, &[new]).unwrap();
    stored.verify(&rotated, &stored.bytes).unwrap();
}

#[test]
fn contradictory_contents_are_refused() {
    let [master] = masters();
    let good = contents(&master);
    let refused = |change: &dyn Fn(&mut KeyringContents)| {
        let mut contents = good.clone();
        change(&mut contents);
        Keyring::unlock(&contents, &[]).map(|_| ()).unwrap_err()
    };
    let key = good.keys[0].key;
    assert_eq!(
        refused(&|c| c.masters[0].version = MasterVersion(0)),
        ContentsError::VersionZero
    );
    assert_eq!(
        refused(&|c| c.keys[0].key.version = KeyVersion(0)),
        ContentsError::VersionZero
    );
    assert_eq!(
        refused(&|c| c.masters.push(c.masters[0].clone())),
        ContentsError::DuplicateMaster(MASTER)
    );
    assert_eq!(
        refused(&|c| c.masters.clear()),
        ContentsError::MissingMaster(MASTER)
    );
    assert_eq!(
        refused(&|c| c.keys[0].master = MasterVersion(2)),
        ContentsError::MissingMaster(MasterVersion(2))
    );
    assert_eq!(
        refused(&|c| c.buckets.push(c.buckets[0].clone())),
        ContentsError::DuplicateBucket(BUCKET)
    );
    assert_eq!(
        refused(&|c| c.keys.push(c.keys[0].clone())),
        ContentsError::DuplicateKey(key)
    );
    assert_eq!(
        refused(&|c| c.keys.clear()),
        ContentsError::ActiveKey { bucket: BUCKET, key }
    );
    assert_eq!(
        refused(&|c| c.keys[0].bucket = BucketId(8)),
        ContentsError::ActiveKey { bucket: BUCKET, key }
    );
}

#[test]
fn proofs_of_a_master_key_hold_for_one_context_and_one_version() {
    let [master, other] = masters();
    let contents = contents(&master);
    let (domain, check) = (contents.domain, contents.masters[0].check);
    let prove = |key: &MasterKey, version, context: &[u8]| key.prove(domain, version, &check, context);
    let proof = prove(&master, MASTER, b"session 5").unwrap();
    assert!(proof.matches(&prove(&master, MASTER, b"session 5").unwrap()));
    assert!(!proof.matches(&prove(&master, MASTER, b"session 6").unwrap()));
    prove(&other, MASTER, b"session 5").unwrap_err();
    prove(&master, MasterVersion(2), b"session 5").unwrap_err();
    assert!(master.is(domain, MASTER, &check) && !other.is(domain, MASTER, &check));
}
