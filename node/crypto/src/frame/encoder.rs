//! Plaintext in, stored bytes out.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::aead;
use crate::footer::{self, FooterPlan, FooterResults};
use crate::frame::{HEADER_LEN, Layout, LayoutError, Position, Protection, Sealer, TAG_LEN};
use crate::{BlobId, Crc64Nvme};

/// Stored bytes are handed out in batches of at least this size (and at least one chunk), so that
/// small chunks do not become small writes. A blob that ends below it is handed out at once, by
/// [`Encoder::finish`], as one contiguous piece.
const BATCH_LEN: usize = 64 << 10;

/// Why a blob cannot be written on. The encoder is of no more use after any of these.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The blob would be too long.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// More plaintext came than was announced.
    #[error("blob {blob}: more than the announced {announced} plaintext bytes")]
    Overrun {
        /// The blob.
        blob: BlobId,
        /// Plaintext length given at the start.
        announced: u64,
    },
    /// Less plaintext came than was announced.
    #[error("blob {blob}: {missing} of the announced {announced} plaintext bytes are missing")]
    Underrun {
        /// The blob.
        blob: BlobId,
        /// Plaintext length given at the start.
        announced: u64,
        /// How much of it never came.
        missing: u64,
    },
    /// What the footer should say does not fit the length that was reserved for it.
    #[error("blob {blob}: {source}")]
    Footer {
        /// The blob.
        blob: BlobId,
        /// What is wrong with it.
        source: footer::PlanError,
    },
    /// The cipher failed.
    #[error("blob {blob}: {source}")]
    Cipher {
        /// The blob.
        blob: BlobId,
        /// Its reason.
        source: aead::Error,
    },
    /// The encoder failed earlier and was used again.
    #[error("blob {blob}: writing went on after an error")]
    AfterFailure {
        /// The blob.
        blob: BlobId,
    },
}

/// The end of a blob.
#[derive(Debug, Clone)]
pub struct Sealed {
    /// The last stored bytes: whatever was not handed out before, at least the last chunk, and the
    /// footer. Nothing follows.
    pub tail: Bytes,
    /// All stored bytes of the blob.
    pub stored_len: u64,
    /// CRC-64/NVME of all stored bytes.
    pub crc64_nvme: u64,
}

/// Writes one blob.
///
/// Push plaintext and send on what comes out; when the whole body has been *verified*, call
/// [`Encoder::finish`], which yields the last chunk and the footer. Until then no complete blob can
/// have left, so a body that fails verification leaves nothing that could be taken for one.
///
/// Chunks are sealed in place in the buffer that collected them; the buffer's memory is used again
/// once what was handed out has been dropped.
#[derive(Debug)]
pub struct Encoder {
    sealer: Sealer,
    layout: Layout,
    plan: FooterPlan,
    buf: BytesMut,
    /// Where in `buf` the plaintext of the chunk being filled begins.
    chunk_start: usize,
    /// Index of the chunk being filled.
    index: u32,
    /// Plaintext still to come.
    missing: u64,
    crc: Crc64Nvme,
    failed: bool,
}

impl Encoder {
    /// Begins a blob of exactly `plaintext_len` bytes. The sealer is used up, so its data key
    /// cannot seal anything else.
    pub fn new(sealer: Sealer, plaintext_len: u64, plan: FooterPlan) -> Result<Self, EncodeError> {
        let layout = Layout::new(sealer.header.chunk, plaintext_len)?;
        let mut encoder = Self {
            sealer,
            layout,
            plan,
            buf: BytesMut::new(),
            chunk_start: 0,
            index: 0,
            missing: plaintext_len,
            crc: Crc64Nvme::new(),
            failed: false,
        };
        encoder.buf.reserve(encoder.next_batch_len());
        encoder.buf.put_slice(encoder.sealer.codec.header());
        encoder.chunk_start = HEADER_LEN;
        Ok(encoder)
    }

    /// The blob being written.
    pub const fn blob(&self) -> BlobId {
        self.sealer.blob()
    }

    /// What the metadata must keep about the blob's protection.
    pub const fn protection(&self) -> &Protection {
        self.sealer.protection()
    }

    /// The geometry, which the metadata keeps by chunk size and plaintext length.
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Bytes that will be stored in all, known before the first of them.
    pub const fn stored_len(&self) -> u64 {
        self.layout.stored_len(self.plan.footer_len())
    }

    /// Takes plaintext from `input` until either it is empty (`None`) or a batch of stored bytes is
    /// ready. Call again with the rest.
    ///
    /// # Errors
    /// [`EncodeError::Overrun`] when more comes than was announced.
    pub fn push(&mut self, input: &mut impl Buf) -> Result<Option<Bytes>, EncodeError> {
        let pushed = self.try_push(input);
        self.failed |= pushed.is_err();
        pushed
    }

