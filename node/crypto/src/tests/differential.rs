//! The two libraries against each other.

use aws_lc_rs::hkdf;
use bytes::Bytes;
use proptest::prelude::*;

use crate::aead::{Aead, AwsLc, Error, RustCrypto};
use crate::frame::{ChunkSize, Codec, Header, Position, Suite};
use crate::kdf::{Prk, WrappingKey};
use crate::secret::SecretKey;
use crate::{BlobId, DomainId};

struct Len(usize);

impl hkdf::KeyType for Len {
    fn len(&self) -> usize {
        self.0
    }
}

pub(crate) fn aws_lc_extract_and_expand(salt: &[u8], ikm: &[u8], info: &[u8], len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(ikm);
    prk.expand(&[info], Len(len)).unwrap().fill(&mut out).unwrap();
    out
}

pub(crate) fn aws_lc_expand(prk: &[u8], info: &[u8], len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    let prk = hkdf::Prk::new_less_safe(hkdf::HKDF_SHA256, prk);
    prk.expand(&[info], Len(len)).unwrap().fill(&mut out).unwrap();
    out
}

fn any_key() -> impl Strategy<Value = SecretKey> {
    any::<[u8; 32]>().prop_filter_map("a constant key is refused", |bytes| {
        SecretKey::from_bytes(&bytes).ok()
    })
}

proptest! {
    #[test]
    fn one_library_opens_what_the_other_sealed(
        key: [u8; 32],
        nonce: [u8; 12],
        aad in prop::collection::vec(any::<u8>(), 0..80),
        data in prop::collection::vec(any::<u8>(), 0..5000),
    ) {
        let (aws, rust) = (AwsLc::new(&key).unwrap(), RustCrypto::new(&key).unwrap());
        let (mut by_aws, mut by_rust) = (data.clone(), data.clone());
        let aws_tag = aws.seal(&nonce, &aad, &mut by_aws).unwrap();
        let rust_tag = rust.seal(&nonce, &aad, &mut by_rust).unwrap();
        prop_assert_eq!((&by_aws, aws_tag), (&by_rust, rust_tag));
        aws.open(&nonce, &aad, &mut by_rust, &rust_tag).unwrap();
        rust.open(&nonce, &aad, &mut by_aws, &aws_tag).unwrap();
        prop_assert_eq!(&by_aws, &data);
        prop_assert_eq!(&by_rust, &data);
    }

    #[test]
    fn both_libraries_refuse_and_wipe_what_was_altered(
        key: [u8; 32],
        nonce: [u8; 12],
        aad in prop::collection::vec(any::<u8>(), 1..40),
        data in prop::collection::vec(any::<u8>(), 1..500),
        at: prop::sample::Index,
        flip in 1..=255_u8,
    ) {
        let mut sealed = data.clone();
        let tag = AwsLc::new(&key).unwrap().seal(&nonce, &aad, &mut sealed).unwrap();
        let mut whole = [aad.as_slice(), &sealed, &tag, &nonce].concat();
        let at = at.index(whole.len());
        whole[at] ^= flip;
        let (aad, rest) = whole.split_at(aad.len());
        let (sealed, rest) = rest.split_at(data.len());
        let (tag, nonce) = rest.split_at(16);
        let (tag, nonce) = (tag.try_into().unwrap(), nonce.try_into().unwrap());
        for by_aws in [true, false] {
            let mut buffer = sealed.to_vec();
            let opened = if by_aws {
                AwsLc::new(&key).unwrap().open(nonce, aad, &mut buffer, tag)
            } else {
                RustCrypto::new(&key).unwrap().open(nonce, aad, &mut buffer, tag)
            };
            prop_assert_eq!(opened, Err(Error::TagMismatch));
            prop_assert!(buffer.iter().all(|byte| *byte == 0));
        }
    }

    #[test]
    fn derivation_is_hkdf_as_the_other_library_computes_it(
        key in any_key(),
        salt: [u8; 16],
        info in prop::collection::vec(any::<u8>(), 0..100),
        split: prop::sample::Index,
    ) {
        let (a, b) = info.split_at(split.index(info.len() + 1));
        let own = Prk::extract(&salt, &key).expand::<71>(&[a, b]);
        prop_assert_eq!(own.to_vec(), aws_lc_extract_and_expand(&salt, key.expose(), &info, 71));
    }

    #[test]
    fn a_wrapped_key_unwraps_under_its_own_key_only(
        kek: [u8; 32], other: [u8; 32], key in any_key(), at in 0..40_usize, flip in 1..=255_u8,
    ) {
        prop_assume!(kek != other);
        let wrapped = WrappingKey::from_bytes(&kek).wrap(&key);
        prop_assert!(WrappingKey::from_bytes(&kek).unwrap(&wrapped).is_ok_and(|same| same == key));
        prop_assert!(WrappingKey::from_bytes(&other).unwrap(&wrapped).is_err());
        let mut altered = wrapped;
        altered.0[at] ^= flip;
        prop_assert!(WrappingKey::from_bytes(&kek).unwrap(&altered).is_err());
    }

    #[test]
    fn whole_blobs_agree_between_the_libraries(
        key in any_key(), domain: [u8; 16], blob: [u8; 16],
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..5),
    ) {
        let header = Header { suite: Suite::Aes256Gcm, chunk: ChunkSize::MIN, blob: BlobId(blob) };
        let (aws, commitment) = Codec::<AwsLc>::seal_with(&header, &DomainId(domain), &key).unwrap();
        let rust = Codec::<RustCrypto>::open_with(&header, &DomainId(domain), &key, &commitment).unwrap().unwrap();
        for (index, chunk) in chunks.iter().enumerate() {
            let position = if index + 1 == chunks.len() { Position::Last } else { Position::Inner };
            let mut data = chunk.clone();
            let tag = aws.seal_chunk(index as u32, position, &mut data).unwrap();
            rust.open_chunk(index as u32, position, &mut data, &tag).unwrap();
            prop_assert_eq!(&data, chunk);
        }
        let mut footer = Bytes::from(chunks.concat()).to_vec();
        let tag = aws.seal_footer(b"trailer", &mut footer).unwrap();
        rust.open_footer(b"trailer", &mut footer, &tag).unwrap();
        prop_assert_eq!(footer, chunks.concat());
    }
}
