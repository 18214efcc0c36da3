//! What happens on a real HTTP/1.1 connection.

use api::s3::Ending;

use crate::support::ask::{ALICE, Ask, User};
use crate::support::wire::{Wire, bytes};
use crate::support::{House, chunks};

const MALLORY: User = User {
    access_key: "AKALICE",
    secret: "a guess",
};

fn house() -> House {
    let house = House::with_books();
    house.gateway.store("books", "k", "old");
    house
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let house = house();
    let mut wire = Wire::open(&house);
    for _ in 0..3 {
        wire.write(bytes(&Ask::put("/books/k", "new").sign(ALICE).request, b"new"))
            .await;
        let answer = wire.read_answer().await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        wire.write(bytes(&Ask::get("/books/k").sign(ALICE).request, b""))
            .await;
        assert!(wire.read_answer().await.ends_with("\r\n\r\nnew"));
        wire.write(bytes(&Ask::get("/books/none").sign(ALICE).request, b""))
            .await;
        assert!(wire.read_answer().await.contains("<Code>NoSuchKey</Code>"));
        wire.write(bytes(&Ask::head("/books/none").sign(ALICE).request, b""))
            .await;
        let head = wire.read_answer().await;
        assert!(
            head.starts_with("HTTP/1.1 404") && head.ends_with("\r\n\r\n"),
            "{head}"
        );
        wire.write(bytes(&Ask::head("/books/k").sign(ALICE).request, b""))
            .await;
        // Its length is that of a body that does not come.
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            head.push_str(&wire.read_byte().await);
        }
        assert!(head.contains("content-length: 3\r\n"), "{head}");
        wire.write(bytes(
            &Ask::get("/books/k")
                .header("if-none-match", "*")
                .sign(ALICE)
                .request,
            b"",
        ))
        .await;
        let not_modified = wire.read_answer().await;
        assert!(
            not_modified.starts_with("HTTP/1.1 304") && not_modified.ends_with("\r\n\r\n"),
            "{not_modified}"
        );
    }
}

#[tokio::test]
async fn a_client_that_waits_is_told_to_go_on_only_once_it_is_known() {
    let house = house();
    let ask = || Ask::put("/books/k", "new").header("expect", "100-continue");

    let mut wire = Wire::open(&house);
    wire.write(bytes(&ask().sign(MALLORY).request, b"")).await;
    let answer = wire.read_to_close().await;
    assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{answer}");
    assert!(
        answer.contains("connection: close\r\n") && answer.contains("SignatureDoesNotMatch"),
        "{answer}"
    );

    let mut wire = Wire::open(&house);
    let refused = Ask::put("/none/k", "new")
        .header("expect", "100-continue")
        .sign(ALICE)
        .request;
    wire.write(bytes(&refused, b"")).await;
    let answer = wire.read_to_close().await;
    assert!(
        answer.starts_with("HTTP/1.1 404") && !answer.contains("100 Continue"),
        "{answer}"
    );

    let mut wire = Wire::open(&house);
    wire.write(bytes(&ask().sign(ALICE).request, b"")).await;
    let go_on = wire.read_answer().await;
    assert!(go_on.starts_with("HTTP/1.1 100 Continue\r\n"), "{go_on}");
    wire.write(b"new").await;
    let answer = wire.read_answer().await;
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n") && !answer.contains("connection: close"),
        "{answer}"
    );
    assert_eq!(house.gateway.object("k").unwrap(), "new");
}

