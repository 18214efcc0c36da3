//! Writing and reading blobs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod common;

use std::collections::HashSet;

use bytes::Bytes;
use common::{
    BUCKET, both_suites, decode, facts, keyring, plaintext, plan, push_all, results, store, store_as,
};
use node_crypto::footer::{ChecksumAlgorithm, Expected, FooterPlan, FooterResults, PlanError};
use node_crypto::frame::{
    ChunkSize, DecodeError, Decoder, EncodeError, Encoder, MAX_PLAINTEXT_LEN, Protection, VerifyError,
};
use node_crypto::{BlobId, Crc64Nvme, Encryption, EncryptionDisabled};
use proptest::prelude::*;

fn any_chunk() -> impl Strategy<Value = ChunkSize> {
    prop_oneof![
        Just(ChunkSize::MIN),
        Just(ChunkSize::from_log2(13).unwrap()),
        Just(ChunkSize::DEFAULT)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_was_written_is_read_whatever_the_pieces(
        chunk in any_chunk(),
        len in 0..200_000_usize,
        write_piece in 1..70_000_usize,
        read_piece in 1..70_000_usize,
    ) {
        let plaintext = plaintext(len);
        for (encryption, keyring) in both_suites() {
            let stored = store_as(&encryption, BlobId::generate().unwrap(), chunk, &plaintext, write_piece);
            let (read, end) = stored.read(&keyring, &stored.bytes, read_piece);
            prop_assert_eq!(end, Ok(()));
            prop_assert!(read == plaintext);
            prop_assert_eq!(stored.crc64_nvme, Crc64Nvme::of(&stored.bytes));
            let footer = stored.verify(&keyring, &stored.bytes).unwrap();
            prop_assert_eq!(footer.facts(), &facts(stored.blob));
            prop_assert_eq!(footer.results(), &results(len as u64));
            prop_assert_eq!(footer.trailer().protection(), &stored.protection);
        }
    }

    #[test]
    fn every_range_reads_the_bytes_of_the_whole(
        chunk in any_chunk(), len in 1..200_000_usize, a: u64, b: u64, piece in 1..70_000_usize,
    ) {
        let plaintext = plaintext(len);
        let (a, b) = (a % len as u64, b % len as u64);
        let range = a.min(b)..a.max(b) + 1;
        for (encryption, keyring) in both_suites() {
            let stored = store(&encryption, chunk, &plaintext);
            let map = stored.layout.range(range.clone()).unwrap();
            let asked = &stored.bytes[map.stored().start as usize..map.stored().end as usize];
            let opener = keyring.opener(stored.blob, chunk, &stored.protection).unwrap();
            let (read, end) = decode(Decoder::new(opener, map), asked, piece);
            prop_assert_eq!(end, Ok(()));
            prop_assert!(read == plaintext[range.start as usize..range.end as usize]);
        }
    }

    #[test]
    fn a_read_continues_on_another_replica_wherever_the_first_one_fails(
        chunk in any_chunk(), len in 1..100_000_usize, a: u64, b: u64, cut: prop::sample::Index, damage: bool,
    ) {
        let plaintext = plaintext(len);
        let (a, b) = (a % len as u64, b % len as u64);
        let range = a.min(b)..a.max(b) + 1;
        for (encryption, keyring) in both_suites() {
            let stored = store(&encryption, chunk, &plaintext);
            let map = stored.layout.range(range.clone()).unwrap();
            let opener = keyring.opener(stored.blob, chunk, &stored.protection).unwrap();
            let mut decoder = Decoder::new(opener, map);
            let mut released = Vec::new();

            let mut first = stored.bytes[map.stored().start as usize..map.stored().end as usize].to_vec();
            let cut = cut.index(first.len());
            if damage { first[cut] ^= 0x40 } else { first.truncate(cut) }
            let mut failed = false;
            for piece in first.chunks(3000) {
                let mut piece = Bytes::copy_from_slice(piece);
                loop {
                    match decoder.push(&mut piece) {
                        Ok(Some(plaintext)) => released.extend_from_slice(&plaintext),
                        Ok(None) => break,
                        Err(_) => { failed = true; break }
                    }
                }
                if failed { break }
            }
            prop_assert!(failed || decoder.finish().is_err());
            prop_assert_eq!(decoder.position(), range.start + released.len() as u64);

            let rest = decoder.resume().unwrap();
            let mut rest = Bytes::copy_from_slice(&stored.bytes[rest.start as usize..rest.end as usize]);
            while let Some(plaintext) = decoder.push(&mut rest).unwrap() {
                released.extend_from_slice(&plaintext);
            }
            decoder.finish().unwrap();
            prop_assert_eq!(decoder.resume(), None);
            prop_assert!(released == plaintext[range.start as usize..range.end as usize]);
        }
    }

    #[test]
    fn arbitrary_bytes_never_pass_for_a_blob(bytes in prop::collection::vec(any::<u8>(), 0..20_000), piece in 1..5000_usize) {
        for (encryption, keyring) in both_suites() {
            let stored = store(&encryption, ChunkSize::MIN, &plaintext(10_000));
            let (released, end) = stored.read(&keyring, &bytes, piece);
            prop_assert!(released.is_empty());
            prop_assert!(end.is_err());
            prop_assert!(stored.verify(&keyring, &bytes).is_err());
        }
    }
}

#[test]
fn bytes_of_one_piece_are_decrypted_where_they_lie_or_in_a_copy() {
    let plaintext = plaintext(ChunkSize::DEFAULT.bytes());
    for (encryption, keyring) in both_suites() {
        let stored = store(&encryption, ChunkSize::DEFAULT, &plaintext);
        for shared in [false, true] {
            let opener = keyring
                .opener(stored.blob, ChunkSize::DEFAULT, &stored.protection)
                .unwrap();
            let mut decoder = Decoder::new(opener, stored.layout.whole());
            let body = &stored.bytes[..stored.layout.body_len() as usize];
            assert!(
                decoder
                    .push(&mut Bytes::copy_from_slice(&body[..32]))
                    .unwrap()
                    .is_none()
            );
            let mut chunk = Bytes::copy_from_slice(&body[32..]);
            let other_owner = shared.then(|| chunk.clone());
            assert_eq!(decoder.push(&mut chunk).unwrap().unwrap(), plaintext);
            // Whoever shares the stored bytes still sees them as they were.
            assert!(other_owner.is_none_or(|bytes| bytes == body[32..]));
        }
    }
}

#[test]
fn a_small_blob_leaves_in_one_piece_and_only_at_its_end() {
    for (encryption, keyring) in both_suites() {
        let blob = BlobId::generate().unwrap();
        let sealer = encryption.sealer(BUCKET, blob, ChunkSize::MIN).unwrap();
        let mut encoder = Encoder::new(sealer, 10_000, plan(blob)).unwrap();
        let layout = *encoder.layout();
        let protection = *encoder.protection();
        assert!(push_all(&mut encoder, &plaintext(10_000), 100).is_empty());
        let sealed = encoder.finish(results(10_000)).unwrap();
        assert_eq!(sealed.tail.len() as u64, sealed.stored_len);
        let opener = keyring.opener(blob, ChunkSize::MIN, &protection).unwrap();
        let body = &sealed.tail[..layout.body_len() as usize];
        assert_eq!(
            decode(Decoder::new(opener, layout.whole()), body, 9).0,
            plaintext(10_000)
        );
    }
}

#[test]
fn the_last_chunk_does_not_leave_before_the_body_was_verified() {
    for (encryption, _) in both_suites() {
        let blob = BlobId::generate().unwrap();
        let len = 4 * ChunkSize::DEFAULT.bytes();
        let sealer = encryption.sealer(BUCKET, blob, ChunkSize::DEFAULT).unwrap();
        let mut encoder = Encoder::new(sealer, len as u64, plan(blob)).unwrap();
        let last_chunk_at = encoder.layout().body_len() - (ChunkSize::DEFAULT.bytes() as u64 + 16);
        let sent = push_all(&mut encoder, &plaintext(len), 77_777);
        assert_eq!(sent.len() as u64, last_chunk_at);
    }
}

#[test]
fn equal_plaintext_gives_unequal_ciphertext() {
    let encryption = Encryption::Enabled(keyring());
    let first = store(&encryption, ChunkSize::MIN, &plaintext(9000));
    let again = store_as(&encryption, first.blob, ChunkSize::MIN, &plaintext(9000), 1000);
    assert_ne!(first.bytes[32..9000], again.bytes[32..9000]);
    assert!(
        !first
            .bytes
            .windows(16)
            .any(|window| window == &plaintext(9000)[64..80])
    );
}

#[test]
fn nothing_of_an_encrypted_blob_shows_names_or_metadata() {
    let stored = store(
        &Encryption::Enabled(keyring()),
        ChunkSize::MIN,
        b"secret body bytes, secret body bytes",
    );
    let clear = store(
        &Encryption::Disabled(EncryptionDisabled::by_settings()),
        ChunkSize::MIN,
        b"secret body bytes, secret body bytes",
    );
    for word in [
        "photos",
        "aurora",
        "image/jpeg",
        "pinhole",
        "camera",
        "d41d8cd9",
        "secret body",
    ] {
        let find = |bytes: &[u8]| bytes.windows(word.len()).any(|window| window == word.as_bytes());
        assert!(!find(&stored.bytes), "{word}");
        assert!(
            find(&clear.bytes),
            "{word} should stand in a clear blob, else this test proves nothing"
        );
    }
}

#[test]
fn more_plaintext_than_announced_is_refused_for_good() {
    for (encryption, _) in both_suites() {
        let blob = BlobId::generate().unwrap();
        let sealer = encryption.sealer(BUCKET, blob, ChunkSize::MIN).unwrap();
        let mut encoder = Encoder::new(sealer, 5, plan(blob)).unwrap();
        assert!(matches!(
            encoder.push(&mut &b"123456"[..]),
            Err(EncodeError::Overrun { announced: 5, .. })
        ));
        assert!(matches!(
            encoder.push(&mut &b""[..]),
            Err(EncodeError::AfterFailure { .. })
        ));
        assert!(matches!(encoder.pad(), Err(EncodeError::AfterFailure { .. })));
        assert!(matches!(
            encoder.finish(results(5)),
            Err(EncodeError::AfterFailure { .. })
        ));
    }
}

#[test]
fn less_plaintext_than_announced_gives_no_footer() {
    for (encryption, _) in both_suites() {
        for (announced, given) in [(1, 0), (5000, 4999), (5000, 4096), (8192, 4096)] {
            let blob = BlobId::generate().unwrap();
            let sealer = encryption.sealer(BUCKET, blob, ChunkSize::MIN).unwrap();
            let mut encoder = Encoder::new(sealer, announced, plan(blob)).unwrap();
            push_all(&mut encoder, &plaintext(given), 4096);
            let missing = announced - given as u64;
            let error = encoder.finish(results(given as u64)).unwrap_err();
            assert!(
                matches!(error, EncodeError::Underrun { missing: m, .. } if m == missing),
                "{error}"
            );
        }
    }
}

#[test]
fn a_body_of_unknown_length_is_padded_to_its_bound() {
    for (encryption, keyring) in both_suites() {
        for (bound, given) in [(300_000, 100_001), (300_000, 0), (4096, 4096), (70_000, 65_536)] {
            let blob = BlobId::generate().unwrap();
            let sealer = encryption.sealer(BUCKET, blob, ChunkSize::DEFAULT).unwrap();
            let mut encoder = Encoder::new(sealer, bound, plan(blob)).unwrap();
            let (layout, protection) = (*encoder.layout(), *encoder.protection());
            let mut bytes = push_all(&mut encoder, &plaintext(given), 5000);
            while let Some(batch) = encoder.pad().unwrap() {
                bytes.extend_from_slice(&batch);
            }
            bytes.extend_from_slice(&encoder.finish(results(given as u64)).unwrap().tail);
            let stored = common::Stored {
                blob,
                layout,
                protection,
                bytes,
                crc64_nvme: 0,
            };
            let footer = stored.verify(&keyring, &stored.bytes).unwrap();
            assert_eq!(footer.results().content_len, given as u64);
            let (read, end) = stored.read(&keyring, &stored.bytes, 10_000);
            end.unwrap();
            assert_eq!(read[..given], plaintext(given));
            assert!(read.len() as u64 == bound && read[given..].iter().all(|byte| *byte == 0));
        }
    }
}

#[test]
fn a_blob_over_1_gib_is_refused_before_its_first_byte() {
    for (encryption, _) in both_suites() {
        let blob = BlobId::generate().unwrap();
        let sealer = encryption.sealer(BUCKET, blob, ChunkSize::DEFAULT).unwrap();
        assert!(matches!(
            Encoder::new(sealer, MAX_PLAINTEXT_LEN + 1, plan(blob)),
            Err(EncodeError::Layout(_))
        ));
    }
}

#[test]
fn results_that_were_not_planned_for_are_refused() {
    for (encryption, _) in both_suites() {
        let attempt = |expected: Expected<'_>, results: FooterResults| {
            let blob = BlobId::generate().unwrap();
            let sealer = encryption.sealer(BUCKET, blob, ChunkSize::MIN).unwrap();
            let plan = FooterPlan::new(facts(blob), expected).unwrap();
            let mut encoder = Encoder::new(sealer, 3, plan).unwrap();
            push_all(&mut encoder, b"abc", 1);
            encoder.finish(results).map(|_| ()).map_err(|error| match error {
                EncodeError::Footer { source, .. } => source,
                other => panic!("{other}"),
            })
        };
        let mut all = results(3);
        let body = all.body.as_mut().unwrap();
        body.etag = "e".repeat(40);
        body.checksums = ChecksumAlgorithm::ALL
            .map(|algorithm| node_crypto::footer::Checksum {
                algorithm,
                value: vec![0xee; algorithm.digest_len()],
            })
            .to_vec();
        assert_eq!(
            attempt(Expected::Last(&ChecksumAlgorithm::ALL), all.clone()),
            Ok(())
        );
        assert_eq!(attempt(Expected::Inner, all.clone()), Err(PlanError::NotReserved));
        assert_eq!(
            attempt(
                Expected::Inner,
                FooterResults {
                    content_len: 3,
                    body: None
                }
            ),
            Ok(())
        );
        assert_eq!(
            attempt(
                Expected::Inner,
                FooterResults {
                    content_len: 4,
                    body: None
                }
            ),
            Err(PlanError::ContentLength(4))
        );
        all.body.as_mut().unwrap().checksums[1].value.push(0);
        assert_eq!(
            attempt(Expected::Last(&ChecksumAlgorithm::ALL), all.clone()),
            Err(PlanError::Digest(ChecksumAlgorithm::Crc32c))
        );
        all.body.as_mut().unwrap().etag.push('e');
        assert!(matches!(
            attempt(Expected::Last(&ChecksumAlgorithm::ALL), all),
            Err(PlanError::Field { .. })
        ));
    }
}

