//! Bodies in signed chunks, changed on their way.

use api::port::BodyError;

use crate::support::{SIGNED, SIGNED_TRAILER, Script, Upload, crc32c_line, sign_chunks};

const CHUNKS: [&[u8]; 3] = [b"first chunk of three", b"the second one", b"and the last"];

struct Signed {
    upload: Upload,
    body: Vec<u8>,
    /// Where each chunk begins on the wire, and how much payload is before it.
    starts: Vec<(usize, usize)>,
    seed: String,
}

fn signed(payload: &str) -> Signed {
    let data = CHUNKS.concat();
    let upload = Upload::chunked(payload, data.len());
    let trailer = (payload == SIGNED_TRAILER).then(|| crc32c_line(&data));
    let upload = match trailer {
        Some(_) => upload.header("x-amz-trailer", "x-amz-checksum-crc32c"),
        None => upload,
    };
    let seed = upload.object().1;
    let body = sign_chunks(&seed, &CHUNKS, trailer.as_deref());
    let (mut starts, mut wire, mut payload) = (Vec::new(), 0, 0);
    for chunk in CHUNKS {
        starts.push((wire, payload));
        wire += format!("{:x};chunk-signature=\r\n\r\n", chunk.len()).len() + 64 + chunk.len();
        payload += chunk.len();
    }
    starts.push((wire, payload));
    Signed {
        upload,
        body,
        starts,
        seed,
    }
}

#[tokio::test]
async fn sec_5_any_changed_bit_is_refused_before_its_chunk_gets_through() {
    for payload in [SIGNED, SIGNED_TRAILER] {
        let Signed {
            upload, body, starts, ..
        } = signed(payload);
        let data = CHUNKS.concat();
        let (mut refused, mut harmless) = (0, 0);
        for position in 0..body.len() {
            for bit in 0..8 {
                let mut changed = body.clone();
                changed[position] ^= 1 << bit;
                let before = starts.iter().rfind(|(wire, _)| *wire <= position).unwrap().1;
                // The two bytes after a chunk are not part of it: what they frame was verified.
                let end = starts.iter().find(|(wire, _)| *wire > position);
                let before = match end {
                    Some((wire, payload)) if position + 2 >= *wire => *payload,
                    _ => before,
                };
                let outcome = upload.read(Script::of(changed.chunks(33))).await;
                let context = format!("{payload}: bit {bit} of byte {position}: {outcome:?}");
                if outcome.digests.is_ok() {
                    // The case of a name or of a digit of a size.
                    assert_eq!(outcome.yielded, data, "{context}");
                    assert!(body[position].is_ascii_alphabetic() && bit == 5, "{context}");
                    harmless += 1;
                } else {
                    assert!(outcome.yielded.len() <= before, "{context}");
                    assert!(data.starts_with(&outcome.yielded), "{context}");
                    refused += 1;
                }
            }
        }
        assert!(
            harmless <= 50 && refused > 8 * 300,
            "{refused} refused, {harmless} harmless"
        );
    }
}

#[tokio::test]
async fn sec_4_chunks_cannot_be_exchanged_dropped_or_repeated() {
    let Signed {
        upload, body, starts, ..
    } = signed(SIGNED);
    let part = |index: usize| &body[starts[index].0..starts.get(index + 1).map_or(body.len(), |next| next.0)];
    let (a, b, c, end) = (part(0), part(1), part(2), part(3));
    let orders: [(&str, Vec<&[u8]>); 6] = [
        ("exchanged", vec![b, a, c, end]),
        ("first dropped", vec![b, c, end]),
        ("middle dropped", vec![a, c, end]),
        ("last dropped", vec![a, b, end]),
        ("repeated", vec![a, a, b, c, end]),
        ("ended early", vec![a, end]),
    ];
    for (name, order) in orders {
        let outcome = upload.read(Script::of(order)).await;
        assert!(outcome.digests.is_err(), "{name}");
        assert!(
            CHUNKS.concat().starts_with(&outcome.yielded),
            "{name}: {outcome:?}"
        );
    }
}

