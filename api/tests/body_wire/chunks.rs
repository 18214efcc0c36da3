//! The aws-chunked framing, in every division.

use api::port::BodyError;
use api::s3::body::MAX_SIGNED_CHUNK;
use md5::{Digest as _, Md5};

use crate::support::{
    SIGNED, SIGNED_TRAILER, Script, UNSIGNED_TRAILER, Upload, crc32c_line, frame_chunks, sign_chunks,
};

/// The published example: 64 KiB and 1 KiB of `a`.
fn published(signatures: [&str; 3]) -> Vec<u8> {
    let mut body = format!("10000;chunk-signature={}\r\n", signatures[0]).into_bytes();
    body.extend_from_slice(&[b'a'; 65_536]);
    body.extend_from_slice(format!("\r\n400;chunk-signature={}\r\n", signatures[1]).as_bytes());
    body.extend_from_slice(&[b'a'; 1024]);
    body.extend_from_slice(format!("\r\n0;chunk-signature={}\r\n", signatures[2]).as_bytes());
    body
}

/// The published example's request, down to its order of headers.
fn published_upload(payload: &str, extra: &[(&str, &str)]) -> (api::s3::body::BodySpec, String) {
    use api::s3::auth::{AuthConfig, SigningKeys, parse};
    use api::s3::body::{BodyKind, BodySpec};

    let mut draft = crate::signer::Draft::new("PUT", "/examplebucket/chunkObject.txt").payload(payload);
    draft.headers = vec![("host".to_owned(), "s3.amazonaws.com".to_owned())];
    draft = draft
        .header("content-encoding", "aws-chunked")
        .header("x-amz-decoded-content-length", "66560")
        .header("x-amz-storage-class", "REDUCED_REDUNDANCY");
    for (name, value) in extra {
        draft = draft.header(name, value);
    }
    let (sent, seed) = draft.sign_header();
    let parts = sent.parts();
    let auth = parse(&parts, &AuthConfig::default(), crate::signer::now()).unwrap();
    let payload = auth
        .verify(Some(&crate::signer::secret()), &SigningKeys::new())
        .unwrap()
        .payload;
    (
        BodySpec::parse(&parts, payload, BodyKind::Object, 1 << 40).unwrap(),
        seed,
    )
}

#[tokio::test]
async fn the_published_signed_chunks_are_decoded() {
    let (spec, seed) = published_upload(SIGNED, &[("content-length", "66824")]);
    assert_eq!(
        seed,
        "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
    );
    let mut body = published([
        "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
        "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
        "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
    ]);
    body.extend_from_slice(b"\r\n");
    assert_eq!(body.len(), 66_824);
    let outcome = crate::support::read(spec, Script::of(body.chunks(10_000))).await;
    assert_eq!(outcome.yielded, [b'a'; 66_560]);
    let digests = outcome.digests.unwrap();
    assert_eq!(digests.length, 66_560);
    assert_eq!(digests.md5, <[u8; 16]>::from(Md5::digest([b'a'; 66_560])));
    assert_eq!(digests.checksum, None);
}

#[tokio::test]
async fn the_published_signed_trailer_is_verified() {
    let (spec, seed) = published_upload(SIGNED_TRAILER, &[("x-amz-trailer", "x-amz-checksum-crc32c")]);
    assert_eq!(
        seed,
        "106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e"
    );
    let mut body = published([
        "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2",
        "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7",
        "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992",
    ]);
    body.extend_from_slice(
        b"x-amz-checksum-crc32c:sOO8/Q==\r\n\
          x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n",
    );
    let outcome = crate::support::read(spec, Script::of([body])).await;
    assert_eq!(outcome.yielded, [b'a'; 66_560]);
    assert_eq!(
        outcome.digests.unwrap().checksum.unwrap().bytes(),
        [0xb0, 0xe3, 0xbc, 0xfd]
    );
}

