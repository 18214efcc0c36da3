//! The operations: a request's parts into a call on the node, what the node says into an answer.

mod bucket;
mod complete;
mod delete;
mod document;
mod list;
mod multipart;
mod parameter;
mod put;
mod read;

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use http::header::{ETAG, HeaderName, HeaderValue};
use http::request::Parts;
use http_body::Body;

pub(crate) use document::DocumentMemory;

use super::checksum::encode_object;
use super::code::ErrorCode;
use super::error::S3Error;
use super::incoming::Payload;
use super::reply::Reply;
use super::request::{Headers, Query, Target};
use super::service::Inner;
use crate::port::{
    BucketName, Caller, ETag, Encryption, ObjectChecksum, ObjectGateway, ObjectKey, Operation, RequestId,
    VersionId,
};

const VERSION_ID: HeaderName = HeaderName::from_static("x-amz-version-id");
const SERVER_SIDE_ENCRYPTION: HeaderName = HeaderName::from_static("x-amz-server-side-encryption");
const AES256: HeaderValue = HeaderValue::from_static("AES256");
const CHECKSUM_TYPE: HeaderName = HeaderName::from_static("x-amz-checksum-type");

/// One authenticated request, as an operation sees it.
pub(crate) struct Call<'r, G: ObjectGateway> {
    pub(crate) service: &'r Arc<Inner<G>>,
    pub(crate) parts: &'r Parts,
    pub(crate) host: &'r str,
    pub(crate) target: &'r Target,
    pub(crate) query: &'r Query<'r>,
    pub(crate) headers: &'r Headers<'r>,
    pub(crate) view: G::View,
    pub(crate) caller: Caller,
    pub(crate) id: RequestId,
}

/// Carries out `operation`.
pub(crate) async fn dispatch<G, B>(
    operation: Operation,
    call: Call<'_, G>,
    payload: Payload<B>,
) -> Result<Reply<G::ReadBody>, S3Error>
where
    G: ObjectGateway,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    // Those with a body first; all others refuse one.
    match operation {
        Operation::PutObject => return put::put_object(call, payload).await,
        Operation::UploadPart => return put::upload_part(call, payload).await,
        Operation::CreateBucket => return bucket::create_bucket(call, payload).await,
        Operation::DeleteObjects => return delete::delete_objects(call, payload).await,
        Operation::CreateMultipartUpload => return multipart::create_upload(call, payload).await,
        Operation::CompleteMultipartUpload => return complete::complete_upload(call, payload).await,
        Operation::ListBuckets
        | Operation::DeleteBucket
        | Operation::HeadBucket
        | Operation::GetBucketLocation
        | Operation::ListObjects
        | Operation::ListObjectsV2
        | Operation::GetObject
        | Operation::HeadObject
        | Operation::DeleteObject
        | Operation::ListParts
        | Operation::ListMultipartUploads
        | Operation::AbortMultipartUpload => payload.expect_none()?,
    }
    drop(payload);
    match operation {
        Operation::ListBuckets => bucket::list_buckets(call).await,
        Operation::DeleteBucket => bucket::delete_bucket(call).await,
        Operation::HeadBucket => bucket::head_bucket(call).await,
        Operation::GetBucketLocation => bucket::bucket_location(call).await,
        Operation::ListObjects => list::list_objects(call).await,
        Operation::ListObjectsV2 => list::list_objects_v2(call).await,
        Operation::GetObject => read::get_object(call).await,
        Operation::HeadObject => read::head_object(call).await,
        Operation::DeleteObject => delete::delete_object(call).await,
        Operation::ListParts => multipart::list_parts(call).await,
        Operation::ListMultipartUploads => multipart::list_uploads(call).await,
        Operation::AbortMultipartUpload => multipart::abort_upload(call).await,
        Operation::PutObject
        | Operation::UploadPart
        | Operation::CreateBucket
        | Operation::DeleteObjects
        | Operation::CreateMultipartUpload
        | Operation::CompleteMultipartUpload => Err(ErrorCode::InternalError.into()),
    }
}

impl<'r, G: ObjectGateway> Call<'r, G> {
    /// The bucket of an operation that has one.
    fn bucket(&self) -> Result<&'r BucketName, S3Error> {
        self.target
            .bucket()
            .ok_or_else(|| ErrorCode::InternalError.into())
    }

    /// The bucket and key of an operation on an object.
    fn object(&self) -> Result<(&'r BucketName, &'r ObjectKey), S3Error> {
        match self.target {
            Target::Object(bucket, key) => Ok((bucket, key)),
            Target::Service | Target::Bucket(_) => Err(ErrorCode::InternalError.into()),
        }
    }
}

fn quoted(etag: &ETag) -> Result<HeaderValue, S3Error> {
    let mut quoted = String::with_capacity(etag.as_str().len() + 2);
    quoted.push('"');
    quoted.push_str(etag.as_str());
    quoted.push('"');
    HeaderValue::try_from(quoted).map_err(|_| ErrorCode::InternalError.into())
}

fn write_etag(headers: &mut HeaderMap, etag: &ETag) -> Result<(), S3Error> {
    headers.insert(ETAG, quoted(etag)?);
    Ok(())
}

fn write_version(headers: &mut HeaderMap, version: Option<&VersionId>) {
    if let Some(Ok(value)) = version.map(|version| HeaderValue::from_str(version.as_str())) {
        headers.insert(VERSION_ID, value);
    }
}

fn write_encryption(headers: &mut HeaderMap, encryption: Encryption) {
    match encryption {
        Encryption::None => {}
        Encryption::ServerManaged => {
            headers.insert(SERVER_SIDE_ENCRYPTION, AES256);
        }
    }
}

fn write_checksum(headers: &mut HeaderMap, checksum: &ObjectChecksum) {
    let name = HeaderName::from_static(checksum.checksum.algorithm().header());
    if let Ok(value) = HeaderValue::try_from(encode_object(checksum)) {
        headers.insert(name, value);
        headers.insert(CHECKSUM_TYPE, HeaderValue::from_static(checksum.kind.name()));
    }
}
