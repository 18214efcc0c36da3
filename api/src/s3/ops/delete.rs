//! DeleteObject and DeleteObjects.

use bytes::Bytes;
use http::StatusCode;
use http::header::{HeaderName, HeaderValue, IF_MATCH};
use http_body::Body;

use super::document::{self, Integrity};
use super::{Call, write_version};
use crate::port::{DeleteObject, DeletedObject, ETagMatch, ObjectGateway, ObjectKey, WriteConditions};
use crate::s3::body::BodyKind;
use crate::s3::code::ErrorCode;
use crate::s3::error::S3Error;
use crate::s3::incoming::Payload;
use crate::s3::reply::Reply;
use crate::s3::request::{refuse_conditions, write_conditions};
use crate::s3::xml::{self, DeleteRequest};

/// Most bytes of a `Delete` document: 1,000 keys of 1,024 bytes, most of them escaped, and ETags.
const MAX_DOCUMENT: u64 = 4 << 20;

pub(super) async fn delete_object<G: ObjectGateway>(
    call: Call<'_, G>,
) -> Result<Reply<G::ReadBody>, S3Error> {
    let (bucket, key) = call.object()?;
    let conditions = write_conditions(call.headers, &[IF_MATCH])?;
    let request = DeleteObject {
        bucket: bucket.clone(),
        key: key.clone(),
        conditions,
    };
    let deleted = call
        .service
        .gateway
        .delete_object(call.view, call.caller, request)
        .await?;
    let mut reply = Reply::empty(StatusCode::NO_CONTENT);
    if deleted.marker.is_some() {
        reply.headers.insert(
            HeaderName::from_static("x-amz-delete-marker"),
            HeaderValue::from_static("true"),
        );
        write_version(&mut reply.headers, deleted.marker.as_ref());
    }
    Ok(reply)
}

pub(super) async fn delete_objects<G, B>(
    call: Call<'_, G>,
    payload: Payload<B>,
) -> Result<Reply<G::ReadBody>, S3Error>
where
    G: ObjectGateway,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    refuse_conditions(call.headers, &[])?;
    let bucket = call.bucket()?;
    let (service, parts) = (call.service, call.parts);
    let document = document::read(service, parts, payload, BodyKind::Document, MAX_DOCUMENT).await?;
    // A flipped bit in a key deletes something else, so S3 demands more than a signature that may not
    // cover the body.
    if document.integrity == Integrity::None {
        return Err(S3Error::with_message(
            ErrorCode::InvalidRequest,
            "Missing required header for this request: Content-MD5 OR x-amz-checksum-*",
        ));
    }
    let DeleteRequest { verbosity, targets } = xml::delete_objects(&document.bytes)?;
    drop(document);
    let mut requests = Vec::with_capacity(targets.len());
    let mut accepted = Vec::with_capacity(targets.len());
    for target in &targets {
        let key = ObjectKey::new(&target.key);
        accepted.push(key.is_ok());
        let Ok(key) = key else { continue };
        let if_match = target.etag.clone().map(|etag| match etag.as_str() {
            "*" => ETagMatch::Any,
            _ => ETagMatch::OneOf(vec![etag]),
        });
        let conditions = WriteConditions {
            if_match,
            if_none_match: None,
        };
        requests.push(DeleteObject {
            bucket: bucket.clone(),
            key,
            conditions,
        });
    }
    let asked = requests.len();
    let outcomes = match asked {
        0 => Vec::new(),
        _ => {
            service
                .gateway
                .delete_objects(call.view, call.caller, bucket.clone(), requests)
                .await?
        }
    };
    if outcomes.len() != asked {
        tracing::error!(
            asked,
            answered = outcomes.len(),
            "a delete of several keys was not answered key by key"
        );
        return Err(ErrorCode::InternalError.into());
    }
    let mut outcomes = outcomes.into_iter();
    let told: Vec<(&str, Result<DeletedObject, S3Error>)> = targets
        .iter()
        .zip(accepted)
        .map(|(target, accepted)| {
            let outcome = match accepted.then(|| outcomes.next()).flatten() {
                Some(outcome) => outcome.map_err(S3Error::from),
                None => Err(ErrorCode::KeyTooLong.into()),
            };
            (target.key.as_str(), outcome)
        })
        .collect();
    Ok(Reply::xml(xml::delete_result(verbosity, &told)))
}
