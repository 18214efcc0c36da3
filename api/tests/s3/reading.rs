//! Ranges and parts of objects.

use api::s3::Ending;
use http_body_util::BodyExt as _;

use crate::support::House;
use crate::support::ask::{ALICE, Answer, Ask};
use crate::support::gateway::BrokenRead;
use crate::support::wire::{Wire, bytes};

async fn ten() -> House {
    let house = House::with_books();
    house.gateway.store("books", "k", "0123456789");
    house
}

fn range(answer: &Answer) -> (u16, &str, Option<&str>) {
    (
        answer.status.as_u16(),
        answer.text(),
        answer.header("content-range"),
    )
}

#[tokio::test]
async fn a_single_range_is_206() {
    let house = ten().await;
    for (value, status, text, content_range) in [
        ("bytes=0-0", 206, "0", Some("bytes 0-0/10")),
        ("bytes=2-4", 206, "234", Some("bytes 2-4/10")),
        ("bytes=7-", 206, "789", Some("bytes 7-9/10")),
        ("bytes=-3", 206, "789", Some("bytes 7-9/10")),
        ("bytes=0-", 206, "0123456789", Some("bytes 0-9/10")),
        ("bytes=5-500", 206, "56789", Some("bytes 5-9/10")),
        // Not a single range: all of it.
        ("bytes=0-1,3-4", 200, "0123456789", None),
        ("bytes=4-2", 200, "0123456789", None),
        ("lines=1-2", 200, "0123456789", None),
        ("nonsense", 200, "0123456789", None),
    ] {
        let answer = Ask::get("/books/k").header("range", value).ask(&house).await;
        assert_eq!(range(&answer), (status, text, content_range), "{value}");
        assert_eq!(
            answer.header("content-length"),
            Some(text.len().to_string().as_str()),
            "{value}"
        );
        let head = Ask::head("/books/k").header("range", value).ask(&house).await;
        assert_eq!(
            (head.status.as_u16(), head.header("content-range")),
            (status, content_range),
            "HEAD {value}"
        );
        assert_eq!(
            head.header("content-length"),
            answer.header("content-length"),
            "HEAD {value}"
        );
    }
}

#[tokio::test]
async fn a_range_behind_the_end_is_416() {
    let house = ten().await;
    house.gateway.store("books", "empty", "");
    for (key, value, size) in [
        ("k", "bytes=10-", "bytes */10"),
        ("k", "bytes=-0", "bytes */10"),
        ("empty", "bytes=0-0", "bytes */0"),
    ] {
        let answer = Ask::get(&format!("/books/{key}"))
            .header("range", value)
            .ask(&house)
            .await;
        answer.expect_error(416, "InvalidRange");
        assert_eq!(answer.header("content-range"), Some(size), "{value}");
        let head = Ask::head(&format!("/books/{key}"))
            .header("range", value)
            .ask(&house)
            .await
            .expect(416);
        assert!(head.body.is_empty());
    }
}

#[tokio::test]
async fn if_range_asks_for_the_rest_of_the_same_object_only() {
    let house = ten().await;
    let head = Ask::head("/books/k").ask(&house).await;
    let (etag, date) = (
        head.header("etag").unwrap(),
        head.header("last-modified").unwrap(),
    );
    let ask = |validator: &str| {
        Ask::get("/books/k")
            .header("range", "bytes=8-")
            .header("if-range", validator)
            .ask(&house)
    };
    for same in [etag, date] {
        assert_eq!(ask(same).await.expect(206).text(), "89", "{same}");
    }
    for other in [
        "\"other\"",
        &format!("W/{etag}"),
        "Mon, 12 Oct 2009 17:50:31 GMT",
        "nonsense",
    ] {
        assert_eq!(ask(other).await.expect(200).text(), "0123456789", "{other}");
    }
}

#[tokio::test]
async fn a_part_of_an_object_can_be_read_by_number() {
    let house = ten().await;
    let one = Ask::get("/books/k?partNumber=1").ask(&house).await;
    assert_eq!(range(&one), (206, "0123456789", Some("bytes 0-9/10")));
    assert_eq!(one.header("x-amz-mp-parts-count"), None);
    Ask::get("/books/k?partNumber=2")
        .ask(&house)
        .await
        .expect_error(416, "InvalidPartNumber");
    for bad in ["0", "10001", "-1", "one", ""] {
        Ask::get(&format!("/books/k?partNumber={bad}"))
            .ask(&house)
            .await
            .expect_error(400, "InvalidArgument");
    }
    Ask::get("/books/k?partNumber=1")
        .header("range", "bytes=0-1")
        .ask(&house)
        .await
        .expect_error(400, "InvalidRequest");
}

#[tokio::test]
async fn a_body_that_breaks_off_breaks_the_connection_and_is_never_short() {
    let house = House::with_books();
    house.gateway.store("books", "k", vec![7; 3000]);
    for (after, how) in [
        (1, BrokenRead::Fails),
        (0, BrokenRead::Stops),
        (2, BrokenRead::Stops),
        (1, BrokenRead::GoesOn),
    ] {
        house.gateway.state().broken_reads = Some((after, how));
        let answer = house
            .service
            .handle(Ask::get("/books/k").sign(ALICE).request)
            .await;
        assert_eq!(answer.headers()["content-length"], "3000");
        let mut body = answer.into_body();
        let mut sent = 0;
        let broken = loop {
            match body.frame().await {
                Some(Ok(frame)) => sent += frame.data_ref().unwrap().len(),
                Some(Err(_)) => break true,
                None => break false,
            }
        };
        assert!(broken && sent <= 3000, "{how:?}: {sent}");
        assert_eq!(house.records.last().ending, Ending::Aborted, "{how:?}");
    }
    house.gateway.state().broken_reads = Some((1, BrokenRead::Stops));
    let mut wire = Wire::open(&house);
    wire.write(bytes(&Ask::get("/books/k").sign(ALICE).request, b""))
        .await;
    // Perhaps nothing at all was sent yet; never the whole, and the connection is gone.
    let answer = wire.read_to_close().await;
    assert!(answer.len() < 3000, "{} bytes", answer.len());
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 200"),
        "{answer:?}"
    );
}