/// aws-cli takes the next answer on such a connection for a continuation of this one.
#[tokio::test]
async fn a_connection_ends_where_an_answer_came_in_place_of_a_continue() {
    let house = house();
    let waiting = Ask::put("/books/empty", "")
        .header("expect", "100-continue")
        .sign(ALICE)
        .request;
    let mut wire = Wire::open(&house);
    wire.write(bytes(&waiting, b"")).await;
    let answer = wire.read_to_close().await;
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("connection: close\r\n"),
        "{answer}"
    );

    // Who did not wait goes on.
    let mut wire = Wire::open(&house);
    wire.write(bytes(&Ask::put("/books/empty", "").sign(ALICE).request, b""))
        .await;
    let answer = wire.read_answer().await;
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n") && !answer.contains("connection: close"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_connection_is_closed_when_a_body_was_not_read() {
    let house = house();
    for (name, ask) in [
        (
            "bad signature",
            bytes(&Ask::put("/books/k", "new").sign(MALLORY).request, b"new"),
        ),
        (
            "no such bucket",
            bytes(&Ask::put("/none/k", "new").sign(ALICE).request, b"new"),
        ),
        (
            "not built",
            bytes(&Ask::put("/books/k?acl", "new").sign(ALICE).request, b"new"),
        ),
        (
            "a body where none belongs",
            bytes(&Ask::get("/books/k").body("new").sign(ALICE).request, b"new"),
        ),
    ] {
        let mut wire = Wire::open(&house);
        wire.write(ask).await;
        wire.write(b"GET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let answer = wire.read_to_close().await;
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{name}: {answer}");
        assert!(answer.contains("connection: close\r\n"), "{name}: {answer}");
    }
    assert_eq!(house.gateway.object("k").unwrap(), "old");
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_leaves_nothing() {
    let house = house();
    let mut wire = Wire::open(&house);
    wire.write(bytes(
        &Ask::put("/books/k", "hello world").sign(ALICE).request,
        b"hello",
    ))
    .await;
    wire.close_write().await;
    let answer = wire.read_to_close().await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 400"),
        "{answer}"
    );
    assert_eq!(house.gateway.object("k").unwrap(), "old");
}

#[tokio::test]
async fn sec_38_ambiguous_framing_is_refused_and_the_connection_closed() {
    let house = house();
    let signed = Ask::put("/books/k", "new").sign(ALICE).request;
    let plain = String::from_utf8(bytes(&signed, b"new")).unwrap();
    let with = |from: &str, to: &str| plain.replacen(from, to, 1);
    for (name, request) in [
        (
            "a length with a sign",
            with("content-length: 3", "content-length: +3"),
        ),
        (
            "two lengths",
            with("content-length: 3", "content-length: 3\r\ncontent-length: 4"),
        ),
        (
            "a list of lengths",
            with("content-length: 3", "content-length: 3, 3"),
        ),
        (
            "length and chunks",
            with(
                "content-length: 3",
                "content-length: 3\r\ntransfer-encoding: chunked",
            ),
        ),
        (
            "chunks and length",
            with(
                "content-length: 3",
                "transfer-encoding: chunked\r\ncontent-length: 3",
            ),
        ),
        (
            "chunks twice",
            with(
                "content-length: 3",
                "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
            ),
        ),
        (
            "a coding that is none",
            with("content-length: 3", "transfer-encoding: xchunked"),
        ),
        (
            "a space before the colon",
            with("content-length: 3", "content-length : 3"),
        ),
        (
            "a folded header",
            with("content-length: 3", "content-length: 3\r\nx-folded: a\r\n b"),
        ),
        (
            "a chunk size that overflows",
            with("content-length: 3", "transfer-encoding: chunked")
                .replace("\r\n\r\nnew", "\r\n\r\nffffffffffffffffff\r\nnew\r\n0\r\n\r\n"),
        ),
        ("no host", with("host: localhost:9000\r\n", "")),
        (
            "two hosts",
            with(
                "host: localhost:9000",
                "host: localhost:9000\r\nhost: localhost:9000",
            ),
        ),
        (
            "another host in the target",
            with("PUT /books/k", "PUT http://elsewhere/books/k"),
        ),
        ("no version", with(" HTTP/1.1", "")),
        ("no target", with("PUT /books/k", "PUT ")),
        (
            "a header without a name",
            with("content-length: 3", "content-length: 3\r\n: 3"),
        ),
        (
            "a NUL in a header",
            with("content-length: 3", "content-length: 3\r\nx-a: \0"),
        ),
        (
            "chunks and another coding",
            with("content-length: 3", "transfer-encoding: chunked, identity"),
        ),
        (
            "no coding at all",
            with("content-length: 3", "transfer-encoding: identity"),
        ),
        (
            "chunks over HTTP/1.0",
            with("content-length: 3", "transfer-encoding: chunked").replacen("HTTP/1.1", "HTTP/1.0", 1),
        ),
        (
            "a line feed in the extension of a chunk",
            chunked_by_transfer(&plain, "3;a=\nb\r\nnew\r\n0\r\n\r\n"),
        ),
        (
            "a line feed after the size of a chunk",
            chunked_by_transfer(&plain, "3\nnew\r\n0\r\n\r\n"),
        ),
        (
            "a line feed after a chunk",
            chunked_by_transfer(&plain, "3\r\nnew\n0\r\n\r\n"),
        ),
        (
            "a chunk longer than it says",
            chunked_by_transfer(&plain, "2\r\nnew\r\n0\r\n\r\n"),
        ),
        (
            "a size with a sign",
            chunked_by_transfer(&plain, "+3\r\nnew\r\n0\r\n\r\n"),
        ),
    ] {
        assert_ne!(request, plain, "{name}");
        let mut wire = Wire::open(&house);
        wire.write(&request).await;
        wire.write(b"GET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n").await;
        let answer = wire.read_to_close().await;
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{name}: {answer}");
        assert!(answer.starts_with("HTTP/1.1 4"), "{name}: {answer}");
        assert_eq!(house.gateway.object("k").unwrap(), "old", "{name}");
    }
    let mut wire = Wire::open(&house);
    wire.write(&plain).await;
    assert!(
        wire.read_answer().await.starts_with("HTTP/1.1 200"),
        "unchanged it is good"
    );
}

