//! Writes one body: splits it into blobs, seals them, fans each out, and gathers what a commit needs.

use std::sync::Arc;

use api::port::{BodyError, ChecksumAlgorithm, Digests, VerifiedBody};
use bytes::{Buf, Bytes, BytesMut};
use node_crypto::footer::{
    BodyResults, Checksum as FooterChecksum, ChecksumAlgorithm as FooterAlgorithm, Expected, FooterFacts,
    FooterPlan, FooterResults, Place,
};
use node_crypto::frame::{ChunkSize, Encoder, Layout, Protection, Sealed};
use node_crypto::{Encryption, keys};
use raft_types::checksum::Crc64;
use raft_types::commands::{NewBlob, Written};
use raft_types::ids::{BlobId, BucketId, KeyVersion};
use raft_types::records::{Frame, Sealing, Suite};

use super::attached::AttachedBackend;
use super::epoch::{Epochs, EpochsError};
use super::fanout::{Destination, FanOut, Finished};
use super::ticket::Ticket;
use crate::telemetry::sealing::{SealingFailure, SealingOperation};

/// A blob of at most so many stored bytes is sealed in memory and stored in one call: for a small
/// object the hand-over of pieces between tasks would cost more than the bytes. Also what one such
/// request may hold.
const IN_MEMORY: u64 = 256 * 1024;

/// Plaintext bytes of one blob at most (DESIGN 3.3).
const BLOB_BYTES: u64 = raft_types::limits::BLOB_SIZE;

