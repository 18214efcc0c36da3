//! What is sealed and keyed under the cluster's own secret.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod common;

use common::plaintext;
use node_crypto::frame::{ChunkSize, Decoder, Encoder, Protection};
use node_crypto::keys::{Error, MasterKey, create_key_file};
use node_crypto::{BlobId, ClusterSecret, Purpose, SEALED_OVERHEAD, SealError};
use proptest::prelude::*;

fn secret() -> ClusterSecret {
    ClusterSecret::new(MasterKey::generate().unwrap().expose()).unwrap()
}

#[test]
fn the_secret_of_a_file_is_the_same_on_every_node() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cluster.secret");
    create_key_file(&path).unwrap();
    let [one, other] = [(); 2].map(|()| ClusterSecret::from_file(&path).unwrap());
    let sealed = one
        .seal(Purpose::UserSecrets, b"AKIA1", b"secret access key")
        .unwrap();
    assert_eq!(
        other
            .open(Purpose::UserSecrets, b"AKIA1", &sealed)
            .unwrap()
            .as_slice(),
        b"secret access key"
    );
    assert_eq!(
        one.mac(Purpose::ListTokens, b"token"),
        other.mac(Purpose::ListTokens, b"token")
    );
}

proptest! {
    #[test]
    fn a_sealed_message_opens_for_its_purpose_aad_and_secret_only(
        message in prop::collection::vec(any::<u8>(), 0..300),
        aad in prop::collection::vec(any::<u8>(), 0..40),
        purpose in prop::sample::select(Purpose::ALL.to_vec()),
        at: prop::sample::Index,
        flip in 1..=255_u8,
    ) {
        let (ours, theirs) = (secret(), secret());
        let sealed = ours.seal(purpose, &aad, &message).unwrap();
        prop_assert_eq!(sealed.len(), message.len() + SEALED_OVERHEAD);
        let opened = ours.open(purpose, &aad, &sealed).unwrap();
        prop_assert_eq!(opened.as_slice(), message.as_slice());
        prop_assert_ne!(&ours.seal(purpose, &aad, &message).unwrap(), &sealed);
        prop_assert!(theirs.open(purpose, &aad, &sealed).is_err());
        prop_assert!(ours.open(purpose, &[&aad[..], &[0]].concat(), &sealed).is_err());
        for other in Purpose::ALL.into_iter().filter(|other| *other != purpose) {
            prop_assert!(ours.open(other, &aad, &sealed).is_err());
        }
        let mut altered = sealed.clone();
        altered[at.index(sealed.len())] ^= flip;
        prop_assert!(ours.open(purpose, &aad, &altered).is_err());
        prop_assert!(ours.open(purpose, &aad, &sealed[..at.index(sealed.len())]).is_err());
    }
}

#[test]
fn codes_differ_by_purpose_message_and_secret() {
    let (ours, theirs) = (secret(), secret());
    let mac = ours.mac(Purpose::ListTokens, b"token");
    assert!(ours.verify_mac(Purpose::ListTokens, b"token", &mac));
    assert!(!ours.verify_mac(Purpose::ListTokens, b"tokem", &mac));
    assert!(!ours.verify_mac(Purpose::SessionTokens, b"token", &mac));
    assert!(!theirs.verify_mac(Purpose::ListTokens, b"token", &mac));
    for len in 0..mac.len() {
        assert!(
            !ours.verify_mac(Purpose::ListTokens, b"token", &mac[..len]),
            "truncated to {len}"
        );
    }
    assert!(matches!(
        ours.open(Purpose::Backups, b"", &[2; 60]),
        Err(SealError::Version(2))
    ));
}

#[test]
fn a_stream_sealed_under_the_cluster_secret_is_a_blob_like_any_other() {
    let (ours, theirs) = (secret(), secret());
    let blob = BlobId::generate().unwrap();
    let sealer = ours.sealer(Purpose::Backups, blob, ChunkSize::MIN).unwrap();
    let body = plaintext(10_000);
    let mut encoder = Encoder::new(sealer, 10_000, common::plan(blob)).unwrap();
    let (layout, protection) = (*encoder.layout(), *encoder.protection());
    let mut bytes = common::push_all(&mut encoder, &body, 500);
    bytes.extend_from_slice(&encoder.finish(common::results(10_000)).unwrap().tail);

    let trailer = node_crypto::footer::Trailer::parse(&bytes).unwrap();
    assert_eq!(trailer.protection(), &protection);
    let Protection::Encrypted(descriptor) = protection else {
        panic!("not encrypted")
    };
    let opener = ours
        .opener(Purpose::Backups, blob, ChunkSize::MIN, &descriptor)
        .unwrap();
    let stored = &bytes[..layout.body_len() as usize];
    assert_eq!(
        common::decode(Decoder::new(opener, layout.whole()), stored, 700),
        (body, Ok(()))
    );
    assert!(
        theirs
            .opener(Purpose::Backups, blob, ChunkSize::MIN, &descriptor)
            .is_err()
    );
    assert!(
        ours.opener(Purpose::UserSecrets, blob, ChunkSize::MIN, &descriptor)
            .is_err()
    );
    // A bucket's keyring does not know it.
    let error = common::keyring()
        .opener(blob, ChunkSize::MIN, &protection)
        .unwrap_err();
    assert!(matches!(error, Error::OtherDomain { .. }), "{error}");
    assert_eq!(trailer.layout().plaintext_len(), 10_000);
}
