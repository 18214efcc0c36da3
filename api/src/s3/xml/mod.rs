//! XML as S3 speaks it: documents of answers written, documents of requests read.
//!
//! Reading is strict and bounded: no document type, no entity but the five that XML predefines, no
//! element that the operation does not know. What is not understood is refused, never skipped.

mod bucket;
mod complete;
mod delete;
mod error;
mod list;
mod multipart;
mod read;
mod write;

use crate::port::ChecksumAlgorithm;

pub(crate) use bucket::{bucket_list, create_bucket_configuration, location};
pub(crate) use complete::{CompleteError, complete_result, complete_upload};
pub(crate) use delete::{DeleteRequest, delete_objects, delete_result};
pub(crate) use error::{ErrorContext, error};
pub(crate) use list::{KeyEncoding, ListEcho, ListV1, ListV2, ShowOwner, list_v1, list_v2};
pub(crate) use multipart::{PartListEcho, UploadListEcho, initiate_result, part_list, upload_list};
pub(crate) use write::DECLARATION;

/// The element that carries a checksum of this algorithm.
const fn checksum_element(algorithm: ChecksumAlgorithm) -> &'static str {
    match algorithm {
        ChecksumAlgorithm::Crc32 => "ChecksumCRC32",
        ChecksumAlgorithm::Crc32c => "ChecksumCRC32C",
        ChecksumAlgorithm::Crc64Nvme => "ChecksumCRC64NVME",
        ChecksumAlgorithm::Sha1 => "ChecksumSHA1",
        ChecksumAlgorithm::Sha256 => "ChecksumSHA256",
    }
}

fn checksum_of_element(name: &str) -> Option<ChecksumAlgorithm> {
    ChecksumAlgorithm::ALL
        .into_iter()
        .find(|algorithm| checksum_element(*algorithm) == name)
}
