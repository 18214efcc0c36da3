//! Objects written and read back.

use api::port::Encryption;
use api::s3::{Ending, ErrorCode, ServerSideEncryption};
use http::StatusCode;

use crate::support::ask::{ALICE, Ask, Payload};
use crate::support::{House, chunks, config};

#[tokio::test]
async fn what_is_put_comes_back_with_all_that_was_said_of_it() {
    let house = House::with_books();
    let put = Ask::put("/books/dir/my%20key", "hello")
        .header("content-type", "text/plain")
        .header("content-encoding", "gzip")
        .header("content-language", "de")
        .header("content-disposition", "inline")
        .header("cache-control", "no-store")
        .header("expires", "Thu, 01 Dec 1994 16:00:00 GMT")
        .header("x-amz-meta-mtime", "1700000000.5")
        .header("x-amz-meta-name", "é")
        .header("x-amz-storage-class", "STANDARD")
        .header("x-amz-acl", "private")
        .header("x-amz-sdk-checksum-algorithm", "CRC32")
        .with_md5()
        .ask(&house)
        .await
        .expect(200);
    assert_eq!(put.header("etag"), Some("\"5d41402abc4b2a76b9719d911017c592\""));
    assert!(put.body.is_empty());

    for get in [
        Ask::get("/books/dir/my%20key"),
        Ask::get("/books/dir/my%20key?x-id=GetObject"),
    ] {
        let get = get.ask(&house).await.expect(200);
        assert_eq!(get.text(), "hello");
        for (name, value) in [
            ("etag", "\"5d41402abc4b2a76b9719d911017c592\""),
            ("content-length", "5"),
            ("content-type", "text/plain"),
            ("content-encoding", "gzip"),
            ("content-language", "de"),
            ("content-disposition", "inline"),
            ("cache-control", "no-store"),
            ("expires", "Thu, 01 Dec 1994 16:00:00 GMT"),
            ("x-amz-meta-mtime", "1700000000.5"),
            ("x-amz-meta-name", "=?UTF-8?B?w6k=?="),
            ("accept-ranges", "bytes"),
            ("last-modified", "Mon, 12 Oct 2009 17:50:30 GMT"),
            ("x-amz-id-2", "node-1"),
        ] {
            assert_eq!(get.header(name), Some(value), "{name}");
        }
        assert_eq!(
            get.header("x-amz-checksum-crc64nvme"),
            None,
            "only when asked for"
        );
    }
    let head = Ask::head("/books/dir/my%20key").ask(&house).await.expect(200);
    assert_eq!((head.header("content-length"), head.body.len()), (Some("5"), 0));
}

#[tokio::test]
async fn an_object_of_nothing_is_an_object() {
    let house = House::with_books();
    Ask::put("/books/dir/", "").ask(&house).await.expect(200);
    let get = Ask::get("/books/dir/").ask(&house).await.expect(200);
    assert_eq!((get.header("content-length"), get.body.len()), (Some("0"), 0));
    assert_eq!(get.header("content-type"), Some("binary/octet-stream"));
}

#[tokio::test]
async fn checksums_are_verified_returned_and_shown_when_asked_for() {
    let house = House::with_books();
    let put = Ask::put("/books/k", "hello")
        .header("x-amz-checksum-crc32", "NhCmhg==")
        .ask(&house)
        .await
        .expect(200);
    assert_eq!(put.header("x-amz-checksum-crc32"), Some("NhCmhg=="));
    assert_eq!(put.header("x-amz-checksum-type"), Some("FULL_OBJECT"));
    let get = Ask::get("/books/k")
        .header("x-amz-checksum-mode", "ENABLED")
        .ask(&house)
        .await
        .expect(200);
    assert_eq!(get.header("x-amz-checksum-crc32"), Some("NhCmhg=="));
    let head = Ask::head("/books/k")
        .header("x-amz-checksum-mode", "enabled")
        .ask(&house)
        .await
        .expect(200);
    assert_eq!(head.header("x-amz-checksum-crc32"), Some("NhCmhg=="));
    let range = Ask::get("/books/k")
        .header("x-amz-checksum-mode", "ENABLED")
        .header("range", "bytes=0-4")
        .ask(&house)
        .await
        .expect(206);
    assert_eq!(
        range.header("x-amz-checksum-crc32"),
        None,
        "a client would compare it with the range"
    );

    let before = house.gateway.contents();
    for (name, value, code) in [
        ("x-amz-checksum-crc32", "AAAAAA==", "BadDigest"),
        ("x-amz-checksum-crc32", "AAAA", "InvalidRequest"),
        ("x-amz-checksum-md5", "AAAA", "NotImplemented"),
        ("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==", "BadDigest"),
        ("content-md5", "AAAA", "InvalidDigest"),
        ("content-md5", "", "InvalidDigest"),
    ] {
        let answer = Ask::put("/books/k", "other")
            .header(name, value)
            .ask(&house)
            .await;
        assert_eq!(answer.code(), code, "{name}: {value}");
    }
    assert_eq!(house.gateway.contents(), before);
}

