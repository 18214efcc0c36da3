//! HTTP/2 clients that flood: each of the ways in which servers were brought down by them.
//!
//! They speak in frames, because no library sends what these do.

use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio_rustls::client::TlsStream;

use super::surface::REFUSAL;
use super::tls::{Certificate, handshake, start_tls};
use super::*;
use crate::config::{HttpProtocols, TlsVersion};

/// Kinds of frames.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;

const NO_FLAGS: u8 = 0;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// Codes of errors.
const REFUSED_STREAM: u32 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;

/// More bytes than any flood here may send before it is ended: what sockets and TLS hold, many times.
const FLOOD_BYTES: usize = 64 << 20;

/// A client that speaks in frames.
struct Frames(TlsStream<TcpStream>);

/// A frame as it came.
struct Frame {
    kind: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Frame {
    /// The code at the end of a fixed payload: of a RST_STREAM, or of a GOAWAY behind its stream.
    fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// Literal header fields, none of which enters a table.
fn fields(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            assert!(text.len() < 127, "a length of several bytes");
            block.push(u8::try_from(text.len()).unwrap());
            block.extend(text.as_bytes());
        }
    }
    block
}

fn request(method: &str, path: &str) -> Vec<u8> {
    fields(&[
        (":method", method),
        (":scheme", "https"),
        (":authority", "localhost"),
        (":path", path),
    ])
}

impl Frames {
    async fn open(running: &Running, certificate: &rustls::pki_types::CertificateDer<'static>) -> Self {
        let stream = handshake(running.address, certificate, &[b"h2"], rustls::ALL_VERSIONS)
            .await
            .unwrap();
        let mut client = Self(stream);
        client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        client.send(&frame(SETTINGS, NO_FLAGS, 0, &[])).await.unwrap();
        client
    }

    async fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        soon(self.0.write_all(bytes)).await?;
        soon(self.0.flush()).await
    }

    /// The next frame; none when the connection has ended.
    async fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        soon(self.0.read_exact(&mut head)).await.ok()?;
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let mut payload = vec![0; length];
        soon(self.0.read_exact(&mut payload)).await.ok()?;
        Some(Frame {
            kind: head[3],
            stream: u32::from_be_bytes(head[5..].try_into().unwrap()),
            payload,
        })
    }

    /// Sends `piece` again and again while everything that comes is read, until the connection ends.
    /// Answers with the code of the GOAWAY, where one was seen, and how much was sent.
    async fn flood(self, mut piece: impl FnMut(u32) -> Vec<u8> + Send + 'static) -> (Option<u32>, usize) {
        let (reading, mut writing) = tokio::io::split(self.0);
        let sending = tokio::spawn(async move {
            let mut sent = 0;
            for number in 0.. {
                let bytes = piece(number);
                if writing.write_all(&bytes).await.is_err() || writing.flush().await.is_err() {
                    break;
                }
                sent += bytes.len();
                if sent > FLOOD_BYTES {
                    break;
                }
            }
            (sent, writing)
        });
        let mut code = None;
        let mut reading = reading;
        loop {
            let mut head = [0; 9];
            if soon(reading.read_exact(&mut head)).await.is_err() {
                break;
            }
            let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
            let mut payload = vec![0; length];
            if soon(reading.read_exact(&mut payload)).await.is_err() {
                break;
            }
            if head[3] == GOAWAY {
                code = Some(u32::from_be_bytes(payload[4..8].try_into().unwrap()));
            }
        }
        let (sent, _writing) = soon(sending).await.unwrap();
        (code, sent)
    }
}

fn serve(options: ServerOptions) -> (Running, rustls::pki_types::CertificateDer<'static>, Certificate) {
    let (certificate, der) = Certificate::new(HttpProtocols::Http1AndHttp2, TlsVersion::V1_2);
    let (running, _tls) = start_tls(&certificate, options);
    (running, der, certificate)
}

async fn still_serves(running: &Running, certificate: &rustls::pki_types::CertificateDer<'static>) {
    let stream = handshake(running.address, certificate, &[b"h2"], rustls::ALL_VERSIONS)
        .await
        .unwrap();
    let (mut requests, connection) = soon(http2::handshake(TokioExecutor::new(), TokioIo::new(stream)))
        .await
        .unwrap();
    let driver = tokio::spawn(connection);
    let request = http::Request::get("https://localhost/well")
        .body(http_body_util::Empty::<bytes::Bytes>::new())
        .unwrap();
    assert_eq!(soon(requests.send_request(request)).await.unwrap().status(), 200);
    driver.abort();
}

