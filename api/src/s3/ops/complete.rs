//! CompleteMultipartUpload, which may take longer than a client waits for the first byte.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{IF_MATCH, IF_NONE_MATCH};
use http_body::Body;

use super::{Call, document, parameter, write_encryption, write_version};
use crate::port::{
    BucketName, Checksum, ChecksumAlgorithm, ChecksumType, CompleteUpload, CompletedObject, ObjectGateway,
    ObjectKey, RequestId, UploadRef,
};
use crate::s3::body::BodyKind;
use crate::s3::checksum;
use crate::s3::code::ErrorCode;
use crate::s3::error::S3Error;
use crate::s3::incoming::Payload;
use crate::s3::reply::{Late, Reply};
use crate::s3::request::{Headers, write_conditions};
use crate::s3::service::Inner;
use crate::s3::xml::{self, CompleteError, DECLARATION, ErrorContext};

/// Most bytes of a list of parts: 10,000 of them with SHA-256, on lines of their own.
const MAX_DOCUMENT: u64 = 4 << 20;

/// What an answer needs when the operation is done.
struct Completion<G> {
    service: Arc<Inner<G>>,
    bucket: BucketName,
    key: ObjectKey,
    location: String,
    resource: String,
    id: RequestId,
}

pub(super) async fn complete_upload<G, B>(
    call: Call<'_, G>,
    payload: Payload<B>,
) -> Result<Reply<G::ReadBody>, S3Error>
where
    G: ObjectGateway,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (bucket, key) = call.object()?;
    let upload = UploadRef {
        bucket: bucket.clone(),
        key: key.clone(),
        upload: parameter::upload_id(call.query)?,
    };
    let conditions = write_conditions(call.headers, &[IF_MATCH, IF_NONE_MATCH])?;
    let checksum_type = match call.headers.amz("x-amz-checksum-type")? {
        None => None,
        Some(name) => Some(ChecksumType::from_name(name).ok_or_else(|| {
            S3Error::with_message(
                ErrorCode::InvalidRequest,
                "Value for x-amz-checksum-type header is invalid.",
            )
        })?),
    };
    let (checksum, size) = (object_checksum(call.headers)?, object_size(call.headers)?);
    let (service, parts) = (call.service, call.parts);
    let document = document::read(service, parts, payload, BodyKind::Completion, MAX_DOCUMENT).await?;
    let listed = xml::complete_upload(&document.bytes)?;
    drop(document);

    let completion = Completion {
        service: Arc::clone(service),
        bucket: bucket.clone(),
        key: key.clone(),
        location: format!("{}://{}{}", service.config.scheme, call.host, parts.uri.path()),
        resource: parts.uri.path().to_owned(),
        id: call.id,
    };
    let request = CompleteUpload {
        upload,
        parts: listed,
        conditions,
        checksum,
        checksum_type,
        size,
    };
    let gateway = service.gateway.clone();
    let (view, caller) = (call.view, call.caller);
    let mut operation: Operation = Box::pin(async move {
        gateway
            .complete_upload(view, caller, request)
            .await
            .map_err(S3Error::from)
    });
    let period = service.config.limits.keep_alive;
    match tokio::time::timeout(period, &mut operation).await {
        Ok(outcome) => completion.answer(outcome),
        Err(_) => Ok(Reply::keep_alive(Box::pin(completion.late(operation)), period)),
    }
}

type Operation = Pin<Box<dyn Future<Output = Result<CompletedObject, S3Error>> + Send>>;

impl<G: ObjectGateway> Completion<G> {
    /// The answer to an operation that was quick.
    fn answer(&self, outcome: Result<CompletedObject, S3Error>) -> Result<Reply<G::ReadBody>, S3Error> {
        let object = outcome?;
        let mut reply = Reply::xml([DECLARATION, &self.document(&object)].concat());
        write_version(&mut reply.headers, object.version.as_ref());
        write_encryption(&mut reply.headers, object.encryption);
        Ok(reply)
    }

    /// The end of an answer that has begun: its status is 200 whatever comes, as clients of S3 know.
    async fn late(self, operation: Operation) -> Late {
        match operation.await {
            Ok(object) => (self.document(&object), None),
            Err(error) => {
                let context = ErrorContext {
                    bucket: Some(&self.bucket),
                    key: Some(&self.key),
                    resource: &self.resource,
                    request_id: self.id,
                    host_id: &self.service.config.host_id,
                };
                (xml::error(&error, &context), Some(error.code()))
            }
        }
    }

    fn document(&self, object: &CompletedObject) -> String {
        xml::complete_result(&self.location, &self.bucket, &self.key, object)
    }
}

/// The checksum that the client expects of the whole object. A composite one may say the number of its
/// parts, which the node knows itself.
fn object_checksum(headers: &Headers<'_>) -> Result<Option<Checksum>, S3Error> {
    let mut expected = None;
    for algorithm in ChecksumAlgorithm::ALL {
        let Some(text) = headers.amz(algorithm.header())? else {
            continue;
        };
        let value = text.split_once('-').map_or(text, |(value, _)| value);
        let checksum = checksum::decode(algorithm, value).ok_or_else(|| invalid_checksum(algorithm))?;
        if expected.replace(checksum).is_some() {
            return Err(S3Error::with_message(
                ErrorCode::InvalidRequest,
                "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
            ));
        }
    }
    Ok(expected)
}

fn invalid_checksum(algorithm: ChecksumAlgorithm) -> S3Error {
    let message = format!("Value for {} header is invalid.", algorithm.header());
    S3Error::with_message(ErrorCode::InvalidRequest, message)
}

fn object_size(headers: &Headers<'_>) -> Result<Option<u64>, S3Error> {
    let Some(text) = headers.amz("x-amz-mp-object-size")? else {
        return Ok(None);
    };
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits).map(Some).ok_or_else(|| {
        S3Error::invalid_argument(
            "x-amz-mp-object-size",
            text,
            "The size must be a number of bytes.",
        )
    })
}

impl From<CompleteError> for S3Error {
    fn from(error: CompleteError) -> Self {
        match error {
            CompleteError::Xml(error) => error.into(),
            CompleteError::Order => ErrorCode::InvalidPartOrder.into(),
            CompleteError::Number => Self::with_message(
                ErrorCode::InvalidArgument,
                "PartNumber must be an integer between 1 and 10000, inclusive",
            ),
            CompleteError::Checksum(algorithm) => Self::with_message(
                ErrorCode::InvalidRequest,
                format!("A {} is invalid.", algorithm.name()),
            ),
        }
    }
}
