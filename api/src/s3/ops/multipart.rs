//! Uploads begun, listed and given up.

use bytes::Bytes;
use http::StatusCode;
use http::header::{HeaderName, HeaderValue};
use http_body::Body;

use super::parameter::{self, MAX_PAGE};
use super::{Call, document, write_encryption};
use crate::port::{
    ChecksumAlgorithm, ChecksumType, CreateUpload, ListParts, ListUploads, ObjectGateway, UploadCursor,
    UploadId, UploadRef,
};
use crate::s3::body::BodyKind;
use crate::s3::code::ErrorCode;
use crate::s3::error::S3Error;
use crate::s3::incoming::Payload;
use crate::s3::reply::Reply;
use crate::s3::request::{Headers, metadata, refuse_conditions};
use crate::s3::xml::{PartListEcho, UploadListEcho, initiate_result, part_list, upload_list};

pub(super) async fn create_upload<G, B>(
    call: Call<'_, G>,
    payload: Payload<B>,
) -> Result<Reply<G::ReadBody>, S3Error>
where
    G: ObjectGateway,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    refuse_conditions(call.headers, &[])?;
    let (bucket, key) = call.object()?;
    let checksum = checksum_kind(call.headers)?;
    let metadata = metadata(call.headers)?;
    let service = call.service;
    // Some clients send a body of no bytes, in whatever way.
    document::read(service, call.parts, payload, BodyKind::Document, 0).await?;
    let request = CreateUpload {
        bucket: bucket.clone(),
        key: key.clone(),
        metadata,
        checksum,
    };
    let created = service
        .gateway
        .create_upload(call.view, call.caller, request)
        .await?;
    let mut reply = Reply::xml(initiate_result(bucket, key, &created.upload));
    write_encryption(&mut reply.headers, created.encryption);
    if let Some((algorithm, kind)) = checksum {
        let name = HeaderName::from_static("x-amz-checksum-algorithm");
        reply
            .headers
            .insert(name, HeaderValue::from_static(algorithm.name()));
        let name = HeaderName::from_static("x-amz-checksum-type");
        reply.headers.insert(name, HeaderValue::from_static(kind.name()));
    }
    Ok(reply)
}

/// Which checksum an upload is begun with. CRCs can cover a whole object made of parts, the SHA family
/// only the list of its parts' checksums.
fn checksum_kind(headers: &Headers<'_>) -> Result<Option<(ChecksumAlgorithm, ChecksumType)>, S3Error> {
    use {ChecksumAlgorithm as A, ChecksumType as T};
    let refuse = |message| Err(S3Error::with_message(ErrorCode::InvalidRequest, message));
    let kind = match headers.amz("x-amz-checksum-type")? {
        None => None,
        Some(name) => match T::from_name(name) {
            Some(kind) => Some(kind),
            None => return refuse("Value for x-amz-checksum-type header is invalid."),
        },
    };
    let Some(name) = headers.amz("x-amz-checksum-algorithm")? else {
        return match kind {
            None => Ok(None),
            Some(_) => {
                refuse("The x-amz-checksum-type header can only be used with x-amz-checksum-algorithm.")
            }
        };
    };
    let Some(algorithm) = A::from_name(name) else {
        return refuse(
            "Checksum algorithm provided is unsupported. Please try again with any of the valid types: \
                       [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]",
        );
    };
    match (algorithm, kind) {
        (A::Crc64Nvme, None | Some(T::FullObject)) => Ok(Some((algorithm, T::FullObject))),
        (A::Crc32 | A::Crc32c, Some(T::FullObject)) => Ok(Some((algorithm, T::FullObject))),
        (A::Crc32 | A::Crc32c | A::Sha1 | A::Sha256, None | Some(T::Composite)) => {
            Ok(Some((algorithm, T::Composite)))
        }
        (A::Crc64Nvme, Some(T::Composite)) => {
            refuse("The COMPOSITE checksum type cannot be used with the crc64nvme checksum algorithm.")
        }
        (A::Sha1 | A::Sha256, Some(T::FullObject)) => refuse(
            "The FULL_OBJECT checksum type cannot be used with the sha1 and sha256 checksum algorithms.",
        ),
    }
}

pub(super) async fn list_parts<G: ObjectGateway>(call: Call<'_, G>) -> Result<Reply<G::ReadBody>, S3Error> {
    let (bucket, key) = call.object()?;
    let query = call.query;
    let upload = UploadRef {
        bucket: bucket.clone(),
        key: key.clone(),
        upload: parameter::upload_id(query)?,
    };
    let after = parameter::number(query, "part-number-marker")?.unwrap_or(0);
    let limit = parameter::limit(query, "max-parts", MAX_PAGE)?;
    let encoding = parameter::encoding(query)?;
    let request = ListParts {
        upload: upload.clone(),
        after,
        limit,
    };
    let page = call
        .service
        .gateway
        .list_parts(call.view, call.caller, request)
        .await?;
    let echo = PartListEcho {
        upload: &upload,
        after,
        max_parts: limit,
        encoding,
    };
    Ok(Reply::xml(part_list(&echo, &page)))
}