/// CVE-2023-44487: streams that are opened and reset at once cost a handler each, and none of them
/// counts against the number of streams.
#[tokio::test(flavor = "multi_thread")]
async fn sec_39_streams_reset_as_soon_as_they_are_opened_pile_up_nothing() {
    let (running, der, _certificate) = serve(PATIENT);
    let client = Frames::open(&running, &der).await;
    let (code, sent) = client
        .flood(|number| {
            let stream = 2 * number + 1;
            let headers = frame(
                HEADERS,
                END_STREAM | END_HEADERS,
                stream,
                &request("GET", "/hold"),
            );
            let reset = frame(RST_STREAM, NO_FLAGS, stream, &8_u32.to_be_bytes());
            [headers, reset].concat()
        })
        .await;
    assert_eq!(code, Some(ENHANCE_YOUR_CALM), "{sent} bytes were sent");
    let most = running.surface.handled.most();
    assert!(most <= 128, "{most} handlers at once");
    gone(&running).await;
    still_serves(&running, &der).await;
}

/// Waits until no handler runs.
async fn gone(running: &Running) {
    soon(async {
        while running.surface.handled.now() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_39_more_streams_than_allowed_are_refused_one_by_one() {
    let (running, der, _certificate) = serve(PATIENT);
    let mut client = Frames::open(&running, &der).await;
    for number in 0..200 {
        let head = frame(
            HEADERS,
            END_STREAM | END_HEADERS,
            2 * number + 1,
            &request("GET", "/hold"),
        );
        client.send(&head).await.unwrap();
    }
    let mut refused = 0;
    while refused < 200 - 128 {
        let frame = client.next().await.expect("the connection goes on");
        if frame.kind == RST_STREAM {
            assert_eq!(frame.code(), REFUSED_STREAM);
            assert!(
                frame.stream > 2 * 128,
                "stream {} is one of the first",
                frame.stream
            );
            refused += 1;
        }
    }
    soon(running.surface.held.acquire_many(128))
        .await
        .unwrap()
        .forget();
    assert_eq!(running.surface.handled.most(), 128);
    running.surface.release.add_permits(128);
    gone(&running).await;
}

/// RUSTSEC-2024-0332: a header that never ends.
#[tokio::test(flavor = "multi_thread")]
async fn sec_39_a_head_that_is_continued_for_ever_ends_its_connection() {
    let (running, der, _certificate) = serve(PATIENT);
    let client = Frames::open(&running, &der).await;
    let (code, sent) = client
        .flood(|number| match number {
            0 => frame(HEADERS, END_STREAM, 1, &request("GET", "/one")),
            _ => frame(CONTINUATION, NO_FLAGS, 1, &fields(&[("x-a", "b")])),
        })
        .await;
    assert!(sent < FLOOD_BYTES, "it is listened to for ever");
    assert_eq!(code, Some(ENHANCE_YOUR_CALM), "{sent} bytes were sent");
    assert_eq!(running.surface.handled.most(), 0);
    still_serves(&running, &der).await;
}

/// RUSTSEC-2026-0258: frames that bring nothing, on a stream that somebody reads.
#[tokio::test(flavor = "multi_thread")]
async fn sec_39_data_without_bytes_ends_its_connection() {
    let (running, der, _certificate) = serve(PATIENT);
    let client = Frames::open(&running, &der).await;
    let (code, sent) = client
        .flood(|number| match number {
            0 => frame(HEADERS, END_HEADERS, 1, &request("PUT", "/echo")),
            // Many at a time, or most of them is the framing of TLS.
            _ => frame(DATA, NO_FLAGS, 1, &[]).repeat(100),
        })
        .await;
    assert!(sent < FLOOD_BYTES, "it is listened to for ever");
    assert_eq!(code, Some(ENHANCE_YOUR_CALM), "{sent} bytes were sent");
    gone(&running).await;
    still_serves(&running, &der).await;
}

/// Each of these is answered, so a client that reads nothing makes the answers wait: nothing more of it
/// is read then, and after `server.write_timeout` the connection ends.
#[tokio::test(flavor = "multi_thread")]
async fn sec_39_what_must_be_answered_is_not_read_on_while_answers_wait() {
    let (running, der, _certificate) = serve(ServerOptions {
        write_timeout: Duration::from_millis(500),
        ..PATIENT
    });
    let ping = frame(PING, NO_FLAGS, 0, &[7; 8]).repeat(100);
    let settings = frame(SETTINGS, NO_FLAGS, 0, &[0, 4, 0, 0, 0xff, 0xff]).repeat(100);
    for (name, piece) in [("PING", ping), ("SETTINGS", settings)] {
        let mut client = Frames::open(&running, &der).await;
        let mut sent = 0;
        while client.send(&piece).await.is_ok() {
            sent += piece.len();
            assert!(sent < FLOOD_BYTES, "{name}: it is listened to for ever");
        }
    }
    still_serves(&running, &der).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sec_41_headers_over_http2_are_bounded_too() {
    let (running, der, _certificate) = serve(PATIENT);
    let stream = handshake(running.address, &der, &[b"h2"], rustls::ALL_VERSIONS)
        .await
        .unwrap();
    let (mut requests, connection) = soon(http2::handshake(TokioExecutor::new(), TokioIo::new(stream)))
        .await
        .unwrap();
    let driver = tokio::spawn(connection);
    for (size, status) in [(7 << 10, 200), (9 << 10, 431), (1 << 10, 200)] {
        let request = http::Request::get("https://localhost/one")
            .header("x-large", "y".repeat(size))
            .body(http_body_util::Empty::<bytes::Bytes>::new())
            .unwrap();
        let answer = soon(requests.send_request(request)).await.unwrap();
        assert_eq!(answer.status(), status, "{size}");
    }
    driver.abort();
}

/// A client may take nothing of one stream and be lively otherwise.
#[tokio::test(flavor = "multi_thread")]
async fn sec_42_a_stream_that_is_not_taken_is_given_up() {
    let (running, der, _certificate) = serve(ServerOptions {
        write_timeout: Duration::from_millis(500),
        ..PATIENT
    });
    let stream = handshake(running.address, &der, &[b"h2"], rustls::ALL_VERSIONS)
        .await
        .unwrap();
    let (mut requests, connection) = soon(http2::handshake(TokioExecutor::new(), TokioIo::new(stream)))
        .await
        .unwrap();
    let driver = tokio::spawn(connection);
    let get = |path: &str| {
        http::Request::get(format!("https://localhost{path}"))
            .body(http_body_util::Empty::<bytes::Bytes>::new())
            .unwrap()
    };
    // Its body is never asked for, so its window is never opened again.
    let untaken = soon(requests.send_request(get("/endless"))).await.unwrap();
    let lively = tokio::spawn(async move {
        while requests.send_request(get("/one")).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    soon(running.surface.given_up.acquire()).await.unwrap().forget();
    soon(lively).await.unwrap();
    drop(untaken);
    driver.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_taken_slowly_is_served() {
    use http_body_util::BodyExt;
    let (running, der, _certificate) = serve(ServerOptions {
        write_timeout: Duration::from_secs(2),
        ..PATIENT
    });
    let stream = handshake(running.address, &der, &[b"h2"], rustls::ALL_VERSIONS)
        .await
        .unwrap();
    let (mut requests, connection) = soon(http2::handshake(TokioExecutor::new(), TokioIo::new(stream)))
        .await
        .unwrap();
    let driver = tokio::spawn(connection);
    let request = http::Request::get("https://localhost/endless")
        .body(http_body_util::Empty::<bytes::Bytes>::new())
        .unwrap();
    let mut body = soon(requests.send_request(request)).await.unwrap().into_body();
    let begun = std::time::Instant::now();
    while begun.elapsed() < Duration::from_secs(3) {
        assert!(soon(body.frame()).await.unwrap().is_ok());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(
        running.surface.given_up.available_permits(),
        0,
        "gave up a client that makes progress"
    );
    driver.abort();
}

/// RFC 9113, section 8.1: a server may answer before it has read a request, and ends the stream without
/// an error then.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_over_http2_is_read_whole_whatever_is_being_sent() {
    use http_body_util::{BodyExt, Full};
    let (running, der, _certificate) = serve(PATIENT);
    let stream = handshake(running.address, &der, &[b"h2"], rustls::ALL_VERSIONS)
        .await
        .unwrap();
    let (mut requests, connection) = soon(http2::handshake(TokioExecutor::new(), TokioIo::new(stream)))
        .await
        .unwrap();
    let driver = tokio::spawn(connection);
    for _ in 0..20 {
        let request = http::Request::put("https://localhost/refuse")
            .body(Full::new(bytes::Bytes::from(vec![b'x'; 4 << 20])))
            .unwrap();
        let answer = soon(requests.send_request(request)).await.unwrap();
        assert_eq!(answer.status(), 403);
        let body = soon(answer.into_body().collect()).await.unwrap().to_bytes();
        assert_eq!(body, REFUSAL.as_bytes());
    }
    driver.abort();
}
