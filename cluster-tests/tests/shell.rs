//! What the shell of a node promises to whoever runs it: reloads, who may do what, metrics.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use cluster_tests::{Client, Node, NodeConfig, wait};
use http::Method;

const PATIENCE: Duration = Duration::from_secs(60);
const SECRET: &str = "another-secret-of-the-tests";

fn extra(lines: &str) -> NodeConfig {
    NodeConfig {
        extra: lines.to_owned(),
        ..NodeConfig::default()
    }
}

fn with_key(node: &Node, access_key: &str) -> Client {
    Client::new(node.address(), access_key, SECRET)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_a_reload_adds_exists_at_once_and_its_key_opens_it_and_no_other() {
    let node = Node::start(&NodeConfig::default()).await;
    let s3 = node.client();
    s3.put("/other", "").await.expect(200);
    s3.get("/added").await.expect(404);
    let added = format!(
        "buckets:\n  - name: added\n    credentials:\n      - access_key_id: of-added\n        \
         secret_access_key: {SECRET}\n"
    );
    node.reload(&added).await;
    let of_added = with_key(&node, "of-added");
    of_added.put("/added/one", "1").await.expect(200);
    of_added.put("/other/one", "1").await.expect(403);
    assert_eq!(s3.get("/added/one").await.expect(200).text(), "1");

    // What is wrong as a whole changes nothing of what is there.
    node.reload(&format!("{added}server: nonsense\n")).await;
    of_added.get("/added/one").await.expect(200);

    // A key that is gone is refused at once; the bucket and what is in it stay.
    node.reload("").await;
    of_added.get("/added/one").await.expect(403);
    s3.get("/added/one").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn users_create_own_and_delete_what_is_theirs_and_touch_nobody_elses() {
    let node = Node::start(&extra(&format!(
        "  - name: maker\n    access_key_id: maker-key\n    secret_access_key: {SECRET}\n    create_buckets: true\n  \
         - name: guest\n    access_key_id: guest-key\n    secret_access_key: {SECRET}\n    allowed_buckets: [of-maker]\n\
         buckets:\n  - name: declared\n    credentials:\n      - access_key_id: of-declared\n        \
         secret_access_key: {SECRET}\n"
    )))
    .await;
    let admin = node.client();
    let maker = with_key(&node, "maker-key");
    let guest = with_key(&node, "guest-key");
    let of_declared = with_key(&node, "of-declared");

    guest.put("/of-guest", "").await.expect(403);
    of_declared.put("/more", "").await.expect(403);
    maker.put("/of-maker", "").await.expect(200);
    admin.put("/of-admin", "").await.expect(200);
    maker.put("/of-maker/one", "1").await.expect(200);
    assert_eq!(guest.get("/of-maker/one").await.expect(200).text(), "1");
    maker.get("/of-admin").await.expect(403);
    maker.put("/declared/one", "1").await.expect(403);
    of_declared.put("/declared/one", "1").await.expect(200);
    of_declared.delete("/declared/one").await.expect(204);
    let listed = |answer: cluster_tests::s3::Answer| answer.elements("Name");
    assert_eq!(listed(maker.get("/").await.expect(200)), ["of-maker"]);
    assert_eq!(listed(guest.get("/").await.expect(200)), ["of-maker"]);
    assert_eq!(
        listed(admin.get("/").await.expect(200)),
        ["declared", "of-admin", "of-maker"]
    );

    guest.delete("/of-maker/one").await.expect(204);
    for (who, bucket) in [
        (&guest, "/of-maker"),
        (&maker, "/of-admin"),
        (&of_declared, "/declared"),
        (&admin, "/declared"),
        (&admin, "/of-maker"),
    ] {
        who.delete(bucket).await.expect(403);
    }
    maker.delete("/of-maker").await.expect(204);
    admin.delete("/of-admin").await.expect(204);
    admin.head("/declared").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_completed_upload_is_forgotten_after_its_time_and_no_job_fails_over_it() {
    let node = Node::start(&extra("uploads:\n  completed_retention: 1ms\n")).await;
    let s3 = node.client();
    s3.put("/parts", "").await.expect(200);
    let begun = s3
        .send(Method::POST, "/parts/o", &[("uploads", "")], &[], "")
        .await;
    let upload = begun.expect(200).element("UploadId").unwrap();
    let query = [("partNumber", "1"), ("uploadId", upload.as_str())];
    let put = s3
        .send(Method::PUT, "/parts/o", &query, &[], "all of it")
        .await
        .expect(200);
    let list = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{}</ETag></Part></CompleteMultipartUpload>",
        put.header("etag").unwrap()
    );
    let query = [("uploadId", upload.as_str())];
    let complete = || s3.send(Method::POST, "/parts/o", &query, &[], list.clone());
    complete().await.expect(200);
    wait::until("the end of the completion", PATIENCE, || async {
        let again = complete().await;
        match (again.status.as_u16(), again.element("Code").as_deref()) {
            (404, Some("NoSuchUpload")) => Ok(()),
            (status, code) => Err(format!("{status} {code:?}")),
        }
    })
    .await;
    assert_eq!(s3.get("/parts/o").await.expect(200).text(), "all of it");
    assert_eq!(node.metric("s3o_job_failures_total").await, None);
}

/// A metric as the reference page lists it: its kind and its labels.
type Listed = (String, BTreeSet<String>);

/// The table of the reference page.
fn page() -> BTreeMap<String, Listed> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/metrics.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (_, rest) = text.split_once("<!-- the catalogue -->").unwrap();
    let (table, _) = rest.split_once("<!-- end of the catalogue -->").unwrap();
    table
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| `")?.split(" | ");
            let name = cells.next()?.trim_end_matches('`').to_owned();
            let kind = cells.next()?.to_owned();
            let labels = cells
                .next()?
                .split(", ")
                .map(|label| label.trim_matches('`').to_owned());
            Some((name, (kind, labels.filter(|label| !label.is_empty()).collect())))
        })
        .collect()
}

