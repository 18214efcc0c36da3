//! GetObject and HeadObject.

use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, EXPIRES, HeaderName, HeaderValue, IF_RANGE,
    LAST_MODIFIED, RANGE,
};
use http::{HeaderMap, StatusCode};

use super::{Call, parameter, write_checksum, write_encryption, write_etag, write_version};
use crate::port::{
    ByteRange, ChecksumType, FindObject, ObjectChecksum, ObjectGateway, ObjectInfo, ReadVerdict,
};
use crate::s3::code::ErrorCode;
use crate::s3::error::{S3Error, precondition_failed};
use crate::s3::reply::{Content, Reply};
use crate::s3::request::{ContentRange, Headers, Overrides, RangeSpec, read_conditions, write_metadata};
use crate::s3::time::{http_date, parse_http_date};

/// What a read asks of an object once that is found.
struct Selection {
    range: Option<(RangeSpec, String)>,
    checksums: ShowChecksums,
    overrides: Overrides,
}

/// Whether a read shows the checksum of what it sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ShowChecksums {
    Yes,
    No,
}

/// What of an object is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// All of it: 200.
    Whole,
    /// A range or part: 206.
    Partial(ByteRange),
}

const PARTS_COUNT: HeaderName = HeaderName::from_static("x-amz-mp-parts-count");
const BYTES: HeaderValue = HeaderValue::from_static("bytes");

pub(super) async fn get_object<G: ObjectGateway>(call: Call<'_, G>) -> Result<Reply<G::ReadBody>, S3Error> {
    let service = call.service;
    let (mut reply, opened) = open(call).await?;
    let Some((handle, range)) = opened.filter(|(_, range)| range.length > 0) else {
        return Ok(reply);
    };
    let stream = service.gateway.read_object(handle, range).await?;
    reply.content = Content::Stream {
        stream,
        remaining: range.length,
    };
    Ok(reply)
}

pub(super) async fn head_object<G: ObjectGateway>(call: Call<'_, G>) -> Result<Reply<G::ReadBody>, S3Error> {
    let (reply, _) = open(call).await?;
    Ok(reply)
}

/// What a read yields beside its headers: what to send, unless the client has it already.
type Opened<G> = Option<(<G as ObjectGateway>::Handle, ByteRange)>;

/// Finds an object and decides what of it is sent; the answer has all its headers.
async fn open<G: ObjectGateway>(call: Call<'_, G>) -> Result<(Reply<G::ReadBody>, Opened<G>), S3Error> {
    let (bucket, key) = call.object()?;
    let part = parameter::part_number(call.query)?;
    let conditions = read_conditions(call.headers)?;
    let selection = Selection::parse(&call)?;
    if part.is_some() && selection.range.is_some() {
        let message = "Cannot specify both Range header and partNumber query parameter";
        return Err(S3Error::with_message(ErrorCode::InvalidRequest, message));
    }
    let headers = call.headers;
    let request = FindObject {
        bucket: bucket.clone(),
        key: key.clone(),
        part,
    };
    let found = call
        .service
        .gateway
        .find_object(call.view, call.caller, request)
        .await?;
    let info = found.info;
    match conditions.evaluate(&info.etag, info.last_modified) {
        ReadVerdict::Proceed => {}
        ReadVerdict::NotModified => return Ok((not_modified(info)?, None)),
        ReadVerdict::Failed(condition) => return Err(precondition_failed(condition)),
    }
    let extent = selection.extent(headers, &info)?;
    let range = match extent {
        Extent::Whole => ByteRange {
            offset: 0,
            length: info.size,
        },
        Extent::Partial(range) => range,
    };
    Ok((
        answer(info, extent, range, selection)?,
        Some((found.handle, range)),
    ))
}

impl Selection {
    fn parse<G: ObjectGateway>(call: &Call<'_, G>) -> Result<Self, S3Error> {
        let range = call.headers.get(&RANGE)?;
        Ok(Self {
            range: range.and_then(|value| Some((RangeSpec::parse(value)?, value.to_owned()))),
            // The policy of headers lets no other value through.
            checksums: match call.headers.amz("x-amz-checksum-mode")? {
                Some(_) => ShowChecksums::Yes,
                None => ShowChecksums::No,
            },
            // Nobody gets here unsigned, so whoever overrides has signed that.
            overrides: Overrides::parse(call.query)?,
        })
    }

