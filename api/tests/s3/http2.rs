//! HTTP/2: the authority stands for the host, and no header of a connection is sent.

use bytes::Bytes;
use http::Version;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::support::House;
use crate::support::ask::{ALICE, Ask};

#[tokio::test]
async fn the_authority_stands_for_the_host() {
    let house = House::with_books();
    house.gateway.store("books", "k", "old");
    let (near, far) = tokio::io::duplex(1 << 20);
    let service = house.service.clone();
    let server = tokio::spawn(async move {
        let http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        let _ = http.serve_connection(TokioIo::new(far), service).await;
    });
    let (mut client, connection) =
        hyper::client::conn::http2::handshake::<_, _, Full<Bytes>>(TokioExecutor::new(), TokioIo::new(near))
            .await
            .unwrap();
    let client_side = tokio::spawn(connection);
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
        let (mut parts, body) = ask.sign(ALICE).request.into_parts();
        parts.headers.remove("host");
        parts.uri = uri.parse().unwrap();
        parts.version = Version::HTTP_2;
        let answer = client
            .send_request(http::Request::from_parts(parts, body))
            .await
            .unwrap();
        assert_eq!(answer.status().as_u16(), status, "{uri}");
        assert!(!answer.headers().contains_key("connection"), "{uri}");
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        if status == 200 {
            assert_eq!(body, "old");
        }
    }
    client_side.abort();
    server.abort();
}
