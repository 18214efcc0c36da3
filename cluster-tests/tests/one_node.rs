//! What one node promises: what was acknowledged is there, byte for byte, whatever happened to the
//! process, and the backend holds nothing that no row refers to.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::collections::BTreeMap;

use cluster_tests::s3::etag_of;
use cluster_tests::{Client, Node, NodeConfig, Rng, backend};
use http::Method;

/// Objects of the churn; few, so that they are overwritten and deleted often.
const KEYS: u64 = 40;
/// Sizes around the bounds at which a node goes another way: empty, one chunk, more than one, more
/// than what is stored in one call.
const SIZES: [usize; 8] = [0, 1, 4_096, 65_535, 65_536, 65_537, 300_000, 3_000_000];

#[tokio::test(flavor = "multi_thread")]
async fn an_object_reads_back_whole_and_in_ranges() {
    let node = Node::start(&NodeConfig::default()).await;
    let s3 = node.client();
    s3.put("/photos", "").await.expect(200);
    let mut rng = Rng::of_test("an_object_reads_back_whole_and_in_ranges");
    for size in SIZES {
        let body = rng.bytes(size);
        let path = format!("/photos/size {size}");
        let put = s3.put(&path, body.clone()).await.expect(200);
        assert_eq!(put.header("etag"), Some(etag_of(&body).as_str()));
        let got = s3.get(&path).await.expect(200);
        assert!(got.body == body, "{size}");
        assert_eq!(got.header("content-length"), Some(size.to_string().as_str()));
        for (from, to) in [
            (0, 0),
            (0, size / 2),
            (size / 3, size.saturating_sub(1)),
            (size.saturating_sub(1), size),
        ] {
            if size == 0 || from >= size {
                continue;
            }
            let range = format!("bytes={from}-{to}");
            let part = s3
                .send(Method::GET, &path, &[], &[("range", &range)], "")
                .await
                .expect(206);
            let end = to.min(size - 1);
            assert!(part.body == body[from..=end], "{size} {range}");
        }
    }
    node.assert_no_orphans().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_kill_9_and_nothing_else_stays() {
    let mut rng = Rng::of_test("what_was_acknowledged_survives_kill_9_and_nothing_else_stays");
    let mut node = Node::start(&NodeConfig::default()).await;
    node.client().put("/b", "").await.expect(400);
    node.client().put("/churn", "").await.expect(200);
    let mut model: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for round in 0..4 {
        churn(&node.client(), &mut model, &mut rng).await;
        // Uploads are under way when the process dies: one that got no answer is there whole or not
        // at all, and of one that is not there no byte stays.
        let s3 = node.client();
        let body = rng.bytes(2_000_000);
        let flights: Vec<_> = (0..4)
            .map(|n| {
                let (s3, body, key) = (s3.clone(), body.clone(), format!("flight-{round}-{n}"));
                tokio::spawn(async move {
                    let path = format!("/churn/{key}");
                    let sent = s3.try_send(Method::PUT, &path, &[], &[], body).await;
                    (key, sent.is_ok_and(|answer| answer.status == 200))
                })
            })
            .collect();
        tokio::task::yield_now().await;
        node.kill();
        node.run();
        node.ready().await;
        for flight in flights {
            let (key, acknowledged) = flight.await.expect("the client's task");
            let got = node.client().get(&format!("/churn/{key}")).await;
            if acknowledged || got.status == 200 {
                model.insert(key, body.clone());
            } else {
                assert_eq!(got.status, 404);
            }
        }
        verify(&node.client(), &model).await;
        node.assert_no_orphans().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_stopped_in_order_finds_its_data_again() {
    let mut node = Node::start(&NodeConfig::default()).await;
    node.client().put("/kept", "").await.expect(200);
    node.client().put("/kept/a", "one").await.expect(200);
    let status = node.stop().await;
    assert_eq!(status.code(), Some(0), "{}", node.log());
    node.run();
    node.ready().await;
    assert_eq!(node.client().get("/kept/a").await.expect(200).text(), "one");
    assert_eq!(node.client().list("kept").await, ["a"]);
    node.assert_no_orphans().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_and_aborted_uploads_leave_nothing_behind() {
    let node = Node::start(&NodeConfig::default()).await;
    let s3 = node.client();
    s3.put("/b-1", "").await.expect(200);
    s3.put("/b-1/taken", "first").await.expect(200);
    let create_only = [("if-none-match", "*")];
    s3.send(Method::PUT, "/b-1/taken", &[], &create_only, "second")
        .await
        .expect(412);
    s3.send(
        Method::PUT,
        "/b-1/bad",
        &[],
        &[("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==")],
        "body",
    )
    .await
    .expect(400);
    s3.get("/b-1/bad").await.expect(404);
    let begun = s3
        .send(Method::POST, "/b-1/big", &[("uploads", "")], &[], "")
        .await
        .expect(200);
    let upload = begun.element("UploadId").expect("an upload id");
    for part in ["1", "2", "2"] {
        let query = [("partNumber", part), ("uploadId", upload.as_str())];
        s3.send(Method::PUT, "/b-1/big", &query, &[], vec![7; 100_000])
            .await
            .expect(200);
    }
    s3.send(Method::DELETE, "/b-1/big", &[("uploadId", &upload)], &[], "")
        .await
        .expect(204);
    node.assert_no_orphans().await;
    assert_eq!(backend::attempts(node.backend()).len(), 1);
    assert_eq!(s3.get("/b-1/taken").await.expect(200).text(), "first");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_multipart_upload_becomes_one_object_at_once() {
    let mut rng = Rng::of_test("a_multipart_upload_becomes_one_object_at_once");
    let node = Node::start(&NodeConfig::default()).await;
    let s3 = node.client();
    s3.put("/parts", "").await.expect(200);
    let begun = s3
        .send(Method::POST, "/parts/o", &[("uploads", "")], &[], "")
        .await
        .expect(200);
    let upload = begun.element("UploadId").expect("an upload id");
    let bodies = [rng.bytes(5 << 20), rng.bytes(5 << 20), rng.bytes(1_234)];
    let mut list = String::from("<CompleteMultipartUpload>");
    for (n, body) in bodies.iter().enumerate() {
        let number = (n * 3 + 1).to_string();
        let query = [("partNumber", number.as_str()), ("uploadId", upload.as_str())];
        let put = s3
            .send(Method::PUT, "/parts/o", &query, &[], body.clone())
            .await
            .expect(200);
        let etag = put.header("etag").expect("an ETag");
        list += &format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>");
    }
    list += "</CompleteMultipartUpload>";
    // A part that is not listed goes.
    let query = [("partNumber", "9"), ("uploadId", upload.as_str())];
    s3.send(Method::PUT, "/parts/o", &query, &[], vec![1; 70_000])
        .await
        .expect(200);
    s3.get("/parts/o").await.expect(404);
    let complete = s3
        .send(
            Method::POST,
            "/parts/o",
            &[("uploadId", &upload)],
            &[],
            list.clone(),
        )
        .await
        .expect(200);
    let etag = complete.element("ETag").expect("an ETag");
    assert!(etag.contains("-3"), "{etag}");
    let whole = bodies.concat();
    let got = s3.get("/parts/o").await.expect(200);
    assert!(got.body == whole);
    let middle = (5 << 20) - 10;
    let range = format!("bytes={middle}-{}", middle + 19);
    let across = s3
        .send(Method::GET, "/parts/o", &[], &[("range", &range)], "")
        .await
        .expect(206);
    assert!(across.body == whole[middle..middle + 20]);
    let again = s3
        .send(Method::POST, "/parts/o", &[("uploadId", &upload)], &[], list)
        .await
        .expect(200);
    assert_eq!(again.element("ETag"), Some(etag));
    node.assert_no_orphans().await;
    s3.delete("/parts/o").await.expect(204);
    // What died as a whole is taken apart in steps, after the answer.
    cluster_tests::wait::until(
        "the end of the parts",
        std::time::Duration::from_secs(60),
        || async {
            let left = backend::attempts(node.backend());
            if left.is_empty() {
                Ok(())
            } else {
                Err(format!("{left:?}"))
            }
        },
    )
    .await;
    node.assert_no_orphans().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_plaintext_lies_on_the_backend_and_no_secret_in_the_logs() {
    let mut node = Node::start(&NodeConfig::default()).await;
    let s3 = node.client();
    let canary = "CANARY-0f9d8b7a6c5e4d3f-CANARY";
    s3.put("/b-2", "").await.expect(200);
    s3.send(
        Method::PUT,
        "/b-2/k-CANARY-KEY",
        &[],
        &[("x-amz-meta-note", canary)],
        canary,
    )
    .await
    .expect(200);
    assert_eq!(s3.get("/b-2/k-CANARY-KEY").await.expect(200).text(), canary);
    node.stop().await;
    for needle in [canary, "k-CANARY-KEY"] {
        assert_eq!(
            backend::files_with(node.backend(), needle.as_bytes()),
            Vec::<std::path::PathBuf>::new()
        );
    }
    assert!(!node.log().contains(cluster_tests::node::SECRET_KEY));
    assert!(!node.log().contains(canary));
}

/// Random writes, each acknowledged.
async fn churn(s3: &Client, model: &mut BTreeMap<String, Vec<u8>>, rng: &mut Rng) {
    for _ in 0..60 {
        let key = format!("k{:02}", rng.below(KEYS));
        let path = format!("/churn/{key}");
        if rng.below(4) == 0 {
            s3.delete(&path).await.expect(204);
            model.remove(&key);
            continue;
        }
        let size = SIZES[rng.below(SIZES.len() as u64) as usize].min(300_000);
        let body = rng.bytes(size);
        s3.put(&path, body.clone()).await.expect(200);
        model.insert(key, body);
    }
}

/// Everything in the model is there, and nothing else.
async fn verify(s3: &Client, model: &BTreeMap<String, Vec<u8>>) {
    let keys: Vec<String> = model.keys().cloned().collect();
    assert_eq!(s3.list("churn").await, keys);
    for (key, body) in model {
        let got = s3.get(&format!("/churn/{key}")).await.expect(200);
        assert!(got.body == *body, "{key}");
    }
}