/// The request of `plain` with a body in chunks of the transfer, and a length of its payload that is
/// told all the same.
fn chunked_by_transfer(plain: &str, body: &str) -> String {
    let (head, _) = plain.split_once("\r\n\r\n").unwrap();
    let head = head.replacen("content-length: 3", "transfer-encoding: chunked", 1);
    format!("{head}\r\n\r\n{body}")
}

/// RFC 9112, section 2.2: a line feed alone may end a line of a head, and hyper takes it for one. What
/// hides behind one in a value, for whoever looked before us, is a header to us: it must neither change
/// what was signed nor make a second request of a body.
#[tokio::test]
async fn sec_38_a_line_feed_in_a_value_smuggles_nothing() {
    let house = house();
    let put = bytes(&Ask::put("/books/k", "new").sign(ALICE).request, b"new");
    let put = String::from_utf8(put).unwrap();
    let get = bytes(&Ask::get("/books/k").sign(ALICE).request, b"");
    let get = String::from_utf8(get).unwrap();
    let smuggled = "DELETE /books/k HTTP/1.1\r\nhost: x\r\n\r\n";
    for (name, request) in [
        (
            "chunks behind a value",
            put.replacen(
                "content-length: 3",
                "content-length: 3\r\nx-a: b\ntransfer-encoding: chunked",
                1,
            ),
        ),
        (
            "another length behind a value",
            put.replacen(
                "content-length: 3",
                "content-length: 3\r\nx-a: b\ncontent-length: 0",
                1,
            ),
        ),
        (
            "a length behind a value of a GET",
            get.replacen(
                "\r\n\r\n",
                &format!("\r\nx-a: b\ncontent-length: {}\r\n\r\n", smuggled.len()),
                1,
            ),
        ),
        (
            "a header of S3 behind a value",
            put.replacen(
                "content-length: 3",
                "content-length: 3\r\nx-a: b\nx-amz-meta-a: b",
                1,
            ),
        ),
        (
            "another host behind a value",
            put.replacen(
                "content-length: 3",
                "content-length: 3\r\nx-a: b\nhost: elsewhere",
                1,
            ),
        ),
    ] {
        let mut wire = Wire::open(&house);
        wire.write(&request).await;
        wire.write(smuggled).await;
        let answer = wire.read_to_close().await;
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{name}: {answer}");
        assert!(answer.starts_with("HTTP/1.1 4"), "{name}: {answer}");
        assert_eq!(house.gateway.object("k").unwrap(), "old", "{name}");
    }
    // Two of them end a head early: what is left of it is no request.
    let mut wire = Wire::open(&house);
    wire.write(put.replacen("content-length: 3", "x-a: b\n\ncontent-length: 3", 1))
        .await;
    let answer = wire.read_to_close().await;
    let statuses: Vec<&str> = answer
        .split("HTTP/1.1 ")
        .skip(1)
        .filter_map(|rest| rest.get(..3))
        .collect();
    assert_eq!(statuses, ["403", "400"], "{answer}");
    assert_eq!(house.gateway.object("k").unwrap(), "old");
}

