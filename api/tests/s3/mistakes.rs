//! Mistakes of ours: what a client is told, and what stands in the log.

use api::s3::{Ending, ErrorCode};
use http::StatusCode;
use http_body_util::BodyExt as _;

use crate::support::House;
use crate::support::ask::{ALICE, Ask};
use crate::support::gateway::BrokenRead;
use crate::support::log;
use crate::support::wire::{Wire, bytes};

#[tokio::test]
async fn sec_24_a_panic_ends_one_request_with_a_whole_error_and_its_connection() {
    let house = House::with_books();
    house.gateway.store("books", "k", "old");
    house.gateway.state().panics = true;
    let answer = Ask::get("/books/k").ask(&house).await;
    answer.expect_error(500, "InternalError");
    assert_eq!(answer.header("connection"), Some("close"));
    let record = house.records.last();
    assert_eq!(
        (record.status, record.error, record.ending),
        (
            Some(StatusCode::INTERNAL_SERVER_ERROR),
            Some(ErrorCode::InternalError),
            Ending::Complete
        )
    );
    assert_eq!(record.user.as_deref(), Some("alice"));

    let mut wire = Wire::open(&house);
    wire.write(bytes(&Ask::put("/books/k", "new").sign(ALICE).request, b"new"))
        .await;
    wire.write(b"GET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n").await;
    let answer = wire.read_to_close().await;
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
    assert!(
        answer.starts_with("HTTP/1.1 500 ") && answer.ends_with("</Error>"),
        "{answer}"
    );

    house.gateway.state().panics = false;
    assert_eq!(Ask::get("/books/k").ask(&house).await.expect(200).text(), "old");
}

#[tokio::test]
async fn a_line_that_is_logged_for_a_request_says_for_which() {
    let house = House::with_books();
    house.gateway.store("books", "a key of the user's", vec![7; 3000]);
    house.gateway.state().broken_reads = Some((1, BrokenRead::Stops));
    let request = Ask::get("/books/a%20key%20of%20the%20user%27s")
        .sign(ALICE)
        .request;
    let answer = house.service.handle(request).await;
    let id = answer.headers()["x-amz-request-id"].to_str().unwrap().to_owned();
    answer.into_body().collect().await.unwrap_err();
    let lines = log::lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["span"]["request_id"], id.as_str());
    assert_eq!(lines[0]["span"]["name"], "request");
    let text = lines[0].to_string();
    for hidden in ["a key of", "a%20key", "books", ALICE.access_key, ALICE.secret] {
        assert!(!text.contains(hidden), "{text}");
    }
}

#[tokio::test]
async fn the_lines_of_two_requests_are_told_apart() {
    let house = House::with_books();
    for key in ["one", "two"] {
        house.gateway.store("books", key, vec![7; 3000]);
    }
    house.gateway.state().broken_reads = Some((0, BrokenRead::GoesOn));
    let mut ids = Vec::new();
    let mut answers = Vec::new();
    for key in ["/books/one", "/books/two"] {
        let answer = house.service.handle(Ask::get(key).sign(ALICE).request).await;
        ids.push(answer.headers()["x-amz-request-id"].to_str().unwrap().to_owned());
        answers.push(answer.into_body());
    }
    // The second is read first.
    for answer in answers.into_iter().rev() {
        answer.collect().await.unwrap_err();
    }
    let said: Vec<_> = log::lines()
        .iter()
        .map(|line| line["span"]["request_id"].as_str().unwrap().to_owned())
        .collect();
    ids.reverse();
    assert_eq!(said, ids);
}