/// Why a body was not written. What had been begun is given up by its tickets.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    /// The client's body failed its verification, or ended early.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// No attempt could be begun.
    #[error(transparent)]
    Epoch(#[from] EpochsError),
    /// The bucket's key cannot seal.
    #[error(transparent)]
    Key(#[from] keys::Error),
    /// No backend took the bytes.
    #[error("no backend took blob {blob}")]
    Backends {
        /// The blob.
        blob: BlobId,
        /// What the last backend said.
        source: Option<node_backend::Error>,
    },
    /// No randomness for a blob id.
    #[error(transparent)]
    NoEntropy(#[from] node_crypto::NoEntropy),
    /// A defect of this node.
    #[error("blob {blob}: {what}")]
    Internal {
        /// The blob.
        blob: BlobId,
        /// What does not fit.
        what: String,
    },
}

/// What is known of a body before its first byte.
#[derive(Debug, Clone)]
pub(crate) struct BodyFacts {
    /// Footer of the body's blobs; [`FooterFacts::place`] is set for each blob.
    pub(crate) footer: FooterFacts,
    /// The bucket.
    pub(crate) bucket: BucketId,
    /// The checksum that is computed although the client declares none.
    pub(crate) computed: Option<ChecksumAlgorithm>,
}

/// A verified body that lies on backends and is nobody's yet.
#[derive(Debug)]
pub(crate) struct WrittenBody {
    /// For the commit.
    pub(crate) written: Written,
    /// What the body turned out to be.
    pub(crate) digests: Digests,
    /// One for each attempt that `written` names.
    pub(crate) tickets: Vec<Ticket>,
}

/// Writes bodies.
#[derive(Debug)]
pub(crate) struct BlobWriter {
    epochs: Arc<Epochs>,
    chunk: ChunkSize,
    blob_bytes: u64,
}

impl BlobWriter {
    pub(crate) fn new(epochs: Arc<Epochs>, chunk: ChunkSize) -> Self {
        Self {
            epochs,
            chunk,
            blob_bytes: BLOB_BYTES,
        }
    }

    /// Lets a test have bodies of many blobs without so many bytes.
    #[cfg(test)]
    pub(crate) fn with_blobs_of(self, blob_bytes: u64) -> Self {
        Self { blob_bytes, ..self }
    }

    /// Reads `body` to its verified end and stores it on `backends`.
    ///
    /// # Errors
    /// The body or every backend failed; then nothing will stay of it.
    pub(crate) async fn write<B: VerifiedBody>(
        &self,
        facts: BodyFacts,
        mut body: B,
        encryption: &Encryption,
        backends: &[Arc<AttachedBackend>],
    ) -> Result<WrittenBody, WriteError> {
        let length = body.length();
        let algorithms: Vec<FooterAlgorithm> = body
            .declared_checksum()
            .or(facts.computed)
            .map(footer_algorithm)
            .into_iter()
            .collect();
        let count = length.div_ceil(self.blob_bytes).max(1);
        let mut done = Gathered::new(backends.len());
        let mut first = None;
        let mut rest = Bytes::new();
        for index in 0..count {
            let offset = index * self.blob_bytes;
            let size = (length - offset).min(self.blob_bytes);
            let blob = draw_blob()?;
            let crypto_blob = node_crypto::BlobId(blob.0);
            let place = Place {
                body: *first.get_or_insert(crypto_blob),
                index: index as u32,
                offset,
            };
            let expected = if index + 1 == count {
                Expected::Last(&algorithms)
            } else {
                Expected::Inner
            };
            let plan = FooterPlan::new(
                FooterFacts {
                    place,
                    ..facts.footer.clone()
                },
                expected,
            )
            .map_err(|error| internal(blob, &error))?;
            let bucket = node_crypto::BucketId(facts.bucket.0);
            let sealer = encryption
                .sealer(bucket, crypto_blob, self.chunk)
                .inspect_err(|_| SealingOperation::Encrypt.failed(SealingFailure::NoKey))?;
            let stored = Layout::new(self.chunk, size)
                .map_err(|error| internal(blob, &error))?
                .stored_len(plan.footer_len());
            let destinations = self.destinations(blob, stored, backends).await?;
            let encoder = Encoder::new(sealer, size, plan).map_err(|error| internal(blob, &error))?;
            let one = OneBlob {
                blob,
                size,
                encoder,
                destinations,
            };
            if index + 1 < count {
                let finished = one.stream(&mut body, &mut rest).await?.end(size).await?;
                done.add(finished);
                continue;
            }
            return self.last(one, body, rest, done).await;
        }
        Err(WriteError::Internal {
            blob: BlobId([0; 16]),
            what: "a body has no blob".to_owned(),
        })
    }

    /// The last blob: its footer says what the whole body is, so it ends when the body is verified.
    async fn last<B: VerifiedBody>(
        &self,
        one: OneBlob,
        mut body: B,
        mut rest: Bytes,
        mut done: Gathered,
    ) -> Result<WrittenBody, WriteError> {
        let size = one.size;
        let ending = if one.encoder.stored_len() <= IN_MEMORY {
            one.in_memory(&mut body, &mut rest).await?
        } else {
            one.stream(&mut body, &mut rest).await?
        };
        let blob = ending.blob;
        if !rest.is_empty() || body.next().await?.is_some() {
            return Err(WriteError::Body(BodyError::TooLong));
        }
        let digests = body.finish().await?;
        let results = FooterResults {
            content_len: size,
            body: Some(BodyResults {
                len: digests.length,
                etag: hex::encode(digests.md5),
                checksums: digests.checksum.iter().map(footer_checksum).collect(),
            }),
        };
        done.add(ending.end_with(results).await?);
        done.into_body(digests)
            .ok_or(WriteError::Backends { blob, source: None })
    }

    async fn destinations(
        &self,
        blob: BlobId,
        stored: u64,
        backends: &[Arc<AttachedBackend>],
    ) -> Result<Vec<Destination>, WriteError> {
        let mut destinations = Vec::with_capacity(backends.len());
        for backend in backends {
            let (ticket, physical) = self.epochs.begin(blob, backend.id, stored).await?;
            let key = backend.key(&physical).map_err(|error| internal(blob, &error))?;
            destinations.push(Destination {
                ticket,
                backend: Arc::clone(backend),
                key,
            });
        }
        Ok(destinations)
    }
}

/// A blob that is being written.
struct OneBlob {
    blob: BlobId,
    size: u64,
    encoder: Encoder,
    destinations: Vec<Destination>,
}

/// A blob whose plaintext has all come.
struct Ending {
    blob: BlobId,
    size: u64,
    encoder: Encoder,
    sink: Sink,
}

enum Sink {
    Memory {
        bytes: BytesMut,
        destinations: Vec<Destination>,
    },
    Streams(FanOut),
}

impl OneBlob {
    async fn in_memory<B: VerifiedBody>(
        mut self,
        body: &mut B,
        rest: &mut Bytes,
    ) -> Result<Ending, WriteError> {
        let mut bytes = BytesMut::new();
        let mut missing = self.size;
        while missing > 0 {
            let mut piece = next_piece(body, rest, missing).await?;
            missing -= piece.len() as u64;
            while let Some(sealed) = self
                .encoder
                .push(&mut piece)
                .map_err(|error| internal(self.blob, &error))?
            {
                bytes.extend_from_slice(&sealed);
            }
        }
        let sink = Sink::Memory {
            bytes,
            destinations: self.destinations,
        };
        Ok(Ending {
            blob: self.blob,
            size: self.size,
            encoder: self.encoder,
            sink,
        })
    }

    async fn stream<B: VerifiedBody>(mut self, body: &mut B, rest: &mut Bytes) -> Result<Ending, WriteError> {
        let stored = self.encoder.stored_len();
        let mut fanout = FanOut::begin(self.destinations, stored);
        let mut missing = self.size;
        while missing > 0 {
            let mut piece = next_piece(body, rest, missing).await?;
            missing -= piece.len() as u64;
            while let Some(sealed) = self
                .encoder
                .push(&mut piece)
                .map_err(|error| internal(self.blob, &error))?
            {
                if !fanout.write(&sealed).await {
                    let source = fanout.cause().await;
                    return Err(WriteError::Backends {
                        blob: self.blob,
                        source,
                    });
                }
            }
        }
        Ok(Ending {
            blob: self.blob,
            size: self.size,
            encoder: self.encoder,
            sink: Sink::Streams(fanout),
        })
    }
}

impl Ending {
    /// Ends a blob that others follow.
    async fn end(self, size: u64) -> Result<(NewBlob, Finished), WriteError> {
        self.end_with(FooterResults {
            content_len: size,
            body: None,
        })
        .await
    }

    async fn end_with(self, results: FooterResults) -> Result<(NewBlob, Finished), WriteError> {
        let Self {
            blob,
            size,
            encoder,
            sink,
        } = self;
        let frame = frame(&encoder);
        let Sealed {
            tail,
            stored_len,
            crc64_nvme,
        } = encoder.finish(results).map_err(|error| internal(blob, &error))?;
        if frame.sealing.is_some() {
            SealingOperation::Encrypt.done();
        }
        let finished = match sink {
            Sink::Memory {
                mut bytes,
                destinations,
            } => {
                let bytes = if bytes.is_empty() {
                    tail
                } else {
                    bytes.extend_from_slice(&tail);
                    bytes.freeze()
                };
                Finished::of_memory(destinations, bytes, Crc64(crc64_nvme)).await
            }
            Sink::Streams(mut fanout) => {
                fanout.write(&tail).await;
                fanout.finish(stored_len, Crc64(crc64_nvme)).await
            }
        };
        if finished.verified.is_empty() {
            return Err(WriteError::Backends {
                blob,
                source: finished.cause,
            });
        }
        let new = NewBlob {
            blob,
            size,
            stored: stored_len,
            crc: Crc64(crc64_nvme),
            frame,
            replicas: finished
                .verified
                .iter()
                .map(|(replica, _)| replica.clone())
                .collect(),
        };
        Ok((new, finished))
    }
}

/// What the blobs of a body have come to.
struct Gathered {
    written: Written,
    tickets: Vec<Ticket>,
}

impl Gathered {
    fn new(wanted: usize) -> Self {
        let written = Written {
            blobs: Vec::new(),
            given_up: Vec::new(),
            running: Vec::new(),
            wanted: wanted as u32,
        };
        Self {
            written,
            tickets: Vec::new(),
        }
    }

    fn add(&mut self, (blob, finished): (NewBlob, Finished)) {
        self.written.blobs.push(blob);
        for (_, ticket) in finished.verified {
            self.tickets.push(ticket);
        }
        for (attempt, ticket) in finished.failed {
            self.written.given_up.push(attempt);
            self.tickets.push(ticket);
        }
    }

    fn into_body(self, digests: Digests) -> Option<WrittenBody> {
        let Self { written, tickets } = self;
        (!written.blobs.is_empty()).then_some(WrittenBody {
            written,
            digests,
            tickets,
        })
    }
}

/// The next plaintext of a blob that still wants `missing` bytes; what is too much stays in `rest`.
async fn next_piece<B: VerifiedBody>(
    body: &mut B,
    rest: &mut Bytes,
    missing: u64,
) -> Result<Bytes, BodyError> {
    if !rest.has_remaining() {
        *rest = body.next().await?.ok_or(BodyError::Incomplete)?;
    }
    let take = usize::try_from(missing).unwrap_or(usize::MAX).min(rest.len());
    Ok(rest.split_to(take))
}

fn frame(encoder: &Encoder) -> Frame {
    let chunk_log2 = u32::from(encoder.layout().chunk().log2());
    match encoder.protection() {
        Protection::Clear => Frame {
            suite: Suite::Clear,
            chunk_log2,
            sealing: None,
        },
        Protection::Encrypted(descriptor) => Frame {
            suite: Suite::Aes256Gcm,
            chunk_log2,
            sealing: Some(Sealing {
                key_version: KeyVersion(descriptor.key.version.0),
                wrapped: Bytes::copy_from_slice(&descriptor.wrapped.0),
                commitment: Bytes::copy_from_slice(&descriptor.commitment.0),
            }),
        },
    }
}

fn draw_blob() -> Result<BlobId, node_crypto::NoEntropy> {
    let mut id = node_crypto::BlobId::generate()?.0;
    // One group so far: its number stands in the first two bytes.
    id[..2].fill(0);
    Ok(BlobId(id))
}

fn footer_algorithm(algorithm: ChecksumAlgorithm) -> FooterAlgorithm {
    match algorithm {
        ChecksumAlgorithm::Crc32 => FooterAlgorithm::Crc32,
        ChecksumAlgorithm::Crc32c => FooterAlgorithm::Crc32c,
        ChecksumAlgorithm::Crc64Nvme => FooterAlgorithm::Crc64Nvme,
        ChecksumAlgorithm::Sha1 => FooterAlgorithm::Sha1,
        ChecksumAlgorithm::Sha256 => FooterAlgorithm::Sha256,
    }
}

fn footer_checksum(checksum: &api::port::Checksum) -> FooterChecksum {
    FooterChecksum {
        algorithm: footer_algorithm(checksum.algorithm()),
        value: checksum.bytes().to_vec(),
    }
}

fn internal(blob: BlobId, error: &dyn std::error::Error) -> WriteError {
    WriteError::Internal {
        blob,
        what: error.to_string(),
    }
}
