//! Buckets.

use bytes::Bytes;
use http::StatusCode;
use http::header::{HeaderName, HeaderValue, LOCATION};
use http_body::Body;

use super::{Call, document, parameter};
use crate::port::{BucketName, CreateBucket, ListBuckets, ObjectGateway};
use crate::s3::body::BodyKind;
use crate::s3::code::ErrorCode;
use crate::s3::error::S3Error;
use crate::s3::incoming::Payload;
use crate::s3::reply::Reply;
use crate::s3::request::refuse_conditions;
use crate::s3::xml;

/// Most bytes of a `CreateBucketConfiguration`.
const MAX_CONFIGURATION: u64 = 16 * 1024;
/// Most buckets of one page, as AWS has it.
const MAX_BUCKETS: u32 = 10_000;

/// Region of the endpoint and of all buckets.
const BUCKET_REGION: HeaderName = HeaderName::from_static("x-amz-bucket-region");

pub(super) async fn list_buckets<G: ObjectGateway>(call: Call<'_, G>) -> Result<Reply<G::ReadBody>, S3Error> {
    let tokens = &call.service.config.token_key;
    let prefix = call.query.non_empty("prefix");
    let scope = ["buckets", prefix.unwrap_or_default(), call.caller.user()];
    let token = call.query.non_empty("continuation-token");
    let after = match token {
        Some(token) => Some(tokens.open(&scope, token).ok_or_else(|| wrong_token(token))?),
        None => None,
    };
    let limit = parameter::limit(call.query, "max-buckets", MAX_BUCKETS)?;
    if limit == 0 {
        let message = "Argument max-buckets must be an integer between 1 and 10000";
        return Err(S3Error::invalid_argument("max-buckets", "0", message));
    }
    let request = ListBuckets {
        prefix: prefix.unwrap_or_default().to_owned(),
        after,
        limit,
    };
    let user = call.caller.user().clone();
    let list = call
        .service
        .gateway
        .list_buckets(call.view, call.caller, request)
        .await?;
    let scope = ["buckets", prefix.unwrap_or_default(), &user];
    let last = list.buckets.last().filter(|_| list.truncated);
    let next = last.map(|bucket| tokens.seal(&scope, bucket.name.as_str()));
    Ok(Reply::xml(xml::bucket_list(&list, prefix, next.as_deref())))
}

pub(super) fn wrong_token(token: &str) -> S3Error {
    S3Error::invalid_argument(
        "continuation-token",
        token,
        "The continuation token provided is incorrect",
    )
}

pub(super) async fn create_bucket<G, B>(
    call: Call<'_, G>,
    payload: Payload<B>,
) -> Result<Reply<G::ReadBody>, S3Error>
where
    G: ObjectGateway,
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    refuse_conditions(call.headers, &[])?;
    let name = call.bucket()?.clone();
    let (service, parts) = (call.service, call.parts);
    let document = document::read(service, parts, payload, BodyKind::Document, MAX_CONFIGURATION).await?;
    if !document.bytes.is_empty() {
        check_location(
            xml::create_bucket_configuration(&document.bytes)?,
            service.config.region.as_deref(),
        )?;
    }
    let location = location(&name)?;
    service
        .gateway
        .create_bucket(call.view, call.caller, CreateBucket { name })
        .await?;
    let mut reply = Reply::empty(StatusCode::OK);
    reply.headers.insert(LOCATION, location);
    Ok(reply)
}

/// A server that has a region has its buckets there; one that has none has them wherever asked.
fn check_location(constraint: Option<String>, region: Option<&str>) -> Result<(), S3Error> {
    match (constraint, region) {
        (Some(constraint), Some(region)) if constraint != region => Err(S3Error::with_message(
            ErrorCode::IllegalLocationConstraint,
            format!(
                "The {constraint} location constraint is incompatible for the region specific endpoint this request \
                 was sent to."
            ),
        )),
        _ => Ok(()),
    }
}

fn location(bucket: &BucketName) -> Result<HeaderValue, S3Error> {
    HeaderValue::try_from(format!("/{bucket}")).map_err(|_| ErrorCode::InternalError.into())
}

pub(super) async fn delete_bucket<G: ObjectGateway>(
    call: Call<'_, G>,
) -> Result<Reply<G::ReadBody>, S3Error> {
    refuse_conditions(call.headers, &[])?;
    let bucket = call.bucket()?.clone();
    call.service
        .gateway
        .delete_bucket(call.view, call.caller, bucket)
        .await?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

pub(super) async fn head_bucket<G: ObjectGateway>(call: Call<'_, G>) -> Result<Reply<G::ReadBody>, S3Error> {
    let bucket = call.bucket()?.clone();
    let service = call.service;
    service
        .gateway
        .head_bucket(call.view, call.caller, bucket)
        .await?;
    let mut reply = Reply::empty(StatusCode::OK);
    if let Ok(region) = HeaderValue::from_str(service.config.region()) {
        reply.headers.insert(BUCKET_REGION, region);
    }
    Ok(reply)
}

pub(super) async fn bucket_location<G: ObjectGateway>(
    call: Call<'_, G>,
) -> Result<Reply<G::ReadBody>, S3Error> {
    let bucket = call.bucket()?.clone();
    let service = call.service;
    service
        .gateway
        .bucket_location(call.view, call.caller, bucket)
        .await?;
    Ok(Reply::xml(xml::location(service.config.region())))
}
