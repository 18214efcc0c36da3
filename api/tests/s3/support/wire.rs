//! The front end behind a real HTTP/1.1 connection, spoken to in bytes.

use std::time::Duration;

use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::task::JoinHandle;

use super::House;

/// A connection.
pub(crate) struct Wire {
    stream: DuplexStream,
    server: JoinHandle<()>,
}

/// No answer takes as long; a test that waits longer hangs.
const PATIENCE: Duration = Duration::from_secs(20);

impl Wire {
    pub(crate) fn open(house: &House) -> Self {
        let (stream, far) = tokio::io::duplex(1 << 20);
        let service = house.service.clone();
        let server = tokio::spawn(async move {
            let mut http = hyper::server::conn::http1::Builder::new();
            // How the connection ends is what tests look at from the other side.
            let _ = http
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(far), service)
                .await;
        });
        Self { stream, server }
    }

    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        // A server that has closed already takes nothing more; what it said can still be read.
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }

    /// One byte.
    pub(crate) async fn read_byte(&mut self) -> String {
        let read = tokio::time::timeout(PATIENCE, self.stream.read_u8()).await;
        char::from(read.expect("in time").expect("a byte")).to_string()
    }

    /// Says that nothing more will come.
    pub(crate) async fn close_write(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// Everything until the server closes the connection.
    pub(crate) async fn read_to_close(mut self) -> String {
        let mut answer = Vec::new();
        let read = self.stream.read_to_end(&mut answer);
        let _ = tokio::time::timeout(PATIENCE, read)
            .await
            .expect("the server closes the connection");
        self.server.abort();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// One answer: its head, and a body as long as its `content-length` says.
    pub(crate) async fn read_answer(&mut self) -> String {
        let mut answer = Vec::new();
        let read = async {
            loop {
                let byte = self.stream.read_u8().await.expect("a whole head");
                answer.push(byte);
                if answer.ends_with(b"\r\n\r\n") {
                    break;
                }
            }
            let head = String::from_utf8_lossy(&answer).to_ascii_lowercase();
            let length = head
                .split("content-length: ")
                .nth(1)
                .and_then(|rest| rest.split("\r\n").next());
            let length = length.map_or(0, |length| length.parse().expect("a length"));
            let mut body = vec![0; length];
            self.stream.read_exact(&mut body).await.expect("a whole body");
            answer.extend_from_slice(&body);
        };
        tokio::time::timeout(PATIENCE, read)
            .await
            .expect("an answer in time");
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Whether the server has said anything.
    pub(crate) async fn is_silent(&mut self) -> bool {
        let mut byte = [0];
        tokio::time::timeout(Duration::from_millis(50), self.stream.read(&mut byte))
            .await
            .is_err()
    }
}

/// The bytes of a signed request, with its body.
pub(crate) fn bytes(request: &http::Request<http_body_util::Full<bytes::Bytes>>, body: &[u8]) -> Vec<u8> {
    let mut text = format!("{} {} HTTP/1.1\r\n", request.method(), request.uri()).into_bytes();
    for (name, value) in request.headers() {
        text.extend_from_slice(name.as_str().as_bytes());
        text.extend_from_slice(b": ");
        text.extend_from_slice(value.as_bytes());
        text.extend_from_slice(b"\r\n");
    }
    text.extend_from_slice(b"\r\n");
    text.extend_from_slice(body);
    text
}
