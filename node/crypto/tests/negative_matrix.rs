//! Everything that a backend may do to stored bytes, in both suites: each alteration is an error,
//! and no byte of an altered chunk is released. `reliability.md` 4.5 is the list.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod common;

use std::sync::Arc;

use common::{Stored, both_suites, decode, keyring, plaintext, store, store_as};
use node_crypto::footer::{Footer, FooterError, Trailer};
use node_crypto::frame::{ChunkSize, Decoder, Header, Layout, Suite, TAG_LEN};
use node_crypto::keys::Keyring;
use node_crypto::{BlobId, Encryption};

const CHUNK: ChunkSize = ChunkSize::MIN;
const STORED_CHUNK: usize = 4096 + TAG_LEN;
const HEADER: usize = 32;

/// Three chunks, the last one short.
const LEN: usize = 2 * 4096 + 500;

/// `bytes` in place of those stored: both readers must fail, and whatever is released must be a
/// prefix of the truth that ends before the damage.
fn must_fail(stored: &Stored, keyring: &Keyring, bytes: &[u8], what: &str) {
    let truth = plaintext(stored.layout.plaintext_len() as usize);
    let body_len = stored.layout.body_len() as usize;
    let differs = bytes
        .iter()
        .zip(&stored.bytes)
        .position(|(a, b)| a != b)
        .unwrap_or(bytes.len().min(stored.bytes.len()));
    assert!(
        stored.verify(keyring, bytes).is_err(),
        "{what}: accepted as a whole"
    );

    let (released, end) = stored.read(keyring, bytes, 1500);
    assert!(
        truth.starts_with(&released),
        "{what}: released what was never written"
    );
    let intact_chunks = differs.saturating_sub(HEADER) / STORED_CHUNK;
    if differs < body_len {
        assert!(end.is_err(), "{what}: read to the end");
        assert!(
            released.len() <= intact_chunks * 4096,
            "{what}: released a damaged chunk"
        );
    } else {
        assert_eq!(end, Ok(()), "{what}: the body is intact");
    }
}

fn chunks(stored: &Stored) -> Vec<Vec<u8>> {
    stored.bytes[HEADER..stored.layout.body_len() as usize]
        .chunks(STORED_CHUNK)
        .map(<[u8]>::to_vec)
        .collect()
}

fn reassemble(stored: &Stored, chunks: &[Vec<u8>]) -> Vec<u8> {
    [
        &stored.bytes[..HEADER],
        &chunks.concat(),
        &stored.bytes[stored.layout.body_len() as usize..],
    ]
    .concat()
}

#[test]
fn the_unaltered_blob_passes() {
    for (encryption, keyring) in both_suites() {
        let stored = store(&encryption, CHUNK, &plaintext(LEN));
        stored.verify(&keyring, &stored.bytes).unwrap();
        assert_eq!(chunks(&stored).len(), 3);
        assert_eq!(reassemble(&stored, &chunks(&stored)), stored.bytes);
    }
}

#[test]
fn flipping_any_byte_is_seen() {
    for (encryption, keyring) in both_suites() {
        let stored = store(&encryption, CHUNK, &plaintext(LEN));
        let mut bytes = stored.bytes.clone();
        for at in 0..bytes.len() {
            let flip = 1_u8 << (at % 8);
            bytes[at] ^= flip;
            must_fail(&stored, &keyring, &bytes, &format!("byte {at}"));
            bytes[at] ^= flip;
        }
    }
}

#[test]
fn dropping_a_chunk_is_seen() {
    for (encryption, keyring) in both_suites() {
        let stored = store(&encryption, CHUNK, &plaintext(LEN));
        for index in 0..3 {
            let mut chunks = chunks(&stored);
            chunks.remove(index);
            must_fail(
                &stored,
                &keyring,
                &reassemble(&stored, &chunks),
                &format!("without chunk {index}"),
            );
        }
    }
}

#[test]
fn doubling_a_chunk_is_seen() {
    for (encryption, keyring) in both_suites() {
        // Four full chunks, so that a doubled one can also push out another without changing lengths.
        let stored = store(&encryption, CHUNK, &plaintext(4 * 4096));
        for index in 0..4 {
            let mut longer = chunks(&stored);
            longer.insert(index, longer[index].clone());
            must_fail(
                &stored,
                &keyring,
                &reassemble(&stored, &longer),
                &format!("chunk {index} twice"),
            );
            for over in (0..4).filter(|over| *over != index) {
                let mut same_length = chunks(&stored);
                same_length[over] = same_length[index].clone();
                must_fail(
                    &stored,
                    &keyring,
                    &reassemble(&stored, &same_length),
                    &format!("{index} over {over}"),
                );
            }
        }
    }
}