#[tokio::test]
async fn sec_41_targets_that_are_no_paths_are_refused() {
    let house = house();
    for (request, status) in [
        ("OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        (
            "CONNECT localhost:9000 HTTP/1.1\r\nhost: localhost:9000\r\n\r\n",
            400,
        ),
        ("GET localhost:9000 HTTP/1.1\r\nhost: localhost:9000\r\n\r\n", 400),
        (
            "GET http://localhost:9000 HTTP/1.1\r\nhost: localhost:9000\r\n\r\n",
            403,
        ),
        ("GET http:// HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        ("GET books/k HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        ("GET \\books HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        ("GET /books/k#x HTTP/1.1\r\nhost: a\r\n\r\n", 403),
        ("GET /books/\u{e9} HTTP/1.1\r\nhost: a\r\n\r\n", 403),
        ("GET /books/k HTTP/1.1\r\nhost:\r\n\r\n", 400),
        ("GET /books/k HTTP/1.1\r\nhost: a b\r\n\r\n", 403),
    ] {
        let mut wire = Wire::open(&house);
        wire.write(request).await;
        let answer = wire.read_answer().await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{request:?}: {answer}"
        );
    }
    assert!(house.gateway.state().calls.is_empty());
}

#[tokio::test]
async fn sec_38_a_get_with_a_body_is_refused_and_the_connection_closed() {
    let house = house();
    for (name, value, body) in [
        ("content-length", "3", "abc"),
        ("transfer-encoding", "chunked", "3\r\nabc\r\n0\r\n\r\n"),
    ] {
        let request = Ask::get("/books/k").header(name, value).sign(ALICE).request;
        let mut wire = Wire::open(&house);
        wire.write(bytes(&request, body.as_bytes())).await;
        let answer = wire.read_to_close().await;
        assert!(
            answer.starts_with("HTTP/1.1 400") && answer.contains("connection: close"),
            "{name}: {answer}"
        );
    }
}

#[tokio::test]
async fn a_target_in_absolute_form_is_the_same_request() {
    let house = house();
    let request = String::from_utf8(bytes(&Ask::get("/books/k").sign(ALICE).request, b"")).unwrap();
    let mut wire = Wire::open(&house);
    wire.write(request.replacen("GET /books/k", "GET http://localhost:9000/books/k", 1))
        .await;
    assert!(wire.read_answer().await.ends_with("\r\n\r\nold"));
}

#[tokio::test]
async fn sec_48_two_hundred_headers_are_too_many() {
    let house = house();
    let mut ask = Ask::get("/books/k");
    for index in 0..200 {
        ask = ask.header(&format!("x-h{index}"), "v");
    }
    let mut wire = Wire::open(&house);
    wire.write(bytes(&ask.sign(ALICE).request, b"")).await;
    let answer = wire.read_to_close().await;
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
}

#[tokio::test]
async fn a_body_in_chunks_over_chunked_transfer_is_read_to_its_end() {
    let house = house();
    let framed = chunks::unsigned(b"hello", "x-amz-checksum-crc32:NhCmhg==\r\n");
    let mut ask = Ask::put("/books/k", "")
        .header("x-amz-decoded-content-length", "5")
        .header("x-amz-trailer", "x-amz-checksum-crc32")
        .header("transfer-encoding", "chunked")
        .payload(crate::support::ask::Payload::Literal(
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        ));
    ask.headers.remove("content-length");
    let mut body = format!("{:x}\r\n", framed.len()).into_bytes();
    body.extend_from_slice(&framed);
    body.extend_from_slice(b"\r\n0\r\n\r\n");
    let mut wire = Wire::open(&house);
    wire.write(bytes(&ask.sign(ALICE).request, &body)).await;
    let answer = wire.read_answer().await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && !answer.contains("connection: close"),
        "{answer}"
    );
    assert_eq!(house.gateway.object("k").unwrap(), "hello");
    assert_eq!(
        (house.records.last().bytes_in, house.records.last().ending),
        (framed.len() as u64, Ending::Complete)
    );
}

#[tokio::test]
async fn sec_42_a_client_that_goes_silent_holds_nothing_but_its_connection() {
    let house = house();
    let mut wire = Wire::open(&house);
    wire.write(bytes(
        &Ask::put("/books/k", "hello world").sign(ALICE).request,
        b"hello",
    ))
    .await;
    assert!(wire.is_silent().await);
    // Others are served meanwhile, and what it sent is not to be seen.
    let get = Ask::get("/books/k").ask(&house).await.expect(200);
    assert_eq!(get.text(), "old");
}