#[tokio::test]
async fn a_body_in_unsigned_chunks_is_unframed_and_its_trailer_verified() {
    let house = House::with_books();
    let put = |trailer: &str| {
        Ask::put("/books/k", chunks::unsigned(b"hello", trailer))
            .header("content-encoding", "aws-chunked")
            .header("x-amz-decoded-content-length", "5")
            .header("x-amz-trailer", "x-amz-checksum-crc32")
            .payload(Payload::Literal("STREAMING-UNSIGNED-PAYLOAD-TRAILER"))
            .ask(&house)
    };
    let answer = put("x-amz-checksum-crc32:NhCmhg==\r\n").await.expect(200);
    assert_eq!(answer.header("x-amz-checksum-crc32"), Some("NhCmhg=="));
    let get = Ask::get("/books/k").ask(&house).await.expect(200);
    assert_eq!((get.text(), get.header("content-encoding")), ("hello", None));
    put("x-amz-checksum-crc32:AAAAAA==\r\n")
        .await
        .expect_error(400, "BadDigest");
}

#[tokio::test]
async fn a_body_in_signed_chunks_is_verified_chunk_by_chunk() {
    let house = House::with_books();
    let ask = Ask::put("/books/k", "")
        .header("content-encoding", "aws-chunked")
        .header("x-amz-decoded-content-length", "11")
        .payload(Payload::Literal("STREAMING-AWS4-HMAC-SHA256-PAYLOAD"));
    // The length on the wire is signed, so it is needed before the signature.
    let length: usize = chunks::signed(&ask.clone().sign(ALICE), &[b"hello ", b"world"])
        .concat()
        .len();
    let mut signed = {
        let mut ask = ask;
        ask.headers.insert("content-length", length.into());
        ask.sign(ALICE)
    };
    let body = chunks::signed(&signed, &[b"hello ", b"world"]).concat();
    *signed.request.body_mut() = http_body_util::Full::new(body.into());
    crate::support::ask::send(&house.service, signed.request)
        .await
        .expect(200);
    assert_eq!(house.gateway.object("k").unwrap(), "hello world");
}

#[tokio::test]
async fn presigned_requests_carry_headers_in_their_query() {
    let house = House::with_books();
    let put = Ask::put(
        "/books/k?x-amz-meta-color=blue&x-amz-storage-class=STANDARD&x-id=PutObject",
        "hello",
    );
    crate::support::ask::send(&house.service, put.presign(ALICE, "60"))
        .await
        .expect(200);
    let get = Ask::get(
        "/books/k?response-content-type=text%2Fhtml&response-content-disposition=attachment%3B%20filename%3Dx",
    );
    let answer = crate::support::ask::send(&house.service, get.presign(ALICE, "60"))
        .await
        .expect(200);
    assert_eq!(answer.text(), "hello");
    assert_eq!(answer.header("x-amz-meta-color"), Some("blue"));
    assert_eq!(answer.header("content-type"), Some("text/html"));
    assert_eq!(
        answer.header("content-disposition"),
        Some("attachment; filename=x")
    );
    let copy = Ask::put("/books/copy?x-amz-copy-source=%2Fbooks%2Fk", "").presign(ALICE, "60");
    crate::support::ask::send(&house.service, copy)
        .await
        .expect_error(501, "NotImplemented");
    assert_eq!(house.gateway.object("copy"), None);
}

#[tokio::test]
async fn hosts_below_the_domain_name_buckets() {
    let house = House::with_books();
    Ask::put("/dir/k", "hello")
        .host("books.s3.test:9000")
        .ask(&house)
        .await
        .expect(200);
    assert_eq!(house.gateway.object("dir/k").unwrap(), "hello");
    let list = Ask::get("/?list-type=2")
        .host("BOOKS.S3.TEST")
        .ask(&house)
        .await
        .expect(200);
    assert_eq!(crate::support::xml::values(list.text(), "Key"), ["dir/k"]);
    Ask::get("/books/dir/k")
        .host("s3.test")
        .ask(&house)
        .await
        .expect(200);
}

