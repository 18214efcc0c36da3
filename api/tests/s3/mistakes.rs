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
async fn what_is_logged_of_a_broken_answer_names_nothing_of_the_user() {
    let house = House::with_books();
    house.gateway.store("books", "a key of the user's", vec![7; 3000]);
    house.gateway.state().broken_reads = Some((1, BrokenRead::Stops));
    let request = Ask::get("/books/a%20key%20of%20the%20user%27s")
        .sign(ALICE)
        .request;
    let answer = house.service.handle(request).await;
    answer.into_body().collect().await.unwrap_err();
    let lines = log::lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    let text = lines[0].to_string();
    for hidden in ["a key of", "a%20key", "books", ALICE.access_key, ALICE.secret] {
        assert!(!text.contains(hidden), "{text}");
    }
}
