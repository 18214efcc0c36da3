//! What is declared of a payload, and what it turns out to be.

use api::port::{BodyError, ChecksumAlgorithm, VerifiedBody as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use sha1::Sha1;
use sha2::Sha256;

use crate::signer::sha256_hex;
use crate::support::{Script, UNSIGNED, UNSIGNED_TRAILER, Upload, frame_chunks, resources};

/// Below, at and above the length up to which a payload is hashed where it is read.
const LENGTHS: [usize; 7] = [0, 1, 4096, 128 * 1024, 128 * 1024 + 1, 1_000_003, 3 << 20];

fn data(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index * 7 + index / 251) as u8).collect()
}

/// A CRC computed bit by bit, reflected, from its polynomial.
fn crc(bytes: &[u8], width: u32, polynomial: u64) -> Vec<u8> {
    let ones = u64::MAX >> (64 - width);
    let mut crc = ones;
    for byte in bytes {
        crc ^= u64::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (polynomial & (crc & 1).wrapping_neg());
        }
    }
    (crc ^ ones).to_be_bytes()[8 - width as usize / 8..].to_vec()
}

fn checksum(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> Vec<u8> {
    match algorithm {
        ChecksumAlgorithm::Crc32 => crc(bytes, 32, 0xedb8_8320),
        ChecksumAlgorithm::Crc32c => crc(bytes, 32, 0x82f6_3b78),
        ChecksumAlgorithm::Crc64Nvme => crc(bytes, 64, 0x9a6c_9329_ac4b_c9b5),
        ChecksumAlgorithm::Sha1 => Sha1::digest(bytes).to_vec(),
        ChecksumAlgorithm::Sha256 => Sha256::digest(bytes).to_vec(),
    }
}

#[test]
fn the_judge_computes_the_catalogued_check_values() {
    assert_eq!(
        checksum(ChecksumAlgorithm::Crc32, b"123456789"),
        0xcbf4_3926u32.to_be_bytes()
    );
    assert_eq!(
        checksum(ChecksumAlgorithm::Crc32c, b"123456789"),
        0xe306_9283u32.to_be_bytes()
    );
    assert_eq!(
        checksum(ChecksumAlgorithm::Crc64Nvme, b"123456789"),
        0xae8b_1486_0a79_9888u64.to_be_bytes()
    );
}

#[tokio::test]
async fn every_checksum_is_verified_in_header_and_trailer_at_every_length() {
    for length in LENGTHS {
        let data = data(length);
        for algorithm in ChecksumAlgorithm::ALL {
            let value = checksum(algorithm, &data);
            let text = STANDARD.encode(&value);
            let header = Upload::whole(UNSIGNED, length).header(algorithm.header(), &text);
            let trailer =
                Upload::chunked(UNSIGNED_TRAILER, length).header("x-amz-trailer", algorithm.header());
            let chunks: Vec<&[u8]> = data.chunks(70_000).collect();
            let framed = frame_chunks(&chunks, &format!("{}:{text}\r\n", algorithm.header()));
            for (upload, wire) in [(header, data.clone()), (trailer, framed)] {
                let outcome = upload.read(Script::of(wire.chunks(9_999))).await;
                assert_eq!(outcome.yielded, data);
                let digests = outcome.digests.unwrap();
                assert_eq!(digests.checksum.unwrap().algorithm(), algorithm);
                assert_eq!(digests.checksum.unwrap().bytes(), value);
                assert_eq!(digests.md5, <[u8; 16]>::from(Md5::digest(&data)));
                assert_eq!(digests.length, length as u64);
            }
            let mut wrong = value;
            wrong[0] ^= 1;
            let upload = Upload::whole(UNSIGNED, length).header(algorithm.header(), &STANDARD.encode(&wrong));
            let outcome = upload.read(Script::of(data.chunks(9_999))).await;
            assert_eq!(
                outcome.digests,
                Err(BodyError::ChecksumMismatch(algorithm)),
                "{length}"
            );
        }
    }
}

#[tokio::test]
async fn the_signed_sha256_is_verified_at_every_length() {
    for length in LENGTHS {
        let data = data(length);
        let upload = Upload::whole(&sha256_hex(&data), length);
        let outcome = upload.read(Script::of(data.chunks(9_999))).await;
        assert_eq!(outcome.digests.unwrap().md5, <[u8; 16]>::from(Md5::digest(&data)));
        if length == 0 {
            continue;
        }
        let mut changed = data.clone();
        changed[length / 2] ^= 1;
        let outcome = upload.read(Script::of(changed.chunks(9_999))).await;
        assert_eq!(outcome.digests, Err(BodyError::Sha256Mismatch), "{length}");
    }
    let nothing = Upload::whole(&sha256_hex(b"something"), 0);
    assert_eq!(
        nothing.read(Script::default()).await.digests,
        Err(BodyError::Sha256Mismatch)
    );
}

#[tokio::test]
async fn content_md5_is_verified_at_every_length() {
    for length in LENGTHS {
        let data = data(length);
        let right = STANDARD.encode(Md5::digest(&data));
        let wrong = STANDARD.encode(Md5::digest(b"something else"));
        let upload = |md5: &str| Upload::whole(UNSIGNED, length).header("content-md5", md5);
        assert!(
            upload(&right)
                .read(Script::of(data.chunks(9_999)))
                .await
                .digests
                .is_ok()
        );
        let outcome = upload(&wrong).read(Script::of(data.chunks(9_999))).await;
        assert_eq!(outcome.digests, Err(BodyError::Md5Mismatch), "{length}");
    }
}

#[tokio::test]
async fn all_declarations_are_verified_at_once() {
    let data = data(300_000);
    let declared = |sha256: &str, md5: &str, sha1: &str| {
        Upload::whole(sha256, data.len())
            .header("content-md5", md5)
            .header("x-amz-checksum-sha1", sha1)
    };
    let sha256 = sha256_hex(&data);
    let md5 = STANDARD.encode(Md5::digest(&data));
    let sha1 = STANDARD.encode(Sha1::digest(&data));
    let read = async |upload: Upload| upload.read(Script::of(data.chunks(50_000))).await.digests;
    assert!(read(declared(&sha256, &md5, &sha1)).await.is_ok());
    let other = STANDARD.encode([0; 16]);
    assert_eq!(
        read(declared(&sha256, &other, &sha1)).await,
        Err(BodyError::Md5Mismatch)
    );
    let other = STANDARD.encode([0; 20]);
    let mismatch = Err(BodyError::ChecksumMismatch(ChecksumAlgorithm::Sha1));
    assert_eq!(read(declared(&sha256, &md5, &other)).await, mismatch);
    let other = sha256_hex(b"");
    let upload = declared(&other, &md5, &sha1);
    assert_eq!(upload.refused(), api::s3::body::SpecError::NotEmpty);
}

#[tokio::test]
async fn a_checksum_that_nobody_declared_is_computed_on_request() {
    for length in [10, 500_000] {
        let data = data(length);
        for algorithm in ChecksumAlgorithm::ALL {
            let spec = Upload::whole(UNSIGNED, length).object().0;
            let mut body = resources().open(spec, Script::of(data.chunks(10_000)));
            assert_eq!(body.declared_checksum(), None);
            body.compute_checksum(algorithm);
            while body.next().await.unwrap().is_some() {}
            let digests = body.finish().await.unwrap();
            assert_eq!(digests.checksum.unwrap().bytes(), checksum(algorithm, &data));
        }
        let crc = STANDARD.encode(checksum(ChecksumAlgorithm::Crc32, &data));
        let spec = Upload::whole(UNSIGNED, length)
            .header("x-amz-checksum-crc32", &crc)
            .object()
            .0;
        let mut body = resources().open(spec, Script::of(data.chunks(10_000)));
        body.compute_checksum(ChecksumAlgorithm::Sha1);
        assert_eq!(
            body.declared_checksum(),
            Some(ChecksumAlgorithm::Crc32),
            "the declared one counts"
        );
        while body.next().await.unwrap().is_some() {}
        assert_eq!(
            body.finish().await.unwrap().checksum.unwrap().algorithm(),
            ChecksumAlgorithm::Crc32
        );
    }
}

#[tokio::test]
async fn a_checksum_that_was_moved_to_the_query_is_verified() {
    let data = data(100);
    let value = STANDARD.encode(checksum(ChecksumAlgorithm::Crc32, &data));
    let upload = Upload::whole(UNSIGNED, 100).query("x-amz-checksum-crc32", &value);
    let upload = upload.query("x-amz-sdk-checksum-algorithm", "CRC32");
    let digests = upload.read(Script::of([&data])).await.digests.unwrap();
    assert_eq!(digests.checksum.unwrap().algorithm(), ChecksumAlgorithm::Crc32);
    let empty = Upload::whole(UNSIGNED, 100).query("X-Amz-Checksum-Crc32", "AAAAAA==");
    let outcome = empty.read(Script::of([&data])).await;
    assert_eq!(
        outcome.digests,
        Err(BodyError::ChecksumMismatch(ChecksumAlgorithm::Crc32))
    );
}
