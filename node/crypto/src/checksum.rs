//! Checksum of stored bytes.

use std::fmt;

/// Running CRC-64/NVME over stored bytes: what the metadata keeps per blob, what providers call
/// `x-amz-checksum-crc64nvme`, and what a scrub compares without any key.
#[derive(Clone)]
pub struct Crc64Nvme(crc_fast::Digest);

impl Crc64Nvme {
    /// The checksum of no bytes yet.
    pub fn new() -> Self {
        Self(crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc64Nvme))
    }

    /// Adds the next stored bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The checksum of all bytes added so far.
    pub fn value(&self) -> u64 {
        self.0.finalize()
    }

    /// The checksum of one contiguous byte string.
    pub fn of(bytes: &[u8]) -> u64 {
        crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, bytes)
    }
}

impl Default for Crc64Nvme {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Crc64Nvme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Crc64Nvme({:016x})", self.value())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc64_nvme_gives_the_published_check_value() {
        assert_eq!(Crc64Nvme::of(b"123456789"), 0xae8b_1486_0a79_9888);
    }

    #[test]
    fn pieces_give_the_checksum_of_the_whole() {
        let bytes: Vec<u8> = (0..10_000_u32).flat_map(u32::to_le_bytes).collect();
        let mut running = Crc64Nvme::new();
        for piece in bytes.chunks(977) {
            running.update(piece);
        }
        assert_eq!(running.value(), Crc64Nvme::of(&bytes));
    }
}
