//! What a node promises to those who may not, do not wait, or ask for order.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::time::Duration;

use cluster_tests::{Client, Node, NodeConfig, Rng};
use http::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longer than anything here takes.
const SOON: Duration = Duration::from_secs(60);

const USERS: &str = "buckets:
  - name: photos
    credentials: [{access_key_id: PHOTOSPHOTOSPHOTOS01, secret_access_key: secret-of-photos-0123456789abcdef}]
";

#[tokio::test(flavor = "multi_thread")]
async fn only_who_created_a_bucket_deletes_it_and_nobody_one_of_the_configuration() {
    let users = format!(
        "{USERS}  - name: others
    credentials: [{{access_key_id: OTHERSOTHERSOTHERS01, secret_access_key: secret-of-others-0123456789abcdef}}]
"
    );
    let node = Node::start(&NodeConfig {
        extra: users,
        ..NodeConfig::default()
    })
    .await;
    let admin = node.client();
    let photos = Client::new(
        node.address(),
        "PHOTOSPHOTOSPHOTOS01",
        "secret-of-photos-0123456789abcdef",
    );
    // A key of a bucket uses it, and neither deletes it nor creates another.
    photos.put("/photos/a", "one").await.expect(200);
    photos.delete("/photos/a").await.expect(204);
    for (path, status) in [("/photos", 403), ("/others", 403), ("/absent", 403)] {
        let refused = photos.delete(path).await.expect(status);
        assert_eq!(refused.element("Code").as_deref(), Some("AccessDenied"), "{path}");
    }
    photos.put("/mine", "").await.expect(403);
    // Who may use every bucket deletes those that it created, when they are empty.
    for path in ["/photos", "/others"] {
        let refused = admin.delete(path).await.expect(403);
        assert_eq!(refused.element("Code").as_deref(), Some("AccessDenied"), "{path}");
        admin.head(path).await.expect(200);
    }
    admin.put("/own", "").await.expect(200);
    admin.put("/own/a", "one").await.expect(200);
    assert_eq!(
        admin.delete("/own").await.expect(409).element("Code").as_deref(),
        Some("BucketNotEmpty")
    );
    photos.delete("/own").await.expect(403);
    admin.delete("/own/a").await.expect(204);
    admin.delete("/own").await.expect(204);
    admin.head("/own").await.expect(404);
    assert_eq!(
        admin.delete("/own").await.expect(404).element("Code").as_deref(),
        Some("NoSuchBucket")
    );
    node.assert_no_orphans().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_of_one_key_are_listed_in_the_order_in_which_they_were_begun() {
    let node = Node::start(&NodeConfig::default()).await;
    let s3 = node.client();
    s3.put("/order", "").await.expect(200);
    let mut begun = Vec::new();
    for number in 0..12 {
        // Keys in turn, so that what is listed is not only the order of the requests.
        let key = ["b", "a"][number % 2];
        let answer = s3
            .send(
                Method::POST,
                &format!("/order/{key}"),
                &[("uploads", "")],
                &[],
                "",
            )
            .await
            .expect(200);
        begun.push((key, answer.element("UploadId").expect("an id")));
    }
    let mut expected: Vec<_> = begun.clone();
    // Stable: within a key the order stays.
    expected.sort_by_key(|(key, _)| *key);
    let expected: Vec<_> = expected.into_iter().map(|(_, id)| id).collect();
    for page_size in ["1000", "5", "1"] {
        let mut listed = Vec::new();
        let mut markers: Option<(String, String)> = None;
        loop {
            let mut query = vec![("uploads", ""), ("max-uploads", page_size)];
            if let Some((key, id)) = &markers {
                query.extend([("key-marker", key.as_str()), ("upload-id-marker", id.as_str())]);
            }
            let page = s3.send(Method::GET, "/order", &query, &[], "").await.expect(200);
            listed.extend(page.elements("UploadId"));
            match page.element("NextKeyMarker") {
                Some(key) => markers = Some((key, page.element("NextUploadIdMarker").expect("an id"))),
                None => break,
            }
        }
        assert_eq!(listed, expected, "in pages of {page_size}");
    }
    for (key, id) in begun {
        s3.send(
            Method::DELETE,
            &format!("/order/{key}"),
            &[("uploadId", &id)],
            &[],
            "",
        )
        .await
        .expect(204);
    }
    node.assert_no_orphans().await;
}

/// Sends a head and all of a body before it looks at the answer.
async fn send_all_first(node: &Node, head: &str, body: &[u8]) -> String {
    let mut socket = TcpStream::connect(node.address()).await.expect("a connection");
    let talk = async {
        socket.write_all(head.as_bytes()).await?;
        socket.write_all(body).await?;
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&answer).into_owned())
    };
    timeout(SOON, talk)
        .await
        .expect("in time")
        .unwrap_or_else(|error| panic!("{head:?}: {error}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_wait_reads_all_of_what_it_is_told() {
    let node = Node::start(&NodeConfig::default()).await;
    node.client().put("/early", "").await.expect(200);
    let body = Rng::of_test("a_client_that_does_not_wait_reads_all_of_what_it_is_told").bytes(4 << 20);
    let head = |authorization: &str| {
        format!(
            "PUT /early/k HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\n{authorization}\r\n",
            node.address(),
            body.len()
        )
    };
    for (authorization, status, code) in [
        ("", 403, "AccessDenied"),
        ("authorization: AWS abc:def\r\n", 400, "InvalidRequest"),
        ("x-amz-copy-source: /early/x\r\n", 403, "AccessDenied"),
        ("content-md5: a\r\ncontent-md5: b\r\n", 400, "InvalidRequest"),
    ] {
        for _ in 0..5 {
            let answer = send_all_first(&node, &head(authorization), &body).await;
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status} ")) && answer.ends_with("</Error>"),
                "{answer}"
            );
            assert!(answer.contains(&format!("<Code>{code}</Code>")), "{answer}");
        }
    }
    node.client().get("/early/k").await.expect(404);
    node.assert_no_orphans().await;
}
