//! Multipart uploads.

use std::sync::Arc;
use std::time::Duration;

use api::s3::{Ending, ErrorCode};
use http_body_util::BodyExt as _;
use tokio::sync::Notify;

use crate::support::ask::{ALICE, Answer, Ask, BOB};
use crate::support::xml::{at, values};
use crate::support::{House, config};

async fn begin(house: &House, key: &str) -> String {
    let answer = Ask::post(&format!("/books/{key}?uploads"), "")
        .ask(house)
        .await
        .expect(200);
    assert_eq!(values(answer.text(), "Bucket"), ["books"]);
    values(answer.text(), "UploadId").remove(0)
}

async fn part(house: &House, key: &str, id: &str, number: u32, body: &'static str) -> String {
    let target = format!("/books/{key}?partNumber={number}&uploadId={id}&x-id=UploadPart");
    let answer = Ask::put(&target, body).ask(house).await.expect(200);
    answer.header("etag").unwrap().to_owned()
}

fn document(parts: &[(u32, &str)]) -> String {
    let parts: String = parts
        .iter()
        .map(|(number, etag)| format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"))
        .collect();
    format!(
        "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{parts}</CompleteMultipartUpload>"
    )
}

async fn complete(house: &House, key: &str, id: &str, parts: &[(u32, &str)]) -> Answer {
    Ask::post(&format!("/books/{key}?uploadId={id}"), document(parts))
        .ask(house)
        .await
}

#[tokio::test]
async fn parts_become_an_object() {
    let house = House::with_books();
    let answer = Ask::post("/books/a%20b?uploads&x-id=CreateMultipartUpload", "")
        .header("content-type", "text/plain")
        .header("x-amz-meta-a", "b")
        .ask(&house)
        .await
        .expect(200);
    let id = values(answer.text(), "UploadId").remove(0);
    assert_eq!(values(answer.text(), "Key"), ["a b"]);
    let one = part(&house, "a%20b", &id, 1, "hello ").await;
    let two = part(&house, "a%20b", &id, 2, "wor").await;
    let four = part(&house, "a%20b", &id, 4, "world").await;
    assert!(two != four);
    let done = complete(&house, "a%20b", &id, &[(1, &one), (4, four.trim_matches('"'))])
        .await
        .expect(200);
    assert!(
        done.text()
            .starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<CompleteMultipartUploadResult ")
    );
    assert_eq!(
        values(done.text(), "Location"),
        ["http://localhost:9000/books/a%20b"]
    );
    let etag = values(done.text(), "ETag").remove(0);
    assert!(etag.starts_with('"') && etag.ends_with("-2\""), "{etag}");

    let get = Ask::get("/books/a%20b").ask(&house).await.expect(200);
    assert_eq!(
        (get.text(), get.header("etag")),
        ("hello world", Some(etag.as_str()))
    );
    assert_eq!(
        (get.header("content-type"), get.header("x-amz-meta-a")),
        (Some("text/plain"), Some("b"))
    );
    let second = Ask::get("/books/a%20b?partNumber=4")
        .ask(&house)
        .await
        .expect(206);
    assert_eq!(
        (second.text(), second.header("content-range")),
        ("world", Some("bytes 6-10/11"))
    );
    assert_eq!(second.header("x-amz-mp-parts-count"), Some("2"));
    let again = complete(&house, "a%20b", &id, &[(1, &one)]).await.expect(200);
    assert_eq!(
        values(again.text(), "ETag"),
        [etag],
        "a repetition is answered with what the first one came to"
    );
    Ask::delete(&format!("/books/a%20b?uploadId={id}"))
        .ask(&house)
        .await
        .expect_error(404, "NoSuchUpload");
}

#[tokio::test]
async fn what_does_not_fit_an_upload_is_refused() {
    let house = House::with_books();
    let id = begin(&house, "k").await;
    let one = part(&house, "k", &id, 1, "tiny").await;
    let two = part(&house, "k", &id, 2, "hello").await;
    complete(&house, "k", &id, &[(2, &two), (1, &one)])
        .await
        .expect_error(400, "InvalidPartOrder");
    complete(&house, "k", &id, &[(1, &one), (1, &one)])
        .await
        .expect_error(400, "InvalidPartOrder");
    complete(&house, "k", &id, &[(1, &two)])
        .await
        .expect_error(400, "InvalidPart");
    complete(&house, "k", &id, &[(3, &two)])
        .await
        .expect_error(400, "InvalidPart");
    complete(&house, "k", &id, &[(0, &two)])
        .await
        .expect_error(400, "InvalidArgument");
    complete(&house, "k", &id, &[(1, &one), (2, &two)])
        .await
        .expect_error(400, "EntityTooSmall");
    complete(&house, "k", &id, &[])
        .await
        .expect_error(400, "MalformedXML");
    complete(&house, "k", "other", &[(2, &two)])
        .await
        .expect_error(404, "NoSuchUpload");
    complete(&house, "other", &id, &[(2, &two)])
        .await
        .expect_error(404, "NoSuchUpload");
    let with = |name: &str, value: &str| {
        Ask::post(&format!("/books/k?uploadId={id}"), document(&[(2, &two)]))
            .header(name, value)
            .ask(&house)
    };
    with("x-amz-mp-object-size", "6")
        .await
        .expect_error(400, "InvalidRequest");
    with("x-amz-mp-object-size", "five")
        .await
        .expect_error(400, "InvalidArgument");
    with("x-amz-checksum-type", "COMPOSITE")
        .await
        .expect_error(400, "InvalidRequest");
    with("x-amz-checksum-crc32", "x")
        .await
        .expect_error(400, "InvalidRequest");
    with("x-amz-checksum-crc32", "AAAAAA==")
        .await
        .expect_error(400, "BadDigest");
    with("if-none-match", "\"")
        .await
        .expect_error(400, "InvalidArgument");
    assert_eq!(house.gateway.object("k"), None);
    with("x-amz-mp-object-size", "5").await.expect(200);
    with("if-none-match", "*").await.expect(200);
    complete(&house, "other", &id, &[(2, &two)])
        .await
        .expect_error(404, "NoSuchUpload");
}

#[tokio::test]
async fn a_completion_is_conditional() {
    let house = House::with_books();
    house.gateway.store("books", "k", "old");
    let id = begin(&house, "k").await;
    let one = part(&house, "k", &id, 1, "hello").await;
    let ask = |name: &str, value: &str| {
        Ask::post(&format!("/books/k?uploadId={id}"), document(&[(1, &one)]))
            .header(name, value)
            .ask(&house)
    };
    ask("if-none-match", "*")
        .await
        .expect_error(412, "PreconditionFailed");
    ask("if-match", "\"x\"")
        .await
        .expect_error(412, "PreconditionFailed");
    assert_eq!(house.gateway.object("k").unwrap(), "old");
    ask("if-match", "*").await.expect(200);
    assert_eq!(house.gateway.object("k").unwrap(), "hello");
}

#[tokio::test]
async fn numbers_and_ids_of_parts_are_checked_before_the_body_is_read() {
    let house = House::with_books();
    let id = begin(&house, "k").await;
    for query in [
        "partNumber=0",
        "partNumber=10001",
        "partNumber=x",
        "partNumber=",
        "partNumber=%2B1",
    ] {
        let answer = Ask::put(&format!("/books/k?{query}&uploadId={id}"), "x")
            .ask(&house)
            .await;
        answer.expect_error(400, "InvalidArgument");
    }
    Ask::put(&format!("/books/k?uploadId={id}"), "x")
        .ask(&house)
        .await
        .expect_error(400, "InvalidArgument");
    Ask::put("/books/k?partNumber=1", "x")
        .ask(&house)
        .await
        .expect_error(400, "InvalidArgument");
    Ask::put("/books/k?partNumber=1&uploadId=", "x")
        .ask(&house)
        .await
        .expect_error(400, "InvalidArgument");
    Ask::put("/books/k?partNumber=1&uploadId=nope", "x")
        .ask(&house)
        .await
        .expect_error(404, "NoSuchUpload");
    assert_eq!(house.gateway.state().pieces, 0);
    assert!(house.gateway.contents().is_empty());
}

#[tokio::test]
async fn an_upload_keeps_the_kind_of_checksum_it_was_begun_with() {
    let house = House::with_books();
    let begin = |algorithm: &str| {
        Ask::post("/books/k?uploads", "")
            .header("x-amz-checksum-algorithm", algorithm)
            .ask(&house)
    };
    let answer = begin("CRC32").await.expect(200);
    assert_eq!(answer.header("x-amz-checksum-algorithm"), Some("CRC32"));
    assert_eq!(answer.header("x-amz-checksum-type"), Some("COMPOSITE"));
    begin("MD4").await.expect_error(400, "InvalidRequest");
    let id = values(answer.text(), "UploadId").remove(0);
    let target = format!("/books/k?partNumber=1&uploadId={id}");
    let stored = Ask::put(&target, "hello").ask(&house).await.expect(200);
    assert_eq!(
        stored.header("x-amz-checksum-crc32"),
        Some("NhCmhg=="),
        "computed though not sent"
    );
    let etag = stored.header("etag").unwrap().to_owned();
    let wrong = Ask::put(&target, "hello")
        .header("x-amz-checksum-crc32c", "mnG7TA==")
        .ask(&house)
        .await;
    wrong.expect_error(400, "InvalidRequest");

    let list = Ask::get(&format!("/books/k?uploadId={id}"))
        .ask(&house)
        .await
        .expect(200);
    assert_eq!(
        at(list.text(), "ListPartsResult/Part/ChecksumCRC32"),
        ["NhCmhg=="]
    );
    assert_eq!(values(list.text(), "ChecksumAlgorithm"), ["CRC32"]);
    let body = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag>\
         <ChecksumCRC32>NhCmhg==</ChecksumCRC32></Part></CompleteMultipartUpload>"
    );
    let done = Ask::post(&format!("/books/k?uploadId={id}"), body)
        .header("x-amz-checksum-type", "COMPOSITE")
        .ask(&house)
        .await
        .expect(200);
    assert_eq!(values(done.text(), "ChecksumType"), ["COMPOSITE"]);
    assert_eq!(values(done.text(), "ChecksumCRC32"), ["BwcHBw==-1"]);
    let get = Ask::get("/books/k")
        .header("x-amz-checksum-mode", "ENABLED")
        .ask(&house)
        .await
        .expect(200);
    assert_eq!(
        get.header("x-amz-checksum-crc32"),
        Some("BwcHBw==-1"),
        "never as one of the whole"
    );
    assert_eq!(get.header("x-amz-checksum-type"), Some("COMPOSITE"));
    let one = Ask::get("/books/k?partNumber=1")
        .header("x-amz-checksum-mode", "ENABLED")
        .ask(&house)
        .await
        .expect(206);
    assert_eq!(
        one.header("x-amz-checksum-crc32"),
        Some("NhCmhg=="),
        "of the part that is sent"
    );
}

