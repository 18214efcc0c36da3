//! PutObject and UploadPart.

use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_RANGE, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH};
use http_body::Body;

use super::{Call, parameter, write_checksum, write_encryption, write_etag, write_version};
use crate::port::{ObjectGateway, PutObject, UploadPart, UploadRef};
use crate::s3::body::{BodyKind, BodySpec};
use crate::s3::checksum::encode;
use crate::s3::error::S3Error;
use crate::s3::incoming::Payload;
use crate::s3::reply::Reply;
use crate::s3::request::{Headers, metadata, refuse_conditions, write_conditions};

pub(super) async fn put_object<G, B>(
    call: Call<'_, G>,
    payload: Payload<B>,
) -> Result<Reply<G::ReadBody>, S3Error>
where
    G: ObjectGateway,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    refuse_partial(call.headers)?;
    let (bucket, key) = call.object()?;
    let request = PutObject {
        bucket: bucket.clone(),
        key: key.clone(),
        metadata: metadata(call.headers)?,
        conditions: write_conditions(call.headers, &[IF_MATCH, IF_NONE_MATCH])?,
    };
    let service = call.service;
    let spec = BodySpec::parse(
        call.parts,
        payload.mode,
        BodyKind::Object,
        service.config.limits.max_put,
    )?;
    let body = service.bodies.open(spec, payload.body);
    let stored = service
        .gateway
        .put_object(call.view, call.caller, request, body)
        .await?;
    let mut reply = Reply::empty(StatusCode::OK);
    write_etag(&mut reply.headers, &stored.etag)?;
    write_version(&mut reply.headers, stored.version.as_ref());
    write_encryption(&mut reply.headers, stored.encryption);
    if let Some(checksum) = &stored.checksum {
        write_checksum(&mut reply.headers, checksum);
    }
    Ok(reply)
}

pub(super) async fn upload_part<G, B>(
    call: Call<'_, G>,
    payload: Payload<B>,
) -> Result<Reply<G::ReadBody>, S3Error>
where
    G: ObjectGateway,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    refuse_partial(call.headers)?;
    refuse_conditions(call.headers, &[])?;
    let (bucket, key) = call.object()?;
    let upload = parameter::upload_id(call.query)?;
    let number = parameter::part_number(call.query)?
        .ok_or_else(|| S3Error::invalid_argument("partNumber", "", "This operation needs a partNumber."))?;
    let request = UploadPart {
        upload: UploadRef {
            bucket: bucket.clone(),
            key: key.clone(),
            upload,
        },
        number,
    };
    let service = call.service;
    let spec = BodySpec::parse(
        call.parts,
        payload.mode,
        BodyKind::Object,
        service.config.limits.max_put,
    )?;
    let body = service.bodies.open(spec, payload.body);
    let stored = service
        .gateway
        .upload_part(call.view, call.caller, request, body)
        .await?;
    let mut reply = Reply::empty(StatusCode::OK);
    write_etag(&mut reply.headers, &stored.etag)?;
    if let Some(checksum) = &stored.checksum
        && let Ok(value) = HeaderValue::try_from(encode(checksum))
    {
        reply
            .headers
            .insert(HeaderName::from_static(checksum.algorithm().header()), value);
    }
    Ok(reply)
}

/// A PUT of a part of a representation is not one of all of it (RFC 9110 section 14.5).
fn refuse_partial(headers: &Headers<'_>) -> Result<(), S3Error> {
    match headers.get(&CONTENT_RANGE)? {
        Some(_) => Err(S3Error::header_not_implemented(CONTENT_RANGE.as_str())),
        None => Ok(()),
    }
}