/// Every kind of framed body, of the same 47 bytes.
fn framed() -> Vec<(&'static str, Upload, Vec<u8>)> {
    let chunks: [&[u8]; 3] = [b"The quick brown fox", b" jumps over the", b" lazy dog 123"];
    let data = chunks.concat();
    let line = crc32c_line(&data);
    let upload = |payload: &str| Upload::chunked(payload, data.len());
    let with_trailer = |payload: &str| upload(payload).header("x-amz-trailer", "x-amz-checksum-crc32c");
    let signed = upload(SIGNED);
    let signed_trailer = with_trailer(SIGNED_TRAILER);
    let signed_body = sign_chunks(&signed.object().1, &chunks, None);
    let signed_trailer_body = sign_chunks(&signed_trailer.object().1, &chunks, Some(&line));
    vec![
        ("signed", signed, signed_body),
        ("signed with trailer", signed_trailer, signed_trailer_body),
        ("unsigned", upload(UNSIGNED_TRAILER), frame_chunks(&chunks, "")),
        (
            "unsigned with trailer",
            with_trailer(UNSIGNED_TRAILER),
            frame_chunks(&chunks, &format!("{line}\r\n")),
        ),
    ]
}

const DATA: &[u8] = b"The quick brown fox jumps over the lazy dog 123";

#[tokio::test]
async fn a_body_is_the_same_however_it_is_divided() {
    for (name, upload, body) in framed() {
        for first in 0..=body.len() {
            let (head, tail) = body.split_at(first);
            let outcome = upload.read(Script::of([head, tail])).await;
            assert_eq!(outcome.yielded, DATA, "{name}, divided at {first}");
            assert!(outcome.digests.is_ok(), "{name}, divided at {first}: {outcome:?}");
            for second in (first..=body.len()).step_by(61) {
                let pieces = [&body[..first], &body[first..second], &body[second..]];
                let outcome = upload.read(Script::of(pieces)).await;
                assert_eq!(outcome.yielded, DATA, "{name}, divided at {first} and {second}");
                assert!(outcome.digests.is_ok(), "{name}, divided at {first} and {second}");
            }
        }
        for size in 1..=9 {
            let outcome = upload.read(Script::of(body.chunks(size))).await;
            assert_eq!(outcome.yielded, DATA, "{name}, {size} at a time");
            assert!(outcome.digests.is_ok(), "{name}, {size} at a time");
        }
    }
}

#[tokio::test]
async fn a_truncated_body_is_incomplete_wherever_it_ends() {
    for (name, upload, body) in framed() {
        for end in 0..body.len() {
            let outcome = upload.read(Script::of([&body[..end]])).await;
            assert_eq!(
                outcome.digests,
                Err(BodyError::Incomplete),
                "{name}, {end} of {}",
                body.len()
            );
            assert!(DATA.starts_with(&outcome.yielded), "{name}, {end}");
        }
    }
}

#[tokio::test]
async fn nothing_may_follow_the_end() {
    for (name, upload, mut body) in framed() {
        for more in [&b"x"[..], b"\r\n", b"\n", b"0\r\n\r\n", b"\0"] {
            let length = body.len();
            body.extend_from_slice(more);
            let outcome = upload.read(Script::of([&body])).await;
            assert_eq!(
                outcome.digests,
                Err(BodyError::MalformedChunk),
                "{name}, {more:?}"
            );
            let outcome = upload.read(Script::of([&body[..length], more])).await;
            assert_eq!(
                outcome.digests,
                Err(BodyError::MalformedChunk),
                "{name}, {more:?} later"
            );
            body.truncate(length);
        }
    }
}