#[test]
fn reading_does_not_go_on_after_an_error_unless_resumed() {
    for (encryption, keyring) in both_suites() {
        let stored = store(&encryption, ChunkSize::MIN, &plaintext(20_000));
        let opener = keyring
            .opener(stored.blob, ChunkSize::MIN, &stored.protection)
            .unwrap();
        let mut decoder = Decoder::new(opener, stored.layout.whole());
        let mut bad = stored.bytes.clone();
        bad[5000] ^= 1;
        let mut bad = Bytes::from(bad);
        assert_eq!(decoder.push(&mut bad).unwrap().unwrap(), plaintext(4096));
        assert_eq!(
            decoder.push(&mut bad),
            Err(DecodeError::Chunk {
                blob: stored.blob,
                index: 1
            })
        );
        assert_eq!(
            decoder.push(&mut bad),
            Err(DecodeError::AfterFailure { blob: stored.blob })
        );
        assert_eq!(
            decoder.finish(),
            Err(DecodeError::AfterFailure { blob: stored.blob })
        );
        assert_eq!(decoder.resume(), Some(32 + 4112..stored.layout.body_len()));
        assert_eq!(
            decoder.finish(),
            Err(DecodeError::Truncated {
                blob: stored.blob,
                index: 1
            })
        );
    }
}

