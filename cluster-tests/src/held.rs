//! A PUT that holds its body back, and can be left alone in the middle.

use bytes::Bytes;
use http::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::s3::Client;

/// Longest head of an answer.
const LONGEST_HEAD: usize = 16 << 10;

/// A PUT whose head was sent with `Expect: 100-continue`, and to which the node has answered that it
/// wants the body: whatever can be decided before the first byte is decided. Dropping it closes the
/// connection.
#[derive(Debug)]
pub struct HeldPut {
    stream: TcpStream,
    body: Bytes,
}

impl HeldPut {
    /// Sends the head and waits until the body, which is not empty, is wanted.
    ///
    /// # Panics
    /// The node answers otherwise.
    pub async fn begin(client: &Client, path: &str, headers: &[(&str, &str)], body: Bytes) -> Self {
        let request = client.sign(Method::PUT, path, &[], headers, &body);
        let mut head = format!(
            "PUT {} HTTP/1.1\r\nhost: {}\r\n",
            request.uri().path(),
            client.address()
        );
        for (name, value) in request.headers() {
            head += &format!("{name}: {}\r\n", value.to_str().expect("a header of text"));
        }
        head += "expect: 100-continue\r\nconnection: close\r\n\r\n";
        let mut stream = TcpStream::connect(client.address()).await.expect("a connection");
        stream
            .write_all(head.as_bytes())
            .await
            .expect("a head that is sent");
        let answer = read_head(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 100 "), "{answer}");
        Self { stream, body }
    }

    /// Sends the body, and does not wait for the answer.
    pub async fn send_body(&mut self) {
        self.stream
            .write_all(&self.body)
            .await
            .expect("a body that is sent");
    }

    /// Sends the body and waits for the status.
    pub async fn finish(mut self) -> u16 {
        self.send_body().await;
        let head = read_head(&mut self.stream).await;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        status.unwrap_or_else(|| panic!("no status in {head}"))
    }
}

/// Reads up to the end of a head.
async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        assert!(head.len() < LONGEST_HEAD, "a head without an end");
        let byte = stream.read_u8().await.expect("the head of an answer");
        head.push(byte);
    }
    String::from_utf8_lossy(&head).into_owned()
}
