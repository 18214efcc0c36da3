//! Answers that come before the end of their request.

use super::surface::REFUSAL;
use super::*;
use crate::http::linger::BOUNDS;

/// More than all buffers between a client and a server hold.
const BODY: usize = 4 << 20;

/// Sends a head and all of a body before it looks at what was answered.
async fn send_all_first(client: &mut Raw, head: &str) -> Answer {
    client.send(head).await;
    let body = vec![b'x'; BODY];
    soon(client.0.write_all(&body))
        .await
        .unwrap_or_else(|error| panic!("{head:?}: the body was cut off: {error}"));
    client.answer().await
}

fn put(path: &str) -> String {
    format!("PUT {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {BODY}\r\n\r\n")
}

#[tokio::test]
async fn a_client_that_sends_all_of_its_body_first_reads_the_whole_refusal() {
    let running = start(PATIENT);
    for _ in 0..20 {
        let mut client = Raw::connect(running.address).await;
        let answer = send_all_first(&mut client, &put("/refuse")).await;
        assert_eq!(
            (answer.status(), answer.body.as_slice()),
            (403, REFUSAL.as_bytes())
        );
        assert!(answer.closes());
        assert!(client.end().await.is_empty());
    }
    // What the listener answers itself is read as well, and so is what is said of a panic.
    for (path, status) in [("/health", 200), ("/panic", 500)] {
        let head = put(path).replace("PUT /health", "GET /health");
        let mut client = Raw::connect(running.address).await;
        assert_eq!(
            send_all_first(&mut client, &head).await.status(),
            status,
            "{path}"
        );
    }
    // A head that is refused has a body behind it, too.
    let large = format!(
        "PUT / HTTP/1.1\r\nHost: a\r\nx-large: {}\r\n",
        "y".repeat(9 << 10)
    );
    for (head, status) in [(large.as_str(), 431), ("PUT / HTTP/1.1\r\nHost : a\r\n\r\n", 400)] {
        let mut client = Raw::connect(running.address).await;
        assert_eq!(
            send_all_first(&mut client, head).await.status(),
            status,
            "{head:?}"
        );
    }
}

#[tokio::test]
async fn a_refused_client_that_sends_for_ever_is_cut_off() {
    let running = start(PATIENT);
    let mut client = Raw::connect(running.address).await;
    client
        .send("PUT /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000000\r\n\r\n")
        .await;
    let piece = vec![b'x'; 1 << 20];
    let mut sent = 0;
    while soon(client.0.write_all(&piece)).await.is_ok() {
        sent += piece.len();
        assert!(sent < 1 << 30, "it is still listened to after {sent} bytes");
    }
    assert!(sent >= 32 << 20, "it was cut off after {sent} bytes");
}

#[tokio::test]
async fn a_body_that_was_read_costs_no_lingering() {
    let running = start(PATIENT);
    running.server.leave();
    let mut client = Raw::connect(running.address).await;
    client
        .send("PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello")
        .await;
    let answer = client.answer().await;
    assert!(answer.closes());
    assert_eq!(answer.body, b"hello");
    // The client keeps its side open, and yet nothing of the connection is left.
    assert!(client.end().await.is_empty());
    let drained = timeout(BOUNDS.silence, running.server.drain(Duration::from_secs(3600))).await;
    assert_eq!(drained.ok(), Some(crate::http::Drained::Whole));
}