#[tokio::test]
async fn the_length_on_the_wire_is_the_announced_one() {
    for (name, upload, body) in framed() {
        let announced = |length: usize| upload.clone().header("content-length", &length.to_string());
        let framed = |upload: &Upload| {
            // Another header is another signature, and so are the chunks after it.
            let line = crc32c_line(DATA);
            let chunks: [&[u8]; 3] = [b"The quick brown fox", b" jumps over the", b" lazy dog 123"];
            match name {
                "signed" => sign_chunks(&upload.object().1, &chunks, None),
                "signed with trailer" => sign_chunks(&upload.object().1, &chunks, Some(&line)),
                _ => body.clone(),
            }
        };
        let exact = announced(body.len());
        assert!(
            exact.read(Script::of([framed(&exact)])).await.digests.is_ok(),
            "{name}"
        );
        let long = announced(body.len() + 1);
        assert_eq!(
            long.read(Script::of([framed(&long)])).await.digests,
            Err(BodyError::Incomplete),
            "{name}"
        );
        let short = announced(body.len() - 1);
        assert_eq!(
            short.read(Script::of([framed(&short)])).await.digests,
            Err(BodyError::TooLong),
            "{name}"
        );
    }
}

#[tokio::test]
async fn sec_4_a_malformed_size_is_refused_and_nothing_of_its_chunk_yielded() {
    let upload = Upload::chunked(UNSIGNED_TRAILER, 5);
    let lines: [&[u8]; 20] = [
        b"\r\n",
        b"5\n",
        b" 5\r\n",
        b"5 \r\n",
        b"+5\r\n",
        b"-5\r\n",
        b"0x5\r\n",
        b"5;\r\n",
        b"5;a=b\r\n",
        b"5;chunk-signature=00\r\n",
        b"g\r\n",
        b"00000000000000005\r\n",
        b"5\r\r\n",
        b"5\r",
        b"\xef\xbb\xbf5\r\n",
        b"5\0\r\n",
        b";\r\n",
        b"5,5\r\n",
        b"5\x0b\r\n",
        b"5.0\r\n",
    ];
    for line in lines {
        let body = [line, b"hello\r\n0\r\n\r\n"].concat();
        let outcome = upload.read(Script::of([&body])).await;
        assert_eq!(
            outcome.digests,
            Err(BodyError::MalformedChunk),
            "{}",
            line.escape_ascii()
        );
        assert_eq!(outcome.yielded, b"", "{}", line.escape_ascii());
        let outcome = upload.read(Script::of(body.chunks(1))).await;
        assert_eq!(
            outcome.digests,
            Err(BodyError::MalformedChunk),
            "{}",
            line.escape_ascii()
        );
    }
    for line in ["5\r\n", "05\r\n", "0000000000000005\r\n"] {
        let body = format!("{line}hello\r\n0\r\n\r\n");
        assert_eq!(
            upload.read(Script::of([body])).await.yielded,
            b"hello",
            "{line:?}"
        );
    }
}

#[tokio::test]
async fn a_line_without_an_end_is_refused_before_it_fills_memory() {
    let upload = Upload::chunked(UNSIGNED_TRAILER, 5);
    for byte in [b"0", b"a", b" "] {
        // The script goes on for ever, or rather far beyond what is read of it.
        let script = Script::of(std::iter::repeat_n(byte, 1000));
        assert_eq!(upload.read(script).await.digests, Err(BodyError::MalformedChunk));
    }
    let script = Script::of(["5\r\nhello\r\n0\r\n"]);
    let script = (0..1000).fold(script, |script, _| {
        script.then(crate::support::Event::Data(bytes::Bytes::from_static(b"x")))
    });
    assert_eq!(
        upload.read(script).await.digests,
        Err(BodyError::MalformedTrailer)
    );
}

#[tokio::test]
async fn every_chunk_ends_in_carriage_return_and_line_feed() {
    let upload = Upload::chunked(UNSIGNED_TRAILER, 5);
    for end in ["", "\n", "\r", "\rx", "\n\r", "\n\n", "x\r\n", " \r\n"] {
        let body = format!("5\r\nhello{end}0\r\n\r\n");
        let outcome = upload.read(Script::of([&body])).await;
        assert_eq!(outcome.digests, Err(BodyError::MalformedChunk), "{end:?}");
    }
}

