//! Bytes of every kind as a body: no panic, and nothing accepted that was not framed so.

use api::s3::auth::PayloadMode;
use api::s3::body::{BodyKind, BodySpec};
use http::{HeaderName, HeaderValue, Request};
use proptest::prelude::*;

use crate::support::{
    MAXIMUM, SIGNED, SIGNED_TRAILER, Script, UNSIGNED_TRAILER, Upload, frame_chunks, sign_chunks,
};

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
        .block_on(future)
}

fn wire() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        any::<u8>().prop_map(|byte| vec![byte]),
        prop::sample::select(vec![
            "\r\n",
            "\n",
            "0\r\n",
            "5\r\n",
            "hello",
            ";chunk-signature=",
            "x-amz-checksum-crc32c:",
            "x-amz-trailer-signature:",
            "AAAAAA==",
            "ffffffffffffffff",
            "\0",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    prop::collection::vec(token, 0..40).prop_map(|tokens| tokens.concat())
}

/// Divides bytes at random places.
fn divide(bytes: &[u8], cuts: &[prop::sample::Index]) -> Vec<Vec<u8>> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places
        .windows(2)
        .map(|pair| bytes[pair[0]..pair[1]].to_vec())
        .collect()
}

proptest! {
    #[test]
    fn sec_24_no_body_panics_and_yields_more_than_announced(
        payload in prop::sample::select(vec![SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER]),
        length in 0usize..20,
        announce in any::<bool>(),
        bytes in wire(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let mut upload = Upload::chunked(payload, length);
        if announce && payload != SIGNED {
            upload = upload.header("x-amz-trailer", "x-amz-checksum-crc32c");
        }
        let whole = block_on(upload.read(Script::of([&bytes])));
        let divided = block_on(upload.read(Script::of(divide(&bytes, &cuts))));
        prop_assert_eq!(whole.digests, divided.digests, "how it is divided changes nothing");
        prop_assert!(whole.yielded.len() <= length);
        if payload != UNSIGNED_TRAILER {
            prop_assert!(whole.digests.is_err());
            prop_assert_eq!(whole.yielded, b"", "nothing was signed");
        }
    }

    #[test]
    fn whatever_is_framed_is_decoded(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..3000), 0..8),
        signed in any::<bool>(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let data = chunks.concat();
        let chunks: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
        let (upload, body) = if signed {
            let upload = Upload::chunked(SIGNED, data.len());
            let body = sign_chunks(&upload.object().1, &chunks, None);
            (upload, body)
        } else {
            (Upload::chunked(UNSIGNED_TRAILER, data.len()), frame_chunks(&chunks, ""))
        };
        let outcome = block_on(upload.read(Script::of(divide(&body, &cuts))));
        prop_assert_eq!(outcome.yielded, data);
        prop_assert!(outcome.digests.is_ok());
    }

    #[test]
    fn sec_24_no_head_panics(
        headers in prop::collection::vec((
            prop::sample::select(vec![
                "content-length", "x-amz-decoded-content-length", "content-encoding", "content-md5", "x-amz-trailer",
                "x-amz-checksum-crc32", "x-amz-checksum-sha256", "x-amz-checksum-crc99", "transfer-encoding",
            ]),
            prop_oneof![
                prop::collection::vec(any::<u8>(), 0..40),
                "[0-9]{0,22}".prop_map(String::into_bytes),
                "[A-Za-z0-9+/]{0,44}={0,2}".prop_map(String::into_bytes),
                "(aws-chunked|gzip|,| ){0,4}".prop_map(String::into_bytes),
            ],
        ), 0..6),
        query in "[ -~&&[^#]]{0,40}",
        kind in prop::sample::select(vec![BodyKind::Object, BodyKind::Document, BodyKind::Completion]),
    ) {
        let Ok(uri) = http::Uri::try_from(format!("/b?{}", query.replace(' ', "+"))) else { return Ok(()) };
        let mut request = Request::builder().uri(uri).body(()).unwrap();
        for (name, value) in headers {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                request.headers_mut().append(HeaderName::from_static(name), value);
            }
        }
        let parts = request.into_parts().0;
        for mode in [PayloadMode::Unsigned, PayloadMode::Sha256([0; 32]), PayloadMode::UnsignedChunks] {
            match BodySpec::parse(&parts, mode, kind, MAXIMUM) {
                Ok(spec) => prop_assert!(spec.length() <= MAXIMUM),
                Err(error) => drop((error.to_string(), error.code(), error.details())),
            }
        }
    }
}
