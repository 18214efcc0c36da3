//! A client that writes and deletes keys of its own until it gets no clear answer.

use std::collections::BTreeMap;

use http::Method;

use super::contents::Body;
use crate::node::Node;
use crate::s3::{Client, NoAnswer};
use crate::seed::Rng;

/// Keys of one writer; few, so that they are overwritten and deleted often.
const KEYS: u64 = 12;
/// Lengths of bodies: none, one write, more than a chunk, more than what is stored in one call.
const LENGTHS: [usize; 4] = [0, 3_000, 70_000, 400_000];

/// One client, with what it was told and what it was not.
#[derive(Debug)]
pub struct Writer {
    bucket: String,
    name: String,
    rng: Rng,
    acknowledged: BTreeMap<String, Body>,
    open: Option<Write>,
}

/// A PUT, or without a body a DELETE.
#[derive(Debug)]
struct Write {
    key: String,
    body: Option<Body>,
}

impl Writer {
    /// A client that writes under a name of its own into a bucket that is there.
    pub fn new(bucket: &str, name: &str, rng: Rng) -> Self {
        Self {
            bucket: bucket.to_owned(),
            name: name.to_owned(),
            rng,
            acknowledged: BTreeMap::new(),
            open: None,
        }
    }

    /// Lets all write at once, each until it gets no clear answer.
    ///
    /// # Panics
    /// An answer blames the client.
    pub async fn all_until_failure(writers: Vec<Self>, node: &Node) -> Vec<Self> {
        let mut tasks = tokio::task::JoinSet::new();
        for writer in writers {
            tasks.spawn(writer.until_failure(node.client()));
        }
        let mut writers = tasks.join_all().await;
        writers.sort_by(|a, b| a.name.cmp(&b.name));
        writers
    }

    async fn until_failure(mut self, s3: Client) -> Self {
        loop {
            let write = self.draw();
            match write.send(&s3, &self.bucket).await {
                Ok(true) => self.note(write),
                Ok(false) | Err(NoAnswer(_)) => {
                    self.open = Some(write);
                    return self;
                }
            }
        }
    }

    /// Asserts that the bucket holds what all of them were acknowledged, and of what is open each
    /// either wholly or not at all.
    ///
    /// # Panics
    /// It does not.
    pub async fn assert_all_there(writers: &mut [Self], node: &Node) {
        let s3 = node.client();
        let mut keys = Vec::new();
        for writer in writers {
            writer.resolve(&s3).await;
            for (key, body) in &writer.acknowledged {
                let got = s3.get(&format!("/{}/{key}", writer.bucket)).await.expect(200);
                assert_eq!(Body::from(got.body), *body, "{key}");
                keys.push((writer.bucket.clone(), key.clone()));
            }
        }
        let Some((bucket, _)) = keys.first() else { return };
        let listed = s3.list(bucket).await;
        keys.sort();
        let expected: Vec<String> = keys.iter().map(|(_, key)| key.clone()).collect();
        assert_eq!(listed, expected);
    }

    /// The write that is open happened if what it made is there.
    async fn resolve(&mut self, s3: &Client) {
        let Some(open) = self.open.take() else { return };
        let got = s3.get(&format!("/{}/{}", self.bucket, open.key)).await;
        let happened = match &open.body {
            Some(body) => got.status == 200 && Body::from(got.body) == *body,
            None => got.status == 404,
        };
        if happened {
            self.note(open);
        }
    }

    fn note(&mut self, write: Write) {
        match write.body {
            Some(body) => self.acknowledged.insert(write.key, body),
            None => self.acknowledged.remove(&write.key),
        };
    }

    fn draw(&mut self) -> Write {
        let key = format!("{}/{:02}", self.name, self.rng.below(KEYS));
        let body = (self.rng.below(4) > 0).then(|| {
            let length = LENGTHS[self.rng.below(LENGTHS.len() as u64) as usize];
            Body::from(self.rng.bytes(length))
        });
        Write { key, body }
    }
}

impl Write {
    /// Whether it was acknowledged.
    async fn send(&self, s3: &Client, bucket: &str) -> Result<bool, NoAnswer> {
        let path = format!("/{bucket}/{}", self.key);
        let (answer, success) = match &self.body {
            Some(body) => (
                s3.try_send(Method::PUT, &path, &[], &[], body.bytes()).await?,
                200,
            ),
            None => (s3.try_send(Method::DELETE, &path, &[], &[], "").await?, 204),
        };
        assert!(
            !answer.status.is_client_error(),
            "{} {}",
            answer.status,
            answer.text()
        );
        Ok(answer.status == success)
    }
}