    fn extent(&self, headers: &Headers<'_>, info: &ObjectInfo) -> Result<Extent, S3Error> {
        if let Some(part) = info.part {
            return Ok(if part.range.length == 0 {
                Extent::Whole
            } else {
                Extent::Partial(part.range)
            });
        }
        let Some((range, sent)) = &self.range else {
            return Ok(Extent::Whole);
        };
        if !if_range_holds(headers, info)? {
            return Ok(Extent::Whole);
        }
        range
            .resolve(info.size)
            .map(Extent::Partial)
            .map_err(|_| unsatisfiable(sent, info.size))
    }
}

/// Whether a range counts: its client has the rest of exactly this object. The comparison is strong.
fn if_range_holds(headers: &Headers<'_>, info: &ObjectInfo) -> Result<bool, S3Error> {
    let Some(validator) = headers.get(&IF_RANGE)? else {
        return Ok(true);
    };
    if let Some(date) = parse_http_date(validator) {
        return Ok(date.0 / 1000 == info.last_modified.0 / 1000);
    }
    Ok(validator
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        == Some(info.etag.as_str()))
}

fn unsatisfiable(sent: &str, size: u64) -> S3Error {
    let error = S3Error::new(ErrorCode::InvalidRange)
        .detail("RangeRequested", sent)
        .detail("ActualObjectSize", size.to_string());
    match ContentRange::Unsatisfied(size).value() {
        Some(value) => error.header(CONTENT_RANGE, value),
        None => error,
    }
}

/// 304, with what a cache needs to go on using what it has.
fn not_modified<R>(info: ObjectInfo) -> Result<Reply<R>, S3Error> {
    let mut reply = Reply::empty(StatusCode::NOT_MODIFIED);
    write_validators(&mut reply.headers, &info)?;
    for (name, value) in [
        (CACHE_CONTROL, info.metadata.cache_control),
        (EXPIRES, info.metadata.expires),
    ] {
        if let Some(Ok(value)) = value.map(HeaderValue::try_from) {
            reply.headers.insert(name, value);
        }
    }
    Ok(reply)
}

fn write_validators(headers: &mut HeaderMap, info: &ObjectInfo) -> Result<(), S3Error> {
    write_etag(headers, &info.etag)?;
    if let Some(date) = http_date(info.last_modified) {
        headers.insert(LAST_MODIFIED, date);
    }
    write_version(headers, info.version.as_ref());
    Ok(())
}

fn answer<R>(
    info: ObjectInfo,
    extent: Extent,
    range: ByteRange,
    selection: Selection,
) -> Result<Reply<R>, S3Error> {
    let mut reply = Reply::empty(StatusCode::OK);
    // About as many as an ordinary object has, so that the map does not grow.
    let mut headers = HeaderMap::with_capacity(16 + info.metadata.user.len());
    write_validators(&mut headers, &info)?;
    headers.insert(ACCEPT_RANGES, BYTES);
    headers.insert(CONTENT_LENGTH, HeaderValue::from(range.length));
    if let Extent::Partial(range) = extent {
        reply.status = StatusCode::PARTIAL_CONTENT;
        if let Some(value) = ContentRange::Bytes(range, info.size).value() {
            headers.insert(CONTENT_RANGE, value);
        }
    }
    write_encryption(&mut headers, info.encryption);
    if let Some(parts) = info.part.and_then(|part| part.parts) {
        headers.insert(PARTS_COUNT, HeaderValue::from(parts));
    }
    if let Some(checksum) = shown_checksum(&info, extent, selection.checksums) {
        write_checksum(&mut headers, &checksum);
    }
    write_metadata(&mut headers, info.metadata);
    selection.overrides.apply(&mut headers);
    reply.headers = headers;
    Ok(reply)
}

/// The checksum of exactly what is sent: none for a range, or a client would compare it with that.
fn shown_checksum(info: &ObjectInfo, extent: Extent, show: ShowChecksums) -> Option<ObjectChecksum> {
    match (show, extent, info.part) {
        (ShowChecksums::No, _, _) | (ShowChecksums::Yes, Extent::Partial(_), None) => None,
        (ShowChecksums::Yes, _, Some(part)) if part.parts.is_some() => {
            part.checksum.map(|checksum| ObjectChecksum {
                checksum,
                kind: info.checksum.map_or(ChecksumType::FullObject, |c| c.kind),
                parts: None,
            })
        }
        (ShowChecksums::Yes, _, _) => info.checksum,
    }
}
