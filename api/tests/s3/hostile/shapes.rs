//! Lengths, headers and documents that are not what they should be.

use std::time::Instant;

use http::Method;
use http_body_util::Full;

use super::{UNSIGNED_CHUNKS, house, untouched};
use crate::support::ask::{ALICE, Ask, send};
use crate::support::chunks;

#[tokio::test]
async fn sec_24_chunks_without_a_length_are_refused() {
    let house = house();
    let ask = Ask::put("/books/k", chunks::unsigned(b"new", "")).payload(UNSIGNED_CHUNKS);
    ask.ask(&house).await.expect_error(411, "MissingContentLength");
    let mut no_length = Ask::new(Method::PUT, "/books/k").sign(ALICE).request;
    *no_length.body_mut() = Full::new("new".into());
    send(&house.service, no_length)
        .await
        .expect_error(411, "MissingContentLength");
    for length in ["+5", "-1", "five", "5,5", "0x5", "99999999999999999999999", ""] {
        let answer = Ask::put("/books/k", chunks::unsigned(b"hello", ""))
            .header("x-amz-decoded-content-length", length)
            .payload(UNSIGNED_CHUNKS)
            .ask(&house)
            .await;
        assert_eq!(answer.status, 400, "{length:?}: {}", answer.text());
    }
    untouched(&house);
}

/// Documents that have brought down parsers.
fn bombs() -> Vec<(&'static str, Vec<u8>)> {
    let entities: String = (1..10)
        .map(|n| format!("<!ENTITY l{n} \"{}\">", format!("&l{};", n - 1).repeat(10)))
        .collect();
    let keys = "<Object><Key>k</Key></Object>".repeat(1001);
    let parts: String = (1..=10_001)
        .map(|n| format!("<Part><PartNumber>{n}</PartNumber><ETag>e</ETag></Part>"))
        .collect();
    let attributes: String = (0..100_000).map(|n| format!(" a{n}='x'")).collect();
    vec![
        (
            "entities",
            format!("<!DOCTYPE d [<!ENTITY l0 \"lol\">{entities}]><ROOT>&l9;</ROOT>").into_bytes(),
        ),
        (
            "external entity",
            b"<!DOCTYPE d [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><ROOT>&x;</ROOT>".to_vec(),
        ),
        ("document type", b"<!DOCTYPE ROOT><ROOT/>".to_vec()),
        ("depth", format!("<ROOT>{}", "<a>".repeat(10_000)).into_bytes()),
        (
            "depth of the known",
            format!("<ROOT>{}", "<Object>".repeat(10_000)).into_bytes(),
        ),
        ("attributes", format!("<ROOT{attributes}/>").into_bytes()),
        ("not UTF-8", b"<ROOT>\xff\xfe</ROOT>".to_vec()),
        (
            "another encoding",
            b"<?xml version='1.0' encoding='UTF-16'?><ROOT/>".to_vec(),
        ),
        ("too many keys", format!("<ROOT>{keys}</ROOT>").into_bytes()),
        ("too many parts", format!("<ROOT>{parts}</ROOT>").into_bytes()),
        ("nothing", Vec::new()),
        ("not XML", b"\0\0\0\0".to_vec()),
        ("unfinished", b"<ROOT><Object><Key>k".to_vec()),
        ("too long", vec![b' '; 10 << 20]),
    ]
}

#[tokio::test]
async fn sec_40_xml_that_is_not_what_it_should_be_is_refused_quickly() {
    let house = house();
    let begun = Instant::now();
    for (name, bomb) in bombs() {
        for (target, root) in [
            ("/books?delete", "Delete"),
            ("/books/k?uploadId=u", "CompleteMultipartUpload"),
        ] {
            let body: Vec<u8> = match std::str::from_utf8(&bomb) {
                Ok(text) => text.replace("ROOT", root).into_bytes(),
                Err(_) => bomb.clone(),
            };
            let answer = Ask::post(target, body).with_md5().ask(&house).await;
            assert_eq!(answer.status, 400, "{name} {target}: {}", answer.text());
        }
    }
    // No figure, but a parser that expands or recurses would still be at it.
    assert!(begun.elapsed().as_secs() < 60);
    assert!(house.gateway.state().calls.is_empty());
    untouched(&house);
}