#[test]
fn swapping_chunks_is_seen() {
    for (encryption, keyring) in both_suites() {
        let stored = store(&encryption, CHUNK, &plaintext(4 * 4096));
        for (a, b) in [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)] {
            let mut chunks = chunks(&stored);
            chunks.swap(a, b);
            must_fail(
                &stored,
                &keyring,
                &reassemble(&stored, &chunks),
                &format!("{a} with {b}"),
            );
        }
    }
}

#[test]
fn cutting_anywhere_around_a_boundary_is_seen() {
    for (encryption, keyring) in both_suites() {
        let stored = store(&encryption, CHUNK, &plaintext(LEN));
        let body = stored.layout.body_len() as usize;
        let end = stored.bytes.len();
        let boundaries = [
            0,
            8,
            HEADER,
            HEADER + STORED_CHUNK,
            HEADER + 2 * STORED_CHUNK,
            body,
            end - 184,
            end,
        ];
        for cut in boundaries
            .into_iter()
            .flat_map(|at| [at.wrapping_sub(1), at, at + 1])
            .filter(|cut| *cut < end)
        {
            must_fail(&stored, &keyring, &stored.bytes[..cut], &format!("cut at {cut}"));
        }
    }
}

/// A chunk of the middle that poses as the end: the metadata's length and the last flag both object.
#[test]
fn a_blob_cut_at_a_chunk_boundary_is_no_shorter_blob() {
    for (encryption, keyring) in both_suites() {
        let stored = store(&encryption, CHUNK, &plaintext(3 * 4096));
        let shorter = Layout::new(CHUNK, 2 * 4096).unwrap();
        let opener = keyring.opener(stored.blob, CHUNK, &stored.protection).unwrap();
        let body = &stored.bytes[..shorter.body_len() as usize];
        let (released, end) = decode(Decoder::new(opener, shorter.whole()), body, 999);
        assert_eq!(released, plaintext(4096));
        assert!(end.is_err());

        let longer = Layout::new(CHUNK, 4 * 4096).unwrap();
        let opener = keyring.opener(stored.blob, CHUNK, &stored.protection).unwrap();
        let body = &stored.bytes[..stored.layout.body_len() as usize];
        let (released, end) = decode(Decoder::new(opener, longer.whole()), body, 999);
        assert_eq!(released, plaintext(2 * 4096));
        assert!(end.is_err());
    }
}

#[test]
fn appending_is_seen() {
    for (encryption, keyring) in both_suites() {
        for len in [0, 1, 4096, LEN] {
            let stored = store(&encryption, CHUNK, &plaintext(len));
            for extra in [&[0][..], &[0; 4112], &stored.bytes] {
                must_fail(&stored, &keyring, &[&stored.bytes, extra].concat(), "appended");
            }
            // A range response that is longer than what was asked for.
            let opener = keyring.opener(stored.blob, CHUNK, &stored.protection).unwrap();
            let body = &stored.bytes[..stored.layout.body_len() as usize + 1];
            assert!(
                decode(Decoder::new(opener, stored.layout.whole()), body, 4000)
                    .1
                    .is_err()
            );
        }
    }
}

#[test]
fn swapping_two_blobs_of_equal_length_is_seen() {
    for (encryption, keyring) in both_suites() {
        let one = store(&encryption, CHUNK, &plaintext(LEN));
        let other = store(&encryption, CHUNK, &plaintext(LEN));
        assert_eq!(one.bytes.len(), other.bytes.len());
        must_fail(&one, &keyring, &other.bytes, "other blob");
        must_fail(&other, &keyring, &one.bytes, "one blob");
        // And so is each part of it.
        let body = one.layout.body_len() as usize;
        must_fail(
            &one,
            &keyring,
            &[&other.bytes[..HEADER], &one.bytes[HEADER..]].concat(),
            "other header",
        );
        must_fail(
            &one,
            &keyring,
            &[
                &one.bytes[..HEADER],
                &other.bytes[HEADER..body],
                &one.bytes[body..],
            ]
            .concat(),
            "other body",
        );
        must_fail(
            &one,
            &keyring,
            &[&one.bytes[..body], &other.bytes[body..]].concat(),
            "other footer",
        );
        for index in 0..3 {
            let mut mixed = chunks(&one);
            mixed[index] = chunks(&other)[index].clone();
            must_fail(
                &one,
                &keyring,
                &reassemble(&one, &mixed),
                &format!("chunk {index} of the other blob"),
            );
        }
    }
}

/// The same object written before: another blob, even where key, place and bytes are equal.
#[test]
fn replaying_an_older_blob_is_seen() {
    for (encryption, keyring) in both_suites() {
        let older = store(&encryption, CHUNK, &plaintext(LEN));
        let newer = store(&encryption, CHUNK, &plaintext(LEN));
        must_fail(&newer, &keyring, &older.bytes, "older blob");
    }
}

