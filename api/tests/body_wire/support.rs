//! Bodies to read, and a way to read them.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll};
use std::time::Duration;

use api::port::{BodyError, Digests, VerifiedBody as _};
use api::s3::auth::{AuthConfig, PayloadMode, SigningKeys, parse};
use api::s3::body::{BodyConfig, BodyKind, BodyResources, BodySpec, SpecError};
use bytes::Bytes;
use http_body::{Body, Frame};

use crate::signer::{Draft, now, secret, sign_chunk, sign_trailer};

pub(crate) const SIGNED: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
pub(crate) const SIGNED_TRAILER: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
pub(crate) const UNSIGNED_TRAILER: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
pub(crate) const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
pub(crate) const MAXIMUM: u64 = 5 << 40;

/// What the connection does next.
#[derive(Debug)]
pub(crate) enum Event {
    Data(Bytes),
    Trailers,
    Broken,
    Silence,
}

/// A body that does what it is told, then ends.
#[derive(Debug, Default)]
pub(crate) struct Script(pub(crate) VecDeque<Event>);

impl Script {
    pub(crate) fn of<T: AsRef<[u8]>>(pieces: impl IntoIterator<Item = T>) -> Self {
        Self(
            pieces
                .into_iter()
                .map(|piece| Event::Data(Bytes::copy_from_slice(piece.as_ref())))
                .collect(),
        )
    }

    pub(crate) fn then(mut self, event: Event) -> Self {
        self.0.push_back(event);
        self
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(match self.0.pop_front() {
            None => None,
            Some(Event::Data(bytes)) => Some(Ok(Frame::data(bytes))),
            Some(Event::Trailers) => Some(Ok(Frame::trailers(http::HeaderMap::new()))),
            Some(Event::Broken) => Some(Err(std::io::ErrorKind::ConnectionReset.into())),
            Some(Event::Silence) => {
                self.0.push_front(Event::Silence);
                return Poll::Pending;
            }
        })
    }
}

/// A PUT with a payload of one kind.
#[derive(Debug, Clone)]
pub(crate) struct Upload {
    payload: String,
    headers: Vec<(String, String)>,
    query: Vec<(String, String)>,
}

impl Upload {
    pub(crate) fn new(payload: &str) -> Self {
        Self {
            payload: payload.to_owned(),
            headers: Vec::new(),
            query: Vec::new(),
        }
    }

    /// In chunks, `length` bytes when decoded.
    pub(crate) fn chunked(payload: &str, length: usize) -> Self {
        Self::new(payload)
            .header("content-encoding", "aws-chunked")
            .header("x-amz-decoded-content-length", &length.to_string())
    }

    /// As it is.
    pub(crate) fn whole(payload: &str, length: usize) -> Self {
        Self::new(payload).header("content-length", &length.to_string())
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn query(mut self, name: &str, value: &str) -> Self {
        self.query.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Signs and verifies, then reads what is said about the body. The seed is the request's signature.
    pub(crate) fn spec(&self, kind: BodyKind) -> (Result<BodySpec, SpecError>, String) {
        let mut draft = Draft::new("PUT", "/bucket/key").payload(&self.payload);
        for (name, value) in &self.headers {
            draft = draft.header(name, value);
        }
        for (name, value) in &self.query {
            draft = draft.query(name, value);
        }
        let (sent, seed) = draft.sign_header();
        let parts = sent.parts();
        let auth = parse(&parts, &AuthConfig::default(), now()).expect("well-formed");
        let payload = auth
            .verify(Some(&secret()), &SigningKeys::new())
            .expect("signed")
            .payload;
        (BodySpec::parse(&parts, payload, kind, MAXIMUM), seed)
    }

    pub(crate) fn object(&self) -> (BodySpec, String) {
        let (spec, seed) = self.spec(BodyKind::Object);
        (spec.expect("a body that can be read"), seed)
    }

    pub(crate) fn refused(&self) -> SpecError {
        self.spec(BodyKind::Object).0.expect_err("refused")
    }

    /// Reads `script` as the body.
    pub(crate) async fn read(&self, script: Script) -> Outcome {
        read(self.object().0, script).await
    }
}

/// An anonymous request's body.
pub(crate) fn unsigned_spec(length: u64) -> BodySpec {
    let request = http::Request::builder()
        .header("content-length", length)
        .body(())
        .unwrap();
    BodySpec::parse(
        &request.into_parts().0,
        PayloadMode::Unsigned,
        BodyKind::Object,
        MAXIMUM,
    )
    .unwrap()
}

/// What came out of a body.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// What was yielded, until the end or the error.
    pub(crate) yielded: Vec<u8>,
    pub(crate) digests: Result<Digests, BodyError>,
}

pub(crate) fn resources() -> &'static BodyResources {
    static RESOURCES: OnceLock<BodyResources> = OnceLock::new();
    RESOURCES.get_or_init(|| {
        let config = BodyConfig {
            idle_timeout: Duration::from_secs(30),
            hash_threads: NonZeroUsize::new(2).unwrap(),
            ..BodyConfig::default()
        };
        BodyResources::new(&config).expect("threads")
    })
}

pub(crate) async fn read(spec: BodySpec, script: Script) -> Outcome {
    let mut body = resources().open(spec, script);
    let mut yielded = Vec::new();
    loop {
        match body.next().await {
            Ok(Some(piece)) => {
                assert!(!piece.is_empty(), "a piece is never empty");
                yielded.extend_from_slice(&piece);
            }
            Ok(None) => break,
            Err(error) => {
                assert_eq!(body.next().await, Err(error), "an error stays one");
                assert_eq!(body.finish().await, Err(error), "an error stays one");
                return Outcome {
                    yielded,
                    digests: Err(error),
                };
            }
        }
    }
    assert_eq!(body.next().await, Ok(None), "the end stays the end");
    Outcome {
        yielded,
        digests: body.finish().await,
    }
}

/// A body in signed chunks, its last empty one included, with the trailer line if there is one.
pub(crate) fn sign_chunks(seed: &str, chunks: &[&[u8]], trailer: Option<&str>) -> Vec<u8> {
    let (mut body, mut previous) = (Vec::new(), seed.to_owned());
    for chunk in chunks.iter().chain([&&b""[..]]) {
        previous = sign_chunk(&previous, chunk);
        body.extend_from_slice(format!("{:x};chunk-signature={previous}\r\n", chunk.len()).as_bytes());
        body.extend_from_slice(chunk);
        if !chunk.is_empty() {
            body.extend_from_slice(b"\r\n");
        }
    }
    if let Some(line) = trailer {
        let signature = sign_trailer(&previous, &format!("{line}\n"));
        body.extend_from_slice(format!("{line}\r\nx-amz-trailer-signature:{signature}\r\n").as_bytes());
    }
    body.extend_from_slice(b"\r\n");
    body
}

/// A body in unsigned chunks with the trailer lines, which say how they end.
pub(crate) fn frame_chunks(chunks: &[&[u8]], trailer: &str) -> Vec<u8> {
    let mut body = Vec::new();
    for chunk in chunks {
        body.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        body.extend_from_slice(chunk);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"0\r\n");
    body.extend_from_slice(trailer.as_bytes());
    body.extend_from_slice(b"\r\n");
    body
}

/// `<name>:<value>` of the CRC-32C of some bytes, computed bit by bit.
pub(crate) fn crc32c_line(bytes: &[u8]) -> String {
    use base64::Engine as _;
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg());
        }
    }
    let value = base64::engine::general_purpose::STANDARD.encode((!crc).to_be_bytes());
    format!("x-amz-checksum-crc32c:{value}")
}
