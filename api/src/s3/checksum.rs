//! Checksums as S3 writes them: Base64, a composite with the number of its parts.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::port::{Checksum, ChecksumAlgorithm, ChecksumType, ObjectChecksum};

/// The text of a checksum.
pub(crate) fn encode(checksum: &Checksum) -> String {
    STANDARD.encode(checksum.bytes())
}

/// The text of an object's checksum.
pub(crate) fn encode_object(checksum: &ObjectChecksum) -> String {
    let mut text = encode(&checksum.checksum);
    if let (ChecksumType::Composite, Some(parts)) = (checksum.kind, checksum.parts) {
        text.push('-');
        text.push_str(&parts.to_string());
    }
    text
}

/// The checksum that `text` says; `None` when it says none of this algorithm.
pub(crate) fn decode(algorithm: ChecksumAlgorithm, text: &str) -> Option<Checksum> {
    // The longest is the Base64 of 32 bytes.
    if text.len() > 44 {
        return None;
    }
    Checksum::new(algorithm, &STANDARD.decode(text).ok()?)
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests {
    use super::{decode, encode, encode_object};
    use crate::port::{ChecksumAlgorithm, ChecksumType, ObjectChecksum};

    #[test]
    fn a_checksum_is_the_base64_of_exactly_its_bytes() {
        let checksum = decode(ChecksumAlgorithm::Crc32, "AAAAAQ==").unwrap();
        assert_eq!(checksum.bytes(), [0, 0, 0, 1]);
        assert_eq!(encode(&checksum), "AAAAAQ==");
        for (algorithm, text) in [
            (ChecksumAlgorithm::Crc32, ""),
            (ChecksumAlgorithm::Crc32, "AAAA"),
            (ChecksumAlgorithm::Crc32, "AAAAAQ"),
            (ChecksumAlgorithm::Crc32, "AAAAAQ==-2"),
            (ChecksumAlgorithm::Crc32, "!AAAAQ=="),
            (ChecksumAlgorithm::Sha1, "AAAAAQ=="),
        ] {
            assert_eq!(decode(algorithm, text), None, "{text}");
        }
    }

    #[test]
    fn only_a_composite_carries_the_number_of_its_parts() {
        let checksum = decode(ChecksumAlgorithm::Crc32, "AAAAAQ==").unwrap();
        let object = |kind| ObjectChecksum {
            checksum,
            kind,
            parts: Some(3),
        };
        assert_eq!(encode_object(&object(ChecksumType::Composite)), "AAAAAQ==-3");
        assert_eq!(encode_object(&object(ChecksumType::FullObject)), "AAAAAQ==");
    }
}