/// The name and the labels of a served line.
fn series(line: &str) -> (&str, Vec<(&str, &str)>) {
    let Some((name, rest)) = line.split_once('{') else {
        return (line.split(' ').next().unwrap(), Vec::new());
    };
    let (labels, _) = rest.rsplit_once("} ").unwrap();
    let labels = labels.split("\",").map(|label| {
        let (name, value) = label.split_once("=\"").unwrap();
        (name, value.trim_end_matches('"'))
    });
    (name, labels.collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_that_is_served_is_on_the_reference_page_with_its_kind_and_labels() {
    let node = Node::start(&NodeConfig::default()).await;
    let s3 = node.client();
    s3.put("/canary-bucket", "").await.expect(200);
    let path = "/canary-bucket/canary-key";
    s3.put(path, vec![1; 100_000]).await.expect(200);
    s3.get(path).await.expect(200);
    s3.send(Method::GET, path, &[], &[("range", "bytes=0-9")], "")
        .await
        .expect(206);
    s3.head(path).await.expect(200);
    s3.list("canary-bucket").await;
    s3.get("/canary-bucket/canary-absent").await.expect(404);
    Client::new(node.address(), "canary-nobody", SECRET)
        .get(path)
        .await
        .expect(403);
    s3.delete(path).await.expect(204);
    node.assert_no_orphans().await;
    node.reload("").await;

    let page = page();
    let text = node.metrics().await;
    let kinds: BTreeMap<&str, &str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .collect();
    let mut served = BTreeSet::new();
    for line in text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
    {
        let (series_name, labels) = series(line);
        let name = ["_bucket", "_sum", "_count"]
            .iter()
            .filter_map(|suffix| series_name.strip_suffix(suffix))
            .find(|name| kinds.get(name) == Some(&"histogram"))
            .unwrap_or(series_name);
        let (kind, expected) = page
            .get(name)
            .unwrap_or_else(|| panic!("{name} is not on the page"));
        assert_eq!(kinds.get(name), Some(&kind.as_str()), "{name}");
        let names = labels.iter().map(|(name, _)| *name).filter(|name| *name != "le");
        assert_eq!(
            names.map(str::to_owned).collect::<BTreeSet<_>>(),
            *expected,
            "{line}"
        );
        assert!(
            labels.iter().all(|(_, value)| !value.contains("canary")),
            "{line}"
        );
        served.insert(name.to_owned());
    }
    // What this test did must have been counted, under the names that dashboards know.
    for line in [
        "s3o_requests_total{method=\"GET\",status_code=\"206\"} 1",
        "s3o_auth_errors_total{reason=",
        "s3o_encryption_operations_total{op=\"encrypt\"} 1",
        "s3o_encryption_operations_total{op=\"decrypt\"} 1",
        "s3o_encryption_operations_total{op=\"decrypt_range\"} 1",
        "s3o_integrity_checks_total{operation=\"read\"} 2",
        "s3o_cleanup_queue_processed_total{status=\"success\"} 1",
        "s3o_cleanup_queue_depth 0",
        "s3o_quota_bytes_used{backend=\"disk\"} 0",
        "s3o_quota_orphan_bytes{backend=\"disk\"} 0",
        "s3o_config_reloads_total{status=\"ok\"} 1",
    ] {
        assert!(text.contains(&format!("\n{line}")), "{line} is missing:\n{text}");
    }
    assert!(text.contains("status=\"success\""));
    let rare = ["s3o_tls_handshake_failures_total", "s3o_accept_failures_total"];
    assert!(
        rare.iter().all(|name| served.contains(*name)),
        "counted from zero on"
    );
    assert!(served.len() > 40, "{served:?}");
}