#[tokio::test]
async fn sec_4_chunks_of_another_request_are_refused() {
    let Signed { upload, .. } = signed(SIGNED);
    let other = Upload::chunked(SIGNED, CHUNKS.concat().len()).header("x-amz-meta-a", "1");
    let body = sign_chunks(&other.object().1, &CHUNKS, None);
    let outcome = upload.read(Script::of([body])).await;
    assert_eq!(outcome.digests, Err(BodyError::ChunkSignatureMismatch));
    assert_eq!(outcome.yielded, b"");
}

#[tokio::test]
async fn a_chunk_without_a_signature_is_refused_where_chunks_are_signed() {
    let Signed { upload, body, .. } = signed(SIGNED);
    let text = String::from_utf8(body).unwrap();
    let line_end = text.find("\r\n").unwrap();
    for line in [
        "14".to_owned(),
        "14;".to_owned(),
        "14;chunk-signature=".to_owned(),
        format!("14;chunk-signature={}", "0".repeat(63)),
        format!("14;chunk-signature={}", "0".repeat(65)),
        format!("14; chunk-signature={}", "0".repeat(64)),
        format!("14;chunk-signature={};a=b", "0".repeat(64)),
        format!("14;Chunk-Signature={}", "0".repeat(64)),
        text[..line_end].to_uppercase(),
    ] {
        let outcome = upload
            .read(Script::of([format!("{line}{}", &text[line_end..])]))
            .await;
        assert_eq!(outcome.digests, Err(BodyError::MalformedChunk), "{line}");
        assert_eq!(outcome.yielded, b"");
    }
    let zeros = format!("14;chunk-signature={}{}", "0".repeat(64), &text[line_end..]);
    assert_eq!(
        upload.read(Script::of([zeros])).await.digests,
        Err(BodyError::ChunkSignatureMismatch)
    );
}

#[tokio::test]
async fn sec_6_a_trailer_needs_its_signature() {
    let Signed {
        upload, body, seed, ..
    } = signed(SIGNED_TRAILER);
    let data = CHUNKS.concat();
    let text = String::from_utf8(body).unwrap();
    let signature_line = text.find("x-amz-trailer-signature").unwrap();
    let without = format!("{}\r\n", &text[..signature_line]);
    assert_eq!(
        upload.read(Script::of([&without])).await.digests,
        Err(BodyError::MalformedTrailer)
    );
    let zeros = format!(
        "{}x-amz-trailer-signature:{}\r\n\r\n",
        &text[..signature_line],
        "0".repeat(64)
    );
    assert_eq!(
        upload.read(Script::of([&zeros])).await.digests,
        Err(BodyError::ChunkSignatureMismatch)
    );
    let twice = format!("{}{}", &text[..text.len() - 2], &text[signature_line..]);
    assert_eq!(
        upload.read(Script::of([&twice])).await.digests,
        Err(BodyError::MalformedTrailer)
    );
    let other = crc32c_line(b"another payload");
    let exchanged = text.replace(&crc32c_line(&data), &other);
    assert_eq!(
        upload.read(Script::of([&exchanged])).await.digests,
        Err(BodyError::ChunkSignatureMismatch)
    );
    // A trailer that is signed and does not fit the payload.
    let wrong = sign_chunks(&seed, &CHUNKS, Some(&other));
    let outcome = upload.read(Script::of([wrong])).await;
    assert!(
        matches!(outcome.digests, Err(BodyError::ChecksumMismatch(_))),
        "{outcome:?}"
    );
    let late = text[signature_line..].trim_end().to_owned();
    let after = format!(
        "{}{late}\r\n{}\r\n\r\n",
        &text[..signature_line - crc32c_line(&data).len() - 2],
        crc32c_line(&data)
    );
    assert!(
        upload.read(Script::of([&after])).await.digests.is_err(),
        "a line after the signature"
    );
}