/// Even under a blob id that was wrongly given out twice, suite 1 tells the two apart by their keys.
#[test]
fn replaying_a_blob_of_the_same_id_is_seen_in_suite_1() {
    let keyring = keyring();
    let encryption = Encryption::Enabled(Arc::clone(&keyring));
    let blob = BlobId::generate().unwrap();
    let older = store_as(&encryption, blob, CHUNK, &plaintext(LEN), 1000);
    let newer = store_as(&encryption, blob, CHUNK, &plaintext(LEN), 1000);
    let (released, end) = newer.read(&keyring, &older.bytes, 1000);
    assert!(released.is_empty() && end.is_err());
}

#[test]
fn every_change_of_the_header_is_seen() {
    for (encryption, keyring) in both_suites() {
        let stored = store(&encryption, CHUNK, &plaintext(LEN));
        let header = Header::decode(stored.bytes[..HEADER].try_into().unwrap()).unwrap();
        let other_suite = match header.suite {
            Suite::Clear => Suite::Aes256Gcm,
            Suite::Aes256Gcm => Suite::Clear,
        };
        for changed in [
            Header {
                suite: other_suite,
                ..header
            },
            Header {
                chunk: ChunkSize::from_log2(13).unwrap(),
                ..header
            },
            Header {
                chunk: ChunkSize::MAX,
                ..header
            },
            Header {
                blob: BlobId([0; 16]),
                ..header
            },
        ] {
            let bytes = [&changed.encode(), &stored.bytes[HEADER..]].concat();
            must_fail(&stored, &keyring, &bytes, &format!("{changed:?}"));
        }
    }
}

#[test]
fn ranges_at_every_boundary_equal_the_full_read_and_see_damage() {
    let len = 3 * 4096;
    let around: Vec<u64> = (0..=3_u64)
        .flat_map(|index| [(index * 4096).saturating_sub(1), index * 4096, index * 4096 + 1])
        .filter(|at| *at <= len)
        .collect();
    for (encryption, keyring) in both_suites() {
        let truth = plaintext(len as usize);
        let stored = store(&encryption, CHUNK, &truth);
        for start in &around {
            for end in around.iter().filter(|end| *end > start) {
                let map = stored.layout.range(*start..*end).unwrap();
                let asked = map.stored().start as usize..map.stored().end as usize;
                let read = |bytes: &[u8], piece| {
                    let opener = keyring.opener(stored.blob, CHUNK, &stored.protection).unwrap();
                    decode(Decoder::new(opener, map), bytes, piece)
                };
                let (released, ending) = read(&stored.bytes[asked.clone()], 700);
                assert_eq!(
                    (ending, released.as_slice()),
                    (Ok(()), &truth[*start as usize..*end as usize])
                );
                // One byte less, one byte more, one byte off, one bit flipped at either end.
                assert!(read(&stored.bytes[asked.start..asked.end - 1], 700).1.is_err());
                assert!(read(&stored.bytes[asked.start..asked.end + 1], 700).1.is_err());
                assert!(read(&stored.bytes[asked.start + 1..asked.end], 700).1.is_err());
                assert!(
                    read(&stored.bytes[asked.start + 1..asked.end + 1], 700)
                        .1
                        .is_err()
                );
                for at in [0, asked.len() - 1, asked.len() - TAG_LEN, asked.len() / 2] {
                    let mut damaged = stored.bytes[asked.clone()].to_vec();
                    damaged[at] ^= 2;
                    let (released, ending) = read(&damaged, 700);
                    assert!(ending.is_err());
                    assert!(truth[*start as usize..].starts_with(&released));
                }
            }
        }
    }
}

#[test]
fn a_footer_is_bound_to_its_blob_and_its_length() {
    for (encryption, keyring) in both_suites() {
        let one = store(&encryption, CHUNK, &plaintext(LEN));
        let other = store(&encryption, CHUNK, &plaintext(LEN));
        let opener = keyring.opener(one.blob, CHUNK, &one.protection).unwrap();
        let len = one.bytes.len() as u64;
        Footer::open(&one.bytes, len, &opener).unwrap();
        assert_eq!(
            Footer::open(&other.bytes, len, &opener),
            Err(FooterError::OtherBlob)
        );
        assert!(matches!(
            Footer::open(&one.bytes, len + 1, &opener),
            Err(FooterError::StoredLength { .. })
        ));
        let trailer = Trailer::parse(&one.bytes).unwrap();
        let needed = trailer.footer_len() as usize;
        let tail = |bytes: usize| &one.bytes[one.bytes.len() - bytes..];
        Footer::open(tail(needed), len, &opener).unwrap();
        assert!(matches!(
            Footer::open(tail(needed - 1), len, &opener),
            Err(FooterError::Incomplete { .. })
        ));
        assert!(matches!(
            Footer::open(tail(183), len, &opener),
            Err(FooterError::NotABlob)
        ));
    }
}