#[tokio::test]
async fn sec_41_headers_and_targets_that_are_malformed_empty_or_too_long() {
    let house = house();
    let mut no_host = Ask::get("/books/k").sign(ALICE).request;
    no_host.headers_mut().remove("host");
    assert_eq!(send(&house.service, no_host).await.status, 400);
    Ask::get("/books/k")
        .host("")
        .ask(&house)
        .await
        .expect_error(400, "InvalidRequest");
    for target in ["/books/%", "/books/%f", "/books/k%", "/books/%zz", "/books/%ff"] {
        let mut request = Ask::get("/books/k").sign(ALICE).request;
        *request.uri_mut() = target.parse().unwrap();
        send(&house.service, request)
            .await
            .expect_error(400, "InvalidURI");
    }
    Ask::put("/books/k", "new")
        .header("x-amz-meta-a", vec![b'a'; 2048])
        .ask(&house)
        .await
        .expect_error(400, "MetadataTooLarge");
    Ask::put("/books/k", "new")
        .header("x-amz-meta-a", b"\xff\xfe")
        .ask(&house)
        .await
        .expect_error(400, "InvalidArgument");
    Ask::put("/books/k", "new")
        .header("x-a", vec![b'a'; 9000])
        .ask(&house)
        .await
        .expect_error(400, "RequestHeaderSectionTooLarge");
    let mut many = Ask::put("/books/k", "new");
    for index in 0..200 {
        many = many.header(&format!("x-h{index}"), "v");
    }
    many.ask(&house)
        .await
        .expect_error(400, "RequestHeaderSectionTooLarge");
    Ask::put(&format!("/books/{}", "k".repeat(1025)), "new")
        .ask(&house)
        .await
        .expect_error(400, "KeyTooLongError");
    untouched(&house);
}

#[tokio::test]
async fn sec_41_an_empty_header_is_never_passed_over_where_it_decides() {
    let house = house();
    for (name, status, code) in [
        ("if-match", 400, "InvalidArgument"),
        ("if-none-match", 400, "InvalidArgument"),
        ("content-md5", 400, "InvalidDigest"),
        ("x-amz-checksum-crc32", 400, "InvalidRequest"),
        ("x-amz-trailer", 400, "InvalidRequest"),
        ("x-amz-decoded-content-length", 400, "InvalidArgument"),
        ("x-amz-copy-source", 501, "NotImplemented"),
        ("x-amz-acl", 501, "NotImplemented"),
        ("x-amz-tagging", 501, "NotImplemented"),
        ("x-amz-server-side-encryption", 501, "NotImplemented"),
        ("x-amz-storage-class", 400, "InvalidStorageClass"),
        ("x-amz-unheard-of", 501, "NotImplemented"),
        ("content-range", 501, "NotImplemented"),
        ("if-unmodified-since", 501, "NotImplemented"),
    ] {
        let answer = Ask::put("/books/k", "new").header(name, "").ask(&house).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (status, code),
            "{name}"
        );
    }
    for (name, code) in [
        ("authorization", "InvalidArgument"),
        ("x-amz-date", "AccessDenied"),
        ("x-amz-content-sha256", "InvalidArgument"),
        ("content-length", "InvalidArgument"),
    ] {
        let mut request = Ask::put("/books/k", "new").sign(ALICE).request;
        request
            .headers_mut()
            .insert(http::HeaderName::from_static(name), "".parse().unwrap());
        let answer = send(&house.service, request).await;
        assert!(answer.status.is_client_error(), "{name}: {}", answer.text());
        if name != "content-length" {
            assert_eq!(answer.code(), code, "{name}");
        }
    }
    untouched(&house);
}

#[tokio::test]
async fn sec_43_what_a_client_announces_is_never_allocated() {
    let house = house();
    let five_tib = (5_u64 << 40).to_string();
    Ask::put("/books/k", "new")
        .header("x-amz-decoded-content-length", &five_tib)
        .payload(UNSIGNED_CHUNKS)
        .ask(&house)
        .await
        .expect_error(400, "EntityTooLarge");
    let mut whole = Ask::put("/books/k", "new");
    whole.headers.insert("content-length", five_tib.parse().unwrap());
    whole.ask(&house).await.expect_error(400, "EntityTooLarge");
    // The largest that may be announced, and three bytes of it.
    let most = (5_u64 << 30).to_string();
    let answer = Ask::put("/books/k", chunks::unsigned(b"new", ""))
        .header("x-amz-decoded-content-length", &most)
        .payload(UNSIGNED_CHUNKS)
        .ask(&house)
        .await;
    assert_eq!(answer.status, 400, "{}", answer.text());
    let mut document = Ask::post("/books?delete", "<Delete/>").with_md5();
    document
        .headers
        .insert("content-length", five_tib.parse().unwrap());
    document
        .ask(&house)
        .await
        .expect_error(400, "MaxMessageLengthExceeded");
    untouched(&house);
}

#[tokio::test]
async fn sec_48_a_header_that_decides_may_be_there_once() {
    let house = house();
    for (name, value) in [
        ("host", "localhost:9000"),
        ("authorization", "AWS4-HMAC-SHA256 x"),
        ("x-amz-date", "20200101T000000Z"),
        ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
        ("range", "bytes=0-0"),
        ("x-amz-copy-source", "/books/k"),
        ("content-length", "3"),
        ("content-md5", "x"),
        ("if-match", "\"x\""),
        ("x-amz-acl", "private"),
        ("x-amz-checksum-crc32", "x"),
        ("content-type", "a/b"),
    ] {
        let mut request = Ask::put("/books/k", "new").sign(ALICE).request;
        for _ in 0..2 {
            request
                .headers_mut()
                .append(http::HeaderName::from_static(name), value.parse().unwrap());
        }
        let answer = send(&house.service, request).await;
        answer.expect_error(400, "InvalidRequest");
        assert_eq!(answer.header("connection"), Some("close"), "{name}");
    }
    untouched(&house);
}
