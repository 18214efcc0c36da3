//! Stored bytes in, verified plaintext out.

use std::ops::Range;

use bytes::{Buf, Bytes, BytesMut};

use crate::BlobId;
use crate::frame::{HEADER_LEN, Opener, Position, RangeMap, TAG_LEN};

/// Why a replica's bytes are not what was stored. Each of these means the replica is damaged, or
/// was tampered with, or that the backend sent something else than it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The stored header is not that of the blob.
    #[error("blob {blob}: the stored header is not this blob's")]
    Header {
        /// The blob that was to be read.
        blob: BlobId,
    },
    /// A chunk failed its check; nothing of it was released.
    #[error("blob {blob}: chunk {index} failed its check")]
    Chunk {
        /// The blob that was to be read.
        blob: BlobId,
        /// The chunk.
        index: u32,
    },
    /// The bytes ended early.
    #[error("blob {blob}: the stored bytes end in or before chunk {index}")]
    Truncated {
        /// The blob that was to be read.
        blob: BlobId,
        /// The first chunk that was not complete.
        index: u32,
    },
    /// More bytes came than the range holds.
    #[error("blob {blob}: more stored bytes than were asked for")]
    Trailing {
        /// The blob that was to be read.
        blob: BlobId,
    },
    /// The decoder failed earlier and was not resumed from another source.
    #[error("blob {blob}: reading went on after an error")]
    AfterFailure {
        /// The blob that was to be read.
        blob: BlobId,
    },
}

/// Reads one range of one blob.
///
/// Feed it the bytes of [`RangeMap::stored`] in pieces of any size. A chunk is handed out when it has
/// been checked, never before. When a source fails, [`Decoder::resume`] says which stored bytes
/// another replica must deliver; what was handed out so far stays valid.
#[derive(Debug)]
pub struct Decoder {
    opener: Opener,
    map: RangeMap,
    /// Next chunk to be handed out; one past the map's last when all are.
    next: u32,
    /// Header bytes still to be compared.
    header_left: usize,
    /// Part of chunk `next`, when a piece ended within it.
    partial: BytesMut,
    failed: bool,
}

impl Decoder {
    /// Reads the range `map` of the blob that `opener` opens.
    pub fn new(opener: Opener, map: RangeMap) -> Self {
        debug_assert_eq!(opener.header.chunk, map.layout().chunk());
        let next = map.first_chunk();
        let header_left = if next == 0 { HEADER_LEN } else { 0 };
        Self {
            opener,
            map,
            next,
            header_left,
            partial: BytesMut::new(),
            failed: false,
        }
    }

    /// The range that is read.
    pub const fn map(&self) -> &RangeMap {
        &self.map
    }

    pub(crate) const fn opener(&self) -> &Opener {
        &self.opener
    }

    /// Plaintext offset of the next byte that will be handed out.
    pub fn position(&self) -> u64 {
        let Range { start, end } = self.map.plaintext();
        (u64::from(self.next) << self.map.layout().chunk().log2()).clamp(start, end)
    }

