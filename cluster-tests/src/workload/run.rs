//! Running a workload until it ends or the power does.

use std::collections::BTreeMap;
use std::time::Duration;

use http::Method;

use super::contents::Contents;
use super::shown::{self, Shown};
use super::step::Step;
use crate::disk::Disk;
use crate::node::Node;
use crate::s3::{Answer, Client, NoAnswer};
use crate::{backend, wait};

/// How long the jobs may take to delete what a step has left.
const PATIENCE: Duration = Duration::from_secs(60);

/// When the next step is taken, so that every run passes nearly the same sync boundaries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Once the jobs have deleted what the last one has left.
    OnceDeleted,
    /// Once the disk is quiet, too: whatever else goes on by itself has ended.
    OnceQuiet,
}

/// One run of a workload in a bucket of its own.
#[derive(Debug)]
pub struct Run {
    bucket: String,
    pace: Pace,
    /// What was acknowledged.
    contents: Contents,
    /// The ids of the open uploads.
    ids: BTreeMap<String, String>,
}

/// How a run ended.
#[derive(Debug)]
pub enum Stopped {
    /// Every step was acknowledged, and the jobs had nothing left to do.
    AtTheEnd,
    /// The power went off while the jobs worked: nothing is open.
    BetweenSteps,
    /// This step got no clear answer.
    Open(Step),
}

impl Run {
    /// A run in a bucket that is not there yet.
    pub fn new(bucket: &str, pace: Pace) -> Self {
        Self {
            bucket: bucket.to_owned(),
            pace,
            contents: Contents::default(),
            ids: BTreeMap::new(),
        }
    }

    /// Takes step after step.
    ///
    /// # Panics
    /// An answer blames the client.
    pub async fn take(&mut self, steps: &[Step], node: &Node, disk: &Disk) -> Stopped {
        let s3 = node.client();
        for step in steps {
            match self.send(&s3, step).await {
                Ok(answer) if is_success(step, &answer) => self.note(step, &answer),
                Ok(answer) if answer.status.is_client_error() => {
                    panic!("{step:?}: {} {}", answer.status, answer.text())
                }
                Ok(_) | Err(NoAnswer(_)) => return Stopped::Open(step.clone()),
            }
            if !self.settle(node, disk).await {
                return Stopped::BetweenSteps;
            }
        }
        Stopped::AtTheEnd
    }

    /// Asserts that the bucket shows the contents before the open step or those after it, and goes on
    /// from what it shows.
    ///
    /// # Panics
    /// It shows something else: something acknowledged is gone, or something is there by halves.
    pub async fn resolve(&mut self, node: &Node, open: Option<&Step>) {
        let s3 = node.client();
        let shown = shown::read(&s3, &self.bucket).await;
        let candidates: Vec<Contents> = [
            Some(self.contents.clone()),
            open.map(|step| step.after(&self.contents)),
        ]
        .into_iter()
        .flatten()
        .collect();
        let found = candidates.iter().find(|contents| contents.shown() == shown);
        let Some(found) = found else {
            let allowed: Vec<Shown> = candidates.iter().map(Contents::shown).collect();
            panic!("with {open:?} open the bucket shows\n{shown:#?}\nand may show one of\n{allowed:#?}");
        };
        self.contents = found.clone();
        if self.contents.exists {
            self.ids = shown::upload_ids(&s3, &self.bucket).await;
        }
    }

    /// Asserts that the backend comes to hold exactly what the contents need and the state counts.
    pub async fn assert_clean(&self, node: &Node) {
        let wanted = self.contents.attempts();
        wait::until("a backend with the contents and no more", PATIENCE, || async {
            let found = backend::attempts(node.backend()).len();
            if found == wanted {
                Ok(())
            } else {
                Err(format!("{found} attempts lie there, {wanted} should"))
            }
        })
        .await;
        node.assert_no_orphans().await;
    }

