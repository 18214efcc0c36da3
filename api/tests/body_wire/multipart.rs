//! What a completed upload is known by.

use api::port::{Checksum, ChecksumAlgorithm, ChecksumType};
use api::s3::body::{MultipartChecksum, MultipartMd5};
use md5::{Digest as _, Md5};
use proptest::prelude::*;

use crate::support::{Script, resources, unsigned_spec};

/// The checksum of bytes as a body of them has it, which other tests compare with another judge.
fn checksum(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> Checksum {
    use api::port::VerifiedBody as _;
    let read = async {
        let mut body = resources().open(unsigned_spec(bytes.len() as u64), Script::of([bytes]));
        body.compute_checksum(algorithm);
        while body.next().await.unwrap().is_some() {}
        body.finish().await.unwrap().checksum.unwrap()
    };
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
        .block_on(read)
}

#[test]
fn the_etag_is_the_md5_of_the_md5s_and_their_number() {
    let mut etag = MultipartMd5::default();
    let (one, two): ([u8; 16], [u8; 16]) = (Md5::digest(b"one").into(), Md5::digest(b"two").into());
    etag.add(&one);
    etag.add(&two);
    let expected = hex::encode(Md5::digest([one, two].concat()));
    assert_eq!(etag.etag(), format!("{expected}-2"));
    assert_eq!(hex::encode(etag.digest()), expected);
}

#[test]
fn s3_knows_no_hash_of_a_whole_from_its_parts_and_no_composite_crc64() {
    let known = |algorithm, kind| MultipartChecksum::new(algorithm, kind).is_some();
    for algorithm in ChecksumAlgorithm::ALL {
        let crc = !matches!(algorithm, ChecksumAlgorithm::Sha1 | ChecksumAlgorithm::Sha256);
        assert_eq!(known(algorithm, ChecksumType::FullObject), crc);
        assert_eq!(
            known(algorithm, ChecksumType::Composite),
            algorithm != ChecksumAlgorithm::Crc64Nvme
        );
    }
}

#[test]
fn a_part_of_another_algorithm_is_refused() {
    let mut sum = MultipartChecksum::new(ChecksumAlgorithm::Crc32, ChecksumType::FullObject).unwrap();
    assert!(sum.add(&checksum(ChecksumAlgorithm::Crc32c, b"x"), 1).is_none());
    assert!(sum.add(&checksum(ChecksumAlgorithm::Crc32, b"x"), 1).is_some());
    assert_eq!(
        sum.finish().unwrap().checksum,
        checksum(ChecksumAlgorithm::Crc32, b"x")
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_checksum_of_parts_is_that_of_the_whole_or_of_the_checksums(
        parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..400), 1..8),
    ) {
        for algorithm in ChecksumAlgorithm::ALL {
            for kind in [ChecksumType::FullObject, ChecksumType::Composite] {
                let Some(mut sum) = MultipartChecksum::new(algorithm, kind) else { continue };
                let sums: Vec<Checksum> = parts.iter().map(|part| checksum(algorithm, part)).collect();
                for (part, checksum) in parts.iter().zip(&sums) {
                    prop_assert!(sum.add(checksum, part.len() as u64).is_some());
                }
                let found = sum.finish().unwrap();
                let covered = match kind {
                    ChecksumType::FullObject => parts.concat(),
                    ChecksumType::Composite => sums.iter().flat_map(|sum| sum.bytes().to_vec()).collect(),
                };
                prop_assert_eq!(found.checksum, checksum(algorithm, &covered));
                prop_assert_eq!(found.kind, kind);
                let count = u32::try_from(parts.len()).unwrap();
                prop_assert_eq!(found.parts, (kind == ChecksumType::Composite).then_some(count));
            }
        }
    }
}

#[test]
fn parts_of_many_gibibytes_combine() {
    // A part of zeros as long as S3 allows, computed by doubling.
    let algorithm = ChecksumAlgorithm::Crc64Nvme;
    let mut zeros = checksum(algorithm, &[0; 1024]);
    let mut length = 1024u64;
    while length < 1 << 42 {
        let mut sum = MultipartChecksum::new(algorithm, ChecksumType::FullObject).unwrap();
        sum.add(&zeros, length).unwrap();
        sum.add(&zeros, length).unwrap();
        zeros = sum.finish().unwrap().checksum;
        length *= 2;
        if length == 1 << 20 {
            assert_eq!(zeros, checksum(algorithm, &vec![0; 1 << 20]));
        }
    }
    let mut sum = MultipartChecksum::new(algorithm, ChecksumType::FullObject).unwrap();
    sum.add(&checksum(algorithm, b""), 0).unwrap();
    sum.add(&zeros, length).unwrap();
    assert_eq!(
        sum.finish().unwrap().checksum,
        zeros,
        "an empty part changes nothing"
    );
}