#[test]
fn the_metadata_of_a_clear_blob_names_no_key() {
    let stored = store(&both_suites()[0].0, ChunkSize::MIN, b"x");
    assert_eq!(stored.protection, Protection::Clear);
}

#[test]
fn a_blob_of_the_wrong_length_is_reported_as_such() {
    for (encryption, keyring) in both_suites() {
        let stored = store(&encryption, ChunkSize::MIN, &plaintext(5000));
        let len = stored.bytes.len() as u64;
        let verify = |bytes: &[u8]| {
            let mut verifier = stored.verifier(&keyring);
            verifier.push(Bytes::copy_from_slice(bytes))?;
            verifier.finish()
        };
        assert!(verify(&stored.bytes).is_ok());
        let error = verify(&stored.bytes[..stored.bytes.len() - 1]).unwrap_err();
        assert!(
            matches!(error, VerifyError::Length { found, expected } if (found, expected) == (len - 1, len))
        );
        let error = verify(&[stored.bytes.as_slice(), &[0]].concat()).unwrap_err();
        assert!(
            matches!(error, VerifyError::Length { found, expected } if (found, expected) == (len + 1, len))
        );
    }
}

#[test]
fn memory_of_what_was_sent_and_received_is_used_again() {
    for (encryption, keyring) in both_suites() {
        let blob = BlobId::generate().unwrap();
        let len = 40 * ChunkSize::DEFAULT.bytes();
        let sealer = encryption.sealer(BUCKET, blob, ChunkSize::DEFAULT).unwrap();
        let mut encoder = Encoder::new(sealer, len as u64, plan(blob)).unwrap();
        let (layout, protection) = (*encoder.layout(), *encoder.protection());
        let opener = keyring.opener(blob, ChunkSize::DEFAULT, &protection).unwrap();
        let mut decoder = Decoder::new(opener, layout.whole());
        let (mut sent_from, mut received_in) = (HashSet::new(), HashSet::new());
        // Takes whatever memory a batch gives back, so that only kept memory is met again.
        let mut taken: Vec<Vec<u8>> = Vec::new();
        for mut piece in plaintext(len).chunks(10_000) {
            while let Some(batch) = encoder.push(&mut piece).unwrap() {
                sent_from.insert(batch.as_ptr());
                // Pieces that never hold a whole chunk, as a connection delivers them.
                for piece in batch.chunks(50_000) {
                    let mut piece = Bytes::copy_from_slice(piece);
                    while let Some(plaintext) = decoder.push(&mut piece).unwrap() {
                        received_in.insert(plaintext.as_ptr());
                    }
                    taken.push(Vec::with_capacity(piece.len()));
                }
                taken.push(Vec::with_capacity(batch.len()));
                drop(batch);
                taken.push(Vec::with_capacity(ChunkSize::DEFAULT.bytes() + 16));
            }
        }
        // The first batch, which holds the header, and the rest.
        assert!(sent_from.len() <= 2, "{} places", sent_from.len());
        assert!(received_in.len() <= 2, "{} places", received_in.len());
    }
}
