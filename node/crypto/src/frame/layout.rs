//! Where plaintext bytes lie within a stored blob.

use std::ops::Range;

use crate::frame::HEADER_LEN;

/// Bytes that follow the plaintext or ciphertext of each chunk, in both suites.
pub const TAG_LEN: usize = 16;

/// Plaintext bytes of one blob at most, 1 GiB: with all overhead a single PUT of any provider
/// carries it, so backends never see a multipart upload, and a chunk index fits 32 bits.
pub const MAX_PLAINTEXT_LEN: u64 = 1 << 30;

/// Plaintext bytes per chunk: a power of two from 4 KiB to 1 MiB.
///
/// The lower bound keeps the tags below 0.4 % of the stored bytes, the upper one bounds what a
/// reader must buffer before it may release the first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChunkSize {
    log2: u8,
}

impl ChunkSize {
    /// 4 KiB.
    pub const MIN: Self = Self { log2: 12 };
    /// 64 KiB, where overhead is 0.024 % and a range read wastes at most one network round.
    pub const DEFAULT: Self = Self { log2: 16 };
    /// 1 MiB.
    pub const MAX: Self = Self { log2: 20 };

    /// From the exponent, 12 to 20.
    pub const fn from_log2(log2: u8) -> Option<Self> {
        if Self::MIN.log2 <= log2 && log2 <= Self::MAX.log2 {
            Some(Self { log2 })
        } else {
            None
        }
    }

    /// From a number of bytes, as configurations write it.
    pub const fn from_bytes(bytes: u64) -> Option<Self> {
        if bytes.is_power_of_two() {
            Self::from_log2(bytes.trailing_zeros() as u8)
        } else {
            None
        }
    }

    /// The exponent.
    pub const fn log2(self) -> u8 {
        self.log2
    }

    /// The number of plaintext bytes.
    pub const fn bytes(self) -> usize {
        1 << self.log2
    }
}

impl Default for ChunkSize {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Geometry that cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// More plaintext than one blob holds.
    #[error("a blob of {0} plaintext bytes exceeds the limit of {MAX_PLAINTEXT_LEN}")]
    TooLong(u64),
    /// An empty range, or one that reaches beyond the plaintext.
    #[error("range {start}..{end} is empty or not within {len} plaintext bytes")]
    Range {
        /// First byte asked for.
        start: u64,
        /// Byte after the last one asked for.
        end: u64,
        /// Plaintext bytes that there are.
        len: u64,
    },
}

/// The geometry of one blob's body: header and chunks, without the footer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Layout {
    chunk: ChunkSize,
    plaintext_len: u64,
}

impl Layout {
    /// The geometry of `plaintext_len` bytes in chunks of this size.
    pub const fn new(chunk: ChunkSize, plaintext_len: u64) -> Result<Self, LayoutError> {
        if plaintext_len > MAX_PLAINTEXT_LEN {
            return Err(LayoutError::TooLong(plaintext_len));
        }
        Ok(Self { chunk, plaintext_len })
    }

    /// Plaintext bytes per chunk.
    pub const fn chunk(&self) -> ChunkSize {
        self.chunk
    }

    /// Plaintext bytes of the whole blob.
    pub const fn plaintext_len(&self) -> u64 {
        self.plaintext_len
    }

    /// Number of chunks; an empty blob has one, which is empty.
    pub const fn chunk_count(&self) -> u32 {
        let count = self.plaintext_len.div_ceil(1 << self.chunk.log2);
        // At most 2^30 / 2^12.
        if count == 0 { 1 } else { count as u32 }
    }

    /// Index of the last chunk.
    pub const fn last_chunk(&self) -> u32 {
        self.chunk_count() - 1
    }

    /// Plaintext bytes of chunk `index`, which must exist.
    pub(crate) const fn plaintext_in_chunk(&self, index: u32) -> usize {
        if index < self.last_chunk() {
            self.chunk.bytes()
        } else {
            (self.plaintext_len - ((self.last_chunk() as u64) << self.chunk.log2)) as usize
        }
    }

    /// Stored bytes of chunk `index`, tag included.
    pub(crate) const fn stored_in_chunk(&self, index: u32) -> usize {
        self.plaintext_in_chunk(index) + TAG_LEN
    }

    /// Stored offset at which chunk `index` begins.
    pub(crate) const fn chunk_offset(&self, index: u32) -> u64 {
        HEADER_LEN as u64 + index as u64 * ((1 << self.chunk.log2) + TAG_LEN as u64)
    }

    /// Stored bytes of header and chunks; the footer begins at this offset.
    pub const fn body_len(&self) -> u64 {
        HEADER_LEN as u64 + self.plaintext_len + self.chunk_count() as u64 * TAG_LEN as u64
    }

    /// Stored bytes of the whole blob.
    pub const fn stored_len(&self, footer_len: u32) -> u64 {
        self.body_len() + footer_len as u64
    }

    /// Maps all of the plaintext; the only map that an empty blob has.
    pub const fn whole(&self) -> RangeMap {
        RangeMap {
            layout: *self,
            start: 0,
            end: self.plaintext_len,
            first_chunk: 0,
            last_chunk: self.last_chunk(),
        }
    }

    /// Maps the plaintext bytes `range.start` up to, not including, `range.end`.
    pub const fn range(&self, range: Range<u64>) -> Result<RangeMap, LayoutError> {
        let Range { start, end } = range;
        if start >= end || end > self.plaintext_len {
            return Err(LayoutError::Range {
                start,
                end,
                len: self.plaintext_len,
            });
        }
        // Both quotients are chunk indexes and therefore below 2^18.
        let first_chunk = (start >> self.chunk.log2) as u32;
        let last_chunk = ((end - 1) >> self.chunk.log2) as u32;
        Ok(RangeMap {
            layout: *self,
            start,
            end,
            first_chunk,
            last_chunk,
        })
    }
}