#[tokio::test]
async fn sec_4_the_decoded_length_is_the_announced_one() {
    let chunks: [&[u8]; 2] = [b"hello", b"world"];
    for (announced, expected) in [
        (9, BodyError::TooLong),
        (4, BodyError::TooLong),
        (11, BodyError::Incomplete),
    ] {
        let upload = Upload::chunked(UNSIGNED_TRAILER, announced);
        let outcome = upload.read(Script::of([frame_chunks(&chunks, "")])).await;
        assert_eq!(outcome.digests, Err(expected), "{announced}");
        assert!(outcome.yielded.len() <= announced, "{announced}: {outcome:?}");
        let upload = Upload::chunked(SIGNED, announced);
        let outcome = upload
            .read(Script::of([sign_chunks(&upload.object().1, &chunks, None)]))
            .await;
        assert_eq!(outcome.digests, Err(expected), "{announced}, signed");
    }
    for size in ["ffffffffffffffff", "8000000000000000", "7fffffffffffffff"] {
        let upload = Upload::chunked(UNSIGNED_TRAILER, 5);
        let outcome = upload.read(Script::of([format!("{size}\r\nhello")])).await;
        assert_eq!(outcome.digests, Err(BodyError::TooLong), "{size}");
        assert_eq!(outcome.yielded, b"");
    }
}

#[tokio::test]
async fn an_empty_payload_is_one_empty_chunk() {
    let upload = Upload::chunked(SIGNED, 0);
    let outcome = upload
        .read(Script::of([sign_chunks(&upload.object().1, &[], None)]))
        .await;
    assert_eq!(outcome.digests.unwrap().length, 0);
    let upload = Upload::chunked(UNSIGNED_TRAILER, 0);
    assert_eq!(
        upload
            .read(Script::of(["0\r\n\r\n"]))
            .await
            .digests
            .unwrap()
            .length,
        0
    );
    let nothing = upload.read(Script::default()).await;
    assert_eq!(nothing.digests, Err(BodyError::Incomplete));
}

#[tokio::test]
async fn a_signed_chunk_is_at_most_so_large() {
    let length = usize::try_from(MAX_SIGNED_CHUNK).unwrap();
    let data = vec![7u8; length + 1];
    let upload = Upload::chunked(SIGNED, length);
    let body = sign_chunks(&upload.object().1, &[&data[..length]], None);
    let outcome = upload.read(Script::of(body.chunks(100_000))).await;
    assert_eq!(outcome.yielded.len(), length);
    assert!(outcome.digests.is_ok());
    let upload = Upload::chunked(SIGNED, length + 1);
    let body = sign_chunks(&upload.object().1, &[&data], None);
    let outcome = upload.read(Script::of([&body[..200]])).await;
    assert_eq!(outcome.digests, Err(BodyError::ChunkTooLarge));
}

#[tokio::test]
async fn an_unsigned_chunk_of_any_size_streams() {
    // Five gibibytes are announced in one chunk; what has come of it is there at once.
    let length = 5usize << 30;
    let upload = Upload::chunked(UNSIGNED_TRAILER, length);
    let piece = vec![1u8; 60_000];
    let script = Script::of([format!("{length:x}\r\n").as_bytes(), &piece, &piece])
        .then(crate::support::Event::Silence);
    let mut body = crate::support::resources().open(upload.object().0, script);
    for _ in 0..2 {
        let next = api::port::VerifiedBody::next(&mut body).await.unwrap().unwrap();
        assert_eq!(next.len(), piece.len());
    }
}

#[tokio::test]
async fn chunks_smaller_than_any_sdk_sends_are_accepted() {
    let data = b"one byte at a time";
    let chunks: Vec<&[u8]> = data.chunks(1).collect();
    let upload = Upload::chunked(SIGNED, data.len());
    let outcome = upload
        .read(Script::of([sign_chunks(&upload.object().1, &chunks, None)]))
        .await;
    assert_eq!(outcome.yielded, data);
    assert!(outcome.digests.is_ok());
}
