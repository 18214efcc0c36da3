//! A decorator that fails as told: the double that stands for a bad backend in tests.
//!
//! A [`Script`] holds rules, each of which says on which requests it fires and what happens then. Rules
//! are asked in the order in which they were added; the first that fires decides. Each counts how
//! often it fired, so that a test can hold that the fault it means really happened. Nothing here waits
//! for time: what stalls or comes late does so until the test says [`Script::release`].

mod script;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use raft_types::BackendName;
use raft_types::checksum::Crc64;

pub use script::{Fault, KeyFilter, MakeError, Rule, RuleId, Script, When};

use crate::body::{Body, BodyError};
use crate::capabilities::Capabilities;
use crate::download::{ByteStream, Download, ReadBody};
use crate::error::{Error, ErrorKind, Operation, Result};
use crate::key::{BackendKey, KeyPrefix};
use crate::listing::{ListRequest, Page, Target};
use crate::port::{Backend, Evidence, GetOptions, Head, PutOptions, Reply, Stored};

/// Plays a [`Script`] in front of `inner`.
#[derive(Debug)]
pub struct Faulty<B> {
    inner: Arc<B>,
    script: Script,
}

impl<B: Backend> Faulty<B> {
    /// Plays `script`, which the caller keeps a clone of, in front of `inner`.
    pub fn new(inner: B, script: Script) -> Self {
        Self {
            inner: Arc::new(inner),
            script,
        }
    }

    /// The backend inside, where nothing fails.
    pub fn inner(&self) -> &B {
        &self.inner
    }

    /// The fault of a request, after the stalls that it has to sit through.
    async fn fault(&self, operation: Operation, key: Option<&str>) -> Option<Fault> {
        // Whoever sees a stall fire may release it at once.
        let released = self.script.released();
        let fault = self.script.fire(operation, key)?;
        if matches!(fault, Fault::Stall) {
            released.await;
            return None;
        }
        Some(fault)
    }

    fn error(&self, make: MakeError, operation: Operation, key: &BackendKey) -> Error {
        Error::new(make(), operation, self.inner.name())
            .with_key(key)
            .with_source("a scripted fault")
    }

    async fn faulty_put(&self, key: &BackendKey, body: Body, options: PutOptions) -> Result<Stored> {
        let Some(fault) = self.fault(Operation::Put, Some(key.as_str())).await else {
            return self.inner.put(key, body, options).await;
        };
        match fault {
            Fault::FailBefore(make) => Err(self.error(make, Operation::Put, key)),
            Fault::FailAfter(make) => {
                self.inner.put(key, body, options).await?;
                Err(self.error(make, Operation::Put, key))
            }
            Fault::Truncate { keep } => {
                let whole = self.take(key, body).await?;
                let kept = whole.slice(..whole.len().min(keep));
                let options = PutOptions {
                    checksum: None,
                    ..options
                };
                self.inner.put(key, Body::from_bytes(kept), options).await
            }
            Fault::FlipBit { at } => {
                let changed = flip(self.take(key, body).await?, at);
                let options = PutOptions {
                    checksum: None,
                    ..options
                };
                self.inner.put(key, Body::from_bytes(changed), options).await
            }
            Fault::Lie => {
                let whole = self.take(key, body).await?;
                let evidence = Evidence::Crc64(Crc64(crc_fast::crc64_nvme(&whole)));
                Ok(Stored {
                    size: whole.len() as u64,
                    evidence,
                    version: None,
                })
            }
            Fault::WrongEvidence => {
                let stored = self.inner.put(key, body, options).await?;
                Ok(Stored {
                    evidence: Evidence::Crc64(Crc64(!0)),
                    ..stored
                })
            }
            Fault::Late(make) => {
                let whole = self.take(key, body).await?;
                let (inner, key_later, released) =
                    (Arc::clone(&self.inner), key.clone(), self.script.released());
                let put = async move {
                    released.await;
                    // It arrives when nobody waits for it any more: what comes of it is the test's
                    // to find out.
                    let _ = inner.put(&key_later, Body::from_bytes(whole), options).await;
                };
                self.script.runs_late(tokio::spawn(put));
                Err(self.error(make, Operation::Put, key))
            }
            _ => self.inner.put(key, body, options).await,
        }
    }

    async fn faulty_get(&self, key: &BackendKey, options: GetOptions) -> Result<Download> {
        let Some(fault) = self.fault(Operation::Get, Some(key.as_str())).await else {
            return self.inner.get(key, options).await;
        };
        let options = match fault {
            Fault::FailBefore(make) | Fault::FailAfter(make) => {
                return Err(self.error(make, Operation::Get, key));
            }
            Fault::IgnoreRange => GetOptions { range: None },
            _ => options,
        };
        let Download { head, body } = self.inner.get(key, options).await?;
        let length = body.length();
        let stream: ByteStream = match fault {
            Fault::Truncate { keep } => Box::pin(cut(body, keep, None)),
            Fault::Reset { keep, error } => {
                Box::pin(cut(body, keep, Some(self.error(error, Operation::Get, key))))
            }
            Fault::FlipBit { at } => {
                let whole = flip(body.collect().await?, at);
                Box::pin(futures_util::stream::iter([Ok(whole)]))
            }
            Fault::Answer(ref other) => {
                let whole = other.clone();
                let head = Head {
                    size: whole.len() as u64,
                    ..head
                };
                return Ok(Download {
                    head,
                    body: ReadBody::from_bytes(whole),
                });
            }
            _ => return Ok(Download { head, body }),
        };
        Ok(Download {
            head,
            body: ReadBody::from_stream(length, stream, self.inner.name(), key),
        })
    }