/// A range of plaintext and the stored bytes that it takes to read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RangeMap {
    layout: Layout,
    start: u64,
    end: u64,
    first_chunk: u32,
    last_chunk: u32,
}

impl RangeMap {
    /// The geometry that this map was made from.
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The plaintext bytes asked for.
    pub const fn plaintext(&self) -> Range<u64> {
        self.start..self.end
    }

    /// First chunk that is read.
    pub const fn first_chunk(&self) -> u32 {
        self.first_chunk
    }

    /// Last chunk that is read.
    pub const fn last_chunk(&self) -> u32 {
        self.last_chunk
    }

    /// Plaintext bytes of the first chunk that precede the range.
    pub const fn skip(&self) -> usize {
        (self.start - ((self.first_chunk as u64) << self.layout.chunk.log2)) as usize
    }

    /// Stored bytes to ask a backend for. A map of chunk 0 begins with the header, which is then
    /// checked too.
    pub const fn stored(&self) -> Range<u64> {
        self.stored_from(self.first_chunk)
    }

    /// Stored bytes from chunk `index` of this map to its end.
    pub(crate) const fn stored_from(&self, index: u32) -> Range<u64> {
        let start = if index == 0 {
            0
        } else {
            self.layout.chunk_offset(index)
        };
        start..self.layout.chunk_offset(self.last_chunk) + self.layout.stored_in_chunk(self.last_chunk) as u64
    }

    /// The part of chunk `index`'s plaintext that lies within the range.
    pub(crate) const fn wanted_in_chunk(&self, index: u32) -> Range<usize> {
        let offset = (index as u64) << self.layout.chunk.log2;
        let start = self.start.saturating_sub(offset) as usize;
        let to_end = self.end - offset;
        let len = self.layout.plaintext_in_chunk(index);
        let end = if to_end < len as u64 { to_end as usize } else { len };
        start..end
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn layout(log2: u8, len: u64) -> Layout {
        Layout::new(ChunkSize::from_log2(log2).unwrap(), len).unwrap()
    }

    #[test]
    fn chunk_sizes_are_powers_of_two_from_4_kib_to_1_mib() {
        assert_eq!(ChunkSize::from_bytes(65536), Some(ChunkSize::DEFAULT));
        assert_eq!(ChunkSize::from_bytes(4096), Some(ChunkSize::MIN));
        assert_eq!(ChunkSize::from_bytes(1 << 20), Some(ChunkSize::MAX));
        for bad in [0, 1, 2048, 4095, 4097, 65535, 65537, 1 << 21, 1 << 63, u64::MAX] {
            assert_eq!(ChunkSize::from_bytes(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_empty_blob_is_one_empty_chunk() {
        let empty = layout(16, 0);
        assert_eq!((empty.chunk_count(), empty.body_len()), (1, 48));
        assert_eq!(empty.whole().stored(), 0..48);
        assert!(empty.range(0..0).is_err());
        assert!(empty.range(0..1).is_err());
    }

    #[test]
    fn a_blob_holds_1_gib_and_not_a_byte_more() {
        let largest = Layout::new(ChunkSize::MIN, MAX_PLAINTEXT_LEN).unwrap();
        assert_eq!(largest.chunk_count(), 1 << 18);
        assert_eq!(
            Layout::new(ChunkSize::MIN, MAX_PLAINTEXT_LEN + 1),
            Err(LayoutError::TooLong((1 << 30) + 1))
        );
        assert!(Layout::new(ChunkSize::MIN, u64::MAX).is_err());
    }

    #[test]
    fn body_length_around_a_chunk_boundary() {
        for (len, body) in [
            (4095, 32 + 4095 + 16),
            (4096, 32 + 4096 + 16),
            (4097, 32 + 4097 + 32),
        ] {
            assert_eq!(layout(12, len).body_len(), body);
        }
    }

    #[test]
    fn ranges_outside_the_plaintext_are_refused() {
        let ten = layout(12, 10);
        for (start, end) in [(7, 3), (5, 5), (5, 11), (10, 11), (u64::MAX - 1, u64::MAX)] {
            assert!(ten.range(start..end).is_err(), "{start}..{end}");
        }
    }

    proptest! {
        #[test]
        fn chunks_tile_the_body_and_ranges_tile_the_chunks(
            log2 in 12..=20_u8, len in 1..=3_000_000_u64, a: u64, b: u64,
        ) {
            let layout = layout(log2, len);
            let mut offset = HEADER_LEN as u64;
            let mut plaintext = 0;
            for index in 0..layout.chunk_count() {
                prop_assert_eq!(layout.chunk_offset(index), offset);
                offset += layout.stored_in_chunk(index) as u64;
                plaintext += layout.plaintext_in_chunk(index) as u64;
                prop_assert!(layout.plaintext_in_chunk(index) > 0);
            }
            prop_assert_eq!(offset, layout.body_len());
            prop_assert_eq!(plaintext, len);

            let (a, b) = (a % len, b % len);
            let (start, end) = (a.min(b), a.max(b) + 1);
            let map = layout.range(start..end).unwrap();
            let wanted: u64 = (map.first_chunk()..=map.last_chunk())
                .map(|index| map.wanted_in_chunk(index).len() as u64)
                .sum();
            prop_assert_eq!(wanted, end - start);
            prop_assert_eq!(map.wanted_in_chunk(map.first_chunk()).start, map.skip());
            prop_assert!(map.stored().end <= layout.body_len());
        }
    }
}
