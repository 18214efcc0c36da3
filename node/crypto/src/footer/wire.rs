//! The footer's payload as protobuf, and the padding around it.
//!
//! ```text
//! u32 length of the message (big-endian) ‖ message ‖ zeros
//! ```

use prost::Message as _;

use crate::footer::payload::{
    BodyResults, Checksum, ChecksumAlgorithm, FooterFacts, FooterResults, MAX_BUCKET_NAME_LEN, MAX_ETAG_LEN,
    MAX_METADATA_ENTRIES, MAX_OBJECT_KEY_LEN, MAX_UPLOAD_ID_LEN, Metadata, Order, PayloadError, Place,
    UploadPart,
};
use crate::{BlobId, BucketId, ClusterId};

/// Bytes of the length before the message.
pub(crate) const PREFIX_LEN: usize = 4;
/// Part numbers of S3.
const PART_NUMBERS: std::ops::RangeInclusive<u32> = 1..=10_000;

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Payload {
    #[prost(bytes = "vec", tag = "1")]
    cluster_id: Vec<u8>,
    #[prost(uint64, tag = "2")]
    bucket_id: u64,
    #[prost(string, tag = "3")]
    bucket_name: String,
    #[prost(string, tag = "4")]
    object_key: String,
    #[prost(message, optional, tag = "5")]
    upload: Option<Upload>,
    #[prost(bytes = "vec", tag = "6")]
    body_id: Vec<u8>,
    #[prost(uint32, tag = "7")]
    index: u32,
    #[prost(uint64, tag = "8")]
    offset: u64,
    #[prost(message, repeated, tag = "9")]
    system_metadata: Vec<Entry>,
    #[prost(message, repeated, tag = "10")]
    user_metadata: Vec<Entry>,
    #[prost(uint64, tag = "11")]
    incarnation: u64,
    #[prost(uint64, tag = "12")]
    read_index: u64,
    #[prost(uint64, tag = "13")]
    unix_ms: u64,
    #[prost(uint64, tag = "14")]
    content_len: u64,
    #[prost(message, optional, tag = "15")]
    body: Option<Body>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Upload {
    #[prost(bytes = "vec", tag = "1")]
    upload_id: Vec<u8>,
    #[prost(uint32, tag = "2")]
    part_number: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Entry {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    value: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Body {
    #[prost(uint64, tag = "1")]
    len: u64,
    #[prost(string, tag = "2")]
    etag: String,
    #[prost(message, repeated, tag = "3")]
    checksums: Vec<Digest>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Digest {
    #[prost(uint32, tag = "1")]
    algorithm: u32,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

impl Payload {
    /// The message of what is known at the start, with no results yet.
    pub(crate) fn of(facts: FooterFacts) -> Self {
        let entries = |metadata: Metadata| {
            metadata
                .into_iter()
                .map(|(name, value)| Entry { name, value })
                .collect()
        };
        Self {
            cluster_id: facts.cluster.0.to_vec(),
            bucket_id: facts.bucket.0,
            bucket_name: facts.bucket_name,
            object_key: facts.object_key,
            upload: facts.upload.map(
                |UploadPart {
                     upload_id,
                     part_number,
                 }| Upload {
                    upload_id,
                    part_number,
                },
            ),
            body_id: facts.place.body.0.to_vec(),
            index: facts.place.index,
            offset: facts.place.offset,
            system_metadata: entries(facts.system_metadata),
            user_metadata: entries(facts.user_metadata),
            incarnation: facts.order.incarnation,
            read_index: facts.order.read_index,
            unix_ms: facts.order.unix_ms,
            content_len: 0,
            body: None,
        }
    }

    pub(crate) fn set_results(&mut self, results: FooterResults) {
        self.content_len = results.content_len;
        self.body = results.body.map(|body| Body {
            len: body.len,
            etag: body.etag,
            checksums: body
                .checksums
                .into_iter()
                .map(|Checksum { algorithm, value }| Digest {
                    algorithm: algorithm.number(),
                    value,
                })
                .collect(),
        });
    }

    /// Writes the padded form into exactly `padded_len` bytes; `None` if it does not fit.
    pub(crate) fn encode_padded(&self, padded_len: usize) -> Option<Vec<u8>> {
        let len = self.encoded_len();
        if PREFIX_LEN + len > padded_len {
            return None;
        }
        let mut out = Vec::with_capacity(padded_len);
        out.extend_from_slice(&u32::try_from(len).ok()?.to_be_bytes());
        // Writing into a vector with room fails only when the room is missing.
        self.encode(&mut out).ok()?;
        out.resize(padded_len, 0);
        Some(out)
    }
}

/// Parses the padded form.
pub(crate) fn decode(padded: &[u8]) -> Result<(FooterFacts, FooterResults), PayloadError> {
    let (len, rest) = padded
        .split_first_chunk::<PREFIX_LEN>()
        .ok_or(PayloadError::Framing)?;
    let (message, padding) = rest
        .split_at_checked(u32::from_be_bytes(*len) as usize)
        .ok_or(PayloadError::Framing)?;
    if padding.iter().any(|byte| *byte != 0) {
        return Err(PayloadError::Framing);
    }
    let payload = Payload::decode(message).map_err(|_| PayloadError::Message)?;
    let results = FooterResults {
        content_len: payload.content_len,
        body: payload.body.map(body).transpose()?,
    };
    let facts = FooterFacts {
        cluster: ClusterId(id(&payload.cluster_id, "cluster id")?),
        bucket: BucketId(payload.bucket_id),
        bucket_name: bounded(payload.bucket_name, 1, MAX_BUCKET_NAME_LEN, "bucket name")?,
        object_key: bounded(payload.object_key, 1, MAX_OBJECT_KEY_LEN, "object key")?,
        upload: payload.upload.map(upload).transpose()?,
        place: Place {
            body: BlobId(id(&payload.body_id, "body id")?),
            index: payload.index,
            offset: payload.offset,
        },
        system_metadata: metadata(payload.system_metadata, "system metadata")?,
        user_metadata: metadata(payload.user_metadata, "user metadata")?,
        order: Order {
            incarnation: payload.incarnation,
            read_index: payload.read_index,
            unix_ms: payload.unix_ms,
        },
    };
    Ok((facts, results))
}

fn id(bytes: &[u8], field: &'static str) -> Result<[u8; 16], PayloadError> {
    bytes.try_into().map_err(|_| PayloadError::Field(field))
}

fn bounded(text: String, min: usize, max: usize, field: &'static str) -> Result<String, PayloadError> {
    if (min..=max).contains(&text.len()) {
        Ok(text)
    } else {
        Err(PayloadError::Field(field))
    }
}

fn upload(upload: Upload) -> Result<UploadPart, PayloadError> {
    let Upload {
        upload_id,
        part_number,
    } = upload;
    if upload_id.is_empty() || upload_id.len() > MAX_UPLOAD_ID_LEN || !PART_NUMBERS.contains(&part_number) {
        return Err(PayloadError::Field("upload"));
    }
    Ok(UploadPart {
        upload_id,
        part_number,
    })
}

fn metadata(entries: Vec<Entry>, field: &'static str) -> Result<Metadata, PayloadError> {
    if entries.len() > MAX_METADATA_ENTRIES {
        return Err(PayloadError::Field(field));
    }
    Ok(entries
        .into_iter()
        .map(|entry| (entry.name, entry.value))
        .collect())
}

fn body(body: Body) -> Result<BodyResults, PayloadError> {
    let checksums = body
        .checksums
        .into_iter()
        .map(checksum)
        .collect::<Result<Vec<_>, _>>()?;
    if checksums.len() > ChecksumAlgorithm::ALL.len() {
        return Err(PayloadError::Field("checksums"));
    }
    Ok(BodyResults {
        len: body.len,
        etag: bounded(body.etag, 0, MAX_ETAG_LEN, "ETag")?,
        checksums,
    })
}

fn checksum(digest: Digest) -> Result<Checksum, PayloadError> {
    let field = PayloadError::Field("checksums");
    let algorithm = ChecksumAlgorithm::from_number(digest.algorithm).ok_or(field)?;
    if digest.value.len() != algorithm.digest_len() {
        return Err(field);
    }
    Ok(Checksum {
        algorithm,
        value: digest.value,
    })
}