pub(super) async fn list_uploads<G: ObjectGateway>(call: Call<'_, G>) -> Result<Reply<G::ReadBody>, S3Error> {
    let bucket = call.bucket()?;
    let query = call.query;
    let key_marker = query.get("key-marker").unwrap_or_default();
    // Without a key the upload says nothing, as S3 has it.
    let upload_id_marker = query
        .get("upload-id-marker")
        .filter(|_| !key_marker.is_empty())
        .unwrap_or_default();
    let echo = UploadListEcho {
        bucket,
        prefix: query.get("prefix").unwrap_or_default(),
        delimiter: query.non_empty("delimiter"),
        key_marker,
        upload_id_marker,
        max_uploads: parameter::limit(query, "max-uploads", MAX_PAGE)?,
        encoding: parameter::encoding(query)?,
    };
    let after = (!key_marker.is_empty()).then(|| UploadCursor {
        key: key_marker.to_owned(),
        upload: (!upload_id_marker.is_empty()).then(|| UploadId::new(upload_id_marker)),
    });
    let request = ListUploads {
        bucket: bucket.clone(),
        prefix: echo.prefix.to_owned(),
        delimiter: echo.delimiter.map(str::to_owned),
        after,
        limit: echo.max_uploads,
    };
    let page = call
        .service
        .gateway
        .list_uploads(call.view, call.caller, request)
        .await?;
    Ok(Reply::xml(upload_list(&echo, &page)))
}

pub(super) async fn abort_upload<G: ObjectGateway>(call: Call<'_, G>) -> Result<Reply<G::ReadBody>, S3Error> {
    refuse_conditions(call.headers, &[])?;
    let (bucket, key) = call.object()?;
    let upload = UploadRef {
        bucket: bucket.clone(),
        key: key.clone(),
        upload: parameter::upload_id(call.query)?,
    };
    call.service
        .gateway
        .abort_upload(call.view, call.caller, upload)
        .await?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::checksum_kind;
    use crate::port::{ChecksumAlgorithm as A, ChecksumType as T};
    use crate::s3::code::ErrorCode;
    use crate::s3::request::{Headers, Query};

    fn kind(
        algorithm: Option<&'static str>,
        kind: Option<&'static str>,
    ) -> Result<Option<(A, T)>, ErrorCode> {
        let mut map = HeaderMap::new();
        let headers = [
            ("x-amz-checksum-algorithm", algorithm),
            ("x-amz-checksum-type", kind),
        ];
        for (name, value) in headers {
            value.map(|value| map.insert(name, HeaderValue::from_static(value)));
        }
        let query = Query::parse(None).unwrap();
        checksum_kind(&Headers::new(&map, &query).unwrap()).map_err(|error| error.code())
    }

    #[test]
    fn each_algorithm_has_the_types_of_aws() {
        for (algorithm, default, other) in [
            (
                "CRC32",
                (A::Crc32, T::Composite),
                Some(("FULL_OBJECT", T::FullObject)),
            ),
            (
                "crc32c",
                (A::Crc32c, T::Composite),
                Some(("full_object", T::FullObject)),
            ),
            ("CRC64NVME", (A::Crc64Nvme, T::FullObject), None),
            ("SHA1", (A::Sha1, T::Composite), None),
            ("SHA256", (A::Sha256, T::Composite), None),
        ] {
            assert_eq!(kind(Some(algorithm), None), Ok(Some(default)), "{algorithm}");
            assert_eq!(
                kind(Some(algorithm), Some(default.1.name())),
                Ok(Some(default)),
                "{algorithm}"
            );
            match other {
                Some((name, other)) => {
                    assert_eq!(kind(Some(algorithm), Some(name)), Ok(Some((default.0, other))));
                }
                None => {
                    let other = if default.1 == T::Composite {
                        "FULL_OBJECT"
                    } else {
                        "COMPOSITE"
                    };
                    assert_eq!(
                        kind(Some(algorithm), Some(other)),
                        Err(ErrorCode::InvalidRequest),
                        "{algorithm}"
                    );
                }
            }
        }
        assert_eq!(kind(None, None), Ok(None));
        for (algorithm, kind_) in [
            (None, Some("COMPOSITE")),
            (Some("CRC32"), Some("HALF")),
            (Some("MD4"), None),
        ] {
            assert_eq!(
                kind(algorithm, kind_),
                Err(ErrorCode::InvalidRequest),
                "{algorithm:?} {kind_:?}"
            );
        }
    }
}