#[tokio::test]
async fn parts_and_uploads_are_listed_in_pages() {
    let house = House::with_books();
    let id = begin(&house, "k").await;
    for number in [1, 2, 5] {
        part(&house, "k", &id, number, "hello").await;
    }
    let page = Ask::get(&format!("/books/k?max-parts=2&uploadId={id}"))
        .ask(&house)
        .await
        .expect(200);
    assert_eq!(values(page.text(), "PartNumber"), ["1", "2"]);
    assert_eq!(
        (
            values(page.text(), "NextPartNumberMarker"),
            values(page.text(), "IsTruncated")
        ),
        (vec!["2".into()], vec!["true".into()])
    );
    let page = Ask::get(&format!("/books/k?part-number-marker=2&uploadId={id}"))
        .ask(&house)
        .await
        .expect(200);
    assert_eq!(
        (
            values(page.text(), "PartNumber"),
            values(page.text(), "IsTruncated")
        ),
        (vec!["5".into()], vec!["false".into()])
    );
    Ask::get(&format!("/books/k?part-number-marker=x&uploadId={id}"))
        .ask(&house)
        .await
        .expect_error(400, "InvalidArgument");

    let again = begin(&house, "k").await;
    begin(&house, "dir/a").await;
    begin(&house, "dir/b").await;
    let all = Ask::get("/books?uploads").ask(&house).await.expect(200);
    assert_eq!(
        at(all.text(), "ListMultipartUploadsResult/Upload/Key"),
        ["dir/a", "dir/b", "k", "k"]
    );
    let grouped = Ask::get("/books?delimiter=%2F&max-uploads=2&uploads")
        .ask(&house)
        .await
        .expect(200);
    assert_eq!(
        at(grouped.text(), "ListMultipartUploadsResult/CommonPrefixes/Prefix"),
        ["dir/"]
    );
    assert_eq!(
        at(grouped.text(), "ListMultipartUploadsResult/Upload/UploadId"),
        [id.as_str()]
    );
    let marker = (
        values(grouped.text(), "NextKeyMarker").remove(0),
        values(grouped.text(), "NextUploadIdMarker").remove(0),
    );
    assert_eq!(marker, ("k".to_owned(), id.clone()));
    let rest = Ask::get(&format!(
        "/books?delimiter=%2F&key-marker=k&upload-id-marker={id}&uploads"
    ))
    .ask(&house)
    .await
    .expect(200);
    assert_eq!(
        at(rest.text(), "ListMultipartUploadsResult/Upload/UploadId"),
        [again]
    );
    assert_eq!(values(rest.text(), "IsTruncated"), ["false"]);
}