    async fn faulty_head(&self, key: &BackendKey) -> Result<Head> {
        match self.fault(Operation::Head, Some(key.as_str())).await {
            Some(Fault::FailBefore(make) | Fault::FailAfter(make)) => {
                Err(self.error(make, Operation::Head, key))
            }
            _ => self.inner.head(key).await,
        }
    }

    /// A batch is asked key by key; what fires on a key is its outcome. A stall holds up the batch.
    async fn faulty_delete(&self, targets: &[Target]) -> Result<Vec<Result<()>>> {
        let mut faults = Vec::with_capacity(targets.len());
        let mut kept = Vec::with_capacity(targets.len());
        for target in targets {
            let fault = self.fault(Operation::Delete, Some(target.key.as_str())).await;
            if !matches!(fault, Some(Fault::FailBefore(_) | Fault::Lie)) {
                kept.push(target.clone());
            }
            faults.push(fault);
        }
        let mut done = self.inner.delete(&kept).await?.into_iter();
        let outcomes = targets.iter().zip(faults).map(|(target, fault)| match fault {
            Some(Fault::FailBefore(make)) => Err(self.error(make, Operation::Delete, &target.key)),
            Some(Fault::Lie) => Ok(()),
            Some(Fault::FailAfter(make)) => {
                let _ = done.next();
                Err(self.error(make, Operation::Delete, &target.key))
            }
            _ => done.next().unwrap_or(Ok(())),
        });
        Ok(outcomes.collect())
    }

    async fn faulty_list(&self, request: &ListRequest) -> Result<Page> {
        let fault = self.fault(Operation::List, Some(request.prefix.as_str())).await;
        let fail = |make: MakeError| {
            Error::new(make(), Operation::List, self.inner.name()).with_source("a scripted fault")
        };
        if let Some(Fault::FailBefore(make) | Fault::FailAfter(make)) = fault {
            return Err(fail(make));
        }
        let mut page = self.inner.list(request).await?;
        match fault {
            Some(Fault::Omit { every }) => {
                let mut number = 0;
                page.entries.retain(|_| {
                    number += 1;
                    number % every.get() != 0
                });
            }
            Some(Fault::Duplicate) => {
                page.entries = page
                    .entries
                    .into_iter()
                    .flat_map(|entry| [entry.clone(), entry])
                    .collect();
            }
            _ => {}
        }
        Ok(page)
    }

    /// Takes a body as a backend would that then does something else with it.
    async fn take(&self, key: &BackendKey, mut body: Body) -> Result<Bytes> {
        let failed = |cause: BodyError| {
            Error::new(ErrorKind::Body(cause), Operation::Put, self.inner.name()).with_key(key)
        };
        let mut whole = BytesMut::new();
        while let Some(piece) = body.next().await {
            whole.extend_from_slice(&piece.map_err(failed)?);
        }
        Ok(whole.freeze())
    }
}

/// Ends a body after `keep` bytes: cleanly, or with an error.
fn cut(body: ReadBody, keep: usize, error: Option<Error>) -> impl Stream<Item = Result<Bytes>> + Send {
    let kept = KeepFirst { body, keep };
    kept.chain(futures_util::stream::iter(error.map(Err)))
}

struct KeepFirst {
    body: ReadBody,
    keep: usize,
}

impl Stream for KeepFirst {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.keep == 0 {
            return Poll::Ready(None);
        }
        let next = Pin::new(&mut self.body).poll_next(cx);
        next.map(|next| {
            let piece = match next? {
                Ok(piece) => piece,
                Err(error) => return Some(Err(error)),
            };
            let piece = piece.slice(..piece.len().min(self.keep));
            self.keep -= piece.len();
            Some(Ok(piece))
        })
    }
}

/// Flips a bit of the byte at `at`, counted around the end; an empty body has none.
fn flip(bytes: Bytes, at: usize) -> Bytes {
    let mut bytes = BytesMut::from(bytes.as_ref());
    if let Some(at) = at.checked_rem(bytes.len())
        && let Some(byte) = bytes.get_mut(at)
    {
        *byte ^= 1;
    }
    bytes.freeze()
}

impl<B: Backend> Backend for Faulty<B> {
    fn name(&self) -> &Arc<BackendName> {
        self.inner.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn put<'a>(&'a self, key: &'a BackendKey, body: Body, options: PutOptions) -> Reply<'a, Stored> {
        Box::pin(self.faulty_put(key, body, options))
    }

    fn get<'a>(&'a self, key: &'a BackendKey, options: GetOptions) -> Reply<'a, Download> {
        Box::pin(self.faulty_get(key, options))
    }

    fn head<'a>(&'a self, key: &'a BackendKey) -> Reply<'a, Head> {
        Box::pin(self.faulty_head(key))
    }

    fn delete<'a>(&'a self, targets: &'a [Target]) -> Reply<'a, Vec<Result<()>>> {
        Box::pin(self.faulty_delete(targets))
    }

    fn list<'a>(&'a self, request: &'a ListRequest) -> Reply<'a, Page> {
        Box::pin(self.faulty_list(request))
    }

    fn tidy<'a>(&'a self, prefix: &'a KeyPrefix) -> Reply<'a, ()> {
        self.inner.tidy(prefix)
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests;