    /// Stands in for plaintext that never came: zero bytes up to the announced length. For bodies
    /// that show their length only at their end and were announced by their bound. Call until it
    /// returns `None`.
    pub fn pad(&mut self) -> Result<Option<Bytes>, EncodeError> {
        if self.failed {
            return Err(EncodeError::AfterFailure { blob: self.blob() });
        }
        while self.missing > 0 {
            let room = self.missing.min(ZEROS.len() as u64) as usize;
            if let Some(batch) = self.push(&mut &ZEROS[..room])? {
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }

    /// Ends the blob: the caller has verified the whole body.
    ///
    /// # Errors
    /// [`EncodeError::Underrun`] when plaintext is missing; [`EncodeError::Footer`] when `results`
    /// hold more than was planned for.
    pub fn finish(mut self, results: FooterResults) -> Result<Sealed, EncodeError> {
        let blob = self.blob();
        if self.failed {
            return Err(EncodeError::AfterFailure { blob });
        }
        if self.missing > 0 {
            let announced = self.layout.plaintext_len();
            return Err(EncodeError::Underrun {
                blob,
                announced,
                missing: self.missing,
            });
        }
        self.seal_chunk(Position::Last)?;
        let Self {
            sealer,
            layout,
            plan,
            mut buf,
            mut crc,
            ..
        } = self;
        let footer = plan
            .seal(&sealer, &layout, results)
            .map_err(|error| match error {
                footer::SealError::Plan(source) => EncodeError::Footer { blob, source },
                footer::SealError::Cipher(source) => EncodeError::Cipher { blob, source },
            })?;
        buf.put_slice(&footer);
        crc.update(&buf);
        let stored_len = layout.body_len() + footer.len() as u64;
        Ok(Sealed {
            tail: buf.freeze(),
            stored_len,
            crc64_nvme: crc.value(),
        })
    }

    fn try_push(&mut self, input: &mut impl Buf) -> Result<Option<Bytes>, EncodeError> {
        let blob = self.blob();
        if self.failed {
            return Err(EncodeError::AfterFailure { blob });
        }
        while input.has_remaining() {
            if self.missing == 0 {
                return Err(EncodeError::Overrun {
                    blob,
                    announced: self.layout.plaintext_len(),
                });
            }
            if self.buf.is_empty() {
                // Only now: the last batch may have been dropped since, and its memory is free again.
                self.buf.reserve(self.next_batch_len());
            }
            let filled = self.buf.len() - self.chunk_start;
            let piece = input.chunk();
            let room = self.layout.plaintext_in_chunk(self.index) - filled;
            let taken = room.min(piece.len());
            self.buf.put_slice(&piece[..taken]);
            input.advance(taken);
            self.missing -= taken as u64;
            // The last chunk waits for the end: it is sealed when the body has been verified.
            if taken < room || self.missing == 0 {
                continue;
            }
            self.seal_chunk(Position::Inner)?;
            if self.buf.len() >= BATCH_LEN {
                return Ok(Some(self.take_batch()));
            }
        }
        Ok(None)
    }

    fn seal_chunk(&mut self, position: Position) -> Result<(), EncodeError> {
        let chunk = &mut self.buf[self.chunk_start..];
        debug_assert_eq!(chunk.len(), self.layout.plaintext_in_chunk(self.index));
        let sealed = self.sealer.codec.seal_chunk(self.index, position, chunk);
        let tag = sealed.map_err(|source| EncodeError::Cipher {
            blob: self.sealer.blob(),
            source,
        })?;
        self.buf.put_slice(&tag);
        self.chunk_start = self.buf.len();
        self.index += 1;
        Ok(())
    }

    fn take_batch(&mut self) -> Bytes {
        let batch = self.buf.split().freeze();
        self.crc.update(&batch);
        self.chunk_start = 0;
        batch
    }

    /// Stored bytes until the next batch is full, or all that is left if that is less.
    fn next_batch_len(&self) -> usize {
        let stored_chunk = self.layout.chunk().bytes() + TAG_LEN;
        let header = if self.index == 0 { HEADER_LEN } else { 0 };
        let batch = header + BATCH_LEN.div_ceil(stored_chunk) * stored_chunk;
        let rest = self.stored_len()
            - if self.index == 0 {
                0
            } else {
                self.layout.chunk_offset(self.index)
            };
        // What does not fill a batch is handed out together with the last chunk and the footer.
        if rest <= (batch + stored_chunk) as u64 + u64::from(self.plan.footer_len()) {
            rest as usize
        } else {
            batch
        }
    }
}

/// Source of padding.
static ZEROS: [u8; 16 << 10] = [0; 16 << 10];
