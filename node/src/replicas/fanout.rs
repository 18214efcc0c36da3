//! One blob on its way to several backends at once.

use bytes::Bytes;
use futures_util::future::join_all;
use node_backend::{Body, BodyWriter, PutOptions, Stored};
use raft_types::address::BlobAttempt;
use raft_types::checksum::Crc64;
use raft_types::commands::NewReplica;
use std::sync::Arc;
use tokio::task::JoinHandle;

use super::attached::AttachedBackend;
use super::ticket::Ticket;
use node_backend::BackendKey;
use node_backend::port::Confirmation;

/// One attempt: its ticket, and where it is written.
#[derive(Debug)]
pub(super) struct Destination {
    pub(super) ticket: Ticket,
    pub(super) backend: Arc<AttachedBackend>,
    pub(super) key: BackendKey,
}

/// A streamed blob: every attempt has a task that feeds its backend.
#[derive(Debug)]
pub(super) struct FanOut {
    running: Vec<Running>,
    failed: Vec<Failed>,
}

/// An attempt whose backend took no more; its put has ended with the reason.
#[derive(Debug)]
struct Failed {
    put: PutTask,
    destination: Destination,
}

/// Dropped in the order of its fields: the put is told to end before its attempt is handed over.
#[derive(Debug)]
struct Running {
    writer: BodyWriter,
    put: PutTask,
    destination: Destination,
}

/// The task of one put, ended when it is dropped.
#[derive(Debug)]
struct PutTask(JoinHandle<node_backend::Result<Stored>>);

impl Drop for PutTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What became of all attempts of one blob.
#[derive(Debug, Default)]
pub(super) struct Finished {
    /// Copies that the backends have confirmed.
    pub(super) verified: Vec<(NewReplica, Ticket)>,
    /// Attempts that failed.
    pub(super) failed: Vec<(BlobAttempt, Ticket)>,
    /// Why the last of them did.
    pub(super) cause: Option<node_backend::Error>,
}

impl FanOut {
    /// Begins to write `stored` bytes to all destinations.
    pub(super) fn begin(destinations: Vec<Destination>, stored: u64) -> Self {
        let running = destinations
            .into_iter()
            .map(|destination| {
                let (writer, body) = Body::channel(stored);
                let backend = Arc::clone(&destination.backend.backend);
                let key = destination.key.clone();
                let put = PutTask(tokio::spawn(async move {
                    backend.put(&key, body, PutOptions::default()).await
                }));
                Running {
                    destination,
                    writer,
                    put,
                }
            })
            .collect();
        Self {
            running,
            failed: Vec::new(),
        }
    }

    /// Sends the next stored bytes to every backend that still takes them. `false` when none does.
    pub(super) async fn write(&mut self, bytes: &Bytes) -> bool {
        let sent = join_all(
            self.running
                .iter_mut()
                .map(|running| running.writer.write(bytes.clone())),
        )
        .await;
        let mut sent = sent.into_iter();
        let (running, failed): (Vec<_>, Vec<_>) = self
            .running
            .drain(..)
            .partition(|_| sent.next().is_some_and(|result| result.is_ok()));
        self.running = running;
        self.failed.extend(
            failed
                .into_iter()
                .map(|Running { destination, put, .. }| Failed { destination, put }),
        );
        !self.running.is_empty()
    }

    /// Why the puts that took no more have failed. The tickets of all attempts give them up.
    pub(super) async fn cause(self) -> Option<node_backend::Error> {
        let mut cause = None;
        for failed in self.failed {
            let mut put = failed.put;
            if let Ok(Err(error)) = (&mut put.0).await {
                cause = Some(error);
            }
        }
        cause
    }

    /// Waits for all puts and sorts them by what the backends confirm.
    pub(super) async fn finish(self, stored: u64, checksum: Crc64) -> Finished {
        let mut finished = Finished::default();
        for Failed { destination, put } in self.failed {
            let mut put = put;
            let cause = (&mut put.0).await.ok().and_then(Result::err);
            finished.fail(destination, cause);
        }
        let results = join_all(self.running.into_iter().map(|running| async move {
            let Running {
                destination,
                writer,
                mut put,
            } = running;
            drop(writer);
            let result = (&mut put.0).await;
            (destination, result)
        }))
        .await;
        for (destination, result) in results {
            match result {
                Ok(result) => finished.take(destination, result, stored, checksum).await,
                // The task was cancelled or panicked; the panic hook has told the operator.
                Err(_) => finished.fail(destination, None),
            }
        }
        finished
    }
}

impl Finished {
    /// Writes a blob that is wholly in memory.
    pub(super) async fn of_memory(destinations: Vec<Destination>, bytes: Bytes, checksum: Crc64) -> Self {
        let stored = bytes.len() as u64;
        let options = PutOptions {
            checksum: Some(checksum),
            ..PutOptions::default()
        };
        let results = join_all(destinations.into_iter().map(|destination| {
            let body = Body::from_bytes(bytes.clone());
            async move {
                let result = destination
                    .backend
                    .backend
                    .put(&destination.key, body, options)
                    .await;
                (destination, result)
            }
        }))
        .await;
        let mut finished = Self::default();
        for (destination, result) in results {
            finished.take(destination, result, stored, checksum).await;
        }
        finished
    }

    async fn take(
        &mut self,
        destination: Destination,
        result: node_backend::Result<Stored>,
        size: u64,
        checksum: Crc64,
    ) {
        let stored = match result {
            Ok(stored) => stored,
            Err(error) => return self.fail(destination, Some(error)),
        };
        match stored.confirms(size, checksum) {
            Confirmation::Confirmed => self.verified(destination, stored),
            Confirmation::SizeOnly => self.ask(destination, size, checksum).await,
            Confirmation::Differs => self.fail(destination, None),
        }
    }

    /// Asks a backend that echoed no checksum what it has stored.
    async fn ask(&mut self, destination: Destination, size: u64, checksum: Crc64) {
        match destination.backend.backend.head(&destination.key).await {
            Ok(head) => {
                let stored = Stored {
                    size: head.size,
                    evidence: head.evidence,
                    version: head.version,
                };
                match stored.confirms(size, checksum) {
                    Confirmation::Confirmed | Confirmation::SizeOnly => self.verified(destination, stored),
                    Confirmation::Differs => self.fail(destination, None),
                }
            }
            Err(error) => self.fail(destination, Some(error)),
        }
    }

    fn verified(&mut self, destination: Destination, stored: Stored) {
        let Destination { mut ticket, .. } = destination;
        let version = stored.version.map(|version| version.as_str().to_owned());
        ticket.set_provider_version(version.clone());
        let Some(attempt) = ticket.attempt() else { return };
        let address = attempt.address;
        let replica = NewReplica {
            backend: address.backend,
            incarnation: address.incarnation,
            epoch: address.epoch,
            attempt: address.attempt,
            provider_version: version,
        };
        self.verified.push((replica, ticket));
    }

    fn fail(&mut self, destination: Destination, cause: Option<node_backend::Error>) {
        if let Some(error) = &cause {
            tracing::warn!(
                backend = %destination.backend.backend.name(),
                error = error as &dyn std::error::Error,
                "a replica could not be written"
            );
        }
        self.cause = cause.or(self.cause.take());
        if let Some(attempt) = destination.ticket.attempt().cloned() {
            self.failed.push((attempt, destination.ticket));
        }
    }
}