    /// Takes stored bytes from `input` until it is empty (`None`) or a verified piece of plaintext
    /// is ready. Call again with the rest.
    ///
    /// # Errors
    /// The replica is damaged; nothing of the chunk concerned was or will be released.
    pub fn push(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, DecodeError> {
        let blob = self.opener.header.blob;
        if self.failed {
            return Err(DecodeError::AfterFailure { blob });
        }
        let pushed = self.try_push(input);
        if pushed.is_err() {
            self.failed = true;
            self.partial.clear();
        }
        pushed
    }

    /// Confirms that the whole range was handed out.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] if it was not.
    pub fn finish(&self) -> Result<(), DecodeError> {
        let blob = self.opener.header.blob;
        if self.failed {
            return Err(DecodeError::AfterFailure { blob });
        }
        if self.is_complete() {
            Ok(())
        } else {
            Err(DecodeError::Truncated {
                blob,
                index: self.next,
            })
        }
    }

    /// Whether the whole range was handed out.
    pub const fn is_complete(&self) -> bool {
        self.next > self.map.last_chunk()
    }

    /// Forgets what the current source delivered of the next chunk, and any error, and returns the
    /// stored range that the next source must deliver; `None` when nothing is left.
    pub fn resume(&mut self) -> Option<Range<u64>> {
        self.partial.clear();
        self.failed = false;
        if self.is_complete() {
            return None;
        }
        self.header_left = if self.next == 0 { HEADER_LEN } else { 0 };
        Some(self.map.stored_from(self.next))
    }

    fn try_push(&mut self, input: &mut Bytes) -> Result<Option<Bytes>, DecodeError> {
        self.compare_header(input)?;
        while !input.is_empty() {
            if self.is_complete() {
                return Err(DecodeError::Trailing {
                    blob: self.opener.header.blob,
                });
            }
            let Some(chunk) = self.next_chunk(input) else {
                return Ok(None);
            };
            let plaintext = self.open(chunk)?;
            // An empty blob's only chunk is checked like any other but yields nothing.
            if !plaintext.is_empty() {
                return Ok(Some(plaintext));
            }
        }
        Ok(None)
    }

    fn compare_header(&mut self, input: &mut Bytes) -> Result<(), DecodeError> {
        let arrived = input.split_to(self.header_left.min(input.len()));
        let expected = &self.opener.codec.header()[HEADER_LEN - self.header_left..];
        if !expected.starts_with(&arrived) {
            return Err(DecodeError::Header {
                blob: self.opener.header.blob,
            });
        }
        self.header_left -= arrived.len();
        Ok(())
    }

    /// The next chunk with its tag as one piece, once it is there.
    fn next_chunk(&mut self, input: &mut Bytes) -> Option<Chunk> {
        let stored = self.map.layout().stored_in_chunk(self.next);
        let missing = stored - self.partial.len();
        let arrived = input.split_to(missing.min(input.len()));
        if arrived.len() == stored {
            return Some(Chunk::Borrowed(arrived));
        }
        if self.partial.is_empty() {
            self.partial.reserve(stored);
        }
        self.partial.extend_from_slice(&arrived);
        (self.partial.len() == stored).then(|| Chunk::Owned(self.partial.split()))
    }

    fn open(&mut self, chunk: Chunk) -> Result<Bytes, DecodeError> {
        let index = self.next;
        let position = if index == self.map.layout().last_chunk() {
            Position::Last
        } else {
            Position::Inner
        };
        let opened = match chunk {
            Chunk::Borrowed(chunk) if self.opener.codec.is_clear() => self.check(index, position, chunk),
            Chunk::Borrowed(chunk) => {
                // Decrypt where the bytes lie if nobody else looks at them, else in a copy.
                let owned = chunk.try_into_mut().unwrap_or_else(|shared| self.copy(&shared));
                self.open_in_place(index, position, owned)
            }
            Chunk::Owned(chunk) => self.open_in_place(index, position, chunk),
        };
        let plaintext = opened.ok_or(DecodeError::Chunk {
            blob: self.opener.header.blob,
            index,
        })?;
        self.next += 1;
        Ok(plaintext.slice(self.map.wanted_in_chunk(index)))
    }

    fn copy(&mut self, shared: &[u8]) -> BytesMut {
        self.partial.reserve(shared.len());
        self.partial.extend_from_slice(shared);
        self.partial.split()
    }

    fn open_in_place(&self, index: u32, position: Position, mut chunk: BytesMut) -> Option<Bytes> {
        let (data, tag) = chunk.split_last_chunk_mut::<TAG_LEN>()?;
        self.opener.codec.open_chunk(index, position, data, tag).ok()?;
        chunk.truncate(chunk.len() - TAG_LEN);
        Some(chunk.freeze())
    }

    /// Suite 0 needs no copy: the bytes that were checked are handed out.
    fn check(&self, index: u32, position: Position, mut chunk: Bytes) -> Option<Bytes> {
        let (data, tag) = chunk.split_last_chunk::<TAG_LEN>()?;
        self.opener
            .codec
            .check_clear_chunk(index, position, data, tag)
            .ok()?;
        chunk.truncate(chunk.remaining() - TAG_LEN);
        Some(chunk)
    }
}

/// One stored chunk with its tag, in memory that may or may not be shared.
enum Chunk {
    Borrowed(Bytes),
    Owned(BytesMut),
}