#[tokio::test]
async fn an_upload_can_be_given_up_once() {
    let house = House::with_books();
    let id = begin(&house, "k").await;
    part(&house, "k", &id, 1, "hello").await;
    Ask::delete(&format!("/books/k?uploadId={id}"))
        .by(&house, BOB)
        .await
        .expect_error(403, "AccessDenied");
    Ask::delete(&format!("/books/k?uploadId={id}"))
        .ask(&house)
        .await
        .expect(204);
    Ask::delete(&format!("/books/k?uploadId={id}"))
        .ask(&house)
        .await
        .expect_error(404, "NoSuchUpload");
    assert!(house.gateway.contents().is_empty());
}

/// A house whose completions wait until they are let go, and the answer to one, begun.
async fn held() -> (House, Arc<Notify>, String, String) {
    let mut config = config();
    config.limits.keep_alive = Duration::from_secs(5);
    let house = House::with(config);
    house.gateway.add_bucket("books", "alice");
    let id = begin(&house, "k").await;
    let etag = part(&house, "k", &id, 1, "hello").await;
    let gate = Arc::new(Notify::new());
    house.gateway.state().hold_completion = Some(Arc::clone(&gate));
    (house, gate, id, etag)
}

#[tokio::test(start_paused = true)]
async fn a_long_completion_keeps_its_connection_alive() {
    let (house, gate, id, etag) = held().await;
    let request = Ask::post(&format!("/books/k?uploadId={id}"), document(&[(1, &etag)]))
        .sign(ALICE)
        .request;
    let answer = house.service.handle(request).await;
    assert_eq!(
        (
            answer.status().as_u16(),
            answer.headers()["content-type"].to_str().unwrap()
        ),
        (200, "application/xml")
    );
    assert!(!answer.headers().contains_key("content-length"));
    let mut body = answer.into_body();
    let mut text = String::new();
    for _ in 0..3 {
        let frame = body.frame().await.unwrap().unwrap();
        text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
    }
    assert_eq!(
        text, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n  ",
        "the declaration, then white space"
    );
    gate.notify_one();
    text.push_str(std::str::from_utf8(&body.collect().await.unwrap().to_bytes()).unwrap());
    assert_eq!(values(&text, "Key"), ["k"]);
    assert_eq!(house.gateway.object("k").unwrap(), "hello");
    let record = house.records.last();
    assert_eq!(
        (record.error, record.ending, record.bytes_out),
        (None, Ending::Complete, text.len() as u64)
    );
}

#[tokio::test(start_paused = true)]
async fn a_completion_that_fails_late_says_so_in_its_body() {
    let (house, gate, id, _) = held().await;
    let request = Ask::post(&format!("/books/k?uploadId={id}"), document(&[(1, "x")]))
        .sign(ALICE)
        .request;
    let answer = house.service.handle(request).await;
    assert_eq!(answer.status(), 200);
    let request_id = answer.headers()["x-amz-request-id"].to_str().unwrap().to_owned();
    gate.notify_one();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let text = std::str::from_utf8(&body).unwrap();
    assert_eq!(at(text, "Error/Code"), ["InvalidPart"]);
    assert_eq!(at(text, "Error/RequestId"), [request_id]);
    assert_eq!(house.records.last().error, Some(ErrorCode::InvalidPart));
    assert_eq!(house.gateway.object("k"), None);
}