    /// Completes what is open, reads it, and removes everything: parts are there only if they can be
    /// read, and a bucket is empty only if it can be removed.
    pub async fn clean_up(&mut self, node: &Node) {
        let s3 = node.client();
        for (key, parts) in self.contents.uploads.clone() {
            let end = if parts.is_empty() {
                Step::abort(&key)
            } else {
                Step::complete(&key)
            };
            self.take_for_sure(&s3, &end).await;
        }
        let shown = shown::read(&s3, &self.bucket).await;
        assert_eq!(
            shown,
            self.contents.shown(),
            "after the open uploads were completed"
        );
        for key in self.contents.objects.clone().into_keys() {
            self.take_for_sure(&s3, &Step::delete(&key)).await;
        }
        if self.contents.exists {
            self.take_for_sure(&s3, &Step::DeleteBucket).await;
        }
        self.assert_clean(node).await;
    }

    async fn take_for_sure(&mut self, s3: &Client, step: &Step) {
        let answer = self.send(s3, step).await.expect("an answer");
        assert!(
            is_success(step, &answer),
            "{step:?}: {} {}",
            answer.status,
            answer.text()
        );
        self.note(step, &answer);
    }

    /// Notes an acknowledged step.
    fn note(&mut self, step: &Step, answer: &Answer) {
        self.contents = step.after(&self.contents);
        if let Step::Begin { key } = step {
            let id = answer.element("UploadId").expect("an upload id");
            self.ids.insert(key.clone(), id);
        }
    }

    async fn send(&self, s3: &Client, step: &Step) -> Result<Answer, NoAnswer> {
        let path = |key: &str| format!("/{}/{key}", self.bucket);
        let id = |key: &str| self.ids[key].as_str();
        match step {
            Step::CreateBucket => {
                let path = format!("/{}", self.bucket);
                s3.try_send(Method::PUT, &path, &[], &[], "").await
            }
            Step::DeleteBucket => {
                let path = format!("/{}", self.bucket);
                s3.try_send(Method::DELETE, &path, &[], &[], "").await
            }
            Step::Put { key, body } => s3.try_send(Method::PUT, &path(key), &[], &[], body.bytes()).await,
            Step::Delete { key } => s3.try_send(Method::DELETE, &path(key), &[], &[], "").await,
            Step::Begin { key } => {
                s3.try_send(Method::POST, &path(key), &[("uploads", "")], &[], "")
                    .await
            }
            Step::Part { key, number, body } => {
                let number = number.to_string();
                let query = [("partNumber", number.as_str()), ("uploadId", id(key))];
                s3.try_send(Method::PUT, &path(key), &query, &[], body.bytes())
                    .await
            }
            Step::Complete { key } => {
                let list = self.parts_of(key);
                s3.try_send(Method::POST, &path(key), &[("uploadId", id(key))], &[], list)
                    .await
            }
            Step::Abort { key } => {
                s3.try_send(Method::DELETE, &path(key), &[("uploadId", id(key))], &[], "")
                    .await
            }
        }
    }

    fn parts_of(&self, key: &str) -> String {
        let parts: String = self.contents.shown().uploads[key]
            .iter()
            .map(|(number, part)| {
                format!(
                    "<Part><PartNumber>{number}</PartNumber><ETag>{}</ETag></Part>",
                    part.etag
                )
            })
            .collect();
        format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>")
    }

    /// Waits until the next step may be taken; false once the power is off.
    async fn settle(&self, node: &Node, disk: &Disk) -> bool {
        let deleted = self.settle_backend(node, disk).await;
        if self.pace == Pace::OnceQuiet {
            disk.quiet().await;
        }
        deleted && disk.is_on()
    }

    async fn settle_backend(&self, node: &Node, disk: &Disk) -> bool {
        let wanted = self.contents.attempts();
        wait::until("the end of what a step has left", PATIENCE, || async {
            if !disk.is_on() {
                return Ok(false);
            }
            let found = backend::attempts(node.backend()).len();
            // Seen while the power went off, a backend may look as it should.
            if found == wanted && disk.is_on() {
                Ok(true)
            } else {
                Err(format!("{found} attempts lie there, {wanted} should"))
            }
        })
        .await
    }
}

fn is_success(step: &Step, answer: &Answer) -> bool {
    match step {
        Step::CreateBucket | Step::Put { .. } | Step::Begin { .. } | Step::Part { .. } => {
            answer.status == 200
        }
        Step::DeleteBucket | Step::Delete { .. } | Step::Abort { .. } => answer.status == 204,
        // An error may come after the headers of this one.
        Step::Complete { .. } => answer.status == 200 && answer.element("ETag").is_some(),
    }
}
