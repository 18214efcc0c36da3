//! What a bucket shows to whoever looks.

use std::collections::BTreeMap;

use http::Method;

use super::contents::Body;
use crate::s3::{Client, etag_of};

/// A bucket with everything in it, read by requests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown {
    /// Whether the bucket is there.
    pub exists: bool,
    /// Every listed object, as it was read.
    pub objects: BTreeMap<String, Body>,
    /// Every listed upload with its listed parts.
    pub uploads: BTreeMap<String, BTreeMap<u32, PartShown>>,
}

/// A part, as listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartShown {
    /// Its size.
    pub size: u64,
    /// Its ETag.
    pub etag: String,
}

impl PartShown {
    pub(super) fn of(body: &Body) -> Self {
        let bytes = body.bytes();
        Self {
            size: bytes.len() as u64,
            etag: etag_of(&bytes),
        }
    }
}

/// The ids of a bucket's uploads, by key. A workload has one upload per key at a time.
pub(super) async fn upload_ids(s3: &Client, bucket: &str) -> BTreeMap<String, String> {
    let path = format!("/{bucket}");
    let listed = s3
        .send(Method::GET, &path, &[("uploads", "")], &[], "")
        .await
        .expect(200);
    assert_eq!(listed.element("IsTruncated").as_deref(), Some("false"));
    let (keys, ids) = (listed.elements("Key"), listed.elements("UploadId"));
    assert_eq!(keys.len(), ids.len(), "{}", listed.text());
    keys.into_iter().zip(ids).collect()
}

/// Reads everything.
pub(super) async fn read(s3: &Client, bucket: &str) -> Shown {
    let mut shown = Shown::default();
    let head = s3.head(&format!("/{bucket}")).await;
    if head.status == 404 {
        return shown;
    }
    head.expect(200);
    shown.exists = true;
    for key in s3.list(bucket).await {
        let got = s3.get(&format!("/{bucket}/{key}")).await.expect(200);
        shown.objects.insert(key, got.body.into());
    }
    for (key, id) in upload_ids(s3, bucket).await {
        let path = format!("/{bucket}/{key}");
        let query = [("uploadId", id.as_str())];
        let listed = s3.send(Method::GET, &path, &query, &[], "").await.expect(200);
        let numbers = listed.elements("PartNumber");
        let parts = numbers
            .iter()
            .zip(listed.elements("Size"))
            .zip(listed.elements("ETag"))
            .map(|((number, size), etag)| {
                let part = PartShown {
                    size: size.parse().expect("a size"),
                    etag: etag.replace("&quot;", "\""),
                };
                (number.parse().expect("a number"), part)
            });
        shown.uploads.insert(key, parts.collect());
    }
    shown
}
