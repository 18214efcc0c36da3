//! HTTP/2: the authority stands for the host, and no header of a connection is sent.

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::task::JoinSet;

use crate::support::House;
use crate::support::ask::{ALICE, Ask, User};

const MALLORY: User = User {
    access_key: "AKALICE",
    secret: "a guess",
};

/// A connection to a house; it ends with this.
struct Connection {
    requests: SendRequest<Full<Bytes>>,
    _ends: JoinSet<()>,
}

impl Connection {
    async fn open(house: &House) -> Self {
        let (near, far) = tokio::io::duplex(1 << 16);
        let service = house.service.clone();
        let mut ends = JoinSet::new();
        ends.spawn(async move {
            let http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            // How it ends is what tests look at from the other side.
            let _ = http.serve_connection(TokioIo::new(far), service).await;
        });
        let (requests, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(near))
                .await
                .unwrap();
        ends.spawn(async move {
            let _ = connection.await;
        });
        Self {
            requests,
            _ends: ends,
        }
    }

    /// Sends what was signed for a host to `uri`, with that host in a header if `host` says so.
    async fn send(&mut self, request: Request<Full<Bytes>>, uri: &str, host: Host) -> Response<Incoming> {
        let (mut parts, body) = request.into_parts();
        if host == Host::InAuthority {
            parts.headers.remove("host");
        }
        parts.uri = uri.parse().unwrap();
        parts.version = Version::HTTP_2;
        self.requests
            .send_request(Request::from_parts(parts, body))
            .await
            .unwrap()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Host {
    InAuthority,
    InBoth,
}

async fn text(answer: Response<Incoming>) -> String {
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

#[tokio::test]
async fn the_authority_stands_for_the_host() {
    let house = House::with_books();
    house.gateway.store("books", "k", "old");
    let mut connection = Connection::open(&house).await;
    for (ask, uri, status) in [
        (
            Ask::get("/books/k").host("s3.test"),
            "http://s3.test/books/k",
            200,
        ),
        (
            Ask::get("/k").host("books.s3.test"),
            "http://books.s3.test/k",
            200,
        ),
        (
            Ask::get("/books/none").host("s3.test"),
            "http://s3.test/books/none",
            404,
        ),
        (
            Ask::head("/books/none").host("s3.test"),
            "http://s3.test/books/none",
            404,
        ),
        (
            Ask::put("/none/k", "x").host("s3.test"),
            "http://s3.test/none/k",
            404,
        ),
    ] {
        let answer = connection
            .send(ask.sign(ALICE).request, uri, Host::InAuthority)
            .await;
        assert_eq!(answer.status().as_u16(), status, "{uri}");
        assert!(!answer.headers().contains_key("connection"), "{uri}");
        let body = text(answer).await;
        if status == 200 {
            assert_eq!(body, "old");
        }
    }
}

#[tokio::test]
async fn sec_38_an_authority_and_a_host_that_differ_are_refused() {
    let house = House::with_books();
    house.gateway.store("books", "k", "old");
    house.gateway.add_bucket("others", "bob");
    house.gateway.store("others", "k", "bob's");
    let mut connection = Connection::open(&house).await;
    let signed = || Ask::get("/k").host("books.s3.test").sign(ALICE).request;
    let same = connection
        .send(signed(), "http://books.s3.test/k", Host::InBoth)
        .await;
    assert_eq!(same.status(), 200);
    for authority in ["others.s3.test", "books.s3.test:80", "s3.test"] {
        let answer = connection
            .send(signed(), &format!("http://{authority}/k"), Host::InBoth)
            .await;
        assert_eq!(answer.status(), 400, "{authority}");
        assert!(
            text(answer).await.contains("<Code>InvalidRequest</Code>"),
            "{authority}"
        );
    }
}

#[tokio::test]
async fn a_body_that_nobody_reads_keeps_no_answer_from_its_client() {
    let house = House::with_books();
    house.gateway.store("books", "k", "old");
    let mut connection = Connection::open(&house).await;
    // More than all windows and buffers hold.
    let body = vec![b'x'; 4 << 20];
    for (user, path, code) in [
        (MALLORY, "/books/k", "SignatureDoesNotMatch"),
        (ALICE, "/none/k", "NoSuchBucket"),
        (ALICE, "/books/k?acl", "NotImplemented"),
    ] {
        let request = Ask::put(path, body.clone()).host("s3.test").sign(user).request;
        let answer = connection
            .send(request, &format!("http://s3.test{path}"), Host::InAuthority)
            .await;
        assert!(answer.status().as_u16() >= 400, "{path}");
        let text = text(answer).await;
        assert!(
            text.contains(&format!("<Code>{code}</Code>")) && text.ends_with("</Error>"),
            "{path}: {text}"
        );
    }
    // One stream that ended early costs the others nothing.
    let get = Ask::get("/books/k").host("s3.test").sign(ALICE).request;
    let answer = connection
        .send(get, "http://s3.test/books/k", Host::InAuthority)
        .await;
    assert_eq!(text(answer).await, "old");
}
