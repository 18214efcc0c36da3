//! Reads one piece of a blob: replica after replica until every chunk was checked and handed out.

use std::sync::Arc;

use bytes::Bytes;
use node_backend::{ByteRange, Class, GetOptions, ReadBody};
use node_crypto::frame::Decoder;
use node_crypto::keys;
use raft_types::address::{AttemptAddress, PhysicalKey};
use raft_types::ids::{BlobId, ClusterId, Incarnation, IncarnationCounter};
use raft_types::records::{Replica, ReplicaState};
use tokio::sync::mpsc;

use super::attached::{AttachedBackend, Backends};
use super::pieces::{OpenError, PieceOpener, PieceRead};
use crate::telemetry::sealing::{self, SealingFailure, SealingOperation};

/// Replicas in doubt that wait to be reported. More at once than this are a failing backend or node,
/// which reports of single replicas would not describe any better.
const SUSPICION_QUEUE: usize = 1_024;

/// Why a piece could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    /// The piece cannot be opened; no replica is to blame.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Every replica failed.
    #[error("no replica of blob {blob} could be read")]
    Replicas {
        /// The blob.
        blob: BlobId,
        /// How the last one failed.
        #[source]
        last: Option<ReplicaError>,
    },
}

/// How one replica failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplicaError {
    /// The backend failed.
    #[error(transparent)]
    Backend(#[from] node_backend::Error),
    /// The bytes are not those that were written.
    #[error(transparent)]
    Damaged(#[from] node_crypto::frame::DecodeError),
    /// This node has not attached the backend.
    #[error("backend {0} is not attached here")]
    NotAttached(raft_types::ids::BackendId),
    /// The life of the cluster in which it was written is not known.
    #[error("incarnation {0} is not known")]
    UnknownIncarnation(IncarnationCounter),
    /// A defect of this node.
    #[error("the physical key cannot be formed")]
    Key(#[from] node_backend::KeyError),
}

/// Something speaks against a replica; to be reported to the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Suspicion {
    /// The blob.
    pub(crate) blob: BlobId,
    /// The replica.
    pub(crate) address: AttemptAddress,
}

/// Reads blobs from the backends that this node has attached.
#[derive(Debug)]
pub(crate) struct BlobReader {
    cluster: ClusterId,
    incarnations: Vec<Incarnation>,
    backends: Arc<Backends>,
    suspicions: mpsc::Sender<Suspicion>,
}

/// One piece being read.
#[derive(Debug)]
pub(crate) struct PieceStream {
    reader: Arc<BlobReader>,
    piece: PieceRead,
    decoder: Decoder,
    /// Replicas not tried yet, best last.
    untried: Vec<Replica>,
    tried: Vec<AttemptAddress>,
    source: Option<Source>,
    last: Option<ReplicaError>,
}

#[derive(Debug)]
struct Source {
    replica: Replica,
    body: ReadBody,
    /// Stored bytes that came and were not decoded yet.
    buffered: Bytes,
}

impl BlobReader {
    /// `incarnations` are all lives of the cluster so far.
    pub(crate) fn new(
        cluster: ClusterId,
        incarnations: Vec<Incarnation>,
        backends: Arc<Backends>,
    ) -> (Self, mpsc::Receiver<Suspicion>) {
        let (suspicions, receiver) = mpsc::channel(SUSPICION_QUEUE);
        (
            Self {
                cluster,
                incarnations,
                backends,
                suspicions,
            },
            receiver,
        )
    }

    /// Begins to read a piece. `order` sorts the replicas, best first. One that is being removed serves
    /// as long as it is there: it may be the last that a read which has lasted can use.
    ///
    /// # Errors
    /// The piece cannot be opened.
    pub(crate) fn open(
        self: &Arc<Self>,
        piece: PieceRead,
        opener: PieceOpener<'_>,
        order: impl FnOnce(&mut Vec<Replica>),
    ) -> Result<PieceStream, OpenError> {
        let decoder = opener
            .decoder(&piece)
            .inspect_err(|error| tell_unopened(&piece, error))?;
        tell_opened(&piece);
        let mut untried = piece.replicas.clone();
        order(&mut untried);
        untried.reverse();
        let reader = Arc::clone(self);
        Ok(PieceStream {
            reader,
            piece,
            decoder,
            untried,
            tried: Vec::new(),
            source: None,
            last: None,
        })
    }

    async fn get(
        &self,
        blob: BlobId,
        address: &AttemptAddress,
        range: std::ops::Range<u64>,
    ) -> Result<ReadBody, ReplicaError> {
        let attached = self.attached(address)?;
        let incarnation = self.incarnation(address.incarnation)?;
        let physical = PhysicalKey {
            cluster: self.cluster,
            incarnation,
            epoch: address.epoch,
            blob,
            attempt: address.attempt,
        };
        let key = attached.key(&physical)?;
        let options = GetOptions {
            range: ByteRange::new(range.start, range.end - range.start),
        };
        Ok(attached.backend.get(&key, options).await?.body)
    }

    fn attached(&self, address: &AttemptAddress) -> Result<Arc<AttachedBackend>, ReplicaError> {
        self.backends
            .get(address.backend)
            .ok_or(ReplicaError::NotAttached(address.backend))
    }

    fn incarnation(&self, counter: IncarnationCounter) -> Result<Incarnation, ReplicaError> {
        let known = self
            .incarnations
            .iter()
            .find(|incarnation| incarnation.counter == counter);
        known.copied().ok_or(ReplicaError::UnknownIncarnation(counter))
    }

    /// Reports a replica, unless so many wait already that one more says nothing new.
    fn suspect(&self, blob: BlobId, address: AttemptAddress) {
        metrics::counter!("s3o_replicas_suspected_total").increment(1);
        let _ = self.suspicions.try_send(Suspicion { blob, address });
    }
}

impl PieceStream {
    /// The next verified plaintext; `None` at the end of the piece.
    ///
    /// # Errors
    /// Every replica failed. What was handed out so far is good.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, ReadError> {
        loop {
            let mut source = match self.source.take() {
                Some(source) => source,
                None => match self.next_source().await? {
                    Some(source) => source,
                    None => return Ok(None),
                },
            };
            match self.advance(&mut source).await {
                Ok(Some(bytes)) => {
                    self.source = Some(source);
                    return Ok(Some(bytes));
                }
                Ok(None) => return Ok(None),
                Err(error) => self.note_failure(&source.replica, error),
            }
        }
    }

    /// Adds replicas that were found later, sorted by `order`; whether any of them was not tried yet.
    pub(crate) fn add_replicas(
        &mut self,
        mut replicas: Vec<Replica>,
        order: impl FnOnce(&mut Vec<Replica>),
    ) -> bool {
        replicas.retain(|replica| !self.tried.contains(&replica.address()));
        order(&mut replicas);
        replicas.reverse();
        self.untried = replicas;
        !self.untried.is_empty()
    }

    /// Decodes until a piece of plaintext is there, the range is complete, or the source fails.
    async fn advance(&mut self, source: &mut Source) -> Result<Option<Bytes>, ReplicaError> {
        loop {
            if let Some(bytes) = self.decoder.push(&mut source.buffered)? {
                return Ok(Some(bytes));
            }
            match source.body.next().await {
                Some(bytes) => source.buffered = bytes?,
                None => {
                    self.decoder.finish()?;
                    return Ok(None);
                }
            }
        }
    }

    /// Opens the next replica where the last one left off; `None` when nothing is left to read.
    async fn next_source(&mut self) -> Result<Option<Source>, ReadError> {
        let Some(range) = self.decoder.resume() else {
            return Ok(None);
        };
        while let Some(replica) = self.untried.pop() {
            let address = replica.address();
            self.tried.push(address);
            match self.reader.get(self.piece.blob, &address, range.clone()).await {
                Ok(body) => {
                    return Ok(Some(Source {
                        replica,
                        body,
                        buffered: Bytes::new(),
                    }));
                }
                Err(error) => self.note_failure(&replica, error),
            }
        }
        Err(ReadError::Replicas {
            blob: self.piece.blob,
            last: self.last.take(),
        })
    }

    fn note_failure(&mut self, replica: &Replica, error: ReplicaError) {
        let address = replica.address();
        tracing::warn!(
            blob = %self.piece.blob,
            replica = %address,
            error = &error as &dyn std::error::Error,
            "a replica could not be read"
        );
        let in_doubt = match &error {
            ReplicaError::Backend(error) => error.class() == Class::Suspect,
            ReplicaError::Damaged(_) => true,
            ReplicaError::NotAttached(_) | ReplicaError::UnknownIncarnation(_) | ReplicaError::Key(_) => {
                false
            }
        };
        if let ReplicaError::Damaged(_) = &error {
            sealing::wrong_read();
            if let Some(operation) = opening(&self.piece) {
                operation.failed(SealingFailure::Damaged);
            }
        }
        // Of one that is suspect or being removed the state knows already.
        if in_doubt && replica.state == ReplicaState::Present {
            self.reader.suspect(self.piece.blob, address);
        }
        self.last = Some(error);
    }
}

/// How a piece is opened, if it is sealed.
fn opening(piece: &PieceRead) -> Option<SealingOperation> {
    piece.content.frame.sealing.as_ref()?;
    let whole = piece.range == (0..piece.content.size);
    Some(if whole {
        SealingOperation::Decrypt
    } else {
        SealingOperation::DecryptRange
    })
}

fn tell_opened(piece: &PieceRead) {
    sealing::verifying_read();
    if let Some(operation) = opening(piece) {
        operation.done();
    }
}

fn tell_unopened(piece: &PieceRead, error: &OpenError) {
    if let OpenError::UnknownKey { .. }
    | OpenError::Key(
        keys::Error::UnknownKey(_) | keys::Error::UnknownVersion(_) | keys::Error::Locked { .. },
    ) = error
    {
        sealing::unknown_key();
    }
    if let Some(operation) = opening(piece) {
        operation.failed(SealingFailure::DataKey);
    }
}
