//! Anything at all, thrown at the front end: it answers, and nothing stays.

use http::{HeaderName, HeaderValue, Method, Request};
use http_body_util::Full;
use proptest::prelude::*;

use crate::support::House;
use crate::support::ask::{Ask, send};

fn method() -> impl Strategy<Value = Method> {
    prop_oneof![
        Just(Method::GET),
        Just(Method::HEAD),
        Just(Method::PUT),
        Just(Method::POST),
        Just(Method::DELETE),
        Just(Method::OPTIONS),
        "[A-Z]{1,8}".prop_map(|name| Method::from_bytes(name.as_bytes()).unwrap()),
    ]
}

fn target() -> impl Strategy<Value = String> {
    let path = prop_oneof![
        Just("/".to_owned()),
        Just("/books".to_owned()),
        Just("/books/k".to_owned()),
        "/[a-zA-Z0-9%/.+~@:_-]{0,30}",
    ];
    let name = prop_oneof![
        Just("uploads"),
        Just("uploadId"),
        Just("partNumber"),
        Just("delete"),
        Just("list-type"),
        Just("prefix"),
        Just("delimiter"),
        Just("max-keys"),
        Just("marker"),
        Just("continuation-token"),
        Just("versionId"),
        Just("X-Amz-Signature"),
        Just("X-Amz-Algorithm"),
        Just("X-Amz-Credential"),
        Just("X-Amz-Expires"),
        Just("x-amz-meta-a"),
        Just("response-expires"),
        Just("acl"),
    ];
    let pair = (name, proptest::option::of("[a-zA-Z0-9%/.+~-]{0,12}"))
        .prop_map(|(name, value)| value.map_or(name.to_owned(), |value| format!("{name}={value}")));
    (path, proptest::collection::vec(pair, 0..4)).prop_map(|(path, pairs)| {
        if pairs.is_empty() {
            path
        } else {
            format!("{path}?{}", pairs.join("&"))
        }
    })
}

fn headers() -> impl Strategy<Value = Vec<(&'static str, Vec<u8>)>> {
    let name = prop_oneof![
        Just("authorization"),
        Just("x-amz-date"),
        Just("x-amz-content-sha256"),
        Just("x-amz-decoded-content-length"),
        Just("x-amz-trailer"),
        Just("content-md5"),
        Just("content-encoding"),
        Just("range"),
        Just("if-match"),
        Just("if-none-match"),
        Just("if-modified-since"),
        Just("if-range"),
        Just("x-amz-copy-source"),
        Just("x-amz-meta-a"),
        Just("x-amz-checksum-crc32"),
        Just("x-amz-checksum-type"),
        Just("x-amz-checksum-algorithm"),
        Just("x-amz-checksum-mode"),
        Just("x-amz-mp-object-size"),
        Just("content-length"),
        Just("expect"),
        Just("content-type"),
        Just("x-amz-acl"),
        Just("transfer-encoding"),
    ];
    let value = prop_oneof![
        proptest::collection::vec(prop_oneof![0x20..=0x7e_u8, 0x80..=0xff_u8, Just(b'\t')], 0..24),
        Just(
            b"AWS4-HMAC-SHA256 Credential=AKALICE/20200101/x/s3/aws4_request,SignedHeaders=host,Signature=00"
                .to_vec()
        ),
        Just(b"STREAMING-UNSIGNED-PAYLOAD-TRAILER".to_vec()),
        Just(b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD".to_vec()),
        Just(b"UNSIGNED-PAYLOAD".to_vec()),
        Just(b"aws-chunked".to_vec()),
        Just(b"18446744073709551616".to_vec()),
        Just(b"bytes=0-18446744073709551615".to_vec()),
        Just(b"ENABLED".to_vec()),
        Just(b"*".to_vec()),
        Just(b"0".to_vec()),
    ];
    proptest::collection::vec((name, value), 0..6)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn sec_24_strangers_get_an_error_whatever_they_send(
        method in method(), target in target(), headers in headers(), body in proptest::collection::vec(any::<u8>(), 0..80),
    ) {
        let Ok(uri) = target.parse::<http::Uri>() else { return Ok(()) };
        let house = House::with_books();
        house.gateway.store("books", "k", "old");
        let mut request = Request::new(Full::new(body.into()));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        request.headers_mut().insert("host", HeaderValue::from_static("books.s3.test"));
        for (name, value) in headers {
            let Ok(value) = HeaderValue::from_bytes(&value) else { continue };
            request.headers_mut().append(HeaderName::from_static(name), value);
        }
        let answer = runtime().block_on(send(&house.service, request));
        prop_assert!(answer.status.is_client_error() || answer.status == 501, "{answer:?}");
        prop_assert!(house.gateway.state().calls.is_empty());
        prop_assert_eq!(house.gateway.contents().len(), 1);
    }

    #[test]
    fn sec_24_users_get_an_answer_whatever_they_send(
        method in method(), target in target(), headers in headers(), body in proptest::collection::vec(any::<u8>(), 0..80),
    ) {
        prop_assume!(target.parse::<http::Uri>().is_ok());
        let house = House::with_books();
        let mut ask = Ask::new(method, &target).body(body);
        for (name, value) in headers {
            if HeaderValue::from_bytes(&value).is_ok() && !ask.headers.contains_key(name) && name != "authorization" {
                ask = ask.header(name, value);
            }
        }
        let answer = runtime().block_on(ask.ask(&house));
        prop_assert_ne!(answer.status.as_u16(), 500, "{:?}", answer);
        prop_assert!(answer.headers.contains_key("x-amz-request-id"));
        if answer.status.is_client_error() && !answer.body.is_empty() {
            answer.code();
        }
    }
}