#[tokio::test]
async fn encryption_is_granted_where_it_is_always_done_and_said_of_what_is_encrypted() {
    let ask = || Ask::put("/books/k", "hello").header("x-amz-server-side-encryption", "AES256");
    let house = House::with_books();
    ask().ask(&house).await.expect_error(501, "NotImplemented");

    let mut config = config();
    config.encryption = ServerSideEncryption::Always;
    let house = House::with(config);
    house.gateway.add_bucket("books", "alice");
    house.gateway.state().encryption = Some(Encryption::ServerManaged);
    let put = ask().ask(&house).await.expect(200);
    assert_eq!(put.header("x-amz-server-side-encryption"), Some("AES256"));
    let head = Ask::head("/books/k").ask(&house).await.expect(200);
    assert_eq!(head.header("x-amz-server-side-encryption"), Some("AES256"));
    Ask::put("/books/k", "")
        .header("x-amz-server-side-encryption", "aws:kms")
        .ask(&house)
        .await
        .expect_error(501, "NotImplemented");
}

#[tokio::test]
async fn what_a_delete_marker_hides_is_404_and_says_so() {
    let house = House::with_books();
    house.gateway.keep_versions("books");
    Ask::put("/books/k", "hello").ask(&house).await.expect(200);
    let gone = Ask::delete("/books/k").ask(&house).await.expect(204);
    let marker = gone.header("x-amz-version-id");
    assert!(marker.is_some());
    let get = Ask::get("/books/k").ask(&house).await;
    get.expect_error(404, "NoSuchKey");
    assert_eq!(
        (get.header("x-amz-delete-marker"), get.header("x-amz-version-id")),
        (Some("true"), marker)
    );
    let head = Ask::head("/books/k").ask(&house).await.expect(404);
    assert_eq!(head.header("x-amz-delete-marker"), Some("true"));
}

#[tokio::test]
async fn every_request_is_told_to_the_observer_once_it_is_over() {
    let house = House::with_books();
    Ask::put("/books/k", "hello").ask(&house).await.expect(200);
    let record = house.records.last();
    assert_eq!(
        record.operation.map(api::port::Operation::name),
        Some("PutObject")
    );
    assert_eq!(
        (record.bucket.unwrap().as_str(), record.key.unwrap().as_str()),
        ("books", "k")
    );
    assert_eq!(
        (record.user.as_deref(), record.access_key.as_deref()),
        (Some("alice"), Some("AKALICE"))
    );
    assert_eq!(
        (record.status, record.error, record.ending),
        (Some(StatusCode::OK), None, Ending::Complete)
    );
    assert_eq!((record.bytes_in, record.bytes_out), (5, 0));

    let get = Ask::get("/books/k").ask(&house).await.expect(200);
    let record = house.records.last();
    assert_eq!((record.bytes_in, record.bytes_out), (0, 5));
    assert_eq!(
        Some(record.id.to_string().as_str()),
        get.header("x-amz-request-id")
    );
    assert!(record.first_byte <= record.duration);

    Ask::get("/books/none").ask(&house).await.expect(404);
    let record = house.records.last();
    assert_eq!(
        (record.status, record.error),
        (Some(StatusCode::NOT_FOUND), Some(ErrorCode::NoSuchKey))
    );

    crate::support::ask::send(&house.service, Ask::get("/books/k").presign(BAD, "60"))
        .await
        .expect(403);
    let record = house.records.last();
    assert_eq!(
        (record.error, record.unauthenticated),
        (Some(ErrorCode::InvalidAccessKeyId), Some("unknown_access_key"))
    );
    assert_eq!(record.user, None);
    crate::support::ask::send(&house.service, Ask::get("/books/k").unsigned())
        .await
        .expect(403);
    let record = house.records.last();
    assert_eq!(
        (record.error, record.unauthenticated),
        (Some(ErrorCode::AccessDenied), Some("missing_credentials"))
    );
    assert_eq!(house.records.count(), 5);

    // A read that breaks off, and one whose client leaves.
    house.gateway.store("books", "large", vec![1; 5000]);
    house.gateway.state().broken_reads = Some((2, crate::support::gateway::BrokenRead::Fails));
    let answer = house
        .service
        .handle(Ask::get("/books/large").sign(ALICE).request)
        .await;
    assert!(
        http_body_util::BodyExt::collect(answer.into_body())
            .await
            .is_err()
    );
    let record = house.records.last();
    assert_eq!((record.ending, record.bytes_out), (Ending::Aborted, 2000));
    drop(
        house
            .service
            .handle(Ask::get("/books/large").sign(ALICE).request)
            .await,
    );
    assert_eq!(
        (house.records.last().ending, house.records.count()),
        (Ending::Aborted, 7)
    );
}

const BAD: crate::support::ask::User = crate::support::ask::User {
    access_key: "AKNOBODY",
    secret: "x",
};
