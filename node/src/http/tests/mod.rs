//! Listeners over real sockets on loopback.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod abuse;
mod early;
mod endings;
mod floods;
mod routes;
mod surface;
mod tls;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::activity::Patience;
use super::tls::ReloadableTls;
use super::{Health, Routes, Server, ServerOptions, bind};
use crate::config::{ClusterSettings, Config, Loader};
use crate::lifecycle::{Failure, Lifecycle, Readiness, ReconfigureError};
use crate::telemetry::Metrics;
use surface::TestSurface;

/// Longer than anything here takes, shorter than a person waits.
const SOON: Duration = Duration::from_secs(20);

/// Bounds that no test reaches by accident.
const PATIENT: ServerOptions = ServerOptions {
    patience: Patience {
        head: Duration::from_secs(60),
        idle: Duration::from_secs(60),
    },
    write_timeout: Duration::from_secs(60),
    max_header_bytes: 8 << 10,
    max_connections: 100,
};

struct Running {
    server: Server<TestSurface>,
    surface: TestSurface,
    health: Health,
    address: SocketAddr,
}

fn configuration(extra: &str) -> Config {
    let yaml = format!("backends: [{{name: disk, type: fs, path: /srv/holdfast}}]\n{extra}");
    Loader::new().text("test.yaml", &yaml).load().unwrap().config
}

/// A server with everything that can vary.
fn start_with(options: ServerOptions, extra: &str, tls: Option<Arc<ReloadableTls>>) -> Running {
    let listener = bind(&(Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let address = listener.address();
    let health = Health::default();
    let routes = Routes::of_s3_listener(&configuration(extra), health.clone(), &Metrics::detached());
    let surface = TestSurface::default();
    let cell = Arc::new(OnceLock::from(surface.clone()));
    let server = Server::start(listener, tls, options, routes, cell);
    Running {
        server,
        surface,
        health,
        address,
    }
}

fn start(options: ServerOptions) -> Running {
    start_with(options, "", None)
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(SOON, future).await.expect("did not happen in time")
}

/// A client that speaks in bytes, so that it can misbehave.
struct Raw(TcpStream);

/// An answer as it came.
struct Answer {
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn status(&self) -> u16 {
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    fn closes(&self) -> bool {
        self.header("connection")
            .is_some_and(|value| value.eq_ignore_ascii_case("close"))
    }
}

impl Raw {
    async fn connect(address: SocketAddr) -> Self {
        Self(soon(TcpStream::connect(address)).await.unwrap())
    }

    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        soon(self.0.write_all(bytes.as_ref())).await.unwrap();
    }

    async fn get(&mut self, path: &str) -> Answer {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
            .await;
        self.answer().await
    }

    /// Reads one answer with a length.
    async fn answer(&mut self) -> Answer {
        self.answer_to("GET").await
    }

    async fn answer_to(&mut self, method: &str) -> Answer {
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n\r\n") {
            let byte = soon(self.0.read_u8()).await.unwrap_or_else(|error| {
                panic!(
                    "the connection ended with {error} after {:?}",
                    String::from_utf8_lossy(&bytes)
                )
            });
            bytes.push(byte);
        }
        let mut answer = Answer {
            head: String::from_utf8(bytes).unwrap(),
            body: Vec::new(),
        };
        let length = answer
            .header("content-length")
            .map_or(0, |length| length.parse().unwrap());
        if method != "HEAD" {
            answer.body = vec![0; length];
            soon(self.0.read_exact(&mut answer.body)).await.unwrap();
        }
        answer
    }

    /// Waits for the end of the connection; returns what came before it.
    async fn end(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // A reset is an end too.
        let _ = soon(self.0.read_to_end(&mut rest)).await;
        rest
    }
}

/// Asserts that an answer of the listener itself is an error as S3 writes it, with the id of its request.
fn assert_tells(answer: &Answer, code: &str) {
    let body = String::from_utf8(answer.body.clone()).unwrap();
    let id = answer.header("x-amz-request-id").unwrap();
    assert_eq!(id.len(), 16, "{id}");
    for part in [
        format!("<Code>{code}</Code>"),
        format!("<RequestId>{id}</RequestId>"),
    ] {
        assert!(body.contains(&part), "{part} is missing: {body}");
    }
}

/// A node of which a test says whether it is ready.
struct Node(Readiness);

impl Lifecycle for Node {
    fn readiness(&self) -> Readiness {
        self.0
    }

    fn reconfigure<'a>(&'a self, _: &'a ClusterSettings) -> BoxFuture<'a, Result<(), ReconfigureError>> {
        async { Ok(()) }.boxed()
    }

    fn prepare_stop(&self) -> BoxFuture<'_, ()> {
        async {}.boxed()
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        async {}.boxed()
    }

    fn failed(&self) -> BoxFuture<'_, Failure> {
        std::future::pending().boxed()
    }
}
