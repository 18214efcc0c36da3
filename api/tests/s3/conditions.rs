//! Conditional requests.

use http::Method;

use crate::support::House;
use crate::support::ask::{Ask, BOB};

const HELLO: &str = "\"5d41402abc4b2a76b9719d911017c592\"";
const BEFORE: &str = "Mon, 12 Oct 2009 17:50:29 GMT";
const AT: &str = "Mon, 12 Oct 2009 17:50:30 GMT";

fn house() -> House {
    let house = House::with_books();
    house.gateway.store("books", "k", "hello");
    house
}

#[tokio::test]
async fn reads_answer_304_and_412() {
    let house = house();
    for (headers, status) in [
        (vec![("if-match", HELLO)], 200),
        (vec![("if-match", "5d41402abc4b2a76b9719d911017c592")], 200),
        (vec![("if-match", "*")], 200),
        (
            vec![("if-match", "\"x\", \"5d41402abc4b2a76b9719d911017c592\"")],
            200,
        ),
        (vec![("if-match", "\"x\"")], 412),
        (vec![("if-none-match", HELLO)], 304),
        (
            vec![("if-none-match", "W/\"5d41402abc4b2a76b9719d911017c592\"")],
            304,
        ),
        (vec![("if-none-match", "*")], 304),
        (vec![("if-none-match", "\"x\"")], 200),
        (vec![("if-modified-since", BEFORE)], 200),
        (vec![("if-modified-since", AT)], 304),
        (vec![("if-modified-since", "yesterday")], 200),
        (vec![("if-unmodified-since", AT)], 200),
        (vec![("if-unmodified-since", BEFORE)], 412),
        (vec![("if-match", HELLO), ("if-unmodified-since", BEFORE)], 200),
        (vec![("if-none-match", "\"x\""), ("if-modified-since", AT)], 200),
        (vec![("if-match", "\"x\""), ("if-none-match", HELLO)], 412),
    ] {
        for method in [Method::GET, Method::HEAD] {
            let mut ask = Ask::new(method.clone(), "/books/k");
            for (name, value) in &headers {
                ask = ask.header(name, value);
            }
            let answer = ask.ask(&house).await.expect(status);
            match status {
                304 => {
                    assert!(answer.body.is_empty());
                    assert_eq!(
                        (answer.header("etag"), answer.header("last-modified")),
                        (Some(HELLO), Some(AT))
                    );
                    assert_eq!(answer.header("content-length"), None);
                }
                412 if method == Method::GET => answer.expect_error(412, "PreconditionFailed"),
                _ => {}
            }
        }
    }
    Ask::get("/books/k")
        .header("if-match", "\"")
        .ask(&house)
        .await
        .expect_error(400, "InvalidArgument");
    Ask::get("/books/none")
        .header("if-match", HELLO)
        .ask(&house)
        .await
        .expect_error(404, "NoSuchKey");
}

#[tokio::test]
async fn writes_are_decided_by_the_version_that_is_there() {
    let house = house();
    let put = |key: &str, name: &str, value: &str| {
        Ask::put(&format!("/books/{key}"), "new")
            .header(name, value)
            .ask(&house)
    };
    put("k", "if-none-match", "*")
        .await
        .expect_error(412, "PreconditionFailed");
    put("k", "if-match", "\"x\"")
        .await
        .expect_error(412, "PreconditionFailed");
    put("none", "if-match", HELLO)
        .await
        .expect_error(404, "NoSuchKey");
    assert_eq!(house.gateway.object("k").unwrap(), "hello");
    put("k", "if-match", HELLO).await.expect(200);
    put("fresh", "if-none-match", "*").await.expect(200);
    put("fresh", "if-none-match", "*")
        .await
        .expect_error(412, "PreconditionFailed");
    assert_eq!(house.gateway.object("k").unwrap(), "new");
}

#[tokio::test]
async fn deletes_are_conditional_too() {
    let house = house();
    Ask::delete("/books/k")
        .header("if-match", "\"x\"")
        .ask(&house)
        .await
        .expect_error(412, "PreconditionFailed");
    assert!(house.gateway.object("k").is_some());
    Ask::delete("/books/k")
        .header("if-match", HELLO)
        .ask(&house)
        .await
        .expect(204);
    Ask::delete("/books/k")
        .header("if-match", HELLO)
        .ask(&house)
        .await
        .expect_error(404, "NoSuchKey");
}

#[tokio::test]
async fn a_write_is_never_carried_out_without_a_condition_that_came_with_it() {
    let house = house();
    let before = house.gateway.contents();
    for (name, value) in [("if-modified-since", BEFORE), ("if-unmodified-since", AT)] {
        for ask in [
            Ask::put("/books/k", "new"),
            Ask::delete("/books/k"),
            Ask::put("/arts", ""),
            Ask::post("/books/k?uploads", ""),
            Ask::put("/books/k?partNumber=1&uploadId=u", "x"),
            Ask::delete("/books/k?uploadId=u"),
            Ask::post("/books?delete", "<Delete><Object><Key>k</Key></Object></Delete>").with_md5(),
        ] {
            ask.header(name, value)
                .ask(&house)
                .await
                .expect_error(501, "NotImplemented");
        }
    }
    Ask::delete("/books/k")
        .header("if-none-match", "*")
        .ask(&house)
        .await
        .expect_error(501, "NotImplemented");
    Ask::delete("/books")
        .header("if-match", "*")
        .ask(&house)
        .await
        .expect_error(501, "NotImplemented");
    assert_eq!(house.gateway.contents(), before);
}

#[tokio::test]
async fn sec_45_conditions_on_a_forbidden_object_tell_nothing() {
    let house = house();
    let mut answers = Vec::new();
    for key in ["k", "none"] {
        for (name, value) in [
            ("if-none-match", HELLO),
            ("if-match", "\"x\""),
            ("if-modified-since", AT),
            ("range", "bytes=99-"),
        ] {
            let answer = Ask::get(&format!("/books/{key}"))
                .header(name, value)
                .by(&house, BOB)
                .await;
            answer.expect_error(403, "AccessDenied");
            let names: Vec<_> = answer
                .headers
                .keys()
                .map(|name| name.as_str().to_owned())
                .collect();
            answers.push(names);
        }
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:?}");
    let head = Ask::head("/books/k").by(&house, BOB).await.expect(403);
    assert!(head.header("etag").is_none() && head.body.is_empty());
    let elsewhere = Ask::get("/no-such-bucket/k").by(&house, BOB).await;
    elsewhere.expect_error(403, "AccessDenied");
}
